/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatch of hypercalls. */
#include "guest/hypercall.h"

#include "core/vm.h"

/*
 * The one that there is wakes a vCPU that waits for a spin lock in HLT, maybe with interrupts
 * off. The flag stays until that vCPU halts next: a kick that comes just before the HLT
 * is not lost.
 */
void hypercall(struct vcpu *vcpu, struct vm_exit *exit)
{
	struct vm *vm = vcpu->vm;
	u64 apic_id = exit->hypercall.arg[1];

	exit->hypercall.result = exit->hypercall.number == HYPERCALL_KICK_CPU ? 0 : HYPERCALL_NOSYS;
	if (exit->hypercall.number != HYPERCALL_KICK_CPU || apic_id >= vm->vcpu_count)
		return;
	__atomic_store_n(&vm->vcpus[apic_id]->kicked, true, __ATOMIC_SEQ_CST);
	vcpu_request(vm->vcpus[apic_id], VCPU_REQ_EVENT);
}
