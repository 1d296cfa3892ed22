/* SPDX-License-Identifier: Apache-2.0 */
/* Guest state that stays in the processor across exits: FPU, XCR0, DR0 to DR3. */
#ifndef ARCH_X86_FPU_H
#define ARCH_X86_FPU_H

#include "arch/x86/virt.h"
#include "core/lib/types.h"

/* Allow XSAVE on this CPU, or FXSAVE where that is all there is. */
void fpu_init_cpu(void);

/* As after INIT, in memory: DR0 to DR3, XCR0, and what FNINIT leaves, MXCSR = 1f80h. */
void fpu_reset(struct arch_vcpu *vcpu);

/* From memory to this processor, and back; XCR0 is only loaded: see fpu_read_xcr0(). */
void fpu_load(struct arch_vcpu *vcpu);
void fpu_save(struct arch_vcpu *vcpu);

/* XCR0 as it is now; 1 without XSAVE. */
u64 fpu_read_xcr0(void);

#endif
