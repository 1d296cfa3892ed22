/* SPDX-License-Identifier: Apache-2.0 */
// SOURCES: core/timer.c
/* The TSC is measured by the PM timer, else by the 8254; nothing that stands still is waited for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/io.h"
#include "core/log.h"
#include "core/time_init.h"
#include "core/timer.h"
#include "tests/unit/fake_percpu.h"

/* The counters of the model run by this machine's TSC, so its frequency is what we say. */
#define PM_PORT	     0xb008
#define PM_HZ	     3579545ULL
#define PIT_HZ	     1193182ULL
#define TSC_BY_PM_HZ (PM_HZ * 100)
#define TSC_PER_PIT  1000

static bool pm_counts, pit_counts, pit_used;
static u32 pm_start;
static u16 pit_latch;
static bool pit_high;
static jmp_buf panicked;

void apic_timer_arm(u32 ticks)
{
	(void)ticks;
}

void apic_timer_start_free(void)
{
}

u32 apic_timer_remaining(void)
{
	return (u32)(0xffffffffU - rdtsc() / 16);
}

void log_at(enum log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

void panic(const char *fmt, ...)
{
	(void)fmt;
	longjmp(panicked, 1);
}

u32 host_port_in(u16 port, unsigned size)
{
	if (port == PM_PORT) {
		assert_int_equal(size, 4);
		/* The upper byte is no part of the count. */
		return pm_counts ? 0xab000000U | ((pm_start + (u32)(rdtsc() / 100)) & 0xffffffU)
				 : 0;
	}
	if (port != 0x42)
		return 0;
	pit_high = !pit_high;
	return pit_high ? pit_latch & 0xff : pit_latch >> 8;
}

void host_port_out(u16 port, u32 value, unsigned size)
{
	(void)size;
	pit_used = true;
	if (port != 0x43 || value != 0x80)
		return;
	pit_high = false;
	pit_latch = pit_counts ? (u16)(0xffff - rdtsc() / TSC_PER_PIT) : 0;
}

static void start(bool pm, bool pit)
{
	fake_cpus_start();
	pm_counts = pm;
	pit_counts = pit;
	pit_used = false;
	pm_start = 0;
}

static void assert_about(u64 value, u64 wanted)
{
	assert_in_range(value, wanted - wanted / 50, wanted + wanted / 50);
}

static void the_pm_timer_is_the_measure(void **state)
{
	(void)state;
	start(true, false);
	time_init(0, 0, PM_PORT);
	assert_about(time_tsc_hz(), TSC_BY_PM_HZ);
	assert_false(pit_used);
}

static void its_wrap_at_24_bits_does_not_matter(void **state)
{
	(void)state;
	start(true, false);
	pm_start = 0xffff00U - (u32)(rdtsc() / 100);
	time_init(0, 0, PM_PORT);
	assert_about(time_tsc_hz(), TSC_BY_PM_HZ);
}

static void without_one_the_8254_serves(void **state)
{
	(void)state;
	start(true, true);
	time_init(0, 0, 0);
	assert_about(time_tsc_hz(), PIT_HZ * TSC_PER_PIT);
}

static void a_pm_timer_that_stands_still_is_passed_over(void **state)
{
	(void)state;
	start(false, true);
	time_init(0, 0, PM_PORT);
	assert_about(time_tsc_hz(), PIT_HZ * TSC_PER_PIT);
}

static void if_nothing_counts_facet_says_so(void **state)
{
	(void)state;
	start(false, false);
	if (!setjmp(panicked)) {
		time_init(0, 0, PM_PORT);
		fail_msg("a frequency out of nothing");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pm_timer_is_the_measure),
		cmocka_unit_test(its_wrap_at_24_bits_does_not_matter),
		cmocka_unit_test(without_one_the_8254_serves),
		cmocka_unit_test(a_pm_timer_that_stands_still_is_passed_over),
		cmocka_unit_test(if_nothing_counts_facet_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
