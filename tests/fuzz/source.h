/* SPDX-License-Identifier: Apache-2.0 */
/* A fuzzer's input, as numbers. */
#ifndef TESTS_FUZZ_SOURCE_H
#define TESTS_FUZZ_SOURCE_H

#include "core/lib/types.h"

/* Bytes of the input, zeros behind its end. */
struct source {
	const u8 *at, *end;
};

static u32 take(struct source *source, u32 bytes)
{
	u32 value = 0;

	for (u32 i = 0; i < bytes; i++)
		value |= (u32)(source->at < source->end ? *source->at++ : 0) << (8 * i);
	return value;
}

/* Small ids and sizes, so that commands meet each other; now and then anything. */
static u32 take_number(struct source *source)
{
	u32 value = take(source, 1);

	return value < 0xf0 ? value & 0x3f : take(source, 4);
}

/* 1 to 8, or anything. */
static u32 take_id(struct source *source)
{
	u32 value = take(source, 1);

	return value < 0xf8 ? 1 + (value & 7) : take(source, 4);
}

#endif
