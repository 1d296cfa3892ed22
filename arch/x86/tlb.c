// SPDX-License-Identifier: Apache-2.0
/* Tags of vCPUs, generations of tags, epochs of nested tables. */
#include "arch/x86/tlb.h"

/* Of any space and pool: none ever begins with a number that another had. */
static u64 last_number; /* atomic */

static u64 next_number(void)
{
	return __atomic_add_fetch(&last_number, 1, __ATOMIC_SEQ_CST);
}

u64 nested_space_changed(struct nested_space *space)
{
	u64 epoch = next_number();

	__atomic_store_n(&space->epoch, epoch, __ATOMIC_SEQ_CST);
	return epoch;
}

void nested_space_init(struct nested_space *space)
{
	for (u32 i = 0; i < TRAP_CPUS_MAX; i++)
		space->seen[i] = 0;
	(void)nested_space_changed(space);
}

/*
 * Nothing is held under a tag that was not used since all were flushed: to take one
 * is to have flushed it. What was held at start, nobody knows: the first one flushes.
 */
static u32 take_tag(struct tlb_pool *pool, u32 cpu, struct tlb_tag *tag)
{
	u32 action = 0;

	if (!pool->next || pool->next >= pool->count) {
		pool->generation = next_number();
		pool->next = 1;
		action = TLB_FLUSH_ALL_TAGS;
	}
	tag->value = pool->next++;
	tag->cpu = cpu;
	tag->generation = pool->generation;
	return action;
}

u32 tlb_enter_anew(struct tlb_pool *pool, u32 cpu, struct tlb_tag *tag, struct nested_space *space,
		   bool linear_stale, const struct tlb_caps *caps)
{
	u64 epoch = __atomic_load_n(&space->epoch, __ATOMIC_SEQ_CST);
	bool fresh = !tag->value || tag->generation != pool->generation;
	u32 action = 0;

	/*
	 * EPT: whichever vCPU of the VM is the first to enter here after a change
	 * flushes, and that takes the combined translations of every tag along.
	 */
	if (tag->epoch != epoch)
		linear_stale = !caps->nested_by_space;
	if (caps->nested_by_space && space->seen[cpu] != epoch) {
		space->seen[cpu] = epoch;
		action = TLB_FLUSH_NESTED;
	}
	if (!fresh && linear_stale && caps->flush_tag)
		action |= TLB_FLUSH_TAG;
	else if (fresh || linear_stale)
		action |= take_tag(pool, cpu, tag);
	__atomic_store_n(&tag->epoch, epoch, __ATOMIC_SEQ_CST);
	return action;
}

void tlb_enter_failed(struct tlb_pool *pool)
{
	pool->generation = next_number(); /* of those in use */
	pool->next = 0;			  /* and of those to come */
}
