/* SPDX-License-Identifier: Apache-2.0 */
/* Table-driven decoder of memory instructions, and length check of system instructions. */
#include "arch/x86/insn.h"

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

#define A_PREFIX   (1u << 20) /* bits 7:0 are an enum prefix */
#define A_MODRM	   (1u << 21)
#define A_GROUP	   (1u << 23) /* ModRM.reg selects within groups[bits 7:0] */
#define A_BYTE	   (1u << 24) /* operand size 1 */
#define A_IMM8	   (1u << 25)
#define A_IMMZ	   (1u << 26) /* immediate of operand size, at most 4 bytes */
#define A_LOCKABLE (1u << 27)
#define A_MOFFS	   (1u << 28)
#define A_SRC8	   (1u << 29) /* memory operand of 1, 2 bytes whatever the operand size */
#define A_SRC16	   (1u << 30)
#define A_SPECIAL  (1u << 31) /* further conditions, see check_special() */

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

enum prefix {
	PREFIX_SEG, /* six of them: PREFIX_SEG + enum x86_seg */
	PREFIX_OPERAND = 6,
	PREFIX_ADDRESS,
	PREFIX_LOCK,
	PREFIX_REPNE,
	PREFIX_REP,
	PREFIX_REX,
};

enum group {
	GROUP_ALU,
	GROUP_MOV,
	GROUP_UNARY,
	GROUP_INCDEC,
	GROUP_BIT
};

#define PREFIX(p) (A_PREFIX | (u32)(p))

static const u32 one_byte[256] = {
	ALU(INSN_ADD, RMW),
	ALU(INSN_OR, RMW),
	ALU(INSN_ADC, RMW),
	ALU(INSN_SBB, RMW),
	ALU(INSN_AND, RMW),
	ALU(INSN_SUB, RMW),
	ALU(INSN_XOR, RMW),
	ALU(INSN_CMP, R),
	[0x40 ... 0x4f] = PREFIX(PREFIX_REX),
	[0x26] = PREFIX(PREFIX_SEG + X86_ES),
	[0x2e] = PREFIX(PREFIX_SEG + X86_CS),
	[0x36] = PREFIX(PREFIX_SEG + X86_SS),
	[0x3e] = PREFIX(PREFIX_SEG + X86_DS),
	[0x64] = PREFIX(PREFIX_SEG + X86_FS),
	[0x65] = PREFIX(PREFIX_SEG + X86_GS),
	[0x66] = PREFIX(PREFIX_OPERAND),
	[0x67] = PREFIX(PREFIX_ADDRESS),
	[0xf0] = PREFIX(PREFIX_LOCK),
	[0xf2] = PREFIX(PREFIX_REPNE),
	[0xf3] = PREFIX(PREFIX_REP),
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

static const u32 groups[][8] = {
	[GROUP_ALU] = {
		OP(INSN_ADD) | RMW,
		OP(INSN_OR) | RMW,
		OP(INSN_ADC) | RMW,
		OP(INSN_SBB) | RMW,
		OP(INSN_AND) | RMW,
		OP(INSN_SUB) | RMW,
		OP(INSN_XOR) | RMW,
		OP(INSN_CMP) | R,
	},
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

/* Kept out of line, so that what every MMIO exit needs stays short and in registers. */
#define off_hot_path __attribute__((noinline))

/*
 * The prefixes seen so far, in one word: REX in the low byte (0, or 0x40 to
 * 0x4f), then a bit for each kind.
 */
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

/* A sign-extended number of 1, 2 or 4 bytes. */
static inline u64 read_signed(const u8 *at, u8 size)
{
	if (size == 1)
		return (u64)(s64)(s8)at[0];
	if (size == 4)
		return (u64)(s64)(s32) * (const any_u32 *)at;
	return (u64)(s64)(s16) * (const any_u16 *)at;
}

/*
 * The take_*() functions below consume bytes in [at, end) and return where the
 * next part of the instruction begins, or NULL when `end` cuts it short. State
 * goes by value, so that a plain MOV is decoded in registers.
 */
static inline bool have(const u8 *at, const u8 *end, size_t bytes)
{
	return (size_t)(end - at) >= bytes;
}

/* No byte beyond the fifteenth is looked at. */
static inline const u8 *decode_end(const u8 *bytes, size_t len)
{
	return bytes + MIN(len, (size_t)INSN_MAX_BYTES);
}

/* What it means that the bytes have run out: more would help, or the limit is reached. */
static inline enum err cut_short(size_t len)
{
	return len < INSN_MAX_BYTES ? ERR_RANGE : ERR_UNSUPPORTED;
}

/* `seen` with one legacy prefix more. */
static off_hot_path u32 note_legacy_prefix(u32 seen, enum prefix kind, enum cpu_mode mode)
{
	/* A REX that is not right before the opcode is ignored (APM vol. 3, 1.2.7). */
	seen &= ~REX_ANY;
	switch (kind) {
	case PREFIX_OPERAND:
		return seen | SEEN_66;
	case PREFIX_ADDRESS:
		return seen | SEEN_67;
	case PREFIX_LOCK:
		return seen | SEEN_LOCK;
	case PREFIX_REPNE: /* the last one of the two counts */
		return (seen & ~SEEN_REPEAT) | SEEN_REPNE;
	case PREFIX_REP:
		return (seen & ~SEEN_REPEAT) | SEEN_REP;
	default:
		/* 64-bit mode ignores ES, CS, SS and DS; an FS or GS before them stands. */
		if (mode == CPU_MODE_64 && kind < PREFIX_SEG + X86_FS)
			return seen;
		seen &= ~SEG_MASK;
		return seen | SEEN_SEG | (u32)(kind - PREFIX_SEG) << SEG_SHIFT;
	}
}

/*
 * Consumes prefixes. `*entry` becomes that of the byte after them, which is not
 * consumed, and `*seen` tells the prefixes. 40 to 4F outside 64-bit mode, INC
 * and DEC of a register, end them with an `*entry` of 0.
 */
static inline const u8 *take_prefixes(const u8 *at, const u8 *end, enum cpu_mode mode, u32 *entry,
				      u32 *seen)
{
	for (; at < end; at++) {
		*entry = one_byte[*at];
		if (!(*entry & A_PREFIX))
			return at;
		if (ENTRY_OP(*entry) != PREFIX_REX) {
			*seen = note_legacy_prefix(*seen, (enum prefix)ENTRY_OP(*entry), mode);
			continue;
		}
		if (mode != CPU_MODE_64) {
			*entry = 0;
			return at;
		}
		*seen = (*seen & ~REX_ANY) | *at;
	}
	return NULL;
}

/* Consumes the opcode after a 0F. */
static inline const u8 *take_two_byte(const u8 *at, const u8 *end, u32 *entry)
{
	if (!have(at, end, 1))
		return NULL;
	*entry = two_byte[*at];
	if (*at++ != 0x38)
		return at;
	if (!have(at, end, 1))
		return NULL;
	*entry = (*at & 0xfe) == 0xf0 ? movbe[*at & 1] : 0;
	return at + 1;
}

/* Conditions of the few opcodes that mean something else in some modes or with some prefixes. */
static off_hot_path enum err check_special(u32 entry, u32 seen, enum cpu_mode mode,
					   struct insn *out)
{
	if (entry & A_GROUP) /* 82: an alias of 80 that 64-bit mode dropped */
		return mode == CPU_MODE_64 ? ERR_UNSUPPORTED : OK;

	switch (out->op) {
	case INSN_MOVSX: /* 63: ARPL outside 64-bit mode */
		if (mode != CPU_MODE_64)
			return ERR_UNSUPPORTED;
		out->mem_size = 4; /* with a prefix 66 as well */
		return OK;
	case INSN_MOVNTI: /* 66, F2, F3 0F C3 raise #UD; no 16-bit form in 16-bit code */
		if (out->op_size == 2)
			out->op_size = out->mem_size = 4;
		return seen & (SEEN_66 | SEEN_REPEAT) ? ERR_UNSUPPORTED : OK;
	default: /* F2 0F 38 F0, F1: CRC32; F3 raises #UD */
		return seen & SEEN_REPEAT ? ERR_UNSUPPORTED : OK;
	}
}

static inline const u8 *take_displacement(const u8 *at, const u8 *end, u8 size, struct insn *out)
{
	out->disp = 0;
	if (!have(at, end, size))
		return NULL;
	if (size)
		out->disp = read_signed(at, size);
	return at + size;
}

/* The eight forms of 16-bit addressing (APM vol. 3, table A-33). */
static off_hot_path const u8 *take_memory16(const u8 *at, const u8 *end, u8 modrm, struct insn *out)
{
	static const u8 bases[8] = { X86_RBX, X86_RBX, X86_RBP, X86_RBP,
				     X86_RSI, X86_RDI, X86_RBP, X86_RBX };
	static const u8 indexes[8] = { X86_RSI,	    X86_RDI,	 X86_RSI,     X86_RDI,
				       INSN_NO_REG, INSN_NO_REG, INSN_NO_REG, INSN_NO_REG };
	u8 rm = modrm & 7;
	u8 disp_size = modrm >> 6;

	out->base = bases[rm];
	out->index = indexes[rm];
	out->scale = 1;
	if (disp_size == 0 && rm == 6) {
		out->base = INSN_NO_REG;
		disp_size = 2;
	}
	out->seg = out->base == X86_RBP ? X86_SS : X86_DS;
	return take_displacement(at, end, disp_size, out);
}

/* 32-bit and 64-bit addressing: SIB and displacement (APM vol. 3, 1.4). */
static inline const u8 *take_memory(const u8 *at, const u8 *end, u8 modrm, u32 seen,
				    enum cpu_mode mode, struct insn *out)
{
	u8 base = modrm & 7;
	u8 disp_size = modrm >> 6 == 2 ? 4 : modrm >> 6;
	bool sib = base == 4;

	out->index = INSN_NO_REG;
	out->scale = 1;
	if (sib) {
		u8 index;

		if (!have(at, end, 1))
			return NULL;
		index = (u8)((*at >> 3 & 7) | (seen & REX_X) << 2);
		if (index != X86_RSP) /* REX.X makes it R12, which can be an index */
			out->index = index;
		out->scale = (u8)(1 << (*at >> 6));
		base = *at++ & 7;
	}
	out->seg = (base | 1) == X86_RBP ? X86_SS : X86_DS; /* RSP or RBP */
	if (base == X86_RBP && disp_size == 0) {	    /* no base, whatever REX.B says */
		disp_size = 4;
		base = INSN_NO_REG;
		out->seg = X86_DS;
		if (!sib && mode == CPU_MODE_64)
			out->flags |= INSN_RIP_REL;
	} else if (seen & REX_B) {
		base |= 8;
		out->seg = X86_DS;
	}
	out->base = base;
	return take_displacement(at, end, disp_size, out);
}

/* The register operand that ModRM names. */
static inline void set_register(u8 modrm, u32 entry, u32 seen, struct insn *out)
{
	u8 reg = modrm >> 3 & 7;

	if (entry & A_BYTE && reg >= 4 && !(seen & REX_ANY)) {
		reg -= 4;
		out->flags |= INSN_HIGH_BYTE;
	}
	out->reg = (u8)(reg | (seen & REX_R) << 1);
}

/* Operands of the opcodes without ModRM: string instructions and A0 to A3. */
static off_hot_path const u8 *take_implied(const u8 *at, const u8 *end, u32 entry, u32 seen,
					   struct insn *out)
{
	u8 size = out->addr_size;

	out->reg = out->op == INSN_MOVS ? INSN_NO_REG : X86_RAX;
	out->index = INSN_NO_REG;
	out->scale = 1;
	out->disp = 0;
	out->seg = X86_DS;
	if (entry & A_MOFFS) {
		if (!have(at, end, size))
			return NULL;
		out->base = INSN_NO_REG;
		out->disp = size == 8	? *(const any_u64 *)at
			    : size == 4 ? *(const any_u32 *)at
					: *(const any_u16 *)at;
		return at + size;
	}

	out->base = out->op == INSN_STOS ? X86_RDI : X86_RSI;
	if (out->op == INSN_STOS)
		out->seg = X86_ES;
	if (seen & SEEN_REP)
		out->flags |= INSN_REP;
	if (seen & SEEN_REPNE)
		out->flags |= INSN_REPNE;
	return at;
}

static inline void set_sizes(u32 entry, u32 seen, enum cpu_mode mode, struct insn *out)
{
	static const u8 defaults[] = { [CPU_MODE_16] = 2, [CPU_MODE_32] = 4, [CPU_MODE_64] = 4 };
	u8 op_size = defaults[mode];

	if (seen & SEEN_66)
		op_size ^= 2 | 4;
	if (seen & REX_W)
		op_size = 8;
	if (entry & A_BYTE)
		op_size = 1;
	out->op_size = op_size;
	out->mem_size = op_size;
	if (entry & (A_SRC8 | A_SRC16))
		out->mem_size = entry & A_SRC8 ? 1 : 2;
	out->addr_size = (u8)(2 << mode);
	if (seen & SEEN_67)
		out->addr_size = mode == CPU_MODE_32 ? 2 : 4;
}

/* What is decided by the prefixes after all else is known. */
static off_hot_path enum err apply_prefixes(u32 entry, u32 seen, struct insn *out)
{
	if (seen & SEEN_LOCK) {
		if (!(entry & A_LOCKABLE))
			return ERR_UNSUPPORTED;
		out->flags |= INSN_LOCK;
	}
	/* STOS writes to ES whatever the override. */
	if (seen & SEEN_SEG && out->op != INSN_STOS)
		out->seg = (u8)((seen & SEG_MASK) >> SEG_SHIFT);
	return OK;
}

/*
 * ModRM and what follows it. `*entry` may name a group: the member's properties
 * are added to it.
 */
static inline const u8 *take_operands(const u8 *at, const u8 *end, u32 *entry, u32 seen,
				      enum cpu_mode mode, struct insn *out)
{
	u8 modrm = *at++;

	if (*entry & A_GROUP) {
		u32 member = groups[ENTRY_OP(*entry)][modrm >> 3 & 7];

		*entry |= member;
		out->op = ENTRY_OP(member);
		out->flags = ENTRY_FLAGS(member);
		out->reg = INSN_NO_REG;
		if (!member) {
			*entry = 0;
			return at;
		}
	} else {
		set_register(modrm, *entry, seen, out);
	}
	if (out->addr_size == 2)
		at = take_memory16(at, end, modrm, out);
	else
		at = take_memory(at, end, modrm, seen, mode, out);
	if (at && *entry & (A_IMM8 | A_IMMZ)) {
		u8 size = *entry & A_IMM8 ? 1 : MIN(out->op_size, 4);

		if (!have(at, end, size))
			return NULL;
		out->imm = read_signed(at, size);
		out->flags |= INSN_IMM;
		at += size;
	}
	return at;
}

enum err insn_decode(const u8 *bytes, size_t len, enum cpu_mode mode, struct insn *out)
{
	const u8 *end = decode_end(bytes, len);
	u32 entry = 0, seen = 0;
	const u8 *at = take_prefixes(bytes, end, mode, &entry, &seen);

	if (!at)
		return cut_short(len);
	if (*at++ == 0x0f) {
		at = take_two_byte(at, end, &entry);
		if (!at)
			return cut_short(len);
	}
	if (!entry)
		return ERR_UNSUPPORTED;

	out->op = ENTRY_OP(entry);
	out->flags = ENTRY_FLAGS(entry);
	out->imm = 0;
	set_sizes(entry, seen, mode, out);
	if (entry & A_SPECIAL && check_special(entry, seen, mode, out))
		return ERR_UNSUPPORTED;
	if (entry & A_MODRM) {
		if (!have(at, end, 1))
			return cut_short(len);
		if (*at >= 0xc0) /* a register form */
			return ERR_UNSUPPORTED;
		at = take_operands(at, end, &entry, seen, mode, out);
		if (!entry)
			return ERR_UNSUPPORTED;
	} else {
		at = take_implied(at, end, entry, seen, out);
	}
	if (!at)
		return cut_short(len);
	out->length = (u8)(at - bytes);
	if (seen & (SEEN_LOCK | SEEN_SEG))
		return apply_prefixes(entry, seen, out);
	return OK;
}

enum err insn_length_system(const u8 *bytes, size_t len, enum cpu_mode mode,
			    enum insn_system expected, u8 *length)
{
	const u8 *end = decode_end(bytes, len);
	u32 entry = 0, seen = 0;
	const u8 *at = take_prefixes(bytes, end, mode, &entry, &seen);

	if (!at)
		return cut_short(len);
	for (u32 i = 0; i < INSN_SYS_BYTES(expected); i++) {
		if (!have(at, end, 1))
			return cut_short(len);
		if (*at++ != (u8)(expected >> i * 8))
			return ERR_UNSUPPORTED;
	}
	if (seen & SEEN_LOCK) /* raises #UD with all of these */
		return ERR_UNSUPPORTED;
	*length = (u8)(at - bytes);
	return OK;
}

enum err insn_decode_mov_cr(const u8 *bytes, size_t len, enum cpu_mode mode,
			    struct insn_mov_cr *out)
{
	const u8 *end = decode_end(bytes, len);
	u32 entry = 0, seen = 0;
	const u8 *at = take_prefixes(bytes, end, mode, &entry, &seen);

	if (!at)
		return cut_short(len);
	if (at[0] != 0x0f)
		return ERR_UNSUPPORTED;
	if (!have(at, end, 2))
		return cut_short(len);
	if (at[1] != 0x20 && at[1] != 0x22)
		return ERR_UNSUPPORTED;
	if (!have(at, end, 3))
		return cut_short(len);
	out->to_cr = at[1] == 0x22;
	out->cr = (at[2] >> 3 & 7) | (seen & (REX_R | SEEN_LOCK) ? 8 : 0);
	out->gpr = (at[2] & 7) | (seen & REX_B ? 8 : 0);
	out->length = (u8)(at + 3 - bytes);
	return OK;
}
