/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest may expect of a BAR that is mapped: no exits, and exact ends when it moves.
 *
 * Two processors. The second writes through BAR0 without pause, the first moves BAR0, switches
 * its decoding off and on, and looks at what came to the video memory. What it may expect:
 *
 *   second processor        store n -> BAR0      store n -> RAM `noted`
 *   first processor         before = noted       configuration write       after = noted
 *
 * Both stores are ordered: BAR0 is mapped uncached (UC), and no store passes an uncached one or
 * is passed by it (SDM 3A 9.2.2 and 12.3, APM 2, 7.3.2). So whoever reads n from `noted` knows
 * that the stores up to n had left the processor for the memory, which is "retired": they must be
 * there. The store behind `noted` may be under way: up to `after` + 1 may be there, since that one
 * may have been made before the change and noted after it. Not one more: every later store begins
 * when the configuration write is complete. No fence is needed, because no load is involved
 * whose order to an older store matters; the port writes that change the BAR are themselves not
 * passed by anything.
 */
#include "tests/guest/bare/bare.h"

#define ONES	     0xffffffffu
#define WORDS	     64u	  /* of the ring, spread over the whole BAR */
#define CANARY_AT    0x2000000ull /* RAM behind image and heap, see layout.h */
#define CANARY_END   0x2400000ull
#define CANARY	     0xc0ffee0000000000ull
#define WAIT_SECONDS 20
#define SETTLE	     4 /* stores that are waited for where something must not happen */

static struct {
	/* The first processor's. */
	volatile u64 target __attribute__((aligned(64))); /* where the second one writes */
	volatile u64 phase;
	volatile bool stop;
	/* The second processor's. */
	volatile u64 noted __attribute__((aligned(64)));
	volatile u64 landed, lost, wrong;
	volatile u64 stopped;
} shared;

static u64 failures;
static u64 second; /* in ticks of the TSC */

static void fail(const char *what, u64 round, u64 is, u64 should)
{
	if (failures++ < 8)
		say("bars: round %lu: %s: %lx, not %lx", round, what, is, should);
}

/* No two words in one page, and not all at the same place of it. */
static u64 word_offset(u32 i)
{
	return i * (vbe.size / WORDS) + i * 60 % 4096;
}

static volatile u32 *word(u64 base, u32 i)
{
	return (volatile u32 *)(base + word_offset(i));
}

static void map_places(void)
{
	for (u32 p = 0; p < vbe.place_count; p++)
		for (u32 i = 0; i < WORDS; i++)
			map_device(vbe.place[p] + word_offset(i), 4);
}

static void fill_canaries(void)
{
	for (u64 at = CANARY_AT; at < CANARY_END; at += 8)
		*(volatile u64 *)at = CANARY | at;
}

static u64 spoilt_canaries(void)
{
	u64 spoilt = 0;

	for (u64 at = CANARY_AT; at < CANARY_END; at += 8)
		spoilt += *(volatile u64 *)at != (CANARY | at);
	return spoilt;
}

static u64 ticks_per_second(void)
{
	u32 leaf[4];

	cpuid(0x40000010, leaf);
	return (u64)leaf[0] * 1000;
}

/* False after a time that is long on any host. */
static bool wait_for(const volatile u64 *counter, u64 at_least)
{
	u64 start = rdtsc();

	while (*counter < at_least) {
		__asm__ volatile("pause");
		if (rdtsc() - start < WAIT_SECONDS * second)
			continue;
		say("bars: the second processor stands still at %lu", *counter);
		failures++;
		return false;
	}
	return true;
}

/* ---- barmove ---- */

static void ring_writer(void)
{
	for (u64 n = 1; !shared.stop; n++) {
		*word(shared.target, n % WORDS) = (u32)n;
		shared.noted = n;
	}
	shared.stopped = 1;
}

/*
 * What is known of the stores since the ring was last looked at: those from `sure` on had to
 * land, those before `maybe` could not, until `before`..`after` + 1 at the change.
 */
struct interval {
	u64 maybe, sure, before, after;
};

static u32 model[WORDS];

/* The ring, seen at `base`, holds just what landed in this interval and what was there. */
static void check_ring(u64 round, u64 base, const struct interval *in)
{
	u32 seen[WORDS];
	u64 last = 0;

	for (u32 i = 0; i < WORDS; i++) {
		seen[i] = *word(base, i);
		if (seen[i] > last && seen[i] != ONES)
			last = seen[i];
	}
	if (last < in->before)
		fail("a store that had retired is missing", round, last, in->before);
	if (last > in->after + 1)
		fail("a store came after the change", round, last, in->after + 1);
	for (u32 i = 0; i < WORDS; i++) {
		u64 newest = last - (last - i) % WORDS;

		if (seen[i] == newest && newest >= in->maybe)
			;
		else if (newest >= in->sure)
			fail("a word of the ring", round, seen[i], newest);
		else if (seen[i] != model[i])
			fail("an old word of the ring", round, seen[i], model[i]);
		model[i] = seen[i];
	}
}

static void check_nothing_is_at(u64 round, u64 base)
{
	for (u32 i = 0; i < WORDS; i += 9)
		if (*word(base, i) != ONES)
			fail("something answers where nothing is", round, *word(base, i), ONES);
}

/*
 * Where the display may not be: over RAM, over the table of configuration space, over the
 * interrupt controllers. It then decodes nothing, and what is there stays.
 */
static void move_where_it_must_not_be(u64 round)
{
	static const u64 places[] = { CANARY_AT, 0xe0000000ull, 0xfec00000ull };

	vbe_move(places[random() % 3] & ~(vbe.size - 1));
	for (u64 at = CANARY_AT; at < CANARY_END; at += (CANARY_END - CANARY_AT) / 8) {
		if (*(volatile u64 *)at != (CANARY | at))
			fail("RAM is hidden", round, *(volatile u64 *)at, CANARY | at);
		*(volatile u64 *)at = CANARY | at;
	}
}

/* Off and on at the same place, while the stores go on; the ring is overwritten afterwards. */
static void blink(struct interval *in)
{
	for (u32 i = random() % 3; i < 3; i++) {
		vbe_decode(false);
		vbe_decode(true);
		in->sure = shared.noted + 2 * WORDS;
	}
	for (u32 i = 0; i < WORDS; i++)
		model[i] = 0;
}

/*
 * One change that takes BAR0 away from where the second processor writes, and brings it to
 * `to`. Whichever of four ways it goes, the ring is looked at from there.
 */
static void take_away(u64 round, u64 from, u64 to, struct interval *in)
{
	u32 way = random() % 4;

	in->before = shared.noted;
	if (way == 0)
		vbe_move(to);
	else if (way == 1)
		move_where_it_must_not_be(round);
	else
		vbe_decode(false);
	in->after = shared.noted;
	check_nothing_is_at(round, from);
	if (way == 3) { /* stores into nothing for a while */
		wait_for(&shared.noted, in->after + SETTLE);
		check_nothing_is_at(round, to);
	}
	if (way)
		vbe_move(to);
	if (way > 1)
		vbe_decode(true);
}

static bool move_once(u64 round, struct interval *in)
{
	u64 from = shared.target, to = from;

	if (random() % 4 == 0)
		blink(in);
	if (!wait_for(&shared.noted, in->sure + random() % (2 * WORDS)))
		return false;
	while (to == from)
		to = vbe.place[random() % vbe.place_count];
	take_away(round, from, to, in);
	check_ring(round, to, in);
	wait_for(&shared.noted, shared.noted + SETTLE);
	for (u32 i = 0; i < WORDS; i++)
		if (*word(to, i) != model[i])
			fail("a store reached the old place", round, *word(to, i), model[i]);
	check_nothing_is_at(round, from);
	in->maybe = shared.noted + 1;
	shared.target = to;
	in->sure = shared.noted + 2; /* the store under way may still go to the old place */
	return true;
}

static bool begin(void (*run)(void))
{
	__asm__ volatile("sti"); /* as on the second processor */
	second = ticks_per_second();
	if (!vbe_init())
		return false;
	map_places();
	fill_canaries();
	for (u32 i = 0; i < WORDS; i++)
		*word(vbe.memory, i) = 0;
	shared.target = vbe.memory;
	return second_start(run) && wait_for(&shared.noted, 1);
}

static void end(const char *name, u64 rounds)
{
	u64 spoilt;

	shared.stop = true;
	wait_for(&shared.stopped, 1);
	spoilt = spoilt_canaries();
	if (spoilt)
		fail("words of RAM are spoilt", rounds, spoilt, 0);
	say("%s: %lu rounds, %lu changes, %lu stores, %lu failures", name, rounds, vbe.changes,
	    shared.noted, failures);
}

/* facet.rounds=N changes (3000) in at most facet.seconds=N (40). */
static void barmove(void)
{
	u64 rounds = option_number("rounds", 3000), round = 0;
	u64 limit = option_number("seconds", 40), start = rdtsc();
	struct interval in = { .maybe = 1, .sure = 2 * WORDS };

	if (!begin(ring_writer))
		return;
	while (round < rounds && rdtsc() - start < limit * second && move_once(round, &in))
		round++;
	end("barmove", round);
}

/* ---- remap ---- */

enum {
	MAPPED,
	UNMAPPING,
	UNMAPPED,
	MAPPING,
	PHASES
};

/*
 * One word, written and read back. While nothing changes from before the store until after the
 * load, the load tells for certain. UC accesses are made in program order, and no load of
 * RAM passes an older load: `phase` is read before and after both. With BAR0 mapped none
 * of it leaves the guest.
 */
static void word_writer(void)
{
	volatile u32 *at = (volatile u32 *)shared.target;

	for (u64 n = 1; !shared.stop; n++) {
		u64 before = shared.phase, after;
		u32 got;

		*at = (u32)n;
		got = *at;
		after = shared.phase;
		shared.noted = n;
		if (before != after)
			continue;
		if (before % PHASES == MAPPED) {
			shared.landed++;
			shared.wrong += got != (u32)n;
		} else if (before % PHASES == UNMAPPED) {
			shared.lost++;
			shared.wrong += got != ONES;
		}
	}
	shared.stopped = 1;
}

static bool remap_once(u64 round, u64 *took)
{
	u64 before, after, start;
	u32 last;

	if (!wait_for(&shared.landed, shared.landed + 20 + random() % 200))
		return false;
	shared.phase++;
	before = shared.noted;
	start = rdtsc();
	vbe_decode(false);
	*took = rdtsc() - start;
	after = shared.noted;
	shared.phase++;
	if (!wait_for(&shared.lost, shared.lost + 1))
		return false;
	vbe_move(vbe.place[1]); /* where the second processor does not write */
	vbe_decode(true);
	last = *(volatile u32 *)vbe.place[1];
	if (last < before)
		fail("a store that had retired is missing", round, last, before);
	if (last > after + 1)
		fail("a store came after the unmapping", round, last, after + 1);
	if (!wait_for(&shared.lost, shared.lost + 1))
		return false;
	vbe_decode(false);
	vbe_move(vbe.place[0]);
	shared.phase++;
	vbe_decode(true);
	shared.phase++;
	return true;
}

/*
 * facet.rounds=N changes (1000) in at most facet.seconds=N (40). Without a kick an unmapping takes
 * until the other processor happens to be interrupted, which is some milliseconds.
 */
static void remap(void)
{
	u64 rounds = option_number("rounds", 1000), round = 0, quick = 0, took = 0;
	u64 limit = option_number("seconds", 40), start = rdtsc();

	if (!begin(word_writer))
		return;
	while (round < rounds && rdtsc() - start < limit * second && remap_once(round, &took)) {
		quick += took < second / 1000;
		round++;
	}
	if (shared.wrong)
		fail("loads that gave what they must not", round, shared.wrong, 0);
	say("remap: %lu landed, %lu lost, %lu of %lu unmappings within 1 ms", shared.landed,
	    shared.lost, quick, round);
	end("remap", round);
}

/* ---- noexit ---- */

/*
 * facet.words=N words are written and read (1000000), then facet.trapped=N registers (1000): the
 * host's counters tell which of them left the guest.
 */
static void noexit(void)
{
	u64 words = option_number("words", 1000000), trapped = option_number("trapped", 1000);
	u64 wrong = 0, in_bar;

	if (!vbe_init())
		return;
	in_bar = vbe.size / 4 < 65536 ? vbe.size / 4 : 65536;
	map_device(vbe.memory, in_bar * 4);
	for (u64 done = 0; done < words; done += in_bar) {
		u64 count = words - done < in_bar ? words - done : in_bar;
		volatile u32 *at = (volatile u32 *)vbe.memory;

		for (u64 i = 0; i < count; i++)
			at[i] = (u32)((done + i) * 2654435761u);
		for (u64 i = 0; i < count; i++)
			wrong += at[i] != (u32)((done + i) * 2654435761u);
	}
	for (u64 i = 0; i < trapped; i++)
		wrong += *(volatile u16 *)(vbe.registers + 0x500) != 0xb0c5;
	say("noexit: %lu words and %lu registers, %lu wrong", words, trapped, wrong);
}

/* ---- watch ---- */

/* The neighbour: fills its video memory and some RAM, and looks for ever whether it stays. A line a
 * second. */
static void watch(void)
{
	volatile u64 *memory;
	u64 words, pass = 0, told = 0;

	if (!vbe_init())
		return;
	second = ticks_per_second();
	memory = (volatile u64 *)vbe.memory;
	words = vbe.size / 8;
	map_device(vbe.memory, vbe.size);
	for (u64 i = 0; i < words; i++)
		memory[i] = CANARY | i;
	fill_canaries();
	say("watch: %lu words are filled", words);
	for (;;) {
		u64 spoilt = spoilt_canaries();

		for (u64 i = 0; i < words; i++)
			spoilt += memory[i] != (CANARY | i);
		pass++;
		if (!spoilt && rdtsc() - told < second)
			continue;
		told = rdtsc();
		say("watch: pass %lu, %lu spoilt", pass, spoilt);
	}
}

bool bars_run(const char *what)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{ "barmove", barmove }, { "remap", remap },	{ "noexit", noexit },
		{ "watch", watch },	{ "dispi", dispi_run },
	};

	for (u32 i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (!same(what, tests[i].name))
			continue;
		tests[i].run();
		return true;
	}
	return false;
}
