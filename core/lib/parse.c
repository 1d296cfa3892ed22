// SPDX-License-Identifier: Apache-2.0
/* Numbers, sizes, times and shares out of text that need not be terminated. */
#include "core/lib/parse.h"

#include "core/lib/string.h"

#define NS_PER_SECOND	1000000000ULL
#define FRACTION_DIGITS 9 /* of a second: finer is below a nanosecond for every unit */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

struct text text_trim(struct text text)
{
	while (text.size && is_blank(text.at[0])) {
		text.at++;
		text.size--;
	}
	while (text.size && is_blank(text.at[text.size - 1]))
		text.size--;
	return text;
}

bool text_equal(struct text text, const char *s)
{
	return strlen(s) == text.size && !memcmp(text.at, s, text.size);
}

bool text_copy(char *dst, size_t size, struct text text)
{
	bool fits = text.size < size;
	size_t n = fits ? text.size : size - 1;

	memcpy(dst, text.at, n);
	dst[n] = 0;
	return fits;
}

static struct text skip(struct text text, size_t n)
{
	return (struct text){ text.at + n, text.size - n };
}

u32 digit_of(char c)
{
	if (is_digit(c))
		return (u32)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (u32)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (u32)(c - 'A') + 10;
	return 16;
}

/* As many digits as there are; *rest is what follows them. */
static enum err take_digits(struct text text, u32 base, u64 *value, struct text *rest)
{
	u64 sum = 0;
	size_t n;

	for (n = 0; n < text.size && digit_of(text.at[n]) < base; n++)
		if (__builtin_mul_overflow(sum, (u64)base, &sum) ||
		    __builtin_add_overflow(sum, (u64)digit_of(text.at[n]), &sum))
			return ERR_RANGE;
	if (!n)
		return ERR_INVALID;
	*value = sum;
	*rest = skip(text, n);
	return OK;
}

/* All of `text` is digits and then `unit`. */
static enum err whole_number(struct text text, u32 base, const char *unit, u64 *value)
{
	struct text rest;
	u64 number;
	enum err e = take_digits(text, base, &number, &rest);

	if (e)
		return e;
	if (!text_equal(rest, unit))
		return ERR_INVALID;
	*value = number;
	return OK;
}

enum err parse_number(struct text text, u64 *value)
{
	if (text.size > 2 && text.at[0] == '0' && text.at[1] == 'x')
		return whole_number(skip(text, 2), 16, "", value);
	return whole_number(text, 10, "", value);
}

enum err parse_size(struct text text, u64 *bytes)
{
	static const struct {
		const char *name;
		u32 shift;
	} units[] = { { "", 0 }, { "K", 10 }, { "M", 20 }, { "G", 30 } };
	struct text rest;
	u64 number;
	enum err e = take_digits(text, 10, &number, &rest);

	if (e)
		return e;
	for (u32 i = 0; i < ARRAY_SIZE(units); i++) {
		if (!text_equal(rest, units[i].name))
			continue;
		if (number > UINT64_MAX >> units[i].shift)
			return ERR_RANGE;
		*bytes = number << units[i].shift;
		return OK;
	}
	return ERR_INVALID;
}

/* The digits behind a decimal point as billionths. */
static enum err take_fraction(struct text text, u64 *billionths, struct text *rest)
{
	u64 sum = 0;
	size_t n;

	for (n = 0; n < text.size && is_digit(text.at[n]); n++)
		if (n < FRACTION_DIGITS)
			sum = sum * 10 + digit_of(text.at[n]);
	if (!n)
		return ERR_INVALID;
	for (size_t i = n; i < FRACTION_DIGITS; i++)
		sum *= 10;
	*billionths = sum;
	*rest = skip(text, n);
	return OK;
}

enum err parse_time(struct text text, u64 *ns)
{
	static const struct {
		const char *name;
		u64 ns;
	} units[] = { { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", NS_PER_SECOND } };
	u64 whole, billionths = 0, sum;
	struct text rest;
	enum err e = take_digits(text, 10, &whole, &rest);

	if (!e && rest.size && rest.at[0] == '.')
		e = take_fraction(skip(rest, 1), &billionths, &rest);
	if (e)
		return e;
	for (u32 i = 0; i < ARRAY_SIZE(units); i++) {
		if (!text_equal(rest, units[i].name))
			continue;
		if (__builtin_mul_overflow(whole, units[i].ns, &sum) ||
		    __builtin_add_overflow(sum, billionths * units[i].ns / NS_PER_SECOND, &sum))
			return ERR_RANGE;
		*ns = sum;
		return OK;
	}
	return ERR_INVALID;
}

enum err parse_share(struct text text, u64 *percent)
{
	return whole_number(text, 10, "%", percent);
}

enum err parse_share_tenths(struct text text, u64 *tenths)
{
	struct text rest;
	u64 sum, tenth = 0;
	enum err e = take_digits(text, 10, &sum, &rest);

	if (e)
		return e;
	if (rest.size > 2 && rest.at[0] == '.' && is_digit(rest.at[1])) {
		tenth = digit_of(rest.at[1]);
		rest = skip(rest, 2);
	}
	if (!text_equal(rest, "%"))
		return ERR_INVALID;
	if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_add_overflow(sum, tenth, &sum))
		return ERR_RANGE;
	*tenths = sum;
	return OK;
}
