/* SPDX-License-Identifier: Apache-2.0 */
/* What the one output shows: the slice of the focused guest, in place or as a copy. */
#include "arch/x86/cpu.h"
#include "core/log.h"
#include "gpu/vbe/vbe.h"

#define COPY_EVERY_NS 40000000ULL

void vbe_changed(struct vbe_gpu *hw)
{
	__atomic_store_n(&hw->changed, true, __ATOMIC_RELEASE);
	gpu_wake(hw->gpu);
}

/* False: nobody is shown. vGPUs come and go on the owner CPU, so it stays while we look. */
static bool focused_mode(struct gpu *gpu, struct vbe_mode *mode, struct vbe_slice *slice)
{
	struct vgpu *vgpu = NULL;

	spin_lock(&gpu->lock);
	for (u32 i = 0; i < GPU_VGPUS_MAX && !vgpu; i++)
		if (gpu->vgpus[i] &&
		    __atomic_load_n(&gpu->vgpus[i]->scanout, __ATOMIC_ACQUIRE) == 0)
			vgpu = gpu->vgpus[i];
	spin_unlock(&gpu->lock);
	if (!vgpu)
		return false;
	spin_lock(&vgpu->lock);
	*mode = vbe_of(vgpu)->mode;
	*slice = vbe_of(vgpu)->slice;
	spin_unlock(&vgpu->lock);
	return true;
}

/* The mode of a copy at the start of memory: its lines follow one another without a gap. */
static bool show_copy(struct vbe_gpu *hw, const struct vbe_mode *mode)
{
	struct vbe_mode copy = { mode->width & ~7U, mode->height, mode->width & ~7U, mode->bytes,
				 0 };
	u64 size = (u64)copy.virt_width * copy.bytes * copy.height;

	if (size > hw->room)
		return false;
	/* What stands there is another picture: not to be seen in this mode. */
	if (hw->path != VBE_PATH_COPY)
		vbe_clear(hw, 0, ALIGN_UP(size, 64));
	return vbe_set_mode(hw, &copy);
}

static void show(struct vbe_gpu *hw, const struct vbe_mode *mode, const struct vbe_slice *slice)
{
	static struct log_limit limit; /* the owner CPU's */
	struct vbe_mode neutral;

	hw->copied = 0;
	if (vbe_set_mode(hw, mode)) {
		hw->path = VBE_PATH_OFFSET;
		return;
	}
	if (show_copy(hw, mode)) {
		hw->path = VBE_PATH_COPY;
		hw->source = *mode;
		return;
	}
	/* At least nobody else's picture: whatever the slice holds, read in another mode. */
	hw->path = VBE_PATH_NONE;
	vbe_neutral_mode(&neutral, slice);
	if (log_allowed(&limit, 4))
		log_warn("gpu %u: cannot show %ux%u at %lu KiB", hw->gpu->index, mode->width,
			 mode->height, mode->offset >> 10);
	if (!vbe_set_mode(hw, &neutral) && log_allowed(&limit, 4))
		log_error("gpu %u: the device takes no mode", hw->gpu->index);
}

/* The device shows what it is to show: if `gpu focus` asked for it, that is done. */
static void note_focus(struct gpu *gpu, enum vbe_path path)
{
	u64 asked = __atomic_exchange_n(&gpu->focus_from, 0, __ATOMIC_ACQ_REL);

	if (!asked || path != VBE_PATH_OFFSET)
		return;
	gpu->focus_ticks = rdtsc() - asked;
	gpu->focus_ticks_max = MAX(gpu->focus_ticks_max, gpu->focus_ticks);
}

/* Part of a line at a time; true: the picture is not complete yet. */
static bool copy_step(struct vbe_gpu *hw)
{
	const struct vbe_mode *from = &hw->source, *to = &hw->set;
	u64 line = (u64)to->width * to->bytes;
	u64 budget = VBE_COPY_STEP;

	while (budget && hw->copied < line * to->height) {
		u64 column = hw->copied % line;
		u64 part = MIN(line - column, budget);

		vbe_copy(hw, hw->copied,
			 from->offset + hw->copied / line * ((u64)from->virt_width * from->bytes) +
				 column,
			 part);
		hw->copied += part;
		budget -= part;
	}
	if (hw->copied < line * to->height)
		return true;
	hw->copied = 0;
	return false;
}

bool vbe_service(struct gpu *gpu)
{
	struct vbe_gpu *hw = gpu->family;
	struct vbe_slice slice;
	struct vbe_mode mode;
	bool due;

	if (__atomic_exchange_n(&hw->changed, false, __ATOMIC_ACQ_REL) &&
	    focused_mode(gpu, &mode, &slice)) {
		show(hw, &mode, &slice);
		note_focus(gpu, hw->path);
		__atomic_store_n(&hw->copy_due, true, __ATOMIC_RELEASE);
	}
	due = __atomic_exchange_n(&hw->copy_due, false, __ATOMIC_ACQ_REL);
	if (hw->path != VBE_PATH_COPY || (!due && !hw->copied))
		return false;
	if (copy_step(hw))
		return true;
	timer_set(&hw->timer, now_ns() + COPY_EVERY_NS);
	return false;
}
