// SPDX-License-Identifier: Apache-2.0
/* Loads a Linux bzImage by the 64-bit boot protocol (Documentation/arch/x86/boot.rst). */
#include "guest/linux.h"

#include "core/lib/string.h"
#include "core/log.h"
#include "guest/layout.h"
#include "guest/longmode.h"

/* Offsets in the setup header and the zero page, which share them. */
#define HDR_START	   0x1f1
#define HDR_SETUP_SECTS	   0x1f1
#define HDR_BOOT_FLAG	   0x1fe
#define HDR_JUMP_LENGTH	   0x201
#define HDR_MAGIC	   0x202
#define HDR_VERSION	   0x206
#define HDR_TYPE_OF_LOADER 0x210
#define HDR_RAMDISK_IMAGE  0x218
#define HDR_RAMDISK_SIZE   0x21c
#define HDR_CMD_LINE_PTR   0x228
#define HDR_INITRD_MAX	   0x22c
#define HDR_XLOADFLAGS	   0x236
#define HDR_CMDLINE_SIZE   0x238
#define HDR_PREF_ADDRESS   0x258
#define HDR_INIT_SIZE	   0x260
#define HDR_END		   0x268
#define ZP_RSDP		   0x070
#define ZP_E820_COUNT	   0x1e8
#define ZP_E820		   0x2d0
#define ENTRY_64	   0x200 /* behind the start of the protected-mode part */

#define BOOT_FLAG	 0xaa55
#define MAGIC_HDRS	 0x53726448u
#define VERSION_MIN	 0x020c
#define XLOADFLAG_64	 1
#define LOADER_UNDEFINED 0xff
#define SECTOR		 512
#define E820_RAM	 1
#define E820_RESERVED	 2

struct e820 {
	u64 base, size;
	u32 type;
} packed_struct;

/* A field of `size` bytes, little-endian. */
static u64 get(const u8 *p, size_t size)
{
	u64 value = 0;

	memcpy(&value, p, size);
	return value;
}

static void put(u8 *p, u64 value, size_t size)
{
	memcpy(p, &value, size);
}

static enum err refuse(const struct vm *vm, const struct boot_file *file, const char *what)
{
	log_error("guest %s: %s: %s", vm->name, file->name, what);
	return ERR_INVALID;
}

static enum err check_header(const struct vm *vm, const struct boot_file *file)
{
	const u8 *image = file->data;

	if (file->size < 1024 || get(image + HDR_BOOT_FLAG, 2) != BOOT_FLAG ||
	    get(image + HDR_MAGIC, 4) != MAGIC_HDRS)
		return refuse(vm, file, "not a Linux bzImage");
	if (get(image + HDR_VERSION, 2) < VERSION_MIN)
		return refuse(vm, file, "boot protocol older than 2.12");
	if (!(get(image + HDR_XLOADFLAGS, 2) & XLOADFLAG_64))
		return refuse(vm, file, "has no 64-bit entry point");
	return OK;
}

/* RAM that a loader may use lies below the hole. */
static u64 low_ram(const struct vm *vm)
{
	return MIN(vm->memory.size, GMEM_HOLE_START);
}

static enum err place_initrd(const struct vm *vm, const struct boot_file *initrd, u64 kernel_end,
			     u64 limit, struct linux_plan *plan)
{
	u64 top = MIN(low_ram(vm), limit);

	plan->initrd_size = initrd->size;
	if (initrd->size > top || ALIGN_DOWN(top - initrd->size, PAGE_SIZE) < kernel_end) {
		log_error("guest %s: %s (%lu KiB) and the kernel do not fit in %lu MiB of memory",
			  vm->name, initrd->name, initrd->size >> 10, vm->memory.size >> 20);
		return ERR_NO_MEMORY;
	}
	plan->initrd_gpa = ALIGN_DOWN(top - initrd->size, PAGE_SIZE);
	return OK;
}

enum err linux_plan(const struct vm *vm, const struct boot_file *kernel,
		    const struct boot_file *initrd, struct linux_plan *plan)
{
	const u8 *image = kernel->data;
	u64 setup, init_size;
	enum err e = check_header(vm, kernel);

	if (e)
		return e;
	*plan = (struct linux_plan){ .kernel_file = kernel };
	/* 0 means 4, for ancient images. */
	setup = ((image[HDR_SETUP_SECTS] ? image[HDR_SETUP_SECTS] : 4) + 1ULL) * SECTOR;
	if (setup + ENTRY_64 >= kernel->size)
		return refuse(vm, kernel, "cut short: no protected-mode part");
	plan->kernel = image + setup;
	plan->kernel_size = kernel->size - setup;
	plan->kernel_gpa = get(image + HDR_PREF_ADDRESS, 8);
	init_size = MAX(get(image + HDR_INIT_SIZE, 4), plan->kernel_size);
	if (plan->kernel_gpa < LAYOUT_HIGH || !IS_ALIGNED(plan->kernel_gpa, PAGE_SIZE))
		return refuse(vm, kernel, "wants an address that is not in memory");
	if (plan->kernel_gpa > low_ram(vm) || init_size > low_ram(vm) - plan->kernel_gpa) {
		log_error("guest %s: %s needs %lu MiB of memory, the guest has %lu", vm->name,
			  kernel->name, ((plan->kernel_gpa + init_size) >> 20) + 1,
			  vm->memory.size >> 20);
		return ERR_NO_MEMORY;
	}
	if (strlen(vm->config->cmdline) > get(image + HDR_CMDLINE_SIZE, 4))
		return refuse(vm, kernel, "takes no command line as long as this guest's");
	if (!initrd)
		return OK;
	return place_initrd(vm, initrd, plan->kernel_gpa + init_size,
			    get(image + HDR_INITRD_MAX, 4) + 1, plan);
}

/* Memory map of the zero page; returns the number of entries. */
static u8 fill_e820(const struct vm *vm, u8 *zero_page)
{
	const struct e820 entries[] = {
		{ 0, LAYOUT_LOW_END, E820_RAM },
		{ LAYOUT_LOW_END, LAYOUT_HIGH - LAYOUT_LOW_END, E820_RESERVED },
		{ LAYOUT_HIGH, low_ram(vm) - LAYOUT_HIGH, E820_RAM },
		{ LAYOUT_ECAM, LAYOUT_ECAM_SIZE, E820_RESERVED },
		{ GMEM_HOLE_END, vm->memory.size - low_ram(vm), E820_RAM },
	};
	u8 count = ARRAY_SIZE(entries) - (vm->memory.size == low_ram(vm));

	memcpy(zero_page + ZP_E820, entries, count * sizeof(entries[0]));
	return count;
}

enum err linux_finish(struct vm *vm, const struct linux_plan *plan)
{
	const u8 *image = plan->kernel_file->data;
	u8 page[PAGE_SIZE] = { 0 };
	u64 header_end = MIN(0x202ULL + image[HDR_JUMP_LENGTH], HDR_END);
	enum err e;

	memcpy(page + HDR_START, image + HDR_START, header_end - HDR_START);
	page[HDR_TYPE_OF_LOADER] = LOADER_UNDEFINED;
	put(page + HDR_RAMDISK_IMAGE, plan->initrd_gpa, 4);
	put(page + HDR_RAMDISK_SIZE, plan->initrd_size, 4);
	put(page + HDR_CMD_LINE_PTR, LAYOUT_CMDLINE, 4);
	put(page + ZP_RSDP, LAYOUT_RSDP, 8);
	page[ZP_E820_COUNT] = fill_e820(vm, page);
	e = gmem_write(&vm->memory, GPA(LAYOUT_ZERO_PAGE), page, sizeof(page));
	if (!e)
		e = gmem_write(&vm->memory, GPA(LAYOUT_CMDLINE), vm->config->cmdline,
			       strlen(vm->config->cmdline) + 1);
	return e ? e : longmode_enter(vm, plan->kernel_gpa + ENTRY_64);
}
