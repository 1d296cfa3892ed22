/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts, sub-contexts, objects and bindings of one vGPU. */
// SOURCES: gpu/virtio/virgl_objects.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/virtio/virgl_objects.h"
#include "gpu/virtio/virgl_proto.h"

static struct virgl_objects *objects;

static int set_up(void **state)
{
	(void)state;
	objects = malloc(sizeof(*objects));
	virgl_objects_init(objects);
	assert_int_equal(virgl_context_create(objects, 0), OK);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(objects);
	return 0;
}

static enum err insert(u32 slot, u32 handle, u32 type)
{
	struct virgl_object *object;

	return virgl_object_insert(objects, slot, handle, type, &object);
}

static u32 type_of(u32 slot, u32 handle)
{
	const struct virgl_object *object = virgl_object_find(objects, slot, handle);

	return object ? object->type : 0;
}

static void a_context_slot_is_used_once(void **state)
{
	(void)state;
	assert_int_equal(virgl_context_create(objects, 0), ERR_EXISTS);
	assert_int_equal(virgl_context_create(objects, VIRGL_CONTEXTS_MAX), ERR_RANGE);
	virgl_context_destroy(objects, 0);
	assert_false(virgl_context_is_live(objects, 0));
	assert_int_equal(virgl_context_create(objects, 0), OK);
	virgl_context_destroy(objects, 1); /* is not there */
	virgl_context_destroy(objects, 0xffffffff);
}

static void a_failed_context_stays_so_until_it_is_made_anew(void **state)
{
	(void)state;
	assert_false(virgl_context_has_failed(objects, 0));
	virgl_context_fail(objects, 0);
	assert_true(virgl_context_has_failed(objects, 0));
	virgl_context_destroy(objects, 0);
	assert_int_equal(virgl_context_create(objects, 0), OK);
	assert_false(virgl_context_has_failed(objects, 0));
}

static void an_object_is_found_by_its_handle(void **state)
{
	(void)state;
	assert_int_equal(insert(0, 7, VIRGL_OBJECT_BLEND), OK);
	assert_int_equal(insert(0, 0xffffffff, VIRGL_OBJECT_DSA), OK);
	assert_int_equal(type_of(0, 7), VIRGL_OBJECT_BLEND);
	assert_int_equal(type_of(0, 0xffffffff), VIRGL_OBJECT_DSA);
	assert_int_equal(type_of(0, 8), 0);
	virgl_object_remove(objects, 0, 7);
	assert_int_equal(type_of(0, 7), 0);
	virgl_object_remove(objects, 0, 7);
	assert_int_equal(objects->object_count, 1);
}

static void a_handle_that_is_used_again_replaces_the_object(void **state)
{
	struct virgl_object *object;

	(void)state;
	assert_int_equal(virgl_object_insert(objects, 0, 7, VIRGL_OBJECT_SURFACE, &object), OK);
	object->pixels = 5;
	assert_int_equal(virgl_object_insert(objects, 0, 7, VIRGL_OBJECT_SHADER, &object), OK);
	assert_int_equal(object->pixels, 0);
	assert_int_equal(type_of(0, 7), VIRGL_OBJECT_SHADER);
	assert_int_equal(objects->object_count, 1);
	assert_int_equal(objects->shader_count, 1);
	assert_int_equal(insert(0, 7, VIRGL_OBJECT_BLEND), OK);
	assert_int_equal(objects->shader_count, 0);
}

static void a_handle_belongs_to_one_sub_context_of_one_context(void **state)
{
	(void)state;
	assert_int_equal(virgl_context_create(objects, 5), OK);
	assert_int_equal(insert(0, 7, VIRGL_OBJECT_BLEND), OK);
	assert_int_equal(type_of(5, 7), 0);
	assert_int_equal(virgl_sub_create(objects, 0, 1), OK);
	assert_int_equal(type_of(0, 7), 0);
	assert_int_equal(virgl_sub_select(objects, 0, 0), OK);
	assert_int_equal(type_of(0, 7), VIRGL_OBJECT_BLEND);
}

/* Also where two sub-contexts have a handle in the same bucket. */
static void equal_handles_do_not_meet(void **state)
{
	(void)state;
	for (u32 handle = 1; handle <= 8000; handle++)
		assert_int_equal(insert(0, handle, VIRGL_OBJECT_BLEND), OK);
	for (u32 sub = 1; sub < 6; sub++) {
		assert_int_equal(virgl_sub_create(objects, 0, sub), OK);
		for (u32 handle = 1; handle <= 8000; handle++)
			assert_int_equal(type_of(0, handle), 0);
	}
}

static void a_new_sub_context_is_current_and_an_old_one_is_not_made_again(void **state)
{
	(void)state;
	assert_int_equal(virgl_sub_create(objects, 0, 9), OK);
	assert_int_equal(virgl_sub_current(objects, 0)->id, 9);
	assert_int_equal(virgl_sub_create(objects, 0, 0), OK);
	assert_int_equal(virgl_sub_current(objects, 0)->id, 9);
	assert_int_equal(objects->sub_count, 2);
}

static void number_0_takes_the_place_of_a_sub_context_that_goes(void **state)
{
	(void)state;
	assert_int_equal(insert(0, 7, VIRGL_OBJECT_BLEND), OK);
	assert_int_equal(virgl_sub_create(objects, 0, 9), OK);
	assert_int_equal(virgl_sub_create(objects, 0, 8), OK);
	assert_int_equal(virgl_sub_destroy(objects, 0, 9), OK);
	assert_int_equal(virgl_sub_current(objects, 0)->id, 8);
	assert_int_equal(virgl_sub_destroy(objects, 0, 8), OK);
	assert_int_equal(virgl_sub_current(objects, 0)->id, 0);
	assert_int_equal(type_of(0, 7), VIRGL_OBJECT_BLEND);
	assert_int_equal(virgl_sub_destroy(objects, 0, 0), ERR_INVALID);
	assert_int_equal(virgl_sub_destroy(objects, 0, 8), ERR_NOT_FOUND);
	assert_int_equal(virgl_sub_select(objects, 0, 8), ERR_NOT_FOUND);
}

static void sub_contexts_are_bounded(void **state)
{
	u32 slot = 1;

	(void)state;
	for (u32 id = 1; id < VIRGL_SUBS_PER_CONTEXT; id++)
		assert_int_equal(virgl_sub_create(objects, 0, id), OK);
	assert_int_equal(virgl_sub_create(objects, 0, 99), ERR_FULL);
	while (objects->sub_count < VIRGL_SUBS_MAX) {
		assert_int_equal(virgl_context_create(objects, slot), OK);
		for (u32 id = 1; id < VIRGL_SUBS_PER_CONTEXT; id++)
			if (objects->sub_count < VIRGL_SUBS_MAX)
				assert_int_equal(virgl_sub_create(objects, slot, id), OK);
		slot++;
	}
	assert_int_equal(virgl_context_create(objects, slot), ERR_FULL);
	assert_false(virgl_context_is_live(objects, slot));
	virgl_context_destroy(objects, 0);
	assert_int_equal(virgl_context_create(objects, slot), OK);
}

static void objects_are_bounded_and_their_places_come_back(void **state)
{
	(void)state;
	for (u32 i = 1; i <= VIRGL_OBJECTS_MAX; i++)
		assert_int_equal(insert(0, i, VIRGL_OBJECT_BLEND), OK);
	assert_int_equal(insert(0, 0x12345678, VIRGL_OBJECT_BLEND), ERR_FULL);
	assert_int_equal(insert(0, 1, VIRGL_OBJECT_DSA), OK); /* replaces */
	virgl_object_remove(objects, 0, 77);
	assert_int_equal(insert(0, 0x12345678, VIRGL_OBJECT_BLEND), OK);
	virgl_context_destroy(objects, 0);
	assert_int_equal(objects->object_count, 0);
	assert_int_equal(virgl_context_create(objects, 0), OK);
	for (u32 i = 1; i <= VIRGL_OBJECTS_MAX; i++)
		assert_int_equal(insert(0, i << 8, VIRGL_OBJECT_BLEND), OK);
}

static void shaders_are_bounded_by_a_number_of_their_own(void **state)
{
	(void)state;
	for (u32 i = 1; i <= VIRGL_SHADERS_MAX; i++)
		assert_int_equal(insert(0, i, VIRGL_OBJECT_SHADER), OK);
	assert_int_equal(insert(0, 99999, VIRGL_OBJECT_SHADER), ERR_FULL);
	assert_int_equal(insert(0, 99999, VIRGL_OBJECT_BLEND), OK);
	virgl_object_remove(objects, 0, 1);
	assert_int_equal(insert(0, 1, VIRGL_OBJECT_SHADER), OK);
}

static u32 chain_length(u32 bucket)
{
	u32 length = 0;

	for (u16 at = objects->object_buckets[bucket]; at != VIRGL_NONE;
	     at = objects->objects[at].next)
		length++;
	return length;
}

static u32 longest_chain(void)
{
	u32 longest = 0;

	for (u32 i = 0; i < VIRGL_OBJECT_BUCKETS; i++)
		longest = MAX(longest, chain_length(i));
	return longest;
}

static void handles_that_count_upwards_spread(void **state)
{
	(void)state;
	for (u32 sub = 1; sub < 8; sub++) {
		assert_int_equal(virgl_sub_create(objects, 0, sub), OK);
		for (u32 i = 0; i < 1100; i++) /* now and then one of a thousand is kept */
			assert_int_equal(insert(0, 1 + i * (sub == 3 ? 1000 : sub * sub),
						VIRGL_OBJECT_BLEND),
					 OK);
	}
	assert_in_range(longest_chain(), 1, 16);
}

/* A guest that knows the hash can pick handles for one bucket: it is stopped. */
static void no_chain_is_longer_than_its_bound(void **state)
{
	u32 bucket = 0, handle = 1;

	(void)state;
	assert_int_equal(insert(0, handle++, VIRGL_OBJECT_BLEND), OK);
	while (!chain_length(bucket))
		bucket++;
	while (chain_length(bucket) < VIRGL_CHAIN_MAX) {
		u32 before = chain_length(bucket);

		assert_int_equal(insert(0, handle, VIRGL_OBJECT_BLEND), OK);
		if (chain_length(bucket) == before)
			virgl_object_remove(objects, 0, handle);
		handle++;
	}
	while (insert(0, handle, VIRGL_OBJECT_BLEND) == OK)
		virgl_object_remove(objects, 0, handle++);
	assert_int_equal(objects->object_count, VIRGL_CHAIN_MAX);
	assert_int_equal(chain_length(bucket), VIRGL_CHAIN_MAX);
}

static void what_is_bound_is_known_until_its_slot_changes(void **state)
{
	(void)state;
	assert_false(virgl_is_bound(objects, 300));
	assert_int_equal(virgl_bind(objects, 0, VIRGL_BINDING_UNIFORM, 1, 31, 300), OK);
	assert_true(virgl_is_bound(objects, 300));
	assert_int_equal(virgl_bind(objects, 0, VIRGL_BINDING_IMAGE, 1, 31, 300), OK);
	assert_int_equal(virgl_bind(objects, 0, VIRGL_BINDING_UNIFORM, 1, 31, 301), OK);
	assert_true(virgl_is_bound(objects, 300)); /* as an image */
	assert_int_equal(virgl_bind(objects, 0, VIRGL_BINDING_IMAGE, 1, 31, 0), OK);
	assert_false(virgl_is_bound(objects, 300));
	assert_true(virgl_is_bound(objects, 301));
	assert_int_equal(virgl_bind(objects, 0, VIRGL_BINDING_ATOMIC, 0, 3, 0), OK);
	assert_int_equal(objects->binding_count, 1);
	assert_false(virgl_is_bound(objects, 0));
}

static void bindings_go_with_their_sub_context(void **state)
{
	(void)state;
	assert_int_equal(virgl_sub_create(objects, 0, 1), OK);
	assert_int_equal(virgl_bind(objects, 0, VIRGL_BINDING_UNIFORM, 0, 0, 300), OK);
	assert_int_equal(virgl_bind(objects, 0, VIRGL_BINDING_SHADER_BUFFER, 5, 7, 301), OK);
	assert_int_equal(virgl_sub_destroy(objects, 0, 1), OK);
	assert_false(virgl_is_bound(objects, 300));
	assert_false(virgl_is_bound(objects, 301));
	assert_int_equal(objects->binding_count, 0);
}

static void bindings_are_bounded(void **state)
{
	u32 made = 0;
	enum err e = OK;

	(void)state;
	for (u32 id = 1; id < VIRGL_SUBS_PER_CONTEXT && !e; id++) {
		assert_int_equal(virgl_sub_create(objects, 0, id), OK);
		for (u32 key = 0; key < 6 * 32 && !e; key++) {
			e = virgl_bind(objects, 0, VIRGL_BINDING_UNIFORM, key / 32, key % 32, 300);
			made += !e;
		}
	}
	assert_int_equal(e, ERR_FULL);
	assert_int_equal(made, VIRGL_BINDINGS_MAX);
	virgl_context_destroy(objects, 0);
	assert_int_equal(objects->binding_count, 0);
	assert_false(virgl_is_bound(objects, 300));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_context_slot_is_used_once),
		TEST(a_failed_context_stays_so_until_it_is_made_anew),
		TEST(an_object_is_found_by_its_handle),
		TEST(a_handle_that_is_used_again_replaces_the_object),
		TEST(a_handle_belongs_to_one_sub_context_of_one_context),
		TEST(equal_handles_do_not_meet),
		TEST(a_new_sub_context_is_current_and_an_old_one_is_not_made_again),
		TEST(number_0_takes_the_place_of_a_sub_context_that_goes),
		TEST(sub_contexts_are_bounded),
		TEST(objects_are_bounded_and_their_places_come_back),
		TEST(shaders_are_bounded_by_a_number_of_their_own),
		TEST(handles_that_count_upwards_spread),
		TEST(no_chain_is_longer_than_its_bound),
		TEST(what_is_bound_is_known_until_its_slot_changes),
		TEST(bindings_go_with_their_sub_context),
		TEST(bindings_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
