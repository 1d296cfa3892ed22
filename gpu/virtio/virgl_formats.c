/* SPDX-License-Identifier: Apache-2.0 */
/* The blocks of virgl's formats as runs of equal ones; see virgl_formats.h. */
#include "gpu/virtio/virgl_formats.h"

/*
 * Numbers `first` and up have blocks of `bytes`, one pixel each unless `sides`
 * says otherwise, until the next run; bytes 0: not for guests. Many formats
 * come in families of one to four channels, which is what most of this is.
 */
struct run {
	u16 first;
	u8 bytes;
	u8 sides; /* width * 16 + height; 0: 1x1 */
};

#define SIDES(w, h) ((w) << 4 | (h))
#define BLOCK_4X4   SIDES(4, 4)
#define PAIR	    SIDES(2, 1)

/* One to four channels of `bytes` each. */
#define FAMILY(number, bytes) \
	{ (number), (bytes), 0 }, { (number) + 1, 2 * (bytes), 0 }, \
		{ (number) + 2, 3 * (bytes), 0 }, \
	{ \
		(number) + 3, 4 * (bytes), 0 \
	}

/* ASTC: 16 bytes a block, whose size is the only difference. */
#define ASTC(number) \
	{ (number), 16, SIDES(4, 4) }, { (number) + 1, 16, SIDES(5, 4) }, \
		{ (number) + 2, 16, SIDES(5, 5) }, { (number) + 3, 16, SIDES(6, 5) }, \
		{ (number) + 4, 16, SIDES(6, 6) }, { (number) + 5, 16, SIDES(8, 5) }, \
		{ (number) + 6, 16, SIDES(8, 6) }, { (number) + 7, 16, SIDES(8, 8) }, \
		{ (number) + 8, 16, SIDES(10, 5) }, { (number) + 9, 16, SIDES(10, 6) }, \
		{ (number) + 10, 16, SIDES(10, 8) }, { (number) + 11, 16, SIDES(10, 10) }, \
		{ (number) + 12, 16, SIDES(12, 10) }, \
	{ \
		(number) + 13, 16, SIDES(12, 12) \
	}

static const struct run runs[] = {
	{ 0, 0, 0 },
	{ 1, 4, 0 }, /* BGRA and its orders */
	{ 5, 2, 0 }, /* 5551, 4444, 565 */
	{ 8, 4, 0 }, /* R10G10B10A2 */
	{ 9, 1, 0 }, /* L8, A8, I8 */
	{ 12, 2, 0 },
	{ 14, 4, PAIR }, /* UYVY, YUYV */
	{ 16, 2, 0 },	 /* Z16 */
	{ 17, 4, 0 },	 /* Z32, Z24 with and without S8 */
	{ 23, 1, 0 },	 /* S8 */
	FAMILY(24, 8),
	FAMILY(28, 4), /* R32 float, unorm, uscaled, snorm, sscaled */
	FAMILY(32, 4),
	FAMILY(36, 4),
	FAMILY(40, 4),
	FAMILY(44, 4),
	FAMILY(48, 2), /* R16 unorm, uscaled, snorm, sscaled */
	FAMILY(52, 2),
	FAMILY(56, 2),
	FAMILY(60, 2),
	FAMILY(64, 1), /* R8; 68 is X8B8G8R8 */
	FAMILY(69, 1),
	{ 73, 0, 0 },
	FAMILY(74, 1),
	{ 78, 0, 0 },
	FAMILY(82, 1),
	{ 86, 0, 0 },
	FAMILY(87, 4),	       /* fixed */
	FAMILY(91, 2),	       /* half float */
	FAMILY(95, 1),	       /* sRGB: L8, L8A8, R8G8B8; 98 to 104 are orders of RGBA */
	{ 105, 8, BLOCK_4X4 }, /* DXT1 */
	{ 107, 16, BLOCK_4X4 },
	{ 109, 8, BLOCK_4X4 },
	{ 111, 16, BLOCK_4X4 },
	{ 113, 8, BLOCK_4X4 }, /* RGTC1 */
	{ 115, 16, BLOCK_4X4 },
	{ 117, 4, PAIR },
	{ 119, 4, 0 },
	{ 120, 2, 0 },
	{ 121, 4, 0 },
	{ 122, 2, 0 },
	{ 123, 4, 0 },		 /* packed: 10-10-10-2, 11-11-10, shared exponent */
	{ 126, 8, 0 },		 /* Z32 float with S8 */
	{ 127, 1, SIDES(8, 1) }, /* one bit a pixel */
	{ 128, 4, 0 },
	{ 130, 1, 0 },
	{ 131, 4, 0 },
	{ 133, 2, 0 },
	{ 134, 4, 0 },
	{ 135, 2, 0 },
	{ 136, 4, 0 }, /* stencil alone of Z24S8 */
	{ 138, 8, 0 },
	{ 139, 1, 0 },
	{ 140, 4, 0 }, /* luminance, alpha, intensity of 16 bits */
	{ 141, 2, 0 },
	{ 143, 8, BLOCK_4X4 }, /* LATC1 */
	{ 145, 16, BLOCK_4X4 },
	{ 147, 1, 0 },
	{ 149, 2, 0 },
	{ 150, 1, 0 },
	{ 151, 2, 0 },
	{ 153, 4, 0 },
	{ 154, 2, 0 },
	{ 157, 4, 0 },
	{ 158, 2, 0 },
	{ 159, 4, 0 },
	{ 161, 8, 0 },
	{ 162, 4, 0 },
	{ 163, 0, 0 }, /* YV12 to NV21: several planes */
	{ 168, 1, 0 },
	{ 170, 2, 0 },
	{ 172, 4, 0 },
	FAMILY(177, 1), /* integers */
	FAMILY(181, 1),
	FAMILY(185, 2),
	FAMILY(189, 2),
	FAMILY(193, 4),
	FAMILY(197, 4),
	{ 201, 1, 0 }, /* A, I, L and LA of each size, unsigned and signed */
	{ 204, 2, 0 },
	{ 205, 1, 0 },
	{ 208, 2, 0 },
	{ 212, 4, 0 },
	{ 213, 2, 0 },
	{ 216, 4, 0 },
	{ 220, 8, 0 },
	{ 221, 4, 0 },
	{ 224, 8, 0 },
	{ 225, 4, 0 },
	{ 226, 8, BLOCK_4X4 }, /* ETC1 */
	{ 227, 4, PAIR },
	{ 229, 4, 0 },	/* RGBX of 8, */
	{ 234, 8, 0 },	/* 16 */
	{ 239, 16, 0 }, /* and 32 bits a channel */
	{ 242, 2, 0 },	/* RA */
	{ 243, 4, 0 },
	{ 246, 8, 0 },
	{ 247, 2, 0 },
	{ 249, 4, 0 },
	{ 251, 8, 0 },
	{ 253, 4, 0 },
	{ 254, 2, 0 },
	{ 255, 16, BLOCK_4X4 }, /* BPTC */
	{ 259, 2, 0 },
	{ 262, 0, 0 }, /* 262 to 266 are two formats each: sizes are not certain */
	{ 267, 4, 0 },
	{ 269, 8, BLOCK_4X4 }, /* ETC2 */
	{ 273, 16, BLOCK_4X4 },
	{ 275, 8, BLOCK_4X4 },
	{ 277, 16, BLOCK_4X4 },
	ASTC(279),
	ASTC(293),
	{ 307, 0, 0 },
	{ 308, 4, 0 },
	{ 309, 0, 0 },
	{ 311, 2, 0 },
	{ 312, 1, 0 },
	{ 313, 2, 0 },
	{ 314, 0, 0 }, /* P010 to P016: several planes */
	{ 317, 3, 0 },
	{ 318, 1, 0 },
	{ 319, 2, 0 },
	{ VIRGL_FORMATS, 0, 0 },
};

/* The last run that begins at or before `format`. */
static const struct run *run_of(u32 format)
{
	u32 low = 0, high = ARRAY_SIZE(runs) - 1;

	while (low < high) {
		u32 middle = (low + high + 1) / 2;

		if (runs[middle].first <= format)
			low = middle;
		else
			high = middle - 1;
	}
	return &runs[low];
}

bool virgl_format_block(u32 format, struct virgl_block *block)
{
	const struct run *run = run_of(format);

	if (!run->bytes)
		return false;
	block->bytes = run->bytes;
	block->width = run->sides ? run->sides >> 4 : 1;
	block->height = run->sides ? run->sides & 15 : 1;
	return true;
}

bool virgl_format_is_depth_stencil(u32 format)
{
	return (format >= 16 && format <= 23) || format == 126 || (format >= 136 && format <= 138);
}
