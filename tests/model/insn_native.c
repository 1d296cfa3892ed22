/* SPDX-License-Identifier: Apache-2.0 */
/* Compares the emulator's effect on registers, flags and memory with the build host's processor. */
// HYPERVISOR_OBJECTS: arch/x86/insn.c arch/x86/emulate.c

/*
 * Each case is one instruction, assembled here from a table of forms that is
 * independent of the decoder's, with random prefixes, addressing mode,
 * registers, flags and memory. It runs twice: on the processor, inside
 *
 *   CODE  instruction, far or near jump back to native_back
 *   DATA  one page; the pages around it are not mapped
 *
 * and in insn_decode(), emu_begin(), emu_next() over a copy. Then all must be
 * equal, less the flags that the manual leaves undefined.
 *
 * 16-bit and 32-bit code run in segments of a local descriptor table, whose
 * bases differ, so that a wrong segment gives a wrong address. Where the kernel
 * offers no modify_ldt(), only 64-bit code is compared, and the summary says so.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/x86/emulate.h"

#define CASES_DEFAULT 2000000

#define CODE 0x20000000u
#define DATA 0x20100000u

/* Segment bases outside 64-bit mode; GS in all modes. FS stays the C library's. */
static const u32 seg_bases[X86_SEG_COUNT] = { DATA + 0x100, CODE, DATA + 0x200,
					      DATA,	    0,	  DATA + 0x300 };

#define CF	       0x001
#define PF	       0x004
#define AF	       0x010
#define ZF	       0x040
#define SF	       0x080
#define DF	       0x400
#define OF	       0x800
#define FLAGS_COMPARED (CF | PF | AF | ZF | SF | OF | DF)

enum {
	BYTE = 1,
	IMM8 = 2,
	IMMZ = 4,
	LOCK = 8,
	MOFFS = 16,
	STRING = 32,
	BITS = 64,
	NO66 = 128,
	ONLY64 = 256,
	NOT64 = 512,
	XCHG = 1024,
	CMPXCHG = 2048,
	HAS_MOVBE = 4096
};

struct form {
	const char *name;
	u8 map; /* 0: xx, 1: 0F xx, 2: 0F 38 xx */
	u8 opcode;
	s8 member; /* ModRM.reg, or -1: a register */
	u16 kind;
	u16 undefined; /* flags */
};

#define ALU(n, name, lock, u) \
	{ name " m8,r8", 0, (n)*8, -1, BYTE | (lock), u }, \
		{ name " m,r", 0, (n)*8 + 1, -1, lock, u }, \
		{ name " r8,m8", 0, (n)*8 + 2, -1, BYTE, u }, \
		{ name " r,m", 0, (n)*8 + 3, -1, 0, u }, \
		{ name " m8,imm8", 0, 0x80, n, BYTE | IMM8 | (lock), u }, \
		{ name " m,imm", 0, 0x81, n, IMMZ | (lock), u }, \
		{ name " m8,imm8 (82)", 0, 0x82, n, BYTE | IMM8 | (lock) | NOT64, u }, \
	{ \
		name " m,imm8", 0, 0x83, n, IMM8 | (lock), u \
	}

#define BIT_UNDEFINED (OF | SF | AF | PF)

static const struct form forms[] = {
	ALU(0, "add", LOCK, 0),
	ALU(1, "or", LOCK, AF),
	ALU(2, "adc", LOCK, 0),
	ALU(3, "sbb", LOCK, 0),
	ALU(4, "and", LOCK, AF),
	ALU(5, "sub", LOCK, 0),
	ALU(6, "xor", LOCK, AF),
	ALU(7, "cmp", 0, 0),
	{ "movsxd", 0, 0x63, -1, ONLY64, 0 },
	{ "test m8,r8", 0, 0x84, -1, BYTE, AF },
	{ "test m,r", 0, 0x85, -1, 0, AF },
	{ "xchg m8,r8", 0, 0x86, -1, BYTE | LOCK | XCHG, 0 },
	{ "xchg m,r", 0, 0x87, -1, LOCK | XCHG, 0 },
	{ "mov m8,r8", 0, 0x88, -1, BYTE, 0 },
	{ "mov m,r", 0, 0x89, -1, 0, 0 },
	{ "mov r8,m8", 0, 0x8a, -1, BYTE, 0 },
	{ "mov r,m", 0, 0x8b, -1, 0, 0 },
	{ "mov al,moffs", 0, 0xa0, 0, BYTE | MOFFS, 0 },
	{ "mov ax,moffs", 0, 0xa1, 0, MOFFS, 0 },
	{ "mov moffs,al", 0, 0xa2, 0, BYTE | MOFFS, 0 },
	{ "mov moffs,ax", 0, 0xa3, 0, MOFFS, 0 },
	{ "movsb", 0, 0xa4, 0, BYTE | STRING, 0 },
	{ "movs", 0, 0xa5, 0, STRING, 0 },
	{ "stosb", 0, 0xaa, 0, BYTE | STRING, 0 },
	{ "stos", 0, 0xab, 0, STRING, 0 },
	{ "lodsb", 0, 0xac, 0, BYTE | STRING, 0 },
	{ "lods", 0, 0xad, 0, STRING, 0 },
	{ "mov m8,imm8", 0, 0xc6, 0, BYTE | IMM8, 0 },
	{ "mov m,imm", 0, 0xc7, 0, IMMZ, 0 },
	{ "test m8,imm8", 0, 0xf6, 0, BYTE | IMM8, AF },
	{ "test m8,imm8 (/1)", 0, 0xf6, 1, BYTE | IMM8, AF },
	{ "not m8", 0, 0xf6, 2, BYTE | LOCK, 0 },
	{ "neg m8", 0, 0xf6, 3, BYTE | LOCK, 0 },
	{ "test m,imm", 0, 0xf7, 0, IMMZ, AF },
	{ "test m,imm (/1)", 0, 0xf7, 1, IMMZ, AF },
	{ "not m", 0, 0xf7, 2, LOCK, 0 },
	{ "neg m", 0, 0xf7, 3, LOCK, 0 },
	{ "inc m8", 0, 0xfe, 0, BYTE | LOCK, 0 },
	{ "dec m8", 0, 0xfe, 1, BYTE | LOCK, 0 },
	{ "inc m", 0, 0xff, 0, LOCK, 0 },
	{ "dec m", 0, 0xff, 1, LOCK, 0 },
	{ "bt m,r", 1, 0xa3, -1, BITS, BIT_UNDEFINED },
	{ "bts m,r", 1, 0xab, -1, BITS | LOCK, BIT_UNDEFINED },
	{ "btr m,r", 1, 0xb3, -1, BITS | LOCK, BIT_UNDEFINED },
	{ "btc m,r", 1, 0xbb, -1, BITS | LOCK, BIT_UNDEFINED },
	{ "bt m,imm8", 1, 0xba, 4, IMM8, BIT_UNDEFINED },
	{ "bts m,imm8", 1, 0xba, 5, IMM8 | LOCK, BIT_UNDEFINED },
	{ "btr m,imm8", 1, 0xba, 6, IMM8 | LOCK, BIT_UNDEFINED },
	{ "btc m,imm8", 1, 0xba, 7, IMM8 | LOCK, BIT_UNDEFINED },
	{ "cmpxchg m8,r8", 1, 0xb0, -1, BYTE | LOCK | CMPXCHG, 0 },
	{ "cmpxchg m,r", 1, 0xb1, -1, LOCK | CMPXCHG, 0 },
	{ "movzx r,m8", 1, 0xb6, -1, 0, 0 },
	{ "movzx r,m16", 1, 0xb7, -1, 0, 0 },
	{ "movsx r,m8", 1, 0xbe, -1, 0, 0 },
	{ "movsx r,m16", 1, 0xbf, -1, 0, 0 },
	{ "xadd m8,r8", 1, 0xc0, -1, BYTE | LOCK, 0 },
	{ "xadd m,r", 1, 0xc1, -1, LOCK, 0 },
	{ "movnti", 1, 0xc3, -1, NO66, 0 },
	{ "movbe r,m", 2, 0xf0, -1, HAS_MOVBE, 0 },
	{ "movbe m,r", 2, 0xf1, -1, HAS_MOVBE, 0 },
};

static u64 random_state = 0x2545f4914f6cdd1d;

static u64 random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x9e3779b97f4a7c15;
}

static u32 below(u32 n)
{
	return (u32)(random_u64() >> 32) % n;
}

/* Values that sit on the edges of carries and signs as often as not. */
static u64 random_value(void)
{
	static const u64 edges[] = { 0,	     1,		 0x7f,	     0x80,	 0xff,	 0x7fff,
				     0x8000, 0x7fffffff, 0x80000000, 0xffffffff, 0xffff, BIT(63) };

	switch (below(4)) {
	case 0:
		return edges[below(ARRAY_SIZE(edges))];
	case 1:
		return ~edges[below(ARRAY_SIZE(edges))];
	default:
		return random_u64();
	}
}

/* One instruction with the state that it starts from. */
struct test_case {
	const struct form *form;
	enum cpu_mode mode;
	u8 bytes[32];
	u8 length;
	u8 rex;
	u8 op_size;
	u8 addr_size;
	u8 seg; /* of the operand, or rSI's */
	bool seg_overridden;
	bool lock, repeat;
	u64 gpr[16];
	u64 rflags;
};

static u64 seg_base(const struct test_case *c, u8 seg)
{
	return c->mode == CPU_MODE_64 && seg != X86_GS ? 0 : seg_bases[seg];
}

static void emit(struct test_case *c, u64 value, u8 size)
{
	memcpy(&c->bytes[c->length], &value, size);
	c->length += size;
}

static u64 cut(u64 value, u8 size)
{
	return size == 8 ? value : value & (BIT(size * 8) - 1);
}

/* Sets the low `size` bytes of a register; the rest stays the noise that it is. */
static void set_low(struct test_case *c, u8 reg, u64 value, u8 size)
{
	c->gpr[reg] = (c->gpr[reg] & ~cut(~0ULL, size)) | cut(value, size);
}

static void emit_prefixes(struct test_case *c)
{
	static const u8 seg_prefix[X86_SEG_COUNT] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };
	u16 kind = c->form->kind;

	c->op_size = c->mode == CPU_MODE_16 ? 2 : 4;
	c->addr_size = (u8)(2 << c->mode);
	for (u32 n = below(3); n > 0; n--) { /* in 64-bit mode only GS counts, wherever it is */
		u8 seg = (u8)(X86_SS + below(3));

		if (below(3) == 0)
			seg = X86_ES;
		if (seg == X86_FS)
			seg = X86_GS;
		emit(c, seg_prefix[seg], 1);
		if (c->mode == CPU_MODE_64 && seg != X86_GS)
			continue;
		c->seg = seg;
		c->seg_overridden = true;
	}
	if (below(4) == 0) {
		emit(c, 0x67, 1);
		c->addr_size = c->mode == CPU_MODE_32 ? 2 : 4;
	}
	if (!(kind & NO66) && below(3) == 0) {
		emit(c, 0x66, 1);
		c->op_size = c->mode == CPU_MODE_16 ? 4 : 2;
	}
	if (kind & LOCK && below(4) == 0) {
		emit(c, 0xf0, 1);
		c->lock = true;
	}
	if (kind & STRING && below(2)) {
		emit(c, 0xf2 + below(2), 1);
		c->repeat = true;
	}
	if (c->mode == CPU_MODE_64 && below(3)) {
		c->rex = 0x40 + below(16);
		emit(c, c->rex, 1);
	}
	if (c->rex & 8)
		c->op_size = 8;
	if (kind & BYTE)
		c->op_size = 1;
}

/* A linear address in DATA with room on both sides, fit for an atomic access when one is made. */
static u64 pick_target(const struct test_case *c)
{
	u64 target = DATA + 0x500 + below(0x600);

	/* Split locks are slow, or refused by the kernel. */
	return c->lock || c->form->kind & XCHG ? target & ~7ULL : target;
}

/* The bit offset of BT m,r reaches at most 512 bytes up or down. */
static bool set_bit_offset(struct test_case *c, u8 reg, u8 base, u8 index)
{
	if (!(c->form->kind & BITS))
		return true;
	if (reg == base || reg == index)
		return false;
	set_low(c, reg, (u64)below(0x2000) - 0x1000, c->op_size);
	return true;
}

/*
 * Sets the registers of base + index * scale + disp so that the sum is `offset`;
 * with neither, *disp. False if that has no solution that is worth the trouble.
 */
static bool solve(struct test_case *c, u8 base, u8 index, u8 scale, u64 *disp, u64 offset)
{
	u8 size = c->addr_size;

	if (base != INSN_NO_REG && base != index) {
		u64 rest = index == INSN_NO_REG ? 0 : c->gpr[index] * scale;

		set_low(c, base, offset - *disp - rest, size);
		return true;
	}
	if (base != INSN_NO_REG) {
		u64 sum = offset - *disp;

		set_low(c, base, sum / (scale + 1u), size);
		return sum < BIT(31) && sum % (scale + 1u) == 0;
	}
	if (index != INSN_NO_REG) {
		set_low(c, index, below(0x100000), size);
		offset -= cut(c->gpr[index], size) * scale;
	}
	*disp = offset;
	return true;
}

static bool emit_memory16(struct test_case *c, u8 reg)
{
	static const u8 bases[8] = { 3, 3, 5, 5, 6, 7, 5, 3 };
	static const u8 indexes[4] = { 6, 7, 6, 7 };
	u8 mod = (u8)below(3), rm = (u8)below(8);
	u8 base = bases[rm], index = rm < 4 ? indexes[rm] : INSN_NO_REG;
	u8 disp_size = mod;
	u64 disp;

	if (mod == 0 && rm == 6) {
		base = INSN_NO_REG;
		disp_size = 2;
	}
	if (!c->seg_overridden)
		c->seg = base == X86_RBP ? X86_SS : X86_DS;
	disp = disp_size == 2 ? below(0x10000) : disp_size == 1 ? (u64)(s8)below(256) : 0;
	if (!set_bit_offset(c, reg, base, index) ||
	    !solve(c, base, index, 1, &disp, pick_target(c) - seg_base(c, c->seg)))
		return false;
	emit(c, mod << 6 | (reg & 7) << 3 | rm, 1);
	emit(c, disp, disp_size);
	return true;
}

/* ModRM, SIB and displacement; `tail` bytes of immediate follow. */
static bool emit_memory(struct test_case *c, u8 reg, u8 tail)
{
	u8 mod = (u8)below(3), rm = (u8)below(8), sib = (u8)below(256);
	u8 base = rm, index = INSN_NO_REG, scale = 1;
	u8 disp_size = mod == 2 ? 4 : mod;
	bool rip = mod == 0 && rm == 5 && c->mode == CPU_MODE_64;
	u64 disp, offset;

	if (rm == 4) {
		base = sib & 7;
		index = (sib >> 3 & 7) | (c->rex & 2) << 2;
		index = index == 4 ? INSN_NO_REG : index;
		scale = (u8)(1 << (sib >> 6));
	}
	if (mod == 0 && base == 5) {
		disp_size = 4;
		base = INSN_NO_REG;
	} else if (c->rex & 1) {
		base |= 8;
	}
	if (!c->seg_overridden)
		c->seg = base == X86_RSP || base == X86_RBP ? X86_SS : X86_DS;
	disp = disp_size == 4 ? (u64)(s32)random_u64() : disp_size == 1 ? (u64)(s8)below(256) : 0;
	offset = pick_target(c) - seg_base(c, c->seg);
	if (!set_bit_offset(c, reg, base, index) || !solve(c, base, index, scale, &disp, offset))
		return false;
	emit(c, mod << 6 | (reg & 7) << 3 | rm, 1);
	if (rm == 4)
		emit(c, sib, 1);
	if (rip)
		disp -= CODE + c->length + 4 + tail;
	emit(c, disp, disp_size);
	return true;
}

/* rSI, rDI and rCX of a string instruction of at most five iterations. */
static void set_string_registers(struct test_case *c)
{
	if (!c->seg_overridden)
		c->seg = X86_DS;
	set_low(c, X86_RSI, pick_target(c) - seg_base(c, c->seg), c->addr_size);
	set_low(c, X86_RDI, pick_target(c) - seg_base(c, X86_ES), c->addr_size);
	if (c->repeat)
		set_low(c, X86_RCX, below(6), c->addr_size);
}

/* Makes the comparison of CMPXCHG succeed as often as not. */
static void match_accumulator(struct test_case *c)
{
	if (c->form->kind & CMPXCHG && below(2))
		c->gpr[X86_RAX] = 0; /* half of memory is 0 */
}

static bool generate(struct test_case *c)
{
	u16 kind = c->form->kind;
	u8 reg, imm_size;

	for (u8 i = 0; i < 16; i++)
		c->gpr[i] = c->mode == CPU_MODE_64 ? random_value() : (u32)random_value();
	c->rflags = (random_u64() & FLAGS_COMPARED) | 0x202;
	match_accumulator(c);
	emit_prefixes(c);
	if (c->form->map)
		emit(c, 0x0f, 1);
	if (c->form->map == 2)
		emit(c, 0x38, 1);
	emit(c, c->form->opcode, 1);
	if (kind & STRING) {
		set_string_registers(c);
		return c->length <= INSN_MAX_BYTES;
	}
	if (kind & MOFFS) {
		if (!c->seg_overridden)
			c->seg = X86_DS;
		emit(c, pick_target(c) - seg_base(c, c->seg), c->addr_size);
		return c->length <= INSN_MAX_BYTES;
	}
	reg = c->form->member >= 0 ? (u8)c->form->member : (u8)(below(8) | (c->rex & 4) << 1);
	imm_size = kind & IMM8 ? 1 : kind & IMMZ ? MIN(c->op_size, 4) : 0;
	if (c->addr_size == 2 ? !emit_memory16(c, reg) : !emit_memory(c, reg, imm_size))
		return false;
	emit(c, random_value(), imm_size);
	return c->length <= INSN_MAX_BYTES;
}

/*
 * The native side. native_run() loads native_in, jumps to native_entry and comes
 * back at native_back with everything in native_out. No register is free in
 * between, so all state is in memory at fixed places.
 */
struct native_state {
	u64 gpr[16];
	u64 rflags;
};

struct native_state native_in, native_out;
u64 native_stack, native_entry;
struct {
	u32 offset;
	u16 selector;
} __attribute__((packed)) native_far;
u16 native_data_selector;

void native_run(void);
extern const char native_enter_compat[], native_back[];

__asm__(".text\n"
	"native_run:\n"
	"	push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
	"	mov %rsp, native_stack\n"
	"	pushq native_in+128\n popfq\n"
	"	mov native_in+0, %rax\n mov native_in+8, %rcx\n"
	"	mov native_in+16, %rdx\n mov native_in+24, %rbx\n"
	"	mov native_in+32, %rsp\n mov native_in+40, %rbp\n"
	"	mov native_in+48, %rsi\n mov native_in+56, %rdi\n"
	"	mov native_in+64, %r8\n mov native_in+72, %r9\n"
	"	mov native_in+80, %r10\n mov native_in+88, %r11\n"
	"	mov native_in+96, %r12\n mov native_in+104, %r13\n"
	"	mov native_in+112, %r14\n mov native_in+120, %r15\n"
	"	jmp *native_entry\n"
	"native_enter_compat:\n"
	"	mov native_data_selector, %ss\n" /* SYSRET has set another since */
	"	ljmp *native_far\n"
	"native_back:\n"
	"	mov %rax, native_out+0\n mov %rcx, native_out+8\n"
	"	mov %rdx, native_out+16\n mov %rbx, native_out+24\n"
	"	mov %rsp, native_out+32\n mov %rbp, native_out+40\n"
	"	mov %rsi, native_out+48\n mov %rdi, native_out+56\n"
	"	mov %r8, native_out+64\n mov %r9, native_out+72\n"
	"	mov %r10, native_out+80\n mov %r11, native_out+88\n"
	"	mov %r12, native_out+96\n mov %r13, native_out+104\n"
	"	mov %r14, native_out+112\n mov %r15, native_out+120\n"
	"	mov native_stack, %rsp\n"
	"	pushfq\n popq native_out+128\n"
	"	cld\n"
	"	mov $0x2b, %eax\n mov %eax, %ss\n" /* Linux's __USER_DS */
	"	pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n"
	"	ret\n");

enum {
	LDT_CODE16,
	LDT_DS,
	LDT_ES,
	LDT_SS,
	LDT_GS
};

#define LDT_SELECTOR(n) ((u16)((n) << 3 | 7))
#define LINUX_CS32	0x23
#define LINUX_CS64	0x33

static bool set_ldt(unsigned int entry, u32 base, bool code16)
{
	struct user_desc d = {
		.entry_number = entry,
		.base_addr = base,
		.limit = code16 ? 0xfff : 0xfffff,
		.seg_32bit = !code16,
		.contents = code16 ? MODIFY_LDT_CONTENTS_CODE : MODIFY_LDT_CONTENTS_DATA,
		.limit_in_pages = !code16,
	};

	return syscall(SYS_modify_ldt, 1, &d, sizeof(d)) == 0;
}

/* True if 16-bit and 32-bit code can run too. */
static bool set_up_segments(void)
{
	if (!set_ldt(LDT_CODE16, CODE, true) || !set_ldt(LDT_DS, seg_bases[X86_DS], false) ||
	    !set_ldt(LDT_ES, seg_bases[X86_ES], false) ||
	    !set_ldt(LDT_SS, seg_bases[X86_SS], false) ||
	    !set_ldt(LDT_GS, seg_bases[X86_GS], false))
		return false;
	native_data_selector = LDT_SELECTOR(LDT_SS);
	__asm__ volatile("mov %0, %%ds\n mov %1, %%es\n mov %2, %%gs"
			 :
			 : "r"(LDT_SELECTOR(LDT_DS)), "r"(LDT_SELECTOR(LDT_ES)),
			   "r"(LDT_SELECTOR(LDT_GS)));
	return true;
}

static sigjmp_buf fault_return;

static void on_fault(int signal_number)
{
	__asm__ volatile("cld");
	siglongjmp(fault_return, signal_number);
}

static u8 *const code = (u8 *)(uintptr_t)CODE;
static u8 *const data = (u8 *)(uintptr_t)DATA;

/* Writes the instruction and the way back, and runs it. 0 or the signal that it raised. */
static int run_native(const struct test_case *c)
{
	u32 back = (u32)(uintptr_t)native_back;
	u16 cs64 = LINUX_CS64;
	u8 *at = code + c->length;
	int signal_number;

	memcpy(code, c->bytes, c->length);
	if (c->mode == CPU_MODE_64) {
		memcpy(at, "\xff\x24\x25", 3); /* jmp *(address of the word below) */
		memcpy(at + 3, &(u32){ CODE + 0x800 }, 4);
		memcpy(code + 0x800, &(u64){ back }, 8);
		native_entry = CODE;
	} else {
		if (c->mode == CPU_MODE_16)
			*at++ = 0x66;
		*at++ = 0xea; /* ljmp $cs64, $back */
		memcpy(at, &back, 4);
		memcpy(at + 4, &cs64, 2);
		native_entry = (uintptr_t)native_enter_compat;
		native_far.offset = c->mode == CPU_MODE_16 ? 0 : CODE;
		native_far.selector =
			c->mode == CPU_MODE_16 ? LDT_SELECTOR(LDT_CODE16) : LINUX_CS32;
	}
	memcpy(native_in.gpr, c->gpr, sizeof(native_in.gpr));
	native_in.rflags = c->rflags;
	signal_number = sigsetjmp(fault_return, 1);
	if (!signal_number)
		native_run();
	return signal_number;
}

/* The emulator's side. */
static const char *run_emulated(const struct test_case *c, struct emu_cpu *cpu, u8 *memory)
{
	struct insn insn;
	enum emu_step step;
	struct emu emu;
	u64 start = cpu->rip;

	if (insn_decode(c->bytes, c->length, c->mode, &insn) != OK)
		return "the decoder refuses it";
	if (insn.length != c->length)
		return "wrong length";
	for (int iteration = 0; iteration < 8 && cpu->rip == start; iteration++) {
		emu_begin(&emu, &insn, cpu);
		while ((step = emu_next(&emu, cpu)) != EMU_DONE) {
			u64 at = emu.access.gva.raw - DATA;

			if (at > PAGE_SIZE - emu.access.size)
				return "address outside the page";
			if (emu.access.locked != (c->lock || c->form->kind & XCHG))
				return "wrong atomicity";
			if (step == EMU_WRITE) {
				memcpy(memory + at, &emu.access.value, emu.access.size);
				continue;
			}
			emu.access.value = 0;
			memcpy(&emu.access.value, memory + at, emu.access.size);
		}
	}
	return cpu->rip == start + c->length ? NULL : "wrong RIP";
}

static const char *compare(const struct test_case *c, const struct emu_cpu *cpu, const u8 *memory)
{
	/* Outside 64-bit mode the upper halves, and R8 to R15, do not exist. */
	u8 registers = c->mode == CPU_MODE_64 ? 16 : 8;
	u8 size = c->mode == CPU_MODE_64 ? 8 : 4;
	u64 flags = FLAGS_COMPARED & ~(u64)c->form->undefined;

	for (u8 i = 0; i < registers; i++)
		if (cut(cpu->gpr[i], size) != cut(native_out.gpr[i], size))
			return "registers differ";
	if ((cpu->rflags ^ native_out.rflags) & flags)
		return "flags differ";
	if (memcmp(memory, data, PAGE_SIZE))
		return "memory differs";
	return NULL;
}

static void print_case(const struct test_case *c, const struct emu_cpu *cpu, const char *why)
{
	printf("mode %d, %s:", 16 << c->mode, c->form->name);
	for (u8 i = 0; i < c->length; i++)
		printf(" %02x", c->bytes[i]);
	printf(": %s\n", why);
	for (u8 i = 0; i < 16; i++)
		printf("  r%-2d %016llx native %016llx emulated %016llx\n", i,
		       (unsigned long long)c->gpr[i], (unsigned long long)native_out.gpr[i],
		       (unsigned long long)cpu->gpr[i]);
	printf("  flags %llx native %llx emulated %llx\n", (unsigned long long)c->rflags,
	       (unsigned long long)native_out.rflags, (unsigned long long)cpu->rflags);
}

static bool host_has_movbe(void)
{
	unsigned int eax, ebx, ecx, edx;

	return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && ecx & bit_MOVBE;
}

static bool runs_here(const struct form *form, enum cpu_mode mode, bool movbe)
{
	if (form->kind & ONLY64 && mode != CPU_MODE_64)
		return false;
	if (form->kind & NOT64 && mode == CPU_MODE_64)
		return false;
	return movbe || !(form->kind & HAS_MOVBE);
}

static bool set_up_memory(void)
{
	static u8 signal_stack[65536];
	stack_t stack = { .ss_sp = signal_stack, .ss_size = sizeof(signal_stack) };
	struct sigaction action = { .sa_handler = on_fault, .sa_flags = SA_ONSTACK };
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;

	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGILL, &action, NULL);
	sigaction(SIGTRAP, &action, NULL);
	return mmap(code, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0) == code &&
	       mmap(data, PAGE_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0) == data;
}

/* Runs one case on both sides. NULL or what differs. */
static const char *run_case(struct test_case *c, struct emu_cpu *cpu, const u8 *pattern)
{
	static u8 memory[PAGE_SIZE];
	const char *why;

	memcpy(memory, pattern, PAGE_SIZE);
	memcpy(data, pattern, PAGE_SIZE);
	why = run_emulated(c, cpu, memory);
	if (!why && run_native(c))
		why = "the processor raises a fault";
	return why ? why : compare(c, cpu, memory);
}

int main(int argc, char **argv)
{
	u64 count = argc > 1 ? strtoull(argv[1], NULL, 0) : CASES_DEFAULT;
	u64 run = 0, failures = 0;
	static u8 pattern[PAGE_SIZE];
	bool movbe = host_has_movbe();
	bool compat;

	if (!set_up_memory()) {
		printf("insn_native: cannot map its pages\n");
		return 1;
	}
	compat = set_up_segments();
	if (!compat)
		syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, (u64)seg_bases[X86_GS]);
	for (size_t i = 0; i < PAGE_SIZE; i++)
		pattern[i] = i / 16 % 2 ? (u8)random_u64() : 0;

	while (run < count && failures < 10) {
		struct test_case c = {
			.form = &forms[below(ARRAY_SIZE(forms))],
			.mode = compat && below(2) ? (enum cpu_mode)below(2) : CPU_MODE_64,
		};
		struct emu_cpu cpu = { .mode = c.mode };
		u64 gpr[16];
		const char *why;

		if (!runs_here(c.form, c.mode, movbe) || !generate(&c))
			continue;
		memcpy(gpr, c.gpr, sizeof(gpr));
		cpu.gpr = gpr;
		cpu.rip = c.mode == CPU_MODE_16 ? 0 : CODE;
		cpu.rflags = c.rflags;
		for (u8 s = 0; s < X86_SEG_COUNT; s++)
			cpu.seg_base[s] = seg_bases[s];
		run++;
		why = run_case(&c, &cpu, pattern);
		if (why) {
			failures++;
			print_case(&c, &cpu, why);
		}
	}
	printf("insn_native: %llu instructions in %s, %zu forms, %llu differences\n",
	       (unsigned long long)run,
	       compat ? "16, 32 and 64-bit code" : "64-bit code only (no modify_ldt here)",
	       ARRAY_SIZE(forms), (unsigned long long)failures);
	return failures != 0;
}
