// SPDX-License-Identifier: Apache-2.0
/* A guest's PCI bus: configuration space, host bridge and root ports. */
#include "guest/pci.h"

#include "core/lib/string.h"
#include "guest/layout.h"

#define REG_COMMAND	    0x04
#define REG_STATUS	    0x06
#define REG_CLASS	    0x08
#define REG_HEADER_TYPE	    0x0e
#define REG_BAR0	    0x10
#define REG_BAR_END	    0x28
#define REG_CAPABILITIES    0x34
#define REG_INTERRUPT_LINE  0x3c
#define COMMAND_MEMORY	    BIT(1)
#define COMMAND_MASTER	    BIT(2)
#define COMMAND_WRITABLE    (COMMAND_MEMORY | COMMAND_MASTER | BIT(0) | BIT(6) | BIT(8) | BIT(10))
#define STATUS_CAPABILITIES BIT(4)
#define HEADER_BRIDGE	    1

/* Identities that are reserved for virtual hardware; Linux binds its generic drivers. */
#define VENDOR_REDHAT	   0x1b36
#define DEVICE_HOST_BRIDGE 0x0008
#define DEVICE_ROOT_PORT   0x000c
#define CLASS_HOST_BRIDGE  0x060000u
#define CLASS_PCI_BRIDGE   0x060400u

#define CAP_MSI		   0x05
#define CAP_MSIX	   0x11
#define CAP_PCIE	   0x10
#define ROOT_PORT_PCIE_CAP 0x40
#define ROOT_PORT_MSI_CAP  0x80
#define MSI_64BIT	   BIT(7)
#define PCIE_ROOT_PORT	   (2 | 4 << 4 | 1 << 8) /* version 2, root port, has a slot */
#define PCIE_ROLE_ERRORS   BIT(15)
#define PCIE_LINK_X1_GEN1  (1 | 1 << 4)
#define PCIE_LINK_REPORTS  BIT(20) /* data link layer active reporting */
#define SLOT_SURPRISE	   BIT(5)
#define SLOT_HOT_PLUG	   BIT(6)
#define SLOT_NO_COMPLETION BIT(18) /* commands need no waiting */
#define SLOT_CONTROL_MASK  0x1038  /* presence, command and hot-plug interrupts, link changes */

/* What firmware opens at each root port for what may be plugged in. */
#define PORT_WINDOW32	   (LAYOUT_BAR32 + LAYOUT_BAR32_SIZE / 2)
#define PORT_WINDOW32_SIZE MIB(32)
#define PORT_WINDOW64	   (LAYOUT_BAR64 + LAYOUT_BAR64_SIZE / 2)
#define PORT_WINDOW64_SIZE GIB(16)

#define PORT_ADDRESS	  0xcf8
#define PORT_COUNT	  8
#define PORT_DATA_OFFSET  4
#define PORT_RESET_OFFSET 1
#define ADDRESS_ENABLE	  BIT(31)

static void put(u8 *at, u32 value, u32 size)
{
	memcpy(at, &value, size);
}

static u32 get16(const u8 *at)
{
	return at[0] | (u32)at[1] << 8;
}

/* ---- access ---- */

/* The command register or a BAR holds a new value. */
static void command_changed(struct guest_pci *pci, struct guest_pci_slot *slot)
{
	struct vpci_function *f = slot->function;
	u32 command = get16(f->config + REG_COMMAND);

	f->memory_enabled = command & COMMAND_MEMORY;
	f->bus_master = command & COMMAND_MASTER;
	if (!f->config[REG_HEADER_TYPE])
		bar_update(pci->vm, f, &slot->bars);
}

static void function_written(struct guest_pci *pci, struct guest_pci_slot *slot, u32 offset,
			     u32 size)
{
	struct vpci_function *f = slot->function;
	u32 end = offset + size;
	bool is_msix = f->msix_count && offset < f->msix_cap + 4u && end > f->msix_cap + 2u;
	bool is_bar = offset < REG_BAR_END && end > REG_BAR0;

	if (offset < REG_BAR_END)
		command_changed(pci, slot);
	if (f->msix_count)
		msix_control(&slot->msix, (u16)get16(f->config + f->msix_cap + 2), f->bus_master);
	if (f->config_written && !is_msix && !is_bar)
		f->config_written(f, offset, size);
}

static void write_config(struct guest_pci *pci, struct guest_pci_slot *slot, u32 offset, u32 size,
			 u32 value)
{
	struct vpci_function *f = slot->function;
	u8 touched = 0;

	for (u32 i = 0; i < size; i++) {
		u8 mask = f->writable[offset + i];

		touched |= mask;
		f->config[offset + i] =
			(u8)((f->config[offset + i] & ~mask) | (value >> i * 8 & mask));
	}
	if (touched)
		function_written(pci, slot, offset, size);
}

void guest_pci_config(struct guest_pci *pci, u32 bus, u32 devfn, u32 offset, struct access *access)
{
	struct guest_pci_slot *slot = &pci->slots[(devfn >> 3) % GUEST_PCI_SLOTS];
	u32 value = 0;

	/* Function 0 of devices on bus 0: nothing is behind the root ports. */
	if (bus || devfn & 7 || devfn >> 3 >= GUEST_PCI_SLOTS || !slot->function) {
		access->value = BIT(access->size * 8) - 1;
		return;
	}
	if (access->write) {
		write_config(pci, slot, offset, access->size, (u32)access->value);
		return;
	}
	memcpy(&value, slot->function->config + offset, access->size);
	access->value = value;
}

static bool access_is_good(const struct access *access, u64 offset)
{
	return access->size <= 4 && !(offset % access->size);
}

static enum access_result ecam(struct vcpu *vcpu, void *ctx, struct access *access)
{
	(void)vcpu;
	if (!access_is_good(access, access->offset))
		return ACCESS_NOT_MINE;
	guest_pci_config(ctx, (u32)(access->offset >> 20), access->offset >> 12 & 0xff,
			 access->offset & 0xfff, access);
	return ACCESS_HANDLED;
}

static enum access_result ports(struct vcpu *vcpu, void *ctx, struct access *access)
{
	struct guest_pci *pci = ctx;

	if (access->offset == PORT_RESET_OFFSET && access->size == 1)
		return power_reset_control(vcpu, pci->power, access);
	if (!access->offset && access->size == 4) {
		if (access->write)
			pci->address = (u32)access->value;
		else
			access->value = pci->address;
		return ACCESS_HANDLED;
	}
	if (access->offset < PORT_DATA_OFFSET || !(pci->address & ADDRESS_ENABLE) ||
	    !access_is_good(access, access->offset))
		return ACCESS_NOT_MINE;
	guest_pci_config(pci, pci->address >> 16 & 0xff, pci->address >> 8 & 0xff,
			 (pci->address & 0xfc) + (access->offset - PORT_DATA_OFFSET), access);
	return ACCESS_HANDLED;
}

/* ---- functions ---- */

static void init_header(struct vpci_function *f, u16 vendor, u16 device, u32 class_code)
{
	put(f->config, vendor, 2);
	put(f->config + 2, device, 2);
	put(f->config + REG_CLASS, class_code << 8, 4);
	put(f->config + 0x2c, vendor, 2);
	put(f->config + 0x2e, device, 2);
}

/* Bus numbers and windows, as firmware leaves them (PCI-to-PCI bridge 1.2, 3.2.5). */
static void open_windows(struct vpci_function *f, u32 number)
{
	u64 memory = PORT_WINDOW32 + (number - 1) * PORT_WINDOW32_SIZE;
	u64 prefetch = PORT_WINDOW64 + (number - 1) * PORT_WINDOW64_SIZE;
	u64 memory_last = memory + PORT_WINDOW32_SIZE - 1;
	u64 prefetch_last = prefetch + PORT_WINDOW64_SIZE - 1;

	f->config[0x19] = (u8)number; /* secondary */
	f->config[0x1a] = (u8)number; /* subordinate */
	put(f->writable + 0x18, 0x00ffffff, 4);
	put(f->config + 0x20, (u32)(memory >> 16 & 0xfff0) | (u32)(memory_last & 0xfff00000), 4);
	put(f->writable + 0x20, 0xfff0fff0, 4);
	/* 64 bits wide: 1 in the low bits of both ends. */
	put(f->config + 0x24,
	    ((u32)(prefetch >> 16 & 0xfff0) | (u32)(prefetch_last & 0xfff00000)) + 0x00010001, 4);
	put(f->writable + 0x24, 0xfff0fff0, 4);
	put(f->config + 0x28, (u32)(prefetch >> 32), 4);
	put(f->writable + 0x28, ~0u, 4);
	put(f->config + 0x2c, (u32)(prefetch_last >> 32), 4);
	put(f->writable + 0x2c, ~0u, 4);
}

/* An empty slot that takes hot-plug by surprise; its events will come by MSI. */
static void make_slot(struct vpci_function *f, u32 number)
{
	u8 *cap = f->config + ROOT_PORT_PCIE_CAP;
	u8 *writable = f->writable + ROOT_PORT_PCIE_CAP;

	cap[0] = CAP_PCIE;
	cap[1] = ROOT_PORT_MSI_CAP;
	put(cap + 2, PCIE_ROOT_PORT, 2);
	put(cap + 4, PCIE_ROLE_ERRORS, 4);
	put(writable + 8, 0x7fff, 2); /* device control */
	put(cap + 0x0c, PCIE_LINK_X1_GEN1 | PCIE_LINK_REPORTS | number << 24, 4);
	put(writable + 0x10, 0x00d0, 2); /* link control: disable, common clock, extended synch */
	put(cap + 0x12, PCIE_LINK_X1_GEN1, 2);
	put(cap + 0x14, SLOT_SURPRISE | SLOT_HOT_PLUG | SLOT_NO_COMPLETION | number << 19, 4);
	put(writable + 0x18, SLOT_CONTROL_MASK, 2);
	put(writable + 0x1c, 0x000f, 2); /* root control */
	put(cap + 0x2c, BIT(1), 4);	 /* link capabilities 2: 2.5 GT/s */
	put(cap + 0x30, 1, 2);
	f->config[ROOT_PORT_MSI_CAP] = CAP_MSI;
	put(f->config + ROOT_PORT_MSI_CAP + 2, MSI_64BIT, 2);
	put(f->writable + ROOT_PORT_MSI_CAP + 2, 1, 2); /* enable */
	put(f->writable + ROOT_PORT_MSI_CAP + 4, ~3u, 4);
	put(f->writable + ROOT_PORT_MSI_CAP + 8, ~0u, 4);
	put(f->writable + ROOT_PORT_MSI_CAP + 12, 0xffff, 2);
}

static void make_root_port(struct vpci_function *f, u32 number)
{
	init_header(f, VENDOR_REDHAT, DEVICE_ROOT_PORT, CLASS_PCI_BRIDGE);
	put(f->config + 0x2c, 0, 4); /* no subsystem in a bridge's header */
	f->config[REG_HEADER_TYPE] = HEADER_BRIDGE;
	put(f->config + REG_STATUS, STATUS_CAPABILITIES, 2);
	f->config[REG_CAPABILITIES] = ROOT_PORT_PCIE_CAP;
	put(f->writable + REG_COMMAND, COMMAND_WRITABLE, 2);
	f->writable[REG_INTERRUPT_LINE] = 0xff;
	put(f->writable + 0x3e, 0x0043, 2); /* bridge control: parity, SERR, bus reset */
	open_windows(f, number);
	make_slot(f, number);
}

static void put_in_slot(struct guest_pci *pci, u32 device, struct vpci_function *function)
{
	struct guest_pci_slot *slot = &pci->slots[device];

	slot->function = function;
	function->vm = pci->vm;
	function->slot = slot;
	memcpy(slot->reset_config, function->config, sizeof(slot->reset_config));
}

enum err guest_pci_create(struct vm *vm, struct guest_pci *pci, struct power_state *power)
{
	const struct region memory = { LAYOUT_ECAM, LAYOUT_ECAM_SIZE, ecam, pci, "PCI ECAM" };
	const struct region port = { PORT_ADDRESS, PORT_COUNT, ports, pci, "PCI ports" };
	enum err e;

	pci->vm = vm;
	pci->power = power;
	pci->next_bar32 = LAYOUT_BAR32;
	pci->next_bar64 = LAYOUT_BAR64;
	init_header(&pci->host_bridge, VENDOR_REDHAT, DEVICE_HOST_BRIDGE, CLASS_HOST_BRIDGE);
	put_in_slot(pci, 0, &pci->host_bridge);
	for (u32 i = 0; i < GUEST_PCI_ROOT_PORTS; i++) {
		make_root_port(&pci->root_ports[i], i + 1);
		put_in_slot(pci, i + 1, &pci->root_ports[i]);
	}
	spin_guard(&vm->device_lock);
	e = region_add(&vm->mmio, &memory);
	return e ? e : region_add(&vm->ports, &port);
}

static void raise(struct vpci_function *function, u32 vector)
{
	msix_raise(&((struct guest_pci_slot *)function->slot)->msix, vector);
}

/* The table's page becomes a trapped span of its BAR, kept in order. */
static enum err add_msix(struct guest_pci *pci, struct guest_pci_slot *slot,
			 struct vpci_function *f)
{
	struct vpci_bar *bar = &f->bars[f->msix_bar];
	u32 at = bar->span_count;
	u8 *cap = f->config + f->msix_cap;

	if (f->msix_count > MSIX_VECTORS_MAX || at == VPCI_BAR_SPAN_MAX || !bar->size)
		return ERR_INVALID;
	for (; at && bar->spans[at - 1].offset > f->msix_offset; at--)
		bar->spans[at] = bar->spans[at - 1];
	bar->spans[at] = (struct vpci_span){
		.kind = VPCI_SPAN_TRAPPED,
		.offset = f->msix_offset,
		.size = PAGE_SIZE,
		.handler = msix_page,
		.ctx = &slot->msix,
	};
	bar->span_count++;
	cap[0] = CAP_MSIX;
	put(cap + 2, f->msix_count - 1, 2);
	put(cap + 4, f->msix_offset | f->msix_bar, 4);
	put(cap + 8, (f->msix_offset + 0x800) | f->msix_bar, 4);
	put(f->writable + f->msix_cap + 2, 0xc000, 2);
	slot->msix.vm = pci->vm;
	slot->msix.count = f->msix_count;
	return OK;
}

/* Places for the BARs, as a firmware gives them. */
static enum err place_bars(struct guest_pci *pci, struct vpci_function *f)
{
	for (u32 i = 0; i < VPCI_BAR_COUNT; i++) {
		const struct vpci_bar *bar = &f->bars[i];
		/* The guest's tables say that the high window is prefetchable. */
		bool high = bar->is_64bit && bar->prefetchable;
		u64 *next = high ? &pci->next_bar64 : &pci->next_bar32;
		u64 end = high ? PORT_WINDOW64 : PORT_WINDOW32;

		if (!bar->size)
			continue;
		if (ALIGN_UP(*next, bar->size) + bar->size > end)
			return ERR_RANGE;
		bar_write_base(f, i, ALIGN_UP(*next, bar->size));
		*next = ALIGN_UP(*next, bar->size) + bar->size;
	}
	return OK;
}

enum err guest_pci_add(struct guest_pci *pci, struct vpci_function *f)
{
	u32 device = GUEST_PCI_FIRST_FREE;
	enum err e = OK;

	while (device < GUEST_PCI_SLOTS && pci->slots[device].function)
		device++;
	if (device == GUEST_PCI_SLOTS)
		return ERR_FULL;
	if (f->msix_count)
		e = add_msix(pci, &pci->slots[device], f);
	if (!e)
		e = bar_check(f);
	if (e)
		return e;
	bar_init(f);
	put(f->config + REG_COMMAND, COMMAND_MEMORY, 2);
	put(f->writable + REG_COMMAND, COMMAND_WRITABLE, 2);
	f->writable[REG_INTERRUPT_LINE] = 0xff;
	e = place_bars(pci, f);
	if (e)
		return e;
	f->raise_msix = raise;
	put_in_slot(pci, device, f);
	return OK;
}

static void reset_slot(struct guest_pci *pci, struct guest_pci_slot *slot)
{
	struct vpci_function *f = slot->function;

	f->memory_enabled = false;
	f->bus_master = false;
	bar_update(pci->vm, f, &slot->bars);
	memcpy(f->config, slot->reset_config, sizeof(slot->reset_config));
	msix_reset(&slot->msix);
}

void guest_pci_reset(struct guest_pci *pci)
{
	spin_guard(&pci->vm->device_lock);
	pci->address = 0;
	for (u32 i = 0; i < GUEST_PCI_SLOTS; i++)
		if (pci->slots[i].function)
			reset_slot(pci, &pci->slots[i]);
	/* Only now: a BAR may come to lie where another one was moved to. */
	for (u32 i = 0; i < GUEST_PCI_SLOTS; i++)
		if (pci->slots[i].function)
			command_changed(pci, &pci->slots[i]);
}
