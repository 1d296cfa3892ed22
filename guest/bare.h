/* SPDX-License-Identifier: Apache-2.0 */
/* Loads a flat 64-bit image: small guests without a setup header. */
#ifndef GUEST_BARE_H
#define GUEST_BARE_H

#include "guest/linux.h"

/*
 * The image goes to 1 MiB and is entered at its first byte, in 64-bit mode as by
 * longmode_enter(), RSI = LAYOUT_ZERO_PAGE, where struct bare_info lies.
 */
struct bare_info {
	u64 memory; /* bytes of RAM */
	u64 vcpus;
	u64 rsdp;
	char cmdline[1024];
};

must_check enum err bare_plan(const struct vm *vm, const struct boot_file *image,
			      struct linux_plan *plan);
must_check enum err bare_finish(struct vm *vm, const struct linux_plan *plan);

#endif
