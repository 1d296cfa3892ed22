// SPDX-License-Identifier: Apache-2.0
/* Numbers, sizes, times and shares out of text that need not be terminated. */
#include "core/lib/parse.h"

#include "core/lib/string.h"

#define BILLION		1000000000ULL
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

enum err parse_number(struct text text, u64 *value)
{
	bool hex = text.size > 2 && text.at[0] == '0' && text.at[1] == 'x';
	struct text rest;
	u64 number;
	enum err e = take_digits(hex ? skip(text, 2) : text, hex ? 16 : 10, &number, &rest);

	if (!e && rest.size)
		e = ERR_INVALID;
	if (!e)
		*value = number;
	return e;
}

/* The digits behind a decimal point, at most `most` of them, as billionths. */
static enum err take_fraction(struct text text, size_t most, u64 *billionths, struct text *rest)
{
	u64 sum = 0;
	size_t n;

	for (n = 0; n < text.size && is_digit(text.at[n]); n++)
		if (n < FRACTION_DIGITS)
			sum = sum * 10 + digit_of(text.at[n]);
	if (!n || n > most)
		return ERR_INVALID;
	for (size_t i = n; i < FRACTION_DIGITS; i++)
		sum *= 10;
	*billionths = sum;
	*rest = skip(text, n);
	return OK;
}

/* What may stand behind a number; the last one has no name. */
struct unit {
	const char *name;
	u64 factor;
};

/* Digits, perhaps a point and at most `decimals` digits, and one of `units`; rounded down. */
static enum err parse_with_unit(struct text text, const struct unit *units, size_t decimals,
				u64 *value)
{
	u64 whole, billionths = 0, sum;
	struct text rest;
	enum err e = take_digits(text, 10, &whole, &rest);

	if (!e && rest.size && rest.at[0] == '.')
		e = take_fraction(skip(rest, 1), decimals, &billionths, &rest);
	if (e)
		return e;
	while (units->name && !text_equal(rest, units->name))
		units++;
	if (!units->name)
		return ERR_INVALID;
	if (__builtin_mul_overflow(whole, units->factor, &sum) ||
	    __builtin_add_overflow(sum, billionths * units->factor / BILLION, &sum))
		return ERR_RANGE;
	*value = sum;
	return OK;
}

enum err parse_size(struct text text, u64 *bytes)
{
	static const struct unit units[] = {
		{ "", 1 }, { "K", KIB(1) }, { "M", MIB(1) }, { "G", GIB(1) }, { NULL, 0 }
	};

	return parse_with_unit(text, units, 0, bytes);
}

enum err parse_time(struct text text, u64 *ns)
{
	static const struct unit units[] = {
		{ "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", BILLION }, { NULL, 0 }
	};

	return parse_with_unit(text, units, text.size, ns);
}

enum err parse_share(struct text text, u64 *percent)
{
	static const struct unit units[] = { { "%", 1 }, { NULL, 0 } };

	return parse_with_unit(text, units, 0, percent);
}

enum err parse_share_tenths(struct text text, u64 *tenths)
{
	static const struct unit units[] = { { "%", 10 }, { NULL, 0 } };

	return parse_with_unit(text, units, 1, tenths);
}
