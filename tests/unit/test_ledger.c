/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger: records that leave no gap, add up, and hang on each other. */
// SOURCES: gpu/ledger.c gpu/sha256.c core/lib/fmt.c core/lib/string.c
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/ledger.h"

#define MINUTE LEDGER_MINUTE_NS

static struct ledger ledger;
static struct ledger_sums sums;

static int set_up(void **state)
{
	(void)state;
	ledger_init(&ledger, 2);
	memset(&sums, 0, sizeof(sums));
	sums.names[0] = "alpha";
	sums.names[3] = "beta";
	return 0;
}

static void work(u32 member, u64 ns)
{
	sums.engine_ns[member] += ns;
	sums.busy_ns += ns;
}

static void a_record_reads_as_documented(void **state)
{
	const struct ledger_record *record;
	char text[LEDGER_TEXT_MAX];
	size_t length;

	(void)state;
	work(0, 300);
	work(3, 40);
	record = ledger_close(&ledger, &sums, MINUTE + 7);
	assert_non_null(record);
	length = ledger_text(&ledger, record, text);
	assert_int_equal(length, strlen(text));
	assert_string_equal(text, "ledger gpu 2 minute 1 start 0 end 60000000007 busy 340 "
				  "alpha 300 beta 40 prev "
				  "00000000000000000000000000000000"
				  "00000000000000000000000000000000");
}

static void the_hash_is_that_of_the_text(void **state)
{
	const struct ledger_record *record;
	char text[LEDGER_TEXT_MAX];
	u8 hash[SHA256_BYTES];

	(void)state;
	work(3, 1);
	record = ledger_close(&ledger, &sums, MINUTE);
	sha256(text, ledger_text(&ledger, record, text), hash);
	assert_memory_equal(record->hash, hash, sizeof(hash));
}

static void each_has_the_hash_of_the_one_before(void **state)
{
	u8 last[SHA256_BYTES] = { 0 };
	u64 end = 0;

	(void)state;
	for (u32 i = 1; i < 3 * LEDGER_RECORDS; i++) {
		const struct ledger_record *record;

		work(i % 2 ? 0 : 3, i);
		record = ledger_close(&ledger, &sums, i * MINUTE + i);
		assert_non_null(record);
		assert_memory_equal(record->prev, last, sizeof(last));
		assert_int_equal(record->start_ns, end);
		assert_int_equal(record->busy_ns, i);
		assert_int_equal(record->engine_ns[0] + record->engine_ns[3], i);
		assert_int_equal(record->minute, i);
		memcpy(last, record->hash, sizeof(last));
		end = record->end_ns;
	}
}

/* Each bit of what is hashed matters. */
static void another_figure_is_another_hash(void **state)
{
	const struct ledger_record *record;
	char text[LEDGER_TEXT_MAX];
	u8 hash[SHA256_BYTES];
	struct ledger_record changed;

	(void)state;
	work(0, 1000);
	work(3, 1000);
	record = ledger_close(&ledger, &sums, MINUTE);
	changed = *record;
	changed.engine_ns[0]--;
	changed.engine_ns[3]++;
	sha256(text, ledger_text(&ledger, &changed, text), hash);
	assert_memory_not_equal(record->hash, hash, sizeof(hash));
	changed = *record;
	changed.prev[31] ^= 1;
	sha256(text, ledger_text(&ledger, &changed, text), hash);
	assert_memory_not_equal(record->hash, hash, sizeof(hash));
}

static void a_minute_without_work_is_covered_by_the_next_record(void **state)
{
	const struct ledger_record *record;

	(void)state;
	work(0, 5);
	assert_non_null(ledger_close(&ledger, &sums, MINUTE));
	assert_int_equal(ledger.due_ns, 2 * MINUTE);
	assert_null(ledger_close(&ledger, &sums, 2 * MINUTE + 3));
	assert_int_equal(ledger.due_ns, 3 * MINUTE);
	work(0, 6);
	record = ledger_close(&ledger, &sums, 3 * MINUTE);
	assert_int_equal(record->start_ns, MINUTE);
	assert_int_equal(record->busy_ns, 6);
	assert_int_equal(ledger.count, 2);
}

static void as_many_as_are_kept_oldest_first(void **state)
{
	(void)state;
	assert_null(ledger_kept(&ledger, 0));
	for (u32 i = 1; i <= LEDGER_RECORDS + 5; i++) {
		work(0, 1);
		assert_non_null(ledger_close(&ledger, &sums, i * MINUTE));
	}
	assert_int_equal(ledger_kept(&ledger, 0)->minute, 6);
	assert_int_equal(ledger_kept(&ledger, LEDGER_RECORDS - 1)->minute, LEDGER_RECORDS + 5);
	assert_null(ledger_kept(&ledger, LEDGER_RECORDS));
}

static void who_comes_in_place_of_another_begins_at_0(void **state)
{
	const struct ledger_record *record;

	(void)state;
	work(0, 100);
	assert_non_null(ledger_close(&ledger, &sums, 10));
	sums.names[0] = NULL;
	sums.engine_ns[0] = 0;
	ledger_forget(&ledger, 0);
	sums.names[0] = "gamma";
	work(0, 9);
	record = ledger_close(&ledger, &sums, 2 * MINUTE);
	assert_string_equal(record->names[0], "gamma");
	assert_int_equal(record->engine_ns[0], 9);
	assert_int_equal(record->busy_ns, 9);
}

static void the_longest_record_fits(void **state)
{
	char text[LEDGER_TEXT_MAX];
	struct ledger_record record = {
		.minute = UINT64_MAX,
		.start_ns = UINT64_MAX,
		.end_ns = UINT64_MAX,
		.busy_ns = UINT64_MAX,
	};
	size_t length;

	(void)state;
	ledger.gpu = UINT32_MAX;
	for (u32 i = 0; i < LEDGER_MEMBERS; i++) {
		record.names[i] = "a-name-of-16-cha";
		record.engine_ns[i] = UINT64_MAX;
	}
	length = ledger_text(&ledger, &record, text);
	assert_int_equal(length, strlen(text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_record_reads_as_documented, set_up),
		cmocka_unit_test_setup(the_hash_is_that_of_the_text, set_up),
		cmocka_unit_test_setup(each_has_the_hash_of_the_one_before, set_up),
		cmocka_unit_test_setup(another_figure_is_another_hash, set_up),
		cmocka_unit_test_setup(a_minute_without_work_is_covered_by_the_next_record, set_up),
		cmocka_unit_test_setup(as_many_as_are_kept_oldest_first, set_up),
		cmocka_unit_test_setup(who_comes_in_place_of_another_begins_at_0, set_up),
		cmocka_unit_test_setup(the_longest_record_fits, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
