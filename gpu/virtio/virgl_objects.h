/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the contexts of one vGPU hold at the renderer: sub-contexts, objects by
 * handle, and what is bound to slots without a reference. Bounded tables
 * without pointers; a guest fills its own and nothing else.
 *
 *   context slot --> sub-contexts (one of them current)
 *                      |--> objects:  handle -> type        hash + list
 *                      '--> bindings: slot   -> what        hash + list
 */
#ifndef GPU_VIRTIO_VIRGL_OBJECTS_H
#define GPU_VIRTIO_VIRGL_OBJECTS_H

#include "core/lib/error.h"
#include "core/lib/types.h"

#define VIRGL_CONTEXTS_MAX     64
#define VIRGL_SUBS_MAX	       256 /* of all contexts; each has number 0 from the start */
#define VIRGL_SUBS_PER_CONTEXT 32
#define VIRGL_OBJECTS_MAX      8192
#define VIRGL_SHADERS_MAX      2048 /* of those; they cost the renderer most */
#define VIRGL_BINDINGS_MAX     4096
#define VIRGL_OBJECT_BUCKETS   4096
#define VIRGL_BINDING_BUCKETS  2048

/*
 * Honest handles count upwards and spread: chains longer than a dozen do not
 * happen. A guest that picks handles which fall together is refused, so that
 * each look-up has a bound.
 */
#define VIRGL_CHAIN_MAX 32

#define VIRGL_NONE 0xffff /* no index */

struct virgl_object {
	u32 handle;
	union {
		u32 pixels; /* of a surface, all its layers */
		u32 slots;  /* of vertex elements: bit n: one is read from vertex buffer n */
	};
	u16 sub;  /* VIRGL_NONE: free */
	u16 next; /* in the hash chain or the free list */
	u16 sub_next, sub_prev;
	u16 uses; /* of a sampler state: slots that it is bound to */
	u8 type;  /* enum virgl_object_type */
	u8 stage; /* of a shader: enum virgl_stage */
};

/* A shader whose text comes in several commands. */
struct virgl_long_shader {
	u32 handle; /* 0: none is under way */
	u32 stage;
	u32 bytes, done; /* announced and seen, both whole dwords */
};

struct virgl_sub {
	u32 id;
	u16 next; /* in the context's list or the free list */
	u16 objects, bindings;
	u8 context;
	u8 stages;	    /* bit n: a shader is bound to stage n */
	u32 dsa;	    /* handle of what is bound; 0: nothing */
	u32 condition;	    /* handle of the query that draws depend on; 0: of none */
	u32 buffers;	    /* bit n: there is a vertex buffer n */
	u32 slots;	    /* those that the bound vertex elements are read from */
	u64 pixels;	    /* of the current framebuffer's largest surface; 0: no surface */
	u64 default_pixels; /* what is drawn to without a surface */
	struct virgl_long_shader shader;
};

struct virgl_context {
	bool live, failed;
	u8 sub_count;
	u16 subs;    /* list */
	u16 current; /* sub-context */
};

/* Kinds of binding for which the renderer keeps a bare pointer to what is bound. */
enum virgl_binding_kind {
	VIRGL_BINDING_UNIFORM,
	VIRGL_BINDING_SHADER_BUFFER,
	VIRGL_BINDING_IMAGE,
	VIRGL_BINDING_ATOMIC,
	VIRGL_BINDING_SAMPLER, /* the only one that is no resource */
};

struct virgl_binding {
	u32 what; /* host id of a resource, or handle of a sampler state; 0: free */
	u16 sub;
	u16 slot; /* kind, stage and index */
	u16 next; /* in the hash chain or the free list */
	u16 sub_next, sub_prev;
};

struct virgl_objects {
	u32 object_count, shader_count, binding_count, sub_count;
	u16 free_object, free_sub, free_binding;
	u16 object_buckets[VIRGL_OBJECT_BUCKETS];
	u16 binding_buckets[VIRGL_BINDING_BUCKETS];
	struct virgl_context contexts[VIRGL_CONTEXTS_MAX];
	struct virgl_sub subs[VIRGL_SUBS_MAX];
	struct virgl_object objects[VIRGL_OBJECTS_MAX];
	struct virgl_binding bindings[VIRGL_BINDINGS_MAX];
};

_Static_assert(sizeof(struct virgl_objects) <= KIB(256), "one of these for each vGPU");

/* Everything empty. */
void virgl_objects_init(struct virgl_objects *objects);

/* Contexts: `slot` is the caller's own number, 0 to VIRGL_CONTEXTS_MAX - 1. */

/* With sub-context 0, which is current. ERR_RANGE: slot; ERR_EXISTS; ERR_FULL: no sub-context. */
must_check enum err virgl_context_create(struct virgl_objects *objects, u32 slot);

/*
 * All that belongs to it goes. No effect where it does not exist. Work: a
 * look-up for each of at most VIRGL_OBJECTS_MAX + VIRGL_BINDINGS_MAX entries.
 */
void virgl_context_destroy(struct virgl_objects *objects, u32 slot);

bool virgl_context_is_live(const struct virgl_objects *objects, u32 slot);

/* Failed for good: the audit refuses every later stream of the context. */
void virgl_context_fail(struct virgl_objects *objects, u32 slot);
bool virgl_context_has_failed(const struct virgl_objects *objects, u32 slot);

/*
 * Sub-contexts of a live context. As at the renderer a new one is current at
 * once, one that exists already stays as it is, and number 0 cannot be
 * destroyed and takes the place of a current one that is.
 *   create:  ERR_FULL
 *   select:  ERR_NOT_FOUND
 *   destroy: ERR_NOT_FOUND; ERR_INVALID: number 0
 */
must_check enum err virgl_sub_create(struct virgl_objects *objects, u32 slot, u32 id);
must_check enum err virgl_sub_select(struct virgl_objects *objects, u32 slot, u32 id);
must_check enum err virgl_sub_destroy(struct virgl_objects *objects, u32 slot, u32 id);
struct virgl_sub *virgl_sub_current(struct virgl_objects *objects, u32 slot);

/*
 * Objects of the current sub-context of a live context. Inserting replaces an
 * object of the same handle. ERR_FULL: table, shaders or chain. `handle` is
 * not 0. The pointer is good until the next call that changes objects.
 */
must_check enum err virgl_object_insert(struct virgl_objects *objects, u32 slot, u32 handle,
					u32 type, struct virgl_object **out);
struct virgl_object *virgl_object_find(struct virgl_objects *objects, u32 slot, u32 handle);
/* No effect where there is none. */
void virgl_object_remove(struct virgl_objects *objects, u32 slot, u32 handle);

/*
 * The renderer keeps uniform buffers, shader buffers, images and atomic
 * buffers by a bare pointer and follows it at the next draw. A resource that
 * is bound so must not be destroyed at the device before the slot is bound
 * otherwise or its sub-context is gone, or freed memory is used there.
 *
 * Bind `host_id` (0: unbind) to a slot of the current sub-context. `stage` is
 * below 8, `index` below 32. ERR_FULL: table or chain.
 */
must_check enum err virgl_bind(struct virgl_objects *objects, u32 slot,
			       enum virgl_binding_kind kind, u32 stage, u32 index, u32 host_id);

/*
 * The same for sampler states: bind object `handle` (0: unbind), which is one
 * of the current sub-context.
 */
must_check enum err virgl_bind_sampler(struct virgl_objects *objects, u32 slot, u32 stage,
				       u32 index, u32 handle);

/* True: the renderer has a bare pointer to the object, which so must stay. */
bool virgl_object_is_bound(struct virgl_objects *objects, u32 slot,
			   const struct virgl_object *object);

/* True: a RESOURCE_UNREF of `host_id` has to wait. Looks at each binding once. */
bool virgl_is_bound(const struct virgl_objects *objects, u32 host_id);

#endif
