/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of service by weight, each in O(1) a step:
 *   lag       |S_i/w_i - S_j/w_j| is at most D * (L_i/w_i + L_j/w_j) while both are active.
 *             For n vGPUs that would be n * n checks. It follows, by the triangle, when each stays
 *             within D * L_i/w_i of one function of time that never falls, in every
 *             interval: so that is checked, with the scheduler's virtual time as the
 *             witness. Any function would do; a wrong one would not pass.
 *   newcomer  who begins owing nothing waits for one job of each that was active, at the most
 *   wait      any other wait, in engine time, stays below the formula
 * Where there are few, lag is also checked between each two.
 */
#include "tests/model/sched/sim.h"

static u64 weight_of(const struct sim *s, const struct sim_vgpu *v)
{
	return s->policy == GPU_SCHED_EQUAL ? 1 : v->params.weight;
}

/* ---- lag ---- */

static void lag_check(struct sim *s, struct sim_vgpu *v, bool charged)
{
	struct lag *l = &v->lag;
	u64 w = weight_of(s, v);
	s128 ahead = (s128)TAG * l->served - (s128)w * (s->sched.vtime - l->vtime);

	if (charged)
		l->most = MAX(l->most, ahead);
	else
		l->least = MIN(l->least, ahead);
	total.lags++;
	/* Tags are whole numbers: up to one step of each end is not in them. */
	within(s, "lag", v->index, l->most - l->least,
	       (s128)TAG * s->depth * v->owing_longest_ns + 2 * GPU_SCHED_WEIGHT_MAX + 2 * w,
	       &total.worst_lag);
}

static struct pair *pair_of(struct sim *s, u32 a, u32 b)
{
	return a < b ? &s->pairs[a][b] : &s->pairs[b][a];
}

static void pairs_set(struct sim *s, u32 i, bool active)
{
	if (s->count > MAX_PAIRED)
		return;
	for (u32 j = 0; j < s->count; j++)
		if (j != i && s->vgpus[j].active)
			*pair_of(s, i, j) = (struct pair){ .active = active };
}

static void pairs_charged(struct sim *s, struct sim_vgpu *v, u64 ns)
{
	u64 w = weight_of(s, v);

	if (s->count > MAX_PAIRED)
		return;
	for (u32 j = 0; j < s->count; j++) {
		struct sim_vgpu *other = &s->vgpus[j];
		struct pair *p = pair_of(s, v->index, j);
		u64 wj = weight_of(s, other);

		if (j == v->index || !p->active)
			continue;
		p->now += v->index < j ? (s128)ns * wj : -((s128)ns * wj);
		p->most = MAX(p->most, p->now);
		p->least = MIN(p->least, p->now);
		total.pairs++;
		within(s, "lag of two", v->index, p->most - p->least,
		       (s128)s->depth * ((s128)v->owing_longest_ns * wj +
					 (s128)other->owing_longest_ns * w) +
			       w * wj / 64 + 1,
		       &total.worst_pair);
	}
}

/* ---- newcomers: `seen` counts picks by weight and beginnings ---- */

static void newcomer_add(struct sim *s, struct sim_vgpu *v)
{
	v->newcomer = (struct newcomer){ NONE, s->newest_newcomer, true };
	if (s->newest_newcomer != NONE)
		s->vgpus[s->newest_newcomer].newcomer.next = v->index;
	else
		s->oldest_newcomer = v->index;
	s->newest_newcomer = v->index;
	total.newcomers++;
}

static void newcomer_remove(struct sim *s, struct sim_vgpu *v)
{
	struct newcomer *n = &v->newcomer;

	if (!n->waits)
		return;
	n->waits = false;
	if (n->previous != NONE)
		s->vgpus[n->previous].newcomer.next = n->next;
	else
		s->oldest_newcomer = n->next;
	if (n->next != NONE)
		s->vgpus[n->next].newcomer.previous = n->previous;
	else
		s->newest_newcomer = n->previous;
}

static void newcomer_check(struct sim *s, const struct sim_vgpu *picked)
{
	u32 i = s->oldest_newcomer;

	if (i != NONE && i != picked->index && s->vgpus[i].seen < picked->seen)
		broken(s, "newcomer", "vGPU %u waits for a second job of vGPU %u, or a later one",
		       i, picked->index);
}

/* ---- other waits ---- */

static void wait_begin(struct sim *s, struct sim_vgpu *v)
{
	v->wait = (struct wait){
		.active = true,
		.picked_ns = s->weight_ns,
		.changes = s->changes,
		.vtime = s->sched.vtime,
	};
}

static void wait_end(struct sim *s, struct sim_vgpu *v)
{
	struct wait *w = &v->wait;
	s128 owed = v->vgpu.by_weight.key - w->vtime, paid;

	if (!w->active)
		return;
	w->active = false;
	if (s->overtaking || s->late || w->changes != s->changes)
		return;
	/* + 1: up to one step of a tag is not yet visible in it */
	paid = (owed + 1) * s->weights / TAG + 1;
	total.waits++;
	within(s, "wait", v->index, s->weight_ns - w->picked_ns,
	       paid + (s128)s->depth * s->all_longest_ns, &total.worst_wait);
}

/* ---- */

/* Not `fresh`: it goes on with other parameters, at its old place. */
void share_begin(struct sim *s, struct sim_vgpu *v, bool fresh)
{
	bool owes = v->vgpu.by_weight.key > s->sched.vtime;

	v->lag = (struct lag){ .vtime = s->sched.vtime };
	v->wait.active = false;
	if (fresh) {
		v->seen = ++s->weight_picks;
		wait_begin(s, v);
	}
	if (fresh && !owes && v->in_flight == 0) {
		v->owing_longest_ns = 0;
		newcomer_add(s, v);
	}
	pairs_set(s, v->index, true);
	window_break(s);
}

void share_end(struct sim *s, struct sim_vgpu *v)
{
	lag_check(s, v, false);
	newcomer_remove(s, v);
	v->wait.active = false;
	pairs_set(s, v->index, false);
	window_break(s);
}

void share_picked(struct sim *s, struct sim_vgpu *v, const struct sim_job *job)
{
	newcomer_remove(s, v);
	if (job->job.by != GPU_SCHED_BY_WEIGHT) {
		v->wait.active = false;
		return;
	}
	if (s->sched.vtime < s->vtime)
		broken(s, "lag", "virtual time falls");
	s->vtime = s->sched.vtime;
	newcomer_check(s, v);
	wait_end(s, v);
	v->seen = ++s->weight_picks;
	s->weight_ns += job->cost_ns;
}

void share_charged(struct sim *s, struct sim_vgpu *v, const struct sim_job *job)
{
	u64 ns = job->job.engine_ns;

	if (job->job.by != GPU_SCHED_BY_WEIGHT)
		return;
	v->owing_longest_ns = MAX(v->owing_longest_ns, ns);
	if (!v->active)
		return;
	lag_check(s, v, false);
	v->lag.served += ns;
	lag_check(s, v, true);
	pairs_charged(s, v, ns);
}

/* Weights or policy are others from now on. */
void share_restart(struct sim *s)
{
	while (s->oldest_newcomer != NONE)
		newcomer_remove(s, &s->vgpus[s->oldest_newcomer]);
}
