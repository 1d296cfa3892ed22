/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rule of virgl_rules.c cannot say in numbers: each function here looks
 * at one command whose length is right and whose resources and objects exist,
 * and returns why it is refused, or NULL.
 */
#include "gpu/virtio/virgl_formats.h"
#include "gpu/virtio/virgl_proto.h"
#include "gpu/virtio/virgl_rules.h"

/* GL cuts a blit to the pictures; further out than this is no honest one. */
#define BLIT_REACH 65536

static struct virgl_sub *sub_of(struct virgl_command *command)
{
	return virgl_sub_current(command->audit->objects, command->audit->context);
}

static const char *check_stage(u32 stage)
{
	return stage < VIRGL_STAGES ? NULL : "unknown shader stage";
}

/* [first, first + count) lies in an array of `size`. */
static const char *check_slots(u32 first, u32 count, u32 size)
{
	return count <= size && first <= size - count ? NULL : "slots beyond the array";
}

static const char *check_span(const struct virgl_resource *buffer, u32 offset, u32 bytes)
{
	return offset <= buffer->width && bytes <= buffer->width - offset
		       ? NULL
		       : "beyond the end of the buffer";
}

static bool format_is_known(u32 format)
{
	struct virgl_block block;

	return virgl_format_block(format, &block);
}

/* Layers or slices first..last of a level; they stand in one dword. */
static const char *check_layers(const struct virgl_resource *texture, u32 level, u32 layers)
{
	u32 first = layers & 0xffff, last = layers >> 16;
	struct virgl_box all;

	if (!virgl_level_box(texture, level, &all))
		return "no such level";
	return first <= last && last < all.d ? NULL : "no such layer";
}

/* ---- objects ---- */

/*
 * The renderer asserts that these are what GL has names for, and so ends with
 * the first that is not: blending, fill modes, swizzles.
 */
static bool is_factor(u32 factor)
{
	return (factor >= 1 && factor <= 10) || (factor >= 17 && factor <= 21) ||
	       (factor >= 23 && factor <= 26);
}

static bool blends_well(u32 target)
{
	u32 func = target >> 1 & 7, alpha_func = target >> 14 & 7;

	return func <= 4 && alpha_func <= 4 && is_factor(target >> 4 & 31) &&
	       is_factor(target >> 9 & 31) && is_factor(target >> 17 & 31) &&
	       is_factor(target >> 22 & 31);
}

const char *virgl_check_blend(struct virgl_command *command)
{
	const u32 *targets = &command->words[4];

	for (u32 i = 0; i < VIRGL_COLOR_BUFFERS_MAX; i++)
		if ((targets[i] & 1) && !blends_well(targets[i]))
			return "unknown blending";
	/* Without an alpha factor of the target, the source's is one of 15 advanced modes. */
	return targets[0] >> 22 & 31 || (targets[0] >> 17 & 31) <= 15 ? NULL : "unknown blending";
}

const char *virgl_check_rasterizer(struct virgl_command *command)
{
	u32 modes = command->words[2];

	return (modes >> 10 & 3) < 3 && (modes >> 12 & 3) < 3 ? NULL : "unknown fill mode";
}

static bool swizzles_well(u32 swizzle)
{
	for (u32 i = 0; i < 4; i++)
		if ((swizzle >> 3 * i & 7) > 5)
			return false;
	return true;
}

static const char *check_outputs(struct virgl_command *command, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		u32 output = command->words[VIRGL_AT_SHADER_OUTPUT + 2 * i];
		u32 component = output >> 8 & 3, components = output >> 10 & 7;

		if ((output & 0xff) >= VIRGL_SHADER_OUTPUTS_MAX || !components ||
		    component + components > 4 || (output >> 13 & 7) >= VIRGL_SO_BUFFERS_MAX)
			return "impossible stream output";
	}
	return NULL;
}

/* The renderer reads on to the next zero byte. */
static bool ends_with_zero(struct virgl_command *command)
{
	u32 last = command->words[command->length];

	return !(last & 0xff) || !(last & 0xff00) || !(last & 0xff0000) || !(last & 0xff000000);
}

/* `offset` says how long all of the text is. */
static const char *begin_shader(struct virgl_command *command, u32 bytes, u32 part)
{
	struct virgl_long_shader *pending = &sub_of(command)->shader;
	u32 whole = ALIGN_UP(bytes, 4U);

	if (pending->handle)
		return "a shader is not complete";
	if (!bytes || bytes > VIRGL_SHADER_BYTES_MAX || part > whole)
		return "length of a shader";
	command->object->stage = (u8)command->words[VIRGL_AT_SHADER_STAGE];
	if (part == whole)
		return ends_with_zero(command) ? NULL : "text of a shader without an end";
	*pending = (struct virgl_long_shader){
		.handle = command->words[VIRGL_AT_HANDLE],
		.stage = command->object->stage,
		.bytes = whole,
		.done = part,
	};
	return NULL;
}

/* `offset` says where in the text this part goes. */
static const char *continue_shader(struct virgl_command *command, u32 offset, u32 part)
{
	struct virgl_long_shader *pending = &sub_of(command)->shader;

	if (pending->handle != command->words[VIRGL_AT_HANDLE] ||
	    pending->stage != command->words[VIRGL_AT_SHADER_STAGE])
		return "part of a shader that was not begun";
	if (offset != pending->done || part > pending->bytes - pending->done ||
	    command->words[VIRGL_AT_SHADER_OUTPUTS])
		return "part of a shader in the wrong place";
	pending->done += part;
	if (pending->done < pending->bytes)
		return NULL;
	pending->handle = 0;
	return ends_with_zero(command) ? NULL : "text of a shader without an end";
}

const char *virgl_check_shader(struct virgl_command *command)
{
	const u32 *words = command->words;
	u32 outputs = words[VIRGL_AT_SHADER_OUTPUTS], offset = words[VIRGL_AT_SHADER_OFFSET];
	u32 text = VIRGL_AT_SHADER_TEXT + (outputs ? 4 + 2 * outputs : 0);
	const char *why;

	if (words[VIRGL_AT_SHADER_STAGE] >= VIRGL_STAGE_COMPUTE)
		return "unknown shader stage";
	if (outputs > VIRGL_SO_OUTPUTS_MAX || command->length < text)
		return "length of a shader";
	if (words[VIRGL_AT_SHADER_TOKENS] > VIRGL_SHADER_TOKENS_MAX)
		return "too many tokens";
	why = check_outputs(command, outputs);
	if (why)
		return why;
	if (offset & VIRGL_SHADER_LATER_PART)
		return continue_shader(command, offset & ~VIRGL_SHADER_LATER_PART,
				       (command->length - text + 1) * 4);
	return begin_shader(command, offset, (command->length - text + 1) * 4);
}

/* Offset, divisor, vertex buffer, format. The renderer leaked at a format that it did not know. */
const char *virgl_check_element(struct virgl_command *command, u32 index, const u32 *group,
				const struct virgl_resource *named)
{
	(void)index, (void)named;
	if (group[VIRGL_IN_ELEMENT_BUFFER] >= VIRGL_ATTRIBS_MAX)
		return "no such vertex buffer";
	command->object->slots |= 1U << group[VIRGL_IN_ELEMENT_BUFFER];
	return format_is_known(group[VIRGL_IN_ELEMENT_FORMAT]) ? NULL : "unknown format";
}

static const char *check_buffer_view(const struct virgl_resource *buffer, u32 format,
				     const u32 *words)
{
	u32 first = words[VIRGL_AT_VIEW_LAYERS], last = words[VIRGL_AT_VIEW_LEVELS];
	struct virgl_block block;

	if (!virgl_format_block(format, &block) || block.width != 1)
		return "unknown format";
	return first <= last && ((u64)last + 1) * block.bytes <= buffer->width
		       ? NULL
		       : "beyond the end of the buffer";
}

const char *virgl_check_view(struct virgl_command *command)
{
	const struct virgl_resource *resource = command->named[0];
	const u32 *words = command->words;
	u32 format = words[VIRGL_AT_VIEW_FORMAT] & 0xffffff;
	u32 target = words[VIRGL_AT_VIEW_FORMAT] >> 24;
	u32 levels = words[VIRGL_AT_VIEW_LEVELS];

	if (!format_is_known(format) || target >= VIRGL_TARGETS)
		return "unknown format or target";
	if (!swizzles_well(words[VIRGL_AT_VIEW_SWIZZLE]))
		return "unknown swizzle";
	if (virgl_is_buffer(resource))
		return target == VIRGL_TARGET_BUFFER ? check_buffer_view(resource, format, words)
						     : "a buffer is no texture";
	if (levels >> 16 || (levels & 0xff) > levels >> 8 || levels >> 8 > resource->last_level)
		return "no such level";
	return check_layers(resource, 0, words[VIRGL_AT_VIEW_LAYERS]);
}

/* Of four filters between levels three exist; the renderer ends the context at the fourth. */
const char *virgl_check_sampler_state(struct virgl_command *command)
{
	return (command->words[2] >> 11 & 3) < 3 ? NULL : "unknown filter";
}

const char *virgl_check_surface(struct virgl_command *command)
{
	const struct virgl_resource *texture = command->named[0];
	u32 level = command->words[VIRGL_AT_SURFACE_LEVEL];
	u32 layers = command->words[VIRGL_AT_SURFACE_LAYERS];
	const char *why = check_layers(texture, level, layers);
	struct virgl_box all;

	if (!why && !format_is_known(command->words[VIRGL_AT_SURFACE_FORMAT]))
		why = "unknown format";
	/* At most 2^32 - 1: all of a resource has no more pixels than that. */
	if (!why && virgl_level_box(texture, level, &all))
		command->object->pixels = all.w * all.h * ((layers >> 16) - (layers & 0xffff) + 1);
	return why;
}

/* The renderer writes a state of 16 bytes at the start of the buffer, however small that is. */
const char *virgl_check_query(struct virgl_command *command)
{
	if ((command->words[VIRGL_AT_QUERY_TYPE] & 0xffff) >= VIRGL_QUERY_TYPES)
		return "unknown query";
	return check_span(command->named[0], command->words[VIRGL_AT_QUERY_OFFSET],
			  VIRGL_QUERY_RESULT_BYTES);
}

const char *virgl_check_so_target(struct virgl_command *command)
{
	return check_span(command->named[0], command->words[VIRGL_AT_SO_OFFSET],
			  command->words[VIRGL_AT_SO_BYTES]);
}

/*
 * An object that is not there is none of anybody's: the renderer looks in this
 * sub-context only. One that it has a bare pointer to stays until the end of
 * the sub-context instead.
 */
const char *virgl_check_destroy(struct virgl_command *command)
{
	struct virgl_audit *audit = command->audit;
	u32 handle = command->words[VIRGL_AT_HANDLE];
	const struct virgl_object *object =
		virgl_object_find(audit->objects, audit->context, handle);

	if (virgl_is_unfinished(audit, handle))
		return "a shader is not complete";
	if (object && virgl_object_is_bound(audit->objects, audit->context, object))
		command->drop = true;
	else
		virgl_object_remove(audit->objects, audit->context, handle);
	return NULL;
}

/* ---- state ---- */

const char *virgl_check_bind_dsa(struct virgl_command *command)
{
	sub_of(command)->dsa = command->words[VIRGL_AT_HANDLE];
	return NULL;
}

const char *virgl_check_bind_elements(struct virgl_command *command)
{
	const struct virgl_object *elements = virgl_object_find(
		command->audit->objects, command->audit->context, command->words[VIRGL_AT_HANDLE]);

	sub_of(command)->slots = elements ? elements->slots : 0;
	return NULL;
}

static u32 pixels_of(struct virgl_command *command, u32 handle)
{
	const struct virgl_object *surface =
		virgl_object_find(command->audit->objects, command->audit->context, handle);

	return surface ? surface->pixels : 0;
}

/*
 * Runs before the colour surfaces were looked at; if one of them is refused,
 * the stream is, and with it the context.
 */
const char *virgl_check_framebuffer(struct virgl_command *command)
{
	u64 most = pixels_of(command, command->words[2]);

	if (command->words[1] != command->count)
		return "number of colour buffers";
	for (u32 i = 0; i < command->count; i++)
		most = MAX(most, pixels_of(command, command->words[3 + i]));
	sub_of(command)->pixels = most;
	return NULL;
}

/* Width and height, layers and samples: what a framebuffer without surfaces has. */
const char *virgl_check_no_attach(struct virgl_command *command)
{
	u32 width = command->words[1] & 0xffff, height = command->words[1] >> 16;
	u32 layers = command->words[2] & 0xffff, samples = command->words[2] >> 16;

	if (width > VIRGL_SIDE_MAX || height > VIRGL_SIDE_MAX || layers > VIRGL_LAYERS_MAX)
		return "size of a framebuffer";
	if (samples > 1)
		return "multisampling is not offered";
	sub_of(command)->default_pixels = (u64)width * height * MAX(layers, 1U);
	return NULL;
}

const char *virgl_check_viewports(struct virgl_command *command)
{
	return check_slots(command->words[1], command->count, VIRGL_VIEWPORTS_MAX);
}

static const char *check_staged_slots(struct virgl_command *command, u32 size)
{
	const char *why = check_stage(command->words[1]);

	return why ? why : check_slots(command->words[2], command->count, size);
}

const char *virgl_check_views(struct virgl_command *command)
{
	return check_staged_slots(command, VIRGL_SAMPLER_VIEWS_MAX);
}

const char *virgl_check_samplers(struct virgl_command *command)
{
	return check_staged_slots(command, VIRGL_SAMPLERS_MAX);
}

const char *virgl_check_sampler(struct virgl_command *command, u32 index, const u32 *group,
				const struct virgl_resource *named)
{
	(void)named;
	return virgl_bind_sampler(command->audit->objects, command->audit->context,
				  command->words[1], command->words[2] + index, *group)
		       ? "too many bindings"
		       : NULL;
}

_Static_assert(VIRGL_SHADER_BUFFERS_MAX == VIRGL_SHADER_IMAGES_MAX, "one check for both");

const char *virgl_check_shader_slots(struct virgl_command *command)
{
	return check_staged_slots(command, VIRGL_SHADER_BUFFERS_MAX);
}

const char *virgl_check_atomic_slots(struct virgl_command *command)
{
	return check_slots(command->words[1], command->count, VIRGL_ATOMIC_BUFFERS_MAX);
}

/* All of them are set: those that are not named are none any more. */
const char *virgl_check_vertex_buffers(struct virgl_command *command)
{
	sub_of(command)->buffers = 0;
	return NULL;
}

/* Stride, offset, resource. GL does not take a larger stride: what it has then is not known. */
const char *virgl_check_vertex_buffer(struct virgl_command *command, u32 index, const u32 *group,
				      const struct virgl_resource *named)
{
	if (!named)
		return NULL;
	if (group[0] > VIRGL_ATTRIB_STRIDE_MAX)
		return "stride of a vertex buffer";
	sub_of(command)->buffers |= 1U << index;
	return check_span(named, group[1], 0);
}

const char *virgl_check_index_buffer(struct virgl_command *command)
{
	const struct virgl_resource *buffer = command->named[0];
	u32 size = command->count ? command->words[2] : 0;

	if (!buffer)
		return NULL;
	if (size != 1 && size != 2 && size != 4)
		return "size of an index";
	return check_span(buffer, command->words[3], 0);
}

const char *virgl_check_constants(struct virgl_command *command)
{
	return check_stage(command->words[1]);
}

static const char *bind(struct virgl_command *command, enum virgl_binding_kind kind, u32 stage,
			u32 index, const struct virgl_resource *named)
{
	return virgl_bind(command->audit->objects, command->audit->context, kind, stage, index,
			  named ? named->host_id : 0)
		       ? "too many bindings"
		       : NULL;
}

const char *virgl_check_uniform_buffer(struct virgl_command *command)
{
	const struct virgl_resource *buffer = command->named[0];
	const char *why = check_stage(command->words[1]);

	if (!why)
		why = check_slots(command->words[2], 1, VIRGL_UNIFORM_BUFFERS_MAX);
	if (!why && buffer)
		why = check_span(buffer, command->words[3], command->words[4]);
	return why ? why
		   : bind(command, VIRGL_BINDING_UNIFORM, command->words[1], command->words[2],
			  buffer);
}

/* Offset, bytes, resource. */
const char *virgl_check_shader_buffer(struct virgl_command *command, u32 index, const u32 *group,
				      const struct virgl_resource *named)
{
	const char *why = named ? check_span(named, group[0], group[1]) : NULL;

	return why ? why
		   : bind(command, VIRGL_BINDING_SHADER_BUFFER, command->words[1],
			  command->words[2] + index, named);
}

const char *virgl_check_atomic_buffer(struct virgl_command *command, u32 index, const u32 *group,
				      const struct virgl_resource *named)
{
	const char *why = named ? check_span(named, group[0], group[1]) : NULL;

	return why ? why : bind(command, VIRGL_BINDING_ATOMIC, 0, command->words[1] + index, named);
}

/*
 * Format, access, then offset and bytes of a buffer or layers and level of a
 * texture. The renderer indexes a table with the format without a look.
 */
static const char *check_image(const u32 *group, const struct virgl_resource *image)
{
	struct virgl_block block;

	if (!virgl_format_block(group[0], &block) || block.width != 1)
		return "unknown format";
	if (!(group[1] & 3) || group[1] > 15)
		return "unknown access";
	/* Only 8 bits of the level are filled in. */
	return virgl_is_buffer(image) ? check_span(image, group[2], group[3])
				      : check_layers(image, group[3] & 0xff, group[2]);
}

const char *virgl_check_image(struct virgl_command *command, u32 index, const u32 *group,
			      const struct virgl_resource *named)
{
	const char *why = named ? check_image(group, named) : NULL;

	return why ? why
		   : bind(command, VIRGL_BINDING_IMAGE, command->words[1],
			  command->words[2] + index, named);
}

const char *virgl_check_bind_shader(struct virgl_command *command)
{
	struct virgl_audit *audit = command->audit;
	u32 handle = command->words[VIRGL_AT_HANDLE], stage = command->words[2];

	if (stage >= VIRGL_STAGE_COMPUTE)
		return "unknown shader stage";
	sub_of(command)->stages &= (u8) ~(1U << stage);
	if (!handle)
		return NULL;
	/* Drawing with a shader whose text is not there yet ends the renderer. */
	if (virgl_is_unfinished(audit, handle))
		return "a shader is not complete";
	if (virgl_object_find(audit->objects, audit->context, handle)->stage != stage)
		return "a shader of another stage";
	sub_of(command)->stages |= (u8)(1U << stage);
	return NULL;
}

/* A hint: the renderer passes over handles that it does not know. */
const char *virgl_check_link_shader(struct virgl_command *command)
{
	for (u32 stage = 0; stage < VIRGL_STAGES; stage++)
		if (virgl_is_unfinished(command->audit, command->words[1 + stage]))
			return "a shader is not complete";
	return NULL;
}

/*
 * Mesa keeps a bare pointer to the query and follows it at each draw and clear
 * until the condition ends. A second one before that GL does not take.
 */
const char *virgl_check_condition(struct virgl_command *command)
{
	struct virgl_sub *sub = sub_of(command);
	u32 handle = command->words[VIRGL_AT_HANDLE];

	if (command->words[3] >= 4)
		return "unknown condition";
	if (handle && sub->condition)
		command->drop = true;
	else
		sub->condition = handle;
	return NULL;
}

const char *virgl_check_tweak(struct virgl_command *command)
{
	return command->words[1] < VIRGL_TWEAKS ? NULL : "unknown tweak";
}

/* Bytes, then the text. */
const char *virgl_check_marker(struct virgl_command *command)
{
	return command->words[1] <= (command->length - 1) * 4 ? NULL : "length of a text";
}

const char *virgl_check_create_sub(struct virgl_command *command)
{
	return virgl_sub_create(command->audit->objects, command->audit->context, command->words[1])
		       ? "too many sub-contexts"
		       : NULL;
}

const char *virgl_check_select_sub(struct virgl_command *command)
{
	return virgl_sub_select(command->audit->objects, command->audit->context, command->words[1])
		       ? "no such sub-context"
		       : NULL;
}

const char *virgl_check_destroy_sub(struct virgl_command *command)
{
	return virgl_sub_destroy(command->audit->objects, command->audit->context,
				 command->words[1])
		       ? "no such sub-context"
		       : NULL;
}

/* ---- work ---- */

static u64 framebuffer_pixels(struct virgl_command *command)
{
	const struct virgl_sub *sub = sub_of(command);

	return sub->pixels ? sub->pixels : sub->default_pixels;
}

const char *virgl_check_clear(struct virgl_command *command)
{
	command->pixels = framebuffer_pixels(command);
	return NULL;
}

/* Without these the renderer draws nothing, at best: it looks at the fragment shader all the same.
 */
static bool has_shaders(struct virgl_command *command)
{
	const u32 needed = 1U << VIRGL_STAGE_VERTEX | 1U << VIRGL_STAGE_FRAGMENT;

	return (sub_of(command)->stages & needed) == needed;
}

/*
 * Elements of a vertex buffer that is not there: Mesa takes that for memory of
 * the program's own at address 0 and, where two share it, counts buffers up
 * until its stack ends.
 */
static bool has_buffers(struct virgl_command *command)
{
	const struct virgl_sub *sub = sub_of(command);

	return !(sub->slots & ~sub->buffers);
}

const char *virgl_check_draw(struct virgl_command *command)
{
	const u32 *words = command->words;
	u64 count = words[VIRGL_AT_DRAW_COUNT];

	/* What is drawn would stand in memory that the GPU writes: not to be bounded. */
	if (command->length == VIRGL_DRAW_INDIRECT_DWORDS)
		return "indirect draws are not offered";
	if (command->length != VIRGL_DRAW_DWORDS && command->length != VIRGL_DRAW_PATCHES_DWORDS)
		return "length of a draw";
	if (words[VIRGL_AT_DRAW_MODE] >= VIRGL_PRIMITIVES)
		return "unknown primitive";
	if (command->length == VIRGL_DRAW_PATCHES_DWORDS &&
	    words[VIRGL_AT_DRAW_PATCH_VERTICES] > VIRGL_PATCH_VERTICES_MAX)
		return "vertices of a patch";
	if (!has_shaders(command) || !has_buffers(command)) {
		command->drop = true;
		return NULL;
	}
	if (words[VIRGL_AT_DRAW_COUNT_FROM_SO] && !words[VIRGL_AT_DRAW_INDEXED])
		count = words[VIRGL_AT_DRAW_COUNT_FROM_SO];
	command->vertices = count * MAX(words[VIRGL_AT_DRAW_INSTANCES], 1U);
	command->pixels = framebuffer_pixels(command);
	return NULL;
}

static struct virgl_box box_at(const u32 *words)
{
	return (struct virgl_box){ words[0], words[1], words[2], words[3], words[4], words[5] };
}

static u64 box_pixels(const struct virgl_box *box)
{
	return (u64)box->w * box->h * box->d;
}

const char *virgl_check_clear_texture(struct virgl_command *command)
{
	struct virgl_box box = box_at(&command->words[VIRGL_AT_CLEAR_TEXTURE_BOX]);

	command->pixels = box_pixels(&box);
	return virgl_box_in_level(command->named[0], command->words[VIRGL_AT_CLEAR_TEXTURE_LEVEL],
				  &box)
		       ? NULL
		       : "box outside the level";
}

static bool in_reach(u32 word)
{
	return (s32)word >= -BLIT_REACH && (s32)word <= BLIT_REACH;
}

/*
 * One side of a blit: resource, level, format, box. Width and height may be
 * negative (mirrored) and x and y outside, as GL allows: it cuts them. Layers
 * are a loop of the renderer's own.
 */
static const char *check_blit_side(const struct virgl_resource *texture, const u32 *side)
{
	struct virgl_box box = box_at(&side[VIRGL_IN_BLIT_BOX]);
	struct virgl_box all;

	if (!format_is_known(side[VIRGL_IN_BLIT_FORMAT]))
		return "unknown format";
	if (!virgl_level_box(texture, side[VIRGL_IN_BLIT_LEVEL], &all))
		return "no such level";
	if (!box.d || box.d > all.d || box.z > all.d - box.d)
		return "no such layer";
	return in_reach(box.x) && in_reach(box.y) && in_reach(box.w) && in_reach(box.h)
		       ? NULL
		       : "box far outside the level";
}

static u32 magnitude(u32 word)
{
	return (s32)word < 0 ? 0 - word : word;
}

const char *virgl_check_blit(struct virgl_command *command)
{
	const u32 *to = &command->words[VIRGL_AT_BLIT_TO];
	const char *why = check_blit_side(command->named[0], to);
	struct virgl_box box = box_at(&to[VIRGL_IN_BLIT_BOX]);
	struct virgl_box all;

	if (!why)
		why = check_blit_side(command->named[1], &command->words[VIRGL_AT_BLIT_FROM]);
	if (why || !virgl_level_box(command->named[0], to[VIRGL_IN_BLIT_LEVEL], &all))
		return why;
	/* What is drawn is the target, and no more of it than there is. */
	command->pixels = (u64)MIN(magnitude(box.w), all.w) * MIN(magnitude(box.h), all.h) * box.d;
	return NULL;
}

/* [at, at + blocks * block) lies in a side that is rounded up to whole blocks. */
static bool blocks_fit(u32 at, u32 blocks, u32 block, u32 side)
{
	u64 whole = (side + block - 1) / block;

	return at % block == 0 && at / block + (u64)blocks <= whole;
}

/* As many blocks as were read are written; a block may differ in its sides (compressed to not). */
static bool region_fits(const struct virgl_resource *to, const u32 *words,
			const struct virgl_resource *from, const struct virgl_box *box)
{
	const u32 *at = &words[VIRGL_AT_REGION_TO_X];
	struct virgl_block block, from_block;
	struct virgl_box all;

	if (!virgl_level_box(to, words[VIRGL_AT_REGION_TO_LEVEL], &all) ||
	    !virgl_format_block(to->format, &block) ||
	    !virgl_format_block(from->format, &from_block))
		return false;
	return blocks_fit(at[0], (box->w + from_block.width - 1) / from_block.width, block.width,
			  all.w) &&
	       blocks_fit(at[1], (box->h + from_block.height - 1) / from_block.height, block.height,
			  all.h) &&
	       at[2] < all.d && box->d <= all.d - at[2];
}

const char *virgl_check_copy_region(struct virgl_command *command)
{
	const struct virgl_resource *to = command->named[0], *from = command->named[1];
	struct virgl_box box = box_at(&command->words[VIRGL_AT_REGION_FROM_BOX]);

	if (virgl_is_buffer(to) != virgl_is_buffer(from))
		return "a buffer is no texture";
	if (!virgl_box_in_level(from, command->words[VIRGL_AT_REGION_FROM_LEVEL], &box) ||
	    !region_fits(to, command->words, from, &box))
		return "box outside the level";
	/* The renderer steps from face to face and takes all layers at each. */
	if (box.d > 1 && from->target == VIRGL_TARGET_CUBE && to->target != VIRGL_TARGET_CUBE)
		return "several faces to what is no cube";
	command->pixels = box_pixels(&box);
	return NULL;
}

/* ---- data ---- */

static struct virgl_transfer transfer_of(struct virgl_command *command, u64 offset)
{
	const u32 *words = command->words;
	struct virgl_box box = box_at(&words[VIRGL_AT_TRANSFER_BOX]);

	command->pixels = box_pixels(&box);
	return (struct virgl_transfer){
		.level = words[VIRGL_AT_TRANSFER_LEVEL],
		.stride = words[VIRGL_AT_TRANSFER_STRIDE],
		.layer_stride = words[VIRGL_AT_TRANSFER_LAYER_STRIDE],
		.x = box.x,
		.y = box.y,
		.z = box.z,
		.w = box.w,
		.h = box.h,
		.d = box.d,
		.offset = offset,
	};
}

static const char *check_transfer(struct virgl_command *command, u64 offset, u64 bytes,
				  bool from_host)
{
	struct virgl_transfer transfer = transfer_of(command, offset);

	if (!virgl_transfer_fits(command->named[0], &transfer, bytes))
		return "transfer outside level or memory";
	return virgl_transfer_must_split(command->named[0], &transfer, from_host)
		       ? "transfer of several layers at once"
		       : NULL;
}

const char *virgl_check_inline_write(struct virgl_command *command)
{
	u64 bytes = (command->length - VIRGL_AT_INLINE_DATA + 1) * 4ULL;

	return check_transfer(command, 0, bytes, false);
}

const char *virgl_check_transfer(struct virgl_command *command)
{
	u32 direction = command->words[VIRGL_AT_TRANSFER_DIRECTION];

	if (direction != VIRGL_TO_HOST && direction != VIRGL_FROM_HOST)
		return "unknown direction";
	return check_transfer(command, command->words[VIRGL_AT_TRANSFER_OFFSET],
			      command->named[0]->backing_bytes, direction == VIRGL_FROM_HOST);
}

const char *virgl_check_copy_transfer(struct virgl_command *command)
{
	u32 flags = command->words[VIRGL_AT_COPY_FLAGS];

	if (flags & ~(u32)(VIRGL_COPY_SYNCHRONIZED | VIRGL_COPY_FROM_HOST))
		return "unknown flags";
	return check_transfer(command, command->words[VIRGL_AT_COPY_OFFSET],
			      command->named[1]->backing_bytes, flags & VIRGL_COPY_FROM_HOST);
}
