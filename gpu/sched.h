/* SPDX-License-Identifier: Apache-2.0 */
/* The GPU scheduler: which vGPU's job goes to the engine next, and who pays for the time. */
#ifndef GPU_SCHED_H
#define GPU_SCHED_H

#include "core/lib/error.h"
#include "core/lib/types.h"

/*
 * Start-time fair queueing of depth D over measured engine time.
 * docs/scheduler.md states the algorithm, its bounds and their proofs.
 *
 *   enqueue          pick                        complete
 *   ------> [ queue of the vGPU ] ----> [ in flight, at most D ] ----> charge
 *                                        the engine runs them in order
 *
 * The object knows jobs, weights and time, and nothing else: no hardware, no
 * clock, no allocation. All memory is the caller's; a structure given to the
 * scheduler stays where it is until it is given back.
 *
 * Locking: none inside; the caller lets one CPU in at a time, by the GPU's lock
 * or by its owner CPU. `now_ns` comes from one clock; a value below one seen
 * earlier counts as the earlier one.
 */

#define GPU_SCHED_WEIGHT_MIN 1
#define GPU_SCHED_WEIGHT_MAX 10000

/* Jobs in flight: one runs, one waits in the device so that it never starves. */
#ifndef GPU_SCHED_DEPTH
#define GPU_SCHED_DEPTH	    2
#endif
#define GPU_SCHED_DEPTH_MAX 16

/* A slice is from 0.5 to 100 ms. */
#define GPU_SCHED_SLICE_MIN_NS 500000ULL
#define GPU_SCHED_SLICE_MAX_NS 100000000ULL

struct gpu_sched;
struct gpu_sched_vgpu;

enum gpu_sched_job_state {
	GPU_SCHED_JOB_IDLE = 0, /* the caller's: zeroed, completed or dropped */
	GPU_SCHED_JOB_QUEUED,
	GPU_SCHED_JOB_IN_FLIGHT,
};

/* Lies in the caller's job record, zeroed before its first use; reusable when idle. */
struct gpu_sched_job {
	struct gpu_sched_job *next; /* in its vGPU's queue, in flight, or in a dropped list */
	struct gpu_sched_vgpu *owner;
	enum gpu_sched_job_state state;
	u32 work; /* the caller's, see gpu_sched_complete_all(); kept by enqueue */
	u64 enqueued_ns;
	u64 submitted_ns; /* set by pick */
	u64 carried_ns;	  /* engine time that it had before a later job overtook it */
	u64 engine_ns;	  /* set by complete: what its vGPU was charged for it */
};

/* What a vGPU has had since it was added. Read only, outside the scheduler. */
struct gpu_sched_stats {
	u64 engine_ns;	 /* charged engine time */
	u64 jobs;	 /* completed */
	u64 wait_ns;	 /* from enqueue to pick, summed over all jobs picked */
	u64 wait_max_ns; /* the longest of them */
	u64 overruns;	 /* jobs that held the engine longer than the slice */
	u64 overrun_ns;	 /* by how much, summed */
	u32 queued;	 /* now */
	u32 in_flight;	 /* now */
};

/* Lies in the caller's vGPU. Only `weight` and `stats` are for others to read. */
struct gpu_sched_vgpu {
	struct gpu_sched *sched; /* NULL: not added */
	u32 weight;
	u32 slot;      /* place in the heap, while `stats.queued` is not 0 */
	u64 tag;       /* virtual time up to which its service is paid for */
	u64 turn;      /* order among equal tags: least recently served first */
	u64 period;    /* busy period that `tag` belongs to */
	u64 remainder; /* of the last division by `weight`, carried so that none is lost */
	struct gpu_sched_job *head, *tail;
	struct gpu_sched_stats stats;
};

struct gpu_sched {
	struct gpu_sched_vgpu **heap; /* backlogged vGPUs, least (tag, turn) first */
	u32 capacity;
	u32 count;	/* vGPUs added */
	u32 backlogged; /* vGPUs in the heap */
	u32 depth;
	u32 in_flight;
	u64 slice_ns;
	u64 vtime;    /* tag of the last pick; never falls within a busy period */
	u64 turns;    /* hands out `turn` */
	u64 period;   /* number of the present busy period */
	u64 now_ns;   /* latest time seen */
	u64 mark_ns;  /* engine time before this has been charged */
	u64 busy_ns;  /* engine time of the stretches that have ended */
	u64 since_ns; /* start of the present stretch, while jobs are in flight */
	u64 decisions;
	struct gpu_sched_job *flight_head, *flight_tail; /* in order of submission */
};

/*
 * Prepares `s` for up to `capacity` vGPUs. `heap` has room for that many
 * pointers and belongs to the scheduler from now on. `depth` is 1 to
 * GPU_SCHED_DEPTH_MAX, `slice_ns` lies within GPU_SCHED_SLICE_MIN_NS and _MAX_NS.
 *
 * A slice is how long one job is expected to hold the engine at the most. Jobs
 * are not batched up to it, as a newcomer's wait would grow by it; a longer job
 * is paid for in full and counted as an overrun.
 *
 * OK; ERR_RANGE: depth, slice or capacity out of range; ERR_INVALID: `heap` is NULL.
 */
enum err must_check gpu_sched_init(struct gpu_sched *s, u64 slice_ns, u32 depth,
				   struct gpu_sched_vgpu **heap, u32 capacity);

/*
 * Makes `v` (zeroed, or removed earlier) known with `weight`, idle, statistics at 0.
 *
 * OK; ERR_RANGE: weight outside GPU_SCHED_WEIGHT_MIN to _MAX; ERR_FULL: capacity
 * reached; ERR_EXISTS: `v` is known to a scheduler already.
 */
enum err must_check gpu_sched_add(struct gpu_sched *s, struct gpu_sched_vgpu *v, u32 weight);

/*
 * Forgets `v`. Its queued jobs become idle and are handed over as a list through
 * `next` in `*dropped` (NULL when there were none), oldest first.
 *
 * OK; ERR_NOT_FOUND: `v` is not known to `s`; ERR_BUSY: it has jobs in flight
 * (complete them first; drop its queue so that no more follow). `*dropped` is
 * NULL and nothing has changed where the result is not OK.
 */
enum err must_check gpu_sched_remove(struct gpu_sched *s, struct gpu_sched_vgpu *v,
				     struct gpu_sched_job **dropped);

/*
 * Drops what `v` has queued and keeps `v`: for a guest that resets its device.
 * Jobs in flight are not touched. Returns the list that gpu_sched_remove() would
 * hand over; NULL also where `v` is not known to `s`.
 */
struct gpu_sched_job *gpu_sched_drop_queued(struct gpu_sched *s, struct gpu_sched_vgpu *v);

/*
 * Puts an idle `job` at the end of the queue of `v`. How many a vGPU may queue is
 * for the caller to limit. O(log n) in the number of backlogged vGPUs.
 *
 * OK; ERR_NOT_FOUND: `v` is not known to `s`; ERR_INVALID: `job` is not idle.
 */
enum err must_check gpu_sched_enqueue(struct gpu_sched *s, struct gpu_sched_vgpu *v,
				      struct gpu_sched_job *job, u64 now_ns);

/*
 * Chooses the next job and takes it as submitted at `now_ns`: it is in flight when
 * this returns, and the caller gives it to the device. Call it after each enqueue
 * and each completion until it returns NULL. O(log n).
 *
 * NULL: nothing is queued, or `depth` jobs are in flight.
 */
struct gpu_sched_job *gpu_sched_pick(struct gpu_sched *s, u64 now_ns);

/* `work` of a job counts as at least 1 and at most this. */
#define GPU_SCHED_WORK_MAX (1U << 24)

/*
 * The engine has finished `count` jobs (done, failed or lost in a reset: they held the
 * engine all the same), which were found together, in the order in which the device
 * finished them. One job's vGPU is charged the time from the later of its submission and the
 * previous completion until `now_ns`, which `engine_ns` then holds; the job is idle. Where jobs
 * complete out of order, the time before the overtaking job's submission is its
 * predecessor's. Charges of all jobs add up to the time during which any job was in flight,
 * exactly. O(log n) for each.
 *
 * Several: one observation cannot tell where one ended and the
 * next began: charging one after the other would put all the time on the first
 * and none on the rest. So the time since the last of them was submitted is
 * shared in proportion to `work` (the caller's measure, bytes moved say, of one
 * unit for all vGPUs); the time before goes to the first. Sums stay exact.
 *
 * OK; ERR_INVALID: a job is not in flight on `s` or named twice; nothing has changed.
 */
enum err must_check gpu_sched_complete_all(struct gpu_sched *s, struct gpu_sched_job *const *jobs,
					   u32 count, u64 now_ns);

/*
 * The job in flight that was submitted first: as far as the order of submission tells, it
 * has the engine. Those behind it follow through `next`. NULL: none is in flight.
 */
struct gpu_sched_job *gpu_sched_oldest(const struct gpu_sched *s);

/* Nanoseconds until `now_ns` during which at least one job was in flight. */
u64 gpu_sched_busy_ns(const struct gpu_sched *s, u64 now_ns);

#endif
