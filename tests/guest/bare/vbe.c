/* SPDX-License-Identifier: Apache-2.0 */
/* The bare guest's virtual display: finds it, switches its decoding, moves its memory. */
#include "tests/guest/bare/bare.h"

#define COMMAND	     0x04
#define MEMORY_SPACE 0x2u
#define BAR0	     0x10
#define BAR_64BIT    0x4u
/* Where docs/guest-machine.md has 32-bit BARs. */
#define WINDOW	   0xc0000000ull
#define WINDOW_END 0xd0000000ull

struct vbe vbe;

void vbe_decode(bool on)
{
	u32 command = pci_read(vbe.function, COMMAND) & 0xffff & ~MEMORY_SPACE;

	vbe.changes++;
	pci_write(vbe.function, COMMAND, command | (on ? MEMORY_SPACE : 0));
}

void vbe_move(u64 memory)
{
	vbe.changes++;
	pci_write(vbe.function, BAR0, (u32)memory);
}

/* The second BAR is left where it is; BAR0 may be beside it, not over it. */
static void find_places(void)
{
	for (u64 at = WINDOW; at + vbe.size <= WINDOW_END; at += vbe.size)
		if ((vbe.registers < at || vbe.registers >= at + vbe.size) &&
		    vbe.place_count < VBE_PLACES)
			vbe.place[vbe.place_count++] = at;
}

bool vbe_init(void)
{
	vbe.function = pci_find(VBE_ID);
	if (!vbe.function) {
		say("no display");
		return false;
	}
	vbe.registers = pci_bar(vbe.function, 2);
	vbe_decode(false);
	vbe.size = pci_bar_size(vbe.function, 0);
	if (pci_read(vbe.function, BAR0) & BAR_64BIT)
		pci_write(vbe.function, BAR0 + 4, 0);
	find_places();
	if (vbe.place_count < 2) {
		say("no room to move a BAR of %lu bytes", vbe.size);
		return false;
	}
	vbe.memory = vbe.place[0];
	vbe_move(vbe.memory);
	vbe_decode(true);
	map_device(vbe.registers, 4096);
	say("display: %lu KiB of video memory, %u places", vbe.size >> 10, vbe.place_count);
	return true;
}
