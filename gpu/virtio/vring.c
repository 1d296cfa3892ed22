/* SPDX-License-Identifier: Apache-2.0 */
/* The device's side of a split virtqueue in a guest's memory. */
#include "gpu/virtio/vring.h"

#define RING_HEADER_BYTES 4 /* flags and idx */

void vring_reset(struct vring *ring, u16 max_size)
{
	*ring = (struct vring){
		.size = max_size,
		.max_size = max_size,
		.msix_vector = VIRTIO_MSI_NO_VECTOR,
	};
}

static gpa_t at(gpa_t base, u64 offset)
{
	return GPA(base.raw + offset);
}

static enum err bad(const char **why, const char *text)
{
	*why = text;
	return ERR_INVALID;
}

static enum err fault(const char **why, const char *text)
{
	*why = text;
	return ERR_FAULT;
}

/* Add one buffer to the flattened request, in the order that 2.7.4.2 demands. */
static enum err take(struct vring_chain *chain, const struct virtq_desc *desc, u32 limit,
		     const char **why)
{
	u32 count = (u32)chain->read_count + chain->write_count;

	if (count >= limit)
		return bad(why, "chain longer than the queue, or a loop");
	chain->segments[count] = (struct vring_segment){ GPA(desc->addr), desc->len };
	if (desc->flags & VIRTQ_DESC_F_WRITE) {
		chain->write_count++;
		chain->write_bytes += desc->len;
		return OK;
	}
	if (chain->write_count)
		return bad(why, "readable descriptor behind a writable one");
	chain->read_count++;
	chain->read_bytes += desc->len;
	return OK;
}

/* Follow `next` from entry `index` of a table with `entries` of them. */
static enum err walk(const struct gmem *mem, gpa_t table, u32 entries, u16 index, u32 limit,
		     struct vring_chain *chain, struct virtq_desc *indirect, const char **why)
{
	struct virtq_desc desc;
	enum err e;

	/* take() ends a loop: it counts each descriptor against `limit`. */
	for (;;) {
		if (index >= entries)
			return bad(why, "descriptor index out of range");
		if (gmem_read(mem, at(table, (u64)index * sizeof(desc)), &desc, sizeof(desc)))
			return fault(why, "descriptor table outside memory");
		if (desc.flags & VIRTQ_DESC_F_INDIRECT) {
			if (!indirect)
				return bad(why, "indirect table inside an indirect table");
			if (desc.flags & VIRTQ_DESC_F_NEXT)
				return bad(why, "indirect descriptor with a successor");
			*indirect = desc;
			return OK;
		}
		e = take(chain, &desc, limit, why);
		if (e)
			return e;
		if (!(desc.flags & VIRTQ_DESC_F_NEXT))
			return OK;
		index = desc.next;
	}
}

static enum err flatten(const struct vring *ring, const struct gmem *mem, u16 head,
			struct vring_chain *chain, const char **why)
{
	struct virtq_desc indirect = { 0 };
	enum err e;

	chain->head = head;
	chain->read_count = chain->write_count = 0;
	chain->read_bytes = chain->write_bytes = 0;
	e = walk(mem, ring->desc, ring->size, head, ring->size, chain, &indirect, why);
	if (e || !indirect.flags)
		return e;
	if (!indirect.len || indirect.len % sizeof(struct virtq_desc))
		return bad(why, "indirect table of a wrong length");
	return walk(mem, GPA(indirect.addr), indirect.len / (u32)sizeof(struct virtq_desc), 0,
		    ring->size, chain, NULL, why);
}

enum err vring_fetch(struct vring *ring, const struct gmem *mem, struct vring_chain *chain,
		     const char **why)
{
	u16 index, head;
	enum err e;

	if (gmem_read(mem, at(ring->avail, 2), &index, sizeof(index)))
		return fault(why, "available ring outside memory");
	if (index == ring->next_avail)
		return ERR_NOT_FOUND;
	if ((u16)(index - ring->next_avail) > ring->size)
		return bad(why, "available index ahead by more than the queue");
	if (gmem_read(mem,
		      at(ring->avail, RING_HEADER_BYTES + 2ULL * (ring->next_avail % ring->size)),
		      &head, sizeof(head)))
		return fault(why, "available ring outside memory");
	e = flatten(ring, mem, head, chain, why);
	if (e)
		return e;
	ring->next_avail++;
	return OK;
}

void vring_unfetch(struct vring *ring)
{
	ring->next_avail--;
}

enum err vring_read(const struct vring_chain *chain, const struct gmem *mem, u64 offset, void *dst,
		    u32 size)
{
	u8 *out = dst;

	if (offset > chain->read_bytes || size > chain->read_bytes - offset)
		return ERR_RANGE;
	for (u32 i = 0; i < chain->read_count && size; i++) {
		const struct vring_segment *segment = &chain->segments[i];
		u32 part;

		if (offset >= segment->len) {
			offset -= segment->len;
			continue;
		}
		part = (u32)MIN((u64)size, segment->len - offset);
		if (gmem_read(mem, at(segment->addr, offset), out, part))
			return ERR_FAULT;
		out += part;
		size -= part;
		offset = 0;
	}
	return OK;
}

enum err vring_write(const struct vring_segment *segments, u32 count, const struct gmem *mem,
		     const void *src, u32 size)
{
	const u8 *in = src;

	for (u32 i = 0; i < count && size; i++) {
		u32 part = MIN(size, segments[i].len);

		if (gmem_write(mem, segments[i].addr, in, part))
			return ERR_FAULT;
		in += part;
		size -= part;
	}
	return size ? ERR_RANGE : OK;
}

enum err vring_push(struct vring *ring, const struct gmem *mem, u16 head, u32 written)
{
	struct virtq_used_elem elem = { head, written };
	u64 slot = ring->next_used % ring->size;
	u16 index = (u16)(ring->next_used + 1);

	if (gmem_write(mem, at(ring->used, RING_HEADER_BYTES + slot * sizeof(elem)), &elem,
		       sizeof(elem)))
		return ERR_FAULT;
	/* The entry must be there before the index that announces it. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (gmem_write(mem, at(ring->used, 2), &index, sizeof(index)))
		return ERR_FAULT;
	ring->next_used = index;
	return OK;
}

bool vring_wants_interrupt(const struct vring *ring, const struct gmem *mem)
{
	u16 flags;

	/* After the used index is visible, or a driver that re-checks it could be missed. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (gmem_read(mem, ring->avail, &flags, sizeof(flags)))
		return true;
	return !(flags & VIRTQ_AVAIL_F_NO_INTERRUPT);
}
