/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model of AMD-Vi units. They cache device entries, pages, pointers to level-1 tables and
 * interrupt entries until a command tells them to forget them, and let pass what an entry does
 * not forbid: what is forgotten or left zero shows here, and on no emulator.
 */
#ifndef TESTS_UNIT_MODEL_AMDVI_H
#define TESTS_UNIT_MODEL_AMDVI_H

#include "arch/x86/io.h"
#include "drivers/amdvi.h"
#include "tests/unit/fake_iommu.h"

#define REGS_BASE  0xfed80000ULL
#define FEATURE_IA BIT(6)
#define PASSES	   0x1234000000000000ULL /* added to what gets through untouched */
#define CONTROL_ON 0x1405ULL		 /* enabled, log, coherent, commands */
#define MSI_BASE   0xfee00000ULL

#define UNIT  PCI_BDF(0, 0, 2) /* the function that units[0] is; the other one's is 00:00.3 */
#define OLD_A PCI_BDF(5, 1, 0) /* two functions behind a bridge that speaks for them */
#define OLD_B PCI_BDF(5, 2, 0)
#define VOICE PCI_BDF(5, 0, 0)

/* What the rules of all units ask for, see rules_iommu.h. */
#define STATE_ON	   CONTROL_ON
#define PAGE_RIGHTS	   (BIT(61) | BIT(62)) /* of a page-table entry: both */
#define FIRST_MESSAGE	   MSI_BASE	       /* the address; more of them by the data */
#define KEPT_OF_TWO	   2		       /* faults that come before a look */
#define WHY_NO_DOMAIN	   ((struct why){ 2, "it belongs to no domain, or nothing is mapped there" })
#define WHY_NEVER_ATTACHED WHY_NO_DOMAIN
#define WHY_NOT_MAPPED	   WHY_NO_DOMAIN
#define WHY_NO_WRITE	   ((struct why){ 2, "no right to read or write" })
#define WHY_NO_IRQ	   ((struct why){ 2, "interrupt is not allowed" })
#define WHY_FOREIGN_IRQ	   WHY_NO_IRQ

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
	struct page_cache cache;
	struct {
		bool valid;
		u16 rid;
		u32 index, entry;
	} irqs[CACHED];
};

static struct unit units[UNITS];

/* Configuration space of bus 0's first device: MSI with 64 bits at 64h. */
#define MSI_AT 0x64
static u8 config[8 * 4096];

/* ---- registers --------------------------------------------------------------------- */

static inline u64 get(struct unit *unit, u32 reg)
{
	u64 value;

	memcpy(&value, &unit->regs[reg], 8);
	return value;
}

static inline void set(struct unit *unit, u32 reg, u64 value)
{
	memcpy(&unit->regs[reg], &value, 8);
}

static inline u32 config_of(const struct unit *unit, u32 offset, unsigned size)
{
	u32 value = 0;

	memcpy(&value, &config[(UNIT + (unit - units)) * 4096 + offset], size);
	return value;
}

/* EventLogInt, or EventOverflow: a message when one is set, where EventIntEn and MSI are on. */
static inline void set_state(struct unit *unit, u64 state)
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

static inline void log_event(struct unit *unit, u64 low, u64 high)
{
	u64 *log = cpu_view(get(unit, 0x10) & 0x000ffffffffff000ULL);
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

static inline u64 page_fault(struct unit *unit, u16 rid, u64 flags, u64 address)
{
	log_event(unit, 2ULL << 60 | flags | rid, address);
	return BLOCKED;
}

/* ---- the queue --------------------------------------------------------------------- */

static inline void forget_range(struct unit *unit, u16 domain_id, u64 high)
{
	u64 address = high & ~PAGE_MASK, size = 4096;

	assert_int_equal(high & 0xffc, 0);
	if (high & 1) {
		u64 ones = address >> 12;

		for (size = 8192; (ones & 1) && size; ones >>= 1)
			size <<= 1;
		address = size ? address & ~(size - 1) : 0;
		if (!size || size > BIT(62))
			size = ~0ULL, address = 0;
	}
	forget_pages(&unit->cache, domain_id, address, size, high & 2);
	unit->flushes++;
}

static inline void forget_irqs(struct unit *unit, int rid)
{
	for (unsigned i = 0; i < CACHED; i++)
		if (rid < 0 || unit->irqs[i].rid == rid)
			unit->irqs[i].valid = false;
}

static inline void forget_all(struct unit *unit)
{
	for (unsigned i = 0; i < 65536; i++)
		unit->devices[i].valid = false;
	memset(&unit->cache, 0, sizeof(unit->cache));
	forget_irqs(unit, -1);
}

static inline void run_command(struct unit *unit, u64 low, u64 high)
{
	switch (low >> 60) {
	case 1:
		assert_int_equal(low & 0x0ff0000000000007ULL, 1);
		*(u64 *)cpu_view(low & 0x000ffffffffffff8ULL) = high;
		unit->completions++;
		break;
	case 2:
		assert_int_equal(low & 0x0fffffffffff0000ULL, 0);
		assert_int_equal(high, 0);
		unit->devices[low & 0xffff].valid = false;
		break;
	case 3:
		assert_int_equal(low & 0x0fff0000ffffffffULL, 0);
		forget_range(unit, low >> 32 & 0xffff, high);
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

static inline void run_commands(struct unit *unit)
{
	u64 *queue = cpu_view(get(unit, 0x08) & 0x000ffffffffff000ULL);

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

/* ---- what the driver reads and writes ----------------------------------------------- */

static inline void control_written(struct unit *unit, u64 value)
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

static inline struct unit *unit_of(const volatile void *reg, u32 *offset)
{
	return &units[unit_index(reg, units, sizeof(units[0]), sizeof(units[0].regs), offset)];
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

/* ---- what devices do ---------------------------------------------------------------- */

static inline u64 *device(struct unit *unit, u16 rid)
{
	u64 base = get(unit, 0x00);

	assert_int_equal(base & 0x1ff, 511); /* an entry for every function there can be */
	if (!unit->devices[rid].valid) {
		memcpy(unit->devices[rid].word, cpu_view((base & 0x000ffffffffff000ULL) + rid * 32),
		       32);
		unit->devices[rid].valid = true;
	}
	return unit->devices[rid].word;
}

/* Walks from the root, or from the table that it remembers. NULL: nothing is mapped. */
static inline struct cached_page *walk(struct unit *unit, const u64 *entry, u64 iova)
{
	u16 domain_id = (u16)entry[1];
	struct cached_page *page = cached(unit->cache.pages, domain_id, iova & ~PAGE_MASK);
	struct cached_page *table = cached(unit->cache.tables, domain_id, iova & ~(MIB(2) - 1));
	unsigned level = table->valid ? 1 : entry[0] >> 9 & 7;
	u64 base = table->valid ? table->pa : entry[0] & 0x000ffffffffff000ULL;

	if (page->valid)
		return page;
	while (true) {
		unsigned shift = 3 + 9 * level;
		u64 e = ((u64 *)cpu_view(base))[iova >> shift & 511];

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
static inline u64 dma(struct unit *unit, u16 rid, u64 iova, bool write)
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
static inline u64 interrupt(struct unit *unit, u16 rid, u64 address, u32 data)
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
		unit->irqs[slot].entry = ((u32 *)cpu_view(table & ~PAGE_MASK))[data];
	}
	irte = unit->irqs[slot].entry;
	if (!(irte & 1)) {
		unit->irqs[slot].valid = false;
		return page_fault(unit, rid, BIT(51), data);
	}
	assert_int_equal(irte & 0xff0000fe, 0); /* fixed, physical, with faults */
	return (irte >> 8 & 0xff) << 8 | (irte >> 16 & 0xff);
}

/* ---- the machine ------------------------------------------------------------------- */

/* Control: what is on. */
static inline u64 state_of(struct unit *unit)
{
	return get(unit, 0x18);
}

/* Does it send a message for the next event? */
static inline bool listens(struct unit *unit)
{
	return state_of(unit) & BIT(3);
}

static inline void *map_regs(hpa_t base, u64 size)
{
	assert_int_equal(size, 0x4000);
	return units[(base.raw - REGS_BASE) / 0x4000].regs;
}

static inline struct acpi_scope *add_scope(u16 first, u16 last)
{
	struct acpi_scope *scope = &acpi.scopes[acpi.scope_count++];

	*scope = (struct acpi_scope){ .type = ACPI_SCOPE_ENDPOINT,
				      .first_bdf = first,
				      .last_bdf = last };
	return scope;
}

/* One unit for all. */
static inline int prepare(void **state)
{
	struct acpi_scope *old;

	(void)state;
	memset(units, 0, sizeof(units));
	set(&units[0], 0x30, FEATURE_IA);
	set(&units[1], 0x30, FEATURE_IA);
	reset_memory();
	memset(&acpi, 0, sizeof(acpi));
	acpi.present = acpi.amd = true;
	acpi.unit_count = 1;
	acpi.units[0] =
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

#endif
