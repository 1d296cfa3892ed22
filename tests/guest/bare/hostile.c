/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that a guest should not do, one test each. */
#include "tests/guest/bare/bare.h"

#define OWN	   1
#define FAR_AWAY   0x7ffff0000000ull /* in nobody's memory */
#define DMA_WINDOW 0x100000000ull

static void triple_fault(void)
{
	struct __attribute__((packed)) {
		u16 limit;
		u64 base;
	} none = { 0, 0 };

	say("triple fault");
	__asm__ volatile("lidt %0; int3" : : "m"(none));
}

static void interrupts_off(void)
{
	say("looping with interrupts off");
	__asm__ volatile("cli");
	for (;;)
		;
}

/* Descriptors, heads and index are noise, with a kick after each change. */
static void garbage_in_rings(void)
{
	u32 *words = (u32 *)gpu_descriptors();
	volatile u16 *available = gpu_available();
	u64 rounds = option_number("rounds", 2000);

	say("writing garbage into the rings");
	for (u64 i = 0; i < rounds; i++) {
		for (u32 w = 0; w < gpu_queue_size() * 4; w++)
			words[w] = random();
		/* Some look nearly right: small lengths, low addresses, chains in a circle. */
		for (u32 d = 0; d < gpu_queue_size(); d++) {
			struct virtq_desc *desc = &gpu_descriptors()[d];

			if (random() & 1)
				desc->address &= 0x3ffffff;
			if (random() & 1)
				desc->length &= 0xff;
			if (random() & 1)
				desc->flags = (u16)(random() & 3);
			if (random() & 1)
				desc->next = (u16)(d + 1);
		}
		for (u32 a = 0; a < gpu_queue_size(); a++)
			available[2 + a] = (u16)(random() & 1 ? random() : random() % 64);
		available[1] = (u16)(available[1] + (random() & 3 ? random() % 8 : random()));
		gpu_kick();
	}
	say("garbage: %lu rounds, status %x", rounds, gpu_common()[0x14]);
}

/* Ids that this guest never made, among them those that a neighbour is likely to have. */
static void foreign_resources(void)
{
	u32 accepted = 0;

	for (u32 id = 1; id <= 64; id++) {
		struct gpu_flush flush = { .header.type = GPU_FLUSH,
					   .r = { 0, 0, 64, 64 },
					   .resource = id };
		struct gpu_transfer transfer = { .header.type = GPU_TRANSFER_2D,
						 .r = { 0, 0, 64, 64 },
						 .resource = id };
		struct gpu_resource resource = { .header.type = GPU_UNREF, .resource = id };
		struct gpu_scanout scanout = { .header.type = GPU_SET_SCANOUT,
					       .r = { 0, 0, 64, 64 },
					       .resource = id };
		u32 answer[4] = { gpu_command(&flush, sizeof(flush)),
				  gpu_command(&transfer, sizeof(transfer)),
				  gpu_command(&scanout, sizeof(scanout)),
				  gpu_command(&resource, sizeof(resource)) };

		for (u32 i = 0; i < 4; i++)
			accepted += answer[i] == GPU_OK_NODATA;
		if (id == 1)
			say("foreign: flush %x transfer %x scanout %x unref %x", answer[0],
			    answer[1], answer[2], answer[3]);
	}
	say("foreign: %u accepted", accepted);
}

/* Each resource is 4 MiB. */
static void over_quota(void)
{
	u32 answer = GPU_OK_NODATA, made = 0;

	while (made < 4096) {
		answer = gpu_create(made + 1, 1024, 1024);
		if (answer != GPU_OK_NODATA)
			break;
		made++;
	}
	say("quota: %u of 4 MiB, then %x", made, answer);
	say("quota: huge %x", gpu_create(9000, 0xffffffffu, 0xffffffffu));
}

static void backing_outside(void)
{
	static struct {
		struct gpu_header header;
		u32 resource, count;
	} many = { .header.type = GPU_ATTACH_BACKING, .resource = OWN, .count = 0xffffffffu };
	struct gpu_transfer transfer = { .header.type = GPU_TRANSFER_2D,
					 .r = { 0, 0, 64, 64 },
					 .resource = OWN };

	say("backing: create %x", gpu_create(OWN, 64, 64));
	say("backing: far %x", gpu_attach(OWN, FAR_AWAY, 16384));
	say("backing: wraps %x", gpu_attach(OWN, ~0ull - 4095, 16384));
	say("backing: neighbour %x", gpu_attach(OWN, DMA_WINDOW, 16384));
	say("backing: register bar %x", gpu_attach(OWN, (u64)gpu_common() & ~4095ull, 4096));
	say("backing: count %x", gpu_command(&many, sizeof(many)));
	say("backing: transfer without %x", gpu_command(&transfer, sizeof(transfer)));
}

/* Commands that end too early, and one that is far too long. */
static void wrong_sizes(void)
{
	static const u32 types[] = { GPU_CREATE_2D,	GPU_UNREF,	 GPU_SET_SCANOUT,
				     GPU_FLUSH,		GPU_TRANSFER_2D, GPU_ATTACH_BACKING,
				     GPU_DETACH_BACKING };
	static u8 response[64];
	u8 *request = pages(64);
	u32 answered = 0, accepted = 0;

	for (u32 i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		for (u32 size = 4; size <= 24; size += 4) {
			struct gpu_command c = { request, size, response, sizeof(response) };

			*(u32 *)request = types[i];
			*(u32 *)response = 0;
			gpu_command_full(&c);
			answered += *(volatile u32 *)response != 0;
			accepted += *(volatile u32 *)response == GPU_OK_NODATA;
		}
	}
	say("sizes: %u answered, %u accepted", answered, accepted);
	*(u32 *)request = GPU_GET_DISPLAY_INFO;
	{
		struct gpu_command big = { request, 64 * 4096, response, sizeof(response) };
		struct gpu_command small = { request, 24, response, 4 };

		*(u32 *)response = 0;
		gpu_command_full(&big);
		say("sizes: oversized %x", *(volatile u32 *)response);
		say("sizes: no room for the answer, %u written", gpu_command_full(&small));
	}
	*(u32 *)request = 0xdeadbeefu;
	say("sizes: unknown command %x", gpu_command(request, 24));
	/* A descriptor of no bytes is an error of the driver's; nothing need come back. */
	say("sizes: nothing at all");
	gpu_descriptors()[0].length = 0;
	gpu_kick();
}

static void doorbell_flood(void)
{
	say("flooding the doorbell");
	for (;;)
		*gpu_doorbell() = 0;
}

static void reset_loop(void)
{
	say("resetting the device");
	for (;;)
		(void)gpu_restart();
}

/* All the memory that it may have, given back and taken again. */
static void memory_hog(void)
{
	say("taking and giving memory");
	for (;;) {
		struct gpu_resource resource = { .header.type = GPU_UNREF };
		u32 made = 0;

		while (made < 1024 && gpu_create(made + 1, 1024, 1024) == GPU_OK_NODATA)
			made++;
		for (resource.resource = 1; resource.resource <= made; resource.resource++)
			(void)gpu_command(&resource, sizeof(resource));
	}
}

/* Makes something for a neighbour to name, and keeps it. */
static void victim(void)
{
	say("victim: create %x", gpu_create(OWN, 64, 64));
	say("victim: attach %x", gpu_attach(OWN, (u64)pages(4), 16384));
}

bool hostile_run(const char *what)
{
	static const struct {
		const char *name;
		void (*run)(void);
		bool gpu;
	} tests[] = {
		{ "triple", triple_fault, false },
		{ "cli", interrupts_off, false },
		{ "garbage", garbage_in_rings, true },
		{ "foreign", foreign_resources, true },
		{ "quota", over_quota, true },
		{ "backing", backing_outside, true },
		{ "sizes", wrong_sizes, true },
		{ "doorbell", doorbell_flood, true },
		{ "resets", reset_loop, true },
		{ "hog", memory_hog, true },
		{ "victim", victim, true },
	};

	for (u32 i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (!same(what, tests[i].name))
			continue;
		if (!tests[i].gpu || gpu_init())
			tests[i].run();
		return true;
	}
	return false;
}
