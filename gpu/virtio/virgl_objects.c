/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts, sub-contexts, objects and bindings of one vGPU; see virgl_objects.h. */
#include "gpu/virtio/virgl_objects.h"

#include "core/lib/string.h"
#include "gpu/virtio/virgl_proto.h"

void virgl_objects_init(struct virgl_objects *objects)
{
	memset(objects, 0, sizeof(*objects));
	for (u32 i = 0; i < VIRGL_OBJECT_BUCKETS; i++)
		objects->object_buckets[i] = VIRGL_NONE;
	for (u32 i = 0; i < VIRGL_BINDING_BUCKETS; i++)
		objects->binding_buckets[i] = VIRGL_NONE;
	for (u32 i = 0; i < VIRGL_OBJECTS_MAX; i++) {
		objects->objects[i].sub = VIRGL_NONE;
		objects->objects[i].next = i + 1 < VIRGL_OBJECTS_MAX ? (u16)(i + 1) : VIRGL_NONE;
	}
	for (u32 i = 0; i < VIRGL_BINDINGS_MAX; i++)
		objects->bindings[i].next = i + 1 < VIRGL_BINDINGS_MAX ? (u16)(i + 1) : VIRGL_NONE;
	for (u32 i = 0; i < VIRGL_SUBS_MAX; i++)
		objects->subs[i].next = i + 1 < VIRGL_SUBS_MAX ? (u16)(i + 1) : VIRGL_NONE;
	for (u32 i = 0; i < VIRGL_CONTEXTS_MAX; i++)
		objects->contexts[i].subs = objects->contexts[i].current = VIRGL_NONE;
}

/* Spreads what counts upwards; anybody can compute it, hence VIRGL_CHAIN_MAX. */
static u32 mix(u32 a, u32 b)
{
	u32 x = a * 0x9e3779b1U + b * 0x85ebca77U;

	x ^= x >> 15;
	x *= 0x2c1b3c6dU;
	x ^= x >> 13;
	return x;
}

/* ---- objects ---- */

static u16 *object_bucket(struct virgl_objects *objects, u16 sub, u32 handle)
{
	return &objects->object_buckets[mix(handle, sub) % VIRGL_OBJECT_BUCKETS];
}

/* The link that leads to the object, or to the end of its chain, whose length is counted. */
static u16 *object_link(struct virgl_objects *objects, u16 sub, u32 handle, u32 *length)
{
	u16 *link = object_bucket(objects, sub, handle);

	for (*length = 0; *link != VIRGL_NONE; (*length)++) {
		struct virgl_object *object = &objects->objects[*link];

		if (object->handle == handle && object->sub == sub)
			break;
		link = &object->next;
	}
	return link;
}

static void object_unlist(struct virgl_objects *objects, struct virgl_object *object)
{
	if (object->sub_prev == VIRGL_NONE)
		objects->subs[object->sub].objects = object->sub_next;
	else
		objects->objects[object->sub_prev].sub_next = object->sub_next;
	if (object->sub_next != VIRGL_NONE)
		objects->objects[object->sub_next].sub_prev = object->sub_prev;
}

/* `*link` leads to the object in its chain. */
static void object_free(struct virgl_objects *objects, u16 *link)
{
	u16 index = *link;
	struct virgl_object *object = &objects->objects[index];

	*link = object->next;
	object_unlist(objects, object);
	objects->object_count--;
	if (object->type == VIRGL_OBJECT_SHADER)
		objects->shader_count--;
	*object = (struct virgl_object){ .sub = VIRGL_NONE, .next = objects->free_object };
	objects->free_object = index;
}

static u16 object_take(struct virgl_objects *objects, u16 sub, u32 handle)
{
	u16 index = objects->free_object;
	struct virgl_object *object = &objects->objects[index];
	u16 *first = &objects->subs[sub].objects;

	objects->free_object = object->next;
	*object = (struct virgl_object){
		.handle = handle,
		.sub = sub,
		.next = VIRGL_NONE,
		.sub_next = *first,
		.sub_prev = VIRGL_NONE,
	};
	if (*first != VIRGL_NONE)
		objects->objects[*first].sub_prev = index;
	*first = index;
	objects->object_count++;
	return index;
}

static void object_retype(struct virgl_objects *objects, struct virgl_object *object, u32 type)
{
	if (object->type == VIRGL_OBJECT_SHADER)
		objects->shader_count--;
	if (type == VIRGL_OBJECT_SHADER)
		objects->shader_count++;
	object->type = (u8)type;
	object->pixels = 0;
	object->uses = 0;
	object->stage = 0;
}

enum err virgl_object_insert(struct virgl_objects *objects, u32 slot, u32 handle, u32 type,
			     struct virgl_object **out)
{
	u16 sub = objects->contexts[slot].current;
	u32 length;
	u16 *link = object_link(objects, sub, handle, &length);

	if (type == VIRGL_OBJECT_SHADER && objects->shader_count == VIRGL_SHADERS_MAX)
		return ERR_FULL;
	if (*link == VIRGL_NONE) {
		if (length == VIRGL_CHAIN_MAX || objects->free_object == VIRGL_NONE)
			return ERR_FULL;
		*link = object_take(objects, sub, handle);
	}
	*out = &objects->objects[*link];
	object_retype(objects, *out, type);
	return OK;
}

struct virgl_object *virgl_object_find(struct virgl_objects *objects, u32 slot, u32 handle)
{
	u32 length;
	u16 *link = object_link(objects, objects->contexts[slot].current, handle, &length);

	return *link == VIRGL_NONE ? NULL : &objects->objects[*link];
}

void virgl_object_remove(struct virgl_objects *objects, u32 slot, u32 handle)
{
	u32 length;
	u16 *link = object_link(objects, objects->contexts[slot].current, handle, &length);

	if (*link != VIRGL_NONE)
		object_free(objects, link);
}

/* ---- bindings ---- */

static u16 *binding_link(struct virgl_objects *objects, u16 sub, u16 slot, u32 *length)
{
	u16 *link = &objects->binding_buckets[mix(slot, sub) % VIRGL_BINDING_BUCKETS];

	for (*length = 0; *link != VIRGL_NONE; (*length)++) {
		struct virgl_binding *binding = &objects->bindings[*link];

		if (binding->slot == slot && binding->sub == sub)
			break;
		link = &binding->next;
	}
	return link;
}

static void binding_unlist(struct virgl_objects *objects, struct virgl_binding *binding)
{
	if (binding->sub_prev == VIRGL_NONE)
		objects->subs[binding->sub].bindings = binding->sub_next;
	else
		objects->bindings[binding->sub_prev].sub_next = binding->sub_next;
	if (binding->sub_next != VIRGL_NONE)
		objects->bindings[binding->sub_next].sub_prev = binding->sub_prev;
}

static void binding_free(struct virgl_objects *objects, u16 *link)
{
	u16 index = *link;
	struct virgl_binding *binding = &objects->bindings[index];

	*link = binding->next;
	binding_unlist(objects, binding);
	objects->binding_count--;
	*binding = (struct virgl_binding){ .next = objects->free_binding };
	objects->free_binding = index;
}

static u16 binding_take(struct virgl_objects *objects, u16 sub, u16 slot)
{
	u16 index = objects->free_binding;
	struct virgl_binding *binding = &objects->bindings[index];
	u16 *first = &objects->subs[sub].bindings;

	objects->free_binding = binding->next;
	*binding = (struct virgl_binding){
		.sub = sub,
		.slot = slot,
		.next = VIRGL_NONE,
		.sub_next = *first,
		.sub_prev = VIRGL_NONE,
	};
	if (*first != VIRGL_NONE)
		objects->bindings[*first].sub_prev = index;
	*first = index;
	objects->binding_count++;
	return index;
}

/* What was bound there before comes back in `before`. */
static enum err set_binding(struct virgl_objects *objects, u16 sub, u16 key, u32 what, u32 *before)
{
	u32 length;
	u16 *link = binding_link(objects, sub, key, &length);

	*before = *link == VIRGL_NONE ? 0 : objects->bindings[*link].what;
	if (!what) {
		if (*link != VIRGL_NONE)
			binding_free(objects, link);
		return OK;
	}
	if (*link == VIRGL_NONE) {
		if (length == VIRGL_CHAIN_MAX || objects->free_binding == VIRGL_NONE)
			return ERR_FULL;
		*link = binding_take(objects, sub, key);
	}
	objects->bindings[*link].what = what;
	return OK;
}

static u16 binding_key(enum virgl_binding_kind kind, u32 stage, u32 index)
{
	return (u16)((u32)kind << 8 | stage << 5 | index);
}

enum err virgl_bind(struct virgl_objects *objects, u32 slot, enum virgl_binding_kind kind,
		    u32 stage, u32 index, u32 host_id)
{
	u32 before;

	return set_binding(objects, objects->contexts[slot].current,
			   binding_key(kind, stage, index), host_id, &before);
}

static void count_use(struct virgl_objects *objects, u32 slot, u32 handle, s32 change)
{
	struct virgl_object *object = handle ? virgl_object_find(objects, slot, handle) : NULL;

	if (object)
		object->uses = (u16)(object->uses + change);
}

enum err virgl_bind_sampler(struct virgl_objects *objects, u32 slot, u32 stage, u32 index,
			    u32 handle)
{
	u32 before;
	enum err e = set_binding(objects, objects->contexts[slot].current,
				 binding_key(VIRGL_BINDING_SAMPLER, stage, index), handle, &before);

	if (e)
		return e;
	count_use(objects, slot, before, -1);
	count_use(objects, slot, handle, 1);
	return OK;
}

bool virgl_object_is_bound(struct virgl_objects *objects, u32 slot,
			   const struct virgl_object *object)
{
	const struct virgl_sub *sub = virgl_sub_current(objects, slot);

	return object->uses || (object->type == VIRGL_OBJECT_DSA && object->handle == sub->dsa) ||
	       (object->type == VIRGL_OBJECT_QUERY && object->handle == sub->condition);
}

bool virgl_is_bound(const struct virgl_objects *objects, u32 host_id)
{
	if (!host_id || !objects->binding_count)
		return false;
	for (u32 i = 0; i < VIRGL_BINDINGS_MAX; i++)
		if (objects->bindings[i].what == host_id &&
		    objects->bindings[i].slot >> 8 != VIRGL_BINDING_SAMPLER)
			return true;
	return false;
}

/* ---- contexts and sub-contexts ---- */

/* The link that leads to sub-context `id` of the context, or to the end of its list. */
static u16 *sub_link(struct virgl_objects *objects, u32 slot, u32 id)
{
	u16 *link = &objects->contexts[slot].subs;

	while (*link != VIRGL_NONE && objects->subs[*link].id != id)
		link = &objects->subs[*link].next;
	return link;
}

static void sub_free(struct virgl_objects *objects, u16 *link)
{
	u16 index = *link;
	struct virgl_sub *sub = &objects->subs[index];
	u32 length;

	while (sub->objects != VIRGL_NONE)
		object_free(objects, object_link(objects, index,
						 objects->objects[sub->objects].handle, &length));
	while (sub->bindings != VIRGL_NONE)
		binding_free(objects, binding_link(objects, index,
						   objects->bindings[sub->bindings].slot, &length));
	*link = sub->next;
	objects->contexts[sub->context].sub_count--;
	objects->sub_count--;
	*sub = (struct virgl_sub){ .next = objects->free_sub };
	objects->free_sub = index;
}

enum err virgl_sub_create(struct virgl_objects *objects, u32 slot, u32 id)
{
	struct virgl_context *context = &objects->contexts[slot];
	u16 index = objects->free_sub;

	if (*sub_link(objects, slot, id) != VIRGL_NONE)
		return OK;
	if (context->sub_count == VIRGL_SUBS_PER_CONTEXT || index == VIRGL_NONE)
		return ERR_FULL;
	objects->free_sub = objects->subs[index].next;
	objects->subs[index] = (struct virgl_sub){
		.id = id,
		.next = context->subs,
		.objects = VIRGL_NONE,
		.bindings = VIRGL_NONE,
		.context = (u8)slot,
	};
	context->subs = context->current = index;
	context->sub_count++;
	objects->sub_count++;
	return OK;
}

enum err virgl_sub_select(struct virgl_objects *objects, u32 slot, u32 id)
{
	u16 index = *sub_link(objects, slot, id);

	if (index == VIRGL_NONE)
		return ERR_NOT_FOUND;
	objects->contexts[slot].current = index;
	return OK;
}

enum err virgl_sub_destroy(struct virgl_objects *objects, u32 slot, u32 id)
{
	struct virgl_context *context = &objects->contexts[slot];
	u16 *link = sub_link(objects, slot, id);
	bool current = *link == context->current;

	if (!id)
		return ERR_INVALID;
	if (*link == VIRGL_NONE)
		return ERR_NOT_FOUND;
	sub_free(objects, link);
	if (current)
		context->current = *sub_link(objects, slot, 0);
	return OK;
}

struct virgl_sub *virgl_sub_current(struct virgl_objects *objects, u32 slot)
{
	return &objects->subs[objects->contexts[slot].current];
}

enum err virgl_context_create(struct virgl_objects *objects, u32 slot)
{
	enum err e;

	if (slot >= VIRGL_CONTEXTS_MAX)
		return ERR_RANGE;
	if (objects->contexts[slot].live)
		return ERR_EXISTS;
	e = virgl_sub_create(objects, slot, 0);
	if (!e)
		objects->contexts[slot].live = true;
	return e;
}

void virgl_context_destroy(struct virgl_objects *objects, u32 slot)
{
	if (!virgl_context_is_live(objects, slot))
		return;
	while (objects->contexts[slot].subs != VIRGL_NONE)
		sub_free(objects, &objects->contexts[slot].subs);
	objects->contexts[slot] =
		(struct virgl_context){ .subs = VIRGL_NONE, .current = VIRGL_NONE };
}

bool virgl_context_is_live(const struct virgl_objects *objects, u32 slot)
{
	return slot < VIRGL_CONTEXTS_MAX && objects->contexts[slot].live;
}

void virgl_context_fail(struct virgl_objects *objects, u32 slot)
{
	if (virgl_context_is_live(objects, slot))
		objects->contexts[slot].failed = true;
}

bool virgl_context_has_failed(const struct virgl_objects *objects, u32 slot)
{
	return virgl_context_is_live(objects, slot) && objects->contexts[slot].failed;
}
