/* SPDX-License-Identifier: Apache-2.0 */
/* Binary heaps of the GPU scheduler: the least (key, tie) is at place 0. Each operation: O(log n).
 */
#ifndef GPU_SCHED_HEAP_H
#define GPU_SCHED_HEAP_H

#include "gpu/sched.h"

/* Ties are unique, so no two are equal, and the same calls always give the same order. */
static inline bool gpu_sched_before(const struct gpu_sched_node *a, const struct gpu_sched_node *b)
{
	return a->key < b->key || (a->key == b->key && a->tie < b->tie);
}

static inline void gpu_sched_heap_place(void **nodes, struct gpu_sched_node *node, u32 at)
{
	nodes[at] = node;
	node->at = at;
}

/* True: it has moved. */
static inline bool gpu_sched_heap_up(struct gpu_sched_heap *heap, struct gpu_sched_node *node)
{
	void **nodes = heap->nodes;
	u32 at = node->at, from = at;

	while (at > 0) {
		struct gpu_sched_node *parent = nodes[(at - 1) / 2];

		if (!gpu_sched_before(node, parent))
			break;
		gpu_sched_heap_place(nodes, parent, at);
		at = (at - 1) / 2;
	}
	if (at == from)
		return false;
	gpu_sched_heap_place(nodes, node, at);
	return true;
}

/* The key or the tie of `node`, which is in `heap`, has grown. */
static inline void gpu_sched_heap_down(struct gpu_sched_heap *heap, struct gpu_sched_node *node)
{
	void **nodes = heap->nodes;
	u64 key = node->key;
	size_t at = node->at, child, count = heap->count;

	while ((child = 2 * at + 1) < count) {
		struct gpu_sched_node *least = nodes[child];

		if (child + 1 < count && gpu_sched_before(nodes[child + 1], least))
			least = nodes[++child];
		if (least->key > key || (least->key == key && least->tie > node->tie))
			break;
		gpu_sched_heap_place(nodes, least, (u32)at);
		at = child;
	}
	gpu_sched_heap_place(nodes, node, (u32)at);
}

static inline void gpu_sched_heap_insert(struct gpu_sched_heap *heap, struct gpu_sched_node *node)
{
	gpu_sched_heap_place(heap->nodes, node, heap->count++);
	(void)gpu_sched_heap_up(heap, node);
}

static inline void gpu_sched_heap_remove(struct gpu_sched_heap *heap, struct gpu_sched_node *node)
{
	struct gpu_sched_node *last = heap->nodes[--heap->count];

	if (last == node)
		return;
	/* The last one fills the gap; it came from another branch and may go either way. */
	gpu_sched_heap_place(heap->nodes, last, node->at);
	if (!gpu_sched_heap_up(heap, last))
		gpu_sched_heap_down(heap, last);
}

#endif
