// SPDX-License-Identifier: Apache-2.0
/* Formatted text into a buffer. */
#include "core/lib/fmt.h"

#include "core/lib/string.h"

/* One call; a va_list in a struct can be passed on by pointer on every ABI. */
struct out {
	char *buf;
	size_t size, length;
	va_list args;
};

struct spec {
	bool left, zero;
	int width, precision; /* precision < 0: none */
	int longs;	      /* number of l or z */
};

static void put(struct out *out, char c)
{
	if (out->length + 1 < out->size)
		out->buf[out->length] = c;
	out->length++;
}

static void pad(struct out *out, char c, int count)
{
	while (count-- > 0)
		put(out, c);
}

/* `sign` and `n` characters in a field; zeros go between the two. */
static void put_field(struct out *out, const struct spec *spec, const char *sign, const char *text,
		      size_t n, bool zero)
{
	int fill = spec->width - (int)strlen(sign) - (int)n;

	if (!spec->left && !zero)
		pad(out, ' ', fill);
	while (*sign)
		put(out, *sign++);
	if (!spec->left && zero)
		pad(out, '0', fill);
	for (size_t i = 0; i < n; i++)
		put(out, text[i]);
	if (spec->left)
		pad(out, ' ', fill);
}

static void put_text(struct out *out, const struct spec *spec, const char *s)
{
	if (!s)
		s = "(null)";
	put_field(out, spec, "", s,
		  spec->precision < 0 ? strlen(s) : strnlen(s, (size_t)spec->precision), false);
}

static void put_number(struct out *out, const struct spec *spec, u64 value, u32 base, bool negative)
{
	const char *digits = "0123456789abcdef";
	char text[20];
	size_t at = sizeof(text);

	do {
		text[--at] = digits[value % base];
		value /= base;
	} while (value);
	put_field(out, spec, negative ? "-" : "", text + at, sizeof(text) - at, spec->zero);
}

/* A number, or the argument that * stands for. */
static const char *parse_number(struct out *out, const char *fmt, int *value)
{
	if (*fmt == '*') {
		*value = va_arg(out->args, int);
		return fmt + 1;
	}
	for (*value = 0; *fmt >= '0' && *fmt <= '9'; fmt++)
		*value = *value * 10 + (*fmt - '0');
	return fmt;
}

static const char *parse_spec(struct out *out, const char *fmt, struct spec *spec)
{
	*spec = (struct spec){ .precision = -1 };
	for (;; fmt++) {
		if (*fmt == '-')
			spec->left = true;
		else if (*fmt == '0')
			spec->zero = true;
		else
			break;
	}
	fmt = parse_number(out, fmt, &spec->width);
	if (*fmt == '.')
		fmt = parse_number(out, fmt + 1, &spec->precision);
	for (; *fmt == 'l' || *fmt == 'z'; fmt++)
		spec->longs++;
	return fmt;
}

static void convert(struct out *out, char kind, const struct spec *spec)
{
	s64 value;

	switch (kind) {
	case 's':
		put_text(out, spec, va_arg(out->args, const char *));
		break;
	case 'c':
		put(out, (char)va_arg(out->args, int));
		break;
	case 'd':
		value = spec->longs ? va_arg(out->args, s64) : va_arg(out->args, int);
		put_number(out, spec, value < 0 ? -(u64)value : (u64)value, 10, value < 0);
		break;
	case 'u':
	case 'x':
		put_number(out, spec, spec->longs ? va_arg(out->args, u64) : va_arg(out->args, u32),
			   kind == 'u' ? 10 : 16, false);
		break;
	default:
		put(out, kind);
	}
}

int fmt_vsnprintf(char *buf, size_t size, const char *fmt, va_list list)
{
	struct out out = { .buf = buf, .size = size };
	struct spec spec;

	va_copy(out.args, list);
	while (*fmt) {
		if (*fmt != '%') {
			put(&out, *fmt++);
			continue;
		}
		fmt = parse_spec(&out, fmt + 1, &spec);
		if (!*fmt)
			break;
		convert(&out, *fmt++, &spec);
	}
	va_end(out.args);
	if (size)
		buf[MIN(out.length, size - 1)] = 0;
	return (int)out.length;
}

int fmt_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list list;
	int length;

	va_start(list, fmt);
	length = fmt_vsnprintf(buf, size, fmt, list);
	va_end(list);
	return length;
}
