/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of core/ptab.h one by one; random sequences are in tests/model/ptab_model.c. */
// SOURCES: core/ptab.c core/ptab_formats.c
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/ptab.h"
#include "tests/unit/ptab_lookup.h"

#define MAX_TABLES 64

/* Each table is a heap block of its own, so that the sanitiser sees a use after free. */
static u64 *tables[MAX_TABLES];
static int tables_in_use;
static int tables_left;

static hpa_t alloc_table(void)
{
	if (tables_left-- <= 0)
		return HPA(0);
	for (unsigned i = 1; i < MAX_TABLES; i++) {
		if (!tables[i]) {
			tables[i] = calloc(512, sizeof(u64));
			tables_in_use++;
			return HPA((u64)i << 12);
		}
	}
	return HPA(0);
}

static void free_table(hpa_t table)
{
	assert_non_null(tables[table.raw >> 12]);
	free(tables[table.raw >> 12]);
	tables[table.raw >> 12] = NULL;
	tables_in_use--;
}

static void *window(hpa_t table)
{
	assert_non_null(tables[table.raw >> 12]);
	return tables[table.raw >> 12];
}

static const struct ptab_memory memory = { alloc_table, free_table, window, NULL };
static const struct ptab_attr rw = { .read = true, .write = true };
static struct ptab pt;

static int start(const struct ptab_format *format)
{
	tables_left = MAX_TABLES;
	return ptab_init(&pt, format, &memory, PTAB_1G) == OK ? 0 : -1;
}

static int start_host(void **state)
{
	(void)state;
	return start(&ptab_format_host);
}

static int start_npt(void **state)
{
	(void)state;
	return start(&ptab_format_npt);
}

static int start_ept(void **state)
{
	(void)state;
	return start(&ptab_format_ept);
}

static int start_vtd(void **state)
{
	(void)state;
	return start(&ptab_format_vtd);
}

static int finish(void **state)
{
	(void)state;
	ptab_destroy(&pt);
	return tables_in_use == 0 ? 0 : -1;
}

static u64 page_size_at(u64 va)
{
	struct ptab_walk walk;

	return ptab_lookup(&pt, va, &walk) ? walk.page_size : 0;
}

static void maps_with_the_largest_pages_that_fit(void **state)
{
	(void)state;
	assert_int_equal(ptab_map(&pt, GIB(1) - MIB(2) - KIB(4), HPA(GIB(5) - MIB(2) - KIB(4)),
				  GIB(1) + MIB(2) + KIB(4), rw),
			 OK);
	assert_int_equal(page_size_at(GIB(1) - MIB(2) - 1), KIB(4));
	assert_int_equal(page_size_at(GIB(1) - MIB(2)), MIB(2));
	assert_int_equal(page_size_at(GIB(1)), GIB(1));
	assert_int_equal(page_size_at(GIB(2)), 0);
}

static void an_unaligned_target_gets_small_pages(void **state)
{
	(void)state;
	assert_int_equal(ptab_map(&pt, MIB(2), HPA(MIB(2) + KIB(4)), MIB(2), rw), OK);
	assert_int_equal(page_size_at(MIB(2)), KIB(4));
}

static void unmapping_inside_a_large_page_spares_the_rest(void **state)
{
	struct ptab_walk walk;

	(void)state;
	assert_int_equal(ptab_map(&pt, 0, HPA(GIB(4)), GIB(1), rw), OK);
	assert_int_equal(ptab_unmap(&pt, MIB(6) + KIB(8), KIB(4)), OK);
	assert_int_equal(page_size_at(MIB(6) + KIB(8)), 0);
	assert_true(ptab_lookup(&pt, MIB(6) + KIB(12) + 5, &walk));
	assert_int_equal(walk.hpa.raw, GIB(4) + MIB(6) + KIB(12) + 5);
	assert_int_equal(page_size_at(MIB(4)), MIB(2));
}

static void a_second_mapping_is_refused_and_changes_nothing(void **state)
{
	int before;

	(void)state;
	assert_int_equal(ptab_map(&pt, GIB(7), HPA(MIB(1)), KIB(4), rw), OK);
	before = tables_in_use;
	assert_int_equal(ptab_map(&pt, GIB(6), HPA(MIB(1)), GIB(2), rw), ERR_EXISTS);
	assert_int_equal(page_size_at(GIB(6)), 0);
	assert_int_equal(page_size_at(GIB(7) + KIB(4)), 0);
	assert_int_equal(tables_in_use, before);
}

static void an_emptied_table_waits_for_the_flush(void **state)
{
	(void)state;
	assert_int_equal(ptab_map(&pt, 0, HPA(MIB(1)), KIB(4), rw), OK);
	assert_int_equal(tables_in_use, 4);
	assert_int_equal(ptab_unmap(&pt, 0, KIB(4)), OK);
	assert_int_equal(pt.buried.raw, 2 << 12); /* the one below the root is the last */
	assert_int_equal(tables_in_use, 4);
	ptab_reap(&pt);
	assert_int_equal(tables_in_use, 1);
}

static void a_map_without_memory_is_rolled_back(void **state)
{
	(void)state;
	for (int allowed = 0; allowed < 5; allowed++) {
		tables_left = allowed;
		assert_int_equal(ptab_map(&pt, GIB(512) - KIB(4), HPA(MIB(1)), KIB(8), rw),
				 ERR_NO_MEMORY);
		assert_int_equal(page_size_at(GIB(512) - KIB(4)), 0);
		ptab_reap(&pt);
		assert_int_equal(tables_in_use, 1);
	}
}

static void malformed_ranges_are_refused(void **state)
{
	(void)state;
	assert_int_equal(ptab_map(&pt, 0, HPA(0), 0, rw), ERR_INVALID);
	assert_int_equal(ptab_map(&pt, 1, HPA(0), KIB(4), rw), ERR_INVALID);
	assert_int_equal(ptab_map(&pt, 0, HPA(1), KIB(4), rw), ERR_INVALID);
	assert_int_equal(ptab_map(&pt, 0, HPA(0), KIB(4) + 1, rw), ERR_INVALID);
	assert_int_equal(ptab_map(&pt, 0, HPA(BIT(52)), KIB(4), rw), ERR_RANGE);
	assert_int_equal(ptab_map(&pt, 0, HPA(~PAGE_MASK), KIB(8), rw), ERR_RANGE);
	assert_int_equal(ptab_unmap(&pt, 0, 0), ERR_INVALID);
	assert_int_equal(ptab_unmap(&pt, ~PAGE_MASK, KIB(8)), ERR_RANGE);
}

static void host_addresses_are_canonical(void **state)
{
	(void)state;
	assert_int_equal(ptab_map(&pt, 0xffffffff80000000ULL, HPA(MIB(2)), MIB(2), rw), OK);
	assert_int_equal(page_size_at(0xffffffff80000000ULL), MIB(2));
	assert_int_equal(page_size_at(0x0000ffff80000000ULL), 0);
	assert_int_equal(ptab_map(&pt, ~PAGE_MASK, HPA(0), KIB(4), rw), OK);
	assert_int_equal(ptab_map(&pt, BIT(47), HPA(0), KIB(4), rw), ERR_RANGE);
	assert_int_equal(ptab_map(&pt, BIT(47) - KIB(4), HPA(0), KIB(8), rw), ERR_RANGE);
}

static void guest_addresses_end_at_48_bits(void **state)
{
	(void)state;
	assert_int_equal(ptab_map(&pt, BIT(48) - KIB(4), HPA(0), KIB(4), rw), OK);
	assert_int_equal(ptab_map(&pt, BIT(48) - KIB(4), HPA(0), KIB(8), rw), ERR_RANGE);
	assert_int_equal(ptab_map(&pt, BIT(48), HPA(0), KIB(4), rw), ERR_RANGE);
}

static void nested_leaves_are_user_pages(void **state)
{
	(void)state;
	/* Tables are handed out in order: the fourth one is the level-1 table. */
	assert_int_equal(ptab_map(&pt, 0, HPA(MIB(1)), KIB(4), rw), OK);
	assert_int_equal(tables[4][0], MIB(1) | BIT(63) | 0x67);
}

static void the_format_must_be_able_to_say_it(void **state)
{
	static const struct ptab_attr uncached = { .read = true, .type = PTAB_UC };
	static const struct ptab_attr exec = { .read = true, .exec = true };
	static const struct ptab_attr nothing = { .read = false };
	static const struct ptab_attr write_only = { .write = true };

	(void)state;
	assert_int_equal(ptab_map(&pt, 0, HPA(0), KIB(4), uncached), ERR_UNSUPPORTED);
	assert_int_equal(ptab_map(&pt, 0, HPA(0), KIB(4), exec), ERR_UNSUPPORTED);
	assert_int_equal(ptab_map(&pt, 0, HPA(0), KIB(4), nothing), ERR_UNSUPPORTED);
	assert_int_equal(ptab_map(&pt, 0, HPA(0), KIB(4), write_only), OK);
}

/* What the processor does when it uses an entry (SDM vol. 3, 29.3.5 and 4.8). */
static void set_in_all(u64 present, u64 bits)
{
	for (unsigned t = 1; t < MAX_TABLES; t++)
		for (unsigned i = 0; tables[t] && i < 512; i++)
			if (tables[t][i] & present)
				tables[t][i] |= bits;
}

static void same_attr(struct ptab_attr a, struct ptab_attr b)
{
	assert_true(a.read == b.read && a.write == b.write && a.exec == b.exec);
	assert_int_equal(a.type, b.type);
}

/* Accessed and dirty bits belong to no right, no type and no address. */
static void accessed_and_dirty_bits_do_not_matter(void **state)
{
	const bool ept = pt.format == &ptab_format_ept;
	const u64 present = ept ? 7 : 1;
	const u64 bits = ept ? BIT(8) | BIT(9) : BIT(5) | BIT(6);
	const struct ptab_attr rwx = { .read = true, .write = true, .exec = true, .type = PTAB_WC };
	const struct ptab_attr wb = { .read = true };
	struct ptab_walk walk;

	(void)state;
	assert_int_equal(ptab_map(&pt, GIB(1) - MIB(2) - KIB(4), HPA(GIB(5) - MIB(2) - KIB(4)),
				  GIB(1) + MIB(2) + KIB(4), rwx),
			 OK);
	set_in_all(present, bits);
	assert_true(ptab_lookup(&pt, GIB(1) + 5, &walk));
	assert_int_equal(walk.hpa.raw, GIB(5) + 5);
	same_attr(walk.attr, rwx);
	assert_int_equal(ptab_map(&pt, GIB(1), HPA(0), GIB(1), rwx), ERR_EXISTS);
	assert_int_equal(ptab_unmap(&pt, GIB(1) + KIB(4), KIB(4)), OK); /* splits twice */
	assert_int_equal(ptab_map(&pt, GIB(1) + KIB(4), HPA(0), KIB(4), wb), OK);
	set_in_all(present, bits);
	assert_true(ptab_lookup(&pt, GIB(1) + KIB(4), &walk));
	same_attr(walk.attr, wb);
	assert_true(ptab_lookup(&pt, GIB(1) + KIB(8), &walk));
	assert_int_equal(walk.hpa.raw, GIB(5) + KIB(8));
	same_attr(walk.attr, rwx);
	for (unsigned t = 1; t < MAX_TABLES; t++) /* set from the start: nothing to write for it */
		for (unsigned i = 0; tables[t] && i < 512; i++)
			assert_true(!(tables[t][i] & present) || tables[t][i] & bits & -bits);
	assert_int_equal(ptab_unmap(&pt, GIB(1) - MIB(2) - KIB(4), GIB(1) + MIB(2) + KIB(4)), OK);
	ptab_reap(&pt);
	assert_int_equal(tables_in_use, 1);
}

int main(void)
{
#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, finish)
	const struct CMUnitTest tests[] = {
		TEST(maps_with_the_largest_pages_that_fit, start_npt),
		TEST(an_unaligned_target_gets_small_pages, start_npt),
		TEST(unmapping_inside_a_large_page_spares_the_rest, start_npt),
		TEST(a_second_mapping_is_refused_and_changes_nothing, start_npt),
		TEST(an_emptied_table_waits_for_the_flush, start_npt),
		TEST(a_map_without_memory_is_rolled_back, start_npt),
		TEST(malformed_ranges_are_refused, start_npt),
		TEST(host_addresses_are_canonical, start_host),
		TEST(guest_addresses_end_at_48_bits, start_npt),
		TEST(nested_leaves_are_user_pages, start_npt),
		TEST(the_format_must_be_able_to_say_it, start_vtd),
		TEST(accessed_and_dirty_bits_do_not_matter, start_npt),
		TEST(accessed_and_dirty_bits_do_not_matter, start_ept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
