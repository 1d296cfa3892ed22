/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupt vectors of the host: allocation and dispatch. */
#ifndef CORE_IRQ_H
#define CORE_IRQ_H

#include "core/lib/error.h"
#include "core/lib/types.h"

typedef void (*irq_handler)(void *ctx);

/*
 * Reserve a vector for a device. The handler runs with IF = 0 on the CPU that
 * the device's message addresses. ERR_FULL: none left. At start only.
 */
must_check enum err irq_register(irq_handler handler, void *ctx, u8 *vector);

/*
 * The message that raises `vector` on CPU number `cpu`, without remapping. Of an APIC id beyond
 * 8 bits the rest is in the address's upper half, where only an IOMMU's own message may have it.
 */
void irq_message(u32 cpu, u8 vector, u64 *address, u32 *data);

/* Interrupt CPU number `cpu`, and no more: it leaves its guest or wakes. Any CPU, any lock. */
void irq_kick(u32 cpu);

/*
 * Keep what this CPU would send by irq_kick() until the matching irq_release_kicks(), and then send
 * it once for each CPU: to write to a local APIC may take long, as long as an emulator's devices
 * work, and whoever is interrupted often wants the lock that the sender holds. They nest. Whoever
 * holds waits for no other CPU meanwhile.
 */
void irq_hold_kicks(void);
void irq_release_kicks(void);

/*
 * Ask CPU `cpu` to run the softirq `bit` soon, outside interrupt context: it
 * leaves its guest or wakes. Any CPU, any lock.
 */
enum cpu_softirq {
	SOFTIRQ_GPU = BIT(0),
	SOFTIRQ_RESCHEDULE = BIT(1), /* nothing runs: to look up is all that is asked */
	SOFTIRQ_CONSOLE = BIT(2),    /* as well */
	SOFTIRQ_COUNT = 3,
};

void softirq_raise(u32 cpu, u32 bit);
/* Registers what `bit` runs; at start only. */
void softirq_register(u32 bit, void (*handler)(u32 cpu));

#endif
