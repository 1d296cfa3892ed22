// SPDX-License-Identifier: Apache-2.0
/*
 * Interrupts of an assigned function.
 *
 *   function --its message--> IOMMU --vector of the host--> handler --> what the guest wrote
 *
 * The guest never sees the physical message, nor the function the guest's.
 */
#include "core/cpu.h"
#include "core/irq.h"
#include "core/lib/string.h"
#include "core/percpu.h"
#include "core/timer.h"
#include "guest/assigned_parts.h"
#include "guest/msi.h"
#include "guest/msix.h"

/* More than this many of one message in a window, 100,000 a second: off until it is over. */
#define WINDOW_NS  10000000ULL
#define WINDOW_MAX 1000

static bool guest_msi_on(const struct assigned *a)
{
	return a->msi && msi_enabled(&a->function, a->msi);
}

static bool guest_msix_on(const struct assigned *a)
{
	return a->function.msix_count &&
	       vpci_get(a->function.config + a->function.msix_cap + PCI_MSIX_CONTROL, 2) &
		       PCI_MSIX_ENABLE;
}

/* ---- from the function to the guest ---- */

static void raise(struct assigned_irq *irq)
{
	struct assigned *a = irq->owner;

	if (guest_msix_on(a))
		a->function.raise_msix(&a->function, (u32)(irq - a->irqs));
	else if (a->msi)
		msi_raise(&a->function, a->msi);
}

/* On or off, without changing anything else. */
static void gate(struct assigned_irq *irq, bool on)
{
	struct assigned *a = irq->owner;
	u16 index = (u16)(irq - a->irqs);

	if (a->msix_on && on)
		(void)!pci_msix_set(&a->table, index, irq->address, irq->data);
	else if (a->msix_on)
		(void)!pci_msix_mask(&a->table, index);
	else if (a->msi_on && on)
		(void)!pci_msi_set(a->pci, a->device, irq->address, irq->data);
	else if (a->msi_on)
		pci_msi_off(a->pci, a->device);
}

static void interrupt(void *ctx)
{
	struct assigned_irq *irq = ctx;
	u64 now = now_ns();

	if (!__atomic_load_n(&irq->owner->live, __ATOMIC_ACQUIRE))
		return;
	if (now - irq->window_ns > WINDOW_NS) {
		irq->window_ns = now;
		irq->count = 0;
	}
	if (++irq->count > WINDOW_MAX) {
		gate(irq, false);
		__atomic_store_n(&irq->held, true, __ATOMIC_RELEASE);
	}
	raise(irq);
}

void assigned_release_held(struct assigned *a, u64 now)
{
	for (u32 i = 0; i < a->irq_count; i++) {
		struct assigned_irq *irq = &a->irqs[i];

		if (!__atomic_load_n(&irq->held, __ATOMIC_ACQUIRE) ||
		    now - irq->window_ns <= WINDOW_NS)
			continue;
		spin_guard(&a->vm->device_lock);
		irq->held = false;
		gate(irq, true);
		raise(irq); /* one that MSI lost meanwhile */
	}
}

/* ---- from the guest to the function ---- */

/* A message that raises the vector on CPU number `cpu`. */
static enum err aim(struct assigned_irq *irq, u32 cpu)
{
	const struct assigned *a = irq->owner;
	const struct iommu_irq message = {
		.source = a->device->bdf,
		.apic_id = percpu_of(cpu)->apic_id,
		.vector = irq->vector,
	};
	u64 address;
	u32 data;
	enum err e = iommu_irq_set(a->iommu, &message, &address, &data);

	if (e)
		return e;
	irq->cpu = cpu;
	irq->address = address;
	irq->data = data;
	return OK;
}

/*
 * To where the guest is just now: an interrupt that comes there costs no detour. The function
 * does not send yet. What cannot be aimed anew stays as it is.
 */
static void aim_here(struct assigned *a)
{
	for (u32 i = 0; i < a->irq_count; i++) {
		struct assigned_irq old = a->irqs[i];

		if (old.cpu != cpu_id() && !aim(&a->irqs[i], cpu_id()))
			(void)!iommu_irq_clear(a->iommu, a->device->bdf, old.address, old.data);
	}
}

void assigned_sync_irqs(struct assigned *a)
{
	bool want_msix = a->live && guest_msix_on(a);
	bool want_msi = a->live && guest_msi_on(a) && !want_msix;

	if (a->msi_on && !want_msi)
		pci_msi_off(a->pci, a->device);
	if (a->msix_on && !want_msix)
		pci_msix_off(a->pci, a->device);
	if ((want_msi && !a->msi_on) || (want_msix && !a->msix_on))
		aim_here(a);
	if (want_msi && !a->msi_on)
		(void)!pci_msi_set(a->pci, a->device, a->irqs[0].address, a->irqs[0].data);
	if (want_msix && !a->msix_on) {
		a->msix_on = true;
		pci_msix_on(a->pci, a->device, &a->table);
		for (u32 i = 0; i < a->irq_count; i++)
			gate(&a->irqs[i], true);
	}
	a->msi_on = want_msi;
	a->msix_on = want_msix;
	assigned_sync_intx(a);
}

enum err assigned_make_irqs(struct assigned *a)
{
	u32 wanted = a->device->msix ? a->device->msix_vectors : a->device->msi ? 1 : 0;

	while (a->irq_count < MIN(wanted, ASSIGNED_IRQS)) {
		struct assigned_irq *irq = &a->irqs[a->irq_count];
		enum err e;

		irq->owner = a;
		e = irq_register(interrupt, irq, &irq->vector);
		if (!e)
			e = aim(irq, 0);
		if (e == ERR_FULL && a->irq_count)
			break;
		if (e)
			return e;
		a->irq_count++;
	}
	a->function.msix_count = a->device->msix ? a->irq_count : 0;
	a->function.msix_own = true;
	return OK;
}
