/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Physical memory by frame: who owns it, who pins it, which devices map it.
 *
 * Two kinds: the pool is one contiguous range that the hypervisor itself uses
 * and has mapped (frame_ptr); all other RAM is for guests and is never mapped
 * for long (gmem.h).
 */
#ifndef CORE_FRAME_H
#define CORE_FRAME_H

#include "core/lib/error.h"
#include "core/lib/types.h"

#define FRAME_OWNER_FREE       0 /* 1..VM_MAX: a VM's id */
#define FRAME_OWNER_HYPERVISOR 0xfffe
#define FRAME_OWNER_FIRMWARE   0xffff

/* A zeroed frame of the pool; HPA(0) when it is empty. Any CPU. */
hpa_t frame_alloc(void);
/* `pages` zeroed frames in a row, for device rings; HPA(0) when there are none. */
hpa_t frame_alloc_contiguous(u32 pages);
void frame_free(hpa_t frame);
void frame_free_contiguous(hpa_t frame, u32 pages);
/* The mapping of a pool frame; an address outside the pool is an invariant broken. */
void *frame_ptr(hpa_t frame);
hpa_t frame_of(const void *ptr);

/*
 * A free 2 MiB-aligned chunk of guest RAM for `owner`; HPA(0) when none is
 * left. The content is what the last owner left: clear before use.
 */
hpa_t frame_alloc_chunk(u16 owner);

/*
 * Give a chunk back. While devices still map it (frame_dma_get) it stays
 * taken and is freed by the last frame_dma_put().
 */
void frame_free_chunk(hpa_t hpa);

/*
 * A device mapping of guest RAM begins or ends: for each backing entry and
 * each IOMMU window. [hpa, hpa + size) lies in chunks of one owner.
 */
void frame_dma_get(hpa_t hpa, u64 size);
void frame_dma_put(hpa_t hpa, u64 size);

struct ptab_memory;

struct frame_stats {
	u64 pool_bytes, pool_used_bytes; /* pool; used counts frames handed out */
	u64 guest_bytes, guest_free_bytes;
	u64 image_bytes; /* the hypervisor's own image and tables of frames */
	u64 files_bytes; /* boot files kept for restarts */
};

/* Page tables in frames of the pool, for ptab_init(). */
extern const struct ptab_memory frame_tables;

void frame_get_stats(struct frame_stats *stats);

#endif
