/* SPDX-License-Identifier: Apache-2.0 */
/* AMD-Vi: the event log, and the message that tells of it. */
// SOURCES: drivers/iommu.c drivers/vtd.c drivers/amdvi.c drivers/pci.c core/ptab.c
// SOURCES: core/ptab_formats.c drivers/iommu_faults.c drivers/pci_msi.c
#include "tests/unit/model_amdvi.h"

/* ---- the log ----------------------------------------------------------------------- */

static void every_event_has_a_reason(void **state)
{
	(void)state;
	for (u64 code = 1; code < 16; code++) {
		struct iommu_fault fault;

		log_event(&units[0], code << 60 | BIT(53) | NIC, MIB(3) + 0x123);
		fault = taken_fault();
		assert_int_equal(fault.code, code);
		assert_int_equal(fault.bdf, NIC);
		assert_int_equal(fault.iova.raw, MIB(3));
		assert_true(fault.write);
		assert_false(fault.interrupt);
		assert_int_equal(strcmp(fault.reason, "reason unknown to this driver") == 0,
				 code == 15);
	}
	/* The tail says that there is one, but its words never come. */
	set(&units[0], 0x2018, get(&units[0], 0x2018) + 16);
	assert_string_equal(taken_fault().reason, "reason unknown to this driver");
}

static void a_full_log_goes_on(void **state)
{
	struct iommu_fault fault;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 300; i++)
			dma(&units[0], GPU, i * 4096, true);
		for (unsigned i = 0; i < 255; i++) {
			fault = taken_fault();
			assert_int_equal(fault.iova.raw, i * 4096);
		}
		assert_false(iommu_poll_fault(&iommu, &fault));
	}
}

/* ---- the message ------------------------------------------------------------------- */

static void to_listen_changes_one_bit(void **state)
{
	(void)state;
	fake_start_listening(&iommu);
	assert_int_equal(state_of(&units[0]), CONTROL_ON | BIT(3));
}

static void twenty_events_take_three_looks(void **state)
{
	(void)state;
	fake_start_listening(&iommu);
	fake_now_ns += IOMMU_LOOK_NS;
	for (unsigned i = 0; i < 20; i++)
		dma(&units[0], GPU, 0, true);
	assert_true(fake_take_interrupts());
	for (unsigned round = 0; round < 2; round++) {
		assert_int_equal(fake_look(&iommu, 0), 8);
		assert_false(listens(&units[0]));
		assert_false(fake_take_interrupts());
		assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS - 1), 0);
		fake_now_ns++;
	}
	assert_int_equal(fake_look(&iommu, 0), 4);
	assert_true(listens(&units[0]));
}

static void fault_of_nic(void)
{
	units[0].on_last = NULL;
	dma(&units[0], NIC, 0x7000, true);
}

/* It sets EventLogInt while EventIntEn is not there to send a message of it. */
static void an_event_after_the_last_and_before_the_unit_listens_is_not_lost(void **state)
{
	(void)state;
	fake_start_listening(&iommu);
	fake_now_ns += IOMMU_LOOK_NS;
	dma(&units[0], GPU, 0, true);
	assert_true(fake_take_interrupts());
	units[0].on_last = fault_of_nic;
	assert_int_equal(fake_look(&iommu, 0), 1);
	assert_false(fake_take_interrupts());
	assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 1);
	assert_int_equal(fake_told[0].bdf, NIC);
	dma(&units[0], GPU, 0, true);
	assert_true(fake_take_interrupts());
}

static void an_interrupt_bit_that_does_not_go_is_cleared_again(void **state)
{
	(void)state;
	units[0].sets_it_again = true;
	fake_start_listening(&iommu);
	assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 0);
	assert_int_equal(get(&units[0], 0x2020) & BIT(1), 0);
	dma(&units[0], GPU, 0, true);
	assert_true(fake_take_interrupts());
}

static void a_full_log_goes_on_and_is_listened_to(void **state)
{
	unsigned told = 0;

	(void)state;
	fake_start_listening(&iommu);
	for (unsigned i = 0; i < 300; i++)
		dma(&units[0], GPU, 0, true);
	assert_true(fake_take_interrupts());
	for (unsigned i = 0; i < 255 / 8 + 1; i++)
		told += fake_look(&iommu, IOMMU_LOOK_NS);
	assert_int_equal(told, 255);
	assert_true(listens(&units[0]));
	dma(&units[0], GPU, 0, true);
	assert_true(fake_take_interrupts());
}

/* No function, one that is something else, or one without MSI. */
static void where_a_unit_cannot_interrupt_looks_follow_each_other(void **state)
{
	for (unsigned lacks = 0; lacks < 3; lacks++) {
		prepare(state);
		acpi.unit_count = 2;
		acpi.units[1] = (struct acpi_iommu_unit){ .base = HPA(REGS_BASE + 0x4000),
							  .bdf = UNIT + 1,
							  .first_scope = 2 };
		pci.functions[1].bdf += lacks == 0;
		pci.functions[1].class_code <<= lacks == 1;
		pci.functions[1].msi = lacks == 2 ? 0 : MSI_AT;
		assert_int_equal(start_iommu(), OK);
		iommu_tell_faults(&iommu);
		assert_true(iommu.polled);
		assert_int_equal(config_of(&units[1], MSI_AT + 2, 2), 0x80);
		fake_messages = 0;
		for (unsigned i = 0; i < 3; i++) {
			dma(&units[0], GPU, 0, true);
			dma(&units[1], GPU, 0, true);
			assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 2);
			assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS / 2), 0);
			assert_false(listens(&units[0]) || listens(&units[1]));
		}
		assert_int_equal(fake_messages, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_event_has_a_reason),
		TEST(a_full_log_goes_on),
		TEST(to_listen_changes_one_bit),
		TEST(twenty_events_take_three_looks),
		TEST(an_event_after_the_last_and_before_the_unit_listens_is_not_lost),
		TEST(an_interrupt_bit_that_does_not_go_is_cleared_again),
		TEST(a_full_log_goes_on_and_is_listened_to),
		TEST_PREPARED(where_a_unit_cannot_interrupt_looks_follow_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
