// SPDX-License-Identifier: Apache-2.0
/*
 * INTx of assigned functions. Where a pin is wired to, firmware's AML alone knows. So the physical
 * line stays off (Interrupt Disable), and the function's status register is read instead, which
 * says all the same whether it asserts (PCI Local Bus 3.0, 6.2.3):
 *
 *   each millisecond; at each end of an interrupt of that line --> line of the guest's I/O APIC
 *
 * The second is what lets a line go that the guest's driver has quieted: what the driver wrote
 * to the function is there before we read.
 */
#include "core/timer.h"
#include "guest/assigned.h"
#include "guest/assigned_parts.h"

#define LOOK_NS 1000000ULL

/* One guest's functions that are to be looked at. */
struct intx {
	struct spinlock lock;	/* inside device_lock or alone */
	struct assigned *users; /* by intx_next */
};

static struct intx guests[VM_MAX]; /* by vm->id - 1 */

/* What the last look saw is kept where the guest reads it. */
static void set_asserts(struct assigned *a, bool asserts)
{
	u8 *status = &a->function.config[PCI_STATUS];

	*status = (u8)((*status & ~PCI_STATUS_INTERRUPT) | (asserts ? PCI_STATUS_INTERRUPT : 0));
}

/* A line is high as long as one function of several asserts it. Lock held. */
static void drive(const struct intx *intx, const struct assigned *changed)
{
	u32 gsi = changed->function.gsi, asserts = 0;

	for (const struct assigned *a = intx->users; a; a = a->intx_next)
		if (a->function.gsi == gsi)
			asserts |= a->function.config[PCI_STATUS] & PCI_STATUS_INTERRUPT;
	vm_irq_line(changed->vm, gsi, asserts);
}

/* Those on the lines `pins`. False: the guest has none at all. */
static bool look(struct intx *intx, u32 pins)
{
	spin_guard(&intx->lock);
	for (struct assigned *a = intx->users; a; a = a->intx_next) {
		u32 status;

		if (!(pins >> a->function.gsi & 1))
			continue;
		status = pci_read(a->pci, a->device->bdf, PCI_STATUS, 2);
		set_asserts(a, status != 0xffff && status & PCI_STATUS_INTERRUPT);
		drive(intx, a);
	}
	return intx->users;
}

void assigned_look_intx(struct vm *vm, u32 pins)
{
	(void)look(&guests[vm->id - 1], pins);
}

static void look_at_all(struct timer *timer)
{
	bool any = false;

	for (u32 i = 0; i < vm_slots; i++)
		any |= look(&guests[i], ~0U);
	if (any)
		timer_set(timer, now_ns() + LOOK_NS);
}

static struct timer look_timer = { .fire = look_at_all };

void assigned_watch_intx(void)
{
	if (!list_is_linked(&look_timer.node))
		look_at_all(&look_timer);
}

void assigned_sync_intx(struct assigned *a)
{
	const struct vpci_function *f = &a->function;
	struct intx *intx = &guests[a->vm->id - 1];
	struct assigned **link = &intx->users;
	bool uses = a->live && f->config[PCI_INTERRUPT_PIN] && !a->msi_on && !a->msix_on &&
		    !(vpci_get(f->config + PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE) &&
		    (f->memory_enabled || f->bus_master);

	if (uses == a->uses_intx)
		return;
	spin_guard(&intx->lock);
	while (*link && *link != a)
		link = &(*link)->intx_next;
	*link = uses ? a : a->intx_next;
	a->uses_intx = uses;
	a->intx_next = NULL;
	set_asserts(a, false);
	drive(intx, a);
}
