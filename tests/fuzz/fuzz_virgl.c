/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virgl streams of any content against the audit. An input is the dwords of
 * one stream, little-endian, and nothing else; a rest of up to three bytes is
 * ignored. The guest has the 16 resources of tests/unit/virgl_world.h, numbers
 * 1 to 16, and a new context with sub-context 0.
 *
 * Seeds called recorded-... are what Mesa said in a guest: tests/model/virgl_recorded.c makes them
 * of tests/guest/streams when the fuzzer is built. Those called generated-... are from
 *
 *     FACET_CORPUS=tests/fuzz/corpus/virgl build/model/virgl_streams
 */
// SOURCES: gpu/virtio/virgl.c gpu/virtio/virgl_rules.c gpu/virtio/virgl_checks.c
// SOURCES: gpu/virtio/virgl_objects.c gpu/virtio/virgl_resource.c gpu/virtio/virgl_formats.c
#include <stdio.h>
#include <stdlib.h>

#include "tests/model/virgl_read.h"

#define DWORDS_MAX 131072
#define CANARY	   0xfeedface
#define CONTEXT	   63
#define OTHER	   0

static struct virgl_objects objects;
static struct virgl_audit audit;
static u32 stream[DWORDS_MAX + 2], again[DWORDS_MAX];
static const struct virgl_names names = { world_find, NULL };

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "fuzz_virgl: %s, command at %u\n", what, audit.at);
	abort();
}

/* A context whose objects nobody may touch, and the one that speaks. */
static void start(void)
{
	struct virgl_object *object;

	virgl_objects_init(&objects);
	must(!virgl_context_create(&objects, OTHER), "no context");
	must(!virgl_object_insert(&objects, OTHER, 5, VIRGL_OBJECT_DSA, &object), "no object");
	must(!virgl_context_create(&objects, CONTEXT), "no context");
}

static enum virgl_verdict run(u32 *words, u32 count, u32 step)
{
	enum virgl_verdict verdict = VIRGL_MORE;
	u32 at = 0;

	start();
	virgl_audit_start(&audit, &objects, CONTEXT, words, count, &names, NULL);
	for (;;) {
		verdict = virgl_audit_step(&audit, step);
		if (verdict != VIRGL_MORE)
			return verdict;
		must(audit.at > at, "a step that does not go on");
		must(audit.at - at < step + 65536, "a step that is too long");
		at = audit.at;
	}
}

static void check_tables(void)
{
	const struct virgl_object *object = virgl_object_find(&objects, OTHER, 5);

	must(object && object->type == VIRGL_OBJECT_DSA, "another context's object");
	must(objects.object_count <= VIRGL_OBJECTS_MAX && objects.sub_count <= VIRGL_SUBS_MAX &&
		     objects.binding_count <= VIRGL_BINDINGS_MAX,
	     "more than the tables hold");
	virgl_context_destroy(&objects, CONTEXT);
	must(objects.object_count == 1 && objects.sub_count == 1 && !objects.binding_count &&
		     !objects.shader_count,
	     "something left of a context");
}

int LLVMFuzzerTestOneInput(const u8 *input, size_t size);

int LLVMFuzzerTestOneInput(const u8 *input, size_t size)
{
	u32 count = (u32)MIN(size / 4, (size_t)DWORDS_MAX), end;
	enum virgl_verdict verdict;
	const char *why;

	memcpy(again, input, count * 4);
	memcpy(&stream[1], input, count * 4);
	stream[0] = stream[1 + count] = CANARY;
	verdict = run(&stream[1], count, count % 97);
	must(stream[0] == CANARY && stream[1 + count] == CANARY, "written beyond the stream");
	must((verdict == VIRGL_REFUSED) == (audit.why != NULL), "a refusal without a reason");
	must(verdict == VIRGL_REFUSED || audit.at == count, "done before the end");
	if (verdict == VIRGL_DONE) {
		problem = NULL;
		read_stream(&stream[1], count, &audit, &virgl_job_limit);
		must(!problem, problem);
	}
	why = audit.why;
	end = audit.at;
	check_tables();
	/* However it is cut into steps, the same comes out. */
	must(run(again, count, DWORDS_MAX) == verdict && audit.why == why && audit.at == end,
	     "another verdict in one step");
	must(!memcmp(again, &stream[1], count * 4), "another stream in one step");
	return 0;
}
