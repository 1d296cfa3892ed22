/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's RAM, within reach of devices. */
#ifndef DRIVERS_IOMMU_RAM_H
#define DRIVERS_IOMMU_RAM_H

#include "core/gmem.h"
#include "drivers/iommu.h"

/*
 * Lets the functions in `domain` read and write all of `mem`, at the guest's addresses
 * + `base`, and holds its frames for them. NULL, where no IOMMU is: they are held only.
 * *mapped, 0 before, is what iommu_unmap_ram() wants. What iommu_map() says; after an
 * error nothing is mapped.
 */
enum err iommu_map_ram(struct iommu_domain *domain, u64 base, const struct gmem *mem,
		       u64 *mapped) must_check;

/*
 * Takes it away: the frames are held until no unit remembers them. Nothing where *mapped
 * is 0. What iommu_unmap() says; after an error *mapped and the frames stay as they are.
 */
enum err iommu_unmap_ram(struct iommu_domain *domain, u64 base, const struct gmem *mem,
			 u64 *mapped) must_check;

#endif
