/* SPDX-License-Identifier: Apache-2.0 */
/* vmap_window() without a call, for the few instructions that every exit takes. */
#ifndef CORE_WINDOW_H
#define CORE_WINDOW_H

#include "core/vmap.h"

#ifdef FACET_HOST
#define vmap_window_fast vmap_window
#else
#include "arch/x86/cpu.h"
#include "core/percpu.h"

/* Present, writable, accessed, dirty, not executable: the leaf of a window. */
#define WINDOW_LEAF 0x8000000000000063ULL

static inline void *vmap_window_fast(unsigned int slot, hpa_t hpa)
{
	struct percpu *cpu = percpu_self();
	u64 entry = (hpa.raw & ~PAGE_MASK) | WINDOW_LEAF;
	u8 *va = cpu->windows_va + slot * PAGE_SIZE;

	if (cpu->windows[slot] != entry) {
		cpu->windows[slot] = entry;
		invlpg(va);
	}
	return va + (hpa.raw & PAGE_MASK);
}
#endif

#endif
