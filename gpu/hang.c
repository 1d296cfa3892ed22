/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that do not come back, and devices that answer nobody; see hang.h. */
#include "gpu/hang.h"

#include "core/lib/error.h"
#include "core/log.h"
#include "gpu/gpu.h"
#include "gpu/vgpu.h"

#define LOOKS	    4 /* in the shortest time-out */
#define LOOK_MIN_NS 50000000ULL
#define RESETS_MAX  3 /* in a row */
#define LINES	    4 /* a second */
#define MS	    1000000

/* A guest may be looked at a little late: the owner CPU alone does it. */
static void fire(struct timer *timer)
{
	struct gpu *gpu = container_of(timer, struct gpu, hang.timer);

	gpu->hang.armed = false;
	gpu_wake(gpu);
}

void gpu_hang_init(struct gpu *gpu)
{
	gpu->hang = (struct gpu_hang){ .timer = { .fire = fire } };
}

void gpu_hang_finished(struct gpu *gpu, const struct gpu_job *job)
{
	if (!job->early)
		gpu->hang.silent = false;
	if (!job->ours)
		gpu->hang.resets = 0;
}

/* gpu.lock is held. */
static void note_oldest(struct gpu *gpu, u64 now)
{
	struct gpu_sched_job *oldest = gpu_sched_oldest(&gpu->sched);
	u64 submitted_ns = oldest ? oldest->submitted_ns : 0;
	struct gpu_hang *hang = &gpu->hang;

	if (oldest == hang->oldest && submitted_ns == hang->submitted_ns)
		return;
	hang->oldest = oldest;
	hang->submitted_ns = submitted_ns;
	hang->since_ns = now;
}

static u64 look_period(const struct gpu *gpu)
{
	u64 least = ~0ULL;

	for (u32 i = 0; i < GPU_VGPUS_MAX; i++)
		if (gpu->vgpus[i])
			least = MIN(least, gpu->vgpus[i]->timeout_ns);
	return MAX(least / LOOKS, LOOK_MIN_NS);
}

void gpu_hang_watch(struct gpu *gpu)
{
	struct gpu_hang *hang = &gpu->hang;
	u64 now = now_ns();
	u64 period;

	spin_lock(&gpu->lock);
	note_oldest(gpu, now);
	period = look_period(gpu);
	spin_unlock(&gpu->lock);
	if (!hang->oldest || hang->armed)
		return;
	hang->armed = true;
	timer_set(&hang->timer, now + period);
}

/*
 * Ends the jobs in flight (of one vGPU; NULL: of all) for the scheduler. They held
 * the engine and are paid for in full. The device still has them.
 */
static u32 take_back(struct gpu *gpu, const struct vgpu *of, struct gpu_job **jobs)
{
	struct gpu_sched_job *ended[GPU_SCHED_DEPTH];
	u64 how = of ? GPU_TRACE_TIMED_OUT + (of->timeout_ns << 8) : GPU_TRACE_TAKEN_BACK;
	u32 count = 0;
	enum err e;

	spin_lock(&gpu->lock);
	for (struct gpu_sched_job *at = gpu_sched_oldest(&gpu->sched);
	     at && count < GPU_SCHED_DEPTH; at = at->next) {
		if (of && at->owner != &of->sched)
			continue;
		jobs[count] = container_of(at, struct gpu_job, sched);
		at->ended = how;
		ended[count++] = at;
	}
	e = gpu_sched_complete_all(&gpu->sched, ended, count, now_ns());
	gpu->jobs_completed += count;
	spin_unlock(&gpu->lock);
	invariant(e == OK);
	return count;
}

/* vGPUs come and go on the owner CPU, and so do we. */
static void for_each_vgpu(struct gpu *gpu, void (*call)(struct vgpu *vgpu))
{
	for (u32 i = 0; i < GPU_VGPUS_MAX; i++)
		if (gpu->vgpus[i])
			call(gpu->vgpus[i]);
}

static void freeze_too(struct vgpu *vgpu)
{
	(void)vgpu->gpu->ops->vgpu_freeze(vgpu, true);
}

static void give_up(struct gpu *gpu, const char *why)
{
	log_error("gpu %u: %s: given up; the vGPUs of its guests are frozen", gpu->index, why);
	gpu->hang.given_up = true;
	gpu->ops->give_up(gpu);
	for_each_vgpu(gpu, freeze_too);
}

static void reset_device(struct gpu *gpu)
{
	struct gpu_job *jobs[GPU_SCHED_DEPTH];
	struct gpu_hang *hang = &gpu->hang;
	enum err e;

	(void)take_back(gpu, NULL, jobs);
	hang->silent = false;
	if (hang->resets == RESETS_MAX) {
		give_up(gpu, "the device does not answer after resets");
		return;
	}
	hang->resets++;
	hang->resets_ever++;
	log_warn("gpu %u: the device does not answer: reset; what its guests show is built anew",
		 gpu->index);
	e = gpu->ops->reset(gpu);
	if (e) {
		log_error("gpu %u: reset: %s", gpu->index, err_name(e));
		give_up(gpu, "the device cannot be reset");
		return;
	}
	for_each_vgpu(gpu, gpu->ops->vgpu_rebuild);
}

static void freeze(struct gpu *gpu, struct vgpu *vgpu)
{
	struct gpu_job *jobs[GPU_SCHED_DEPTH];
	u32 count = take_back(gpu, vgpu, jobs);
	bool frozen;

	for (u32 i = 0; i < count; i++) {
		jobs[i]->abandoned = true;
		gpu->ops->abandon(gpu, jobs[i]);
	}
	gpu->hang.silent = true;
	frozen = gpu->ops->vgpu_freeze(vgpu, true);
	if (log_allowed(&gpu->hang.limit, LINES))
		log_warn("guest %s: gpu %u: no answer for %lu ms: %s", vgpu->vm->name, gpu->index,
			 vgpu->timeout_ns / MS,
			 frozen ? "its vGPU is frozen until its driver resets it"
				: "its vGPU's reset goes on without it");
}

void gpu_hang_check(struct gpu *gpu)
{
	struct gpu_hang *hang = &gpu->hang;
	u64 now = now_ns();
	struct vgpu *vgpu;

	spin_lock(&gpu->lock);
	note_oldest(gpu, now);
	spin_unlock(&gpu->lock);
	if (!hang->oldest)
		return;
	vgpu = container_of(hang->oldest, struct gpu_job, sched)->vgpu;
	if (now - hang->since_ns <= vgpu->timeout_ns)
		return;
	if (hang->silent || gpu->ops->abandoned(gpu) >= GPU_ABANDONED_MAX)
		reset_device(gpu);
	else
		freeze(gpu, vgpu);
}
