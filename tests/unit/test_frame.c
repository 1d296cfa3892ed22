// SPDX-License-Identifier: Apache-2.0
// SOURCES: core/frame.c core/lib/string.c
/* Rules of physical memory: what the hand-over record gives, the pool, chunks, DMA users. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/frame.h"
#include "core/frame_init.h"
#include "core/gmem.h"
#include "core/lib/string.h"
#include "core/log.h"

/*
 * The pool is used one to one, so the range in which it will be placed is
 * mapped in this process at the same address. No other memory is touched.
 */
#define POOL_AREA      0x20000000ULL
#define POOL_AREA_SIZE MIB(48)
#define POOL_SIZE      MIB(16) /* the least that frame_init takes */
#define PANICKED       42

void panic(const char *fmt, ...)
{
	(void)fmt;
	_exit(PANICKED);
}

static struct handover record;

static void add_range(u64 base, u64 size, enum handover_memory_kind kind)
{
	record.memory[record.memory_count++] = (struct handover_memory){ base, size, kind };
}

static void add_file(u64 base, u64 size)
{
	record.files[record.file_count++] = (struct handover_file){ .base = base, .size = size };
}

/* A machine of 128 MiB with the usual holes. */
static void describe_machine(void)
{
	record = (struct handover){ .image_base = MIB(7), .image_size = KIB(300) };
	add_range(0, KIB(636), HANDOVER_FREE);
	add_range(KIB(636), KIB(4), HANDOVER_RESERVED);
	add_range(MIB(1), MIB(7), HANDOVER_LOADER);   /* the image among it */
	add_range(MIB(8), MIB(7), HANDOVER_FREE);     /* joins the next: a chunk spans both */
	add_range(MIB(15), MIB(17), HANDOVER_LOADER); /* and the file */
	add_file(MIB(18) + KIB(4), MIB(3));
	add_range(MIB(32), MIB(2), HANDOVER_ACPI);
	add_range(POOL_AREA + KIB(64), MIB(47), HANDOVER_FREE);
	add_range(GIB(4), MIB(32), HANDOVER_FREE);
}

/* frames.c keeps its state for the life of a process, so each rule has a child of its own. */
static void in_child(void (*rule)(void), int expected)
{
	pid_t child = fork();
	int status;

	if (!child) {
		rule();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), expected);
}

#define check(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			_exit(1); \
		} \
	} while (0)

static void start(void)
{
	describe_machine();
	check(mmap((void *)POOL_AREA, POOL_AREA_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == (void *)POOL_AREA);
	check(frame_init(&record) == OK);
}

static struct frame_stats stats(void)
{
	struct frame_stats now;

	frame_get_stats(&now);
	return now;
}

#define RULE(name) \
	static void name##_rule(void); \
	static void name(void **state) \
	{ \
		(void)state; \
		in_child(name##_rule, 0); \
	} \
	static void name##_rule(void)

#define BROKEN_INVARIANT(name) \
	static void name##_rule(void); \
	static void name(void **state) \
	{ \
		(void)state; \
		in_child(name##_rule, PANICKED); \
	} \
	static void name##_rule(void)

/* ---- start ---- */

RULE(the_pool_lies_in_the_largest_free_range_below_4_gib)
{
	start();
	check(frame_pool_base().raw == POOL_AREA + MIB(2)); /* aligned up */
	check(frame_pool_size() == POOL_SIZE);
	check(stats().pool_bytes == POOL_SIZE);
}

RULE(without_room_for_the_pool_the_start_fails)
{
	record = (struct handover){ .memory_count = 0 };
	add_range(MIB(1), MIB(12), HANDOVER_FREE);
	add_range(MIB(16), MIB(64), HANDOVER_LOADER); /* we may stand on it */
	add_range(GIB(4), GIB(1), HANDOVER_FREE);     /* too high */
	check(frame_init(&record) == ERR_NO_MEMORY);
}

RULE(an_empty_record_fails_too)
{
	record = (struct handover){ .memory_count = 0 };
	check(frame_init(&record) == ERR_NO_MEMORY);
}

RULE(the_low_page_is_free_and_never_page_0)
{
	start();
	check(frame_low_page().raw >= PAGE_SIZE);
	check(frame_low_page().raw < KIB(636));
	check(!(frame_low_page().raw & PAGE_MASK));
}

static bool is_given(const u64 *chunks, u32 count, u64 base)
{
	for (u32 i = 0; i < count; i++)
		if (chunks[i] == base)
			return true;
	return false;
}

RULE(guests_get_each_free_chunk_once_and_no_other)
{
	u64 chunks[128];
	u32 count = 0;
	hpa_t chunk;

	start();
	for (; (chunk = frame_alloc_chunk(1)).raw; count++) {
		check(count < ARRAY_SIZE(chunks));
		check(IS_ALIGNED(chunk.raw, GMEM_CHUNK_SIZE));
		check(!is_given(chunks, count, chunk.raw));
		chunks[count] = chunk.raw;
	}
	check(stats().guest_bytes == (u64)count << GMEM_CHUNK_SHIFT);
	check(stats().guest_free_bytes == 0);
	check(!is_given(chunks, count, 0));
	check(is_given(chunks, count, MIB(2)));
	check(!is_given(chunks, count, MIB(6))); /* the image */
	check(is_given(chunks, count, MIB(14))); /* spans two ranges of the record */
	check(is_given(chunks, count, MIB(16)));
	check(!is_given(chunks, count, MIB(18))); /* the file's first page */
	check(!is_given(chunks, count, MIB(20))); /* and its last */
	check(is_given(chunks, count, MIB(22)));
	check(is_given(chunks, count, MIB(30)));
	check(!is_given(chunks, count, MIB(32)));   /* ACPI tables */
	check(!is_given(chunks, count, POOL_AREA)); /* begins before the range */
	check(!is_given(chunks, count, POOL_AREA + MIB(2)));
	check(!is_given(chunks, count, POOL_AREA + POOL_SIZE)); /* the pool's end */
	check(is_given(chunks, count, POOL_AREA + MIB(2) + POOL_SIZE));
	check(!is_given(chunks, count, POOL_AREA + MIB(46) + MIB(2)));
	check(is_given(chunks, count, GIB(4)));
	check(is_given(chunks, count, GIB(4) + MIB(30)));
}

/* ---- the pool ---- */

RULE(frames_are_distinct_and_zeroed)
{
	hpa_t a, b;

	start();
	memset((void *)(POOL_AREA + MIB(10)), 0xee, MIB(6));
	a = frame_alloc();
	b = frame_alloc();
	check(a.raw && b.raw && a.raw != b.raw);
	memset(frame_ptr(a), 0xff, PAGE_SIZE);
	frame_free(a);
	for (u32 i = 0; i < POOL_SIZE / PAGE_SIZE / 2; i++) {
		hpa_t frame = frame_alloc();
		const u8 *bytes = frame_ptr(frame);

		check(frame.raw != b.raw);
		for (u32 j = 0; j < PAGE_SIZE; j++)
			check(!bytes[j]);
	}
}

RULE(the_empty_pool_says_so_and_recovers)
{
	u64 used;
	u32 count = 0;
	hpa_t frame, last = HPA(0);

	start();
	used = stats().pool_used_bytes;
	check(used > 0 && used < MIB(1)); /* its own tables */
	for (; (frame = frame_alloc()).raw; count++) {
		check(frame.raw >= frame_pool_base().raw);
		check(frame.raw < frame_pool_base().raw + POOL_SIZE);
		last = frame;
	}
	check(count == (POOL_SIZE - used) / PAGE_SIZE);
	check(stats().pool_used_bytes == POOL_SIZE);
	check(!frame_alloc_contiguous(1).raw);
	frame_free(last);
	check(frame_alloc().raw == last.raw);
	check(!frame_alloc().raw);
}

RULE(a_run_fits_between_used_frames)
{
	hpa_t run, single[8];

	start();
	for (u32 i = 0; i < ARRAY_SIZE(single); i++)
		single[i] = frame_alloc();
	for (u32 i = 1; i < ARRAY_SIZE(single); i++)
		check(single[i].raw == single[i - 1].raw + PAGE_SIZE);
	frame_free(single[2]);
	frame_free(single[3]);
	frame_free(single[4]);
	run = frame_alloc_contiguous(4); /* three are no place for four */
	check(run.raw == single[7].raw + PAGE_SIZE);
	check(frame_alloc_contiguous(3).raw == single[2].raw);
	frame_free_contiguous(run, 4);
	check(frame_alloc().raw == run.raw);
}

RULE(a_run_longer_than_the_pool_is_refused)
{
	start();
	check(!frame_alloc_contiguous(POOL_SIZE / PAGE_SIZE).raw);
	check(frame_alloc_contiguous(POOL_SIZE / PAGE_SIZE / 2).raw);
	check(!frame_alloc_contiguous(POOL_SIZE / PAGE_SIZE / 2).raw);
}

RULE(pointers_and_frames_correspond_after_a_move)
{
	hpa_t frame;
	u8 *mapping;

	start();
	frame = frame_alloc();
	memcpy(frame_ptr(frame), "kept", 4);
	mapping = mmap(NULL, POOL_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(mapping, (void *)frame_pool_base().raw, POOL_SIZE);
	munmap((void *)POOL_AREA, POOL_AREA_SIZE);
	frame_pool_moved(mapping);
	check((u8 *)frame_ptr(frame) == mapping + (frame.raw - frame_pool_base().raw));
	check(!memcmp(frame_ptr(frame), "kept", 4));
	check(frame_of((u8 *)frame_ptr(frame) + 5).raw == frame.raw + 5);
	check(frame_alloc().raw == frame.raw + PAGE_SIZE);
	check(frame_alloc_chunk(1).raw);
}

BROKEN_INVARIANT(a_frame_freed_twice_stops_the_machine)
{
	hpa_t frame;

	start();
	frame = frame_alloc();
	frame_free(frame);
	frame_free(frame);
}

BROKEN_INVARIANT(a_frame_outside_the_pool_has_no_pointer)
{
	start();
	(void)frame_ptr(HPA(frame_pool_base().raw + POOL_SIZE));
}

/* ---- chunks ---- */

RULE(a_chunk_returns_to_the_free_ones)
{
	u64 before;
	hpa_t chunk;

	start();
	before = stats().guest_free_bytes;
	chunk = frame_alloc_chunk(2);
	check(stats().guest_free_bytes == before - GMEM_CHUNK_SIZE);
	frame_free_chunk(chunk);
	check(stats().guest_free_bytes == before);
	check(frame_alloc_chunk(3).raw == chunk.raw);
}

RULE(a_chunk_that_a_device_maps_stays_taken)
{
	u64 before;
	hpa_t chunk;

	start();
	before = stats().guest_free_bytes;
	chunk = frame_alloc_chunk(2);
	frame_dma_get(HPA(chunk.raw + PAGE_SIZE), PAGE_SIZE);
	frame_dma_get(chunk, GMEM_CHUNK_SIZE);
	frame_free_chunk(chunk);
	check(stats().guest_free_bytes == before - GMEM_CHUNK_SIZE);
	check(frame_alloc_chunk(3).raw != chunk.raw);
	frame_dma_put(HPA(chunk.raw + PAGE_SIZE), PAGE_SIZE);
	check(frame_alloc_chunk(3).raw != chunk.raw);
	frame_dma_put(chunk, GMEM_CHUNK_SIZE);
	check(frame_alloc_chunk(3).raw == chunk.raw);
}

RULE(a_device_mapping_counts_in_each_chunk_it_touches)
{
	hpa_t first, second;

	start();
	first = frame_alloc_chunk(2);
	second = frame_alloc_chunk(2);
	check(second.raw == first.raw + GMEM_CHUNK_SIZE);
	frame_dma_get(HPA(second.raw - PAGE_SIZE), 2 * PAGE_SIZE);
	frame_free_chunk(second);
	frame_free_chunk(first);
	check(frame_alloc_chunk(3).raw > second.raw);
	frame_dma_put(HPA(second.raw - PAGE_SIZE), 2 * PAGE_SIZE);
	check(frame_alloc_chunk(3).raw == first.raw);
	check(frame_alloc_chunk(3).raw == second.raw);
}

RULE(a_mapping_that_ends_leaves_a_guest_its_chunk)
{
	hpa_t chunk;

	start();
	chunk = frame_alloc_chunk(2);
	frame_dma_get(chunk, PAGE_SIZE);
	frame_dma_put(chunk, PAGE_SIZE);
	check(frame_alloc_chunk(3).raw != chunk.raw);
}

BROKEN_INVARIANT(a_free_chunk_is_not_freed)
{
	hpa_t chunk;

	start();
	chunk = frame_alloc_chunk(2);
	frame_free_chunk(chunk);
	frame_free_chunk(chunk);
}

BROKEN_INVARIANT(firmware_memory_is_not_freed)
{
	start();
	frame_free_chunk(HPA(MIB(32)));
}

BROKEN_INVARIANT(more_mappings_end_than_began)
{
	hpa_t chunk;

	start();
	chunk = frame_alloc_chunk(2);
	frame_dma_put(chunk, PAGE_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pool_lies_in_the_largest_free_range_below_4_gib),
		cmocka_unit_test(without_room_for_the_pool_the_start_fails),
		cmocka_unit_test(an_empty_record_fails_too),
		cmocka_unit_test(the_low_page_is_free_and_never_page_0),
		cmocka_unit_test(guests_get_each_free_chunk_once_and_no_other),
		cmocka_unit_test(frames_are_distinct_and_zeroed),
		cmocka_unit_test(the_empty_pool_says_so_and_recovers),
		cmocka_unit_test(a_run_fits_between_used_frames),
		cmocka_unit_test(a_run_longer_than_the_pool_is_refused),
		cmocka_unit_test(pointers_and_frames_correspond_after_a_move),
		cmocka_unit_test(a_frame_freed_twice_stops_the_machine),
		cmocka_unit_test(a_frame_outside_the_pool_has_no_pointer),
		cmocka_unit_test(a_chunk_returns_to_the_free_ones),
		cmocka_unit_test(a_chunk_that_a_device_maps_stays_taken),
		cmocka_unit_test(a_device_mapping_counts_in_each_chunk_it_touches),
		cmocka_unit_test(a_mapping_that_ends_leaves_a_guest_its_chunk),
		cmocka_unit_test(a_free_chunk_is_not_freed),
		cmocka_unit_test(firmware_memory_is_not_freed),
		cmocka_unit_test(more_mappings_end_than_began),
	};

	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
