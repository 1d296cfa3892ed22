/* SPDX-License-Identifier: Apache-2.0 */
/* Table-driven decoder of memory instructions, and length check of system instructions. */
#include "arch/x86/insn.h"

#include "core/lib/string.h"

/*
 *   legacy prefixes, REX | opcode: xx, 0F xx, 0F 38 xx | ModRM | SIB | disp | imm
 *
 * An opcode table entry is one word: the operation in bits 7:0, the public
 * INSN_* flags in bits 15:8 and up, and from bit 20 on what only the decoder
 * needs. Zero is "not covered".
 */
#define OP(op)	       ((u32)(op))
#define ENTRY_OP(e)    ((u8)(e))
#define FLAG(f)	       ((u32)(f) << 8)
#define ENTRY_FLAGS(e) ((u16)((e) >> 8 & 0x7ff))

#define A_PREFIX   (1u << 20) /* the lower bits are a SEEN_* */
#define A_MODRM	   (1u << 21)
#define A_GROUP	   (1u << 23) /* ModRM.reg selects within groups[bits 7:0] */
#define A_BYTE	   (1u << 24) /* operand size 1 */
#define A_IMM8	   (1u << 25)
#define A_IMMZ	   (1u << 26) /* immediate of operand size, at most 4 bytes */
#define A_LOCKABLE (1u << 27)
#define A_MOFFS	   (1u << 28)
#define A_SRC8	   (1u << 29) /* memory operand of 1, 2 bytes whatever the operand size */
#define A_SRC16	   (1u << 30)
#define A_SPECIAL  (1u << 31) /* further conditions, see special_allowed() */

#define R	   FLAG(INSN_READ)
#define W	   FLAG(INSN_WRITE)
#define RW	   (R | W)
#define TO	   FLAG(INSN_TO_REG)
#define BIT_STRING FLAG(INSN_BIT_STRING)

/* The operand forms, each named as the manual's operand columns. */
#define M_REG(op, rw)		 (OP(op) | (rw) | A_MODRM)
#define REG_M(op)		 (OP(op) | R | TO | A_MODRM)
#define RMW			 (RW | A_LOCKABLE)
#define GROUP(n)		 (OP(n) | A_MODRM | A_GROUP)
#define STRING(op, rw)		 (OP(op) | (rw) | FLAG(INSN_STRING))
#define BYTE_AND_FULL(opcode, e) [opcode] = (e) | A_BYTE, [(opcode) + 1] = (e)

#define ALU(op, rw) BYTE_AND_FULL((op)*8, M_REG(op, rw)), BYTE_AND_FULL((op)*8 + 2, REG_M(op))

enum group {
	GROUP_MOV,
	GROUP_UNARY,
	GROUP_INCDEC,
	GROUP_BIT,
	GROUP_ALU, /* as the opcodes 8 * n */
};

/*
 * The prefixes seen so far, in one word: REX in the low byte (0, or 0x40 to
 * 0x4f), then a bit for each kind. A prefix's own table entry holds its bits.
 */
#define REX	    0x40u
#define REX_W	    0x08u
#define REX_R	    0x04u
#define REX_X	    0x02u
#define REX_B	    0x01u
#define REX_ANY	    0xffu
#define SEEN_66	    0x0100u
#define SEEN_67	    0x0200u
#define SEEN_LOCK   0x0400u
#define SEEN_REPNE  0x0800u
#define SEEN_REP    0x1000u
#define SEEN_REPEAT (SEEN_REPNE | SEEN_REP)
#define SEEN_SEG    0x2000u
#define SEG_SHIFT   16 /* with SEEN_SEG: the override, an enum x86_seg */
#define SEG_MASK    (7u << SEG_SHIFT)

#define PREFIX(bits) (A_PREFIX | (bits))
#define SEGMENT(seg) PREFIX(SEEN_SEG | (u32)(seg) << SEG_SHIFT)

static const u32 one_byte[256] = {
	ALU(INSN_ADD, RMW),
	ALU(INSN_OR, RMW),
	ALU(INSN_ADC, RMW),
	ALU(INSN_SBB, RMW),
	ALU(INSN_AND, RMW),
	ALU(INSN_SUB, RMW),
	ALU(INSN_XOR, RMW),
	ALU(INSN_CMP, R),
	[0x40 ... 0x4f] = PREFIX(REX),
	[0x26] = SEGMENT(X86_ES),
	[0x2e] = SEGMENT(X86_CS),
	[0x36] = SEGMENT(X86_SS),
	[0x3e] = SEGMENT(X86_DS),
	[0x64] = SEGMENT(X86_FS),
	[0x65] = SEGMENT(X86_GS),
	[0x66] = PREFIX(SEEN_66),
	[0x67] = PREFIX(SEEN_67),
	[0xf0] = PREFIX(SEEN_LOCK),
	[0xf2] = PREFIX(SEEN_REPNE),
	[0xf3] = PREFIX(SEEN_REP),
	[0x63] = REG_M(INSN_MOVSX) | A_SPECIAL,
	[0x80] = GROUP(GROUP_ALU) | A_BYTE | A_IMM8,
	[0x81] = GROUP(GROUP_ALU) | A_IMMZ,
	[0x82] = GROUP(GROUP_ALU) | A_BYTE | A_IMM8 | A_SPECIAL,
	[0x83] = GROUP(GROUP_ALU) | A_IMM8,
	BYTE_AND_FULL(0x84, M_REG(INSN_TEST, R)),
	BYTE_AND_FULL(0x86, M_REG(INSN_XCHG, RMW | FLAG(INSN_LOCK))),
	BYTE_AND_FULL(0x88, M_REG(INSN_MOV, W)),
	BYTE_AND_FULL(0x8a, REG_M(INSN_MOV)),
	BYTE_AND_FULL(0xa0, OP(INSN_MOV) | R | TO | A_MOFFS),
	BYTE_AND_FULL(0xa2, OP(INSN_MOV) | W | A_MOFFS),
	BYTE_AND_FULL(0xa4, STRING(INSN_MOVS, RW)),
	BYTE_AND_FULL(0xaa, STRING(INSN_STOS, W)),
	BYTE_AND_FULL(0xac, STRING(INSN_LODS, R | TO)),
	BYTE_AND_FULL(0xc6, GROUP(GROUP_MOV)),
	BYTE_AND_FULL(0xf6, GROUP(GROUP_UNARY)),
	BYTE_AND_FULL(0xfe, GROUP(GROUP_INCDEC)),
};

static const u32 two_byte[256] = {
	[0xa3] = M_REG(INSN_BT, R | BIT_STRING),
	[0xab] = M_REG(INSN_BTS, RMW | BIT_STRING),
	[0xb3] = M_REG(INSN_BTR, RMW | BIT_STRING),
	[0xbb] = M_REG(INSN_BTC, RMW | BIT_STRING),
	[0xba] = GROUP(GROUP_BIT),
	BYTE_AND_FULL(0xb0, M_REG(INSN_CMPXCHG, RMW)),
	[0xb6] = REG_M(INSN_MOVZX) | A_SRC8,
	[0xb7] = REG_M(INSN_MOVZX) | A_SRC16,
	[0xbe] = REG_M(INSN_MOVSX) | A_SRC8,
	[0xbf] = REG_M(INSN_MOVSX) | A_SRC16,
	BYTE_AND_FULL(0xc0, M_REG(INSN_XADD, RMW)),
	[0xc3] = M_REG(INSN_MOVNTI, W) | A_SPECIAL,
};

/* 0F 38 F0 and F1: the only two of that map here. */
static const u32 movbe[2] = {
	REG_M(INSN_MOVBE) | A_SPECIAL,
	M_REG(INSN_MOVBE, W) | A_SPECIAL,
};

#define BIT_MEMBER(op) (4 + (op)-INSN_BT)

static const u32 groups[GROUP_ALU + 1][8] = {
	[GROUP_MOV] = { OP(INSN_MOV) | W | A_IMMZ },
	[GROUP_UNARY] = {
		OP(INSN_TEST) | R | A_IMMZ,
		OP(INSN_TEST) | R | A_IMMZ, /* an alias, APM vol. 3 appendix A */
		OP(INSN_NOT) | RMW,
		OP(INSN_NEG) | RMW,
	},
	[GROUP_INCDEC] = { OP(INSN_INC) | RMW, OP(INSN_DEC) | RMW },
	[GROUP_BIT] = {
		[BIT_MEMBER(INSN_BT)] = OP(INSN_BT) | R | A_IMM8,
		[BIT_MEMBER(INSN_BTS)] = OP(INSN_BTS) | RMW | A_IMM8,
		[BIT_MEMBER(INSN_BTR)] = OP(INSN_BTR) | RMW | A_IMM8,
		[BIT_MEMBER(INSN_BTC)] = OP(INSN_BTC) | RMW | A_IMM8,
	},
};

/*
 * What is being decoded: a copy, with zeros behind what there is. No zero is a
 * prefix, and no more than the zeros is consumed behind it; that `at` is beyond
 * `end` is seen when all is done.
 */
struct code {
	u8 bytes[INSN_MAX_BYTES + 17]; /* 0F 38 xx, ModRM, SIB, 4 and 4 bytes behind the last */
	const u8 *at, *end;
	u32 entry; /* of the opcode; 0: not covered */
	u32 seen;
	enum cpu_mode mode;
};

/*
 * Consumes prefixes. c->entry becomes that of the byte after them, which is not
 * consumed. 40 to 4F outside 64-bit mode, INC and DEC of a register, end them
 * with an entry of 0.
 */
static void take_prefixes(struct code *c)
{
	for (;; c->at++) {
		u32 bits = one_byte[*c->at];

		c->entry = bits;
		if (!(bits & A_PREFIX))
			return;
		/* A REX that is not right before the opcode is ignored (APM vol. 3, 1.2.7). */
		c->seen &= ~REX_ANY;
		if (bits & REX) {
			if (c->mode != CPU_MODE_64) {
				c->entry = 0;
				return;
			}
			bits = *c->at;
		}
		if (bits & SEEN_REPEAT) /* the last one of the two counts */
			c->seen &= ~SEEN_REPEAT;
		if (bits & SEEN_SEG) {
			/* 64-bit mode ignores ES, CS, SS and DS; an FS or GS before them stands. */
			if (c->mode == CPU_MODE_64 && (bits & SEG_MASK) >> SEG_SHIFT < X86_FS)
				continue;
			c->seen &= ~SEG_MASK;
		}
		c->seen |= bits & ~A_PREFIX;
	}
}

/* No byte beyond the fifteenth is looked at. */
static void begin(struct code *c, const u8 *bytes, size_t len, enum cpu_mode mode)
{
	len = MIN(len, (size_t)INSN_MAX_BYTES);
	*c = (struct code){ .at = c->bytes, .end = c->bytes + len, .mode = mode };
	if (len == INSN_MAX_BYTES) /* the usual case, in two moves */
		__builtin_memcpy(c->bytes, bytes, INSN_MAX_BYTES);
	else
		memcpy(c->bytes, bytes, len);
	take_prefixes(c);
}

/* `e`, unless the bytes have run out: more would help, or the limit is reached. */
static enum err verdict(const struct code *c, enum err e)
{
	if (c->at <= c->end)
		return e;
	return c->end - c->bytes < INSN_MAX_BYTES ? ERR_RANGE : ERR_UNSUPPORTED;
}

/* A number of 0, 1, 2, 4 or 8 bytes. */
static u64 take(struct code *c, u32 size)
{
	u64 value = 0;

	for (u32 i = 0; i < size; i++)
		value |= (u64)*c->at++ << i * 8;
	return value;
}

static u64 take_signed(struct code *c, u32 size)
{
	u32 unused = 64 - size * 8;

	return size ? (u64)((s64)(take(c, size) << unused) >> unused) : 0;
}

/* Consumes the opcode. */
static void take_opcode(struct code *c)
{
	if (*c->at++ != 0x0f)
		return;
	c->entry = two_byte[*c->at];
	if (*c->at++ == 0x38) {
		c->entry = (*c->at & 0xfe) == 0xf0 ? movbe[*c->at & 1] : 0;
		c->at++;
	}
}

/* Conditions of the few opcodes that mean something else in some modes or with some prefixes. */
static bool special_allowed(const struct code *c, struct insn *out)
{
	if (c->entry & A_GROUP) /* 82: an alias of 80 that 64-bit mode dropped */
		return c->mode != CPU_MODE_64;

	switch (out->op) {
	case INSN_MOVSX:	   /* 63: ARPL outside 64-bit mode */
		out->mem_size = 4; /* with a prefix 66 as well */
		return c->mode == CPU_MODE_64;
	case INSN_MOVNTI: /* 66, F2, F3 0F C3 raise #UD; no 16-bit form in 16-bit code */
		if (out->op_size == 2)
			out->op_size = out->mem_size = 4;
		return !(c->seen & (SEEN_66 | SEEN_REPEAT));
	default: /* F2 0F 38 F0, F1: CRC32; F3 raises #UD */
		return !(c->seen & SEEN_REPEAT);
	}
}

/* The eight forms of 16-bit addressing (APM vol. 3, table A-33). */
static void take_memory16(struct code *c, u8 modrm, struct insn *out)
{
	static const u8 bases[8] = { X86_RBX, X86_RBX, X86_RBP, X86_RBP,
				     X86_RSI, X86_RDI, X86_RBP, X86_RBX };
	static const u8 indexes[8] = { X86_RSI,	    X86_RDI,	 X86_RSI,     X86_RDI,
				       INSN_NO_REG, INSN_NO_REG, INSN_NO_REG, INSN_NO_REG };
	u8 rm = modrm & 7;
	u8 disp_size = modrm >> 6;

	out->index = indexes[rm];
	if (disp_size == 0 && rm == 6)
		disp_size = 2;
	else
		out->base = bases[rm];
	if (out->base == X86_RBP)
		out->seg = X86_SS;
	out->disp = take_signed(c, disp_size);
}

/* 32-bit and 64-bit addressing: SIB and displacement (APM vol. 3, 1.4). */
static void take_memory(struct code *c, u8 modrm, struct insn *out)
{
	u8 base = modrm & 7;
	u8 disp_size = modrm >> 6 == 2 ? 4 : modrm >> 6;
	bool sib = base == 4;

	if (sib) {
		u8 index = (u8)((*c->at >> 3 & 7) | (c->seen & REX_X) << 2);

		if (index != X86_RSP) /* REX.X makes it R12, which can be an index */
			out->index = index;
		out->scale = (u8)(1 << (*c->at >> 6));
		base = *c->at++ & 7;
	}
	if (base == X86_RBP && disp_size == 0) { /* no base, whatever REX.B says */
		disp_size = 4;
		if (!sib && c->mode == CPU_MODE_64)
			out->flags |= INSN_RIP_REL;
	} else {
		out->base = c->seen & REX_B ? base | 8 : base;
		if ((out->base | 1) == X86_RBP) /* RSP or RBP */
			out->seg = X86_SS;
	}
	out->disp = take_signed(c, disp_size);
}

/* The register operand that ModRM names. */
static void set_register(const struct code *c, u8 modrm, struct insn *out)
{
	u8 reg = modrm >> 3 & 7;

	if (c->entry & A_BYTE && reg >= 4 && !(c->seen & REX_ANY)) {
		reg -= 4;
		out->flags |= INSN_HIGH_BYTE;
	}
	out->reg = (u8)(reg | (c->seen & REX_R) << 1);
}

/* Operands of the opcodes without ModRM: string instructions and A0 to A3. */
static void take_implied(struct code *c, struct insn *out)
{
	if (out->op != INSN_MOVS)
		out->reg = X86_RAX;
	if (c->entry & A_MOFFS) {
		out->disp = take(c, out->addr_size);
		return;
	}
	out->base = out->op == INSN_STOS ? X86_RDI : X86_RSI;
	if (c->seen & SEEN_REP)
		out->flags |= INSN_REP;
	if (c->seen & SEEN_REPNE)
		out->flags |= INSN_REPNE;
}

static void set_sizes(const struct code *c, struct insn *out)
{
	out->op_size = c->mode == CPU_MODE_16 ? 2 : 4;
	if (c->seen & SEEN_66)
		out->op_size ^= 2 | 4;
	if (c->seen & REX_W)
		out->op_size = 8;
	if (c->entry & A_BYTE)
		out->op_size = 1;
	out->mem_size = out->op_size;
	if (c->entry & (A_SRC8 | A_SRC16))
		out->mem_size = c->entry & A_SRC8 ? 1 : 2;
	out->addr_size = (u8)(2 << c->mode);
	if (c->seen & SEEN_67)
		out->addr_size = c->mode == CPU_MODE_32 ? 2 : 4;
}

/*
 * ModRM and what follows it. c->entry may name a group: the member's properties
 * are added to it. False: a register form, or not covered.
 */
static bool take_operands(struct code *c, struct insn *out)
{
	u8 modrm = *c->at++;

	if (modrm >= 0xc0)
		return false;
	if (c->entry & A_GROUP) {
		u8 reg = modrm >> 3 & 7;
		u32 member = groups[ENTRY_OP(c->entry)][reg];

		if (ENTRY_OP(c->entry) == GROUP_ALU) /* as the opcodes for registers */
			member = one_byte[reg * 8] & ~A_BYTE;
		if (!member)
			return false;
		c->entry |= member;
		out->op = ENTRY_OP(member);
		out->flags = ENTRY_FLAGS(member);
	} else {
		set_register(c, modrm, out);
	}
	if (out->addr_size == 2)
		take_memory16(c, modrm, out);
	else
		take_memory(c, modrm, out);
	if (c->entry & (A_IMM8 | A_IMMZ)) {
		out->imm = take_signed(c, c->entry & A_IMM8 ? 1 : MIN(out->op_size, 4));
		out->flags |= INSN_IMM;
	}
	return true;
}

/* False: not covered. */
static bool decode(struct code *c, struct insn *out)
{
	take_opcode(c);
	*out = (struct insn){
		.op = ENTRY_OP(c->entry),
		.flags = ENTRY_FLAGS(c->entry),
		.base = INSN_NO_REG,
		.index = INSN_NO_REG,
		.reg = INSN_NO_REG,
		.scale = 1,
		.seg = X86_DS,
	};
	set_sizes(c, out);
	if (!c->entry || (c->entry & A_SPECIAL && !special_allowed(c, out)))
		return false;
	if (!(c->entry & A_MODRM))
		take_implied(c, out);
	else if (!take_operands(c, out))
		return false;
	if (c->seen & SEEN_SEG)
		out->seg = (u8)((c->seen & SEG_MASK) >> SEG_SHIFT);
	if (out->op == INSN_STOS) /* whatever the override */
		out->seg = X86_ES;
	if (c->seen & SEEN_LOCK)
		out->flags |= INSN_LOCK;
	return !(c->seen & SEEN_LOCK) || c->entry & A_LOCKABLE;
}

enum err insn_decode(const u8 *bytes, size_t len, enum cpu_mode mode, struct insn *out)
{
	struct code c;
	bool covered;

	begin(&c, bytes, len, mode);
	covered = decode(&c, out);
	out->length = (u8)(c.at - c.bytes);
	return verdict(&c, covered ? OK : ERR_UNSUPPORTED);
}

enum err insn_length_system(const u8 *bytes, size_t len, enum cpu_mode mode,
			    enum insn_system expected, u8 *length)
{
	struct code c;
	enum err e;

	begin(&c, bytes, len, mode);
	for (u32 i = 0; i < INSN_SYS_BYTES(expected); i++)
		if (*c.at++ != (u8)(expected >> i * 8))
			return verdict(&c, ERR_UNSUPPORTED);
	/* LOCK raises #UD with all of these. */
	e = verdict(&c, c.seen & SEEN_LOCK ? ERR_UNSUPPORTED : OK);
	if (!e)
		*length = (u8)(c.at - c.bytes);
	return e;
}

enum err insn_decode_mov_cr(const u8 *bytes, size_t len, enum cpu_mode mode,
			    struct insn_mov_cr *out)
{
	struct code c;

	begin(&c, bytes, len, mode);
	if (*c.at++ != 0x0f || (*c.at++ & 0xfd) != 0x20)
		return verdict(&c, ERR_UNSUPPORTED);
	out->to_cr = c.at[-1] == 0x22;
	out->cr = (*c.at >> 3 & 7) | (c.seen & (REX_R | SEEN_LOCK) ? 8 : 0);
	out->gpr = (*c.at++ & 7) | (c.seen & REX_B ? 8 : 0);
	out->length = (u8)(c.at - c.bytes);
	return verdict(&c, OK);
}
