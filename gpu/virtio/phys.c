/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The physical virtio-gpu (virtio 1.2, 5.7): brought up once, then fed with
 * one command for each job. Only the owner CPU comes here after the start.
 */
#include "arch/x86/spinlock.h"
#include "core/frame.h"
#include "core/lib/string.h"
#include "core/log.h"
#include "core/timer.h"
#include "drivers/virtio_pci.h"
#include "gpu/virtio/virtio_gpu.h"

#define SLOTS	       4 /* commands that we can have out; the scheduler allows two */
#define SLOT_PAGES     4
#define RESPONSE_AT    2048 /* command below, response here: one page */
#define TABLE_AT       PAGE_SIZE
#define TABLE_ENTRIES  (VIRTIO_GPU_ENTRIES_MAX / BACKING_UNIT_ENTRIES + 2)
#define START_LIMIT_NS 2000000000ULL
#define DEFAULT_WIDTH  1280
#define DEFAULT_HEIGHT 800
#define MSIX_VECTOR    0

_Static_assert(sizeof(union virtio_gpu_command) <= RESPONSE_AT, "slot layout");
_Static_assert(sizeof(union virtio_gpu_response) <= PAGE_SIZE - RESPONSE_AT, "slot layout");
_Static_assert(TABLE_ENTRIES * sizeof(struct virtq_desc) <= (SLOT_PAGES - 1) * PAGE_SIZE,
	       "slot layout");

struct slot {
	bool busy;
	u8 queue;
	u16 head;
	struct virtio_gpu_job *job;
	u8 *memory;
	iova_t iova;
};

struct display {
	u32 width, height;
	u32 edid_size;
	u8 edid[VIRTIO_GPU_EDID_BYTES];
};

struct virtio_gpu {
	struct gpu *gpu;
	struct virtio_pci pci;
	struct virtqueue queues[VIRTIO_GPU_QUEUE_COUNT];
	bool kick[VIRTIO_GPU_QUEUE_COUNT];
	struct slot slots[SLOTS];
	u64 fence; /* last one used; the renderer compares them, so they only grow */
	struct virtqueue_segment segments[TABLE_ENTRIES];
	hpa_t zeros; /* entries that all name the same zeros, which follow them */
	struct display displays[VIRTIO_GPU_SCANOUTS_MAX];
	struct log_limit limit;
};

bool virtio_gpu_matches(const struct pci_function *function)
{
	return function->vendor_id == VIRTIO_PCI_VENDOR &&
	       function->device_id == VIRTIO_PCI_DEVICE_BASE + VIRTIO_GPU_DEVICE_TYPE;
}

static struct slot *free_slot(struct virtio_gpu *device)
{
	for (u32 i = 0; i < SLOTS; i++)
		if (!device->slots[i].busy)
			return &device->slots[i];
	return NULL;
}

static struct slot *slot_of(struct virtio_gpu *device, u8 queue, u16 head)
{
	for (u32 i = 0; i < SLOTS; i++) {
		struct slot *slot = &device->slots[i];

		if (slot->busy && slot->queue == queue && slot->head == head)
			return slot;
	}
	return NULL;
}

/* What follows a command: the units of a guest's backing, or entries of zeros. */
struct data {
	const struct resource_table *table;
	const struct backing *backing; /* NULL: none */
	u32 zero_entries;	       /* 0: none */
};

/* The command, then `data`, then room for `response_bytes`. */
static u32 build_segments(struct virtio_gpu *device, const struct slot *slot, u32 length,
			  const struct data *data, u32 response_bytes)
{
	struct virtqueue_segment *segments = device->segments;
	u32 count = 0;
	u32 bytes;

	segments[count++] = (struct virtqueue_segment){ slot->iova, length, false };
	if (data->zero_entries)
		segments[count++] = (struct virtqueue_segment){
			IOVA(device->zeros.raw),
			data->zero_entries * (u32)sizeof(struct virtio_gpu_mem_entry), false
		};
	if (data->backing) {
		u16 unit = data->backing->first;
		const void *entries;

		for (u32 i = 0;
		     count < TABLE_ENTRIES - 1 &&
		     (entries = backing_unit(data->table, data->backing, unit, i, &bytes));
		     i++) {
			/* Pool frames: the device sees them at their physical address. */
			hpa_t hpa = frame_of(entries);

			segments[count++] =
				(struct virtqueue_segment){ IOVA(hpa.raw), bytes, false };
			unit = backing_next(data->table, unit);
		}
	}
	if (response_bytes)
		segments[count++] = (struct virtqueue_segment){ IOVA(slot->iova.raw + RESPONSE_AT),
								response_bytes, true };
	return count;
}

static enum err send(struct virtio_gpu *device, struct slot *slot, u8 queue, u32 count)
{
	struct virtqueue *vq = &device->queues[queue];
	enum err e;

	slot->queue = queue;
	if (device->pci.features & VIRTIO_F_INDIRECT_DESC)
		e = virtqueue_add_indirect(vq, device->segments, count,
					   (void *)(slot->memory + TABLE_AT),
					   IOVA(slot->iova.raw + TABLE_AT), &slot->head);
	else
		e = virtqueue_add(vq, device->segments, count, &slot->head);
	slot->busy = !e;
	return e;
}

static u32 response_type(const struct slot *slot)
{
	const struct virtio_gpu_hdr *hdr = (const void *)(slot->memory + RESPONSE_AT);

	return hdr->type;
}

/* Which physical scan-out the job is for; false: its guest is shown nowhere. */
static bool fill_scanout(struct virtio_gpu_job *job)
{
	s32 scanout = __atomic_load_n(&job->base.vgpu->scanout, __ATOMIC_ACQUIRE);

	if (!job->names_scanout)
		return true;
	if (scanout == GPU_SCANOUT_NONE)
		return false;
	if (job->command.hdr.type == VIRTIO_GPU_CMD_SET_SCANOUT)
		job->command.set_scanout.scanout_id = (u32)scanout;
	else
		job->command.cursor.scanout_id = (u32)scanout;
	return true;
}

enum gpu_submit virtio_gpu_submit(struct gpu *gpu, struct gpu_job *base)
{
	struct virtio_gpu *device = gpu->family;
	struct virtio_gpu_job *job = container_of(base, struct virtio_gpu_job, base);
	struct virtio_vgpu *v = virtio_of(base->vgpu);
	bool control = job->queue == VIRTIO_GPU_QUEUE_CONTROL;
	struct slot *slot = free_slot(device);
	struct data data = { .table = &v->audit.resources, .zero_entries = job->zero_entries };
	u32 count;

	job->answer = VIRTIO_GPU_RESP_OK_NODATA;
	if (!fill_scanout(job))
		return GPU_DONE;
	job->answer = VIRTIO_GPU_RESP_ERR_UNSPEC;
	if (!slot)
		return GPU_DONE;
	if (control) { /* a fence: the answer means that the work is done */
		job->command.hdr.flags = VIRTIO_GPU_FLAG_FENCE;
		job->command.hdr.fence_id = ++device->fence & 0xffffffff;
	}
	memcpy(slot->memory, &job->command, sizeof(job->command));
	memset(slot->memory + RESPONSE_AT, 0, sizeof(struct virtio_gpu_hdr));
	if (job->effect == EFFECT_ATTACH)
		data.backing = &job->backing;
	count = build_segments(device, slot, job->length, &data,
			       control ? sizeof(struct virtio_gpu_hdr) : 0);
	if (send(device, slot, job->queue, count))
		return GPU_DONE;
	slot->job = job;
	device->kick[job->queue] = true;
	return GPU_SUBMITTED;
}

void virtio_gpu_kick(struct gpu *gpu)
{
	struct virtio_gpu *device = gpu->family;

	for (u16 i = 0; i < VIRTIO_GPU_QUEUE_COUNT; i++) {
		if (device->kick[i])
			virtio_pci_notify(&device->pci, i);
		device->kick[i] = false;
	}
}

/* Requests that the device has used, whoever sent them; bounded by the slots. */
static struct slot *next_used(struct virtio_gpu *device)
{
	for (u8 queue = 0; queue < VIRTIO_GPU_QUEUE_COUNT; queue++) {
		struct slot *slot;
		u16 head;
		u32 written;
		enum err e = virtqueue_pop(&device->queues[queue], &head, &written);

		if (e == ERR_NOT_FOUND)
			continue;
		slot = e ? NULL : slot_of(device, queue, head);
		if (slot)
			return slot;
		if (log_allowed(&device->limit, 1))
			log_error("gpu %u: the device answered a request that it was not sent",
				  device->gpu->index);
	}
	return NULL;
}

struct gpu_job *virtio_gpu_poll(struct gpu *gpu)
{
	struct virtio_gpu *device = gpu->family;
	struct slot *slot = next_used(device);
	struct virtio_gpu_job *job;

	if (!slot)
		return NULL;
	job = slot->job;
	job->answer = slot->queue == VIRTIO_GPU_QUEUE_CONTROL ? response_type(slot)
							      : (u32)VIRTIO_GPU_RESP_OK_NODATA;
	slot->busy = false;
	slot->job = NULL;
	return &job->base;
}

void virtio_gpu_display(const struct gpu *gpu, s32 scanout, struct audit_display *out)
{
	const struct virtio_gpu *device = gpu->family;
	const struct display *display =
		&device->displays[scanout == GPU_SCANOUT_NONE ? 0 : scanout];

	*out = (struct audit_display){
		.width = display->width,
		.height = display->height,
		.edid_size = display->edid_size,
		.edid = display->edid,
	};
}

/* ---- at start: one command at a time, polled ---- */

static enum err ask(struct virtio_gpu *device, u32 length, u32 response_bytes, u32 expected)
{
	struct slot *slot = &device->slots[0];
	struct data none = { 0 };
	u64 limit = now_ns() + START_LIMIT_NS;
	u32 count;
	enum err e;

	memset(slot->memory + RESPONSE_AT, 0, response_bytes);
	count = build_segments(device, slot, length, &none, response_bytes);
	e = send(device, slot, VIRTIO_GPU_QUEUE_CONTROL, count);
	if (e)
		return e;
	virtio_pci_notify(&device->pci, VIRTIO_GPU_QUEUE_CONTROL);
	while (next_used(device) != slot) {
		if (now_ns() > limit)
			return ERR_TIMEOUT;
		cpu_relax();
	}
	slot->busy = false;
	return response_type(slot) == expected ? OK : ERR_DEVICE;
}

static void take_modes(struct virtio_gpu *device)
{
	const struct virtio_gpu_resp_display_info *info =
		(const void *)(device->slots[0].memory + RESPONSE_AT);

	for (u32 i = 0; i < device->gpu->scanout_count; i++) {
		const struct virtio_gpu_rect *rect = &info->modes[i].rect;
		struct display *display = &device->displays[i];

		/* Outputs without a viewer have no size: they are like the first one. */
		display->width = i ? device->displays[0].width : DEFAULT_WIDTH;
		display->height = i ? device->displays[0].height : DEFAULT_HEIGHT;
		if (rect->width && rect->height) {
			display->width = rect->width;
			display->height = rect->height;
		}
	}
}

static enum err read_displays(struct virtio_gpu *device)
{
	union virtio_gpu_command *command = (void *)device->slots[0].memory;
	const struct virtio_gpu_resp_edid *edid =
		(const void *)(device->slots[0].memory + RESPONSE_AT);
	enum err e;

	memset(command, 0, sizeof(*command));
	command->hdr.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO;
	e = ask(device, sizeof(command->hdr), sizeof(struct virtio_gpu_resp_display_info),
		VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
	if (e)
		return e;
	take_modes(device);
	if (!(device->pci.features & VIRTIO_GPU_F_EDID))
		return OK;
	for (u32 i = 0; i < device->gpu->scanout_count; i++) {
		struct display *display = &device->displays[i];

		command->get_edid.hdr.type = VIRTIO_GPU_CMD_GET_EDID;
		command->get_edid.scanout = i;
		e = ask(device, sizeof(command->get_edid), sizeof(*edid), VIRTIO_GPU_RESP_OK_EDID);
		if (e)
			return e;
		display->edid_size = MIN(edid->size, (u32)VIRTIO_GPU_EDID_BYTES);
		memcpy(display->edid, edid->edid, display->edid_size);
	}
	return OK;
}

static enum err make_queue(struct virtio_gpu *device, u16 index)
{
	u16 size = virtio_pci_queue_size(&device->pci, index);
	u32 pages;
	hpa_t hpa;
	enum err e;

	if (!size)
		return ERR_DEVICE;
	pages = (u32)((virtqueue_bytes(size) + PAGE_MASK) >> PAGE_SHIFT);
	hpa = frame_alloc_contiguous(pages);
	if (!hpa.raw)
		return ERR_NO_MEMORY;
	e = gpu_dma_map(device->gpu, hpa, (u64)pages << PAGE_SHIFT, IOMMU_READ | IOMMU_WRITE);
	if (!e)
		e = virtqueue_init(&device->queues[index], size, frame_ptr(hpa), IOVA(hpa.raw));
	if (!e)
		e = virtio_pci_queue_enable(&device->pci, index, &device->queues[index],
					    MSIX_VECTOR);
	return e;
}

static enum err make_slots(struct virtio_gpu *device)
{
	hpa_t hpa = frame_alloc_contiguous(SLOTS * SLOT_PAGES);

	if (!hpa.raw)
		return ERR_NO_MEMORY;
	for (u32 i = 0; i < SLOTS; i++) {
		u64 offset = (u64)i * SLOT_PAGES * PAGE_SIZE;

		device->slots[i].memory = (u8 *)frame_ptr(hpa) + offset;
		device->slots[i].iova = IOVA(hpa.raw + offset);
	}
	return gpu_dma_map(device->gpu, hpa, (u64)SLOTS * SLOT_PAGES * PAGE_SIZE,
			   IOMMU_READ | IOMMU_WRITE);
}

/* Entries for a new picture of any size: what was in its memory before is overwritten. */
static enum err make_zeros(struct virtio_gpu *device)
{
	u32 table = CLEAR_ENTRIES_MAX * (u32)sizeof(struct virtio_gpu_mem_entry);
	u32 bytes = table + CLEAR_ENTRY_BYTES;
	hpa_t hpa = frame_alloc_contiguous(bytes >> PAGE_SHIFT);
	struct virtio_gpu_mem_entry *entries;

	if (!hpa.raw)
		return ERR_NO_MEMORY;
	entries = frame_ptr(hpa);
	for (u32 i = 0; i < CLEAR_ENTRIES_MAX; i++)
		entries[i] = (struct virtio_gpu_mem_entry){ .addr = hpa.raw + table,
							    .length = CLEAR_ENTRY_BYTES };
	device->zeros = hpa;
	return gpu_dma_map(device->gpu, hpa, bytes, IOMMU_READ);
}

static enum err negotiate(struct virtio_gpu *device)
{
	u64 offered = virtio_pci_offered(&device->pci);
	u64 wanted = VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_INDIRECT_DESC |
		     VIRTIO_GPU_F_EDID;

	if (!(offered & VIRTIO_F_VERSION_1))
		return ERR_UNSUPPORTED;
	if (device->gpu->iommu && !(offered & VIRTIO_F_ACCESS_PLATFORM)) {
		/* 6.1: it then uses physical addresses past the IOMMU. */
		log_error("gpu %u: the device bypasses the IOMMU (ACCESS_PLATFORM is missing)",
			  device->gpu->index);
		return ERR_DENIED;
	}
	return virtio_pci_accept(&device->pci, offered & wanted);
}

static enum err set_up_interrupt(struct virtio_gpu *device)
{
	u64 address;
	u32 data;
	enum err e = pci_msix_enable(device->gpu->pci, device->gpu->function, &device->pci.msix);

	if (!e)
		e = gpu_interrupt(device->gpu, &address, &data);
	if (!e)
		e = pci_msix_set(&device->pci.msix, MSIX_VECTOR, address, data);
	return e;
}

static enum err start(struct virtio_gpu *device)
{
	enum err e = negotiate(device);
	u32 scanouts;

	if (!e)
		e = set_up_interrupt(device);
	for (u16 i = 0; !e && i < VIRTIO_GPU_QUEUE_COUNT; i++)
		e = make_queue(device, i);
	if (!e)
		e = make_slots(device);
	if (!e)
		e = make_zeros(device);
	if (e)
		return e;
	scanouts = virtio_pci_config_read(&device->pci,
					  offsetof(struct virtio_gpu_config, num_scanouts));
	if (!scanouts || scanouts > VIRTIO_GPU_SCANOUTS_MAX)
		return ERR_DEVICE;
	device->gpu->scanout_count = scanouts;
	virtio_pci_run(&device->pci);
	return read_displays(device);
}

enum err virtio_gpu_attach(struct gpu *gpu)
{
	u32 pages = (u32)((sizeof(struct virtio_gpu) + PAGE_MASK) >> PAGE_SHIFT);
	hpa_t hpa = frame_alloc_contiguous(pages);
	struct virtio_gpu *device;
	enum err e;

	if (!hpa.raw)
		return ERR_NO_MEMORY;
	device = frame_ptr(hpa);
	device->gpu = gpu;
	gpu->family = device;
	e = virtio_pci_attach(&device->pci, gpu->pci, gpu->function);
	return e ? e : start(device);
}
