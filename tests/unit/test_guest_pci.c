// SPDX-License-Identifier: Apache-2.0
/* A guest's PCI bus: configuration space, BARs, MSI-X. */
// SOURCES: guest/pci.c guest/pci_port.c guest/bar.c guest/msi.c guest/msix.c guest/power.c
// SOURCES: core/region.c
// SOURCES: core/lib/string.c core/lib/error.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h wants the above first. */
#include <cmocka.h>

#include "tests/unit/fake_pci.h"

#define NOTHING 0xffffffffu

static int start(void **state)
{
	(void)state;
	return fake_start() ? 0 : -1;
}

static u64 bar_address(u32 bar)
{
	return fake_read_config(FAKE_DEVICE, REG_BAR(bar), 4) & ~0xfu;
}

static u64 wide_bar_address(u32 bar)
{
	return bar_address(bar) | (u64)fake_read_config(FAKE_DEVICE, REG_BAR(bar + 1), 4) << 32;
}

static u64 read_memory(u64 address)
{
	return fake_access(&fake_vm.mmio, address, 4, false, 0);
}

static void write_memory(u64 address, u32 value)
{
	fake_access(&fake_vm.mmio, address, 4, true, value);
}

static u32 port_config(u32 address, u32 offset, u8 size)
{
	fake_access(&fake_vm.ports, 0xcf8, 4, true, address);
	return (u32)fake_access(&fake_vm.ports, 0xcfc + offset, size, false, 0);
}

static bool inside(u64 address, u64 size, u64 window, u64 window_size)
{
	return address >= window && address + size <= window + window_size;
}

/* ---- configuration space ---- */

static void bus_has_a_host_bridge_and_root_ports(void **state)
{
	(void)state;
	assert_int_equal(fake_read_config(0, 0x08, 4) >> 8, 0x060000);
	for (u32 device = 1; device <= GUEST_PCI_ROOT_PORTS; device++) {
		assert_int_equal(fake_read_config(device, 0x08, 4) >> 8, 0x060400);
		assert_int_equal(fake_read_config(device, 0x0e, 1), 1);
		assert_int_equal(fake_read_config(device, 0x19, 1), device);
		assert_int_equal(fake_read_config(device, 0x3d, 1), 0); /* no pin */
	}
	assert_int_equal(fake_read_config(FAKE_DEVICE, 0, 2), 0x1af4);
}

static void nothing_reads_as_ones(void **state)
{
	(void)state;
	assert_int_equal(fake_read_config(FAKE_DEVICE + 1, 0, 4), NOTHING);
	assert_int_equal(fake_read_config(31, 0, 2), 0xffff);
	assert_int_equal(read_memory(fake_ecam(0, 1 << 12)), NOTHING);	 /* function 1 */
	assert_int_equal(read_memory(fake_ecam(0, 1 << 20)), NOTHING);	 /* bus 1 */
	assert_int_equal(read_memory(fake_ecam(0, 255 << 20)), NOTHING); /* bus 255 */
}

static void ports_and_ecam_show_the_same(void **state)
{
	(void)state;
	for (u32 offset = 0; offset < 256; offset += 4)
		assert_int_equal(port_config(0x80000000u | FAKE_DEVICE << 11 | offset, 0, 4),
				 fake_read_config(FAKE_DEVICE, offset, 4));
	assert_int_equal(port_config(0x80000000u | FAKE_DEVICE << 11, 2, 2),
			 fake_read_config(FAKE_DEVICE, 2, 2));
	assert_int_equal(port_config(FAKE_DEVICE << 11, 0, 4), NOTHING); /* not enabled */
	assert_int_equal(fake_access(&fake_vm.ports, 0xcf8, 4, false, 0), FAKE_DEVICE << 11);
}

static void byte_writes_to_the_address_port_are_ignored(void **state)
{
	(void)state;
	fake_access(&fake_vm.ports, 0xcf8, 4, true, 0x80000000u);
	fake_access(&fake_vm.ports, 0xcfb, 1, true, 1); /* Linux probes so */
	assert_int_equal(fake_access(&fake_vm.ports, 0xcf8, 4, false, 0), 0x80000000u);
}

static void port_cf9_resets(void **state)
{
	(void)state;
	fake_access(&fake_vm.ports, 0xcf9, 1, true, 2);
	assert_int_equal(fake_end, VM_END_NONE);
	fake_access(&fake_vm.ports, 0xcf9, 1, true, 6);
	assert_int_equal(fake_end, VM_END_RESET);
}

static void odd_accesses_change_nothing(void **state)
{
	static u8 before[VPCI_CONFIG_SIZE];

	(void)state;
	memcpy(before, fake_function.config, sizeof(before));
	fake_access(&fake_vm.mmio, fake_ecam(FAKE_DEVICE, 3), 2, true, 0);
	fake_access(&fake_vm.mmio, fake_ecam(FAKE_DEVICE, 6), 4, true, 0);
	fake_access(&fake_vm.mmio, fake_ecam(FAKE_DEVICE, 0x10), 8, true, 0);
	fake_access(&fake_vm.ports, 0xcf8, 4, true, 0x80000000u | FAKE_DEVICE << 11 | 4);
	fake_access(&fake_vm.ports, 0xcfd, 2, true, 0);
	fake_access(&fake_vm.ports, 0xcfd, 4, true, 0);
	assert_memory_equal(fake_function.config, before, sizeof(before));
}

static void only_writable_bits_change(void **state)
{
	(void)state;
	fake_write_config(FAKE_DEVICE, 0, 4, 0x12345678);
	assert_int_equal(fake_read_config(FAKE_DEVICE, 0, 2), 0x1af4);
	fake_write_config(FAKE_DEVICE, 0x80, 4, ~0u);
	assert_int_equal(fake_read_config(FAKE_DEVICE, 0x80, 4), 0x0f);
	assert_int_equal(fake_config_writes, 1); /* what is the model's own */
}

static void windows_of_root_ports_are_apart(void **state)
{
	(void)state;
	for (u32 device = 1; device <= GUEST_PCI_ROOT_PORTS; device++) {
		u32 memory = fake_read_config(device, 0x20, 4);
		u64 base = (memory & 0xfff0) << 16, last = memory | 0xfffff;
		u32 next = fake_read_config(device + 1, 0x20, 4);

		assert_true(base < last);
		assert_true(inside(base, last - base + 1, LAYOUT_BAR32, LAYOUT_BAR32_SIZE));
		if (device < GUEST_PCI_ROOT_PORTS)
			assert_int_equal((next & 0xfff0) << 16, last + 1);
		assert_true(wide_bar_address(4) < (u64)fake_read_config(device, 0x28, 4) << 32);
		assert_int_equal(fake_read_config(device, 0x24, 4) & 0x000f000f, 0x00010001);
	}
}

/* ---- BARs ---- */

static void firmware_places_every_bar(void **state)
{
	(void)state;
	assert_int_equal(fake_read_config(FAKE_DEVICE, REG_COMMAND, 2), 2);
	assert_true(inside(wide_bar_address(0), FAKE_BAR0_SIZE, LAYOUT_BAR32, LAYOUT_BAR32_SIZE));
	assert_true(inside(bar_address(2), FAKE_BAR2_SIZE, LAYOUT_BAR32, LAYOUT_BAR32_SIZE));
	assert_true(inside(wide_bar_address(4), FAKE_BAR4_SIZE, LAYOUT_BAR64, LAYOUT_BAR64_SIZE));
	assert_int_equal(fake_read_config(FAKE_DEVICE, REG_BAR(0), 4) & 0xf, 4);
	assert_int_equal(fake_read_config(FAKE_DEVICE, REG_BAR(2), 4) & 0xf, 0);
	assert_int_equal(fake_read_config(FAKE_DEVICE, REG_BAR(4), 4) & 0xf, 0xc);
}

static void spans_answer_where_the_bar_is(void **state)
{
	(void)state;
	assert_int_equal(read_memory(wide_bar_address(0) + KIB(4) + 0x10), 0xa0);
	assert_int_equal(fake_last_offset, 0x10);
	assert_int_equal(read_memory(wide_bar_address(0) + KIB(12) + 8), 0xa3);
	assert_int_equal(fake_last_offset, 8); /* inside the span, not the BAR */
	assert_int_equal(read_memory(wide_bar_address(0)), NOTHING); /* a gap */
	assert_int_equal(read_memory(bar_address(2)), 0xc0);
	assert_int_equal(read_memory(wide_bar_address(4) + MIB(2)), 0xe0);
	assert_int_equal(fake_direct_count, 1);
	assert_int_equal(fake_direct[0].gpa, wide_bar_address(4));
	assert_int_equal(fake_direct[0].hpa.raw, FAKE_HPA);
}

static void sizing_tells_the_size(void **state)
{
	u64 before = wide_bar_address(4);

	(void)state;
	for (u32 command = 0; command <= 2; command += 2) { /* decoding off, and on */
		fake_write_config(FAKE_DEVICE, REG_COMMAND, 2, command);
		fake_write_config(FAKE_DEVICE, REG_BAR(2), 4, ~0u);
		assert_int_equal(fake_read_config(FAKE_DEVICE, REG_BAR(2), 4), ~0u - 0x1fff);
		fake_write_config(FAKE_DEVICE, REG_BAR(2), 4, (u32)LAYOUT_BAR32 + 0x8000);
		fake_write_config(FAKE_DEVICE, REG_BAR(4), 4, ~0u);
		fake_write_config(FAKE_DEVICE, REG_BAR(5), 4, ~0u);
		assert_int_equal(fake_read_config(FAKE_DEVICE, REG_BAR(4), 4), 0xffc0000c);
		assert_int_equal(fake_read_config(FAKE_DEVICE, REG_BAR(5), 4), ~0u);
		fake_write_config(FAKE_DEVICE, REG_BAR(4), 4, (u32)before);
		fake_write_config(FAKE_DEVICE, REG_BAR(5), 4, (u32)(before >> 32));
	}
	assert_int_equal(read_memory(bar_address(2)), 0xc0);
	assert_int_equal(fake_direct_count, 1);
}

static void a_bar_that_is_not_there_stays_zero(void **state)
{
	(void)state;
	fake_write_config(FAKE_DEVICE, REG_BAR(3), 4, ~0u);
	assert_int_equal(fake_read_config(FAKE_DEVICE, REG_BAR(3), 4), 0);
	fake_write_config(FAKE_DEVICE, 0x30, 4, ~0u); /* expansion ROM */
	assert_int_equal(fake_read_config(FAKE_DEVICE, 0x30, 4), 0);
}

static void without_decoding_nothing_is_mapped(void **state)
{
	u32 regions = fake_vm.mmio.count;

	(void)state;
	fake_write_config(FAKE_DEVICE, REG_COMMAND, 2, 0);
	assert_false(fake_function.memory_enabled);
	assert_int_equal(fake_direct_count, 0);
	assert_int_equal(read_memory(bar_address(2)), NOTHING);
	fake_write_config(FAKE_DEVICE, REG_COMMAND, 2, 6);
	assert_true(fake_function.memory_enabled);
	assert_true(fake_function.bus_master);
	assert_int_equal(fake_direct_count, 1);
	assert_int_equal(fake_vm.mmio.count, regions);
}

static void a_bar_moves_while_decoding(void **state)
{
	u64 old = bar_address(2), new = LAYOUT_BAR32 + MIB(64);

	(void)state;
	fake_write_config(FAKE_DEVICE, REG_BAR(2), 4, (u32) new);
	assert_int_equal(bar_address(2), new);
	assert_int_equal(read_memory(new), 0xc0);
	assert_int_equal(read_memory(old), NOTHING);
	assert_int_equal(read_memory(wide_bar_address(0) + KIB(4)), 0xa0); /* the others stay */
}

static void a_bar_over_memory_decodes_nothing(void **state)
{
	static const u32 places[] = { 0, MIB(1), 0xe0000000, 0xfec00000, 0xfee00000, 0xdffff000 };
	u32 before = (u32)bar_address(2);
	u32 regions = fake_vm.mmio.count;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(places); i++) {
		fake_write_config(FAKE_DEVICE, REG_BAR(2), 4, places[i]);
		assert_int_equal(fake_direct_count, places[i] == 0xdffff000 ? 1 : 0);
		fake_write_config(FAKE_DEVICE, REG_BAR(2), 4, before);
		assert_int_equal(fake_vm.mmio.count, regions);
		assert_int_equal(fake_direct_count, 1);
	}
	assert_true(fake_log_lines > 0);
}

/* BAR0 is mapped first; then BAR2's first page finds room in its gap, the second does not. */
static void two_bars_at_one_place_are_rolled_back_as_a_whole(void **state)
{
	u32 before = (u32)bar_address(2);
	u32 regions = fake_vm.mmio.count;

	(void)state;
	fake_write_config(FAKE_DEVICE, REG_BAR(2), 4, (u32)wide_bar_address(0));
	assert_int_equal(fake_vm.mmio.count, regions - FAKE_REGIONS);
	assert_int_equal(fake_direct_count, 0);
	fake_write_config(FAKE_DEVICE, REG_BAR(2), 4, before);
	assert_int_equal(fake_vm.mmio.count, regions);
	assert_int_equal(read_memory(wide_bar_address(0) + KIB(4)), 0xa0);
	assert_int_equal(read_memory(before + KIB(4)), 0xc4);
}

static void no_room_for_tables_is_rolled_back_as_a_whole(void **state)
{
	(void)state;
	fake_write_config(FAKE_DEVICE, REG_COMMAND, 2, 0);
	fake_direct_fails = true;
	fake_write_config(FAKE_DEVICE, REG_COMMAND, 2, 2);
	assert_int_equal(read_memory(bar_address(2)), NOTHING);
	fake_direct_fails = false;
	fake_write_config(FAKE_DEVICE, REG_COMMAND, 2, 0);
	fake_write_config(FAKE_DEVICE, REG_COMMAND, 2, 2);
	assert_int_equal(read_memory(bar_address(2)), 0xc0);
}

static void reset_brings_everything_back(void **state)
{
	static u8 before[VPCI_CONFIG_SIZE];
	u32 regions = fake_vm.mmio.count;

	(void)state;
	memcpy(before, fake_function.config, sizeof(before));
	fake_write_config(FAKE_DEVICE, REG_BAR(2), 4, (u32)LAYOUT_BAR32 + MIB(1));
	fake_write_config(FAKE_DEVICE, FAKE_MSIX_CAP + 2, 2, 0xc000);
	fake_write_config(FAKE_DEVICE, 0x80, 1, 5);
	fake_write_config(FAKE_DEVICE, REG_COMMAND, 2, 4);
	guest_pci_reset(&fake_pci);
	assert_memory_equal(fake_function.config, before, sizeof(before));
	assert_int_equal(fake_vm.mmio.count, regions);
	assert_int_equal(read_memory(bar_address(2)), 0xc0);
	assert_false(fake_function.bus_master);
}

static void refuses_a_function_that_breaks_the_rules(void **state)
{
	static struct vpci_function f;

	(void)state;
	fake_function_init(&f);
	f.bars[0].size = KIB(12);
	assert_int_equal(guest_pci_add(&fake_pci, &f), ERR_INVALID);
	fake_function_init(&f);
	f.bars[0].spans[1].offset = KIB(4); /* over the first */
	assert_int_equal(guest_pci_add(&fake_pci, &f), ERR_INVALID);
	fake_function_init(&f);
	f.bars[0].spans[1].offset = KIB(16);
	assert_int_equal(guest_pci_add(&fake_pci, &f), ERR_INVALID);
	fake_function_init(&f);
	f.bars[1].size = PAGE_SIZE; /* the upper half of BAR0 */
	assert_int_equal(guest_pci_add(&fake_pci, &f), ERR_INVALID);
	fake_function_init(&f);
	f.msix_count = MSIX_VECTORS_MAX + 1;
	assert_int_equal(guest_pci_add(&fake_pci, &f), ERR_INVALID);
	fake_function_init(&f);
	f.msix_offset = KIB(4); /* where the first span is */
	assert_int_equal(guest_pci_add(&fake_pci, &f), ERR_INVALID);
}

/* ---- MSI-X ---- */

static u64 msix_entry(u32 vector)
{
	return wide_bar_address(0) + FAKE_MSIX_OFFSET + vector * 16;
}

static void set_vector(u32 vector, u64 address, u32 data, u32 control)
{
	write_memory(msix_entry(vector), (u32)address);
	write_memory(msix_entry(vector) + 4, (u32)(address >> 32));
	write_memory(msix_entry(vector) + 8, data);
	write_memory(msix_entry(vector) + 12, control);
}

/* Bus mastering is on, too. */
static void msix_control_write(u16 control)
{
	fake_write_config(FAKE_DEVICE, REG_COMMAND, 2, 6);
	fake_write_config(FAKE_DEVICE, FAKE_MSIX_CAP + 2, 2, control);
}

static void raise(u32 vector)
{
	fake_function.raise_msix(&fake_function, vector);
}

static u32 pending(void)
{
	return (u32)read_memory(wide_bar_address(0) + FAKE_MSIX_OFFSET + 0x800);
}

static void msix_capability_describes_table_and_pba(void **state)
{
	(void)state;
	assert_int_equal(fake_read_config(FAKE_DEVICE, FAKE_MSIX_CAP, 1), 0x11);
	assert_int_equal(fake_read_config(FAKE_DEVICE, FAKE_MSIX_CAP + 2, 2), FAKE_MSIX_COUNT - 1);
	assert_int_equal(fake_read_config(FAKE_DEVICE, FAKE_MSIX_CAP + 4, 4), FAKE_MSIX_OFFSET);
	assert_int_equal(fake_read_config(FAKE_DEVICE, FAKE_MSIX_CAP + 8, 4),
			 FAKE_MSIX_OFFSET + 0x800);
}

static void a_message_goes_where_the_entry_says(void **state)
{
	(void)state;
	set_vector(1, 0xfee01000, 0x41, 0);
	msix_control_write(0x8000);
	raise(1);
	assert_int_equal(fake_msi_count, 1);
	assert_int_equal(fake_msi_address, 0xfee01000);
	assert_int_equal(fake_msi_data, 0x41);
}

static void vectors_are_masked_at_first(void **state)
{
	(void)state;
	msix_control_write(0x8000);
	raise(0);
	assert_int_equal(fake_msi_count, 0);
	assert_int_equal(pending(), 1);
	assert_int_equal(read_memory(msix_entry(0) + 12), 1);
}

static void unmasking_a_vector_sends_what_is_pending_once(void **state)
{
	(void)state;
	set_vector(2, 0xfee00000, 0x55, 1);
	msix_control_write(0x8000);
	raise(2);
	raise(2);
	assert_int_equal(pending(), 4);
	write_memory(msix_entry(2) + 12, 0);
	assert_int_equal(fake_msi_count, 1);
	assert_int_equal(fake_msi_data, 0x55);
	assert_int_equal(pending(), 0);
}

static void function_mask_holds_every_vector_back(void **state)
{
	(void)state;
	set_vector(0, 0xfee00000, 0x30, 0);
	set_vector(1, 0xfee00000, 0x31, 0);
	msix_control_write(0xc000);
	raise(0);
	raise(1);
	assert_int_equal(fake_msi_count, 0);
	msix_control_write(0x8000);
	assert_int_equal(fake_msi_count, 2);
}

static void nothing_is_sent_while_msix_is_off(void **state)
{
	(void)state;
	set_vector(0, 0xfee00000, 0x30, 0);
	raise(0);
	assert_int_equal(fake_msi_count, 0);
}

static void without_bus_mastering_a_message_waits(void **state)
{
	(void)state;
	set_vector(0, 0xfee00000, 0x30, 0);
	fake_write_config(FAKE_DEVICE, FAKE_MSIX_CAP + 2, 2, 0x8000);
	raise(0);
	assert_int_equal(fake_msi_count, 0);
	fake_write_config(FAKE_DEVICE, REG_COMMAND, 2, 6);
	assert_int_equal(fake_msi_count, 1);
	fake_write_config(FAKE_DEVICE, REG_COMMAND, 2, 2);
	raise(0);
	assert_int_equal(fake_msi_count, 1);
}

static void a_vector_that_is_not_there_does_nothing(void **state)
{
	(void)state;
	msix_control_write(0x8000);
	raise(FAKE_MSIX_COUNT);
	raise(~0u);
	assert_int_equal(fake_msi_count, 0);
	assert_int_equal(pending(), 0);
	set_vector(FAKE_MSIX_COUNT, 1, 2, 0); /* beyond the table */
	assert_int_equal(read_memory(msix_entry(FAKE_MSIX_COUNT)), 0);
}

static void pending_bits_and_reserved_bits_are_read_only(void **state)
{
	(void)state;
	write_memory(wide_bar_address(0) + FAKE_MSIX_OFFSET + 0x800, ~0u);
	assert_int_equal(pending(), 0);
	write_memory(msix_entry(0) + 12, ~0u);
	assert_int_equal(read_memory(msix_entry(0) + 12), 1);
}

static void table_takes_quadwords(void **state)
{
	(void)state;
	fake_access(&fake_vm.mmio, msix_entry(0), 8, true, 0x1fee00000ULL);
	assert_int_equal(read_memory(msix_entry(0) + 4), 1);
	assert_int_equal(fake_access(&fake_vm.mmio, msix_entry(0), 8, false, 0), 0x1fee00000ULL);
	assert_int_equal(fake_access(&fake_vm.mmio, msix_entry(0), 2, false, 0), 0xffff);
}

#define TEST(f) cmocka_unit_test_setup(f, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bus_has_a_host_bridge_and_root_ports),
		TEST(nothing_reads_as_ones),
		TEST(ports_and_ecam_show_the_same),
		TEST(byte_writes_to_the_address_port_are_ignored),
		TEST(port_cf9_resets),
		TEST(odd_accesses_change_nothing),
		TEST(only_writable_bits_change),
		TEST(windows_of_root_ports_are_apart),
		TEST(firmware_places_every_bar),
		TEST(spans_answer_where_the_bar_is),
		TEST(sizing_tells_the_size),
		TEST(a_bar_that_is_not_there_stays_zero),
		TEST(without_decoding_nothing_is_mapped),
		TEST(a_bar_moves_while_decoding),
		TEST(a_bar_over_memory_decodes_nothing),
		TEST(two_bars_at_one_place_are_rolled_back_as_a_whole),
		TEST(no_room_for_tables_is_rolled_back_as_a_whole),
		TEST(reset_brings_everything_back),
		TEST(refuses_a_function_that_breaks_the_rules),
		TEST(msix_capability_describes_table_and_pba),
		TEST(a_message_goes_where_the_entry_says),
		TEST(vectors_are_masked_at_first),
		TEST(unmasking_a_vector_sends_what_is_pending_once),
		TEST(function_mask_holds_every_vector_back),
		TEST(nothing_is_sent_while_msix_is_off),
		TEST(without_bus_mastering_a_message_waits),
		TEST(a_vector_that_is_not_there_does_nothing),
		TEST(pending_bits_and_reserved_bits_are_read_only),
		TEST(table_takes_quadwords),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
