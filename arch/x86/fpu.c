// SPDX-License-Identifier: Apache-2.0
/* Saves and restores extended state. The hypervisor itself uses none of it. */
#include "arch/x86/fpu.h"

#include "arch/x86/cpu.h"
#include "arch/x86/host.h"
#include "core/lib/string.h"

#define CPUID1_ECX_XSAVE BIT(26)
#define XSTATE_SWITCHED	 7ULL /* x87, SSE, AVX: what guests are offered */
#define MXCSR_OFFSET	 24
#define FCW_RESET	 0x0040
#define MXCSR_RESET	 0x1f80u

/* Written by each CPU with the same values. */
static bool has_xsave;
static u64 full_xcr0;

void fpu_init_cpu(void)
{
	has_xsave = cpuid(1, 0).ecx & CPUID1_ECX_XSAVE;
	write_cr0((read_cr0() & ~(CR0_EM | CR0_TS)) | CR0_MP);
	write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | (has_xsave ? CR4_OSXSAVE : 0));
	if (!has_xsave)
		return;
	full_xcr0 = cpuid(0xd, 0).eax & XSTATE_SWITCHED;
	xsetbv(0, full_xcr0);
}

void fpu_reset(struct arch_vcpu *vcpu)
{
	u8 *area = host_frame_ptr(vcpu->fpu_frame);

	memset(vcpu->dr, 0, sizeof(vcpu->dr));
	vcpu->xcr0 = 1;
	memset(area, 0, PAGE_SIZE);
	*(u16 *)(void *)area = FCW_RESET;
	*(u32 *)(void *)(area + MXCSR_OFFSET) = MXCSR_RESET;
}

void fpu_load(struct arch_vcpu *vcpu)
{
	const void *area = host_frame_ptr(vcpu->fpu_frame);

	__asm__ volatile("mov %0, %%db0" ::"r"(vcpu->dr[0]));
	__asm__ volatile("mov %0, %%db1" ::"r"(vcpu->dr[1]));
	__asm__ volatile("mov %0, %%db2" ::"r"(vcpu->dr[2]));
	__asm__ volatile("mov %0, %%db3" ::"r"(vcpu->dr[3]));
	if (!has_xsave) {
		__asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
		return;
	}
	xsetbv(0, full_xcr0); /* all of it is restored, also what the guest has switched off */
	__asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"(0xffffffffu), "d"(0xffffffffu)
			 : "memory");
	xsetbv(0, vcpu->xcr0);
}

void fpu_save(struct arch_vcpu *vcpu)
{
	void *area = host_frame_ptr(vcpu->fpu_frame);

	__asm__ volatile("mov %%db0, %0" : "=r"(vcpu->dr[0]));
	__asm__ volatile("mov %%db1, %0" : "=r"(vcpu->dr[1]));
	__asm__ volatile("mov %%db2, %0" : "=r"(vcpu->dr[2]));
	__asm__ volatile("mov %%db3, %0" : "=r"(vcpu->dr[3]));
	if (!has_xsave) {
		__asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
		return;
	}
	xsetbv(0, full_xcr0);
	__asm__ volatile("xsave64 (%0)" ::"r"(area), "a"(0xffffffffu), "d"(0xffffffffu) : "memory");
}

u64 fpu_read_xcr0(void)
{
	u32 low, high;

	if (!has_xsave)
		return 1;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (u64)high << 32 | low;
}
