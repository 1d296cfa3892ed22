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

/* Is it in x2APIC mode, with ids of 32 bits? The same on every CPU. */
bool apic_is_x2apic(void);

u32 apic_id(void);
void apic_eoi(void);

/* What apic_send() takes besides a vector (SDM vol. 3, 11.6.1). */
#define APIC_INIT    0x00500u
#define APIC_STARTUP 0x00600u /* with the number of the page to start in */
#define APIC_OTHERS  0xc0000u /* with a vector: to all but this one, whatever `destination` is */

/* Send an interrupt to the CPU with APIC id `destination`; it may arrive after the return. */
void apic_send(u32 destination, u32 command);

/* Count that the timer has left, from 0xffffffff: to calibrate it. */
void apic_timer_start_free(void);
u32 apic_timer_remaining(void);

/* One interrupt on VECTOR_TIMER after `ticks` of the timer; 0 disarms. */
void apic_timer_arm(u32 ticks);

#endif
