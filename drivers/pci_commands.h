/* SPDX-License-Identifier: Apache-2.0 */
/* The console command `pci`. */
#ifndef DRIVERS_PCI_COMMANDS_H
#define DRIVERS_PCI_COMMANDS_H

#include "drivers/iommu.h"
#include "drivers/pci.h"

/*
 * At start, once, when groups are made; `all` and `units` (NULL: none) stay. `others` is asked
 * first what it makes of the command's arguments; true: it was its own. May be NULL.
 */
void pci_commands_register(struct pci *all, struct iommu *units, bool (*others)(char *args));

#endif
