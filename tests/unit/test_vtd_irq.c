/* SPDX-License-Identifier: Apache-2.0 */
/* VT-d: the interrupt table, which all functions share. */
// SOURCES: drivers/iommu.c drivers/vtd.c drivers/amdvi.c drivers/pci.c core/ptab.c
// SOURCES: core/ptab_formats.c drivers/iommu_faults.c drivers/pci_msi.c
#include "tests/unit/model_vtd.h"

static void interrupt_entries_run_out(void **state)
{
	struct iommu_irq irq = { .source = GPU, .apic_id = 3, .vector = 0x51 };
	struct iommu_irq far = { .source = GPU, .apic_id = 256, .vector = 0x51 };
	u64 address;
	u32 data;

	(void)state;
	assert_int_equal(iommu_irq_set(&iommu, &far, &address, &data), ERR_RANGE);
	for (unsigned i = 0; i < IOMMU_IRQ_ENTRIES; i++) {
		assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), OK);
		assert_int_equal(message_index(address, data), i);
	}
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), ERR_FULL);
}

/* Local APICs in x2APIC mode: 32 bits where the unit has that many. */
static void extended_ids_are_whole_where_the_unit_has_them(void **state)
{
	struct iommu_irq far = { .source = GPU, .apic_id = 0x12345, .vector = 0x51 };
	struct iommu_irq near = { .source = GPU, .apic_id = 3, .vector = 0x51 };
	u64 address;
	u32 data;

	prepare(state);
	set(&units[0], 0x10, ECAP_QEMU | ECAP_EIM, 8);
	x2apic = true;
	assert_int_equal(start_iommu(), OK);
	assert_true(units[0].irq_table & IRTA_EIME);
	assert_int_equal(iommu_irq_set(&iommu, &far, &address, &data), OK);
	assert_int_equal(interrupt(&units[0], GPU, address, data), 0x1234551);
	prepare(state);
	assert_int_equal(start_iommu(), OK);
	assert_false(units[0].irq_table & IRTA_EIME);
	assert_int_equal(iommu_irq_set(&iommu, &far, &address, &data), ERR_RANGE);
	assert_int_equal(iommu_irq_set(&iommu, &near, &address, &data), OK);
	assert_int_equal(interrupt(&units[0], GPU, address, data), 0x351);
	x2apic = false;
	prepare(state);
	set(&units[0], 0x10, ECAP_QEMU | ECAP_EIM, 8);
	assert_int_equal(start_iommu(), OK);
	assert_false(units[0].irq_table & IRTA_EIME);
	assert_int_equal(iommu_irq_set(&iommu, &far, &address, &data), ERR_RANGE);
}

static void an_interrupt_entry_that_may_be_remembered_is_not_used_again(void **state)
{
	struct iommu_irq irq = { .source = GPU, .apic_id = 3, .vector = 0x51 };
	u64 address, again;
	u32 data;

	(void)state;
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), OK);
	units[0].refuses = true;
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address, data), ERR_DEVICE);
	units[0].refuses = false;
	assert_int_equal(iommu_irq_set(&iommu, &irq, &again, &data), OK);
	assert_int_not_equal(again, address);
}

static void an_entry_that_was_given_back_serves_another_function(void **state)
{
	struct iommu_irq irq = { .source = GPU, .apic_id = 3, .vector = 0x51 };
	struct iommu_irq next = { .source = NIC, .apic_id = 1, .vector = 0x60 };
	u64 address, again;
	u32 data;

	(void)state;
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), OK);
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address, data), OK);
	assert_int_equal(iommu_irq_set(&iommu, &next, &again, &data), OK);
	assert_int_equal(again, address);
	assert_int_equal(interrupt(&units[0], NIC, address, data), 0x160);
	assert_int_equal(interrupt(&units[0], GPU, address, data), BLOCKED);
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address, data), ERR_NOT_FOUND);
}

static void without_remapping_messages_are_the_processors(void **state)
{
	struct iommu_irq irq = { .source = GPU, .apic_id = 3, .vector = 0x51 };
	u64 address;
	u32 data;

	prepare(state);
	set(&units[0], 0x10, ECAP_QEMU & ~BIT(3), 8);
	assert_int_equal(start_iommu(), OK);
	assert_false(iommu.irq_remapping);
	assert_false(state_of(&units[0]) & BIT(25));
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), OK);
	assert_int_equal(address, 0xfee03000);
	assert_int_equal(data, 0x51);
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address, data), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(interrupt_entries_run_out),
		cmocka_unit_test(extended_ids_are_whole_where_the_unit_has_them),
		TEST(an_interrupt_entry_that_may_be_remembered_is_not_used_again),
		TEST(an_entry_that_was_given_back_serves_another_function),
		TEST_PREPARED(without_remapping_messages_are_the_processors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
