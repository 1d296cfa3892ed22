/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio-gpu protocol as it stands in memory: virtio 1.2, section 5.7.
 * All numbers are little-endian. Shared by the driver of the physical device
 * and by the device that guests see.
 */
#ifndef GPU_VIRTIO_PROTO_H
#define GPU_VIRTIO_PROTO_H

#include "core/lib/types.h"
#include "gpu/virtio/virtio.h"

#define VIRTIO_GPU_DEVICE_TYPE 16 /* 5.7.1 */

/* Feature bits, 5.7.3. */
#define VIRTIO_GPU_F_VIRGL BIT(0)
#define VIRTIO_GPU_F_EDID  BIT(1)

#define VIRTIO_GPU_QUEUE_CONTROL 0
#define VIRTIO_GPU_QUEUE_CURSOR	 1
#define VIRTIO_GPU_QUEUE_COUNT	 2

#define VIRTIO_GPU_SCANOUTS_MAX 16
#define VIRTIO_GPU_ENTRIES_MAX	16384 /* what devices accept in one ATTACH_BACKING */
#define VIRTIO_GPU_EDID_BYTES	1024
#define VIRTIO_GPU_CAPSETS_MAX	4
#define VIRTIO_GPU_CAPSET_BYTES 1920 /* the largest that we keep; a larger one is not offered */

enum virtio_gpu_type {
	VIRTIO_GPU_CMD_GET_DISPLAY_INFO = 0x0100,
	VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
	VIRTIO_GPU_CMD_RESOURCE_UNREF,
	VIRTIO_GPU_CMD_SET_SCANOUT,
	VIRTIO_GPU_CMD_RESOURCE_FLUSH,
	VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D,
	VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
	VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING,
	VIRTIO_GPU_CMD_GET_CAPSET_INFO,
	VIRTIO_GPU_CMD_GET_CAPSET,
	VIRTIO_GPU_CMD_GET_EDID,

	VIRTIO_GPU_CMD_CTX_CREATE = 0x0200,
	VIRTIO_GPU_CMD_CTX_DESTROY,
	VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE,
	VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE,
	VIRTIO_GPU_CMD_RESOURCE_CREATE_3D,
	VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D,
	VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D,
	VIRTIO_GPU_CMD_SUBMIT_3D,

	VIRTIO_GPU_CMD_UPDATE_CURSOR = 0x0300,
	VIRTIO_GPU_CMD_MOVE_CURSOR,

	VIRTIO_GPU_RESP_OK_NODATA = 0x1100,
	VIRTIO_GPU_RESP_OK_DISPLAY_INFO,
	VIRTIO_GPU_RESP_OK_CAPSET_INFO,
	VIRTIO_GPU_RESP_OK_CAPSET,
	VIRTIO_GPU_RESP_OK_EDID,

	VIRTIO_GPU_RESP_ERR_UNSPEC = 0x1200,
	VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
	VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID,
	VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
	VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID,
	VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
};

#define VIRTIO_GPU_FLAG_FENCE BIT(0)

struct virtio_gpu_hdr {
	u32 type;
	u32 flags;
	u64 fence_id;
	u32 ctx_id;
	u8 ring_idx;
	u8 padding[3];
} packed_struct;

struct virtio_gpu_rect {
	u32 x, y, width, height;
} packed_struct;

/* All formats are four bytes a pixel, 5.7.6.8. */
enum virtio_gpu_format {
	VIRTIO_GPU_FORMAT_B8G8R8A8 = 1,
	VIRTIO_GPU_FORMAT_B8G8R8X8 = 2,
	VIRTIO_GPU_FORMAT_A8R8G8B8 = 3,
	VIRTIO_GPU_FORMAT_X8R8G8B8 = 4,
	VIRTIO_GPU_FORMAT_R8G8B8A8 = 67,
	VIRTIO_GPU_FORMAT_X8B8G8R8 = 68,
	VIRTIO_GPU_FORMAT_A8B8G8R8 = 121,
	VIRTIO_GPU_FORMAT_R8G8B8X8 = 134,
};

struct virtio_gpu_create_2d {
	struct virtio_gpu_hdr hdr;
	u32 resource_id, format, width, height;
} packed_struct;

/* RESOURCE_UNREF and RESOURCE_DETACH_BACKING. */
struct virtio_gpu_resource_ref {
	struct virtio_gpu_hdr hdr;
	u32 resource_id, padding;
} packed_struct;

struct virtio_gpu_set_scanout {
	struct virtio_gpu_hdr hdr;
	struct virtio_gpu_rect rect;
	u32 scanout_id, resource_id;
} packed_struct;

struct virtio_gpu_flush {
	struct virtio_gpu_hdr hdr;
	struct virtio_gpu_rect rect;
	u32 resource_id, padding;
} packed_struct;

struct virtio_gpu_transfer_2d {
	struct virtio_gpu_hdr hdr;
	struct virtio_gpu_rect rect;
	u64 offset;
	u32 resource_id, padding;
} packed_struct;

struct virtio_gpu_attach_backing {
	struct virtio_gpu_hdr hdr;
	u32 resource_id, entry_count; /* struct virtio_gpu_mem_entry follow */
} packed_struct;

struct virtio_gpu_mem_entry {
	u64 addr;
	u32 length, padding;
} packed_struct;

struct virtio_gpu_get_edid {
	struct virtio_gpu_hdr hdr;
	u32 scanout, padding;
} packed_struct;

/* CTX_CREATE; the context is the header's. */
struct virtio_gpu_ctx_create {
	struct virtio_gpu_hdr hdr;
	u32 name_length, context_init;
	char name[64];
} packed_struct;

struct virtio_gpu_create_3d {
	struct virtio_gpu_hdr hdr;
	u32 resource_id, target, format, bind;
	u32 width, height, depth, array_size;
	u32 last_level, nr_samples, flags, padding;
} packed_struct;

struct virtio_gpu_box {
	u32 x, y, z, width, height, depth;
} packed_struct;

/* TRANSFER_TO_HOST_3D and TRANSFER_FROM_HOST_3D. */
struct virtio_gpu_transfer_3d {
	struct virtio_gpu_hdr hdr;
	struct virtio_gpu_box box;
	u64 offset;
	u32 resource_id, level, stride, layer_stride;
} packed_struct;

struct virtio_gpu_submit_3d {
	struct virtio_gpu_hdr hdr;
	u32 size, padding; /* the stream follows */
} packed_struct;

struct virtio_gpu_get_capset_info {
	struct virtio_gpu_hdr hdr;
	u32 index, padding;
} packed_struct;

struct virtio_gpu_get_capset {
	struct virtio_gpu_hdr hdr;
	u32 id, version;
} packed_struct;

struct virtio_gpu_cursor {
	struct virtio_gpu_hdr hdr;
	u32 scanout_id, x, y, position_padding;
	u32 resource_id; /* UPDATE_CURSOR only; 0: no pointer */
	u32 hot_x, hot_y, padding;
} packed_struct;

struct virtio_gpu_display_one {
	struct virtio_gpu_rect rect;
	u32 enabled, flags;
} packed_struct;

struct virtio_gpu_resp_display_info {
	struct virtio_gpu_hdr hdr;
	struct virtio_gpu_display_one modes[VIRTIO_GPU_SCANOUTS_MAX];
} packed_struct;

struct virtio_gpu_resp_edid {
	struct virtio_gpu_hdr hdr;
	u32 size, padding;
	u8 edid[VIRTIO_GPU_EDID_BYTES];
} packed_struct;

struct virtio_gpu_resp_capset_info {
	struct virtio_gpu_hdr hdr;
	u32 id, max_version, max_size, padding;
} packed_struct;

struct virtio_gpu_resp_capset {
	struct virtio_gpu_hdr hdr;
	u8 data[VIRTIO_GPU_CAPSET_BYTES];
} packed_struct;

/* Device configuration space, 5.7.4. */
struct virtio_gpu_config {
	u32 events_read, events_clear, num_scanouts, num_capsets;
} packed_struct;

_Static_assert(sizeof(struct virtio_gpu_hdr) == 24, "5.7.6.7");
_Static_assert(sizeof(struct virtio_gpu_create_2d) == 40, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_set_scanout) == 48, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_transfer_2d) == 56, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_ctx_create) == 96, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_create_3d) == 72, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_transfer_3d) == 72, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_submit_3d) == 32, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_cursor) == 56, "5.7.6.10");
_Static_assert(sizeof(struct virtio_gpu_resp_display_info) == 408, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_resp_edid) == 1056, "5.7.6.8");

/* Any control or cursor command without the entries that may follow it. */
union virtio_gpu_command {
	struct virtio_gpu_hdr hdr;
	struct virtio_gpu_create_2d create_2d;
	struct virtio_gpu_resource_ref ref;
	struct virtio_gpu_set_scanout set_scanout;
	struct virtio_gpu_flush flush;
	struct virtio_gpu_transfer_2d transfer_2d;
	struct virtio_gpu_attach_backing attach;
	struct virtio_gpu_get_edid get_edid;
	struct virtio_gpu_cursor cursor;
	struct virtio_gpu_ctx_create ctx_create;
	struct virtio_gpu_create_3d create_3d;
	struct virtio_gpu_transfer_3d transfer_3d;
	struct virtio_gpu_submit_3d submit_3d;
	struct virtio_gpu_get_capset_info get_capset_info;
	struct virtio_gpu_get_capset get_capset;
};

union virtio_gpu_response {
	struct virtio_gpu_hdr hdr;
	struct virtio_gpu_resp_display_info display_info;
	struct virtio_gpu_resp_edid edid;
	struct virtio_gpu_resp_capset_info capset_info;
	struct virtio_gpu_resp_capset capset;
};

#endif
