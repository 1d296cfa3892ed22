// SPDX-License-Identifier: Apache-2.0
/* SVM's side of emulation: a VMCB that has exited becomes a view, and takes the result over. */
#include "arch/x86/mmio.h"
#include "arch/x86/pio.h"
#include "arch/x86/svm/svm.h"

void svm_fill_rest(const struct arch_vcpu *vcpu, struct cpu_view *view)
{
	const struct vmcb *vmcb = vmcb_of(vcpu);

	view->rflags = vmcb->rflags;
	view->walk = (struct walk_mode){ vmcb->cr0, vmcb->cr3, vmcb->cr4, vmcb->efer };
	for (u32 i = 0; i < X86_SEG_COUNT; i++)
		view->segment_base[i] = vmcb->segments[i].base;
}

void svm_set_rip(struct arch_vcpu *vcpu, u64 rip)
{
	struct vmcb *vmcb = vmcb_of(vcpu);

	/* Outside 64-bit mode IP has 32 bits at most; the usual addresses need no look. */
	if (!(rip >> 32) || svm_cpu_mode(vmcb) == CPU_MODE_64)
		vmcb->rip = rip;
	else
		vmcb->rip = (u32)rip;
	vmcb->interrupt_shadow = 0;
}

/* True: `exit` holds an access to be handled. */
static bool settle(struct arch_vcpu *vcpu, const struct cpu_view *view, enum emu_result result,
		   struct vm_exit *exit)
{
	struct vmcb *vmcb = vmcb_of(vcpu);

	if (result == EMU_EXIT)
		return true;
	exit->kind = VM_EXIT_INTERRUPT;
	if (result == EMU_FAULT) {
		vmcb->cr2 = view->fault_address;
		svm_inject_exception(vcpu, X86_PF, true, view->fault_code);
	} else if (result == EMU_RETIRED) {
		vmcb->rflags = view->rflags; /* an instruction that retires has seen the rest */
		svm_set_rip(vcpu, view->rip);
	}
	return false;
}

void svm_mmio(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	const struct vmcb *vmcb = vmcb_of(vcpu);
	const char *reason = NULL;
	struct cpu_view view;

	if (vmcb->exit_info1 & SVM_NPF_FETCH)
		reason = "executes outside its memory";
	else if (vmcb->exit_info1 & SVM_NPF_TABLE_WALK)
		reason = "page tables outside its memory";
	else if (vmcb->exit_int_info & SVM_EVENT_VALID)
		reason = "stack or tables of an interrupt outside its memory";
	if (reason) {
		view_stop(exit, reason, vmcb->exit_info2);
		return;
	}
	svm_view(vmcb, &view);
	(void)settle(vcpu, &view, mmio_begin(vcpu, &view, exit), exit);
}

bool svm_mmio_next(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	u32 length = mmio_finish_move(vcpu, exit);
	struct cpu_view view;

	if (length) {
		svm_set_rip(vcpu, vmcb_of(vcpu)->rip + length);
		return false;
	}
	svm_view(vmcb_of(vcpu), &view);
	return settle(vcpu, &view, mmio_next(vcpu, &view, exit), exit);
}

void svm_pio(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	const struct vmcb *vmcb = vmcb_of(vcpu);
	u64 info = vmcb->exit_info1;
	struct cpu_view view;

	vcpu->pio = (struct pio){
		.next_rip = vmcb->exit_info2,
		.address_size = (u8)(SVM_IO_ADDR(info) << 1),
		.port = SVM_IO_PORT(info),
		.size = (u8)SVM_IO_SIZE(info),
		.segment = (u8)(SVM_IO_SEG(info) % X86_SEG_COUNT),
		.in = info & SVM_IO_IN,
		.string = info & SVM_IO_STRING,
		.rep = info & SVM_IO_REP,
	};
	if (!vcpu->pio.string) {
		pio_begin(vcpu, exit);
		return;
	}
	svm_view(vmcb_of(vcpu), &view);
	(void)settle(vcpu, &view, pio_begin_string(vcpu, &view, exit), exit);
}
