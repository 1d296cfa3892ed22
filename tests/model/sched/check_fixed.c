/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of strict slots:
 *   slot      a job starts only in its vGPU's slot, behind its own jobs alone, where it fits
 *   forfeit   not before what the vGPU ran past earlier slots has gone by in its own
 *   bounds    jobs no longer than their bounds end within the slot
 *   idle      the slot's vGPU starts what it may
 */
#include "tests/model/sched/sim.h"

static u64 clamp(s128 value, u64 most)
{
	return value < 0 ? 0 : value > most ? most : (u64)value;
}

/* How much of the slots of `v` has gone by. */
static u64 own_time(const struct sim *s, const struct sim_vgpu *v, u64 slice_ns)
{
	u64 turn_ns = s->count * slice_ns;

	return s->now_ns / turn_ns * slice_ns +
	       clamp((s128)(s->now_ns % turn_ns) - (s128)v->index * slice_ns, slice_ns);
}

static u64 bound_of(const struct sim *s, const struct sim_vgpu *v)
{
	u64 least = s->slice_ns / 8;

	return MAX(least, MIN(v->slot.longest_ns, s->slice_ns - least));
}

/* When what is in flight is expected to end; NEVER where it is not for this slot. */
static u64 free_at(const struct sim *s, const struct sim_vgpu *v, u64 until_ns)
{
	u64 at = s->now_ns;

	for (u32 i = 0; i < s->in_flight; i++) {
		const struct sim_job *job = s->flight[i];

		if (job->job.owner != &v->vgpu || job->until_ns != until_ns)
			return NEVER;
		if (i == 0)
			at = MAX(at, s->noticed_ns + job->bound_ns);
		else
			at += job->bound_ns;
	}
	return at;
}

static bool may_start(const struct sim *s, const struct sim_vgpu *v)
{
	u64 number = s->now_ns / s->slice_ns, until_ns = (number + 1) * s->slice_ns, at;

	if (number % s->count != v->index || v->held || !v->present)
		return false;
	at = free_at(s, v, until_ns);
	return at != NEVER && at + bound_of(s, v) <= until_ns &&
	       own_time(s, v, s->slice_ns) >= v->slot.free_ns;
}

/* Before `job` counts as in flight. */
void fixed_picked(struct sim *s, struct sim_vgpu *v, struct sim_job *job)
{
	if (!may_start(s, v))
		broken(s, "slot", "vGPU %u starts where it may not", v->index);
	job->bound_ns = bound_of(s, v);
	job->until_ns = (s->now_ns / s->slice_ns + 1) * s->slice_ns;
	if (s->in_flight == 0)
		v->slot.in_bounds = true;
	total.slots++;
}

void fixed_charged(struct sim *s, struct sim_vgpu *v, const struct sim_job *job)
{
	u64 ns = job->job.engine_ns, past, own;

	v->slot.longest_ns = MAX(ns, v->slot.longest_ns - v->slot.longest_ns / 64);
	if (ns > job->bound_ns)
		v->slot.in_bounds = false;
	if (s->now_ns <= job->until_ns)
		return;
	if (v->slot.in_bounds)
		broken(s, "bounds", "vGPU %u has kept its bounds and left its slot", v->index);
	past = MIN(s->now_ns - job->until_ns, ns);
	own = own_time(s, v, s->slice_ns);
	v->slot.free_ns = MAX(v->slot.free_ns, own) + past;
}

void fixed_idle(struct sim *s)
{
	const struct sim_vgpu *v = &s->vgpus[s->now_ns / s->slice_ns % s->count];

	if (v->queued && s->in_flight < s->depth && may_start(s, v))
		broken(s, "idle", "vGPU %u may start and does not", v->index);
}

void fixed_configured(struct sim *s, enum gpu_sched_policy old, u64 old_slice_ns)
{
	for (u32 i = 0; i < s->count; i++) {
		struct sim_vgpu *v = &s->vgpus[i];
		u64 debt = v->slot.free_ns;

		if (!v->present)
			continue;
		if (old == GPU_SCHED_FIXED)
			debt = clamp((s128)debt - own_time(s, v, old_slice_ns), NEVER);
		v->slot.free_ns = debt;
		if (s->policy != GPU_SCHED_FIXED)
			continue;
		v->slot.free_ns += own_time(s, v, s->slice_ns);
		v->slot.longest_ns = MAX(v->slot.longest_ns, v->expect_ns);
	}
}
