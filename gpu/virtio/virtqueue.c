/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's side of a split virtqueue: add requests, take back what is used. */
#include "gpu/virtio/virtqueue.h"

#define RING_HEADER_WORDS 2 /* flags, idx */

static size_t desc_bytes(u16 size)
{
	return (size_t)size * sizeof(struct virtq_desc);
}

/* The used ring starts on the next four-byte boundary behind the available ring (2.7). */
static size_t used_offset(u16 size)
{
	return ALIGN_UP(desc_bytes(size) + (RING_HEADER_WORDS + (size_t)size) * sizeof(u16), 64);
}

size_t virtqueue_bytes(u16 size)
{
	return used_offset(size) + RING_HEADER_WORDS * sizeof(u16) +
	       (size_t)size * sizeof(struct virtq_used_elem);
}

enum err virtqueue_init(struct virtqueue *vq, u16 size, void *memory, iova_t iova)
{
	if (!size || size > VIRTQUEUE_SIZE_MAX || (size & (size - 1)))
		return ERR_INVALID;
	*vq = (struct virtqueue){
		.size = size,
		.free_count = size,
		.desc = memory,
		.avail = (u16 *)(void *)((u8 *)memory + desc_bytes(size)),
		.used = (u16 *)(void *)((u8 *)memory + used_offset(size)),
		.iova = iova,
	};
	for (u16 i = 0; i < size; i++)
		vq->desc[i].next = (u16)(i + 1);
	return OK;
}

iova_t virtqueue_desc_iova(const struct virtqueue *vq)
{
	return vq->iova;
}

iova_t virtqueue_avail_iova(const struct virtqueue *vq)
{
	return IOVA(vq->iova.raw + desc_bytes(vq->size));
}

iova_t virtqueue_used_iova(const struct virtqueue *vq)
{
	return IOVA(vq->iova.raw + used_offset(vq->size));
}

static void fill(struct virtq_desc *desc, const struct virtqueue_segment *segment)
{
	desc->addr = segment->addr.raw;
	desc->len = segment->len;
	desc->flags = segment->device_writes ? VIRTQ_DESC_F_WRITE : 0;
}

/* The entry first, then the index that lets the device look at it. */
static void publish(struct virtqueue *vq, u16 head)
{
	vq->avail[RING_HEADER_WORDS + (vq->next_avail & (vq->size - 1))] = head;
	vq->next_avail++;
	__atomic_store_n(&vq->avail[1], vq->next_avail, __ATOMIC_RELEASE);
	/* The device's register is written after this; it must see the index. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

enum err virtqueue_add(struct virtqueue *vq, const struct virtqueue_segment *segments, u32 count,
		       u16 *head)
{
	u16 index = vq->free_head;

	if (!count || count > vq->size)
		return ERR_INVALID;
	if (count > vq->free_count)
		return ERR_FULL;
	*head = index;
	for (u32 i = 0; i < count; i++) {
		struct virtq_desc *desc = &vq->desc[index];

		fill(desc, &segments[i]);
		if (i + 1 < count)
			desc->flags |= VIRTQ_DESC_F_NEXT;
		index = desc->next;
	}
	vq->free_head = index;
	vq->free_count = (u16)(vq->free_count - count);
	vq->chain_length[*head] = (u16)count;
	publish(vq, *head);
	return OK;
}

enum err virtqueue_add_indirect(struct virtqueue *vq, const struct virtqueue_segment *segments,
				u32 count, struct virtq_desc *table, iova_t table_iova, u16 *head)
{
	struct virtq_desc *desc = &vq->desc[vq->free_head];

	if (!count)
		return ERR_INVALID;
	if (!vq->free_count)
		return ERR_FULL;
	for (u32 i = 0; i < count; i++) {
		fill(&table[i], &segments[i]);
		table[i].next = (u16)(i + 1);
		if (i + 1 < count)
			table[i].flags |= VIRTQ_DESC_F_NEXT;
	}
	*head = vq->free_head;
	desc->addr = table_iova.raw;
	desc->len = count * (u32)sizeof(*table);
	desc->flags = VIRTQ_DESC_F_INDIRECT;
	vq->free_head = desc->next;
	vq->free_count--;
	vq->chain_length[*head] = 1;
	publish(vq, *head);
	return OK;
}

/* Put a request's descriptors back; links and length are ours, not the device's. */
static void release(struct virtqueue *vq, u16 head)
{
	u16 last = head;

	for (u16 i = 1; i < vq->chain_length[head]; i++)
		last = vq->desc[last].next;
	vq->desc[last].next = vq->free_head;
	vq->free_head = head;
	vq->free_count = (u16)(vq->free_count + vq->chain_length[head]);
	vq->chain_length[head] = 0;
}

enum err virtqueue_pop(struct virtqueue *vq, u16 *head, u32 *written)
{
	u16 index = __atomic_load_n(&vq->used[1], __ATOMIC_ACQUIRE);
	const struct virtq_used_elem *ring = (const void *)&vq->used[RING_HEADER_WORDS];
	struct virtq_used_elem elem;

	if (index == vq->last_used)
		return ERR_NOT_FOUND;
	elem = ring[vq->last_used & (vq->size - 1)];
	vq->last_used++;
	if (elem.id >= vq->size || !vq->chain_length[elem.id])
		return ERR_DEVICE;
	release(vq, (u16)elem.id);
	*head = (u16)elem.id;
	*written = elem.len;
	return OK;
}
