/* SPDX-License-Identifier: Apache-2.0 */
/* The audit of virgl streams: the walk, lengths, names of resources and objects. */
// SOURCES: gpu/virtio/virgl.c gpu/virtio/virgl_rules.c gpu/virtio/virgl_checks.c
// SOURCES: gpu/virtio/virgl_objects.c gpu/virtio/virgl_resource.c gpu/virtio/virgl_formats.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/virtio/virgl_rules.h"
#include "tests/unit/virgl_stream.h"

/* ---- the walk ---- */

static void an_empty_stream_is_done_at_once(void **state)
{
	(void)state;
	passes();
	assert_int_equal(audit.cut_count, 0);
}

static void a_command_may_end_exactly_at_the_end(void **state)
{
	(void)state;
	SAY(SET_BLEND_COLOR, 0, 0, 0, 0);
	passes();
	SAY(SET_BLEND_COLOR, 0, 0, 0, 0);
	used--;
	refused("command beyond the end of the stream");
	put(virgl_header(VIRGL_NOP, 0, 0xffff));
	refused("command beyond the end of the stream");
}

static void rubbish_behind_the_last_command_is_refused(void **state)
{
	(void)state;
	SAY(SET_BLEND_COLOR, 0, 0, 0, 0);
	put(0xef);
	refused("unknown command or object type");
	assert_int_equal(audit.at, 5);
	assert_int_equal(audit.opcode, 0xef);
}

static void unknown_commands_and_types_are_refused(void **state)
{
	(void)state;
	for (u32 opcode = 53; opcode < 256; opcode++) {
		put(opcode);
		refused("unknown command or object type");
		assert_string_equal(virgl_command_name(opcode), "unknown");
	}
	for (u32 type = 0; type < 256; type++) {
		if (type >= VIRGL_OBJECT_BLEND && type <= VIRGL_OBJECT_MSAA_SURFACE)
			continue;
		put_zeros(VIRGL_CREATE_OBJECT, type, 1);
		refused("unknown command or object type");
		put_zeros(VIRGL_BIND_OBJECT, type, 1);
		refused("unknown command or object type");
	}
	put_zeros(VIRGL_BIND_OBJECT, VIRGL_OBJECT_SURFACE, 1); /* not bound this way */
	refused("unknown command or object type");
}

static void what_is_not_offered_is_refused(void **state)
{
	static const u32 opcodes[] = { VIRGL_LAUNCH_GRID,
				       VIRGL_SET_DEBUG_FLAGS,
				       VIRGL_GET_QUERY_RESULT_QBO,
				       VIRGL_PIPE_RESOURCE_CREATE,
				       VIRGL_PIPE_RESOURCE_SET_TYPE,
				       VIRGL_GET_MEMORY_INFO };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(opcodes); i++) {
		put_zeros(opcodes[i], 0, 11);
		assert_int_equal(verdict_with(NULL), VIRGL_REFUSED);
		assert_string_equal(audit.why, virgl_rule_of(opcodes[i])->refused);
		used = 0;
	}
	CREATE(MSAA_SURFACE, 20, WORLD_COLOR, BGRA, 0, 0, 4);
	refused("multisampling is not offered");
	put_zeros(VIRGL_DRAW_VBO, 0, 20);
	refused("indirect draws are not offered");
}

static void a_refusal_says_where_and_what(void **state)
{
	(void)state;
	SAY(SET_BLEND_COLOR, 0, 0, 0, 0);
	CREATE(SURFACE, 20, NOBODY, BGRA, 0, 0);
	refused("no such resource of this guest");
	assert_int_equal(audit.at, 5);
	assert_int_equal(audit.opcode, VIRGL_CREATE_OBJECT);
	assert_int_equal(audit.object_type, VIRGL_OBJECT_SURFACE);
	assert_string_equal(virgl_command_name(audit.opcode), "CREATE_OBJECT");
	assert_string_equal(virgl_object_name(audit.object_type), "SURFACE");
	assert_string_equal(virgl_object_name(0), "");
	assert_int_equal(virgl_audit_step(&audit, 1), VIRGL_REFUSED);
}

static void every_command_has_its_name(void **state)
{
	(void)state;
	assert_string_equal(virgl_command_name(VIRGL_DRAW_VBO), "DRAW_VBO");
	assert_string_equal(virgl_command_name(VIRGL_BIND_OBJECT), "BIND_OBJECT");
	for (u32 opcode = 0; opcode <= VIRGL_LINK_SHADER; opcode++)
		assert_string_not_equal(virgl_command_name(opcode), "unknown");
	assert_string_equal(virgl_command_name(256 + VIRGL_DRAW_VBO), "unknown");
}

static void a_step_is_bounded_and_the_next_goes_on(void **state)
{
	(void)state;
	for (u32 i = 0; i < 100; i++)
		SAY(SET_BLEND_COLOR, 0, 0, 0, 0);
	virgl_audit_start(&audit, objects, 3, stream, used, &names, NULL);
	assert_int_equal(virgl_audit_step(&audit, 0), VIRGL_MORE);
	assert_int_equal(audit.at, 5);
	assert_int_equal(virgl_audit_step(&audit, 10), VIRGL_MORE);
	assert_int_equal(audit.at, 5 + 10);
	assert_int_equal(virgl_audit_step(&audit, 11), VIRGL_MORE);
	assert_int_equal(audit.at, 5 + 10 + 15);
	assert_int_equal(virgl_audit_step(&audit, 1000), VIRGL_DONE);
	assert_int_equal(virgl_audit_step(&audit, 1000), VIRGL_DONE);
	assert_int_equal(audit.total.commands, 100);
}

static void a_context_that_failed_or_is_not_there_says_nothing_more(void **state)
{
	(void)state;
	put(0);
	virgl_audit_start(&audit, objects, 4, stream, used, &names, NULL);
	assert_int_equal(virgl_audit_step(&audit, 64), VIRGL_REFUSED);
	assert_string_equal(audit.why, "no such context");
	virgl_audit_start(&audit, objects, 0xffffffff, stream, used, &names, NULL);
	assert_int_equal(virgl_audit_step(&audit, 64), VIRGL_REFUSED);
	virgl_context_fail(objects, 3);
	refused("the context has failed before");
}

static void dwords_behind_the_stream_are_left_alone(void **state)
{
	(void)state;
	SAY(SET_INDEX_BUFFER, WORLD_INDICES, 2, 0);
	stream[used] = WORLD_INDICES;
	passes();
	assert_int_equal(stream[1], WORLD_HOST + WORLD_INDICES);
	assert_int_equal(stream[4], WORLD_INDICES);
}

/* ---- lengths, by the table and by the protocol ---- */

static bool is_about_length(const char *why)
{
	static const char *const reasons[] = { "command too short", "command too long",
					       "not a whole number of elements",
					       "too many elements" };

	for (u32 i = 0; why && i < ARRAY_SIZE(reasons); i++)
		if (!strcmp(why, reasons[i]))
			return true;
	return false;
}

static void expect_length(u32 header, u32 length, bool good)
{
	put_zeros(virgl_opcode(header), virgl_header_type(header), length);
	if (virgl_opcode(header) == VIRGL_CREATE_OBJECT && length)
		stream[1] = 77;
	(void)verdict_with(NULL);
	assert_int_equal(is_about_length(audit.why), !good);
	used = 0;
}

static void try_lengths(u32 header)
{
	const struct virgl_rule *rule = virgl_rule_of(header);
	u32 most;

	if (!rule || rule->refused)
		return;
	most = rule->least + rule->step * rule->most;
	expect_length(header, rule->least, true);
	if (rule->least)
		expect_length(header, rule->least - 1U, false);
	if (most < 0xffff) {
		expect_length(header, most, true);
		expect_length(header, most + (rule->step ? rule->step : 1U), false);
	}
	if (rule->step > 1)
		expect_length(header, rule->least + 1U, false);
}

static void every_rule_holds_its_lengths_from_both_sides(void **state)
{
	(void)state;
	for (u32 opcode = 0; opcode < 256; opcode++)
		for (u32 type = 0; type < VIRGL_OBJECT_TYPES; type++)
			try_lengths(virgl_header(opcode, type, 0));
}

struct fixed {
	u8 opcode, length;
};

static void lengths_are_the_protocols(void **state)
{
	/* From virgl_protocol.h's sizes, not from the table. */
	static const struct fixed all[] = {
		{ VIRGL_DESTROY_OBJECT, 1 },
		{ VIRGL_CLEAR, 8 },
		{ VIRGL_SET_STENCIL_REF, 1 },
		{ VIRGL_SET_BLEND_COLOR, 4 },
		{ VIRGL_BLIT, 21 },
		{ VIRGL_RESOURCE_COPY_REGION, 13 },
		{ VIRGL_BEGIN_QUERY, 1 },
		{ VIRGL_END_QUERY, 1 },
		{ VIRGL_GET_QUERY_RESULT, 2 },
		{ VIRGL_SET_POLYGON_STIPPLE, 32 },
		{ VIRGL_SET_CLIP_STATE, 32 },
		{ VIRGL_SET_SAMPLE_MASK, 1 },
		{ VIRGL_SET_RENDER_CONDITION, 3 },
		{ VIRGL_SET_UNIFORM_BUFFER, 5 },
		{ VIRGL_SET_SUB_CTX, 1 },
		{ VIRGL_CREATE_SUB_CTX, 1 },
		{ VIRGL_DESTROY_SUB_CTX, 1 },
		{ VIRGL_BIND_SHADER, 2 },
		{ VIRGL_SET_TESS_STATE, 6 },
		{ VIRGL_SET_MIN_SAMPLES, 1 },
		{ VIRGL_MEMORY_BARRIER, 1 },
		{ VIRGL_SET_FRAMEBUFFER_STATE_NO_ATTACH, 2 },
		{ VIRGL_TEXTURE_BARRIER, 1 },
		{ VIRGL_TRANSFER3D, 13 },
		{ VIRGL_COPY_TRANSFER3D, 14 },
		{ VIRGL_SET_TWEAKS, 2 },
		{ VIRGL_CLEAR_TEXTURE, 12 },
		{ VIRGL_LINK_SHADER, 6 },
	};
	static const struct fixed made[] = {
		{ VIRGL_OBJECT_BLEND, 11 },	   { VIRGL_OBJECT_RASTERIZER, 9 },
		{ VIRGL_OBJECT_DSA, 5 },	   { VIRGL_OBJECT_SAMPLER_VIEW, 6 },
		{ VIRGL_OBJECT_SAMPLER_STATE, 9 }, { VIRGL_OBJECT_SURFACE, 5 },
		{ VIRGL_OBJECT_QUERY, 4 },	   { VIRGL_OBJECT_STREAMOUT_TARGET, 4 },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(all); i++)
		for (u32 length = 0; length < 40; length++)
			expect_length(all[i].opcode, length, length == all[i].length);
	for (u32 i = 0; i < ARRAY_SIZE(made); i++)
		for (u32 length = 0; length < 40; length++)
			expect_length(virgl_header(VIRGL_CREATE_OBJECT, made[i].opcode, 0), length,
				      length == made[i].length);
}

/* ---- resources ---- */

static void the_guests_ids_become_the_devices(void **state)
{
	(void)state;
	SAY(SET_VERTEX_BUFFERS, 16, 0, WORLD_VERTICES, 0, 0, 0, 8, 65536, WORLD_STORAGE);
	SAY(RESOURCE_COPY_REGION, WORLD_STORAGE, 0, 0, 0, 0, WORLD_VERTICES, 0, 0, 0, 0, 64, 1, 1);
	passes();
	assert_int_equal(stream[3], WORLD_HOST + WORLD_VERTICES);
	assert_int_equal(stream[6], 0);
	assert_int_equal(stream[9], WORLD_HOST + WORLD_STORAGE);
	assert_int_equal(stream[11], WORLD_HOST + WORLD_STORAGE);
	assert_int_equal(stream[16], WORLD_HOST + WORLD_VERTICES);
}

static void an_id_of_nobody_is_refused_wherever_it_stands(void **state)
{
	(void)state;
	SAY(SET_VERTEX_BUFFERS, 16, 0, WORLD_VERTICES, 16, 0, NOBODY);
	refused("no such resource of this guest");
	SAY(SET_VERTEX_BUFFERS, 16, 0, WORLD_HOST + WORLD_VERTICES);
	refused("no such resource of this guest");
	SAY(SET_INDEX_BUFFER, NOBODY, 2, 0);
	refused("no such resource of this guest");
	SAY(BLIT, 0, 0, 0, WORLD_COLOR, 0, BGRA, 0, 0, 0, 1, 1, 1, NOBODY, 0, BGRA, 0, 0, 0, 1, 1,
	    1);
	refused("no such resource of this guest");
	SAY(COPY_TRANSFER3D, WORLD_COLOR, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, NOBODY, 0, 1);
	refused("no such resource of this guest");
	CREATE(STREAMOUT_TARGET, 5, NOBODY, 0, 16);
	refused("no such resource of this guest");
	CREATE(QUERY, 5, 0, 0, 0);
	refused("no such resource of this guest");
}

/*
 * The renderer hands a resource's GL number on without a look at its kind, and
 * the texture of that number may be another guest's.
 */
static void a_buffer_is_not_taken_for_a_texture(void **state)
{
	(void)state;
	SAY(CLEAR_TEXTURE, WORLD_VERTICES, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0);
	refused("a resource of another kind");
	CREATE(SURFACE, 20, WORLD_VERTICES, 64, 0, 0);
	refused("a resource of another kind");
	CREATE(SAMPLER_VIEW, 20, WORLD_TEXELS, 64 | VIRGL_TARGET_2D << 24, 0, 0, 0);
	refused("a buffer is no texture");
	SAY(BLIT, 0, 0, 0, WORLD_COLOR, 0, BGRA, 0, 0, 0, 1, 1, 1, WORLD_TEXELS, 0, 64, 0, 0, 0, 1,
	    1, 1);
	refused("a resource of another kind");
	SAY(RESOURCE_COPY_REGION, WORLD_COLOR, 0, 0, 0, 0, WORLD_VERTICES, 0, 0, 0, 0, 1, 1, 1);
	refused("a buffer is no texture");
}

static void a_texture_is_not_taken_for_a_buffer(void **state)
{
	(void)state;
	SAY(SET_VERTEX_BUFFERS, 16, 0, WORLD_COLOR);
	refused("a resource of another kind");
	SAY(SET_INDEX_BUFFER, WORLD_COLOR, 2, 0);
	refused("a resource of another kind");
	SAY(SET_UNIFORM_BUFFER, 0, 0, 0, 16, WORLD_COLOR);
	refused("a resource of another kind");
	SAY(SET_SHADER_BUFFERS, 0, 0, 0, 16, WORLD_COLOR);
	refused("a resource of another kind");
	SAY(SET_ATOMIC_BUFFERS, 0, 0, 16, WORLD_COLOR);
	refused("a resource of another kind");
	CREATE(STREAMOUT_TARGET, 5, WORLD_COLOR, 0, 16);
	refused("a resource of another kind");
	CREATE(QUERY, 5, 0, 0, WORLD_COLOR);
	refused("a resource of another kind");
}

/* They have number 0 at GL, which means memory of the renderer's process. */
static void a_buffer_in_guest_memory_is_none_of_gls(void **state)
{
	(void)state;
	SAY(SET_VERTEX_BUFFERS, 16, 0, WORLD_STAGING);
	refused("a resource of another kind");
	SAY(SET_INDEX_BUFFER, WORLD_RESULTS, 2, 0);
	refused("a resource of another kind");
	SAY(SET_SHADER_IMAGES, 1, 0, 64, 1, 0, 16, WORLD_STAGING);
	refused("a resource of another kind");
	CREATE(SAMPLER_VIEW, 20, WORLD_STAGING, 64, 0, 0, 0);
	refused("a resource of another kind");
}

static void spans_lie_in_their_buffer(void **state)
{
	(void)state;
	SAY(SET_VERTEX_BUFFERS, 16, 65537, WORLD_VERTICES);
	refused("beyond the end of the buffer");
	SAY(SET_INDEX_BUFFER, WORLD_INDICES, 2, 65537);
	refused("beyond the end of the buffer");
	SAY(SET_INDEX_BUFFER, WORLD_INDICES, 3, 0);
	refused("size of an index");
	SAY(SET_UNIFORM_BUFFER, 0, 0, 65520, 16, WORLD_UNIFORMS);
	SAY(SET_SHADER_BUFFERS, 1, 0, 65520, 16, WORLD_STORAGE, 0, 0, 0);
	SAY(SET_ATOMIC_BUFFERS, 0, 65520, 16, WORLD_STORAGE);
	CREATE(STREAMOUT_TARGET, 5, WORLD_FEEDBACK, 65520, 16);
	CREATE(SAMPLER_VIEW, 6, WORLD_TEXELS, 67, 0, 16383, 0);
	SAY(SET_SHADER_IMAGES, 1, 0, 67, 3, 65520, 16, WORLD_TEXELS);
	passes();
	SAY(SET_UNIFORM_BUFFER, 0, 0, 65520, 17, WORLD_UNIFORMS);
	refused("beyond the end of the buffer");
	SAY(SET_UNIFORM_BUFFER, 0, 0, 16, 0xfffffff8, WORLD_UNIFORMS);
	refused("beyond the end of the buffer");
	SAY(SET_SHADER_BUFFERS, 1, 0, 65521, 16, WORLD_STORAGE);
	refused("beyond the end of the buffer");
	SAY(SET_ATOMIC_BUFFERS, 0, 65521, 16, WORLD_STORAGE);
	refused("beyond the end of the buffer");
	CREATE(STREAMOUT_TARGET, 5, WORLD_FEEDBACK, 65521, 16);
	refused("beyond the end of the buffer");
	CREATE(SAMPLER_VIEW, 6, WORLD_TEXELS, 67, 0, 16384, 0);
	refused("beyond the end of the buffer");
	CREATE(SAMPLER_VIEW, 6, WORLD_TEXELS, 67, 0, 0xffffffff, 0);
	refused("beyond the end of the buffer");
	CREATE(SAMPLER_VIEW, 6, WORLD_TEXELS, 67, 2, 1, 0);
	refused("beyond the end of the buffer");
	SAY(SET_SHADER_IMAGES, 1, 0, 67, 3, 65521, 16, WORLD_TEXELS);
	refused("beyond the end of the buffer");
}

static void slots_lie_in_the_renderers_arrays(void **state)
{
	(void)state;
	SAY(SET_SAMPLER_VIEWS, 1, 127, 0);
	SAY(BIND_SAMPLER_STATES, 1, 31, 0);
	SAY(SET_SCISSOR_STATE, 15, 0, 0);
	SAY(SET_SHADER_BUFFERS, 5, 31, 0, 0, 0);
	SAY(SET_SHADER_IMAGES, 5, 31, 0, 0, 0, 0, 0);
	SAY(SET_ATOMIC_BUFFERS, 31, 0, 0, 0);
	SAY(SET_UNIFORM_BUFFER, 5, 31, 0, 0, 0);
	passes();
	SAY(SET_SAMPLER_VIEWS, 1, 128, 0);
	refused("slots beyond the array");
	SAY(SET_SAMPLER_VIEWS, 1, 0xffffffff, 0);
	refused("slots beyond the array");
	SAY(BIND_SAMPLER_STATES, 1, 32, 0);
	refused("slots beyond the array");
	SAY(SET_VIEWPORT_STATE, 16, 0, 0, 0, 0, 0, 0);
	refused("slots beyond the array");
	SAY(SET_SCISSOR_STATE, 16, 0, 0);
	refused("slots beyond the array");
	SAY(SET_SHADER_BUFFERS, 0, 32, 0, 0, 0);
	refused("slots beyond the array");
	SAY(SET_SHADER_IMAGES, 0, 31, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	refused("slots beyond the array");
	SAY(SET_ATOMIC_BUFFERS, 31, 0, 0, 0, 0, 0, 0);
	refused("slots beyond the array");
	SAY(SET_UNIFORM_BUFFER, 0, 32, 0, 0, 0);
	refused("slots beyond the array");
}

static void stages_are_known(void **state)
{
	(void)state;
	SAY(SET_SAMPLER_VIEWS, 6, 0, 0);
	refused("unknown shader stage");
	SAY(BIND_SAMPLER_STATES, 6, 0, 0);
	refused("unknown shader stage");
	SAY(SET_CONSTANT_BUFFER, 6, 0, 0);
	refused("unknown shader stage");
	SAY(SET_UNIFORM_BUFFER, 6, 0, 0, 0, 0);
	refused("unknown shader stage");
	SAY(SET_SHADER_BUFFERS, 6, 0, 0, 0, 0);
	refused("unknown shader stage");
	SAY(SET_SHADER_IMAGES, 6, 0, 0, 0, 0, 0, 0);
	refused("unknown shader stage");
	SAY(BIND_SHADER, 0, 5);
	refused("unknown shader stage");
}

static void layers_and_levels_lie_in_their_texture(void **state)
{
	(void)state;
	CREATE(SURFACE, 20, WORLD_CUBE, 67, 0, 0 | 5 << 16);
	CREATE(SURFACE, 21, WORLD_VOLUME, 67, 2, 3 | 3 << 16);
	CREATE(SAMPLER_VIEW, 22, WORLD_PICTURE, 67, 0, 0 | 8 << 8, 0);
	CREATE(SAMPLER_VIEW, 23, WORLD_VOLUME, 67 | VIRGL_TARGET_3D << 24, 15 << 16, 2 << 8, 0);
	SAY(SET_SHADER_IMAGES, 1, 0, 67, 2, 7 | 7 << 16, 0xabcd00, WORLD_ARRAY);
	passes();
	CREATE(SURFACE, 20, WORLD_CUBE, 67, 0, 6 | 6 << 16);
	refused("no such layer");
	CREATE(SURFACE, 20, WORLD_CUBE, 67, 0, 1);
	refused("no such layer");
	CREATE(SURFACE, 20, WORLD_VOLUME, 67, 2, 4 | 4 << 16);
	refused("no such layer");
	CREATE(SURFACE, 20, WORLD_VOLUME, 67, 3, 0);
	refused("no such level");
	CREATE(SAMPLER_VIEW, 22, WORLD_PICTURE, 67, 0, 9 << 8, 0);
	refused("no such level");
	CREATE(SAMPLER_VIEW, 22, WORLD_PICTURE, 67, 0, 2 | 1 << 8, 0);
	refused("no such level");
	CREATE(SAMPLER_VIEW, 22, WORLD_PICTURE, 67, 0, 1 << 16, 0);
	refused("no such level");
	CREATE(SAMPLER_VIEW, 22, WORLD_ARRAY, 67, 8 << 16, 0, 0);
	refused("no such layer");
	SAY(SET_SHADER_IMAGES, 1, 0, 67, 2, 8 | 8 << 16, 0, WORLD_ARRAY);
	refused("no such layer");
	SAY(SET_SHADER_IMAGES, 1, 0, 67, 2, 0, 1, WORLD_ARRAY);
	refused("no such level");
}

/* The renderer looks some of them up in a table without a look at the number. */
static void formats_are_known(void **state)
{
	(void)state;
	CREATE(SURFACE, 20, WORLD_COLOR, 0, 0, 0);
	refused("unknown format");
	CREATE(SURFACE, 20, WORLD_COLOR, 322, 0, 0);
	refused("unknown format");
	CREATE(SAMPLER_VIEW, 20, WORLD_COLOR, 322, 0, 0, 0);
	refused("unknown format or target");
	CREATE(SAMPLER_VIEW, 20, WORLD_COLOR, BGRA | VIRGL_TARGETS << 24, 0, 0, 0);
	refused("unknown format or target");
	SAY(SET_SHADER_IMAGES, 1, 0, 0xffffffff, 3, 0, 0, WORLD_COLOR);
	refused("unknown format");
	SAY(SET_SHADER_IMAGES, 1, 0, 67, 0, 0, 0, WORLD_COLOR);
	refused("unknown access");
	SAY(SET_SHADER_IMAGES, 1, 0, 67, 19, 0, 0, WORLD_COLOR);
	refused("unknown access");
}

static void results_of_a_query_have_room(void **state)
{
	(void)state;
	CREATE(QUERY, 5, 1, 0, WORLD_RESULTS); /* has exactly 16 bytes */
	SAY(BEGIN_QUERY, 5);
	SAY(END_QUERY, 5);
	SAY(GET_QUERY_RESULT, 5, 0);
	SAY(SET_RENDER_CONDITION, 5, 1, 3);
	SAY(SET_RENDER_CONDITION, 0, 0, 0);
	passes();
	CREATE(QUERY, 5, 1, 1, WORLD_RESULTS);
	refused("beyond the end of the buffer");
	CREATE(QUERY, 5, 13, 0, WORLD_RESULTS);
	refused("unknown query");
	CREATE(QUERY, 5, 1, 0, WORLD_VERTICES);
	refused("a resource of another kind");
}

/* ---- objects ---- */

static void an_object_needs_a_handle(void **state)
{
	(void)state;
	put_zeros(VIRGL_CREATE_OBJECT, VIRGL_OBJECT_BLEND, 11);
	refused("object without a handle");
}

static void an_object_is_bound_as_what_it_is(void **state)
{
	(void)state;
	CREATE(DSA, 7, 0, 0, 0, 0);
	BIND(DSA, 7);
	BIND(BLEND, 0);
	passes();
	BIND(BLEND, 7);
	refused("an object of another type");
	BIND(BLEND, 8);
	refused("no such object");
	SAY(SET_FRAMEBUFFER_STATE, 1, 0, 7);
	refused("an object of another type");
	SAY(SET_SAMPLER_VIEWS, 1, 0, 0, 7);
	refused("an object of another type");
	SAY(BIND_SAMPLER_STATES, 1, 0, 7);
	refused("an object of another type");
	SAY(SET_STREAMOUT_TARGETS, 0, 7);
	refused("an object of another type");
	SAY(BEGIN_QUERY, 7);
	refused("an object of another type");
	SAY(BEGIN_QUERY, 0);
	refused("no object");
	SAY(SET_RENDER_CONDITION, 7, 0, 0);
	refused("an object of another type");
}

static void destroying_ends_an_object_and_is_harmless_twice(void **state)
{
	(void)state;
	CREATE(DSA, 7, 0, 0, 0, 0);
	SAY(DESTROY_OBJECT, 7);
	SAY(DESTROY_OBJECT, 7);
	passes();
	BIND(DSA, 7);
	refused("no such object");
}

/* The renderer keeps a bare pointer to these two kinds while they are bound. */
static void a_bound_object_stays(void **state)
{
	(void)state;
	CREATE(DSA, 7, 0, 0, 0, 0);
	CREATE(DSA, 17, 0, 0, 0, 0);
	CREATE(SAMPLER_STATE, 8, 0, 0, 0, 0, 0, 0, 0, 0);
	BIND(DSA, 7);
	SAY(BIND_SAMPLER_STATES, 1, 3, 8, 8);
	SAY(BIND_SAMPLER_STATES, 1, 3, 0);
	passes();
	assert_false(virgl_is_bound(objects, 8)); /* that asks for resources */
	SAY(DESTROY_OBJECT, 7);
	SAY(DESTROY_OBJECT, 8);
	SAY(DESTROY_OBJECT, 17);
	passes();
	assert_int_equal(stream[0], virgl_header(VIRGL_NOP, 0, 1));
	assert_int_equal(stream[2], virgl_header(VIRGL_NOP, 0, 1));
	assert_int_equal(stream[4], virgl_header(VIRGL_DESTROY_OBJECT, 0, 1));
	CREATE(DSA, 8, 0, 0, 0, 0);
	refused("an object in use is replaced");
	SAY(BIND_SAMPLER_STATES, 1, 4, 0);
	BIND(DSA, 0);
	SAY(DESTROY_OBJECT, 7);
	SAY(DESTROY_OBJECT, 8);
	passes();
	assert_int_equal(stream[6], virgl_header(VIRGL_DESTROY_OBJECT, 0, 1));
	assert_int_equal(stream[8], virgl_header(VIRGL_DESTROY_OBJECT, 0, 1));
}

/* So does Mesa of the query that draws depend on; of a second one GL takes no notice. */
static void the_query_of_a_condition_stays(void **state)
{
	(void)state;
	CREATE(QUERY, 7, 0, 0, WORLD_RESULTS);
	CREATE(QUERY, 8, 0, 0, WORLD_RESULTS);
	SAY(SET_RENDER_CONDITION, 7, 0, 0);
	passes();
	SAY(SET_RENDER_CONDITION, 8, 0, 0);
	SAY(DESTROY_OBJECT, 7);
	SAY(DESTROY_OBJECT, 8);
	passes();
	assert_int_equal(stream[0], virgl_header(VIRGL_NOP, 0, 3));
	assert_int_equal(stream[4], virgl_header(VIRGL_NOP, 0, 1));
	assert_int_equal(stream[6], virgl_header(VIRGL_DESTROY_OBJECT, 0, 1));
	CREATE(QUERY, 7, 0, 0, WORLD_RESULTS);
	refused("an object in use is replaced");
	SAY(SET_RENDER_CONDITION, 0, 0, 0);
	SAY(DESTROY_OBJECT, 7);
	passes();
	assert_int_equal(stream[4], virgl_header(VIRGL_DESTROY_OBJECT, 0, 1));
}

/* The renderer asserts that GL has names for them. */
static void what_gl_has_no_name_for_is_refused(void **state)
{
	const u32 good = 1 | 0 << 1 | 3 << 4 | 19U << 9 | 4 << 14 | 26 << 17 | 17 << 22;

	(void)state;
	CREATE(BLEND, 7, 0, 0, good, 0, 0, 0, 0, 0, 0, good);
	CREATE(BLEND, 8, 0, 0, 0x7ffffffe & ~(31U << 22) & ~(16U << 17), 0xfffffffe, 0, 0, 0, 0, 0,
	       0);
	CREATE(RASTERIZER, 9, 2 << 10 | 2 << 12, 0, 0, 0, 0, 0, 0, 0);
	CREATE(SAMPLER_VIEW, 10, WORLD_PICTURE, 67, 0, 0, 5 | 4 << 3 | 3 << 6 | 2 << 9);
	passes();
	CREATE(BLEND, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, good | 5 << 1);
	refused("unknown blending");
	CREATE(BLEND, 7, 0, 0, (good & ~(7U << 14)) | 5 << 14, 0, 0, 0, 0, 0, 0, 0);
	refused("unknown blending");
	for (u32 factor = 0; factor < 32; factor++) {
		if ((factor >= 1 && factor <= 10) || (factor >= 17 && factor != 22 && factor <= 26))
			continue;
		for (u32 i = 0; i < 4; i++) {
			u32 at = (u32[]){ 4, 9, 17, 22 }[i];

			CREATE(BLEND, 7, 0, 0, (good & ~(31U << at)) | factor << at, 0, 0, 0, 0, 0,
			       0, 0);
			refused("unknown blending");
		}
	}
	CREATE(BLEND, 7, 0, 0, 16 << 17, 0, 0, 0, 0, 0, 0, 0); /* no such advanced mode */
	refused("unknown blending");
	CREATE(RASTERIZER, 9, 3 << 10, 0, 0, 0, 0, 0, 0, 0);
	refused("unknown fill mode");
	CREATE(RASTERIZER, 9, 3 << 12, 0, 0, 0, 0, 0, 0, 0);
	refused("unknown fill mode");
	for (u32 i = 0; i < 4; i++) {
		CREATE(SAMPLER_VIEW, 10, WORLD_PICTURE, 67, 0, 0, 6U << 3 * i);
		refused("unknown swizzle");
	}
}

static void objects_are_of_the_current_sub_context(void **state)
{
	(void)state;
	CREATE(DSA, 7, 0, 0, 0, 0);
	SAY(CREATE_SUB_CTX, 1);
	SAY(SET_SUB_CTX, 1);
	passes();
	BIND(DSA, 7);
	refused("no such object");
	SAY(SET_SUB_CTX, 0);
	BIND(DSA, 7);
	passes();
	SAY(SET_SUB_CTX, 2);
	refused("no such sub-context");
	SAY(DESTROY_SUB_CTX, 0);
	refused("no such sub-context");
	SAY(DESTROY_SUB_CTX, 1);
	passes();
	SAY(SET_SUB_CTX, 1);
	refused("no such sub-context");
}

static void a_new_sub_context_ends_a_piece(void **state)
{
	(void)state;
	SAY(CREATE_SUB_CTX, 1);
	SAY(CREATE_SUB_CTX, 1); /* is there already */
	SAY(SET_SUB_CTX, 1);
	passes();
	assert_int_equal(audit.cut_count, 2);
	assert_int_equal(audit.cuts[0].end, 2);
	assert_true(audit.cuts[0].new_sub);
	assert_int_equal(audit.cuts[1].end, 6);
	assert_false(audit.cuts[1].new_sub);
}

static void the_stream_of_constants_is_a_good_one(void **state)
{
	(void)state;
	virgl_fill_constants(stream);
	used = VIRGL_CONSTANTS_DWORDS;
	stream[used] = 0x1234;
	passes();
	assert_int_equal(audit.total.commands, 5);
	assert_int_equal(stream[VIRGL_CONSTANTS_DWORDS], 0x1234);
}

static void bare_bindings_are_remembered(void **state)
{
	(void)state;
	SAY(SET_UNIFORM_BUFFER, 1, 3, 0, 64, WORLD_UNIFORMS);
	SAY(SET_SHADER_BUFFERS, 1, 3, 0, 64, WORLD_STORAGE, 0, 64, WORLD_VERTICES);
	SAY(SET_ATOMIC_BUFFERS, 0, 0, 64, WORLD_FEEDBACK);
	SAY(SET_SHADER_IMAGES, 1, 3, 67, 3, 0, 0, WORLD_PICTURE);
	SAY(SET_INDEX_BUFFER, WORLD_INDICES, 2, 0); /* the renderer keeps a reference of this */
	passes();
	assert_true(virgl_is_bound(objects, WORLD_HOST + WORLD_UNIFORMS));
	assert_true(virgl_is_bound(objects, WORLD_HOST + WORLD_STORAGE));
	assert_true(virgl_is_bound(objects, WORLD_HOST + WORLD_VERTICES));
	assert_true(virgl_is_bound(objects, WORLD_HOST + WORLD_FEEDBACK));
	assert_true(virgl_is_bound(objects, WORLD_HOST + WORLD_PICTURE));
	assert_false(virgl_is_bound(objects, WORLD_HOST + WORLD_INDICES));
	SAY(SET_UNIFORM_BUFFER, 1, 3, 0, 0, 0);
	SAY(SET_SHADER_BUFFERS, 1, 4, 0, 0, 0);
	passes();
	assert_false(virgl_is_bound(objects, WORLD_HOST + WORLD_UNIFORMS));
	assert_true(virgl_is_bound(objects, WORLD_HOST + WORLD_STORAGE));
	assert_false(virgl_is_bound(objects, WORLD_HOST + WORLD_VERTICES));
	SAY(SET_CONSTANT_BUFFER, 1, 3);
	passes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STREAM_TEST(an_empty_stream_is_done_at_once),
		STREAM_TEST(a_command_may_end_exactly_at_the_end),
		STREAM_TEST(rubbish_behind_the_last_command_is_refused),
		STREAM_TEST(unknown_commands_and_types_are_refused),
		STREAM_TEST(what_is_not_offered_is_refused),
		STREAM_TEST(a_refusal_says_where_and_what),
		STREAM_TEST(every_command_has_its_name),
		STREAM_TEST(a_step_is_bounded_and_the_next_goes_on),
		STREAM_TEST(a_context_that_failed_or_is_not_there_says_nothing_more),
		STREAM_TEST(dwords_behind_the_stream_are_left_alone),
		STREAM_TEST(every_rule_holds_its_lengths_from_both_sides),
		STREAM_TEST(lengths_are_the_protocols),
		STREAM_TEST(the_guests_ids_become_the_devices),
		STREAM_TEST(an_id_of_nobody_is_refused_wherever_it_stands),
		STREAM_TEST(a_buffer_is_not_taken_for_a_texture),
		STREAM_TEST(a_texture_is_not_taken_for_a_buffer),
		STREAM_TEST(a_buffer_in_guest_memory_is_none_of_gls),
		STREAM_TEST(spans_lie_in_their_buffer),
		STREAM_TEST(slots_lie_in_the_renderers_arrays),
		STREAM_TEST(stages_are_known),
		STREAM_TEST(layers_and_levels_lie_in_their_texture),
		STREAM_TEST(formats_are_known),
		STREAM_TEST(results_of_a_query_have_room),
		STREAM_TEST(an_object_needs_a_handle),
		STREAM_TEST(an_object_is_bound_as_what_it_is),
		STREAM_TEST(destroying_ends_an_object_and_is_harmless_twice),
		STREAM_TEST(a_bound_object_stays),
		STREAM_TEST(the_query_of_a_condition_stays),
		STREAM_TEST(what_gl_has_no_name_for_is_refused),
		STREAM_TEST(objects_are_of_the_current_sub_context),
		STREAM_TEST(a_new_sub_context_ends_a_piece),
		STREAM_TEST(the_stream_of_constants_is_a_good_one),
		STREAM_TEST(bare_bindings_are_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
