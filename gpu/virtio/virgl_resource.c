/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes of 3D resources and what lies inside of them; see virgl_resource.h. */
#include "gpu/virtio/virgl_resource.h"

#include "gpu/virtio/virgl_formats.h"
#include "gpu/virtio/virgl_proto.h"

/* What each target allows besides width. */
struct shape {
	bool height, depth, layers; /* may be more than 1 */
	bool levels, square;
	u8 faces; /* layers come in multiples of this */
	u32 side_max;
};

static const struct shape shapes[VIRGL_TARGETS] = {
	[VIRGL_TARGET_BUFFER] = { .faces = 1, .side_max = VIRGL_BUFFER_BYTES },
	[VIRGL_TARGET_1D] = { .levels = true, .faces = 1, .side_max = VIRGL_SIDE_MAX },
	[VIRGL_TARGET_2D] = { .height = true,
			      .levels = true,
			      .faces = 1,
			      .side_max = VIRGL_SIDE_MAX },
	[VIRGL_TARGET_3D] = { .height = true,
			      .depth = true,
			      .levels = true,
			      .faces = 1,
			      .side_max = VIRGL_3D_SIDE_MAX },
	[VIRGL_TARGET_CUBE] = { .height = true,
				.levels = true,
				.square = true,
				.faces = 6,
				.side_max = VIRGL_SIDE_MAX },
	[VIRGL_TARGET_RECT] = { .height = true, .faces = 1, .side_max = VIRGL_SIDE_MAX },
	[VIRGL_TARGET_1D_ARRAY] = { .layers = true,
				    .levels = true,
				    .faces = 1,
				    .side_max = VIRGL_SIDE_MAX },
	[VIRGL_TARGET_2D_ARRAY] = { .height = true,
				    .layers = true,
				    .levels = true,
				    .faces = 1,
				    .side_max = VIRGL_SIDE_MAX },
	[VIRGL_TARGET_CUBE_ARRAY] = { .height = true,
				      .layers = true,
				      .levels = true,
				      .square = true,
				      .faces = 6,
				      .side_max = VIRGL_SIDE_MAX },
};

static u32 minify(u32 side, u32 level)
{
	return MAX(side >> level, 1U);
}

static u32 log2_of(u32 n)
{
	return 31 - (u32)__builtin_clz(n);
}

bool virgl_is_buffer(const struct virgl_resource *resource)
{
	return resource->target == VIRGL_TARGET_BUFFER;
}

/* Exactly one of these, or none, is what makes a buffer of GL's. */
static bool is_buffer_bind(u32 bind)
{
	switch (bind) {
	case 0:
	case VIRGL_BIND_CUSTOM:
	case VIRGL_BIND_STAGING:
	case VIRGL_BIND_INDEX_BUFFER:
	case VIRGL_BIND_STREAM_OUTPUT:
	case VIRGL_BIND_VERTEX_BUFFER:
	case VIRGL_BIND_CONSTANT_BUFFER:
	case VIRGL_BIND_QUERY_BUFFER:
	case VIRGL_BIND_COMMAND_ARGS:
	case VIRGL_BIND_SHADER_BUFFER:
		return true;
	default:
		return false;
	}
}

static bool bind_is_good(const struct virgl_resource *resource)
{
	const u32 picture = VIRGL_BIND_SAMPLER_VIEW | VIRGL_BIND_DEPTH_STENCIL |
			    VIRGL_BIND_RENDER_TARGET | VIRGL_BIND_CURSOR | VIRGL_BIND_SHARED |
			    VIRGL_BIND_LINEAR;

	if (virgl_is_buffer(resource))
		return is_buffer_bind(resource->bind) || (resource->bind & VIRGL_BIND_SAMPLER_VIEW);
	return !is_buffer_bind(resource->bind) && (resource->bind & picture);
}

static enum err check_kind(const struct virgl_resource *resource, u32 nr_samples)
{
	struct virgl_block block;

	if (resource->target >= VIRGL_TARGETS || !virgl_format_block(resource->format, &block))
		return ERR_INVALID;
	/* The renderer takes a buffer's width for bytes, but moves width * block. */
	if (virgl_is_buffer(resource) && (block.bytes != 1 || block.width != 1))
		return ERR_INVALID;
	/* More samples cannot be cleared by a transfer. */
	if (nr_samples > 1 || !bind_is_good(resource))
		return ERR_INVALID;
	/* The others mean memory that is mapped for good. */
	if (resource->flags & ~(u32)VIRGL_FLAG_Y_0_TOP)
		return ERR_INVALID;
	if (resource->flags && resource->target != VIRGL_TARGET_2D &&
	    resource->target != VIRGL_TARGET_RECT)
		return ERR_INVALID;
	return OK;
}

static enum err check_sides(const struct virgl_resource *resource, const struct shape *shape)
{
	if (!resource->width || !resource->height || !resource->depth || !resource->array_size)
		return ERR_RANGE;
	if (resource->width > shape->side_max || resource->height > shape->side_max ||
	    resource->depth > shape->side_max || resource->array_size > VIRGL_LAYERS_MAX)
		return ERR_RANGE;
	if ((!shape->height && resource->height != 1) || (!shape->depth && resource->depth != 1) ||
	    (!shape->layers && resource->array_size != shape->faces))
		return ERR_INVALID;
	if (resource->array_size % shape->faces ||
	    (shape->square && resource->width != resource->height))
		return ERR_INVALID;
	return OK;
}

static enum err check_levels(const struct virgl_resource *resource, const struct shape *shape)
{
	u32 area = MAX(resource->width, resource->height);

	if (!resource->last_level)
		return OK;
	if (!shape->levels)
		return ERR_INVALID;
	/* GL's rule, and the renderer's, which leaves out the depth. */
	if (resource->last_level > log2_of(MAX(area, resource->depth)) ||
	    resource->last_level > log2_of(area) + 1)
		return ERR_RANGE;
	return OK;
}

/* Sum of all levels; sides were checked, so that no sum comes near 64 bits. */
static u64 bytes_of(const struct virgl_resource *resource)
{
	u64 bytes = 0;

	for (u32 level = 0; level <= resource->last_level; level++)
		bytes += virgl_level_bytes(resource, level);
	return bytes;
}

enum err virgl_resource_bytes(const struct virgl_resource *resource, u64 *bytes)
{
	enum err e = check_kind(resource, 0);

	if (!e)
		e = check_sides(resource, &shapes[resource->target]);
	if (!e)
		e = check_levels(resource, &shapes[resource->target]);
	if (e)
		return e;
	*bytes = bytes_of(resource);
	return *bytes <= VIRGL_BUFFER_BYTES ? OK : ERR_RANGE;
}

enum err virgl_resource_check(const struct virgl_resource *resource, u32 nr_samples)
{
	u64 bytes;
	enum err e = check_kind(resource, nr_samples);

	return e ? e : virgl_resource_bytes(resource, &bytes);
}

bool virgl_level_box(const struct virgl_resource *resource, u32 level, struct virgl_box *box)
{
	if (level > resource->last_level || level > 31)
		return false;
	*box = (struct virgl_box){
		.w = minify(resource->width, level),
		.h = minify(resource->height, level),
		.d = resource->target == VIRGL_TARGET_3D ? minify(resource->depth, level)
							 : resource->array_size,
	};
	return true;
}

static u32 blocks(u32 pixels, u32 block)
{
	return (pixels + block - 1) / block;
}

u64 virgl_level_bytes(const struct virgl_resource *resource, u32 level)
{
	struct virgl_block block;
	struct virgl_box all;

	if (!virgl_level_box(resource, level, &all) ||
	    !virgl_format_block(resource->format, &block))
		return 0;
	return (u64)blocks(all.w, block.width) * blocks(all.h, block.height) * block.bytes * all.d;
}

static bool span_in(u32 at, u32 length, u32 whole)
{
	return length && length <= whole && at <= whole - length;
}

bool virgl_box_in_level(const struct virgl_resource *resource, u32 level,
			const struct virgl_box *box)
{
	struct virgl_box all;

	return virgl_level_box(resource, level, &all) && span_in(box->x, box->w, all.w) &&
	       span_in(box->y, box->h, all.h) && span_in(box->z, box->d, all.d);
}

/* [at, at + length) begins with a block and ends with one, or with the level. */
static bool on_blocks(u32 at, u32 length, u32 whole, u32 block)
{
	return at % block == 0 && (length % block == 0 || at + length == whole);
}

/* How the rows and layers of a transfer lie in memory. */
struct layout {
	u64 row_bytes; /* of the box */
	u64 rows;      /* of blocks, of the box */
	u64 stride, layer_stride;
};

static bool lay_out(const struct virgl_resource *resource, const struct virgl_transfer *transfer,
		    struct layout *layout)
{
	struct virgl_block block;
	struct virgl_box all;

	if (!virgl_format_block(resource->format, &block) ||
	    !virgl_level_box(resource, transfer->level, &all))
		return false;
	layout->row_bytes = (u64)blocks(transfer->w, block.width) * block.bytes;
	layout->rows = blocks(transfer->h, block.height);
	layout->stride = transfer->stride;
	if (!layout->stride)
		layout->stride = (u64)blocks(all.w, block.width) * block.bytes;
	layout->layer_stride = transfer->layer_stride;
	if (!layout->layer_stride)
		layout->layer_stride = layout->stride * blocks(all.h, block.height);
	return transfer->stride % block.bytes == 0 && transfer->layer_stride % block.bytes == 0 &&
	       layout->stride >= layout->row_bytes &&
	       layout->layer_stride >= layout->stride * layout->rows &&
	       on_blocks(transfer->x, transfer->w, all.w, block.width) &&
	       on_blocks(transfer->y, transfer->h, all.h, block.height);
}

/* The renderer has no memory of its own for these, or uses the guest's as soon as there is any. */
static bool lives_in_backing(const struct virgl_resource *resource)
{
	return virgl_is_buffer(resource) &&
	       (resource->bind == VIRGL_BIND_CUSTOM || resource->bind == VIRGL_BIND_STAGING);
}

bool virgl_transfer_fits(const struct virgl_resource *resource,
			 const struct virgl_transfer *transfer, u64 backing_bytes)
{
	struct virgl_box box = { transfer->x, transfer->y, transfer->z,
				 transfer->w, transfer->h, transfer->d };
	struct layout layout;
	u64 bytes;

	if (!virgl_box_in_level(resource, transfer->level, &box) ||
	    !lay_out(resource, transfer, &layout))
		return false;
	/* Below 2^58: strides have 32 bits, rows 14, layers 11. */
	bytes = (transfer->d - 1) * layout.layer_stride + (layout.rows - 1) * layout.stride +
		layout.row_bytes;
	if (transfer->offset > backing_bytes || bytes > backing_bytes - transfer->offset)
		return false;
	return !lives_in_backing(resource) ||
	       (u64)transfer->x + transfer->w <= resource->backing_bytes;
}

bool virgl_transfer_must_split(const struct virgl_resource *resource,
			       const struct virgl_transfer *transfer, bool from_host)
{
	return transfer->d != 1 && (from_host || resource->target == VIRGL_TARGET_CUBE ||
				    resource->target == VIRGL_TARGET_1D_ARRAY);
}

void virgl_transfer_layer(const struct virgl_resource *resource,
			  const struct virgl_transfer *transfer, u32 index,
			  struct virgl_transfer *one)
{
	struct layout layout = { 0 };

	*one = *transfer;
	if (transfer->d == 1 || !lay_out(resource, transfer, &layout))
		return;
	one->z += index;
	one->d = 1;
	one->layer_stride = 0; /* there is no second layer */
	one->offset += index * layout.layer_stride;
}

void virgl_transfer_level(const struct virgl_resource *resource, u32 level,
			  struct virgl_transfer *all)
{
	struct virgl_box box = { 0 };

	if (!virgl_level_box(resource, level, &box))
		level = 0;
	*all = (struct virgl_transfer){ .level = level, .w = box.w, .h = box.h, .d = box.d };
}
