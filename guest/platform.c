/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the fixed devices of a VM together and passes the vCPU's exits to them. */
#include "guest/platform.h"

#include "core/frame.h"
#include "core/timer.h"
#include "core/virt.h"

_Static_assert(sizeof(struct platform) <= PAGE_SIZE, "one frame");
_Static_assert(sizeof(struct platform_vcpu) <= PAGE_SIZE, "one frame");

#define MSR_X2APIC_EOI (0x800u + LAPIC_EOI)

/* ---- life cycle ---- */

static enum err add_regions(struct vm *vm)
{
	struct platform *platform = vm->platform;
	const struct {
		struct region_table *table;
		struct region region;
	} places[] = {
		{ &vm->mmio, { LAPIC_BASE, PAGE_SIZE, lapic_mmio, NULL, "local APIC" } },
		{ &vm->mmio,
		  { IOAPIC_BASE, PAGE_SIZE, ioapic_mmio, &platform->ioapic, "I/O APIC" } },
		{ &vm->ports, { UART_PORT, UART_PORTS, uart_port, &platform->uart, "UART" } },
		{ &vm->ports, { RTC_PORT, RTC_PORTS, rtc_port, &platform->rtc, "RTC" } },
	};
	enum err e = OK;

	spin_guard(&vm->device_lock);
	for (u32 i = 0; i < ARRAY_SIZE(places) && !e; i++)
		e = region_add(places[i].table, &places[i].region);
	return e;
}

/* vm->platform last: whoever finds it finds all. */
static enum err allocate(struct vm *vm)
{
	hpa_t frame;

	for (u32 i = 0; i < vm->vcpu_count; i++) {
		frame = frame_alloc();
		if (frame.raw == 0)
			return ERR_NO_MEMORY;
		vm->vcpus[i]->lapic = frame_ptr(frame);
	}
	frame = frame_alloc();
	if (frame.raw == 0)
		return ERR_NO_MEMORY;
	vm->platform = frame_ptr(frame);
	return OK;
}

enum err platform_create(struct vm *vm)
{
	struct platform *platform;
	enum err e = allocate(vm);

	if (e != OK)
		return e;
	platform = vm->platform;
	platform->vm = vm;
	cpuid_table_init(&platform->cpuid, cpuid_host, vm->vcpu_count, time_tsc_hz(),
			 vm->vgpu != NULL);
	pvclock_base_init(&platform->clock);
	platform_reset(vm);
	return add_regions(vm);
}

void platform_reset(struct vm *vm)
{
	struct platform *platform = vm->platform;

	for (u32 i = 0; i < vm->vcpu_count; i++) {
		struct vcpu *vcpu = vm->vcpus[i];
		struct platform_vcpu *own = platform_vcpu(vcpu);

		lapic_reset(&own->lapic, vcpu, vcpu->index, vcpu->index == 0);
		pvclock_reset(&own->clock);
		msr_reset(&own->msrs);
		vcpu->kicked = false;
	}
	ioapic_reset(&platform->ioapic, vm);
	uart_reset(&platform->uart, vm);
	rtc_reset(&platform->rtc);
}

/* ---- interrupts ---- */

void platform_vcpu_init(struct vcpu *vcpu)
{
	struct platform_vcpu *own = platform_vcpu(vcpu);

	lapic_init(&own->lapic);
	pvclock_reset(&own->clock);
}

void platform_irq_line(struct vm *vm, u32 gsi, bool level)
{
	struct platform *platform = vm->platform;

	ioapic_set_line(&platform->ioapic, gsi, level);
}

void platform_eoi(struct vcpu *vcpu, u8 vector)
{
	struct platform *platform = vcpu->vm->platform;

	ioapic_eoi(&platform->ioapic, vector);
}

/* ---- exits ---- */

static bool cr4_osxsave(const struct vcpu *vcpu)
{
	struct x86_state state;

	virt->get_state(&vcpu->arch, &state);
	return (state.cr4 & BIT(18)) != 0;
}

void platform_cpuid(struct vcpu *vcpu, struct vm_exit *exit)
{
	const struct platform *platform = vcpu->vm->platform;
	const struct lapic *apic = vcpu->lapic;
	struct cpuid_vcpu own = {
		.apic_id = apic->s.id,
		.xcr0 = vcpu->arch.xcr0,
		.apic_enabled = lapic_enabled(apic),
	};
	struct cpuid_regs regs;

	if (cpuid_needs_cr4(exit->cpuid.leaf))
		own.osxsave = cr4_osxsave(vcpu);
	regs = cpuid_lookup(&platform->cpuid, &own, exit->cpuid.leaf, exit->cpuid.subleaf);
	exit->cpuid.eax = regs.eax;
	exit->cpuid.ebx = regs.ebx;
	exit->cpuid.ecx = regs.ecx;
	exit->cpuid.edx = regs.edx;
}

bool platform_msr(struct vcpu *vcpu, struct vm_exit *exit)
{
	struct lapic *apic = vcpu->lapic;

	/* By far the most frequent one goes first. */
	if (exit->msr.index == MSR_X2APIC_EOI && exit->msr.write && exit->msr.value == 0 &&
	    lapic_is_x2apic(apic)) {
		lapic_eoi(apic);
		return true;
	}
	if (exit->msr.write)
		return msr_write(vcpu, exit->msr.index, exit->msr.value);
	return msr_read(vcpu, exit->msr.index, &exit->msr.value);
}

size_t platform_console_input(struct vm *vm, const u8 *data, size_t size)
{
	struct platform *platform = vm->platform;

	return platform == NULL ? 0 : uart_receive(&platform->uart, data, size);
}
