/* SPDX-License-Identifier: Apache-2.0 */
/* Start of the clock and the per-CPU timer interrupt. */
#ifndef CORE_TIME_INIT_H
#define CORE_TIME_INIT_H

#include "core/lib/types.h"

/*
 * Measure TSC and APIC timer; once, on the boot CPU. Panics if nothing counts.
 * `boot_tsc`: the TSC at entry of the UEFI application. `pm_timer`: port of
 * the ACPI PM timer (ACPI 6.5, 4.8.3.3), 0: none; then, or if it stands still,
 * the 8254 is the measure.
 */
void time_init(u64 boot_tsc, u64 unix_seconds, u16 pm_timer);

/* VECTOR_TIMER arrived: run what is due on this CPU. IF = 0. */
void timer_interrupt(void);

#endif
