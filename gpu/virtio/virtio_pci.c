/* SPDX-License-Identifier: Apache-2.0 */
/* The transport of a physical virtio device on PCI. */
#include "gpu/virtio/virtio_pci.h"

#include "arch/x86/io.h"
#include "arch/x86/spinlock.h"
#include "core/timer.h"
#include "core/vmap.h"

#define RESET_LIMIT_NS 100000000ULL

/* Fields are read at their own width (4.1.3.1). */
#define field(device, name) (&(device)->common->name)

struct capability {
	struct virtio_pci_cap cap;
	u8 offset; /* in configuration space */
};

static struct capability read_capability(struct pci *pci, u16 bdf, u8 offset)
{
	struct capability out = { .offset = offset };

	out.cap.cap_len = (u8)pci_read(pci, bdf, offset + 2U, 1);
	out.cap.cfg_type = (u8)pci_read(pci, bdf, offset + 3U, 1);
	out.cap.bar = (u8)pci_read(pci, bdf, offset + 4U, 1);
	out.cap.offset = pci_read(pci, bdf, offset + 8U, 4);
	out.cap.length = pci_read(pci, bdf, offset + 12U, 4);
	return out;
}

/* Map what a capability names, at least `need` bytes of it; `*out` is NULL where that fails. */
static enum err map(const struct pci_function *function, const struct virtio_pci_cap *cap, u32 need,
		    volatile void **out)
{
	const struct pci_bar *bar;

	if (cap->bar >= PCI_MAX_BARS || cap->length < need)
		return ERR_DEVICE;
	bar = &function->bars[cap->bar];
	if (bar->kind != PCI_BAR_MEM32 && bar->kind != PCI_BAR_MEM64)
		return ERR_DEVICE;
	if (!bar->base || cap->offset > bar->size || cap->length > bar->size - cap->offset)
		return ERR_DEVICE;
	*out = vmap_mmio(HPA(bar->base + cap->offset), cap->length);
	return *out ? OK : ERR_NO_MEMORY;
}

/* Of several capabilities of one kind the first counts (4.1.4). */
static enum err take_capability(struct virtio_pci *device, const struct capability *found)
{
	const struct virtio_pci_cap *cap = &found->cap;
	volatile void **area;
	u32 need;

	switch (cap->cfg_type) {
	case VIRTIO_PCI_CAP_COMMON:
		area = (volatile void **)&device->common;
		need = sizeof(*device->common);
		break;
	case VIRTIO_PCI_CAP_NOTIFY:
		area = (volatile void **)&device->notify;
		need = 2;
		break;
	case VIRTIO_PCI_CAP_ISR:
		area = (volatile void **)&device->isr;
		need = 1;
		break;
	case VIRTIO_PCI_CAP_DEVICE:
		area = (volatile void **)&device->device;
		need = 4;
		break;
	default:
		return OK;
	}
	if (*area)
		return OK;
	if (cap->cfg_type == VIRTIO_PCI_CAP_DEVICE)
		device->device_bytes = cap->length;
	if (cap->cfg_type == VIRTIO_PCI_CAP_NOTIFY) {
		device->notify_bytes = cap->length;
		device->notify_multiplier =
			pci_read(device->pci, device->function->bdf, found->offset + 16U, 4);
	}
	return map(device->function, cap, need, area);
}

enum err virtio_pci_reset(struct virtio_pci *device)
{
	u64 limit = now_ns() + RESET_LIMIT_NS;

	mmio_write8(field(device, device_status), 0);
	while (mmio_read8(field(device, device_status))) {
		if (now_ns() > limit)
			return ERR_TIMEOUT;
		cpu_relax();
	}
	mmio_write8(field(device, device_status), VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
	return OK;
}

enum err virtio_pci_attach(struct virtio_pci *device, struct pci *pci,
			   const struct pci_function *function)
{
	u8 at = pci_find_capability(pci, function->bdf, PCI_CAP_VENDOR, 0);
	enum err e;

	*device = (struct virtio_pci){ .pci = pci, .function = function };
	pci_enable(pci, function, PCI_COMMAND_MEMORY);
	/* The list is the device's and may loop. */
	for (u32 i = 0; at && i < PCI_CAPABILITIES_MAX; i++) {
		struct capability found = read_capability(pci, function->bdf, at);

		e = take_capability(device, &found);
		if (e)
			return e;
		at = pci_find_capability(pci, function->bdf, PCI_CAP_VENDOR, at);
	}
	if (!device->common || !device->notify || !device->isr)
		return ERR_UNSUPPORTED;
	return virtio_pci_reset(device);
}

u64 virtio_pci_offered(struct virtio_pci *device)
{
	u64 low, high;

	mmio_write32(field(device, device_feature_select), 0);
	low = mmio_read32(field(device, device_feature));
	mmio_write32(field(device, device_feature_select), 1);
	high = mmio_read32(field(device, device_feature));
	return high << 32 | low;
}

enum err virtio_pci_accept(struct virtio_pci *device, u64 features)
{
	u8 status = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK;

	mmio_write32(field(device, driver_feature_select), 0);
	mmio_write32(field(device, driver_feature), (u32)features);
	mmio_write32(field(device, driver_feature_select), 1);
	mmio_write32(field(device, driver_feature), (u32)(features >> 32));
	mmio_write8(field(device, device_status), status);
	if (!(mmio_read8(field(device, device_status)) & VIRTIO_STATUS_FEATURES_OK))
		return ERR_UNSUPPORTED;
	device->features = features;
	return OK;
}

u16 virtio_pci_queue_size(struct virtio_pci *device, u16 index)
{
	u16 size;

	if (index >= mmio_read16(field(device, num_queues)))
		return 0;
	mmio_write16(field(device, queue_select), index);
	size = mmio_read16(field(device, queue_size));
	if (size & (size - 1))
		return 0;
	return MIN(size, VIRTQUEUE_SIZE_MAX);
}

enum err virtio_pci_queue_enable(struct virtio_pci *device, u16 index, const struct virtqueue *vq,
				 u16 vector)
{
	u64 desc = virtqueue_desc_iova(vq).raw;
	u64 avail = virtqueue_avail_iova(vq).raw;
	u64 used = virtqueue_used_iova(vq).raw;
	u64 bell;

	if (index >= VIRTIO_PCI_QUEUES_MAX)
		return ERR_RANGE;
	mmio_write16(field(device, queue_select), index);
	bell = (u64)mmio_read16(field(device, queue_notify_off)) * device->notify_multiplier;
	if (bell + 2 > device->notify_bytes)
		return ERR_DEVICE;
	device->notify_offset[index] = (u32)bell;
	mmio_write16(field(device, queue_size), vq->size);
	mmio_write16(field(device, queue_msix_vector), vector);
	if (mmio_read16(field(device, queue_msix_vector)) != vector)
		return ERR_DEVICE;
	mmio_write32(field(device, queue_desc_lo), (u32)desc);
	mmio_write32(field(device, queue_desc_hi), (u32)(desc >> 32));
	mmio_write32(field(device, queue_driver_lo), (u32)avail);
	mmio_write32(field(device, queue_driver_hi), (u32)(avail >> 32));
	mmio_write32(field(device, queue_device_lo), (u32)used);
	mmio_write32(field(device, queue_device_hi), (u32)(used >> 32));
	mmio_write16(field(device, queue_enable), 1);
	return OK;
}

void virtio_pci_run(struct virtio_pci *device)
{
	u8 status = mmio_read8(field(device, device_status));

	pci_enable(device->pci, device->function, PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER);
	mmio_write8(field(device, device_status), status | VIRTIO_STATUS_DRIVER_OK);
}

void virtio_pci_notify(struct virtio_pci *device, u16 index)
{
	mmio_write16(device->notify + device->notify_offset[index], index);
}

u32 virtio_pci_config_read(struct virtio_pci *device, u32 offset)
{
	if (!device->device || device->device_bytes < 4 || offset > device->device_bytes - 4)
		return ~0U;
	return mmio_read32(device->device + offset);
}
