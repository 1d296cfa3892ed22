// SPDX-License-Identifier: Apache-2.0
/* The MSI capability, as virtual functions have it. */
#include "guest/msi.h"

#include "core/vm.h"
#include "drivers/pci_regs.h"

static u32 data_at(const u8 *cap)
{
	return cap[PCI_MSI_CONTROL] & PCI_MSI_64BIT ? PCI_MSI_DATA + 4 : PCI_MSI_DATA;
}

void msi_make(struct vpci_function *function, u32 at, bool wide)
{
	u8 *cap = function->config + at, *writable = function->writable + at;

	cap[0] = PCI_CAP_MSI;
	vpci_put(cap + PCI_MSI_CONTROL, wide ? PCI_MSI_64BIT : 0, 2);
	vpci_put(writable + PCI_MSI_CONTROL, PCI_MSI_ENABLE, 2);
	vpci_put(writable + PCI_MSI_ADDRESS, ~3u, 4);
	vpci_put(writable + PCI_MSI_ADDRESS_HIGH, ~0u, 4);
	vpci_put(writable + data_at(cap), 0xffff, 4);
}

bool msi_enabled(const struct vpci_function *function, u32 at)
{
	return function->config[at + PCI_MSI_CONTROL] & PCI_MSI_ENABLE;
}

void msi_raise(const struct vpci_function *function, u32 at)
{
	const u8 *cap = function->config + at;
	u64 high =
		cap[PCI_MSI_CONTROL] & PCI_MSI_64BIT ? vpci_get(cap + PCI_MSI_ADDRESS_HIGH, 4) : 0;

	if (msi_enabled(function, at) && function->bus_master)
		vm_msi(function->vm, high << 32 | vpci_get(cap + PCI_MSI_ADDRESS, 4),
		       vpci_get(cap + data_at(cap), 2));
}
