/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After a reset of the device: a guest's pictures are made anew from its own
 * memory, by one job of ours at a time, and then its jobs are sent again.
 *
 *   each resource that the device had: CREATE and clear -> ATTACH -> fill from the backing
 *   -> scan-out -> the jobs that were queued or out, in order -> RUN
 *
 * What a renderer held is gone, so a guest with 3D is frozen instead. Of 2D, what a guest
 * had sent and whose backing it took away is black, and its pointer
 * comes back when it sets it the next time.
 */
#include "gpu/virtio/virtio_gpu.h"

enum rebuild_step {
	REBUILD_CREATE,
	REBUILD_ATTACH,
	REBUILD_FILL,
};

/* Contexts, and what was made for them. */
static bool has_3d(const struct virtio_vgpu *v)
{
	if (v->three && v->three->contexts.count)
		return true;
	for (u32 i = 0; i < VGPU_RESOURCES_MAX; i++)
		if (v->audit.resources.slots[i].is_3d)
			return true;
	return false;
}

static void freeze_saying(struct virtio_vgpu *v, const char *why)
{
	log_warn("guest %s: gpu %u: %s: its vGPU is frozen until its driver resets it",
		 v->vgpu->vm->name, v->vgpu->gpu->index, why);
	v->hangs++;
	freeze(v);
}

/* The backing that the device had: a DETACH that waits has taken it from the resource. */
static const struct backing *backing_of(struct virtio_vgpu *v, const struct resource *resource)
{
	struct virtio_gpu_job *job = next_job(v, 0);

	for (; job; job = next_job(v, job->order + 1))
		if (job->effect == EFFECT_DETACH && job->resource == resource)
			return &job->backing;
	return &resource->backing;
}

static u32 make_step(struct virtio_vgpu *v, struct resource *resource, u8 step)
{
	struct virtio_gpu_job *job = v->internal;
	const struct backing *backing;

	if (step == REBUILD_CREATE) {
		job->series = SERIES_CLEAR;
		return audit_make_create(resource, &job->command);
	}
	if (!resource->attached)
		return 0;
	backing = backing_of(v, resource);
	if (!backing->entries)
		return 0;
	if (step == REBUILD_FILL)
		return audit_make_fill(resource, backing->bytes, &job->command);
	job->backing = *backing;
	return audit_make_attach(resource, backing, &job->command);
}

/* All is there again: the picture first, then what waited. */
static void end_rebuild(struct virtio_vgpu *v)
{
	u16 shown = v->audit.picture.slot;
	struct virtio_gpu_job *job;

	v->phase = VGPU_RUN;
	if (shown != BACKING_NONE && v->audit.resources.slots[shown].made)
		v->want |= WANT_SHOW | WANT_FLUSH;
	internal_advance(v);
	for (job = next_job(v, 0); job; job = next_job(v, job->order + 1))
		gpu_enqueue(v->vgpu, &job->base);
	intake_wake(v);
}

static void rebuild_advance(struct virtio_vgpu *v)
{
	for (; v->rebuild_next < VGPU_RESOURCES_MAX; v->rebuild_next++) {
		struct resource *resource = &v->audit.resources.slots[v->rebuild_next];

		while (resource->made && v->rebuild_step <= REBUILD_FILL) {
			u32 length;

			start_internal(v, false);
			v->internal->resource = resource;
			length = make_step(v, resource, v->rebuild_step++);
			if (!length)
				continue;
			send_internal(v, length);
			return;
		}
		v->rebuild_step = REBUILD_CREATE;
	}
	end_rebuild(v);
}

void rebuild_done(struct virtio_vgpu *v, const struct virtio_gpu_job *job)
{
	if (is_error(job->answer))
		freeze_saying(v, "its pictures cannot be made anew");
	else
		rebuild_advance(v);
}

void virtio_vgpu_rebuild(struct vgpu *vgpu)
{
	struct virtio_vgpu *v = virtio_of(vgpu);

	spin_lock(&vgpu->lock);
	gpu_drop_queued(vgpu);
	if (v->hung || v->phase == VGPU_DRAIN || v->phase == VGPU_CLEAN) {
		go_on_without(v);
	} else if (has_3d(v)) {
		freeze_saying(v, "its 3D contexts are lost with the reset");
	} else {
		lose_internal(v);
		v->phase = VGPU_REBUILD;
		v->rebuild_next = 0;
		v->rebuild_step = REBUILD_CREATE;
		rebuild_advance(v);
	}
	spin_unlock(&vgpu->lock);
}
