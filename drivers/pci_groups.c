/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of PCI functions by Access Control Services and bridges; claims. */
#include "drivers/pci_groups.h"

/* ACS capability, PCI Express Base 5.0, 7.7.8. */
#define ACS_OFFERED	4
#define ACS_CONTROL	6
#define ACS_SOURCE	BIT(0) /* source validation */
#define ACS_TRANSLATED	BIT(1) /* translation blocking: nothing may claim to be translated */
#define ACS_REQUESTS	BIT(2) /* P2P request redirect */
#define ACS_COMPLETIONS BIT(3) /* P2P completion redirect */
#define ACS_UPSTREAM	BIT(4) /* upstream forwarding */

/* Of the PCI Express capabilities register, 7.5.3.2. */
enum port {
	PORT_ROOT = 4,
	PORT_UPSTREAM = 5,
	PORT_DOWNSTREAM = 6,
	PORT_NONE = 16, /* no PCI Express */
};

static enum port port_of(struct pci *pci, const struct pci_function *function)
{
	if (!function->pcie)
		return PORT_NONE;
	return (enum port)(
		pci_read(pci, function->bdf, function->pcie + PCIE_CAPABILITIES, 2) >> 4 & 15);
}

bool pci_isolate(struct pci *pci, const struct pci_function *function)
{
	u16 at = pci_find_extended(pci, function->bdf, PCI_EXT_ACS);
	enum port port = port_of(pci, function);
	u32 needed = ACS_REQUESTS | ACS_COMPLETIONS;
	u32 offered;

	if (!at)
		return function->physical || function->vfs;
	if (port == PORT_ROOT || port == PORT_DOWNSTREAM)
		needed |= ACS_SOURCE | ACS_UPSTREAM;
	offered = pci_read(pci, function->bdf, at + ACS_OFFERED, 2);
	pci_write(pci, function->bdf, at + ACS_CONTROL, 2, offered & (needed | ACS_TRANSLATED));
	return (pci_read(pci, function->bdf, at + ACS_CONTROL, 2) & needed) == needed;
}

bool pci_is_bridge(const struct pci_function *function)
{
	return function->header_type || function->class_code >> 16 == PCI_CLASS_BRIDGE;
}

/* Is there nothing but ACS between the two? On the root bus a device's own functions only. */
static bool are_peers(const struct pci_function *a, const struct pci_function *b)
{
	return a->bridge == b->bridge &&
	       (a->bridge != PCI_NO_BRIDGE || (a->bdf & ~7) == (b->bdf & ~7));
}

/* The first of the function's peers if not all of them are separate; else PCI_MAX_FUNCTIONS. */
static u32 first_peer(const struct pci *pci, u32 index, const bool separate[])
{
	u32 first = PCI_MAX_FUNCTIONS;
	u32 peers = 0;
	bool all = true;

	for (u32 i = 0; i < pci->function_count; i++) {
		if (!are_peers(&pci->functions[i], &pci->functions[index]))
			continue;
		first = MIN(first, i);
		peers++;
		all = all && separate[i];
	}
	return peers == 1 || all ? PCI_MAX_FUNCTIONS : first;
}

/* May what is behind be of other groups? Below an upstream port it is up to the ports there. */
static bool is_gate(enum port port, bool separate)
{
	return port == PORT_UPSTREAM ||
	       ((port == PORT_ROOT || port == PORT_DOWNSTREAM) && separate);
}

/* A bridge stands in the table before what is behind it. */
void pci_make_groups(struct pci *pci)
{
	bool separate[PCI_MAX_FUNCTIONS] = { false }; /* by ACS */
	bool whole[PCI_MAX_FUNCTIONS];		      /* all that is behind it is of its group */
	u16 count = 0;

	for (u32 i = 0; i < pci->function_count; i++)
		separate[i] = pci_isolate(pci, &pci->functions[i]);
	for (u32 i = 0; i < pci->function_count; i++) {
		struct pci_function *function = &pci->functions[i];
		const struct pci_function *above = pci_find(pci, function->bridge);
		enum port port = port_of(pci, function);
		u32 first = first_peer(pci, i, separate);

		if (function->class_code >> 8 == PCI_CLASS_IOMMU)
			function->owner = "iommu";
		whole[i] = true;
		if (above && whole[above - pci->functions]) {
			function->group = above->group;
		} else if (first < i) {
			function->group = pci->functions[first].group;
		} else {
			function->group = pci->left_out ? 0 : count++;
			whole[i] = first == i || !is_gate(port, separate[i]);
		}
	}
}

enum err pci_claim(struct pci *pci, struct pci_function *function, const char *owner)
{
	spin_guard(&pci->owners);
	if (pci_is_bridge(function))
		return ERR_DENIED;
	if (function->owner && function->owner != owner)
		return ERR_EXISTS;
	function->owner = owner;
	return OK;
}

void pci_release(struct pci *pci, struct pci_function *function, const char *owner)
{
	spin_guard(&pci->owners);
	if (function->owner == owner)
		function->owner = NULL;
}

const struct pci_function *pci_group_conflict(struct pci *pci, const struct pci_function *function,
					      const char *owner)
{
	spin_guard(&pci->owners);
	for (u32 i = 0; i < pci->function_count; i++) {
		const struct pci_function *other = &pci->functions[i];

		if (other != function && other->group == function->group && !pci_is_bridge(other) &&
		    other->owner != owner)
			return other;
	}
	return NULL;
}
