// SPDX-License-Identifier: Apache-2.0
/*
 * Virtual functions, by the capability of the physical one.
 *
 *   claim -> resources given up (NVMe) -> number, pages, BARs -> on -> 0.1 s
 *         -> resources given (NVMe) -> in the table
 */
#include "drivers/pci_sriov.h"

#include "core/log.h"
#include "drivers/nvme_admin.h"
#include "drivers/pci_groups.h"
#include "drivers/pci_reset.h"

#define CONTROL_ENABLE BIT(0)
#define CONTROL_MEMORY BIT(3)
#define CONTROL_ARI    BIT(4) /* numbers above function 7: the port above passes them on */
#define PAGES_4K       1

#define CLASS_NVME 0x010802

#define READY_NS 100000000ULL /* 9.3.3.3.1 */

static const char owner[] = "facet";

/* One physical function on its way. */
struct start {
	struct pci *pci;
	struct pci_function *physical;
	u32 at; /* its capability */
	u32 count;
	u32 control;
	u32 bars_kept[PCI_MAX_BARS]; /* as firmware left them */
	struct pci_bar bars[PCI_MAX_BARS];
	struct nvme_admin nvme;
};

static u32 read(const struct start *s, u32 offset, unsigned width)
{
	return pci_read(s->pci, s->physical->bdf, s->at + offset, width);
}

static void write(const struct start *s, u32 offset, unsigned width, u32 value)
{
	pci_write(s->pci, s->physical->bdf, s->at + offset, width, value);
}

static u32 bdf_of(const struct start *s, u32 index)
{
	return s->physical->bdf + read(s, SRIOV_FIRST, 2) + index * read(s, SRIOV_STRIDE, 2);
}

static const char *begin(struct start *s, u32 vfs)
{
	s->at = pci_find_extended(s->pci, s->physical->bdf, PCI_EXT_SRIOV);
	s->count = s->at ? read(s, SRIOV_TOTAL, 2) : 0;
	if (!s->count)
		return "it offers none (no SR-IOV capability)";
	if (vfs)
		s->count = MIN(s->count, vfs);
	s->control = read(s, SRIOV_CONTROL, 2) & ~(u32)(CONTROL_ENABLE | CONTROL_MEMORY);
	write(s, SRIOV_CONTROL, 2, s->control);
	for (u32 i = 0; i < PCI_MAX_BARS; i++)
		s->bars_kept[i] = read(s, SRIOV_BARS + 4 * i, 4);
	return pci_claim(s->pci, s->physical, owner) ? "it is a bridge" : NULL;
}

/* Where they are to be: numbers that the bus reaches, and addresses. */
static const char *place(struct start *s)
{
	u16 bdf = s->physical->bdf;
	u32 last;

	for (u32 i = 0; i < PCI_MAX_BARS; i++)
		write(s, SRIOV_BARS + 4 * i, 4, s->bars_kept[i]);
	write(s, SRIOV_CONTROL, 2, s->control);
	write(s, SRIOV_COUNT, 2, s->count);
	write(s, SRIOV_PAGE_SIZE, 4, PAGES_4K);
	last = bdf_of(s, s->count - 1);
	if (last >> 8 != PCI_BUS(bdf) || (s->physical->bridge != PCI_NO_BRIDGE &&
					  !(s->control & CONTROL_ARI) && (last ^ bdf) & ~7U))
		return "its bus does not reach their numbers: let firmware switch ARI on";
	pci_size_bars(s->pci, bdf, s->at + SRIOV_BARS, PCI_MAX_BARS, s->bars);
	for (u32 i = 0; i < PCI_MAX_BARS; i++)
		if (s->bars[i].kind != PCI_BAR_NONE && !s->bars[i].base)
			return "they have no addresses: let firmware switch SR-IOV on";
	return NULL;
}

/* All or none: what is not added yet is off when this fails. */
static const char *add_all(struct start *s)
{
	u32 ids = read(s, SRIOV_DEVICE_ID, 2) << 16 | s->physical->vendor_id;

	if (s->pci->function_count + s->count > PCI_MAX_FUNCTIONS)
		return "there is no room for more functions";
	for (u32 i = 0; i < s->count; i++)
		if (pci_read(s->pci, (u16)bdf_of(s, i), PCI_CLASS, 4) == ~0U ||
		    pci_find(s->pci, (u16)bdf_of(s, i)))
			return "not all of them answer";
	for (u32 i = 0; i < s->count; i++) {
		struct pci_function *function =
			pci_add(s->pci, (u16)bdf_of(s, i), s->physical->bridge, ids);

		function->physical = s->physical->bdf;
		for (u32 j = 0; j < PCI_MAX_BARS; j++) {
			function->bars[j] = s->bars[j];
			function->bars[j].base += i * s->bars[j].size;
		}
	}
	s->physical->vfs = (u16)s->count;
	return NULL;
}

static const char *start_all(struct start *s, struct iommu *iommu, u32 vfs)
{
	static const char refused[] = "its NVMe controller gives them no queues and interrupts";
	bool is_nvme = s->physical->class_code == CLASS_NVME;
	const char *why = begin(s, vfs);

	if (!why && is_nvme && nvme_admin_free(&s->nvme, s->pci, iommu, s->physical))
		why = refused;
	if (!why)
		why = place(s);
	if (!why) {
		pci_enable(s->pci, s->physical, PCI_COMMAND_MEMORY);
		write(s, SRIOV_CONTROL, 2, s->control | CONTROL_ENABLE | CONTROL_MEMORY);
		pci_wait_ns(s->pci, READY_NS);
		why = is_nvme && nvme_admin_give(&s->nvme, s->count) ? refused : add_all(s);
	}
	nvme_admin_close(&s->nvme);
	return why;
}

void pci_sriov_start(struct pci *pci, struct iommu *iommu, const struct config_host *host)
{
	for (u32 i = 0; i < host->sriov.count; i++) {
		u16 bdf = host->sriov.bdf[i];
		struct start s = { .pci = pci, .physical = pci_find(pci, bdf) };
		const char *why = !iommu	? "no IOMMU would confine them"
				  : !s.physical ? "there is no such function"
						: start_all(&s, iommu, host->vfs);

		if (!why) {
			log_info("%02x:%02x.%x: %u virtual functions", PCI_BDF_ARGS(bdf), s.count);
			continue;
		}
		log_error("%02x:%02x.%x: its virtual functions are off: %s", PCI_BDF_ARGS(bdf),
			  why);
		if (s.count) {
			write(&s, SRIOV_CONTROL, 2, s.control);
			pci_release(pci, s.physical, owner);
		}
	}
}
