/* SPDX-License-Identifier: Apache-2.0 */
/* Completions: how long a job had the engine, exactly, and who pays. */
#include "gpu/sched_parts.h"
#include "gpu/sched_scale.h"

/* What a vGPU's next job is expected to take forgets a long one: this part of it with each job. */
#define EXPECT_FORGETS 8

static void unlink_flight(struct gpu_sched *s, struct gpu_sched_job *job)
{
	struct gpu_sched_job *previous = s->flight_head;

	/* Nearly always the first one; `depth` steps at the most. Of none, nobody reads the tail.
	 */
	if (previous == job) {
		s->flight_head = job->next;
	} else {
		while (previous->next != job)
			previous = previous->next;
		previous->next = job->next;
		if (s->flight_tail == job)
			s->flight_tail = previous;
	}
	job->next = NULL;
}

/* The engine time of `job`, which ended at `end_ns` and has left the list of those in flight. */
static u64 measure(struct gpu_sched *s, const struct gpu_sched_job *job, u64 end_ns)
{
	u64 start = s->mark_ns;

	/*
	 * Submitted after the mark: an earlier job had the engine from the mark
	 * until then at least. In order, that one's completion moved the mark; it
	 * is still in flight only if this job has overtaken it.
	 */
	if (job->submitted_ns > start) {
		if (s->flight_head)
			s->flight_head->carried_ns += job->submitted_ns - start;
		start = job->submitted_ns;
	}
	s->mark_ns = end_ns;
	return job->carried_ns + (end_ns - start);
}

static inline void __attribute__((always_inline))
count_job(const struct gpu_sched *s, struct gpu_sched_vgpu *v, u64 ns)
{
	struct gpu_sched_stats *stats = &v->stats;

	stats->in_flight--;
	stats->jobs++;
	stats->engine_ns += ns;
	if (ns > s->config.slice_ns) {
		stats->overruns++;
		stats->overrun_ns += ns - s->config.slice_ns;
	}
	v->expect_ns = MAX(ns, v->expect_ns - v->expect_ns / EXPECT_FORGETS);
}

/* The owner of `job` pays `ns` by its tag or its account, and by its cap. */
static inline void __attribute__((always_inline))
charge(struct gpu_sched *s, const struct gpu_sched_job *job, u64 ns)
{
	struct gpu_sched_vgpu *v = job->owner;
	bool limited = v->params.cap < GPU_SCHED_WHOLE;

	if (limited)
		v->cap_ns = gpu_sched_sum(
			MAX(v->cap_ns, job->submitted_ns),
			gpu_sched_scale(ns, GPU_SCHED_WHOLE, v->params.cap, &v->cap_rest));
	if (job->by == GPU_SCHED_BY_RESERVE) {
		limited = true;
		v->stats.reserve_ns += ns;
		if (v->params.reserve)
			v->account_ns =
				gpu_sched_sum(v->account_ns,
					      gpu_sched_scale(ns, GPU_SCHED_WHOLE,
							      v->params.reserve, &v->account_rest));
	} else {
		v->by_weight.key =
			gpu_sched_sum(v->by_weight.key, gpu_sched_scale(ns, GPU_SCHED_TAG_UNITS,
									v->share, &v->weight_rest));
	}
	if (limited && v->place != GPU_SCHED_OUT)
		gpu_sched_account_grew(s, v);
	if (job->by != GPU_SCHED_BY_RESERVE)
		gpu_sched_tag_grew(s, job->owner);
}

/* `end_ns` lies between the mark and now. */
static inline void __attribute__((always_inline))
finish(struct gpu_sched *s, struct gpu_sched_job *job, u64 end_ns)
{
	u64 ns;

	unlink_flight(s, job);
	ns = measure(s, job, end_ns);
	job->engine_ns = ns;
	job->state = GPU_SCHED_JOB_IDLE;
	if (--s->in_flight == 0)
		s->busy_ns += end_ns - s->since_ns;
	count_job(s, job->owner, ns);
	if (job->by != GPU_SCHED_BY_SLOT)
		charge(s, job, ns);
	else if (s->config.policy == GPU_SCHED_FIXED) /* else its slot has paid for it */
		gpu_sched_fixed_charge(s, job->owner, job, end_ns);
	if (s->note)
		gpu_sched_note_charge(s, job);
}

static bool in_flight_on(const struct gpu_sched *s, const struct gpu_sched_job *job)
{
	return job->state == GPU_SCHED_JOB_IN_FLIGHT && job->owner->sched == s;
}

static u64 work_of(const struct gpu_sched_job *job)
{
	return MAX(1U, MIN(job->work, GPU_SCHED_WORK_MAX));
}

static enum err __attribute__((noinline))
complete_several(struct gpu_sched *s, struct gpu_sched_job *const *jobs, u32 count, u64 now_ns)
{
	u64 base_ns = s->mark_ns, work = 0, done = 0, shared_ns;

	if (count > s->in_flight)
		return ERR_INVALID;
	for (u32 i = 0; i < count; i++) {
		if (!in_flight_on(s, jobs[i]))
			return ERR_INVALID;
		for (u32 j = 0; j < i; j++)
			if (jobs[j] == jobs[i])
				return ERR_INVALID;
		/* Before the last was submitted it cannot have run: that part is not shared. */
		base_ns = MAX(base_ns, jobs[i]->submitted_ns);
		work += work_of(jobs[i]);
	}
	shared_ns = gpu_sched_advance(s, now_ns) - base_ns;
	for (u32 i = 0; i < count; i++) {
		done += work_of(jobs[i]);
		/* shared_ns * done / work, in two parts that cannot overflow */
		finish(s, jobs[i],
		       base_ns + shared_ns / work * done + shared_ns % work * done / work);
	}
	return OK;
}

enum err gpu_sched_complete_all(struct gpu_sched *s, struct gpu_sched_job *const *jobs, u32 count,
				u64 now_ns)
{
	struct gpu_sched_job *job = jobs[0];

	if (count != 1)
		return complete_several(s, jobs, count, now_ns);
	if (!in_flight_on(s, job))
		return ERR_INVALID;
	finish(s, job, gpu_sched_advance(s, now_ns));
	return OK;
}
