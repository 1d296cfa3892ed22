/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile guest against the whole of a vGPU: registers, rings, commands. The
 * fake device stops at anything that is not the guest's own; at the end of each
 * input nothing of either guest may be left. Bits of the first byte: there is an IOMMU; the
 * device has 3D; the driver takes it; the guest has a context and resources already.
 */
// SOURCES: gpu/gpu.c gpu/hang.c gpu/virtio/freeze.c gpu/virtio/rebuild.c
// SOURCES: gpu/vgpu.c gpu/dma.c drivers/iommu_ram.c gpu/virtio/family.c
// SOURCES: gpu/sched.c gpu/sched_admit.c gpu/sched_complete.c gpu/sched_fixed.c
// SOURCES: gpu/sched_note.c gpu/sched_order.c
// SOURCES: gpu/control.c gpu/settings.c gpu/guard.c gpu/waits.c gpu/books.c gpu/ledger.c
// SOURCES: gpu/sha256.c gpu/trace.c gpu/encode.c
// SOURCES: core/config.c core/config_keys.c gpu/config.c
// SOURCES: core/lib/parse.c core/lib/fmt.c
// SOURCES: gpu/virtio/vfunc.c gpu/virtio/intake.c gpu/virtio/teardown.c
// SOURCES: gpu/virtio/scanout.c gpu/virtio/audit.c gpu/virtio/resources.c
// SOURCES: gpu/virtio/audit_3d.c gpu/virtio/stream.c gpu/virtio/streams.c gpu/virtio/series.c
// SOURCES: gpu/virtio/virgl.c gpu/virtio/virgl_rules.c gpu/virtio/virgl_checks.c
// SOURCES: gpu/virtio/virgl_objects.c gpu/virtio/virgl_resource.c gpu/virtio/virgl_formats.c
// SOURCES: gpu/virtio/vring.c core/lib/string.c core/lib/error.c
#include "tests/fuzz/say_3d.h"
#include "tests/unit/fake_gpu.h"

#define HOSTILE	       1 /* the second guest: its numbers are not the device's */
#define RING_AT(queue) (0x10000U * ((queue) + 1))
#define COMMAND_AT     0x100000U
#define TABLE_AT       0x140000U
#define RESPONSE_AT    0x180000U
#define STREAM_AT      0x200000U

static u16 avail_index[2];
static bool takes_3d;

static void poke(u64 gpa, const void *bytes, size_t size)
{
	memcpy(fake_ram[HOSTILE] + gpa, bytes, size);
}

static void poke16(u64 gpa, u16 value)
{
	poke(gpa, &value, sizeof(value));
}

static void probe(void)
{
	set_reg(HOSTILE, REG(device_status), 1, 0);
	fake_run();
	set_reg(HOSTILE, REG(device_status), 1, 3);
	set_reg(HOSTILE, REG(driver_feature_select), 4, 0);
	set_reg(HOSTILE, REG(driver_feature), 4, takes_3d ? VIRTIO_GPU_F_VIRGL : 0);
	set_reg(HOSTILE, REG(driver_feature_select), 4, 1);
	set_reg(HOSTILE, REG(driver_feature), 4, 1);
	set_reg(HOSTILE, REG(device_status), 1, 11);
	for (u16 queue = 0; queue < 2; queue++) {
		set_reg(HOSTILE, REG(queue_select), 2, queue);
		set_reg(HOSTILE, REG(queue_size), 2, 16);
		set_reg(HOSTILE, REG(queue_msix_vector), 2, queue + 1U);
		set_reg(HOSTILE, REG(queue_desc_lo), 4, RING_AT(queue));
		set_reg(HOSTILE, REG(queue_driver_lo), 4, RING_AT(queue) + 0x1000);
		set_reg(HOSTILE, REG(queue_device_lo), 4, RING_AT(queue) + 0x2000);
		set_reg(HOSTILE, REG(queue_enable), 2, 1);
		avail_index[queue] = 0;
		memset(fake_ram[HOSTILE] + RING_AT(queue), 0, 0x3000);
	}
	set_reg(HOSTILE, REG(device_status), 1, 15);
}

/* Numbers behind a header of zeros. */
static void take_numbers(struct source *source, union virtio_gpu_command *c)
{
	u32 words[sizeof(*c) / 4];

	for (u32 i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = i < sizeof(c->hdr) / 4 ? 0 : take_number(source);
	memcpy(c, words, sizeof(*c));
}

static u32 build_command(struct source *source, u16 queue)
{
	union virtio_gpu_command c;
	u32 size = sizeof(c);

	take_numbers(source, &c);
	c.hdr.type = queue ? VIRTIO_GPU_CMD_UPDATE_CURSOR + take(source, 1) % 3
			   : VIRTIO_GPU_CMD_GET_DISPLAY_INFO + take(source, 1) % 12;
	c.hdr.flags = take(source, 1) & 1;
	switch (c.hdr.type) {
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
		c.create_2d.resource_id = take_id(source);
		c.create_2d.format = 1 + c.create_2d.format % 5;
		size = sizeof(c.create_2d);
		break;
	case VIRTIO_GPU_CMD_SET_SCANOUT:
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		c.flush.resource_id = take_id(source);
		size = sizeof(c.flush);
		break;
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
		size = sizeof(c.transfer_2d);
		c.transfer_2d.resource_id = take_id(source);
		c.transfer_2d.offset &= 0xffff00000000ffff;
		break;
	case VIRTIO_GPU_CMD_GET_DISPLAY_INFO:
		size = sizeof(c.hdr);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		size = sizeof(c.attach);
		c.attach.resource_id = take_id(source);
		c.attach.entry_count = take(source, 1) * 4 + 1;
		for (u32 i = 0; i < c.attach.entry_count; i++) {
			struct virtio_gpu_mem_entry entry = { (u64)take_number(source) << 17,
							      take_number(source) << 8, 0 };

			poke(COMMAND_AT + size, &entry, sizeof(entry));
			size += (u32)sizeof(entry);
		}
		break;
	case VIRTIO_GPU_CMD_RESOURCE_UNREF:
	case VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING:
		c.ref.resource_id = take_id(source);
		size = sizeof(c.ref);
		break;
	case VIRTIO_GPU_CMD_GET_EDID:
		size = sizeof(c.ref);
		break;
	default:
		break;
	}
	poke(COMMAND_AT, &c, MIN(size, (u32)sizeof(c)));
	return size;
}

static void make_available(u16 queue, u16 head)
{
	u16 index = avail_index[queue]++;

	poke16(RING_AT(queue) + 0x1004 + 2U * (index % 16), head);
	poke16(RING_AT(queue) + 0x1002, avail_index[queue]);
}

/* A request of `size` bytes at `at`, now and then some fewer. */
static void send(struct source *source, u16 queue, u32 at, u32 size, bool indirect)
{
	u32 cut = take(source, 1);
	struct virtq_desc table[2];
	struct virtq_desc outer = { TABLE_AT, sizeof(table), VIRTQ_DESC_F_INDIRECT, 0 };

	if (cut > 0xf0)
		size -= cut & 7;
	table[0] = (struct virtq_desc){ at, size, VIRTQ_DESC_F_NEXT, 1 };
	table[1] = (struct virtq_desc){ RESPONSE_AT, take(source, 1) * 8U, VIRTQ_DESC_F_WRITE, 0 };
	poke(indirect ? TABLE_AT : RING_AT(queue), table, sizeof(table));
	if (indirect)
		poke(RING_AT(queue), &outer, sizeof(outer));
	make_available(queue, 0);
	ring_bell(HOSTILE, queue);
}

static void send_command(struct source *source, bool indirect)
{
	u16 queue = take(source, 1) & 1;

	send(source, queue, COMMAND_AT, build_command(source, queue), indirect);
}

/* As a driver would, and the device does all of it. */
static void send_right(const void *bytes, u32 size)
{
	struct source nothing = { NULL, NULL };

	poke(COMMAND_AT, bytes, size);
	send(&nothing, 0, COMMAND_AT, size, false);
	fake_run();
}

static void furnish(void)
{
	struct virtio_gpu_ctx_create context = {
		{ .type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = 1 }, 0, 0, { 0 }
	};
	struct {
		struct virtio_gpu_attach_backing c;
		struct virtio_gpu_mem_entry entry;
	} packed_struct attach = { { { .type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING }, 0, 1 },
				   { MIB(4), KIB(8), 0 } };

	send_right(&context, sizeof(context));
	for (u32 i = 0; i < ARRAY_SIZE(furniture); i++) {
		struct virtio_gpu_create_3d create = furniture[i];

		create.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_3D;
		send_right(&create, sizeof(create));
		attach.c.resource_id = create.resource_id;
		send_right(&attach, sizeof(attach));
	}
}

static void send_3d(struct source *source)
{
	union virtio_gpu_command c;
	u32 size;

	take_numbers(source, &c);
	size = build_3d(source, &c);
	c.hdr.flags = take(source, 1) & 1;
	poke(COMMAND_AT, &c, size);
	send(source, 0, COMMAND_AT, size, false);
}

static void send_stream(struct source *source)
{
	u32 size = say_stream(source);
	u32 wrong = take(source, 1);
	struct virtio_gpu_submit_3d c = { .hdr.type = VIRTIO_GPU_CMD_SUBMIT_3D,
					  .hdr.flags = take(source, 1) & 1,
					  .hdr.ctx_id = take_context(source),
					  .size = size };

	if (wrong > 0xf0)
		c.size = take(source, 4);
	poke(STREAM_AT, &c, sizeof(c));
	poke(STREAM_AT + sizeof(c), said.words, size);
	send(source, 0, STREAM_AT, (u32)sizeof(c) + size, false);
}

/* Descriptors, indices and tables as the input likes. */
static void scribble(struct source *source)
{
	static const u32 places[] = { 0x10000, 0x11000, 0x12000,    0x20000,
				      0x21000, 0x22000, COMMAND_AT, TABLE_AT };
	u32 at = places[take(source, 1) % ARRAY_SIZE(places)] + take(source, 1) * 2;
	u32 count = take(source, 1) % 32;

	for (u32 i = 0; i < count; i++) {
		u8 byte = (u8)take(source, 1);

		poke(at + i, &byte, 1);
	}
}

/* The device never answers some job, answers it late, stops for good; and time goes by. */
static void misbehave(struct source *source)
{
	u32 what = take(source, 1);

	switch (what % 8) {
	case 0:
		fake_device.hang = take(source, 1) % 20;
		fake_device.hang += fake_device.hang < 12 ? VIRTIO_GPU_CMD_GET_DISPLAY_INFO
							  : VIRTIO_GPU_CMD_CTX_CREATE - 12;
		fake_device.hang_count = 1 + (what >> 6);
		fake_device.hang_early = what & 8;
		break;
	case 1:
		fake_let_go();
		break;
	case 2:
		fake_device.stays_stuck = what & 8;
		break;
	case 3:
		fake_device.breaks = what & 8;
		break;
	default:
		fake_pass((u64)(1 + (what >> 3)) * FAKE_TIMEOUT_NS / 16);
		break;
	}
}

static void step(struct source *source)
{
	switch (take(source, 1) % 16) {
	case 0:
		scribble(source);
		break;
	case 1:
		make_available(take(source, 1) & 1, (u16)take_number(source));
		break;
	case 2:
		ring_bell(HOSTILE, take(source, 1) & 1);
		break;
	case 3: {
		u32 offset = take(source, 1) % 64;

		(void)fake_access(HOSTILE, 0, offset, (u8)(1 << take(source, 1) % 4), true,
				  take_number(source));
		break;
	}
	case 4:
		(void)fake_access(HOSTILE, take(source, 1) % 4, take(source, 1), 4, false, 0);
		break;
	case 5:
		probe();
		break;
	case 6:
		fake_device.frozen = !fake_device.frozen;
		gpu_wake(gpu_get(0));
		break;
	case 7:
		fake_device.refuse = VIRTIO_GPU_RESP_ERR_UNSPEC;
		break;
	case 8:
		(void)!gpu_focus_by_name(take(source, 1) & 1 ? "guest0" : "guest1");
		break;
	case 9:
		vgpu_stop(&fake_vms[HOSTILE]);
		break;
	case 10:
		send_command(source, true);
		break;
	case 11:
		misbehave(source);
		break;
	case 12:
	case 13:
		send_command(source, false);
		break;
	case 14:
		send_3d(source);
		break;
	default:
		send_stream(source);
		break;
	}
	if (take(source, 1) & 3)
		fake_run();
}

int LLVMFuzzerTestOneInput(const u8 *input, size_t size);

int LLVMFuzzerTestOneInput(const u8 *input, size_t size)
{
	struct source source = { input, input + size };
	static u8 capset[64];
	u32 machine = take(&source, 1);

	takes_3d = machine & 4;
	fake_capsets = (struct audit_capsets){ .count = machine & 2 ? 1 : 0,
					       .sets = { { 1, 1, sizeof(capset), capset } } };
	memset(fake_ram[HOSTILE] + RING_AT(0), 0, 0x13000);
	memset(fake_ram[HOSTILE] + COMMAND_AT, 0, 0x5000);
	memset(fake_ram[HOSTILE] + TABLE_AT, 0, 0x1000);
	memset(fake_ram[HOSTILE] + STREAM_AT, 0,
	       sizeof(struct virtio_gpu_submit_3d) + said.used * 4);
	fake_machine_start(machine & 1, MIB(2));
	probe();
	if (machine & 8)
		furnish();
	for (u32 i = 0; i < 64 && source.at < source.end; i++)
		step(&source);
	fake_machine_stop();
	return 0;
}
