/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel keeps for each physical processor. */
#ifndef CORE_PERCPU_H
#define CORE_PERCPU_H

#include "arch/x86/spinlock.h"
#include "core/cpu.h"
#include "core/lib/list.h"
#include "core/lib/types.h"
#include "core/timer.h"
#include "core/vmap_init.h"

struct vcpu;

/* More than can be armed on one: every vCPU of every guest may have a timer, see sched.c. */
#define TIMERS_PER_CPU 256

/* GS points here. Fields belong to their CPU unless they say otherwise. */
struct percpu {
	u32 id; /* must be first: cpu_id() reads it through GS */
	u32 apic_id;
	struct percpu *self; /* at offset 8: percpu_self() */
	u64 *windows;	     /* leaf entries of this CPU's windows, and where they map to */
	u8 *windows_va;
	u32 softirqs;	/* atomic; set by any CPU */
	u32 kick_holds; /* how often irq_hold_kicks() was called and not taken back */
	u64 kicks;	/* a bit for each CPU that is to be sent one then */
	u32 online;	/* atomic */
	bool sleeping;	/* atomic; in HLT or about to be */
	struct vcpu *running;
	u64 slice_end_ns;
	struct spinlock timer_lock;
	struct list_node timers; /* by deadline */
	u64 armed_ns;		 /* deadline that the hardware timer is set to, ~0: none */
	struct vmap_stacks stacks;
};

struct percpu *percpu_of(u32 cpu);

/* GS:8, in one instruction: this is on every path. */
static inline struct percpu *percpu_self(void)
{
	struct percpu *self;

	__asm__("movq %%gs:8, %0" : "=r"(self));
	return self;
}

/* One bit of attention for each thing that takes a vCPU off this CPU. */
static inline bool percpu_wants_attention(void)
{
	const struct percpu *cpu = percpu_self();

	return !__atomic_load_n(&cpu->slice_end_ns, __ATOMIC_RELAXED) ||
	       __atomic_load_n(&cpu->softirqs, __ATOMIC_ACQUIRE);
}

/* Point GS at the record of CPU number `cpu`. */
void percpu_init(u32 cpu, u32 apic);

#endif
