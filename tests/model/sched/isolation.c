/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Under strict slots, what one vGPU sees does not depend on the others, as long as their jobs
 * keep their bounds: vGPU 0 runs the same beside nobody, beside quiet and beside
 * busy neighbours, and each of its jobs has to be picked at the same nanosecond.
 */
#include "tests/model/sched/sim.h"

#define SLOTS 200

static u64 run_beside(struct sim *s, u64 seed, u32 variant)
{
	struct gpu_sched_config config = { .policy = GPU_SCHED_FIXED };

	start(s, seed);
	s->count = (u32)between(&s->random, 2, 16);
	s->depth = (u32)between(&s->random, 1, 4);
	config.slice_ns = magnitude(&s->random, GPU_SCHED_SLICE_MIN_NS, 16 * MS);
	config.depth = s->depth;
	config.slots = s->count;
	setup_run(s, &config);
	s->isolated = true;
	s->end_ns = SLOTS * config.slice_ns;
	s->neighbours = variant == 1 ? CLOSED : SATURATED;
	join(s, 0);
	s->joins = variant * 1000; /* the others are others each time */
	for (u32 i = 1; i < s->count && variant > 0; i++)
		join(s, i);
	dispatch(s);
	while (s->now_ns < s->end_ns)
		step(s);
	finish_run(s);
	return s->victim;
}

void isolation(struct sim *s, u64 seed)
{
	u64 alone = run_beside(s, seed, 0);

	for (u32 variant = 1; variant < 4; variant++)
		if (run_beside(s, seed, variant) != alone)
			broken(s, "isolation", "vGPU 0 is served otherwise in variant %u", variant);
	total.isolated++;
}
