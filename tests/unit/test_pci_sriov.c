// SPDX-License-Identifier: Apache-2.0
/* Virtual functions on a model of the buses: switched on, described, kept apart; or why not. */
// SOURCES: drivers/pci_sriov.c drivers/pci_groups.c drivers/pci_reset.c drivers/pci_msi.c
// SOURCES: drivers/pci.c core/lib/string.c core/lib/error.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* cmocka.h wants the above first. */
#include <cmocka.h>

#include "core/log.h"
#include "core/timer.h"
#include "drivers/nvme_admin.h"
#include "drivers/pci_groups.h"
#include "drivers/pci_reset.h"
#include "drivers/pci_sriov.h"
#include "tests/unit/fake_bus.h"

#define CARD	PCI_BDF(0, 4, 0)
#define VF(i)	(CARD + 2 + 2 * (i))
#define ENABLED 9 /* and memory decoding */
#define BAR0	0xe0000000U
#define BAR2	0xe100000000ULL

static struct fake *card;
static struct iommu units;
static u64 now, on_since;
static char said[300], steps[100];
static enum err nvme_result;

u64 now_ns(void)
{
	return now += 1000000;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list args;

	(void)level;
	va_start(args, fmt);
	vsnprintf(said, sizeof(said), fmt, args);
	va_end(args);
}

/* As in the real one, a reset has lost what the capability held. */
enum err nvme_admin_free(struct nvme_admin *admin, struct pci *all, struct iommu *iommu,
			 const struct pci_function *function)
{
	(void)admin;
	(void)all;
	assert_ptr_equal(iommu, &units);
	assert_string_equal(function->owner, "facet");
	put(card, card->sriov + 8U, 0, 2);
	put(card, card->sriov + 0x24U, 0, 4);
	put(card, card->sriov + 0x2cU, 12, 4);
	put(card, card->sriov + 0x30U, 0, 4);
	strcat(steps, "free ");
	return nvme_result;
}

enum err nvme_admin_give(struct nvme_admin *admin, u32 count)
{
	(void)admin;
	assert_int_equal(count, 2);
	assert_int_equal(card->config[card->sriov + 8] & ENABLED, ENABLED);
	assert_int_equal(pci.function_count, 2);
	strcat(steps, "give ");
	return OK;
}

void nvme_admin_close(struct nvme_admin *admin)
{
	(void)admin;
	strcat(steps, "close");
}

/* The virtual functions appear when they are switched on, and answer 0.1 s later. */
static void on_write(struct fake *fake, u32 offset, u32 value, unsigned size)
{
	(void)size;
	if (fake == card && offset == fake->sriov + 8U && (value & ENABLED) == ENABLED)
		on_since = now;
}

static int start(void **state)
{
	(void)state;
	fake_bus_start();
	card = add_sriov(add_express(add(CARD, 0x10101b36, 0x020000), 0), 4, 2, 2);
	put(card, card->sriov + 0x1aU, 0x2020, 2);
	put(card, card->sriov + 0x24U, BAR0, 4);
	put(card, card->sriov + 0x2cU, (u32)BAR2 | 12, 4);
	put(card, card->sriov + 0x30U, BAR2 >> 32, 4);
	card->vf_bar_masks[0] = 0xffffc000;
	card->vf_bar_masks[2] = 0xfff00000;
	card->vf_bar_masks[3] = ~0U;
	for (u32 i = 0; i < 4; i++) {
		struct fake *vf = add_express(add((u16)VF(i), ~0U, 0x020000), 0);

		add_capability(vf, 0xa0, PCI_CAP_MSIX);
		put(vf, 0xa2, 4, 2);
		put(vf, 0xa4, 0x2000, 4);
	}
	fake_on_write = on_write;
	nvme_result = OK;
	on_since = 0;
	said[0] = steps[0] = 0;
	fake_enumerate(true);
	assert_int_equal(pci.function_count, 2);
	return 0;
}

static void switch_on(u16 bdf, u16 count)
{
	const struct config_host host = { .sriov = { 1, { bdf } }, .vfs = count };

	pci_sriov_start(&pci, &units, &host);
	pci_make_groups(&pci);
}

static void refuses(u16 bdf, u16 count, const char *why)
{
	u32 before = pci.function_count;

	switch_on(bdf, count);
	if (!strstr(said, why))
		fail_msg("\"%s\" in \"%s\"", why, said);
	assert_non_null(strstr(said, "its virtual functions are off: "));
	assert_int_equal(pci.function_count, before);
	assert_int_equal(card->config[card->sriov + 8] & ENABLED, 0);
	assert_null(pci_find(&pci, CARD)->owner);
	assert_int_equal(pci_find(&pci, CARD)->vfs, 0);
}

static void they_are_in_the_table_with_what_the_capability_tells(void **state)
{
	(void)state;
	switch_on(CARD, 3);
	assert_string_equal(said, "00:04.0: 3 virtual functions");
	assert_int_equal(card->config[card->sriov + 0x10], 3);
	assert_int_equal(card->config[card->sriov + 0x20], 1);
	assert_int_equal(card->config[card->sriov + 8], ENABLED);
	assert_false(decoded_while_sizing);
	assert_true(now - on_since >= 100000000);
	assert_int_equal(pci.function_count, 5);
	for (u32 i = 0; i < 3; i++) {
		const struct pci_function *vf = pci_find(&pci, (u16)VF(i));

		assert_non_null(vf);
		assert_int_equal(vf->physical, CARD);
		assert_int_equal(vf->vendor_id, 0x1b36);
		assert_int_equal(vf->device_id, 0x2020);
		assert_int_equal(vf->msix_vectors, 5);
		assert_null(vf->owner);
		assert_int_equal(vf->bars[0].kind, PCI_BAR_MEM32);
		assert_int_equal(vf->bars[0].size, KIB(16));
		assert_int_equal(vf->bars[0].base, BAR0 + i * KIB(16));
		assert_int_equal(vf->bars[1].kind, PCI_BAR_NONE);
		assert_int_equal(vf->bars[2].kind, PCI_BAR_MEM64);
		assert_int_equal(vf->bars[2].base, BAR2 + i * MIB(1));
	}
	assert_string_equal(pci_find(&pci, CARD)->owner, "facet");
	assert_int_equal(pci_find(&pci, CARD)->vfs, 3);
}

static void each_is_a_group_of_its_own(void **state)
{
	(void)state;
	switch_on(CARD, 2);
	assert_int_not_equal(pci_find(&pci, CARD)->group, pci_find(&pci, VF(0))->group);
	assert_int_not_equal(pci_find(&pci, VF(0))->group, pci_find(&pci, VF(1))->group);
}

static void a_neighbour_without_acs_makes_all_of_the_device_one_group(void **state)
{
	(void)state;
	put(card, 0x0e, 0x80, 1);
	add(CARD + 1, 0x30301b36, 0x020000);
	fake_enumerate(true);
	switch_on(CARD, 1);
	assert_int_equal(pci_find(&pci, CARD + 1)->group, pci_find(&pci, VF(0))->group);
}

static void what_has_acs_that_does_not_hold_is_not_separate(void **state)
{
	(void)state;
	add_acs(fake_at(VF(0)), 0x0c)->acs_stuck = true;
	switch_on(CARD, 2);
	assert_int_equal(pci_find(&pci, VF(0))->group, pci_find(&pci, VF(1))->group);
}

static void one_is_reset_though_its_ids_read_as_ones(void **state)
{
	(void)state;
	put(fake_at(VF(0)), 0x84, 0x10000000, 4);
	switch_on(CARD, 2);
	assert_int_equal(pci_reset_kind(&pci, pci_find(&pci, VF(0))), PCI_RESET_FLR);
	assert_int_equal(pci_reset(&pci, pci_find(&pci, VF(0))), OK);
	fake_at(VF(0))->silent = true;
	assert_int_equal(pci_reset(&pci, pci_find(&pci, VF(0))), ERR_TIMEOUT);
}

static void nvme_has_its_resources_divided_around_it(void **state)
{
	(void)state;
	put(card, 8, 0x01080200, 4);
	fake_enumerate(true);
	switch_on(CARD, 2);
	assert_string_equal(steps, "free give close");
	assert_int_equal(pci_find(&pci, VF(1))->bars[0].base, BAR0 + KIB(16));
}

static void nvme_that_refuses_has_none(void **state)
{
	(void)state;
	put(card, 8, 0x01080200, 4);
	fake_enumerate(true);
	nvme_result = ERR_DEVICE;
	refuses(CARD, 2, "its NVMe controller gives them no queues and interrupts");
	assert_string_equal(steps, "free close");
}

static void what_is_not_there_or_offers_none_is_refused(void **state)
{
	(void)state;
	refuses(PCI_BDF(0, 9, 0), 1, "there is no such function");
	refuses(PCI_BDF(0, 0, 0), 1, "it offers none (no SR-IOV capability)");
}

static void all_that_are_offered_if_no_number_is_said_and_no_more(void **state)
{
	(void)state;
	switch_on(CARD, 0);
	assert_string_equal(said, "00:04.0: 4 virtual functions");
	(void)start(NULL);
	switch_on(CARD, 5);
	assert_string_equal(said, "00:04.0: 4 virtual functions");
	(void)start(NULL);
	put(card, card->sriov + 0x0eU, 0, 2);
	refuses(CARD, 5, "it offers none");
}

static void without_addresses_there_are_none(void **state)
{
	(void)state;
	put(card, card->sriov + 0x24U, 0, 4);
	refuses(CARD, 1, "let firmware switch SR-IOV on");
}

static void numbers_that_the_bus_does_not_reach_are_refused(void **state)
{
	(void)state;
	put(card, card->sriov + 0x14U, 0xdd, 2);
	refuses(CARD, 4, "let firmware switch ARI on");
	put(card, card->sriov + 0x14U, 0, 2);
	refuses(CARD, 4, "not all of them answer"); /* the first one would be the card itself */
}

static void behind_a_port_numbers_above_seven_take_ari(void **state)
{
	u16 bdf = PCI_BDF(1, 0, 0);

	(void)state;
	add_express(add_bridge(PCI_BDF(0, 5, 0), 1, 1), 4);
	card->bdf = bdf;
	for (u32 i = 0; i < 4; i++)
		fake_at((u16)VF(i))->bdf = (u16)(bdf + 16 + i);
	put(card, card->sriov + 0x14U, 16 | 1 << 16, 4);
	fake_enumerate(true);
	switch_on(bdf, 2);
	assert_non_null(strstr(said, "let firmware switch ARI on"));
	put(card, card->sriov + 8U, 0x10, 2);
	switch_on(bdf, 2);
	assert_string_equal(said, "01:00.0: 2 virtual functions");
	assert_int_equal(pci_find(&pci, (u16)(bdf + 17))->bridge, PCI_BDF(0, 5, 0));
}

static void those_that_do_not_answer_are_switched_off_again(void **state)
{
	(void)state;
	fake_at(VF(1))->silent = true;
	refuses(CARD, 2, "not all of them answer");
}

static void none_without_an_iommu(void **state)
{
	const struct config_host host = { .sriov = { 1, { CARD } } };

	(void)state;
	pci_sriov_start(&pci, NULL, &host);
	assert_non_null(strstr(said, "no IOMMU would confine them"));
	assert_int_equal(card->config[card->sriov + 8], 0);
	assert_int_equal(pci.function_count, 2);
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(they_are_in_the_table_with_what_the_capability_tells),
		TEST(each_is_a_group_of_its_own),
		TEST(a_neighbour_without_acs_makes_all_of_the_device_one_group),
		TEST(what_has_acs_that_does_not_hold_is_not_separate),
		TEST(one_is_reset_though_its_ids_read_as_ones),
		TEST(nvme_has_its_resources_divided_around_it),
		TEST(nvme_that_refuses_has_none),
		TEST(what_is_not_there_or_offers_none_is_refused),
		TEST(all_that_are_offered_if_no_number_is_said_and_no_more),
		TEST(without_addresses_there_are_none),
		TEST(numbers_that_the_bus_does_not_reach_are_refused),
		TEST(behind_a_port_numbers_above_seven_take_ari),
		TEST(those_that_do_not_answer_are_switched_off_again),
		TEST(none_without_an_iommu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
