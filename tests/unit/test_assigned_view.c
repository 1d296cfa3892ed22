// SPDX-License-Identifier: Apache-2.0
// SOURCES: guest/assigned.c guest/assigned_config.c guest/assigned_bar.c guest/assigned_irq.c
// SOURCES: guest/assigned_intx.c guest/assigned_rom.c guest/pci.c guest/pci_port.c guest/bar.c
// SOURCES: guest/msi.c guest/msix.c guest/power.c core/region.c drivers/iommu_ram.c
// SOURCES: drivers/pci_msi.c core/lib/string.c core/lib/error.c core/lib/fmt.c
/* What a guest sees of a function: configuration space, BARs, option ROM. */
#include "tests/unit/fake_assigned.h"

/* ---- configuration space ---- */

static void a_guest_sees_what_is_on_the_list(void **state)
{
	(void)state;
	assert_int_equal(shown(0), 0x10421af4);
	assert_int_equal(shown(8), 0x01080203);
	assert_int_equal(shown(0x2c), 0x56781234);
	assert_int_equal(shown(0x30), 0);	 /* no option ROM */
	assert_int_equal(shown(0x3c), 0x0115);	 /* pin A, GSI 21 */
	assert_int_equal(shown(0x34), CAP_MSIX); /* no power management */
	assert_int_equal(shown(CAP_POWER), 0);
	assert_int_equal(shown(CAP_MSIX), 0x000f0011 | CAP_PCIE << 8); /* 16 vectors */
	assert_int_equal(shown(CAP_MSIX + 4), TABLE);
	assert_int_equal(shown(CAP_MSIX + 8), PBA);
	assert_int_equal(shown(CAP_PCIE), 0x00920010 | CAP_VENDOR << 8); /* integrated endpoint */
	assert_int_equal(shown(CAP_PCIE + 4), 0x8001);			 /* no reset of its own */
	assert_int_equal(shown(CAP_PCIE + 8), 0);
	assert_int_equal(shown(CAP_VENDOR), 0x01100009); /* the last one: no door */
	assert_int_equal(shown(CAP_VENDOR + 8), 0xabcd);
	assert_int_equal(shown(CAP_DOOR), 0);
	for (u32 offset = 256; offset < 4096; offset += 4)
		assert_int_equal(shown(offset), 0);
}

static void a_list_in_a_circle_ends(void **state)
{
	(void)state;
	put(DISK, CAP_DOOR, 0x05140009 | CAP_POWER << 8);
	give(DISK);
	begin();
	assert_int_equal(shown(0x34), CAP_MSIX);
}

/* Of all that a guest can write, one bit of the command register and MSI-X's switch go on. */
static void hostile_writes_do_not_reach_the_function(void **state)
{
	static const u32 values[] = { 0, ~0u, 0x55555555, 0xaaaaaaaa, 0x8000 };
	u8 before[256];

	(void)state;
	memcpy(before, space[0], sizeof(before));
	for (u32 i = 0; i < ARRAY_SIZE(values); i++)
		for (u32 size = 1; size <= 4; size *= 2)
			for (u32 offset = 0; offset < 4096; offset += size)
				fake_write_config(GUEST_DEVICE, offset, (u8)size, values[i]);
	before[4] = space[0][4];
	before[CAP_MSIX + 3] = space[0][CAP_MSIX + 3];
	assert_int_equal(space[0][4] & ~PCI_COMMAND_BUS_MASTER, PCI_COMMAND_MEMORY);
	assert_int_equal(space[0][CAP_MSIX + 3] & 0x7f, 0);
	assert_memory_equal(space[0], before, sizeof(before));
	assert_int_equal(shown(0), 0x10421af4);
}

/* ---- BARs ---- */

static void pages_of_its_own_go_straight_to_the_guest(void **state)
{
	(void)state;
	assert_int_equal(fake_direct_count, 1); /* two pages before the table's */
	assert_int_equal(fake_direct[0].gpa, bar(0));
	assert_int_equal(fake_direct[0].size, KIB(8));
	assert_int_equal(fake_direct[0].hpa.raw, BAR_AT);
}

static void neighbours_of_the_table_are_passed_on_at_their_width(void **state)
{
	(void)state;
	for (u8 size = 1; size <= 8; size *= 2) {
		access_at(bar(0) + 0x2000 + size, size, true, 0x8877665544332211);
		assert_memory_equal(registers[0] + 0x2000 + size,
				    "\x11\x22\x33\x44\x55\x66\x77\x88", size);
		assert_int_equal(registers[0][0x2000 + 2 * size], 0);
		assert_true(access_at(bar(0) + 0x2000 + size, size, false, 0) ==
			    (0x8877665544332211 & (size == 8 ? ~0ULL : BIT(size * 8) - 1)));
		memset(registers[0] + 0x2000, 0, 64);
	}
}

static void the_physical_table_is_out_of_reach(void **state)
{
	u8 before[VECTORS * 16];

	(void)state;
	memcpy(before, registers[0] + TABLE, sizeof(before));
	for (u8 size = 1; size <= 8; size *= 2)
		for (u64 at = TABLE; at < TABLE + sizeof(before); at += size)
			access_at(bar(0) + at, size, true, ~0ULL);
	for (u64 at = PBA; at < PBA + 16; at += 8)
		access_at(bar(0) + at, 8, true, ~0ULL);
	assert_memory_equal(registers[0] + TABLE, before, sizeof(before));
	assert_int_equal(registers[0][PBA], 0);
	assert_int_equal(access_at(bar(0) + TABLE, 4, false, 0), ~0u);	       /* the guest's */
	assert_int_equal(access_at(bar(0) + TABLE + 16 * 16, 4, false, 0), 0); /* behind its */
}

static void of_a_small_bars_page_only_the_bar_is_reached(void **state)
{
	(void)state;
	assert_int_equal(~fake_read_config(GUEST_DEVICE, REG_BAR(0), 4) & 0xf, 0xf);
	registers[1][0x100 - 1] = registers[1][0x200] = 0x77;
	access_at(bar(0) + 255, 1, true, 0x42);
	assert_int_equal(registers[1][0x1ff], 0x42);
	assert_int_equal(access_at(bar(0) + 256, 1, false, 0), 0xff);
	access_at(bar(0) + 256, 1, true, 0);
	access_at(bar(0) + 0xfff, 1, true, 0);
	assert_int_equal(registers[1][0x200], 0x77);
	assert_int_equal(bar(1), 0); /* ports are not shown */
	assert_int_equal(fake_direct_count, 1);
	assert_int_equal(fake_direct[0].hpa.raw, BAR_AT + MIB(1) + KIB(8));
}

/* ---- option ROM ---- */

static void begin_with_rom(u32 size)
{
	memset(rom, 0x5a, sizeof(rom));
	memset(registers[0], 0x11, sizeof(rom));
	put(DISK, PCI_BAR0, BAR_AT | 4);
	rom_size = size;
	give(DISK);
	begin();
}

static void a_rom_is_copied_in_the_place_of_a_bar(void **state)
{
	u32 direct, unmapped, at;

	(void)state;
	begin_with_rom(sizeof(rom));
	assert_int_equal(space[0][PCI_ROM] & 1, 0); /* the function decodes its BARs again */
	memcpy(&at, &space[0][PCI_BAR0], 4);
	assert_int_equal(at & ~0xfu, BAR_AT);
	assert_int_equal(registers[0][0], 0x11);

	fake_write_config(GUEST_DEVICE, PCI_ROM, 4, 0xfffff800);
	assert_int_equal(shown(PCI_ROM), ~(u32)(sizeof(rom) - 1));
	direct = fake_direct_count;
	unmapped = fake_unmap_count;
	fake_write_config(GUEST_DEVICE, PCI_ROM, 4, 0xc8000001);
	assert_int_equal(fake_direct_count, direct + 1);
	assert_int_equal(fake_direct[direct].gpa, 0xc8000000);
	assert_memory_equal(frame_ptr(fake_direct[direct].hpa), "\x5a\x5a\x5a\x5a", 4);
	assert_false(fake_direct_attr.write);
	assert_int_equal(fake_direct[0].gpa, bar(0));
	assert_int_equal(fake_unmap_count, unmapped); /* a driver may be at work there */
	fake_write_config(GUEST_DEVICE, PCI_ROM, 4, 0xc8000000);
	assert_int_equal(fake_direct_count, direct);
	assert_int_equal(space[0][PCI_ROM] & 1, 0);
}

static void a_rom_without_a_place_is_not_shown(void **state)
{
	(void)state;
	buses.functions[0].bars[0].size = KIB(16);
	begin_with_rom(KIB(32));
	fake_write_config(GUEST_DEVICE, PCI_ROM, 4, ~0u);
	assert_int_equal(shown(PCI_ROM), 0);
}

static void a_displays_rom_is_where_firmware_runs_it(void **state)
{
	(void)state;
	buses.functions[0].class_code = 0x030000;
	begin_with_rom(sizeof(rom));
	assert_int_equal(shadow[0], 0x5a);
	assert_int_equal(shadow[sizeof(rom)], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DISK(a_guest_sees_what_is_on_the_list),
		TEST(a_list_in_a_circle_ends),
		WITH_DISK(hostile_writes_do_not_reach_the_function),
		WITH_DISK(pages_of_its_own_go_straight_to_the_guest),
		WITH_DISK(neighbours_of_the_table_are_passed_on_at_their_width),
		WITH_DISK(the_physical_table_is_out_of_reach),
		WITH_TIMER(of_a_small_bars_page_only_the_bar_is_reached),
		TEST(a_rom_is_copied_in_the_place_of_a_bar),
		TEST(a_rom_without_a_place_is_not_shown),
		TEST(a_displays_rom_is_where_firmware_runs_it),
	};

	return cmocka_run_group_tests_name("assigned_view", tests, NULL, NULL);
}
