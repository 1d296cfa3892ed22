// SPDX-License-Identifier: Apache-2.0
/* What facet.conf says of GPUs and of guests' parts of them. */
#include "gpu/config.h"

#include "core/lib/fmt.h"
#include "gpu/sched.h"

#define US	  1000ULL
#define MS	  1000000ULL
#define PER_MILLE 1000

_Static_assert((int)CONFIG_POLICY_FAIR == GPU_SCHED_FAIR &&
		       (int)CONFIG_POLICY_EQUAL == GPU_SCHED_EQUAL &&
		       (int)CONFIG_POLICY_FIXED == GPU_SCHED_FIXED && GPU_SCHED_FAIR == 0 &&
		       GPU_SCHED_EQUAL == 1,
	       "the file's policies are the scheduler's, and its words have their order");

/* clang-format off */
/* How often in a second: the limits of the storm guards. */
#define RATE(name, field, initial) \
	{ name, "a number a second from 100 to 10000000, or 0: no limit", \
	  CONFIG_VALUE_RATE, false, CONFIG_GUEST(field), 100, 10000000, 1, initial }

static const struct config_key gpu_keys[] = {
	CONFIG_WORD("policy", CONFIG_GPU(policy), CONFIG_POLICY_FAIR, "fair, equal, fixed"),
	{ "slice", "a time from 0.5ms to 100ms",
	  CONFIG_VALUE_TIME, false, CONFIG_GPU(slice_ns), 500 * US, 100 * MS, 1, 2 * MS },
};

static const struct config_key guest_keys[] = {
	{ "gpu.weight", CONFIG_WEIGHT_ALLOWED,
	  CONFIG_VALUE_WEIGHT, false, CONFIG_GUEST(gpu_weight), 1, 10000, 1, 100 },
	{ "gpu.reserve", "a share from 0% to 100% with at most one decimal, such as 12.5%",
	  CONFIG_VALUE_SHARE, false, CONFIG_GUEST(gpu_reserve), 0, PER_MILLE, 1, 0 },
	{ "gpu.cap", "a share from 0.1% to 100% with at most one decimal, such as 12.5%",
	  CONFIG_VALUE_SHARE, false, CONFIG_GUEST(gpu_cap), 1, PER_MILLE, 1, PER_MILLE },
	{ "gpu.latency", "a time up to 10s; 0s: no bound",
	  CONFIG_VALUE_TIME, false, CONFIG_GUEST(gpu_latency_ns), 0, 10000 * MS, 1, 0 },
	{ "gpu.queue", "a number from 1 to 64",
	  CONFIG_VALUE_NUMBER, false, CONFIG_GUEST(gpu_queue), 1, 64, 1, 64 },
	RATE("gpu.doorbells", gpu_doorbells, 100000),
	RATE("gpu.resets", gpu_resets, 100),
	RATE("gpu.refused", gpu_refused, 10000),
	RATE("gpu.interrupts", gpu_interrupts, 100000),
	{ "gpu.memory", "a size from 1M to 16G in steps of 4K",
	  CONFIG_VALUE_SIZE, false, CONFIG_GUEST(gpu_memory), MIB(1), GIB(16), KIB(4), MIB(64) },
	{ "gpu.timeout", "a time from 100ms to 60s",
	  CONFIG_VALUE_TIME, false, CONFIG_GUEST(gpu_timeout_ns), 100 * MS, 60000 * MS, 1, 2000 * MS },
};
/* clang-format on */

static void check_weights(struct parser *parser, const struct config *config, u32 gpu)
{
	u32 members = 0;

	for (u32 i = 0; i < config->guest_count; i++)
		if (config->guests[i].gpu == gpu)
			members |= (u32)BIT(i);
	config_check_shares(parser, "gpu.weight", members);
}

/* What is wrong with one guest's keys by themselves. */
static void check_guest(struct parser *parser, const struct config_guest *guest)
{
	if (guest->gpu_cap < guest->gpu_reserve)
		config_complain(parser, guest, guest->line, "gpu.cap", "less than gpu.reserve",
				"gpu.reserve or more");
	if (guest->gpu_latency_ns && !guest->gpu_reserve)
		config_complain(parser, guest, guest->line, "gpu.latency",
				"a bound without gpu.reserve", "both or neither");
}

/*
 * What guests of one GPU are sure of must be there. Whether a latency bound holds is the
 * scheduler's to say, when the vGPU is made.
 */
static void check_reserves(struct parser *parser, const struct config *config)
{
	u32 sums[CONFIG_MAX_GPUS] = { 0 };
	char found[48];

	for (u32 i = 0; i < config->guest_count; i++) {
		const struct config_guest *guest = &config->guests[i];

		check_guest(parser, guest);
		if (guest->gpu == CONFIG_NO_GPU || !guest->gpu_reserve)
			continue;
		sums[guest->gpu] += guest->gpu_reserve;
		fmt_snprintf(found, sizeof(found), "reserves of %u.%u%% up to here",
			     sums[guest->gpu] / 10, sums[guest->gpu] % 10);
		if (sums[guest->gpu] > PER_MILLE)
			config_complain(parser, guest, guest->line, "gpu.reserve", found,
					"100% for all guests of a GPU");
	}
}

/* A GPU that only guests name has its defaults, but it counts. */
static void count_gpus(struct config *config)
{
	for (u32 i = 0; i < CONFIG_MAX_GPUS; i++)
		if (config->gpus[i].line)
			config->gpu_count = i + 1;
	for (u32 i = 0; i < config->guest_count; i++)
		if (config->guests[i].gpu != CONFIG_NO_GPU)
			config->gpu_count = MAX(config->gpu_count, config->guests[i].gpu + 1);
}

static void check(struct parser *parser, struct config *config)
{
	count_gpus(config);
	for (u32 gpu = 0; gpu < CONFIG_MAX_GPUS; gpu++)
		check_weights(parser, config, gpu);
	check_reserves(parser, config);
}

const struct config_part gpu_config_part = {
	.gpu_keys = gpu_keys,
	.gpu_key_count = ARRAY_SIZE(gpu_keys),
	.guest_keys = guest_keys,
	.guest_key_count = ARRAY_SIZE(guest_keys),
	.check = check,
};
