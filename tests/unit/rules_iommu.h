/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What holds on an IOMMU of any kind. A test includes the model of one before this, and has
 * IOMMU_RULES in its list. Of the model the rules take
 *
 *   dma(), interrupt()   what an access or a message of a function ends in
 *   state_of()           what is on; STATE_ON once the driver has started
 *   listens()            whether the next fault sends a message
 *   units[]              `dead` and `refuses`, faults to inject; `flushes`; `cache`
 *   WHY_...              what the driver says of what was blocked
 */
#ifndef TESTS_UNIT_RULES_IOMMU_H
#define TESTS_UNIT_RULES_IOMMU_H

#include "tests/unit/fake_iommu.h"

/* ---- what memory a function reaches ------------------------------------------------- */

static void starting_denies_every_function(void **state)
{
	struct iommu_fault fault;

	(void)state;
	assert_int_equal(state_of(&units[0]), STATE_ON);
	assert_false(iommu_poll_fault(&iommu, &fault));
	for (u32 bdf = 0; bdf < 65536; bdf++) {
		assert_int_equal(dma(&units[0], (u16)bdf, 0x12345678, true), BLOCKED);
		fault = taken_fault();
		assert_int_equal(fault.bdf, bdf);
		assert_int_equal(fault.iova.raw, 0x12345000);
		assert_true(fault.write);
		assert_false(fault.interrupt);
		assert_int_equal(fault.code, WHY_NEVER_ATTACHED.code);
		assert_int_equal(interrupt(&units[0], (u16)bdf, FIRST_MESSAGE, 0x30), BLOCKED);
		fault = taken_fault();
		assert_int_equal(fault.bdf, bdf);
		assert_true(fault.interrupt);
	}
	assert_int_equal(dma(&units[0], GPU, 0x12345678, false), BLOCKED);
	assert_false(taken_fault().write);
	assert_false(iommu_poll_fault(&iommu, &fault));
}

static void an_attached_function_reaches_what_is_mapped(void **state)
{
	(void)state;
	assert_int_equal(iommu_map(&domain, IOVA(MIB(4)), HPA(GIB(1)), MIB(4), 3), OK);
	assert_int_equal(iommu_map(&domain, IOVA(MIB(1)), HPA(GIB(3)), KIB(4), IOMMU_READ), OK);
	assert_int_equal(iommu_map(&domain, IOVA(GIB(1) << 10), HPA(GIB(2)), GIB(1), 3), OK);
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(dma(&units[0], GPU, MIB(7) + 5, true), GIB(1) + MIB(3) + 5);
	assert_int_equal(dma(&units[0], GPU, (GIB(1) << 10) + MIB(9), true), GIB(2) + MIB(9));
	assert_int_equal(dma(&units[0], GPU, MIB(1), false), GIB(3));
	assert_int_equal(dma(&units[0], GPU, MIB(1), true), BLOCKED);
	assert_fault(WHY_NO_WRITE);
	assert_int_equal(dma(&units[0], GPU, MIB(8), false), BLOCKED);
	assert_fault(WHY_NOT_MAPPED);
	assert_int_equal(dma(&units[0], NIC, MIB(4), false), BLOCKED);
	assert_fault(WHY_NO_DOMAIN);
}

/* Four pages on both sides of a table's end, of which the first one to three go. */
static void unmapped_memory_is_forgotten_by_the_unit(void **state)
{
	const u64 first = MIB(2) - KIB(8);
	int before;

	(void)state;
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	before = frames_in_use;
	for (u64 size = KIB(4); size <= KIB(12); size += KIB(4)) {
		assert_int_equal(iommu_map(&domain, IOVA(first), HPA(GIB(1)), KIB(16), 3), OK);
		for (u64 at = 0; at < KIB(16); at += KIB(4))
			assert_int_equal(dma(&units[0], GPU, first + at, true), GIB(1) + at);
		assert_int_equal(iommu_unmap(&domain, IOVA(first), size), OK);
		for (u64 at = 0; at < KIB(16); at += KIB(4))
			assert_int_equal(dma(&units[0], GPU, first + at, true),
					 at < size ? BLOCKED : GIB(1) + at);
		assert_int_equal(iommu_unmap(&domain, IOVA(0), GIB(2)), OK);
		for (u64 at = 0; at < KIB(16); at += KIB(4))
			assert_int_equal(dma(&units[0], GPU, first + at, true), BLOCKED);
		assert_int_equal(frames_in_use, before);
	}
}

static void a_flush_that_fails_keeps_the_tables(void **state)
{
	int before;

	(void)state;
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	before = frames_in_use;
	units[0].refuses = true;
	assert_int_equal(iommu_unmap(&domain, IOVA(0), KIB(4)), ERR_DEVICE);
	assert_int_equal(frames_in_use, before);
}

static void a_split_page_keeps_translating(void **state)
{
	(void)state;
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), GIB(1), 3), OK);
	assert_int_equal(iommu_unmap(&domain, IOVA(MIB(5)), KIB(4)), OK);
	assert_int_equal(dma(&units[0], GPU, MIB(5), true), BLOCKED);
	assert_int_equal(dma(&units[0], GPU, MIB(5) + KIB(4), true), GIB(1) + MIB(5) + KIB(4));
	assert_int_equal(dma(&units[0], GPU, MIB(900), true), GIB(1) + MIB(900));
}

static void the_interrupt_range_cannot_be_mapped(void **state)
{
	(void)state;
	assert_int_equal(iommu_map(&domain, IOVA(0xfee00000), HPA(GIB(1)), KIB(4), 3), ERR_RANGE);
	assert_int_equal(iommu_map(&domain, IOVA(0xfed00000), HPA(GIB(1)), MIB(4), 3), ERR_RANGE);
	assert_int_equal(iommu_map(&domain, IOVA(0xfef00000), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 0), ERR_UNSUPPORTED);
}

/* ---- which domain it is in ---------------------------------------------------------- */

static void a_function_belongs_to_one_domain(void **state)
{
	(void)state;
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(iommu_attach(&domain, GPU), ERR_EXISTS);
	assert_int_equal(iommu_attach(&other, GPU), ERR_EXISTS);
	assert_int_equal(dma(&units[0], GPU, 0, true), GIB(1));
}

static void a_detached_function_reaches_nothing_and_may_go_elsewhere(void **state)
{
	unsigned before;

	(void)state;
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(iommu_map(&other, IOVA(0), HPA(GIB(2)), KIB(4), 3), OK);
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(iommu_attach(&domain, NIC), OK);
	assert_int_equal(iommu_attach(&other, GPU), ERR_EXISTS);
	assert_int_equal(dma(&units[0], GPU, 0, true), GIB(1));
	assert_int_equal(iommu_detach(&other, GPU), ERR_NOT_FOUND);
	assert_int_equal(dma(&units[0], GPU, 0, true), GIB(1));
	before = units[0].flushes;
	assert_int_equal(iommu_detach(&domain, GPU), OK);
	assert_int_equal(units[0].flushes, before + 1); /* and drained, this domain's */
	assert_false(cached(units[0].cache.pages, domain.id, 0)->valid);
	assert_int_equal(dma(&units[0], GPU, 0, true), BLOCKED);
	assert_fault(WHY_NO_DOMAIN);
	assert_int_equal(dma(&units[0], NIC, 0, true), GIB(1));
	assert_int_equal(iommu_detach(&domain, GPU), ERR_NOT_FOUND);
	assert_int_equal(iommu_attach(&other, GPU), OK);
	assert_int_equal(dma(&units[0], GPU, 0, true), GIB(2));
}

static void a_function_that_the_unit_may_remember_counts_as_attached(void **state)
{
	(void)state;
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	units[0].refuses = true;
	assert_int_equal(iommu_detach(&domain, GPU), ERR_DEVICE);
	assert_int_equal(iommu_attach(&other, GPU), ERR_EXISTS);
	assert_int_equal(iommu_domain_fini(&domain), ERR_BUSY);
}

static void a_domain_gives_its_tables_and_its_id_back(void **state)
{
	u16 id = domain.id;
	int before = frames_in_use;

	(void)state;
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(iommu_domain_fini(&domain), ERR_BUSY);
	assert_int_equal(dma(&units[0], GPU, 0, true), GIB(1));
	assert_int_equal(iommu_detach(&domain, GPU), OK);
	/* As an attachment leaves it that failed half way. */
	units[0].cache.pages[0] = (struct cached_page){ true, id, 0, GIB(1), PAGE_RIGHTS };
	assert_int_equal(iommu_domain_fini(&domain), OK);
	assert_true(frames_in_use < before + 1); /* but for VT-d's context table of the bus */
	assert_int_equal(iommu_domain_init(&iommu, &domain), OK);
	assert_int_equal(domain.id, id);
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(dma(&units[0], GPU, 0, true), BLOCKED);
}

static void a_unit_that_does_not_answer_is_an_error(void **state)
{
	prepare(state);
	units[0].dead = true;
	assert_int_equal(start_iommu(), ERR_TIMEOUT);
	prepare(state);
	units[0].refuses = true;
	assert_int_equal(start_iommu(), ERR_DEVICE);
}

/* ---- which interrupts it raises ----------------------------------------------------- */

static void an_interrupt_reaches_its_processor_from_its_source_only(void **state)
{
	struct iommu_irq irq = { .source = GPU, .apic_id = 3, .vector = 0x51 };
	struct iommu_irq far = { .source = GPU, .apic_id = 256, .vector = 0x51 };
	u64 address;
	u32 data;

	(void)state;
	assert_true(iommu.irq_remapping);
	assert_int_equal(interrupt(&units[0], GPU, FIRST_MESSAGE, 0), BLOCKED);
	assert_fault(WHY_NO_IRQ);
	assert_int_equal(iommu_irq_set(&iommu, &far, &address, &data), ERR_RANGE);
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), OK);
	assert_int_equal(interrupt(&units[0], GPU, address, data), 0x351);
	assert_int_equal(interrupt(&units[0], NIC, address, data), BLOCKED);
	assert_fault(WHY_FOREIGN_IRQ);
	assert_int_equal(interrupt(&units[0], GPU, address, data + 1), BLOCKED);
	assert_true(taken_fault().interrupt);
	assert_int_equal(dma(&units[0], GPU, 0, true), BLOCKED);
}

static void an_interrupt_that_is_taken_back_is_blocked_and_its_entry_used_again(void **state)
{
	struct iommu_irq irq = { .source = GPU, .apic_id = 3, .vector = 0x51 };
	struct iommu_irq next = { .source = GPU, .apic_id = 1, .vector = 0x60 };
	u64 address, kept, again;
	u32 data, kept_data, again_data;

	(void)state;
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), OK);
	assert_int_equal(iommu_irq_set(&iommu, &irq, &kept, &kept_data), OK);
	assert_int_equal(interrupt(&units[0], GPU, address, data), 0x351);
	assert_int_equal(iommu_irq_clear(&iommu, NIC, address, data), ERR_NOT_FOUND);
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address, 256), ERR_NOT_FOUND);
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address + 16, data), ERR_NOT_FOUND);
	assert_int_equal(iommu_irq_clear(&iommu, GPU, 0xfeefffff, 0), ERR_NOT_FOUND);
	assert_int_equal(interrupt(&units[0], GPU, address, data), 0x351);
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address, data), OK);
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address, data), ERR_NOT_FOUND);
	assert_int_equal(interrupt(&units[0], GPU, address, data), BLOCKED);
	assert_fault(WHY_NO_IRQ);
	assert_int_equal(iommu_irq_set(&iommu, &next, &again, &again_data), OK);
	assert_int_equal(again, address);
	assert_int_equal(again_data, data);
	assert_int_equal(interrupt(&units[0], GPU, address, data), 0x160);
	assert_int_equal(interrupt(&units[0], GPU, kept, kept_data), 0x351);
}

/* ---- when faults are looked at ------------------------------------------------------ */

static void a_fault_interrupts_once_and_is_looked_at(void **state)
{
	unsigned wakes;

	(void)state;
	iommu_tell_faults(&iommu);
	assert_false(iommu.polled);
	assert_false(listens(&units[0])); /* before the first look */
	fake_start_listening(&iommu);
	assert_true(listens(&units[0]));
	assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 0);
	fake_now_ns += IOMMU_LOOK_NS;
	dma(&units[0], GPU, 0x5000, true);
	wakes = fake_wakes;
	assert_true(fake_take_interrupts());
	assert_int_equal(fake_wakes, wakes + 1);
	assert_false(listens(&units[0]));
	assert_int_equal(fake_look(&iommu, 0), 1);
	assert_int_equal(fake_told[0].iova.raw, 0x5000);
	assert_true(listens(&units[0]));
	assert_false(fake_take_interrupts());
	assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 0);
	assert_int_equal(iommu.faults, 1);
}

static void looks_are_ten_milliseconds_apart_whatever_comes(void **state)
{
	(void)state;
	fake_start_listening(&iommu);
	fake_now_ns += IOMMU_LOOK_NS;
	dma(&units[0], GPU, 0, true);
	assert_true(fake_take_interrupts());
	assert_int_equal(fake_look(&iommu, 0), 1);
	dma(&units[0], GPU, 0, true);
	assert_true(fake_take_interrupts());
	dma(&units[0], NIC, 0, true);
	assert_false(fake_take_interrupts()); /* masked */
	assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS - 1), 0);
	assert_false(listens(&units[0]));
	assert_int_equal(fake_look(&iommu, 1), KEPT_OF_TWO);
	assert_true(listens(&units[0]));
}

/* A storm: for each fault that is taken there is another one. */
static void fault_again(const struct iommu_fault *fault)
{
	fake_tell(fault);
	dma(&units[0], GPU, 0, true);
}

static void eight_are_looked_at_and_the_rest_waits_masked(void **state)
{
	(void)state;
	fake_start_listening(&iommu);
	fake_now_ns += IOMMU_LOOK_NS;
	dma(&units[0], GPU, 0, true);
	assert_true(fake_take_interrupts());
	for (unsigned round = 0; round < 3; round++) {
		fake_told_count = 0;
		iommu_look(&iommu, fault_again);
		assert_int_equal(fake_told_count, 8);
		assert_false(listens(&units[0]));
		assert_false(fake_take_interrupts());
		assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS - 1), 0);
		fake_now_ns++;
	}
	assert_int_equal(fake_look(&iommu, 0), 1);
	assert_true(listens(&units[0]));
}

static void without_a_vector_looks_follow_each_other(void **state)
{
	(void)state;
	fake_messages = 0;
	fake_no_vector = true;
	iommu_tell_faults(&iommu);
	fake_no_vector = false;
	assert_true(iommu.polled);
	for (unsigned i = 0; i < 3; i++) {
		dma(&units[0], GPU, 0, true);
		assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 1);
		assert_false(listens(&units[0]));
		assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS / 2), 0);
	}
	assert_int_equal(fake_messages, 0);
}

/* clang-format off */
#define IOMMU_RULES \
	TEST(starting_denies_every_function), \
	TEST(an_attached_function_reaches_what_is_mapped), \
	TEST(unmapped_memory_is_forgotten_by_the_unit), \
	TEST(a_flush_that_fails_keeps_the_tables), \
	TEST(a_split_page_keeps_translating), \
	TEST(the_interrupt_range_cannot_be_mapped), \
	TEST(a_function_belongs_to_one_domain), \
	TEST(a_detached_function_reaches_nothing_and_may_go_elsewhere), \
	TEST(a_function_that_the_unit_may_remember_counts_as_attached), \
	TEST(a_domain_gives_its_tables_and_its_id_back), \
	TEST_PREPARED(a_unit_that_does_not_answer_is_an_error), \
	TEST(an_interrupt_reaches_its_processor_from_its_source_only), \
	TEST(an_interrupt_that_is_taken_back_is_blocked_and_its_entry_used_again), \
	TEST(a_fault_interrupts_once_and_is_looked_at), \
	TEST(looks_are_ten_milliseconds_apart_whatever_comes), \
	TEST(eight_are_looked_at_and_the_rest_waits_masked), \
	TEST(without_a_vector_looks_follow_each_other)
/* clang-format on */

#endif
