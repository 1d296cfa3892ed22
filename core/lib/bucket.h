/* SPDX-License-Identifier: Apache-2.0 */
/* A token bucket: so much at once, so much a second. Time is passed in. */
#ifndef CORE_LIB_BUCKET_H
#define CORE_LIB_BUCKET_H

#include "core/lib/types.h"

/*
 * The bucket is kept as the moment at which it will be full again: taking a
 * token moves that moment by the time in which one flows in, and it may lie at
 * most `depth_ns` ahead of now.
 *
 *	      now		   full_ns	     now + depth_ns
 *	-------+----------------------+--------------------+-----> time
 *		<---- tokens taken --->
 *				       <--- tokens left --->
 *
 * One bucket belongs to one owner; nothing here locks.
 */
struct token_bucket {
	u64 token_ns; /* time for one token, at least 1 */
	u64 depth_ns; /* time for a whole bucket */
	u64 full_ns;
};

/* A full bucket: `rate` tokens a second (1 to 1000000000), `burst` at once (1 to 2^32 - 1). */
void bucket_init(struct token_bucket *bucket, u32 rate, u32 burst);

/* In all of these `now_ns` never goes back and lies below 2^63. */

/* Tokens in the bucket now. */
u32 bucket_left(const struct token_bucket *bucket, u64 now_ns);

/* Take up to `wanted` tokens; gives how many there were. */
u32 bucket_take(struct token_bucket *bucket, u64 now_ns, u32 wanted);

/* Nanoseconds until there is a token; 0: there is one now. */
u64 bucket_wait_ns(const struct token_bucket *bucket, u64 now_ns);

#endif
