/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of service under fair and equal: caps, then reserves by deadline, then weights;
 * docs/scheduler.md has the rules and what follows from them.
 *
 *             cap_ns > now              account_ns > now
 *   asleep <---------------- active ---------------------> waiting (and weights)
 *          ----------------> (weights) <-----------------> ready   (and weights)
 */
#include "gpu/sched_heap.h"
#include "gpu/sched_parts.h"

/*
 * Virtual time counts 1/256 ns of engine time at weight 1. The divisions' remainders are
 * carried, so that the coarse step costs no accuracy over time. Tags start again
 * at 0 before they come near the end of 64 bits, which takes half a year at least.
 */
#define TAG_UNITS 256
#define TAG_FULL  BIT(62)

/* Deadlines of those who have none lie behind all others. */
#define NO_DEADLINE BIT(63)

static u64 add(u64 a, u64 b)
{
	u64 sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* ns * times / divisor and what `*rest` brings along; the new remainder stays in it. */
static u64 scale(u64 ns, u32 times, u32 divisor, u32 *rest)
{
	u64 parts, whole;

	if (ns < BIT(32)) {
		parts = ns * times + *rest;
		*rest = (u32)(parts % divisor);
		return parts / divisor;
	}
	parts = ns % divisor * times + *rest;
	*rest = (u32)(parts % divisor);
	if (__builtin_mul_overflow(ns / divisor, times, &whole))
		return UINT64_MAX;
	return add(whole, parts / divisor);
}

static u64 rescale(u64 ns, u32 from, u32 to)
{
	u32 rest = 0;

	return scale(ns, from, to, &rest);
}

static struct gpu_sched_vgpu *of_weight(void *node)
{
	return container_of(node, struct gpu_sched_vgpu, by_weight);
}

static struct gpu_sched_vgpu *of_time(void *node)
{
	return container_of(node, struct gpu_sched_vgpu, by_time);
}

static u64 least(const struct gpu_sched_heap *heap)
{
	return ((struct gpu_sched_node *)heap->nodes[0])->key;
}

static bool due(const struct gpu_sched *s, const struct gpu_sched_heap *heap)
{
	return heap->count > 0 && least(heap) <= s->now_ns;
}

static bool sleeps(const struct gpu_sched *s, const struct gpu_sched_vgpu *v)
{
	return v->params.cap < GPU_SCHED_WHOLE && v->cap_ns > s->now_ns;
}

/* By when its oldest job is to be picked; 0: it has no bound. */
static u64 deadline(const struct gpu_sched_vgpu *v)
{
	if (!v->params.latency_ns)
		return 0;
	return MAX(v->account_ns, v->head_ns) + v->params.latency_ns;
}

static u64 ready_key(const struct gpu_sched_vgpu *v)
{
	return v->params.latency_ns ? deadline(v) : NO_DEADLINE + v->account_ns;
}

static void put_by_time(struct gpu_sched *s, struct gpu_sched_vgpu *v, struct gpu_sched_heap *heap,
			u64 key)
{
	v->in = heap;
	v->by_time.key = key;
	v->by_time.tie = s->turns++;
	gpu_sched_heap_insert(heap, &v->by_time);
}

static void leave_by_time(struct gpu_sched_vgpu *v)
{
	gpu_sched_heap_remove(v->in, &v->by_time);
	v->in = NULL;
}

static void put_account(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	if (v->account_ns > s->now_ns)
		put_by_time(s, v, &s->waiting, v->account_ns);
	else
		put_by_time(s, v, &s->ready, ready_key(v));
}

bool gpu_sched_wants(const struct gpu_sched *s, const struct gpu_sched_vgpu *v)
{
	return v->head && !v->held && s->config.policy != GPU_SCHED_FIXED;
}

void gpu_sched_resume(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	if (sleeps(s, v)) {
		v->place = GPU_SCHED_ASLEEP;
		put_by_time(s, v, &s->asleep, v->cap_ns);
		return;
	}
	v->place = GPU_SCHED_ACTIVE;
	gpu_sched_heap_insert(&s->weights, &v->by_weight);
	if (v->params.reserve)
		put_account(s, v);
}

void gpu_sched_begin(struct gpu_sched *s, struct gpu_sched_vgpu *v, u64 since_ns)
{
	if (!sleeps(s, v)) {
		v->by_weight.key = MAX(v->by_weight.key, s->vtime);
		v->by_weight.tie = s->turns++;
		v->account_ns = MAX(v->account_ns, since_ns);
	}
	gpu_sched_resume(s, v);
}

void gpu_sched_take_out(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	if (v->place == GPU_SCHED_ACTIVE)
		gpu_sched_heap_remove(&s->weights, &v->by_weight);
	if (v->in)
		leave_by_time(v);
	v->place = GPU_SCHED_OUT;
}

u64 gpu_sched_next_by_time(const struct gpu_sched *s)
{
	u64 sleep = s->asleep.count ? least(&s->asleep) : UINT64_MAX;
	u64 wait = s->waiting.count ? least(&s->waiting) : UINT64_MAX;

	return MIN(sleep, wait);
}

/* Those whose time has come leave the heaps that are ordered by it. */
static void settle(struct gpu_sched *s)
{
	while (due(s, &s->asleep)) {
		struct gpu_sched_vgpu *v = of_time(s->asleep.nodes[0]);

		leave_by_time(v);
		gpu_sched_begin(s, v, v->cap_ns);
	}
	while (due(s, &s->waiting)) {
		struct gpu_sched_vgpu *v = of_time(s->waiting.nodes[0]);

		leave_by_time(v);
		put_account(s, v);
	}
}

/* Tags count from the present. Those of active ones are not below it, so their order stays. */
static void rebase(struct gpu_sched *s)
{
	for (u32 i = 0; i < s->capacity; i++) {
		struct gpu_sched_vgpu *v = gpu_sched_at(s, i);

		if (v)
			v->by_weight.key -= MIN(v->by_weight.key, s->vtime);
	}
	s->vtime = 0;
}

static struct gpu_sched_job *__attribute__((noinline))
pick_by_reserve(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	struct gpu_sched_job *job = gpu_sched_take(s, v, GPU_SCHED_BY_RESERVE, deadline(v));

	if (!v->head) {
		gpu_sched_take_out(s, v);
	} else if (v->params.latency_ns) {
		v->by_time.key = deadline(v);
		gpu_sched_heap_down(&s->ready, &v->by_time);
	}
	return job;
}

static struct gpu_sched_job *pick_by_weight(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	struct gpu_sched_job *job = gpu_sched_take(s, v, GPU_SCHED_BY_WEIGHT, 0);

	s->vtime = v->by_weight.key;
	if (v->head) {
		/* Behind those of equal tag. */
		v->by_weight.tie = s->turns++;
		gpu_sched_heap_down(&s->weights, &v->by_weight);
	} else {
		gpu_sched_take_out(s, v);
	}
	if (s->vtime >= TAG_FULL)
		rebase(s);
	return job;
}

struct gpu_sched_job *gpu_sched_pick_by_order(struct gpu_sched *s)
{
	struct gpu_sched_vgpu *v;
	bool reserve;

	settle(s);
	if (s->weights.count == 0)
		return NULL;
	reserve = s->ready.count > 0;
	v = reserve ? of_time(s->ready.nodes[0]) : of_weight(s->weights.nodes[0]);
	/* The second place is for short jobs: a newcomer is to wait for one long one at the most.
	 */
	if (s->in_flight > 0 && v->expect_ns > s->config.slice_ns)
		return NULL;
	return reserve ? pick_by_reserve(s, v) : pick_by_weight(s, v);
}

/* It was active and its cap or its account no longer lets it stay in the heaps it is in. */
static void __attribute__((noinline)) move_on(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	if (sleeps(s, v)) {
		gpu_sched_take_out(s, v);
		gpu_sched_resume(s, v);
	} else {
		leave_by_time(v);
		put_account(s, v);
	}
}

/* Tag, account or cap of `v` have grown; `account`: not the tag. */
static void reorder(struct gpu_sched *s, struct gpu_sched_vgpu *v, bool account)
{
	struct gpu_sched_heap *heap = &s->weights;
	struct gpu_sched_node *node = &v->by_weight;

	if (v->place == GPU_SCHED_ASLEEP) {
		heap = &s->asleep;
		node = &v->by_time;
		node->key = v->cap_ns;
	} else if (sleeps(s, v)) {
		move_on(s, v);
		return;
	} else if (account && v->in) {
		heap = v->in;
		node = &v->by_time;
		if (heap == &s->waiting) {
			node->key = v->account_ns;
		} else if (v->account_ns > s->now_ns) {
			move_on(s, v);
			return;
		} else {
			node->key = ready_key(v);
		}
	}
	gpu_sched_heap_down(heap, node);
}

void gpu_sched_charge(struct gpu_sched *s, struct gpu_sched_vgpu *v,
		      const struct gpu_sched_job *job)
{
	bool account = job->by == GPU_SCHED_BY_RESERVE;
	u64 ns = job->engine_ns;

	if (!account)
		v->by_weight.key =
			add(v->by_weight.key, scale(ns, TAG_UNITS, v->share, &v->weight_rest));
	else if (v->params.reserve)
		v->account_ns = add(v->account_ns, scale(ns, GPU_SCHED_WHOLE, v->params.reserve,
							 &v->account_rest));
	if (v->params.cap < GPU_SCHED_WHOLE)
		v->cap_ns = add(MAX(v->cap_ns, job->submitted_ns),
				scale(ns, GPU_SCHED_WHOLE, v->params.cap, &v->cap_rest));
	if (v->place != GPU_SCHED_OUT)
		reorder(s, v, account);
}

/* Engine time by which an account of `rate` is ahead. */
static u64 ahead_by(u64 account_ns, u64 now_ns, u32 rate)
{
	return account_ns > now_ns ? rescale(account_ns - now_ns, rate, GPU_SCHED_WHOLE) : 0;
}

/* An account at another rate: ahead or behind by the same engine time. */
static u64 move_account(u64 account_ns, u64 now_ns, u32 from, u32 to)
{
	if (account_ns >= now_ns)
		return add(now_ns, rescale(account_ns - now_ns, from, to));
	return now_ns - MIN(now_ns, rescale(now_ns - account_ns, from, to));
}

static void set_share(struct gpu_sched *s, struct gpu_sched_vgpu *v, u32 share)
{
	u64 *tag = &v->by_weight.key;

	if (share == v->share)
		return;
	if (*tag > s->vtime)
		*tag = add(s->vtime, rescale(*tag - s->vtime, v->share, share));
	v->share = share;
	v->weight_rest = 0;
}

static void set_reserve(struct gpu_sched *s, struct gpu_sched_vgpu *v, u32 reserve)
{
	u32 old = v->params.reserve;

	if (reserve == old)
		return;
	if (!old) {
		v->account_ns = MAX(v->account_ns, s->now_ns);
	} else if (reserve) {
		v->account_ns = move_account(v->account_ns, s->now_ns, old, reserve);
	} else {
		/* Nobody is left to be paid: whoever takes a reserve away forgives what it owes. */
		v->account_ns = s->now_ns;
	}
	v->account_rest = 0;
}

static void set_cap(struct gpu_sched *s, struct gpu_sched_vgpu *v, u32 cap)
{
	if (cap == v->params.cap)
		return;
	if (cap == GPU_SCHED_WHOLE)
		v->cap_ns = MIN(v->cap_ns, s->now_ns);
	else if (v->cap_ns > s->now_ns)
		v->cap_ns = move_account(v->cap_ns, s->now_ns, v->params.cap, cap);
	v->cap_rest = 0;
}

void gpu_sched_retune(struct gpu_sched *s, struct gpu_sched_vgpu *v,
		      const struct gpu_sched_params *params, u32 share)
{
	set_share(s, v, share);
	set_reserve(s, v, params->reserve);
	set_cap(s, v, params->cap);
	v->params = *params;
}

u64 gpu_sched_debt_by_order(const struct gpu_sched *s, const struct gpu_sched_vgpu *v, u64 now_ns)
{
	u64 debt = 0;

	if (v->by_weight.key > s->vtime)
		debt = rescale(v->by_weight.key - s->vtime, v->share, TAG_UNITS);
	if (v->params.reserve)
		debt = MAX(debt, ahead_by(v->account_ns, now_ns, v->params.reserve));
	if (v->params.cap < GPU_SCHED_WHOLE)
		debt = MAX(debt, ahead_by(v->cap_ns, now_ns, v->params.cap));
	return debt;
}
