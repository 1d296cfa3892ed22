/* SPDX-License-Identifier: Apache-2.0 */
/* MSI of a virtual function, one message (PCI Express 5.0, 6.1.4 and 7.7.1). */
#ifndef GUEST_MSI_H
#define GUEST_MSI_H

#include "core/vpci.h"

/* Writes the capability at `at`, without the link to the next one; `wide`: 64-bit addresses. */
void msi_make(struct vpci_function *function, u32 at, bool wide);

/* Has the guest switched on the one at `at`? */
bool msi_enabled(const struct vpci_function *function, u32 at);

/*
 * Send what the guest wrote to the one at `at`, if it is on and may master the bus. The guest
 * may be changing its message: it gets the one or the other, or a mix, itself. Any CPU.
 */
void msi_raise(const struct vpci_function *function, u32 at);

#endif
