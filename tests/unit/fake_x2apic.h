/* SPDX-License-Identifier: Apache-2.0 */
/* Local APICs in x2APIC mode, for the tests of their registers. */
#ifndef TESTS_UNIT_FAKE_X2APIC_H
#define TESTS_UNIT_FAKE_X2APIC_H

#include "tests/unit/fake_vm.h"

#define APIC_BASE_MSR 0x1bu
#define X2(reg)	      (0x800u + (reg))

static inline u64 base_of(u32 vcpu)
{
	u64 value;

	assert_true(fake_rdmsr(vcpu, APIC_BASE_MSR, &value));
	return value;
}

static inline void enter_x2apic(u32 vcpu)
{
	assert_true(fake_wrmsr(vcpu, APIC_BASE_MSR, base_of(vcpu) | APIC_BASE_X2APIC));
	assert_true(fake_wrmsr(vcpu, X2(LAPIC_SVR), 0x1ff));
}

static inline void start(u32 count)
{
	fake_vm_start(count);
	for (u32 i = 0; i < count; i++)
		enter_x2apic(i);
}

static inline u64 x2_read(u32 vcpu, u32 reg)
{
	u64 value;

	assert_true(fake_rdmsr(vcpu, X2(reg), &value));
	return value;
}

static inline void x2_write(u32 vcpu, u32 reg, u64 value)
{
	assert_true(fake_wrmsr(vcpu, X2(reg), value));
}

#endif
