/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shares over a second and over a minute in which the same vGPUs are active all the time:
 * exact to 1 % and 0.1 % where all complete enough jobs, else to the formula; and Jain's index
 * of what each got for its weight.
 */
#include "tests/model/sched/sim.h"

static const struct {
	u64 length_ns, jobs, parts; /* with so many jobs of each, the error is at most 1 / parts */
} windows[2] = {
	{ SECOND, 500, 100 },
	{ 60 * SECOND, 6000, 1000 },
};

static u64 weight_of(const struct sim *s, const struct sim_vgpu *v)
{
	return s->policy == GPU_SCHED_EQUAL ? 1 : v->params.weight;
}

static u64 served(const struct sim *s, const struct sim_vgpu *v, u32 w)
{
	return v->window_number[w] == s->window_number ? v->window_ns[w] : 0;
}

static u64 completed(const struct sim *s, const struct sim_vgpu *v, u32 w)
{
	return v->window_number[w] == s->window_number ? v->window_jobs[w] : 0;
}

static void check_one(struct sim *s, const struct sim_vgpu *me, u32 w, u64 weights, bool all)
{
	u64 mine = weight_of(s, me);
	s128 wanted = (s128)mine * s->window_ns[w], got = (s128)served(s, me, w) * weights;
	s128 formula = (s128)mine * weights / 64 + 1,
	     error = got > wanted ? got - wanted : wanted - got;
	bool exact;
	double share = (double)error / (double)wanted;

	for (u32 j = 0; j < s->count; j++) {
		const struct sim_vgpu *other = &s->vgpus[j];

		if (other->active && other != me)
			formula +=
				(s128)s->depth * ((s128)weight_of(s, other) * me->owing_longest_ns +
						  (s128)mine * other->owing_longest_ns);
	}
	exact = all || wanted / windows[w].parts >= formula;
	if (w == 0) {
		total.seconds++;
		total.seconds_by_formula += !exact;
	} else {
		total.minutes++;
		total.minutes_by_formula += !exact;
	}
	if (exact && w == 0)
		total.worst_second = MAX(total.worst_second, share);
	if (exact && w == 1)
		total.worst_minute = MAX(total.worst_minute, share);
	if (error > (exact ? wanted / windows[w].parts : formula))
		broken(s, "share", "vGPU %u: error %.4f %% in a %s", me->index, 100 * share,
		       w ? "minute" : "second");
}

static void check_jain(struct sim *s, u32 w)
{
	double sum = 0, squares = 0, index;
	u32 n = 0;

	for (u32 i = 0; i < s->count; i++) {
		double x = (double)served(s, &s->vgpus[i], w) / weight_of(s, &s->vgpus[i]);

		if (!s->vgpus[i].active)
			continue;
		n++;
		sum += x;
		squares += x * x;
	}
	index = sum * sum / (n * squares);
	total.least_jain = total.least_jain == 0 ? index : MIN(total.least_jain, index);
	if (index < 0.999)
		broken(s, "share", "Jain's index is %.5f", index);
}

static void check(struct sim *s, u32 w)
{
	bool all = true;
	u64 weights = 0;

	for (u32 i = 0; i < s->count; i++) {
		const struct sim_vgpu *v = &s->vgpus[i];

		if (!v->active)
			continue;
		weights += weight_of(s, v);
		all = all && completed(s, v, w) >= windows[w].jobs;
	}
	for (u32 i = 0; i < s->count; i++)
		if (s->vgpus[i].active && completed(s, &s->vgpus[i], w) >= 500)
			check_one(s, &s->vgpus[i], w, weights, all);
	if (all)
		check_jain(s, w);
}

static void begin(struct sim *s, u32 w)
{
	s->window_began[w] = s->now_ns;
	s->window_ns[w] = 0;
	for (u32 i = 0; i < s->count; i++)
		s->vgpus[i].window_number[w] = s->window_number - 1;
}

void window_charged(struct sim *s, struct sim_vgpu *v, const struct sim_job *job)
{
	if (!s->steady || !v->active || job->job.by != GPU_SCHED_BY_WEIGHT)
		return;
	for (u32 w = 0; w < 2; w++) {
		if (v->window_number[w] != s->window_number) {
			v->window_number[w] = s->window_number;
			v->window_ns[w] = 0;
			v->window_jobs[w] = 0;
		}
		v->window_ns[w] += job->job.engine_ns;
		v->window_jobs[w]++;
		s->window_ns[w] += job->job.engine_ns;
	}
}

/* Who is active changes, or what for. */
void window_break(struct sim *s)
{
	s->window_number += 2; /* nobody has this one, nor the one before */
	for (u32 w = 0; w < 2; w++) {
		s->window_began[w] = s->now_ns;
		s->window_ns[w] = 0;
	}
}

void window_step(struct sim *s)
{
	if (!s->steady)
		return;
	for (u32 w = 0; w < 2; w++) {
		if (s->now_ns - s->window_began[w] < windows[w].length_ns)
			continue;
		check(s, w);
		begin(s, w);
	}
}
