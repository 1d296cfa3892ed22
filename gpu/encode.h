/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as text, and a check sum over them: for what is sent over the console. */
#ifndef GPU_ENCODE_H
#define GPU_ENCODE_H

#include "core/lib/types.h"

/* Characters of `size` bytes, and a terminator. */
#define BASE64_MAX(size) (((size) + 2) / 3 * 4 + 1)

/* RFC 4648, section 4, with padding; `text` has room for BASE64_MAX(size). */
void base64(const void *data, size_t size, char *text);

/* CRC-32 of IEEE 802.3, as zlib's: `crc` is 0, or what the bytes before these gave. */
u32 crc32(u32 crc, const void *data, size_t size);

#endif
