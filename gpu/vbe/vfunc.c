/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PCI function that a guest sees: QEMU's bochs-display, whatever the device is.
 *
 *   BAR 0, 32 bits, prefetchable: the slice, mapped
 *   BAR 2, 4 KiB:  000 EDID   400 VGA (nothing)   500 DISPI   600 size, byte order
 */
#include "core/lib/string.h"
#include "gpu/vbe/vbe.h"

static void fill_config(u8 *config)
{
	const u16 words[][2] = {
		{ PCI_VENDOR_ID, VBE_VENDOR },
		{ PCI_DEVICE_ID, VBE_DEVICE },
		{ PCI_SUBSYSTEM_VENDOR, VBE_VENDOR_SUBSYSTEM },
		{ PCI_SUBSYSTEM_ID, VBE_DEVICE_SUBSYSTEM },
	};

	for (u32 i = 0; i < ARRAY_SIZE(words); i++)
		memcpy(config + words[i][0], &words[i][1], sizeof(u16));
	config[PCI_REVISION] = 2;	 /* has what stands at 600h */
	config[PCI_REVISION + 2] = 0x80; /* display controller, other: no VGA ports */
	config[PCI_REVISION + 3] = 0x03;
}

static void registers_written(struct vbe_vgpu *v)
{
	struct vbe_mode mode;

	v->writes++;
	if (!vbe_registers_mode(&v->registers, &mode))
		return; /* as QEMU's device: the last picture stays */
	mode.offset += v->slice.base;
	v->mode = mode;
	if (__atomic_load_n(&v->vgpu->scanout, __ATOMIC_ACQUIRE) != GPU_SCANOUT_NONE)
		vbe_changed(v->vgpu->gpu->family);
}

static enum access_result dispi_access(struct vbe_vgpu *v, struct access *access)
{
	enum access_result result;

	access->offset -= VBE_MMIO_DISPI;
	spin_lock(&v->vgpu->lock);
	result = vbe_registers_access(&v->registers, access);
	if (access->write && result == ACCESS_HANDLED)
		registers_written(v);
	spin_unlock(&v->vgpu->lock);
	return result;
}

/* The byte order cannot be changed: scan-out reads all slices in one. */
static enum access_result ext_access(struct access *access)
{
	const u32 ext[VBE_EXT_SIZE / 4] = { VBE_EXT_SIZE, VBE_LITTLE_ENDIAN };

	if (access->size != 4 || access->offset % 4)
		return ACCESS_NOT_MINE;
	if (!access->write)
		access->value = ext[(access->offset - VBE_MMIO_EXT) / 4];
	return ACCESS_HANDLED;
}

/* vm.device_lock is held. */
static enum access_result page_access(struct vcpu *vcpu, void *ctx, struct access *access)
{
	struct vbe_vgpu *v = ctx;

	(void)vcpu;
	if (access->offset + access->size <= sizeof(v->edid)) {
		if (!access->write) {
			access->value = 0;
			memcpy(&access->value, v->edid + access->offset, access->size);
		}
		return ACCESS_HANDLED;
	}
	if (access->offset < VBE_MMIO_VGA) {
		access->value = 0; /* the EDID has one block */
		return ACCESS_HANDLED;
	}
	if (access->offset >= VBE_MMIO_DISPI &&
	    access->offset < VBE_MMIO_DISPI + 2 * VBE_DISPI_COUNT)
		return dispi_access(v, access);
	if (access->offset >= VBE_MMIO_EXT && access->offset < VBE_MMIO_EXT + VBE_EXT_SIZE)
		return ext_access(access);
	return ACCESS_NOT_MINE;
}

void vbe_function_init(struct vbe_vgpu *v)
{
	struct vbe_gpu *hw = v->vgpu->gpu->family;

	fill_config(v->function.config);
	v->function.ctx = v;
	v->function.bars[0] = (struct vpci_bar){
		.size = v->slice.size,
		.prefetchable = true,
		.span_count = 1,
		.spans = { { .kind = VPCI_SPAN_DIRECT,
			     .size = v->slice.size,
			     .hpa = HPA(hw->base + v->slice.base),
			     .attr = VBE_SPAN_ATTR } },
	};
	v->function.bars[2] = (struct vpci_bar){
		.size = PAGE_SIZE,
		.span_count = 1,
		.spans = { { .kind = VPCI_SPAN_TRAPPED,
			     .size = PAGE_SIZE,
			     .handler = page_access,
			     .ctx = v } },
	};
}
