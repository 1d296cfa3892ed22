// SPDX-License-Identifier: Apache-2.0
// SOURCES: core/lib/bucket.c
/* Rules of the token bucket: its burst, its rate, and that rest earns no more than a burst. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/lib/bucket.h"

#define MS 1000000ULL
#define S  1000000000ULL

static struct token_bucket bucket;

static int start(void **state)
{
	(void)state;
	bucket_init(&bucket, 1000, 10); /* one token a millisecond */
	return 0;
}

static void a_full_bucket_gives_its_burst_and_no_more(void **state)
{
	(void)state;
	assert_int_equal(bucket_left(&bucket, 5 * S), 10);
	assert_int_equal(bucket_take(&bucket, 5 * S, 4), 4);
	assert_int_equal(bucket_left(&bucket, 5 * S), 6);
	assert_int_equal(bucket_take(&bucket, 5 * S, 100), 6);
	assert_int_equal(bucket_take(&bucket, 5 * S, 1), 0);
}

static void tokens_come_back_at_the_rate(void **state)
{
	(void)state;
	bucket_take(&bucket, 5 * S, 10);
	assert_int_equal(bucket_take(&bucket, 5 * S + MS - 1, 1), 0);
	assert_int_equal(bucket_take(&bucket, 5 * S + MS, 5), 1);
	assert_int_equal(bucket_take(&bucket, 5 * S + 4 * MS, 5), 3);
}

static void rest_earns_one_burst_at_most(void **state)
{
	(void)state;
	bucket_take(&bucket, 5 * S, 10);
	assert_int_equal(bucket_take(&bucket, 500 * S, 100), 10);
	assert_int_equal(bucket_take(&bucket, 500 * S, 1), 0);
}

static void the_wait_ends_when_there_is_a_token(void **state)
{
	(void)state;
	assert_int_equal(bucket_wait_ns(&bucket, 5 * S), 0);
	bucket_take(&bucket, 5 * S, 10);
	assert_int_equal(bucket_wait_ns(&bucket, 5 * S), MS);
	assert_int_equal(bucket_wait_ns(&bucket, 5 * S + MS / 4), MS * 3 / 4);
	assert_int_equal(bucket_wait_ns(&bucket, 5 * S + MS), 0);
	assert_int_equal(bucket_take(&bucket, 5 * S + MS, 1), 1);
}

static void limits_of_its_numbers_are_safe(void **state)
{
	(void)state;
	bucket_init(&bucket, 1, UINT32_MAX);
	assert_int_equal(bucket_take(&bucket, INT64_MAX, UINT32_MAX), UINT32_MAX);
	assert_int_equal(bucket_take(&bucket, INT64_MAX, 1), 0);
	bucket_init(&bucket, UINT32_MAX, 1);
	assert_int_equal(bucket_take(&bucket, 1, 5), 1);
	assert_int_equal(bucket_take(&bucket, 2, 5), 1);
	bucket_init(&bucket, 0, 0);
	assert_int_equal(bucket_take(&bucket, S, 5), 1);
	assert_int_equal(bucket_wait_ns(&bucket, S), S);
}

/* Over any time: never more than the burst and the rate allow; a taker that waits gets all of it.
 */
static void any_pattern_keeps_to_the_rate(void **state)
{
	u64 now = S, first = now, taken = 0;

	(void)state;
	srand(3);
	for (u32 i = 0; i < 100000; i++) {
		taken += bucket_take(&bucket, now, (u32)rand() % 4);
		assert_true(taken <= 10 + (now - first) / MS);
		now += (u64)rand() % (2 * MS);
	}
	start(NULL);
	for (first = now, taken = 0; now < first + 10 * S; now += bucket_wait_ns(&bucket, now))
		taken += bucket_take(&bucket, now, 3);
	assert_in_range(taken, 10000, 10010);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_full_bucket_gives_its_burst_and_no_more, start),
		cmocka_unit_test_setup(tokens_come_back_at_the_rate, start),
		cmocka_unit_test_setup(rest_earns_one_burst_at_most, start),
		cmocka_unit_test_setup(the_wait_ends_when_there_is_a_token, start),
		cmocka_unit_test_setup(limits_of_its_numbers_are_safe, start),
		cmocka_unit_test_setup(any_pattern_keeps_to_the_rate, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
