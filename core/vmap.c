// SPDX-License-Identifier: Apache-2.0
/*
 * The hypervisor's own address space.
 *
 *   ffff8000_00000000  pool: the hypervisor's frames             RW
 *   ffffa000_00000000  stacks, an unmapped page below each       RW
 *   ffffb000_00000000  windows: VMAP_WINDOWS pages for each CPU  RW
 *   ffffc000_00000000  device registers and firmware's memory    RW uncached, RO
 *   ffffffff_80000000  image: text RX, rodata RO, data RW
 *
 * Everything else is unmapped: address 0 and all guest memory.
 */
#include "core/vmap.h"

#include "arch/x86/cpu.h"
#include "core/cpu.h"
#include "core/frame.h"
#include "core/frame_init.h"
#include "core/lib/string.h"
#include "core/log.h"
#include "core/percpu.h"
#include "core/ptab.h"
#include "core/vmap_init.h"
#include "core/window.h"

#define STACKS_VA   0xffffa00000000000ULL
#define WINDOWS_VA  0xffffb00000000000ULL
#define DEVICES_VA  0xffffc00000000000ULL
#define DEVICES_END 0xffffc80000000000ULL

#define MAIN_STACK_PAGES 8
#define IST_STACK_PAGES	 2
#define STACK_STRIDE	 (PAGE_SIZE * 32) /* of one CPU, guards among them */

extern const u8 image_start[], image_text_end[], image_rodata_end[], image_data_end[], image_end[];

/* Written by the boot CPU before the others start; windows by their own CPU. */
static struct ptab tables;
static u64 next_device_va = DEVICES_VA;
static u64 *window_entries; /* CPU_MAX * VMAP_WINDOWS leaf entries */

static const struct ptab_attr attr_text = { .read = true, .exec = true };
static const struct ptab_attr attr_rodata = { .read = true };
static const struct ptab_attr attr_data = { .read = true, .write = true };
static const struct ptab_attr attr_device = { .read = true, .write = true, .type = PTAB_UC };
static const struct ptab_attr attr_combining = { .read = true, .write = true, .type = PTAB_WC };

static enum err map_image(const struct handover *record)
{
	const struct {
		const u8 *start, *end;
		struct ptab_attr attr;
	} parts[] = {
		{ image_start, image_text_end, attr_text },
		{ image_text_end, image_rodata_end, attr_rodata },
		{ image_rodata_end, image_data_end, attr_data },
		{ image_data_end, image_end, attr_rodata },
	};

	for (u32 i = 0; i < ARRAY_SIZE(parts); i++) {
		u64 size = (u64)(parts[i].end - parts[i].start);
		hpa_t hpa = HPA(record->image_base + (u64)(parts[i].start - image_start));
		enum err e = size ? ptab_map(&tables, (u64)parts[i].start, hpa, size, parts[i].attr)
				  : OK;

		if (e)
			return e;
	}
	return OK;
}

/*
 * Windows are switched by one store, so their leaf table must exist and its
 * address must be known: map one page to make it, find it, use it directly.
 */
static enum err make_windows(void)
{
	hpa_t leaf = tables.root;
	u64 *table;
	enum err e;

	_Static_assert(CPU_MAX * VMAP_WINDOWS <= PTAB_ENTRIES, "windows fit one table");
	e = ptab_map(&tables, WINDOWS_VA, HPA(frame_pool_base().raw), PAGE_SIZE, attr_data);
	if (e)
		return e;
	table = frame_ptr(leaf);
	for (u32 shift = 39; shift > PAGE_SHIFT; shift -= 9) {
		leaf = HPA(table[(WINDOWS_VA >> shift) & (PTAB_ENTRIES - 1)] &
			   tables.format->address);
		table = frame_ptr(leaf);
	}
	window_entries = (u64 *)(VMAP_POOL + (leaf.raw - frame_pool_base().raw));
	if ((table[0] & ~tables.format->address) != WINDOW_LEAF)
		return ERR_UNSUPPORTED; /* window.h and the format disagree: a defect */
	table[0] = 0;
	return OK;
}

enum err vmap_init(const struct handover *record)
{
	enum err e = ptab_init(&tables, &ptab_format_host, &frame_tables, PTAB_2M);

	if (!e)
		e = map_image(record);
	if (!e)
		e = ptab_map(&tables, VMAP_POOL, frame_pool_base(), frame_pool_size(), attr_data);
	if (!e)
		e = make_windows();
	return e;
}

u64 vmap_root(void)
{
	return tables.root.raw;
}

/* A stack of `pages` whose lowest byte is at `va`; returns its top, 0 without memory. */
static u64 make_stack(u64 va, u32 pages)
{
	hpa_t frame = frame_alloc_contiguous(pages);

	if (!frame.raw || ptab_map(&tables, va, frame, pages * PAGE_SIZE, attr_data))
		return 0;
	return va + pages * PAGE_SIZE;
}

enum err vmap_init_cpu(u32 cpu)
{
	struct vmap_stacks *stacks = &percpu_of(cpu)->stacks;
	u64 va = STACKS_VA + cpu * STACK_STRIDE + PAGE_SIZE; /* the guard page comes first */

	percpu_of(cpu)->windows = window_entries + cpu * VMAP_WINDOWS;
	percpu_of(cpu)->windows_va = (u8 *)WINDOWS_VA + cpu * VMAP_WINDOWS * PAGE_SIZE;
	stacks->main_top = make_stack(va, MAIN_STACK_PAGES);
	if (!stacks->main_top)
		return ERR_NO_MEMORY;
	va += (MAIN_STACK_PAGES + 1) * PAGE_SIZE;
	for (u32 i = 0; i < ARRAY_SIZE(stacks->ist_tops); i++) {
		stacks->ist_tops[i] = make_stack(va, IST_STACK_PAGES);
		if (!stacks->ist_tops[i])
			return ERR_NO_MEMORY;
		va += (IST_STACK_PAGES + 1) * PAGE_SIZE;
	}
	return OK;
}

enum err vmap_map_trampoline(hpa_t page)
{
	return ptab_map(&tables, page.raw, page, PAGE_SIZE, attr_text);
}

void vmap_unmap_trampoline(hpa_t page)
{
	if (ptab_unmap(&tables, page.raw, PAGE_SIZE))
		panic("the start page of other processors cannot be unmapped");
	invlpg((const void *)page.raw);
	ptab_reap(&tables);
}

static void *map_fixed(hpa_t base, u64 size, struct ptab_attr attr)
{
	u64 first = ALIGN_DOWN(base.raw, PAGE_SIZE);
	u64 bytes = ALIGN_UP(base.raw + size, PAGE_SIZE) - first;
	u64 va = next_device_va;

	if (!size || bytes > DEVICES_END - va)
		return NULL;
	if (ptab_map(&tables, va, HPA(first), bytes, attr))
		return NULL;
	next_device_va += bytes + PAGE_SIZE;
	return (void *)(va + (base.raw - first));
}

void *vmap_mmio(hpa_t base, u64 size)
{
	return map_fixed(base, size, attr_device);
}

const void *vmap_readonly(hpa_t base, u64 size)
{
	return map_fixed(base, size, attr_rodata);
}

void *vmap_write_combining(hpa_t base, u64 size)
{
	return map_fixed(base, size, attr_combining);
}
