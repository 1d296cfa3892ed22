// SPDX-License-Identifier: Apache-2.0
// SOURCES: core/irq.c
/* Rules of softirqs and of the interrupts between processors that they need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/x86/apic.h"
#include "arch/x86/host.h"
#include "arch/x86/trap.h"
#include "core/irq.h"
#include "core/softirq.h"
#include "core/time_init.h"
#include "tests/unit/fake_percpu.h"

#define BIT_OF_NOBODY SOFTIRQ_RESCHEDULE

static u32 sent[FAKE_CPUS]; /* kicks, by processor */
static u32 eois;
static struct vcpu *const a_vcpu = (struct vcpu *)sent; /* never looked into */

void apic_send(u32 destination, u32 command)
{
	assert_int_equal(command, VECTOR_KICK);
	sent[destination]++;
}

void apic_eoi(void)
{
	eois++;
}

void timer_interrupt(void)
{
}

void cpu_stop(void)
{
	abort();
}

u32 cpu_id(void)
{
	return percpu_self()->id;
}

static u32 runs;

static void count_run(u32 cpu)
{
	assert_int_equal(cpu, cpu_id());
	runs++;
}

static int setup(void **state)
{
	(void)state;
	fake_cpus_start();
	memset(sent, 0, sizeof(sent));
	eois = runs = 0;
	softirq_register(SOFTIRQ_GPU, count_run);
	return 0;
}

static void one_that_sleeps_is_woken(void **state)
{
	(void)state;
	fake_cpus[1].sleeping = true;
	softirq_raise(1, SOFTIRQ_GPU);
	assert_int_equal(sent[1], 1);
	softirq_raise(1, SOFTIRQ_GPU); /* it is asked for already */
	assert_int_equal(sent[1], 1);
	fake_become(1);
	assert_true(softirq_pending());
	softirq_run();
	assert_int_equal(runs, 1);
	assert_false(softirq_pending());
}

static void one_that_runs_a_vcpu_is_interrupted(void **state)
{
	(void)state;
	fake_cpus[1].running = a_vcpu;
	softirq_raise(1, SOFTIRQ_GPU);
	assert_int_equal(sent[1], 1);
}

/* Its loop looks before it sleeps, and before it runs a vCPU. */
static void one_that_is_awake_is_left_alone(void **state)
{
	(void)state;
	softirq_raise(1, SOFTIRQ_GPU);
	assert_int_equal(sent[1], 0);
	fake_become(1);
	assert_true(softirq_pending());
}

static void nobody_interrupts_itself(void **state)
{
	(void)state;
	fake_cpus[0].running = a_vcpu;
	softirq_raise(0, SOFTIRQ_GPU);
	assert_int_equal(sent[0], 0);
	softirq_run();
	assert_int_equal(runs, 1);
}

static void a_softirq_without_a_handler_is_no_more_than_a_look(void **state)
{
	(void)state;
	softirq_raise(0, BIT_OF_NOBODY);
	softirq_run();
	assert_int_equal(runs, 0);
	assert_false(softirq_pending());
}

static void kicks_wait_until_they_are_released(void **state)
{
	(void)state;
	fake_cpus[1].sleeping = true;
	irq_hold_kicks();
	softirq_raise(1, SOFTIRQ_GPU);
	irq_kick(2);
	assert_int_equal(sent[1] + sent[2], 0);
	irq_release_kicks();
	assert_int_equal(sent[1], 1);
	assert_int_equal(sent[2], 1);
	irq_kick(2); /* and no more */
	assert_int_equal(sent[2], 2);
}

static void those_for_one_processor_are_one(void **state)
{
	(void)state;
	irq_hold_kicks();
	irq_kick(1);
	irq_kick(1);
	irq_release_kicks();
	assert_int_equal(sent[1], 1);
	irq_hold_kicks();
	irq_release_kicks(); /* nothing is left of the last time */
	assert_int_equal(sent[1], 1);
}

static void holds_nest(void **state)
{
	(void)state;
	irq_hold_kicks();
	irq_hold_kicks();
	irq_kick(1);
	irq_release_kicks();
	assert_int_equal(sent[1], 0);
	irq_release_kicks();
	assert_int_equal(sent[1], 1);
}

static void holds_are_of_one_processor(void **state)
{
	(void)state;
	irq_hold_kicks();
	fake_become(1);
	irq_kick(2);
	assert_int_equal(sent[2], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(one_that_sleeps_is_woken, setup),
		cmocka_unit_test_setup(one_that_runs_a_vcpu_is_interrupted, setup),
		cmocka_unit_test_setup(one_that_is_awake_is_left_alone, setup),
		cmocka_unit_test_setup(nobody_interrupts_itself, setup),
		cmocka_unit_test_setup(a_softirq_without_a_handler_is_no_more_than_a_look, setup),
		cmocka_unit_test_setup(kicks_wait_until_they_are_released, setup),
		cmocka_unit_test_setup(those_for_one_processor_are_one, setup),
		cmocka_unit_test_setup(holds_nest, setup),
		cmocka_unit_test_setup(holds_are_of_one_processor, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
