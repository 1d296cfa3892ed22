/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PCI function that a guest sees: a modern virtio-gpu (virtio 1.2, 4.1).
 *
 *   BAR 0, 32 KiB, 64-bit:  0000 common   1000 ISR   2000 device   3000 notify
 *                           4000 MSI-X table and PBA (guest/pci.c)
 */
#include "core/lib/string.h"
#include "gpu/virtio/virtio_gpu.h"

#define BAR_SIZE      KIB(32)
#define COMMON_AT     0x0000
#define ISR_AT	      0x1000
#define DEVICE_AT     0x2000
#define NOTIFY_AT     0x3000
#define MSIX_AT	      0x4000
#define MSIX_VECTORS  3
#define NOTIFY_STRIDE 4

#define CAP_MSIX   0x40
#define CAP_COMMON 0x50
#define CAP_NOTIFY 0x60
#define CAP_ISR	   0x74
#define CAP_DEVICE 0x84

#define MAX_QUEUE_SIZE(queue) \
	((queue) == VIRTIO_GPU_QUEUE_CONTROL ? CONTROL_QUEUE_SIZE : CURSOR_QUEUE_SIZE)

/* ---- configuration space ---- */

static void put16(u8 *config, u32 offset, u16 value)
{
	memcpy(config + offset, &value, sizeof(value));
}

static void put_capability(u8 *config, u8 offset, u8 next, u8 length, u8 type, u32 at, u32 bytes)
{
	struct virtio_pci_cap cap = {
		.cap_vndr = PCI_CAP_VENDOR,
		.cap_next = next,
		.cap_len = length,
		.cfg_type = type,
		.offset = at,
		.length = bytes,
	};

	memcpy(config + offset, &cap, sizeof(cap));
}

static void fill_config(u8 *config)
{
	u32 stride = NOTIFY_STRIDE;

	put16(config, PCI_VENDOR_ID, VIRTIO_PCI_VENDOR);
	put16(config, PCI_DEVICE_ID, VIRTIO_PCI_DEVICE_BASE + VIRTIO_GPU_DEVICE_TYPE);
	put16(config, PCI_STATUS, PCI_STATUS_CAPABILITIES);
	config[PCI_REVISION] = 1;	 /* not transitional, 4.1.2.1 */
	config[PCI_REVISION + 2] = 0x80; /* display controller, other */
	config[PCI_REVISION + 3] = 0x03;
	put16(config, PCI_SUBSYSTEM_VENDOR, VIRTIO_PCI_VENDOR);
	put16(config, PCI_SUBSYSTEM_ID, 0x1100);
	config[PCI_CAPABILITIES] = CAP_MSIX;
	config[CAP_MSIX] = PCI_CAP_MSIX;
	config[CAP_MSIX + 1] = CAP_COMMON;
	put_capability(config, CAP_COMMON, CAP_NOTIFY, 16, VIRTIO_PCI_CAP_COMMON, COMMON_AT,
		       sizeof(struct virtio_pci_common));
	put_capability(config, CAP_NOTIFY, CAP_ISR, 20, VIRTIO_PCI_CAP_NOTIFY, NOTIFY_AT,
		       NOTIFY_STRIDE * VIRTIO_GPU_QUEUE_COUNT);
	memcpy(config + CAP_NOTIFY + sizeof(struct virtio_pci_cap), &stride, sizeof(stride));
	put_capability(config, CAP_ISR, CAP_DEVICE, 16, VIRTIO_PCI_CAP_ISR, ISR_AT, 1);
	put_capability(config, CAP_DEVICE, 0, 16, VIRTIO_PCI_CAP_DEVICE, DEVICE_AT,
		       sizeof(struct virtio_gpu_config));
}

/* ---- interrupts ---- */

static void interrupt(struct virtio_vgpu *v, u8 isr, u16 vector)
{
	v->isr |= isr;
	v->vgpu->interrupts++;
	vgpu_count(v->vgpu, GUARD_INTERRUPTS, 1);
	if (vector != VIRTIO_MSI_NO_VECTOR && v->function.raise_msix)
		v->function.raise_msix(&v->function, vector);
}

void vfunc_interrupt_queue(struct virtio_vgpu *v, u16 queue)
{
	interrupt(v, VIRTIO_ISR_QUEUE, v->rings[queue].msix_vector);
}

void vfunc_interrupt_config(struct virtio_vgpu *v)
{
	interrupt(v, VIRTIO_ISR_CONFIG, v->config_vector);
}

/* ---- common configuration ---- */

static struct vring *selected(struct virtio_vgpu *v)
{
	return v->queue_select < VIRTIO_GPU_QUEUE_COUNT ? &v->rings[v->queue_select] : NULL;
}

static void snapshot(struct virtio_vgpu *v, struct virtio_pci_common *out)
{
	const struct vring *ring = selected(v);

	memset(out, 0, sizeof(*out));
	out->device_feature_select = v->device_feature_select;
	if (v->device_feature_select < 2)
		out->device_feature = (u32)(v->offered >> (32 * v->device_feature_select));
	out->driver_feature_select = v->driver_feature_select;
	if (v->driver_feature_select < 2)
		out->driver_feature = (u32)(v->accepted >> (32 * v->driver_feature_select));
	out->config_msix_vector = v->config_vector;
	out->num_queues = VIRTIO_GPU_QUEUE_COUNT;
	out->device_status = v->status;
	out->queue_select = v->queue_select;
	out->queue_msix_vector = VIRTIO_MSI_NO_VECTOR;
	if (!ring)
		return;
	out->queue_size = ring->size;
	out->queue_msix_vector = ring->msix_vector;
	out->queue_enable = ring->enabled;
	out->queue_notify_off = v->queue_select;
	out->queue_desc_lo = (u32)ring->desc.raw;
	out->queue_desc_hi = (u32)(ring->desc.raw >> 32);
	out->queue_driver_lo = (u32)ring->avail.raw;
	out->queue_driver_hi = (u32)(ring->avail.raw >> 32);
	out->queue_device_lo = (u32)ring->used.raw;
	out->queue_device_hi = (u32)(ring->used.raw >> 32);
}

static void set_half(gpa_t *address, bool high, u32 value)
{
	u64 mask = 0xffffffffULL << (high ? 32 : 0);

	address->raw = (address->raw & ~mask) | (u64)value << (high ? 32 : 0);
}

static u16 checked_vector(u32 value)
{
	return value < MSIX_VECTORS ? (u16)value : VIRTIO_MSI_NO_VECTOR;
}

/* 2.1: bits are only ever added; 0 resets; FEATURES_OK only for what was offered. */
static void write_status(struct virtio_vgpu *v, u8 value)
{
	u8 added = value & (u8)~v->status;

	if (!value) {
		vgpu_count(v->vgpu, GUARD_RESETS, 1);
		vgpu_begin_reset(v);
		return;
	}
	if ((added & VIRTIO_STATUS_FEATURES_OK) &&
	    ((v->accepted & ~v->offered) || !(v->accepted & VIRTIO_F_VERSION_1)))
		added &= (u8)~VIRTIO_STATUS_FEATURES_OK;
	v->status |= added & (u8)~VIRTIO_STATUS_NEEDS_RESET;
	if (v->status & VIRTIO_STATUS_DRIVER_OK)
		intake_wake(v); /* what was made available before is seen too */
}

static void write_queue(struct virtio_vgpu *v, u64 offset, u32 value)
{
	struct vring *ring = selected(v);

	if (!ring)
		return;
	if (offset == offsetof(struct virtio_pci_common, queue_msix_vector)) {
		ring->msix_vector = checked_vector(value);
		return;
	}
	if (ring->enabled)
		return; /* 4.1.4.3.2: not after it is enabled */
	switch (offset) {
	case offsetof(struct virtio_pci_common, queue_size):
		if (value && value <= ring->max_size && !(value & (value - 1)))
			ring->size = (u16)value;
		break;
	case offsetof(struct virtio_pci_common, queue_enable):
		ring->enabled = value == 1;
		break;
	case offsetof(struct virtio_pci_common, queue_desc_lo):
		set_half(&ring->desc, false, value);
		break;
	case offsetof(struct virtio_pci_common, queue_desc_hi):
		set_half(&ring->desc, true, value);
		break;
	case offsetof(struct virtio_pci_common, queue_driver_lo):
		set_half(&ring->avail, false, value);
		break;
	case offsetof(struct virtio_pci_common, queue_driver_hi):
		set_half(&ring->avail, true, value);
		break;
	case offsetof(struct virtio_pci_common, queue_device_lo):
		set_half(&ring->used, false, value);
		break;
	case offsetof(struct virtio_pci_common, queue_device_hi):
		set_half(&ring->used, true, value);
		break;
	default:
		break;
	}
}

static void accept_features(struct virtio_vgpu *v, u32 value)
{
	u32 shift = 32 * v->driver_feature_select;

	if (v->driver_feature_select > 1 || (v->status & VIRTIO_STATUS_FEATURES_OK))
		return;
	v->accepted = (v->accepted & ~(0xffffffffULL << shift)) | (u64)value << shift;
}

static void write_common(struct virtio_vgpu *v, u64 offset, u32 value)
{
	/* During a reset the device takes nothing; the driver waits for status 0 (2.4.2). */
	if (v->phase == VGPU_DRAIN || v->phase == VGPU_CLEAN)
		return;
	switch (offset) {
	case offsetof(struct virtio_pci_common, device_feature_select):
		v->device_feature_select = value;
		break;
	case offsetof(struct virtio_pci_common, driver_feature_select):
		v->driver_feature_select = value;
		break;
	case offsetof(struct virtio_pci_common, driver_feature):
		accept_features(v, value);
		break;
	case offsetof(struct virtio_pci_common, config_msix_vector):
		v->config_vector = checked_vector(value);
		break;
	case offsetof(struct virtio_pci_common, device_status):
		write_status(v, (u8)value);
		break;
	case offsetof(struct virtio_pci_common, queue_select):
		v->queue_select = (u16)value;
		break;
	default:
		write_queue(v, offset, value);
		break;
	}
}

/* ---- the pages of BAR 0; vm.device_lock is held ---- */

static enum access_result common_access(struct vcpu *vcpu, void *ctx, struct access *access)
{
	struct virtio_vgpu *v = ctx;
	struct virtio_pci_common common;

	(void)vcpu;
	if (access->offset >= sizeof(common) || access->size > sizeof(common) - access->offset)
		return ACCESS_NOT_MINE;
	spin_lock(&v->vgpu->lock);
	if (!access->write) {
		snapshot(v, &common);
		access->value = 0;
		memcpy(&access->value, (const u8 *)&common + access->offset, access->size);
	} else {
		write_common(v, access->offset, (u32)access->value);
		if (access->size == 8) /* the halves of an address in one go */
			write_common(v, access->offset + 4, (u32)(access->value >> 32));
	}
	spin_unlock(&v->vgpu->lock);
	return ACCESS_HANDLED;
}

static enum access_result isr_access(struct vcpu *vcpu, void *ctx, struct access *access)
{
	struct virtio_vgpu *v = ctx;

	(void)vcpu;
	if (access->offset)
		return ACCESS_NOT_MINE;
	if (access->write)
		return ACCESS_HANDLED;
	spin_lock(&v->vgpu->lock);
	access->value = v->isr; /* reading clears, 4.1.4.5 */
	v->isr = 0;
	spin_unlock(&v->vgpu->lock);
	return ACCESS_HANDLED;
}

static enum access_result device_access(struct vcpu *vcpu, void *ctx, struct access *access)
{
	const struct virtio_vgpu *v = ctx;
	struct virtio_gpu_config config = { .num_scanouts = VGPU_SCANOUTS };

	(void)vcpu;
	if (v->audit.capsets)
		config.num_capsets = v->audit.capsets->count;
	if (access->offset >= sizeof(config) || access->size > sizeof(config) - access->offset)
		return ACCESS_NOT_MINE;
	if (access->write)
		return ACCESS_HANDLED; /* events_clear: there are no events */
	access->value = 0;
	memcpy(&access->value, (const u8 *)&config + access->offset, access->size);
	return ACCESS_HANDLED;
}

static enum access_result notify_access(struct vcpu *vcpu, void *ctx, struct access *access)
{
	struct virtio_vgpu *v = ctx;

	(void)vcpu;
	if (access->offset >= NOTIFY_STRIDE * VIRTIO_GPU_QUEUE_COUNT)
		return ACCESS_NOT_MINE;
	if (!access->write) {
		access->value = 0;
		return ACCESS_HANDLED;
	}
	spin_lock(&v->vgpu->lock);
	v->doorbells++;
	vgpu_count(v->vgpu, GUARD_DOORBELLS, 1);
	spin_unlock(&v->vgpu->lock);
	intake_wake(v);
	return ACCESS_HANDLED;
}

static void add_span(struct vpci_bar *bar, struct virtio_vgpu *v, u64 offset,
		     region_handler handler)
{
	bar->spans[bar->span_count++] = (struct vpci_span){
		.kind = VPCI_SPAN_TRAPPED,
		.offset = offset,
		.size = PAGE_SIZE,
		.handler = handler,
		.ctx = v,
	};
}

void vfunc_init(struct virtio_vgpu *v)
{
	struct vpci_function *function = &v->function;
	struct vpci_bar *bar = &function->bars[0];

	memset(function, 0, sizeof(*function));
	fill_config(function->config);
	bar->size = BAR_SIZE;
	bar->is_64bit = true;
	add_span(bar, v, COMMON_AT, common_access);
	add_span(bar, v, ISR_AT, isr_access);
	add_span(bar, v, DEVICE_AT, device_access);
	add_span(bar, v, NOTIFY_AT, notify_access);
	function->msix_count = MSIX_VECTORS;
	function->msix_bar = 0;
	function->msix_offset = MSIX_AT;
	function->msix_cap = CAP_MSIX;
	function->ctx = v;
	vfunc_reset_registers(v);
}

void vfunc_reset_registers(struct virtio_vgpu *v)
{
	v->accepted = 0;
	v->device_feature_select = v->driver_feature_select = 0;
	v->config_vector = VIRTIO_MSI_NO_VECTOR;
	v->queue_select = 0;
	v->status = 0;
	v->isr = 0;
	for (u16 i = 0; i < VIRTIO_GPU_QUEUE_COUNT; i++)
		vring_reset(&v->rings[i], MAX_QUEUE_SIZE(i));
}
