/* SPDX-License-Identifier: Apache-2.0 */
/* Which PCI functions the IOMMU cannot keep apart, and who has which. */
#ifndef DRIVERS_PCI_GROUPS_H
#define DRIVERS_PCI_GROUPS_H

#include "drivers/pci.h"

/*
 * A group is a set of functions of which one may reach another past the IOMMU, or be taken
 * for it; so a group is assigned whole or not at all. What separates functions is Access
 * Control Services (PCI Express Base 5.0, 6.12 and 7.7.8), which pci_make_groups()
 * switches on wherever they are offered:
 *
 *   - what lies behind a conventional bridge, PCI Express to PCI or the other way, is one
 *     group with it: requests carry the bridge's id, and its buses are shared;
 *   - what lies behind a root or downstream port is separate from the port and from the rest
 *     if the port has ACS (source validation, request redirect, completion redirect and
 *     upstream forwarding), and one group with it if not;
 *   - the downstream ports of a switch, and all below them, are one group if one of them
 *     lacks ACS;
 *   - the functions of one device, and all below them, are one group if one of them lacks
 *     ACS (request and completion redirect);
 *   - virtual functions, and the one that has them, are separate where they have no ACS at
 *     all: they must have it if they can reach each other (6.12.1.2);
 *   - devices on the root bus are separate: the IOMMU sits in front of it (VT-d,
 *     "Root-Complex Peer to Peer Considerations").
 *
 * Where functions were left out of the table, all others are one group.
 */

/*
 * Fills `group` of every function: numbers from 0. Once, after pci_enumerate(). An IOMMU that is
 * a function (AMD IOMMU, 3.1: class 08h, subclass 06h) is owned from here on.
 */
void pci_make_groups(struct pci *pci);

/*
 * Switches the function's Access Control Services on, as far as groups need them. True: they
 * hold now. For pci_reset(), which loses them.
 */
bool pci_isolate(struct pci *pci, const struct pci_function *function);

/* Bridges and ports of any kind stay Facet's: nobody can claim one. */
bool pci_is_bridge(const struct pci_function *function);

/*
 * Makes `owner` the function's owner. Owners are told apart by the pointer; the text is for
 * people, and stays as it is until the release.
 * OK, also if it was the owner before; ERR_EXISTS: another is; ERR_DENIED: a bridge. Any CPU.
 */
enum err pci_claim(struct pci *pci, struct pci_function *function, const char *owner) must_check;

/* Nobody's again, if it was `owner`'s. Any CPU. */
void pci_release(struct pci *pci, struct pci_function *function, const char *owner);

/*
 * The first other function of this one's group that is neither a bridge nor `owner`'s: why the
 * group cannot be assigned; NULL: it can be. Claim first, then ask: of two who want a
 * part each, both are told.
 */
const struct pci_function *pci_group_conflict(struct pci *pci, const struct pci_function *function,
					      const char *owner);

#endif
