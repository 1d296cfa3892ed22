// SPDX-License-Identifier: Apache-2.0
/* The CPU scheduler: one run queue by virtual run time. */
#include "core/sched.h"

#include "arch/x86/cpu.h"
#include "core/frame.h"
#include "core/irq.h"
#include "core/log.h"
#include "core/percpu.h"
#include "core/softirq.h"
#include "core/timer.h"
#include "core/vcpu_run.h"

#define WEIGHT_UNIT 100

static struct spinlock lock; /* guards all below and each vCPU's state, cpu and queue fields */
static struct list_node queue = { &queue, &queue };
static u64 queue_clock; /* vruntime of the vCPU that was picked last */
static struct timer slice_timers[CPU_MAX];
static u32 first_cpu; /* the first one that runs guests: 0 or 1; written at start */

/* One for each vCPU, and a slice and a poll timer: so long a CPU's queue can be. */
_Static_assert(TIMERS_PER_CPU >= 2 + VM_MAX * VM_MAX_VCPUS, "timers of a CPU");

static void queue_insert(struct vcpu *vcpu)
{
	struct list_node *at = queue.prev;

	while (at != &queue && container_of(at, struct vcpu, queue_node)->vruntime > vcpu->vruntime)
		at = at->prev;
	list_add_after(at, &vcpu->queue_node);
}

/*
 * For a new vCPU: a processor that sleeps, or else the one whose vCPU has had most, by more
 * than a slice beyond `vruntime`; CPU_MAX: none.
 */
static u32 find_processor(u64 vruntime)
{
	u32 found = CPU_MAX;
	u64 most = vruntime + SCHED_SLICE_NS;

	for (u32 i = first_cpu; i < cpu_count(); i++) {
		const struct percpu *cpu = percpu_of(i);

		if (__atomic_load_n(&cpu->sleeping, __ATOMIC_SEQ_CST))
			return i;
		if (cpu->running && cpu->running->vruntime > most) {
			most = cpu->running->vruntime;
			found = i;
		}
	}
	return found;
}

static void make_ready(struct vcpu *vcpu)
{
	u32 target;
	u64 floor = queue_clock > SCHED_SLICE_NS ? queue_clock - SCHED_SLICE_NS : 0;

	vcpu->vruntime = MAX(vcpu->vruntime, floor);
	vcpu->state = VCPU_READY;
	vcpu->ready_since_ns = now_ns();
	queue_insert(vcpu);
	target = find_processor(vcpu->vruntime);
	if (target != CPU_MAX)
		softirq_raise(target, SOFTIRQ_RESCHEDULE);
}

static void slice_over(struct timer *timer)
{
	percpu_of(timer->cpu)->slice_end_ns = 0;
}

void vcpu_start(struct vcpu *vcpu, bool wait_for_init)
{
	spin_guard(&lock);
	__atomic_fetch_and(&vcpu->requests, VCPU_REQ_WORK, __ATOMIC_SEQ_CST);
	vcpu->halted = false;
	vcpu->parked = false; /* vm_end() of the last run may have come after vcpu_stop() */
	if (wait_for_init)
		vcpu->state = VCPU_WAIT_INIT;
	else
		make_ready(vcpu);
}

void vcpu_request(struct vcpu *vcpu, u32 request)
{
	u32 before = __atomic_fetch_or(&vcpu->requests, request, __ATOMIC_SEQ_CST);

	if (before & request)
		return;
	/*
	 * A vCPU that calls this for itself sees the bit before it enters again.
	 * State changes to HALTED check the bits under the lock, so none is lost.
	 */
	if (percpu_self()->running == vcpu)
		return;
	irq_hold_kicks();
	spin_lock(&lock);
	if (vcpu->state == VCPU_HALTED ||
	    (vcpu->state == VCPU_WAIT_INIT && request & (VCPU_REQ_INIT | VCPU_REQ_SIPI)))
		make_ready(vcpu);
	else if (vcpu->state == VCPU_RUNNING)
		irq_kick(vcpu->cpu);
	spin_unlock(&lock);
	irq_release_kicks();
}

void vcpu_kick(struct vcpu *vcpu)
{
	spin_guard(&lock);
	if (vcpu->state == VCPU_RUNNING)
		irq_kick(vcpu->cpu);
}

/*
 * Returns with `lock` held and the vCPU on no processor and in no queue. Looking first
 * and locking again would leave a gap in which a request sets it going.
 */
static void park(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->parked, true, __ATOMIC_SEQ_CST);
	for (;;) {
		spin_lock(&lock);
		if (vcpu->state != VCPU_RUNNING)
			break;
		irq_kick(vcpu->cpu);
		spin_unlock(&lock);
		for (int i = 0; i < 1000; i++)
			cpu_relax();
	}
	if (vcpu->state == VCPU_READY) {
		list_remove(&vcpu->queue_node);
		vcpu->state = VCPU_HALTED;
		vcpu->thaw_ready = true;
	}
}

void vcpu_stop(struct vcpu *vcpu)
{
	park(vcpu);
	vcpu->state = VCPU_OFF;
	vcpu->parked = false;
	spin_unlock(&lock);
}

void vm_freeze(struct vm *vm)
{
	for (u32 i = 0; i < vm->vcpu_count; i++) {
		park(vm->vcpus[i]);
		spin_unlock(&lock);
	}
}

void vm_thaw(struct vm *vm)
{
	for (u32 i = 0; i < vm->vcpu_count; i++) {
		struct vcpu *vcpu = vm->vcpus[i];

		spin_guard(&lock);
		vcpu->parked = false;
		if (vcpu->state == VCPU_HALTED && (vcpu->thaw_ready || vcpu->requests))
			make_ready(vcpu);
	}
}

/* The vCPU that has had least, now RUNNING here; NULL: none is ready. */
static struct vcpu *pick(void)
{
	struct vcpu *vcpu;
	u64 now = now_ns();

	spin_guard(&lock);
	if (queue.next == &queue)
		return NULL;
	vcpu = container_of(queue.next, struct vcpu, queue_node);
	list_remove(&vcpu->queue_node);
	vcpu->state = VCPU_RUNNING;
	vcpu->cpu = cpu_id();
	vcpu->run_start_ns = now;
	vcpu->ready_ns += now - vcpu->ready_since_ns;
	queue_clock = MAX(queue_clock, vcpu->vruntime);
	percpu_self()->running = vcpu;
	percpu_self()->slice_end_ns = now + SCHED_SLICE_NS;
	return vcpu;
}

static void put(struct vcpu *vcpu, enum vcpu_leave leave)
{
	u64 now = now_ns();
	u64 ran = now - vcpu->run_start_ns;

	spin_guard(&lock);
	percpu_self()->running = NULL;
	vcpu->run_ns += ran;
	vcpu->vruntime += ran * WEIGHT_UNIT / vcpu->weight;
	vcpu->thaw_ready = leave == VCPU_LEAVE_PREEMPTED;
	if (vcpu->parked) {
		vcpu->state = leave == VCPU_LEAVE_WAIT_INIT ? VCPU_WAIT_INIT : VCPU_HALTED;
	} else if (leave == VCPU_LEAVE_WAIT_INIT &&
		   !(vcpu->requests & (VCPU_REQ_INIT | VCPU_REQ_SIPI))) {
		vcpu->state = VCPU_WAIT_INIT;
	} else if (leave == VCPU_LEAVE_HALTED && !vcpu->requests) {
		vcpu->state = VCPU_HALTED;
	} else {
		vcpu->state = VCPU_READY;
		vcpu->ready_since_ns = now;
		queue_insert(vcpu);
	}
}

bool sched_reserve_cpu0(void)
{
	if (cpu_count() < 2)
		return false;
	first_cpu = 1;
	return true;
}

static void idle(struct percpu *cpu)
{
	bool ready;

	__atomic_store_n(&cpu->sleeping, true, __ATOMIC_SEQ_CST);
	/* Whoever queues a vCPU or a softirq after these looks finds us sleeping and interrupts. */
	ready = cpu->id >= first_cpu && __atomic_load_n(&queue.next, __ATOMIC_SEQ_CST) != &queue;
	if (!ready && !softirq_pending())
		cpu_sleep();
	__atomic_store_n(&cpu->sleeping, false, __ATOMIC_SEQ_CST);
}

_Noreturn void sched_loop(bool (*housekeeping)(void))
{
	struct percpu *cpu = percpu_self();
	struct timer *slice = &slice_timers[cpu->id];

	slice->fire = slice_over;
	for (;;) {
		struct vcpu *vcpu;
		bool busy = false;

		interrupts_take_pending();
		softirq_run();
		if (housekeeping)
			busy = housekeeping();
		vcpu = cpu->id >= first_cpu ? pick() : NULL;
		if (vcpu) {
			timer_set(slice, cpu->slice_end_ns);
			put(vcpu, vcpu_run(vcpu));
			timer_cancel(slice);
		} else if (!busy) {
			idle(cpu);
		}
	}
}

struct vcpu *vcpu_create(struct vm *vm, u32 index)
{
	u32 pages = (sizeof(struct vcpu) + PAGE_MASK) >> PAGE_SHIFT;
	hpa_t frame = frame_alloc_contiguous(pages);
	struct vcpu *vcpu;

	if (!frame.raw)
		return NULL;
	vcpu = frame_ptr(frame);
	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->weight = vm->config->cpu_weight;
	list_init(&vcpu->work);
	vcpu->arch.nested_root = vm->nested.root;
	vcpu->arch.space = &vm->space;
	if (virt->vcpu_create(&vcpu->arch)) {
		frame_free_contiguous(frame, pages);
		return NULL;
	}
	return vcpu;
}
