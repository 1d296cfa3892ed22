/* SPDX-License-Identifier: Apache-2.0 */
/* VT-d: the rules of all IOMMUs, then its own for domains, units and starting. */
// SOURCES: drivers/iommu.c drivers/vtd.c drivers/amdvi.c drivers/pci.c core/ptab.c
// SOURCES: core/ptab_formats.c drivers/iommu_faults.c drivers/pci_msi.c
#include "tests/unit/model_vtd.h"
#include "tests/unit/rules_iommu.h"

/* ---- domains ----------------------------------------------------------------------- */

static void mapping_more_needs_no_flush(void **state)
{
	unsigned before;

	(void)state;
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	before = units[0].flushes;
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(units[0].flushes, before);
	assert_int_equal(dma(&units[0], GPU, 0, true), GIB(1));
}

static void a_detachment_that_failed_may_be_repeated(void **state)
{
	(void)state;
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	units[0].refuses = true;
	assert_int_equal(iommu_detach(&domain, GPU), ERR_DEVICE);
	assert_int_equal(iommu_domain_fini(&domain), ERR_BUSY);
	units[0].refuses = false;
	assert_int_equal(iommu_detach(&domain, GPU), OK);
	assert_int_equal(iommu_domain_fini(&domain), OK);
}

static void a_domain_that_the_unit_may_remember_is_kept(void **state)
{
	int before = frames_in_use;

	(void)state;
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	units[0].refuses = true;
	assert_int_equal(iommu_domain_fini(&domain), ERR_DEVICE);
	assert_true(frames_in_use > before);
	units[0].refuses = false;
	assert_int_equal(iommu_domain_fini(&domain), OK);
	assert_int_equal(frames_in_use, before - 1);
}

static void domain_ids_run_out_and_come_back(void **state)
{
	static struct iommu_domain many[16];

	prepare(state);
	set(&units[0], 0x08, CAP_QEMU & ~7ULL, 8); /* 16 ids, 0 among them */
	assert_int_equal(start_iommu(), OK);
	for (unsigned i = 0; i < 15; i++)
		assert_int_equal(iommu_domain_init(&iommu, &many[i]), OK);
	assert_int_equal(iommu_domain_init(&iommu, &many[15]), ERR_FULL);
	assert_int_equal(iommu_domain_fini(&many[3]), OK);
	assert_int_equal(iommu_domain_init(&iommu, &many[15]), OK);
	assert_int_equal(many[15].id, 4);
}

/* ---- which unit serves a function -------------------------------------------------- */

static void a_function_with_reserved_memory_is_refused(void **state)
{
	prepare(state);
	acpi.reserved_count = 1;
	acpi.reserved[0] = (struct acpi_reserved){ .first_scope = 1, .scope_count = 1 };
	add_scope(ACPI_SCOPE_ENDPOINT, 0, PCI_DEVICE(GPU));
	assert_int_equal(start_iommu(), OK);
	assert_int_equal(iommu_domain_init(&iommu, &domain), OK);
	assert_int_equal(iommu_attach(&domain, GPU), ERR_DENIED);
	assert_int_equal(iommu_attach(&domain, NIC), OK);
}

static void the_unit_that_names_a_bridge_serves_what_is_behind(void **state)
{
	prepare(state);
	add_unit_for(ACPI_SCOPE_BRIDGE, 0x1c);
	assert_int_equal(start_iommu(), OK);
	assert_int_equal(iommu_domain_init(&iommu, &domain), OK);
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(iommu_attach(&domain, FAR), OK);
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(dma(&units[1], FAR, 0, true), GIB(1));
	assert_int_equal(dma(&units[0], FAR, 0, true), BLOCKED);
	assert_int_equal(dma(&units[0], GPU, 0, true), GIB(1));
	assert_int_equal(iommu_unmap(&domain, IOVA(0), KIB(4)), OK);
	assert_int_equal(dma(&units[1], FAR, 0, true), BLOCKED);
	assert_int_equal(dma(&units[0], GPU, 0, true), BLOCKED);
}

static void virtual_functions_are_the_physical_ones_units(void **state)
{
	const u16 virtual = PCI_BDF(0, 2, 5);

	prepare(state);
	add_unit_for(ACPI_SCOPE_ENDPOINT, PCI_DEVICE(GPU));
	pci.functions[pci.function_count++] =
		(struct pci_function){ .bdf = virtual, .physical = GPU };
	assert_int_equal(start_iommu(), OK);
	assert_int_equal(iommu_domain_init(&iommu, &domain), OK);
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(iommu_attach(&domain, virtual), OK);
	assert_int_equal(dma(&units[1], virtual, 0, true), GIB(1));
	assert_int_equal(dma(&units[1], GPU, 0, true), BLOCKED);
	assert_int_equal(dma(&units[0], virtual, 0, true), BLOCKED);
}

/* ---- starting ---------------------------------------------------------------------- */

static void what_firmware_left_on_is_taken_over(void **state)
{
	prepare(state);
	set(&units[0], 0x1c, BIT(31) | BIT(30) | BIT(26) | BIT(25) | BIT(24) | BIT(23), 4);
	set(&units[0], 0x80, 0x40, 8);
	set(&units[0], 0x88, 0x40, 8);
	units[0].queue_head = 0x40;
	units[0].contexts[GPU].valid = true;
	units[0].irqs[0].valid = true;
	assert_int_equal(start_iommu(), OK);
	assert_int_equal(state_of(&units[0]), STATE_ON);
	assert_int_equal(dma(&units[0], GPU, 0, true), BLOCKED);
	assert_int_equal(taken_fault().code, 1);
	assert_int_equal(interrupt(&units[0], GPU, FIRST_MESSAGE, 0), BLOCKED);
}

static void without_frames_nothing_starts_and_nothing_leaks(void **state)
{
	prepare(state);
	for (int allowed = 0; allowed < 4; allowed++) {
		frames_left = allowed;
		assert_int_equal(start_iommu(), ERR_NO_MEMORY);
		assert_int_equal(frames_in_use, 0);
		assert_int_equal(state_of(&units[0]), 0);
	}
	frames_left = 4;
	assert_int_equal(start_iommu(), OK);
	assert_int_equal(iommu_domain_init(&iommu, &domain), ERR_NO_MEMORY);
	frames_left = 1;
	assert_int_equal(iommu_domain_init(&iommu, &domain), OK);
	assert_int_equal(domain.id, 1);
	assert_int_equal(iommu_attach(&domain, GPU), ERR_NO_MEMORY);
	ptab_destroy(&domain.pt);
	assert_int_equal(frames_in_use, 4);
}

static void hardware_that_cannot_do_it_is_refused(void **state)
{
	static const struct {
		u32 reg;
		u64 value;
	} lacks[] = {
		{ 0x10, ECAP_QEMU & ~BIT(1) },		  /* no queued invalidation */
		{ 0x08, CAP_QEMU & ~(BIT(9) | BIT(10)) }, /* no known table depth */
		{ 0x00, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(lacks); i++) {
		prepare(state);
		set(&units[0], lacks[i].reg, lacks[i].value, lacks[i].reg ? 8 : 4);
		assert_int_equal(start_iommu(), ERR_UNSUPPORTED);
	}
	prepare(state);
	acpi.present = false;
	assert_int_equal(start_iommu(), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IOMMU_RULES,
		TEST(mapping_more_needs_no_flush),
		TEST(a_detachment_that_failed_may_be_repeated),
		TEST(a_domain_that_the_unit_may_remember_is_kept),
		TEST_PREPARED(domain_ids_run_out_and_come_back),
		TEST_PREPARED(a_function_with_reserved_memory_is_refused),
		TEST_PREPARED(the_unit_that_names_a_bridge_serves_what_is_behind),
		TEST_PREPARED(virtual_functions_are_the_physical_ones_units),
		TEST_PREPARED(what_firmware_left_on_is_taken_over),
		TEST_PREPARED(without_frames_nothing_starts_and_nothing_leaks),
		TEST_PREPARED(hardware_that_cannot_do_it_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
