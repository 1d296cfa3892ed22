/* SPDX-License-Identifier: Apache-2.0 */
/* What a GPU may reach: domains, guests' windows, interrupt messages. */
#include "gpu/dma.h"

#include "core/frame.h"
#include "core/gmem.h"
#include "core/log.h"
#include "core/percpu.h"
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

/* Where RAM number `offset` stands in the guest, past the PCI hole. */
static u64 gpa_of(u64 offset)
{
	return offset < GMEM_HOLE_START ? offset : offset - GMEM_HOLE_START + GMEM_HOLE_END;
}

enum err gpu_dma_open(struct vgpu *vgpu)
{
	const struct gmem *mem = &vgpu->vm->memory;
	struct gpu *gpu = vgpu->gpu;

	if (gpu->ops->no_dma)
		return OK;
	for (u64 offset = 0; offset < mem->size; offset += GMEM_CHUNK_SIZE) {
		hpa_t hpa = mem->chunks[offset >> GMEM_CHUNK_SHIFT];
		enum err e = OK;

		if (gpu->iommu)
			e = iommu_map(&gpu->domain, IOVA(window_base(vgpu) + gpa_of(offset)), hpa,
				      GMEM_CHUNK_SIZE, IOMMU_READ | IOMMU_WRITE);
		if (e) {
			gpu_dma_close(vgpu);
			return e;
		}
		frame_dma_get(hpa, GMEM_CHUNK_SIZE);
		vgpu->mapped_bytes = offset + GMEM_CHUNK_SIZE;
	}
	return OK;
}

void gpu_dma_close(struct vgpu *vgpu)
{
	const struct gmem *mem = &vgpu->vm->memory;
	struct gpu *gpu = vgpu->gpu;
	u64 end = vgpu->mapped_bytes;

	if (!end)
		return;
	/* One flush for the whole stride; the hole in it is no error. */
	if (gpu->iommu) {
		enum err e = iommu_unmap(&gpu->domain, IOVA(window_base(vgpu)),
					 gpa_of(end - GMEM_CHUNK_SIZE) + GMEM_CHUNK_SIZE);

		if (e)
			panic("gpu %u: the window of %s cannot be closed: %s", gpu->index,
			      vgpu->vm->name, err_name(e));
	}
	for (u64 offset = 0; offset < end; offset += GMEM_CHUNK_SIZE)
		frame_dma_put(mem->chunks[offset >> GMEM_CHUNK_SHIFT], GMEM_CHUNK_SIZE);
	vgpu->mapped_bytes = 0;
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
