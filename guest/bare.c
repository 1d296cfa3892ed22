// SPDX-License-Identifier: Apache-2.0
/* Loads a flat 64-bit image with page tables of 4 KiB pages. */
#include "guest/bare.h"

#include "core/lib/string.h"
#include "core/log.h"
#include "guest/layout.h"
#include "guest/longmode.h"

#define ENTRY_RIGHTS  3ULL /* present, writable */
#define TABLES	      0x20000ULL
#define STACK_TOP     0x8000ULL
#define MAPPED_LOW    MIB(8)
#define MAPPED_DEVICE MIB(2) /* of each device area */

enum err bare_plan(const struct vm *vm, const struct boot_file *image, struct linux_plan *plan)
{
	*plan = (struct linux_plan){
		.kernel = image->data,
		.kernel_size = image->size,
		.kernel_gpa = LAYOUT_HIGH,
		.kernel_file = image,
	};
	if (image->size <= MIN(vm->memory.size, GMEM_HOLE_START) - LAYOUT_HIGH)
		return OK;
	log_error("guest %s: %s does not fit in %lu MiB of memory", vm->name, image->name,
		  vm->memory.size >> 20);
	return ERR_NO_MEMORY;
}

/* Page tables being built in guest memory, one page after the other. */
struct builder {
	struct vm *vm;
	u64 root, next;
};

static enum err read_entry(const struct builder *b, u64 table, u64 index, u64 *entry)
{
	return gmem_read(&b->vm->memory, GPA(table + index * 8), entry, sizeof(*entry));
}

static enum err write_entry(const struct builder *b, u64 table, u64 index, u64 entry)
{
	return gmem_write(&b->vm->memory, GPA(table + index * 8), &entry, sizeof(entry));
}

static enum err map_page(struct builder *b, u64 address)
{
	u64 table = b->root;
	enum err e = OK;

	for (u32 shift = 39; shift > PAGE_SHIFT && !e; shift -= 9) {
		u64 entry = 0;

		e = read_entry(b, table, address >> shift & 511, &entry);
		if (!e && !entry) {
			entry = b->next + ENTRY_RIGHTS;
			b->next += PAGE_SIZE;
			e = write_entry(b, table, address >> shift & 511, entry);
		}
		table = ALIGN_DOWN(entry, PAGE_SIZE);
	}
	return e ? e : write_entry(b, table, address >> PAGE_SHIFT & 511, address + ENTRY_RIGHTS);
}

static enum err map_range(struct builder *b, u64 start, u64 size)
{
	enum err e = OK;

	for (u64 at = start; at < start + size && !e; at += PAGE_SIZE)
		e = map_page(b, at);
	return e;
}

enum err bare_finish(struct vm *vm, const struct linux_plan *plan)
{
	static const u64 devices[] = { LAYOUT_BAR32, LAYOUT_BAR64, LAYOUT_ECAM };
	struct builder b = { vm, TABLES, TABLES + PAGE_SIZE };
	struct bare_info info = { vm->memory.size, vm->vcpu_count, LAYOUT_RSDP, { 0 } };
	enum err e;

	(void)str_copy(info.cmdline, sizeof(info.cmdline), vm->config->cmdline);
	e = map_range(&b, 0, MAPPED_LOW);
	for (u32 i = 0; i < ARRAY_SIZE(devices) && !e; i++)
		e = map_range(&b, devices[i], MAPPED_DEVICE);
	if (!e)
		e = gmem_write(&vm->memory, GPA(LAYOUT_ZERO_PAGE), &info, sizeof(info));
	return e ? e : longmode_enter(vm, b.root, plan->kernel_gpa, LAYOUT_ZERO_PAGE, STACK_TOP);
}
