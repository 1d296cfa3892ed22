/* SPDX-License-Identifier: Apache-2.0 */
/* A root port with a slot that takes hot-plug (PCI Express 5.0, 6.7 and 7.5.3). */
#ifndef GUEST_PCI_PORT_H
#define GUEST_PCI_PORT_H

#include "guest/layout.h"
#include "guest/pci.h"

/* What firmware opens at each root port for what may be plugged in. */
#define GUEST_PORT_WINDOW32	 (LAYOUT_BAR32 + LAYOUT_BAR32_SIZE / 2)
#define GUEST_PORT_WINDOW32_SIZE MIB(32)
#define GUEST_PORT_WINDOW64	 (LAYOUT_BAR64 + LAYOUT_BAR64_SIZE / 2)
#define GUEST_PORT_WINDOW64_SIZE GIB(16)

/* Its configuration space; `number` counts from 1 and becomes its bus. */
void guest_port_make(struct guest_pci_port *port, u32 number);

/* The number of the bus behind it, as the guest has set it. */
u32 guest_port_bus(const struct guest_pci_port *port);

/* Its windows, as firmware has set them. */
void guest_port_room(const struct guest_pci_port *port, struct guest_pci_room *room);

/* Something was plugged in or pulled out: the guest is told. device_lock is held. */
void guest_port_changed(struct guest_pci_port *port);

/* As after power-on, with what is in the slot. device_lock is held. */
void guest_port_reset(struct guest_pci_port *port);

#endif
