// SPDX-License-Identifier: Apache-2.0
/* Interrupt vectors of the host and work that is deferred out of interrupt context. */
#include "core/irq.h"

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/host.h"
#include "arch/x86/trap.h"
#include "core/log.h"
#include "core/percpu.h"
#include "core/softirq.h"
#include "core/time_init.h"

#define VECTOR_DEVICES 0x30
#define DEVICE_VECTORS 160 /* below those of arch/x86/trap.h */

/* Written at start only. */
static struct {
	irq_handler handler;
	void *ctx;
} devices[DEVICE_VECTORS];
static u32 device_count;
static void (*softirq_handlers[SOFTIRQ_COUNT])(u32 cpu);

enum err irq_register(irq_handler handler, void *ctx, u8 *vector)
{
	if (device_count == DEVICE_VECTORS)
		return ERR_FULL;
	devices[device_count].ctx = ctx;
	devices[device_count].handler = handler;
	*vector = (u8)(VECTOR_DEVICES + device_count++);
	return OK;
}

void irq_message(u32 cpu, u8 vector, u64 *address, u32 *data)
{
	u64 id = percpu_of(cpu)->apic_id;

	*address = APIC_PHYSICAL_BASE | (id & 0xff) << 12 | (id & ~0xffULL) << 32;
	*data = vector;
}

void irq_kick(u32 cpu)
{
	struct percpu *self = percpu_self();

	if (self->kick_holds)
		self->kicks |= 1ULL << cpu;
	else
		apic_send(percpu_of(cpu)->apic_id, VECTOR_KICK);
}

void irq_hold_kicks(void)
{
	percpu_self()->kick_holds++;
}

void irq_release_kicks(void)
{
	struct percpu *self = percpu_self();

	if (--self->kick_holds)
		return;
	for (; self->kicks; self->kicks &= self->kicks - 1)
		irq_kick((u32)__builtin_ctzll(self->kicks));
}

void softirq_register(u32 bit, void (*handler)(u32 cpu))
{
	softirq_handlers[__builtin_ctz(bit)] = handler;
}

void softirq_raise(u32 cpu, u32 bit)
{
	u32 before = __atomic_fetch_or(&percpu_of(cpu)->softirqs, bit, __ATOMIC_SEQ_CST);

	/* One that is awake and runs no vCPU looks before it sleeps or runs one. */
	if (!(before & bit) && cpu != cpu_id() &&
	    (__atomic_load_n(&percpu_of(cpu)->sleeping, __ATOMIC_SEQ_CST) ||
	     __atomic_load_n(&percpu_of(cpu)->running, __ATOMIC_SEQ_CST)))
		irq_kick(cpu);
}

bool softirq_pending(void)
{
	return __atomic_load_n(&percpu_self()->softirqs, __ATOMIC_ACQUIRE);
}

void softirq_run(void)
{
	u32 bits = __atomic_exchange_n(&percpu_self()->softirqs, 0, __ATOMIC_SEQ_CST);

	for (u32 i = 0; bits && i < SOFTIRQ_COUNT; i++)
		if (bits & BIT(i) && softirq_handlers[i])
			softirq_handlers[i](cpu_id());
}

void host_interrupt(u8 vector)
{
	if (vector == VECTOR_SPURIOUS)
		return;
	if (vector == VECTOR_STOP)
		cpu_stop();
	if (vector == VECTOR_TIMER)
		timer_interrupt();
	else if (vector >= VECTOR_DEVICES && vector < VECTOR_DEVICES + device_count)
		devices[vector - VECTOR_DEVICES].handler(devices[vector - VECTOR_DEVICES].ctx);
	apic_eoi();
}
