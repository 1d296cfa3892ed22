/* SPDX-License-Identifier: Apache-2.0 */
/* What INIT leaves of a vCPU, whichever vendor's block holds it. */
#ifndef ARCH_X86_RESET_H
#define ARCH_X86_RESET_H

#include "arch/x86/virt.h"

/*
 * The registers of SDM vol. 3, table 10-1 (APM vol. 2, table 14-1) through `ops`, the
 * extended state, and what is remembered of the guest's code. For virt_ops.vcpu_reset().
 */
void vcpu_reset(struct arch_vcpu *vcpu, const struct virt_ops *ops);

#endif
