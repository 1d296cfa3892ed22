/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that make up an assigned function share. */
#ifndef GUEST_ASSIGNED_PARTS_H
#define GUEST_ASSIGNED_PARTS_H

#include "core/log.h"
#include "core/vm.h"
#include "core/vpci.h"
#include "drivers/iommu.h"
#include "drivers/pci.h"

#define ASSIGNED_IRQS  16 /* messages that a function can have; it is shown no more */
#define ASSIGNED_TRAPS 8

struct assigned;

/* A part of a BAR that guests reach by the hypervisor's hand only. */
struct assigned_trap {
	struct assigned *owner;
	u32 bar;
	u64 offset, size; /* in the BAR; behind `size` nothing answers */
	u8 *registers;
};

/* A message of the function, and the vector of the host that it raises. */
struct assigned_irq {
	struct assigned *owner;
	u8 vector;
	u32 cpu; /* that gets it */
	u64 address;
	u32 data;
	u64 window_ns; /* the vector's CPU's: how many came since when */
	u32 count;
	bool held; /* atomic: too many came, it is off until the window is over */
};

/* One for each function that was ever assigned; it stays. */
struct assigned {
	struct vpci_function function; /* what the guest sees */
	struct pci *pci;
	struct iommu *iommu;
	struct pci_function *device;
	struct assigned *next;
	struct vm *vm;
	/* Atomic, written under device_lock: what the guest writes reaches the function. */
	bool live;
	/* Housekeeping's: a reset failed; it is in the guest's domain; in a slot of the guest's. */
	bool lost, attached, in_slot;
	bool master_on, msi_on, msix_on; /* what it has been told; guarded by device_lock */
	bool uses_intx;			 /* so is this: it is among those that are looked at */
	struct assigned *intx_next;
	u8 msi;	   /* offset of the virtual capability */
	u8 *video; /* a display's memory that BAR video_bar shows; NULL: none */
	u32 video_bar;
	u32 *rom;     /* the option ROM's copy, in frames of its own */
	u64 msix_pba; /* offset in BAR msix_pba_bar */
	u32 msix_pba_bar;
	u32 trap_count;
	struct assigned_trap traps[ASSIGNED_TRAPS];
	struct pci_msix table; /* of the physical function */
	u32 irq_count;
	struct assigned_irq irqs[ASSIGNED_IRQS];
};

/*
 * Configuration space: what is shown of the function's, and which bits are the guest's.
 * `in_slot`: behind a root port, not on the root bus.
 */
void assigned_make_config(struct assigned *assigned, bool in_slot);

/*
 * Describe the BARs and map what is trapped. ERR_INVALID: a BAR without an address, a
 * MSI-X table outside of its BAR; ERR_FULL; ERR_NO_MEMORY.
 */
must_check enum err assigned_make_bars(struct assigned *assigned);

/*
 * Copy the option ROM and show the copy; nothing is shown of one that has more than 1 MiB, or
 * no BAR below 4 GiB as large as it. The function is idle and decodes nothing afterwards.
 */
void assigned_make_rom(struct assigned *assigned);

/* The ROM of a VGA display is in the guest's RAM, too, where a PC's firmware runs it. */
void assigned_shadow_rom(const struct assigned *assigned);

/*
 * A display's memory that a BAR shows becomes black, firmware's picture and the last guest's with
 * it. For a function that nothing resets; it decodes afterwards.
 */
void assigned_clear_video(const struct assigned *assigned);

/*
 * Vectors of the host and messages for them, as many as there are; they go to CPU 0 until the
 * guest switches them on. What iommu_irq_set() says.
 */
must_check enum err assigned_make_irqs(struct assigned *assigned);

/* The guest switched messages on or off; or all off, when it is not live. device_lock is held. */
void assigned_sync_irqs(struct assigned *assigned);

/*
 * The same for INTx: is the function to be looked at? One that is not any more lets its line go.
 * device_lock is held, and msi_on and msix_on are as they are to be.
 */
void assigned_sync_intx(struct assigned *assigned);

/* See assigned_housekeeping(). */
void assigned_release_held(struct assigned *assigned, u64 now);
void assigned_watch_intx(void);

#endif
