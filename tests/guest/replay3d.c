/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded streams said again; see replay3d.h. */
#include "tests/guest/replay3d.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/guest/say3d.h"

/* ---- the protocol, as far as resources stand in it ------------------------------------ */

#define CREATE_OBJECT	    1
#define INLINE_WRITE	    9
#define END_TRANSFERS	    44
#define INLINE_WRITE_DWORDS 12 /* one of them data */

/* Handles of resources: at dwords `at`, or one in each group of `step` dwords from `at[0]`. */
static const struct place {
	uint8_t opcode, object_type, at[2], step;
} places[] = {
	{ CREATE_OBJECT, 6, { 2 }, 0 },	 /* SAMPLER_VIEW */
	{ CREATE_OBJECT, 8, { 2 }, 0 },	 /* SURFACE */
	{ CREATE_OBJECT, 9, { 4 }, 0 },	 /* QUERY */
	{ CREATE_OBJECT, 10, { 2 }, 0 }, /* STREAMOUT_TARGET */
	{ 6, 0, { 3 }, 3 },		 /* SET_VERTEX_BUFFERS */
	{ 8, 0, { 15 }, 0 },		 /* DRAW_VBO: what it is told by indirectly */
	{ INLINE_WRITE, 0, { 1 }, 0 },	 /* RESOURCE_INLINE_WRITE */
	{ 11, 0, { 1 }, 0 },		 /* SET_INDEX_BUFFER */
	{ 16, 0, { 4, 13 }, 0 },	 /* BLIT */
	{ 17, 0, { 1, 6 }, 0 },		 /* RESOURCE_COPY_REGION */
	{ 27, 0, { 5 }, 0 },		 /* SET_UNIFORM_BUFFER */
	{ 34, 0, { 5 }, 3 },		 /* SET_SHADER_BUFFERS */
	{ 35, 0, { 7 }, 5 },		 /* SET_SHADER_IMAGES */
	{ 40, 0, { 4 }, 3 },		 /* SET_ATOMIC_BUFFERS */
	{ 43, 0, { 1 }, 0 },		 /* TRANSFER3D */
	{ 45, 0, { 1, 12 }, 0 },	 /* COPY_TRANSFER3D */
	{ 47, 0, { 1 }, 0 },		 /* CLEAR_TEXTURE */
};

static const struct place *place_of(uint32_t header)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (places[i].opcode == OPCODE(header) &&
		    (places[i].opcode != CREATE_OBJECT ||
		     places[i].object_type == OBJECT_TYPE(header)))
			return &places[i];
	return NULL;
}

uint32_t handle_at(uint32_t header, uint32_t n)
{
	const struct place *place = place_of(header);
	uint32_t at = 0;

	if (place && place->step)
		at = place->at[0] + n * place->step;
	else if (place && n < 2)
		at = place->at[n];
	return at <= LENGTH(header) ? at : 0;
}

/* ---- recordings ----------------------------------------------------------------------- */

struct stream streams[STREAMS];
uint32_t stream_count;

static void load_words(struct stream *s, const char *path)
{
	FILE *file = fopen(path, "r");
	long bytes;

	if (!file || fseek(file, 0, SEEK_END) || (bytes = ftell(file)) <= 0)
		fail(path);
	rewind(file);
	s->words = malloc((size_t)bytes);
	s->count = (uint32_t)bytes / 4;
	if (!s->words || fread(s->words, 4, s->count, file) != s->count)
		fail(path);
	fclose(file);
}

static void load_resources(struct stream *s, const char *path)
{
	FILE *file = fopen(path, "r");
	char line[200];

	if (!file)
		fail(path);
	while (fgets(line, sizeof(line), file) && s->resource_count < RESOURCES) {
		struct resource *r = &s->resources[s->resource_count];
		struct shape *p = &r->shape;

		if (sscanf(line, "%u %u %u %u %u %u %u %u %u %u %u", &r->recorded, &p->target,
			   &p->format, &p->bind, &p->width, &p->height, &p->depth, &p->layers,
			   &p->last_level, &p->samples, &p->flags) == 11)
			s->resource_count++;
	}
	fclose(file);
}

void load_streams(const char *folder)
{
	char path[300];
	glob_t found;

	snprintf(path, sizeof(path), "%s/*.bin", folder);
	if (glob(path, 0, NULL, &found))
		fail(folder);
	for (size_t i = 0; i < found.gl_pathc && stream_count < STREAMS; i++) {
		const char *name = strrchr(found.gl_pathv[i], '/') + 1;
		struct stream *s = &streams[stream_count++];

		load_words(s, found.gl_pathv[i]);
		snprintf(path, sizeof(path), "%.*s.resources.txt",
			 (int)strlen(found.gl_pathv[i]) - 4, found.gl_pathv[i]);
		load_resources(s, path);
		/* Without -NNNNN.bin. */
		snprintf(s->program, sizeof(s->program), "%.*s", (int)strlen(name) - 10, name);
	}
	globfree(&found);
}

bool same_program(uint32_t a, uint32_t b)
{
	return a < stream_count && b < stream_count &&
	       strcmp(streams[a].program, streams[b].program) == 0;
}

/* ---- a context that replays ----------------------------------------------------------- */

static const struct shape probe_shape = { BUFFER, R8, 16, 4096, 1, 1, 1, 0, 0, 0 };

void replay_start(struct replay *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = open_context();
	if (!create(r->fd, &probe_shape, &r->probe))
		fail("RESOURCE_CREATE");
	r->probe_memory = (uint32_t *)(void *)map(r->fd, &r->probe);
}

void replay_end(struct replay *r)
{
	munmap(r->probe_memory, r->probe.bytes);
	close(r->fd);
}

bool replay_submit(struct replay *r, const void *stream, uint32_t bytes)
{
	const uint32_t write[1 + INLINE_WRITE_DWORDS] = { HEADER(INLINE_WRITE, INLINE_WRITE_DWORDS),
							  r->probe.id,
							  0,
							  0,
							  0,
							  0,
							  0,
							  0,
							  0,
							  4,
							  1,
							  1,
							  ++r->probe_value };
	int fence = bytes ? submit(r->fd, stream, bytes) : -1; /* the kernel refuses an empty one */

	*r->probe_memory = 0;
	wait_for_fence(submit(r->fd, write, sizeof(write)));
	from_host(r->fd, &r->probe, 0, 0);
	wait_for(r->fd, &r->probe);
	if (fence >= 0)
		wait_for_fence(fence);
	return *r->probe_memory == r->probe_value;
}

static struct resource *replay_find(struct replay *r, uint32_t recorded)
{
	for (uint32_t i = 0; i < RESOURCES; i++)
		if (r->live[i].recorded == recorded)
			return &r->live[i];
	return NULL;
}

static const struct resource *listed(const struct stream *s, uint32_t recorded)
{
	for (uint32_t i = 0; i < s->resource_count; i++)
		if (s->resources[i].recorded == recorded)
			return &s->resources[i];
	return NULL;
}

void replay_resources(struct replay *r, const struct stream *s)
{
	for (uint32_t i = 0; i < RESOURCES; i++) {
		struct resource *have = &r->live[i];
		const struct resource *want = listed(s, have->recorded);

		if (have->recorded &&
		    (!want || memcmp(&want->shape, &have->shape, sizeof(want->shape)) != 0)) {
			destroy(r->fd, have);
			have->recorded = 0;
		}
	}
	for (uint32_t i = 0; i < s->resource_count; i++) {
		const struct resource *want = &s->resources[i];
		struct resource *place = replay_find(r, want->recorded);

		if (place)
			continue;
		place = replay_find(r, 0);
		if (!place || !create(r->fd, &want->shape, place))
			fail("RESOURCE_CREATE");
		place->recorded = want->recorded;
	}
}

uint32_t replay_copy(struct replay *r, const struct stream *s, uint32_t *to)
{
	memcpy(to, s->words, s->count * sizeof(*to));
	for (uint32_t at = 0; at < s->count; at += 1 + LENGTH(to[at])) {
		uint32_t dword;

		for (uint32_t n = 0; (dword = handle_at(to[at], n)) != 0; n++) {
			const struct resource *have = replay_find(r, to[at + dword]);

			if (to[at + dword] && have)
				to[at + dword] = have->id;
		}
	}
	return s->count;
}
