/* SPDX-License-Identifier: Apache-2.0 */
/* Storm guards: a guest that does too much of something is slowed, then frozen. */
#ifndef GPU_GUARD_H
#define GPU_GUARD_H

#include "core/lib/types.h"

/*
 *            over a limit                 GUARD_STRIKES over a limit
 *   FREE ------------------> SLOWED ----------------------------------> FROZEN
 *     ^                         |                                          |
 *     '--- GUARD_CALM windows --'          thaw, reset, start of the VM    |
 *     |    below half of it                                                |
 *     '--------------------------------------------------------------------'
 *
 * Events are counted in windows. A window over a limit is a strike, the first of them
 * slows; GUARD_FORGIVEN quiet windows in a row take one strike back, so that a guest which
 * storms, rests and storms again is frozen in the end, too.
 */

enum guard_kind {
	GUARD_DOORBELLS,
	GUARD_RESETS,	  /* of the virtual device, by its guest */
	GUARD_REFUSED,	  /* commands and streams */
	GUARD_INTERRUPTS, /* to the guest */
	GUARD_KINDS
};

enum guard_state {
	GUARD_FREE,
	GUARD_SLOWED,
	GUARD_FROZEN,
};

#define GUARD_WINDOW_NS 1000000000ULL
#define GUARD_STRIKES	5
#define GUARD_CALM	3
#define GUARD_FORGIVEN	20

/* One vGPU's. The caller's lock guards it; `now_ns` comes from one clock. */
struct guard {
	u32 limits[GUARD_KINDS]; /* in one window, 0: none; the caller's to set at any time */
	u32 counts[GUARD_KINDS]; /* in the present one */
	u64 window_ns;		 /* when it began */
	enum guard_state state;
	enum guard_kind blame; /* what it was that slowed or froze it last */
	bool over;	       /* the present window is a strike already */
	u32 strikes;
	u32 quiet;	    /* windows in a row below half of every limit */
	u64 slowed, frozen; /* how often */
};

/* Free, and without limits. */
void guard_init(struct guard *guard);

/* It happened `count` times more. True: `state` has changed. */
bool guard_count(struct guard *guard, enum guard_kind kind, u32 count, u64 now_ns);

/* Time has gone by. True: `state` has changed, which can only be from SLOWED to FREE. */
bool guard_look(struct guard *guard, u64 now_ns);

/* Thawed, reset or started anew: free, and nothing is remembered but how often. */
void guard_release(struct guard *guard, u64 now_ns);

/* "doorbells", ... */
const char *guard_kind_name(enum guard_kind kind);
/* "free", "slowed", "frozen" */
const char *guard_state_name(enum guard_state state);

#endif
