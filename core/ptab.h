/* SPDX-License-Identifier: Apache-2.0 */
/* One page-table walker for host, NPT, EPT, VT-d and AMD-Vi tables: map, unmap, split, look up. */
#ifndef CORE_PTAB_H
#define CORE_PTAB_H

#include "core/lib/error.h"
#include "core/lib/types.h"
#include "core/ptab_formats.h"

/*
 * The memory that tables live in.
 *
 * alloc_table: a zeroed 4 KiB frame, or HPA(0) where there is none.
 * free_table:  takes back what alloc_table gave.
 * window:      the 512 entries of a table; valid until the table is freed.
 * flush:       makes `size` bytes at `ptr` visible to a reader that does not
 *              snoop caches (VT-d with ECAP.C = 0), after each store; NULL where
 *              not needed.
 */
struct ptab_memory {
	hpa_t (*alloc_table)(void);
	void (*free_table)(hpa_t table);
	void *(*window)(hpa_t table);
	void (*flush)(void *ptr, size_t size);
};

/* What a page allows. */
struct ptab_attr {
	bool read;
	bool write;
	bool exec;
	enum ptab_memtype type;
};

/*
 * One tree of tables. Who uses it serialises the calls on it; hardware may walk
 * it at any time: tables are complete before they are hooked in, and an entry
 * changes by one 64-bit store.
 *
 * A table that has become empty may still be in a processor's or IOMMU's
 * paging-structure cache. It is kept aside, all entries not present, until
 * ptab_reap().
 */
struct ptab {
	const struct ptab_format *format;
	const struct ptab_memory *memory;
	hpa_t root;
	u8 max_leaf_level;
	/* The first table that waits for ptab_reap(), or 0; they are chained through entry 0. */
	hpa_t buried;
};

/*
 * Makes an empty tree. `max_leaf_level` (PTAB_4K to PTAB_1G) is the largest
 * page that the hardware has.
 * OK; ERR_NO_MEMORY.
 */
enum err ptab_init(struct ptab *pt, const struct ptab_format *format,
		   const struct ptab_memory *memory, u8 max_leaf_level) must_check;

/*
 * Gives every table back, buried ones too. Nothing may walk or cache the tree
 * any more. `pt` is then as before ptab_init(), zeroed; such a one may be given, too.
 */
void ptab_destroy(struct ptab *pt);

/*
 * Maps `size` bytes from `va` to the range at `pa`, with the largest pages that
 * alignment and hardware allow.
 *
 * OK             mapped. No flush is due, unless the hardware caches absent
 *                entries (VT-d with CAP.CM).
 * ERR_INVALID    `va`, `pa` or `size` is not a multiple of 4 KiB, or size is 0.
 * ERR_RANGE      a range leaves what the format can address.
 * ERR_UNSUPPORTED the format cannot express `attr`.
 * ERR_EXISTS     something in the range is mapped already; nothing changed.
 * ERR_NO_MEMORY  the range is unmapped, as before; flush, then ptab_reap().
 */
enum err ptab_map(struct ptab *pt, u64 va, hpa_t pa, u64 size, struct ptab_attr attr) must_check;

/*
 * Unmaps what is mapped in the range; holes are no error. Large pages that
 * reach over an edge are split first. The caller flushes TLBs (IOTLBs), then
 * calls ptab_reap(); until then memory that was mapped must not change hands.
 *
 * OK; ERR_INVALID and ERR_RANGE as above; ERR_NO_MEMORY: an edge could not be
 * split, every address still translates as before.
 */
enum err ptab_unmap(struct ptab *pt, u64 va, u64 size) must_check;

/* Frees the tables that unmapping has emptied. Call it once TLBs are known to be clean. */
void ptab_reap(struct ptab *pt);

#endif
