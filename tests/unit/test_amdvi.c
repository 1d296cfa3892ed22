/* SPDX-License-Identifier: Apache-2.0 */
/* IOMMU domains and the AMD-Vi driver against a model that forgets only when told. */
// SOURCES: drivers/iommu.c drivers/amdvi.c drivers/vtd.c drivers/pci.c core/ptab.c
// SOURCES: core/ptab_formats.c drivers/iommu_faults.c drivers/pci_msi.c
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/io.h"
#include "core/frame.h"
#include "drivers/amdvi.h"
#include "drivers/iommu.h"
#include "tests/unit/fake_faults.h"

/*
 * A unit caches device entries, pages, pointers to level-1 tables and interrupt entries until
 * a command tells it to forget them, and lets pass what an entry does not forbid: what is
 * forgotten or left zero shows here, and on no emulator.
 */

#define FRAMES	    64U
#define FRAME_BASE  MIB(32)
#define TABLE_BASE  MIB(64)
#define TABLE_BYTES MIB(2)
#define UNITS	    2
#define REGS_BASE   0xfed80000ULL
#define FEATURE_IA  BIT(6)
#define CACHED	    64
#define PASSES	    0x1234000000000000ULL /* added to what gets through untouched */
#define CONTROL_ON  0x1405ULL		  /* enabled, log, coherent, commands */
#define MSI_BASE    0xfee00000ULL
#define BLOCKED	    (~0ULL)

#define UNIT  PCI_BDF(0, 0, 2) /* the function that units[0] is; the other one's is 00:00.3 */
#define GPU   PCI_BDF(0, 2, 0)
#define NIC   PCI_BDF(0, 3, 0)
#define OLD_A PCI_BDF(5, 1, 0) /* two functions behind a bridge that speaks for them */
#define OLD_B PCI_BDF(5, 2, 0)
#define VOICE PCI_BDF(5, 0, 0)

static u8 memory[FRAMES][4096] __attribute__((aligned(4096)));
static bool frame_used[FRAMES];
static int frames_left, frames_in_use;
static u8 device_table[TABLE_BYTES] __attribute__((aligned(4096)));
static int tables_in_use;
static bool no_table;

struct cached_page {
	bool valid;
	u16 domain;
	u64 iova, pa, entry;
};

struct unit {
	u8 regs[0x4000];
	bool dead, refuses;    /* faults to inject */
	bool was_off;	       /* at any time */
	bool sets_it_again;    /* EventLogInt, once, when it is cleared */
	void (*on_last)(void); /* once the tail has been read that says that no event is left */
	unsigned flushes, completions;
	struct {
		bool valid;
		u64 word[4];
	} devices[65536];
	struct cached_page pages[CACHED], tables[CACHED];
	struct {
		bool valid;
		u16 rid;
		u32 index, entry;
	} irqs[CACHED];
};

static struct unit units[UNITS];
static struct iommu iommu;
static struct iommu_domain domain, other;
static struct acpi_iommus ivrs;
static struct pci pci;

/* Configuration space of bus 0's first device: MSI with 64 bits at 64h. */
#define MSI_AT 0x64
static u8 config[8 * 4096];

/* ---- memory ------------------------------------------------------------------------ */

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
		return HPA(FRAME_BASE + i * 4096ULL);
	}
	return HPA(0);
}

static void *at(u64 pa)
{
	if (pa - TABLE_BASE < TABLE_BYTES)
		return &device_table[pa - TABLE_BASE];
	assert_in_range(pa, FRAME_BASE, FRAME_BASE + sizeof(memory) - 1);
	assert_true(frame_used[(pa - FRAME_BASE) / 4096]);
	return &memory[(pa - FRAME_BASE) / 4096][pa & PAGE_MASK];
}

static void free_frame(hpa_t frame)
{
	at(frame.raw);
	frame_used[(frame.raw - FRAME_BASE) / 4096] = false;
	frames_in_use--;
}

static void *map_frame(hpa_t frame)
{
	assert_int_equal(frame.raw & PAGE_MASK, 0);
	return at(frame.raw);
}

hpa_t frame_alloc_contiguous(u32 pages)
{
	assert_int_equal(pages, TABLE_BYTES / 4096);
	if (no_table)
		return HPA(0);
	tables_in_use++;
	memset(device_table, 0, sizeof(device_table));
	return HPA(TABLE_BASE);
}

void frame_free_contiguous(hpa_t frame, u32 pages)
{
	assert_int_equal(frame.raw, TABLE_BASE);
	assert_int_equal(pages, TABLE_BYTES / 4096);
	tables_in_use--;
}

static const struct ptab_memory frames = {
	.alloc_table = alloc_frame,
	.free_table = free_frame,
	.window = map_frame,
};

/* ---- the unit ---------------------------------------------------------------------- */

static u64 get(struct unit *unit, u32 reg)
{
	u64 value;

	memcpy(&value, &unit->regs[reg], 8);
	return value;
}

static void set(struct unit *unit, u32 reg, u64 value)
{
	memcpy(&unit->regs[reg], &value, 8);
}

static u32 config_of(const struct unit *unit, u32 offset, unsigned size)
{
	u32 value = 0;

	memcpy(&value, &config[(UNIT + (unit - units)) * 4096 + offset], size);
	return value;
}

/* EventLogInt, or EventOverflow: a message when one is set, where EventIntEn and MSI are on. */
static void set_state(struct unit *unit, u64 state)
{
	bool new = !(get(unit, 0x2020) & state);

	set(unit, 0x2020, get(unit, 0x2020) | state);
	if (!new || !(get(unit, 0x18) & BIT(3)) || !(config_of(unit, 4, 2) & BIT(2)) ||
	    !(config_of(unit, MSI_AT + 2, 2) & 1))
		return;
	assert_int_equal(config_of(unit, MSI_AT + 4, 4), MSI_BASE);
	assert_int_equal(config_of(unit, MSI_AT + 8, 4), 0);
	assert_int_equal(config_of(unit, MSI_AT + 12, 2), FAKE_VECTOR);
	fake_messages++;
}

static void log_event(struct unit *unit, u64 low, u64 high)
{
	u64 *log = at(get(unit, 0x10) & 0x000ffffffffff000ULL);
	u64 tail = get(unit, 0x2018), next = (tail + 16) % 4096;

	if (!(get(unit, 0x2020) & BIT(3)))
		return;
	if (next == get(unit, 0x2010)) { /* full: it stops, and says so */
		set(unit, 0x2020, get(unit, 0x2020) & ~BIT(3));
		set_state(unit, BIT(0));
		return;
	}
	assert_int_equal(log[tail / 8], 0); /* the driver has cleared what it has read */
	log[tail / 8] = low;
	log[tail / 8 + 1] = high;
	set(unit, 0x2018, next);
	set_state(unit, BIT(1));
}

static u64 page_fault(struct unit *unit, u16 rid, u64 flags, u64 address)
{
	log_event(unit, 2ULL << 60 | flags | rid, address);
	return BLOCKED;
}

static void forget_pages(struct unit *unit, u16 domain_id, u64 high)
{
	u64 address = high & ~PAGE_MASK, size = 4096;
	bool upper = high & 2;

	assert_int_equal(high & 0xffc, 0);
	if (high & 1) {
		u64 ones = address >> 12;

		for (size = 8192; (ones & 1) && size; ones >>= 1)
			size <<= 1;
		address = size ? address & ~(size - 1) : 0;
		if (!size || size > BIT(62))
			size = ~0ULL, address = 0;
	}
	for (unsigned i = 0; i < CACHED; i++) {
		struct cached_page *page = &unit->pages[i], *table = &unit->tables[i];

		if (page->domain == domain_id && page->iova - address < size)
			page->valid = false;
		if (upper && table->domain == domain_id &&
		    (table->iova - address < size || address - table->iova < MIB(2)))
			table->valid = false;
	}
	unit->flushes++;
}

static void forget_irqs(struct unit *unit, int rid)
{
	for (unsigned i = 0; i < CACHED; i++)
		if (rid < 0 || unit->irqs[i].rid == rid)
			unit->irqs[i].valid = false;
}

static void forget_all(struct unit *unit)
{
	for (unsigned i = 0; i < 65536; i++)
		unit->devices[i].valid = false;
	memset(unit->pages, 0, sizeof(unit->pages));
	memset(unit->tables, 0, sizeof(unit->tables));
	forget_irqs(unit, -1);
}

static void run_command(struct unit *unit, u64 low, u64 high)
{
	switch (low >> 60) {
	case 1:
		assert_int_equal(low & 0x0ff0000000000007ULL, 1);
		*(u64 *)at(low & 0x000ffffffffffff8ULL) = high;
		unit->completions++;
		break;
	case 2:
		assert_int_equal(low & 0x0fffffffffff0000ULL, 0);
		assert_int_equal(high, 0);
		unit->devices[low & 0xffff].valid = false;
		break;
	case 3:
		assert_int_equal(low & 0x0fff0000ffffffffULL, 0);
		forget_pages(unit, low >> 32 & 0xffff, high);
		break;
	case 5:
		assert_int_equal(low & 0x0fffffffffff0000ULL, 0);
		assert_int_equal(high, 0);
		forget_irqs(unit, low & 0xffff);
		break;
	case 8:
		assert_true(get(unit, 0x30) & FEATURE_IA);
		assert_int_equal(low & 0x0fffffffffffffffULL, 0);
		assert_int_equal(high, 0);
		forget_all(unit);
		break;
	default:
		fail_msg("no such command");
	}
}

static void run_commands(struct unit *unit)
{
	u64 *queue = at(get(unit, 0x08) & 0x000ffffffffff000ULL);

	if (!(get(unit, 0x2020) & BIT(4)) || unit->dead)
		return;
	while (get(unit, 0x2000) != get(unit, 0x2008)) {
		u64 head = get(unit, 0x2000);

		if (unit->refuses) {
			log_event(unit, 5ULL << 60, head);
			set(unit, 0x2020, get(unit, 0x2020) & ~BIT(4));
			return;
		}
		set(unit, 0x2000, (head + 16) % 4096);
		run_command(unit, queue[head / 8], queue[head / 8 + 1]);
	}
}

static void control_written(struct unit *unit, u64 value)
{
	u64 status = get(unit, 0x2020) & ~(BIT(3) | BIT(4));

	unit->was_off |= !(value & 1);
	/* The modes of the tables may change only while it is off. */
	assert_true(!(get(unit, 0x18) & 1) || !(value & 1) || get(unit, 0x18) >> 15 == value >> 15);
	set(unit, 0x18, value);
	if (unit->dead) {
		set(unit, 0x2020, status | BIT(3) | BIT(4));
		return;
	}
	if ((value & 5) == 5 && !(status & BIT(0)))
		status |= BIT(3);
	if ((value & 0x1001) == 0x1001)
		status |= BIT(4);
	set(unit, 0x2020, status);
}

static struct unit *unit_of(const volatile void *reg, u32 *offset)
{
	for (unsigned i = 0; i < UNITS; i++) {
		*offset = (u32)((const u8 *)reg - units[i].regs);
		if ((size_t)((const u8 *)reg - units[i].regs) < sizeof(units[i].regs))
			return &units[i];
	}
	fail_msg("no register");
	return NULL;
}

u64 host_mmio_read(const volatile void *reg, unsigned size)
{
	size_t at_config = (size_t)((const volatile u8 *)reg - config);
	struct unit *unit;
	u64 value = 0;
	u32 offset;

	if (at_config < sizeof(config)) {
		assert_int_equal(size, 4);
		memcpy(&value, &config[at_config], 4);
		return value;
	}
	unit = unit_of(reg, &offset);
	value = get(unit, offset);
	if (offset == 0x2018 && value == get(unit, 0x2010) && unit->on_last)
		unit->on_last();
	return size == 8 ? value : (u32)value;
}

void host_mmio_write(volatile void *reg, u64 value, unsigned size)
{
	size_t at_config = (size_t)((volatile u8 *)reg - config);
	struct unit *unit;
	u32 offset;

	if (at_config < sizeof(config)) {
		memcpy(&config[at_config], &value, size);
		return;
	}
	unit = unit_of(reg, &offset);
	assert_int_equal(size, 8);
	switch (offset) {
	case 0x08:
	case 0x10: /* the queues are off while they move */
		assert_int_equal(get(unit, 0x2020) & (offset == 8 ? BIT(4) : BIT(3)), 0);
		set(unit, offset, value);
		break;
	case 0x18:
		control_written(unit, value);
		break;
	case 0x2008:
		set(unit, offset, value);
		run_commands(unit);
		break;
	case 0x2020:
		set(unit, offset, get(unit, offset) & ~(value & 0x67));
		if (value & BIT(1) && unit->sets_it_again)
			set(unit, offset, get(unit, offset) | BIT(1));
		unit->sets_it_again = false;
		break;
	default:
		set(unit, offset, value);
	}
}

static u64 *device(struct unit *unit, u16 rid)
{
	u64 base = get(unit, 0x00);

	assert_int_equal(base & 0x1ff, 511); /* an entry for every function there can be */
	if (!unit->devices[rid].valid) {
		memcpy(unit->devices[rid].word, at((base & 0x000ffffffffff000ULL) + rid * 32), 32);
		unit->devices[rid].valid = true;
	}
	return unit->devices[rid].word;
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

/* Walks from the root, or from the table that it remembers. NULL: nothing is mapped. */
static struct cached_page *walk(struct unit *unit, const u64 *entry, u64 iova)
{
	u16 domain_id = (u16)entry[1];
	struct cached_page *page = cached(unit->pages, domain_id, iova & ~PAGE_MASK);
	struct cached_page *table = cached(unit->tables, domain_id, iova & ~(MIB(2) - 1));
	unsigned level = table->valid ? 1 : entry[0] >> 9 & 7;
	u64 base = table->valid ? table->pa : entry[0] & 0x000ffffffffff000ULL;

	if (page->valid)
		return page;
	while (true) {
		unsigned shift = 3 + 9 * level;
		u64 e = ((u64 *)at(base))[iova >> shift & 511];

		if (!(e & 1))
			return NULL;
		base = e & 0x000ffffffffff000ULL;
		if (!(e >> 9 & 7)) {
			base += iova & (BIT(shift) - 1) & ~PAGE_MASK;
			*page = (struct cached_page){ true, domain_id, iova & ~PAGE_MASK, base, e };
			return page;
		}
		assert_int_equal(e >> 61, 3);
		level = e >> 9 & 7;
		if (level == 1)
			*table = (struct cached_page){ true, domain_id, iova & ~(MIB(2) - 1), base,
						       0 };
	}
}

/* What a function's access ends in: an address, or BLOCKED and an event. */
static u64 dma(struct unit *unit, u16 rid, u64 iova, bool write)
{
	u64 wanted = write ? BIT(62) : BIT(61), flags = write ? BIT(53) : 0;
	struct cached_page *page;
	u64 *entry;

	if (!(get(unit, 0x18) & 1))
		return PASSES + iova;
	if (iova < MIB(1) && (get(unit, 0x20) & 1)) /* the excluded range */
		return PASSES + iova;
	entry = device(unit, rid);
	if (!(entry[0] & 1))
		return PASSES + iova;
	assert_int_equal(entry[0] & 3, 3);
	/* Reserved, or a way past the tables. */
	assert_int_equal(entry[0] & 0x9ff00000000001fcULL, 0);
	assert_int_equal(entry[1] >> 16, 0);
	assert_int_equal(entry[3], 0);
	if (!(entry[0] & wanted))
		return page_fault(unit, rid, flags, iova);
	if (!(entry[0] >> 9 & 7))
		return PASSES + iova;
	page = walk(unit, entry, iova);
	if (!page)
		return page_fault(unit, rid, flags, iova);
	if (!(page->entry & wanted))
		return page_fault(unit, rid, flags | BIT(52), iova);
	return page->pa + (iova & PAGE_MASK);
}

/* The processor's message that an interrupt ends in: APIC id << 8 | vector, or BLOCKED. */
static u64 interrupt(struct unit *unit, u16 rid, u64 address, u32 data)
{
	u64 *entry, table;
	unsigned slot = 0;
	u32 irte;

	assert_int_equal(address >> 20, 0xfee);
	assert_int_equal(data >> 8, 0); /* "fixed" */
	if (!(get(unit, 0x18) & 1))
		return PASSES + data;
	entry = device(unit, rid);
	if (!(entry[2] & 1) || (entry[2] >> 60 & 3) == 1)
		return PASSES + data;
	assert_int_equal(entry[2] & 0xcff0000000000020ULL, 0);
	if (!(entry[2] >> 60 & 3) || data >= 1U << (entry[2] >> 1 & 15))
		return page_fault(unit, rid, BIT(51), data);
	table = entry[2] & 0x000fffffffffffc0ULL;
	assert_int_equal(table & 127, 0);
	for (slot = 0; slot < CACHED; slot++)
		if (unit->irqs[slot].valid && unit->irqs[slot].rid == rid &&
		    unit->irqs[slot].index == data)
			break;
	if (slot == CACHED) {
		for (slot = 0; slot < CACHED && unit->irqs[slot].valid; slot++)
			;
		assert_in_range(slot, 0, CACHED - 1);
		unit->irqs[slot].rid = rid;
		unit->irqs[slot].index = data;
		unit->irqs[slot].valid = true;
		unit->irqs[slot].entry = ((u32 *)at(table & ~PAGE_MASK))[data];
	}
	irte = unit->irqs[slot].entry;
	if (!(irte & 1)) {
		unit->irqs[slot].valid = false;
		return page_fault(unit, rid, BIT(51), data);
	}
	assert_int_equal(irte & 0xff0000fe, 0); /* fixed, physical, with faults */
	return (irte >> 8 & 0xff) << 8 | (irte >> 16 & 0xff);
}

/* ---- set-up ------------------------------------------------------------------------ */

static void *map_regs(hpa_t base, u64 size)
{
	assert_int_equal(size, 0x4000);
	return units[(base.raw - REGS_BASE) / 0x4000].regs;
}

static struct acpi_scope *add_scope(u16 first, u16 last)
{
	struct acpi_scope *scope = &ivrs.scopes[ivrs.scope_count++];

	*scope = (struct acpi_scope){ .type = ACPI_SCOPE_ENDPOINT,
				      .first_bdf = first,
				      .last_bdf = last };
	return scope;
}

/* One unit for all. */
static int prepare(void **state)
{
	struct acpi_scope *old;

	(void)state;
	memset(units, 0, sizeof(units));
	set(&units[0], 0x30, FEATURE_IA);
	set(&units[1], 0x30, FEATURE_IA);
	memset(frame_used, 0, sizeof(frame_used));
	frames_in_use = tables_in_use = 0;
	frames_left = FRAMES;
	no_table = false;
	memset(&ivrs, 0, sizeof(ivrs));
	ivrs.present = ivrs.amd = true;
	ivrs.unit_count = 1;
	ivrs.units[0] =
		(struct acpi_iommu_unit){ .base = HPA(REGS_BASE), .bdf = UNIT, .scope_count = 2 };
	add_scope(0, PCI_BDF(4, 31, 7));
	old = add_scope(OLD_A, PCI_BDF(5, 31, 7));
	old->aliased = true;
	old->alias = VOICE;
	memset(&pci, 0, sizeof(pci));
	memset(config, 0, sizeof(config));
	pci.ecam[0] = config;
	pci.function_count = 2;
	for (u16 i = 0; i < 2; i++) {
		config[(UNIT + i) * 4096 + MSI_AT + 2] = 0x80;
		pci.functions[i] = (struct pci_function){ .bdf = UNIT + i,
							  .bridge = PCI_NO_BRIDGE,
							  .class_code = 0x080600,
							  .msi = MSI_AT };
	}
	return 0;
}

static enum err start_iommu(void)
{
	return iommu_start(&iommu, &ivrs, &pci, &frames, map_regs, false);
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
	assert_int_equal(get(&units[0], 0x18), CONTROL_ON);
	assert_false(iommu_poll_fault(&iommu, &fault));
	for (u32 rid = 0; rid < 65536; rid++) {
		assert_int_equal(dma(&units[0], (u16)rid, 0x12345678, true), BLOCKED);
		assert_int_equal(interrupt(&units[0], (u16)rid, MSI_BASE, 0x30), BLOCKED);
		fault = taken_fault();
		assert_int_equal(fault.bdf, rid);
		assert_int_equal(fault.iova.raw, 0x12345000);
		assert_true(fault.write);
		assert_false(fault.interrupt);
		assert_true(taken_fault().interrupt);
	}
	assert_int_equal(dma(&units[0], GPU, 0x12345678, false), BLOCKED);
	assert_false(taken_fault().write);
}

static void an_attached_function_reaches_what_is_mapped(void **state)
{
	(void)state;
	assert_int_equal(iommu_map(&domain, IOVA(MIB(4)), HPA(GIB(1)), MIB(4), 3), OK);
	assert_int_equal(iommu_map(&domain, IOVA(MIB(1)), HPA(GIB(3)), KIB(4), IOMMU_READ), OK);
	assert_int_equal(iommu_map(&domain, IOVA(GIB(1) << 10), HPA(GIB(2)), GIB(1), 3), OK);
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(dma(&units[0], GPU, MIB(7) + 5, true), GIB(1) + MIB(3) + 5);
	assert_int_equal(dma(&units[0], GPU, (GIB(1) << 10) + MIB(9), true), GIB(2) + MIB(9));
	assert_int_equal(dma(&units[0], GPU, MIB(1), false), GIB(3));
	assert_int_equal(dma(&units[0], GPU, MIB(1), true), BLOCKED);
	assert_string_equal(taken_fault().reason, "no right to read or write");
	assert_int_equal(dma(&units[0], GPU, MIB(8), false), BLOCKED);
	assert_int_equal(taken_fault().code, 2);
	assert_int_equal(dma(&units[0], NIC, MIB(4), false), BLOCKED);
	assert_string_equal(taken_fault().reason,
			    "it belongs to no domain, or nothing is mapped there");
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
	assert_int_equal(iommu_unmap(&domain, IOVA(MIB(2) - KIB(8)), KIB(4)), OK);
	assert_int_equal(dma(&units[0], GPU, MIB(2) - KIB(8), true), BLOCKED);
	assert_int_equal(iommu_unmap(&domain, IOVA(MIB(2) - KIB(8)), KIB(12)), OK);
	for (u64 i = 0; i < 3; i++)
		assert_int_equal(dma(&units[0], GPU, MIB(2) - KIB(8) + KIB(4) * i, true), BLOCKED);
	assert_int_equal(dma(&units[0], GPU, MIB(2) + KIB(4), true), GIB(1) + KIB(12));
	assert_int_equal(iommu_unmap(&domain, IOVA(0), GIB(2)), OK);
	assert_int_equal(dma(&units[0], GPU, MIB(2) + KIB(4), true), BLOCKED);
	assert_int_equal(frames_in_use, before);
}

static void a_flush_takes_the_smallest_block_that_covers_the_range(void **state)
{
	(void)state;
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), MIB(2), 3), OK);
	for (u64 page = 0; page < 8; page++)
		dma(&units[0], GPU, page * 4096, true);
	assert_int_equal(iommu_unmap(&domain, IOVA(KIB(8)), KIB(8)), OK);
	for (u64 page = 0; page < 8; page++)
		assert_int_equal(cached(units[0].pages, domain.id, page * 4096)->valid,
				 page < 2 || page > 3);
}

static void a_split_page_keeps_translating(void **state)
{
	(void)state;
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), GIB(1), 3), OK);
	assert_int_equal(iommu_unmap(&domain, IOVA(MIB(5)), KIB(4)), OK);
	assert_int_equal(dma(&units[0], GPU, MIB(5), true), BLOCKED);
	assert_int_equal(dma(&units[0], GPU, MIB(5) + KIB(4), true), GIB(1) + MIB(5) + KIB(4));
	assert_int_equal(dma(&units[0], GPU, MIB(900), true), GIB(1) + MIB(900));
}

static void a_detached_function_reaches_nothing_and_may_go_elsewhere(void **state)
{
	unsigned before;

	(void)state;
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(iommu_map(&other, IOVA(0), HPA(GIB(2)), KIB(4), 3), OK);
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(iommu_attach(&domain, NIC), OK);
	assert_int_equal(iommu_attach(&other, GPU), ERR_EXISTS);
	assert_int_equal(dma(&units[0], GPU, 0, true), GIB(1));
	before = units[0].flushes;
	assert_int_equal(iommu_detach(&domain, GPU), OK);
	assert_int_equal(units[0].flushes, before + 1);
	assert_int_equal(dma(&units[0], GPU, 0, true), BLOCKED);
	assert_int_equal(dma(&units[0], NIC, 0, true), GIB(1));
	assert_int_equal(iommu_attach(&other, GPU), OK);
	assert_int_equal(dma(&units[0], GPU, 0, true), GIB(2));
}

static void a_domains_id_is_used_again_once_it_is_forgotten(void **state)
{
	u16 id = domain.id;

	(void)state;
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(iommu_domain_fini(&domain), ERR_BUSY);
	assert_int_equal(dma(&units[0], GPU, 0, true), GIB(1));
	assert_int_equal(iommu_detach(&domain, GPU), OK);
	units[0].pages[0] = (struct cached_page){ true, id, 0, GIB(1), BIT(61) | BIT(62) };
	assert_int_equal(iommu_domain_fini(&domain), OK);
	assert_int_equal(iommu_domain_init(&iommu, &domain), OK);
	assert_int_equal(domain.id, id);
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(dma(&units[0], GPU, 0, true), BLOCKED);
}

static void an_interrupt_reaches_its_processor_from_its_source_only(void **state)
{
	struct iommu_irq irq = { .source = GPU, .apic_id = 3, .vector = 0x51 };
	struct iommu_irq far = { .source = GPU, .apic_id = 256, .vector = 0x51 };
	u64 address;
	u32 data;

	(void)state;
	assert_true(iommu.irq_remapping);
	assert_int_equal(interrupt(&units[0], GPU, MSI_BASE, 0), BLOCKED);
	assert_string_equal(taken_fault().reason, "interrupt is not allowed");
	assert_int_equal(iommu_irq_set(&iommu, &far, &address, &data), ERR_RANGE);
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), OK);
	assert_int_equal(interrupt(&units[0], GPU, address, data), 0x351);
	assert_int_equal(interrupt(&units[0], NIC, address, data), BLOCKED);
	assert_int_equal(interrupt(&units[0], GPU, address, data + 1), BLOCKED);
	assert_int_equal(dma(&units[0], GPU, 0, true), BLOCKED);
}

static void each_function_has_interrupt_entries_of_its_own(void **state)
{
	struct iommu_irq irq = { .source = GPU, .apic_id = 3, .vector = 0x51 };
	struct iommu_irq nic = { .source = NIC, .apic_id = 1, .vector = 0x60 };
	u64 address;
	u32 data;

	(void)state;
	for (unsigned i = 0; i < IOMMU_IRQ_ENTRIES; i++) {
		assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), OK);
		assert_int_equal(data, i);
	}
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), ERR_FULL);
	assert_int_equal(iommu_irq_set(&iommu, &nic, &address, &data), OK);
	assert_int_equal(data, 0);
	assert_int_equal(interrupt(&units[0], NIC, address, 0), 0x160);
	assert_int_equal(interrupt(&units[0], GPU, address, 255), 0x351);
}

static void an_interrupt_that_is_taken_back_is_blocked_and_its_entry_used_again(void **state)
{
	struct iommu_irq irq = { .source = GPU, .apic_id = 3, .vector = 0x51 };
	struct iommu_irq next = { .source = GPU, .apic_id = 1, .vector = 0x60 };
	int before = frames_in_use;
	u64 address, address2;
	u32 data, data2;

	(void)state;
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), OK);
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address2, &data2), OK);
	assert_int_equal(interrupt(&units[0], GPU, address, data), 0x351);
	assert_int_equal(iommu_irq_clear(&iommu, NIC, address, data), ERR_NOT_FOUND);
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address, 256), ERR_NOT_FOUND);
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address + 16, data), ERR_NOT_FOUND);
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address, data), OK);
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address, data), ERR_NOT_FOUND);
	assert_int_equal(interrupt(&units[0], GPU, address, data), BLOCKED);
	assert_int_equal(iommu_irq_set(&iommu, &next, &address, &data), OK);
	assert_int_equal(data, 0);
	assert_int_equal(interrupt(&units[0], GPU, address, data), 0x160);
	assert_int_equal(frames_in_use, before + 1);
	/* The last one takes the function's table with it. */
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address, data), OK);
	assert_int_equal(interrupt(&units[0], GPU, address2, data2), 0x351);
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address2, data2), OK);
	assert_int_equal(frames_in_use, before);
	assert_int_equal(interrupt(&units[0], GPU, address2, data2), BLOCKED);
}

static void an_interrupt_entry_that_may_be_remembered_is_not_used_again(void **state)
{
	struct iommu_irq irq = { .source = GPU, .apic_id = 3, .vector = 0x51 };
	u64 address;
	u32 data;

	(void)state;
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), OK);
	units[0].refuses = true;
	assert_int_equal(iommu_irq_clear(&iommu, GPU, address, data), ERR_DEVICE);
	forget_irqs(&units[0], GPU);
	assert_int_equal(interrupt(&units[0], GPU, address, data), BLOCKED);
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), ERR_DEVICE);
	assert_int_equal(data, 1);
	assert_int_equal(interrupt(&units[0], GPU, address, data), BLOCKED);
}

/* IVRS: a bridge or an old device speaks for others. */
static void functions_with_one_voice_share_a_domain_or_none(void **state)
{
	struct iommu_irq irq = { .source = OLD_B, .apic_id = 3, .vector = 0x51 };
	u64 address;
	u32 data;

	(void)state;
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(iommu_attach(&domain, OLD_A), OK);
	assert_int_equal(dma(&units[0], VOICE, 0, true), GIB(1));
	assert_int_equal(iommu_attach(&other, OLD_B), ERR_EXISTS);
	assert_int_equal(iommu_attach(&domain, OLD_B), OK);
	assert_int_equal(iommu_detach(&domain, OLD_A), OK);
	assert_int_equal(dma(&units[0], VOICE, 0, true), GIB(1));
	assert_int_equal(iommu_domain_fini(&domain), ERR_BUSY);
	assert_int_equal(iommu_detach(&domain, OLD_B), OK);
	assert_int_equal(dma(&units[0], VOICE, 0, true), BLOCKED);
	assert_int_equal(iommu_attach(&other, OLD_B), OK);
	assert_int_equal(iommu_irq_set(&iommu, &irq, &address, &data), OK);
	assert_int_equal(interrupt(&units[0], VOICE, address, data), 0x351);
	assert_int_equal(iommu_irq_clear(&iommu, OLD_A, address, data), OK);
}

static void a_function_with_reserved_memory_is_refused(void **state)
{
	prepare(state);
	ivrs.reserved_count = 1;
	ivrs.reserved[0] =
		(struct acpi_reserved){ .first_scope = ivrs.scope_count, .scope_count = 2 };
	add_scope(GPU, GPU + 1);
	add_scope(OLD_A, OLD_A);
	assert_int_equal(start_iommu(), OK);
	assert_int_equal(iommu_domain_init(&iommu, &domain), OK);
	assert_int_equal(iommu_attach(&domain, GPU), ERR_DENIED);
	assert_int_equal(iommu_attach(&domain, GPU + 1), ERR_DENIED);
	assert_int_equal(iommu_attach(&domain, OLD_A), ERR_DENIED);
	assert_int_equal(iommu_attach(&domain, OLD_B), OK);
	assert_int_equal(iommu_attach(&domain, NIC), OK);
	assert_int_equal(iommu_attach(&domain, PCI_BDF(9, 0, 0)), ERR_NOT_FOUND);
}

static void several_units_share_one_device_table(void **state)
{
	prepare(state);
	ivrs.unit_count = 2;
	ivrs.units[1] = (struct acpi_iommu_unit){
		.base = HPA(REGS_BASE + 0x4000), .first_scope = 2, .scope_count = 1, .flags = 0x0f
	};
	add_scope(PCI_BDF(0x40, 0, 0), PCI_BDF(0x5f, 31, 7));
	assert_int_equal(start_iommu(), OK);
	assert_int_equal(tables_in_use, 1);
	assert_int_equal(get(&units[1], 0x18), CONTROL_ON | BIT(1) | BIT(8) | BIT(9) | BIT(11));
	assert_int_equal(iommu_domain_init(&iommu, &domain), OK);
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	assert_int_equal(dma(&units[1], PCI_BDF(0x41, 0, 0), 0, true), BLOCKED);
	assert_int_equal(iommu_attach(&domain, PCI_BDF(0x41, 0, 0)), OK);
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(dma(&units[1], PCI_BDF(0x41, 0, 0), 0, true), GIB(1));
	assert_int_equal(dma(&units[0], GPU, 0, true), GIB(1));
	assert_int_equal(iommu_unmap(&domain, IOVA(0), KIB(4)), OK);
	assert_int_equal(dma(&units[1], PCI_BDF(0x41, 0, 0), 0, true), BLOCKED);
	assert_int_equal(dma(&units[0], GPU, 0, true), BLOCKED);
}

/* As firmware might have left it: on, with tables, queues and an exclusion range of its own. */
static void leave_on(u64 control)
{
	frame_used[FRAMES - 1] = true;
	set(&units[0], 0x00, (FRAME_BASE + (FRAMES - 1) * 4096ULL) | 511);
	set(&units[0], 0x18, control);
	set(&units[0], 0x20, 1);
	set(&units[0], 0x2000, 0x40);
	set(&units[0], 0x2008, 0x40);
	set(&units[0], 0x2018, 0x30);
	set(&units[0], 0x2020, BIT(0) | BIT(3) | BIT(4));
	units[0].devices[GPU].valid = true; /* zeros: lets everything through */
	units[0].irqs[0].valid = true;
	units[0].irqs[0].rid = GPU;
}

static void what_firmware_left_on_is_taken_over_without_a_gap(void **state)
{
	struct iommu_fault fault;

	prepare(state);
	leave_on(0x1005);
	assert_int_equal(start_iommu(), OK);
	assert_false(units[0].was_off);
	assert_int_equal(get(&units[0], 0x18), CONTROL_ON);
	assert_false(iommu_poll_fault(&iommu, &fault));
	assert_int_equal(dma(&units[0], GPU, 0, true), BLOCKED);
	assert_int_equal(interrupt(&units[0], GPU, MSI_BASE, 0), BLOCKED);
	taken_fault();
	taken_fault();
	assert_int_equal(get(&units[0], 0x2020) & ~BIT(1), BIT(3) | BIT(4));
}

static void another_mode_of_tables_is_switched_off_first(void **state)
{
	prepare(state);
	leave_on(0x1005 | BIT(17)); /* long interrupt entries */
	assert_int_equal(start_iommu(), OK);
	assert_true(units[0].was_off);
	assert_int_equal(get(&units[0], 0x18), CONTROL_ON);
	assert_int_equal(dma(&units[0], GPU, 0, true), BLOCKED);
}

static void an_old_unit_forgets_one_by_one(void **state)
{
	prepare(state);
	set(&units[0], 0x30, 0);
	for (unsigned i = 0; i < 65536; i++)
		units[0].devices[i].valid = true;
	units[0].irqs[0].valid = true;
	units[0].irqs[0].rid = 0xfffe;
	units[0].pages[0] = (struct cached_page){ true, 255, GIB(7), 0, 0 };
	units[0].tables[0] = units[0].pages[0];
	assert_int_equal(start_iommu(), OK);
	for (unsigned i = 0; i < 65536; i++)
		assert_false(units[0].devices[i].valid);
	assert_false(units[0].irqs[0].valid || units[0].pages[0].valid || units[0].tables[0].valid);
}

static void a_unit_that_does_not_answer_is_an_error(void **state)
{
	prepare(state);
	units[0].dead = true;
	assert_int_equal(start_iommu(), ERR_TIMEOUT);
	prepare(state);
	units[0].refuses = true;
	assert_int_equal(start_iommu(), ERR_DEVICE);
}

static void a_function_that_the_unit_may_remember_counts_as_attached(void **state)
{
	int before;

	(void)state;
	assert_int_equal(iommu_attach(&domain, GPU), OK);
	assert_int_equal(iommu_map(&domain, IOVA(0), HPA(GIB(1)), KIB(4), 3), OK);
	before = frames_in_use;
	units[0].refuses = true;
	assert_int_equal(iommu_unmap(&domain, IOVA(0), KIB(4)), ERR_DEVICE);
	assert_int_equal(frames_in_use, before);
	assert_string_equal(taken_fault().reason, "the unit was given an unknown command");
	assert_int_equal(iommu_detach(&domain, GPU), ERR_DEVICE);
	assert_int_equal(iommu_attach(&other, NIC), ERR_DEVICE);
	assert_int_equal(((u64 *)device_table)[NIC * 4], 3);
	assert_int_equal(iommu_attach(&other, GPU), ERR_EXISTS);
	assert_int_equal(iommu_domain_fini(&domain), ERR_BUSY);
}

static void every_event_has_a_reason(void **state)
{
	(void)state;
	for (u64 code = 1; code < 16; code++) {
		struct iommu_fault fault;

		log_event(&units[0], code << 60 | BIT(53) | NIC, MIB(3) + 0x123);
		fault = taken_fault();
		assert_int_equal(fault.code, code);
		assert_int_equal(fault.bdf, NIC);
		assert_int_equal(fault.iova.raw, MIB(3));
		assert_true(fault.write);
		assert_false(fault.interrupt);
		assert_int_equal(strcmp(fault.reason, "reason unknown to this driver") == 0,
				 code == 15);
	}
	/* The tail says that there is one, but its words never come. */
	set(&units[0], 0x2018, get(&units[0], 0x2018) + 16);
	assert_string_equal(taken_fault().reason, "reason unknown to this driver");
}

static void a_full_log_goes_on(void **state)
{
	struct iommu_fault fault;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 300; i++)
			dma(&units[0], GPU, i * 4096, true);
		for (unsigned i = 0; i < 255; i++) {
			fault = taken_fault();
			assert_int_equal(fault.iova.raw, i * 4096);
		}
		assert_false(iommu_poll_fault(&iommu, &fault));
	}
}

/* ---- when faults are looked at ----------------------------------------------------- */

static bool listens(const struct unit *unit)
{
	return get((struct unit *)unit, 0x18) & BIT(3);
}

static void an_event_interrupts_once_and_is_looked_at(void **state)
{
	(void)state;
	iommu_tell_faults(&iommu);
	assert_false(iommu.polled);
	assert_false(listens(&units[0])); /* before the first look */
	fake_start_listening(&iommu);
	assert_int_equal(get(&units[0], 0x18), CONTROL_ON | BIT(3));
	assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 0);
	fake_now_ns += IOMMU_LOOK_NS;
	dma(&units[0], GPU, 0x5000, true);
	assert_true(fake_take_interrupts());
	assert_false(listens(&units[0]));
	dma(&units[0], NIC, 0, true);
	assert_false(fake_take_interrupts()); /* masked */
	assert_int_equal(fake_look(&iommu, 0), 2);
	assert_int_equal(fake_told[0].iova.raw, 0x5000);
	assert_true(listens(&units[0]));
	assert_false(fake_take_interrupts());
	dma(&units[0], GPU, 0, true);
	assert_true(fake_take_interrupts());
	assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS - 1), 0);
	assert_int_equal(fake_look(&iommu, 1), 1);
}

static void eight_are_looked_at_and_the_rest_waits_masked(void **state)
{
	(void)state;
	fake_start_listening(&iommu);
	fake_now_ns += IOMMU_LOOK_NS;
	for (unsigned i = 0; i < 20; i++)
		dma(&units[0], GPU, 0, true);
	assert_true(fake_take_interrupts());
	for (unsigned round = 0; round < 2; round++) {
		assert_int_equal(fake_look(&iommu, 0), 8);
		assert_false(listens(&units[0]));
		assert_false(fake_take_interrupts());
		assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS - 1), 0);
		fake_now_ns++;
	}
	assert_int_equal(fake_look(&iommu, 0), 4);
	assert_true(listens(&units[0]));
}

static void fault_of_nic(void)
{
	units[0].on_last = NULL;
	dma(&units[0], NIC, 0x7000, true);
}

/* It sets EventLogInt while EventIntEn is not there to send a message of it. */
static void an_event_after_the_last_and_before_the_unit_listens_is_not_lost(void **state)
{
	(void)state;
	fake_start_listening(&iommu);
	fake_now_ns += IOMMU_LOOK_NS;
	dma(&units[0], GPU, 0, true);
	assert_true(fake_take_interrupts());
	units[0].on_last = fault_of_nic;
	assert_int_equal(fake_look(&iommu, 0), 1);
	assert_false(fake_take_interrupts());
	assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 1);
	assert_int_equal(fake_told[0].bdf, NIC);
	dma(&units[0], GPU, 0, true);
	assert_true(fake_take_interrupts());
}

static void an_interrupt_bit_that_does_not_go_is_cleared_again(void **state)
{
	(void)state;
	units[0].sets_it_again = true;
	fake_start_listening(&iommu);
	assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 0);
	assert_int_equal(get(&units[0], 0x2020) & BIT(1), 0);
	dma(&units[0], GPU, 0, true);
	assert_true(fake_take_interrupts());
}

static void a_full_log_goes_on_and_is_listened_to(void **state)
{
	unsigned told = 0;

	(void)state;
	fake_start_listening(&iommu);
	for (unsigned i = 0; i < 300; i++)
		dma(&units[0], GPU, 0, true);
	assert_true(fake_take_interrupts());
	for (unsigned i = 0; i < 255 / 8 + 1; i++)
		told += fake_look(&iommu, IOMMU_LOOK_NS);
	assert_int_equal(told, 255);
	assert_true(listens(&units[0]));
	dma(&units[0], GPU, 0, true);
	assert_true(fake_take_interrupts());
}

/* No function, one that is something else, or one without MSI. */
static void where_a_unit_cannot_interrupt_looks_follow_each_other(void **state)
{
	for (unsigned lacks = 0; lacks < 3; lacks++) {
		prepare(state);
		ivrs.unit_count = 2;
		ivrs.units[1] = (struct acpi_iommu_unit){ .base = HPA(REGS_BASE + 0x4000),
							  .bdf = UNIT + 1,
							  .first_scope = 2 };
		pci.functions[1].bdf += lacks == 0;
		pci.functions[1].class_code <<= lacks == 1;
		pci.functions[1].msi = lacks == 2 ? 0 : MSI_AT;
		assert_int_equal(start_iommu(), OK);
		iommu_tell_faults(&iommu);
		assert_true(iommu.polled);
		assert_int_equal(config_of(&units[1], MSI_AT + 2, 2), 0x80);
		fake_messages = 0;
		for (unsigned i = 0; i < 3; i++) {
			dma(&units[0], GPU, 0, true);
			dma(&units[1], GPU, 0, true);
			assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS), 2);
			assert_int_equal(fake_look(&iommu, IOMMU_LOOK_NS / 2), 0);
			assert_false(listens(&units[0]) || listens(&units[1]));
		}
		assert_int_equal(fake_messages, 0);
	}
}

static void without_frames_nothing_starts_and_nothing_leaks(void **state)
{
	prepare(state);
	no_table = true;
	assert_int_equal(start_iommu(), ERR_NO_MEMORY);
	no_table = false;
	for (int allowed = 0; allowed < 3; allowed++) {
		frames_left = allowed;
		assert_int_equal(start_iommu(), ERR_NO_MEMORY);
		assert_int_equal(frames_in_use, 0);
		assert_int_equal(tables_in_use, 0);
		assert_int_equal(get(&units[0], 0x18), 0);
	}
	frames_left = 3;
	assert_int_equal(start_iommu(), OK);
	assert_int_equal(iommu_domain_init(&iommu, &domain), ERR_NO_MEMORY);
	assert_int_equal(iommu_irq_set(&iommu, &(struct iommu_irq){ .source = GPU }, &(u64){ 0 },
				       &(u32){ 0 }),
			 ERR_NO_MEMORY);
}

static void hardware_that_cannot_do_it_is_refused(void **state)
{
	prepare(state);
	set(&units[0], 0x30, FEATURE_IA | 3 << 10); /* no known depth of tables */
	assert_int_equal(start_iommu(), ERR_UNSUPPORTED);
	set(&units[0], 0x30, ~0ULL);
	assert_int_equal(start_iommu(), ERR_UNSUPPORTED);
	prepare(state);
	ivrs.units[0].segment = 1;
	assert_int_equal(start_iommu(), ERR_UNSUPPORTED);
}

int main(void)
{
#define TEST(name)	    cmocka_unit_test_setup(name, start)
#define TEST_PREPARED(name) cmocka_unit_test_setup(name, prepare)
	const struct CMUnitTest tests[] = {
		TEST(starting_denies_every_function),
		TEST(an_attached_function_reaches_what_is_mapped),
		TEST(unmapped_memory_is_forgotten_by_the_unit),
		TEST(a_flush_takes_the_smallest_block_that_covers_the_range),
		TEST(a_split_page_keeps_translating),
		TEST(a_detached_function_reaches_nothing_and_may_go_elsewhere),
		TEST(a_domains_id_is_used_again_once_it_is_forgotten),
		TEST(an_interrupt_reaches_its_processor_from_its_source_only),
		TEST(each_function_has_interrupt_entries_of_its_own),
		TEST(an_interrupt_that_is_taken_back_is_blocked_and_its_entry_used_again),
		TEST(an_interrupt_entry_that_may_be_remembered_is_not_used_again),
		TEST(functions_with_one_voice_share_a_domain_or_none),
		TEST_PREPARED(a_function_with_reserved_memory_is_refused),
		TEST_PREPARED(several_units_share_one_device_table),
		TEST_PREPARED(what_firmware_left_on_is_taken_over_without_a_gap),
		TEST_PREPARED(another_mode_of_tables_is_switched_off_first),
		TEST_PREPARED(an_old_unit_forgets_one_by_one),
		TEST_PREPARED(a_unit_that_does_not_answer_is_an_error),
		TEST(a_function_that_the_unit_may_remember_counts_as_attached),
		TEST(every_event_has_a_reason),
		TEST(a_full_log_goes_on),
		TEST(an_event_interrupts_once_and_is_looked_at),
		TEST(eight_are_looked_at_and_the_rest_waits_masked),
		TEST(an_event_after_the_last_and_before_the_unit_listens_is_not_lost),
		TEST(an_interrupt_bit_that_does_not_go_is_cleared_again),
		TEST(a_full_log_goes_on_and_is_listened_to),
		TEST_PREPARED(where_a_unit_cannot_interrupt_looks_follow_each_other),
		TEST_PREPARED(without_frames_nothing_starts_and_nothing_leaks),
		TEST_PREPARED(hardware_that_cannot_do_it_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
