/* SPDX-License-Identifier: Apache-2.0 */
/* The I/O APIC: 24 pins to messages (82093AA data sheet; version 20h with EOI register). */
#ifndef GUEST_IOAPIC_H
#define GUEST_IOAPIC_H

#include "arch/x86/spinlock.h"
#include "core/lib/types.h"
#include "core/region.h"

struct vm;

#define IOAPIC_STATE_VERSION 1
#define IOAPIC_BASE	     0xfec00000ULL
#define IOAPIC_PINS	     24
#define IOAPIC_VERSION	     (0x20u | (IOAPIC_PINS - 1) << 16)

/* Plain data: what a saved VM needs. */
struct ioapic_state {
	u32 version;
	u32 id; /* register 0, bits 27:24 */
	u32 select;
	u32 lines; /* bit per pin: asserted */
	u64 redirection[IOAPIC_PINS];
};

struct ioapic {
	/* Guards `s`; messages are sent under it. Taken inside device_lock or alone. */
	struct spinlock lock;
	struct ioapic_state s;
	struct vm *vm;
};

/* Power-on: every pin masked, no line asserted. */
void ioapic_reset(struct ioapic *ioapic, struct vm *vm);

/* Handler of the page at IOAPIC_BASE; `ctx` is the I/O APIC. */
enum access_result ioapic_mmio(struct vcpu *vcpu, void *ctx, struct access *access);

/*
 * Assert or de-assert a pin; any CPU. The polarity bit of the entry is kept
 * but has no effect: lines are logical. Pins that do not exist are ignored.
 */
void ioapic_set_line(struct ioapic *ioapic, u32 pin, bool level);

/*
 * A local APIC's EOI of a level-triggered vector; any CPU. Assigned functions on the pins that it
 * ends are looked at first: assigned_look_intx().
 */
void ioapic_eoi(struct ioapic *ioapic, u8 vector);

#endif
