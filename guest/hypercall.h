/* SPDX-License-Identifier: Apache-2.0 */
/* Hypercalls, with KVM's numbers and convention; docs/hypercalls.md lists them. */
#ifndef GUEST_HYPERCALL_H
#define GUEST_HYPERCALL_H

#include "core/lib/types.h"

struct vcpu;

#define HYPERCALL_KICK_CPU 5 /* arguments: flags, APIC id; wakes that vCPU from HLT */
#define HYPERCALL_NOSYS	   ((u64)-1000)

/* The value for RAX. */
u64 hypercall(struct vcpu *vcpu, u64 number, const u64 arg[4]);

#endif
