/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's PCI functions: found, described, switched on; MSI and MSI-X. */
#ifndef DRIVERS_PCI_H
#define DRIVERS_PCI_H

#include "arch/x86/spinlock.h"
#include "core/lib/error.h"
#include "core/lib/types.h"
#include "drivers/pci_regs.h"

/* PCI Local Bus 3.0 (configuration header: 6.1) and PCI Express Base 5.0 (7.5). */

#define PCI_MAX_FUNCTIONS 128
#define PCI_MAX_BARS	  6
#define PCI_CONFIG_BYTES  256U	/* by ports */
#define PCIE_CONFIG_BYTES 4096U /* by ECAM */

#define PCI_BDF(bus, device, function) ((u16)((bus) << 8 | (device) << 3 | (function)))
#define PCI_BUS(bdf)		       ((u8)((bdf) >> 8))
#define PCI_DEVICE(bdf)		       ((u8)(((bdf) >> 3) & 31))
#define PCI_FUNCTION(bdf)	       ((u8)((bdf)&7))

/* For a printf format: `"%02x:%02x.%x", PCI_BDF_ARGS(bdf)`. */
#define PCI_BDF_ARGS(bdf) PCI_BUS(bdf), PCI_DEVICE(bdf), PCI_FUNCTION(bdf)

enum pci_bar_kind {
	PCI_BAR_NONE,
	PCI_BAR_IO,
	PCI_BAR_MEM32,
	PCI_BAR_MEM64, /* uses the next register too, whose kind is PCI_BAR_NONE */
};

struct pci_bar {
	enum pci_bar_kind kind;
	bool prefetchable;
	u64 base; /* a port or a host-physical address; 0: firmware has not placed it */
	u64 size; /* bytes, a power of two */
};

struct pci_function {
	u16 bdf;
	u16 bridge;   /* BDF of the bridge that it is behind, PCI_NO_BRIDGE on a root bus */
	u16 physical; /* of a virtual function: BDF of the one that has it; 0: it is none itself */
	u16 vfs;      /* virtual functions of its own that are on: pci_sriov.h */
	u16 vendor_id;
	u16 device_id;
	u32 class_code; /* class << 16 | subclass << 8 | programming interface */
	u8 revision;
	u8 header_type; /* 0 function, 1 bridge; without the multi-function bit */
	u8 secondary_bus;
	u8 subordinate_bus;
	u8 msi; /* offsets of capabilities, 0: none */
	u8 msix;
	u8 pcie;
	u16 msix_vectors; /* entries of the table, 0: no MSI-X */
	u8 msix_bar;
	u32 msix_offset; /* of the table in that BAR */
	struct pci_bar bars[PCI_MAX_BARS];
	u16 group;	   /* pci_groups.h; set by pci_make_groups() */
	const char *owner; /* NULL: nobody; changed by pci_claim() and pci_release() only */
};

#define PCI_NO_BRIDGE 0xffff

/* Maps device registers for good, or NULL: vmap_mmio(). */
typedef void *(*pci_map_fn)(hpa_t base, u64 size);

/*
 * All of segment 0. Filled by pci_init(), pci_enumerate(), pci_sriov_start() and
 * pci_make_groups(); from then on only `owner` changes.
 */
struct pci {
	pci_map_fn map;
	void (*relax)(void); /* called again and again during a reset; NULL: nothing */
	hpa_t ecam_base;     /* of bus 0; 0: ports serve */
	u8 ecam_first_bus;
	u8 ecam_last_bus;
	u8 *ecam[256];		/* mapped when the bus is first looked at */
	struct spinlock ports;	/* a port access takes two steps; innermost lock */
	struct spinlock owners; /* each function's `owner`; innermost lock */
	u32 function_count;
	u32 left_out; /* functions for which there was no room */
	struct pci_function functions[PCI_MAX_FUNCTIONS];
};

/*
 * Chooses the way to configuration space: ECAM at `ecam_base` for the buses
 * `first_bus` to `last_bus` (MCFG, segment 0), ports CF8h/CFCh for the others
 * and where `ecam_base` is 0.
 */
void pci_init(struct pci *pci, pci_map_fn map, hpa_t ecam_base, u8 first_bus, u8 last_bus);

/*
 * Finds every function on the buses that can be reached from bus 0. Switches
 * decoding of a function off while its BARs are sized, and bus mastering off for good: the
 * loader has done so by firmware's means, which may not know all. At start only, while
 * no other CPU runs. Bounded: each of 256 buses is looked at once.
 */
void pci_enumerate(struct pci *pci);

/*
 * Steps of it. One more function behind `bridge`, with its capabilities and without BARs;
 * `ids` as in the header's first dword. NULL: there is no room, which has been counted.
 * The `count` BARs in the registers from `offset` on; nothing may decode them.
 */
struct pci_function *pci_add(struct pci *pci, u16 bdf, u16 bridge, u32 ids);
void pci_size_bars(struct pci *pci, u16 bdf, u32 offset, unsigned count, struct pci_bar bars[]);

/*
 * Configuration space. `width` is 1, 2 or 4 and divides `offset`. What cannot
 * be reached reads as all ones (as on the bus), and a write there is lost.
 * Any CPU.
 */
u32 pci_read(struct pci *pci, u16 bdf, u32 offset, unsigned width);
void pci_write(struct pci *pci, u16 bdf, u32 offset, unsigned width, u32 value);

/* Sets bits of a register of 16 bits that stay as they are read, and clears others. */
void pci_change(struct pci *pci, u16 bdf, u32 offset, u32 set, u32 clear);

/* The function at `bdf`, or NULL. */
struct pci_function *pci_find(struct pci *pci, u16 bdf);

/*
 * The next capability with `id` behind offset `after` (0: the first one), or 0; and the next
 * one whatever it is. The list is the device's and may loop: one look-up is bounded, and who
 * walks counts to PCI_CAPABILITIES_MAX.
 */
u8 pci_find_capability(struct pci *pci, u16 bdf, u8 id, u8 after);
u8 pci_next_capability(struct pci *pci, u16 bdf, u8 after);
#define PCI_CAPABILITIES_MAX ((PCI_CONFIG_BYTES - 64) / 4)

/*
 * The same in extended configuration space (PCI Express Base 7.6): offset 100h or above, or 0.
 * Functions that are not of PCI Express and buses without ECAM have none.
 */
u16 pci_find_extended(struct pci *pci, u16 bdf, u16 id);
u16 pci_next_extended(struct pci *pci, u16 bdf, u16 after);
#define PCI_EXTENDED_MAX ((PCIE_CONFIG_BYTES - PCI_CONFIG_BYTES) / 8)

/*
 * Sets the bits `command` (PCI_COMMAND_*) of the function, and of each bridge
 * above it what forwarding takes. pci_disable() clears them, of the function only.
 */
void pci_enable(struct pci *pci, const struct pci_function *function, u16 command);
void pci_disable(struct pci *pci, const struct pci_function *function, u16 command);

/* A function's MSI-X table, mapped. */
struct pci_msix {
	u8 *table;
	u16 vectors;
};

/*
 * Maps the table, masks every entry and switches MSI-X on (INTx off). Memory
 * decoding must be on.
 * OK; ERR_NOT_FOUND: no MSI-X; ERR_INVALID: the table is not inside its BAR;
 * ERR_NO_MEMORY: no room to map it.
 */
enum err pci_msix_enable(struct pci *pci, const struct pci_function *function,
			 struct pci_msix *msix) must_check;

/* The same with a table that is mapped. */
void pci_msix_on(struct pci *pci, const struct pci_function *function, struct pci_msix *msix);

/*
 * Makes entry `vector` send `data` to `address` and unmasks it; or masks it.
 * ERR_RANGE: there is no such entry. One caller at a time for an entry.
 */
enum err pci_msix_set(struct pci_msix *msix, u16 vector, u64 address, u32 data) must_check;
enum err pci_msix_mask(struct pci_msix *msix, u16 vector) must_check;

/* Switches MSI-X off. INTx stays off. */
void pci_msix_off(struct pci *pci, const struct pci_function *function);

/*
 * Makes the function's one MSI send `data` to `address`, and switches it on (INTx off).
 * OK; ERR_NOT_FOUND: no MSI; ERR_RANGE: `data` has more than 16 bits, or `address` more than
 * 32 where the function's form has no room for them. One caller at a time for a function.
 */
enum err pci_msi_set(struct pci *pci, const struct pci_function *function, u64 address,
		     u32 data) must_check;

/* Switches MSI off. INTx stays off. */
void pci_msi_off(struct pci *pci, const struct pci_function *function);

#endif
