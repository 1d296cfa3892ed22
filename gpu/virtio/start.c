/* SPDX-License-Identifier: Apache-2.0 */
/* The physical virtio-gpu is brought up, and reset where it does not answer any more. */
#include "core/frame.h"
#include "core/lib/string.h"
#include "core/log.h"
#include "core/timer.h"
#include "gpu/virtio/phys.h"
#include "gpu/virtio/virgl_capset.h"

#define START_LIMIT_NS 2000000000ULL
#define DEFAULT_WIDTH  1280
#define DEFAULT_HEIGHT 800
#define MSIX_VECTOR    0

/* ---- at start: one command at a time, polled ---- */

/* The command stands at the start of slot 0, and the answer comes to answer_at(slot, 0). */
static enum err ask(struct virtio_gpu *device, u32 length, u32 response_bytes, u32 expected)
{
	struct slot *slot = &device->slots[0];
	struct data none = { 0 };
	u64 limit = now_ns() + START_LIMIT_NS;
	enum err e;

	memset(answer_at(slot, 0), 0, response_bytes);
	phys_empty(slot);
	e = phys_send(device, slot, VIRTIO_GPU_QUEUE_CONTROL, length, &none, response_bytes);
	if (e)
		return e;
	virtio_pci_notify(&device->pci, VIRTIO_GPU_QUEUE_CONTROL);
	while (phys_next_used(device) != slot) {
		if (now_ns() > limit)
			return ERR_TIMEOUT;
		cpu_relax();
	}
	phys_empty(slot);
	return answer_at(slot, 0)->type == expected ? OK : ERR_DEVICE;
}

static void take_modes(struct virtio_gpu *device)
{
	const struct virtio_gpu_resp_display_info *info =
		(const void *)answer_at(&device->slots[0], 0);

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
	union virtio_gpu_command *command = command_at(&device->slots[0], 0);
	const struct virtio_gpu_resp_edid *edid = (const void *)answer_at(&device->slots[0], 0);
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

/* ---- what its renderer can do ---- */

/* A capability set of those that we know, as guests shall see it. */
static enum err read_capset(struct virtio_gpu *device, u32 index)
{
	union virtio_gpu_command *command = command_at(&device->slots[0], 0);
	const struct virtio_gpu_resp_capset_info *info =
		(const void *)answer_at(&device->slots[0], 0);
	const struct virtio_gpu_resp_capset *set = (const void *)answer_at(&device->slots[0], 0);
	struct audit_capset found;
	hpa_t hpa;
	enum err e;

	memset(command, 0, sizeof(*command));
	command->hdr.type = VIRTIO_GPU_CMD_GET_CAPSET_INFO;
	command->get_capset_info.index = index;
	e = ask(device, sizeof(command->get_capset_info), sizeof(*info),
		VIRTIO_GPU_RESP_OK_CAPSET_INFO);
	if (e)
		return e;
	found = (struct audit_capset){ info->id, info->max_version, info->max_size, NULL };
	if (!virgl_capset_is_known(found.id) || found.size > VIRTIO_GPU_CAPSET_BYTES)
		return OK;
	command->hdr.type = VIRTIO_GPU_CMD_GET_CAPSET;
	command->get_capset.id = found.id;
	command->get_capset.version = found.max_version;
	e = ask(device, sizeof(command->get_capset), (u32)sizeof(set->hdr) + found.size,
		VIRTIO_GPU_RESP_OK_CAPSET);
	if (e)
		return e;
	hpa = frame_alloc();
	if (!hpa.raw)
		return ERR_NO_MEMORY;
	found.data = frame_ptr(hpa);
	memcpy(frame_ptr(hpa), set->data, found.size);
	virgl_capset_mask(frame_ptr(hpa), found.size);
	device->capsets.sets[device->capsets.count++] = found;
	return OK;
}

/* What each new sub-context gets first. */
static enum err make_constants(struct virtio_gpu *device)
{
	u32 bytes = VIRGL_CONSTANTS_DWORDS * (u32)sizeof(u32);
	u32 pages = (bytes + (u32)PAGE_MASK) >> PAGE_SHIFT;
	hpa_t hpa = frame_alloc_contiguous(pages);

	if (!hpa.raw)
		return ERR_NO_MEMORY;
	virgl_fill_constants(frame_ptr(hpa));
	device->constants = hpa;
	return gpu_dma_map(device->gpu, hpa, (u64)pages << PAGE_SHIFT, IOMMU_READ);
}

/* 3D is for devices whose requests can be long. */
static enum err read_capsets(struct virtio_gpu *device)
{
	u64 needed = VIRTIO_GPU_F_VIRGL | VIRTIO_F_INDIRECT_DESC;
	u32 count;
	enum err e = OK;

	if ((device->pci.features & needed) != needed)
		return OK;
	count = virtio_pci_config_read(&device->pci,
				       offsetof(struct virtio_gpu_config, num_capsets));
	for (u32 i = 0; !e && i < MIN(count, (u32)VIRTIO_GPU_CAPSETS_MAX); i++)
		e = read_capset(device, i);
	if (!e && device->capsets.count)
		e = make_constants(device);
	return e;
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
		     VIRTIO_GPU_F_EDID | VIRTIO_GPU_F_VIRGL;

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

static enum err set_interrupt(struct virtio_gpu *device)
{
	return pci_msix_set(&device->pci.msix, MSIX_VECTOR, device->msix_address,
			    device->msix_data);
}

static enum err set_up_interrupt(struct virtio_gpu *device)
{
	enum err e = pci_msix_enable(device->gpu->pci, device->gpu->function, &device->pci.msix);

	if (!e)
		e = gpu_interrupt(device->gpu, &device->msix_address, &device->msix_data);
	return e ? e : set_interrupt(device);
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
	e = read_displays(device);
	return e ? e : read_capsets(device);
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
	device->nudge.fire = phys_nudge;
	gpu->family = device;
	e = virtio_pci_attach(&device->pci, gpu->pci, gpu->function);
	return e ? e : start(device);
}

/* ---- again, after it stopped answering ---- */

/* Nothing that the device had is out any more. */
static void let_go(struct virtio_gpu *device)
{
	for (u32 i = 0; i < SLOTS; i++) {
		struct slot *slot = &device->slots[i];
		struct virtio_gpu_job *job = slot->abandoned ? slot->job : NULL;

		phys_empty(slot);
		if (job)
			virtio_vgpu_job_late(job->base.vgpu, &job->base);
	}
	memset(device->owners, 0, sizeof(device->owners));
	memset(device->kick, 0, sizeof(device->kick));
}

/* The queue of before, in its memory, with nothing in it. */
static enum err restart_queue(struct virtio_gpu *device, u16 index)
{
	struct virtqueue *vq = &device->queues[index];
	void *memory = vq->desc;
	enum err e;

	if (virtio_pci_queue_size(&device->pci, index) != vq->size)
		return ERR_DEVICE;
	memset(memory, 0, virtqueue_bytes(vq->size));
	e = virtqueue_init(vq, vq->size, memory, vq->iova);
	return e ? e : virtio_pci_queue_enable(&device->pci, index, vq, MSIX_VECTOR);
}

/* Displays and capability sets stay as guests were told. */
enum err virtio_gpu_reset(struct gpu *gpu)
{
	struct virtio_gpu *device = gpu->family;
	u64 features = device->pci.features;
	enum err e = virtio_pci_reset(&device->pci);

	if (e)
		return e;
	let_go(device);
	e = negotiate(device);
	if (!e && device->pci.features != features)
		e = ERR_DEVICE;
	if (!e)
		e = set_interrupt(device);
	for (u16 i = 0; !e && i < VIRTIO_GPU_QUEUE_COUNT; i++)
		e = restart_queue(device, i);
	if (!e)
		virtio_pci_run(&device->pci);
	return e;
}

void virtio_gpu_give_up(struct gpu *gpu)
{
	struct virtio_gpu *device = gpu->family;

	device->dead = true;
	pci_disable(gpu->pci, gpu->function, PCI_COMMAND_BUS_MASTER);
	let_go(device);
}
