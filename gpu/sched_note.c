/* SPDX-License-Identifier: Apache-2.0 */
/* What the GPU scheduler tells whoever looks: events, debts, busy time. */
#include "gpu/sched_parts.h"

void gpu_sched_note_event(struct gpu_sched *s, enum gpu_sched_event_kind kind,
			  const struct gpu_sched_vgpu *v, const struct gpu_sched_job *job,
			  u64 value, u64 aux)
{
	struct gpu_sched_event event = {
		.time_ns = s->now_ns,
		.value = value,
		.aux = aux,
		.job = job ? job->number : 0,
		.vgpu = (u16)(v ? v->slot : GPU_SCHED_EVENT_GPU),
		.kind = (u8)kind,
		.in_flight = (u8)s->in_flight,
	};

	s->note(s->note_ctx, &event);
}

void gpu_sched_note_params(struct gpu_sched *s, const struct gpu_sched_vgpu *v)
{
	const struct gpu_sched_params *p = &v->params;

	note(s, GPU_SCHED_EVENT_PARAMS, v, NULL,
	     p->weight + ((u64)p->reserve << 16) + ((u64)p->cap << 32), p->latency_ns);
}

void gpu_sched_note_policy(struct gpu_sched *s)
{
	const struct gpu_sched_config *c = &s->config;

	note(s, GPU_SCHED_EVENT_POLICY, NULL, NULL, c->slice_ns,
	     c->policy + ((u64)c->depth << 8) + ((u64)c->slots << 16));
}

void gpu_sched_note_pick(struct gpu_sched *s, const struct gpu_sched_job *job)
{
	u64 deadline = job->by == GPU_SCHED_BY_RESERVE ? job->until_ns : 0;

	gpu_sched_note_event(s, GPU_SCHED_EVENT_PICK, job->owner, job,
			     job->submitted_ns - job->enqueued_ns, job->by + (deadline << 8));
}

void gpu_sched_note_charge(struct gpu_sched *s, const struct gpu_sched_job *job)
{
	const struct gpu_sched_vgpu *v = job->owner;

	gpu_sched_note_event(s, GPU_SCHED_EVENT_COMPLETE, v, job, s->now_ns - job->submitted_ns,
			     job->ended);
	gpu_sched_note_event(s, GPU_SCHED_EVENT_CHARGE, v, job, job->engine_ns,
			     gpu_sched_debt_ns(s, v, s->now_ns));
}

void gpu_sched_note_all(struct gpu_sched *s, u64 now_ns)
{
	if (!s->note)
		return;
	gpu_sched_advance(s, now_ns);
	gpu_sched_note_policy(s);
	for (u32 i = 0; i < s->capacity; i++) {
		const struct gpu_sched_vgpu *v = gpu_sched_at(s, i);

		if (!v)
			continue;
		gpu_sched_note_params(s, v);
		if (v->held)
			note(s, GPU_SCHED_EVENT_HOLD, v, NULL, 1, 0);
		note(s, GPU_SCHED_EVENT_STATE, v, NULL,
		     v->stats.queued + ((u64)v->stats.in_flight << 32),
		     gpu_sched_debt_ns(s, v, s->now_ns));
	}
}

u64 gpu_sched_debt_ns(const struct gpu_sched *s, const struct gpu_sched_vgpu *v, u64 now_ns)
{
	u64 now = MAX(now_ns, s->now_ns);

	if (v->sched != s)
		return 0;
	if (s->config.policy == GPU_SCHED_FIXED)
		return gpu_sched_fixed_debt(s, v, now);
	return gpu_sched_debt_by_order(s, v, now);
}

u64 gpu_sched_paid_ns(const struct gpu_sched *s)
{
	u64 paid = s->busy_ns;

	if (s->in_flight == 0)
		return paid;
	paid += s->mark_ns - s->since_ns;
	for (const struct gpu_sched_job *job = s->flight_head; job; job = job->next)
		paid -= job->carried_ns;
	return paid;
}

u64 gpu_sched_busy_ns(const struct gpu_sched *s, u64 now_ns)
{
	if (s->in_flight == 0)
		return s->busy_ns;
	return s->busy_ns + (MAX(now_ns, s->now_ns) - s->since_ns);
}
