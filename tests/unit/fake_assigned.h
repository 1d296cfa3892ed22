/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two functions of a machine without hardware, a disk and a timer, and the guest that they are
 * given to: what the tests of guest/assigned*.c stand on. `trace` is what happened, in order.
 */
#ifndef TESTS_UNIT_FAKE_ASSIGNED_H
#define TESTS_UNIT_FAKE_ASSIGNED_H

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
#include "tests/unit/fake_domain.h"
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

#define GUEST_DEVICE 5	      /* the first free place on the guest's bus 0 */
#define SLOT_BUS     (1 << 5) /* bus 1, where its slot leads, as a device number of fake_ecam() */

u32 vm_slots = VM_MAX;
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
static enum err reset_result, unmap_result, detach_result;
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

static void note_attach(u16 bdf)
{
	(void)bdf;
	note("attach");
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

static inline void disarm(void)
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

static inline void give(u16 bdf)
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
	fake_on_attach = note_attach;
	reset_result = fake_attach_result = unmap_result = detach_result = OK;
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

static inline void begin(void)
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

static inline int run_disk(void **state)
{
	if (prepare(state))
		return -1;
	give(DISK);
	begin();
	return 0;
}

static inline int run_timer(void **state)
{
	if (prepare(state))
		return -1;
	give(TIMER);
	begin();
	return 0;
}

/* ---- what the guest does with them ---- */

static inline u32 shown(u32 offset)
{
	return fake_read_config(GUEST_DEVICE, offset, 4);
}

static inline u64 bar(u32 index)
{
	return fake_read_config(GUEST_DEVICE, REG_BAR(index), 4) & ~0xfu;
}

static inline u64 access_at(u64 address, u8 size, bool write, u64 value)
{
	return fake_access(&fake_vm.mmio, address, size, write, value);
}

static inline void set_entry(u32 vector, u64 address, u32 data, u32 control)
{
	access_at(bar(0) + TABLE + vector * 16, 8, true, address);
	access_at(bar(0) + TABLE + vector * 16 + 8, 8, true, (u64)control << 32 | data);
}

static inline void start_msix(void)
{
	set_entry(3, 0xfee00000, 0x61, 0);
	fake_write_config(GUEST_DEVICE, REG_COMMAND, 2, 6);
	fake_write_config(GUEST_DEVICE, CAP_MSIX + 2, 2, 0x8000);
}

#define TEST(rule)	 cmocka_unit_test_setup_teardown(rule, prepare, finish)
#define WITH_DISK(rule)	 cmocka_unit_test_setup_teardown(rule, run_disk, finish)
#define WITH_TIMER(rule) cmocka_unit_test_setup_teardown(rule, run_timer, finish)

#endif
