// SPDX-License-Identifier: Apache-2.0
// SOURCES: guest/lapic.c guest/lapic_bus.c guest/lapic_timer.c guest/ioapic.c guest/uart.c
// SOURCES: guest/rtc.c guest/pvclock.c guest/cpuid.c guest/msr.c guest/hypercall.c
// SOURCES: guest/platform.c core/region.c
/* Rules of the local APIC: modes, priorities, messages, timer (SDM 3A chapter 11). */
#include "tests/unit/fake_x2apic.h"

#define DEADLINE_MSR 0x6e0u

static u32 page_read(u32 vcpu, u32 reg)
{
	return (u32)fake_access(lapic_mmio, NULL, vcpu, reg * 16, 4, false, 0);
}

static void page_write(u32 vcpu, u32 reg, u32 value)
{
	fake_access(lapic_mmio, NULL, vcpu, reg * 16, 4, true, value);
}

/* ---- modes ---- */

static void reset_is_xapic_and_only_vcpu_0_is_bsp(void **state)
{
	(void)state;
	fake_vm_start(2);
	assert_int_equal(base_of(0), LAPIC_BASE | APIC_BASE_ENABLE | APIC_BASE_BSP);
	assert_int_equal(base_of(1), LAPIC_BASE | APIC_BASE_ENABLE);
	assert_int_equal(page_read(1, LAPIC_ID), 1u << 24);
	assert_int_equal(page_read(0, LAPIC_VER), LAPIC_VERSION);
	assert_int_equal(page_read(0, LAPIC_SVR), 0xff);
	assert_int_equal(page_read(0, LAPIC_LVT_TIMER), LVT_MASKED);
}

static void illegal_mode_changes_fault(void **state)
{
	u64 base = LAPIC_BASE | APIC_BASE_BSP;

	(void)state;
	fake_vm_start(1);
	/* x2APIC without enable */
	assert_false(fake_wrmsr(0, APIC_BASE_MSR, base | APIC_BASE_X2APIC));
	/* another base, reserved bits */
	assert_false(fake_wrmsr(0, APIC_BASE_MSR, (base | APIC_BASE_ENABLE) + 0x1000));
	assert_false(fake_wrmsr(0, APIC_BASE_MSR, base | APIC_BASE_ENABLE | BIT(9)));
	/* disabled to x2APIC at once */
	assert_true(fake_wrmsr(0, APIC_BASE_MSR, base));
	assert_false(fake_wrmsr(0, APIC_BASE_MSR, base | APIC_BASE_ENABLE | APIC_BASE_X2APIC));
	/* disabled, xAPIC, x2APIC */
	assert_true(fake_wrmsr(0, APIC_BASE_MSR, base | APIC_BASE_ENABLE));
	assert_true(fake_wrmsr(0, APIC_BASE_MSR, base | APIC_BASE_ENABLE | APIC_BASE_X2APIC));
	/* back to xAPIC is not possible, off is */
	assert_false(fake_wrmsr(0, APIC_BASE_MSR, base | APIC_BASE_ENABLE));
	assert_true(fake_wrmsr(0, APIC_BASE_MSR, base));
}

static void x2apic_msrs_fault_in_xapic_mode_and_the_page_is_gone_in_x2apic_mode(void **state)
{
	struct access access = { .offset = 0x20, .size = 4 };
	u64 value;

	(void)state;
	fake_vm_start(1);
	assert_false(fake_rdmsr(0, X2(LAPIC_ID), &value));
	assert_false(fake_wrmsr(0, X2(LAPIC_EOI), 0));
	enter_x2apic(0);
	assert_int_equal(lapic_mmio(&fake_vcpus[0], NULL, &access), ACCESS_NOT_MINE);
}

static void x2apic_reserved_bits_and_directions_fault(void **state)
{
	u64 value;

	(void)state;
	start(1);
	assert_false(fake_wrmsr(0, X2(LAPIC_EOI), 1));
	assert_false(fake_wrmsr(0, X2(LAPIC_ESR), 1));
	assert_false(fake_wrmsr(0, X2(LAPIC_TPR), 0x100));
	assert_false(fake_wrmsr(0, X2(LAPIC_SVR), BIT(9)));
	assert_false(fake_wrmsr(0, X2(LAPIC_LVT_TIMER), BIT(20)));
	assert_false(fake_wrmsr(0, X2(LAPIC_TIMER_DIVIDE), 4));
	assert_false(fake_wrmsr(0, X2(LAPIC_SELF_IPI), 0x100));
	assert_false(fake_wrmsr(0, X2(LAPIC_ICR), BIT(20)));
	/* read-only */
	assert_false(fake_wrmsr(0, X2(LAPIC_ID), 0));
	assert_false(fake_wrmsr(0, X2(LAPIC_LDR), 0));
	assert_false(fake_wrmsr(0, X2(LAPIC_TIMER_CURRENT), 0));
	/* write-only, absent */
	assert_false(fake_rdmsr(0, X2(LAPIC_EOI), &value));
	assert_false(fake_rdmsr(0, X2(LAPIC_SELF_IPI), &value));
	assert_false(fake_rdmsr(0, X2(LAPIC_DFR), &value));
	assert_false(fake_rdmsr(0, X2(LAPIC_ICR2), &value));
}

static void x2apic_ids(void **state)
{
	(void)state;
	start(4);
	assert_int_equal(x2_read(3, LAPIC_ID), 3);
	assert_int_equal(x2_read(3, LAPIC_LDR), 8);
}

/* ---- priorities ---- */

static void the_highest_vector_comes_first_and_eoi_lets_the_next_in(void **state)
{
	(void)state;
	start(1);
	lapic_raise(fake_vcpus[0].lapic, 0x31, false);
	lapic_raise(fake_vcpus[0].lapic, 0xf3, false);
	assert_int_equal(fake_vcpus[0].requests, VCPU_REQ_EVENT);
	assert_int_equal(fake_take_interrupt(0), 0xf3);
	assert_int_equal(fake_take_interrupt(0), -1);
	assert_int_equal(x2_read(0, LAPIC_PPR), 0xf0);
	x2_write(0, LAPIC_EOI, 0);
	assert_int_equal(fake_take_interrupt(0), 0x31);
	x2_write(0, LAPIC_EOI, 0);
	assert_int_equal(fake_take_interrupt(0), -1);
	assert_int_equal(x2_read(0, LAPIC_PPR), 0);
}

static void an_interrupt_nests_only_over_a_lower_class(void **state)
{
	(void)state;
	start(1);
	lapic_raise(fake_vcpus[0].lapic, 0x41, false);
	assert_int_equal(fake_take_interrupt(0), 0x41);
	lapic_raise(fake_vcpus[0].lapic, 0x4f, false); /* same class */
	assert_int_equal(fake_take_interrupt(0), -1);
	lapic_raise(fake_vcpus[0].lapic, 0x50, false);
	assert_int_equal(fake_take_interrupt(0), 0x50);
	x2_write(0, LAPIC_EOI, 0); /* ends 0x50, the highest */
	assert_int_equal(x2_read(0, LAPIC_ISR + 2), BIT(1));
	x2_write(0, LAPIC_EOI, 0);
	assert_int_equal(fake_take_interrupt(0), 0x4f);
}

static void the_task_priority_holds_interrupts_back(void **state)
{
	(void)state;
	start(1);
	x2_write(0, LAPIC_TPR, 0x50);
	lapic_raise(fake_vcpus[0].lapic, 0x5f, false);
	assert_int_equal(fake_take_interrupt(0), -1);
	*fake_vcpus[0].arch.tpr = 0x40; /* as MOV to CR8 does */
	assert_int_equal(x2_read(0, LAPIC_PPR), 0x40);
	assert_int_equal(fake_take_interrupt(0), 0x5f);
}

static void an_eoi_with_nothing_in_service_does_nothing(void **state)
{
	(void)state;
	start(1);
	x2_write(0, LAPIC_EOI, 0);
	assert_int_equal(fake_take_interrupt(0), -1);
}

/* ---- messages ---- */

static void icr(u32 vcpu, u32 destination, u32 low)
{
	x2_write(vcpu, LAPIC_ICR, (u64)destination << 32 | low);
}

static void an_ipi_reaches_the_vcpu_that_it_names(void **state)
{
	(void)state;
	start(4);
	icr(0, 2, 0x4000 | 0x77);
	assert_int_equal(fake_take_interrupt(2), 0x77);
	for (u32 i = 0; i < 4; i++)
		assert_int_equal(fake_vcpus[i].requests, i == 2 ? VCPU_REQ_EVENT : 0);
	icr(0, 9, 0x4000 | 0x77); /* nobody */
}

static void shorthands(void **state)
{
	(void)state;
	start(3);
	icr(1, 0, 1u << 18 | 0x71); /* self */
	icr(1, 0, 2u << 18 | 0x72); /* all */
	icr(1, 0, 3u << 18 | 0x73); /* all others */
	assert_int_equal(fake_take_interrupt(0), 0x73);
	assert_int_equal(fake_take_interrupt(1), 0x72);
	assert_int_equal(fake_take_interrupt(2), 0x73);
	x2_write(1, LAPIC_EOI, 0);
	assert_int_equal(fake_take_interrupt(1), 0x71);
	x2_write(1, LAPIC_EOI, 0);
	x2_write(1, LAPIC_SELF_IPI, 0x88);
	assert_int_equal(fake_take_interrupt(1), 0x88);
}

static void a_logical_destination_names_a_set(void **state)
{
	(void)state;
	start(4);
	icr(0, 0xa, 1u << 11 | 0x99); /* cluster 0, members 1 and 3 */
	assert_int_equal(fake_take_interrupt(0), -1);
	assert_int_equal(fake_take_interrupt(1), 0x99);
	assert_int_equal(fake_take_interrupt(2), -1);
	assert_int_equal(fake_take_interrupt(3), 0x99);
	icr(0, 1u << 16 | 0xf, 1u << 11 | 0x9a); /* cluster 1: nobody */
	assert_int_equal(lapic_pending(&fake_vcpus[2]), -1);
	icr(0, 0xffffffff, 0x9b); /* physical broadcast */
	assert_int_equal(fake_take_interrupt(2), 0x9b);
}

static void lowest_priority_picks_one_that_is_free(void **state)
{
	u32 got = 0;

	(void)state;
	start(3);
	x2_write(0, LAPIC_TPR, 0x80);
	icr(0, 7, 1u << 11 | 1u << 8 | 0x99);
	icr(0, 7, 1u << 11 | 1u << 8 | 0x99);
	for (u32 i = 0; i < 3; i++)
		got |= fake_take_interrupt(i) == 0x99 ? 1u << i : 0;
	assert_int_equal(got, 6);
}

static void init_sipi_and_nmi_become_requests(void **state)
{
	(void)state;
	start(3);
	icr(0, 1, 0x4500);
	assert_int_equal(fake_vcpus[1].requests, VCPU_REQ_INIT);
	icr(0, 1, 0x8500); /* level de-assert: nothing */
	icr(0, 1, 0x4600 | 0x9f);
	assert_int_equal(fake_vcpus[1].requests, VCPU_REQ_INIT | VCPU_REQ_SIPI);
	assert_int_equal(fake_vcpus[1].sipi_vector, 0x9f);
	icr(0, 2, 0x4400);
	assert_int_equal(fake_vcpus[2].requests, VCPU_REQ_NMI);
	assert_int_equal(fake_vcpus[0].requests, 0);
}

static void init_keeps_the_mode_and_clears_the_rest(void **state)
{
	(void)state;
	start(2);
	lapic_raise(fake_vcpus[1].lapic, 0x55, false);
	x2_write(1, LAPIC_TPR, 0x20);
	platform_vcpu_init(&fake_vcpus[1]);
	assert_int_equal(base_of(1), LAPIC_BASE | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	assert_int_equal(x2_read(1, LAPIC_TPR), 0);
	assert_int_equal(x2_read(1, LAPIC_SVR), 0xff);
	assert_int_equal(fake_take_interrupt(1), -1);
}

static void a_disabled_apic_takes_no_fixed_interrupt_but_nmi_and_init(void **state)
{
	(void)state;
	start(2);
	x2_write(1, LAPIC_SVR, 0xff);
	icr(0, 1, 0x66);
	assert_int_equal(fake_take_interrupt(1), -1);
	icr(0, 1, 0x4400);
	assert_int_equal(fake_vcpus[1].requests, VCPU_REQ_NMI);
}

static void illegal_vectors_set_error_bits_and_raise_lvt_error(void **state)
{
	(void)state;
	start(2);
	x2_write(0, LAPIC_LVT_ERROR, 0xe0);
	icr(0, 1, 0x0f);
	assert_int_equal(x2_read(0, LAPIC_ESR), 0); /* latched by a write only */
	x2_write(0, LAPIC_ESR, 0);
	assert_int_equal(x2_read(0, LAPIC_ESR), ESR_SEND_VECTOR);
	x2_write(0, LAPIC_ESR, 0);
	assert_int_equal(x2_read(0, LAPIC_ESR), 0);
	assert_int_equal(fake_take_interrupt(0), 0xe0);
	lapic_send_msi(&fake_vm, 0xfee01000, 0x05);
	x2_write(1, LAPIC_ESR, 0);
	assert_int_equal(x2_read(1, LAPIC_ESR), ESR_RECEIVE_VECTOR);
}

static void an_msi_is_decoded(void **state)
{
	(void)state;
	start(2);
	lapic_send_msi(&fake_vm, 0xfee01000, 0x43);
	assert_int_equal(fake_take_interrupt(1), 0x43);
	lapic_send_msi(&fake_vm, 0xfee00000 | 1u << 12 | 0xc, 0x44); /* logical, hint: member 0 */
	assert_int_equal(fake_take_interrupt(0), 0x44);
	lapic_send_msi(&fake_vm, 0xfed00000, 0x45); /* not a message */
	lapic_send_msi(&fake_vm, 0x1fee00000, 0x45);
	lapic_send_msi(&fake_vm, 0xfee00000, 0x600 | 0x45); /* SIPI */
	assert_int_equal(lapic_pending(&fake_vcpus[0]), -1);
	assert_int_equal(fake_vcpus[0].requests & VCPU_REQ_SIPI, 0);
}

static void xapic_logical_flat_and_cluster(void **state)
{
	(void)state;
	fake_vm_start(2);
	for (u32 i = 0; i < 2; i++) {
		page_write(i, LAPIC_SVR, 0x1ff);
		page_write(i, LAPIC_LDR, 1u << (24 + i));
	}
	page_write(0, LAPIC_ICR2, 3u << 24);
	page_write(0, LAPIC_ICR, 1u << 11 | 0x61);
	assert_int_equal(fake_take_interrupt(0), 0x61);
	assert_int_equal(fake_take_interrupt(1), 0x61);
	assert_int_equal(page_read(0, LAPIC_ICR2), 3u << 24);

	page_write(1, LAPIC_EOI, 0);
	page_write(1, LAPIC_DFR, 0x0fffffff);
	page_write(1, LAPIC_LDR, 0x21u << 24); /* cluster 2, member 0 */
	page_write(0, LAPIC_ICR2, 0x21u << 24);
	page_write(0, LAPIC_ICR, 1u << 11 | 0x62);
	assert_int_equal(fake_take_interrupt(1), 0x62);
	page_write(1, LAPIC_EOI, 0);
	page_write(0, LAPIC_ICR2, 0x11u << 24); /* cluster 1 */
	page_write(0, LAPIC_ICR, 1u << 11 | 0x63);
	assert_int_equal(fake_take_interrupt(1), -1);
}

static void odd_accesses_to_the_page_are_harmless(void **state)
{
	(void)state;
	fake_vm_start(1);
	assert_int_equal(fake_access(lapic_mmio, NULL, 0, 0x20, 1, false, 0), 0);
	assert_int_equal(fake_access(lapic_mmio, NULL, 0, 0x24, 4, false, 0), 0);
	assert_int_equal(fake_access(lapic_mmio, NULL, 0, 0xffc, 4, false, 0), 0);
	fake_access(lapic_mmio, NULL, 0, 0xff0, 4, true, 0xffffffff);
}

/* ---- timer ---- */

static void the_tsc_deadline_fires_once(void **state)
{
	u64 value;

	(void)state;
	start(1);
	fake_vcpus[0].arch.tsc_offset = (u64)-500;
	x2_write(0, LAPIC_LVT_TIMER, 2u << 17 | 0xec);
	/* guest TSC = 2 * ns - 500 */
	assert_true(fake_wrmsr(0, DEADLINE_MSR, (1000 + 300) * 2 - 500));
	assert_true(fake_rdmsr(0, DEADLINE_MSR, &value));
	assert_int_equal(value, 2100);
	fake_advance(299);
	assert_int_equal(fake_take_interrupt(0), -1);
	fake_advance(1);
	assert_int_equal(fake_take_interrupt(0), 0xec);
	assert_true(fake_rdmsr(0, DEADLINE_MSR, &value));
	assert_int_equal(value, 0);
	x2_write(0, LAPIC_EOI, 0);
	fake_advance(10000);
	assert_int_equal(fake_take_interrupt(0), -1);
}

static void a_deadline_in_the_past_fires_at_once_and_a_far_one_never(void **state)
{
	(void)state;
	start(1);
	x2_write(0, LAPIC_LVT_TIMER, 2u << 17 | 0xec);
	assert_true(fake_wrmsr(0, DEADLINE_MSR, 1));
	assert_int_equal(fake_take_interrupt(0), 0xec);
	assert_true(fake_wrmsr(0, DEADLINE_MSR, ~0ULL));
	assert_false(list_is_linked(&fake_own[0].lapic.timer.node));
	fake_vcpus[0].arch.tsc_offset = (u64)-5000;
	assert_true(fake_wrmsr(0, DEADLINE_MSR, ~0ULL));
	assert_false(list_is_linked(&fake_own[0].lapic.timer.node));
	assert_true(fake_wrmsr(0, DEADLINE_MSR, 0)); /* disarms */
	fake_advance(100000);
	assert_int_equal(fake_take_interrupt(0), -1);
}

static void the_deadline_msr_is_dead_in_other_modes(void **state)
{
	u64 value;

	(void)state;
	start(1);
	x2_write(0, LAPIC_LVT_TIMER, 0xec);
	assert_true(fake_wrmsr(0, DEADLINE_MSR, 3000));
	assert_true(fake_rdmsr(0, DEADLINE_MSR, &value));
	assert_int_equal(value, 0);
	fake_advance(10000);
	assert_int_equal(fake_take_interrupt(0), -1);
	/* and the initial count is dead in deadline mode */
	x2_write(0, LAPIC_LVT_TIMER, 2u << 17 | 0xec);
	x2_write(0, LAPIC_TIMER_INITIAL, 100);
	assert_int_equal(x2_read(0, LAPIC_TIMER_CURRENT), 0);
	fake_advance(10000);
	assert_int_equal(fake_take_interrupt(0), -1);
}

static void one_shot_counts_down_and_fires_once(void **state)
{
	(void)state;
	start(1);
	x2_write(0, LAPIC_LVT_TIMER, 0xec);
	x2_write(0, LAPIC_TIMER_DIVIDE, 0x3); /* by 16 */
	x2_write(0, LAPIC_TIMER_INITIAL, 1000);
	fake_advance(8000);
	assert_int_equal(x2_read(0, LAPIC_TIMER_CURRENT), 500);
	assert_int_equal(fake_take_interrupt(0), -1);
	fake_advance(8000);
	assert_int_equal(fake_take_interrupt(0), 0xec);
	x2_write(0, LAPIC_EOI, 0);
	assert_int_equal(x2_read(0, LAPIC_TIMER_CURRENT), 0);
	fake_advance(100000);
	assert_int_equal(fake_take_interrupt(0), -1);
}

static void a_one_shot_that_expires_while_masked_is_lost(void **state)
{
	(void)state;
	start(1);
	x2_write(0, LAPIC_LVT_TIMER, LVT_MASKED | 0xec);
	x2_write(0, LAPIC_TIMER_DIVIDE, 0xb);
	x2_write(0, LAPIC_TIMER_INITIAL, 1000);
	fake_advance(500);
	assert_int_equal(x2_read(0, LAPIC_TIMER_CURRENT), 500);
	fake_advance(1000);
	x2_write(0, LAPIC_LVT_TIMER, 0xec);
	fake_advance(100000);
	assert_int_equal(fake_take_interrupt(0), -1);
}

static void periodic_keeps_its_phase_and_drops_missed_ticks(void **state)
{
	(void)state;
	start(1);
	x2_write(0, LAPIC_LVT_TIMER, 1u << 17 | 0xec);
	x2_write(0, LAPIC_TIMER_DIVIDE, 0xb); /* by 1 */
	x2_write(0, LAPIC_TIMER_INITIAL, 100000);
	fake_advance(100000);
	assert_int_equal(fake_take_interrupt(0), 0xec);
	x2_write(0, LAPIC_EOI, 0);
	assert_int_equal(fake_own[0].lapic.timer.deadline_ns, 1000 + 200000);
	/* The vCPU had no processor for five periods and a half: one interrupt. */
	fake_advance(550000);
	assert_int_equal(fake_take_interrupt(0), 0xec);
	x2_write(0, LAPIC_EOI, 0);
	assert_int_equal(fake_take_interrupt(0), -1);
	assert_int_equal(fake_own[0].lapic.timer.deadline_ns, 1000 + 700000);
	assert_int_equal(x2_read(0, LAPIC_TIMER_CURRENT), 50000);
}

static void a_periodic_timer_cannot_run_faster_than_the_bound(void **state)
{
	u32 fired = 0;

	(void)state;
	start(1);
	x2_write(0, LAPIC_LVT_TIMER, 1u << 17 | 0xec);
	x2_write(0, LAPIC_TIMER_DIVIDE, 0xb);
	x2_write(0, LAPIC_TIMER_INITIAL, 1);
	for (u32 ns = 0; ns < 1000000; ns += 100) {
		fake_advance(100);
		if (fake_take_interrupt(0) == 0xec) {
			x2_write(0, LAPIC_EOI, 0);
			fired++;
		}
	}
	assert_int_equal(fired, 1000000 / LAPIC_MIN_PERIOD_NS);
}

static void changing_the_mode_to_deadline_disarms(void **state)
{
	(void)state;
	start(1);
	x2_write(0, LAPIC_LVT_TIMER, 1u << 17 | 0xec);
	x2_write(0, LAPIC_TIMER_INITIAL, 100000);
	x2_write(0, LAPIC_LVT_TIMER, 2u << 17 | 0xec);
	assert_false(list_is_linked(&fake_own[0].lapic.timer.node));
	fake_advance(1000000);
	assert_int_equal(fake_take_interrupt(0), -1);
}

static void an_expiry_that_crosses_a_new_deadline_does_not_disarm_it(void **state)
{
	struct timer *timer = &fake_own[0].lapic.timer;
	u64 value;

	(void)state;
	start(1);
	x2_write(0, LAPIC_LVT_TIMER, 2u << 17 | 0xec);
	assert_true(fake_wrmsr(0, DEADLINE_MSR, 4000));
	assert_true(fake_wrmsr(0, DEADLINE_MSR, 8000));
	timer->fire(timer); /* the old one, late, on another CPU */
	(void)fake_take_interrupt(0);
	assert_true(fake_rdmsr(0, DEADLINE_MSR, &value));
	assert_int_equal(value, 8000);
	assert_true(list_is_linked(&timer->node));
}

static void software_disable_masks_every_lvt_entry(void **state)
{
	(void)state;
	start(1);
	x2_write(0, LAPIC_LVT_TIMER, 0xec);
	x2_write(0, LAPIC_TIMER_INITIAL, 1000);
	x2_write(0, LAPIC_SVR, 0xff);
	assert_int_equal(x2_read(0, LAPIC_LVT_TIMER), LVT_MASKED | 0xec);
	x2_write(0, LAPIC_LVT_ERROR, 0xe0);
	assert_int_equal(x2_read(0, LAPIC_LVT_ERROR), LVT_MASKED | 0xe0);
	fake_advance(1000000);
	assert_int_equal(fake_take_interrupt(0), -1);
}

/* ---- a processor that delivers by itself (virt_ops.apic_mode) ---- */

#define IN_PAGE(vcpu, reg) (pages[vcpu][(reg)*4])

static u32 pages[VM_MAX_VCPUS][PAGE_SIZE / 4];
static u64 told_levels[4];
static u32 levels_told;
static u8 told_request, told_in_service;

static void deliver_mode(struct arch_vcpu *arch, bool x2apic, u8 in_service)
{
	if (x2apic == arch->apic_delivers)
		return;
	arch->apic_delivers = x2apic;
	told_in_service = in_service;
	memset(told_levels, 0, sizeof(told_levels));
}

static void deliver_request(struct arch_vcpu *arch, u8 vector)
{
	assert_true(arch->apic_delivers);
	told_request = vector;
}

static void deliver_eoi_exits(struct arch_vcpu *arch, const u64 *vectors)
{
	assert_true(arch->apic_delivers);
	memcpy(told_levels, vectors, sizeof(told_levels));
	levels_told++;
}

static struct virt_ops delivering;

static void start_delivering(u32 count)
{
	delivering = fake_virt;
	delivering.apic_mode = deliver_mode;
	delivering.apic_request = deliver_request;
	delivering.apic_eoi_exits = deliver_eoi_exits;
	virt = &delivering;
	fake_vm_start(count);
	memset(pages, 0, sizeof(pages));
	for (u32 i = 0; i < count; i++) {
		fake_vcpus[i].arch.apic_page = pages[i];
		fake_vcpus[i].arch.tpr = &IN_PAGE(i, LAPIC_TPR);
	}
	levels_told = 0;
}

static int back_to_the_plain_processor(void **state)
{
	(void)state;
	virt = &fake_virt;
	return 0;
}

/* SDM vol. 3, 30.2.2: the vector goes into service. */
static void processor_delivers(u32 vcpu, u8 vector)
{
	const u32 bit = 1u << vector % 32;

	assert_true(IN_PAGE(vcpu, LAPIC_IRR + vector / 32) & bit);
	IN_PAGE(vcpu, LAPIC_IRR + vector / 32) &= ~bit;
	IN_PAGE(vcpu, LAPIC_ISR + vector / 32) |= bit;
}

static void requests_of_other_cpus_move_to_the_page(void **state)
{
	(void)state;
	start_delivering(2);
	enter_x2apic(0);
	enter_x2apic(1);
	icr(0, 1, 0x31);
	icr(0, 1, 0xf3);
	assert_int_equal(IN_PAGE(1, LAPIC_IRR + 7), 0); /* that CPU alone writes its page */
	assert_int_equal(lapic_requested(fake_vcpus[1].lapic), 0xf3);
	assert_int_equal(x2_read(1, LAPIC_IRR + 1), BIT(0x11));
	assert_int_equal(lapic_pending(&fake_vcpus[1]), 0xf3);
	assert_int_equal(told_request, 0xf3);
	assert_int_equal(IN_PAGE(1, LAPIC_IRR + 7), BIT(0x13));
	assert_int_equal(IN_PAGE(1, LAPIC_IRR + 1), BIT(0x11));
	assert_int_equal(lapic_highest(fake_own[1].lapic.s.irr), -1);
	assert_int_equal(lapic_requested(fake_vcpus[1].lapic), 0xf3);
	assert_int_equal(x2_read(1, LAPIC_IRR + 7), BIT(0x13));
	processor_delivers(1, 0xf3);
	assert_int_equal(x2_read(1, LAPIC_ISR + 7), BIT(0x13));
	assert_int_equal(x2_read(1, LAPIC_PPR), 0xf0);
	assert_int_equal(lapic_in_service(fake_vcpus[1].lapic), 0xf3);
	told_request = 0xaa;
	assert_int_equal(lapic_pending(&fake_vcpus[1]), -1);
	assert_int_equal(told_request, 0xaa); /* nothing new: the processor knows it all */
	fake_vcpus[1].halted = true;	      /* now we have to know whether it is to wake */
	assert_int_equal(lapic_pending(&fake_vcpus[1]), -1); /* 31h has to wait, */
	assert_int_equal(told_request, 0x31);		     /* which is the processor's to judge */
	IN_PAGE(1, LAPIC_ISR + 7) = 0;			     /* EOI */
	assert_int_equal(lapic_pending(&fake_vcpus[1]), 0x31);
	processor_delivers(1, 0x31);
	assert_int_equal(lapic_pending(&fake_vcpus[1]), -1);
	assert_int_equal(told_request, 0);
}

static void the_end_of_a_level_vector_exits(void **state)
{
	(void)state;
	start_delivering(1);
	enter_x2apic(0);
	lapic_raise(fake_vcpus[0].lapic, 0x81, true);
	lapic_raise(fake_vcpus[0].lapic, 0x82, false);
	assert_int_equal(lapic_pending(&fake_vcpus[0]), 0x82);
	assert_int_equal(told_levels[2], BIT(1));
	assert_int_equal(levels_told, 1);
	(void)lapic_pending(&fake_vcpus[0]);
	assert_int_equal(levels_told, 1); /* told when it changes */
	lapic_raise(fake_vcpus[0].lapic, 0x81, false);
	(void)lapic_pending(&fake_vcpus[0]);
	assert_int_equal(told_levels[2], 0);
}

static void interrupts_in_service_go_along_into_x2apic_mode(void **state)
{
	(void)state;
	start_delivering(1);
	page_write(0, LAPIC_SVR, 0x1ff);
	page_write(0, LAPIC_TPR, 0x20);
	lapic_raise(fake_vcpus[0].lapic, 0x51, true);
	assert_int_equal(fake_take_interrupt(0), 0x51);
	lapic_raise(fake_vcpus[0].lapic, 0x63, false);
	memset(&pages[0][LAPIC_ISR * 4], 0xcc, 0x100); /* from an earlier stay */
	memset(&pages[0][LAPIC_IRR * 4], 0xcc, 0x80);
	enter_x2apic(0);
	assert_int_equal(told_in_service, 0x51);
	for (u32 i = 0; i < 8; i++) {
		assert_int_equal(IN_PAGE(0, LAPIC_ISR + i), i == 2 ? BIT(0x11) : 0);
		assert_int_equal(IN_PAGE(0, LAPIC_IRR + i), 0);
	}
	assert_int_equal(lapic_highest(fake_own[0].lapic.s.isr), -1);
	assert_int_equal(x2_read(0, LAPIC_TPR), 0x20);
	assert_int_equal(x2_read(0, LAPIC_PPR), 0x50);
	assert_int_equal(lapic_pending(&fake_vcpus[0]), 0x63);
	assert_int_equal(told_levels[1], BIT(0x11)); /* its EOI still has to come to us */
}

static void init_leaves_nothing_in_the_page(void **state)
{
	(void)state;
	start_delivering(1);
	enter_x2apic(0);
	lapic_raise(fake_vcpus[0].lapic, 0x51, true);
	lapic_raise(fake_vcpus[0].lapic, 0x52, false);
	(void)lapic_pending(&fake_vcpus[0]);
	processor_delivers(0, 0x52);
	lapic_raise(fake_vcpus[0].lapic, 0x53, false);
	fake_vcpus[0].arch.apic_delivers = false; /* as vcpu_reset() does before */
	told_in_service = 0xff;
	platform_vcpu_init(&fake_vcpus[0]);
	assert_true(fake_vcpus[0].arch.apic_delivers); /* INIT keeps the mode */
	assert_int_equal(told_in_service, 0);
	assert_int_equal(lapic_requested(fake_vcpus[0].lapic), -1);
	assert_int_equal(lapic_in_service(fake_vcpus[0].lapic), -1);
	fake_vcpus[0].halted = true;
	assert_int_equal(lapic_pending(&fake_vcpus[0]), -1);
	assert_int_equal(told_request, 0);
	lapic_raise(fake_vcpus[0].lapic, 0x51, true);
	(void)lapic_pending(&fake_vcpus[0]);
	assert_int_equal(told_levels[1], BIT(0x11)); /* told anew, */
	fake_vcpus[0].arch.apic_delivers = false;
	platform_vcpu_init(&fake_vcpus[0]);
	lapic_raise(fake_vcpus[0].lapic, 0x51, true);
	(void)lapic_pending(&fake_vcpus[0]);
	assert_int_equal(told_levels[1], BIT(0x11)); /* though it is as before INIT */
}

static void leaving_x2apic_mode_takes_the_registers_back(void **state)
{
	const u64 base = LAPIC_BASE | APIC_BASE_BSP;

	(void)state;
	start_delivering(1);
	enter_x2apic(0);
	lapic_raise(fake_vcpus[0].lapic, 0x51, false);
	(void)lapic_pending(&fake_vcpus[0]);
	assert_true(fake_wrmsr(0, APIC_BASE_MSR, base));
	assert_false(fake_vcpus[0].arch.apic_delivers);
	assert_int_equal(lapic_pending(&fake_vcpus[0]), -1);
	assert_true(fake_wrmsr(0, APIC_BASE_MSR, base | APIC_BASE_ENABLE));
	assert_false(fake_vcpus[0].arch.apic_delivers); /* the page is for x2APIC alone */
	page_write(0, LAPIC_SVR, 0x1ff);
	assert_int_equal(page_read(0, LAPIC_IRR + 2), 0); /* what was in it is gone */
	lapic_raise(fake_vcpus[0].lapic, 0x61, false);
	assert_int_equal(fake_take_interrupt(0), 0x61);
	assert_int_equal(page_read(0, LAPIC_ISR + 3), BIT(1));
	page_write(0, LAPIC_EOI, 0);
	assert_int_equal(page_read(0, LAPIC_ISR + 3), 0);
}

#define DELIVERING(name) cmocka_unit_test_teardown(name, back_to_the_plain_processor)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reset_is_xapic_and_only_vcpu_0_is_bsp),
		cmocka_unit_test(illegal_mode_changes_fault),
		cmocka_unit_test(
			x2apic_msrs_fault_in_xapic_mode_and_the_page_is_gone_in_x2apic_mode),
		cmocka_unit_test(x2apic_reserved_bits_and_directions_fault),
		cmocka_unit_test(x2apic_ids),
		cmocka_unit_test(the_highest_vector_comes_first_and_eoi_lets_the_next_in),
		cmocka_unit_test(an_interrupt_nests_only_over_a_lower_class),
		cmocka_unit_test(the_task_priority_holds_interrupts_back),
		cmocka_unit_test(an_eoi_with_nothing_in_service_does_nothing),
		cmocka_unit_test(an_ipi_reaches_the_vcpu_that_it_names),
		cmocka_unit_test(shorthands),
		cmocka_unit_test(a_logical_destination_names_a_set),
		cmocka_unit_test(lowest_priority_picks_one_that_is_free),
		cmocka_unit_test(init_sipi_and_nmi_become_requests),
		cmocka_unit_test(init_keeps_the_mode_and_clears_the_rest),
		cmocka_unit_test(a_disabled_apic_takes_no_fixed_interrupt_but_nmi_and_init),
		cmocka_unit_test(illegal_vectors_set_error_bits_and_raise_lvt_error),
		cmocka_unit_test(an_msi_is_decoded),
		cmocka_unit_test(xapic_logical_flat_and_cluster),
		cmocka_unit_test(odd_accesses_to_the_page_are_harmless),
		cmocka_unit_test(the_tsc_deadline_fires_once),
		cmocka_unit_test(a_deadline_in_the_past_fires_at_once_and_a_far_one_never),
		cmocka_unit_test(the_deadline_msr_is_dead_in_other_modes),
		cmocka_unit_test(one_shot_counts_down_and_fires_once),
		cmocka_unit_test(a_one_shot_that_expires_while_masked_is_lost),
		cmocka_unit_test(periodic_keeps_its_phase_and_drops_missed_ticks),
		cmocka_unit_test(a_periodic_timer_cannot_run_faster_than_the_bound),
		cmocka_unit_test(changing_the_mode_to_deadline_disarms),
		cmocka_unit_test(an_expiry_that_crosses_a_new_deadline_does_not_disarm_it),
		cmocka_unit_test(software_disable_masks_every_lvt_entry),
		DELIVERING(requests_of_other_cpus_move_to_the_page),
		DELIVERING(the_end_of_a_level_vector_exits),
		DELIVERING(interrupts_in_service_go_along_into_x2apic_mode),
		DELIVERING(init_leaves_nothing_in_the_page),
		DELIVERING(leaving_x2apic_mode_takes_the_registers_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
