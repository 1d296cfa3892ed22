// SPDX-License-Identifier: Apache-2.0
/* The console commands that are about guests. */
#include "guest/commands.h"

#include "core/config_keys.h"
#include "core/console.h"
#include "core/cpu.h"
#include "core/frame.h"
#include "core/lib/fmt.h"
#include "core/lib/string.h"
#include "core/percpu.h"
#include "core/timer.h"
#include "gpu/gpu.h"
#include "guest/assigned.h"
#include "guest/machine.h"
#include "guest/platform.h"

#define JSON_MAX KIB(32)

static const char *const exit_names[VM_EXIT_KIND_COUNT] = {
	[VM_EXIT_INTERRUPT] = "interrupt",
	[VM_EXIT_IRQ_WINDOW] = "window",
	[VM_EXIT_MMIO] = "mmio",
	[VM_EXIT_PIO] = "port",
	[VM_EXIT_CPUID] = "cpuid",
	[VM_EXIT_MSR] = "msr",
	[VM_EXIT_HLT] = "halt",
	[VM_EXIT_EOI] = "eoi",
	[VM_EXIT_HYPERCALL] = "hypercall",
	[VM_EXIT_SHUTDOWN] = "shutdown",
	[VM_EXIT_STOP] = "stop",
};

static const char *guest_candidate(u32 index)
{
	for (u32 i = 0; i < VM_MAX; i++)
		if (vm_get(i) && !index--)
			return vm_get(i)->name;
	return NULL;
}

/* The guest that the user names; NULL after having said what is wrong. */
static struct vm *named(const char *name)
{
	struct vm *vm = vm_find(name);

	if (!vm)
		console_print(*name ? "there is no guest \"%s\": `guests` lists them"
				    : "which guest?%s `guests` lists them",
			      name);
	return vm;
}

static u64 run_ns(const struct vm *vm)
{
	u64 ns = 0;

	for (u32 i = 0; i < vm->vcpu_count; i++)
		ns += vm->vcpus[i]->run_ns;
	return ns;
}

static u64 exit_count(const struct vm *vm, u32 kind)
{
	u64 count = 0;

	for (u32 i = 0; i < vm->vcpu_count; i++)
		count += vm->vcpus[i]->exits[kind];
	return count;
}

static void run_guests(char *args)
{
	(void)args;
	console_print("  %-16s %-9s %5s %9s %12s", "name", "state", "vCPUs", "memory", "CPU time");
	for (u32 i = 0; i < VM_MAX; i++) {
		const struct vm *vm = vm_get(i);

		if (vm)
			console_print("  %-16s %-9s %5u %5lu MiB %9lu ms", vm->name,
				      machine_state_name(vm), vm->vcpu_count, vm->memory.size >> 20,
				      run_ns(vm) / 1000000);
	}
}

/* Carry out `action`; `wanted` says from which states it goes. */
static void act(char *name, enum err (*action)(struct vm *vm), const char *wanted)
{
	struct vm *vm = named(name);
	enum err e = vm ? action(vm) : OK;

	if (e == ERR_BUSY)
		console_print("guest %s is %s: only a guest that is %s can do that", vm->name,
			      machine_state_name(vm), wanted);
	else if (e)
		console_print("guest %s: %s", vm->name, err_name(e));
}

static void run_start(char *args)
{
	act(args, machine_start, "stopped");
}

static void run_stop(char *args)
{
	act(args, machine_stop, "running or paused");
}

static void run_restart(char *args)
{
	act(args, machine_restart, "running, paused or stopped");
}

static void run_pause(char *args)
{
	act(args, machine_pause, "running");
}

static void run_resume(char *args)
{
	act(args, machine_resume, "paused");
}

static void run_attach(char *args)
{
	struct vm *vm = named(args);

	if (vm)
		console_attach(vm);
}

/* The first word of `text`, and what follows it; a word ends with a blank or the text. */
static char *cut_word(char *text)
{
	while (*text && *text != ' ')
		text++;
	while (*text == ' ')
		*text++ = 0;
	return text;
}

bool commands_pci(char *args)
{
	char *name = cut_word(args), *place = cut_word(name);
	bool attach = str_equal(args, "attach");
	struct guest_pci *bus;
	struct vm *vm;
	u64 bdf;

	if (!attach && !str_equal(args, "detach"))
		return false;
	vm = named(name);
	bus = vm ? machine_pci(vm) : NULL;
	if (!vm)
		return true;
	if (config_read_pci((struct text){ place, strlen(place) }, &bdf))
		console_print("usage: pci %s NAME BB:DD.F", args);
	else if (!bus || vm->state == VM_STARTING || vm->state == VM_STOPPING)
		console_print("guest %s is %s: not now", vm->name, machine_state_name(vm));
	else if (attach)
		(void)!assigned_attach(vm, bus, (u16)bdf);
	else if (assigned_detach(vm, bus, (u16)bdf))
		console_print("guest %s: %s was not plugged in", vm->name, place);
	return true;
}

static void run_exits(char *args)
{
	(void)args;
	for (u32 i = 0; i < VM_MAX; i++) {
		const struct vm *vm = vm_get(i);

		for (u32 kind = 0; vm && kind < VM_EXIT_KIND_COUNT; kind++) {
			if (exit_count(vm, kind))
				console_print("  %-16s %-10s %12lu", vm->name, exit_names[kind],
					      exit_count(vm, kind));
		}
	}
}

/* Text that grows in a fixed buffer. */
struct json {
	char *text;
	size_t size, used;
};

static void add(struct json *json, const char *fmt, ...) printf_like(2, 3);
static void add(struct json *json, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	json->used +=
		(size_t)fmt_vsnprintf(json->text + json->used, json->size - json->used, fmt, args);
	va_end(args);
	json->used = MIN(json->used, json->size - 1);
}

static void add_guest(struct json *json, const struct vm *vm)
{
	u64 ready_ns = 0;

	for (u32 v = 0; v < vm->vcpu_count; v++)
		ready_ns += vm->vcpus[v]->ready_ns;
	add(json,
	    "{\"name\":\"%s\",\"state\":\"%s\",\"vcpus\":%u,\"memory\":%lu,\"cpu_ns\":%lu,"
	    "\"steal_ns\":%lu,\"exits\":{",
	    vm->name, machine_state_name(vm), vm->vcpu_count, vm->memory.size, run_ns(vm),
	    ready_ns);
	for (u32 kind = 0; kind < VM_EXIT_KIND_COUNT; kind++)
		add(json, "%s\"%s\":%lu", kind ? "," : "", exit_names[kind], exit_count(vm, kind));
	add(json, "}}");
}

static const struct iommu *iommu; /* written at start; NULL: there is none */

static void add_host(struct json *json)
{
	struct frame_stats stats;

	frame_get_stats(&stats);
	add(json,
	    "\"uptime_ns\":%lu,\"cpus\":%u,\"boot_instructions\":%lu,"
	    "\"hypervisor_bytes\":%lu,\"image_bytes\":%lu,\"pool_bytes\":%lu,"
	    "\"files_bytes\":%lu,\"guest_bytes\":%lu,\"guest_free_bytes\":%lu,"
	    "\"iommu_faults\":%lu,\"iommu_fault_ticks\":%lu,",
	    now_ns(), cpu_count(), machine_first_guest_ticks(),
	    stats.pool_used_bytes + stats.image_bytes, stats.image_bytes, stats.pool_bytes,
	    stats.files_bytes, stats.guest_bytes, stats.guest_free_bytes, iommu ? iommu->faults : 0,
	    iommu ? iommu->fault_ticks : 0);
}

static void run_stats(char *args)
{
	static char text[JSON_MAX]; /* commands run on one CPU only */
	struct json json = { text, sizeof(text), 0 };
	bool first = true;

	if (!str_equal(args, "json")) {
		console_print("usage: stats json");
		return;
	}
	add(&json, "{");
	add_host(&json);
	add(&json, "\"guests\":[");
	for (u32 i = 0; i < VM_MAX; i++)
		if (vm_get(i)) {
			add(&json, "%s", first ? "" : ",");
			first = false;
			add_guest(&json, vm_get(i));
		}
	add(&json, "],");
	json.used += gpu_stats_json(json.text + json.used, json.size - json.used);
	json.used = MIN(json.used, json.size - 2);
	add(&json, "}");
	console_print_text(text);
}

static const char *stats_candidate(u32 index)
{
	return index ? NULL : "json";
}

static const struct console_command commands[] = {
	{ "guests", "", "every guest and its state", run_guests, NULL },
	{ "start", "NAME", "start a guest", run_start, guest_candidate },
	{ "stop", "NAME", "stop a guest at once", run_stop, guest_candidate },
	{ "restart", "NAME", "stop and start", run_restart, guest_candidate },
	{ "pause", "NAME", "keep a guest from running", run_pause, guest_candidate },
	{ "resume", "NAME", "let it run again", run_resume, guest_candidate },
	{ "attach", "NAME", "its raw console, until Ctrl-]", run_attach, guest_candidate },
	{ "stats", "json", "all counters on one line", run_stats, stats_candidate },
	{ "exits", "", "exits by guest and reason", run_exits, NULL },
};

void commands_register(const struct iommu *units)
{
	iommu = units;
	for (u32 i = 0; i < ARRAY_SIZE(commands); i++)
		console_register(&commands[i]);
}
