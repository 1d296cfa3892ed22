/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local APIC of a vCPU: xAPIC page, x2APIC MSRs, timer and messages
 * (SDM 3A chapter 11; APM 2 chapter 16).
 *
 * Who writes what: a vCPU's own CPU owns all registers; any CPU may set bits of
 * IRR, TMR and the pending error bits, with atomic operations and no lock.
 */
#ifndef GUEST_LAPIC_H
#define GUEST_LAPIC_H

#include "core/lib/error.h"
#include "core/lib/types.h"
#include "core/region.h"
#include "core/timer.h"

struct vcpu;
struct vm;

#define LAPIC_STATE_VERSION 1
#define LAPIC_BASE	    0xfee00000ULL
#define LAPIC_VERSION	    0x00050014u /* integrated APIC, 6 LVT entries */
/* The timer without TSC deadline counts this clock; CPUID 0x40000010 says so. */
#define LAPIC_TIMER_HZ 1000000000u
/*
 * A periodic timer raises at most one interrupt in this time, however short a
 * period the guest asks for; ticks that were missed are not made up for.
 */
#define LAPIC_MIN_PERIOD_NS 20000u

/* End of interrupt by a bit in memory (Linux Documentation/virt/kvm/x86/msr.rst). */
#define MSR_KVM_PV_EOI 0x4b564d04u

#define APIC_BASE_BSP	 BIT(8)
#define APIC_BASE_X2APIC BIT(10)
#define APIC_BASE_ENABLE BIT(11)

/* Register numbers: offset in the page / 16, which is also MSR - 0x800. */
enum lapic_reg {
	LAPIC_ID = 0x02,
	LAPIC_VER = 0x03,
	LAPIC_TPR = 0x08,
	LAPIC_APR = 0x09,
	LAPIC_PPR = 0x0a,
	LAPIC_EOI = 0x0b,
	LAPIC_LDR = 0x0d,
	LAPIC_DFR = 0x0e,
	LAPIC_SVR = 0x0f,
	LAPIC_ISR = 0x10,
	LAPIC_TMR = 0x18,
	LAPIC_IRR = 0x20,
	LAPIC_ESR = 0x28,
	LAPIC_ICR = 0x30,
	LAPIC_ICR2 = 0x31,
	LAPIC_LVT_TIMER = 0x32,
	LAPIC_LVT_ERROR = 0x37,
	LAPIC_TIMER_INITIAL = 0x38,
	LAPIC_TIMER_CURRENT = 0x39,
	LAPIC_TIMER_DIVIDE = 0x3e,
	LAPIC_SELF_IPI = 0x3f,
};

#define LAPIC_LVT_COUNT 6 /* timer, thermal, performance, LINT0, LINT1, error */
#define LVT_MASKED	BIT(16)

#define ESR_SEND_VECTOR	   BIT(5)
#define ESR_RECEIVE_VECTOR BIT(6)
#define ESR_REGISTER	   BIT(7)

enum lapic_mode {
	LAPIC_FIXED = 0,
	LAPIC_LOWEST = 1,
	LAPIC_SMI = 2,
	LAPIC_NMI = 4,
	LAPIC_INIT = 5,
	LAPIC_SIPI = 6,
	LAPIC_EXTINT = 7,
};

struct lapic;

/* Whom a message is for, whatever its destination is. */
enum lapic_shorthand {
	LAPIC_NO_SHORTHAND,
	LAPIC_SELF,
	LAPIC_ALL,
	LAPIC_OTHERS,
};

/* One interrupt message on the virtual APIC bus. */
struct lapic_message {
	const struct lapic *from; /* whom a shorthand is about */
	u8 shorthand;		  /* enum lapic_shorthand */
	u32 destination;
	u8 vector;
	u8 mode;      /* enum lapic_mode */
	bool logical; /* destination is a set, not an APIC id */
	bool wide;    /* destination has 32 bits (x2APIC), else 8 */
	bool level;
};

/* Plain data: what a saved VM needs. */
struct lapic_state {
	u32 version;
	u32 id;
	/*
	 * Where the processor delivers (arch_vcpu.apic_delivers), irr holds what has
	 * come since the vCPU last looked, and isr nothing: the rest is in apic_page.
	 */
	u64 irr[4]; /* atomic */
	u64 isr[4];
	u64 tmr[4]; /* atomic */
	u64 base;   /* IA32_APIC_BASE */
	u32 tpr;    /* where the back end has no place of its own: use *vcpu->arch.tpr */
	u32 ldr, dfr, svr;
	u32 esr;
	u32 esr_pending; /* atomic; moves to esr when the guest writes ESR */
	u64 icr;
	u32 lvt[LAPIC_LVT_COUNT]; /* atomic loads from other CPUs */
	u32 timer_initial;
	u32 timer_divide;
	u64 timer_start_ns; /* when timer_initial was written; 0: stopped */
	u64 tsc_deadline;   /* in the guest's TSC; 0: not armed */
	u64 pv_eoi_msr;	    /* as written */
};

struct lapic {
	struct lapic_state s;
	struct vcpu *vcpu;
	struct timer timer;
	u64 eoi_exits[4];      /* what the processor knows of tmr; while it delivers itself */
	u64 timer_deadline_ns; /* what the timer is armed for; 0: it is not */
	bool timer_fired;      /* atomic; the vCPU's CPU follows up */
	bool eoi_lent;	       /* the guest may end the present interrupt by its bit in memory */
};

/* ---- lapic.c: registers ---- */

/* The state after power-on. The APIC is enabled in xAPIC mode, as by firmware. */
void lapic_reset(struct lapic *apic, struct vcpu *vcpu, u32 id, bool bsp);
/* INIT: as after power-on, but APIC_BASE and the id stay (SDM 3A 11.4.7.3). */
void lapic_init(struct lapic *apic);

/* Handler of the xAPIC page; the vCPU's own APIC. */
enum access_result lapic_mmio(struct vcpu *vcpu, void *ctx, struct access *access);

/*
 * x2APIC register number 0..0x3f as an MSR. False: #GP (wrong mode, no such
 * register, reserved bits; SDM 3A 11.12.1.2 and 11.12.1.3).
 */
bool lapic_read_msr(struct lapic *apic, u32 reg, u64 *value);
bool lapic_write_msr(struct lapic *apic, u32 reg, u64 value);

/* IA32_APIC_BASE; false: #GP. The base address cannot be moved. */
bool lapic_write_base(struct lapic *apic, u64 value);

/* In struct vm_ops. The interrupt to deliver now or -1. On the vCPU's CPU. */
int lapic_pending(struct vcpu *vcpu);
/* `vector`, which lapic_pending() gave, goes from IRR to ISR. */
void lapic_accept(struct vcpu *vcpu, u8 vector);
/* And back: it has not been delivered. */
void lapic_return(struct vcpu *vcpu, u8 vector);
void lapic_eoi(struct lapic *apic);

/* MSR_KVM_PV_EOI; false: #GP. An address outside RAM is accepted and never used. */
bool lapic_write_pv_eoi(struct lapic *apic, u64 value);

/* Highest vectors in service and requested, -1: none. Any CPU; a snapshot. */
int lapic_in_service(const struct lapic *apic);
int lapic_requested(const struct lapic *apic);

static inline bool lapic_enabled(const struct lapic *apic)
{
	return (apic->s.base & APIC_BASE_ENABLE) != 0;
}

static inline bool lapic_is_x2apic(const struct lapic *apic)
{
	return (apic->s.base & APIC_BASE_X2APIC) != 0;
}

/* Index of the highest bit of a 256-bit register, -1 if none. */
static inline int lapic_highest(const u64 *bits)
{
	/* Nearly always there is none, and each exit asks. */
	if (!(__atomic_load_n(&bits[0], __ATOMIC_RELAXED) |
	      __atomic_load_n(&bits[1], __ATOMIC_RELAXED) |
	      __atomic_load_n(&bits[2], __ATOMIC_RELAXED) |
	      __atomic_load_n(&bits[3], __ATOMIC_RELAXED)))
		return -1;
	for (int i = 3; i >= 0; i--) {
		u64 word = __atomic_load_n(&bits[i], __ATOMIC_RELAXED);

		if (word != 0)
			return i * 64 + 63 - __builtin_clzll(word);
	}
	return -1;
}

/* ---- lapic_bus.c: messages; any CPU, lock-free ---- */

/* The guest wrote ICR. */
void lapic_send_icr(struct lapic *apic, u64 icr);
/* A message-signalled interrupt (SDM 3A 11.11); malformed ones are dropped. */
void lapic_send_msi(struct vm *vm, u64 address, u32 data);
/* Set a vector in IRR (edge or level) and make the vCPU look. */
void lapic_raise(struct lapic *apic, u8 vector, bool level);
/* Note an error bit and raise LVT error. */
void lapic_error(struct lapic *apic, u32 esr_bit);

/* ---- lapic_timer.c; on the vCPU's CPU ---- */

/* The state is as after power-on already: nothing is armed. */
void lapic_timer_reset(struct lapic *apic);
/* The LVT entry was `old_lvt` and is written. */
void lapic_timer_lvt_changed(struct lapic *apic, u32 old_lvt);
void lapic_timer_set_initial(struct lapic *apic, u32 value);
void lapic_timer_set_divide(struct lapic *apic, u32 value);
u32 lapic_timer_current(struct lapic *apic);
void lapic_timer_set_deadline(struct lapic *apic, u64 guest_tsc);
u64 lapic_timer_deadline(struct lapic *apic);
/* The guest's TSC offset changed: arm again. */
void lapic_timer_tsc_changed(struct lapic *apic);
/* The timer fired: count on, arm the next period. */
void lapic_timer_follow_up(struct lapic *apic);

#endif
