// SPDX-License-Identifier: Apache-2.0
// SOURCES: arch/x86/tlb.c arch/x86/vmx/enable.c arch/x86/vmx/vcpu.c arch/x86/vmx/vmx.c
// SOURCES: arch/x86/vmx/exit.c arch/x86/vmx/emulate.c arch/x86/mmio.c arch/x86/pio.c
// SOURCES: arch/x86/registers.c arch/x86/walk.c arch/x86/insn.c arch/x86/emulate.c
// SOURCES: core/lib/string.c
/* Rules of the VMX back end alone: events, windows, exceptions. */
#include "tests/unit/fake_vmx.h"

/* ---- events cut short ---- */

static void an_event_that_was_cut_short_is_delivered_again(void **state)
{
	const u64 irq = EVENT_INTERRUPT << 8 | 0x41;
	const u64 pf = EVENT_EXCEPTION << 8 | EVENT_CODE_VALID | X86_PF;

	(void)state;
	exits_in(REASON_INTERRUPT, 0, EVENT_VALID | irq);
	has_event(irq);
	assert_false(vmx_ops.can_inject(&vcpu));
	*field(VMCS_IDT_VECTORING_CODE) = 6;
	exits_in(REASON_INTERRUPT, 0, EVENT_VALID | EVENT_NMI_UNBLOCK | pf); /* bit 12: undefined */
	has_event(pf | 6ULL << 32);
	for (u64 type = EVENT_SOFTWARE; type < 7; type++) { /* INT n, INT1, INT3 come again */
		exits_in(REASON_INTERRUPT, 0, EVENT_VALID | type << 8 | 0x80);
		has_no_event();
	}
	exits_in(REASON_INTERRUPT, 0, irq); /* not valid */
	has_no_event();
}

static void an_nmi_that_was_cut_short_is_not_blocked_by_itself(void **state)
{
	const u64 nmi = EVENT_NMI << 8 | 2;

	(void)state;
	*field(VMCS_GUEST_INTERRUPTIBILITY) = BLOCKED_BY_NMI;
	exits_in(REASON_INTERRUPT, 0, EVENT_VALID | nmi);
	has_event(nmi);
	assert_int_equal(*field(VMCS_GUEST_INTERRUPTIBILITY), 0); /* SDM vol. 3, 27.3.1.5 */
}

static void a_fault_in_iret_blocks_nmis_again(void **state)
{
	(void)state;
	CODE_IS(0x8b, 0x03);
	vcpu.gpr[GPR_RBX] = DEVICE;
	violates(DEVICE, ON_DATA | EPT_VIOLATION_NMI_UNBLOCK, 0);
	assert_true(*field(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKED_BY_NMI);
	*field(VMCS_GUEST_INTERRUPTIBILITY) = 0;
	*field(VMCS_EXIT_EVENT) = EVENT_VALID | EVENT_NMI_UNBLOCK | EVENT_EXCEPTION << 8 | 17;
	exits(REASON_EXCEPTION, 0);
	assert_true(*field(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKED_BY_NMI);
	*field(VMCS_GUEST_INTERRUPTIBILITY) =
		0; /* the bit says nothing while an event is on its way */
	violates(DEVICE, ON_DATA | EPT_VIOLATION_NMI_UNBLOCK, EVENT_VALID | 0x40);
	assert_false(*field(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKED_BY_NMI);
}

/* ---- interrupts and NMIs ---- */

static void mov_ss_has_a_shadow_and_nmis_block_no_interrupt(void **state)
{
	(void)state;
	*field(VMCS_GUEST_INTERRUPTIBILITY) = BLOCKED_BY_MOV_SS;
	assert_false(vmx_ops.can_inject(&vcpu));
	*field(VMCS_GUEST_INTERRUPTIBILITY) = BLOCKED_BY_NMI;
	assert_true(vmx_ops.can_inject(&vcpu));
}

static void an_interrupt_is_injected_once(void **state)
{
	(void)state;
	assert_true(vmx_ops.can_inject(&vcpu));
	vmx_ops.inject_interrupt(&vcpu, 0x55);
	has_event(EVENT_INTERRUPT << 8 | 0x55);
	assert_false(vmx_ops.can_inject(&vcpu));
}

static void the_window_is_told_once(void **state)
{
	(void)state;
	assert_false(vmx_ops.offer_interrupt(&vcpu, 0x55));
	assert_true(*field(VMCS_PRIMARY_CONTROLS) & PRIMARY_IRQ_WINDOW);
	exits(REASON_IRQ_WINDOW, 0);
	assert_int_equal(out.kind, VM_EXIT_IRQ_WINDOW);
	assert_int_equal(*field(VMCS_PRIMARY_CONTROLS), vmx_features.primary);
}

static void an_nmi_waits_for_its_window(void **state)
{
	(void)state;
	assert_true(vmx_ops.inject_nmi(&vcpu));
	has_event(EVENT_NMI << 8 | 2);
	assert_int_equal(*field(VMCS_PRIMARY_CONTROLS), vmx_features.primary);
	assert_false(vmx_ops.inject_nmi(&vcpu)); /* one is on its way */
	assert_true(*field(VMCS_PRIMARY_CONTROLS) & PRIMARY_NMI_WINDOW);
	exits(REASON_NMI_WINDOW, 0);
	assert_int_equal(*field(VMCS_PRIMARY_CONTROLS), vmx_features.primary);
	*field(VMCS_GUEST_INTERRUPTIBILITY) = BLOCKED_BY_NMI;
	assert_false(vmx_ops.inject_nmi(&vcpu));
	assert_true(*field(VMCS_PRIMARY_CONTROLS) & PRIMARY_NMI_WINDOW);
	*field(VMCS_GUEST_INTERRUPTIBILITY) = 0;
	assert_true(vmx_ops.inject_nmi(&vcpu));
}

/* Its own window opens at once in the shadow of STI, where no NMI may be injected. */
static void an_nmi_in_the_shadow_of_sti_waits_for_the_interrupt_window(void **state)
{
	(void)state;
	*field(VMCS_GUEST_INTERRUPTIBILITY) = BLOCKED_BY_STI;
	assert_false(vmx_ops.inject_nmi(&vcpu));
	assert_true(*field(VMCS_PRIMARY_CONTROLS) & PRIMARY_IRQ_WINDOW);
	assert_false(*field(VMCS_PRIMARY_CONTROLS) & PRIMARY_NMI_WINDOW);
}

static void the_hosts_nmi_is_taken_here(void **state)
{
	(void)state;
	*field(VMCS_EXIT_EVENT) = EVENT_VALID | EVENT_NMI << 8 | 2;
	exits(REASON_EXCEPTION, 0);
	assert_int_equal(nmis_taken, 1);
	assert_int_equal(out.kind, VM_EXIT_INTERRUPT);
	has_no_event();
}

/* ---- exceptions ---- */

static void intercepted_exceptions_go_back(void **state)
{
	(void)state;
	CODE_IS(0x90);
	*field(VMCS_GUEST_DR7) = 0x2402; /* GD */
	*field(VMCS_EXIT_EVENT) = EVENT_VALID | EVENT_EXCEPTION << 8 | X86_DB;
	dr6 = 0xffff0ff0;
	exits(REASON_EXCEPTION, BIT(13) | BIT(1) | BIT(20));
	has_fault(X86_DB, false, 0);
	assert_int_equal(dr6, 0xffff2ff2);
	assert_int_equal(*field(VMCS_GUEST_DR7), 0x402);
	*field(VMCS_EXIT_EVENT) = EVENT_VALID | EVENT_EXCEPTION << 8 | EVENT_CODE_VALID | 17;
	exits(REASON_EXCEPTION, 0);
	has_fault(17, true, 0);
}

static void an_exception_ends_the_shadow_of_sti_and_mov_ss(void **state)
{
	(void)state;
	/* Else TF = 1 would want a pending single step, and entry fails (SDM vol. 3, 27.3.1.5). */
	*field(VMCS_GUEST_INTERRUPTIBILITY) = BLOCKED_BY_STI | BLOCKED_BY_NMI;
	*field(VMCS_EXIT_EVENT) = EVENT_VALID | EVENT_EXCEPTION << 8 | X86_DB;
	exits(REASON_EXCEPTION, BIT(14));
	assert_int_equal(*field(VMCS_GUEST_INTERRUPTIBILITY), BLOCKED_BY_NMI);
}

static void real_mode_has_no_error_codes(void **state)
{
	(void)state;
	*field(VMCS_GUEST_CR0) = CR0_NE | CR0_ET;
	vmx_ops.inject_exception(&vcpu, X86_GP, true, 0);
	has_event(EVENT_EXCEPTION << 8 | X86_GP);
	*field(VMCS_GUEST_CR0) |= CR0_PE;
	vmx_ops.inject_exception(&vcpu, X86_GP, true, 0x18);
	has_event(EXCEPTION_EVENT | EVENT_ERROR(0x18) | X86_GP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_event_that_was_cut_short_is_delivered_again),
		TEST(an_nmi_that_was_cut_short_is_not_blocked_by_itself),
		TEST(a_fault_in_iret_blocks_nmis_again),
		TEST(mov_ss_has_a_shadow_and_nmis_block_no_interrupt),
		TEST(an_interrupt_is_injected_once),
		TEST(the_window_is_told_once),
		TEST(an_nmi_waits_for_its_window),
		TEST(an_nmi_in_the_shadow_of_sti_waits_for_the_interrupt_window),
		TEST(the_hosts_nmi_is_taken_here),
		TEST(intercepted_exceptions_go_back),
		TEST(an_exception_ends_the_shadow_of_sti_and_mov_ss),
		TEST(real_mode_has_no_error_codes),
	};

	return cmocka_run_group_tests_name("vmx_events", tests, NULL, NULL);
}
