/* SPDX-License-Identifier: Apache-2.0 */
/* Registers of PCI configuration space, as physical functions have them and guests see them. */
#ifndef DRIVERS_PCI_REGS_H
#define DRIVERS_PCI_REGS_H

#include "core/lib/types.h"

/* PCI Local Bus 3.0 (configuration header: 6.1) and PCI Express Base 5.0 (7.5). */

enum pci_register {
	PCI_VENDOR_ID = 0x00,
	PCI_DEVICE_ID = 0x02,
	PCI_COMMAND = 0x04,
	PCI_STATUS = 0x06,
	PCI_REVISION = 0x08,
	PCI_CLASS = 0x08, /* the upper three bytes of the dword */
	PCI_CACHE_LINE = 0x0c,
	PCI_HEADER_TYPE = 0x0e,
	PCI_BAR0 = 0x10,
	PCI_PRIMARY_BUS = 0x18,
	PCI_SECONDARY_BUS = 0x19,
	PCI_SUBORDINATE_BUS = 0x1a,
	PCI_SUBSYSTEM_VENDOR = 0x2c,
	PCI_SUBSYSTEM_ID = 0x2e,
	PCI_ROM = 0x30,
	PCI_CAPABILITIES = 0x34,
	PCI_INTERRUPT_LINE = 0x3c,
	PCI_INTERRUPT_PIN = 0x3d,
	PCI_BRIDGE_CONTROL = 0x3e,
};

#define PCI_COMMAND_IO		 BIT(0)
#define PCI_COMMAND_MEMORY	 BIT(1)
#define PCI_COMMAND_BUS_MASTER	 BIT(2)
#define PCI_COMMAND_INTX_DISABLE BIT(10)
#define PCI_STATUS_INTERRUPT	 BIT(3)
#define PCI_STATUS_CAPABILITIES	 BIT(4)

#define PCI_CLASS_BRIDGE 0x06	/* the class byte */
#define PCI_CLASS_IOMMU	 0x0806 /* class and subclass */

enum pci_capability {
	PCI_CAP_POWER = 0x01,
	PCI_CAP_MSI = 0x05,
	PCI_CAP_VENDOR = 0x09,
	PCI_CAP_PCIE = 0x10,
	PCI_CAP_MSIX = 0x11,
	PCI_CAP_ADVANCED = 0x13, /* Advanced Features */
};

enum pci_extended_capability {
	PCI_EXT_ACS = 0x000d,
	PCI_EXT_SRIOV = 0x0010,
};

/* A base address register that is one of memory. */
#define PCI_BAR_64BIT	     BIT(2) /* of the two type bits: 10b is 64 bits wide */
#define PCI_BAR_PREFETCHABLE BIT(3)
#define PCI_BAR_FLAGS	     15ULL

/* MSI capability, PCI 3.0 6.8.1. */
#define PCI_MSI_CONTROL	     2
#define PCI_MSI_ADDRESS	     4
#define PCI_MSI_ADDRESS_HIGH 8
#define PCI_MSI_DATA	     8 /* 4 further on in the form with 64 bits, as is what follows */
#define PCI_MSI_ENABLE	     BIT(0)
#define PCI_MSI_64BIT	     BIT(7)

/* MSI-X capability and table, PCI 3.0 6.8.2. */
#define PCI_MSIX_CONTROL      2
#define PCI_MSIX_TABLE	      4 /* offset of the table in the BAR with that number ... */
#define PCI_MSIX_PBA	      8 /* ... and of the pending bits */
#define PCI_MSIX_BAR	      7U
#define PCI_MSIX_ENABLE	      BIT(15)
#define PCI_MSIX_MASK_ALL     BIT(14)
#define PCI_MSIX_ENTRY_BYTES  16U
#define PCI_MSIX_ENTRY_MASKED 1U

/* PCI Express capability. */
#define PCIE_CAPABILITIES   2
#define PCIE_VERSION	    15U
#define PCIE_DEVICE_OFFERS  4
#define PCIE_DEVICE_CONTROL 8
#define PCIE_LINK_OFFERS    12
#define PCIE_LINK_STATUS    18
#define PCIE_LINK_X1_GEN1   (1 | 1 << 4)

#endif
