/* SPDX-License-Identifier: Apache-2.0 */
/* One AMD I/O memory management unit (AMD-Vi, AMD's document 48882, revision 3). */
#ifndef DRIVERS_AMDVI_H
#define DRIVERS_AMDVI_H

#include "drivers/iommu.h"

struct amdvi {
	struct iommu_unit unit;
	u64 features;	    /* the extended feature register */
	u64 control;	    /* what the control register is to hold */
	hpa_t device_table; /* of all units together */
	hpa_t events;
	u32 event_head;
};

/*
 * Reads what the unit can do and makes its tables, with everything denied. The unit's
 * state does not change before ops->enable(). `first` is a unit that has been initialised
 * and whose device table this one shares: 2 MiB; NULL: the table is made. `map` is vmap_mmio().
 * OK; ERR_UNSUPPORTED; ERR_NO_MEMORY.
 */
enum err amdvi_init(struct amdvi *amdvi, const struct acpi_iommu_unit *acpi,
		    const struct ptab_memory *memory, pci_map_fn map,
		    const struct amdvi *first) must_check;

#endif
