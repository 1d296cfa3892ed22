// SPDX-License-Identifier: Apache-2.0
// SOURCES: guest/assigned.c guest/assigned_config.c guest/assigned_bar.c guest/assigned_irq.c
// SOURCES: guest/assigned_intx.c guest/assigned_rom.c guest/pci.c guest/pci_port.c guest/bar.c
// SOURCES: guest/msi.c guest/msix.c guest/power.c core/region.c drivers/iommu_ram.c
// SOURCES: drivers/pci_msi.c core/lib/string.c core/lib/error.c core/lib/fmt.c
/* INTx of functions given to guests: a line of the guest's that follows the status register. */
#include "tests/unit/fake_assigned.h"

#define LINE	 BIT(21) /* of what is in slot GUEST_DEVICE */
#define ASSERTED 0x08	 /* in the low byte of the status register */
#define STATUS	 0x06

static void pass(u64 ns)
{
	struct timer *due = armed;

	fake_later_ns += ns;
	if (!due || due->deadline_ns > now_ns())
		return;
	disarm();
	due->fire(due);
}

/* A millisecond, in which it asserts or not. */
static void pass_with(u16 bdf, u8 asserts)
{
	space[index_of(bdf)][STATUS] = 0x10 | asserts;
	pass(1000000);
}

/* Its driver has taken it, and it has asserted its line. */
static void assert_line(void)
{
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 6);
	assigned_housekeeping();
	assert_int_equal(fake_lines, 0);
	pass_with(DISK, ASSERTED);
	assert_int_equal(fake_lines, LINE);
}

static void a_function_that_asserts_drives_its_guests_line(void **state)
{
	(void)state;
	assert_line();
	assert_int_equal(space[0][5] & 4, 4); /* its own line stays off */
	assert_int_equal(shown(4) >> 16 & 0xff, 0x10 | ASSERTED);
	pass_with(DISK, ASSERTED);
	assert_int_equal(fake_lines, LINE);
	pass_with(DISK, 0);
	assert_int_equal(fake_lines, 0);
	assert_int_equal(shown(4) >> 16 & 0xff, 0x10);
}

static void the_end_of_an_interrupt_looks_at_its_line_and_no_other(void **state)
{
	(void)state;
	assert_line();
	space[0][STATUS] = 0x10;
	status_reads = 0;
	assigned_look_intx(&fake_vm, ~(u32)LINE);
	assert_int_equal(status_reads, 0);
	assert_int_equal(fake_lines, LINE);
	assigned_look_intx(&fake_vm, LINE);
	assert_int_equal(status_reads, 1);
	assert_int_equal(fake_lines, 0);
}

static void it_is_looked_at_once_a_millisecond(void **state)
{
	(void)state;
	assert_line();
	status_reads = 0;
	for (u32 i = 0; i < 100; i++) {
		fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, i & 1 ? 6 : 0x406);
		assigned_housekeeping();
		pass(100000);
	}
	assert_in_range(status_reads, 4, 10);
}

static void nobody_is_looked_at_who_does_not_use_it(void **state)
{
	(void)state;
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 0);
	assigned_housekeeping();
	assert_null(armed);
	start_msix();
	assigned_housekeeping();
	assert_null(armed);
}

static void messages_or_its_switch_let_the_line_go(void **state)
{
	static const struct {
		u32 at, off, on;
	} switches[] = {
		{ CAP_MSIX + 2, 0x8000, 0 },
		{ REG_COMMAND, 0x406, 6 },
		{ REG_COMMAND, 0, 6 },
	};

	(void)state;
	assert_line();
	for (u32 i = 0; i < ARRAY_SIZE(switches); i++) {
		fake_write_config(GUEST_DEVICE, switches[i].at, 2, switches[i].off);
		assert_int_equal(fake_lines, 0);
		assert_int_equal(shown(4) >> 16 & ASSERTED, 0);
		pass_with(DISK, ASSERTED);
		assert_int_equal(fake_lines, 0);
		assert_null(armed);
		fake_write_config(GUEST_DEVICE, switches[i].at, 2, switches[i].on);
		assigned_housekeeping();
		assert_int_equal(fake_lines, LINE);
	}
}

static void msi_lets_the_line_go(void **state)
{
	(void)state;
	put(TIMER, 0x3c, 0x0100);
	give(TIMER);
	begin();
	assigned_housekeeping();
	pass_with(TIMER, ASSERTED);
	assert_int_equal(fake_lines, LINE);
	fake_write_config(GUEST_DEVICE, CAP_MSI + 2, 2, 1);
	assert_int_equal(fake_lines, 0);
	pass_with(TIMER, ASSERTED);
	assert_int_equal(fake_lines, 0);
}

static void the_end_of_its_guest_lets_the_line_go(void **state)
{
	(void)state;
	assert_line();
	assigned_stop(&fake_vm);
	assert_int_equal(fake_lines, 0);
	pass_with(DISK, ASSERTED);
	assert_int_equal(fake_lines, 0);
	assert_null(armed);
	space[0][STATUS] = 0x10;
	guest_pci_reset(&fake_pci);
	assert_int_equal(shown(4) >> 16 & ASSERTED, 0);
	assert_int_equal(assigned_start(&fake_vm), OK);
	assert_line();
}

static void one_that_is_gone_asserts_nothing(void **state)
{
	(void)state;
	assert_line();
	space[0][STATUS + 1] = 0xff;
	pass_with(DISK, 0xff);
	assert_int_equal(fake_lines, 0);
}

/* Devices 5 and 13 have one line. */
static void a_line_is_high_as_long_as_one_of_several_asserts_it(void **state)
{
	static struct vpci_function between[7];

	(void)state;
	memset(between, 0, sizeof(between));
	for (u32 i = 0; i < ARRAY_SIZE(between); i++)
		fake_pci.slots[GUEST_DEVICE + 1 + i].function = &between[i];
	put(TIMER, 0x3c, 0x0400);
	give(DISK);
	give(TIMER);
	begin();
	assert_int_equal(fake_read_config(13, 0x3c, 2), 0x0115); /* the guest's pin is A */
	assert_line();
	pass_with(TIMER, ASSERTED);
	pass_with(DISK, 0);
	assert_int_equal(fake_lines, LINE);
	fake_write_config(GUEST_DEVICE, CAP_MSIX + 2, 2, 0x8000);
	assert_int_equal(fake_lines, LINE);
	pass_with(TIMER, 0);
	assert_int_equal(fake_lines, 0);
}

static void each_device_has_its_own_line(void **state)
{
	(void)state;
	put(TIMER, 0x3c, 0x0100);
	give(DISK);
	give(TIMER);
	begin();
	assert_line();
	pass_with(TIMER, ASSERTED);
	assert_int_equal(fake_lines, LINE | LINE << 1);
	pass_with(DISK, 0);
	assert_int_equal(fake_lines, LINE << 1);
}

static void a_virtual_function_has_no_pin(void **state)
{
	(void)state;
	buses.functions[0].physical = PCI_BDF(0, 2, 0);
	give(DISK);
	begin();
	assert_int_equal(shown(0x3c), 0);
	assigned_housekeeping();
	assert_null(armed);
}

static void one_that_is_pulled_out_lets_its_ports_line_go(void **state)
{
	(void)state;
	fake_vm.state = VM_RUNNING;
	assert_int_equal(assigned_attach(&fake_vm, &fake_pci, DISK), OK);
	assert_int_equal(fake_read_config(SLOT_BUS, 0x3c, 2), 0x0111);
	fake_write_config(SLOT_BUS, REG_COMMAND, 2, 6);
	assigned_housekeeping();
	pass_with(DISK, ASSERTED);
	assert_int_equal(fake_lines, BIT(17));
	assert_int_equal(assigned_detach(&fake_vm, &fake_pci, DISK), OK);
	assert_int_equal(fake_lines, 0);
	pass_with(DISK, ASSERTED);
	assert_int_equal(fake_lines, 0);
	assert_null(armed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DISK(a_function_that_asserts_drives_its_guests_line),
		WITH_DISK(the_end_of_an_interrupt_looks_at_its_line_and_no_other),
		WITH_DISK(it_is_looked_at_once_a_millisecond),
		WITH_DISK(nobody_is_looked_at_who_does_not_use_it),
		WITH_DISK(messages_or_its_switch_let_the_line_go),
		TEST(msi_lets_the_line_go),
		WITH_DISK(the_end_of_its_guest_lets_the_line_go),
		WITH_DISK(one_that_is_gone_asserts_nothing),
		TEST(a_line_is_high_as_long_as_one_of_several_asserts_it),
		TEST(each_device_has_its_own_line),
		TEST(a_virtual_function_has_no_pin),
		TEST(one_that_is_pulled_out_lets_its_ports_line_go),
	};

	return cmocka_run_group_tests_name("assigned_intx", tests, NULL, NULL);
}
