// SPDX-License-Identifier: Apache-2.0
/* Life cycle of virtual machines: in which order things happen, and what ends what. */
// SOURCES: guest/machine.c core/lib/string.c core/lib/fmt.c core/lib/error.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* cmocka.h wants the above first. */
#include <cmocka.h>

#include "core/console.h"
#include "core/files.h"
#include "core/frame.h"
#include "core/lib/fmt.h"
#include "core/lib/string.h"
#include "core/log.h"
#include "core/sched.h"
#include "core/timer.h"
#include "gpu/vgpu.h"
#include "guest/acpi.h"
#include "guest/assigned.h"
#include "guest/linux.h"
#include "guest/machine.h"
#include "guest/pci.h"
#include "guest/platform.h"

#define CHUNKS	    4
#define KERNEL_SIZE (KIB(150))
#define INITRD_SIZE (KIB(64))
#define KERNEL_AT   MIB(1)
#define INITRD_AT   MIB(2)
#define GUESTS	    2
#define VCPUS	    2

static struct config all;
static struct vm vms[GUESTS];
static u32 vm_count;
static struct vcpu vcpus[GUESTS][VCPUS];
static _Alignas(16) u8 frames[GUESTS][KIB(512)];
static u32 frames_taken;
static u8 kernel_bytes[KERNEL_SIZE];
static char last_line[256];

/* What happened to the first guest. */
static u32 cleared, copied, finished, started, waiting, running, reset_count, forgotten;
static u32 assigned_started, assigned_stopped;
static bool file_missing, vgpu_busy, platform_fails, device_lost;

/* ---- what the other rooms offer ---- */

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list args;

	(void)level;
	va_start(args, fmt);
	fmt_vsnprintf(last_line, sizeof(last_line), fmt, args);
	va_end(args);
}

void panic(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

hpa_t frame_alloc_contiguous(u32 pages)
{
	assert_true(pages * PAGE_SIZE <= sizeof(frames[0]));
	return HPA(++frames_taken);
}

void *frame_ptr(hpa_t frame)
{
	return frames[frame.raw - 1];
}

void gmem_clear_chunk(const struct gmem *mem, u32 index)
{
	assert_true(index < CHUNKS);
	if (mem != &vms[0].memory)
		return;
	assert_int_equal(copied % (KERNEL_SIZE + INITRD_SIZE), 0);
	assert_int_equal(running, 0);
	cleared++;
}

enum err gmem_write(const struct gmem *mem, gpa_t gpa, const void *src, size_t size)
{
	u64 first = gpa.raw >= INITRD_AT ? INITRD_AT : KERNEL_AT;

	assert_true(size <= KIB(64)); /* a step is bounded */
	assert_ptr_equal(src, kernel_bytes + (gpa.raw - first));
	if (mem != &vms[0].memory)
		return OK;
	assert_int_equal(cleared % CHUNKS, 0);
	copied += (u32)size;
	return OK;
}

const struct boot_file *boot_file_find(const char *name)
{
	static const struct boot_file kernel = { "vmlinuz", kernel_bytes, KERNEL_SIZE, NULL };
	static const struct boot_file initrd = { "init.gz", kernel_bytes, INITRD_SIZE, NULL };

	if (file_missing)
		return NULL;
	return str_equal(name, "vmlinuz") ? &kernel : &initrd;
}

enum err linux_plan(const struct vm *vm, const struct boot_file *kernel,
		    const struct boot_file *initrd, struct linux_plan *plan)
{
	(void)vm;
	*plan = (struct linux_plan){
		.kernel = kernel->data,
		.kernel_size = kernel->size,
		.kernel_gpa = KERNEL_AT,
		.initrd_gpa = INITRD_AT,
		.initrd_size = initrd ? initrd->size : 0,
		.kernel_file = kernel,
	};
	return OK;
}

enum err linux_finish(struct vm *vm, const struct linux_plan *plan)
{
	(void)plan;
	finished += vm == &vms[0];
	return OK;
}

enum err guest_acpi_write(struct vm *vm)
{
	(void)vm;
	return OK;
}

struct vm *vm_create(const struct config_guest *config)
{
	struct vm *vm = &vms[vm_count++];

	vm->config = config;
	vm->memory.size = CHUNKS * GMEM_CHUNK_SIZE;
	(void)str_copy(vm->name, sizeof(vm->name), config->name);
	return vm;
}

u32 vm_slots = VM_MAX;

struct vm *vm_get(u32 index)
{
	return index < vm_count ? &vms[index] : NULL;
}

struct vcpu *vcpu_create(struct vm *vm, u32 index)
{
	struct vcpu *vcpu = &vcpus[vm - vms][index];

	vcpu->vm = vm;
	vcpu->index = index;
	return vcpu;
}

void vcpu_start(struct vcpu *vcpu, bool wait_for_init)
{
	vcpu->state = wait_for_init ? VCPU_WAIT_INIT : VCPU_READY;
	if (vcpu->vm != &vms[0])
		return;
	assert_int_equal(copied % (KERNEL_SIZE + INITRD_SIZE), 0);
	if (wait_for_init)
		waiting++;
	else
		started++;
	running++;
}

void vcpu_stop(struct vcpu *vcpu)
{
	vcpu->state = VCPU_OFF;
	running -= vcpu->vm == &vms[0];
}

void vm_freeze(struct vm *vm)
{
	(void)vm;
	running = 0;
}

void vm_thaw(struct vm *vm)
{
	running = vm->vcpu_count;
}

static void vcpu_reset(struct arch_vcpu *arch)
{
	(void)arch;
}

static const struct virt_ops fake_virt = { .vcpu_reset = vcpu_reset };
const struct virt_ops *virt = &fake_virt;

enum err platform_create(struct vm *vm)
{
	(void)vm;
	return platform_fails ? ERR_NO_MEMORY : OK;
}

void platform_reset(struct vm *vm)
{
	reset_count += vm == &vms[0];
}

enum err power_create(struct vm *vm, struct power_state *state)
{
	(void)vm;
	(void)state;
	return OK;
}

void power_reset(struct power_state *state)
{
	(void)state;
}

enum err guest_pci_create(struct vm *vm, struct guest_pci *pci, struct power_state *power)
{
	(void)vm;
	(void)pci;
	(void)power;
	return OK;
}

enum err guest_pci_add(struct guest_pci *pci, struct vpci_function *function)
{
	(void)pci;
	(void)function;
	return OK;
}

void guest_pci_reset(struct guest_pci *pci)
{
	(void)pci;
}

enum err vgpu_create(struct vm *vm, const struct config_guest *config)
{
	(void)config;
	vm->vgpu = vm;
	return OK;
}

struct vpci_function *vgpu_function(struct vm *vm)
{
	(void)vm;
	return NULL;
}

void vgpu_stop(struct vm *vm)
{
	/* Teardown begins with every vCPU out. */
	for (u32 i = 0; i < vm->vcpu_count; i++)
		assert_int_equal(vm->vcpus[i]->state, VCPU_OFF);
}

bool vgpu_stopped(struct vm *vm)
{
	(void)vm;
	return !vgpu_busy;
}

void console_forget(struct vm *vm)
{
	forgotten += vm == &vms[0];
}

enum err assigned_create(struct vm *vm, struct guest_pci *pci)
{
	(void)vm;
	(void)pci;
	return OK;
}

/* Its RAM is ready, and nothing of it runs. */
enum err assigned_start(struct vm *vm)
{
	if (vm != &vms[0])
		return OK;
	assert_int_equal(finished, assigned_started + 1);
	assert_int_equal(running, 0);
	assigned_started++;
	return device_lost ? ERR_DEVICE : OK;
}

void assigned_stop(struct vm *vm)
{
	for (u32 i = 0; i < vm->vcpu_count; i++)
		assert_int_equal(vm->vcpus[i]->state, VCPU_OFF);
	assert_int_equal(vm->state, VM_STOPPING);
	assigned_stopped += vm == &vms[0];
}

u64 time_ticks_since_entry(void)
{
	return 1;
}

/* struct vm_ops: never called here. */
int lapic_pending(struct vcpu *vcpu)
{
	(void)vcpu;
	return -1;
}

void platform_eoi(struct vcpu *vcpu, u8 vector)
{
	(void)vcpu;
	(void)vector;
}

void lapic_accept(struct vcpu *vcpu, u8 vector)
{
	(void)vcpu;
	(void)vector;
}

void lapic_return(struct vcpu *vcpu, u8 vector)
{
	(void)vcpu;
	(void)vector;
}

void platform_cpuid(struct vcpu *vcpu, struct vm_exit *exit)
{
	(void)vcpu;
	(void)exit;
}

bool platform_msr(struct vcpu *vcpu, struct vm_exit *exit)
{
	(void)vcpu;
	(void)exit;
	return false;
}

void hypercall(struct vcpu *vcpu, struct vm_exit *exit)
{
	(void)vcpu;
	(void)exit;
}

void platform_vcpu_init(struct vcpu *vcpu)
{
	(void)vcpu;
}

void pvclock_scheduled_in(struct vcpu *vcpu)
{
	(void)vcpu;
}

void lapic_send_msi(struct vm *vm, u64 address, u32 data)
{
	(void)vm;
	(void)address;
	(void)data;
}

void platform_irq_line(struct vm *vm, u32 gsi, bool level)
{
	(void)vm;
	(void)gsi;
	(void)level;
}

size_t platform_console_input(struct vm *vm, const u8 *data, size_t size)
{
	(void)vm;
	(void)data;
	return size;
}

void uart_console_drained(struct vm *vm)
{
	(void)vm;
}

/* ---- using it ---- */

static void settle(void)
{
	for (u32 i = 0; i < 100 && machine_housekeeping(); i++)
		;
}

static void end(struct vm *vm, enum vm_end why, const char *reason)
{
	(void)str_copy(vm->end_reason, sizeof(vm->end_reason), reason);
	vm->end = why;
}

static int prepare(void **state)
{
	(void)state;
	memset(vms, 0, sizeof(vms));
	memset(vcpus, 0, sizeof(vcpus));
	memset(frames, 0, sizeof(frames));
	memset(&all, 0, sizeof(all));
	vm_count = frames_taken = 0;
	cleared = copied = finished = started = waiting = running = reset_count = forgotten = 0;
	file_missing = vgpu_busy = platform_fails = device_lost = false;
	assigned_started = assigned_stopped = 0;
	all.guest_count = GUESTS;
	for (u32 i = 0; i < GUESTS; i++) {
		struct config_guest *guest = &all.guests[i];

		(void)str_copy(guest->name, sizeof(guest->name), i ? "beta" : "alpha");
		(void)str_copy(guest->kernel, sizeof(guest->kernel), "vmlinuz");
		(void)str_copy(guest->initrd, sizeof(guest->initrd), "init.gz");
		guest->cpus = VCPUS;
	}
	return 0;
}

static int create(void **state)
{
	(void)prepare(state);
	all.guests[0].autostart = true;
	machine_create_all(&all);
	return 0;
}

static int run(void **state)
{
	(void)create(state);
	settle();
	return vms[0].state == VM_RUNNING ? 0 : -1;
}

/* ---- rules ---- */

static void only_guests_with_autostart_start(void **state)
{
	(void)state;
	assert_int_equal(vms[0].state, VM_STARTING);
	assert_int_equal(vms[1].state, VM_STOPPED);
}

static void memory_is_cleared_then_filled_then_entered(void **state)
{
	(void)state;
	settle(); /* the fakes check the order */
	assert_int_equal(vms[0].state, VM_RUNNING);
	assert_int_equal(cleared, CHUNKS);
	assert_int_equal(copied, KERNEL_SIZE + INITRD_SIZE);
	assert_int_equal(finished, 1);
	assert_int_equal(started, 1);
	assert_int_equal(waiting, VCPUS - 1);
}

static void a_step_is_one_chunk(void **state)
{
	(void)state;
	assert_true(machine_housekeeping());
	assert_int_equal(cleared, 1);
	assert_int_equal(copied, 0);
}

static void a_missing_file_is_named(void **state)
{
	(void)state;
	file_missing = true;
	assert_int_equal(machine_start(&vms[1]), ERR_NOT_FOUND);
	assert_non_null(strstr(last_line, "guest beta: vmlinuz: "));
	assert_int_equal(vms[1].state, VM_STOPPED);
}

static void a_guest_that_switches_itself_off_is_stopped(void **state)
{
	(void)state;
	end(&vms[0], VM_END_POWEROFF, "powered off");
	vgpu_busy = true;
	machine_housekeeping();
	assert_string_equal(last_line, "guest alpha: powered off");
	assert_int_equal(running, 0);
	settle();
	assert_int_equal(vms[0].state, VM_STOPPING); /* the GPU still holds its memory */
	vgpu_busy = false;
	settle();
	assert_int_equal(vms[0].state, VM_STOPPED);
	assert_true(forgotten > 0);
	assert_true(machines_idle());
}

static void a_guest_that_resets_itself_starts_afresh(void **state)
{
	(void)state;
	vms[0].vcpus[1]->requests = VCPU_REQ_INIT | VCPU_REQ_NMI | VCPU_REQ_WORK;
	end(&vms[0], VM_END_RESET, "restarts");
	settle();
	assert_int_equal(vms[0].state, VM_RUNNING);
	assert_int_equal(cleared, 2 * CHUNKS);
	assert_int_equal(reset_count, 2);
	assert_int_equal(started, 2);
	assert_int_equal(vms[0].end, VM_END_NONE);
	/* An old INIT is void; old work is due. */
	assert_int_equal(vms[0].vcpus[1]->requests, VCPU_REQ_WORK);
	assert_int_equal(vms[1].state, VM_STOPPED);
}

static void a_crash_says_why(void **state)
{
	(void)state;
	end(&vms[0], VM_END_CRASH, "triple fault on vCPU 0");
	settle();
	assert_string_equal(last_line, "guest alpha: stopped: triple fault on vCPU 0");
	assert_int_equal(vms[0].state, VM_STOPPED);
}

static void pause_and_resume(void **state)
{
	(void)state;
	assert_int_equal(machine_resume(&vms[0]), ERR_BUSY);
	assert_int_equal(machine_pause(&vms[0]), OK);
	assert_int_equal(running, 0);
	assert_int_equal(machine_pause(&vms[0]), ERR_BUSY);
	assert_int_equal(machine_resume(&vms[0]), OK);
	assert_int_equal(running, VCPUS);
}

static void an_end_is_seen_while_paused(void **state)
{
	(void)state;
	assert_int_equal(machine_pause(&vms[0]), OK);
	running = VCPUS; /* frozen, to be stopped one by one */
	end(&vms[0], VM_END_POWEROFF, "powered off");
	settle();
	assert_int_equal(vms[0].state, VM_STOPPED);
}

static void stop_works_from_every_state(void **state)
{
	(void)state;
	assert_int_equal(machine_stop(&vms[1]), ERR_BUSY); /* stopped */
	assert_int_equal(machine_start(&vms[1]), OK);
	assert_int_equal(machine_start(&vms[1]), ERR_BUSY);
	assert_int_equal(machine_stop(&vms[1]), OK); /* while starting */
	assert_int_equal(vms[1].state, VM_STOPPED);
	assert_int_equal(machine_stop(&vms[0]), OK);
	settle();
	assert_int_equal(vms[0].state, VM_STOPPED);
	assert_int_equal(forgotten, 1);
	assert_int_equal(machine_start(&vms[0]), OK);
	settle();
	assert_int_equal(vms[0].state, VM_RUNNING);
}

static void restart_from_running_and_stopped(void **state)
{
	(void)state;
	assert_int_equal(machine_restart(&vms[0]), OK);
	settle();
	assert_int_equal(started, 2);
	assert_int_equal(vms[0].state, VM_RUNNING);
	assert_int_equal(machine_restart(&vms[1]), OK);
	settle();
	assert_int_equal(vms[1].state, VM_RUNNING);
}

static void its_functions_stop_before_it_is_stopped(void **state)
{
	(void)state;
	assert_int_equal(assigned_started, 1);
	assert_int_equal(machine_restart(&vms[0]), OK);
	settle();
	assert_int_equal(assigned_stopped, 1);
	assert_int_equal(assigned_started, 2);
	end(&vms[0], VM_END_CRASH, "triple fault on vCPU 0");
	settle();
	assert_int_equal(assigned_stopped, 2);
}

static void it_does_not_start_without_its_functions(void **state)
{
	(void)state;
	device_lost = true;
	settle();
	assert_int_equal(vms[0].state, VM_STOPPED);
	assert_int_equal(started, 0);
}

static void without_devices_nothing_starts(void **state)
{
	(void)state;
	platform_fails = true;
	all.guests[0].autostart = true;
	machine_create_all(&all);
	assert_non_null(strstr(last_line, "devices cannot be made"));
	assert_int_equal(vms[0].state, VM_STOPPED);
	assert_int_equal(machine_start(&vms[0]), ERR_DEVICE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(only_guests_with_autostart_start, create),
		cmocka_unit_test_setup(memory_is_cleared_then_filled_then_entered, create),
		cmocka_unit_test_setup(a_step_is_one_chunk, create),
		cmocka_unit_test_setup(a_missing_file_is_named, create),
		cmocka_unit_test_setup(a_guest_that_switches_itself_off_is_stopped, run),
		cmocka_unit_test_setup(a_guest_that_resets_itself_starts_afresh, run),
		cmocka_unit_test_setup(a_crash_says_why, run),
		cmocka_unit_test_setup(pause_and_resume, run),
		cmocka_unit_test_setup(an_end_is_seen_while_paused, run),
		cmocka_unit_test_setup(stop_works_from_every_state, run),
		cmocka_unit_test_setup(restart_from_running_and_stopped, run),
		cmocka_unit_test_setup(its_functions_stop_before_it_is_stopped, run),
		cmocka_unit_test_setup(it_does_not_start_without_its_functions, create),
		cmocka_unit_test_setup(without_devices_nothing_starts, prepare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
