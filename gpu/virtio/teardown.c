/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens after a job: its effect, the answer to the guest, and the jobs
 * of our own that show, hide and destroy.
 *
 *   RUN --reset--> DRAIN --all jobs are back--> CLEAN --all resources gone--> RUN
 */
#include "core/lib/string.h"
#include "gpu/virtio/virtio_gpu.h"

static bool is_error(u32 answer)
{
	return answer < VIRTIO_GPU_RESP_OK_NODATA || answer >= VIRTIO_GPU_RESP_ERR_UNSPEC;
}

/* The guest is told of the first thing that went wrong while its resource was made. */
static void end_create(struct virtio_vgpu *v, struct virtio_gpu_job *job)
{
	struct resource *resource = job->resource;

	if (resource->failure)
		job->answer = resource->failure;
	if (!is_error(job->answer) || resource->state != RESOURCE_LIVE)
		return;
	/* Jobs behind this one may name it: an UNREF of ours ends it in turn. */
	if (v->audit.picture.slot == resource->slot)
		v->audit.picture.slot = BACKING_NONE;
	resource_bury(&v->audit.resources, resource);
	v->want |= WANT_REAP;
}

static void apply_effect(struct virtio_vgpu *v, struct virtio_gpu_job *job)
{
	struct resource_table *table = &v->audit.resources;
	struct resource *resource = job->resource;

	switch (job->effect) {
	case EFFECT_NONE:
		break;
	case EFFECT_CREATE:
		if (is_error(job->answer) && !resource->failure)
			resource->failure = job->answer;
		break;
	case EFFECT_CLEARED:
		end_create(v, job);
		break;
	case EFFECT_UNREF:
		resource_free(table, resource);
		break;
	case EFFECT_ATTACH:
		if (!is_error(job->answer) || resource->backing.first != job->backing.first)
			break;
		backing_release(table, &resource->backing);
		resource->backed = false;
		break;
	case EFFECT_DETACH:
		backing_release(table, &job->backing);
		break;
	}
}

static void answer_guest(struct virtio_vgpu *v, struct virtio_gpu_job *job)
{
	struct virtio_gpu_hdr hdr = { .type = job->answer };
	bool control = job->queue == VIRTIO_GPU_QUEUE_CONTROL;

	if (v->phase != VGPU_RUN || v->broken)
		return;
	if (job->guest.flags & VIRTIO_GPU_FLAG_FENCE) {
		hdr.flags = VIRTIO_GPU_FLAG_FENCE;
		hdr.fence_id = job->guest.fence_id;
		hdr.ctx_id = job->guest.ctx_id;
		hdr.ring_idx = job->guest.ring_idx;
	}
	deliver(v, job->queue, job->head, job->response, control ? job->response_count : 0, &hdr,
		control ? sizeof(hdr) : 0);
}

/* ---- jobs of our own ---- */

static void send_internal(struct virtio_vgpu *v, u32 length)
{
	struct virtio_gpu_job *job = &v->internal;

	job->taken = true;
	job->internal = true;
	job->queue = VIRTIO_GPU_QUEUE_CONTROL;
	job->length = length;
	job->base.sched.work = 1;
	v->outstanding++;
	gpu_enqueue(v->vgpu, &job->base);
}

static void start_internal(struct virtio_vgpu *v, bool names_scanout)
{
	v->internal.effect = EFFECT_NONE;
	v->internal.resource = NULL;
	v->internal.names_scanout = names_scanout;
	v->internal.zero_entries = 0;
	backing_init(&v->internal.backing);
}

static void send_unref(struct virtio_vgpu *v, struct resource *resource)
{
	start_internal(v, false);
	resource->unref_queued = true;
	v->internal.effect = EFFECT_UNREF;
	v->internal.resource = resource;
	send_internal(v, audit_make_unref(resource, &v->internal.command));
}

static void send_hide(struct virtio_vgpu *v)
{
	struct virtio_gpu_set_scanout *command = &v->internal.command.set_scanout;

	start_internal(v, false);
	memset(&v->internal.command, 0, sizeof(v->internal.command));
	command->hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT;
	command->scanout_id = (u32)v->hide_scanout;
	send_internal(v, sizeof(*command));
}

static struct resource *buried(struct virtio_vgpu *v)
{
	for (u32 i = 0; i < VGPU_RESOURCES_MAX; i++) {
		struct resource *resource = &v->audit.resources.slots[i];

		if (resource->state == RESOURCE_BURIED && !resource->unref_queued)
			return resource;
	}
	return NULL;
}

void internal_advance(struct virtio_vgpu *v)
{
	struct resource *resource;
	u32 length;

	if (v->internal.taken || v->phase == VGPU_DRAIN)
		return;
	if (v->want & WANT_HIDE) {
		v->want &= ~(u32)WANT_HIDE;
		send_hide(v);
		return;
	}
	if (v->want & WANT_SHOW) {
		v->want &= ~(u32)WANT_SHOW;
		start_internal(v, true);
		send_internal(v, audit_make_show(&v->audit, &v->internal.command));
		return;
	}
	if (v->want & WANT_FLUSH) {
		v->want &= ~(u32)WANT_FLUSH;
		length = audit_make_flush(&v->audit, &v->internal.command);
		if (length) {
			start_internal(v, false);
			send_internal(v, length);
			return;
		}
	}
	if (v->want & WANT_REAP) {
		resource = buried(v);
		if (resource)
			send_unref(v, resource);
		else
			v->want &= ~(u32)WANT_REAP;
	}
}

/* ---- reset ---- */

static void begin_clean(struct virtio_vgpu *v)
{
	s32 scanout = __atomic_load_n(&v->vgpu->scanout, __ATOMIC_ACQUIRE);

	v->phase = VGPU_CLEAN;
	v->audit.picture.slot = BACKING_NONE;
	v->want = WANT_REAP;
	if (v->shown && scanout != GPU_SCANOUT_NONE)
		v->want |= WANT_SHOW; /* of nothing, wherever it is then */
	v->shown = false;
	for (u32 i = 0; i < VGPU_RESOURCES_MAX; i++)
		resource_bury(&v->audit.resources, &v->audit.resources.slots[i]);
}

static void end_clean(struct virtio_vgpu *v)
{
	invariant(!v->audit.resources.count && !v->audit.resources.used);
	v->resets++;
	v->broken = false;
	vfunc_reset_registers(v);
	v->phase = VGPU_RUN;
	v->stopping = false;
}

static void reset_advance(struct virtio_vgpu *v)
{
	if (v->outstanding)
		return;
	if (v->phase == VGPU_DRAIN)
		begin_clean(v);
	internal_advance(v);
	if (!v->outstanding)
		end_clean(v);
}

void vgpu_begin_reset(struct virtio_vgpu *v)
{
	if (v->phase != VGPU_RUN)
		return;
	intake_cancel(v);
	v->phase = VGPU_DRAIN;
	reset_advance(v);
}

void virtio_vgpu_job_done(struct vgpu *vgpu, struct gpu_job *base)
{
	struct virtio_vgpu *v = virtio_of(vgpu);
	struct virtio_gpu_job *job = container_of(base, struct virtio_gpu_job, base);

	spin_lock(&vgpu->lock);
	apply_effect(v, job);
	if (!job->internal)
		answer_guest(v, job);
	job->taken = false;
	v->outstanding--;
	if (v->phase == VGPU_RUN) {
		internal_advance(v);
		if (v->wait_job || (v->wait_idle && !v->outstanding))
			intake_wake(v);
	} else {
		reset_advance(v);
	}
	spin_unlock(&vgpu->lock);
}

void virtio_vgpu_stop(struct vgpu *vgpu)
{
	struct virtio_vgpu *v = virtio_of(vgpu);

	vcpu_cancel_work(vgpu->vm->vcpus[0], &v->work);
	spin_lock(&vgpu->lock);
	v->stopping = true;
	vgpu_begin_reset(v);
	spin_unlock(&vgpu->lock);
}

bool virtio_vgpu_stopped(struct vgpu *vgpu)
{
	struct virtio_vgpu *v = virtio_of(vgpu);
	bool gone;

	spin_lock(&vgpu->lock);
	gone = !v->stopping;
	spin_unlock(&vgpu->lock);
	return gone;
}
