/* SPDX-License-Identifier: Apache-2.0 */
/* Who may be picked, as the rules say, kept without asking the scheduler. */
#include "tests/model/sched/sim.h"

static bool kept_by_cap(const struct sim *s, const struct sim_vgpu *v)
{
	return v->params.cap < WHOLE && v->cap.ns > s->now_ns;
}

static void count(struct sim *s, struct sim_vgpu *v, u32 by)
{
	s->active += by;
	if (v->expect_ns > s->slice_ns)
		s->active_long += by;
}

/* `v`, which has jobs and is not held, may be picked from `since_ns` on, or when its cap lets it.
 */
void begin_activity(struct sim *s, struct sim_vgpu *v, u64 since_ns)
{
	if (s->policy == GPU_SCHED_FIXED)
		return;
	if (kept_by_cap(s, v)) {
		v->asleep = true;
		alarm_set(&s->wakings, v->index, v->cap.ns);
		return;
	}
	v->active = true;
	count(s, v, 1);
	share_begin(s, v, since_ns > 0);
	limits_begin(s, v, since_ns);
}

void end_activity(struct sim *s, struct sim_vgpu *v)
{
	if (v->asleep) {
		v->asleep = false;
		alarm_set(&s->wakings, v->index, NEVER);
	}
	if (!v->active)
		return;
	share_end(s, v);
	limits_end(s, v);
	v->active = false;
	count(s, v, -1U);
}

/* After a change of parameters or policy: nothing is raised for one that goes on. */
void resume_activity(struct sim *s, struct sim_vgpu *v, bool was_active)
{
	if (!v->queued || v->held)
		return;
	begin_activity(s, v, was_active ? 0 : s->now_ns);
}

/* Before a pick: those whose sleep has ended. */
void wake_due(struct sim *s)
{
	u32 id;

	while (alarm_next(&s->wakings, &id) <= s->now_ns) {
		struct sim_vgpu *v = &s->vgpus[id];

		end_activity(s, v);
		begin_activity(s, v, v->cap.ns);
	}
}

/* What the scheduler is to expect of the next job. */
void expect(struct sim *s, struct sim_vgpu *v, u64 cost_ns)
{
	if (v->active)
		count(s, v, -1U);
	v->expect_ns = MAX(cost_ns, v->expect_ns - v->expect_ns / 8);
	if (v->active)
		count(s, v, 1);
}

void changed(struct sim *s)
{
	s->changes++;
	s->bound_version++;
	s->change_event = ++s->events;
	window_break(s);
}
