// SPDX-License-Identifier: Apache-2.0
/* Physical memory: the hypervisor's own pool, and guest RAM in 2 MiB chunks with owners. */
#include "core/frame.h"

#include "arch/x86/host.h"
#include "arch/x86/spinlock.h"
#include "core/frame_init.h"
#include "core/gmem.h"
#include "core/lib/string.h"
#include "core/log.h"

#define POOL_MIN   MIB(16)
#define POOL_MAX   MIB(512)
#define POOL_SHARE 64 /* a 64th of RAM */

struct chunk {
	u16 owner;
	bool releasing; /* given back, but a device still maps it */
	u32 dma_users;
};

/* Written by the boot CPU at start; afterwards guarded by `lock`. */
static struct {
	struct spinlock lock;
	u64 pool_base, pool_size;
	u8 *pool;  /* mapping of pool_base */
	u64 *used; /* one bit a pool frame */
	u64 pool_frames, pool_used;
	u64 first_free;	      /* no pool frame below this one is */
	struct chunk *chunks; /* by address >> 21 */
	u64 chunk_count, guest_chunks, guest_free;
	u64 own_bytes, files_bytes, low_page;
} frames;

static bool overlaps(u64 a, u64 a_size, u64 b, u64 b_size)
{
	return a < b + b_size && b < a + a_size;
}

/* Memory that was loaded for us and stays: image, files. */
static bool is_kept(const struct handover *record, u64 base, u64 size)
{
	if (overlaps(base, size, record->image_base, record->image_size))
		return true;
	for (u64 i = 0; i < record->file_count; i++)
		if (record->files[i].size &&
		    overlaps(base, size, record->files[i].base, record->files[i].size))
			return true;
	return false;
}

static bool is_usable(const struct handover_memory *m)
{
	return m->kind == HANDOVER_FREE || m->kind == HANDOVER_LOADER;
}

/* What the map of the memory says of that which can be used. */
struct survey {
	u64 ram, top;		 /* bytes, and where it ends */
	u64 pool_base, pool_end; /* the largest range that the pool may lie in */
};

/*
 * The pool lies below 4 GiB (other CPUs load CR3 in 32-bit mode) in the largest free
 * range; the loader's ranges stay out, since we still run on tables that lie there.
 */
static struct survey survey_memory(const struct handover *record)
{
	struct survey found = { 0 };

	for (u64 i = 0; i < record->memory_count; i++) {
		const struct handover_memory *m = &record->memory[i];
		u64 end = m->base + m->size, low_page = MAX(m->base, PAGE_SIZE);

		if (!is_usable(m))
			continue;
		found.ram += m->size;
		found.top = MAX(found.top, end);
		if (m->kind != HANDOVER_FREE)
			continue;
		if (low_page < 0xa0000 && end > low_page)
			frames.low_page = low_page;
		if (m->base >= MIB(1) && end <= GIB(4) &&
		    m->size > found.pool_end - found.pool_base) {
			found.pool_base = m->base;
			found.pool_end = end;
		}
	}
	return found;
}

static void add_guest_chunks(const struct handover *record, const struct handover_memory *m)
{
	u64 end = m->base + m->size;

	for (u64 at = ALIGN_UP(MAX(m->base, MIB(1)), GMEM_CHUNK_SIZE); at + GMEM_CHUNK_SIZE <= end;
	     at += GMEM_CHUNK_SIZE) {
		if (overlaps(at, GMEM_CHUNK_SIZE, frames.pool_base, frames.pool_size) ||
		    is_kept(record, at, GMEM_CHUNK_SIZE))
			continue;
		frames.chunks[at >> GMEM_CHUNK_SHIFT].owner = FRAME_OWNER_FREE;
		frames.guest_chunks++;
	}
}

/* Neighbouring usable ranges of different kinds are joined, so that chunks may span them. */
static void add_all_guest_chunks(const struct handover *record)
{
	for (u64 i = 0; i < record->memory_count;) {
		struct handover_memory joined = record->memory[i++];

		if (!is_usable(&joined))
			continue;
		while (i < record->memory_count && is_usable(&record->memory[i]) &&
		       record->memory[i].base == joined.base + joined.size)
			joined.size += record->memory[i++].size;
		add_guest_chunks(record, &joined);
	}
	frames.guest_free = frames.guest_chunks;
}

static void take_run(u64 first, u64 pages)
{
	for (u64 i = first; i < first + pages; i++)
		frames.used[i / 64] |= BIT(i % 64);
	frames.pool_used += pages;
}

enum err frame_init(const struct handover *record)
{
	struct survey found = survey_memory(record);
	u64 share = MIN(MAX(found.ram / POOL_SHARE, POOL_MIN), POOL_MAX);
	u64 bitmap_bytes, chunk_bytes;

	frames.pool_base = ALIGN_UP(found.pool_base, GMEM_CHUNK_SIZE);
	frames.pool_size = ALIGN_DOWN(share, GMEM_CHUNK_SIZE);
	if (!frames.pool_base || frames.pool_base + frames.pool_size > found.pool_end)
		return ERR_NO_MEMORY;
	frames.pool = (u8 *)frames.pool_base; /* one to one, until frame_pool_moved() */
	frames.pool_frames = frames.pool_size >> PAGE_SHIFT;
	bitmap_bytes = ALIGN_UP(frames.pool_frames / 8, PAGE_SIZE);
	frames.chunk_count = (found.top >> GMEM_CHUNK_SHIFT) + 1;
	chunk_bytes = ALIGN_UP(frames.chunk_count * sizeof(struct chunk), PAGE_SIZE);
	if (bitmap_bytes + chunk_bytes > frames.pool_size / 2)
		return ERR_NO_MEMORY;
	frames.pool_used = frames.first_free = 0;
	frames.used = (u64 *)(void *)frames.pool;
	frames.chunks = (struct chunk *)(void *)(frames.pool + bitmap_bytes);
	memset(frames.used, 0, bitmap_bytes);
	for (u64 i = 0; i < frames.chunk_count; i++)
		frames.chunks[i] = (struct chunk){ .owner = FRAME_OWNER_FIRMWARE };
	take_run(0, (bitmap_bytes + chunk_bytes) >> PAGE_SHIFT);
	frames.own_bytes = record->image_size;
	for (u64 i = 0; i < record->file_count; i++)
		frames.files_bytes += ALIGN_UP(record->files[i].size, PAGE_SIZE);
	add_all_guest_chunks(record);
	return OK;
}

void frame_pool_moved(void *mapping)
{
	u64 delta = (u64)mapping - (u64)frames.pool;

	frames.pool = mapping;
	frames.used = (u64 *)(void *)((u8 *)frames.used + delta);
	frames.chunks = (struct chunk *)(void *)((u8 *)frames.chunks + delta);
}

hpa_t frame_pool_base(void)
{
	return HPA(frames.pool_base);
}

u64 frame_pool_size(void)
{
	return frames.pool_size;
}

hpa_t frame_low_page(void)
{
	return HPA(frames.low_page);
}

static bool frame_is_used(u64 index)
{
	return frames.used[index / 64] & BIT(index % 64);
}

/* First of `pages` free frames in a row, or pool_frames. */
static u64 find_run(u32 pages)
{
	u64 run = 0;

	for (u64 i = frames.first_free; i < frames.pool_frames; i++) {
		if (!run && !(i % 64) && frames.used[i / 64] == ~0ULL) {
			i += 63;
			continue;
		}
		run = frame_is_used(i) ? 0 : run + 1;
		if (run == pages)
			return i + 1 - pages;
	}
	return frames.pool_frames;
}

hpa_t frame_alloc_contiguous(u32 pages)
{
	u64 first;

	spin_lock(&frames.lock);
	first = find_run(pages);
	if (first == frames.pool_frames) {
		spin_unlock(&frames.lock);
		return HPA(0);
	}
	take_run(first, pages);
	if (pages == 1)
		frames.first_free = first + 1;
	spin_unlock(&frames.lock);
	memset(frames.pool + (first << PAGE_SHIFT), 0, (u64)pages << PAGE_SHIFT);
	return HPA(frames.pool_base + (first << PAGE_SHIFT));
}

hpa_t frame_alloc(void)
{
	return frame_alloc_contiguous(1);
}

void frame_free_contiguous(hpa_t frame, u32 pages)
{
	u64 first = (frame.raw - frames.pool_base) >> PAGE_SHIFT;

	invariant(frame.raw >= frames.pool_base && first + pages <= frames.pool_frames);
	spin_guard(&frames.lock);
	for (u64 i = first; i < first + pages; i++) {
		invariant(frame_is_used(i));
		frames.used[i / 64] &= ~BIT(i % 64);
	}
	frames.pool_used -= pages;
	frames.first_free = MIN(frames.first_free, first);
}

void frame_free(hpa_t frame)
{
	frame_free_contiguous(frame, 1);
}

void *frame_ptr(hpa_t frame)
{
	invariant(frame.raw - frames.pool_base < frames.pool_size);
	return frames.pool + (frame.raw - frames.pool_base);
}

hpa_t frame_of(const void *ptr)
{
	u64 offset = (u64)ptr - (u64)frames.pool;

	invariant(offset < frames.pool_size);
	return HPA(frames.pool_base + offset);
}

hpa_t frame_alloc_chunk(u16 owner)
{
	spin_guard(&frames.lock);
	for (u64 i = 0; i < frames.chunk_count; i++)
		if (frames.chunks[i].owner == FRAME_OWNER_FREE) {
			frames.chunks[i].owner = owner;
			frames.guest_free--;
			return HPA(i << GMEM_CHUNK_SHIFT);
		}
	return HPA(0);
}

static struct chunk *chunk_of(u64 hpa)
{
	invariant(hpa >> GMEM_CHUNK_SHIFT < frames.chunk_count);
	return &frames.chunks[hpa >> GMEM_CHUNK_SHIFT];
}

static void release(struct chunk *chunk)
{
	chunk->owner = FRAME_OWNER_FREE;
	chunk->releasing = false;
	frames.guest_free++;
}

void frame_free_chunk(hpa_t hpa)
{
	struct chunk *chunk = chunk_of(hpa.raw);

	spin_guard(&frames.lock);
	invariant(chunk->owner != FRAME_OWNER_FREE && chunk->owner != FRAME_OWNER_FIRMWARE);
	if (chunk->dma_users)
		chunk->releasing = true;
	else
		release(chunk);
}

void frame_dma_get(hpa_t hpa, u64 size)
{
	spin_guard(&frames.lock);
	for (u64 at = ALIGN_DOWN(hpa.raw, GMEM_CHUNK_SIZE); at < hpa.raw + size;
	     at += GMEM_CHUNK_SIZE)
		chunk_of(at)->dma_users++;
}

void frame_dma_put(hpa_t hpa, u64 size)
{
	spin_guard(&frames.lock);
	for (u64 at = ALIGN_DOWN(hpa.raw, GMEM_CHUNK_SIZE); at < hpa.raw + size;
	     at += GMEM_CHUNK_SIZE) {
		struct chunk *chunk = chunk_of(at);

		invariant(chunk->dma_users);
		if (!--chunk->dma_users && chunk->releasing)
			release(chunk);
	}
}

void frame_get_stats(struct frame_stats *stats)
{
	spin_guard(&frames.lock);
	*stats = (struct frame_stats){
		.pool_bytes = frames.pool_size,
		.pool_used_bytes = frames.pool_used << PAGE_SHIFT,
		.guest_bytes = frames.guest_chunks << GMEM_CHUNK_SHIFT,
		.guest_free_bytes = frames.guest_free << GMEM_CHUNK_SHIFT,
		.image_bytes = frames.own_bytes,
		.files_bytes = frames.files_bytes,
	};
}

/* What arch/x86/host.h asks for is the same under other names. */
#define SAME_AS(name) __attribute__((alias(#name)))

hpa_t host_frame_alloc(void) SAME_AS(frame_alloc);
hpa_t host_frames_alloc(u32 pages) SAME_AS(frame_alloc_contiguous);
void *host_frame_ptr(hpa_t frame) SAME_AS(frame_ptr);
