// SPDX-License-Identifier: Apache-2.0
/* A guest's PCI buses: configuration space, and the functions that are put on them. */
#include "guest/pci.h"

#include "core/lib/string.h"
#include "drivers/pci_regs.h"
#include "guest/layout.h"
#include "guest/pci_port.h"

#define REG_BAR_END 0x34 /* the option ROM is the last of them */
#define COMMAND_WRITABLE \
	(PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER | BIT(0) | BIT(6) | BIT(8) | BIT(10))

#define DEVICE_HOST_BRIDGE 0x0008
#define CLASS_HOST_BRIDGE  0x060000u

#define PORT_ADDRESS	  0xcf8
#define PORT_COUNT	  8
#define PORT_DATA_OFFSET  4
#define PORT_RESET_OFFSET 1
#define ADDRESS_ENABLE	  BIT(31)

/* ---- access ---- */

/* The command register or a BAR holds a new value. */
static void command_changed(struct guest_pci *pci, struct guest_pci_slot *slot)
{
	struct vpci_function *f = slot->function;
	u32 command = vpci_get(f->config + PCI_COMMAND, 2);

	f->memory_enabled = command & PCI_COMMAND_MEMORY;
	f->bus_master = command & PCI_COMMAND_BUS_MASTER;
	if (!f->config[PCI_HEADER_TYPE])
		bar_update(pci->vm, f, &slot->bars);
}

static void function_written(struct guest_pci *pci, struct guest_pci_slot *slot, u32 offset,
			     u32 size)
{
	struct vpci_function *f = slot->function;
	u32 end = offset + size;
	bool is_msix = f->msix_count && offset < f->msix_cap + 4u && end > f->msix_cap + 2u;
	bool is_bar = offset < REG_BAR_END && end > PCI_BAR0;

	if (offset < REG_BAR_END)
		command_changed(pci, slot);
	if (f->msix_count)
		msix_control(&slot->msix,
			     (u16)vpci_get(f->config + f->msix_cap + PCI_MSIX_CONTROL, 2),
			     f->bus_master);
	if (f->config_written && (!is_msix || f->msix_own) && !is_bar)
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

/* Function 0 of devices on bus 0, and of one device behind each root port; NULL: nothing. */
static struct guest_pci_slot *slot_at(struct guest_pci *pci, u32 bus, u32 devfn)
{
	struct guest_pci_slot *slot = NULL;

	if (!bus && !(devfn & 7) && devfn >> 3 < GUEST_PCI_SLOTS)
		slot = &pci->slots[devfn >> 3];
	for (u32 i = 0; i < GUEST_PCI_ROOT_PORTS && bus && !devfn; i++)
		if (guest_port_bus(&pci->ports[i]) == bus)
			slot = &pci->ports[i].slot;
	return slot && slot->function ? slot : NULL;
}

void guest_pci_config(struct guest_pci *pci, u32 bus, u32 devfn, u32 offset, struct access *access)
{
	struct guest_pci_slot *slot = slot_at(pci, bus, devfn);
	u32 value = 0;

	if (!slot) {
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

static void put_in_slot(struct guest_pci *pci, struct guest_pci_slot *slot,
			struct vpci_function *function)
{
	slot->function = function;
	function->vm = pci->vm;
	function->slot = slot;
	memcpy(slot->reset_config, function->config, sizeof(slot->reset_config));
}

enum err guest_pci_create(struct vm *vm, struct guest_pci *pci, struct power_state *power)
{
	const struct region memory = { LAYOUT_ECAM, LAYOUT_ECAM_SIZE, ecam, pci, "PCI ECAM" };
	const struct region port = { PORT_ADDRESS, PORT_COUNT, ports, pci, "PCI ports" };
	const u32 id = GUEST_PCI_VENDOR | DEVICE_HOST_BRIDGE << 16;
	enum err e;

	pci->vm = vm;
	pci->power = power;
	pci->room = (struct guest_pci_room){ LAYOUT_BAR32, GUEST_PORT_WINDOW32, LAYOUT_BAR64,
					     GUEST_PORT_WINDOW64 };
	vpci_put(pci->host_bridge.config, id, 4);
	vpci_put(pci->host_bridge.config + PCI_CLASS, CLASS_HOST_BRIDGE << 8, 4);
	vpci_put(pci->host_bridge.config + PCI_SUBSYSTEM_VENDOR, id, 4);
	put_in_slot(pci, &pci->slots[0], &pci->host_bridge);
	for (u32 i = 0; i < GUEST_PCI_ROOT_PORTS; i++) {
		guest_port_make(&pci->ports[i], i + 1);
		put_in_slot(pci, &pci->slots[i + 1], &pci->ports[i].function);
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

	cap[0] = PCI_CAP_MSIX;
	vpci_put(cap + 2, f->msix_count - 1, 2);
	vpci_put(f->writable + f->msix_cap + 2, 0xc000, 2);
	slot->msix.vm = pci->vm;
	slot->msix.count = f->msix_count;
	if (f->msix_own)
		return OK;
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
	vpci_put(cap + PCI_MSIX_TABLE, f->msix_offset | f->msix_bar, 4);
	vpci_put(cap + PCI_MSIX_PBA, (f->msix_offset + MSIX_PENDING) | f->msix_bar, 4);
	return OK;
}

/* Places for the BARs, as a firmware gives them. */
static enum err place_bars(struct guest_pci_room *room, struct vpci_function *f)
{
	for (u32 i = 0; i < VPCI_BAR_COUNT; i++) {
		const struct vpci_bar *bar = &f->bars[i];
		/* The guest's tables say that the high window is prefetchable. */
		bool high = bar->is_64bit && bar->prefetchable;
		u64 *next = high ? &room->next64 : &room->next32;
		u64 end = high ? room->end64 : room->end32;

		if (!bar->size)
			continue;
		if (ALIGN_UP(*next, bar->size) + bar->size > end)
			return ERR_RANGE;
		bar_write_base(f, i, ALIGN_UP(*next, bar->size));
		*next = ALIGN_UP(*next, bar->size) + bar->size;
	}
	return OK;
}

/*
 * What the model has described becomes a function that a guest can use: `device` on bus 0, or
 * behind the root port there.
 */
static enum err prepare(struct guest_pci *pci, struct guest_pci_slot *slot, u32 device,
			struct guest_pci_room *room, struct vpci_function *f)
{
	enum err e = f->msix_count ? add_msix(pci, slot, f) : OK;

	if (!e)
		e = bar_check(f);
	if (e)
		return e;
	bar_init(f);
	vpci_put(f->config + PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	vpci_put(f->writable + PCI_COMMAND, COMMAND_WRITABLE, 2);
	f->writable[PCI_INTERRUPT_LINE] = 0xff;
	f->gsi = (u8)LAYOUT_INTX(device);
	if (f->config[PCI_INTERRUPT_PIN])
		f->config[PCI_INTERRUPT_LINE] = f->gsi;
	e = place_bars(room, f);
	if (e)
		return e;
	f->raise_msix = raise;
	put_in_slot(pci, slot, f);
	return OK;
}

enum err guest_pci_add(struct guest_pci *pci, struct vpci_function *f)
{
	u32 device = GUEST_PCI_FIRST_FREE;

	while (device < GUEST_PCI_SLOTS && pci->slots[device].function)
		device++;
	if (device == GUEST_PCI_SLOTS)
		return ERR_FULL;
	return prepare(pci, &pci->slots[device], device, &pci->room, f);
}

static void switch_off(struct guest_pci *pci, struct guest_pci_slot *slot)
{
	slot->function->memory_enabled = false;
	slot->function->bus_master = false;
	bar_update(pci->vm, slot->function, &slot->bars);
	msix_reset(&slot->msix);
}

enum err guest_pci_plug(struct guest_pci *pci, struct vpci_function *f)
{
	struct guest_pci_port *port = pci->ports;
	struct guest_pci_room room;
	enum err e;

	spin_guard(&pci->vm->device_lock);
	while (port < pci->ports + GUEST_PCI_ROOT_PORTS && port->slot.function)
		port++;
	if (port == pci->ports + GUEST_PCI_ROOT_PORTS)
		return ERR_FULL;
	guest_port_room(port, &room);
	e = prepare(pci, &port->slot, port->slot_number, &room, f);
	if (e)
		return e;
	/* What has just been plugged in decodes nothing; after a reset firmware has been there. */
	vpci_put(f->config + PCI_COMMAND, 0, 2);
	switch_off(pci, &port->slot);
	guest_port_changed(port);
	return OK;
}

void guest_pci_unplug(struct guest_pci *pci, struct vpci_function *f)
{
	spin_guard(&pci->vm->device_lock);
	for (u32 i = 0; i < GUEST_PCI_ROOT_PORTS; i++) {
		struct guest_pci_port *port = &pci->ports[i];

		if (port->slot.function != f)
			continue;
		switch_off(pci, &port->slot);
		port->slot.function = NULL;
		guest_port_changed(port);
	}
}

void guest_pci_reset(struct guest_pci *pci)
{
	struct guest_pci_slot *slots[GUEST_PCI_SLOTS + GUEST_PCI_ROOT_PORTS];

	spin_guard(&pci->vm->device_lock);
	pci->address = 0;
	for (u32 i = 0; i < ARRAY_SIZE(slots); i++) {
		slots[i] = i < GUEST_PCI_SLOTS ? &pci->slots[i]
					       : &pci->ports[i - GUEST_PCI_SLOTS].slot;
		if (!slots[i]->function)
			continue;
		switch_off(pci, slots[i]);
		memcpy(slots[i]->function->config, slots[i]->reset_config,
		       sizeof(slots[i]->reset_config));
	}
	for (u32 i = 0; i < GUEST_PCI_ROOT_PORTS; i++)
		guest_port_reset(&pci->ports[i]);
	/* Only now: a BAR may come to lie where another one was moved to. */
	for (u32 i = 0; i < ARRAY_SIZE(slots); i++)
		if (slots[i]->function)
			command_changed(pci, slots[i]);
}
