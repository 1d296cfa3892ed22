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

static void flush_tables(void *ctx, void *ptr, size_t size)
{
	(void)ctx;
	cache_flush(ptr, size);
}

enum err iommu_wait(const volatile void *reg, u32 mask, u32 expected)
{
	for (u32 i = 0; i < IOMMU_MAX_POLLS; i++) {
		if ((mmio_read32(reg) & mask) == expected)
			return OK;
		cpu_relax();
	}
	return ERR_TIMEOUT;
}

enum err iommu_take_frames(const struct ptab_memory *memory, hpa_t *const frames[], u32 count)
{
	for (u32 i = 0; i < count; i++) {
		*frames[i] = memory->alloc_table(memory->ctx);
		if (frames[i]->raw)
			continue;
		while (i--)
			memory->free_table(memory->ctx, *frames[i]);
		return ERR_NO_MEMORY;
	}
	return OK;
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
	if (scope->type == ACPI_SCOPE_ENDPOINT || scope->type == ACPI_SCOPE_BRIDGE) {
		if (at == bdf)
			return true;
	}
	if (scope->type != ACPI_SCOPE_BRIDGE)
		return false;
	bridge = pci_find(iommu->pci, at);
	return bridge && bridge->secondary_bus && PCI_BUS(bdf) >= bridge->secondary_bus &&
	       PCI_BUS(bdf) <= bridge->subordinate_bus;
}

static bool scopes_cover(struct iommu *iommu, u32 first, u32 count, u16 bdf)
{
	for (u32 i = first; i < first + count; i++) {
		if (scope_covers(iommu, &iommu->acpi.scopes[i], bdf))
			return true;
	}
	return false;
}

/* The number of the unit, or unit_count. One that names the function goes first. */
static u32 find_unit(struct iommu *iommu, u16 bdf)
{
	const struct pci_function *function = pci_find(iommu->pci, bdf);
	u32 rest = iommu->unit_count;

	if (function && function->physical) /* tables name no virtual functions */
		bdf = function->physical;
	for (u32 i = 0; i < iommu->unit_count; i++) {
		struct iommu_unit *unit = iommu->units[i];

		if (scopes_cover(iommu, unit->first_scope, unit->scope_count, bdf))
			return i;
		if (unit->include_all)
			rest = i;
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
		iommu->memory.flush = flush_tables;
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
	for (u32 i = 0; i < iommu->unit_count && !err; i++)
		err = iommu->units[i]->ops->enable(iommu->units[i]);
	return err;
}

/* ---- domains ---------------------------------------------------------------------- */

static enum err flush_pages(struct iommu_domain *domain, u64 iova, u32 order)
{
	struct iommu *iommu = domain->iommu;
	enum err first = OK;

	for (u32 i = 0; i < iommu->unit_count; i++) {
		struct iommu_unit *unit = iommu->units[i];
		enum err err = unit->ops->flush(unit, domain->id, iova, order);

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

enum err iommu_attach(struct iommu_domain *domain, u16 bdf)
{
	struct iommu *iommu = domain->iommu;
	u32 unit = find_unit(iommu, bdf);
	u16 rid = requester_id(iommu, bdf);
	const struct iommu_attached *sharer;
	enum err err = OK;

	if (unit == iommu->unit_count)
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
		err = iommu->units[unit]->ops->attach(iommu->units[unit], rid, domain->id,
						      &domain->pt);
	if (!err)
		iommu->attached[iommu->attached_count++] =
			(struct iommu_attached){ bdf, rid, domain->id };
	return err;
}

enum err iommu_detach(struct iommu_domain *domain, u16 bdf)
{
	struct iommu *iommu = domain->iommu;
	u32 unit = find_unit(iommu, bdf);
	struct iommu_attached *attached;
	enum err err = OK;

	spin_guard(&iommu->lock);
	attached = find_attached(iommu, bdf);
	if (!attached || attached->domain_id != domain->id)
		return ERR_NOT_FOUND;
	if (!find_sharer(iommu, attached->rid, attached))
		err = iommu->units[unit]->ops->detach(iommu->units[unit], attached->rid,
						      domain->id);
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

enum err iommu_irq_set(struct iommu *iommu, const struct iommu_irq *irq, u64 *address, u32 *data)
{
	u32 unit = find_unit(iommu, irq->source);
	struct iommu_irq by_rid = *irq;

	if (!iommu->irq_remapping) {
		if (irq->apic_id > 0xff)
			return ERR_RANGE;
		*address = INTERRUPT_FIRST | (u64)irq->apic_id << 12;
		*data = irq->vector;
		return OK;
	}
	if (unit == iommu->unit_count)
		return ERR_NOT_FOUND;
	by_rid.source = requester_id(iommu, irq->source);
	return iommu->units[unit]->ops->set_irq(iommu->units[unit], &by_rid, address, data);
}

enum err iommu_irq_clear(struct iommu *iommu, u16 source, u64 address, u32 data)
{
	u32 unit = find_unit(iommu, source);

	if (!iommu->irq_remapping)
		return OK;
	if (unit == iommu->unit_count)
		return ERR_NOT_FOUND;
	return iommu->units[unit]->ops->clear_irq(iommu->units[unit], requester_id(iommu, source),
						  address, data);
}

bool iommu_poll_fault(struct iommu *iommu, struct iommu_fault *fault)
{
	for (u32 i = 0; i < iommu->unit_count; i++) {
		if (iommu->units[i]->ops->poll_fault(iommu->units[i], fault))
			return true;
	}
	return false;
}
