// SPDX-License-Identifier: Apache-2.0
// SOURCES: guest/lapic.c guest/lapic_bus.c guest/lapic_timer.c guest/ioapic.c guest/uart.c
// SOURCES: guest/rtc.c guest/pvclock.c guest/cpuid.c guest/msr.c guest/hypercall.c
// SOURCES: guest/platform.c core/region.c
/* Rules of the I/O APIC: registers, edge and level, masking, EOI (82093AA). */
#include "tests/unit/fake_vm.h"

#define LEVEL  BIT(15)
#define MASKED BIT(16)
#define REMOTE BIT(14)

static u32 mmio_read(u32 offset)
{
	return (u32)fake_access(ioapic_mmio, &fake_platform.ioapic, 0, offset, 4, false, 0);
}

static void mmio_write(u32 offset, u32 value)
{
	fake_access(ioapic_mmio, &fake_platform.ioapic, 0, offset, 4, true, value);
}

static u32 reg_read(u32 index)
{
	mmio_write(0x00, index);
	return mmio_read(0x10);
}

static void reg_write(u32 index, u32 value)
{
	mmio_write(0x00, index);
	mmio_write(0x10, value);
}

static void route(u32 pin, u32 apic, u32 low)
{
	reg_write(0x11 + 2 * pin, apic << 24);
	reg_write(0x10 + 2 * pin, low);
}

static void start(void)
{
	fake_vm_start(2);
	for (u32 i = 0; i < 2; i++)
		fake_access(lapic_mmio, NULL, i, LAPIC_SVR * 16, 4, true, 0x1ff);
}

static void eoi(u32 vcpu)
{
	fake_access(lapic_mmio, NULL, vcpu, LAPIC_EOI * 16, 4, true, 0);
}

static void registers_after_reset(void **state)
{
	(void)state;
	start();
	assert_int_equal(reg_read(1), 0x00170020);
	for (u32 pin = 0; pin < IOAPIC_PINS; pin++)
		assert_int_equal(reg_read(0x10 + 2 * pin), MASKED);
	reg_write(0, 0xffffffff);
	assert_int_equal(reg_read(0), 0x0f000000);
	assert_int_equal(reg_read(0x40), 0); /* no such pin */
	reg_write(0x40, 0xffffffff);
	reg_write(0xff, 0xffffffff);
	reg_write(0x10, 0xffffffff); /* read-only bits stay 0 */
	assert_int_equal(reg_read(0x10), 0x0001afff);
}

static void an_edge_is_delivered_once(void **state)
{
	(void)state;
	start();
	route(4, 1, 0x34);
	vm_irq_line(&fake_vm, 4, true);
	assert_int_equal(fake_take_interrupt(1), 0x34);
	vm_irq_line(&fake_vm, 4, true); /* no new edge */
	eoi(1);
	assert_int_equal(fake_take_interrupt(1), -1);
	vm_irq_line(&fake_vm, 4, false);
	vm_irq_line(&fake_vm, 4, true);
	assert_int_equal(fake_take_interrupt(1), 0x34);
}

static void an_edge_on_a_masked_pin_is_lost(void **state)
{
	(void)state;
	start();
	route(4, 1, MASKED | 0x34);
	vm_irq_line(&fake_vm, 4, true);
	route(4, 1, 0x34);
	assert_int_equal(fake_take_interrupt(1), -1);
}

static void a_level_comes_again_after_eoi_while_it_is_asserted(void **state)
{
	(void)state;
	start();
	route(9, 0, LEVEL | 0x39);
	vm_irq_line(&fake_vm, 9, true);
	assert_int_equal(reg_read(0x10 + 18), LEVEL | REMOTE | 0x39);
	assert_int_equal(fake_take_interrupt(0), 0x39);
	vm_irq_line(&fake_vm, 9, true); /* in service: not sent a second time */
	assert_int_equal(lapic_highest(fake_own[0].lapic.s.irr), -1);
	eoi(0);
	assert_int_equal(fake_take_interrupt(0), 0x39);
	vm_irq_line(&fake_vm, 9, false);
	eoi(0);
	assert_int_equal(fake_take_interrupt(0), -1);
	assert_int_equal(reg_read(0x10 + 18), LEVEL | 0x39);
}

static void the_functions_of_a_line_are_looked_at_before_its_interrupt_ends(void **state)
{
	(void)state;
	start();
	route(9, 0, LEVEL | 0x38);
	route(21, 0, LEVEL | 0x39);
	vm_irq_line(&fake_vm, 9, true);
	vm_irq_line(&fake_vm, 21, true);
	fake_quiet = BIT(9) | BIT(21);
	assert_int_equal(fake_take_interrupt(0), 0x39);
	eoi(0);
	assert_int_equal(fake_looked, BIT(21));
	assert_int_equal(fake_platform.ioapic.s.lines, BIT(9));
	assert_int_equal(reg_read(0x10 + 42), LEVEL | 0x39); /* not sent a second time */
	assert_int_equal(fake_take_interrupt(0), 0x38);
	mmio_write(0x40, 0x38);
	assert_int_equal(fake_looked, BIT(9));
	assert_int_equal(fake_platform.ioapic.s.lines, 0);
}

static void a_masked_level_waits(void **state)
{
	(void)state;
	start();
	route(9, 0, MASKED | LEVEL | 0x39);
	vm_irq_line(&fake_vm, 9, true);
	assert_int_equal(fake_take_interrupt(0), -1);
	route(9, 0, LEVEL | 0x39);
	assert_int_equal(fake_take_interrupt(0), 0x39);
}

static void the_eoi_register_and_edge_mode_clear_remote_irr(void **state)
{
	(void)state;
	start();
	route(9, 0, LEVEL | 0x39);
	vm_irq_line(&fake_vm, 9, true);
	vm_irq_line(&fake_vm, 9, false);
	mmio_write(0x40, 0x38); /* another vector */
	assert_int_equal(reg_read(0x10 + 18), LEVEL | REMOTE | 0x39);
	mmio_write(0x40, 0x39);
	assert_int_equal(reg_read(0x10 + 18), LEVEL | 0x39);

	vm_irq_line(&fake_vm, 9, true);
	assert_int_equal(reg_read(0x10 + 18), LEVEL | REMOTE | 0x39);
	route(9, 0, MASKED | 0x39);
	route(9, 0, MASKED | LEVEL | 0x39);
	assert_int_equal(reg_read(0x10 + 18), MASKED | LEVEL | 0x39);
}

static void an_edge_vector_needs_no_broadcast(void **state)
{
	(void)state;
	start();
	route(4, 0, 0x39);
	route(9, 1, LEVEL | 0x39);
	vm_irq_line(&fake_vm, 9, true);
	vm_irq_line(&fake_vm, 4, true);
	vm_irq_line(&fake_vm, 9, false);
	assert_int_equal(fake_take_interrupt(0), 0x39);
	eoi(0); /* the edge on vCPU 0: the level on vCPU 1 stays in service */
	assert_int_equal(reg_read(0x10 + 18), LEVEL | REMOTE | 0x39);
}

static void nmi_and_logical_destinations(void **state)
{
	(void)state;
	start();
	route(2, 1, 4u << 8);
	vm_irq_line(&fake_vm, 2, true);
	assert_int_equal(fake_vcpus[1].requests, VCPU_REQ_NMI);
	for (u32 i = 0; i < 2; i++)
		fake_access(lapic_mmio, NULL, i, LAPIC_LDR * 16, 4, true, 1u << (24 + i));
	route(3, 3, 1u << 11 | 0x53);
	vm_irq_line(&fake_vm, 3, true);
	assert_int_equal(fake_take_interrupt(0), 0x53);
	assert_int_equal(fake_take_interrupt(1), 0x53);
}

static void pins_and_accesses_that_do_not_exist_are_harmless(void **state)
{
	(void)state;
	start();
	vm_irq_line(&fake_vm, 24, true);
	vm_irq_line(&fake_vm, 0xffffffff, true);
	assert_int_equal(fake_access(ioapic_mmio, &fake_platform.ioapic, 0, 0x10, 1, false, 0), 0);
	assert_int_equal(fake_access(ioapic_mmio, &fake_platform.ioapic, 0, 0x20, 4, false, 0), 0);
	fake_access(ioapic_mmio, &fake_platform.ioapic, 0, 0x10, 8, true, ~0ULL);
	assert_int_equal(fake_platform.ioapic.s.lines, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_after_reset),
		cmocka_unit_test(an_edge_is_delivered_once),
		cmocka_unit_test(an_edge_on_a_masked_pin_is_lost),
		cmocka_unit_test(a_level_comes_again_after_eoi_while_it_is_asserted),
		cmocka_unit_test(the_functions_of_a_line_are_looked_at_before_its_interrupt_ends),
		cmocka_unit_test(a_masked_level_waits),
		cmocka_unit_test(the_eoi_register_and_edge_mode_clear_remote_irr),
		cmocka_unit_test(an_edge_vector_needs_no_broadcast),
		cmocka_unit_test(nmi_and_logical_destinations),
		cmocka_unit_test(pins_and_accesses_that_do_not_exist_are_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
