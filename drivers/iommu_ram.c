// SPDX-License-Identifier: Apache-2.0
/* Maps a guest's RAM into a domain, and counts it as held by devices meanwhile. */
#include "drivers/iommu_ram.h"

#include "core/frame.h"

enum err iommu_map_ram(struct iommu_domain *domain, u64 base, const struct gmem *mem, u64 *mapped)
{
	for (u64 offset = 0; offset < mem->size; offset += GMEM_CHUNK_SIZE) {
		hpa_t hpa = mem->chunks[offset >> GMEM_CHUNK_SHIFT];
		enum err e = OK;

		if (domain)
			e = iommu_map(domain, IOVA(base + gmem_gpa(offset)), hpa, GMEM_CHUNK_SIZE,
				      IOMMU_READ | IOMMU_WRITE);
		if (e) {
			(void)!iommu_unmap_ram(domain, base, mem, mapped);
			return e;
		}
		frame_dma_get(hpa, GMEM_CHUNK_SIZE);
		*mapped = offset + GMEM_CHUNK_SIZE;
	}
	return OK;
}

enum err iommu_unmap_ram(struct iommu_domain *domain, u64 base, const struct gmem *mem, u64 *mapped)
{
	u64 end = *mapped;
	enum err e;

	if (!end)
		return OK;
	/* One flush for all of it; the hole is no error. */
	e = domain ? iommu_unmap(domain, IOVA(base),
				 gmem_gpa(end - GMEM_CHUNK_SIZE) + GMEM_CHUNK_SIZE)
		   : OK;
	if (e)
		return e;
	for (u64 offset = 0; offset < end; offset += GMEM_CHUNK_SIZE)
		frame_dma_put(mem->chunks[offset >> GMEM_CHUNK_SHIFT], GMEM_CHUNK_SIZE);
	*mapped = 0;
	return OK;
}
