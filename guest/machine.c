// SPDX-License-Identifier: Apache-2.0
/* Life cycle of virtual machines: each state's work is done in bounded steps. */
#include "guest/machine.h"

#include "core/console.h"
#include "core/files.h"
#include "core/frame.h"
#include "core/log.h"
#include "core/sched.h"
#include "core/timer.h"
#include "gpu/vgpu.h"
#include "guest/acpi.h"
#include "guest/assigned.h"
#include "guest/hypercall.h"
#include "guest/linux.h"
#include "guest/pci.h"
#include "guest/platform.h"
#include "guest/power.h"

#define COPY_STEP KIB(64)

enum phase {
	PHASE_CLEAR,
	PHASE_KERNEL,
	PHASE_INITRD,
	PHASE_FINISH,
};

/* vm->machine; lives in frames of its own. */
struct machine {
	enum phase phase;
	u64 offset;   /* progress in the phase */
	bool restart; /* start again once stopped */
	bool devices; /* platform, PCI and power exist */
	struct linux_plan plan;
	const struct boot_file *initrd;
	struct power_state power;
	struct guest_pci pci;
};

#define MACHINE_PAGES ((u32)((sizeof(struct machine) + PAGE_MASK) >> PAGE_SHIFT))

/* Housekeeping's own. */
static bool any_started;
static u64 first_guest_ticks;

static const struct vm_ops machine_ops = {
	.pending_interrupt = lapic_pending,
	.accept_interrupt = lapic_accept,
	.return_interrupt = lapic_return,
	.eoi = platform_eoi,
	.cpuid = platform_cpuid,
	.msr = platform_msr,
	.hypercall = hypercall,
	.vcpu_init = platform_vcpu_init,
	.scheduled_in = pvclock_scheduled_in,
	.msi = lapic_send_msi,
	.irq_line = platform_irq_line,
	.console_input = platform_console_input,
	.console_drained = uart_console_drained,
};

static struct machine *machine_of(const struct vm *vm)
{
	return vm->machine;
}

struct guest_pci *machine_pci(const struct vm *vm)
{
	struct machine *machine = machine_of(vm);

	return machine && machine->devices ? &machine->pci : NULL;
}

const char *machine_state_name(const struct vm *vm)
{
	static const char *const names[] = {
		[VM_STOPPED] = "stopped", [VM_STARTING] = "starting", [VM_RUNNING] = "running",
		[VM_PAUSED] = "paused",	  [VM_STOPPING] = "stopping",
	};

	return names[vm->state];
}

/* ---- making ---- */

static enum err make_vcpus(struct vm *vm)
{
	for (u32 i = 0; i < vm->config->cpus; i++) {
		vm->vcpus[i] = vcpu_create(vm, i);
		if (!vm->vcpus[i])
			return ERR_NO_MEMORY;
		vm->vcpu_count++;
	}
	return OK;
}

static enum err make_devices(struct vm *vm)
{
	struct machine *machine = machine_of(vm);
	/* First: CPUID says whether there is one. */
	enum err e = vgpu_create(vm, vm->config);

	if (!e)
		e = platform_create(vm);
	if (!e)
		e = power_create(vm, &machine->power);
	if (!e)
		e = guest_pci_create(vm, &machine->pci, &machine->power);
	if (!e && vm->vgpu)
		e = guest_pci_add(&machine->pci, vgpu_function(vm));
	if (!e)
		e = assigned_create(vm, &machine->pci);
	machine->devices = !e;
	return e;
}

static enum err make(const struct config_guest *config)
{
	struct vm *vm = vm_create(config);
	hpa_t frame;
	enum err e;

	if (!vm)
		return ERR_NO_MEMORY;
	frame = frame_alloc_contiguous(MACHINE_PAGES);
	if (!frame.raw)
		return ERR_NO_MEMORY;
	vm->machine = frame_ptr(frame);
	vm->ops = &machine_ops;
	e = make_vcpus(vm);
	if (!e)
		e = make_devices(vm);
	if (e)
		log_error("guest %s: its devices cannot be made: %s", vm->name, err_name(e));
	return e;
}

static const struct boot_file *find_file(const struct vm *vm, const char *name)
{
	const struct boot_file *file = boot_file_find(name);

	if (file && !file->error)
		return file;
	log_error("guest %s: %s: %s", vm->name, name, file ? file->error : "not read at start");
	return NULL;
}

void machine_create_all(const struct config *config)
{
	for (u32 i = 0; i < config->guest_count; i++)
		(void)!make(&config->guests[i]);
	for (u32 i = 0; i < VM_MAX; i++)
		if (vm_get(i) && vm_get(i)->config->autostart)
			(void)!machine_start(vm_get(i));
}

/* ---- starting ---- */

static enum err plan(struct vm *vm)
{
	struct machine *machine = machine_of(vm);
	const struct boot_file *kernel = find_file(vm, vm->config->kernel);

	machine->initrd = NULL;
	if (!kernel)
		return ERR_NOT_FOUND;
	if (vm->config->initrd[0]) {
		machine->initrd = find_file(vm, vm->config->initrd);
		if (!machine->initrd)
			return ERR_NOT_FOUND;
	}
	return linux_plan(vm, kernel, machine->initrd, &machine->plan);
}

enum err machine_start(struct vm *vm)
{
	struct machine *machine = machine_of(vm);
	enum err e;

	if (!machine || !machine->devices)
		return ERR_DEVICE;
	if (vm->state != VM_STOPPED)
		return ERR_BUSY;
	e = plan(vm);
	if (e)
		return e;
	any_started = true;
	machine->phase = PHASE_CLEAR;
	machine->offset = 0;
	machine->restart = false;
	vm->end_claimed = VM_END_NONE;
	vm->end = VM_END_NONE;
	vm->state = VM_STARTING;
	return OK;
}

/* Copy a part of a file; true: it is all there. */
static bool copy_part(struct vm *vm, u64 gpa, const u8 *data, u64 size)
{
	struct machine *machine = machine_of(vm);
	u64 part = MIN(size - machine->offset, COPY_STEP);

	/* linux_plan() placed it inside RAM. */
	invariant(
		!gmem_write(&vm->memory, GPA(gpa + machine->offset), data + machine->offset, part));
	machine->offset += part;
	return machine->offset == size;
}

static void next_phase(struct machine *machine)
{
	machine->phase++;
	machine->offset = 0;
}

static enum err finish(struct vm *vm)
{
	struct machine *machine = machine_of(vm);
	enum err e;

	for (u32 i = 0; i < vm->vcpu_count; i++) {
		virt->vcpu_reset(&vm->vcpus[i]->arch);
		vm->vcpus[i]->waits_for_sipi = i > 0;
		vm->vcpus[i]->nmi_pending = false;
		/* What the last run asked for is void; work stays due. */
		__atomic_fetch_and(&vm->vcpus[i]->requests, VCPU_REQ_WORK, __ATOMIC_SEQ_CST);
	}
	platform_reset(vm);
	power_reset(&machine->power);
	guest_pci_reset(&machine->pci);
	e = guest_acpi_write(vm);
	if (!e)
		e = linux_finish(vm, &machine->plan);
	if (e)
		log_error("guest %s: its start-up tables do not fit", vm->name);
	return e;
}

static void start_step(struct vm *vm)
{
	struct machine *machine = machine_of(vm);
	const struct linux_plan *p = &machine->plan;

	switch (machine->phase) {
	case PHASE_CLEAR:
		gmem_clear_chunk(&vm->memory, (u32)machine->offset++);
		if (machine->offset == vm->memory.size >> GMEM_CHUNK_SHIFT)
			next_phase(machine);
		return;
	case PHASE_KERNEL:
		if (copy_part(vm, p->kernel_gpa, p->kernel, p->kernel_size))
			next_phase(machine);
		return;
	case PHASE_INITRD:
		if (!p->initrd_gpa ||
		    copy_part(vm, p->initrd_gpa, machine->initrd->data, p->initrd_size))
			next_phase(machine);
		return;
	case PHASE_FINISH:
		break;
	}
	if (finish(vm) || assigned_start(vm)) {
		vm->state = VM_STOPPED;
		return;
	}
	vm->state = VM_RUNNING;
	if (!first_guest_ticks)
		first_guest_ticks = time_ticks_since_entry();
	log_info("guest %s: starts with %u vCPU, %lu MiB", vm->name, vm->vcpu_count,
		 vm->memory.size >> 20);
	for (u32 i = 0; i < vm->vcpu_count; i++)
		vcpu_start(vm->vcpus[i], i > 0);
}

/* ---- stopping ---- */

static enum err begin_stop(struct vm *vm, bool restart)
{
	if (vm->state != VM_RUNNING && vm->state != VM_PAUSED)
		return ERR_BUSY;
	for (u32 i = 0; i < vm->vcpu_count; i++)
		vcpu_stop(vm->vcpus[i]);
	machine_of(vm)->restart = restart;
	if (vm->vgpu)
		vgpu_stop(vm);
	vm->state = VM_STOPPING;
	return OK;
}

static void stop_step(struct vm *vm)
{
	if (vm->vgpu && !vgpu_stopped(vm))
		return;
	assigned_stop(vm);
	console_forget(vm);
	vm->state = VM_STOPPED;
	if (machine_of(vm)->restart && machine_start(vm))
		log_error("guest %s: cannot be started again", vm->name);
}

enum err machine_stop(struct vm *vm)
{
	if (vm->state == VM_STARTING) {
		vm->state = VM_STOPPED;
		return OK;
	}
	return begin_stop(vm, false);
}

enum err machine_restart(struct vm *vm)
{
	return vm->state == VM_STOPPED ? machine_start(vm) : begin_stop(vm, true);
}

enum err machine_pause(struct vm *vm)
{
	if (vm->state != VM_RUNNING)
		return ERR_BUSY;
	vm_freeze(vm);
	vm->state = VM_PAUSED;
	return OK;
}

enum err machine_resume(struct vm *vm)
{
	if (vm->state != VM_PAUSED)
		return ERR_BUSY;
	vm->state = VM_RUNNING;
	vm_thaw(vm);
	return OK;
}

/* The guest ended by itself: say so and act. */
static void handle_end(struct vm *vm, enum vm_end end)
{
	console_forget(vm);
	if (end == VM_END_CRASH)
		log_error("guest %s: stopped: %s", vm->name, vm->end_reason);
	else
		log_info("guest %s: %s", vm->name, vm->end_reason);
	(void)!begin_stop(vm, end == VM_END_RESET);
}

static bool step(struct vm *vm)
{
	enum vm_end end = __atomic_load_n(&vm->end, __ATOMIC_ACQUIRE);

	if ((vm->state == VM_RUNNING || vm->state == VM_PAUSED) && end != VM_END_NONE)
		handle_end(vm, end);
	if (vm->state == VM_STARTING)
		start_step(vm);
	else if (vm->state == VM_STOPPING)
		stop_step(vm);
	return vm->state == VM_STARTING || vm->state == VM_STOPPING;
}

bool machine_housekeeping(void)
{
	bool more = false;

	for (u32 i = 0; i < vm_slots; i++)
		if (vm_get(i) && vm_get(i)->machine)
			more |= step(vm_get(i));
	return more;
}

u64 machine_first_guest_ticks(void)
{
	return first_guest_ticks;
}

bool machines_idle(void)
{
	for (u32 i = 0; i < vm_slots; i++)
		if (vm_get(i) && vm_get(i)->state != VM_STOPPED)
			return false;
	return any_started;
}
