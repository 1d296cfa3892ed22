/* SPDX-License-Identifier: Apache-2.0 */
/* One guest's part of a GPU: made, shown, torn down. */
#include "gpu/vgpu.h"

#include "arch/x86/cpu.h"
#include "core/frame.h"
#include "core/lib/string.h"
#include "core/log.h"
#include "gpu/control.h"
#include "gpu/dma.h"

#define VGPU_PAGES ((u32)((sizeof(struct vgpu) + PAGE_MASK) >> PAGE_SHIFT))

/* Guards who is on which scan-out. Before every vGPU's lock. */
static struct spinlock focus_lock;

/* Of the guests of this GPU in the order of the file, from 0. */
static u32 rank_of(const struct config_guest *config)
{
	const struct config *all = gpu_config();
	u32 rank = 0;

	for (u32 i = 0; i < all->guest_count && &all->guests[i] != config; i++)
		rank += all->guests[i].gpu == config->gpu;
	return rank;
}

/* Guest N of this GPU is at home on scan-out N. */
static s32 home_scanout(const struct gpu *gpu, const struct vgpu *vgpu)
{
	return vgpu->slot < gpu->scanout_count ? (s32)vgpu->slot : GPU_SCANOUT_NONE;
}

static struct vgpu *owner_of_scanout(struct gpu *gpu, s32 scanout)
{
	for (u32 i = 0; i < GPU_VGPUS_MAX; i++)
		if (gpu->vgpus[i] && gpu->vgpus[i]->scanout == scanout)
			return gpu->vgpus[i];
	return NULL;
}

/* Home if nobody was moved there, else the first that is free. */
static s32 free_scanout(struct gpu *gpu, s32 home)
{
	if (home != GPU_SCANOUT_NONE && !owner_of_scanout(gpu, home))
		return home;
	for (s32 i = 0; home != GPU_SCANOUT_NONE && i < (s32)gpu->scanout_count; i++)
		if (!owner_of_scanout(gpu, i))
			return i;
	return GPU_SCANOUT_NONE;
}

static enum err join(struct gpu *gpu, struct vgpu *vgpu, const struct gpu_sched_params *params)
{
	char why[CONTROL_WHY_MAX];
	enum err e;

	spin_lock(&gpu->lock);
	e = gpu_sched_add(&gpu->sched, &vgpu->sched, params, vgpu->slot);
	if (!e)
		gpu->vgpus[vgpu->number] = vgpu;
	else
		control_reason(vgpu, params, e, why);
	spin_unlock(&gpu->lock);
	if (e)
		log_error("guest %s: gpu %u: %s", vgpu->vm->name, gpu->index, why);
	return e;
}

static void leave(struct gpu *gpu, struct vgpu *vgpu)
{
	struct gpu_sched_job *dropped;
	enum err e;

	gpu_ledger_close(gpu); /* with what it had */
	spin_lock(&focus_lock);
	spin_lock(&gpu->lock);
	e = gpu_sched_remove(&gpu->sched, &vgpu->sched, &dropped);
	gpu->vgpus[vgpu->number] = NULL;
	for (u32 i = 0; i < GPU_SAMPLES; i++) /* a successor starts at 0 again */
		gpu->samples[i].engine_ns[vgpu->number] = 0;
	spin_unlock(&gpu->lock);
	spin_unlock(&focus_lock);
	invariant(e == OK && !dropped);
	gpu_ledger_forget(gpu, vgpu->number);
}

static enum err build(struct vgpu *vgpu, const struct config_guest *config)
{
	struct gpu *gpu = vgpu->gpu;
	struct gpu_sched_params params;
	enum err e = gpu_dma_open(vgpu);

	if (e)
		return e;
	control_init(vgpu, config, &params);
	spin_lock(&focus_lock);
	vgpu->scanout = free_scanout(gpu, home_scanout(gpu, vgpu));
	e = gpu->ops->vgpu_create(vgpu);
	if (!e) {
		e = join(gpu, vgpu, &params);
		if (e)
			gpu->ops->vgpu_destroy(vgpu);
	}
	spin_unlock(&focus_lock);
	if (e)
		gpu_dma_close(vgpu);
	return e;
}

enum err vgpu_create(struct vm *vm, const struct config_guest *config)
{
	struct gpu *gpu;
	struct vgpu *vgpu;
	hpa_t frames;
	enum err e;

	if (vm->vgpu)
		return ERR_EXISTS;
	if (config->gpu == CONFIG_NO_GPU)
		return OK;
	gpu = gpu_get(config->gpu);
	if (!gpu)
		return ERR_NOT_FOUND;
	frames = frame_alloc_contiguous(VGPU_PAGES);
	if (!frames.raw)
		return ERR_NO_MEMORY;
	vgpu = frame_ptr(frames);
	vgpu->frames = frames;
	vgpu->vm = vm;
	vgpu->gpu = gpu;
	vgpu->number = vm->id - 1U;
	vgpu->slot = rank_of(config);
	vgpu->scanout = GPU_SCANOUT_NONE;
	e = build(vgpu, config);
	if (e) {
		frame_free_contiguous(frames, VGPU_PAGES);
		return e;
	}
	vm->vgpu = vgpu;
	return OK;
}

struct vpci_function *vgpu_function(struct vm *vm)
{
	struct vgpu *vgpu = vm->vgpu;

	return vgpu ? vgpu->function : NULL;
}

void vgpu_stop(struct vm *vm)
{
	struct vgpu *vgpu = vm->vgpu;

	if (!vgpu)
		return;
	vgpu->gpu->ops->vgpu_stop(vgpu);
	control_stop(vgpu);
}

bool vgpu_stopped(struct vm *vm)
{
	struct vgpu *vgpu = vm->vgpu;

	if (vgpu && !vgpu->gpu->ops->vgpu_stopped(vgpu))
		return false;
	if (vgpu)
		control_stopped(vgpu);
	return true;
}

void vgpu_destroy(struct vm *vm)
{
	struct vgpu *vgpu = vm->vgpu;
	hpa_t frames;

	if (!vgpu)
		return;
	vm->vgpu = NULL;
	leave(vgpu->gpu, vgpu);
	gpu_dma_close(vgpu);
	vgpu->gpu->ops->vgpu_destroy(vgpu);
	frames = vgpu->frames;
	memset(vgpu, 0, sizeof(*vgpu));
	frame_free_contiguous(frames, VGPU_PAGES);
}

struct vgpu *vgpu_find(const char *name)
{
	for (u32 g = 0; g < gpu_count(); g++) {
		struct gpu *gpu = gpu_get(g);

		for (u32 i = 0; i < GPU_VGPUS_MAX; i++)
			if (gpu->vgpus[i] && str_equal(gpu->vgpus[i]->vm->name, name))
				return gpu->vgpus[i];
	}
	return NULL;
}

enum err gpu_focus_by_name(const char *name)
{
	u64 asked = rdtsc();
	struct vgpu *vgpu, *other;
	s32 left;

	spin_guard(&focus_lock);
	vgpu = vgpu_find(name);
	if (!vgpu || !vgpu->gpu->scanout_count)
		return ERR_NOT_FOUND;
	left = vgpu->scanout;
	other = owner_of_scanout(vgpu->gpu, 0);
	if (other == vgpu)
		return OK;
	if (other)
		__atomic_store_n(&other->scanout, left, __ATOMIC_RELEASE);
	__atomic_store_n(&vgpu->scanout, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&vgpu->gpu->focus_from, asked, __ATOMIC_RELEASE);
	vgpu->gpu->ops->vgpu_show(vgpu, other ? GPU_SCANOUT_NONE : left);
	if (other)
		other->gpu->ops->vgpu_show(other, GPU_SCANOUT_NONE);
	return OK;
}
