// SPDX-License-Identifier: Apache-2.0
// SOURCES: core/region.c core/lib/string.c
/* Rules of the region table: sorted, disjoint, found only as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/region.h"

static struct region_table table;

static enum access_result handler(struct vcpu *vcpu, void *ctx, struct access *access)
{
	(void)vcpu;
	(void)ctx;
	(void)access;
	return ACCESS_HANDLED;
}

static enum err add(u64 base, u64 size)
{
	const struct region region = { .base = base, .size = size, .handler = handler };

	return region_add(&table, &region);
}

static int empty(void **state)
{
	(void)state;
	table = (struct region_table){ 0 };
	return 0;
}

/* The base of the region that holds an access; ~0: none does. */
static u64 found(u64 addr, u8 size)
{
	const struct region *region = region_find(&table, addr, size);

	return region ? region->base : ~0ULL;
}

static void an_empty_table_finds_nothing(void **state)
{
	(void)state;
	assert_null(region_find(&table, 0, 1));
	assert_null(region_find(&table, ~0ULL, 8));
}

static void regions_stay_sorted(void **state)
{
	static const u64 bases[] = { 0x5000, 0x1000, 0x9000, 0x3000, 0x7000 };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(bases); i++)
		assert_int_equal(add(bases[i], 0x1000), OK);
	assert_int_equal(table.count, ARRAY_SIZE(bases));
	for (u32 i = 1; i < table.count; i++)
		assert_true(table.entries[i - 1].base < table.entries[i].base);
	for (u32 i = 0; i < ARRAY_SIZE(bases); i++)
		assert_int_equal(found(bases[i] + 0x800, 4), bases[i]);
}

static void an_access_is_found_only_as_a_whole(void **state)
{
	(void)state;
	assert_int_equal(add(0x1000, 0x10), OK);
	assert_int_equal(add(0x1010, 0x10), OK);
	assert_int_equal(found(0xfff, 1), ~0ULL);
	assert_int_equal(found(0xfff, 2), ~0ULL);
	assert_int_equal(found(0x1000, 8), 0x1000);
	assert_int_equal(found(0x100f, 1), 0x1000);
	assert_int_equal(found(0x100f, 2), ~0ULL);
	assert_int_equal(found(0x1010, 1), 0x1010);
	assert_int_equal(found(0x101f, 1), 0x1010);
	assert_int_equal(found(0x1020, 1), ~0ULL);
}

static void an_access_wider_than_a_region_is_not_its(void **state)
{
	(void)state;
	assert_int_equal(add(0x70, 2), OK);
	assert_int_equal(found(0x70, 2), 0x70);
	assert_int_equal(found(0x70, 4), ~0ULL);
}

static void an_overlap_is_refused(void **state)
{
	static const struct {
		u64 base, size;
	} bad[] = {
		{ 0x2000, 0x1000 }, /* the same */
		{ 0x2400, 0x100 },  /* inside */
		{ 0x1000, 0x4000 }, /* around */
		{ 0x1000, 0x1001 }, /* one byte from below */
		{ 0x2fff, 0x1000 }, /* one byte from above */
	};

	(void)state;
	assert_int_equal(add(0x2000, 0x1000), OK);
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(add(bad[i].base, bad[i].size), ERR_EXISTS);
	assert_int_equal(table.count, 1);
	assert_int_equal(add(0x1000, 0x1000), OK);
	assert_int_equal(add(0x3000, 0x1000), OK);
}

static void a_malformed_region_is_refused(void **state)
{
	const struct region no_handler = { .base = 0, .size = 1 };

	(void)state;
	assert_int_equal(add(0x1000, 0), ERR_INVALID);
	assert_int_equal(add(~0ULL - 0xff, 0x1000), ERR_INVALID);
	assert_int_equal(region_add(&table, &no_handler), ERR_INVALID);
	assert_int_equal(table.count, 0);
}

static void a_full_table_says_so(void **state)
{
	(void)state;
	for (u64 i = 0; i < REGION_TABLE_MAX; i++)
		assert_int_equal(add(i * 0x10, 0x10), OK);
	assert_int_equal(add(REGION_TABLE_MAX * 0x10, 0x10), ERR_FULL);
	assert_int_equal(table.count, REGION_TABLE_MAX);
	for (u64 i = 0; i < REGION_TABLE_MAX; i++)
		assert_int_equal(found(i * 0x10 + 0xf, 1), i * 0x10);
	assert_int_equal(region_remove(&table, 0), OK);
	assert_int_equal(add(REGION_TABLE_MAX * 0x10, 0x10), OK);
}

static void a_region_is_removed_by_its_base(void **state)
{
	(void)state;
	assert_int_equal(add(0x1000, 0x1000), OK);
	assert_int_equal(add(0x2000, 0x1000), OK);
	assert_int_equal(add(0x3000, 0x1000), OK);
	assert_int_equal(region_remove(&table, 0x2800), ERR_NOT_FOUND);
	assert_int_equal(region_remove(&table, 0x800), ERR_NOT_FOUND);
	assert_int_equal(found(0x2000, 4), 0x2000); /* it may be remembered, but not for long */
	assert_int_equal(region_remove(&table, 0x2000), OK);
	assert_int_equal(region_remove(&table, 0x2000), ERR_NOT_FOUND);
	assert_int_equal(found(0x2000, 4), ~0ULL);
	assert_int_equal(found(0x1ffc, 4), 0x1000);
	assert_int_equal(found(0x3000, 4), 0x3000);
	assert_int_equal(table.count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_empty_table_finds_nothing, empty),
		cmocka_unit_test_setup(regions_stay_sorted, empty),
		cmocka_unit_test_setup(an_access_is_found_only_as_a_whole, empty),
		cmocka_unit_test_setup(an_access_wider_than_a_region_is_not_its, empty),
		cmocka_unit_test_setup(an_overlap_is_refused, empty),
		cmocka_unit_test_setup(a_malformed_region_is_refused, empty),
		cmocka_unit_test_setup(a_full_table_says_so, empty),
		cmocka_unit_test_setup(a_region_is_removed_by_its_base, empty),
	};

	return cmocka_run_group_tests_name("region", tests, NULL, NULL);
}
