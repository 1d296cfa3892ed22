/* SPDX-License-Identifier: Apache-2.0 */
/* Compares the instruction decoder with Capstone over generated encodings in all three modes. */
// HYPERVISOR_OBJECTS: arch/x86/insn.c
// LDLIBS: -lcapstone

/*
 * The generator knows only how x86 instructions are laid out (prefixes, opcode
 * map, ModRM, the rest at random), nothing of which opcodes the decoder covers.
 * Two rules are checked for every encoding:
 *
 *  1. what our decoder accepts, Capstone reads the same, field by field;
 *  2. what Capstone reads as a covered mnemonic with a memory operand, our
 *     decoder accepts.
 *
 * Where Capstone 4 is wrong or reads what the processor refuses, exception()
 * names the rule with its reason.
 */
/* Both sides have an enum of this name. */
#define x86_reg capstone_x86_reg
#include <capstone/capstone.h>
#undef x86_reg
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/insn.h"

#define ENCODINGS_DEFAULT 6000000

static u64 random_state = 0x9e3779b97f4a7c15;

static u32 random_u32(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (u32)(random_state >> 32);
}

static u32 below(u32 n)
{
	return random_u32() % n;
}

static const u8 legacy[] = { 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3 };

/* One encoding of 15 bytes: a quarter is plain noise, the rest has the shape of an instruction. */
static void generate(u8 bytes[INSN_MAX_BYTES])
{
	size_t at = 0;

	for (size_t i = 0; i < INSN_MAX_BYTES; i++)
		bytes[i] = (u8)random_u32();
	if (below(4) == 0)
		return;
	for (u32 n = below(2) ? 0 : below(5); n > 0; n--)
		bytes[at++] = below(8) ? legacy[below(sizeof(legacy))] : 0x40 + below(16);
	if (below(2))
		bytes[at++] = 0x40 + below(16);
	if (below(5) >= 3)
		bytes[at++] = 0x0f;
	if (below(24) == 0)
		bytes[at++] = 0x38;
	at++; /* the opcode stays random */
	if (below(4))
		bytes[at] &= 0xbf; /* a memory form of ModRM, as long as mod is not 3 */
}

struct mnemonic {
	unsigned int capstone; /* enum x86_insn */
	enum insn_op op;
};

static const struct mnemonic mnemonics[] = {
	{ X86_INS_ADD, INSN_ADD },	   { X86_INS_OR, INSN_OR },
	{ X86_INS_ADC, INSN_ADC },	   { X86_INS_SBB, INSN_SBB },
	{ X86_INS_AND, INSN_AND },	   { X86_INS_SUB, INSN_SUB },
	{ X86_INS_XOR, INSN_XOR },	   { X86_INS_CMP, INSN_CMP },
	{ X86_INS_TEST, INSN_TEST },	   { X86_INS_BT, INSN_BT },
	{ X86_INS_BTS, INSN_BTS },	   { X86_INS_BTR, INSN_BTR },
	{ X86_INS_BTC, INSN_BTC },	   { X86_INS_MOV, INSN_MOV },
	{ X86_INS_MOVABS, INSN_MOV },	   { X86_INS_MOVNTI, INSN_MOVNTI },
	{ X86_INS_MOVZX, INSN_MOVZX },	   { X86_INS_MOVSX, INSN_MOVSX },
	{ X86_INS_MOVSXD, INSN_MOVSX },	   { X86_INS_MOVBE, INSN_MOVBE },
	{ X86_INS_XCHG, INSN_XCHG },	   { X86_INS_XADD, INSN_XADD },
	{ X86_INS_CMPXCHG, INSN_CMPXCHG }, { X86_INS_INC, INSN_INC },
	{ X86_INS_DEC, INSN_DEC },	   { X86_INS_NOT, INSN_NOT },
	{ X86_INS_NEG, INSN_NEG },	   { X86_INS_MOVSB, INSN_MOVS },
	{ X86_INS_MOVSW, INSN_MOVS },	   { X86_INS_MOVSD, INSN_MOVS },
	{ X86_INS_MOVSQ, INSN_MOVS },	   { X86_INS_STOSB, INSN_STOS },
	{ X86_INS_STOSW, INSN_STOS },	   { X86_INS_STOSD, INSN_STOS },
	{ X86_INS_STOSQ, INSN_STOS },	   { X86_INS_LODSB, INSN_LODS },
	{ X86_INS_LODSW, INSN_LODS },	   { X86_INS_LODSD, INSN_LODS },
	{ X86_INS_LODSQ, INSN_LODS },
};

struct reg {
	u8 number;
	u8 size; /* 0: not a general register */
	bool high;
};

/* Names in Capstone's own table, so that no numbering of ours is trusted. */
static struct reg general_register(csh handle, unsigned int id)
{
	static const char *const names[4][16] = {
		{ "al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", "r8b", "r9b", "r10b", "r11b",
		  "r12b", "r13b", "r14b", "r15b" },
		{ "ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8w", "r9w", "r10w", "r11w",
		  "r12w", "r13w", "r14w", "r15w" },
		{ "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "r8d", "r9d", "r10d",
		  "r11d", "r12d", "r13d", "r14d", "r15d" },
		{ "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11",
		  "r12", "r13", "r14", "r15" },
	};
	static const char *const high[4] = { "ah", "ch", "dh", "bh" };
	static struct reg cache[X86_REG_ENDING];
	static bool filled;

	for (unsigned int r = 1; !filled && r < X86_REG_ENDING; r++) {
		const char *name = cs_reg_name(handle, r);

		for (u8 i = 0; i < 64; i++)
			if (!strcmp(name, names[i / 16][i % 16]))
				cache[r] = (struct reg){ i % 16, (u8)(1 << i / 16), false };
		for (u8 i = 0; i < 4; i++)
			if (!strcmp(name, high[i]))
				cache[r] = (struct reg){ i, 1, true };
	}
	filled = true;
	return id < X86_REG_ENDING ? cache[id] : (struct reg){ 0 };
}

static const cs_x86_op *memory_operand(const cs_x86 *x, bool last)
{
	const cs_x86_op *found = NULL;

	for (u8 i = 0; i < x->op_count; i++)
		if (x->operands[i].type == X86_OP_MEM && (last || !found))
			found = &x->operands[i];
	return found;
}

/* The covered operation that Capstone's reading stands for, or NULL. */
static const struct mnemonic *covered(csh handle, const cs_insn *ci)
{
	const cs_x86 *x = &ci->detail->x86;

	if (!memory_operand(x, false))
		return NULL;
	/* MOV with segment registers, MOVSD with SSE registers: not on the list. */
	for (u8 i = 0; i < x->op_count; i++)
		if (x->operands[i].type == X86_OP_REG &&
		    !general_register(handle, x->operands[i].reg).size)
			return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(mnemonics); i++)
		if (mnemonics[i].capstone == ci->id)
			return &mnemonics[i];
	return NULL;
}

/* The prefixes of an encoding, as the manual groups them: of each group the last one counts. */
struct prefixes {
	u8 repeat;  /* 0, F2, F3 */
	u8 segment; /* 0 or the override */
	u8 fs_gs;   /* 0 or the last override that is FS or GS */
	u8 rex;	    /* 0, or the one right before the opcode */
	bool lock;
	bool operand;
};

static struct prefixes scan_prefixes(const u8 *bytes, enum cpu_mode mode)
{
	struct prefixes p = { 0 };

	for (;; bytes++) {
		bool rex = mode == CPU_MODE_64 && (*bytes & 0xf0) == 0x40;

		if (!rex && !memchr(legacy, *bytes, sizeof(legacy)))
			return p;
		p.rex = rex ? *bytes : 0;
		if (rex)
			continue;
		p.lock |= *bytes == 0xf0;
		p.operand |= *bytes == 0x66;
		if (*bytes == 0xf2 || *bytes == 0xf3)
			p.repeat = *bytes;
		if (*bytes == 0x64 || *bytes == 0x65)
			p.fs_gs = p.segment = *bytes;
		if (memchr(legacy, *bytes, 4))
			p.segment = *bytes;
	}
}

/* What the instruction does to a memory operand in place `i` of Capstone's list. */
static u16 expected_access(enum insn_op op, u8 i)
{
	switch (op) {
	case INSN_MOVS:
	case INSN_XCHG:
		return INSN_READ | INSN_WRITE;
	case INSN_CMP:
	case INSN_TEST:
	case INSN_BT:
		return INSN_READ;
	case INSN_MOV:
	case INSN_MOVNTI:
	case INSN_MOVBE:
	case INSN_STOS:
		return i == 0 ? INSN_WRITE : INSN_READ;
	default:
		return i == 0 ? INSN_READ | INSN_WRITE : INSN_READ;
	}
}

/* The manual's list (APM vol. 3, 1.2.5), given that memory is the destination. */
static bool lockable(enum insn_op op, u8 memory_place)
{
	if (op == INSN_MOVS || op == INSN_XCHG)
		return op == INSN_XCHG;
	return expected_access(op, memory_place) == (INSN_READ | INSN_WRITE);
}

#define MUST(condition) \
	do { \
		if (!(condition)) \
			return #condition; \
	} while (0)

/*
 * Exception: with both 66 and F2 or F3, Capstone contradicts itself ("mov di,
 * dword ptr") or reads nothing. The processor takes 66 as usual.
 */
static bool size_quirk(const struct prefixes *p)
{
	return p->operand && p->repeat;
}

static const char *compare_memory(csh handle, enum cpu_mode mode, const cs_x86 *x,
				  const struct insn *in, const struct prefixes *p)
{
	static const unsigned int segments[X86_SEG_COUNT] = { X86_REG_ES, X86_REG_CS, X86_REG_SS,
							      X86_REG_DS, X86_REG_FS, X86_REG_GS };
	const cs_x86_op *op = memory_operand(x, in->op == INSN_MOVS);
	struct reg base = general_register(handle, op->mem.base);
	struct reg index = general_register(handle, op->mem.index);
	bool rip = op->mem.base == X86_REG_RIP || op->mem.base == X86_REG_EIP;
	u64 mask = x->addr_size == 8 ? ~0ULL : BIT(x->addr_size * 8) - 1;
	u8 seg = base.size && (base.number == X86_RSP || base.number == X86_RBP) ? X86_SS : X86_DS;

	if (in->op == INSN_STOS)
		seg = X86_ES;
	for (u8 i = 0; i < X86_SEG_COUNT; i++)
		if (op->mem.segment == segments[i] && (mode != CPU_MODE_64 || i >= X86_FS))
			seg = i;
	/*
	 * Exception: FS or GS followed by another override. Capstone lets the last
	 * one win; the processor ignores the other in 64-bit mode (insn_native has
	 * the case).
	 */
	if (mode == CPU_MODE_64 && p->fs_gs && in->op != INSN_STOS)
		seg = p->fs_gs == 0x64 ? X86_FS : X86_GS;
	MUST(in->seg == seg);
	MUST(in->mem_size == op->size || size_quirk(p));
	MUST(in->addr_size == x->addr_size);
	MUST(!!(in->flags & INSN_RIP_REL) == rip);
	MUST(in->base == (base.size ? base.number : INSN_NO_REG));
	MUST(!base.size || base.size == in->addr_size);
	MUST(in->index == (index.size ? index.number : INSN_NO_REG));
	MUST(!index.size || in->scale == op->mem.scale);
	MUST((in->disp & mask) == ((u64)op->mem.disp & mask));
	return NULL;
}

static const char *compare_others(csh handle, const cs_insn *ci, const struct insn *in,
				  const struct prefixes *p)
{
	const cs_x86 *x = &ci->detail->x86;
	bool bits = in->op >= INSN_BT && in->op <= INSN_BTC; /* an 8-bit offset */
	u64 mask = bits ? 0xff : in->op_size == 8 ? ~0ULL : BIT(in->op_size * 8) - 1;
	bool string = in->flags & INSN_STRING;
	/* Exception: Capstone calls the destination of MOVSXD 64-bit even without REX.W. */
	bool movsxd_quirk = ci->id == X86_INS_MOVSXD && !(p->rex & 8);
	bool reg_seen = in->reg == INSN_NO_REG, imm_seen = !(in->flags & INSN_IMM);

	for (u8 i = 0; i < x->op_count; i++) {
		const cs_x86_op *op = &x->operands[i];

		if (op->type == X86_OP_REG) {
			struct reg reg = general_register(handle, op->reg);

			MUST(in->reg == reg.number);
			MUST(in->op_size == reg.size || movsxd_quirk || size_quirk(p));
			MUST(!!(in->flags & INSN_HIGH_BYTE) == reg.high);
			/* XCHG, TEST: the order of the operands has no meaning. */
			MUST(in->op == INSN_XCHG || in->op == INSN_TEST ||
			     !!(in->flags & INSN_TO_REG) == (i == 0));
			reg_seen = true;
		} else if (op->type == X86_OP_IMM) {
			MUST(in->flags & INSN_IMM);
			MUST((in->imm & mask) == ((u64)op->imm & mask));
			imm_seen = true;
		} else {
			MUST(in->op == INSN_MOVZX || in->op == INSN_MOVSX ||
			     in->op_size == op->size || size_quirk(p));
		}
	}
	MUST(reg_seen);
	MUST(imm_seen);
	/* Capstone keeps one of LOCK and REP, so the prefixes are read here. */
	MUST(!!(in->flags & INSN_LOCK) == (p->lock || in->op == INSN_XCHG));
	MUST(!!(in->flags & INSN_REP) == (string && p->repeat == 0xf3));
	MUST(!!(in->flags & INSN_REPNE) == (string && p->repeat == 0xf2));
	return NULL;
}

/* The exact length suffices, and one byte less is told apart from "not covered". */
static const char *compare_truncated(const u8 *bytes, enum cpu_mode mode, const struct insn *in)
{
	struct insn again;

	MUST(insn_decode(bytes, in->length - 1u, mode, &again) == ERR_RANGE);
	MUST(insn_decode(bytes, in->length, mode, &again) == OK);
	MUST(again.length == in->length && again.imm == in->imm && again.disp == in->disp);
	return NULL;
}

static const char *compare(csh handle, enum cpu_mode mode, const cs_insn *ci, const struct insn *in,
			   const struct prefixes *p)
{
	const struct mnemonic *m = covered(handle, ci);
	const char *difference;
	u8 place;

	MUST(m != NULL);
	MUST(in->length == ci->size);
	MUST(in->op == m->op);
	/* Capstone's own access field is wrong for TEST, CMPXCHG and MOVNTI. */
	place = (u8)(memory_operand(&ci->detail->x86, false) - ci->detail->x86.operands);
	MUST((in->flags & (INSN_READ | INSN_WRITE)) == expected_access(m->op, place));
	MUST(!p->lock || lockable(m->op, place));
	difference = compare_memory(handle, mode, &ci->detail->x86, in, p);
	if (!difference)
		difference = compare_others(handle, ci, in, p);
	return difference;
}

static bool must_accept(csh handle, const cs_insn *ci, const struct prefixes *p)
{
	const struct mnemonic *m = covered(handle, ci);
	const cs_x86 *x = &ci->detail->x86;

	if (!m)
		return false;
	/* Exception: Capstone reads LOCK on instructions where the processor raises #UD. */
	if (p->lock && !lockable(m->op, (u8)(memory_operand(x, false) - x->operands)))
		return false;
	/* Exception: MOVNTI with 66, F2, F3 and MOVBE with F2, F3 raise #UD. */
	if (m->op == INSN_MOVNTI && (p->operand || p->repeat))
		return false;
	if (m->op == INSN_MOVBE && p->repeat)
		return false;
	return true;
}

static void print_case(const u8 *bytes, enum cpu_mode mode, const cs_insn *ci, const char *why)
{
	printf("mode %d:", 16 << mode);
	for (int i = 0; i < INSN_MAX_BYTES; i++)
		printf(" %02x", bytes[i]);
	printf(" capstone: %s %s (%u): %s\n", ci ? ci->mnemonic : "none", ci ? ci->op_str : "",
	       ci ? ci->size : 0, why);
}

int main(int argc, char **argv)
{
	static const cs_mode modes[] = { CS_MODE_16, CS_MODE_32, CS_MODE_64 };
	u64 count = argc > 1 ? strtoull(argv[1], NULL, 0) : ENCODINGS_DEFAULT;
	u64 compared = 0, failures = 0;
	csh handles[3];
	cs_insn *ci[3];

	for (int m = 0; m < 3; m++) {
		if (cs_open(CS_ARCH_X86, modes[m], &handles[m]))
			return 1;
		cs_option(handles[m], CS_OPT_DETAIL, CS_OPT_ON);
		ci[m] = cs_malloc(handles[m]);
	}
	for (u64 n = 0; n < count; n++) {
		enum cpu_mode mode = (enum cpu_mode)(n % 3);
		u8 bytes[INSN_MAX_BYTES];
		const u8 *at = bytes;
		size_t left = sizeof(bytes);
		uint64_t address = 0;
		const char *why = NULL;
		struct prefixes p;
		struct insn in;
		bool read, ours;

		generate(bytes);
		p = scan_prefixes(bytes, mode);
		ours = insn_decode(bytes, sizeof(bytes), mode, &in) == OK;
		read = cs_disasm_iter(handles[mode], &at, &left, &address, ci[mode]);
		if (ours && !read)
			why = size_quirk(&p) ? NULL : "accepted, but Capstone reads nothing";
		else if (ours)
			why = compare(handles[mode], mode, ci[mode], &in, &p);
		else if (read && must_accept(handles[mode], ci[mode], &p))
			why = "refused";
		compared += ours;
		if (ours && !why)
			why = compare_truncated(bytes, mode, &in);
		if (!why)
			continue;
		if (failures++ < 60)
			print_case(bytes, mode, read ? ci[mode] : NULL, why);
	}
	printf("insn_capstone: %llu encodings, %llu accepted and compared, %llu differences\n",
	       (unsigned long long)count, (unsigned long long)compared,
	       (unsigned long long)failures);
	return failures != 0 || compared < count / 20;
}
