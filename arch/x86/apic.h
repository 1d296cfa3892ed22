/* SPDX-License-Identifier: Apache-2.0 */
/* The physical local APIC: interrupts between processors and the timer (SDM vol. 3, 11). */
#ifndef ARCH_X86_APIC_H
#define ARCH_X86_APIC_H

#include "core/lib/types.h"

#define APIC_PHYSICAL_BASE 0xfee00000ULL

/* Where the registers are mapped; NULL until then. Used in xAPIC mode only. */
void apic_set_registers(void *mapping);

/* Switch this CPU's APIC on; x2APIC mode where firmware left it so. */
void apic_init_cpu(void);

u32 apic_id(void);
void apic_eoi(void);
void apic_send(u32 destination, u8 vector);
void apic_send_others(u8 vector);
void apic_send_init(u32 destination);
void apic_send_startup(u32 destination, u8 page);

/* Count that the timer has left, from 0xffffffff: to calibrate it. */
void apic_timer_start_free(void);
u32 apic_timer_remaining(void);

/* One interrupt on VECTOR_TIMER after `ticks` of the timer; 0 disarms. */
void apic_timer_arm(u32 ticks);

#endif
