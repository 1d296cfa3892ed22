/* SPDX-License-Identifier: Apache-2.0 */
/* The VBE family: its vGPUs are made, stopped and unmade here; the table of both faces. */
#include "core/frame.h"
#include "core/lib/string.h"
#include "core/log.h"
#include "gpu/vbe/vbe.h"

#define STATE_PAGES ((u32)((sizeof(struct vbe_vgpu) + PAGE_MASK) >> PAGE_SHIFT))

static enum err take_slice(struct vgpu *vgpu, struct vbe_slice *slice)
{
	const struct vbe_gpu *hw = vgpu->gpu->family;
	const struct config *config = gpu_config();
	u32 guest = (u32)(vgpu->vm->config - config->guests);
	enum err e = vbe_slice_of(config, vgpu->gpu->index, guest, hw->size, slice);

	if (e) {
		log_error("guest %s: video memory of gpu %u: %lu MiB among its guests leave less "
			  "than %lu MiB for this one",
			  vgpu->vm->name, vgpu->gpu->index, hw->size >> 20, VBE_SLICE_MIN >> 20);
		return e;
	}
	log_info("guest %s: %lu MiB of video memory at %lu MiB of gpu %u", vgpu->vm->name,
		 slice->size >> 20, slice->base >> 20, vgpu->gpu->index);
	return OK;
}

static enum err create(struct vgpu *vgpu)
{
	struct vbe_slice slice;
	enum err e = take_slice(vgpu, &slice);
	struct vbe_vgpu *v;
	hpa_t frames;

	if (e)
		return e;
	frames = frame_alloc_contiguous(STATE_PAGES);
	if (!frames.raw)
		return ERR_NO_MEMORY;
	v = frame_ptr(frames);
	v->vgpu = vgpu;
	v->slice = slice;
	v->clearing = slice.size; /* vbe_attach() has cleared it all */
	vgpu->memory_quota = slice.size;
	vbe_registers_init(&v->registers, slice.size);
	vbe_edid(v->edid, slice.size);
	vbe_neutral_mode(&v->mode, &slice);
	vbe_function_init(v);
	vgpu->family = v;
	vgpu->function = &v->function;
	vbe_changed(vgpu->gpu->family);
	return OK;
}

/*
 * What is shown stays shown, and turns black as the slice is cleared: a mode
 * that nobody asked for is not set for a guest that is gone.
 */
static void stop(struct vgpu *vgpu)
{
	struct vbe_vgpu *v = vbe_of(vgpu);

	spin_lock(&vgpu->lock);
	vbe_registers_init(&v->registers, v->slice.size);
	v->clearing = 0;
	v->resets++;
	spin_unlock(&vgpu->lock);
}

/* Clears a step each time it is asked. Housekeeping alone asks, and no vCPU runs. */
static bool stopped(struct vgpu *vgpu)
{
	struct vbe_vgpu *v = vbe_of(vgpu);
	u64 part = MIN(VBE_COPY_STEP, v->slice.size - v->clearing);

	vbe_clear(vgpu->gpu->family, v->slice.base + v->clearing, part);
	v->clearing += part;
	return v->clearing == v->slice.size;
}

static void destroy(struct vgpu *vgpu)
{
	struct vbe_vgpu *v = vbe_of(vgpu);
	hpa_t frames = frame_of(v);

	memset(v, 0, sizeof(*v));
	frame_free_contiguous(frames, STATE_PAGES);
	vgpu->family = NULL;
	vgpu->function = NULL;
}

static void show(struct vgpu *vgpu, s32 hide)
{
	(void)hide; /* one output, and it is taken whenever focus moves */
	vbe_changed(vgpu->gpu->family);
}

static void report(struct vgpu *vgpu, struct vgpu_report *out)
{
	static const char *const paths[] = {
		[VBE_PATH_NONE] = "none",
		[VBE_PATH_OFFSET] = "offset",
		[VBE_PATH_COPY] = "copy",
	};
	const struct vbe_gpu *hw = vgpu->gpu->family;
	struct vbe_vgpu *v = vbe_of(vgpu);
	struct vbe_mode mode;

	spin_lock(&vgpu->lock);
	*out = (struct vgpu_report){
		.memory_used = v->slice.size,
		.commands = v->writes,
		.resets = v->resets,
		.state = vbe_registers_mode(&v->registers, &mode) ? "run" : "off",
		.scanout_path = vgpu->scanout == GPU_SCANOUT_NONE ? NULL : paths[hw->path],
	};
	spin_unlock(&vgpu->lock);
}

const struct gpu_family_ops vbe_family = {
	.name = "vbe",
	.no_dma = true,
	.matches = vbe_matches,
	.attach = vbe_attach,
	.service = vbe_service,
	.vgpu_create = create,
	.vgpu_stop = stop,
	.vgpu_stopped = stopped,
	.vgpu_destroy = destroy,
	.vgpu_show = show,
	.vgpu_report = report,
};
