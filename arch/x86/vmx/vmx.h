/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the VMX back end share. */
#ifndef ARCH_X86_VMX_VMX_H
#define ARCH_X86_VMX_VMX_H

#include "arch/x86/tlb.h"
#include "arch/x86/view.h"
#include "arch/x86/vmx/vmcs.h"

/* CR0 bits that a guest changes without an exit; of the others it sees the shadow. */
#define CR0_GUEST_OWNED (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_WP | CR0_AM | CR0_PG)

/* MSRs that no VMCS holds and the hypervisor does not use: switched when the vCPU is. */
#define VMX_MSRS 5

/* Hangs on arch_vcpu.vendor. */
struct vmx_vcpu {
	hpa_t vmcs;
	hpa_t apic_frame; /* the virtual-APIC page */
	u64 eptp;
	u64 tsc_offset; /* that the VMCS holds */
	u32 stay;	/* as well: ticks of the preemption timer */
	u64 msrs[VMX_MSRS];
	u64 dr6, cr2;
	u32 host_cpu;  /* whose host state the VMCS holds */
	bool loaded;   /* current on the CPU that runs this */
	bool launched; /* since it was made current */
};

/* Control words, and what the processor offers beyond what is required. Written by the boot CPU. */
struct vmx_features {
	u32 pin, primary, secondary, exit, entry;
	u32 revision;
	u64 eptp_bits;		   /* memory type, walk length, accessed and dirty bits */
	u64 invept_type;	   /* the finest there is */
	bool io_info;		   /* instruction information of INS and OUTS */
	bool delivery;		   /* virtual-interrupt delivery, for an x2APIC */
	u32 stay_short, stay_long; /* ticks of the preemption timer; 0: there is none */
	bool apic_reads;	   /* APIC-register virtualization */
	u8 largest;		   /* level of the largest pages of EPT */
	struct tlb_caps tlb;
};

extern struct vmx_features vmx_features;
extern const struct virt_ops vmx_ops;

static inline struct vmx_vcpu *vmx_of(const struct arch_vcpu *vcpu)
{
	return vcpu->vendor;
}

static inline void vmcs_set_bits(u32 field, u64 bits)
{
	vmcs_write(field, vmcs_read(field) | bits);
}

static inline void vmcs_clear_bits(u32 field, u64 bits)
{
	vmcs_write(field, vmcs_read(field) & ~bits);
}

static inline u8 vmx_cpl(void)
{
	return vmcs_read(VMCS_GUEST_RIGHTS + 2 * VMCS_SS) >> 5 & 3;
}

u64 vmx_enter(u64 *gpr, bool launched);

/* enable.c: what this processor lacks ("EPT", ...), or NULL; then the features are known. */
const char *vmx_missing(void);
must_check enum err vmx_cpu_enable(void);
/* Bitmaps for all guests: every port exits, and every MSR but those that are switched. */
extern hpa_t vmx_io_bitmaps, vmx_msr_bitmap, vmx_msr_bitmap_x2apic;
extern struct tlb_pool vmx_tlb_pools[TRAP_CPUS_MAX]; /* each CPU's own */

/* MSRs that the VMCS holds; those that are the guest's own need no exit. */
#define VMX_MSR_FIELDS 7
extern const struct vmx_msr_field {
	u32 index;
	u32 field;
	bool own;
} vmx_msr_fields[VMX_MSR_FIELDS];

/* vcpu.c */
extern const u32 vmx_msr_indices[VMX_MSRS];
must_check enum err vmx_vcpu_create(struct arch_vcpu *vcpu);
void vmx_vcpu_reset(struct arch_vcpu *vcpu);
void vmx_get_state(const struct arch_vcpu *vcpu, struct x86_state *state);
void vmx_set_state(struct arch_vcpu *vcpu, const struct x86_state *state);
void vmx_startup(struct arch_vcpu *vcpu, u8 vector);
void vmx_load(struct arch_vcpu *vcpu);
void vmx_unload(struct arch_vcpu *vcpu);
/* Guest-visible CR0. */
u64 vmx_get_cr0(void);
/* As by MOV, with a value that has been checked. */
void vmx_set_cr0(u64 value);

/* exit.c: turn the exit into the neutral one, or deal with it here. */
void vmx_exit(struct arch_vcpu *vcpu, struct vm_exit *exit);
bool vmx_complete(struct arch_vcpu *vcpu, struct vm_exit *exit);
void vmx_set_rip(struct arch_vcpu *vcpu, u64 rip);

/* emulate.c */
void vmx_mmio(struct arch_vcpu *vcpu, struct vm_exit *exit);
bool vmx_mmio_next(struct arch_vcpu *vcpu, struct vm_exit *exit);
void vmx_pio(struct arch_vcpu *vcpu, struct vm_exit *exit);

/* vmx.c */
void vmx_inject_exception(struct arch_vcpu *vcpu, u8 vector, bool has_code, u32 code);

#endif
