/* SPDX-License-Identifier: Apache-2.0 */
/* VT-d: fault records, and the message that tells of them. */
// SOURCES: drivers/iommu.c drivers/vtd.c drivers/amdvi.c drivers/pci.c core/ptab.c
// SOURCES: core/ptab_formats.c drivers/iommu_faults.c drivers/pci_msi.c
#include "tests/unit/model_vtd.h"

/* ---- records ----------------------------------------------------------------------- */

static void records_are_taken_in_turn(void **state)
{
	struct iommu_fault unused;

	prepare(state);
	set(&units[0], 0x08, CAP_QEMU | BIT(40), 8); /* two of them */
	assert_int_equal(start_iommu(), OK);
	for (unsigned round = 0; round < 3; round++) {
		set(&units[0], 0x228, BIT(63) | GPU, 8);
		set(&units[0], 0x238, BIT(63) | NIC, 8);
		assert_int_equal(taken_fault().bdf, GPU);
		assert_int_equal(taken_fault().bdf, NIC);
		assert_false(iommu_poll_fault(&iommu, &unused));
	}
}

static void faults_are_recorded_again_after_some_were_lost(void **state)
{
	(void)state;
	dma(&units[0], GPU, 0, true);
	dma(&units[0], NIC, 0, true);
	assert_int_equal(taken_fault().bdf, GPU);
	dma(&units[0], NIC, 0, true);
	assert_int_equal(taken_fault().bdf, NIC);
}

/* ---- the message ------------------------------------------------------------------- */

static void nothing_is_sent_before_there_is_a_message(void **state)
{
	prepare(state);
	set(&units[0], 0x38, 0, 4); /* as firmware may have left it */
	assert_int_equal(start_iommu(), OK);
	assert_int_equal(fectl(&units[0]), IM);
	iommu_tell_faults(&iommu);
	assert_int_equal(fectl(&units[0]), IM);
	assert_false(iommu.polled);
	assert_int_equal(get(&units[0], 0x3c, 4), FAKE_VECTOR);
	assert_int_equal(get(&units[0], 0x40, 4), 0xfee00000);
	assert_int_equal(get(&units[0], 0x44, 4), 0);
	assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 0);
	assert_int_equal(fectl(&units[0]), 0);
}

static void the_message_names_a_far_processor_where_the_unit_can(void **state)
{
	prepare(state);
	fake_apic_id = 0x12345;
	assert_int_equal(start_iommu(), OK);
	iommu_tell_faults(&iommu);
	assert_true(iommu.polled);
	fake_look(&iommu, IOMMU_LOOK_NS);
	assert_int_equal(fectl(&units[0]), IM);
	prepare(state);
	set(&units[0], 0x10, ECAP_QEMU | ECAP_EIM, 8);
	x2apic = true;
	assert_int_equal(start_iommu(), OK);
	iommu_tell_faults(&iommu);
	x2apic = false;
	fake_apic_id = 0;
	assert_false(iommu.polled);
	assert_int_equal(get(&units[0], 0x40, 4), 0xfee45000);
	assert_int_equal(get(&units[0], 0x44, 4), 0x12300);
}

static void fault_of_nic(void)
{
	units[0].on_unmask = NULL;
	dma(&units[0], NIC, 0x7000, true);
}

/* Whether the unit then says so or not: messages that were held back may be dropped. */
static void a_fault_just_before_the_unit_listens_is_not_lost(void **state)
{
	for (unsigned told = 0; told < 2; told++) {
		start(state);
		fake_start_listening(&iommu);
		fake_now_ns += IOMMU_LOOK_NS;
		dma(&units[0], GPU, 0, true);
		assert_true(fake_take_interrupts());
		units[0].on_unmask = fault_of_nic;
		assert_int_equal(fake_look(&iommu, 0), 1);
		assert_int_equal(fake_told[0].bdf, GPU);
		assert_int_equal(fake_messages, 1);
		if (told)
			fake_take_interrupts();
		fake_messages = 0;
		assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 1);
		assert_int_equal(fake_told[0].bdf, NIC);
		dma(&units[0], GPU, 0, true);
		assert_true(fake_take_interrupts());
	}
}

/* Nothing is sent while another state stands: the queue's, or that records overflow. */
static void what_stands_in_the_way_of_messages_is_cleared(void **state)
{
	const u32 states[] = { (u32)BIT(0), (u32)BIT(4), (u32)BIT(5), (u32)BIT(6) };

	for (unsigned i = 0; i < ARRAY_SIZE(states); i++) {
		start(state);
		set(&units[0], 0x34, states[i], 4);
		fake_messages = 0;
		iommu_tell_faults(&iommu);
		assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 0);
		assert_int_equal(get(&units[0], 0x34, 4), 0);
		dma(&units[0], GPU, 0, true);
		assert_true(fake_take_interrupts());
		assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 1);
	}
}

static void every_unit_is_masked_and_listens_again(void **state)
{
	prepare(state);
	add_unit_for(ACPI_SCOPE_ENDPOINT, PCI_DEVICE(GPU));
	assert_int_equal(start_iommu(), OK);
	fake_start_listening(&iommu);
	fake_now_ns += IOMMU_LOOK_NS;
	dma(&units[1], GPU, 0, true);
	assert_true(fake_take_interrupts());
	dma(&units[0], NIC, 0, true);
	assert_false(fake_take_interrupts());
	assert_int_equal(fake_look(&iommu, 0), 2);
	assert_int_equal(fectl(&units[0]) | fectl(&units[1]), 0);
	dma(&units[0], NIC, 0, true);
	assert_true(fake_take_interrupts());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_PREPARED(records_are_taken_in_turn),
		TEST(faults_are_recorded_again_after_some_were_lost),
		TEST_PREPARED(nothing_is_sent_before_there_is_a_message),
		TEST_PREPARED(the_message_names_a_far_processor_where_the_unit_can),
		cmocka_unit_test(a_fault_just_before_the_unit_listens_is_not_lost),
		cmocka_unit_test(what_stands_in_the_way_of_messages_is_cleared),
		TEST_PREPARED(every_unit_is_masked_and_listens_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
