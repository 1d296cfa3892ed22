/* SPDX-License-Identifier: Apache-2.0 */
/* Decoder for the x86 instructions that compilers and kernels use on device memory. */
#ifndef ARCH_X86_INSN_H
#define ARCH_X86_INSN_H

#include "core/lib/error.h"
#include "core/lib/types.h"

/*
 * Two decoders live here, both pure: they read the caller's bytes, write the
 * caller's result and touch nothing else, so any CPU may call them at any time.
 *
 *  - insn_decode() takes one instruction with a memory operand apart, for an
 *    access to a trapped region. arch/x86/emulate.h executes the result.
 *  - insn_length_system() only confirms that the bytes are the instruction that
 *    the processor said it left the guest for, and measures them.
 *
 * The bytes come from guest memory and may have changed since the exit: a
 * caller copies them once and never trusts them to be what caused the exit.
 *
 * Sources: AMD64 APM vol. 3 chapters 1 (encoding), 3 (instructions) and
 * appendix A (opcode maps); Intel SDM vol. 2 chapter 2 and appendix A.
 */

/* The longest instruction; a longer one raises #GP (APM vol. 3, 1.1). */
#define INSN_MAX_BYTES 15

/* Default operand and address size of the code segment: CS.L, else CS.D. */
enum cpu_mode {
	CPU_MODE_16,
	CPU_MODE_32,
	CPU_MODE_64
};

/* Register numbers as encoded in instructions; R8 to R15 are 8 to 15. */
enum x86_reg {
	X86_RAX,
	X86_RCX,
	X86_RDX,
	X86_RBX,
	X86_RSP,
	X86_RBP,
	X86_RSI,
	X86_RDI,
	X86_REG_COUNT = 16,
};

/* "No register" in the register fields of struct insn. */
#define INSN_NO_REG 0xff

/* Segment numbers as encoded in instructions. */
enum x86_seg {
	X86_ES,
	X86_CS,
	X86_SS,
	X86_DS,
	X86_FS,
	X86_GS,
	X86_SEG_COUNT
};

enum insn_op {
	/* The first eight keep the order of their encoding (opcode bits 5:3). */
	INSN_ADD,
	INSN_OR,
	INSN_ADC,
	INSN_SBB,
	INSN_AND,
	INSN_SUB,
	INSN_XOR,
	INSN_CMP,
	INSN_TEST,
	/* Likewise (0F BA /4 to /7). */
	INSN_BT,
	INSN_BTS,
	INSN_BTR,
	INSN_BTC,
	INSN_MOV,
	INSN_MOVNTI,
	INSN_MOVZX,
	INSN_MOVSX, /* MOVSXD too, with mem_size 4 */
	INSN_MOVBE,
	INSN_XCHG,
	INSN_XADD,
	INSN_CMPXCHG,
	INSN_INC,
	INSN_DEC,
	INSN_NOT,
	INSN_NEG,
	INSN_MOVS,
	INSN_STOS,
	INSN_LODS,
};

/* struct insn.flags */
#define INSN_READ	0x0001 /* reads its memory operand */
#define INSN_WRITE	0x0002 /* writes its memory operand */
#define INSN_TO_REG	0x0004 /* direction: memory is the source, `reg` the destination */
#define INSN_IMM	0x0008 /* the second operand is `imm`, not `reg` */
#define INSN_STRING	0x0010 /* MOVS, STOS, LODS */
#define INSN_HIGH_BYTE	0x0020 /* `reg` 0 to 3 means AH, CH, DH, BH */
#define INSN_RIP_REL	0x0040 /* the address counts from the next instruction */
#define INSN_LOCK	0x0080 /* atomic: LOCK prefix where it is allowed, and every XCHG */
#define INSN_REP	0x0100 /* F3 on a string instruction */
#define INSN_REPNE	0x0200 /* F2 on a string instruction: repeats just as F3 does */
#define INSN_BIT_STRING 0x0400 /* BT, BTS, BTR, BTC with the bit offset in `reg` */

/*
 * One decoded instruction. Its memory operand is at
 *
 *   seg base + (base + index * scale + disp, cut to addr_size)
 *
 * For MOVS that is the source; the destination is always ES:rDI. For STOS it is
 * ES:rDI. INSN_BIT_STRING adds the signed bit offset in `reg` on top, in units
 * of op_size.
 */
struct insn {
	u64 imm;      /* sign-extended to 64 bits; 0 without INSN_IMM */
	u64 disp;     /* sign-extended to 64 bits; A0 to A3: the zero-extended offset */
	u16 flags;    /* INSN_* above */
	u8 op;	      /* enum insn_op */
	u8 length;    /* bytes, 1 to INSN_MAX_BYTES */
	u8 op_size;   /* bytes: 1, 2, 4, 8 */
	u8 mem_size;  /* bytes of one memory access: op_size, or the source's of MOVZX, MOVSX(D) */
	u8 addr_size; /* bytes: 2, 4, 8 */
	u8 seg;	      /* enum x86_seg, overrides applied; 64-bit mode ignores all but FS, GS */
	u8 base;      /* register number or INSN_NO_REG */
	u8 index;     /* register number or INSN_NO_REG */
	u8 scale;     /* 1, 2, 4, 8 */
	u8 reg;	      /* the register operand or INSN_NO_REG; rAX for STOS, LODS, A0 to A3 */
};

_Static_assert(sizeof(struct insn) <= 40, "struct insn is copied on every MMIO exit");

/*
 * Decodes the instruction at `bytes`, of which `len` may be read. `len` may be
 * larger than the instruction; anything beyond 15 bytes is never read.
 *
 * Covered, with a memory operand, in all three modes and with all prefixes:
 * MOV (88-8B, A0-A3, C6, C7), MOVNTI, MOVZX, MOVSX, MOVSXD, MOVBE, ADD, OR, ADC,
 * SBB, AND, SUB, XOR, CMP, TEST, XCHG, XADD, CMPXCHG, BT, BTS, BTR, BTC, INC,
 * DEC, NOT, NEG, MOVS, STOS, LODS.
 *
 * OK               `*out` is complete.
 * ERR_RANGE        the instruction goes on after `len` (< 15) bytes: fetch more.
 * ERR_UNSUPPORTED  not in the list above, a register form, a LOCK prefix where
 *                  the processor raises #UD, or longer than 15 bytes.
 *
 * `*out` holds no meaning unless OK was returned.
 */
enum err must_check insn_decode(const u8 *bytes, size_t len, enum cpu_mode mode, struct insn *out);

/*
 * Instructions whose exits may not say how long they are: the opcode's bytes, the first
 * one lowest; in bits 28:24 how many of a word's 32 bits they leave; in 31:29 their number.
 */
#define INSN_SYS(count, bytes) ((count) << 29 | (32 - 8 * (count)) << 24 | (bytes))
#define INSN_SYS_BYTES(s)      ((u32)(s) >> 29)

enum insn_system {
	INSN_SYS_CPUID = INSN_SYS(2, 0xa20f),
	INSN_SYS_RDMSR = INSN_SYS(2, 0x320f),
	INSN_SYS_WRMSR = INSN_SYS(2, 0x300f),
	INSN_SYS_HLT = INSN_SYS(1, 0xf4),
	INSN_SYS_VMMCALL = INSN_SYS(3, 0xd9010f),
	INSN_SYS_XSETBV = INSN_SYS(3, 0xd1010f),
	INSN_SYS_INVD = INSN_SYS(2, 0x080f),
};

/* The usual case, without prefixes: does `code`, an instruction's first four bytes, hold it? */
static inline bool insn_is_plain(u32 code, enum insn_system expected)
{
	return !((code ^ (u32)expected) << ((u32)expected >> 24 & 31));
}

/*
 * Checks that `bytes` (of which `len` may be read) hold the instruction
 * `expected`, and stores its length, prefixes included, in `*length`. For
 * advancing RIP where the processor does not save the next RIP.
 *
 * OK               `*length` is set, 1 to 15.
 * ERR_RANGE        the instruction goes on after `len` (< 15) bytes: fetch more.
 * ERR_UNSUPPORTED  the bytes are another instruction: `*length` is not written.
 */
enum err must_check insn_length_system(const u8 *bytes, size_t len, enum cpu_mode mode,
				       enum insn_system expected, u8 *length);

/* A MOV between a general register and a control register. */
struct insn_mov_cr {
	u8 length;  /* bytes, 1 to 15 */
	u8 cr;	    /* 0 to 15 */
	u8 gpr;	    /* 0 to 15 */
	bool to_cr; /* 0F 22, else 0F 20 */
};

/*
 * Decodes MOV to or from CRn (0F 20, 0F 22), for processors whose exit does not
 * name the general register. REX.R and AMD's LOCK alternative both give CR8 to
 * CR15 (APM vol. 3, "MOV CRn").
 *
 * OK, ERR_RANGE, ERR_UNSUPPORTED as insn_length_system().
 */
enum err must_check insn_decode_mov_cr(const u8 *bytes, size_t len, enum cpu_mode mode,
				       struct insn_mov_cr *out);

#endif
