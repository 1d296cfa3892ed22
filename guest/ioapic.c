/* SPDX-License-Identifier: Apache-2.0 */
/* The I/O APIC: redirection table, level and edge, end of interrupt. */
#include "guest/ioapic.h"

#include "core/lib/string.h"
#include "guest/assigned.h"
#include "guest/lapic.h"

#define REG_SELECT 0x00
#define REG_WINDOW 0x10
#define REG_EOI	   0x40

#define INDEX_ID	  0x00
#define INDEX_VERSION	  0x01
#define INDEX_ARBITRATION 0x02
#define INDEX_REDIRECTION 0x10

#define ENTRY_LOGICAL	 BIT(11)
#define ENTRY_REMOTE_IRR BIT(14) /* read-only */
#define ENTRY_LEVEL	 BIT(15)
#define ENTRY_MASKED	 BIT(16)
#define ENTRY_WRITABLE	 0xff0000000001afffULL
#define ENTRY_MESSAGE	 0x87ffu
#define MSI_LOGICAL	 BIT(2)
#define MSI_ASSERT	 0x4000u

void ioapic_reset(struct ioapic *ioapic, struct vm *vm)
{
	spin_guard(&ioapic->lock);
	ioapic->vm = vm;
	memset(&ioapic->s, 0, sizeof(ioapic->s));
	ioapic->s.version = IOAPIC_STATE_VERSION;
	for (u32 pin = 0; pin < IOAPIC_PINS; pin++)
		ioapic->s.redirection[pin] = ENTRY_MASKED;
}

/*
 * An entry has vector, mode and trigger where the data of a message has them (SDM 3A 11.11).
 * Lock held: local APICs take none but the scheduler's.
 */
static void send(struct ioapic *ioapic, u64 entry)
{
	u64 address = LAPIC_BASE | entry >> 56 << 12 | (entry & ENTRY_LOGICAL ? MSI_LOGICAL : 0);

	lapic_send_msi(ioapic->vm, address, (u32)(entry & ENTRY_MESSAGE) | MSI_ASSERT);
}

/* A level-triggered pin that is asserted, unmasked and not in service sends. Lock held. */
static void service_level(struct ioapic *ioapic, u32 pin)
{
	u64 *entry = &ioapic->s.redirection[pin];

	if ((ioapic->s.lines >> pin & 1) == 0 || (*entry & ENTRY_LEVEL) == 0)
		return;
	if (*entry & (ENTRY_MASKED | ENTRY_REMOTE_IRR))
		return;
	*entry |= ENTRY_REMOTE_IRR;
	send(ioapic, *entry);
}

void ioapic_set_line(struct ioapic *ioapic, u32 pin, bool level)
{
	u32 bit = 1u << (pin & 31);
	u64 entry;
	bool rises;

	if (pin >= IOAPIC_PINS)
		return;
	spin_guard(&ioapic->lock);
	entry = ioapic->s.redirection[pin];
	rises = level && (ioapic->s.lines & bit) == 0;
	if (level)
		ioapic->s.lines |= bit;
	else
		ioapic->s.lines &= ~bit;
	/* 82093AA: an edge on a masked pin is neither delivered nor kept. */
	if (entry & ENTRY_LEVEL)
		service_level(ioapic, pin);
	else if (rises && (entry & ENTRY_MASKED) == 0)
		send(ioapic, entry);
}

/* Bit per pin: its level-triggered interrupt with that vector is in service. */
static u32 pins_in_service(struct ioapic *ioapic, u8 vector)
{
	u32 pins = 0;

	spin_guard(&ioapic->lock);
	for (u32 pin = 0; pin < IOAPIC_PINS; pin++) {
		u64 entry = ioapic->s.redirection[pin];

		pins |= (u32)((u8)entry == vector && entry & ENTRY_REMOTE_IRR) << pin;
	}
	return pins;
}

void ioapic_eoi(struct ioapic *ioapic, u8 vector)
{
	/* What the guest has just quieted must not interrupt it again. */
	assigned_look_intx(ioapic->vm, pins_in_service(ioapic, vector));
	spin_guard(&ioapic->lock);
	for (u32 pin = 0; pin < IOAPIC_PINS; pin++) {
		u64 *entry = &ioapic->s.redirection[pin];

		if ((u8)*entry != vector || (*entry & ENTRY_REMOTE_IRR) == 0)
			continue;
		*entry &= ~ENTRY_REMOTE_IRR;
		service_level(ioapic, pin);
	}
}

/* Lock held. */
static void write_entry(struct ioapic *ioapic, u32 index, u32 value)
{
	u32 pin = index / 2;
	u64 *entry = &ioapic->s.redirection[pin];
	u64 wanted = *entry;

	if (index % 2)
		wanted = (wanted & 0xffffffffULL) | (u64)value << 32;
	else
		wanted = (wanted & ~0xffffffffULL) | value;
	*entry = (*entry & ENTRY_REMOTE_IRR) | (wanted & ENTRY_WRITABLE);
	/* Guests without the EOI register clear remote IRR by going to edge and back. */
	if ((*entry & ENTRY_LEVEL) == 0)
		*entry &= ~ENTRY_REMOTE_IRR;
	service_level(ioapic, pin);
}

static u32 read_index(const struct ioapic *ioapic)
{
	u32 index = ioapic->s.select;

	if (index == INDEX_ID || index == INDEX_ARBITRATION)
		return ioapic->s.id;
	if (index == INDEX_VERSION)
		return IOAPIC_VERSION;
	index -= INDEX_REDIRECTION;
	if (index >= 2 * IOAPIC_PINS)
		return 0;
	return (u32)(ioapic->s.redirection[index / 2] >> (index % 2 * 32));
}

static void write_index(struct ioapic *ioapic, u32 value)
{
	u32 index = ioapic->s.select;

	if (index == INDEX_ID)
		ioapic->s.id = value & 0x0f000000u;
	else if (index - INDEX_REDIRECTION < 2 * IOAPIC_PINS)
		write_entry(ioapic, index - INDEX_REDIRECTION, value);
}

static void write_register(struct ioapic *ioapic, u64 offset, u32 value)
{
	if (offset == REG_EOI) {
		ioapic_eoi(ioapic, (u8)value);
		return;
	}
	spin_guard(&ioapic->lock);
	if (offset == REG_SELECT)
		ioapic->s.select = value & 0xff;
	else if (offset == REG_WINDOW)
		write_index(ioapic, value);
}

static u32 read_register(struct ioapic *ioapic, u64 offset)
{
	spin_guard(&ioapic->lock);
	if (offset == REG_SELECT)
		return ioapic->s.select;
	return offset == REG_WINDOW ? read_index(ioapic) : 0;
}

enum access_result ioapic_mmio(struct vcpu *vcpu, void *ctx, struct access *access)
{
	bool good = access->size == 4; /* what is not is undefined: nothing happens */

	(void)vcpu;
	if (!access->write)
		access->value = good ? read_register(ctx, access->offset) : 0;
	else if (good)
		write_register(ctx, access->offset, (u32)access->value);
	return ACCESS_HANDLED;
}
