// SPDX-License-Identifier: Apache-2.0
// SOURCES: guest/assigned.c guest/assigned_config.c guest/assigned_bar.c guest/assigned_irq.c
// SOURCES: guest/assigned_intx.c guest/assigned_rom.c guest/pci.c guest/pci_port.c guest/bar.c
// SOURCES: guest/msi.c guest/msix.c guest/power.c core/region.c drivers/iommu_ram.c
// SOURCES: drivers/pci_msi.c core/lib/string.c core/lib/error.c core/lib/fmt.c
/* Functions that come to a running guest and leave it: its slot. */
#include "tests/unit/fake_assigned.h"

#define SLOT_EVENTS 0x108
#define PORT	    1

static u32 slot_status(void)
{
	return fake_read_config(PORT, 0x5a, 2);
}

/* As a driver of root ports does: hot-plug interrupts by message 0x51. */
static void watch_slot(void)
{
	fake_write_config(PORT, REG_COMMAND, 2, 4);
	fake_write_config(PORT, 0x84, 4, 0xfee00000);
	fake_write_config(PORT, 0x8c, 2, 0x51);
	fake_write_config(PORT, 0x82, 2, 1);
	fake_write_config(PORT, 0x58, 2, 0x1028);
}

static void a_function_is_plugged_in_and_pulled_out(void **state)
{
	(void)state;
	watch_slot();
	fake_vm.state = VM_RUNNING;
	assert_int_equal(fake_read_config(SLOT_BUS, 0, 4), ~0u);
	assert_int_equal(assigned_attach(&fake_vm, &fake_pci, DISK), OK);
	/* Tried in the empty domain; then as at a start. */
	assert_string_equal(trace, "attach detach reset map attach ");
	assert_int_equal(slot_status(), SLOT_EVENTS | 0x40);
	assert_int_equal(fake_read_config(PORT, 0x52, 2) & 0x2000, 0x2000); /* the link is up */
	assert_int_equal(fake_msi_count, 1);
	assert_int_equal(fake_msi_data, 0x51);
	assert_int_equal(fake_read_config(SLOT_BUS, 0, 4), 0x10421af4);
	assert_int_equal(fake_read_config(SLOT_BUS, REG_COMMAND, 2), 0);
	assert_int_equal(fake_direct_count, 0);
	assert_int_equal(fake_read_config(SLOT_BUS, CAP_PCIE + 2, 2), 2); /* an endpoint */
	fake_write_config(SLOT_BUS, REG_COMMAND, 2, 6);
	assert_int_equal(fake_direct_count, 1);
	fake_write_config(PORT, 0x5a, 2, SLOT_EVENTS);
	assert_int_equal(slot_status(), 0x40);

	trace[0] = 0;
	assert_int_equal(assigned_detach(&fake_vm, &fake_pci, DISK), OK);
	assert_string_equal(trace, "no-master reset-held detach unmap-held let-go ");
	assert_int_equal(slot_status(), SLOT_EVENTS);
	assert_int_equal(fake_msi_count, 2);
	assert_int_equal(fake_read_config(SLOT_BUS, 0, 4), ~0u);
	assert_int_equal(fake_direct_count, 0);
	assert_null(buses.functions[0].owner);
	assert_int_equal(assigned_detach(&fake_vm, &fake_pci, DISK), ERR_NOT_FOUND);
}

static void coming_and_going_takes_nothing_with_it(void **state)
{
	(void)state;
	fake_vm.state = VM_RUNNING;
	for (u32 i = 0; i < 1000; i++) {
		assert_int_equal(assigned_attach(&fake_vm, &fake_pci, DISK), OK);
		trace[0] = 0;
		assert_int_equal(assigned_detach(&fake_vm, &fake_pci, DISK), OK);
		trace[0] = 0;
	}
	assert_int_equal(frames_taken, 1);
	assert_int_equal(vectors, ASSIGNED_IRQS);
	assert_int_equal(held, 0);
}

static void a_slot_does_not_interrupt_twice_for_one_reason(void **state)
{
	(void)state;
	watch_slot();
	fake_vm.state = VM_RUNNING;
	assert_int_equal(assigned_attach(&fake_vm, &fake_pci, DISK), OK);
	assert_int_equal(assigned_detach(&fake_vm, &fake_pci, DISK), OK);
	fake_write_config(PORT, 0x58, 2, 0x1028);
	assert_int_equal(slot_status(), SLOT_EVENTS);
	assert_int_equal(fake_msi_count, 1); /* the guest has not cleared the first */
	fake_write_config(PORT, 0x5a, 1, 8);
	fake_write_config(PORT, 0x5b, 1, 1);
	assert_int_equal(slot_status(), 0);
	assert_int_equal(assigned_attach(&fake_vm, &fake_pci, DISK), OK);
	assert_int_equal(fake_msi_count, 2);
}

static void memory_is_held_for_those_that_stay(void **state)
{
	(void)state;
	fake_vm.state = VM_RUNNING;
	assert_int_equal(assigned_attach(&fake_vm, &fake_pci, DISK), OK);
	assert_int_equal(assigned_attach(&fake_vm, &fake_pci, TIMER), OK);
	fake_log_lines = 0;
	assert_int_equal(assigned_detach(&fake_vm, &fake_pci, DISK), OK);
	assert_int_equal(fake_log_lines, 1); /* and no complaint */
	assert_string_equal(fake_last_line, "guest alpha: 00:04.0 is pulled out");
	assert_int_equal(held, CHUNKS);
	assert_int_equal(assigned_detach(&fake_vm, &fake_pci, TIMER), OK);
	assert_int_equal(held, 0);
}

static void one_that_is_lost_while_pulled_out_is_nobodys(void **state)
{
	(void)state;
	fake_vm.state = VM_RUNNING;
	assert_int_equal(assigned_attach(&fake_vm, &fake_pci, DISK), OK);
	reset_result = ERR_TIMEOUT;
	assert_int_equal(assigned_detach(&fake_vm, &fake_pci, DISK), OK);
	assert_int_equal(held, 0);
	reset_result = OK;
	assert_int_equal(assigned_attach(&fake_vm, &fake_pci, DISK), ERR_DENIED);
	assert_non_null(strstr(fake_last_line, "lost has it"));
}

static void what_was_plugged_in_is_there_after_a_restart(void **state)
{
	(void)state;
	assert_int_equal(assigned_attach(&fake_vm, &fake_pci, DISK), OK); /* stopped */
	assert_int_equal(held, 0);
	guest_pci_reset(&fake_pci);
	assert_int_equal(assigned_start(&fake_vm), OK);
	assert_int_equal(held, CHUNKS);
	assert_int_equal(slot_status(), 0x40);
	assert_int_equal(fake_read_config(SLOT_BUS, REG_COMMAND, 2), 2);
	assert_int_equal(fake_direct_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_function_is_plugged_in_and_pulled_out),
		TEST(coming_and_going_takes_nothing_with_it),
		TEST(a_slot_does_not_interrupt_twice_for_one_reason),
		TEST(memory_is_held_for_those_that_stay),
		TEST(one_that_is_lost_while_pulled_out_is_nobodys),
		TEST(what_was_plugged_in_is_there_after_a_restart),
	};

	return cmocka_run_group_tests_name("assigned_plug", tests, NULL, NULL);
}
