/* SPDX-License-Identifier: Apache-2.0 */
/* The bare guest's page tables: four levels of 4 KiB pages, so that each walk is a long one. */
#include "tests/guest/bare/bare.h"

#define PRESENT	 (1ull << 0)
#define WRITABLE (1ull << 1)
#define UNCACHED (3ull << 3) /* PWT and PCD: PAT entry 3, strong UC whatever the host says */
#define ADDRESS	 0x000ffffffffff000ull

extern u8 bare_heap[];
static u8 *heap = bare_heap;
static u64 *root;

void *pages(size_t count)
{
	void *taken = heap;

	heap += count * 4096;
	if ((u64)heap > BARE_MAPPED) {
		say("out of memory");
		halt();
	}
	memset(taken, 0, count * 4096);
	return taken;
}

static void map(u64 address, u64 flags)
{
	u64 *table = root;

	for (u32 shift = 39; shift > 12; shift -= 9) {
		u64 *entry = &table[(address >> shift) & 511];

		if (!(*entry & PRESENT))
			*entry = (u64)pages(1) | PRESENT | WRITABLE;
		table = (u64 *)(*entry & ADDRESS);
	}
	table[(address >> 12) & 511] = (address & ADDRESS) | flags | PRESENT | WRITABLE;
}

void map_device(u64 address, u64 size)
{
	u64 end = (address + size + 4095) & ~4095ull;

	for (u64 at = address & ~4095ull; at < end; at += 4096) {
		map(at, UNCACHED);
		__asm__ volatile("invlpg (%0)" : : "r"(at) : "memory");
	}
}

u32 paging_root(void)
{
	return (u32)(u64)root;
}

void paging_init(void)
{
	root = pages(1);
	for (u64 at = 0; at < BARE_MAPPED; at += 4096)
		map(at, 0);
	__asm__ volatile("mov %0, %%cr3" : : "r"(root) : "memory");
}
