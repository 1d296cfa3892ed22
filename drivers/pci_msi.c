/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupts that PCI functions send as messages: MSI and MSI-X. */
#include "arch/x86/io.h"
#include "drivers/pci.h"

#define MSI_MASK     12
#define MSI_MESSAGES (7U << 4) /* how many are in use, as a power of two */
#define MSI_MASKS    BIT(8)

enum err pci_msix_enable(struct pci *pci, const struct pci_function *function,
			 struct pci_msix *msix)
{
	u64 bytes = function->msix_vectors * (u64)PCI_MSIX_ENTRY_BYTES;
	const struct pci_bar *bar;
	u64 first, last;
	u8 *pages;

	if (!function->msix)
		return ERR_NOT_FOUND;
	if (function->msix_bar >= PCI_MAX_BARS)
		return ERR_INVALID;
	bar = &function->bars[function->msix_bar];
	if ((bar->kind != PCI_BAR_MEM32 && bar->kind != PCI_BAR_MEM64) || !bar->base ||
	    function->msix_offset > bar->size || bytes > bar->size - function->msix_offset)
		return ERR_INVALID;
	first = ALIGN_DOWN(bar->base + function->msix_offset, PAGE_SIZE);
	last = bar->base + function->msix_offset + bytes;
	pages = pci->map(HPA(first), ALIGN_UP(last, PAGE_SIZE) - first);
	if (!pages)
		return ERR_NO_MEMORY;
	msix->table = pages + (bar->base + function->msix_offset - first);
	msix->vectors = function->msix_vectors;
	pci_msix_on(pci, function, msix);
	return OK;
}

void pci_msix_on(struct pci *pci, const struct pci_function *function, struct pci_msix *msix)
{
	u32 at = function->msix + PCI_MSIX_CONTROL;

	/* All masked as a whole while the entries, which may hold anything, are masked. */
	pci_change(pci, function->bdf, at, PCI_MSIX_ENABLE | PCI_MSIX_MASK_ALL, 0);
	for (u16 i = 0; i < msix->vectors; i++)
		(void)!pci_msix_mask(msix, i);
	pci_change(pci, function->bdf, at, 0, PCI_MSIX_MASK_ALL);
	pci_enable(pci, function, PCI_COMMAND_INTX_DISABLE);
}

enum err pci_msix_set(struct pci_msix *msix, u16 vector, u64 address, u32 data)
{
	u8 *entry = msix->table + vector * PCI_MSIX_ENTRY_BYTES;

	/* An entry may only change while it is masked, 6.8.2.9. */
	if (pci_msix_mask(msix, vector))
		return ERR_RANGE;
	mmio_write32(entry, (u32)address);
	mmio_write32(entry + 4, (u32)(address >> 32));
	mmio_write32(entry + 8, data);
	mmio_write32(entry + 12, 0);
	return OK;
}

enum err pci_msix_mask(struct pci_msix *msix, u16 vector)
{
	if (vector >= msix->vectors)
		return ERR_RANGE;
	mmio_write32(msix->table + vector * PCI_MSIX_ENTRY_BYTES + 12, PCI_MSIX_ENTRY_MASKED);
	return OK;
}

void pci_msix_off(struct pci *pci, const struct pci_function *function)
{
	if (function->msix)
		pci_change(pci, function->bdf, function->msix + PCI_MSIX_CONTROL, 0,
			   PCI_MSIX_ENABLE);
}

enum err pci_msi_set(struct pci *pci, const struct pci_function *function, u64 address, u32 data)
{
	u16 bdf = function->bdf;
	u32 at = function->msi;
	u32 control, further;

	if (!at)
		return ERR_NOT_FOUND;
	control =
		pci_read(pci, bdf, at + PCI_MSI_CONTROL, 2) & ~(MSI_MESSAGES | (u32)PCI_MSI_ENABLE);
	further = control & PCI_MSI_64BIT ? 4 : 0;
	if (data > 0xffff || (!further && address >> 32))
		return ERR_RANGE;
	/* Off while it changes: half of a message would go somewhere. */
	pci_write(pci, bdf, at + PCI_MSI_CONTROL, 2, control);
	pci_write(pci, bdf, at + PCI_MSI_ADDRESS, 4, (u32)address);
	if (further)
		pci_write(pci, bdf, at + PCI_MSI_ADDRESS_HIGH, 4, (u32)(address >> 32));
	pci_write(pci, bdf, at + PCI_MSI_DATA + further, 2, data);
	if (control & MSI_MASKS)
		pci_write(pci, bdf, at + MSI_MASK + further, 4, 0);
	pci_enable(pci, function, PCI_COMMAND_INTX_DISABLE);
	pci_write(pci, bdf, at + PCI_MSI_CONTROL, 2, control | PCI_MSI_ENABLE);
	return OK;
}

void pci_msi_off(struct pci *pci, const struct pci_function *function)
{
	if (function->msi)
		pci_change(pci, function->bdf, function->msi + PCI_MSI_CONTROL, 0, PCI_MSI_ENABLE);
}
