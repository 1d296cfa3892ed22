// SPDX-License-Identifier: Apache-2.0
/* Virtual machines: the table of them, their nested tables, requests between CPUs. */
#include "core/vm.h"

#include "arch/x86/apic.h"
#include "arch/x86/host.h"
#include "arch/x86/trap.h"
#include "core/frame.h"
#include "core/lib/fmt.h"
#include "core/lib/string.h"
#include "core/log.h"
#include "core/percpu.h"

const struct virt_ops *virt;

/* Written by housekeeping only. */
static struct vm *vms[VM_MAX];
u32 vm_slots;

static const struct ptab_attr ram_attr = { .read = true, .write = true, .exec = true };

static enum err map_ram(struct vm *vm)
{
	enum err e = OK;

	for (u64 offset = 0; offset < vm->memory.size && !e; offset += GMEM_CHUNK_SIZE)
		e = ptab_map(&vm->nested, gmem_gpa(offset),
			     vm->memory.chunks[offset >> GMEM_CHUNK_SHIFT], GMEM_CHUNK_SIZE,
			     ram_attr);
	return e;
}

static void free_vm(struct vm *vm)
{
	ptab_destroy(&vm->nested);
	gmem_destroy(&vm->memory);
	frame_free_contiguous(frame_of(vm), (sizeof(*vm) + PAGE_MASK) >> PAGE_SHIFT);
}

static enum err fill(struct vm *vm)
{
	const struct ptab_format *format =
		virt->nested == VIRT_NESTED_EPT ? &ptab_format_ept : &ptab_format_npt;
	enum err e = ptab_init(&vm->nested, format, &frame_tables, virt->largest());

	nested_space_init(&vm->space);
	if (!e)
		e = gmem_create(&vm->memory, vm->config->memory, vm->id);
	if (!e)
		e = map_ram(vm);
	return e;
}

struct vm *vm_create(const struct config_guest *config)
{
	hpa_t frame = HPA(0);
	struct vm *vm;
	u32 index = 0;

	while (index < VM_MAX && vms[index])
		index++;
	if (index < VM_MAX)
		frame = frame_alloc_contiguous((sizeof(struct vm) + PAGE_MASK) >> PAGE_SHIFT);
	if (!frame.raw) {
		log_error("guest %s: no room for its record", config->name);
		return NULL;
	}
	vm = frame_ptr(frame);
	vm->config = config;
	vm->id = (u16)(index + 1);
	(void)str_copy(vm->name, sizeof(vm->name), config->name);
	if (fill(vm)) {
		struct frame_stats stats;

		frame_get_stats(&stats);
		log_error("guest %s: not enough memory: it asks for %lu MiB, %lu MiB are free",
			  config->name, config->memory >> 20, stats.guest_free_bytes >> 20);
		free_vm(vm);
		return NULL;
	}
	vms[index] = vm;
	vm_slots = MAX(vm_slots, index + 1);
	return vm;
}

void vm_destroy(struct vm *vm)
{
	vms[vm->id - 1] = NULL;
	free_vm(vm);
}

struct vm *vm_get(u32 index)
{
	return index < VM_MAX ? vms[index] : NULL;
}

struct vm *vm_find(const char *name)
{
	for (u32 i = 0; i < VM_MAX; i++)
		if (vms[i] && str_equal(vms[i]->name, name))
			return vms[i];
	return NULL;
}

void vm_end(struct vm *vm, enum vm_end end, const char *fmt, ...)
{
	enum vm_end none = VM_END_NONE;
	va_list args;

	if (!__atomic_compare_exchange_n(&vm->end_claimed, &none, end, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return;
	va_start(args, fmt);
	fmt_vsnprintf(vm->end_reason, sizeof(vm->end_reason), fmt, args);
	va_end(args);
	for (u32 i = 0; i < vm->vcpu_count; i++) {
		__atomic_store_n(&vm->vcpus[i]->parked, true, __ATOMIC_SEQ_CST);
		vcpu_request(vm->vcpus[i], VCPU_REQ_EVENT);
	}
	__atomic_store_n(&vm->end, end, __ATOMIC_RELEASE); /* the reason is complete */
}

void vcpu_queue_work(struct vcpu *vcpu, struct vcpu_work *work)
{
	bool queued;

	spin_lock(&vcpu->work_lock);
	queued = list_is_linked(&work->node);
	if (!queued)
		list_add_before(&vcpu->work, &work->node);
	spin_unlock(&vcpu->work_lock);
	if (!queued)
		vcpu_request(vcpu, VCPU_REQ_WORK);
}

bool vcpu_cancel_work(struct vcpu *vcpu, struct vcpu_work *work)
{
	bool queued;

	spin_guard(&vcpu->work_lock);
	queued = list_is_linked(&work->node);
	if (queued)
		list_remove(&work->node);
	return queued;
}

/* Is it in the guest, or about to be, with translations from before `epoch`? */
static bool enters_with_older(const struct vcpu *vcpu, u64 epoch)
{
	return __atomic_load_n(&vcpu->in_guest, __ATOMIC_SEQ_CST) &&
	       __atomic_load_n(&vcpu->arch.tag.epoch, __ATOMIC_SEQ_CST) < epoch;
}

/*
 * After this no CPU uses a translation that was taken out of vm->nested before
 * the call, and tables that have been taken out are walked by none: each vCPU that
 * was in the guest has left it, and whichever enters again flushes (docs/invalidation.md).
 */
static void shoot_down(struct vm *vm)
{
	u64 epoch = nested_space_changed(&vm->space);

	for (u32 i = 0; i < vm->vcpu_count; i++)
		if (enters_with_older(vm->vcpus[i], epoch))
			vcpu_kick(vm->vcpus[i]);
	for (u32 i = 0; i < vm->vcpu_count; i++)
		while (enters_with_older(vm->vcpus[i], epoch))
			cpu_relax();
	ptab_reap(&vm->nested);
}

enum err vm_map_direct(struct vm *vm, gpa_t gpa, hpa_t hpa, u64 size, struct ptab_attr attr)
{
	enum err e = ptab_map(&vm->nested, gpa.raw, hpa, size, attr);

	if (e == ERR_NO_MEMORY) /* a part was mapped for a while */
		shoot_down(vm);
	return e;
}

enum err vm_unmap_direct(struct vm *vm, gpa_t gpa, u64 size)
{
	enum err e = ptab_unmap(&vm->nested, gpa.raw, size);

	if (!e) /* else every address translates as before */
		shoot_down(vm);
	return e;
}

/* ---- arch/x86/host.h ---- */

enum err host_guest_read(struct arch_vcpu *arch, gpa_t gpa, void *dst, size_t size)
{
	return gmem_read(&container_of(arch, struct vcpu, arch)->vm->memory, gpa, dst, size);
}

enum err host_guest_locate(struct arch_vcpu *arch, gpa_t gpa, hpa_t *hpa)
{
	return gmem_translate(&container_of(arch, struct vcpu, arch)->vm->memory, gpa, 1, hpa);
}

enum err host_guest_write(struct arch_vcpu *arch, gpa_t gpa, const void *src, size_t size)
{
	return gmem_write(&container_of(arch, struct vcpu, arch)->vm->memory, gpa, src, size);
}
