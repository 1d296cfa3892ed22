/* SPDX-License-Identifier: Apache-2.0 */
/* Freezing, thawing and resetting one vGPU, and slowing those that storm; see control.h. */
#include "gpu/control.h"

#include "core/log.h"
#include "core/timer.h"

#define SLOW_STEP_NS 10000000ULL /* a step of a slowed guest's intake each so many */
#define LINES	     2		 /* a second */

/* gpu.lock is taken; vgpu.lock may be held. */
static void hold(struct vgpu *vgpu, bool held)
{
	struct gpu *gpu = vgpu->gpu;
	enum err e;

	spin_lock(&gpu->lock);
	e = gpu_sched_hold(&gpu->sched, &vgpu->sched, held, now_ns());
	spin_unlock(&gpu->lock);
	invariant(e == OK);
	gpu_wake(gpu);
}

static void set_frozen(struct vgpu *vgpu, bool frozen)
{
	__atomic_store_n(&vgpu->frozen, frozen, __ATOMIC_RELEASE);
	hold(vgpu, frozen);
}

static bool is_frozen(const struct vgpu *vgpu)
{
	return __atomic_load_n(&vgpu->frozen, __ATOMIC_ACQUIRE);
}

static bool has_engine(const struct vgpu *vgpu)
{
	return !vgpu->gpu->ops->service;
}

/* Nothing keeps it any more, and guards begin anew. */
static void release(struct vgpu *vgpu)
{
	spin_lock(&vgpu->lock);
	guard_release(&vgpu->guard, now_ns());
	spin_unlock(&vgpu->lock);
	__atomic_store_n(&vgpu->reset_asked, false, __ATOMIC_RELEASE);
	__atomic_store_n(&vgpu->put_off, false, __ATOMIC_RELEASE);
	set_frozen(vgpu, false);
}

enum err vgpu_freeze(struct vgpu *vgpu)
{
	if (!has_engine(vgpu))
		return ERR_DEVICE;
	if (is_frozen(vgpu))
		return ERR_EXISTS;
	set_frozen(vgpu, true);
	return OK;
}

enum err vgpu_thaw(struct vgpu *vgpu)
{
	if (!has_engine(vgpu))
		return ERR_DEVICE;
	if (!is_frozen(vgpu))
		return ERR_NOT_FOUND;
	release(vgpu);
	vgpu->gpu->ops->vgpu_wake(vgpu);
	return OK;
}

enum err vgpu_reset(struct vgpu *vgpu)
{
	const struct vm *vm = vgpu->vm;

	if (!has_engine(vgpu))
		return ERR_DEVICE;
	if (vm->state != VM_RUNNING && vm->state != VM_PAUSED)
		return ERR_BUSY;
	/* What is queued must not follow what the device has. */
	set_frozen(vgpu, true);
	__atomic_store_n(&vgpu->reset_asked, true, __ATOMIC_RELEASE);
	return OK;
}

void control_stop(struct vgpu *vgpu)
{
	if (!has_engine(vgpu))
		return;
	vgpu->restore = true;
	release(vgpu);
}

void control_stopped(struct vgpu *vgpu)
{
	if (!vgpu->restore)
		return;
	vgpu->restore = false;
	control_restore(vgpu);
}

/* ---- guards; vgpu.lock is held ---- */

static void guard_changed(struct vgpu *vgpu)
{
	const struct guard *guard = &vgpu->guard;
	const char *what = guard_kind_name(guard->blame);

	if (guard->state == GUARD_FROZEN)
		set_frozen(vgpu, true);
	if (!log_allowed(&vgpu->guard_limit, LINES))
		return;
	switch (guard->state) {
	case GUARD_FREE:
		log_info("guest %s: gpu %u: fewer %s: no longer slowed", vgpu->vm->name,
			 vgpu->gpu->index, what);
		break;
	case GUARD_SLOWED:
		log_warn("guest %s: gpu %u: more than %u %s in a second: slowed", vgpu->vm->name,
			 vgpu->gpu->index, guard->limits[guard->blame], what);
		break;
	case GUARD_FROZEN:
		log_warn("guest %s: gpu %u: too many %s again and again: its vGPU is frozen until "
			 "`gpu thaw`, `gpu reset` or a restart",
			 vgpu->vm->name, vgpu->gpu->index, what);
		break;
	}
}

void vgpu_count(struct vgpu *vgpu, enum guard_kind kind, u32 count)
{
	if (guard_count(&vgpu->guard, kind, count, now_ns()))
		guard_changed(vgpu);
}

void vgpu_look(struct vgpu *vgpu)
{
	if (guard_look(&vgpu->guard, now_ns()))
		guard_changed(vgpu);
}

bool vgpu_may_take(struct vgpu *vgpu)
{
	u64 now;

	if (is_frozen(vgpu))
		return false;
	if (vgpu->guard.state != GUARD_FREE)
		vgpu_look(vgpu);
	if (vgpu->guard.state == GUARD_FREE)
		return true;
	now = now_ns();
	if (now >= vgpu->take_ns) {
		vgpu->take_ns = now + SLOW_STEP_NS;
		return true;
	}
	if (!__atomic_exchange_n(&vgpu->put_off, true, __ATOMIC_ACQ_REL))
		gpu_wake(vgpu->gpu);
	return false;
}

/* ---- the owner CPU ---- */

/* The device has none of its jobs: nothing is in the way of a reset. */
static bool is_idle(struct vgpu *vgpu)
{
	spin_guard(&vgpu->gpu->lock);
	return !vgpu->sched.stats.in_flight;
}

static u64 serve(struct vgpu *vgpu, u64 now)
{
	u64 take_ns;

	if (__atomic_load_n(&vgpu->reset_asked, __ATOMIC_ACQUIRE) && is_idle(vgpu)) {
		(void)vgpu->gpu->ops->vgpu_freeze(vgpu, false);
		release(vgpu);
	}
	if (!__atomic_load_n(&vgpu->put_off, __ATOMIC_ACQUIRE))
		return ~0ULL;
	take_ns = __atomic_load_n(&vgpu->take_ns, __ATOMIC_RELAXED);
	if (take_ns > now)
		return take_ns;
	__atomic_store_n(&vgpu->put_off, false, __ATOMIC_RELEASE);
	vgpu->gpu->ops->vgpu_wake(vgpu);
	return ~0ULL;
}

u64 control_service(struct gpu *gpu, u64 now)
{
	u64 next = ~0ULL;

	/* vGPUs come and go on this CPU. */
	for (u32 i = 0; i < GPU_VGPUS_MAX; i++)
		if (gpu->vgpus[i])
			next = MIN(next, serve(gpu->vgpus[i], now));
	return next;
}
