/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that storms is slowed, recovers by itself, and is frozen if it goes on. */
// SOURCES: gpu/guard.c core/lib/string.c
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/guard.h"

#define LIMIT 1000
/* Of the others. */
#define RESETS	   100
#define REFUSED	   10000
#define INTERRUPTS 100000
#define W	   GUARD_WINDOW_NS

static struct guard guard;
static u64 now;

static int set_up(void **state)
{
	(void)state;
	now = 77 * W + 5;
	guard_init(&guard);
	guard.limits[GUARD_DOORBELLS] = LIMIT;
	guard.limits[GUARD_RESETS] = RESETS;
	guard.limits[GUARD_REFUSED] = REFUSED;
	guard.limits[GUARD_INTERRUPTS] = INTERRUPTS;
	guard_release(&guard, now);
	return 0;
}

/* So many within the present window; then the next one begins. */
static void window_with(enum guard_kind kind, u32 count)
{
	for (u32 i = 0; i < count; i++)
		(void)guard_count(&guard, kind, 1, now + i % W);
	now += W;
	(void)guard_look(&guard, now);
}

static void quiet(u32 windows)
{
	now += windows * W;
	(void)guard_look(&guard, now);
}

static void the_limit_itself_is_allowed(void **state)
{
	(void)state;
	for (u32 i = 0; i < 20; i++)
		window_with(GUARD_DOORBELLS, LIMIT);
	assert_int_equal(guard.state, GUARD_FREE);
	assert_int_equal(guard.slowed, 0);
}

static void one_more_slows_at_once(void **state)
{
	(void)state;
	for (u32 i = 0; i < LIMIT; i++)
		assert_false(guard_count(&guard, GUARD_DOORBELLS, 1, now));
	assert_true(guard_count(&guard, GUARD_DOORBELLS, 1, now));
	assert_int_equal(guard.state, GUARD_SLOWED);
	assert_int_equal(guard.blame, GUARD_DOORBELLS);
	/* The rest of this window says nothing new. */
	for (u32 i = 0; i < 10 * LIMIT; i++)
		assert_false(guard_count(&guard, GUARD_DOORBELLS, 1, now));
	assert_int_equal(guard.strikes, 1);
}

static void many_at_once_count_as_many(void **state)
{
	(void)state;
	assert_true(guard_count(&guard, GUARD_REFUSED, REFUSED + 1, now));
	assert_false(guard_count(&guard, GUARD_REFUSED, UINT32_MAX, now));
	assert_int_equal(guard.counts[GUARD_REFUSED], UINT32_MAX);
}

static void it_recovers_below_half_and_not_above(void **state)
{
	(void)state;
	window_with(GUARD_DOORBELLS, LIMIT + 1);
	for (u32 i = 0; i < 3 * GUARD_CALM; i++)
		window_with(GUARD_DOORBELLS, LIMIT / 2);
	assert_int_equal(guard.state, GUARD_SLOWED);
	assert_int_equal(guard.strikes, 1);
	for (u32 i = 0; i < GUARD_CALM; i++) {
		assert_int_equal(guard.state, GUARD_SLOWED);
		window_with(GUARD_DOORBELLS, LIMIT / 2 - 1);
	}
	assert_int_equal(guard.state, GUARD_FREE);
}

static void silence_is_quiet_too(void **state)
{
	(void)state;
	window_with(GUARD_RESETS, RESETS + 1);
	now += (GUARD_CALM - 1) * W;
	assert_false(guard_look(&guard, now));
	now += W;
	assert_true(guard_look(&guard, now));
	assert_int_equal(guard.state, GUARD_FREE);
}

static void one_that_goes_on_is_frozen_once(void **state)
{
	(void)state;
	for (u32 i = 1; i < GUARD_STRIKES; i++) {
		window_with(GUARD_INTERRUPTS, INTERRUPTS + 1);
		assert_int_equal(guard.state, GUARD_SLOWED);
	}
	window_with(GUARD_INTERRUPTS, INTERRUPTS + 1);
	assert_int_equal(guard.state, GUARD_FROZEN);
	assert_int_equal(guard.slowed, 1);
	for (u32 i = 0; i < 10; i++)
		window_with(GUARD_INTERRUPTS, INTERRUPTS + 1);
	assert_int_equal(guard.frozen, 1);
}

static void frozen_stays_frozen_until_it_is_released(void **state)
{
	(void)state;
	for (u32 i = 0; i < GUARD_STRIKES; i++)
		window_with(GUARD_DOORBELLS, LIMIT + 1);
	quiet(100000);
	assert_int_equal(guard.state, GUARD_FROZEN);
	guard_release(&guard, now);
	assert_int_equal(guard.state, GUARD_FREE);
	/* Nothing is held against it. */
	for (u32 i = 1; i < GUARD_STRIKES; i++)
		window_with(GUARD_DOORBELLS, LIMIT + 1);
	assert_int_equal(guard.state, GUARD_SLOWED);
}

/* Short storms with rests between: each is a strike, and a long rest takes one back. */
static void storms_with_rests_are_frozen_too(void **state)
{
	(void)state;
	for (u32 i = 0; i < GUARD_STRIKES; i++) {
		assert_int_equal(guard.state, GUARD_FREE);
		window_with(GUARD_DOORBELLS, LIMIT + 1);
		quiet(GUARD_CALM + 1);
	}
	assert_int_equal(guard.state, GUARD_FROZEN);
}

static void long_rests_are_forgiven(void **state)
{
	(void)state;
	for (u32 i = 0; i < 10 * GUARD_STRIKES; i++) {
		window_with(GUARD_DOORBELLS, LIMIT + 1);
		quiet(GUARD_FORGIVEN);
		assert_int_equal(guard.state, GUARD_FREE);
	}
	assert_int_equal(guard.slowed, 10 * GUARD_STRIKES);
}

static void no_limit_is_no_limit(void **state)
{
	(void)state;
	guard.limits[GUARD_DOORBELLS] = 0;
	assert_false(guard_count(&guard, GUARD_DOORBELLS, UINT32_MAX, now));
	assert_int_equal(guard.state, GUARD_FREE);
}

static void kinds_do_not_add_up(void **state)
{
	(void)state;
	for (u32 i = 0; i < 20; i++) {
		(void)guard_count(&guard, GUARD_RESETS, RESETS, now);
		(void)guard_count(&guard, GUARD_REFUSED, REFUSED, now);
		(void)guard_count(&guard, GUARD_INTERRUPTS, INTERRUPTS, now);
		window_with(GUARD_DOORBELLS, LIMIT);
	}
	assert_int_equal(guard.state, GUARD_FREE);
}

static void a_clock_that_stands_or_steps_back_does_no_harm(void **state)
{
	(void)state;
	(void)guard_count(&guard, GUARD_DOORBELLS, 1, 0);
	assert_false(guard_look(&guard, 0));
	assert_int_equal(guard.counts[GUARD_DOORBELLS], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_limit_itself_is_allowed, set_up),
		cmocka_unit_test_setup(one_more_slows_at_once, set_up),
		cmocka_unit_test_setup(many_at_once_count_as_many, set_up),
		cmocka_unit_test_setup(it_recovers_below_half_and_not_above, set_up),
		cmocka_unit_test_setup(silence_is_quiet_too, set_up),
		cmocka_unit_test_setup(one_that_goes_on_is_frozen_once, set_up),
		cmocka_unit_test_setup(frozen_stays_frozen_until_it_is_released, set_up),
		cmocka_unit_test_setup(storms_with_rests_are_frozen_too, set_up),
		cmocka_unit_test_setup(long_rests_are_forgiven, set_up),
		cmocka_unit_test_setup(no_limit_is_no_limit, set_up),
		cmocka_unit_test_setup(kinds_do_not_add_up, set_up),
		cmocka_unit_test_setup(a_clock_that_stands_or_steps_back_does_no_harm, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
