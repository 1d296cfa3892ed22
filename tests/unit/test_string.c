// SPDX-License-Identifier: Apache-2.0
/* Rules of the hypervisor's own memory and string functions: the C library's results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/lib/types.h"

/* The hypervisor's definitions under other names, beside the library's. */
#undef FACET_HOST
#define memcpy	  own_memcpy
#define memmove	  own_memmove
#define memset	  own_memset
#define memcmp	  own_memcmp
#define strlen	  own_strlen
#define strnlen	  own_strnlen
#define strcmp	  own_strcmp
#define strncmp	  own_strncmp
#define str_copy  own_str_copy
#define str_equal own_str_equal
#include "core/lib/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef str_copy
#undef str_equal

#define SIZE 80 /* enough for several words, odd starts and odd rests */

static u8 ours[SIZE], theirs[SIZE];

static void fill(void)
{
	for (u32 i = 0; i < SIZE; i++)
		ours[i] = theirs[i] = (u8)(i * 7 + 1);
}

static void copying_touches_exactly_the_bytes_asked_for(void **state)
{
	u8 source[SIZE];

	(void)state;
	for (u32 i = 0; i < SIZE; i++)
		source[i] = (u8)~i;
	for (u32 to = 0; to < 9; to++)
		for (u32 from = 0; from < 9; from++)
			for (u32 size = 0; size <= SIZE - 9; size++) {
				fill();
				assert_ptr_equal(own_memcpy(ours + to, source + from, size),
						 ours + to);
				memcpy(theirs + to, source + from, size);
				assert_memory_equal(ours, theirs, SIZE);
			}
}

static void moving_works_at_every_overlap(void **state)
{
	(void)state;
	for (u32 to = 0; to < 40; to++)
		for (u32 from = 0; from < 40; from++)
			for (u32 size = 0; size <= SIZE - 40; size++) {
				fill();
				assert_ptr_equal(own_memmove(ours + to, ours + from, size),
						 ours + to);
				memmove(theirs + to, theirs + from, size);
				assert_memory_equal(ours, theirs, SIZE);
			}
}

static void filling_touches_exactly_the_bytes_asked_for(void **state)
{
	(void)state;
	for (u32 to = 0; to < 9; to++)
		for (u32 size = 0; size <= SIZE - 9; size++) {
			fill();
			assert_ptr_equal(own_memset(ours + to, 0x1a5, size), ours + to);
			memset(theirs + to, 0xa5, size);
			assert_memory_equal(ours, theirs, SIZE);
		}
}

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

static void comparing_orders_bytes_as_unsigned(void **state)
{
	(void)state;
	assert_int_equal(own_memcmp("abc", "abd", 2), 0);
	assert_true(own_memcmp("abc", "abd", 3) < 0);
	assert_true(own_memcmp("\xff", "\x01", 1) > 0);
	assert_int_equal(own_memcmp("a", "b", 0), 0);
	assert_true(own_strcmp("\xff", "\x01") > 0);
	assert_true(own_strncmp("a\xff", "a\x01", 2) > 0);
}

static void strings_compare_as_in_the_library(void **state)
{
	static const char *const texts[] = { "", "a", "b", "ab", "abc", "abd", "abcd", "\x80" };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(texts); i++)
		for (u32 j = 0; j < ARRAY_SIZE(texts); j++) {
			assert_int_equal(sign(own_strcmp(texts[i], texts[j])),
					 sign(strcmp(texts[i], texts[j])));
			assert_int_equal(own_str_equal(texts[i], texts[j]), i == j);
			for (u32 max = 0; max < 6; max++)
				assert_int_equal(sign(own_strncmp(texts[i], texts[j], max)),
						 sign(strncmp(texts[i], texts[j], max)));
		}
}

static void lengths_end_at_the_terminator_or_the_bound(void **state)
{
	/* Exactly as large as they may read: the sanitiser sees one byte more. */
	char *text = malloc(4);

	(void)state;
	memcpy(text, "abc", 4);
	assert_int_equal(own_strlen(text), 3);
	assert_int_equal(own_strnlen(text, 9), 3);
	assert_int_equal(own_strnlen(text, 2), 2);
	text[3] = 'd';
	assert_int_equal(own_strnlen(text, 4), 4);
	free(text);
}

static void a_copy_is_terminated_and_tells_when_it_was_cut(void **state)
{
	char buf[5] = "xxxx";

	(void)state;
	assert_true(own_str_copy(buf, 4, "abc"));
	assert_string_equal(buf, "abc");
	assert_false(own_str_copy(buf, 4, "efgh"));
	assert_string_equal(buf, "efg");
	assert_false(own_str_copy(buf, 1, "z"));
	assert_string_equal(buf, "");
	assert_true(own_str_copy(buf, 1, ""));
	assert_int_equal(buf[4], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copying_touches_exactly_the_bytes_asked_for),
		cmocka_unit_test(moving_works_at_every_overlap),
		cmocka_unit_test(filling_touches_exactly_the_bytes_asked_for),
		cmocka_unit_test(comparing_orders_bytes_as_unsigned),
		cmocka_unit_test(strings_compare_as_in_the_library),
		cmocka_unit_test(lengths_end_at_the_terminator_or_the_bound),
		cmocka_unit_test(a_copy_is_terminated_and_tells_when_it_was_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
