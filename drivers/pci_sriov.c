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

static const char *begin(struct start *s)
{
	s->at = pci_find_extended(s->pci, s->physical->bdf, PCI_EXT_SRIOV);
	if (!s->at)
		return "it offers none (no SR-IOV capability)";
	if (s->count > read(s, SRIOV_TOTAL, 2))
		return "it does not offer that many (`pci` tells how many)";
	s->control = read(s, SRIOV_CONTROL, 2) & ~(u32)(CONTROL_ENABLE | CONTROL_MEMORY);
	write(s, SRIOV_CONTROL, 2, s->control);
	for (u32 i = 0; i < PCI_MAX_BARS; i++)
		s->bars_kept[i] = read(s, SRIOV_BARS + 4 * i, 4);
	return pci_claim(s->pci, s->physical, owner) ? "it is a bridge" : NULL;
}

/* Where they are to be: numbers that the bus reaches, and addresses. */
static const char *place(struct start *s)
{
	u32 first, last;

	for (u32 i = 0; i < PCI_MAX_BARS; i++)
		write(s, SRIOV_BARS + 4 * i, 4, s->bars_kept[i]);
	write(s, SRIOV_CONTROL, 2, s->control);
	write(s, SRIOV_COUNT, 2, s->count);
	write(s, SRIOV_PAGE_SIZE, 4, PAGES_4K);
	first = bdf_of(s, 0);
	last = bdf_of(s, s->count - 1);
	if (first <= s->physical->bdf || last >> 8 != PCI_BUS(s->physical->bdf) ||
	    (s->physical->bridge != PCI_NO_BRIDGE && !(s->control & CONTROL_ARI) &&
	     (last ^ s->physical->bdf) & ~7U))
		return "its bus does not reach their numbers: let firmware switch ARI on";
	pci_size_bars(s->pci, s->physical->bdf, s->at + SRIOV_BARS, PCI_MAX_BARS, s->bars);
	for (u32 i = 0; i < PCI_MAX_BARS; i++)
		if (s->bars[i].kind != PCI_BAR_NONE && !s->bars[i].base)
			return "they have no addresses: let firmware switch SR-IOV on";
	return NULL;
}

static void switch_on(const struct start *s)
{
	pci_enable(s->pci, s->physical, PCI_COMMAND_MEMORY);
	write(s, SRIOV_CONTROL, 2, s->control | CONTROL_ENABLE | CONTROL_MEMORY);
	pci_wait_ns(s->pci, READY_NS);
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

static const char *start_all(struct start *s, struct iommu *iommu)
{
	bool is_nvme = s->physical->class_code == CLASS_NVME;
	const char *why = begin(s);
	enum err e = OK;

	if (!why && is_nvme)
		e = nvme_admin_free(&s->nvme, s->pci, iommu, s->physical);
	if (!why && !e)
		why = place(s);
	if (!why && !e) {
		switch_on(s);
		if (is_nvme)
			e = nvme_admin_give(&s->nvme, s->count);
	}
	if (!why && !e)
		why = add_all(s);
	nvme_admin_close(&s->nvme);
	return e ? "its controller gives them no queues and interrupts" : why;
}

void pci_sriov_start(struct pci *pci, struct iommu *iommu, const struct config_devices *wanted)
{
	for (u32 i = 0; i < wanted->count; i++) {
		u16 bdf = wanted->bdf[i];
		struct start s = { pci, pci_find(pci, bdf), .count = wanted->vfs[i] };
		const char *why = !iommu	? "no IOMMU would confine them"
				  : !s.physical ? "there is no such function"
						: start_all(&s, iommu);

		if (!why) {
			log_info("%02x:%02x.%x: %u virtual functions", PCI_BDF_ARGS(bdf), s.count);
			continue;
		}
		log_error("%02x:%02x.%x: its virtual functions are off: %s", PCI_BDF_ARGS(bdf),
			  why);
		if (s.at) {
			write(&s, SRIOV_CONTROL, 2, s.control);
			pci_release(pci, s.physical, owner);
		}
	}
}
