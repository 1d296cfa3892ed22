/* SPDX-License-Identifier: Apache-2.0 */
/* Walks a guest's own page tables, from linear to guest-physical address. */
#ifndef ARCH_X86_WALK_H
#define ARCH_X86_WALK_H

#include "arch/x86/virt.h"

/* The registers that say how a guest translates (SDM vol. 3, 4.1). */
struct walk_mode {
	u64 cr0, cr3, cr4, efer;
};

/* What the translation is needed for, in #PF error-code bits. */
#define WALK_WRITE BIT(1)
#define WALK_USER  BIT(2)
#define WALK_FETCH BIT(4)

/*
 * Translate `gva`. OK; ERR_DENIED: the guest's tables do not allow it, `*code`
 * is the #PF error code; ERR_FAULT: a table lies outside the guest's RAM.
 * At most four reads of guest memory. Accessed and dirty bits stay as they are.
 * The way is noted in `path` unless it is NULL: words, and count, which the caller
 * has set to 0.
 */
must_check enum err walk_translate(struct arch_vcpu *vcpu, const struct walk_mode *mode, gva_t gva,
				   u64 access, gpa_t *gpa, u32 *code, struct code_path *path);

#endif
