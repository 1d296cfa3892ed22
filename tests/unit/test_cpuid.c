// SPDX-License-Identifier: Apache-2.0
// SOURCES: guest/lapic.c guest/lapic_bus.c guest/lapic_timer.c guest/ioapic.c guest/uart.c
// SOURCES: guest/rtc.c guest/pvclock.c guest/cpuid.c guest/msr.c guest/hypercall.c
// SOURCES: guest/platform.c core/region.c
/* CPUID policy: a processor that has everything must not shine through. */
#include "tests/unit/fake_vm.h"

static bool intel, no_avx, no_xsave;

/* Every bit set, except where a field has a meaning of its own. */
static struct cpuid_regs everything(u32 leaf, u32 subleaf)
{
	struct cpuid_regs all = { ~0u, ~0u, ~0u, ~0u };

	if (leaf == 0 && intel)
		return (struct cpuid_regs){ 0x20, 0x756e6547, 0x6c65746e, 0x49656e69 };
	if (leaf == 0)
		return (struct cpuid_regs){ 0x10, 0x68747541, 0x444d4163, 0x69746e65 };
	if (leaf == 1 && no_xsave)
		all.ecx &= ~(u32)BIT(26);
	if (leaf == 4)
		return (struct cpuid_regs){ subleaf < 4 ? 0xfc000000u | (subleaf + 1) << 5 | 1 : 0,
					    63, 63, 7 };
	if (leaf == 0xd && subleaf == 0)
		return (struct cpuid_regs){ no_avx ? 0x203 : 0x2ff, 2696, 2696, 0 };
	if (leaf == 0xd && subleaf == 2)
		return (struct cpuid_regs){ 256, 576, 0, 0 };
	if (leaf == 0x80000000)
		all.eax = 0x80000028;
	if (leaf == 0x80000008)
		all.eax = 0x3934;
	return all;
}

static struct cpuid_table table;
static struct cpuid_vcpu vcpu;

static void build(u32 count)
{
	vcpu = (struct cpuid_vcpu){ .apic_id = 1, .xcr0 = 1, .apic_enabled = true };
	cpuid_table_init(&table, everything, count, 2400000000ULL, true);
}

static int amd_setup(void **state)
{
	(void)state;
	intel = no_avx = no_xsave = false;
	build(4);
	return 0;
}

static struct cpuid_regs get(u32 leaf, u32 subleaf)
{
	return cpuid_lookup(&table, &vcpu, leaf, subleaf);
}

static void what_cannot_work_is_hidden(void **state)
{
	struct cpuid_regs one = get(1, 0), seven = get(7, 0), ext = get(0x80000001, 0);

	(void)state;
	assert_int_equal(one.ecx & BIT(3), 0);					  /* MONITOR */
	assert_int_equal(one.ecx & BIT(5), 0);					  /* VMX */
	assert_int_equal(one.ecx & BIT(17), 0);					  /* PCID */
	assert_int_equal(seven.ebx & BIT(1), 0);				  /* TSC_ADJUST */
	assert_int_equal(seven.ebx & BIT(10), 0);				  /* INVPCID */
	assert_int_equal(seven.ebx & BIT(16), 0);				  /* AVX512F */
	assert_int_equal(seven.ecx & BIT(3), 0);				  /* PKU */
	assert_int_equal(seven.ecx & BIT(16), 0);				  /* LA57 */
	assert_int_equal(seven.ecx & BIT(22), 0);				  /* RDPID */
	assert_int_equal(seven.edx & (BIT(26) | BIT(27) | BIT(29) | BIT(31)), 0); /* SPEC_CTRL */
	assert_int_equal(ext.ecx & BIT(2), 0);					  /* SVM */
	assert_int_equal(ext.ecx & BIT(22), 0);					  /* TOPOEXT */
	assert_int_equal(ext.ecx & BIT(29), 0);					  /* MONITORX */
	assert_int_equal(ext.edx & BIT(27), 0);					  /* RDTSCP */
	assert_int_equal(get(0xd, 1).eax & BIT(3), 0);				  /* XSAVES */
}

static void unlisted_leaves_read_as_zero(void **state)
{
	static const u32 leaves[] = { 5,	  9,	      0xa,	  0xf,	      0x10,
				      0x14,	  0x7fffffff, 0x40000002, 0x4000000f, 0x40000102,
				      0x8000000a, 0x8000001b, 0x8000001d, 0x8000001f, 0x80000022,
				      0x8fffffff, 0xffffffff, 0xc0000000, 0x20,	      0x3fffffff };
	const struct cpuid_regs zero = { 0 };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(leaves); i++) {
		struct cpuid_regs regs = get(leaves[i], 0);

		assert_memory_equal(&regs, &zero, sizeof(zero));
	}
	for (u32 subleaf = 3; subleaf != 0; subleaf <<= 1) {
		struct cpuid_regs regs = get(0xd, subleaf);

		assert_memory_equal(&regs, &zero, sizeof(zero));
		regs = get(7, subleaf);
		assert_memory_equal(&regs, &zero, sizeof(zero));
		get(0xb, subleaf);
		get(4, subleaf);
	}
}

static void what_facet_supplies_is_there(void **state)
{
	struct cpuid_regs one = get(1, 0);

	(void)state;
	assert_int_equal(one.ecx >> 21 & 1, 1); /* x2APIC */
	assert_int_equal(one.ecx >> 24 & 1, 1); /* TSC deadline */
	assert_int_equal(one.ecx >> 31, 1);	/* hypervisor */
	assert_int_equal(one.edx >> 7 & 1, 1);	/* MCE, with no bank: see test_msr.c */
	assert_int_equal(one.edx >> 9 & 1, 1);	/* APIC */
	assert_int_equal(one.edx >> 12 & 1, 1); /* MTRR: Linux wants it for PAT */
	assert_int_equal(one.edx >> 14 & 1, 1); /* MCA */
	assert_int_equal(one.edx >> 15 & 1, 1); /* CMOV */
	assert_int_equal(get(6, 0).eax, 4);	/* ARAT */
	assert_int_equal(get(0x80000007, 0).edx, 0x100);
}

static void hypervisor_leaves(void **state)
{
	struct cpuid_regs kvm = get(0x40000000, 0), facet = get(0x40000100, 0);

	(void)state;
	assert_int_equal(kvm.eax, 0x40000010);
	assert_memory_equal(((u32[]){ kvm.ebx, kvm.ecx, kvm.edx }), "KVMKVMKVM\0\0\0", 12);
	assert_int_equal(get(0x40000001, 0).eax,
			 BIT(0) | BIT(1) | BIT(3) | BIT(5) | BIT(6) | BIT(7) | BIT(24));
	assert_int_equal(get(0x40000010, 0).eax, 2400000);
	assert_int_equal(get(0x40000010, 0).ebx, 1000000);
	assert_memory_equal(((u32[]){ facet.ebx, facet.ecx, facet.edx }), "FacetFacetFa", 12);
	assert_int_equal(facet.eax, 0x40000101);
	assert_int_equal(get(0x40000101, 0).eax, 1);
	assert_int_equal(get(0x40000101, 0).ebx, 1);
}

static void the_vcpu_shows_in_leaf_1(void **state)
{
	(void)state;
	assert_int_equal(get(1, 0).ebx >> 16, 0x0104);
	assert_int_equal(get(1, 0).ecx & BIT(27), 0);
	vcpu.osxsave = true;
	assert_int_equal(get(1, 0).ecx & BIT(27), BIT(27));
	vcpu.apic_enabled = false;
	assert_int_equal(get(1, 0).edx & BIT(9), 0);
	assert_int_equal(get(0x80000001, 0).edx & BIT(9), 0);
}

static void topology_is_one_package_of_single_threaded_cores(void **state)
{
	(void)state;
	assert_int_equal(get(0xb, 0).eax, 0);
	assert_int_equal(get(0xb, 0).ebx, 1);
	assert_int_equal(get(0xb, 0).ecx, 0x100);
	assert_int_equal(get(0xb, 1).eax, 2);
	assert_int_equal(get(0xb, 1).ebx, 4);
	assert_int_equal(get(0xb, 1).ecx, 0x201);
	assert_int_equal(get(0xb, 1).edx, 1);
	assert_int_equal(get(0xb, 2).ebx, 0);
	assert_int_equal(get(0xb, 2).ecx, 2);
	assert_int_equal(get(0x80000008, 0).ecx, 3 | 2 << 12);
	build(1);
	assert_int_equal(get(0xb, 1).eax, 0);
	assert_int_equal(get(1, 0).edx & BIT(28), 0);
	assert_int_equal(get(0x80000008, 0).ecx, 0);
}

static void xsave_sizes_follow_xcr0(void **state)
{
	(void)state;
	assert_int_equal(get(0xd, 0).eax, 7);
	assert_int_equal(get(0xd, 0).ebx, 576);
	assert_int_equal(get(0xd, 0).ecx, 832);
	vcpu.xcr0 = 7;
	assert_int_equal(get(0xd, 0).ebx, 832);
	assert_int_equal(get(0xd, 1).eax, 7);
	assert_int_equal(get(0xd, 1).ebx, 832);
	assert_int_equal(get(0xd, 2).eax, 256);
	assert_int_equal(get(0xd, 2).ebx, 576);
}

static void without_avx_state_nothing_of_avx_shows(void **state)
{
	(void)state;
	no_avx = true;
	build(1);
	assert_int_equal(get(0xd, 0).eax, 3);
	assert_int_equal(get(1, 0).ecx & (BIT(12) | BIT(28) | BIT(29)), 0);
	assert_int_equal(get(7, 0).ebx & BIT(5), 0);
	assert_int_equal(get(7, 0).ecx & (BIT(9) | BIT(10)), 0);
	assert_int_equal(get(0x80000001, 0).ecx & (BIT(11) | BIT(16)), 0);
	no_xsave = true;
	build(1);
	assert_int_equal(get(1, 0).ecx & BIT(26), 0);
	assert_int_equal(get(0xd, 0).eax, 0);
	vcpu.osxsave = true;
	assert_int_equal(get(1, 0).ecx & BIT(27), 0);
}

static void physical_addresses_are_bounded(void **state)
{
	(void)state;
	assert_int_equal(get(0x80000008, 0).eax, 0x392e); /* 52 becomes 46 */
	assert_int_equal(cpuid_phys_bits(everything), 46);
}

static void intel_has_frequencies_and_caches_and_no_amd_bits(void **state)
{
	struct cpuid_regs tsc;

	(void)state;
	intel = true;
	build(4);
	tsc = get(0x15, 0);
	assert_int_equal((u64)tsc.ecx * tsc.ebx / tsc.eax, 2400000000ULL);
	assert_int_equal(get(0x16, 0).eax, 2400);
	assert_int_equal(get(4, 0).eax >> 14 & 0xfff, 0); /* level 1 */
	assert_int_equal(get(4, 2).eax >> 14 & 0xfff, 3); /* level 3 */
	assert_int_equal(get(4, 0).eax >> 26, 3);
	assert_int_equal(get(4, 4).eax, 0);
	assert_int_equal(get(0x80000008, 0).ecx, 0);
	assert_int_equal(get(0x80000001, 0).ecx & BIT(1), 0);
	assert_int_equal(get(0x80000001, 0).edx & 0x3ff, 0);
}

static void this_host_builds_a_sane_table(void **state)
{
	struct vm_exit exit = { .kind = VM_EXIT_CPUID };

	(void)state;
	fake_vm_start(2);
	fake_cr4 = BIT(18);
	exit.cpuid.leaf = 1;
	platform_cpuid(&fake_vcpus[1], &exit);
	assert_int_equal(exit.cpuid.ebx >> 24, 1);
	assert_int_equal(exit.cpuid.ecx >> 27 & 1, exit.cpuid.ecx >> 26 & 1);
	assert_int_equal(exit.cpuid.edx & BIT(4), BIT(4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_cannot_work_is_hidden, amd_setup),
		cmocka_unit_test_setup(unlisted_leaves_read_as_zero, amd_setup),
		cmocka_unit_test_setup(what_facet_supplies_is_there, amd_setup),
		cmocka_unit_test_setup(hypervisor_leaves, amd_setup),
		cmocka_unit_test_setup(the_vcpu_shows_in_leaf_1, amd_setup),
		cmocka_unit_test_setup(topology_is_one_package_of_single_threaded_cores, amd_setup),
		cmocka_unit_test_setup(xsave_sizes_follow_xcr0, amd_setup),
		cmocka_unit_test_setup(without_avx_state_nothing_of_avx_shows, amd_setup),
		cmocka_unit_test_setup(physical_addresses_are_bounded, amd_setup),
		cmocka_unit_test_setup(intel_has_frequencies_and_caches_and_no_amd_bits, amd_setup),
		cmocka_unit_test(this_host_builds_a_sane_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
