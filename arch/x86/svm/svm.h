/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the SVM back end share. */
#ifndef ARCH_X86_SVM_SVM_H
#define ARCH_X86_SVM_SVM_H

#include "arch/x86/svm/vmcb.h"
#include "arch/x86/view.h"

/* Hangs on arch_vcpu.vendor; one page with the VMCB beside it. */
struct svm_vcpu {
	struct vmcb *vmcb;
	hpa_t vmcb_pa;
	bool nmi_blocked; /* an NMI handler runs, until IRET */
};

/* What CPUID 8000000Ah offers, read once. */
struct svm_features {
	bool next_rip;
	struct tlb_caps tlb;
};

extern struct svm_features svm_features;
extern const struct virt_ops svm_ops;

void svm_fill_rest(const struct arch_vcpu *vcpu, struct cpu_view *view);

static inline struct svm_vcpu *svm_of(const struct arch_vcpu *vcpu)
{
	return vcpu->vendor;
}

static inline struct vmcb *vmcb_of(const struct arch_vcpu *vcpu)
{
	return svm_of(vcpu)->vmcb;
}

#define SEGMENT_LONG BIT(9)  /* CS.L in the VMCB's attribute format */
#define SEGMENT_BIG  BIT(10) /* CS.D */

static inline enum cpu_mode svm_cpu_mode(const struct vmcb *vmcb)
{
	return view_mode(vmcb->cr0, vmcb->efer, vmcb->rflags, vmcb->cs.attributes & SEGMENT_LONG,
			 vmcb->cs.attributes & SEGMENT_BIG);
}

/* Inline: it is on the path of every exit without a next RIP. */
static inline void svm_view(const struct vmcb *vmcb, struct cpu_view *view)
{
	view->rip = vmcb->rip;
	view->cr3 = vmcb->cr3;
	view->fault_gpa = GPA(vmcb->exit_info2);
	view->mode = svm_cpu_mode(vmcb);
	view->cpl = vmcb->cpl;
	view->fill_rest = svm_fill_rest;
}

void svm_enter(u64 vmcb_pa, u64 *gpr, u64 host_vmcb_pa);

/* exit.c: turn the VMCB's exit into the neutral one, or deal with it here. */
void svm_exit(struct arch_vcpu *vcpu, struct vm_exit *exit);
bool svm_complete(struct arch_vcpu *vcpu, struct vm_exit *exit);

/* emulate.c */
void svm_mmio(struct arch_vcpu *vcpu, struct vm_exit *exit);
bool svm_mmio_next(struct arch_vcpu *vcpu, struct vm_exit *exit);
void svm_pio(struct arch_vcpu *vcpu, struct vm_exit *exit);

/* For an entry on CPU number `cpu`: the ASID and what is flushed under it. */
void svm_choose_asid(struct arch_vcpu *vcpu, u32 cpu);

/* The entry did not come about: what it was to flush may be there still. */
void svm_entry_failed(struct arch_vcpu *vcpu);
void svm_inject_exception(struct arch_vcpu *vcpu, u8 vector, bool has_code, u32 code);
void svm_set_rip(struct arch_vcpu *vcpu, u64 rip);
must_check enum err svm_read_msr(struct arch_vcpu *vcpu, u32 index, u64 *value);
must_check enum err svm_write_msr(struct arch_vcpu *vcpu, u32 index, u64 value);

#endif
