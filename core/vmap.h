/* SPDX-License-Identifier: Apache-2.0 */
/* The hypervisor's own address space: W^X image, pool, device registers, windows. */
#ifndef CORE_VMAP_H
#define CORE_VMAP_H

#include "core/lib/types.h"

/*
 * Map device registers uncached, for good. NULL when the room for such
 * mappings or the pool is used up. At start only (before the other CPUs run).
 */
void *vmap_mmio(hpa_t base, u64 size);

/* Map RAM that firmware filled (tables, boot files, frame buffer) for good; at start only. */
const void *vmap_readonly(hpa_t base, u64 size);
void *vmap_write_combining(hpa_t base, u64 size);

/* Windows of each CPU, see window.h. */
#define VMAP_WINDOWS 8

#endif
