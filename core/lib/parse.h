/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, sizes, times and shares out of text that need not be terminated. */
#ifndef CORE_LIB_PARSE_H
#define CORE_LIB_PARSE_H

#include "core/lib/error.h"
#include "core/lib/types.h"

/* A part of a larger text; the owner of the larger text keeps it alive. */
struct text {
	const char *at;
	size_t size; /* characters */
};

/* Without the blanks and tabs at both ends. */
struct text text_trim(struct text text);

/* The same characters as the terminated `s`? */
bool text_equal(struct text text, const char *s);

/* Copies and always terminates (size > 0). False: it was cut. */
bool text_copy(char *dst, size_t size, struct text text);

/* The value of a hexadecimal digit, 0 to 15; or 16: it is none. */
u32 digit_of(char c);

/*
 * Each takes the whole text and writes *value only with OK. ERR_INVALID: not of
 * this form; ERR_RANGE: of this form, but it does not fit in 64 bits.
 */

/* Decimal digits, or 0x and hexadecimal digits. */
enum err must_check parse_number(struct text text, u64 *value);

/* Decimal digits and K, M or G, binary multiples; without one of them bytes. */
enum err must_check parse_size(struct text text, u64 *bytes);

/* Digits, perhaps a point and digits, and ns, us, ms or s; rounded down to 1 ns. */
enum err must_check parse_time(struct text text, u64 *ns);

/* Digits and %; *percent is not limited to 100. */
enum err must_check parse_share(struct text text, u64 *percent);

/* Digits, perhaps a point and one digit, and %; *tenths of a percent, not limited to 1000. */
enum err must_check parse_share_tenths(struct text text, u64 *tenths);

#endif
