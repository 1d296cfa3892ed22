/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device with the registers of a Bochs display, in any of the three kinds that there are. What
 * it stands on is in vbe_world.h.
 */
#ifndef TESTS_UNIT_FAKE_VBE_H
#define TESTS_UNIT_FAKE_VBE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* cmocka.h wants the above first. */
#include <cmocka.h>

#include "arch/x86/io.h"
#include "core/vmap.h"
#include "gpu/vbe/vbe.h"

#define MEMORY	MIB(32)
#define BASE	0xe0000000ULL
#define BAR2	0xfeb00000ULL
#define NO_MODE (~0ULL)

enum kind {
	DISPLAY, /* QEMU's bochs-display: registers hold anything */
	VGA,	 /* QEMU's VGA: values are pulled into range */
	PORTS,	 /* Bochs: no size while enabled, no memory while not; stops at bad offsets */
};

static struct {
	enum kind kind;
	u64 size;
	u16 r[VBE_DISPI_COUNT];
	u16 index;
	u32 writes;
	bool shown; /* VGA's attribute controller */
} device;
static u8 memory[MEMORY] __attribute__((aligned(4096)));
static u8 page[PAGE_SIZE];

static u32 pixel_bytes(void)
{
	return device.r[VBE_DISPI_BPP] / 8;
}

static u64 line_bytes(void)
{
	return (u64)MAX(device.r[VBE_DISPI_VIRT_WIDTH], device.r[VBE_DISPI_XRES]) * pixel_bytes();
}

static u64 start_of_scanout(void)
{
	return device.r[VBE_DISPI_Y_OFFSET] * line_bytes() +
	       (u64)device.r[VBE_DISPI_X_OFFSET] * pixel_bytes();
}

/* Where the picture that is on the screen begins in video memory. */
static u64 picture(void)
{
	u64 end = start_of_scanout() + line_bytes() * device.r[VBE_DISPI_YRES];

	if (!(device.r[VBE_DISPI_ENABLE] & VBE_DISPI_ENABLED) || end > device.size)
		return NO_MODE;
	return start_of_scanout();
}

static void vga_fix_up(void)
{
	u16 *r = device.r;

	if (!(r[VBE_DISPI_ENABLE] & VBE_DISPI_ENABLED))
		return;
	r[VBE_DISPI_XRES] &= 0xfff8;
	r[VBE_DISPI_XRES] = (u16)MIN(MAX(r[VBE_DISPI_XRES], 8), 16000);
	r[VBE_DISPI_VIRT_WIDTH] &= 0xfff8;
	r[VBE_DISPI_VIRT_WIDTH] = (u16)MIN(MAX(r[VBE_DISPI_VIRT_WIDTH], r[VBE_DISPI_XRES]), 16000);
	r[VBE_DISPI_YRES] = (u16)MIN(MAX(r[VBE_DISPI_YRES], 1), device.size / line_bytes());
	r[VBE_DISPI_X_OFFSET] = MIN(r[VBE_DISPI_X_OFFSET], 16000);
	r[VBE_DISPI_Y_OFFSET] = MIN(r[VBE_DISPI_Y_OFFSET], 12000);
	if (picture() == NO_MODE)
		r[VBE_DISPI_Y_OFFSET] = 0;
	if (picture() == NO_MODE)
		r[VBE_DISPI_X_OFFSET] = 0;
}

/* Whether the other processor is outside its guest: vbe_world.h has it. */
static bool cpu1_is_held(void);

static void switch_on_or_off(u16 value)
{
	bool was = device.r[VBE_DISPI_ENABLE] & VBE_DISPI_ENABLED;
	bool on = value & VBE_DISPI_ENABLED;

	assert_true(!on || value & VBE_DISPI_KEEP); /* would clear slice 0 */
	if (device.kind == PORTS && (was || on))
		assert_true(cpu1_is_held());
	device.r[VBE_DISPI_ENABLE] = value;
	if (!on || was || device.kind == DISPLAY)
		return;
	device.r[VBE_DISPI_X_OFFSET] = device.r[VBE_DISPI_Y_OFFSET] = 0;
	device.r[VBE_DISPI_VIRT_WIDTH] = device.r[VBE_DISPI_XRES];
}

static void bochs_write(u32 index, u16 value)
{
	bool on = device.r[VBE_DISPI_ENABLE] & VBE_DISPI_ENABLED;

	if (on && (index == VBE_DISPI_XRES || index == VBE_DISPI_YRES || index == VBE_DISPI_BPP))
		return;
	if (index == VBE_DISPI_XRES && value > 2560)
		return;
	if (index == VBE_DISPI_VIRT_WIDTH)
		assert_int_not_equal(value, 0);
	if (index == VBE_DISPI_Y_OFFSET)
		assert_true((value + (u64)device.r[VBE_DISPI_YRES]) * line_bytes() <= device.size);
	device.r[index] = value;
}

static void register_write(u32 index, u16 value)
{
	assert_true(index > VBE_DISPI_ID && index < VBE_DISPI_MEMORY_64K);
	device.writes++;
	if (index == VBE_DISPI_ENABLE)
		switch_on_or_off(value);
	else if (device.kind == PORTS)
		bochs_write(index, value);
	else
		device.r[index] = value;
	if (device.kind == VGA)
		vga_fix_up();
}

static u16 register_read(u32 index)
{
	if (index == VBE_DISPI_ID)
		return VBE_DISPI_ID5;
	return index == VBE_DISPI_MEMORY_64K ? (u16)(device.size / KIB(64)) : device.r[index];
}

u32 host_port_in(u16 port, unsigned size)
{
	if (port == VBE_DISPI_DATA_PORT) {
		assert_int_equal(size, 2);
		return register_read(device.index);
	}
	return 0;
}

void host_port_out(u16 port, u32 value, unsigned size)
{
	assert_int_equal(device.kind, PORTS);
	if (port == VBE_DISPI_INDEX_PORT)
		device.index = (u16)value;
	else if (port == VBE_DISPI_DATA_PORT)
		register_write(device.index, (u16)value);
	else
		device.shown = port == 0x3c0 && size == 1 && value == 0x20;
}

static bool in_page(const volatile void *at)
{
	return (const u8 *)at >= page && (const u8 *)at < page + PAGE_SIZE;
}

u64 host_mmio_read(const volatile void *at, unsigned size)
{
	u64 value = 0;

	if (in_page(at) && (const u8 *)at >= page + VBE_MMIO_DISPI)
		return register_read((u32)((const u8 *)at - page - VBE_MMIO_DISPI) / 2);
	memcpy(&value, (const void *)at, size);
	return value;
}

void host_mmio_write(volatile void *at, u64 value, unsigned size)
{
	u32 offset = in_page(at) ? (u32)((u8 *)at - page) : 0;

	if (!in_page(at))
		memcpy((void *)at, &value, size);
	else if (offset == VBE_MMIO_VGA)
		device.shown = value == 0x20;
	else if (offset < VBE_MMIO_EXT)
		register_write((offset - VBE_MMIO_DISPI) / 2, (u16)value);
}

void *vmap_mmio(hpa_t base, u64 size)
{
	assert_int_equal(base.raw, BAR2);
	assert_int_equal(size, PAGE_SIZE);
	return page;
}

void *vmap_write_combining(hpa_t base, u64 size)
{
	assert_int_equal(base.raw, BASE);
	assert_true(size <= MEMORY);
	return memory;
}

#endif
