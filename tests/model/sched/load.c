/* SPDX-License-Identifier: Apache-2.0 */
/* The guests: what they queue and when, what they are promised, how they come and go. */
#include "tests/model/sched/sim.h"

#include <string.h>

static u64 job_cost(const struct sim *s, struct sim_vgpu *v)
{
	switch (v->sizes) {
	case UNIFORM:
		return between(&v->random, v->size_ns / 2, v->size_ns + v->size_ns / 2);
	case BIMODAL:
		return one_in(&v->random, 50) ? 100 * v->size_ns : v->size_ns;
	case PAST_SLICE:
		return one_in(&v->random, 3) ? s->slice_ns + 1 : 1;
	case TINY:
		return between(&v->random, 0, 2);
	default:
		return v->size_ns;
	}
}

void enqueue(struct sim *s, struct sim_vgpu *v)
{
	struct sim_job *job = v->jobs;

	if (!v->present || v->leaving || v->queued == MAX_QUEUE)
		return;
	while (job->job.state != GPU_SCHED_JOB_IDLE)
		job++;
	job->cost_ns = job_cost(s, v);
	job->serial = v->enqueued++;
	if (v->queued == 0) {
		v->account.head_ns = s->now_ns;
		if (!v->held)
			begin_activity(s, v, s->now_ns);
	}
	if (gpu_sched_enqueue(&s->sched, &v->vgpu, &job->job, s->now_ns) != OK)
		broken(s, "order", "enqueue refused");
	trace_expect(s, GPU_SCHED_EVENT_ENQUEUE, 1);
	v->queued++;
	s->backlogged += v->queued == 1;
}

static void schedule_arrival(struct sim *s, struct sim_vgpu *v)
{
	alarm_set(&s->arrivals, v->index, s->now_ns + between(&v->random, 1, 2 * v->gap_ns));
}

void refill(struct sim *s, struct sim_vgpu *v)
{
	bool full = v->load == SATURATED || (v->load == TOGGLING && v->on);

	while (full && v->present && !v->leaving && v->queued < 3)
		enqueue(s, v);
}

void arrive(struct sim *s, u32 i)
{
	struct sim_vgpu *v = &s->vgpus[i];
	u64 jobs = v->load == BURSTY ? between(&v->random, 1, v->burst) : 1;

	alarm_set(&s->arrivals, i, NEVER);
	if (v->load == TOGGLING) {
		v->on = !v->on;
		schedule_arrival(s, v);
		refill(s, v);
		return;
	}
	while (jobs-- > 0)
		enqueue(s, v);
	if (v->load == BURSTY && v->queued < MAX_QUEUE)
		schedule_arrival(s, v);
	else if (v->load == BURSTY) /* it cannot queue more: later */
		alarm_set(&s->arrivals, i, s->now_ns + 20 * v->gap_ns);
}

void after_completion(struct sim *s, struct sim_vgpu *v)
{
	struct gpu_sched_job *none;

	if (v->leaving && v->in_flight == 0) {
		if (gpu_sched_remove(&s->sched, &v->vgpu, &none) != OK || none)
			broken(s, "order", "remove refused");
		trace_expect(s, GPU_SCHED_EVENT_REMOVE, 1);
		forget(s, v);
	} else if (v->load == CLOSED && v->queued + v->in_flight < v->outstanding) {
		schedule_arrival(s, v);
	}
}

static u32 weight_of(const struct sim *s, const struct sim_vgpu *v)
{
	return s->policy == GPU_SCHED_EQUAL ? 1 : v->params.weight;
}

static u32 random_weight(struct sim *s)
{
	switch (s->seed % 4) {
	case 0:
		return 100;
	case 1:
		return (u32)between(&s->random, 1, 10) * 100;
	case 2:
		return one_in(&s->random, 2) ? GPU_SCHED_WEIGHT_MIN : GPU_SCHED_WEIGHT_MAX;
	default:
		return (u32)magnitude(&s->random, 1, GPU_SCHED_WEIGHT_MAX);
	}
}

/* Now and then out of range. */
static struct gpu_sched_params random_params(struct sim *s)
{
	struct gpu_sched_params p = { .weight = random_weight(s), .cap = WHOLE };

	if (!s->limits)
		return p;
	if (one_in(&s->random, 2))
		p.reserve = (u32)magnitude(&s->random, 1,
					   one_in(&s->random, 3) ? 600 : 2000 / s->count + 2);
	if (one_in(&s->random, 3))
		p.cap = (u32)between(&s->random, 1, WHOLE);
	if (one_in(&s->random, 2) && s->bounded_count < 16)
		p.latency_ns = magnitude(&s->random, s->slice_ns, 2 * SECOND);
	if (p.latency_ns && !one_in(&s->random, 10))
		p.reserve = MAX(p.reserve, 1U);
	if (!one_in(&s->random, 10))
		p.cap = MAX(p.cap, p.reserve);
	return p;
}

static void weights_of_all(struct sim *s)
{
	s->weights = 0;
	for (u32 i = 0; i < s->count; i++)
		if (s->vgpus[i].present)
			s->weights += weight_of(s, &s->vgpus[i]);
}

/* Parameters that are refused give way to a weight alone. */
static void add(struct sim *s, struct sim_vgpu *v)
{
	struct gpu_sched_params params = random_params(s);
	enum err expected = limits_admit(s, NULL, &params, s->slice_ns);
	enum err e = gpu_sched_add(&s->sched, &v->vgpu, &params, v->index);

	if (e != expected)
		broken(s, "admission", "added with %d, expected %d", e, expected);
	total.sets++;
	total.refused += e != OK;
	if (e) {
		params = (struct gpu_sched_params){ .weight = random_weight(s), .cap = WHOLE };
		if (gpu_sched_add(&s->sched, &v->vgpu, &params, v->index) != OK)
			broken(s, "admission", "a weight alone is refused");
	}
	trace_expect(s, GPU_SCHED_EVENT_PARAMS, 1);
	v->params = (struct gpu_sched_params){ .weight = 1, .cap = WHOLE };
	v->present = true;
	limits_retune(s, v, &params);
	v->account.ns = 0;
	s->weights += weight_of(s, v);
	changed(s);
}

/* Nothing that depends on another, and, of the others, no job above the least bound. */
static void isolate(struct sim *s, struct sim_vgpu *v)
{
	if (v->index > 0) {
		v->load = s->neighbours;
		v->sizes = UNIFORM;
		v->size_ns = s->slice_ns / 12;
		return;
	}
	v->load = v->load == SNIPING ? SATURATED : v->load;
	v->sizes = v->sizes == TINY ? UNIFORM : v->sizes;
	v->size_ns = MAX(v->size_ns, s->slice_ns / 40);
}

void join(struct sim *s, u32 i)
{
	struct sim_vgpu *v = &s->vgpus[i];
	u64 *random = &v->random;

	memset(v, 0, sizeof(*v));
	v->index = i;
	v->random = s->seed * 0x9e3779b97f4a7c15ULL + i + s->joins++ * 1000003;
	add(s, v);
	v->load = s->steady ? (s->count < 4 || !one_in(random, 8) ? SATURATED : TOGGLING)
			    : (enum load)between(random, 0, LOADS - 1);
	v->sizes = s->steady ? (enum sizes)between(random, FIXED, UNIFORM)
			     : (enum sizes)between(random, 0, SIZES - 1);
	v->size_ns = s->steady ? between(random, 50 * US, 200 * US) : magnitude(random, US, 8 * MS);
	v->gap_ns = magnitude(random, US, 100 * MS) * (s->count > 32 ? 64 : 1);
	v->burst = between(random, 1, MAX_QUEUE);
	v->outstanding = between(random, 1, 3);
	if (s->minute)
		v->load = SATURATED;
	if (s->isolated)
		isolate(s, v);
	if (v->load == SATURATED)
		refill(s, v);
	else
		schedule_arrival(s, v);
}

/* It is gone. */
void forget(struct sim *s, struct sim_vgpu *v)
{
	s->weights -= weight_of(s, v);
	s->all_longest_ns -= v->longest_ns;
	v->present = false;
	v->params.latency_ns = 0;
	limits_retune(s, v, &(struct gpu_sched_params){ .weight = 1, .cap = WHOLE });
	changed(s);
}

static void leave(struct sim *s, struct sim_vgpu *v)
{
	struct gpu_sched_job *dropped;
	u32 count = 0;

	alarm_set(&s->arrivals, v->index, NEVER);
	end_activity(s, v);
	trace_expect(s, GPU_SCHED_EVENT_DROP, v->queued > 0);
	if (v->in_flight) {
		if (gpu_sched_remove(&s->sched, &v->vgpu, &dropped) != ERR_BUSY || dropped)
			broken(s, "order", "removed with jobs in flight");
		dropped = gpu_sched_drop_queued(&s->sched, &v->vgpu);
	} else if (gpu_sched_remove(&s->sched, &v->vgpu, &dropped) != OK) {
		broken(s, "order", "remove refused");
	}
	for (; dropped; dropped = dropped->next)
		count++;
	if (count != v->queued)
		broken(s, "order", "%u jobs dropped of %u", count, v->queued);
	s->backlogged -= v->queued > 0;
	v->queued = 0;
	v->leaving = true;
	if (v->in_flight)
		return;
	trace_expect(s, GPU_SCHED_EVENT_REMOVE, 1);
	forget(s, v);
}

static void set(struct sim *s, struct sim_vgpu *v)
{
	struct gpu_sched_params params = random_params(s);
	enum err expected = limits_admit(s, v, &params, s->slice_ns);
	enum err e = gpu_sched_set(&s->sched, &v->vgpu, &params, s->now_ns);
	bool active = v->active;

	if (e != expected)
		broken(s, "admission", "set with %d, expected %d", e, expected);
	total.sets++;
	total.refused += e != OK;
	if (e)
		return;
	trace_expect(s, GPU_SCHED_EVENT_PARAMS, 1);
	end_activity(s, v);
	share_restart(s);
	limits_retune(s, v, &params);
	weights_of_all(s);
	resume_activity(s, v, active);
	changed(s);
}

static void hold(struct sim *s, struct sim_vgpu *v)
{
	trace_expect(s, GPU_SCHED_EVENT_HOLD, 1);
	total.holds++;
	v->held = !v->held;
	if (gpu_sched_hold(&s->sched, &v->vgpu, v->held, s->now_ns) != OK)
		broken(s, "hold", "refused");
	v->account.head_ns = v->held ? v->account.head_ns : s->now_ns;
	end_activity(s, v);
	if (!v->held && v->queued)
		begin_activity(s, v, s->now_ns);
	changed(s);
}

static void configure(struct sim *s)
{
	const struct gpu_sched_config config = {
		.policy = (enum gpu_sched_policy)between(&s->random, 0, GPU_SCHED_POLICIES - 1),
		.slice_ns = magnitude(&s->random, GPU_SCHED_SLICE_MIN_NS, 16 * MS),
		.depth = s->depth,
		.slots = s->count,
	};
	enum gpu_sched_policy old = s->policy;
	u64 old_slice_ns = s->slice_ns;
	enum err expected = limits_admit(s, NULL, NULL, config.slice_ns);
	static bool active[MAX_VGPUS];

	for (u32 i = 0; i < s->count; i++) {
		active[i] = s->vgpus[i].active;
		if (expected == OK)
			end_activity(s, &s->vgpus[i]);
	}
	if (gpu_sched_configure(&s->sched, &config, s->now_ns) != expected)
		broken(s, "admission", "a slice of %llu ns", (unsigned long long)config.slice_ns);
	total.policies += expected == OK;
	if (expected)
		return;
	trace_expect(s, GPU_SCHED_EVENT_POLICY, 1);
	share_restart(s);
	s->policy = config.policy;
	s->slice_ns = config.slice_ns;
	fixed_configured(s, old, old_slice_ns);
	for (u32 i = 0; i < s->count; i++)
		if (s->vgpus[i].present)
			resume_activity(s, &s->vgpus[i], active[i]);
	weights_of_all(s);
	changed(s);
}

/* Something that a person or a guest does in between. */
void disturb(struct sim *s)
{
	struct sim_vgpu *v = &s->vgpus[between(&s->random, 0, s->count - 1)];

	/* Each of these looks at all vGPUs. */
	if (s->count > 32 && !one_in(&s->random, 20))
		return;
	if (s->churn && one_in(&s->random, 200)) {
		if (!v->present)
			join(s, v->index);
		else if (!v->leaving)
			leave(s, v);
	}
	if (!v->present || v->leaving)
		return;
	if (s->limits && s->changing && one_in(&s->random, 100))
		set(s, v);
	if (s->changing && one_in(&s->random, v->held ? 5 : 200))
		hold(s, v);
	if (s->switching && one_in(&s->random, 300))
		configure(s);
}
