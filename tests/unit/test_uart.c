// SPDX-License-Identifier: Apache-2.0
// SOURCES: guest/lapic.c guest/lapic_bus.c guest/lapic_timer.c guest/ioapic.c guest/uart.c
// SOURCES: guest/rtc.c guest/pvclock.c guest/cpuid.c guest/msr.c guest/hypercall.c
// SOURCES: guest/platform.c core/region.c
/* Rules of the 16550A, among them what Linux probes, and flow control towards the console. */
#include "tests/unit/fake_vm.h"

enum {
	RBR = 0,
	THR = 0,
	IER = 1,
	IIR = 2,
	FCR = 2,
	LCR = 3,
	MCR = 4,
	LSR = 5,
	MSR = 6,
	SCR = 7,
};

static u8 in(u32 reg)
{
	return (u8)fake_access(uart_port, &fake_platform.uart, 0, reg, 1, false, 0);
}

static void out(u32 reg, u8 value)
{
	fake_access(uart_port, &fake_platform.uart, 0, reg, 1, true, value);
}

static bool irq(void)
{
	return (fake_platform.ioapic.s.lines >> UART_IRQ & 1) != 0;
}

static size_t type(const char *text)
{
	return platform_console_input(&fake_vm, (const u8 *)text, strlen(text));
}

/* As Linux has it when the port is open. */
static void open_port(void)
{
	fake_vm_start(1);
	out(FCR, 0x01);
	out(MCR, 0x0b);
	in(MSR);
}

static void linux_finds_a_16550a(void **state)
{
	(void)state;
	fake_vm_start(1);
	out(IER, 0);
	assert_int_equal(in(IER), 0);
	out(IER, 0x0f);
	assert_int_equal(in(IER), 0x0f);
	out(IER, 0x40); /* XScale's UUE */
	assert_int_equal(in(IER), 0);
	out(MCR, 0x1a); /* loopback with OUT2 and RTS */
	assert_int_equal(in(MSR)&0xf0, 0x90);
	out(MCR, 0);
	out(FCR, 0x01);
	assert_int_equal(in(IIR), 0xc1);
	out(LCR, 0x80);
	assert_int_not_equal(in(IIR), 0); /* no 16650 */
	out(LCR, 0xbf);
	assert_int_not_equal(in(IIR), 0);
	out(LCR, 0);
	out(FCR, 0x21); /* no 16750 */
	assert_int_equal(in(IIR) >> 5, 6);
	out(SCR, 0x5a);
	assert_int_equal(in(SCR), 0x5a);
	out(FCR, 0);
	assert_int_equal(in(IIR), 0x01);
}

static void the_divisor_latch_hides_data_and_ier(void **state)
{
	(void)state;
	fake_vm_start(1);
	out(LCR, 0x83);
	out(0, 0x0c);
	out(1, 0x02);
	assert_int_equal(in(0), 0x0c);
	assert_int_equal(in(1), 0x02);
	out(LCR, 0x03);
	assert_int_equal(in(IER), 0);
	assert_int_equal(fake_console_count, 0);
}

static void bytes_reach_the_console_in_order(void **state)
{
	(void)state;
	open_port();
	for (const char *c = "hello"; *c; c++)
		out(THR, (u8)*c);
	assert_memory_equal(fake_console, "hello", 5);
	assert_int_equal(in(LSR), 0x60);
}

static void enabling_thri_interrupts_at_once_and_reading_iir_ends_it(void **state)
{
	(void)state;
	open_port();
	out(IER, 0x02);
	assert_true(irq());
	assert_int_equal(in(IIR), 0xc2);
	assert_false(irq());
	assert_int_equal(in(IIR), 0xc1);
	out(IER, 0);
	out(IER, 0x02);
	assert_int_equal(in(IIR), 0xc2);
	out(THR, 'x'); /* sent: empty again */
	assert_true(irq());
	assert_int_equal(in(IIR), 0xc2);
}

/* The guest writes the next byte without asking for the reason first. */
static void a_byte_that_is_sent_at_once_is_an_edge_of_its_own(void **state)
{
	u64 *irr = &fake_own[0].lapic.s.irr[0x41 / 64];

	(void)state;
	open_port();
	fake_own[0].lapic.s.svr = 0x1ff;
	fake_platform.ioapic.s.redirection[UART_IRQ] = 0x41;
	out(IER, 0x02);
	assert_int_equal(*irr, BIT(0x41 % 64));
	*irr = 0;
	out(THR, 'x');
	assert_int_equal(*irr, BIT(0x41 % 64));
}

static void the_line_is_quiet_without_out2(void **state)
{
	(void)state;
	open_port();
	out(MCR, 0x03);
	out(IER, 0x02);
	assert_false(irq());
	out(MCR, 0x0b);
	assert_true(irq());
}

static void a_busy_console_holds_the_transmitter(void **state)
{
	(void)state;
	open_port();
	out(IER, 0x02);
	in(IIR);
	fake_console_room = 2;
	for (u32 i = 0; i < 16; i++)
		out(THR, (u8)('a' + i));
	assert_int_equal(fake_console_count, 2);
	assert_int_equal(in(LSR)&0x60, 0);
	in(IIR);
	assert_false(irq());
	/* Two places in the FIFO are left; what comes after is lost, and only that. */
	for (u32 i = 16; i < 40; i++)
		out(THR, (u8)('a' + i));
	fake_console_room = 1000;
	uart_console_drained(&fake_vm);
	assert_int_equal(fake_console_count, 18);
	for (u32 i = 0; i < 18; i++)
		assert_int_equal(fake_console[i], 'a' + i);
	assert_int_equal(in(LSR)&0x60, 0x60);
	assert_true(irq());
}

static void typed_bytes_arrive_with_an_interrupt(void **state)
{
	(void)state;
	open_port();
	out(IER, 0x01);
	assert_int_equal(type("ls\n"), 3);
	assert_true(irq());
	assert_int_equal(in(IIR), 0xc4); /* trigger level 1 */
	assert_int_equal(in(LSR)&1, 1);
	assert_int_equal(in(RBR), 'l');
	assert_int_equal(in(RBR), 's');
	assert_true(irq());
	assert_int_equal(in(RBR), '\n');
	assert_false(irq());
	assert_int_equal(in(LSR)&1, 0);
	assert_int_equal(in(RBR), 0);
}

static void below_the_trigger_level_it_is_a_timeout(void **state)
{
	(void)state;
	open_port();
	out(FCR, 0x81); /* 8 */
	out(IER, 0x01);
	type("abc");
	assert_int_equal(in(IIR), 0xcc);
	type("defgh");
	assert_int_equal(in(IIR), 0xc4);
}

static void input_stops_when_the_queue_is_full_and_nothing_is_lost(void **state)
{
	static u8 text[UART_RX_QUEUE + 100];
	size_t taken;

	(void)state;
	open_port();
	for (u32 i = 0; i < sizeof(text); i++)
		text[i] = (u8)i;
	taken = platform_console_input(&fake_vm, text, sizeof(text));
	assert_int_equal(taken, UART_RX_QUEUE);
	for (u32 i = 0; i < 50; i++)
		assert_int_equal(in(RBR), (u8)i);
	taken = platform_console_input(&fake_vm, text + UART_RX_QUEUE, 100);
	assert_int_equal(taken, 50);
	for (u32 i = 50; i < UART_RX_QUEUE + 50; i++)
		assert_int_equal(in(RBR), (u8)i);
	assert_int_equal(in(LSR)&1, 0);
}

static void loopback_keeps_bytes_inside(void **state)
{
	(void)state;
	open_port();
	out(MCR, 0x1b);
	out(THR, 0x42);
	assert_int_equal(fake_console_count, 0);
	assert_int_equal(type("x"), 0);
	assert_int_equal(in(RBR), 0x42);
	out(MCR, 0x10);
	in(MSR);
	out(MCR, 0x11);
	assert_int_equal(in(MSR), 0x22); /* DSR and its change */
	assert_int_equal(in(MSR), 0x20);
}

static void wide_accesses_are_bytes_in_a_row(void **state)
{
	(void)state;
	open_port();
	fake_access(uart_port, &fake_platform.uart, 0, LCR, 2, true, 0x0b03);
	assert_int_equal(in(LCR), 3);
	assert_int_equal(in(MCR), 0x0b);
	assert_int_equal(fake_access(uart_port, &fake_platform.uart, 0, LCR, 2, false, 0), 0x0b03);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(linux_finds_a_16550a),
		cmocka_unit_test(the_divisor_latch_hides_data_and_ier),
		cmocka_unit_test(bytes_reach_the_console_in_order),
		cmocka_unit_test(enabling_thri_interrupts_at_once_and_reading_iir_ends_it),
		cmocka_unit_test(a_byte_that_is_sent_at_once_is_an_edge_of_its_own),
		cmocka_unit_test(the_line_is_quiet_without_out2),
		cmocka_unit_test(a_busy_console_holds_the_transmitter),
		cmocka_unit_test(typed_bytes_arrive_with_an_interrupt),
		cmocka_unit_test(below_the_trigger_level_it_is_a_timeout),
		cmocka_unit_test(input_stops_when_the_queue_is_full_and_nothing_is_lost),
		cmocka_unit_test(loopback_keeps_bytes_inside),
		cmocka_unit_test(wide_accesses_are_bytes_in_a_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
