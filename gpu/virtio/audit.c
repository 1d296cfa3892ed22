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

void audit_refuse(struct audit_result *result, u32 answer, const char *why)
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

/* Only the type is set: fences are added where one is needed. */
void *audit_start(union virtio_gpu_command *command, u32 type)
{
	memset(command, 0, sizeof(*command));
	command->hdr.type = type;
	return command;
}

void audit_submit(struct audit_result *result, u32 length)
{
	result->verdict = AUDIT_SUBMIT;
	result->length = length;
}

struct resource *audit_look_up(struct audit *audit, u32 guest_id, struct audit_result *result)
{
	struct resource *resource = guest_id ? resource_find(&audit->resources, guest_id) : NULL;

	if (!resource)
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
			     "no such resource of this guest");
	result->resource = resource;
	return resource;
}

bool audit_created(enum err e, struct audit_result *result)
{
	switch (e) {
	case OK:
		return true;
	case ERR_EXISTS:
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID, "resource id in use");
		break;
	case ERR_QUOTA:
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, "gpu.memory is used up");
		break;
	case ERR_FULL:
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, "too many resources");
		break;
	default:
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "format or size");
		break;
	}
	return false;
}

static void create_2d(struct audit *audit, const union virtio_gpu_command *in,
		      struct audit_result *result)
{
	const struct virtio_gpu_create_2d *from = &in->create_2d;

	if (!from->resource_id) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID, "resource id 0");
		return;
	}
	if (!audit_created(resource_create(&audit->resources, from->resource_id, from->format,
					   from->width, from->height, &result->resource),
			   result))
		return;
	result->effect = EFFECT_CREATE;
	result->series = SERIES_CLEAR;
	audit_submit(result, audit_make_create(result->resource, &result->command));
}

static void forget_picture_of(struct audit *audit, const struct resource *resource)
{
	if (audit->picture.slot == resource->slot)
		audit->picture.slot = BACKING_NONE;
}

static void unref(struct audit *audit, const union virtio_gpu_command *in,
		  struct audit_result *result)
{
	struct resource *resource = audit_look_up(audit, in->ref.resource_id, result);

	if (!resource)
		return;
	forget_picture_of(audit, resource);
	if (audit->contexts && virgl_is_bound(&audit->contexts->objects, resource->host_id)) {
		result->verdict = AUDIT_BURY;
		result->answer = VIRTIO_GPU_RESP_OK_NODATA;
		return;
	}
	resource_bury(&audit->resources, resource);
	resource->unref_queued = true;
	result->effect = EFFECT_UNREF;
	audit_submit(result, audit_make_unref(resource, &result->command));
}

static void set_scanout(struct audit *audit, const union virtio_gpu_command *in,
			struct audit_result *result)
{
	struct resource *resource;

	if (in->set_scanout.scanout_id >= VGPU_SCANOUTS) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, "no such scan-out");
		return;
	}
	if (!in->set_scanout.resource_id) {
		audit->picture.slot = BACKING_NONE;
	} else {
		resource = audit_look_up(audit, in->set_scanout.resource_id, result);
		if (!resource)
			return;
		if (!resource_is_picture(resource)) {
			audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				     "scan-out of a resource that is no picture");
			return;
		}
		if (!resource_holds(resource, &in->set_scanout.rect)) {
			audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				     "scan-out outside the resource");
			return;
		}
		audit->picture.slot = resource->slot;
		audit->picture.rect = in->set_scanout.rect;
	}
	result->names_scanout = true;
	audit_submit(result, audit_make_show(audit, &result->command));
}

static void flush(struct audit *audit, const union virtio_gpu_command *in,
		  struct audit_result *result)
{
	struct resource *resource = audit_look_up(audit, in->flush.resource_id, result);
	struct virtio_gpu_flush *to;

	if (!resource)
		return;
	if (!resource_holds(resource, &in->flush.rect)) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "rectangle outside the resource");
		return;
	}
	to = audit_start(&result->command, VIRTIO_GPU_CMD_RESOURCE_FLUSH);
	to->rect = in->flush.rect;
	to->resource_id = resource->host_id;
	audit_submit(result, sizeof(*to));
}

/* True where the last byte that the transfer reads is in the backing. */
static bool backing_covers(const struct resource *resource,
			   const struct virtio_gpu_transfer_2d *transfer)
{
	u64 stride = (u64)resource->shape.width * 4;
	u64 span = (transfer->rect.height - 1) * stride + (u64)transfer->rect.width * 4;

	return transfer->offset <= resource->backing.bytes &&
	       span <= resource->backing.bytes - transfer->offset;
}

static void transfer(struct audit *audit, const union virtio_gpu_command *in,
		     struct audit_result *result)
{
	struct resource *resource = audit_look_up(audit, in->transfer_2d.resource_id, result);
	struct virtio_gpu_transfer_2d *to;

	if (!resource)
		return;
	if (!resource->backed) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_UNSPEC, "transfer without backing");
		return;
	}
	if (!resource_holds(resource, &in->transfer_2d.rect) ||
	    !(resource->is_3d ? audit_3d_flat_fits(resource, &in->transfer_2d)
			      : backing_covers(resource, &in->transfer_2d))) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "transfer outside resource or backing");
		return;
	}
	to = audit_start(&result->command, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D);
	to->rect = in->transfer_2d.rect;
	to->offset = in->transfer_2d.offset;
	to->resource_id = resource->host_id;
	audit_submit(result, sizeof(*to));
}

static void attach(struct audit *audit, const union virtio_gpu_command *in, u64 total,
		   struct audit_result *result)
{
	struct resource *resource = audit_look_up(audit, in->attach.resource_id, result);
	u32 count = in->attach.entry_count;

	if (!resource)
		return;
	if (resource->backed) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_UNSPEC, "backing is attached already");
		return;
	}
	if (!count || count > VIRTIO_GPU_ENTRIES_MAX) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "number of backing entries");
		return;
	}
	if (total != sizeof(in->attach) + (u64)count * sizeof(struct virtio_gpu_mem_entry)) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "not as many backing entries as announced");
		return;
	}
	result->verdict = AUDIT_BACKING;
	result->entry_count = count;
}

void audit_backing_done(struct audit *audit, struct audit_result *result,
			const struct backing *backing)
{
	(void)audit;
	resource_set_backing(result->resource, backing);
	result->backing = *backing;
	result->effect = EFFECT_ATTACH;
	audit_submit(result, audit_make_attach(result->resource, backing, &result->command));
}

static void detach(struct audit *audit, const union virtio_gpu_command *in,
		   struct audit_result *result)
{
	struct resource *resource = audit_look_up(audit, in->ref.resource_id, result);
	struct virtio_gpu_resource_ref *to;
	struct backing none;

	if (!resource)
		return;
	if (!resource->backed) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_UNSPEC, "no backing is attached");
		return;
	}
	to = audit_start(&result->command, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING);
	to->resource_id = resource->host_id;
	result->backing = resource->backing;
	backing_init(&none);
	resource_set_backing(resource, &none);
	result->effect = EFFECT_DETACH;
	audit_submit(result, sizeof(*to));
}

static void get_edid(const struct audit *audit, const union virtio_gpu_command *in,
		     struct audit_result *result)
{
	if (!audit->display.edid_size)
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_UNSPEC, EDID_NOT_OFFERED);
	else if (in->get_edid.scanout >= VGPU_SCANOUTS)
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, "no such scan-out");
	else
		answer(result, VIRTIO_GPU_RESP_OK_EDID);
}

/* What was asked is needed again when the answer is filled in. */
static void answer_query(struct audit_result *result, const union virtio_gpu_command *in, u32 type)
{
	result->command = *in;
	answer(result, type);
}

static void get_capset_info(const struct audit *audit, const union virtio_gpu_command *in,
			    struct audit_result *result)
{
	if (in->get_capset_info.index >= audit->capsets->count)
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "no such capability set");
	else
		answer_query(result, in, VIRTIO_GPU_RESP_OK_CAPSET_INFO);
}

static const struct audit_capset *find_capset(const struct audit *audit, u32 id)
{
	for (u32 i = 0; i < audit->capsets->count; i++)
		if (audit->capsets->sets[i].id == id)
			return &audit->capsets->sets[i];
	return NULL;
}

static void get_capset(const struct audit *audit, const union virtio_gpu_command *in,
		       struct audit_result *result)
{
	const struct audit_capset *capset = find_capset(audit, in->get_capset.id);

	if (!capset || in->get_capset.version > capset->max_version)
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "no such capability set or version");
	else
		answer_query(result, in, VIRTIO_GPU_RESP_OK_CAPSET);
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
	case VIRTIO_GPU_CMD_GET_CAPSET_INFO:
		return sizeof(struct virtio_gpu_get_capset_info);
	case VIRTIO_GPU_CMD_GET_CAPSET:
		return sizeof(struct virtio_gpu_get_capset);
	default:
		return audit_3d_length_of(type);
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
	case VIRTIO_GPU_CMD_GET_CAPSET_INFO:
		get_capset_info(audit, in, result);
		break;
	case VIRTIO_GPU_CMD_GET_CAPSET:
		get_capset(audit, in, result);
		break;
	default:
		if (audit_is_3d(in->hdr.type)) {
			audit_3d(audit, in, total, result);
			break;
		}
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_UNSPEC, "command that is not offered");
		break;
	}
}

static void count(struct audit *audit, u32 type)
{
	u32 index = type - VIRTIO_GPU_CMD_GET_DISPLAY_INFO;
	u32 index_3d = type - VIRTIO_GPU_CMD_CTX_CREATE;

	if (index < ARRAY_SIZE(audit->counters.commands))
		audit->counters.commands[index]++;
	else if (index_3d < ARRAY_SIZE(audit->counters.commands_3d))
		audit->counters.commands_3d[index_3d]++;
	else
		audit->counters.unknown++;
}

/* 3D commands need the feature, which the device has and the driver took. */
static bool is_offered(const struct audit *audit, u32 type)
{
	if (type == VIRTIO_GPU_CMD_GET_CAPSET_INFO || type == VIRTIO_GPU_CMD_GET_CAPSET)
		return audit->capsets;
	return !audit_is_3d(type) || (audit->contexts && audit->accepts_3d);
}

/*
 * How long a command is, with what follows it. A SUBMIT_3D may have any length here: a wrong one
 * fails its context (audit_3d.c).
 */
static u32 least_of(u32 type)
{
	return type == VIRTIO_GPU_CMD_SUBMIT_3D ? sizeof(struct virtio_gpu_hdr) : length_of(type);
}

static u64 most_of(u32 type)
{
	if (type == VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING || type == VIRTIO_GPU_CMD_SUBMIT_3D)
		return ~0ULL;
	return length_of(type) ? length_of(type) : ~0ULL;
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
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_UNSPEC, "shorter than a header");
	} else {
		memcpy(&in, bytes, MIN(length, (u32)sizeof(in)));
		count(audit, in.hdr.type);
		if (!is_offered(audit, in.hdr.type))
			audit_refuse(result, VIRTIO_GPU_RESP_ERR_UNSPEC,
				     "command that is not offered");
		else if (length < least_of(in.hdr.type))
			audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				     "command cut short");
		else if (total > most_of(in.hdr.type))
			audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				     "command too long");
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
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_UNSPEC, "not a cursor command");
		return;
	}
	if (in->cursor.scanout_id >= VGPU_SCANOUTS) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, "no such scan-out");
		return;
	}
	if (type == VIRTIO_GPU_CMD_UPDATE_CURSOR && in->cursor.resource_id) {
		if (!audit_look_up(audit, in->cursor.resource_id, result))
			return;
		host_id = result->resource->host_id;
	}
	to = audit_start(&result->command, type);
	to->x = in->cursor.x;
	to->y = in->cursor.y;
	to->hot_x = in->cursor.hot_x;
	to->hot_y = in->cursor.hot_y;
	to->resource_id = host_id;
	result->names_scanout = true;
	audit_submit(result, sizeof(*to));
}

void audit_cursor(struct audit *audit, const void *bytes, u32 length, u64 total,
		  struct audit_result *result)
{
	union virtio_gpu_command in = { 0 };

	result_init(result);
	audit->counters.cursor++;
	if (length < sizeof(in.cursor) || total != sizeof(in.cursor)) {
		audit_refuse(result, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "length of the command");
	} else {
		memcpy(&in, bytes, sizeof(in.cursor));
		cursor(audit, &in, result);
	}
	if (result->why)
		audit->counters.refused++;
}

static u32 fill_capset_info(const struct audit *audit, const union virtio_gpu_command *command,
			    struct virtio_gpu_resp_capset_info *response)
{
	const struct audit_capset *capset = &audit->capsets->sets[command->get_capset_info.index];

	response->id = capset->id;
	response->max_version = capset->max_version;
	response->max_size = capset->size;
	return sizeof(*response);
}

static u32 fill_capset(const struct audit *audit, const union virtio_gpu_command *command,
		       struct virtio_gpu_resp_capset *response)
{
	const struct audit_capset *capset = find_capset(audit, command->get_capset.id);

	memcpy(response->data, capset->data, capset->size);
	return (u32)sizeof(response->hdr) + capset->size;
}

u32 audit_fill_answer(const struct audit *audit, const struct audit_result *result,
		      union virtio_gpu_response *response)
{
	u32 type = result->answer;

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
	if (type == VIRTIO_GPU_RESP_OK_CAPSET_INFO)
		return fill_capset_info(audit, &result->command, &response->capset_info);
	if (type == VIRTIO_GPU_RESP_OK_CAPSET)
		return fill_capset(audit, &result->command, &response->capset);
	return sizeof(response->hdr);
}

static u32 make_zero_backing(const struct resource *resource, union virtio_gpu_command *command,
			     u32 *entries)
{
	struct virtio_gpu_attach_backing *to =
		audit_start(command, VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING);

	/* As much as its largest level, which no transfer of a part exceeds. */
	*entries = (u32)((resource->bytes + CLEAR_ENTRY_BYTES - 1) / CLEAR_ENTRY_BYTES);
	to->resource_id = resource->host_id;
	to->entry_count = *entries;
	return sizeof(*to);
}

static u32 make_detach(const struct resource *resource, union virtio_gpu_command *command)
{
	struct virtio_gpu_resource_ref *to =
		audit_start(command, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING);

	to->resource_id = resource->host_id;
	return sizeof(*to);
}

static u32 make_zero_picture(const struct resource *resource, union virtio_gpu_command *command)
{
	struct virtio_gpu_transfer_2d *to =
		audit_start(command, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D);

	to->resource_id = resource->host_id;
	to->rect.width = resource->shape.width;
	to->rect.height = resource->shape.height;
	return sizeof(*to);
}

u32 audit_make_clear(const struct resource *resource, u32 step, union virtio_gpu_command *command,
		     u32 *entries)
{
	u32 transfers = resource->is_3d ? audit_3d_clears(resource) : 1;

	*entries = 0;
	if (!transfers)
		return 0;
	if (!step)
		return make_zero_backing(resource, command, entries);
	if (step <= transfers)
		return resource->is_3d ? audit_3d_make_clear(resource, step - 1, command)
				       : make_zero_picture(resource, command);
	return step == transfers + 1 ? make_detach(resource, command) : 0;
}

u32 audit_make_unref(const struct resource *resource, union virtio_gpu_command *command)
{
	struct virtio_gpu_resource_ref *to = audit_start(command, VIRTIO_GPU_CMD_RESOURCE_UNREF);

	to->resource_id = resource->host_id;
	return sizeof(*to);
}

u32 audit_make_create(const struct resource *resource, union virtio_gpu_command *command)
{
	struct virtio_gpu_create_2d *to = audit_start(command, VIRTIO_GPU_CMD_RESOURCE_CREATE_2D);

	to->resource_id = resource->host_id;
	to->format = resource->shape.format;
	to->width = resource->shape.width;
	to->height = resource->shape.height;
	return sizeof(*to);
}

u32 audit_make_attach(const struct resource *resource, const struct backing *backing,
		      union virtio_gpu_command *command)
{
	struct virtio_gpu_attach_backing *to =
		audit_start(command, VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING);

	to->resource_id = resource->host_id;
	to->entry_count = backing->entries;
	return sizeof(*to);
}

u32 audit_make_fill(const struct resource *resource, u64 bytes, union virtio_gpu_command *command)
{
	u64 lines = bytes / ((u64)resource->shape.width * 4);
	struct virtio_gpu_transfer_2d *to;

	if (!lines)
		return 0;
	to = audit_start(command, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D);
	to->resource_id = resource->host_id;
	to->rect.width = resource->shape.width;
	to->rect.height = (u32)MIN(lines, (u64)resource->shape.height);
	return sizeof(*to);
}

u32 audit_make_show(const struct audit *audit, union virtio_gpu_command *command)
{
	struct virtio_gpu_set_scanout *to = audit_start(command, VIRTIO_GPU_CMD_SET_SCANOUT);

	if (audit->picture.slot != BACKING_NONE) {
		to->resource_id = audit->resources.slots[audit->picture.slot].host_id;
		to->rect = audit->picture.rect;
	}
	return sizeof(*to);
}

u32 audit_make_flush(const struct audit *audit, union virtio_gpu_command *command)
{
	struct virtio_gpu_flush *to = audit_start(command, VIRTIO_GPU_CMD_RESOURCE_FLUSH);

	if (audit->picture.slot == BACKING_NONE)
		return 0;
	to->resource_id = audit->resources.slots[audit->picture.slot].host_id;
	to->rect = audit->picture.rect;
	return sizeof(*to);
}
