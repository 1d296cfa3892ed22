/* SPDX-License-Identifier: Apache-2.0 */
/* One remapping unit of Intel VT-d (specification 4.1), legacy mode. */
#ifndef DRIVERS_VTD_H
#define DRIVERS_VTD_H

#include "drivers/iommu.h"

struct vtd {
	struct iommu_unit unit;
	u64 cap;
	u64 ecap;
	hpa_t root;
	hpa_t irq_table;
	u32 next_fault;
};

/*
 * Reads what the unit can do and makes its tables, with everything denied. The
 * unit's state does not change before ops->enable(). `map` is vmap_mmio().
 * OK; ERR_UNSUPPORTED; ERR_NO_MEMORY.
 */
enum err vtd_init(struct vtd *vtd, const struct acpi_iommu_unit *acpi,
		  const struct ptab_memory *memory, pci_map_fn map, bool x2apic) must_check;

/* The table format for units that all have `features`; NULL: they have none in common. */
const struct ptab_format *vtd_format(u32 features);

#endif
