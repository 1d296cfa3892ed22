/* SPDX-License-Identifier: Apache-2.0 */
/* The physical device: found, quieted, its mode set. Registers are the owner CPU's alone. */
#include "arch/x86/io.h"
#include "core/frame.h"
#include "core/log.h"
#include "core/vmap.h"
#include "gpu/vbe/vbe.h"

#define BAR_MEMORY    0
#define BAR_REGISTERS 2

/* The attribute controller shows a picture while this bit is in its index (VGA: 3c0h). */
#define VGA_ATTRIBUTE	   0x3c0
#define VGA_STATUS	   0x3da /* reading it makes the next write to 3c0h an index */
#define VGA_PORTS	   0x3c0
#define VGA_ATTRIBUTE_SHOW 0x20

static u16 read_register(const struct vbe_gpu *hw, u32 index)
{
	if (hw->registers)
		return mmio_read16(hw->registers + VBE_MMIO_DISPI + 2 * index);
	outw(VBE_DISPI_INDEX_PORT, (u16)index);
	return inw(VBE_DISPI_DATA_PORT);
}

static void write_register(const struct vbe_gpu *hw, u32 index, u32 value)
{
	if (hw->registers) {
		mmio_write16(hw->registers + VBE_MMIO_DISPI + 2 * index, (u16)value);
		return;
	}
	outw(VBE_DISPI_INDEX_PORT, (u16)index);
	outw(VBE_DISPI_DATA_PORT, (u16)value);
}

static void unblank(const struct vbe_gpu *hw)
{
	if (hw->registers) {
		(void)mmio_read8(hw->registers + VBE_MMIO_VGA + VGA_STATUS - VGA_PORTS);
		mmio_write8(hw->registers + VBE_MMIO_VGA + VGA_ATTRIBUTE - VGA_PORTS,
			    VGA_ATTRIBUTE_SHOW);
		return;
	}
	(void)inb(VGA_STATUS);
	outb(VGA_ATTRIBUTE, VGA_ATTRIBUTE_SHOW);
}

bool vbe_matches(const struct pci_function *function)
{
	return function->vendor_id == VBE_VENDOR && function->device_id == VBE_DEVICE;
}

static bool same_geometry(const struct vbe_mode *a, const struct vbe_mode *b)
{
	return a->width == b->width && a->height == b->height && a->virt_width == b->virt_width &&
	       a->bytes == b->bytes;
}

/* Bochs takes size and depth only while switched off; VGA resets the rest when switched on. */
static void set_geometry(const struct vbe_gpu *hw, const struct vbe_mode *mode)
{
	write_register(hw, VBE_DISPI_ENABLE, 0);
	write_register(hw, VBE_DISPI_XRES, mode->width);
	write_register(hw, VBE_DISPI_YRES, mode->height);
	write_register(hw, VBE_DISPI_BPP, mode->bytes * 8);
	write_register(hw, VBE_DISPI_ENABLE, VBE_DISPI_ENABLED | VBE_DISPI_LFB | VBE_DISPI_KEEP);
	write_register(hw, VBE_DISPI_VIRT_WIDTH, mode->virt_width);
}

/*
 * The device with ports has no video memory while it is switched off: writes are
 * lost. No guest may run then, on any CPU.
 */
static void change_geometry(const struct vbe_gpu *hw, const struct vbe_mode *mode)
{
	if (hw->registers) {
		set_geometry(hw, mode);
		return;
	}
	gpu_hold_cpus();
	set_geometry(hw, mode);
	gpu_release_cpus();
}

static bool holds(const struct vbe_gpu *hw, const struct vbe_mode *mode, u32 x, u32 y)
{
	return read_register(hw, VBE_DISPI_ENABLE) & VBE_DISPI_ENABLED &&
	       read_register(hw, VBE_DISPI_XRES) == mode->width &&
	       read_register(hw, VBE_DISPI_YRES) == mode->height &&
	       read_register(hw, VBE_DISPI_BPP) == mode->bytes * 8 &&
	       read_register(hw, VBE_DISPI_VIRT_WIDTH) == mode->virt_width &&
	       read_register(hw, VBE_DISPI_X_OFFSET) == x &&
	       read_register(hw, VBE_DISPI_Y_OFFSET) == y;
}

/*
 * Scan-out is linear, so a start that is no multiple of the line's length is
 * reached by both offsets together. X goes to 0 first: VGA resets Y where line
 * y and the old x would lead past the end. Each value is in range before it is
 * written: Bochs stops the machine at one that is not.
 */
bool vbe_set_mode(struct vbe_gpu *hw, const struct vbe_mode *mode)
{
	u32 stride = mode->virt_width * mode->bytes;
	u64 y = mode->offset / stride;
	u32 x = (u32)(mode->offset % stride) / mode->bytes;

	if (y > UINT16_MAX || mode->offset % mode->bytes)
		return false;
	if (!same_geometry(&hw->set, mode))
		change_geometry(hw, mode);
	write_register(hw, VBE_DISPI_X_OFFSET, 0);
	write_register(hw, VBE_DISPI_Y_OFFSET, (u32)y);
	write_register(hw, VBE_DISPI_X_OFFSET, x);
	hw->set = *mode;
	if (holds(hw, mode, x, (u32)y))
		return true;
	hw->set.width = 0; /* who knows: the next one is written in full */
	return false;
}

void vbe_clear(struct vbe_gpu *hw, u64 offset, u64 size)
{
	volatile u64 *at = (volatile u64 *)(hw->memory + offset);

	for (u64 i = 0; i < size / sizeof(*at); i += 8) {
		at[i] = 0;
		at[i + 1] = 0;
		at[i + 2] = 0;
		at[i + 3] = 0;
		at[i + 4] = 0;
		at[i + 5] = 0;
		at[i + 6] = 0;
		at[i + 7] = 0;
	}
}

void vbe_copy(struct vbe_gpu *hw, u64 to, u64 from, u64 size)
{
	u64 at = 0;

	for (; at + sizeof(u64) <= size; at += sizeof(u64))
		mmio_write64(hw->memory + to + at, mmio_read64(hw->memory + from + at));
	for (; at < size; at += sizeof(u16))
		mmio_write16(hw->memory + to + at, mmio_read16(hw->memory + from + at));
}

/* A power of two that the device has, whichever of BAR and register says less. */
static u64 memory_size(const struct vbe_gpu *hw, const struct pci_bar *bar)
{
	u64 size = MIN(bar->size, read_register(hw, VBE_DISPI_MEMORY_64K) * KIB(64));

	return size ? 1ULL << (63 - __builtin_clzll(size)) : 0;
}

static bool is_memory(const struct pci_bar *bar, u64 size)
{
	return (bar->kind == PCI_BAR_MEM32 || bar->kind == PCI_BAR_MEM64) && bar->base &&
	       bar->size >= size;
}

static enum err map(struct vbe_gpu *hw, const struct pci_function *function)
{
	const struct pci_bar *memory = &function->bars[BAR_MEMORY];
	const struct pci_bar *registers = &function->bars[BAR_REGISTERS];

	if (!is_memory(memory, VBE_SLICE_MIN))
		return ERR_DEVICE;
	if (is_memory(registers, PAGE_SIZE)) {
		hw->registers = vmap_mmio(HPA(registers->base), PAGE_SIZE);
		if (!hw->registers)
			return ERR_NO_MEMORY;
	}
	if ((read_register(hw, VBE_DISPI_ID) & 0xfff0) != VBE_DISPI_ID0)
		return ERR_DEVICE;
	hw->base = memory->base;
	hw->size = memory_size(hw, memory);
	if (hw->size < VBE_SLICE_MIN)
		return ERR_DEVICE;
	hw->memory = vmap_write_combining(HPA(memory->base), hw->size);
	return hw->memory ? OK : ERR_NO_MEMORY;
}

static void copy_timer(struct timer *timer)
{
	struct vbe_gpu *hw = container_of(timer, struct vbe_gpu, timer);

	__atomic_store_n(&hw->copy_due, true, __ATOMIC_RELEASE);
	gpu_wake(hw->gpu);
}

enum err vbe_attach(struct gpu *gpu)
{
	const struct vbe_mode black = { 640, 480, 640, 2, 0 };
	hpa_t frame = frame_alloc();
	struct vbe_gpu *hw;
	enum err e;

	_Static_assert(sizeof(*hw) <= PAGE_SIZE, "the record is one frame");
	if (!frame.raw)
		return ERR_NO_MEMORY;
	hw = frame_ptr(frame);
	hw->gpu = gpu;
	hw->timer.fire = copy_timer;
	pci_disable(gpu->pci, gpu->function, PCI_COMMAND_BUS_MASTER);
	pci_enable(gpu->pci, gpu->function, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	e = map(hw, gpu->function);
	if (!e && !vbe_set_mode(hw, &black))
		e = ERR_DEVICE;
	if (e) {
		frame_free(frame);
		return e;
	}
	/* After the mode: on Bochs memory is there only while a mode is set. */
	if (hw->registers)
		mmio_write32(hw->registers + VBE_MMIO_EXT + VBE_EXT_BYTE_ORDER, VBE_LITTLE_ENDIAN);
	unblank(hw);
	vbe_clear(hw, 0, hw->size);
	hw->room = vbe_slices_begin(gpu_config(), gpu->index, hw->size);
	gpu->family = hw;
	gpu->scanout_count = 1;
	log_info("gpu %u: %lu MiB of video memory, registers by %s", gpu->index, hw->size >> 20,
		 hw->registers ? "BAR2" : "ports");
	return OK;
}
