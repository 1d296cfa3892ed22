/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The paravirtual clock, wall clock and steal time, compatible with KVM's
 * (Linux Documentation/virt/kvm/x86/msr.rst and cpuid.rst).
 */
#ifndef GUEST_PVCLOCK_H
#define GUEST_PVCLOCK_H

#include "core/lib/types.h"

struct vcpu;
struct vm;

#define PVCLOCK_STATE_VERSION 1

#define MSR_KVM_WALL_CLOCK_OLD	0x11u
#define MSR_KVM_SYSTEM_TIME_OLD 0x12u
#define MSR_KVM_WALL_CLOCK	0x4b564d00u
#define MSR_KVM_SYSTEM_TIME	0x4b564d01u
#define MSR_KVM_STEAL_TIME	0x4b564d03u

/*
 * The one relation of TSC and time that every vCPU of a VM is told: with the
 * same numbers everywhere no two vCPUs can disagree.
 */
struct pvclock_base {
	u64 host_tsc;
	u64 ns;
	u32 multiplier; /* ns = (tsc << shift) * multiplier >> 32 */
	s8 shift;
};

/* Plain data, one for each vCPU: what a saved VM needs. */
struct pvclock_state {
	u32 version;
	u32 time_version; /* even: consistent */
	u32 steal_version;
	u64 wall_msr; /* as written */
	u64 time_msr;
	u64 steal_msr;
	u64 steal_ns; /* what the guest was told last */
};

/* Fix the relation; once for a VM. */
void pvclock_base_init(struct pvclock_base *base);

/* Multiplier and shift for a TSC of `tsc_hz`, which is not 0. */
void pvclock_scale(u64 tsc_hz, u32 *multiplier, s8 *shift);

/* INIT and reset: nothing is registered. */
void pvclock_reset(struct pvclock_state *clock);

/* What the guest wrote into MSR `index`, which reads back; NULL: none of those above. */
u64 *pvclock_msr(struct pvclock_state *clock, u32 index);

/*
 * Write `msr`, which pvclock_msr() gave for this vCPU. False: #GP (an address that is
 * not aligned). An address outside RAM is accepted and never written to, as under KVM.
 */
bool pvclock_write_msr(struct vcpu *vcpu, u64 *msr, u64 value);

/* Tell the guest the relation, in terms of its TSC offset; nothing if it has not asked for it. */
void pvclock_publish_time(struct vcpu *vcpu);

/* The vCPU has waited for a processor: bring steal time up to date. In struct vm_ops. */
void pvclock_scheduled_in(struct vcpu *vcpu);

#endif
