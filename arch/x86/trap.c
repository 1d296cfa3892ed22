// SPDX-License-Identifier: Apache-2.0
/* GDT, IDT and TSS; sorts exceptions from interrupts. */
#include "arch/x86/trap.h"

#include "arch/x86/cpu.h"
#include "arch/x86/host.h"

/* SDM vol. 3, 8.7: the 64-bit TSS. */
struct packed_struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7]; /* IST1 is ist[0] */
	u64 reserved2;
	u16 reserved3;
	u16 io_map;
};
_Static_assert(sizeof(struct tss) == 104, "TSS layout");

struct packed_struct idt_gate {
	u16 offset_low;
	u16 selector;
	u8 ist;
	u8 type;
	u16 offset_middle;
	u32 offset_high;
	u32 reserved;
};
_Static_assert(sizeof(struct idt_gate) == 16, "IDT gate layout");

struct packed_struct descriptor_pointer {
	u16 limit;
	u64 base;
};

#define GATE_INTERRUPT 0x8e /* present, ring 0, interrupt gate: IF is cleared */
#define VECTOR_NMI     2
#define VECTOR_DF      8
#define VECTOR_MC      18
#define STUB_SIZE      16

extern const u8 trap_stubs[];
void trap_handle(const struct trap_frame *frame);

/* Written by each CPU for itself while it starts. */
static u64 gdts[TRAP_CPUS_MAX][5];
static struct tss tsses[TRAP_CPUS_MAX];
/* Written once by the boot CPU. */
static struct idt_gate idt[256];

static void fill_idt(void)
{
	for (u32 vector = 0; vector < 256; vector++) {
		u64 stub = (u64)trap_stubs + vector * STUB_SIZE;

		idt[vector] = (struct idt_gate){
			.offset_low = (u16)stub,
			.offset_middle = (u16)(stub >> 16),
			.offset_high = (u32)(stub >> 32),
			.selector = SELECTOR_CODE,
			.type = GATE_INTERRUPT,
		};
	}
}

void trap_set_stacks(u32 cpu, const u64 *ist_tops)
{
	for (u32 i = 0; i < TRAP_IST_COUNT; i++)
		tsses[cpu].ist[i] = ist_tops[i];
	idt[VECTOR_NMI].ist = TRAP_IST_NMI;
	idt[VECTOR_DF].ist = TRAP_IST_DOUBLE_FAULT;
	idt[VECTOR_MC].ist = TRAP_IST_MACHINE_CHECK;
}

static void load_segments(u32 cpu)
{
	struct descriptor_pointer gdtr = { sizeof(gdts[cpu]) - 1, (u64)gdts[cpu] };
	struct descriptor_pointer idtr = { sizeof(idt) - 1, (u64)idt };

	__asm__ volatile("lgdt %0\n\t"
			 "pushq %1\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n" /* CS cannot be loaded by MOV */
			 "1:\n\t"
			 "mov %2, %%ds\n\t"
			 "mov %2, %%es\n\t"
			 "mov %2, %%ss\n\t"
			 "mov %3, %%fs\n\t"
			 "mov %3, %%gs\n\t"
			 "ltr %4\n\t"
			 "lidt %5" ::"m"(gdtr),
			 "i"(SELECTOR_CODE), "r"(SELECTOR_DATA), "r"(0), "r"((u16)SELECTOR_TSS),
			 "m"(idtr)
			 : "rax", "memory");
}

void trap_init_cpu(u32 cpu, const u64 *ist_tops)
{
	u64 base = (u64)&tsses[cpu];
	u64 limit = sizeof(struct tss) - 1;

	if (!cpu)
		fill_idt();
	tsses[cpu].io_map = sizeof(struct tss);
	if (ist_tops)
		trap_set_stacks(cpu, ist_tops);
	gdts[cpu][0] = 0;
	gdts[cpu][1] = 0x00af9b000000ffffULL; /* 64-bit code, ring 0 */
	gdts[cpu][2] = 0x00cf93000000ffffULL; /* data */
	gdts[cpu][3] = limit | (base & 0xffffff) << 16 | 0x89ULL << 40 | (base >> 24 & 0xff) << 56;
	gdts[cpu][4] = base >> 32;
	load_segments(cpu);
}

void trap_handle(const struct trap_frame *frame)
{
	if (frame->vector < VECTOR_FIRST)
		host_fault(frame);
	else
		host_interrupt((u8)frame->vector);
}
