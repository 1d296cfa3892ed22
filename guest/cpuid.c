/* SPDX-License-Identifier: Apache-2.0 */
/* CPUID policy: the allow-lists, leaf by leaf (SDM 2A CPUID; APM 3 appendix E). */
#include "guest/cpuid.h"

#include "core/lib/string.h"
#include "guest/lapic.h"

#define EXTENDED_BASE	       0x80000000u
#define LEAF_FEATURES	       0x01
#define LEAF_CACHE	       0x04
#define LEAF_POWER	       0x06
#define LEAF_EXTENDED_FEATURES 0x07
#define LEAF_TOPOLOGY	       0x0b
#define LEAF_XSAVE	       0x0d
#define LEAF_TSC	       0x15
#define LEAF_FREQUENCY	       0x16
#define LEAF_TOPOLOGY_V2       0x1f

#define F1C_X2APIC	 BIT(21)
#define F1C_TSC_DEADLINE BIT(24)
#define F1C_XSAVE	 BIT(26)
#define F1C_OSXSAVE	 BIT(27)
#define F1C_HYPERVISOR	 BIT(31)
#define F1C_OURS	 (F1C_X2APIC | F1C_TSC_DEADLINE | F1C_HYPERVISOR)
#define F1D_APIC	 BIT(9)
#define F1D_MTRR	 BIT(12)
#define F1D_HTT		 BIT(28)
#define F1D_OURS	 (F1D_APIC | F1D_MTRR)
#define E1C_CMP_LEGACY	 BIT(1)
#define E1D_SHARED	 0x0183f3ffULL /* AMD repeats these bits of leaf 1 */

/* What guests may see of the processor's answers; without the state of AVX, less. */
static const struct allowed {
	u32 leaf, eax, ebx, ecx, edx;
	u32 ebx_avx, ecx_avx;
} allowed[] = {
	/*
	 * EBX: CLFLUSH line. ECX: SSE3, PCLMULQDQ, SSSE3, FMA, CX16, SSE4.1, SSE4.2, MOVBE,
	 * POPCNT, AES, XSAVE, AVX, F16C, RDRAND; not MONITOR (3), VMX (5), PCID (17), and what
	 * needs MSRs of its own. EDX: FPU to CX8, SEP, PGE, MCA, CMOV, PAT, PSE-36, CLFSH, MMX
	 * to SSE2. Machine checks are offered without a single bank: Linux complains of a
	 * processor that has none of it.
	 */
	{ .leaf = LEAF_FEATURES,
	  .eax = ~0u,
	  .ebx = 0xff00,
	  .ecx = BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BIT(19) | BIT(20) | BIT(22) |
		 BIT(23) | BIT(25) | BIT(26) | BIT(28) | BIT(29) | BIT(30),
	  .ecx_avx = BIT(12) | BIT(28) | BIT(29),
	  .edx = 0x078be9ff },
	/*
	 * EBX: FSGSBASE, BMI1, AVX2, SMEP, BMI2, ERMS, RDSEED, ADX, SMAP, CLFLUSHOPT, CLWB, SHA.
	 * ECX: UMIP, GFNI, VAES, VPCLMULQDQ. EDX: FSRM, MD_CLEAR.
	 */
	{ .leaf = LEAF_EXTENDED_FEATURES,
	  .ebx = BIT(0) | BIT(3) | BIT(5) | BIT(7) | BIT(8) | BIT(9) | BIT(18) | BIT(19) | BIT(20) |
		 BIT(23) | BIT(24) | BIT(29),
	  .ebx_avx = BIT(5),
	  .ecx = BIT(2) | BIT(8) | BIT(9) | BIT(10),
	  .ecx_avx = BIT(9) | BIT(10),
	  .edx = BIT(4) | BIT(10) },
	/*
	 * ECX: LAHF, ABM, SSE4A, misaligned SSE, prefetch, XOP, FMA4, TBM; not SVM (2), OSVW
	 * (9), IBS (10), TOPOEXT (22) and counters. EDX: SYSCALL, NX, extended MMX, FXSR_OPT,
	 * 1 GiB pages, long mode, 3DNow; not RDTSCP (27).
	 */
	{ .leaf = EXTENDED_BASE + 1,
	  .eax = ~0u,
	  .ecx = BIT(0) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(11) | BIT(16) | BIT(21),
	  .ecx_avx = BIT(11) | BIT(16),
	  .edx = BIT(11) | BIT(20) | BIT(22) | BIT(25) | BIT(26) | BIT(29) | BIT(30) | BIT(31) },
	/* Width of virtual addresses. CLZERO, saved error pointers. */
	{ .leaf = EXTENDED_BASE + 8, .eax = 0xff00, .ebx = BIT(0) | BIT(2) },
	{ EXTENDED_BASE + 0x19, ~0u, ~0u, ~0u, ~0u, 0, 0 },
	/* MOVU. */
	{ .leaf = EXTENDED_BASE + 0x1a, .eax = BIT(1) },
	/* LFENCE serialises, null selector clears base. */
	{ .leaf = EXTENDED_BASE + 0x21, .eax = BIT(2) | BIT(6) },
};

#define E7D_INVARIANT_TSC BIT(8)
#define POWER_ARAT	  BIT(2)
#define XSAVE1_KEPT	  0x7ULL /* XSAVEOPT, XSAVEC, XGETBV with ECX = 1; not XSAVES */
#define XCR0_AVX	  BIT(2)
#define XSAVE_LEGACY	  576 /* x87 and SSE state and header */

/* Linux Documentation/virt/kvm/x86/cpuid.rst */
#define KVM_NOP_IO_DELAY BIT(1)
#define KVM_CLOCKSOURCE	 BIT(0)
#define KVM_CLOCKSOURCE2 BIT(3)
#define KVM_STEAL_TIME	 BIT(5)
#define KVM_PV_EOI	 BIT(6)
#define KVM_PV_UNHALT	 BIT(7)
#define KVM_CLOCK_STABLE BIT(24)
#define KVM_FEATURES \
	(KVM_CLOCKSOURCE | KVM_NOP_IO_DELAY | KVM_CLOCKSOURCE2 | KVM_STEAL_TIME | KVM_PV_EOI | \
	 KVM_PV_UNHALT | KVM_CLOCK_STABLE)

#define FACET_INTERFACE_VERSION 1u
#define FACET_FLAG_VGPU		BIT(0)

struct cpuid_regs cpuid_host(u32 leaf, u32 subleaf)
{
	return cpuid(leaf, subleaf);
}

u32 cpuid_phys_bits(cpuid_reader read)
{
	if (read(EXTENDED_BASE, 0).eax < EXTENDED_BASE + 8)
		return 36;
	return MIN(read(EXTENDED_BASE + 8, 0).eax & 0xff, CPUID_MAX_PHYS_BITS);
}

u64 cpuid_xcr0_mask(cpuid_reader read)
{
	if (read(0, 0).eax < LEAF_XSAVE || (read(LEAF_FEATURES, 0).ecx & F1C_XSAVE) == 0)
		return 0;
	return read(LEAF_XSAVE, 0).eax & CPUID_XCR0_ALLOWED;
}

/* Bits that number `count` processors. */
static u32 id_bits(u32 count)
{
	return count <= 1 ? 0 : 32 - (u32)__builtin_clz(count - 1);
}

/* ---- building the table ---- */

static struct cpuid_regs *entry(struct cpuid_table *table, u32 leaf)
{
	return leaf & EXTENDED_BASE ? &table->extended[leaf - EXTENDED_BASE] : &table->basic[leaf];
}

static void fill_allowed(struct cpuid_table *table, cpuid_reader read, u64 xcr0)
{
	u32 without_avx = xcr0 & XCR0_AVX ? 0 : ~0u;

	for (const struct allowed *a = allowed; a < allowed + ARRAY_SIZE(allowed); a++) {
		struct cpuid_regs host = read(a->leaf, 0);

		if (a->leaf > read(a->leaf & EXTENDED_BASE, 0).eax)
			continue;
		*entry(table, a->leaf) = (struct cpuid_regs){
			.eax = host.eax & a->eax,
			.ebx = host.ebx & a->ebx & ~(a->ebx_avx & without_avx),
			.ecx = host.ecx & a->ecx & ~(a->ecx_avx & without_avx),
			.edx = host.edx & a->edx,
		};
	}
}

/* Brand and APIC id are filled in later. */
static void add_own_features(struct cpuid_table *table, u64 xcr0)
{
	struct cpuid_regs *out = &table->basic[LEAF_FEATURES];

	out->ebx |= table->vcpu_count << 16;
	out->ecx |= F1C_OURS;
	out->edx |= F1D_OURS;
	if (table->vcpu_count > 1)
		out->edx |= F1D_HTT;
	if (xcr0 == 0)
		out->ecx &= ~F1C_XSAVE;
}

/* Deterministic cache parameters: levels 1 and 2 are a core's own, 3 is the package's. */
static void fill_caches(struct cpuid_table *table, cpuid_reader read)
{
	for (u32 i = 0; i < CPUID_CACHE_SUBLEAVES - 1; i++) {
		struct cpuid_regs cache = read(LEAF_CACHE, i);
		u32 sharing =
			(cache.eax >> 5 & 7) >= 3 ? (1u << id_bits(table->vcpu_count)) - 1 : 0;

		if ((cache.eax & 0x1f) == 0)
			return;
		cache.eax = (cache.eax & 0x3ff) | sharing << 14 |
			    ((1u << id_bits(table->vcpu_count)) - 1) << 26;
		cache.edx &= 0x7;
		table->cache[i] = cache;
	}
}

static void fill_xsave(struct cpuid_table *table, cpuid_reader read, u64 xcr0)
{
	if (xcr0 == 0)
		return;
	table->xsave[0].eax = (u32)xcr0;
	table->xsave[0].ecx = XSAVE_LEGACY;
	table->xsave[1].eax = read(LEAF_XSAVE, 1).eax & XSAVE1_KEPT;
	if (xcr0 & XCR0_AVX) {
		struct cpuid_regs avx = read(LEAF_XSAVE, 2);

		table->xsave[2] = (struct cpuid_regs){ .eax = avx.eax, .ebx = avx.ebx };
		table->xsave[0].ecx = avx.eax + avx.ebx;
	}
}

static void fill_basic(struct cpuid_table *table, cpuid_reader read, u64 xcr0, u64 tsc_hz)
{
	u32 tsc_khz = (u32)(tsc_hz / 1000);

	table->basic[0] = read(0, 0);
	table->amd = table->basic[0].ecx != 0x6c65746e; /* "ntel": AMD and Hygon otherwise */
	table->max_basic = table->amd ? LEAF_XSAVE : LEAF_FREQUENCY;
	table->basic[0].eax = table->max_basic;
	table->basic[LEAF_POWER].eax = POWER_ARAT;
	add_own_features(table, xcr0);
	fill_xsave(table, read, xcr0);
	if (table->amd)
		return;
	table->basic[2] = read(2, 0);
	fill_caches(table, read);
	/* TSC = ECX * EBX / EAX; ECX is also the clock of the APIC timer. */
	table->basic[LEAF_TSC] =
		(struct cpuid_regs){ LAPIC_TIMER_HZ / 1000, tsc_khz, LAPIC_TIMER_HZ, 0 };
	table->basic[LEAF_FREQUENCY].eax = tsc_khz / 1000;
	table->basic[LEAF_FREQUENCY].ebx = tsc_khz / 1000;
}

static void fill_extended(struct cpuid_table *table, cpuid_reader read)
{
	u32 host_max = read(EXTENDED_BASE, 0).eax;
	struct cpuid_regs *out = table->extended;

	table->max_extended = MIN(host_max, EXTENDED_BASE + CPUID_EXTENDED_LEAVES - 1);
	table->max_extended = MAX(table->max_extended, EXTENDED_BASE + 8);
	out[0] = read(EXTENDED_BASE, 0);
	out[0].eax = table->max_extended;
	for (u32 leaf = 2; leaf <= 6 && host_max >= EXTENDED_BASE + leaf; leaf++)
		out[leaf] = read(EXTENDED_BASE + leaf, 0);
	/* Facet keeps time by the TSC itself: wherever it runs, the TSC is invariant. */
	out[7].edx = E7D_INVARIANT_TSC;
	out[8].eax = (out[8].eax ? out[8].eax : 48 << 8) | cpuid_phys_bits(read);
	if (!table->amd)
		return;
	out[1].edx |= table->basic[LEAF_FEATURES].edx & E1D_SHARED;
	if (table->vcpu_count > 1)
		out[1].ecx |= E1C_CMP_LEGACY;
	out[8].ecx = (table->vcpu_count - 1) | id_bits(table->vcpu_count) << 12;
}

void cpuid_table_init(struct cpuid_table *table, cpuid_reader read, u32 vcpu_count, u64 tsc_hz,
		      bool has_vgpu)
{
	u64 xcr0 = cpuid_xcr0_mask(read);

	memset(table, 0, sizeof(*table));
	table->vcpu_count = vcpu_count;
	table->has_vgpu = has_vgpu;
	table->tsc.eax = (u32)(tsc_hz / 1000);
	table->tsc.ebx = LAPIC_TIMER_HZ / 1000;
	fill_allowed(table, read, xcr0);
	fill_basic(table, read, xcr0, tsc_hz);
	fill_extended(table, read);
}

/* ---- looking up ---- */

static struct cpuid_regs topology(const struct cpuid_table *table, const struct cpuid_vcpu *vcpu,
				  u32 subleaf)
{
	struct cpuid_regs regs = { .ecx = subleaf & 0xff, .edx = vcpu->apic_id };

	if (subleaf == 0) { /* threads: one in each core */
		regs.ebx = 1;
		regs.ecx |= 1 << 8;
	} else if (subleaf == 1) {
		regs.eax = id_bits(table->vcpu_count);
		regs.ebx = table->vcpu_count;
		regs.ecx |= 2 << 8;
	}
	return regs;
}

static struct cpuid_regs xsave(const struct cpuid_table *table, const struct cpuid_vcpu *vcpu,
			       u32 subleaf)
{
	struct cpuid_regs regs;
	bool avx = (vcpu->xcr0 & XCR0_AVX) != 0;

	if (subleaf >= CPUID_XSAVE_SUBLEAVES)
		return (struct cpuid_regs){ 0 };
	regs = table->xsave[subleaf];
	/* The size for what XCR0 enables now: standard form in 0, compacted in 1. */
	if (subleaf == 0 && regs.eax != 0)
		regs.ebx = avx ? regs.ecx : XSAVE_LEGACY;
	if (subleaf == 1 && regs.eax != 0)
		regs.ebx = XSAVE_LEGACY + (avx ? table->xsave[2].eax : 0);
	return regs;
}

static struct cpuid_regs hypervisor(const struct cpuid_table *table, u32 leaf)
{
	switch (leaf) {
	case CPUID_KVM_BASE: /* "KVMKVMKVM" */
		return (struct cpuid_regs){ CPUID_KVM_BASE + 0x10, 0x4b4d564b, 0x564b4d56,
					    0x0000004d };
	case CPUID_KVM_BASE + 1:
		return (struct cpuid_regs){ .eax = KVM_FEATURES };
	case CPUID_KVM_BASE + 0x10:
		return table->tsc;
	case CPUID_FACET_BASE: /* "FacetFacetFa" */
		return (struct cpuid_regs){ CPUID_FACET_BASE + 1, 0x65636146, 0x63614674,
					    0x61467465 };
	case CPUID_FACET_BASE + 1:
		return (struct cpuid_regs){ .eax = FACET_INTERFACE_VERSION,
					    .ebx = table->has_vgpu ? FACET_FLAG_VGPU : 0 };
	default:
		return (struct cpuid_regs){ 0 };
	}
}

static struct cpuid_regs basic(const struct cpuid_table *table, const struct cpuid_vcpu *vcpu,
			       u32 leaf, u32 subleaf)
{
	struct cpuid_regs regs = { 0 };

	if (leaf > table->max_basic)
		return regs;
	switch (leaf) {
	case LEAF_FEATURES:
		regs = table->basic[leaf];
		regs.ebx |= vcpu->apic_id << 24;
		if (vcpu->osxsave && (regs.ecx & F1C_XSAVE))
			regs.ecx |= F1C_OSXSAVE;
		if (!vcpu->apic_enabled)
			regs.edx &= ~F1D_APIC;
		return regs;
	case LEAF_CACHE:
		return subleaf < CPUID_CACHE_SUBLEAVES ? table->cache[subleaf] : regs;
	case LEAF_EXTENDED_FEATURES:
		return subleaf == 0 ? table->basic[leaf] : regs;
	case LEAF_TOPOLOGY:
	case LEAF_TOPOLOGY_V2:
		return topology(table, vcpu, subleaf);
	case LEAF_XSAVE:
		return xsave(table, vcpu, subleaf);
	default:
		return table->basic[leaf];
	}
}

struct cpuid_regs cpuid_lookup(const struct cpuid_table *table, const struct cpuid_vcpu *vcpu,
			       u32 leaf, u32 subleaf)
{
	struct cpuid_regs regs;

	if (leaf < CPUID_KVM_BASE)
		return basic(table, vcpu, leaf, subleaf);
	if (leaf < EXTENDED_BASE)
		return hypervisor(table, leaf);
	if (leaf > table->max_extended)
		return (struct cpuid_regs){ 0 };
	regs = table->extended[leaf - EXTENDED_BASE];
	if (leaf == EXTENDED_BASE + 1 && table->amd && !vcpu->apic_enabled)
		regs.edx &= ~F1D_APIC;
	return regs;
}
