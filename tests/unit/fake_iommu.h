/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is around the model of an IOMMU, whatever its kind: memory, what a unit remembers of
 * page tables, and a machine of one or two units with two domains.
 */
#ifndef TESTS_UNIT_FAKE_IOMMU_H
#define TESTS_UNIT_FAKE_IOMMU_H

#include "core/frame.h"
#include "drivers/iommu.h"
#include "tests/unit/fake_faults.h"

#define UNITS	2
#define BLOCKED (~0ULL) /* what an access or an interrupt ends in that does not get through */

#define GPU PCI_BDF(0, 2, 0)
#define NIC PCI_BDF(0, 3, 0)

/* ---- memory ------------------------------------------------------------------------ */

#define FRAMES	    64U
#define FRAME_BASE  MIB(32)
#define TABLE_BASE  MIB(64)
#define TABLE_BYTES MIB(2)

/* Processors see `memory`; a unit that does not snoop sees what was there at the last flush. */
static u8 memory[FRAMES][4096] __attribute__((aligned(4096)));
static u8 device_view[FRAMES][4096];
static bool frame_used[FRAMES];
static int frames_left, frames_in_use;
/* The only contiguous memory: AMD's device table. */
static u8 device_table[TABLE_BYTES] __attribute__((aligned(4096)));
static int tables_in_use;
static bool no_table;

static inline void reset_memory(void)
{
	memset(frame_used, 0, sizeof(frame_used));
	frames_in_use = tables_in_use = 0;
	frames_left = FRAMES;
	no_table = false;
}

static inline hpa_t alloc_frame(void)
{
	if (frames_left-- <= 0)
		return HPA(0);
	for (unsigned i = 0; i < FRAMES; i++) {
		if (frame_used[i])
			continue;
		frame_used[i] = true;
		frames_in_use++;
		memset(memory[i], 0, 4096);
		memset(device_view[i], 0xff, 4096);
		return HPA(FRAME_BASE + i * 4096ULL);
	}
	return HPA(0);
}

/* Which byte of `memory` this is; the frame must be in use. */
static inline size_t memory_offset(u64 pa)
{
	assert_in_range(pa, FRAME_BASE, FRAME_BASE + sizeof(memory) - 1);
	assert_true(frame_used[(pa - FRAME_BASE) / 4096]);
	return pa - FRAME_BASE;
}

static inline void free_frame(hpa_t frame)
{
	frame_used[memory_offset(frame.raw) / 4096] = false;
	frames_in_use--;
}

hpa_t frame_alloc_contiguous(u32 pages)
{
	assert_int_equal(pages, TABLE_BYTES / 4096);
	if (no_table)
		return HPA(0);
	tables_in_use++;
	memset(device_table, 0, sizeof(device_table));
	return HPA(TABLE_BASE);
}

void frame_free_contiguous(hpa_t frame, u32 pages)
{
	assert_int_equal(frame.raw, TABLE_BASE);
	assert_int_equal(pages, TABLE_BYTES / 4096);
	tables_in_use--;
}

static inline void *cpu_view(u64 pa)
{
	if (pa - TABLE_BASE < TABLE_BYTES)
		return &device_table[pa - TABLE_BASE];
	return &memory[0][0] + memory_offset(pa);
}

static inline void *map_frame(hpa_t frame)
{
	assert_int_equal(frame.raw & PAGE_MASK, 0);
	return cpu_view(frame.raw);
}

static const struct ptab_memory frames = {
	.alloc_table = alloc_frame,
	.free_table = free_frame,
	.window = map_frame,
};

void host_cache_flushed(void *ptr, size_t size)
{
	size_t first = (size_t)((u8 *)ptr - &memory[0][0]) & ~63UL;
	size_t end = ((size_t)((u8 *)ptr - &memory[0][0]) + size + 63) & ~63UL;

	assert_true(end <= sizeof(memory));
	memcpy(&device_view[0][0] + first, &memory[0][0] + first, end - first);
}

/* ---- registers --------------------------------------------------------------------- */

/* Whose register this is: the UNITS units stand in a row, each beginning with its registers. */
static inline size_t unit_index(const volatile void *reg, const void *units, size_t unit_size,
				size_t reg_bytes, u32 *offset)
{
	size_t from_first = (size_t)((const volatile u8 *)reg - (const u8 *)units);

	assert_in_range(from_first, 0, UNITS * unit_size - 1);
	*offset = (u32)(from_first % unit_size);
	assert_in_range(*offset, 0, reg_bytes - 1);
	return from_first / unit_size;
}

/* ---- what a unit remembers of page tables ------------------------------------------ */

#define CACHED	     64
#define EVERY_DOMAIN (-1)

struct cached_page {
	bool valid;
	u16 domain;
	u64 iova, pa, entry;
};

/* Pages, and pointers to level-1 tables. */
struct page_cache {
	struct cached_page pages[CACHED], tables[CACHED];
};

/* The one that stands there, or room for it. */
static inline struct cached_page *cached(struct cached_page *cache, u16 domain_id, u64 iova)
{
	struct cached_page *unused = NULL;

	for (unsigned i = 0; i < CACHED; i++) {
		if (!cache[i].valid)
			unused = &cache[i];
		else if (cache[i].domain == domain_id && cache[i].iova == iova)
			return &cache[i];
	}
	assert_non_null(unused);
	return unused;
}

static inline void forget_pages(struct page_cache *cache, int domain_id, u64 iova, u64 size,
				bool tables_too)
{
	for (unsigned i = 0; i < CACHED; i++) {
		struct cached_page *page = &cache->pages[i], *table = &cache->tables[i];

		if ((domain_id == EVERY_DOMAIN || page->domain == domain_id) &&
		    page->iova - iova < size)
			page->valid = false;
		if (tables_too && (domain_id == EVERY_DOMAIN || table->domain == domain_id) &&
		    (table->iova - iova < size || iova - table->iova < MIB(2)))
			table->valid = false;
	}
}

/* ---- the machine ------------------------------------------------------------------- */

static struct iommu iommu;
static struct iommu_domain domain, other;
static struct acpi_iommus acpi;
static struct pci pci;
static bool x2apic;

/* The model has these: where a unit's registers are, and a machine before its start. */
static void *map_regs(hpa_t base, u64 size);
static int prepare(void **state);

static inline enum err start_iommu(void)
{
	return iommu_start(&iommu, &acpi, &pci, &frames, map_regs, x2apic);
}

static inline int start(void **state)
{
	prepare(state);
	if (start_iommu() || iommu_domain_init(&iommu, &domain) ||
	    iommu_domain_init(&iommu, &other))
		return -1;
	return 0;
}

static inline struct iommu_fault taken_fault(void)
{
	struct iommu_fault fault;

	assert_true(iommu_poll_fault(&iommu, &fault));
	return fault;
}

/* What the driver says of an access that was blocked. */
struct why {
	u8 code;
	const char *reason;
};

static inline void assert_fault(struct why why)
{
	struct iommu_fault fault = taken_fault();

	assert_int_equal(fault.code, why.code);
	assert_string_equal(fault.reason, why.reason);
}

#define TEST(name)	    cmocka_unit_test_setup(name, start)
#define TEST_PREPARED(name) cmocka_unit_test_setup(name, prepare)

#endif
