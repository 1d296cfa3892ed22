/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that has a device do DMA wherever the console says, and the neighbour that looks
 * whether anything came. Lines that it takes, with numbers in hexadecimal:
 *
 *   test               the device at work, with this guest's own memory
 *   write ADDRESS      nearly a page of the letter E there
 *   read ADDRESS       as much from there, and what came
 *   message ADDRESS N  four bytes, as an interrupt's message is written
 *   fault ADDRESS      begin a write and end by a triple fault
 *   reset ADDRESS      begin a write and restart
 */
#include "tests/guest/bare/bare.h"

#define WORDS	   512 /* of a page */
#define LETTERS	   0x45
#define MARK_STEP  0x9e3779b97f4a7c15ull
#define TELL_TICKS 6000000000ull /* of the TSC: some seconds */
#define RESET_PORT 0xcf9
#define RESET_NOW  6

static u64 *mark, *letters, *landing;

/* A page that the host can find in all of the machine's memory: by the guest's name. */
static u64 mark_word(u64 index)
{
	u64 name = 0;

	memcpy(&name, guest_name, 8);
	return name ^ MARK_STEP * (index + 1);
}

static void make_mark(void)
{
	mark = pages(1);
	for (u64 i = 0; i < WORDS; i++)
		mark[i] = mark_word(i);
}

static u64 spoilt_words(void)
{
	u64 spoilt = 0;

	for (u64 i = 0; i < WORDS; i++)
		spoilt += ((volatile u64 *)mark)[i] != mark_word(i);
	return spoilt;
}

/* Its rings, if it has a GPU, come behind the mark. */
static void neighbour(void)
{
	u64 pass = 0, told;

	make_mark();
	if (gpu_init() && gpu_create(1, 64, 64) == GPU_OK_NODATA)
		say("mark: rings at %lx", (u64)gpu_descriptors());
	say("mark: page at %lx", (u64)mark);
	for (told = 0;; pass++) {
		if (rdtsc() - told < TELL_TICKS)
			continue;
		told = rdtsc();
		say("mark: pass %lu, %lu spoilt", pass, spoilt_words());
	}
}

static void test(void)
{
	u64 wrong = 0;

	memset(landing, 0, EDU_BYTES);
	if (!edu_check() || !edu_fetch((u64)mark, EDU_BYTES) || !edu_store((u64)landing, EDU_BYTES))
		return;
	for (u64 i = 0; i < EDU_BYTES / 8; i++)
		wrong += ((volatile u64 *)landing)[i] != mark_word(i);
	say("edu: works, %lu words wrong", wrong);
}

static void read(u64 address)
{
	u64 sum = 0;

	/* What was in its buffer must not be taken for what came. */
	memset(landing, 0, EDU_BYTES);
	if (!edu_fetch((u64)landing, EDU_BYTES) || !edu_fetch(address, EDU_BYTES) ||
	    !edu_store((u64)landing, EDU_BYTES))
		return;
	for (u64 i = 0; i < EDU_BYTES / 8; i++)
		sum += ((volatile u64 *)landing)[i];
	say("edu: read %lx, first %lx sum %lx", address, *(volatile u64 *)landing, sum);
}

static void message(u64 address, u64 data)
{
	*(volatile u32 *)landing = (u32)data;
	if (edu_fetch((u64)landing, 4) && edu_store(address, 4))
		say("edu: sent %lx to %lx, %u interrupts", data, address, edu_interrupts());
}

/* An edu that comes and goes. Its DMA, which takes longer than all else, each tenth time. */
static void plugged(void)
{
	say("edu: waiting for one");
	for (u64 times = 1;; times++) {
		while (!edu_is_there())
			__asm__ volatile("pause");
		if (!edu_init())
			return;
		if (times % 10 == 1)
			test();
		say("edu: plugged in %lu, %s", times, edu_check() ? "works" : "does not work");
		while (edu_is_there())
			__asm__ volatile("pause");
		say("edu: pulled out %lu", times);
	}
}

static void triple_fault(void)
{
	struct __attribute__((packed)) {
		u16 limit;
		u64 base;
	} none = { 0, 0 };

	__asm__ volatile("lidt %0; int3" : : "m"(none));
}

static u64 hexadecimal(const char **text)
{
	u64 value = 0;

	while (**text == ' ')
		++*text;
	for (;; ++*text) {
		char c = **text;

		if (c >= '0' && c <= '9')
			value = value << 4 | (u64)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (u64)(c - 'a' + 10);
		else
			return value;
	}
}

static void obey(char *line)
{
	const char *rest = line;
	u64 address, data;

	while (*rest && *rest != ' ')
		rest++;
	if (*rest)
		line[rest++ - line] = 0;
	address = hexadecimal(&rest);
	data = hexadecimal(&rest);
	if (same(line, "test")) {
		test();
	} else if (same(line, "write")) {
		if (edu_fetch((u64)letters, EDU_BYTES) && edu_store(address, EDU_BYTES))
			say("edu: wrote %lx", address);
	} else if (same(line, "read")) {
		read(address);
	} else if (same(line, "message")) {
		message(address, data);
	} else if (same(line, "fault") && edu_fetch((u64)letters, EDU_BYTES)) {
		edu_store_begin(address, EDU_BYTES);
		triple_fault();
	} else if (same(line, "reset") && edu_fetch((u64)letters, EDU_BYTES)) {
		edu_store_begin(address, EDU_BYTES);
		outb(RESET_PORT, RESET_NOW);
	}
}

static void operated(void)
{
	char line[64];

	if (!edu_init())
		return;
	test();
	say("edu: ready, page at %lx", (u64)mark);
	for (;;) {
		read_line(line, sizeof(line));
		obey(line);
	}
}

bool dma_run(const char *what)
{
	if (same(what, "mark")) {
		neighbour();
		return true;
	}
	if (!same(what, "edu") && !same(what, "plug"))
		return false;
	make_mark();
	letters = pages(1);
	landing = pages(1);
	memset(letters, LETTERS, EDU_BYTES);
	if (same(what, "edu"))
		operated();
	else
		plugged();
	return true;
}
