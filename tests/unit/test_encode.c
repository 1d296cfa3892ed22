/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 by the examples of RFC 4648, CRC-32 by its check value. */
// SOURCES: gpu/encode.c
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/encode.h"

static void the_rfcs_examples(void **state)
{
	static const char *const examples[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(examples); i++) {
		char text[BASE64_MAX(6)];

		base64(examples[i][0], strlen(examples[i][0]), text);
		assert_string_equal(text, examples[i][1]);
	}
}

static void every_digit_of_base64(void **state)
{
	u8 bytes[48];
	char text[BASE64_MAX(sizeof(bytes))];

	(void)state;
	for (u32 i = 0; i < 16; i++) { /* 0, 1, 2, ... 63 in groups of six bits */
		u32 group = 0;

		for (u32 j = 0; j < 4; j++)
			group = group << 6 | (4 * i + j);
		bytes[3 * i] = (u8)(group >> 16);
		bytes[3 * i + 1] = (u8)(group >> 8);
		bytes[3 * i + 2] = (u8)group;
	}
	base64(bytes, sizeof(bytes), text);
	assert_string_equal(text,
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
}

static void the_check_value_in_one_go_and_in_parts(void **state)
{
	(void)state;
	assert_int_equal(crc32(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(crc32(crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
	assert_int_equal(crc32(0, "", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rfcs_examples),
		cmocka_unit_test(every_digit_of_base64),
		cmocka_unit_test(the_check_value_in_one_go_and_in_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
