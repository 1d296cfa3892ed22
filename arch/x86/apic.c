// SPDX-License-Identifier: Apache-2.0
/* The physical local APIC in xAPIC or x2APIC mode. */
#include "arch/x86/apic.h"

#include "arch/x86/cpu.h"
#include "arch/x86/spinlock.h"
#include "arch/x86/trap.h"

#define REG_ID		  0x020
#define REG_EOI		  0x0b0
#define REG_TPR		  0x080
#define REG_SPURIOUS	  0x0f0
#define REG_ICR_LOW	  0x300
#define REG_ICR_HIGH	  0x310
#define REG_LVT_TIMER	  0x320
#define REG_LVT_LINT0	  0x350
#define REG_LVT_LINT1	  0x360
#define REG_LVT_ERROR	  0x370
#define REG_TIMER_INITIAL 0x380
#define REG_TIMER_CURRENT 0x390
#define REG_TIMER_DIVIDE  0x3e0

#define MSR_X2APIC_FIRST 0x800u
#define MSR_X2APIC_ICR	 0x830u

#define APIC_BASE_X2APIC BIT(10)
#define APIC_BASE_ENABLE BIT(11)
#define SPURIOUS_ENABLE	 0x100u
#define LVT_MASKED	 0x10000u
#define LVT_NMI		 0x400u
#define ICR_PENDING	 0x1000u
#define ICR_ASSERT	 0x4000u
#define DIVIDE_BY_16	 0x3u

/* Written by the boot CPU at start. */
static volatile u8 *registers;
static bool x2apic;

static u32 read_reg(u32 reg)
{
	if (x2apic)
		return (u32)rdmsr(MSR_X2APIC_FIRST + (reg >> 4));
	return *(volatile u32 *)(volatile void *)(registers + reg);
}

static void write_reg(u32 reg, u32 value)
{
	if (x2apic)
		wrmsr(MSR_X2APIC_FIRST + (reg >> 4), value);
	else
		*(volatile u32 *)(volatile void *)(registers + reg) = value;
}

void apic_set_registers(void *mapping)
{
	registers = mapping;
}

void apic_init_cpu(void)
{
	u64 base = rdmsr(MSR_APIC_BASE);

	x2apic = base & APIC_BASE_X2APIC;
	wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
	write_reg(REG_TPR, 0);
	/* First: LVT entries stay masked until it is enabled (SDM vol. 3, 11.4.7.2). */
	write_reg(REG_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
	write_reg(REG_TIMER_INITIAL, 0);
	write_reg(REG_LVT_TIMER, VECTOR_TIMER);
	write_reg(REG_LVT_LINT0, LVT_MASKED);
	write_reg(REG_LVT_LINT1, LVT_NMI);
	write_reg(REG_LVT_ERROR, LVT_MASKED);
	write_reg(REG_TIMER_DIVIDE, DIVIDE_BY_16);
}

bool apic_is_x2apic(void)
{
	return x2apic;
}

u32 apic_id(void)
{
	u32 id = read_reg(REG_ID);

	return x2apic ? id : id >> 24;
}

void apic_eoi(void)
{
	write_reg(REG_EOI, 0);
}

void apic_send(u32 destination, u32 command)
{
	command |= ICR_ASSERT;
	if (x2apic) {
		/* Not serialising: stores before it must be visible to the receiver. */
		__asm__ volatile("mfence; lfence" ::: "memory");
		wrmsr(MSR_X2APIC_ICR, (u64)destination << 32 | command);
		return;
	}
	while (read_reg(REG_ICR_LOW) & ICR_PENDING) /* the one before is on its way still */
		cpu_relax();
	write_reg(REG_ICR_HIGH, destination << 24);
	write_reg(REG_ICR_LOW, command);
}

void apic_timer_start_free(void)
{
	write_reg(REG_TIMER_INITIAL, 0xffffffffu);
}

u32 apic_timer_remaining(void)
{
	return read_reg(REG_TIMER_CURRENT);
}

void apic_timer_arm(u32 ticks)
{
	write_reg(REG_TIMER_INITIAL, ticks);
}
