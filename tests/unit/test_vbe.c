/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest of a VBE device has: registers that hold what it writes, and a slice of memory. */
// SOURCES: gpu/gpu.c gpu/hang.c gpu/vgpu.c gpu/dma.c drivers/iommu_ram.c
// SOURCES: gpu/sched.c gpu/sched_admit.c gpu/sched_complete.c gpu/sched_fixed.c
// SOURCES: gpu/sched_note.c gpu/sched_order.c
// SOURCES: gpu/control.c gpu/settings.c gpu/guard.c gpu/waits.c gpu/books.c gpu/ledger.c
// SOURCES: gpu/sha256.c gpu/trace.c gpu/encode.c
// SOURCES: core/config.c core/config_keys.c gpu/config.c
// SOURCES: core/lib/parse.c core/lib/fmt.c
// SOURCES: gpu/vbe/family.c gpu/vbe/vfunc.c
// SOURCES: gpu/vbe/dispi.c gpu/vbe/slices.c gpu/vbe/scanout.c gpu/vbe/phys.c
// SOURCES: core/lib/string.c core/lib/error.c
#include "tests/unit/vbe_world.h"

/* ---- registers ---- */

static void registers_hold_what_is_written(void **state)
{
	(void)state;
	boot(DISPLAY, MIB(16), MIB(64));
	assert_int_equal(get(0, VBE_MMIO_DISPI, 2), VBE_DISPI_ID5);
	assert_int_equal(get(0, VBE_MMIO_DISPI + 2 * VBE_DISPI_MEMORY_64K, 2), 128);
	set(0, VBE_DISPI_ID, 0xb0c0);
	set(0, VBE_DISPI_MEMORY_64K, 1);
	assert_int_equal(get(0, VBE_MMIO_DISPI, 2), VBE_DISPI_ID5);
	assert_int_equal(get(0, VBE_MMIO_DISPI + 2 * VBE_DISPI_MEMORY_64K, 2), 128);
	for (u32 i = VBE_DISPI_XRES; i < VBE_DISPI_MEMORY_64K; i++) {
		set(0, i, 0xff00 | i);
		assert_int_equal(get(0, VBE_MMIO_DISPI + 2 * i, 2), 0xff00 | i);
	}
	assert_int_equal(get(0, VBE_MMIO_DISPI + 4, 4), 0xff03ff02);
	assert_int_equal(get(0, VBE_MMIO_DISPI + 3, 1), 0xff);
	power_off();
}

static void modes_are_checked_against_the_slice(void **state)
{
	static const struct {
		u16 width, height, bpp, virt, x, y;
		bool good;
	} cases[] = {
		{ 1024, 768, 32, 1024, 0, 0, true },
		{ 1024, 768, 16, 0, 0, 0, true },
		{ 1024, 1024, 32, 1024, 0, 0, true },
		{ 1024, 1025, 32, 1024, 0, 0, false },
		{ 1024, 1024, 32, 1024, 1, 0, false },
		{ 1024, 1023, 32, 1024, 1024, 0, true },
		{ 1024, 1023, 32, 1024, 1025, 0, false },
		{ 1024, 1024, 32, 1025, 0, 0, false },
		{ 1024, 512, 32, 2048, 0, 0, true },
		{ 1024, 512, 32, 2048, 0, 1, false },
		{ 64, 64, 32, 64, 0, 0, true },
		{ 63, 64, 32, 64, 0, 0, false },
		{ 64, 63, 32, 64, 0, 0, false },
		{ 640, 480, 24, 640, 0, 0, false },
		{ 640, 480, 8, 640, 0, 0, false },
		{ 640, 480, 0, 640, 0, 0, false },
		{ 65535, 65535, 32, 65535, 65535, 65535, false },
		{ 64, 64, 32, 65535, 0, 65535, false },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vbe_registers r;
		struct vbe_mode mode;

		vbe_registers_init(&r, MIB(4));
		r.value[VBE_DISPI_XRES] = cases[i].width;
		r.value[VBE_DISPI_YRES] = cases[i].height;
		r.value[VBE_DISPI_BPP] = cases[i].bpp;
		r.value[VBE_DISPI_VIRT_WIDTH] = cases[i].virt;
		r.value[VBE_DISPI_X_OFFSET] = cases[i].x;
		r.value[VBE_DISPI_Y_OFFSET] = cases[i].y;
		assert_false(vbe_registers_mode(&r, &mode)); /* not enabled */
		r.value[VBE_DISPI_ENABLE] = VBE_DISPI_ENABLED;
		assert_int_equal(vbe_registers_mode(&r, &mode), cases[i].good);
	}
}

static void page_has_edid_byte_order_and_no_vga(void **state)
{
	u64 value = 0xbebebebe;
	u8 sum = 0;

	(void)state;
	boot(PORTS, MIB(16), MIB(8));
	for (u32 i = 0; i < VBE_EDID_SIZE; i++)
		sum = (u8)(sum + get(0, i, 1));
	assert_int_equal(sum, 0);
	assert_int_equal(get(0, 0, 8), 0x00ffffffffffff00);
	assert_int_equal(get(0, VBE_EDID_SIZE, 4), 0); /* one block */
	assert_int_equal(get(0, VBE_MMIO_EXT, 4), 8);
	assert_int_equal(access_page(0, VBE_MMIO_EXT + 4, 4, true, &value), ACCESS_HANDLED);
	assert_int_equal(get(0, VBE_MMIO_EXT + 4, 4), VBE_LITTLE_ENDIAN);
	assert_int_equal(access_page(0, VBE_MMIO_VGA, 1, true, &value), ACCESS_NOT_MINE);
	assert_int_equal(access_page(0, VBE_MMIO_DISPI + 22, 2, false, &value), ACCESS_NOT_MINE);
	assert_int_equal(access_page(0, VBE_MMIO_DISPI, 8, false, &value), ACCESS_NOT_MINE);
	assert_int_equal(access_page(0, 0xff8, 8, false, &value), ACCESS_NOT_MINE);
	power_off();
}

static void preferred_mode_fits_twice(void **state)
{
	(void)state;
	for (u64 size = MIB(1); size <= MIB(64); size *= 2) {
		u8 edid[VBE_EDID_SIZE];
		u64 width, height;

		vbe_edid(edid, size);
		width = edid[56] | (u64)(edid[58] >> 4) << 8;
		height = edid[59] | (u64)(edid[61] >> 4) << 8;
		assert_true(size < MIB(4) || width * height * 8 <= size);
		assert_int_equal(width, size < MIB(4) ? 640 : size < MIB(8) ? 800 : 1024);
	}
}

/* ---- slices ---- */

static void slices_are_aligned_and_apart(void **state)
{
	(void)state;
	srand(1);
	for (u32 round = 0; round < 2000; round++) {
		struct vbe_slice s[CONFIG_MAX_GUESTS];
		u64 size = MIB(16) << rand() % 5;
		u64 begin, sum = 0;

		memset(&config, 0, sizeof(config));
		config.guest_count = 1 + (u32)rand() % CONFIG_MAX_GUESTS;
		for (u32 i = 0; i < config.guest_count; i++) {
			config.guests[i].gpu = rand() % 4 ? 0 : 1;
			config.guests[i].gpu_memory = MIB(1) + (u64)rand() % MIB(40);
		}
		begin = vbe_slices_begin(&config, 0, size);
		for (u32 i = 0; i < config.guest_count; i++) {
			if (config.guests[i].gpu)
				continue;
			assert_int_equal(vbe_slice_of(&config, 0, i, size, &s[i]), OK);
			assert_int_equal(s[i].size & (s[i].size - 1), 0);
			assert_int_equal(s[i].base % s[i].size, 0);
			assert_true(s[i].size <= config.guests[i].gpu_memory);
			assert_true(s[i].base >= begin && s[i].base + s[i].size <= size);
			sum += s[i].size;
			for (u32 j = 0; j < i; j++)
				assert_true(config.guests[j].gpu ||
					    s[j].base >= s[i].base + s[i].size ||
					    s[i].base >= s[j].base + s[j].size);
		}
		assert_int_equal(begin, size - sum);
	}
}

static void slices_follow_the_file_or_are_equal(void **state)
{
	struct vbe_slice s;

	(void)state;
	memset(&config, 0, sizeof(config));
	config.guest_count = 3;
	config.guests[0].gpu_memory = MIB(5);
	config.guests[1].gpu_memory = MIB(8);
	config.guests[2].gpu_memory = MIB(2);
	assert_int_equal(vbe_slice_of(&config, 0, 0, MIB(16), &s), OK);
	assert_int_equal(s.size, MIB(4));
	assert_int_equal(vbe_slice_of(&config, 0, 1, MIB(16), &s), OK);
	assert_int_equal(s.size, MIB(8));
	config.guests[0].gpu_memory = config.guests[1].gpu_memory = MIB(64);
	assert_int_equal(vbe_slice_of(&config, 0, 1, MIB(16), &s), OK);
	assert_int_equal(s.size, MIB(4));
	config.guest_count = 16;
	for (u32 i = 0; i < 16; i++)
		config.guests[i].gpu_memory = MIB(64);
	assert_int_equal(vbe_slice_of(&config, 0, 15, MIB(8), &s), ERR_NO_MEMORY);
}

static void bar0_is_the_slice_and_uncached(void **state)
{
	const struct vpci_bar *bar;

	(void)state;
	boot(VGA, MIB(16), MIB(4));
	for (u32 i = 0; i < GUESTS; i++) {
		bar = &vgpu_function(&vms[i])->bars[0];
		assert_int_equal(bar->size, MIB(4));
		assert_int_equal(bar->span_count, 1);
		assert_int_equal(bar->spans[0].kind, VPCI_SPAN_DIRECT);
		assert_int_equal(bar->spans[0].hpa.raw, BASE + vgpu_of(i)->slice.base);
		assert_int_equal(bar->spans[0].size, MIB(4));
		assert_int_equal(bar->spans[0].attr.type, PTAB_UC);
		assert_false(bar->spans[0].attr.exec);
	}
	power_off();
}

static void stopped_guests_slice_is_zero_and_the_others_is_not(void **state)
{
	u32 polls = 1;

	(void)state;
	boot(PORTS, MIB(16), MIB(64));
	set_mode(0, 1024, 768, 32);
	memset(memory, 0x55, MIB(16));
	vgpu_stop(&vms[0]);
	for (; !vgpu_stopped(&vms[0]); polls++)
		assert_false(is_zero(memory + vgpu_of(0)->slice.base, vgpu_of(0)->slice.size));
	assert_int_equal(polls, MIB(8) / VBE_COPY_STEP);
	assert_true(is_zero(memory + vgpu_of(0)->slice.base, MIB(8)));
	assert_int_equal(memory[vgpu_of(1)->slice.base], 0x55);
	assert_memory_equal(memory + vgpu_of(1)->slice.base, memory + vgpu_of(1)->slice.base + 1,
			    MIB(8) - 1);
	assert_int_equal(get(0, VBE_MMIO_DISPI + 2 * VBE_DISPI_ENABLE, 2), 0);
	assert_int_equal(picture(), vgpu_of(0)->slice.base); /* black */
	power_off();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_hold_what_is_written),
		cmocka_unit_test(modes_are_checked_against_the_slice),
		cmocka_unit_test(page_has_edid_byte_order_and_no_vga),
		cmocka_unit_test(preferred_mode_fits_twice),
		cmocka_unit_test(slices_are_aligned_and_apart),
		cmocka_unit_test(slices_follow_the_file_or_are_equal),
		cmocka_unit_test(bar0_is_the_slice_and_uncached),
		cmocka_unit_test(stopped_guests_slice_is_zero_and_the_others_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
