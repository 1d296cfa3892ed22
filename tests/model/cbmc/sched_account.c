/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For CBMC: two jobs of two vGPUs, picked and completed at any times, in any order or together:
 * what is charged adds up to the time during which the engine had a job, exactly.
 */
#include "gpu/sched_parts.h"

#define MOST 256

u64 nondet_u64(void);
u32 nondet_u32(void);

/* Who is next and what a tag is worth are others' to check. */
static struct gpu_sched_vgpu vgpus[2];
static u32 next;

bool gpu_sched_wants(const struct gpu_sched *s, const struct gpu_sched_vgpu *v)
{
	(void)s;
	(void)v;
	return false;
}

struct gpu_sched_job *gpu_sched_pick_by_order(struct gpu_sched *s)
{
	return gpu_sched_take(s, &vgpus[next], GPU_SCHED_BY_WEIGHT, 0);
}

void gpu_sched_tag_grew(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	(void)s;
	(void)v;
}

void gpu_sched_account_grew(struct gpu_sched *s, struct gpu_sched_vgpu *v)
{
	(void)s;
	(void)v;
}

static struct gpu_sched s;
static struct gpu_sched_job jobs[2];

static u64 later(u64 now_ns)
{
	u64 at = nondet_u64();

	__CPROVER_assume(at >= now_ns && at < MOST);
	return at;
}

/* Two jobs in flight; the moment of the second pick. */
static u64 two_in_flight(void)
{
	const struct gpu_sched_config config = {
		.policy = GPU_SCHED_FAIR,
		.slice_ns = GPU_SCHED_SLICE_MIN_NS,
		.depth = 2,
	};
	const struct gpu_sched_params params = { .weight = 1, .cap = GPU_SCHED_WHOLE };
	static void *memory[GPU_SCHED_MEMORY(2)];
	u64 now = 0;

	__CPROVER_assume(gpu_sched_init(&s, &config, memory, 2) == OK);
	for (u32 i = 0; i < 2; i++) {
		__CPROVER_assume(gpu_sched_add(&s, &vgpus[i], &params, i) == OK);
		__CPROVER_assume(gpu_sched_enqueue(&s, &vgpus[i], &jobs[i], 0) == OK);
	}
	for (next = 0; next < 2; next++) {
		now = later(now);
		__CPROVER_assert(gpu_sched_pick(&s, now) == &jobs[next], "it is picked");
	}
	__CPROVER_assert(!gpu_sched_pick(&s, now), "no more than the depth");
	return now;
}

static void check(u64 now_ns)
{
	u64 charged = jobs[0].engine_ns + jobs[1].engine_ns;

	__CPROVER_assert(gpu_sched_paid_ns(&s) == charged, "what is paid is charged");
	__CPROVER_assert(s.in_flight || gpu_sched_busy_ns(&s, now_ns) == charged,
			 "all of the busy time is charged");
}

static void complete_each(u32 first)
{
	u64 now = two_in_flight();

	for (u32 i = 0; i < 2; i++) {
		struct gpu_sched_job *job = &jobs[first ^ i];

		now = later(now);
		__CPROVER_assert(gpu_sched_complete_all(&s, &job, 1, now) == OK, "completed");
		check(now);
	}
}

void account_in_order(void)
{
	complete_each(0);
}

void account_overtaken(void)
{
	complete_each(1);
}

/* Both found at once. */
void account_together(void)
{
	u64 now = two_in_flight();
	struct gpu_sched_job *both[2] = { &jobs[0], &jobs[1] };

	jobs[0].work = nondet_u32() & 3;
	jobs[1].work = nondet_u32() & 3;
	now = later(now);
	__CPROVER_assert(gpu_sched_complete_all(&s, both, 2, now) == OK, "completed");
	check(now);
	__CPROVER_assert(gpu_sched_busy_ns(&s, now) == now - jobs[0].submitted_ns, "until now");
}
