// SPDX-License-Identifier: Apache-2.0
/* VMX's side of emulation: the VMCS becomes a view, and takes the result over. */
#include "arch/x86/mmio.h"
#include "arch/x86/pio.h"
#include "arch/x86/vmx/vmx.h"

static enum cpu_mode current_mode(void)
{
	u64 rights = vmcs_read(VMCS_GUEST_RIGHTS + 2 * VMCS_CS);

	if (rights & RIGHTS_LONG && vmcs_read(VMCS_GUEST_EFER) & EFER_LMA)
		return CPU_MODE_64;
	return view_mode(vmcs_read(VMCS_GUEST_CR0), 0, vmcs_read(VMCS_GUEST_RFLAGS), false,
			 rights & RIGHTS_BIG);
}

static void fill_rest(const struct arch_vcpu *vcpu, struct cpu_view *view)
{
	(void)vcpu;
	view->rflags = vmcs_read(VMCS_GUEST_RFLAGS);
	view->walk = (struct walk_mode){ vmcs_read(VMCS_GUEST_CR0), view->cr3,
					 vmcs_read(VMCS_GUEST_CR4), vmcs_read(VMCS_GUEST_EFER) };
	for (u32 i = 0; i < X86_SEG_COUNT; i++)
		view->segment_base[i] = vmcs_read(VMCS_GUEST_BASE + 2 * i);
}

static void fill_view(struct cpu_view *view)
{
	view->rip = vmcs_read(VMCS_GUEST_RIP);
	view->cr3 = vmcs_read(VMCS_GUEST_CR3);
	view->fault_gpa = GPA(vmcs_read(VMCS_GUEST_PHYSICAL));
	view->mode = current_mode();
	view->cpl = vmx_cpl();
	view->fill_rest = fill_rest;
}

void vmx_set_rip(struct arch_vcpu *vcpu, u64 rip)
{
	(void)vcpu;
	/* Outside 64-bit mode IP has 32 bits at most; the usual addresses need no look. */
	if (rip >> 32 && current_mode() != CPU_MODE_64)
		rip = (u32)rip;
	vmcs_write(VMCS_GUEST_RIP, rip);
	if (vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS))
		vmcs_clear_bits(VMCS_GUEST_INTERRUPTIBILITY, BLOCKED_BY_STI | BLOCKED_BY_MOV_SS);
}

/* True: `exit` holds an access to be handled. */
static bool settle(struct arch_vcpu *vcpu, const struct cpu_view *view, enum emu_result result,
		   struct vm_exit *exit)
{
	if (result == EMU_EXIT)
		return true;
	exit->kind = VM_EXIT_INTERRUPT;
	if (result == EMU_FAULT) {
		write_cr2(view->fault_address); /* the guest's, while it is loaded */
		vmx_inject_exception(vcpu, X86_PF, true, view->fault_code);
	} else if (result == EMU_RETIRED) {
		vmcs_write(VMCS_GUEST_RFLAGS, view->rflags);
		vmcs_write(VMCS_GUEST_RSP, vcpu->gpr[GPR_RSP]);
		vmx_set_rip(vcpu, view->rip);
	}
	return false;
}

void vmx_mmio(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	u64 qualification = vmcs_read(VMCS_QUALIFICATION);
	bool delivering = vmcs_read(VMCS_ENTRY_EVENT) & EVENT_VALID; /* see keep_event() */
	const char *reason = NULL;
	struct cpu_view view;

	if (qualification & EPT_VIOLATION_NMI_UNBLOCK && !delivering)
		vmcs_set_bits(VMCS_GUEST_INTERRUPTIBILITY, BLOCKED_BY_NMI);
	if (qualification & EPT_VIOLATION_FETCH)
		reason = "executes outside its memory";
	else if ((qualification & (EPT_VIOLATION_LINEAR | EPT_VIOLATION_FINAL)) !=
		 (EPT_VIOLATION_LINEAR | EPT_VIOLATION_FINAL))
		reason = "page tables outside its memory";
	else if (delivering)
		reason = "stack or tables of an interrupt outside its memory";
	if (reason) {
		view_stop(exit, reason, vmcs_read(VMCS_GUEST_PHYSICAL));
		return;
	}
	fill_view(&view);
	(void)settle(vcpu, &view, mmio_begin(vcpu, &view, exit), exit);
}

bool vmx_mmio_next(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	u32 length = mmio_finish_move(vcpu, exit);
	struct cpu_view view;

	if (length) {
		vmcs_write(VMCS_GUEST_RSP, vcpu->gpr[GPR_RSP]);
		vmx_set_rip(vcpu, vmcs_read(VMCS_GUEST_RIP) + length);
		return false;
	}
	fill_view(&view);
	return settle(vcpu, &view, mmio_next(vcpu, &view, exit), exit);
}

/* Address size and segment of INS and OUTS. */
static void string_operand(struct pio *pio, enum cpu_mode mode)
{
	static const u8 sizes[] = { [CPU_MODE_16] = 2, [CPU_MODE_32] = 4, [CPU_MODE_64] = 8 };
	u64 info = vmcs_read(VMCS_INSTRUCTION_INFO);

	pio->address_size = sizes[mode];
	pio->segment = X86_DS;
	if (!vmx_features.io_info)
		return;
	pio->address_size = (u8)IO_INFO_ADDRESS(info);
	pio->segment = (u8)(IO_INFO_SEGMENT(info) % X86_SEG_COUNT);
}

void vmx_pio(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	u64 qualification = vmcs_read(VMCS_QUALIFICATION);
	struct pio *pio = &vcpu->pio;
	struct cpu_view view;

	pio->next_rip = vmcs_read(VMCS_GUEST_RIP) + vmcs_read(VMCS_INSTRUCTION_LENGTH);
	pio->port = IO_PORT(qualification);
	pio->size = IO_SIZE(qualification);
	pio->in = qualification & IO_IN;
	pio->string = qualification & IO_STRING;
	pio->rep = qualification & IO_REP;
	if (!pio->string) {
		pio_begin(vcpu, exit);
		return;
	}
	fill_view(&view);
	string_operand(pio, view.mode);
	(void)settle(vcpu, &view, pio_begin_string(vcpu, &view, exit), exit);
}
