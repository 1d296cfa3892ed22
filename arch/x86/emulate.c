/* SPDX-License-Identifier: Apache-2.0 */
/* Executes a decoded instruction in steps, with flags and register writes as hardware does them. */
#include "arch/x86/emulate.h"

#include "arch/x86/move.h"

/* RFLAGS (APM vol. 1, 3.1.4) */
#define FLAG_CF BIT(0)
#define FLAG_PF BIT(2)
#define FLAG_AF BIT(4)
#define FLAG_ZF BIT(6)
#define FLAG_SF BIT(7)
#define FLAG_DF BIT(10)
#define FLAG_OF BIT(11)

#define FLAGS_LOGIC  (FLAG_PF | FLAG_ZF | FLAG_SF)
#define FLAGS_STATUS (FLAGS_LOGIC | FLAG_CF | FLAG_AF | FLAG_OF)

/* struct emu.stage: what emu_next() finds done. */
enum stage {
	STAGE_START,
	STAGE_LOADED, /* access.value has been read */
	STAGE_STORED, /* access.value has been written */
};

/* The low `size` bytes of `value`. */
static u64 cut(u64 value, u8 size)
{
	return value & LOW_BYTES(size);
}

static u64 sign_extend(u64 value, u8 size)
{
	unsigned int unused = 64 - size * 8;

	return (u64)((s64)(value << unused) >> unused);
}

static u64 read_reg(const struct insn *insn, const struct emu_cpu *cpu)
{
	return move_read(insn, cpu->gpr, insn->op_size);
}

static void write_reg(const struct insn *insn, const struct emu_cpu *cpu, u64 value)
{
	move_write(insn, cpu->gpr, value, insn->op_size);
}

static gva_t linear(const struct emu_cpu *cpu, u8 seg, u64 offset, u8 addr_size)
{
	offset = cut(offset, addr_size);
	if (cpu->mode != CPU_MODE_64)
		return GVA((u32)(offset + cpu->seg_base[seg]));
	/* The bases of ES, CS, SS and DS count as 0 (APM vol. 2, 4.5.3). */
	if (seg == X86_FS || seg == X86_GS)
		offset += cpu->seg_base[seg];
	return GVA(offset);
}

/*
 * A bit offset in a register is signed and reaches beyond the operand: the
 * operand-sized unit that holds the bit is accessed (APM vol. 3, "BT").
 */
static u64 bit_string_offset(const struct insn *insn, const struct emu_cpu *cpu)
{
	s64 bit = (s64)sign_extend(cpu->gpr[insn->reg], insn->op_size);

	return (u64)((bit >> 3) & -(s64)insn->op_size);
}

static u64 effective_address(const struct insn *insn, const struct emu_cpu *cpu)
{
	u64 address = insn->disp;

	if (insn->base != INSN_NO_REG)
		address += cpu->gpr[insn->base];
	if (insn->index != INSN_NO_REG)
		address += cpu->gpr[insn->index] * insn->scale;
	if (insn->flags & (INSN_RIP_REL | INSN_BIT_STRING)) {
		if (insn->flags & INSN_RIP_REL)
			address += cpu->rip + insn->length;
		if (insn->flags & INSN_BIT_STRING)
			address += bit_string_offset(insn, cpu);
	}
	return address;
}

void emu_begin(struct emu *emu, const struct insn *insn, const struct emu_cpu *cpu)
{
	if (insn != &emu->insn)
		emu->insn = *insn;
	emu->access.gva = linear(cpu, insn->seg, effective_address(insn, cpu), insn->addr_size);
	emu->access.size = insn->mem_size;
	emu->access.locked = insn->flags & INSN_LOCK;
	emu->stage = STAGE_START;
}

static u64 top_bit(u64 value, u8 size)
{
	return value >> (size * 8 - 1) & 1;
}

/* ZF, SF and PF of a result that is cut to `size`. PF looks at the low byte alone. */
static u64 result_flags(u64 result, u8 size)
{
	u64 fold = (result ^ result >> 4) & 0xf;
	u64 flags = top_bit(result, size) ? FLAG_SF : 0;

	if (!result)
		flags |= FLAG_ZF;
	if (0x9669 >> fold & 1) /* bit n: n has an even number of ones */
		flags |= FLAG_PF;
	return flags;
}

/* Flags of an addition or a subtraction: `carries` has a bit for each carry or borrow. */
static u64 sum_flags(u64 result, u64 carries, u64 overflows, u8 size)
{
	return result_flags(result, size) | (top_bit(carries, size) ? FLAG_CF : 0) |
	       (carries & BIT(3) ? FLAG_AF : 0) | (top_bit(overflows, size) ? FLAG_OF : 0);
}

/* a + b + carry, all cut to `size`. */
static u64 add(u64 a, u64 b, u64 carry, u8 size, u64 *flags)
{
	u64 r = cut(a + b + carry, size);

	*flags = sum_flags(r, (a & b) | ((a | b) & ~r), (a ^ r) & (b ^ r), size);
	return r;
}

/* a - b - borrow, likewise. */
static u64 subtract(u64 a, u64 b, u64 borrow, u8 size, u64 *flags)
{
	u64 r = cut(a - b - borrow, size);

	*flags = sum_flags(r, (~a & b) | ((~a | b) & r), (a ^ b) & (a ^ r), size);
	return r;
}

static void set_flags(struct emu *emu, u64 mask, u64 flags)
{
	emu->rflags = (emu->rflags & ~mask) | (flags & mask);
}

/* The two-operand and one-operand arithmetic: a is the destination. Sets emu->rflags. */
static u64 arithmetic(struct emu *emu, u64 a, u64 b)
{
	u8 op = emu->insn.op, size = emu->insn.op_size;
	u64 carry = op == INSN_ADC || op == INSN_SBB ? emu->rflags & FLAG_CF : 0;
	u64 mask = op == INSN_INC || op == INSN_DEC ? FLAGS_STATUS & ~FLAG_CF : FLAGS_STATUS;
	u64 r, flags;

	switch (op) {
	case INSN_ADD:
	case INSN_XADD:
	case INSN_ADC:
	case INSN_INC:
		r = add(a, b, carry, size, &flags);
		break;
	case INSN_OR:
		r = a | b;
		flags = result_flags(r, size);
		break;
	case INSN_AND:
	case INSN_TEST:
		r = a & b;
		flags = result_flags(r, size);
		break;
	case INSN_XOR:
		r = a ^ b;
		flags = result_flags(r, size);
		break;
	default: /* INSN_SUB, INSN_SBB, INSN_CMP, INSN_CMPXCHG, INSN_DEC, INSN_NEG */
		r = subtract(a, b, carry, size, &flags);
	}
	set_flags(emu, mask, flags);
	return r;
}

static u64 bit_operation(struct emu *emu, u64 memory, u64 offset)
{
	u64 bit = BIT(offset & (emu->insn.op_size * 8u - 1));

	set_flags(emu, FLAG_CF, memory & bit ? FLAG_CF : 0);
	switch (emu->insn.op) {
	case INSN_BTS:
		return memory | bit;
	case INSN_BTR:
		return memory & ~bit;
	case INSN_BTC:
		return memory ^ bit;
	default: /* INSN_BT */
		return memory;
	}
}

static u64 swap_bytes(u64 value, u8 size)
{
	return __builtin_bswap64(value) >> (64 - size * 8);
}

/*
 * Everything after the read: returns what goes to the destination, and leaves the
 * new flags in emu->rflags and a second result, for a register, in emu->reg_value.
 */
static u64 compute(struct emu *emu, const struct emu_cpu *cpu)
{
	const struct insn *insn = &emu->insn;
	u64 memory = emu->access.value;

	switch (insn->op) {
	case INSN_MOV:
	case INSN_MOVZX:
	case INSN_MOVS:
	case INSN_LODS:
		return memory;
	case INSN_MOVSX:
		return sign_extend(memory, insn->mem_size);
	case INSN_MOVBE:
		return swap_bytes(memory, insn->op_size);
	case INSN_XCHG:
		emu->reg_value = memory;
		return read_reg(insn, cpu);
	case INSN_XADD:
		emu->reg_value = memory;
		return arithmetic(emu, memory, read_reg(insn, cpu));
	case INSN_CMPXCHG:
		emu->reg_value = memory;
		arithmetic(emu, cut(cpu->gpr[X86_RAX], insn->op_size), memory);
		return emu->rflags & FLAG_ZF ? read_reg(insn, cpu) : memory;
	case INSN_BT:
	case INSN_BTS:
	case INSN_BTR:
	case INSN_BTC:
		return bit_operation(emu, memory, move_value(insn, cpu->gpr, insn->op_size));
	case INSN_NOT:
		return cut(~memory, insn->op_size);
	case INSN_INC:
	case INSN_DEC:
		return arithmetic(emu, memory, 1);
	case INSN_NEG:
		return arithmetic(emu, 0, memory);
	default:
		if (insn->flags & INSN_TO_REG)
			return arithmetic(emu, read_reg(insn, cpu), memory);
		return arithmetic(emu, memory, move_value(insn, cpu->gpr, insn->op_size));
	}
}

/* RIP goes behind the instruction. */
static enum emu_step step_over(const struct insn *insn, struct emu_cpu *cpu)
{
	u64 next = cpu->rip + insn->length;

	cpu->rip = cpu->mode == CPU_MODE_64 ? next : (u32)next;
	return EMU_DONE;
}

/* One iteration is over: move the pointers and count. True: there is more to do. */
static bool string_goes_on(const struct insn *insn, struct emu_cpu *cpu)
{
	u64 step = cpu->rflags & FLAG_DF ? -(u64)insn->op_size : insn->op_size;
	u8 size = insn->addr_size;

	if (insn->op != INSN_STOS)
		gpr_write(&cpu->gpr[X86_RSI], cpu->gpr[X86_RSI] + step, size);
	if (insn->op != INSN_LODS)
		gpr_write(&cpu->gpr[X86_RDI], cpu->gpr[X86_RDI] + step, size);
	if (!(insn->flags & (INSN_REP | INSN_REPNE)))
		return false;
	gpr_write(&cpu->gpr[X86_RCX], cpu->gpr[X86_RCX] - 1, size);
	return cut(cpu->gpr[X86_RCX], size);
}

static enum emu_step retire(const struct emu *emu, struct emu_cpu *cpu)
{
	cpu->rflags = emu->rflags;
	if (emu->insn.flags & INSN_STRING && string_goes_on(&emu->insn, cpu))
		return EMU_DONE;
	return step_over(&emu->insn, cpu);
}

/* What a store instruction writes that does not read: MOV, MOVNTI, MOVBE, STOS. */
static u64 store_value(const struct insn *insn, const struct emu_cpu *cpu)
{
	u64 value = move_value(insn, cpu->gpr, insn->op_size);

	return insn->op == INSN_MOVBE ? swap_bytes(value, insn->op_size) : value;
}

enum emu_step emu_next(struct emu *emu, struct emu_cpu *cpu)
{
	const struct insn *insn = &emu->insn;
	u64 value;

	switch (emu->stage) {
	case STAGE_START:
		emu->rflags = cpu->rflags;
		if (insn->flags & (INSN_REP | INSN_REPNE) &&
		    !cut(cpu->gpr[X86_RCX], insn->addr_size))
			return step_over(insn, cpu);
		if (insn->flags & INSN_READ) {
			emu->stage = STAGE_LOADED;
			return EMU_READ;
		}
		value = store_value(insn, cpu);
		break;
	case STAGE_LOADED:
		value = compute(emu, cpu);
		if (!(insn->flags & INSN_WRITE)) {
			/* CMP has no destination; TEST and BT do not go to a register. */
			if (insn->flags & INSN_TO_REG && insn->op != INSN_CMP)
				write_reg(insn, cpu, value);
			return retire(emu, cpu);
		}
		if (insn->op == INSN_MOVS)
			emu->access.gva = linear(cpu, X86_ES, cpu->gpr[X86_RDI], insn->addr_size);
		break;
	default:
		if (insn->op == INSN_XCHG || insn->op == INSN_XADD)
			write_reg(insn, cpu, emu->reg_value);
		/* A comparison that succeeds leaves rAX alone, its upper half included. */
		if (insn->op == INSN_CMPXCHG && !(emu->rflags & FLAG_ZF))
			gpr_write(&cpu->gpr[X86_RAX], emu->reg_value, insn->op_size);
		return retire(emu, cpu);
	}
	emu->access.value = value;
	emu->stage = STAGE_STORED;
	return EMU_WRITE;
}
