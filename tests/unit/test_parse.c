// SPDX-License-Identifier: Apache-2.0
// SOURCES: core/lib/parse.c core/lib/string.c core/lib/error.c
/* Rules of numbers with units: form, limits, and reading no byte beyond the text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/lib/parse.h"
#include "core/lib/string.h"

#define UNTOUCHED 0x5a5a5a5a5a5aULL

typedef enum err (*parser)(struct text text, u64 *value);

/* From a block of exactly the text's size: the sanitiser sees one byte more. */
static enum err run(parser parse, const char *string, u64 *value)
{
	size_t size = strlen(string);
	char *block = malloc(size);
	enum err e;

	memcpy(block, string, size);
	e = parse((struct text){ block, size }, value);
	free(block);
	return e;
}

static void assert_value(parser parse, const char *string, u64 want)
{
	u64 value = UNTOUCHED;

	if (run(parse, string, &value) != OK || value != want)
		fail_msg("\"%s\" gave %llu", string, (unsigned long long)value);
}

static void assert_error(parser parse, const char *string, enum err want)
{
	u64 value = UNTOUCHED;
	enum err e = run(parse, string, &value);

	if (e != want || value != UNTOUCHED)
		fail_msg("\"%s\" gave %s", string, err_name(e));
}

static void numbers_are_decimal_or_hexadecimal(void **state)
{
	(void)state;
	assert_value(parse_number, "0", 0);
	assert_value(parse_number, "42", 42);
	assert_value(parse_number, "007", 7);
	assert_value(parse_number, "0x3f8", 0x3f8);
	assert_value(parse_number, "0xFfFf", 0xffff);
	assert_value(parse_number, "18446744073709551615", UINT64_MAX);
	assert_value(parse_number, "0xffffffffffffffff", UINT64_MAX);
}

static void what_is_no_number_is_malformed(void **state)
{
	static const char *const bad[] = { "",	 "x",  "0x",  "0xg", "-1",  "+1",
					   " 1", "1 ", "1.5", "12a", "1 2", "0x1 " };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
		assert_error(parse_number, bad[i], ERR_INVALID);
}

static void what_does_not_fit_is_out_of_range(void **state)
{
	(void)state;
	assert_error(parse_number, "18446744073709551616", ERR_RANGE);
	assert_error(parse_number, "0x10000000000000000", ERR_RANGE);
	assert_error(parse_number, "99999999999999999999999999999999", ERR_RANGE);
	assert_error(parse_size, "17179869184G", ERR_RANGE);
	assert_error(parse_time, "18446744074s", ERR_RANGE);
	assert_error(parse_time, "18446744073.709551616s", ERR_RANGE);
}

static void sizes_are_powers_of_1024(void **state)
{
	(void)state;
	assert_value(parse_size, "512", 512);
	assert_value(parse_size, "4K", 4096);
	assert_value(parse_size, "256M", MIB(256));
	assert_value(parse_size, "64G", GIB(64));
	assert_value(parse_size, "17179869183G", 17179869183ULL << 30);
}

static void sizes_of_another_form_are_malformed(void **state)
{
	static const char *const bad[] = { "",	   "M",	  "12Q", "12MB", "12 M",
					   "1.5G", "-4K", "4KK", "G4" };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
		assert_error(parse_size, bad[i], ERR_INVALID);
}

static void times_are_in_nanoseconds(void **state)
{
	(void)state;
	assert_value(parse_time, "7ns", 7);
	assert_value(parse_time, "500us", 500000);
	assert_value(parse_time, "2ms", 2000000);
	assert_value(parse_time, "3s", 3000000000ULL);
	assert_value(parse_time, "0.5ms", 500000);
	assert_value(parse_time, "1.25s", 1250000000ULL);
	assert_value(parse_time, "0.000000001s", 1);
	assert_value(parse_time, "18446744073709551615ns", UINT64_MAX);
}

static void times_of_another_form_are_malformed(void **state)
{
	static const char *const bad[] = {
		"", "ms", "2", "2m", "2 ms", ".5ms", "1.ms", "1.5", "2MS"
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
		assert_error(parse_time, bad[i], ERR_INVALID);
}

static void shares_are_in_percent(void **state)
{
	(void)state;
	assert_value(parse_share, "50%", 50);
	assert_value(parse_share, "0%", 0);
	assert_value(parse_share, "250%", 250);
	assert_error(parse_share, "50", ERR_INVALID);
	assert_error(parse_share, "%", ERR_INVALID);
	assert_error(parse_share, "50%%", ERR_INVALID);
}

static void trimming_takes_blanks_and_tabs_from_both_ends(void **state)
{
	struct text text = text_trim((struct text){ " \t a b\t ", 8 });

	(void)state;
	assert_true(text_equal(text, "a b"));
	assert_int_equal(text_trim((struct text){ " \t ", 3 }).size, 0);
	assert_int_equal(text_trim((struct text){ "", 0 }).size, 0);
}

static void texts_are_equal_in_length_and_characters(void **state)
{
	const struct text text = { "guests", 5 };

	(void)state;
	assert_true(text_equal(text, "guest"));
	assert_false(text_equal(text, "guests"));
	assert_false(text_equal(text, "gues"));
	assert_false(text_equal(text, "Guest"));
}

static void a_copy_is_terminated_and_tells_when_it_was_cut(void **state)
{
	char buf[6] = "#####";

	(void)state;
	assert_true(text_copy(buf, 4, (struct text){ "abcd", 3 }));
	assert_string_equal(buf, "abc");
	assert_false(text_copy(buf, 4, (struct text){ "efgh", 4 }));
	assert_string_equal(buf, "efg");
	assert_int_equal(buf[4], '#');
}

static void every_error_has_a_text(void **state)
{
	(void)state;
	for (int e = OK; e <= ERR_DEVICE; e++) {
		assert_non_null(err_name((enum err)e));
		assert_string_not_equal(err_name((enum err)e), "unknown error");
	}
	assert_string_equal(err_name((enum err)1000), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_decimal_or_hexadecimal),
		cmocka_unit_test(what_is_no_number_is_malformed),
		cmocka_unit_test(what_does_not_fit_is_out_of_range),
		cmocka_unit_test(sizes_are_powers_of_1024),
		cmocka_unit_test(sizes_of_another_form_are_malformed),
		cmocka_unit_test(times_are_in_nanoseconds),
		cmocka_unit_test(times_of_another_form_are_malformed),
		cmocka_unit_test(shares_are_in_percent),
		cmocka_unit_test(trimming_takes_blanks_and_tabs_from_both_ends),
		cmocka_unit_test(texts_are_equal_in_length_and_characters),
		cmocka_unit_test(a_copy_is_terminated_and_tells_when_it_was_cut),
		cmocka_unit_test(every_error_has_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
