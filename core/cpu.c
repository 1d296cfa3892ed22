// SPDX-License-Identifier: Apache-2.0
/* Numbers and records of the physical processors. */
#include "core/cpu.h"

#include "arch/x86/cpu.h"
#include "core/percpu.h"

_Static_assert(offsetof(struct percpu, self) == 8, "percpu_self() reads GS:8");

static struct percpu records[CPU_MAX];

u32 cpu_id(void)
{
	return this_cpu_number();
}

struct percpu *percpu_of(u32 cpu)
{
	return &records[cpu];
}

void percpu_init(u32 cpu, u32 apic)
{
	records[cpu].id = cpu;
	records[cpu].apic_id = apic;
	records[cpu].armed_ns = ~0ULL;
	list_init(&records[cpu].timers);
	records[cpu].self = &records[cpu];
	wrmsr(MSR_GS_BASE, (u64)&records[cpu]);
}
