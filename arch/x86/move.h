/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain moves between a register and memory: nearly all that drivers do to
 * device registers. The processor has translated the one address already, so
 * these need neither address arithmetic nor flags; emulate.h does the rest.
 */
#ifndef ARCH_X86_MOVE_H
#define ARCH_X86_MOVE_H

#include "arch/x86/insn.h"
#include "core/lib/types.h"

/* One memory operand, read or written once, no flags. */
static inline bool move_is_plain(const struct insn *insn)
{
	return insn->op == INSN_MOV;
}

static inline u64 move_mask(u8 size)
{
	return size == 8 ? ~0ULL : BIT(size * 8) - 1;
}

/* The register operand: AH to BH are bits 8 to 15 of the first four. */
static inline u32 move_shift(const struct insn *insn)
{
	return insn->flags & INSN_HIGH_BYTE ? 8 : 0;
}

static inline u64 *move_register(const struct insn *insn, u64 *gpr)
{
	return &gpr[insn->flags & INSN_HIGH_BYTE ? insn->reg & 3 : insn->reg & 15];
}

/* What the instruction stores. */
static inline u64 move_value(const struct insn *insn, u64 *gpr)
{
	u64 value = insn->imm;

	if (!(insn->flags & INSN_IMM))
		value = *move_register(insn, gpr) >> move_shift(insn);
	return value & move_mask(insn->mem_size);
}

/* What was loaded goes to the register: 32 bits clear the upper half, 8 and 16 keep the rest. */
static inline void move_load(const struct insn *insn, u64 *gpr, u64 value)
{
	u64 *reg = move_register(insn, gpr);
	u64 mask = move_mask(insn->mem_size) << move_shift(insn);

	if (insn->mem_size >= 4)
		*reg = value & mask;
	else
		*reg = (*reg & ~mask) | (value << move_shift(insn) & mask);
}

#endif
