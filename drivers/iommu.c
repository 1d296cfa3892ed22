/* SPDX-License-Identifier: Apache-2.0 */
/* Domains and remapped interrupts over all IOMMUs of the machine, whatever their vendor. */
#include "drivers/iommu.h"

#include "arch/x86/io.h"
#include "core/lib/string.h"
#include "drivers/vtd.h"

/* No unit translates writes to this range: they are interrupts (VT-d 3.14, AMD-Vi 2.1.4). */
#define INTERRUPT_FIRST 0xfee00000ULL
#define INTERRUPT_LAST	0xfeefffffULL

/* More than any domain can map: to forget it is to forget all of the domain. */
#define WHOLE_DOMAIN BIT(48)

/* One element for each unit, handed out by iommu_start(), which runs once. */
static struct vtd vtd_units[IOMMU_MAX_UNITS];

static void flush_tables(void *ctx, void *ptr, size_t size)
{
	(void)ctx;
	cache_flush(ptr, size);
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
		if (scope_covers(iommu, &iommu->dmar.scopes[i], bdf))
			return true;
	}
	return false;
}

/* The number of the unit, or unit_count. One that names the function goes first. */
static u32 find_unit(struct iommu *iommu, u16 bdf)
{
	u32 rest = iommu->unit_count;

	for (u32 i = 0; i < iommu->unit_count; i++) {
		struct iommu_unit *unit = iommu->units[i];

		if (scopes_cover(iommu, unit->first_scope, unit->scope_count, bdf))
			return i;
		if (unit->include_all)
			rest = i;
	}
	return rest;
}

static bool has_reserved_memory(struct iommu *iommu, u16 bdf)
{
	for (u32 i = 0; i < iommu->dmar.rmrr_count; i++) {
		const struct acpi_rmrr *region = &iommu->dmar.rmrr[i];

		if (region->segment == 0 &&
		    scopes_cover(iommu, region->first_scope, region->scope_count, bdf))
			return true;
	}
	return false;
}

/* ---- start ------------------------------------------------------------------------ */

static enum err init_unit(struct iommu *iommu, const struct acpi_drhd *drhd, pci_map_fn map,
			  bool x2apic)
{
	struct vtd *vtd = &vtd_units[iommu->unit_count];
	volatile void *regs = map(drhd->base, PAGE_SIZE);
	enum err err;

	if (regs && vtd_register_bytes(regs) > PAGE_SIZE)
		regs = map(drhd->base, vtd_register_bytes(regs));
	if (!regs)
		return ERR_NO_MEMORY;
	err = vtd_init(vtd, regs, &iommu->memory, x2apic);
	if (err)
		return err;
	vtd->unit.include_all = drhd->include_all;
	vtd->unit.first_scope = drhd->first_scope;
	vtd->unit.scope_count = drhd->scope_count;
	iommu->features &= vtd->unit.features;
	iommu->domain_limit = MIN(iommu->domain_limit, vtd->unit.domains);
	iommu->units[iommu->unit_count++] = &vtd->unit;
	return OK;
}

static enum err choose_tables(struct iommu *iommu)
{
	iommu->format = vtd_format(iommu->features);
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

enum err iommu_start(struct iommu *iommu, const struct acpi_dmar *dmar, struct pci *pci,
		     const struct ptab_memory *memory, pci_map_fn map, bool x2apic)
{
	enum err err;

	memset(iommu, 0, sizeof(*iommu));
	iommu->memory = *memory;
	iommu->pci = pci;
	iommu->dmar = *dmar;
	iommu->features = ~0U;
	iommu->domain_limit = IOMMU_MAX_DOMAINS + 1;
	if (!dmar->present)
		return ERR_NOT_FOUND;
	if (dmar->drhd_count > IOMMU_MAX_UNITS)
		return ERR_UNSUPPORTED;
	for (u32 i = 0; i < dmar->drhd_count; i++) {
		/* Other segments' functions are not enumerated, but must be denied too. */
		if (dmar->drhd[i].segment != 0)
			return ERR_UNSUPPORTED;
		err = init_unit(iommu, &dmar->drhd[i], map, x2apic);
		if (err)
			return err;
	}
	err = choose_tables(iommu);
	for (u32 i = 0; i < iommu->unit_count && !err; i++)
		err = iommu->units[i]->ops->enable(iommu->units[i]);
	return err;
}

/* ---- domains ---------------------------------------------------------------------- */

static enum err flush_domain(struct iommu_domain *domain, u64 iova, u64 size)
{
	struct iommu *iommu = domain->iommu;
	enum err first = OK;

	for (u32 i = 0; i < iommu->unit_count; i++) {
		enum err err = iommu->units[i]->ops->flush(iommu->units[i], domain->id, iova, size);

		if (!first)
			first = err;
	}
	return first;
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
	err = flush_domain(domain, 0, WHOLE_DOMAIN);
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

enum err iommu_attach(struct iommu_domain *domain, u16 bdf)
{
	struct iommu *iommu = domain->iommu;
	u32 unit = find_unit(iommu, bdf);
	enum err err;

	if (unit == iommu->unit_count)
		return ERR_NOT_FOUND;
	spin_guard(&iommu->lock);
	if (find_attached(iommu, bdf))
		return ERR_EXISTS;
	if (iommu->attached_count == ARRAY_SIZE(iommu->attached))
		return ERR_FULL;
	if (has_reserved_memory(iommu, bdf))
		return ERR_DENIED;
	err = iommu->units[unit]->ops->attach(iommu->units[unit], bdf, domain->id, &domain->pt);
	if (!err)
		iommu->attached[iommu->attached_count++] =
			(struct iommu_attached){ bdf, domain->id };
	return err;
}

enum err iommu_detach(struct iommu_domain *domain, u16 bdf)
{
	struct iommu *iommu = domain->iommu;
	u32 unit = find_unit(iommu, bdf);
	struct iommu_attached *attached;
	enum err err;

	spin_guard(&iommu->lock);
	attached = find_attached(iommu, bdf);
	if (!attached || attached->domain_id != domain->id)
		return ERR_NOT_FOUND;
	err = iommu->units[unit]->ops->detach(iommu->units[unit], bdf, domain->id);
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
		enum err flushed = flush_domain(domain, iova.raw, size);

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
		err = flush_domain(domain, iova.raw, size);
	if (!err)
		ptab_reap(&domain->pt);
	return err;
}

/* ---- interrupts ------------------------------------------------------------------- */

enum err iommu_irq_set(struct iommu *iommu, const struct iommu_irq *irq, u64 *address, u32 *data)
{
	u32 unit = find_unit(iommu, irq->source);

	if (!iommu->irq_remapping) {
		if (irq->apic_id > 0xff)
			return ERR_RANGE;
		*address = INTERRUPT_FIRST | (u64)irq->apic_id << 12;
		*data = irq->vector;
		return OK;
	}
	if (unit == iommu->unit_count)
		return ERR_NOT_FOUND;
	return iommu->units[unit]->ops->set_irq(iommu->units[unit], irq, address, data);
}

enum err iommu_irq_clear(struct iommu *iommu, u16 source, u64 address, u32 data)
{
	u32 unit = find_unit(iommu, source);

	if (!iommu->irq_remapping)
		return OK;
	if (unit == iommu->unit_count)
		return ERR_NOT_FOUND;
	return iommu->units[unit]->ops->clear_irq(iommu->units[unit], source, address, data);
}

bool iommu_poll_fault(struct iommu *iommu, struct iommu_fault *fault)
{
	for (u32 i = 0; i < iommu->unit_count; i++) {
		if (iommu->units[i]->ops->poll_fault(iommu->units[i], fault))
			return true;
	}
	return false;
}
