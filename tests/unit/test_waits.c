/* SPDX-License-Identifier: Apache-2.0 */
/* Percentiles of recent waits: never below the true one, at most an eighth above, and only recent.
 */
// SOURCES: gpu/waits.c core/lib/string.c
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/waits.h"

#define SECOND 1000000000ULL

static struct waits waits;

static int set_up(void **state)
{
	(void)state;
	memset(&waits, 0, sizeof(waits));
	return 0;
}

static void assert_near(u64 found, u64 wanted)
{
	assert_true(found >= wanted);
	assert_true(found <= wanted + wanted / WAITS_STEPS + BIT(WAITS_FIRST));
}

static void none_is_zero(void **state)
{
	(void)state;
	assert_int_equal(waits_percentile(&waits, 50, 0), 0);
	assert_int_equal(waits_percentile(&waits, 99, 100 * SECOND), 0);
}

static void one_value_is_every_percentile(void **state)
{
	(void)state;
	for (u64 ns = 1; ns < BIT(WAITS_FIRST + WAITS_POWERS); ns += ns / 3 + 1) {
		memset(&waits, 0, sizeof(waits));
		waits_add(&waits, ns, 0);
		assert_near(waits_percentile(&waits, 1, 0), ns);
		assert_near(waits_percentile(&waits, 50, 0), ns);
		assert_near(waits_percentile(&waits, 100, 0), ns);
	}
}

static void what_is_too_long_is_the_longest(void **state)
{
	(void)state;
	waits_add(&waits, UINT64_MAX, 0);
	assert_int_equal(waits_percentile(&waits, 50, 0), BIT(WAITS_FIRST + WAITS_POWERS) - 1);
}

static int by_value(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return (x > y) - (x < y);
}

static void percentiles_of_many_are_those_of_a_sorted_list(void **state)
{
	static u64 values[5000];

	(void)state;
	srand(5);
	for (u32 i = 0; i < ARRAY_SIZE(values); i++) {
		values[i] = 1000ULL << (rand() % 20);
		values[i] += (u64)rand() % values[i];
		waits_add(&waits, values[i], i * 1000000ULL);
	}
	qsort(values, ARRAY_SIZE(values), sizeof(values[0]), by_value);
	for (u32 percent = 1; percent <= 100; percent++) {
		u64 found = waits_percentile(&waits, percent, 5 * SECOND);

		assert_near(found, values[(ARRAY_SIZE(values) * percent + 99) / 100 - 1]);
	}
}

static void old_ones_go(void **state)
{
	(void)state;
	waits_add(&waits, 8 * SECOND, 100 * SECOND);
	for (u32 i = 0; i < 99; i++)
		waits_add(&waits, 5000, 109 * SECOND);
	assert_near(waits_percentile(&waits, 100, 109 * SECOND), 8 * SECOND);
	assert_near(waits_percentile(&waits, 100, 100 * SECOND + 10 * SECOND), 8 * SECOND);
	assert_near(waits_percentile(&waits, 100, 112 * SECOND), 5000);
	assert_int_equal(waits_percentile(&waits, 100, 300 * SECOND), 0);
	waits_add(&waits, 7000, 300 * SECOND);
	assert_near(waits_percentile(&waits, 50, 300 * SECOND), 7000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(none_is_zero, set_up),
		cmocka_unit_test_setup(one_value_is_every_percentile, set_up),
		cmocka_unit_test_setup(what_is_too_long_is_the_longest, set_up),
		cmocka_unit_test_setup(percentiles_of_many_are_those_of_a_sorted_list, set_up),
		cmocka_unit_test_setup(old_ones_go, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
