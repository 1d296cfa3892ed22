/* SPDX-License-Identifier: Apache-2.0 */
/* Start of the clock and the per-CPU timer interrupt. */
#ifndef CORE_TIME_INIT_H
#define CORE_TIME_INIT_H

#include "core/lib/types.h"

/*
 * Measure TSC and APIC timer against the PIT; once, on the boot CPU.
 * `boot_tsc`: the TSC at entry of the UEFI application.
 */
void time_init(u64 boot_tsc, u64 unix_seconds);

/* VECTOR_TIMER arrived: run what is due on this CPU. IF = 0. */
void timer_interrupt(void);

#endif
