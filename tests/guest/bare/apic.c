/* SPDX-License-Identifier: Apache-2.0 */
/* The bare guest's local APIC: on, and able to end an interrupt. SDM 3A, chapter 11. */
#include "tests/guest/bare/bare.h"

#define APIC_BASE      0x1b
#define APIC_ON	       0xc00 /* enabled, x2APIC */
#define APIC_MMIO      0xfee00000ull
#define APIC_ID	       0x20
#define APIC_EOI       0xb0
#define APIC_SPURIOUS  0xf0
#define SOFTWARE_ON    0x1ff /* vector 255 for what is spurious */
#define PIC_FIRST      0x21  /* masks */
#define PIC_SECOND     0xa1
#define CPUID_X2APIC   (1u << 21)
#define X2APIC_MSR(at) (0x800u + (at) / 16)

static bool x2apic;

static void write(u32 at, u32 value)
{
	if (x2apic)
		wrmsr(X2APIC_MSR(at), value);
	else
		*(volatile u32 *)(APIC_MMIO + at) = value;
}

void apic_init(void)
{
	u32 regs[4];

	cpuid(1, regs);
	x2apic = regs[2] & CPUID_X2APIC;
	if (x2apic)
		wrmsr(APIC_BASE, rdmsr(APIC_BASE) | APIC_ON);
	else
		map_device(APIC_MMIO, 4096);
	/* Directly on QEMU there is an 8259, and its timer's vector is an exception's. */
	outb(PIC_FIRST, 0xff);
	outb(PIC_SECOND, 0xff);
	write(APIC_SPURIOUS, SOFTWARE_ON);
}

void apic_end_of_interrupt(void)
{
	write(APIC_EOI, 0);
}

u64 apic_message_address(void)
{
	u32 id = x2apic ? (u32)rdmsr(X2APIC_MSR(APIC_ID))
			: *(volatile u32 *)(APIC_MMIO + APIC_ID) >> 24;

	return APIC_MMIO | (u64)(id & 0xff) << 12;
}
