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
// SOURCES: tests/guest/replay3d.c tests/guest/drm3d.c tests/guest/say3d.c
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/guest/replay3d.h"
#include "tests/guest/say3d.h"

#define STREAM_MOST   66560 /* dwords that Facet takes */
#define STREAM_DWORDS (4 * STREAM_MOST)

const char program_name[] = "mutate3d";

static struct {
	uint32_t seconds, seed, mib;
	const char *folder;
} options = { .seed = 1, .mib = 256, .folder = "/streams" };

static uint64_t now_ms(void)
{
	return now_ns() / 1000000;
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

static uint32_t first_of_any_program(void)
{
	uint32_t at = chance(stream_count);

	while (at && same_program(at, at - 1))
		at--;
	return at;
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

	load_streams(options.folder);
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
