/* SPDX-License-Identifier: Apache-2.0 */
/* Domains and remapped interrupts over all IOMMUs of the machine, whatever their vendor. */
#include "drivers/iommu.h"

#include "arch/x86/io.h"
#include "core/lib/string.h"
#include "drivers/amdvi.h"
#include "drivers/vtd.h"

/* No unit translates writes to this range: they are interrupts (VT-d 3.14, AMD-Vi 2.1.4). */
#define INTERRUPT_FIRST 0xfee00000ULL
#define INTERRUPT_LAST	0xfeefffffULL

/* Pages of all addresses, as an order: to forget them is to forget the domain. */
#define WHOLE_DOMAIN 52

/* One element for each unit, handed out by iommu_start(), which runs once. */
static struct vtd vtd_units[IOMMU_MAX_UNITS];
static struct amdvi amdvi_units[IOMMU_MAX_UNITS];

enum err iommu_wait(const volatile void *reg, u32 mask, u32 expected)
{
	for (u32 i = 0; i < IOMMU_MAX_POLLS; i++) {
		if ((mmio_read32(reg) & mask) == expected)
			return OK;
		cpu_relax();
	}
	return ERR_TIMEOUT;
}

void *iommu_frame(const struct iommu_unit *unit, hpa_t hpa)
{
	return unit->memory->window(hpa);
}

/* Makes a change to a table visible to a unit that does not snoop. */
static void publish(const struct iommu_unit *unit, void *ptr, size_t size)
{
	if (!(unit->features & IOMMU_COHERENT))
		cache_flush(ptr, size);
}

void iommu_store(const struct iommu_unit *unit, u64 *slot, u64 value)
{
	__atomic_store_n(slot, value, __ATOMIC_RELEASE);
	publish(unit, slot, sizeof(*slot));
}

hpa_t iommu_new_frame(const struct iommu_unit *unit)
{
	hpa_t hpa = unit->memory->alloc_table();

	if (hpa.raw)
		publish(unit, iommu_frame(unit, hpa), PAGE_SIZE);
	return hpa;
}

enum err iommu_take_frames(const struct iommu_unit *unit, hpa_t *const frames[], u32 count)
{
	for (u32 i = 0; i < count; i++) {
		*frames[i] = iommu_new_frame(unit);
		if (frames[i]->raw)
			continue;
		while (i--)
			unit->memory->free_table(*frames[i]);
		return ERR_NO_MEMORY;
	}
	return OK;
}

enum err iommu_run(struct iommu_unit *unit, const struct iommu_command *commands, u32 count)
{
	volatile u32 *status = iommu_frame(unit, unit->status);
	struct iommu_command *queue = iommu_frame(unit, unit->queue);

	unit->ticket++;
	for (u32 i = 0; i <= count; i++) {
		struct iommu_command *slot = &queue[unit->queue_tail];

		*slot = i < count ? commands[i] : unit->ops->ticket(unit);
		publish(unit, slot, sizeof(*slot));
		unit->queue_tail = (unit->queue_tail + 1) % IOMMU_QUEUE_ENTRIES;
	}
	mmio_write64(unit->regs + unit->ops->queue_tail, unit->queue_tail * sizeof(*queue));
	for (u32 i = 0; i < IOMMU_MAX_POLLS; i++) {
		if (*status == unit->ticket)
			return OK;
		if (unit->ops->has_stopped(unit))
			return ERR_DEVICE;
		cpu_relax();
	}
	return ERR_TIMEOUT;
}

const char *iommu_reason(const char *const reasons[], u32 count, u32 code)
{
	return code < count && reasons[code] ? reasons[code] : "reason unknown to this driver";
}

/* ---- which unit serves a function ------------------------------------------------- */

/* Follows a scope's path through the bridges; false where it leads nowhere. */
static bool scope_bdf(struct iommu *iommu, const struct acpi_scope *scope, u16 *bdf)
{
	u8 bus = scope->start_bus;

	for (u8 i = 0; i < scope->path_length; i++) {
		const struct pci_function *bridge;

		*bdf = PCI_BDF(bus, scope->path[i].device, scope->path[i].function);
		if (i + 1 == scope->path_length)
			return true;
		bridge = pci_find(iommu->pci, *bdf);
		if (!bridge || !bridge->secondary_bus)
			return false;
		bus = bridge->secondary_bus;
	}
	return false;
}

static bool scope_covers(struct iommu *iommu, const struct acpi_scope *scope, u16 bdf)
{
	const struct pci_function *bridge;
	u16 at;

	if (!scope->path_length)
		return bdf >= scope->first_bdf && bdf <= scope->last_bdf;
	if (!scope_bdf(iommu, scope, &at))
		return false;
	if (scope->type != ACPI_SCOPE_BRIDGE)
		return scope->type == ACPI_SCOPE_ENDPOINT && at == bdf;
	if (at == bdf)
		return true;
	bridge = pci_find(iommu->pci, at);
	return bridge && bridge->secondary_bus && PCI_BUS(bdf) >= bridge->secondary_bus &&
	       PCI_BUS(bdf) <= bridge->subordinate_bus;
}

static bool scopes_cover(struct iommu *iommu, u32 first, u32 count, u16 bdf)
{
	for (u32 i = first; i < first + count; i++)
		if (scope_covers(iommu, &iommu->acpi.scopes[i], bdf))
			return true;
	return false;
}

/* One that names the function goes first. NULL: none serves it. */
static struct iommu_unit *find_unit(struct iommu *iommu, u16 bdf)
{
	struct iommu_unit *rest = NULL;
	const struct pci_function *function = pci_find(iommu->pci, bdf);

	if (function && function->physical) /* tables name no virtual functions */
		bdf = function->physical;
	for (u32 i = 0; i < iommu->unit_count; i++) {
		struct iommu_unit *unit = iommu->units[i];

		if (scopes_cover(iommu, unit->first_scope, unit->scope_count, bdf))
			return unit;
		if (unit->include_all)
			rest = unit;
	}
	return rest;
}

static u16 requester_id(struct iommu *iommu, u16 bdf)
{
	for (u32 i = 0; i < iommu->acpi.scope_count; i++) {
		const struct acpi_scope *scope = &iommu->acpi.scopes[i];

		if (scope->aliased && scope_covers(iommu, scope, bdf))
			return scope->alias;
	}
	return bdf;
}

static bool has_reserved_memory(struct iommu *iommu, u16 bdf)
{
	for (u32 i = 0; i < iommu->acpi.reserved_count; i++) {
		const struct acpi_reserved *region = &iommu->acpi.reserved[i];

		if (region->segment == 0 &&
		    scopes_cover(iommu, region->first_scope, region->scope_count, bdf))
			return true;
	}
	return false;
}

/* ---- start ------------------------------------------------------------------------ */

static enum err init_unit(struct iommu *iommu, const struct acpi_iommu_unit *acpi, pci_map_fn map,
			  bool x2apic)
{
	u32 number = iommu->unit_count;
	struct iommu_unit *unit = &vtd_units[number].unit;
	enum err err;

	if (iommu->acpi.amd) {
		unit = &amdvi_units[number].unit;
		err = amdvi_init(&amdvi_units[number], acpi, &iommu->memory, map,
				 number ? &amdvi_units[0] : NULL);
	} else {
		err = vtd_init(&vtd_units[number], acpi, &iommu->memory, map, x2apic);
	}
	if (err)
		return err;
	unit->include_all = acpi->include_all;
	unit->first_scope = acpi->first_scope;
	unit->scope_count = acpi->scope_count;
	iommu->features &= unit->features;
	iommu->domain_limit = MIN(iommu->domain_limit, unit->domains);
	iommu->units[iommu->unit_count++] = unit;
	return OK;
}

static enum err choose_tables(struct iommu *iommu)
{
	iommu->format = iommu->acpi.amd ? &ptab_format_amdvi : vtd_format(iommu->features);
	if (!iommu->format)
		return ERR_UNSUPPORTED;
	iommu->max_leaf_level = PTAB_4K;
	if (iommu->features & IOMMU_PAGES_2M)
		iommu->max_leaf_level = iommu->features & IOMMU_PAGES_1G ? PTAB_1G : PTAB_2M;
	iommu->irq_remapping = iommu->features & IOMMU_REMAPS_IRQ;
	if (!(iommu->features & IOMMU_COHERENT))
		iommu->memory.flush = cache_flush;
	return OK;
}

enum err iommu_start(struct iommu *iommu, const struct acpi_iommus *acpi, struct pci *pci,
		     const struct ptab_memory *memory, pci_map_fn map, bool x2apic)
{
	enum err err;

	memset(iommu, 0, sizeof(*iommu));
	iommu->memory = *memory;
	iommu->pci = pci;
	iommu->acpi = *acpi;
	iommu->features = ~0U;
	iommu->domain_limit = IOMMU_MAX_DOMAINS + 1;
	if (!acpi->present)
		return ERR_NOT_FOUND;
	if (acpi->unit_count > IOMMU_MAX_UNITS)
		return ERR_UNSUPPORTED;
	for (u32 i = 0; i < acpi->unit_count; i++) {
		/* Other segments' functions are not enumerated, but must be denied too. */
		if (acpi->units[i].segment != 0)
			return ERR_UNSUPPORTED;
		err = init_unit(iommu, &acpi->units[i], map, x2apic);
		if (err)
			return err;
	}
	err = choose_tables(iommu);
	for (u32 i = 0; i < iommu->unit_count && !err; i++) {
		spin_guard(&iommu->units[i]->lock);
		err = iommu->units[i]->ops->enable(iommu->units[i]);
	}
	return err;
}

/* ---- domains ---------------------------------------------------------------------- */

static enum err flush_pages(struct iommu_domain *domain, u64 iova, u32 order)
{
	struct iommu *iommu = domain->iommu;
	enum err first = OK;

	for (u32 i = 0; i < iommu->unit_count; i++) {
		struct iommu_unit *unit = iommu->units[i];
		enum err err;

		spin_guard(&unit->lock);
		err = unit->ops->flush(unit, domain->id, iova, order);
		if (!first)
			first = err;
	}
	return first;
}

/*
 * Flushes the smallest aligned block of pages that covers the range: the units know no
 * other shape. To forget too much costs time, never safety.
 */
static enum err flush_range(struct iommu_domain *domain, u64 iova, u64 size)
{
	u64 first = iova >> PAGE_SHIFT;
	u64 last = (iova + (size - 1)) >> PAGE_SHIFT;
	u32 order = 0;

	while (first >> order != last >> order)
		order++;
	return flush_pages(domain, first >> order << order << PAGE_SHIFT, order);
}

enum err iommu_domain_init(struct iommu *iommu, struct iommu_domain *domain)
{
	u16 id = 1;
	enum err err;

	spin_guard(&iommu->lock);
	while (id < iommu->domain_limit && iommu->domain_used[id])
		id++;
	if (id == iommu->domain_limit)
		return ERR_FULL;
	*domain = (struct iommu_domain){ .iommu = iommu, .id = id };
	err = ptab_init(&domain->pt, iommu->format, &iommu->memory, iommu->max_leaf_level);
	iommu->domain_used[id] = !err;
	return err;
}

enum err iommu_domain_fini(struct iommu_domain *domain)
{
	struct iommu *iommu = domain->iommu;
	enum err err;

	spin_guard(&iommu->lock);
	for (u32 i = 0; i < iommu->attached_count; i++)
		if (iommu->attached[i].domain_id == domain->id)
			return ERR_BUSY;
	err = flush_pages(domain, 0, WHOLE_DOMAIN);
	if (err)
		return err;
	ptab_destroy(&domain->pt);
	iommu->domain_used[domain->id] = false;
	return OK;
}

static struct iommu_attached *find_attached(struct iommu *iommu, u16 bdf)
{
	for (u32 i = 0; i < iommu->attached_count; i++)
		if (iommu->attached[i].bdf == bdf)
			return &iommu->attached[i];
	return NULL;
}

u16 iommu_domain_of(struct iommu *iommu, u16 bdf)
{
	const struct iommu_attached *attached;

	spin_guard(&iommu->lock);
	attached = find_attached(iommu, bdf);
	return attached ? attached->domain_id : 0;
}

/* One whose requests bear `rid` too, other than `but`; NULL: there is none. */
static struct iommu_attached *find_sharer(struct iommu *iommu, u16 rid,
					  const struct iommu_attached *but)
{
	for (u32 i = 0; i < iommu->attached_count; i++)
		if (iommu->attached[i].rid == rid && &iommu->attached[i] != but)
			return &iommu->attached[i];
	return NULL;
}

/* Units read an entry by the line of the cache: its second word comes along with the first. */
static enum err allow(struct iommu_unit *unit, u16 rid, const struct iommu_domain *domain)
{
	enum err err;
	u64 *entry;

	spin_guard(&unit->lock);
	entry = unit->ops->device_entry(unit, rid);
	if (!entry)
		return ERR_NO_MEMORY;
	iommu_store(unit, entry, unit->ops->fill_device(domain, entry));
	err = unit->ops->forget_device(unit, rid, 0);
	if (err)
		iommu_store(unit, entry, unit->ops->deny);
	return err;
}

/* allow() has made the entry. */
static enum err deny(struct iommu_unit *unit, u16 rid, const struct iommu_domain *domain)
{
	spin_guard(&unit->lock);
	iommu_store(unit, unit->ops->device_entry(unit, rid), unit->ops->deny);
	return unit->ops->forget_device(unit, rid, domain->id);
}

enum err iommu_attach(struct iommu_domain *domain, u16 bdf)
{
	struct iommu *iommu = domain->iommu;
	struct iommu_unit *unit = find_unit(iommu, bdf);
	u16 rid = requester_id(iommu, bdf);
	const struct iommu_attached *sharer;
	enum err err = OK;

	if (!unit)
		return ERR_NOT_FOUND;
	spin_guard(&iommu->lock);
	sharer = find_sharer(iommu, rid, NULL);
	if (find_attached(iommu, bdf) || (sharer && sharer->domain_id != domain->id))
		return ERR_EXISTS;
	if (iommu->attached_count == ARRAY_SIZE(iommu->attached))
		return ERR_FULL;
	if (has_reserved_memory(iommu, bdf) || has_reserved_memory(iommu, rid))
		return ERR_DENIED;
	if (!sharer)
		err = allow(unit, rid, domain);
	if (!err)
		iommu->attached[iommu->attached_count++] =
			(struct iommu_attached){ bdf, rid, domain->id };
	return err;
}

enum err iommu_detach(struct iommu_domain *domain, u16 bdf)
{
	struct iommu *iommu = domain->iommu;
	struct iommu_unit *unit = find_unit(iommu, bdf);
	struct iommu_attached *attached;
	enum err err = OK;

	spin_guard(&iommu->lock);
	attached = find_attached(iommu, bdf);
	if (!unit || !attached || attached->domain_id != domain->id)
		return ERR_NOT_FOUND;
	if (!find_sharer(iommu, attached->rid, attached))
		err = deny(unit, attached->rid, domain);
	if (!err)
		*attached = iommu->attached[--iommu->attached_count];
	return err;
}

enum err iommu_map(struct iommu_domain *domain, iova_t iova, hpa_t hpa, u64 size, u32 rights)
{
	struct ptab_attr attr = {
		.read = rights & IOMMU_READ,
		.write = rights & IOMMU_WRITE,
		.type = PTAB_WB,
	};
	const struct iommu *iommu = domain->iommu;
	u64 last = iova.raw + (size - 1);
	enum err err;

	if (last >= iova.raw && iova.raw <= INTERRUPT_LAST && last >= INTERRUPT_FIRST)
		return ERR_RANGE;
	spin_guard(&domain->lock);
	err = ptab_map(&domain->pt, iova.raw, hpa, size, attr);
	if (err == ERR_NO_MEMORY || (!err && !(iommu->features & IOMMU_FORGETS_ABSENT))) {
		/* A table that a failed map has emptied may be in a paging-structure cache. */
		enum err flushed = flush_range(domain, iova.raw, size);

		if (!flushed)
			ptab_reap(&domain->pt);
		if (!err)
			err = flushed;
	}
	return err;
}

enum err iommu_unmap(struct iommu_domain *domain, iova_t iova, u64 size)
{
	enum err err;

	spin_guard(&domain->lock);
	err = ptab_unmap(&domain->pt, iova.raw, size);
	if (!err)
		err = flush_range(domain, iova.raw, size);
	if (!err)
		ptab_reap(&domain->pt);
	return err;
}

/* ---- interrupts ------------------------------------------------------------------- */

/*
 * The first word of an entry that is zero is free. One that a unit may remember is neither
 * zero nor in force.
 */
#define IRQ_IN_FORCE 1U

static void store_irq(const struct iommu_unit *unit, u32 *entry, u32 value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
	publish(unit, entry, sizeof(*entry));
}

static void make_message(const struct iommu_ops *ops, u32 index, u64 *address, u32 *data)
{
	*address = INTERRUPT_FIRST + ops->msi_address + index * ops->msi_address_step;
	*data = index * ops->msi_data_step;
}

enum err iommu_irq_set(struct iommu *iommu, const struct iommu_irq *irq, u64 *address, u32 *data)
{
	struct iommu_unit *unit = find_unit(iommu, irq->source);
	struct iommu_irq by_rid = *irq;
	u32 *table, *entry, first;
	u32 index = 0;
	enum err err;

	by_rid.extended = iommu->irq_remapping && unit && unit->extended;
	if (irq->apic_id > 0xff && !by_rid.extended)
		return ERR_RANGE;
	if (!iommu->irq_remapping) {
		*address = INTERRUPT_FIRST | (u64)irq->apic_id << 12;
		*data = irq->vector;
		return OK;
	}
	if (!unit)
		return ERR_NOT_FOUND;
	by_rid.source = requester_id(iommu, irq->source);
	spin_guard(&unit->lock);
	table = unit->ops->irq_table(unit, by_rid.source, true);
	if (!table)
		return ERR_NO_MEMORY;
	while (index < IOMMU_IRQ_ENTRIES && table[index * unit->ops->irq_words])
		index++;
	if (index == IOMMU_IRQ_ENTRIES)
		return ERR_FULL;
	entry = &table[index * unit->ops->irq_words];
	first = unit->ops->fill_irq(&by_rid, entry);
	store_irq(unit, entry, first | IRQ_IN_FORCE);
	err = unit->ops->forget_irq(unit, by_rid.source, index);
	if (err)
		store_irq(unit, entry, first);
	make_message(unit->ops, index, address, data);
	return err;
}

/* The entry that a message of this source raises; NULL: there is none. */
static u32 *find_irq(struct iommu_unit *unit, u16 rid, u64 address, u32 data, u32 *index)
{
	const struct iommu_ops *ops = unit->ops;
	u32 *table = ops->irq_table(unit, rid, false);

	for (u32 i = 0; table && i < IOMMU_IRQ_ENTRIES; i++) {
		u32 *entry = &table[i * ops->irq_words];
		u64 its_address;
		u32 its_data;

		make_message(ops, i, &its_address, &its_data);
		*index = i;
		if (address == its_address && data == its_data && (*entry & IRQ_IN_FORCE) &&
		    (!ops->irq_source || (u16)entry[ops->irq_source] == rid))
			return entry;
	}
	return NULL;
}

enum err iommu_irq_clear(struct iommu *iommu, u16 source, u64 address, u32 data)
{
	struct iommu_unit *unit = find_unit(iommu, source);
	u16 rid = requester_id(iommu, source);
	u32 *entry, index;
	enum err err;

	if (!iommu->irq_remapping)
		return OK;
	if (!unit)
		return ERR_NOT_FOUND;
	spin_guard(&unit->lock);
	entry = find_irq(unit, rid, address, data, &index);
	if (!entry)
		return ERR_NOT_FOUND;
	store_irq(unit, entry, *entry & ~IRQ_IN_FORCE);
	err = unit->ops->forget_irq(unit, rid, index);
	if (err)
		return err;
	store_irq(unit, entry, 0);
	return unit->ops->trim_irqs ? unit->ops->trim_irqs(unit, rid) : OK;
}
