/* SPDX-License-Identifier: Apache-2.0 */
/* What the console command `pci` prints about a model of the buses. */
// SOURCES: drivers/pci_commands.c drivers/pci_reset.c drivers/pci_groups.c drivers/pci_msi.c
// SOURCES: drivers/pci.c core/lib/fmt.c core/lib/string.c
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/console.h"
#include "core/timer.h"
#include "drivers/pci_commands.h"
#include "drivers/pci_groups.h"
#include "tests/unit/fake_bus.h"

static const struct console_command *command;
static char screen[65536];
static unsigned lines;

u64 now_ns(void)
{
	return 0;
}

void console_register(const struct console_command *c)
{
	command = c;
}

void console_print_text(const char *line)
{
	assert_true(strlen(line) < 80);
	assert_true(strlen(screen) + strlen(line) + 2 < sizeof(screen));
	strcat(screen, line);
	strcat(screen, "\n");
	lines++;
}

u16 iommu_domain_of(struct iommu *iommu, u16 bdf)
{
	(void)iommu;
	(void)bdf;
	return 0;
}

void console_print(const char *fmt, ...)
{
	char line[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	console_print_text(line);
}

static int start(void **state)
{
	(void)state;
	fake_bus_start();
	return 0;
}

static const char *run(const char *args)
{
	char copy[64];

	fake_enumerate(true);
	pci_make_groups(&pci);
	pci_commands_register(&pci, NULL, NULL);
	snprintf(copy, sizeof(copy), "%s", args);
	screen[0] = 0;
	lines = 0;
	command->run(copy);
	return screen;
}

static void shows(const char *line)
{
	if (!strstr(screen, line))
		fail_msg("no \"%s\" in:\n%s", line, screen);
}

/* A BAR of every kind and the longest numbers there are. */
static struct fake *add_large(u16 bdf)
{
	struct fake *fake = add_express(add(bdf, 0xabcd1234, 0x010802), 0);

	for (u32 i = 0; i < 6; i += 2) {
		put(fake, 0x10 + 4 * i, 0xc, 4);
		put(fake, 0x14 + 4 * i, 0xfffffe00, 4);
		fake->bar_masks[i] = 0;
		fake->bar_masks[i + 1] = 0xfffffe00;
	}
	put(fake, 0x84, 1U << 28, 4);
	return fake;
}

static void each_function_has_its_line(void **state)
{
	struct fake *fake;
	u16 sriov;

	(void)state;
	fake = add_large(PCI_BDF(0, 2, 0));
	sriov = add_extended(fake, PCI_EXT_SRIOV);
	put(fake, sriov + 14U, 16, 2);
	put(fake, sriov + 16U, 3, 2);
	add_bridge(PCI_BDF(0, 3, 0), 1, 1);
	fake = add(PCI_BDF(1, 0, 0), 0x11112222, 0x020000);
	put(fake, 0x10, 0xc001, 4);
	fake->bar_masks[0] = 0xffc0;
	put(fake, 0x14, 0xfe000000, 4);
	fake->bar_masks[1] = 0xfffe0000;
	run("");
	shows("place    ids        class            group  owner            reset\n");
	shows("  00:00.0  8086:29c0  host bridge          0  facet            none\n");
	shows("  00:02.0  1234:abcd  NVMe controller      1  -                FLR\n"
	      "         0:fffffe0000000000/2T prefetchable  2:fffffe0000000000/2T prefetchable\n"
	      "         4:fffffe0000000000/2T prefetchable  3 VFs of 16\n");
	shows("  00:03.0  8086:1234  PCI bridge           2  facet            none\n");
	shows("  01:00.0  2222:1111  Ethernet             2  -                bus\n"
	      "         0:port c000/64  1:fe000000/128K\n");
}

static void owners_are_shown(void **state)
{
	char none[] = "";

	(void)state;
	add(PCI_BDF(0, 2, 0), 0x11112222, 0xff0000);
	run("");
	shows("00:02.0  2222:1111  unknown              1  -  ");
	assert_int_equal(pci_claim(&pci, pci_find(&pci, PCI_BDF(0, 2, 0)), "sixteen-letters-"), OK);
	screen[0] = 0;
	command->run(none);
	shows("00:02.0  2222:1111  unknown              1  sixteen-letters- none\n");
}

static void one_function_is_shown_alone(void **state)
{
	(void)state;
	add_bridge(PCI_BDF(0, 3, 0), 1, 2);
	add_large(PCI_BDF(1, 0, 0));
	run("01:00.0");
	shows("01:00.0  1234:abcd  NVMe controller");
	assert_null(strstr(screen, "00:03.0"));
}

static void a_wrong_name_is_said(void **state)
{
	(void)state;
	run("00:1f.0");
	assert_string_equal(screen, "there is no function \"00:1f.0\": `pci` lists them\n");
}

static void lists_that_loop_end(void **state)
{
	struct fake *fake;

	(void)state;
	fake = add_large(PCI_BDF(0, 2, 0));
	put(fake, 0x81, 0x80, 1);
	put(fake, 0x100, 0x10010001, 4);
	run("00:02.0");
	assert_true(lines < 600);
}

static void names_are_completed(void **state)
{
	(void)state;
	add(PCI_BDF(0, 2, 0), 0x11112222, 0x020000);
	run("");
	assert_string_equal(command->candidate(0), "00:00.0");
	assert_string_equal(command->candidate(1), "00:02.0");
	assert_null(command->candidate(2));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, start)
	const struct CMUnitTest tests[] = {
		TEST(each_function_has_its_line),  TEST(owners_are_shown),
		TEST(one_function_is_shown_alone), TEST(a_wrong_name_is_said),
		TEST(lists_that_loop_end),	   TEST(names_are_completed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
