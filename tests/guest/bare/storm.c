/* SPDX-License-Identifier: Apache-2.0 */
/* A storm of one kind, until its vGPU is frozen; once that is over, a load like any other. */
#include "tests/guest/bare/bare.h"

#define BATCH	    16		  /* commands at a time */
#define ROUND	    64		  /* resets */
#define PATIENCE    4000000000ull /* ticks of the TSC: much longer than a slowed guest waits */
#define NO_RESOURCE 77

static struct gpu_resource request;
static u32 request_size;

/* So many times the same command at once; false: not all were answered in time. */
static bool ask(u32 count)
{
	static u8 response[BATCH][512];
	u32 answered = 0;
	u64 since = rdtsc();

	for (u32 i = 0; i < count; i++) {
		struct gpu_command c = { &request, request_size, response[i], sizeof(response[i]) };

		(void)gpu_post(&c);
	}
	gpu_kick();
	while (answered < count && rdtsc() - since < PATIENCE) {
		answered += gpu_collect();
		__asm__ volatile("pause");
	}
	return answered == count;
}

static bool resets(void)
{
	for (u32 i = 0; i < ROUND; i++)
		(void)gpu_restart();
	return gpu_renew() && ask(1);
}

static bool commands(void)
{
	return ask(BATCH);
}

/*
 * facet.noise=resets; =refused: commands that name nothing, without interrupts; =interrupts:
 * commands that are answered at once, with one each.
 */
void storm_run(void)
{
	const char *noise = option("noise", "resets");
	bool (*round)(void) = same(noise, "resets") ? resets : commands;
	bool refused = same(noise, "refused");

	if (!gpu_init())
		return;
	request.header.type = refused ? GPU_UNREF : GPU_GET_DISPLAY_INFO;
	request.resource = NO_RESOURCE;
	request_size = refused ? sizeof(request) : sizeof(request.header);
	if (same(noise, "interrupts"))
		gpu_available()[0] = 0; /* flags: each answer is to be told */
	say("storm: begins, %s", noise);
	while (round())
		;
	say("storm: no answer any more");
	while (!gpu_collect())
		__asm__ volatile("pause");
	say("storm: answered again");
	load_run();
}
