/* SPDX-License-Identifier: Apache-2.0 */
/* For CBMC: whatever the keys, the GPU scheduler's heaps keep their order and lose nobody. */
#include "gpu/sched_heap.h"

#define NODES 3

u64 nondet_u64(void);
u32 nondet_u32(void);

static struct gpu_sched_node nodes[NODES];
static void *memory[NODES];
static struct gpu_sched_heap heap = { .nodes = memory };

static void check(const bool *in)
{
	u32 count = 0;

	for (u32 i = 0; i < NODES; i++) {
		count += in[i];
		__CPROVER_assert(
			!in[i] || (nodes[i].at < heap.count && memory[nodes[i].at] == &nodes[i]),
			"each node is where it says");
	}
	__CPROVER_assert(count == heap.count, "none is lost");
	for (u32 at = 1; at < NODES; at++)
		__CPROVER_assert(at >= heap.count ||
					 gpu_sched_before(memory[(at - 1) / 2], memory[at]),
				 "a parent is before its child");
}

void heap_order(void)
{
	bool in[NODES] = { 0 };
	u32 which = nondet_u32();

	__CPROVER_assume(which < NODES);

	for (u32 i = 0; i < NODES; i++) {
		nodes[i].key = nondet_u64();
		nodes[i].tie = i;
		gpu_sched_heap_insert(&heap, &nodes[i]);
		in[i] = true;
	}
	{
		u64 more = nondet_u64();

		__CPROVER_assume(more >= nodes[which].key);
		nodes[which].key = more;
		gpu_sched_heap_down(&heap, &nodes[which]);
	}
	check(in);
	{
		u64 most = nondet_u64();
		const struct gpu_sched_node *second = gpu_sched_heap_second(&heap);
		bool others = false;

		for (u32 i = 0; i < NODES; i++) {
			bool other = nodes[i].at > 0;

			others |= other && nodes[i].key <= most;
			__CPROVER_assert(!other || &nodes[i] == second ||
						 gpu_sched_before(second, &nodes[i]),
					 "the second is before all but the first");
		}
		__CPROVER_assert(gpu_sched_heap_others(&heap, most) == others, "others are found");
	}
	{
		u64 less = nondet_u64();

		which = nondet_u32();
		__CPROVER_assume(which < NODES && less <= nodes[which].key);
		nodes[which].key = less;
		gpu_sched_heap_up(&heap, &nodes[which]);
	}
	check(in);
	which = nondet_u32();
	__CPROVER_assume(which < NODES);
	gpu_sched_heap_remove(&heap, &nodes[which]);
	in[which] = false;
	check(in);
}
