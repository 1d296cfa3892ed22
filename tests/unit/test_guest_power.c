// SPDX-License-Identifier: Apache-2.0
/* How a guest switches itself off, resets itself, and reads the ACPI timer. */
// SOURCES: guest/power.c core/region.c core/lib/string.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h wants the above first. */
#include <cmocka.h>

#include "core/lib/string.h"
#include "core/timer.h"
#include "guest/layout.h"
#include "guest/power.h"

#define SLP_EN BIT(13)

static struct vm vm;
static struct vcpu vcpu = { .vm = &vm };
static struct power_state power;
static enum vm_end ended;
static u64 now;

u64 now_ns(void)
{
	return now;
}

void vm_end(struct vm *which, enum vm_end end, const char *fmt, ...)
{
	(void)fmt;
	assert_ptr_equal(which, &vm);
	ended = end;
}

static int start(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof(vm));
	ended = VM_END_NONE;
	now = 0;
	return power_create(&vm, &power) ? -1 : 0;
}

/* Ones where nothing answers. */
static u64 port(u16 number, u8 size, bool write, u64 value)
{
	struct access access = { .size = size, .write = write, .value = value };
	const struct region *region = region_find(&vm.ports, number, size);

	if (region == NULL)
		return BIT(size * 8) - 1;
	access.offset = number - region->base;
	if (region->handler(&vcpu, region->ctx, &access) == ACCESS_NOT_MINE)
		return BIT(size * 8) - 1;
	return access.value;
}

static void out(u16 number, u8 size, u64 value)
{
	port(number, size, true, value);
}

static u64 in(u16 number, u8 size)
{
	return port(number, size, false, 0);
}

static void s5_powers_off(void **state)
{
	(void)state;
	out(LAYOUT_PM1_CONTROL, 2, LAYOUT_S5_TYPE << 10 | SLP_EN | 1);
	assert_int_equal(ended, VM_END_POWEROFF);
}

static void another_sleep_type_does_nothing(void **state)
{
	(void)state;
	for (u64 type = 0; type < 8; type++)
		if (type != LAYOUT_S5_TYPE)
			out(LAYOUT_PM1_CONTROL, 2, type << 10 | SLP_EN | 1);
	out(LAYOUT_PM1_CONTROL, 2, LAYOUT_S5_TYPE << 10 | 1); /* without SLP_EN */
	assert_int_equal(ended, VM_END_NONE);
}

static void acpi_mode_cannot_be_left(void **state)
{
	(void)state;
	assert_int_equal(in(LAYOUT_PM1_CONTROL, 2) & 1, 1);
	out(LAYOUT_PM1_CONTROL, 2, 0);
	assert_int_equal(in(LAYOUT_PM1_CONTROL, 2) & 1, 1);
	out(LAYOUT_PM1_CONTROL, 2, SLP_EN);
	assert_int_equal(in(LAYOUT_PM1_CONTROL, 2) & SLP_EN, 0); /* write-only */
}

static void status_is_cleared_by_ones(void **state)
{
	(void)state;
	power.pm1[0] = 0x0101;
	out(LAYOUT_PM1_EVENT, 2, 0x0001);
	assert_int_equal(in(LAYOUT_PM1_EVENT, 2), 0x0100);
	out(LAYOUT_PM1_EVENT + 2, 2, 0x0020);
	assert_int_equal(in(LAYOUT_PM1_EVENT + 2, 2), 0x0020);
	assert_int_equal(in(LAYOUT_PM1_EVENT, 4), 0x00200100);
	assert_int_equal(in(LAYOUT_PM1_EVENT + 1, 2), 0xffff); /* not across registers */
	assert_int_equal(in(LAYOUT_PM1_EVENT + 2, 4), 0xffffffff);
}

static void timer_counts_3579545_a_second(void **state)
{
	(void)state;
	now = 1000000000;
	assert_int_equal(in(LAYOUT_PM_TIMER, 4), 3579545);
	now = 1000000000ULL * 86400 * 365; /* a year: it has wrapped */
	assert_int_equal(in(LAYOUT_PM_TIMER, 4), (u32)(3579545ULL * 86400 * 365));
	assert_int_equal(in(LAYOUT_PM_TIMER, 2), (u16)(3579545ULL * 86400 * 365));
	out(LAYOUT_PM_TIMER, 4, 0);
	assert_int_equal(in(LAYOUT_PM_TIMER, 4), (u32)(3579545ULL * 86400 * 365));
}

static void keyboard_controller_only_resets(void **state)
{
	(void)state;
	assert_int_equal(in(0x64, 1), 0xff); /* there is none */
	out(0x64, 1, 0xd1);
	assert_int_equal(ended, VM_END_NONE);
	out(0x64, 1, 0xfe);
	assert_int_equal(ended, VM_END_RESET);
}

static void port_92_resets_and_has_a20_open(void **state)
{
	(void)state;
	assert_int_equal(in(0x92, 1), 2);
	out(0x92, 1, 2);
	assert_int_equal(ended, VM_END_NONE);
	out(0x92, 1, 1);
	assert_int_equal(ended, VM_END_RESET);
}

static void reset_gives_power_on_values(void **state)
{
	(void)state;
	out(LAYOUT_PM1_EVENT + 2, 2, 0xffff);
	out(LAYOUT_PM1_CONTROL, 2, LAYOUT_S5_TYPE << 10);
	power_reset(&power);
	assert_int_equal(in(LAYOUT_PM1_EVENT + 2, 2), 0);
	assert_int_equal(in(LAYOUT_PM1_CONTROL, 2), 1);
}

#define TEST(f) cmocka_unit_test_setup(f, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(s5_powers_off),
		TEST(another_sleep_type_does_nothing),
		TEST(acpi_mode_cannot_be_left),
		TEST(status_is_cleared_by_ones),
		TEST(timer_counts_3579545_a_second),
		TEST(keyboard_controller_only_resets),
		TEST(port_92_resets_and_has_a20_open),
		TEST(reset_gives_power_on_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
