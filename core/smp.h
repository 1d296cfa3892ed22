/* SPDX-License-Identifier: Apache-2.0 */
/* Starting the other processors. */
#ifndef CORE_SMP_H
#define CORE_SMP_H

#include "core/lib/types.h"

/*
 * Start the processors with these APIC ids (the caller's own among them is
 * skipped), each into `entry`, which sets percpu.online and does not return. One that does not
 * answer within 200 ms is named in a log line and left out.
 */
void smp_start(const u32 *apic_ids, u32 count, void (*entry)(void));

#endif
