/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virgl command stream in numbers: opcodes, objects, where fields stand.
 * Facts from virglrenderer 0.10.4 (virgl_protocol.h, virgl_hw.h, vrend_decode.c,
 * gallium's p_defines.h and p_state.h) and Mesa 22.3 (virgl_encode.c).
 *
 *   a command:  dword 0    31..16 length | 15..8 object type | 7..0 opcode
 *               dword 1... as many as `length` says
 *
 * Field positions count from dword 0, as the protocol's own do.
 */
#ifndef GPU_VIRTIO_VIRGL_PROTO_H
#define GPU_VIRTIO_VIRGL_PROTO_H

#include "core/lib/types.h"

static inline u32 virgl_opcode(u32 header)
{
	return header & 0xff;
}

static inline u32 virgl_header_type(u32 header)
{
	return header >> 8 & 0xff;
}

static inline u32 virgl_length(u32 header)
{
	return header >> 16;
}

static inline u32 virgl_header(u32 opcode, u32 type, u32 length)
{
	return opcode | type << 8 | length << 16;
}

enum virgl_opcode {
	VIRGL_NOP = 0,
	VIRGL_CREATE_OBJECT = 1,
	VIRGL_BIND_OBJECT = 2,
	VIRGL_DESTROY_OBJECT = 3,
	VIRGL_SET_VIEWPORT_STATE = 4,
	VIRGL_SET_FRAMEBUFFER_STATE = 5,
	VIRGL_SET_VERTEX_BUFFERS = 6,
	VIRGL_CLEAR = 7,
	VIRGL_DRAW_VBO = 8,
	VIRGL_RESOURCE_INLINE_WRITE = 9,
	VIRGL_SET_SAMPLER_VIEWS = 10,
	VIRGL_SET_INDEX_BUFFER = 11,
	VIRGL_SET_CONSTANT_BUFFER = 12,
	VIRGL_SET_STENCIL_REF = 13,
	VIRGL_SET_BLEND_COLOR = 14,
	VIRGL_SET_SCISSOR_STATE = 15,
	VIRGL_BLIT = 16,
	VIRGL_RESOURCE_COPY_REGION = 17,
	VIRGL_BIND_SAMPLER_STATES = 18,
	VIRGL_BEGIN_QUERY = 19,
	VIRGL_END_QUERY = 20,
	VIRGL_GET_QUERY_RESULT = 21,
	VIRGL_SET_POLYGON_STIPPLE = 22,
	VIRGL_SET_CLIP_STATE = 23,
	VIRGL_SET_SAMPLE_MASK = 24,
	VIRGL_SET_STREAMOUT_TARGETS = 25,
	VIRGL_SET_RENDER_CONDITION = 26,
	VIRGL_SET_UNIFORM_BUFFER = 27,
	VIRGL_SET_SUB_CTX = 28,
	VIRGL_CREATE_SUB_CTX = 29,
	VIRGL_DESTROY_SUB_CTX = 30,
	VIRGL_BIND_SHADER = 31,
	VIRGL_SET_TESS_STATE = 32,
	VIRGL_SET_MIN_SAMPLES = 33,
	VIRGL_SET_SHADER_BUFFERS = 34,
	VIRGL_SET_SHADER_IMAGES = 35,
	VIRGL_MEMORY_BARRIER = 36,
	VIRGL_LAUNCH_GRID = 37,
	VIRGL_SET_FRAMEBUFFER_STATE_NO_ATTACH = 38,
	VIRGL_TEXTURE_BARRIER = 39,
	VIRGL_SET_ATOMIC_BUFFERS = 40,
	VIRGL_SET_DEBUG_FLAGS = 41,
	VIRGL_GET_QUERY_RESULT_QBO = 42,
	VIRGL_TRANSFER3D = 43,
	VIRGL_END_TRANSFERS = 44,
	VIRGL_COPY_TRANSFER3D = 45,
	VIRGL_SET_TWEAKS = 46,
	VIRGL_CLEAR_TEXTURE = 47,
	VIRGL_PIPE_RESOURCE_CREATE = 48,
	VIRGL_PIPE_RESOURCE_SET_TYPE = 49,
	VIRGL_GET_MEMORY_INFO = 50,
	VIRGL_SEND_STRING_MARKER = 51,
	VIRGL_LINK_SHADER = 52,
	VIRGL_OPCODES = 62, /* 53 to 61 are for video */
};

enum virgl_object_type {
	VIRGL_OBJECT_BLEND = 1,
	VIRGL_OBJECT_RASTERIZER = 2,
	VIRGL_OBJECT_DSA = 3,
	VIRGL_OBJECT_SHADER = 4,
	VIRGL_OBJECT_VERTEX_ELEMENTS = 5,
	VIRGL_OBJECT_SAMPLER_VIEW = 6,
	VIRGL_OBJECT_SAMPLER_STATE = 7,
	VIRGL_OBJECT_SURFACE = 8,
	VIRGL_OBJECT_QUERY = 9,
	VIRGL_OBJECT_STREAMOUT_TARGET = 10,
	VIRGL_OBJECT_MSAA_SURFACE = 11,
	VIRGL_OBJECT_TYPES = 12,
};

enum virgl_stage {
	VIRGL_STAGE_VERTEX,
	VIRGL_STAGE_FRAGMENT,
	VIRGL_STAGE_GEOMETRY,
	VIRGL_STAGE_TESS_CTRL,
	VIRGL_STAGE_TESS_EVAL,
	VIRGL_STAGE_COMPUTE,
	VIRGL_STAGES,
};

enum virgl_target {
	VIRGL_TARGET_BUFFER,
	VIRGL_TARGET_1D,
	VIRGL_TARGET_2D,
	VIRGL_TARGET_3D,
	VIRGL_TARGET_CUBE,
	VIRGL_TARGET_RECT,
	VIRGL_TARGET_1D_ARRAY,
	VIRGL_TARGET_2D_ARRAY,
	VIRGL_TARGET_CUBE_ARRAY,
	VIRGL_TARGETS,
};

#define VIRGL_BIND_DEPTH_STENCIL   BIT(0)
#define VIRGL_BIND_RENDER_TARGET   BIT(1)
#define VIRGL_BIND_SAMPLER_VIEW	   BIT(3)
#define VIRGL_BIND_VERTEX_BUFFER   BIT(4)
#define VIRGL_BIND_INDEX_BUFFER	   BIT(5)
#define VIRGL_BIND_CONSTANT_BUFFER BIT(6)
#define VIRGL_BIND_DISPLAY_TARGET  BIT(7)
#define VIRGL_BIND_COMMAND_ARGS	   BIT(8)
#define VIRGL_BIND_STREAM_OUTPUT   BIT(11)
#define VIRGL_BIND_SHADER_BUFFER   BIT(14)
#define VIRGL_BIND_QUERY_BUFFER	   BIT(15)
#define VIRGL_BIND_CURSOR	   BIT(16)
#define VIRGL_BIND_CUSTOM	   BIT(17) /* memory of the renderer's: query results */
#define VIRGL_BIND_SCANOUT	   BIT(18)
#define VIRGL_BIND_STAGING	   BIT(19) /* nothing but the guest's memory */
#define VIRGL_BIND_SHARED	   BIT(20)
#define VIRGL_BIND_LINEAR	   BIT(22)

#define VIRGL_FLAG_Y_0_TOP	  BIT(0)
#define VIRGL_FLAG_MAP_PERSISTENT BIT(1)
#define VIRGL_FLAG_MAP_COHERENT	  BIT(2)

/* Sizes of the renderer's arrays. */
#define VIRGL_COLOR_BUFFERS_MAX	  8
#define VIRGL_ATTRIBS_MAX	  16 /* vertex buffers and vertex elements, as in GL */
#define VIRGL_ATTRIB_STRIDE_MAX	  2048
#define VIRGL_UNIFORM_BUFFERS_MAX 32
#define VIRGL_SAMPLERS_MAX	  32
#define VIRGL_SAMPLER_VIEWS_MAX	  128
#define VIRGL_SHADER_BUFFERS_MAX  32
#define VIRGL_SHADER_IMAGES_MAX	  32
#define VIRGL_ATOMIC_BUFFERS_MAX  32
#define VIRGL_VIEWPORTS_MAX	  16
#define VIRGL_SO_BUFFERS_MAX	  4
#define VIRGL_SO_OUTPUTS_MAX	  64
#define VIRGL_SHADER_OUTPUTS_MAX  80
#define VIRGL_QUERY_RESULT_BYTES  16 /* what the renderer writes of a query */
#define VIRGL_QUERY_TYPES	  13
#define VIRGL_TWEAKS		  3
#define VIRGL_PATCH_VERTICES_MAX  32
#define VIRGL_PRIMITIVES	  15   /* points to patches */
#define VIRGL_TRANSFERS_DWORDS	  1024 /* what Mesa keeps free for transfers */

/* In a SHADER object: bit 31 of the offset says that this is a later part. */
#define VIRGL_SHADER_LATER_PART 0x80000000U

enum virgl_direction {
	VIRGL_TO_HOST = 1,
	VIRGL_FROM_HOST = 2,
};

#define VIRGL_COPY_SYNCHRONIZED BIT(0)
#define VIRGL_COPY_FROM_HOST	BIT(1)

/* Every object and every bind, destroy, query command: the handle is dword 1. */
#define VIRGL_AT_HANDLE 1

enum virgl_at_shader {
	VIRGL_AT_SHADER_STAGE = 2,
	VIRGL_AT_SHADER_OFFSET = 3, /* first part: bytes of all; later part: of where it goes */
	VIRGL_AT_SHADER_TOKENS = 4,
	VIRGL_AT_SHADER_OUTPUTS = 5, /* n stream outputs; compute: local memory */
	VIRGL_AT_SHADER_TEXT = 6,    /* n = 0 */
	VIRGL_AT_SHADER_STRIDES = 6, /* n > 0: 4 strides, n pairs, then the text */
	VIRGL_AT_SHADER_OUTPUT = 10,
};

enum virgl_at_surface {
	VIRGL_AT_SURFACE_RESOURCE = 2,
	VIRGL_AT_SURFACE_FORMAT = 3,
	VIRGL_AT_SURFACE_LEVEL = 4,
	VIRGL_AT_SURFACE_LAYERS = 5, /* 15..0 first, 31..16 last */
};

enum virgl_at_view {
	VIRGL_AT_VIEW_RESOURCE = 2,
	VIRGL_AT_VIEW_FORMAT = 3, /* 23..0; 31..24 target */
	VIRGL_AT_VIEW_LAYERS = 4, /* 15..0 first, 31..16 last; buffer: first element */
	VIRGL_AT_VIEW_LEVELS = 5, /* 7..0 first, 15..8 last; buffer: last element */
	VIRGL_AT_VIEW_SWIZZLE = 6,
};

enum virgl_at_query {
	VIRGL_AT_QUERY_TYPE = 2, /* 15..0; 31..16 index */
	VIRGL_AT_QUERY_OFFSET = 3,
	VIRGL_AT_QUERY_RESOURCE = 4,
};

enum virgl_at_so_target {
	VIRGL_AT_SO_RESOURCE = 2,
	VIRGL_AT_SO_OFFSET = 3,
	VIRGL_AT_SO_BYTES = 4,
};

/* Vertex elements: 4 dwords each, from dword 2. */
enum virgl_in_element {
	VIRGL_IN_ELEMENT_OFFSET = 0,
	VIRGL_IN_ELEMENT_DIVISOR = 1,
	VIRGL_IN_ELEMENT_BUFFER = 2,
	VIRGL_IN_ELEMENT_FORMAT = 3,
};

enum virgl_at_draw {
	VIRGL_AT_DRAW_START = 1,
	VIRGL_AT_DRAW_COUNT = 2,
	VIRGL_AT_DRAW_MODE = 3,
	VIRGL_AT_DRAW_INDEXED = 4,
	VIRGL_AT_DRAW_INSTANCES = 5,
	VIRGL_AT_DRAW_COUNT_FROM_SO = 12, /* not 0: the count of a draw without indices */
	VIRGL_AT_DRAW_PATCH_VERTICES = 13,
	VIRGL_AT_DRAW_INDIRECT = 15,
};
#define VIRGL_DRAW_DWORDS	   12
#define VIRGL_DRAW_PATCHES_DWORDS  14
#define VIRGL_DRAW_INDIRECT_DWORDS 20

/* RESOURCE_INLINE_WRITE, TRANSFER3D, COPY_TRANSFER3D begin alike. */
enum virgl_at_transfer {
	VIRGL_AT_TRANSFER_RESOURCE = 1,
	VIRGL_AT_TRANSFER_LEVEL = 2,
	VIRGL_AT_TRANSFER_USAGE = 3,
	VIRGL_AT_TRANSFER_STRIDE = 4,
	VIRGL_AT_TRANSFER_LAYER_STRIDE = 5,
	VIRGL_AT_TRANSFER_BOX = 6,	  /* x y z w h d */
	VIRGL_AT_INLINE_DATA = 12,	  /* RESOURCE_INLINE_WRITE */
	VIRGL_AT_TRANSFER_OFFSET = 12,	  /* TRANSFER3D */
	VIRGL_AT_TRANSFER_DIRECTION = 13, /* enum virgl_direction */
	VIRGL_AT_COPY_MEMORY = 12,	  /* COPY_TRANSFER3D: the resource whose backing is used */
	VIRGL_AT_COPY_OFFSET = 13,
	VIRGL_AT_COPY_FLAGS = 14,
};

enum virgl_at_copy_region {
	VIRGL_AT_REGION_TO = 1,
	VIRGL_AT_REGION_TO_LEVEL = 2,
	VIRGL_AT_REGION_TO_X = 3, /* y, z follow */
	VIRGL_AT_REGION_FROM = 6,
	VIRGL_AT_REGION_FROM_LEVEL = 7,
	VIRGL_AT_REGION_FROM_BOX = 8,
};

enum virgl_at_blit {
	VIRGL_AT_BLIT_FLAGS = 1,
	VIRGL_AT_BLIT_TO = 4, /* resource, level, format, box */
	VIRGL_AT_BLIT_FROM = 13,
};
enum virgl_in_blit {
	VIRGL_IN_BLIT_RESOURCE = 0,
	VIRGL_IN_BLIT_LEVEL = 1,
	VIRGL_IN_BLIT_FORMAT = 2,
	VIRGL_IN_BLIT_BOX = 3,
};

enum virgl_at_clear_texture {
	VIRGL_AT_CLEAR_TEXTURE_RESOURCE = 1,
	VIRGL_AT_CLEAR_TEXTURE_LEVEL = 2,
	VIRGL_AT_CLEAR_TEXTURE_BOX = 3,
};

#endif
