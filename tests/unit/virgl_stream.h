/* SPDX-License-Identifier: Apache-2.0 */
/* Says virgl streams command by command and asks the audit what it thinks of them; with cmocka. */
#ifndef TESTS_UNIT_VIRGL_STREAM_H
#define TESTS_UNIT_VIRGL_STREAM_H

#include "gpu/virtio/virgl.h"
#include "tests/unit/virgl_world.h"

#define ROOM   300000
#define NOBODY 17 /* no resource of this guest */
#define BGRA   1

static struct virgl_objects *objects;
static struct virgl_audit audit;
static const struct virgl_names names = { world_find, NULL };
static u32 *stream;
static u32 used;

static inline int stream_set_up(void **state)
{
	(void)state;
	objects = malloc(sizeof(*objects));
	virgl_objects_init(objects);
	assert_int_equal(virgl_context_create(objects, 3), OK);
	stream = calloc(ROOM, sizeof(*stream));
	used = 0;
	return 0;
}

static inline int stream_tear_down(void **state)
{
	(void)state;
	free(objects);
	free(stream);
	return 0;
}

static inline void put(u32 word)
{
	assert_in_range(used, 0, ROOM - 1);
	stream[used++] = word;
}

static inline void put_all(u32 opcode, u32 type, u32 count, const u32 *words)
{
	put(virgl_header(opcode, type, count));
	for (u32 i = 0; i < count; i++)
		put(words[i]);
}

/* A command with the dwords that follow. */
#define SAY(opcode, ...) \
	put_all(VIRGL_##opcode, 0, sizeof((u32[]){ __VA_ARGS__ }) / 4, (u32[]){ __VA_ARGS__ })
#define CREATE(type, ...) \
	put_all(VIRGL_CREATE_OBJECT, VIRGL_OBJECT_##type, sizeof((u32[]){ __VA_ARGS__ }) / 4, \
		(u32[]){ __VA_ARGS__ })
#define BIND(type, handle) put_all(VIRGL_BIND_OBJECT, VIRGL_OBJECT_##type, 1, (u32[]){ (handle) })

static inline void put_zeros(u32 opcode, u32 type, u32 count)
{
	put(virgl_header(opcode, type, count));
	for (u32 i = 0; i < count; i++)
		put(0);
}

static inline enum virgl_verdict verdict_with(const struct virgl_budget *limit)
{
	enum virgl_verdict verdict = VIRGL_MORE;

	virgl_audit_start(&audit, objects, 3, stream, used, &names, limit);
	for (u32 i = 0; i <= used && verdict == VIRGL_MORE; i++)
		verdict = virgl_audit_step(&audit, 64);
	return verdict;
}

static inline void passes(void)
{
	enum virgl_verdict verdict = verdict_with(NULL);

	if (audit.why)
		print_error("%s at %u: %s\n", virgl_command_name(audit.opcode), audit.at,
			    audit.why);
	assert_int_equal(verdict, VIRGL_DONE);
	assert_int_equal(audit.at, used);
	assert_null(audit.why);
	used = 0;
}

static inline void refused(const char *why)
{
	assert_int_equal(verdict_with(NULL), VIRGL_REFUSED);
	assert_string_equal(audit.why, why);
	used = 0;
}

/* Without shaders nothing is drawn: 18 for vertices and 19 for fragments. */
static inline void put_shaders(void)
{
	CREATE(SHADER, 18, 0, 4, 10, 0, 0);
	CREATE(SHADER, 19, 1, 4, 10, 0, 0);
	SAY(BIND_SHADER, 18, 0);
	SAY(BIND_SHADER, 19, 1);
}

/* Surface 20 of the picture that is drawn to, 21 of its depth. */
static inline void put_framebuffer(void)
{
	CREATE(SURFACE, 20, WORLD_COLOR, BGRA, 0, 0);
	CREATE(SURFACE, 21, WORLD_DEPTH, 19, 0, 0);
	SAY(SET_FRAMEBUFFER_STATE, 1, 21, 20);
}

#define STREAM_TEST(name) cmocka_unit_test_setup_teardown(name, stream_set_up, stream_tear_down)

#endif
