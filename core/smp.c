// SPDX-License-Identifier: Apache-2.0
/* Starts the other processors by INIT and start-up IPIs (SDM vol. 3, 9.4.4). */
#include "core/smp.h"

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/trap.h"
#include "core/frame_init.h"
#include "core/lib/string.h"
#include "core/log.h"
#include "core/percpu.h"
#include "core/vmap_init.h"
#include "core/window.h"

#define ANSWER_LIMIT_NS 200000000ULL
#define INIT_WAIT_NS	10000000ULL
#define STARTUP_WAIT_NS 200000ULL

extern const u8 smp_trampoline[];
extern const u8 smp_trampoline_data[];
extern const u8 smp_trampoline_end[];

/* The words at the trampoline's end, as entry.S has them. */
struct trampoline_data {
	u64 low_cr3;
	u64 cr3;
	u64 stack;
	u64 entry;
	u64 argument;
};

static void (*cpu_entry)(void);
/* Written by the boot CPU at start. */
static u32 cpus = 1;

u32 cpu_count(void)
{
	return cpus;
}

/* First C function of a started CPU, on its own stack. */
static _Noreturn void started(u64 number)
{
	struct percpu *cpu = percpu_of((u32)number);

	trap_init_cpu((u32)number, cpu->stacks.ist_tops);
	percpu_init((u32)number, cpu->apic_id);
	cpu_entry();
	cpu_stop();
}

static void write_trampoline(hpa_t page, u32 number)
{
	struct trampoline_data data = {
		.low_cr3 = vmap_root(),
		.cr3 = vmap_root(),
		.stack = percpu_of(number)->stacks.main_top,
		.entry = (u64)started,
		.argument = number,
	};
	u8 *code = vmap_window(0, page);
	/* Labels of one piece of assembly: different objects to C, so in numbers. */
	uintptr_t start = (uintptr_t)smp_trampoline;

	memcpy(code, smp_trampoline, (uintptr_t)smp_trampoline_end - start);
	memcpy(code + ((uintptr_t)smp_trampoline_data - start), &data, sizeof(data));
}

static bool wait_online(u32 number, u64 limit_ns)
{
	u64 end = now_ns() + limit_ns;

	while (!__atomic_load_n(&percpu_of(number)->online, __ATOMIC_ACQUIRE)) {
		if (now_ns() > end)
			return false;
		cpu_relax();
	}
	return true;
}

static bool start_one(hpa_t page, u32 number, u32 apic)
{
	percpu_of(number)->apic_id = apic;
	if (vmap_init_cpu(number)) {
		log_warn("processor with APIC id %u left out: no memory for its stacks", apic);
		return false;
	}
	write_trampoline(page, number);
	apic_send(apic, APIC_INIT);
	(void)wait_online(number, INIT_WAIT_NS); /* it cannot be, yet */
	apic_send(apic, APIC_STARTUP | (u8)(page.raw >> PAGE_SHIFT));
	if (wait_online(number, STARTUP_WAIT_NS))
		return true;
	apic_send(apic, APIC_STARTUP | (u8)(page.raw >> PAGE_SHIFT));
	if (wait_online(number, ANSWER_LIMIT_NS))
		return true;
	/* It may wake up late and must not run into the next one's words. */
	apic_send(apic, APIC_INIT);
	log_warn("processor with APIC id %u does not answer: left out", apic);
	return false;
}

void smp_start(const u32 *apic_ids, u32 count, void (*entry)(void))
{
	hpa_t page = frame_low_page();

	cpu_entry = entry;
	if (!page.raw || vmap_map_trampoline(page)) {
		log_warn("no memory below 640 KiB: only one processor is used");
		return;
	}
	for (u32 i = 0; i < count && cpus < CPU_MAX; i++)
		if (apic_ids[i] != apic_id() && start_one(page, cpus, apic_ids[i]))
			cpus++;
	vmap_unmap_trampoline(page);
}
