/* SPDX-License-Identifier: Apache-2.0 */
/* AMD-Vi: interrupt tables, one for each function. */
// SOURCES: drivers/iommu.c drivers/vtd.c drivers/amdvi.c drivers/pci.c core/ptab.c
// SOURCES: core/ptab_formats.c drivers/iommu_faults.c drivers/pci_msi.c
#include "tests/unit/model_amdvi.h"

static void each_function_has_interrupt_entries_of_its_own(void **state)
{
	struct iommu_irq irq = { .source = GPU, .apic_id = 3, .vector = 0x51 };
	struct iommu_irq nic = { .source = NIC, .apic_id = 1, .vector = 0x60 };
	u64 address;
	u32 data;

	(void)state;
	for (unsigned i = 0; i < IOMMU_IRQ_ENTRIES; i++) {
		assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), OK);
		assert_int_equal(data, i);
	}
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), ERR_FULL);
	assert_int_equal(iommu_irq_set(&iommu, &nic, &address, &data), OK);
	assert_int_equal(data, 0);
	assert_int_equal(interrupt(&units[0], NIC, address, 0), 0x160);
	assert_int_equal(interrupt(&units[0], GPU, address, 255), 0x351);
}

static void an_interrupt_entry_that_may_be_remembered_is_not_used_again(void **state)
{
	struct iommu_irq irq = { .source = GPU, .apic_id = 3, .vector = 0x51 };
	u64 address;
	u32 data;

	(void)state;
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), OK);
	units[0].refuses = true;
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address, data), ERR_DEVICE);
	forget_irqs(&units[0], GPU);
	assert_int_equal(interrupt(&units[0], GPU, address, data), BLOCKED);
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), ERR_DEVICE);
	assert_int_equal(data, 1);
	assert_int_equal(interrupt(&units[0], GPU, address, data), BLOCKED);
}

static void the_last_entry_takes_the_functions_table_with_it(void **state)
{
	struct iommu_irq irq = { .source = GPU, .apic_id = 3, .vector = 0x51 };
	int before = frames_in_use;
	u64 address, address2;
	u32 data, data2;

	(void)state;
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), OK);
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address2, &data2), OK);
	assert_int_equal(data, 0);
	assert_int_equal(frames_in_use, before + 1);
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address, data), OK);
	assert_int_equal(interrupt(&units[0], GPU, address2, data2), 0x351);
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address2, data2), OK);
	assert_int_equal(frames_in_use, before);
	assert_int_equal(interrupt(&units[0], GPU, address2, data2), BLOCKED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_function_has_interrupt_entries_of_its_own),
		TEST(an_interrupt_entry_that_may_be_remembered_is_not_used_again),
		TEST(the_last_entry_takes_the_functions_table_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
