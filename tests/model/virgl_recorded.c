/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stock Mesa really sends passes the audit: the streams in
 * tests/guest/streams, recorded in guests directly on QEMU, each program's from its
 * first, in one context.
 *
 * With FACET_CORPUS it writes seeds for tests/fuzz/fuzz_virgl.c there: of each program the streams
 * so far, joined, which name the resource of tests/unit/virgl_world.h of the same kind. It is
 * the audit that puts these names in.
 */
// SOURCES: gpu/virtio/virgl.c gpu/virtio/virgl_rules.c gpu/virtio/virgl_checks.c
// SOURCES: gpu/virtio/virgl_objects.c gpu/virtio/virgl_resource.c gpu/virtio/virgl_formats.c
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/virtio/virgl.h"
#include "gpu/virtio/virgl_proto.h"
#include "tests/unit/virgl_world.h"

#define FOLDER	      "tests/guest/streams"
#define DWORDS_MAX    65536
#define SEED_DWORDS   9216 /* of longer ones the fuzzer makes too few a second */
#define RESOURCES_MAX 256
#define HOST	      0x5a000000U /* ids of the device: guest's id plus this */
#define CONTEXT	      0
#define STEP	      512 /* dwords */

static struct virgl_objects objects;
static struct virgl_audit audit;
static struct virgl_resource resources[RESOURCES_MAX];
static u32 words[DWORDS_MAX];
static u32 found;
static const char *corpus;
static u32 seed[SEED_DWORDS], seed_used, seeds;

static const struct virgl_resource *find(void *ctx, u32 guest_id)
{
	(void)ctx;
	if (guest_id >= RESOURCES_MAX || !resources[guest_id].host_id)
		return NULL;
	found++;
	return &resources[guest_id];
}

static const struct virgl_names names = { find, NULL };

/* The resource of virgl_world.h that a stream may use as it uses this one. */
static u32 world_like(const struct virgl_resource *r)
{
	static const struct {
		u32 bind, id;
	} buffers[] = { { VIRGL_BIND_STAGING, WORLD_STAGING },
			{ VIRGL_BIND_CUSTOM, WORLD_RESULTS },
			{ VIRGL_BIND_INDEX_BUFFER, WORLD_INDICES },
			{ VIRGL_BIND_CONSTANT_BUFFER, WORLD_UNIFORMS },
			{ VIRGL_BIND_STREAM_OUTPUT, WORLD_FEEDBACK } };

	switch (r->target) {
	case VIRGL_TARGET_BUFFER:
		for (size_t i = 0; i < ARRAY_SIZE(buffers); i++)
			if (r->bind & buffers[i].bind)
				return buffers[i].id;
		return WORLD_VERTICES;
	case VIRGL_TARGET_3D:
		return WORLD_VOLUME;
	case VIRGL_TARGET_CUBE:
		return WORLD_CUBE;
	case VIRGL_TARGET_2D_ARRAY:
		return WORLD_ARRAY;
	default:
		if (r->bind & VIRGL_BIND_DEPTH_STENCIL)
			return WORLD_DEPTH;
		return r->last_level ? WORLD_PICTURE : WORLD_COLOR;
	}
}

/* "id target format bind width height depth array_size last_level nr_samples flags" a line. */
static bool read_resources(const char *program, u32 number)
{
	char path[256], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s-%05u.resources.txt", FOLDER, program, number);
	file = fopen(path, "r");
	if (!file)
		return false;
	memset(resources, 0, sizeof(resources));
	while (fgets(line, sizeof(line), file)) {
		struct virgl_resource r = { 0 };
		u32 id, samples;

		if (sscanf(line, "%u %u %u %u %u %u %u %u %u %u %u", &id, &r.target, &r.format,
			   &r.bind, &r.width, &r.height, &r.depth, &r.array_size, &r.last_level,
			   &samples, &r.flags) != 11 ||
		    id >= RESOURCES_MAX)
			continue;
		r.host_id = corpus ? world_like(&r) : HOST + id;
		r.backing_bytes = VIRGL_BUFFER_BYTES;
		resources[id] = r;
	}
	fclose(file);
	return true;
}

static u32 read_stream(const char *program, u32 number)
{
	char path[256];
	FILE *file;
	size_t count;

	snprintf(path, sizeof(path), "%s/%s-%05u.bin", FOLDER, program, number);
	file = fopen(path, "rb");
	if (!file)
		return 0;
	count = fread(words, sizeof(u32), DWORDS_MAX, file);
	fclose(file);
	return (u32)count;
}

static enum virgl_verdict run(u32 count)
{
	enum virgl_verdict verdict;

	virgl_audit_start(&audit, &objects, CONTEXT, words, count, &names, NULL);
	do
		verdict = virgl_audit_step(&audit, STEP);
	while (verdict == VIRGL_MORE);
	return verdict;
}

/* One more stream of the program: the streams so far are a seed while they are not too long. */
static void write_seed(const char *program, u32 number, u32 count)
{
	char path[256];
	FILE *file;

	if (!corpus || seed_used + count > SEED_DWORDS)
		return;
	memcpy(&seed[seed_used], words, count * sizeof(u32));
	seed_used += count;
	snprintf(path, sizeof(path), "%s/recorded-%s-%02u", corpus, program, number);
	file = fopen(path, "wb");
	if (!file || fwrite(seed, sizeof(u32), seed_used, file) != seed_used || fclose(file)) {
		printf("virgl_recorded: cannot write %s\n", path);
		exit(1);
	}
	seeds++;
}

/* All of one program; how many streams passed. */
static u32 replay(const char *program)
{
	u32 number = 0, count;

	virgl_objects_init(&objects);
	if (virgl_context_create(&objects, CONTEXT))
		abort();
	seed_used = 0;
	for (; (count = read_stream(program, number)); number++) {
		if (!read_resources(program, number)) {
			printf("virgl_recorded: no resources of %s-%05u\n", program, number);
			exit(1);
		}
		if (run(count) == VIRGL_DONE) {
			write_seed(program, number, count);
			continue;
		}
		printf("virgl_recorded: %s-%05u: %s %s at dword %u: %s\n", program, number,
		       virgl_command_name(audit.opcode), virgl_object_name(audit.object_type),
		       audit.at, audit.why);
		exit(1);
	}
	if (!number) {
		printf("virgl_recorded: no stream of %s in %s\n", program, FOLDER);
		exit(1);
	}
	return number;
}

int main(void)
{
	static const char *const programs[] = { "kmscube", "medley", "render", "zero" };
	u32 streams = 0;

	corpus = getenv("FACET_CORPUS");
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		streams += replay(programs[i]);
	if (!found) {
		printf("virgl_recorded: no resource was named\n");
		return 1;
	}
	if (corpus)
		printf("virgl_recorded: %u seeds in %s\n", seeds, corpus);
	printf("virgl_recorded: %u streams of stock Mesa passed, %u names of resources in them\n",
	       streams, found);
	return 0;
}
