// SPDX-License-Identifier: Apache-2.0
/*
 * The configuration space that a guest sees of its function: a copy of what describes it, and
 * registers of our own behind all that does something. What is not listed here reads as 0.
 */
#include "core/lib/string.h"
#include "guest/assigned_parts.h"
#include "guest/msi.h"

/* PCI Local Bus 3.0, 6.8.1; PCI Express 5.0, 7.5.3. */
#define PCIE_INTEGRATED	   (9 << 4) /* on a root bus: no link */
#define DEVICE_CAP_SHOWN   0x8fff   /* no slot power, no function-level reset */
#define DEVICE_CTL_SHOWN   0x7fff
#define VENDOR_VIRTIO	   0x1af4
#define VIRTIO_CONFIG_DOOR 5 /* reaches the BARs by configuration space */

static u32 read(const struct assigned *a, u32 offset, u32 width)
{
	return pci_read(a->pci, a->device->bdf, offset, width);
}

static void copy(struct assigned *a, u32 offset, u32 size)
{
	for (u32 i = offset; i < offset + size && i < PCI_CONFIG_BYTES; i++)
		a->function.config[i] = (u8)read(a, i, 1);
}

/* What the guest sets there does nothing. */
static void make_pcie(struct assigned *a, u32 at, bool in_slot)
{
	u8 *cap = a->function.config + at;

	vpci_put(cap + PCIE_CAPABILITIES,
		 (read(a, at + PCIE_CAPABILITIES, 2) & PCIE_VERSION) |
			 (in_slot ? 0 : PCIE_INTEGRATED),
		 2);
	vpci_put(cap + PCIE_DEVICE_OFFERS, read(a, at + PCIE_DEVICE_OFFERS, 4) & DEVICE_CAP_SHOWN,
		 4);
	vpci_put(a->function.writable + at + PCIE_DEVICE_CONTROL, DEVICE_CTL_SHOWN, 2);
	if (!in_slot)
		return;
	vpci_put(cap + PCIE_LINK_OFFERS, PCIE_LINK_X1_GEN1, 4);
	vpci_put(cap + PCIE_LINK_STATUS, PCIE_LINK_X1_GEN1, 2);
}

/* False: it is not shown. guest/pci.c makes the rest of MSI-X. */
static bool make_capability(struct assigned *a, u32 at, u8 id, bool in_slot)
{
	u32 size = read(a, at + 2, 1);

	switch (id) {
	case PCI_CAP_MSI:
		if (!a->irq_count || a->msi)
			return false;
		a->msi = (u8)at;
		msi_make(&a->function, at, read(a, at + PCI_MSI_CONTROL, 2) & PCI_MSI_64BIT);
		return true;
	case PCI_CAP_MSIX:
		if (!a->function.msix_count || a->function.msix_cap)
			return false;
		a->function.msix_cap = (u8)at;
		copy(a, at + PCI_MSIX_TABLE, 8);
		return true;
	case PCI_CAP_PCIE:
		make_pcie(a, at, in_slot);
		return true;
	case PCI_CAP_VENDOR:
		if (a->device->vendor_id == VENDOR_VIRTIO &&
		    read(a, at + 3, 1) == VIRTIO_CONFIG_DOOR)
			return false;
		copy(a, at + 2, MAX(size, 3u) - 2);
		return true;
	default:
		return false;
	}
}

/* The list is the device's to make: this ends, whatever it is. */
static void make_capabilities(struct assigned *a, bool in_slot)
{
	u8 *config = a->function.config, *link = config + PCI_CAPABILITIES;
	u32 at = read(a, PCI_CAPABILITIES, 1) & ~3u;

	if (!(read(a, PCI_STATUS, 2) & PCI_STATUS_CAPABILITIES))
		return;
	for (u32 i = 0; i < PCI_CAPABILITIES_MAX && at >= 64; i++) {
		u8 id = (u8)read(a, at, 1);

		if (make_capability(a, at, id, in_slot)) {
			config[at] = id;
			config[at + 1] = 0;
			*link = (u8)at;
			link = config + at + 1;
		}
		at = read(a, at + 1, 1) & ~3u;
	}
	if (config[PCI_CAPABILITIES])
		vpci_put(config + PCI_STATUS, PCI_STATUS_CAPABILITIES, 2);
}

void assigned_make_config(struct assigned *a, bool in_slot)
{
	memset(a->function.config, 0, sizeof(a->function.config));
	memset(a->function.writable, 0, sizeof(a->function.writable));
	/* A virtual function's own read as all ones. */
	vpci_put(a->function.config, (u32)a->device->device_id << 16 | a->device->vendor_id, 4);
	copy(a, PCI_REVISION, 4);
	copy(a, PCI_SUBSYSTEM_VENDOR, 4);
	/* INTA, as a function 0 without others has; virtual functions have none (SR-IOV 3.4.1). */
	a->function.config[PCI_INTERRUPT_PIN] =
		!a->device->physical && read(a, PCI_INTERRUPT_PIN, 1);
	a->msi = a->function.msix_cap = 0;
	make_capabilities(a, in_slot);
}
