/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DISPI registers that a guest sees, as QEMU's bochs-display has them: they
 * hold what is written, and a mode that makes no sense is not shown.
 */
#include "core/lib/string.h"
#include "gpu/vbe/vbe.h"

#define WIDTH_MIN  64
#define HEIGHT_MIN 64

void vbe_registers_init(struct vbe_registers *registers, u64 size)
{
	memset(registers, 0, sizeof(*registers));
	registers->size = size;
}

static u16 get(const struct vbe_registers *registers, u32 index)
{
	if (index == VBE_DISPI_ID)
		return VBE_DISPI_ID5;
	if (index == VBE_DISPI_MEMORY_64K)
		return (u16)(registers->size / KIB(64));
	return index < VBE_DISPI_COUNT ? registers->value[index] : 0xffff;
}

static void set(struct vbe_registers *registers, u32 index, u16 value)
{
	if (index < VBE_DISPI_COUNT)
		registers->value[index] = value;
}

enum access_result vbe_registers_access(struct vbe_registers *registers, struct access *access)
{
	u32 index = (u32)(access->offset / 2);

	if (access->size > 4 || access->offset % access->size || index >= VBE_DISPI_COUNT)
		return ACCESS_NOT_MINE;
	if (access->write) {
		set(registers, index, (u16)access->value); /* a byte is taken as a whole register */
		if (access->size == 4)
			set(registers, index + 1, (u16)(access->value >> 16));
		return ACCESS_HANDLED;
	}
	access->value = get(registers, index);
	if (access->size == 4)
		access->value |= (u64)get(registers, index + 1) << 16;
	if (access->size == 1)
		access->value = access->value >> access->offset % 2 * 8 & 0xff;
	return ACCESS_HANDLED;
}

bool vbe_registers_mode(const struct vbe_registers *registers, struct vbe_mode *mode)
{
	const u16 *r = registers->value;
	u64 stride, size;

	if (!(r[VBE_DISPI_ENABLE] & VBE_DISPI_ENABLED))
		return false;
	if (r[VBE_DISPI_BPP] != 16 && r[VBE_DISPI_BPP] != 32)
		return false;
	*mode = (struct vbe_mode){
		.width = r[VBE_DISPI_XRES],
		.height = r[VBE_DISPI_YRES],
		.virt_width = MAX(r[VBE_DISPI_VIRT_WIDTH], r[VBE_DISPI_XRES]),
		.bytes = r[VBE_DISPI_BPP] / 8,
	};
	if (mode->width < WIDTH_MIN || mode->height < HEIGHT_MIN)
		return false;
	/* 16-bit factors: nothing here can wrap. */
	stride = (u64)mode->virt_width * mode->bytes;
	size = stride * mode->height;
	mode->offset = stride * r[VBE_DISPI_Y_OFFSET] + (u64)r[VBE_DISPI_X_OFFSET] * mode->bytes;
	return size <= registers->size && mode->offset <= registers->size - size;
}

/* ---- the monitor; VESA E-EDID 1.4 ---- */

/* VESA DMT 1.0: clock in 10 kHz, blanking, front porch, pulse; established-timing bits. */
static const struct timing {
	u16 clock, width, h_blank, h_front, h_pulse, height;
	u8 v_blank, v_front, v_pulse, polarity, established[2];
} timings[] = {
	{ 6500, 1024, 320, 24, 136, 768, 38, 3, 6, 0x18, { 0, 0x08 } },
	{ 4000, 800, 256, 40, 128, 600, 28, 1, 4, 0x1e, { 0x01, 0 } },
	{ 2518, 640, 160, 16, 96, 480, 45, 10, 2, 0x18, { 0x20, 0 } },
};

/* As 26.6 by 19.5 cm it would have 98 dots an inch. */
#define SCREEN_MM_WIDTH	 266
#define SCREEN_MM_HEIGHT 195

static void put_timing(u8 *at, const struct timing *t)
{
	const u8 bytes[18] = {
		(u8)t->clock,
		(u8)(t->clock >> 8),
		(u8)t->width,
		(u8)t->h_blank,
		(u8)(t->width >> 8 << 4 | t->h_blank >> 8),
		(u8)t->height,
		t->v_blank,
		(u8)(t->height >> 8 << 4),
		(u8)t->h_front,
		(u8)t->h_pulse,
		(u8)(t->v_front << 4 | t->v_pulse),
		0,
		(u8)SCREEN_MM_WIDTH,
		(u8)SCREEN_MM_HEIGHT,
		SCREEN_MM_WIDTH >> 8 << 4 | SCREEN_MM_HEIGHT >> 8,
		0,
		0,
		t->polarity,
	};

	memcpy(at, bytes, sizeof(bytes));
}

void vbe_edid(u8 edid[VBE_EDID_SIZE], u64 size)
{
	static const u8 head[] = {
		0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x18, 0x74,
		0x01, 0x00, 0x01, 0x00, 0x00, 0x00, /* "FCT", product 1, number 1 */
		0x00, 0x22, 0x01, 0x04,		    /* 2024, version 1.4 */
		0xa5, 0x1b, 0x14, 0x78, 0x06,	    /* digital, cm, gamma, sRGB */
		0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54,
	};
	/* Name; 50 to 75 Hz, 30 to 50 kHz, at most 70 MHz, no formula; nothing. */
	static const u8 descriptors[3][18] = {
		{ 0, 0, 0, 0xfc, 0, 'F', 'a', 'c', 'e', 't', '\n', ' ', ' ', ' ', ' ', ' ', ' ',
		  ' ' },
		{ 0, 0, 0, 0xfd, 0, 50, 75, 30, 50, 7, 1, '\n', ' ', ' ', ' ', ' ', ' ', ' ' },
		{ 0, 0, 0, 0x10 },
	};
	u32 first = 0;
	u8 sum = 0;

	/* Two buffers of four bytes a pixel: a driver draws one while the other is seen. */
	while (first + 1 < ARRAY_SIZE(timings) &&
	       8ULL * timings[first].width * timings[first].height > size)
		first++;
	memset(edid, 0, VBE_EDID_SIZE);
	memcpy(edid, head, sizeof(head));
	for (u32 i = first; i < ARRAY_SIZE(timings); i++) {
		edid[35] |= timings[i].established[0];
		edid[36] |= timings[i].established[1];
	}
	memset(edid + 38, 1, 16); /* no standard timings */
	put_timing(edid + 54, &timings[first]);
	memcpy(edid + 72, descriptors, sizeof(descriptors));
	for (u32 i = 0; i < VBE_EDID_SIZE - 1; i++)
		sum += edid[i];
	edid[VBE_EDID_SIZE - 1] = (u8)-sum;
}
