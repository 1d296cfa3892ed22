/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's command stream on its way to jobs, in steps on the guest's own CPU
 * time: copied whole, audited whole, and only then queued.
 *
 *   INTAKE_COPY --> INTAKE_AUDIT --> INTAKE_PIECES --> a job for each piece
 *                        '--> INTAKE_ANSWER, and the context has failed
 */
#include "core/frame.h"
#include "core/lib/string.h"
#include "gpu/virtio/virtio_gpu.h"

#define COPY_BYTES    KIB(16) /* in a step */
#define AUDIT_DWORDS  4096    /* in a step, and one command more */
#define WORK_DWORD    16      /* pixels that take about as long as a dword of a stream */
#define REFUSED_LINES 2	      /* a second */

#define STATE_PAGES ((u32)((sizeof(struct vgpu_3d) + PAGE_MASK) >> PAGE_SHIFT))
#define ARENA_PAGES (STREAM_ARENA_BYTES >> PAGE_SHIFT)

enum err stream_create(struct virtio_vgpu *v)
{
	hpa_t frames = frame_alloc_contiguous(STATE_PAGES);
	hpa_t arena = frame_alloc_contiguous(ARENA_PAGES);
	enum err e = frames.raw && arena.raw ? OK : ERR_NO_MEMORY;

	if (!e)
		e = gpu_dma_map(v->vgpu->gpu, arena, STREAM_ARENA_BYTES, IOMMU_READ);
	if (e) {
		if (frames.raw)
			frame_free_contiguous(frames, STATE_PAGES);
		if (arena.raw)
			frame_free_contiguous(arena, ARENA_PAGES);
		return e;
	}
	v->three = frame_ptr(frames);
	v->three->frames = frames;
	v->three->arena_frames = arena;
	audit_contexts_init(&v->three->contexts, 1 + v->vgpu->number * VIRGL_CONTEXTS_MAX);
	v->audit.contexts = &v->three->contexts;
	return OK;
}

void stream_destroy(struct virtio_vgpu *v)
{
	struct vgpu_3d *three = v->three;
	hpa_t frames, arena;

	if (!three)
		return;
	frames = three->frames;
	arena = three->arena_frames;
	v->three = NULL;
	v->audit.contexts = NULL;
	gpu_dma_unmap(v->vgpu->gpu, arena, STREAM_ARENA_BYTES);
	memset(frame_ptr(arena), 0, STREAM_ARENA_BYTES);
	frame_free_contiguous(arena, ARENA_PAGES);
	memset(three, 0, sizeof(*three));
	frame_free_contiguous(frames, STATE_PAGES);
}

static u8 *copy_at(const struct vgpu_3d *three)
{
	return (u8 *)frame_ptr(three->arena_frames) + three->arena.blocks[three->block].at;
}

bool stream_begin(struct virtio_vgpu *v)
{
	struct vgpu_3d *three = v->three;

	if (stream_take(&three->arena, v->result.stream_bytes, &three->block)) {
		vring_unfetch(&v->rings[VIRTIO_GPU_QUEUE_CONTROL]);
		v->wait_job = true;
		return false;
	}
	three->copied = three->pieces = 0;
	v->stage = INTAKE_COPY;
	return true;
}

void stream_cancel(struct virtio_vgpu *v)
{
	stream_put(&v->three->arena, v->three->block);
	v->three->block = STREAM_NONE;
}

static const struct virgl_resource *find(void *ctx, u32 guest_id)
{
	struct resource *resource = resource_find(ctx, guest_id);

	return resource ? &resource->shape : NULL;
}

/* A failure of the guest's own memory ends the queue, as everywhere. */
static bool copy_step(struct virtio_vgpu *v)
{
	struct vgpu_3d *three = v->three;
	u32 part = MIN(v->result.stream_bytes - three->copied, (u32)COPY_BYTES);
	struct virgl_names names = { .find = find, .ctx = &v->audit.resources };

	if (part && vring_read(&v->chain, &v->vgpu->vm->memory,
			       sizeof(struct virtio_gpu_submit_3d) + (u64)three->copied,
			       copy_at(three) + three->copied, part)) {
		vgpu_broken(v, VIRTIO_GPU_QUEUE_CONTROL, "command stream outside memory");
		return false;
	}
	three->copied += part;
	if (three->copied < v->result.stream_bytes)
		return true;
	virgl_audit_start(&three->audit, &three->contexts.objects, v->result.context,
			  (void *)copy_at(three), three->copied / (u32)sizeof(u32), &names, NULL);
	v->stage = INTAKE_AUDIT;
	return true;
}

/* The context takes no more; the answer waits its turn. */
static void fail_context(struct virtio_vgpu *v)
{
	struct vgpu_3d *three = v->three;

	virgl_context_fail(&three->contexts.objects, v->result.context);
	three->counters.refused++;
	v->result.verdict = AUDIT_ANSWER;
	v->result.answer = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	v->result.why = NULL; /* its line says more than that of other commands */
	v->stage = INTAKE_ANSWER;
}

void stream_refuse(struct virtio_vgpu *v)
{
	if (log_allowed(&v->three->limit, REFUSED_LINES))
		log_warn("guest %s: virgl stream refused: %s; its context has failed",
			 v->vgpu->vm->name, v->result.why);
	fail_context(v);
}

static void report(struct virtio_vgpu *v)
{
	struct vgpu_3d *three = v->three;
	const struct virgl_audit *audit = &three->audit;

	if (log_allowed(&three->limit, REFUSED_LINES))
		log_warn("guest %s: virgl %s%s%s at dword %u refused: %s; its context has failed",
			 v->vgpu->vm->name, virgl_command_name(audit->opcode),
			 audit->object_type ? " " : "", virgl_object_name(audit->object_type),
			 audit->at, audit->why);
}

static void refuse(struct virtio_vgpu *v)
{
	v->audit.counters.refused++;
	report(v);
	stream_cancel(v);
	fail_context(v);
}

static void count(struct stream_counters *counters, const struct virgl_audit *audit)
{
	counters->streams++;
	counters->bytes += (u64)audit->count * sizeof(u32);
	counters->split += audit->cut_count > 1;
	for (u32 i = 0; i < audit->cut_count; i++) {
		const struct virgl_budget *cost = &audit->cuts[i].cost;
		struct virgl_budget *largest = &counters->largest;

		largest->dwords = MAX(largest->dwords, cost->dwords);
		largest->commands = MAX(largest->commands, cost->commands);
		largest->vertices = MAX(largest->vertices, cost->vertices);
		largest->pixels = MAX(largest->pixels, cost->pixels);
	}
}

static bool audit_step(struct virtio_vgpu *v)
{
	struct vgpu_3d *three = v->three;

	switch (virgl_audit_step(&three->audit, AUDIT_DWORDS)) {
	case VIRGL_MORE:
		break;
	case VIRGL_REFUSED:
		refuse(v);
		break;
	case VIRGL_DONE:
		count(&three->counters, &three->audit);
		v->stage = INTAKE_PIECES;
		break;
	}
	return true;
}

/* The scheduler shares what jobs found finished together took by this. */
static u32 work_of(const struct virgl_budget *cost)
{
	u64 work = (u64)cost->dwords * WORK_DWORD + cost->vertices + cost->pixels;

	return (u32)MIN(MAX(work, 1ULL), (u64)GPU_SCHED_WORK_MAX);
}

/* Piece `index` as a job; a stream without a command is one of nothing, for its fence. */
static void send_piece(struct virtio_vgpu *v, struct virtio_gpu_job *job, u32 index, bool last)
{
	struct vgpu_3d *three = v->three;
	const struct virgl_audit *audit = &three->audit;
	const struct virgl_cut none = { 0 };
	const struct virgl_cut *cut = audit->cut_count ? &audit->cuts[index] : &none;
	u32 from = index ? audit->cuts[index - 1].end * (u32)sizeof(u32) : 0;

	intake_fill(v, job, VIRTIO_GPU_QUEUE_CONTROL);
	job->internal = !last;
	job->series = cut->new_sub ? SERIES_FILL : SERIES_NONE;
	job->stream_bytes = cut->end * (u32)sizeof(u32) - from;
	job->stream_block = three->block;
	job->stream = IOVA(three->arena_frames.raw + three->arena.blocks[three->block].at + from);
	job->base.sched.work = work_of(&cut->cost);
	job->length = audit_make_submit(&three->contexts, v->result.context, job->stream_bytes,
					&job->command);
	stream_get(&three->arena, three->block);
	intake_enqueue(v, job);
}

static bool pieces_step(struct virtio_vgpu *v)
{
	struct vgpu_3d *three = v->three;
	u32 count = MAX(three->audit.cut_count, 1U);

	while (three->pieces < count) {
		struct virtio_gpu_job *job = intake_new_job(v);

		if (!job) {
			v->wait_job = true;
			return false;
		}
		send_piece(v, job, three->pieces, three->pieces + 1 == count);
		three->pieces++;
	}
	stream_cancel(v); /* its jobs hold it */
	v->stage = INTAKE_COMMAND;
	return true;
}

bool stream_step(struct virtio_vgpu *v)
{
	switch (v->stage) {
	case INTAKE_COPY:
		return copy_step(v);
	case INTAKE_AUDIT:
		return audit_step(v);
	default:
		return pieces_step(v);
	}
}
