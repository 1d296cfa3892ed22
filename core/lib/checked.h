/* SPDX-License-Identifier: Apache-2.0 */
/* Sums and products that say whether they fit. */
#ifndef CORE_LIB_CHECKED_H
#define CORE_LIB_CHECKED_H

#include "core/lib/types.h"

/* True: the exact result is in *out. False: it does not fit; *out is not to be used. */
static inline must_check bool checked_add(u64 a, u64 b, u64 *out)
{
	return !__builtin_add_overflow(a, b, out);
}

static inline must_check bool checked_mul(u64 a, u64 b, u64 *out)
{
	return !__builtin_mul_overflow(a, b, out);
}

#endif
