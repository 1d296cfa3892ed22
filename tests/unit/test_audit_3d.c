/* SPDX-License-Identifier: Apache-2.0 */
/* The audit of virtio-gpu's 3D commands, rule by rule; virtio 1.2, section 5.7.6. */
// SOURCES: gpu/virtio/audit.c gpu/virtio/audit_3d.c gpu/virtio/resources.c
// SOURCES: gpu/virtio/virgl_objects.c gpu/virtio/virgl_resource.c gpu/virtio/virgl_formats.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/virtio/audit.h"
#include "gpu/virtio/streams.h"
#include "gpu/virtio/virgl_formats.h"
#include "gpu/virtio/virgl_proto.h"

#define HOST_BASE    1025
#define CONTEXT_BASE 65
#define UNITS	     8

static struct audit *audit;
static struct audit_contexts *contexts;
static u8 units[UNITS * BACKING_UNIT_BYTES];
static const u8 capset_bytes[308] = { 1, 2, 3 };
static const struct audit_capsets capsets = { 1, { { 1, 1, sizeof(capset_bytes), capset_bytes } } };
static struct audit_result result;

static int set_up(void **state)
{
	(void)state;
	memset(units, 0, sizeof(units));
	audit = calloc(1, sizeof(*audit));
	contexts = calloc(1, sizeof(*contexts));
	audit_init(audit, HOST_BASE, MIB(4), units, UNITS);
	audit_contexts_init(contexts, CONTEXT_BASE);
	audit->contexts = contexts;
	audit->capsets = &capsets;
	audit->accepts_3d = true;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(audit);
	free(contexts);
	return 0;
}

#define CHECK(command) audit_control(audit, &(command), sizeof(command), sizeof(command), &result)

static void expect(u32 answer)
{
	assert_int_equal(result.verdict, AUDIT_ANSWER);
	assert_int_equal(result.answer, answer);
}

static void ctx_create(u32 id)
{
	struct virtio_gpu_ctx_create c = { .hdr = { .type = VIRTIO_GPU_CMD_CTX_CREATE,
						    .ctx_id = id },
					   .name_length = 6,
					   .name = "secret" };

	CHECK(c);
}

static void ctx_destroy(u32 id)
{
	struct virtio_gpu_hdr c = { .type = VIRTIO_GPU_CMD_CTX_DESTROY, .ctx_id = id };

	CHECK(c);
}

static struct virtio_gpu_create_3d texture(u32 id, u32 target, u32 width, u32 height, u32 layers)
{
	return (struct virtio_gpu_create_3d){
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_3D,
		.resource_id = id,
		.target = target,
		.format = VIRGL_FORMAT_B8G8R8A8_UNORM,
		.bind = VIRGL_BIND_SAMPLER_VIEW,
		.width = width,
		.height = height,
		.depth = 1,
		.array_size = layers,
	};
}

static void made(const struct virtio_gpu_create_3d *c)
{
	CHECK(*c);
	assert_int_equal(result.verdict, AUDIT_SUBMIT);
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

static struct virtio_gpu_transfer_3d transfer(u32 type, u32 context, u32 id, u32 size, u32 layers)
{
	return (struct virtio_gpu_transfer_3d){
		.hdr = { .type = type, .ctx_id = context },
		.box = { 0, 0, 0, size, size, layers },
		.resource_id = id,
	};
}

#define TO_HOST	  VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D
#define FROM_HOST VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D

/* ---- the feature ---- */

static void without_the_feature_no_3d_command_is_known(void **state)
{
	(void)state;
	audit->accepts_3d = false;
	for (u32 type = VIRTIO_GPU_CMD_CTX_CREATE; type <= VIRTIO_GPU_CMD_SUBMIT_3D; type++) {
		struct virtio_gpu_ctx_create c = { .hdr = { .type = type, .ctx_id = 1 } };

		CHECK(c);
		expect(VIRTIO_GPU_RESP_ERR_UNSPEC);
	}
	assert_int_equal(contexts->count, 0);
}

static void capsets_are_told_as_the_device_has_them(void **state)
{
	struct virtio_gpu_get_capset_info info = { { .type = VIRTIO_GPU_CMD_GET_CAPSET_INFO },
						   0,
						   0 };
	struct virtio_gpu_get_capset get = { { .type = VIRTIO_GPU_CMD_GET_CAPSET }, 1, 1 };
	union virtio_gpu_response response;

	(void)state;
	CHECK(info);
	expect(VIRTIO_GPU_RESP_OK_CAPSET_INFO);
	assert_int_equal(audit_fill_answer(audit, &result, &response),
			 sizeof(response.capset_info));
	assert_int_equal(response.capset_info.max_size, sizeof(capset_bytes));
	CHECK(get);
	expect(VIRTIO_GPU_RESP_OK_CAPSET);
	assert_int_equal(audit_fill_answer(audit, &result, &response),
			 sizeof(response.hdr) + sizeof(capset_bytes));
	assert_memory_equal(response.capset.data, capset_bytes, sizeof(capset_bytes));
}

static void other_capsets_do_not_exist(void **state)
{
	struct virtio_gpu_get_capset_info info = { { .type = VIRTIO_GPU_CMD_GET_CAPSET_INFO },
						   1,
						   0 };
	struct virtio_gpu_get_capset get = { { .type = VIRTIO_GPU_CMD_GET_CAPSET }, 3, 0 };

	(void)state;
	CHECK(info);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	CHECK(get);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	get.id = 1;
	get.version = 2;
	CHECK(get);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
}

/* ---- contexts ---- */

static void a_context_gets_a_number_of_this_guests(void **state)
{
	(void)state;
	ctx_create(7);
	assert_int_equal(result.verdict, AUDIT_SUBMIT);
	assert_int_equal(result.command.hdr.ctx_id, CONTEXT_BASE);
	assert_int_equal(result.effect, EFFECT_CTX_NEW);
	assert_int_equal(result.series, SERIES_FILL);
}

static void a_guest_has_no_say_in_the_devices_log(void **state)
{
	(void)state;
	ctx_create(7);
	assert_memory_equal(result.command.ctx_create.name, "facet\0", 6);
}

static void context_0_is_never_a_guests(void **state)
{
	struct virtio_gpu_create_3d c = texture(5, VIRGL_TARGET_2D, 8, 8, 1);
	struct virtio_gpu_transfer_3d t = transfer(TO_HOST, 0, 5, 8, 1);

	(void)state;
	ctx_create(0);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
	made(&c);
	back(5, 256);
	CHECK(t);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
}

static void a_context_exists_once(void **state)
{
	(void)state;
	ctx_create(7);
	ctx_create(7);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
	ctx_destroy(8);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
}

static void a_number_is_taken_until_the_device_has_ended_its_context(void **state)
{
	(void)state;
	ctx_create(7);
	ctx_destroy(7);
	assert_int_equal(result.effect, EFFECT_CTX_END);
	assert_int_equal(result.command.hdr.ctx_id, CONTEXT_BASE);
	ctx_create(7);
	assert_int_equal(result.command.hdr.ctx_id, CONTEXT_BASE + 1);
	audit_context_free(contexts, 0);
	ctx_create(8);
	assert_int_equal(result.command.hdr.ctx_id, CONTEXT_BASE);
	assert_int_equal(contexts->count, 2);
}

static void contexts_come_to_an_end(void **state)
{
	(void)state;
	for (u32 i = 1; i <= VIRGL_CONTEXTS_MAX; i++) {
		ctx_create(i);
		assert_int_equal(result.verdict, AUDIT_SUBMIT);
	}
	ctx_create(VIRGL_CONTEXTS_MAX + 1);
	expect(VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
}

static void context_init_was_not_offered(void **state)
{
	struct virtio_gpu_ctx_create c = {
		.hdr = { .type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = 1 }, .context_init = 4
	};

	(void)state;
	CHECK(c);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
}

static void a_context_is_given_only_what_the_guest_has(void **state)
{
	struct virtio_gpu_create_3d c = texture(5, VIRGL_TARGET_2D, 8, 8, 1);
	struct virtio_gpu_resource_ref attach = {
		{ .type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, .ctx_id = 7 }, 5, 0
	};

	(void)state;
	ctx_create(7);
	CHECK(attach);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	made(&c);
	CHECK(attach);
	assert_int_equal(result.verdict, AUDIT_SUBMIT);
	assert_int_equal(result.command.ref.resource_id, HOST_BASE);
	assert_int_equal(result.command.hdr.ctx_id, CONTEXT_BASE);
}

/* ---- resources ---- */

static void a_texture_costs_all_its_levels_and_layers(void **state)
{
	struct virtio_gpu_create_3d c = texture(5, VIRGL_TARGET_2D_ARRAY, 64, 64, 3);

	(void)state;
	c.last_level = 6;
	made(&c);
	/* 4 bytes, 3 layers, 64 x 64 and its halves down to 1 x 1 */
	assert_int_equal(audit->resources.used, 4 * 3 * (4096 + 1024 + 256 + 64 + 16 + 4 + 1));
}

static void an_id_of_the_device_is_not_used_again_soon(void **state)
{
	struct virtio_gpu_create_3d c = texture(5, VIRGL_TARGET_2D, 8, 8, 1);
	struct virtio_gpu_resource_ref unref = { { .type = VIRTIO_GPU_CMD_RESOURCE_UNREF }, 5, 0 };
	u32 before = 0;

	(void)state;
	for (u32 i = 0; i < 100; i++) {
		made(&c);
		assert_true(result.resource->host_id > before);
		assert_int_equal(result.resource->host_id, result.resource->shape.host_id);
		before = result.resource->host_id;
		CHECK(unref);
		assert_int_equal(result.command.ref.resource_id, before);
		resource_free(&audit->resources, result.resource);
	}
}

static void beyond_the_quota_is_out_of_memory_and_the_rest_stays(void **state)
{
	struct virtio_gpu_create_3d c = texture(5, VIRGL_TARGET_2D, 1024, 1024, 1);

	(void)state;
	made(&c);
	c.resource_id = 6;
	CHECK(c);
	expect(VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
	assert_non_null(resource_find(&audit->resources, 5));
}

static void what_a_transfer_cannot_clear_is_not_made(void **state)
{
	struct virtio_gpu_create_3d c = texture(5, VIRGL_TARGET_2D, 8, 8, 1);

	(void)state;
	c.nr_samples = 4;
	CHECK(c);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	c = texture(5, VIRGL_TARGET_1D_ARRAY, 8, 1, 200);
	CHECK(c);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	assert_int_equal(audit->resources.used, 0);
}

/* The whole series: zeros attached, each level and face written, zeros detached. */
static u32 clears(struct resource *resource, u64 *bytes)
{
	union virtio_gpu_command command;
	u32 entries, transfers = 0;
	u32 step = 0;

	*bytes = 0;
	for (; audit_make_clear(resource, step, &command, &entries); step++) {
		const struct virtio_gpu_box *box = &command.transfer_3d.box;

		assert_int_equal(command.hdr.type == VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
				 step == 0);
		assert_int_equal(entries != 0, step == 0);
		if (command.hdr.type != TO_HOST)
			continue;
		assert_int_equal(command.transfer_3d.resource_id, resource->host_id);
		assert_int_equal(command.hdr.ctx_id, 0);
		assert_int_equal(command.transfer_3d.offset, 0);
		*bytes += 4ULL * box->width * box->height * box->depth;
		transfers++;
	}
	assert_true(step < AUDIT_SERIES_MAX);
	return transfers;
}

static void every_level_and_face_of_a_new_cube_is_cleared(void **state)
{
	struct virtio_gpu_create_3d c = texture(5, VIRGL_TARGET_CUBE, 64, 64, 6);
	u64 bytes;

	(void)state;
	c.last_level = 6;
	made(&c);
	assert_int_equal(result.series, SERIES_CLEAR);
	assert_int_equal(clears(result.resource, &bytes), 6 * 7);
	assert_int_equal(bytes, audit->resources.used);
}

static void every_slice_of_a_new_volume_is_cleared(void **state)
{
	struct virtio_gpu_create_3d c = texture(5, VIRGL_TARGET_3D, 32, 16, 1);
	u64 bytes;

	(void)state;
	c.depth = 8;
	c.last_level = 5;
	made(&c);
	assert_int_equal(clears(result.resource, &bytes), 6);
	assert_int_equal(bytes, audit->resources.used);
}

static void the_guests_own_memory_is_not_cleared(void **state)
{
	struct virtio_gpu_create_3d c = texture(5, VIRGL_TARGET_BUFFER, 4096, 1, 1);
	u64 bytes;

	(void)state;
	c.format = VIRGL_FORMAT_R8_UNORM;
	c.bind = VIRGL_BIND_STAGING;
	made(&c);
	assert_int_equal(clears(result.resource, &bytes), 0);
}

static void only_a_picture_can_be_shown(void **state)
{
	struct virtio_gpu_create_3d c = texture(5, VIRGL_TARGET_CUBE, 8, 8, 6);
	struct virtio_gpu_set_scanout show = {
		{ .type = VIRTIO_GPU_CMD_SET_SCANOUT }, { 0, 0, 8, 8 }, 0, 5
	};

	(void)state;
	made(&c);
	CHECK(show);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	c = texture(6, VIRGL_TARGET_2D, 8, 8, 1);
	made(&c);
	show.resource_id = 6;
	CHECK(show);
	assert_int_equal(result.verdict, AUDIT_SUBMIT);
}

static void what_a_context_has_bound_goes_later(void **state)
{
	struct virtio_gpu_create_3d c = texture(5, VIRGL_TARGET_BUFFER, 4096, 1, 1);
	struct virtio_gpu_resource_ref unref = { { .type = VIRTIO_GPU_CMD_RESOURCE_UNREF }, 5, 0 };

	(void)state;
	c.format = VIRGL_FORMAT_R8_UNORM;
	c.bind = VIRGL_BIND_CONSTANT_BUFFER;
	made(&c);
	ctx_create(7);
	assert_int_equal(virgl_bind(&contexts->objects, 0, VIRGL_BINDING_UNIFORM, 0, 0, HOST_BASE),
			 OK);
	CHECK(unref);
	assert_int_equal(result.verdict, AUDIT_BURY);
	assert_int_equal(result.answer, VIRTIO_GPU_RESP_OK_NODATA);
	ctx_destroy(7);
	CHECK(unref);
	assert_int_equal(result.verdict, AUDIT_SUBMIT);
}

/* ---- transfers ---- */

static void a_transfer_is_rewritten_for_the_device(void **state)
{
	struct virtio_gpu_create_3d c = texture(5, VIRGL_TARGET_2D, 8, 8, 1);
	struct virtio_gpu_transfer_3d t = transfer(TO_HOST, 7, 5, 8, 1);

	(void)state;
	ctx_create(7);
	made(&c);
	CHECK(t);
	expect(VIRTIO_GPU_RESP_ERR_UNSPEC); /* no backing yet */
	back(5, 256);
	CHECK(t);
	assert_int_equal(result.verdict, AUDIT_SUBMIT);
	assert_int_equal(result.command.transfer_3d.resource_id, HOST_BASE);
	assert_int_equal(result.command.hdr.ctx_id, CONTEXT_BASE);
	t.offset = 1;
	CHECK(t);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
}

static void layers_come_from_the_device_one_by_one(void **state)
{
	struct virtio_gpu_create_3d c = texture(5, VIRGL_TARGET_2D_ARRAY, 8, 8, 4);
	struct virtio_gpu_transfer_3d t = transfer(FROM_HOST, 7, 5, 8, 4);
	union virtio_gpu_command command;
	u32 step = 0;

	(void)state;
	ctx_create(7);
	made(&c);
	back(5, 4 * 256);
	CHECK(t);
	assert_int_equal(result.series, SERIES_LAYERS);
	for (; audit_make_layer(result.resource, &result.command, step, &command); step++) {
		assert_int_equal(command.transfer_3d.box.z, step);
		assert_int_equal(command.transfer_3d.box.depth, 1);
		assert_int_equal(command.transfer_3d.offset, step * 256);
		assert_int_equal(command.hdr.ctx_id, CONTEXT_BASE);
	}
	assert_int_equal(step, 4);
	t.hdr.type = TO_HOST; /* that way the device moves them all */
	CHECK(t);
	assert_int_equal(result.series, SERIES_NONE);
}

static void a_flat_transfer_to_a_3d_resource_counts_its_own_bytes(void **state)
{
	struct virtio_gpu_create_3d c = texture(5, VIRGL_TARGET_BUFFER, 64, 1, 1);
	struct virtio_gpu_transfer_2d t = {
		{ .type = VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D }, { 0, 0, 64, 1 }, 0, 5, 0
	};

	(void)state;
	c.format = VIRGL_FORMAT_R8_UNORM;
	c.bind = VIRGL_BIND_VERTEX_BUFFER;
	made(&c);
	back(5, 64);
	CHECK(t);
	assert_int_equal(result.verdict, AUDIT_SUBMIT);
	t.offset = 1;
	CHECK(t);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
}

/* ---- streams ---- */

static void submit(u32 context, u32 size, u64 total)
{
	struct virtio_gpu_submit_3d c = { { .type = VIRTIO_GPU_CMD_SUBMIT_3D, .ctx_id = context },
					  size,
					  0 };

	audit_control(audit, &c, sizeof(c), total, &result);
}

/* The context fails when the answer is given: until then the command may be audited anew. */
static void refused_for_length(u32 context, u32 size, u64 total)
{
	u64 before = audit->counters.refused;

	submit(context, size, total);
	assert_int_equal(result.verdict, AUDIT_FAIL);
	assert_int_equal(result.answer, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	assert_int_equal(audit->counters.refused, before + 1);
}

static void a_stream_is_as_long_as_it_says(void **state)
{
	(void)state;
	ctx_create(7);
	submit(7, 64, 32 + 64);
	assert_int_equal(result.verdict, AUDIT_STREAM);
	assert_int_equal(result.stream_bytes, 64);
	submit(7, STREAM_BYTES_MAX, 32ULL + STREAM_BYTES_MAX);
	assert_int_equal(result.verdict, AUDIT_STREAM);
	refused_for_length(7, 64, 32 + 60);
	refused_for_length(7, 64, 32 + 68);
	refused_for_length(7, 62, 32 + 62);
	refused_for_length(7, STREAM_BYTES_MAX + 4, 36ULL + STREAM_BYTES_MAX);
	refused_for_length(7, 0xfffffffc, 32 + 0xfffffffcULL);
}

static void a_submit_that_is_cut_short_names_its_context_too(void **state)
{
	struct virtio_gpu_submit_3d c = { { .type = VIRTIO_GPU_CMD_SUBMIT_3D, .ctx_id = 7 }, 0, 0 };

	(void)state;
	ctx_create(7);
	for (u32 length = sizeof(c.hdr); length < sizeof(c); length++) {
		audit_control(audit, &c, length, length, &result);
		assert_int_equal(result.verdict, AUDIT_FAIL);
		assert_int_equal(result.context, 0);
	}
	audit_control(audit, &c, sizeof(c.hdr) - 1, sizeof(c.hdr) - 1, &result);
	expect(VIRTIO_GPU_RESP_ERR_UNSPEC);
}

static void a_stream_for_no_context_fails_none(void **state)
{
	(void)state;
	ctx_create(7);
	submit(8, 64, 32 + 60);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
}

static void a_failed_context_takes_no_more(void **state)
{
	(void)state;
	ctx_create(7);
	ctx_create(8);
	virgl_context_fail(&contexts->objects, 0);
	submit(7, 64, 32 + 64);
	expect(VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
	submit(8, 64, 32 + 64);
	assert_int_equal(result.verdict, AUDIT_STREAM);
}

#define RULE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(without_the_feature_no_3d_command_is_known),
		RULE(capsets_are_told_as_the_device_has_them),
		RULE(other_capsets_do_not_exist),
		RULE(a_context_gets_a_number_of_this_guests),
		RULE(a_guest_has_no_say_in_the_devices_log),
		RULE(context_0_is_never_a_guests),
		RULE(a_context_exists_once),
		RULE(a_number_is_taken_until_the_device_has_ended_its_context),
		RULE(contexts_come_to_an_end),
		RULE(context_init_was_not_offered),
		RULE(a_context_is_given_only_what_the_guest_has),
		RULE(a_texture_costs_all_its_levels_and_layers),
		RULE(an_id_of_the_device_is_not_used_again_soon),
		RULE(beyond_the_quota_is_out_of_memory_and_the_rest_stays),
		RULE(what_a_transfer_cannot_clear_is_not_made),
		RULE(every_level_and_face_of_a_new_cube_is_cleared),
		RULE(every_slice_of_a_new_volume_is_cleared),
		RULE(the_guests_own_memory_is_not_cleared),
		RULE(only_a_picture_can_be_shown),
		RULE(what_a_context_has_bound_goes_later),
		RULE(a_transfer_is_rewritten_for_the_device),
		RULE(layers_come_from_the_device_one_by_one),
		RULE(a_flat_transfer_to_a_3d_resource_counts_its_own_bytes),
		RULE(a_stream_is_as_long_as_it_says),
		RULE(a_submit_that_is_cut_short_names_its_context_too),
		RULE(a_stream_for_no_context_fails_none),
		RULE(a_failed_context_takes_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
