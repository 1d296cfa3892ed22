/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The display's registers in BAR2, first mistreated, then asked what QEMU's bochs-display would
 * answer: registers hold what is written, whatever it is, but for two that only tell.
 * QEMU, docs/specs/standard-vga.rst.
 */
#include "tests/guest/bare/bare.h"

#define EDID_SIZE 128
#define REGISTERS 0x500
#define EXTRAS	  0x600

enum {
	ID,
	XRES,
	YRES,
	BPP,
	ENABLE,
	BANK,
	VIRT_WIDTH,
	VIRT_HEIGHT,
	X_OFFSET,
	Y_OFFSET,
	MEMORY_64K,
	REGISTER_COUNT
};

static u64 failures;

static void expect(const char *what, u32 index, u64 is, u64 should)
{
	if (is != should && failures++ < 8)
		say("dispi: %s %u: %lx, not %lx", what, index, is, should);
}

static volatile u16 *reg(u32 index)
{
	return (volatile u16 *)(vbe.registers + REGISTERS) + index;
}

/* Limits, signs, and noise. */
static u64 nasty(void)
{
	static const u64 values[] = { 0,    1,	  0x7fff,     0x8000,	  0xffff,
				      0x41, 0xc1, 0xffffffff, 0x80000000, 0xffffffffffffffff,
				      640,  32 };
	u32 choice = random() % 16;

	if (choice < sizeof(values) / sizeof(values[0]))
		return values[choice];
	return (u64)random() << 32 | random();
}

/* One access of 1, 2, 4 or 8 bytes; `at` need not be aligned. */
static void touch(u64 at, u32 size, bool write, u64 value)
{
	if (size == 1 && write)
		*(volatile u8 *)at = (u8)value;
	else if (size == 1)
		(void)*(volatile u8 *)at;
	else if (size == 2 && write)
		__asm__ volatile("movw %w0, (%1)" : : "r"(value), "r"(at) : "memory");
	else if (size == 2)
		__asm__ volatile("movw (%1), %w0" : "=r"(value) : "r"(at) : "memory");
	else if (size == 4 && write)
		__asm__ volatile("movl %k0, (%1)" : : "r"(value), "r"(at) : "memory");
	else if (size == 4)
		__asm__ volatile("movl (%1), %k0" : "=r"(value) : "r"(at) : "memory");
	else if (write)
		__asm__ volatile("movq %0, (%1)" : : "r"(value), "r"(at) : "memory");
	else
		__asm__ volatile("movq (%1), %0" : "=r"(value) : "r"(at) : "memory");
}

static void mistreat(u64 rounds)
{
	for (u64 i = 0; i < rounds; i++) {
		u32 size = 1u << random() % 4;
		/* Most around the registers, the others anywhere in the page. */
		u64 offset =
			random() % 4 ? REGISTERS - 8 + random() % 40 : random() % (4096 - size + 1);

		touch(vbe.registers + offset, size, random() % 4, nasty());
	}
	/* Every index, and some behind the last, with every value that is nasty. */
	for (u32 index = 0; index < 2 * REGISTER_COUNT; index++)
		for (u32 i = 0; i < 32; i++)
			*reg(index) = (u16)nasty();
}

/* Those that tell, tell the truth; the others hold all 16 bits. */
static void check_registers(void)
{
	*reg(ID) = 0;
	*reg(MEMORY_64K) = 0;
	expect("register", ID, *reg(ID), 0xb0c5);
	expect("register", MEMORY_64K, *reg(MEMORY_64K), vbe.size >> 16);
	for (u32 index = XRES; index < MEMORY_64K; index++) {
		u16 value = (u16)nasty();

		*reg(index) = value;
		expect("register", index, *reg(index), value);
	}
	for (u32 index = XRES + 1; index + 1 < MEMORY_64K; index += 2) { /* aligned pairs */
		volatile u32 *pair = (volatile u32 *)reg(index);
		u32 value = (u32)nasty();

		*pair = value;
		expect("pair", index, *pair, value);
		expect("half", index, *reg(index), value & 0xffff);
		expect("half", index + 1, *reg(index + 1), value >> 16);
	}
}

static void check_edid(void)
{
	const volatile u8 *edid = (const volatile u8 *)vbe.registers;
	u8 sum = 0;

	for (u32 i = 0; i < 8; i++)
		expect("edid", i, edid[i], i % 7 ? 0xff : 0);
	for (u32 i = 0; i < EDID_SIZE; i++)
		sum += edid[i];
	expect("edid sum", EDID_SIZE, sum, 0);
}

static void set_mode(u16 width, u16 height)
{
	const u16 values[] = { [XRES] = width,
			       [YRES] = height,
			       [BPP] = 32,
			       [VIRT_WIDTH] = width,
			       [VIRT_HEIGHT] = height };

	*reg(ENABLE) = 0;
	for (u32 index = XRES; index < MEMORY_64K; index++)
		if (index != ENABLE)
			*reg(index) =
				index < sizeof(values) / sizeof(values[0]) ? values[index] : 0;
	*reg(ENABLE) = 0x41; /* on, linear */
}

/* facet.seed=N, facet.passes=N times facet.rounds=N accesses. */
void dispi_run(void)
{
	u64 seed = option_number("seed", rdtsc() & 0xffffffff);
	u64 passes = option_number("passes", 10), rounds = option_number("rounds", 2000);

	random_seed((u32)seed);
	if (!vbe_init())
		return;
	say("dispi: seed %lu", seed);
	expect("extras", 0, *(volatile u32 *)(vbe.registers + EXTRAS), 8);
	for (u64 i = 0; i < passes; i++) {
		mistreat(rounds);
		check_registers();
		check_edid();
		set_mode(640, 480);
		expect("width", XRES, *reg(XRES), 640);
		expect("on", ENABLE, *reg(ENABLE), 0x41);
	}
	say("dispi: %lu passes, %lu failures", passes, failures);
}
