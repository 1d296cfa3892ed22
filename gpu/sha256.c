/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4, 5.1.1 and 6.2); names are those of the standard. */
#include "gpu/sha256.h"

#include "core/lib/string.h"

#define BLOCK	    64
#define LENGTH_SIZE 8 /* of the message's length in bits, at the end of the last block */

/* 4.2.2 */
static const u32 K[BLOCK] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static u32 rotr(u32 x, u32 n)
{
	return x >> n | x << (32 - n);
}

static u32 big_endian(const u8 *at)
{
	return (u32)at[0] << 24 | (u32)at[1] << 16 | (u32)at[2] << 8 | at[3];
}

static void put_big_endian(u8 *at, u32 value)
{
	for (u32 i = 0; i < 4; i++)
		at[i] = (u8)(value >> (24 - 8 * i));
}

/* 6.2.2, step 1 */
static void schedule(u32 W[BLOCK], const u8 *block)
{
	for (u32 t = 0; t < 16; t++)
		W[t] = big_endian(block + 4 * (size_t)t);
	for (u32 t = 16; t < BLOCK; t++) {
		u32 s0 = rotr(W[t - 15], 7) ^ rotr(W[t - 15], 18) ^ W[t - 15] >> 3;
		u32 s1 = rotr(W[t - 2], 17) ^ rotr(W[t - 2], 19) ^ W[t - 2] >> 10;

		W[t] = s1 + W[t - 7] + s0 + W[t - 16];
	}
}

/* 6.2.2, steps 2 to 4; v holds a to h. */
static void compress(u32 H[8], const u8 *block)
{
	u32 W[BLOCK], v[8];

	schedule(W, block);
	memcpy(v, H, sizeof(v));
	for (u32 t = 0; t < BLOCK; t++) {
		u32 S1 = rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25);
		u32 ch = (v[4] & v[5]) ^ (~v[4] & v[6]);
		u32 T1 = v[7] + S1 + ch + K[t] + W[t];
		u32 S0 = rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22);
		u32 maj = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);

		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += T1;
		v[0] = T1 + S0 + maj;
	}
	for (u32 i = 0; i < 8; i++)
		H[i] += v[i];
}

void sha256(const void *data, size_t size, u8 hash[SHA256_BYTES])
{
	u32 H[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	const u8 *at = data;
	size_t left = size;
	u8 last[2 * BLOCK] = { 0 };
	size_t padded;

	for (; left >= BLOCK; left -= BLOCK, at += BLOCK)
		compress(H, at);
	memcpy(last, at, left);
	last[left] = 0x80;
	padded = left + 1 + LENGTH_SIZE <= BLOCK ? BLOCK : 2 * BLOCK;
	put_big_endian(last + padded - 8, (u32)((u64)size >> 29));
	put_big_endian(last + padded - 4, (u32)(size << 3));
	for (size_t i = 0; i < padded; i += BLOCK)
		compress(H, last + i);
	for (u32 i = 0; i < 8; i++)
		put_big_endian(hash + 4 * (size_t)i, H[i]);
}
