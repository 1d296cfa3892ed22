/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's command streams from its ring to the device, and what becomes of those refused. */
// SOURCES: gpu/gpu.c gpu/hang.c gpu/virtio/freeze.c gpu/virtio/rebuild.c
// SOURCES: gpu/vgpu.c gpu/dma.c drivers/iommu_ram.c gpu/virtio/family.c
// SOURCES: gpu/sched.c gpu/sched_admit.c gpu/sched_complete.c gpu/sched_fixed.c
// SOURCES: gpu/sched_note.c gpu/sched_order.c
// SOURCES: gpu/control.c gpu/settings.c gpu/guard.c gpu/waits.c gpu/books.c gpu/ledger.c
// SOURCES: gpu/sha256.c gpu/trace.c gpu/encode.c
// SOURCES: core/config.c core/config_keys.c gpu/config.c
// SOURCES: core/lib/parse.c core/lib/fmt.c
// SOURCES: gpu/virtio/vfunc.c gpu/virtio/intake.c gpu/virtio/teardown.c
// SOURCES: gpu/virtio/scanout.c gpu/virtio/audit.c gpu/virtio/resources.c
// SOURCES: gpu/virtio/audit_3d.c gpu/virtio/stream.c gpu/virtio/streams.c gpu/virtio/series.c
// SOURCES: gpu/virtio/virgl.c gpu/virtio/virgl_rules.c gpu/virtio/virgl_checks.c
// SOURCES: gpu/virtio/virgl_objects.c gpu/virtio/virgl_resource.c gpu/virtio/virgl_formats.c
// SOURCES: gpu/virtio/vring.c core/lib/string.c core/lib/error.c
#include "gpu/virtio/virgl_proto.h"
#include "tests/unit/fake_driver.h"

#define OK_NODATA VIRTIO_GPU_RESP_OK_NODATA
#define BAD	  VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
#define FAILED	  VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID
#define HEADER	  ((u32)sizeof(struct virtio_gpu_submit_3d))

static struct {
	struct virtio_gpu_submit_3d c;
	u32 words[16];
} packed_struct request;

static int set_up(void **state)
{
	static u8 data[64];

	(void)state;
	fake_capsets =
		(struct audit_capsets){ .count = 1, .sets = { { 1, 1, sizeof(data), data } } };
	fake_machine_start(true, MIB(16));
	for (u32 vm = 0; vm < FAKE_VMS; vm++) {
		probe(vm);
		fake_vgpu(vm)->accepted |= VIRTIO_GPU_F_VIRGL;
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_machine_stop();
	return 0;
}

static u32 make_context(u32 vm, u32 id)
{
	struct virtio_gpu_ctx_create c = {
		{ .type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = id }, 0, 0, { 0 }
	};

	return command(vm, &c, sizeof(c));
}

/* A stream that announces `bytes`; its first command is `word`, which has nothing behind it. */
static void prepare(u32 context, u32 bytes, u32 word)
{
	memset(&request, 0, sizeof(request));
	request.c.hdr.type = VIRTIO_GPU_CMD_SUBMIT_3D;
	request.c.hdr.ctx_id = context;
	request.c.size = bytes;
	request.words[0] = word;
}

/* It announces `bytes` and brings `total`, the command included. */
static u32 submit(u32 vm, u32 context, u32 bytes, u32 total)
{
	prepare(context, bytes, virgl_header(VIRGL_NOP, 0, 0));
	return command(vm, &request, total);
}

static u64 streams_refused(u32 vm)
{
	return fake_vgpu(vm)->three->counters.refused;
}

static void a_good_stream_reaches_the_device(void **state)
{
	u32 commands;

	(void)state;
	assert_int_equal(make_context(0, 3), OK_NODATA);
	commands = fake_device.commands;
	assert_int_equal(submit(0, 3, 4, HEADER + 4), OK_NODATA);
	assert_int_equal(fake_device.commands, commands + 1);
	assert_int_equal(fake_device.last_type, VIRTIO_GPU_CMD_SUBMIT_3D);
	assert_int_equal(streams_refused(0), 0);
}

static void a_bad_command_fails_its_context(void **state)
{
	u32 commands, lines = fake_lines;

	(void)state;
	make_context(0, 3);
	commands = fake_device.commands;
	prepare(3, 4, virgl_header(255, 0, 0));
	assert_int_equal(command(0, &request, HEADER + 4), BAD);
	assert_int_equal(fake_device.commands, commands);
	assert_int_equal(streams_refused(0), 1);
	assert_int_equal(fake_vgpu(0)->audit.counters.refused, 1);
	assert_int_equal(fake_lines, lines + 1);
	assert_non_null(strstr(fake_last_line, "guest guest0: virgl "));
	assert_non_null(strstr(fake_last_line, "its context has failed"));
	assert_int_equal(submit(0, 3, 4, HEADER + 4), FAILED);
}

static void a_wrong_length_fails_its_context(void **state)
{
	static const struct {
		u32 bytes, total;
	} wrong[] = { { 8, HEADER + 4 },
		      { 4, HEADER + 8 },
		      { 5, HEADER + 5 },
		      { 0, HEADER - 4 },
		      { STREAM_BYTES_MAX + 4, HEADER + 4 } };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(wrong); i++) {
		u32 id = i + 1;

		assert_int_equal(make_context(0, id), OK_NODATA);
		assert_int_equal(submit(0, id, wrong[i].bytes, wrong[i].total), BAD);
		assert_int_equal(streams_refused(0), i + 1);
		assert_int_equal(submit(0, id, 4, HEADER + 4), FAILED);
	}
	assert_int_equal(fake_vgpu(0)->three->counters.streams, 0);
}

static void other_contexts_and_guests_go_on(void **state)
{
	(void)state;
	make_context(0, 3);
	make_context(0, 4);
	make_context(1, 3);
	assert_int_equal(submit(0, 3, 8, HEADER + 4), BAD);
	assert_int_equal(submit(0, 4, 4, HEADER + 4), OK_NODATA);
	assert_int_equal(submit(1, 3, 4, HEADER + 4), OK_NODATA);
	assert_int_equal(streams_refused(1), 0);
}

static void a_wrong_length_has_one_line_that_names_the_guest(void **state)
{
	u32 lines = fake_lines;

	(void)state;
	for (u32 id = 1; id <= 5; id++) {
		make_context(1, id);
		submit(1, id, 8, HEADER + 4);
		if (id == 1) {
			assert_int_equal(fake_lines, lines + 1);
			assert_string_equal(fake_last_line,
					    "guest guest1: virgl stream refused: not as long as "
					    "announced; its context has failed");
		}
	}
	assert_int_equal(fake_lines, lines + 2); /* in one second */
	assert_int_equal(streams_refused(1), 5);
}

/* Its fence says that all before it is done; until then it is not refused twice. */
static void the_fence_of_a_wrong_length_waits_for_the_jobs_before_it(void **state)
{
	struct virtio_gpu_ctx_create context = {
		{ .type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = 3 }, 0, 0, { 0 }
	};

	(void)state;
	posted[0] = 0;
	post(0, &context, sizeof(context));
	send_posted(0);
	fake_device.frozen = true;
	post_create(0, 5);
	prepare(3, 8, 0);
	post(0, &request, HEADER + 4);
	prepare(3, 4, 0);
	post(0, &request, HEADER + 4);
	send_posted(0);
	assert_int_equal(used_count(0), 1);
	assert_int_equal(streams_refused(0), 1);
	fake_device.frozen = false;
	gpu_wake(gpu_get(0));
	fake_run();
	assert_int_equal(used_count(0), 4);
	expect_answer(0, 1, 1, OK_NODATA);
	expect_answer(0, 2, 2, BAD);
	expect_answer(0, 3, 3, FAILED);
	assert_int_equal(streams_refused(0), 1);
}

/* Renderers look at fences late: beside streams none is added to what the guest asked none for. */
static void between_streams_a_command_without_a_fence_waits_for_none(void **state)
{
	(void)state;
	assert_int_equal(make_context(0, 3), OK_NODATA);
	fake_device.no_engine = true;
	(void)create(0, 5, 8, 8);
	assert_int_equal(fake_vgpu(0)->outstanding, 0);
	submit(0, 3, 4, HEADER + 4);
	assert_int_equal(fake_vgpu(0)->outstanding, 1);
}

static void without_streams_each_command_has_a_fence(void **state)
{
	(void)state;
	fake_device.no_engine = true;
	(void)create(0, 5, 8, 8);
	assert_int_equal(fake_vgpu(0)->outstanding, 1);
}

#define RULE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(a_good_stream_reaches_the_device),
		RULE(a_bad_command_fails_its_context),
		RULE(a_wrong_length_fails_its_context),
		RULE(other_contexts_and_guests_go_on),
		RULE(a_wrong_length_has_one_line_that_names_the_guest),
		RULE(the_fence_of_a_wrong_length_waits_for_the_jobs_before_it),
		RULE(between_streams_a_command_without_a_fence_waits_for_none),
		RULE(without_streams_each_command_has_a_fence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
