/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the instruction decoders and the emulator with arbitrary bytes and registers. */
// SOURCES: arch/x86/insn.c arch/x86/emulate.c
#include <stdlib.h>
#include <string.h>

#include "arch/x86/emulate.h"

#define MUST(condition) \
	do { \
		if (!(condition)) \
			abort(); \
	} while (0)

/* Executes one instruction, or one iteration, and checks what emulate.h promises. */
static void execute(const struct insn *insn, struct emu_cpu *cpu, u64 memory)
{
	u64 before[X86_REG_COUNT];
	u64 rip = cpu->rip, rflags = cpu->rflags;
	enum emu_step step;
	struct emu emu;
	int accesses = 0;

	memcpy(before, cpu->gpr, sizeof(before));
	emu_begin(&emu, insn, cpu);
	while ((step = emu_next(&emu, cpu)) != EMU_DONE) {
		u8 size = emu.access.size;
		u64 mask = size == 8 ? ~0ULL : BIT(size * 8) - 1;

		MUST(++accesses <= 2);
		MUST(size == 1 || size == 2 || size == 4 || size == 8);
		MUST(step == EMU_READ ? insn->flags & INSN_READ : insn->flags & INSN_WRITE);
		MUST(cpu->mode == CPU_MODE_64 || emu.access.gva.raw <= 0xffffffff);
		/* Nothing has changed yet: the caller may still drop it. */
		MUST(!memcmp(before, cpu->gpr, sizeof(before)));
		MUST(cpu->rip == rip && cpu->rflags == rflags);
		if (step == EMU_WRITE)
			MUST((emu.access.value & ~mask) == 0);
		else
			emu.access.value = memory & mask;
	}
	MUST(((cpu->rflags ^ rflags) & ~0x8d5ULL) == 0);
	MUST(cpu->mode != CPU_MODE_64 || cpu->rip == rip || cpu->rip == rip + insn->length);
}

int LLVMFuzzerTestOneInput(const u8 *input, size_t size);

/* Input: mode, expected system instruction, 16 registers of 8 bytes (short: zero), code. */
int LLVMFuzzerTestOneInput(const u8 *input, size_t size)
{
	static const enum insn_system systems[] = {
		INSN_SYS_CPUID,	  INSN_SYS_RDMSR,  INSN_SYS_WRMSR, INSN_SYS_HLT,
		INSN_SYS_VMMCALL, INSN_SYS_XSETBV, INSN_SYS_INVD,
	};
	u64 state[X86_REG_COUNT + 4] = { 0 };
	enum insn_system expected;
	struct insn_mov_cr mov_cr;
	struct emu_cpu cpu = { .gpr = state };
	struct insn insn;
	size_t code_size;
	u8 *code;
	u8 length = 0;

	if (size < 2)
		return 0;
	cpu.mode = (enum cpu_mode)(input[0] % 3);
	expected = systems[input[1] % ARRAY_SIZE(systems)];
	input += 2;
	size -= 2;

	/* The code comes first, in a block of its exact size, so that reading beyond it shows. */
	code_size = MIN(size, (size_t)(INSN_MAX_BYTES + 2));
	code = malloc(code_size);
	memcpy(code, input, code_size);
	memcpy(state, input + code_size, MIN(size - code_size, sizeof(state)));
	cpu.rip = cpu.mode == CPU_MODE_64 ? state[16] : (u32)state[16];
	cpu.rflags = state[17];
	cpu.seg_base[X86_FS] = cpu.seg_base[X86_ES] = state[18];

	if (insn_decode(code, code_size, cpu.mode, &insn) == OK) {
		MUST(insn.length >= 1 && insn.length <= INSN_MAX_BYTES);
		MUST(insn.length <= code_size);
		for (int iteration = 0; iteration < 3; iteration++)
			execute(&insn, &cpu, state[19]);
	}
	if (insn_length_system(code, code_size, cpu.mode, expected, &length) == OK)
		MUST(length >= 1 && length <= INSN_MAX_BYTES && length <= code_size);
	if (insn_decode_mov_cr(code, code_size, cpu.mode, &mov_cr) == OK)
		MUST(mov_cr.length <= code_size && mov_cr.cr < 16 && mov_cr.gpr < 16);
	free(code);
	return 0;
}
