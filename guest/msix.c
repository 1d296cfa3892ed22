// SPDX-License-Identifier: Apache-2.0
/* MSI-X of a virtual function. */
#include "guest/msix.h"

#include "core/lib/string.h"
#include "drivers/pci_regs.h"

void msix_reset(struct msix *msix)
{
	spin_guard(&msix->lock);
	msix->enabled = false;
	msix->masked = false;
	msix->bus_master = false;
	msix->pending = 0;
	for (u32 i = 0; i < MSIX_VECTORS_MAX; i++)
		msix->entries[i] = (struct msix_entry){ .control = PCI_MSIX_ENTRY_MASKED };
}

static bool can_send(const struct msix *msix, u32 vector)
{
	return msix->enabled && !msix->masked && msix->bus_master &&
	       !(msix->entries[vector].control & PCI_MSIX_ENTRY_MASKED);
}

/* Send what was held back; the lock is held. */
static void send_pending(struct msix *msix)
{
	for (u32 i = 0; i < msix->count && msix->pending; i++)
		if (msix->pending & BIT(i) && can_send(msix, i)) {
			msix->pending &= ~BIT(i);
			vm_msi(msix->vm, msix->entries[i].address, msix->entries[i].data);
		}
}

void msix_control(struct msix *msix, u16 control, bool bus_master)
{
	spin_guard(&msix->lock);
	msix->enabled = control & PCI_MSIX_ENABLE;
	msix->masked = control & PCI_MSIX_MASK_ALL;
	msix->bus_master = bus_master;
	send_pending(msix);
}

void msix_raise(struct msix *msix, u32 vector)
{
	spin_guard(&msix->lock);
	if (vector >= msix->count || !msix->enabled)
		return;
	msix->pending |= BIT(vector);
	send_pending(msix);
}

/* One aligned dword of the table. */
static u32 *table_word(struct msix *msix, u64 offset)
{
	_Static_assert(sizeof(msix->entries[0]) == PCI_MSIX_ENTRY_BYTES,
		       "the table lies as a guest sees it");
	return (u32 *)(void *)msix->entries + offset / sizeof(u32);
}

static u32 read_word(struct msix *msix, u64 offset)
{
	if (offset < (u64)msix->count * PCI_MSIX_ENTRY_BYTES)
		return *table_word(msix, offset);
	if (offset == MSIX_PENDING)
		return (u32)msix->pending;
	return offset == MSIX_PENDING + 4 ? (u32)(msix->pending >> 32) : 0;
}

static void write_word(struct msix *msix, u64 offset, u32 value)
{
	if (offset < (u64)msix->count * PCI_MSIX_ENTRY_BYTES)
		*table_word(msix, offset) =
			offset % PCI_MSIX_ENTRY_BYTES == 12 ? value & PCI_MSIX_ENTRY_MASKED : value;
}

enum access_result msix_page(struct vcpu *vcpu, void *ctx, struct access *access)
{
	struct msix *msix = ctx;

	(void)vcpu;
	/* Only aligned dwords and quadwords are defined (7.7.2.2). */
	if (access->size < 4 || access->offset % access->size)
		return ACCESS_NOT_MINE;
	spin_guard(&msix->lock);
	if (access->write) {
		write_word(msix, access->offset, (u32)access->value);
		if (access->size == 8)
			write_word(msix, access->offset + 4, (u32)(access->value >> 32));
		send_pending(msix);
	} else {
		access->value = read_word(msix, access->offset);
		if (access->size == 8)
			access->value |= (u64)read_word(msix, access->offset + 4) << 32;
	}
	return ACCESS_HANDLED;
}
