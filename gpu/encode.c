/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 and CRC-32. */
#include "gpu/encode.h"

#define CRC_POLYNOMIAL 0xedb88320U /* 04c11db7h, lowest bit first */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64(const void *data, size_t size, char *text)
{
	const u8 *bytes = data;

	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i;
		u32 group = (u32)bytes[i] << 16;

		if (left > 1)
			group |= (u32)bytes[i + 1] << 8;
		if (left > 2)
			group |= bytes[i + 2];
		*text++ = digits[group >> 18];
		*text++ = digits[group >> 12 & 63];
		*text++ = left > 1 ? digits[group >> 6 & 63] : '=';
		*text++ = left > 2 ? digits[group & 63] : '=';
	}
	*text = 0;
}

u32 crc32(u32 crc, const void *data, size_t size)
{
	const u8 *bytes = data;

	crc = ~crc;
	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (u32 bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? CRC_POLYNOMIAL : 0);
	}
	return ~crc;
}
