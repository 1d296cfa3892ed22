/* SPDX-License-Identifier: Apache-2.0 */
/* Guest state that stays in the processor across exits: FPU, XCR0, DR0 to DR3. */
#ifndef ARCH_X86_FPU_H
#define ARCH_X86_FPU_H

#include "core/lib/types.h"

/* Allow XSAVE on this CPU, or FXSAVE where that is all there is. */
void fpu_init_cpu(void);

/* `area`: one page, 64-byte aligned. State as after FNINIT-like reset, MXCSR = 1f80h. */
void fpu_reset_area(void *area);
void fpu_load(const void *area, u64 xcr0);
void fpu_save(void *area);

/* XCR0 as it is now; 1 without XSAVE. */
u64 fpu_read_xcr0(void);

u64 fpu_read_debug(u32 index);
void fpu_write_debug(u32 index, u64 value);

#endif
