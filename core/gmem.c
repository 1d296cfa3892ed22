// SPDX-License-Identifier: Apache-2.0
/* The door to guest memory: copies through this CPU's windows. */
#include "core/gmem.h"

#include "arch/x86/host.h"
#include "core/frame.h"
#include "core/lib/string.h"
#include "core/window.h"

#define WINDOW_GUEST 0

enum err gmem_create(struct gmem *mem, u64 size, u16 owner)
{
	u64 count = size >> GMEM_CHUNK_SHIFT;
	u32 pages = (u32)((count * sizeof(hpa_t) + PAGE_MASK) >> PAGE_SHIFT);

	if (!count || !IS_ALIGNED(size, GMEM_CHUNK_SIZE))
		return ERR_INVALID;
	mem->chunk_frames = frame_alloc_contiguous(pages);
	if (!mem->chunk_frames.raw)
		return ERR_NO_MEMORY;
	mem->chunks = frame_ptr(mem->chunk_frames);
	mem->chunk_array_pages = pages;
	mem->owner = owner;
	mem->size = size;
	mem->low_size = MIN(size, GMEM_HOLE_START);
	for (u64 i = 0; i < count; i++) {
		mem->chunks[i] = frame_alloc_chunk(owner);
		if (!mem->chunks[i].raw) {
			gmem_destroy(mem);
			return ERR_NO_MEMORY;
		}
	}
	return OK;
}

void gmem_destroy(struct gmem *mem)
{
	if (!mem->chunks)
		return;
	for (u64 i = 0; i < mem->size >> GMEM_CHUNK_SHIFT; i++)
		if (mem->chunks[i].raw)
			frame_free_chunk(mem->chunks[i]);
	frame_free_contiguous(mem->chunk_frames, mem->chunk_array_pages);
	*mem = (struct gmem){ 0 };
}

void gmem_clear_chunk(const struct gmem *mem, u32 index)
{
	hpa_t hpa = mem->chunks[index];

	for (u64 offset = 0; offset < GMEM_CHUNK_SIZE; offset += PAGE_SIZE)
		memset(vmap_window(WINDOW_GUEST, HPA(hpa.raw + offset)), 0, PAGE_SIZE);
}

/*
 * Offset into RAM without the hole; the size of the VM where there is no RAM.
 * RAM beyond the hole's start continues at 4 GiB.
 */
static u64 ram_offset(const struct gmem *mem, u64 gpa)
{
	if (gpa < GMEM_HOLE_START)
		return MIN(gpa, mem->size);
	if (gpa < GMEM_HOLE_END)
		return mem->size;
	return MIN(gpa - GMEM_HOLE_END + GMEM_HOLE_START, mem->size);
}

/* Host address of one byte; false when it is not RAM. */
static bool find(const struct gmem *mem, u64 gpa, hpa_t *hpa)
{
	u64 offset = ram_offset(mem, gpa);

	if (offset >= mem->size)
		return false;
	*hpa = HPA(mem->chunks[offset >> GMEM_CHUNK_SHIFT].raw + (offset & (GMEM_CHUNK_SIZE - 1)));
	return true;
}

/*
 * Ring indices and version counters are read by the other side while they are
 * written: a number is one access, never a row of bytes.
 */
static void copy(void *dst, const void *src, size_t size)
{
	switch (size) {
	case 2:
		*(volatile any_u16 *)dst = *(const volatile any_u16 *)src;
		break;
	case 4:
		*(volatile any_u32 *)dst = *(const volatile any_u32 *)src;
		break;
	case 8:
		*(volatile any_u64 *)dst = *(const volatile any_u64 *)src;
		break;
	default:
		memcpy(dst, src, size);
	}
}

/* Between guest RAM and ours, which a write leaves alone; a page of guest RAM may lie anywhere. */
static inline enum err transfer(const struct gmem *mem, u64 at, u8 *ours, size_t size, bool write)
{
	hpa_t hpa;

	while (size) {
		size_t part = MIN(size, PAGE_SIZE - (at & PAGE_MASK));

		if (!find(mem, at, &hpa))
			return ERR_FAULT;
		if (write)
			copy(vmap_window(WINDOW_GUEST, hpa), ours, part);
		else
			copy(ours, vmap_window(WINDOW_GUEST, hpa), part);
		ours += part;
		at += part;
		size -= part;
	}
	return OK;
}

enum err gmem_read(const struct gmem *mem, gpa_t gpa, void *dst, size_t size)
{
	return transfer(mem, gpa.raw, dst, size, false);
}

enum err gmem_write(const struct gmem *mem, gpa_t gpa, const void *src, size_t size)
{
	return transfer(mem, gpa.raw, (u8 *)src, size, true);
}

bool host_words_unchanged(const struct host_word *words, u32 count)
{
	for (u32 i = 0; i < count; i++)
		if (*(const volatile u64 *)vmap_window(GMEM_WINDOW_WALK + 1 + i, words[i].hpa) !=
		    words[i].value)
			return false;
	return true;
}

void host_read_code(hpa_t hpa, u64 *out)
{
	const volatile any_u64 *code = vmap_window(GMEM_WINDOW_WALK, hpa);

	out[0] = code[0];
	out[1] = code[1];
}

enum err gmem_translate(const struct gmem *mem, gpa_t gpa, u64 size, hpa_t *out)
{
	if ((gpa.raw & (GMEM_CHUNK_SIZE - 1)) + size > GMEM_CHUNK_SIZE || size > GMEM_CHUNK_SIZE)
		return ERR_FAULT;
	return find(mem, gpa.raw, out) ? OK : ERR_FAULT;
}

bool gmem_is_ram(const struct gmem *mem, gpa_t gpa, u64 size)
{
	bool low = gpa.raw < GMEM_HOLE_END;
	u64 part_size = low ? mem->low_size : mem->size - mem->low_size;
	u64 offset = low ? gpa.raw : gpa.raw - GMEM_HOLE_END;

	return offset <= part_size && size <= part_size - offset;
}
