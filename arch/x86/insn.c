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
#define ENTRY_FLAGS(e) ((u16)((e) >> 8 & 0x3ff))

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

#define R  FLAG(INSN_READ)
#define W  FLAG(INSN_WRITE)
#define RW (R | W)
#define TO FLAG(INSN_TO_REG)

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
#define REX4(b)	  [b] = PREFIX(PREFIX_REX), PREFIX(PREFIX_REX), PREFIX(PREFIX_REX), PREFIX(PREFIX_REX)

static const u32 one_byte[256] = {
	ALU(INSN_ADD, RMW),
	ALU(INSN_OR, RMW),
	ALU(INSN_ADC, RMW),
	ALU(INSN_SBB, RMW),
	ALU(INSN_AND, RMW),
	ALU(INSN_SUB, RMW),
	ALU(INSN_XOR, RMW),
	ALU(INSN_CMP, R),
	REX4(0x40),
	REX4(0x44),
	REX4(0x48),
	REX4(0x4c),
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
	BYTE_AND_FULL(0x86, M_REG(INSN_XCHG, RMW)),
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
	[0xa3] = M_REG(INSN_BT, R),
	[0xab] = M_REG(INSN_BTS, RMW),
	[0xb3] = M_REG(INSN_BTR, RMW),
	[0xbb] = M_REG(INSN_BTC, RMW),
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

#define BIT_GROUP(op, rw) [4 + (op)-INSN_BT] = OP(op) | (rw) | A_IMM8

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
		BIT_GROUP(INSN_BT, R),
		BIT_GROUP(INSN_BTS, RMW),
		BIT_GROUP(INSN_BTR, RMW),
		BIT_GROUP(INSN_BTC, RMW),
	},
};

#define REX_W 8
#define REX_R 4
#define REX_X 2
#define REX_B 1

#define NO_SEG 0xff

/* Where the decoder is, and what it has seen; lives in registers. */
struct decoder {
	const u8 *at;
	const u8 *end;
	enum err when_short; /* what running out of bytes means */
	enum cpu_mode mode;
	u32 entry;
	u8 rex;	   /* 0, or 0x40 to 0x4f */
	u8 seg;	   /* override or NO_SEG */
	u8 repeat; /* 0, PREFIX_REP, PREFIX_REPNE: the last one counts */
	bool operand_prefix;
	bool address_prefix;
	bool lock;
};

static inline u64 read_u16(const u8 *at)
{
	return (u64)(at[0] | at[1] << 8);
}

static inline u64 read_u32(const u8 *at)
{
	return read_u16(at) | read_u16(at + 2) << 16;
}

static inline u64 read_u64(const u8 *at)
{
	return read_u32(at) | read_u32(at + 4) << 32;
}

static inline bool have(const struct decoder *d, size_t bytes)
{
	return (size_t)(d->end - d->at) >= bytes;
}

/* Reads a sign-extended number of 1, 2 or 4 bytes; the caller has checked have(). */
static inline u64 take_signed(struct decoder *d, u8 size)
{
	const u8 *at = d->at;

	d->at += size;
	if (size == 1)
		return (u64)(s64)(s8)at[0];
	if (size == 2)
		return (u64)(s64)(s16)read_u16(at);
	return (u64)(s64)(s32)read_u32(at);
}

static inline void start(struct decoder *d, const u8 *bytes, size_t len, enum cpu_mode mode)
{
	*d = (struct decoder){
		.at = bytes,
		.end = bytes + MIN(len, (size_t)INSN_MAX_BYTES),
		.when_short = len < INSN_MAX_BYTES ? ERR_RANGE : ERR_UNSUPPORTED,
		.mode = mode,
		.seg = NO_SEG,
	};
}

/* Notes one prefix byte. False if the byte is an instruction in this mode. */
static inline bool take_prefix(struct decoder *d, u8 byte)
{
	u8 kind = ENTRY_OP(d->entry);

	if (kind == PREFIX_REX) {
		/* 40 to 4F are INC and DEC of a register outside 64-bit mode. */
		d->rex = byte;
		return d->mode == CPU_MODE_64;
	}

	/* A REX that is not right before the opcode is ignored (APM vol. 3, 1.2.7). */
	d->rex = 0;
	switch (kind) {
	case PREFIX_OPERAND:
		d->operand_prefix = true;
		break;
	case PREFIX_ADDRESS:
		d->address_prefix = true;
		break;
	case PREFIX_LOCK:
		d->lock = true;
		break;
	case PREFIX_REPNE:
	case PREFIX_REP:
		d->repeat = kind;
		break;
	default:
		/* 64-bit mode ignores ES, CS, SS and DS; an FS or GS before them stands. */
		if (d->mode != CPU_MODE_64 || kind >= PREFIX_SEG + X86_FS)
			d->seg = kind - PREFIX_SEG;
	}
	return true;
}

/* Consumes prefixes and opcode; d->entry tells what it is. */
static inline enum err take_opcode(struct decoder *d)
{
	u8 byte;

	for (;;) {
		if (!have(d, 1))
			return d->when_short;
		byte = *d->at++;
		d->entry = one_byte[byte];
		if (!(d->entry & A_PREFIX))
			break;
		if (!take_prefix(d, byte))
			return ERR_UNSUPPORTED;
	}
	if (byte == 0x0f) {
		if (!have(d, 1))
			return d->when_short;
		byte = *d->at++;
		d->entry = two_byte[byte];
		if (byte == 0x38) {
			if (!have(d, 1))
				return d->when_short;
			byte = *d->at++;
			d->entry = (byte & 0xfe) == 0xf0 ? movbe[byte & 1] : 0;
		}
	}
	return d->entry ? OK : ERR_UNSUPPORTED;
}

/* Conditions of the few opcodes that mean something else in some modes or with some prefixes. */
static enum err check_special(struct decoder *d, struct insn *out)
{
	if (d->entry & A_GROUP) /* 82: an alias of 80 that 64-bit mode dropped */
		return d->mode == CPU_MODE_64 ? ERR_UNSUPPORTED : OK;

	switch (out->op) {
	case INSN_MOVSX: /* 63: ARPL outside 64-bit mode */
		if (d->mode != CPU_MODE_64)
			return ERR_UNSUPPORTED;
		out->mem_size = 4; /* with a prefix 66 as well */
		return OK;
	case INSN_MOVNTI: /* 66, F2, F3 0F C3 raise #UD; no 16-bit form in 16-bit code */
		if (out->op_size == 2)
			out->op_size = out->mem_size = 4;
		return d->repeat || d->operand_prefix ? ERR_UNSUPPORTED : OK;
	default: /* F2 0F 38 F0, F1: CRC32; F3 raises #UD */
		return d->repeat ? ERR_UNSUPPORTED : OK;
	}
}

/* The eight forms of 16-bit addressing (APM vol. 3, table A-33). */
static enum err take_memory16(struct decoder *d, u8 modrm, struct insn *out)
{
	static const u8 bases[8] = { X86_RBX, X86_RBX, X86_RBP, X86_RBP,
				     X86_RSI, X86_RDI, X86_RBP, X86_RBX };
	static const u8 indexes[8] = { X86_RSI,	    X86_RDI,	 X86_RSI,     X86_RDI,
				       INSN_NO_REG, INSN_NO_REG, INSN_NO_REG, INSN_NO_REG };
	u8 mod = modrm >> 6;
	u8 rm = modrm & 7;
	u8 disp_size = mod;

	out->base = bases[rm];
	out->index = indexes[rm];
	out->scale = 1;
	if (mod == 0 && rm == 6) {
		out->base = INSN_NO_REG;
		disp_size = 2;
	}
	out->seg = out->base == X86_RBP ? X86_SS : X86_DS;
	out->disp = 0;
	if (disp_size) {
		if (!have(d, disp_size))
			return d->when_short;
		out->disp = take_signed(d, disp_size);
	}
	return OK;
}

/* 32-bit and 64-bit addressing: ModRM, SIB, displacement (APM vol. 3, 1.4). */
static inline enum err take_memory(struct decoder *d, u8 modrm, struct insn *out)
{
	u8 mod = modrm >> 6;
	u8 base = modrm & 7;
	u8 disp_size = mod == 2 ? 4 : mod;
	bool sib = base == 4;

	out->index = INSN_NO_REG;
	out->scale = 1;
	if (sib) {
		u8 byte, index;

		if (!have(d, 1))
			return d->when_short;
		byte = *d->at++;
		index = (byte >> 3 & 7) | (d->rex & REX_X) << 2;
		if (index != X86_RSP) /* REX.X makes it R12, which can be an index */
			out->index = index;
		/* The scale of an absent index has no effect. */
		out->scale = (u8)(1 << (byte >> 6));
		base = byte & 7;
	}
	out->seg = base == X86_RSP || base == X86_RBP ? X86_SS : X86_DS;
	if (mod == 0 && base == X86_RBP) { /* whatever REX.B says */
		disp_size = 4;
		base = INSN_NO_REG;
		out->seg = X86_DS;
		if (!sib && d->mode == CPU_MODE_64)
			out->flags |= INSN_RIP_REL;
	} else if (d->rex & REX_B) {
		base |= 8;
		out->seg = X86_DS;
	}
	out->base = base;
	out->disp = 0;
	if (disp_size) {
		if (!have(d, disp_size))
			return d->when_short;
		out->disp = take_signed(d, disp_size);
	}
	return OK;
}

/* Everything that ModRM says: group member, register, memory operand. */
static inline enum err take_modrm(struct decoder *d, struct insn *out)
{
	u8 modrm, reg;

	if (!have(d, 1))
		return d->when_short;
	modrm = *d->at++;
	if (modrm >= 0xc0)
		return ERR_UNSUPPORTED;

	reg = modrm >> 3 & 7;
	out->reg = INSN_NO_REG;
	if (d->entry & A_GROUP) {
		u32 member = groups[ENTRY_OP(d->entry)][reg];

		if (!member)
			return ERR_UNSUPPORTED;
		d->entry = (d->entry & ~0xffu) | member;
		out->op = ENTRY_OP(member);
		out->flags = ENTRY_FLAGS(member);
	} else if ((d->entry & A_BYTE) && !d->rex && reg >= 4) {
		out->reg = reg - 4;
		out->flags |= INSN_HIGH_BYTE;
	} else {
		out->reg = reg | (d->rex & REX_R) << 1;
	}
	if (out->addr_size == 2)
		return take_memory16(d, modrm, out);
	return take_memory(d, modrm, out);
}

/* Operands of the opcodes without ModRM: string instructions and A0 to A3. */
static enum err take_implied(struct decoder *d, struct insn *out)
{
	u8 size = out->addr_size;

	out->reg = X86_RAX;
	out->index = INSN_NO_REG;
	out->scale = 1;
	out->disp = 0;
	out->seg = X86_DS;
	if (d->entry & A_MOFFS) {
		if (!have(d, size))
			return d->when_short;
		out->base = INSN_NO_REG;
		out->disp = size == 8	? read_u64(d->at)
			    : size == 4 ? read_u32(d->at)
					: read_u16(d->at);
		d->at += size;
		return OK;
	}

	out->base = X86_RSI;
	if (out->op == INSN_MOVS)
		out->reg = INSN_NO_REG;
	if (out->op == INSN_STOS) {
		out->base = X86_RDI;
		out->seg = X86_ES;
		d->seg = NO_SEG; /* the destination's segment cannot be overridden */
	}
	if (d->repeat)
		out->flags |= d->repeat == PREFIX_REP ? INSN_REP : INSN_REPNE;
	return OK;
}

static inline enum err take_immediate(struct decoder *d, struct insn *out)
{
	u8 size = d->entry & A_IMM8 ? 1 : MIN(out->op_size, 4);

	if (!have(d, size))
		return d->when_short;
	out->imm = take_signed(d, size);
	out->flags |= INSN_IMM;
	return OK;
}

static inline void set_sizes(const struct decoder *d, struct insn *out)
{
	u8 op_size = d->mode == CPU_MODE_16 ? 2 : 4;
	u8 addr_size = (u8)(2 << d->mode);

	if (d->operand_prefix)
		op_size = d->mode == CPU_MODE_16 ? 4 : 2;
	if (d->rex & REX_W)
		op_size = 8;
	if (d->entry & A_BYTE)
		op_size = 1;
	if (d->address_prefix)
		addr_size = d->mode == CPU_MODE_32 ? 2 : 4;
	out->op_size = op_size;
	out->mem_size = op_size;
	if (d->entry & (A_SRC8 | A_SRC16))
		out->mem_size = d->entry & A_SRC8 ? 1 : 2;
	out->addr_size = addr_size;
}

enum err insn_decode(const u8 *bytes, size_t len, enum cpu_mode mode, struct insn *out)
{
	struct decoder d;
	enum err e;

	start(&d, bytes, len, mode);
	e = take_opcode(&d);
	if (e)
		return e;

	out->op = ENTRY_OP(d.entry);
	out->flags = ENTRY_FLAGS(d.entry);
	set_sizes(&d, out);
	if (d.entry & A_SPECIAL) {
		e = check_special(&d, out);
		if (e)
			return e;
	}
	e = d.entry & A_MODRM ? take_modrm(&d, out) : take_implied(&d, out);
	if (e)
		return e;
	out->imm = 0;
	if (d.entry & (A_IMM8 | A_IMMZ)) {
		e = take_immediate(&d, out);
		if (e)
			return e;
	}
	if (d.lock) {
		if (!(d.entry & A_LOCKABLE))
			return ERR_UNSUPPORTED;
		out->flags |= INSN_LOCK;
	}
	if (d.seg != NO_SEG)
		out->seg = d.seg;
	out->length = (u8)(d.at - bytes);
	return OK;
}

/* How the bytes after a system instruction's opcode are checked and counted. */
enum system_tail {
	TAIL_NONE,
	TAIL_MEMORY,   /* ModRM with a memory operand, ModRM.reg given */
	TAIL_MODRM,    /* ModRM of either form, ModRM.reg given */
	TAIL_REGISTER, /* ModRM that always means registers, whatever ModRM.mod (MOV CRn, DRn) */
};

struct system_opcode {
	u8 bytes[3];
	u8 count;
	u8 tail; /* enum system_tail */
	u8 reg;	 /* ModRM.reg, for the two tails that look at it */
};

#define BYTES1(a) \
	{ \
		.bytes = { a }, .count = 1 \
	}
#define BYTES2(a, b) \
	{ \
		.bytes = { a, b }, .count = 2 \
	}
#define BYTES3(a, b, c) \
	{ \
		.bytes = { a, b, c }, .count = 3 \
	}
#define BYTES2_TAIL(a, b, t, r) \
	{ \
		.bytes = { a, b }, .count = 2, .tail = (t), .reg = (r) \
	}

static const struct system_opcode system_opcodes[INSN_SYS_COUNT] = {
	[INSN_SYS_CPUID] = BYTES2(0x0f, 0xa2),
	[INSN_SYS_RDMSR] = BYTES2(0x0f, 0x32),
	[INSN_SYS_WRMSR] = BYTES2(0x0f, 0x30),
	[INSN_SYS_HLT] = BYTES1(0xf4),
	[INSN_SYS_VMMCALL] = BYTES3(0x0f, 0x01, 0xd9),
	[INSN_SYS_VMCALL] = BYTES3(0x0f, 0x01, 0xc1),
	[INSN_SYS_XSETBV] = BYTES3(0x0f, 0x01, 0xd1),
	[INSN_SYS_RDTSC] = BYTES2(0x0f, 0x31),
	[INSN_SYS_RDTSCP] = BYTES3(0x0f, 0x01, 0xf9),
	[INSN_SYS_RDPMC] = BYTES2(0x0f, 0x33),
	[INSN_SYS_INVD] = BYTES2(0x0f, 0x08),
	[INSN_SYS_WBINVD] = BYTES2(0x0f, 0x09),
	[INSN_SYS_PAUSE] = BYTES1(0x90), /* with F3, see below */
	[INSN_SYS_MONITOR] = BYTES3(0x0f, 0x01, 0xc8),
	[INSN_SYS_MWAIT] = BYTES3(0x0f, 0x01, 0xc9),
	[INSN_SYS_CLTS] = BYTES2(0x0f, 0x06),
	[INSN_SYS_INVLPG] = BYTES2_TAIL(0x0f, 0x01, TAIL_MEMORY, 7),
	[INSN_SYS_INVLPGA] = BYTES3(0x0f, 0x01, 0xdf),
	[INSN_SYS_LMSW] = BYTES2_TAIL(0x0f, 0x01, TAIL_MODRM, 6),
	[INSN_SYS_SMSW] = BYTES2_TAIL(0x0f, 0x01, TAIL_MODRM, 4),
	[INSN_SYS_MOV_FROM_CR] = BYTES2_TAIL(0x0f, 0x20, TAIL_REGISTER, 0),
	[INSN_SYS_MOV_TO_CR] = BYTES2_TAIL(0x0f, 0x22, TAIL_REGISTER, 0),
	[INSN_SYS_MOV_FROM_DR] = BYTES2_TAIL(0x0f, 0x21, TAIL_REGISTER, 0),
	[INSN_SYS_MOV_TO_DR] = BYTES2_TAIL(0x0f, 0x23, TAIL_REGISTER, 0),
};

/* Skips prefixes; d->at is then on the opcode, if there is one left. */
static inline enum err skip_prefixes(struct decoder *d)
{
	for (;;) {
		if (!have(d, 1))
			return d->when_short;
		d->entry = one_byte[*d->at];
		if (!(d->entry & A_PREFIX))
			return OK;
		if (!take_prefix(d, *d->at))
			return ERR_UNSUPPORTED;
		d->at++;
	}
}

/* Matches the opcode and consumes it and what follows it. */
static enum err take_system(struct decoder *d, const struct system_opcode *want)
{
	struct insn scratch = { .addr_size = (u8)(2 << d->mode) };
	u8 modrm;

	for (u8 i = 0; i < want->count; i++) {
		if (!have(d, 1))
			return d->when_short;
		if (*d->at++ != want->bytes[i])
			return ERR_UNSUPPORTED;
	}
	if (want->tail == TAIL_NONE)
		return OK;

	if (!have(d, 1))
		return d->when_short;
	modrm = *d->at++;
	if (want->tail == TAIL_REGISTER)
		return OK;
	if ((modrm >> 3 & 7) != want->reg)
		return ERR_UNSUPPORTED;
	if (modrm >= 0xc0)
		return want->tail == TAIL_MODRM ? OK : ERR_UNSUPPORTED;
	if (d->address_prefix)
		scratch.addr_size = d->mode == CPU_MODE_32 ? 2 : 4;
	if (scratch.addr_size == 2)
		return take_memory16(d, modrm, &scratch);
	return take_memory(d, modrm, &scratch);
}

static enum err system_length(const u8 *bytes, size_t len, enum cpu_mode mode,
			      enum insn_system expected, u8 *length)
{
	const struct system_opcode *want = &system_opcodes[expected];
	struct decoder d;
	enum err e;

	start(&d, bytes, len, mode);
	e = skip_prefixes(&d);
	if (!e)
		e = take_system(&d, want);
	if (e)
		return e;
	/* Only MOV CRn has a meaning for LOCK: 8 is added to the register's number. */
	if (d.lock && expected != INSN_SYS_MOV_FROM_CR && expected != INSN_SYS_MOV_TO_CR)
		return ERR_UNSUPPORTED;
	/* Without F3, 90 is NOP, and with REX.B it is XCHG. */
	if (expected == INSN_SYS_PAUSE && (d.repeat != PREFIX_REP || (d.rex & REX_B)))
		return ERR_UNSUPPORTED;
	*length = (u8)(d.at - bytes);
	return OK;
}

enum err insn_length_system(const u8 *bytes, size_t len, enum cpu_mode mode,
			    enum insn_system expected, u8 *length)
{
	const struct system_opcode *want = &system_opcodes[expected];

	/* The plain case, without prefixes: two bytes that match. */
	if (want->count == 2 && want->tail == TAIL_NONE && len >= 2 && bytes[0] == want->bytes[0] &&
	    bytes[1] == want->bytes[1]) {
		*length = 2;
		return OK;
	}
	return system_length(bytes, len, mode, expected, length);
}

enum err insn_decode_mov_cr(const u8 *bytes, size_t len, enum cpu_mode mode,
			    struct insn_mov_cr *out)
{
	struct decoder d;
	enum err e;
	u8 modrm;

	start(&d, bytes, len, mode);
	e = skip_prefixes(&d);
	if (e)
		return e;
	if (*d.at++ != 0x0f)
		return ERR_UNSUPPORTED;
	if (!have(&d, 1))
		return d.when_short;
	if ((*d.at & 0xfd) != 0x20)
		return ERR_UNSUPPORTED;
	out->to_cr = *d.at++ == 0x22;
	if (!have(&d, 1))
		return d.when_short;
	modrm = *d.at++;
	out->cr = (modrm >> 3 & 7) | (d.rex & REX_R || d.lock ? 8 : 0);
	out->gpr = (modrm & 7) | (d.rex & REX_B ? 8 : 0);
	out->length = (u8)(d.at - bytes);
	return OK;
}
