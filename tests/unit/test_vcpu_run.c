// SPDX-License-Identifier: Apache-2.0
// SOURCES: core/region.c core/lib/string.c
/*
 * Rules of running a vCPU: requests, work, injection, and each kind of exit. vcpu_run.c is compiled
 * in here, since it lets interrupts in with an instruction that only a kernel may use.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* In place of arch/x86/cpu.h. */
#define ARCH_X86_CPU_H
static inline void interrupts_take_pending(void)
{
}

#include "core/vcpu_run.c"
#include "tests/unit/fake_percpu.h"

/* ---- the machine around it ---- */

static struct vm vm;
static struct vcpu vcpu;

/* What the guest does at each entry, and what happened on the way. */
static struct vm_exit exits[16];
static u32 exit_count, entries;
static u64 completed[16];
static u32 completions;
static u64 further_values; /* accesses that an instruction still has, as complete() tells */
static u32 resets, inits, startups, nmis, injected, offers, exceptions, accepts, returns;
static u8 startup_vector, injected_vector, offered_vector, exception_vector;
static bool can_inject, can_nmi, can_offer, takes_offers;
static int pending;
static enum vm_end ended;
static char end_reason[sizeof(vm.end_reason)];

bool softirq_pending(void)
{
	return fake_cpus[0].softirqs;
}

void vm_end(struct vm *of, enum vm_end end, const char *fmt, ...)
{
	va_list args;

	assert_ptr_equal(of, &vm);
	va_start(args, fmt);
	vsnprintf(end_reason, sizeof(end_reason), fmt, args);
	va_end(args);
	ended = end;
	vcpu.parked = true;
}

void vcpu_queue_work(struct vcpu *on, struct vcpu_work *work)
{
	list_add_before(&on->work, &work->node);
}

static void fake_load(struct arch_vcpu *arch)
{
	assert_ptr_equal(arch, &vcpu.arch);
}

static void fake_run(struct arch_vcpu *arch, struct vm_exit *exit)
{
	assert_ptr_equal(arch, &vcpu.arch);
	assert_true(vcpu.in_guest);
	if (takes_offers)
		arch->offered = 0;
	if (entries == exit_count) { /* the script is at its end: the slice too */
		exit->kind = VM_EXIT_INTERRUPT;
		fake_cpus[0].slice_end_ns = 0;
		return;
	}
	*exit = exits[entries++];
}

static bool fake_complete(struct arch_vcpu *arch, struct vm_exit *exit)
{
	(void)arch;
	completed[completions++] = exit->kind == VM_EXIT_PIO ? exit->pio.value : exit->mmio.value;
	if (!further_values)
		return false;
	further_values--;
	if (exit->kind == VM_EXIT_MMIO)
		exit->mmio.address += exit->mmio.size;
	return true;
}

static void fake_reset(struct arch_vcpu *arch)
{
	(void)arch;
	resets++;
}

static void fake_get_state(const struct arch_vcpu *arch, struct x86_state *state)
{
	assert_ptr_equal(arch, &vcpu.arch);
	*state = (struct x86_state){ .rip = ~0ULL - 1, .cr2 = ~0ULL - 3, .cr3 = ~0ULL - 4 };
	state->gpr[GPR_RSP] = ~0ULL - 2;
}

static bool fake_can_inject(const struct arch_vcpu *arch)
{
	(void)arch;
	return can_inject;
}

static void fake_inject(struct arch_vcpu *arch, u8 vector)
{
	(void)arch;
	injected++;
	injected_vector = vector;
}

static bool fake_nmi(struct arch_vcpu *arch)
{
	(void)arch;
	nmis += can_nmi;
	return can_nmi;
}

static void fake_exception(struct arch_vcpu *arch, u8 vector, bool has_code, u32 code)
{
	(void)arch;
	exceptions++;
	exception_vector = vector;
	assert_true(has_code);
	assert_int_equal(code, 0);
}

static bool fake_offer(struct arch_vcpu *arch, u8 vector)
{
	offers++;
	offered_vector = vector;
	arch->offered = can_offer ? vector : 0;
	return can_offer;
}

static void fake_startup(struct arch_vcpu *arch, u8 vector)
{
	(void)arch;
	startups++;
	startup_vector = vector;
}

static const struct virt_ops fake_virt = {
	.load = fake_load,
	.unload = fake_load,
	.get_state = fake_get_state,
	.run = fake_run,
	.complete = fake_complete,
	.vcpu_reset = fake_reset,
	.can_inject = fake_can_inject,
	.inject_interrupt = fake_inject,
	.inject_nmi = fake_nmi,
	.inject_exception = fake_exception,
	.offer_interrupt = fake_offer,
	.startup = fake_startup,
};
const struct virt_ops *virt = &fake_virt;

static int fake_pending(struct vcpu *of)
{
	(void)of;
	return pending;
}

static void fake_accept(struct vcpu *of, u8 vector)
{
	(void)of;
	assert_int_equal(vector, pending);
	pending = -1;
	accepts++;
}

static void fake_return(struct vcpu *of, u8 vector)
{
	(void)of;
	pending = vector;
	returns++;
}

static void fake_cpuid(struct vcpu *of, struct vm_exit *exit)
{
	(void)of;
	exit->cpuid.eax = 1;
}

static bool fake_msr(struct vcpu *of, struct vm_exit *exit)
{
	(void)of;
	return exit->msr.index != 0xbad;
}

static void fake_init(struct vcpu *of)
{
	(void)of;
	inits++;
}

static void fake_scheduled_in(struct vcpu *of)
{
	(void)of;
}

static const struct vm_ops fake_ops = {
	.pending_interrupt = fake_pending,
	.accept_interrupt = fake_accept,
	.return_interrupt = fake_return,
	.cpuid = fake_cpuid,
	.msr = fake_msr,
	.hypercall = fake_cpuid,
	.vcpu_init = fake_init,
	.scheduled_in = fake_scheduled_in,
};

static struct access last_access;
static enum access_result answer;

static enum access_result handler(struct vcpu *of, void *ctx, struct access *access)
{
	assert_ptr_equal(of, &vcpu);
	assert_null(ctx);
	assert_int_not_equal(vm.device_lock.next, vm.device_lock.owner); /* it is held */
	last_access = *access;
	if (!access->write)
		access->value = 0x11223344;
	return answer;
}

static int start(void **state)
{
	const struct region memory = { .base = 0x1000, .size = 0x100, .handler = handler };
	const struct region ports = { .base = 0x60, .size = 4, .handler = handler };

	(void)state;
	memset(&vm, 0, sizeof(vm));
	memset(&vcpu, 0, sizeof(vcpu));
	vm.ops = &fake_ops;
	vm.vcpu_count = 1;
	vm.vcpus[0] = &vcpu;
	vcpu.vm = &vm;
	list_init(&vcpu.work);
	assert_int_equal(region_add(&vm.mmio, &memory), OK);
	assert_int_equal(region_add(&vm.ports, &ports), OK);
	fake_cpus_start();
	fake_cpus[0].slice_end_ns = 1;
	exit_count = entries = completions = 0;
	further_values = 0;
	resets = inits = startups = nmis = accepts = returns = injected = offers = exceptions = 0;
	can_inject = can_nmi = true;
	can_offer = takes_offers = false;
	pending = -1;
	ended = VM_END_NONE;
	answer = ACCESS_HANDLED;
	last_access = (struct access){ 0 };
	return 0;
}

static struct vm_exit *guest_does(enum vm_exit_kind kind)
{
	exits[exit_count] = (struct vm_exit){ .kind = kind };
	return &exits[exit_count++];
}

static void guest_reads(u64 gpa, u8 size)
{
	struct vm_exit *exit = guest_does(VM_EXIT_MMIO);

	exit->mmio.address = gpa;
	exit->mmio.size = size;
}

static void guest_ins(u16 port, u8 size)
{
	struct vm_exit *exit = guest_does(VM_EXIT_PIO);

	exit->pio.address = port;
	exit->pio.size = size;
}

/* ---- accesses ---- */

static void a_handler_sees_an_offset_in_its_region(void **state)
{
	struct vm_exit *exit;

	(void)state;
	guest_reads(0x1010, 4);
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_PREEMPTED);
	assert_int_equal(last_access.offset, 0x10);
	assert_int_equal(completed[0], 0x11223344);
	fake_cpus[0].slice_end_ns = 1;
	exit = guest_does(VM_EXIT_MMIO);
	exit->mmio.address = 0x10f8;
	exit->mmio.size = 8;
	exit->mmio.write = true;
	exit->mmio.value = 0x8877665544332211;
	vcpu_run(&vcpu);
	assert_true(last_access.write);
	assert_int_equal(last_access.value, 0x8877665544332211);
	assert_int_equal(vcpu.exits[VM_EXIT_MMIO], 2);
}

static void nothing_there_reads_as_ones(void **state)
{
	(void)state;
	guest_reads(0x5000, 1);
	guest_reads(0x5000, 2);
	guest_reads(0x5000, 4);
	guest_reads(0x5000, 8);
	guest_reads(0x10ff, 2); /* runs out of the region */
	guest_ins(0x80, 1);
	guest_ins(0x80, 4);
	vcpu_run(&vcpu);
	assert_int_equal(completed[0], 0xff);
	assert_int_equal(completed[1], 0xffff);
	assert_int_equal(completed[2], 0xffffffff);
	assert_int_equal(completed[3], ~0ULL);
	assert_int_equal(completed[4], 0xffff);
	assert_int_equal(completed[5], 0xff);
	assert_int_equal(completed[6], 0xffffffff);
	assert_int_equal(ended, VM_END_NONE);
}

static void what_a_handler_does_not_know_reads_as_ones(void **state)
{
	(void)state;
	answer = ACCESS_NOT_MINE;
	guest_reads(0x1000, 2);
	vcpu_run(&vcpu);
	assert_int_equal(completed[0], 0xffff);
}

static void every_access_of_an_instruction_is_made(void **state)
{
	(void)state;
	further_values = 3;
	guest_reads(0x1000, 4);
	vcpu_run(&vcpu);
	assert_int_equal(completions, 4);
	assert_int_equal(last_access.offset, 12);
	assert_int_equal(vcpu.exits[VM_EXIT_MMIO], 1);
}

static void a_refused_access_to_memory_ends_the_vm(void **state)
{
	(void)state;
	answer = ACCESS_GUEST_ERROR;
	guest_reads(0x1000, 4);
	vcpu_run(&vcpu);
	assert_int_equal(ended, VM_END_CRASH);
	assert_int_equal(completions, 0);
	assert_int_equal(vm.device_lock.next, vm.device_lock.owner);
}

static void a_refused_port_is_a_general_protection_fault(void **state)
{
	(void)state;
	answer = ACCESS_GUEST_ERROR;
	guest_ins(0x60, 1);
	vcpu_run(&vcpu);
	assert_int_equal(exceptions, 1);
	assert_int_equal(exception_vector, X86_GP);
	assert_int_equal(completions, 0);
	assert_int_equal(ended, VM_END_NONE);
}

static void a_refused_msr_is_a_general_protection_fault(void **state)
{
	(void)state;
	guest_does(VM_EXIT_MSR)->msr.index = 0xbad;
	guest_does(VM_EXIT_MSR)->msr.index = 0x10;
	vcpu_run(&vcpu);
	assert_int_equal(exceptions, 1);
	assert_int_equal(completions, 1);
}

static void cpuid_and_hypercalls_are_retired(void **state)
{
	(void)state;
	guest_does(VM_EXIT_CPUID);
	guest_does(VM_EXIT_HYPERCALL);
	vcpu_run(&vcpu);
	assert_int_equal(completions, 2);
	assert_int_equal(entries, 2);
}

static void a_triple_fault_and_a_stop_end_the_vm(void **state)
{
	(void)state;
	guest_does(VM_EXIT_SHUTDOWN);
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_PREEMPTED);
	assert_int_equal(entries, 1);
	assert_int_equal(ended, VM_END_CRASH);
	assert_string_equal(end_reason, "triple fault on vCPU 0, RIP 0xfffffffffffffffe, "
					"RSP 0xfffffffffffffffd, CR2 0xfffffffffffffffc, "
					"CR3 0xfffffffffffffffb");
	ended = VM_END_NONE;
	vcpu.parked = false;
	guest_does(VM_EXIT_STOP)->stop.reason = "test";
	vcpu_run(&vcpu);
	assert_int_equal(ended, VM_END_CRASH);
}

/* ---- halt ---- */

static void a_halt_gives_the_processor_up(void **state)
{
	(void)state;
	guest_does(VM_EXIT_HLT);
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_HALTED);
	assert_int_equal(completions, 1); /* it goes on behind the instruction */
}

static void an_interrupt_that_can_be_taken_ends_a_halt(void **state)
{
	(void)state;
	guest_does(VM_EXIT_HLT);
	vcpu_run(&vcpu);
	pending = 0x40;
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_PREEMPTED);
	assert_int_equal(injected, 1);
	assert_false(vcpu.halted);
}

static void one_that_is_there_already_ends_it_at_once(void **state)
{
	(void)state;
	guest_does(VM_EXIT_HLT);
	guest_does(VM_EXIT_CPUID);
	vcpu.halted = true; /* as after HLT */
	pending = 0x40;
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_HALTED);
	assert_int_equal(injected, 1); /* ended the first halt; the guest then halts again */
	assert_int_equal(entries, 1);
}

static void a_halt_with_interrupts_off_lasts(void **state)
{
	(void)state;
	can_inject = false;
	pending = 0x40;
	guest_does(VM_EXIT_HLT);
	guest_does(VM_EXIT_CPUID);
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_HALTED);
	vcpu.requests = VCPU_REQ_EVENT;
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_HALTED);
	assert_int_equal(vcpu.requests, 0); /* the scheduler may let it sleep */
	assert_int_equal(entries, 1);
	vcpu.requests = VCPU_REQ_NMI;
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_PREEMPTED);
	assert_int_equal(nmis, 1);
	assert_int_equal(entries, 2);
	assert_int_equal(injected, 0);
}

static void an_nmi_that_is_blocked_does_not_end_a_halt(void **state)
{
	(void)state;
	can_nmi = false;
	guest_does(VM_EXIT_HLT);
	vcpu_run(&vcpu);
	vcpu.requests = VCPU_REQ_NMI;
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_HALTED);
	assert_true(vcpu.nmi_pending);
}

static void init_ends_a_halt(void **state)
{
	(void)state;
	guest_does(VM_EXIT_HLT);
	vcpu_run(&vcpu);
	vcpu.requests = VCPU_REQ_INIT | VCPU_REQ_SIPI;
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_PREEMPTED);
	assert_int_equal(startups, 1);
}

static void a_kick_ends_a_halt_before_and_after_it(void **state)
{
	(void)state;
	vcpu.kicked = true;
	guest_does(VM_EXIT_HLT);
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_PREEMPTED);
	assert_false(vcpu.kicked);
	assert_int_equal(start(NULL), 0);
	guest_does(VM_EXIT_HLT);
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_HALTED);
	vcpu.kicked = true;
	vcpu.requests = VCPU_REQ_EVENT;
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_PREEMPTED);
	assert_false(vcpu.kicked);
}

/* ---- events ---- */

static void an_interrupt_is_injected_and_accepted(void **state)
{
	(void)state;
	pending = 0x51;
	vcpu_run(&vcpu);
	assert_int_equal(injected, 1);
	assert_int_equal(injected_vector, 0x51);
	assert_int_equal(pending, -1);
}

static void one_that_cannot_be_taken_waits_for_the_window(void **state)
{
	(void)state;
	pending = 0x51;
	can_inject = can_offer = false;
	vcpu_run(&vcpu);
	assert_int_equal(injected, 0);
	assert_int_equal(offers, 1);
	assert_int_equal(offered_vector, 0x51);
	assert_int_equal(pending, 0x51);
}

/* Accepted while it is on offer, so that the same vector raised meanwhile is not lost. */
static void an_offer_is_accepted_until_it_comes_back(void **state)
{
	(void)state;
	pending = 0x51;
	can_inject = false;
	can_offer = true;
	vcpu_run(&vcpu);
	assert_int_equal(offers, 1);
	assert_int_equal(accepts, 1);
	assert_int_equal(returns, 1); /* fake_run() does not take it */
	assert_int_equal(pending, 0x51);
	assert_int_equal(vcpu.arch.offered, 0);
	assert_int_equal(injected, 0);
}

static void an_offer_that_was_taken_does_not_come_back(void **state)
{
	(void)state;
	pending = 0x51;
	can_inject = false;
	can_offer = takes_offers = true;
	vcpu_run(&vcpu);
	assert_int_equal(accepts, 1);
	assert_int_equal(returns, 0);
	assert_int_equal(pending, -1);
}

static void an_nmi_waits_until_it_can_be_taken(void **state)
{
	(void)state;
	vcpu.requests = VCPU_REQ_NMI;
	can_nmi = false;
	vcpu_run(&vcpu);
	assert_true(vcpu.nmi_pending);
	can_nmi = true;
	fake_cpus[0].slice_end_ns = 1;
	vcpu_run(&vcpu);
	assert_int_equal(nmis, 1);
	assert_false(vcpu.nmi_pending);
}

static void init_resets_and_waits_for_a_start_up(void **state)
{
	(void)state;
	vcpu.requests = VCPU_REQ_INIT;
	vcpu.nmi_pending = true;
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_WAIT_INIT);
	assert_int_equal(resets, 1);
	assert_int_equal(inits, 1);
	assert_false(vcpu.nmi_pending);
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_WAIT_INIT); /* nothing has come */
	vcpu.sipi_vector = 0x9a;
	vcpu.requests = VCPU_REQ_SIPI;
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_PREEMPTED);
	assert_int_equal(startups, 1);
	assert_int_equal(startup_vector, 0x9a);
}

static void a_start_up_that_nobody_waits_for_is_ignored(void **state)
{
	(void)state;
	vcpu.requests = VCPU_REQ_SIPI;
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_PREEMPTED);
	assert_int_equal(startups, 0);
}

static void init_and_start_up_at_once_are_both_taken(void **state)
{
	(void)state;
	vcpu.requests = VCPU_REQ_INIT | VCPU_REQ_SIPI;
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_PREEMPTED);
	assert_int_equal(resets, 1);
	assert_int_equal(startups, 1);
}

static void a_request_at_the_last_moment_keeps_the_guest_out(void **state)
{
	(void)state;
	guest_does(VM_EXIT_CPUID);
	vcpu.requests = VCPU_REQ_EVENT;
	enter(&vcpu);
	assert_int_equal(entries, 0);
	assert_false(vcpu.in_guest);
}

/* ---- leaving ---- */

static void nothing_is_entered_when_it_is_time_to_leave(void **state)
{
	(void)state;
	guest_does(VM_EXIT_CPUID);
	fake_cpus[0].slice_end_ns = 0;
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_PREEMPTED);
	fake_cpus[0].slice_end_ns = 1;
	fake_cpus[0].softirqs = 1;
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_PREEMPTED);
	fake_cpus[0].softirqs = 0;
	vcpu.parked = true;
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_PREEMPTED);
	assert_int_equal(entries, 0);
}

/* ---- work ---- */

static u32 steps, steps_wanted;

static bool work_step(struct vcpu *of, struct vcpu_work *work)
{
	assert_ptr_equal(of, &vcpu);
	assert_false(list_is_linked(&work->node)); /* it may be queued anew while it runs */
	assert_int_equal(entries, 0);
	steps++;
	if (steps == 3)
		fake_cpus[0].slice_end_ns = 0;
	return steps < steps_wanted;
}

static void work_is_done_before_the_guest_runs(void **state)
{
	struct vcpu_work work = { .step = work_step };

	(void)state;
	steps = 0;
	steps_wanted = 2;
	guest_does(VM_EXIT_HLT);
	vcpu_queue_work(&vcpu, &work);
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_HALTED);
	assert_int_equal(steps, 2);
	assert_true(list_is_empty(&vcpu.work));
}

static bool step_once(struct vcpu *of, struct vcpu_work *work)
{
	(void)of;
	(void)work;
	steps++;
	return false;
}

static void work_does_not_end_a_halt(void **state)
{
	struct vcpu_work work = { .step = step_once };

	(void)state;
	steps = 0;
	guest_does(VM_EXIT_HLT);
	guest_does(VM_EXIT_CPUID);
	vcpu_run(&vcpu);
	vcpu_queue_work(&vcpu, &work);
	vcpu.requests = VCPU_REQ_WORK;
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_HALTED);
	assert_int_equal(steps, 1);
	assert_int_equal(entries, 1);
}

static void long_work_gives_way_when_the_slice_is_over(void **state)
{
	struct vcpu_work work = { .step = work_step };

	(void)state;
	steps = 0;
	steps_wanted = 100;
	vcpu_queue_work(&vcpu, &work);
	assert_int_equal(vcpu_run(&vcpu), VCPU_LEAVE_PREEMPTED);
	assert_int_equal(steps, 3);
	assert_true(list_is_linked(&work.node)); /* the rest is for the next slice */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_handler_sees_an_offset_in_its_region, start),
		cmocka_unit_test_setup(nothing_there_reads_as_ones, start),
		cmocka_unit_test_setup(what_a_handler_does_not_know_reads_as_ones, start),
		cmocka_unit_test_setup(every_access_of_an_instruction_is_made, start),
		cmocka_unit_test_setup(a_refused_access_to_memory_ends_the_vm, start),
		cmocka_unit_test_setup(a_refused_port_is_a_general_protection_fault, start),
		cmocka_unit_test_setup(a_refused_msr_is_a_general_protection_fault, start),
		cmocka_unit_test_setup(cpuid_and_hypercalls_are_retired, start),
		cmocka_unit_test_setup(a_triple_fault_and_a_stop_end_the_vm, start),
		cmocka_unit_test_setup(a_halt_gives_the_processor_up, start),
		cmocka_unit_test_setup(an_interrupt_that_can_be_taken_ends_a_halt, start),
		cmocka_unit_test_setup(one_that_is_there_already_ends_it_at_once, start),
		cmocka_unit_test_setup(a_halt_with_interrupts_off_lasts, start),
		cmocka_unit_test_setup(an_nmi_that_is_blocked_does_not_end_a_halt, start),
		cmocka_unit_test_setup(init_ends_a_halt, start),
		cmocka_unit_test_setup(a_kick_ends_a_halt_before_and_after_it, start),
		cmocka_unit_test_setup(work_does_not_end_a_halt, start),
		cmocka_unit_test_setup(an_interrupt_is_injected_and_accepted, start),
		cmocka_unit_test_setup(one_that_cannot_be_taken_waits_for_the_window, start),
		cmocka_unit_test_setup(an_offer_is_accepted_until_it_comes_back, start),
		cmocka_unit_test_setup(an_offer_that_was_taken_does_not_come_back, start),
		cmocka_unit_test_setup(an_nmi_waits_until_it_can_be_taken, start),
		cmocka_unit_test_setup(init_resets_and_waits_for_a_start_up, start),
		cmocka_unit_test_setup(a_start_up_that_nobody_waits_for_is_ignored, start),
		cmocka_unit_test_setup(init_and_start_up_at_once_are_both_taken, start),
		cmocka_unit_test_setup(a_request_at_the_last_moment_keeps_the_guest_out, start),
		cmocka_unit_test_setup(nothing_is_entered_when_it_is_time_to_leave, start),
		cmocka_unit_test_setup(work_is_done_before_the_guest_runs, start),
		cmocka_unit_test_setup(long_work_gives_way_when_the_slice_is_over, start),
	};

	return cmocka_run_group_tests_name("vcpu_run", tests, NULL, NULL);
}
