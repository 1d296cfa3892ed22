/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest may say in a virgl stream, one rule for each command; see virgl_rules.h. */
#include "gpu/virtio/virgl_rules.h"

#include "gpu/virtio/virgl_proto.h"

#define RESOURCE(at, use)      VIRGL_RESOURCE(at, VIRGL_USE_##use)
#define RESOURCE_OR_0(at, use) (RESOURCE(at, use) | VIRGL_OR_ZERO)
#define OBJECT(at, type)       VIRGL_OBJECT(at, VIRGL_OBJECT_##type)
#define OBJECT_OR_0(at, type)  (OBJECT(at, type) | VIRGL_OR_ZERO)
#define EACH(at)	       (VIRGL_EACH | (at))
#define ANY_LENGTH	       .step = 1, .most = 0xffff

/*
 * CREATE_OBJECT by object type. Dword 1 is the handle, not 0; an object of the
 * same handle is replaced.
 */
static const struct virgl_rule create_rules[VIRGL_OBJECT_TYPES] = {
	[VIRGL_OBJECT_BLEND] = { "CREATE_OBJECT BLEND", .least = 11, .check = virgl_check_blend },
	[VIRGL_OBJECT_RASTERIZER] = { "CREATE_OBJECT RASTERIZER", .least = 9,
				      .check = virgl_check_rasterizer },
	[VIRGL_OBJECT_DSA] = { "CREATE_OBJECT DSA", .least = 5 },
	[VIRGL_OBJECT_SHADER] = { "CREATE_OBJECT SHADER", .least = 5, ANY_LENGTH,
				  .check = virgl_check_shader },
	[VIRGL_OBJECT_VERTEX_ELEMENTS] = { "CREATE_OBJECT VERTEX_ELEMENTS", .least = 1, .step = 4,
					   .most = VIRGL_ATTRIBS_MAX,
					   .check_group = virgl_check_element },
	[VIRGL_OBJECT_SAMPLER_VIEW] = { "CREATE_OBJECT SAMPLER_VIEW", .least = 6,
					.resources = { RESOURCE(VIRGL_AT_VIEW_RESOURCE, EITHER) },
					.check = virgl_check_view },
	[VIRGL_OBJECT_SAMPLER_STATE] = { "CREATE_OBJECT SAMPLER_STATE", .least = 9,
					 .check = virgl_check_sampler_state },
	[VIRGL_OBJECT_SURFACE] = { "CREATE_OBJECT SURFACE", .least = 5,
				   .resources = { RESOURCE(VIRGL_AT_SURFACE_RESOURCE, TEXTURE) },
				   .check = virgl_check_surface },
	[VIRGL_OBJECT_QUERY] = { "CREATE_OBJECT QUERY", .least = 4,
				 .resources = { RESOURCE(VIRGL_AT_QUERY_RESOURCE, RESULTS) },
				 .check = virgl_check_query },
	[VIRGL_OBJECT_STREAMOUT_TARGET] = { "CREATE_OBJECT STREAMOUT_TARGET", .least = 4,
					    .resources = { RESOURCE(VIRGL_AT_SO_RESOURCE, BUFFER) },
					    .check = virgl_check_so_target },
	[VIRGL_OBJECT_MSAA_SURFACE] = { "CREATE_OBJECT MSAA_SURFACE",
					.refused = "multisampling is not offered" },
};

/* BIND_OBJECT by object type: the object or 0. The other types have commands of their own. */
static const struct virgl_rule bind_rules[VIRGL_OBJECT_TYPES] = {
	[VIRGL_OBJECT_BLEND] = { "BIND_OBJECT BLEND", .least = 1,
				 .objects = { OBJECT_OR_0(1, BLEND) } },
	[VIRGL_OBJECT_RASTERIZER] = { "BIND_OBJECT RASTERIZER", .least = 1,
				      .objects = { OBJECT_OR_0(1, RASTERIZER) } },
	[VIRGL_OBJECT_DSA] = { "BIND_OBJECT DSA", .least = 1, .objects = { OBJECT_OR_0(1, DSA) },
			       .check = virgl_check_bind_dsa },
	[VIRGL_OBJECT_VERTEX_ELEMENTS] = { "BIND_OBJECT VERTEX_ELEMENTS", .least = 1,
					   .objects = { OBJECT_OR_0(1, VERTEX_ELEMENTS) },
					   .check = virgl_check_bind_elements },
};

static const struct virgl_rule rules[VIRGL_OPCODES] = {
	[VIRGL_NOP] = { "NOP", ANY_LENGTH },

	/* Objects, without the two above. */
	[VIRGL_DESTROY_OBJECT] = { "DESTROY_OBJECT", .least = 1, .check = virgl_check_destroy },

	/* Fixed-function state: numbers that bound no memory. */
	[VIRGL_SET_VIEWPORT_STATE] = { "SET_VIEWPORT_STATE", .least = 1, .step = 6,
				       .most = VIRGL_VIEWPORTS_MAX,
				       .check = virgl_check_viewports },
	[VIRGL_SET_SCISSOR_STATE] = { "SET_SCISSOR_STATE", .least = 1, .step = 2,
				      .most = VIRGL_VIEWPORTS_MAX, .check = virgl_check_viewports },
	[VIRGL_SET_STENCIL_REF] = { "SET_STENCIL_REF", .least = 1 },
	[VIRGL_SET_BLEND_COLOR] = { "SET_BLEND_COLOR", .least = 4 },
	[VIRGL_SET_POLYGON_STIPPLE] = { "SET_POLYGON_STIPPLE", .least = 32 },
	[VIRGL_SET_CLIP_STATE] = { "SET_CLIP_STATE", .least = 32 },
	[VIRGL_SET_SAMPLE_MASK] = { "SET_SAMPLE_MASK", .least = 1 },
	[VIRGL_SET_MIN_SAMPLES] = { "SET_MIN_SAMPLES", .least = 1 },
	[VIRGL_SET_TESS_STATE] = { "SET_TESS_STATE", .least = 6 },
	[VIRGL_MEMORY_BARRIER] = { "MEMORY_BARRIER", .least = 1 },
	[VIRGL_TEXTURE_BARRIER] = { "TEXTURE_BARRIER", .least = 1 },
	[VIRGL_SET_TWEAKS] = { "SET_TWEAKS", .least = 2, .check = virgl_check_tweak },
	[VIRGL_SEND_STRING_MARKER] = { "SEND_STRING_MARKER", .least = 2, ANY_LENGTH,
				       .check = virgl_check_marker },

	/* Where is drawn to: the number of colour buffers, depth, colours. */
	[VIRGL_SET_FRAMEBUFFER_STATE] = { "SET_FRAMEBUFFER_STATE", .least = 2, .step = 1,
					  .most = VIRGL_COLOR_BUFFERS_MAX,
					  .objects = { OBJECT_OR_0(2, SURFACE),
						       OBJECT_OR_0(EACH(0), SURFACE) },
					  .check = virgl_check_framebuffer },
	[VIRGL_SET_FRAMEBUFFER_STATE_NO_ATTACH] = { "SET_FRAMEBUFFER_STATE_NO_ATTACH", .least = 2,
						    .check = virgl_check_no_attach },

	/* What is drawn from. Each vertex buffer: stride, offset, resource. */
	[VIRGL_SET_VERTEX_BUFFERS] = { "SET_VERTEX_BUFFERS", .step = 3, .most = VIRGL_ATTRIBS_MAX,
				       .resources = { RESOURCE_OR_0(EACH(2), BUFFER) },
				       .check = virgl_check_vertex_buffers,
				       .check_group = virgl_check_vertex_buffer },
	/* Resource, and only with one: size of an index, offset. */
	[VIRGL_SET_INDEX_BUFFER] = { "SET_INDEX_BUFFER", .least = 1, .step = 2, .most = 1,
				     .resources = { RESOURCE_OR_0(1, BUFFER) },
				     .check = virgl_check_index_buffer },
	/* Stage, index, data. */
	[VIRGL_SET_CONSTANT_BUFFER] = { "SET_CONSTANT_BUFFER", .least = 2, ANY_LENGTH,
					.check = virgl_check_constants },
	/* Stage, index, offset, bytes, resource. */
	[VIRGL_SET_UNIFORM_BUFFER] = { "SET_UNIFORM_BUFFER", .least = 5,
				       .resources = { RESOURCE_OR_0(5, BUFFER) },
				       .check = virgl_check_uniform_buffer },
	/* Stage, first slot, then for each: offset, bytes, resource. */
	[VIRGL_SET_SHADER_BUFFERS] = { "SET_SHADER_BUFFERS", .least = 2, .step = 3,
				       .most = VIRGL_SHADER_BUFFERS_MAX,
				       .resources = { RESOURCE_OR_0(EACH(2), BUFFER) },
				       .check = virgl_check_shader_slots,
				       .check_group = virgl_check_shader_buffer },
	/* Stage, first slot, then for each: format, access, two dwords, resource. */
	[VIRGL_SET_SHADER_IMAGES] = { "SET_SHADER_IMAGES", .least = 2, .step = 5,
				      .most = VIRGL_SHADER_IMAGES_MAX,
				      .resources = { RESOURCE_OR_0(EACH(4), EITHER) },
				      .check = virgl_check_shader_slots,
				      .check_group = virgl_check_image },
	/* First slot, then for each: offset, bytes, resource. */
	[VIRGL_SET_ATOMIC_BUFFERS] = { "SET_ATOMIC_BUFFERS", .least = 1, .step = 3,
				       .most = VIRGL_ATOMIC_BUFFERS_MAX,
				       .resources = { RESOURCE_OR_0(EACH(2), BUFFER) },
				       .check = virgl_check_atomic_slots,
				       .check_group = virgl_check_atomic_buffer },
	/* Stage, first slot, objects. */
	[VIRGL_SET_SAMPLER_VIEWS] = { "SET_SAMPLER_VIEWS", .least = 2, .step = 1,
				      .most = VIRGL_SAMPLER_VIEWS_MAX,
				      .objects = { OBJECT_OR_0(EACH(0), SAMPLER_VIEW) },
				      .check = virgl_check_views },
	[VIRGL_BIND_SAMPLER_STATES] = { "BIND_SAMPLER_STATES", .least = 2, .step = 1,
					.most = VIRGL_SAMPLERS_MAX,
					.objects = { OBJECT_OR_0(EACH(0), SAMPLER_STATE) },
					.check = virgl_check_samplers,
					.check_group = virgl_check_sampler },
	/* Which to append to, objects. */
	[VIRGL_SET_STREAMOUT_TARGETS] = { "SET_STREAMOUT_TARGETS", .least = 1, .step = 1,
					  .most = VIRGL_SO_BUFFERS_MAX,
					  .objects = { OBJECT_OR_0(EACH(0), STREAMOUT_TARGET) } },

	/* Shaders. LINK_SHADER only hints: one object for each stage. */
	[VIRGL_BIND_SHADER] = { "BIND_SHADER", .least = 2, .objects = { OBJECT_OR_0(1, SHADER) },
				.check = virgl_check_bind_shader },
	[VIRGL_LINK_SHADER] = { "LINK_SHADER", .least = 6, .check = virgl_check_link_shader },

	/* Queries. */
	[VIRGL_BEGIN_QUERY] = { "BEGIN_QUERY", .least = 1, .objects = { OBJECT(1, QUERY) } },
	[VIRGL_END_QUERY] = { "END_QUERY", .least = 1, .objects = { OBJECT(1, QUERY) } },
	[VIRGL_GET_QUERY_RESULT] = { "GET_QUERY_RESULT", .least = 2,
				     .objects = { OBJECT(1, QUERY) } },
	[VIRGL_SET_RENDER_CONDITION] = { "SET_RENDER_CONDITION", .least = 3,
					 .objects = { OBJECT_OR_0(1, QUERY) },
					 .check = virgl_check_condition },

	/* Sub-contexts: a number that the guest picks. */
	[VIRGL_SET_SUB_CTX] = { "SET_SUB_CTX", .least = 1, .check = virgl_check_select_sub },
	[VIRGL_CREATE_SUB_CTX] = { "CREATE_SUB_CTX", .least = 1, .check = virgl_check_create_sub },
	[VIRGL_DESTROY_SUB_CTX] = { "DESTROY_SUB_CTX", .least = 1,
				    .check = virgl_check_destroy_sub },

	/* Work. */
	[VIRGL_CLEAR] = { "CLEAR", .least = 8, .check = virgl_check_clear },
	[VIRGL_DRAW_VBO] = { "DRAW_VBO", .least = VIRGL_DRAW_DWORDS, .step = 1,
			     .most = VIRGL_DRAW_INDIRECT_DWORDS - VIRGL_DRAW_DWORDS,
			     .check = virgl_check_draw },
	[VIRGL_CLEAR_TEXTURE] = { "CLEAR_TEXTURE", .least = 12,
				  .resources = { RESOURCE(VIRGL_AT_CLEAR_TEXTURE_RESOURCE,
							  TEXTURE) },
				  .check = virgl_check_clear_texture },
	[VIRGL_BLIT] = { "BLIT", .least = 21,
			 .resources = { RESOURCE(VIRGL_AT_BLIT_TO, TEXTURE),
					RESOURCE(VIRGL_AT_BLIT_FROM, TEXTURE) },
			 .check = virgl_check_blit },
	[VIRGL_RESOURCE_COPY_REGION] = { "RESOURCE_COPY_REGION", .least = 13,
					 .resources = { RESOURCE(VIRGL_AT_REGION_TO, EITHER),
							RESOURCE(VIRGL_AT_REGION_FROM, EITHER) },
					 .check = virgl_check_copy_region },

	/* Data: from the stream, from a resource's own backing, from another's. */
	[VIRGL_RESOURCE_INLINE_WRITE] = { "RESOURCE_INLINE_WRITE", .least = 12, ANY_LENGTH,
					  .resources = { RESOURCE(1, ANY) },
					  .check = virgl_check_inline_write },
	[VIRGL_TRANSFER3D] = { "TRANSFER3D", .least = 13, .resources = { RESOURCE(1, ANY) },
			       .check = virgl_check_transfer },
	[VIRGL_COPY_TRANSFER3D] = { "COPY_TRANSFER3D", .least = 14,
				    .resources = { RESOURCE(1, ANY),
						   RESOURCE(VIRGL_AT_COPY_MEMORY, ANY) },
				    .check = virgl_check_copy_transfer },
	[VIRGL_END_TRANSFERS] = { "END_TRANSFERS", ANY_LENGTH }, /* skips what is left of them */

	/* Not mediated. Mesa says none of them while the capability set does not offer it. */
	[VIRGL_LAUNCH_GRID] = { "LAUNCH_GRID", .refused = "compute is not offered" },
	[VIRGL_SET_DEBUG_FLAGS] = { "SET_DEBUG_FLAGS",
				    .refused = "the renderer's log is not a guest's" },
	/* Writes to the buffer whose number is the query's, where it does not know the query. */
	[VIRGL_GET_QUERY_RESULT_QBO] = { "GET_QUERY_RESULT_QBO",
					 .refused = "query buffers are not offered" },
	[VIRGL_PIPE_RESOURCE_CREATE] = { "PIPE_RESOURCE_CREATE", .refused = "needs blobs" },
	[VIRGL_PIPE_RESOURCE_SET_TYPE] = { "PIPE_RESOURCE_SET_TYPE", .refused = "needs blobs" },
	/* Writes to the first piece of the backing, without a look at whether there is one. */
	[VIRGL_GET_MEMORY_INFO] = { "GET_MEMORY_INFO",
				    .refused = "the renderer's memory is not a guest's" },
};

const struct virgl_rule *virgl_rule_of(u32 header)
{
	u32 opcode = virgl_opcode(header), type = virgl_header_type(header);
	const struct virgl_rule *rule;

	if (opcode >= VIRGL_OPCODES)
		return NULL;
	rule = &rules[opcode];
	if (opcode == VIRGL_CREATE_OBJECT || opcode == VIRGL_BIND_OBJECT) {
		if (type >= VIRGL_OBJECT_TYPES)
			return NULL;
		rule = opcode == VIRGL_CREATE_OBJECT ? &create_rules[type] : &bind_rules[type];
	}
	return rule->name ? rule : NULL;
}
