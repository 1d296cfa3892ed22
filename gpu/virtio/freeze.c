/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's virtio-gpu after one of its jobs did not come back: what it has out
 * is answered with errors, what it has on the device is destroyed, and all that it
 * sends fails until its driver resets it.
 *
 *   RUN --a job is abandoned--> RUN, hung --reset--> DRAIN --> CLEAN --> RUN
 *                               (its things are destroyed meanwhile)
 *
 * An abandoned job is *detached*: the vGPU goes on without it, but its record, its
 * part of a stream and its backing entries stay taken until the device lets go.
 */
#include "gpu/virtio/virtio_gpu.h"

struct virtio_gpu_job *next_job(struct virtio_vgpu *v, u64 order)
{
	struct virtio_gpu_job *next = NULL;

	for (u32 i = 0; i < GPU_JOBS_MAX; i++) {
		struct virtio_gpu_job *job = &v->jobs[i];

		if (job->taken && !job->detached && job->order >= order &&
		    (!next || job->order < next->order))
			next = job;
	}
	return next;
}

/* What the audit did ahead of this job is true no more. */
static void undo(struct virtio_vgpu *v, struct virtio_gpu_job *job)
{
	struct resource *resource = job->resource;

	v->want |= job->want;
	switch (job->effect) {
	case EFFECT_UNREF:
		resource->unref_queued = false;
		v->want |= WANT_REAP;
		break;
	case EFFECT_DETACH:
		/* The device may still have these pages, until the resource goes. */
		backing_join(&v->audit.resources, &resource->backing, &job->backing);
		break;
	case EFFECT_CTX_END:
		v->three->contexts.slots[job->context].end_queued = false;
		v->want |= WANT_REAP;
		break;
	default: /* what it was to make stays in the tables, to be destroyed */
		break;
	}
}

static void detach(struct virtio_vgpu *v, struct virtio_gpu_job *job)
{
	job->detached = true;
	backing_init(&job->held);
	v->detached++;
	for (u32 i = 0; v->internal->detached && i < ARRAY_SIZE(v->internals); i++)
		v->internal = &v->internals[i];
	invariant(!v->internal->detached);
}

static void lose(struct virtio_vgpu *v, struct virtio_gpu_job *job)
{
	undo(v, job);
	job->answer = VIRTIO_GPU_RESP_ERR_UNSPEC;
	if (!job->internal)
		answer_guest(v, job);
	v->outstanding--;
	if (job->base.abandoned) {
		detach(v, job);
		return;
	}
	if (v->three)
		stream_put(&v->three->arena, job->stream_block);
	job->taken = false;
}

void lose_guest_jobs(struct virtio_vgpu *v)
{
	struct virtio_gpu_job *job;

	while ((job = next_job(v, 0)))
		lose(v, job);
}

void lose_internal(struct virtio_vgpu *v)
{
	if (v->internal->taken)
		lose(v, v->internal);
}

void keep_units(struct virtio_vgpu *v, struct resource *resource)
{
	for (u32 i = 0; v->detached && i < GPU_JOBS_MAX + ARRAY_SIZE(v->internals); i++) {
		struct virtio_gpu_job *job =
			i < GPU_JOBS_MAX ? &v->jobs[i] : &v->internals[i - GPU_JOBS_MAX];

		if (!job->detached || job->resource != resource)
			continue;
		if (job->command.hdr.type == VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING)
			backing_join(&v->audit.resources, &job->held, &resource->backing);
		job->resource = NULL; /* another may come to be there */
	}
}

void freeze(struct virtio_vgpu *v)
{
	bool in_hand = v->stage != INTAKE_COMMAND;

	intake_cancel(v);
	lose_guest_jobs(v);
	lose_internal(v);
	if (in_hand && !v->broken)
		intake_fail(v, VIRTIO_GPU_QUEUE_CONTROL);
	v->phase = VGPU_RUN;
	v->hung = true;
	v->status |= VIRTIO_STATUS_NEEDS_RESET;
	vfunc_interrupt_config(v);
	v->shown = true; /* or not: a job with a fence tells whether the engine goes on */
	bury_all(v);
	internal_advance(v);
	intake_wake(v);
}

void go_on_without(struct virtio_vgpu *v)
{
	lose_guest_jobs(v);
	lose_internal(v);
	if (v->phase == VGPU_RUN)
		internal_advance(v);
	else
		reset_advance(v);
}

bool virtio_vgpu_freeze(struct vgpu *vgpu, bool hang)
{
	struct virtio_vgpu *v = virtio_of(vgpu);
	bool frozen;

	spin_lock(&vgpu->lock);
	gpu_drop_queued(vgpu);
	frozen = (v->phase == VGPU_RUN && !v->hung) || v->phase == VGPU_REBUILD;
	v->hangs += frozen && hang;
	if (frozen)
		freeze(v);
	else
		go_on_without(v);
	spin_unlock(&vgpu->lock);
	return frozen;
}

void virtio_vgpu_job_late(struct vgpu *vgpu, struct gpu_job *base)
{
	struct virtio_vgpu *v = virtio_of(vgpu);
	struct virtio_gpu_job *job = container_of(base, struct virtio_gpu_job, base);

	spin_lock(&vgpu->lock);
	if (v->three)
		stream_put(&v->three->arena, job->stream_block);
	backing_release(&v->audit.resources, &job->held);
	base->abandoned = false;
	job->taken = job->detached = false;
	v->detached--;
	if (v->wait_job)
		intake_wake(v);
	spin_unlock(&vgpu->lock);
}
