/* SPDX-License-Identifier: Apache-2.0 */
/* Building the hypervisor's own address space; only the start uses this. */
#ifndef CORE_VMAP_INIT_H
#define CORE_VMAP_INIT_H

#include "core/handover.h"
#include "core/lib/error.h"
#include "core/lib/types.h"

/* The stacks of one CPU, each with an unmapped page below it. */
struct vmap_stacks {
	u64 main_top;
	u64 ist_tops[3];
};

/* Build tables for image, pool and files; nothing is switched yet. */
must_check enum err vmap_init(const struct handover *record);

/* Give CPU number `cpu` its windows and stacks, which percpu_of() has from then on. */
must_check enum err vmap_init_cpu(u32 cpu);

/* Physical address of the top-level table; below 4 GiB. */
u64 vmap_root(void);

/* Where the pool will be once vmap_root() is loaded. */
#define VMAP_POOL 0xffff800000000000ULL

/* A page of code for starting CPUs, one to one; taken away by the second call. */
must_check enum err vmap_map_trampoline(hpa_t page);
void vmap_unmap_trampoline(hpa_t page);

#endif
