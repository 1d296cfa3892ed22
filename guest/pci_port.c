// SPDX-License-Identifier: Apache-2.0
/* Root ports of a guest: windows, and the slot with its events. */
#include "guest/pci_port.h"

#include "drivers/pci_regs.h"
#include "guest/msi.h"

#define DEVICE_ROOT_PORT 0x000c
#define CLASS_PCI_BRIDGE 0x060400u

#define PCIE_CAP	   0x40
#define MSI_CAP		   0x80
#define PCIE_ROOT_PORT	   (2 | 4 << 4 | 1 << 8) /* version 2, root port, has a slot */
#define PCIE_ROLE_ERRORS   BIT(15)
#define PCIE_LINK_REPORTS  BIT(20) /* data link layer active reporting */
#define LINK_STATUS	   (PCIE_CAP + PCIE_LINK_STATUS)
#define LINK_ACTIVE	   BIT(13)
#define SLOT_SURPRISE	   BIT(5)
#define SLOT_HOT_PLUG	   BIT(6)
#define SLOT_NO_COMPLETION BIT(18) /* commands need no waiting */
#define SLOT_CONTROL	   (PCIE_CAP + 0x18)
#define SLOT_CONTROL_MASK  0x1038 /* presence, command and hot-plug interrupts, link changes */
#define SLOT_INTERRUPTS	   BIT(5)
#define SLOT_STATUS	   (PCIE_CAP + 0x1a)
#define PRESENCE_CHANGED   BIT(3) /* the same bit lets it interrupt */
#define PRESENT		   BIT(6)
#define LINK_CHANGED	   BIT(8)
#define LINK_INTERRUPTS	   BIT(12)

u32 guest_port_bus(const struct guest_pci_port *port)
{
	return port->function.config[0x19];
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

/* A slot that takes hot-plug by surprise; its events come by MSI. */
static void make_slot(struct vpci_function *f, u32 number)
{
	u8 *cap = f->config + PCIE_CAP;
	u8 *writable = f->writable + PCIE_CAP;

	cap[0] = PCI_CAP_PCIE;
	cap[1] = MSI_CAP;
	vpci_put(cap + 2, PCIE_ROOT_PORT, 2);
	vpci_put(cap + 4, PCIE_ROLE_ERRORS, 4);
	vpci_put(writable + 8, 0x7fff, 2); /* device control */
	vpci_put(cap + 0x0c, PCIE_LINK_X1_GEN1 | PCIE_LINK_REPORTS | number << 24, 4);
	vpci_put(writable + 0x10, 0x00d0,
		 2); /* link control: disable, common clock, extended synch */
	vpci_put(cap + 0x12, PCIE_LINK_X1_GEN1, 2);
	vpci_put(cap + 0x14, SLOT_SURPRISE | SLOT_HOT_PLUG | SLOT_NO_COMPLETION | number << 19, 4);
	vpci_put(writable + 0x18, SLOT_CONTROL_MASK, 2);
	vpci_put(writable + 0x1a, PRESENCE_CHANGED | LINK_CHANGED, 2);
	vpci_put(writable + 0x1c, 0x000f, 2); /* root control */
	vpci_put(cap + 0x2c, BIT(1), 4);      /* link capabilities 2: 2.5 GT/s */
	vpci_put(cap + 0x30, 1, 2);
	msi_make(f, MSI_CAP, true);
}

/* ---- the bridge ---- */

/* Bus numbers and windows, as firmware leaves them (PCI-to-PCI bridge 1.2, 3.2.5). */
static void open_windows(struct vpci_function *f, u32 number)
{
	u64 memory = GUEST_PORT_WINDOW32 + (number - 1) * GUEST_PORT_WINDOW32_SIZE;
	u64 prefetch = GUEST_PORT_WINDOW64 + (number - 1) * GUEST_PORT_WINDOW64_SIZE;
	u64 memory_last = memory + GUEST_PORT_WINDOW32_SIZE - 1;
	u64 prefetch_last = prefetch + GUEST_PORT_WINDOW64_SIZE - 1;

	f->config[0x19] = (u8)number; /* secondary */
	f->config[0x1a] = (u8)number; /* subordinate */
	vpci_put(f->writable + 0x18, 0x00ffffff, 4);
	vpci_put(f->config + 0x20, (u32)(memory >> 16 & 0xfff0) | (u32)(memory_last & 0xfff00000),
		 4);
	vpci_put(f->writable + 0x20, 0xfff0fff0, 4);
	/* 64 bits wide: 1 in the low bits of both ends. */
	vpci_put(f->config + 0x24,
		 ((u32)(prefetch >> 16 & 0xfff0) | (u32)(prefetch_last & 0xfff00000)) + 0x00010001,
		 4);
	vpci_put(f->writable + 0x24, 0xfff0fff0, 4);
	vpci_put(f->config + 0x28, (u32)(prefetch >> 32), 4);
	vpci_put(f->writable + 0x28, ~0u, 4);
	vpci_put(f->config + 0x2c, (u32)(prefetch_last >> 32), 4);
	vpci_put(f->writable + 0x2c, ~0u, 4);
}

void guest_port_room(const struct guest_pci_port *port, struct guest_pci_room *room)
{
	u64 index = port->slot_number - 1;

	room->next32 = GUEST_PORT_WINDOW32 + index * GUEST_PORT_WINDOW32_SIZE;
	room->end32 = room->next32 + GUEST_PORT_WINDOW32_SIZE;
	room->next64 = GUEST_PORT_WINDOW64 + index * GUEST_PORT_WINDOW64_SIZE;
	room->end64 = room->next64 + GUEST_PORT_WINDOW64_SIZE;
}

void guest_port_make(struct guest_pci_port *port, u32 number)
{
	struct vpci_function *f = &port->function;

	port->slot_number = number;
	vpci_put(f->config, GUEST_PCI_VENDOR | DEVICE_ROOT_PORT << 16, 4);
	vpci_put(f->config + 0x06, BIT(4), 2); /* status: capabilities */
	vpci_put(f->config + 0x08, CLASS_PCI_BRIDGE << 8, 4);
	f->config[0x0e] = 1; /* header: a bridge's */
	f->config[0x34] = PCIE_CAP;
	vpci_put(f->writable + 0x04, 0x0547,
		 2);		  /* command: all that guest/pci.c lets a function have */
	f->writable[0x3c] = 0xff; /* interrupt line */
	vpci_put(f->writable + 0x3e, 0x0043, 2); /* bridge control: parity, SERR, bus reset */
	f->config_written = written;
	open_windows(f, number);
	make_slot(f, number);
}
