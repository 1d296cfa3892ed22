/* SPDX-License-Identifier: Apache-2.0 */
/* Where an address leads to by page tables: a walk by the format's description. */
#ifndef TESTS_PTAB_LOOKUP_H
#define TESTS_PTAB_LOOKUP_H

#include "core/ptab.h"

struct ptab_walk {
	hpa_t hpa; /* of the address itself, offset included */
	u64 page_size;
	struct ptab_attr attr;
};

static inline struct ptab_attr ptab_lookup_attr(const struct ptab_format *f, u64 entry, bool large)
{
	u64 mask = 0, bits = large ? entry & ~(f->large | f->pat) : entry;
	struct ptab_attr attr = {
		.read = !f->read || (entry & f->read),
		.write = (entry & f->write) != 0,
		.exec = (entry & f->exec) || (f->no_exec && !(entry & f->no_exec)),
		.type = PTAB_UC,
	};

	if (large && entry & f->large_pat)
		bits |= f->pat;
	for (unsigned type = 0; type < PTAB_MEMTYPES; type++)
		mask |= f->memtype[type];
	for (unsigned type = PTAB_MEMTYPES; type--;)
		if (f->memtype[type] == (bits & mask))
			attr.type = (enum ptab_memtype)type;
	return attr;
}

/* False, `out` untouched: nothing is mapped there. */
static inline bool ptab_lookup(const struct ptab *pt, u64 va, struct ptab_walk *out)
{
	const struct ptab_format *f = pt->format;
	unsigned shift = PAGE_SHIFT + 9 * f->levels;
	u64 upper = va >> (f->sign_extended ? shift - 1 : shift);
	hpa_t table = pt->root;

	if (upper && !(f->sign_extended && upper == ~0ULL >> (shift - 1)))
		return false;
	do {
		u64 entry, offset;

		shift -= 9;
		entry = ((const u64 *)pt->memory->window(table))[va >> shift & 511];
		offset = va & (BIT(shift) - 1);
		table = HPA(entry & f->address & ~(u64)PAGE_MASK);
		if (!(entry & f->present))
			return false;
		if (shift == PAGE_SHIFT || entry & f->large ||
		    (f->next_level && !(entry & f->next_level))) {
			out->hpa = HPA((table.raw & ~(BIT(shift) - 1)) + offset);
			out->page_size = BIT(shift);
			out->attr = ptab_lookup_attr(f, entry, shift > PAGE_SHIFT);
			return true;
		}
	} while (shift > PAGE_SHIFT);
	return false;
}

#endif
