/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of service under fair and equal: caps, then reserves by deadline, then weights;
 * docs/scheduler.md has the rules and what follows from them.
 *
 *   weights  the active, by tag; who falls asleep stays until it would be next
 *   later    by when something ends: the asleep, and the active that wait for their account
 *   ready    the active whose account is due, by deadline, if more than two are
 *
 * Moving between them is what costs: so nobody moves before it has to.
 */
#include "gpu/sched_heap.h"
#include "gpu/sched_parts.h"
#include "gpu/sched_scale.h"

/* Tags start again at 0 before they come near the end of 64 bits: after half a year at least. */
#define TAG_FULL BIT(62)

/* Deadlines of those who have none lie behind all others. */
#define NO_DEADLINE BIT(63)

static u64 rescale(u64 ns, u32 from, u32 to)
{
	u32 rest = 0;

	return gpu_sched_scale(ns, from, to, &rest);
}

static struct gpu_sched_vgpu *of_weight(void *node)
{
	return container_of(node, struct gpu_sched_vgpu, by_weight);
}

static struct gpu_sched_vgpu *of_time(void *node)
{
	return container_of(node, struct gpu_sched_vgpu, by_time);
}

static u64 key_at(const struct gpu_sched_heap *heap, size_t at)
{
	return ((struct gpu_sched_node *)heap->nodes[at])->key;
}

static u64 least(const struct gpu_sched_heap *heap)
{
	return key_at(heap, 0);
}

static bool due(const struct gpu_sched *s, const struct gpu_sched_heap *heap, size_t at)
{
	return heap->count > at && key_at(heap, at) <= s->now_ns;
}

/* Without a cap `cap_ns` does not grow, and is not later than the present. */
static bool sleeps(const struct gpu_sched *s, const struct gpu_sched_vgpu *v)
{
	return v->cap_ns > s->now_ns;
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

static void leave_by_time(struct gpu_sched_vgpu *v)
{
	gpu_sched_heap_remove(v->in, &v->by_time);
	v->in = NULL;
}

/* From the other heap by time, or from none. */
static void __attribute__((noinline))
put_by_time(struct gpu_sched *s, struct gpu_sched_vgpu *v, struct gpu_sched_heap *heap, u64 key)
{
	struct gpu_sched_heap *old = v->in;

	if (old)
		gpu_sched_heap_remove(old, &v->by_time);
	v->in = heap;
	v->by_time.key = key;
	v->by_time.tie = s->turns++;
	gpu_sched_heap_insert(heap, &v->by_time);
}

static void put_ready(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	put_by_time(s, v, &s->ready, ready_key(v));
}

static void put_by_weight(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	v->weighed = true;
	gpu_sched_heap_insert(&s->weights, &v->by_weight);
}

static void leave_by_weight(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	v->weighed = false;
	gpu_sched_heap_remove(&s->weights, &v->by_weight);
}

bool gpu_sched_wants(const struct gpu_sched *s, const struct gpu_sched_vgpu *v)
{
	return v->head && !v->held && s->config.policy != GPU_SCHED_FIXED;
}

void gpu_sched_resume(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	if (sleeps(s, v)) {
		v->place = GPU_SCHED_ASLEEP;
		put_by_time(s, v, &s->later, v->cap_ns);
		return;
	}
	v->place = GPU_SCHED_ACTIVE;
	put_by_weight(s, v);
	if (!v->params.reserve)
		return;
	if (v->account_ns > s->now_ns)
		put_by_time(s, v, &s->later, v->account_ns);
	else
		put_ready(s, v);
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

void __attribute__((noinline)) gpu_sched_take_out(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	if (v->weighed)
		leave_by_weight(s, v);
	if (v->in)
		leave_by_time(v);
	v->place = GPU_SCHED_OUT;
}

u64 gpu_sched_next_by_time(const struct gpu_sched *s)
{
	return s->later.count ? least(&s->later) : UINT64_MAX;
}

/* `v` has slept until now. */
static void wake(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	v->place = GPU_SCHED_ACTIVE;
	if (!v->weighed) {
		v->by_weight.key = MAX(v->by_weight.key, s->vtime);
		v->by_weight.tie = s->turns++;
		put_by_weight(s, v);
	} else if (v->by_weight.key == s->vtime) {
		/* Behind those who came while it slept; ahead of its tag nobody came. */
		v->by_weight.tie = s->turns++;
		gpu_sched_heap_down(&s->weights, &v->by_weight);
	}
	v->account_ns = MAX(v->account_ns, v->cap_ns);
	/* Who has no reserve stays there without a moment until it sleeps again. */
	v->by_time.key = v->params.reserve ? v->account_ns : UINT64_MAX;
	gpu_sched_heap_down(&s->later, &v->by_time);
}

/* Whether others are due beside the first of `later` and the one after it, at place `second`. */
static bool third_due(const struct gpu_sched *s, size_t second)
{
	return due(s, &s->later, second == 1 ? 2 : 1) || due(s, &s->later, 2 * second + 1) ||
	       due(s, &s->later, 2 * second + 2);
}

/*
 * Who is next by reserve, all having been woken whose sleep is over; NULL: no account is due. If
 * one account is due or two are, their vGPUs are picked where they are; more of them meet in
 * `ready`.
 */
static struct gpu_sched_vgpu *next_by_reserve(struct gpu_sched *s)
{
	while (due(s, &s->later, 0)) {
		struct gpu_sched_vgpu *first = of_time(s->later.nodes[0]), *second = first;

		if (first->place != GPU_SCHED_ASLEEP && gpu_sched_heap_others(&s->later, s->now_ns))
			second = of_time(gpu_sched_heap_second(&s->later));
		if (second->place == GPU_SCHED_ASLEEP)
			wake(s, second);
		else if (s->ready.count > 0 ||
			 (second != first && third_due(s, second->by_time.at)))
			put_ready(s, first);
		else if (second == first || ready_key(first) <= ready_key(second))
			return first;
		else
			return second;
	}
	return s->ready.count ? of_time(s->ready.nodes[0]) : NULL;
}

/* Who is next by weight; NULL: nobody is awake. */
static struct gpu_sched_vgpu *next_by_weight(struct gpu_sched *s)
{
	while (s->weights.count) {
		struct gpu_sched_vgpu *v = of_weight(s->weights.nodes[0]);

		if (v->place == GPU_SCHED_ACTIVE)
			return v;
		leave_by_weight(s, v);
	}
	return NULL;
}

/* Tags count from the present. Those of active ones are not below it, so their order stays. */
static void __attribute__((noinline)) rebase(struct gpu_sched *s)
{
	for (u32 i = 0; i < s->capacity; i++) {
		struct gpu_sched_vgpu *v = gpu_sched_at(s, i);

		if (v)
			v->by_weight.key -= MIN(v->by_weight.key, s->vtime);
	}
	s->vtime = 0;
}

/* A job of `v` has been picked by reserve and it has more: their deadline is later. */
static void picked_by_reserve(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	if (v->in != &s->ready || !v->params.latency_ns)
		return;
	v->by_time.key = deadline(v);
	gpu_sched_heap_down(&s->ready, &v->by_time);
}

/* The same by weight: it goes behind those of equal tag. */
static void picked_by_weight(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	v->by_weight.tie = s->turns++;
	if (gpu_sched_heap_others(&s->weights, v->by_weight.key))
		gpu_sched_heap_down(&s->weights, &v->by_weight);
}

struct gpu_sched_job *gpu_sched_pick_by_order(struct gpu_sched *s)
{
	struct gpu_sched_vgpu *reserve = next_by_reserve(s);
	struct gpu_sched_vgpu *v = reserve ? reserve : next_by_weight(s);
	struct gpu_sched_job *job;

	if (!v)
		return NULL;
	/* The second place is for short jobs: a newcomer is to wait for one long one at the most.
	 */
	if (s->in_flight > 0 && v->expect_ns > s->config.slice_ns) {
		/* Whose account is due waits for a completion now, and for no moment. */
		while (due(s, &s->later, 0))
			put_ready(s, of_time(s->later.nodes[0]));
		return NULL;
	}
	if (reserve) {
		job = gpu_sched_take(s, v, GPU_SCHED_BY_RESERVE, deadline(v));
	} else {
		job = gpu_sched_take(s, v, GPU_SCHED_BY_WEIGHT, 0);
		s->vtime = v->by_weight.key;
		if (s->vtime >= TAG_FULL)
			rebase(s);
	}
	if (!v->head)
		gpu_sched_take_out(s, v);
	else if (reserve)
		picked_by_reserve(s, v);
	else
		picked_by_weight(s, v);
	return job;
}

void gpu_sched_tag_grew(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	if (v->weighed)
		gpu_sched_heap_down(&s->weights, &v->by_weight);
}

/* Within `later`, or into it from `ready` or from neither. */
static void put_later(struct gpu_sched *s, struct gpu_sched_vgpu *v, u64 when_ns)
{
	u64 old = v->by_time.key;

	if (v->in != &s->later) {
		put_by_time(s, v, &s->later, when_ns);
		return;
	}
	v->by_time.key = when_ns;
	if (when_ns < old)
		gpu_sched_heap_up(&s->later, &v->by_time);
	else
		gpu_sched_heap_down(&s->later, &v->by_time);
}

void gpu_sched_account_grew(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	u64 when_ns = v->account_ns;

	/* One whose sleep is over sleeps on until it is woken. */
	if (sleeps(s, v) || v->place == GPU_SCHED_ASLEEP) {
		v->place = GPU_SCHED_ASLEEP;
		v->by_time.tie = s->turns++;
		when_ns = v->cap_ns;
	} else if (when_ns <= s->now_ns) {
		if (v->in == &s->ready) {
			v->by_time.key = ready_key(v);
			gpu_sched_heap_down(&s->ready, &v->by_time);
		}
		return;
	}
	put_later(s, v, when_ns);
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
		return gpu_sched_sum(now_ns, rescale(account_ns - now_ns, from, to));
	return now_ns - MIN(now_ns, rescale(now_ns - account_ns, from, to));
}

static void set_share(struct gpu_sched *s, struct gpu_sched_vgpu *v, u32 share)
{
	u64 *tag = &v->by_weight.key;

	if (share == v->share)
		return;
	if (*tag > s->vtime)
		*tag = gpu_sched_sum(s->vtime, rescale(*tag - s->vtime, v->share, share));
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
		debt = rescale(v->by_weight.key - s->vtime, v->share, GPU_SCHED_TAG_UNITS);
	if (v->params.reserve)
		debt = MAX(debt, ahead_by(v->account_ns, now_ns, v->params.reserve));
	if (v->params.cap < GPU_SCHED_WHOLE)
		debt = MAX(debt, ahead_by(v->cap_ns, now_ns, v->params.cap));
	return debt;
}
