/* SPDX-License-Identifier: Apache-2.0 */
/* AMD-Vi: the rules of all IOMMUs, then its own for the device table and for starting. */
// SOURCES: drivers/iommu.c drivers/vtd.c drivers/amdvi.c drivers/pci.c core/ptab.c
// SOURCES: core/ptab_formats.c drivers/iommu_faults.c drivers/pci_msi.c
#include "tests/unit/model_amdvi.h"
#include "tests/unit/rules_iommu.h"

/* ---- domains ----------------------------------------------------------------------- */

static void a_flush_takes_the_smallest_block_that_covers_the_range(void **state)
{
	(void)state;
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), MIB(2), 3), OK);
	for (u64 page = 0; page < 8; page++)
		dma(&units[0], GPU, page * 4096, true);
	assert_int_equal(iommu_unmap(&domain, IOVA(KIB(8)), KIB(8)), OK);
	for (u64 page = 0; page < 8; page++)
		assert_int_equal(cached(units[0].cache.pages, domain.id, page * 4096)->valid,
				 page < 2 || page > 3);
}

static void an_attachment_that_fails_leaves_the_function_denied(void **state)
{
	(void)state;
	units[0].refuses = true;
	assert_int_equal(iommu_attach(&other, NIC), ERR_DEVICE);
	assert_string_equal(taken_fault().reason, "the unit was given an unknown command");
	assert_int_equal(((u64 *)device_table)[NIC * 4], 3);
}

/* ---- which functions --------------------------------------------------------------- */

/* IVRS: a bridge or an old device speaks for others. */
static void functions_with_one_voice_share_a_domain_or_none(void **state)
{
	struct iommu_irq irq = { .source = OLD_B, .apic_id = 3, .vector = 0x51 };
	u64 address;
	u32 data;

	(void)state;
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(iommu_attach(&domain, OLD_A), OK);
	assert_int_equal(dma(&units[0], VOICE, 0, true), GIB(1));
	assert_int_equal(iommu_attach(&other, OLD_B), ERR_EXISTS);
	assert_int_equal(iommu_attach(&domain, OLD_B), OK);
	assert_int_equal(iommu_detach(&domain, OLD_A), OK);
	assert_int_equal(dma(&units[0], VOICE, 0, true), GIB(1));
	assert_int_equal(iommu_domain_fini(&domain), ERR_BUSY);
	assert_int_equal(iommu_detach(&domain, OLD_B), OK);
	assert_int_equal(dma(&units[0], VOICE, 0, true), BLOCKED);
	assert_int_equal(iommu_attach(&other, OLD_B), OK);
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), OK);
	assert_int_equal(interrupt(&units[0], VOICE, address, data), 0x351);
	assert_int_equal(iommu_irq_clear(&iommu, OLD_A, address, data), OK);
}

static void a_function_with_reserved_memory_is_refused(void **state)
{
	prepare(state);
	acpi.reserved_count = 1;
	acpi.reserved[0] =
		(struct acpi_reserved){ .first_scope = acpi.scope_count, .scope_count = 2 };
	add_scope(GPU, GPU + 1);
	add_scope(OLD_A, OLD_A);
	assert_int_equal(start_iommu(), OK);
	assert_int_equal(iommu_domain_init(&iommu, &domain), OK);
	assert_int_equal(iommu_attach(&domain, GPU), ERR_DENIED);
	assert_int_equal(iommu_attach(&domain, GPU + 1), ERR_DENIED);
	assert_int_equal(iommu_attach(&domain, OLD_A), ERR_DENIED);
	assert_int_equal(iommu_attach(&domain, OLD_B), OK);
	assert_int_equal(iommu_attach(&domain, NIC), OK);
	assert_int_equal(iommu_attach(&domain, PCI_BDF(9, 0, 0)), ERR_NOT_FOUND);
}

static void several_units_share_one_device_table(void **state)
{
	prepare(state);
	acpi.unit_count = 2;
	acpi.units[1] = (struct acpi_iommu_unit){
		.base = HPA(REGS_BASE + 0x4000), .first_scope = 2, .scope_count = 1, .flags = 0x0f
	};
	add_scope(PCI_BDF(0x40, 0, 0), PCI_BDF(0x5f, 31, 7));
	assert_int_equal(start_iommu(), OK);
	assert_int_equal(tables_in_use, 1);
	assert_int_equal(state_of(&units[1]), CONTROL_ON | BIT(1) | BIT(8) | BIT(9) | BIT(11));
	assert_int_equal(iommu_domain_init(&iommu, &domain), OK);
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(dma(&units[1], PCI_BDF(0x41, 0, 0), 0, true), BLOCKED);
	assert_int_equal(iommu_attach(&domain, PCI_BDF(0x41, 0, 0)), OK);
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(dma(&units[1], PCI_BDF(0x41, 0, 0), 0, true), GIB(1));
	assert_int_equal(dma(&units[0], GPU, 0, true), GIB(1));
	assert_int_equal(iommu_unmap(&domain, IOVA(0), KIB(4)), OK);
	assert_int_equal(dma(&units[1], PCI_BDF(0x41, 0, 0), 0, true), BLOCKED);
	assert_int_equal(dma(&units[0], GPU, 0, true), BLOCKED);
}

/* ---- starting ---------------------------------------------------------------------- */

/* As firmware might have left it: on, with tables, queues and an exclusion range of its own. */
static void leave_on(u64 control)
{
	frame_used[FRAMES - 1] = true;
	set(&units[0], 0x00, (FRAME_BASE + (FRAMES - 1) * 4096ULL) | 511);
	set(&units[0], 0x18, control);
	set(&units[0], 0x20, 1);
	set(&units[0], 0x2000, 0x40);
	set(&units[0], 0x2008, 0x40);
	set(&units[0], 0x2018, 0x30);
	set(&units[0], 0x2020, BIT(0) | BIT(3) | BIT(4));
	units[0].devices[GPU].valid = true; /* zeros: lets everything through */
	units[0].irqs[0].valid = true;
	units[0].irqs[0].rid = GPU;
}

static void what_firmware_left_on_is_taken_over_without_a_gap(void **state)
{
	struct iommu_fault fault;

	prepare(state);
	leave_on(0x1005);
	assert_int_equal(start_iommu(), OK);
	assert_false(units[0].was_off);
	assert_int_equal(state_of(&units[0]), CONTROL_ON);
	assert_false(iommu_poll_fault(&iommu, &fault));
	assert_int_equal(dma(&units[0], GPU, 0, true), BLOCKED);
	assert_int_equal(interrupt(&units[0], GPU, MSI_BASE, 0), BLOCKED);
	taken_fault();
	taken_fault();
	assert_int_equal(get(&units[0], 0x2020) & ~BIT(1), BIT(3) | BIT(4));
}

static void another_mode_of_tables_is_switched_off_first(void **state)
{
	prepare(state);
	leave_on(0x1005 | BIT(17)); /* long interrupt entries */
	assert_int_equal(start_iommu(), OK);
	assert_true(units[0].was_off);
	assert_int_equal(state_of(&units[0]), CONTROL_ON);
	assert_int_equal(dma(&units[0], GPU, 0, true), BLOCKED);
}

static void an_old_unit_forgets_one_by_one(void **state)
{
	prepare(state);
	set(&units[0], 0x30, 0);
	for (unsigned i = 0; i < 65536; i++)
		units[0].devices[i].valid = true;
	units[0].irqs[0].valid = true;
	units[0].irqs[0].rid = 0xfffe;
	units[0].cache.pages[0] = (struct cached_page){ true, 255, GIB(7), 0, 0 };
	units[0].cache.tables[0] = units[0].cache.pages[0];
	assert_int_equal(start_iommu(), OK);
	for (unsigned i = 0; i < 65536; i++)
		assert_false(units[0].devices[i].valid);
	assert_false(units[0].irqs[0].valid || units[0].cache.pages[0].valid ||
		     units[0].cache.tables[0].valid);
}

static void without_frames_nothing_starts_and_nothing_leaks(void **state)
{
	prepare(state);
	no_table = true;
	assert_int_equal(start_iommu(), ERR_NO_MEMORY);
	no_table = false;
	for (int allowed = 0; allowed < 3; allowed++) {
		frames_left = allowed;
		assert_int_equal(start_iommu(), ERR_NO_MEMORY);
		assert_int_equal(frames_in_use, 0);
		assert_int_equal(tables_in_use, 0);
		assert_int_equal(state_of(&units[0]), 0);
	}
	frames_left = 3;
	assert_int_equal(start_iommu(), OK);
	assert_int_equal(iommu_domain_init(&iommu, &domain), ERR_NO_MEMORY);
	assert_int_equal(iommu_irq_set(&iommu, &(struct iommu_irq){ .source = GPU }, &(u64){ 0 },
				       &(u32){ 0 }),
			 ERR_NO_MEMORY);
}

static void hardware_that_cannot_do_it_is_refused(void **state)
{
	prepare(state);
	set(&units[0], 0x30, FEATURE_IA | 3 << 10); /* no known depth of tables */
	assert_int_equal(start_iommu(), ERR_UNSUPPORTED);
	set(&units[0], 0x30, ~0ULL);
	assert_int_equal(start_iommu(), ERR_UNSUPPORTED);
	prepare(state);
	acpi.units[0].segment = 1;
	assert_int_equal(start_iommu(), ERR_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IOMMU_RULES,
		TEST(a_flush_takes_the_smallest_block_that_covers_the_range),
		TEST(an_attachment_that_fails_leaves_the_function_denied),
		TEST(functions_with_one_voice_share_a_domain_or_none),
		TEST_PREPARED(a_function_with_reserved_memory_is_refused),
		TEST_PREPARED(several_units_share_one_device_table),
		TEST_PREPARED(what_firmware_left_on_is_taken_over_without_a_gap),
		TEST_PREPARED(another_mode_of_tables_is_switched_off_first),
		TEST_PREPARED(an_old_unit_forgets_one_by_one),
		TEST_PREPARED(without_frames_nothing_starts_and_nothing_leaks),
		TEST_PREPARED(hardware_that_cannot_do_it_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
