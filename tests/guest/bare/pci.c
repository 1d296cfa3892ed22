/* SPDX-License-Identifier: Apache-2.0 */
/* The bare guest's way to its PCI functions: ports CF8 and CFC, one processor at a time. */
#include "tests/guest/bare/bare.h"

#define BAR_WINDOW 0xe0000000u

u32 pci_read(u32 function, u32 offset)
{
	outl(0xcf8, 0x80000000u | function | (offset & 0xfc));
	return inl(0xcfc);
}

void pci_write(u32 function, u32 offset, u32 value)
{
	outl(0xcf8, 0x80000000u | function | (offset & 0xfc));
	outl(0xcfc, value);
}

/* A bridge that nobody has set up gets the next bus and the whole window. */
static u32 open_bridge(u32 bridge, u32 *last_bus)
{
	u32 buses = pci_read(bridge, 0x18);

	if (!((buses >> 8) & 0xff)) {
		++*last_bus;
		pci_write(bridge, 0x18, *last_bus << 16 | *last_bus << 8 | (bridge >> 16));
		pci_write(bridge, 0x20, 0xe0f0e000u);
		pci_write(bridge, 0x04, 0x6);
		return *last_bus;
	}
	return (buses >> 8) & 0xff;
}

static u32 find(u32 id, u32 bus, u32 *last_bus, u32 depth)
{
	for (u32 device = 0; device < 32; device++) {
		for (u32 number = 0; number < 8; number++) {
			u32 function = bus << 16 | device << 11 | number << 8;
			u32 here = pci_read(function, 0), kind, found;

			if (here == 0xffffffffu) {
				if (number == 0)
					break;
				continue;
			}
			if (here == id)
				return function;
			kind = pci_read(function, 0x0c) >> 16;
			if ((kind & 0x7f) == 1 && depth < 4) {
				found = find(id, open_bridge(function, last_bus), last_bus,
					     depth + 1);
				if (found)
					return found;
			}
			if (number == 0 && !(kind & 0x80))
				break;
		}
	}
	return 0;
}

u32 pci_find(u32 id)
{
	u32 last_bus = 0;

	return find(id, 0, &last_bus, 0);
}

u64 pci_bar(u32 function, u32 bar)
{
	static u32 next = BAR_WINDOW;
	u32 at = 0x10 + 4 * bar, low = pci_read(function, at);
	u64 address = low & ~0xfull;

	if ((low & 6) == 4)
		address |= (u64)pci_read(function, at + 4) << 32;
	if (address)
		return address;
	address = next;
	next += 0x100000;
	pci_write(function, at, (u32)address);
	if ((low & 6) == 4)
		pci_write(function, at + 4, 0);
	return address;
}

u32 pci_bar_size(u32 function, u32 bar)
{
	u32 at = 0x10 + 4 * bar, low = pci_read(function, at), mask;

	pci_write(function, at, 0xffffffffu);
	mask = pci_read(function, at) & ~0xfu;
	pci_write(function, at, low);
	return ~mask + 1;
}
