// SPDX-License-Identifier: Apache-2.0
/* A token bucket: so much at once, so much a second. */
#include "core/lib/bucket.h"

#define NS_PER_SECOND 1000000000U

void bucket_init(struct token_bucket *bucket, u32 rate, u32 burst)
{
	bucket->token_ns = NS_PER_SECOND / MAX(1, MIN(rate, NS_PER_SECOND));
	bucket->depth_ns = bucket->token_ns * MAX(1, burst);
	bucket->full_ns = 0;
}

/* Time for the tokens that are in the bucket. */
static u64 left_ns(const struct token_bucket *bucket, u64 now_ns)
{
	if (bucket->full_ns <= now_ns)
		return bucket->depth_ns;
	return bucket->depth_ns - (bucket->full_ns - now_ns);
}

u32 bucket_left(const struct token_bucket *bucket, u64 now_ns)
{
	return (u32)(left_ns(bucket, now_ns) / bucket->token_ns);
}

u32 bucket_take(struct token_bucket *bucket, u64 now_ns, u32 wanted)
{
	u32 taken = MIN(bucket_left(bucket, now_ns), wanted);

	bucket->full_ns = MAX(bucket->full_ns, now_ns) + taken * bucket->token_ns;
	return taken;
}

u64 bucket_wait_ns(const struct token_bucket *bucket, u64 now_ns)
{
	u64 left = left_ns(bucket, now_ns);

	return left >= bucket->token_ns ? 0 : bucket->token_ns - left;
}
