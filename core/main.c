// SPDX-License-Identifier: Apache-2.0
/* Starts every room, in the order in which it can be read here. */
#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/spinlock.h"
#include "arch/x86/trap.h"
#include "core/frame_init.h"
#include "core/handover.h"
#include "core/log_sink.h"
#include "core/percpu.h"
#include "core/ptab_formats.h"
#include "core/sched.h"
#include "core/smp.h"
#include "core/time_init.h"
#include "core/vmap.h"
#include "core/vmap_init.h"
#include "drivers/uart.h"

_Noreturn void core_main(const struct handover *record);
void switch_stack(u64 cr3, u64 stack, void (*function)(void *), void *argument);

static struct handover handover; /* our copy: the loader's memory becomes guests' */
static struct spinlock early_lock;

static void early_line(const char *line)
{
	size_t n = 0;

	while (line[n])
		n++;
	spin_lock(&early_lock);
	uart_write(line, n);
	uart_write("\r\n", 2);
	spin_unlock(&early_lock);
}

static void early_raw(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	uart_write(text, n);
}

static void init_this_cpu(void)
{
	wrmsr(MSR_PAT, PTAB_PAT_VALUE);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
	write_cr0((read_cr0() | CR0_WP) & ~(CR0_CD | CR0_NW | CR0_AM));
	write_cr4(read_cr4() | CR4_PGE);
}

static void main_on_own_tables(void *unused);

_Noreturn void core_main(const struct handover *record)
{
	struct vmap_stacks stacks;

	uart_init(UART_COM1, 115200);
	log_set_sinks(early_line, early_raw);
	trap_init_cpu(0, NULL);
	percpu_init(0, 0); /* after the segments: loading GS clears its base */
	if (record->magic != HANDOVER_MAGIC || record->record_size != sizeof(handover))
		panic("the hand-over record is not of this version");
	handover = *record;
	init_this_cpu();
	if (frame_init(&handover))
		panic("not enough memory: 32 MiB in a row below 4 GiB are needed");
	if (vmap_init(&handover) || vmap_make_stacks(0, &stacks))
		panic("not enough memory for the hypervisor's own page tables");
	percpu_of(0)->stacks = stacks;
	trap_set_stacks(0, stacks.ist_tops);
	switch_stack(vmap_root(), stacks.main_top, main_on_own_tables, NULL);
	cpu_stop();
}

static void ap_main(void)
{
	init_this_cpu();
	apic_init_cpu();
	smp_mark_online();
	log_info("CPU %u runs", cpu_id());
	sched_loop(NULL);
}

static void main_on_own_tables(void *unused)
{
	u32 ids[4] = { 0, 1, 2, 3 };

	(void)unused;
	frame_pool_moved(vmap_pool());
	apic_set_registers(vmap_mmio(HPA(APIC_PHYSICAL_BASE), PAGE_SIZE));
	apic_init_cpu();
	percpu_of(0)->apic_id = apic_id();
	percpu_of(0)->online = 1;
	time_init(handover.unix_seconds);
	log_info("TSC %lu MHz", time_tsc_hz() / 1000000);
	smp_start(ids, 2, ap_main);
	log_info("%u CPUs", cpu_count());
	virt = virt_select();
	log_info("%s", virt ? virt->name : "none");
	if (virt && virt->cpu_enable())
		log_error("cpu_enable");
	sched_loop(NULL);
}
