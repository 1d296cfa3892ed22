// SPDX-License-Identifier: Apache-2.0
// SOURCES: arch/x86/tlb.c arch/x86/svm/svm.c arch/x86/svm/exit.c arch/x86/svm/emulate.c
// SOURCES: arch/x86/mmio.c arch/x86/pio.c arch/x86/registers.c arch/x86/walk.c
// SOURCES: arch/x86/insn.c arch/x86/emulate.c core/lib/string.c
/* Rules of the SVM back end alone: how its exits are sorted, and where it finds the instruction. */
#include "tests/unit/fake_svm.h"

/* ---- where the instruction is ---- */

static void the_processor_may_tell_the_length(void **state)
{
	(void)state;
	CODE_IS(0x66, 0x0f, 0xa2); /* not looked at */
	svm_features.next_rip = true;
	vmcb->next_rip = CODE + 3;
	exits(SVM_EXIT_CPUID, 0, 0);
	assert_false(svm_ops.complete(&vcpu, &out));
	assert_int_equal(vmcb->rip, CODE + 3);
}

static void an_instruction_that_was_changed_meanwhile_runs_again(void **state)
{
	(void)state;
	CODE_IS(0x90);
	exits(SVM_EXIT_CPUID, 0, 0);
	assert_int_equal(out.kind, VM_EXIT_INTERRUPT);
	assert_int_equal(vmcb->rip, CODE);
	assert_int_equal(vmcb->event_inj, 0);
	vmcb->rip = MISSING; /* or is not readable any more */
	exits(SVM_EXIT_CPUID, 0, 0);
	assert_int_equal(out.kind, VM_EXIT_INTERRUPT);
	assert_int_equal(vmcb->rip, MISSING);
}

static void an_instruction_across_a_page_is_found(void **state)
{
	(void)state;
	ram[CODE + 0xfff] = 0x0f;
	ram[CODE + 0x1000] = 0xa2;
	vmcb->rip = CODE + 0xfff;
	exits(SVM_EXIT_CPUID, 0, 0);
	assert_int_equal(out.kind, VM_EXIT_CPUID);
	assert_int_equal(vcpu.length, 2);
	for (u64 at = CODE + 0xfe0; at < CODE + 0xfff; at++) { /* wherever it lies */
		memset(ram + CODE + 0xfe0, 0x90, 0x40);
		ram[at] = 0x0f;
		ram[at + 1] = 0xa2;
		vmcb->rip = at;
		exits(SVM_EXIT_CPUID, 0, 0);
		assert_int_equal(out.kind, VM_EXIT_CPUID);
	}
}

/* Is the instruction at RIP seen as CPUID? */
static bool sees_cpuid(void)
{
	vmcb->rip = CODE;
	exits(SVM_EXIT_CPUID, 0, 0);
	return out.kind == VM_EXIT_CPUID;
}

/* The way to an instruction is remembered; these are the ways in which that may be wrong. */
static void code_is_looked_up_as_tables_say_now(void **state)
{
	const u64 other = MIB(2) + CODE;

	(void)state;
	put64(0x2000, 0x3000 | 7); /* 2 MiB pages in the first GiB */
	put64(0x3000, 0x87);
	CODE_IS(0x0f, 0xa2);
	memset(ram + other, 0x90, 16);
	assert_true(sees_cpuid());
	assert_true(sees_cpuid());
	ram[CODE] = 0x90; /* other bytes */
	assert_false(sees_cpuid());
	ram[CODE] = 0x0f;
	assert_true(sees_cpuid());
	put64(0x3000, MIB(2) | 0x87); /* another page */
	assert_false(sees_cpuid());
	put64(0x3000, 0x87);
	assert_true(sees_cpuid());
	put64(0x2000, 0); /* none at all */
	assert_false(sees_cpuid());
	put64(0x2000, 0x3000 | 7);
	assert_true(sees_cpuid());
	vmcb->cr3 = 0x5000; /* other tables */
	assert_false(sees_cpuid());
	put64(0x5000, 0x2000 | 7);
	assert_true(sees_cpuid());
	put64(0x3000, 0x83); /* the kernel's alone */
	assert_true(sees_cpuid());
	vmcb->cpl = 3;
	assert_false(sees_cpuid());
	vmcb->cpl = 0;
	put64(0x3000, BIT(63) | 0x83); /* not executable, which counts with EFER.NXE */
	assert_true(sees_cpuid());
	assert_int_equal(svm_write_msr(&vcpu, MSR_EFER, EFER_LME | EFER_NXE), OK);
	assert_false(sees_cpuid());
}

/* ---- which exits ---- */

static void what_guests_do_not_have_is_undefined(void **state)
{
	(void)state;
	for (u32 code = SVM_EXIT_VMRUN; code <= SVM_EXIT_MWAIT + 1; code++) {
		if (code == SVM_EXIT_VMMCALL)
			continue;
		vmcb->rip = CODE;
		exits(code, 0, 0);
		if (code != 0x089) /* WBINVD is let through: no such exit */
			has_fault(X86_UD, false, 0);
	}
	exits(SVM_EXIT_INVLPGA, 0, 0);
	has_fault(X86_UD, false, 0);
	exits(SVM_EXIT_RDPMC, 0, 0);
	has_fault(X86_GP, true, 0);
}

static void state_that_cannot_run_ends_the_vm(void **state)
{
	(void)state;
	exits(0xffffffff, 0, 0);
	assert_int_equal(out.kind, VM_EXIT_STOP);
	assert_non_null(out.stop.reason);
	exits(0xffffffffffffffff, 0, 0);
	assert_int_equal(out.kind, VM_EXIT_STOP);
	exits(SVM_EXIT_SHUTDOWN, 0, 0);
	assert_int_equal(out.kind, VM_EXIT_SHUTDOWN);
}

static void every_port_msr_and_svm_instruction_exits(void **state)
{
	(void)state;
	assert_true(vmcb->intercept1 & SVM_I1_IOIO);
	assert_true(vmcb->intercept1 & SVM_I1_MSR);
	assert_true(vmcb->intercept1 & SVM_I1_INTR);
	assert_true(vmcb->intercept1 & SVM_I1_SHUTDOWN);
	assert_true(vmcb->intercept2 & SVM_I2_VMRUN); /* VMRUN refuses to run without */
	assert_int_equal(vmcb->intercept2 & 0x7f, 0x7f);
	assert_true(vmcb->v_intr & SVM_V_INTR_MASKING);
}

static void cr4_takes_what_guests_may_set(void **state)
{
	(void)state;
	CODE_IS(0x0f, 0x22, 0xe0); /* MOV CR4, RAX */
	vcpu.gpr[GPR_RAX] = CR4_PAE | CR4_PGE;
	exits(SVM_EXIT_CR4_WRITE, 0, 0);
	assert_int_equal(vmcb->cr4, CR4_PAE | CR4_PGE);
	assert_int_equal(vmcb->rip, CODE + 3);
	assert_true(vcpu.flush_linear);
	vcpu.flush_linear = false;
	CODE_IS(0x0f, 0x22, 0xe0);
	vcpu.gpr[GPR_RAX] = CR4_PAE | CR4_PGE | CR4_OSFXSR;
	exits(SVM_EXIT_CR4_WRITE, 0, 0);
	assert_false(vcpu.flush_linear);
	CODE_IS(0x0f, 0x22, 0xe0);
	vcpu.gpr[GPR_RAX] = CR4_PAE | BIT(13); /* VMXE */
	exits(SVM_EXIT_CR4_WRITE, 0, 0);
	has_fault(X86_GP, true, 0);
	vcpu.gpr[GPR_RAX] = CR4_PGE; /* long mode needs PAE */
	exits(SVM_EXIT_CR4_WRITE, 0, 0);
	has_fault(X86_GP, true, 0);
	assert_int_equal(vmcb->cr4, CR4_PAE | CR4_PGE | CR4_OSFXSR);
}

static void ends_the_vm(u64 info1, u64 gpa, const char *why)
{
	exits(SVM_EXIT_NPF, info1, gpa);
	has_stopped(why);
	assert_int_equal(out.stop.detail, gpa);
}

static void what_cannot_be_carried_out_ends_the_vm(void **state)
{
	(void)state;
	CODE_IS(0x8b, 0x03);
	vcpu.gpr[GPR_RBX] = DEVICE;
	ends_the_vm(SVM_NPF_FETCH, MIB(8), "executes outside its memory");
	ends_the_vm(SVM_NPF_TABLE_WALK, MIB(8), "page tables outside its memory");
	vmcb->exit_int_info = SVM_EVENT_VALID | SVM_EVENT_INTR | 0x40;
	ends_the_vm(SVM_NPF_WRITE, DEVICE, "stack or tables of an interrupt outside its memory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_processor_may_tell_the_length),
		TEST(an_instruction_that_was_changed_meanwhile_runs_again),
		TEST(an_instruction_across_a_page_is_found),
		TEST(code_is_looked_up_as_tables_say_now),
		TEST(what_guests_do_not_have_is_undefined),
		TEST(state_that_cannot_run_ends_the_vm),
		TEST(every_port_msr_and_svm_instruction_exits),
		TEST(cr4_takes_what_guests_may_set),
		TEST(what_cannot_be_carried_out_ends_the_vm),
	};

	return cmocka_run_group_tests_name("svm", tests, NULL, NULL);
}
