// SPDX-License-Identifier: Apache-2.0
// SOURCES: guest/lapic.c guest/lapic_bus.c guest/lapic_timer.c guest/ioapic.c guest/uart.c
// SOURCES: guest/rtc.c guest/pvclock.c guest/cpuid.c guest/msr.c guest/hypercall.c
// SOURCES: guest/platform.c core/region.c
/* Offers that come back, and the end of an interrupt by a bit in the guest's memory. */
#include "tests/unit/fake_x2apic.h"

/* ---- offers ---- */

static void one_that_comes_back_is_requested_again(void **state)
{
	(void)state;
	start(1);
	lapic_raise(fake_vcpus[0].lapic, 0x51, false);
	assert_int_equal(fake_take_interrupt(0), 0x51);
	lapic_raise(fake_vcpus[0].lapic, 0x51, false); /* while it is on offer: once more */
	lapic_return(&fake_vcpus[0], 0x51);
	assert_int_equal(lapic_in_service(fake_vcpus[0].lapic), -1);
	assert_int_equal(fake_take_interrupt(0), 0x51);
	assert_int_equal(lapic_requested(fake_vcpus[0].lapic), -1);
}

/* ---- the end of an interrupt by a bit in memory ---- */

#define PV_EOI_GPA 0x3000ULL

static u32 *pv_eoi_word_of_guest(void)
{
	return (u32 *)(void *)(fake_ram + PV_EOI_GPA);
}

static void start_pv_eoi(void)
{
	start(1);
	*pv_eoi_word_of_guest() = 0;
	assert_true(fake_wrmsr(0, MSR_KVM_PV_EOI, PV_EOI_GPA | 1));
}

static void a_lent_eoi_ends_the_interrupt_without_an_exit(void **state)
{
	(void)state;
	start_pv_eoi();
	lapic_raise(fake_vcpus[0].lapic, 0x51, false);
	assert_int_equal(fake_take_interrupt(0), 0x51);
	assert_int_equal(*pv_eoi_word_of_guest(), 1);
	assert_int_equal(lapic_pending(&fake_vcpus[0]), -1);
	assert_int_equal(lapic_in_service(fake_vcpus[0].lapic), 0x51); /* its handler runs */
	*pv_eoi_word_of_guest() = 0;				       /* its end */
	lapic_raise(fake_vcpus[0].lapic, 0x31, false);
	assert_int_equal(fake_take_interrupt(0), 0x31);
	assert_int_equal(*pv_eoi_word_of_guest(), 1);
	*pv_eoi_word_of_guest() = 0;
	assert_int_equal(x2_read(0, LAPIC_ISR + 1), 0); /* whoever looks sees it ended */
	assert_int_equal(x2_read(0, LAPIC_PPR), 0);
}

static void it_is_not_lent_where_somebody_waits_for_the_end(void **state)
{
	(void)state;
	start_pv_eoi();
	lapic_raise(fake_vcpus[0].lapic, 0x51, false);
	lapic_raise(fake_vcpus[0].lapic, 0x31, false);
	assert_int_equal(fake_take_interrupt(0), 0x51);
	assert_int_equal(*pv_eoi_word_of_guest(), 0);
	x2_write(0, LAPIC_EOI, 0);
	assert_int_equal(fake_take_interrupt(0), 0x31);
	assert_int_equal(*pv_eoi_word_of_guest(), 1);
	lapic_raise(fake_vcpus[0].lapic, 0x61, false); /* nests: two ends to come */
	assert_int_equal(fake_take_interrupt(0), 0x61);
	assert_int_equal(*pv_eoi_word_of_guest(), 0);
	x2_write(0, LAPIC_EOI, 0);
	x2_write(0, LAPIC_EOI, 0);
	assert_int_equal(lapic_in_service(fake_vcpus[0].lapic), -1);
	lapic_raise(fake_vcpus[0].lapic, 0x41, true); /* the I/O APIC waits for its end */
	assert_int_equal(fake_take_interrupt(0), 0x41);
	assert_int_equal(*pv_eoi_word_of_guest(), 0);
}

static void one_that_comes_meanwhile_takes_it_back(void **state)
{
	(void)state;
	start_pv_eoi();
	lapic_raise(fake_vcpus[0].lapic, 0x51, false);
	assert_int_equal(fake_take_interrupt(0), 0x51);
	lapic_raise(fake_vcpus[0].lapic, 0x31, false);
	assert_int_equal(lapic_pending(&fake_vcpus[0]), -1);
	assert_int_equal(*pv_eoi_word_of_guest(), 0); /* so its end exits, and lets 31h in */
	x2_write(0, LAPIC_EOI, 0);
	assert_int_equal(fake_take_interrupt(0), 0x31);
}

static void an_interrupt_that_only_waits_has_no_end(void **state)
{
	(void)state;
	start_pv_eoi();
	lapic_raise(fake_vcpus[0].lapic, 0x51, false);
	assert_int_equal(lapic_pending(&fake_vcpus[0]), 0x51);
	*pv_eoi_word_of_guest() = 0; /* though nothing is in service */
	assert_int_equal(lapic_pending(&fake_vcpus[0]), 0x51);
	assert_int_equal(lapic_requested(fake_vcpus[0].lapic), 0x51);
}

static void the_register_of_it(void **state)
{
	u64 value;

	(void)state;
	start_pv_eoi();
	assert_true(fake_rdmsr(0, MSR_KVM_PV_EOI, &value));
	assert_true(value == (PV_EOI_GPA | 1));
	assert_false(fake_wrmsr(0, MSR_KVM_PV_EOI, PV_EOI_GPA | 2));
	assert_true(fake_wrmsr(0, MSR_KVM_PV_EOI, PV_EOI_GPA)); /* off */
	lapic_raise(fake_vcpus[0].lapic, 0x51, false);
	assert_int_equal(fake_take_interrupt(0), 0x51);
	assert_int_equal(*pv_eoi_word_of_guest(), 0);
	x2_write(0, LAPIC_EOI, 0);
	assert_true(fake_wrmsr(0, MSR_KVM_PV_EOI, (1ULL << 46) | 1)); /* no RAM there */
	lapic_raise(fake_vcpus[0].lapic, 0x51, false);
	assert_int_equal(fake_take_interrupt(0), 0x51);
	assert_int_equal(lapic_pending(&fake_vcpus[0]), -1);
	assert_int_equal(lapic_in_service(fake_vcpus[0].lapic), 0x51);
	lapic_init(fake_vcpus[0].lapic);
	assert_true(fake_rdmsr(0, MSR_KVM_PV_EOI, &value));
	assert_true(value == 0);
}

/* What ended by the bit before a register changed must not be in service for ever. */
static void an_end_by_the_bit_counts_before_its_register_changes(void **state)
{
	(void)state;
	start_pv_eoi();
	lapic_raise(fake_vcpus[0].lapic, 0x51, false);
	assert_int_equal(fake_take_interrupt(0), 0x51);
	*pv_eoi_word_of_guest() = 0;
	assert_true(fake_wrmsr(0, MSR_KVM_PV_EOI, 0));
	assert_int_equal(lapic_in_service(fake_vcpus[0].lapic), -1);
}

static void a_bit_that_is_still_lent_goes_with_its_register(void **state)
{
	(void)state;
	start_pv_eoi();
	lapic_raise(fake_vcpus[0].lapic, 0x51, false);
	assert_int_equal(fake_take_interrupt(0), 0x51);
	assert_true(fake_wrmsr(0, MSR_KVM_PV_EOI, 0));
	assert_int_equal(*pv_eoi_word_of_guest(), 0);
	assert_int_equal(lapic_in_service(fake_vcpus[0].lapic), 0x51);
	x2_write(0, LAPIC_EOI, 0);
	assert_int_equal(lapic_in_service(fake_vcpus[0].lapic), -1);
}

/* Before the processor may take the registers over, which does not know of the bit. */
static void an_end_by_the_bit_counts_before_the_mode_changes(void **state)
{
	(void)state;
	fake_vm_start(1);
	assert_true(fake_wrmsr(0, MSR_KVM_PV_EOI, PV_EOI_GPA | 1));
	*pv_eoi_word_of_guest() = 0;
	fake_access(lapic_mmio, NULL, 0, LAPIC_SVR * 16, 4, true, 0x1ff);
	lapic_raise(fake_vcpus[0].lapic, 0x51, false);
	assert_int_equal(fake_take_interrupt(0), 0x51);
	assert_int_equal(*pv_eoi_word_of_guest(), 1);
	*pv_eoi_word_of_guest() = 0;
	enter_x2apic(0);
	assert_int_equal(lapic_highest(fake_own[0].lapic.s.isr), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_comes_back_is_requested_again),
		cmocka_unit_test(a_lent_eoi_ends_the_interrupt_without_an_exit),
		cmocka_unit_test(it_is_not_lent_where_somebody_waits_for_the_end),
		cmocka_unit_test(one_that_comes_meanwhile_takes_it_back),
		cmocka_unit_test(an_interrupt_that_only_waits_has_no_end),
		cmocka_unit_test(the_register_of_it),
		cmocka_unit_test(an_end_by_the_bit_counts_before_its_register_changes),
		cmocka_unit_test(a_bit_that_is_still_lent_goes_with_its_register),
		cmocka_unit_test(an_end_by_the_bit_counts_before_the_mode_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
