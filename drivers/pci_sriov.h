/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual functions (SR-IOV): switched on, and added to the machine's functions. */
#ifndef DRIVERS_PCI_SRIOV_H
#define DRIVERS_PCI_SRIOV_H

#include "core/config.h"
#include "drivers/iommu.h"
#include "drivers/pci.h"

/* SR-IOV extended capability, PCI Express Base 5.0, 9.3.3. */
enum sriov_register {
	SRIOV_CONTROL = 0x08,
	SRIOV_TOTAL = 0x0e,
	SRIOV_COUNT = 0x10,
	SRIOV_FIRST = 0x14,  /* offset of the first one's BDF from the physical function's */
	SRIOV_STRIDE = 0x16, /* from one to the next */
	SRIOV_DEVICE_ID = 0x1a,
	SRIOV_PAGE_SIZE = 0x20,
	SRIOV_BARS = 0x24, /* one of these serves all, whose parts lie one behind the other */
};

/*
 * Switches on virtual functions of each physical one in host->sriov, as many as host->vfs says
 * and it offers, and adds them to the table: with the ids and BARs that the physical one's
 * capability tells, bus mastering off. They are nobody's; the physical one is claimed for "facet"
 * and has `vfs` set. Those of an NVMe controller get queues and interrupts (drivers/nvme_admin.h).
 * Where firmware left no addresses or numbers for them there are none. Of each a line says what
 * became of it, and why.
 *
 * At start, once, between iommu_start() and pci_make_groups(). `iommu` is NULL where none is
 * usable: nothing is switched on. Waits 0.1 s for each, for NVMe as long as its controller says.
 */
void pci_sriov_start(struct pci *pci, struct iommu *iommu, const struct config_host *host);

#endif
