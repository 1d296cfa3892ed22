/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binary heaps of the GPU scheduler: the least (key, tie) is at place 0. Each operation: O(log n).
 * They are functions of their own, not inlined, so that those who call them keep registers free.
 */
#ifndef GPU_SCHED_HEAP_H
#define GPU_SCHED_HEAP_H

#include "gpu/sched.h"

/* Ties are unique, so no two are equal, and the same calls always give the same order. */
static inline bool gpu_sched_before(const struct gpu_sched_node *a, const struct gpu_sched_node *b)
{
	return a->key < b->key || (a->key == b->key && a->tie < b->tie);
}

static inline void gpu_sched_heap_place(void **nodes, struct gpu_sched_node *node, size_t at)
{
	nodes[at] = node;
	node->at = at;
}

/* The key or the tie of `node`, which is in `heap`, has become less, or it has come last. */
static void __attribute__((noinline))
gpu_sched_heap_up(struct gpu_sched_heap *heap, struct gpu_sched_node *node)
{
	void **nodes = heap->nodes;
	size_t at = node->at;

	while (at > 0) {
		struct gpu_sched_node *parent = nodes[(at - 1) / 2];

		if (gpu_sched_before(parent, node))
			break;
		gpu_sched_heap_place(nodes, parent, at);
		at = (at - 1) / 2;
	}
	gpu_sched_heap_place(nodes, node, at);
}

/* The key or the tie of `node`, which is in `heap`, has grown, or it has come from below. */
static void __attribute__((noinline))
gpu_sched_heap_down(struct gpu_sched_heap *heap, struct gpu_sched_node *node)
{
	void **nodes = heap->nodes;
	size_t at = node->at, child = 2 * at + 1, last = heap->count - 1;

	while (child < last) {
		struct gpu_sched_node *least = nodes[child], *right = nodes[child + 1];

		if (gpu_sched_before(right, least))
			least = right;
		if (gpu_sched_before(node, least))
			break;
		child = least->at;
		gpu_sched_heap_place(nodes, least, at);
		at = child;
		child = 2 * at + 1;
	}
	if (child == last && gpu_sched_before(nodes[child], node)) {
		gpu_sched_heap_place(nodes, nodes[child], at);
		at = child;
	}
	gpu_sched_heap_place(nodes, node, at);
}

/* Whether any but the first has a key of `most` or less: then one of the first's children has. */
static inline bool gpu_sched_heap_others(const struct gpu_sched_heap *heap, u64 most)
{
	struct gpu_sched_node *const *nodes = (struct gpu_sched_node *const *)heap->nodes;

	if (heap->count > 2)
		return nodes[1]->key <= most || nodes[2]->key <= most;
	return heap->count == 2 && nodes[1]->key <= most;
}

/* The one after the first, of two at least. */
static inline struct gpu_sched_node *gpu_sched_heap_second(const struct gpu_sched_heap *heap)
{
	struct gpu_sched_node *left = heap->nodes[1], *right;

	if (heap->count == 2)
		return left;
	right = heap->nodes[2];
	return gpu_sched_before(right, left) ? right : left;
}

static void __attribute__((noinline))
gpu_sched_heap_insert(struct gpu_sched_heap *heap, struct gpu_sched_node *node)
{
	gpu_sched_heap_place(heap->nodes, node, heap->count++);
	gpu_sched_heap_up(heap, node);
}

static void __attribute__((noinline))
gpu_sched_heap_remove(struct gpu_sched_heap *heap, struct gpu_sched_node *node)
{
	struct gpu_sched_node *last = heap->nodes[--heap->count];
	size_t at = node->at;

	if (last == node)
		return;
	/* The last one fills the gap; it came from another branch and may go either way. */
	gpu_sched_heap_place(heap->nodes, last, at);
	if (at > 0 && gpu_sched_before(last, heap->nodes[(at - 1) / 2]))
		gpu_sched_heap_up(heap, last);
	else
		gpu_sched_heap_down(heap, last);
}

#endif
