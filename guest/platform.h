/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fixed devices around a VM's processors, put together: local APICs, I/O
 * APIC, UART, RTC, clocks, CPUID, MSRs. guest/machine.c puts these functions
 * into its struct vm_ops; see core/vm.h for what each is called with.
 */
#ifndef GUEST_PLATFORM_H
#define GUEST_PLATFORM_H

#include "core/lib/error.h"
#include "core/log.h"
#include "core/vm.h"
#include "guest/cpuid.h"
#include "guest/ioapic.h"
#include "guest/lapic.h"
#include "guest/msr.h"
#include "guest/pvclock.h"
#include "guest/rtc.h"
#include "guest/uart.h"

/* One frame for each VM, at vm->platform. */
struct platform {
	struct vm *vm;
	struct ioapic ioapic;
	struct uart uart;
	struct rtc_state rtc; /* guarded by device_lock */
	struct cpuid_table cpuid;
	struct pvclock_base clock;
};

/* One frame for each vCPU, at vcpu->lapic; owned by the vCPU's CPU. */
struct platform_vcpu {
	struct lapic lapic; /* first */
	struct pvclock_state clock;
	struct msr_state msrs;
	struct log_limit msr_limit;
};

static inline struct platform_vcpu *platform_vcpu(const struct vcpu *vcpu)
{
	return (struct platform_vcpu *)vcpu->lapic;
}

/*
 * Make the devices and add their regions; vm->vcpus are there already and do
 * not run. Takes device_lock. ERR_NO_MEMORY, or what region_add() says; then
 * the VM cannot be started.
 */
must_check enum err platform_create(struct vm *vm);

/* Power-on state of everything; no vCPU runs. */
void platform_reset(struct vm *vm);

/* struct vm_ops */
void platform_cpuid(struct vcpu *vcpu, struct vm_exit *exit);
bool platform_msr(struct vcpu *vcpu, struct vm_exit *exit);
void platform_vcpu_init(struct vcpu *vcpu);
void platform_irq_line(struct vm *vm, u32 gsi, bool level);

/*
 * Bytes typed into the attached console; any CPU. Returns how many the
 * serial port took; offer the rest later.
 */
size_t platform_console_input(struct vm *vm, const u8 *data, size_t size);

/* A level-triggered vector has ended, in the processor or in guest/lapic.c: tell the I/O APIC. */
void platform_eoi(struct vcpu *vcpu, u8 vector);

#endif
