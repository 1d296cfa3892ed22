/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job that does not come back: its vGPU is frozen and the others go on. A
 * device that answers nobody is reset, and given up where that does not help.
 *
 *   oldest job in flight for longer than its guest's gpu.timeout
 *     -> abandoned; its vGPU is frozen   but if the device has been silent since the
 *                                        job before that was abandoned, or has too many:
 *     -> device reset; what can be is built anew   but if that is the fourth in a row:
 *     -> given up
 */
#ifndef GPU_HANG_H
#define GPU_HANG_H

#include "core/lib/types.h"
#include "core/log.h"
#include "core/timer.h"
#include "gpu/sched.h"

/* With so many abandoned jobs at the device, the next hang is the device's. */
#define GPU_ABANDONED_MAX 2
/* So many it can have at the most: one less, and all that one vGPU has in flight. */
#define GPU_ABANDONED_MOST (GPU_ABANDONED_MAX - 1 + GPU_SCHED_DEPTH)

struct gpu;
struct gpu_job;

/* What is known about a GPU's health; its owner CPU's. */
struct gpu_hang {
	struct timer timer; /* runs while a job is in flight */
	bool armed;
	/* Which job has the engine (a record may be used again: by its submission too). */
	struct gpu_sched_job *oldest;
	u64 submitted_ns;
	u64 since_ns; /* it has been the oldest */
	bool silent;  /* a job was abandoned, and the engine has finished nothing since */
	u32 resets;   /* of the device since it last finished a guest's job */
	u64 resets_ever;
	bool given_up;
	struct log_limit limit;
};

/*
 * All of these on the owner CPU of a GPU with an engine, with no lock held. check and
 * watch are a part of each service: check after what is finished was taken
 * back, as it may freeze vGPUs and reset the device, watch when jobs were submitted.
 */
void gpu_hang_init(struct gpu *gpu);
/* The device has given `job` back, be it late. */
void gpu_hang_finished(struct gpu *gpu, const struct gpu_job *job);
void gpu_hang_check(struct gpu *gpu);
void gpu_hang_watch(struct gpu *gpu);

#endif
