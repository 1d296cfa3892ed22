/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of one page each onto any memory, which no table maps for long. */
#ifndef CORE_WINDOW_H
#define CORE_WINDOW_H

#include "core/vmap.h"

/*
 * This CPU's window `slot` (0..VMAP_WINDOWS-1) onto the frame that holds `hpa`;
 * valid until the slot is used again on this CPU. Not for NMI handlers. Without a
 * call: some are among the few instructions that every exit takes.
 */
#ifdef FACET_HOST
void *vmap_window(unsigned int slot, hpa_t hpa);
#else
#include "arch/x86/cpu.h"
#include "core/percpu.h"

/* Present, writable, accessed, dirty, not executable: the leaf of a window. */
#define WINDOW_LEAF 0x8000000000000063ULL

static inline void *vmap_window(unsigned int slot, hpa_t hpa)
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
