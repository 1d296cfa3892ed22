/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam between partitioning and a GPU family: two faces, one towards the
 * hardware, one towards guests. gpu.c and vgpu.c know families through this
 * header alone; docs/porting-a-gpu-family.md walks through it.
 */
#ifndef GPU_FAMILY_H
#define GPU_FAMILY_H

#include "core/lib/error.h"
#include "core/lib/types.h"
#include "drivers/pci.h"

struct gpu;
struct gpu_job;
struct vgpu;

enum gpu_submit {
	GPU_SUBMITTED, /* the hardware has it; poll() gives it back */
	GPU_DONE,      /* nothing had to be done: complete it now */
};

/* What a family tells about one vGPU, for tables and statistics. */
struct vgpu_report {
	u64 memory_used; /* bytes counted against the quota */
	u64 commands;	 /* taken from the guest */
	u64 refused;	 /* of these, refused by the audit */
	u64 resources;	 /* objects that the guest has on the device */
	u64 resets;	 /* of the virtual device, by its guest */
	u64 doorbells;
	const char *state; /* "run", "reset", "broken", ... */
	/* How its picture comes to its scan-out, where there is more than one way; or NULL. */
	const char *scanout_path;
};

struct gpu_family_ops {
	const char *name;
	/*
	 * The device never masters the bus: it is used without an IOMMU too, gets
	 * no window onto a guest, and nothing may switch bus mastering on.
	 */
	bool no_dma;

	/*
	 * ---- towards the hardware; submit, kick, poll and service on the owner CPU only ----
	 *
	 * A family has an engine or none. With one it has submit, kick, poll and
	 * job_done, and no service. Without one those four are NULL, it never calls
	 * gpu_enqueue(), nothing is reported of engine time, and gpu_wake() calls service.
	 */

	bool (*matches)(const struct pci_function *function);
	/*
	 * Bring the device up: sets gpu->family and gpu->scanout_count, asks for
	 * its interrupts with gpu_interrupt(). At start. Whatever the result, the
	 * device does no DMA outside what gpu_dma_map() allowed.
	 */
	must_check enum err (*attach)(struct gpu *gpu);
	/* There is room: at most GPU_SCHED_DEPTH jobs are out at a time. */
	enum gpu_submit (*submit)(struct gpu *gpu, struct gpu_job *job);
	/* Tell the hardware about what was submitted since the last kick. */
	void (*kick)(struct gpu *gpu);
	/* The next job that the hardware has finished, NULL: none. */
	struct gpu_job *(*poll)(struct gpu *gpu);
	/* Do what is due, in a step of some 20 microseconds; true: more is left. */
	bool (*service)(struct gpu *gpu);

	/* ---- towards guests ---- */

	/* Make the virtual function: sets vgpu->family and vgpu->function. */
	must_check enum err (*vgpu_create)(struct vgpu *vgpu);
	/* A job of this vGPU is complete and charged. On the owner CPU, no lock held. */
	void (*job_done)(struct vgpu *vgpu, struct gpu_job *job);
	/* Take no more from the guest; finish, then destroy all that it has on the device. */
	void (*vgpu_stop)(struct vgpu *vgpu);
	bool (*vgpu_stopped)(struct vgpu *vgpu);
	/* After vgpu_stopped(): give the memory back, cleared. */
	void (*vgpu_destroy)(struct vgpu *vgpu);
	/*
	 * vgpu->scanout has changed: put this vGPU's picture there. Where `hide`
	 * is not -1, that scan-out has become nobody's: blank it. Any CPU.
	 */
	void (*vgpu_show)(struct vgpu *vgpu, s32 hide);
	void (*vgpu_report)(struct vgpu *vgpu, struct vgpu_report *report);
};

/* The families, in the order in which they are asked. */
extern const struct gpu_family_ops virtio_gpu_family;
extern const struct gpu_family_ops vbe_family;

#endif
