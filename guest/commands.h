/* SPDX-License-Identifier: Apache-2.0 */
/* The console commands that are about guests and their GPUs. */
#ifndef GUEST_COMMANDS_H
#define GUEST_COMMANDS_H

#include "drivers/iommu.h"

/*
 * Register them with the console; at start, after console_start(). `units`: whose counters
 * `stats json` tells; NULL: there is no IOMMU.
 */
void commands_register(const struct iommu *units);

/*
 * `pci attach NAME BB:DD.F` and `pci detach NAME BB:DD.F`: `args` is what follows `pci`.
 * False: it begins with neither word.
 */
bool commands_pci(char *args);

#endif
