/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, sizes, times and shares: each form, and the last value that fits. */
// SOURCES: core/lib/parse.c core/lib/string.c core/lib/error.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/lib/parse.h"

#define UNTOUCHED 0x5a5a5a5a5a5a5a5aULL

typedef enum err parser(struct text text, u64 *value);

struct sample {
	const char *text;
	enum err e;
	u64 value;
};

/* From a block of exactly this size: the sanitiser sees a read behind the end. */
static void check(parser *parse, const struct sample *sample)
{
	size_t size = strlen(sample->text);
	char *copy = malloc(size + !size);
	u64 value = UNTOUCHED;
	enum err e;

	memcpy(copy, sample->text, size);
	e = parse((struct text){ copy, size }, &value);
	free(copy);
	if (e != sample->e || value != (e ? UNTOUCHED : sample->value))
		fail_msg("\"%s\": %s, %llu", sample->text, err_name(e), (unsigned long long)value);
}

static void check_all(parser *parse, const struct sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check(parse, &samples[i]);
}

static void test_numbers(void **state)
{
	static const struct sample samples[] = {
		{ "0", OK, 0 },
		{ "007", OK, 7 },
		{ "18446744073709551615", OK, UINT64_MAX },
		{ "18446744073709551616", ERR_RANGE, 0 },
		{ "99999999999999999999999", ERR_RANGE, 0 },
		{ "0x0", OK, 0 },
		{ "0xaBc9", OK, 0xabc9 },
		{ "0xffffffffffffffff", OK, UINT64_MAX },
		{ "0x10000000000000000", ERR_RANGE, 0 },
		{ "", ERR_INVALID, 0 },
		{ "0x", ERR_INVALID, 0 },
		{ "0xg", ERR_INVALID, 0 },
		{ "0X10", ERR_INVALID, 0 },
		{ "a", ERR_INVALID, 0 },
		{ "1a", ERR_INVALID, 0 },
		{ "-1", ERR_INVALID, 0 },
		{ "+1", ERR_INVALID, 0 },
		{ " 1", ERR_INVALID, 0 },
		{ "1 ", ERR_INVALID, 0 },
	};

	(void)state;
	check_all(parse_number, samples, ARRAY_SIZE(samples));
}

static void test_sizes(void **state)
{
	static const struct sample samples[] = {
		{ "4096", OK, 4096 },
		{ "1K", OK, KIB(1) },
		{ "3M", OK, MIB(3) },
		{ "64G", OK, GIB(64) },
		{ "17179869183G", OK, GIB(17179869183) },
		{ "17179869184G", ERR_RANGE, 0 },
		{ "18014398509481984K", ERR_RANGE, 0 },
		{ "K", ERR_INVALID, 0 },
		{ "1k", ERR_INVALID, 0 },
		{ "1KB", ERR_INVALID, 0 },
		{ "1T", ERR_INVALID, 0 },
		{ "1 M", ERR_INVALID, 0 },
		{ "1.5M", ERR_INVALID, 0 },
		{ "0x10M", ERR_INVALID, 0 },
		{ "", ERR_INVALID, 0 },
	};

	(void)state;
	check_all(parse_size, samples, ARRAY_SIZE(samples));
}

static void test_times(void **state)
{
	static const struct sample samples[] = {
		{ "7ns", OK, 7 },
		{ "7us", OK, 7000 },
		{ "7ms", OK, 7000000 },
		{ "7s", OK, 7000000000 },
		{ "0.5ms", OK, 500000 },
		{ "1.000000001s", OK, 1000000001 },
		{ "1.0000000019s", OK, 1000000001 },
		{ "1.9ns", OK, 1 },
		{ "0.999999999999999999999us", OK, 999 },
		{ "18446744073709551615ns", OK, UINT64_MAX },
		{ "18446744073.709551615s", OK, UINT64_MAX },
		{ "18446744073.709551616s", ERR_RANGE, 0 },
		{ "18446744074s", ERR_RANGE, 0 },
		{ "18446744073709551616ns", ERR_RANGE, 0 },
		{ "7", ERR_INVALID, 0 },
		{ "ms", ERR_INVALID, 0 },
		{ ".5ms", ERR_INVALID, 0 },
		{ "5.ms", ERR_INVALID, 0 },
		{ "5.", ERR_INVALID, 0 },
		{ "5.5", ERR_INVALID, 0 },
		{ "5.5.5ms", ERR_INVALID, 0 },
		{ "5m", ERR_INVALID, 0 },
		{ "5msx", ERR_INVALID, 0 },
		{ "", ERR_INVALID, 0 },
	};

	(void)state;
	check_all(parse_time, samples, ARRAY_SIZE(samples));
}

static void test_shares(void **state)
{
	static const struct sample samples[] = {
		{ "0%", OK, 0 },
		{ "50%", OK, 50 },
		{ "250%", OK, 250 },
		{ "18446744073709551616%", ERR_RANGE, 0 },
		{ "50", ERR_INVALID, 0 },
		{ "%", ERR_INVALID, 0 },
		{ "50%%", ERR_INVALID, 0 },
		{ "50 %", ERR_INVALID, 0 },
		{ "0.5%", ERR_INVALID, 0 },
		{ "", ERR_INVALID, 0 },
	};

	(void)state;
	check_all(parse_share, samples, ARRAY_SIZE(samples));
}

static void test_shares_with_a_decimal(void **state)
{
	static const struct sample samples[] = {
		{ "0%", OK, 0 },
		{ "12.5%", OK, 125 },
		{ "0.1%", OK, 1 },
		{ "100.0%", OK, 1000 },
		{ "1844674407370955161.5%", OK, UINT64_MAX },
		{ "1844674407370955161.6%", ERR_RANGE, 0 },
		{ "1844674407370955162%", ERR_RANGE, 0 },
		{ "12.%", ERR_INVALID, 0 },
		{ "12.55%", ERR_INVALID, 0 },
		{ ".5%", ERR_INVALID, 0 },
		{ "12.5", ERR_INVALID, 0 },
		{ "12.x%", ERR_INVALID, 0 },
		{ "12.5 %", ERR_INVALID, 0 },
	};

	(void)state;
	check_all(parse_share_tenths, samples, ARRAY_SIZE(samples));
}

static void test_trim_takes_blanks_and_tabs_of_both_ends_only(void **state)
{
	struct text text = { " \t a b\t ", 8 };

	(void)state;
	text = text_trim(text);
	assert_int_equal(text.size, 3);
	assert_memory_equal(text.at, "a b", 3);
	assert_int_equal(text_trim((struct text){ " \t ", 3 }).size, 0);
	assert_int_equal(text_trim((struct text){ "", 0 }).size, 0);
}

static void test_equal_looks_at_all_characters(void **state)
{
	(void)state;
	assert_true(text_equal((struct text){ "abc", 2 }, "ab"));
	assert_false(text_equal((struct text){ "abc", 3 }, "ab"));
	assert_false(text_equal((struct text){ "abc", 2 }, "abc"));
	assert_false(text_equal((struct text){ "ab\0c", 4 }, "ab"));
	assert_true(text_equal((struct text){ "abc", 0 }, ""));
}

static void test_copy_always_terminates_and_says_whether_it_cut(void **state)
{
	char dst[4] = "zzz";

	(void)state;
	assert_true(text_copy(dst, sizeof(dst), (struct text){ "abcd", 3 }));
	assert_string_equal(dst, "abc");
	assert_false(text_copy(dst, sizeof(dst), (struct text){ "wxyz", 4 }));
	assert_string_equal(dst, "wxy");
	assert_true(text_copy(dst, sizeof(dst), (struct text){ "", 0 }));
	assert_string_equal(dst, "");
}

static void test_every_error_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int e = OK; e <= ERR_DEVICE; e++) {
		assert_string_not_equal(err_name((enum err)e), err_name((enum err)1000));
		for (int other = OK; other < e; other++)
			assert_string_not_equal(err_name((enum err)e), err_name((enum err)other));
	}
	assert_string_equal(err_name((enum err)(ERR_DEVICE + 1)), err_name((enum err)1000));
	assert_string_equal(err_name((enum err) - 1), err_name((enum err)1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_shares_with_a_decimal),
		cmocka_unit_test(test_trim_takes_blanks_and_tabs_of_both_ends_only),
		cmocka_unit_test(test_equal_looks_at_all_characters),
		cmocka_unit_test(test_copy_always_terminates_and_says_whether_it_cut),
		cmocka_unit_test(test_every_error_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
