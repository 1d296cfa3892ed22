// SPDX-License-Identifier: Apache-2.0
// SOURCES: arch/x86/tlb.c arch/x86/vmx/enable.c arch/x86/vmx/vcpu.c arch/x86/vmx/vmx.c
// SOURCES: arch/x86/vmx/exit.c arch/x86/vmx/emulate.c arch/x86/mmio.c arch/x86/pio.c
// SOURCES: arch/x86/registers.c arch/x86/walk.c arch/x86/insn.c arch/x86/emulate.c
// SOURCES: core/lib/string.c
/* Rules of the VMX back end alone: state, a stay on a CPU, and what the processor must have. */
#include "tests/unit/fake_vmx.h"

/* ---- state ---- */

static void state_comes_back_as_it_was_set(void **state)
{
	struct x86_state set = long_mode, got;

	(void)state;
	set.gpr[GPR_RSP] = 0x1234;
	set.gpr[GPR_R15] = 0x5678;
	set.rflags |= RFLAGS_FIXED;
	set.cr0 |= CR0_ET | CR0_CD;
	set.cr2 = 0x9abc;
	set.gdtr = (struct x86_segment){ .limit = 0x7f, .base = 0xdef0 };
	set.idtr = (struct x86_segment){ .limit = 0xfff, .base = 0xabcd0 };
	set.fs.base = 0; /* FS, GS and LDTR are unusable */
	set.tr = (struct x86_segment){ 0x40, 0x8b, 0x67, 0xffff800000001000 };
	memset(&got, 0xcc, sizeof(got));
	vmx_ops.set_state(&vcpu, &set);
	vmx_ops.get_state(&vcpu, &got);
	assert_memory_equal(&got, &set, sizeof(set));
	assert_int_equal(*field(CS_RIGHTS), 0xa09b);
	assert_true(*field(VMCS_GUEST_RIGHTS + 2 * VMCS_LDTR) & RIGHTS_UNUSABLE);
	assert_true(*field(VMCS_ENTRY_CONTROLS) & ENTRY_LONG_MODE);
	assert_int_equal(cr2, 0x9abc);
	vmx_ops.unload(&vcpu);
	cr2 = 0;
	vmx_ops.get_state(&vcpu, &got);
	assert_memory_equal(&got, &set, sizeof(set));
}

static void a_vmcs_after_init_holds_what_the_state_does_not(void **state)
{
	(void)state;
	vmx_ops.vcpu_reset(&vcpu);
	assert_int_equal(*field(VMCS_ENTRY_CONTROLS), vmx_features.entry);
	assert_int_equal(*field(VMCS_GUEST_DR7), 0x400);
	assert_int_equal(dr6, 0xffff0ff0);
	assert_int_equal(*field(VMCS_EPT_POINTER), 0x5000 | 6 | 3 << 3 | BIT(6));
	assert_int_equal(*field(VMCS_LINK_POINTER), ~0ULL);
	assert_int_equal(*field(VMCS_EXCEPTION_BITMAP), BIT(1) | BIT(17));
}

static void too_few_frames_take_none(void **state)
{
	struct arch_vcpu other = { .space = &space };

	(void)state;
	for (u32 left = 0; left < 4; left++) {
		frames_left = left;
		assert_int_equal(vmx_ops.vcpu_create(&other), ERR_NO_MEMORY);
		assert_int_equal(frames_left, left);
	}
	frames_left = 4;
	vmx_ops.unload(&vcpu); /* a new VMCS is filled in: none else is loaded then */
	assert_int_equal(vmx_ops.vcpu_create(&other), OK);
	assert_int_equal(frames_left, 0);
}

/* ---- a stay on a CPU ---- */

static void a_vmcs_is_current_only_while_it_is_needed(void **state)
{
	struct x86_state now;
	struct vmx_vcpu *vmx = vmx_of(&vcpu);

	(void)state;
	vmx_ops.run(&vcpu, &out); /* VMLAUNCH */
	vmx_ops.run(&vcpu, &out); /* VMRESUME: vmx_enter() looks */
	vmx_ops.unload(&vcpu);
	assert_null(current[0]);
	assert_int_equal(vmcs_at(vmx->vmcs)->cpu, NOWHERE);
	vmx_ops.get_state(&vcpu, &now);
	assert_int_equal(now.rip, CODE);
	vmx_ops.set_state(&vcpu, &long_mode);
	vmx_ops.startup(&vcpu, 1);
	vmx_ops.vcpu_reset(&vcpu);
	assert_null(current[0]);
	assert_int_equal(vmcs_at(vmx->vmcs)->cpu, NOWHERE);
	this_cpu = 1; /* the next stay may be elsewhere */
	vmx_ops.load(&vcpu);
	vmx_ops.run(&vcpu, &out);
	vmx_ops.get_state(&vcpu, &now); /* while it is loaded, it stays so */
	assert_ptr_equal(current[1], vmcs_at(vmx->vmcs));
	vmx_ops.run(&vcpu, &out);
	vmx_ops.unload(&vcpu);
}

static void what_no_vmcs_holds_moves_with_the_vcpu(void **state)
{
	(void)state;
	vcpu.xcr0 = 3;
	wrmsr(MSR_LSTAR, 0x1111);
	cr2 = 0x2222;
	dr6 = 0x3333;
	drs[3] = 0x4444;
	vmx_ops.unload(&vcpu);
	wrmsr(MSR_LSTAR, 0);
	cr2 = dr6 = drs[3] = xcr0 = 0;
	vmx_ops.load(&vcpu);
	assert_int_equal(rdmsr(MSR_LSTAR), 0x1111);
	assert_int_equal(cr2, 0x2222);
	assert_int_equal(dr6, 0x3333);
	assert_int_equal(drs[3], 0x4444);
	assert_int_equal(xcr0, 3);
}

static void the_hosts_state_is_of_the_cpu_it_is_on(void **state)
{
	(void)state;
	gdt[SELECTOR_TSS / 8] = 0x12008b3456780067;
	gdt[SELECTOR_TSS / 8 + 1] = 0xffff8000;
	vmx_ops.unload(&vcpu);
	wrmsr(MSR_GS_BASE, 0x6666);
	this_cpu = 1;
	vmx_ops.load(&vcpu);
	assert_int_equal(*field(VMCS_HOST_TR_BASE), 0xffff800012345678);
	assert_int_equal(*field(VMCS_HOST_GS_BASE), 0x6666);
	assert_int_equal(*field(VMCS_HOST_RIP), (u64)vmx_exited);
	assert_int_equal(*field(VMCS_HOST_CR4), cr4);
}

static void enters_with(u32 count)
{
	invalidations = 0;
	memset(invalidated, 0, sizeof(invalidated));
	vmx_ops.run(&vcpu, &out);
	assert_int_equal(invalidations, count);
}

static void what_is_stale_is_invalidated(void **state)
{
	const u64 eptp = 0x5000 | 6 | 3 << 3 | BIT(6);

	(void)state;
	enters_with(2); /* what was there before us */
	assert_int_equal(*field(VMCS_VPID), 1);
	assert_int_equal(invalidated[0], INVALIDATE_SINGLE);
	assert_int_equal(invalidated[1], eptp);
	assert_int_equal(invalidated[2], INVALIDATE_ALL);
	enters_with(0);
	vcpu.flush_linear = true;
	enters_with(1);
	assert_int_equal(invalidated[2], INVALIDATE_SINGLE);
	assert_int_equal(invalidated[3], 1);
	assert_false(vcpu.flush_linear);
	(void)nested_space_changed(&space);
	enters_with(1);
	assert_int_equal(invalidated[0], INVALIDATE_SINGLE);
	assert_int_equal(invalidated[1], eptp);
	vmx_features.invept_type = INVALIDATE_ALL; /* the finest there is */
	(void)nested_space_changed(&space);
	enters_with(1);
	assert_int_equal(invalidated[0], INVALIDATE_ALL);
}

static void the_tsc_offset_and_the_stay_follow(void **state)
{
	(void)state;
	vcpu.tsc_offset = 0x123456;
	vmx_ops.run(&vcpu, &out);
	assert_int_equal(*field(VMCS_TSC_OFFSET), 0x123456);
	assert_int_equal(*field(VMCS_PREEMPTION_TIMER), 1000000); /* 10 ms */
	assert_true(*field(VMCS_PIN_CONTROLS) & PIN_PREEMPTION_TIMER);
	*field(VMCS_GUEST_RFLAGS) &= ~RFLAGS_IF;
	vmx_ops.run(&vcpu, &out);
	assert_int_equal(*field(VMCS_PREEMPTION_TIMER), 50000);
}

/* ---- what the processor must have ---- */

static void what_is_missing_is_named(void **state)
{
	(void)state;
	allowed_secondary &= ~SECONDARY_UNRESTRICTED;
	assert_string_equal(vmx_missing(), "unrestricted guest");
	allowed_secondary = ~SECONDARY_EPT;
	assert_string_equal(vmx_missing(), "EPT");
	allowed_secondary = 0xffffffff;
	ept_vpid &= ~BIT(14);
	assert_non_null(vmx_missing());
	ept_vpid = ~BIT(26); /* INVEPT of all contexts */
	assert_non_null(vmx_missing());
	ept_vpid = ~(BIT(21) | BIT(25));
	assert_null(vmx_missing());
	assert_int_equal(vmx_features.eptp_bits, 6 | 3 << 3);
	assert_int_equal(vmx_features.invept_type, INVALIDATE_ALL);
	assert_true(vmx_features.pin & BIT(1)); /* what must be, is */
}

static void pages_of_1_gib_are_used_where_ept_has_them(void **state)
{
	(void)state;
	assert_int_equal(vmx_ops.largest(), 3);
	ept_vpid &= ~BIT(17);
	assert_null(vmx_missing());
	assert_int_equal(vmx_ops.largest(), 2);
}

static void firmware_may_have_locked_vmx_out(void **state)
{
	(void)state;
	assert_int_equal(rdmsr(0x3a), 5); /* we have chosen, and locked */
	wrmsr(0x3a, 1);
	assert_int_equal(vmx_ops.cpu_enable(), ERR_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(state_comes_back_as_it_was_set),
		TEST(a_vmcs_after_init_holds_what_the_state_does_not),
		TEST(too_few_frames_take_none),
		TEST(a_vmcs_is_current_only_while_it_is_needed),
		TEST(what_no_vmcs_holds_moves_with_the_vcpu),
		TEST(the_hosts_state_is_of_the_cpu_it_is_on),
		TEST(what_is_stale_is_invalidated),
		TEST(the_tsc_offset_and_the_stay_follow),
		TEST(what_is_missing_is_named),
		TEST(pages_of_1_gib_are_used_where_ept_has_them),
		TEST(firmware_may_have_locked_vmx_out),
	};

	return cmocka_run_group_tests_name("vmx_state", tests, NULL, NULL);
}
