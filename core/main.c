// SPDX-License-Identifier: Apache-2.0
/* Starts every room, in the order in which it can be read here. */
#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/trap.h"
#include "core/config.h"
#include "core/console.h"
#include "core/files.h"
#include "core/frame.h"
#include "core/frame_init.h"
#include "core/handover.h"
#include "core/irq.h"
#include "core/lib/string.h"
#include "core/log.h"
#include "core/percpu.h"
#include "core/ptab_formats.h"
#include "core/sched.h"
#include "core/smp.h"
#include "core/softirq.h"
#include "core/time_init.h"
#include "core/vmap.h"
#include "core/vmap_init.h"
#include "drivers/acpi.h"
#include "drivers/iommu.h"
#include "drivers/pci.h"
#include "drivers/pci_commands.h"
#include "drivers/pci_groups.h"
#include "drivers/pci_sriov.h"
#include "drivers/uart.h"
#include "gpu/commands.h"
#include "gpu/config.h"
#include "gpu/gpu.h"
#include "guest/assigned.h"
#include "guest/commands.h"
#include "guest/machine.h"

#define FACET_VERSION "0.1"

_Noreturn void core_main(const struct handover *record);
void switch_stack(u64 cr3, u64 stack, void (*function)(void *), void *argument);

static struct handover handover; /* our copy: the loader's memory becomes guests' */
static struct acpi_info acpi;
static bool have_acpi;
static struct pci pci;
static struct iommu iommu;
static bool have_iommu;
static struct config config;
static struct config_errors config_errors;

static const struct console_port uart_port = { uart_write, uart_read };

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
	uart_init(UART_COM1, 115200);
	console_start(&uart_port);
	trap_init_cpu(0, NULL);
	percpu_init(0, 0); /* after the segments: loading GS clears its base */
	if (record->magic != HANDOVER_MAGIC || record->record_size != sizeof(handover))
		panic("the hand-over record is not of this version");
	handover = *record;
	init_this_cpu();
	if (frame_init(&handover))
		panic("not enough memory: 32 MiB in a row below 4 GiB are needed");
	if (vmap_init(&handover) || vmap_init_cpu(0))
		panic("not enough memory for the hypervisor's own page tables");
	trap_set_stacks(0, percpu_of(0)->stacks.ist_tops);
	switch_stack(vmap_root(), percpu_of(0)->stacks.main_top, main_on_own_tables, NULL);
	cpu_stop();
}

static void ap_main(void)
{
	init_this_cpu();
	apic_init_cpu();
	if (virt && virt->cpu_enable())
		panic("CPU %u cannot switch %s on though the first one did", cpu_id(), virt->name);
	__atomic_store_n(&percpu_self()->online, 1, __ATOMIC_RELEASE);
	sched_loop(NULL);
}

static void read_acpi(void)
{
	have_acpi = !acpi_parse(vmap_readonly, HPA(handover.rsdp), &acpi);
	for (u32 i = 0; i < acpi.complaint_count; i++)
		log_warn("ACPI table %s: %s", acpi.complaints[i].table, acpi.complaints[i].what);
}

/* The MADT's processors; those of UEFI where it names none. */
static u32 list_processors(u32 ids[CPU_MAX])
{
	u32 count = 0;

	for (u32 i = 0; i < acpi.cpu_count && count < CPU_MAX; i++)
		ids[count++] = acpi.cpus[i].apic_id;
	for (u32 i = 0; !acpi.cpu_count && i < handover.cpu_count && count < CPU_MAX; i++)
		if (handover.cpus[i].usable)
			ids[count++] = handover.cpus[i].apic_id;
	return count;
}

static void start_processors(void)
{
	u32 ids[CPU_MAX];
	u32 count = list_processors(ids);

	smp_start(ids, count, ap_main);
	log_info("%u processors, TSC %lu MHz", cpu_count(), time_tsc_hz() / 1000000);
}

/* While a function is being reset, this CPU goes on serving GPUs. */
static void serve(void)
{
	interrupts_take_pending();
	softirq_run();
}

static void start_pci(void)
{
	static const struct acpi_mcfg ports_only;
	const struct acpi_mcfg *mcfg =
		acpi.mcfg_count && !acpi.mcfg->segment ? acpi.mcfg : &ports_only;

	pci_init(&pci, vmap_mmio, mcfg->base, mcfg->first_bus, mcfg->last_bus);
	pci.relax = serve;
	pci_enumerate(&pci);
}

/* One line about a machine of which no table tells, and what stands in for them. */
static void fill_in_for_acpi(void)
{
	bool piix4;

	if (have_acpi)
		return;
	piix4 = acpi_defaults(&pci, &acpi);
	log_warn("firmware gives no usable ACPI tables: processors as %s, local APIC at %08lx, "
		 "PCI by ports, %s; no IOMMU is known",
		 handover.cpu_count ? "UEFI lists them" : "found: this one only",
		 (u64)APIC_PHYSICAL_BASE,
		 piix4 ? "PM timer and power off by the PIIX4" : "8254 timer, no power off");
}

/* Everything that can write memory by itself is denied from here on. */
static void start_iommu(void)
{
	const struct acpi_iommus *units = acpi.dmar.present ? &acpi.dmar : &acpi.ivrs;
	enum err e = iommu_start(&iommu, units, &pci, &frame_tables, vmap_mmio, apic_is_x2apic());

	have_iommu = !e;
	if (!e)
		iommu_tell_faults(&iommu);
	if (!e)
		log_info("IOMMU: %u unit%s, every device denied%s%s", iommu.unit_count,
			 iommu.unit_count == 1 ? "" : "s",
			 iommu.irq_remapping ? ", interrupts remapped" : "",
			 iommu.polled ? ", faults polled" : "");
	else if (config.host.iommu == CONFIG_IOMMU_NONE)
		log_warn("no usable IOMMU (%s): no hardware keeps a device from reaching all "
			 "memory, as `iommu = none` allows; no device that could is given to a "
			 "guest",
			 err_name(e));
	else
		log_error("no usable IOMMU (%s): hardware that masters the bus is not used; "
			  "`iommu = none` in [host] allows it",
			  err_name(e));
}

/* From here on the console is as the user wants it. False: no guest is to start. */
static bool read_config(void)
{
	const struct boot_file *file = boot_file_find("facet.conf");
	bool found = file && !file->error;

	config_add(&gpu_config_part);
	config_parse("facet.conf", found ? file->data : "", found ? file->size : 0, &config,
		     &config_errors);
	uart_init(config.host.console_port, config.host.baud);
	log_up_to = (enum log_level)config.host.log_level;
	log_info("Facet " FACET_VERSION);
	if (!found)
		log_error("\\facet\\facet.conf: %s", file ? file->error : "not read");
	for (u32 i = 0; i < MIN(config_errors.count, CONFIG_ERRORS_KEPT); i++)
		log_error("%s", config_errors.kept[i].text);
	if (config_errors.count > CONFIG_ERRORS_KEPT)
		log_error("and %u more", config_errors.count - CONFIG_ERRORS_KEPT);
	if (config_errors.count)
		log_error("facet.conf has errors: no guest is started");
	return found && !config_errors.count;
}

static void report_memory(void)
{
	struct frame_stats stats;

	frame_get_stats(&stats);
	log_info("memory: %lu MiB for guests, %lu KiB of %lu MiB used by the hypervisor, "
		 "image %lu KiB, files %lu KiB",
		 stats.guest_bytes >> 20, stats.pool_used_bytes >> 10, stats.pool_bytes >> 20,
		 stats.image_bytes >> 10, stats.files_bytes >> 10);
}

static void run_poweroff(char *args)
{
	(void)args;
	log_info("power off");
	uart_drain();
	acpi_power_off(&acpi.power);
	log_error("this machine does not switch itself off");
}

static void run_reboot(char *args)
{
	(void)args;
	log_info("reboot");
	uart_drain();
	if (!have_acpi)
		acpi_defaults_before_reset(&pci);
	acpi_reset(&acpi.power);
	log_error("this machine does not reset itself");
}

static const struct console_command power_commands[] = {
	{ "reboot", "", "restart the whole machine", run_reboot, NULL },
	{ "poweroff", "", "switch the whole machine off", run_poweroff, NULL },
};

/* The console looks for typed characters this often while nothing wakes us. */
#define POLL_NS 10000000ULL

static void poll_again(struct timer *timer)
{
	softirq_raise(cpu_id(), SOFTIRQ_CONSOLE);
	timer_set(timer, now_ns() + POLL_NS);
}

static struct timer poll_timer = { .fire = poll_again };

static bool housekeeping(void)
{
	bool more = console_poll();

	iommu_look(&iommu, assigned_fault);
	assigned_housekeeping();
	more |= machine_housekeeping();
	if (machines_idle() && config.host.when_idle == CONFIG_IDLE_POWEROFF && !more)
		run_poweroff(NULL);
	return more;
}

static void main_on_own_tables(void *unused)
{
	bool guests;

	(void)unused;
	frame_pool_moved((void *)VMAP_POOL);
	if (files_init(&handover))
		panic("not enough memory to map the boot files");
	guests = read_config();
	apic_set_registers(vmap_mmio(HPA(APIC_PHYSICAL_BASE), PAGE_SIZE));
	apic_init_cpu();
	percpu_of(0)->apic_id = apic_id();
	percpu_of(0)->online = 1;
	read_acpi();
	start_pci();
	fill_in_for_acpi();
	time_init(handover.boot_tsc, handover.unix_seconds, acpi.power.pm_timer);
	virt = virt_select();
	if (virt && virt->cpu_enable())
		virt = NULL;
	start_processors();
	if (!config.host.guests_on_cpu0 && !sched_reserve_cpu0())
		log_warn("this is the only processor: guests run on it, `guests-on-cpu0 = no` "
			 "or not");
	guests = guests && virt;
	if (guests) {
		start_iommu();
		pci_sriov_start(&pci, have_iommu ? &iommu : NULL, &config.host);
	}
	pci_make_groups(&pci);
	log_info("%u PCI functions", pci.function_count);
	if (guests) {
		if (gpu_start(&config, &pci, have_iommu ? &iommu : NULL))
			log_error("guests that are to have a GPU cannot start");
		assigned_init(&config.host, &pci, have_iommu ? &iommu : NULL);
		machine_create_all(&config);
	}
	commands_register(have_iommu ? &iommu : NULL);
	gpu_commands_register();
	pci_commands_register(&pci, have_iommu ? &iommu : NULL, commands_pci);
	for (u32 i = 0; i < ARRAY_SIZE(power_commands); i++)
		console_register(&power_commands[i]);
	report_memory();
	console_attach(NULL);
	poll_again(&poll_timer);
	sched_loop(housekeeping);
}
