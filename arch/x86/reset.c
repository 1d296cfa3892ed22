// SPDX-License-Identifier: Apache-2.0
/* What INIT leaves of a vCPU, whichever vendor's block holds it. */
#include "arch/x86/reset.h"

#include "arch/x86/cpu.h"
#include "arch/x86/fpu.h"
#include "arch/x86/mmio.h"

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
