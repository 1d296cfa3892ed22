// SPDX-License-Identifier: Apache-2.0
/* Runs a vCPU: requests, guest-caused work, interrupts, entry, and what came back. */
#include "core/vcpu_run.h"

#include "arch/x86/cpu.h"
#include "core/log.h"
#include "core/percpu.h"
#include "core/softirq.h"

/* One access to the VM's device model; false: a guest error. */
static bool access_region(struct vcpu *vcpu, struct region_table *table, u64 address,
			  struct access *access)
{
	struct vm *vm = vcpu->vm;
	enum access_result result = ACCESS_NOT_MINE;
	const struct region *region;

	spin_lock(&vm->device_lock);
	region = region_find(table, address, access->size);
	if (region) {
		access->offset = address - region->base;
		result = region->handler(vcpu, region->ctx, access);
	}
	spin_unlock(&vm->device_lock);
	if (result == ACCESS_NOT_MINE)
		access->value = LOW_BYTES(access->size);
	return result != ACCESS_GUEST_ERROR;
}

/* MMIO and ports alike, with each further access of the same instruction. */
static void handle_access(struct vcpu *vcpu, struct vm_exit *exit)
{
	struct vm *vm = vcpu->vm;
	bool port = exit->kind == VM_EXIT_PIO;
	struct vm_exit_access *asked = port ? &exit->pio : &exit->mmio;

	do {
		struct access access = {
			.value = asked->value,
			.size = asked->size,
			.write = asked->write,
		};

		if (!access_region(vcpu, port ? &vm->ports : &vm->mmio, asked->address, &access)) {
			if (port)
				virt->inject_exception(&vcpu->arch, X86_GP, true, 0);
			else
				vm_end(vm, VM_END_CRASH, "refused access to guest address 0x%lx",
				       asked->address);
			return;
		}
		asked->value = access.value;
	} while (virt->complete(&vcpu->arch, exit));
}

static void handle_cpuid(struct vcpu *vcpu, struct vm_exit *exit)
{
	vcpu->vm->ops->cpuid(vcpu, exit);
	(void)virt->complete(&vcpu->arch, exit);
}

static void handle_msr(struct vcpu *vcpu, struct vm_exit *exit)
{
	if (vcpu->vm->ops->msr(vcpu, exit))
		(void)virt->complete(&vcpu->arch, exit);
	else
		virt->inject_exception(&vcpu->arch, X86_GP, true, 0);
}

static void handle_eoi(struct vcpu *vcpu, struct vm_exit *exit)
{
	vcpu->vm->ops->eoi(vcpu, exit->eoi.vector);
}

static void handle_hypercall(struct vcpu *vcpu, struct vm_exit *exit)
{
	vcpu->vm->ops->hypercall(vcpu, exit);
	(void)virt->complete(&vcpu->arch, exit);
}

static void handle_hlt(struct vcpu *vcpu, struct vm_exit *exit)
{
	(void)virt->complete(&vcpu->arch, exit);
	vcpu->halted = true;
}

static void handle_shutdown(struct vcpu *vcpu, struct vm_exit *exit)
{
	struct x86_state state;

	(void)exit;
	/* SVM leaves open whether these are the last values (APM vol. 2, 15.14.3): hints. */
	virt->get_state(&vcpu->arch, &state);
	vm_end(vcpu->vm, VM_END_CRASH,
	       "triple fault on vCPU %u, RIP 0x%lx, RSP 0x%lx, CR2 0x%lx, CR3 0x%lx", vcpu->index,
	       state.rip, state.gpr[GPR_RSP], state.cr2, state.cr3);
}

static void handle_stop(struct vcpu *vcpu, struct vm_exit *exit)
{
	vm_end(vcpu->vm, VM_END_CRASH, "%s (0x%lx) on vCPU %u", exit->stop.reason,
	       exit->stop.detail, vcpu->index);
}

static void handle_nothing(struct vcpu *vcpu, struct vm_exit *exit)
{
	(void)vcpu;
	(void)exit;
}

static void (*const handlers[VM_EXIT_KIND_COUNT])(struct vcpu *, struct vm_exit *) = {
	[VM_EXIT_INTERRUPT] = handle_nothing, [VM_EXIT_IRQ_WINDOW] = handle_nothing,
	[VM_EXIT_MMIO] = handle_access,	      [VM_EXIT_PIO] = handle_access,
	[VM_EXIT_CPUID] = handle_cpuid,	      [VM_EXIT_MSR] = handle_msr,
	[VM_EXIT_HLT] = handle_hlt,	      [VM_EXIT_HYPERCALL] = handle_hypercall,
	[VM_EXIT_SHUTDOWN] = handle_shutdown, [VM_EXIT_STOP] = handle_stop,
	[VM_EXIT_EOI] = handle_eoi,
};

/* True: the vCPU waits for a start-up IPI now. */
static bool take_requests(struct vcpu *vcpu)
{
	u32 requests = __atomic_exchange_n(&vcpu->requests, 0, __ATOMIC_SEQ_CST);

	if (requests & VCPU_REQ_NMI)
		vcpu->nmi_pending = true;
	if (requests & VCPU_REQ_INIT) {
		virt->vcpu_reset(&vcpu->arch);
		vcpu->vm->ops->vcpu_init(vcpu);
		vcpu->nmi_pending = false;
		vcpu->halted = false;
		vcpu->waits_for_sipi = true;
	}
	if (requests & VCPU_REQ_SIPI && vcpu->waits_for_sipi) {
		virt->startup(&vcpu->arch, vcpu->sipi_vector);
		vcpu->waits_for_sipi = false;
	}
	return vcpu->waits_for_sipi;
}

/* One bounded step of work that this guest caused; false: there is none. */
static bool do_work(struct vcpu *vcpu)
{
	struct vcpu_work *work = NULL;

	if (list_is_empty(&vcpu->work))
		return false;
	spin_lock(&vcpu->work_lock);
	if (!list_is_empty(&vcpu->work)) {
		work = container_of(vcpu->work.next, struct vcpu_work, node);
		list_remove(&work->node);
	}
	spin_unlock(&vcpu->work_lock);
	if (work && work->step(vcpu, work))
		vcpu_queue_work(vcpu, work);
	return true;
}

/* What was offered and not taken waits again; another may have come that is more urgent. */
static void end_offer(struct vcpu *vcpu)
{
	vcpu->vm->ops->return_interrupt(vcpu, vcpu->arch.offered);
	vcpu->arch.offered = 0;
}

static void deliver_events(struct vcpu *vcpu)
{
	int vector;

	if (vcpu->arch.offered) /* and then there was no entry */
		end_offer(vcpu);
	if (vcpu->nmi_pending && virt->inject_nmi(&vcpu->arch))
		vcpu->nmi_pending = vcpu->halted = false;
	vector = vcpu->vm->ops->pending_interrupt(vcpu);
	if (vector < 0)
		return;
	if (!virt->can_inject(&vcpu->arch)) {
		/* Accepted now: whoever raises it once more while it may be taken is not lost. */
		if (!vcpu->arch.apic_delivers && virt->offer_interrupt(&vcpu->arch, (u8)vector))
			vcpu->vm->ops->accept_interrupt(vcpu, (u8)vector);
		return;
	}
	vcpu->halted = false;
	if (vcpu->arch.apic_delivers) /* the processor has been told, and does the rest */
		return;
	virt->inject_interrupt(&vcpu->arch, (u8)vector);
	vcpu->vm->ops->accept_interrupt(vcpu, (u8)vector);
}

/*
 * Enter the guest. The flag goes up before requests are looked at for the last
 * time: whoever sets one afterwards sees the flag and interrupts us.
 */
static void enter(struct vcpu *vcpu)
{
	struct vm_exit exit;

	__atomic_store_n(&vcpu->in_guest, true, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&vcpu->requests, __ATOMIC_SEQ_CST)) {
		__atomic_store_n(&vcpu->in_guest, false, __ATOMIC_RELEASE);
		return;
	}
	virt->run(&vcpu->arch, &exit);
	__atomic_store_n(&vcpu->in_guest, false, __ATOMIC_RELEASE);
	if (vcpu->arch.offered) /* before the exit is handled: it may be an EOI */
		end_offer(vcpu);
	vcpu->exits[exit.kind]++;
	handlers[exit.kind](vcpu, &exit);
}

/*
 * After HLT, with nothing delivered since: work and a host's interrupts do not end it,
 * nor does an interrupt that the guest does not take.
 */
static bool stays_halted(struct vcpu *vcpu)
{
	vcpu->halted = !__atomic_exchange_n(&vcpu->kicked, false, __ATOMIC_SEQ_CST);
	return vcpu->halted;
}

static bool must_leave(const struct vcpu *vcpu)
{
	return percpu_wants_attention() || __atomic_load_n(&vcpu->parked, __ATOMIC_ACQUIRE);
}

static enum vcpu_leave run_until_leave(struct vcpu *vcpu)
{
	for (;;) {
		interrupts_take_pending();
		if (must_leave(vcpu))
			return VCPU_LEAVE_PREEMPTED;
		if (__atomic_load_n(&vcpu->requests, __ATOMIC_ACQUIRE) || vcpu->waits_for_sipi)
			if (take_requests(vcpu))
				return VCPU_LEAVE_WAIT_INIT;
		if (do_work(vcpu))
			continue;
		deliver_events(vcpu);
		if (vcpu->halted && stays_halted(vcpu))
			return VCPU_LEAVE_HALTED;
		enter(vcpu);
	}
}

enum vcpu_leave vcpu_run(struct vcpu *vcpu)
{
	enum vcpu_leave leave;

	virt->load(&vcpu->arch);
	vcpu->vm->ops->scheduled_in(vcpu);
	leave = run_until_leave(vcpu);
	virt->unload(&vcpu->arch);
	return leave;
}
