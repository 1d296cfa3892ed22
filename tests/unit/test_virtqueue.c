/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's side of a split virtqueue against a device that reads it from memory. */
// SOURCES: gpu/virtio/virtqueue.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/virtio/virtqueue.h"

#define SIZE 8
#define BASE 0x100000ULL

static u8 *memory;
static struct virtqueue vq;

static int set_up(void **state)
{
	(void)state;
	memory = calloc(1, virtqueue_bytes(SIZE));
	return virtqueue_init(&vq, SIZE, memory, IOVA(BASE));
}

static int tear_down(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

/* The device's view: everything through the addresses that it was told. */
static const struct virtq_desc *desc_at(u16 index)
{
	u64 offset = virtqueue_desc_iova(&vq).raw - BASE + index * sizeof(struct virtq_desc);

	return (const void *)(memory + offset);
}

static u16 avail_at(u16 index)
{
	u16 value;

	memcpy(&value, memory + (virtqueue_avail_iova(&vq).raw - BASE) + 4 + 2U * index, 2);
	return value;
}

static u16 avail_count(void)
{
	u16 value;

	memcpy(&value, memory + (virtqueue_avail_iova(&vq).raw - BASE) + 2, 2);
	return value;
}

static void use(u32 id, u32 len)
{
	u8 *used = memory + (virtqueue_used_iova(&vq).raw - BASE);
	struct virtq_used_elem elem = { id, len };
	u16 index;

	memcpy(&index, used + 2, 2);
	memcpy(used + 4 + (index % SIZE) * sizeof(elem), &elem, sizeof(elem));
	index++;
	memcpy(used + 2, &index, 2);
}

static const struct virtqueue_segment three[3] = {
	{ { 0x1000 }, 24, false },
	{ { 0x2000 }, 4096, false },
	{ { 0x3000 }, 64, true },
};

static void parts_are_aligned_as_the_standard_says(void **state)
{
	(void)state;
	for (u16 size = 1; size <= VIRTQUEUE_SIZE_MAX; size = (u16)(size * 2)) {
		u8 *area = calloc(1, virtqueue_bytes(size));
		struct virtqueue q;

		assert_int_equal(virtqueue_init(&q, size, area, IOVA(BASE)), OK);
		assert_int_equal(virtqueue_desc_iova(&q).raw % 16, 0);
		assert_int_equal(virtqueue_avail_iova(&q).raw % 2, 0);
		assert_int_equal(virtqueue_used_iova(&q).raw % 4, 0);
		assert_true(virtqueue_used_iova(&q).raw >=
			    virtqueue_avail_iova(&q).raw + 6 + 2U * size);
		assert_true(virtqueue_used_iova(&q).raw - BASE + 6 + 8U * size <=
			    virtqueue_bytes(size) + 2);
		free(area);
	}
}

static void a_size_that_is_no_power_of_two_is_refused(void **state)
{
	struct virtqueue q;

	(void)state;
	assert_int_equal(virtqueue_init(&q, 0, memory, IOVA(0)), ERR_INVALID);
	assert_int_equal(virtqueue_init(&q, 6, memory, IOVA(0)), ERR_INVALID);
	assert_int_equal(virtqueue_init(&q, 512, memory, IOVA(0)), ERR_INVALID);
}

static void a_request_is_a_chain_of_its_segments(void **state)
{
	const struct virtq_desc *desc;
	u16 head;

	(void)state;
	assert_int_equal(virtqueue_add(&vq, three, 3, &head), OK);
	assert_int_equal(avail_count(), 1);
	assert_int_equal(avail_at(0), head);
	desc = desc_at(head);
	assert_int_equal(desc->addr, 0x1000);
	assert_int_equal(desc->flags, VIRTQ_DESC_F_NEXT);
	desc = desc_at(desc->next);
	assert_int_equal(desc->len, 4096);
	desc = desc_at(desc->next);
	assert_int_equal(desc->flags, VIRTQ_DESC_F_WRITE);
}

static void an_indirect_request_takes_one_descriptor(void **state)
{
	struct virtq_desc table[3];
	u16 head;

	(void)state;
	assert_int_equal(virtqueue_add_indirect(&vq, three, 3, table, IOVA(0x9000), &head), OK);
	assert_int_equal(desc_at(head)->flags, VIRTQ_DESC_F_INDIRECT);
	assert_int_equal(desc_at(head)->addr, 0x9000);
	assert_int_equal(desc_at(head)->len, sizeof(table));
	assert_int_equal(table[0].next, 1);
	assert_int_equal(table[2].flags, VIRTQ_DESC_F_WRITE);
	assert_int_equal(vq.free_count, SIZE - 1);
}

static void a_full_queue_says_so_and_goes_on_after_a_pop(void **state)
{
	u16 heads[3], head;
	u32 written;

	(void)state;
	assert_int_equal(virtqueue_add(&vq, three, 3, &heads[0]), OK);
	assert_int_equal(virtqueue_add(&vq, three, 3, &heads[1]), OK);
	assert_int_equal(virtqueue_add(&vq, three, 3, &heads[2]), ERR_FULL);
	assert_int_equal(virtqueue_pop(&vq, &head, &written), ERR_NOT_FOUND);
	use(heads[1], 24);
	assert_int_equal(virtqueue_pop(&vq, &head, &written), OK);
	assert_int_equal(head, heads[1]);
	assert_int_equal(written, 24);
	assert_int_equal(virtqueue_add(&vq, three, 3, &heads[2]), OK);
}

static void descriptors_never_leak(void **state)
{
	u16 heads[2], head;
	u32 written;

	(void)state;
	for (u32 round = 0; round < 100000; round++) {
		assert_int_equal(virtqueue_add(&vq, three, 1 + round % 3, &heads[0]), OK);
		assert_int_equal(virtqueue_add(&vq, three, 1 + round / 3 % 3, &heads[1]), OK);
		use(heads[round & 1], 0);
		use(heads[~round & 1], 0);
		assert_int_equal(virtqueue_pop(&vq, &head, &written), OK);
		assert_int_equal(virtqueue_pop(&vq, &head, &written), OK);
		assert_int_equal(vq.free_count, SIZE);
	}
}

static void an_id_that_is_not_out_is_refused(void **state)
{
	u16 first, head;
	u32 written;

	(void)state;
	assert_int_equal(virtqueue_add(&vq, three, 3, &first), OK);
	use(0xffff0000U | first, 0);
	assert_int_equal(virtqueue_pop(&vq, &head, &written), ERR_DEVICE);
	use(desc_at(first)->next, 0); /* the middle of a chain */
	assert_int_equal(virtqueue_pop(&vq, &head, &written), ERR_DEVICE);
	use(first, 0);
	use(first, 0);
	assert_int_equal(virtqueue_pop(&vq, &head, &written), OK);
	assert_int_equal(virtqueue_pop(&vq, &head, &written), ERR_DEVICE);
	assert_int_equal(vq.free_count, SIZE);
}

#define RULE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(parts_are_aligned_as_the_standard_says),
		RULE(a_size_that_is_no_power_of_two_is_refused),
		RULE(a_request_is_a_chain_of_its_segments),
		RULE(an_indirect_request_takes_one_descriptor),
		RULE(a_full_queue_says_so_and_goes_on_after_a_pop),
		RULE(descriptors_never_leak),
		RULE(an_id_that_is_not_out_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
