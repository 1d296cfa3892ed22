/* SPDX-License-Identifier: Apache-2.0 */
/* Registers of a vCPU, whichever vendor's block holds them: after INIT, and by WRMSR. */
#ifndef ARCH_X86_REGISTERS_H
#define ARCH_X86_REGISTERS_H

#include "arch/x86/virt.h"

/*
 * The registers of SDM vol. 3, table 10-1 (APM vol. 2, table 14-1) through `ops`, the
 * extended state, and what is remembered of the guest's code. For virt_ops.vcpu_reset().
 */
void vcpu_reset(struct arch_vcpu *vcpu, const struct virt_ops *ops);

/*
 * May a guest whose CR0 is `cr0` store *value in this MSR, which holds `old`? False: #GP(0).
 * *value becomes what is to be stored; translations that depend on it are forgotten.
 */
must_check bool vcpu_may_write_msr(struct arch_vcpu *vcpu, u32 index, u64 cr0, u64 old, u64 *value);

#endif
