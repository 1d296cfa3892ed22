/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tag (ASID, VPID) a vCPU runs under on a CPU, and what must be invalidated
 * before it enters. Pure, and one code for both vendors:
 *
 *                          SVM/NPT     VMX/EPT
 *   guest-linear to host   by ASID     by VPID and EPTP ("combined")
 *   guest-physical to host by ASID     by EPTP alone
 *
 * APM vol. 2, 15.16; SDM vol. 3C, 29.4. Reasons and protocol: docs/invalidation.md.
 */
#ifndef ARCH_X86_TLB_H
#define ARCH_X86_TLB_H

#include "arch/x86/trap.h"
#include "core/lib/types.h"

/* A VM's guest-physical address space, as processors may remember it. */
struct nested_space {
	u64 epoch; /* atomic; of the last change that took rights away; unique for ever */
	/*
	 * EPT: the epoch up to which that CPU's guest-physical translations are
	 * clean. Owner: that CPU.
	 */
	u64 seen[TRAP_CPUS_MAX];
};

/* The tags of one CPU, its own. Zero but for `count` is right at start. */
struct tlb_pool {
	u32 count;	/* tags that the processor has, 0 (the host's) among them: 2 or more */
	u32 next;	/* never used in this generation, from here on */
	u64 generation; /* unique over all CPUs and for ever */
};

/* What a vCPU runs under. Owner: the CPU that runs it. Zero: nothing yet. */
struct tlb_tag {
	u32 value;
	u32 cpu; /* whose pool it is from */
	u64 generation;
	u64 epoch; /* of the space at the last entry; atomic: read by whoever shoots down */
};

/* What to do before the entry; bits. The tag is the one that tlb_enter() left. */
enum tlb_action {
	TLB_FLUSH_ALL_TAGS = 1, /* SVM: TLB_CONTROL 1; VMX: INVVPID all-context */
	TLB_FLUSH_TAG = 2,	/* SVM: TLB_CONTROL 3; VMX: INVVPID single-context */
	TLB_FLUSH_NESTED = 4,	/* VMX: INVEPT single-context */
};

struct tlb_caps {
	bool flush_tag;	      /* one tag can be flushed; else a fresh one is taken */
	bool nested_by_space; /* guest-physical translations go by the tables' root, not by tag */
};

/*
 * Would tlb_enter() have nothing to do? For paths where every instruction counts; it is
 * the answer mostly.
 */
static inline bool tlb_is_current(const struct tlb_pool *pool, const struct tlb_tag *tag,
				  const struct nested_space *space, bool linear_stale)
{
	return tag->epoch == __atomic_load_n(&space->epoch, __ATOMIC_SEQ_CST) &&
	       tag->generation == pool->generation && !linear_stale;
}

/* tlb_enter() where something has changed. */
u32 tlb_enter_anew(struct tlb_pool *pool, u32 cpu, struct tlb_tag *tag, struct nested_space *space,
		   bool linear_stale, const struct tlb_caps *caps);

/*
 * A vCPU is about to enter on CPU number `cpu`, which `pool` belongs to; its flag
 * `in_guest` is up. `linear_stale`: it changed what its own linear translations
 * depend on (CR4, EFER) by way of the hypervisor. Returns what is to be done now,
 * bits of tlb_action, 0 mostly; `tag` is then the one to enter with.
 */
static inline u32 tlb_enter(struct tlb_pool *pool, u32 cpu, struct tlb_tag *tag,
			    struct nested_space *space, bool linear_stale,
			    const struct tlb_caps *caps)
{
	if (tlb_is_current(pool, tag, space, linear_stale))
		return 0;
	return tlb_enter_anew(pool, cpu, tag, space, linear_stale, caps);
}

/*
 * The entry did not come about, so what tlb_enter() asked for may not have been
 * done: no tag of this CPU is trusted until all have been flushed.
 */
void tlb_enter_failed(struct tlb_pool *pool);

/* A new space: whatever a CPU holds under a root that was used before is stale. */
void nested_space_init(struct nested_space *space);

/*
 * Rights were taken away: the tables have changed already. Returns the new epoch:
 * vCPUs that entered with it, or a later one, use no older translation. The caller
 * holds the lock that guards the tables.
 */
u64 nested_space_changed(struct nested_space *space);

#endif
