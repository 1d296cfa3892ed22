/* SPDX-License-Identifier: Apache-2.0 */
/* Reserves, bounds on queueing, caps, holds, changes while running: what is said, what is served.
 */
// SOURCES: gpu/sched.c gpu/sched_admit.c gpu/sched_complete.c gpu/sched_fixed.c
// SOURCES: gpu/sched_note.c gpu/sched_order.c
#include "tests/unit/sched_bench.h"

static struct gpu_sched_params params(u32 weight, u32 reserve, u32 cap, u64 latency_ns)
{
	return (struct gpu_sched_params){ weight, reserve, cap, latency_ns };
}

static enum err admit(struct bench *b, const struct gpu_sched_vgpu *v, struct gpu_sched_params p)
{
	return gpu_sched_admit(&b->sched, v, &p);
}

static enum err set(struct bench *b, u32 i, struct gpu_sched_params p, u64 now_ns)
{
	return gpu_sched_set(&b->sched, &b->vgpu[i], &p, now_ns);
}

/* The owner of the next job, or -1; it is completed after `cost_ns`. */
static int serve(struct bench *b, u64 *now_ns, u64 cost_ns)
{
	struct gpu_sched_job *job = gpu_sched_pick(&b->sched, *now_ns);

	if (!job)
		return -1;
	*now_ns += cost_ns;
	complete(b, job, *now_ns);
	return (int)(job->owner - b->vgpu);
}

static void admission_refuses_what_is_out_of_range(void **state)
{
	struct bench *b = *state;

	assert_int_equal(admit(b, NULL, params(0, 0, 1000, 0)), ERR_RANGE);
	assert_int_equal(admit(b, NULL, params(10001, 0, 1000, 0)), ERR_RANGE);
	assert_int_equal(admit(b, NULL, params(1, 0, 0, 0)), ERR_RANGE);
	assert_int_equal(admit(b, NULL, params(1, 0, 1001, 0)), ERR_RANGE);
	assert_int_equal(admit(b, NULL, params(1, 301, 300, 0)), ERR_RANGE);
	assert_int_equal(admit(b, NULL, params(1, 1001, 1000, 0)), ERR_RANGE);
	assert_int_equal(admit(b, NULL, params(1, 0, 1000, 50 * MS)), ERR_RANGE);
	assert_int_equal(admit(b, NULL, params(1, 1, 1000, GPU_SCHED_LATENCY_MAX_NS + 1)),
			 ERR_RANGE);
	assert_int_equal(admit(b, NULL, params(1, 1, 1000, GPU_SCHED_LATENCY_MAX_NS)), OK);
	assert_int_equal(admit(b, NULL, params(10000, 1000, 1000, 0)), OK);
}

static void reserves_add_up_to_the_engine_at_most(void **state)
{
	struct bench *b = *state;

	add_with(b, 0, params(1, 600, 1000, 0));
	assert_int_equal(admit(b, NULL, params(1, 401, 1000, 0)), ERR_FULL);
	assert_int_equal(admit(b, NULL, params(1, 400, 1000, 0)), OK);
	add_with(b, 1, params(1, 400, 1000, 0));
	/* Its own reserve does not count against it. */
	assert_int_equal(admit(b, &b->vgpu[1], params(1, 400, 1000, 0)), OK);
	assert_int_equal(set(b, 0, params(1, 601, 1000, 0), 0), ERR_FULL);
	assert_int_equal(b->vgpu[0].params.reserve, 600);
	assert_int_equal(set(b, 1, params(1, 0, 1000, 0), 0), OK);
	assert_int_equal(set(b, 0, params(1, 1000, 1000, 0), 0), OK);
}

static void a_removed_reserve_is_free_again(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *dropped;

	add_with(b, 0, params(1, 1000, 1000, 0));
	assert_int_equal(admit(b, NULL, params(1, 1, 1000, 0)), ERR_FULL);
	assert_int_equal(gpu_sched_remove(&b->sched, &b->vgpu[0], &dropped), OK);
	assert_int_equal(admit(b, NULL, params(1, 1000, 1000, 0)), OK);
}

/* D = 2 jobs of a slice in flight, and two of its own: with 2 ms, 8 ms. */
static void a_bound_holds_jobs_in_flight_and_its_own(void **state)
{
	struct bench *b = *state;

	assert_int_equal(admit(b, NULL, params(1, 1, 1000, 8 * MS)), OK);
	assert_int_equal(admit(b, NULL, params(1, 1, 1000, 8 * MS - 1)), ERR_DENIED);
}

static void a_bound_of_another_is_not_broken(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_denial denial = { 0 };
	struct gpu_sched_params more = params(1, 100, 1000, 8 * MS);

	add_with(b, 0, params(1, 100, 1000, 10 * MS));
	/* 4 + 4 + 100/1000 * 2 + 4 ms within 10 ms: no; within 8 ms: yes. */
	assert_int_equal(admit(b, NULL, more), ERR_DENIED);
	assert_true(gpu_sched_why_denied(&b->sched, NULL, &more, 0, &denial));
	assert_ptr_equal(denial.whose, &b->vgpu[0]);
	assert_int_equal(denial.bound_ns, 10 * MS);
	assert_int_equal(denial.needs_ns, 12 * MS + MS / 5);
	/* Its own comes first where both fail. */
	more.latency_ns = 7 * MS;
	assert_true(gpu_sched_why_denied(&b->sched, NULL, &more, 0, &denial));
	assert_null(denial.whose);
	assert_int_equal(denial.needs_ns, 8 * MS);
	/* A longer one has to hold the other's as well: 4 + 4 + 100/1000 * (X - 10 ms) + 4 ms. */
	assert_int_equal(admit(b, NULL, params(1, 100, 1000, 12222222)), ERR_DENIED);
	assert_int_equal(admit(b, NULL, params(1, 100, 1000, 12222223)), OK);
}

static void a_longer_slice_is_refused_where_a_bound_breaks(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_config config = plain;
	struct gpu_sched_denial denial;

	add_with(b, 0, params(1, 100, 1000, 8 * MS));
	assert_false(gpu_sched_why_denied(&b->sched, NULL, NULL, 0, &denial));
	config.slice_ns = SLICE + 1;
	assert_int_equal(gpu_sched_configure(&b->sched, &config, 0), ERR_DENIED);
	assert_int_equal(b->sched.config.slice_ns, SLICE);
	assert_true(gpu_sched_why_denied(&b->sched, NULL, NULL, SLICE + 1, &denial));
	assert_ptr_equal(denial.whose, &b->vgpu[0]);
	config.slice_ns = SLICE - 1;
	assert_int_equal(gpu_sched_configure(&b->sched, &config, 0), OK);
}

static void configure_refuses_what_is_out_of_range(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_config config = plain;

	config.depth = 3;
	assert_int_equal(gpu_sched_configure(&b->sched, &config, 0), ERR_RANGE);
	config = plain;
	config.policy = GPU_SCHED_POLICIES;
	assert_int_equal(gpu_sched_configure(&b->sched, &config, 0), ERR_RANGE);
	config.policy = GPU_SCHED_FIXED;
	assert_int_equal(gpu_sched_configure(&b->sched, &config, 0), ERR_RANGE);
	add(b, 2, 1);
	config.slots = 2;
	assert_int_equal(gpu_sched_configure(&b->sched, &config, 0), ERR_RANGE);
	config.slots = 3;
	assert_int_equal(gpu_sched_configure(&b->sched, &config, 0), OK);
	assert_int_equal(gpu_sched_add(&b->sched, &b->vgpu[3], &b->vgpu[2].params, 3), ERR_RANGE);
}

static void a_reserve_goes_before_weight_until_it_is_used_up(void **state)
{
	struct bench *b = *state;
	u64 now = 0;

	add_with(b, 0, params(10000, 0, 1000, 0));
	add_with(b, 1, params(1, 250, 1000, 0));
	for (u32 i = 0; i < 4; i++)
		enqueue(b, 0, 0);
	for (u32 i = 0; i < 4; i++)
		enqueue(b, 1, 0);
	assert_int_equal(serve(b, &now, MS), 1); /* paid for until 4 ms */
	assert_int_equal(b->vgpu[1].stats.reserve_ns, MS);
	assert_int_equal(gpu_sched_debt_ns(&b->sched, &b->vgpu[1], now), 750000);
	assert_int_equal(serve(b, &now, MS), 0);
	assert_int_equal(serve(b, &now, MS), 1); /* by weight now: at an equal tag, later */
	assert_int_equal(serve(b, &now, MS), 0);
	assert_int_equal(serve(b, &now, MS), 1); /* 4 ms: due again */
	assert_int_equal(b->vgpu[1].stats.reserve_ns, 2 * MS);
}

static void the_earliest_deadline_goes_first(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *job;
	u64 now = 3 * MS;

	add_with(b, 0, params(1, 100, 1000, 0));
	add_with(b, 1, params(1, 100, 1000, 90 * MS));
	add_with(b, 2, params(1, 100, 1000, 80 * MS));
	enqueue(b, 0, 0);
	enqueue(b, 1, 0);
	job = enqueue(b, 2, 2 * MS);
	assert_int_equal(serve(b, &now, MS), 2);
	assert_int_equal(job->until_ns, 82 * MS);
	assert_int_equal(job->by, GPU_SCHED_BY_RESERVE);
	assert_int_equal(serve(b, &now, MS), 1);
	assert_int_equal(serve(b, &now, MS), 0); /* without a bound: last */
}

static void a_cap_keeps_an_idle_engine_idle(void **state)
{
	struct bench *b = *state;
	u64 now = 0;

	add_with(b, 0, params(1, 0, 100, 0));
	for (u32 i = 0; i < 3; i++)
		enqueue(b, 0, 0);
	assert_int_equal(gpu_sched_next_ns(&b->sched, 0), UINT64_MAX);
	assert_int_equal(serve(b, &now, MS), 0);
	assert_int_equal(b->vgpu[0].place, GPU_SCHED_ASLEEP);
	assert_int_equal(serve(b, &now, MS), -1);
	assert_int_equal(gpu_sched_next_ns(&b->sched, now), 10 * MS);
	now = 10 * MS - 1;
	assert_int_equal(serve(b, &now, MS), -1);
	now = 10 * MS;
	assert_int_equal(gpu_sched_next_ns(&b->sched, now), now);
	assert_int_equal(serve(b, &now, MS), 0);
	/* Without the cap it goes on at once. */
	assert_int_equal(serve(b, &now, MS), -1);
	assert_int_equal(set(b, 0, params(1, 0, 1000, 0), now), OK);
	assert_int_equal(serve(b, &now, MS), 0);
}

static void jobs_past_a_cap_are_owed_in_full(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *first, *second;

	add_with(b, 0, params(1, 0, 500, 0));
	first = enqueue(b, 0, 0);
	second = enqueue(b, 0, 0);
	enqueue(b, 0, 0);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 0), first);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 0), second);
	complete(b, first, MS);
	complete(b, second, 3 * MS);
	assert_int_equal(gpu_sched_next_ns(&b->sched, 3 * MS), 6 * MS);
	assert_int_equal(gpu_sched_debt_ns(&b->sched, &b->vgpu[0], 3 * MS), 3 * MS); /* by weight */
}

static void who_is_held_keeps_its_queue(void **state)
{
	struct bench *b = *state;
	u64 now = 0;

	assert_int_equal(gpu_sched_hold(&b->sched, &b->vgpu[0], true, 0), ERR_NOT_FOUND);
	add(b, 0, 1);
	add(b, 1, 1);
	enqueue(b, 0, 0);
	assert_int_equal(gpu_sched_hold(&b->sched, &b->vgpu[0], true, 0), OK);
	assert_int_equal(gpu_sched_hold(&b->sched, &b->vgpu[0], true, 0), OK);
	enqueue(b, 0, 0);
	assert_int_equal(b->vgpu[0].stats.queued, 2);
	assert_int_equal(serve(b, &now, MS), -1);
	enqueue(b, 1, now);
	assert_int_equal(serve(b, &now, MS), 1);
	assert_int_equal(gpu_sched_hold(&b->sched, &b->vgpu[0], false, now), OK);
	assert_int_equal(serve(b, &now, MS), 0);
	assert_int_equal(gpu_sched_hold(&b->sched, &b->vgpu[0], true, now), OK);
	assert_non_null(gpu_sched_drop_queued(&b->sched, &b->vgpu[0]));
	assert_int_equal(b->sched.queued, 0);
}

static void a_release_saves_no_credit(void **state)
{
	struct bench *b = *state;
	u64 now = 0;

	add(b, 0, 1);
	add(b, 1, 1);
	for (u32 i = 0; i < 4; i++)
		enqueue(b, 0, 0);
	assert_int_equal(gpu_sched_hold(&b->sched, &b->vgpu[0], true, 0), OK);
	for (u32 i = 0; i < 10; i++)
		enqueue(b, 1, 0);
	for (u32 i = 0; i < 6; i++)
		assert_int_equal(serve(b, &now, MS), 1);
	assert_int_equal(gpu_sched_hold(&b->sched, &b->vgpu[0], false, now), OK);
	assert_int_equal(serve(b, &now, MS), 0);
	assert_int_equal(serve(b, &now, MS), 1);
	assert_int_equal(serve(b, &now, MS), 0);
}

static void set_takes_effect_at_the_next_pick(void **state)
{
	struct bench *b = *state;
	u64 now = 0;

	assert_int_equal(set(b, 0, params(1, 0, 1000, 0), 0), ERR_NOT_FOUND);
	add(b, 0, 100);
	add(b, 1, 100);
	for (u32 i = 0; i < 5; i++)
		enqueue(b, 0, 0);
	for (u32 i = 0; i < 5; i++)
		enqueue(b, 1, 0);
	assert_int_equal(serve(b, &now, MS), 0);
	assert_int_equal(serve(b, &now, MS), 1);
	assert_int_equal(set(b, 0, params(300, 0, 1000, 0), now), OK);
	for (u32 i = 0, mine = 0; i < 4; i++) {
		mine += serve(b, &now, MS) == 0;
		assert_true(i < 3 || mine == 3);
	}
}

static void a_debt_is_the_same_engine_time_at_another_weight(void **state)
{
	struct bench *b = *state;
	u64 now = 0;

	add(b, 0, 1);
	enqueue(b, 0, 0);
	assert_int_equal(serve(b, &now, 8 * MS), 0);
	assert_int_equal(set(b, 0, params(10000, 0, 1000, 0), now), OK);
	assert_in_range(gpu_sched_debt_ns(&b->sched, &b->vgpu[0], now), 8 * MS - 80, 8 * MS);
	/* And under equal, where it counts as 1. */
	assert_int_equal(gpu_sched_configure(&b->sched,
					     &(struct gpu_sched_config){ GPU_SCHED_EQUAL, SLICE,
									 GPU_SCHED_DEPTH, 0 },
					     now),
			 OK);
	assert_in_range(gpu_sched_debt_ns(&b->sched, &b->vgpu[0], now), 8 * MS - 160, 8 * MS);
}

static void equal_does_not_look_at_weights(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_config config = plain;
	u64 now = 0;

	config.policy = GPU_SCHED_EQUAL;
	add(b, 0, 10000);
	add(b, 1, 1);
	for (u32 i = 0; i < 6; i++)
		enqueue(b, i % 2, 0);
	assert_int_equal(gpu_sched_configure(&b->sched, &config, 0), OK);
	for (int i = 0; i < 6; i++)
		assert_int_equal(serve(b, &now, MS), i % 2);
}

static void next_ns_is_silent_while_calls_will_come(void **state)
{
	struct bench *b = *state;
	u64 now = 0;

	assert_int_equal(gpu_sched_next_ns(&b->sched, 5), UINT64_MAX);
	add_with(b, 0, params(1, 100, 1000, 0));
	enqueue(b, 0, 0);
	enqueue(b, 0, 0);
	assert_int_equal(serve(b, &now, 4 * MS), 0);
	enqueue(b, 0, now);
	/* In flight by weight; the next is long, and its account falls due in 36 ms. */
	assert_non_null(gpu_sched_pick(&b->sched, now));
	assert_null(gpu_sched_pick(&b->sched, now));
	assert_int_equal(gpu_sched_next_ns(&b->sched, now), 40 * MS);
}

static void paid_is_what_was_charged(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *first, *second;

	add(b, 0, 1);
	first = enqueue(b, 0, 0);
	second = enqueue(b, 0, 0);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 0), first);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 10), second);
	assert_int_equal(gpu_sched_paid_ns(&b->sched), 0);
	complete(b, second, 50); /* it has overtaken: 10 ns are the first one's */
	assert_int_equal(second->engine_ns, 40);
	assert_int_equal(gpu_sched_paid_ns(&b->sched), 40);
	complete(b, first, 60);
	assert_int_equal(gpu_sched_paid_ns(&b->sched), 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(admission_refuses_what_is_out_of_range),
		TEST(reserves_add_up_to_the_engine_at_most),
		TEST(a_removed_reserve_is_free_again),
		TEST(a_bound_holds_jobs_in_flight_and_its_own),
		TEST(a_bound_of_another_is_not_broken),
		TEST(a_longer_slice_is_refused_where_a_bound_breaks),
		TEST(configure_refuses_what_is_out_of_range),
		TEST(a_reserve_goes_before_weight_until_it_is_used_up),
		TEST(the_earliest_deadline_goes_first),
		TEST(a_cap_keeps_an_idle_engine_idle),
		TEST(jobs_past_a_cap_are_owed_in_full),
		TEST(who_is_held_keeps_its_queue),
		TEST(a_release_saves_no_credit),
		TEST(set_takes_effect_at_the_next_pick),
		TEST(a_debt_is_the_same_engine_time_at_another_weight),
		TEST(equal_does_not_look_at_weights),
		TEST(next_ns_is_silent_while_calls_will_come),
		TEST(paid_is_what_was_charged),
	};

	return cmocka_run_group_tests_name("gpu_sched_limits", tests, NULL, NULL);
}
