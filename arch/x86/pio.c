// SPDX-License-Identifier: Apache-2.0
/* Port instructions; string forms go one element at a time. */
#include "arch/x86/pio.h"

#include "arch/x86/host.h"
#include "arch/x86/move.h"

#define RFLAGS_DF BIT(10)

void pio_begin(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	const struct pio *pio = &vcpu->pio;

	exit->kind = VM_EXIT_PIO;
	exit->pio.address = pio->port;
	exit->pio.size = pio->size;
	exit->pio.write = !pio->in;
	exit->pio.value = pio->in ? 0 : (u32)(vcpu->gpr[GPR_RAX] & LOW_BYTES(pio->size));
}

enum emu_result pio_begin_string(struct arch_vcpu *vcpu, struct cpu_view *view,
				 struct vm_exit *exit)
{
	struct pio *pio = &vcpu->pio;
	u64 linear = vcpu->gpr[pio->in ? GPR_RDI : GPR_RSI] & LOW_BYTES(pio->address_size);
	enum x86_seg segment = pio->in ? X86_ES : pio->segment;
	enum err e;

	pio_begin(vcpu, exit);
	view_rest(vcpu, view);
	pio->down = view->rflags & RFLAGS_DF;
	if (pio->rep && !(vcpu->gpr[GPR_RCX] & LOW_BYTES(pio->address_size))) {
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
			   &view->fault_code, NULL);
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
	u64 *pointer = &vcpu->gpr[pio->in ? GPR_RDI : GPR_RSI];
	u64 *count = &vcpu->gpr[GPR_RCX];

	if (pio->in)
		(void)!host_guest_write(vcpu, pio->gpa, &exit->pio.value, pio->size);
	gpr_write(pointer, *pointer + (pio->down ? -(u64)pio->size : pio->size), pio->address_size);
	if (!pio->rep)
		return true;
	gpr_write(count, *count - 1, pio->address_size);
	return !(*count & LOW_BYTES(pio->address_size));
}

bool pio_finish(struct arch_vcpu *vcpu, const struct vm_exit *exit)
{
	if (vcpu->pio.string)
		return finish_string(vcpu, exit);
	if (!exit->pio.write)
		gpr_write(&vcpu->gpr[GPR_RAX], exit->pio.value, exit->pio.size);
	return true;
}
