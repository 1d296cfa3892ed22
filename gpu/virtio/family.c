/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio-gpu family: its vGPUs are made and unmade here; the table of both faces. */
#include "core/frame.h"
#include "core/lib/string.h"
#include "gpu/virtio/virtio_gpu.h"

#define STATE_PAGES ((u32)((sizeof(struct virtio_vgpu) + PAGE_MASK) >> PAGE_SHIFT))

/*
 * Units for a quota whose every page is an entry of its own, and some more for
 * resources that fill a part of a unit only.
 */
static u32 units_for(u64 quota)
{
	u64 units = (quota >> PAGE_SHIFT) / BACKING_UNIT_ENTRIES + 128;

	return (u32)MIN(units, (u64)BACKING_UNITS_MAX);
}

static enum err make_units(struct virtio_vgpu *v, u32 count)
{
	u32 pages = (u32)((count * BACKING_UNIT_BYTES + PAGE_MASK) >> PAGE_SHIFT);
	enum err e;

	v->units = frame_alloc_contiguous(pages);
	if (!v->units.raw)
		return ERR_NO_MEMORY;
	v->unit_pages = pages;
	e = gpu_dma_map(v->vgpu->gpu, v->units, (u64)pages << PAGE_SHIFT, IOMMU_READ);
	if (e)
		frame_free_contiguous(v->units, pages);
	return e;
}

static void free_units(struct virtio_vgpu *v)
{
	gpu_dma_unmap(v->vgpu->gpu, v->units, (u64)v->unit_pages << PAGE_SHIFT);
	memset(frame_ptr(v->units), 0, (size_t)v->unit_pages << PAGE_SHIFT);
	frame_free_contiguous(v->units, v->unit_pages);
}

/* 3D, where the device has it; the guest's driver may do without. */
static enum err make_3d(struct virtio_vgpu *v)
{
	enum err e;

	v->audit.capsets = virtio_gpu_capsets(v->vgpu->gpu);
	if (!v->audit.capsets)
		return OK;
	e = stream_create(v);
	if (!e)
		v->offered |= VIRTIO_GPU_F_VIRGL;
	return e;
}

static enum err create(struct vgpu *vgpu)
{
	hpa_t frames = frame_alloc_contiguous(STATE_PAGES);
	u32 units = units_for(vgpu->memory_quota);
	struct virtio_vgpu *v;
	enum err e;

	if (!frames.raw)
		return ERR_NO_MEMORY;
	v = frame_ptr(frames);
	v->vgpu = vgpu;
	v->internal = &v->internals[0];
	e = make_units(v, units);
	if (e) {
		frame_free_contiguous(frames, STATE_PAGES);
		return e;
	}
	audit_init(&v->audit, 1 + vgpu->number * VGPU_RESOURCES_MAX, vgpu->memory_quota,
		   frame_ptr(v->units), (u16)units);
	virtio_gpu_display(vgpu->gpu, vgpu->scanout, &v->audit.display);
	v->offered = VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC;
	if (v->audit.display.edid_size)
		v->offered |= VIRTIO_GPU_F_EDID;
	e = make_3d(v);
	if (e) {
		free_units(v);
		frame_free_contiguous(frames, STATE_PAGES);
		return e;
	}
	v->work.step = intake_step;
	vfunc_init(v);
	vgpu->family = v;
	vgpu->function = &v->function;
	return OK;
}

static void destroy(struct vgpu *vgpu)
{
	struct virtio_vgpu *v = virtio_of(vgpu);
	hpa_t frames = frame_of(v);

	if (v->detached)
		virtio_gpu_forget(vgpu->gpu, vgpu);
	stream_destroy(v);
	free_units(v);
	memset(v, 0, sizeof(*v));
	frame_free_contiguous(frames, STATE_PAGES);
	vgpu->family = NULL;
	vgpu->function = NULL;
}

static const char *state_of(const struct virtio_vgpu *v)
{
	if (v->phase == VGPU_REBUILD)
		return "rebuild";
	if (v->phase != VGPU_RUN)
		return "reset";
	if (v->hung)
		return "hung";
	if (v->broken)
		return "broken";
	return v->status & VIRTIO_STATUS_DRIVER_OK ? "run" : "idle";
}

static void wake(struct vgpu *vgpu)
{
	intake_wake(virtio_of(vgpu));
}

static enum err set_memory(struct vgpu *vgpu, u64 bytes, u64 *used)
{
	struct resource_table *table = &virtio_of(vgpu)->audit.resources;

	spin_guard(&vgpu->lock);
	*used = table->used;
	if (bytes < table->used)
		return ERR_BUSY;
	table->quota = bytes;
	return OK;
}

static u32 percent(u64 part, u64 whole)
{
	return (u32)((part * 100 + whole - 1) / whole);
}

static void report_3d(const struct vgpu_3d *three, struct vgpu_report_3d *out)
{
	const struct stream_counters *counters = &three->counters;
	const struct virgl_budget *largest = &counters->largest;
	u32 most = percent(largest->dwords, virgl_job_limit.dwords);

	most = MAX(most, percent(largest->commands, virgl_job_limit.commands));
	most = MAX(most, percent(largest->vertices, virgl_job_limit.vertices));
	most = MAX(most, percent(largest->pixels, virgl_job_limit.pixels));
	*out = (struct vgpu_report_3d){
		.present = true,
		.contexts = three->contexts.count,
		.streams = counters->streams,
		.bytes = counters->bytes,
		.refused = counters->refused,
		.split = counters->split,
		.largest_percent = most,
	};
}

static void report(struct vgpu *vgpu, struct vgpu_report *out)
{
	struct virtio_vgpu *v = virtio_of(vgpu);
	const struct audit_counters *counters = &v->audit.counters;

	spin_lock(&vgpu->lock);
	*out = (struct vgpu_report){
		.memory_used = v->audit.resources.used,
		.commands = counters->cursor + counters->unknown,
		.refused = counters->refused,
		.resources = v->audit.resources.count,
		.resets = v->resets,
		.hangs = v->hangs,
		.doorbells = v->doorbells,
		.state = state_of(v),
	};
	for (u32 i = 0; i < ARRAY_SIZE(counters->commands); i++)
		out->commands += counters->commands[i];
	for (u32 i = 0; i < ARRAY_SIZE(counters->commands_3d); i++)
		out->commands += counters->commands_3d[i];
	if (v->three)
		report_3d(v->three, &out->three);
	spin_unlock(&vgpu->lock);
}

const struct gpu_family_ops virtio_gpu_family = {
	.name = "virtio-gpu",
	.matches = virtio_gpu_matches,
	.attach = virtio_gpu_attach,
	.submit = virtio_gpu_submit,
	.kick = virtio_gpu_kick,
	.poll = virtio_gpu_poll,
	.abandon = virtio_gpu_abandon,
	.abandoned = virtio_gpu_abandoned,
	.reset = virtio_gpu_reset,
	.give_up = virtio_gpu_give_up,
	.vgpu_create = create,
	.job_done = virtio_vgpu_job_done,
	.vgpu_freeze = virtio_vgpu_freeze,
	.vgpu_wake = wake,
	.vgpu_set_memory = set_memory,
	.job_late = virtio_vgpu_job_late,
	.vgpu_rebuild = virtio_vgpu_rebuild,
	.vgpu_stop = virtio_vgpu_stop,
	.vgpu_stopped = virtio_vgpu_stopped,
	.vgpu_destroy = destroy,
	.vgpu_show = virtio_vgpu_show,
	.vgpu_report = report,
};
