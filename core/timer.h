/* SPDX-License-Identifier: Apache-2.0 */
/* Host time and one-shot timers. */
#ifndef CORE_TIMER_H
#define CORE_TIMER_H

#include "core/lib/list.h"
#include "core/lib/types.h"

/* Nanoseconds since Facet started; monotone on one CPU, TSCs are in step. */
u64 now_ns(void);

u64 time_tsc_hz(void);
/* Host TSC value at which now_ns() will be `ns`. */
u64 time_ns_to_tsc(u64 ns);
/* What now_ns() is at host TSC value `tsc`; 0 for one before the start. */
u64 time_tsc_now_to_ns(u64 tsc);

/* Ticks of the TSC since the UEFI application was entered. */
u64 time_ticks_since_entry(void);

/* Time of day when the clock read 0, in seconds since 1970-01-01; 0: unknown. */
u64 wallclock_boot_seconds(void);

struct timer {
	u64 deadline_ns;
	void (*fire)(struct timer *timer); /* on the timer's CPU, IF = 0, no lock held */
	struct list_node node;
	u32 cpu;
};

/* Arm or re-arm on the CPU that calls. A deadline in the past fires at once (soon). */
void timer_set(struct timer *timer, u64 deadline_ns);

/*
 * After this `fire` will not begin; on another CPU it may be running still, so
 * it touches nothing that may go away: it sets a flag and asks for attention.
 */
void timer_cancel(struct timer *timer);

#endif
