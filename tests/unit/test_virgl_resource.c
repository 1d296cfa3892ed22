/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes of 3D resources, and which transfers lie inside; virtio 1.2, 5.7.6.8, and virglrenderer. */
// SOURCES: gpu/virtio/virgl_resource.c gpu/virtio/virgl_formats.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/virtio/virgl_formats.h"
#include "gpu/virtio/virgl_proto.h"
#include "gpu/virtio/virgl_resource.h"

#define BGRA	   VIRGL_FORMAT_B8G8R8A8_UNORM
#define R8	   VIRGL_FORMAT_R8_UNORM
#define R32G32	   29
#define DXT1	   105
#define ASTC_12X12 292
#define NV12	   166

static struct virgl_resource texture(u32 target, u32 format, u32 w, u32 h, u32 d, u32 layers,
				     u32 last_level)
{
	return (struct virgl_resource){ .target = target,
					.format = format,
					.bind = VIRGL_BIND_SAMPLER_VIEW,
					.width = w,
					.height = h,
					.depth = d,
					.array_size = layers,
					.last_level = last_level };
}

static struct virgl_resource buffer(u32 bytes, u32 bind)
{
	return (struct virgl_resource){ .target = VIRGL_TARGET_BUFFER,
					.format = R8,
					.bind = bind,
					.width = bytes,
					.height = 1,
					.depth = 1,
					.array_size = 1 };
}

static enum err check(struct virgl_resource resource)
{
	return virgl_resource_check(&resource, 0);
}

static u64 bytes(struct virgl_resource resource)
{
	u64 sum = 0;

	assert_int_equal(virgl_resource_bytes(&resource, &sum), OK);
	return sum;
}

/* ---- formats ---- */

static void block(u32 format, u32 width, u32 height, u32 size)
{
	struct virgl_block found;

	assert_true(virgl_format_block(format, &found));
	assert_int_equal(found.width, width);
	assert_int_equal(found.height, height);
	assert_int_equal(found.bytes, size);
}

static void blocks_are_as_in_the_renderers_table(void **state)
{
	(void)state;
	block(BGRA, 1, 1, 4);
	block(16, 1, 1, 2);
	block(27, 1, 1, 32); /* R64G64B64A64 float */
	block(30, 1, 1, 12);
	block(R8, 1, 1, 1);
	block(66, 1, 1, 3);
	block(94, 1, 1, 8);
	block(98, 1, 1, 4);
	block(DXT1, 4, 4, 8);
	block(108, 4, 4, 16);
	block(126, 1, 1, 8);
	block(127, 8, 1, 1);
	block(200, 1, 1, 16);
	block(258, 4, 4, 16);
	block(276, 4, 4, 8);
	block(280, 5, 4, 16);
	block(ASTC_12X12, 12, 12, 16);
	block(306, 12, 12, 16);
	block(321, 1, 1, 2);
	block(14, 2, 1, 4);
	block(118, 2, 1, 4);
	block(144, 4, 4, 8);
	block(146, 4, 4, 16);
	block(226, 4, 4, 8);
	block(227, 2, 1, 4);
	block(241, 1, 1, 16);
	block(272, 4, 4, 8);
	block(274, 4, 4, 16);
	block(278, 4, 4, 16);
}

static void unknown_and_planar_formats_have_no_block(void **state)
{
	static const u32 none[] = { 0,	 73,  78,  86,	163, NV12, 262, 266,
				    307, 310, 314, 316, 322, 323,  512, 0xffffffff };
	struct virgl_block found;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(none); i++)
		assert_false(virgl_format_block(none[i], &found));
}

static void no_block_has_a_side_of_zero(void **state)
{
	struct virgl_block found;
	u32 known = 0;

	(void)state;
	for (u32 format = 0; format < 1024; format++) {
		if (!virgl_format_block(format, &found))
			continue;
		known++;
		assert_in_range(found.width, 1, 12);
		assert_in_range(found.height, 1, 12);
		assert_in_range(found.bytes, 1, 32);
	}
	assert_int_equal(known,
			 321 - 6 - 5 - 5 - 3 - 3); /* holes, planar, doubled, holes, planar */
}

static void depth_and_stencil_formats_are_known_as_such(void **state)
{
	(void)state;
	assert_true(virgl_format_is_depth_stencil(16));
	assert_true(virgl_format_is_depth_stencil(23));
	assert_true(virgl_format_is_depth_stencil(126));
	assert_true(virgl_format_is_depth_stencil(138));
	assert_false(virgl_format_is_depth_stencil(15));
	assert_false(virgl_format_is_depth_stencil(24));
	assert_false(virgl_format_is_depth_stencil(139));
}

/* ---- what may be created ---- */

static void every_target_has_its_shape(void **state)
{
	(void)state;
	assert_int_equal(check(texture(VIRGL_TARGET_1D, BGRA, 64, 1, 1, 1, 6)), OK);
	assert_int_equal(check(texture(VIRGL_TARGET_1D, BGRA, 64, 2, 1, 1, 0)), ERR_INVALID);
	assert_int_equal(check(texture(VIRGL_TARGET_2D, BGRA, 64, 32, 1, 1, 0)), OK);
	assert_int_equal(check(texture(VIRGL_TARGET_2D, BGRA, 64, 32, 2, 1, 0)), ERR_INVALID);
	assert_int_equal(check(texture(VIRGL_TARGET_2D, BGRA, 64, 32, 1, 2, 0)), ERR_INVALID);
	assert_int_equal(check(texture(VIRGL_TARGET_3D, BGRA, 64, 32, 16, 1, 0)), OK);
	assert_int_equal(check(texture(VIRGL_TARGET_3D, BGRA, 64, 32, 16, 2, 0)), ERR_INVALID);
	assert_int_equal(check(texture(VIRGL_TARGET_RECT, BGRA, 64, 32, 1, 1, 0)), OK);
	assert_int_equal(check(texture(VIRGL_TARGET_RECT, BGRA, 64, 32, 1, 1, 1)), ERR_INVALID);
	assert_int_equal(check(texture(VIRGL_TARGET_CUBE, BGRA, 64, 64, 1, 6, 0)), OK);
	assert_int_equal(check(texture(VIRGL_TARGET_CUBE, BGRA, 64, 64, 1, 12, 0)), ERR_INVALID);
	assert_int_equal(check(texture(VIRGL_TARGET_CUBE, BGRA, 64, 32, 1, 6, 0)), ERR_INVALID);
	assert_int_equal(check(texture(VIRGL_TARGET_1D_ARRAY, BGRA, 64, 1, 1, 9, 0)), OK);
	assert_int_equal(check(texture(VIRGL_TARGET_2D_ARRAY, BGRA, 64, 8, 1, 9, 0)), OK);
	assert_int_equal(check(texture(VIRGL_TARGET_CUBE_ARRAY, BGRA, 8, 8, 1, 12, 0)), OK);
	assert_int_equal(check(texture(VIRGL_TARGET_CUBE_ARRAY, BGRA, 8, 8, 1, 13, 0)),
			 ERR_INVALID);
	assert_int_equal(check(texture(VIRGL_TARGETS, BGRA, 8, 8, 1, 1, 0)), ERR_INVALID);
}

static void sides_and_layers_have_limits(void **state)
{
	(void)state;
	assert_int_equal(check(texture(VIRGL_TARGET_2D, R8, 16384, 1, 1, 1, 0)), OK);
	assert_int_equal(check(texture(VIRGL_TARGET_2D, R8, 16385, 1, 1, 1, 0)), ERR_RANGE);
	assert_int_equal(check(texture(VIRGL_TARGET_2D, R8, 1, 16385, 1, 1, 0)), ERR_RANGE);
	assert_int_equal(check(texture(VIRGL_TARGET_2D, R8, 0, 1, 1, 1, 0)), ERR_RANGE);
	assert_int_equal(check(texture(VIRGL_TARGET_2D, R8, 1, 0, 1, 1, 0)), ERR_RANGE);
	assert_int_equal(check(texture(VIRGL_TARGET_2D, R8, 1, 1, 0, 1, 0)), ERR_RANGE);
	assert_int_equal(check(texture(VIRGL_TARGET_2D, R8, 1, 1, 1, 0, 0)), ERR_RANGE);
	assert_int_equal(check(texture(VIRGL_TARGET_3D, R8, 1, 1, 2048, 1, 0)), OK);
	assert_int_equal(check(texture(VIRGL_TARGET_3D, R8, 1, 1, 2049, 1, 0)), ERR_RANGE);
	assert_int_equal(check(texture(VIRGL_TARGET_2D_ARRAY, R8, 1, 1, 1, 2048, 0)), OK);
	assert_int_equal(check(texture(VIRGL_TARGET_2D_ARRAY, R8, 1, 1, 1, 2049, 0)), ERR_RANGE);
	assert_int_equal(check(texture(VIRGL_TARGET_2D, R8, 0xffffffff, 0xffffffff, 1, 1, 0)),
			 ERR_RANGE);
}

static void levels_end_at_one_pixel(void **state)
{
	(void)state;
	assert_int_equal(check(texture(VIRGL_TARGET_2D, BGRA, 64, 16, 1, 1, 6)), OK);
	assert_int_equal(check(texture(VIRGL_TARGET_2D, BGRA, 64, 16, 1, 1, 7)), ERR_RANGE);
	assert_int_equal(check(texture(VIRGL_TARGET_2D, BGRA, 64, 16, 1, 1, 0xffffffff)),
			 ERR_RANGE);
	assert_int_equal(check(texture(VIRGL_TARGET_3D, BGRA, 4, 4, 64, 1, 3)), OK);
	/* GL would allow 6, the renderer does not. */
	assert_int_equal(check(texture(VIRGL_TARGET_3D, BGRA, 4, 4, 64, 1, 4)), ERR_RANGE);
	assert_int_equal(check(texture(VIRGL_TARGET_3D, BGRA, 4, 4, 1, 1, 3)), ERR_RANGE);
}

static void samples_are_refused(void **state)
{
	struct virgl_resource r = texture(VIRGL_TARGET_2D, BGRA, 4, 4, 1, 1, 0);

	(void)state;
	assert_int_equal(virgl_resource_check(&r, 1), OK);
	assert_int_equal(virgl_resource_check(&r, 2), ERR_INVALID);
	assert_int_equal(virgl_resource_check(&r, 0xffffffff), ERR_INVALID);
}

static void a_buffer_is_of_bytes(void **state)
{
	struct virgl_resource r = buffer(4096, VIRGL_BIND_VERTEX_BUFFER);

	(void)state;
	assert_int_equal(check(r), OK);
	/* The renderer would map `width` bytes and hand out width * 4. */
	r.format = BGRA;
	assert_int_equal(check(r), ERR_INVALID);
	r.format = 127; /* one byte, but eight elements */
	assert_int_equal(check(r), ERR_INVALID);
	assert_int_equal(check(buffer(MIB(256), 0)), OK);
	assert_int_equal(check(buffer(MIB(256) + 1, 0)), ERR_RANGE);
	assert_int_equal(check(buffer(0, 0)), ERR_RANGE);
	r = buffer(16, 0);
	r.last_level = 1;
	assert_int_equal(check(r), ERR_INVALID);
	r = buffer(16, 0);
	r.array_size = 2;
	assert_int_equal(check(r), ERR_INVALID);
}

static void bind_has_to_suit_the_target(void **state)
{
	struct virgl_resource r = texture(VIRGL_TARGET_2D, BGRA, 4, 4, 1, 1, 0);

	(void)state;
	r.bind = VIRGL_BIND_VERTEX_BUFFER;
	assert_int_equal(check(r), ERR_INVALID);
	r.bind = 0;
	assert_int_equal(check(r), ERR_INVALID);
	r.bind = VIRGL_BIND_DISPLAY_TARGET;
	assert_int_equal(check(r), ERR_INVALID);
	r.bind = VIRGL_BIND_RENDER_TARGET | VIRGL_BIND_DISPLAY_TARGET | VIRGL_BIND_SCANOUT;
	assert_int_equal(check(r), OK);
	assert_int_equal(check(buffer(4, VIRGL_BIND_RENDER_TARGET)), ERR_INVALID);
	assert_int_equal(check(buffer(4, VIRGL_BIND_VERTEX_BUFFER | VIRGL_BIND_INDEX_BUFFER)),
			 ERR_INVALID);
	assert_int_equal(check(buffer(4, VIRGL_BIND_SAMPLER_VIEW | VIRGL_BIND_INDEX_BUFFER)), OK);
}

static void only_pictures_may_stand_upside_down(void **state)
{
	struct virgl_resource r = texture(VIRGL_TARGET_2D, BGRA, 4, 4, 1, 1, 0);

	(void)state;
	r.flags = VIRGL_FLAG_Y_0_TOP;
	assert_int_equal(check(r), OK);
	r.flags = VIRGL_FLAG_MAP_PERSISTENT;
	assert_int_equal(check(r), ERR_INVALID);
	r.flags = VIRGL_FLAG_Y_0_TOP;
	r.target = VIRGL_TARGET_3D;
	assert_int_equal(check(r), ERR_INVALID);
}

/* 2019-18388: resources of impossible shapes ended in a pointer to nothing. */
static void cve_2019_18388_impossible_resources_are_not_created(void **state)
{
	struct virgl_resource r = texture(VIRGL_TARGET_2D, BGRA, 4, 0, 1, 1, 0);

	(void)state;
	assert_int_equal(check(r), ERR_RANGE); /* height */
	assert_int_equal(check(texture(VIRGL_TARGET_3D, BGRA, 4, 4, 0, 1, 0)), ERR_RANGE);
	assert_int_equal(check(texture(VIRGL_TARGET_2D_ARRAY, BGRA, 4, 4, 1, 0, 0)), ERR_RANGE);
	r = buffer(64, 0);
	r.height = 64;
	assert_int_equal(check(r), ERR_INVALID);
	r = texture(VIRGL_TARGET_2D, BGRA, 4, 4, 1, 1, 0);
	r.bind = 0;
	assert_int_equal(check(r), ERR_INVALID);
}

/*
 * 2022-0175: memory of a CUSTOM buffer came as it was. No stream shows that; a
 * transfer from the host did. Facet clears each new resource before a guest
 * can name it, for which all of every level has to be one good transfer.
 */
static void cve_2022_0175_all_of_every_level_can_be_cleared(void **state)
{
	struct virgl_resource all[] = {
		buffer(4096, VIRGL_BIND_VERTEX_BUFFER),
		texture(VIRGL_TARGET_2D, BGRA, 67, 33, 1, 1, 6),
		texture(VIRGL_TARGET_3D, R32G32, 16, 8, 5, 1, 4),
		texture(VIRGL_TARGET_2D_ARRAY, DXT1, 66, 7, 1, 5, 6),
		texture(VIRGL_TARGET_CUBE, ASTC_12X12, 100, 100, 1, 6, 6),
	};
	struct virgl_transfer t;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(all); i++) {
		assert_int_equal(check(all[i]), OK);
		for (u32 level = 0; level <= all[i].last_level; level++) {
			u64 size = virgl_level_bytes(&all[i], level);

			virgl_transfer_level(&all[i], level, &t);
			assert_true(virgl_transfer_fits(&all[i], &t, size));
			assert_false(virgl_transfer_fits(&all[i], &t, size - 1));
		}
	}
}

/* ---- bytes ---- */

static void bytes_count_levels_and_layers(void **state)
{
	(void)state;
	assert_int_equal(bytes(texture(VIRGL_TARGET_2D, BGRA, 1024, 768, 1, 1, 0)), 3145728);
	assert_int_equal(bytes(texture(VIRGL_TARGET_2D, BGRA, 4, 2, 1, 1, 2)), 4 * (8 + 2 + 1));
	assert_int_equal(bytes(texture(VIRGL_TARGET_3D, R8, 4, 4, 4, 1, 2)), 64 + 8 + 1);
	assert_int_equal(bytes(texture(VIRGL_TARGET_CUBE, BGRA, 2, 2, 1, 6, 1)), 6 * 4 * 5);
	assert_int_equal(bytes(texture(VIRGL_TARGET_2D_ARRAY, R8, 2, 2, 1, 3, 1)), 3 * 5);
	assert_int_equal(bytes(buffer(12345, 0)), 12345);
}

static void bytes_of_compressed_formats_are_whole_blocks(void **state)
{
	(void)state;
	assert_int_equal(bytes(texture(VIRGL_TARGET_2D, DXT1, 5, 5, 1, 1, 2)), 8 * (4 + 1 + 1));
	assert_int_equal(bytes(texture(VIRGL_TARGET_2D, ASTC_12X12, 13, 12, 1, 1, 0)), 32);
}

static void the_largest_resource_is_the_largest_that_can_be_cleared(void **state)
{
	(void)state;
	assert_int_equal(bytes(texture(VIRGL_TARGET_2D, BGRA, 8192, 8192, 1, 1, 0)), MIB(256));
	assert_int_equal(check(texture(VIRGL_TARGET_2D, BGRA, 8192, 8193, 1, 1, 0)), ERR_RANGE);
	/* 2^14 * 2^14 * 2^11 * 32: far beyond 32 bits, and the sum does not wrap. */
	assert_int_equal(check(texture(VIRGL_TARGET_2D_ARRAY, 27, 16384, 16384, 1, 2048, 14)),
			 ERR_RANGE);
}

static void a_level_halves_the_sides_that_a_target_has(void **state)
{
	struct virgl_resource r = texture(VIRGL_TARGET_3D, BGRA, 16, 4, 8, 1, 4);
	struct virgl_box box;

	(void)state;
	assert_true(virgl_level_box(&r, 3, &box));
	assert_int_equal(box.w, 2);
	assert_int_equal(box.h, 1);
	assert_int_equal(box.d, 1);
	assert_false(virgl_level_box(&r, 5, &box));
	r = texture(VIRGL_TARGET_2D_ARRAY, BGRA, 16, 4, 1, 7, 4);
	assert_true(virgl_level_box(&r, 4, &box));
	assert_int_equal(box.d, 7);
	r.last_level = 0xffffffff;
	assert_false(virgl_level_box(&r, 32, &box));
}

/* ---- transfers ---- */

#define BOX(...) \
	(struct virgl_transfer) \
	{ \
		__VA_ARGS__ \
	}

static bool fits(const struct virgl_resource *r, struct virgl_transfer t, u64 backing)
{
	return virgl_transfer_fits(r, &t, backing);
}

static void a_transfer_lies_in_its_level(void **state)
{
	struct virgl_resource r = texture(VIRGL_TARGET_2D, BGRA, 16, 8, 1, 1, 1);

	(void)state;
	assert_true(fits(&r, BOX(.w = 16, .h = 8, .d = 1), KIB(4)));
	assert_false(fits(&r, BOX(.w = 17, .h = 8, .d = 1), KIB(4)));
	assert_false(fits(&r, BOX(.x = 1, .w = 16, .h = 8, .d = 1), KIB(4)));
	assert_false(fits(&r, BOX(.y = 1, .w = 16, .h = 8, .d = 1), KIB(4)));
	assert_false(fits(&r, BOX(.z = 1, .w = 16, .h = 8, .d = 1), KIB(4)));
	assert_false(fits(&r, BOX(.w = 16, .h = 8, .d = 2), KIB(4)));
	assert_false(fits(&r, BOX(.level = 1, .w = 16, .h = 8, .d = 1), KIB(4)));
	assert_true(fits(&r, BOX(.level = 1, .w = 8, .h = 4, .d = 1), KIB(4)));
	assert_false(fits(&r, BOX(.level = 2, .w = 1, .h = 1, .d = 1), KIB(4)));
}

static void an_empty_box_is_refused(void **state)
{
	struct virgl_resource r = texture(VIRGL_TARGET_2D, BGRA, 16, 8, 1, 1, 0);

	(void)state;
	assert_false(fits(&r, BOX(.w = 0, .h = 1, .d = 1), KIB(4)));
	assert_false(fits(&r, BOX(.w = 1, .h = 0, .d = 1), KIB(4)));
	assert_false(fits(&r, BOX(.w = 1, .h = 1, .d = 0), KIB(4)));
}

static void the_last_byte_lies_in_the_backing(void **state)
{
	struct virgl_resource r = texture(VIRGL_TARGET_2D, BGRA, 16, 8, 1, 1, 0);

	(void)state;
	/* Rows are those of the level: 7 * 64 + 4 bytes. */
	assert_true(fits(&r, BOX(.w = 1, .h = 8, .d = 1), 7 * 64 + 4));
	assert_false(fits(&r, BOX(.w = 1, .h = 8, .d = 1), 7 * 64 + 3));
	assert_true(fits(&r, BOX(.w = 1, .h = 8, .d = 1, .offset = 100), 7 * 64 + 104));
	assert_false(fits(&r, BOX(.w = 1, .h = 8, .d = 1, .offset = 101), 7 * 64 + 104));
	assert_false(fits(&r, BOX(.w = 1, .h = 1, .d = 1, .offset = ~0ULL), KIB(4)));
	assert_false(fits(&r, BOX(.w = 1, .h = 1, .d = 1, .offset = ~0ULL - 3), KIB(4)));
	assert_false(fits(&r, BOX(.w = 1, .h = 1, .d = 1), 0));
}

static void a_stride_is_zero_or_holds_a_row_of_whole_blocks(void **state)
{
	struct virgl_resource r = texture(VIRGL_TARGET_2D, BGRA, 16, 8, 1, 1, 0);

	(void)state;
	assert_true(fits(&r, BOX(.w = 4, .h = 2, .d = 1, .stride = 16), 32));
	assert_false(fits(&r, BOX(.w = 4, .h = 2, .d = 1, .stride = 16), 31));
	assert_false(fits(&r, BOX(.w = 4, .h = 2, .d = 1, .stride = 12), 32));
	assert_false(fits(&r, BOX(.w = 4, .h = 2, .d = 1, .stride = 17), 64));
	assert_true(fits(&r, BOX(.w = 4, .h = 2, .d = 1, .stride = 1024), 1040));
	assert_false(fits(&r, BOX(.w = 4, .h = 2, .d = 1, .stride = 1024), 1039));
}

static void a_layer_stride_is_zero_or_holds_a_layer(void **state)
{
	struct virgl_resource r = texture(VIRGL_TARGET_2D_ARRAY, BGRA, 16, 8, 1, 4, 0);

	(void)state;
	assert_true(fits(&r, BOX(.w = 16, .h = 8, .d = 4), 4 * 512));
	assert_false(fits(&r, BOX(.w = 16, .h = 8, .d = 4), 4 * 512 - 1));
	assert_true(fits(&r, BOX(.w = 4, .h = 2, .d = 4, .stride = 16, .layer_stride = 32), 128));
	assert_false(fits(&r, BOX(.w = 4, .h = 2, .d = 4, .stride = 16, .layer_stride = 28), 128));
	assert_false(fits(&r, BOX(.w = 4, .h = 2, .d = 1, .stride = 16, .layer_stride = 28), 128));
	assert_false(fits(&r, BOX(.w = 4, .h = 2, .d = 4, .stride = 16, .layer_stride = 34), 999));
	/* Not given: rows of the level. */
	assert_true(fits(&r, BOX(.w = 4, .h = 2, .d = 2, .stride = 16), 8 * 16 + 32));
	assert_false(fits(&r, BOX(.w = 4, .h = 2, .d = 2, .stride = 16), 8 * 16 + 31));
}

/* The renderer adds these up in 32 bits: 2 * 0x80000000 is nothing. */
static void sums_beyond_32_bits_do_not_wrap(void **state)
{
	struct virgl_resource r = texture(VIRGL_TARGET_2D_ARRAY, BGRA, 16, 8, 1, 4, 0);

	(void)state;
	assert_false(fits(&r, BOX(.w = 1, .h = 1, .d = 3, .layer_stride = 0x80000000), KIB(4)));
	assert_true(fits(&r, BOX(.w = 1, .h = 1, .d = 3, .layer_stride = 0x80000000), 0x100000004));
	assert_false(fits(&r, BOX(.w = 1, .h = 5, .d = 1, .stride = 0x40000000), KIB(4)));
}

static void boxes_begin_and_end_at_blocks(void **state)
{
	struct virgl_resource r = texture(VIRGL_TARGET_2D, DXT1, 10, 8, 1, 1, 0);

	(void)state;
	assert_true(fits(&r, BOX(.w = 4, .h = 4, .d = 1), 8));
	assert_true(fits(&r, BOX(.w = 10, .h = 8, .d = 1), 48));
	assert_true(fits(&r, BOX(.x = 8, .w = 2, .h = 4, .d = 1), 8));
	assert_false(fits(&r, BOX(.x = 8, .w = 1, .h = 4, .d = 1), 8));
	assert_false(fits(&r, BOX(.x = 2, .w = 4, .h = 4, .d = 1), 48));
	assert_false(fits(&r, BOX(.w = 4, .h = 3, .d = 1), 48));
	assert_false(fits(&r, BOX(.y = 1, .w = 4, .h = 4, .d = 1), 48));
	assert_false(fits(&r, BOX(.w = 8, .h = 8, .d = 1, .stride = 20), 48));
}

/* The renderer stops at an assertion when a box is beyond the memory that such a buffer lives in.
 */
static void a_buffer_in_guest_memory_is_no_larger_than_that(void **state)
{
	struct virgl_resource r = buffer(4096, VIRGL_BIND_STAGING);

	(void)state;
	r.backing_bytes = 2048;
	assert_true(fits(&r, BOX(.x = 1024, .w = 1024, .h = 1, .d = 1), 4096));
	assert_false(fits(&r, BOX(.x = 1025, .w = 1024, .h = 1, .d = 1), 4096));
	r.bind = VIRGL_BIND_VERTEX_BUFFER;
	assert_true(fits(&r, BOX(.x = 1025, .w = 1024, .h = 1, .d = 1), 4096));
}

/* 2022-0135: several layers were written to scratch memory for one. */
static void cve_2022_0135_faces_and_rows_of_1d_arrays_go_one_by_one(void **state)
{
	struct virgl_resource cube = texture(VIRGL_TARGET_CUBE, BGRA, 4, 4, 1, 6, 0);
	struct virgl_resource rows = texture(VIRGL_TARGET_1D_ARRAY, BGRA, 4, 1, 1, 6, 0);
	struct virgl_resource layers = texture(VIRGL_TARGET_2D_ARRAY, BGRA, 4, 4, 1, 6, 0);
	struct virgl_resource flat = texture(VIRGL_TARGET_2D, BGRA, 4, 4, 1, 1, 0);
	struct virgl_transfer t = { .w = 4, .h = 1, .d = 2 };

	(void)state;
	assert_true(virgl_transfer_must_split(&cube, &t, false));
	assert_true(virgl_transfer_must_split(&rows, &t, false));
	assert_false(virgl_transfer_must_split(&layers, &t, false));
	assert_true(virgl_transfer_must_split(&layers, &t, true));
	assert_false(virgl_transfer_fits(&flat, &t, KIB(4)));
	t.d = 1;
	assert_false(virgl_transfer_must_split(&cube, &t, true));
}

static void the_layers_of_a_transfer_cover_it(void **state)
{
	struct virgl_resource r = texture(VIRGL_TARGET_2D_ARRAY, BGRA, 16, 8, 1, 9, 0);
	struct virgl_transfer t = { .x = 3, .y = 2, .z = 4, .w = 5, .h = 6, .d = 3, .offset = 77 };
	struct virgl_transfer one;

	(void)state;
	for (u32 i = 0; i < t.d; i++) {
		virgl_transfer_layer(&r, &t, i, &one);
		assert_int_equal(one.z, 4 + i);
		assert_int_equal(one.d, 1);
		assert_int_equal(one.offset, 77 + i * 16 * 8 * 4);
		assert_int_equal(one.stride, 0);
		assert_true(virgl_transfer_fits(&r, &one, 77 + 3 * 512));
	}
	/* The last ends exactly where the whole does. */
	for (u64 backing = 1500; backing < 1700; backing++)
		assert_int_equal(virgl_transfer_fits(&r, &one, backing),
				 virgl_transfer_fits(&r, &t, backing));
	t.stride = 24;
	t.layer_stride = 240;
	virgl_transfer_layer(&r, &t, 2, &one);
	assert_int_equal(one.offset, 77 + 480);
	assert_int_equal(one.stride, 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_as_in_the_renderers_table),
		cmocka_unit_test(unknown_and_planar_formats_have_no_block),
		cmocka_unit_test(no_block_has_a_side_of_zero),
		cmocka_unit_test(depth_and_stencil_formats_are_known_as_such),
		cmocka_unit_test(every_target_has_its_shape),
		cmocka_unit_test(sides_and_layers_have_limits),
		cmocka_unit_test(levels_end_at_one_pixel),
		cmocka_unit_test(samples_are_refused),
		cmocka_unit_test(a_buffer_is_of_bytes),
		cmocka_unit_test(bind_has_to_suit_the_target),
		cmocka_unit_test(only_pictures_may_stand_upside_down),
		cmocka_unit_test(cve_2019_18388_impossible_resources_are_not_created),
		cmocka_unit_test(cve_2022_0175_all_of_every_level_can_be_cleared),
		cmocka_unit_test(bytes_count_levels_and_layers),
		cmocka_unit_test(bytes_of_compressed_formats_are_whole_blocks),
		cmocka_unit_test(the_largest_resource_is_the_largest_that_can_be_cleared),
		cmocka_unit_test(a_level_halves_the_sides_that_a_target_has),
		cmocka_unit_test(a_transfer_lies_in_its_level),
		cmocka_unit_test(an_empty_box_is_refused),
		cmocka_unit_test(the_last_byte_lies_in_the_backing),
		cmocka_unit_test(a_stride_is_zero_or_holds_a_row_of_whole_blocks),
		cmocka_unit_test(a_layer_stride_is_zero_or_holds_a_layer),
		cmocka_unit_test(sums_beyond_32_bits_do_not_wrap),
		cmocka_unit_test(boxes_begin_and_end_at_blocks),
		cmocka_unit_test(a_buffer_in_guest_memory_is_no_larger_than_that),
		cmocka_unit_test(cve_2022_0135_faces_and_rows_of_1d_arrays_go_one_by_one),
		cmocka_unit_test(the_layers_of_a_transfer_cover_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
