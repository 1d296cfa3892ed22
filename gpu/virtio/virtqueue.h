/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's side of a split virtqueue (virtio 1.2, section 2.7): we fill
 * buffers in, a physical device uses them.
 *
 *   descriptors  16 bytes each   where buffers are, chained by `next`
 *   available    ring of heads   driver -> device
 *   used         ring of heads   device -> driver
 */
#ifndef GPU_VIRTIO_VIRTQUEUE_H
#define GPU_VIRTIO_VIRTQUEUE_H

#include "core/lib/error.h"
#include "core/lib/types.h"
#include "gpu/virtio/virtio.h"

#define VIRTQUEUE_SIZE_MAX 256

/* One piece of a request, in the device's addresses. */
struct virtqueue_segment {
	iova_t addr;
	u32 len;
	bool device_writes; /* all of these come after all of the others */
};

/* Used by one CPU alone; the fields are the queue's own. */
struct virtqueue {
	u16 size;
	u16 free_head;
	u16 free_count;
	u16 last_used;
	u16 next_avail;
	struct virtq_desc *desc;
	u16 *avail; /* flags, idx, ring[size] */
	u16 *used;  /* flags, idx, then struct virtq_used_elem[size] */
	iova_t iova;
	u16 chain_length[VIRTQUEUE_SIZE_MAX]; /* descriptors of the request with this head, 0: free
					       */
};

/* Bytes that a queue of `size` needs; `size` is a power of two up to VIRTQUEUE_SIZE_MAX. */
size_t virtqueue_bytes(u16 size);

/*
 * Set up an empty queue in `memory` (zeroed, page-aligned, virtqueue_bytes()
 * long) that the device sees at `iova`. ERR_INVALID: size is not allowed.
 */
must_check enum err virtqueue_init(struct virtqueue *vq, u16 size, void *memory, iova_t iova);

/* Where the device finds the three parts. */
iova_t virtqueue_desc_iova(const struct virtqueue *vq);
iova_t virtqueue_avail_iova(const struct virtqueue *vq);
iova_t virtqueue_used_iova(const struct virtqueue *vq);

/*
 * Make a request of `count` segments available; `head` names it until it is
 * popped. The device still has to be notified. ERR_FULL: too few descriptors
 * are free now; ERR_INVALID: count is 0 or more than the queue ever has.
 */
must_check enum err virtqueue_add(struct virtqueue *vq, const struct virtqueue_segment *segments,
				  u32 count, u16 *head);

/*
 * The same through a table of the caller's (VIRTIO_F_INDIRECT_DESC): `table`
 * has room for `count` entries, the device sees it at `table_iova`, and it
 * stays untouched until the request is popped. Costs one descriptor.
 */
must_check enum err virtqueue_add_indirect(struct virtqueue *vq,
					   const struct virtqueue_segment *segments, u32 count,
					   struct virtq_desc *table, iova_t table_iova, u16 *head);

/*
 * Take the next request that the device has finished: OK, its `head` and how
 * many bytes the device says it wrote. ERR_NOT_FOUND: none. ERR_DEVICE: the
 * device named a request that is not outstanding; its entry is skipped.
 */
must_check enum err virtqueue_pop(struct virtqueue *vq, u16 *head, u32 *written);

#endif
