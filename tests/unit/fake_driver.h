/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's driver for fake_gpu.h's machine: commands one at a time or several at once. */
#ifndef TESTS_UNIT_FAKE_DRIVER_H
#define TESTS_UNIT_FAKE_DRIVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/fake_gpu.h"

/* ---- a driver: rings in pages 1 to 3 of each queue, commands from 64 KiB on ---- */

#define RING_AT(queue)	  (0x10000U * ((queue) + 1))
#define COMMAND_AT	  0x100000U
#define RESPONSE_AT	  0x180000U
#define QUEUE_SIZE(queue) ((queue) ? 16 : 64)

static u16 avail_index[FAKE_VMS][2];

static inline void poke(u32 vm, u64 gpa, const void *bytes, size_t size)
{
	memcpy(fake_ram[vm] + gpa, bytes, size);
}

static inline void poke16(u32 vm, u64 gpa, u16 value)
{
	poke(vm, gpa, &value, sizeof(value));
}

static inline u16 peek16(u32 vm, u64 gpa)
{
	u16 value;

	memcpy(&value, fake_ram[vm] + gpa, sizeof(value));
	return value;
}

static inline void set_up_queue(u32 vm, u16 queue)
{
	set_reg(vm, REG(queue_select), 2, queue);
	set_reg(vm, REG(queue_size), 2, QUEUE_SIZE(queue));
	set_reg(vm, REG(queue_msix_vector), 2, queue + 1U);
	set_reg(vm, REG(queue_desc_lo), 4, RING_AT(queue));
	set_reg(vm, REG(queue_driver_lo), 4, RING_AT(queue) + 0x1000);
	set_reg(vm, REG(queue_device_lo), 4, RING_AT(queue) + 0x2000);
	set_reg(vm, REG(queue_enable), 2, 1);
	avail_index[vm][queue] = 0;
	memset(fake_ram[vm] + RING_AT(queue), 0, 0x3000);
}

static inline void probe(u32 vm)
{
	set_reg(vm, REG(device_status), 1, 0);
	assert_int_equal(get_reg(vm, REG(device_status), 1), 0);
	set_reg(vm, REG(device_status), 1, 3);
	set_reg(vm, REG(driver_feature_select), 4, 0);
	set_reg(vm, REG(driver_feature), 4, VIRTIO_GPU_F_EDID);
	set_reg(vm, REG(driver_feature_select), 4, 1);
	set_reg(vm, REG(driver_feature), 4, 1);
	set_reg(vm, REG(device_status), 1, 11);
	assert_int_equal(get_reg(vm, REG(device_status), 1), 11);
	set_reg(vm, REG(config_msix_vector), 2, 0);
	set_up_queue(vm, 0);
	set_up_queue(vm, 1);
	set_reg(vm, REG(device_status), 1, 15);
}

static inline void put_desc(u32 vm, u16 queue, u16 index, u64 addr, u32 len, u16 flags, u16 next)
{
	struct virtq_desc desc = { addr, len, flags, next };

	poke(vm, RING_AT(queue) + index * 16U, &desc, sizeof(desc));
}

static inline void make_available(u32 vm, u16 queue, u16 head)
{
	u16 index = avail_index[vm][queue]++;

	poke16(vm, RING_AT(queue) + 0x1004 + 2U * (index % QUEUE_SIZE(queue)), head);
	poke16(vm, RING_AT(queue) + 0x1002, avail_index[vm][queue]);
}

/* Send one command with room for an answer; returns the answer's type. */
static inline u32 command(u32 vm, const void *bytes, u32 size)
{
	struct virtio_gpu_hdr hdr = { 0 };

	poke(vm, COMMAND_AT, bytes, size);
	poke(vm, RESPONSE_AT, &hdr, sizeof(hdr));
	put_desc(vm, 0, 0, COMMAND_AT, size, VIRTQ_DESC_F_NEXT, 1);
	put_desc(vm, 0, 1, RESPONSE_AT, 2048, VIRTQ_DESC_F_WRITE, 0);
	make_available(vm, 0, 0);
	ring_bell(vm, 0);
	fake_run();
	memcpy(&hdr, fake_ram[vm] + RESPONSE_AT, sizeof(hdr));
	return hdr.type;
}

static inline u32 create(u32 vm, u32 id, u32 width, u32 height)
{
	struct virtio_gpu_create_2d c = { { .type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D },
					  id,
					  VIRTIO_GPU_FORMAT_B8G8R8X8,
					  width,
					  height };

	return command(vm, &c, sizeof(c));
}

static inline u32 refer(u32 vm, u32 type, u32 id)
{
	struct virtio_gpu_resource_ref c = { { .type = type }, id, 0 };

	return command(vm, &c, sizeof(c));
}

static inline u32 attach(u32 vm, u32 id, const struct virtio_gpu_mem_entry *entries, u32 count)
{
	u8 bytes[64 * 1024];
	struct virtio_gpu_attach_backing c = { { .type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING },
					       id,
					       count };

	memcpy(bytes, &c, sizeof(c));
	memcpy(bytes + sizeof(c), entries, count * sizeof(*entries));
	return command(vm, bytes, (u32)(sizeof(c) + count * sizeof(*entries)));
}

static inline u32 attach_one(u32 vm, u32 id, u64 addr, u32 length)
{
	struct virtio_gpu_mem_entry entry = { addr, length, 0 };

	return attach(vm, id, &entry, 1);
}

static inline u32 transfer(u32 vm, u32 id, u32 width, u32 height, u64 offset)
{
	struct virtio_gpu_transfer_2d c = { { .type = VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D },
					    { 0, 0, width, height },
					    offset,
					    id,
					    0 };

	return command(vm, &c, sizeof(c));
}

static inline u32 show(u32 vm, u32 scanout, u32 id, u32 width, u32 height)
{
	struct virtio_gpu_set_scanout c = {
		{ .type = VIRTIO_GPU_CMD_SET_SCANOUT }, { 0, 0, width, height }, scanout, id
	};

	return command(vm, &c, sizeof(c));
}

static inline u32 host_id(u32 vm, u32 guest_id)
{
	const struct resource *resource = resource_find(&fake_vgpu(vm)->audit.resources, guest_id);

	return resource ? fake_id(resource->host_id) : 0;
}

/* ---- several commands at once, each with a fence and a place for its answer ---- */

#define PLACE(i) (0x200U * (i))

static u32 posted[FAKE_VMS];

static inline void post(u32 vm, void *bytes, u32 size)
{
	struct virtio_gpu_hdr *hdr = bytes;
	u32 i = posted[vm]++;

	hdr->flags = VIRTIO_GPU_FLAG_FENCE;
	hdr->fence_id = 1000 + i;
	poke(vm, COMMAND_AT + PLACE(i), bytes, size);
	memset(fake_ram[vm] + RESPONSE_AT + PLACE(i), 0, sizeof(*hdr));
	put_desc(vm, 0, (u16)(2 * i), COMMAND_AT + PLACE(i), size, VIRTQ_DESC_F_NEXT,
		 (u16)(2 * i + 1));
	put_desc(vm, 0, (u16)(2 * i + 1), RESPONSE_AT + PLACE(i), 0x200, VIRTQ_DESC_F_WRITE, 0);
	make_available(vm, 0, (u16)(2 * i));
}

static inline void send_posted(u32 vm)
{
	ring_bell(vm, 0);
	fake_run();
}

static inline void post_flush(u32 vm, u32 id)
{
	struct virtio_gpu_flush c = {
		{ .type = VIRTIO_GPU_CMD_RESOURCE_FLUSH }, { 0, 0, 8, 8 }, id, 0
	};

	post(vm, &c, sizeof(c));
}

static inline void post_create(u32 vm, u32 id)
{
	struct virtio_gpu_create_2d c = {
		{ .type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D }, id, 1, 8, 8
	};

	post(vm, &c, sizeof(c));
}

static inline void post_ref(u32 vm, u32 type, u32 id)
{
	struct virtio_gpu_resource_ref c = { { .type = type }, id, 0 };

	post(vm, &c, sizeof(c));
}

static inline void post_attach(u32 vm, u32 id, u64 addr, u32 bytes)
{
	struct {
		struct virtio_gpu_attach_backing c;
		struct virtio_gpu_mem_entry entry;
	} packed_struct all = { { { .type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING }, id, 1 },
				{ addr, bytes, 0 } };

	post(vm, &all, sizeof(all));
}

static inline u16 used_count(u32 vm)
{
	return peek16(vm, RING_AT(0) + 0x2002);
}

/* Posted command `i` was answered as the `nth` of all, with its own fence. */
static inline void expect_answer(u32 vm, u32 i, u32 nth, u32 type)
{
	struct virtio_gpu_hdr hdr;

	memcpy(&hdr, fake_ram[vm] + RESPONSE_AT + PLACE(i), sizeof(hdr));
	assert_int_equal(hdr.type, type);
	assert_int_equal(hdr.flags, VIRTIO_GPU_FLAG_FENCE);
	assert_int_equal(hdr.fence_id, 1000 + i);
	assert_int_equal(peek16(vm, RING_AT(0) + 0x2004 + 8 * nth), 2 * i);
}

#endif
