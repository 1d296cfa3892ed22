/* SPDX-License-Identifier: Apache-2.0 */
/* Model-specific registers of a guest, by allow-list: what is not listed is #GP. */
#ifndef GUEST_MSR_H
#define GUEST_MSR_H

#include "core/lib/types.h"

struct vcpu;

#define MSR_STATE_VERSION 1

/* Plain data, one for each vCPU: the registers that only keep what was written. */
struct msr_state {
	u32 version;
	u32 reserved;
	u64 mtrr_default;
};

void msr_reset(struct msr_state *msrs);

/* RDMSR and WRMSR of the running vCPU. False: the guest gets #GP(0). */
bool msr_read(struct vcpu *vcpu, u32 index, u64 *value);
bool msr_write(struct vcpu *vcpu, u32 index, u64 value);

#endif
