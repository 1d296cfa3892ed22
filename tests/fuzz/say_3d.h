/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hostile driver says of 3D, made of a fuzzer's input: commands and streams with numbers
 * that often fit each other. Contexts, resources and objects are mostly 1 to 8.
 */
#ifndef TESTS_FUZZ_SAY_3D_H
#define TESTS_FUZZ_SAY_3D_H

#include <string.h>

#include "gpu/virtio/proto.h"
#include "gpu/virtio/streams.h"
#include "gpu/virtio/virgl_formats.h"
#include "gpu/virtio/virgl_proto.h"
#include "tests/fuzz/source.h"

/* ---- streams ---- */

/* One command more than the longest stream, so that a stream can be too long. */
#define SAY_DWORDS (STREAM_BYTES_MAX / 4 + 65536)

static struct {
	u32 words[SAY_DWORDS];
	u32 used;
} said;

static void say_word(u32 word)
{
	if (said.used < SAY_DWORDS)
		said.words[said.used++] = word;
}

static void say_words(u32 opcode, u32 type, u32 count, const u32 *words)
{
	say_word(virgl_header(opcode, type, count));
	for (u32 i = 0; i < count; i++)
		say_word(words[i]);
}

/* A command of these dwords; and one of so many from the input. */
#define SAY(opcode, type, ...) \
	say_words(VIRGL_##opcode, (type), sizeof((u32[]){ __VA_ARGS__ }) / 4, \
		  (u32[]){ __VA_ARGS__ })

static void say_numbers(struct source *source, u32 opcode, u32 type, u32 count)
{
	say_word(virgl_header(opcode, type, count));
	for (u32 i = 0; i < count; i++)
		say_word(take_number(source));
}

static void say_framebuffer(struct source *source)
{
	u32 handle = take_id(source), id = take_id(source);

	if (take(source, 1) & 1) {
		SAY(SET_FRAMEBUFFER_STATE_NO_ATTACH, 0, take(source, 2) | 64U << 16, 0);
	} else {
		SAY(CREATE_OBJECT, VIRGL_OBJECT_SURFACE, handle, id, 1, 0, 0);
		SAY(SET_FRAMEBUFFER_STATE, 0, 1, 0, handle);
	}
	SAY(CLEAR, 0, 4, 0, 0, 0, 0, 0, 0, 0);
}

static void say_draw(struct source *source)
{
	SAY(CREATE_OBJECT, VIRGL_OBJECT_SHADER, 61, 0, 4, 10, 0, 0);
	SAY(CREATE_OBJECT, VIRGL_OBJECT_SHADER, 62, 1, 4, 10, 0, 0);
	SAY(BIND_SHADER, 0, 61, 0);
	SAY(BIND_SHADER, 0, 62, 1);
	SAY(DRAW_VBO, 0, 0, take(source, 3), 4, 0, 1 + take(source, 1), 0, 0, 0, 0, 0, 0, 0);
}

static void say_transfer(struct source *source, u32 opcode)
{
	u32 id = take_id(source), width = 1 + take_number(source) % 64;
	u32 height = 1 + (take(source, 1) & 3), depth = 1 + (take(source, 1) & 1);

	if (opcode == VIRGL_TRANSFER3D)
		SAY(TRANSFER3D, 0, id, 0, 0, 0, 0, 0, 0, 0, width, height, depth,
		    take_number(source), 1 + (take(source, 1) & 1));
	else
		SAY(COPY_TRANSFER3D, 0, id, 0, 0, 0, 0, 0, 0, 0, width, height, depth,
		    take_number(source), take_number(source), take(source, 1) & 3);
}

/* From one resource to another, or into one. */
static void say_copy(struct source *source)
{
	u32 to = take_id(source), from = take_id(source), side = 1 + (take(source, 1) & 31);

	switch (take(source, 1) % 4) {
	case 0:
		SAY(BLIT, 0, 0, 0, 0, to, 0, 1, 0, 0, 0, side, side, 1, from, 0, 67, 0, 0, 0, side,
		    side, 1);
		break;
	case 1:
		SAY(RESOURCE_COPY_REGION, 0, to, 0, 0, 0, 0, from, 0, 0, 0, 0, side, side, 1);
		break;
	case 2:
		SAY(CLEAR_TEXTURE, 0, to, 0, 0, 0, 0, side, side, 1, 0, 0, 0, 0);
		break;
	default:
		SAY(RESOURCE_INLINE_WRITE, 0, to, 0, 0, 0, 0, 0, 0, 0, side, 1, 1, 1, 2, 3, 4, 5, 6,
		    7, 8);
		break;
	}
}

/* Bindings, of which the device keeps the resource. */
static void say_binding(struct source *source, u32 what)
{
	u32 id = take_id(source), stage = take(source, 1) % 6, slot = take(source, 1) & 31;

	switch (what % 5) {
	case 0:
		SAY(SET_UNIFORM_BUFFER, 0, stage, slot, 0, 16, id);
		break;
	case 1:
		SAY(SET_SHADER_BUFFERS, 0, stage, slot, 0, 16, id);
		break;
	case 2:
		SAY(SET_SHADER_IMAGES, 0, stage, slot, 1, 0, 0, 0, id);
		break;
	case 3:
		SAY(SET_INDEX_BUFFER, 0, id, 2, 0);
		break;
	default:
		SAY(SET_VERTEX_BUFFERS, 0, 16, 0, id);
		break;
	}
}

static void say_object(struct source *source)
{
	u32 handle = take_id(source);

	switch (take(source, 1) % 6) {
	case 0:
		SAY(CREATE_OBJECT, VIRGL_OBJECT_DSA, handle, 0, 0, 0, 0);
		break;
	case 1:
		SAY(BIND_OBJECT, VIRGL_OBJECT_DSA, handle);
		break;
	case 2:
		SAY(CREATE_OBJECT, VIRGL_OBJECT_QUERY, handle, 0, 0, take_id(source));
		break;
	case 3:
		SAY(CREATE_OBJECT, VIRGL_OBJECT_SAMPLER_VIEW, handle, take_id(source),
		    67 | VIRGL_TARGET_2D << 24, 0, 0, 0);
		break;
	case 4:
		SAY(CREATE_OBJECT, VIRGL_OBJECT_STREAMOUT_TARGET, handle, take_id(source), 0, 16);
		break;
	default:
		SAY(DESTROY_OBJECT, 0, handle);
		break;
	}
}

static void say_anything(struct source *source)
{
	switch (take(source, 1) % 13) {
	case 0:
		say_numbers(source, take(source, 1) & 63, take(source, 1) % 12,
			    take(source, 1) & 31);
		break;
	case 1:
	case 2:
		say_object(source);
		break;
	case 3:
		SAY(CREATE_SUB_CTX, 0, take(source, 1) & 7);
		break;
	case 4:
		say_word(virgl_header(VIRGL_SET_SUB_CTX + (take(source, 1) & 1) * 2, 0, 1));
		say_word(take(source, 1) & 7);
		break;
	case 5:
		say_framebuffer(source);
		break;
	case 6:
		say_draw(source);
		break;
	case 7:
		say_transfer(source,
			     take(source, 1) & 1 ? VIRGL_TRANSFER3D : VIRGL_COPY_TRANSFER3D);
		break;
	case 12:
		say_copy(source);
		break;
	case 8:
		say_word(take(source, 4));
		break;
	case 9: /* long, for a stream of several pieces */
		say_word(virgl_header(VIRGL_NOP, 0, take(source, 2)));
		said.used = MIN(said.used + (said.words[said.used - 1] >> 16), (u32)SAY_DWORDS);
		break;
	default:
		say_binding(source, take(source, 1));
		break;
	}
}

/* A stream of up to 15 such commands; its length in bytes. */
static u32 say_stream(struct source *source)
{
	u32 count = take(source, 1) & 15;

	memset(said.words, 0, said.used * sizeof(u32));
	said.used = 0;
	for (u32 i = 0; i < count; i++)
		say_anything(source);
	return said.used * (u32)sizeof(u32);
}

/* ---- other commands ---- */

/* Mostly number 1. */
static u32 take_context(struct source *source)
{
	u32 value = take(source, 1);

	return value < 0xc0 ? 1 : value & 7;
}

/* What the guest has from the start when the input says so: resources 1 to 8, made and backed. */
static const struct virtio_gpu_create_3d furniture[] = {
	{ { 0 }, 1, VIRGL_TARGET_BUFFER, 64, VIRGL_BIND_VERTEX_BUFFER, 4096, 1, 1, 1, 0, 0, 0, 0 },
	{ { 0 },
	  2,
	  VIRGL_TARGET_BUFFER,
	  64,
	  VIRGL_BIND_CONSTANT_BUFFER,
	  4096,
	  1,
	  1,
	  1,
	  0,
	  0,
	  0,
	  0 },
	{ { 0 }, 3, VIRGL_TARGET_BUFFER, 64, VIRGL_BIND_STAGING, 8192, 1, 1, 1, 0, 0, 0, 0 },
	{ { 0 }, 4, VIRGL_TARGET_BUFFER, 64, VIRGL_BIND_CUSTOM, 16, 1, 1, 1, 0, 0, 0, 0 },
	{ { 0 }, 5, VIRGL_TARGET_2D, 1, VIRGL_BIND_RENDER_TARGET, 64, 64, 1, 1, 0, 0, 1, 0 },
	{ { 0 }, 6, VIRGL_TARGET_2D, 67, VIRGL_BIND_SAMPLER_VIEW, 32, 32, 1, 1, 5, 0, 0, 0 },
	{ { 0 }, 7, VIRGL_TARGET_CUBE, 67, VIRGL_BIND_SAMPLER_VIEW, 16, 16, 1, 6, 0, 0, 0, 0 },
	{ { 0 }, 8, VIRGL_TARGET_3D, 67, VIRGL_BIND_SAMPLER_VIEW, 16, 16, 4, 1, 0, 0, 0, 0 },
};

static void build_create_3d(struct source *source, struct virtio_gpu_create_3d *c)
{
	static const u32 binds[] = { VIRGL_BIND_RENDER_TARGET, VIRGL_BIND_SAMPLER_VIEW,
				     VIRGL_BIND_VERTEX_BUFFER, VIRGL_BIND_CONSTANT_BUFFER,
				     VIRGL_BIND_STAGING,       VIRGL_BIND_CUSTOM,
				     VIRGL_BIND_SHADER_BUFFER, VIRGL_BIND_DEPTH_STENCIL };
	static const u32 formats[] = { 1, 67, 19, 105 };
	u32 shape = take(source, 1);

	if (!(shape & 0xf)) /* as the input has it */
		return;
	*c = (struct virtio_gpu_create_3d){
		.hdr = c->hdr,
		.resource_id = take_id(source),
		.target = take(source, 1) % VIRGL_TARGETS,
		.bind = binds[take(source, 1) % ARRAY_SIZE(binds)],
		.format = formats[shape >> 4 & 3],
		.width = 1 + c->width,
		.height = 1,
		.depth = 1,
		.array_size = 1,
		.last_level = shape & 0x40 ? c->last_level % 8 : 0,
		.flags = c->flags & 1,
	};
	switch (c->target) {
	case VIRGL_TARGET_BUFFER:
		c->format = VIRGL_FORMAT_R8_UNORM;
		c->last_level = c->flags = 0;
		break;
	case VIRGL_TARGET_1D_ARRAY:
		c->array_size = 1 + (shape & 7);
		break;
	case VIRGL_TARGET_CUBE:
	case VIRGL_TARGET_CUBE_ARRAY:
		c->array_size = 6;
		c->height = c->width;
		break;
	default:
		c->height = c->target == VIRGL_TARGET_1D ? 1 : 1 + (take(source, 1) & 63);
		c->depth = c->target == VIRGL_TARGET_3D ? 1 + (shape & 15) : 1;
		break;
	}
}

static void build_transfer_3d(struct source *source, struct virtio_gpu_transfer_3d *c)
{
	if (!(take(source, 1) & 7))
		return;
	c->stride = c->layer_stride = 0;
	c->resource_id = take_id(source);
	c->offset &= 0xfff;
	c->level &= 7;
	c->box.x &= 3;
	c->box.y &= 3;
	c->box.z &= 1;
	c->box.depth = 1 + (c->box.depth & 1);
}

/* `c` is full of numbers from the input; its length when it is as it should be. */
static u32 build_3d(struct source *source, union virtio_gpu_command *c)
{
	u32 what = take(source, 1) % 10;

	c->hdr.type = what < 7 ? VIRTIO_GPU_CMD_CTX_CREATE + what
			       : VIRTIO_GPU_CMD_GET_CAPSET_INFO + (what & 1);
	c->hdr.ctx_id = take_context(source);
	switch (c->hdr.type) {
	case VIRTIO_GPU_CMD_CTX_CREATE:
		c->ctx_create.context_init &= 1;
		return sizeof(c->ctx_create);
	case VIRTIO_GPU_CMD_CTX_DESTROY:
		return sizeof(c->hdr);
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_3D:
		build_create_3d(source, &c->create_3d);
		return sizeof(c->create_3d);
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D:
	case VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D:
		build_transfer_3d(source, &c->transfer_3d);
		return sizeof(c->transfer_3d);
	case VIRTIO_GPU_CMD_GET_CAPSET_INFO:
		c->get_capset_info.index &= 1;
		return sizeof(c->get_capset_info);
	case VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE:
	case VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE:
		c->ref.resource_id = take_id(source);
		return sizeof(c->ref);
	default:
		return sizeof(c->ref);
	}
}

#endif
