/* SPDX-License-Identifier: Apache-2.0 */
/* Check and rewrite a guest's virtio-gpu commands; see audit.h. */
#include "gpu/virtio/audit.h"

#include "core/lib/string.h"

#define EDID_NOT_OFFERED "EDID was not offered"

void audit_init(struct audit *audit, u32 host_base, u64 quota, void *units, u16 unit_count)
{
	memset(audit, 0, sizeof(*audit));
	resource_table_init(&audit->resources, host_base, quota, units, unit_count);
	audit->picture.slot = BACKING_NONE;
}

static void refuse(struct audit_result *result, u32 answer, const char *why)
{
	result->verdict = AUDIT_ANSWER;
	result->answer = answer;
	result->why = why;
}

static void answer(struct audit_result *result, u32 type)
{
	result->verdict = AUDIT_ANSWER;
	result->answer = type;
}

/* A command of ours: only the type is set, fences are added where one is needed. */
static void *start(union virtio_gpu_command *command, u32 type)
{
	memset(command, 0, sizeof(*command));
	command->hdr.type = type;
	return command;
}

static void submit(struct audit_result *result, u32 length)
{
	result->verdict = AUDIT_SUBMIT;
	result->length = length;
}

/* The live resource of that id, or NULL with the answer given. */
static struct resource *look_up(struct audit *audit, u32 guest_id, struct audit_result *result)
{
	struct resource *resource = guest_id ? resource_find(&audit->resources, guest_id) : NULL;

	if (!resource)
		refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
		       "no such resource of this guest");
	result->resource = resource;
	return resource;
}

static void create_2d(struct audit *audit, const union virtio_gpu_command *in,
		      struct audit_result *result)
{
	const struct virtio_gpu_create_2d *from = &in->create_2d;
	struct virtio_gpu_create_2d *to;

	if (!from->resource_id) {
		refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID, "resource id 0");
		return;
	}
	switch (resource_create(&audit->resources, from->resource_id, from->format, from->width,
				from->height, &result->resource)) {
	case OK:
		break;
	case ERR_EXISTS:
		refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID, "resource id in use");
		return;
	case ERR_QUOTA:
		refuse(result, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, "gpu.memory is used up");
		return;
	case ERR_FULL:
		refuse(result, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, "too many resources");
		return;
	default:
		refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "format or size");
		return;
	}
	to = start(&result->command, VIRTIO_GPU_CMD_RESOURCE_CREATE_2D);
	to->resource_id = result->resource->host_id;
	to->format = from->format;
	to->width = from->width;
	to->height = from->height;
	result->effect = EFFECT_CREATE;
	submit(result, sizeof(*to));
}

static void forget_picture_of(struct audit *audit, const struct resource *resource)
{
	if (audit->picture.slot == resource->slot)
		audit->picture.slot = BACKING_NONE;
}

static void unref(struct audit *audit, const union virtio_gpu_command *in,
		  struct audit_result *result)
{
	struct resource *resource = look_up(audit, in->ref.resource_id, result);

	if (!resource)
		return;
	forget_picture_of(audit, resource);
	resource_bury(&audit->resources, resource);
	resource->unref_queued = true;
	result->effect = EFFECT_UNREF;
	submit(result, audit_make_unref(resource, &result->command));
}

static void set_scanout(struct audit *audit, const union virtio_gpu_command *in,
			struct audit_result *result)
{
	struct resource *resource;

	if (in->set_scanout.scanout_id >= VGPU_SCANOUTS) {
		refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, "no such scan-out");
		return;
	}
	if (!in->set_scanout.resource_id) {
		audit->picture.slot = BACKING_NONE;
	} else {
		resource = look_up(audit, in->set_scanout.resource_id, result);
		if (!resource)
			return;
		if (!resource_holds(resource, &in->set_scanout.rect)) {
			refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			       "scan-out outside the resource");
			return;
		}
		audit->picture.slot = resource->slot;
		audit->picture.rect = in->set_scanout.rect;
	}
	result->names_scanout = true;
	submit(result, audit_make_show(audit, &result->command));
}

static void flush(struct audit *audit, const union virtio_gpu_command *in,
		  struct audit_result *result)
{
	struct resource *resource = look_up(audit, in->flush.resource_id, result);
	struct virtio_gpu_flush *to;

	if (!resource)
		return;
	if (!resource_holds(resource, &in->flush.rect)) {
		refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
		       "rectangle outside the resource");
		return;
	}
	to = start(&result->command, VIRTIO_GPU_CMD_RESOURCE_FLUSH);
	to->rect = in->flush.rect;
	to->resource_id = resource->host_id;
	submit(result, sizeof(*to));
}

/* True where the last byte that the transfer reads is in the backing. */
static bool backing_covers(const struct resource *resource,
			   const struct virtio_gpu_transfer_2d *transfer)
{
	u64 stride = (u64)resource->width * 4;
	u64 span = (transfer->rect.height - 1) * stride + (u64)transfer->rect.width * 4;

	return transfer->offset <= resource->backing.bytes &&
	       span <= resource->backing.bytes - transfer->offset;
}

static void transfer(struct audit *audit, const union virtio_gpu_command *in,
		     struct audit_result *result)
{
	struct resource *resource = look_up(audit, in->transfer_2d.resource_id, result);
	struct virtio_gpu_transfer_2d *to;

	if (!resource)
		return;
	if (!resource->backed) {
		refuse(result, VIRTIO_GPU_RESP_ERR_UNSPEC, "transfer without backing");
		return;
	}
	if (!resource_holds(resource, &in->transfer_2d.rect) ||
	    !backing_covers(resource, &in->transfer_2d)) {
		refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
		       "transfer outside resource or backing");
		return;
	}
	to = start(&result->command, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D);
	to->rect = in->transfer_2d.rect;
	to->offset = in->transfer_2d.offset;
	to->resource_id = resource->host_id;
	submit(result, sizeof(*to));
}

static void attach(struct audit *audit, const union virtio_gpu_command *in, u64 total,
		   struct audit_result *result)
{
	struct resource *resource = look_up(audit, in->attach.resource_id, result);
	u32 count = in->attach.entry_count;

	if (!resource)
		return;
	if (resource->backed) {
		refuse(result, VIRTIO_GPU_RESP_ERR_UNSPEC, "backing is attached already");
		return;
	}
	if (!count || count > VIRTIO_GPU_ENTRIES_MAX) {
		refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "number of backing entries");
		return;
	}
	if (total != sizeof(in->attach) + (u64)count * sizeof(struct virtio_gpu_mem_entry)) {
		refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
		       "not as many backing entries as announced");
		return;
	}
	result->verdict = AUDIT_BACKING;
	result->entry_count = count;
}

void audit_backing_done(struct audit *audit, struct audit_result *result,
			const struct backing *backing)
{
	struct virtio_gpu_attach_backing *to;

	(void)audit;
	to = start(&result->command, VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING);
	to->resource_id = result->resource->host_id;
	to->entry_count = backing->entries;
	result->resource->backing = *backing;
	result->resource->backed = true;
	result->backing = *backing;
	result->effect = EFFECT_ATTACH;
	submit(result, sizeof(*to));
}

static void detach(struct audit *audit, const union virtio_gpu_command *in,
		   struct audit_result *result)
{
	struct resource *resource = look_up(audit, in->ref.resource_id, result);
	struct virtio_gpu_resource_ref *to;

	if (!resource)
		return;
	if (!resource->backed) {
		refuse(result, VIRTIO_GPU_RESP_ERR_UNSPEC, "no backing is attached");
		return;
	}
	to = start(&result->command, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING);
	to->resource_id = resource->host_id;
	result->backing = resource->backing;
	backing_init(&resource->backing);
	resource->backed = false;
	result->effect = EFFECT_DETACH;
	submit(result, sizeof(*to));
}

static void get_edid(const struct audit *audit, const union virtio_gpu_command *in,
		     struct audit_result *result)
{
	if (!audit->display.edid_size)
		refuse(result, VIRTIO_GPU_RESP_ERR_UNSPEC, EDID_NOT_OFFERED);
	else if (in->get_edid.scanout >= VGPU_SCANOUTS)
		refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, "no such scan-out");
	else
		answer(result, VIRTIO_GPU_RESP_OK_EDID);
}

/* Bytes of each command without what may follow; 0: not a command that we mediate. */
static u32 length_of(u32 type)
{
	switch (type) {
	case VIRTIO_GPU_CMD_GET_DISPLAY_INFO:
		return sizeof(struct virtio_gpu_hdr);
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
		return sizeof(struct virtio_gpu_create_2d);
	case VIRTIO_GPU_CMD_RESOURCE_UNREF:
	case VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING:
		return sizeof(struct virtio_gpu_resource_ref);
	case VIRTIO_GPU_CMD_SET_SCANOUT:
		return sizeof(struct virtio_gpu_set_scanout);
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		return sizeof(struct virtio_gpu_flush);
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
		return sizeof(struct virtio_gpu_transfer_2d);
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		return sizeof(struct virtio_gpu_attach_backing);
	case VIRTIO_GPU_CMD_GET_EDID:
		return sizeof(struct virtio_gpu_get_edid);
	default:
		return 0;
	}
}

static void dispatch(struct audit *audit, const union virtio_gpu_command *in, u64 total,
		     struct audit_result *result)
{
	switch (in->hdr.type) {
	case VIRTIO_GPU_CMD_GET_DISPLAY_INFO:
		answer(result, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
		create_2d(audit, in, result);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_UNREF:
		unref(audit, in, result);
		break;
	case VIRTIO_GPU_CMD_SET_SCANOUT:
		set_scanout(audit, in, result);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		flush(audit, in, result);
		break;
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
		transfer(audit, in, result);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		attach(audit, in, total, result);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING:
		detach(audit, in, result);
		break;
	case VIRTIO_GPU_CMD_GET_EDID:
		get_edid(audit, in, result);
		break;
	default:
		refuse(result, VIRTIO_GPU_RESP_ERR_UNSPEC, "command that is not offered");
		break;
	}
}

static void count(struct audit *audit, u32 type)
{
	u32 index = type - VIRTIO_GPU_CMD_GET_DISPLAY_INFO;

	if (index < ARRAY_SIZE(audit->counters.commands))
		audit->counters.commands[index]++;
	else
		audit->counters.unknown++;
}

static void result_init(struct audit_result *result)
{
	memset(result, 0, sizeof(*result));
	backing_init(&result->backing);
}

void audit_control(struct audit *audit, const void *bytes, u32 length, u64 total,
		   struct audit_result *result)
{
	union virtio_gpu_command in = { 0 };

	result_init(result);
	if (length < sizeof(in.hdr)) {
		audit->counters.unknown++;
		refuse(result, VIRTIO_GPU_RESP_ERR_UNSPEC, "shorter than a header");
	} else {
		memcpy(&in, bytes, MIN(length, (u32)sizeof(in)));
		count(audit, in.hdr.type);
		if (length < length_of(in.hdr.type))
			refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "command cut short");
		else if (total > length_of(in.hdr.type) && length_of(in.hdr.type) &&
			 in.hdr.type != VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING)
			refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "command too long");
		else
			dispatch(audit, &in, total, result);
	}
	if (result->why)
		audit->counters.refused++;
}

static void cursor(struct audit *audit, const union virtio_gpu_command *in,
		   struct audit_result *result)
{
	struct virtio_gpu_cursor *to;
	u32 type = in->hdr.type;
	u32 host_id = 0;

	if (type != VIRTIO_GPU_CMD_UPDATE_CURSOR && type != VIRTIO_GPU_CMD_MOVE_CURSOR) {
		refuse(result, VIRTIO_GPU_RESP_ERR_UNSPEC, "not a cursor command");
		return;
	}
	if (in->cursor.scanout_id >= VGPU_SCANOUTS) {
		refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, "no such scan-out");
		return;
	}
	if (type == VIRTIO_GPU_CMD_UPDATE_CURSOR && in->cursor.resource_id) {
		if (!look_up(audit, in->cursor.resource_id, result))
			return;
		host_id = result->resource->host_id;
	}
	to = start(&result->command, type);
	to->x = in->cursor.x;
	to->y = in->cursor.y;
	to->hot_x = in->cursor.hot_x;
	to->hot_y = in->cursor.hot_y;
	to->resource_id = host_id;
	result->names_scanout = true;
	submit(result, sizeof(*to));
}

void audit_cursor(struct audit *audit, const void *bytes, u32 length, u64 total,
		  struct audit_result *result)
{
	union virtio_gpu_command in = { 0 };

	result_init(result);
	audit->counters.cursor++;
	if (length < sizeof(in.cursor) || total != sizeof(in.cursor)) {
		refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "length of the command");
	} else {
		memcpy(&in, bytes, sizeof(in.cursor));
		cursor(audit, &in, result);
	}
	if (result->why)
		audit->counters.refused++;
}

u32 audit_fill_answer(const struct audit *audit, u32 type, union virtio_gpu_response *response)
{
	memset(response, 0, sizeof(*response));
	response->hdr.type = type;
	if (type == VIRTIO_GPU_RESP_OK_DISPLAY_INFO) {
		struct virtio_gpu_display_one *mode = &response->display_info.modes[0];

		mode->rect.width = audit->display.width;
		mode->rect.height = audit->display.height;
		mode->enabled = 1;
		return sizeof(response->display_info);
	}
	if (type == VIRTIO_GPU_RESP_OK_EDID) {
		u32 size = MIN(audit->display.edid_size, (u32)VIRTIO_GPU_EDID_BYTES);

		response->edid.size = size;
		memcpy(response->edid.edid, audit->display.edid, size);
		return sizeof(response->edid);
	}
	return sizeof(response->hdr);
}

u32 audit_make_clear(const struct resource *resource, u32 step, union virtio_gpu_command *command,
		     u32 *entries)
{
	struct virtio_gpu_attach_backing *attach_zeros;
	struct virtio_gpu_transfer_2d *all;
	struct virtio_gpu_resource_ref *done;

	*entries = 0;
	switch (step) {
	case 0:
		*entries = (u32)((resource->bytes + CLEAR_ENTRY_BYTES - 1) / CLEAR_ENTRY_BYTES);
		attach_zeros = start(command, VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING);
		attach_zeros->resource_id = resource->host_id;
		attach_zeros->entry_count = *entries;
		return sizeof(*attach_zeros);
	case 1:
		all = start(command, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D);
		all->resource_id = resource->host_id;
		all->rect.width = resource->width;
		all->rect.height = resource->height;
		return sizeof(*all);
	default:
		done = start(command, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING);
		done->resource_id = resource->host_id;
		return sizeof(*done);
	}
}

u32 audit_make_unref(const struct resource *resource, union virtio_gpu_command *command)
{
	struct virtio_gpu_resource_ref *to = start(command, VIRTIO_GPU_CMD_RESOURCE_UNREF);

	to->resource_id = resource->host_id;
	return sizeof(*to);
}

u32 audit_make_show(const struct audit *audit, union virtio_gpu_command *command)
{
	struct virtio_gpu_set_scanout *to = start(command, VIRTIO_GPU_CMD_SET_SCANOUT);

	if (audit->picture.slot != BACKING_NONE) {
		to->resource_id = audit->resources.slots[audit->picture.slot].host_id;
		to->rect = audit->picture.rect;
	}
	return sizeof(*to);
}

u32 audit_make_flush(const struct audit *audit, union virtio_gpu_command *command)
{
	struct virtio_gpu_flush *to = start(command, VIRTIO_GPU_CMD_RESOURCE_FLUSH);

	if (audit->picture.slot == BACKING_NONE)
		return 0;
	to->resource_id = audit->resources.slots[audit->picture.slot].host_id;
	to->rect = audit->picture.rect;
	return sizeof(*to);
}
