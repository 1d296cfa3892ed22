/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts instructions one by one: the trap flag makes the processor stop after each while it
 * is set.
 *
 *   steps = 0; step_on(); what is counted; step_off();
 */
#ifndef TESTS_MODEL_STEPS_H
#define TESTS_MODEL_STEPS_H

#include <signal.h>
#include <stdbool.h>

#include "core/lib/types.h"

static volatile u64 steps;

static void on_step(int signal)
{
	(void)signal;
	steps++;
}

static inline void step_on(void)
{
	__asm__ volatile(
		"lea -128(%%rsp), %%rsp; pushfq; orq $0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp"
		:
		:
		: "memory", "cc");
}

/* What ends it is counted as well: measure what nothing counts as, and take it off. */
static inline void step_off(void)
{
	__asm__ volatile(
		"lea -128(%%rsp), %%rsp; pushfq; andq $~0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp"
		:
		:
		: "memory", "cc");
}

/* Before the first count; false: there is no such processor. */
static bool steps_begin(void)
{
	if (signal(SIGTRAP, on_step) == SIG_ERR)
		return false;
	step_on();
	step_off();
	return steps > 0;
}

#endif
