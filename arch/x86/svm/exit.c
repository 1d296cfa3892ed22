// SPDX-License-Identifier: Apache-2.0
/* Sorts SVM's exits: the neutral ones go up, the rest is dealt with here. */
#include "arch/x86/exits.h"
#include "arch/x86/fpu.h"
#include "arch/x86/host.h"
#include "arch/x86/mmio.h"
#include "arch/x86/svm/svm.h"

#define LEAF_XSAVE 0xdu /* its answer depends on XCR0 */

/*
 * Length of the instruction that exited: told by the processor, or found by
 * looking at the bytes. False: the guest changed them meanwhile; it goes back
 * to execute what is there now.
 */
static bool find_length(struct arch_vcpu *vcpu, enum insn_system expected)
{
	struct vmcb *vmcb = vmcb_of(vcpu);
	u8 bytes[CODE_FETCH_BYTES] __attribute__((aligned(8)));
	struct cpu_view view;
	u32 count;

	if (svm_features.next_rip && vmcb->next_rip) {
		vcpu->length = (u8)(vmcb->next_rip - vmcb->rip);
		return true;
	}
	svm_view(vmcb, &view);
	count = code_fetch(vcpu, &view, bytes);
	/* What could not be fetched is 0, which none of their bytes is. */
	if (insn_is_plain(*(const any_u32 *)bytes, expected)) {
		vcpu->length = INSN_SYS_BYTES(expected);
		return true;
	}
	return count && !insn_length_system(bytes, count, view.mode, expected, &vcpu->length);
}

static void retire(struct arch_vcpu *vcpu)
{
	svm_set_rip(vcpu, vmcb_of(vcpu)->rip + vcpu->length);
}

static void retire_or_gp(struct arch_vcpu *vcpu, bool done)
{
	if (done)
		retire(vcpu);
	else
		svm_inject_exception(vcpu, X86_GP, true, 0);
}

static void cpuid_exit(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	if (!find_length(vcpu, INSN_SYS_CPUID))
		return;
	exit_cpuid(vcpu, exit);
	if (exit->cpuid.leaf == LEAF_XSAVE)
		vcpu->xcr0 = fpu_read_xcr0(); /* see svm_unload() */
}

static void msr_exit(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	bool write = vmcb_of(vcpu)->exit_info1 & 1;

	if (find_length(vcpu, write ? INSN_SYS_WRMSR : INSN_SYS_RDMSR))
		exit_msr(vcpu, exit, write);
}

/* False: #GP(0). */
static bool take_cr4(struct arch_vcpu *vcpu, u64 value)
{
	struct vmcb *vmcb = vmcb_of(vcpu);

	if (value & ~CR4_GUEST_ALLOWED || (vmcb->efer & EFER_LMA && !(value & CR4_PAE)))
		return false;
	/* Translations depend on these (APM vol. 2, 5.5.2): start with a clean ASID. */
	if ((value ^ vmcb->cr4) & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP))
		vcpu->flush_linear = true;
	code_forget(vcpu);
	vmcb->cr4 = value;
	return true;
}

/* MOV to CR4, MOV to and from CR8; anything else is there because the guest changed its code. */
static void exit_cr(struct arch_vcpu *vcpu)
{
	struct vmcb *vmcb = vmcb_of(vcpu);
	struct insn_mov_cr insn;
	bool done = true;
	u8 bytes[CODE_FETCH_BYTES] __attribute__((aligned(8)));
	struct cpu_view view;
	u64 *gpr;
	u32 count;

	svm_view(vmcb, &view);
	count = code_fetch(vcpu, &view, bytes);
	if (!count || insn_decode_mov_cr(bytes, count, view.mode, &insn) ||
	    (insn.cr != 8 && (insn.cr != 4 || !insn.to_cr)))
		return;
	gpr = &vcpu->gpr[insn.gpr];
	vcpu->length = insn.length;
	if (insn.cr == 4)
		done = take_cr4(vcpu, *gpr);
	else if (insn.to_cr)
		done = exit_mov_to_cr8(vcpu, *gpr);
	else
		*gpr = *vcpu->tpr >> 4;
	retire_or_gp(vcpu, done);
}

/*
 * An exception or NMI whose delivery was cut short is delivered again. A software interrupt
 * repeats by itself, and an external one waits again, see end_offer().
 */
static void keep_event(struct vmcb *vmcb)
{
	u64 event = vmcb->exit_int_info, type = event & SVM_EVENT_TYPE_MASK;

	vmcb->event_inj = 0;
	if (event & SVM_EVENT_VALID && (type == SVM_EVENT_NMI || type == SVM_EVENT_EXCEPTION))
		vmcb->event_inj = event & (0xffffffff00000000ULL | 0x80000fffULL);
}

/* An interrupt that was offered has been taken, or it is withdrawn. */
static void end_offer(struct arch_vcpu *vcpu, struct vmcb *vmcb)
{
	u64 event = vmcb->exit_int_info & (SVM_EVENT_VALID | SVM_EVENT_TYPE_MASK);
	bool cut_short = event == (SVM_EVENT_VALID | SVM_EVENT_INTR);

	if (!(vmcb->v_intr & SVM_V_IRQ) && !cut_short)
		vcpu->offered = 0;
	vmcb->v_intr = SVM_V_INTR_MASKING;
}

void svm_exit(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	struct vmcb *vmcb = vmcb_of(vcpu);
	u32 code = (u32)vmcb->exit_code;

	if (SVM_V_INTR_VECTOR_OF(vmcb->v_intr)) /* an offer; others have no vector */
		end_offer(vcpu, vmcb);
	keep_event(vmcb);
	exit->kind = VM_EXIT_INTERRUPT;
	switch (code) {
	case SVM_EXIT_INTR:
	case SVM_EXIT_NMI:
	case SVM_EXIT_SMI:
	case SVM_EXIT_INIT:
		break;
	case SVM_EXIT_NPF:
		svm_mmio(vcpu, exit);
		break;
	case SVM_EXIT_IOIO:
		svm_pio(vcpu, exit);
		break;
	case SVM_EXIT_MSR:
		msr_exit(vcpu, exit);
		break;
	case SVM_EXIT_CPUID:
		cpuid_exit(vcpu, exit);
		break;
	case SVM_EXIT_HLT:
		if (find_length(vcpu, INSN_SYS_HLT))
			exit->kind = VM_EXIT_HLT;
		break;
	case SVM_EXIT_VMMCALL:
		if (find_length(vcpu, INSN_SYS_VMMCALL) &&
		    !exit_hypercall(vcpu, exit, vmcb_of(vcpu)->cpl))
			retire_or_gp(vcpu, false);
		break;
	case SVM_EXIT_CR8_READ:
	case SVM_EXIT_CR4_WRITE:
	case SVM_EXIT_CR8_WRITE:
		exit_cr(vcpu);
		break;
	case SVM_EXIT_XSETBV:
		if (find_length(vcpu, INSN_SYS_XSETBV))
			retire_or_gp(vcpu, exit_xsetbv(vcpu, vmcb_of(vcpu)->cpl));
		break;
	case SVM_EXIT_IRET:
		svm_of(vcpu)->nmi_blocked = false;
		vmcb->intercept1 &= (u32)~SVM_I1_IRET;
		break;
	case SVM_EXIT_INVD: /* dropping caches would lose others' data: nothing is done */
		if (find_length(vcpu, INSN_SYS_INVD))
			retire(vcpu);
		break;
	case SVM_EXIT_RDPMC:
		retire_or_gp(vcpu, false);
		break;
	case SVM_EXIT_SHUTDOWN:
		exit->kind = VM_EXIT_SHUTDOWN;
		break;
	/* Guests could otherwise keep the processor delivering them (CVE-2015-5307, -8104). */
	case SVM_EXIT_EXCEPTION + X86_DB:
		svm_inject_exception(vcpu, X86_DB, false, 0);
		break;
	case SVM_EXIT_EXCEPTION + X86_AC:
		svm_inject_exception(vcpu, X86_AC, true, 0);
		break;
	case SVM_EXIT_INVLPGA: /* SVM, RDTSCP, MONITOR: not offered to guests */
	case SVM_EXIT_VMRUN:
	case SVM_EXIT_VMMCALL + 1 ... SVM_EXIT_MWAIT + 1:
		svm_inject_exception(vcpu, X86_UD, false, 0);
		break;
	default: /* VMRUN has failed: nothing says that it flushed first */
		view_stop(exit, "state that the processor refuses to run", code);
		svm_entry_failed(vcpu);
	}
}

bool svm_complete(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	return exit_complete(vcpu, exit, svm_mmio_next, svm_set_rip, retire);
}
