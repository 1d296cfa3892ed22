// SPDX-License-Identifier: Apache-2.0
// SOURCES: guest/assigned.c guest/assigned_config.c guest/assigned_bar.c guest/assigned_irq.c
// SOURCES: guest/assigned_intx.c guest/assigned_rom.c guest/pci.c guest/pci_port.c guest/bar.c
// SOURCES: guest/msi.c guest/msix.c guest/power.c core/region.c drivers/iommu_ram.c
// SOURCES: drivers/pci_msi.c core/lib/string.c core/lib/error.c core/lib/fmt.c
/* Messages of functions given to guests: the IOMMU's to the host, the guest's own to the guest. */
#include "tests/unit/fake_assigned.h"

static u32 entry(u32 vector, u32 word)
{
	u32 value;

	memcpy(&value, registers[0] + TABLE + vector * 16 + word * 4, 4);
	return value;
}

static void the_function_gets_messages_of_the_iommus(void **state)
{
	(void)state;
	start_msix();
	assert_int_equal(space[0][CAP_MSIX + 3] & 0xc0, 0x80);
	for (u32 i = 0; i < VECTORS; i++) {
		assert_int_equal(entry(i, 3), i < ASSIGNED_IRQS ? 0 : 1);
		if (i < ASSIGNED_IRQS)
			assert_int_equal(entry(i, 0), REMAPPED(i));
	}
	fake_write_config(GUEST_DEVICE, CAP_MSIX + 2, 2, 0);
	assert_int_equal(space[0][CAP_MSIX + 3] & 0x80, 0);
}

static void interrupts_go_where_the_guest_switched_them_on(void **state)
{
	(void)state;
	assert_int_equal(messages, ASSIGNED_IRQS);
	fake_become(2);
	start_msix();
	assert_int_equal(entry(3, 0), REMAPPED(3) + 2 * 256);
	assert_int_equal(messages, ASSIGNED_IRQS); /* the old ones are taken back */
	fake_become(1);
	fake_write_config(GUEST_DEVICE, CAP_MSIX + 2, 2, 0xc000);
	assert_int_equal(entry(3, 0), REMAPPED(3) + 2 * 256); /* not while they are on */
}

static void its_interrupt_becomes_the_guests(void **state)
{
	(void)state;
	start_msix();
	handlers[3](handler_ctx[3]);
	assert_int_equal(fake_msi_count, 1);
	assert_int_equal(fake_msi_data, 0x61);
	set_entry(3, 0xfee00000, 0x61, 1);
	handlers[3](handler_ctx[3]);
	assert_int_equal(fake_msi_count, 1);
	assert_int_equal(access_at(bar(0) + PBA, 4, false, 0), BIT(3));
	set_entry(3, 0xfee00000, 0x62, 0);
	assert_int_equal(fake_msi_data, 0x62);
	assigned_stop(&fake_vm);
	handlers[3](handler_ctx[3]);
	assert_int_equal(fake_msi_count, 2);
	assert_int_equal(space[0][CAP_MSIX + 3] & 0x80, 0);
}

static void msi_is_one_message_and_the_address_the_iommus(void **state)
{
	u32 physical;

	(void)state;
	assert_int_equal(shown(CAP_MSI), 0x00800005); /* neither masks nor more messages */
	fake_write_config(GUEST_DEVICE, CAP_MSI + 4, 4, 0xfee01000);
	fake_write_config(GUEST_DEVICE, CAP_MSI + 12, 2, 0x4055);
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 6);
	handlers[0](handler_ctx[0]);
	assert_int_equal(fake_msi_count, 0);
	fake_write_config(GUEST_DEVICE, CAP_MSI + 2, 2, 0x71);
	memcpy(&physical, &space[1][CAP_MSI + 4], 4);
	assert_int_equal(physical, REMAPPED(0));
	assert_int_equal(space[1][CAP_MSI + 2] & 0x71, 1);
	handlers[0](handler_ctx[0]);
	assert_int_equal(fake_msi_count, 1);
	assert_int_equal(fake_msi_address, 0xfee01000);
	assert_int_equal(fake_msi_data, 0x4055);
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 2);
	handlers[0](handler_ctx[0]);
	assert_int_equal(fake_msi_count, 1); /* no bus master, no message */
}

static void too_many_interrupts_are_held_back(void **state)
{
	(void)state;
	start_msix();
	for (u32 i = 0; i < 1000; i++)
		handlers[3](handler_ctx[3]);
	assert_int_equal(entry(3, 3), 0);
	handlers[3](handler_ctx[3]);
	assert_int_equal(entry(3, 3), 1);
	assigned_housekeeping();
	assert_int_equal(entry(3, 3), 1); /* the window is not over */
	fake_later_ns = 10000001;
	assigned_housekeeping();
	assert_int_equal(entry(3, 3), 0);
	assert_int_equal(entry(3, 0), REMAPPED(3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DISK(the_function_gets_messages_of_the_iommus),
		WITH_DISK(interrupts_go_where_the_guest_switched_them_on),
		WITH_DISK(its_interrupt_becomes_the_guests),
		WITH_TIMER(msi_is_one_message_and_the_address_the_iommus),
		WITH_DISK(too_many_interrupts_are_held_back),
	};

	return cmocka_run_group_tests_name("assigned_irq", tests, NULL, NULL);
}
