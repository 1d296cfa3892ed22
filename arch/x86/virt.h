/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam between the vendors' virtualization and everything above: one
 * neutral exit record and about a dozen operations, chosen once from CPUID.
 * Nothing above this header sees a VMCB, a VMCS or a vendor's exit code.
 */
#ifndef ARCH_X86_VIRT_H
#define ARCH_X86_VIRT_H

#include "arch/x86/emulate.h"
#include "arch/x86/host.h"
#include "arch/x86/tlb.h"
#include "core/lib/error.h"
#include "core/lib/types.h"

/* Index into vm_regs.gpr: the processor's own numbering. */
enum gpr {
	GPR_RAX,
	GPR_RCX,
	GPR_RDX,
	GPR_RBX,
	GPR_RSP,
	GPR_RBP,
	GPR_RSI,
	GPR_RDI,
	GPR_R8,
	GPR_R9,
	GPR_R10,
	GPR_R11,
	GPR_R12,
	GPR_R13,
	GPR_R14,
	GPR_R15,
	GPR_COUNT,
};

/* Why a guest came back. */
enum vm_exit_kind {
	VM_EXIT_INTERRUPT,  /* a host interrupt, already taken; or nothing to do */
	VM_EXIT_IRQ_WINDOW, /* the guest can now take an interrupt */
	VM_EXIT_MMIO,	    /* access to a guest-physical address with no direct mapping */
	VM_EXIT_PIO,	    /* IN or OUT; string forms come one element at a time */
	VM_EXIT_CPUID,
	VM_EXIT_MSR,
	VM_EXIT_HLT,
	VM_EXIT_EOI,	   /* the guest ended a level-triggered interrupt; already carried out */
	VM_EXIT_HYPERCALL, /* VMCALL or VMMCALL, RIP already past it */
	VM_EXIT_SHUTDOWN,  /* triple fault */
	VM_EXIT_STOP,	   /* the guest did what Facet cannot carry out; `stop` says what */
	VM_EXIT_KIND_COUNT,
};

/*
 * For MMIO, PIO and MSR reads the handler stores `value`; CPUID handlers
 * store the four registers. virt_ops.complete() then retires the instruction.
 */
struct vm_exit_access {
	u64 address; /* guest-physical, or the port */
	u64 value;   /* zero-extended */
	u8 size;     /* 1, 2, 4 or, but not of a port, 8; never crosses a page */
	bool write;
};

struct vm_exit {
	enum vm_exit_kind kind;
	union {
		struct vm_exit_access mmio, pio;
		struct {
			u32 leaf, subleaf;	/* in */
			u32 eax, ebx, ecx, edx; /* out */
		} cpuid;
		struct {
			u64 value;
			u32 index;
			bool write;
		} msr;
		struct {
			u8 vector;
		} eoi;
		struct {
			u64 number;
			u64 arg[4]; /* RBX, RCX, RDX, RSI as KVM's convention has them */
			u64 result; /* out: to RAX */
		} hypercall;
		struct {
			const char *reason; /* static text */
			u64 detail;	    /* a number that belongs to it */
		} stop;
	};
};

/* An exception to hand to the guest. */
enum x86_exception {
	X86_DB = 1,
	X86_BP = 3,
	X86_UD = 6,
	X86_NM = 7,
	X86_DF = 8,
	X86_GP = 13,
	X86_PF = 14,
	X86_AC = 17,
	X86_MC = 18,
};

struct x86_segment {
	u16 selector;
	u16 attributes; /* bits 0-7: access byte; 8-11: AVL, L, D/B, G */
	u32 limit;	/* in bytes */
	u64 base;
};

#define X86_SEGMENTS 10

/* The state that a loader sets before the first entry, and tests read back. */
struct x86_state {
	u64 gpr[GPR_COUNT];
	u64 rip, rflags;
	u64 cr0, cr2, cr3, cr4, efer;
	union {
		struct {
			/* Of GDTR and IDTR base and limit only. */
			struct x86_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
		};
		struct x86_segment segments[X86_SEGMENTS];
	};
};

enum virt_nested {
	VIRT_NESTED_NPT,
	VIRT_NESTED_EPT,
};

/*
 * How an instruction's linear page was translated: the entries on the way and
 * what they held. As long as they hold it, the translation stands; so looking
 * at an instruction again costs four comparisons instead of a walk.
 */
struct code_path {
	u64 key; /* linear page << 1 | user; ~0: empty */
	u64 cr3;
	u32 count;
	struct host_word words[4];
	hpa_t page;
};

#define CODE_PATHS 64

/* A decoded instruction, good for these very bytes in this mode. */
struct code_insn {
	u64 bytes[2];
	u8 mode; /* enum cpu_mode, or ~0: empty */
	struct insn insn;
};

#define CODE_INSNS 128

/* A port instruction, until it is complete. */
struct pio {
	u64 next_rip;
	gpa_t gpa; /* of the memory element; string forms only, as address size and segment */
	u16 port;
	u8 size;		    /* 1, 2 or 4 */
	u8 address_size;	    /* bytes: 2, 4 or 8 */
	u8 segment;		    /* enum x86_seg */
	bool in, string, rep, down; /* the last: DF, of string forms only */
};

/*
 * The vendor-neutral part of a virtual CPU; core/ embeds it in its vCPU.
 * Owner: the CPU that runs the vCPU; nobody touches it while it runs.
 */
struct arch_vcpu {
	u64 gpr[GPR_COUNT]; /* must be first: entry code stores here. RSP lives in the VMCB/VMCS */
	void *vendor;	    /* the back end's own record */
	hpa_t nested_root;  /* root of the VM's EPT or NPT */
	struct nested_space *space; /* the VM's; what of those tables is remembered where */
	struct tlb_tag tag;
	u64 tsc_offset; /* added to the host's TSC */
	u64 xcr0;
	/*
	 * The task priority (SDM vol. 3, 11.8.3.1), written by both sides: the back end
	 * points it to where the processor keeps it, or else the local APIC does.
	 */
	u32 *tpr;
	u32 *apic_page; /* of a local APIC, 1024 words; NULL: the back end has none */
	u8 offered; /* an interrupt that the guest may take by itself, and has not yet; 0: none */
	bool apic_delivers; /* the processor delivers interrupts from `apic_page` by itself */
	u64 dr[4];	    /* debug addresses while another vCPU has the processor */
	hpa_t fpu_frame;    /* XSAVE area */
	struct emu emu;	    /* an instruction that is carried out in steps */
	struct pio pio;	    /* the port instruction that exited */
	u8 length;	    /* of the instruction that exited, for complete() */
	struct code_path paths[CODE_PATHS]; /* by linear page */
	struct code_insn insns[CODE_INSNS]; /* by RIP */
	const struct insn *move;	    /* a plain move that waits for complete(); in `insns` */
	bool flush_linear; /* CR4 or EFER was changed by the hypervisor since the last entry */
};

struct virt_ops {
	const char *name;	 /* "SVM" or "VMX" */
	enum virt_nested nested; /* format of the tables at arch_vcpu.nested_root */
	/* The level of the largest pages that this processor has there: 2 (2 MiB) or 3 (1 GiB). */
	u8 (*largest)(void);

	/* Switch virtualization on at this CPU. ERR_UNSUPPORTED has been logged. */
	must_check enum err (*cpu_enable)(void);

	/* Allocate what a vCPU needs, for ever. ERR_NO_MEMORY leaves nothing behind. */
	must_check enum err (*vcpu_create)(struct arch_vcpu *vcpu);

	/* The state after INIT (SDM 3A table 9-1, APM 2 table 14-1). */
	void (*vcpu_reset)(struct arch_vcpu *vcpu);
	void (*get_state)(const struct arch_vcpu *vcpu, struct x86_state *state);
	void (*set_state)(struct arch_vcpu *vcpu, const struct x86_state *state);

	/*
	 * The vCPU begins or ends a stay on this CPU: state that the world
	 * switch leaves in the processor (FPU, XCR0, debug addresses).
	 */
	void (*load)(struct arch_vcpu *vcpu);
	void (*unload)(struct arch_vcpu *vcpu);

	/* Enter the guest; comes back with the reason. IF = 0 before and after. */
	void (*run)(struct arch_vcpu *vcpu, struct vm_exit *exit);

	/*
	 * The exit has been handled: store results, step over the instruction.
	 * True: `exit` now holds a further access of the same instruction,
	 * which the caller handles in the same way.
	 */
	bool (*complete)(struct arch_vcpu *vcpu, struct vm_exit *exit);

	/* Can an external interrupt be injected at the next entry? */
	bool (*can_inject)(const struct arch_vcpu *vcpu);
	/* Injects it, or offers it as offer_interrupt() does. */
	void (*inject_interrupt)(struct arch_vcpu *vcpu, u8 vector);
	/* False: NMIs are blocked or an event is pending; try again at the next exit. */
	bool (*inject_nmi)(struct arch_vcpu *vcpu);
	void (*inject_exception)(struct arch_vcpu *vcpu, u8 vector, bool has_code, u32 code);
	/*
	 * The guest cannot take `vector` now. True: as soon as it can the processor
	 * delivers it: arch_vcpu.offered is `vector` until then, and the offer ends with the
	 * next exit. False: VM_EXIT_IRQ_WINDOW comes.
	 */
	bool (*offer_interrupt)(struct arch_vcpu *vcpu, u8 vector);

	/*
	 * NULL where the processor has no virtual-interrupt delivery. The local APIC
	 * is in x2APIC mode or not: sets apic_delivers. ISR and IRR lie in apic_page
	 * then; `in_service` is the highest in ISR, 0: none.
	 */
	void (*apic_mode)(struct arch_vcpu *vcpu, bool x2apic, u8 in_service);
	/* The highest vector in IRR, 0: none. Only while apic_delivers. */
	void (*apic_request)(struct arch_vcpu *vcpu, u8 vector);
	/* For which vectors EOI is to give VM_EXIT_EOI: four words. Only while apic_delivers. */
	void (*apic_eoi_exits)(struct arch_vcpu *vcpu, const u64 *vectors);

	/* A start-up IPI: real mode at vector << 12. */
	void (*startup)(struct arch_vcpu *vcpu, u8 vector);
	/*
	 * MSRs that the vendor keeps in its block, such as EFER. ERR_NOT_FOUND: not this one;
	 * ERR_DENIED: #GP, a value that the processor refuses.
	 */
	must_check enum err (*read_msr)(struct arch_vcpu *vcpu, u32 index, u64 *value);
	must_check enum err (*write_msr)(struct arch_vcpu *vcpu, u32 index, u64 value);
};

/*
 * The vendor's operations by CPUID, or NULL when this processor cannot run
 * guests; then one line has been logged that names what is missing.
 */
const struct virt_ops *virt_select(void);

#endif
