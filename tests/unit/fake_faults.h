/* SPDX-License-Identifier: Apache-2.0 */
/* What looking at faults takes of core/: a clock, one vector, and the softirq that asks for a look.
 */
#ifndef TESTS_UNIT_FAKE_FAULTS_H
#define TESTS_UNIT_FAKE_FAULTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/irq.h"
#include "core/timer.h"
#include "drivers/iommu.h"

#define FAKE_VECTOR 0x42

static u64 fake_now_ns = GIB(1);
static u32 fake_apic_id;
static bool fake_no_vector;
static irq_handler fake_handler;
static void *fake_handler_ctx;
static unsigned fake_messages; /* sent to the CPU, which has IF = 0 */
static unsigned fake_wakes;
static struct iommu_fault fake_told[256];
static unsigned fake_told_count;

u64 now_ns(void)
{
	return fake_now_ns;
}

enum err irq_register(irq_handler handler, void *ctx, u8 *vector)
{
	if (fake_no_vector)
		return ERR_FULL;
	fake_handler = handler;
	fake_handler_ctx = ctx;
	*vector = FAKE_VECTOR;
	return OK;
}

void irq_message(u32 cpu, u8 vector, u64 *address, u32 *data)
{
	assert_int_equal(cpu, 0);
	assert_int_equal(vector, FAKE_VECTOR);
	*address = 0xfee00000 | (fake_apic_id & 0xff) << 12 | (fake_apic_id & ~0xffULL) << 32;
	*data = vector;
}

void softirq_raise(u32 cpu, u32 bit)
{
	assert_int_equal(cpu, 0);
	assert_int_equal(bit, SOFTIRQ_CONSOLE);
	fake_wakes++;
}

static inline void fake_tell(const struct iommu_fault *fault)
{
	fake_told[fake_told_count++] = *fault;
}

/* The CPU takes what has been sent to it: messages of one vector are one interrupt. Were there any?
 */
static inline bool fake_take_interrupts(void)
{
	bool any = fake_messages;

	fake_messages = 0;
	if (any)
		fake_handler(fake_handler_ctx);
	return any;
}

/* Housekeeping, `later_ns` from now. How many faults has it told? */
static inline unsigned fake_look(struct iommu *iommu, u64 later_ns)
{
	fake_now_ns += later_ns;
	fake_told_count = 0;
	iommu_look(iommu, fake_tell);
	return fake_told_count;
}

/* A unit listens from its first look on. */
static inline void fake_start_listening(struct iommu *iommu)
{
	fake_messages = 0;
	iommu_tell_faults(iommu);
	assert_int_equal(fake_look(iommu, IOMMU_LOOK_NS), 0);
	assert_int_equal(fake_messages, 0);
}

#endif
