// SPDX-License-Identifier: Apache-2.0
/* Registers of a vCPU, whichever vendor's block holds them: after INIT, and by WRMSR. */
#include "arch/x86/registers.h"

#include "arch/x86/cpu.h"
#include "arch/x86/fpu.h"
#include "arch/x86/mmio.h"
#include "arch/x86/rules.h"

void vcpu_reset(struct arch_vcpu *vcpu, const struct virt_ops *ops)
{
	const struct x86_segment data = { 0, 0x93, 0xffff, 0 };
	const struct x86_state state = {
		.gpr[GPR_RDX] = cpuid(1, 0).eax,
		.rip = 0xfff0,
		.rflags = RFLAGS_FIXED,
		.cr0 = CR0_CD | CR0_NW | CR0_ET,
		.es = data,
		.cs = { 0xf000, 0x9b, 0xffff, 0xffff0000 },
		.ss = data,
		.ds = data,
		.fs = data,
		.gs = data,
		.ldtr = { 0, 0x82, 0xffff, 0 },
		.tr = { 0, 0x8b, 0xffff, 0 },
		.gdtr = { .limit = 0xffff },
		.idtr = { .limit = 0xffff },
	};

	ops->set_state(vcpu, &state);
	fpu_reset(vcpu);
	code_forget(vcpu);
	vcpu->offered = 0;
	vcpu->apic_delivers = false;
	vcpu->flush_linear = true;
}

bool vcpu_may_write_msr(struct arch_vcpu *vcpu, u32 index, u64 cr0, u64 old, u64 *value)
{
	if (index == MSR_PAT)
		return pat_valid(*value);
	if (index != MSR_EFER)
		return true;
	if (!efer_valid(cr0, old, *value))
		return false;
	if ((*value ^ old) & EFER_NXE) {
		vcpu->flush_linear = true;
		code_forget(vcpu);
	}
	*value = (*value & ~EFER_LMA) | (old & EFER_LMA); /* LMA is the processor's */
	return true;
}
