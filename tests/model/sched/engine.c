/* SPDX-License-Identifier: Apache-2.0 */
/* The engine, and the caller of the scheduler: picks, completions, the timer. */
#include "tests/model/sched/sim.h"

static struct sim_vgpu *owner(const struct sim_job *job)
{
	return container_of(job->job.owner, struct sim_vgpu, vgpu);
}

/*
 * The engine takes the oldest job. Where the seed lets jobs overtake, it takes any, and may
 * drop what it has begun for one that has just come.
 */
static void run_next(struct sim *s)
{
	s->running = s->overtaking ? (u32)between(&s->random, 0, s->in_flight - 1) : s->unseen;
	s->finish_ns = s->now_ns + s->flight[s->running]->cost_ns;
}

static void check_pick(struct sim *s, struct sim_vgpu *v, struct sim_job *job)
{
	if (job->serial != v->picked)
		broken(s, "order", "vGPU %u: job %llu picked before job %llu", v->index,
		       (unsigned long long)job->serial, (unsigned long long)v->picked);
	if (s->in_flight == s->depth)
		broken(s, "depth", "more than %u jobs in flight", s->depth);
	if (v->held)
		broken(s, "hold", "vGPU %u is held, and its job is picked", v->index);
	if ((s->policy == GPU_SCHED_FIXED) != (job->job.by == GPU_SCHED_BY_SLOT))
		broken(s, "order", "picked on a wrong ground");
	if (s->policy == GPU_SCHED_FIXED) {
		fixed_picked(s, v, job);
		return;
	}
	if (!v->active)
		broken(s, "cap", "vGPU %u is picked while it may not be", v->index);
	if (s->in_flight > 0 && v->expect_ns > s->slice_ns)
		broken(s, "second", "a long job of vGPU %u has the second place", v->index);
}

static void picked(struct sim *s, struct sim_job *job)
{
	struct sim_vgpu *v = owner(job);

	check_pick(s, v, job);
	trace_expect(s, GPU_SCHED_EVENT_PICK, 1);
	v->picked++;
	s->trace = (s->trace ^ (v->index + 1) ^ s->now_ns) * 0x100000001b3ULL;
	if (s->isolated && v->index == 0 && s->now_ns < s->end_ns)
		s->victim = (s->victim ^ s->now_ns) * 0x100000001b3ULL;
	share_picked(s, v, job);
	limits_picked(s, v, job);
	v->queued--;
	v->in_flight++;
	if (v->queued == 0) {
		s->backlogged--;
		end_activity(s, v);
	}
	if (s->in_flight == 0)
		s->noticed_ns = s->now_ns;
	s->flight[s->in_flight++] = job;
	if (s->in_flight == 1 || (s->overtaking && one_in(&s->random, 3)))
		run_next(s);
	refill(s, v);
	v = &s->vgpus[between(&s->random, 0, s->count - 1)];
	if (v->load == SNIPING)
		enqueue(s, v);
}

/* What may be picked is in flight, or there is a reason. */
static void check_conserving(struct sim *s)
{
	if (s->policy == GPU_SCHED_FIXED) {
		fixed_idle(s);
		return;
	}
	if (s->in_flight == s->depth)
		return;
	if (s->in_flight == 0 && s->active > 0)
		broken(s, "conserving", "%u vGPUs may be picked, and the engine is idle",
		       s->active);
	if (s->active > 0 && s->active_long == 0)
		broken(s, "conserving", "%u vGPUs wait with %u jobs in flight, none is long",
		       s->active, s->in_flight);
	if (s->in_flight == 0)
		s->plain_event = ++s->events;
}

void dispatch(struct sim *s)
{
	struct gpu_sched_job *job;

	for (;;) {
		if (s->in_flight < s->depth)
			wake_due(s);
		job = gpu_sched_pick(&s->sched, s->now_ns);
		if (!job)
			break;
		picked(s, container_of(job, struct sim_job, job));
	}
	check_conserving(s);
}

static void check_account(struct sim *s, const struct sim_job *job)
{
	u64 busy_ns = gpu_sched_busy_ns(&s->sched, s->now_ns), charged_ns;

	charged_ns = s->charged_ns;
	for (u32 i = 0; i < s->in_flight; i++) /* theirs already, when overtaken */
		charged_ns += s->flight[i]->job.carried_ns;
	if (busy_ns != s->busy_ns)
		broken(s, "account", "busy %llu ns, the engine ran %llu ns",
		       (unsigned long long)busy_ns, (unsigned long long)s->busy_ns);
	if (!s->overtaking && !s->late && job->job.engine_ns != job->cost_ns)
		broken(s, "account", "charged %llu ns for a job of %llu ns",
		       (unsigned long long)job->job.engine_ns, (unsigned long long)job->cost_ns);
	if (gpu_sched_paid_ns(&s->sched) != s->charged_ns)
		broken(s, "account", "paid %llu ns, charged %llu ns",
		       (unsigned long long)gpu_sched_paid_ns(&s->sched),
		       (unsigned long long)s->charged_ns);
	if (charged_ns != busy_ns)
		broken(s, "account", "charged %llu ns in total, busy %llu ns",
		       (unsigned long long)charged_ns, (unsigned long long)busy_ns);
}

static void completed(struct sim *s, struct sim_job *job)
{
	struct sim_vgpu *v = owner(job);

	trace_expect(s, GPU_SCHED_EVENT_COMPLETE, 1);
	trace_expect(s, GPU_SCHED_EVENT_CHARGE, 1);
	v->in_flight--;
	s->done++;
	s->charged_ns += job->job.engine_ns;
	expect(s, v, job->job.engine_ns);
	if (job->job.by == GPU_SCHED_BY_SLOT && s->policy == GPU_SCHED_FIXED)
		fixed_charged(s, v, job);
	share_charged(s, v, job);
	window_charged(s, v, job);
	limits_charged(s, v, job);
	after_completion(s, v);
}

static void take_from_flight(struct sim *s, u32 at)
{
	s->in_flight--;
	for (; at < s->in_flight; at++)
		s->flight[at] = s->flight[at + 1];
}

static void complete(struct sim *s)
{
	struct sim_job *job = s->flight[s->running];
	struct gpu_sched_job *one = &job->job;

	one->ended = GPU_TRACE_GIVEN_BACK;
	if (gpu_sched_complete_all(&s->sched, &one, 1, s->now_ns) != OK)
		broken(s, "account", "completion refused");
	take_from_flight(s, s->running);
	completed(s, job);
	check_account(s, job);
	s->noticed_ns = s->now_ns;
	if (s->in_flight)
		run_next(s);
}

/* A job has ended. Late: somebody looks now or only after the next one, and finds all at once. */
static void complete_late(struct sim *s)
{
	struct gpu_sched_job *found[GPU_SCHED_DEPTH_MAX];
	struct sim_job *job = s->flight[0];
	u32 count;

	s->unseen++;
	if (s->unseen < s->in_flight && one_in(&s->random, 2)) {
		run_next(s);
		return;
	}
	count = s->unseen;
	for (u32 i = 0; i < count; i++) {
		found[i] = &s->flight[i]->job;
		found[i]->ended = GPU_TRACE_GIVEN_BACK;
		found[i]->work = (u32)MIN(s->flight[i]->cost_ns, UINT32_MAX);
	}
	if (gpu_sched_complete_all(&s->sched, found, count, s->now_ns) != OK)
		broken(s, "account", "completion refused");
	for (s->unseen = 0; count > 0; count--) {
		job = s->flight[0];
		take_from_flight(s, 0);
		completed(s, job);
	}
	check_account(s, job);
	s->noticed_ns = s->now_ns;
	if (s->in_flight)
		run_next(s);
}

/* Nobody has anything to do: all have left, or wait for another's pick. */
static void wake_up_all(struct sim *s)
{
	s->now_ns += MS;
	s->done++;
	for (u32 i = 0; i < s->count; i++)
		enqueue(s, &s->vgpus[i]);
}

void step(struct sim *s)
{
	u64 finish = s->in_flight ? s->finish_ns : NEVER;
	u64 timer = gpu_sched_next_ns(&s->sched, s->now_ns), arrival, when;
	u32 who = 0;

	/* Wakings are the scheduler's to tell. */
	when = alarm_next(&s->wakings, &who);
	if (s->in_flight < s->depth && timer > when)
		broken(s, "timer", "%llu ns after a cap ends", (unsigned long long)(timer - when));
	when = alarm_next(&s->dues, &who);
	if (s->in_flight < s->depth && when > s->now_ns && timer > when)
		broken(s, "timer", "%llu ns after a reserve is due",
		       (unsigned long long)(timer - when));
	arrival = alarm_next(&s->arrivals, &who);
	when = MIN(arrival, MIN(finish, timer));
	if (s->in_flight && when != NEVER)
		s->busy_ns += when - s->now_ns;
	if (when == NEVER) {
		wake_up_all(s);
	} else {
		s->now_ns = when;
		if (when == arrival)
			arrive(s, who);
		else if (when == finish && s->late)
			complete_late(s);
		else if (when == finish)
			complete(s);
	}
	disturb(s);
	dispatch(s);
	window_step(s);
}
