/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of a text in memory (FIPS 180-4). */
#ifndef GPU_SHA256_H
#define GPU_SHA256_H

#include "core/lib/types.h"

#define SHA256_BYTES 32

/* The hash of `size` bytes, below 2^32. Pure; no lock. */
void sha256(const void *data, size_t size, u8 hash[SHA256_BYTES]);

#endif
