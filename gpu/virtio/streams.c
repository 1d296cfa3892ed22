/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of blocks that holds copies of command streams. */
#include "gpu/virtio/streams.h"

#define ALIGNMENT 64

static struct stream_block *nth(struct stream_arena *arena, u32 index)
{
	return &arena->blocks[(arena->first + index) % STREAM_BLOCKS_MAX];
}

/* Where `bytes` in one piece are free; false: nowhere. */
static bool find_room(struct stream_arena *arena, u32 bytes, u32 *at)
{
	const struct stream_block *oldest = nth(arena, 0);
	const struct stream_block *newest = nth(arena, arena->count - 1U);
	u32 end = newest->at + newest->bytes;

	if (newest->at < oldest->at) { /* wrapped: free is what lies between them */
		*at = end;
		return bytes <= oldest->at - end;
	}
	*at = end;
	if (bytes <= STREAM_ARENA_BYTES - end)
		return true;
	*at = 0;
	return bytes <= oldest->at;
}

enum err stream_take(struct stream_arena *arena, u32 bytes, u16 *block)
{
	struct stream_block *taken;
	u32 at = 0;

	if (bytes > STREAM_BYTES_MAX || arena->count == STREAM_BLOCKS_MAX)
		return ERR_FULL;
	bytes = ALIGN_UP(MAX(bytes, 1U), ALIGNMENT);
	if (arena->count && !find_room(arena, bytes, &at))
		return ERR_FULL;
	taken = nth(arena, arena->count++);
	*taken = (struct stream_block){ .at = at, .bytes = bytes, .users = 1 };
	*block = (u16)(taken - arena->blocks);
	return OK;
}

void stream_get(struct stream_arena *arena, u16 block)
{
	arena->blocks[block].users++;
}

void stream_put(struct stream_arena *arena, u16 block)
{
	if (block == STREAM_NONE)
		return;
	arena->blocks[block].users--;
	while (arena->count && !nth(arena, 0)->users) {
		arena->first = (u16)((arena->first + 1) % STREAM_BLOCKS_MAX);
		arena->count--;
	}
}
