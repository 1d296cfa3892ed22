/* SPDX-License-Identifier: Apache-2.0 */
/* The vCPU of fake_vcpu.h under SVM: a VMCB whose exits a test writes. */
#ifndef TESTS_UNIT_FAKE_SVM_H
#define TESTS_UNIT_FAKE_SVM_H

#include "arch/x86/svm/svm.h"
#include "tests/unit/fake_vcpu.h"

static struct vmcb *vmcb;

void svm_enter(u64 vmcb_pa, u64 *gpr, u64 host_vmcb_pa)
{
	(void)vmcb_pa;
	(void)gpr;
	(void)host_vmcb_pa;
	abort();
}

/* The instruction at RIP has brought this exit about. */
static inline void exits(u64 code, u64 info1, u64 info2)
{
	vmcb->exit_code = code;
	vmcb->exit_info1 = info1;
	vmcb->exit_info2 = info2;
	memset(&out, 0xcc, sizeof(out));
	svm_exit(&vcpu, &out);
}

/* ---- struct vendor ---- */

static u64 *svm_reg(enum guest_register reg)
{
	switch (reg) {
	case GUEST_RIP:
		return &vmcb->rip;
	case GUEST_RFLAGS:
		return &vmcb->rflags;
	case GUEST_CR2:
		return &vmcb->cr2;
	default:
		return &vmcb->pat;
	}
}

static void svm_set_cpl(u8 cpl)
{
	vmcb->cpl = cpl;
}

static void svm_set_shadow(bool on)
{
	vmcb->interrupt_shadow = on;
}

static bool svm_in_shadow(void)
{
	return vmcb->interrupt_shadow & 1;
}

static u64 svm_event(void)
{
	return vmcb->event_inj;
}

static void svm_exits_by(enum cause cause)
{
	static const u32 codes[CAUSES] = {
		[BY_CPUID] = SVM_EXIT_CPUID,	   [BY_HLT] = SVM_EXIT_HLT,
		[BY_RDMSR] = SVM_EXIT_MSR,	   [BY_WRMSR] = SVM_EXIT_MSR,
		[BY_HYPERCALL] = SVM_EXIT_VMMCALL, [BY_XSETBV] = SVM_EXIT_XSETBV,
	};

	exits(codes[cause], cause == BY_WRMSR, 0);
}

static void svm_touches(u64 gpa, bool write)
{
	exits(SVM_EXIT_NPF, write ? SVM_NPF_WRITE : 0, gpa);
}

/* APM vol. 2, 15.10.2: sizes are a bit each, of bytes and from 16-bit addresses on. */
static void svm_uses_port(const struct port_use *use)
{
	u64 info = (u64)use->port << 16 | (u64)use->segment << 10 |
		   (u64)(use->address_size / 2) << 7 | (u64)use->size << 4 |
		   (use->rep ? SVM_IO_REP : 0) | (use->string ? SVM_IO_STRING : 0) |
		   (use->in ? SVM_IO_IN : 0);

	exits(SVM_EXIT_IOIO, info, vmcb->rip + code_length);
}

static const struct vendor vendor = {
	.ops = &svm_ops,
	.reg = svm_reg,
	.set_cpl = svm_set_cpl,
	.set_shadow = svm_set_shadow,
	.in_shadow = svm_in_shadow,
	.event = svm_event,
	.exits_by = svm_exits_by,
	.touches = svm_touches,
	.uses_port = svm_uses_port,
	.hypercall = { 0x0f, 0x01, 0xd9 }, /* VMMCALL */
};

/* ---- before and after each test ---- */

static int start(void **state)
{
	(void)state;
	prepare_ram();
	create_vcpu();
	vmcb = vmcb_of(&vcpu);
	memset(&svm_features, 0, sizeof(svm_features));
	return 0;
}

static int stop(void **state)
{
	(void)state;
	free_all();
	return 0;
}

#endif
