/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timer of the local APIC: one-shot, periodic, TSC deadline (SDM 3A 11.5.4).
 *
 * The host timer is armed only when its expiry would raise an interrupt; what
 * the guest reads as the current count follows from the clock. fire() may run
 * on a CPU that the vCPU has left: it does nothing but set IRR and a flag.
 * Everything else happens on the vCPU's CPU, in lapic_timer_follow_up().
 */
#include "core/vm.h"
#include "guest/lapic.h"

#define TIMER_MODE_SHIFT 17

enum timer_mode {
	TIMER_ONE_SHOT,
	TIMER_PERIODIC,
	TIMER_TSC_DEADLINE,
};

/* A TSC value this far away (over ten years) means never. */
#define TSC_NEVER BIT(60)

static u32 lvt_timer(const struct lapic *apic)
{
	return __atomic_load_n(&apic->s.lvt[0], __ATOMIC_RELAXED);
}

static u32 timer_mode(const struct lapic *apic)
{
	return lvt_timer(apic) >> TIMER_MODE_SHIFT & 3;
}

/* Divide configuration: bits 3, 1, 0; 7 divides by 1, else by 2 << value. */
static u32 divide_shift(const struct lapic *apic)
{
	u32 divide = apic->s.timer_divide;

	return ((divide & 3) + (divide >> 1 & 4) + 1) & 7;
}

/* The whole count in nanoseconds: the clock ticks at 1 GHz. At most 2^39. */
static u64 count_ns(const struct lapic *apic)
{
	return (u64)apic->s.timer_initial << divide_shift(apic);
}

static void interrupt(struct lapic *apic)
{
	u32 lvt = lvt_timer(apic);

	if (lvt & LVT_MASKED)
		return;
	if ((lvt & 0xff) < 16)
		lapic_error(apic, ESR_RECEIVE_VECTOR);
	else
		lapic_raise(apic, (u8)lvt, false);
}

static void fire(struct timer *timer)
{
	struct lapic *apic = container_of(timer, struct lapic, timer);

	__atomic_store_n(&apic->timer_fired, true, __ATOMIC_RELEASE);
	interrupt(apic);
}

static void disarm(struct lapic *apic)
{
	if (apic->timer_deadline_ns == 0)
		return;
	timer_cancel(&apic->timer);
	apic->timer_deadline_ns = 0;
}

static void arm(struct lapic *apic, u64 deadline_ns)
{
	apic->timer_deadline_ns = deadline_ns;
	timer_set(&apic->timer, deadline_ns);
}

/* ---- the count ---- */

/* `fresh`: the guest has just started the count, which may be over already. */
static void arm_count(struct lapic *apic, bool fresh)
{
	u64 now = now_ns();
	u64 period = count_ns(apic);
	u64 start = apic->s.timer_start_ns;
	u64 next = start + period;

	if (start == 0 || (lvt_timer(apic) & LVT_MASKED) != 0) {
		disarm(apic);
		return;
	}
	if (timer_mode(apic) == TIMER_PERIODIC) {
		period = MAX(period, LAPIC_MIN_PERIOD_NS);
		next = start + period;
		/* Missed ticks are dropped: the next one lies in the future. */
		if (next <= now)
			next = start + ((now - start) / period + 1) * period;
	} else if (next <= now && !fresh && apic->timer_deadline_ns == 0) {
		return; /* has expired while masked */
	}
	arm(apic, next);
}

u32 lapic_timer_current(struct lapic *apic)
{
	u64 period = count_ns(apic);
	u64 elapsed;

	if (timer_mode(apic) == TIMER_TSC_DEADLINE || apic->s.timer_start_ns == 0)
		return 0;
	elapsed = now_ns() - apic->s.timer_start_ns;
	if (elapsed >= period) {
		if (timer_mode(apic) != TIMER_PERIODIC)
			return 0;
		elapsed %= period;
	}
	return (u32)((period - elapsed) >> divide_shift(apic));
}

void lapic_timer_set_initial(struct lapic *apic, u32 value)
{
	if (timer_mode(apic) == TIMER_TSC_DEADLINE)
		return;
	apic->s.timer_initial = value;
	/* Time 0 stands for a stopped timer. */
	apic->s.timer_start_ns = value == 0 ? 0 : MAX(now_ns(), 1u);
	arm_count(apic, true);
}

void lapic_timer_set_divide(struct lapic *apic, u32 value)
{
	u32 current = lapic_timer_current(apic);
	u32 passed = apic->s.timer_initial - current;
	u64 now = now_ns();
	u64 back;

	apic->s.timer_divide = value;
	if (apic->s.timer_start_ns == 0)
		return;
	/* The ticks counted so far stay counted; only those to come change. */
	back = (u64)passed << divide_shift(apic);
	apic->s.timer_start_ns = back < now ? now - back : 1;
	arm_count(apic, false);
}

/* ---- TSC deadline ---- */

/* Host TSC of the deadline; false: never. 0: it has passed. */
static bool host_deadline(const struct lapic *apic, u64 *host_tsc)
{
	u64 offset = apic->vcpu->arch.tsc_offset; /* guest = host + offset, modulo 2^64 */
	u64 deadline = apic->s.tsc_deadline;

	*host_tsc = deadline - offset;
	if ((s64)offset < 0)
		return *host_tsc >= deadline && *host_tsc < TSC_NEVER;
	if (deadline < offset)
		*host_tsc = 0;
	return *host_tsc < TSC_NEVER;
}

static void arm_deadline(struct lapic *apic)
{
	u64 host_tsc, deadline_ns;

	if (apic->s.tsc_deadline == 0 || !host_deadline(apic, &host_tsc)) {
		disarm(apic);
		return;
	}
	deadline_ns = host_tsc == 0 ? 0 : time_tsc_now_to_ns(host_tsc);
	if (deadline_ns <= now_ns()) {
		disarm(apic);
		apic->s.tsc_deadline = 0;
		interrupt(apic);
		return;
	}
	/* Armed even while masked: expiry clears the MSR. */
	arm(apic, deadline_ns);
}

void lapic_timer_set_deadline(struct lapic *apic, u64 guest_tsc)
{
	/* SDM 3A 11.5.4.1: without the mode the MSR reads 0 and writes are ignored. */
	if (timer_mode(apic) != TIMER_TSC_DEADLINE)
		return;
	__atomic_store_n(&apic->timer_fired, false, __ATOMIC_RELAXED);
	apic->s.tsc_deadline = guest_tsc;
	arm_deadline(apic);
}

u64 lapic_timer_deadline(struct lapic *apic)
{
	lapic_timer_follow_up(apic);
	return timer_mode(apic) == TIMER_TSC_DEADLINE ? apic->s.tsc_deadline : 0;
}

void lapic_timer_tsc_changed(struct lapic *apic)
{
	if (timer_mode(apic) == TIMER_TSC_DEADLINE)
		arm_deadline(apic);
}

/* ---- both ---- */

void lapic_timer_follow_up(struct lapic *apic)
{
	if (!__atomic_exchange_n(&apic->timer_fired, false, __ATOMIC_ACQUIRE))
		return;
	/* An expiry that crossed with a new setting: the timer is armed again. */
	if (apic->timer_deadline_ns == 0 || now_ns() < apic->timer_deadline_ns)
		return;
	apic->timer_deadline_ns = 0;
	switch (timer_mode(apic)) {
	case TIMER_PERIODIC:
		arm_count(apic, false);
		return;
	case TIMER_TSC_DEADLINE:
		apic->s.tsc_deadline = 0;
		return;
	default:
		apic->s.timer_start_ns = 0;
	}
}

void lapic_timer_lvt_changed(struct lapic *apic, u32 old_lvt)
{
	u32 old_mode = old_lvt >> TIMER_MODE_SHIFT & 3;
	u32 mode = timer_mode(apic);

	if ((old_mode == TIMER_TSC_DEADLINE) != (mode == TIMER_TSC_DEADLINE)) {
		/* SDM 3A 11.5.4.1: this transition disarms the timer. */
		disarm(apic);
		apic->s.timer_start_ns = 0;
		apic->s.timer_initial = 0;
		apic->s.tsc_deadline = 0;
		return;
	}
	if (mode != TIMER_TSC_DEADLINE && apic->s.timer_start_ns != 0)
		arm_count(apic, false);
}

void lapic_timer_reset(struct lapic *apic)
{
	disarm(apic);
	apic->timer.fire = fire;
	__atomic_store_n(&apic->timer_fired, false, __ATOMIC_RELAXED);
}
