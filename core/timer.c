// SPDX-License-Identifier: Apache-2.0
/* The clock (TSC) and one-shot timers in a queue for each CPU. */
#include "core/timer.h"

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/host.h"
#include "arch/x86/io.h"
#include "core/log.h"
#include "core/percpu.h"
#include "core/time_init.h"

/* 8254 channel 2, gated through port 61h. */
#define PIT_HZ		1193182UL
#define PIT_CHANNEL2	0x42
#define PIT_COMMAND	0x43
#define PIT_ONESHOT2	0xb0 /* channel 2, both bytes, mode 0: counts down once */
#define PIT_LATCH2	0x80
#define PORT_61		0x61
#define PORT_61_GATE	0x01
#define PORT_61_SPEAKER 0x02
#define PIT_START	0xffffu
#define PM_TIMER_HZ	3579545UL
#define SAMPLES		12
#define ROUNDS_LIMIT	100000 /* far beyond 20 ms: a counter that stands still ends it */

#define NS_PER_SECOND 1000000000UL
#define SCALE_SHIFT   32

/* Written once by time_init(). */
static u64 tsc_hz = 1000000000UL;
static u64 start_tsc;
static u64 ns_per_tsc = 1ULL << SCALE_SHIFT; /* scaled */
static u64 tsc_per_ns = 1ULL << SCALE_SHIFT;
static u64 apic_per_ns;
static u64 boot_seconds;
static u64 entry_tsc;

static u64 scale(u64 value, u64 factor)
{
	return (u64)((unsigned __int128)value * factor >> SCALE_SHIFT);
}

u64 now_ns(void)
{
	return scale(rdtsc() - start_tsc, ns_per_tsc);
}

u64 time_tsc_hz(void)
{
	return tsc_hz;
}

/* arch/x86/host.h's name for it. */
u64 host_tsc_hz(void) __attribute__((alias("time_tsc_hz")));

u64 time_ns_to_tsc(u64 ns)
{
	return start_tsc + scale(ns, tsc_per_ns);
}

u64 time_tsc_now_to_ns(u64 tsc)
{
	return tsc <= start_tsc ? 0 : scale(tsc - start_tsc, ns_per_tsc);
}

u64 wallclock_boot_seconds(void)
{
	return boot_seconds;
}

/* (a << SCALE_SHIFT) / b by long division: there is no 128-bit division here. */
static u64 ratio(u64 a, u64 b)
{
	u64 result = a / b;
	u64 rest = a % b;

	for (int i = 0; i < SCALE_SHIFT; i++) {
		rest <<= 1;
		result = result << 1 | (rest >= b);
		if (rest >= b)
			rest -= b;
	}
	return result;
}

/* A counter of known frequency that counts up. */
struct reference {
	u64 hz;
	u32 mask; /* bits that it has */
	u16 port; /* of the PM timer; 0: it is the 8254 */
};

static u32 read_reference(const struct reference *reference)
{
	u32 pit;

	if (reference->port)
		return inl(reference->port);
	outb(PIT_COMMAND, PIT_LATCH2);
	pit = inb(PIT_CHANNEL2);
	return ~(pit | (u32)inb(PIT_CHANNEL2) << 8);
}

/* The three counters, read at nearly the same moment. */
struct sample {
	u64 tsc;
	u32 reference, apic;
};

/*
 * The reading that took least of several: a processor that is itself
 * scheduled (an emulator's, a cloud's) may lose milliseconds in the others.
 */
static struct sample take_sample(const struct reference *reference)
{
	struct sample best = { 0 };
	u64 least = ~0ULL;

	for (int i = 0; i < SAMPLES; i++) {
		u64 before = rdtsc();
		u32 count = read_reference(reference);
		u32 apic = apic_timer_remaining();
		u64 after = rdtsc();

		if (after - before < least) {
			least = after - before;
			best = (struct sample){ before + least / 2, count, apic };
		}
	}
	return best;
}

u64 time_ticks_since_entry(void)
{
	return rdtsc() - entry_tsc;
}

/* Over 20 ms: ticks of the TSC and of the APIC timer in a second. False: it does not count. */
static bool measure(const struct reference *reference, u64 *apic_hz)
{
	struct sample first = take_sample(reference), last;
	u64 ticks;

	for (u32 rounds = 0; rounds < ROUNDS_LIMIT; rounds++) {
		last = take_sample(reference);
		ticks = (last.reference - first.reference) & reference->mask;
		if (ticks < reference->hz / 50)
			continue;
		tsc_hz = (last.tsc - first.tsc) * reference->hz / ticks;
		*apic_hz = (u64)(first.apic - last.apic) * reference->hz / ticks;
		return true;
	}
	return false;
}

static bool measure_by_pit(u64 *apic_hz)
{
	const struct reference pit = { PIT_HZ, 0xffff, 0 };
	u8 gate = (inb(PORT_61) & ~PORT_61_SPEAKER) | PORT_61_GATE;
	bool counts;

	outb(PORT_61, gate);
	outb(PIT_COMMAND, PIT_ONESHOT2);
	outb(PIT_CHANNEL2, (u8)PIT_START);
	outb(PIT_CHANNEL2, PIT_START >> 8); /* counting starts here */
	counts = measure(&pit, apic_hz);
	outb(PORT_61, gate & ~PORT_61_GATE);
	return counts;
}

void time_init(u64 boot_tsc, u64 unix_seconds, u16 pm_timer)
{
	/* 24 bits are there in every PM timer. */
	const struct reference pm = { PM_TIMER_HZ, 0xffffff, pm_timer };
	bool by_pm;
	u64 apic_hz;

	apic_timer_start_free();
	by_pm = pm_timer && measure(&pm, &apic_hz);
	if (!by_pm && !measure_by_pit(&apic_hz))
		panic("neither PM timer nor 8254 counts: the TSC's frequency stays unknown");
	ns_per_tsc = ratio(NS_PER_SECOND, tsc_hz);
	tsc_per_ns = ratio(tsc_hz, NS_PER_SECOND);
	apic_per_ns = ratio(apic_hz, NS_PER_SECOND);
	start_tsc = rdtsc();
	boot_seconds = unix_seconds;
	entry_tsc = boot_tsc;
	log_debug("time: TSC %lu kHz, APIC timer %lu kHz, measured by the %s", tsc_hz / 1000,
		  apic_hz / 1000, by_pm ? "PM timer" : "8254");
}

/* ---- the queue by deadline; the CPU's timer_lock is held ---- */

/* The timer that is due first; NULL: none is armed. */
static struct timer *first_of(struct percpu *cpu)
{
	return list_is_empty(&cpu->timers) ? NULL
					   : container_of(cpu->timers.next, struct timer, node);
}

/* At most TIMERS_PER_CPU steps, a few as a rule; behind those that are due at the same time. */
static void insert(struct percpu *cpu, struct timer *timer)
{
	struct list_node *at = cpu->timers.prev;

	while (at != &cpu->timers &&
	       container_of(at, struct timer, node)->deadline_ns > timer->deadline_ns)
		at = at->prev;
	list_add_after(at, &timer->node);
}

/* Set the hardware for the earliest deadline; on this CPU. */
static void arm_hardware(struct percpu *cpu)
{
	const struct timer *first = first_of(cpu);
	u64 deadline = first ? first->deadline_ns : ~0ULL;
	u64 now, ticks;

	if (deadline >= cpu->armed_ns)
		return; /* an interrupt too early arms again, and is rarer than timers that move */
	cpu->armed_ns = deadline;
	now = now_ns();
	ticks = deadline > now ? scale(deadline - now, apic_per_ns) + 1 : 1;
	apic_timer_arm((u32)MIN(ticks, 0xffffffffULL));
}

void timer_cancel(struct timer *timer)
{
	for (;;) {
		u32 home = __atomic_load_n(&timer->cpu, __ATOMIC_ACQUIRE);
		struct percpu *cpu = percpu_of(home);

		spin_guard(&cpu->timer_lock);
		if (timer->cpu != home)
			continue;
		if (list_is_linked(&timer->node))
			list_remove(&timer->node);
		return;
	}
}

void timer_set(struct timer *timer, u64 deadline_ns)
{
	struct percpu *cpu = percpu_self();

	timer_cancel(timer);
	spin_guard(&cpu->timer_lock);
	__atomic_store_n(&timer->cpu, cpu->id, __ATOMIC_RELEASE);
	timer->deadline_ns = deadline_ns;
	insert(cpu, timer);
	arm_hardware(cpu);
}

/* Takes a timer whose time has come out of the queue; NULL: none. */
static struct timer *take_due(struct percpu *cpu)
{
	struct timer *due;

	spin_guard(&cpu->timer_lock);
	due = first_of(cpu);
	if (!due || due->deadline_ns > now_ns())
		return NULL;
	list_remove(&due->node);
	return due;
}

void timer_interrupt(void)
{
	struct percpu *cpu = percpu_self();
	u32 budget = TIMERS_PER_CPU; /* a timer that re-arms itself in the past must not hold us */
	struct timer *due;

	cpu->armed_ns = ~0ULL; /* the hardware has fired: it is armed for nothing */
	while (budget-- && (due = take_due(cpu)))
		due->fire(due);
	spin_guard(&cpu->timer_lock);
	arm_hardware(cpu);
}
