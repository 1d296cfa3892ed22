// SPDX-License-Identifier: Apache-2.0
/* Entry, events, MSRs and the virtual APIC of a vCPU under VMX; the table of operations. */
#include "arch/x86/vmx/vmx.h"

#include "arch/x86/cpu.h"
#include "arch/x86/host.h"
#include "arch/x86/registers.h"

/* VPID and EPT as the processor is to see them at the coming entry (docs/invalidation.md). */
static void invalidate(struct arch_vcpu *vcpu, struct vmx_vcpu *vmx, u32 cpu)
{
	struct tlb_pool *pool = &vmx_tlb_pools[cpu];
	u32 actions;

	if (tlb_is_current(pool, &vcpu->tag, vcpu->space, vcpu->flush_linear))
		return;
	actions = tlb_enter(pool, cpu, &vcpu->tag, vcpu->space, vcpu->flush_linear,
			    &vmx_features.tlb);
	vcpu->flush_linear = false;
	vmcs_write(VMCS_VPID, vcpu->tag.value);
	if (actions & TLB_FLUSH_ALL_TAGS)
		vmx_invvpid(INVALIDATE_ALL, 0);
	if (actions & TLB_FLUSH_TAG)
		vmx_invvpid(INVALIDATE_SINGLE, vcpu->tag.value);
	if (actions & TLB_FLUSH_NESTED)
		vmx_invept(vmx_features.invept_type, vmx->eptp);
}

/* See STAYS_LONG: the preemption timer counts from each entry on. */
static void bound_stay(struct vmx_vcpu *vmx)
{
	u32 ticks = vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_IF ? vmx_features.stay_long
							     : vmx_features.stay_short;

	if (ticks == vmx->stay)
		return;
	vmx->stay = ticks;
	vmcs_write(VMCS_PREEMPTION_TIMER, ticks);
}

static void vmx_run(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	u64 refused;

	invalidate(vcpu, vmx, this_cpu_number());
	if (vmx->tsc_offset != vcpu->tsc_offset) {
		vmx->tsc_offset = vcpu->tsc_offset;
		vmcs_write(VMCS_TSC_OFFSET, vmx->tsc_offset);
	}
	bound_stay(vmx);
	refused = vmx_enter(vcpu->gpr, vmx->launched);
	if (refused)
		host_panic("VMX refuses an entry (error %lu)", vmcs_read(VMCS_INSTRUCTION_ERROR));
	vmx->launched = true;
	vmx_exit(vcpu, exit);
}

/* ---- events ---- */

static bool event_pending(void)
{
	return vmcs_read(VMCS_ENTRY_EVENT) & EVENT_VALID;
}

static bool vmx_can_inject(const struct arch_vcpu *vcpu)
{
	(void)vcpu;
	return vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_IF &&
	       !(vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS)) &&
	       !event_pending();
}

static void vmx_inject_interrupt(struct arch_vcpu *vcpu, u8 vector)
{
	(void)vcpu;
	vmcs_write(VMCS_ENTRY_EVENT, EVENT_VALID | EVENT_INTERRUPT << 8 | vector);
}

static bool vmx_inject_nmi(struct arch_vcpu *vcpu)
{
	u64 blocked = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);

	(void)vcpu;
	if (blocked || event_pending()) {
		/* STI's shadow may block NMIs but not their window: that would open for ever. */
		vmcs_set_bits(VMCS_PRIMARY_CONTROLS,
			      blocked & BLOCKED_BY_STI ? PRIMARY_IRQ_WINDOW : PRIMARY_NMI_WINDOW);
		return false;
	}
	vmcs_write(VMCS_ENTRY_EVENT, EVENT_VALID | EVENT_NMI << 8 | 2);
	return true;
}

/*
 * Real mode has no error codes (SDM vol. 3, 27.2.1.3). Delivery ends the shadow of STI and
 * MOV SS; with TF = 1 the processor would not enter with it (27.3.1.5).
 */
void vmx_inject_exception(struct arch_vcpu *vcpu, u8 vector, bool has_code, u32 code)
{
	u64 event = EVENT_VALID | EVENT_EXCEPTION << 8 | vector;

	(void)vcpu;
	if (has_code && vmcs_read(VMCS_GUEST_CR0) & CR0_PE) {
		event |= EVENT_CODE_VALID;
		vmcs_write(VMCS_ENTRY_EVENT_CODE, code);
	}
	vmcs_write(VMCS_ENTRY_EVENT, event);
	vmcs_clear_bits(VMCS_GUEST_INTERRUPTIBILITY, BLOCKED_BY_STI | BLOCKED_BY_MOV_SS);
}

static bool vmx_offer_interrupt(struct arch_vcpu *vcpu, u8 vector)
{
	(void)vector; /* a window has none */
	(void)vcpu;
	vmcs_set_bits(VMCS_PRIMARY_CONTROLS, PRIMARY_IRQ_WINDOW);
	return false;
}

/* ---- MSRs ---- */

const struct vmx_msr_field vmx_msr_fields[VMX_MSR_FIELDS] = {
	{ MSR_FS_BASE, VMCS_GUEST_BASE + 2 * VMCS_FS, true },
	{ MSR_GS_BASE, VMCS_GUEST_BASE + 2 * VMCS_GS, true },
	{ MSR_SYSENTER_CS, VMCS_GUEST_SYSENTER_CS, true },
	{ MSR_SYSENTER_ESP, VMCS_GUEST_SYSENTER_ESP, true },
	{ MSR_SYSENTER_EIP, VMCS_GUEST_SYSENTER_EIP, true },
	{ MSR_PAT, VMCS_GUEST_PAT, false },
	{ MSR_EFER, VMCS_GUEST_EFER, false },
};

/* The VMCS field that holds an MSR, 0: none does. */
static u32 msr_field(u32 index)
{
	for (u32 i = 0; i < VMX_MSR_FIELDS; i++)
		if (vmx_msr_fields[i].index == index)
			return vmx_msr_fields[i].field;
	return 0;
}

/* The others need no exit; these are asked for while the vCPU is loaded. */
static enum err vmx_read_msr(struct arch_vcpu *vcpu, u32 index, u64 *value)
{
	u32 field = msr_field(index);

	(void)vcpu;
	if (!field)
		return ERR_NOT_FOUND;
	*value = vmcs_read(field);
	return OK;
}

static enum err vmx_write_msr(struct arch_vcpu *vcpu, u32 index, u64 value)
{
	u32 field = msr_field(index);

	if (!field)
		return ERR_NOT_FOUND;
	if (!vcpu_may_write_msr(vcpu, index, vmcs_read(VMCS_GUEST_CR0), vmcs_read(field), &value))
		return ERR_DENIED;
	vmcs_write(field, value);
	return OK;
}

/* ---- the virtual APIC (SDM vol. 3, 30) ---- */

static void vmx_apic_mode(struct arch_vcpu *vcpu, bool x2apic, u8 in_service)
{
	bool deliver = x2apic && vmx_features.delivery;
	u64 secondary = SECONDARY_X2APIC | SECONDARY_DELIVERY |
			(vmx_features.apic_reads ? SECONDARY_APIC_REGISTER : 0);

	if (deliver == vcpu->apic_delivers)
		return;
	vcpu->apic_delivers = deliver;
	if (deliver) {
		vmcs_set_bits(VMCS_SECONDARY_CONTROLS, secondary);
		vmcs_clear_bits(VMCS_PRIMARY_CONTROLS, PRIMARY_CR8_LOAD | PRIMARY_IRQ_WINDOW);
		vmcs_write(VMCS_MSR_BITMAP, vmx_msr_bitmap_x2apic.raw);
		for (u32 i = 0; i < 4; i++)
			vmcs_write(VMCS_EOI_EXITS + 2 * i, 0);
	} else {
		vmcs_clear_bits(VMCS_SECONDARY_CONTROLS, secondary);
		vmcs_set_bits(VMCS_PRIMARY_CONTROLS, PRIMARY_CR8_LOAD);
		vmcs_write(VMCS_MSR_BITMAP, vmx_msr_bitmap.raw);
	}
	vmcs_write(VMCS_GUEST_INTERRUPT_STATUS, (u64)in_service << 8);
}

static void vmx_apic_request(struct arch_vcpu *vcpu, u8 vector)
{
	u64 status = vmcs_read(VMCS_GUEST_INTERRUPT_STATUS);

	(void)vcpu;
	if ((u8)status != vector)
		vmcs_write(VMCS_GUEST_INTERRUPT_STATUS, (status & 0xff00) | vector);
}

static void vmx_apic_eoi_exits(struct arch_vcpu *vcpu, const u64 *vectors)
{
	(void)vcpu;
	for (u32 i = 0; i < 4; i++)
		vmcs_write(VMCS_EOI_EXITS + 2 * i, vectors[i]);
}

static u8 vmx_largest(void)
{
	return vmx_features.largest;
}

const struct virt_ops vmx_ops = {
	.name = "VMX",
	.nested = VIRT_NESTED_EPT,
	.largest = vmx_largest,
	.cpu_enable = vmx_cpu_enable,
	.vcpu_create = vmx_vcpu_create,
	.vcpu_reset = vmx_vcpu_reset,
	.get_state = vmx_get_state,
	.set_state = vmx_set_state,
	.load = vmx_load,
	.unload = vmx_unload,
	.run = vmx_run,
	.complete = vmx_complete,
	.can_inject = vmx_can_inject,
	.inject_interrupt = vmx_inject_interrupt,
	.inject_nmi = vmx_inject_nmi,
	.inject_exception = vmx_inject_exception,
	.offer_interrupt = vmx_offer_interrupt,
	.startup = vmx_startup,
	.read_msr = vmx_read_msr,
	.write_msr = vmx_write_msr,
	.apic_mode = vmx_apic_mode,
	.apic_request = vmx_apic_request,
	.apic_eoi_exits = vmx_apic_eoi_exits,
};
