/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the virtio-gpu family share; nobody else includes it. */
#ifndef GPU_VIRTIO_VIRTIO_GPU_H
#define GPU_VIRTIO_VIRTIO_GPU_H

#include "core/log.h"
#include "core/vpci.h"
#include "gpu/control.h"
#include "gpu/gpu.h"
#include "gpu/vgpu.h"
#include "gpu/virtio/audit.h"
#include "gpu/virtio/streams.h"
#include "gpu/virtio/virgl.h"
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
	bool detached; /* abandoned, and out of our books: taken until the device lets go */
	bool internal; /* ours, or not the last of a command: nobody waits for the answer */
	bool unfenced; /* answered when it is read, not when the work is done */
	bool names_scanout;
	u8 queue;
	u16 head;
	enum audit_effect effect;
	enum audit_series series;
	struct resource *resource;
	u32 context;
	struct backing backing; /* EFFECT_ATTACH: follows the command */
	struct backing held;	/* detached: units that the device may still read */
	u64 order;		/* in which the guest's commands came */
	u32 want;		/* ours: what it was to do */
	u16 stream_block;	/* SUBMIT_3D: its piece of the stream follows; or STREAM_NONE */
	u32 stream_bytes;
	iova_t stream;
	u32 length;
	union virtio_gpu_command command;
	struct virtio_gpu_hdr guest; /* header of the guest's command */
	u32 answer;		     /* response type; the physical side sets it */
	u16 response_count;
	struct vring_segment response[sizeof(struct virtio_gpu_hdr)];
};

enum vgpu_phase {
	VGPU_RUN,
	VGPU_DRAIN,   /* the guest reset its device: jobs that are out come back first */
	VGPU_CLEAN,   /* its resources are destroyed one by one */
	VGPU_REBUILD, /* the device was reset: its resources are made anew, its jobs wait */
};

enum intake_stage {
	INTAKE_COMMAND,
	INTAKE_ENTRIES, /* copying backing entries of the command in `result` */
	INTAKE_COPY,	/* copying the command stream behind it */
	INTAKE_AUDIT,	/* checking the copy */
	INTAKE_PIECES,	/* queueing its pieces as jobs */
	INTAKE_ANSWER,	/* `result` is refused; what is out comes back first */
};

/* What we have to do on the device for this vGPU, one job at a time. */
enum internal_want {
	WANT_HIDE = BIT(0),  /* blank `hide_scanout` */
	WANT_SHOW = BIT(1),  /* put the picture on the present scan-out */
	WANT_FLUSH = BIT(2), /* and have it drawn */
	WANT_REAP = BIT(3),  /* buried contexts and resources without an end on the way */
};

/* Command streams in figures, for reports. */
struct stream_counters {
	u64 streams, bytes, refused, split;
	struct virgl_budget largest; /* the most that one job cost, in each respect */
};

/* What a vGPU has besides where the device has 3D. */
struct vgpu_3d {
	hpa_t frames, arena_frames; /* where this struct and the copies lie */
	struct audit_contexts contexts;
	struct stream_arena arena;
	struct virgl_audit audit;
	u16 block;	    /* of the stream in hand */
	u32 copied, pieces; /* bytes copied; jobs queued */
	struct stream_counters counters;
	struct log_limit limit;
};

/* One guest's virtio-gpu; vgpu.lock guards all but `function` and `work`. */
struct virtio_vgpu {
	struct vgpu *vgpu;
	struct audit audit;
	struct vgpu_3d *three; /* NULL: no 3D */
	hpa_t units;	       /* frames of the backing entries */
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
	bool hung;     /* a job did not come back: NEEDS_RESET, and all commands fail */
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

	u32 outstanding; /* jobs out, the internal one too, without those detached */
	u32 detached;
	u64 order; /* of the next job */
	struct virtio_gpu_job jobs[GPU_JOBS_MAX];
	/* The one in use, and as many as a vGPU can have detached. */
	struct virtio_gpu_job internals[GPU_ABANDONED_MAX + 1];
	struct virtio_gpu_job *internal;
	u16 rebuild_next; /* resource that is made anew */
	u8 rebuild_step;
	u32 want;
	u16 reap_next; /* where to look for the next buried resource */
	s32 hide_scanout;

	struct log_limit garbage_limit, refused_limit;
	u64 resets, hangs, doorbells;
	u64 refused_seen; /* of the audit's count, what the guard knows of */

	struct vcpu_work work; /* vCPU 0's: the intake */
	struct vpci_function function;
};

static inline struct virtio_vgpu *virtio_of(struct vgpu *vgpu)
{
	return vgpu->family;
}

static inline bool is_error(u32 answer)
{
	return answer < VIRTIO_GPU_RESP_OK_NODATA || answer >= VIRTIO_GPU_RESP_ERR_UNSPEC;
}

/* ---- series.c: a job as commands ---- */

/* What stands behind one command of a job, besides a backing. */
struct job_data {
	u32 zero_entries; /* so many entries of zeros */
	u32 stream_bytes; /* the job's piece of a stream */
	bool constants;	  /* the stream of virgl_fill_constants() */
};

/*
 * Command number `i` (below AUDIT_SERIES_MAX) of a job, of `length` bytes, with
 * `data` behind it. False: it has no more.
 */
bool job_command(const struct virtio_gpu_job *job, u32 i, union virtio_gpu_command *command,
		 u32 *length, struct job_data *data);

/* ---- phys.c, start.c: the device ---- */

bool virtio_gpu_matches(const struct pci_function *function);
must_check enum err virtio_gpu_attach(struct gpu *gpu);
enum gpu_submit virtio_gpu_submit(struct gpu *gpu, struct gpu_job *base);
void virtio_gpu_kick(struct gpu *gpu);
struct gpu_job *virtio_gpu_poll(struct gpu *gpu);
void virtio_gpu_abandon(struct gpu *gpu, struct gpu_job *base);
u32 virtio_gpu_abandoned(const struct gpu *gpu);
must_check enum err virtio_gpu_reset(struct gpu *gpu);
void virtio_gpu_give_up(struct gpu *gpu);
/* This vGPU goes: its abandoned jobs are nobody's when they come back. */
void virtio_gpu_forget(struct gpu *gpu, const struct vgpu *vgpu);
/* Mode and EDID of a physical scan-out; of number 0 for GPU_SCANOUT_NONE. */
void virtio_gpu_display(const struct gpu *gpu, s32 scanout, struct audit_display *out);
/* What its renderer offers to guests; NULL: no 3D. */
const struct audit_capsets *virtio_gpu_capsets(const struct gpu *gpu);

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
/* Answer the command in hand with an error and no more. vgpu.lock is held. */
void intake_fail(struct virtio_vgpu *v, u16 queue);
/* The driver broke a rule of its rings: NEEDS_RESET, one line. vgpu.lock is held. */
void vgpu_broken(struct virtio_vgpu *v, u16 queue, const char *why);
/*
 * Write an answer of `size` bytes and give the request back. False: the guest broke a rule of its
 * rings. The caller then has an interrupt to raise, by vgpu_tell(). vgpu.lock is held.
 */
must_check bool deliver(struct virtio_vgpu *v, u16 queue, u16 head,
			const struct vring_segment *segments, u32 count, const void *answer,
			u32 size);
/* Interrupt the guest for `queue`, if it wants that. vgpu.lock is held. */
void vgpu_tell(struct virtio_vgpu *v, u16 queue);

/* ---- stream.c: command streams, part of the intake; vgpu.lock is held ---- */

/* Memory for a vGPU's 3D; ERR_NO_MEMORY. */
must_check enum err stream_create(struct virtio_vgpu *v);
void stream_destroy(struct virtio_vgpu *v);
/* Begin with the stream of the command in hand; false: no room now, the request was put back. */
bool stream_begin(struct virtio_vgpu *v);
/* The one of the command in hand, of a wrong length, is refused: its context has failed. */
void stream_refuse(struct virtio_vgpu *v);
/* A step of INTAKE_COPY to INTAKE_PIECES; true: there may be more to do. */
bool stream_step(struct virtio_vgpu *v);
/* Give up the one in hand. */
void stream_cancel(struct virtio_vgpu *v);

/* A free job record, or NULL. vgpu.lock is held. */
struct virtio_gpu_job *intake_take_job(struct virtio_vgpu *v);
/* The same for a job beside those that are out: NULL also where the guest has all it may have. */
struct virtio_gpu_job *intake_new_job(struct virtio_vgpu *v);
/* A job for the command in hand, and its way to the scheduler. */
void intake_fill(struct virtio_vgpu *v, struct virtio_gpu_job *job, u8 queue);
void intake_enqueue(struct virtio_vgpu *v, struct virtio_gpu_job *job);

/* ---- teardown.c: completion, our own jobs, reset; vgpu.lock is held but for virtio_... ---- */

void virtio_vgpu_job_done(struct vgpu *vgpu, struct gpu_job *base);
/* Give the guest a job's answer. */
void answer_guest(struct virtio_vgpu *v, struct virtio_gpu_job *job);
/* Begin a reset; ends at once where nothing is out. */
void vgpu_begin_reset(struct virtio_vgpu *v);
/* Go on with one. */
void reset_advance(struct virtio_vgpu *v);
/* The guest's contexts and resources are to be destroyed, and its scan-out shows nothing. */
void bury_all(struct virtio_vgpu *v);
/* Send the next job of our own where one is wanted and none is out. */
void internal_advance(struct virtio_vgpu *v);
/* A job of our own: prepare v->internal, fill in its command, send `length` bytes. */
void start_internal(struct virtio_vgpu *v, bool names_scanout);
void send_internal(struct virtio_vgpu *v, u32 length);
void virtio_vgpu_stop(struct vgpu *vgpu);
bool virtio_vgpu_stopped(struct vgpu *vgpu);

/* ---- freeze.c: jobs that do not come back; vgpu.lock is held but for virtio_... ---- */

bool virtio_vgpu_freeze(struct vgpu *vgpu, bool hang);
void virtio_vgpu_job_late(struct vgpu *vgpu, struct gpu_job *base);
/* From VGPU_RUN or VGPU_REBUILD, with none of its jobs queued or in flight. */
void freeze(struct virtio_vgpu *v);
/* Hung or being reset already, likewise: our own job is sent again. */
void go_on_without(struct virtio_vgpu *v);
/* Jobs that are neither queued nor in flight end unfinished: the guest's, oldest first; ours. */
void lose_guest_jobs(struct virtio_vgpu *v);
void lose_internal(struct virtio_vgpu *v);
/* The guest's job of least order from `order` on, without those detached; NULL: none. */
struct virtio_gpu_job *next_job(struct virtio_vgpu *v, u64 order);
/* Before `resource` is freed: an ATTACH that is detached keeps its units. */
void keep_units(struct virtio_vgpu *v, struct resource *resource);

/* ---- rebuild.c: after a reset of the device ---- */

void virtio_vgpu_rebuild(struct vgpu *vgpu);
/* The last step of a rebuild has been answered. vgpu.lock is held. */
void rebuild_done(struct virtio_vgpu *v, const struct virtio_gpu_job *job);

/* ---- scanout.c ---- */

void virtio_vgpu_show(struct vgpu *vgpu, s32 hide);

#endif
