/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virgl streams at random: commands of every kind that is offered, most of
 * them good ones over the resources of virgl_world.h, half of the streams
 * then damaged. Knows how commands are laid out, nothing of the audit.
 */
#ifndef TESTS_MODEL_VIRGL_GENERATE_H
#define TESTS_MODEL_VIRGL_GENERATE_H

#include <string.h>

#include "tests/unit/virgl_world.h"

#define ROOM 4096

static u64 random_state;
static u32 stream[ROOM + 1];
static u32 used;

static u32 random_u32(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (u32)(random_state >> 32);
}

static u32 below(u32 n)
{
	return random_u32() % n;
}

static bool one_in(u32 n)
{
	return below(n) == 0;
}

static void put(u32 word)
{
	if (used < ROOM)
		stream[used++] = word;
}

static void command(u32 opcode, u32 type, u32 length)
{
	put(virgl_header(opcode, type, length));
}

static void noise(u32 count)
{
	while (count--)
		put(random_u32());
}

static u32 texture_id(void)
{
	return WORLD_COLOR + below(8);
}

static u32 buffer_id(void)
{
	static const u8 ids[] = { WORLD_VERTICES, WORLD_INDICES, WORLD_UNIFORMS,
				  WORLD_FEEDBACK, WORLD_STORAGE, WORLD_TEXELS };

	return ids[below(sizeof(ids))];
}

static u32 strange(u32 usual)
{
	static const u32 edges[] = { 0, 1, 17, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff };

	if (!one_in(200))
		return usual;
	return one_in(2) ? edges[below(ARRAY_SIZE(edges))] : random_u32();
}

/* Objects of the prelude have their type as handle. */
static u32 object(u32 type)
{
	return strange(one_in(20) ? 0 : type);
}

static void level_and_box(u32 id, bool whole_blocks)
{
	const struct virgl_resource *r = &world[id];
	u32 level = below(r->last_level + 1), step = whole_blocks && id == WORLD_PACKED ? 4 : 1;
	u32 w = MAX(r->width >> level, 1U), h = MAX(r->height >> level, 1U);
	u32 d = id == WORLD_VOLUME ? MAX(r->depth >> level, 1U) : r->array_size;
	u32 x = below(w) / step * step, y = below(h) / step * step, z = below(d);

	put(strange(level));
	put(strange(x));
	put(strange(y));
	put(strange(z));
	put(strange(step == 4 ? MIN(4U, w - x) : 1 + below(w - x)));
	put(strange(step == 4 ? MIN(4U, h - y) : 1 + below(h - y)));
	put(strange(one_in(2) ? 1 : 1 + below(d - z)));
}

static u32 span_offset, span_bytes;

static void pick_span(void)
{
	span_offset = below(65536) & ~15U;
	span_bytes = below(65536 - span_offset + 1);
	if (one_in(100))
		span_bytes += 65536;
}

static void make_blend(void)
{
	command(VIRGL_CREATE_OBJECT, VIRGL_OBJECT_BLEND, 11);
	put(VIRGL_OBJECT_BLEND);
	noise(2);
	for (u32 i = 0; i < 8; i++)
		put(strange(below(2) | below(5) << 1 | (1 + below(10)) << 4 | (17 + below(5)) << 9 |
			    below(5) << 14 | (1 + below(10)) << 17 | (23 + below(4)) << 22 |
			    below(16) << 27));
}

static void make_rasterizer(void)
{
	command(VIRGL_CREATE_OBJECT, VIRGL_OBJECT_RASTERIZER, 9);
	put(VIRGL_OBJECT_RASTERIZER);
	put(strange((random_u32() & ~0x3c00U) | below(3) << 10 | below(3) << 12));
	noise(7);
}

static void make_dsa(void)
{
	command(VIRGL_CREATE_OBJECT, VIRGL_OBJECT_DSA, 5);
	put(VIRGL_OBJECT_DSA);
	noise(4);
}

static void shader_part(u32 handle, u32 stage, u32 offset, u32 outputs, u32 dwords, bool last)
{
	command(VIRGL_CREATE_OBJECT, VIRGL_OBJECT_SHADER,
		5 + (outputs ? 4 + 2 * outputs : 0) + dwords);
	put(handle);
	put(stage);
	put(offset);
	put(strange(100));
	put(outputs);
	if (outputs)
		noise(4);
	for (u32 i = 0; i < outputs; i++) {
		put(below(80) | (1 + below(4)) << 10 | below(4) << 13);
		put(below(4));
	}
	for (u32 i = 0; i < dwords; i++)
		put(last && i + 1 == dwords ? 0x414141 : 0x41414141);
}

static void make_shader(void)
{
	u32 stage = strange(below(5)), first = 1 + below(4), second = below(3), third = below(3);
	u32 bytes = (first + second + third) * 4 - below(4);

	shader_part(VIRGL_OBJECT_SHADER, stage, strange(bytes), one_in(4) ? below(5) : 0, first,
		    !second && !third);
	if (second)
		shader_part(VIRGL_OBJECT_SHADER, stage,
			    strange(first * 4) | VIRGL_SHADER_LATER_PART, 0, second, !third);
	if (third)
		shader_part(VIRGL_OBJECT_SHADER, stage,
			    strange((first + second) * 4) | VIRGL_SHADER_LATER_PART, 0, third,
			    true);
}

static void make_elements(void)
{
	u32 count = below(17);

	command(VIRGL_CREATE_OBJECT, VIRGL_OBJECT_VERTEX_ELEMENTS, 1 + 4 * count);
	put(VIRGL_OBJECT_VERTEX_ELEMENTS);
	for (u32 i = 0; i < count; i++) {
		put(below(2048));
		put(below(2));
		put(strange(below(16)));
		put(strange(28 + below(20)));
	}
}

static void make_view(void)
{
	u32 id = one_in(4) ? buffer_id() : texture_id();
	const struct virgl_resource *r = &world[id];
	u32 first = below(64), level = below(r->last_level + 1);
	u32 layers = id == WORLD_VOLUME ? r->depth : r->array_size;

	command(VIRGL_CREATE_OBJECT, VIRGL_OBJECT_SAMPLER_VIEW, 6);
	put(VIRGL_OBJECT_SAMPLER_VIEW);
	put(strange(id));
	put(strange(67 | (id >= WORLD_COLOR && id < WORLD_TEXELS ? below(9) << 24 : 0)));
	if (r->target == VIRGL_TARGET_BUFFER) {
		put(strange(first));
		put(strange(first + below(16384 - first)));
	} else {
		put(strange(below(layers) | (layers - 1) << 16));
		put(strange(below(level + 1) | level << 8));
	}
	put(strange(below(6) | below(6) << 3 | below(6) << 6 | below(6) << 9));
}

static void make_sampler_state(void)
{
	command(VIRGL_CREATE_OBJECT, VIRGL_OBJECT_SAMPLER_STATE, 9);
	put(VIRGL_OBJECT_SAMPLER_STATE);
	put((random_u32() & ~(3U << 11)) | below(3) << 11);
	noise(7);
}

static void make_surface(void)
{
	u32 id = one_in(2) ? WORLD_COLOR : texture_id();
	const struct virgl_resource *r = &world[id];
	u32 level = below(r->last_level + 1);
	u32 layers = id == WORLD_VOLUME ? MAX(r->depth >> level, 1U) : r->array_size;
	u32 first = below(layers);

	command(VIRGL_CREATE_OBJECT, VIRGL_OBJECT_SURFACE, 5);
	put(VIRGL_OBJECT_SURFACE);
	put(strange(id));
	put(strange(r->format));
	put(strange(level));
	put(strange(first | (first + below(layers - first)) << 16));
}

static void make_query(void)
{
	command(VIRGL_CREATE_OBJECT, VIRGL_OBJECT_QUERY, 4);
	put(VIRGL_OBJECT_QUERY);
	put(strange(below(13)) | below(4) << 16);
	put(strange(0));
	put(strange(WORLD_RESULTS));
}

static void make_so_target(void)
{
	pick_span();
	command(VIRGL_CREATE_OBJECT, VIRGL_OBJECT_STREAMOUT_TARGET, 4);
	put(VIRGL_OBJECT_STREAMOUT_TARGET);
	put(strange(buffer_id()));
	put(span_offset);
	put(span_bytes);
}

static void bind_object(void)
{
	static const u8 types[] = { VIRGL_OBJECT_BLEND, VIRGL_OBJECT_RASTERIZER, VIRGL_OBJECT_DSA,
				    VIRGL_OBJECT_VERTEX_ELEMENTS };
	u32 type = types[below(4)];

	command(VIRGL_BIND_OBJECT, type, 1);
	put(object(type));
}

static void destroy_object(void)
{
	command(VIRGL_DESTROY_OBJECT, 0, 1);
	put(one_in(2) ? 50 + below(10) : object(1 + below(10)));
}

static void slots(u32 opcode, u32 size, u32 step, u32 *count)
{
	*count = below(MIN(size, 6U) + 1);
	command(opcode, 0, 2 + *count * step);
	put(strange(below(6)));
	put(strange(below(size - *count + 1)));
}

static void set_views(void)
{
	u32 count;

	slots(VIRGL_SET_SAMPLER_VIEWS, 128, 1, &count);
	while (count--)
		put(object(VIRGL_OBJECT_SAMPLER_VIEW));
}

static void set_samplers(void)
{
	u32 count;

	slots(VIRGL_BIND_SAMPLER_STATES, 32, 1, &count);
	while (count--)
		put(object(VIRGL_OBJECT_SAMPLER_STATE));
}

static void put_span_and_buffer(void)
{
	pick_span();
	put(span_offset);
	put(span_bytes);
	put(one_in(10) ? 0 : strange(buffer_id()));
}

static void set_shader_buffers(void)
{
	u32 count;

	slots(VIRGL_SET_SHADER_BUFFERS, 32, 3, &count);
	while (count--)
		put_span_and_buffer();
}

static void set_images(void)
{
	u32 count;

	slots(VIRGL_SET_SHADER_IMAGES, 32, 5, &count);
	while (count--) {
		u32 id = one_in(3) ? buffer_id() : texture_id();

		put(strange(67));
		put(strange(1 + below(3)));
		pick_span();
		put(world[id].target == VIRGL_TARGET_BUFFER ? span_offset : 0);
		put(world[id].target == VIRGL_TARGET_BUFFER ? span_bytes
							    : below(world[id].last_level + 1));
		put(one_in(10) ? 0 : strange(id));
	}
}

static void set_atomics(void)
{
	u32 count = below(5);

	command(VIRGL_SET_ATOMIC_BUFFERS, 0, 1 + 3 * count);
	put(strange(below(32 - count + 1)));
	while (count--)
		put_span_and_buffer();
}

static void set_uniforms(void)
{
	command(VIRGL_SET_UNIFORM_BUFFER, 0, 5);
	put(strange(below(6)));
	put(strange(below(32)));
	put_span_and_buffer();
}

static void set_constants(void)
{
	u32 count = below(20);

	command(VIRGL_SET_CONSTANT_BUFFER, 0, 2 + count);
	put(strange(below(6)));
	noise(1 + count);
}

static void set_framebuffer(void)
{
	u32 count = below(9);

	command(VIRGL_SET_FRAMEBUFFER_STATE, 0, 2 + count);
	put(strange(count));
	put(object(VIRGL_OBJECT_SURFACE));
	while (count--)
		put(object(VIRGL_OBJECT_SURFACE));
}

static void set_no_attach(void)
{
	command(VIRGL_SET_FRAMEBUFFER_STATE_NO_ATTACH, 0, 2);
	put(strange(below(2048) | below(2048) << 16));
	put(strange(below(4)));
}

static void set_vertex_buffers(void)
{
	u32 count = below(5);

	command(VIRGL_SET_VERTEX_BUFFERS, 0, 3 * count);
	while (count--) {
		put(strange(below(2049)));
		put(strange(below(65537)));
		put(one_in(10) ? 0 : strange(buffer_id()));
	}
}

static void set_index_buffer(void)
{
	if (one_in(8)) {
		command(VIRGL_SET_INDEX_BUFFER, 0, 1);
		put(strange(0));
		return;
	}
	command(VIRGL_SET_INDEX_BUFFER, 0, 3);
	put(strange(buffer_id()));
	put(strange(1U << below(3)));
	put(strange(below(65537)));
}

static void set_so_targets(void)
{
	u32 count = below(5);

	command(VIRGL_SET_STREAMOUT_TARGETS, 0, 1 + count);
	put(random_u32());
	while (count--)
		put(object(VIRGL_OBJECT_STREAMOUT_TARGET));
}

static void set_windows(void)
{
	bool scissor = one_in(2);
	u32 count = below(17);

	command(scissor ? VIRGL_SET_SCISSOR_STATE : VIRGL_SET_VIEWPORT_STATE, 0,
		1 + count * (scissor ? 2 : 6));
	put(strange(below(17 - count)));
	noise(count * (scissor ? 2 : 6));
}

/* Commands of a fixed length whose fields bound nothing. */
static void set_plain(void)
{
	static const struct {
		u8 opcode, length;
	} plain[] = {
		{ VIRGL_SET_STENCIL_REF, 1 },	   { VIRGL_SET_BLEND_COLOR, 4 },
		{ VIRGL_SET_POLYGON_STIPPLE, 32 }, { VIRGL_SET_CLIP_STATE, 32 },
		{ VIRGL_SET_SAMPLE_MASK, 1 },	   { VIRGL_SET_MIN_SAMPLES, 1 },
		{ VIRGL_SET_TESS_STATE, 6 },	   { VIRGL_MEMORY_BARRIER, 1 },
		{ VIRGL_TEXTURE_BARRIER, 1 },
	};
	u32 i = below(ARRAY_SIZE(plain));

	command(plain[i].opcode, 0, plain[i].length);
	noise(plain[i].length);
}

static void say_any_length(void)
{
	u32 count = below(16);

	command(one_in(2) ? VIRGL_NOP : VIRGL_END_TRANSFERS, 0, count);
	noise(count);
}

static void set_tweak_or_marker(void)
{
	u32 count = 1 + below(4);

	if (one_in(2)) {
		command(VIRGL_SET_TWEAKS, 0, 2);
		put(strange(below(3)));
		noise(1);
		return;
	}
	command(VIRGL_SEND_STRING_MARKER, 0, 1 + count);
	put(strange(below(count * 4 + 1)));
	noise(count);
}

static void use_query(void)
{
	switch (below(4)) {
	case 0:
		command(VIRGL_BEGIN_QUERY, 0, 1);
		put(strange(VIRGL_OBJECT_QUERY));
		break;
	case 1:
		command(VIRGL_END_QUERY, 0, 1);
		put(strange(VIRGL_OBJECT_QUERY));
		break;
	case 2:
		command(VIRGL_GET_QUERY_RESULT, 0, 2);
		put(strange(VIRGL_OBJECT_QUERY));
		put(below(2));
		break;
	default:
		command(VIRGL_SET_RENDER_CONDITION, 0, 3);
		put(object(VIRGL_OBJECT_QUERY));
		put(below(2));
		put(strange(below(4)));
		break;
	}
}

static void use_shader(void)
{
	if (one_in(2)) {
		command(VIRGL_BIND_SHADER, 0, 2);
		put(strange(14)); /* of the prelude: for fragments */
		put(strange(VIRGL_STAGE_FRAGMENT));
		return;
	}
	command(VIRGL_LINK_SHADER, 0, 6);
	for (u32 i = 0; i < 6; i++)
		put(one_in(2) ? 0 : below(20));
}

static void use_sub(void)
{
	u32 id = 1 + below(40);

	command(VIRGL_CREATE_SUB_CTX, 0, 1);
	put(id);
	if (one_in(2)) {
		command(VIRGL_DESTROY_SUB_CTX, 0, 1);
		put(strange(id));
	}
	command(VIRGL_SET_SUB_CTX, 0, 1);
	put(strange(0));
}

static void clear(void)
{
	command(VIRGL_CLEAR, 0, 8);
	noise(8);
}

static void draw(void)
{
	bool patches = one_in(4);

	command(VIRGL_DRAW_VBO, 0, patches ? 14 : 12);
	noise(1);
	put(strange(one_in(20) ? below(1000000) : below(10000)));
	put(strange(patches ? 14 : below(14)));
	put(below(2));
	put(strange(below(4)));
	noise(6);
	put(one_in(8) ? below(5000) : 0);
	if (patches) {
		put(strange(below(33)));
		noise(1);
	}
}

static void clear_texture(void)
{
	u32 id = texture_id();

	command(VIRGL_CLEAR_TEXTURE, 0, 12);
	put(strange(id));
	level_and_box(id, false);
	noise(4);
}

static void blit_side(void)
{
	u32 id = texture_id(), at = used + 1;

	put(strange(id));
	level_and_box(id, false);
	/* The format comes between level and box. */
	memmove(&stream[at + 2], &stream[at + 1], 6 * sizeof(stream[0]));
	stream[at + 1] = strange(world[id].format);
	used++;
	if (one_in(3)) {
		stream[at + 5] = 0 - stream[at + 5];
		stream[at + 2] -= below(100);
	}
}

static void blit(void)
{
	if (used + 32 > ROOM)
		return;
	command(VIRGL_BLIT, 0, 21);
	noise(3);
	blit_side();
	blit_side();
}

static void copy_region(void)
{
	u32 id = texture_id(), other = one_in(4) ? id : texture_id(), at = used + 1;

	if (used + 32 > ROOM)
		return;
	if (one_in(3)) {
		id = buffer_id();
		other = buffer_id();
	}
	command(VIRGL_RESOURCE_COPY_REGION, 0, 13);
	put(strange(other));
	put(strange(below(world[other].last_level + 1)));
	for (u32 i = 0; i < 3; i++)
		put(0);
	put(strange(id));
	level_and_box(id, true);
	if (other == id) { /* to the same place, then it fits */
		stream[at + 1] = stream[at + 6];
		memcpy(&stream[at + 2], &stream[at + 7], 3 * sizeof(stream[0]));
	}
}

static u32 any_id(void)
{
	return one_in(2) ? texture_id() : 1 + below(7);
}

/* The eleven dwords that three commands begin with. */
static void transfer_head(u32 id)
{
	u32 at = used;

	put(strange(id));
	level_and_box(id, true);
	memmove(&stream[at + 5], &stream[at + 2], 6 * sizeof(stream[0]));
	stream[at + 2] = random_u32();
	stream[at + 3] = one_in(50) ? below(8192) : 0;
	stream[at + 4] = one_in(50) ? below(65536) : 0;
	used = at + 11;
}

static void inline_write(void)
{
	u32 at = used, id = any_id();

	if (used + 600 > ROOM)
		return;
	command(VIRGL_RESOURCE_INLINE_WRITE, 0, 0);
	transfer_head(id);
	if (!one_in(4)) { /* small, then the data is enough */
		stream[at + 9] = MIN(stream[at + 9], 512U);
		stream[at + 10] = MIN(stream[at + 10], id == WORLD_PACKED ? 4U : 1U);
		stream[at + 11] = 1;
	}
	noise(512);
	stream[at] = virgl_header(VIRGL_RESOURCE_INLINE_WRITE, 0, used - at - 1);
}

static void transfer(void)
{
	u32 id = any_id();

	if (used + 32 > ROOM)
		return;
	command(VIRGL_TRANSFER3D, 0, 13);
	transfer_head(id);
	if (one_in(2))
		stream[used - 1] = 1;
	put(one_in(4) ? below(4096) & ~3U : 0);
	put(strange(1 + below(2)));
}

static void copy_transfer(void)
{
	u32 id = any_id();

	if (used + 32 > ROOM)
		return;
	command(VIRGL_COPY_TRANSFER3D, 0, 14);
	transfer_head(id);
	if (one_in(2))
		stream[used - 1] = 1;
	put(strange(WORLD_STAGING));
	put(strange(below(65536)));
	put(strange(below(4)));
}

static void (*const generators[])(void) = {
	make_blend,
	make_rasterizer,
	make_dsa,
	make_shader,
	make_elements,
	make_view,
	make_surface,
	make_sampler_state,
	make_query,
	make_so_target,
	bind_object,
	destroy_object,
	set_views,
	set_samplers,
	set_shader_buffers,
	set_images,
	set_atomics,
	set_uniforms,
	set_constants,
	set_framebuffer,
	set_no_attach,
	set_vertex_buffers,
	set_index_buffer,
	set_so_targets,
	set_windows,
	set_plain,
	set_plain,
	say_any_length,
	set_tweak_or_marker,
	use_query,
	use_shader,
	use_sub,
	clear,
	draw,
	draw,
	clear_texture,
	blit,
	copy_region,
	inline_write,
	transfer,
	copy_transfer,
};

static void prelude(void)
{
	for (u32 i = 0; i < 10; i++)
		generators[i]();
	shader_part(13, VIRGL_STAGE_VERTEX, 8, 0, 2, true);
	shader_part(14, VIRGL_STAGE_FRAGMENT, 8, 0, 2, true);
	for (u32 stage = VIRGL_STAGE_VERTEX; stage <= VIRGL_STAGE_FRAGMENT; stage++) {
		command(VIRGL_BIND_SHADER, 0, 2);
		put(one_in(30) ? 0 : 13 + stage);
		put(stage);
	}
}

static void damage(void)
{
	static const u8 shifts[] = { 0, 8, 16 };
	u32 at;

	for (u32 n = 1 + below(3); n > 0 && used > 1; n--) {
		at = below(used);
		switch (below(6)) {
		case 0:
			stream[at] = random_u32();
			break;
		case 1:
			stream[at] ^= 1U << below(32);
			break;
		case 2:
			stream[at] += (below(3) - 1U) << shifts[below(3)];
			break;
		case 3:
			stream[at] = strange(below(80));
			break;
		case 4:
			used -= 1 + below(MIN(used - 1, 8U));
			break;
		default:
			at = 0; /* a header: its length, type or opcode */
			for (u32 skip = below(20); skip > 0; skip--)
				if (at + virgl_length(stream[at]) + 1 < used)
					at += virgl_length(stream[at]) + 1;
			stream[at] += (below(5) - 2U) << shifts[below(3)];
			break;
		}
	}
}

static void generate(void)
{
	used = 0;
	prelude();
	for (u32 n = 1 + below(12); n > 0; n--)
		generators[below(ARRAY_SIZE(generators))]();
	if (one_in(2))
		damage();
}

#endif
