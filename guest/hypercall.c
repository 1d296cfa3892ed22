/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatch of hypercalls. */
#include "guest/hypercall.h"

#include "core/vm.h"

/*
 * Wake a vCPU that waits for a spin lock in HLT, maybe with interrupts off. The
 * flag stays until that vCPU halts next: a kick that comes just before the HLT
 * is not lost.
 */
static void kick(struct vm *vm, u64 apic_id)
{
	if (apic_id >= vm->vcpu_count)
		return;
	__atomic_store_n(&vm->vcpus[apic_id]->kicked, true, __ATOMIC_SEQ_CST);
	vcpu_request(vm->vcpus[apic_id], VCPU_REQ_EVENT);
}

u64 hypercall(struct vcpu *vcpu, u64 number, const u64 arg[4])
{
	switch (number) {
	case HYPERCALL_KICK_CPU:
		kick(vcpu->vm, arg[1]);
		return 0;
	default:
		return HYPERCALL_NOSYS;
	}
}
