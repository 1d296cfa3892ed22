/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the hypervisor's own scheduler object under seeded random loads and checks its promises. */
// HYPERVISOR_OBJECTS: gpu/sched.c
//
// FACET_SEED=N runs that seed alone, FACET_SEEDS=N that many from 1.
//
// Rules, each checked at every step (docs/scheduler.md has the formulas and proofs):
//   share       in a window of fixed backlogged vGPUs, who completes 500 jobs has its share
//   credit      who was idle gets no more afterwards than one who was never idle
//   newcomer    who becomes busy owing nothing waits for one job of each other at the most
//   wait        any other wait stays below the formula
//   lag         the difference of normalised service stays below the formula
//   conserving  no job waits while fewer than `depth` are in flight
//   depth       at most `depth` jobs are in flight
//   account     each job is charged its engine time; the sum is the engine's busy time
//   order       the jobs of one vGPU start in the order in which they came

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/sched.h"

#define MAX_VGPUS  24
#define MAX_QUEUE  32
#define JOBS	   (MAX_QUEUE + GPU_SCHED_DEPTH_MAX)
#define SHARE_JOBS 500
#define NEVER	   UINT64_MAX
#define US	   1000ULL
#define MS	   1000000ULL
#define SLICE	   (2 * MS)

enum load {
	SATURATED,
	TOGGLING,
	CLOSED,
	BURSTY,
	SNIPING,
	LOADS
};
enum sizes {
	FIXED,
	UNIFORM,
	BIMODAL,
	PAST_SLICE,
	TINY,
	SIZES
};

struct sim_job {
	struct gpu_sched_job job;
	u64 cost_ns; /* what it will take; the scheduler cannot see it */
	u64 serial;  /* order of arrival within its vGPU */
};

/* What has gone by since the queue of a vGPU filled and its first job has not been picked. */
struct waiting {
	bool active;
	bool newcomer; /* nothing queued, in flight or owed on arrival */
	u64 vtime;     /* on arrival */
	u32 picks[MAX_VGPUS];
	u32 allowed[MAX_VGPUS];
	u64 cost_ns[MAX_VGPUS];	   /* of the others' jobs picked meanwhile */
	u64 longest_ns[MAX_VGPUS]; /* the longest of these */
};

struct sim_vgpu {
	struct gpu_sched_vgpu vgpu;
	bool present, leaving, was_idle, on;
	enum load load;
	enum sizes sizes;
	u64 size_ns, gap_ns, arrival_ns, burst, outstanding;
	u64 enqueued, picked;
	u64 longest_ns;	       /* of its jobs since it last owed nothing */
	u32 queued, in_flight; /* counted here, not read from the scheduler */
	struct sim_job jobs[JOBS];
	struct waiting waiting;
	/* since the set of backlogged vGPUs last changed: */
	u64 window_ns, window_jobs;
};

/* Two vGPUs backlogged at once: the course of S_i * w_j - S_j * w_i and the longest jobs. */
struct pair {
	bool active, after_idle;
	s64 now, least, most;
	u64 longest_i, longest_j;
};

struct sim {
	u64 seed, random, now_ns, depth, done, jobs, charged_ns, busy_ns, trace;
	bool overtaking, late, churn;
	u32 count;
	struct gpu_sched sched;
	struct gpu_sched_vgpu *heap[MAX_VGPUS];
	struct sim_vgpu vgpus[MAX_VGPUS];
	struct pair pairs[MAX_VGPUS][MAX_VGPUS]; /* [i][j] with i < j */
	struct sim_job *flight[GPU_SCHED_DEPTH_MAX];
	u32 in_flight, unseen; /* flight[0 .. unseen) have ended, which nobody has noticed */
	u64 finish_ns;	       /* of the job that the engine runs, flight[running] */
	u32 running;
	u64 window_ns; /* service of all backlogged vGPUs in the window */
};

static struct {
	u64 jobs, share_checks, share_by_formula, newcomers, waits, pair_checks;
	double worst_share, worst_lag, worst_wait;
} total;

static void __attribute__((noreturn, format(printf, 3, 4)))
broken(const struct sim *s, const char *rule, const char *format, ...)
{
	va_list args;

	printf("gpu_sched_sim: rule `%s` is broken at %llu ns after %llu jobs: ", rule,
	       (unsigned long long)s->now_ns, (unsigned long long)s->done);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\nrepeat with FACET_SEED=%llu\n", (unsigned long long)s->seed);
	exit(1);
}

/* ---- random numbers (splitmix64) ---- */

static u64 next_random(struct sim *s)
{
	u64 z = s->random += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static u64 between(struct sim *s, u64 least, u64 most)
{
	return least + next_random(s) % (most - least + 1);
}

static bool one_in(struct sim *s, u64 n)
{
	return next_random(s) % n == 0;
}

/* Evenly spread over the orders of magnitude. */
static u64 magnitude(struct sim *s, u64 least, u64 most)
{
	u64 bound = least;

	while (bound < most && !one_in(s, 5))
		bound *= 2;
	return between(s, least, MIN(bound, most));
}

static u32 index_of(const struct sim *s, const struct gpu_sched_vgpu *v)
{
	return (u32)(container_of(v, struct sim_vgpu, vgpu) - s->vgpus);
}

/* ---- rules over windows: share, lag, credit ---- */

static void check_share(struct sim *s, u32 i)
{
	struct sim_vgpu *me = &s->vgpus[i];
	u64 w = me->vgpu.weight, weights = 0, formula = 0, wanted, percent, allowed, error;
	bool all = s->seed % 3 == 0; /* steady, and each in the window has completed 500 */

	for (u32 j = 0; j < s->count; j++) {
		struct sim_vgpu *other = &s->vgpus[j];

		if (!other->queued)
			continue;
		weights += other->vgpu.weight;
		all = all && other->window_jobs >= SHARE_JOBS;
		if (j != i)
			formula += s->depth *
				   (other->vgpu.weight * me->longest_ns + w * other->longest_ns);
	}
	wanted = w * s->window_ns;
	percent = wanted / 100;
	error = (u64)llabs((s64)(me->window_ns * weights) - (s64)wanted);
	formula += w * weights / 128 + 1; /* tags are whole numbers of 1/256 ns */
	allowed = all ? percent : MAX(formula, percent);
	total.share_checks++;
	total.share_by_formula += allowed > percent;
	if (allowed == percent)
		total.worst_share = MAX(total.worst_share, (double)error / (double)wanted);
	if (error > allowed)
		broken(s, "share", "vGPU %u: error %.3f %%, allowed %.3f %%", i,
		       100.0 * (double)error / (double)wanted,
		       100.0 * (double)allowed / (double)wanted);
}

static void check_shares(struct sim *s)
{
	for (u32 i = 0; i < s->count; i++)
		if (s->vgpus[i].queued && s->vgpus[i].window_jobs >= SHARE_JOBS)
			check_share(s, i);
}

/* The set of backlogged vGPUs is about to change, or a weight. */
static void close_window(struct sim *s)
{
	check_shares(s);
	s->window_ns = 0;
	for (u32 i = 0; i < s->count; i++) {
		s->vgpus[i].window_ns = 0;
		s->vgpus[i].window_jobs = 0;
	}
}

static struct pair *pair_of(struct sim *s, u32 a, u32 b)
{
	return a < b ? &s->pairs[a][b] : &s->pairs[b][a];
}

static void end_pairs(struct sim *s, u32 i)
{
	for (u32 j = 0; j < s->count; j++)
		pair_of(s, i, j)->active = false;
}

static void begin_pairs(struct sim *s, u32 i)
{
	for (u32 j = 0; j < s->count; j++)
		if (j != i && s->vgpus[j].queued)
			*pair_of(s, i, j) = (struct pair){
				.active = true,
				.after_idle = s->vgpus[i].was_idle,
				.longest_i = s->vgpus[MIN(i, j)].longest_ns,
				.longest_j = s->vgpus[MAX(i, j)].longest_ns,
			};
}

static void check_pair(struct sim *s, u32 a, u32 b, u32 served, u64 engine_ns)
{
	struct pair *p = &s->pairs[a][b];
	u64 wa = s->vgpus[a].vgpu.weight, wb = s->vgpus[b].vgpu.weight, spread, allowed;

	if (!p->active)
		return;
	if (served == a) {
		p->now += (s64)(engine_ns * wb);
		p->longest_i = MAX(p->longest_i, engine_ns);
	} else {
		p->now -= (s64)(engine_ns * wa);
		p->longest_j = MAX(p->longest_j, engine_ns);
	}
	p->most = MAX(p->most, p->now);
	p->least = MIN(p->least, p->now);
	spread = (u64)(p->most - p->least);
	allowed = s->depth * (p->longest_i * wb + p->longest_j * wa) + wa * wb / 128 + 1;
	total.pair_checks++;
	total.worst_lag = MAX(total.worst_lag, (double)spread / (double)allowed);
	if (spread > allowed)
		broken(s, p->after_idle ? "credit" : "lag",
		       "vGPUs %u and %u: |S_i*w_j - S_j*w_i| is %llu, allowed %llu", a, b,
		       (unsigned long long)spread, (unsigned long long)allowed);
}

static void served(struct sim *s, u32 i, u64 engine_ns)
{
	struct sim_vgpu *v = &s->vgpus[i];

	v->longest_ns = MAX(v->longest_ns, engine_ns);
	for (u32 j = 0; j < s->count; j++)
		if (j != i)
			check_pair(s, MIN(i, j), MAX(i, j), i, engine_ns);
	if (!v->queued)
		return;
	v->window_ns += engine_ns;
	v->window_jobs++;
	s->window_ns += engine_ns;
	if (v->window_jobs >= SHARE_JOBS && v->window_jobs % 64 == 0)
		check_share(s, i);
}

/* ---- rules over waits: newcomer, wait ---- */

static void begin_wait(struct sim *s, u32 i, bool owed_nothing)
{
	struct sim_vgpu *v = &s->vgpus[i];

	v->waiting = (struct waiting){ .active = true };
	v->waiting.newcomer = owed_nothing && v->in_flight == 0;
	v->waiting.vtime = s->sched.vtime;
	for (u32 j = 0; j < s->count; j++)
		v->waiting.allowed[j] = s->vgpus[j].queued > 0;
	total.newcomers += v->waiting.newcomer;
}

/* `job` of `picked` goes ahead of all who wait. */
static void overtaken(struct sim *s, u32 picked, const struct sim_job *job)
{
	for (u32 i = 0; i < s->count; i++) {
		struct waiting *w = &s->vgpus[i].waiting;

		if (i == picked || !w->active)
			continue;
		w->cost_ns[picked] += job->cost_ns;
		w->longest_ns[picked] = MAX(w->longest_ns[picked], job->cost_ns);
		if (++w->picks[picked] > w->allowed[picked] && w->newcomer)
			broken(s, "newcomer", "vGPU %u waits for job %u of vGPU %u, allowed %u", i,
			       w->picks[picked], picked, w->allowed[picked]);
	}
}

static void end_wait(struct sim *s, u32 i)
{
	struct waiting *w = &s->vgpus[i].waiting;
	/* What it owed on arrival, its own jobs then in flight included. */
	u64 lag = s->vgpus[i].vgpu.tag - w->vtime;

	if (!w->active)
		return;
	w->active = false;
	for (u32 j = 0; j < s->count && !s->overtaking && !s->late && !s->churn; j++) {
		/* + 1: up to one step of a tag is not yet visible in it */
		u64 paid = (lag + 1) / 256 * s->vgpus[j].vgpu.weight +
			   (lag + 1) % 256 * s->vgpus[j].vgpu.weight / 256 + 1;
		u64 allowed = paid + s->depth * w->longest_ns[j];

		if (j == i || !w->picks[j])
			continue;
		total.waits++;
		total.worst_wait = MAX(total.worst_wait, (double)w->cost_ns[j] / (double)allowed);
		if (w->cost_ns[j] > allowed)
			broken(s, "wait", "vGPU %u waited for %llu ns of vGPU %u, allowed %llu", i,
			       (unsigned long long)w->cost_ns[j], j, (unsigned long long)allowed);
	}
}

/* ---- the load ---- */

static u64 job_cost(struct sim *s, const struct sim_vgpu *v)
{
	switch (v->sizes) {
	case UNIFORM:
		return between(s, v->size_ns / 2, v->size_ns + v->size_ns / 2);
	case BIMODAL:
		return one_in(s, 50) ? 100 * v->size_ns : v->size_ns;
	case PAST_SLICE:
		return one_in(s, 3) ? SLICE + 1 : 1;
	case TINY:
		return between(s, 0, 2);
	default:
		return v->size_ns;
	}
}

static void enqueue(struct sim *s, u32 i)
{
	struct sim_vgpu *v = &s->vgpus[i];
	struct sim_job *job = v->jobs;
	bool owed_nothing;

	if (v->leaving || v->queued == MAX_QUEUE)
		return;
	while (job->job.state != GPU_SCHED_JOB_IDLE)
		job++;
	job->cost_ns = job_cost(s, v);
	job->serial = v->enqueued++;
	v->was_idle = v->queued == 0 && v->in_flight == 0;
	owed_nothing = v->vgpu.period != s->sched.period || v->vgpu.tag <= s->sched.vtime;
	if (v->queued == 0) {
		close_window(s);
		if (owed_nothing)
			v->longest_ns = 0;
	}
	if (gpu_sched_enqueue(&s->sched, &v->vgpu, &job->job, s->now_ns) != OK)
		broken(s, "order", "enqueue refused");
	if (v->queued == 0) {
		begin_pairs(s, i);
		begin_wait(s, i, owed_nothing);
	}
	v->queued++;
}

static void schedule_arrival(struct sim *s, struct sim_vgpu *v)
{
	v->arrival_ns = s->now_ns + between(s, 1, 2 * v->gap_ns);
}

static void refill(struct sim *s, u32 i)
{
	struct sim_vgpu *v = &s->vgpus[i];
	bool full = v->load == SATURATED || (v->load == TOGGLING && v->on);

	while (full && !v->leaving && v->queued < 3)
		enqueue(s, i);
}

static void arrive(struct sim *s, u32 i)
{
	struct sim_vgpu *v = &s->vgpus[i];
	u64 jobs = v->load == BURSTY ? between(s, 1, v->burst) : 1;

	v->arrival_ns = NEVER;
	if (v->load == TOGGLING) {
		v->on = !v->on;
		schedule_arrival(s, v);
		refill(s, i);
		return;
	}
	while (jobs-- > 0)
		enqueue(s, i);
	if (v->load == BURSTY)
		schedule_arrival(s, v);
}

static u32 random_weight(struct sim *s)
{
	switch (s->seed % 4) {
	case 0:
		return 100;
	case 1:
		return (u32)between(s, 1, 10) * 100;
	case 2:
		return one_in(s, 2) ? GPU_SCHED_WEIGHT_MIN : GPU_SCHED_WEIGHT_MAX;
	default:
		return (u32)magnitude(s, 1, GPU_SCHED_WEIGHT_MAX);
	}
}

static void join(struct sim *s, u32 i)
{
	struct sim_vgpu *v = &s->vgpus[i];
	bool steady = s->seed % 3 == 0;

	memset(v, 0, sizeof(*v));
	if (gpu_sched_add(&s->sched, &v->vgpu, random_weight(s)) != OK)
		broken(s, "order", "add refused");
	v->present = true;
	v->load = steady ? (one_in(s, 8) ? TOGGLING : SATURATED)
			 : (enum load)between(s, 0, LOADS - 1);
	v->sizes = steady ? (enum sizes)between(s, FIXED, UNIFORM)
			  : (enum sizes)between(s, 0, SIZES - 1);
	v->size_ns = steady ? between(s, 50 * US, 200 * US) : magnitude(s, US, 8 * MS);
	v->gap_ns = magnitude(s, US, 100 * MS);
	v->burst = between(s, 1, MAX_QUEUE);
	v->outstanding = between(s, 1, 3);
	v->arrival_ns = NEVER;
	if (v->load == SATURATED)
		refill(s, i);
	else
		schedule_arrival(s, v);
}

static void leave(struct sim *s, u32 i)
{
	struct sim_vgpu *v = &s->vgpus[i];
	struct gpu_sched_job *dropped;
	u32 count = 0;

	v->leaving = true;
	v->arrival_ns = NEVER;
	v->waiting.active = false;
	if (v->queued) {
		close_window(s);
		end_pairs(s, i);
	}
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
	v->queued = 0;
	v->present = v->in_flight > 0;
}

/* One vGPU joins or leaves. */
static void churn(struct sim *s)
{
	u32 i = (u32)between(s, 0, s->count - 1);

	if (!s->vgpus[i].present)
		join(s, i);
	else if (!s->vgpus[i].leaving)
		leave(s, i);
}

/* ---- the engine ---- */

/*
 * The engine takes the oldest job. Where the seed lets jobs overtake, it takes any, and may
 * drop what it has begun for one that has just come.
 */
static void run_next(struct sim *s)
{
	s->running = s->overtaking ? (u32)between(s, 0, s->in_flight - 1) : s->unseen;
	s->finish_ns = s->now_ns + s->flight[s->running]->cost_ns;
}

static void picked(struct sim *s, struct sim_job *job)
{
	u32 i = index_of(s, job->job.owner);
	struct sim_vgpu *v = &s->vgpus[i];

	if (job->serial != v->picked)
		broken(s, "order", "vGPU %u: job %llu picked before job %llu", i,
		       (unsigned long long)job->serial, (unsigned long long)v->picked);
	v->picked++;
	s->trace = (s->trace ^ (i + 1)) * 0x100000001b3ULL;
	if (s->in_flight == s->depth)
		broken(s, "depth", "more than %llu jobs in flight", (unsigned long long)s->depth);
	overtaken(s, i, job);
	end_wait(s, i);
	if (v->queued == 1) {
		close_window(s);
		end_pairs(s, i);
	}
	v->queued--;
	v->in_flight++;
	s->flight[s->in_flight++] = job;
	if (s->in_flight == 1 || (s->overtaking && one_in(s, 3)))
		run_next(s);
	for (u32 j = 0; j < s->count; j++)
		if (s->vgpus[j].load == SNIPING && s->vgpus[j].present && one_in(s, 20))
			enqueue(s, j);
}

static void dispatch(struct sim *s)
{
	struct gpu_sched_job *job;
	u32 queued = 0;

	for (;;) {
		/* Before the pick, so that a saturated vGPU is backlogged without a gap. */
		for (u32 i = 0; i < s->count; i++)
			if (s->vgpus[i].present)
				refill(s, i);
		job = gpu_sched_pick(&s->sched, s->now_ns);
		if (!job)
			break;
		picked(s, container_of(job, struct sim_job, job));
	}
	for (u32 i = 0; i < s->count; i++)
		queued += s->vgpus[i].queued;
	if (queued && s->in_flight < s->depth)
		broken(s, "conserving", "%u jobs wait with %u in flight", queued, s->in_flight);
}

static void check_account(struct sim *s, const struct sim_job *job)
{
	u64 busy_ns = gpu_sched_busy_ns(&s->sched, s->now_ns), charged_ns;

	charged_ns = s->charged_ns;
	for (u32 i = 0; i < s->in_flight; i++) /* theirs already, when overtaken */
		charged_ns += s->flight[i]->job.carried_ns;
	if (busy_ns != s->busy_ns)
		broken(s, "account", "busy %llu ns, the engine ran %llu ns",
		       (unsigned long long)busy_ns, (unsigned long long)s->busy_ns);
	if (!s->overtaking && !s->late && job->job.engine_ns != job->cost_ns)
		broken(s, "account", "charged %llu ns for a job of %llu ns",
		       (unsigned long long)job->job.engine_ns, (unsigned long long)job->cost_ns);
	if (charged_ns != busy_ns)
		broken(s, "account", "charged %llu ns in total, busy %llu ns",
		       (unsigned long long)charged_ns, (unsigned long long)busy_ns);
}

static void completed(struct sim *s, struct sim_job *job)
{
	u32 i = index_of(s, job->job.owner);
	struct sim_vgpu *v = &s->vgpus[i];
	struct gpu_sched_job *none;

	v->in_flight--;
	s->done++;
	s->charged_ns += job->job.engine_ns;
	served(s, i, job->job.engine_ns);
	if (v->leaving && v->in_flight == 0) {
		if (gpu_sched_remove(&s->sched, &v->vgpu, &none) != OK || none)
			broken(s, "order", "remove refused");
		v->present = false;
	} else if (v->load == CLOSED && v->queued + v->in_flight < v->outstanding) {
		schedule_arrival(s, v);
	}
}

static void take_from_flight(struct sim *s, u32 at)
{
	s->in_flight--;
	for (; at < s->in_flight; at++)
		s->flight[at] = s->flight[at + 1];
}

static enum err complete_one(struct gpu_sched *s, struct gpu_sched_job *job, u64 now_ns)
{
	return gpu_sched_complete_all(s, &job, 1, now_ns);
}

static void complete(struct sim *s)
{
	struct sim_job *job = s->flight[s->running];

	if (complete_one(&s->sched, &job->job, s->now_ns) != OK)
		broken(s, "account", "completion refused");
	take_from_flight(s, s->running);
	completed(s, job);
	check_account(s, job);
	if (s->in_flight)
		run_next(s);
}

/* A job has ended. Late: somebody looks now or only after the next one, and finds all at once. */
static void complete_late(struct sim *s)
{
	struct gpu_sched_job *found[GPU_SCHED_DEPTH_MAX];
	struct sim_job *job = s->flight[0];
	u32 count;

	s->unseen++;
	if (s->unseen < s->in_flight && one_in(s, 2)) {
		run_next(s);
		return;
	}
	count = s->unseen;
	for (u32 i = 0; i < count; i++) {
		found[i] = &s->flight[i]->job;
		found[i]->work = (u32)MIN(s->flight[i]->cost_ns, UINT32_MAX);
	}
	if (gpu_sched_complete_all(&s->sched, found, count, s->now_ns) != OK)
		broken(s, "account", "completion refused");
	for (s->unseen = 0; count > 0; count--) {
		job = s->flight[0];
		take_from_flight(s, 0);
		completed(s, job);
	}
	check_account(s, job);
	if (s->in_flight)
		run_next(s);
}

static void step(struct sim *s)
{
	u64 when = s->in_flight ? s->finish_ns : NEVER;
	u32 who = s->count;

	for (u32 i = 0; i < s->count; i++) {
		if (s->vgpus[i].arrival_ns < when) {
			when = s->vgpus[i].arrival_ns;
			who = i;
		}
	}
	if (s->in_flight)
		s->busy_ns += when - s->now_ns;
	if (when == NEVER) { /* all have left, or wait for another's pick */
		s->now_ns += MS;
		s->done++;
		for (u32 i = 0; i < s->count; i++)
			if (s->vgpus[i].present)
				enqueue(s, i);
	} else {
		s->now_ns = when;
		if (who < s->count)
			arrive(s, who);
		else if (s->late)
			complete_late(s);
		else
			complete(s);
	}
	if (s->churn && one_in(s, 200))
		churn(s);
	dispatch(s);
}

static u64 run(u64 seed)
{
	static struct sim s;

	memset(&s, 0, sizeof(s));
	s.seed = seed;
	s.random = seed * 0x2545f4914f6cdd1dULL;
	s.now_ns = between(&s, 0, 1000 * MS);
	/* A third of the seeds is steady and long, for the shares; every 11th lets jobs overtake.
	 */
	s.jobs = seed % 3 == 0 ? 6000 : 1500;
	s.count = (u32)(seed % 3 == 0 ? between(&s, 2, 8) : between(&s, 1, MAX_VGPUS));
	s.depth = seed % 7 == 0 ? between(&s, 1, 4) : GPU_SCHED_DEPTH;
	s.overtaking = seed % 11 == 0;
	s.late = seed % 5 == 0 && !s.overtaking;
	s.churn = seed % 3 != 0 && seed % 2 == 0;
	if (gpu_sched_init(&s.sched, SLICE, (u32)s.depth, s.heap, s.count) != OK)
		broken(&s, "order", "init refused");
	for (u32 i = 0; i < s.count; i++)
		join(&s, i);
	dispatch(&s);
	while (s.done < s.jobs)
		step(&s);
	close_window(&s);
	total.jobs += s.done;
	return s.trace;
}

int main(void)
{
	const char *one = getenv("FACET_SEED"), *many = getenv("FACET_SEEDS");
	u64 first = one ? strtoull(one, NULL, 0) : 1;
	u64 count = one ? 1 : many ? strtoull(many, NULL, 0) : 4000;

	for (u64 seed = first; seed < first + count; seed++) {
		u64 trace = run(seed);

		if (seed % 100 == 0 && run(seed) != trace) {
			printf("gpu_sched_sim: seed %llu is not repeatable\n",
			       (unsigned long long)seed);
			return 1;
		}
	}
	printf("gpu_sched_sim: seeds %llu to %llu, %llu jobs; %llu shares checked, error at most "
	       "%.2f %% (%llu more below the formula); %llu newcomers; lag at most %.3f, wait "
	       "%.3f of the formula\n",
	       (unsigned long long)first, (unsigned long long)(first + count - 1),
	       (unsigned long long)total.jobs,
	       (unsigned long long)(total.share_checks - total.share_by_formula),
	       100 * total.worst_share, (unsigned long long)total.share_by_formula,
	       (unsigned long long)total.newcomers, total.worst_lag, total.worst_wait);
	return 0;
}
