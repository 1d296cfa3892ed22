/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic of the GPU scheduler's tags and accounts: nothing is lost, nothing wraps around. */
#ifndef GPU_SCHED_SCALE_H
#define GPU_SCHED_SCALE_H

#include "core/lib/types.h"

/* a + b, or the maximum. */
static inline u64 gpu_sched_sum(u64 a, u64 b)
{
	u64 sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* ns * times / divisor and what `*rest` brings along; the new remainder stays in it. */
static inline u64 gpu_sched_scale(u64 ns, u32 times, u32 divisor, u32 *rest)
{
	u64 parts, whole = 0;

	if (ns >= BIT(31)) { /* else the product fits */
		if (__builtin_mul_overflow(ns / divisor, times, &whole))
			whole = UINT64_MAX;
		ns %= divisor;
	}
	parts = ns * times + *rest;
	*rest = (u32)(parts % divisor);
	return gpu_sched_sum(whole, parts / divisor);
}

#endif
