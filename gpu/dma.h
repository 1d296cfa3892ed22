/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a GPU may reach: one IOMMU domain for each GPU.
 *
 *   0            1 TiB               2 TiB               3 TiB
 *   | our rings   | guest number 0    | guest number 1    | ...
 *   | iova = hpa  | iova = 1T + gpa   | iova = 2T + gpa   |
 *
 * A window holds RAM alone and is never reused before invalidation is over.
 * With `iommu = none` the device sees host-physical addresses.
 */
#ifndef GPU_DMA_H
#define GPU_DMA_H

#include "core/lib/error.h"
#include "core/lib/types.h"

struct gpu;
struct iommu;
struct vgpu;

/*
 * Put the GPU into a domain of its own, empty. `iommu` is NULL where none is
 * usable: OK if `allow_none`, else ERR_DENIED. The errors of iommu_attach().
 */
must_check enum err gpu_dma_init(struct gpu *gpu, struct iommu *iommu, bool allow_none);

/* The message for `vector` on the owner CPU, remapped where interrupts are. */
must_check enum err gpu_dma_message(struct gpu *gpu, u8 vector, u64 *address, u32 *data);

/* Open a guest's window onto all of its RAM; on an error it is closed. Families with DMA. */
must_check enum err gpu_dma_open(struct vgpu *vgpu);

/* Close it; returns after the IOMMU has forgotten it. Idempotent. */
void gpu_dma_close(struct vgpu *vgpu);

#endif
