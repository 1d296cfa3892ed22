/* SPDX-License-Identifier: Apache-2.0 */
/* How long jobs took of late; see waits.h. */
#include "gpu/waits.h"

#include "core/lib/string.h"

static u32 bucket_of(u64 ns)
{
	u32 power;

	if (ns < BIT(WAITS_FIRST))
		return 0;
	power = 63 - (u32)__builtin_clzll(ns);
	if (power >= WAITS_FIRST + WAITS_POWERS)
		return WAITS_BUCKETS - 1;
	return 1 + (power - WAITS_FIRST) * WAITS_STEPS +
	       (u32)(ns >> (power - 3) & (WAITS_STEPS - 1));
}

/* The largest value that belongs to it. */
static u64 end_of(u32 bucket)
{
	u32 power = WAITS_FIRST + (bucket - 1) / WAITS_STEPS;
	u64 step = (bucket - 1) % WAITS_STEPS + 1;

	if (!bucket)
		return BIT(WAITS_FIRST) - 1;
	return BIT(power) + (step << (power - 3)) - 1;
}

/* Clear what has become old. */
static void turn(struct waits *waits, u64 now_ns)
{
	u64 window = now_ns / WAITS_WINDOW_NS;

	if (window <= waits->window)
		return;
	for (u64 i = 1; i <= MIN(window - waits->window, (u64)WAITS_WINDOWS); i++)
		memset(waits->counts[(waits->window + i) % WAITS_WINDOWS], 0,
		       sizeof(waits->counts[0]));
	waits->window = window;
}

void waits_add(struct waits *waits, u64 ns, u64 now_ns)
{
	turn(waits, now_ns);
	waits->counts[waits->window % WAITS_WINDOWS][bucket_of(ns)]++;
}

u64 waits_percentile(struct waits *waits, u32 percent, u64 now_ns)
{
	u64 all = 0, below = 0, wanted;

	turn(waits, now_ns);
	for (u32 i = 0; i < WAITS_WINDOWS * WAITS_BUCKETS; i++)
		all += waits->counts[i / WAITS_BUCKETS][i % WAITS_BUCKETS];
	wanted = (all * percent + 99) / 100;
	for (u32 bucket = 0; all && bucket < WAITS_BUCKETS; bucket++) {
		for (u32 i = 0; i < WAITS_WINDOWS; i++)
			below += waits->counts[i][bucket];
		if (below >= wanted)
			return end_of(bucket);
	}
	return 0;
}
