/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CPUID tells a guest: the host's answer through an allow-list, topology
 * of the VM, hypervisor leaves. What is not listed reads as 0.
 */
#ifndef GUEST_CPUID_H
#define GUEST_CPUID_H

#include "arch/x86/cpuid.h"
#include "core/lib/types.h"

struct vcpu;
struct vm_exit;

#define CPUID_BASIC_LEAVES    0x20
#define CPUID_EXTENDED_LEAVES 0x22
#define CPUID_CACHE_SUBLEAVES 5 /* of leaf 4, the terminator among them */
#define CPUID_XSAVE_SUBLEAVES 3
#define CPUID_XCR0_ALLOWED    0x7ULL /* x87, SSE, AVX */

#define CPUID_KVM_BASE	 0x40000000u
#define CPUID_FACET_BASE 0x40000100u

/* Guest-physical addresses have at most this many bits. */
#define CPUID_MAX_PHYS_BITS 46

/* The instruction, or a test's stand-in. */
typedef struct cpuid_regs (*cpuid_reader)(u32 leaf, u32 subleaf);

/* Computed once for a VM; what depends on the vCPU is filled in on the way out. */
struct cpuid_table {
	u32 max_basic, max_extended;
	u32 vcpu_count;
	bool has_vgpu;
	bool amd;
	struct cpuid_regs basic[CPUID_BASIC_LEAVES];
	struct cpuid_regs extended[CPUID_EXTENDED_LEAVES];
	struct cpuid_regs cache[CPUID_CACHE_SUBLEAVES];
	struct cpuid_regs xsave[CPUID_XSAVE_SUBLEAVES];
	struct cpuid_regs tsc; /* CPUID_KVM_BASE + 10h */
};

/* State of the vCPU that some leaves show. */
struct cpuid_vcpu {
	u32 apic_id;
	u64 xcr0;
	bool apic_enabled;
	bool osxsave; /* CR4.OSXSAVE */
};

void cpuid_table_init(struct cpuid_table *table, cpuid_reader read, u32 vcpu_count, u64 tsc_hz,
		      bool has_vgpu);

struct cpuid_regs cpuid_lookup(const struct cpuid_table *table, const struct cpuid_vcpu *vcpu,
			       u32 leaf, u32 subleaf);

/* Does the answer depend on CR4.OSXSAVE? Finding that out costs something. */
static inline bool cpuid_needs_cr4(u32 leaf)
{
	return leaf == 1;
}

/* Width of guest-physical addresses on this host: where 64-bit BARs may lie. */
u32 cpuid_phys_bits(cpuid_reader read);

/* XCR0 bits that a guest may set on this host; 0 without XSAVE. */
u64 cpuid_xcr0_mask(cpuid_reader read);

/* The CPUID instruction as a cpuid_reader. */
struct cpuid_regs cpuid_host(u32 leaf, u32 subleaf);

#endif
