/* SPDX-License-Identifier: Apache-2.0 */
/* Hypercalls, with KVM's numbers and convention; docs/hypercalls.md lists them. */
#ifndef GUEST_HYPERCALL_H
#define GUEST_HYPERCALL_H

#include "core/lib/types.h"

struct vcpu;
struct vm_exit;

#define HYPERCALL_KICK_CPU 5 /* arguments: flags, APIC id; wakes that vCPU from HLT */
#define HYPERCALL_NOSYS	   ((u64)-1000)

/* In struct vm_ops: carries out exit->hypercall and stores its result. */
void hypercall(struct vcpu *vcpu, struct vm_exit *exit);

#endif
