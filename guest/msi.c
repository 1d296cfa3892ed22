// SPDX-License-Identifier: Apache-2.0
/* The MSI capability, as virtual functions have it. */
#include "guest/msi.h"

#include "core/vm.h"

#define CAP_MSI	      0x05
#define CONTROL	      2
#define CONTROL_ON    BIT(0)
#define CONTROL_64BIT BIT(7)
#define ADDRESS	      4
#define ADDRESS_HIGH  8

static u32 data_at(const u8 *cap)
{
	return cap[CONTROL] & CONTROL_64BIT ? 12 : 8;
}

void msi_make(struct vpci_function *function, u32 at, bool wide)
{
	u8 *cap = function->config + at, *writable = function->writable + at;

	cap[0] = CAP_MSI;
	vpci_put(cap + CONTROL, wide ? CONTROL_64BIT : 0, 2);
	vpci_put(writable + CONTROL, CONTROL_ON, 2);
	vpci_put(writable + ADDRESS, ~3u, 4);
	vpci_put(writable + ADDRESS_HIGH, ~0u, 4);
	vpci_put(writable + data_at(cap), 0xffff, 4);
}

bool msi_enabled(const struct vpci_function *function, u32 at)
{
	return function->config[at + CONTROL] & CONTROL_ON;
}

void msi_raise(const struct vpci_function *function, u32 at)
{
	const u8 *cap = function->config + at;
	u64 high = cap[CONTROL] & CONTROL_64BIT ? vpci_get(cap + ADDRESS_HIGH, 4) : 0;

	if (msi_enabled(function, at) && function->bus_master)
		vm_msi(function->vm, high << 32 | vpci_get(cap + ADDRESS, 4),
		       vpci_get(cap + data_at(cap), 2));
}
