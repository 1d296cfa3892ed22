/* SPDX-License-Identifier: Apache-2.0 */
/* Which of a renderer's capabilities guests are not told of, and why. */
#include "gpu/virtio/virgl_capset.h"

#include "core/lib/string.h"
#include "gpu/virtio/virgl_proto.h"
#include "gpu/virtio/virgl_resource.h"

/*
 * Byte offsets in both sets (virglrenderer, virgl_hw.h): the second, from byte
 * 308 on, has more, and its first 308 bytes are the first set. All are dwords.
 */
enum {
	AT_BOOLS = 260,
	AT_ARRAY_LAYERS = 268,
	AT_STREAMOUT_BUFFERS = 272,
	AT_SAMPLES = 284,
	AT_BITS = 392,
	AT_IMAGE_SAMPLES = 448,
	AT_COMPUTE = 452, /* limits of compute shaders, 8 dwords */
	AT_SIDE_2D = 484,
	AT_SIDE_3D = 488,
	AT_SIDE_CUBE = 492,
	AT_BITS_2 = 688,
	AT_VIDEO_MEMORY = 692,
	AT_SAMPLE_FORMATS = 768, /* bit map of formats with several samples, 16 dwords */
	AT_VIDEO_CAPS = 856,
};

/* Several samples a pixel: no transfer can clear such a resource. */
#define BOOLS_SAMPLES (BIT(14) | BIT(26)) /* multisample textures, sample shading */
/* Numbers in memory that the GPU writes: no bound in advance. */
#define BOOLS_INDIRECT BIT(25)
#define BITS_COMPUTE   BIT(7)
#define BITS_INDIRECT  (BIT(21) | BIT(22)) /* multi-draw, parameters */
#define BITS_QBO       BIT(16)		   /* query results in buffers */
#define BITS_LOG       BIT(14)		   /* guests write into the host's log */
#define BITS_STORAGE   BIT(31)		   /* persistent buffers need BLOB */

/* Need BLOB or GBM; the device's memory is not a guest's to ask for. */
#define BITS_2_BLOB    (BIT(1) | BIT(8))
#define BITS_2_MEMORY  (BIT(2) | BIT(3))
#define BITS_2_SAMPLES BIT(6)
/* Copies from the host of several layers are refused; Mesa then uses TRANSFER_FROM_HOST_3D. */
#define BITS_2_COPY BIT(7)

bool virgl_capset_is_known(u32 id)
{
	return id == VIRGL_CAPSET_1 || id == VIRGL_CAPSET_2;
}

static u32 get(const u8 *set, u32 at)
{
	u32 value;

	memcpy(&value, set + at, sizeof(value));
	return value;
}

static void put(u8 *set, u32 size, u32 at, u32 value)
{
	if (at + sizeof(value) <= size)
		memcpy(set + at, &value, sizeof(value));
}

static void clear_bits(u8 *set, u32 size, u32 at, u64 bits)
{
	if (at + sizeof(u32) <= size)
		put(set, size, at, get(set, at) & ~(u32)bits);
}

static void at_most(u8 *set, u32 size, u32 at, u32 limit)
{
	if (at + sizeof(u32) <= size)
		put(set, size, at, MIN(get(set, at), limit));
}

static void clear_dwords(u8 *set, u32 size, u32 at, u32 count)
{
	for (u32 i = 0; i < count; i++)
		put(set, size, at + i * (u32)sizeof(u32), 0);
}

void virgl_capset_mask(u8 *set, u32 size)
{
	clear_bits(set, size, AT_BOOLS, BOOLS_SAMPLES | BOOLS_INDIRECT);
	at_most(set, size, AT_ARRAY_LAYERS, VIRGL_LAYERS_MAX);
	at_most(set, size, AT_STREAMOUT_BUFFERS, VIRGL_SO_BUFFERS_MAX);
	at_most(set, size, AT_SAMPLES, 1); /* 0 would cost Mesa more than that */
	clear_bits(set, size, AT_BITS,
		   BITS_COMPUTE | BITS_INDIRECT | BITS_QBO | BITS_LOG | BITS_STORAGE);
	clear_dwords(set, size, AT_IMAGE_SAMPLES, 1);
	clear_dwords(set, size, AT_COMPUTE, 8);
	at_most(set, size, AT_SIDE_2D, VIRGL_SIDE_MAX);
	at_most(set, size, AT_SIDE_3D, VIRGL_3D_SIDE_MAX);
	at_most(set, size, AT_SIDE_CUBE, VIRGL_SIDE_MAX);
	clear_bits(set, size, AT_BITS_2,
		   BITS_2_BLOB | BITS_2_MEMORY | BITS_2_SAMPLES | BITS_2_COPY);
	clear_dwords(set, size, AT_VIDEO_MEMORY, 1);
	clear_dwords(set, size, AT_SAMPLE_FORMATS, 16);
	clear_dwords(set, size, AT_VIDEO_CAPS, 1);
}
