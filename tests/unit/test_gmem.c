// SPDX-License-Identifier: Apache-2.0
// SOURCES: core/gmem.c core/lib/string.c
/* Rules of the door to guest memory: only RAM of this VM, over pages, chunks and the PCI hole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/frame.h"
#include "core/gmem.h"
#include "core/lib/string.h"
#include "core/window.h"

/*
 * Host memory as the fakes know it: chunk number n (from 1) lies at n * 2 MiB.
 * Chunks are handed out downwards, so that neighbours in the guest are not
 * neighbours in the host. A chunk gets bytes only when a window opens on it.
 */
#define CHUNKS 2048
#define OWNER  3

static u8 *bytes[CHUNKS];
static u16 owners[CHUNKS];
static u32 chunks_left, chunks_freed;
static void *array;
static u32 array_pages;

hpa_t frame_alloc_contiguous(u32 pages)
{
	assert_null(array);
	array = calloc(pages, PAGE_SIZE);
	array_pages = pages;
	return HPA((u64)array);
}

void frame_free_contiguous(hpa_t frame, u32 pages)
{
	assert_ptr_equal((void *)frame.raw, array);
	assert_int_equal(pages, array_pages);
	free(array);
	array = NULL;
}

void *frame_ptr(hpa_t frame)
{
	return (void *)frame.raw;
}

hpa_t frame_alloc_chunk(u16 owner)
{
	if (!chunks_left)
		return HPA(0);
	owners[chunks_left - 1] = owner;
	return HPA((u64)chunks_left-- << GMEM_CHUNK_SHIFT);
}

void frame_free_chunk(hpa_t chunk)
{
	assert_int_equal(owners[(chunk.raw >> GMEM_CHUNK_SHIFT) - 1], OWNER);
	owners[(chunk.raw >> GMEM_CHUNK_SHIFT) - 1] = 0;
	chunks_freed++;
}

void *vmap_window(unsigned int slot, hpa_t hpa)
{
	u64 chunk = (hpa.raw >> GMEM_CHUNK_SHIFT) - 1;

	assert_in_range(slot, 0, VMAP_WINDOWS - 1);
	assert_in_range(chunk, 0, CHUNKS - 1);
	assert_int_equal(owners[chunk], OWNER);
	if (!bytes[chunk])
		bytes[chunk] = calloc(1, GMEM_CHUNK_SIZE);
	return bytes[chunk] + (hpa.raw & (GMEM_CHUNK_SIZE - 1));
}

static struct gmem mem;

static int start(void **state)
{
	(void)state;
	chunks_left = CHUNKS;
	chunks_freed = 0;
	return 0;
}

static int stop(void **state)
{
	(void)state;
	gmem_destroy(&mem);
	for (u32 i = 0; i < CHUNKS; i++) {
		free(bytes[i]);
		bytes[i] = NULL;
	}
	return array ? -1 : 0;
}

static void create(u64 size)
{
	assert_int_equal(gmem_create(&mem, size, OWNER), OK);
	assert_int_equal(mem.size, size);
}

static void memory_is_whole_chunks(void **state)
{
	(void)state;
	assert_int_equal(gmem_create(&mem, 0, OWNER), ERR_INVALID);
	assert_int_equal(gmem_create(&mem, GMEM_CHUNK_SIZE - 1, OWNER), ERR_INVALID);
	assert_int_equal(gmem_create(&mem, GMEM_CHUNK_SIZE + PAGE_SIZE, OWNER), ERR_INVALID);
	assert_null(array);
}

static void what_was_taken_is_given_back(void **state)
{
	(void)state;
	create(MIB(64));
	assert_int_equal(chunks_left, CHUNKS - 32);
	gmem_destroy(&mem);
	assert_int_equal(chunks_freed, 32);
	gmem_destroy(&mem);
	assert_int_equal(chunks_freed, 32);
}

static void too_little_memory_leaves_nothing_taken(void **state)
{
	(void)state;
	chunks_left = 7;
	assert_int_equal(gmem_create(&mem, MIB(16), OWNER), ERR_NO_MEMORY);
	assert_int_equal(chunks_freed, 7);
	assert_null(array);
	assert_null(mem.chunks);
}

/* Write a pattern, read it back, and leave the bytes around it alone. */
static void round_trip(u64 gpa, size_t size)
{
	u8 *pattern = malloc(size);
	u8 *back = malloc(size + 2);

	for (size_t i = 0; i < size; i++)
		pattern[i] = (u8)(i * 7 + gpa + 1);
	assert_int_equal(gmem_write(&mem, GPA(gpa), pattern, size), OK);
	assert_int_equal(gmem_read(&mem, GPA(gpa - 1), back, size + 2), OK);
	assert_int_equal(back[0], 0);
	assert_memory_equal(back + 1, pattern, size);
	assert_int_equal(back[size + 1], 0);
	memset(pattern, 0, size);
	assert_int_equal(gmem_write(&mem, GPA(gpa), pattern, size), OK);
	free(pattern);
	free(back);
}

static void copies_cross_pages_and_chunks(void **state)
{
	static const size_t sizes[] = { 1, 2, 4, 7, 8, 9, 511, 4096, 4097, 10000 };

	(void)state;
	create(MIB(8));
	for (u32 i = 0; i < ARRAY_SIZE(sizes); i++) {
		round_trip(0x1000, sizes[i]);
		round_trip(0x1ffd, sizes[i]);
		round_trip(GMEM_CHUNK_SIZE - 3, sizes[i]);
		round_trip(2 * GMEM_CHUNK_SIZE - 8, sizes[i]);
	}
	round_trip(GMEM_CHUNK_SIZE - 100, GMEM_CHUNK_SIZE + 200);
}

static void eight_bytes_at_any_alignment(void **state)
{
	(void)state;
	create(MIB(4));
	for (u64 i = 0; i < 16; i++)
		round_trip(0x2000 + i, 8);
}

static void beyond_the_end_is_a_fault(void **state)
{
	u8 two[2] = { 0xaa, 0xbb };

	(void)state;
	create(MIB(4));
	assert_int_equal(gmem_write(&mem, GPA(MIB(4) - 1), two, 1), OK);
	assert_int_equal(gmem_write(&mem, GPA(MIB(4) - 1), two, 2), ERR_FAULT);
	assert_int_equal(gmem_read(&mem, GPA(MIB(4)), two, 1), ERR_FAULT);
	assert_int_equal(gmem_read(&mem, GPA(GIB(4)), two, 1), ERR_FAULT);
	assert_int_equal(gmem_read(&mem, GPA(~0ULL), two, 1), ERR_FAULT);
	assert_int_equal(gmem_read(&mem, GPA(~0ULL), two, 2), ERR_FAULT);
	assert_int_equal(gmem_write(&mem, GPA(1ULL << 63), two, 2), ERR_FAULT);
	assert_int_equal(gmem_read(&mem, GPA(MIB(4)), two, 0), OK);
}

static void the_hole_holds_no_memory(void **state)
{
	u32 value = 0x12345678, back = 0;
	hpa_t below, above;

	(void)state;
	create(GMEM_HOLE_START + MIB(4));
	assert_int_equal(gmem_read(&mem, GPA(GMEM_HOLE_START), &back, 4), ERR_FAULT);
	assert_int_equal(gmem_read(&mem, GPA(GMEM_HOLE_START - 2), &back, 4), ERR_FAULT);
	assert_int_equal(gmem_read(&mem, GPA(GMEM_HOLE_END - 1), &back, 1), ERR_FAULT);
	assert_int_equal(gmem_read(&mem, GPA(0xfee00000), &back, 4), ERR_FAULT);
	assert_int_equal(gmem_write(&mem, GPA(GMEM_HOLE_END), &value, 4), OK);
	assert_int_equal(gmem_read(&mem, GPA(GMEM_HOLE_END), &back, 4), OK);
	assert_int_equal(back, value);
	assert_int_equal(gmem_read(&mem, GPA(GMEM_HOLE_END + MIB(4) - 4), &back, 4), OK);
	assert_int_equal(gmem_read(&mem, GPA(GMEM_HOLE_END + MIB(4) - 3), &back, 4), ERR_FAULT);
	assert_int_equal(gmem_translate(&mem, GPA(GMEM_HOLE_START - 1), 1, &below), OK);
	assert_int_equal(gmem_translate(&mem, GPA(GMEM_HOLE_END), 1, &above), OK);
	assert_int_equal(below.raw >> GMEM_CHUNK_SHIFT, (above.raw >> GMEM_CHUNK_SHIFT) + 1);
}

static void a_quadword_is_read_from_ram_alone(void **state)
{
	static const u64 places[] = { 0,
				      8,
				      MIB(2) - 8,
				      MIB(2),
				      GMEM_HOLE_START - 8,
				      GMEM_HOLE_END,
				      GMEM_HOLE_END + MIB(2) - 8 };
	static const u64 bad[] = { GMEM_HOLE_START, GMEM_HOLE_END - 8, GMEM_HOLE_END + MIB(2),
				   ~0ULL - 7 };
	u64 value, back;

	(void)state;
	create(GMEM_HOLE_START + MIB(2));
	for (u32 i = 0; i < ARRAY_SIZE(places); i++) {
		value = 0x1234567800000000 + i;
		assert_int_equal(gmem_write(&mem, GPA(places[i]), &value, 8), OK);
		assert_int_equal(gmem_read(&mem, GPA(places[i]), &back, 8), OK);
		assert_int_equal(back, value);
	}
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(gmem_read(&mem, GPA(bad[i]), &back, 8), ERR_FAULT);
	gmem_destroy(&mem);
	assert_int_equal(gmem_read(&mem, GPA(0), &back, 8), ERR_FAULT);
}

static void a_translation_stays_in_one_chunk(void **state)
{
	u32 value = 0xcafe, back;
	hpa_t hpa;

	(void)state;
	create(MIB(8));
	assert_int_equal(gmem_write(&mem, GPA(MIB(2) + 0x123), &value, 4), OK);
	assert_int_equal(gmem_translate(&mem, GPA(MIB(2) + 0x123), 4, &hpa), OK);
	memcpy(&back, vmap_window(0, hpa), 4);
	assert_int_equal(back, value);
	assert_int_equal(gmem_translate(&mem, GPA(MIB(2)), MIB(2), &hpa), OK);
	assert_int_equal(gmem_translate(&mem, GPA(MIB(2)), MIB(2) + 1, &hpa), ERR_FAULT);
	assert_int_equal(gmem_translate(&mem, GPA(MIB(2) + 1), MIB(2), &hpa), ERR_FAULT);
	assert_int_equal(gmem_translate(&mem, GPA(MIB(4) - 1), 2, &hpa), ERR_FAULT);
	assert_int_equal(gmem_translate(&mem, GPA(MIB(4) - 1), ~0ULL, &hpa), ERR_FAULT);
	assert_int_equal(gmem_translate(&mem, GPA(MIB(8)), 1, &hpa), ERR_FAULT);
	assert_int_equal(gmem_translate(&mem, GPA(~0ULL), 1, &hpa), ERR_FAULT);
}

static void is_ram_knows_the_ends(void **state)
{
	(void)state;
	create(MIB(8));
	assert_true(gmem_is_ram(&mem, GPA(0), MIB(8)));
	assert_false(gmem_is_ram(&mem, GPA(0), MIB(8) + 1));
	assert_true(gmem_is_ram(&mem, GPA(MIB(8) - 1), 1));
	assert_false(gmem_is_ram(&mem, GPA(MIB(8)), 1));
	assert_false(gmem_is_ram(&mem, GPA(MIB(8) - 1), ~0ULL));
	assert_false(gmem_is_ram(&mem, GPA(GIB(4)), 1));
	assert_false(gmem_is_ram(&mem, GPA(~0ULL), 1));
	gmem_destroy(&mem);
	chunks_left = CHUNKS;
	create(GMEM_HOLE_START + MIB(2));
	assert_true(gmem_is_ram(&mem, GPA(0), GMEM_HOLE_START));
	assert_false(gmem_is_ram(&mem, GPA(0), GMEM_HOLE_START + 1));
	assert_false(gmem_is_ram(&mem, GPA(GMEM_HOLE_START), 1));
	assert_false(gmem_is_ram(&mem, GPA(GMEM_HOLE_END - 1), 2));
	assert_true(gmem_is_ram(&mem, GPA(GMEM_HOLE_END), MIB(2)));
	assert_false(gmem_is_ram(&mem, GPA(GMEM_HOLE_END), MIB(2) + 1));
}

static void clearing_a_chunk_spares_its_neighbours(void **state)
{
	u8 ones[16], back[16];
	static const u8 zeros[16];

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	create(MIB(6));
	assert_int_equal(gmem_write(&mem, GPA(MIB(2) - 8), ones, 16), OK);
	assert_int_equal(gmem_write(&mem, GPA(MIB(4) - 8), ones, 16), OK);
	gmem_clear_chunk(&mem, 1);
	assert_int_equal(gmem_read(&mem, GPA(MIB(2)), back, 8), OK);
	assert_memory_equal(back, zeros, 8);
	assert_int_equal(gmem_read(&mem, GPA(MIB(4) - 8), back, 8), OK);
	assert_memory_equal(back, zeros, 8);
	assert_int_equal(gmem_read(&mem, GPA(MIB(2) - 8), back, 8), OK);
	assert_memory_equal(back, ones, 8);
	assert_int_equal(gmem_read(&mem, GPA(MIB(4)), back, 8), OK);
	assert_memory_equal(back, ones, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(memory_is_whole_chunks, start, stop),
		cmocka_unit_test_setup_teardown(what_was_taken_is_given_back, start, stop),
		cmocka_unit_test_setup_teardown(too_little_memory_leaves_nothing_taken, start,
						stop),
		cmocka_unit_test_setup_teardown(copies_cross_pages_and_chunks, start, stop),
		cmocka_unit_test_setup_teardown(eight_bytes_at_any_alignment, start, stop),
		cmocka_unit_test_setup_teardown(beyond_the_end_is_a_fault, start, stop),
		cmocka_unit_test_setup_teardown(the_hole_holds_no_memory, start, stop),
		cmocka_unit_test_setup_teardown(a_quadword_is_read_from_ram_alone, start, stop),
		cmocka_unit_test_setup_teardown(a_translation_stays_in_one_chunk, start, stop),
		cmocka_unit_test_setup_teardown(is_ram_knows_the_ends, start, stop),
		cmocka_unit_test_setup_teardown(clearing_a_chunk_spares_its_neighbours, start,
						stop),
	};

	return cmocka_run_group_tests_name("gmem", tests, NULL, NULL);
}
