// SPDX-License-Identifier: Apache-2.0
/* Memory and string functions, by 64-bit words: wide stores are fastest on emulators too. */
#include "core/lib/string.h"

#ifndef FACET_HOST

void *memcpy(void *dst, const void *src, size_t size)
{
	u8 *to = dst;
	const u8 *from = src;

	for (; size >= sizeof(any_u64); size -= sizeof(any_u64)) {
		*(any_u64 *)to = *(const any_u64 *)from;
		to += sizeof(any_u64);
		from += sizeof(any_u64);
	}
	while (size--)
		*to++ = *from++;
	return dst;
}

void *memmove(void *dst, const void *src, size_t size)
{
	u8 *to = dst;
	const u8 *from = src;

	if (to <= from || to >= from + size)
		return memcpy(dst, src, size);
	while (size >= sizeof(any_u64)) {
		size -= sizeof(any_u64);
		*(any_u64 *)(to + size) = *(const any_u64 *)(from + size);
	}
	while (size--)
		to[size] = from[size];
	return dst;
}

void *memset(void *dst, int byte, size_t size)
{
	u8 *to = dst;
	u64 pattern = (u8)byte * 0x0101010101010101ULL;

	for (; size >= sizeof(any_u64); size -= sizeof(any_u64)) {
		*(any_u64 *)to = pattern;
		to += sizeof(any_u64);
	}
	while (size--)
		*to++ = (u8)byte;
	return dst;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const u8 *x = a;
	const u8 *y = b;

	for (size_t i = 0; i < size; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int strncmp(const char *a, const char *b, size_t max)
{
	for (; max; max--, a++, b++)
		if (*a != *b || !*a)
			return (u8)*a - (u8)*b;
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, ~(size_t)0);
}

#endif

bool str_copy(char *dst, size_t size, const char *src)
{
	size_t n = strnlen(src, size);
	bool fits = n < size;

	n = fits ? n : size - 1;
	memcpy(dst, src, n);
	dst[n] = 0;
	return fits;
}

bool str_equal(const char *a, const char *b)
{
	return !strcmp(a, b);
}
