// SPDX-License-Identifier: Apache-2.0
// SOURCES: guest/assigned.c guest/assigned_config.c guest/assigned_bar.c guest/assigned_irq.c
// SOURCES: guest/assigned_intx.c guest/assigned_rom.c guest/pci.c guest/pci_port.c guest/bar.c
// SOURCES: guest/msi.c guest/msix.c guest/power.c core/region.c drivers/iommu_ram.c
// SOURCES: drivers/pci_msi.c core/lib/string.c core/lib/error.c core/lib/fmt.c
/* Functions given to guests: who may have one, in which order it is opened and closed, its faults.
 */
#include "tests/unit/fake_assigned.h"

/* ---- who may have it ---- */

static void refuses(u16 bdf, const char *why)
{
	give(bdf);
	assert_int_not_equal(assigned_create(&fake_vm, &fake_pci), OK);
	if (!strstr(fake_last_line, why))
		fail_msg("\"%s\" does not say \"%s\"", fake_last_line, why);
	assert_null(fake_pci.slots[GUEST_DEVICE].function);
	assert_int_equal(held, 0);
}

static void nothing_is_given_without_an_iommu(void **state)
{
	(void)state;
	assigned_init(&host, &buses, NULL);
	refuses(DISK, "guest alpha: 00:04.0 is not given to it: no IOMMU would confine it");
}

static void nothing_is_given_without_interrupt_remapping_unless_the_file_says_so(void **state)
{
	units.irq_remapping = false;
	refuses(DISK, "`assign-without-ir = yes`");
	(void)prepare(state);
	units.irq_remapping = false;
	host.assign_without_ir = true;
	give(DISK);
	assert_int_equal(assigned_create(&fake_vm, &fake_pci), OK);
}

static void bridges_and_what_is_not_there_are_refused(void **state)
{
	refuses(BRIDGE, "it is a bridge");
	(void)prepare(state);
	refuses(NIL, "00:07.0 is not given to it: there is no such function");
}

static void what_another_has_is_refused(void **state)
{
	(void)state;
	buses.functions[0].owner = "gpu 0";
	refuses(DISK, "gpu 0 has it");
	assert_string_equal(buses.functions[0].owner, "gpu 0");
	(void)prepare(NULL);
	buses.functions[0].owner = "facet";
	buses.functions[0].vfs = 2;
	refuses(DISK, "its virtual functions are on (`sriov` in [host])");
}

static void a_group_is_given_whole(void **state)
{
	conflict = &buses.functions[1];
	refuses(DISK, "its group is not whole without 00:05.0");
	assert_null(buses.functions[0].owner);
	(void)prepare(state);
	conflict = &buses.functions[1];
	give(DISK);
	give(TIMER);
	assert_int_equal(assigned_create(&fake_vm, &fake_pci), OK);
}

static void what_nothing_resets_is_refused_unless_the_file_says_so(void **state)
{
	host.assign_without_reset = false;
	refuses(TIMER, "`assign-without-reset = yes`");
	(void)prepare(state);
	host.assign_without_reset = false;
	give(DISK);
	assert_int_equal(assigned_create(&fake_vm, &fake_pci), OK);
}

static void firmwares_memory_is_a_reason_to_refuse(void **state)
{
	(void)state;
	fake_attach_result = ERR_DENIED;
	refuses(DISK, "RMRR");
	assert_null(buses.functions[0].owner);
}

static void a_table_outside_of_its_bar_is_refused(void **state)
{
	(void)state;
	buses.functions[0].msix_offset = KIB(16) - 64;
	refuses(DISK, "malformed");
}

/* ---- in which order ---- */

static void it_is_reset_before_it_reaches_memory(void **state)
{
	(void)state;
	assert_string_equal(trace, "reset map attach ");
	assert_int_equal(held, CHUNKS);
	assert_int_equal(space[0][4], PCI_COMMAND_MEMORY);
}

static void memory_is_let_go_when_reset_and_unmapping_are_over(void **state)
{
	(void)state;
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 6);
	trace[0] = 0;
	assigned_stop(&fake_vm);
	assert_string_equal(trace, "no-master reset-held detach unmap-held let-go ");
	assert_int_equal(held, 0);
	assert_int_equal(assigned_start(&fake_vm), OK);
	assert_int_equal(held, CHUNKS);
}

static void one_that_does_not_come_back_is_not_used_again(void **state)
{
	(void)state;
	reset_result = ERR_TIMEOUT;
	trace[0] = 0;
	assigned_stop(&fake_vm);
	assert_string_equal(trace, "reset-held detach unmap-held let-go ");
	assert_non_null(strstr(fake_last_line, "00:04.0 did not come back from its reset"));
	reset_result = OK;
	assert_int_equal(assigned_start(&fake_vm), ERR_DEVICE);
	assert_int_equal(held, 0);
	assert_int_equal(space[0][4] & PCI_COMMAND_BUS_MASTER, 0);
}

static void what_nothing_resets_gets_time_to_run_dry(void **state)
{
	u64 before = now_ns();

	(void)state;
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 6);
	trace[0] = 0;
	assigned_stop(&fake_vm);
	assert_string_equal(trace, "no-master detach unmap-held let-go ");
	assert_true(now_ns() - before >= 2 * PCI_RESET_DRAIN_NS);
}

static void a_display_that_nothing_resets_is_made_black(void **state)
{
	(void)state;
	buses.functions[1].class_code = 0x038000;
	buses.functions[1].bars[3] = (struct pci_bar){ PCI_BAR_MEM32, true, VIDEO_AT, MIB(1) };
	memset(registers[1], 0x77, sizeof(registers[1]));
	memset(video, 0x77, sizeof(video));
	give(TIMER);
	begin();
	assert_int_equal(video[0], 0);
	assert_int_equal(video[MIB(1) - 1], 0);
	assert_int_equal(registers[1][KIB(8)], 0x77); /* registers are no picture */
	video[MIB(1) - 1] = 0x55;
	assigned_stop(&fake_vm);
	assert_int_equal(video[MIB(1) - 1], 0);
}

static void memory_stays_taken_while_the_iommu_may_remember_it(void **state)
{
	(void)state;
	unmap_result = ERR_TIMEOUT;
	assigned_stop(&fake_vm);
	assert_int_equal(held, CHUNKS);
	assert_non_null(strstr(fake_last_line, "its memory stays taken"));
	assert_int_equal(assigned_start(&fake_vm), ERR_BUSY);
	unmap_result = OK;
	detach_result = ERR_TIMEOUT;
	assigned_stop(&fake_vm);
	assert_int_equal(held, 0); /* a second try, and it is out of the domain already */
}

static void memory_stays_taken_while_a_function_is_in_the_domain(void **state)
{
	(void)state;
	detach_result = ERR_TIMEOUT;
	trace[0] = 0;
	assigned_stop(&fake_vm);
	assert_string_equal(trace, "reset-held detach ");
	assert_int_equal(held, CHUNKS);
	assert_int_equal(assigned_start(&fake_vm), ERR_BUSY);
}

static void the_guest_switches_bus_mastering(void **state)
{
	(void)state;
	trace[0] = 0;
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 6);
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 6);
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 2);
	assert_string_equal(trace, "master no-master ");
	assigned_stop(&fake_vm);
	trace[0] = 0;
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 6);
	assert_string_equal(trace, "");
}

/* ---- faults ---- */

static const struct iommu_fault fault = {
	.bdf = DISK, .write = true, .reason = "no right to write", .iova = { 0x80000000 }
};

static void a_blocked_access_is_its_guests(void **state)
{
	(void)state;
	assigned_fault(&fault);
	assert_string_equal(fake_last_line,
			    "guest alpha: its device 00:04.0 was kept from writing 0x80000000: no "
			    "right to write");
	assert_int_equal(fake_end, VM_END_NONE);
	fake_log_lines = 0;
	for (u32 i = 0; i < 100; i++)
		assigned_fault(&fault);
	assert_true(fake_log_lines <= 4);
}

static void one_of_nobodys_is_told_too_and_does_not_use_up_the_guests_lines(void **state)
{
	struct iommu_fault other = fault;

	(void)state;
	other.bdf = TIMER;
	guest_config.on_dma_fault = CONFIG_DMA_FAULT_STOP;
	fake_log_lines = 0;
	for (u32 i = 0; i < 100; i++)
		assigned_fault(&other);
	assert_int_equal(fake_end, VM_END_NONE);
	assert_string_equal(fake_last_line,
			    "IOMMU: device 00:05.0 was kept from writing 0x80000000: no right to "
			    "write");
	assert_int_equal(fake_log_lines, 4);
	assigned_fault(&fault);
	assert_int_equal(fake_log_lines, 5);
	assert_int_equal(fake_end, VM_END_CRASH);
}

static void the_file_says_that_it_ends_the_guest(void **state)
{
	(void)state;
	guest_config.on_dma_fault = CONFIG_DMA_FAULT_STOP;
	assigned_fault(&fault);
	assert_int_equal(fake_end, VM_END_CRASH);
	assert_string_equal(fake_end_reason, "its device 00:04.0 was kept from writing 0x80000000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_given_without_an_iommu),
		TEST(nothing_is_given_without_interrupt_remapping_unless_the_file_says_so),
		TEST(bridges_and_what_is_not_there_are_refused),
		TEST(what_another_has_is_refused),
		TEST(a_group_is_given_whole),
		TEST(what_nothing_resets_is_refused_unless_the_file_says_so),
		TEST(firmwares_memory_is_a_reason_to_refuse),
		TEST(a_table_outside_of_its_bar_is_refused),
		WITH_DISK(it_is_reset_before_it_reaches_memory),
		WITH_DISK(memory_is_let_go_when_reset_and_unmapping_are_over),
		WITH_DISK(one_that_does_not_come_back_is_not_used_again),
		WITH_TIMER(what_nothing_resets_gets_time_to_run_dry),
		TEST(a_display_that_nothing_resets_is_made_black),
		WITH_DISK(memory_stays_taken_while_the_iommu_may_remember_it),
		WITH_DISK(memory_stays_taken_while_a_function_is_in_the_domain),
		WITH_DISK(the_guest_switches_bus_mastering),
		WITH_DISK(a_blocked_access_is_its_guests),
		WITH_DISK(one_of_nobodys_is_told_too_and_does_not_use_up_the_guests_lines),
		WITH_DISK(the_file_says_that_it_ends_the_guest),
	};

	return cmocka_run_group_tests_name("assigned", tests, NULL, NULL);
}
