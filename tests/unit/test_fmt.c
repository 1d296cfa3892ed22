// SPDX-License-Identifier: Apache-2.0
// SOURCES: core/lib/fmt.c core/lib/string.c
/* Rules of text formatting: what the C library prints, whatever the buffer's size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/lib/fmt.h"
#include "core/lib/string.h"

static void format(char *own, int *own_length, char *library, int *library_length, size_t size,
		   const char *fmt, ...) printf_like(6, 7);
static void format(char *own, int *own_length, char *library, int *library_length, size_t size,
		   const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	*own_length = fmt_vsnprintf(own, size, fmt, args);
	va_end(args);
	va_start(args, fmt);
	*library_length = vsnprintf(library, size, fmt, args);
	va_end(args);
}

/* In every size of buffer: same text, same length, nothing behind the end. */
#define ASSERT_AS_LIBRARY(...) \
	do { \
		for (size_t size_ = 0; size_ < 80; size_++) { \
			char *own_ = malloc(size_ + 1), library_[80] = ""; \
			int own_length_, library_length_; \
			memset(own_, '#', size_ + 1); \
			format(own_, &own_length_, library_, &library_length_, size_, \
			       __VA_ARGS__); \
			assert_int_equal(own_length_, library_length_); \
			if (size_) \
				assert_string_equal(own_, library_); \
			assert_int_equal(own_[size_], '#'); \
			free(own_); \
		} \
	} while (0)

static void plain_text_and_percent_signs(void **state)
{
	(void)state;
	ASSERT_AS_LIBRARY("nothing to replace");
	ASSERT_AS_LIBRARY("100%% of it%c", '!');
}

static void strings_are_padded_and_cut(void **state)
{
	(void)state;
	ASSERT_AS_LIBRARY("[%s]", "text");
	ASSERT_AS_LIBRARY("[%8s|%-8s]", "text", "text");
	ASSERT_AS_LIBRARY("[%2s|%-2s]", "text", "text");
	ASSERT_AS_LIBRARY("[%.2s|%.9s|%.*s]", "text", "text", 3, "text");
	ASSERT_AS_LIBRARY("[%8.2s|%-*.1s]", "text", 6, "text");
	ASSERT_AS_LIBRARY("[%.*s]", -1, "text");
}

static void a_bounded_string_need_not_be_terminated(void **state)
{
	char *text = malloc(3);
	char buf[8];

	(void)state;
	memcpy(text, "abc", 3);
	assert_int_equal(fmt_snprintf(buf, sizeof(buf), "%.3s", text), 3);
	assert_string_equal(buf, "abc");
	free(text);
}

static void a_missing_string_is_named(void **state)
{
	char buf[16];
	const char *volatile none = NULL; /* or the compiler foresees it */

	(void)state;
	fmt_snprintf(buf, sizeof(buf), "%s", none);
	assert_string_equal(buf, "(null)");
}

static void numbers_of_every_width_and_sign(void **state)
{
	static const s64 values[] = { 0, 1, -1, 9, 10, -10, 255, 65536, INT32_MAX, INT32_MIN };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(values); i++) {
		ASSERT_AS_LIBRARY("%d", (int)values[i]);
		ASSERT_AS_LIBRARY("%u %x", (u32)values[i], (u32)values[i]);
		ASSERT_AS_LIBRARY("%ld", (long)values[i]);
		ASSERT_AS_LIBRARY("%lu %llu", (u64)values[i], (unsigned long long)values[i]);
		ASSERT_AS_LIBRARY("%zu %lx %llx", (size_t)values[i], (u64)values[i],
				  (unsigned long long)values[i]);
	}
	ASSERT_AS_LIBRARY("%ld", INT64_MIN);
	ASSERT_AS_LIBRARY("%lld %zd", (long long)INT64_MAX, (ssize_t)-5);
	ASSERT_AS_LIBRARY("%lu", UINT64_MAX);
	ASSERT_AS_LIBRARY("%lx", UINT64_MAX);
}

static void numbers_are_padded(void **state)
{
	(void)state;
	ASSERT_AS_LIBRARY("[%5d|%-5d|%05d]", 42, 42, 42);
	ASSERT_AS_LIBRARY("[%5d|%-5d|%05d]", -42, -42, -42);
	ASSERT_AS_LIBRARY("[%1d|%-1d|%01d]", -42, -42, -42);
	ASSERT_AS_LIBRARY("[%016lx|%02x:%02x.%x]", 0x1234UL, 0, 31, 7);
	ASSERT_AS_LIBRARY("[%*u|%-*u]", 6, 42U, 6, 42U);
}

static void the_length_is_that_of_the_whole_text(void **state)
{
	char buf[4];

	(void)state;
	assert_int_equal(fmt_snprintf(buf, sizeof(buf), "%s", "abcdef"), 6);
	assert_string_equal(buf, "abc");
	assert_int_equal(fmt_snprintf(NULL, 0, "%u", 12345U), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_text_and_percent_signs),
		cmocka_unit_test(strings_are_padded_and_cut),
		cmocka_unit_test(a_bounded_string_need_not_be_terminated),
		cmocka_unit_test(a_missing_string_is_named),
		cmocka_unit_test(numbers_of_every_width_and_sign),
		cmocka_unit_test(numbers_are_padded),
		cmocka_unit_test(the_length_is_that_of_the_whole_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
