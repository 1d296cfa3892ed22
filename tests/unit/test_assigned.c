// SPDX-License-Identifier: Apache-2.0
/* Functions given to guests: who may, what is shown, what reaches them, and in which order. */
// SOURCES: guest/assigned.c guest/assigned_config.c guest/assigned_bar.c guest/assigned_irq.c
// SOURCES: guest/pci.c guest/pci_port.c guest/bar.c guest/msi.c guest/msix.c guest/power.c
// SOURCES: core/region.c drivers/iommu_ram.c drivers/pci_msi.c guest/assigned_rom.c
// SOURCES: guest/assigned_intx.c
// SOURCES: core/lib/string.c core/lib/error.c core/lib/fmt.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h wants the above first. */
#include <cmocka.h>

#include "core/frame.h"
#include "core/irq.h"
#include "drivers/pci_groups.h"
#include "drivers/pci_reset.h"
#include "guest/assigned.h"
#include "guest/assigned_parts.h"
#include "tests/unit/fake_pci.h"
#include "tests/unit/fake_percpu.h"

#define DISK		 PCI_BDF(0, 4, 0) /* MSI-X: table and PBA among registers; FLR */
#define TIMER		 PCI_BDF(0, 5, 0) /* MSI, a BAR smaller than a page; no reset */
#define BRIDGE		 PCI_BDF(0, 6, 0)
#define NIL		 PCI_BDF(0, 7, 0)
#define CHUNKS		 3
#define VECTORS		 65
#define BAR_AT		 0xc0000000ULL
#define VIDEO_AT	 0xd0000000ULL
#define REMAPPED(vector) (0xfee10000u + (vector))

/* In configuration space of the disk. */
#define CAP_POWER  0x40
#define CAP_MSIX   0x50
#define CAP_PCIE   0x60
#define CAP_VENDOR 0xa0
#define CAP_DOOR   0xc0
#define CAP_MSI	   0x48 /* of the timer */
#define TABLE	   0x2800
#define PBA	   0x3000

#define GUEST_DEVICE 5 /* the first free place on the guest's bus 0 */

static struct pci buses;
static struct iommu units;
static struct config_host host;
static struct config_guest guest_config;
static hpa_t chunks[CHUNKS];
static u8 space[2][256];
static u8 registers[2][KIB(16)];
static _Alignas(8) u8 video[MIB(1)];
static _Alignas(16) u8 frames[8][KIB(32)];
static u32 frames_taken, held, vectors, messages;
static char trace[512];
static struct pci_function *conflict;
static enum pci_reset_kind disk_reset;
static enum err reset_result, attach_result, unmap_result, detach_result;
static irq_handler handlers[64];
static void *handler_ctx[64];
static u32 config_writes;
static u32 rom_size; /* of the disk's option ROM */
static u8 rom[KIB(4)], shadow[KIB(8)];
static struct timer *armed;
static u32 status_reads;

static void note(const char *what)
{
	size_t used = strlen(trace);

	snprintf(trace + used, sizeof(trace) - used, "%s ", what);
}

/* ---- the machine ---- */

static u32 index_of(u16 bdf)
{
	assert_true(bdf == DISK || bdf == TIMER);
	return bdf == TIMER;
}

struct pci_function *pci_find(struct pci *pci, u16 bdf)
{
	for (u32 i = 0; i < pci->function_count; i++)
		if (pci->functions[i].bdf == bdf)
			return &pci->functions[i];
	return NULL;
}

u32 pci_read(struct pci *pci, u16 bdf, u32 offset, unsigned width)
{
	u32 value = 0;

	(void)pci;
	memcpy(&value, &space[index_of(bdf)][offset], width);
	status_reads += offset == PCI_STATUS;
	return value;
}

void pci_write(struct pci *pci, u16 bdf, u32 offset, unsigned width, u32 value)
{
	(void)pci;
	if (offset == PCI_ROM)
		value &= bdf == DISK && rom_size ? ~(rom_size - 1) | 1 : 0;
	memcpy(&space[index_of(bdf)][offset], &value, width);
	config_writes++;
}

/* What answers in the BAR's place is the other one from now on. */
static void swap_rom(u16 bdf)
{
	u8 was[sizeof(rom)];
	u32 bar, at;

	memcpy(&bar, &space[index_of(bdf)][PCI_BAR0], 4);
	memcpy(&at, &space[index_of(bdf)][PCI_ROM], 4);
	if (bdf != DISK || !(at & 1))
		return;
	assert_int_equal(bar, 0); /* both would answer */
	assert_int_equal(at, BAR_AT | 1);
	memcpy(was, registers[0], sizeof(was));
	memcpy(registers[0], rom, sizeof(rom));
	memcpy(rom, was, sizeof(rom));
}

enum err gmem_write(const struct gmem *mem, gpa_t gpa, const void *src, size_t size)
{
	(void)mem;
	assert_int_equal(gpa.raw, 0xc0000);
	assert_true(size <= sizeof(shadow));
	memcpy(shadow, src, size);
	return OK;
}

void pci_change(struct pci *pci, u16 bdf, u32 offset, u32 set, u32 clear)
{
	pci_write(pci, bdf, offset, 2, (pci_read(pci, bdf, offset, 2) & ~clear) | set);
}

void pci_enable(struct pci *pci, const struct pci_function *function, u16 command)
{
	(void)pci;
	if (command & PCI_COMMAND_MEMORY)
		swap_rom(function->bdf);
	space[index_of(function->bdf)][4] |= (u8)command;
	space[index_of(function->bdf)][5] |= (u8)(command >> 8);
	if (command & PCI_COMMAND_BUS_MASTER)
		note("master");
}

void pci_disable(struct pci *pci, const struct pci_function *function, u16 command)
{
	(void)pci;
	if (space[index_of(function->bdf)][4] & command & PCI_COMMAND_MEMORY)
		swap_rom(function->bdf);
	space[index_of(function->bdf)][4] &= (u8)~command;
	if (command & PCI_COMMAND_BUS_MASTER)
		note("no-master");
}

bool pci_is_bridge(const struct pci_function *function)
{
	return function->header_type;
}

enum err pci_claim(struct pci *pci, struct pci_function *function, const char *owner)
{
	(void)pci;
	if (function->owner && function->owner != owner)
		return ERR_EXISTS;
	if (pci_is_bridge(function))
		return ERR_DENIED;
	function->owner = owner;
	return OK;
}

void pci_release(struct pci *pci, struct pci_function *function, const char *owner)
{
	(void)pci;
	if (function->owner == owner)
		function->owner = NULL;
}

const struct pci_function *pci_group_conflict(struct pci *pci, const struct pci_function *function,
					      const char *owner)
{
	(void)pci;
	(void)function;
	return conflict && conflict->owner != owner ? conflict : NULL;
}

enum pci_reset_kind pci_reset_kind(struct pci *pci, const struct pci_function *function)
{
	(void)pci;
	return function->bdf == DISK ? disk_reset : PCI_RESET_NONE;
}

/* Nothing of the guest's memory is given back, nor given, around it. */
enum err pci_reset(struct pci *pci, const struct pci_function *function)
{
	(void)pci;
	assert_int_equal(space[index_of(function->bdf)][4] & PCI_COMMAND_BUS_MASTER, 0);
	note(held ? "reset-held" : "reset");
	space[index_of(function->bdf)][4] = 0;
	return reset_result;
}

static void *map(hpa_t base, u64 size)
{
	u64 at = base.raw - BAR_AT;

	if (base.raw == VIDEO_AT && size == sizeof(video))
		return video;
	assert_true(at % MIB(1) + size <= sizeof(registers[0]));
	return registers[at / MIB(1)] + at % MIB(1);
}

enum err iommu_domain_init(struct iommu *iommu, struct iommu_domain *domain)
{
	domain->iommu = iommu;
	return OK;
}

enum err iommu_attach(struct iommu_domain *domain, u16 bdf)
{
	(void)domain;
	(void)bdf;
	note("attach");
	return attach_result;
}

enum err iommu_detach(struct iommu_domain *domain, u16 bdf)
{
	(void)domain;
	assert_int_equal(space[index_of(bdf)][4] & PCI_COMMAND_BUS_MASTER, 0);
	note("detach");
	return detach_result;
}

enum err iommu_map(struct iommu_domain *domain, iova_t iova, hpa_t hpa, u64 size, u32 rights)
{
	(void)domain;
	assert_int_equal(rights, IOMMU_READ | IOMMU_WRITE);
	assert_int_equal(size, GMEM_CHUNK_SIZE);
	assert_int_equal(hpa.raw, chunks[iova.raw / GMEM_CHUNK_SIZE].raw);
	if (!iova.raw)
		note("map");
	return OK;
}

enum err iommu_unmap(struct iommu_domain *domain, iova_t iova, u64 size)
{
	(void)domain;
	assert_int_equal(iova.raw, 0);
	assert_int_equal(size, CHUNKS * GMEM_CHUNK_SIZE);
	note(held ? "unmap-held" : "unmap");
	return unmap_result;
}

enum err iommu_irq_set(struct iommu *iommu, const struct iommu_irq *irq, u64 *address, u32 *data)
{
	(void)iommu;
	assert_true(irq->source == DISK || irq->source == TIMER);
	*address = REMAPPED(irq->vector) + irq->apic_id * 256;
	*data = 0;
	messages++;
	return OK;
}

enum err iommu_irq_clear(struct iommu *iommu, u16 source, u64 address, u32 data)
{
	(void)iommu;
	(void)data;
	assert_int_equal(source, DISK);
	assert_true(address >= REMAPPED(0) && address < REMAPPED(256));
	messages--;
	return OK;
}

u32 cpu_id(void)
{
	return percpu_self()->id;
}

enum err irq_register(irq_handler handler, void *ctx, u8 *vector)
{
	if (vectors == ARRAY_SIZE(handlers))
		return ERR_FULL;
	handlers[vectors] = handler;
	handler_ctx[vectors] = ctx;
	*vector = (u8)vectors++;
	return OK;
}

hpa_t frame_alloc_contiguous(u32 pages)
{
	assert_true(pages * PAGE_SIZE <= sizeof(frames[0]) && frames_taken < ARRAY_SIZE(frames));
	memset(frames[frames_taken], 0, sizeof(frames[0]));
	return HPA(++frames_taken);
}

void *frame_ptr(hpa_t frame)
{
	return frames[frame.raw - 1];
}

void frame_dma_get(hpa_t hpa, u64 size)
{
	(void)hpa;
	held += size == GMEM_CHUNK_SIZE;
}

void frame_dma_put(hpa_t hpa, u64 size)
{
	(void)hpa;
	held -= size == GMEM_CHUNK_SIZE;
	if (!held)
		note("let-go");
}

void pci_wait_ns(const struct pci *pci, u64 ns)
{
	(void)pci;
	fake_later_ns += ns;
}

void timer_set(struct timer *timer, u64 deadline_ns)
{
	armed = timer;
	timer->deadline_ns = deadline_ns;
	list_init(&timer->node);
}

static void disarm(void)
{
	if (armed)
		armed->node.next = NULL;
	armed = NULL;
}

/* ---- set-up ---- */

static void put(u16 bdf, u32 offset, u32 value)
{
	memcpy(&space[index_of(bdf)][offset], &value, 4);
}

static void add_function(struct pci_function function)
{
	buses.functions[buses.function_count++] = function;
}

static void describe_disk(void)
{
	add_function((struct pci_function){
		.bdf = DISK,
		.vendor_id = 0x1af4,
		.device_id = 0x1042,
		.msix = CAP_MSIX,
		.msix_vectors = VECTORS,
		.msix_offset = TABLE,
		.bars = { { PCI_BAR_MEM64, false, BAR_AT, KIB(16) } },
	});
	put(DISK, 0, ~0U); /* as of a virtual function: the table has its ids */
	put(DISK, 4, 0x00100000);
	put(DISK, 8, 0x01080203);
	put(DISK, 0x2c, 0x56781234);
	put(DISK, 0x34, CAP_POWER);
	put(DISK, 0x3c, 0x0000010b); /* an interrupt pin */
	put(DISK, CAP_POWER, 0x00030001 | CAP_MSIX << 8);
	put(DISK, CAP_MSIX, 0x00400011 | CAP_PCIE << 8);
	put(DISK, CAP_MSIX + 4, TABLE);
	put(DISK, CAP_MSIX + 8, PBA);
	put(DISK, CAP_PCIE, 0x00020010 | CAP_VENDOR << 8);
	put(DISK, CAP_PCIE + 4, 0x10008001); /* function-level reset */
	put(DISK, CAP_PCIE + 8, 0x2810);
	put(DISK, CAP_VENDOR, 0x01100009 | CAP_DOOR << 8);
	put(DISK, CAP_VENDOR + 8, 0xabcd);
	put(DISK, CAP_DOOR, 0x05140009);
}

static void describe_timer(void)
{
	add_function((struct pci_function){
		.bdf = TIMER,
		.vendor_id = 0x1234,
		.device_id = 0x11e8,
		.msi = CAP_MSI,
		.bars = { { PCI_BAR_MEM32, false, BAR_AT + MIB(1) + 0x100, 256 },
			  { PCI_BAR_IO, false, 0x6000, 32 },
			  { PCI_BAR_MEM32, true, BAR_AT + MIB(1) + KIB(8), KIB(8) } },
	});
	put(TIMER, 0, 0x11e81234);
	put(TIMER, 4, 0x00100000);
	put(TIMER, 0x34, CAP_MSI);
	put(TIMER, CAP_MSI, 0x018a0005); /* 64 bits, masks, 32 messages */
}

static void give(u16 bdf)
{
	guest_config.devices.bdf[guest_config.devices.count++] = bdf;
}

static int prepare(void **state)
{
	(void)state;
	memset(&buses, 0, sizeof(buses));
	memset(space, 0, sizeof(space));
	memset(registers, 0, sizeof(registers));
	memset(shadow, 0, sizeof(shadow));
	rom_size = 0;
	memset(&guest_config, 0, sizeof(guest_config));
	memset(&fake_vm, 0, sizeof(fake_vm));
	memset(&fake_pci, 0, sizeof(fake_pci));
	buses.map = map;
	fake_later_ns = 0;
	units.irq_remapping = true;
	host = (struct config_host){ .assign_without_reset = true };
	describe_disk();
	describe_timer();
	add_function((struct pci_function){ .bdf = BRIDGE, .header_type = 1 });
	frames_taken = held = vectors = messages = config_writes = fake_direct_count =
		fake_msi_count = 0;
	fake_log_lines = fake_lines = 0;
	disarm();
	trace[0] = fake_last_line[0] = 0;
	conflict = NULL;
	disk_reset = PCI_RESET_FLR;
	reset_result = attach_result = unmap_result = detach_result = OK;
	fake_end = VM_END_NONE;
	fake_cpus_start();
	for (u32 i = 0; i < CHUNKS; i++)
		chunks[i] = HPA(GIB(1) + (CHUNKS - i) * GMEM_CHUNK_SIZE);
	fake_vm.ops = &fake_ops;
	fake_vm.id = 1;
	fake_vm.config = &guest_config;
	fake_vm.memory.size = CHUNKS * GMEM_CHUNK_SIZE;
	fake_vm.memory.chunks = chunks;
	(void)str_copy(fake_vm.name, sizeof(fake_vm.name), "alpha");
	assigned_init(&host, &buses, &units);
	if (power_create(&fake_vm, &fake_power) ||
	    guest_pci_create(&fake_vm, &fake_pci, &fake_power))
		return -1;
	guest_pci_reset(&fake_pci);
	return 0;
}

static void begin(void)
{
	assert_int_equal(assigned_create(&fake_vm, &fake_pci), OK);
	guest_pci_reset(&fake_pci);
	trace[0] = 0;
	assert_int_equal(assigned_start(&fake_vm), OK);
}

/* No function of this test's is looked at in the next one. */
static int finish(void **state)
{
	(void)state;
	assigned_stop(&fake_vm);
	return 0;
}

static int run_disk(void **state)
{
	if (prepare(state))
		return -1;
	give(DISK);
	begin();
	return 0;
}

static int run_timer(void **state)
{
	if (prepare(state))
		return -1;
	give(TIMER);
	begin();
	return 0;
}

/* ---- who may have it ---- */

static void refuses(u16 bdf, const char *why)
{
	give(bdf);
	assert_int_not_equal(assigned_create(&fake_vm, &fake_pci), OK);
	if (!strstr(fake_last_line, why))
		fail_msg("\"%s\" does not say \"%s\"", fake_last_line, why);
	assert_null(fake_pci.slots[GUEST_DEVICE].function);
	assert_int_equal(held, 0);
}

static void nothing_is_given_without_an_iommu(void **state)
{
	(void)state;
	assigned_init(&host, &buses, NULL);
	refuses(DISK, "guest alpha: 00:04.0 is not given to it: no IOMMU would confine it");
}

static void nothing_is_given_without_interrupt_remapping_unless_the_file_says_so(void **state)
{
	units.irq_remapping = false;
	refuses(DISK, "`assign-without-ir = yes`");
	(void)prepare(state);
	units.irq_remapping = false;
	host.assign_without_ir = true;
	give(DISK);
	assert_int_equal(assigned_create(&fake_vm, &fake_pci), OK);
}

static void bridges_and_what_is_not_there_are_refused(void **state)
{
	refuses(BRIDGE, "it is a bridge");
	(void)prepare(state);
	refuses(NIL, "00:07.0 is not given to it: there is no such function");
}

static void what_another_has_is_refused(void **state)
{
	(void)state;
	buses.functions[0].owner = "gpu 0";
	refuses(DISK, "gpu 0 has it");
	assert_string_equal(buses.functions[0].owner, "gpu 0");
	(void)prepare(NULL);
	buses.functions[0].owner = "facet";
	buses.functions[0].vfs = 2;
	refuses(DISK, "its virtual functions are on (`sriov` in [host])");
}

static void a_group_is_given_whole(void **state)
{
	conflict = &buses.functions[1];
	refuses(DISK, "its group is not whole without 00:05.0");
	assert_null(buses.functions[0].owner);
	(void)prepare(state);
	conflict = &buses.functions[1];
	give(DISK);
	give(TIMER);
	assert_int_equal(assigned_create(&fake_vm, &fake_pci), OK);
}

static void what_nothing_resets_is_refused_unless_the_file_says_so(void **state)
{
	host.assign_without_reset = false;
	refuses(TIMER, "`assign-without-reset = yes`");
	(void)prepare(state);
	host.assign_without_reset = false;
	give(DISK);
	assert_int_equal(assigned_create(&fake_vm, &fake_pci), OK);
}

static void firmwares_memory_is_a_reason_to_refuse(void **state)
{
	(void)state;
	attach_result = ERR_DENIED;
	refuses(DISK, "RMRR");
	assert_null(buses.functions[0].owner);
}

static void a_table_outside_of_its_bar_is_refused(void **state)
{
	(void)state;
	buses.functions[0].msix_offset = KIB(16) - 64;
	refuses(DISK, "malformed");
}

/* ---- in which order ---- */

static void it_is_reset_before_it_reaches_memory(void **state)
{
	(void)state;
	assert_string_equal(trace, "reset map attach ");
	assert_int_equal(held, CHUNKS);
	assert_int_equal(space[0][4], PCI_COMMAND_MEMORY);
}

static void memory_is_let_go_when_reset_and_unmapping_are_over(void **state)
{
	(void)state;
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 6);
	trace[0] = 0;
	assigned_stop(&fake_vm);
	assert_string_equal(trace, "no-master reset-held detach unmap-held let-go ");
	assert_int_equal(held, 0);
	assert_int_equal(assigned_start(&fake_vm), OK);
	assert_int_equal(held, CHUNKS);
}

static void one_that_does_not_come_back_is_not_used_again(void **state)
{
	(void)state;
	reset_result = ERR_TIMEOUT;
	trace[0] = 0;
	assigned_stop(&fake_vm);
	assert_string_equal(trace, "reset-held detach unmap-held let-go ");
	assert_non_null(strstr(fake_last_line, "00:04.0 did not come back from its reset"));
	reset_result = OK;
	assert_int_equal(assigned_start(&fake_vm), ERR_DEVICE);
	assert_int_equal(held, 0);
	assert_int_equal(space[0][4] & PCI_COMMAND_BUS_MASTER, 0);
}

static void what_nothing_resets_gets_time_to_run_dry(void **state)
{
	u64 before = now_ns();

	(void)state;
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 6);
	trace[0] = 0;
	assigned_stop(&fake_vm);
	assert_string_equal(trace, "no-master detach unmap-held let-go ");
	assert_true(now_ns() - before >= 2 * PCI_RESET_DRAIN_NS);
}

static void a_display_that_nothing_resets_is_made_black(void **state)
{
	(void)state;
	buses.functions[1].class_code = 0x038000;
	buses.functions[1].bars[3] = (struct pci_bar){ PCI_BAR_MEM32, true, VIDEO_AT, MIB(1) };
	memset(registers[1], 0x77, sizeof(registers[1]));
	memset(video, 0x77, sizeof(video));
	give(TIMER);
	begin();
	assert_int_equal(video[0], 0);
	assert_int_equal(video[MIB(1) - 1], 0);
	assert_int_equal(registers[1][KIB(8)], 0x77); /* registers are no picture */
	video[MIB(1) - 1] = 0x55;
	assigned_stop(&fake_vm);
	assert_int_equal(video[MIB(1) - 1], 0);
}

static void memory_stays_taken_while_the_iommu_may_remember_it(void **state)
{
	(void)state;
	unmap_result = ERR_TIMEOUT;
	assigned_stop(&fake_vm);
	assert_int_equal(held, CHUNKS);
	assert_non_null(strstr(fake_last_line, "its memory stays taken"));
	assert_int_equal(assigned_start(&fake_vm), ERR_BUSY);
	unmap_result = OK;
	detach_result = ERR_TIMEOUT;
	assigned_stop(&fake_vm);
	assert_int_equal(held, 0); /* a second try, and it is out of the domain already */
}

static void memory_stays_taken_while_a_function_is_in_the_domain(void **state)
{
	(void)state;
	detach_result = ERR_TIMEOUT;
	trace[0] = 0;
	assigned_stop(&fake_vm);
	assert_string_equal(trace, "reset-held detach ");
	assert_int_equal(held, CHUNKS);
	assert_int_equal(assigned_start(&fake_vm), ERR_BUSY);
}

static void the_guest_switches_bus_mastering(void **state)
{
	(void)state;
	trace[0] = 0;
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 6);
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 6);
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 2);
	assert_string_equal(trace, "master no-master ");
	assigned_stop(&fake_vm);
	trace[0] = 0;
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 6);
	assert_string_equal(trace, "");
}

/* ---- configuration space ---- */

static u32 shown(u32 offset)
{
	return fake_read_config(GUEST_DEVICE, offset, 4);
}

static void a_guest_sees_what_is_on_the_list(void **state)
{
	(void)state;
	assert_int_equal(shown(0), 0x10421af4);
	assert_int_equal(shown(8), 0x01080203);
	assert_int_equal(shown(0x2c), 0x56781234);
	assert_int_equal(shown(0x30), 0);	 /* no option ROM */
	assert_int_equal(shown(0x3c), 0x0115);	 /* pin A, GSI 21 */
	assert_int_equal(shown(0x34), CAP_MSIX); /* no power management */
	assert_int_equal(shown(CAP_POWER), 0);
	assert_int_equal(shown(CAP_MSIX), 0x000f0011 | CAP_PCIE << 8); /* 16 vectors */
	assert_int_equal(shown(CAP_MSIX + 4), TABLE);
	assert_int_equal(shown(CAP_MSIX + 8), PBA);
	assert_int_equal(shown(CAP_PCIE), 0x00920010 | CAP_VENDOR << 8); /* integrated endpoint */
	assert_int_equal(shown(CAP_PCIE + 4), 0x8001);			 /* no reset of its own */
	assert_int_equal(shown(CAP_PCIE + 8), 0);
	assert_int_equal(shown(CAP_VENDOR), 0x01100009); /* the last one: no door */
	assert_int_equal(shown(CAP_VENDOR + 8), 0xabcd);
	assert_int_equal(shown(CAP_DOOR), 0);
	for (u32 offset = 256; offset < 4096; offset += 4)
		assert_int_equal(shown(offset), 0);
}

static void a_list_in_a_circle_ends(void **state)
{
	(void)state;
	put(DISK, CAP_DOOR, 0x05140009 | CAP_POWER << 8);
	give(DISK);
	begin();
	assert_int_equal(shown(0x34), CAP_MSIX);
}

/* Of all that a guest can write, one bit of the command register and MSI-X's switch go on. */
static void hostile_writes_do_not_reach_the_function(void **state)
{
	static const u32 values[] = { 0, ~0u, 0x55555555, 0xaaaaaaaa, 0x8000 };
	u8 before[256];

	(void)state;
	memcpy(before, space[0], sizeof(before));
	for (u32 i = 0; i < ARRAY_SIZE(values); i++)
		for (u32 size = 1; size <= 4; size *= 2)
			for (u32 offset = 0; offset < 4096; offset += size)
				fake_write_config(GUEST_DEVICE, offset, (u8)size, values[i]);
	before[4] = space[0][4];
	before[CAP_MSIX + 3] = space[0][CAP_MSIX + 3];
	assert_int_equal(space[0][4] & ~PCI_COMMAND_BUS_MASTER, PCI_COMMAND_MEMORY);
	assert_int_equal(space[0][CAP_MSIX + 3] & 0x7f, 0);
	assert_memory_equal(space[0], before, sizeof(before));
	assert_int_equal(shown(0), 0x10421af4);
}

/* ---- BARs ---- */

static u64 bar(u32 index)
{
	return fake_read_config(GUEST_DEVICE, REG_BAR(index), 4) & ~0xfu;
}

static u64 access_at(u64 address, u8 size, bool write, u64 value)
{
	return fake_access(&fake_vm.mmio, address, size, write, value);
}

static void pages_of_its_own_go_straight_to_the_guest(void **state)
{
	(void)state;
	assert_int_equal(fake_direct_count, 1); /* two pages before the table's */
	assert_int_equal(fake_direct[0].gpa, bar(0));
	assert_int_equal(fake_direct[0].size, KIB(8));
	assert_int_equal(fake_direct[0].hpa.raw, BAR_AT);
}

static void neighbours_of_the_table_are_passed_on_at_their_width(void **state)
{
	(void)state;
	for (u8 size = 1; size <= 8; size *= 2) {
		access_at(bar(0) + 0x2000 + size, size, true, 0x8877665544332211);
		assert_memory_equal(registers[0] + 0x2000 + size,
				    "\x11\x22\x33\x44\x55\x66\x77\x88", size);
		assert_int_equal(registers[0][0x2000 + 2 * size], 0);
		assert_true(access_at(bar(0) + 0x2000 + size, size, false, 0) ==
			    (0x8877665544332211 & (size == 8 ? ~0ULL : BIT(size * 8) - 1)));
		memset(registers[0] + 0x2000, 0, 64);
	}
}

static void the_physical_table_is_out_of_reach(void **state)
{
	u8 before[VECTORS * 16];

	(void)state;
	memcpy(before, registers[0] + TABLE, sizeof(before));
	for (u8 size = 1; size <= 8; size *= 2)
		for (u64 at = TABLE; at < TABLE + sizeof(before); at += size)
			access_at(bar(0) + at, size, true, ~0ULL);
	for (u64 at = PBA; at < PBA + 16; at += 8)
		access_at(bar(0) + at, 8, true, ~0ULL);
	assert_memory_equal(registers[0] + TABLE, before, sizeof(before));
	assert_int_equal(registers[0][PBA], 0);
	assert_int_equal(access_at(bar(0) + TABLE, 4, false, 0), ~0u);	       /* the guest's */
	assert_int_equal(access_at(bar(0) + TABLE + 16 * 16, 4, false, 0), 0); /* behind its */
}

static void of_a_small_bars_page_only_the_bar_is_reached(void **state)
{
	(void)state;
	assert_int_equal(~fake_read_config(GUEST_DEVICE, REG_BAR(0), 4) & 0xf, 0xf);
	registers[1][0x100 - 1] = registers[1][0x200] = 0x77;
	access_at(bar(0) + 255, 1, true, 0x42);
	assert_int_equal(registers[1][0x1ff], 0x42);
	assert_int_equal(access_at(bar(0) + 256, 1, false, 0), 0xff);
	access_at(bar(0) + 256, 1, true, 0);
	access_at(bar(0) + 0xfff, 1, true, 0);
	assert_int_equal(registers[1][0x200], 0x77);
	assert_int_equal(bar(1), 0); /* ports are not shown */
	assert_int_equal(fake_direct_count, 1);
	assert_int_equal(fake_direct[0].hpa.raw, BAR_AT + MIB(1) + KIB(8));
}

/* ---- option ROM ---- */

static void begin_with_rom(u32 size)
{
	memset(rom, 0x5a, sizeof(rom));
	memset(registers[0], 0x11, sizeof(rom));
	put(DISK, PCI_BAR0, BAR_AT | 4);
	rom_size = size;
	give(DISK);
	begin();
}

static void a_rom_is_copied_in_the_place_of_a_bar(void **state)
{
	u32 direct, unmapped, at;

	(void)state;
	begin_with_rom(sizeof(rom));
	assert_int_equal(space[0][PCI_ROM] & 1, 0); /* the function decodes its BARs again */
	memcpy(&at, &space[0][PCI_BAR0], 4);
	assert_int_equal(at & ~0xfu, BAR_AT);
	assert_int_equal(registers[0][0], 0x11);

	fake_write_config(GUEST_DEVICE, PCI_ROM, 4, 0xfffff800);
	assert_int_equal(shown(PCI_ROM), ~(u32)(sizeof(rom) - 1));
	direct = fake_direct_count;
	unmapped = fake_unmap_count;
	fake_write_config(GUEST_DEVICE, PCI_ROM, 4, 0xc8000001);
	assert_int_equal(fake_direct_count, direct + 1);
	assert_int_equal(fake_direct[direct].gpa, 0xc8000000);
	assert_memory_equal(frame_ptr(fake_direct[direct].hpa), "\x5a\x5a\x5a\x5a", 4);
	assert_false(fake_direct_attr.write);
	assert_int_equal(fake_direct[0].gpa, bar(0));
	assert_int_equal(fake_unmap_count, unmapped); /* a driver may be at work there */
	fake_write_config(GUEST_DEVICE, PCI_ROM, 4, 0xc8000000);
	assert_int_equal(fake_direct_count, direct);
	assert_int_equal(space[0][PCI_ROM] & 1, 0);
}

static void a_rom_without_a_place_is_not_shown(void **state)
{
	(void)state;
	buses.functions[0].bars[0].size = KIB(16);
	begin_with_rom(KIB(32));
	fake_write_config(GUEST_DEVICE, PCI_ROM, 4, ~0u);
	assert_int_equal(shown(PCI_ROM), 0);
}

static void a_displays_rom_is_where_firmware_runs_it(void **state)
{
	(void)state;
	buses.functions[0].class_code = 0x030000;
	begin_with_rom(sizeof(rom));
	assert_int_equal(shadow[0], 0x5a);
	assert_int_equal(shadow[sizeof(rom)], 0);
}

/* ---- interrupts ---- */

static void set_entry(u32 vector, u64 address, u32 data, u32 control)
{
	access_at(bar(0) + TABLE + vector * 16, 8, true, address);
	access_at(bar(0) + TABLE + vector * 16 + 8, 8, true, (u64)control << 32 | data);
}

static u32 entry(u32 vector, u32 word)
{
	u32 value;

	memcpy(&value, registers[0] + TABLE + vector * 16 + word * 4, 4);
	return value;
}

static void start_msix(void)
{
	set_entry(3, 0xfee00000, 0x61, 0);
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 6);
	fake_write_config(GUEST_DEVICE, CAP_MSIX + 2, 2, 0x8000);
}

static void the_function_gets_messages_of_the_iommus(void **state)
{
	(void)state;
	start_msix();
	assert_int_equal(space[0][CAP_MSIX + 3] & 0xc0, 0x80);
	for (u32 i = 0; i < VECTORS; i++) {
		assert_int_equal(entry(i, 3), i < ASSIGNED_IRQS ? 0 : 1);
		if (i < ASSIGNED_IRQS)
			assert_int_equal(entry(i, 0), REMAPPED(i));
	}
	fake_write_config(GUEST_DEVICE, CAP_MSIX + 2, 2, 0);
	assert_int_equal(space[0][CAP_MSIX + 3] & 0x80, 0);
}

static void interrupts_go_where_the_guest_switched_them_on(void **state)
{
	(void)state;
	assert_int_equal(messages, ASSIGNED_IRQS);
	fake_become(2);
	start_msix();
	assert_int_equal(entry(3, 0), REMAPPED(3) + 2 * 256);
	assert_int_equal(messages, ASSIGNED_IRQS); /* the old ones are taken back */
	fake_become(1);
	fake_write_config(GUEST_DEVICE, CAP_MSIX + 2, 2, 0xc000);
	assert_int_equal(entry(3, 0), REMAPPED(3) + 2 * 256); /* not while they are on */
}

static void its_interrupt_becomes_the_guests(void **state)
{
	(void)state;
	start_msix();
	handlers[3](handler_ctx[3]);
	assert_int_equal(fake_msi_count, 1);
	assert_int_equal(fake_msi_data, 0x61);
	set_entry(3, 0xfee00000, 0x61, 1);
	handlers[3](handler_ctx[3]);
	assert_int_equal(fake_msi_count, 1);
	assert_int_equal(access_at(bar(0) + PBA, 4, false, 0), BIT(3));
	set_entry(3, 0xfee00000, 0x62, 0);
	assert_int_equal(fake_msi_data, 0x62);
	assigned_stop(&fake_vm);
	handlers[3](handler_ctx[3]);
	assert_int_equal(fake_msi_count, 2);
	assert_int_equal(space[0][CAP_MSIX + 3] & 0x80, 0);
}

static void msi_is_one_message_and_the_address_the_iommus(void **state)
{
	u32 physical;

	(void)state;
	assert_int_equal(shown(CAP_MSI), 0x00800005); /* neither masks nor more messages */
	fake_write_config(GUEST_DEVICE, CAP_MSI + 4, 4, 0xfee01000);
	fake_write_config(GUEST_DEVICE, CAP_MSI + 12, 2, 0x4055);
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 6);
	handlers[0](handler_ctx[0]);
	assert_int_equal(fake_msi_count, 0);
	fake_write_config(GUEST_DEVICE, CAP_MSI + 2, 2, 0x71);
	memcpy(&physical, &space[1][CAP_MSI + 4], 4);
	assert_int_equal(physical, REMAPPED(0));
	assert_int_equal(space[1][CAP_MSI + 2] & 0x71, 1);
	handlers[0](handler_ctx[0]);
	assert_int_equal(fake_msi_count, 1);
	assert_int_equal(fake_msi_address, 0xfee01000);
	assert_int_equal(fake_msi_data, 0x4055);
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 2);
	handlers[0](handler_ctx[0]);
	assert_int_equal(fake_msi_count, 1); /* no bus master, no message */
}

static void too_many_interrupts_are_held_back(void **state)
{
	(void)state;
	start_msix();
	for (u32 i = 0; i < 1000; i++)
		handlers[3](handler_ctx[3]);
	assert_int_equal(entry(3, 3), 0);
	handlers[3](handler_ctx[3]);
	assert_int_equal(entry(3, 3), 1);
	assigned_housekeeping();
	assert_int_equal(entry(3, 3), 1); /* the window is not over */
	fake_later_ns = 10000001;
	assigned_housekeeping();
	assert_int_equal(entry(3, 3), 0);
	assert_int_equal(entry(3, 0), REMAPPED(3));
}

/* ---- INTx ---- */

#define LINE	 BIT(21) /* of what is in slot GUEST_DEVICE */
#define ASSERTED 0x08	 /* in the low byte of the status register */
#define STATUS	 0x06

static void pass(u64 ns)
{
	struct timer *due = armed;

	fake_later_ns += ns;
	if (!due || due->deadline_ns > now_ns())
		return;
	disarm();
	due->fire(due);
}

/* A millisecond, in which it asserts or not. */
static void pass_with(u16 bdf, u8 asserts)
{
	space[index_of(bdf)][STATUS] = 0x10 | asserts;
	pass(1000000);
}

/* Its driver has taken it, and it has asserted its line. */
static void assert_line(void)
{
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 6);
	assigned_housekeeping();
	assert_int_equal(fake_lines, 0);
	pass_with(DISK, ASSERTED);
	assert_int_equal(fake_lines, LINE);
}

static void a_function_that_asserts_drives_its_guests_line(void **state)
{
	(void)state;
	assert_line();
	assert_int_equal(space[0][5] & 4, 4); /* its own line stays off */
	assert_int_equal(shown(4) >> 16 & 0xff, 0x10 | ASSERTED);
	pass_with(DISK, ASSERTED);
	assert_int_equal(fake_lines, LINE);
	pass_with(DISK, 0);
	assert_int_equal(fake_lines, 0);
	assert_int_equal(shown(4) >> 16 & 0xff, 0x10);
}

static void the_end_of_an_interrupt_looks_at_its_line_and_no_other(void **state)
{
	(void)state;
	assert_line();
	space[0][STATUS] = 0x10;
	status_reads = 0;
	assigned_look_intx(&fake_vm, ~(u32)LINE);
	assert_int_equal(status_reads, 0);
	assert_int_equal(fake_lines, LINE);
	assigned_look_intx(&fake_vm, LINE);
	assert_int_equal(status_reads, 1);
	assert_int_equal(fake_lines, 0);
}

static void it_is_looked_at_once_a_millisecond(void **state)
{
	(void)state;
	assert_line();
	status_reads = 0;
	for (u32 i = 0; i < 100; i++) {
		fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, i & 1 ? 6 : 0x406);
		assigned_housekeeping();
		pass(100000);
	}
	assert_in_range(status_reads, 4, 10);
}

static void nobody_is_looked_at_who_does_not_use_it(void **state)
{
	(void)state;
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 0);
	assigned_housekeeping();
	assert_null(armed);
	start_msix();
	assigned_housekeeping();
	assert_null(armed);
}

static void messages_or_its_switch_let_the_line_go(void **state)
{
	static const struct {
		u32 at, off, on;
	} switches[] = {
		{ CAP_MSIX + 2, 0x8000, 0 },
		{ REG_COMMAND, 0x406, 6 },
		{ REG_COMMAND, 0, 6 },
	};

	(void)state;
	assert_line();
	for (u32 i = 0; i < ARRAY_SIZE(switches); i++) {
		fake_write_config(GUEST_DEVICE, switches[i].at, 2, switches[i].off);
		assert_int_equal(fake_lines, 0);
		assert_int_equal(shown(4) >> 16 & ASSERTED, 0);
		pass_with(DISK, ASSERTED);
		assert_int_equal(fake_lines, 0);
		assert_null(armed);
		fake_write_config(GUEST_DEVICE, switches[i].at, 2, switches[i].on);
		assigned_housekeeping();
		assert_int_equal(fake_lines, LINE);
	}
}

static void msi_lets_the_line_go(void **state)
{
	(void)state;
	put(TIMER, 0x3c, 0x0100);
	give(TIMER);
	begin();
	assigned_housekeeping();
	pass_with(TIMER, ASSERTED);
	assert_int_equal(fake_lines, LINE);
	fake_write_config(GUEST_DEVICE, CAP_MSI + 2, 2, 1);
	assert_int_equal(fake_lines, 0);
	pass_with(TIMER, ASSERTED);
	assert_int_equal(fake_lines, 0);
}

static void the_end_of_its_guest_lets_the_line_go(void **state)
{
	(void)state;
	assert_line();
	assigned_stop(&fake_vm);
	assert_int_equal(fake_lines, 0);
	pass_with(DISK, ASSERTED);
	assert_int_equal(fake_lines, 0);
	assert_null(armed);
	space[0][STATUS] = 0x10;
	guest_pci_reset(&fake_pci);
	assert_int_equal(shown(4) >> 16 & ASSERTED, 0);
	assert_int_equal(assigned_start(&fake_vm), OK);
	assert_line();
}

static void one_that_is_gone_asserts_nothing(void **state)
{
	(void)state;
	assert_line();
	space[0][STATUS + 1] = 0xff;
	pass_with(DISK, 0xff);
	assert_int_equal(fake_lines, 0);
}

/* Devices 5 and 13 have one line. */
static void a_line_is_high_as_long_as_one_of_several_asserts_it(void **state)
{
	static struct vpci_function between[7];

	(void)state;
	memset(between, 0, sizeof(between));
	for (u32 i = 0; i < ARRAY_SIZE(between); i++)
		fake_pci.slots[GUEST_DEVICE + 1 + i].function = &between[i];
	put(TIMER, 0x3c, 0x0400);
	give(DISK);
	give(TIMER);
	begin();
	assert_int_equal(fake_read_config(13, 0x3c, 2), 0x0115); /* the guest's pin is A */
	assert_line();
	pass_with(TIMER, ASSERTED);
	pass_with(DISK, 0);
	assert_int_equal(fake_lines, LINE);
	fake_write_config(GUEST_DEVICE, CAP_MSIX + 2, 2, 0x8000);
	assert_int_equal(fake_lines, LINE);
	pass_with(TIMER, 0);
	assert_int_equal(fake_lines, 0);
}

static void each_device_has_its_own_line(void **state)
{
	(void)state;
	put(TIMER, 0x3c, 0x0100);
	give(DISK);
	give(TIMER);
	begin();
	assert_line();
	pass_with(TIMER, ASSERTED);
	assert_int_equal(fake_lines, LINE | LINE << 1);
	pass_with(DISK, 0);
	assert_int_equal(fake_lines, LINE << 1);
}

static void a_virtual_function_has_no_pin(void **state)
{
	(void)state;
	buses.functions[0].physical = PCI_BDF(0, 2, 0);
	give(DISK);
	begin();
	assert_int_equal(shown(0x3c), 0);
	assigned_housekeeping();
	assert_null(armed);
}

/* ---- faults ---- */

static const struct iommu_fault fault = {
	.bdf = DISK, .write = true, .reason = "no right to write", .iova = { 0x80000000 }
};

static void a_blocked_access_is_its_guests(void **state)
{
	(void)state;
	assigned_fault(&fault);
	assert_string_equal(fake_last_line,
			    "guest alpha: its device 00:04.0 was kept from writing 0x80000000: no "
			    "right to write");
	assert_int_equal(fake_end, VM_END_NONE);
	fake_log_lines = 0;
	for (u32 i = 0; i < 100; i++)
		assigned_fault(&fault);
	assert_true(fake_log_lines <= 4);
}

static void one_of_nobodys_is_told_too_and_does_not_use_up_the_guests_lines(void **state)
{
	struct iommu_fault other = fault;

	(void)state;
	other.bdf = TIMER;
	guest_config.on_dma_fault = CONFIG_DMA_FAULT_STOP;
	fake_log_lines = 0;
	for (u32 i = 0; i < 100; i++)
		assigned_fault(&other);
	assert_int_equal(fake_end, VM_END_NONE);
	assert_string_equal(fake_last_line,
			    "IOMMU: device 00:05.0 was kept from writing 0x80000000: no right to "
			    "write");
	assert_int_equal(fake_log_lines, 4);
	assigned_fault(&fault);
	assert_int_equal(fake_log_lines, 5);
	assert_int_equal(fake_end, VM_END_CRASH);
}

static void the_file_says_that_it_ends_the_guest(void **state)
{
	(void)state;
	guest_config.on_dma_fault = CONFIG_DMA_FAULT_STOP;
	assigned_fault(&fault);
	assert_int_equal(fake_end, VM_END_CRASH);
	assert_string_equal(fake_end_reason, "its device 00:04.0 was kept from writing 0x80000000");
}

/* ---- while it runs ---- */

#define SLOT_EVENTS 0x108
#define PORT	    1
#define SLOT_BUS    (1 << 5) /* bus 1 as a device number of fake_ecam() */

static u32 slot_status(void)
{
	return fake_read_config(PORT, 0x5a, 2);
}

/* As a driver of root ports does: hot-plug interrupts by message 0x51. */
static void watch_slot(void)
{
	fake_write_config(PORT, REG_COMMAND, 2, 4);
	fake_write_config(PORT, 0x84, 4, 0xfee00000);
	fake_write_config(PORT, 0x8c, 2, 0x51);
	fake_write_config(PORT, 0x82, 2, 1);
	fake_write_config(PORT, 0x58, 2, 0x1028);
}

static void a_function_is_plugged_in_and_pulled_out(void **state)
{
	(void)state;
	watch_slot();
	fake_vm.state = VM_RUNNING;
	assert_int_equal(fake_read_config(SLOT_BUS, 0, 4), ~0u);
	assert_int_equal(assigned_attach(&fake_vm, &fake_pci, DISK), OK);
	/* Tried in the empty domain; then as at a start. */
	assert_string_equal(trace, "attach detach reset map attach ");
	assert_int_equal(slot_status(), SLOT_EVENTS | 0x40);
	assert_int_equal(fake_read_config(PORT, 0x52, 2) & 0x2000, 0x2000); /* the link is up */
	assert_int_equal(fake_msi_count, 1);
	assert_int_equal(fake_msi_data, 0x51);
	assert_int_equal(fake_read_config(SLOT_BUS, 0, 4), 0x10421af4);
	assert_int_equal(fake_read_config(SLOT_BUS, REG_COMMAND, 2), 0);
	assert_int_equal(fake_direct_count, 0);
	assert_int_equal(fake_read_config(SLOT_BUS, CAP_PCIE + 2, 2), 2); /* an endpoint */
	fake_write_config(SLOT_BUS, REG_COMMAND, 2, 6);
	assert_int_equal(fake_direct_count, 1);
	fake_write_config(PORT, 0x5a, 2, SLOT_EVENTS);
	assert_int_equal(slot_status(), 0x40);

	trace[0] = 0;
	assert_int_equal(assigned_detach(&fake_vm, &fake_pci, DISK), OK);
	assert_string_equal(trace, "no-master reset-held detach unmap-held let-go ");
	assert_int_equal(slot_status(), SLOT_EVENTS);
	assert_int_equal(fake_msi_count, 2);
	assert_int_equal(fake_read_config(SLOT_BUS, 0, 4), ~0u);
	assert_int_equal(fake_direct_count, 0);
	assert_null(buses.functions[0].owner);
	assert_int_equal(assigned_detach(&fake_vm, &fake_pci, DISK), ERR_NOT_FOUND);
}

static void one_that_is_pulled_out_lets_its_ports_line_go(void **state)
{
	(void)state;
	fake_vm.state = VM_RUNNING;
	assert_int_equal(assigned_attach(&fake_vm, &fake_pci, DISK), OK);
	assert_int_equal(fake_read_config(SLOT_BUS, 0x3c, 2), 0x0111);
	fake_write_config(SLOT_BUS, REG_COMMAND, 2, 6);
	assigned_housekeeping();
	pass_with(DISK, ASSERTED);
	assert_int_equal(fake_lines, BIT(17));
	assert_int_equal(assigned_detach(&fake_vm, &fake_pci, DISK), OK);
	assert_int_equal(fake_lines, 0);
	pass_with(DISK, ASSERTED);
	assert_int_equal(fake_lines, 0);
	assert_null(armed);
}

static void coming_and_going_takes_nothing_with_it(void **state)
{
	(void)state;
	fake_vm.state = VM_RUNNING;
	for (u32 i = 0; i < 1000; i++) {
		assert_int_equal(assigned_attach(&fake_vm, &fake_pci, DISK), OK);
		trace[0] = 0;
		assert_int_equal(assigned_detach(&fake_vm, &fake_pci, DISK), OK);
		trace[0] = 0;
	}
	assert_int_equal(frames_taken, 1);
	assert_int_equal(vectors, ASSIGNED_IRQS);
	assert_int_equal(held, 0);
}

static void a_slot_does_not_interrupt_twice_for_one_reason(void **state)
{
	(void)state;
	watch_slot();
	fake_vm.state = VM_RUNNING;
	assert_int_equal(assigned_attach(&fake_vm, &fake_pci, DISK), OK);
	assert_int_equal(assigned_detach(&fake_vm, &fake_pci, DISK), OK);
	fake_write_config(PORT, 0x58, 2, 0x1028);
	assert_int_equal(slot_status(), SLOT_EVENTS);
	assert_int_equal(fake_msi_count, 1); /* the guest has not cleared the first */
	fake_write_config(PORT, 0x5a, 1, 8);
	fake_write_config(PORT, 0x5b, 1, 1);
	assert_int_equal(slot_status(), 0);
	assert_int_equal(assigned_attach(&fake_vm, &fake_pci, DISK), OK);
	assert_int_equal(fake_msi_count, 2);
}

static void memory_is_held_for_those_that_stay(void **state)
{
	(void)state;
	fake_vm.state = VM_RUNNING;
	assert_int_equal(assigned_attach(&fake_vm, &fake_pci, DISK), OK);
	assert_int_equal(assigned_attach(&fake_vm, &fake_pci, TIMER), OK);
	fake_log_lines = 0;
	assert_int_equal(assigned_detach(&fake_vm, &fake_pci, DISK), OK);
	assert_int_equal(fake_log_lines, 1); /* and no complaint */
	assert_string_equal(fake_last_line, "guest alpha: 00:04.0 is pulled out");
	assert_int_equal(held, CHUNKS);
	assert_int_equal(assigned_detach(&fake_vm, &fake_pci, TIMER), OK);
	assert_int_equal(held, 0);
}

static void one_that_is_lost_while_pulled_out_is_nobodys(void **state)
{
	(void)state;
	fake_vm.state = VM_RUNNING;
	assert_int_equal(assigned_attach(&fake_vm, &fake_pci, DISK), OK);
	reset_result = ERR_TIMEOUT;
	assert_int_equal(assigned_detach(&fake_vm, &fake_pci, DISK), OK);
	assert_int_equal(held, 0);
	reset_result = OK;
	assert_int_equal(assigned_attach(&fake_vm, &fake_pci, DISK), ERR_DENIED);
	assert_non_null(strstr(fake_last_line, "lost has it"));
}

static void what_was_plugged_in_is_there_after_a_restart(void **state)
{
	(void)state;
	assert_int_equal(assigned_attach(&fake_vm, &fake_pci, DISK), OK); /* stopped */
	assert_int_equal(held, 0);
	guest_pci_reset(&fake_pci);
	assert_int_equal(assigned_start(&fake_vm), OK);
	assert_int_equal(held, CHUNKS);
	assert_int_equal(slot_status(), 0x40);
	assert_int_equal(fake_read_config(SLOT_BUS, REG_COMMAND, 2), 2);
	assert_int_equal(fake_direct_count, 1);
}

#define TEST(rule)	 cmocka_unit_test_setup_teardown(rule, prepare, finish)
#define WITH_DISK(rule)	 cmocka_unit_test_setup_teardown(rule, run_disk, finish)
#define WITH_TIMER(rule) cmocka_unit_test_setup_teardown(rule, run_timer, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_given_without_an_iommu),
		TEST(nothing_is_given_without_interrupt_remapping_unless_the_file_says_so),
		TEST(bridges_and_what_is_not_there_are_refused),
		TEST(what_another_has_is_refused),
		TEST(a_group_is_given_whole),
		TEST(what_nothing_resets_is_refused_unless_the_file_says_so),
		TEST(firmwares_memory_is_a_reason_to_refuse),
		TEST(a_table_outside_of_its_bar_is_refused),
		WITH_DISK(it_is_reset_before_it_reaches_memory),
		WITH_DISK(memory_is_let_go_when_reset_and_unmapping_are_over),
		WITH_DISK(one_that_does_not_come_back_is_not_used_again),
		WITH_TIMER(what_nothing_resets_gets_time_to_run_dry),
		TEST(a_display_that_nothing_resets_is_made_black),
		WITH_DISK(memory_stays_taken_while_the_iommu_may_remember_it),
		WITH_DISK(memory_stays_taken_while_a_function_is_in_the_domain),
		WITH_DISK(the_guest_switches_bus_mastering),
		WITH_DISK(a_guest_sees_what_is_on_the_list),
		TEST(a_list_in_a_circle_ends),
		WITH_DISK(hostile_writes_do_not_reach_the_function),
		WITH_DISK(pages_of_its_own_go_straight_to_the_guest),
		WITH_DISK(neighbours_of_the_table_are_passed_on_at_their_width),
		WITH_DISK(the_physical_table_is_out_of_reach),
		WITH_TIMER(of_a_small_bars_page_only_the_bar_is_reached),
		TEST(a_rom_is_copied_in_the_place_of_a_bar),
		TEST(a_rom_without_a_place_is_not_shown),
		TEST(a_displays_rom_is_where_firmware_runs_it),
		WITH_DISK(the_function_gets_messages_of_the_iommus),
		WITH_DISK(interrupts_go_where_the_guest_switched_them_on),
		WITH_DISK(its_interrupt_becomes_the_guests),
		WITH_TIMER(msi_is_one_message_and_the_address_the_iommus),
		WITH_DISK(too_many_interrupts_are_held_back),
		WITH_DISK(a_function_that_asserts_drives_its_guests_line),
		WITH_DISK(the_end_of_an_interrupt_looks_at_its_line_and_no_other),
		WITH_DISK(it_is_looked_at_once_a_millisecond),
		WITH_DISK(nobody_is_looked_at_who_does_not_use_it),
		WITH_DISK(messages_or_its_switch_let_the_line_go),
		TEST(msi_lets_the_line_go),
		WITH_DISK(the_end_of_its_guest_lets_the_line_go),
		WITH_DISK(one_that_is_gone_asserts_nothing),
		TEST(a_line_is_high_as_long_as_one_of_several_asserts_it),
		TEST(each_device_has_its_own_line),
		TEST(a_virtual_function_has_no_pin),
		WITH_DISK(a_blocked_access_is_its_guests),
		WITH_DISK(one_of_nobodys_is_told_too_and_does_not_use_up_the_guests_lines),
		WITH_DISK(the_file_says_that_it_ends_the_guest),
		TEST(a_function_is_plugged_in_and_pulled_out),
		TEST(one_that_is_pulled_out_lets_its_ports_line_go),
		TEST(coming_and_going_takes_nothing_with_it),
		TEST(a_slot_does_not_interrupt_twice_for_one_reason),
		TEST(memory_is_held_for_those_that_stay),
		TEST(one_that_is_lost_while_pulled_out_is_nobodys),
		TEST(what_was_plugged_in_is_there_after_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
