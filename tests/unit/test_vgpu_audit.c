/* SPDX-License-Identifier: Apache-2.0 */
/* The audit of virtio-gpu commands, rule by rule; virtio 1.2, section 5.7.6. */
// SOURCES: gpu/virtio/audit.c gpu/virtio/audit_3d.c gpu/virtio/resources.c
// SOURCES: gpu/virtio/virgl_objects.c gpu/virtio/virgl_resource.c gpu/virtio/virgl_formats.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/virtio/audit.h"

#define HOST_BASE 257
#define UNITS	  8

static struct audit *audit;
static u8 units[UNITS * BACKING_UNIT_BYTES];
static struct audit_result result;

static int set_up(void **state)
{
	(void)state;
	memset(units, 0, sizeof(units));
	audit = calloc(1, sizeof(*audit));
	audit_init(audit, HOST_BASE, MIB(4), units, UNITS);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(audit);
	return 0;
}

#define CHECK(command) audit_control(audit, &(command), sizeof(command), sizeof(command), &result)

static void create(u32 id, u32 format, u32 width, u32 height)
{
	struct virtio_gpu_create_2d c = {
		{ .type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D }, id, format, width, height
	};

	CHECK(c);
}

static void made(u32 id, u32 width, u32 height)
{
	create(id, VIRTIO_GPU_FORMAT_B8G8R8A8, width, height);
	assert_int_equal(result.verdict, AUDIT_SUBMIT);
}

static void expect(u32 answer)
{
	assert_int_equal(result.verdict, AUDIT_ANSWER);
	assert_int_equal(result.answer, answer);
}

static void back(u32 id, u32 bytes)
{
	struct virtio_gpu_attach_backing c = { { .type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING },
					       id,
					       1 };
	struct backing backing;

	audit_control(audit, &c, sizeof(c), sizeof(c) + 16, &result);
	assert_int_equal(result.verdict, AUDIT_BACKING);
	backing_init(&backing);
	assert_int_equal(backing_append(&audit->resources, &backing, IOVA(0x1000), bytes), OK);
	audit_backing_done(audit, &result, &backing);
}

static void a_new_resource_gets_an_id_of_this_vgpu(void **state)
{
	(void)state;
	made(0xffffffff, 16, 16);
	assert_in_range(result.command.create_2d.resource_id, HOST_BASE,
			HOST_BASE + VGPU_RESOURCES_MAX - 1);
	assert_int_equal(result.command.hdr.flags, 0);
}

static void sizes_and_formats_are_checked(void **state)
{
	(void)state;
	create(1, VIRTIO_GPU_FORMAT_B8G8R8A8, 0, 16);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	create(1, VIRTIO_GPU_FORMAT_B8G8R8A8, 0x10000, 0x10000);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	create(1, 5, 16, 16);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	create(0, VIRTIO_GPU_FORMAT_B8G8R8A8, 16, 16);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	assert_int_equal(audit->resources.used, 0);
}

static void an_id_is_used_once(void **state)
{
	(void)state;
	made(7, 16, 16);
	create(7, VIRTIO_GPU_FORMAT_B8G8R8A8, 16, 16);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
}

static void the_quota_is_exact(void **state)
{
	(void)state;
	made(1, 1024, 1023);
	create(2, VIRTIO_GPU_FORMAT_B8G8R8A8, 1025, 1);
	expect(VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
	made(2, 1024, 1);
	assert_true(audit->resources.used == audit->resources.quota);
}

static void the_table_of_resources_is_bounded(void **state)
{
	(void)state;
	for (u32 i = 0; i < VGPU_RESOURCES_MAX; i++)
		made(64 * (i + 1), 1, 1); /* all in one bucket */
	create(1, VIRTIO_GPU_FORMAT_B8G8R8A8, 1, 1);
	expect(VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
}

static void bytes_stay_charged_until_the_device_lets_go(void **state)
{
	struct virtio_gpu_resource_ref c = { { .type = VIRTIO_GPU_CMD_RESOURCE_UNREF }, 7, 0 };

	(void)state;
	made(7, 1024, 1024);
	CHECK(c);
	assert_int_equal(result.verdict, AUDIT_SUBMIT);
	create(8, VIRTIO_GPU_FORMAT_B8G8R8A8, 1, 1);
	expect(VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
	CHECK(c);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	resource_free(&audit->resources, &audit->resources.slots[0]);
	made(7, 1024, 1024);
}

static void scanout(u32 number, u32 id, struct virtio_gpu_rect rect)
{
	struct virtio_gpu_set_scanout c = {
		{ .type = VIRTIO_GPU_CMD_SET_SCANOUT }, rect, number, id
	};

	CHECK(c);
}

static void a_scanout_lies_in_its_resource(void **state)
{
	struct virtio_gpu_rect whole = { 0, 0, 64, 32 };

	(void)state;
	made(7, 64, 32);
	scanout(0, 7, whole);
	assert_int_equal(result.verdict, AUDIT_SUBMIT);
	assert_true(result.names_scanout);
	scanout(0, 7, (struct virtio_gpu_rect){ 1, 0, 64, 32 });
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	scanout(0, 7, (struct virtio_gpu_rect){ 0xffffffff, 0, 2, 2 });
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	scanout(0, 7, (struct virtio_gpu_rect){ 0, 0, 0, 32 });
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	/* CVE-2016-10029: a scan-out that is not there. */
	scanout(1, 7, whole);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID);
	scanout(0xffffffff, 0, whole);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID);
	assert_int_equal(audit->picture.slot, 0);
}

static void the_picture_is_forgotten_with_its_resource(void **state)
{
	struct virtio_gpu_resource_ref c = { { .type = VIRTIO_GPU_CMD_RESOURCE_UNREF }, 7, 0 };
	union virtio_gpu_command show;

	(void)state;
	made(7, 64, 32);
	scanout(0, 7, (struct virtio_gpu_rect){ 0, 0, 64, 32 });
	CHECK(c);
	audit_make_show(audit, &show);
	assert_int_equal(show.set_scanout.resource_id, 0);
	assert_int_equal(audit_make_flush(audit, &show), 0);
}

static void flush(u32 id, struct virtio_gpu_rect rect)
{
	struct virtio_gpu_flush c = { { .type = VIRTIO_GPU_CMD_RESOURCE_FLUSH }, rect, id, 0 };

	CHECK(c);
}

static void a_flush_lies_in_its_resource(void **state)
{
	(void)state;
	made(7, 64, 32);
	flush(7, (struct virtio_gpu_rect){ 60, 30, 4, 2 });
	assert_int_equal(result.verdict, AUDIT_SUBMIT);
	assert_int_equal(result.command.flush.resource_id, HOST_BASE);
	flush(7, (struct virtio_gpu_rect){ 60, 30, 5, 2 });
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	flush(7, (struct virtio_gpu_rect){ 0, 0xfffffff0, 4, 0x20 });
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	flush(8, (struct virtio_gpu_rect){ 0, 0, 4, 2 });
	expect(VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
}

static void transfer(u32 id, struct virtio_gpu_rect rect, u64 offset)
{
	struct virtio_gpu_transfer_2d c = {
		{ .type = VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D }, rect, offset, id, 0
	};

	CHECK(c);
}

static void a_transfer_reads_its_backing_to_the_last_byte_and_no_further(void **state)
{
	struct virtio_gpu_rect whole = { 0, 0, 64, 32 };
	struct virtio_gpu_rect corner = { 60, 30, 4, 2 };

	(void)state;
	made(7, 64, 32);
	transfer(7, whole, 0);
	expect(VIRTIO_GPU_RESP_ERR_UNSPEC);
	back(7, 64 * 32 * 4);
	transfer(7, whole, 0);
	assert_int_equal(result.verdict, AUDIT_SUBMIT);
	transfer(7, whole, 1);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	transfer(7, corner, (30 * 64 + 60) * 4);
	assert_int_equal(result.verdict, AUDIT_SUBMIT);
	transfer(7, corner, (30 * 64 + 60) * 4 + 1);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	transfer(7, corner, ~0ULL - 7);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	transfer(7, (struct virtio_gpu_rect){ 61, 30, 4, 2 }, 0);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
}

static void attach(u32 id, u32 count, u64 total)
{
	struct virtio_gpu_attach_backing c = { { .type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING },
					       id,
					       count };

	audit_control(audit, &c, sizeof(c), total, &result);
}

static void as_many_entries_as_announced_and_at_most_16384(void **state)
{
	(void)state;
	made(7, 64, 32);
	attach(7, 2, 32 + 16);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	attach(7, 1, 32 + 32);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	attach(7, 0, 32);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	attach(7, 16385, 32 + 16385 * 16);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	attach(7, 0x10000001, 32 + 16);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	attach(8, 1, 32 + 16);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	back(7, 4096);
	attach(7, 1, 32 + 16);
	expect(VIRTIO_GPU_RESP_ERR_UNSPEC);
}

static void touching_entries_become_one(void **state)
{
	struct backing backing;

	(void)state;
	backing_init(&backing);
	assert_int_equal(backing_append(&audit->resources, &backing, IOVA(0x1000), 0x1000), OK);
	assert_int_equal(backing_append(&audit->resources, &backing, IOVA(0x2000), 0x1000), OK);
	assert_int_equal(backing.entries, 1);
	assert_int_equal(backing_append(&audit->resources, &backing, IOVA(0x4000), 0x1000), OK);
	assert_int_equal(backing.entries, 2);
	/* A length has 32 bits. */
	assert_int_equal(backing_append(&audit->resources, &backing, IOVA(0x5000), 0xfffff000), OK);
	assert_int_equal(backing.entries, 3);
	assert_true(backing.bytes == 0x3000 + 0xfffff000ULL);
	backing_release(&audit->resources, &backing);
}

static void backing_units_are_bounded_and_come_back_cleared(void **state)
{
	struct backing backing;
	u32 count = 0;

	(void)state;
	backing_init(&backing);
	while (!backing_append(&audit->resources, &backing, IOVA(count * 0x2000ULL), 0x1000))
		count++;
	assert_int_equal(count, UNITS * BACKING_UNIT_ENTRIES);
	backing_release(&audit->resources, &backing);
	assert_int_equal(audit->resources.unit_free, UNITS);
	for (size_t i = 0; i < sizeof(units); i++)
		assert_int_equal(units[i], 0);
}

static void every_command_is_taken_at_its_own_length_only(void **state)
{
	static const struct {
		u32 type, length;
	} commands[] = {
		{ VIRTIO_GPU_CMD_GET_DISPLAY_INFO, 24 },
		{ VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, 40 },
		{ VIRTIO_GPU_CMD_RESOURCE_UNREF, 32 },
		{ VIRTIO_GPU_CMD_SET_SCANOUT, 48 },
		{ VIRTIO_GPU_CMD_RESOURCE_FLUSH, 48 },
		{ VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, 56 },
		{ VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 32 },
		{ VIRTIO_GPU_CMD_GET_EDID, 32 },
	};
	union virtio_gpu_command c = { 0 };

	(void)state;
	audit->display.edid_size = 128;
	for (u32 i = 0; i < ARRAY_SIZE(commands); i++) {
		c.hdr.type = commands[i].type;
		for (u32 length = 24; length < 64; length++) {
			u32 given = MIN(length, (u32)sizeof(c));

			audit_control(audit, &c, given, length, &result);
			if (length != commands[i].length)
				expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
			else
				assert_int_not_equal(result.answer, VIRTIO_GPU_RESP_ERR_UNSPEC);
		}
	}
	for (u32 length = 0; length < 24; length++) {
		audit_control(audit, &c, length, length, &result);
		expect(VIRTIO_GPU_RESP_ERR_UNSPEC);
	}
}

static void commands_that_are_not_offered_are_unspecified(void **state)
{
	struct virtio_gpu_hdr c = { 0 };

	(void)state;
	for (u32 type = 0; type < 0x1300; type++) {
		if (type >= VIRTIO_GPU_CMD_GET_DISPLAY_INFO && type <= VIRTIO_GPU_CMD_GET_EDID &&
		    type != VIRTIO_GPU_CMD_GET_CAPSET && type != VIRTIO_GPU_CMD_GET_CAPSET_INFO)
			continue;
		c.type = type;
		CHECK(c);
		expect(VIRTIO_GPU_RESP_ERR_UNSPEC);
		assert_non_null(result.why);
	}
}

static void a_cursor_names_its_own_resource_and_scanout(void **state)
{
	struct virtio_gpu_cursor c = { .hdr.type = VIRTIO_GPU_CMD_UPDATE_CURSOR,
				       .x = 3,
				       .resource_id = 7 };

	(void)state;
	audit_cursor(audit, &c, sizeof(c), sizeof(c), &result);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	made(7, 64, 64);
	audit_cursor(audit, &c, sizeof(c), sizeof(c), &result);
	assert_int_equal(result.verdict, AUDIT_SUBMIT);
	assert_int_equal(result.command.cursor.resource_id, HOST_BASE);
	assert_int_equal(result.command.cursor.x, 3);
	assert_true(result.names_scanout);
	c.scanout_id = 1;
	audit_cursor(audit, &c, sizeof(c), sizeof(c), &result);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID);
	c.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF;
	audit_cursor(audit, &c, sizeof(c), sizeof(c), &result);
	expect(VIRTIO_GPU_RESP_ERR_UNSPEC);
}

static void what_a_guest_wrote_elsewhere_does_not_pass_through(void **state)
{
	struct virtio_gpu_flush c = {
		{ VIRTIO_GPU_CMD_RESOURCE_FLUSH, 1, 0x1234, 9, 3, { 7 } }, { 0, 0, 1, 1 }, 7, 0xdead
	};

	(void)state;
	made(7, 64, 64);
	CHECK(c);
	assert_int_equal(result.command.hdr.flags, 0);
	assert_int_equal(result.command.hdr.ctx_id, 0);
	assert_true(result.command.hdr.fence_id == 0);
	assert_int_equal(result.command.hdr.padding[0], 0);
	assert_int_equal(result.command.flush.padding, 0);
}

#define RULE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(a_new_resource_gets_an_id_of_this_vgpu),
		RULE(sizes_and_formats_are_checked),
		RULE(an_id_is_used_once),
		RULE(the_quota_is_exact),
		RULE(the_table_of_resources_is_bounded),
		RULE(bytes_stay_charged_until_the_device_lets_go),
		RULE(a_scanout_lies_in_its_resource),
		RULE(the_picture_is_forgotten_with_its_resource),
		RULE(a_flush_lies_in_its_resource),
		RULE(a_transfer_reads_its_backing_to_the_last_byte_and_no_further),
		RULE(as_many_entries_as_announced_and_at_most_16384),
		RULE(touching_entries_become_one),
		RULE(backing_units_are_bounded_and_come_back_cleared),
		RULE(every_command_is_taken_at_its_own_length_only),
		RULE(commands_that_are_not_offered_are_unspecified),
		RULE(a_cursor_names_its_own_resource_and_scanout),
		RULE(what_a_guest_wrote_elsewhere_does_not_pass_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
