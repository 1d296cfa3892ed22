/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a guest's rings to jobs: copying and checking, in bounded steps on the
 * guest's own CPU time.
 *
 *   fetch a request -> copy its command -> audit -> answer now
 *                                               -> job -> scheduler
 *                                               -> copy entries (batch by batch) -> job
 *                                               -> copy a stream, audit it -> jobs (stream.c)
 */
#include "core/irq.h"
#include "core/lib/string.h"
#include "gpu/virtio/virtio_gpu.h"

#define COMMANDS_A_STEP 4
#define COMMAND_WORK	4096 /* pixels that take about as long as a short command */
#define REFUSED_LINES	2    /* a second */

void intake_wake(struct virtio_vgpu *v)
{
	/* Always vCPU 0: one work item belongs to one queue of work. */
	vcpu_queue_work(v->vgpu->vm->vcpus[0], &v->work);
}

void vgpu_broken(struct virtio_vgpu *v, u16 queue, const char *why)
{
	intake_cancel(v);
	v->broken = true;
	v->status |= VIRTIO_STATUS_NEEDS_RESET;
	if (log_allowed(&v->garbage_limit, 1))
		log_warn("guest %s: virtio-gpu %s queue: %s; the device needs a reset",
			 v->vgpu->vm->name,
			 queue == VIRTIO_GPU_QUEUE_CONTROL ? "control" : "cursor", why);
	vfunc_interrupt_config(v);
}

bool deliver(struct virtio_vgpu *v, u16 queue, u16 head, const struct vring_segment *segments,
	     u32 count, const void *answer, u32 size)
{
	const struct gmem *mem = &v->vgpu->vm->memory;
	struct vring *ring = &v->rings[queue];
	u64 room = 0;

	for (u32 i = 0; i < count; i++)
		room += segments[i].len;
	size = (u32)MIN((u64)size, room);
	if (size && vring_write(segments, count, mem, answer, size)) {
		vgpu_broken(v, queue, "answer buffer outside memory");
		return false;
	}
	if (vring_push(ring, mem, head, size)) {
		vgpu_broken(v, queue, "used ring outside memory");
		return false;
	}
	return true;
}

void vgpu_tell(struct virtio_vgpu *v, u16 queue)
{
	if (vring_wants_interrupt(&v->rings[queue], &v->vgpu->vm->memory))
		vfunc_interrupt_queue(v, queue);
}

void intake_cancel(struct virtio_vgpu *v)
{
	if (v->stage == INTAKE_ENTRIES)
		backing_release(&v->audit.resources, &v->filling);
	if (v->stage >= INTAKE_COPY && v->stage <= INTAKE_PIECES)
		stream_cancel(v);
	v->stage = INTAKE_COMMAND;
	v->wait_job = v->wait_idle = false;
}

struct virtio_gpu_job *intake_take_job(struct virtio_vgpu *v)
{
	for (u32 i = 0; i < GPU_JOBS_MAX; i++)
		if (!v->jobs[i].taken)
			return &v->jobs[i];
	return NULL;
}

/* Jobs of our own do not count: the guest did not ask for them. */
struct virtio_gpu_job *intake_new_job(struct virtio_vgpu *v)
{
	u32 limit = __atomic_load_n(&v->vgpu->queue_limit, __ATOMIC_RELAXED);

	return v->outstanding - v->internal->taken < limit ? intake_take_job(v) : NULL;
}

/* The writable buffers that the header of the answer goes into. */
static void keep_response_place(struct virtio_gpu_job *job, const struct vring_chain *chain)
{
	u64 covered = 0;

	job->response_count = 0;
	for (u32 i = 0; i < chain->write_count && covered < sizeof(struct virtio_gpu_hdr); i++) {
		const struct vring_segment *segment = &chain->segments[chain->read_count + i];

		if (!segment->len)
			continue;
		job->response[job->response_count++] = *segment;
		covered += segment->len;
	}
}

/* Pixels that the device touches, and something for the command itself. */
static u32 work_of(const struct virtio_gpu_job *job)
{
	const union virtio_gpu_command *command = &job->command;
	const struct virtio_gpu_rect *rect = &command->flush.rect; /* also in a transfer */
	const struct virtio_gpu_box *box = &command->transfer_3d.box;
	u64 pixels = 0;

	switch (command->hdr.type) {
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		pixels = (u64)rect->width * rect->height;
		break;
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D:
	case VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D:
		pixels = (u64)box->width * box->height * box->depth;
		break;
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_3D: /* it is cleared */
		pixels = job->resource->bytes / 4;
		break;
	case VIRTIO_GPU_CMD_SUBMIT_3D:
		return job->base.sched.work; /* stream.c */
	default:
		break;
	}
	return (u32)MIN(pixels + COMMAND_WORK, (u64)GPU_SCHED_WORK_MAX);
}

void intake_enqueue(struct virtio_vgpu *v, struct virtio_gpu_job *job)
{
	job->taken = true;
	job->order = v->order++;
	job->base.sched.work = work_of(job);
	v->outstanding++;
	gpu_enqueue(v->vgpu, &job->base);
}

/*
 * Whether the end of a command's work is to be told by a fence, which renderers look at late. With
 * streams about, they have theirs, and what comes between has one only where the guest asked for
 * it. Without, each command has: its end says that the engine lives (hang.h).
 */
static bool needs_fence(const struct virtio_vgpu *v)
{
	bool streams = v->three && v->three->contexts.count;

	return !streams || v->header.type == VIRTIO_GPU_CMD_SUBMIT_3D ||
	       (v->header.flags & VIRTIO_GPU_FLAG_FENCE);
}

void intake_fill(struct virtio_vgpu *v, struct virtio_gpu_job *job, u8 queue)
{
	const struct audit_result *result = &v->result;

	job->internal = false;
	job->base.early = job->unfenced = !needs_fence(v);
	job->queue = queue;
	job->head = v->chain.head;
	job->effect = result->effect;
	job->series = result->series;
	job->resource = result->resource;
	job->context = result->context;
	job->backing = result->backing;
	job->stream_block = STREAM_NONE;
	job->stream_bytes = 0;
	job->names_scanout = result->names_scanout;
	job->length = result->length;
	job->command = result->command;
	job->guest = v->header;
	keep_response_place(job, &v->chain);
}

static void send(struct virtio_vgpu *v, struct virtio_gpu_job *job, u8 queue)
{
	intake_fill(v, job, queue);
	if (v->result.names_scanout)
		v->shown = true;
	intake_enqueue(v, job);
}

/* The fence fields of an answer are the guest's own (5.7.6.7). */
static void echo_fence(struct virtio_gpu_hdr *answer, const struct virtio_gpu_hdr *command)
{
	if (!(command->flags & VIRTIO_GPU_FLAG_FENCE))
		return;
	answer->flags = VIRTIO_GPU_FLAG_FENCE;
	answer->fence_id = command->fence_id;
	answer->ctx_id = command->ctx_id;
	answer->ring_idx = command->ring_idx;
}

static void report_refusal(struct virtio_vgpu *v)
{
	if (v->result.why && log_allowed(&v->refused_limit, REFUSED_LINES))
		log_warn("guest %s: virtio-gpu command 0x%x refused: %s", v->vgpu->vm->name,
			 v->header.type, v->result.why);
}

static void answer_now(struct virtio_vgpu *v, u16 queue)
{
	u32 size = 0;

	report_refusal(v);
	if (queue == VIRTIO_GPU_QUEUE_CONTROL) {
		size = audit_fill_answer(&v->audit, &v->result, &v->answer);
		echo_fence(&v->answer.hdr, &v->header);
	}
	if (deliver(v, queue, v->chain.head, &v->chain.segments[v->chain.read_count],
		    v->chain.write_count, &v->answer, size))
		vgpu_tell(v, queue);
}

void intake_fail(struct virtio_vgpu *v, u16 queue)
{
	v->result.verdict = AUDIT_ANSWER;
	v->result.answer = VIRTIO_GPU_RESP_ERR_UNSPEC;
	v->result.why = NULL;
	answer_now(v, queue);
}

/* A fence says that all before it is done: its answer waits for the jobs that are out. */
static bool must_wait(struct virtio_vgpu *v)
{
	return v->outstanding && (v->header.flags & VIRTIO_GPU_FLAG_FENCE);
}

static void start_entries(struct virtio_vgpu *v)
{
	v->stage = INTAKE_ENTRIES;
	backing_init(&v->filling);
	v->entry_next = v->entry_in_batch = v->batch_count = v->entry_offset = 0;
}

static bool answers_now(const struct audit_result *result)
{
	return result->verdict == AUDIT_ANSWER || result->verdict == AUDIT_BURY;
}

/* What the audit said of the command in hand; true: there may be more. */
static bool act(struct virtio_vgpu *v, struct virtio_gpu_job *job, u8 queue)
{
	switch (v->result.verdict) {
	case AUDIT_BURY:
		resource_bury(&v->audit.resources, v->result.resource);
		v->want |= WANT_REAP;
		answer_now(v, queue);
		break;
	case AUDIT_ANSWER:
		answer_now(v, queue);
		break;
	case AUDIT_SUBMIT:
		send(v, job, queue);
		break;
	case AUDIT_BACKING:
		start_entries(v);
		break;
	case AUDIT_STREAM:
		return stream_begin(v);
	case AUDIT_FAIL:
		stream_refuse(v);
		break;
	}
	return !v->broken;
}

/* One command of `queue`; true: there may be more. */
static bool take_command(struct virtio_vgpu *v, u16 queue)
{
	const struct gmem *mem = &v->vgpu->vm->memory;
	struct virtio_gpu_job *job = intake_new_job(v);
	union virtio_gpu_command bytes = { 0 };
	const char *why = "";
	u32 length;
	enum err e;

	if (!v->rings[queue].enabled)
		return false;
	if (!job) {
		v->wait_job = true;
		return false;
	}
	e = vring_fetch(&v->rings[queue], mem, &v->chain, &why);
	if (e == ERR_NOT_FOUND)
		return false;
	length = (u32)MIN(v->chain.read_bytes, (u64)sizeof(bytes));
	if (!e && vring_read(&v->chain, mem, 0, &bytes, length)) {
		e = ERR_FAULT;
		why = "command outside memory";
	}
	if (e) {
		vgpu_broken(v, queue, why);
		return false;
	}
	memset(&v->header, 0, sizeof(v->header));
	memcpy(&v->header, &bytes, MIN(length, (u32)sizeof(v->header)));
	if (v->hung) {
		intake_fail(v, queue);
		return !v->broken;
	}
	v->audit.accepts_3d = v->accepted & VIRTIO_GPU_F_VIRGL;
	if (queue == VIRTIO_GPU_QUEUE_CONTROL)
		audit_control(&v->audit, &bytes, length, v->chain.read_bytes, &v->result);
	else
		audit_cursor(&v->audit, &bytes, length, v->chain.read_bytes, &v->result);
	if (answers_now(&v->result) && must_wait(v)) {
		/* Nothing has been changed by the audit; it is taken anew later. */
		vring_unfetch(&v->rings[queue]);
		v->wait_idle = true;
		return false;
	}
	return act(v, job, (u8)queue);
}

/* ---- ATTACH_BACKING ---- */

static bool read_batch(struct virtio_vgpu *v)
{
	u32 count = MIN(v->result.entry_count - v->entry_next, (u32)ENTRY_BATCH);
	u64 at = sizeof(struct virtio_gpu_attach_backing) +
		 (u64)v->entry_next * sizeof(struct virtio_gpu_mem_entry);

	v->batch_count = count;
	v->entry_in_batch = 0;
	return vring_read(&v->chain, &v->vgpu->vm->memory, at, v->batch,
			  count * (u32)sizeof(struct virtio_gpu_mem_entry)) == OK;
}

/* The next piece of the entry in hand; OK, ERR_FAULT or ERR_FULL. */
static enum err take_piece(struct virtio_vgpu *v)
{
	const struct virtio_gpu_mem_entry *entry = &v->batch[v->entry_in_batch];
	u32 left = entry->length - v->entry_offset;
	iova_t iova;
	u32 run = 0;
	enum err e = OK;

	if (left) {
		e = vgpu_dma_translate(v->vgpu, GPA(entry->addr + v->entry_offset), left, &iova,
				       &run);
		if (!e)
			e = backing_append(&v->audit.resources, &v->filling, iova, run);
	}
	v->entry_offset += run;
	if (v->entry_offset == entry->length) {
		v->entry_offset = 0;
		v->entry_in_batch++;
		v->entry_next++;
	}
	return e;
}

static void refuse_entries(struct virtio_vgpu *v, enum err e)
{
	backing_release(&v->audit.resources, &v->filling);
	v->stage = INTAKE_COMMAND;
	v->audit.counters.refused++;
	if (e == ERR_FULL) {
		v->result.answer = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
		v->result.why = "too many backing entries";
	} else {
		v->result.answer = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
		v->result.why = "backing entry outside the guest's memory";
	}
	v->result.verdict = AUDIT_ANSWER;
}

/* A batch of entries; true: there may be more to do. */
static bool take_entries(struct virtio_vgpu *v)
{
	enum err e = OK;

	if (v->result.verdict == AUDIT_BACKING) {
		if (v->entry_in_batch == v->batch_count && !read_batch(v)) {
			vgpu_broken(v, VIRTIO_GPU_QUEUE_CONTROL, "backing entries outside memory");
			return false;
		}
		for (u32 pieces = 0;
		     !e && pieces < ENTRY_BATCH && v->entry_in_batch < v->batch_count; pieces++)
			e = take_piece(v);
		if (!e && v->entry_next < v->result.entry_count)
			return true;
		if (!e && !v->filling.entries)
			e = ERR_FAULT; /* all of length 0 */
	}
	if (e) {
		refuse_entries(v, e);
	} else {
		audit_backing_done(&v->audit, &v->result, &v->filling);
		v->stage = INTAKE_COMMAND;
	}
	return true;
}

/* What take_entries() ended with: a job or an answer. */
static bool end_entries(struct virtio_vgpu *v)
{
	struct virtio_gpu_job *job = intake_take_job(v);

	if (v->result.verdict == AUDIT_ANSWER)
		v->stage = INTAKE_ANSWER;
	else if (job) /* one was free when the command was taken, and only we take them */
		send(v, job, VIRTIO_GPU_QUEUE_CONTROL);
	return !v->broken;
}

/* The command in hand was refused after it was taken: its fence comes last, too. */
static bool end_refused(struct virtio_vgpu *v)
{
	if (must_wait(v)) {
		v->wait_idle = true;
		return false;
	}
	v->stage = INTAKE_COMMAND;
	answer_now(v, VIRTIO_GPU_QUEUE_CONTROL);
	return !v->broken;
}

static bool one_piece_of_work(struct virtio_vgpu *v)
{
	if (v->stage == INTAKE_ENTRIES) {
		bool go_on = take_entries(v);

		if (go_on && v->stage == INTAKE_COMMAND)
			return end_entries(v);
		return go_on;
	}
	if (v->stage == INTAKE_ANSWER)
		return end_refused(v);
	if (v->stage != INTAKE_COMMAND)
		return stream_step(v);
	/* The pointer first: it is short work, and a full control queue must not freeze it. */
	if (take_command(v, VIRTIO_GPU_QUEUE_CURSOR))
		return true;
	return !v->broken && take_command(v, VIRTIO_GPU_QUEUE_CONTROL);
}

static void count_refusals(struct virtio_vgpu *v)
{
	u64 refused = v->audit.counters.refused;

	if (refused != v->refused_seen)
		vgpu_count(v->vgpu, GUARD_REFUSED, (u32)(refused - v->refused_seen));
	v->refused_seen = refused;
}

bool intake_step(struct vcpu *vcpu, struct vcpu_work *work)
{
	struct virtio_vgpu *v = container_of(work, struct virtio_vgpu, work);
	bool more;

	(void)vcpu;
	irq_hold_kicks(); /* one for all jobs, and none with the lock held */
	spin_lock(&v->vgpu->lock);
	more = vgpu_may_take(v->vgpu);
	v->wait_job = v->wait_idle = false;
	for (u32 i = 0; more && i < COMMANDS_A_STEP; i++) {
		more = v->phase == VGPU_RUN && !v->broken && v->function.bus_master &&
		       (v->status & VIRTIO_STATUS_DRIVER_OK) && one_piece_of_work(v);
		if (v->stage != INTAKE_COMMAND)
			break; /* a batch of entries or a part of a stream is a step */
	}
	count_refusals(v);
	spin_unlock(&v->vgpu->lock);
	irq_release_kicks();
	return more;
}
