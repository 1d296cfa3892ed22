// SPDX-License-Identifier: Apache-2.0
/*
 * Rules of the CPU scheduler: shares, waking, stopping, freezing. The processor is a thread, its
 * sleep a yield; sched.c is compiled in here, since it ends in instructions that only a kernel may
 * use.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/lib/types.h"

/* In place of arch/x86/spinlock.h: more threads than processors must not spin for long. */
#define ARCH_X86_SPINLOCK_H
struct spinlock {
	u32 held;
};

static inline void cpu_relax(void)
{
	sched_yield();
}

/* Widens the gaps between two sections, where races live. */
static __thread u32 luck = 1;

static inline void spin_lock(struct spinlock *at)
{
	luck = luck * 1664525 + 1013904223;
	if (luck >> 30 == 0)
		usleep(1);
	while (__atomic_exchange_n(&at->held, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

static inline void spin_unlock(struct spinlock *at)
{
	__atomic_store_n(&at->held, 0, __ATOMIC_RELEASE);
}

static inline struct spinlock *spin_hold(struct spinlock *at)
{
	spin_lock(at);
	return at;
}

static inline void spin_release(struct spinlock **at)
{
	spin_unlock(*at);
}

#define spin_guard(lock) \
	struct spinlock *guard __attribute__((cleanup(spin_release), unused)) = spin_hold(lock)

/* In place of arch/x86/cpu.h. */
#define ARCH_X86_CPU_H
static void take_pending(void);

static inline void interrupts_take_pending(void)
{
	take_pending();
}

static inline void cpu_sleep(void)
{
	sched_yield();
}

#include "core/sched.c"
#include "tests/unit/fake_percpu.h"

/* ---- the machine around it ---- */

#define CPUS  FAKE_CPUS
#define VCPUS 4

static u32 cpus_online = 1;
static u64 clock_ns;
static struct config_guest guest_config = { .cpu_weight = 100 };
static struct vm vm;
static struct vcpu vcpus[VCPUS];

/* How many times the loop still goes round on this processor. */
static __thread u32 rounds_left;
static __thread jmp_buf end;
static u32 threads_end; /* atomic */

/* What a vCPU does with its slice. */
struct script {
	enum vcpu_leave leave;
	u64 run_ns;
	void (*during)(struct vcpu *vcpu);
	u32 times;
	u32 inside; /* atomic: it is in vcpu_run() */
};

static struct script scripts[VCPUS];
static u32 interrupts[CPUS]; /* atomic: sent to each processor */
static u32 order[64], order_count;

u32 cpu_id(void)
{
	return percpu_self()->id;
}

u32 cpu_count(void)
{
	return cpus_online;
}

u64 now_ns(void)
{
	return __atomic_load_n(&clock_ns, __ATOMIC_RELAXED);
}

void timer_set(struct timer *timer, u64 deadline_ns)
{
	timer->deadline_ns = deadline_ns;
}

void timer_cancel(struct timer *timer)
{
	(void)timer;
}

void irq_kick(u32 cpu)
{
	__atomic_fetch_add(&interrupts[cpu], 1, __ATOMIC_RELAXED);
}

void irq_hold_kicks(void)
{
	percpu_self()->kick_holds++;
}

void irq_release_kicks(void)
{
	assert_int_not_equal(percpu_self()->kick_holds--, 0);
}

void softirq_raise(u32 cpu, u32 bit)
{
	__atomic_fetch_or(&fake_cpus[cpu].softirqs, bit, __ATOMIC_SEQ_CST);
}

bool softirq_pending(void)
{
	return __atomic_load_n(&percpu_self()->softirqs, __ATOMIC_ACQUIRE);
}

void softirq_run(void)
{
	__atomic_store_n(&percpu_self()->softirqs, 0, __ATOMIC_SEQ_CST);
}

hpa_t frame_alloc_contiguous(u32 pages)
{
	(void)pages;
	return HPA(0);
}

void frame_free_contiguous(hpa_t frame, u32 pages)
{
	(void)frame;
	(void)pages;
}

void *frame_ptr(hpa_t frame)
{
	return (void *)frame.raw;
}

hpa_t frame_of(const void *ptr)
{
	return HPA((u64)ptr);
}

const struct virt_ops *virt;

static void take_pending(void)
{
	if (__atomic_load_n(&threads_end, __ATOMIC_ACQUIRE) || !rounds_left--)
		longjmp(end, 1);
}

enum vcpu_leave vcpu_run(struct vcpu *vcpu)
{
	struct script *script = &scripts[vcpu->index];

	/* Two processors in one vCPU would be the end of it. */
	if (__atomic_fetch_add(&script->inside, 1, __ATOMIC_SEQ_CST))
		abort();
	if (order_count < ARRAY_SIZE(order) && cpus_online == 1)
		order[order_count++] = vcpu->index;
	script->times++;
	__atomic_fetch_add(&clock_ns, script->run_ns, __ATOMIC_RELAXED);
	if (script->during)
		script->during(vcpu);
	__atomic_fetch_sub(&script->inside, 1, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&vcpu->parked, __ATOMIC_SEQ_CST) ? VCPU_LEAVE_PREEMPTED
								: script->leave;
}

static int start(void **state)
{
	(void)state;
	fake_cpus_start();
	memset(vcpus, 0, sizeof(vcpus));
	memset(scripts, 0, sizeof(scripts));
	memset(interrupts, 0, sizeof(interrupts));
	memset(&vm, 0, sizeof(vm));
	list_init(&queue);
	queue_clock = 0;
	first_cpu = 0;
	clock_ns = 1000;
	cpus_online = 1;
	order_count = 0;
	vm.config = &guest_config;
	vm.vcpu_count = VCPUS;
	for (u32 i = 0; i < VCPUS; i++) {
		vm.vcpus[i] = &vcpus[i];
		vcpus[i].vm = &vm;
		vcpus[i].index = i;
		vcpus[i].weight = 100;
		scripts[i].leave = VCPU_LEAVE_PREEMPTED;
		scripts[i].run_ns = SCHED_SLICE_NS;
	}
	return 0;
}

/* Let this processor go round `rounds` times. */
static void go(u32 rounds)
{
	rounds_left = rounds;
	if (!setjmp(end))
		sched_loop(NULL);
}

/* ---- shares ---- */

static void equal_weights_take_turns(void **state)
{
	(void)state;
	for (u32 i = 0; i < 3; i++)
		vcpu_start(&vcpus[i], false);
	go(9);
	for (u32 i = 0; i < 9; i++)
		assert_int_equal(order[i], i % 3);
}

static void time_goes_by_weight(void **state)
{
	(void)state;
	vcpus[0].weight = 50;
	vcpus[1].weight = 100;
	vcpus[2].weight = 350;
	for (u32 i = 0; i < 3; i++)
		vcpu_start(&vcpus[i], false);
	go(1000);
	assert_in_range(scripts[0].times, 98, 102);
	assert_in_range(scripts[1].times, 198, 202);
	assert_in_range(scripts[2].times, 698, 702);
	assert_int_equal(vcpus[2].run_ns, scripts[2].times * SCHED_SLICE_NS);
}

static void a_reserved_first_processor_runs_no_guest(void **state)
{
	(void)state;
	cpus_online = 2;
	assert_true(sched_reserve_cpu0());
	vcpu_start(&vcpus[0], false);
	go(10);
	assert_int_equal(scripts[0].times, 0);
	fake_become(1);
	go(10);
	assert_int_equal(scripts[0].times, 10);
}

static void who_wakes_goes_past_a_reserved_processor(void **state)
{
	(void)state;
	cpus_online = 2;
	assert_true(sched_reserve_cpu0());
	percpu_of(0)->sleeping = true;
	percpu_of(1)->sleeping = true;
	vcpu_start(&vcpus[0], false);
	assert_false(percpu_of(0)->softirqs);
	assert_true(percpu_of(1)->softirqs);
}

static void the_only_processor_cannot_be_reserved(void **state)
{
	(void)state;
	assert_false(sched_reserve_cpu0());
	vcpu_start(&vcpus[0], false);
	go(10);
	assert_int_equal(scripts[0].times, 10);
}

static void short_stays_are_charged_as_short(void **state)
{
	(void)state;
	scripts[0].run_ns = SCHED_SLICE_NS / 4;
	vcpu_start(&vcpus[0], false);
	vcpu_start(&vcpus[1], false);
	go(500);
	assert_in_range(scripts[0].times, 396, 404);
	assert_in_range(vcpus[0].run_ns, vcpus[1].run_ns - SCHED_SLICE_NS,
			vcpus[1].run_ns + SCHED_SLICE_NS);
}

static void sleep_is_not_saved_up(void **state)
{
	u32 in_a_row = 0;

	(void)state;
	scripts[1].leave = VCPU_LEAVE_HALTED;
	vcpu_start(&vcpus[0], false);
	vcpu_start(&vcpus[1], false);
	go(200); /* vCPU 1 halts at once */
	assert_int_equal(vcpus[1].state, VCPU_HALTED);
	scripts[1].leave = VCPU_LEAVE_PREEMPTED;
	order_count = 0;
	vcpu_request(&vcpus[1], VCPU_REQ_EVENT);
	go(20);
	while (order[in_a_row] == 1)
		in_a_row++;
	assert_in_range(in_a_row, 1, 2);
}

static void waiting_is_counted_as_steal_time(void **state)
{
	(void)state;
	vcpu_start(&vcpus[0], false);
	vcpu_start(&vcpus[1], false);
	go(4);
	assert_int_equal(vcpus[0].ready_ns, SCHED_SLICE_NS);
	assert_int_equal(vcpus[1].ready_ns, 2 * SCHED_SLICE_NS);
}

/* ---- waking ---- */

static void a_halted_vcpu_waits_for_a_request(void **state)
{
	(void)state;
	scripts[0].leave = VCPU_LEAVE_HALTED;
	vcpu_start(&vcpus[0], false);
	go(10);
	assert_int_equal(scripts[0].times, 1);
	vcpu_request(&vcpus[0], VCPU_REQ_EVENT);
	assert_int_equal(vcpus[0].state, VCPU_READY);
	vcpus[0].requests = 0; /* as vcpu_run() takes them */
	go(10);
	assert_int_equal(scripts[0].times, 2);
}

static void ask_from_outside(struct vcpu *vcpu)
{
	u32 cpu = cpu_id();

	if (scripts[vcpu->index].times > 1) {
		vcpu->requests = 0;
		return;
	}
	fake_become(1); /* another processor, after the guest has halted and before we say so */
	vcpu_request(vcpu, VCPU_REQ_EVENT);
	fake_become(cpu);
}

static void a_request_that_crosses_with_the_halt_is_not_lost(void **state)
{
	(void)state;
	scripts[0].leave = VCPU_LEAVE_HALTED;
	scripts[0].during = ask_from_outside;
	vcpu_start(&vcpus[0], false);
	go(10);
	assert_int_equal(scripts[0].times, 2);
	assert_int_equal(interrupts[0], 1);
	assert_int_equal(vcpus[0].state, VCPU_HALTED);
}

static void a_vcpu_that_waits_for_init_hears_nothing_else(void **state)
{
	(void)state;
	vcpu_start(&vcpus[1], true);
	vcpu_request(&vcpus[1], VCPU_REQ_EVENT);
	vcpu_request(&vcpus[1], VCPU_REQ_NMI);
	go(5);
	assert_int_equal(scripts[1].times, 0);
	vcpu_request(&vcpus[1], VCPU_REQ_SIPI);
	go(1);
	assert_int_equal(scripts[1].times, 1);
}

static void a_sleeping_processor_is_woken_first(void **state)
{
	(void)state;
	cpus_online = 3;
	fake_cpus[2].sleeping = true;
	vcpu_start(&vcpus[0], false);
	assert_int_equal(fake_cpus[2].softirqs, SOFTIRQ_RESCHEDULE);
	assert_int_equal(fake_cpus[0].softirqs | fake_cpus[1].softirqs, 0);
}

static void else_the_one_whose_vcpu_has_had_most_is_preempted(void **state)
{
	(void)state;
	cpus_online = 3;
	queue_clock = 10 * SCHED_SLICE_NS;
	for (u32 i = 0; i < 3; i++)
		fake_cpus[i].running = &vcpus[i];
	vcpus[0].vruntime = 11 * SCHED_SLICE_NS;
	vcpus[1].vruntime = 12 * SCHED_SLICE_NS;
	vcpus[2].vruntime = 10 * SCHED_SLICE_NS;
	vcpu_start(&vcpus[3], false);
	assert_int_equal(vcpus[3].vruntime, 9 * SCHED_SLICE_NS);
	assert_int_equal(fake_cpus[1].softirqs, SOFTIRQ_RESCHEDULE);
	assert_int_equal(fake_cpus[0].softirqs | fake_cpus[2].softirqs, 0);
}

/* ---- stopping and freezing ---- */

static void a_stopped_vcpu_leaves_the_queue(void **state)
{
	(void)state;
	vcpu_start(&vcpus[0], false);
	vcpu_start(&vcpus[1], false);
	vcpu_stop(&vcpus[0]);
	assert_int_equal(vcpus[0].state, VCPU_OFF);
	go(5);
	assert_int_equal(scripts[0].times, 0);
	assert_int_equal(scripts[1].times, 5);
	vcpu_request(&vcpus[0], VCPU_REQ_EVENT); /* nobody is there */
	assert_int_equal(vcpus[0].state, VCPU_OFF);
}

static void a_vcpu_parked_by_the_end_of_its_vm_starts_again(void **state)
{
	(void)state;
	vcpu_start(&vcpus[0], false);
	vcpu_stop(&vcpus[0]);
	vcpus[0].parked = true; /* vm_end() on another processor, after the stop */
	vcpu_start(&vcpus[0], false);
	go(3);
	assert_int_equal(scripts[0].times, 3);
}

static void a_start_forgets_old_interrupts_but_no_work(void **state)
{
	(void)state;
	vcpu_request(&vcpus[0], VCPU_REQ_INIT | VCPU_REQ_NMI);
	vcpu_request(&vcpus[0], VCPU_REQ_WORK);
	vcpu_start(&vcpus[0], false);
	assert_int_equal(vcpus[0].requests, VCPU_REQ_WORK);
}

static void kick_from_outside(struct vcpu *vcpu)
{
	vcpu_kick(vcpu);
	vcpu_kick(&vcpus[1]);
}

/* No more than an interrupt where it runs: it asks for nothing and wakes nobody. */
static void a_kick_reaches_a_running_vcpu_alone(void **state)
{
	(void)state;
	scripts[0].leave = scripts[1].leave = VCPU_LEAVE_HALTED;
	vcpu_start(&vcpus[1], false);
	go(2);
	scripts[0].during = kick_from_outside;
	vcpu_start(&vcpus[0], false);
	interrupts[0] = 0;
	go(2);
	assert_int_equal(interrupts[0], 1);
	assert_int_equal(vcpus[0].requests | vcpus[1].requests, 0);
	assert_int_equal(scripts[0].times, 1);
	assert_int_equal(scripts[1].times, 1);
}

static void a_frozen_vm_goes_on_where_it_was(void **state)
{
	(void)state;
	scripts[1].leave = VCPU_LEAVE_HALTED;
	vcpu_start(&vcpus[0], false);
	vcpu_start(&vcpus[1], false);
	vcpu_start(&vcpus[2], true);
	go(4);
	vm_freeze(&vm);
	order_count = 0;
	go(5);
	assert_int_equal(order_count, 0);
	vm_thaw(&vm);
	assert_int_equal(vcpus[0].state, VCPU_READY);
	assert_int_equal(vcpus[1].state, VCPU_HALTED);
	assert_int_equal(vcpus[2].state, VCPU_WAIT_INIT);
	assert_int_equal(vcpus[3].state, VCPU_OFF);
}

static void a_request_while_frozen_is_heard_after_the_thaw(void **state)
{
	(void)state;
	scripts[0].leave = VCPU_LEAVE_HALTED;
	vcpu_start(&vcpus[0], false);
	go(2);
	vm_freeze(&vm);
	vcpu_request(&vcpus[0], VCPU_REQ_EVENT);
	go(3);
	vm_thaw(&vm);
	assert_int_equal(vcpus[0].state, VCPU_READY);
}

static void who_was_frozen_before_it_ran_runs_after_the_thaw(void **state)
{
	(void)state;
	vcpu_start(&vcpus[0], false);
	vm_freeze(&vm);
	assert_int_equal(vcpus[0].state, VCPU_HALTED);
	vm_thaw(&vm);
	assert_int_equal(vcpus[0].state, VCPU_READY);
}

/* As vm_freeze() on another processor does. */
static void is_parked(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->parked, true, __ATOMIC_SEQ_CST);
}

static void who_was_frozen_while_it_ran_runs_after_the_thaw(void **state)
{
	(void)state;
	scripts[0].leave = VCPU_LEAVE_HALTED; /* had it not been parked */
	scripts[0].during = is_parked;
	vcpu_start(&vcpus[0], false);
	go(3);
	assert_int_equal(scripts[0].times, 1);
	assert_int_equal(vcpus[0].state, VCPU_HALTED);
	vm_thaw(&vm);
	assert_int_equal(vcpus[0].state, VCPU_READY);
}

/* ---- several processors ---- */

static void *processor(void *number)
{
	fake_become((u32)(uintptr_t)number);
	go(~0U);
	return NULL;
}

static u32 seed = 7;

static u32 draw(u32 below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static void drop_requests(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->requests, 0, __ATOMIC_SEQ_CST);
	sched_yield();
}

/* Requests come in from a device all the time. */
static void *device(void *unused)
{
	u32 next = 0;

	(void)unused;
	fake_become(CPUS - 1);
	while (!__atomic_load_n(&threads_end, __ATOMIC_ACQUIRE)) {
		vcpu_request(&vcpus[next++ % VCPUS], VCPU_REQ_EVENT);
		if (!(next % 8))
			sched_yield();
	}
	return NULL;
}

static bool is_off_its_processor(const struct vcpu *vcpu)
{
	for (u32 i = 0; i < CPUS; i++)
		if (__atomic_load_n(&fake_cpus[i].running, __ATOMIC_SEQ_CST) == vcpu)
			return false;
	return !__atomic_load_n(&scripts[vcpu->index].inside, __ATOMIC_SEQ_CST);
}

static void a_stopped_vcpu_is_off_its_processor(void **state)
{
	pthread_t threads[CPUS];
	u32 wrong = 0;

	(void)state;
	cpus_online = 2;
	threads_end = 0;
	for (u32 i = 0; i < VCPUS; i++) {
		scripts[i].during = drop_requests;
		scripts[i].leave = VCPU_LEAVE_HALTED;
		vcpu_start(&vcpus[i], false);
	}
	for (u32 i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, processor, (void *)(uintptr_t)i);
	pthread_create(&threads[2], NULL, device, NULL);
	fake_become(CPUS - 1); /* not one of those that run vCPUs */
	for (u32 i = 0; i < 3000; i++) {
		struct vcpu *vcpu = &vcpus[draw(VCPUS)];

		vcpu_stop(vcpu);
		wrong += !is_off_its_processor(vcpu);
		vcpu_start(vcpu, false);
	}
	__atomic_store_n(&threads_end, 1, __ATOMIC_RELEASE);
	for (u32 i = 0; i < CPUS; i++)
		pthread_join(threads[i], NULL);
	threads_end = 0;
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(equal_weights_take_turns, start),
		cmocka_unit_test_setup(time_goes_by_weight, start),
		cmocka_unit_test_setup(a_reserved_first_processor_runs_no_guest, start),
		cmocka_unit_test_setup(who_wakes_goes_past_a_reserved_processor, start),
		cmocka_unit_test_setup(the_only_processor_cannot_be_reserved, start),
		cmocka_unit_test_setup(short_stays_are_charged_as_short, start),
		cmocka_unit_test_setup(sleep_is_not_saved_up, start),
		cmocka_unit_test_setup(waiting_is_counted_as_steal_time, start),
		cmocka_unit_test_setup(a_halted_vcpu_waits_for_a_request, start),
		cmocka_unit_test_setup(a_request_that_crosses_with_the_halt_is_not_lost, start),
		cmocka_unit_test_setup(a_vcpu_that_waits_for_init_hears_nothing_else, start),
		cmocka_unit_test_setup(a_sleeping_processor_is_woken_first, start),
		cmocka_unit_test_setup(else_the_one_whose_vcpu_has_had_most_is_preempted, start),
		cmocka_unit_test_setup(a_stopped_vcpu_leaves_the_queue, start),
		cmocka_unit_test_setup(a_vcpu_parked_by_the_end_of_its_vm_starts_again, start),
		cmocka_unit_test_setup(a_kick_reaches_a_running_vcpu_alone, start),
		cmocka_unit_test_setup(a_start_forgets_old_interrupts_but_no_work, start),
		cmocka_unit_test_setup(a_frozen_vm_goes_on_where_it_was, start),
		cmocka_unit_test_setup(a_request_while_frozen_is_heard_after_the_thaw, start),
		cmocka_unit_test_setup(who_was_frozen_before_it_ran_runs_after_the_thaw, start),
		cmocka_unit_test_setup(who_was_frozen_while_it_ran_runs_after_the_thaw, start),
		cmocka_unit_test_setup(a_stopped_vcpu_is_off_its_processor, start),
	};

	return cmocka_run_group_tests_name("sched", tests, NULL, NULL);
}
