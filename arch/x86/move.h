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

/* Writes the low `size` bytes: 32 bits clear the upper half, 8 and 16 keep the rest. */
static inline void gpr_write(u64 *gpr, u64 value, u8 size)
{
	u64 mask = LOW_BYTES(size);

	if (size >= 4)
		*gpr = value & mask;
	else
		*gpr = (*gpr & ~mask) | (value & mask);
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

/* The low `size` bytes of the register operand. */
static inline u64 move_read(const struct insn *insn, u64 *gpr, u8 size)
{
	return *move_register(insn, gpr) >> move_shift(insn) & LOW_BYTES(size);
}

/* As gpr_write(). */
static inline void move_write(const struct insn *insn, u64 *gpr, u64 value, u8 size)
{
	u64 *reg = move_register(insn, gpr);
	u64 mask = LOW_BYTES(size) << move_shift(insn);

	if (size >= 4)
		*reg = value & mask;
	else
		*reg = (*reg & ~mask) | (value << move_shift(insn) & mask);
}

/* The operand that is not in memory. */
static inline u64 move_value(const struct insn *insn, u64 *gpr, u8 size)
{
	if (insn->flags & INSN_IMM)
		return insn->imm & LOW_BYTES(size);
	return move_read(insn, gpr, size);
}

#endif
