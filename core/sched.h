/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CPU scheduler: weighted fair time slices of all processors among vCPUs.
 *
 * One run queue in order of virtual run time (run time / weight). A processor
 * takes the vCPU that has had least, for at most a slice. One that wakes starts
 * no earlier than the queue's own clock less one slice: sleeping saves nothing.
 */
#ifndef CORE_SCHED_H
#define CORE_SCHED_H

#include "core/vm.h"

#define SCHED_SLICE_NS 5000000ULL

/* Put an OFF vCPU into the run queue, or let it wait for INIT/SIPI. */
void vcpu_start(struct vcpu *vcpu, bool wait_for_init);

/* Take a vCPU out for good; returns when it is off its processor. Not from that vCPU. */
void vcpu_stop(struct vcpu *vcpu);

/* A vCPU that is OFF; it stays for ever. NULL: no memory. */
struct vcpu *vcpu_create(struct vm *vm, u32 index);

/* Keep a VM's vCPUs from running, as vcpu_stop, and let them go on where they were. */
void vm_freeze(struct vm *vm);
void vm_thaw(struct vm *vm);

/*
 * Leave CPU 0 to the hypervisor: housekeeping and the GPUs' rings. From the start, before
 * vCPUs run. False: it is the only processor, and runs guests all the same.
 */
bool sched_reserve_cpu0(void);

/* What a processor does once it is set up. `housekeeping` may be NULL. */
_Noreturn void sched_loop(bool (*housekeeping)(void));

#endif
