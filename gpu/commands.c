/* SPDX-License-Identifier: Apache-2.0 */
/* The console commands `gpu` and `trace`. */
#include "gpu/commands.h"

#include "core/console.h"
#include "core/lib/parse.h"
#include "core/lib/string.h"
#include "core/softirq.h"
#include "core/timer.h"
#include "core/vm.h"
#include "gpu/control.h"
#include "gpu/encode.h"
#include "gpu/gpu.h"

#define CTRL_C	     0x03
#define DUMP_STEP_NS 2000000ULL /* of lines, and the one that is begun */

/* ---- words ---- */

/* Cuts the first word off; returns it, empty if there is none. */
static char *take_word(char **rest)
{
	char *word = *rest, *at = word;

	while (*at && *at != ' ')
		at++;
	while (*at == ' ')
		*at++ = 0;
	*rest = at;
	return word;
}

/* The vGPU of the guest that the user names; NULL after having said what is wrong. */
static struct vgpu *named(const char *name)
{
	struct vm *vm = vm_find(name);

	if (!vm)
		console_print(*name ? "there is no guest \"%s\": `guests` lists them"
				    : "which guest?%s `guests` lists them",
			      name);
	else if (!vm->vgpu)
		console_print("guest %s has no virtual GPU", name);
	return vm ? vm->vgpu : NULL;
}

static void print_line(void *ctx, const char *text)
{
	(void)ctx;
	console_print_text(text);
}

/* ---- gpu ---- */

static void do_focus(char *rest)
{
	struct vgpu *vgpu = named(take_word(&rest));

	if (vgpu && gpu_focus_by_name(vgpu->vm->name))
		console_print("guest %s has no virtual GPU to show", vgpu->vm->name);
}

static void do_set(char *rest)
{
	const char *name = take_word(&rest);
	struct text word = { name, strlen(name) };
	char why[CONTROL_WHY_MAX];
	struct vgpu *vgpu = NULL;
	bool done;
	u64 number;

	if (!*rest) {
		console_print("usage: gpu set NAME|NUMBER KEY=VALUE...");
		return;
	}
	if (!vm_find(name) && !parse_number(word, &number) && number < gpu_count()) {
		done = gpu_set(gpu_get((u32)number), rest, why);
	} else {
		vgpu = named(name);
		if (!vgpu)
			return;
		done = vgpu_set(vgpu, rest, why);
	}
	if (!done)
		console_print("gpu set: %s", why);
}

/* What is said of the errors of freeze, thaw and reset. */
static void say(const struct vgpu *vgpu, enum err e, const char *other)
{
	if (e == ERR_DEVICE)
		console_print("gpu %u has no engine whose jobs could be kept back: `pause` and "
			      "`restart` are for guest %s",
			      vgpu->gpu->index, vgpu->vm->name);
	else if (e)
		console_print("guest %s: %s", vgpu->vm->name, other);
}

static void do_freeze(char *rest)
{
	struct vgpu *vgpu = named(take_word(&rest));

	if (vgpu)
		say(vgpu, vgpu_freeze(vgpu), "its vGPU is frozen already");
}

static void do_thaw(char *rest)
{
	struct vgpu *vgpu = named(take_word(&rest));

	if (vgpu)
		say(vgpu, vgpu_thaw(vgpu), "its vGPU is not frozen");
}

static void do_reset(char *rest)
{
	struct vgpu *vgpu = named(take_word(&rest));

	if (vgpu)
		say(vgpu, vgpu_reset(vgpu),
		    "only the vGPU of a guest that is running can be reset");
}

static void do_top(char *rest)
{
	(void)rest;
	gpu_top();
}

static void do_ledger(char *rest)
{
	(void)rest;
	gpu_print_ledger(print_line, NULL);
}

static const struct {
	const char *name;
	void (*run)(char *rest);
} verbs[] = {
	{ "focus", do_focus }, { "set", do_set }, { "freeze", do_freeze }, { "thaw", do_thaw },
	{ "reset", do_reset }, { "top", do_top }, { "ledger", do_ledger },
};

static void run_gpu(char *args)
{
	const char *verb = take_word(&args);

	if (!*verb) {
		gpu_print(print_line, NULL);
		return;
	}
	for (u32 i = 0; i < ARRAY_SIZE(verbs); i++)
		if (str_equal(verb, verbs[i].name)) {
			verbs[i].run(args);
			softirq_run(); /* the GPUs' owner is this CPU: done before the prompt */
			return;
		}
	console_print("usage: gpu [focus|freeze|thaw|reset NAME | set NAME|NUMBER KEY=VALUE... | "
		      "top | ledger]");
}

static const char *gpu_candidate(u32 index)
{
	if (index < ARRAY_SIZE(verbs))
		return verbs[index].name;
	index -= ARRAY_SIZE(verbs);
	for (u32 i = 0; i < VM_MAX; i++)
		if (vm_get(i) && vm_get(i)->vgpu && !index--)
			return vm_get(i)->name;
	return NULL;
}

/* ---- trace ---- */

/* The GPU that is being dumped, or gpu_count(). The housekeeping CPU's. */
static u32 dumped;

static bool begin_dump(u32 number)
{
	u32 records;
	u64 lost;

	for (dumped = number; dumped < gpu_count(); dumped++) {
		struct gpu *gpu = gpu_get(dumped);

		if (!gpu->trace.ring || gpu_trace_read(gpu, &records, &lost))
			continue;
		console_print("trace gpu %u version 1 records %u lost %lu", dumped, records, lost);
		return true;
	}
	return false;
}

/* False: all of this GPU's is printed. */
static bool dump_line(void)
{
	struct gpu_sched_event events[TRACE_LINE_RECORDS];
	char text[BASE64_MAX(TRACE_LINE_BYTES)];
	u32 crc, count = gpu_trace_next(gpu_get(dumped), events, &crc);

	if (count) {
		base64(events, count * sizeof(events[0]), text);
		console_print_text(text);
		return true;
	}
	console_print("trace end crc32 %08x", crc);
	return false;
}

static enum console_step dump(int byte)
{
	u64 end = now_ns() + DUMP_STEP_NS;

	if (byte == CTRL_C) {
		gpu_trace_stop_reading(gpu_get(dumped));
		console_print("trace end, cut short");
		return CONSOLE_OVER;
	}
	do {
		if (!dump_line() && !begin_dump(dumped + 1))
			return CONSOLE_OVER;
	} while (now_ns() < end);
	return CONSOLE_MORE;
}

static void trace_on(const char *word)
{
	struct text text = { word, strlen(word) };
	u64 records = TRACE_RECORDS_DEFAULT;

	if (*word && (parse_number(text, &records) || records < TRACE_RECORDS_MIN ||
		      records > TRACE_RECORDS_MAX)) {
		console_print(
			"trace gpu on: found \"%s\", allowed: a number of records from %u to %u",
			word, TRACE_RECORDS_MIN, TRACE_RECORDS_MAX);
		return;
	}
	for (u32 i = 0; i < gpu_count(); i++) {
		struct gpu *gpu = gpu_get(i);
		enum err e = gpu->ops->service ? OK : gpu_trace_on(gpu, (u32)records);

		if (e)
			console_print("trace gpu on: gpu %u: %s", i, err_name(e));
	}
}

static void trace_off(void)
{
	for (u32 i = 0; i < gpu_count(); i++)
		gpu_trace_off(gpu_get(i));
}

static void run_trace(char *args)
{
	const char *first = take_word(&args), *second = take_word(&args);

	if (str_equal(first, "gpu") && str_equal(second, "on")) {
		trace_on(take_word(&args));
	} else if (str_equal(first, "gpu") && str_equal(second, "off")) {
		trace_off();
	} else if (str_equal(first, "dump") && !*second) {
		if (begin_dump(0))
			console_run(dump);
		else
			console_print("nothing was traced: `trace gpu on` begins");
	} else {
		console_print("usage: trace gpu on [RECORDS], trace gpu off, trace dump");
	}
}

static const char *trace_candidate(u32 index)
{
	static const char *const words[] = { "gpu", "on", "off", "dump" };

	return index < ARRAY_SIZE(words) ? words[index] : NULL;
}

static const struct console_command commands[] = {
	{ "gpu", "[VERB ...]", "the vGPUs; focus, set, freeze, thaw, reset, top, ledger", run_gpu,
	  gpu_candidate },
	{ "trace", "gpu on|off | dump", "what the GPU scheduler decides, as data", run_trace,
	  trace_candidate },
};

void gpu_commands_register(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(commands); i++)
		console_register(&commands[i]);
}
