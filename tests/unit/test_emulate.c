/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of the resumable executor: order of accesses, retirement, repetition, wrapping. */
// SOURCES: arch/x86/insn.c arch/x86/emulate.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "arch/x86/emulate.h"

#define FLAG_CF 0x001
#define FLAG_ZF 0x040
#define FLAG_DF 0x400

/* A vCPU of which the registers start at 0, and the instruction that it executes. */
struct machine {
	u64 gpr[X86_REG_COUNT];
	struct emu_cpu cpu;
	struct emu emu;
};

static void load(struct machine *m, enum cpu_mode mode, const u8 *code, size_t size)
{
	m->cpu.gpr = m->gpr;
	m->cpu.mode = mode;
	assert_int_equal(insn_decode(code, size, mode, &m->emu.insn), OK);
	emu_begin(&m->emu, &m->emu.insn, &m->cpu);
}

#define LOAD(m, mode, ...) \
	load(m, CPU_MODE_##mode, (const u8[]){ __VA_ARGS__ }, sizeof((u8[]){ __VA_ARGS__ }))

static void expect_read(struct machine *m, u64 gva, u8 size, u64 value)
{
	assert_int_equal(emu_next(&m->emu, &m->cpu), EMU_READ);
	assert_int_equal(m->emu.access.gva.raw, gva);
	assert_int_equal(m->emu.access.size, size);
	m->emu.access.value = value;
}

static void expect_write(struct machine *m, u64 gva, u8 size, u64 value)
{
	assert_int_equal(emu_next(&m->emu, &m->cpu), EMU_WRITE);
	assert_int_equal(m->emu.access.gva.raw, gva);
	assert_int_equal(m->emu.access.size, size);
	assert_int_equal(m->emu.access.value, value);
}

static void expect_done(struct machine *m, u64 rip)
{
	assert_int_equal(emu_next(&m->emu, &m->cpu), EMU_DONE);
	assert_int_equal(m->cpu.rip, rip);
}

static void a_load_of_32_bits_clears_the_upper_half(void **state)
{
	struct machine m = { .gpr = { [X86_RAX] = ~0ULL, [X86_RBX] = 0x1000 } };

	(void)state;
	LOAD(&m, 64, 0x8b, 0x43, 0x10);
	expect_read(&m, 0x1010, 4, 0x89abcdef);
	assert_true(m.gpr[X86_RAX] == ~0ULL); /* not before it retires */
	expect_done(&m, 3);
	assert_int_equal(m.gpr[X86_RAX], 0x89abcdef);
}

static void narrow_loads_keep_the_rest_of_the_register(void **state)
{
	struct machine m = { .gpr = { [X86_RAX] = 0x1122334455667788, [X86_RBX] = 0x1000 } };

	(void)state;
	LOAD(&m, 64, 0x66, 0x8b, 0x03);
	expect_read(&m, 0x1000, 2, 0xaaaa);
	expect_done(&m, 3);
	assert_int_equal(m.gpr[X86_RAX], 0x112233445566aaaa);
	LOAD(&m, 64, 0x8a, 0x23); /* mov ah, [rbx] */
	expect_read(&m, 0x1000, 1, 0xbb);
	expect_done(&m, 5);
	assert_int_equal(m.gpr[X86_RAX], 0x112233445566bbaa);
}

static void a_store_writes_the_register(void **state)
{
	struct machine m = { .gpr = { [X86_RAX] = 0x1122334455667788, [X86_RBX] = 0x1000 } };

	(void)state;
	LOAD(&m, 64, 0x88, 0x63, 0xff); /* mov [rbx - 1], ah */
	expect_write(&m, 0xfff, 1, 0x77);
	expect_done(&m, 3);
	LOAD(&m, 64, 0x48, 0x0f, 0x38, 0xf1, 0x03); /* movbe [rbx], rax */
	expect_write(&m, 0x1000, 8, 0x8877665544332211);
	expect_done(&m, 8);
}

static void movzx_and_movsx_read_their_source_size(void **state)
{
	struct machine m = { .gpr = { [X86_RAX] = ~0ULL, [X86_RBX] = 0x1000 } };

	(void)state;
	LOAD(&m, 64, 0x0f, 0xb6, 0x03);
	expect_read(&m, 0x1000, 1, 0x80);
	expect_done(&m, 3);
	assert_int_equal(m.gpr[X86_RAX], 0x80);
	LOAD(&m, 64, 0x0f, 0xbf, 0x03);
	expect_read(&m, 0x1000, 2, 0x8000);
	expect_done(&m, 6);
	assert_int_equal(m.gpr[X86_RAX], 0xffff8000);
}

static void read_modify_write_is_two_accesses_and_then_flags(void **state)
{
	struct machine m = { .gpr = { [X86_RBX] = 0x1000 } };

	(void)state;
	LOAD(&m, 64, 0xf0, 0x83, 0x03, 0xff); /* lock add dword [rbx], -1 */
	expect_read(&m, 0x1000, 4, 1);
	assert_true(m.emu.access.locked);
	expect_write(&m, 0x1000, 4, 0);
	assert_true(m.emu.access.locked);
	assert_int_equal(m.cpu.rflags, 0);
	assert_int_equal(m.cpu.rip, 0);
	expect_done(&m, 4);
	assert_int_equal(m.cpu.rflags & (FLAG_CF | FLAG_ZF), FLAG_CF | FLAG_ZF);
}

static void compare_and_test_write_nothing(void **state)
{
	struct machine m = { .gpr = { [X86_RAX] = 5, [X86_RBX] = 0x1000 } };

	(void)state;
	LOAD(&m, 64, 0x3b, 0x03); /* cmp eax, [rbx] */
	expect_read(&m, 0x1000, 4, 5);
	expect_done(&m, 2);
	assert_int_equal(m.gpr[X86_RAX], 5);
	assert_true(m.cpu.rflags & FLAG_ZF);
	LOAD(&m, 64, 0xf7, 0x03, 8, 0, 0, 0); /* test dword [rbx], 8 */
	expect_read(&m, 0x1000, 4, 8);
	expect_done(&m, 8);
	assert_false(m.cpu.rflags & FLAG_ZF);
}

static void xchg_is_atomic_and_swaps(void **state)
{
	struct machine m = { .gpr = { [X86_RAX] = 5, [X86_RBX] = 0x1000 } };

	(void)state;
	LOAD(&m, 64, 0x87, 0x03);
	expect_read(&m, 0x1000, 4, 9);
	assert_true(m.emu.access.locked);
	expect_write(&m, 0x1000, 4, 5);
	assert_int_equal(m.gpr[X86_RAX], 5);
	expect_done(&m, 2);
	assert_int_equal(m.gpr[X86_RAX], 9);
}

static void a_failed_cmpxchg_writes_back_and_loads_the_accumulator(void **state)
{
	struct machine m = { .gpr = { [X86_RAX] = 5, [X86_RCX] = 7, [X86_RBX] = 0x1000 } };

	(void)state;
	LOAD(&m, 64, 0xf0, 0x0f, 0xb1, 0x0b);
	expect_read(&m, 0x1000, 4, 9);
	expect_write(&m, 0x1000, 4, 9);
	expect_done(&m, 4);
	assert_int_equal(m.gpr[X86_RAX], 9);
	LOAD(&m, 64, 0xf0, 0x0f, 0xb1, 0x0b);
	expect_read(&m, 0x1000, 4, 9);
	expect_write(&m, 0x1000, 4, 7);
	expect_done(&m, 8);
	assert_true(m.cpu.rflags & FLAG_ZF);
}

static void a_bit_offset_in_a_register_reaches_beyond_the_operand(void **state)
{
	struct machine m = { .gpr = { [X86_RAX] = (u32)-1, [X86_RBX] = 0x1000 } };

	(void)state;
	LOAD(&m, 64, 0x0f, 0xab, 0x03); /* bts [rbx], eax: bit 31 of the word before */
	expect_read(&m, 0xffc, 4, 0);
	expect_write(&m, 0xffc, 4, 0x80000000);
	expect_done(&m, 3);
	assert_false(m.cpu.rflags & FLAG_CF);
	LOAD(&m, 64, 0x0f, 0xba, 0x23, 33); /* bt dword [rbx], 33: bit 1 of the operand */
	expect_read(&m, 0x1000, 4, 2);
	expect_done(&m, 7);
	assert_true(m.cpu.rflags & FLAG_CF);
}

static void rep_retires_one_iteration_at_a_time(void **state)
{
	struct machine m = { .gpr = { [X86_RCX] = 2, [X86_RSI] = 0x1000, [X86_RDI] = 0x2000 } };

	(void)state;
	LOAD(&m, 64, 0xf3, 0xa5);
	expect_read(&m, 0x1000, 4, 11);
	expect_write(&m, 0x2000, 4, 11);
	assert_int_equal(m.gpr[X86_RCX], 2);
	expect_done(&m, 0);
	assert_int_equal(m.gpr[X86_RCX], 1);
	emu_begin(&m.emu, &m.emu.insn, &m.cpu);
	expect_read(&m, 0x1004, 4, 22);
	expect_write(&m, 0x2004, 4, 22);
	expect_done(&m, 2);
	assert_int_equal(m.gpr[X86_RCX], 0);
	assert_int_equal(m.gpr[X86_RDI], 0x2008);
}

static void rep_counts_in_the_address_size(void **state)
{
	struct machine m = { .gpr = {
				     [X86_RAX] = 0xab, [X86_RCX] = 0xffff0001, [X86_RDI] = 0x10 } };

	(void)state;
	m.cpu.rflags = FLAG_DF;
	LOAD(&m, 16, 0xf3, 0xaa);
	expect_write(&m, 0x10, 1, 0xab);
	expect_done(&m, 2);
	assert_int_equal(m.gpr[X86_RCX], 0xffff0000);
	assert_int_equal(m.gpr[X86_RDI], 0xf);
	/* A count of 0 makes no access. */
	LOAD(&m, 16, 0xf3, 0xaa);
	expect_done(&m, 4);
	assert_int_equal(m.gpr[X86_RDI], 0xf);
}

static void addresses_wrap_at_their_size(void **state)
{
	struct machine m = { .gpr = { [X86_RBX] = 0xfffffffff, [X86_RSI] = 2 } };

	(void)state;
	m.cpu.seg_base[X86_DS] = 0xfffffff0;
	m.cpu.seg_base[X86_GS] = 0x7fff00000000;
	LOAD(&m, 16, 0x8a, 0x00); /* [bx + si]: 0xffff + 2 is 1 */
	expect_read(&m, 0xfffffff1, 1, 0);
	LOAD(&m, 32, 0x8a, 0x43, 0x21); /* the base is added within 4 GiB */
	expect_read(&m, 0x10, 1, 0);
	LOAD(&m, 64, 0x67, 0x8a, 0x43, 0x21); /* ebx + 0x21 is 0x20; DS has base 0 */
	expect_read(&m, 0x20, 1, 0);
	LOAD(&m, 64, 0x65, 0x67, 0x8a, 0x43, 0x21);
	expect_read(&m, 0x7fff00000020, 1, 0);
}

static void rip_relative_counts_from_the_next_instruction(void **state)
{
	struct machine m = { .cpu.rip = 0x400000 };

	(void)state; /* mov byte [rip + 4], 9: the immediate is part of the instruction */
	LOAD(&m, 64, 0xc6, 0x05, 4, 0, 0, 0, 9);
	expect_write(&m, 0x40000b, 1, 9);
	expect_done(&m, 0x400007);
}

static void dropping_an_instruction_changes_nothing(void **state)
{
	struct machine m = { .gpr = { [X86_RAX] = 5, [X86_RBX] = 0x1000, [X86_RCX] = 3 } };
	u64 before[X86_REG_COUNT];

	(void)state;
	memcpy(before, m.gpr, sizeof(before));
	LOAD(&m, 64, 0x0f, 0xc1, 0x03); /* xadd [rbx], eax, dropped at its write */
	expect_read(&m, 0x1000, 4, 0xffffffff);
	expect_write(&m, 0x1000, 4, 4);
	LOAD(&m, 64, 0xf3, 0xa4); /* rep movsb, dropped at its write */
	expect_read(&m, 0, 1, 1);
	expect_write(&m, 0, 1, 1);
	assert_memory_equal(before, m.gpr, sizeof(before));
	assert_int_equal(m.cpu.rip, 0);
	assert_int_equal(m.cpu.rflags, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_load_of_32_bits_clears_the_upper_half),
		cmocka_unit_test(narrow_loads_keep_the_rest_of_the_register),
		cmocka_unit_test(a_store_writes_the_register),
		cmocka_unit_test(movzx_and_movsx_read_their_source_size),
		cmocka_unit_test(read_modify_write_is_two_accesses_and_then_flags),
		cmocka_unit_test(compare_and_test_write_nothing),
		cmocka_unit_test(xchg_is_atomic_and_swaps),
		cmocka_unit_test(a_failed_cmpxchg_writes_back_and_loads_the_accumulator),
		cmocka_unit_test(a_bit_offset_in_a_register_reaches_beyond_the_operand),
		cmocka_unit_test(rep_retires_one_iteration_at_a_time),
		cmocka_unit_test(rep_counts_in_the_address_size),
		cmocka_unit_test(addresses_wrap_at_their_size),
		cmocka_unit_test(rip_relative_counts_from_the_next_instruction),
		cmocka_unit_test(dropping_an_instruction_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
