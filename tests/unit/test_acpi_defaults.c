/* SPDX-License-Identifier: Apache-2.0 */
/* What Facet takes for granted on a PC without ACPI tables, and what it does not. */
// SOURCES: drivers/acpi_defaults.c drivers/pci.c
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/io.h"
#include "drivers/acpi.h"

#define PM_BDF PCI_BDF(0, 1, 3)

/* One function behind ports CF8h and CFCh. */
static u8 config[256];
static u32 config_address;
static unsigned writes; /* into the function */
static struct pci pci;
static struct acpi_info info;

u32 host_port_in(u16 port, unsigned size)
{
	u32 value = ~0U;

	assert_in_range(port, 0xcfc, 0xcff);
	if ((config_address >> 8) == (0x800000U | PM_BDF))
		memcpy(&value, &config[(config_address & 0xfc) + (port & 3U)], size);
	return value;
}

void host_port_out(u16 port, u32 value, unsigned size)
{
	if (port == 0xcf8) {
		assert_int_equal(size, 4);
		config_address = value;
		return;
	}
	writes++;
	assert_int_equal(config_address, 0x80000080U | PM_BDF << 8);
	assert_int_equal(port, 0xcfc);
	config[0x80] = (u8)value;
}

static bool start(u16 device_id, u32 pm_base, u8 decode)
{
	memset(&info, 0, sizeof(info));
	writes = 0;
	memset(config, 0, sizeof(config));
	memcpy(&config[0x40], &pm_base, 4);
	config[0x80] = decode;
	pci_init(&pci, NULL, HPA(0), 0, 0);
	pci.functions[0] = (struct pci_function){ .bdf = PCI_BDF(0, 0, 0), .vendor_id = 0x8086 };
	pci.functions[1] =
		(struct pci_function){ .bdf = PM_BDF, .vendor_id = 0x8086, .device_id = device_id };
	pci.function_count = 2;
	return acpi_defaults(&pci, &info);
}

static void the_piix4_gives_timer_and_soft_off(void **state)
{
	(void)state;
	assert_true(start(0x7113, 0xb001, 0x01)); /* bit 0 says: ports */
	assert_int_equal(info.power.pm1a_control, 0xb004);
	assert_int_equal(info.power.pm_timer, 0xb008);
	assert_true(info.power.s5_known);
	assert_int_equal(info.power.s5_type_a, 0);
	assert_int_equal(info.power.pm1b_control, 0);
	assert_int_equal(info.power.smi_command, 0);
	assert_int_equal(writes, 0);
}

static void its_ports_are_closed_before_a_reset(void **state)
{
	(void)state;
	assert_true(start(0x7113, 0xb001, 0x01));
	acpi_defaults_before_reset(&pci);
	assert_int_equal(config[0x80], 0);
	assert_false(start(0x2918, 0xb001, 0x01));
	acpi_defaults_before_reset(&pci);
	assert_int_equal(writes, 0);
}

static void ports_that_firmware_has_not_opened_are_not_used(void **state)
{
	(void)state;
	assert_false(start(0x7113, 0xb001, 0x00));
	assert_false(start(0x7113, 0x0001, 0x01));
	assert_int_equal(info.power.pm1a_control, 0);
	assert_int_equal(info.power.pm_timer, 0);
	assert_false(info.power.s5_known);
}

static void another_chipset_has_neither(void **state)
{
	(void)state;
	assert_false(start(0x2918, 0xb001, 0x01));
	assert_int_equal(info.power.pm_timer, 0);
	assert_false(info.power.s5_known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_piix4_gives_timer_and_soft_off),
		cmocka_unit_test(its_ports_are_closed_before_a_reset),
		cmocka_unit_test(ports_that_firmware_has_not_opened_are_not_used),
		cmocka_unit_test(another_chipset_has_neither),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
