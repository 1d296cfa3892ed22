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

/* Command streams of a vGPU with 3D. */
struct vgpu_report_3d {
	bool present;
	u32 contexts;	     /* that the guest has now */
	u64 streams, bytes;  /* that the audit let through */
	u64 refused;	     /* by the audit */
	u64 split;	     /* of those let through, cut into several jobs */
	u32 largest_percent; /* of a job's budget, the most that one took in any respect */
};

/* What a family tells about one vGPU, for tables and statistics. */
struct vgpu_report {
	u64 memory_used; /* bytes counted against the quota */
	u64 commands;	 /* taken from the guest */
	u64 refused;	 /* of these, refused by the audit */
	u64 resources;	 /* objects that the guest has on the device */
	u64 resets;	 /* of the virtual device, by its guest */
	u64 hangs;	 /* how often it was frozen by one */
	u64 doorbells;
	const char *state; /* "run", "reset", "broken", "hung", ... */
	/* How its picture comes to its scan-out, where there is more than one way; or NULL. */
	const char *scanout_path;
	struct vgpu_report_3d three;
};

struct gpu_family_ops {
	const char *name;
	/*
	 * The device never masters the bus: it is used without an IOMMU too, gets
	 * no window onto a guest, and nothing may switch bus mastering on.
	 */
	bool no_dma;

	/*
	 * ---- towards the hardware; all but matches and attach on the owner CPU only ----
	 *
	 * A family has an engine or none. With one it has submit, kick, poll and
	 * job_done, what gpu/hang.h and control.h need (abandon to give_up, vgpu_freeze to
	 * vgpu_rebuild), and no service. Without one all those are NULL, it never calls
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
	/* The next job that the hardware has finished, abandoned ones too. NULL: none. */
	struct gpu_job *(*poll)(struct gpu *gpu);
	/* Do what is due, in a step of some 20 microseconds; true: more is left. */
	bool (*service)(struct gpu *gpu);
	/*
	 * This job is not waited for any more, though the hardware has it still. What
	 * belongs to it there stays taken until the hardware gives it back late (poll()
	 * returns it then, and nobody takes that for another job's end), or until a reset.
	 * At most GPU_ABANDONED_MOST are there, beside those in flight.
	 */
	void (*abandon)(struct gpu *gpu, struct gpu_job *job);
	/* How many of those the hardware still has, of vGPUs that were destroyed too. */
	u32 (*abandoned)(const struct gpu *gpu);
	/*
	 * Reset the device and bring it to where attach() left it. Nothing is in flight for
	 * the scheduler; abandoned jobs are handed to job_late(). What the device had
	 * of guests is gone. May take 100 ms. An error: give_up() follows.
	 */
	must_check enum err (*reset)(struct gpu *gpu);
	/*
	 * The device is never used again, and masters the bus no more. As reset() otherwise.
	 * submit() ends each job at once, with an error as its answer.
	 */
	void (*give_up)(struct gpu *gpu);

	/* ---- towards guests ---- */

	/* Make the virtual function: sets vgpu->family and vgpu->function. */
	must_check enum err (*vgpu_create)(struct vgpu *vgpu);
	/* A job of this vGPU is complete and charged. On the owner CPU, no lock held. */
	void (*job_done)(struct vgpu *vgpu, struct gpu_job *job);
	/*
	 * The vGPU's guest is to wait for nothing: whatever it has out, queued, abandoned or
	 * taken back (its jobs are no longer in flight), is answered with an error, fences too.
	 * Then what it has on the device is destroyed, by jobs of our own, and later
	 * submissions fail, until its driver resets the virtual device or the VM starts anew.
	 * That must not wait for abandoned jobs, nor may memory that those can still reach be
	 * used otherwise. False: it was hung or being reset already, which goes on without
	 * the jobs that are lost. `hang`: it counts as one; else the operator asked for it.
	 * On the owner CPU, no lock held.
	 */
	bool (*vgpu_freeze)(struct vgpu *vgpu, bool hang);
	/*
	 * vgpu_may_take() is true again, or a limit has changed: look at what the guest has
	 * made available. Any CPU, no lock held.
	 */
	void (*vgpu_wake)(struct vgpu *vgpu);
	/*
	 * Another quota of memory, in bytes. ERR_BUSY: the guest holds `*used`, more than that.
	 * Backing entries stay as many as the first quota was given. As vgpu_wake.
	 */
	must_check enum err (*vgpu_set_memory)(struct vgpu *vgpu, u64 bytes, u64 *used);
	/* The device has let go of an abandoned job; its record is free again. As above. */
	void (*job_late)(struct vgpu *vgpu, struct gpu_job *job);
	/*
	 * After a reset of the device: make anew what the vGPU had there, then repeat what was
	 * taken back and queued, in order. Where that cannot be done it is frozen,
	 * and one line says so. As above.
	 */
	void (*vgpu_rebuild)(struct vgpu *vgpu);
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
