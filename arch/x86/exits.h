/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What exits mean on both vendors: a guest's registers become the neutral exit, and its
 * results become registers. Inline: this is on the way of the exits that come most often.
 */
#ifndef ARCH_X86_EXITS_H
#define ARCH_X86_EXITS_H

#include "arch/x86/cpu.h"
#include "arch/x86/pio.h"
#include "arch/x86/rules.h"
#include "arch/x86/virt.h"

/* The 64-bit operand of WRMSR and XSETBV. */
static inline u64 edx_eax(const struct arch_vcpu *vcpu)
{
	return (u32)vcpu->gpr[GPR_RAX] | vcpu->gpr[GPR_RDX] << 32;
}

static inline void exit_cpuid(const struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	exit->kind = VM_EXIT_CPUID;
	exit->cpuid.leaf = (u32)vcpu->gpr[GPR_RAX];
	exit->cpuid.subleaf = (u32)vcpu->gpr[GPR_RCX];
}

static inline void exit_msr(const struct arch_vcpu *vcpu, struct vm_exit *exit, bool write)
{
	exit->kind = VM_EXIT_MSR;
	exit->msr.index = (u32)vcpu->gpr[GPR_RCX];
	exit->msr.write = write;
	exit->msr.value = edx_eax(vcpu);
}

/* docs/hypercalls.md; from CPL 0 only. False: #GP(0). */
static inline bool exit_hypercall(const struct arch_vcpu *vcpu, struct vm_exit *exit, u8 cpl)
{
	if (cpl)
		return false;
	exit->kind = VM_EXIT_HYPERCALL;
	exit->hypercall.number = vcpu->gpr[GPR_RAX];
	exit->hypercall.arg[0] = vcpu->gpr[GPR_RBX];
	exit->hypercall.arg[1] = vcpu->gpr[GPR_RCX];
	exit->hypercall.arg[2] = vcpu->gpr[GPR_RDX];
	exit->hypercall.arg[3] = vcpu->gpr[GPR_RSI];
	return true;
}

/* XSETBV at `cpl`: done, and to be retired; false: #GP(0). */
static inline bool exit_xsetbv(struct arch_vcpu *vcpu, u8 cpl)
{
	u64 value = edx_eax(vcpu);

	if (cpl || (u32)vcpu->gpr[GPR_RCX] || !xcr0_valid(value))
		return false;
	vcpu->xcr0 = value;
	xsetbv(0, value);
	return true;
}

/* The task priority's upper half (SDM vol. 3, 11.8.6). False: #GP(0). */
static inline bool exit_mov_to_cr8(struct arch_vcpu *vcpu, u64 value)
{
	if (value >> 4)
		return false;
	*vcpu->tpr = (u32)value << 4;
	return true;
}

/* The results of CPUID and RDMSR; WRMSR has none. */
static inline void finish_cpuid(struct arch_vcpu *vcpu, const struct vm_exit *exit)
{
	vcpu->gpr[GPR_RAX] = exit->cpuid.eax;
	vcpu->gpr[GPR_RBX] = exit->cpuid.ebx;
	vcpu->gpr[GPR_RCX] = exit->cpuid.ecx;
	vcpu->gpr[GPR_RDX] = exit->cpuid.edx;
}

static inline void finish_msr(struct arch_vcpu *vcpu, const struct vm_exit *exit)
{
	if (exit->msr.write)
		return;
	vcpu->gpr[GPR_RAX] = (u32)exit->msr.value;
	vcpu->gpr[GPR_RDX] = exit->msr.value >> 32;
}

/*
 * virt_ops.complete() of both, with what only the vendor can do; these are constants and
 * inlined.
 */
static inline bool exit_complete(struct arch_vcpu *vcpu, struct vm_exit *exit,
				 bool (*mmio_next)(struct arch_vcpu *, struct vm_exit *),
				 void (*set_rip)(struct arch_vcpu *, u64),
				 void (*retire)(struct arch_vcpu *))
{
	switch (exit->kind) {
	case VM_EXIT_MMIO:
		return mmio_next(vcpu, exit) && exit->kind == VM_EXIT_MMIO;
	case VM_EXIT_PIO:
		if (pio_finish(vcpu, exit))
			set_rip(vcpu, vcpu->pio.next_rip);
		return false;
	case VM_EXIT_CPUID:
		finish_cpuid(vcpu, exit);
		break;
	case VM_EXIT_MSR:
		finish_msr(vcpu, exit);
		break;
	case VM_EXIT_HYPERCALL:
		vcpu->gpr[GPR_RAX] = exit->hypercall.result;
		break;
	case VM_EXIT_HLT:
		break;
	default:
		return false;
	}
	retire(vcpu);
	return false;
}

#endif
