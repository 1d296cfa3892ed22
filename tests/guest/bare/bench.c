/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one exit and its handling cost, counted with the TSC, which under QEMU's -icount
 * and always on Bochs counts instructions. Each figure is the median of several rounds over 64
 * different instruction sites; what a site does besides is taken off.
 */
#include "tests/guest/bare/bare.h"

#define SITES  64
#define ROUNDS 31

#define TEXT_(x)     #x
#define TEXT(x)	     TEXT_(x)
#define REPEAT(text) ".rept " TEXT(SITES) "\n\t" text "\n\t.endr\n"

static void cpuid_sites(void)
{
	u32 a = 0, c = 0;

	__asm__ volatile(REPEAT("xorl %%eax, %%eax; cpuid") : "+a"(a), "+c"(c) : : "rbx", "rdx");
}

static void pio_sites(void)
{
	__asm__ volatile(REPEAT("inb %%dx, %%al") : : "d"(COM1 + 5) : "rax");
}

/* A hypercall that does not exist; each vendor has its own instruction. */
static void vmmcall_sites(void)
{
	__asm__ volatile(REPEAT("movl $255, %%eax; vmmcall") : : : "rax", "memory");
}

static void vmcall_sites(void)
{
	__asm__ volatile(REPEAT("movl $255, %%eax; vmcall") : : : "rax", "memory");
}

static void cr8_sites(void)
{
	__asm__ volatile(REPEAT("movq %0, %%cr8") : : "r"(0ull) : "memory");
}

static void tpr_sites(void)
{
	__asm__ volatile(REPEAT("wrmsr") : : "a"(0), "d"(0), "c"(0x808) : "memory");
}

static void eoi_sites(void)
{
	__asm__ volatile(REPEAT("wrmsr") : : "a"(0), "d"(0), "c"(0x80b) : "memory");
}

/* num_queues at 0x12 and queue_select at 0x16 of the common configuration. */
static void mmio_read_sites(void)
{
	__asm__ volatile(REPEAT("movw 0x12(%0), %%ax") : : "r"(gpu_common()) : "rax", "memory");
}

static void mmio_write_sites(void)
{
	__asm__ volatile(REPEAT("movw %%ax, 0x16(%0)") : : "r"(gpu_common()), "a"(0) : "memory");
}

/* The display's registers: its number, and a place in the picture that nobody looks at. */
static void display_read_sites(void)
{
	__asm__ volatile(REPEAT("movw 0x500(%0), %%ax") : : "r"(vbe.registers) : "rax", "memory");
}

static void display_write_sites(void)
{
	__asm__ volatile(REPEAT("movw %%ax, 0x510(%0)") : : "r"(vbe.registers), "a"(0) : "memory");
}

static void nothing(void)
{
}

static u64 round(void (*sites)(void))
{
	u64 start = rdtsc();

	sites();
	return rdtsc() - start;
}

static u64 median(void (*sites)(void))
{
	u64 took[ROUNDS];

	round(sites); /* pages and caches that are touched for the first time */
	for (u32 i = 0; i < ROUNDS; i++) {
		u64 t = round(sites);
		u32 at = i;

		for (; at && took[at - 1] > t; at--)
			took[at] = took[at - 1];
		took[at] = t;
	}
	return took[ROUNDS / 2];
}

/* `beside`: instructions of a site that do not exit. */
static void figure(const char *name, void (*sites)(void), u64 beside, u64 bound)
{
	u64 empty = median(nothing), all = median(sites);
	u64 each = (all - empty) / SITES;

	each = each > beside ? each - beside : 0;
	say("bench: %s %lu instructions %lu", name, each, bound);
}

static bool on_intel(void)
{
	u32 leaf[4];

	cpuid(0, leaf);
	return leaf[1] == 0x756e6547; /* "Genu" */
}

static void bench_apic(bool intel)
{
	u32 leaf[4];

	cpuid(1, leaf);
	if (!(leaf[2] & (1u << 21))) {
		say("bench: no x2apic");
		return;
	}
	wrmsr(0x1b, rdmsr(0x1b) | 0xc00);
	/* With virtual-interrupt delivery these take no exit. */
	figure("exit.x2apic_eoi", eoi_sites, 0, intel ? 1 : 600);
	figure("exit.x2apic_tpr", tpr_sites, 0, intel ? 1 : 700);
	figure("exit.cr8_write", cr8_sites, 0, intel ? 1 : 600);
}

void bench_run(void)
{
	bool intel = on_intel();

	say("bench: on %s", intel ? "Intel" : "AMD");
	figure("exit.cpuid", cpuid_sites, 1, intel ? 400 : 600);
	figure("exit.pio_read", pio_sites, 0, 700);
	figure("exit.hypercall", intel ? vmcall_sites : vmmcall_sites, 1, 600);
	bench_apic(intel);
	/* Whichever GPU there is: its registers are trapped. */
	if (pci_find(VBE_ID) && vbe_init()) {
		figure("exit.mmio_read", display_read_sites, 0, 900);
		figure("exit.mmio_write", display_write_sites, 0, 900);
	} else if (gpu_init()) {
		figure("exit.mmio_read", mmio_read_sites, 0, 900);
		figure("exit.mmio_write", mmio_write_sites, 0, 900);
	}
	say("bench: end");
}
