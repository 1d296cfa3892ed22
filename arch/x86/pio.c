// SPDX-License-Identifier: Apache-2.0
/* Port instructions; string forms go one element at a time. */
#include "arch/x86/pio.h"

#include "arch/x86/host.h"

#define RFLAGS_DF BIT(10)

static void add_masked(u64 *reg, u64 delta, u64 mask)
{
	*reg = (*reg & ~mask) | ((*reg + delta) & mask);
	if (mask == 0xffffffff)
		*reg &= mask;
}

void pio_begin(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	const struct pio *pio = &vcpu->pio;

	exit->kind = VM_EXIT_PIO;
	exit->pio.port = pio->port;
	exit->pio.size = pio->size;
	exit->pio.write = !pio->in;
	exit->pio.value = pio->in ? 0 : (u32)(vcpu->gpr[GPR_RAX] & (BIT(pio->size * 8) - 1));
}

enum emu_result pio_begin_string(struct arch_vcpu *vcpu, struct cpu_view *view,
				 struct vm_exit *exit)
{
	struct pio *pio = &vcpu->pio;
	u64 linear = vcpu->gpr[pio->in ? GPR_RDI : GPR_RSI] & pio->mask;
	enum x86_seg segment = pio->in ? X86_ES : pio->segment;
	enum err e;

	pio_begin(vcpu, exit);
	view_rest(vcpu, view);
	pio->down = view->rflags & RFLAGS_DF;
	if (pio->rep && !(vcpu->gpr[GPR_RCX] & pio->mask)) {
		view->rip = pio->next_rip;
		return EMU_RETIRED;
	}
	if (view->mode != CPU_MODE_64 || segment >= X86_FS)
		linear += view->segment_base[segment];
	if ((linear & PAGE_MASK) + pio->size > PAGE_SIZE) {
		view_stop(exit, "string I/O across a page", linear);
		return EMU_EXIT;
	}
	e = walk_translate(vcpu, &view->walk, GVA(linear),
			   view_user(view) | (pio->in ? WALK_WRITE : 0), &pio->gpa,
			   &view->fault_code);
	if (e == ERR_DENIED) {
		view->fault_address = linear;
		return EMU_FAULT;
	}
	if (e)
		view_stop(exit, "page tables outside its memory", linear);
	else if (!pio->in && host_guest_read(vcpu, pio->gpa, &exit->pio.value, pio->size))
		view_stop(exit, "string I/O outside its memory", pio->gpa.raw);
	return EMU_EXIT;
}

/* RIP stays while elements are left: the guest takes its interrupts between them. */
static bool finish_string(struct arch_vcpu *vcpu, const struct vm_exit *exit)
{
	struct pio *pio = &vcpu->pio;
	u64 delta = pio->down ? -(u64)pio->size : pio->size;

	if (pio->in)
		(void)!host_guest_write(vcpu, pio->gpa, &exit->pio.value, pio->size);
	add_masked(&vcpu->gpr[pio->in ? GPR_RDI : GPR_RSI], delta, pio->mask);
	if (!pio->rep)
		return true;
	add_masked(&vcpu->gpr[GPR_RCX], ~0ULL, pio->mask);
	return !(vcpu->gpr[GPR_RCX] & pio->mask);
}

bool pio_finish(struct arch_vcpu *vcpu, const struct vm_exit *exit)
{
	u64 mask = BIT(exit->pio.size * 8) - 1;
	u64 *rax = &vcpu->gpr[GPR_RAX];

	if (vcpu->pio.string)
		return finish_string(vcpu, exit);
	if (!exit->pio.write)
		*rax = exit->pio.size == 4 ? exit->pio.value
					   : (*rax & ~mask) | (exit->pio.value & mask);
	return true;
}
