/* SPDX-License-Identifier: Apache-2.0 */
/* How long jobs took of late: counts by length on a log scale, of the last ten seconds or so. */
#ifndef GPU_WAITS_H
#define GPU_WAITS_H

#include "core/lib/types.h"

/* Eight steps to each power of two, from 1 microsecond to 34 s: a bucket is 1/8 wide at the most.
 */
#define WAITS_STEPS   8
#define WAITS_FIRST   10 /* the first power; what is shorter is in bucket 0 */
#define WAITS_POWERS  25
#define WAITS_BUCKETS (1 + WAITS_POWERS * WAITS_STEPS)

/* Six windows of two seconds: five whole ones and the one that runs. */
#define WAITS_WINDOWS	6
#define WAITS_WINDOW_NS 2000000000ULL

/* All zero: empty. The caller's lock guards it; `now_ns` comes from one clock. */
struct waits {
	u64 window; /* number of the one that runs: now_ns / WAITS_WINDOW_NS */
	u32 counts[WAITS_WINDOWS][WAITS_BUCKETS];
};

void waits_add(struct waits *waits, u64 ns, u64 now_ns);

/*
 * The length that `percent` (1 to 100) of those in the last ten to twelve seconds
 * did not exceed, rounded up to the end of its bucket; 0: there were none.
 */
u64 waits_percentile(struct waits *waits, u32 percent, u64 now_ns);

#endif
