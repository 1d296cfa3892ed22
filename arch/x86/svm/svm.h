/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the SVM back end share. */
#ifndef ARCH_X86_SVM_SVM_H
#define ARCH_X86_SVM_SVM_H

#include "arch/x86/svm/vmcb.h"
#include "arch/x86/virt.h"

/* Hangs on arch_vcpu.vendor; one page with the VMCB beside it. */
struct svm_vcpu {
	struct vmcb *vmcb;
	hpa_t vmcb_pa;
	u64 asid_generation; /* of the CPU `asid_cpu` */
	u32 asid_cpu;
	bool nmi_blocked; /* an NMI handler runs, until IRET */

	/* A string I/O instruction: where its element lies. */
	gpa_t io_gpa;
	u64 io_info;
};

/* What CPUID 8000000Ah offers, read once. */
struct svm_features {
	bool next_rip;
	u32 asid_count;
};

extern struct svm_features svm_features;
extern const struct virt_ops svm_ops;

static inline struct svm_vcpu *svm_of(const struct arch_vcpu *vcpu)
{
	return vcpu->vendor;
}

static inline struct vmcb *vmcb_of(const struct arch_vcpu *vcpu)
{
	return svm_of(vcpu)->vmcb;
}

void svm_enter(u64 vmcb_pa, u64 *gpr, u64 host_vmcb_pa);

/* exit.c: turn the VMCB's exit into the neutral one, or deal with it here. */
void svm_exit(struct arch_vcpu *vcpu, struct vm_exit *exit);
bool svm_complete(struct arch_vcpu *vcpu, struct vm_exit *exit);

/* emulate.c */
void svm_mmio(struct arch_vcpu *vcpu, struct vm_exit *exit);
bool svm_mmio_next(struct arch_vcpu *vcpu, struct vm_exit *exit);
void svm_pio(struct arch_vcpu *vcpu, struct vm_exit *exit);
bool svm_pio_complete(struct arch_vcpu *vcpu, struct vm_exit *exit);
/*
 * Copy up to 15 instruction bytes at RIP; returns their number, 0: not readable.
 * `bytes` has room for SVM_FETCH_BYTES, aligned to 8.
 */
#define SVM_FETCH_BYTES 16
u32 svm_fetch(struct arch_vcpu *vcpu, u8 *bytes);
enum cpu_mode svm_cpu_mode(const struct vmcb *vmcb);

/* Rights of translations have changed other than in the tables: walk anew. */
void svm_forget_code(struct arch_vcpu *vcpu);
void svm_inject_exception(struct arch_vcpu *vcpu, u8 vector, bool has_code, u32 code);
void svm_set_rip(struct arch_vcpu *vcpu, u64 rip);
must_check enum err svm_read_msr(struct arch_vcpu *vcpu, u32 index, u64 *value);
must_check enum err svm_write_msr(struct arch_vcpu *vcpu, u32 index, u64 value);

#endif
