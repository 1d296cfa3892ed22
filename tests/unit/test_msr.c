// SPDX-License-Identifier: Apache-2.0
// SOURCES: guest/lapic.c guest/lapic_bus.c guest/lapic_timer.c guest/ioapic.c guest/uart.c
// SOURCES: guest/rtc.c guest/pvclock.c guest/cpuid.c guest/msr.c guest/hypercall.c
// SOURCES: guest/platform.c core/region.c
/* MSR policy, the paravirtual clock behind MSRs, and hypercalls. */
#include "arch/x86/cpu.h"
#include "guest/hypercall.h"
#include "tests/unit/fake_vm.h"

/* What the interface puts into the guest's memory. */
struct time_info {
	u32 version, pad;
	u64 tsc, ns;
	u32 multiplier;
	s8 shift;
	u8 flags;
	u8 pad2[2];
};

static struct time_info time_info(u32 at)
{
	struct time_info info;

	memcpy(&info, fake_ram + at, sizeof(info));
	return info;
}

static u64 ram64(u32 at)
{
	u64 value;

	memcpy(&value, fake_ram + at, sizeof(value));
	return value;
}

static u32 ram32(u32 at)
{
	return (u32)ram64(at);
}

static void start(bool amd)
{
	fake_vm_start(2);
	fake_platform.cpuid.amd = amd;
}

/* ---- the list ---- */

static void unlisted_msrs_fault_and_the_log_is_bounded(void **state)
{
	u64 value;

	(void)state;
	start(true);
	fake_log_lines = 0;
	for (u32 index = 0x40000000; index < 0x40000400; index++) {
		assert_false(fake_rdmsr(0, index, &value));
		assert_false(fake_wrmsr(0, index, 0));
	}
	assert_in_range(fake_log_lines, 1, 10);
	assert_false(fake_rdmsr(0, 0x3b, &value));	 /* TSC_ADJUST */
	assert_false(fake_rdmsr(0, 0x48, &value));	 /* SPEC_CTRL */
	assert_false(fake_rdmsr(0, 0x400, &value));	 /* MC0_CTL: no banks */
	assert_false(fake_rdmsr(0, 0xc0000103, &value)); /* TSC_AUX: no RDTSCP */
	assert_false(fake_rdmsr(0, MSR_VM_CR, &value));
	assert_false(fake_wrmsr(0, MSR_VM_HSAVE_PA, 0));
	assert_false(fake_rdmsr(0, 0x4b564d02, &value)); /* asynchronous page faults */
	assert_false(fake_rdmsr(0, 0x840, &value));
}

static void the_vendors_own_msrs_go_by_vendor(void **state)
{
	u64 value;

	(void)state;
	start(true);
	assert_true(fake_rdmsr(0, 0xc0010015, &value));
	assert_int_equal(value, BIT(24));
	assert_true(fake_rdmsr(0, 0xc0011029, &value));
	assert_int_equal(value, BIT(1));
	assert_true(fake_wrmsr(0, 0xc0011029, 0));
	assert_true(fake_rdmsr(0, 0xc001001f, &value));
	assert_true(fake_rdmsr(0, 0xc0010010, &value));
	assert_false(fake_rdmsr(0, 0x1a0, &value));
	start(false);
	assert_false(fake_rdmsr(0, 0xc0010015, &value));
	assert_true(fake_rdmsr(0, 0x1a0, &value));
	assert_false(fake_wrmsr(0, 0x17, 0)); /* read-only */
}

static void what_the_vendor_block_keeps_goes_there(void **state)
{
	u64 value;

	(void)state;
	start(true);
	assert_true(fake_wrmsr(0, MSR_LSTAR, 0x1234));
	assert_true(fake_rdmsr(0, MSR_PAT, &value));
	assert_int_equal(value, 0x1234);
	assert_false(fake_wrmsr(0, MSR_EFER, ~0ULL)); /* the block refuses */
}

static void mtrrs_are_enabled_without_ranges(void **state)
{
	u64 value;

	(void)state;
	start(true);
	assert_true(fake_rdmsr(0, 0xfe, &value));
	assert_int_equal(value, 0x400);
	assert_true(fake_rdmsr(0, 0x2ff, &value));
	assert_int_equal(value, 0x806);
	assert_true(fake_wrmsr(0, 0x2ff, 6));
	assert_true(fake_rdmsr(0, 0x2ff, &value));
	assert_int_equal(value, 6);
	assert_false(fake_wrmsr(0, 0x2ff, 0x802));
	assert_false(fake_wrmsr(0, 0x2ff, 0xc06)); /* fixed ranges: not there */
	assert_false(fake_wrmsr(0, 0x200, 0));
	assert_false(fake_wrmsr(0, 0xfe, 0));
}

static void machine_checks_have_no_banks(void **state)
{
	u64 value = ~0ULL;

	(void)state;
	start(true);
	assert_true(fake_rdmsr(0, 0x179, &value)); /* MCG_CAP */
	assert_int_equal(value, 0);
	assert_false(fake_wrmsr(0, 0x179, 1));
	assert_true(fake_wrmsr(0, 0x17a, 7)); /* MCG_STATUS */
	assert_true(fake_rdmsr(0, 0x17a, &value));
	assert_int_equal(value, 0);
	assert_false(fake_rdmsr(0, 0x17b, &value)); /* MCG_CTL: not in MCG_CAP */
	for (u32 index = 0x400; index < 0x480; index++)
		assert_false(fake_rdmsr(0, index, &value));
}

static void the_tsc_can_be_set(void **state)
{
	u64 value;

	(void)state;
	start(true);
	assert_true(fake_wrmsr(0, MSR_TSC, 1ULL << 50));
	assert_true(fake_rdmsr(0, MSR_TSC, &value));
	assert_in_range(value - (1ULL << 50), 0, 10000000000ULL);
}

/* ---- clocks ---- */

static void the_scale_turns_cycles_into_nanoseconds(void **state)
{
	static const u64 rates[] = { 1000000,	 999999999,  1000000000, 1000000001,
				     1999999999, 2000000001, 2400000000, 5800000000ULL };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(rates); i++) {
		unsigned __int128 cycles = rates[i] * 1000;
		u32 multiplier;
		u64 ns;
		s8 shift;

		pvclock_scale(rates[i], &multiplier, &shift);
		cycles = shift < 0 ? cycles >> -shift : cycles << shift;
		ns = (u64)(cycles * multiplier >> 32);
		assert_in_range(ns, 1000000000000ULL - 1000, 1000000000000ULL + 1000);
	}
}

static void the_clock_is_written_when_registered(void **state)
{
	struct time_info info;

	(void)state;
	start(true);
	fake_vcpus[1].arch.tsc_offset = 777;
	assert_true(fake_wrmsr(1, 0x4b564d01, 0x2001));
	info = time_info(0x2000);
	assert_int_equal(info.version, 2);
	assert_int_equal(info.ns, 1000);
	assert_int_equal(info.tsc, 2000 + 777);
	assert_int_equal(info.flags, 1);
	assert_int_equal(fake_ram[0x2020], 0xee); /* 32 bytes and no more */
	fake_now = 5000;
	assert_true(fake_wrmsr(1, 0x4b564d01, 0x2001));
	assert_int_equal(time_info(0x2000).version, 4);
	assert_int_equal(time_info(0x2000).ns, 1000); /* one relation for all vCPUs */
	assert_true(fake_wrmsr(1, 0x4b564d01, 0));
	assert_int_equal(time_info(0x2000).version, 4);
	assert_false(fake_wrmsr(1, 0x4b564d01, 0x2003));
}

static void a_new_tsc_is_told(void **state)
{
	(void)state;
	start(true);
	assert_true(fake_wrmsr(0, 0x4b564d01, 0x2001));
	assert_true(fake_wrmsr(0, MSR_TSC, 0));
	assert_int_equal(time_info(0x2000).version, 4);
	assert_int_equal(time_info(0x2000).tsc, 2000 + fake_vcpus[0].arch.tsc_offset);
}

static void the_wall_clock_is_the_time_at_start(void **state)
{
	(void)state;
	start(true);
	assert_true(fake_wrmsr(0, 0x4b564d00, 0x3000));
	assert_int_equal(ram32(0x3000) & 1, 0);
	assert_int_equal(ram32(0x3004), FAKE_BOOT);
	assert_int_equal(ram32(0x3008), 0);
	assert_int_equal(fake_ram[0x300c], 0xee);
}

static void steal_time_is_what_it_waited(void **state)
{
	(void)state;
	start(true);
	fake_vcpus[0].ready_ns = 55;
	assert_false(fake_wrmsr(0, 0x4b564d03, 0x4003)); /* 64-byte alignment */
	assert_true(fake_wrmsr(0, 0x4b564d03, 0x4001));
	assert_int_equal(ram64(0x4000), 55);
	assert_int_equal(ram32(0x4008), 2);
	fake_vcpus[0].ready_ns = 99;
	pvclock_scheduled_in(&fake_vcpus[0]);
	assert_int_equal(ram64(0x4000), 99);
	assert_int_equal(ram32(0x4008), 4);
	assert_int_equal(ram32(0x400c), 0);
	assert_int_equal(fake_ram[0x4010], 0);
	pvclock_scheduled_in(&fake_vcpus[0]); /* nothing new: nothing written */
	assert_int_equal(ram32(0x4008), 4);
	platform_vcpu_init(&fake_vcpus[0]); /* INIT ends it */
	fake_vcpus[0].ready_ns = 200;
	pvclock_scheduled_in(&fake_vcpus[0]);
	assert_int_equal(ram64(0x4000), 99);
}

static void addresses_outside_ram_are_never_written(void **state)
{
	static u8 before[FAKE_RAM];

	(void)state;
	start(true);
	memcpy(before, fake_ram, FAKE_RAM);
	assert_true(fake_wrmsr(0, 0x4b564d01, (0xffffffffffff0000ULL) | 1));
	assert_true(fake_wrmsr(0, 0x4b564d00, 0xfffffffffffffffcULL));
	assert_true(fake_wrmsr(0, 0x4b564d03, 0xffffffffffffffc1ULL));
	assert_memory_equal(before, fake_ram, FAKE_RAM);
}

/* ---- hypercalls ---- */

static u64 call(u32 vcpu, u64 number, const u64 arg[4])
{
	struct vm_exit exit = { .kind = VM_EXIT_HYPERCALL, .hypercall.number = number };

	memcpy(exit.hypercall.arg, arg, sizeof(exit.hypercall.arg));
	hypercall(&fake_vcpus[vcpu], &exit);
	return exit.hypercall.result;
}

static void a_kick_wakes_and_is_remembered(void **state)
{
	const u64 arg[4] = { 0, 1 };
	const u64 nobody[4] = { 0, 2 };
	const u64 wrapped[4] = { 0, 1ULL << 32 };

	(void)state;
	start(true);
	assert_int_equal(call(0, HYPERCALL_KICK_CPU, arg), 0);
	assert_true(fake_vcpus[1].kicked);
	assert_int_equal(fake_vcpus[1].requests, VCPU_REQ_EVENT);
	assert_int_equal(call(0, HYPERCALL_KICK_CPU, nobody), 0);
	assert_int_equal(call(1, HYPERCALL_KICK_CPU, wrapped), 0);
	assert_false(fake_vcpus[0].kicked);
	assert_int_equal(call(0, 999, arg), (u64)-1000);
}

/* ---- life cycle ---- */

/* As vm_create() leaves it. */
static void without_platform(void)
{
	start(true);
	fake_vm.platform = NULL;
	fake_vcpus[0].lapic = fake_vcpus[1].lapic = NULL;
}

static void free_platform(void)
{
	free(fake_vm.platform);
	free(fake_vcpus[0].lapic);
	free(fake_vcpus[1].lapic);
}

static void creating_adds_regions(void **state)
{
	(void)state;
	without_platform();
	assert_int_equal(platform_create(&fake_vm), OK);
	assert_int_equal(fake_vm.mmio.count, 2);
	assert_int_equal(fake_vm.ports.count, 2);
	assert_int_equal(lapic_pending(&fake_vcpus[1]), -1);
	free_platform();
}

static void a_port_that_is_taken_is_told(void **state)
{
	const struct region taken = { RTC_PORT, 1, rtc_port, NULL, "another" };

	(void)state;
	without_platform();
	assert_int_equal(region_add(&fake_vm.ports, &taken), OK);
	assert_int_equal(platform_create(&fake_vm), ERR_EXISTS);
	free_platform();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unlisted_msrs_fault_and_the_log_is_bounded),
		cmocka_unit_test(the_vendors_own_msrs_go_by_vendor),
		cmocka_unit_test(what_the_vendor_block_keeps_goes_there),
		cmocka_unit_test(mtrrs_are_enabled_without_ranges),
		cmocka_unit_test(machine_checks_have_no_banks),
		cmocka_unit_test(the_tsc_can_be_set),
		cmocka_unit_test(the_scale_turns_cycles_into_nanoseconds),
		cmocka_unit_test(the_clock_is_written_when_registered),
		cmocka_unit_test(a_new_tsc_is_told),
		cmocka_unit_test(the_wall_clock_is_the_time_at_start),
		cmocka_unit_test(steal_time_is_what_it_waited),
		cmocka_unit_test(addresses_outside_ram_are_never_written),
		cmocka_unit_test(a_kick_wakes_and_is_remembered),
		cmocka_unit_test(creating_adds_regions),
		cmocka_unit_test(a_port_that_is_taken_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
