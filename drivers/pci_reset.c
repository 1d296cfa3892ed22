/* SPDX-License-Identifier: Apache-2.0 */
/* The four ways to reset a PCI function, and what is kept over it. */
#include "drivers/pci_reset.h"

#include "arch/x86/spinlock.h"
#include "core/timer.h"
#include "drivers/pci_groups.h"

#define MS 1000000ULL

/* PCI Express capability, PCI Express Base 5.0, 7.5.3. */
#define PCIE_DEVICE_STATUS   10
#define PCIE_DEVICE_CONTROL2 40
#define PCIE_OFFERS_FLR	     BIT(28)
#define PCIE_START_FLR	     BIT(15)
#define PCIE_PENDING	     BIT(5)

/* Advanced Features capability. */
#define AF_OFFERS     3
#define AF_CONTROL    4
#define AF_STATUS     5
#define AF_OFFERS_FLR 3U /* and the bit that tells of pending transactions */
#define AF_START_FLR  BIT(0)
#define AF_PENDING    BIT(0)

/* Power management capability. */
#define POWER_CONTROL 4
#define POWER_STATE   3U		 /* 0: D0, 3: D3hot */
#define POWER_KEEPS   BIT(3)		 /* No_Soft_Reset */
#define POWER_PME     (BIT(15) | BIT(8)) /* status (a one clears it) and enable */

#define BRIDGE_BUS_RESET BIT(6)

/* What the specifications tell to wait. */
#define FLR_NS	      (100 * MS) /* PCI Express Base 5.0, 6.6.2 */
#define POWER_NS      (10 * MS)	 /* PCI Power Management 1.2, 5.6.1 */
#define BUS_RESET_NS  (2 * MS)	 /* Trst is 1 ms, PCI 3.0 4.3.2 */
#define BUS_SETTLE_NS (100 * MS) /* PCI Express Base 5.0, 6.6.1 */

#define BUS_FUNCTIONS_MAX 32U

/* The header's registers that a driver cannot set again by what it knows. */
static const struct {
	u8 offset, width;
} kept[] = {
	{ PCI_CACHE_LINE, 2 }, { PCI_BAR0, 4 },	     { PCI_BAR0 + 4, 4 },
	{ PCI_BAR0 + 8, 4 },   { PCI_BAR0 + 12, 4 }, { PCI_BAR0 + 16, 4 },
	{ PCI_BAR0 + 20, 4 },  { PCI_ROM, 4 },	     { PCI_INTERRUPT_LINE, 1 },
};

struct saved {
	const struct pci_function *function;
	u32 header[ARRAY_SIZE(kept)];
	u16 control, control2; /* PCI Express: payload size, order, time-out */
	bool separate;	       /* its Access Control Services hold */
};

void pci_relax(const struct pci *pci)
{
	if (pci->relax)
		pci->relax();
	cpu_relax();
}

void pci_wait_ns(const struct pci *pci, u64 ns)
{
	u64 end_ns = now_ns() + ns;

	while (now_ns() < end_ns)
		pci_relax(pci);
}

/* Every function on the bus, which has a bridge, is of one owner and none a bridge itself. */
static bool can_reset_bus(const struct pci *pci, const struct pci_function *function)
{
	u32 count = 0;

	for (u32 i = 0; i < pci->function_count; i++) {
		const struct pci_function *other = &pci->functions[i];

		if (other->bridge != function->bridge)
			continue;
		count++;
		if (other->owner != function->owner || pci_is_bridge(other))
			return false;
	}
	return function->bridge != PCI_NO_BRIDGE && count <= BUS_FUNCTIONS_MAX && !pci->left_out;
}

enum pci_reset_kind pci_reset_kind(struct pci *pci, const struct pci_function *function)
{
	u16 bdf = function->bdf;
	u8 at;

	if (pci_is_bridge(function))
		return PCI_RESET_NONE;
	if (function->pcie &&
	    (pci_read(pci, bdf, function->pcie + PCIE_DEVICE_OFFERS, 4) & PCIE_OFFERS_FLR))
		return PCI_RESET_FLR;
	at = pci_find_capability(pci, bdf, PCI_CAP_ADVANCED, 0);
	if (at && (pci_read(pci, bdf, at + AF_OFFERS, 1) & AF_OFFERS_FLR) == AF_OFFERS_FLR)
		return PCI_RESET_AF;
	at = pci_find_capability(pci, bdf, PCI_CAP_POWER, 0);
	if (at && !(pci_read(pci, bdf, at + POWER_CONTROL, 2) & POWER_KEEPS))
		return PCI_RESET_POWER;
	return can_reset_bus(pci, function) ? PCI_RESET_BUS : PCI_RESET_NONE;
}

const char *pci_reset_name(enum pci_reset_kind kind)
{
	static const char *const names[] = {
		[PCI_RESET_NONE] = "none",   [PCI_RESET_FLR] = "FLR", [PCI_RESET_AF] = "AF",
		[PCI_RESET_POWER] = "power", [PCI_RESET_BUS] = "bus",
	};

	return names[kind];
}

static void set_power(struct pci *pci, u16 bdf, u32 state)
{
	u32 at = pci_find_capability(pci, bdf, PCI_CAP_POWER, 0);

	if (!at || (pci_read(pci, bdf, at + POWER_CONTROL, 2) & POWER_STATE) == state)
		return;
	pci_change(pci, bdf, at + POWER_CONTROL, state, POWER_STATE | POWER_PME);
	pci_wait_ns(pci, POWER_NS);
}

static bool is_pending(struct pci *pci, const struct pci_function *function)
{
	u8 advanced;

	if (function->pcie)
		return pci_read(pci, function->bdf, function->pcie + PCIE_DEVICE_STATUS, 2) &
		       PCIE_PENDING;
	advanced = pci_find_capability(pci, function->bdf, PCI_CAP_ADVANCED, 0);
	return advanced && (pci_read(pci, function->bdf, advanced + AF_STATUS, 1) & AF_PENDING);
}

/* Nothing new begins, and what is under way ends, if it does until `end_ns`. */
static void quiesce(struct pci *pci, const struct pci_function *function, u64 end_ns)
{
	set_power(pci, function->bdf, 0);
	pci_write(pci, function->bdf, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
	while (is_pending(pci, function) && now_ns() < end_ns)
		pci_relax(pci);
}

static void save(struct pci *pci, const struct pci_function *function, struct saved *saved)
{
	u16 bdf = function->bdf;
	u32 pcie = function->pcie;

	*saved = (struct saved){ .function = function, .separate = pci_isolate(pci, function) };
	for (u32 i = 0; i < ARRAY_SIZE(kept); i++)
		saved->header[i] = pci_read(pci, bdf, kept[i].offset, kept[i].width);
	if (!pcie)
		return;
	saved->control = (u16)pci_read(pci, bdf, pcie + PCIE_DEVICE_CONTROL, 2);
	if ((pci_read(pci, bdf, pcie + PCIE_CAPABILITIES, 2) & PCIE_VERSION) >= 2)
		saved->control2 = (u16)pci_read(pci, bdf, pcie + PCIE_DEVICE_CONTROL2, 2);
}

/* Waits for the first answer until `end_ns`. */
static enum err restore(struct pci *pci, const struct saved *saved, u64 end_ns)
{
	const struct pci_function *function = saved->function;
	/* The ids of a virtual function read as all ones, as what does not answer. */
	u32 answer = function->physical ? function->class_code << 8 | function->revision
					: (u32)function->device_id << 16 | function->vendor_id;
	u16 bdf = function->bdf;
	u32 pcie = function->pcie;

	while (pci_read(pci, bdf, function->physical ? PCI_CLASS : PCI_VENDOR_ID, 4) != answer) {
		if (now_ns() >= end_ns)
			return ERR_TIMEOUT;
		pci_relax(pci);
	}
	pci_write(pci, bdf, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
	pci_msi_off(pci, function);
	pci_msix_off(pci, function);
	for (u32 i = 0; i < ARRAY_SIZE(kept); i++)
		pci_write(pci, bdf, kept[i].offset, kept[i].width, saved->header[i]);
	if (pcie)
		pci_write(pci, bdf, pcie + PCIE_DEVICE_CONTROL, 2,
			  saved->control & ~(u32)PCIE_START_FLR);
	if (saved->control2)
		pci_write(pci, bdf, pcie + PCIE_DEVICE_CONTROL2, 2, saved->control2);
	return saved->separate && !pci_isolate(pci, function) ? ERR_DEVICE : OK;
}

static void reset_bus(struct pci *pci, u16 bridge)
{
	pci_change(pci, bridge, PCI_BRIDGE_CONTROL, BRIDGE_BUS_RESET, 0);
	pci_wait_ns(pci, BUS_RESET_NS);
	pci_change(pci, bridge, PCI_BRIDGE_CONTROL, 0, BRIDGE_BUS_RESET);
	pci_wait_ns(pci, BUS_SETTLE_NS);
}

static void trigger(struct pci *pci, const struct pci_function *function, enum pci_reset_kind kind)
{
	u16 bdf = function->bdf;
	u32 at;

	switch (kind) {
	case PCI_RESET_FLR:
		pci_change(pci, bdf, function->pcie + PCIE_DEVICE_CONTROL, PCIE_START_FLR, 0);
		pci_wait_ns(pci, FLR_NS);
		break;
	case PCI_RESET_AF:
		at = pci_find_capability(pci, bdf, PCI_CAP_ADVANCED, 0);
		pci_write(pci, bdf, at + AF_CONTROL, 1, AF_START_FLR);
		pci_wait_ns(pci, FLR_NS);
		break;
	case PCI_RESET_POWER:
		set_power(pci, bdf, 3);
		set_power(pci, bdf, 0);
		break;
	case PCI_RESET_BUS:
		reset_bus(pci, function->bridge);
		break;
	case PCI_RESET_NONE:
		break;
	}
}

enum err pci_reset(struct pci *pci, const struct pci_function *function)
{
	enum pci_reset_kind kind = pci_reset_kind(pci, function);
	struct saved saved[BUS_FUNCTIONS_MAX];
	u64 end_ns = now_ns() + PCI_RESET_DRAIN_NS;
	enum err result = OK;
	u32 count = 0;

	if (kind == PCI_RESET_NONE)
		return ERR_UNSUPPORTED;
	for (u32 i = 0; i < pci->function_count; i++) {
		const struct pci_function *other = &pci->functions[i];

		if (kind == PCI_RESET_BUS ? other->bridge != function->bridge : other != function)
			continue;
		quiesce(pci, other, end_ns);
		save(pci, other, &saved[count++]);
	}
	trigger(pci, function, kind);
	end_ns = now_ns() + PCI_RESET_READY_NS;
	for (u32 i = 0; i < count; i++) {
		enum err e = restore(pci, &saved[i], end_ns);

		if (e)
			result = e;
	}
	return result;
}
