/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual machine control block (APM vol. 2, appendix B). */
#ifndef ARCH_X86_SVM_VMCB_H
#define ARCH_X86_SVM_VMCB_H

#include "arch/x86/virt.h"
#include "core/lib/types.h"

struct vmcb {
	u16 intercept_cr_read, intercept_cr_write; /* 000h */
	u16 intercept_dr_read, intercept_dr_write;
	u32 intercept_exceptions; /* 008h */
	u32 intercept1;		  /* 00Ch */
	u32 intercept2;		  /* 010h */
	u32 intercept3;
	u8 reserved1[0x03c - 0x018];
	u16 pause_threshold, pause_count;
	u64 iopm_base;	/* 040h */
	u64 msrpm_base; /* 048h */
	u64 tsc_offset; /* 050h */
	u32 asid;	/* 058h */
	u32 tlb_control;
	u64 v_intr; /* 060h */
	u64 interrupt_shadow;
	u64 exit_code; /* 070h; quirk of QEMU: VMEXIT_INVALID has only 32 bits set */
	u64 exit_info1;
	u64 exit_info2; /* 080h */
	u64 exit_int_info;
	u64 nested_control; /* 090h */
	u8 reserved2[0x0a8 - 0x098];
	u64 event_inj; /* 0A8h */
	u64 nested_cr3;
	u64 lbr_control;
	u64 clean; /* 0C0h */
	u64 next_rip;
	u8 fetched_count;
	u8 fetched[15];
	u8 reserved3[0x400 - 0x0e0];

	union { /* 400h, in the order of struct x86_state */
		struct {
			struct x86_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
		};
		struct x86_segment segments[X86_SEGMENTS];
	};
	u8 reserved4[0x4cb - 0x4a0];
	u8 cpl; /* 4CBh */
	u32 reserved5;
	u64 efer; /* 4D0h */
	u8 reserved6[0x548 - 0x4d8];
	u64 cr4; /* 548h */
	u64 cr3;
	u64 cr0;
	u64 dr7;
	u64 dr6;
	u64 rflags;
	u64 rip;
	u8 reserved7[0x5d8 - 0x580];
	u64 rsp; /* 5D8h */
	u8 reserved8[0x5f8 - 0x5e0];
	u64 rax; /* 5F8h */
	u64 star, lstar, cstar, sfmask, kernel_gs_base;
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 cr2; /* 640h */
	u8 reserved9[0x668 - 0x648];
	u64 pat; /* 668h */
	u64 debugctl, br_from, br_to, last_except_from, last_except_to;
	u8 reserved10[0x1000 - 0x698];
};

_Static_assert(offsetof(struct vmcb, iopm_base) == 0x040, "VMCB");
_Static_assert(offsetof(struct vmcb, exit_code) == 0x070, "VMCB");
_Static_assert(offsetof(struct vmcb, event_inj) == 0x0a8, "VMCB");
_Static_assert(offsetof(struct vmcb, next_rip) == 0x0c8, "VMCB");
_Static_assert(offsetof(struct vmcb, efer) == 0x4d0, "VMCB");
_Static_assert(offsetof(struct vmcb, cr4) == 0x548, "VMCB");
_Static_assert(offsetof(struct vmcb, rsp) == 0x5d8, "VMCB");
_Static_assert(offsetof(struct vmcb, pat) == 0x668, "VMCB");
_Static_assert(sizeof(struct vmcb) == 0x1000, "VMCB");

/* intercept1 */
#define SVM_I1_INTR	BIT(0)
#define SVM_I1_NMI	BIT(1)
#define SVM_I1_SMI	BIT(2)
#define SVM_I1_INIT	BIT(3)
#define SVM_I1_RDPMC	BIT(15)
#define SVM_I1_CPUID	BIT(18)
#define SVM_I1_IRET	BIT(20)
#define SVM_I1_INVD	BIT(22)
#define SVM_I1_HLT	BIT(24)
#define SVM_I1_INVLPGA	BIT(26)
#define SVM_I1_IOIO	BIT(27)
#define SVM_I1_MSR	BIT(28)
#define SVM_I1_SHUTDOWN BIT(31)

/* intercept2 */
#define SVM_I2_VMRUN   BIT(0)
#define SVM_I2_VMMCALL BIT(1)
#define SVM_I2_VMLOAD  BIT(2)
#define SVM_I2_VMSAVE  BIT(3)
#define SVM_I2_STGI    BIT(4)
#define SVM_I2_CLGI    BIT(5)
#define SVM_I2_SKINIT  BIT(6)
#define SVM_I2_RDTSCP  BIT(7)
#define SVM_I2_MONITOR BIT(10)
#define SVM_I2_MWAIT   BIT(11)
#define SVM_I2_XSETBV  BIT(13)

/* APM vol. 2, appendix C. */
enum svm_exit_code {
	SVM_EXIT_CR8_READ = 0x008,
	SVM_EXIT_CR4_WRITE = 0x014,
	SVM_EXIT_CR8_WRITE = 0x018,
	SVM_EXIT_EXCEPTION = 0x040,
	SVM_EXIT_INTR = 0x060,
	SVM_EXIT_NMI = 0x061,
	SVM_EXIT_SMI = 0x062,
	SVM_EXIT_INIT = 0x063,
	SVM_EXIT_RDPMC = 0x06f,
	SVM_EXIT_CPUID = 0x072,
	SVM_EXIT_IRET = 0x074,
	SVM_EXIT_INVD = 0x076,
	SVM_EXIT_HLT = 0x078,
	SVM_EXIT_INVLPGA = 0x07a,
	SVM_EXIT_IOIO = 0x07b,
	SVM_EXIT_MSR = 0x07c,
	SVM_EXIT_SHUTDOWN = 0x07f,
	SVM_EXIT_VMRUN = 0x080,
	SVM_EXIT_VMMCALL = 0x081,
	SVM_EXIT_MWAIT = 0x08b,
	SVM_EXIT_XSETBV = 0x08d,
	SVM_EXIT_NPF = 0x400,
};

/* v_intr */
#define SVM_V_IRQ		BIT(8)
#define SVM_V_IGNORE_TPR	BIT(20)
#define SVM_V_INTR_MASKING	BIT(24)
#define SVM_V_INTR_VECTOR_OF(x) ((x) >> 32)
#define SVM_V_INTR_VECTOR(v)	((u64)(v) << 32)

/* event_inj and exit_int_info */
#define SVM_EVENT_VALID	     BIT(31)
#define SVM_EVENT_CODE_VALID BIT(11)
#define SVM_EVENT_TYPE_MASK  (7ULL << 8)
#define SVM_EVENT_INTR	     (0ULL << 8)
#define SVM_EVENT_NMI	     (2ULL << 8)
#define SVM_EVENT_EXCEPTION  (3ULL << 8)

#define SVM_TLB_KEEP	  0
#define SVM_TLB_FLUSH_ALL 1
#define SVM_TLB_FLUSH_TAG 3 /* where CPUID offers it */

/* exit_info1 of a nested page fault */
#define SVM_NPF_WRITE	   BIT(1)
#define SVM_NPF_FETCH	   BIT(4)
#define SVM_NPF_TABLE_WALK BIT(33)

/* exit_info1 of IOIO */
#define SVM_IO_IN      BIT(0)
#define SVM_IO_STRING  BIT(2)
#define SVM_IO_REP     BIT(3)
#define SVM_IO_SIZE(i) ((i) >> 4 & 7)
#define SVM_IO_ADDR(i) ((i) >> 7 & 7)
#define SVM_IO_SEG(i)  ((i) >> 10 & 7)
#define SVM_IO_PORT(i) ((u16)((i) >> 16))

#endif
