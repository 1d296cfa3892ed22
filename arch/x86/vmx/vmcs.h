/* SPDX-License-Identifier: Apache-2.0 */
/* Fields and controls of the virtual-machine control structure (SDM vol. 3, 25 and appendix B). */
#ifndef ARCH_X86_VMX_VMCS_H
#define ARCH_X86_VMX_VMCS_H

#include "core/lib/types.h"

enum vmcs_field {
	VMCS_VPID = 0x0000,
	VMCS_GUEST_SELECTOR = 0x0800, /* + 2 for each of enum vmcs_segment */
	VMCS_GUEST_INTERRUPT_STATUS = 0x0810,
	VMCS_HOST_ES = 0x0c00,
	VMCS_HOST_CS = 0x0c02,
	VMCS_HOST_SS = 0x0c04,
	VMCS_HOST_DS = 0x0c06,
	VMCS_HOST_FS = 0x0c08,
	VMCS_HOST_GS = 0x0c0a,
	VMCS_HOST_TR = 0x0c0c,

	VMCS_IO_BITMAP_A = 0x2000,
	VMCS_IO_BITMAP_B = 0x2002,
	VMCS_MSR_BITMAP = 0x2004,
	VMCS_TSC_OFFSET = 0x2010,
	VMCS_VIRTUAL_APIC = 0x2012,
	VMCS_EPT_POINTER = 0x201a,
	VMCS_EOI_EXITS = 0x201c, /* + 2 for each 64 vectors */
	VMCS_GUEST_PHYSICAL = 0x2400,
	VMCS_LINK_POINTER = 0x2800,
	VMCS_GUEST_DEBUGCTL = 0x2802,
	VMCS_GUEST_PAT = 0x2804,
	VMCS_GUEST_EFER = 0x2806,
	VMCS_GUEST_PDPTE = 0x280a, /* + 2 for each of four */
	VMCS_HOST_PAT = 0x2c00,
	VMCS_HOST_EFER = 0x2c02,

	VMCS_PIN_CONTROLS = 0x4000,
	VMCS_PRIMARY_CONTROLS = 0x4002,
	VMCS_EXCEPTION_BITMAP = 0x4004,
	VMCS_CR3_TARGET_COUNT = 0x400a,
	VMCS_EXIT_CONTROLS = 0x400c,
	VMCS_EXIT_MSR_STORE_COUNT = 0x400e,
	VMCS_EXIT_MSR_LOAD_COUNT = 0x4010,
	VMCS_ENTRY_CONTROLS = 0x4012,
	VMCS_ENTRY_MSR_LOAD_COUNT = 0x4014,
	VMCS_ENTRY_EVENT = 0x4016,
	VMCS_ENTRY_EVENT_CODE = 0x4018,
	VMCS_TPR_THRESHOLD = 0x401c,
	VMCS_SECONDARY_CONTROLS = 0x401e,
	VMCS_INSTRUCTION_ERROR = 0x4400,
	VMCS_EXIT_REASON = 0x4402,
	VMCS_EXIT_EVENT = 0x4404,
	VMCS_EXIT_EVENT_CODE = 0x4406,
	VMCS_IDT_VECTORING = 0x4408,
	VMCS_IDT_VECTORING_CODE = 0x440a,
	VMCS_INSTRUCTION_LENGTH = 0x440c,
	VMCS_INSTRUCTION_INFO = 0x440e,
	VMCS_GUEST_LIMIT = 0x4800,  /* + 2 for each of enum vmcs_segment */
	VMCS_GUEST_RIGHTS = 0x4814, /* + 2 for each of enum vmcs_segment */
	VMCS_GUEST_INTERRUPTIBILITY = 0x4824,
	VMCS_GUEST_ACTIVITY = 0x4826,
	VMCS_GUEST_SYSENTER_CS = 0x482a,
	VMCS_PREEMPTION_TIMER = 0x482e,
	VMCS_HOST_SYSENTER_CS = 0x4c00,

	VMCS_CR0_MASK = 0x6000,
	VMCS_CR4_MASK = 0x6002,
	VMCS_CR0_SHADOW = 0x6004,
	VMCS_CR4_SHADOW = 0x6006,
	VMCS_QUALIFICATION = 0x6400,
	VMCS_GUEST_LINEAR = 0x640a,
	VMCS_GUEST_CR0 = 0x6800,
	VMCS_GUEST_CR3 = 0x6802,
	VMCS_GUEST_CR4 = 0x6804,
	VMCS_GUEST_BASE = 0x6806, /* + 2 for each of enum vmcs_segment */
	VMCS_GUEST_DR7 = 0x681a,
	VMCS_GUEST_RSP = 0x681c,
	VMCS_GUEST_RIP = 0x681e,
	VMCS_GUEST_RFLAGS = 0x6820,
	VMCS_GUEST_PENDING_DEBUG = 0x6822,
	VMCS_GUEST_SYSENTER_ESP = 0x6824,
	VMCS_GUEST_SYSENTER_EIP = 0x6826,
	VMCS_HOST_CR0 = 0x6c00,
	VMCS_HOST_CR3 = 0x6c02,
	VMCS_HOST_CR4 = 0x6c04,
	VMCS_HOST_FS_BASE = 0x6c06,
	VMCS_HOST_GS_BASE = 0x6c08,
	VMCS_HOST_TR_BASE = 0x6c0a,
	VMCS_HOST_GDTR_BASE = 0x6c0c,
	VMCS_HOST_IDTR_BASE = 0x6c0e,
	VMCS_HOST_SYSENTER_ESP = 0x6c10,
	VMCS_HOST_SYSENTER_EIP = 0x6c12,
	VMCS_HOST_RSP = 0x6c14, /* enter.S writes it */
	VMCS_HOST_RIP = 0x6c16,
};

/* The first six are in the order of enum x86_seg. */
enum vmcs_segment {
	VMCS_ES,
	VMCS_CS,
	VMCS_SS,
	VMCS_DS,
	VMCS_FS,
	VMCS_GS,
	VMCS_LDTR,
	VMCS_TR,
	VMCS_GDTR, /* these two have no selector and no rights */
	VMCS_IDTR,
};

/* Rights: bits 0-7 and 12-15 as in a descriptor. */
#define RIGHTS_LONG	BIT(13)
#define RIGHTS_BIG	BIT(14)
#define RIGHTS_UNUSABLE BIT(16)

#define PIN_INTERRUPT	     BIT(0)
#define PIN_NMI		     BIT(3)
#define PIN_VIRTUAL_NMI	     BIT(5)
#define PIN_PREEMPTION_TIMER BIT(6)

#define PRIMARY_IRQ_WINDOW  BIT(2)
#define PRIMARY_TSC_OFFSET  BIT(3)
#define PRIMARY_HLT	    BIT(7)
#define PRIMARY_MWAIT	    BIT(10)
#define PRIMARY_RDPMC	    BIT(11)
#define PRIMARY_CR8_LOAD    BIT(19)
#define PRIMARY_TPR_SHADOW  BIT(21)
#define PRIMARY_NMI_WINDOW  BIT(22)
#define PRIMARY_IO_BITMAPS  BIT(25)
#define PRIMARY_MSR_BITMAPS BIT(28)
#define PRIMARY_MONITOR	    BIT(29)
#define PRIMARY_SECONDARY   BIT(31)

#define SECONDARY_EPT		BIT(1)
#define SECONDARY_X2APIC	BIT(4)
#define SECONDARY_VPID		BIT(5)
#define SECONDARY_UNRESTRICTED	BIT(7)
#define SECONDARY_APIC_REGISTER BIT(8)
#define SECONDARY_DELIVERY	BIT(9)

#define EXIT_SAVE_DEBUG BIT(2)
#define EXIT_HOST_64	BIT(9)
#define EXIT_SAVE_PAT	BIT(18)
#define EXIT_LOAD_PAT	BIT(19)
#define EXIT_SAVE_EFER	BIT(20)
#define EXIT_LOAD_EFER	BIT(21)

#define ENTRY_LOAD_DEBUG BIT(2)
#define ENTRY_LONG_MODE	 BIT(9)
#define ENTRY_LOAD_PAT	 BIT(14)
#define ENTRY_LOAD_EFER	 BIT(15)

/* Entry event, exit event and IDT vectoring (SDM vol. 3, 25.8.3 and 25.9.2). */
#define EVENT_VALID	  BIT(31)
#define EVENT_CODE_VALID  BIT(11)
#define EVENT_NMI_UNBLOCK BIT(12) /* exit event only: IRET had let NMIs in before it faulted */
#define EVENT_TYPE(e)	  ((e) >> 8 & 7)
#define EVENT_INTERRUPT	  0
#define EVENT_NMI	  2
#define EVENT_EXCEPTION	  3
#define EVENT_SOFTWARE	  4 /* and above: repeats by itself, since RIP is still there */

#define BLOCKED_BY_STI	  BIT(0)
#define BLOCKED_BY_MOV_SS BIT(1)
#define BLOCKED_BY_NMI	  BIT(3)

#define REASON_ENTRY_FAILED BIT(31)

/* SDM vol. 3, appendix C. */
enum vmx_reason {
	REASON_EXCEPTION = 0,
	REASON_INTERRUPT = 1,
	REASON_TRIPLE_FAULT = 2,
	REASON_INIT = 3,
	REASON_SIPI = 4,
	REASON_IRQ_WINDOW = 7,
	REASON_NMI_WINDOW = 8,
	REASON_TASK_SWITCH = 9,
	REASON_CPUID = 10,
	REASON_GETSEC = 11,
	REASON_HLT = 12,
	REASON_INVD = 13,
	REASON_RDPMC = 15,
	REASON_VMCALL = 18,
	REASON_VMCLEAR = 19, /* to VMXON, 27: the instructions of VMX */
	REASON_VMXON = 27,
	REASON_CR_ACCESS = 28,
	REASON_IO = 30,
	REASON_RDMSR = 31,
	REASON_WRMSR = 32,
	REASON_MWAIT = 36,
	REASON_MONITOR = 39,
	REASON_VIRTUAL_EOI = 45,
	REASON_EPT_VIOLATION = 48,
	REASON_EPT_MISCONFIGURATION = 49,
	REASON_INVEPT = 50,
	REASON_PREEMPTION_TIMER = 52,
	REASON_INVVPID = 53,
	REASON_XSETBV = 55,
	REASON_APIC_WRITE = 56,
};

/* Exit qualification of an EPT violation. */
#define EPT_VIOLATION_FETCH	  BIT(2)
#define EPT_VIOLATION_LINEAR	  BIT(7) /* there is a linear address, and ... */
#define EPT_VIOLATION_FINAL	  BIT(8) /* ... the access was to its translation */
#define EPT_VIOLATION_NMI_UNBLOCK BIT(12)

/* Exit qualification of a port instruction. */
#define IO_SIZE(q) (((q)&7) + 1)
#define IO_IN	   BIT(3)
#define IO_STRING  BIT(4)
#define IO_REP	   BIT(5)
#define IO_PORT(q) ((u16)((q) >> 16))
/* Instruction information of its string forms. */
#define IO_INFO_ADDRESS(i) (2u << ((i) >> 7 & 3)) /* bytes */
#define IO_INFO_SEGMENT(i) ((i) >> 15 & 7)

/* Exit qualification of a control-register access. */
#define CR_NUMBER(q) ((q)&0xf)
#define CR_TYPE(q)   ((q) >> 4 & 3)
#define CR_GPR(q)    ((q) >> 8 & 0xf)
#define CR_MOV_TO    0

/* Which translations INVEPT and INVVPID forget. */
#define INVALIDATE_SINGLE 1
#define INVALIDATE_ALL	  2

/* On the build host a test stands in for the processor. */
#ifdef FACET_HOST
u64 vmcs_read(u32 field);
void vmcs_write(u32 field, u64 value);
void vmx_load_vmcs(hpa_t vmcs);
void vmx_clear_vmcs(hpa_t vmcs);
void vmx_invept(u64 type, u64 eptp);
void vmx_invvpid(u64 type, u64 vpid);
bool vmx_on(hpa_t region);
#else
static inline u64 vmcs_read(u32 field)
{
	u64 value;

	__asm__ volatile("vmread %1, %0" : "=r"(value) : "r"((u64)field) : "cc");
	return value;
}

static inline void vmcs_write(u32 field, u64 value)
{
	__asm__ volatile("vmwrite %1, %0" ::"r"((u64)field), "r"(value) : "cc");
}

static inline void vmx_load_vmcs(hpa_t vmcs)
{
	__asm__ volatile("vmptrld %0" ::"m"(vmcs.raw) : "cc", "memory");
}

static inline void vmx_clear_vmcs(hpa_t vmcs)
{
	__asm__ volatile("vmclear %0" ::"m"(vmcs.raw) : "cc", "memory");
}

static inline void vmx_invept(u64 type, u64 eptp)
{
	u64 descriptor[2] = { eptp, 0 };

	__asm__ volatile("invept %0, %1" ::"m"(descriptor), "r"(type) : "cc", "memory");
}

static inline void vmx_invvpid(u64 type, u64 vpid)
{
	u64 descriptor[2] = { vpid, 0 };

	__asm__ volatile("invvpid %0, %1" ::"m"(descriptor), "r"(type) : "cc", "memory");
}

/* False: VMXON is refused. */
static inline bool vmx_on(hpa_t region)
{
	bool failed;

	__asm__ volatile("vmxon %1\n\t"
			 "setbe %0"
			 : "=q"(failed)
			 : "m"(region.raw)
			 : "cc", "memory");
	return !failed;
}
#endif

#endif
