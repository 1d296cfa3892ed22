/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frame buffers with the DISPI registers of Bochs: QEMU's bochs-display and
 * standard VGA, Bochs's pcivga. No engine and no DMA: what is shared out is
 * video memory and the scan-out.
 *
 *   video memory   | room to copy to | slice | slice | ... |   larger slices above smaller
 *                  0                                       end
 *
 * A guest's BAR0 is its slice, mapped; its BAR2 is a page of registers in
 * memory. The owner CPU alone writes the device's registers: whoever changes
 * what is to be seen calls vbe_changed().
 */
#ifndef GPU_VBE_VBE_H
#define GPU_VBE_VBE_H

#include "core/lib/error.h"
#include "core/lib/types.h"
#include "core/ptab.h"
#include "core/timer.h"
#include "gpu/gpu.h"
#include "gpu/vgpu.h"

/* Registers, by index; qemu/docs/specs/standard-vga.rst, bochs "VBE Display API". */
enum vbe_dispi {
	VBE_DISPI_ID,
	VBE_DISPI_XRES,
	VBE_DISPI_YRES,
	VBE_DISPI_BPP,
	VBE_DISPI_ENABLE,
	VBE_DISPI_BANK,
	VBE_DISPI_VIRT_WIDTH,
	VBE_DISPI_VIRT_HEIGHT,
	VBE_DISPI_X_OFFSET,
	VBE_DISPI_Y_OFFSET,
	VBE_DISPI_MEMORY_64K, /* video memory in units of 64 KiB, read only */
	VBE_DISPI_COUNT,
};

#define VBE_DISPI_ID0	     0xb0c0 /* the last digit is the version, 0 to 5 */
#define VBE_DISPI_ID5	     0xb0c5
#define VBE_DISPI_ENABLED    BIT(0)
#define VBE_DISPI_LFB	     BIT(6)
#define VBE_DISPI_KEEP	     BIT(7) /* do not clear memory when a mode is set */
#define VBE_DISPI_INDEX_PORT 0x1ce
#define VBE_DISPI_DATA_PORT  0x1cf

/* The page of registers in BAR2. */
#define VBE_MMIO_VGA	   0x400 /* ports 3c0h to 3dfh */
#define VBE_MMIO_DISPI	   0x500
#define VBE_MMIO_EXT	   0x600 /* size of this block, byte order */
#define VBE_EXT_SIZE	   8
#define VBE_EXT_BYTE_ORDER 4
#define VBE_LITTLE_ENDIAN  0x1e1e1e1e
#define VBE_EDID_SIZE	   128
#define VBE_SLICE_MIN	   MIB(1)
/*
 * How a guest's slice is mapped. Uncached, but the guest's PAT counts: with an uncached type
 * below it that may still choose write-combining, as drivers do for video memory
 * (SDM 3C 29.3.7.2 and 3A table 12-7; APM 2, 15.25.8), and nothing it chooses makes it
 * cached. Nobody runs code there.
 */
#define VBE_SPAN_ATTR	     ((struct ptab_attr){ .read = true, .write = true, .type = PTAB_UC })
#define VBE_COPY_STEP	     KIB(64) /* bytes of video memory that one step clears or copies */
#define VBE_VENDOR	     0x1234
#define VBE_DEVICE	     0x1111
#define VBE_VENDOR_SUBSYSTEM 0x1af4
#define VBE_DEVICE_SUBSYSTEM 0x1100

/* A picture in video memory. It lies inside [offset, offset + stride * height). */
struct vbe_mode {
	u32 width, height; /* pixels */
	u32 virt_width;	   /* pixels from one line to the next */
	u32 bytes;	   /* of a pixel: 2 or 4 */
	u64 offset;	   /* bytes */
};

/* ---- dispi.c: a guest's registers; pure ---- */

struct vbe_registers {
	u16 value[VBE_DISPI_COUNT];
	u64 size; /* bytes of video memory that they describe, a multiple of 64 KiB */
};

void vbe_registers_init(struct vbe_registers *registers, u64 size);

/* `access->offset` counts from the first register; the page's rules for sizes hold. */
enum access_result vbe_registers_access(struct vbe_registers *registers, struct access *access);

/*
 * The mode that the registers ask for; `offset` from the start of the memory
 * they describe. False: switched off, or no mode, or it does not lie in that memory.
 */
bool vbe_registers_mode(const struct vbe_registers *registers, struct vbe_mode *mode);

/* The EDID of a monitor whose preferred mode fits twice into `size` bytes; pure. */
void vbe_edid(u8 edid[VBE_EDID_SIZE], u64 size);

/* ---- slices.c: who gets which part; pure ---- */

struct vbe_slice {
	u64 base, size; /* bytes; base is a multiple of size, a power of two */
};

/*
 * The slice of guest number `guest` in `config->guests`, and where the lowest
 * slice of GPU number `gpu` begins. ERR_NO_MEMORY: less than VBE_SLICE_MIN is left for it.
 */
must_check enum err vbe_slice_of(const struct config *config, u32 gpu, u32 guest, u64 memory,
				 struct vbe_slice *slice);
/* A mode for a guest that has set none: any slice has room for it, anywhere it is reached. */
void vbe_neutral_mode(struct vbe_mode *mode, const struct vbe_slice *slice);

u64 vbe_slices_begin(const struct config *config, u32 gpu, u64 memory);

/* ---- phys.c: the device ---- */

enum vbe_path {
	VBE_PATH_NONE,	 /* the device cannot show it */
	VBE_PATH_OFFSET, /* scan-out starts in the slice */
	VBE_PATH_COPY,	 /* a copy at the start of memory is shown */
};

struct vbe_gpu {
	struct gpu *gpu;
	u8 *registers; /* BAR2; NULL: by ports */
	u8 *memory;    /* BAR0, write-combining */
	u64 base;      /* of BAR0, host-physical */
	u64 size;      /* bytes of video memory */
	u64 room;      /* bytes at the start of memory that no slice takes */
	bool changed;  /* atomic: look again at what is to be shown */
	bool copy_due; /* atomic: the timer has fired */

	/* The owner CPU's. */
	struct vbe_mode set;	/* on the device; width 0: nothing yet */
	enum vbe_path path;	/* of what is shown */
	struct vbe_mode source; /* of the copy */
	u64 copied;		/* bytes of it that are done; 0: none under way */
	struct timer timer;
};

bool vbe_matches(const struct pci_function *function);
must_check enum err vbe_attach(struct gpu *gpu);

/* Set the mode and check it by reading back. False: the device cannot. */
bool vbe_set_mode(struct vbe_gpu *hw, const struct vbe_mode *mode);

/* Fill [offset, offset + size) of video memory with zeros; multiples of 64. */
void vbe_clear(struct vbe_gpu *hw, u64 offset, u64 size);

/* Copy `size` bytes inside video memory; multiples of 2. */
void vbe_copy(struct vbe_gpu *hw, u64 to, u64 from, u64 size);

/* ---- vfunc.c, family.c, scanout.c: vGPUs ---- */

struct vbe_vgpu {
	struct vgpu *vgpu;
	struct vbe_slice slice;
	struct vbe_registers registers;
	struct vbe_mode mode; /* the last good one, `offset` from the start of memory */
	u64 clearing;	      /* the slice is zero up to here; its size: done */
	u64 writes, resets;
	u8 edid[VBE_EDID_SIZE];
	struct vpci_function function;
};

static inline struct vbe_vgpu *vbe_of(const struct vgpu *vgpu)
{
	return vgpu->family;
}

void vbe_function_init(struct vbe_vgpu *v);

/* Have the owner CPU look at what is to be shown. Any CPU, any lock. */
void vbe_changed(struct vbe_gpu *hw);

/* On the owner CPU; true: there is more to do. */
bool vbe_service(struct gpu *gpu);

#endif
