/* SPDX-License-Identifier: Apache-2.0 */
/* The GPU scheduler: which vGPU's job goes to the engine next, and who pays for the time. */
#ifndef GPU_SCHED_H
#define GPU_SCHED_H

#include "core/lib/error.h"
#include "core/lib/types.h"

/*
 * Shares by weight, reserves, caps, bounds on queueing and strict slots over
 * measured engine time. docs/scheduler.md states the algorithm, its bounds and
 * their proofs.
 *
 *   enqueue          pick                        complete
 *   ------> [ queue of the vGPU ] ----> [ in flight, at most D ] ----> charge
 *                                        the engine runs them in order
 *
 * The object knows jobs, parameters and time, and nothing else: no hardware, no
 * clock, no allocation. All memory is the caller's; a structure given to the
 * scheduler stays where it is until it is given back.
 *
 * Locking: none inside; the caller lets one CPU in at a time, by the GPU's lock
 * or by its owner CPU. `now_ns` comes from one clock; a value below one seen
 * earlier counts as the earlier one.
 */

#define GPU_SCHED_WEIGHT_MIN 1
#define GPU_SCHED_WEIGHT_MAX 10000

/* Reserves and caps are in thousandths of the engine's time. */
#define GPU_SCHED_WHOLE 1000

#define GPU_SCHED_LATENCY_MAX_NS 10000000000ULL

/* Jobs in flight: one runs, one waits in the device so that it never starves. */
#define GPU_SCHED_DEPTH	    2
#define GPU_SCHED_DEPTH_MAX 16

/* A slice is from 0.5 to 100 ms. */
#define GPU_SCHED_SLICE_MIN_NS 500000ULL
#define GPU_SCHED_SLICE_MAX_NS 100000000ULL

/* `vgpu` of an event is a number below this, or GPU_SCHED_EVENT_GPU. */
#define GPU_SCHED_CAPACITY_MAX 0xffffU

/* How many pointers gpu_sched_init() wants. */
#define GPU_SCHED_MEMORY(capacity) (4 * (capacity))

enum gpu_sched_policy {
	GPU_SCHED_FAIR = 0, /* by weight, after reserves; nothing is left unused that may be used */
	GPU_SCHED_EQUAL,    /* the same, and every weight counts as one */
	GPU_SCHED_FIXED, /* strict slots in turn; weight, reserve, cap and latency do not count */
	GPU_SCHED_POLICIES
};

/* Of a whole GPU. */
struct gpu_sched_config {
	enum gpu_sched_policy policy;
	u64 slice_ns; /* GPU_SCHED_SLICE_MIN_NS to _MAX_NS */
	u32 depth;    /* jobs in flight, 1 to GPU_SCHED_DEPTH_MAX */
	u32 slots;    /* GPU_SCHED_FIXED: in one turn, 1 to capacity; else not looked at */
};

/* Of one vGPU. */
struct gpu_sched_params {
	u32 weight;  /* GPU_SCHED_WEIGHT_MIN to _MAX */
	u32 reserve; /* thousandths of the engine that are guaranteed, 0 (none) to 1000 */
	u32 cap;     /* thousandths that it never exceeds, 1 to 1000 (none), at least `reserve` */
	u64 latency_ns; /* bound on queueing within its reserve, up to _LATENCY_MAX_NS; 0: none */
};

struct gpu_sched;
struct gpu_sched_vgpu;

enum gpu_sched_job_state {
	GPU_SCHED_JOB_IDLE = 0, /* the caller's: zeroed, completed or dropped */
	GPU_SCHED_JOB_QUEUED,
	GPU_SCHED_JOB_IN_FLIGHT,
};

/* On what ground a job was picked, and so which account pays. */
enum gpu_sched_class {
	GPU_SCHED_BY_WEIGHT = 0,
	GPU_SCHED_BY_RESERVE,
	GPU_SCHED_BY_SLOT,
};

/* Lies in the caller's job record, zeroed before its first use; reusable when idle. */
struct gpu_sched_job {
	struct gpu_sched_job *next; /* in its vGPU's queue, in flight, or in a dropped list */
	struct gpu_sched_vgpu *owner;
	enum gpu_sched_job_state state;
	enum gpu_sched_class by; /* set by pick */
	u32 work;		 /* the caller's, see gpu_sched_complete_all(); kept by enqueue */
	u32 number; /* set by enqueue: on this GPU, from 1 (and again from 1 after 2^32 - 1) */
	u64 enqueued_ns;
	u64 submitted_ns; /* set by pick */
	u64 until_ns;	/* set by pick: by its reserve, the deadline (0: none); by slot, its end */
	u64 bound_ns;	/* set by pick by slot: the time that it is expected to take at the most */
	u64 carried_ns; /* engine time that it had before a later job overtook it */
	u64 engine_ns;	/* set by complete: what its vGPU was charged for it */
	u64 ended;	/* the caller's word on how, for whoever looks; 0 after enqueue */
};

/* What a vGPU has had since it was added. Read only, outside the scheduler. */
struct gpu_sched_stats {
	u64 engine_ns;	 /* charged engine time */
	u64 reserve_ns;	 /* that part of it that was charged to its reserve */
	u64 jobs;	 /* completed */
	u64 wait_ns;	 /* from enqueue to pick, summed over all jobs picked */
	u64 wait_max_ns; /* the longest of them */
	u64 overruns;	 /* jobs that held the engine longer than the slice */
	u64 overrun_ns;	 /* by how much, summed */
	u32 queued;	 /* now */
	u32 in_flight;	 /* now */
};

/* In a heap: the least `key` first, then the least `tie`, which is unique. */
struct gpu_sched_node {
	u64 key, tie;
	size_t at; /* place in the heap that it is in */
};

struct gpu_sched_heap {
	void **nodes; /* of struct gpu_sched_node */
	size_t count;
};

/* Which heaps a vGPU is in. */
enum gpu_sched_place {
	GPU_SCHED_OUT = 0, /* none: nothing is queued, or it is held, or slots decide */
	GPU_SCHED_ACTIVE,  /* by weight, and by its account where it has a reserve */
	GPU_SCHED_ASLEEP,  /* its cap keeps it from being picked before `cap_ns` */
};

/* Lies in the caller's vGPU. `params`, `slot`, `held`, `place`, `expect_ns`, `stats` may be read.
 */
struct gpu_sched_vgpu {
	struct gpu_sched *sched; /* NULL: not added */
	struct gpu_sched_params params;
	u32 slot;
	bool held;
	enum gpu_sched_place place;

	struct gpu_sched_node
		by_weight;	       /* key: its tag, virtual time that is paid for; tie: turn */
	struct gpu_sched_node by_time; /* later: a moment; ready: deadline */
	struct gpu_sched_heap *in;     /* which of these two heaps `by_time` is in, or NULL */
	bool weighed;		       /* `by_weight` is in its heap */
	bool resumes;		       /* used by gpu_sched_configure() */
	u32 share;		       /* its weight under the present policy */
	u32 weight_rest, account_rest, cap_rest; /* of divisions, carried so that none is lost */
	u64 account_ns;				 /* time up to which its reserve is paid for */
	u64 cap_ns;				 /* it sleeps until then */
	u64 head_ns;				 /* its oldest queued job has been that since */
	u64 expect_ns;				 /* its next job is expected to take so long */
	u64 longest_ns;				 /* fixed: its longest job, slowly forgotten */
	u64 free_ns; /* fixed: time of its own slots that is forfeited, from their beginning */
	struct gpu_sched_job *head, *tail;
	struct gpu_sched_stats stats;
};

/*
 * One event of the schedule, and one record of a trace, little endian. The
 * numbers of the kinds are part of that format.
 */
enum gpu_sched_event_kind {
	GPU_SCHED_EVENT_ENQUEUE = 1,  /* value: the job's `work`; aux: jobs in the queue, after */
	GPU_SCHED_EVENT_PICK = 2,     /* value: ns since enqueue; aux: enum gpu_sched_class, */
				      /* by reserve + (deadline, ns on the clock, 0: none) << 8 */
	GPU_SCHED_EVENT_SUBMIT = 3,   /* the caller's own: the device was told, ns after the pick */
	GPU_SCHED_EVENT_COMPLETE = 4, /* value: ns since the pick; aux: the job's `ended` */
	GPU_SCHED_EVENT_CHARGE = 5,   /* value: engine ns; aux: debt ns, after; follows COMPLETE */
	GPU_SCHED_EVENT_DROP = 6,     /* value: jobs dropped from the queue (more than 0) */
	GPU_SCHED_EVENT_PARAMS =
		7, /* value: weight + (reserve << 16) + (cap << 32); aux: latency */
	GPU_SCHED_EVENT_POLICY = 8, /* value: slice; aux: policy + (depth << 8) + (slots << 16) */
	GPU_SCHED_EVENT_HOLD = 9,   /* value: 1 held, 0 released */
	GPU_SCHED_EVENT_REMOVE = 10,
	GPU_SCHED_EVENT_STATE = 11, /* value: queued + (in flight << 32); aux: debt ns */
};

#define GPU_SCHED_EVENT_GPU 0xffffU

struct gpu_sched_event {
	u64 time_ns; /* latest time that the scheduler has seen */
	u64 value;
	u64 aux;
	u32 job;      /* its number; 0: concerns no job */
	u16 vgpu;     /* its slot; GPU_SCHED_EVENT_GPU: the whole GPU */
	u8 kind;      /* enum gpu_sched_event_kind */
	u8 in_flight; /* jobs of all vGPUs, after the event */
};
_Static_assert(sizeof(struct gpu_sched_event) == 32, "a record of a trace has 32 bytes");

/* Called with the event, which lasts until it returns; it may not call the scheduler. */
typedef void (*gpu_sched_note_fn)(void *ctx, const struct gpu_sched_event *event);

/* `note`, `note_ctx` are the caller's to set at any time; `config`, `decisions` may be read. */
struct gpu_sched {
	gpu_sched_note_fn note; /* NULL: nobody looks */
	void *note_ctx;
	struct gpu_sched_config config;
	struct gpu_sched_heap weights; /* active vGPUs by tag, and some of those asleep */
	struct gpu_sched_heap ready;   /* active ones whose account is due, by deadline */
	struct gpu_sched_heap later;   /* by when a cap lets it on, or its account is due */
	void **slots;		       /* all vGPUs, by slot */
	u32 capacity;
	u32 count;     /* vGPUs added */
	u32 reserved;  /* sum of their reserves */
	u32 queued;    /* jobs of vGPUs that are not held */
	u32 in_flight; /* jobs */
	u32 jobs;      /* hands out `number` */
	u64 vtime;     /* tag of the last pick by weight; never falls */
	u64 turns;     /* hands out ties */
	u64 now_ns;    /* latest time seen */
	u64 mark_ns;   /* engine time before this has been charged */
	u64 busy_ns;   /* engine time of the stretches that have ended */
	u64 since_ns;  /* start of the present stretch, while jobs are in flight */
	u64 decisions; /* jobs picked */
	struct gpu_sched_job *flight_head, *flight_tail; /* in order of submission */
};

/*
 * Prepares `s` for up to `capacity` vGPUs (1 to GPU_SCHED_CAPACITY_MAX). `memory`
 * has room for GPU_SCHED_MEMORY(capacity) pointers, which need not be cleared, and belongs
 * to the scheduler from now on.
 *
 * A slice is how long one job is expected to hold the engine at the most. Jobs
 * are not batched up to it, as a newcomer's wait would grow by it; a longer job
 * is paid for in full and counted as an overrun. Under GPU_SCHED_FIXED it is
 * the length of a slot.
 *
 * OK; ERR_RANGE: a member of `config` or `capacity` is out of range;
 * ERR_INVALID: `memory` is NULL.
 */
enum err must_check gpu_sched_init(struct gpu_sched *s, const struct gpu_sched_config *config,
				   void **memory, u32 capacity);

/*
 * Changes policy, slice and slots while jobs run; `depth` stays what it was at init.
 * Jobs in flight are paid for, and debts stay, in engine time. Queued jobs stay queued. O(n log n).
 *
 * OK; ERR_RANGE: out of range, another depth, or GPU_SCHED_FIXED with a vGPU added whose slot
 * is `slots` or more; ERR_DENIED: somebody's latency bound would not hold with
 * this slice. Nothing has changed where the result is not OK.
 */
enum err must_check gpu_sched_configure(struct gpu_sched *s, const struct gpu_sched_config *config,
					u64 now_ns);

/*
 * The admission test, and nothing else: could `v` (known to `s`; NULL: one more vGPU) have
 * `params`? Whatever the policy, so that it can be changed later. O(n), and O(n * m) where m
 * vGPUs have a latency bound.
 *
 * OK; ERR_RANGE: a value is out of range, `cap` is below `reserve`, or a latency
 * bound is without reserve; ERR_FULL: the reserves would add up to more than
 * the engine; ERR_DENIED: a latency bound, this one or another's, would not hold.
 */
enum err must_check gpu_sched_admit(const struct gpu_sched *s, const struct gpu_sched_vgpu *v,
				    const struct gpu_sched_params *params);

/* A latency bound that would not hold: the smallest such. */
struct gpu_sched_denial {
	const struct gpu_sched_vgpu *whose; /* NULL: of one more, which is not added yet */
	u64 bound_ns;
	u64 needs_ns; /* an interval of that length is to hold so much */
};

/*
 * Why gpu_sched_admit() or gpu_sched_configure() says ERR_DENIED. As for gpu_sched_admit(); where
 * `params` is NULL, everybody as they are. With slices of `slice_ns`; 0: as they are.
 *
 * True: `*denial` tells; false: all bounds would hold. `*denial` is not touched then.
 */
bool gpu_sched_why_denied(const struct gpu_sched *s, const struct gpu_sched_vgpu *v,
			  const struct gpu_sched_params *params, u64 slice_ns,
			  struct gpu_sched_denial *denial);

/*
 * Makes `v` (zeroed, or removed earlier) known, idle, not held, statistics at 0. `slot`, 0 to
 * capacity - 1, is its number in events and its place under GPU_SCHED_FIXED.
 *
 * OK; what gpu_sched_admit() says; ERR_RANGE: also where `slot` is out of range or, under
 * GPU_SCHED_FIXED, not below `slots`; ERR_EXISTS: `v` is known to a scheduler already, or
 * another has that slot.
 */
enum err must_check gpu_sched_add(struct gpu_sched *s, struct gpu_sched_vgpu *v,
				  const struct gpu_sched_params *params, u32 slot);

/*
 * Gives `v` other parameters: for the next pick and for charges made from now on. What it owes
 * and what it is owed stay as they are, in engine time; only a reserve or a cap that
 * is taken away takes along what was owed to it. O(log n) and the test.
 *
 * OK; what gpu_sched_admit() says; ERR_NOT_FOUND: `v` is not known to `s`. Nothing has
 * changed where the result is not OK.
 */
enum err must_check gpu_sched_set(struct gpu_sched *s, struct gpu_sched_vgpu *v,
				  const struct gpu_sched_params *params, u64 now_ns);

/*
 * While it is held none of the jobs of `v` is picked; it keeps its queue, and jobs may be added.
 * Released, it is as if its queue had been empty until now. O(log n).
 *
 * OK, also where nothing changes; ERR_NOT_FOUND: `v` is not known to `s`.
 */
enum err must_check gpu_sched_hold(struct gpu_sched *s, struct gpu_sched_vgpu *v, bool held,
				   u64 now_ns);

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
 * this returns, and the caller gives it to the device. Call it after each enqueue,
 * completion, release from hold and change of parameters or policy, and at
 * gpu_sched_next_ns(), until it returns NULL. O(log n), but for vGPUs whose
 * sleep or wait ends: O(log n) for each.
 *
 * NULL: `depth` jobs are in flight; nothing is queued that may be picked now; a job is in flight
 * and the next one in order is expected to take longer than a slice; or, under
 * GPU_SCHED_FIXED, the job does not fit the rest of the slot.
 */
struct gpu_sched_job *gpu_sched_pick(struct gpu_sched *s, u64 now_ns);

/*
 * When pick, having returned NULL, could find something although nothing else has been
 * called: a cap lets a vGPU on, an account falls due, a slot begins. Never before the time that
 * counts as now; to call pick then in vain is allowed. UINT64_MAX: there is no such moment. O(1).
 */
u64 gpu_sched_next_ns(const struct gpu_sched *s, u64 now_ns);

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

/*
 * Engine time that has been charged, to whichever vGPU: by the clock, and so independent of the
 * sum of their `engine_ns`, which it equals at any moment.
 */
u64 gpu_sched_paid_ns(const struct gpu_sched *s);

/*
 * Engine time that `v` has had ahead of what it is entitled to, and which it will go without:
 * the largest of what it owes by weight, by its reserve and by its cap; under GPU_SCHED_FIXED what
 * it ran past its slots. At most `depth` times its longest job, and 80 ns of rounding. 0 where
 * it is not known to `s`.
 */
u64 gpu_sched_debt_ns(const struct gpu_sched *s, const struct gpu_sched_vgpu *v, u64 now_ns);

/*
 * Notes what whoever begins to look has to know: POLICY, and for each vGPU PARAMS, HOLD where
 * it is held, and STATE. Nothing where `note` is NULL. O(n).
 */
void gpu_sched_note_all(struct gpu_sched *s, u64 now_ns);

#endif
