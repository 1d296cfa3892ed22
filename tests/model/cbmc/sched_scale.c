/* SPDX-License-Identifier: Apache-2.0 */
/* For CBMC: the GPU scheduler's divisions lose nothing, and no sum of its wraps around. */
#include "gpu/sched_scale.h"
#include "gpu/sched_parts.h"

u64 nondet_u64(void);
u32 nondet_u32(void);

/* Exact, for times of up to 63 units and small divisors: SAT cannot multiply much more. */
void scale_exact(void)
{
	u64 ns = nondet_u64();
	u32 times = nondet_u32(), divisor = nondet_u32(), rest = nondet_u32(), before = rest;
	u64 result;

	__CPROVER_assume(ns < 64 && times > 0 && times < 16 && divisor > 0 && divisor < 16);
	__CPROVER_assume(rest < divisor);
	result = gpu_sched_scale(ns, times, divisor, &rest);
	__CPROVER_assert(result * divisor + rest == ns * times + before, "nothing is lost");
	__CPROVER_assert(rest < divisor, "the remainder is one");
}

/* Of any length: a tag or an account that grows never gets smaller. */
void scale_saturates(void)
{
	u64 ns = nondet_u64(), account = nondet_u64(), result;
	u32 rest = 0;

	result = gpu_sched_scale(ns, GPU_SCHED_TAG_UNITS, 1, &rest);
	__CPROVER_assert(result >= ns, "at weight 1, no less than the time");
	__CPROVER_assert(gpu_sched_sum(account, result) >= account, "it grows");
	__CPROVER_assert(ns >= BIT(56) || result == ns << 8, "exact below 2^56 ns");
}
