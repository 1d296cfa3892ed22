/* SPDX-License-Identifier: Apache-2.0 */
/* The console command `pci`. */
#ifndef DRIVERS_PCI_COMMANDS_H
#define DRIVERS_PCI_COMMANDS_H

#include "drivers/pci.h"

/* At start, once, when groups are made; `all` is kept. */
void pci_commands_register(struct pci *all);

#endif
