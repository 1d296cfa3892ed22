/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of reserves, bounds on queueing, caps and debts, with accounts of our own:
 *   reserve   who is active gets r * t on its account, less the formula; nobody is picked on an
 *             account that is ahead, nor by weight while one is due
 *   deadline  of those that are due the earliest deadline goes first, where there are few
 *   latency   a job is picked within the formula, with the jobs' actual lengths; checked where
 *             nothing was changed since the last pick that the proof can start from
 *   cap       in every interval that begins with a submission: at most k * t + D * L
 *   debt      what is shown is at most D * L
 */
#include "tests/model/sched/sim.h"

/* ns * times / divisor and what *rest brings along. */
static u64 scaled(u64 ns, u32 times, u32 divisor, u32 *rest)
{
	unsigned __int128 parts = (unsigned __int128)ns * times + *rest;

	*rest = (u32)(parts % divisor);
	return (u64)(parts / divisor);
}

/* ---- the longest jobs ---- */

void longer(struct sim *s, struct sim_vgpu *v, u64 ns)
{
	if (ns <= v->longest_ns)
		return;
	s->all_longest_ns += ns - v->longest_ns;
	if (v->params.reserve)
		s->reserve_longest_ns += ns - v->longest_ns;
	if (ns > s->longest_ns || v->params.latency_ns)
		s->bound_version++;
	s->longest_ns = MAX(s->longest_ns, ns);
	v->longest_ns = ns;
}

/* ---- reserve ---- */

static void guarantee_check(struct sim *s, struct sim_vgpu *v)
{
	struct account *a = &v->account;
	s128 lacks = (s128)v->params.reserve * (s->now_ns - a->since_ns) - (s128)WHOLE * a->served;

	if (!v->params.reserve || s->overtaking || s->late)
		return;
	total.guarantees++;
	within(s, "reserve", v->index, lacks,
	       (s128)WHOLE * s->depth * (s->longest_ns + s->reserve_longest_ns + v->longest_ns) +
		       WHOLE,
	       &total.worst_guarantee);
}

/* ---- latency: see docs/scheduler.md; D jobs in flight, then what is due within `x` ---- */

static s128 demand(const struct sim *s, u64 x)
{
	s128 sum = (s128)s->depth * s->longest_ns;

	for (u32 i = 0; i < s->bounded_count; i++) {
		const struct sim_vgpu *v = &s->vgpus[s->bounded[i]];

		if (v->params.latency_ns <= x)
			sum += (s128)s->depth * v->longest_ns +
			       ((s128)v->params.reserve * (x - v->params.latency_ns)) / WHOLE + 1;
	}
	return sum;
}

static u64 bound_of(struct sim *s, struct sim_vgpu *v)
{
	s128 late = 0;

	if (v->bound_version == s->bound_version)
		return v->bound_ns;
	for (u32 i = 0; i < s->bounded_count; i++) {
		u64 x = s->vgpus[s->bounded[i]].params.latency_ns;

		if (x >= v->params.latency_ns)
			late = MAX(late, demand(s, x) - (s128)x);
	}
	v->bound_version = s->bound_version;
	v->bound_ns = v->params.latency_ns + (u64)late;
	return v->bound_ns;
}

static void latency_check(struct sim *s, struct sim_vgpu *v)
{
	u64 delay = s->now_ns - MAX(v->account.ns, v->account.head_ns);

	if (s->overtaking || s->late || s->plain_event <= s->change_event)
		return;
	total.latencies++;
	total.worst_delay_ns = MAX(total.worst_delay_ns, delay);
	within(s, "latency", v->index, delay, bound_of(s, v), &total.worst_latency);
}

static void list_bounded(struct sim *s)
{
	s->bounded_count = 0;
	for (u32 i = 0; i < s->count; i++)
		if (s->vgpus[i].present && s->vgpus[i].params.latency_ns)
			s->bounded[s->bounded_count++] = i;
	s->bound_version++;
}

/* ---- */

/* The earliest deadline goes first; among those without one the earliest account. */
static u64 rank(const struct sim_vgpu *v)
{
	if (!v->params.latency_ns)
		return BIT(63) + v->account.ns;
	return MAX(v->account.ns, v->account.head_ns) + v->params.latency_ns;
}

static void earliest_check(struct sim *s, const struct sim_vgpu *v)
{
	if (s->count > MAX_PAIRED)
		return;
	for (u32 i = 0; i < s->count; i++) {
		const struct sim_vgpu *other = &s->vgpus[i];

		if (other->active && other->params.reserve && other->account.ns <= s->now_ns &&
		    rank(other) < rank(v))
			broken(s, "deadline", "vGPU %u goes before vGPU %u", v->index, i);
	}
}

void limits_begin(struct sim *s, struct sim_vgpu *v, u64 since_ns)
{
	v->account.ns = MAX(v->account.ns, since_ns);
	if (v->params.reserve)
		alarm_set(&s->dues, v->index, v->account.ns);
	v->account.since_ns = s->now_ns;
	v->account.served = 0;
}

void limits_end(struct sim *s, struct sim_vgpu *v)
{
	guarantee_check(s, v);
	alarm_set(&s->dues, v->index, NEVER);
}

void limits_picked(struct sim *s, struct sim_vgpu *v, const struct sim_job *job)
{
	u32 due = 0;

	if (job->job.by == GPU_SCHED_BY_RESERVE) {
		if (!v->params.reserve || v->account.ns > s->now_ns)
			broken(s, "reserve", "vGPU %u is picked ahead of its account", v->index);
		earliest_check(s, v);
		if (v->params.latency_ns)
			latency_check(s, v);
	}
	if (job->job.by == GPU_SCHED_BY_WEIGHT && alarm_next(&s->dues, &due) <= s->now_ns)
		broken(s, "reserve", "vGPU %u is picked while the reserve of vGPU %u is due",
		       v->index, due);
	if (job->job.by != GPU_SCHED_BY_RESERVE || !v->params.latency_ns)
		s->plain_event = ++s->events;
	v->account.head_ns = s->now_ns;
	longer(s, v, job->cost_ns);
}

static void cap_charged(struct sim *s, struct sim_vgpu *v, const struct gpu_sched_job *job)
{
	struct cap *c = &v->cap;
	s128 start = (s128)v->params.cap * job->submitted_ns - (s128)WHOLE * c->served;

	if (v->params.cap == WHOLE)
		return;
	c->ns = MAX(c->ns, job->submitted_ns) +
		scaled(job->engine_ns, WHOLE, v->params.cap, &c->rest);
	c->most = c->any ? MAX(c->most, start) : start;
	c->any = true;
	c->served += job->engine_ns;
	total.caps++;
	/* Where jobs overtake, the interval may begin with one that was charged before. */
	within(s, "cap", v->index,
	       (s128)WHOLE * c->served + c->most - (s128)v->params.cap * s->now_ns,
	       (s128)WHOLE * s->depth * (s->overtaking ? 2 : 1) * v->longest_ns, &total.worst_cap);
}

void limits_charged(struct sim *s, struct sim_vgpu *v, const struct sim_job *job)
{
	const struct gpu_sched_job *j = &job->job;

	longer(s, v, j->engine_ns);
	if (j->by == GPU_SCHED_BY_RESERVE && v->params.reserve) {
		if (v->active)
			guarantee_check(s, v);
		v->account.ns += scaled(j->engine_ns, WHOLE, v->params.reserve, &v->account.rest);
		v->account.served += j->engine_ns;
		if (v->active)
			alarm_set(&s->dues, v->index, v->account.ns);
	}
	if (j->by != GPU_SCHED_BY_SLOT)
		cap_charged(s, v, j);
	if (v->asleep)
		alarm_set(&s->wakings, v->index, v->cap.ns);
	else if (v->active && v->params.cap < WHOLE && v->cap.ns > s->now_ns) {
		end_activity(s, v);
		begin_activity(s, v, s->now_ns);
	}
	total.debts++;
	within(s, "debt", v->index, gpu_sched_debt_ns(&s->sched, &v->vgpu, s->now_ns),
	       (s128)s->depth * v->longest_ns + 2 * GPU_SCHED_WEIGHT_MAX / TAG + 1,
	       &total.worst_debt);
}

/* Accounts that are ahead or behind stay so, in engine time. */
static u64 moved(u64 ns, u64 now_ns, u32 from, u32 to)
{
	u32 rest = 0;
	u64 behind;

	if (ns >= now_ns)
		return now_ns + scaled(ns - now_ns, from, to, &rest);
	behind = scaled(now_ns - ns, from, to, &rest);
	return now_ns - MIN(now_ns, behind);
}

/* `v` is not active meanwhile. */
void limits_retune(struct sim *s, struct sim_vgpu *v, const struct gpu_sched_params *new)
{
	u32 reserve = v->params.reserve;

	if (reserve != new->reserve)
		v->account.rest = 0;
	if (!reserve)
		v->account.ns = MAX(v->account.ns, s->now_ns);
	else if (new->reserve)
		v->account.ns = moved(v->account.ns, s->now_ns, reserve, new->reserve);
	else
		v->account.ns = s->now_ns;
	if (new->cap == WHOLE && v->params.cap < WHOLE)
		v->cap.ns = MIN(v->cap.ns, s->now_ns);
	else if (v->cap.ns > s->now_ns)
		v->cap.ns = moved(v->cap.ns, s->now_ns, v->params.cap, new->cap);
	v->cap = (struct cap){ .ns = v->cap.ns,
			       .rest = new->cap == v->params.cap ? v->cap.rest : 0 };
	if (!reserve && new->reserve)
		s->reserve_longest_ns += v->longest_ns;
	v->params = *new;
	list_bounded(s);
}

/* What the test has to say, worked out apart: `v` gets `new`, or one more does. */
enum err limits_admit(const struct sim *s, const struct sim_vgpu *v,
		      const struct gpu_sched_params *new, u64 slice_ns)
{
	const struct gpu_sched_params *all[MAX_VGPUS + 1];
	u32 count = 0, reserves = 0;

	if (new && (new->weight < 1 || new->weight > 10000 || new->cap < 1 || new->cap > WHOLE ||
		    new->reserve > new->cap || (new->latency_ns && !new->reserve) ||
		    new->latency_ns > GPU_SCHED_LATENCY_MAX_NS))
		return ERR_RANGE;
	if (new)
		all[count++] = new;
	for (u32 i = 0; i < s->count; i++)
		if (s->vgpus[i].present && &s->vgpus[i] != v)
			all[count++] = &s->vgpus[i].params;
	for (u32 i = 0; i < count; i++)
		reserves += all[i]->reserve;
	if (reserves > WHOLE)
		return ERR_FULL;
	for (u32 k = 0; k < count; k++) {
		u64 x = all[k]->latency_ns, sum = s->depth * slice_ns;

		for (u32 i = 0; x && i < count; i++)
			if (all[i]->latency_ns && all[i]->latency_ns <= x)
				sum += s->depth * slice_ns +
				       (all[i]->reserve * (x - all[i]->latency_ns) + WHOLE - 1) /
					       WHOLE;
		if (x && sum > x)
			return ERR_DENIED;
	}
	return OK;
}
