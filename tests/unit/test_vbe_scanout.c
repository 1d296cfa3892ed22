/* SPDX-License-Identifier: Apache-2.0 */
/* Whose picture a VBE device shows, on three that differ as the real ones do. */
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

static const char *path(u32 guest)
{
	struct vgpu_report report;
	struct vgpu *vgpu = vms[guest].vgpu;

	vgpu->gpu->ops->vgpu_report(vgpu, &report);
	return report.scanout_path;
}

static void start_clears_and_shows_black(void **state)
{
	(void)state;
	for (enum kind kind = DISPLAY; kind <= PORTS; kind++) {
		boot(kind, MIB(16), MIB(64));
		assert_true(is_zero(memory, MIB(16)));
		assert_int_equal(memory[MIB(16)], 0xaa);
		assert_true(device.shown);
		assert_false(bus_master);
		assert_int_equal(picture(), vgpu_of(0)->slice.base);
		power_off();
	}
}

static void focused_guests_mode_is_set_without_copying(void **state)
{
	static const u16 modes[][3] = { { 1024, 768, 32 }, { 800, 600, 32 }, { 640, 480, 32 },
					{ 1360, 768, 32 }, { 800, 600, 16 }, { 1280, 800, 16 } };

	(void)state;
	for (enum kind kind = DISPLAY; kind <= PORTS; kind++) {
		boot(kind, MIB(16), MIB(64));
		for (u32 guest = 0; guest < GUESTS; guest++) {
			assert_int_equal(gpu_focus_by_name(vms[guest].name), OK);
			for (u32 i = 0; i < ARRAY_SIZE(modes); i++) {
				u32 line = modes[i][0] * modes[i][2] / 8U;

				set_mode(guest, modes[i][0], modes[i][1], modes[i][2]);
				assert_string_equal(path(guest), "offset");
				assert_int_equal(picture(), vgpu_of(guest)->slice.base);
				assert_int_equal(device.r[VBE_DISPI_XRES], modes[i][0]);
				assert_int_equal(line_bytes(), line);
				set(guest, VBE_DISPI_Y_OFFSET, modes[i][1]); /* a page flip */
				settle();
				assert_int_equal(picture(), vgpu_of(guest)->slice.base +
								    (u64)line * modes[i][1]);
				set(guest, VBE_DISPI_X_OFFSET, 40);
				settle();
				assert_int_equal(picture() % line, (vgpu_of(guest)->slice.base +
								    40U * modes[i][2] / 8U) %
									   line);
			}
		}
		power_off();
	}
}

static void last_picture_stays_while_no_mode_is_good(void **state)
{
	(void)state;
	boot(DISPLAY, MIB(16), MIB(64));
	set_mode(0, 800, 600, 32);
	set(0, VBE_DISPI_VIRT_WIDTH, 65535);
	set(0, VBE_DISPI_ENABLE, 0);
	settle();
	assert_int_equal(picture(), vgpu_of(0)->slice.base);
	assert_int_equal(device.r[VBE_DISPI_VIRT_WIDTH], 800);
	power_off();
}

static void unfocused_guest_writes_no_register_of_the_device(void **state)
{
	u32 before;

	(void)state;
	boot(PORTS, MIB(16), MIB(64));
	set_mode(0, 1024, 768, 32);
	before = device.writes;
	for (u32 i = 0; i < 1000; i++) {
		set_mode(1, 640 + 8 * (i % 10), 480, 32);
		set(1, VBE_DISPI_Y_OFFSET, i % 480);
	}
	settle();
	assert_int_equal(device.writes, before);
	assert_int_equal(picture(), vgpu_of(0)->slice.base);
	assert_null(path(1));
	power_off();
}

/* Page flips, 30 a second, that nobody sees; then the last one is what focus shows. */
static void an_hour_out_of_focus_ends_where_the_guest_is(void **state)
{
	const u32 flips = 3600 * 30;
	u32 before, line = 0;

	(void)state;
	boot(PORTS, MIB(16), MIB(64));
	set_mode(0, 640, 480, 32);
	set_mode(1, 640, 480, 32);
	settle();
	before = device.writes;
	for (u32 i = 0; i < flips; i++) {
		clock_ns += 1000000000ULL / 30;
		line = i % 2 ? 0 : 480;
		set(1, VBE_DISPI_Y_OFFSET, line);
		if (i % 30 == 0)
			settle();
	}
	assert_int_equal(device.writes, before);
	set(1, VBE_DISPI_Y_OFFSET, line = 480);
	assert_int_equal(gpu_focus_by_name("guest1"), OK);
	settle();
	assert_int_equal(picture(), vgpu_of(1)->slice.base + line * 640ULL * 4);
	assert_string_equal(path(1), "offset");
	power_off();
}

static void focus_between_equal_modes_writes_offsets_alone(void **state)
{
	u32 before;

	(void)state;
	for (enum kind kind = DISPLAY; kind <= PORTS; kind++) {
		boot(kind, MIB(16), MIB(64));
		set_mode(0, 800, 600, 32);
		set_mode(1, 800, 600, 32);
		before = device.writes;
		assert_int_equal(gpu_focus_by_name("guest1"), OK);
		assert_int_equal(settle(), 1);
		assert_int_equal(picture(), vgpu_of(1)->slice.base);
		assert_int_equal(device.writes, before + 3);
		assert_int_not_equal(gpu_get(0)->focus_ticks, 0);
		assert_int_equal(gpu_get(0)->focus_ticks_max, gpu_get(0)->focus_ticks);
		assert_int_equal(gpu_focus_by_name("guest0"), OK);
		settle();
		assert_int_equal(picture(), vgpu_of(0)->slice.base);
		assert_in_range(gpu_get(0)->focus_ticks, 1, gpu_get(0)->focus_ticks_max);
		power_off();
	}
}

/* 128 x 64 in 16 bits: 24 MiB are 98304 lines away, more than a register holds. */
static void picture_is_copied_where_offsets_do_not_reach(void **state)
{
	const u32 width = 128, height = 64;
	u8 *slice;

	(void)state;
	for (enum kind kind = DISPLAY; kind <= PORTS; kind++) {
		boot(kind, MIB(32), MIB(8));
		slice = memory + vgpu_of(0)->slice.base;
		for (u32 i = 0; i < width * height * 2; i++)
			slice[i] = (u8)(i * 7 + 1);
		set_mode(0, width, height, 16);
		assert_string_equal(path(0), "copy");
		assert_int_equal(picture(), 0);
		assert_memory_equal(memory, slice, width * height * 2);
		slice[5] ^= 1;
		assert_non_null(armed);
		armed->fire(armed);
		settle();
		assert_memory_equal(memory, slice, width * height * 2);
		assert_true(is_zero(memory + width * height * 2, MIB(16) - width * height * 2));
		set_mode(0, 1024, 768, 32);
		assert_string_equal(path(0), "offset");
		armed->fire(armed);
		assert_int_equal(settle(), 1); /* nothing is copied any more */
		power_off();
	}
}

/* 16-bit pictures with lines of 1024 bytes; the copy has those of the picture alone. */
static void copy_is_made_in_bounded_steps(void **state)
{
	const u32 width = 502, height = 1000; /* no multiple of 8: VGA cannot */
	u8 *slice;

	(void)state;
	boot(VGA, MIB(32), MIB(8));
	slice = memory + vgpu_of(0)->slice.base;
	for (u32 i = 0; i < width * height * 4; i++)
		slice[i] = (u8)(i * 13 + i / 1000);
	set(0, VBE_DISPI_XRES, width);
	set(0, VBE_DISPI_YRES, height);
	set(0, VBE_DISPI_BPP, 32);
	set(0, VBE_DISPI_ENABLE, VBE_DISPI_ENABLED);
	assert_true(settle() >= width * height * 4 / VBE_COPY_STEP);
	assert_string_equal(path(0), "copy");
	for (u32 y = 0; y < height; y++)
		assert_memory_equal(memory + (u64)y * 496 * 4, slice + (u64)y * width * 4, 496 * 4);
	power_off();
}

static void what_cannot_be_shown_shows_nobody_else(void **state)
{
	(void)state;
	boot(VGA, MIB(32), MIB(16)); /* no room to copy to */
	assert_int_equal(gpu_focus_by_name("guest1"), OK);
	set_mode(1, 1024, 768, 32);
	assert_int_equal(gpu_focus_by_name("guest0"), OK);
	set_mode(0, 128, 64, 16);
	assert_string_equal(path(0), "none");
	assert_true(picture() >= vgpu_of(0)->slice.base &&
		    picture() + line_bytes() * device.r[VBE_DISPI_YRES] <=
			    vgpu_of(0)->slice.base + vgpu_of(0)->slice.size);
	power_off();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_clears_and_shows_black),
		cmocka_unit_test(focused_guests_mode_is_set_without_copying),
		cmocka_unit_test(last_picture_stays_while_no_mode_is_good),
		cmocka_unit_test(unfocused_guest_writes_no_register_of_the_device),
		cmocka_unit_test(an_hour_out_of_focus_ends_where_the_guest_is),
		cmocka_unit_test(focus_between_equal_modes_writes_offsets_alone),
		cmocka_unit_test(picture_is_copied_where_offsets_do_not_reach),
		cmocka_unit_test(copy_is_made_in_bounded_steps),
		cmocka_unit_test(what_cannot_be_shown_shows_nobody_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
