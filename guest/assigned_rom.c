// SPDX-License-Identifier: Apache-2.0
/*
 * The option ROM of an assigned function. Firmware leaves it without an address, and a function
 * may have one decoder for it and the BARs: so it is read once, in the place of a BAR, and the
 * guest sees the copy.
 */
#include "arch/x86/io.h"
#include "core/frame.h"
#include "core/lib/string.h"
#include "guest/assigned_parts.h"
#include "guest/layout.h"

#define ROM_ENABLE  BIT(0)
#define ROM_ADDRESS 0xfffff800u /* PCI 3.0, 6.2.5.2 */
#define ROM_MAX	    MIB(1)
#define CLASS_VGA   0x0300u

static u32 size_of(const struct assigned *a)
{
	u32 mask;

	pci_write(a->pci, a->device->bdf, PCI_ROM, 4, ROM_ADDRESS);
	mask = pci_read(a->pci, a->device->bdf, PCI_ROM, 4) & ROM_ADDRESS;
	return mask & (~mask + 1);
}

/* A BAR that has room for it, where its 32 bits reach; or PCI_MAX_BARS. */
static u32 place_for(const struct assigned *a, u32 size)
{
	const struct pci_bar *bars = a->device->bars;
	u32 i = 0;

	while (i < PCI_MAX_BARS && (bars[i].kind < PCI_BAR_MEM32 || bars[i].size < size ||
				    !bars[i].base || bars[i].base >= GIB(4)))
		i++;
	return i;
}

/* Meanwhile the BAR is at 0: there RAM answers, and nothing reaches the bus. */
static void read_rom(const struct assigned *a, u32 bar, const u8 *from, u32 size)
{
	u32 at = PCI_BAR0 + 4 * bar, base = (u32)a->device->bars[bar].base;
	u16 bdf = a->device->bdf;

	pci_disable(a->pci, a->device, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	pci_write(a->pci, bdf, at, 4, 0);
	pci_write(a->pci, bdf, PCI_ROM, 4, base | ROM_ENABLE);
	pci_enable(a->pci, a->device, PCI_COMMAND_MEMORY);
	for (u32 i = 0; i < size / 4; i++)
		a->rom[i] = mmio_read32(from + 4UL * i);
	pci_disable(a->pci, a->device, PCI_COMMAND_MEMORY);
	pci_write(a->pci, bdf, PCI_ROM, 4, 0);
	pci_write(a->pci, bdf, at, 4, base);
}

void assigned_make_rom(struct assigned *a)
{
	u32 size = size_of(a), bar = place_for(a, size);
	const u8 *from;
	hpa_t copy;

	if (!size || size > ROM_MAX || bar == PCI_MAX_BARS)
		return;
	from = a->pci->map(HPA(a->device->bars[bar].base), size);
	copy = from ? frame_alloc_contiguous((u32)((size + PAGE_MASK) >> PAGE_SHIFT)) : HPA(0);
	if (!copy.raw)
		return;
	a->rom = frame_ptr(copy);
	read_rom(a, bar, from, size);
	a->function.bars[VPCI_ROM] = (struct vpci_bar){
		.size = MAX(size, PAGE_SIZE),
		.span_count = 1,
		.spans = { { .kind = VPCI_SPAN_DIRECT,
			     .size = MAX(size, PAGE_SIZE),
			     .hpa = copy,
			     .attr = { .read = true, .type = PTAB_WB } } },
	};
}

void assigned_shadow_rom(const struct assigned *a)
{
	u64 size = MIN(a->function.bars[VPCI_ROM].size, LAYOUT_RSDP - LAYOUT_VIDEO_ROM);

	if (size && a->device->class_code >> 8 == CLASS_VGA)
		(void)!gmem_write(&a->vm->memory, GPA(LAYOUT_VIDEO_ROM), a->rom, size);
}
