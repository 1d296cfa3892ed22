/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For CBMC: what the admission test lets pass fits every interval, although the test tries only
 * those that are as long as a bound. Times are a few units; so are the shares.
 */
#include "gpu/sched_admit.c" // NOLINT(bugprone-suspicious-include)

#define MOST 16

u64 nondet_u64(void);

static u64 below(u64 most)
{
	u64 value = nondet_u64();

	__CPROVER_assume(value < most);
	return value;
}

static struct gpu_sched_params any_params(void)
{
	struct gpu_sched_params p = { .weight = 1, .cap = GPU_SCHED_WHOLE };

	p.reserve = (u32)below(3) * 500;
	p.latency_ns = below(MOST);
	return p;
}

void admit_sound(void)
{
	static void *slots[1];
	static struct gpu_sched_vgpu known;
	struct gpu_sched s = { .slots = slots, .capacity = 1 };
	struct gpu_sched_params one_more = any_params();
	struct case_of all = { &s, NULL, &one_more, 1 };
	u64 interval = below(2 * MOST);

	s.config.depth = 1;
	s.config.slice_ns = 1;
	known.sched = &s;
	known.params = any_params();
	s.reserved = known.params.reserve;
	slots[0] = &known;
	__CPROVER_assume(gpu_sched_admit(&s, NULL, &one_more) == OK);
	__CPROVER_assume((one_more.latency_ns && interval >= one_more.latency_ns) ||
			 (known.params.latency_ns && interval >= known.params.latency_ns));
	/* Each demand is rounded up: by one unit at the most. */
	__CPROVER_assert(needs(&all, interval) <= interval + 2, "every interval holds its demand");
	__CPROVER_assert(s.reserved + one_more.reserve <= GPU_SCHED_WHOLE, "reserves fit");
}
