/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one door to guest memory: copies in and out through windows that belong
 * to this CPU. No pointer into guest memory leaves this file: a guest can
 * change its memory at any time, so copy in, check the copy, use the copy.
 */
#ifndef CORE_GMEM_H
#define CORE_GMEM_H

#include "core/lib/error.h"
#include "core/lib/types.h"

#define GMEM_CHUNK_SHIFT 21 /* guest RAM is handed out in 2 MiB pieces */
#define GMEM_CHUNK_SIZE	 BIT(GMEM_CHUNK_SHIFT)
#define GMEM_HOLE_START	 0xc0000000ULL /* RAM above this moves beyond 4 GiB: the PCI hole */
#define GMEM_HOLE_END	 GIB(4)

/* RAM of one VM; chunks in guest order, without the hole. */
struct gmem {
	u64 size;     /* bytes, a multiple of 2 MiB */
	u64 low_size; /* of it below the hole */
	hpa_t *chunks;
	hpa_t chunk_frames; /* where the array lives */
	u32 chunk_array_pages;
	u16 owner; /* frame owner: the VM's id */
};

/* Take RAM from the frame allocator; it is NOT cleared yet (gmem_clear_step). */
must_check enum err gmem_create(struct gmem *mem, u64 size, u16 owner);

/* Every DMA user must be gone (frame.h). Idempotent. */
void gmem_destroy(struct gmem *mem);

/* Clear chunk number `index` with zeros; bounded work: 2 MiB. */
void gmem_clear_chunk(const struct gmem *mem, u32 index);

/*
 * Copy between guest RAM and ours; any alignment, may cross pages and chunks.
 * 2, 4 or 8 bytes that do not cross a page are one access to the guest's
 * memory: another processor sees all of a number or nothing of it.
 * ERR_FAULT: part of the range is not RAM of this VM; what was copied before
 * the bad part stays copied.
 */
must_check enum err gmem_read(const struct gmem *mem, gpa_t gpa, void *dst, size_t size);
must_check enum err gmem_write(const struct gmem *mem, gpa_t gpa, const void *src, size_t size);

/* The window at which host_words_unchanged() looks, and the five behind it. */
#define GMEM_WINDOW_WALK 2

/* Where [gpa, gpa + size) lies in host memory. ERR_FAULT unless it is RAM in one chunk. */
must_check enum err gmem_translate(const struct gmem *mem, gpa_t gpa, u64 size, hpa_t *out);

/* Where byte number `offset` of the RAM stands in the guest, past the hole. */
static inline u64 gmem_gpa(u64 offset)
{
	return offset < GMEM_HOLE_START ? offset : offset - GMEM_HOLE_START + GMEM_HOLE_END;
}

/* True when [gpa, gpa + size) is RAM of this VM as a whole; size may be 0. */
bool gmem_is_ram(const struct gmem *mem, gpa_t gpa, u64 size);

#endif
