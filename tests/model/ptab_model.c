/* SPDX-License-Identifier: Apache-2.0 */
/* Random operations on every page-table format, compared with a flat array of pages. */
// SOURCES: core/ptab.c core/ptab_formats.c
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ptab.h"
#include "tests/unit/ptab_lookup.h"

/*
 * The model is an array with one element for each 4 KiB page of an area. The
 * tables are read by walkers that were written from the manuals and share
 * nothing with the code under test. They read what hardware would see: the
 * tables themselves, or (of a format that is flushed) a copy that only the
 * flush hook brings up to date.
 *
 * After every single store, which the flush hook is told of, addresses that the running
 * operation does not touch must translate as before, and those that it touches
 * as before or as after.
 */

#define FRAMES	   8192U
#define FRAME_BASE MIB(16)
#define AREA_PAGES ((u64)3 * 512 * 512)
#define WATCHED	   12U

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s (%s, step %u)\n", __FILE__, __LINE__, \
				#condition, format_case->name, step); \
			exit(1); \
		} \
	} while (0)

struct page {
	u64 pa;
	struct ptab_attr attr;
	bool mapped;
};

struct walk {
	u64 pa;
	u64 page_size;
	struct ptab_attr attr;
};

struct format_case {
	const struct ptab_format *format;
	const char *name;
	bool (*walk)(u64 root, u64 va, struct walk *out);
	u64 area;
	u8 max_leaf_level;
	bool flushed;
	bool any_type, exec, write_only;
};

static const struct format_case *format_case;
static unsigned step;
static u64 stores, checks, failures;
static u64 seed = 0x9e3779b97f4a7c15ULL;

static u64 frames[FRAMES][512] __attribute__((aligned(4096)));
static u64 seen_by_device[FRAMES][512];
static bool frame_used[FRAMES];
static unsigned used_frames, next_frame;
static int allocations_left = -1; /* negative: no limit */

static struct page *model;
static struct ptab pt;

/* What the running operation does: pages [first, end) go from the model to `after`. */
static struct {
	u64 first, end;
	struct page after;
	u64 watched[WATCHED];
	bool active;
} op;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static u64 below(u64 limit)
{
	return (rnd() >> 11) % limit;
}

static unsigned frame_index(u64 pa)
{
	CHECK(pa >= FRAME_BASE && pa % 4096 == 0 && pa < FRAME_BASE + FRAMES * 4096ULL);
	return (unsigned)((pa - FRAME_BASE) / 4096);
}

static u64 hardware_read(u64 table, unsigned slot)
{
	unsigned frame = frame_index(table);

	CHECK(frame_used[frame]);
	return format_case->flushed ? seen_by_device[frame][slot] : frames[frame][slot];
}

#define ADDRESS(entry) ((entry)&0x000ffffffffff000ULL)

/* SDM vol. 3, 4.5, with the types that PTAB_PAT_VALUE puts into IA32_PAT. */
static bool walk_x86(u64 root, u64 va, struct walk *out, bool nested)
{
	static const u8 pat[] = { 6, 4, 7, 0, 1, 5, 7, 0 };
	bool write = true, user = true, exec = true;
	u64 table = root;

	for (int shift = 39; shift >= 12; shift -= 9) {
		u64 e = hardware_read(table, (va >> shift) & 511);
		bool large = shift == 12 || ((e >> 7) & 1);
		unsigned index;

		if (!(e & 1))
			return false;
		CHECK(shift != 39 || !((e >> 7) & 1));
		write = write && (e & 2);
		user = user && (e & 4);
		exec = exec && !(e >> 63);
		if (!large) {
			table = ADDRESS(e);
			continue;
		}
		index = ((e >> 3) & 3) | (((e >> (shift == 12 ? 7 : 12)) & 1) << 2);
		if (shift > 12) {
			e &= ~(1ULL << 12);
			CHECK(!(ADDRESS(e) & ((1ULL << shift) - 1)));
		}
		CHECK(user == nested);
		out->pa = ADDRESS(e) + (va & ((1ULL << shift) - 1));
		out->page_size = 1ULL << shift;
		out->attr = (struct ptab_attr){ .read = true, .write = write, .exec = exec };
		switch (pat[index]) {
		case 6:
			out->attr.type = PTAB_WB;
			break;
		case 4:
			out->attr.type = PTAB_WT;
			break;
		case 0:
			out->attr.type = PTAB_UC;
			break;
		case 1:
			out->attr.type = PTAB_WC;
			break;
		case 5:
			out->attr.type = PTAB_WP;
			break;
		default:
			CHECK(!"UC- is never used");
		}
		return true;
	}
	return false;
}

static bool walk_host(u64 root, u64 va, struct walk *out)
{
	return walk_x86(root, va, out, false);
}

static bool walk_npt(u64 root, u64 va, struct walk *out)
{
	return walk_x86(root, va, out, true);
}

/* SDM vol. 3, 29.3.2, with the misconfigurations of 29.3.3.1. */
static bool walk_ept(u64 root, u64 va, struct walk *out)
{
	u64 table = root, rights = 7;

	for (int shift = 39; shift >= 12; shift -= 9) {
		u64 e = hardware_read(table, (va >> shift) & 511);
		unsigned type = (e >> 3) & 7;

		if (!(e & 7))
			return false;
		CHECK((e & 3) != 2 && (e & 7) != 4 && (e & 7) != 6);
		rights &= e;
		if (shift != 12 && !(e & 0x80)) {
			CHECK(!(e & 0x78));
			table = ADDRESS(e);
			continue;
		}
		CHECK(shift != 39 && !(ADDRESS(e) & ((1ULL << shift) - 1)) && !(e & 0x40));
		CHECK(type != 2 && type != 3 && type != 7);
		out->pa = ADDRESS(e) + (va & ((1ULL << shift) - 1));
		out->page_size = 1ULL << shift;
		out->attr = (struct ptab_attr){ .read = rights & 1,
						.write = (rights >> 1) & 1,
						.exec = (rights >> 2) & 1 };
		out->attr.type = type == 6   ? PTAB_WB
				 : type == 5 ? PTAB_WP
				 : type == 4 ? PTAB_WT
				 : type == 1 ? PTAB_WC
					     : PTAB_UC;
		return true;
	}
	return false;
}

/* VT-d 9.8; bits that are reserved without SC, MTS and device TLBs must be 0. */
static bool walk_vtd(u64 root, u64 va, struct walk *out)
{
	int top = format_case->format->levels == 3 ? 30 : 39;
	u64 table = root, rights = 3;
	bool snoop = format_case->format == &ptab_format_vtd_snoop;

	for (int shift = top; shift >= 12; shift -= 9) {
		u64 e = hardware_read(table, (va >> shift) & 511);
		bool leaf = shift == 12 || (e & 0x80);

		if (!(e & 3))
			return false;
		CHECK(!(e >> 52) && !(e & 0x778));
		CHECK(leaf && snoop ? (e & 0x800) : !(e & 0x800));
		rights &= e;
		if (!leaf) {
			table = ADDRESS(e);
			continue;
		}
		CHECK(shift <= 30 && !(ADDRESS(e) & ((1ULL << shift) - 1)));
		CHECK(shift != 12 || !(e & 0x80));
		out->pa = ADDRESS(e) + (va & ((1ULL << shift) - 1));
		out->page_size = 1ULL << shift;
		out->attr = (struct ptab_attr){ .read = rights & 1, .write = (rights >> 1) & 1 };
		return true;
	}
	return false;
}

/* AMD-Vi 2.2.3: the level of what comes next stands in bits 11:9, in the device entry too. */
static bool walk_amdvi(u64 root, u64 va, struct walk *out)
{
	u64 table = root, rights = 3;
	unsigned level = format_case->format->levels;

	while (true) {
		unsigned shift = 3 + 9 * level;
		u64 e = hardware_read(table, (va >> shift) & 511);
		unsigned next = e >> 9 & 7;

		if (!(e & 1))
			return false;
		/* Ignored or reserved bits; U and FC are of leaves only. */
		CHECK(!(e & 0x1fe) && !(e >> 52 & 0xff) && !(e >> 63));
		rights &= e >> 61;
		if (next) {
			/* No level is left out: this walker's format does not. */
			CHECK(next == level - 1 && !(e >> 60 & 1));
			table = ADDRESS(e);
			level = next;
			continue;
		}
		CHECK(level <= 3 && (e >> 60 & 1) && !(ADDRESS(e) & ((1ULL << shift) - 1)));
		out->pa = ADDRESS(e) + (va & ((1ULL << shift) - 1));
		out->page_size = 1ULL << shift;
		out->attr = (struct ptab_attr){ .read = rights & 1, .write = (rights >> 1) & 1 };
		return true;
	}
}

static u64 va_of(u64 page)
{
	return format_case->area + page * 4096;
}

static bool same_attr(struct ptab_attr a, struct ptab_attr b)
{
	return a.read == b.read && a.write == b.write && a.exec == b.exec && a.type == b.type;
}

static bool is_as(const struct page *page, bool found, const struct walk *walk, u64 pa)
{
	if (!page->mapped || !found)
		return page->mapped == found;
	return walk->pa == pa && same_attr(walk->attr, page->attr);
}

static void check_page(u64 page)
{
	struct page after = op.after;
	struct walk walk;
	bool found = format_case->walk(pt.root.raw, va_of(page), &walk);

	checks++;
	if (is_as(&model[page], found, &walk, model[page].pa))
		return;
	CHECK(op.active && page >= op.first && page < op.end);
	after.pa += (page - op.first) * 4096;
	CHECK(is_as(&after, found, &walk, after.pa));
}

static void check_watched(void)
{
	if (!op.active)
		return;
	for (unsigned i = 0; i < WATCHED; i++)
		check_page(op.watched[i]);
}

static hpa_t alloc_table(void)
{
	if (allocations_left == 0 || used_frames == FRAMES) {
		failures++;
		return HPA(0);
	}
	if (allocations_left > 0)
		allocations_left--;
	while (frame_used[next_frame])
		next_frame = (next_frame + 1) % FRAMES;
	frame_used[next_frame] = true;
	used_frames++;
	memset(frames[next_frame], 0, 4096);
	/* What a device sees of a fresh frame is old: only a flush shows it the zeroes. */
	memset(seen_by_device[next_frame], 0xff, 4096);
	return HPA(FRAME_BASE + next_frame * 4096ULL);
}

static void free_table(hpa_t table)
{
	unsigned frame = frame_index(table.raw);

	CHECK(frame_used[frame]);
	frame_used[frame] = false;
	used_frames--;
	memset(frames[frame], 0xff, 4096);
}

static void *window(hpa_t table)
{
	CHECK(frame_used[frame_index(table.raw)]);
	return frames[frame_index(table.raw)];
}

/* After each store: also where the device sees it by itself. */
static void flush(void *ptr, size_t size)
{
	size_t offset = (size_t)((char *)ptr - (char *)frames);

	stores += size == sizeof(u64);
	CHECK(offset + size <= sizeof(frames));
	memcpy((char *)seen_by_device + offset, ptr, size);
	check_watched();
}

static struct ptab_attr random_attr(void)
{
	struct ptab_attr attr = { .read = true, .write = rnd() & 1 };

	if (format_case->any_type)
		attr.type = (enum ptab_memtype)below(PTAB_MEMTYPES);
	attr.exec = format_case->exec && (rnd() & 1);
	if (format_case->write_only && below(4) == 0)
		attr = (struct ptab_attr){ .write = true };
	return attr;
}

/* A range of pages that likes to begin and end at, or next to, borders of tables. */
static void random_range(u64 *first, u64 *end)
{
	static const u64 grain[] = { 1, 1, 512, 512, 512 * 512 };
	u64 unit = grain[below(ARRAY_SIZE(grain))];
	u64 count = unit == 1 ? 1 + below(1100) : unit * (1 + below(unit == 512 ? 40 : 2));

	*first = below(AREA_PAGES / unit) * unit;
	if (below(3) == 0)
		*first += below(3);
	if (below(4) == 0)
		count += below(5);
	*first = MIN(*first, AREA_PAGES - 1);
	*end = MIN(*first + count, AREA_PAGES);
}

static void begin(u64 first, u64 end, struct page after)
{
	op.first = first;
	op.end = end;
	op.after = after;
	op.watched[0] = first;
	op.watched[1] = end - 1;
	op.watched[2] = first ? first - 1 : 0;
	op.watched[3] = end < AREA_PAGES ? end : 0;
	/* The neighbours in the same 2 MiB and 1 GiB, which splitting must spare. */
	op.watched[4] = first & ~511ULL;
	op.watched[5] = (end - 1) | 511;
	op.watched[6] = first & ~0x3ffffULL;
	op.watched[7] = MIN((end - 1) | 0x3ffff, AREA_PAGES - 1);
	op.watched[8] = first + below(end - first);
	for (unsigned i = 9; i < WATCHED; i++)
		op.watched[i] = below(AREA_PAGES);
	op.active = true;
	allocations_left = below(4) == 0 ? (int)below(6) : -1;
}

static void finish(enum err err)
{
	op.active = false;
	allocations_left = -1;
	for (u64 i = op.first; !err && i < op.end; i++) {
		u64 pa = op.after.pa + (i - op.first) * 4096;

		model[i] = op.after;
		model[i].pa = pa;
	}
	for (unsigned i = 0; i < WATCHED; i++)
		check_page(op.watched[i]);
}

static bool any(u64 first, u64 end, bool mapped)
{
	for (u64 i = first; i < end; i++) {
		if (model[i].mapped == mapped)
			return true;
	}
	return false;
}

static u64 best_page_size(u64 page)
{
	for (unsigned level = format_case->max_leaf_level; level > 1; level--) {
		u64 pages = 1ULL << (9 * (level - 1));
		u64 start = (va_of(page) / 4096 & ~(pages - 1)) - format_case->area / 4096;
		u64 pa = op.after.pa + (start - op.first) * 4096;

		if (start >= op.first && start + pages <= op.end && pa % (pages * 4096) == 0)
			return pages * 4096;
	}
	return 4096;
}

static void try_map(u64 first, u64 end)
{
	static const u64 align[] = { 4096, 4096, MIB(2), GIB(1), GIB(1) };
	u64 unit = align[below(ARRAY_SIZE(align))];
	struct page after = { .attr = random_attr(), .mapped = true };
	bool occupied = any(first, end, true);
	u64 failures_before = failures;
	enum err err;

	/* Congruent to the virtual address, so that large pages come about. */
	after.pa = (below(1 << 8) << 32) + below(4) * unit + va_of(first) % unit;
	begin(first, end, after);
	err = ptab_map(&pt, va_of(first), HPA(after.pa), (end - first) * 4096, after.attr);
	if (occupied)
		CHECK(err == ERR_EXISTS);
	else if (failures != failures_before)
		CHECK(err == ERR_NO_MEMORY);
	else
		CHECK(err == OK);
	finish(err);
	for (unsigned i = 0; !err && i < 4; i++) {
		u64 page = first + below(end - first);
		struct ptab_walk walk;

		CHECK(ptab_lookup(&pt, va_of(page) + 123, &walk));
		CHECK(walk.hpa.raw == model[page].pa + 123);
		CHECK(same_attr(walk.attr, model[page].attr));
		CHECK(walk.page_size == best_page_size(page));
	}
}

static void try_unmap(u64 first, u64 end)
{
	u64 failures_before = failures;
	enum err err;

	begin(first, end, (struct page){ 0 });
	err = ptab_unmap(&pt, va_of(first), (end - first) * 4096);
	CHECK(err == (failures != failures_before ? ERR_NO_MEMORY : OK));
	finish(err);
}

/* Moves a range to another place, as a BAR does: unmap, flush, map. */
static void try_remap(u64 first, u64 end)
{
	try_unmap(first, end);
	if (!any(first, end, true)) {
		ptab_reap(&pt);
		try_map(first, end);
	}
}

/* The largest mapped run around a random mapped page, at most 600,000 pages. */
static void mapped_range(u64 *first, u64 *end)
{
	u64 page = *first;

	while (page < AREA_PAGES && !model[page].mapped)
		page++;
	if (page == AREA_PAGES)
		return;
	*first = page;
	while (page < *first + (*end - *first) && page < AREA_PAGES && model[page].mapped)
		page++;
	*end = page;
	if (*end - *first > 3 && below(2)) {
		*first += below(2);
		*end -= below(2);
	}
}

static void check_everything(void)
{
	struct ptab_walk found;

	for (u64 page = 0; page < AREA_PAGES; page++) {
		check_page(page);
		CHECK(ptab_lookup(&pt, va_of(page), &found) == model[page].mapped);
		if (model[page].mapped)
			CHECK(found.hpa.raw == model[page].pa &&
			      same_attr(found.attr, model[page].attr));
	}
}

static void run_case(const struct format_case *c, unsigned steps)
{
	static const struct ptab_memory memory = { alloc_table, free_table, window, flush };

	format_case = c;
	step = 0;
	memset(model, 0, AREA_PAGES * sizeof(*model));
	CHECK(ptab_init(&pt, c->format, &memory, c->max_leaf_level) == OK);
	for (step = 1; step <= steps; step++) {
		u64 first, end;

		random_range(&first, &end);
		switch (below(10)) {
		case 0 ... 4:
			try_map(first, end);
			break;
		case 5 ... 6:
			try_unmap(first, end);
			break;
		case 7:
			try_remap(first, end);
			break;
		default:
			mapped_range(&first, &end);
			if (end > first)
				try_unmap(first, end);
		}
		if (below(3) == 0)
			ptab_reap(&pt);
		if (step % 500 == 0)
			check_everything();
	}
	step = 0;
	begin(0, AREA_PAGES, (struct page){ 0 });
	allocations_left = -1;
	CHECK(ptab_unmap(&pt, va_of(0), AREA_PAGES * 4096) == OK);
	finish(OK);
	ptab_reap(&pt);
	CHECK(used_frames == 1);
	ptab_destroy(&pt);
	CHECK(used_frames == 0);
}

int main(void)
{
#define FORMAT(name) &ptab_format_##name, #name
	static const struct format_case cases[] = {
		/* Across the border of two level-4 slots; at the very end of the address space. */
		{ FORMAT(host), walk_host, GIB(512) * 3 - GIB(1), PTAB_1G, false, true, true,
		  false },
		{ FORMAT(host), walk_host, 0ULL - GIB(3), PTAB_2M, false, true, true, false },
		{ FORMAT(npt), walk_npt, 0, PTAB_1G, false, true, true, false },
		{ FORMAT(npt), walk_npt, BIT(48) - GIB(3), PTAB_4K, false, true, true, false },
		{ FORMAT(ept), walk_ept, GIB(512) - GIB(2), PTAB_1G, false, true, true, false },
		{ FORMAT(vtd), walk_vtd, GIB(512) - GIB(1), PTAB_1G, true, false, false, true },
		{ FORMAT(vtd_snoop), walk_vtd, BIT(48) - GIB(3), PTAB_2M, true, false, false,
		  true },
		{ FORMAT(amdvi), walk_amdvi, GIB(512) - GIB(1), PTAB_1G, false, false, false,
		  true },
		{ FORMAT(amdvi), walk_amdvi, BIT(48) - GIB(3), PTAB_2M, false, false, false, true },
		{ FORMAT(vtd39), walk_vtd, GIB(512) - GIB(3), PTAB_1G, false, false, false, true },
	};
	const char *steps = getenv("PTAB_MODEL_STEPS");
	unsigned count = steps ? (unsigned)strtoul(steps, NULL, 0) : 800;

	model = calloc(AREA_PAGES, sizeof(*model));
	if (!model)
		return 1;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		run_case(&cases[i], count);
	printf("ptab_model: %zu formats and limits, %u steps each, %llu stores, %llu walks, "
	       "%llu allocations refused: all as the model says\n",
	       ARRAY_SIZE(cases), count, (unsigned long long)stores, (unsigned long long)checks,
	       (unsigned long long)failures);
	free(model);
	return 0;
}
