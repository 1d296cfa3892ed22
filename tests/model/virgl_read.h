/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second reading of virgl streams, written from the protocol and not from
 * the audit's table: what a stream that the audit passed really says. The
 * first thing that is wrong stands in `problem`.
 */
#ifndef TESTS_MODEL_VIRGL_READ_H
#define TESTS_MODEL_VIRGL_READ_H

#include <string.h>

#include "gpu/virtio/virgl.h"
#include "tests/unit/virgl_world.h"

typedef unsigned __int128 u128;

static const char *problem;

static void want(bool good, const char *what)
{
	if (!good && !problem)
		problem = what;
}

enum kind {
	GL_BUFFER = 1,
	TEXTURE = 2,
	RESULTS = 4,
	STAGING = 8,
	NOTHING = 16
};

/* The guest's number of a resource in a stream that was rewritten. */
static u32 resource(u32 word, u32 kinds)
{
	static const u8 kind_of[WORLD_SIZE + 1] = {
		NOTHING, GL_BUFFER, GL_BUFFER, GL_BUFFER, GL_BUFFER, RESULTS,
		STAGING, GL_BUFFER, TEXTURE,   TEXTURE,	  TEXTURE,   TEXTURE,
		TEXTURE, TEXTURE,   TEXTURE,   TEXTURE,	  GL_BUFFER,
	};
	u32 id = word ? word - WORLD_HOST : 0;

	if (id > WORLD_SIZE) {
		want(false, "a resource that is not the guest's");
		return 0;
	}
	want(kind_of[id] & kinds, "a resource of the wrong kind");
	return id;
}

struct thing {
	u32 sub, handle, type;
	u64 pixels;
};

static struct {
	struct thing things[16384];
	u32 thing_count;
	u32 subs[64], sub_count;
	struct {
		u64 pixels, other;
		u32 stages, dsa, samplers[6][32];
	} frame[64]; /* state of each sub-context */
	u32 current; /* index of subs */
	u64 vertices, pixels;
	bool new_sub;
} me;

static struct thing *recall(u32 handle)
{
	for (u32 i = 0; i < me.thing_count; i++)
		if (me.things[i].handle == handle && me.things[i].sub == me.subs[me.current])
			return &me.things[i];
	return NULL;
}

static void remember(u32 handle, u32 type, u64 pixels)
{
	struct thing *thing = recall(handle);

	if (!thing) {
		want(me.thing_count < ARRAY_SIZE(me.things), "more objects than the test expects");
		thing = &me.things[me.thing_count++ % ARRAY_SIZE(me.things)];
	}
	*thing = (struct thing){ me.subs[me.current], handle, type, pixels };
}

static bool is_bound(u32 handle)
{
	for (u32 i = 0; i < 6 * 32; i++)
		if (me.frame[me.current].samplers[i / 32][i % 32] == handle)
			return true;
	return me.frame[me.current].dsa == handle;
}

static void forget(u32 handle)
{
	struct thing *thing = recall(handle);

	want(!thing || !is_bound(handle), "an object that is bound goes");
	if (thing)
		*thing = me.things[--me.thing_count];
}

static void forget_sub(u32 sub)
{
	for (u32 i = 0; i < me.thing_count;)
		if (me.things[i].sub == sub)
			me.things[i] = me.things[--me.thing_count];
		else
			i++;
}

static void is_object(u32 handle, u32 type, bool or_none)
{
	struct thing *thing = handle ? recall(handle) : NULL;

	want(handle ? thing && thing->type == type : or_none, "an object that is not there");
}

static u32 side(u32 pixels, u32 level)
{
	return pixels >> level ? pixels >> level : 1;
}

/* Is the box in the level? Buffers have a level of width x 1 x 1. */
static void in_level(u32 id, u32 level, const u32 *box)
{
	const struct virgl_resource *r = &world[id];
	u64 d = id == WORLD_VOLUME ? side(r->depth, level & 31) : r->array_size;

	want(level <= r->last_level, "no such level");
	if (level > r->last_level)
		return;
	want(box[3] && (u64)box[0] + box[3] <= side(r->width, level), "x outside");
	want(box[4] && (u64)box[1] + box[4] <= side(r->height, level), "y outside");
	want(box[5] && (u64)box[2] + box[5] <= d, "z outside");
}

/* Bytes from the first to the last that a transfer touches. */
static u128 touched(u32 id, u32 level, u32 stride, u32 layer_stride, const u32 *box)
{
	const struct virgl_resource *r = &world[id];
	u32 block = id == WORLD_PACKED ? 4 : 1;
	u32 bytes = r->target == VIRGL_TARGET_BUFFER ? 1 : id == WORLD_PACKED ? 8 : 4;
	u32 columns = (box[3] + block - 1) / block, rows = (box[4] + block - 1) / block;
	u128 row, layer;

	row = stride ? stride : (side(r->width, level & 31) + block - 1) / block * bytes;
	layer = layer_stride ? layer_stride
			     : row * ((side(r->height, level & 31) + block - 1) / block);
	want(row >= columns * bytes, "rows overlap");
	want(layer >= row * rows, "layers overlap");
	return (box[5] - 1) * layer + (rows - 1) * row + columns * bytes;
}

static void transfer_inside(u32 id, const u32 *w, u64 offset, u64 memory, bool from_host)
{
	want(id, "a transfer of nothing");
	in_level(id, w[2], &w[6]);
	want(problem || offset + touched(id, w[2], w[4], w[5], &w[6]) <= memory,
	     "a transfer beyond its memory");
	want(w[11] == 1 || !from_host, "several layers from the host");
	want(w[11] == 1 || (id != WORLD_CUBE && id != WORLD_LINES), "several faces");
	me.pixels = (u64)w[9] * w[10] * w[11];
}

static void span(u32 id, u32 offset, u32 bytes)
{
	if (id)
		want((u64)offset + bytes <= world[id].width, "a span beyond its buffer");
}

static u64 frame_pixels(void)
{
	return me.frame[me.current].pixels ? me.frame[me.current].pixels
					   : me.frame[me.current].other;
}

static void read_create(const u32 *w, u32 length)
{
	u32 type = w[0] >> 8 & 255, id, level, outputs;
	u64 pixels = 0;

	switch (type) {
	case 1:
		want(length == 11, "length of blend");
		for (u32 i = 4; i < 12; i++)
			want(!(w[i] & 1) || ((w[i] >> 1 & 7) < 5 && (w[i] >> 9 & 31) &&
					     (w[i] >> 4 & 31) != 16 && (w[i] >> 22 & 31) < 27),
			     "blending");
		break;
	case 2:
		want(length == 9, "length of rasterizer");
		want((w[2] & 0xc00) != 0xc00 && (w[2] & 0x3000) != 0x3000, "fill mode");
		break;
	case 3:
		want(length == 5, "length of dsa");
		break;
	case 4:
		outputs = w[5];
		want(w[2] < 5 && outputs <= 64, "shader");
		want(length >= 6 + (outputs ? 4 + 2 * outputs : 0), "length of shader");
		want(w[4] <= 262144 && (w[3] & 0x7fffffff) <= 262144, "size of shader");
		break;
	case 5:
		want(length % 4 == 1 && length <= 65, "length of elements");
		for (u32 i = 0; i < length / 4; i++)
			want(w[4 + 4 * i] < 16 && w[5 + 4 * i] && w[5 + 4 * i] < 322, "element");
		break;
	case 6:
		want(length == 6, "length of view");
		id = resource(w[2], GL_BUFFER | TEXTURE);
		want((w[3] & 0xffffff) < 322, "format of view");
		for (u32 i = 0; i < 12; i += 3)
			want((w[6] >> i & 6) != 6, "swizzle");
		if (world[id].target == VIRGL_TARGET_BUFFER)
			want(w[3] >> 24 == 0 && w[5] < world[id].width, "view of a buffer");
		else
			want((w[5] >> 8) <= world[id].last_level, "level of view");
		break;
	case 7:
		want(length == 9, "length of sampler");
		break;
	case 8:
		want(length == 5, "length of surface");
		id = resource(w[2], TEXTURE);
		level = w[4] & 31;
		want(w[3] && w[3] < 322 && w[4] <= world[id].last_level, "surface");
		pixels = (u64)side(world[id].width, level) * side(world[id].height, level) *
			 ((w[5] >> 16) - (w[5] & 0xffff) + 1);
		break;
	case 9:
		want(length == 4, "length of query");
		(void)resource(w[4], RESULTS);
		break;
	case 10:
		want(length == 4, "length of stream output");
		span(resource(w[2], GL_BUFFER), w[3], w[4]);
		break;
	default:
		want(false, "an object of unknown type");
	}
	want(w[1], "an object without a handle");
	want(!is_bound(w[1]), "an object that is bound is replaced");
	remember(w[1], type, pixels);
}

static void read_framebuffer(const u32 *w, u32 length)
{
	u64 most = 0;

	want(length == 2 + w[1] && w[1] <= 8, "length of framebuffer");
	for (u32 i = 2; i <= length && i < 11; i++) {
		is_object(w[i], 8, true);
		if (w[i] && recall(w[i]) && recall(w[i])->pixels > most)
			most = recall(w[i])->pixels;
	}
	me.frame[me.current].pixels = most;
}

static u32 blit_reach(u32 word, u32 limit)
{
	u32 size = word & 0x80000000 ? 0 - word : word;

	return size < limit ? size : limit;
}

static void read_blit(const u32 *w)
{
	u32 to = resource(w[4], TEXTURE), from = resource(w[13], TEXTURE), level = w[5];

	want(w[6] && w[6] < 322 && w[15] && w[15] < 322, "format of blit");
	want(level <= world[to].last_level && w[14] <= world[from].last_level, "level of blit");
	if (problem)
		return;
	me.pixels = (u64)blit_reach(w[10], side(world[to].width, level)) *
		    blit_reach(w[11], side(world[to].height, level)) * w[12];
}

static void read_region(const u32 *w)
{
	u32 to = resource(w[1], GL_BUFFER | TEXTURE), from = resource(w[6], GL_BUFFER | TEXTURE);

	want((world[to].target == 0) == (world[from].target == 0), "buffer to texture");
	in_level(from, w[7], &w[8]);
	if (to != WORLD_PACKED && from != WORLD_PACKED) {
		u32 box[6] = { w[3], w[4], w[5], w[11], w[12], w[13] };

		in_level(to, w[2], box);
	}
	want(w[2] <= world[to].last_level, "level of region");
	me.pixels = (u64)w[11] * w[12] * w[13];
}

static void read_sub(u32 opcode, u32 id)
{
	u32 at = 0;

	while (at < me.sub_count && me.subs[at] != id)
		at++;
	if (opcode == 29 && at == me.sub_count) {
		want(me.sub_count < 32, "too many sub-contexts");
		me.subs[me.sub_count % 64] = id;
		memset(&me.frame[me.sub_count % 64], 0, sizeof(me.frame[0]));
		me.current = me.sub_count++ % 64;
		me.new_sub = true;
		return;
	}
	want(at < me.sub_count, "a sub-context that is not there");
	if (opcode == 28)
		me.current = at;
	if (opcode != 30)
		return;
	want(id, "sub-context 0 destroyed");
	forget_sub(id);
	me.sub_count--;
	if (me.current == at) /* number 0 is the first and never moves */
		me.current = 0;
	else if (me.current == me.sub_count)
		me.current = at;
	me.subs[at] = me.subs[me.sub_count];
	me.frame[at] = me.frame[me.sub_count];
}

static void read_state(const u32 *w, u32 opcode, u32 length)
{
	switch (opcode) {
	case 4:
		want(length % 6 == 1 && w[1] + length / 6 <= 16, "viewports");
		break;
	case 10:
		want(length >= 2 && w[1] < 6 && (u64)w[2] + length - 2 <= 128, "views");
		for (u32 i = 3; i <= length; i++)
			is_object(w[i], 6, true);
		break;
	case 12:
		want(length >= 2 && w[1] < 6, "constants");
		break;
	case 14:
		want(length == 4, "blend colour");
		break;
	case 15:
		want(length % 2 == 1 && (u64)w[1] + length / 2 <= 16, "scissors");
		break;
	case 18:
		want(length >= 2 && w[1] < 6 && (u64)w[2] + length - 2 <= 32, "samplers");
		for (u32 i = 3; i <= length; i++) {
			is_object(w[i], 7, true);
			if (!problem)
				me.frame[me.current].samplers[w[1]][w[2] + i - 3] = w[i];
		}
		break;
	case 22:
	case 23:
		want(length == 32, "stipple or clip");
		break;
	case 25:
		want(length >= 1 && length <= 5, "stream outputs");
		for (u32 i = 2; i <= length; i++)
			is_object(w[i], 10, true);
		break;
	case 13:
	case 24:
	case 33:
	case 36:
	case 39:
		want(length == 1, "one dword");
		break;
	case 32:
		want(length == 6, "tessellation");
		break;
	case 38:
		want(length == 2, "no attachment");
		me.frame[me.current].other =
			(u64)(w[1] & 0xffff) * (w[1] >> 16) * (w[2] & 0xffff ? w[2] & 0xffff : 1);
		break;
	case 46:
		want(length == 2 && w[1] < 3, "tweak");
		break;
	case 51:
		want(length >= 2 && w[1] <= 4 * (length - 1), "marker");
		break;
	default:
		want(false, "a command that this test does not know");
	}
}

static void read_bindings(const u32 *w, u32 opcode, u32 length)
{
	switch (opcode) {
	case 6:
		want(length % 3 == 0 && length <= 48, "vertex buffers");
		for (u32 i = 0; i < length / 3; i++) {
			want(!w[3 + 3 * i] || w[1 + 3 * i] <= 2048, "stride of a vertex buffer");
			span(resource(w[3 + 3 * i], GL_BUFFER | NOTHING), w[2 + 3 * i], 0);
		}
		break;
	case 11:
		want(length == 1 ? !w[1] : length == 3, "index buffer");
		if (length == 3)
			span(resource(w[1], GL_BUFFER | NOTHING), w[3], 0);
		break;
	case 27:
		want(length == 5 && w[1] < 6 && w[2] < 32, "uniforms");
		span(resource(w[5], GL_BUFFER | NOTHING), w[3], w[4]);
		break;
	case 34:
		want(length >= 2 && length % 3 == 2 && w[1] < 6, "shader buffers");
		want((u64)w[2] + length / 3 <= 32, "slots of shader buffers");
		for (u32 i = 3; i + 2 <= length; i += 3)
			span(resource(w[i + 2], GL_BUFFER | NOTHING), w[i], w[i + 1]);
		break;
	case 35:
		want(length >= 2 && length % 5 == 2 && w[1] < 6, "images");
		want((u64)w[2] + length / 5 <= 32, "slots of images");
		for (u32 i = 3; i + 4 <= length; i += 5)
			if (resource(w[i + 4], GL_BUFFER | TEXTURE | NOTHING))
				want(w[i] && w[i] < 322, "format of an image");
		break;
	case 40:
		want(length >= 1 && length % 3 == 1, "atomics");
		want((u64)w[1] + length / 3 <= 32, "slots of atomics");
		for (u32 i = 2; i + 2 <= length; i += 3)
			span(resource(w[i + 2], GL_BUFFER | NOTHING), w[i], w[i + 1]);
		break;
	default:
		read_state(w, opcode, length);
	}
}

static void read_draw(const u32 *w, u32 length)
{
	u64 count = w[12] && !w[4] ? w[12] : w[2];

	want(length == 12 || length == 14, "length of draw");
	want(w[3] < 15, "primitive");
	want((me.frame[me.current].stages & 3) == 3, "a draw without shaders");
	me.vertices = count * (w[5] ? w[5] : 1);
	me.pixels = frame_pixels();
}

static void read_data(const u32 *w, u32 opcode, u32 length)
{
	u32 id = resource(w[1], GL_BUFFER | TEXTURE | RESULTS | STAGING), other;

	switch (opcode) {
	case 9:
		want(length >= 12, "length of inline write");
		transfer_inside(id, w, 0, 4 * ((u64)length - 11), false);
		break;
	case 43:
		want(length == 13 && (w[13] == 1 || w[13] == 2), "transfer");
		transfer_inside(id, w, w[12], world[id].backing_bytes, w[13] == 2);
		break;
	default:
		want(length == 14 && w[14] < 4, "copy transfer");
		other = resource(w[12], GL_BUFFER | TEXTURE | RESULTS | STAGING);
		transfer_inside(id, w, w[13], world[other].backing_bytes, w[14] & 2);
	}
}

static void read_command(const u32 *w)
{
	u32 opcode = w[0] & 255, length = w[0] >> 16;

	me.vertices = me.pixels = 0;
	me.new_sub = false;
	switch (opcode) {
	case 0:
	case 44:
		break;
	case 1:
		read_create(w, length);
		break;
	case 2:
		want(length == 1, "length of bind");
		is_object(w[1], w[0] >> 8 & 255, true);
		if ((w[0] >> 8 & 255) == 3)
			me.frame[me.current].dsa = w[1];
		break;
	case 3:
		want(length == 1, "length of destroy");
		forget(w[1]);
		break;
	case 5:
		read_framebuffer(w, length);
		break;
	case 7:
		want(length == 8, "length of clear");
		me.pixels = frame_pixels();
		break;
	case 8:
		read_draw(w, length);
		break;
	case 9:
	case 43:
	case 45:
		read_data(w, opcode, length);
		break;
	case 16:
		want(length == 21, "length of blit");
		read_blit(w);
		break;
	case 17:
		want(length == 13, "length of region");
		read_region(w);
		break;
	case 19:
	case 20:
	case 21:
		want(length == (opcode == 21 ? 2 : 1), "length of query use");
		is_object(w[1], 9, false);
		break;
	case 26:
		want(length == 3 && w[3] < 4, "condition");
		is_object(w[1], 9, true);
		break;
	case 28:
	case 29:
	case 30:
		want(length == 1, "length of sub-context");
		read_sub(opcode, w[1]);
		break;
	case 31:
		want(length == 2 && w[2] < 5, "bind shader");
		is_object(w[1], 4, true);
		if (w[1])
			me.frame[me.current].stages |= 1U << (w[2] & 7);
		else
			me.frame[me.current].stages &= ~(1U << (w[2] & 7));
		break;
	case 47:
		want(length == 12, "length of clear texture");
		in_level(resource(w[1], TEXTURE), w[2], &w[3]);
		me.pixels = (u64)w[6] * w[7] * w[8];
		break;
	case 52:
		want(length == 6, "length of link");
		break;
	default:
		read_bindings(w, opcode, length);
	}
}

static void same_cost(const struct virgl_budget *a, const struct virgl_budget *b)
{
	want(a->dwords == b->dwords && a->commands == b->commands && a->vertices == b->vertices &&
		     a->pixels == b->pixels,
	     "another cost");
}

static void end_piece(const struct virgl_audit *audit, u32 piece, u32 at, bool new_sub,
		      struct virgl_budget *cost, const struct virgl_budget *limit)
{
	same_cost(&audit->cuts[piece].cost, cost);
	want(audit->cuts[piece].end == at, "a cut within a command");
	want(audit->cuts[piece].new_sub == new_sub, "a new sub-context within a piece");
	want(cost->dwords <= limit->dwords && cost->commands <= limit->commands &&
		     cost->vertices <= limit->vertices && cost->pixels <= limit->pixels,
	     "a piece above its limit");
	memset(cost, 0, sizeof(*cost));
}

/* From the start of a context that `audit` has just passed, piece by piece. */
static void read_stream(const u32 *said, u32 count, const struct virgl_audit *audit,
			const struct virgl_budget *limit)
{
	struct virgl_budget cost = { 0 }, total = { 0 };
	u32 at = 0, piece = 0;

	me.thing_count = me.current = me.subs[0] = 0;
	memset(&me.frame[0], 0, sizeof(me.frame[0]));
	me.sub_count = 1;
	while (at < count && !problem) {
		u32 length = said[at] >> 16;

		want(at + length < count, "a command beyond the end");
		if (problem)
			return;
		read_command(&said[at]);
		at += 1 + length;
		cost.dwords += 1 + length;
		cost.commands++;
		cost.vertices += me.vertices;
		cost.pixels += me.pixels;
		total.dwords += 1 + length;
		total.commands++;
		total.vertices += me.vertices;
		total.pixels += me.pixels;
		want(piece < audit->cut_count, "fewer cuts than pieces");
		if (piece < audit->cut_count && audit->cuts[piece].end <= at)
			end_piece(audit, piece++, at, me.new_sub, &cost, limit);
		else
			want(!me.new_sub, "a new sub-context within a piece");
	}
	same_cost(&audit->total, &total);
	want(piece == audit->cut_count && at == count, "cuts and commands end apart");
}

#endif
