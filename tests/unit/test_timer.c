// SPDX-License-Identifier: Apache-2.0
// SOURCES: core/timer.c
/* Rules of the timers of each CPU: order, cancelling, moving, what the hardware is set to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/apic.h"
#include "core/log.h"
#include "core/time_init.h"
#include "core/timer.h"
#include "tests/unit/fake_percpu.h"

/*
 * The clock is this machine's TSC, a nanosecond a tick as long as nobody has
 * measured it: deadlines from 1 on are long past, those from LATER on far away.
 */
#define LATER (1ULL << 62)
#define CPUS  2

static u32 armed_ticks, arm_calls; /* what the hardware was told last */

void apic_timer_arm(u32 ticks)
{
	armed_ticks = ticks;
	arm_calls++;
}

void apic_timer_start_free(void)
{
}

u32 apic_timer_remaining(void)
{
	return 0;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

void panic(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

static struct timer timers[TIMERS_PER_CPU];
static struct timer *fired[4 * TIMERS_PER_CPU];
static u32 fired_count;

static void note(struct timer *timer)
{
	fired[fired_count++] = timer;
}

static int start(void **state)
{
	(void)state;
	fake_cpus_start();
	memset(timers, 0, sizeof(timers));
	for (u32 i = 0; i < TIMERS_PER_CPU; i++)
		timers[i].fire = note;
	fired_count = 0;
	armed_ticks = arm_calls = 0;
	return 0;
}

/* How many timers are armed there; each knows its CPU, and none is due before the one before it. */
static u32 count(const struct percpu *cpu)
{
	u64 deadline = 0;
	u32 n = 0;

	for (const struct list_node *at = cpu->timers.next; at != &cpu->timers;
	     at = at->next, n++) {
		const struct timer *timer = container_of(at, struct timer, node);

		assert_ptr_equal(at->next->prev, at);
		assert_int_equal(timer->cpu, cpu->id);
		assert_true(timer->deadline_ns >= deadline);
		deadline = timer->deadline_ns;
	}
	return n;
}

static u32 seed = 1;

static u32 draw(u32 below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static void timers_fire_in_the_order_of_deadlines(void **state)
{
	(void)state;
	for (u32 i = 0; i < TIMERS_PER_CPU; i++)
		timer_set(&timers[i], 1 + i * 37 % TIMERS_PER_CPU);
	assert_int_equal(count(&fake_cpus[0]), TIMERS_PER_CPU);
	timer_interrupt();
	assert_int_equal(fired_count, TIMERS_PER_CPU);
	for (u32 i = 0; i < fired_count; i++)
		assert_int_equal(fired[i]->deadline_ns, 1 + i);
	assert_int_equal(count(&fake_cpus[0]), 0);
}

static void what_is_not_due_stays(void **state)
{
	(void)state;
	timer_set(&timers[0], LATER);
	timer_set(&timers[1], 5);
	timer_set(&timers[2], LATER + 1);
	timer_interrupt();
	assert_int_equal(fired_count, 1);
	assert_ptr_equal(fired[0], &timers[1]);
	assert_false(list_is_linked(&timers[1].node));
	assert_int_equal(count(&fake_cpus[0]), 2);
}

static void a_cancelled_timer_does_not_fire(void **state)
{
	(void)state;
	timer_cancel(&timers[0]); /* was never armed */
	for (u32 i = 0; i < 5; i++)
		timer_set(&timers[i], 10 + i);
	timer_cancel(&timers[0]);
	timer_cancel(&timers[3]);
	timer_cancel(&timers[3]);
	assert_int_equal(count(&fake_cpus[0]), 3);
	timer_interrupt();
	assert_int_equal(fired_count, 3);
	assert_ptr_equal(fired[0], &timers[1]);
	assert_ptr_equal(fired[1], &timers[2]);
	assert_ptr_equal(fired[2], &timers[4]);
}

static void setting_again_moves_the_deadline(void **state)
{
	(void)state;
	timer_set(&timers[0], 10);
	timer_set(&timers[1], 20);
	timer_set(&timers[0], 30);
	assert_int_equal(count(&fake_cpus[0]), 2);
	timer_interrupt();
	assert_int_equal(fired_count, 2);
	assert_ptr_equal(fired[0], &timers[1]);
	assert_ptr_equal(fired[1], &timers[0]);
}

static void a_timer_goes_to_the_cpu_that_sets_it(void **state)
{
	(void)state;
	timer_set(&timers[0], 10);
	fake_become(1);
	timer_set(&timers[0], 20);
	assert_int_equal(count(&fake_cpus[0]), 0);
	assert_int_equal(count(&fake_cpus[1]), 1);
	fake_become(0);
	timer_interrupt();
	assert_int_equal(fired_count, 0);
	fake_become(1);
	timer_interrupt();
	assert_int_equal(fired_count, 1);
}

static void another_cpu_can_cancel(void **state)
{
	(void)state;
	timer_set(&timers[0], 10);
	fake_become(1);
	timer_cancel(&timers[0]);
	assert_int_equal(count(&fake_cpus[0]), 0);
	fake_become(0);
	timer_interrupt();
	assert_int_equal(fired_count, 0);
}

static void set_again(struct timer *timer)
{
	note(timer);
	timer_set(timer, 1);
}

static void a_timer_that_re_arms_in_the_past_does_not_hold_the_cpu(void **state)
{
	(void)state;
	timers[0].fire = set_again;
	timer_set(&timers[0], 1);
	timer_interrupt();
	assert_int_equal(fired_count, TIMERS_PER_CPU);
	assert_int_equal(count(&fake_cpus[0]), 1);
	assert_int_equal(armed_ticks, 1); /* the rest comes soon */
}

static void cancel_next(struct timer *timer)
{
	note(timer);
	timer_cancel(timer + 1);
}

static void a_handler_may_cancel_another_that_is_due(void **state)
{
	(void)state;
	timers[0].fire = cancel_next;
	timer_set(&timers[0], 1);
	timer_set(&timers[1], 2);
	timer_interrupt();
	assert_int_equal(fired_count, 1);
}

static void the_hardware_is_set_to_the_earliest(void **state)
{
	(void)state;
	timer_set(&timers[0], LATER);
	assert_int_equal(arm_calls, 1);
	assert_int_not_equal(armed_ticks, 0);
	timer_set(&timers[1], LATER + 5); /* later: nothing to do */
	assert_int_equal(arm_calls, 1);
	timer_set(&timers[2], LATER - 5);
	assert_int_equal(arm_calls, 2);
	assert_int_equal(fake_cpus[0].armed_ns, LATER - 5);
}

/* Neither the timer that was first, moved, nor one that is cancelled: the interrupt is early, and
 * arms again. */
static void the_hardware_is_not_set_to_later(void **state)
{
	(void)state;
	timer_set(&timers[0], LATER);
	timer_set(&timers[0], LATER + 10);
	assert_int_equal(arm_calls, 1);
	timer_cancel(&timers[0]);
	timer_set(&timers[1], LATER + 20);
	assert_int_equal(arm_calls, 1);
	timer_interrupt();
	assert_int_equal(fired_count, 0);
	assert_int_equal(arm_calls, 2);
	assert_int_equal(fake_cpus[0].armed_ns, LATER + 20);
}

static void a_deadline_in_the_past_fires_soon(void **state)
{
	(void)state;
	timer_set(&timers[0], 1);
	assert_int_equal(armed_ticks, 1);
}

/* It has fired, once: nothing has to be switched off. */
static void the_hardware_is_left_alone_without_timers(void **state)
{
	(void)state;
	timer_set(&timers[0], 1);
	assert_int_equal(arm_calls, 1);
	timer_interrupt();
	assert_int_equal(arm_calls, 1);
	timer_set(&timers[0], LATER);
	assert_int_equal(arm_calls, 2);
}

/* The hardware has fired for a timer that was cancelled: the next one must not be forgotten. */
static void an_early_interrupt_arms_again(void **state)
{
	u32 before;

	(void)state;
	timer_set(&timers[0], LATER);
	before = arm_calls;
	timer_interrupt();
	assert_int_equal(fired_count, 0);
	assert_int_equal(arm_calls, before + 1);
	assert_int_not_equal(armed_ticks, 0);
}

static void timers_of_one_deadline_fire_in_the_order_in_which_they_were_set(void **state)
{
	(void)state;
	for (u32 i = 0; i < 4; i++)
		timer_set(&timers[i ^ 1], 7);
	timer_interrupt();
	assert_int_equal(fired_count, 4);
	for (u32 i = 0; i < 4; i++)
		assert_ptr_equal(fired[i], &timers[i ^ 1]);
}

static void the_queue_survives_a_thousand_changes(void **state)
{
	(void)state;
	for (u32 i = 0; i < 20000; i++) {
		struct timer *timer = &timers[draw(TIMERS_PER_CPU)];
		u32 armed = 0;

		fake_become(draw(CPUS));
		if (draw(3))
			timer_set(timer, LATER + draw(1000));
		else
			timer_cancel(timer);
		for (u32 t = 0; t < TIMERS_PER_CPU; t++)
			armed += list_is_linked(&timers[t].node);
		assert_int_equal(count(&fake_cpus[0]) + count(&fake_cpus[1]), armed);
	}
	assert_int_equal(fired_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(timers_fire_in_the_order_of_deadlines, start),
		cmocka_unit_test_setup(what_is_not_due_stays, start),
		cmocka_unit_test_setup(a_cancelled_timer_does_not_fire, start),
		cmocka_unit_test_setup(setting_again_moves_the_deadline, start),
		cmocka_unit_test_setup(a_timer_goes_to_the_cpu_that_sets_it, start),
		cmocka_unit_test_setup(another_cpu_can_cancel, start),
		cmocka_unit_test_setup(a_timer_that_re_arms_in_the_past_does_not_hold_the_cpu,
				       start),
		cmocka_unit_test_setup(a_handler_may_cancel_another_that_is_due, start),
		cmocka_unit_test_setup(the_hardware_is_set_to_the_earliest, start),
		cmocka_unit_test_setup(the_hardware_is_not_set_to_later, start),
		cmocka_unit_test_setup(a_deadline_in_the_past_fires_soon, start),
		cmocka_unit_test_setup(the_hardware_is_left_alone_without_timers, start),
		cmocka_unit_test_setup(an_early_interrupt_arms_again, start),
		cmocka_unit_test_setup(
			timers_of_one_deadline_fire_in_the_order_in_which_they_were_set, start),
		cmocka_unit_test_setup(the_queue_survives_a_thousand_changes, start),
	};

	return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
