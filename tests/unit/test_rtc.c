// SPDX-License-Identifier: Apache-2.0
// SOURCES: guest/lapic.c guest/lapic_bus.c guest/lapic_timer.c guest/ioapic.c guest/uart.c
// SOURCES: guest/rtc.c guest/pvclock.c guest/cpuid.c guest/msr.c guest/hypercall.c
// SOURCES: guest/platform.c core/region.c
/* Rules of the CMOS clock: calendar, number formats, what is not to be set; compared with the C
 * library. */
#include "tests/unit/fake_vm.h"

#include <time.h>

#define HOUR_NS (3600 * 1000000000ULL)

static u8 cmos_read(u8 reg)
{
	fake_access(rtc_port, &fake_platform.rtc, 0, 0, 1, true, reg);
	return (u8)fake_access(rtc_port, &fake_platform.rtc, 0, 1, 1, false, 0);
}

static void cmos_write(u8 reg, u8 value)
{
	fake_access(rtc_port, &fake_platform.rtc, 0, 0, 1, true, reg);
	fake_access(rtc_port, &fake_platform.rtc, 0, 1, 1, true, value);
}

static void dates_agree_with_the_c_library(void **state)
{
	(void)state;
	for (u64 seconds = 0; seconds < 253402300799ULL; seconds += 7919 * 86400 / 3 + 12345) {
		struct rtc_time got = rtc_from_seconds(seconds);
		time_t when = (time_t)seconds;
		struct tm want;

		gmtime_r(&when, &want);
		assert_int_equal(got.year, want.tm_year + 1900);
		assert_int_equal(got.month, want.tm_mon + 1);
		assert_int_equal(got.day, want.tm_mday);
		assert_int_equal(got.weekday, want.tm_wday + 1);
		assert_int_equal(got.hour, want.tm_hour);
		assert_int_equal(got.minute, want.tm_min);
		assert_int_equal(got.second, want.tm_sec);
	}
}

static void the_clock_shows_host_time_in_bcd(void **state)
{
	(void)state;
	fake_vm_start(1);
	assert_int_equal(cmos_read(0x32), 0x20);
	assert_int_equal(cmos_read(9), 0x23);
	assert_int_equal(cmos_read(8), 0x11);
	assert_int_equal(cmos_read(7), 0x14);
	assert_int_equal(cmos_read(6), 0x03); /* Tuesday */
	assert_int_equal(cmos_read(4), 0x22);
	assert_int_equal(cmos_read(2), 0x13);
	assert_int_equal(cmos_read(0), 0x20);
	fake_now += 45 * 1000000000ULL;
	assert_int_equal(cmos_read(0), 0x05);
	assert_int_equal(cmos_read(2), 0x14);
	assert_int_equal(cmos_read(0x0d), 0x80);
	assert_int_equal(cmos_read(0x0c), 0);
}

static void binary_and_twelve_hours(void **state)
{
	(void)state;
	fake_vm_start(1);
	cmos_write(0x0b, 0x04);
	assert_int_equal(cmos_read(4), 0x80 | 10); /* 10 pm */
	cmos_write(0x0b, 0x00);
	assert_int_equal(cmos_read(4), 0x80 | 0x10);
	fake_now += 2 * HOUR_NS;
	assert_int_equal(cmos_read(4), 0x12); /* midnight */
	fake_now += 12 * HOUR_NS;
	assert_int_equal(cmos_read(4), 0x80 | 0x12); /* noon */
	cmos_write(0x0b, 0x06);
	assert_int_equal(cmos_read(4), 12);
}

static void the_time_is_not_the_guests_to_set(void **state)
{
	(void)state;
	fake_vm_start(1);
	for (u32 set = 0; set <= 0x80; set += 0x80) {
		cmos_write(0x0b, (u8)(0x02 | set));
		for (u32 value = 0; value < 256; value++) {
			for (u8 reg = 0; reg < 10; reg += reg < 6 ? 2 : 1)
				cmos_write(reg, (u8)value);
			cmos_write(0x32, (u8)value);
		}
		assert_int_equal(cmos_read(0x0b), 0x02 | set);
		assert_int_equal(cmos_read(0x32), 0x20);
		assert_int_equal(cmos_read(9), 0x23);
		assert_int_equal(cmos_read(8), 0x11);
		assert_int_equal(cmos_read(7), 0x14);
		assert_int_equal(cmos_read(4), 0x22);
		assert_int_equal(cmos_read(0), 0x20);
	}
}

static void update_in_progress_shows_before_each_second(void **state)
{
	(void)state;
	fake_vm_start(1);
	fake_now = 5 * 1000000000ULL - 100000;
	assert_int_equal(cmos_read(0x0a), 0xa6);
	fake_now = 5 * 1000000000ULL;
	assert_int_equal(cmos_read(0x0a), 0x26);
}

static void ram_is_kept_and_no_interrupt_can_be_enabled(void **state)
{
	(void)state;
	fake_vm_start(1);
	cmos_write(0x7f, 0x77);
	assert_int_equal(cmos_read(0xff), 0x77); /* bit 7 of the index is the NMI mask */
	cmos_write(0x0b, 0x72);
	assert_int_equal(cmos_read(0x0b), 0x02);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_agree_with_the_c_library),
		cmocka_unit_test(the_clock_shows_host_time_in_bcd),
		cmocka_unit_test(binary_and_twelve_hours),
		cmocka_unit_test(the_time_is_not_the_guests_to_set),
		cmocka_unit_test(update_in_progress_shows_before_each_second),
		cmocka_unit_test(ram_is_kept_and_no_interrupt_can_be_enabled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
