/* SPDX-License-Identifier: Apache-2.0 */
/* PCI configuration access by ECAM or ports, enumeration, capabilities. */
#include "drivers/pci.h"

#include "arch/x86/io.h"
#include "core/lib/string.h"

#define CONFIG_ADDRESS_PORT 0xcf8
#define CONFIG_DATA_PORT    0xcfc
#define CONFIG_ENABLE	    BIT(31)
#define ECAM_BUS_BYTES	    MIB(1)

#define HEADER_MULTIFUNCTION 0x80
#define CLASS_HOST_BRIDGE    0x0600

#define BAR_IO	     BIT(0)
#define BAR_IO_FLAGS 3ULL

/* Buses without ECAM are reached by the ports, which have no room for more than 256 bytes. */
static bool is_access(const struct pci *pci, u16 bdf, u32 offset, unsigned width)
{
	u32 bytes = pci->ecam[PCI_BUS(bdf)] ? PCIE_CONFIG_BYTES : PCI_CONFIG_BYTES;

	return (width == 1 || width == 2 || width == 4) && offset < bytes &&
	       IS_ALIGNED(offset, width);
}

static u8 *ecam_address(const struct pci *pci, u16 bdf, u32 offset)
{
	return pci->ecam[PCI_BUS(bdf)] + ((u32)(bdf & 0xff) << 12) + offset;
}

static void select_register(u16 bdf, u32 offset)
{
	outl(CONFIG_ADDRESS_PORT, (u32)(CONFIG_ENABLE | (u32)bdf << 8 | (offset & ~3U)));
}

/* Registers have 32 bits, and reading one changes nothing. */
u32 pci_read(struct pci *pci, u16 bdf, u32 offset, unsigned width)
{
	u32 mask = width >= 4 ? ~0U : (1U << (8 * width)) - 1;
	u32 value;

	if (!is_access(pci, bdf, offset, width))
		return mask;
	if (pci->ecam[PCI_BUS(bdf)]) {
		value = mmio_read32(ecam_address(pci, bdf, offset & ~3U));
	} else {
		spin_guard(&pci->ports);
		select_register(bdf, offset);
		value = inl(CONFIG_DATA_PORT);
	}
	return value >> (8 * (offset & 3)) & mask;
}

static void port_write(struct pci *pci, u16 bdf, u32 offset, unsigned width, u32 value)
{
	u16 port = (u16)(CONFIG_DATA_PORT + (offset & 3));

	spin_guard(&pci->ports);
	select_register(bdf, offset);
	if (width == 1)
		outb(port, (u8)value);
	else if (width == 2)
		outw(port, (u16)value);
	else
		outl(port, value);
}

void pci_write(struct pci *pci, u16 bdf, u32 offset, unsigned width, u32 value)
{
	if (!is_access(pci, bdf, offset, width))
		return;
	if (!pci->ecam[PCI_BUS(bdf)])
		port_write(pci, bdf, offset, width, value);
	else
		mmio_write(ecam_address(pci, bdf, offset), width, value);
}

void pci_change(struct pci *pci, u16 bdf, u32 offset, u32 set, u32 clear)
{
	pci_write(pci, bdf, offset, 2, (pci_read(pci, bdf, offset, 2) & ~clear) | set);
}

void pci_init(struct pci *pci, pci_map_fn map, hpa_t ecam_base, u8 first_bus, u8 last_bus)
{
	memset(pci, 0, sizeof(*pci));
	pci->map = map;
	pci->ecam_base = ecam_base;
	pci->ecam_first_bus = first_bus;
	pci->ecam_last_bus = last_bus;
}

/* A bus that cannot be mapped is reached by the ports. */
static void map_bus(struct pci *pci, u8 bus)
{
	hpa_t base = HPA(pci->ecam_base.raw + bus * ECAM_BUS_BYTES);

	if (!pci->ecam_base.raw || bus < pci->ecam_first_bus || bus > pci->ecam_last_bus)
		return;
	pci->ecam[bus] = pci->map(base, ECAM_BUS_BYTES);
}

struct pci_function *pci_find(struct pci *pci, u16 bdf)
{
	for (u32 i = 0; i < pci->function_count; i++) {
		if (pci->functions[i].bdf == bdf)
			return &pci->functions[i];
	}
	return NULL;
}

u8 pci_next_capability(struct pci *pci, u16 bdf, u8 after)
{
	u32 at = after ? after + 1U : PCI_CAPABILITIES;

	if (!(pci_read(pci, bdf, PCI_STATUS, 2) & PCI_STATUS_CAPABILITIES))
		return 0;
	at = pci_read(pci, bdf, at, 1) & ~3U;
	return (u8)(at < 64 ? 0 : at);
}

/*
 * The list is the device's to make: a loop in it ends after as many steps as
 * capabilities fit into the space behind the header.
 */
u8 pci_find_capability(struct pci *pci, u16 bdf, u8 id, u8 after)
{
	for (unsigned steps = 0; steps < PCI_CAPABILITIES_MAX; steps++) {
		after = pci_next_capability(pci, bdf, after);
		if (!after || pci_read(pci, bdf, after, 1) == id)
			return after;
	}
	return 0;
}

u16 pci_next_extended(struct pci *pci, u16 bdf, u16 after)
{
	u32 at = PCI_CONFIG_BYTES;
	u32 header;

	/* Elsewhere a bus may repeat the first 256 bytes there. */
	if (!after && !pci_find_capability(pci, bdf, PCI_CAP_PCIE, 0))
		return 0;
	if (after)
		at = pci_read(pci, bdf, after, 4) >> 20 & ~3U;
	if (at < PCI_CONFIG_BYTES)
		return 0;
	header = pci_read(pci, bdf, at, 4);
	return (u16)(header == 0 || header == ~0U ? 0 : at);
}

u16 pci_find_extended(struct pci *pci, u16 bdf, u16 id)
{
	u16 at = 0;

	for (unsigned steps = 0; steps < PCI_EXTENDED_MAX; steps++) {
		at = pci_next_extended(pci, bdf, at);
		if (!at || pci_read(pci, bdf, at, 2) == id)
			return at;
	}
	return 0;
}

/* Reads back what of all ones stays in a BAR, and puts the old value there again. */
static u32 probe_bar(struct pci *pci, u16 bdf, u32 offset, u32 old)
{
	u32 mask;

	pci_write(pci, bdf, offset, 4, ~0U);
	mask = pci_read(pci, bdf, offset, 4);
	pci_write(pci, bdf, offset, 4, old);
	return mask;
}

/* Describes the BAR at `offset`, `count` registers from the end; returns how many it takes. */
static unsigned size_bar(struct pci *pci, u16 bdf, u32 offset, unsigned count, struct pci_bar *bar)
{
	u32 low = pci_read(pci, bdf, offset, 4);
	u64 mask = probe_bar(pci, bdf, offset, low);
	u64 base = low;
	u32 high;

	if (mask == 0 || mask == ~0U)
		return 1;
	if (low & BAR_IO) {
		bar->kind = PCI_BAR_IO;
		bar->base = low & ~BAR_IO_FLAGS & 0xffff;
		/* The upper half may be hardwired to 0: ports have 16 bits. */
		bar->size = ~((mask & ~BAR_IO_FLAGS) | ~0xffffULL) + 1;
		return 1;
	}
	bar->kind = PCI_BAR_MEM32;
	bar->prefetchable = low & PCI_BAR_PREFETCHABLE;
	if ((low & PCI_BAR_64BIT) && count > 1) {
		bar->kind = PCI_BAR_MEM64;
		high = pci_read(pci, bdf, offset + 4, 4);
		base |= (u64)high << 32;
		mask |= (u64)probe_bar(pci, bdf, offset + 4, high) << 32;
	} else {
		mask |= ~0ULL << 32;
	}
	bar->base = base & ~PCI_BAR_FLAGS;
	bar->size = ~(mask & ~PCI_BAR_FLAGS) + 1;
	if (bar->size & (bar->size - 1)) {
		/* Ones in the middle: no BAR that follows the rules. */
		*bar = (struct pci_bar){ .kind = PCI_BAR_NONE };
		return low & PCI_BAR_64BIT ? 2 : 1;
	}
	return bar->kind == PCI_BAR_MEM64 ? 2 : 1;
}

void pci_size_bars(struct pci *pci, u16 bdf, u32 offset, unsigned count, struct pci_bar bars[])
{
	for (unsigned i = 0; i < count;)
		i += size_bar(pci, bdf, offset + 4 * i, count - i, &bars[i]);
}

static void size_bars(struct pci *pci, struct pci_function *function)
{
	unsigned count = function->header_type == 1 ? 2 : PCI_MAX_BARS;
	u32 command = pci_read(pci, function->bdf, PCI_COMMAND, 2) & ~(u32)PCI_COMMAND_BUS_MASTER;

	/* A host bridge without decoding may cut the processor off from memory. */
	if (function->header_type > 1 || function->class_code >> 8 == CLASS_HOST_BRIDGE)
		return;
	pci_write(pci, function->bdf, PCI_COMMAND, 2,
		  command & ~(u32)(PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
	pci_size_bars(pci, function->bdf, PCI_BAR0, count, function->bars);
	pci_write(pci, function->bdf, PCI_COMMAND, 2, command);
}

static void read_capabilities(struct pci *pci, struct pci_function *function)
{
	u16 bdf = function->bdf;
	u32 table;

	function->msi = pci_find_capability(pci, bdf, PCI_CAP_MSI, 0);
	function->msix = pci_find_capability(pci, bdf, PCI_CAP_MSIX, 0);
	function->pcie = pci_find_capability(pci, bdf, PCI_CAP_PCIE, 0);
	if (!function->msix)
		return;
	table = pci_read(pci, bdf, function->msix + PCI_MSIX_TABLE, 4);
	function->msix_vectors =
		(u16)((pci_read(pci, bdf, function->msix + PCI_MSIX_CONTROL, 2) & 0x7ff) + 1);
	function->msix_bar = table & PCI_MSIX_BAR;
	function->msix_offset = table & ~PCI_MSIX_BAR;
}

/* The bus numbers that firmware gave a bridge, if they lead onwards. */
static void read_bridge(struct pci *pci, struct pci_function *function)
{
	function->secondary_bus = (u8)pci_read(pci, function->bdf, PCI_SECONDARY_BUS, 1);
	function->subordinate_bus = (u8)pci_read(pci, function->bdf, PCI_SUBORDINATE_BUS, 1);
	if (function->secondary_bus <= PCI_BUS(function->bdf) ||
	    function->subordinate_bus < function->secondary_bus) {
		function->secondary_bus = 0;
		function->subordinate_bus = 0;
	}
}

struct pci_function *pci_add(struct pci *pci, u16 bdf, u16 bridge, u32 ids)
{
	u32 class_revision = pci_read(pci, bdf, PCI_CLASS, 4);
	struct pci_function *function;

	if (pci->function_count == PCI_MAX_FUNCTIONS) {
		pci->left_out++;
		return NULL;
	}
	function = &pci->functions[pci->function_count++];
	*function = (struct pci_function){
		.bdf = bdf,
		.bridge = bridge,
		.vendor_id = (u16)ids,
		.device_id = (u16)(ids >> 16),
		.class_code = class_revision >> 8,
		.revision = (u8)class_revision,
		.header_type = pci_read(pci, bdf, PCI_HEADER_TYPE, 1) & 0x7f,
	};
	read_capabilities(pci, function);
	return function;
}

/* False where no function answers. */
static bool read_function(struct pci *pci, u16 bdf, u16 bridge)
{
	u32 ids = pci_read(pci, bdf, PCI_VENDOR_ID, 4);
	struct pci_function *function;

	if ((ids & 0xffff) == 0xffff || ids == 0)
		return false;
	function = pci_add(pci, bdf, bridge, ids);
	if (function && function->header_type == 1)
		read_bridge(pci, function);
	if (function)
		size_bars(pci, function);
	return true;
}

static void enumerate_bus(struct pci *pci, u8 bus, u16 bridge)
{
	for (u8 device = 0; device < 32; device++) {
		u16 bdf = PCI_BDF(bus, device, 0);

		if (!read_function(pci, bdf, bridge))
			continue;
		if (!(pci_read(pci, bdf, PCI_HEADER_TYPE, 1) & HEADER_MULTIFUNCTION))
			continue;
		for (u8 function = 1; function < 8; function++)
			read_function(pci, (u16)(bdf | function), bridge);
	}
}

/*
 * Buses in the order in which bridges to them are found: the table of
 * functions is the work list. A bridge leads to a higher bus number than its
 * own and each bus is taken once, so bad numbers cannot make a loop.
 */
void pci_enumerate(struct pci *pci)
{
	bool visited[256] = { [0] = true };

	map_bus(pci, 0);
	enumerate_bus(pci, 0, PCI_NO_BRIDGE);
	for (u32 i = 0; i < pci->function_count; i++) {
		u8 bus = pci->functions[i].secondary_bus;

		if (visited[bus])
			continue;
		visited[bus] = true;
		map_bus(pci, bus);
		enumerate_bus(pci, bus, pci->functions[i].bdf);
	}
}

void pci_enable(struct pci *pci, const struct pci_function *function, u16 command)
{
	u16 forward = command & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER);
	u16 bridge = function->bridge;

	/* From the top down the path is whole when the function itself is switched on. */
	for (unsigned depth = 0; bridge != PCI_NO_BRIDGE && depth < 256; depth++) {
		struct pci_function *above = pci_find(pci, bridge);

		if (!above)
			break;
		pci_change(pci, bridge, PCI_COMMAND, forward, 0);
		bridge = above->bridge;
	}
	pci_change(pci, function->bdf, PCI_COMMAND, command, 0);
}

void pci_disable(struct pci *pci, const struct pci_function *function, u16 command)
{
	pci_change(pci, function->bdf, PCI_COMMAND, 0, command);
}
