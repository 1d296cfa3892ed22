/* SPDX-License-Identifier: Apache-2.0 */
/* Lines, time and sums of the guests' 3D programs; see say3d.h. */
#include "tests/guest/say3d.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
}

void fail(const char *what)
{
	say("%s: %s failed: %s", program_name, what, strerror(errno));
	exit(1);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

uint32_t crc32(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	static uint32_t table[256];
	uint32_t crc = 0xffffffffu;

	for (uint32_t i = 0; !table[255] && i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] & 1 ? (table[i] >> 1) ^ 0xedb88320u : table[i] >> 1;
	}
	for (size_t i = 0; i < size; i++)
		crc = table[(crc ^ bytes[i]) & 255] ^ (crc >> 8);
	return ~crc;
}
