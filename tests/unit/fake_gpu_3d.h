/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 3D side of fake_gpu.h's device: where pictures lie in memory, contexts, and the command
 * streams that reach it. Included by fake_gpu.h in its midst.
 */
#ifndef TESTS_UNIT_FAKE_GPU_3D_H
#define TESTS_UNIT_FAKE_GPU_3D_H

#include "gpu/virtio/virgl_formats.h"
#include "gpu/virtio/virgl_proto.h"

typedef unsigned __int128 fake_u128;

/* ---- resources: an arithmetic of this device's own, and nothing beyond its memory ---- */

static u32 fake_side(u32 pixels, u32 level)
{
	return pixels >> level ? pixels >> level : 1;
}

static u64 fake_blocks(u32 pixels, u32 side)
{
	return ((u64)pixels + side - 1) / side;
}

static u32 fake_layers(const struct virgl_resource *shape, u32 level)
{
	return shape->target == VIRGL_TARGET_3D ? fake_side(shape->depth, level)
						: shape->array_size;
}

static void fake_create(u32 id, const struct virgl_resource *shape)
{
	struct virgl_block block;

	MUST(!fake_device.resources[id].exists);
	MUST(virgl_format_block(shape->format, &block));
	fake_device.resources[id].exists = true;
	fake_device.resources[id].shape = *shape;
	for (u32 level = 0; level <= shape->last_level; level++)
		fake_device.resources[id].uncleared +=
			fake_blocks(fake_side(shape->width, level), block.width) *
			fake_blocks(fake_side(shape->height, level), block.height) * block.bytes *
			fake_layers(shape, level);
	/* Nothing but the guest's own memory. */
	fake_device.resources[id].cleared = shape->bind == VIRGL_BIND_STAGING;
}

/* All that a transfer touches lies in the level and in the backing. */
static void fake_move(u32 id, const struct virtio_gpu_transfer_3d *transfer)
{
	const struct virgl_resource *shape = &fake_device.resources[id].shape;
	const struct virtio_gpu_box *box = &transfer->box;
	fake_u128 row, layer, columns, rows;
	struct virgl_block block;
	u32 width, height;

	MUST(transfer->level <= shape->last_level && virgl_format_block(shape->format, &block));
	width = fake_side(shape->width, transfer->level);
	height = fake_side(shape->height, transfer->level);
	MUST(box->width && (u64)box->x + box->width <= width);
	MUST(box->height && (u64)box->y + box->height <= height);
	MUST(box->depth && (u64)box->z + box->depth <= fake_layers(shape, transfer->level));
	row = transfer->stride ? transfer->stride : fake_blocks(width, block.width) * block.bytes;
	layer = transfer->layer_stride ? transfer->layer_stride
				       : row * fake_blocks(height, block.height);
	columns = fake_blocks(box->width, block.width) * block.bytes;
	rows = fake_blocks(box->height, block.height);
	MUST(transfer->offset + (box->depth - 1) * layer + (rows - 1) * row + columns <=
	     fake_device.resources[id].backing_bytes);
	if (!fake_device.resources[id].zeros)
		return;
	MUST(columns * rows * box->depth <= fake_device.resources[id].uncleared);
	fake_device.resources[id].uncleared -= (u64)(columns * rows * box->depth);
	fake_device.resources[id].cleared = !fake_device.resources[id].uncleared;
}

static void fake_transfer_2d(u32 id, const struct virtio_gpu_transfer_2d *transfer)
{
	const struct virtio_gpu_rect *rect = &transfer->rect;
	struct virtio_gpu_transfer_3d flat = {
		.box = { rect->x, rect->y, 0, rect->width, rect->height, 1 },
		.offset = transfer->offset,
	};

	fake_move(id, &flat);
}

static u32 fake_create_3d(u32 id, const struct virtio_gpu_create_3d *from)
{
	fake_create(id, &(struct virgl_resource){ .target = from->target,
						  .format = from->format,
						  .bind = from->bind,
						  .width = from->width,
						  .height = from->height,
						  .depth = from->depth,
						  .array_size = from->array_size,
						  .last_level = from->last_level });
	return VIRTIO_GPU_RESP_OK_NODATA;
}

/* ---- contexts ---- */

static bool *fake_context(const struct vgpu *vgpu, u32 id)
{
	u32 base = 1 + vgpu->number * VIRGL_CONTEXTS_MAX;

	MUST(id >= base && id < base + VIRGL_CONTEXTS_MAX);
	return &fake_device.contexts[id];
}

/* Context 0 is the device's own: what is cleared goes through that. */
static u32 fake_transfer_3d(const struct vgpu *vgpu, const struct virtio_gpu_transfer_3d *transfer)
{
	u32 id = own_id(vgpu, transfer->resource_id);

	if (transfer->hdr.ctx_id && !*fake_context(vgpu, transfer->hdr.ctx_id)) {
		MUST(fake_device.refused); /* it was never made */
		return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
	}
	if (!fake_device.resources[id].backed) /* its ATTACH failed */
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	MUST(fake_device.resources[id].zeros == !transfer->hdr.ctx_id);
	if (transfer->hdr.type == VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D) {
		MUST(transfer->box.depth == 1);
		(void)cleared_id(vgpu, transfer->resource_id);
	}
	fake_move(id, transfer);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

/* ---- streams ---- */

/* Where ids of resources stand: in dword `first` and each `every` further on; 0: in no other. */
static const struct {
	u8 opcode, type, first, every;
} fake_names[] = {
	{ VIRGL_CREATE_OBJECT, VIRGL_OBJECT_SURFACE, 2, 0 },
	{ VIRGL_CREATE_OBJECT, VIRGL_OBJECT_SAMPLER_VIEW, 2, 0 },
	{ VIRGL_CREATE_OBJECT, VIRGL_OBJECT_STREAMOUT_TARGET, 2, 0 },
	{ VIRGL_CREATE_OBJECT, VIRGL_OBJECT_QUERY, 4, 0 },
	{ VIRGL_SET_VERTEX_BUFFERS, 0, 3, 3 },
	{ VIRGL_SET_INDEX_BUFFER, 0, 1, 0 },
	{ VIRGL_SET_UNIFORM_BUFFER, 0, 5, 0 },
	{ VIRGL_SET_SHADER_BUFFERS, 0, 5, 3 },
	{ VIRGL_SET_SHADER_IMAGES, 0, 7, 5 },
	{ VIRGL_SET_ATOMIC_BUFFERS, 0, 4, 3 },
	{ VIRGL_RESOURCE_INLINE_WRITE, 0, 1, 0 },
	{ VIRGL_TRANSFER3D, 0, 1, 0 },
	{ VIRGL_COPY_TRANSFER3D, 0, 1, 11 },
	{ VIRGL_BLIT, 0, 4, 9 },
	{ VIRGL_RESOURCE_COPY_REGION, 0, 1, 0 },
	{ VIRGL_RESOURCE_COPY_REGION, 0, 6, 0 },
	{ VIRGL_CLEAR_TEXTURE, 0, 1, 0 },
};

static void fake_check_command(const struct vgpu *vgpu, const u32 *words)
{
	u32 length = virgl_length(words[0]);

	for (u32 i = 0; i < ARRAY_SIZE(fake_names); i++) {
		u32 every = fake_names[i].every ? fake_names[i].every : length + 1;

		if (virgl_opcode(words[0]) != fake_names[i].opcode ||
		    (fake_names[i].type && virgl_header_type(words[0]) != fake_names[i].type))
			continue;
		for (u32 at = fake_names[i].first; at <= length; at += every)
			if (words[at])
				(void)own_id(vgpu, words[at]);
	}
}

/* Whole commands, no more than a job may have, and names of this guest's only. */
static void fake_check_stream(const struct virtio_gpu_job *job)
{
	u32 count = job->stream_bytes / (u32)sizeof(u32), at = 0, commands = 0;
	const u32 *words = count ? frame_ptr(HPA(job->stream.raw)) : NULL;

	MUST(job->stream_bytes % sizeof(u32) == 0 && count <= VIRGL_JOB_DWORDS);
	while (at < count) {
		MUST(virgl_length(words[at]) < count - at);
		fake_check_command(job->base.vgpu, &words[at]);
		at += 1 + virgl_length(words[at]);
		commands++;
	}
	MUST(commands <= VIRGL_JOB_COMMANDS);
}

static u32 fake_stream(const struct virtio_gpu_job *job, const union virtio_gpu_command *command,
		       const struct job_data *data)
{
	u32 id = command->hdr.ctx_id;

	if (!*fake_context(job->base.vgpu, id)) {
		MUST(fake_device.refused);
		return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
	}
	if (data->constants) {
		fake_device.filled[id] = true;
		return VIRTIO_GPU_RESP_OK_NODATA;
	}
	MUST(data->stream_bytes == command->submit_3d.size);
	MUST(fake_device.filled[id] || fake_device.refused);
	fake_check_stream(job);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

static u32 fake_execute_3d(const struct virtio_gpu_job *job,
			   const union virtio_gpu_command *command, const struct job_data *data)
{
	const struct vgpu *vgpu = job->base.vgpu;

	switch (command->hdr.type) {
	case VIRTIO_GPU_CMD_CTX_CREATE:
		MUST(!*fake_context(vgpu, command->hdr.ctx_id));
		*fake_context(vgpu, command->hdr.ctx_id) = true;
		fake_device.filled[command->hdr.ctx_id] = false;
		return VIRTIO_GPU_RESP_OK_NODATA;
	case VIRTIO_GPU_CMD_CTX_DESTROY:
		*fake_context(vgpu, command->hdr.ctx_id) = false;
		return VIRTIO_GPU_RESP_OK_NODATA;
	case VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE:
	case VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE:
		(void)fake_context(vgpu, command->hdr.ctx_id);
		(void)own_id(vgpu, command->ref.resource_id);
		return VIRTIO_GPU_RESP_OK_NODATA;
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_3D:
		return fake_create_3d(own_id(vgpu, command->create_3d.resource_id),
				      &command->create_3d);
	case VIRTIO_GPU_CMD_SUBMIT_3D:
		return fake_stream(job, command, data);
	default:
		return fake_transfer_3d(vgpu, &command->transfer_3d);
	}
}

#endif
