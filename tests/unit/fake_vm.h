/* SPDX-License-Identifier: Apache-2.0 */
/* A VM on the build host for tests of guest/: clock, timers, requests, RAM and console are fakes.
 */
#ifndef TESTS_UNIT_FAKE_VM_H
#define TESTS_UNIT_FAKE_VM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef FAKE_WITHOUT_CMOCKA
/* cmocka.h wants the above first. */
#include <cmocka.h>
#endif

#include "arch/x86/cpu.h"
#include "core/guestcon.h"
#include "core/timer.h"
#include "core/virt.h"
#include "core/vm.h"
#include "guest/assigned.h"
#include "guest/hypercall.h"
#include "guest/platform.h"
#include "tests/unit/fake_log.h"

#define FAKE_RAM	 (64 * 1024)
#define FAKE_TSC_HZ	 2000000000ULL
#define FAKE_BOOT	 1700000000ULL /* 14 November 2023, 22:13:20 UTC */
#define FAKE_CONSOLE_MAX 8192

static struct vm fake_vm;
static struct vcpu fake_vcpus[VM_MAX_VCPUS];
static struct platform fake_platform;
static struct platform_vcpu fake_own[VM_MAX_VCPUS];
static u64 fake_now = 1000;
static u8 fake_ram[FAKE_RAM];
static u8 fake_console[FAKE_CONSOLE_MAX];
static u32 fake_console_count;
static u32 fake_console_room = FAKE_CONSOLE_MAX;
static u64 fake_cr4;
static u64 fake_vendor_msr;
static u32 fake_log_lines;
static u32 fake_looked, fake_quiet; /* lines: last looked at; that fall when they are */

/* ---- what core/ offers ---- */

u64 now_ns(void)
{
	return fake_now;
}

u64 time_tsc_hz(void)
{
	return FAKE_TSC_HZ;
}

u64 time_ns_to_tsc(u64 ns)
{
	return ns * 2;
}

u64 time_tsc_now_to_ns(u64 tsc)
{
	return tsc / 2;
}

u64 wallclock_boot_seconds(void)
{
	return FAKE_BOOT;
}

void timer_set(struct timer *timer, u64 deadline_ns)
{
	timer->deadline_ns = deadline_ns;
	list_init(&timer->node); /* linked: it is armed */
}

void timer_cancel(struct timer *timer)
{
	timer->node.next = NULL;
}

void vcpu_request(struct vcpu *vcpu, u32 request)
{
	vcpu->requests |= request;
}

enum err gmem_write(const struct gmem *mem, gpa_t gpa, const void *src, size_t size)
{
	(void)mem;
	if (gpa.raw > FAKE_RAM || size > FAKE_RAM - gpa.raw)
		return ERR_FAULT;
	memcpy(fake_ram + gpa.raw, src, size);
	return OK;
}

enum err gmem_read(const struct gmem *mem, gpa_t gpa, void *dst, size_t size)
{
	(void)mem;
	if (gpa.raw > FAKE_RAM || size > FAKE_RAM - gpa.raw)
		return ERR_FAULT;
	memcpy(dst, fake_ram + gpa.raw, size);
	return OK;
}

void assigned_look_intx(struct vm *vm, u32 pins)
{
	fake_looked = pins;
	for (u32 pin = 0; pin < IOAPIC_PINS; pin++)
		if (pins & fake_quiet & BIT(pin))
			vm_irq_line(vm, pin, false);
}

void guest_console_output(struct vm *vm, u8 byte)
{
	(void)vm;
	assert_true(fake_console_room > 0);
	fake_console_room--;
	fake_console[fake_console_count++ % FAKE_CONSOLE_MAX] = byte;
}

bool guest_console_ready(struct vm *vm)
{
	(void)vm;
	return fake_console_room > 0;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
	fake_log_lines++;
}

hpa_t frame_alloc(void);
hpa_t frame_alloc(void)
{
	return HPA((u64)(uintptr_t)calloc(1, PAGE_SIZE));
}

void *frame_ptr(hpa_t frame);
void *frame_ptr(hpa_t frame)
{
	return (void *)(uintptr_t)frame.raw;
}

/* ---- the vendor's part ---- */

static void fake_get_state(const struct arch_vcpu *vcpu, struct x86_state *state)
{
	(void)vcpu;
	memset(state, 0, sizeof(*state));
	state->cr4 = fake_cr4;
}

static bool fake_holds(u32 index)
{
	return index == MSR_EFER || index == MSR_LSTAR || index == MSR_PAT;
}

static enum err fake_read_msr(struct arch_vcpu *vcpu, u32 index, u64 *value)
{
	(void)vcpu;
	if (!fake_holds(index))
		return ERR_NOT_FOUND;
	*value = fake_vendor_msr;
	return OK;
}

static enum err fake_write_msr(struct arch_vcpu *vcpu, u32 index, u64 value)
{
	(void)vcpu;
	if (!fake_holds(index))
		return ERR_NOT_FOUND;
	if (value == ~0ULL)
		return ERR_DENIED;
	fake_vendor_msr = value;
	return OK;
}

static const struct virt_ops fake_virt = {
	.name = "fake",
	.get_state = fake_get_state,
	.read_msr = fake_read_msr,
	.write_msr = fake_write_msr,
};
const struct virt_ops *virt = &fake_virt;

/* ---- using it ---- */

static const struct vm_ops fake_ops = {
	.pending_interrupt = lapic_pending,
	.accept_interrupt = lapic_accept,
	.return_interrupt = lapic_return,
	.cpuid = platform_cpuid,
	.msr = platform_msr,
	.hypercall = hypercall,
	.vcpu_init = platform_vcpu_init,
	.scheduled_in = pvclock_scheduled_in,
	.msi = lapic_send_msi,
	.irq_line = platform_irq_line,
};

static inline void fake_vm_start(u32 vcpu_count)
{
	memset(&fake_vm, 0, sizeof(fake_vm));
	memset(fake_vcpus, 0, sizeof(fake_vcpus));
	memset(fake_own, 0, sizeof(fake_own));
	memset(&fake_platform, 0, sizeof(fake_platform));
	memset(fake_ram, 0xee, sizeof(fake_ram));
	fake_vm.ops = &fake_ops;
	fake_vm.platform = &fake_platform;
	fake_vm.vcpu_count = vcpu_count;
	for (u32 i = 0; i < vcpu_count; i++) {
		fake_vm.vcpus[i] = &fake_vcpus[i];
		fake_vcpus[i].vm = &fake_vm;
		fake_vcpus[i].index = i;
		fake_vcpus[i].lapic = &fake_own[i];
		fake_vcpus[i].arch.xcr0 = 1;
	}
	fake_now = 1000;
	fake_console_count = 0;
	fake_console_room = FAKE_CONSOLE_MAX;
	fake_cr4 = 0;
	fake_looked = fake_quiet = 0;
	fake_platform.vm = &fake_vm;
	cpuid_table_init(&fake_platform.cpuid, cpuid_host, vcpu_count, FAKE_TSC_HZ, false);
	pvclock_base_init(&fake_platform.clock);
	platform_reset(&fake_vm);
}

/* Advance the clock; the timers of all local APICs fire on the way. */
static inline void fake_advance(u64 ns)
{
	fake_now += ns;
	for (u32 i = 0; i < fake_vm.vcpu_count; i++) {
		struct timer *timer = &fake_own[i].lapic.timer;

		if (list_is_linked(&timer->node) && timer->deadline_ns <= fake_now) {
			timer->node.next = NULL;
			timer->fire(timer);
		}
	}
}

static inline bool fake_wrmsr(u32 vcpu, u32 index, u64 value)
{
	struct vm_exit exit = { .kind = VM_EXIT_MSR };

	exit.msr.index = index;
	exit.msr.value = value;
	exit.msr.write = true;
	return platform_msr(&fake_vcpus[vcpu], &exit);
}

static inline bool fake_rdmsr(u32 vcpu, u32 index, u64 *value)
{
	struct vm_exit exit = { .kind = VM_EXIT_MSR };

	exit.msr.index = index;
	if (!platform_msr(&fake_vcpus[vcpu], &exit))
		return false;
	*value = exit.msr.value;
	return true;
}

/* Take the pending interrupt as the processor would; -1: there is none. */
static inline int fake_take_interrupt(u32 vcpu)
{
	int vector = lapic_pending(&fake_vcpus[vcpu]);

	if (vector >= 0)
		lapic_accept(&fake_vcpus[vcpu], (u8)vector);
	return vector;
}

static inline u64 fake_access(region_handler handler, void *ctx, u32 vcpu, u64 offset, u8 size,
			      bool write, u64 value)
{
	struct access access = { .offset = offset, .value = value, .size = size, .write = write };

	assert_int_equal(handler(&fake_vcpus[vcpu], ctx, &access), ACCESS_HANDLED);
	return access.value;
}

#endif
