/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator and the storm guards do to one vGPU while guests run.
 *
 *   run --freeze, or a guard--> frozen --thaw--> run
 *    |                             |
 *    '----------- reset -----------'---> hung: needs its driver's reset, or a restart
 */
#ifndef GPU_CONTROL_H
#define GPU_CONTROL_H

#include "core/config.h"
#include "core/lib/error.h"
#include "core/lib/parse.h"
#include "gpu/vgpu.h"

/* ---- for the console; on the housekeeping CPU, which owns the GPUs, no lock held ---- */

#define CONTROL_WHY_MAX 200

/*
 * One or more `key=value`, with the keys of [guest NAME] that begin with `gpu.`, without that, or
 * for a GPU those of [gpu N] but `pci`; values as in the file. All hold from the next boundary
 * of a job on, until the VM stops, resp. Facet. False: nothing has changed, and `why`
 * says what is wrong.
 */
must_check bool vgpu_set(struct vgpu *vgpu, const char *words, char why[CONTROL_WHY_MAX]);
must_check bool gpu_set(struct gpu *gpu, const char *words, char why[CONTROL_WHY_MAX]);

/*
 * Nothing more is taken from the guest and none of its jobs is picked; what the device has comes
 * back, and nothing is lost. ERR_EXISTS: it is frozen; ERR_DEVICE: its GPU has no engine.
 */
must_check enum err vgpu_freeze(struct vgpu *vgpu);
/* On it goes, out of a guard's freeze, too. ERR_NOT_FOUND: it is not frozen; ERR_DEVICE. */
must_check enum err vgpu_thaw(struct vgpu *vgpu);
/*
 * As if it had hung, once the device has none of its jobs (or they did hang): all that it waits
 * for is answered with errors, all that it has is destroyed, and it needs a reset by its driver.
 * A freeze ends. ERR_BUSY: its VM is stopped or stops; ERR_DEVICE.
 */
must_check enum err vgpu_reset(struct vgpu *vgpu);

/* ---- for families; vgpu.lock is held ---- */

/* The guest did something `count` times; what a guard makes of that takes gpu.lock. */
void vgpu_count(struct vgpu *vgpu, enum guard_kind kind, u32 count);
/* Time has gone by: a guest that was slowed may be so no more. */
void vgpu_look(struct vgpu *vgpu);
/* May a step of the intake be taken now? False: family's vgpu_wake() is called when it may. */
bool vgpu_may_take(struct vgpu *vgpu);

/* ---- for gpu.c and vgpu.c; on the owner CPU, no lock held ---- */

/* The file's settings into a vGPU that is made; `params` for the scheduler. */
void control_init(struct vgpu *vgpu, const struct config_guest *config,
		  struct gpu_sched_params *params);
void control_gpu_config(const struct config *config, u32 gpu, struct gpu_sched_config *out);
/* Why gpu_sched_add() or _set() said `e` to `params`. */
void control_reason(struct vgpu *vgpu, const struct gpu_sched_params *params, enum err e,
		    char why[CONTROL_WHY_MAX]);
/* The VM stops: whatever holds the vGPU ends. */
void control_stop(struct vgpu *vgpu);
/* It has stopped, whenever it is asked: once after each stop the file's settings hold again. */
void control_stopped(struct vgpu *vgpu);
/* The file's settings; where they cannot be had, it keeps those that it has, and one line says so.
 */
void control_restore(struct vgpu *vgpu);
/* Resets that are due, and intakes whose turn has come; returns when to look again, ~0: never. */
u64 control_service(struct gpu *gpu, u64 now);

#endif
