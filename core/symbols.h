/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the hypervisor's functions, for back traces. */
#ifndef CORE_SYMBOLS_H
#define CORE_SYMBOLS_H

#include "core/lib/types.h"

/* The function that `address` lies in; "?" when unknown. Any context. */
const char *symbol_find(u64 address, u64 *offset);

#endif
