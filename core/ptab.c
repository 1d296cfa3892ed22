/* SPDX-License-Identifier: Apache-2.0 */
/* The page-table walker: one algorithm over the descriptions in ptab_formats.c. */
#include "core/ptab.h"

/*
 * Ranges go down the tree as offsets into what one table covers, both ends
 * inclusive. Slot i of a table at level L covers
 *
 *   [i << (12 + 9 * (L - 1)), (i + 1) << (12 + 9 * (L - 1)))
 *
 * and its part of the range, again as offsets, goes to the table below. So
 * nothing overflows at the top of the address space. The functions that work
 * on ranges recurse once for each level, at most four deep.
 */
struct range {
	u64 first;
	u64 last;
};

static u64 slot_span(unsigned level)
{
	return PAGE_SIZE << (9 * (level - 1));
}

static unsigned slot_of(u64 offset, unsigned level)
{
	return (unsigned)(offset / slot_span(level));
}

static struct range slot_part(struct range range, unsigned slot, unsigned level)
{
	u64 span = slot_span(level);
	struct range part = { 0, span - 1 };

	if (slot == slot_of(range.first, level))
		part.first = range.first & (span - 1);
	if (slot == slot_of(range.last, level))
		part.last = range.last & (span - 1);
	return part;
}

static bool is_whole(struct range part, unsigned level)
{
	return part.first == 0 && part.last == slot_span(level) - 1;
}

static bool is_present(const struct ptab *pt, u64 entry)
{
	return (entry & pt->format->present) != 0;
}

static bool is_leaf(const struct ptab *pt, u64 entry, unsigned level)
{
	if (pt->format->next_level)
		return !(entry & pt->format->next_level);
	return level == PTAB_4K || (entry & pt->format->large) != 0;
}

static u64 *entries_of(const struct ptab *pt, hpa_t table)
{
	return pt->memory->window(table);
}

static u64 *child_entries(const struct ptab *pt, u64 entry)
{
	return entries_of(pt, HPA(entry & pt->format->address));
}

static void flush(const struct ptab *pt, void *ptr, size_t size)
{
	if (pt->memory->flush)
		pt->memory->flush(ptr, size);
}

/* Every store to a table is made here: one store, after all that it depends on can be seen. */
static void write_entry(const struct ptab *pt, u64 *slot, u64 entry)
{
	__atomic_store_n(slot, entry, __ATOMIC_RELEASE);
	flush(pt, slot, sizeof(*slot));
}

static enum err check_attr(const struct ptab_format *format, struct ptab_attr attr)
{
	if ((unsigned)attr.type >= PTAB_MEMTYPES)
		return ERR_INVALID;
	if (attr.type != PTAB_WB && format->memtype[attr.type] == format->memtype[PTAB_WB])
		return ERR_UNSUPPORTED;
	if (format->read_always && !attr.read)
		return ERR_UNSUPPORTED;
	/* No right at all would make the entry an empty one. */
	if (!attr.read && !attr.write)
		return ERR_UNSUPPORTED;
	if (attr.exec && !format->exec && !format->no_exec)
		return ERR_UNSUPPORTED;
	return OK;
}

/* The bits of a 4 KiB leaf, as a large one says the same; without the address. */
static u64 large_bits(const struct ptab_format *format, u64 bits)
{
	if (bits & format->pat)
		bits ^= format->pat | format->large_pat;
	return bits | format->large;
}

/* And back. */
static u64 small_bits(const struct ptab_format *format, u64 bits)
{
	bits &= ~format->large;
	return bits & format->large_pat ? bits ^ (format->pat | format->large_pat) : bits;
}

/* `attr` has passed check_attr(). */
static u64 encode_leaf(const struct ptab_format *format, u64 pa, unsigned level,
		       struct ptab_attr attr)
{
	u64 entry = format->leaf_bits | format->memtype[attr.type];

	if (attr.read)
		entry |= format->read;
	if (attr.write)
		entry |= format->write;
	entry |= attr.exec ? format->exec : format->no_exec;
	return pa | (level > PTAB_4K ? large_bits(format, entry) : entry);
}

/* A zeroed and visible table; HPA(0) where there is no memory. */
static hpa_t new_table(struct ptab *pt)
{
	hpa_t table = pt->memory->alloc_table();

	if (table.raw)
		flush(pt, entries_of(pt, table), PAGE_SIZE);
	return table;
}

/* `level` is the table's own. */
static void hook_table(struct ptab *pt, u64 *slot, hpa_t table, unsigned level)
{
	u64 lowest_bit = pt->format->next_level & -pt->format->next_level;

	write_entry(pt, slot, table.raw | pt->format->table_bits | level * lowest_bit);
}

/*
 * Takes an empty table out of the tree. A walk that still has the old upper
 * entry may read this table: the link to the next one has no present bit, as
 * an address of a frame has none of the low twelve.
 */
static void bury_table(struct ptab *pt, u64 *slot)
{
	hpa_t table = HPA(*slot & pt->format->address);
	u64 *link = entries_of(pt, table);

	write_entry(pt, slot, 0);
	write_entry(pt, link, pt->buried.raw);
	pt->buried = table;
}

static bool is_empty_table(const u64 *entries)
{
	for (unsigned i = 0; i < PTAB_ENTRIES; i++) {
		if (entries[i])
			return false;
	}
	return true;
}

static u64 coverage(const struct ptab *pt)
{
	return slot_span(pt->format->levels + 1U);
}

/* The part of `va` that the tables translate. */
static u64 offset_of(const struct ptab *pt, u64 va)
{
	return va & (coverage(pt) - 1);
}

static bool is_addressable(const struct ptab *pt, u64 va)
{
	unsigned unused = 64 - PAGE_SHIFT - 9 * pt->format->levels;

	if (pt->format->sign_extended)
		return (u64)((s64)(va << unused) >> unused) == va;
	return va < coverage(pt);
}

static enum err make_range(const struct ptab *pt, u64 va, u64 size, struct range *range)
{
	u64 last = va + (size - 1);

	if (!size || !IS_ALIGNED(va | size, PAGE_SIZE))
		return ERR_INVALID;
	if (last < va || !is_addressable(pt, va) || !is_addressable(pt, last))
		return ERR_RANGE;
	*range = (struct range){ offset_of(pt, va), offset_of(pt, last) };
	/* From the lower half into the upper one: the hole between is not addressable. */
	if (last - va != range->last - range->first)
		return ERR_RANGE;
	return OK;
}

/* Whether anything in the range is mapped. */
static bool is_any_mapped(const struct ptab *pt, const u64 *entries, unsigned level,
			  struct range range)
{
	for (unsigned i = slot_of(range.first, level); i <= slot_of(range.last, level); i++) {
		u64 entry = entries[i];

		if (!is_present(pt, entry))
			continue;
		if (is_leaf(pt, entry, level) ||
		    is_any_mapped(pt, child_entries(pt, entry), level - 1,
				  slot_part(range, i, level)))
			return true;
	}
	return false;
}

/* `pa` is where the range's first byte goes. On ERR_NO_MEMORY a part is mapped. */
static enum err map_range(struct ptab *pt, u64 *entries, unsigned level, struct range range, u64 pa,
			  struct ptab_attr attr)
{
	u64 span = slot_span(level);

	for (unsigned i = slot_of(range.first, level); i <= slot_of(range.last, level); i++) {
		struct range part = slot_part(range, i, level);
		u64 target = pa + (i * span + part.first - range.first);
		hpa_t fresh = HPA(0);
		enum err err;
		u64 *below;

		if (!is_present(pt, entries[i]) && is_whole(part, level) &&
		    level <= pt->max_leaf_level && IS_ALIGNED(target, span)) {
			write_entry(pt, &entries[i], encode_leaf(pt->format, target, level, attr));
			continue;
		}
		if (is_present(pt, entries[i])) {
			below = child_entries(pt, entries[i]);
		} else {
			fresh = new_table(pt);
			if (!fresh.raw)
				return ERR_NO_MEMORY;
			below = entries_of(pt, fresh);
		}
		err = map_range(pt, below, level - 1, part, target, attr);
		/* Hooked in when it is complete, or else for the roll-back to find it. */
		if (fresh.raw)
			hook_table(pt, &entries[i], fresh, level - 1);
		if (err)
			return err;
	}
	return OK;
}

/* No leaf reaches over an edge of the range: ptab_unmap() has seen to that. */
static void unmap_range(struct ptab *pt, u64 *entries, unsigned level, struct range range)
{
	for (unsigned i = slot_of(range.first, level); i <= slot_of(range.last, level); i++) {
		u64 *below;

		if (!is_present(pt, entries[i]))
			continue;
		if (level <= 1 || is_leaf(pt, entries[i], level)) {
			write_entry(pt, &entries[i], 0);
			continue;
		}
		below = child_entries(pt, entries[i]);
		unmap_range(pt, below, level - 1, slot_part(range, i, level));
		if (is_empty_table(below))
			bury_table(pt, &entries[i]);
	}
}

/*
 * Replaces a large page by a table of pages of the next size. The table
 * translates exactly as the page did before the one store that puts it in.
 */
static enum err split_leaf(struct ptab *pt, u64 *slot, unsigned level)
{
	const struct ptab_format *format = pt->format;
	u64 pa = *slot & format->address & ~(slot_span(level) - 1);
	u64 bits = *slot & ~pa;
	hpa_t table = new_table(pt);
	u64 *entries;

	if (!table.raw)
		return ERR_NO_MEMORY;
	if (level - 1 == PTAB_4K)
		bits = small_bits(format, bits);
	entries = entries_of(pt, table);
	for (unsigned i = 0; i < PTAB_ENTRIES; i++)
		write_entry(pt, &entries[i], bits | (pa + i * slot_span(level - 1)));
	hook_table(pt, slot, table, level - 1);
	return OK;
}

/* Splits until a page begins at `offset`, where anything is mapped there. */
static enum err split_at(struct ptab *pt, u64 offset)
{
	u64 *entries = entries_of(pt, pt->root);
	enum err err;

	if (offset == coverage(pt))
		return OK;
	for (unsigned level = pt->format->levels; level > PTAB_4K; level--) {
		u64 *slot = &entries[slot_of(offset, level)];

		offset &= slot_span(level) - 1;
		if (offset == 0 || !is_present(pt, *slot))
			return OK;
		if (is_leaf(pt, *slot, level)) {
			err = split_leaf(pt, slot, level);
			if (err)
				return err;
		}
		entries = child_entries(pt, *slot);
	}
	return OK;
}

static void free_tree(struct ptab *pt, hpa_t table, unsigned level)
{
	u64 *entries = entries_of(pt, table);

	for (unsigned i = 0; i < PTAB_ENTRIES && level > PTAB_4K; i++) {
		if (is_present(pt, entries[i]) && !is_leaf(pt, entries[i], level))
			free_tree(pt, HPA(entries[i] & pt->format->address), level - 1);
	}
	pt->memory->free_table(table);
}

enum err ptab_init(struct ptab *pt, const struct ptab_format *format,
		   const struct ptab_memory *memory, u8 max_leaf_level)
{
	*pt = (struct ptab){ .format = format, .memory = memory, .max_leaf_level = max_leaf_level };
	pt->root = new_table(pt);
	return pt->root.raw ? OK : ERR_NO_MEMORY;
}

void ptab_destroy(struct ptab *pt)
{
	ptab_reap(pt);
	if (pt->root.raw)
		free_tree(pt, pt->root, pt->format->levels);
	pt->root = HPA(0);
}

enum err ptab_map(struct ptab *pt, u64 va, hpa_t pa, u64 size, struct ptab_attr attr)
{
	u64 *root = entries_of(pt, pt->root);
	u64 pa_last = pa.raw + (size - 1);
	struct range range;
	enum err err = make_range(pt, va, size, &range);

	if (err)
		return err;
	if (!IS_ALIGNED(pa.raw, PAGE_SIZE))
		return ERR_INVALID;
	if (pa_last < pa.raw || ((pa_last & ~PAGE_MASK) & ~pt->format->address))
		return ERR_RANGE;
	err = check_attr(pt->format, attr);
	if (err)
		return err;
	if (is_any_mapped(pt, root, pt->format->levels, range))
		return ERR_EXISTS;
	err = map_range(pt, root, pt->format->levels, range, pa.raw, attr);
	if (err)
		unmap_range(pt, root, pt->format->levels, range);
	return err;
}

enum err ptab_unmap(struct ptab *pt, u64 va, u64 size)
{
	struct range range;
	enum err err = make_range(pt, va, size, &range);

	if (err)
		return err;
	err = split_at(pt, range.first);
	if (!err)
		err = split_at(pt, range.last + 1);
	if (err)
		return err;
	unmap_range(pt, entries_of(pt, pt->root), pt->format->levels, range);
	return OK;
}

void ptab_reap(struct ptab *pt)
{
	while (pt->buried.raw) {
		hpa_t table = pt->buried;

		pt->buried = HPA(*entries_of(pt, table));
		pt->memory->free_table(table);
	}
}
