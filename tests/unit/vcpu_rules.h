/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vCPU does on either vendor's processor: one list of tests. test_svm_rules.c and
 * test_vmx_rules.c run it, each with its vendor's fake; what only one vendor has is in
 * test_svm*.c and test_vmx*.c.
 */
#ifndef TESTS_UNIT_VCPU_RULES_H
#define TESTS_UNIT_VCPU_RULES_H

#include "tests/unit/fake_vcpu.h"

/* What exited has been handled. True: there is another access of the same instruction. */
static bool complete(void)
{
	return vendor.ops->complete(&vcpu, &out);
}

static void write_is(enum err result, u32 msr, u64 value)
{
	assert_int_equal(vendor.ops->write_msr(&vcpu, msr, value), result);
}

static void reads_as(u32 msr, u64 value)
{
	u64 got;

	assert_int_equal(vendor.ops->read_msr(&vcpu, msr, &got), OK);
	assert_int_equal(got, value);
}

static struct x86_state current_state(void)
{
	struct x86_state now;

	vendor.ops->get_state(&vcpu, &now);
	return now;
}

/* ---- instructions that say what they want ---- */

static void does_cpuid(u32 length)
{
	vcpu.gpr[GPR_RAX] = 0xffffffff00000004;
	vcpu.gpr[GPR_RCX] = 2;
	vendor.set_shadow(true);
	vendor.exits_by(BY_CPUID);
	assert_int_equal(out.kind, VM_EXIT_CPUID);
	assert_int_equal(out.cpuid.leaf, 4);
	assert_int_equal(out.cpuid.subleaf, 2);
	out.cpuid.eax = 1;
	out.cpuid.ebx = 2;
	out.cpuid.ecx = 3;
	out.cpuid.edx = 0xffffffff;
	assert_false(complete());
	assert_int_equal(vcpu.gpr[GPR_RAX], 1); /* upper halves are cleared */
	assert_int_equal(vcpu.gpr[GPR_RBX], 2);
	assert_int_equal(vcpu.gpr[GPR_RCX], 3);
	assert_int_equal(vcpu.gpr[GPR_RDX], 0xffffffff);
	has_retired(length);
	assert_false(vendor.in_shadow());
}

static void cpuid_takes_and_gives_registers(void **state)
{
	(void)state;
	CODE_IS(0x0f, 0xa2);
	does_cpuid(2);
	CODE_IS(0x66, 0x0f, 0xa2);
	does_cpuid(3);
}

static void msrs_are_two_halves(void **state)
{
	(void)state;
	CODE_IS(0x0f, 0x30); /* WRMSR */
	vcpu.gpr[GPR_RCX] = 0xffffffffc0000080;
	vcpu.gpr[GPR_RAX] = 0xffffffff11111111;
	vcpu.gpr[GPR_RDX] = 0x22222222;
	vendor.exits_by(BY_WRMSR);
	assert_int_equal(out.kind, VM_EXIT_MSR);
	assert_true(out.msr.write);
	assert_int_equal(out.msr.index, 0xc0000080);
	assert_int_equal(out.msr.value, 0x2222222211111111);
	CODE_IS(0x0f, 0x32); /* RDMSR */
	vendor.exits_by(BY_RDMSR);
	assert_int_equal(out.kind, VM_EXIT_MSR);
	assert_false(out.msr.write);
	out.msr.value = 0x123456789abcdef0;
	assert_false(complete());
	assert_int_equal(vcpu.gpr[GPR_RAX], 0x9abcdef0);
	assert_int_equal(vcpu.gpr[GPR_RDX], 0x12345678);
	has_retired(2);
}

static void a_hypercall_is_the_kernels(void **state)
{
	(void)state;
	code_is(vendor.hypercall, sizeof(vendor.hypercall));
	vcpu.gpr[GPR_RAX] = 5;
	vcpu.gpr[GPR_RBX] = 6;
	vcpu.gpr[GPR_RSI] = 7;
	vendor.exits_by(BY_HYPERCALL);
	assert_int_equal(out.kind, VM_EXIT_HYPERCALL);
	assert_int_equal(out.hypercall.number, 5);
	assert_int_equal(out.hypercall.arg[0], 6);
	assert_int_equal(out.hypercall.arg[3], 7);
	out.hypercall.result = ~0ULL;
	assert_false(complete());
	assert_int_equal(vcpu.gpr[GPR_RAX], ~0ULL);
	has_retired(3);
	code_is(vendor.hypercall, sizeof(vendor.hypercall));
	vendor.set_cpl(3);
	vendor.exits_by(BY_HYPERCALL);
	has_fault(X86_GP, true, 0);
}

static void hlt_is_over_when_it_is_complete(void **state)
{
	(void)state;
	CODE_IS(0xf4);
	vendor.set_shadow(true);
	vendor.exits_by(BY_HLT);
	assert_int_equal(out.kind, VM_EXIT_HLT);
	has_retired(0);
	assert_false(complete());
	has_retired(1);
	assert_true(vendor.ops->can_inject(&vcpu)); /* STI; HLT */
}

static void xsetbv_is_checked(void **state)
{
	static const u64 bad[] = { 0, 2, 4 | 1, 1ULL << 63 | 1, 8 | 1 };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		CODE_IS(0x0f, 0x01, 0xd1);
		vcpu.gpr[GPR_RAX] = (u32)bad[i];
		vcpu.gpr[GPR_RDX] = bad[i] >> 32;
		vendor.exits_by(BY_XSETBV);
		has_fault(X86_GP, true, 0);
	}
	vcpu.gpr[GPR_RAX] = 3;
	vcpu.gpr[GPR_RDX] = 0;
	vcpu.gpr[GPR_RCX] = 1; /* there is no XCR1 */
	vendor.exits_by(BY_XSETBV);
	has_fault(X86_GP, true, 0);
	vcpu.gpr[GPR_RCX] = 0;
	vendor.exits_by(BY_XSETBV);
	has_retired(3);
	assert_int_equal(xcr0, 3);
	assert_int_equal(vcpu.xcr0, 3);
}

/* ---- device memory ---- */

static void a_device_is_read_into_a_register(void **state)
{
	(void)state;
	CODE_IS(0x8b, 0x03); /* MOV EAX, [RBX] */
	vcpu.gpr[GPR_RAX] = ~0ULL;
	vcpu.gpr[GPR_RBX] = DEVICE;
	vendor.set_shadow(true);
	vendor.touches(DEVICE, false);
	assert_int_equal(out.kind, VM_EXIT_MMIO);
	assert_int_equal(out.mmio.address, DEVICE);
	assert_int_equal(out.mmio.size, 4);
	assert_false(out.mmio.write);
	has_retired(0);
	out.mmio.value = 0x12345678;
	assert_false(complete());
	assert_int_equal(vcpu.gpr[GPR_RAX], 0x12345678);
	has_retired(2);
	assert_false(vendor.in_shadow());
}

static void a_register_is_written_to_a_device(void **state)
{
	(void)state;
	CODE_IS(0x66, 0x89, 0x43, 0x02); /* MOV [RBX + 2], AX */
	vcpu.gpr[GPR_RAX] = 0xaaaabbbb;
	vcpu.gpr[GPR_RBX] = DEVICE;
	vendor.touches(DEVICE + 2, true);
	assert_int_equal(out.kind, VM_EXIT_MMIO);
	assert_true(out.mmio.write);
	assert_int_equal(out.mmio.size, 2);
	assert_int_equal(out.mmio.value, 0xbbbb);
	assert_int_equal(out.mmio.address, DEVICE + 2);
	assert_false(complete());
	has_retired(4);
}

#define WAS 0x1122334455667788ULL /* each register */

static void moves_of_every_size(void **state)
{
	static const struct {
		u8 code[8];
		u8 length, size;
		bool write;
		u64 value; /* what the device gets or gives */
		u32 reg;
		u64 result; /* the register afterwards */
	} moves[] = {
		{ { 0x88, 0x23 }, 2, 1, true, 0x77, GPR_RAX, WAS },	  /* AH */
		{ { 0x88, 0x03 }, 2, 1, true, 0x88, GPR_RAX, WAS },	  /* AL */
		{ { 0x40, 0x88, 0x33 }, 3, 1, true, 0x88, GPR_RSI, WAS }, /* SIL */
		{ { 0x48, 0x89, 0x03 }, 3, 8, true, WAS, GPR_RAX, WAS },
		{ { 0x44, 0x89, 0x03 }, 3, 4, true, 0x55667788, GPR_R8, WAS },
		{ { 0xc6, 0x03, 0x5a }, 3, 1, true, 0x5a, GPR_RAX, WAS },
		{ { 0x48, 0xc7, 0x03, 0xfe, 0xff, 0xff, 0xff }, 7, 8, true, ~1ULL, GPR_RAX, WAS },
		{ { 0x8a, 0x23 }, 2, 1, false, 0xee, GPR_RAX, 0x112233445566ee88 },
		{ { 0x8a, 0x03 }, 2, 1, false, 0xee, GPR_RAX, 0x11223344556677ee },
		{ { 0x66, 0x8b, 0x03 }, 3, 2, false, 0xeeff, GPR_RAX, 0x112233445566eeff },
		{ { 0x44, 0x8b, 0x1b }, 3, 4, false, 0xeeffeeff, GPR_R11, 0xeeffeeff },
		{ { 0x4c, 0x8b, 0x1b },
		  3,
		  8,
		  false,
		  0xeeff000000000001,
		  GPR_R11,
		  0xeeff000000000001 },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(moves); i++) {
		code_is(moves[i].code, moves[i].length);
		for (u32 reg = 0; reg < GPR_COUNT; reg++)
			vcpu.gpr[reg] = WAS;
		vcpu.gpr[GPR_RBX] = DEVICE;
		vendor.touches(DEVICE, moves[i].write);
		assert_int_equal(out.kind, VM_EXIT_MMIO);
		assert_int_equal(out.mmio.address, DEVICE);
		assert_int_equal(out.mmio.size, moves[i].size);
		assert_int_equal(out.mmio.write, moves[i].write);
		if (moves[i].write)
			assert_int_equal(out.mmio.value, moves[i].value);
		else
			out.mmio.value = moves[i].value;
		assert_false(complete());
		assert_int_equal(vcpu.gpr[moves[i].reg], moves[i].result);
		has_retired(moves[i].length);
	}
}

/* What bytes mean depends on the mode; what stood at an address does not matter. */
static void an_instruction_is_decoded_as_it_is_now(void **state)
{
	struct x86_state real_mode;

	(void)state;
	vcpu.gpr[GPR_RBX] = DEVICE;
	CODE_IS(0x8b, 0x03); /* MOV EAX, [RBX] */
	vendor.touches(DEVICE, false);
	assert_int_equal(out.mmio.size, 4);
	CODE_IS(0x66, 0x8b, 0x03);
	vendor.touches(DEVICE, false);
	assert_int_equal(out.mmio.size, 2);
	vendor.ops->vcpu_reset(&vcpu); /* 16-bit mode, and everything is zero */
	memset(ram, 0, PAGE_SIZE);
	real_mode = current_state();
	real_mode.cs.base = 0;
	real_mode.rip = 0x100;
	real_mode.ds.base = DEVICE;
	real_mode.gpr[GPR_RAX] = 5;
	vendor.ops->set_state(&vcpu, &real_mode);
	vendor.touches(DEVICE, true); /* ADD [BX+SI], AL */
	assert_int_equal(out.kind, VM_EXIT_MMIO);
	assert_int_equal(out.mmio.size, 1);
	out.mmio.value = 2;
	assert_true(complete());
	assert_int_equal(out.mmio.value, 7);
	assert_false(complete());
	assert_int_equal(*vendor.reg(GUEST_RIP), 0x102);
}

static void reading_and_writing_are_two_accesses(void **state)
{
	(void)state;
	CODE_IS(0x09, 0x03); /* OR [RBX], EAX */
	vcpu.gpr[GPR_RAX] = 0x0f;
	vcpu.gpr[GPR_RBX] = DEVICE;
	vendor.touches(DEVICE, true);
	assert_false(out.mmio.write);
	out.mmio.value = 0x80000030;
	assert_true(complete());
	assert_true(out.mmio.write);
	assert_int_equal(out.mmio.value, 0x8000003f);
	assert_false(complete());
	has_retired(2);
	assert_true(*vendor.reg(GUEST_RFLAGS) & BIT(7)); /* SF */
}

/* In its page the source lies where the device does in its own. */
#define SAME_OFFSET (DATA + (DEVICE & PAGE_MASK))

static void a_string_reads_memory_here_and_writes_the_device(void **state)
{
	(void)state;
	CODE_IS(0x48, 0xa5); /* MOVSQ */
	put64(SAME_OFFSET, 0x1122334455667788);
	vcpu.gpr[GPR_RSI] = SAME_OFFSET;
	vcpu.gpr[GPR_RDI] = DEVICE;
	vendor.touches(DEVICE, true);
	assert_int_equal(out.kind, VM_EXIT_MMIO);
	assert_true(out.mmio.write);
	assert_int_equal(out.mmio.value, 0x1122334455667788);
	assert_int_equal(vcpu.gpr[GPR_RSI], SAME_OFFSET); /* nothing has retired */
	assert_false(complete());
	assert_int_equal(vcpu.gpr[GPR_RSI], SAME_OFFSET + 8);
	assert_int_equal(vcpu.gpr[GPR_RDI], DEVICE + 8);
}

static void a_repeated_string_gives_way_after_each_element(void **state)
{
	(void)state;
	CODE_IS(0xf3, 0xab); /* REP STOSD */
	vcpu.gpr[GPR_RCX] = 2;
	vcpu.gpr[GPR_RDI] = DEVICE;
	vendor.touches(DEVICE, true);
	assert_false(complete());
	has_retired(0);
	assert_int_equal(vcpu.gpr[GPR_RCX], 1);
	vendor.touches(DEVICE + 4, true);
	assert_int_equal(out.mmio.address, DEVICE + 4);
	assert_false(complete());
	has_retired(2);
	assert_int_equal(vcpu.gpr[GPR_RCX], 0);
}

static void a_fault_on_the_other_operand_goes_to_the_guest(void **state)
{
	(void)state;
	CODE_IS(0x48, 0xa5); /* MOVSQ, its source in no table */
	vcpu.gpr[GPR_RSI] = MISSING;
	vcpu.gpr[GPR_RDI] = DEVICE;
	vendor.set_cpl(3);
	vendor.touches(DEVICE, true);
	has_fault(X86_PF, true, 4);
	assert_int_equal(*vendor.reg(GUEST_CR2), MISSING);
	assert_int_equal(vcpu.gpr[GPR_RDI], DEVICE);
}

static void an_instruction_that_cannot_be_carried_out_ends_the_vm(void **state)
{
	(void)state;
	CODE_IS(0x0f, 0x0b); /* UD2 does not touch memory */
	vendor.touches(DEVICE, false);
	has_stopped(NULL);
	CODE_IS(0x8b, 0x03);
	vcpu.gpr[GPR_RBX] = 0xfee00ffe; /* half of it on the next page */
	vendor.touches(0xfee00ffe, false);
	has_stopped(NULL);
	CODE_IS(0x48, 0xa5); /* the walk for the source leaves memory */
	put64(0x1008, 0xfffff000 | 7);
	vcpu.gpr[GPR_RSI] = 1ULL << 39;
	vcpu.gpr[GPR_RDI] = DEVICE;
	vendor.touches(DEVICE, true);
	has_stopped(NULL);
}

/* ---- ports ---- */

static const struct port_use in_string = {
	.port = 0x60, .size = 4, .in = true, .string = true, .address_size = 8
};
static const struct port_use rep_in_words = {
	.port = 0x60, .size = 2, .in = true, .string = true, .rep = true, .address_size = 8
};
static const struct port_use out_string = {
	.port = 0x60, .size = 4, .string = true, .address_size = 8, .segment = X86_DS
};

static void a_byte_leaves_the_rest_of_the_register(void **state)
{
	(void)state;
	CODE_IS(0xec);
	vcpu.gpr[GPR_RAX] = 0x1111222233334444;
	vendor.uses_port(&(struct port_use){ .port = 0x3f8, .size = 1, .in = true });
	assert_int_equal(out.kind, VM_EXIT_PIO);
	assert_int_equal(out.pio.address, 0x3f8);
	assert_int_equal(out.pio.size, 1);
	assert_false(out.pio.write);
	out.pio.value = 0x55;
	assert_false(complete());
	assert_int_equal(vcpu.gpr[GPR_RAX], 0x1111222233334455);
	has_retired(1);
	CODE_IS(0xed);
	vendor.uses_port(&(struct port_use){ .port = 0xcfc, .size = 4, .in = true });
	out.pio.value = 0x80001111;
	assert_false(complete());
	assert_int_equal(vcpu.gpr[GPR_RAX], 0x80001111); /* 32 bits clear the upper half */
}

static void out_gives_the_low_bytes(void **state)
{
	(void)state;
	CODE_IS(0x66, 0xef);
	vcpu.gpr[GPR_RAX] = 0x1122334455667788;
	vendor.uses_port(&(struct port_use){ .port = 0x80, .size = 2 });
	assert_int_equal(out.kind, VM_EXIT_PIO);
	assert_true(out.pio.write);
	assert_int_equal(out.pio.value, 0x7788);
	assert_false(complete());
	assert_int_equal(vcpu.gpr[GPR_RAX], 0x1122334455667788);
	has_retired(2);
}

static void a_string_from_a_port_goes_to_memory(void **state)
{
	(void)state;
	CODE_IS(0xf3, 0x66, 0x6d);
	vcpu.gpr[GPR_RDI] = DATA;
	vcpu.gpr[GPR_RCX] = 2;
	put64(DATA, ~0ULL);
	vendor.uses_port(&rep_in_words);
	assert_int_equal(out.kind, VM_EXIT_PIO);
	out.pio.value = 0x1234;
	assert_false(complete());
	assert_int_equal(get64(DATA), 0xffffffffffff1234);
	assert_int_equal(vcpu.gpr[GPR_RDI], DATA + 2);
	assert_int_equal(vcpu.gpr[GPR_RCX], 1);
	has_retired(0);
	*vendor.reg(GUEST_RFLAGS) |= BIT(10); /* downwards */
	vendor.uses_port(&rep_in_words);
	assert_false(complete());
	assert_int_equal(vcpu.gpr[GPR_RDI], DATA);
	has_retired(3);
	CODE_IS(0xf3, 0x66, 0x6d);
	vcpu.gpr[GPR_RCX] = 0;
	vendor.uses_port(&rep_in_words);
	assert_int_equal(out.kind, VM_EXIT_INTERRUPT);
	has_retired(3);
}

static void a_string_with_32_bit_addresses_clears_the_upper_halves(void **state)
{
	struct port_use ins = rep_in_words;

	(void)state;
	ins.address_size = 4;
	CODE_IS(0xf3, 0x66, 0x67, 0x6d);
	vcpu.gpr[GPR_RDI] = 0x700000000 | DATA;
	vcpu.gpr[GPR_RCX] = 0x700000002;
	vendor.uses_port(&ins);
	out.pio.value = 0x1234;
	assert_false(complete());
	assert_int_equal(get64(DATA), 0x1234);
	assert_int_equal(vcpu.gpr[GPR_RDI], DATA + 2);
	assert_int_equal(vcpu.gpr[GPR_RCX], 1);
}

static void a_string_to_a_port_comes_from_memory(void **state)
{
	(void)state;
	CODE_IS(0x6f);
	vcpu.gpr[GPR_RSI] = DATA;
	put64(DATA, 0xdeadbeef);
	vendor.uses_port(&out_string);
	assert_int_equal(out.kind, VM_EXIT_PIO);
	assert_int_equal(out.pio.value, 0xdeadbeef);
	assert_false(complete());
	assert_int_equal(vcpu.gpr[GPR_RSI], DATA + 4);
	has_retired(1);
}

static void a_string_faults_before_the_port_is_touched(void **state)
{
	(void)state;
	CODE_IS(0x6d);
	vcpu.gpr[GPR_RDI] = MISSING;
	vendor.uses_port(&in_string);
	has_fault(X86_PF, true, 2);
	assert_int_equal(*vendor.reg(GUEST_CR2), MISSING);
	vcpu.gpr[GPR_RDI] = DATA + 0xffe;
	vendor.uses_port(&in_string);
	has_stopped(NULL);
	CODE_IS(0x6f);
	vcpu.gpr[GPR_RSI] = MIB(8); /* mapped, but no memory */
	vendor.uses_port(&out_string);
	has_stopped(NULL);
}

/* ---- events and state ---- */

static void an_interrupt_needs_if_and_no_shadow(void **state)
{
	(void)state;
	assert_true(vendor.ops->can_inject(&vcpu));
	vendor.set_shadow(true);
	assert_false(vendor.ops->can_inject(&vcpu));
	vendor.set_shadow(false);
	*vendor.reg(GUEST_RFLAGS) &= ~RFLAGS_IF;
	assert_false(vendor.ops->can_inject(&vcpu));
	*vendor.reg(GUEST_RFLAGS) |= RFLAGS_IF;
	assert_true(vendor.ops->can_inject(&vcpu));
}

static void a_reset_vcpu_is_as_after_init(void **state)
{
	struct x86_state now;

	(void)state;
	vendor.ops->vcpu_reset(&vcpu);
	now = current_state();
	assert_int_equal(now.rip, 0xfff0);
	assert_int_equal(now.cs.selector, 0xf000);
	assert_int_equal(now.cs.base, 0xffff0000);
	assert_int_equal(now.rflags, 2);
	assert_int_equal(now.cr0, 0x60000010);
	assert_int_equal(now.cr4, 0);
	assert_int_equal(now.efer, 0); /* what the vendor needs there is not the guest's business */
	assert_int_equal(now.tr.attributes, 0x8b);
	assert_int_equal(*vendor.reg(GUEST_PAT), 0x0007040600070406);
	vendor.ops->startup(&vcpu, 0x9a);
	now = current_state();
	assert_int_equal(now.cs.selector, 0x9a00);
	assert_int_equal(now.cs.base, 0x9a000);
	assert_int_equal(now.rip, 0);
}

static void efer_keeps_the_rules_of_long_mode(void **state)
{
	struct x86_state no_paging = long_mode;

	(void)state;
	reads_as(MSR_EFER, EFER_LME | EFER_LMA);
	write_is(ERR_DENIED, MSR_EFER, EFER_LME | EFER_SVME);
	write_is(ERR_DENIED, MSR_EFER, EFER_NXE); /* paging is on */
	vcpu.flush_linear = false;
	write_is(OK, MSR_EFER, EFER_LME | EFER_SCE);
	assert_false(vcpu.flush_linear);
	write_is(OK, MSR_EFER, EFER_LME | EFER_NXE | EFER_SCE);
	assert_true(vcpu.flush_linear);
	reads_as(MSR_EFER, EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE);
	assert_int_equal(current_state().efer, EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE);
	no_paging.cr0 &= ~CR0_PG;
	no_paging.efer = 0;
	vendor.ops->set_state(&vcpu, &no_paging);
	write_is(OK, MSR_EFER, EFER_LMA);
	reads_as(MSR_EFER, 0); /* LMA is the processor's */
	assert_int_equal(current_state().efer, 0);
}

static void the_pat_takes_six_types(void **state)
{
	(void)state;
	write_is(OK, MSR_PAT, 0x0706050401000706);
	write_is(ERR_DENIED, MSR_PAT, 0x0200000000000000);
	write_is(ERR_DENIED, MSR_PAT, 0x03);
	write_is(ERR_DENIED, MSR_PAT, 0x08);
	reads_as(MSR_PAT, 0x0706050401000706);
	assert_int_equal(*vendor.reg(GUEST_PAT), 0x0706050401000706);
}

static void msrs_of_the_vendors_block_and_no_others_are_known(void **state)
{
	struct x86_state with_gs = long_mode;
	u64 value;

	(void)state;
	write_is(ERR_NOT_FOUND, 0x12345, 0);
	assert_int_equal(vendor.ops->read_msr(&vcpu, 0x12345, &value), ERR_NOT_FOUND);
	with_gs.gs.base = 0x1234;
	vendor.ops->set_state(&vcpu, &with_gs);
	reads_as(MSR_GS_BASE, 0x1234);
}

static const struct CMUnitTest vcpu_rules[] = {
	TEST(cpuid_takes_and_gives_registers),
	TEST(msrs_are_two_halves),
	TEST(a_hypercall_is_the_kernels),
	TEST(hlt_is_over_when_it_is_complete),
	TEST(xsetbv_is_checked),
	TEST(a_device_is_read_into_a_register),
	TEST(a_register_is_written_to_a_device),
	TEST(moves_of_every_size),
	TEST(an_instruction_is_decoded_as_it_is_now),
	TEST(reading_and_writing_are_two_accesses),
	TEST(a_string_reads_memory_here_and_writes_the_device),
	TEST(a_repeated_string_gives_way_after_each_element),
	TEST(a_fault_on_the_other_operand_goes_to_the_guest),
	TEST(an_instruction_that_cannot_be_carried_out_ends_the_vm),
	TEST(a_byte_leaves_the_rest_of_the_register),
	TEST(out_gives_the_low_bytes),
	TEST(a_string_from_a_port_goes_to_memory),
	TEST(a_string_with_32_bit_addresses_clears_the_upper_halves),
	TEST(a_string_to_a_port_comes_from_memory),
	TEST(a_string_faults_before_the_port_is_touched),
	TEST(an_interrupt_needs_if_and_no_shadow),
	TEST(a_reset_vcpu_is_as_after_init),
	TEST(efer_keeps_the_rules_of_long_mode),
	TEST(the_pat_takes_six_types),
	TEST(msrs_of_the_vendors_block_and_no_others_are_known),
};

#endif
