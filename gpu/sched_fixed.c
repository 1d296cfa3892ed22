/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict slots: time is cut into slots of a slice each, which belong to the vGPUs in turn. Who
 * may start follows from the time and from the vGPU's own jobs alone.
 *
 *   |  vGPU 0  |  vGPU 1  |  vGPU 2  |  vGPU 0  | ...
 *    [job][job ] empty:    [job that  ran past] [
 *                 absent                  ^ forfeited by vGPU 2 at the start of its next slot
 */
#include "gpu/sched_parts.h"

/* A bound leaves the last eighth of a slot to a timer that is late, and is at least one. */
#define PART 8

/* A bound forgets a long job: this part of it with each job. */
#define FORGETS 64

static u64 slice_of(const struct gpu_sched *s)
{
	return s->config.slice_ns;
}

/* How much of the slots of `v` has gone by at `ns`: its own time, in which forfeits are counted. */
static u64 own_time(const struct gpu_sched *s, const struct gpu_sched_vgpu *v, u64 ns)
{
	u64 number = ns / slice_of(s), turns = number / s->config.slots;
	u64 place = number % s->config.slots;
	u64 part = place > v->slot ? slice_of(s) : place == v->slot ? ns % slice_of(s) : 0;

	return turns * slice_of(s) + part;
}

static u64 bound_of(const struct gpu_sched *s, const struct gpu_sched_vgpu *v)
{
	u64 least = slice_of(s) / PART;

	return MIN(MAX(v->longest_ns, least), slice_of(s) - least);
}

/*
 * How long what is in flight is expected to go on; UINT64_MAX: for longer than this slot, as it is
 * another's or from another slot. Time moves both the end of the running
 * job and what is left of the slot: when pick is called changes nothing.
 */
static u64 expected(const struct gpu_sched *s, const struct gpu_sched_vgpu *v, u64 until_ns)
{
	u64 sum = 0, ran = s->now_ns - s->mark_ns;

	for (const struct gpu_sched_job *job = s->flight_head; job; job = job->next) {
		if (job->owner != v || job->by != GPU_SCHED_BY_SLOT || job->until_ns != until_ns)
			return UINT64_MAX;
		sum += job == s->flight_head ? job->bound_ns - MIN(job->bound_ns, ran)
					     : job->bound_ns;
	}
	return sum;
}

struct gpu_sched_job *gpu_sched_pick_by_slot(struct gpu_sched *s)
{
	u64 number = s->now_ns / slice_of(s), until_ns = (number + 1) * slice_of(s);
	struct gpu_sched_vgpu *v = gpu_sched_at(s, (u32)(number % s->config.slots));
	u64 left = until_ns - s->now_ns, before, bound_ns;

	if (!v || !v->head || v->held || own_time(s, v, s->now_ns) < v->free_ns)
		return NULL;
	bound_ns = bound_of(s, v);
	before = expected(s, v, until_ns);
	if (before > left || bound_ns > left - before)
		return NULL;
	v->head->bound_ns = bound_ns;
	return gpu_sched_take(s, v, GPU_SCHED_BY_SLOT, until_ns);
}

u64 gpu_sched_fixed_next_ns(const struct gpu_sched *s, u64 now_ns)
{
	u64 number = now_ns / slice_of(s), begin = number * slice_of(s), forfeit;
	const struct gpu_sched_vgpu *v = gpu_sched_at(s, (u32)(number % s->config.slots));

	/* In flight: only a completion lets anybody start. */
	if (s->queued == 0 || s->in_flight > 0)
		return UINT64_MAX;
	if (v && v->head && !v->held) {
		forfeit = gpu_sched_fixed_debt(s, v, now_ns);
		if (forfeit > 0 && now_ns + forfeit < begin + slice_of(s))
			return now_ns + forfeit;
	}
	return begin + slice_of(s);
}

void gpu_sched_fixed_charge(const struct gpu_sched *s, struct gpu_sched_vgpu *v,
			    const struct gpu_sched_job *job, u64 end_ns)
{
	u64 past;

	v->longest_ns = MAX(job->engine_ns, v->longest_ns - v->longest_ns / FORGETS);
	if (end_ns <= job->until_ns)
		return;
	/* Only the job's own time: a predecessor has paid for its. */
	past = MIN(end_ns - job->until_ns, job->engine_ns);
	gpu_sched_fixed_owe(s, v, gpu_sched_fixed_debt(s, v, s->now_ns) + past);
}

u64 gpu_sched_fixed_debt(const struct gpu_sched *s, const struct gpu_sched_vgpu *v, u64 now_ns)
{
	u64 own = own_time(s, v, now_ns);

	return v->free_ns > own ? v->free_ns - own : 0;
}

void gpu_sched_fixed_owe(const struct gpu_sched *s, struct gpu_sched_vgpu *v, u64 debt_ns)
{
	v->free_ns = own_time(s, v, s->now_ns) + debt_ns;
}
