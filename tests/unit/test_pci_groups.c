/* SPDX-License-Identifier: Apache-2.0 */
/* Which functions are one group on machines of many shapes, and who may have them. */
// SOURCES: drivers/pci_groups.c drivers/pci.c
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/pci_groups.h"
#include "tests/unit/fake_bus.h"

#define ROOT_PORT  4
#define UPSTREAM   5
#define DOWNSTREAM 6
#define TO_PCI	   7
#define INTEGRATED 9
#define ACS_PORT   0x1d /* source validation, both redirects, upstream forwarding */
#define ACS_ALL	   0x5f /* and translation blocking, direct translated P2P */
#define ACS_DEVICE 0x0c /* both redirects */
#define MANY	   0x80 /* in the header type: more than one function */
#define NIC	   0x11112222, 0x020000

static const char alpha[] = "alpha", beta[] = "beta";

static int start(void **state)
{
	(void)state;
	fake_bus_start();
	return 0;
}

static void make(void)
{
	fake_enumerate(true);
	pci_make_groups(&pci);
}

static struct fake *add_port(u16 bdf, u8 bus, u8 last, u32 port, u16 acs)
{
	struct fake *fake = add_express(add_bridge(bdf, bus, last), port);

	return acs ? add_acs(fake, acs) : fake;
}

static struct fake *add_device(u8 bus, u8 device, u8 function, u16 acs)
{
	struct fake *fake = add_express(add(PCI_BDF(bus, device, function), NIC), 0);

	return acs ? add_acs(fake, acs) : fake;
}

static void of_many(u16 bdf)
{
	fake_at(bdf)->config[0x0e] |= MANY;
}

static u16 group(u8 bus, u8 device, u8 function)
{
	const struct pci_function *f = pci_find(&pci, PCI_BDF(bus, device, function));

	assert_non_null(f);
	return f->group;
}

static void devices_on_the_root_bus_are_separate(void **state)
{
	(void)state;
	add_express(add(PCI_BDF(0, 1, 0), NIC), INTEGRATED);
	add(PCI_BDF(0, 2, 0), NIC); /* as an emulator has them */
	make();
	assert_int_equal(group(0, 0, 0), 0);
	assert_int_equal(group(0, 1, 0), 1);
	assert_int_equal(group(0, 2, 0), 2);
}

static void a_root_port_with_acs_is_apart_from_what_is_behind_it(void **state)
{
	struct fake *port = add_port(PCI_BDF(0, 3, 0), 1, 1, ROOT_PORT, ACS_ALL);

	(void)state;
	add_device(1, 0, 0, 0);
	make();
	assert_int_not_equal(group(0, 3, 0), group(1, 0, 0));
	/* Switched on, translation blocking too; what weakens it is off. */
	assert_int_equal(config_read(port->bdf, port->acs + 6U, 2), 0x1f);
}

static void a_root_port_that_lacks_a_service_is_one_group_with_it(void **state)
{
	static const u16 offered[] = { 0, 0x1c, 0x19, 0x15, 0x0d };

	for (unsigned i = 0; i < ARRAY_SIZE(offered); i++) {
		start(state);
		add_port(PCI_BDF(0, 3, 0), 1, 1, ROOT_PORT, offered[i]);
		add_port(PCI_BDF(0, 4, 0), 2, 2, ROOT_PORT, offered[i]);
		add_device(1, 0, 0, 0);
		add_device(2, 0, 0, 0);
		make();
		assert_int_equal(group(0, 3, 0), group(1, 0, 0));
		assert_int_equal(group(0, 4, 0), group(2, 0, 0));
		/* The IOMMU is between root ports that are devices of their own. */
		assert_int_not_equal(group(0, 3, 0), group(0, 4, 0));
	}
}

/* Offered, but the control register does not keep them. */
static void services_that_do_not_switch_on_do_not_count(void **state)
{
	struct fake *port = add_port(PCI_BDF(0, 3, 0), 1, 1, ROOT_PORT, ACS_PORT);

	(void)state;
	port->acs_stuck = true;
	add_device(1, 0, 0, 0);
	make();
	assert_int_equal(group(0, 3, 0), group(1, 0, 0));
}

static void ports_of_one_device_without_acs_are_one_group_with_all_behind(void **state)
{
	(void)state;
	add_port(PCI_BDF(0, 3, 0), 1, 1, ROOT_PORT, ACS_PORT);
	add_port(PCI_BDF(0, 3, 1), 2, 2, ROOT_PORT, 0);
	of_many(PCI_BDF(0, 3, 0));
	add_device(1, 0, 0, 0);
	add_device(2, 0, 0, 0);
	make();
	assert_int_equal(group(0, 3, 0), group(0, 3, 1));
	assert_int_equal(group(0, 3, 0), group(1, 0, 0));
	assert_int_equal(group(0, 3, 0), group(2, 0, 0));
}

static void ports_of_one_device_with_acs_are_separate(void **state)
{
	(void)state;
	add_port(PCI_BDF(0, 3, 0), 1, 1, ROOT_PORT, ACS_PORT);
	add_port(PCI_BDF(0, 3, 1), 2, 2, ROOT_PORT, ACS_PORT);
	of_many(PCI_BDF(0, 3, 0));
	add_device(1, 0, 0, 0);
	add_device(2, 0, 0, 0);
	make();
	assert_int_not_equal(group(0, 3, 0), group(0, 3, 1));
	assert_int_not_equal(group(1, 0, 0), group(2, 0, 0));
}

static void functions_of_one_device_are_one_group_if_one_lacks_acs(void **state)
{
	(void)state;
	for (unsigned behind = 0; behind < 2; behind++) {
		u8 bus = (u8)behind;

		start(state);
		if (bus)
			add_port(PCI_BDF(0, 3, 0), 1, 1, ROOT_PORT, ACS_PORT);
		add_device(bus, 4 * !bus, 0, behind ? ACS_DEVICE : 0x04);
		add_device(bus, 4 * !bus, 1, ACS_DEVICE);
		add_device(bus, 4 * !bus, 2, behind ? 0 : ACS_DEVICE);
		of_many(PCI_BDF(bus, 4 * !bus, 0));
		make();
		assert_int_equal(group(bus, 4 * !bus, 0), group(bus, 4 * !bus, 1));
		assert_int_equal(group(bus, 4 * !bus, 0), group(bus, 4 * !bus, 2));
		assert_int_not_equal(group(bus, 4 * !bus, 0), group(0, 0, 0));
	}
}

static void functions_of_one_device_with_acs_are_separate(void **state)
{
	(void)state;
	add_port(PCI_BDF(0, 3, 0), 1, 1, ROOT_PORT, ACS_PORT);
	add_device(1, 0, 0, ACS_DEVICE);
	add_device(1, 0, 1, ACS_DEVICE);
	of_many(PCI_BDF(1, 0, 0));
	make();
	assert_int_not_equal(group(1, 0, 0), group(1, 0, 1));
}

static void add_switch(u16 root_acs, u16 first_acs, u16 second_acs)
{
	add_port(PCI_BDF(0, 3, 0), 1, 4, ROOT_PORT, root_acs);
	add_port(PCI_BDF(1, 0, 0), 2, 4, UPSTREAM, 0);
	add_port(PCI_BDF(2, 0, 0), 3, 3, DOWNSTREAM, first_acs);
	add_port(PCI_BDF(2, 1, 0), 4, 4, DOWNSTREAM, second_acs);
	add_device(3, 0, 0, 0);
	add_device(4, 0, 0, 0);
	make();
}

static void a_switch_with_acs_keeps_its_devices_apart(void **state)
{
	(void)state;
	add_switch(ACS_PORT, ACS_PORT, ACS_PORT);
	assert_int_not_equal(group(3, 0, 0), group(4, 0, 0));
	assert_int_not_equal(group(3, 0, 0), group(2, 0, 0));
	assert_int_not_equal(group(2, 0, 0), group(2, 1, 0));
}

/* The port without it lets its device reach the others' memory. */
static void a_switch_of_which_one_port_lacks_acs_is_one_group(void **state)
{
	(void)state;
	add_switch(ACS_PORT, ACS_PORT, 0x1c);
	assert_int_equal(group(3, 0, 0), group(4, 0, 0));
	assert_int_equal(group(3, 0, 0), group(2, 0, 0));
	assert_int_equal(group(3, 0, 0), group(2, 1, 0));
	assert_int_not_equal(group(3, 0, 0), group(0, 3, 0));
}

static void a_root_port_without_acs_makes_one_group_of_a_switch_behind_it(void **state)
{
	(void)state;
	add_switch(0, ACS_PORT, ACS_PORT);
	assert_int_equal(group(0, 3, 0), group(1, 0, 0));
	assert_int_equal(group(0, 3, 0), group(3, 0, 0));
	assert_int_equal(group(0, 3, 0), group(4, 0, 0));
}

static void all_behind_a_conventional_bridge_is_one_group_with_it(void **state)
{
	for (unsigned express = 0; express < 2; express++) {
		start(state);
		if (express)
			add_port(PCI_BDF(0, 5, 0), 1, 2, TO_PCI, 0);
		else
			add_bridge(PCI_BDF(0, 5, 0), 1, 2);
		add_bridge(PCI_BDF(1, 1, 0), 2, 2);
		add(PCI_BDF(1, 2, 0), NIC);
		add_device(2, 3, 0, ACS_DEVICE);
		add(PCI_BDF(0, 6, 0), NIC);
		make();
		assert_int_equal(group(0, 5, 0), group(1, 1, 0));
		assert_int_equal(group(0, 5, 0), group(1, 2, 0));
		assert_int_equal(group(0, 5, 0), group(2, 3, 0));
		assert_int_not_equal(group(0, 5, 0), group(0, 6, 0));
	}
}

static void two_devices_on_one_link_are_one_group(void **state)
{
	(void)state;
	add_port(PCI_BDF(0, 3, 0), 1, 1, ROOT_PORT, ACS_PORT);
	add_device(1, 0, 0, 0);
	add_device(1, 1, 0, 0);
	make();
	assert_int_equal(group(1, 0, 0), group(1, 1, 0));
	assert_int_not_equal(group(1, 0, 0), group(0, 3, 0));
}

static void without_ecam_nothing_can_be_told_apart_by_acs(void **state)
{
	(void)state;
	add_port(PCI_BDF(0, 3, 0), 1, 1, ROOT_PORT, ACS_PORT);
	add_device(1, 0, 0, 0);
	fake_enumerate(false);
	pci_make_groups(&pci);
	assert_int_equal(group(0, 3, 0), group(1, 0, 0));
	assert_int_not_equal(group(0, 3, 0), group(0, 0, 0));
}

static void where_functions_were_left_out_all_are_one_group(void **state)
{
	(void)state;
	add(PCI_BDF(0, 2, 0), NIC);
	fake_enumerate(true);
	pci.left_out = 1;
	pci_make_groups(&pci);
	assert_int_equal(group(0, 0, 0), group(0, 2, 0));
}

/* ---- claims ---- */

static void a_function_has_one_owner(void **state)
{
	struct pci_function *f;

	(void)state;
	add(PCI_BDF(0, 2, 0), NIC);
	make();
	f = pci_find(&pci, PCI_BDF(0, 2, 0));
	assert_int_equal(pci_claim(&pci, f, alpha), OK);
	assert_int_equal(pci_claim(&pci, f, alpha), OK);
	assert_int_equal(pci_claim(&pci, f, beta), ERR_EXISTS);
	assert_ptr_equal(f->owner, alpha);
	pci_release(&pci, f, beta);
	assert_ptr_equal(f->owner, alpha);
	pci_release(&pci, f, alpha);
	assert_null(f->owner);
	assert_int_equal(pci_claim(&pci, f, beta), OK);
}

/* A guest's name may be any: it does not make it the owner. */
static void owners_are_told_apart_by_more_than_their_names(void **state)
{
	char other[] = "alpha";

	(void)state;
	add(PCI_BDF(0, 2, 0), NIC);
	make();
	assert_int_equal(pci_claim(&pci, pci_find(&pci, PCI_BDF(0, 2, 0)), alpha), OK);
	assert_int_equal(pci_claim(&pci, pci_find(&pci, PCI_BDF(0, 2, 0)), other), ERR_EXISTS);
}

static void bridges_are_nobodys(void **state)
{
	(void)state;
	add_bridge(PCI_BDF(0, 3, 0), 1, 1);
	add(PCI_BDF(0, 31, 0), 0x29188086, 0x060100);
	make();
	for (u32 i = 0; i < pci.function_count; i++)
		assert_int_equal(pci_claim(&pci, &pci.functions[i], alpha), ERR_DENIED);
}

static void who_stands_against_a_group_is_named(void **state)
{
	struct pci_function *first, *second;

	(void)state;
	add_bridge(PCI_BDF(0, 5, 0), 1, 1);
	add(PCI_BDF(1, 1, 0), NIC);
	add(PCI_BDF(1, 2, 0), NIC);
	add(PCI_BDF(0, 6, 0), NIC); /* another group */
	make();
	first = pci_find(&pci, PCI_BDF(1, 1, 0));
	second = pci_find(&pci, PCI_BDF(1, 2, 0));
	assert_int_equal(pci_claim(&pci, first, alpha), OK);
	assert_ptr_equal(pci_group_conflict(&pci, first, alpha), second);
	assert_int_equal(pci_claim(&pci, second, beta), OK);
	assert_ptr_equal(pci_group_conflict(&pci, first, alpha), second);
	assert_ptr_equal(pci_group_conflict(&pci, second, beta), first);
	pci_release(&pci, second, beta);
	assert_int_equal(pci_claim(&pci, second, alpha), OK);
	assert_null(pci_group_conflict(&pci, first, alpha));
	assert_null(pci_group_conflict(&pci, pci_find(&pci, PCI_BDF(0, 6, 0)), alpha));
}

/* A guest that had it could switch all confinement off. */
static void an_iommu_that_is_a_function_is_nobodys(void **state)
{
	(void)state;
	add(PCI_BDF(0, 1, 0), 0x00141022, 0x080600);
	add(PCI_BDF(0, 2, 0), 0x00151022, 0x080500);
	make();
	assert_int_equal(pci_claim(&pci, pci_find(&pci, PCI_BDF(0, 1, 0)), alpha), ERR_EXISTS);
	assert_int_equal(pci_claim(&pci, pci_find(&pci, PCI_BDF(0, 2, 0)), alpha), OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, start)
	const struct CMUnitTest tests[] = {
		TEST(devices_on_the_root_bus_are_separate),
		TEST(a_root_port_with_acs_is_apart_from_what_is_behind_it),
		TEST(a_root_port_that_lacks_a_service_is_one_group_with_it),
		TEST(services_that_do_not_switch_on_do_not_count),
		TEST(ports_of_one_device_without_acs_are_one_group_with_all_behind),
		TEST(ports_of_one_device_with_acs_are_separate),
		TEST(functions_of_one_device_are_one_group_if_one_lacks_acs),
		TEST(functions_of_one_device_with_acs_are_separate),
		TEST(a_switch_with_acs_keeps_its_devices_apart),
		TEST(a_switch_of_which_one_port_lacks_acs_is_one_group),
		TEST(a_root_port_without_acs_makes_one_group_of_a_switch_behind_it),
		TEST(all_behind_a_conventional_bridge_is_one_group_with_it),
		TEST(two_devices_on_one_link_are_one_group),
		TEST(without_ecam_nothing_can_be_told_apart_by_acs),
		TEST(where_functions_were_left_out_all_are_one_group),
		TEST(a_function_has_one_owner),
		TEST(owners_are_told_apart_by_more_than_their_names),
		TEST(bridges_are_nobodys),
		TEST(an_iommu_that_is_a_function_is_nobodys),
		TEST(who_stands_against_a_group_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
