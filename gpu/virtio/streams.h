/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the copies of one vGPU's command streams lie until the device has read
 * them: a ring of blocks in memory that the device may read and no guest sees.
 *
 *   |  free  | oldest block | ... | newest block |  free  |
 */
#ifndef GPU_VIRTIO_STREAMS_H
#define GPU_VIRTIO_STREAMS_H

#include "core/lib/error.h"
#include "core/lib/types.h"

/* Mesa's largest: 65,536 dwords, and 1,024 of transfers before them. */
#define STREAM_BYTES_MAX   ((65536 + 1024) * 4)
#define STREAM_ARENA_BYTES MIB(1)
#define STREAM_BLOCKS_MAX  64
#define STREAM_NONE	   0xffff

struct stream_block {
	u32 at, bytes; /* in the arena */
	u16 users;     /* 0: free, as soon as those before it are */
};

struct stream_arena {
	u16 first, count; /* of the blocks in use, in order of age */
	struct stream_block blocks[STREAM_BLOCKS_MAX];
};

/*
 * Take `bytes` (up to STREAM_BYTES_MAX, 0 too) for one user. ERR_FULL: not now;
 * some that were put back later are free again.
 */
must_check enum err stream_take(struct stream_arena *arena, u32 bytes, u16 *block);

/* One more user of a block that is in use. */
void stream_get(struct stream_arena *arena, u16 block);
/* One less; nothing for STREAM_NONE. */
void stream_put(struct stream_arena *arena, u16 block);

#endif
