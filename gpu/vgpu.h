/* SPDX-License-Identifier: Apache-2.0 */
/* One guest's part of a GPU: weight, memory quota, DMA window, scan-out. */
#ifndef GPU_VGPU_H
#define GPU_VGPU_H

#include "arch/x86/spinlock.h"
#include "core/config.h"
#include "core/lib/error.h"
#include "core/lib/types.h"
#include "core/vm.h"
#include "core/vpci.h"
#include "gpu/gpu.h"
#include "gpu/guard.h"
#include "gpu/waits.h"

/* Each guest has a stride of 1 TiB of I/O addresses; the first is the hypervisor's own. */
#define VGPU_WINDOW_SHIFT 40

struct vgpu {
	struct vm *vm;
	struct gpu *gpu;
	u32 number;	  /* the VM's number, 0..GPU_VGPUS_MAX-1 */
	u32 slot;	  /* its guest's rank in the file among those of this GPU */
	u64 memory_quota; /* bytes */
	u64 timeout_ns;	  /* how long one job may hold the engine */
	u32 queue_limit;  /* jobs of its guest that may be out; atomic */
	hpa_t frames;	  /* where this struct lives */
	u64 mapped_bytes; /* of guest RAM that the device may reach now */

	s32 scanout; /* physical, or GPU_SCANOUT_NONE; atomic, written under focus_lock */

	/* Guards the family's state of this vGPU. After vm.device_lock, before gpu.lock. */
	struct spinlock lock;
	struct guard guard; /* guarded by it */
	struct log_limit guard_limit;
	u64 interrupts;		     /* to its guest; as above */
	struct gpu_sched_vgpu sched; /* guarded by gpu.lock */

	/* Of its guest's jobs, until they are picked and until they are complete; the owner CPU's.
	 */
	struct waits waits, turns;

	/* control.c; atomic */
	bool frozen;	  /* nothing is taken from the guest, and none of its jobs is picked */
	bool reset_asked; /* at the next boundary of a job */
	bool put_off;	  /* its intake waits for take_ns */
	u64 take_ns;	  /* slowed: when the next step of its intake is due */
	bool restore;	  /* the VM stops, then the file's settings hold again; the owner CPU's */

	struct vpci_function *function;
	void *family;
};

/*
 * Make the vGPU that `config` asks for and put it into vm->vgpu; OK with
 * vm->vgpu NULL where the guest has none. The VM's RAM exists. ERR_NOT_FOUND:
 * no such GPU; ERR_NO_MEMORY; ERR_EXISTS: it has one.
 */
must_check enum err vgpu_create(struct vm *vm, const struct config_guest *config);

/* The vGPU of the running or stopped guest `name`, or NULL. On the housekeeping CPU. */
struct vgpu *vgpu_find(const char *name);

/* What the guest sees; NULL without a vGPU. */
struct vpci_function *vgpu_function(struct vm *vm);

/* Begin teardown: all vCPUs are out and stay out. No-op without a vGPU. */
void vgpu_stop(struct vm *vm);

/*
 * After vgpu_stop(): true when nothing of the guest is left on the device. Poll
 * it. The VM may then start again with the same vGPU, as after power-on, or
 * have it destroyed.
 */
bool vgpu_stopped(struct vm *vm);

/*
 * After vgpu_stopped(): close the DMA window, free everything, vm->vgpu = NULL. On the
 * GPU's owner CPU. The device may still have jobs that were abandoned; with an IOMMU they
 * reach nothing any more. Without one nobody may destroy such a vGPU.
 */
void vgpu_destroy(struct vm *vm);

/*
 * The device's address of guest memory: [gpa, gpa + size) from its start is at
 * `iova` for `run` bytes, 0 < run <= size. ERR_FAULT: a part that would be
 * named is not RAM of the guest. `size` is not 0.
 */
must_check enum err vgpu_dma_translate(const struct vgpu *vgpu, gpa_t gpa, u32 size, iova_t *iova,
				       u32 *run);

#endif
