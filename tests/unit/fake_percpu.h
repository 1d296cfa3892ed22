/* SPDX-License-Identifier: Apache-2.0 */
/* Records of processors on the build host: GS of a thread points at one, as in the hypervisor. */
#ifndef TESTS_UNIT_FAKE_PERCPU_H
#define TESTS_UNIT_FAKE_PERCPU_H

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/percpu.h"

#define FAKE_CPUS	 3
#define FAKE_ARCH_SET_GS 0x1001 /* arch_prctl(2) */

static struct percpu fake_cpus[FAKE_CPUS];

struct percpu *percpu_of(u32 cpu)
{
	return &fake_cpus[cpu];
}

/* This thread is processor `cpu` from now on. */
static inline void fake_become(u32 cpu)
{
	if (syscall(SYS_arch_prctl, FAKE_ARCH_SET_GS, &fake_cpus[cpu]))
		abort();
}

/* All as before the start; this thread is processor 0. */
static inline void fake_cpus_start(void)
{
	memset(fake_cpus, 0, sizeof(fake_cpus));
	for (u32 i = 0; i < FAKE_CPUS; i++) {
		fake_cpus[i].id = fake_cpus[i].apic_id = i;
		fake_cpus[i].self = &fake_cpus[i];
		fake_cpus[i].armed_ns = ~0ULL;
		list_init(&fake_cpus[i].timers);
	}
	fake_become(0);
}

#endif
