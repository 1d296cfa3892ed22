/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resources of the guest whose virgl streams are tested: 16 of fixed kinds,
 * which it calls 1 to 16. The device calls them WORLD_HOST + 1 to 16.
 */
#ifndef TESTS_UNIT_VIRGL_WORLD_H
#define TESTS_UNIT_VIRGL_WORLD_H

#include "gpu/virtio/virgl_proto.h"
#include "gpu/virtio/virgl_resource.h"

#define WORLD_HOST 0x5a000000U
#define WORLD_SIZE 16

enum world {
	WORLD_VERTICES = 1,
	WORLD_INDICES,
	WORLD_UNIFORMS,
	WORLD_FEEDBACK,
	WORLD_RESULTS, /* a CUSTOM buffer */
	WORLD_STAGING,
	WORLD_STORAGE,
	WORLD_COLOR, /* 1024x768 BGRA */
	WORLD_DEPTH,
	WORLD_PICTURE, /* 256x256 with all levels */
	WORLD_CUBE,
	WORLD_VOLUME,
	WORLD_ARRAY,
	WORLD_LINES,  /* a 1D array */
	WORLD_PACKED, /* DXT1 */
	WORLD_TEXELS, /* a buffer for texture look-ups */
};

#define WORLD_BUFFER_BYTES 65536

#define WORLD_BUFFER(id, use, size, backing) \
	[id] = { .host_id = WORLD_HOST + (id), \
		 .target = VIRGL_TARGET_BUFFER, \
		 .format = 64, \
		 .bind = (use), \
		 .width = (size), \
		 .height = 1, \
		 .depth = 1, \
		 .array_size = 1, \
		 .backing_bytes = (backing) }

#define WORLD_TEXTURE(id, kind, number, use, w, h, d, layers, last, backing) \
	[id] = { .host_id = WORLD_HOST + (id), \
		 .target = VIRGL_TARGET_##kind, \
		 .format = (number), \
		 .bind = (use), \
		 .width = (w), \
		 .height = (h), \
		 .depth = (d), \
		 .array_size = (layers), \
		 .last_level = (last), \
		 .backing_bytes = (backing) }

static const struct virgl_resource world[WORLD_SIZE + 1] = {
	WORLD_BUFFER(WORLD_VERTICES, VIRGL_BIND_VERTEX_BUFFER, 65536, 65536),
	WORLD_BUFFER(WORLD_INDICES, VIRGL_BIND_INDEX_BUFFER, 65536, 65536),
	WORLD_BUFFER(WORLD_UNIFORMS, VIRGL_BIND_CONSTANT_BUFFER, 65536, 65536),
	WORLD_BUFFER(WORLD_FEEDBACK, VIRGL_BIND_STREAM_OUTPUT, 65536, 65536),
	WORLD_BUFFER(WORLD_RESULTS, VIRGL_BIND_CUSTOM, 16, 4096),
	WORLD_BUFFER(WORLD_STAGING, VIRGL_BIND_STAGING, 1048576, 1048576),
	WORLD_BUFFER(WORLD_STORAGE, VIRGL_BIND_SHADER_BUFFER, 65536, 65536),
	WORLD_TEXTURE(WORLD_COLOR, 2D, 1, VIRGL_BIND_RENDER_TARGET | VIRGL_BIND_SAMPLER_VIEW, 1024,
		      768, 1, 1, 0, 3145728),
	WORLD_TEXTURE(WORLD_DEPTH, 2D, 19, VIRGL_BIND_DEPTH_STENCIL, 1024, 768, 1, 1, 0, 3145728),
	WORLD_TEXTURE(WORLD_PICTURE, 2D, 67, VIRGL_BIND_SAMPLER_VIEW, 256, 256, 1, 1, 8, 349524),
	WORLD_TEXTURE(WORLD_CUBE, CUBE, 67, VIRGL_BIND_SAMPLER_VIEW | VIRGL_BIND_RENDER_TARGET, 64,
		      64, 1, 6, 0, 98304),
	WORLD_TEXTURE(WORLD_VOLUME, 3D, 67, VIRGL_BIND_SAMPLER_VIEW, 32, 32, 16, 1, 2, 131072),
	WORLD_TEXTURE(WORLD_ARRAY, 2D_ARRAY, 67, VIRGL_BIND_SAMPLER_VIEW, 64, 64, 1, 8, 0, 131072),
	WORLD_TEXTURE(WORLD_LINES, 1D_ARRAY, 67, VIRGL_BIND_SAMPLER_VIEW, 64, 1, 1, 8, 0, 2048),
	WORLD_TEXTURE(WORLD_PACKED, 2D, 105, VIRGL_BIND_SAMPLER_VIEW, 128, 128, 1, 1, 7, 10944),
	WORLD_BUFFER(WORLD_TEXELS, VIRGL_BIND_SAMPLER_VIEW, 65536, 65536),
};

static inline const struct virgl_resource *world_find(void *ctx, u32 guest_id)
{
	(void)ctx;
	return guest_id && guest_id <= WORLD_SIZE ? &world[guest_id] : NULL;
}

#endif
