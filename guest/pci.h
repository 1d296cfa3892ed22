/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's PCI Express bus: configuration space, root ports, the functions put on it. */
#ifndef GUEST_PCI_H
#define GUEST_PCI_H

#include "core/vm.h"
#include "core/vpci.h"
#include "guest/bar.h"
#include "guest/msix.h"
#include "guest/power.h"

/*
 * Bus 0:
 *
 *   00.0         host bridge
 *   01.0 - 04.0  root ports, each with a slot on a bus of its own, for guest_pci_plug()
 *   05.0 ...     functions from guest_pci_add(), in that order
 *
 * Configuration space is reached by ECAM and by ports CF8/CFC (PCI Express 5.0,
 * 7.2). A function whose `config` has an interrupt pin has it as INTA, wired as in LAYOUT_INTX().
 */
#define GUEST_PCI_ROOT_PORTS 4
#define GUEST_PCI_FIRST_FREE (1 + GUEST_PCI_ROOT_PORTS)
#define GUEST_PCI_SLOTS	     16

/* An identity that is reserved for virtual hardware; Linux binds its generic driver. */
#define GUEST_PCI_VENDOR 0x1b36

struct guest_pci_slot {
	struct vpci_function *function; /* NULL: empty */
	u8 reset_config[VPCI_CONFIG_SIZE];
	struct bar_state bars;
	struct msix msix;
};

/* A root port: guest/pci_port.c's. */
struct guest_pci_port {
	struct vpci_function function;
	struct guest_pci_slot slot; /* device 0 of its bus */
	u32 slot_number;	    /* from 1 */
	u16 events;	/* bits of the slot status register that the guest has not cleared */
	bool signalled; /* its interrupt has been sent */
};

/* Where the next BARs are placed, and where that ends. */
struct guest_pci_room {
	u64 next32, end32;
	u64 next64, end64; /* prefetchable */
};

/* Guarded by device_lock, but for struct msix. */
struct guest_pci {
	struct vm *vm;
	struct power_state *power;		      /* port CF9 lies among ours */
	u32 address;				      /* CF8 */
	struct guest_pci_room room;		      /* on bus 0 */
	struct guest_pci_slot slots[GUEST_PCI_SLOTS]; /* by device number */
	struct vpci_function host_bridge;
	struct guest_pci_port ports[GUEST_PCI_ROOT_PORTS];
};

/*
 * Make the bus with its bridge and root ports and add the regions of ECAM and
 * CF8 to CFF. `pci` is zeroed, `power` exists, no vCPU runs. Takes device_lock.
 * What region_add() says.
 */
must_check enum err guest_pci_create(struct vm *vm, struct guest_pci *pci,
				     struct power_state *power);

/*
 * Put `function` on bus 0; it stays as long as the bus. No vCPU runs.
 * ERR_INVALID: BARs, spans or MSI-X break a rule of core/vpci.h; ERR_FULL: no
 * device number is left; ERR_RANGE: no room for its BARs.
 */
must_check enum err guest_pci_add(struct guest_pci *pci, struct vpci_function *function);

/*
 * Plug `function` into a root port's slot, or pull it out, whatever the guest does meanwhile;
 * it is told as PCI Express does (6.7). Takes device_lock.
 * OK; ERR_FULL: no slot is free; the others of guest_pci_add().
 */
must_check enum err guest_pci_plug(struct guest_pci *pci, struct vpci_function *function);
void guest_pci_unplug(struct guest_pci *pci, struct vpci_function *function);

/*
 * Power-on state: every BAR has the address that firmware gives it. No vCPU
 * runs; takes device_lock.
 */
void guest_pci_reset(struct guest_pci *pci);

/*
 * One access to configuration space, naturally aligned, 1, 2 or 4 bytes, at
 * `offset` (0..4095); ones where nothing is. The caller holds device_lock.
 */
void guest_pci_config(struct guest_pci *pci, u32 bus, u32 devfn, u32 offset, struct access *access);

#endif
