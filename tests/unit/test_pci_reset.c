/* SPDX-License-Identifier: Apache-2.0 */
/* Each kind of reset against functions that forget, are silent for a while, and write down. */
// SOURCES: drivers/pci_reset.c drivers/pci_groups.c drivers/pci_msi.c drivers/pci.c
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/timer.h"
#include "drivers/pci_groups.h"
#include "drivers/pci_reset.h"
#include "tests/unit/fake_bus.h"

#define MS    1000000ULL
#define NIC   0x11112222, 0x020000
#define PLACE PCI_BDF(1, 0, 0)
#define OTHER PCI_BDF(1, 0, 1)
#define PORT  PCI_BDF(0, 3, 0)

/* Where the functions' capabilities are; PCI Express is at 80h. */
#define POWER	   0x40
#define MSI	   0x50
#define ADVANCED   0x70
#define DEVICE_CAP 0x84
#define DEVICE_CTL 0x88
#define DEVICE_STA 0x8a
#define DEVICE_CT2 0xa8

static u64 now;

/* What was written, in order. */
static struct event {
	u64 at;
	u16 bdf, offset;
	u32 value;
} events[256];
static unsigned event_count;

/* When a function that was reset answers again, and when what is under way has ended. */
static u64 back_after, back_at, pending_until;
static unsigned resets;
static bool forgets_acs_for_good;

static void forget(struct fake *fake)
{
	fake->silent = false;
	memset(&fake->config[0x04], 0, 2);
	memset(&fake->config[0x0c], 0, 2);
	memset(&fake->config[0x10], 0, 24);
	memset(&fake->config[0x30], 0, 4);
	memset(&fake->config[0x3c], 0, 1);
	/* Its MSI stays on, as no reset should leave it. */
	put(fake, DEVICE_CTL, 0x2810, 2);
	put(fake, DEVICE_CT2, 0, 2);
	if (fake->acs) {
		put(fake, fake->acs + 6U, 0, 2);
		fake->acs_stuck = forgets_acs_for_good;
	}
}

u64 now_ns(void)
{
	now += 10000;
	if (back_at && now >= back_at) {
		back_at = 0;
		for (unsigned i = 0; i < fake_count; i++)
			if (fakes[i].silent)
				forget(&fakes[i]);
	}
	if (pending_until && now >= pending_until) {
		pending_until = 0;
		fake_at(PLACE)->config[DEVICE_STA] &= (u8)~BIT(5);
		fake_at(PLACE)->config[ADVANCED + 5] = 0;
	}
	return now;
}

static void fall_silent(struct fake *fake)
{
	fake->silent = true;
	back_at = now + back_after;
	resets++;
}

static void on_write(struct fake *fake, u32 offset, u32 value, unsigned size)
{
	u8 state = fake->config[POWER + 4] & 3;

	(void)size;
	assert_true(event_count < ARRAY_SIZE(events));
	events[event_count++] = (struct event){ now, fake->bdf, (u16)offset, value };
	if (fake->silent)
		return;
	if (offset == DEVICE_CTL && (value & BIT(15)))
		fall_silent(fake);
	if (offset == ADVANCED + 4 && (value & 1))
		fall_silent(fake);
	if (offset == POWER + 4 && state == 3 && !(value & 3)) {
		forget(fake);
		resets++;
	}
	if (fake->bdf == PORT && offset == 0x3e && (value & BIT(6))) {
		for (unsigned i = 0; i < fake_count; i++)
			if (PCI_BUS(fakes[i].bdf) == 1)
				fall_silent(&fakes[i]);
		back_at = 0;
	}
	if (fake->bdf == PORT && offset == 0x3e && !(value & BIT(6)))
		back_at = now + back_after;
}

static int start(void **state)
{
	(void)state;
	fake_bus_start();
	now = 5000 * MS;
	event_count = resets = 0;
	back_at = pending_until = 0;
	back_after = 100 * MS;
	forgets_acs_for_good = false;
	return 0;
}

/* A function that firmware has set up, and that is at work. */
static struct fake *add_worker(u16 bdf)
{
	struct fake *fake = add_express(add(bdf, NIC), 0);

	put(fake, 0x04, 0x0007, 2);
	put(fake, 0x0c, 0x4010, 2);
	put(fake, 0x10, 0xfe000004, 4);
	put(fake, 0x14, 0x00000012, 4);
	put(fake, 0x18, 0xc001, 4);
	put(fake, 0x30, 0xfd000000, 4);
	put(fake, 0x3c, 0x0b, 1);
	fake->bar_masks[0] = 0xfffff000;
	fake->bar_masks[1] = 0xffffffff;
	fake->bar_masks[2] = 0xffe0;
	put(fake, DEVICE_CTL, 0x5936, 2);
	put(fake, DEVICE_CT2, 0x0009, 2);
	add_capability(fake, MSI, PCI_CAP_MSI);
	put(fake, MSI + 2, 0x0001, 2);
	return fake;
}

/* Behind a port with ACS. */
static struct fake *add_first(void)
{
	add_acs(add_express(add_bridge(PORT, 1, 1), 4), 0x1f);
	return add_worker(PLACE);
}

static void with_power(struct fake *fake, u32 control)
{
	add_capability(fake, POWER, PCI_CAP_POWER);
	put(fake, POWER + 4, control, 2);
}

static void with_advanced(struct fake *fake, u32 offers)
{
	add_capability(fake, ADVANCED, PCI_CAP_ADVANCED);
	put(fake, ADVANCED + 3, offers, 1);
}

static struct pci_function *look(u16 bdf)
{
	fake_enumerate(true);
	pci_make_groups(&pci);
	fake_on_write = on_write;
	return pci_find(&pci, bdf);
}

/* The first write of bits `bits` to a register, or NULL. */
static const struct event *written(u16 bdf, u32 offset, u32 bits)
{
	for (unsigned i = 0; i < event_count; i++)
		if (events[i].bdf == bdf && events[i].offset == offset &&
		    (events[i].value & bits) == bits)
			return &events[i];
	return NULL;
}

static const struct event *after(const struct event *event, u16 bdf, u32 offset)
{
	assert_non_null(event);
	while (++event < events + event_count)
		if (event->bdf == bdf && event->offset == offset)
			return event;
	return NULL;
}

static void assert_as_firmware_left_it_and_off(u16 bdf)
{
	assert_int_equal(config_read(bdf, 0x04, 2), PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(config_read(bdf, 0x0c, 2), 0x4010);
	assert_int_equal(config_read(bdf, 0x10, 4) & ~0xfU, 0xfe000000);
	assert_int_equal(config_read(bdf, 0x14, 4), 0x12);
	assert_int_equal(config_read(bdf, 0x18, 4) & ~3U, 0xc000);
	assert_int_equal(config_read(bdf, 0x30, 4), 0xfd000000);
	assert_int_equal(config_read(bdf, 0x3c, 1), 0x0b);
	assert_int_equal(config_read(bdf, DEVICE_CTL, 2), 0x5936);
	assert_int_equal(config_read(bdf, DEVICE_CT2, 2), 0x0009);
	assert_int_equal(config_read(bdf, MSI + 2, 2) & 1, 0);
}

/* ---- which kind ---- */

static void the_best_kind_is_taken(void **state)
{
	struct pci_function *f;
	struct fake *fake;

	(void)state;
	fake = add_first();
	with_power(fake, 0);
	with_advanced(fake, 3);
	put(fake, DEVICE_CAP, 1U << 28, 4);
	f = look(PLACE);
	assert_int_equal(pci_reset_kind(&pci, f), PCI_RESET_FLR);
	put(fake, DEVICE_CAP, ~(1U << 28), 4);
	assert_int_equal(pci_reset_kind(&pci, f), PCI_RESET_AF);
	put(fake, ADVANCED + 3, 2, 1); /* no bit for pending transactions */
	assert_int_equal(pci_reset_kind(&pci, f), PCI_RESET_POWER);
	put(fake, POWER + 4, 8, 2); /* keeps its state in D3hot */
	assert_int_equal(pci_reset_kind(&pci, f), PCI_RESET_BUS);
	assert_string_equal(pci_reset_name(PCI_RESET_FLR), "FLR");
	assert_string_equal(pci_reset_name(PCI_RESET_NONE), "none");
	assert_string_equal(pci_reset_name(PCI_RESET_BUS), "bus");
}

static void a_bus_is_reset_for_one_owner_only(void **state)
{
	static const char alpha[] = "alpha", beta[] = "beta";
	struct pci_function *f, *other;

	(void)state;
	add_first();
	add_worker(OTHER);
	put(fake_at(PLACE), 0x0e, 0x80, 1);
	f = look(PLACE);
	other = pci_find(&pci, OTHER);
	assert_int_equal(pci_claim(&pci, f, alpha), OK);
	assert_int_equal(pci_reset_kind(&pci, f), PCI_RESET_NONE);
	assert_int_equal(pci_claim(&pci, other, beta), OK);
	assert_int_equal(pci_reset_kind(&pci, f), PCI_RESET_NONE);
	pci_release(&pci, other, beta);
	assert_int_equal(pci_claim(&pci, other, alpha), OK);
	assert_int_equal(pci_reset_kind(&pci, f), PCI_RESET_BUS);
}

static void a_bus_with_a_bridge_is_not_reset(void **state)
{
	struct pci_function *f;

	(void)state;
	add_first();
	add_bridge(PCI_BDF(1, 2, 0), 2, 2);
	f = look(PLACE);
	assert_int_equal(pci_reset_kind(&pci, f), PCI_RESET_NONE);
	assert_int_equal(pci_reset(&pci, f), ERR_UNSUPPORTED);
	assert_int_equal(event_count, 0);
}

static void what_stands_on_the_root_bus_has_no_bus_to_reset(void **state)
{
	(void)state;
	fake_count = 0;
	add_worker(PCI_BDF(0, 7, 0));
	assert_int_equal(pci_reset_kind(&pci, look(PCI_BDF(0, 7, 0))), PCI_RESET_NONE);
}

static void a_bridge_is_never_reset(void **state)
{
	struct fake *port;

	(void)state;
	add_first();
	port = fake_at(PORT);
	with_power(port, 0);
	put(port, DEVICE_CAP, 1U << 28, 4);
	assert_int_equal(pci_reset(&pci, look(PORT)), ERR_UNSUPPORTED);
	assert_int_equal(event_count, 0);
}

/* ---- function-level reset ---- */

static struct fake *add_flr(void)
{
	struct fake *fake = add_first();

	put(fake, DEVICE_CAP, 1U << 28, 4);
	return fake;
}

static void a_function_level_reset_leaves_it_set_up_and_off(void **state)
{
	const struct event *off, *flr, *next;

	(void)state;
	add_flr();
	assert_int_equal(pci_reset(&pci, look(PLACE)), OK);
	assert_int_equal(resets, 1);
	off = &events[0];
	assert_int_equal(off->offset, 0x04);
	assert_int_equal(off->value, PCI_COMMAND_INTX_DISABLE);
	flr = written(PLACE, DEVICE_CTL, 0x8000);
	assert_true(flr > off);
	assert_int_equal(flr->value, 0xd936); /* the rest as it was */
	/* Nothing touches it for 100 ms; then it is off before it has an address. */
	next = flr + 1;
	assert_true(next->at >= flr->at + 100 * MS);
	assert_int_equal(next->offset, 0x04);
	assert_int_equal(next->value, PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(fake_unheard, 0);
	assert_as_firmware_left_it_and_off(PLACE);
}

static void what_is_under_way_may_end_first(void **state)
{
	const struct event *flr;
	u64 begun;

	(void)state;
	add_flr();
	fake_at(PLACE)->config[DEVICE_STA] = BIT(5);
	look(PLACE);
	begun = now;
	pending_until = now + 30 * MS;
	assert_int_equal(pci_reset(&pci, pci_find(&pci, PLACE)), OK);
	flr = written(PLACE, DEVICE_CTL, 0x8000);
	assert_true(flr->at >= begun + 30 * MS && flr->at < begun + 31 * MS);
}

static void what_never_ends_is_not_waited_for(void **state)
{
	const struct event *flr;
	u64 begun;

	(void)state;
	add_flr();
	fake_at(PLACE)->config[DEVICE_STA] = BIT(5);
	look(PLACE);
	begun = now;
	assert_int_equal(pci_reset(&pci, pci_find(&pci, PLACE)), OK);
	flr = written(PLACE, DEVICE_CTL, 0x8000);
	assert_true(flr->at >= begun + PCI_RESET_DRAIN_NS);
	assert_true(flr->at < begun + PCI_RESET_DRAIN_NS + MS);
}

static void a_late_answer_is_waited_for(void **state)
{
	(void)state;
	add_flr();
	back_after = 900 * MS;
	assert_int_equal(pci_reset(&pci, look(PLACE)), OK);
	assert_as_firmware_left_it_and_off(PLACE);
}

static void one_that_does_not_come_back_is_given_up(void **state)
{
	u64 begun;

	(void)state;
	add_flr();
	back_after = 10000 * MS;
	look(PLACE);
	begun = now;
	assert_int_equal(pci_reset(&pci, pci_find(&pci, PLACE)), ERR_TIMEOUT);
	assert_true(now >= begun + 1100 * MS && now < begun + 1600 * MS);
}

/* A function-level reset switches the services off that keep it from its sibling. */
static void access_control_holds_again(void **state)
{
	for (unsigned lost = 0; lost < 2; lost++) {
		struct fake *fake;

		start(state);
		fake = add_acs(add_flr(), 0x0c);
		forgets_acs_for_good = lost;
		look(PLACE);
		assert_int_equal(config_read(PLACE, fake->acs + 6U, 2), 0x0c);
		assert_int_equal(pci_reset(&pci, pci_find(&pci, PLACE)), lost ? ERR_DEVICE : OK);
		assert_int_equal(config_read(PLACE, fake->acs + 6U, 2), lost ? 0 : 0x0c);
	}
}

/* ---- advanced features ---- */

static void advanced_features_reset_it(void **state)
{
	const struct event *af;
	struct fake *fake;
	u64 begun;

	(void)state;
	fake = add_first();
	with_advanced(fake, 3);
	fake->config[0x80] = 0x55; /* not PCI Express after all */
	put(fake, ADVANCED + 5, 1, 1);
	look(PLACE);
	begun = now;
	pending_until = now + 20 * MS;
	assert_int_equal(pci_reset(&pci, pci_find(&pci, PLACE)), OK);
	af = written(PLACE, ADVANCED + 4, 1);
	assert_int_equal(resets, 1);
	assert_int_equal(events[0].offset, 0x04);
	assert_int_equal(events[0].value, PCI_COMMAND_INTX_DISABLE);
	assert_true(af->at >= begun + 20 * MS && af->at < begun + 21 * MS);
	assert_true((af + 1)->at >= af->at + 100 * MS);
	assert_int_equal(fake_unheard, 0);
	assert_int_equal(config_read(PLACE, 0x14, 4), 0x12);
	assert_int_equal(config_read(PLACE, 0x04, 2), PCI_COMMAND_INTX_DISABLE);
}

/* ---- power states ---- */

static void a_power_state_resets_it(void **state)
{
	const struct event *down, *up;

	(void)state;
	with_power(add_first(), 0x8100); /* PME is enabled, and waits */
	assert_int_equal(pci_reset(&pci, look(PLACE)), OK);
	assert_int_equal(resets, 1);
	assert_int_equal(events[0].value, PCI_COMMAND_INTX_DISABLE);
	down = written(PLACE, POWER + 4, 3);
	assert_int_equal(down->value, 3); /* PME off, its status not cleared */
	up = after(down, PLACE, POWER + 4);
	assert_int_equal(up->value, 0);
	assert_true(up->at >= down->at + 10 * MS);
	assert_true((up + 1)->at >= up->at + 10 * MS);
	assert_as_firmware_left_it_and_off(PLACE);
}

static void one_that_sleeps_is_woken_first(void **state)
{
	(void)state;
	with_power(add_flr(), 0x0003);
	look(PLACE);
	assert_int_equal(pci_reset(&pci, pci_find(&pci, PLACE)), OK);
	assert_int_equal(events[0].offset, POWER + 4);
	assert_int_equal(events[0].value, 0);
	assert_true(events[1].at >= events[0].at + 10 * MS);
	assert_non_null(written(PLACE, DEVICE_CTL, 0x8000));
}

/* ---- the bus ---- */

static void a_bus_reset_takes_all_on_it(void **state)
{
	const struct event *down, *up;

	(void)state;
	add_first();
	add_worker(OTHER);
	put(fake_at(PLACE), 0x0e, 0x80, 1);
	put(fake_at(PORT), 0x3e, 0x0013, 2);
	assert_int_equal(pci_reset(&pci, look(OTHER)), OK);
	assert_int_equal(resets, 2);
	down = written(PORT, 0x3e, 0x40);
	assert_int_equal(down->value, 0x0053);
	assert_true(written(PLACE, 0x04, PCI_COMMAND_INTX_DISABLE) < down);
	assert_true(written(OTHER, 0x04, PCI_COMMAND_INTX_DISABLE) < down);
	up = down + 1;
	assert_int_equal(up->offset, 0x3e);
	assert_int_equal(up->value, 0x0013);
	assert_true(up->at >= down->at + 1 * MS);
	assert_true((up + 1)->at >= up->at + 100 * MS);
	assert_int_equal(fake_unheard, 0);
	assert_as_firmware_left_it_and_off(PLACE);
	assert_as_firmware_left_it_and_off(OTHER);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, start)
	const struct CMUnitTest tests[] = {
		TEST(the_best_kind_is_taken),
		TEST(a_bus_is_reset_for_one_owner_only),
		TEST(a_bus_with_a_bridge_is_not_reset),
		TEST(what_stands_on_the_root_bus_has_no_bus_to_reset),
		TEST(a_bridge_is_never_reset),
		TEST(a_function_level_reset_leaves_it_set_up_and_off),
		TEST(what_is_under_way_may_end_first),
		TEST(what_never_ends_is_not_waited_for),
		TEST(a_late_answer_is_waited_for),
		TEST(one_that_does_not_come_back_is_given_up),
		TEST(access_control_holds_again),
		TEST(advanced_features_reset_it),
		TEST(a_power_state_resets_it),
		TEST(one_that_sleeps_is_woken_first),
		TEST(a_bus_reset_takes_all_on_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
