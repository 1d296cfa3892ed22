/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupt messages between local APICs, the I/O APIC and devices; lock-free. */
#include "core/vm.h"
#include "guest/lapic.h"

#define SVR_ENABLE	BIT(8)
#define ICR_LOGICAL	BIT(11)
#define ICR_ASSERT	BIT(14)
#define ICR_LEVEL	BIT(15)
#define DFR_CLUSTER	0x0 /* DFR[31:28]; flat is 0xf */
#define LVT_ERROR_INDEX (LAPIC_LVT_ERROR - LAPIC_LVT_TIMER)
#define FIRST_VECTOR	16 /* below: illegal */

void lapic_raise(struct lapic *apic, u8 vector, bool level)
{
	u64 bit = BIT(vector % 64);
	u64 *tmr = &apic->s.tmr[vector / 64];
	u64 old;

	if (level)
		__atomic_fetch_or(tmr, bit, __ATOMIC_RELAXED);
	else if (__atomic_load_n(tmr, __ATOMIC_RELAXED) & bit)
		__atomic_fetch_and(tmr, ~bit, __ATOMIC_RELAXED);
	old = __atomic_fetch_or(&apic->s.irr[vector / 64], bit, __ATOMIC_ACQ_REL);
	/* A bit that was set already has made its request and not been taken yet. */
	if ((old & bit) == 0)
		vcpu_request(apic->vcpu, VCPU_REQ_EVENT);
}

void lapic_error(struct lapic *apic, u32 esr_bit)
{
	u32 lvt = __atomic_load_n(&apic->s.lvt[LVT_ERROR_INDEX], __ATOMIC_RELAXED);

	__atomic_fetch_or(&apic->s.esr_pending, esr_bit, __ATOMIC_RELAXED);
	if ((lvt & LVT_MASKED) == 0 && (lvt & 0xff) >= FIRST_VECTOR)
		lapic_raise(apic, (u8)lvt, false);
}

static bool match_physical(const struct lapic *apic, const struct lapic_message *message)
{
	u32 broadcast = message->wide ? 0xffffffffu : 0xffu;

	return message->destination == broadcast || message->destination == apic->s.id;
}

/* SDM 3A 11.6.2.2 (xAPIC) and 11.12.10.2 (x2APIC). */
static bool match_logical(const struct lapic *apic, const struct lapic_message *message)
{
	u32 destination = message->destination;
	u32 own;

	if (message->wide && destination == 0xffffffffu)
		return true;
	if (lapic_is_x2apic(apic)) {
		u32 cluster = apic->s.id >> 4;

		return destination >> 16 == cluster &&
		       (destination & 0xffff & 1u << (apic->s.id & 0xf)) != 0;
	}
	if (destination > 0xff)
		return false;
	own = apic->s.ldr >> 24;
	if (apic->s.dfr >> 28 != DFR_CLUSTER)
		return (own & destination) != 0;
	if (destination >> 4 != 0xf && destination >> 4 != own >> 4)
		return false;
	return (own & destination & 0xf) != 0;
}

static bool match(const struct lapic *apic, const struct lapic_message *message)
{
	if (!lapic_enabled(apic))
		return false;
	if (message->shorthand)
		return message->shorthand != (apic == message->from ? LAPIC_OTHERS : LAPIC_SELF);
	return message->logical ? match_logical(apic, message) : match_physical(apic, message);
}

static void deliver(struct lapic *apic, const struct lapic_message *message)
{
	struct vcpu *vcpu = apic->vcpu;

	switch (message->mode) {
	case LAPIC_FIXED:
	case LAPIC_LOWEST:
		if ((apic->s.svr & SVR_ENABLE) == 0)
			return;
		if (message->vector < FIRST_VECTOR)
			lapic_error(apic, ESR_RECEIVE_VECTOR);
		else
			lapic_raise(apic, message->vector, message->level);
		return;
	case LAPIC_NMI:
		vcpu_request(vcpu, VCPU_REQ_NMI);
		return;
	case LAPIC_INIT:
		vcpu_request(vcpu, VCPU_REQ_INIT);
		return;
	case LAPIC_SIPI:
		__atomic_store_n(&vcpu->sipi_vector, message->vector, __ATOMIC_RELEASE);
		vcpu_request(vcpu, VCPU_REQ_SIPI);
		return;
	default: /* SMI, ExtINT: there is neither SMM nor an 8259 */
		return;
	}
}

/* The candidate with the least urgent work; its ISR may change meanwhile, which is harmless. */
static struct lapic *lowest_priority(struct vm *vm, const struct lapic_message *message)
{
	struct lapic *best = NULL;
	int best_priority = 256;

	for (u32 i = 0; i < vm->vcpu_count; i++) {
		struct lapic *apic = vm->vcpus[i]->lapic;
		int priority;

		if (!match(apic, message) || (apic->s.svr & SVR_ENABLE) == 0)
			continue;
		priority = MAX(lapic_in_service(apic), (int)*apic->vcpu->arch.tpr);
		/* One that has this vector waiting already takes it once only. */
		priority = MAX(priority, lapic_requested(apic));
		if (priority < best_priority) {
			best = apic;
			best_priority = priority;
		}
	}
	return best;
}

/* Deliver to every vCPU that the destination names; to one of them if lowest priority. */
static void send(struct vm *vm, const struct lapic_message *message)
{
	if (message->mode == LAPIC_LOWEST && !message->shorthand) {
		struct lapic *apic = lowest_priority(vm, message);

		if (apic != NULL)
			deliver(apic, message);
		return;
	}
	for (u32 i = 0; i < vm->vcpu_count; i++) {
		struct lapic *apic = vm->vcpus[i]->lapic;

		if (match(apic, message))
			deliver(apic, message);
	}
}

void lapic_send_icr(struct lapic *apic, u64 icr)
{
	struct lapic_message message = {
		.destination = lapic_is_x2apic(apic) ? (u32)(icr >> 32) : (u32)(icr >> 56),
		.vector = (u8)icr,
		.mode = icr >> 8 & 7,
		.shorthand = icr >> 18 & 3,
		.from = apic,
		.logical = (icr & ICR_LOGICAL) != 0,
		.wide = lapic_is_x2apic(apic),
	};

	/* The INIT level de-assert of the 82489DX; later APICs ignore it. */
	if (message.mode == LAPIC_INIT && (icr & ICR_LEVEL) != 0 && (icr & ICR_ASSERT) == 0)
		return;
	if (message.mode <= LAPIC_LOWEST && message.vector < FIRST_VECTOR) {
		lapic_error(apic, ESR_SEND_VECTOR);
		return;
	}
	/* SDM 3A table 11-3: a processor cannot send these to itself. */
	if (message.mode > LAPIC_LOWEST &&
	    (message.shorthand == LAPIC_SELF || message.shorthand == LAPIC_ALL))
		return;
	send(apic->vcpu->vm, &message);
}

void lapic_send_msi(struct vm *vm, u64 address, u32 data)
{
	struct lapic_message message = {
		.destination = address >> 12 & 0xff,
		.vector = (u8)data,
		.mode = data >> 8 & 7,
		.logical = (address & BIT(2)) != 0,
		.level = (data & BIT(15)) != 0,
	};

	if (address >> 20 != LAPIC_BASE >> 20)
		return;
	/* SIPI is no message of devices; a level that is de-asserted is no event. */
	if (message.mode == LAPIC_SIPI || (message.level && (data & BIT(14)) == 0))
		return;
	/* The redirection hint asks for one out of a logical set. */
	if ((address & BIT(3)) != 0 && message.logical && message.mode == LAPIC_FIXED)
		message.mode = LAPIC_LOWEST;
	send(vm, &message);
}
