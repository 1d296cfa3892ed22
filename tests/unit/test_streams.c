/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of blocks for copies of command streams. */
// SOURCES: gpu/virtio/streams.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/virtio/streams.h"

static struct stream_arena arena;

static int empty(void **state)
{
	(void)state;
	memset(&arena, 0, sizeof(arena));
	return 0;
}

static u16 taken(u32 bytes)
{
	u16 block = STREAM_NONE;

	assert_int_equal(stream_take(&arena, bytes, &block), OK);
	return block;
}

/* Blocks in use lie in the arena and apart from each other. */
static void check_apart(void)
{
	for (u32 i = 0; i < STREAM_BLOCKS_MAX; i++) {
		const struct stream_block *a = &arena.blocks[i];

		if (!a->users)
			continue;
		assert_true(a->at + a->bytes <= STREAM_ARENA_BYTES);
		for (u32 j = 0; j < i; j++) {
			const struct stream_block *b = &arena.blocks[j];

			if (b->users)
				assert_true(a->at + a->bytes <= b->at || b->at + b->bytes <= a->at);
		}
	}
}

static void the_largest_stream_fits_and_one_more_byte_does_not(void **state)
{
	u16 block;

	(void)state;
	taken(STREAM_BYTES_MAX);
	assert_int_equal(stream_take(&arena, STREAM_BYTES_MAX + 1, &block), ERR_FULL);
}

static void a_stream_of_nothing_has_a_block_too(void **state)
{
	(void)state;
	assert_int_not_equal(taken(0), taken(0));
	check_apart();
}

static void a_full_arena_says_so_and_goes_on_when_the_oldest_is_back(void **state)
{
	u16 blocks[4], block;

	(void)state;
	for (u32 i = 0; i < 3; i++)
		blocks[i] = taken(STREAM_BYTES_MAX);
	assert_int_equal(stream_take(&arena, STREAM_BYTES_MAX, &block), ERR_FULL);
	check_apart();
	stream_put(&arena, blocks[0]);
	taken(STREAM_BYTES_MAX);
	check_apart();
}

static void what_comes_back_out_of_order_waits_for_those_before_it(void **state)
{
	u16 first = taken(STREAM_BYTES_MAX), second = taken(STREAM_BYTES_MAX), block;

	(void)state;
	taken(STREAM_BYTES_MAX);
	stream_put(&arena, second);
	assert_int_equal(arena.count, 3);
	assert_int_equal(stream_take(&arena, STREAM_BYTES_MAX, &block), ERR_FULL);
	stream_put(&arena, first);
	assert_int_equal(arena.count, 1);
	taken(STREAM_BYTES_MAX);
	check_apart();
}

static void a_block_stays_until_its_last_user_is_done(void **state)
{
	u16 block = taken(100);

	(void)state;
	stream_get(&arena, block);
	stream_put(&arena, block);
	assert_int_equal(arena.count, 1);
	stream_put(&arena, block);
	assert_int_equal(arena.count, 0);
	stream_put(&arena, STREAM_NONE);
	assert_int_equal(arena.count, 0);
}

static void there_are_no_more_blocks_than_records(void **state)
{
	u16 block;

	(void)state;
	for (u32 i = 0; i < STREAM_BLOCKS_MAX; i++)
		taken(4);
	check_apart();
	assert_int_equal(stream_take(&arena, 4, &block), ERR_FULL);
}

/* Sizes and order as they come; whatever is in use stays apart, and all comes back. */
static void ten_thousand_streams_never_overlap(void **state)
{
	u16 held[16];
	u32 count = 0, seed = 1;

	(void)state;
	for (u32 i = 0; i < 10000; i++) {
		seed = seed * 1103515245 + 12345;
		if (count < 16 && seed & 0x10000) {
			u32 bytes = (seed >> 8) % (STREAM_BYTES_MAX + 1);

			if (!stream_take(&arena, bytes, &held[count]))
				count++;
		} else if (count) {
			u32 which = (seed >> 20) % count;

			stream_put(&arena, held[which]);
			held[which] = held[--count];
		}
		check_apart();
	}
	while (count)
		stream_put(&arena, held[--count]);
	assert_int_equal(arena.count, 0);
}

#define RULE(name) cmocka_unit_test_setup(name, empty)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(the_largest_stream_fits_and_one_more_byte_does_not),
		RULE(a_stream_of_nothing_has_a_block_too),
		RULE(a_full_arena_says_so_and_goes_on_when_the_oldest_is_back),
		RULE(what_comes_back_out_of_order_waits_for_those_before_it),
		RULE(a_block_stays_until_its_last_user_is_done),
		RULE(there_are_no_more_blocks_than_records),
		RULE(ten_thousand_streams_never_overlap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
