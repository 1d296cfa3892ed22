/* SPDX-License-Identifier: Apache-2.0 */
/* The CPUID instruction. */
#ifndef ARCH_X86_CPUID_H
#define ARCH_X86_CPUID_H

#include "core/lib/types.h"

struct cpuid_regs {
	u32 eax, ebx, ecx, edx;
};

/* SDM vol. 2A, CPUID; APM vol. 3 appendix E. */
static inline struct cpuid_regs cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid_regs r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

#endif
