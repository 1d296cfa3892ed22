/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of what the scheduler decided; see trace.h. */
#include "gpu/trace.h"

#include "core/frame.h"
#include "core/lib/string.h"
#include "core/timer.h"
#include "gpu/encode.h"
#include "gpu/gpu.h"

static u32 pages_for(u32 records)
{
	return (u32)((records * sizeof(struct gpu_sched_event) + PAGE_MASK) >> PAGE_SHIFT);
}

/* gpu.lock is held, by the scheduler's caller. */
static void note(void *ctx, const struct gpu_sched_event *event)
{
	struct gpu_trace *trace = &((struct gpu *)ctx)->trace;

	if (trace->count == trace->capacity) {
		trace->lost++;
		if (trace->reading) {
			trace->full = true;
			return;
		}
		trace->first = (trace->first + 1) % trace->capacity;
		trace->count--;
	}
	/* Behind what was lost while reading nothing may follow: that would be a hole. */
	if (trace->full) {
		trace->lost++;
		return;
	}
	trace->ring[(trace->first + trace->count++) % trace->capacity] = *event;
}

/* gpu.lock is held. */
static void begin(struct gpu *gpu)
{
	struct gpu_trace *trace = &gpu->trace;

	trace->first = trace->count = 0;
	trace->full = false;
	trace->on = true;
	gpu->sched.note_ctx = gpu;
	gpu->sched.note = note;
	gpu_sched_note_all(&gpu->sched, now_ns());
}

static void switch_off(struct gpu *gpu)
{
	gpu->sched.note = NULL;
	gpu->trace.on = false;
}

enum err gpu_trace_on(struct gpu *gpu, u32 records)
{
	struct gpu_trace *trace = &gpu->trace;
	hpa_t frames, old = trace->frames;
	u32 old_pages = pages_for(trace->capacity);

	if (trace->reading)
		return ERR_BUSY;
	frames = frame_alloc_contiguous(pages_for(records));
	if (!frames.raw)
		return ERR_NO_MEMORY;
	spin_lock(&gpu->lock);
	*trace = (struct gpu_trace){ .ring = frame_ptr(frames),
				     .frames = frames,
				     .capacity = records };
	begin(gpu);
	spin_unlock(&gpu->lock);
	if (old.raw)
		frame_free_contiguous(old, old_pages);
	return OK;
}

void gpu_trace_off(struct gpu *gpu)
{
	spin_lock(&gpu->lock);
	switch_off(gpu);
	spin_unlock(&gpu->lock);
}

void gpu_trace_submitted(struct gpu *gpu, const struct gpu_sched_job *job)
{
	u64 now = now_ns();

	if (!gpu->trace.on)
		return;
	spin_lock(&gpu->lock);
	note(gpu, &(struct gpu_sched_event){
			  .time_ns = MAX(now, gpu->sched.now_ns),
			  .value = now - MIN(now, job->submitted_ns),
			  .job = job->number,
			  .vgpu = (u16)job->owner->slot,
			  .kind = GPU_SCHED_EVENT_SUBMIT,
			  .in_flight = (u8)gpu->sched.in_flight,
		  });
	spin_unlock(&gpu->lock);
}

enum err gpu_trace_read(struct gpu *gpu, u32 *records, u64 *lost)
{
	struct gpu_trace *trace = &gpu->trace;

	spin_guard(&gpu->lock);
	if (trace->reading)
		return ERR_BUSY;
	trace->reading = true;
	trace->left = *records = trace->count;
	*lost = trace->lost;
	trace->crc = 0;
	/* What follows is the next reading's, which begins with how things stand, as this one. */
	gpu_sched_note_all(&gpu->sched, now_ns());
	return OK;
}

/* gpu.lock is held. */
static void end_reading(struct gpu *gpu)
{
	struct gpu_trace *trace = &gpu->trace;

	trace->reading = false;
	trace->first = (trace->first + trace->left) % trace->capacity;
	trace->count -= trace->left;
	trace->left = 0;
	if (trace->full && trace->on)
		begin(gpu);
}

void gpu_trace_stop_reading(struct gpu *gpu)
{
	spin_guard(&gpu->lock);
	end_reading(gpu);
}

u32 gpu_trace_next(struct gpu *gpu, struct gpu_sched_event *events, u32 *crc)
{
	struct gpu_trace *trace = &gpu->trace;
	u32 count;

	spin_guard(&gpu->lock);
	count = MIN(trace->left, (u32)TRACE_LINE_RECORDS);
	for (u32 i = 0; i < count; i++) {
		events[i] = trace->ring[trace->first];
		trace->first = (trace->first + 1) % trace->capacity;
	}
	trace->count -= count;
	trace->left -= count;
	trace->crc = crc32(trace->crc, events, count * sizeof(*events));
	*crc = trace->crc;
	if (!count)
		end_reading(gpu);
	return count;
}

s64 gpu_trace_count(const struct gpu *gpu)
{
	return gpu->trace.on || gpu->trace.count ? (s64)gpu->trace.count : -1;
}
