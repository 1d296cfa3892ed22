/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the virtio-gpu family share; nobody else includes it. */
#ifndef GPU_VIRTIO_VIRTIO_GPU_H
#define GPU_VIRTIO_VIRTIO_GPU_H

#include "core/log.h"
#include "core/vpci.h"
#include "gpu/gpu.h"
#include "gpu/vgpu.h"
#include "gpu/virtio/audit.h"
#include "gpu/virtio/vring.h"

#define CONTROL_QUEUE_SIZE 256
#define CURSOR_QUEUE_SIZE  16
#define ENTRY_BATCH	   128 /* backing entries in one step */

/*
 * One command on its way to the physical device and back. The answer goes into
 * the first bytes of the guest's writable buffers; in the worst legal case
 * each of them has one byte.
 */
struct virtio_gpu_job {
	struct gpu_job base; /* first */
	bool taken;
	bool internal; /* ours, or not the last of a command: nobody waits for the answer */
	bool names_scanout;
	u8 queue;
	u16 head;
	enum audit_effect effect;
	struct resource *resource;
	struct backing backing; /* EFFECT_ATTACH: follows the command */
	u32 zero_entries;	/* so many entries of zeros follow it */
	u32 length;
	union virtio_gpu_command command;
	struct virtio_gpu_hdr guest; /* header of the guest's command */
	u32 answer;		     /* response type; the physical side sets it */
	u16 response_count;
	struct vring_segment response[sizeof(struct virtio_gpu_hdr)];
};

enum vgpu_phase {
	VGPU_RUN,
	VGPU_DRAIN, /* the guest reset its device: jobs that are out come back first */
	VGPU_CLEAN, /* its resources are destroyed one by one */
};

enum intake_stage {
	INTAKE_COMMAND,
	INTAKE_ENTRIES, /* copying backing entries of the command in `result` */
};

/* What we have to do on the device for this vGPU, one job at a time. */
enum internal_want {
	WANT_HIDE = BIT(0),  /* blank `hide_scanout` */
	WANT_SHOW = BIT(1),  /* put the picture on the present scan-out */
	WANT_FLUSH = BIT(2), /* and have it drawn */
	WANT_REAP = BIT(3),  /* buried resources without an UNREF on the way */
};

/* One guest's virtio-gpu; vgpu.lock guards all but `function` and `work`. */
struct virtio_vgpu {
	struct vgpu *vgpu;
	struct audit audit;
	hpa_t units; /* frames of the backing entries */
	u32 unit_pages;

	/* Registers, virtio 1.2, 4.1.4.3. */
	u64 offered, accepted;
	u32 device_feature_select, driver_feature_select;
	u16 config_vector, queue_select;
	u8 status;
	u8 isr;
	struct vring rings[VIRTIO_GPU_QUEUE_COUNT];

	enum vgpu_phase phase;
	bool stopping; /* the VM ends: cleared when nothing of it is left */
	bool broken;   /* the driver broke a ring: NEEDS_RESET */
	bool shown;    /* a picture may be on the scan-out since the last reset */

	enum intake_stage stage;
	bool wait_job;	/* a free job slot is missing */
	bool wait_idle; /* a fenced answer waits for the jobs before it */
	struct vring_chain chain;
	struct audit_result result;
	struct virtio_gpu_hdr header; /* of the command in `chain` */
	struct backing filling;
	u32 entry_next, entry_in_batch, batch_count;
	u32 entry_offset; /* bytes of the present entry that are done */
	struct virtio_gpu_mem_entry batch[ENTRY_BATCH];
	union virtio_gpu_response answer;

	u32 outstanding; /* jobs out, the internal one too */
	struct virtio_gpu_job jobs[GPU_JOBS_MAX];
	struct virtio_gpu_job internal;
	u32 want;
	s32 hide_scanout;

	struct log_limit garbage_limit, refused_limit;
	u64 resets, doorbells;

	struct vcpu_work work; /* vCPU 0's: the intake */
	struct vpci_function function;
};

static inline struct virtio_vgpu *virtio_of(struct vgpu *vgpu)
{
	return vgpu->family;
}

/* ---- phys.c: the device ---- */

bool virtio_gpu_matches(const struct pci_function *function);
must_check enum err virtio_gpu_attach(struct gpu *gpu);
enum gpu_submit virtio_gpu_submit(struct gpu *gpu, struct gpu_job *base);
void virtio_gpu_kick(struct gpu *gpu);
struct gpu_job *virtio_gpu_poll(struct gpu *gpu);
/* Mode and EDID of a physical scan-out; of number 0 for GPU_SCANOUT_NONE. */
void virtio_gpu_display(const struct gpu *gpu, s32 scanout, struct audit_display *out);

/* ---- vfunc.c: the function that the guest sees ---- */

/* Capabilities, BAR and registers at their reset values. */
void vfunc_init(struct virtio_vgpu *v);
/* All registers as after power-on. */
void vfunc_reset_registers(struct virtio_vgpu *v);
/* Interrupt for a queue resp. for a change of configuration. vgpu.lock is held. */
void vfunc_interrupt_queue(struct virtio_vgpu *v, u16 queue);
void vfunc_interrupt_config(struct virtio_vgpu *v);

/* ---- intake.c: from the guest's rings to jobs ---- */

/* The step function of `work`. */
bool intake_step(struct vcpu *vcpu, struct vcpu_work *work);
/* The guest rang, or what the intake waited for has come. */
void intake_wake(struct virtio_vgpu *v);
/* Drop a command that is half taken in. vgpu.lock is held. */
void intake_cancel(struct virtio_vgpu *v);
/* The driver broke a rule of its rings: NEEDS_RESET, one line. vgpu.lock is held. */
void vgpu_broken(struct virtio_vgpu *v, u16 queue, const char *why);
/* Write an answer of `size` bytes and give the request back. vgpu.lock is held. */
void deliver(struct virtio_vgpu *v, u16 queue, u16 head, const struct vring_segment *segments,
	     u32 count, const void *answer, u32 size);

/* ---- teardown.c: completion, our own jobs, reset ---- */

void virtio_vgpu_job_done(struct vgpu *vgpu, struct gpu_job *base);
/* Begin a reset; ends at once where nothing is out. vgpu.lock is held. */
void vgpu_begin_reset(struct virtio_vgpu *v);
/* Send the next job of our own where one is wanted and none is out. vgpu.lock is held. */
void internal_advance(struct virtio_vgpu *v);
void virtio_vgpu_stop(struct vgpu *vgpu);
bool virtio_vgpu_stopped(struct vgpu *vgpu);

/* ---- scanout.c ---- */

void virtio_vgpu_show(struct vgpu *vgpu, s32 hide);

#endif
