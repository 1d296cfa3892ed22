/* SPDX-License-Identifier: Apache-2.0 */
/* The admission test of the GPU scheduler: can everybody be promised this at once? */
#include "gpu/sched_parts.h"

static bool in_range(const struct gpu_sched_params *p)
{
	if (p->weight < GPU_SCHED_WEIGHT_MIN || p->weight > GPU_SCHED_WEIGHT_MAX)
		return false;
	if (p->cap == 0 || p->cap > GPU_SCHED_WHOLE || p->reserve > p->cap)
		return false;
	return p->latency_ns <= GPU_SCHED_LATENCY_MAX_NS && (!p->latency_ns || p->reserve);
}

/* What may have to be served of one with deadlines within an interval, before its end. */
static u64 demand(const struct gpu_sched_params *p, u64 blocking_ns, u64 interval_ns)
{
	if (!p->latency_ns || p->latency_ns > interval_ns)
		return 0;
	return blocking_ns +
	       (p->reserve * (interval_ns - p->latency_ns) + GPU_SCHED_WHOLE - 1) / GPU_SCHED_WHOLE;
}

/* Who counts in the test: all that are known, `v` with `params` (NULL: as it is). */
struct case_of {
	const struct gpu_sched *s;
	const struct gpu_sched_vgpu *v;
	const struct gpu_sched_params *params;
	u64 slice_ns;
};

/* With what the vGPU of `slot` counts there; NULL: none, or it is the one that is asked about. */
static const struct gpu_sched_params *other_at(const struct case_of *c, u32 slot)
{
	const struct gpu_sched_vgpu *other = gpu_sched_at(c->s, slot);

	return other && !(c->params && other == c->v) ? &other->params : NULL;
}

/* What an interval is to hold: the jobs in flight when it begins, then the demand of all. */
static u64 needs(const struct case_of *c, u64 interval_ns)
{
	u64 blocking_ns = c->s->config.depth * c->slice_ns, sum = blocking_ns;

	if (c->params)
		sum += demand(c->params, blocking_ns, interval_ns);
	for (u32 i = 0; i < c->s->capacity; i++) {
		const struct gpu_sched_params *other = other_at(c, i);

		if (other)
			sum += demand(other, blocking_ns, interval_ns);
	}
	return sum;
}

/* `denial` becomes this bound's if it does not hold and is the least until now. */
static bool fails(const struct case_of *c, const struct gpu_sched_vgpu *whose, u64 bound_ns,
		  bool failed, struct gpu_sched_denial *denial)
{
	u64 needs_ns;

	if (!bound_ns || (failed && bound_ns >= denial->bound_ns))
		return failed;
	needs_ns = needs(c, bound_ns);
	if (needs_ns <= bound_ns)
		return failed;
	*denial = (struct gpu_sched_denial){ whose, bound_ns, needs_ns };
	return true;
}

/* Demand grows no faster than the interval, but for the steps at each bound: those are tried. */
bool gpu_sched_why_denied(const struct gpu_sched *s, const struct gpu_sched_vgpu *v,
			  const struct gpu_sched_params *params, u64 slice_ns,
			  struct gpu_sched_denial *denial)
{
	const struct case_of c = { s, v, params, slice_ns ? slice_ns : s->config.slice_ns };
	bool failed = false;

	if (params)
		failed = fails(&c, v, params->latency_ns, failed, denial);
	for (u32 i = 0; i < s->capacity; i++) {
		const struct gpu_sched_params *other = other_at(&c, i);

		if (other)
			failed = fails(&c, gpu_sched_at(s, i), other->latency_ns, failed, denial);
	}
	return failed;
}

bool gpu_sched_bounds_hold(const struct gpu_sched *s, u64 slice_ns)
{
	struct gpu_sched_denial ignored;

	return !gpu_sched_why_denied(s, NULL, NULL, slice_ns, &ignored);
}

enum err gpu_sched_admit(const struct gpu_sched *s, const struct gpu_sched_vgpu *v,
			 const struct gpu_sched_params *params)
{
	struct gpu_sched_denial ignored;
	u32 others = s->reserved - (v && v->sched == s ? v->params.reserve : 0);

	if (!in_range(params))
		return ERR_RANGE;
	if (others + params->reserve > GPU_SCHED_WHOLE)
		return ERR_FULL;
	return gpu_sched_why_denied(s, v, params, 0, &ignored) ? ERR_DENIED : OK;
}
