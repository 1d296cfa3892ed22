/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The geometry of a 3D resource: what may be created, how many bytes it takes,
 * and which transfers lie inside of it. Pure arithmetic, nothing is kept.
 *
 *   resource: levels 0..last_level, each half as wide, high (and, in 3D, deep)
 *   level:    layers (3D: slices), each of rows of blocks
 */
#ifndef GPU_VIRTIO_VIRGL_RESOURCE_H
#define GPU_VIRTIO_VIRGL_RESOURCE_H

#include "core/lib/error.h"
#include "core/lib/types.h"

#define VIRGL_SIDE_MAX	   16384 /* pixels; 3D has VIRGL_3D_SIDE_MAX on each side */
#define VIRGL_3D_SIDE_MAX  2048
#define VIRGL_LAYERS_MAX   2048
#define VIRGL_BUFFER_BYTES MIB(256) /* also the most that a whole texture takes */

/*
 * As RESOURCE_CREATE_3D says it, virtio 1.2, 5.7.6.8, and where it is. A
 * resource made by CREATE_2D is target 2D, bind RENDER_TARGET, depth and
 * array_size 1, last_level 0, flags VIRGL_FLAG_Y_0_TOP.
 */
struct virgl_resource {
	u32 host_id;
	u32 target; /* enum virgl_target */
	u32 format;
	u32 bind; /* VIRGL_BIND_... */
	u32 width, height, depth, array_size, last_level;
	u32 flags;	   /* VIRGL_FLAG_... */
	u64 backing_bytes; /* what is attached of the guest's memory; 0: nothing */
};

/* A box within a level; layers and faces count along z. */
struct virgl_box {
	u32 x, y, z, w, h, d;
};

/*
 * May it be created? The rules are the renderer's, and stricter where it is
 * careless. `host_id` and `backing_bytes` are not looked at.
 *   ERR_INVALID: unknown target or format, or they and sizes, layers, samples,
 *                bind or flags do not go together
 *   ERR_RANGE:   a side, a number of layers or levels, or the sum of bytes is
 *                0 or too large
 */
must_check enum err virgl_resource_check(const struct virgl_resource *resource, u32 nr_samples);

/* Bytes of all levels and layers, tightly packed. Errors as virgl_resource_check(). */
must_check enum err virgl_resource_bytes(const struct virgl_resource *resource, u64 *bytes);

/* The functions below want a resource that virgl_resource_check() found good. */

bool virgl_is_buffer(const struct virgl_resource *resource);

/* All of a level: x, y, z are 0; d counts slices (3D), layers or faces. False: no such level. */
must_check bool virgl_level_box(const struct virgl_resource *resource, u32 level,
				struct virgl_box *box);

/* Bytes of all layers of a level, tightly packed; 0: no such level. */
u64 virgl_level_bytes(const struct virgl_resource *resource, u32 level);

/* True where the box is not empty and lies in the level. */
bool virgl_box_in_level(const struct virgl_resource *resource, u32 level,
			const struct virgl_box *box);

/*
 * Between a box of a level and memory: the first byte is at `offset`, a row of
 * blocks is `stride` bytes after the one before, a layer `layer_stride`. 0:
 * tightly packed rows and layers OF THE LEVEL, not of the box.
 */
struct virgl_transfer {
	u32 level, stride, layer_stride;
	u32 x, y, z, w, h, d;
	u64 offset;
};

/*
 * True where the box lies in the level on whole blocks, the strides are 0 or
 * whole blocks and large enough for the box, and the last byte touched is
 * before `backing_bytes`. Exact, also where a sum exceeds 32 bits (the
 * renderer's own check wraps there). For a buffer of bind CUSTOM or STAGING,
 * which the renderer keeps in the guest's memory, the box has to lie in the
 * resource's own backing too.
 */
must_check bool virgl_transfer_fits(const struct virgl_resource *resource,
				    const struct virgl_transfer *transfer, u64 backing_bytes);

/*
 * True where the renderer cannot move all layers of a transfer at once, and
 * each has to go by itself: from the host always (it fills the first layer of
 * its scratch memory only and hands out the rest as it was), to the host for
 * cubes and 1D arrays (it moves one face or refuses; CVE-2022-0135).
 */
bool virgl_transfer_must_split(const struct virgl_resource *resource,
			       const struct virgl_transfer *transfer, bool from_host);

/* Layer `index` (below transfer->d) of a transfer that fits, as a transfer of its own. */
void virgl_transfer_layer(const struct virgl_resource *resource,
			  const struct virgl_transfer *transfer, u32 index,
			  struct virgl_transfer *one);

/* All of a level from offset 0, tightly packed; `level` exists. */
void virgl_transfer_level(const struct virgl_resource *resource, u32 level,
			  struct virgl_transfer *all);

#endif
