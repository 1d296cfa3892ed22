// SPDX-License-Identifier: Apache-2.0
/* Sorts VMX's exits: the neutral ones go up, the rest is dealt with here. */
#include "arch/x86/exits.h"
#include "arch/x86/fpu.h"
#include "arch/x86/host.h"
#include "arch/x86/mmio.h"
#include "arch/x86/vmx/vmx.h"

#define DR6_FROM_EXIT  0x600fULL /* B0 to B3, BD, BS: qualification of a #DB */
#define DR7_GD	       BIT(13)
#define PDPTE_RESERVED 0x1e6ULL /* SDM vol. 3, figure 4-7; and what no address has */
#define X2APIC_MSRS    0x800u
#define SELF_IPI       0x83fu

static void retire(struct arch_vcpu *vcpu)
{
	vmx_set_rip(vcpu, vmcs_read(VMCS_GUEST_RIP) + vmcs_read(VMCS_INSTRUCTION_LENGTH));
}

/*
 * The processor has done WRMSR but for its effect on the local APIC: an IPI to oneself
 * with a vector below 16 (SDM vol. 3, 30.5). vmx_complete() does not retire it again.
 */
static void exit_apic_write(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	u32 offset = (u32)vmcs_read(VMCS_QUALIFICATION) & 0xff0;

	exit->kind = VM_EXIT_MSR;
	exit->msr.index = X2APIC_MSRS + offset / 16;
	exit->msr.write = true;
	exit->msr.value = vcpu->apic_page[offset / 4];
}

static void retire_or_gp(struct arch_vcpu *vcpu, bool done)
{
	if (done)
		retire(vcpu);
	else
		vmx_inject_exception(vcpu, X86_GP, true, 0);
}

/* ---- control registers ---- */

/* PAE paging holds its four top entries in registers (SDM vol. 3, 4.4.1). */
static bool load_pdptes(struct arch_vcpu *vcpu)
{
	u64 table = vmcs_read(VMCS_GUEST_CR3) & 0xffffffe0ULL;
	u64 reserved = PDPTE_RESERVED | ~(BIT(cpuid(0x80000008, 0).eax & 0xff) - 1);
	u64 entries[4];

	if (host_guest_read(vcpu, GPA(table), entries, sizeof(entries)))
		return false;
	for (u32 i = 0; i < 4; i++)
		if (entries[i] & 1 && entries[i] & reserved)
			return false;
	for (u32 i = 0; i < 4; i++)
		vmcs_write(VMCS_GUEST_PDPTE + 2 * i, entries[i]);
	return true;
}

/* Paging goes on (SDM vol. 3, 4.1.2): into long mode, PAE or 32-bit paging. False: #GP. */
static bool paging_on(struct arch_vcpu *vcpu)
{
	u64 efer = vmcs_read(VMCS_GUEST_EFER);
	bool pae = vmcs_read(VMCS_GUEST_CR4) & CR4_PAE;

	if (!(efer & EFER_LME))
		return !pae || load_pdptes(vcpu);
	if (!pae || vmcs_read(VMCS_GUEST_RIGHTS + 2 * VMCS_CS) & RIGHTS_LONG)
		return false;
	vmcs_write(VMCS_GUEST_EFER, efer | EFER_LMA);
	vmcs_set_bits(VMCS_ENTRY_CONTROLS, ENTRY_LONG_MODE);
	return true;
}

static bool paging_off(void)
{
	u64 efer = vmcs_read(VMCS_GUEST_EFER);

	if (efer & EFER_LMA && vmcs_read(VMCS_GUEST_RIGHTS + 2 * VMCS_CS) & RIGHTS_LONG)
		return false;
	vmcs_write(VMCS_GUEST_EFER, efer & ~EFER_LMA);
	vmcs_clear_bits(VMCS_ENTRY_CONTROLS, ENTRY_LONG_MODE);
	return true;
}

/* Some bit that is not the guest's own changes: CD, NW or NE. False: #GP. */
static bool write_cr0_by_guest(struct arch_vcpu *vcpu, u64 value)
{
	u64 old = vmx_get_cr0();

	if (value >> 32 || (value & CR0_PG && !(value & CR0_PE)) ||
	    (value & CR0_NW && !(value & CR0_CD)))
		return false;
	if ((value ^ old) & CR0_PG && !(value & CR0_PG ? paging_on(vcpu) : paging_off()))
		return false;
	if ((value ^ old) & (CR0_PG | CR0_WP | CR0_PE)) {
		vcpu->flush_linear = true;
		code_forget(vcpu);
	}
	vmx_set_cr0(value);
	return true;
}

static void exit_cr(struct arch_vcpu *vcpu)
{
	u64 qualification = vmcs_read(VMCS_QUALIFICATION);
	u64 value = vcpu->gpr[CR_GPR(qualification)];
	bool done = false;

	/* CR4: what exits is a bit that guests do not have. */
	if (CR_TYPE(qualification) == CR_MOV_TO && CR_NUMBER(qualification) == 0)
		done = write_cr0_by_guest(vcpu, value);
	if (CR_TYPE(qualification) == CR_MOV_TO && CR_NUMBER(qualification) == 8)
		done = exit_mov_to_cr8(vcpu, value);
	retire_or_gp(vcpu, done);
}

/* ---- exceptions ---- */

static void exit_exception(struct arch_vcpu *vcpu)
{
	u64 event = vmcs_read(VMCS_EXIT_EVENT);
	u8 vector = (u8)event;

	if (EVENT_TYPE(event) == EVENT_NMI) {
		take_nmi(); /* ours: the exit has blocked further ones until our IRET */
		return;
	}
	if (vector == X86_DB) {
		/* The exit came before the processor told the guest (SDM vol. 3, 28.1). */
		write_dr6(read_dr6() | (vmcs_read(VMCS_QUALIFICATION) & DR6_FROM_EXIT));
		vmcs_clear_bits(VMCS_GUEST_DR7, DR7_GD);
	}
	if (event & EVENT_NMI_UNBLOCK)
		vmcs_set_bits(VMCS_GUEST_INTERRUPTIBILITY, BLOCKED_BY_NMI);
	vmx_inject_exception(vcpu, vector, vector == X86_AC, 0);
}

/* An event whose delivery was cut short is delivered again, unless it repeats by itself. */
static void keep_event(void)
{
	u64 event = vmcs_read(VMCS_IDT_VECTORING);

	if (!(event & EVENT_VALID) || EVENT_TYPE(event) >= EVENT_SOFTWARE)
		return;
	if (EVENT_TYPE(event) == EVENT_NMI)
		vmcs_clear_bits(VMCS_GUEST_INTERRUPTIBILITY, BLOCKED_BY_NMI);
	if (event & EVENT_CODE_VALID)
		vmcs_write(VMCS_ENTRY_EVENT_CODE, vmcs_read(VMCS_IDT_VECTORING_CODE));
	vmcs_write(VMCS_ENTRY_EVENT, event & (EVENT_VALID | EVENT_CODE_VALID | 0x7ff));
}

/* ---- all of them ---- */

static void exit_other(struct arch_vcpu *vcpu, struct vm_exit *exit, u32 reason)
{
	switch (reason) {
	case REASON_EXCEPTION:
		exit_exception(vcpu);
		break;
	case REASON_NMI_WINDOW:
		vmcs_clear_bits(VMCS_PRIMARY_CONTROLS, PRIMARY_NMI_WINDOW);
		break;
	case REASON_CR_ACCESS:
		exit_cr(vcpu);
		break;
	case REASON_XSETBV:
		retire_or_gp(vcpu, exit_xsetbv(vcpu, vmx_cpl()));
		break;
	case REASON_INVD: /* dropping caches would lose others' data: nothing is done */
		retire(vcpu);
		break;
	case REASON_RDPMC:
		retire_or_gp(vcpu, false);
		break;
	case REASON_TRIPLE_FAULT:
		exit->kind = VM_EXIT_SHUTDOWN;
		break;
	case REASON_GETSEC: /* these are not offered to guests */
	case REASON_VMCLEAR ... REASON_VMXON:
	case REASON_MWAIT:
	case REASON_MONITOR:
	case REASON_INVEPT:
	case REASON_INVVPID:
		vmx_inject_exception(vcpu, X86_UD, false, 0);
		break;
	case REASON_APIC_WRITE:
		exit_apic_write(vcpu, exit);
		break;
	case REASON_TASK_SWITCH:
		view_stop(exit, "hardware task switch", vmcs_read(VMCS_QUALIFICATION));
		break;
	case REASON_INTERRUPT: /* still pending: the loop takes it */
	case REASON_PREEMPTION_TIMER:
	case REASON_INIT:
	case REASON_SIPI:
		break;
	default:
		view_stop(exit, "state that the processor refuses to run", reason);
	}
}

void vmx_exit(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	u32 reason = (u32)vmcs_read(VMCS_EXIT_REASON);

	vcpu->gpr[GPR_RSP] = vmcs_read(VMCS_GUEST_RSP);
	keep_event();
	exit->kind = VM_EXIT_INTERRUPT;
	switch (reason) {
	case REASON_EPT_VIOLATION:
		vmx_mmio(vcpu, exit);
		break;
	case REASON_IO:
		vmx_pio(vcpu, exit);
		break;
	case REASON_RDMSR:
	case REASON_WRMSR:
		exit_msr(vcpu, exit, reason == REASON_WRMSR);
		break;
	case REASON_CPUID:
		exit_cpuid(vcpu, exit);
		break;
	case REASON_HLT:
		exit->kind = VM_EXIT_HLT;
		break;
	case REASON_IRQ_WINDOW:
		vmcs_clear_bits(VMCS_PRIMARY_CONTROLS, PRIMARY_IRQ_WINDOW);
		exit->kind = VM_EXIT_IRQ_WINDOW;
		break;
	case REASON_VMCALL:
		if (!exit_hypercall(vcpu, exit, vmx_cpl()))
			retire_or_gp(vcpu, false);
		break;
	case REASON_VIRTUAL_EOI:
		exit->kind = VM_EXIT_EOI;
		exit->eoi.vector = (u8)vmcs_read(VMCS_QUALIFICATION);
		break;
	default:
		exit_other(vcpu, exit, reason);
	}
}

bool vmx_complete(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	/* The processor's own WRMSR, of which exit_apic_write() tells, has retired. */
	if (exit->kind == VM_EXIT_MSR && exit->msr.write && exit->msr.index == SELF_IPI &&
	    vmcs_read(VMCS_EXIT_REASON) == REASON_APIC_WRITE)
		return false;
	return exit_complete(vcpu, exit, vmx_mmio_next, vmx_set_rip, retire);
}
