/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bare guest's driver for its virtual virtio-gpu: polled, and as plain as can be. Virtio 1.2,
 * sections 2.7 (split queues), 4.1 (PCI), 5.7 (GPU).
 */
#include "tests/guest/bare/bare.h"

#define GPU_ID	      0x10501af4 /* device 1050, vendor 1af4 */
#define RESPONSE_SIZE 512
#define QUEUE_MAX     64
#define WAIT_TICKS    10000000000ull /* of the TSC: some seconds */

enum {
	CAP_COMMON = 1,
	CAP_NOTIFY = 2
};
enum {
	DESC_NEXT = 1,
	DESC_WRITE = 2
};

/* Offsets in the common configuration structure, 4.1.4.3. */
enum {
	DEVICE_FEATURE_SELECT = 0x00,
	DEVICE_FEATURE = 0x04,
	DRIVER_FEATURE_SELECT = 0x08,
	DRIVER_FEATURE = 0x0c,
	DEVICE_STATUS = 0x14,
	QUEUE_SELECT = 0x16,
	QUEUE_SIZE = 0x18,
	QUEUE_ENABLE = 0x1c,
	QUEUE_NOTIFY_OFF = 0x1e,
	QUEUE_DESC = 0x20,
	QUEUE_DRIVER = 0x28,
	QUEUE_DEVICE = 0x30,
};

struct used {
	u16 flags, index;
	struct {
		u32 id, length;
	} ring[QUEUE_MAX];
};

static struct {
	u32 function; /* address as CF8 takes it */
	volatile u8 *common;
	volatile u16 *doorbell;
	u16 size;
	struct virtq_desc *desc;
	volatile u16 *available; /* flags, index, ring */
	volatile struct used *used;
	u16 used_seen;
	u16 next_slot; /* a slot is two descriptors: request and response */
	u32 in_flight;
	u32 last_length;
} gpu;

/* Vendor capabilities, 4.1.4: type, BAR, offset, length. */
static bool read_capabilities(void)
{
	u32 multiplier = 0;
	u64 notify = 0;

	for (u32 at = pci_read(gpu.function, 0x34) & 0xfc, i = 0; at && i < 48; i++) {
		u32 head = pci_read(gpu.function, at);
		u32 bar = pci_read(gpu.function, at + 4) & 0xff;
		u32 type = head >> 24;

		if ((head & 0xff) == 0x09 && bar < 6 &&
		    (type == CAP_COMMON || type == CAP_NOTIFY)) {
			u64 address = pci_bar(gpu.function, bar) + pci_read(gpu.function, at + 8);

			map_device(address, pci_read(gpu.function, at + 12));
			if (type == CAP_COMMON) {
				gpu.common = (volatile u8 *)address;
			} else {
				notify = address;
				multiplier = pci_read(gpu.function, at + 16);
			}
		}
		at = (head >> 8) & 0xfc;
	}
	if (!gpu.common || !notify)
		return false;
	pci_write(gpu.function, 0x04, pci_read(gpu.function, 0x04) | 0x6);
	*(volatile u16 *)(gpu.common + QUEUE_SELECT) = 0;
	notify += (u64) * (volatile u16 *)(gpu.common + QUEUE_NOTIFY_OFF) * multiplier;
	gpu.doorbell = (volatile u16 *)notify;
	return true;
}

static void set_status(u8 bits)
{
	gpu.common[DEVICE_STATUS] = bits;
}

static void write_common(u32 offset, u32 value)
{
	*(volatile u32 *)(gpu.common + offset) = value;
}

static bool negotiate(void)
{
	u32 high;

	set_status(0);
	for (u32 i = 0; i < 1000000 && gpu.common[DEVICE_STATUS]; i++)
		;
	set_status(1);
	set_status(3);
	write_common(DEVICE_FEATURE_SELECT, 1);
	high = *(volatile u32 *)(gpu.common + DEVICE_FEATURE);
	write_common(DRIVER_FEATURE_SELECT, 0);
	write_common(DRIVER_FEATURE, 0);
	write_common(DRIVER_FEATURE_SELECT, 1);
	write_common(DRIVER_FEATURE, high & 0x3); /* VERSION_1, ACCESS_PLATFORM */
	set_status(0xb);
	return gpu.common[DEVICE_STATUS] & 8;
}

static void make_queue(void)
{
	static u8 *memory;

	if (!memory)
		memory = pages(3);
	memset(memory, 0, 3 * 4096);
	gpu.used_seen = gpu.next_slot = 0;
	gpu.in_flight = 0;
	*(volatile u16 *)(gpu.common + QUEUE_SELECT) = 0;
	gpu.size = *(volatile u16 *)(gpu.common + QUEUE_SIZE);
	if (gpu.size > QUEUE_MAX) {
		gpu.size = QUEUE_MAX;
		*(volatile u16 *)(gpu.common + QUEUE_SIZE) = gpu.size;
	}
	gpu.desc = (struct virtq_desc *)memory;
	gpu.available = (volatile u16 *)(memory + 4096);
	gpu.used = (volatile struct used *)(memory + 8192);
	gpu.available[0] = 1; /* no interrupts: it is polled */
	write_common(QUEUE_DESC, (u32)(u64)gpu.desc);
	write_common(QUEUE_DESC + 4, 0);
	write_common(QUEUE_DRIVER, (u32)(u64)gpu.available);
	write_common(QUEUE_DRIVER + 4, 0);
	write_common(QUEUE_DEVICE, (u32)(u64)gpu.used);
	write_common(QUEUE_DEVICE + 4, 0);
	*(volatile u16 *)(gpu.common + QUEUE_ENABLE) = 1;
}

bool gpu_restart(void)
{
	if (!negotiate())
		return false;
	set_status(0xf);
	return true;
}

bool gpu_renew(void)
{
	if (!negotiate())
		return false;
	make_queue();
	set_status(0xf);
	return true;
}

bool gpu_init(void)
{
	gpu.function = pci_find(GPU_ID);
	if (!gpu.function) {
		say("no gpu");
		return false;
	}
	if (!read_capabilities() || !gpu_renew()) {
		say("gpu refuses");
		return false;
	}
	say("gpu ready, queue of %u", gpu.size);
	return true;
}

bool gpu_post(const struct gpu_command *c)
{
	u16 slot = gpu.next_slot, index = gpu.available[1];
	struct virtq_desc *d = &gpu.desc[2 * slot];

	if (gpu.in_flight * 2 + 2 > gpu.size)
		return false;
	d[0] = (struct virtq_desc){ (u64)c->request, c->request_size, DESC_NEXT,
				    (u16)(2 * slot + 1) };
	d[1] = (struct virtq_desc){ (u64)c->response, c->response_size, DESC_WRITE, 0 };
	gpu.available[2 + index % gpu.size] = (u16)(2 * slot);
	__asm__ volatile("" : : : "memory");
	gpu.available[1] = (u16)(index + 1);
	gpu.next_slot = (u16)((slot + 1) % (gpu.size / 2));
	gpu.in_flight++;
	return true;
}

void gpu_kick(void)
{
	__asm__ volatile("mfence" : : : "memory");
	*gpu.doorbell = 0;
}

u32 gpu_collect(void)
{
	u16 index = gpu.used->index;
	u16 count = (u16)(index - gpu.used_seen);

	if (count)
		gpu.last_length = gpu.used->ring[(u16)(index - 1) % gpu.size].length;
	gpu.used_seen = index;
	gpu.in_flight -= count;
	return count;
}

u32 gpu_command_full(struct gpu_command *c)
{
	if (!gpu_post(c))
		return 0;
	gpu_kick();
	for (u64 start = rdtsc(); rdtsc() - start < WAIT_TICKS;) {
		if (gpu_collect())
			return gpu.last_length;
		__asm__ volatile("pause");
	}
	say("no answer from the gpu");
	return 0;
}

u32 gpu_command(const void *request, u32 size)
{
	static u32 response[RESPONSE_SIZE / 4];
	struct gpu_command c = { request, size, response, sizeof(response) };

	response[0] = 0;
	gpu_command_full(&c);
	return *(volatile u32 *)response;
}

u32 gpu_create(u32 resource, u32 width, u32 height)
{
	struct gpu_create c = { .header.type = GPU_CREATE_2D,
				.resource = resource,
				.format = GPU_FORMAT_B8G8R8X8,
				.width = width,
				.height = height };

	return gpu_command(&c, sizeof(c));
}

u32 gpu_attach(u32 resource, u64 address, u32 length)
{
	struct gpu_attach c = { .header.type = GPU_ATTACH_BACKING,
				.resource = resource,
				.count = 1,
				.entry = { { address, length, 0 } } };

	return gpu_command(&c, sizeof(c));
}

u32 gpu_queue_size(void)
{
	return gpu.size;
}

volatile u8 *gpu_common(void)
{
	return gpu.common;
}

volatile u16 *gpu_doorbell(void)
{
	return gpu.doorbell;
}

struct virtq_desc *gpu_descriptors(void)
{
	return gpu.desc;
}

volatile u16 *gpu_available(void)
{
	return gpu.available;
}
