/* SPDX-License-Identifier: Apache-2.0 */
/* Strict slots, and the events that the GPU scheduler notes. */
// SOURCES: gpu/sched.c gpu/sched_admit.c gpu/sched_complete.c gpu/sched_fixed.c
// SOURCES: gpu/sched_note.c gpu/sched_order.c
#include "tests/unit/sched_bench.h"

#define SLOTS 3

static void set_policy(struct bench *b, enum gpu_sched_policy policy, u64 now_ns)
{
	const struct gpu_sched_config config = { policy, SLICE, GPU_SCHED_DEPTH, SLOTS };

	assert_int_equal(gpu_sched_configure(&b->sched, &config, now_ns), OK);
}

/* Three vGPUs under fixed, slots of 2 ms: 0 has [0, 2), 1 [2, 4), 2 [4, 6), 0 [6, 8) ... */
static struct bench *slots(void **state)
{
	struct bench *b = *state;

	for (u32 i = 0; i < SLOTS; i++)
		add(b, i, 1);
	set_policy(b, GPU_SCHED_FIXED, 0);
	return b;
}

static void a_job_starts_in_its_slot_alone(void **state)
{
	struct bench *b = slots(state);
	struct gpu_sched_job *job = enqueue(b, 1, 0);

	assert_null(gpu_sched_pick(&b->sched, 0));
	assert_int_equal(gpu_sched_next_ns(&b->sched, 0), 2 * MS);
	assert_null(gpu_sched_pick(&b->sched, 2 * MS - 1));
	assert_ptr_equal(gpu_sched_pick(&b->sched, 2 * MS), job);
	assert_int_equal(job->by, GPU_SCHED_BY_SLOT);
	assert_int_equal(job->until_ns, 4 * MS);
	assert_int_equal(job->bound_ns, SLICE / 8);
	assert_int_equal(gpu_sched_next_ns(&b->sched, 2 * MS), UINT64_MAX);
	complete(b, job, 2 * MS + 5);
	assert_int_equal(gpu_sched_next_ns(&b->sched, 3 * MS), UINT64_MAX);
}

static void the_slot_of_who_is_absent_or_held_stays_empty(void **state)
{
	struct bench *b = slots(state);
	struct gpu_sched_job *dropped;

	enqueue(b, 0, 0);
	enqueue(b, 1, 0);
	assert_int_equal(gpu_sched_hold(&b->sched, &b->vgpu[1], true, 0), OK);
	assert_int_equal(gpu_sched_remove(&b->sched, &b->vgpu[2], &dropped), OK);
	assert_null(gpu_sched_pick(&b->sched, 2 * MS));
	assert_null(gpu_sched_pick(&b->sched, 4 * MS));
	assert_ptr_equal(gpu_sched_pick(&b->sched, 6 * MS)->owner, &b->vgpu[0]);
}

static void a_job_starts_only_where_its_bound_fits(void **state)
{
	struct bench *b = slots(state);
	struct gpu_sched_job *job = enqueue(b, 0, 0);

	/* The first is bounded by an eighth of the slice: 0.25 ms. */
	assert_null(gpu_sched_pick(&b->sched, 1750001));
	assert_ptr_equal(gpu_sched_pick(&b->sched, 6 * MS + 1750000), job);
	complete(b, job, 6 * MS + 1750000 + 200000);
	/* It took less than that; one of 0.8 ms is the bound of those that follow. */
	job = enqueue(b, 0, 12 * MS);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 12 * MS), job);
	complete(b, job, 12 * MS + 800000);
	job = enqueue(b, 0, 12 * MS + 800000);
	assert_null(gpu_sched_pick(&b->sched, 13 * MS + 200001));
	assert_ptr_equal(gpu_sched_pick(&b->sched, 18 * MS), job);
	assert_int_equal(job->bound_ns, 800000);
	/* Beside what is in flight, and its bound: 0.8 + 0.8 ms at once, or not after 0.4 ms. */
	job = enqueue(b, 0, 18 * MS);
	assert_null(gpu_sched_pick(&b->sched, 19 * MS + 300000)); /* 0.8 ms, but it was to end */
	assert_null(gpu_sched_pick(&b->sched, 19 * MS + 300000));
}

static void a_second_job_fits_behind_the_first(void **state)
{
	struct bench *b = slots(state);
	struct gpu_sched_job *first = enqueue(b, 0, 0), *second = enqueue(b, 0, 0);

	assert_ptr_equal(gpu_sched_pick(&b->sched, 1500000), first);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 1500000), second);
	complete(b, first, 1600000);
	complete(b, second, 1700000);
	first = enqueue(b, 0, 6 * MS);
	second = enqueue(b, 0, 6 * MS);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 7500001), first);
	assert_null(gpu_sched_pick(&b->sched, 7500001)); /* one nanosecond too late for two */
	complete(b, first, 7600000);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 7600000), second);
}

static void what_ran_past_a_slot_is_forfeited(void **state)
{
	struct bench *b = slots(state);
	struct gpu_sched_job *job = enqueue(b, 0, 0), *other = enqueue(b, 1, 0);

	assert_ptr_equal(gpu_sched_pick(&b->sched, 0), job);
	assert_null(gpu_sched_pick(&b->sched, 2 * MS)); /* it still has the engine */
	complete(b, job, 3 * MS);
	assert_int_equal(gpu_sched_debt_ns(&b->sched, &b->vgpu[0], 3 * MS), MS);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 3 * MS), other);
	complete(b, other, 3 * MS + 1);
	job = enqueue(b, 0, 4 * MS);
	/* Its next slot begins at 6 ms, and its first half is gone. The bound: 1.75 ms, no fit. */
	assert_int_equal(gpu_sched_next_ns(&b->sched, 4 * MS), 6 * MS);
	assert_null(gpu_sched_pick(&b->sched, 6 * MS));
	assert_int_equal(gpu_sched_next_ns(&b->sched, 6 * MS), 7 * MS);
	assert_int_equal(gpu_sched_debt_ns(&b->sched, &b->vgpu[0], 6500000), MS / 2);
	assert_null(gpu_sched_pick(&b->sched, 7 * MS));
	assert_int_equal(gpu_sched_debt_ns(&b->sched, &b->vgpu[0], 7 * MS), 0);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 12 * MS), job);
}

static void a_change_of_policy_keeps_what_is_owed(void **state)
{
	struct bench *b = slots(state);
	struct gpu_sched_job *job = enqueue(b, 0, 0);

	assert_ptr_equal(gpu_sched_pick(&b->sched, 0), job);
	complete(b, job, 5 * MS);
	assert_int_equal(gpu_sched_debt_ns(&b->sched, &b->vgpu[0], 5 * MS), 3 * MS);
	set_policy(b, GPU_SCHED_FAIR, 5 * MS);
	assert_int_equal(gpu_sched_debt_ns(&b->sched, &b->vgpu[0], 5 * MS), 0);
	set_policy(b, GPU_SCHED_FIXED, 50 * MS);
	assert_int_equal(gpu_sched_debt_ns(&b->sched, &b->vgpu[0], 50 * MS), 3 * MS);
}

static void who_waited_under_fixed_is_served_under_fair(void **state)
{
	struct bench *b = slots(state);
	struct gpu_sched_job *job = enqueue(b, 2, 0);

	assert_null(gpu_sched_pick(&b->sched, 0));
	set_policy(b, GPU_SCHED_FAIR, 0);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 0), job);
	set_policy(b, GPU_SCHED_FIXED, 1);
	enqueue(b, 0, 1);
	assert_null(gpu_sched_pick(&b->sched, 1)); /* beside a job of another nobody starts */
	complete(b, job, 2);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 2)->owner, &b->vgpu[0]);
}

/* ---- events ---- */

static struct gpu_sched_event seen[32];
static u32 seen_count;

static void note(void *ctx, const struct gpu_sched_event *event)
{
	assert_non_null(ctx);
	seen[seen_count++] = *event;
}

static void assert_event(u32 at, u8 kind, u16 vgpu, u32 job, u64 value, u64 aux)
{
	assert_true(at < seen_count);
	assert_int_equal(seen[at].kind, kind);
	assert_int_equal(seen[at].vgpu, vgpu);
	assert_int_equal(seen[at].job, job);
	assert_int_equal(seen[at].value, value);
	assert_int_equal(seen[at].aux, aux);
}

static void a_job_is_noted_from_queue_to_charge(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_params params = { 7, 250, 800, 90 * MS };
	struct gpu_sched_job *job;

	seen_count = 0;
	b->sched.note = note;
	b->sched.note_ctx = b;
	assert_int_equal(gpu_sched_add(&b->sched, &b->vgpu[0], &params, 3), OK);
	b->job[0].work = 9;
	job = enqueue(b, 0, MS);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 2 * MS), job);
	complete(b, job, 5 * MS);
	assert_int_equal(seen_count, 5);
	assert_event(0, GPU_SCHED_EVENT_PARAMS, 3, 0, 7 + (250ULL << 16) + (800ULL << 32), 90 * MS);
	assert_event(1, GPU_SCHED_EVENT_ENQUEUE, 3, 1, 9, 1);
	assert_event(2, GPU_SCHED_EVENT_PICK, 3, 1, MS, 1 + ((91 * MS) << 8));
	assert_int_equal(seen[2].in_flight, 1);
	assert_int_equal(seen[2].time_ns, 2 * MS);
	assert_event(3, GPU_SCHED_EVENT_COMPLETE, 3, 1, 3 * MS, 0);
	assert_int_equal(seen[3].in_flight, 0);
	/* 12 ms of a quarter of the engine from 1 ms on: 8 ms, of a quarter, are to come. */
	assert_event(4, GPU_SCHED_EVENT_CHARGE, 3, 1, 3 * MS, 2 * MS);
}

static void what_others_do_is_noted(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *dropped;

	add(b, 0, 1);
	enqueue(b, 0, 0);
	enqueue(b, 0, 0);
	seen_count = 0;
	b->sched.note = note;
	b->sched.note_ctx = b;
	assert_int_equal(gpu_sched_hold(&b->sched, &b->vgpu[0], true, 1), OK);
	gpu_sched_note_all(&b->sched, 2);
	assert_int_equal(gpu_sched_hold(&b->sched, &b->vgpu[0], false, 3), OK);
	assert_int_equal(gpu_sched_remove(&b->sched, &b->vgpu[0], &dropped), OK);
	set_policy(b, GPU_SCHED_FIXED, 4);
	assert_int_equal(seen_count, 9);
	assert_event(0, GPU_SCHED_EVENT_HOLD, 0, 0, 1, 0);
	assert_event(1, GPU_SCHED_EVENT_POLICY, GPU_SCHED_EVENT_GPU, 0, SLICE, 2 << 8);
	assert_event(2, GPU_SCHED_EVENT_PARAMS, 0, 0, 1 + (1000ULL << 32), 0);
	assert_event(3, GPU_SCHED_EVENT_HOLD, 0, 0, 1, 0);
	assert_event(4, GPU_SCHED_EVENT_STATE, 0, 0, 2, 0);
	assert_event(5, GPU_SCHED_EVENT_HOLD, 0, 0, 0, 0);
	assert_event(6, GPU_SCHED_EVENT_DROP, 0, 0, 2, 0);
	assert_event(7, GPU_SCHED_EVENT_REMOVE, 0, 0, 0, 0);
	assert_event(8, GPU_SCHED_EVENT_POLICY, GPU_SCHED_EVENT_GPU, 0, SLICE,
		     2 + (2 << 8) + (3 << 16));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_job_starts_in_its_slot_alone),
		TEST(the_slot_of_who_is_absent_or_held_stays_empty),
		TEST(a_job_starts_only_where_its_bound_fits),
		TEST(a_second_job_fits_behind_the_first),
		TEST(what_ran_past_a_slot_is_forfeited),
		TEST(a_change_of_policy_keeps_what_is_owed),
		TEST(who_waited_under_fixed_is_served_under_fair),
		TEST(a_job_is_noted_from_queue_to_charge),
		TEST(what_others_do_is_noted),
	};

	return cmocka_run_group_tests_name("gpu_sched_fixed", tests, NULL, NULL);
}
