/* SPDX-License-Identifier: Apache-2.0 */
/* A vGPU's queue kept full with jobs of equal cost, and the guest's own count of them. */
#include "tests/guest/bare/bare.h"

#define SLOTS	 32
#define RESOURCE 1

/*
 * facet.depth=N jobs in flight (8), facet.jobs=N in all (0: for ever), facet.tell=N: a line
 * each N completions (100), facet.size=N: a job copies N x N pixels (1024: 4 MiB).
 */
void load_run(void)
{
	static struct gpu_transfer request[SLOTS];
	static struct gpu_header response[SLOTS];
	u64 depth = option_number("depth", 8), jobs = option_number("jobs", 0);
	u64 tell = option_number("tell", 100), posted = 0, done = 0, told = 0, bad = 0;
	u32 size = (u32)option_number("size", 1024), bytes = size * size * 4;
	void *backing = pages((bytes + 4095) / 4096);

	if (!gpu_init())
		return;
	if (depth > SLOTS)
		depth = SLOTS;
	if (gpu_create(RESOURCE, size, size) != GPU_OK_NODATA ||
	    gpu_attach(RESOURCE, (u64)backing, bytes) != GPU_OK_NODATA) {
		say("load: cannot make its resource");
		return;
	}
	say("load: starts, depth %lu", depth);
	while (!jobs || done < jobs) {
		bool kick = false;

		while (posted - done < depth && (!jobs || posted < jobs)) {
			u64 slot = posted % depth;
			struct gpu_command c = { &request[slot], sizeof(request[slot]),
						 &response[slot], sizeof(response[slot]) };

			/* The slot's last job is done: jobs complete in order. */
			if (posted >= depth && response[slot].type != GPU_OK_NODATA)
				bad++;
			response[slot].type = 0;
			request[slot] = (struct gpu_transfer){ .header = { .type = GPU_TRANSFER_2D,
									   .flags = GPU_FLAG_FENCE,
									   .fence = posted + 1 },
							       .r = { 0, 0, size, size },
							       .resource = RESOURCE };
			if (!gpu_post(&c))
				break;
			posted++;
			kick = true;
		}
		if (kick)
			gpu_kick();
		done += gpu_collect();
		if (done - told >= tell) {
			told = done;
			say("load: completed %lu bad %lu", done, bad);
		}
		__asm__ volatile("pause");
	}
	say("load: ended, completed %lu bad %lu", done, bad);
}
