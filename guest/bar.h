/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base address registers of a virtual function: sizing, enabling, moving.
 *
 *   guest writes -> config[10h..27h, 30h] --memory decoding on--> checked -> mapped
 *
 * The registers always hold what the guest wrote, so that sizing works at any
 * time. What is mapped follows them as a whole: every BAR of a function or none. An option
 * ROM that the guest has not enabled is not counted, and switching it moves nothing else.
 */
#ifndef GUEST_BAR_H
#define GUEST_BAR_H

#include "core/log.h"
#include "core/vm.h"
#include "core/vpci.h"

/* What is mapped now; guarded by device_lock. */
struct bar_state {
	u64 base[VPCI_BAR_COUNT]; /* 0: nowhere */
	struct log_limit limit;
};

/* ERR_INVALID: BARs or spans break a rule of core/vpci.h. */
must_check enum err bar_check(const struct vpci_function *function);

/* Write the BARs' type bits and writable bits into configuration space. */
void bar_init(struct vpci_function *function);

/* The address in the registers of BAR `index`. */
u64 bar_read_base(const struct vpci_function *function, u32 index);
void bar_write_base(struct vpci_function *function, u32 index, u64 base);

/*
 * The registers or function->memory_enabled have changed: map what they say
 * now. If one BAR cannot be where it should, the function decodes nothing until
 * the next change, and a line says so. The caller holds device_lock.
 */
void bar_update(struct vm *vm, struct vpci_function *function, struct bar_state *state);

#endif
