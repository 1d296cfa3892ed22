/* SPDX-License-Identifier: Apache-2.0 */
/* The GPU scheduler: vGPUs, their queues, and what goes to the engine; see docs/scheduler.md. */
#include "gpu/sched_parts.h"

static bool config_valid(const struct gpu_sched_config *c, u32 capacity)
{
	if (c->policy >= GPU_SCHED_POLICIES)
		return false;
	if (c->policy == GPU_SCHED_FIXED && (c->slots == 0 || c->slots > capacity))
		return false;
	return c->depth > 0 && c->depth <= GPU_SCHED_DEPTH_MAX &&
	       c->slice_ns >= GPU_SCHED_SLICE_MIN_NS && c->slice_ns <= GPU_SCHED_SLICE_MAX_NS;
}

enum err gpu_sched_init(struct gpu_sched *s, const struct gpu_sched_config *config, void **memory,
			u32 capacity)
{
	if (!memory)
		return ERR_INVALID;
	if (capacity == 0 || capacity > GPU_SCHED_CAPACITY_MAX || !config_valid(config, capacity))
		return ERR_RANGE;
	*s = (struct gpu_sched){
		.config = *config,
		.weights = { .nodes = memory },
		.ready = { .nodes = memory + capacity },
		.later = { .nodes = memory + (size_t)2 * capacity },
		.slots = memory + (size_t)3 * capacity,
		.capacity = capacity,
	};
	for (u32 i = 0; i < capacity; i++)
		s->slots[i] = NULL;
	return OK;
}

static u32 share_of(const struct gpu_sched *s, const struct gpu_sched_params *params)
{
	return s->config.policy == GPU_SCHED_EQUAL ? 1 : params->weight;
}

static enum err check_config(const struct gpu_sched *s, const struct gpu_sched_config *config)
{
	if (!config_valid(config, s->capacity) || config->depth != s->config.depth)
		return ERR_RANGE;
	if (config->policy == GPU_SCHED_FIXED)
		for (u32 i = config->slots; i < s->capacity; i++)
			if (gpu_sched_at(s, i))
				return ERR_RANGE;
	return gpu_sched_bounds_hold(s, config->slice_ns) ? OK : ERR_DENIED;
}

/* Under slots a debt is a point of time in them; else it is kept as it is. */
static void move_fixed_debt(struct gpu_sched *s, struct gpu_sched_vgpu *v,
			    const struct gpu_sched_config *old)
{
	const struct gpu_sched_config new = s->config;
	u64 debt = v->free_ns;

	if (old->policy == GPU_SCHED_FIXED) {
		s->config = *old;
		debt = gpu_sched_fixed_debt(s, v, s->now_ns);
		s->config = new;
	}
	v->free_ns = debt;
	if (new.policy != GPU_SCHED_FIXED)
		return;
	gpu_sched_fixed_owe(s, v, debt);
	v->longest_ns = MAX(v->longest_ns, v->expect_ns);
}

enum err gpu_sched_configure(struct gpu_sched *s, const struct gpu_sched_config *config, u64 now_ns)
{
	struct gpu_sched_config old = s->config;
	enum err e = check_config(s, config);

	if (e)
		return e;
	gpu_sched_advance(s, now_ns);
	s->config = *config;
	/* All leave before the first comes back: between the two the heaps have no order. */
	for (u32 i = 0; i < s->capacity; i++) {
		struct gpu_sched_vgpu *v = gpu_sched_at(s, i);

		if (!v)
			continue;
		v->resumes = v->place == GPU_SCHED_ACTIVE;
		gpu_sched_take_out(s, v);
		move_fixed_debt(s, v, &old);
		gpu_sched_retune(s, v, &v->params, share_of(s, &v->params));
	}
	for (u32 i = 0; i < s->capacity; i++) {
		struct gpu_sched_vgpu *v = gpu_sched_at(s, i);

		if (v && gpu_sched_wants(s, v) && v->resumes)
			gpu_sched_resume(s, v);
		else if (v && gpu_sched_wants(s, v))
			gpu_sched_begin(s, v, s->now_ns);
	}
	gpu_sched_note_policy(s);
	return OK;
}

enum err gpu_sched_add(struct gpu_sched *s, struct gpu_sched_vgpu *v,
		       const struct gpu_sched_params *params, u32 slot)
{
	bool fixed = s->config.policy == GPU_SCHED_FIXED;
	enum err e;

	if (v->sched)
		return ERR_EXISTS;
	if (slot >= s->capacity || (fixed && slot >= s->config.slots))
		return ERR_RANGE;
	if (gpu_sched_at(s, slot))
		return ERR_EXISTS;
	e = gpu_sched_admit(s, NULL, params);
	if (e)
		return e;
	/* Tag and account of 0 are raised to the present by the first enqueue. */
	*v = (struct gpu_sched_vgpu){
		.sched = s,
		.params = *params,
		.slot = slot,
		.share = share_of(s, params),
	};
	s->slots[slot] = v;
	s->count++;
	s->reserved += params->reserve;
	gpu_sched_note_params(s, v);
	return OK;
}

enum err gpu_sched_set(struct gpu_sched *s, struct gpu_sched_vgpu *v,
		       const struct gpu_sched_params *params, u64 now_ns)
{
	enum gpu_sched_place place;
	enum err e;

	if (v->sched != s)
		return ERR_NOT_FOUND;
	e = gpu_sched_admit(s, v, params);
	if (e)
		return e;
	gpu_sched_advance(s, now_ns);
	place = v->place;
	gpu_sched_take_out(s, v);
	s->reserved = s->reserved - v->params.reserve + params->reserve;
	gpu_sched_retune(s, v, params, share_of(s, params));
	if (place == GPU_SCHED_ACTIVE)
		gpu_sched_resume(s, v);
	else if (place == GPU_SCHED_ASLEEP)
		gpu_sched_begin(s, v, s->now_ns);
	gpu_sched_note_params(s, v);
	return OK;
}

enum err gpu_sched_hold(struct gpu_sched *s, struct gpu_sched_vgpu *v, bool held, u64 now_ns)
{
	if (v->sched != s)
		return ERR_NOT_FOUND;
	if (v->held == held)
		return OK;
	gpu_sched_advance(s, now_ns);
	v->held = held;
	if (held) {
		gpu_sched_take_out(s, v);
		s->queued -= v->stats.queued;
	} else {
		s->queued += v->stats.queued;
		v->head_ns = s->now_ns;
		if (gpu_sched_wants(s, v))
			gpu_sched_begin(s, v, s->now_ns);
	}
	note(s, GPU_SCHED_EVENT_HOLD, v, NULL, held, 0);
	return OK;
}

struct gpu_sched_job *gpu_sched_drop_queued(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	struct gpu_sched_job *dropped = v->head;

	if (v->sched != s || !dropped)
		return NULL;
	gpu_sched_take_out(s, v);
	for (struct gpu_sched_job *job = dropped; job; job = job->next)
		job->state = GPU_SCHED_JOB_IDLE;
	note(s, GPU_SCHED_EVENT_DROP, v, NULL, v->stats.queued, 0);
	v->head = NULL;
	if (!v->held)
		s->queued -= v->stats.queued;
	v->stats.queued = 0;
	return dropped;
}

enum err gpu_sched_remove(struct gpu_sched *s, struct gpu_sched_vgpu *v,
			  struct gpu_sched_job **dropped)
{
	*dropped = NULL;
	if (v->sched != s)
		return ERR_NOT_FOUND;
	if (v->stats.in_flight > 0)
		return ERR_BUSY;
	*dropped = gpu_sched_drop_queued(s, v);
	note(s, GPU_SCHED_EVENT_REMOVE, v, NULL, 0, 0);
	v->sched = NULL;
	s->slots[v->slot] = NULL;
	s->reserved -= v->params.reserve;
	s->count--;
	return OK;
}

static u32 next_number(struct gpu_sched *s)
{
	s->jobs++;
	if (s->jobs == 0)
		s->jobs = 1;
	return s->jobs;
}

enum err gpu_sched_enqueue(struct gpu_sched *s, struct gpu_sched_vgpu *v, struct gpu_sched_job *job,
			   u64 now_ns)
{
	if (v->sched != s)
		return ERR_NOT_FOUND;
	if (job->state != GPU_SCHED_JOB_IDLE)
		return ERR_INVALID;
	*job = (struct gpu_sched_job){
		.owner = v,
		.work = job->work,
		.number = next_number(s),
		.state = GPU_SCHED_JOB_QUEUED,
		.enqueued_ns = gpu_sched_advance(s, now_ns),
	};
	v->stats.queued++;
	if (!v->held)
		s->queued++;
	if (v->head) {
		v->tail->next = job;
	} else {
		v->head = job;
		v->head_ns = s->now_ns;
		if (gpu_sched_wants(s, v))
			gpu_sched_begin(s, v, s->now_ns);
	}
	v->tail = job;
	note(s, GPU_SCHED_EVENT_ENQUEUE, v, job, job->work, v->stats.queued);
	return OK;
}

struct gpu_sched_job *gpu_sched_pick(struct gpu_sched *s, u64 now_ns)
{
	gpu_sched_advance(s, now_ns);
	if (s->in_flight >= s->config.depth)
		return NULL;
	if (s->config.policy == GPU_SCHED_FIXED)
		return gpu_sched_pick_by_slot(s);
	return gpu_sched_pick_by_order(s);
}

u64 gpu_sched_next_ns(const struct gpu_sched *s, u64 now_ns)
{
	u64 now = MAX(now_ns, s->now_ns);

	if (s->config.policy == GPU_SCHED_FIXED)
		return gpu_sched_fixed_next_ns(s, now);
	if (s->in_flight >= s->config.depth)
		return UINT64_MAX;
	return MAX(now, gpu_sched_next_by_time(s));
}

struct gpu_sched_job *gpu_sched_oldest(const struct gpu_sched *s)
{
	return s->flight_head;
}
