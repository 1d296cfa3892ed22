/* SPDX-License-Identifier: Apache-2.0 */
/* Control registers, MSRs and CPUID of the processor that executes this. */
#ifndef ARCH_X86_CPU_H
#define ARCH_X86_CPU_H

#include "arch/x86/cpuid.h"
#include "core/lib/types.h"

/* SDM vol. 4; APM vol. 2 appendix A. */
#define MSR_TSC		   0x00000010u
#define MSR_APIC_BASE	   0x0000001bu
#define MSR_PAT		   0x00000277u
#define MSR_EFER	   0xc0000080u
#define MSR_STAR	   0xc0000081u
#define MSR_LSTAR	   0xc0000082u
#define MSR_CSTAR	   0xc0000083u
#define MSR_SFMASK	   0xc0000084u
#define MSR_FS_BASE	   0xc0000100u
#define MSR_GS_BASE	   0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_SYSENTER_CS	   0x00000174u
#define MSR_SYSENTER_ESP   0x00000175u
#define MSR_SYSENTER_EIP   0x00000176u
#define MSR_DEBUGCTL	   0x000001d9u
#define MSR_VM_CR	   0xc0010114u
#define MSR_VM_HSAVE_PA	   0xc0010117u

#define EFER_SCE  BIT(0)
#define EFER_LME  BIT(8)
#define EFER_LMA  BIT(10)
#define EFER_NXE  BIT(11)
#define EFER_SVME BIT(12)

#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)

#define CR4_PSE	       BIT(4)
#define CR4_PAE	       BIT(5)
#define CR4_PGE	       BIT(7)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_VMXE       BIT(13)
#define CR4_OSXSAVE    BIT(18)
#define CR4_SMEP       BIT(20)
#define CR4_SMAP       BIT(21)

#define RFLAGS_FIXED BIT(1)
#define RFLAGS_IF    BIT(9)
#define RFLAGS_VM    BIT(17)

static inline u64 rdtsc(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

/* On the build host a test stands in for the processor. */
#ifdef FACET_HOST
#define PROCESSOR __attribute__((weak))
u64 rdmsr(u32 index) PROCESSOR;
void wrmsr(u32 index, u64 value) PROCESSOR;
u64 read_cr0(void) PROCESSOR;
void write_cr0(u64 value) PROCESSOR;
u64 read_cr2(void) PROCESSOR;
void write_cr2(u64 value) PROCESSOR;
u64 read_cr3(void) PROCESSOR;
void write_cr3(u64 value) PROCESSOR;
u64 read_cr4(void) PROCESSOR;
void write_cr4(u64 value) PROCESSOR;
u64 read_dr6(void) PROCESSOR;
void write_dr6(u64 value) PROCESSOR;
u64 descriptor_table_base(bool gdt) PROCESSOR;
void take_nmi(void) PROCESSOR;
void xsetbv(u32 index, u64 value) PROCESSOR;
u32 this_cpu_number(void) PROCESSOR;
#undef PROCESSOR
#else
static inline u64 rdmsr(u32 index)
{
	u32 low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
	return (u64)high << 32 | low;
}

static inline void wrmsr(u32 index, u64 value)
{
	__asm__ volatile("wrmsr" ::"c"(index), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

#define DEFINE_CR(name) \
	static inline u64 read_##name(void) \
	{ \
		u64 value; \
\
		__asm__ volatile("mov %%" #name ", %0" : "=r"(value)); \
		return value; \
	} \
	static inline void write_##name(u64 value) \
	{ \
		__asm__ volatile("mov %0, %%" #name ::"r"(value) : "memory"); \
	}

DEFINE_CR(cr0)
DEFINE_CR(cr2)
DEFINE_CR(cr3)
DEFINE_CR(cr4)

static inline u64 read_dr6(void)
{
	u64 value;

	__asm__ volatile("mov %%db6, %0" : "=r"(value));
	return value;
}

static inline void write_dr6(u64 value)
{
	__asm__ volatile("mov %0, %%db6" ::"r"(value));
}

/* Base of this CPU's GDT or IDT. */
static inline u64 descriptor_table_base(bool gdt)
{
	struct packed_struct {
		u16 limit;
		u64 base;
	} table;

	if (gdt)
		__asm__ volatile("sgdt %0" : "=m"(table));
	else
		__asm__ volatile("sidt %0" : "=m"(table));
	return table.base;
}

/* Run our own handler of an NMI that a VM exit has consumed. */
static inline void take_nmi(void)
{
	__asm__ volatile("int $2" ::: "memory");
}

static inline void xsetbv(u32 index, u64 value)
{
	__asm__ volatile("xsetbv" ::"c"(index), "a"((u32)value), "d"((u32)(value >> 32)));
}

/* As core/ counts CPUs, whatever their APIC ids: it lies where GS points. */
static inline u32 this_cpu_number(void)
{
	u32 number;

	__asm__("movl %%gs:0, %0" : "=r"(number));
	return number;
}
#endif

static inline void invlpg(const void *address)
{
	__asm__ volatile("invlpg (%0)" ::"r"(address) : "memory");
}

static inline void interrupts_off(void)
{
	__asm__ volatile("cli" ::: "memory");
}

/* Let what is pending be taken, once: the hypervisor keeps IF = 0 otherwise. */
static inline void interrupts_take_pending(void)
{
	__asm__ volatile("sti; nop; cli" ::: "memory");
}

/* Sleep until an interrupt; it has been taken when this returns. STI's shadow closes the race. */
static inline void cpu_sleep(void)
{
	__asm__ volatile("sti; hlt; cli" ::: "memory");
}

static inline _Noreturn void cpu_stop(void)
{
	for (;;)
		__asm__ volatile("cli; hlt" ::: "memory");
}

#endif
