// SPDX-License-Identifier: Apache-2.0
// SOURCES: arch/x86/tlb.c arch/x86/svm/svm.c arch/x86/svm/exit.c arch/x86/svm/emulate.c
// SOURCES: arch/x86/mmio.c arch/x86/pio.c arch/x86/registers.c arch/x86/walk.c
// SOURCES: arch/x86/insn.c arch/x86/emulate.c core/lib/string.c
/* Rules of the SVM back end alone: events, what a VMCB holds after INIT, and ASIDs. */
#include "tests/unit/fake_svm.h"

/* ---- events ---- */

static void an_event_that_was_cut_short_is_delivered_again(void **state)
{
	(void)state;
	vmcb->exit_int_info = SVM_EVENT_VALID | SVM_EVENT_NMI | 2;
	exits(SVM_EXIT_INTR, 0, 0);
	assert_int_equal(vmcb->event_inj, SVM_EVENT_VALID | SVM_EVENT_NMI | 2);
	assert_false(svm_ops.can_inject(&vcpu));
	vmcb->exit_int_info =
		SVM_EVENT_VALID | SVM_EVENT_EXCEPTION | SVM_EVENT_CODE_VALID | 14 | 6ULL << 32;
	exits(SVM_EXIT_INTR, 0, 0);
	assert_int_equal(vmcb->event_inj, vmcb->exit_int_info);
	vmcb->exit_int_info = SVM_EVENT_VALID | 4ULL << 8 | 0x80; /* INT 80h comes again */
	exits(SVM_EXIT_INTR, 0, 0);
	assert_int_equal(vmcb->event_inj, 0);
	vmcb->exit_int_info = SVM_EVENT_EXCEPTION | 14; /* not valid */
	exits(SVM_EXIT_INTR, 0, 0);
	assert_int_equal(vmcb->event_inj, 0);
}

#define OFFERED_55 (SVM_V_INTR_MASKING | SVM_V_IRQ | SVM_V_IGNORE_TPR | SVM_V_INTR_VECTOR(0x55))

static void an_offer_ends_with_the_exit(void **state)
{
	(void)state;
	assert_true(svm_ops.offer_interrupt(&vcpu, 0x55));
	assert_true(vmcb->v_intr == OFFERED_55);
	exits(SVM_EXIT_INTR, 0, 0);
	assert_false(vmcb->v_intr & SVM_V_IRQ);
	assert_true(vmcb->v_intr & SVM_V_INTR_MASKING);
	assert_int_equal(vcpu.offered, 0x55); /* still: it was not taken */
	assert_int_equal(vmcb->event_inj, 0);
}

static void an_offered_interrupt_that_was_taken_is_offered_no_more(void **state)
{
	(void)state;
	assert_true(svm_ops.offer_interrupt(&vcpu, 0x55));
	vmcb->v_intr &= ~SVM_V_IRQ; /* the processor does that */
	exits(SVM_EXIT_CPUID, 0, 0);
	assert_int_equal(vcpu.offered, 0);
}

/* QEMU delivers one that comes by EVENTINJ twice, now and then. */
static void an_interrupt_that_can_be_taken_is_an_offer_too(void **state)
{
	(void)state;
	assert_true(svm_ops.can_inject(&vcpu));
	assert_true(svm_ops.offer_interrupt(&vcpu, 0x66)); /* before an entry that did not come */
	svm_ops.inject_interrupt(&vcpu, 0x55);
	assert_true(vmcb->v_intr == OFFERED_55);
	assert_int_equal(vmcb->event_inj, 0);
	exits(SVM_EXIT_INTR, 0, 0); /* the host's came first */
	assert_int_equal(vcpu.offered, 0x55);
	assert_true(vmcb->v_intr == SVM_V_INTR_MASKING);
}

static void an_offered_interrupt_cut_short_was_not_taken(void **state)
{
	(void)state;
	assert_true(svm_ops.offer_interrupt(&vcpu, 0x55));
	vmcb->v_intr &= ~SVM_V_IRQ;
	vmcb->exit_int_info = SVM_EVENT_VALID | SVM_EVENT_INTR | 0x55;
	exits(SVM_EXIT_NPF, 0, 0x100000000);
	assert_int_equal(vcpu.offered, 0x55);
	assert_int_equal(vmcb->event_inj, 0);
	assert_true(vmcb->v_intr == SVM_V_INTR_MASKING);
	/* Another event that was cut short says nothing of the offer. */
	assert_true(svm_ops.offer_interrupt(&vcpu, 0x55));
	vmcb->v_intr &= ~SVM_V_IRQ;
	vmcb->exit_int_info = SVM_EVENT_VALID | SVM_EVENT_EXCEPTION | X86_PF;
	exits(SVM_EXIT_INTR, 0, 0);
	assert_int_equal(vcpu.offered, 0);
	/* QEMU leaves V_IRQ set, and calls an interrupt that was cut short an exception. */
	assert_true(svm_ops.offer_interrupt(&vcpu, 0x55));
	vmcb->exit_int_info = SVM_EVENT_VALID | SVM_EVENT_EXCEPTION | 0x55;
	exits(SVM_EXIT_NPF, 0, 0x100000000);
	assert_int_equal(vcpu.offered, 0x55);
	assert_int_equal(out.kind, VM_EXIT_STOP);
	vmcb->exit_int_info = 0;
}

static void an_nmi_blocks_others_until_iret(void **state)
{
	(void)state;
	assert_true(svm_ops.inject_nmi(&vcpu));
	assert_int_equal(vmcb->event_inj, SVM_EVENT_VALID | SVM_EVENT_NMI | 2);
	vmcb->event_inj = 0;
	assert_false(svm_ops.inject_nmi(&vcpu));
	exits(SVM_EXIT_IRET, 0, 0);
	assert_false(vmcb->intercept1 & SVM_I1_IRET);
	assert_true(svm_ops.inject_nmi(&vcpu));
}

static void intercepted_exceptions_go_back(void **state)
{
	(void)state;
	exits(SVM_EXIT_EXCEPTION + X86_DB, 0, 0);
	has_fault(X86_DB, false, 0);
	exits(SVM_EXIT_EXCEPTION + 17, 0, 0);
	has_fault(17, true, 0);
}

/* ---- state ---- */

static void a_vmcb_after_init_has_svm_and_nested_paging_on(void **state)
{
	(void)state;
	svm_ops.vcpu_reset(&vcpu);
	assert_true(vmcb->efer & EFER_SVME);
	assert_int_equal(vmcb->nested_control, 1);
}

static void an_asid_is_flushed_where_the_processor_can(void **state)
{
	(void)state;
	svm_features.tlb.flush_tag = true;
	svm_choose_asid(&vcpu, 0); /* what was there before us */
	assert_int_equal(vmcb->tlb_control, SVM_TLB_FLUSH_ALL);
	assert_int_equal(vmcb->asid, 1);
	assert_false(vcpu.flush_linear);
	vmcb->tlb_control = SVM_TLB_KEEP;
	svm_choose_asid(&vcpu, 0);
	assert_int_equal(vmcb->tlb_control, SVM_TLB_KEEP);
	(void)nested_space_changed(&space);
	svm_choose_asid(&vcpu, 0);
	assert_int_equal(vmcb->tlb_control, SVM_TLB_FLUSH_TAG);
	assert_int_equal(vmcb->asid, 1);
	exits((u32)-1, 0, 0); /* VMRUN failed: that may not have been done */
	svm_choose_asid(&vcpu, 0);
	assert_int_equal(vmcb->tlb_control, SVM_TLB_FLUSH_ALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_event_that_was_cut_short_is_delivered_again),
		TEST(an_offer_ends_with_the_exit),
		TEST(an_offered_interrupt_that_was_taken_is_offered_no_more),
		TEST(an_interrupt_that_can_be_taken_is_an_offer_too),
		TEST(an_offered_interrupt_cut_short_was_not_taken),
		TEST(an_nmi_blocks_others_until_iret),
		TEST(intercepted_exceptions_go_back),
		TEST(a_vmcb_after_init_has_svm_and_nested_paging_on),
		TEST(an_asid_is_flushed_where_the_processor_can),
	};

	return cmocka_run_group_tests_name("svm_events", tests, NULL, NULL);
}
