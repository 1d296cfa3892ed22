/* SPDX-License-Identifier: Apache-2.0 */
/* Start-time fair queueing of depth D over measured engine time; see docs/scheduler.md. */
#include "gpu/sched.h"

/*
 * Virtual time counts 1/256 ns of engine time at weight 1. A lone vGPU of weight 1
 * that never lets the engine rest fills 64 bits in 2.2 years (weight 100: 228
 * years), and each rest starts again at 0. The division's remainder is carried,
 * so that the coarse step costs no accuracy over time.
 */
#define TAG_SHIFT 8

/*
 * The order of service: least tag first, among equal tags the one that has
 * waited longest for its turn. Turns are unique, so there are no ties, and the
 * same calls always give the same order.
 */
static bool before(const struct gpu_sched_vgpu *a, const struct gpu_sched_vgpu *b)
{
	return a->tag != b->tag ? a->tag < b->tag : a->turn < b->turn;
}

static void place(struct gpu_sched *s, struct gpu_sched_vgpu *v, u32 slot)
{
	s->heap[slot] = v;
	v->slot = slot;
}

static void sift_up(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	u32 slot = v->slot;

	while (slot > 0) {
		struct gpu_sched_vgpu *parent = s->heap[(slot - 1) / 2];

		if (!before(v, parent))
			break;
		place(s, parent, slot);
		slot = (slot - 1) / 2;
	}
	place(s, v, slot);
}

static void sift_down(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	u32 slot = v->slot;

	for (;;) {
		u32 child = 2 * slot + 1;

		if (child >= s->backlogged)
			break;
		if (child + 1 < s->backlogged && before(s->heap[child + 1], s->heap[child]))
			child++;
		if (!before(s->heap[child], v))
			break;
		place(s, s->heap[child], slot);
		slot = child;
	}
	place(s, v, slot);
}

static void heap_insert(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	v->slot = s->backlogged++;
	sift_up(s, v);
}

static void heap_remove(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	struct gpu_sched_vgpu *last = s->heap[--s->backlogged];

	if (last == v)
		return;
	/* The last one fills the gap; it came from another branch and may go either way. */
	place(s, last, v->slot);
	sift_up(s, last);
	sift_down(s, last);
}

static u64 advance_clock(struct gpu_sched *s, u64 now_ns)
{
	if (now_ns > s->now_ns)
		s->now_ns = now_ns;
	return s->now_ns;
}

static bool weight_valid(u32 weight)
{
	return weight >= GPU_SCHED_WEIGHT_MIN && weight <= GPU_SCHED_WEIGHT_MAX;
}

enum err gpu_sched_init(struct gpu_sched *s, u64 slice_ns, u32 depth, struct gpu_sched_vgpu **heap,
			u32 capacity)
{
	if (!heap)
		return ERR_INVALID;
	if (depth == 0 || depth > GPU_SCHED_DEPTH_MAX || capacity == 0)
		return ERR_RANGE;
	if (slice_ns < GPU_SCHED_SLICE_MIN_NS || slice_ns > GPU_SCHED_SLICE_MAX_NS)
		return ERR_RANGE;
	*s = (struct gpu_sched){
		.heap = heap,
		.capacity = capacity,
		.depth = depth,
		.slice_ns = slice_ns,
	};
	return OK;
}

enum err gpu_sched_add(struct gpu_sched *s, struct gpu_sched_vgpu *v, u32 weight)
{
	if (!weight_valid(weight))
		return ERR_RANGE;
	if (v->sched)
		return ERR_EXISTS;
	if (s->count == s->capacity)
		return ERR_FULL;
	/* A tag of 0 is raised to the present virtual time by the first enqueue. */
	*v = (struct gpu_sched_vgpu){ .sched = s, .weight = weight, .period = s->period };
	s->count++;
	return OK;
}

struct gpu_sched_job *gpu_sched_drop_queued(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	struct gpu_sched_job *dropped = v->head;

	if (v->sched != s || !dropped)
		return NULL;
	heap_remove(s, v);
	for (struct gpu_sched_job *job = dropped; job; job = job->next)
		job->state = GPU_SCHED_JOB_IDLE;
	v->head = NULL;
	v->tail = NULL;
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
	v->sched = NULL;
	s->count--;
	return OK;
}

/*
 * The tag of a vGPU whose queue fills after being empty. What it did not use is
 * gone (the tag is raised to the present), what it owes stays owed, until a time
 * when nobody wanted the engine: then all begin anew at 0.
 */
static void become_backlogged(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	if (s->backlogged == 0 && s->in_flight == 0) {
		s->period++;
		s->vtime = 0;
	}
	if (v->period != s->period) {
		v->period = s->period;
		v->tag = 0;
	}
	if (v->tag < s->vtime)
		v->tag = s->vtime;
	v->turn = s->turns++;
	heap_insert(s, v);
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
		.state = GPU_SCHED_JOB_QUEUED,
		.enqueued_ns = advance_clock(s, now_ns),
	};
	if (v->head) {
		v->tail->next = job;
	} else {
		v->head = job;
		become_backlogged(s, v);
	}
	v->tail = job;
	v->stats.queued++;
	return OK;
}

/* Takes the oldest job of `v` from its queue; `v` goes behind those of equal tag. */
static struct gpu_sched_job *take_job(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	struct gpu_sched_job *job = v->head;

	v->head = job->next;
	v->stats.queued--;
	if (v->head) {
		v->turn = s->turns++;
		sift_down(s, v);
	} else {
		v->tail = NULL;
		heap_remove(s, v);
	}
	return job;
}

static void submit(struct gpu_sched *s, struct gpu_sched_job *job)
{
	struct gpu_sched_stats *stats = &job->owner->stats;
	u64 waited = s->now_ns - job->enqueued_ns;

	if (s->in_flight++ == 0) {
		s->flight_head = job;
		s->mark_ns = s->now_ns;
		s->since_ns = s->now_ns;
	} else {
		s->flight_tail->next = job;
	}
	s->flight_tail = job;
	job->next = NULL;
	job->state = GPU_SCHED_JOB_IN_FLIGHT;
	job->submitted_ns = s->now_ns;

	stats->in_flight++;
	stats->wait_ns += waited;
	if (waited > stats->wait_max_ns)
		stats->wait_max_ns = waited;
}

struct gpu_sched_job *gpu_sched_pick(struct gpu_sched *s, u64 now_ns)
{
	struct gpu_sched_vgpu *v;
	struct gpu_sched_job *job;

	advance_clock(s, now_ns);
	if (s->backlogged == 0 || s->in_flight >= s->depth)
		return NULL;
	v = s->heap[0];
	s->vtime = v->tag;
	s->decisions++;
	job = take_job(s, v);
	submit(s, job);
	return job;
}

static void unlink_flight(struct gpu_sched *s, struct gpu_sched_job *job)
{
	struct gpu_sched_job *previous = NULL;

	/* Nearly always the first one; `depth` steps at the most. */
	for (struct gpu_sched_job *at = s->flight_head; at != job; at = at->next)
		previous = at;
	if (previous)
		previous->next = job->next;
	else
		s->flight_head = job->next;
	if (s->flight_tail == job)
		s->flight_tail = previous;
	job->next = NULL;
}

/* The engine time of `job`, which ended at `end_ns` and has left the list of those in flight. */
static u64 measure(struct gpu_sched *s, const struct gpu_sched_job *job, u64 end_ns)
{
	u64 start = s->mark_ns;

	/*
	 * Submitted after the mark: an earlier job had the engine from the mark
	 * until then at least. In order, that one's completion moved the mark; it
	 * is still in flight only if this job has overtaken it.
	 */
	if (job->submitted_ns > start) {
		if (s->flight_head)
			s->flight_head->carried_ns += job->submitted_ns - start;
		start = job->submitted_ns;
	}
	s->mark_ns = end_ns;
	return job->carried_ns + (end_ns - start);
}

/* Moves the tag of `v` on by `engine_ns` divided by its weight, exactly over time. */
static void charge(struct gpu_sched_vgpu *v, u64 engine_ns)
{
	u64 fraction = ((engine_ns % v->weight) << TAG_SHIFT) + v->remainder;
	u64 step = ((engine_ns / v->weight) << TAG_SHIFT) + fraction / v->weight;

	v->remainder = fraction % v->weight;
	v->tag = v->tag + step >= step ? v->tag + step : UINT64_MAX;
}

static bool in_flight_on(const struct gpu_sched *s, const struct gpu_sched_job *job)
{
	return job->state == GPU_SCHED_JOB_IN_FLIGHT && job->owner->sched == s;
}

/* `end_ns` lies between the mark and now. */
static void finish(struct gpu_sched *s, struct gpu_sched_job *job, u64 end_ns)
{
	struct gpu_sched_vgpu *v = job->owner;
	u64 engine_ns;

	unlink_flight(s, job);
	engine_ns = measure(s, job, end_ns);
	job->engine_ns = engine_ns;
	job->state = GPU_SCHED_JOB_IDLE;
	if (--s->in_flight == 0)
		s->busy_ns += end_ns - s->since_ns;

	charge(v, engine_ns);
	if (v->head)
		sift_down(s, v);

	v->stats.in_flight--;
	v->stats.jobs++;
	v->stats.engine_ns += engine_ns;
	if (engine_ns > s->slice_ns) {
		v->stats.overruns++;
		v->stats.overrun_ns += engine_ns - s->slice_ns;
	}
}

static u64 work_of(const struct gpu_sched_job *job)
{
	return MAX(1U, MIN(job->work, GPU_SCHED_WORK_MAX));
}

enum err gpu_sched_complete_all(struct gpu_sched *s, struct gpu_sched_job *const *jobs, u32 count,
				u64 now_ns)
{
	u64 base_ns = s->mark_ns, work = 0, done = 0, shared_ns;

	if (count > s->in_flight)
		return ERR_INVALID;
	for (u32 i = 0; i < count; i++) {
		if (!in_flight_on(s, jobs[i]))
			return ERR_INVALID;
		for (u32 j = 0; j < i; j++)
			if (jobs[j] == jobs[i])
				return ERR_INVALID;
		/* Before the last was submitted it cannot have run: that part is not shared. */
		base_ns = MAX(base_ns, jobs[i]->submitted_ns);
		work += work_of(jobs[i]);
	}
	shared_ns = advance_clock(s, now_ns) - base_ns;
	for (u32 i = 0; i < count; i++) {
		done += work_of(jobs[i]);
		/* shared_ns * done / work, in two parts that cannot overflow */
		finish(s, jobs[i],
		       base_ns + shared_ns / work * done + shared_ns % work * done / work);
	}
	return OK;
}

struct gpu_sched_job *gpu_sched_oldest(const struct gpu_sched *s)
{
	return s->flight_head;
}

u64 gpu_sched_busy_ns(const struct gpu_sched *s, u64 now_ns)
{
	if (s->in_flight == 0)
		return s->busy_ns;
	return s->busy_ns + (MAX(now_ns, s->now_ns) - s->since_ns);
}
