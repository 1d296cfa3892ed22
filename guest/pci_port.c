// SPDX-License-Identifier: Apache-2.0
/* Root ports of a guest: windows, and the slot with its events. */
#include "guest/pci_port.h"

#include "drivers/pci_regs.h"
#include "guest/msi.h"

#define DEVICE_ROOT_PORT 0x000c
#define CLASS_PCI_BRIDGE 0x060400u

#define WINDOW32	    0x20
#define WINDOW64	    0x24
#define WINDOW64_BASE_HIGH  0x28
#define WINDOW64_LIMIT_HIGH 0x2c
#define WINDOW_64BIT	    0x00010001 /* in both ends */
#define PCIE_CAP	    0x40
#define MSI_CAP		    0x80
#define PCIE_ROOT_PORT	    (2 | 4 << 4 | 1 << 8) /* version 2, root port, has a slot */
#define PCIE_ROLE_ERRORS    BIT(15)
#define PCIE_LINK_REPORTS   BIT(20) /* data link layer active reporting */
#define LINK_CONTROL	    (PCIE_CAP + 0x10)
#define LINK_STATUS	    (PCIE_CAP + PCIE_LINK_STATUS)
#define LINK_ACTIVE	    BIT(13)
#define SLOT_OFFERS	    (PCIE_CAP + 0x14)
#define SLOT_SURPRISE	    BIT(5)
#define SLOT_HOT_PLUG	    BIT(6)
#define SLOT_NO_COMPLETION  BIT(18) /* commands need no waiting */
#define SLOT_CONTROL	    (PCIE_CAP + 0x18)
#define SLOT_CONTROL_MASK   0x1038 /* presence, command and hot-plug interrupts, link changes */
#define SLOT_INTERRUPTS	    BIT(5)
#define SLOT_STATUS	    (PCIE_CAP + 0x1a)
#define PRESENCE_CHANGED    BIT(3) /* the same bit lets it interrupt */
#define PRESENT		    BIT(6)
#define LINK_CHANGED	    BIT(8)
#define LINK_INTERRUPTS	    BIT(12)

u32 guest_port_bus(const struct guest_pci_port *port)
{
	return port->function.config[PCI_SECONDARY_BUS];
}

/* ---- the slot ---- */

/* An interrupt when the reasons for it begin, not while they last (6.7.3.4). */
static void signal(struct guest_pci_port *port)
{
	u32 control = vpci_get(port->function.config + SLOT_CONTROL, 2);
	u32 reasons = (control & port->events & PRESENCE_CHANGED) |
		      (control & LINK_INTERRUPTS ? port->events & LINK_CHANGED : 0);
	bool due = control & SLOT_INTERRUPTS && reasons;

	if (due && !port->signalled)
		msi_raise(&port->function, MSI_CAP);
	port->signalled = due;
}

/* The registers show what is in the slot and what happened to it. */
static void show(struct guest_pci_port *port)
{
	bool present = port->slot.function;

	vpci_put(port->function.config + SLOT_STATUS, port->events | (present ? PRESENT : 0), 2);
	vpci_put(port->function.config + LINK_STATUS,
		 PCIE_LINK_X1_GEN1 | (present ? LINK_ACTIVE : 0), 2);
}

void guest_port_changed(struct guest_pci_port *port)
{
	port->events |= PRESENCE_CHANGED | LINK_CHANGED;
	show(port);
	signal(port);
}

void guest_port_reset(struct guest_pci_port *port)
{
	port->events = 0;
	port->signalled = false;
	show(port);
}

/* Ones that the guest wrote to the slot's status clear events. */
static void written(struct vpci_function *function, u32 offset, u32 size)
{
	struct guest_pci_port *port = container_of(function, struct guest_pci_port, function);
	u32 cleared = 0;

	for (u32 i = 0; i < 2; i++)
		if (offset <= SLOT_STATUS + i && SLOT_STATUS + i < offset + size)
			cleared |= (u32)function->config[SLOT_STATUS + i] << i * 8;
	port->events &= (u16)~cleared;
	show(port);
	signal(port);
}

/* ---- configuration space ---- */

void guest_port_room(const struct guest_pci_port *port, struct guest_pci_room *room)
{
	u64 index = port->slot_number - 1;

	room->next32 = GUEST_PORT_WINDOW32 + index * GUEST_PORT_WINDOW32_SIZE;
	room->end32 = room->next32 + GUEST_PORT_WINDOW32_SIZE;
	room->next64 = GUEST_PORT_WINDOW64 + index * GUEST_PORT_WINDOW64_SIZE;
	room->end64 = room->next64 + GUEST_PORT_WINDOW64_SIZE;
}

/* What all ports have alike (PCI-to-PCI bridge 1.2, 3.2.5), and which bits are the guest's. */
static const struct {
	u8 at, size;
	u32 value, writable;
} registers[] = {
	{ PCI_VENDOR_ID, 4, GUEST_PCI_VENDOR | DEVICE_ROOT_PORT << 16, 0 },
	{ PCI_COMMAND, 2, 0, 0x0547 }, /* all that guest/pci.c lets a function have */
	{ PCI_STATUS, 2, PCI_STATUS_CAPABILITIES, 0 },
	{ PCI_CLASS, 4, CLASS_PCI_BRIDGE << 8, 0 },
	{ PCI_HEADER_TYPE, 1, 1, 0 },
	{ PCI_PRIMARY_BUS, 4, 0, 0x00ffffff },
	{ WINDOW32, 4, 0, 0xfff0fff0 },
	{ WINDOW64, 4, 0, 0xfff0fff0 },
	{ WINDOW64_BASE_HIGH, 4, 0, ~0u },
	{ WINDOW64_LIMIT_HIGH, 4, 0, ~0u },
	{ PCI_CAPABILITIES, 1, PCIE_CAP, 0 },
	{ PCI_INTERRUPT_LINE, 1, 0, 0xff },
	{ PCI_BRIDGE_CONTROL, 2, 0, 0x0043 }, /* parity, SERR, bus reset */
	{ PCIE_CAP, 2, PCI_CAP_PCIE | MSI_CAP << 8, 0 },
	{ PCIE_CAP + PCIE_CAPABILITIES, 2, PCIE_ROOT_PORT, 0 },
	{ PCIE_CAP + PCIE_DEVICE_OFFERS, 4, PCIE_ROLE_ERRORS, 0 },
	{ PCIE_CAP + PCIE_DEVICE_CONTROL, 2, 0, 0x7fff },
	{ LINK_CONTROL, 2, 0, 0x00d0 }, /* disable, common clock, extended synch */
	{ LINK_STATUS, 2, PCIE_LINK_X1_GEN1, 0 },
	{ SLOT_CONTROL, 2, 0, SLOT_CONTROL_MASK },
	{ SLOT_STATUS, 2, 0, PRESENCE_CHANGED | LINK_CHANGED },
	{ PCIE_CAP + 0x1c, 2, 0, 0x000f }, /* root control */
	{ PCIE_CAP + 0x2c, 4, BIT(1), 0 }, /* link capabilities 2: 2.5 GT/s */
	{ PCIE_CAP + 0x30, 2, 1, 0 },
};

static u32 window(u64 first, u64 end)
{
	return (u32)(first >> 16 & 0xfff0) | (u32)((end - 1) & 0xfff00000);
}

/* Bus numbers and windows as firmware leaves them; the slot takes hot-plug by surprise. */
void guest_port_make(struct guest_pci_port *port, u32 number)
{
	struct vpci_function *f = &port->function;
	struct guest_pci_room room;

	for (u32 i = 0; i < ARRAY_SIZE(registers); i++) {
		vpci_put(f->config + registers[i].at, registers[i].value, registers[i].size);
		vpci_put(f->writable + registers[i].at, registers[i].writable, registers[i].size);
	}
	port->slot_number = number;
	guest_port_room(port, &room);
	vpci_put(f->config + PCI_SECONDARY_BUS, number | number << 8, 2);
	vpci_put(f->config + WINDOW32, window(room.next32, room.end32), 4);
	vpci_put(f->config + WINDOW64, window(room.next64, room.end64) | WINDOW_64BIT, 4);
	vpci_put(f->config + WINDOW64_BASE_HIGH, (u32)(room.next64 >> 32), 4);
	vpci_put(f->config + WINDOW64_LIMIT_HIGH, (u32)((room.end64 - 1) >> 32), 4);
	vpci_put(f->config + PCIE_CAP + PCIE_LINK_OFFERS,
		 PCIE_LINK_X1_GEN1 | PCIE_LINK_REPORTS | number << 24, 4);
	vpci_put(f->config + SLOT_OFFERS,
		 SLOT_SURPRISE | SLOT_HOT_PLUG | SLOT_NO_COMPLETION | number << 19, 4);
	msi_make(f, MSI_CAP, true);
	f->config_written = written;
}
