/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A GPU, its guests and what they were promised, around the hypervisor's own
 * scheduler. load.c makes the guests, engine.c runs the jobs, check_*.c hold the
 * promises against what happened; they know the rules, and keep their own accounts.
 */
#ifndef TESTS_MODEL_SCHED_SIM_H
#define TESTS_MODEL_SCHED_SIM_H

#include <stdio.h>

#include "gpu/sched.h"
#include "gpu/trace.h"

#define MAX_VGPUS 1024
#define MAX_QUEUE 16
#define JOBS	  (MAX_QUEUE + GPU_SCHED_DEPTH_MAX)
#define NEVER	  UINT64_MAX
#define NONE	  UINT32_MAX
#define US	  1000ULL
#define MS	  1000000ULL
#define SECOND	  1000000000ULL
#define WHOLE	  GPU_SCHED_WHOLE
#define TAG	  256 /* virtual time counts 1/256 ns */

typedef __int128 s128;

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
	u64 cost_ns;		/* what it will take; the scheduler cannot see it */
	u64 serial;		/* order of arrival within its vGPU */
	u64 bound_ns, until_ns; /* by slot: what it was to take, and its slot's end */
};

/* check_share.c: since it is active without a break. */
struct lag {
	u64 vtime;  /* when that began */
	u64 served; /* by weight, since then */
	s128 least, most;
};

/* Waits for its first pick. A ring of them, the one that has waited longest first. */
struct newcomer {
	u32 next, previous;
	bool waits;
};

struct wait {
	bool active;
	u64 picked_ns; /* jobs of all picked by weight until then */
	u64 changes, vtime;
};

/* check_limits.c */
struct account {
	u64 ns, head_ns;
	u32 rest;
	u64 since_ns, served; /* active with this reserve since then */
};

struct cap {
	u64 ns;
	u32 rest;
	u64 served; /* since these parameters */
	s128 most;  /* max of cap * submission - served before it, over jobs charged */
	bool any;
};

/* check_fixed.c */
struct slot {
	u64 longest_ns;
	u64 free_ns;	/* own time that is not yet usable */
	bool in_bounds; /* all its jobs in this slot, until now */
};

struct sim_vgpu {
	struct gpu_sched_vgpu vgpu;
	struct gpu_sched_params params;
	u32 index;
	bool present, leaving, on, held;
	bool active; /* it may be picked, but under fixed */
	bool asleep; /* its cap is the reason that it may not */
	enum load load;
	enum sizes sizes;
	u64 random; /* its own, so that it does not depend on others */
	u64 size_ns, gap_ns, burst, outstanding;
	u64 enqueued, picked;
	u32 queued, in_flight; /* counted here, not read from the scheduler */
	u64 longest_ns;	       /* of all its jobs */
	u64 owing_longest_ns;  /* of those since it last owed nothing by weight */
	u64 expect_ns;
	u64 seen; /* number of the pick by weight or the beginning that it had last */
	struct lag lag;
	struct newcomer newcomer;
	struct wait wait;
	struct account account;
	struct cap cap;
	struct slot slot;
	u64 bound_ns; /* of its queueing, with the jobs' actual lengths, as of `bound_version` */
	u64 bound_version;
	u64 window_number[2], window_ns[2], window_jobs[2];
	struct sim_job jobs[JOBS];
};

/* A heap of moments, one of each vGPU at the most; equal ones in the order in which they were set.
 */
struct alarms {
	u64 when[MAX_VGPUS], order[MAX_VGPUS];
	u32 at[MAX_VGPUS]; /* place in `heap`, or NONE */
	u32 heap[MAX_VGPUS];
	u32 count;
	u64 orders;
};

/* Two vGPUs backlogged at once, where there are few: S_i * w_j - S_j * w_i. */
#define MAX_PAIRED 8
struct pair {
	bool active;
	s128 now, least, most;
};

struct sim {
	u64 seed, random, now_ns, jobs, done, charged_ns, busy_ns, trace;
	bool overtaking, late, churn, limits, steady, minute, changing, switching;
	bool isolated; /* for isolation.c: vGPU 0 depends on nobody, the others are `neighbours` */
	u64 joins, victim, end_ns; /* when the jobs of vGPU 0 were picked */
	enum load neighbours;
	u32 count, depth;
	u64 slice_ns;
	enum gpu_sched_policy policy;
	struct gpu_sched sched;
	void *memory[GPU_SCHED_MEMORY(MAX_VGPUS)];
	struct sim_vgpu *vgpus;
	struct alarms arrivals, wakings;
	struct alarms dues; /* when the accounts of the active fall due */
	struct sim_job *flight[GPU_SCHED_DEPTH_MAX];
	u32 in_flight, unseen; /* flight[0 .. unseen) have ended, which nobody has noticed */
	u64 finish_ns;	       /* of the job that the engine runs, flight[running] */
	u32 running;
	u64 noticed_ns; /* the last completion, or the beginning of the stretch */

	u32 active, active_long, backlogged;   /* vGPUs: may be picked; of these, expected long */
	u64 changes;			       /* of parameters, members or policy */
	u64 events, plain_event, change_event; /* see check_limits.c */
	u64 vtime, weight_picks, weight_ns;
	u32 oldest_newcomer, newest_newcomer;
	u64 longest_ns, reserve_longest_ns, all_longest_ns; /* longest; sums of everybody's */
	u64 weights, bound_version;
	u64 window_number, window_began[2], window_ns[2];
	u32 bounded[MAX_VGPUS], bounded_count; /* vGPUs with a latency bound */
	struct pair pairs[MAX_PAIRED][MAX_PAIRED];
	u64 notes[16]; /* events of each kind that the scheduler has noted */
	u64 expected_notes[16];
	FILE *trace_file;
	struct gpu_sched_event *records;
	u64 record_count, record_room;
};

struct totals {
	u64 jobs, lags, pairs, newcomers, waits, guarantees, latencies, caps, debts, slots, sets;
	u64 refused, holds, policies, isolated, seconds, seconds_by_formula, minutes,
		minutes_by_formula;
	double worst_lag, worst_pair, worst_wait, worst_guarantee, worst_latency, worst_cap;
	double worst_debt, worst_second, worst_minute, least_jain;
	u64 worst_delay_ns;
};
extern struct totals total;

void __attribute__((noreturn, format(printf, 3, 4)))
broken(const struct sim *s, const char *rule, const char *format, ...);

/* `value` is at most `allowed`, or the rule is broken; the largest ratio stays in *worst. */
void within(const struct sim *s, const char *rule, u32 vgpu, s128 value, s128 allowed,
	    double *worst);

/* random.c */
u64 next_random(u64 *state);
u64 between(u64 *state, u64 least, u64 most);
bool one_in(u64 *state, u64 n);
u64 magnitude(u64 *state, u64 least, u64 most);
void alarms_clear(struct alarms *a);
void alarm_set(struct alarms *a, u32 i, u64 when);
/* The next moment and whose it is; NEVER: there is none. */
u64 alarm_next(const struct alarms *a, u32 *i);

/* load.c */
void join(struct sim *s, u32 i);
void arrive(struct sim *s, u32 i);
void refill(struct sim *s, struct sim_vgpu *v);
void enqueue(struct sim *s, struct sim_vgpu *v);
void after_completion(struct sim *s, struct sim_vgpu *v);
void disturb(struct sim *s);
void forget(struct sim *s, struct sim_vgpu *v);

/* engine.c */
void dispatch(struct sim *s);
void step(struct sim *s);

/* activity.c: who may be picked, as the rules say */
void begin_activity(struct sim *s, struct sim_vgpu *v, u64 since_ns);
void end_activity(struct sim *s, struct sim_vgpu *v);
void wake_due(struct sim *s);
void resume_activity(struct sim *s, struct sim_vgpu *v, bool was_active);
void expect(struct sim *s, struct sim_vgpu *v, u64 cost_ns);
void changed(struct sim *s);

/* check_share.c */
void share_begin(struct sim *s, struct sim_vgpu *v, bool fresh);
void share_end(struct sim *s, struct sim_vgpu *v);
void share_picked(struct sim *s, struct sim_vgpu *v, const struct sim_job *job);
void share_charged(struct sim *s, struct sim_vgpu *v, const struct sim_job *job);
void share_restart(struct sim *s);

/* check_window.c: 0 is the window of a second, 1 that of a minute */
void window_charged(struct sim *s, struct sim_vgpu *v, const struct sim_job *job);
void window_break(struct sim *s);
void window_step(struct sim *s);

/* check_limits.c */
void limits_begin(struct sim *s, struct sim_vgpu *v, u64 since_ns);
void limits_end(struct sim *s, struct sim_vgpu *v);
void limits_picked(struct sim *s, struct sim_vgpu *v, const struct sim_job *job);
void limits_charged(struct sim *s, struct sim_vgpu *v, const struct sim_job *job);
void limits_retune(struct sim *s, struct sim_vgpu *v, const struct gpu_sched_params *new);
enum err limits_admit(const struct sim *s, const struct sim_vgpu *v,
		      const struct gpu_sched_params *new, u64 slice_ns);
void longer(struct sim *s, struct sim_vgpu *v, u64 ns);

/* check_fixed.c */
void fixed_picked(struct sim *s, struct sim_vgpu *v, struct sim_job *job);
void fixed_charged(struct sim *s, struct sim_vgpu *v, const struct sim_job *job);
void fixed_idle(struct sim *s);
void fixed_configured(struct sim *s, enum gpu_sched_policy old, u64 old_slice_ns);

/* run.c */
void start(struct sim *s, u64 seed);
void setup_run(struct sim *s, const struct gpu_sched_config *config);
void finish_run(struct sim *s);

/* isolation.c */
void isolation(struct sim *s, u64 seed);

/* trace.c */
void trace_begin(struct sim *s, FILE *file);
void trace_end(struct sim *s);
void trace_expect(struct sim *s, enum gpu_sched_event_kind kind, u64 times);
void trace_check(struct sim *s);

#endif
