/* SPDX-License-Identifier: Apache-2.0 */
/* The console commands `gpu` and `trace`, and what `gpu top` draws. */
// SOURCES: gpu/gpu.c gpu/hang.c gpu/virtio/freeze.c gpu/virtio/rebuild.c
// SOURCES: gpu/vgpu.c gpu/dma.c drivers/iommu_ram.c gpu/virtio/family.c
// SOURCES: gpu/sched.c gpu/sched_admit.c gpu/sched_complete.c gpu/sched_fixed.c
// SOURCES: gpu/sched_note.c gpu/sched_order.c
// SOURCES: gpu/control.c gpu/settings.c gpu/guard.c gpu/waits.c gpu/books.c gpu/ledger.c
// SOURCES: gpu/sha256.c gpu/trace.c gpu/encode.c gpu/report.c gpu/report_json.c
// SOURCES: gpu/commands.c gpu/top.c core/config.c core/config_keys.c gpu/config.c
// SOURCES: core/lib/parse.c core/lib/fmt.c
// SOURCES: gpu/virtio/vfunc.c gpu/virtio/intake.c gpu/virtio/teardown.c
// SOURCES: gpu/virtio/scanout.c gpu/virtio/audit.c gpu/virtio/resources.c
// SOURCES: gpu/virtio/audit_3d.c gpu/virtio/stream.c gpu/virtio/streams.c gpu/virtio/series.c
// SOURCES: gpu/virtio/virgl.c gpu/virtio/virgl_rules.c gpu/virtio/virgl_checks.c
// SOURCES: gpu/virtio/virgl_objects.c gpu/virtio/virgl_resource.c gpu/virtio/virgl_formats.c
// SOURCES: gpu/virtio/vring.c core/lib/string.c core/lib/error.c
#include "tests/unit/fake_driver.h"

#include "core/console.h"
#include "core/softirq.h"
#include "gpu/commands.h"
#include "gpu/encode.h"

#define MS 1000000ULL

/* ---- the console ---- */

static char screen[256 * 1024];
static const struct console_command *registered[4];
static u32 registered_count;
static enum console_step (*program)(int byte);

void console_print_text(const char *line)
{
	assert_true(strlen(screen) + strlen(line) + 2 < sizeof(screen));
	strcat(screen, line);
	strcat(screen, "\n");
}

void console_print(const char *fmt, ...)
{
	char line[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	console_print_text(line);
}

void console_write(const char *text)
{
	assert_true(strlen(screen) + strlen(text) + 1 < sizeof(screen));
	strcat(screen, text);
}

void console_run(enum console_step (*step)(int byte))
{
	program = step;
}

void console_register(const struct console_command *command)
{
	registered[registered_count++] = command;
}

void softirq_run(void)
{
	if (fake_vms[0].vgpu && fake_vms[1].vgpu)
		fake_run();
}

struct vm *vm_get(u32 index)
{
	return index < FAKE_VMS ? &fake_vms[index] : NULL;
}

struct vm *vm_find(const char *name)
{
	for (u32 i = 0; i < FAKE_VMS; i++)
		if (!strcmp(fake_vms[i].name, name))
			return &fake_vms[i];
	return NULL;
}

/* What a command answers. */
static const char *run(const char *line)
{
	char copy[256];
	char *args;

	snprintf(copy, sizeof(copy), "%s", line);
	args = strchr(copy, ' ');
	if (args)
		*args++ = 0;
	else
		args = copy + strlen(copy);
	screen[0] = 0;
	for (u32 i = 0; i < registered_count; i++)
		if (!strcmp(registered[i]->name, copy)) {
			registered[i]->run(args);
			return screen;
		}
	fail_msg("no command %s", copy);
	return NULL;
}

static void expect_says(const char *line, const char *part)
{
	if (!strstr(run(line), part))
		fail_msg("`%s` says: %s", line, screen);
}

static void expect_silent(const char *line)
{
	assert_string_equal(run(line), "");
}

static int set_up(void **state)
{
	(void)state;
	fake_capsets.count = 0;
	fake_machine_start(true, MIB(16));
	registered_count = 0;
	program = NULL;
	gpu_commands_register();
	for (u32 i = 0; i < FAKE_VMS; i++) {
		fake_vms[i].state = VM_RUNNING;
		probe(i);
		posted[i] = 0;
	}
	return 0;
}

static int tear_down(void **state)
{
	struct gpu_trace *trace = &gpu_get(0)->trace;

	(void)state;
	gpu_trace_off(gpu_get(0));
	if (trace->ring) {
		u32 pages = (trace->capacity * 32 + 4095) / 4096;

		memset(trace->ring, 0, (size_t)pages * 4096);
		frame_free_contiguous(trace->frames, pages);
	}
	fake_machine_stop();
	return 0;
}

/* ---- gpu ---- */

static void the_table_shows_settings(void **state)
{
	(void)state;
	expect_silent("gpu set guest0 weight=300 reserve=12.5% cap=50% queue=7");
	expect_says("gpu", "guest0              300");
	expect_says("gpu", "  reserve 12.5%, cap 50.0%, latency 0 us, queue 7, doorbells 0, ");
	expect_says("gpu", "virtio-gpu, 2 scan-outs, fair, slice 2000 us, busy ");
	for (char *line = strtok(screen, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 120);
}

static void who_is_meant_is_said_when_it_is_nobody(void **state)
{
	(void)state;
	expect_says("gpu freeze nobody", "there is no guest \"nobody\"");
	expect_says("gpu thaw", "which guest?");
	expect_says("gpu set 7 policy=fair", "there is no guest \"7\"");
	expect_says("gpu set guest0", "usage: gpu set");
	expect_says("gpu jump", "usage: gpu");
	fake_vms[1].vgpu = NULL;
	expect_says("gpu reset guest1", "guest guest1 has no virtual GPU");
	fake_vms[1].vgpu = gpu_get(0)->vgpus[1];
}

static void refusals_begin_with_gpu_set(void **state)
{
	(void)state;
	expect_says("gpu set guest0 weight=0", "gpu set: weight: found \"0\", allowed: ");
	expect_says("gpu set 0 slice=1s", "gpu set: slice: found \"1s\", allowed: ");
	expect_silent("gpu set 0 slice=1ms policy=equal");
	assert_int_equal(gpu_get(0)->sched.config.policy, GPU_SCHED_EQUAL);
}

static void a_guest_may_be_called_like_a_number(void **state)
{
	(void)state;
	strcpy(fake_vms[0].name, "0");
	expect_silent("gpu set 0 weight=77");
	assert_int_equal(gpu_get(0)->vgpus[0]->sched.params.weight, 77);
}

static void freeze_thaw_and_reset_are_shown(void **state)
{
	(void)state;
	expect_silent("gpu freeze guest0");
	expect_says("gpu", " frozen");
	expect_says("gpu freeze guest0", "guest guest0: its vGPU is frozen already");
	expect_silent("gpu thaw guest0");
	expect_says("gpu thaw guest0", "guest guest0: its vGPU is not frozen");
	expect_silent("gpu reset guest0");
	expect_says("gpu", " hung");
	fake_vms[1].state = VM_STOPPED;
	expect_says("gpu reset guest1", "only the vGPU of a guest that is running");
}

static void tab_offers_verbs_and_guests(void **state)
{
	const char *last = NULL;

	(void)state;
	assert_string_equal(registered[0]->candidate(0), "focus");
	for (u32 i = 0; registered[0]->candidate(i); i++)
		last = registered[0]->candidate(i);
	assert_string_equal(last, "guest1");
}

/* ---- trace ---- */

static void trace_on_takes_a_number_of_records(void **state)
{
	(void)state;
	expect_says("trace dump", "nothing was traced");
	expect_says("trace gpu on 63", "allowed: a number of records from 64 to 65536");
	expect_says("trace gpu on many", "allowed: a number");
	expect_says("trace", "usage: trace");
	expect_silent("trace gpu on 64");
	assert_int_equal(gpu_get(0)->trace.capacity, 64);
	expect_silent("trace gpu off");
}

static u8 decoded[64 * 1024];

static u32 decode(const char *line, u32 at)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	u32 bits = 0, count = 0;

	for (; *line && *line != '='; line++) {
		bits = bits << 6 | (u32)(strchr(digits, *line) - digits);
		count += 6;
		if (count >= 8) {
			count -= 8;
			decoded[at++] = (u8)(bits >> count);
		}
	}
	return at;
}

/* In steps; other lines between them do no harm. */
static void a_dump_is_what_was_recorded(void **state)
{
	u32 records, steps = 0, size = 0, crc = 0;
	unsigned long lost;
	char *line;

	(void)state;
	expect_silent("trace gpu on 1024");
	for (u32 i = 0; i < 100; i++)
		create(0, 10 + i, 8, 8);
	expect_says("trace dump", "trace gpu 0 version 1 records ");
	assert_non_null(program);
	while (program(-1) != CONSOLE_OVER) {
		console_print_text("facet: something else");
		assert_true(++steps < 10000);
		fake_now += 1000 * MS; /* so that each step is a short one */
	}
	line = strtok(screen, "\n");
	assert_int_equal(sscanf(line, "trace gpu 0 version 1 records %u lost %lu", &records, &lost),
			 2);
	while ((line = strtok(NULL, "\n")) && strncmp(line, "trace end", 9)) {
		assert_true(strlen(line) <= 128);
		if (!strchr(line, ' '))
			size = decode(line, size);
	}
	assert_int_equal(size, records * 32);
	assert_int_equal(records, 1 + 2 * FAKE_VMS + 100 * 5);
	assert_int_equal(lost, 0);
	assert_int_equal(sscanf(line, "trace end crc32 %x", &crc), 1);
	assert_int_equal(crc, crc32(0, decoded, size));
}

static void ctrl_c_cuts_a_dump_short(void **state)
{
	(void)state;
	expect_silent("trace gpu on 1024");
	for (u32 i = 0; i < 100; i++)
		create(0, 10 + i, 8, 8);
	(void)run("trace dump");
	assert_int_equal(program(3), CONSOLE_OVER);
	assert_non_null(strstr(screen, "trace end, cut short"));
	create(0, 500, 8, 8);
	expect_says("trace dump",
		    "trace gpu 0 version 1 records 10 lost 0"); /* state, and one job */
	while (program(-1) != CONSOLE_OVER)
		;
}

/* ---- gpu top ---- */

#define ROWS	24
#define COLUMNS 80

static char terminal[ROWS][COLUMNS + 1];
static u32 cursor_row, cursor_column, region_top;

/* As much of a terminal as it uses; outside 80 columns nothing may be written. */
static void put(const char *at)
{
	u32 saved_row = 0, saved_column = 0;

	while (*at) {
		u32 n = 0, m = 0;

		if (*at == '\r') {
			cursor_column = 0;
		} else if (*at == '\n') {
			cursor_row = MIN(cursor_row + 1, ROWS - 1U);
		} else if (*at != '\x1b') {
			assert_true(cursor_column < COLUMNS);
			terminal[cursor_row][cursor_column++] = *at;
		} else {
			assert_int_equal(*++at, '[');
			for (at++; *at >= '0' && *at <= '9'; at++)
				n = n * 10 + (u32)(*at - '0');
			if (*at == ';')
				for (at++; *at >= '0' && *at <= '9'; at++)
					m = m * 10 + (u32)(*at - '0');
			if (*at == 'H') {
				cursor_row = MIN(n, (u32)ROWS) - 1;
				cursor_column = m - 1;
			} else if (*at == 'K') {
				memset(&terminal[cursor_row][cursor_column], ' ',
				       COLUMNS - cursor_column);
			} else if (*at == 'J') {
				memset(terminal, ' ', sizeof(terminal));
			} else if (*at == 'r') {
				region_top = n;
			} else if (*at == 's') {
				saved_row = cursor_row;
				saved_column = cursor_column;
			} else if (*at == 'u') {
				cursor_row = saved_row;
				cursor_column = saved_column;
			} else {
				fail_msg("sequence with %c", *at);
			}
		}
		at++;
	}
	for (u32 i = 0; i < ROWS; i++)
		terminal[i][COLUMNS] = 0;
	screen[0] = 0;
}

static void step(u32 seconds)
{
	fake_now += seconds * 1000 * MS;
	assert_int_equal(program(-1), CONSOLE_WAITS);
	put(screen);
}

static void a_table_stands_above_the_log(void **state)
{
	(void)state;
	expect_silent("gpu set guest0 weight=300 reserve=40%");
	create(0, 5, 1024, 768);
	put(run("gpu top"));
	step(0);
	assert_non_null(strstr(terminal[0], "gpu 0  virtio-gpu  fair  slice 2000 us"));
	assert_non_null(strstr(terminal[0], "q leaves"));
	assert_memory_equal(terminal[1], "guest ", 6);
	/* 40 % and three quarters of the rest */
	assert_memory_equal(terminal[2], "guest0            85.0% ======. ", 32);
	assert_non_null(strstr(terminal[2], "  3M/16M  run"));
	assert_memory_equal(terminal[3], "guest1            15.0% =...... ", 32);
	assert_int_equal(region_top, 6);
	assert_int_equal(cursor_row, 5);
	console_print_text("facet: a line");
	step(1);
	assert_memory_equal(terminal[5], "facet: a line", 13);
	assert_memory_equal(terminal[2], "guest0 ", 7);
}

static void it_is_drawn_once_a_second(void **state)
{
	(void)state;
	put(run("gpu top"));
	step(0);
	for (u32 i = 0; i < 50; i++) {
		assert_int_equal(program(-1), CONSOLE_WAITS);
		assert_string_equal(screen, "");
	}
	fake_now += 1000 * MS;
	(void)program(-1);
	assert_non_null(strstr(screen, "guest1"));
}

static void q_leaves_and_other_keys_do_not(void **state)
{
	(void)state;
	put(run("gpu top"));
	assert_int_equal(program('x'), CONSOLE_WAITS);
	put(screen);
	assert_int_equal(program('q'), CONSOLE_OVER);
	put(screen);
	assert_int_equal(region_top, 0); /* all of the screen */
	assert_int_equal(cursor_row, ROWS - 1);
	put(run("gpu top"));
	assert_int_equal(program(3), CONSOLE_OVER);
}

/* The widest of everything. */
static void eighty_columns_are_enough(void **state)
{
	struct vgpu *vgpu = gpu_get(0)->vgpus[0];

	(void)state;
	strcpy(fake_vms[0].name, "a-name-of-16-cha");
	fake_capsets.count = 0;
	vgpu->memory_quota = GIB(16);
	expect_silent("gpu set 0 slice=100ms policy=equal");
	waits_add(&vgpu->waits, 999 * MS, fake_now);
	for (u32 i = 0; i < 1000; i++)
		waits_add(&vgpu->waits, 9999 * MS, fake_now);
	fake_device.frozen = true;
	for (u32 i = 0; i < 30; i++)
		post_create(0, 10 + i);
	send_posted(0);
	expect_silent("gpu freeze a-name-of-16-cha");
	put(run("gpu top"));
	step(1);
	assert_memory_equal(terminal[2], "a-name-of-16-cha  50.0% ====... ", 32);
	assert_non_null(strstr(terminal[2], "/16G"));
	assert_non_null(strstr(terminal[2], " frozen"));
	vgpu->memory_quota = MIB(16);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_table_shows_settings),
		TEST(who_is_meant_is_said_when_it_is_nobody),
		TEST(refusals_begin_with_gpu_set),
		TEST(a_guest_may_be_called_like_a_number),
		TEST(freeze_thaw_and_reset_are_shown),
		TEST(tab_offers_verbs_and_guests),
		TEST(trace_on_takes_a_number_of_records),
		TEST(a_dump_is_what_was_recorded),
		TEST(ctrl_c_cuts_a_dump_short),
		TEST(a_table_stands_above_the_log),
		TEST(it_is_drawn_once_a_second),
		TEST(q_leaves_and_other_keys_do_not),
		TEST(eighty_columns_are_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
