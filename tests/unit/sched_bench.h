/* SPDX-License-Identifier: Apache-2.0 */
/* A scheduler with some vGPUs and jobs, for the unit tests of its contract. */
#ifndef TESTS_UNIT_SCHED_BENCH_H
#define TESTS_UNIT_SCHED_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/sched.h"

#define VGPUS 4
#define JOBS  16
#define MS    1000000ULL
#define SLICE (2 * MS)

struct bench {
	struct gpu_sched sched;
	void *memory[GPU_SCHED_MEMORY(VGPUS)];
	struct gpu_sched_vgpu vgpu[VGPUS + 1];
	struct gpu_sched_job job[JOBS];
	u32 used;
};

static const struct gpu_sched_config plain = {
	.policy = GPU_SCHED_FAIR,
	.slice_ns = SLICE,
	.depth = GPU_SCHED_DEPTH,
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	*state = b;
	return gpu_sched_init(&b->sched, &plain, b->memory, VGPUS);
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static inline struct gpu_sched_params by_weight(u32 weight)
{
	return (struct gpu_sched_params){ .weight = weight, .cap = GPU_SCHED_WHOLE };
}

static inline void add_with(struct bench *b, u32 i, struct gpu_sched_params params)
{
	assert_int_equal(gpu_sched_add(&b->sched, &b->vgpu[i], &params, i), OK);
}

static inline void add(struct bench *b, u32 i, u32 weight)
{
	add_with(b, i, by_weight(weight));
}

static inline struct gpu_sched_job *enqueue(struct bench *b, u32 i, u64 now_ns)
{
	struct gpu_sched_job *job = &b->job[b->used++];

	assert_int_equal(gpu_sched_enqueue(&b->sched, &b->vgpu[i], job, now_ns), OK);
	return job;
}

static inline enum err complete_one(struct gpu_sched *s, struct gpu_sched_job *job, u64 now_ns)
{
	return gpu_sched_complete_all(s, &job, 1, now_ns);
}

static inline void complete(struct bench *b, struct gpu_sched_job *job, u64 now_ns)
{
	assert_int_equal(complete_one(&b->sched, job, now_ns), OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
