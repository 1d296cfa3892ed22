/* SPDX-License-Identifier: Apache-2.0 */
/* The audit of virgl streams against a reading of the protocol of this test's own. */
// HYPERVISOR_OBJECTS: gpu/virtio/virgl.c gpu/virtio/virgl_rules.c gpu/virtio/virgl_checks.c
// HYPERVISOR_OBJECTS: gpu/virtio/virgl_objects.c gpu/virtio/virgl_resource.c
// HYPERVISOR_OBJECTS: gpu/virtio/virgl_formats.c

/*
 * A million streams: commands of every kind with fields at random, half of the
 * streams then damaged (virgl_generate.h). What the audit passes is read again
 * by virgl_read.h, which knows nothing of the audit's table:
 *
 *  1. each resource that a command names is the device's name of one of the
 *     guest's 16, of a kind that may stand there;
 *  2. lengths add up, boxes and spans lie inside (in 128-bit arithmetic);
 *  3. cost and cuts are what this test counts itself.
 *
 * Each command that is offered has to pass and to be refused often enough.
 * FACET_SEED chooses the seed, FACET_STREAMS the number of streams, FACET_CORPUS
 * a folder for seeds of fuzz_virgl.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/virtio/virgl.h"
#include "tests/model/virgl_generate.h"
#include "tests/model/virgl_read.h"

#define STREAMS_DEFAULT 1000000
#define CONTEXT		7

static u64 passed[64], refused[64], made[16];

static void count_commands(void)
{
	for (u32 at = 0; at < used; at += 1 + (stream[at] >> 16)) {
		passed[stream[at] & 63]++;
		if ((stream[at] & 255) == 1)
			made[stream[at] >> 8 & 15]++;
	}
}

/* With FACET_CORPUS: the seeds of the fuzzer are the first streams that say something new. */
static u32 before[ROOM];
static const char *corpus;

static bool says_something_new(void)
{
	for (u32 at = 0; at < used; at += 1 + (stream[at] >> 16))
		if (!passed[stream[at] & 63])
			return true;
	return false;
}

static void write_seed(void)
{
	static u32 count;
	char name[256];
	FILE *file;

	if (!corpus)
		return;
	snprintf(name, sizeof(name), "%s/generated-%02u", corpus, count++);
	file = fopen(name, "wb");
	want(file && fwrite(before, 4, used, file) == used && !fclose(file), "cannot write a seed");
}

static struct virgl_objects objects;

static void one_stream(void)
{
	static struct virgl_audit audit;
	const struct virgl_names names = { world_find, NULL };
	struct virgl_budget limit = virgl_job_limit;
	enum virgl_verdict verdict;
	u32 steps = 0, size = 1 + below(200);

	generate();
	memcpy(before, stream, used * sizeof(stream[0]));
	stream[used] = 0xfeedface;
	if (one_in(4)) {
		limit.dwords = 64 + below(1024);
		limit.commands = 1 + below(10);
		limit.pixels = 1 + below(4000000);
	}
	virgl_context_destroy(&objects, CONTEXT);
	want(virgl_context_create(&objects, CONTEXT) == OK, "no context");
	virgl_audit_start(&audit, &objects, CONTEXT, stream, used, &names, &limit);
	do {
		verdict = virgl_audit_step(&audit, size);
	} while (verdict == VIRGL_MORE && ++steps <= used);
	want(verdict != VIRGL_MORE, "steps without end");
	want(stream[used] == 0xfeedface, "written beyond the end");
	if (verdict == VIRGL_REFUSED) {
		want(audit.why && audit.at < used, "a refusal that does not say why");
		refused[audit.opcode & 63]++;
		return;
	}
	want(audit.at == used, "done before the end");
	read_stream(stream, used, &audit, &limit);
	if (says_something_new())
		write_seed();
	count_commands();
}

static bool is_offered(u32 opcode)
{
	return opcode <= VIRGL_LINK_SHADER && opcode != VIRGL_LAUNCH_GRID &&
	       opcode != VIRGL_SET_DEBUG_FLAGS && opcode != VIRGL_GET_QUERY_RESULT_QBO &&
	       opcode != VIRGL_PIPE_RESOURCE_CREATE && opcode != VIRGL_PIPE_RESOURCE_SET_TYPE &&
	       opcode != VIRGL_GET_MEMORY_INFO;
}

/* A generator that never says a command, or only ever well, shows nothing of it. */
static bool coverage_is_good(u64 streams)
{
	bool good = true;

	for (u32 opcode = 0; opcode <= VIRGL_LINK_SHADER; opcode++) {
		u64 few = streams / 20000;

		if (!is_offered(opcode)) {
			if (passed[opcode])
				good = false;
			continue;
		}
		if (passed[opcode] >= few && (refused[opcode] || streams < 100000))
			continue;
		printf("%s: %llu passed, %llu refused\n", virgl_command_name(opcode),
		       (unsigned long long)passed[opcode], (unsigned long long)refused[opcode]);
		good = false;
	}
	for (u32 type = VIRGL_OBJECT_BLEND; type < VIRGL_OBJECT_MSAA_SURFACE; type++)
		if (made[type] < streams / 20000)
			good = false;
	return good;
}

static u64 number(const char *name, u64 usual)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : usual;
}

int main(void)
{
	u64 seed = number("FACET_SEED", 0x243f6a8885a308d3), streams, done = 0, all_refused = 0;

	streams = number("FACET_STREAMS", STREAMS_DEFAULT);
	corpus = getenv("FACET_CORPUS");
	random_state = seed ? seed : 1;
	virgl_objects_init(&objects);
	for (done = 0; done < streams && !problem; done++)
		one_stream();
	for (u32 i = 0; i < 64; i++)
		all_refused += refused[i];
	if (!problem && (!coverage_is_good(streams) || all_refused < streams / 5 ||
			 all_refused > streams * 4 / 5))
		problem = "too few of some kind";
	printf("virgl_streams: %llu streams, %llu of them refused, seed %#llx: %s\n",
	       (unsigned long long)done, (unsigned long long)all_refused, (unsigned long long)seed,
	       problem ? problem : "no difference");
	return problem ? 1 : 0;
}
