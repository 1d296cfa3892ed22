/* SPDX-License-Identifier: Apache-2.0 */
/* One run: what the seed makes of it, and its beginning and end. */
#include "tests/model/sched/sim.h"

#include <stdlib.h>
#include <string.h>

/* Everything anew, but for the memory. */
static void clear(struct sim *s, u64 seed)
{
	struct sim_vgpu *vgpus = s->vgpus;

	memset(s, 0, sizeof(*s));
	s->vgpus = vgpus ? vgpus : calloc(MAX_VGPUS, sizeof(*vgpus));
	if (!s->vgpus)
		abort();
	s->seed = seed;
	s->random = seed * 0x2545f4914f6cdd1dULL;
	s->oldest_newcomer = NONE;
	s->newest_newcomer = NONE;
	s->bound_version = 1;
	s->depth = GPU_SCHED_DEPTH;
	s->slice_ns = 2 * MS;
	alarms_clear(&s->arrivals);
	alarms_clear(&s->wakings);
	alarms_clear(&s->dues);
}

void start(struct sim *s, u64 seed)
{
	clear(s, seed);
}

/* With `count`, and what else describes the run, set. */
void setup_run(struct sim *s, const struct gpu_sched_config *config)
{
	s->policy = config->policy;
	s->slice_ns = config->slice_ns;
	if (gpu_sched_init(&s->sched, config, s->memory, s->count) != OK)
		broken(s, "order", "init refused");
	memset(s->vgpus, 0, s->count * sizeof(*s->vgpus));
}

void finish_run(struct sim *s)
{
	trace_check(s);
	trace_end(s);
	total.jobs += s->done;
}
