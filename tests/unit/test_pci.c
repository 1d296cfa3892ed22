/* SPDX-License-Identifier: Apache-2.0 */
/* PCI enumeration, BAR sizing, capabilities, MSI and MSI-X against a small model of a bus. */
// SOURCES: drivers/pci.c drivers/pci_msi.c
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fake_bus.h"

/* A function as virtio-gpu looks: MSI-X, two vendor capabilities, BARs of three kinds. */
static struct fake *add_gpu(u16 bdf)
{
	struct fake *gpu = add(bdf, 0x10501af4, 0x038000);

	put(gpu, 0x04, 0x0003, 2);
	put(gpu, 0x06, 0x0010, 2);
	put(gpu, 0x10, 0xc001, 4); /* 64 ports */
	gpu->bar_masks[0] = 0xffc0;
	put(gpu, 0x14, 0xfe002000, 4); /* 8 KiB */
	gpu->bar_masks[1] = 0xffffe000;
	put(gpu, 0x18, 0x0000000c, 4); /* 8 GiB, prefetchable, at 2^38 */
	put(gpu, 0x1c, 0x40, 4);
	gpu->bar_masks[3] = 0xfffffffe;
	put(gpu, 0x2c, 0x11001af4, 4);
	put(gpu, 0x34, 0x40, 1);
	put(gpu, 0x40, 0x5009, 2);
	put(gpu, 0x50, 0x6011, 2);
	put(gpu, 0x52, 2, 2);	   /* 3 vectors */
	put(gpu, 0x54, 0x1001, 4); /* in BAR 1 at 1000h */
	put(gpu, 0x60, 0x0009, 2);
	return gpu;
}

static int start(void **state)
{
	(void)state;
	fake_bus_start();
	return 0;
}

static void functions_are_found_behind_bridges(void **state)
{
	(void)state;
	for (int by_ecam = 0; by_ecam < 2; by_ecam++) {
		start(state);
		add_bridge(PCI_BDF(0, 3, 0), 1, 2);
		add_bridge(PCI_BDF(1, 0, 0), 2, 2);
		add(PCI_BDF(2, 5, 0), 0xaaaa1111, 0x020000);
		fake_enumerate(by_ecam);
		assert_int_equal(pci.function_count, 4);
		assert_int_equal(pci_find(&pci, PCI_BDF(2, 5, 0))->bridge, PCI_BDF(1, 0, 0));
		assert_int_equal(pci_find(&pci, PCI_BDF(2, 5, 0))->vendor_id, 0x1111);
		assert_int_equal(pci_find(&pci, PCI_BDF(0, 3, 0))->bridge, PCI_NO_BRIDGE);
		assert_int_equal(pci.ecam[2] != NULL, by_ecam);
		assert_null(pci_find(&pci, PCI_BDF(2, 6, 0)));
	}
}

static void only_multi_function_devices_have_more_functions(void **state)
{
	(void)state;
	add(PCI_BDF(0, 2, 0), 0x11112222, 0x020000);
	add(PCI_BDF(0, 2, 1), 0x11112222, 0x020000);
	put(add(PCI_BDF(0, 4, 0), 0x11112222, 0x020000), 0x0e, 0x80, 1);
	add(PCI_BDF(0, 4, 7), 0x11112222, 0x020000);
	fake_enumerate(true);
	assert_null(pci_find(&pci, PCI_BDF(0, 2, 1)));
	assert_non_null(pci_find(&pci, PCI_BDF(0, 4, 7)));
}

static void bridges_with_bad_numbers_make_no_loop(void **state)
{
	(void)state;
	add_bridge(PCI_BDF(0, 1, 0), 0, 5); /* back to bus 0 */
	add_bridge(PCI_BDF(0, 2, 0), 3, 2); /* ends before it begins */
	add_bridge(PCI_BDF(0, 3, 0), 4, 4);
	add_bridge(PCI_BDF(0, 5, 0), 4, 4); /* the same bus again */
	add_bridge(PCI_BDF(4, 0, 0), 2, 7); /* upwards */
	add_bridge(PCI_BDF(4, 1, 0), 4, 7); /* to its own bus */
	fake_enumerate(true);
	assert_int_equal(pci.function_count, 7);
}

static void bars_are_sized_with_decoding_off_and_restored(void **state)
{
	struct pci_function *gpu;
	struct fake *fake;

	(void)state;
	fake = add_gpu(PCI_BDF(0, 2, 0));
	put(fake, 0x04, 7, 2);
	fake_enumerate(true);
	gpu = pci_find(&pci, PCI_BDF(0, 2, 0));
	assert_false(decoded_while_sizing);
	assert_int_equal(fake->config[4], 3); /* no bus mastering */
	assert_int_equal(gpu->bars[0].kind, PCI_BAR_IO);
	assert_int_equal(gpu->bars[0].base, 0xc000);
	assert_int_equal(gpu->bars[0].size, 64);
	assert_int_equal(gpu->bars[1].kind, PCI_BAR_MEM32);
	assert_int_equal(gpu->bars[1].base, 0xfe002000);
	assert_int_equal(gpu->bars[1].size, 0x2000);
	assert_false(gpu->bars[1].prefetchable);
	assert_int_equal(gpu->bars[2].kind, PCI_BAR_MEM64);
	assert_int_equal(gpu->bars[2].base, BIT(38));
	assert_int_equal(gpu->bars[2].size, GIB(8));
	assert_true(gpu->bars[2].prefetchable);
	assert_int_equal(gpu->bars[3].kind, PCI_BAR_NONE);
	assert_int_equal(gpu->bars[4].kind, PCI_BAR_NONE);
	assert_int_equal(config_read(fake->bdf, 0x14, 4), 0xfe002000);
	assert_int_equal(config_read(fake->bdf, 0x1c, 4), 0x40);
}

static void a_bar_that_follows_no_rule_is_left_out(void **state)
{
	struct fake *fake;

	(void)state;
	fake = add(PCI_BDF(0, 2, 0), 0x11112222, 0x020000);
	fake->bar_masks[0] = 0xff0ff000;
	fake_enumerate(true);
	assert_int_equal(pci_find(&pci, fake->bdf)->bars[0].kind, PCI_BAR_NONE);
}

static void capabilities_are_found(void **state)
{
	struct pci_function *gpu;

	(void)state;
	add_gpu(PCI_BDF(0, 2, 0));
	fake_enumerate(false);
	gpu = pci_find(&pci, PCI_BDF(0, 2, 0));
	assert_int_equal(gpu->msix, 0x50);
	assert_int_equal(gpu->msi, 0);
	assert_int_equal(pci_find_capability(&pci, gpu->bdf, PCI_CAP_VENDOR, 0), 0x40);
	assert_int_equal(pci_find_capability(&pci, gpu->bdf, PCI_CAP_VENDOR, 0x40), 0x60);
	assert_int_equal(pci_find_capability(&pci, gpu->bdf, PCI_CAP_VENDOR, 0x60), 0);
	assert_int_equal(gpu->msix_vectors, 3);
	assert_int_equal(gpu->msix_bar, 1);
	assert_int_equal(gpu->msix_offset, 0x1000);
	assert_int_equal(gpu->class_code, 0x038000);
}

static void a_looping_capability_list_ends(void **state)
{
	struct fake *fake;

	(void)state;
	fake = add_gpu(PCI_BDF(0, 2, 0));
	put(fake, 0x61, 0x40, 1);
	fake_enumerate(true);
	assert_int_equal(pci_find(&pci, fake->bdf)->msi, 0);
	put(fake, 0x61, 0x10, 1); /* into the header */
	assert_int_equal(pci_find_capability(&pci, fake->bdf, PCI_CAP_MSI, 0), 0);
}

static void msix_is_mapped_masked_and_set(void **state)
{
	struct pci_msix msix;
	struct fake *fake;
	u32 *entry = (u32 *)&bar_memory[16];

	(void)state;
	fake = add_gpu(PCI_BDF(0, 2, 0));
	fake_enumerate(true);
	assert_int_equal(pci_msix_enable(&pci, pci_find(&pci, fake->bdf), &msix), OK);
	assert_int_equal(mapped_base, 0xfe003000);
	assert_int_equal(mapped_size, 4096);
	assert_int_equal(config_read(fake->bdf, 0x52, 2), 0x8002);
	assert_true(config_read(fake->bdf, 4, 2) & PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(entry[3], 1);
	assert_int_equal(pci_msix_set(&msix, 1, 0x1fee00018ULL, 0x4041), OK);
	assert_int_equal(entry[0], 0xfee00018);
	assert_int_equal(entry[1], 1);
	assert_int_equal(entry[2], 0x4041);
	assert_int_equal(entry[3], 0);
	assert_int_equal(pci_msix_mask(&msix, 1), OK);
	assert_int_equal(entry[3], 1);
	assert_int_equal(pci_msix_set(&msix, 3, 0, 0), ERR_RANGE);
}

static void an_msix_table_outside_its_bar_is_refused(void **state)
{
	static const u32 places[] = { 0x1ff1, 0x2001, 0xfffffff9, 0x1004, 0x1006 };
	struct pci_msix msix;
	struct fake *fake;

	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		start(state);
		fake = add_gpu(PCI_BDF(0, 2, 0));
		put(fake, 0x54, places[i], 4);
		fake_enumerate(true);
		assert_int_equal(pci_msix_enable(&pci, pci_find(&pci, fake->bdf), &msix),
				 ERR_INVALID);
	}
}

static void enabling_a_function_opens_the_bridges_above(void **state)
{
	struct fake *bridge, *fake;

	(void)state;
	bridge = add_bridge(PCI_BDF(0, 3, 0), 1, 1);
	fake = add(PCI_BDF(1, 0, 0), 0x11112222, 0x020000);
	fake_enumerate(true);
	pci_enable(&pci, pci_find(&pci, fake->bdf), PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER);
	assert_int_equal(bridge->config[4], 6);
	assert_int_equal(fake->config[4], 6);
	pci_disable(&pci, pci_find(&pci, fake->bdf), PCI_COMMAND_BUS_MASTER);
	assert_int_equal(bridge->config[4], 6);
	assert_int_equal(fake->config[4], 2);
}

static void accesses_outside_configuration_space_do_nothing(void **state)
{
	struct fake *fake;

	(void)state;
	fake = add_gpu(PCI_BDF(0, 2, 0));
	put(fake, 0x100, 0x12345678, 4);
	fake_enumerate(true);
	assert_int_equal(pci_read(&pci, fake->bdf, 0x100, 4), 0x12345678);
	assert_int_equal(pci_read(&pci, fake->bdf, 0x1000, 4), 0xffffffff);
	assert_int_equal(pci_read(&pci, fake->bdf, 0x101, 2), 0xffff);
	pci_write(&pci, fake->bdf, 0x101, 4, 0);
	fake_enumerate(false);
	assert_int_equal(pci_read(&pci, fake->bdf, 0x100, 4), 0xffffffff);
	pci_write(&pci, fake->bdf, 0x100, 4, 0);
	assert_int_equal(config_read(fake->bdf, 0x100, 4), 0x12345678);
	assert_int_equal(pci_read(&pci, fake->bdf, 0x0e, 1), 0);
	assert_int_equal(pci_read(&pci, fake->bdf, 0x02, 2), 0x1050);
}

static void without_room_for_ecam_the_ports_serve(void **state)
{
	(void)state;
	add_gpu(PCI_BDF(0, 2, 0));
	no_room = true;
	fake_enumerate(true);
	assert_non_null(pci_find(&pci, PCI_BDF(0, 2, 0)));
}

/* ---- extended capabilities ---- */

static void extended_capabilities_are_found(void **state)
{
	struct fake *fake = add_express(add(PCI_BDF(0, 2, 0), 0x11112222, 0x020000), 0);

	(void)state;
	add_extended(fake, 0x0001);
	add_extended(fake, 0x000d);
	add_extended(fake, 0x0010);
	fake_enumerate(true);
	assert_int_equal(pci_find(&pci, fake->bdf)->pcie, 0x80);
	assert_int_equal(pci_find_extended(&pci, fake->bdf, PCI_EXT_ACS), 0x180);
	assert_int_equal(pci_find_extended(&pci, fake->bdf, PCI_EXT_SRIOV), 0x200);
	assert_int_equal(pci_find_extended(&pci, fake->bdf, 0x0002), 0);
	fake_enumerate(false);
	assert_int_equal(pci_find_extended(&pci, fake->bdf, PCI_EXT_ACS), 0);
}

/* Its bus may show the first 256 bytes again where extended ones would be. */
static void what_is_not_pci_express_has_none(void **state)
{
	struct fake *fake = add(PCI_BDF(0, 2, 0), 0x11112222, 0x020000);

	(void)state;
	add_extended(fake, 0x000d);
	fake_enumerate(true);
	assert_int_equal(pci_find_extended(&pci, fake->bdf, PCI_EXT_ACS), 0);
}

static void a_looping_extended_list_ends(void **state)
{
	static const u32 nexts[] = { 0x100, 0x180, 0x103, 0x040, 0xffc, 0xfff };
	struct fake *fake = add_express(add(PCI_BDF(0, 2, 0), 0x11112222, 0x020000), 0);

	(void)state;
	add_extended(fake, 0x0001);
	add_extended(fake, 0x0002);
	fake_enumerate(true);
	for (unsigned i = 0; i < ARRAY_SIZE(nexts); i++) {
		put(fake, 0x182, nexts[i] << 4 | 1, 2);
		assert_int_equal(pci_find_extended(&pci, fake->bdf, PCI_EXT_ACS), 0);
	}
}

/* ---- MSI ---- */

#define MSI 0x50 /* where the tests put the capability */

static u16 control_when_written; /* while the message changed */

static void watch_message(struct fake *fake, u32 offset, u32 value, unsigned size)
{
	(void)value;
	(void)size;
	if (offset > MSI + 3 && offset < MSI + 24)
		memcpy(&control_when_written, &fake->config[MSI + 2], 2);
}

/* With garbage in the message, several vectors and switched on, as firmware may leave it. */
static struct fake *add_msi(u32 control)
{
	struct fake *fake = add(PCI_BDF(0, 2, 0), 0x11112222, 0x020000);

	add_capability(fake, MSI, PCI_CAP_MSI);
	memset(&fake->config[MSI + 4], 0xee, 24);
	put(fake, MSI + 2, control | 0x0031, 2);
	fake_enumerate(true);
	fake_on_write = watch_message;
	control_when_written = 0xffff;
	return fake;
}

static void an_msi_of_32_bits_is_set(void **state)
{
	struct fake *fake = add_msi(0);
	struct pci_function *function = pci_find(&pci, fake->bdf);

	(void)state;
	assert_int_equal(pci_msi_set(&pci, function, 0xfee01000, 0x41), OK);
	assert_int_equal(config_read(fake->bdf, MSI + 4, 4), 0xfee01000);
	assert_int_equal(config_read(fake->bdf, MSI + 8, 4), 0xeeee0041);
	assert_int_equal(config_read(fake->bdf, MSI + 12, 4), 0xeeeeeeee);
	assert_int_equal(config_read(fake->bdf, MSI + 2, 2), 0x0001);
	assert_int_equal(control_when_written & 1, 0);
	assert_true(config_read(fake->bdf, 4, 2) & PCI_COMMAND_INTX_DISABLE);
	pci_msi_off(&pci, function);
	assert_int_equal(config_read(fake->bdf, MSI + 2, 2), 0);
	assert_true(config_read(fake->bdf, 4, 2) & PCI_COMMAND_INTX_DISABLE);
}

static void an_msi_of_64_bits_is_set(void **state)
{
	struct fake *fake = add_msi(0x0080);

	(void)state;
	assert_int_equal(pci_msi_set(&pci, pci_find(&pci, fake->bdf), 0x1fee01000ULL, 0x4041), OK);
	assert_int_equal(config_read(fake->bdf, MSI + 4, 4), 0xfee01000);
	assert_int_equal(config_read(fake->bdf, MSI + 8, 4), 1);
	assert_int_equal(config_read(fake->bdf, MSI + 12, 4), 0xeeee4041);
	assert_int_equal(config_read(fake->bdf, MSI + 16, 4), 0xeeeeeeee);
	assert_int_equal(config_read(fake->bdf, MSI + 2, 2), 0x0081);
	assert_int_equal(control_when_written & 1, 0);
}

static void an_msi_with_masks_is_unmasked(void **state)
{
	struct fake *fake = add_msi(0x0100);

	(void)state;
	assert_int_equal(pci_msi_set(&pci, pci_find(&pci, fake->bdf), 0xfee01000, 0x41), OK);
	assert_int_equal(config_read(fake->bdf, MSI + 12, 4), 0);
	fake_bus_start();
	fake = add_msi(0x0180);
	assert_int_equal(pci_msi_set(&pci, pci_find(&pci, fake->bdf), 0xfee01000, 0x41), OK);
	assert_int_equal(config_read(fake->bdf, MSI + 8, 4), 0);
	assert_int_equal(config_read(fake->bdf, MSI + 16, 4), 0);
	assert_int_equal(config_read(fake->bdf, MSI + 20, 4), 0xeeeeeeee);
}

static void a_message_that_does_not_fit_is_refused(void **state)
{
	struct fake *fake = add_msi(0);
	struct pci_function *function = pci_find(&pci, fake->bdf);

	(void)state;
	assert_int_equal(pci_msi_set(&pci, function, 0x1fee01000ULL, 0x41), ERR_RANGE);
	assert_int_equal(pci_msi_set(&pci, function, 0xfee01000, 0x10041), ERR_RANGE);
	assert_int_equal(config_read(fake->bdf, MSI + 4, 4), 0xeeeeeeee);
	assert_int_equal(config_read(fake->bdf, MSI + 2, 2), 0x0031);
	function = pci_find(&pci, PCI_BDF(0, 0, 0));
	assert_int_equal(pci_msi_set(&pci, function, 0xfee01000, 0x41), ERR_NOT_FOUND);
	pci_msi_off(&pci, function);
	pci_msix_off(&pci, function);
	assert_int_equal(config_read(0, 0, 4), 0x29c08086);
}

static void msix_is_switched_off(void **state)
{
	struct pci_msix msix;
	struct fake *fake;

	(void)state;
	fake = add_gpu(PCI_BDF(0, 2, 0));
	fake_enumerate(true);
	assert_int_equal(pci_msix_enable(&pci, pci_find(&pci, fake->bdf), &msix), OK);
	pci_msix_off(&pci, pci_find(&pci, fake->bdf));
	assert_int_equal(config_read(fake->bdf, 0x52, 2), 0x0002);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, start)
	const struct CMUnitTest tests[] = {
		TEST(functions_are_found_behind_bridges),
		TEST(only_multi_function_devices_have_more_functions),
		TEST(bridges_with_bad_numbers_make_no_loop),
		TEST(bars_are_sized_with_decoding_off_and_restored),
		TEST(a_bar_that_follows_no_rule_is_left_out),
		TEST(capabilities_are_found),
		TEST(a_looping_capability_list_ends),
		TEST(msix_is_mapped_masked_and_set),
		TEST(an_msix_table_outside_its_bar_is_refused),
		TEST(enabling_a_function_opens_the_bridges_above),
		TEST(accesses_outside_configuration_space_do_nothing),
		TEST(without_room_for_ecam_the_ports_serve),
		TEST(extended_capabilities_are_found),
		TEST(what_is_not_pci_express_has_none),
		TEST(a_looping_extended_list_ends),
		TEST(an_msi_of_32_bits_is_set),
		TEST(an_msi_of_64_bits_is_set),
		TEST(an_msi_with_masks_is_unmasked),
		TEST(a_message_that_does_not_fit_is_refused),
		TEST(msix_is_switched_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
