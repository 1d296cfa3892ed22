/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile guest's 3D program, on the kernel's interface directly, without Mesa.
 *
 *	mutate3d [-s SECONDS] [-r SEED] [-d FOLDER] mutate
 *	mutate3d [-s SECONDS] [-m MIB] quota
 *
 *	mutate	replays streams that tests/guest/record3d.c recorded: first all of them as they
 *		are, then, until SECONDS are over, rounds of seeded mutations. Whether the context
 *		has survived a stream is seen by a number that it writes to a buffer. After each
 *		round all that can be read from fresh resources has to be zero: a line with LEAK
 *		says what is not
 *	quota	makes textures of 4 MiB until MIB are asked for, says how many of them work, and
 *		after SECONDS whether they still do
 *
 *	FOLDER/PROGRAM-NNNNN.bin, .resources.txt
 *	   |  one context a round, one resource for each that the recording had
 *	   '--> ids replaced --> mutated or not --> EXECBUFFER --> probe --> fence
 */

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <virtgpu_drm.h>

#define NODE	      "/dev/dri/renderD128"
#define STREAMS	      64
#define RESOURCES     64
#define STREAM_MOST   66560 /* dwords that Facet takes */
#define STREAM_DWORDS (4 * STREAM_MOST)
#define FENCE_MS      20000
#define MIB	      (1u << 20)

static struct {
	uint32_t seconds, seed, mib;
	const char *folder;
} options = { .seed = 1, .mib = 256, .folder = "/streams" };

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
}

__attribute__((noreturn)) static void fail(const char *what)
{
	say("mutate3d: %s failed: %s", what, strerror(errno));
	exit(1);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

/* ---- chance: xorshift, the same from the same seed ------------------------------------ */

static uint32_t chance_state;

static void chance_start(uint32_t seed)
{
	chance_state = seed * 2654435761u | 1;
}

static uint32_t chance(uint32_t below)
{
	chance_state ^= chance_state << 13;
	chance_state ^= chance_state >> 17;
	chance_state ^= chance_state << 5;
	return below ? chance_state % below : chance_state;
}

/* ---- the kernel's interface ----------------------------------------------------------- */

/* As in RESOURCE_CREATE_3D, and as record3d writes them. */
struct shape {
	uint32_t target, format, bind, width, height, depth, layers, last_level, samples, flags;
};

struct resource {
	uint32_t recorded; /* the id in the recording; 0: none */
	uint32_t id;	   /* the kernel's, which is in streams */
	uint32_t bo;
	uint32_t bytes; /* of the backing */
	struct shape shape;
};

enum {
	BUFFER,
	TEXTURE_1D,
	TEXTURE_2D,
	TEXTURE_3D,
	CUBE,
	ARRAY_2D = 7
};
enum {
	BGRA8 = 1,
	RGBA32F = 31,
	R8 = 64,
	RGBA8 = 67,
	RGBA16F = 94
};

static uint32_t bytes_of_pixel(uint32_t format)
{
	switch (format) {
	case R8:
		return 1;
	case BGRA8:
	case RGBA8:
		return 4;
	case RGBA16F:
		return 8;
	default:
		return 16; /* or less */
	}
}

static uint32_t smaller(uint32_t side, uint32_t level)
{
	return side >> level ? side >> level : 1;
}

static uint32_t level_bytes(const struct shape *s, uint32_t level)
{
	uint32_t depth = s->target == TEXTURE_3D ? smaller(s->depth, level) : s->layers;

	return smaller(s->width, level) * smaller(s->height, level) * depth *
	       bytes_of_pixel(s->format);
}

static uint32_t all_bytes(const struct shape *s)
{
	uint32_t bytes = 0;

	for (uint32_t level = 0; level <= s->last_level && level < 16; level++)
		bytes += level_bytes(s, level);
	return bytes;
}

/* A file is a context of its own: the kernel makes one at the first command. */
static int open_context(void)
{
	int fd = open(NODE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail(NODE);
	return fd;
}

static bool create(int fd, const struct shape *s, struct resource *out)
{
	struct drm_virtgpu_resource_create args = {
		.target = s->target,
		.format = s->format,
		.bind = s->bind,
		.width = s->width,
		.height = s->height,
		.depth = s->depth,
		.array_size = s->layers,
		.last_level = s->last_level,
		.nr_samples = s->samples,
		.flags = s->flags,
		.size = all_bytes(s),
	};

	if (ioctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE, &args))
		return false;
	*out = (struct resource){
		.id = args.res_handle, .bo = args.bo_handle, .bytes = args.size, .shape = *s
	};
	return true;
}

static void destroy(int fd, const struct resource *r)
{
	struct drm_gem_close args = { .handle = r->bo };

	ioctl(fd, DRM_IOCTL_GEM_CLOSE, &args);
}

static uint8_t *map(int fd, const struct resource *r)
{
	struct drm_virtgpu_map args = { .handle = r->bo };
	void *memory = MAP_FAILED;

	if (!ioctl(fd, DRM_IOCTL_VIRTGPU_MAP, &args))
		memory = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			      (off_t)args.offset);
	if (memory == MAP_FAILED)
		fail("map");
	return memory;
}

/* Until the device has done all that concerns the resource. */
static void wait_for(int fd, const struct resource *r)
{
	struct drm_virtgpu_3d_wait args = { .handle = r->bo };

	if (ioctl(fd, DRM_IOCTL_VIRTGPU_WAIT, &args))
		fail("WAIT");
}

static struct drm_virtgpu_3d_box box_of(const struct resource *r, uint32_t level)
{
	const struct shape *s = &r->shape;

	return (struct drm_virtgpu_3d_box){
		.w = smaller(s->width, level),
		.h = smaller(s->height, level),
		.d = s->target == TEXTURE_3D ? smaller(s->depth, level) : s->layers,
	};
}

static void to_host(int fd, const struct resource *r, uint32_t level, uint32_t offset)
{
	struct drm_virtgpu_3d_transfer_to_host args = {
		.bo_handle = r->bo, .box = box_of(r, level), .level = level, .offset = offset
	};

	if (ioctl(fd, DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST, &args))
		fail("TRANSFER_TO_HOST");
}

static void from_host(int fd, const struct resource *r, uint32_t level, uint32_t offset)
{
	struct drm_virtgpu_3d_transfer_from_host args = {
		.bo_handle = r->bo, .box = box_of(r, level), .level = level, .offset = offset
	};

	if (ioctl(fd, DRM_IOCTL_VIRTGPU_TRANSFER_FROM_HOST, &args))
		fail("TRANSFER_FROM_HOST");
}

/* The stream's fence, to be waited for once. */
static int submit(int fd, const void *stream, uint32_t bytes)
{
	struct drm_virtgpu_execbuffer args = {
		.flags = VIRTGPU_EXECBUF_FENCE_FD_OUT,
		.size = bytes,
		.command = (uintptr_t)stream,
		.fence_fd = -1,
	};

	if (ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &args))
		fail("EXECBUFFER");
	return args.fence_fd;
}

/* It comes whatever became of the stream. */
static void wait_for_fence(int fence)
{
	struct pollfd wait = { .fd = fence, .events = POLLIN };

	if (poll(&wait, 1, FENCE_MS) != 1) {
		say("mutate3d: no fence in %d ms", FENCE_MS);
		exit(1);
	}
	close(fence);
}

/* ---- the protocol, as far as resources stand in it ------------------------------------ */

#define OPCODE(dword)	    ((dword)&0xff)
#define OBJECT_TYPE(dword)  ((dword) >> 8 & 0xff)
#define LENGTH(dword)	    ((dword) >> 16)
#define HEADER(op, length)  ((uint32_t)(op) | (uint32_t)(length) << 16)
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

/* Dword `n` of those of a command that name a resource; 0: there are no more. */
static uint32_t handle_at(uint32_t header, uint32_t n)
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

struct stream {
	char program[40];
	uint32_t *words, count;
	struct resource resources[RESOURCES];
	uint32_t resource_count;
};

static struct stream streams[STREAMS];
static uint32_t stream_count;

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

/* Sorted by name, so that each program's are together and in order. */
static void load_streams(void)
{
	char path[300];
	glob_t found;

	snprintf(path, sizeof(path), "%s/*.bin", options.folder);
	if (glob(path, 0, NULL, &found))
		fail(options.folder);
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

static bool same_program(uint32_t a, uint32_t b)
{
	return a < stream_count && b < stream_count &&
	       strcmp(streams[a].program, streams[b].program) == 0;
}

static uint32_t first_of_any_program(void)
{
	uint32_t at = chance(stream_count);

	while (at && same_program(at, at - 1))
		at--;
	return at;
}

/* ---- a context that replays ----------------------------------------------------------- */

struct replay {
	int fd;
	struct resource live[RESOURCES]; /* recorded 0: free */
	struct resource probe;
	uint32_t *probe_memory, probe_value;
};

static const struct shape probe_shape = { BUFFER, R8, 16, 4096, 1, 1, 1, 0, 0, 0 };

static void replay_start(struct replay *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = open_context();
	if (!create(r->fd, &probe_shape, &r->probe))
		fail("RESOURCE_CREATE");
	r->probe_memory = (uint32_t *)(void *)map(r->fd, &r->probe);
}

static void replay_end(struct replay *r)
{
	munmap(r->probe_memory, r->probe.bytes);
	close(r->fd);
}

/* Submits a stream; true: the context has survived it, and so what it writes then arrives. */
static bool replay_submit(struct replay *r, const void *stream, uint32_t bytes)
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

/* The resources that the recorded context had with this stream. */
static void replay_resources(struct replay *r, const struct stream *s)
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

/* Copies a stream with the ids that its resources have here; returns dwords. */
static uint32_t replay_copy(struct replay *r, const struct stream *s, uint32_t *to)
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

/* ---- mutations ------------------------------------------------------------------------ */

struct mutant {
	uint32_t words[STREAM_DWORDS];
	uint32_t bytes;
};

/* Where some command begins; the filler of END_TRANSFERS is as likely as any other. */
static uint32_t any_command(const struct mutant *m)
{
	uint32_t starts[4096], found = 0;

	for (uint32_t at = 0; at < m->bytes / 4 && found < 4096; at += 1 + LENGTH(m->words[at]))
		starts[found++] = at;
	return starts[chance(found)];
}

/* The end of that command, at most that of the stream. */
static uint32_t end_of(const struct mutant *m, uint32_t at)
{
	uint32_t end = at + 1 + LENGTH(m->words[at]);

	return end < m->bytes / 4 ? end : m->bytes / 4;
}

static uint32_t any_dword(const struct mutant *m)
{
	uint32_t at = any_command(m);

	return at + chance(end_of(m, at) - at);
}

static uint32_t bad_number(void)
{
	static const uint32_t numbers[] = { 0,		1,	    2,	       0x7f,  0xff,
					    0xffff,	0x10000,    16384,     16385, 0x7fffffff,
					    0x80000000, 0xfffffffe, 0xffffffff };

	return chance(4) ? numbers[chance(sizeof(numbers) / sizeof(numbers[0]))] : chance(0);
}

/* Ids that Facet gives to the device are 1 + 1024 * vGPU + slot. */
static uint32_t foreign_id(void)
{
	return chance(4) ? 1 + chance(3 * 1024) : bad_number();
}

static void flip_bits(struct mutant *m)
{
	for (uint32_t n = 1 + chance(8); n; n--)
		m->words[any_dword(m)] ^= 1u << chance(32);
}

static void replace_number(struct mutant *m)
{
	m->words[any_dword(m)] = bad_number();
}

static void wrong_length(struct mutant *m)
{
	uint32_t at = any_command(m), length = LENGTH(m->words[at]);

	length = chance(4) ? length + chance(5) - 2 : chance(0);
	m->words[at] = (m->words[at] & 0xffff) | length << 16;
}

static void wrong_opcode(struct mutant *m)
{
	uint32_t at = any_command(m), shift = chance(3) ? 0 : 8;

	m->words[at] = (m->words[at] & ~(0xffu << shift)) | (chance(256) << shift);
}

static void foreign_handle(struct mutant *m)
{
	for (uint32_t tries = 0; tries < 50; tries++) {
		uint32_t at = any_command(m), dword = handle_at(m->words[at], 0);

		if (!dword || at + dword >= m->bytes / 4)
			continue;
		m->words[at + dword] = foreign_id();
		return;
	}
}

static void cut_off(struct mutant *m)
{
	m->bytes = chance(m->bytes);
	if (chance(2))
		m->bytes &= ~3u;
}

static void add_rubbish(struct mutant *m)
{
	for (uint32_t n = 1 + chance(32); n; n--, m->bytes += 4)
		m->words[m->bytes / 4] = chance(0);
}

/* The same again and again, then NOPs: up to what Facet takes, or beyond it. */
static void make_huge(struct mutant *m)
{
	uint32_t whole = m->bytes;
	uint32_t most =
		(chance(2) ? STREAM_MOST - chance(2000) : STREAM_MOST + 1 + chance(5000)) * 4;

	while (m->bytes + whole <= most) {
		memcpy((uint8_t *)m->words + m->bytes, m->words, whole);
		m->bytes += whole;
	}
	memset((uint8_t *)m->words + m->bytes, 0, most - m->bytes);
	m->bytes = most;
}

static void drop_command(struct mutant *m)
{
	uint32_t at = any_command(m), end = end_of(m, at);

	memmove(m->words + at, m->words + end, m->bytes - end * 4);
	m->bytes -= (end - at) * 4;
}

static void repeat_command(struct mutant *m)
{
	uint32_t at = any_command(m), length = end_of(m, at) - at;

	memcpy(m->words + m->bytes / 4, m->words + at, length * 4);
	m->bytes += length * 4;
}

static void copy_dword(struct mutant *m)
{
	m->words[any_dword(m)] = m->words[any_dword(m)];
}

static const struct {
	const char *name;
	void (*apply)(struct mutant *m);
} mutations[] = {
	{ "bits", flip_bits },	      { "number", replace_number },  { "length", wrong_length },
	{ "opcode", wrong_opcode },   { "foreign", foreign_handle }, { "cut", cut_off },
	{ "rubbish", add_rubbish },   { "huge", make_huge },	     { "drop", drop_command },
	{ "repeat", repeat_command }, { "copy", copy_dword },
};
#define MUTATIONS (sizeof(mutations) / sizeof(mutations[0]))

static struct count {
	uint32_t applied, lost;
} counts[MUTATIONS], unchanged;

/* ---- what fresh resources hold -------------------------------------------------------- */

#define UNREAD 0x55
#define DIRT   0xaa

static struct {
	uint64_t read, unread, not_zero;
} fresh;

static const struct shape fresh_shapes[] = {
	{ BUFFER, R8, 16, 65536, 1, 1, 1, 0, 0, 0 },
	{ BUFFER, R8, 64, 5000, 1, 1, 1, 0, 0, 0 },
	{ TEXTURE_2D, RGBA8, 10, 256, 256, 1, 1, 0, 0, 0 },
	{ TEXTURE_2D, BGRA8, 10, 100, 60, 1, 1, 2, 0, 0 },
	{ TEXTURE_2D, R8, 8, 333, 77, 1, 1, 0, 0, 0 },
	{ TEXTURE_2D, RGBA16F, 8, 64, 64, 1, 1, 0, 0, 0 },
	{ TEXTURE_2D, RGBA32F, 8, 200, 10, 1, 1, 0, 0, 0 },
	{ ARRAY_2D, RGBA8, 10, 64, 64, 1, 5, 0, 0, 0 },
	{ CUBE, RGBA8, 10, 32, 32, 1, 6, 0, 0, 0 },
	{ TEXTURE_3D, RGBA8, 10, 16, 16, 16, 1, 0, 0, 0 },
};

#define FRESH (sizeof(fresh_shapes) / sizeof(fresh_shapes[0]))

static void move_all(int fd, const struct resource *r,
		     void (*move)(int fd, const struct resource *r, uint32_t level, uint32_t at))
{
	for (uint32_t level = 0, offset = 0; level <= r->shape.last_level; level++) {
		move(fd, r, level, offset);
		offset += level_bytes(&r->shape, level);
	}
}

static void look_at(const struct resource *r, const uint8_t *memory, uint32_t round)
{
	uint64_t unread = 0, not_zero = 0;

	for (uint32_t i = 0; i < r->bytes; i++) {
		static const uint8_t zeros[64];

		if (r->bytes - i >= sizeof(zeros) && !memcmp(memory + i, zeros, sizeof(zeros))) {
			i += sizeof(zeros) - 1;
			continue;
		}
		unread += memory[i] == UNREAD;
		not_zero += memory[i] && memory[i] != UNREAD;
	}
	fresh.read += r->bytes;
	fresh.unread += unread;
	fresh.not_zero += not_zero;
	if (not_zero)
		say("LEAK: seed %u round %u: %llu of %u bytes, target %u format %u %ux%u",
		    options.seed, round, (unsigned long long)not_zero, r->bytes, r->shape.target,
		    r->shape.format, r->shape.width, r->shape.height);
}

/* Leaves them full of DIRT, for the next ones to show. `fd` is a context in order. */
static void check_fresh(int fd, uint32_t round)
{
	struct resource resources[FRESH];
	uint8_t *memory[FRESH];

	for (size_t i = 0; i < FRESH; i++) {
		if (!create(fd, &fresh_shapes[i], &resources[i]))
			fail("RESOURCE_CREATE");
		memory[i] = map(fd, &resources[i]);
		memset(memory[i], UNREAD, resources[i].bytes);
		move_all(fd, &resources[i], from_host);
	}
	for (size_t i = 0; i < FRESH; i++) {
		wait_for(fd, &resources[i]);
		look_at(&resources[i], memory[i], round);
		memset(memory[i], DIRT, resources[i].bytes);
		move_all(fd, &resources[i], to_host);
	}
	for (size_t i = 0; i < FRESH; i++) {
		wait_for(fd, &resources[i]);
		munmap(memory[i], resources[i].bytes);
		destroy(fd, &resources[i]);
	}
}

/* ---- the two modes -------------------------------------------------------------------- */

/* Streams of one program as they were recorded; returns how many the context survived. */
static uint32_t replay_as_recorded(uint32_t first)
{
	static struct mutant m;
	struct replay r;
	uint32_t at = first, lived = 0;

	replay_start(&r);
	do {
		replay_resources(&r, &streams[at]);
		m.bytes = replay_copy(&r, &streams[at], m.words) * 4;
		if (!replay_submit(&r, m.words, m.bytes))
			break;
		lived++;
	} while (same_program(first, ++at));
	replay_end(&r);
	return lived;
}

static void replay_all(void)
{
	uint32_t lived = 0;

	for (uint32_t at = 0; at < stream_count; at++)
		if (!at || !same_program(at, at - 1))
			lived += replay_as_recorded(at);
	say("mutate: %u streams as recorded, %u went well", stream_count, lived);
}

/* One context, until it is lost or the recording ends. */
static void mutate_round(uint32_t round)
{
	static struct mutant m;
	struct replay r;
	uint32_t first, at;
	bool lives;

	chance_start(options.seed * 1000003u + round);
	first = at = first_of_any_program();
	replay_start(&r);
	do {
		struct count *count = &unchanged;

		replay_resources(&r, &streams[at]);
		m.bytes = replay_copy(&r, &streams[at], m.words) * 4;
		if (chance(2)) {
			uint32_t which = chance(MUTATIONS);

			mutations[which].apply(&m);
			count = &counts[which];
		}
		lives = replay_submit(&r, m.words, m.bytes);
		count->applied++;
		count->lost += !lives;
	} while (lives && same_program(first, ++at));
	replay_end(&r);
}

static void tell(const char *what, uint32_t rounds)
{
	uint32_t applied = 0, lost = 0;

	for (uint32_t i = 0; i < MUTATIONS; i++) {
		applied += counts[i].applied;
		lost += counts[i].lost;
	}
	say("%s seed %u: %u rounds, %u mutants, %u of them lost their context; "
	    "fresh: %llu bytes, %llu not read, %llu not zero",
	    what, options.seed, rounds, applied, lost, (unsigned long long)fresh.read,
	    (unsigned long long)fresh.unread, (unsigned long long)fresh.not_zero);
}

static void mode_mutate(void)
{
	uint64_t start = now_ms(), told = start;
	uint32_t round = 0;
	int fd = open_context();

	load_streams();
	say("mutate: seed %u, %u streams", options.seed, stream_count);
	replay_all();
	check_fresh(fd, 0);
	while (!options.seconds || now_ms() - start < options.seconds * 1000ull) {
		mutate_round(++round);
		check_fresh(fd, round);
		if (now_ms() - told < 5000)
			continue;
		told = now_ms();
		tell("mutate:", round);
	}
	for (uint32_t i = 0; i < MUTATIONS; i++)
		say("mutate: %-8s %6u, lost %u", mutations[i].name, counts[i].applied,
		    counts[i].lost);
	say("mutate: %-8s %6u, lost %u", "as it is", unchanged.applied, unchanged.lost);
	tell("mutate ended:", round);
}

/* Is the resource there on the device, with a picture of its own? Writes it, if asked to. */
static bool holds(int fd, const struct resource *r, uint32_t number, bool write)
{
	uint32_t *memory = (uint32_t *)(void *)map(fd, r);
	uint32_t count = r->bytes / 4;
	bool good = true;

	for (uint32_t i = 0; write && i < count; i++)
		memory[i] = number * 65537 + i;
	if (write) {
		to_host(fd, r, 0, 0);
		wait_for(fd, r);
	}
	memset(memory, UNREAD, r->bytes);
	from_host(fd, r, 0, 0);
	wait_for(fd, r);
	for (uint32_t i = 0; i < count && good; i++)
		good = memory[i] == number * 65537 + i;
	munmap(memory, r->bytes);
	return good;
}

static void mode_quota(void)
{
	static const struct shape four_mib = { TEXTURE_2D, RGBA8, 10, 1024, 1024, 1, 1, 0, 0, 0 };
	static struct resource made[1024];
	uint32_t count = options.mib / 4, good = 0, still = 0;
	int fd = open_context();

	for (uint32_t i = 0; i < count && i < 1024; i++) {
		if (!create(fd, &four_mib, &made[i]))
			fail("RESOURCE_CREATE");
		if (holds(fd, &made[i], i + 1, true))
			good++;
		else
			destroy(fd, &made[i]), made[i].bo = 0;
	}
	say("quota: %u textures of 4 MiB asked for, %u there", count, good);
	sleep(options.seconds);
	for (uint32_t i = 0; i < count && i < 1024; i++)
		still += made[i].bo && holds(fd, &made[i], i + 1, false);
	say("quota: %u of %u hold what they held", still, good);
}

static void usage(void)
{
	say("usage: mutate3d [-s SECONDS] [-r SEED] [-d FOLDER] [-m MIB] mutate|quota");
	exit(2);
}

int main(int argc, char **argv)
{
	int option;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((option = getopt(argc, argv, "s:r:d:m:")) != -1) {
		switch (option) {
		case 's':
			options.seconds = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			options.seed = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'd':
			options.folder = optarg;
			break;
		case 'm':
			options.mib = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		default:
			usage();
		}
	}
	if (optind + 1 != argc)
		usage();
	if (strcmp(argv[optind], "mutate") == 0)
		mode_mutate();
	else if (strcmp(argv[optind], "quota") == 0)
		mode_quota();
	else
		usage();
	return 0;
}
