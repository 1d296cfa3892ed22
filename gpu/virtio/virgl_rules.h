/* SPDX-License-Identifier: Apache-2.0 */
/* The form of a rule: what a command of a virgl stream may look like. Private to the audit. */
#ifndef GPU_VIRTIO_VIRGL_RULES_H
#define GPU_VIRTIO_VIRGL_RULES_H

#include "gpu/virtio/virgl.h"

/*
 * What a resource has to be where it is named. It matters to other guests: the
 * renderer hands the number of a buffer to calls that want a texture's, and
 * GL's textures and buffers have numbers of their own, of all guests together.
 */
enum virgl_use {
	VIRGL_USE_ANY = 1,
	VIRGL_USE_BUFFER, /* one of GL's: not CUSTOM, not STAGING, whose number is 0 */
	VIRGL_USE_TEXTURE,
	VIRGL_USE_EITHER,  /* a texture or a buffer of GL's */
	VIRGL_USE_RESULTS, /* a CUSTOM buffer, for query results */
};

/* One command while it is looked at. */
struct virgl_command {
	struct virgl_audit *audit;
	const u32 *words; /* 0: header */
	u32 length;
	u32 count;			       /* repeated groups */
	const struct virgl_resource *named[2]; /* by the rule's resources; NULL: 0 was given */
	struct virgl_object *object;	       /* CREATE_OBJECT: fill in what is to be kept */
	u64 vertices, pixels;		       /* cost */
	bool drop;			       /* harmless as a whole: let it become a NOP */
};

/*
 * A command is `least` dwords long, and then has up to `most` groups of `step`
 * dwords each. Positions count from the header; with VIRGL_EACH they count
 * from the start of each group instead.
 */
#define VIRGL_EACH		0x80
#define VIRGL_OR_ZERO		0x100 /* a resource or object may be 0: nothing, unbind */
#define VIRGL_RESOURCE(at, use) ((u32)(at) | (u32)(use) << 16)
#define VIRGL_OBJECT(at, type)	((u32)(at) | (u32)(type) << 16)

struct virgl_rule {
	const char *name;
	const char *refused; /* why it is not allowed; NULL: it is */
	u16 least, step, most;
	u32 resources[2]; /* VIRGL_RESOURCE() | VIRGL_OR_ZERO; 0: none */
	u32 objects[2];	  /* VIRGL_OBJECT() | VIRGL_OR_ZERO; 0: none */
	/* More to check, of the whole and then of each group: why it is refused, or NULL. */
	const char *(*check)(struct virgl_command *command);
	const char *(*check_group)(struct virgl_command *command, u32 index, const u32 *group,
				   const struct virgl_resource *named);
};

/* The rule of a command, by opcode and object type; NULL: there is none. */
const struct virgl_rule *virgl_rule_of(u32 header);

/* True: `handle` is a shader of which only the first parts came. */
bool virgl_is_unfinished(struct virgl_audit *audit, u32 handle);

/* Checks that the rules name, in virgl_checks.c. */
typedef const char *virgl_check(struct virgl_command *command);
typedef const char *virgl_check_group(struct virgl_command *command, u32 index, const u32 *group,
				      const struct virgl_resource *named);

virgl_check virgl_check_blend, virgl_check_rasterizer;
virgl_check virgl_check_shader, virgl_check_view, virgl_check_sampler_state, virgl_check_surface;
virgl_check virgl_check_query, virgl_check_so_target;
virgl_check virgl_check_destroy, virgl_check_framebuffer, virgl_check_no_attach;
virgl_check virgl_check_index_buffer, virgl_check_uniform_buffer, virgl_check_constants;
virgl_check virgl_check_viewports, virgl_check_views, virgl_check_samplers;
virgl_check virgl_check_shader_slots, virgl_check_atomic_slots;
virgl_check virgl_check_bind_dsa, virgl_check_bind_elements, virgl_check_vertex_buffers;
virgl_check virgl_check_bind_shader, virgl_check_link_shader, virgl_check_condition;
virgl_check virgl_check_create_sub, virgl_check_select_sub, virgl_check_destroy_sub;
virgl_check virgl_check_clear, virgl_check_clear_texture, virgl_check_draw;
virgl_check virgl_check_blit, virgl_check_copy_region;
virgl_check virgl_check_inline_write, virgl_check_transfer, virgl_check_copy_transfer;
virgl_check virgl_check_tweak, virgl_check_marker;

virgl_check_group virgl_check_element, virgl_check_vertex_buffer, virgl_check_sampler;
virgl_check_group virgl_check_shader_buffer, virgl_check_image, virgl_check_atomic_buffer;

#endif
