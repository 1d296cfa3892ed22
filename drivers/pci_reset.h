/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a PCI function back into the state after power-on. */
#ifndef DRIVERS_PCI_RESET_H
#define DRIVERS_PCI_RESET_H

#include "drivers/pci.h"

/* The best that a function offers, in this order. */
enum pci_reset_kind {
	PCI_RESET_NONE,
	PCI_RESET_FLR,	 /* function-level reset, PCI Express Base 5.0, 6.6.2 */
	PCI_RESET_AF,	 /* the same by the Advanced Features capability (PCI-SIG ECN) */
	PCI_RESET_POWER, /* power state D3hot and back, PCI Power Management 1.2, 3.2.4, 5.4.1 */
	PCI_RESET_BUS,	 /* reset of the bus behind the bridge, PCI-to-PCI Bridge 1.2, 3.2.5.18 */
};

/*
 * The last kind only where all functions on that bus have this one's owner and none of them
 * is a bridge.
 */
enum pci_reset_kind pci_reset_kind(struct pci *pci, const struct pci_function *function);

/* One word, never NULL. */
const char *pci_reset_name(enum pci_reset_kind kind);

/*
 * Resets the function (PCI_RESET_BUS: all on its bus). Before it decoding, bus mastering and
 * INTx are switched off and what is under way gets PCI_RESET_DRAIN_NS to end; after it BARs,
 * interrupt line and PCI Express controls are as they were, Access Control Services hold, and
 * the function is off: no decoding, no bus mastering, no interrupt of any kind.
 *
 * Waits on this CPU with pci->relax(): for 0.1 s as a rule, for 1.6 s at the most. One caller at a
 * time for a bus.
 *
 * OK; ERR_UNSUPPORTED: PCI_RESET_NONE; ERR_TIMEOUT: it does not answer any more;
 * ERR_DEVICE: its Access Control Services are lost. After the last two it is not to be used.
 */
enum err pci_reset(struct pci *pci, const struct pci_function *function) must_check;

/* Waits on this CPU, or a part of it that others decide, with pci->relax() called meanwhile. */
void pci_wait_ns(const struct pci *pci, u64 ns);
void pci_relax(const struct pci *pci);

#define PCI_RESET_DRAIN_NS 100000000ULL	 /* for transactions under way */
#define PCI_RESET_READY_NS 1000000000ULL /* for the first answer after it, 6.6.1 */

#endif
