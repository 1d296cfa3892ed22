// SPDX-License-Identifier: Apache-2.0
/*
 * BARs of an assigned function: pages that are its alone go straight to the guest; on those
 * that hold its MSI-X table, or registers of another function too, each access comes here.
 *
 *   |  direct  | trapped: table + neighbours | direct | trapped: PBA | direct |
 */
#include "arch/x86/io.h"
#include "guest/assigned_parts.h"
#include "guest/pci.h"

#define CLASS_DISPLAY 0x03
#define VIDEO_MIN     MIB(1)

/* As for video memory: the guest's PAT may choose write-combining, and nothing makes it cached. */
static const struct ptab_attr attr = { .read = true, .write = true, .type = PTAB_UC };

struct range {
	u64 first, end; /* in the BAR */
};

static struct range table_of(const struct assigned *a)
{
	u64 first = a->device->msix_offset;

	return (struct range){ first, first + a->device->msix_vectors * PCI_MSIX_ENTRY_BYTES };
}

/* One bit for each entry, in quadwords. */
static struct range pending_of(const struct assigned *a)
{
	return (struct range){ a->msix_pba,
			       a->msix_pba + (a->device->msix_vectors + 63u) / 64 * 8 };
}

static bool touches(struct range range, u64 at, u64 size)
{
	return at < range.end && at + size > range.first;
}

/* ---- access ---- */

/* Of the physical table's range our own answers as far as it goes, the rest is 0. */
static enum access_result access_msix(struct assigned *a, u64 at, u64 limit, struct access *access)
{
	struct guest_pci_slot *slot = a->function.slot;
	struct access part = *access;
	enum access_result result = ACCESS_HANDLED;

	part.offset = at;
	part.value = access->write ? access->value : 0;
	if (at + access->size <= limit)
		result = msix_page(NULL, &slot->msix, &part);
	access->value = part.value;
	return result;
}

static enum access_result trapped(struct vcpu *vcpu, void *ctx, struct access *access)
{
	const struct assigned_trap *trap = ctx;
	struct assigned *a = trap->owner;
	u64 at = trap->offset + access->offset;
	struct range table = table_of(a), pending = pending_of(a);

	(void)vcpu;
	if (at % access->size)
		return ACCESS_NOT_MINE;
	if (a->device->msix && trap->bar == a->device->msix_bar && touches(table, at, access->size))
		return access_msix(a, at - table.first,
				   a->function.msix_count * PCI_MSIX_ENTRY_BYTES, access);
	if (a->device->msix && trap->bar == a->msix_pba_bar && touches(pending, at, access->size))
		return access_msix(a, MSIX_PENDING + at - pending.first,
				   MSIX_PENDING + PCI_MSIX_PBA, access);
	if (access->offset + access->size > trap->size)
		return ACCESS_NOT_MINE;
	if (access->write)
		mmio_write(trap->registers + access->offset, access->size, access->value);
	else
		access->value = mmio_read(trap->registers + access->offset, access->size);
	return ACCESS_HANDLED;
}

/* ---- description ---- */

static struct vpci_span *new_span(struct vpci_bar *bar, struct range range)
{
	struct vpci_span *span = &bar->spans[bar->span_count++];

	*span = (struct vpci_span){ .offset = range.first, .size = range.end - range.first };
	return span;
}

static void add_direct(struct assigned *a, u32 index, struct range range)
{
	struct vpci_span *span;

	if (range.first == range.end)
		return;
	span = new_span(&a->function.bars[index], range);
	span->kind = VPCI_SPAN_DIRECT;
	span->hpa = HPA(a->device->bars[index].base + range.first);
	span->attr = attr;
}

/* `size` bytes of the pages are the function's. */
static enum err add_trapped(struct assigned *a, u32 index, struct range range, u64 size)
{
	struct assigned_trap *trap = &a->traps[a->trap_count];
	struct vpci_span *span;

	if (a->trap_count == ASSIGNED_TRAPS)
		return ERR_FULL;
	*trap = (struct assigned_trap){ a, index, range.first, size, NULL };
	trap->registers = a->pci->map(HPA(a->device->bars[index].base + range.first), size);
	if (!trap->registers)
		return ERR_NO_MEMORY;
	a->trap_count++;
	span = new_span(&a->function.bars[index], range);
	span->handler = trapped;
	span->ctx = trap;
	if (index == a->device->msix_bar && range.first <= a->device->msix_offset &&
	    a->device->msix_offset < range.end)
		a->table.table = trap->registers + (a->device->msix_offset - range.first);
	return OK;
}

/* The pages of BAR `index` with table and PBA, in order; returns how many ranges they are. */
static u32 msix_ranges(const struct assigned *a, u32 index, struct range ranges[2])
{
	struct range parts[2] = { table_of(a), pending_of(a) };
	u32 bars[2] = { a->device->msix_bar, a->msix_pba_bar };
	u32 first = parts[1].first < parts[0].first; /* if they are in one BAR */
	u32 count = 0;

	for (u32 i = 0; i < 2 && a->device->msix; i++) {
		const struct range *part = &parts[i ^ first];

		if (bars[i ^ first] == index)
			ranges[count++] = (struct range){ ALIGN_DOWN(part->first, PAGE_SIZE),
							  ALIGN_UP(part->end, PAGE_SIZE) };
	}
	if (count == 2 && ranges[1].first <= ranges[0].end) {
		ranges[0].end = MAX(ranges[0].end, ranges[1].end);
		count = 1;
	}
	return count;
}

static enum err add_bar(struct assigned *a, u32 index)
{
	const struct pci_bar *bar = &a->device->bars[index];
	u64 size = MAX(bar->size, PAGE_SIZE), at = 0;
	struct range ranges[2] = { 0 };
	u32 count = msix_ranges(a, index, ranges);
	enum err e = OK;

	if (!bar->base)
		return ERR_INVALID;
	a->function.bars[index] = (struct vpci_bar){
		.size = size,
		.is_64bit = bar->kind == PCI_BAR_MEM64,
		.prefetchable = bar->prefetchable,
	};
	if (bar->size < PAGE_SIZE)
		return add_trapped(a, index, (struct range){ 0, PAGE_SIZE }, bar->size);
	for (u32 i = 0; i < count && !e; i++) {
		add_direct(a, index, (struct range){ at, ranges[i].first });
		e = add_trapped(a, index, ranges[i], ranges[i].end - ranges[i].first);
		at = ranges[i].end;
	}
	add_direct(a, index, (struct range){ at, size });
	/* Small ones are registers, further ones may be doorbells. */
	if (bar->prefetchable && size >= VIDEO_MIN && !a->video &&
	    a->device->class_code >> 16 == CLASS_DISPLAY) {
		a->video = a->pci->map(HPA(bar->base), size);
		a->video_bar = index;
		if (!a->video)
			return ERR_NO_MEMORY;
	}
	return e;
}

void assigned_clear_video(const struct assigned *a)
{
	u64 size = a->video ? a->device->bars[a->video_bar].size : 0;

	if (size)
		pci_enable(a->pci, a->device, PCI_COMMAND_MEMORY);
	for (u64 at = 0; at < size; at += 8) {
		mmio_write64(a->video + at, 0);
		if (!(at % MIB(1)) && a->pci->relax)
			a->pci->relax();
	}
}

static bool inside(const struct assigned *a, u32 index, struct range range)
{
	const struct pci_bar *bar = &a->device->bars[index < PCI_MAX_BARS ? index : 0];

	return index < PCI_MAX_BARS && range.end <= bar->size &&
	       (bar->kind == PCI_BAR_MEM32 || bar->kind == PCI_BAR_MEM64);
}

enum err assigned_make_bars(struct assigned *a)
{
	enum err e = OK;

	if (a->device->msix) {
		u32 pba = pci_read(a->pci, a->device->bdf, a->device->msix + PCI_MSIX_PBA, 4);

		a->msix_pba_bar = pba & PCI_MSIX_BAR;
		a->msix_pba = pba & ~PCI_MSIX_BAR;
		if (!inside(a, a->device->msix_bar, table_of(a)) ||
		    !inside(a, a->msix_pba_bar, pending_of(a)))
			return ERR_INVALID;
	}
	a->trap_count = 0;
	for (u32 i = 0; i < PCI_MAX_BARS && !e; i++)
		if (a->device->bars[i].kind == PCI_BAR_MEM32 ||
		    a->device->bars[i].kind == PCI_BAR_MEM64)
			e = add_bar(a, i);
	a->table.vectors = a->device->msix_vectors;
	return e;
}
