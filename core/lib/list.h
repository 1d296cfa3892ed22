/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive, circular, doubly linked lists. */
#ifndef CORE_LIB_LIST_H
#define CORE_LIB_LIST_H

#include "core/lib/types.h"

/* A head, or a link inside a larger struct (container_of). */
struct list_node {
	struct list_node *prev, *next;
};

static inline void list_init(struct list_node *head)
{
	head->prev = head->next = head;
}

static inline bool list_is_empty(const struct list_node *head)
{
	return head->next == head;
}

/* Is this link, zero at first, in a list? */
static inline bool list_is_linked(const struct list_node *node)
{
	return node->next;
}

static inline void list_add_after(struct list_node *at, struct list_node *node)
{
	node->prev = at;
	node->next = at->next;
	at->next->prev = node;
	at->next = node;
}

/* Before the head is at the end of the list. */
static inline void list_add_before(struct list_node *at, struct list_node *node)
{
	list_add_after(at->prev, node);
}

static inline void list_remove(struct list_node *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->prev = node->next = NULL;
}

#endif
