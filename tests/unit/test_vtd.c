/* SPDX-License-Identifier: Apache-2.0 */
/* IOMMU domains and the VT-d driver against a model with caches that forget only when told. */
// SOURCES: drivers/iommu.c drivers/vtd.c drivers/amdvi.c drivers/pci.c core/ptab.c
// SOURCES: core/ptab_formats.c drivers/iommu_faults.c drivers/pci_msi.c
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/io.h"
#include "core/frame.h"
#include "drivers/iommu.h"
#include "drivers/vtd.h"
#include "tests/unit/fake_faults.h"

/*
 * The model of a unit reads memory through `device_view`, which only
 * cache_flush() brings up to date, as on hardware that does not snoop. It
 * caches context entries, pointers to level-1 tables, pages and interrupt
 * entries until a descriptor tells it to forget them: neither of the emulators
 * that Facet runs on would show a missing flush.
 */

#define FRAMES	   64U
#define FRAME_BASE MIB(32)
#define UNITS	   2
#define CAP_QEMU   0x00d2008c222f0606ULL
#define ECAP_QEMU  0x0000000000f00f4aULL
#define ECAP_EIM   BIT(4)
#define IRTA_EIME  BIT(11)
#define CACHED	   64

#define GPU  PCI_BDF(0, 2, 0)
#define NIC  PCI_BDF(0, 3, 0)
#define FAR  PCI_BDF(5, 0, 0) /* behind the bridge 00:1c.0 */
#define ROOT PCI_BDF(0, 0x1c, 0)

static u8 memory[FRAMES][4096] __attribute__((aligned(4096)));
static u8 device_view[FRAMES][4096];
static bool frame_used[FRAMES];
static int frames_left, frames_in_use;

struct cached_page {
	bool valid;
	u16 domain;
	u64 iova, pa, entry;
};

struct unit {
	u8 regs[4096];
	u64 root, irq_table; /* in force since SRTP and SIRTP */
	u32 queue_head;
	bool dead, queue_fault; /* faults to inject */
	void (*on_unmask)(void);
	bool fault_pending; /* FECTL.IP */
	unsigned flushes;
	struct {
		bool valid;
		u64 low, high;
	} contexts[65536];
	struct cached_page pages[CACHED], tables[CACHED];
	struct {
		bool valid;
		u64 low, high;
	} irqs[256];
};

static struct unit units[UNITS];
static struct iommu iommu;
static struct iommu_domain domain, other;
static struct acpi_iommus dmar;
static struct pci pci;

/* ---- memory ------------------------------------------------------------------------ */

/* AMD's device table: nothing here needs one. */
hpa_t frame_alloc_contiguous(u32 pages)
{
	(void)pages;
	return HPA(0);
}

void frame_free_contiguous(hpa_t frame, u32 pages)
{
	(void)frame;
	(void)pages;
}

static hpa_t alloc_frame(void)
{
	if (frames_left-- <= 0)
		return HPA(0);
	for (unsigned i = 0; i < FRAMES; i++) {
		if (frame_used[i])
			continue;
		frame_used[i] = true;
		frames_in_use++;
		memset(memory[i], 0, 4096);
		memset(device_view[i], 0xff, 4096);
		return HPA(FRAME_BASE + i * 4096ULL);
	}
	return HPA(0);
}

static unsigned frame_at(u64 pa)
{
	assert_in_range(pa, FRAME_BASE, FRAME_BASE + sizeof(memory) - 1);
	assert_true(frame_used[(pa - FRAME_BASE) / 4096]);
	return (unsigned)((pa - FRAME_BASE) / 4096);
}

static void free_frame(hpa_t frame)
{
	frame_used[frame_at(frame.raw)] = false;
	frames_in_use--;
}

static void *map_frame(hpa_t frame)
{
	return (u64 *)memory[frame_at(frame.raw)];
}

static const struct ptab_memory frames = {
	.alloc_table = alloc_frame,
	.free_table = free_frame,
	.window = map_frame,
};

void host_cache_flushed(void *ptr, size_t size)
{
	size_t first = (size_t)((u8 *)ptr - &memory[0][0]) & ~63UL;
	size_t end = ((size_t)((u8 *)ptr - &memory[0][0]) + size + 63) & ~63UL;

	assert_true(end <= sizeof(memory));
	memcpy(&device_view[0][0] + first, &memory[0][0] + first, end - first);
}

static u64 device_read(u64 pa)
{
	u64 value;

	memcpy(&value, &device_view[frame_at(pa & ~PAGE_MASK)][pa & PAGE_MASK], sizeof(value));
	return value;
}

/* ---- the unit ---------------------------------------------------------------------- */

static u64 get(struct unit *unit, u32 reg, unsigned size)
{
	u64 value = 0;

	memcpy(&value, &unit->regs[reg], size);
	/* FSTS: bit 1 says whether any record is in use. */
	if (reg == 0x34)
		value = (value & ~BIT(1)) |
			((unit->regs[0x22f] | unit->regs[0x23f]) & 0x80 ? BIT(1) : 0);
	return value;
}

static void set(struct unit *unit, u32 reg, u64 value, unsigned size)
{
	memcpy(&unit->regs[reg], &value, size);
}

/* 11.4.7.2: a message for a state that comes while none stands, at once or when IM goes. */
static void send_fault_message(struct unit *unit)
{
	if (!unit->fault_pending || get(unit, 0x38, 4) & BIT(31))
		return;
	unit->fault_pending = false;
	fake_messages++;
}

static void raise_state(struct unit *unit, u64 before)
{
	unit->fault_pending |= !(before & 0x73);
	send_fault_message(unit);
}

static void states_cleared(struct unit *unit)
{
	unit->fault_pending &= !!(get(unit, 0x34, 4) & 0x73);
}

static void forget_pages(struct unit *unit, int domain_id, u64 iova, u64 size)
{
	for (unsigned i = 0; i < CACHED; i++) {
		struct cached_page *page = &unit->pages[i], *table = &unit->tables[i];

		if ((domain_id < 0 || page->domain == domain_id) && page->iova - iova < size)
			page->valid = false;
		if ((domain_id < 0 || table->domain == domain_id) &&
		    (table->iova - iova < size || iova - table->iova < MIB(2)))
			table->valid = false;
	}
}

static void forget_contexts(struct unit *unit, u64 low)
{
	u16 bdf = (u16)(low >> 32);

	if ((low >> 4 & 3) == 3) {
		if ((unit->contexts[bdf].high >> 8 & 0xffff) == (low >> 16 & 0xffff))
			unit->contexts[bdf].valid = false;
		return;
	}
	assert_int_equal(low >> 4 & 3, 1);
	for (unsigned i = 0; i < 65536; i++)
		unit->contexts[i].valid = false;
}

static void run_descriptor(struct unit *unit, u64 low, u64 high)
{
	u64 size;
	u32 data = (u32)(low >> 32);

	switch (low & 15) {
	case 1:
		forget_contexts(unit, low);
		break;
	case 2:
		assert_int_equal(low >> 6 & 3, 3); /* accesses under way are waited for */
		if ((low >> 4 & 3) == 1) {
			forget_pages(unit, -1, 0, ~0ULL);
		} else if ((low >> 4 & 3) == 2) {
			forget_pages(unit, low >> 16 & 0xffff, 0, ~0ULL);
		} else {
			size = PAGE_SIZE << (high & 63);
			assert_true((high & 63) <= 18);
			assert_int_equal(high & ~0xfffULL & (size - 1), 0);
			forget_pages(unit, low >> 16 & 0xffff, high & ~0xfffULL, size);
		}
		unit->flushes++;
		break;
	case 4:
		for (unsigned i = 0; i < 256; i++) {
			if (!(low & 16) || i == (low >> 32 & 0xffff))
				unit->irqs[i].valid = false;
		}
		break;
	case 5:
		assert_int_equal(low & 0xfffffff0, 0x20);
		memcpy(&memory[frame_at(high & ~PAGE_MASK)][high & PAGE_MASK], &data, 4);
		break;
	default:
		fail_msg("no such descriptor");
	}
}

static void run_queue(struct unit *unit)
{
	u64 queue = get(unit, 0x90, 8);
	u32 tail = (u32)get(unit, 0x88, 8);

	assert_true(get(unit, 0x1c, 4) & BIT(26));
	if (unit->queue_fault) {
		u64 before = get(unit, 0x34, 4);

		set(unit, 0x34, before | BIT(4), 4);
		raise_state(unit, before);
		return;
	}
	while (unit->queue_head != tail) {
		u32 at = unit->queue_head;

		unit->queue_head = (at + 16) % 4096;
		set(unit, 0x80, unit->queue_head, 8);
		run_descriptor(unit, device_read(queue + at), device_read(queue + at + 8));
	}
}

static void run_command(struct unit *unit, u32 value)
{
	u32 state = (u32)get(unit, 0x1c, 4);
	u32 lasting = state & ~0x69000000U;
	u32 change = value ^ lasting;

	assert_int_equal(change & (change - 1), 0); /* one at a time */
	if (unit->dead)
		return;
	if (value & BIT(30)) {
		unit->root = get(unit, 0x20, 8);
		state |= (u32)BIT(30);
	} else if (value & BIT(24)) {
		unit->irq_table = get(unit, 0xb8, 8);
		state |= (u32)BIT(24);
	} else {
		if (change & BIT(26)) {
			/* On: an empty queue. Off: all done. */
			assert_int_equal(get(unit, 0x80, 8), get(unit, 0x88, 8));
			unit->queue_head = 0;
			set(unit, 0x80, 0, 8);
		}
		state ^= change;
	}
	set(unit, 0x1c, state, 4);
}

static struct unit *unit_of(const volatile void *reg, u32 *offset)
{
	for (unsigned i = 0; i < UNITS; i++) {
		*offset = (u32)((const u8 *)reg - units[i].regs);
		if ((size_t)((const u8 *)reg - units[i].regs) < 4096)
			return &units[i];
	}
	fail_msg("no register");
	return NULL;
}

u64 host_mmio_read(const volatile void *reg, unsigned size)
{
	u32 offset;
	struct unit *unit = unit_of(reg, &offset);

	return get(unit, offset, size);
}

void host_mmio_write(volatile void *reg, u64 value, unsigned size)
{
	u32 offset;
	struct unit *unit = unit_of(reg, &offset);

	switch (offset) {
	case 0x18:
		run_command(unit, (u32)value);
		break;
	case 0x34: /* write 1 to clear */
		set(unit, 0x34, get(unit, 0x34, 4) & ~value, 4);
		states_cleared(unit);
		break;
	case 0x38:
		if (!(value & BIT(31)) && unit->on_unmask)
			unit->on_unmask();
		set(unit, offset, value, size);
		send_fault_message(unit);
		break;
	case 0x88:
		set(unit, offset, value, size);
		if (get(unit, 0x1c, 4) & BIT(26))
			run_queue(unit);
		break;
	case 0x22c:
	case 0x23c:
		if (value & BIT(31))
			set(unit, offset, get(unit, offset, 4) & ~BIT(31), 4);
		states_cleared(unit);
		break;
	default:
		set(unit, offset, value, size);
	}
}

static u64 record_fault(struct unit *unit, u16 bdf, u64 info, bool write, u8 reason)
{
	u64 before = get(unit, 0x34, 4);

	if (before & BIT(0))
		return ~0ULL;
	if (get(unit, 0x228, 8) & BIT(63)) {
		set(unit, 0x34, before | BIT(0), 4);
		return ~0ULL;
	}
	set(unit, 0x220, info, 8);
	set(unit, 0x228, BIT(63) | (write ? 0 : BIT(62)) | (u64)reason << 32 | bdf, 8);
	raise_state(unit, before);
	return ~0ULL;
}

static struct cached_page *cached(struct cached_page *cache, u16 domain_id, u64 iova)
{
	struct cached_page *unused = NULL;

	for (unsigned i = 0; i < CACHED; i++) {
		if (!cache[i].valid)
			unused = &cache[i];
		else if (cache[i].domain == domain_id && cache[i].iova == iova)
			return &cache[i];
	}
	assert_non_null(unused);
	return unused;
}

/* Walks from the root, or from the table that the paging-structure cache knows. */
static struct cached_page *walk(struct unit *unit, u16 domain_id, u64 root, u64 iova)
{
	struct cached_page *page = cached(unit->pages, domain_id, iova & ~PAGE_MASK);
	struct cached_page *table = cached(unit->tables, domain_id, iova & ~(MIB(2) - 1));
	int shift = table->valid ? 12 : 39;
	u64 at = table->valid ? table->pa : root;

	if (page->valid)
		return page;
	for (; shift >= 12; shift -= 9) {
		u64 entry = device_read(at + (iova >> shift & 511) * 8);

		if (!(entry & 3))
			return NULL;
		assert_int_equal(entry & 0xfff0000000000f78ULL, 0);
		at = entry & 0x000ffffffffff000ULL;
		if (shift == 12 || (entry & 0x80)) {
			at += iova & ((1ULL << shift) - 1) & ~PAGE_MASK;
			*page = (struct cached_page){ true, domain_id, iova & ~PAGE_MASK, at,
						      entry };
			return page;
		}
		if (shift == 21)
			*table = (struct cached_page){ true, domain_id, iova & ~(MIB(2) - 1), at,
						       0 };
	}
	return NULL;
}

/* What a function's access ends in: an address, or all ones and a fault record. */
static u64 dma(struct unit *unit, u16 bdf, u64 iova, bool write)
{
	struct cached_page *page;
	u64 entry;

	if (!(get(unit, 0x1c, 4) & BIT(31)))
		return iova;
	if (!unit->contexts[bdf].valid) {
		entry = device_read(unit->root + (bdf >> 8) * 16);
		if (!(entry & 1))
			return record_fault(unit, bdf, iova, write, 1);
		entry = (entry & ~PAGE_MASK) + (bdf & 0xff) * 16;
		if (!(device_read(entry) & 1))
			return record_fault(unit, bdf, iova, write, 2);
		unit->contexts[bdf].valid = true;
		unit->contexts[bdf].low = device_read(entry);
		unit->contexts[bdf].high = device_read(entry + 8);
	}
	assert_int_equal(unit->contexts[bdf].low & 0xfff, 1);
	assert_int_equal(unit->contexts[bdf].high & 7, 2); /* 48 bits */
	page = walk(unit, unit->contexts[bdf].high >> 8 & 0xffff,
		    unit->contexts[bdf].low & ~PAGE_MASK, iova);
	if (!page || !(page->entry & (write ? 2 : 1)))
		return record_fault(unit, bdf, iova, write, write ? 5 : 6);
	return page->pa + (iova & PAGE_MASK);
}

/* The processor's message that an interrupt ends in: APIC id << 8 | vector, or all ones. */
static u64 interrupt(struct unit *unit, u16 bdf, u32 index)
{
	u64 table = unit->irq_table & ~PAGE_MASK;

	if (!(get(unit, 0x1c, 4) & BIT(25)))
		return 0;
	assert_int_equal(unit->irq_table & 15, 7);
	assert_in_range(index, 0, 255);
	if (!unit->irqs[index].valid) {
		if (!(device_read(table + index * 16) & 1))
			return record_fault(unit, bdf, (u64)index << 48, true, 0x22);
		unit->irqs[index].valid = true;
		unit->irqs[index].low = device_read(table + index * 16);
		unit->irqs[index].high = device_read(table + index * 16 + 8);
	}
	assert_int_equal(unit->irqs[index].high >> 16, 4); /* verify the whole source id */
	if ((unit->irqs[index].high & 0xffff) != bdf)
		return record_fault(unit, bdf, (u64)index << 48, true, 0x26);
	return unit->irqs[index].low >> (unit->irq_table & IRTA_EIME ? 32 : 40) << 8 |
	       (unit->irqs[index].low >> 16 & 0xff);
}

/* The index in a remappable message, as hardware takes it apart. */
static u32 message_index(u64 address, u32 data)
{
	assert_int_equal(address >> 20, 0xfee);
	assert_true(address & 16);
	return (u32)((address >> 5 & 0x7fff) | (address >> 2 & 1) << 15) +
	       ((address & 8) ? data : 0);
}

/* ---- set-up ------------------------------------------------------------------------ */

static void *map_regs(hpa_t base, u64 size)
{
	assert_int_equal(size, 4096);
	return base.raw == 0xfed90000 ? units[0].regs : units[1].regs;
}

static void add_scope(u8 type, u8 bus, u8 device)
{
	struct acpi_scope *scope = &dmar.scopes[dmar.scope_count++];

	*scope = (struct acpi_scope){ .type = type, .start_bus = bus, .path_length = 1 };
	scope->path[0].device = device;
}

static void reset_units(void)
{
	memset(units, 0, sizeof(units));
	for (unsigned i = 0; i < UNITS; i++) {
		set(&units[i], 0x00, 0x10, 4);
		set(&units[i], 0x08, CAP_QEMU, 8);
		set(&units[i], 0x10, ECAP_QEMU, 8);
	}
	memset(frame_used, 0, sizeof(frame_used));
	frames_in_use = 0;
	frames_left = FRAMES;
}

/* One unit for all, as QEMU has it, with its I/O APIC. */
static int prepare(void **state)
{
	(void)state;
	reset_units();
	memset(&dmar, 0, sizeof(dmar));
	dmar.present = true;
	dmar.unit_count = 1;
	dmar.units[0] = (struct acpi_iommu_unit){ .base = HPA(0xfed90000),
						  .include_all = true,
						  .scope_count = 1 };
	add_scope(ACPI_SCOPE_IOAPIC, 0xff, 0);
	memset(&pci, 0, sizeof(pci));
	pci.functions[pci.function_count++] = (struct pci_function){ .bdf = ROOT,
								     .bridge = PCI_NO_BRIDGE,
								     .header_type = 1,
								     .secondary_bus = 5,
								     .subordinate_bus = 6 };
	return 0;
}

static bool x2apic;

static enum err start_iommu(void)
{
	return iommu_start(&iommu, &dmar, &pci, &frames, map_regs, x2apic);
}

static int start(void **state)
{
	prepare(state);
	if (start_iommu() || iommu_domain_init(&iommu, &domain) ||
	    iommu_domain_init(&iommu, &other))
		return -1;
	return 0;
}

static struct iommu_fault taken_fault(void)
{
	struct iommu_fault fault;

	assert_true(iommu_poll_fault(&iommu, &fault));
	return fault;
}

/* ---- the rules --------------------------------------------------------------------- */

static void starting_denies_every_function(void **state)
{
	struct iommu_fault fault;

	(void)state;
	assert_int_equal(get(&units[0], 0x1c, 4), 0xc7000000);
	assert_false(iommu_poll_fault(&iommu, &fault));
	assert_int_equal(dma(&units[0], GPU, 0x12345678, true), ~0ULL);
	fault = taken_fault();
	assert_int_equal(fault.bdf, GPU);
	assert_int_equal(fault.iova.raw, 0x12345000);
	assert_true(fault.write);
	assert_false(fault.interrupt);
	assert_int_equal(fault.code, 1);
	assert_false(iommu_poll_fault(&iommu, &fault));
}

static void an_attached_function_reaches_what_is_mapped(void **state)
{
	(void)state;
	assert_int_equal(iommu_map(&domain, IOVA(MIB(4)), HPA(GIB(1)), MIB(4), 3), OK);
	assert_int_equal(iommu_map(&domain, IOVA(MIB(1)), HPA(GIB(3)), KIB(4), IOMMU_READ), OK);
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(dma(&units[0], GPU, MIB(7) + 5, true), GIB(1) + MIB(3) + 5);
	assert_int_equal(dma(&units[0], GPU, MIB(1), false), GIB(3));
	assert_int_equal(dma(&units[0], GPU, MIB(1), true), ~0ULL);
	assert_int_equal(taken_fault().code, 5);
	assert_int_equal(dma(&units[0], GPU, MIB(8), false), ~0ULL);
	assert_int_equal(taken_fault().code, 6);
	assert_int_equal(dma(&units[0], NIC, MIB(4), false), ~0ULL);
	assert_string_equal(taken_fault().reason, "it belongs to no domain");
}

static void mapping_more_needs_no_flush(void **state)
{
	unsigned before;

	(void)state;
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	before = units[0].flushes;
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(units[0].flushes, before);
	assert_int_equal(dma(&units[0], GPU, 0, true), GIB(1));
}

static void unmapped_memory_is_forgotten_by_the_unit(void **state)
{
	int before;

	(void)state;
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	before = frames_in_use;
	assert_int_equal(iommu_map(&domain, IOVA(MIB(2) - KIB(8)), HPA(GIB(1)), KIB(16), 3), OK);
	for (u64 i = 0; i < 4; i++)
		assert_int_equal(dma(&units[0], GPU, MIB(2) - KIB(8) + KIB(4) * i, true),
				 GIB(1) + KIB(4) * i);
	assert_int_equal(iommu_unmap(&domain, IOVA(MIB(2) - KIB(8)), KIB(12)), OK);
	for (u64 i = 0; i < 3; i++)
		assert_int_equal(dma(&units[0], GPU, MIB(2) - KIB(8) + KIB(4) * i, true), ~0ULL);
	assert_int_equal(dma(&units[0], GPU, MIB(2) + KIB(4), true), GIB(1) + KIB(12));
	assert_int_equal(iommu_unmap(&domain, IOVA(0), GIB(2)), OK);
	assert_int_equal(dma(&units[0], GPU, MIB(2) + KIB(4), true), ~0ULL);
	assert_int_equal(frames_in_use, before);
}

static void a_split_page_keeps_translating(void **state)
{
	(void)state;
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), GIB(1), 3), OK);
	assert_int_equal(iommu_unmap(&domain, IOVA(MIB(5)), KIB(4)), OK);
	assert_int_equal(dma(&units[0], GPU, MIB(5), true), ~0ULL);
	assert_int_equal(dma(&units[0], GPU, MIB(5) + KIB(4), true), GIB(1) + MIB(5) + KIB(4));
	assert_int_equal(dma(&units[0], GPU, MIB(900), true), GIB(1) + MIB(900));
}

static void a_function_belongs_to_one_domain(void **state)
{
	(void)state;
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(iommu_attach(&other, GPU), ERR_EXISTS);
	assert_int_equal(dma(&units[0], GPU, 0, true), GIB(1));
}

static void a_detached_function_reaches_nothing_and_may_go_elsewhere(void **state)
{
	unsigned before;

	(void)state;
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(iommu_map(&other, IOVA(0), HPA(GIB(2)), KIB(4), 3), OK);
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(iommu_attach(&domain, NIC), OK);
	assert_int_equal(dma(&units[0], GPU, 0, true), GIB(1));
	assert_int_equal(iommu_detach(&other, GPU), ERR_NOT_FOUND);
	assert_int_equal(dma(&units[0], GPU, 0, true), GIB(1));
	before = units[0].flushes;
	assert_int_equal(iommu_detach(&domain, GPU), OK);
	assert_int_equal(units[0].flushes, before + 1); /* and drained */
	assert_int_equal(dma(&units[0], GPU, 0, true), ~0ULL);
	assert_int_equal(taken_fault().code, 2);
	assert_int_equal(dma(&units[0], NIC, 0, true), GIB(1));
	assert_int_equal(iommu_detach(&domain, GPU), ERR_NOT_FOUND);
	assert_int_equal(iommu_attach(&other, GPU), OK);
	assert_int_equal(dma(&units[0], GPU, 0, true), GIB(2));
}

static void a_function_that_the_unit_may_remember_counts_as_attached(void **state)
{
	(void)state;
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	units[0].queue_fault = true;
	assert_int_equal(iommu_detach(&domain, GPU), ERR_DEVICE);
	assert_int_equal(iommu_attach(&other, GPU), ERR_EXISTS);
	assert_int_equal(iommu_domain_fini(&domain), ERR_BUSY);
	units[0].queue_fault = false;
	assert_int_equal(iommu_detach(&domain, GPU), OK);
	assert_int_equal(iommu_domain_fini(&domain), OK);
}

static void a_domain_gives_its_tables_and_its_id_back(void **state)
{
	u16 id = domain.id;
	int before = frames_in_use;

	(void)state;
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(iommu_domain_fini(&domain), ERR_BUSY);
	assert_int_equal(dma(&units[0], GPU, 0, true), GIB(1));
	assert_int_equal(iommu_detach(&domain, GPU), OK);
	/* As an attachment leaves it that failed half way. */
	units[0].pages[0] = (struct cached_page){ true, id, 0, GIB(1), 3 };
	units[0].queue_fault = true;
	assert_int_equal(iommu_domain_fini(&domain), ERR_DEVICE);
	units[0].queue_fault = false;
	assert_int_equal(iommu_domain_fini(&domain), OK);
	assert_true(frames_in_use < before + 1); /* but for the bus's context table */
	assert_int_equal(iommu_domain_init(&iommu, &domain), OK);
	assert_int_equal(domain.id, id);
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(dma(&units[0], GPU, 0, true), ~0ULL);
}

static void domain_ids_run_out_and_come_back(void **state)
{
	static struct iommu_domain many[16];

	prepare(state);
	set(&units[0], 0x08, CAP_QEMU & ~7ULL, 8); /* 16 ids, 0 among them */
	assert_int_equal(start_iommu(), OK);
	for (unsigned i = 0; i < 15; i++)
		assert_int_equal(iommu_domain_init(&iommu, &many[i]), OK);
	assert_int_equal(iommu_domain_init(&iommu, &many[15]), ERR_FULL);
	assert_int_equal(iommu_domain_fini(&many[3]), OK);
	assert_int_equal(iommu_domain_init(&iommu, &many[15]), OK);
	assert_int_equal(many[15].id, 4);
}

static void the_interrupt_range_cannot_be_mapped(void **state)
{
	(void)state;
	assert_int_equal(iommu_map(&domain, IOVA(0xfee00000), HPA(GIB(1)), KIB(4), 3), ERR_RANGE);
	assert_int_equal(iommu_map(&domain, IOVA(0xfed00000), HPA(GIB(1)), MIB(4), 3), ERR_RANGE);
	assert_int_equal(iommu_map(&domain, IOVA(0xfef00000), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 0), ERR_UNSUPPORTED);
}

static void an_interrupt_reaches_its_processor_from_its_source_only(void **state)
{
	struct iommu_irq irq = { .source = GPU, .apic_id = 3, .vector = 0x51 };
	u64 address;
	u32 data, index;

	(void)state;
	assert_int_equal(interrupt(&units[0], GPU, 0), ~0ULL);
	assert_int_equal(taken_fault().code, 0x22);
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), OK);
	index = message_index(address, data);
	assert_int_equal(interrupt(&units[0], GPU, index), 0x351);
	assert_int_equal(interrupt(&units[0], NIC, index), ~0ULL);
	assert_int_equal(taken_fault().code, 0x26);
	assert_int_equal(interrupt(&units[0], GPU, index + 1), ~0ULL);
	assert_true(taken_fault().interrupt);
}

static void interrupt_entries_run_out(void **state)
{
	struct iommu_irq irq = { .source = GPU, .apic_id = 3, .vector = 0x51 };
	struct iommu_irq far = { .source = GPU, .apic_id = 256, .vector = 0x51 };
	u64 address;
	u32 data;

	(void)state;
	assert_int_equal(iommu_irq_set(&iommu, &far, &address, &data), ERR_RANGE);
	for (unsigned i = 0; i < IOMMU_IRQ_ENTRIES; i++) {
		assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), OK);
		assert_int_equal(message_index(address, data), i);
	}
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), ERR_FULL);
}

/* Local APICs in x2APIC mode: 32 bits where the unit has that many. */
static void extended_ids_are_whole_where_the_unit_has_them(void **state)
{
	struct iommu_irq far = { .source = GPU, .apic_id = 0x12345, .vector = 0x51 };
	struct iommu_irq near = { .source = GPU, .apic_id = 3, .vector = 0x51 };
	u64 address;
	u32 data;

	prepare(state);
	set(&units[0], 0x10, ECAP_QEMU | ECAP_EIM, 8);
	x2apic = true;
	assert_int_equal(start_iommu(), OK);
	assert_true(units[0].irq_table & IRTA_EIME);
	assert_int_equal(iommu_irq_set(&iommu, &far, &address, &data), OK);
	assert_int_equal(interrupt(&units[0], GPU, message_index(address, data)), 0x1234551);
	prepare(state);
	assert_int_equal(start_iommu(), OK);
	assert_false(units[0].irq_table & IRTA_EIME);
	assert_int_equal(iommu_irq_set(&iommu, &far, &address, &data), ERR_RANGE);
	assert_int_equal(iommu_irq_set(&iommu, &near, &address, &data), OK);
	assert_int_equal(interrupt(&units[0], GPU, message_index(address, data)), 0x351);
	x2apic = false;
	prepare(state);
	set(&units[0], 0x10, ECAP_QEMU | ECAP_EIM, 8);
	assert_int_equal(start_iommu(), OK);
	assert_false(units[0].irq_table & IRTA_EIME);
	assert_int_equal(iommu_irq_set(&iommu, &far, &address, &data), ERR_RANGE);
}

static void an_interrupt_that_is_taken_back_is_blocked_and_its_entry_used_again(void **state)
{
	struct iommu_irq irq = { .source = GPU, .apic_id = 3, .vector = 0x51 };
	struct iommu_irq next = { .source = NIC, .apic_id = 1, .vector = 0x60 };
	u64 address, again;
	u32 data, index;

	(void)state;
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), OK);
	index = message_index(address, data);
	assert_int_equal(interrupt(&units[0], GPU, index), 0x351);
	assert_int_equal(iommu_irq_clear(&iommu, NIC, address, data), ERR_NOT_FOUND);
	assert_int_equal(iommu_irq_clear(&iommu, GPU, 0xfeefffff, 0), ERR_NOT_FOUND);
	assert_int_equal(interrupt(&units[0], GPU, index), 0x351);
	units[0].queue_fault = true;
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address, data), ERR_DEVICE);
	units[0].queue_fault = false;
	assert_int_equal(iommu_irq_set(&iommu, &irq, &again, &data), OK);
	assert_int_not_equal(message_index(again, data), index);
	assert_int_equal(iommu_irq_clear(&iommu, GPU, again, data), OK);
	assert_int_equal(interrupt(&units[0], GPU, message_index(again, data)), ~0ULL);
	assert_int_equal(taken_fault().code, 0x22);
	assert_int_equal(iommu_irq_clear(&iommu, GPU, again, data), ERR_NOT_FOUND);
	assert_int_equal(iommu_irq_set(&iommu, &next, &address, &data), OK);
	assert_int_equal(address, again);
	assert_int_equal(interrupt(&units[0], NIC, message_index(address, data)), 0x160);
	assert_int_equal(interrupt(&units[0], GPU, message_index(address, data)), ~0ULL);
}

static void without_remapping_messages_are_the_processors(void **state)
{
	struct iommu_irq irq = { .source = GPU, .apic_id = 3, .vector = 0x51 };
	u64 address;
	u32 data;

	prepare(state);
	set(&units[0], 0x10, ECAP_QEMU & ~BIT(3), 8);
	assert_int_equal(start_iommu(), OK);
	assert_false(iommu.irq_remapping);
	assert_false(get(&units[0], 0x1c, 4) & BIT(25));
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), OK);
	assert_int_equal(address, 0xfee03000);
	assert_int_equal(data, 0x51);
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address, data), OK);
}

static void what_firmware_left_on_is_taken_over(void **state)
{
	prepare(state);
	set(&units[0], 0x1c, BIT(31) | BIT(30) | BIT(26) | BIT(25) | BIT(24) | BIT(23), 4);
	set(&units[0], 0x80, 0x40, 8);
	set(&units[0], 0x88, 0x40, 8);
	units[0].queue_head = 0x40;
	units[0].contexts[GPU].valid = true;
	units[0].irqs[0].valid = true;
	assert_int_equal(start_iommu(), OK);
	assert_int_equal(get(&units[0], 0x1c, 4), 0xc7000000);
	assert_int_equal(dma(&units[0], GPU, 0, true), ~0ULL);
	assert_int_equal(taken_fault().code, 1);
	assert_int_equal(interrupt(&units[0], GPU, 0), ~0ULL);
}

static void a_function_with_reserved_memory_is_refused(void **state)
{
	prepare(state);
	dmar.reserved_count = 1;
	dmar.reserved[0] = (struct acpi_reserved){ .first_scope = 1, .scope_count = 1 };
	add_scope(ACPI_SCOPE_ENDPOINT, 0, PCI_DEVICE(GPU));
	assert_int_equal(start_iommu(), OK);
	assert_int_equal(iommu_domain_init(&iommu, &domain), OK);
	assert_int_equal(iommu_attach(&domain, GPU), ERR_DENIED);
	assert_int_equal(iommu_attach(&domain, NIC), OK);
}

static void the_unit_that_names_a_bridge_serves_what_is_behind(void **state)
{
	prepare(state);
	dmar.unit_count = 2;
	dmar.units[1] = dmar.units[0];
	dmar.units[0] = (struct acpi_iommu_unit){ .base = HPA(0xfeda0000),
						  .first_scope = 1,
						  .scope_count = 1 };
	add_scope(ACPI_SCOPE_BRIDGE, 0, 0x1c);
	assert_int_equal(start_iommu(), OK);
	assert_int_equal(iommu_domain_init(&iommu, &domain), OK);
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(iommu_attach(&domain, FAR), OK);
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(dma(&units[1], FAR, 0, true), GIB(1));
	assert_int_equal(dma(&units[0], FAR, 0, true), ~0ULL);
	assert_int_equal(dma(&units[0], GPU, 0, true), GIB(1));
	assert_int_equal(iommu_unmap(&domain, IOVA(0), KIB(4)), OK);
	assert_int_equal(dma(&units[1], FAR, 0, true), ~0ULL);
	assert_int_equal(dma(&units[0], GPU, 0, true), ~0ULL);
}

static void virtual_functions_are_the_physical_ones_units(void **state)
{
	const u16 virtual = PCI_BDF(0, 2, 5);

	prepare(state);
	dmar.unit_count = 2;
	dmar.units[1] = dmar.units[0];
	dmar.units[0] = (struct acpi_iommu_unit){ .base = HPA(0xfeda0000),
						  .first_scope = 1,
						  .scope_count = 1 };
	add_scope(ACPI_SCOPE_ENDPOINT, 0, PCI_DEVICE(GPU));
	pci.functions[pci.function_count++] =
		(struct pci_function){ .bdf = virtual, .physical = GPU };
	assert_int_equal(start_iommu(), OK);
	assert_int_equal(iommu_domain_init(&iommu, &domain), OK);
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(iommu_attach(&domain, virtual), OK);
	assert_int_equal(dma(&units[1], virtual, 0, true), GIB(1));
	assert_int_equal(dma(&units[1], GPU, 0, true), ~0ULL);
	assert_int_equal(dma(&units[0], virtual, 0, true), ~0ULL);
}

static void a_unit_that_does_not_answer_is_an_error(void **state)
{
	prepare(state);
	units[0].dead = true;
	assert_int_equal(start_iommu(), ERR_TIMEOUT);
}

static void a_flush_that_fails_keeps_the_tables(void **state)
{
	int before;

	(void)state;
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	before = frames_in_use;
	units[0].queue_fault = true;
	assert_int_equal(iommu_unmap(&domain, IOVA(0), KIB(4)), ERR_DEVICE);
	assert_int_equal(frames_in_use, before);
}

static void records_are_taken_in_turn(void **state)
{
	struct iommu_fault unused;

	prepare(state);
	set(&units[0], 0x08, CAP_QEMU | BIT(40), 8); /* two of them */
	assert_int_equal(start_iommu(), OK);
	for (unsigned round = 0; round < 3; round++) {
		set(&units[0], 0x228, BIT(63) | GPU, 8);
		set(&units[0], 0x238, BIT(63) | NIC, 8);
		assert_int_equal(taken_fault().bdf, GPU);
		assert_int_equal(taken_fault().bdf, NIC);
		assert_false(iommu_poll_fault(&iommu, &unused));
	}
}

static void faults_are_recorded_again_after_some_were_lost(void **state)
{
	(void)state;
	dma(&units[0], GPU, 0, true);
	dma(&units[0], NIC, 0, true);
	assert_int_equal(taken_fault().bdf, GPU);
	dma(&units[0], NIC, 0, true);
	assert_int_equal(taken_fault().bdf, NIC);
}

/* ---- when faults are looked at ----------------------------------------------------- */

#define IM BIT(31)

static u64 fectl(void)
{
	return get(&units[0], 0x38, 4);
}

static void nothing_is_sent_before_there_is_a_message(void **state)
{
	prepare(state);
	set(&units[0], 0x38, 0, 4); /* as firmware may have left it */
	assert_int_equal(start_iommu(), OK);
	assert_int_equal(fectl(), IM);
	iommu_tell_faults(&iommu);
	assert_int_equal(fectl(), IM);
	assert_false(iommu.polled);
	assert_int_equal(get(&units[0], 0x3c, 4), FAKE_VECTOR);
	assert_int_equal(get(&units[0], 0x40, 4), 0xfee00000);
	assert_int_equal(get(&units[0], 0x44, 4), 0);
	assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 0);
	assert_int_equal(fectl(), 0);
}

static void the_message_names_a_far_processor_where_the_unit_can(void **state)
{
	prepare(state);
	fake_apic_id = 0x12345;
	assert_int_equal(start_iommu(), OK);
	iommu_tell_faults(&iommu);
	assert_true(iommu.polled);
	fake_look(&iommu, IOMMU_LOOK_NS);
	assert_int_equal(fectl(), IM);
	prepare(state);
	set(&units[0], 0x10, ECAP_QEMU | ECAP_EIM, 8);
	x2apic = true;
	assert_int_equal(start_iommu(), OK);
	iommu_tell_faults(&iommu);
	x2apic = false;
	fake_apic_id = 0;
	assert_false(iommu.polled);
	assert_int_equal(get(&units[0], 0x40, 4), 0xfee45000);
	assert_int_equal(get(&units[0], 0x44, 4), 0x12300);
}

static void a_fault_interrupts_once_and_is_looked_at(void **state)
{
	unsigned wakes;

	(void)state;
	fake_start_listening(&iommu);
	assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 0);
	fake_now_ns += IOMMU_LOOK_NS;
	dma(&units[0], GPU, 0x5000, true);
	wakes = fake_wakes;
	assert_true(fake_take_interrupts());
	assert_int_equal(fake_wakes, wakes + 1);
	assert_int_equal(fectl(), IM);
	assert_int_equal(fake_look(&iommu, 0), 1);
	assert_int_equal(fake_told[0].iova.raw, 0x5000);
	assert_int_equal(fectl(), 0);
	assert_false(fake_take_interrupts());
	assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 0);
	assert_int_equal(iommu.faults, 1);
}

static void looks_are_ten_milliseconds_apart_whatever_comes(void **state)
{
	(void)state;
	fake_start_listening(&iommu);
	fake_now_ns += IOMMU_LOOK_NS;
	dma(&units[0], GPU, 0, true);
	assert_true(fake_take_interrupts());
	assert_int_equal(fake_look(&iommu, 0), 1);
	dma(&units[0], GPU, 0, true);
	assert_true(fake_take_interrupts());
	dma(&units[0], NIC, 0, true);
	assert_false(fake_take_interrupts()); /* masked */
	assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS - 1), 0);
	assert_int_equal(fectl(), IM);
	assert_int_equal(fake_look(&iommu, 1), 1);
	assert_int_equal(fectl(), 0);
}

/* A storm: for each record that is taken there is another one. */
static void fault_again(const struct iommu_fault *fault)
{
	fake_tell(fault);
	dma(&units[0], GPU, 0, true);
}

static void eight_are_looked_at_and_the_rest_waits_masked(void **state)
{
	(void)state;
	fake_start_listening(&iommu);
	fake_now_ns += IOMMU_LOOK_NS;
	dma(&units[0], GPU, 0, true);
	assert_true(fake_take_interrupts());
	for (unsigned round = 0; round < 3; round++) {
		fake_told_count = 0;
		iommu_look(&iommu, fault_again);
		assert_int_equal(fake_told_count, 8);
		assert_int_equal(fectl(), IM);
		assert_false(fake_take_interrupts());
		assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS - 1), 0);
		fake_now_ns++;
	}
	assert_int_equal(fake_look(&iommu, 0), 1);
	assert_int_equal(fectl(), 0);
}

static void fault_of_nic(void)
{
	units[0].on_unmask = NULL;
	dma(&units[0], NIC, 0x7000, true);
}

/* Whether the unit then says so or not: messages that were held back may be dropped. */
static void a_fault_just_before_the_unit_listens_is_not_lost(void **state)
{
	for (unsigned told = 0; told < 2; told++) {
		start(state);
		fake_start_listening(&iommu);
		fake_now_ns += IOMMU_LOOK_NS;
		dma(&units[0], GPU, 0, true);
		assert_true(fake_take_interrupts());
		units[0].on_unmask = fault_of_nic;
		assert_int_equal(fake_look(&iommu, 0), 1);
		assert_int_equal(fake_told[0].bdf, GPU);
		assert_int_equal(fake_messages, 1);
		if (told)
			fake_take_interrupts();
		fake_messages = 0;
		assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 1);
		assert_int_equal(fake_told[0].bdf, NIC);
		dma(&units[0], GPU, 0, true);
		assert_true(fake_take_interrupts());
	}
}

/* Nothing is sent while another state stands: the queue's, or that records overflow. */
static void what_stands_in_the_way_of_messages_is_cleared(void **state)
{
	const u32 states[] = { (u32)BIT(0), (u32)BIT(4), (u32)BIT(5), (u32)BIT(6) };

	for (unsigned i = 0; i < ARRAY_SIZE(states); i++) {
		start(state);
		set(&units[0], 0x34, states[i], 4);
		fake_messages = 0;
		iommu_tell_faults(&iommu);
		assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 0);
		assert_int_equal(get(&units[0], 0x34, 4), 0);
		dma(&units[0], GPU, 0, true);
		assert_true(fake_take_interrupts());
		assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 1);
	}
}

static void every_unit_is_masked_and_listens_again(void **state)
{
	prepare(state);
	dmar.unit_count = 2;
	dmar.units[1] = dmar.units[0];
	dmar.units[0] = (struct acpi_iommu_unit){ .base = HPA(0xfeda0000),
						  .first_scope = 1,
						  .scope_count = 1 };
	add_scope(ACPI_SCOPE_ENDPOINT, 0, PCI_DEVICE(GPU));
	assert_int_equal(start_iommu(), OK);
	fake_start_listening(&iommu);
	fake_now_ns += IOMMU_LOOK_NS;
	dma(&units[1], GPU, 0, true);
	assert_true(fake_take_interrupts());
	dma(&units[0], NIC, 0, true);
	assert_false(fake_take_interrupts());
	assert_int_equal(fake_look(&iommu, 0), 2);
	assert_int_equal(fectl() | get(&units[1], 0x38, 4), 0);
	dma(&units[0], NIC, 0, true);
	assert_true(fake_take_interrupts());
}

static void without_a_vector_looks_follow_each_other(void **state)
{
	(void)state;
	fake_no_vector = true;
	iommu_tell_faults(&iommu);
	fake_no_vector = false;
	assert_true(iommu.polled);
	for (unsigned i = 0; i < 3; i++) {
		dma(&units[0], GPU, 0, true);
		assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 1);
		assert_int_equal(fectl(), IM);
		assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS / 2), 0);
	}
	assert_int_equal(fake_messages, 0);
}

static void without_frames_nothing_starts_and_nothing_leaks(void **state)
{
	prepare(state);
	for (int allowed = 0; allowed < 4; allowed++) {
		frames_left = allowed;
		assert_int_equal(start_iommu(), ERR_NO_MEMORY);
		assert_int_equal(frames_in_use, 0);
		assert_int_equal(get(&units[0], 0x1c, 4), 0);
	}
	frames_left = 4;
	assert_int_equal(start_iommu(), OK);
	assert_int_equal(iommu_domain_init(&iommu, &domain), ERR_NO_MEMORY);
	frames_left = 1;
	assert_int_equal(iommu_domain_init(&iommu, &domain), OK);
	assert_int_equal(domain.id, 1);
	assert_int_equal(iommu_attach(&domain, GPU), ERR_NO_MEMORY);
	ptab_destroy(&domain.pt);
	assert_int_equal(frames_in_use, 4);
}

static void hardware_that_cannot_do_it_is_refused(void **state)
{
	static const struct {
		u32 reg;
		u64 value;
	} lacks[] = {
		{ 0x10, ECAP_QEMU & ~BIT(1) },		  /* no queued invalidation */
		{ 0x08, CAP_QEMU & ~(BIT(9) | BIT(10)) }, /* no known table depth */
		{ 0x00, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(lacks); i++) {
		prepare(state);
		set(&units[0], lacks[i].reg, lacks[i].value, lacks[i].reg ? 8 : 4);
		assert_int_equal(start_iommu(), ERR_UNSUPPORTED);
	}
	prepare(state);
	dmar.present = false;
	assert_int_equal(start_iommu(), ERR_NOT_FOUND);
}

int main(void)
{
#define TEST(name)	    cmocka_unit_test_setup(name, start)
#define TEST_PREPARED(name) cmocka_unit_test_setup(name, prepare)
	const struct CMUnitTest tests[] = {
		TEST(starting_denies_every_function),
		TEST(an_attached_function_reaches_what_is_mapped),
		TEST(mapping_more_needs_no_flush),
		TEST(unmapped_memory_is_forgotten_by_the_unit),
		TEST(a_split_page_keeps_translating),
		TEST(a_function_belongs_to_one_domain),
		TEST(a_detached_function_reaches_nothing_and_may_go_elsewhere),
		TEST(a_function_that_the_unit_may_remember_counts_as_attached),
		TEST(a_domain_gives_its_tables_and_its_id_back),
		TEST_PREPARED(domain_ids_run_out_and_come_back),
		TEST(the_interrupt_range_cannot_be_mapped),
		TEST(an_interrupt_reaches_its_processor_from_its_source_only),
		TEST(interrupt_entries_run_out),
		cmocka_unit_test(extended_ids_are_whole_where_the_unit_has_them),
		TEST(an_interrupt_that_is_taken_back_is_blocked_and_its_entry_used_again),
		TEST_PREPARED(without_remapping_messages_are_the_processors),
		TEST_PREPARED(what_firmware_left_on_is_taken_over),
		TEST_PREPARED(a_function_with_reserved_memory_is_refused),
		TEST_PREPARED(the_unit_that_names_a_bridge_serves_what_is_behind),
		TEST_PREPARED(virtual_functions_are_the_physical_ones_units),
		TEST_PREPARED(a_unit_that_does_not_answer_is_an_error),
		TEST(a_flush_that_fails_keeps_the_tables),
		TEST_PREPARED(records_are_taken_in_turn),
		TEST(faults_are_recorded_again_after_some_were_lost),
		TEST_PREPARED(nothing_is_sent_before_there_is_a_message),
		TEST_PREPARED(the_message_names_a_far_processor_where_the_unit_can),
		TEST(a_fault_interrupts_once_and_is_looked_at),
		TEST(looks_are_ten_milliseconds_apart_whatever_comes),
		TEST(eight_are_looked_at_and_the_rest_waits_masked),
		cmocka_unit_test(a_fault_just_before_the_unit_listens_is_not_lost),
		cmocka_unit_test(what_stands_in_the_way_of_messages_is_cleared),
		TEST_PREPARED(every_unit_is_masked_and_listens_again),
		TEST(without_a_vector_looks_follow_each_other),
		TEST_PREPARED(without_frames_nothing_starts_and_nothing_leaks),
		TEST_PREPARED(hardware_that_cannot_do_it_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
