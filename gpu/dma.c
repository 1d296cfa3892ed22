/* SPDX-License-Identifier: Apache-2.0 */
/* What a GPU may reach: domains, guests' windows, interrupt messages. */
#include "gpu/dma.h"

#include "core/gmem.h"
#include "core/log.h"
#include "core/percpu.h"
#include "drivers/iommu_ram.h"
#include "gpu/gpu.h"
#include "gpu/vgpu.h"

enum err gpu_dma_init(struct gpu *gpu, struct iommu *iommu, bool allow_none)
{
	enum err e;

	gpu->iommu = iommu;
	if (!iommu)
		return allow_none ? OK : ERR_DENIED;
	e = iommu_domain_init(iommu, &gpu->domain);
	return e ? e : iommu_attach(&gpu->domain, gpu->function->bdf);
}

enum err gpu_dma_message(struct gpu *gpu, u8 vector, u64 *address, u32 *data)
{
	struct iommu_irq irq = {
		.source = gpu->function->bdf,
		.apic_id = percpu_of(gpu->owner_cpu)->apic_id,
		.vector = vector,
	};

	if (gpu->iommu)
		return iommu_irq_set(gpu->iommu, &irq, address, data);
	irq_message(gpu->owner_cpu, vector, address, data);
	return OK;
}

enum err gpu_dma_map(struct gpu *gpu, hpa_t hpa, u64 size, u32 rights)
{
	if (!gpu->iommu)
		return OK;
	if (hpa.raw + size > BIT(VGPU_WINDOW_SHIFT))
		return ERR_RANGE; /* would lie in a guest's window */
	return iommu_map(&gpu->domain, IOVA(hpa.raw), hpa, size, rights);
}

void gpu_dma_unmap(struct gpu *gpu, hpa_t hpa, u64 size)
{
	enum err e;

	if (!gpu->iommu)
		return;
	e = iommu_unmap(&gpu->domain, IOVA(hpa.raw), size);
	if (e)
		panic("gpu %u: the IOMMU does not give memory back: %s", gpu->index, err_name(e));
}

static u64 window_base(const struct vgpu *vgpu)
{
	return (u64)(vgpu->number + 1) << VGPU_WINDOW_SHIFT;
}

static struct iommu_domain *domain_of(struct gpu *gpu)
{
	return gpu->iommu ? &gpu->domain : NULL;
}

enum err gpu_dma_open(struct vgpu *vgpu)
{
	if (vgpu->gpu->ops->no_dma)
		return OK;
	return iommu_map_ram(domain_of(vgpu->gpu), window_base(vgpu), &vgpu->vm->memory,
			     &vgpu->mapped_bytes);
}

void gpu_dma_close(struct vgpu *vgpu)
{
	enum err e = iommu_unmap_ram(domain_of(vgpu->gpu), window_base(vgpu), &vgpu->vm->memory,
				     &vgpu->mapped_bytes);

	if (e)
		panic("gpu %u: the window of %s cannot be closed: %s", vgpu->gpu->index,
		      vgpu->vm->name, err_name(e));
}

enum err vgpu_dma_translate(const struct vgpu *vgpu, gpa_t gpa, u32 size, iova_t *iova, u32 *run)
{
	const struct gmem *mem = &vgpu->vm->memory;
	u64 in_chunk;
	hpa_t hpa;
	enum err e;

	if (vgpu->gpu->iommu) {
		if (!gmem_is_ram(mem, gpa, size))
			return ERR_FAULT;
		*iova = IOVA(window_base(vgpu) + gpa.raw);
		*run = size;
		return OK;
	}
	in_chunk = GMEM_CHUNK_SIZE - (gpa.raw & (GMEM_CHUNK_SIZE - 1));
	*run = (u32)MIN((u64)size, in_chunk);
	e = gmem_translate(mem, gpa, *run, &hpa);
	*iova = IOVA(hpa.raw);
	return e;
}
