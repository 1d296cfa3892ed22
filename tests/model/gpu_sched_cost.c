/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a decision of the GPU scheduler costs: instructions of a pick and its completion, counted
 * one by one in the hypervisor's own object. Fails where a bound is missed.
 */
// HYPERVISOR_OBJECTS: gpu/sched.c gpu/sched_admit.c gpu/sched_complete.c gpu/sched_fixed.c
// HYPERVISOR_OBJECTS: gpu/sched_note.c gpu/sched_order.c

#include <stdio.h>
#include <stdlib.h>

#include "gpu/sched.h"
#include "tests/model/steps.h"

#define MOST	  1024
#define DECISIONS 400
#define QUEUE	  3
#define US	  1000ULL
#define MS	  1000000ULL

enum kind {
	PLAIN,
	LIMITS,
	SLOTS,
	KINDS
};

static const char *const names[KINDS] = {
	[PLAIN] = "weights",
	[LIMITS] = "reserves, bounds and caps",
	[SLOTS] = "fixed slots",
};

/* vGPUs, and the bounds for each kind: instructions a decision, mean. */
static const struct {
	u32 vgpus, bounds[KINDS];
} sizes[] = {
	{ 1, { 300, 300, 300 } },
	{ 8, { 300, 300, 300 } },
	{ 64, { 1000, 1000, 300 } },
	{ 1024, { 1000, 1000, 300 } },
};

struct vgpu {
	struct gpu_sched_vgpu vgpu;
	struct gpu_sched_job jobs[QUEUE];
};

static struct gpu_sched sched;
static void *memory[GPU_SCHED_MEMORY(MOST)];
static struct vgpu vgpus[MOST];
static u64 state = 1;

static u64 random_below(u64 n)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (state >> 33) % n;
}

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	printf("gpu_sched_cost: %s\n", what);
	exit(1);
}

/* Every second one has a reserve, half of them a bound, and every third a cap. */
static struct gpu_sched_params params_of(enum kind kind, u32 i, u32 count)
{
	struct gpu_sched_params p = { .weight = 1 + i % 100, .cap = GPU_SCHED_WHOLE };

	if (kind != LIMITS)
		return p;
	if (i % 2 == 0 && i < 2 * GPU_SCHED_WHOLE / 2)
		p.reserve = count <= 8 ? 100 : count <= 64 ? 20 : 1;
	if (i % 4 == 0 && i < 64)
		p.latency_ns = 200 * MS;
	if (i % 3 == 0)
		p.cap = count <= 8 ? 400 : count <= 64 ? 60 : 4;
	return p;
}

static void start(enum kind kind, u32 count)
{
	const struct gpu_sched_config config = {
		.policy = kind == SLOTS ? GPU_SCHED_FIXED : GPU_SCHED_FAIR,
		.slice_ns = 2 * MS,
		.depth = GPU_SCHED_DEPTH,
		.slots = count,
	};

	must(gpu_sched_init(&sched, &config, memory, count) == OK, "init refused");
	for (u32 i = 0; i < count; i++) {
		struct gpu_sched_params p = params_of(kind, i, count);

		vgpus[i] = (struct vgpu){ 0 };
		must(gpu_sched_add(&sched, &vgpus[i].vgpu, &p, i) == OK, "add refused");
		for (u32 j = 0; j < QUEUE; j++)
			must(gpu_sched_enqueue(&sched, &vgpus[i].vgpu, &vgpus[i].jobs[j], 0) == OK,
			     "enqueue refused");
	}
}

static enum err __attribute__((noipa))
nothing_completed(struct gpu_sched *s, struct gpu_sched_job *const *jobs, u32 count, u64 now_ns)
{
	(void)s;
	(void)jobs;
	(void)count;
	(void)now_ns;
	return OK;
}

static struct gpu_sched_job *__attribute__((noipa)) nothing_picked(struct gpu_sched *s, u64 now_ns)
{
	(void)s;
	(void)now_ns;
	return NULL;
}

/* What the calls themselves take. */
static u64 count_of_nothing(void)
{
	struct gpu_sched_job *job = NULL;
	u64 now_ns = 0;

	steps = 0;
	step_on();
	(void)!nothing_completed(&sched, &job, 1, now_ns);
	(void)nothing_picked(&sched, now_ns);
	step_off();
	return steps;
}

/* One decision: a completion and the pick that follows it. Its job is queued again. */
static void decide(u64 *now_ns, bool count)
{
	struct gpu_sched_job *job;
	enum err e;

	while (!(job = gpu_sched_oldest(&sched))) {
		if (!gpu_sched_pick(&sched, *now_ns))
			*now_ns = gpu_sched_next_ns(&sched, *now_ns);
	}
	*now_ns += 20 * US + random_below(180 * US);
	if (count)
		step_on();
	e = gpu_sched_complete_all(&sched, &job, 1, *now_ns);
	(void)gpu_sched_pick(&sched, *now_ns);
	if (count)
		step_off();
	must(e == OK, "completion refused");
	must(gpu_sched_enqueue(&sched, job->owner, job, *now_ns) == OK, "enqueue refused");
}

static u64 measure(enum kind kind, u32 count)
{
	u64 now_ns = 0, nothing = count_of_nothing();

	start(kind, count);
	for (u32 i = 0; i < 20 * count + 1000; i++)
		decide(&now_ns, false);
	steps = 0;
	for (u32 i = 0; i < DECISIONS; i++)
		decide(&now_ns, true);
	return steps / DECISIONS - nothing;
}

int main(void)
{
	u32 worst = 0, missed = 0;

	must(steps_begin() && count_of_nothing() > 0,
	     "this processor does not stop after each instruction");
	for (u32 kind = 0; kind < KINDS; kind++) {
		for (u32 i = 0; i < ARRAY_SIZE(sizes); i++) {
			u64 mean = measure((enum kind)kind, sizes[i].vgpus);
			u32 bound = sizes[i].bounds[kind];

			printf("sched.decision %s, %u vGPUs: %llu instructions, bound %u%s\n",
			       names[kind], sizes[i].vgpus, (unsigned long long)mean, bound,
			       mean > bound ? " MISSED" : "");
			missed += mean > bound;
			worst = MAX(worst, (u32)mean);
		}
	}
	printf("gpu_sched_cost: a decision takes %u instructions at the most, %u bounds missed\n",
	       worst, missed);
	return missed > 0;
}
