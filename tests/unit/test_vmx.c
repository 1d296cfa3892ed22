// SPDX-License-Identifier: Apache-2.0
// SOURCES: arch/x86/tlb.c arch/x86/vmx/enable.c arch/x86/vmx/vcpu.c arch/x86/vmx/vmx.c
// SOURCES: arch/x86/vmx/exit.c arch/x86/vmx/emulate.c arch/x86/mmio.c arch/x86/pio.c
// SOURCES: arch/x86/registers.c arch/x86/walk.c arch/x86/insn.c arch/x86/emulate.c
// SOURCES: core/lib/string.c
/* Rules of the VMX back end alone: how its exits are sorted, device memory, ports. */
#include "tests/unit/fake_vmx.h"

/* ---- every reason (SDM vol. 3, appendix C) ---- */

enum sorted {
	STOPS, /* and what is not named */
	GOES_UP,
	NOTHING,
	RETIRES,
	IS_UD,
	IS_GP,
};

static const struct {
	u8 is;
	u8 kind;
} sorts[70] = {
	[REASON_INTERRUPT] = { NOTHING, 0 },
	[REASON_TRIPLE_FAULT] = { GOES_UP, VM_EXIT_SHUTDOWN },
	[REASON_INIT] = { NOTHING, 0 },
	[REASON_SIPI] = { NOTHING, 0 },
	[REASON_IRQ_WINDOW] = { GOES_UP, VM_EXIT_IRQ_WINDOW },
	[REASON_NMI_WINDOW] = { NOTHING, 0 },
	[REASON_CPUID] = { GOES_UP, VM_EXIT_CPUID },
	[REASON_GETSEC] = { IS_UD, 0 },
	[REASON_HLT] = { GOES_UP, VM_EXIT_HLT },
	[REASON_INVD] = { RETIRES, 0 },
	[REASON_RDPMC] = { IS_GP, 0 },
	[REASON_VMCALL] = { GOES_UP, VM_EXIT_HYPERCALL },
	[19 ... 27] = { IS_UD, 0 },
	[REASON_CR_ACCESS] = { RETIRES, 0 },
	[REASON_IO] = { GOES_UP, VM_EXIT_PIO },
	[REASON_RDMSR] = { GOES_UP, VM_EXIT_MSR },
	[REASON_WRMSR] = { GOES_UP, VM_EXIT_MSR },
	[REASON_MWAIT] = { IS_UD, 0 },
	[REASON_MONITOR] = { IS_UD, 0 },
	[REASON_VIRTUAL_EOI] = { GOES_UP, VM_EXIT_EOI },
	[REASON_INVEPT] = { IS_UD, 0 },
	[REASON_PREEMPTION_TIMER] = { NOTHING, 0 },
	[REASON_INVVPID] = { IS_UD, 0 },
	[REASON_XSETBV] = { RETIRES, 0 },
	[REASON_APIC_WRITE] = { GOES_UP, VM_EXIT_MSR },
};

static void every_reason_is_sorted(void **state)
{
	(void)state;
	for (u32 reason = 1; reason < ARRAY_SIZE(sorts); reason++) {
		CODE_IS(0x90, 0x90, 0x90);
		vcpu.gpr[GPR_RAX] = 1; /* XCR0, and harmless elsewhere */
		vcpu.gpr[GPR_RCX] = vcpu.gpr[GPR_RDX] = 0;
		exits(reason, reason == REASON_CR_ACCESS ? 8 : 0); /* MOV CR8, RAX */
		switch (sorts[reason].is) {
		case STOPS:
			assert_int_equal(out.kind, VM_EXIT_STOP);
			assert_non_null(out.stop.reason);
			break;
		case GOES_UP:
			assert_int_equal(out.kind, sorts[reason].kind);
			has_retired(0);
			break;
		case NOTHING:
		case RETIRES:
			assert_int_equal(out.kind, VM_EXIT_INTERRUPT);
			has_retired(sorts[reason].is == RETIRES ? 3 : 0);
			break;
		case IS_UD:
			has_fault(X86_UD, false, 0);
			break;
		default:
			has_fault(X86_GP, true, 0);
		}
	}
}

static void state_that_cannot_run_ends_the_vm(void **state)
{
	(void)state;
	exits(REASON_ENTRY_FAILED | 33, 0);
	assert_int_equal(out.kind, VM_EXIT_STOP);
	exits(REASON_ENTRY_FAILED | REASON_CPUID, 0);
	assert_int_equal(out.kind, VM_EXIT_STOP);
	exits(REASON_TASK_SWITCH, 0x40);
	assert_string_equal(out.stop.reason, "hardware task switch");
	assert_int_equal(out.stop.detail, 0x40);
}

/* ---- what retires ---- */

/* And nothing else of what blocks. */
static void an_instruction_that_retires_ends_the_shadows(void **state)
{
	(void)state;
	CODE_IS(0x0f, 0xa2);
	*field(VMCS_GUEST_INTERRUPTIBILITY) = BLOCKED_BY_STI | BLOCKED_BY_NMI;
	exits(REASON_CPUID, 0);
	assert_false(vmx_ops.complete(&vcpu, &out));
	assert_int_equal(*field(VMCS_GUEST_INTERRUPTIBILITY), BLOCKED_BY_NMI);
	CODE_IS(0x8b, 0x03); /* MOV EAX, [RBX] */
	vcpu.gpr[GPR_RBX] = DEVICE;
	*field(VMCS_GUEST_INTERRUPTIBILITY) = BLOCKED_BY_MOV_SS;
	vendor.touches(DEVICE, false);
	assert_false(vmx_ops.complete(&vcpu, &out));
	has_retired(2);
	assert_int_equal(*field(VMCS_GUEST_INTERRUPTIBILITY), 0);
}

static void outside_64_bit_mode_ip_has_32_bits(void **state)
{
	(void)state;
	*field(CS_RIGHTS) = 0xc09b;
	*field(VMCS_GUEST_RIP) = 0xffffffff;
	code_length = 2;
	exits(REASON_HLT, 0);
	vmx_ops.complete(&vcpu, &out);
	assert_int_equal(*field(VMCS_GUEST_RIP), 1);
}

/* ---- device memory and ports ---- */

static void a_move_into_the_stack_pointer_reaches_it(void **state)
{
	(void)state;
	CODE_IS(0x48, 0x8b, 0x23); /* MOV RSP, [RBX] */
	vcpu.gpr[GPR_RBX] = DEVICE;
	vendor.touches(DEVICE, false);
	out.mmio.value = 0x7654;
	vmx_ops.complete(&vcpu, &out);
	assert_int_equal(*field(VMCS_GUEST_RSP), 0x7654);
	has_retired(3);
}

static void ends_the_vm(u64 qualification, u64 vectoring, const char *why)
{
	violates(MIB(8), qualification, vectoring);
	has_stopped(why);
}

static void what_cannot_be_carried_out_ends_the_vm(void **state)
{
	const char *tables = "page tables outside its memory";
	const char *delivery = "stack or tables of an interrupt outside its memory";

	(void)state;
	CODE_IS(0x8b, 0x03);
	vcpu.gpr[GPR_RBX] = MIB(8);
	ends_the_vm(ON_DATA | EPT_VIOLATION_FETCH, 0, "executes outside its memory");
	assert_int_equal(out.stop.detail, MIB(8));
	ends_the_vm(EPT_VIOLATION_LINEAR, 0, tables);
	ends_the_vm(0, 0, tables);
	ends_the_vm(ON_DATA, EVENT_VALID | EVENT_INTERRUPT << 8 | 0x40, delivery);
	ends_the_vm(ON_DATA, EVENT_VALID | EVENT_EXCEPTION << 8 | X86_UD, delivery);
	CODE_IS(0xcd, 0x80); /* INT 80h: there is nothing to carry out */
	ends_the_vm(ON_DATA, EVENT_VALID | EVENT_SOFTWARE << 8 | 0x80, NULL);
}

static void the_information_says_address_size_and_segment(void **state)
{
	(void)state;
	CODE_IS(0x64, 0x67, 0x6f); /* OUTSD from FS:[ESI] */
	*field(VMCS_INSTRUCTION_INFO) = INFO(1, X86_FS);
	*field(VMCS_GUEST_BASE + 2 * VMCS_FS) = DATA;
	vcpu.gpr[GPR_RSI] = 0x700000010;
	put64(DATA + 0x10, 0xdeadbeef);
	exits(REASON_IO, PORT(0x60, 4, IO_STRING));
	assert_int_equal(out.pio.value, 0xdeadbeef);
	vmx_ops.complete(&vcpu, &out);
	assert_int_equal(vcpu.gpr[GPR_RSI], 0x14);
	has_retired(3);
	CODE_IS(0x6f); /* without it: what the mode has */
	vmx_features.io_info = false;
	vcpu.gpr[GPR_RSI] = DATA + 0x10;
	*field(VMCS_INSTRUCTION_INFO) = INFO(0, X86_FS);
	exits(REASON_IO, PORT(0x60, 4, IO_STRING));
	assert_int_equal(out.pio.value, 0xdeadbeef);
	vmx_ops.complete(&vcpu, &out);
	assert_int_equal(vcpu.gpr[GPR_RSI], DATA + 0x14);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_reason_is_sorted),
		TEST(state_that_cannot_run_ends_the_vm),
		TEST(an_instruction_that_retires_ends_the_shadows),
		TEST(outside_64_bit_mode_ip_has_32_bits),
		TEST(a_move_into_the_stack_pointer_reaches_it),
		TEST(what_cannot_be_carried_out_ends_the_vm),
		TEST(the_information_says_address_size_and_segment),
	};

	return cmocka_run_group_tests_name("vmx", tests, NULL, NULL);
}
