/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens after a job: its effect, the answer to the guest, and the jobs
 * of our own that show, hide and destroy.
 *
 *   RUN --reset--> DRAIN --all jobs are back--> CLEAN --all resources gone--> RUN
 *
 * A vGPU that is hung destroys what it has in RUN (freeze.c).
 */
#include "core/lib/string.h"
#include "gpu/virtio/virtio_gpu.h"

/* Made and cleared, or not at all. */
static void end_create(struct virtio_vgpu *v, struct virtio_gpu_job *job)
{
	struct resource *resource = job->resource;

	if (!is_error(job->answer))
		resource->made = true;
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
		end_create(v, job);
		break;
	case EFFECT_UNREF:
		keep_units(v, resource);
		resource_free(table, resource);
		break;
	case EFFECT_ATTACH:
		if (!is_error(job->answer))
			resource->attached = true;
		if (!is_error(job->answer) || resource->backing.first != job->backing.first)
			break;
		backing_release(table, &resource->backing);
		resource_set_backing(resource, &resource->backing);
		break;
	case EFFECT_DETACH:
		resource->attached = false;
		backing_release(table, &job->backing);
		break;
	case EFFECT_CTX_NEW:
		if (is_error(job->answer))
			virgl_context_fail(&v->three->contexts.objects, job->context);
		break;
	case EFFECT_CTX_END:
		audit_context_free(&v->three->contexts, job->context);
		break;
	}
}

/* A guest that resets its device waits for no answers. */
static bool wants_answers(const struct virtio_vgpu *v)
{
	return (v->phase == VGPU_RUN || v->phase == VGPU_REBUILD) && !v->broken;
}

/*
 * An answer that no fence waits for is told with the next one, which is on its way: a guest is
 * interrupted once for SET_SCANOUT and RESOURCE_FLUSH. The pointer's are not held up by long work.
 */
static bool is_told_later(const struct virtio_vgpu *v, const struct virtio_gpu_job *job)
{
	bool more = false;

	if (job->queue != VIRTIO_GPU_QUEUE_CONTROL || (job->guest.flags & VIRTIO_GPU_FLAG_FENCE))
		return false;
	for (u32 i = 0; i < GPU_JOBS_MAX; i++)
		more |= v->jobs[i].taken && !v->jobs[i].detached && &v->jobs[i] != job &&
			v->jobs[i].queue == VIRTIO_GPU_QUEUE_CONTROL;
	return more;
}

void answer_guest(struct virtio_vgpu *v, struct virtio_gpu_job *job)
{
	struct virtio_gpu_hdr hdr = { .type = job->answer };
	bool control = job->queue == VIRTIO_GPU_QUEUE_CONTROL;

	if (!wants_answers(v))
		return;
	if (job->guest.flags & VIRTIO_GPU_FLAG_FENCE) {
		hdr.flags = VIRTIO_GPU_FLAG_FENCE;
		hdr.fence_id = job->guest.fence_id;
		hdr.ctx_id = job->guest.ctx_id;
		hdr.ring_idx = job->guest.ring_idx;
	}
	if (deliver(v, job->queue, job->head, job->response, control ? job->response_count : 0,
		    &hdr, control ? sizeof(hdr) : 0) &&
	    !is_told_later(v, job))
		vgpu_tell(v, job->queue);
}

/* ---- jobs of our own ---- */

void send_internal(struct virtio_vgpu *v, u32 length)
{
	struct virtio_gpu_job *job = v->internal;

	job->taken = true;
	job->internal = true;
	job->base.ours = true;
	job->base.early = job->unfenced;
	job->queue = VIRTIO_GPU_QUEUE_CONTROL;
	job->length = length;
	job->base.sched.work = 1;
	v->outstanding++;
	gpu_enqueue(v->vgpu, &job->base);
}

void start_internal(struct virtio_vgpu *v, bool names_scanout)
{
	struct virtio_gpu_job *job = v->internal;

	job->effect = EFFECT_NONE;
	job->series = SERIES_NONE;
	job->resource = NULL;
	job->names_scanout = names_scanout;
	job->unfenced = false;
	job->stream_block = STREAM_NONE;
	job->stream_bytes = 0;
	job->want = 0;
	backing_init(&job->backing);
}

static void send_unref(struct virtio_vgpu *v, struct resource *resource)
{
	start_internal(v, false);
	v->internal->unfenced = true; /* read is done; renderers look at fences late */
	resource->unref_queued = true;
	v->internal->effect = EFFECT_UNREF;
	v->internal->resource = resource;
	send_internal(v, audit_make_unref(resource, &v->internal->command));
}

static void send_hide(struct virtio_vgpu *v)
{
	struct virtio_gpu_set_scanout *command = &v->internal->command.set_scanout;

	start_internal(v, false);
	v->internal->want = WANT_HIDE;
	memset(&v->internal->command, 0, sizeof(v->internal->command));
	command->hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT;
	command->scanout_id = (u32)v->hide_scanout;
	send_internal(v, sizeof(*command));
}

static void send_ctx_destroy(struct virtio_vgpu *v, u32 slot)
{
	invariant(v->three);
	start_internal(v, false);
	v->internal->unfenced = true;
	v->three->contexts.slots[slot].end_queued = true;
	v->internal->effect = EFFECT_CTX_END;
	v->internal->context = slot;
	send_internal(v, audit_make_ctx_destroy(&v->three->contexts, slot, &v->internal->command));
}

static s32 buried_context(const struct virtio_vgpu *v)
{
	for (u32 i = 0; v->three && i < VIRGL_CONTEXTS_MAX; i++)
		if (v->three->contexts.slots[i].state == CONTEXT_BURIED &&
		    !v->three->contexts.slots[i].end_queued)
			return (s32)i;
	return -1;
}

/*
 * The next buried resource, round and round; one that a context has bound stays
 * until it has not. At most one of those is looked at: `waits` says that there was one.
 */
static struct resource *buried(struct virtio_vgpu *v, bool *waits)
{
	for (u32 i = 0; i < VGPU_RESOURCES_MAX; i++) {
		struct resource *resource = &v->audit.resources.slots[v->reap_next];

		v->reap_next = (u16)((v->reap_next + 1) % VGPU_RESOURCES_MAX);
		if (resource->state != RESOURCE_BURIED || resource->unref_queued)
			continue;
		*waits = v->three && virgl_is_bound(&v->three->contexts.objects, resource->host_id);
		return *waits ? NULL : resource;
	}
	return NULL;
}

static void reap(struct virtio_vgpu *v)
{
	s32 context = buried_context(v);
	struct resource *resource;
	bool waits = false;

	if (context >= 0) {
		send_ctx_destroy(v, (u32)context);
		return;
	}
	resource = buried(v, &waits);
	if (resource)
		send_unref(v, resource);
	else if (!waits)
		v->want &= ~(u32)WANT_REAP;
}

void internal_advance(struct virtio_vgpu *v)
{
	u32 length;

	if (v->internal->taken || v->phase == VGPU_DRAIN || v->phase == VGPU_REBUILD)
		return;
	if (v->want & WANT_HIDE) {
		v->want &= ~(u32)WANT_HIDE;
		send_hide(v);
		return;
	}
	if (v->want & WANT_SHOW) {
		v->want &= ~(u32)WANT_SHOW;
		start_internal(v, true);
		v->internal->want = WANT_SHOW;
		send_internal(v, audit_make_show(&v->audit, &v->internal->command));
		return;
	}
	if (v->want & WANT_FLUSH) {
		v->want &= ~(u32)WANT_FLUSH;
		length = audit_make_flush(&v->audit, &v->internal->command);
		if (length) {
			start_internal(v, false);
			v->internal->want = WANT_FLUSH;
			send_internal(v, length);
			return;
		}
	}
	if (v->want & WANT_REAP)
		reap(v);
}

/* ---- reset ---- */

void bury_all(struct virtio_vgpu *v)
{
	s32 scanout = __atomic_load_n(&v->vgpu->scanout, __ATOMIC_ACQUIRE);

	v->audit.picture.slot = BACKING_NONE;
	v->want = (v->want & WANT_HIDE) | WANT_REAP;
	if (v->shown && scanout != GPU_SCANOUT_NONE)
		v->want |= WANT_SHOW; /* of nothing, wherever it is then */
	v->shown = false;
	for (u32 i = 0; v->three && i < VIRGL_CONTEXTS_MAX; i++)
		audit_context_bury(&v->three->contexts, i);
	for (u32 i = 0; i < VGPU_RESOURCES_MAX; i++)
		resource_bury(&v->audit.resources, &v->audit.resources.slots[i]);
}

static void end_clean(struct virtio_vgpu *v)
{
	invariant(!v->audit.resources.count && !v->audit.resources.used);
	invariant(!v->three || !v->three->contexts.count);
	invariant(!v->three || !v->three->arena.count || v->detached);
	v->resets++;
	v->broken = false;
	v->hung = v->vgpu->gpu->hang.given_up;
	vfunc_reset_registers(v);
	v->phase = VGPU_RUN;
	v->stopping = false;
}

void reset_advance(struct virtio_vgpu *v)
{
	if (v->outstanding)
		return;
	if (v->phase == VGPU_DRAIN) {
		v->phase = VGPU_CLEAN;
		bury_all(v);
	}
	internal_advance(v);
	if (!v->outstanding)
		end_clean(v);
}

void vgpu_begin_reset(struct virtio_vgpu *v)
{
	bool rebuild = v->phase == VGPU_REBUILD;

	if (v->phase == VGPU_DRAIN || v->phase == VGPU_CLEAN)
		return;
	intake_cancel(v);
	v->phase = VGPU_DRAIN;
	if (rebuild)
		lose_guest_jobs(v); /* they are not out */
	reset_advance(v);
}

void virtio_vgpu_job_done(struct vgpu *vgpu, struct gpu_job *base)
{
	struct virtio_vgpu *v = virtio_of(vgpu);
	struct virtio_gpu_job *job = container_of(base, struct virtio_gpu_job, base);

	spin_lock(&vgpu->lock);
	apply_effect(v, job);
	if (v->three)
		stream_put(&v->three->arena, job->stream_block);
	if (!job->internal)
		answer_guest(v, job);
	job->taken = false;
	v->outstanding--;
	if (v->phase == VGPU_RUN) {
		internal_advance(v);
		if (v->wait_job || (v->wait_idle && !v->outstanding))
			intake_wake(v);
	} else if (v->phase == VGPU_REBUILD) {
		rebuild_done(v, job);
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
