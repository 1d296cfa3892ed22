/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's side of a split virtqueue in a guest's memory. Everything in it
 * is the guest's and hostile: each value is copied once and checked before use.
 */
#ifndef GPU_VIRTIO_VRING_H
#define GPU_VIRTIO_VRING_H

#include "core/gmem.h"
#include "core/lib/error.h"
#include "core/lib/types.h"
#include "gpu/virtio/virtio.h"

#define VRING_SIZE_MAX 256

/* Registers of one queue and where we stand in it. */
struct vring {
	u16 size; /* power of two, 1..max_size */
	u16 max_size;
	u16 msix_vector;
	bool enabled;
	gpa_t desc, avail, used;
	u16 next_avail; /* the next available entry that we take */
	u16 next_used;	/* the next used entry that we fill */
};

/* A piece of a guest's buffer; not yet checked to be RAM. */
struct vring_segment {
	gpa_t addr;
	u32 len;
};

/* One request, flattened: what the device may read comes first. */
struct vring_chain {
	u16 head;
	u16 read_count, write_count;
	u64 read_bytes, write_bytes;
	struct vring_segment segments[VRING_SIZE_MAX];
};

/* Power-on values; `max_size` is a power of two up to VRING_SIZE_MAX. */
void vring_reset(struct vring *ring, u16 max_size);

/*
 * Take the next available request; bounded by the size of the queue.
 *
 * OK             `chain` describes it.
 * ERR_NOT_FOUND  nothing is available.
 * ERR_FAULT      a ring or table is not in the guest's RAM
 * ERR_INVALID    the driver broke a rule of 2.7; `why` says which.
 *                After either of these the queue cannot be used any more.
 */
must_check enum err vring_fetch(struct vring *ring, const struct gmem *mem,
				struct vring_chain *chain, const char **why);

/* Undo the last vring_fetch(): the same entry comes again, newly read. */
void vring_unfetch(struct vring *ring);

/*
 * Copy from the readable part of a request, from byte `offset` of it.
 * ERR_RANGE: it is shorter; ERR_FAULT: not RAM.
 */
must_check enum err vring_read(const struct vring_chain *chain, const struct gmem *mem, u64 offset,
			       void *dst, u32 size);

/* Copy into the first `size` bytes of `segments`; ERR_RANGE, ERR_FAULT. */
must_check enum err vring_write(const struct vring_segment *segments, u32 count,
				const struct gmem *mem, const void *src, u32 size);

/* Give request `head` back with `written` bytes in it. ERR_FAULT: the ring is not RAM. */
must_check enum err vring_push(struct vring *ring, const struct gmem *mem, u16 head, u32 written);

/* True unless the driver asked for no interrupts now (2.7.7). */
bool vring_wants_interrupt(const struct vring *ring, const struct gmem *mem);

#endif
