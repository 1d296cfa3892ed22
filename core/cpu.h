/* SPDX-License-Identifier: Apache-2.0 */
/* Physical processors: numbers and per-CPU state. */
#ifndef CORE_CPU_H
#define CORE_CPU_H

#include "core/lib/types.h"

#define CPU_MAX 64

/* Number of this CPU, 0..cpu_count()-1. */
u32 cpu_id(void);
/* Processors that answered and run guests. */
u32 cpu_count(void);

#endif
