/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model of VT-d units. They read memory through `device_view`, which only
 * cache_flush() brings up to date, as on hardware that does not snoop. They
 * cache context entries, pointers to level-1 tables, pages and interrupt
 * entries until a descriptor tells them to forget them: neither of the emulators
 * that Facet runs on would show a missing flush.
 */
#ifndef TESTS_UNIT_MODEL_VTD_H
#define TESTS_UNIT_MODEL_VTD_H

#include "arch/x86/io.h"
#include "drivers/vtd.h"
#include "tests/unit/fake_iommu.h"

#define CAP_QEMU  0x00d2008c222f0606ULL
#define ECAP_QEMU 0x0000000000f00f4aULL
#define ECAP_EIM  BIT(4)
#define IRTA_EIME BIT(11)
#define IM	  BIT(31) /* of FECTL */

#define FAR  PCI_BDF(5, 0, 0) /* behind the bridge 00:1c.0 */
#define ROOT PCI_BDF(0, 0x1c, 0)

/* What the rules of all units ask for, see rules_iommu.h. */
#define STATE_ON	   0xc7000000ULL
#define PAGE_RIGHTS	   3ULL		 /* of a page-table entry: both */
#define FIRST_MESSAGE	   0xfee00018ULL /* the address; more of them by the data, the sub-handle */
#define KEPT_OF_TWO	   1		 /* faults that come before a look */
#define WHY_NEVER_ATTACHED ((struct why){ 1, "its bus has no root entry" })
#define WHY_NO_DOMAIN	   ((struct why){ 2, "it belongs to no domain" })
#define WHY_NO_WRITE	   ((struct why){ 5, "no right to write" })
#define WHY_NOT_MAPPED	   ((struct why){ 6, "no right to read" })
#define WHY_NO_IRQ	   ((struct why){ 0x22, "interrupt entry is not present" })
#define WHY_FOREIGN_IRQ	   ((struct why){ 0x26, "interrupt entry belongs to another source" })

struct unit {
	u8 regs[4096];
	u64 root, irq_table; /* in force since SRTP and SIRTP */
	u32 queue_head;
	bool dead, refuses; /* faults to inject */
	void (*on_unmask)(void);
	bool fault_pending; /* FECTL.IP */
	unsigned flushes;
	struct {
		bool valid;
		u64 low, high;
	} contexts[65536];
	struct page_cache cache;
	struct {
		bool valid;
		u64 low, high;
	} irqs[256];
};

static struct unit units[UNITS];

static inline u64 device_read(u64 pa)
{
	u64 value;

	memcpy(&value, &device_view[0][0] + memory_offset(pa), sizeof(value));
	return value;
}

/* ---- registers --------------------------------------------------------------------- */

static inline u64 get(struct unit *unit, u32 reg, unsigned size)
{
	u64 value = 0;

	memcpy(&value, &unit->regs[reg], size);
	/* FSTS: bit 1 says whether any record is in use. */
	if (reg == 0x34)
		value = (value & ~BIT(1)) |
			((unit->regs[0x22f] | unit->regs[0x23f]) & 0x80 ? BIT(1) : 0);
	return value;
}

static inline void set(struct unit *unit, u32 reg, u64 value, unsigned size)
{
	memcpy(&unit->regs[reg], &value, size);
}

/* 11.4.7.2: a message for a state that comes while none stands, at once or when IM goes. */
static inline void send_fault_message(struct unit *unit)
{
	if (!unit->fault_pending || get(unit, 0x38, 4) & IM)
		return;
	unit->fault_pending = false;
	fake_messages++;
}

static inline void raise_state(struct unit *unit, u64 before)
{
	unit->fault_pending |= !(before & 0x73);
	send_fault_message(unit);
}

static inline void states_cleared(struct unit *unit)
{
	unit->fault_pending &= !!(get(unit, 0x34, 4) & 0x73);
}

/* ---- the queue --------------------------------------------------------------------- */

static inline void forget_contexts(struct unit *unit, u64 low)
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

static inline void run_descriptor(struct unit *unit, u64 low, u64 high)
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
			forget_pages(&unit->cache, EVERY_DOMAIN, 0, ~0ULL, true);
		} else if ((low >> 4 & 3) == 2) {
			forget_pages(&unit->cache, low >> 16 & 0xffff, 0, ~0ULL, true);
		} else {
			size = PAGE_SIZE << (high & 63);
			assert_true((high & 63) <= 18);
			assert_int_equal(high & ~0xfffULL & (size - 1), 0);
			forget_pages(&unit->cache, low >> 16 & 0xffff, high & ~0xfffULL, size,
				     true);
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
		memcpy(cpu_view(high), &data, 4);
		break;
	default:
		fail_msg("no such descriptor");
	}
}

static inline void run_queue(struct unit *unit)
{
	u64 queue = get(unit, 0x90, 8);
	u32 tail = (u32)get(unit, 0x88, 8);

	assert_true(get(unit, 0x1c, 4) & BIT(26));
	if (unit->refuses) {
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

static inline void run_command(struct unit *unit, u32 value)
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

/* ---- what the driver reads and writes ----------------------------------------------- */

static inline struct unit *unit_of(const volatile void *reg, u32 *offset)
{
	return &units[unit_index(reg, units, sizeof(units[0]), sizeof(units[0].regs), offset)];
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
		if (!(value & IM) && unit->on_unmask)
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

/* ---- what devices do ---------------------------------------------------------------- */

static inline u64 record_fault(struct unit *unit, u16 bdf, u64 info, bool write, u8 reason)
{
	u64 before = get(unit, 0x34, 4);

	if (before & BIT(0))
		return BLOCKED;
	if (get(unit, 0x228, 8) & BIT(63)) {
		set(unit, 0x34, before | BIT(0), 4);
		return BLOCKED;
	}
	set(unit, 0x220, info, 8);
	set(unit, 0x228, BIT(63) | (write ? 0 : BIT(62)) | (u64)reason << 32 | bdf, 8);
	raise_state(unit, before);
	return BLOCKED;
}

/* Walks from the root, or from the table that the paging-structure cache knows. */
static inline struct cached_page *walk(struct unit *unit, u16 domain_id, u64 root, u64 iova)
{
	struct cached_page *page = cached(unit->cache.pages, domain_id, iova & ~PAGE_MASK);
	struct cached_page *table = cached(unit->cache.tables, domain_id, iova & ~(MIB(2) - 1));
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

/* What a function's access ends in: an address, or BLOCKED and a fault record. */
static inline u64 dma(struct unit *unit, u16 bdf, u64 iova, bool write)
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

/* The index in a remappable message, as hardware takes it apart. */
static inline u32 message_index(u64 address, u32 data)
{
	assert_int_equal(address >> 20, 0xfee);
	assert_true(address & 16);
	return (u32)((address >> 5 & 0x7fff) | (address >> 2 & 1) << 15) +
	       ((address & 8) ? data : 0);
}

/* The processor's message that an interrupt ends in: APIC id << 8 | vector, or BLOCKED. */
static inline u64 interrupt(struct unit *unit, u16 bdf, u64 address, u32 data)
{
	u64 table = unit->irq_table & ~PAGE_MASK;
	u32 index = message_index(address, data);

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

/* ---- the machine ------------------------------------------------------------------- */

/* GSTS: what is on. */
static inline u64 state_of(struct unit *unit)
{
	return get(unit, 0x1c, 4);
}

static inline u64 fectl(struct unit *unit)
{
	return get(unit, 0x38, 4);
}

/* Does it send a message for the next fault? */
static inline bool listens(struct unit *unit)
{
	assert_int_equal(fectl(unit) & ~IM, 0);
	return !fectl(unit);
}

static inline void *map_regs(hpa_t base, u64 size)
{
	assert_int_equal(size, 4096);
	return base.raw == 0xfed90000 ? units[0].regs : units[1].regs;
}

static inline void add_scope(u8 type, u8 bus, u8 device)
{
	struct acpi_scope *scope = &acpi.scopes[acpi.scope_count++];

	*scope = (struct acpi_scope){ .type = type, .start_bus = bus, .path_length = 1 };
	scope->path[0].device = device;
}

/* units[1] serves one device of bus 0, or what is behind it; the tables name it first. */
static inline void add_unit_for(u8 type, u8 device)
{
	acpi.unit_count = 2;
	acpi.units[1] = acpi.units[0];
	acpi.units[0] = (struct acpi_iommu_unit){ .base = HPA(0xfeda0000),
						  .first_scope = acpi.scope_count,
						  .scope_count = 1 };
	add_scope(type, 0, device);
}

/* One unit for all, as QEMU has it, with its I/O APIC. */
static inline int prepare(void **state)
{
	(void)state;
	memset(units, 0, sizeof(units));
	for (unsigned i = 0; i < UNITS; i++) {
		set(&units[i], 0x00, 0x10, 4);
		set(&units[i], 0x08, CAP_QEMU, 8);
		set(&units[i], 0x10, ECAP_QEMU, 8);
	}
	reset_memory();
	memset(&acpi, 0, sizeof(acpi));
	acpi.present = true;
	acpi.unit_count = 1;
	acpi.units[0] = (struct acpi_iommu_unit){ .base = HPA(0xfed90000),
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

#endif
