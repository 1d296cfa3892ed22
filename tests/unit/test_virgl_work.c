/* SPDX-License-Identifier: Apache-2.0 */
/* The audit of virgl streams: shaders, drawing and copying, data, and what they cost. */
// SOURCES: gpu/virtio/virgl.c gpu/virtio/virgl_rules.c gpu/virtio/virgl_checks.c
// SOURCES: gpu/virtio/virgl_objects.c gpu/virtio/virgl_resource.c gpu/virtio/virgl_formats.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/virgl_stream.h"

/* ---- shaders ---- */

#define TEXT	  0x41414141
#define LAST_TEXT 0x00414141
#define LATER	  VIRGL_SHADER_LATER_PART

static void a_shader_comes_whole(void **state)
{
	(void)state;
	CREATE(SHADER, 5, 1, 8, 100, 0, TEXT, LAST_TEXT);
	CREATE(SHADER, 6, 0, 5, 100, 0, TEXT, LAST_TEXT);
	SAY(BIND_SHADER, 5, 1);
	SAY(BIND_SHADER, 0, 0);
	SAY(LINK_SHADER, 6, 5, 0, 0, 0, 0);
	SAY(LINK_SHADER, 99, 5, 0, 0, 0, 0); /* only a hint */
	passes();
	SAY(BIND_SHADER, 5, 0);
	refused("a shader of another stage");
	SAY(BIND_SHADER, 99, 0);
	refused("no such object");
}

static void a_shader_comes_in_parts(void **state)
{
	(void)state;
	CREATE(SHADER, 5, 1, 15, 100, 0, TEXT);
	SAY(SET_SUB_CTX, 0);
	passes();
	CREATE(SHADER, 5, 1, 4 | LATER, 100, 0, TEXT, TEXT);
	passes();
	SAY(BIND_SHADER, 5, 1);
	refused("a shader is not complete");
	SAY(LINK_SHADER, 0, 5, 0, 0, 0, 0);
	refused("a shader is not complete");
	SAY(DESTROY_OBJECT, 5);
	refused("a shader is not complete");
	CREATE(DSA, 5, 0, 0, 0, 0);
	refused("a shader is not complete");
	CREATE(SHADER, 6, 0, 4, 100, 0, LAST_TEXT);
	refused("a shader is not complete");
	CREATE(SHADER, 5, 1, 12 | LATER, 100, 0, LAST_TEXT);
	SAY(BIND_SHADER, 5, 1);
	SAY(DESTROY_OBJECT, 5);
	passes();
}

static void parts_of_a_shader_fit_together(void **state)
{
	(void)state;
	CREATE(SHADER, 5, 1, 4 | LATER, 100, 0, TEXT);
	refused("part of a shader that was not begun");
	CREATE(SHADER, 5, 1, 16, 100, 0, TEXT);
	passes();
	CREATE(SHADER, 5, 0, 4 | LATER, 100, 0, TEXT);
	refused("part of a shader that was not begun");
	CREATE(SHADER, 6, 1, 4 | LATER, 100, 0, TEXT);
	refused("part of a shader that was not begun");
	CREATE(SHADER, 5, 1, 8 | LATER, 100, 0, TEXT);
	refused("part of a shader in the wrong place");
	CREATE(SHADER, 5, 1, 4 | LATER, 100, 0, TEXT, TEXT, TEXT, LAST_TEXT);
	refused("part of a shader in the wrong place");
	CREATE(SHADER, 5, 1, 4 | LATER, 100, 1, 0, 0, 0, 0, 1 << 10, 0, TEXT);
	refused("part of a shader in the wrong place");
	CREATE(SHADER, 5, 1, 4 | LATER, 100, 0, TEXT, TEXT, TEXT);
	refused("text of a shader without an end");
}

static void text_and_tokens_are_bounded(void **state)
{
	(void)state;
	CREATE(SHADER, 5, 1, 0, 100, 0, LAST_TEXT);
	refused("length of a shader");
	CREATE(SHADER, 5, 1, 4, 100, 0);
	refused("length of a shader");
	CREATE(SHADER, 5, 1, 4, 100, 0, TEXT, LAST_TEXT);
	refused("length of a shader");
	CREATE(SHADER, 5, 1, VIRGL_SHADER_BYTES_MAX + 1, 100, 0, TEXT);
	refused("length of a shader");
	CREATE(SHADER, 5, 1, 0x7fffffff, 100, 0, TEXT);
	refused("length of a shader");
	CREATE(SHADER, 5, 1, 4, VIRGL_SHADER_TOKENS_MAX + 1, 0, LAST_TEXT);
	refused("too many tokens");
	CREATE(SHADER, 5, 1, 4, 0xfffffff6, 0, LAST_TEXT); /* + 10 * 4 wraps */
	refused("too many tokens");
	CREATE(SHADER, 5, 1, 4, 100, 0, TEXT);
	refused("text of a shader without an end");
	CREATE(SHADER, 5, 5, 4, 100, 0, LAST_TEXT); /* compute */
	refused("unknown shader stage");
	CREATE(SHADER, 5, 1, VIRGL_SHADER_BYTES_MAX, 100, 0, TEXT);
	passes();
}

static void stream_outputs_lie_in_the_renderers_arrays(void **state)
{
	(void)state;
	CREATE(SHADER, 5, 0, 4, 100, 1, 0, 0, 0, 0, 79 | 4 << 10 | 3 << 13, 0, LAST_TEXT);
	passes();
	CREATE(SHADER, 5, 0, 4, 100, 1, 0, 0, 0, 0, 80 | 4 << 10, 0, LAST_TEXT);
	refused("impossible stream output");
	CREATE(SHADER, 5, 0, 4, 100, 1, 0, 0, 0, 0, 1 << 8 | 4 << 10, 0, LAST_TEXT);
	refused("impossible stream output");
	CREATE(SHADER, 5, 0, 4, 100, 1, 0, 0, 0, 0, 0, 0, LAST_TEXT);
	refused("impossible stream output");
	CREATE(SHADER, 5, 0, 4, 100, 1, 0, 0, 0, 0, 4 << 10 | 4 << 13, 0, LAST_TEXT);
	refused("impossible stream output");
	CREATE(SHADER, 5, 0, 4, 100, 65, 0, LAST_TEXT);
	refused("length of a shader");
	CREATE(SHADER, 5, 0, 4, 100, 0x7ffffffe, 0, LAST_TEXT); /* twice that wraps */
	refused("length of a shader");
	CREATE(SHADER, 5, 0, 4, 100, 2, 0, 0, 0, 0, 4 << 10, 0, LAST_TEXT);
	refused("length of a shader");
}

static void shaders_are_bounded_in_number(void **state)
{
	(void)state;
	for (u32 i = 1; i <= VIRGL_SHADERS_MAX; i++)
		CREATE(SHADER, i, 0, 4, 100, 0, LAST_TEXT);
	passes();
	CREATE(SHADER, 1000000, 0, 4, 100, 0, LAST_TEXT);
	refused("too many objects");
}

/* ---- state ---- */

static void other_numbers_are_in_their_range(void **state)
{
	(void)state;
	SAY(SET_FRAMEBUFFER_STATE, 2, 0, 0);
	refused("number of colour buffers");
	SAY(SET_FRAMEBUFFER_STATE_NO_ATTACH, 16385, 0);
	refused("size of a framebuffer");
	SAY(SET_FRAMEBUFFER_STATE_NO_ATTACH, 0, 2049);
	refused("size of a framebuffer");
	SAY(SET_FRAMEBUFFER_STATE_NO_ATTACH, 0, 2 << 16);
	refused("multisampling is not offered");
	SAY(SET_TWEAKS, 3, 0);
	refused("unknown tweak");
	SAY(SEND_STRING_MARKER, 5, 0);
	refused("length of a text");
	CREATE(QUERY, 5, 1, 0, WORLD_RESULTS);
	passes();
	SAY(SET_RENDER_CONDITION, 5, 1, 4);
	refused("unknown condition");
	CREATE(SAMPLER_STATE, 8, 3 << 11, 0, 0, 0, 0, 0, 0, 0);
	refused("unknown filter");
	SAY(DRAW_VBO, 0, 3, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	refused("unknown primitive");
	SAY(DRAW_VBO, 0, 3, 14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 33, 0);
	refused("vertices of a patch");
	SAY(DRAW_VBO, 0, 3, 14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3);
	refused("length of a draw");
}

/* ---- work and data ---- */

static void a_blit_may_be_mirrored_and_hang_over_but_not_in_depth(void **state)
{
	(void)state;
	SAY(BLIT, 0, 0, 0, WORLD_COLOR, 0, BGRA, 1024, 0, 0, (u32)-1024, 768, 1, WORLD_PICTURE, 1,
	    67, (u32)-5, 0, 0, 200, 200, 1);
	passes();
	assert_int_equal(audit.total.pixels, 1024 * 768);
	SAY(BLIT, 0, 0, 0, WORLD_COLOR, 1, BGRA, 0, 0, 0, 1, 1, 1, WORLD_PICTURE, 0, 67, 0, 0, 0, 1,
	    1, 1);
	refused("no such level");
	SAY(BLIT, 0, 0, 0, WORLD_COLOR, 0, BGRA, 0, 0, 0, 1, 1, 1, WORLD_PICTURE, 32, 67, 0, 0, 0,
	    1, 1, 1);
	refused("no such level");
	SAY(BLIT, 0, 0, 0, WORLD_ARRAY, 0, 67, 0, 0, 7, 1, 1, 2, WORLD_ARRAY, 0, 67, 0, 0, 0, 1, 1,
	    1);
	refused("no such layer");
	SAY(BLIT, 0, 0, 0, WORLD_ARRAY, 0, 67, 0, 0, 0, 1, 1, 0x7fffffff, WORLD_ARRAY, 0, 67, 0, 0,
	    0, 1, 1, 0x7fffffff);
	refused("no such layer");
	SAY(BLIT, 0, 0, 0, WORLD_COLOR, 0, BGRA, 0x7fffffff, 0, 0, 0x7fffffff, 1, 1, WORLD_PICTURE,
	    0, 67, 0, 0, 0, 1, 1, 1);
	refused("box far outside the level");
}

/* 2019-18390: a format beyond the end of the renderer's table. Here: dwords 6 and 15 of BLIT. */
static void cve_2019_18390_formats_of_a_blit_are_known(void **state)
{
	static const u32 strange[] = { 0, 262, 322, 0x7fffffff, 0xffffffff };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(strange); i++) {
		SAY(BLIT, 0, 0, 0, WORLD_COLOR, 0, strange[i], 0, 0, 0, 1, 1, 1, WORLD_PICTURE, 0,
		    67, 0, 0, 0, 1, 1, 1);
		refused("unknown format");
		SAY(BLIT, 0, 0, 0, WORLD_COLOR, 0, BGRA, 0, 0, 0, 1, 1, 1, WORLD_PICTURE, 0,
		    strange[i], 0, 0, 0, 1, 1, 1);
		refused("unknown format");
	}
}

static void a_copied_region_lies_in_both(void **state)
{
	(void)state;
	SAY(RESOURCE_COPY_REGION, WORLD_COLOR, 0, 768, 512, 0, WORLD_PICTURE, 0, 0, 0, 0, 256, 256,
	    1);
	SAY(RESOURCE_COPY_REGION, WORLD_ARRAY, 0, 0, 0, 2, WORLD_CUBE, 0, 0, 0, 5, 64, 64, 1);
	SAY(RESOURCE_COPY_REGION, WORLD_CUBE, 0, 0, 0, 0, WORLD_CUBE, 0, 0, 0, 0, 64, 64, 6);
	passes();
	assert_int_equal(audit.total.pixels, 256 * 256 + 64 * 64 * 7);
	SAY(RESOURCE_COPY_REGION, WORLD_COLOR, 0, 769, 512, 0, WORLD_PICTURE, 0, 0, 0, 0, 256, 256,
	    1);
	refused("box outside the level");
	SAY(RESOURCE_COPY_REGION, WORLD_COLOR, 0, 0, 0, 0, WORLD_PICTURE, 0, 1, 0, 0, 256, 256, 1);
	refused("box outside the level");
	SAY(RESOURCE_COPY_REGION, WORLD_COLOR, 0, 0, 0, 1, WORLD_PICTURE, 0, 0, 0, 0, 2, 2, 1);
	refused("box outside the level");
	SAY(RESOURCE_COPY_REGION, WORLD_PICTURE, 9, 0, 0, 0, WORLD_PICTURE, 0, 0, 0, 0, 1, 1, 1);
	refused("box outside the level");
	SAY(RESOURCE_COPY_REGION, WORLD_STORAGE, 0, 65530, 0, 0, WORLD_VERTICES, 0, 0, 0, 0, 7, 1,
	    1);
	refused("box outside the level");
	SAY(RESOURCE_COPY_REGION, WORLD_STORAGE, 0, 0xffffffff, 0, 0, WORLD_VERTICES, 0, 0, 0, 0, 7,
	    1, 1);
	refused("box outside the level");
	SAY(RESOURCE_COPY_REGION, WORLD_ARRAY, 0, 0, 0, 0, WORLD_CUBE, 0, 0, 0, 0, 64, 64, 6);
	refused("several faces to what is no cube");
}

static void blocks_are_copied_as_blocks(void **state)
{
	(void)state;
	/* 32x32 blocks of DXT1 to as many pixels and back. */
	SAY(RESOURCE_COPY_REGION, WORLD_PICTURE, 0, 224, 224, 0, WORLD_PACKED, 0, 0, 0, 0, 128, 128,
	    1);
	SAY(RESOURCE_COPY_REGION, WORLD_PACKED, 0, 64, 64, 0, WORLD_PICTURE, 0, 0, 0, 0, 16, 16, 1);
	SAY(RESOURCE_COPY_REGION, WORLD_PACKED, 6, 0, 0, 0, WORLD_PACKED, 0, 0, 0, 0, 4, 4, 1);
	passes();
	SAY(RESOURCE_COPY_REGION, WORLD_PICTURE, 0, 225, 224, 0, WORLD_PACKED, 0, 0, 0, 0, 128, 128,
	    1);
	refused("box outside the level");
	SAY(RESOURCE_COPY_REGION, WORLD_PACKED, 0, 68, 64, 0, WORLD_PICTURE, 0, 0, 0, 0, 16, 16, 1);
	refused("box outside the level");
	SAY(RESOURCE_COPY_REGION, WORLD_PACKED, 0, 2, 0, 0, WORLD_PICTURE, 0, 0, 0, 0, 1, 1, 1);
	refused("box outside the level");
}

static void a_cleared_box_lies_in_its_level(void **state)
{
	(void)state;
	SAY(CLEAR_TEXTURE, WORLD_ARRAY, 0, 0, 0, 0, 64, 64, 8, 1, 2, 3, 4);
	passes();
	assert_int_equal(audit.total.pixels, 64 * 64 * 8);
	SAY(CLEAR_TEXTURE, WORLD_ARRAY, 1, 0, 0, 0, 1, 1, 1, 1, 2, 3, 4);
	refused("box outside the level");
	SAY(CLEAR_TEXTURE, WORLD_ARRAY, 0, 1, 0, 0, 64, 64, 8, 1, 2, 3, 4);
	refused("box outside the level");
}

static void put_inline(u32 id, u32 x, u32 y, u32 z, u32 w, u32 h, u32 d, u32 stride, u32 data)
{
	put(virgl_header(VIRGL_RESOURCE_INLINE_WRITE, 0, 11 + data));
	for (u32 i = 0; i < 11; i++)
		put((u32[]){ id, 0, 0, stride, 0, x, y, z, w, h, d }[i]);
	for (u32 i = 0; i < data; i++)
		put(i);
}

static void an_inline_write_brings_its_data(void **state)
{
	(void)state;
	put_inline(WORLD_VERTICES, 65530, 0, 0, 6, 1, 1, 0, 2);
	put_inline(WORLD_COLOR, 1020, 767, 0, 4, 1, 1, 0, 4);
	put_inline(WORLD_COLOR, 0, 0, 0, 4, 2, 1, 16, 8);
	passes();
	put_inline(WORLD_COLOR, 0, 0, 0, 4, 2, 1, 12, 8);
	refused("transfer outside level or memory");
	put_inline(WORLD_COLOR, 0, 0, 0, 4, 2, 1, 0, 8); /* rows of the level: 4096 bytes */
	refused("transfer outside level or memory");
	put_inline(WORLD_RESULTS, 0, 0, 0, 16, 1, 1, 0, 4);
	passes();
}

/*
 * 2019-18389: a box of negative width passed the renderer's check. Here: the
 * box of RESOURCE_INLINE_WRITE, dwords 6 to 11.
 */
static void cve_2019_18389_the_box_of_an_inline_write_lies_in_the_level(void **state)
{
	static const u32 sides[] = { 0, 0x80000000, 0xffffffff, 65537, 0x7fffffff };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(sides); i++) {
		put_inline(WORLD_VERTICES, 0, 0, 0, sides[i], 1, 1, 0, 64);
		refused("transfer outside level or memory");
		put_inline(WORLD_COLOR, 0, 0, 0, 1, sides[i], 1, 0, 64);
		refused("transfer outside level or memory");
		put_inline(WORLD_ARRAY, 0, 0, 0, 1, 1, sides[i], 0, 64);
		refused("transfer outside level or memory");
	}
	put_inline(WORLD_VERTICES, 0xffffffff, 0, 0, 4, 1, 1, 0, 64);
	refused("transfer outside level or memory");
	put_inline(WORLD_COLOR, 0, 0xfffffff0, 0, 4, 32, 1, 0, 64);
	refused("transfer outside level or memory");
	put_inline(WORLD_VERTICES, 0, 1, 0, 4, 1, 1, 0, 64);
	refused("transfer outside level or memory");
}

/*
 * 2019-18391: less data than the box takes, and the renderer read on. Here:
 * the length of RESOURCE_INLINE_WRITE against its box.
 */
static void cve_2019_18391_an_inline_write_is_no_shorter_than_its_box(void **state)
{
	(void)state;
	put_inline(WORLD_VERTICES, 0, 0, 0, 9, 1, 1, 0, 2);
	refused("transfer outside level or memory");
	put_inline(WORLD_COLOR, 0, 0, 0, 1024, 768, 1, 0, 1);
	refused("transfer outside level or memory");
	put_inline(WORLD_ARRAY, 0, 0, 0, 1, 1, 2, 0, 64 * 64);
	refused("transfer outside level or memory");
	put_inline(WORLD_ARRAY, 0, 0, 0, 1, 1, 2, 0, 64 * 64 + 1);
	passes();
}

static void put_transfer(u32 id, u32 z, u32 w, u32 h, u32 d, u32 offset, u32 direction)
{
	SAY(TRANSFER3D, id, 0, 0, 0, 0, 0, 0, z, w, h, d, offset, direction);
}

static void a_transfer_lies_in_level_and_backing(void **state)
{
	(void)state;
	put_transfer(WORLD_COLOR, 0, 1024, 768, 1, 0, VIRGL_TO_HOST);
	put_transfer(WORLD_COLOR, 0, 1024, 768, 1, 0, VIRGL_FROM_HOST);
	put_transfer(WORLD_VERTICES, 0, 16, 1, 1, 65520, VIRGL_TO_HOST);
	put_transfer(WORLD_ARRAY, 0, 64, 64, 8, 0, VIRGL_TO_HOST);
	put_zeros(VIRGL_END_TRANSFERS, 0, 900);
	passes();
	put_transfer(WORLD_COLOR, 0, 1024, 768, 1, 4, VIRGL_TO_HOST);
	refused("transfer outside level or memory");
	put_transfer(WORLD_VERTICES, 0, 16, 1, 1, 65521, VIRGL_TO_HOST);
	refused("transfer outside level or memory");
	put_transfer(WORLD_COLOR, 0, 1024, 768, 1, 0, 3);
	refused("unknown direction");
	put_transfer(WORLD_COLOR, 0, 1024, 768, 1, 0, 0);
	refused("unknown direction");
}

/* The renderer fills the first layer of its scratch memory only and copies all of it out. */
static void a_transfer_from_the_host_is_of_one_layer(void **state)
{
	(void)state;
	put_transfer(WORLD_ARRAY, 7, 64, 64, 1, 114688, VIRGL_FROM_HOST);
	passes();
	put_transfer(WORLD_ARRAY, 0, 64, 64, 2, 0, VIRGL_FROM_HOST);
	refused("transfer of several layers at once");
	SAY(COPY_TRANSFER3D, WORLD_ARRAY, 0, 0, 0, 0, 0, 0, 0, 64, 64, 2, WORLD_STAGING, 0, 3);
	refused("transfer of several layers at once");
}

/*
 * 2022-0135: scratch memory for one layer, data of several. Here: dword 11,
 * the depth, of TRANSFER3D, COPY_TRANSFER3D and RESOURCE_INLINE_WRITE.
 */
static void cve_2022_0135_layers_that_the_target_does_not_take_at_once(void **state)
{
	(void)state;
	put_transfer(WORLD_CUBE, 0, 64, 64, 2, 0, VIRGL_TO_HOST);
	refused("transfer of several layers at once");
	put_transfer(WORLD_LINES, 0, 64, 1, 8, 0, VIRGL_TO_HOST);
	refused("transfer of several layers at once");
	put_transfer(WORLD_COLOR, 0, 4, 4, 2, 0, VIRGL_TO_HOST);
	refused("transfer outside level or memory");
	SAY(COPY_TRANSFER3D, WORLD_CUBE, 0, 0, 0, 0, 0, 0, 0, 64, 64, 6, WORLD_STAGING, 0, 1);
	refused("transfer of several layers at once");
	put_inline(WORLD_LINES, 0, 0, 0, 64, 1, 2, 0, 128);
	refused("transfer of several layers at once");
	put_inline(WORLD_COLOR, 0, 0, 0, 1, 1, 2, 0, 4096);
	refused("transfer outside level or memory");
}

static void a_copy_transfer_is_measured_against_the_other_backing(void **state)
{
	(void)state;
	SAY(COPY_TRANSFER3D, WORLD_PICTURE, 0, 0, 1024, 262144, 0, 0, 0, 256, 256, 1, WORLD_STAGING,
	    786432, 1);
	SAY(COPY_TRANSFER3D, WORLD_PICTURE, 0, 0, 1024, 262144, 0, 0, 0, 256, 256, 1, WORLD_STAGING,
	    786432, 3);
	passes();
	assert_int_equal(stream[1], WORLD_HOST + WORLD_PICTURE);
	assert_int_equal(stream[12], WORLD_HOST + WORLD_STAGING);
	SAY(COPY_TRANSFER3D, WORLD_PICTURE, 0, 0, 1024, 262144, 0, 0, 0, 256, 256, 1, WORLD_STAGING,
	    786436, 1);
	refused("transfer outside level or memory");
	SAY(COPY_TRANSFER3D, WORLD_PICTURE, 0, 0, 1020, 262144, 0, 0, 0, 256, 256, 1, WORLD_STAGING,
	    0, 1);
	refused("transfer outside level or memory");
	SAY(COPY_TRANSFER3D, WORLD_PICTURE, 0, 0, 1024, 262144, 0, 0, 0, 256, 256, 1, WORLD_STAGING,
	    0, 4);
	refused("unknown flags");
}

/*
 * 2017-6386: each set of vertex elements that the renderer refused took memory
 * with it. Here: the format of an element, dword 3 of 4, and their number.
 */
static void cve_2017_6386_vertex_elements_are_those_that_the_renderer_takes(void **state)
{
	(void)state;
	CREATE(VERTEX_ELEMENTS, 9, 0, 0, 0, 30, 12, 1, 15, 29);
	CREATE(VERTEX_ELEMENTS, 10);
	BIND(VERTEX_ELEMENTS, 9);
	passes();
	CREATE(VERTEX_ELEMENTS, 9, 0, 0, 0, 322);
	refused("unknown format");
	CREATE(VERTEX_ELEMENTS, 9, 0, 0, 0, 0);
	refused("unknown format");
	CREATE(VERTEX_ELEMENTS, 9, 0, 0, 16, 30);
	refused("no such vertex buffer");
	put_zeros(VIRGL_CREATE_OBJECT, VIRGL_OBJECT_VERTEX_ELEMENTS, 1 + 17 * 4);
	refused("too many elements");
}

/* ---- cost ---- */

static void put_draw(u32 count, u32 instances)
{
	SAY(DRAW_VBO, 0, count, 4, 0, instances, 0, 0, 0, 0, 0, ~0U, 0);
}

static void draws_count_vertices_times_instances_and_the_framebuffer(void **state)
{
	(void)state;
	put_shaders();
	passes();
	put_framebuffer();
	put_draw(300, 1);
	put_draw(100, 7);
	put_draw(50, 0);
	SAY(DRAW_VBO, 0, 3, 4, 0, 2, 0, 0, 0, 0, 0, ~0U, 1000); /* as many as were fed back */
	SAY(CLEAR, 4, 0, 0, 0, 0, 0, 0, 0);
	passes();
	assert_int_equal(audit.total.vertices, 300 + 700 + 50 + 2000);
	assert_int_equal(audit.total.pixels, 5 * 1024 * 768);
	assert_int_equal(audit.total.dwords, audit.count);
	assert_int_equal(audit.total.commands, 8);
	assert_int_equal(audit.cut_count, 1);
}

static void a_framebuffer_without_surfaces_has_the_size_that_was_said(void **state)
{
	(void)state;
	put_shaders();
	passes();
	SAY(SET_FRAMEBUFFER_STATE_NO_ATTACH, 100 | 50 << 16, 3);
	put_draw(3, 1);
	SAY(CLEAR, 4, 0, 0, 0, 0, 0, 0, 0);
	passes();
	assert_int_equal(audit.total.pixels, 2 * 100 * 50 * 3);
	CREATE(SURFACE, 20, WORLD_CUBE, 67, 0, 5 << 16); /* layered: six at once */
	SAY(SET_FRAMEBUFFER_STATE, 1, 0, 20);
	put_draw(3, 1);
	passes();
	assert_int_equal(audit.total.pixels, 64 * 64 * 6);
}

static void a_stream_is_cut_at_the_budget_between_commands(void **state)
{
	struct virgl_budget limit = virgl_job_limit;

	(void)state;
	put_shaders();
	passes();
	limit.vertices = 250;
	for (u32 i = 0; i < 10; i++)
		put_draw(100, 1);
	assert_int_equal(verdict_with(&limit), VIRGL_DONE);
	assert_int_equal(audit.cut_count, 5);
	for (u32 i = 0; i < 5; i++) {
		assert_int_equal(audit.cuts[i].end, (i + 1) * 26);
		assert_int_equal(audit.cuts[i].cost.vertices, 200);
		assert_int_equal(audit.cuts[i].cost.dwords, 26);
		assert_int_equal(audit.cuts[i].cost.commands, 2);
	}
	limit = virgl_job_limit;
	limit.dwords = 13;
	assert_int_equal(verdict_with(&limit), VIRGL_DONE);
	assert_int_equal(audit.cut_count, 10);
	limit = virgl_job_limit;
	limit.commands = 3;
	assert_int_equal(verdict_with(&limit), VIRGL_DONE);
	assert_int_equal(audit.cut_count, 4);
}

static void one_command_above_the_budget_is_refused(void **state)
{
	(void)state;
	put_shaders();
	passes();
	put_draw(VIRGL_JOB_VERTICES, 1);
	passes();
	put_draw(VIRGL_JOB_VERTICES / 2 + 1, 2);
	refused("one command above the budget of a job");
	put_draw(0xffffffff, 0xffffffff);
	refused("one command above the budget of a job");
	SAY(SET_FRAMEBUFFER_STATE_NO_ATTACH, 16384 | 16384 << 16, 1);
	put_draw(3, 1);
	passes();
	SAY(SET_FRAMEBUFFER_STATE_NO_ATTACH, 16384 | 16384 << 16, 2);
	put_draw(3, 1);
	refused("one command above the budget of a job");
}

static void a_stream_has_a_bounded_number_of_pieces(void **state)
{
	(void)state;
	put_shaders();
	passes();
	for (u32 i = 0; i < VIRGL_CUTS_MAX; i++)
		put_draw(VIRGL_JOB_VERTICES, 1);
	passes();
	assert_int_equal(audit.cut_count, VIRGL_CUTS_MAX);
	for (u32 i = 0; i <= VIRGL_CUTS_MAX; i++)
		put_draw(VIRGL_JOB_VERTICES, 1);
	refused("more pieces than a stream may have");
	assert_int_equal(audit.at, VIRGL_CUTS_MAX * 13);
}

/* The renderer looks at the fragment shader of a draw without one. */
static void a_draw_without_shaders_becomes_nothing(void **state)
{
	(void)state;
	put_framebuffer();
	put_shaders();
	put_draw(3, 1);
	passes();
	assert_int_equal(audit.total.vertices, 3);
	SAY(BIND_SHADER, 0, 1);
	put_draw(3, 1);
	SAY(BIND_SHADER, 19, 1);
	SAY(BIND_SHADER, 0, 0);
	put_draw(3, 1);
	SAY(BIND_SHADER, 18, 0);
	SAY(DESTROY_OBJECT, 18); /* the renderer holds on to it */
	put_draw(3, 1);
	passes();
	assert_int_equal(audit.total.vertices, 3);
	assert_int_equal(stream[3], virgl_header(VIRGL_NOP, 0, 12));
	assert_int_equal(stream[3 + 13 + 6], virgl_header(VIRGL_NOP, 0, 12));
	assert_int_equal(virgl_opcode(stream[3 + 13 + 6 + 13 + 5]), VIRGL_DRAW_VBO);
}

/* Mesa counts up buffers that are not there until its stack ends. */
static void a_draw_without_its_vertex_buffers_becomes_nothing(void **state)
{
	(void)state;
	put_framebuffer();
	put_shaders();
	CREATE(VERTEX_ELEMENTS, 9, 0, 0, 0, 30, 12, 0, 2, 29, 16, 0, 2, 30);
	BIND(VERTEX_ELEMENTS, 9);
	SAY(SET_VERTEX_BUFFERS, 20, 0, WORLD_VERTICES, 0, 0, 0, 2048, 0, WORLD_STORAGE);
	put_draw(3, 1);
	passes();
	assert_int_equal(audit.total.vertices, 3);
	put_draw(3, 1);
	SAY(SET_VERTEX_BUFFERS, 20, 0, WORLD_VERTICES, 0, 0, 0, 20, 0, 0);
	put_draw(3, 1);
	SAY(SET_VERTEX_BUFFERS, 20, 0, WORLD_VERTICES);
	put_draw(3, 1);
	put_zeros(VIRGL_SET_VERTEX_BUFFERS, 0, 0);
	put_draw(3, 1);
	BIND(VERTEX_ELEMENTS, 0);
	put_draw(3, 1);
	passes();
	assert_int_equal(audit.total.vertices, 3 + 3);
	assert_int_equal(virgl_opcode(stream[0]), VIRGL_DRAW_VBO);
	assert_int_equal(stream[13 + 10], virgl_header(VIRGL_NOP, 0, 12));
	assert_int_equal(stream[13 + 10 + 13 + 4], virgl_header(VIRGL_NOP, 0, 12));
	assert_int_equal(stream[13 + 10 + 13 + 4 + 13 + 1], virgl_header(VIRGL_NOP, 0, 12));
	SAY(SET_VERTEX_BUFFERS, 2049, 0, WORLD_VERTICES);
	refused("stride of a vertex buffer");
	put_zeros(VIRGL_SET_VERTEX_BUFFERS, 0, 17 * 3);
	refused("too many elements");
}

/* The start of a Mesa context, and a frame; in the order and the forms of its driver. */
static void what_mesa_says_passes(void **state)
{
	(void)state;
	put_zeros(VIRGL_END_TRANSFERS, 0, VIRGL_TRANSFERS_DWORDS - 1);
	SAY(CREATE_SUB_CTX, 1);
	SAY(SET_SUB_CTX, 1);
	SAY(SET_TWEAKS, 2, 100);
	CREATE(BLEND, 2, 4, 0, 0x78000000, 0, 0, 0, 0, 0, 0, 0);
	CREATE(DSA, 3, 0, 0, 0, 0);
	CREATE(RASTERIZER, 4, 0x60000003, 0x3f800000, 0, 0, 0x3f800000, 0, 0, 0);
	BIND(BLEND, 2);
	BIND(DSA, 3);
	BIND(RASTERIZER, 4);
	SAY(SET_SAMPLE_MASK, 0xffffffff);
	SAY(SET_MIN_SAMPLES, 1);
	SAY(SET_STENCIL_REF, 0);
	SAY(SET_BLEND_COLOR, 0, 0, 0, 0);
	put_zeros(VIRGL_SET_CLIP_STATE, 0, 32);
	put_zeros(VIRGL_SET_POLYGON_STIPPLE, 0, 32);
	SAY(SET_TESS_STATE, 0, 0, 0, 0, 0, 0);
	put_framebuffer();
	SAY(SET_FRAMEBUFFER_STATE_NO_ATTACH, 1024 | 768 << 16, 0);
	SAY(SET_VIEWPORT_STATE, 0, 0, 0, 0, 0, 0, 0);
	SAY(SET_SCISSOR_STATE, 0, 0, 1024 | 768 << 16);
	CREATE(SHADER, 5, 0, 7, 300, 0, TEXT, LAST_TEXT);
	CREATE(SHADER, 6, 1, 7, 300, 0, TEXT, LAST_TEXT);
	SAY(LINK_SHADER, 5, 6, 0, 0, 0, 0);
	SAY(BIND_SHADER, 5, 0);
	SAY(BIND_SHADER, 6, 1);
	SAY(BIND_SHADER, 0, 2);
	CREATE(VERTEX_ELEMENTS, 7, 0, 0, 0, 30, 12, 0, 0, 29);
	BIND(VERTEX_ELEMENTS, 7);
	CREATE(SAMPLER_VIEW, 8, WORLD_PICTURE, 67 | VIRGL_TARGET_2D << 24, 0, 8 << 8, 0x688);
	SAY(SET_SAMPLER_VIEWS, 1, 0, 8, 0);
	CREATE(SAMPLER_STATE, 9, 0x1092, 0, 0, 0, 0, 0, 0, 0);
	SAY(BIND_SAMPLER_STATES, 1, 0, 9, 0);
	SAY(SET_CONSTANT_BUFFER, 0, 0, 1, 2, 3, 4);
	SAY(SET_CONSTANT_BUFFER, 1, 0);
	SAY(SET_UNIFORM_BUFFER, 0, 1, 0, 256, WORLD_UNIFORMS);
	SAY(SET_VERTEX_BUFFERS, 20, 0, WORLD_VERTICES);
	SAY(SET_INDEX_BUFFER, WORLD_INDICES, 2, 0);
	SAY(CLEAR, 5, 0, 0, 0, 0, 0, 0x3ff00000, 0);
	SAY(DRAW_VBO, 0, 36, 4, 1, 1, 0, 0, 0, 0, 0, ~0U, 0);
	SAY(DRAW_VBO, 0, 12, 14, 0, 1, 0, 0, 0, 0, 0, ~0U, 0, 3, 0);
	SAY(SET_INDEX_BUFFER, 0);
	SAY(MEMORY_BARRIER, 1);
	SAY(TEXTURE_BARRIER, 1);
	SAY(SEND_STRING_MARKER, 5, TEXT, LAST_TEXT);
	SAY(SET_STREAMOUT_TARGETS, 0);
	SAY(NOP, 0);
	passes();
	SAY(DESTROY_SUB_CTX, 1);
	passes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STREAM_TEST(a_shader_comes_whole),
		STREAM_TEST(a_shader_comes_in_parts),
		STREAM_TEST(parts_of_a_shader_fit_together),
		STREAM_TEST(text_and_tokens_are_bounded),
		STREAM_TEST(stream_outputs_lie_in_the_renderers_arrays),
		STREAM_TEST(shaders_are_bounded_in_number),
		STREAM_TEST(other_numbers_are_in_their_range),
		STREAM_TEST(a_blit_may_be_mirrored_and_hang_over_but_not_in_depth),
		STREAM_TEST(cve_2019_18390_formats_of_a_blit_are_known),
		STREAM_TEST(a_copied_region_lies_in_both),
		STREAM_TEST(blocks_are_copied_as_blocks),
		STREAM_TEST(a_cleared_box_lies_in_its_level),
		STREAM_TEST(an_inline_write_brings_its_data),
		STREAM_TEST(cve_2019_18389_the_box_of_an_inline_write_lies_in_the_level),
		STREAM_TEST(cve_2019_18391_an_inline_write_is_no_shorter_than_its_box),
		STREAM_TEST(a_transfer_lies_in_level_and_backing),
		STREAM_TEST(a_transfer_from_the_host_is_of_one_layer),
		STREAM_TEST(cve_2022_0135_layers_that_the_target_does_not_take_at_once),
		STREAM_TEST(a_copy_transfer_is_measured_against_the_other_backing),
		STREAM_TEST(cve_2017_6386_vertex_elements_are_those_that_the_renderer_takes),
		STREAM_TEST(draws_count_vertices_times_instances_and_the_framebuffer),
		STREAM_TEST(a_framebuffer_without_surfaces_has_the_size_that_was_said),
		STREAM_TEST(a_stream_is_cut_at_the_budget_between_commands),
		STREAM_TEST(one_command_above_the_budget_is_refused),
		STREAM_TEST(a_stream_has_a_bounded_number_of_pieces),
		STREAM_TEST(a_draw_without_shaders_becomes_nothing),
		STREAM_TEST(a_draw_without_its_vertex_buffers_becomes_nothing),
		STREAM_TEST(what_mesa_says_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
