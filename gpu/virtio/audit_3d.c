/* SPDX-License-Identifier: Apache-2.0 */
/* Check and rewrite a guest's 3D commands: contexts, 3D resources, transfers; see audit.h. */
#include "core/lib/string.h"
#include "gpu/virtio/audit.h"
#include "gpu/virtio/streams.h"
#include "gpu/virtio/virgl_proto.h"

/* ---- contexts ---- */

void audit_contexts_init(struct audit_contexts *contexts, u32 host_base)
{
	memset(contexts, 0, sizeof(*contexts));
	contexts->host_base = host_base;
	virgl_objects_init(&contexts->objects);
}

void audit_context_bury(struct audit_contexts *contexts, u32 slot)
{
	if (contexts->slots[slot].state != CONTEXT_LIVE)
		return;
	contexts->slots[slot].state = CONTEXT_BURIED;
	virgl_context_destroy(&contexts->objects, slot);
}

void audit_context_free(struct audit_contexts *contexts, u32 slot)
{
	if (contexts->slots[slot].state != CONTEXT_BURIED)
		return;
	contexts->slots[slot].state = CONTEXT_FREE;
	contexts->slots[slot].end_queued = false;
	contexts->count--;
}

/* The slot of a live context, or -1 with the answer given. Number 0 is never a guest's. */
static s32 context_of(const struct audit *audit, u32 guest_id, struct audit_result *result)
{
	const struct audit_contexts *contexts = audit->contexts;

	for (u32 i = 0; guest_id && i < VIRGL_CONTEXTS_MAX; i++)
		if (contexts->slots[i].state == CONTEXT_LIVE &&
		    contexts->slots[i].guest_id == guest_id) {
			result->context = i;
			return (s32)i;
		}
	audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID,
		     "no such context of this guest");
	return -1;
}

static s32 free_context(const struct audit_contexts *contexts)
{
	for (u32 i = 0; i < VIRGL_CONTEXTS_MAX; i++)
		if (contexts->slots[i].state == CONTEXT_FREE)
			return (s32)i;
	return -1;
}

static bool context_exists(const struct audit_contexts *contexts, u32 guest_id)
{
	for (u32 i = 0; i < VIRGL_CONTEXTS_MAX; i++)
		if (contexts->slots[i].state == CONTEXT_LIVE &&
		    contexts->slots[i].guest_id == guest_id)
			return true;
	return false;
}

static u32 host_context(const struct audit_contexts *contexts, u32 slot)
{
	return contexts->host_base + slot;
}

static void ctx_create(struct audit *audit, const union virtio_gpu_command *in,
		       struct audit_result *result)
{
	struct audit_contexts *contexts = audit->contexts;
	u32 guest_id = in->hdr.ctx_id;
	struct virtio_gpu_ctx_create *to;
	s32 slot = free_context(contexts);

	if (!guest_id || context_exists(contexts, guest_id)) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID,
			     "context id 0 or in use");
		return;
	}
	if (in->ctx_create.context_init) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "CONTEXT_INIT was not offered");
		return;
	}
	if (slot < 0 || virgl_context_create(&contexts->objects, (u32)slot)) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, "too many contexts");
		return;
	}
	contexts->slots[slot].guest_id = guest_id;
	contexts->slots[slot].state = CONTEXT_LIVE;
	contexts->count++;
	/* Its name is for the device's log, where a guest has no say. */
	to = audit_start(&result->command, VIRTIO_GPU_CMD_CTX_CREATE);
	to->hdr.ctx_id = host_context(contexts, (u32)slot);
	to->name_length = 5;
	memcpy(to->name, "facet", 5);
	result->context = (u32)slot;
	result->effect = EFFECT_CTX_NEW;
	result->series = SERIES_FILL;
	audit_submit(result, sizeof(*to));
}

static void ctx_destroy(struct audit *audit, const union virtio_gpu_command *in,
			struct audit_result *result)
{
	s32 slot = context_of(audit, in->hdr.ctx_id, result);

	if (slot < 0)
		return;
	audit_context_bury(audit->contexts, (u32)slot);
	audit->contexts->slots[slot].end_queued = true;
	result->effect = EFFECT_CTX_END;
	audit_submit(result, audit_make_ctx_destroy(audit->contexts, (u32)slot, &result->command));
}

static void ctx_resource(struct audit *audit, const union virtio_gpu_command *in,
			 struct audit_result *result)
{
	struct virtio_gpu_resource_ref *to;
	struct resource *resource;
	s32 slot = context_of(audit, in->hdr.ctx_id, result);

	if (slot < 0)
		return;
	resource = audit_look_up(audit, in->ref.resource_id, result);
	if (!resource)
		return;
	to = audit_start(&result->command, in->hdr.type);
	to->hdr.ctx_id = host_context(audit->contexts, (u32)slot);
	to->resource_id = resource->host_id;
	audit_submit(result, sizeof(*to));
}

/* ---- resources ---- */

/* Transfers that clear one level, which exists; all of it is filled in. */
static u32 clears_of_level(const struct virgl_resource *shape, u32 level,
			   struct virgl_transfer *all)
{
	virgl_transfer_level(shape, level, all);
	return virgl_transfer_must_split(shape, all, false) ? all->d : 1;
}

u32 audit_3d_clears(const struct resource *resource)
{
	const struct virgl_resource *shape = &resource->shape;
	struct virgl_transfer all;
	u32 count = 0;

	if (shape->bind == VIRGL_BIND_STAGING)
		return 0; /* it is the guest's own memory */
	for (u32 level = 0; level <= shape->last_level; level++)
		count += clears_of_level(shape, level, &all);
	return count;
}

static void create_3d(struct audit *audit, const union virtio_gpu_command *in,
		      struct audit_result *result)
{
	const struct virtio_gpu_create_3d *from = &in->create_3d;
	struct virtio_gpu_create_3d *to;
	struct virgl_resource shape = {
		.target = from->target,
		.format = from->format,
		.bind = from->bind,
		.width = from->width,
		.height = from->height,
		.depth = from->depth,
		.array_size = from->array_size,
		.last_level = from->last_level,
		.flags = from->flags,
	};
	struct resource probe = { .shape = shape };

	if (!from->resource_id) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID, "resource id 0");
		return;
	}
	if (!virgl_resource_check(&shape, from->nr_samples) &&
	    audit_3d_clears(&probe) > AUDIT_SERIES_MAX - 3) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "more layers than can be cleared");
		return;
	}
	if (!audit_created(resource_create_3d(&audit->resources, from->resource_id, &shape,
					      from->nr_samples, &result->resource),
			   result))
		return;
	to = audit_start(&result->command, VIRTIO_GPU_CMD_RESOURCE_CREATE_3D);
	to->resource_id = result->resource->host_id;
	to->target = shape.target;
	to->format = shape.format;
	to->bind = shape.bind;
	to->width = shape.width;
	to->height = shape.height;
	to->depth = shape.depth;
	to->array_size = shape.array_size;
	to->last_level = shape.last_level;
	to->flags = shape.flags;
	result->effect = EFFECT_CREATE;
	result->series = SERIES_CLEAR;
	audit_submit(result, sizeof(*to));
}

/* ---- transfers ---- */

static struct virgl_transfer transfer_of(const struct virtio_gpu_transfer_3d *from)
{
	return (struct virgl_transfer){
		.level = from->level,
		.stride = from->stride,
		.layer_stride = from->layer_stride,
		.x = from->box.x,
		.y = from->box.y,
		.z = from->box.z,
		.w = from->box.width,
		.h = from->box.height,
		.d = from->box.depth,
		.offset = from->offset,
	};
}

static u32 make_transfer(const struct resource *resource, u32 type, u32 context,
			 const struct virgl_transfer *from, union virtio_gpu_command *command)
{
	struct virtio_gpu_transfer_3d *to = audit_start(command, type);

	to->hdr.ctx_id = context;
	to->box = (struct virtio_gpu_box){ from->x, from->y, from->z, from->w, from->h, from->d };
	to->offset = from->offset;
	to->resource_id = resource->host_id;
	to->level = from->level;
	to->stride = from->stride;
	to->layer_stride = from->layer_stride;
	return sizeof(*to);
}

static void transfer_3d(struct audit *audit, const union virtio_gpu_command *in,
			struct audit_result *result)
{
	struct virgl_transfer transfer = transfer_of(&in->transfer_3d);
	struct resource *resource;
	s32 slot = context_of(audit, in->hdr.ctx_id, result);

	if (slot < 0)
		return;
	resource = audit_look_up(audit, in->transfer_3d.resource_id, result);
	if (!resource)
		return;
	if (!resource->backed) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_UNSPEC, "transfer without backing");
		return;
	}
	if (!virgl_transfer_fits(&resource->shape, &transfer, resource->backing.bytes)) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "transfer outside resource or backing");
		return;
	}
	if (virgl_transfer_must_split(&resource->shape, &transfer,
				      in->hdr.type == VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D))
		result->series = SERIES_LAYERS;
	if (result->series && transfer.d > AUDIT_SERIES_MAX) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "transfer of too many layers");
		return;
	}
	audit_submit(result,
		     make_transfer(resource, in->hdr.type, host_context(audit->contexts, (u32)slot),
				   &transfer, &result->command));
}

u32 audit_make_layer(const struct resource *resource, const union virtio_gpu_command *all, u32 step,
		     union virtio_gpu_command *command)
{
	struct virgl_transfer transfer = transfer_of(&all->transfer_3d);
	struct virgl_transfer one;

	if (step >= transfer.d)
		return 0;
	virgl_transfer_layer(&resource->shape, &transfer, step, &one);
	return make_transfer(resource, all->hdr.type, all->hdr.ctx_id, &one, command);
}

u32 audit_3d_make_clear(const struct resource *resource, u32 index,
			union virtio_gpu_command *command)
{
	struct virgl_transfer all, one;
	u32 level = 0, count;

	for (; (count = clears_of_level(&resource->shape, level, &all)) <= index; level++)
		index -= count;
	one = all;
	if (count > 1) {
		virgl_transfer_layer(&resource->shape, &all, index, &one);
		one.offset = 0; /* from the start of the zeros, whatever layer it is */
	}
	return make_transfer(resource, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, 0, &one, command);
}

bool audit_3d_flat_fits(const struct resource *resource,
			const struct virtio_gpu_transfer_2d *transfer)
{
	struct virgl_transfer flat = {
		.x = transfer->rect.x,
		.y = transfer->rect.y,
		.w = transfer->rect.width,
		.h = transfer->rect.height,
		.d = 1,
		.offset = transfer->offset,
	};

	return virgl_transfer_fits(&resource->shape, &flat, resource->backing.bytes);
}

/* ---- streams ---- */

/* Part of its length may be missing, which reads as zeros: then `total` is too short for any. */
static void submit_3d(struct audit *audit, const union virtio_gpu_command *in, u64 total,
		      struct audit_result *result)
{
	u32 size = in->submit_3d.size;
	s32 slot = context_of(audit, in->hdr.ctx_id, result);

	if (slot < 0)
		return;
	if (virgl_context_has_failed(&audit->contexts->objects, (u32)slot)) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID,
			     "the context has failed");
		return;
	}
	if (total != sizeof(in->submit_3d) + (u64)size) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "not as long as announced");
		result->verdict = AUDIT_FAIL;
	} else if (size % sizeof(u32) || size > STREAM_BYTES_MAX) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "no whole dwords, or too many");
		result->verdict = AUDIT_FAIL;
	} else {
		result->verdict = AUDIT_STREAM;
		result->stream_bytes = size;
	}
}

u32 audit_make_submit(const struct audit_contexts *contexts, u32 slot, u32 bytes,
		      union virtio_gpu_command *command)
{
	struct virtio_gpu_submit_3d *to = audit_start(command, VIRTIO_GPU_CMD_SUBMIT_3D);

	to->hdr.ctx_id = host_context(contexts, slot);
	to->size = bytes;
	return sizeof(*to);
}

u32 audit_make_ctx_destroy(const struct audit_contexts *contexts, u32 slot,
			   union virtio_gpu_command *command)
{
	struct virtio_gpu_hdr *to = audit_start(command, VIRTIO_GPU_CMD_CTX_DESTROY);

	to->ctx_id = host_context(contexts, slot);
	return sizeof(*to);
}

/* ---- all of them ---- */

bool audit_is_3d(u32 type)
{
	return type >= VIRTIO_GPU_CMD_CTX_CREATE && type <= VIRTIO_GPU_CMD_SUBMIT_3D;
}

u32 audit_3d_length_of(u32 type)
{
	switch (type) {
	case VIRTIO_GPU_CMD_CTX_CREATE:
		return sizeof(struct virtio_gpu_ctx_create);
	case VIRTIO_GPU_CMD_CTX_DESTROY:
		return sizeof(struct virtio_gpu_hdr);
	case VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE:
	case VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE:
		return sizeof(struct virtio_gpu_resource_ref);
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_3D:
		return sizeof(struct virtio_gpu_create_3d);
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D:
	case VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D:
		return sizeof(struct virtio_gpu_transfer_3d);
	case VIRTIO_GPU_CMD_SUBMIT_3D:
		return sizeof(struct virtio_gpu_submit_3d);
	default:
		return 0;
	}
}

void audit_3d(struct audit *audit, const union virtio_gpu_command *in, u64 total,
	      struct audit_result *result)
{
	switch (in->hdr.type) {
	case VIRTIO_GPU_CMD_CTX_CREATE:
		ctx_create(audit, in, result);
		break;
	case VIRTIO_GPU_CMD_CTX_DESTROY:
		ctx_destroy(audit, in, result);
		break;
	case VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE:
	case VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE:
		ctx_resource(audit, in, result);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_3D:
		create_3d(audit, in, result);
		break;
	case VIRTIO_GPU_CMD_SUBMIT_3D:
		submit_3d(audit, in, total, result);
		break;
	default:
		transfer_3d(audit, in, result);
		break;
	}
}
