// SPDX-License-Identifier: Apache-2.0
/* Formatted text into a buffer. */
#include "core/lib/fmt.h"

#include "core/lib/string.h"

struct out {
	char *buf;
	size_t size, length;
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

static void put_text(struct out *out, const struct spec *spec, const char *s)
{
	size_t n;

	if (!s)
		s = "(null)";
	n = spec->precision < 0 ? strlen(s) : strnlen(s, (size_t)spec->precision);
	if (!spec->left)
		pad(out, ' ', spec->width - (int)n);
	for (size_t i = 0; i < n; i++)
		put(out, s[i]);
	if (spec->left)
		pad(out, ' ', spec->width - (int)n);
}

static void put_number(struct out *out, const struct spec *spec, u64 value, u32 base, bool upper,
		       bool negative)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[20];
	int n = 0;
	int fill;

	do {
		text[n++] = digits[value % base];
		value /= base;
	} while (value);
	fill = spec->width - n - negative;
	if (!spec->left && !spec->zero)
		pad(out, ' ', fill);
	if (negative)
		put(out, '-');
	if (!spec->left && spec->zero)
		pad(out, '0', fill);
	while (n)
		put(out, text[--n]);
	if (spec->left)
		pad(out, ' ', fill);
}

static const char *parse_number(const char *fmt, int *value)
{
	for (*value = 0; *fmt >= '0' && *fmt <= '9'; fmt++)
		*value = *value * 10 + (*fmt - '0');
	return fmt;
}

/* A va_list in a struct can be passed on by pointer on every ABI. */
struct args {
	va_list list;
};

static const char *parse_spec(const char *fmt, struct spec *spec, struct args *args)
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
	if (*fmt == '*') {
		spec->width = va_arg(args->list, int);
		fmt++;
	} else {
		fmt = parse_number(fmt, &spec->width);
	}
	if (*fmt == '.') {
		if (*++fmt == '*') {
			spec->precision = va_arg(args->list, int);
			fmt++;
		} else {
			fmt = parse_number(fmt, &spec->precision);
		}
	}
	for (; *fmt == 'l' || *fmt == 'z'; fmt++)
		spec->longs++;
	return fmt;
}

static void put_signed(struct out *out, const struct spec *spec, s64 value)
{
	put_number(out, spec, value < 0 ? -(u64)value : (u64)value, 10, false, value < 0);
}

static void convert(struct out *out, char kind, const struct spec *spec, struct args *args)
{
	switch (kind) {
	case 's':
		put_text(out, spec, va_arg(args->list, const char *));
		break;
	case 'c':
		put(out, (char)va_arg(args->list, int));
		break;
	case 'd':
	case 'i':
		put_signed(out, spec,
			   spec->longs ? va_arg(args->list, s64) : va_arg(args->list, int));
		break;
	case 'u':
	case 'x':
	case 'X':
		put_number(out, spec,
			   spec->longs ? va_arg(args->list, u64) : va_arg(args->list, u32),
			   kind == 'u' ? 10 : 16, kind == 'X', false);
		break;
	case 'p':
		put_number(out, spec, (u64)va_arg(args->list, void *), 16, false, false);
		break;
	default:
		put(out, kind);
	}
}

int fmt_vsnprintf(char *buf, size_t size, const char *fmt, va_list list)
{
	struct out out = { buf, size, 0 };
	struct args args;
	struct spec spec;

	va_copy(args.list, list);
	while (*fmt) {
		if (*fmt != '%') {
			put(&out, *fmt++);
			continue;
		}
		fmt = parse_spec(fmt + 1, &spec, &args);
		if (!*fmt)
			break;
		convert(&out, *fmt++, &spec, &args);
	}
	va_end(args.list);
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
