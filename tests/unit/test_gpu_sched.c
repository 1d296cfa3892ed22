/* SPDX-License-Identifier: Apache-2.0 */
/* The GPU scheduler's edges: what it refuses, how it orders equals, whom it charges. */
// SOURCES: gpu/sched.c gpu/sched_admit.c gpu/sched_complete.c gpu/sched_fixed.c
// SOURCES: gpu/sched_note.c gpu/sched_order.c
#include "tests/unit/sched_bench.h"

static enum err init(u64 slice_ns, u32 depth, void **memory, u32 capacity)
{
	const struct gpu_sched_config config = { .slice_ns = slice_ns, .depth = depth };
	struct gpu_sched s;

	return gpu_sched_init(&s, &config, memory, capacity);
}

static void init_refuses_what_is_out_of_range(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_config config = plain;
	struct gpu_sched s;

	assert_int_equal(init(SLICE, 0, b->memory, 1), ERR_RANGE);
	assert_int_equal(init(SLICE, GPU_SCHED_DEPTH_MAX + 1, b->memory, 1), ERR_RANGE);
	assert_int_equal(init(SLICE, 2, b->memory, 0), ERR_RANGE);
	assert_int_equal(init(SLICE, 2, b->memory, GPU_SCHED_CAPACITY_MAX + 1), ERR_RANGE);
	assert_int_equal(init(SLICE, 2, NULL, 1), ERR_INVALID);
	assert_int_equal(init(GPU_SCHED_SLICE_MIN_NS - 1, 2, b->memory, 1), ERR_RANGE);
	assert_int_equal(init(GPU_SCHED_SLICE_MAX_NS + 1, 2, b->memory, 1), ERR_RANGE);
	assert_int_equal(init(GPU_SCHED_SLICE_MIN_NS, 1, b->memory, 1), OK);
	assert_int_equal(init(GPU_SCHED_SLICE_MAX_NS, 16, b->memory, 1), OK);
	config.policy = GPU_SCHED_POLICIES;
	assert_int_equal(gpu_sched_init(&s, &config, b->memory, VGPUS), ERR_RANGE);
	config.policy = GPU_SCHED_FIXED;
	assert_int_equal(gpu_sched_init(&s, &config, b->memory, VGPUS), ERR_RANGE);
	config.slots = VGPUS + 1;
	assert_int_equal(gpu_sched_init(&s, &config, b->memory, VGPUS), ERR_RANGE);
	config.slots = VGPUS;
	assert_int_equal(gpu_sched_init(&s, &config, b->memory, VGPUS), OK);
}

static enum err try_add(struct bench *b, u32 i, struct gpu_sched_params params, u32 slot)
{
	return gpu_sched_add(&b->sched, &b->vgpu[i], &params, slot);
}

static void weights_are_from_1_to_10000(void **state)
{
	struct bench *b = *state;

	assert_int_equal(try_add(b, 0, by_weight(0), 0), ERR_RANGE);
	assert_int_equal(try_add(b, 0, by_weight(10001), 0), ERR_RANGE);
	assert_null(b->vgpu[0].sched);
	add(b, 0, 1);
	add(b, 1, 10000);
	assert_int_equal(b->vgpu[0].params.weight, 1);
	assert_int_equal(b->vgpu[1].params.weight, 10000);
}

static void add_refuses_a_known_one_and_a_slot_that_is_taken(void **state)
{
	struct bench *b = *state;

	for (u32 i = 0; i < VGPUS; i++)
		add(b, i, 100);
	assert_int_equal(try_add(b, 0, by_weight(100), 0), ERR_EXISTS);
	assert_int_equal(try_add(b, VGPUS, by_weight(100), 2), ERR_EXISTS);
	assert_int_equal(try_add(b, VGPUS, by_weight(100), VGPUS), ERR_RANGE);
}

static void a_vgpu_that_is_not_added_gets_nothing(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *dropped = &b->job[0];

	assert_int_equal(gpu_sched_enqueue(&b->sched, &b->vgpu[0], &b->job[0], 0), ERR_NOT_FOUND);
	assert_int_equal(gpu_sched_remove(&b->sched, &b->vgpu[0], &dropped), ERR_NOT_FOUND);
	assert_null(dropped);
	assert_null(gpu_sched_drop_queued(&b->sched, &b->vgpu[0]));
	assert_null(gpu_sched_pick(&b->sched, 0));
}

static void remove_hands_back_queued_jobs_oldest_first(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *first, *second, *other, *dropped;

	add(b, 0, 100);
	add(b, 1, 100);
	first = enqueue(b, 0, 0);
	other = enqueue(b, 1, 0);
	second = enqueue(b, 0, 0);
	assert_int_equal(gpu_sched_remove(&b->sched, &b->vgpu[0], &dropped), OK);
	assert_ptr_equal(dropped, first);
	assert_ptr_equal(first->next, second);
	assert_null(second->next);
	assert_int_equal(first->state, GPU_SCHED_JOB_IDLE);
	assert_int_equal(second->state, GPU_SCHED_JOB_IDLE);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 1), other);
	assert_null(gpu_sched_pick(&b->sched, 1));
	add(b, 0, 7);
	assert_int_equal(gpu_sched_enqueue(&b->sched, &b->vgpu[0], first, 2), OK);
}

static void remove_waits_for_jobs_in_flight(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *flying, *queued, *dropped;

	add(b, 0, 100);
	flying = enqueue(b, 0, 0);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 0), flying);
	queued = enqueue(b, 0, 0);
	assert_int_equal(gpu_sched_remove(&b->sched, &b->vgpu[0], &dropped), ERR_BUSY);
	assert_null(dropped);
	assert_int_equal(b->vgpu[0].stats.queued, 1);
	assert_ptr_equal(gpu_sched_drop_queued(&b->sched, &b->vgpu[0]), queued);
	assert_int_equal(b->vgpu[0].stats.queued, 0);
	complete(b, flying, 5);
	assert_int_equal(gpu_sched_remove(&b->sched, &b->vgpu[0], &dropped), OK);
	assert_null(dropped);
}

static void a_job_is_queued_once_and_completed_once(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *job;

	add(b, 0, 100);
	assert_int_equal(complete_one(&b->sched, &b->job[0], 0), ERR_INVALID);
	job = enqueue(b, 0, 0);
	assert_int_equal(gpu_sched_enqueue(&b->sched, &b->vgpu[0], job, 0), ERR_INVALID);
	assert_int_equal(complete_one(&b->sched, job, 0), ERR_INVALID);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 10), job);
	assert_int_equal(gpu_sched_enqueue(&b->sched, &b->vgpu[0], job, 10), ERR_INVALID);
	complete(b, job, 30);
	assert_int_equal(complete_one(&b->sched, job, 40), ERR_INVALID);
	assert_int_equal(b->vgpu[0].stats.jobs, 1);
	assert_int_equal(b->vgpu[0].stats.engine_ns, 20);
}

static void a_job_of_another_gpu_is_not_completed_here(void **state)
{
	struct bench *b = *state;
	void *memory[GPU_SCHED_MEMORY(1)];
	struct gpu_sched other;
	struct gpu_sched_job *job;

	assert_int_equal(gpu_sched_init(&other, &plain, memory, 1), OK);
	add(b, 0, 100);
	job = enqueue(b, 0, 0);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 0), job);
	assert_int_equal(complete_one(&other, job, 1), ERR_INVALID);
	assert_int_equal(gpu_sched_enqueue(&other, &b->vgpu[0], &b->job[1], 1), ERR_NOT_FOUND);
}

static void two_jobs_are_in_flight_at_most(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *first, *second, *third;

	add(b, 0, 100);
	first = enqueue(b, 0, 0);
	second = enqueue(b, 0, 0);
	third = enqueue(b, 0, 0);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 0), first);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 0), second);
	assert_null(gpu_sched_pick(&b->sched, 0));
	complete(b, first, 10);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 10), third);
	assert_int_equal(b->sched.decisions, 3);
}

static void equals_take_turns_in_order_of_arrival(void **state)
{
	struct bench *b = *state;

	for (u32 i = 0; i < 3; i++)
		add(b, i, 100);
	for (u32 i = 0; i < 6; i++)
		enqueue(b, 2 - i % 3, 0);
	for (u32 i = 0; i < 6; i++) { /* jobs that cost nothing: all tags stay equal */
		assert_ptr_equal(gpu_sched_pick(&b->sched, 0), &b->job[i]);
		complete(b, &b->job[i], 0);
	}
}

static void engine_time_is_what_the_job_itself_took(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *first, *second;

	add(b, 0, 100);
	add(b, 1, 100);
	first = enqueue(b, 0, 0);
	second = enqueue(b, 1, 0);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 100), first);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 110), second);
	complete(b, first, 150);
	complete(b, second, 180);
	assert_int_equal(first->engine_ns, 50);	 /* from its submission */
	assert_int_equal(second->engine_ns, 30); /* from the completion before it */
	assert_int_equal(gpu_sched_busy_ns(&b->sched, 1000), 80);
	assert_int_equal(b->vgpu[1].stats.wait_max_ns, 110);
}

static void an_overtaken_job_keeps_its_own_time(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *first, *second;

	add(b, 0, 100);
	add(b, 1, 100);
	first = enqueue(b, 0, 0);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 0), first);
	second = enqueue(b, 1, 10);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 10), second);
	complete(b, second, 50);
	complete(b, first, 80);
	assert_int_equal(second->engine_ns, 40);
	assert_int_equal(first->engine_ns, 10 + 30);
	assert_int_equal(gpu_sched_busy_ns(&b->sched, 80), 80);
}

/* Two jobs of vGPUs 0 and 1 in flight, submitted at 0 and 20. */
static void two_in_flight(struct bench *b, struct gpu_sched_job *jobs[2])
{
	add(b, 0, 100);
	add(b, 1, 100);
	jobs[0] = enqueue(b, 0, 0);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 0), jobs[0]);
	jobs[1] = enqueue(b, 1, 20);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 20), jobs[1]);
}

static void jobs_found_finished_together_share_the_time(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *jobs[2];

	two_in_flight(b, jobs);
	assert_int_equal(gpu_sched_complete_all(&b->sched, jobs, 2, 120), OK);
	assert_int_equal(jobs[0]->engine_ns, 20 + 50); /* alone until 20, then half of 100 */
	assert_int_equal(jobs[1]->engine_ns, 50);
	assert_int_equal(gpu_sched_busy_ns(&b->sched, 200), 120);
	assert_int_equal(b->sched.in_flight, 0);
}

static void shared_time_follows_the_work(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *jobs[2];

	b->job[0].work = 3;
	b->job[1].work = 1;
	two_in_flight(b, jobs);
	assert_int_equal(gpu_sched_complete_all(&b->sched, jobs, 2, 120), OK);
	assert_int_equal(jobs[0]->engine_ns, 20 + 75);
	assert_int_equal(jobs[1]->engine_ns, 25);
}

static void work_has_a_least_and_a_most(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *jobs[2];
	u64 much = GPU_SCHED_WORK_MAX;

	b->job[0].work = 0;
	b->job[1].work = UINT32_MAX;
	two_in_flight(b, jobs);
	assert_int_equal(gpu_sched_complete_all(&b->sched, jobs, 2, 20 + (much + 1) * 1000), OK);
	assert_int_equal(jobs[0]->engine_ns, 20 + 1000);
	assert_int_equal(jobs[1]->engine_ns, much * 1000);
}

static void a_wrong_job_among_several_completes_none(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *jobs[2], *twice[2], *three[3];

	two_in_flight(b, jobs);
	twice[0] = twice[1] = jobs[0];
	assert_int_equal(gpu_sched_complete_all(&b->sched, twice, 2, 50), ERR_INVALID);
	three[0] = jobs[0];
	three[1] = jobs[1];
	three[2] = &b->job[5];
	assert_int_equal(gpu_sched_complete_all(&b->sched, three, 3, 50), ERR_INVALID);
	assert_int_equal(gpu_sched_complete_all(&b->sched, three + 1, 2, 50), ERR_INVALID);
	assert_int_equal(gpu_sched_complete_all(&b->sched, jobs, 0, 50), OK);
	assert_int_equal(b->sched.in_flight, 2);
	assert_int_equal(gpu_sched_complete_all(&b->sched, jobs, 2, 60), OK);
}

static void a_late_look_keeps_equal_jobs_equal(void **state)
{
	struct bench *b = *state;
	u64 now_ns = 0;

	/* Both jobs in flight are always found together, after a millisecond for each. */
	add(b, 0, 100);
	add(b, 1, 100);
	for (u32 i = 0; i < 8; i++)
		enqueue(b, i % 2, 0);
	for (u32 i = 0; i < 1000; i++) {
		struct gpu_sched_job *jobs[2] = { gpu_sched_pick(&b->sched, now_ns),
						  gpu_sched_pick(&b->sched, now_ns) };

		now_ns += 2 * MS;
		assert_int_equal(gpu_sched_complete_all(&b->sched, jobs, 2, now_ns), OK);
		for (u32 j = 0; j < 2; j++)
			assert_int_equal(
				gpu_sched_enqueue(&b->sched, jobs[j]->owner, jobs[j], now_ns), OK);
	}
	assert_in_range(b->vgpu[0].stats.jobs, 998, 1002);
}

static void the_oldest_is_the_one_submitted_first(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *jobs[2], *third;

	assert_null(gpu_sched_oldest(&b->sched));
	two_in_flight(b, jobs);
	third = enqueue(b, 0, 30);
	assert_ptr_equal(gpu_sched_oldest(&b->sched), jobs[0]);
	assert_ptr_equal(jobs[0]->next, jobs[1]);
	complete(b, jobs[1], 40); /* it has overtaken */
	assert_ptr_equal(gpu_sched_pick(&b->sched, 40), third);
	assert_ptr_equal(gpu_sched_oldest(&b->sched), jobs[0]);
	complete(b, jobs[0], 50);
	assert_ptr_equal(gpu_sched_oldest(&b->sched), third);
	complete(b, third, 60);
	assert_null(gpu_sched_oldest(&b->sched));
}

static void a_clock_that_steps_back_costs_nobody(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *job;

	add(b, 0, 100);
	job = enqueue(b, 0, 1000);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 900), job);
	assert_int_equal(job->submitted_ns, 1000);
	complete(b, job, 10);
	assert_int_equal(job->engine_ns, 0);
	assert_int_equal(gpu_sched_busy_ns(&b->sched, 0), 0);
}

static void a_job_past_the_slice_is_paid_in_full_and_counted(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *job;

	add(b, 0, 100);
	job = enqueue(b, 0, 0);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 0), job);
	complete(b, job, SLICE);
	assert_int_equal(b->vgpu[0].stats.overruns, 0);
	job = enqueue(b, 0, SLICE);
	assert_ptr_equal(gpu_sched_pick(&b->sched, SLICE), job);
	complete(b, job, 2 * SLICE + 7);
	assert_int_equal(b->vgpu[0].stats.overruns, 1);
	assert_int_equal(b->vgpu[0].stats.overrun_ns, 7);
	assert_int_equal(b->vgpu[0].stats.engine_ns, 2 * SLICE + 7);
}

/* Keeps both queues full until `jobs` are done; the cost of each is 1 ms. */
static void run_full(struct bench *b, u32 jobs)
{
	u64 now_ns = 0;

	for (u32 i = 0; i < 8; i++)
		enqueue(b, i % 2, 0);
	while (gpu_sched_pick(&b->sched, 0))
		;
	while (jobs-- > 0) {
		struct gpu_sched_job *job = b->sched.flight_head;

		now_ns += MS;
		complete(b, job, now_ns);
		assert_int_equal(gpu_sched_enqueue(&b->sched, job->owner, job, now_ns), OK);
		assert_non_null(gpu_sched_pick(&b->sched, now_ns));
	}
}

static void weights_3_to_1_share_3_to_1(void **state)
{
	struct bench *b = *state;

	add(b, 0, 300);
	add(b, 1, 100);
	run_full(b, 4000);
	assert_in_range(b->vgpu[0].stats.jobs, 2998, 3002);
}

static void the_extremes_of_weight_share_too(void **state)
{
	struct bench *b = *state;

	add(b, 0, 10000);
	add(b, 1, 1);
	run_full(b, 50005);
	assert_in_range(b->vgpu[1].stats.jobs, 4, 7);
}

static void an_idle_vgpu_saves_no_credit(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *job;
	u64 now_ns, before;

	add(b, 0, 100);
	add(b, 1, 100);
	for (u32 i = 0; i < 4; i++)
		enqueue(b, 0, 0);
	while (gpu_sched_pick(&b->sched, 0))
		;
	for (now_ns = MS; now_ns <= 1000 * MS; now_ns += MS) { /* alone for a second */
		job = b->sched.flight_head;
		complete(b, job, now_ns);
		assert_int_equal(gpu_sched_enqueue(&b->sched, job->owner, job, now_ns), OK);
		assert_non_null(gpu_sched_pick(&b->sched, now_ns));
	}
	before = b->vgpu[0].stats.jobs;
	for (u32 i = 0; i < 4; i++)
		enqueue(b, 1, now_ns);
	for (; now_ns <= 1100 * MS; now_ns += MS) {
		job = b->sched.flight_head;
		complete(b, job, now_ns);
		assert_int_equal(gpu_sched_enqueue(&b->sched, job->owner, job, now_ns), OK);
		assert_non_null(gpu_sched_pick(&b->sched, now_ns));
	}
	assert_in_range(b->vgpu[0].stats.jobs - before, 49, 52);
}

static void an_idle_engine_forgives_nothing(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *costly, *cheap;

	add(b, 0, 1);
	add(b, 1, 1);
	costly = enqueue(b, 0, 0);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 0), costly);
	complete(b, costly, 100 * MS);
	assert_int_equal(gpu_sched_debt_ns(&b->sched, &b->vgpu[0], 100 * MS), 100 * MS);
	/* Nobody wants the engine for a second; the debt is still there. */
	enqueue(b, 0, 1000 * MS);
	cheap = enqueue(b, 1, 1000 * MS);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 1000 * MS), cheap);
	assert_int_equal(gpu_sched_debt_ns(&b->sched, &b->vgpu[0], 1000 * MS), 100 * MS);
}

static void the_second_place_is_for_who_is_expected_to_be_short(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *job, *next;
	u64 now_ns = 0;

	add(b, 0, 100);
	job = enqueue(b, 0, 0);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 0), job);
	complete(b, job, now_ns = SLICE + SLICE / 4);
	assert_int_equal(b->vgpu[0].expect_ns, SLICE + SLICE / 4);
	job = enqueue(b, 0, now_ns);
	next = enqueue(b, 0, now_ns);
	assert_ptr_equal(gpu_sched_pick(&b->sched, now_ns), job);
	assert_null(gpu_sched_pick(&b->sched, now_ns));
	/* One short job: an eighth is forgotten; then a second. */
	complete(b, job, ++now_ns);
	assert_ptr_equal(gpu_sched_pick(&b->sched, now_ns), next);
	job = enqueue(b, 0, now_ns);
	assert_null(gpu_sched_pick(&b->sched, now_ns));
	complete(b, next, ++now_ns);
	assert_true(b->vgpu[0].expect_ns <= SLICE);
	next = enqueue(b, 0, now_ns);
	assert_ptr_equal(gpu_sched_pick(&b->sched, now_ns), job);
	assert_ptr_equal(gpu_sched_pick(&b->sched, now_ns), next);
}

static void who_is_refused_the_second_place_is_not_overtaken(void **state)
{
	struct bench *b = *state;
	struct gpu_sched_job *job;

	add(b, 0, 10000);
	add(b, 1, 1);
	add(b, 2, 1);
	job = enqueue(b, 0, 0);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 0), job);
	complete(b, job, 2 * SLICE);
	job = enqueue(b, 2, 2 * SLICE); /* owes nothing: before 0 */
	assert_ptr_equal(gpu_sched_pick(&b->sched, 2 * SLICE), job);
	complete(b, job, 2 * SLICE + MS); /* ... and now far behind it */
	enqueue(b, 1, 2 * SLICE + MS);
	job = enqueue(b, 0, 2 * SLICE + MS);
	enqueue(b, 2, 2 * SLICE + MS);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 2 * SLICE + MS)->owner, &b->vgpu[1]);
	assert_null(gpu_sched_pick(&b->sched, 2 * SLICE + MS));
	complete(b, b->sched.flight_head, 2 * SLICE + 2 * MS);
	assert_ptr_equal(gpu_sched_pick(&b->sched, 2 * SLICE + 2 * MS), job);
}

static void long_runs_do_not_overflow(void **state)
{
	struct bench *b = *state;
	u64 year_ns = 365ULL * 24 * 3600 * 1000 * MS, now_ns = 0;

	/* Jobs of half a year at weight 1: tags would need more than 64 bits after the fourth. */
	add(b, 0, 1);
	add(b, 1, 10000);
	enqueue(b, 0, 0);
	for (u32 i = 0; i < 12; i++) {
		struct gpu_sched_job *job = gpu_sched_pick(&b->sched, now_ns);

		assert_non_null(job);
		now_ns += year_ns / 2;
		complete(b, job, now_ns);
		assert_in_range(gpu_sched_debt_ns(&b->sched, &b->vgpu[0], now_ns), year_ns / 2 - 1,
				year_ns / 2);
		assert_int_equal(gpu_sched_enqueue(&b->sched, job->owner, job, now_ns), OK);
	}
	assert_int_equal(b->vgpu[0].stats.engine_ns, 6 * year_ns);
	enqueue(b, 1, now_ns);
	assert_ptr_equal(gpu_sched_pick(&b->sched, now_ns)->owner, &b->vgpu[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(init_refuses_what_is_out_of_range),
		TEST(weights_are_from_1_to_10000),
		TEST(add_refuses_a_known_one_and_a_slot_that_is_taken),
		TEST(a_vgpu_that_is_not_added_gets_nothing),
		TEST(remove_hands_back_queued_jobs_oldest_first),
		TEST(remove_waits_for_jobs_in_flight),
		TEST(a_job_is_queued_once_and_completed_once),
		TEST(a_job_of_another_gpu_is_not_completed_here),
		TEST(two_jobs_are_in_flight_at_most),
		TEST(equals_take_turns_in_order_of_arrival),
		TEST(engine_time_is_what_the_job_itself_took),
		TEST(an_overtaken_job_keeps_its_own_time),
		TEST(jobs_found_finished_together_share_the_time),
		TEST(shared_time_follows_the_work),
		TEST(work_has_a_least_and_a_most),
		TEST(a_wrong_job_among_several_completes_none),
		TEST(a_late_look_keeps_equal_jobs_equal),
		TEST(the_oldest_is_the_one_submitted_first),
		TEST(a_clock_that_steps_back_costs_nobody),
		TEST(a_job_past_the_slice_is_paid_in_full_and_counted),
		TEST(weights_3_to_1_share_3_to_1),
		TEST(the_extremes_of_weight_share_too),
		TEST(an_idle_vgpu_saves_no_credit),
		TEST(an_idle_engine_forgives_nothing),
		TEST(the_second_place_is_for_who_is_expected_to_be_short),
		TEST(who_is_refused_the_second_place_is_not_overtaken),
		TEST(long_runs_do_not_overflow),
	};

	return cmocka_run_group_tests_name("gpu_sched", tests, NULL, NULL);
}
