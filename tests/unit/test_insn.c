/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of x86 instruction encoding that the decoders keep, one by one. */
// SOURCES: arch/x86/insn.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/x86/insn.h"

#define DECODE(mode, out, ...) \
	insn_decode((const u8[]){ __VA_ARGS__ }, sizeof((u8[]){ __VA_ARGS__ }), CPU_MODE_##mode, \
		    out)
#define LENGTH(mode, expected, length, ...) \
	insn_length_system((const u8[]){ __VA_ARGS__ }, sizeof((u8[]){ __VA_ARGS__ }), \
			   CPU_MODE_##mode, INSN_SYS_##expected, length)
#define MOV_CR(mode, out, ...) \
	insn_decode_mov_cr((const u8[]){ __VA_ARGS__ }, sizeof((u8[]){ __VA_ARGS__ }), \
			   CPU_MODE_##mode, out)

static void a_load_names_register_and_memory(void **state)
{
	struct insn in;

	(void)state; /* mov r8d, [rax + rcx * 4 + 0x201] */
	assert_int_equal(DECODE(64, &in, 0x44, 0x8b, 0x84, 0x88, 1, 2, 0, 0), OK);
	assert_int_equal(in.op, INSN_MOV);
	assert_int_equal(in.length, 8);
	assert_int_equal(in.flags, INSN_READ | INSN_TO_REG);
	assert_int_equal(in.op_size, 4);
	assert_int_equal(in.mem_size, 4);
	assert_int_equal(in.addr_size, 8);
	assert_int_equal(in.reg, 8);
	assert_int_equal(in.base, X86_RAX);
	assert_int_equal(in.index, X86_RCX);
	assert_int_equal(in.scale, 4);
	assert_int_equal(in.disp, 0x201);
	assert_int_equal(in.seg, X86_DS);
}

static void a_store_of_an_immediate_sign_extends_it(void **state)
{
	struct insn in;

	(void)state; /* mov qword [rdi - 8], -2 */
	assert_int_equal(DECODE(64, &in, 0x48, 0xc7, 0x47, 0xf8, 0xfe, 0xff, 0xff, 0xff), OK);
	assert_int_equal(in.flags, INSN_WRITE | INSN_IMM);
	assert_int_equal(in.op_size, 8);
	assert_true(in.imm == (u64)-2);
	assert_true(in.disp == (u64)-8);
	assert_int_equal(in.reg, INSN_NO_REG);
}

static void rex_counts_only_right_before_the_opcode(void **state)
{
	struct insn in;

	(void)state;
	assert_int_equal(DECODE(64, &in, 0x48, 0x66, 0x8b, 0x03), OK);
	assert_int_equal(in.op_size, 2);
	assert_int_equal(DECODE(64, &in, 0x66, 0x48, 0x8b, 0x03), OK);
	assert_int_equal(in.op_size, 8);
	/* The same byte is INC or DEC outside 64-bit mode. */
	assert_int_equal(DECODE(32, &in, 0x48, 0x8b, 0x03), ERR_UNSUPPORTED);
}

static void any_rex_turns_high_bytes_into_low_ones(void **state)
{
	struct insn in;

	(void)state;
	assert_int_equal(DECODE(64, &in, 0x88, 0x23), OK);
	assert_int_equal(in.reg, X86_RAX);
	assert_true(in.flags & INSN_HIGH_BYTE);
	assert_int_equal(DECODE(64, &in, 0x40, 0x88, 0x23), OK);
	assert_int_equal(in.reg, X86_RSP);
	assert_false(in.flags & INSN_HIGH_BYTE);
}

static void sizes_follow_mode_and_prefixes(void **state)
{
	struct insn in;

	(void)state;
	assert_int_equal(DECODE(16, &in, 0x8b, 0x07), OK);
	assert_int_equal(in.op_size, 2);
	assert_int_equal(in.addr_size, 2);
	assert_int_equal(DECODE(16, &in, 0x66, 0x67, 0x8b, 0x07), OK);
	assert_int_equal(in.op_size, 4);
	assert_int_equal(in.addr_size, 4);
	assert_int_equal(DECODE(32, &in, 0x66, 0x67, 0x8b, 0x07), OK);
	assert_int_equal(in.op_size, 2);
	assert_int_equal(in.addr_size, 2);
	assert_int_equal(in.base, X86_RBX);
	assert_int_equal(DECODE(64, &in, 0x67, 0x8b, 0x07), OK);
	assert_int_equal(in.addr_size, 4);
	/* A second 66 changes nothing. */
	assert_int_equal(DECODE(64, &in, 0x66, 0x66, 0x8b, 0x07), OK);
	assert_int_equal(in.op_size, 2);
}

static void displacement_without_base_is_rip_relative_in_64_bit_mode_only(void **state)
{
	struct insn in;

	(void)state;
	assert_int_equal(DECODE(64, &in, 0x8b, 0x05, 4, 0, 0, 0), OK);
	assert_true(in.flags & INSN_RIP_REL);
	assert_int_equal(in.base, INSN_NO_REG);
	assert_int_equal(DECODE(32, &in, 0x8b, 0x05, 4, 0, 0, 0), OK);
	assert_false(in.flags & INSN_RIP_REL);
	/* REX.B does not make it R13; the SIB form is absolute. */
	assert_int_equal(DECODE(64, &in, 0x41, 0x8b, 0x05, 4, 0, 0, 0), OK);
	assert_true(in.flags & INSN_RIP_REL);
	assert_int_equal(DECODE(64, &in, 0x8b, 0x04, 0x25, 4, 0, 0, 0), OK);
	assert_false(in.flags & INSN_RIP_REL);
}

static void rsp_is_no_index_but_r12_is(void **state)
{
	struct insn in;

	(void)state;
	assert_int_equal(DECODE(64, &in, 0x8b, 0x04, 0x24), OK);
	assert_int_equal(in.base, X86_RSP);
	assert_int_equal(in.index, INSN_NO_REG);
	assert_int_equal(in.seg, X86_SS);
	assert_int_equal(DECODE(64, &in, 0x42, 0x8b, 0x04, 0x23), OK);
	assert_int_equal(in.index, 12);
}

static void segment_overrides(void **state)
{
	struct insn in;

	(void)state;
	assert_int_equal(DECODE(32, &in, 0x26, 0x8b, 0x03), OK);
	assert_int_equal(in.seg, X86_ES);
	assert_int_equal(DECODE(32, &in, 0x65, 0x26, 0x8b, 0x03), OK);
	assert_int_equal(in.seg, X86_ES);
	/* 64-bit mode ignores ES, even after GS. */
	assert_int_equal(DECODE(64, &in, 0x65, 0x26, 0x8b, 0x03), OK);
	assert_int_equal(in.seg, X86_GS);
	/* The destination of a string instruction is ES, always. */
	assert_int_equal(DECODE(32, &in, 0x64, 0xab), OK);
	assert_int_equal(in.seg, X86_ES);
}

static void repeat_prefixes_count_on_string_instructions(void **state)
{
	struct insn in;

	(void)state;
	assert_int_equal(DECODE(64, &in, 0xf3, 0x48, 0xa5), OK);
	assert_int_equal(in.flags, INSN_READ | INSN_WRITE | INSN_STRING | INSN_REP);
	assert_int_equal(in.op_size, 8);
	assert_int_equal(DECODE(64, &in, 0xf3, 0xf2, 0xaa), OK);
	assert_int_equal(in.flags, INSN_WRITE | INSN_STRING | INSN_REPNE);
	assert_int_equal(DECODE(64, &in, 0xf3, 0x89, 0x03), OK);
	assert_int_equal(in.flags, INSN_WRITE);
}

static void lock_is_accepted_where_the_processor_accepts_it(void **state)
{
	struct insn in;

	(void)state;
	assert_int_equal(DECODE(64, &in, 0xf0, 0x09, 0x03), OK); /* or [rbx], eax */
	assert_true(in.flags & INSN_LOCK);
	assert_int_equal(DECODE(64, &in, 0xf0, 0x0b, 0x03), ERR_UNSUPPORTED); /* or eax, [rbx] */
	assert_int_equal(DECODE(64, &in, 0xf0, 0x89, 0x03), ERR_UNSUPPORTED);
	assert_int_equal(DECODE(64, &in, 0xf0, 0x39, 0x03), ERR_UNSUPPORTED);
	assert_int_equal(DECODE(64, &in, 0xf0, 0xa5), ERR_UNSUPPORTED);
	/* XCHG is atomic by itself. */
	assert_int_equal(DECODE(64, &in, 0x87, 0x03), OK);
	assert_true(in.flags & INSN_LOCK);
}

static void opcodes_that_depend_on_mode_or_prefix(void **state)
{
	struct insn in;

	(void)state;
	assert_int_equal(DECODE(64, &in, 0x48, 0x63, 0x03), OK); /* movsxd */
	assert_int_equal(in.op, INSN_MOVSX);
	assert_int_equal(in.mem_size, 4);
	assert_int_equal(DECODE(32, &in, 0x63, 0x03), ERR_UNSUPPORTED); /* arpl */
	assert_int_equal(DECODE(32, &in, 0x82, 0x03, 1), OK);
	assert_int_equal(DECODE(64, &in, 0x82, 0x03, 1), ERR_UNSUPPORTED);
	assert_int_equal(DECODE(64, &in, 0x0f, 0x38, 0xf0, 0x03), OK); /* movbe */
	assert_int_equal(DECODE(64, &in, 0xf2, 0x0f, 0x38, 0xf0, 0x03),
			 ERR_UNSUPPORTED);			 /* crc32 */
	assert_int_equal(DECODE(16, &in, 0x0f, 0xc3, 0x07), OK); /* movnti is never 16 bits wide */
	assert_int_equal(in.op_size, 4);
	assert_int_equal(DECODE(64, &in, 0x66, 0x0f, 0xc3, 0x03), ERR_UNSUPPORTED);
}

static void what_is_not_covered_is_refused(void **state)
{
	struct insn in;

	(void)state;
	assert_int_equal(DECODE(64, &in, 0x8b, 0xc3), ERR_UNSUPPORTED);	      /* register form */
	assert_int_equal(DECODE(64, &in, 0xff, 0x33), ERR_UNSUPPORTED);	      /* push [rbx] */
	assert_int_equal(DECODE(64, &in, 0xc6, 0x4b, 0, 0), ERR_UNSUPPORTED); /* C6 /1 */
	assert_int_equal(DECODE(64, &in, 0x0f, 0x10, 0x03), ERR_UNSUPPORTED); /* movups */
	assert_int_equal(DECODE(64, &in, 0x90), ERR_UNSUPPORTED);
}

static void bytes_that_are_missing_are_asked_for(void **state)
{
	static const u8 code[] = { 0x66, 0x41, 0xc7, 0x84, 0x88, 1, 2, 3, 4, 5, 6 };
	struct insn in;

	(void)state;
	for (size_t len = 0; len < sizeof(code); len++)
		assert_int_equal(insn_decode(code, len, CPU_MODE_64, &in), ERR_RANGE);
	assert_int_equal(insn_decode(code, sizeof(code), CPU_MODE_64, &in), OK);
	assert_int_equal(in.length, sizeof(code));
}

static void fifteen_bytes_are_the_limit(void **state)
{
	u8 code[20];
	struct insn in;
	u8 length;

	(void)state;
	for (size_t i = 0; i < sizeof(code); i++)
		code[i] = 0x2e;
	code[13] = 0x8b;
	code[14] = 0x03;
	assert_int_equal(insn_decode(code, sizeof(code), CPU_MODE_64, &in), OK);
	assert_int_equal(in.length, 15);
	code[14] = 0x43; /* wants one byte more */
	assert_int_equal(insn_decode(code, sizeof(code), CPU_MODE_64, &in), ERR_UNSUPPORTED);
	assert_int_equal(insn_decode(code, 14, CPU_MODE_64, &in), ERR_RANGE);
	code[13] = 0x2e;
	code[14] = 0x0f;
	code[15] = 0xa2;
	assert_int_equal(
		insn_length_system(code, sizeof(code), CPU_MODE_64, INSN_SYS_CPUID, &length),
		ERR_UNSUPPORTED);
}

static void system_instructions_are_measured_with_their_prefixes(void **state)
{
	u8 n = 0;

	(void)state;
	assert_int_equal(LENGTH(64, CPUID, &n, 0x0f, 0xa2), OK);
	assert_int_equal(n, 2);
	assert_int_equal(LENGTH(64, CPUID, &n, 0x66, 0x48, 0x0f, 0xa2), OK);
	assert_int_equal(n, 4);
	assert_int_equal(LENGTH(32, HLT, &n, 0xf4), OK);
	assert_int_equal(n, 1);
	assert_int_equal(LENGTH(64, VMMCALL, &n, 0x0f, 0x01, 0xd9, 0x90), OK);
	assert_int_equal(n, 3);
	assert_int_equal(LENGTH(16, XSETBV, &n, 0x0f, 0x01, 0xd1), OK);
	assert_int_equal(n, 3);
	assert_int_equal(LENGTH(64, INVD, &n, 0x0f, 0x08, 0xc3), OK);
	assert_int_equal(n, 2);
}

static void another_instruction_is_not_measured(void **state)
{
	u8 n = 77;

	(void)state;
	assert_int_equal(LENGTH(64, CPUID, &n, 0x0f, 0x32, 0x90), ERR_UNSUPPORTED);
	assert_int_equal(LENGTH(64, CPUID, &n, 0xf0, 0x0f, 0xa2), ERR_UNSUPPORTED);
	assert_int_equal(LENGTH(32, CPUID, &n, 0x48, 0x0f, 0xa2), ERR_UNSUPPORTED);
	assert_int_equal(LENGTH(64, CPUID, &n, 0x0f), ERR_RANGE);
	assert_int_equal(LENGTH(64, VMMCALL, &n, 0x0f, 0x01), ERR_RANGE);
	assert_int_equal(n, 77);
}

static void mov_cr_names_both_registers(void **state)
{
	struct insn_mov_cr m;

	(void)state;
	assert_int_equal(MOV_CR(64, &m, 0x0f, 0x22, 0xd8), OK); /* mov cr3, rax */
	assert_true(m.to_cr);
	assert_int_equal(m.cr, 3);
	assert_int_equal(m.gpr, X86_RAX);
	assert_int_equal(m.length, 3);
	assert_int_equal(MOV_CR(64, &m, 0x45, 0x0f, 0x20, 0xc2), OK); /* mov r10, cr8 */
	assert_false(m.to_cr);
	assert_int_equal(m.cr, 8);
	assert_int_equal(m.gpr, 10);
	assert_int_equal(MOV_CR(32, &m, 0xf0, 0x0f, 0x20, 0xc1), OK); /* AMD: mov ecx, cr8 */
	assert_int_equal(m.cr, 8);
	/* ModRM.mod is ignored: no displacement follows. */
	assert_int_equal(MOV_CR(64, &m, 0x0f, 0x22, 0x40), OK);
	assert_int_equal(m.length, 3);
	assert_int_equal(MOV_CR(64, &m, 0x0f, 0x21, 0xc0), ERR_UNSUPPORTED);
	assert_int_equal(MOV_CR(64, &m, 0x0f, 0x22), ERR_RANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_load_names_register_and_memory),
		cmocka_unit_test(a_store_of_an_immediate_sign_extends_it),
		cmocka_unit_test(rex_counts_only_right_before_the_opcode),
		cmocka_unit_test(any_rex_turns_high_bytes_into_low_ones),
		cmocka_unit_test(sizes_follow_mode_and_prefixes),
		cmocka_unit_test(displacement_without_base_is_rip_relative_in_64_bit_mode_only),
		cmocka_unit_test(rsp_is_no_index_but_r12_is),
		cmocka_unit_test(segment_overrides),
		cmocka_unit_test(repeat_prefixes_count_on_string_instructions),
		cmocka_unit_test(lock_is_accepted_where_the_processor_accepts_it),
		cmocka_unit_test(opcodes_that_depend_on_mode_or_prefix),
		cmocka_unit_test(what_is_not_covered_is_refused),
		cmocka_unit_test(bytes_that_are_missing_are_asked_for),
		cmocka_unit_test(fifteen_bytes_are_the_limit),
		cmocka_unit_test(system_instructions_are_measured_with_their_prefixes),
		cmocka_unit_test(another_instruction_is_not_measured),
		cmocka_unit_test(mov_cr_names_both_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
