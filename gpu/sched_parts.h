/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the GPU scheduler share among themselves; sched.h is for everybody else. */
#ifndef GPU_SCHED_PARTS_H
#define GPU_SCHED_PARTS_H

#include "gpu/sched.h"

/*
 * Virtual time counts 1/256 ns of engine time at weight 1. The divisions' remainders are
 * carried, so that the coarse step costs no accuracy over time.
 */
#define GPU_SCHED_TAG_UNITS 256

/* ---- sched_order.c: who is next under fair and equal ---- */

/* Whether `v` may be in a heap: it has jobs, it is not held, and slots do not decide. */
bool gpu_sched_wants(const struct gpu_sched *s, const struct gpu_sched_vgpu *v);
/* `v`, in no heap, may be picked since then: what it did not use is gone, what it owes stays owed.
 */
void gpu_sched_begin(struct gpu_sched *s, struct gpu_sched_vgpu *v, u64 since_ns);
/* Back into its heaps with the tag and the account that it left them with. */
void gpu_sched_resume(struct gpu_sched *s, struct gpu_sched_vgpu *v);
void gpu_sched_take_out(struct gpu_sched *s, struct gpu_sched_vgpu *v);
/* Picks, where less than `depth` are in flight. */
struct gpu_sched_job *gpu_sched_pick_by_order(struct gpu_sched *s);
/* When a sleep or a wait ends; UINT64_MAX: there is none. */
u64 gpu_sched_next_by_time(const struct gpu_sched *s);
/* The tag of `v` has grown: its place follows. */
void gpu_sched_tag_grew(struct gpu_sched *s, struct gpu_sched_vgpu *v);
/* Its account or its cap has, and it is not GPU_SCHED_OUT. */
void gpu_sched_account_grew(struct gpu_sched *s, struct gpu_sched_vgpu *v);
/* `v`, in no heap, gets these parameters and this weight; debts stay, in engine time. */
void gpu_sched_retune(struct gpu_sched *s, struct gpu_sched_vgpu *v,
		      const struct gpu_sched_params *params, u32 share);
u64 gpu_sched_debt_by_order(const struct gpu_sched *s, const struct gpu_sched_vgpu *v, u64 now_ns);

/* ---- sched_fixed.c: strict slots ---- */

/* Picks, where less than `depth` are in flight. */
struct gpu_sched_job *gpu_sched_pick_by_slot(struct gpu_sched *s);
u64 gpu_sched_fixed_next_ns(const struct gpu_sched *s, u64 now_ns);
/* `job` of `v` ended at `end_ns`; what lies beyond its slot is forfeited. */
void gpu_sched_fixed_charge(const struct gpu_sched *s, struct gpu_sched_vgpu *v,
			    const struct gpu_sched_job *job, u64 end_ns);
u64 gpu_sched_fixed_debt(const struct gpu_sched *s, const struct gpu_sched_vgpu *v, u64 now_ns);
/* From now on, under s->config, `v` owes `debt_ns` of its own slots. */
void gpu_sched_fixed_owe(const struct gpu_sched *s, struct gpu_sched_vgpu *v, u64 debt_ns);

/* ---- sched_admit.c ---- */

/* Whether all latency bounds hold with slices of `slice_ns`. */
bool gpu_sched_bounds_hold(const struct gpu_sched *s, u64 slice_ns);

/* ---- sched_note.c ---- */

void gpu_sched_note_event(struct gpu_sched *s, enum gpu_sched_event_kind kind,
			  const struct gpu_sched_vgpu *v, const struct gpu_sched_job *job,
			  u64 value, u64 aux);
void gpu_sched_note_params(struct gpu_sched *s, const struct gpu_sched_vgpu *v);
void gpu_sched_note_policy(struct gpu_sched *s);
void gpu_sched_note_pick(struct gpu_sched *s, const struct gpu_sched_job *job);
void gpu_sched_note_charge(struct gpu_sched *s, const struct gpu_sched_job *job);

/* `v`, `job` may be NULL. */
static inline void note(struct gpu_sched *s, enum gpu_sched_event_kind kind,
			const struct gpu_sched_vgpu *v, const struct gpu_sched_job *job, u64 value,
			u64 aux)
{
	if (s->note)
		gpu_sched_note_event(s, kind, v, job, value, aux);
}

static inline u64 gpu_sched_advance(struct gpu_sched *s, u64 now_ns)
{
	if (now_ns > s->now_ns)
		s->now_ns = now_ns;
	return s->now_ns;
}

/* The oldest job of `v` leaves its queue and goes to the engine. */
static inline struct gpu_sched_job *gpu_sched_take(struct gpu_sched *s, struct gpu_sched_vgpu *v,
						   enum gpu_sched_class by, u64 until_ns)
{
	struct gpu_sched_job *job = v->head;
	u64 now = s->now_ns, waited = now - job->enqueued_ns;

	if (s->in_flight++ == 0) {
		s->flight_head = job;
		s->mark_ns = now;
		s->since_ns = now;
	} else {
		s->flight_tail->next = job;
	}
	s->flight_tail = job;

	v->head = job->next;
	v->head_ns = now;
	v->stats.queued--;
	s->queued--;
	job->next = NULL;
	job->state = GPU_SCHED_JOB_IN_FLIGHT;
	job->by = by;
	job->submitted_ns = now;
	job->until_ns = until_ns;

	s->decisions++;
	v->stats.in_flight++;
	v->stats.wait_ns += waited;
	if (waited > v->stats.wait_max_ns)
		v->stats.wait_max_ns = waited;
	if (s->note)
		gpu_sched_note_pick(s, job);
	return job;
}

/* The vGPU with that slot, below the capacity; NULL: none. */
static inline struct gpu_sched_vgpu *gpu_sched_at(const struct gpu_sched *s, u32 slot)
{
	return s->slots[slot];
}

#endif
