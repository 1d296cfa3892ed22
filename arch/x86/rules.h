/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest may load into control registers and MSRs, whichever vendor's block holds them. */
#ifndef ARCH_X86_RULES_H
#define ARCH_X86_RULES_H

#include "arch/x86/cpu.h"

#define EFER_GUEST_ALLOWED (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)
#define PAT_RESET	   0x0007040600070406ULL

/* CR4 bits that a guest may set where its CPUID offers them (policy: guest/cpuid.c). */
#define CR4_GUEST_ALLOWED \
	(BIT(0) | BIT(1) | BIT(2) | BIT(3) | CR4_PSE | CR4_PAE | BIT(6) | CR4_PGE | BIT(8) | \
	 CR4_OSFXSR | CR4_OSXMMEXCPT | BIT(11) | BIT(16) | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP)

/* Every byte of the PAT is one of the six types (SDM vol. 3, 12.12.4). */
static inline bool pat_valid(u64 value)
{
	for (u32 i = 0; i < 8; i++) {
		u8 type = (u8)(value >> i * 8);

		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	return true;
}

/* SDM vol. 3, 4.1.1: LME may not change while paging is on. */
static inline bool efer_valid(u64 cr0, u64 old, u64 value)
{
	return !(value & ~EFER_GUEST_ALLOWED) && !(cr0 & CR0_PG && (value ^ old) & EFER_LME);
}

/* XCR0 may hold what the processor has, in the combinations of SDM vol. 1, 13.3. */
static inline bool xcr0_valid(u64 value)
{
	struct cpuid_regs regs = cpuid(0xd, 0);
	u64 supported = ((u64)regs.edx << 32 | regs.eax) & 7; /* x87, SSE, AVX */

	if (!(value & 1) || value & ~supported)
		return false;
	return !(value & 4) || value & 2;
}

#endif
