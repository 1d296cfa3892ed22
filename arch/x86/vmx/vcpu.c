// SPDX-License-Identifier: Apache-2.0
/* A vCPU's VMCS: made, reset, brought to a CPU and taken off it (SDM vol. 3, 25 to 28). */
#include "arch/x86/cpu.h"
#include "arch/x86/fpu.h"
#include "arch/x86/host.h"
#include "arch/x86/registers.h"
#include "arch/x86/rules.h"
#include "arch/x86/trap.h"
#include "arch/x86/vmx/vmx.h"
#include "core/lib/string.h"

#define DR6_RESET 0xffff0ff0ULL
#define DR7_RESET 0x400
#define NO_LINK	  ~0ULL
#define APIC_TPR  (0x80 / 4)

extern const u8 vmx_exited[];

const u32 vmx_msr_indices[VMX_MSRS] = {
	MSR_KERNEL_GS_BASE, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK,
};

/* ---- which VMCS is current ---- */

/* A vCPU that is looked at while it does not run; false: it is current already. */
static bool hold(struct vmx_vcpu *vmx)
{
	if (vmx->loaded)
		return false;
	vmx_load_vmcs(vmx->vmcs);
	return true;
}

static void release(struct vmx_vcpu *vmx, bool held)
{
	if (held)
		vmx_clear_vmcs(vmx->vmcs);
}

/* ---- segments ---- */

/* Neutral attributes: bits 0-7, then 8-11 for what a descriptor has in 12-15. */
static u64 rights_of(u16 attributes)
{
	if (!(attributes & BIT(7)))
		return RIGHTS_UNUSABLE;
	return (attributes & 0xff) | (u64)(attributes & 0xf00) << 4;
}

static u16 attributes_of(u64 rights)
{
	if (rights & RIGHTS_UNUSABLE)
		return 0;
	return (u16)((rights & 0xff) | (rights >> 4 & 0xf00));
}

/* In the order of x86_state. */
static const u8 segments[X86_SEGMENTS] = {
	VMCS_ES, VMCS_CS,   VMCS_SS,   VMCS_DS,	  VMCS_FS,
	VMCS_GS, VMCS_GDTR, VMCS_LDTR, VMCS_IDTR, VMCS_TR,
};

/* GDTR and IDTR, the last ones, have base and limit only. */
static void put_segment(u32 segment, const struct x86_segment *value)
{
	vmcs_write(VMCS_GUEST_LIMIT + 2 * segment, value->limit);
	vmcs_write(VMCS_GUEST_BASE + 2 * segment, value->base);
	if (segment >= VMCS_GDTR)
		return;
	vmcs_write(VMCS_GUEST_SELECTOR + 2 * segment, value->selector);
	vmcs_write(VMCS_GUEST_RIGHTS + 2 * segment, rights_of(value->attributes));
}

static void get_segment(u32 segment, struct x86_segment *value)
{
	*value = (struct x86_segment){
		.limit = (u32)vmcs_read(VMCS_GUEST_LIMIT + 2 * segment),
		.base = vmcs_read(VMCS_GUEST_BASE + 2 * segment),
	};
	if (segment >= VMCS_GDTR)
		return;
	value->selector = (u16)vmcs_read(VMCS_GUEST_SELECTOR + 2 * segment);
	value->attributes = attributes_of(vmcs_read(VMCS_GUEST_RIGHTS + 2 * segment));
}

/* ---- control registers ---- */

u64 vmx_get_cr0(void)
{
	return (vmcs_read(VMCS_GUEST_CR0) & CR0_GUEST_OWNED) |
	       (vmcs_read(VMCS_CR0_SHADOW) & ~CR0_GUEST_OWNED);
}

/* NE is the processor's wish; CD and NW belong to the host, VM entry does not switch them. */
void vmx_set_cr0(u64 value)
{
	vmcs_write(VMCS_CR0_SHADOW, value | CR0_ET);
	vmcs_write(VMCS_GUEST_CR0, (value & CR0_GUEST_OWNED) | CR0_NE | CR0_ET);
}

static void set_cr4(u64 value)
{
	vmcs_write(VMCS_CR4_SHADOW, value);
	vmcs_write(VMCS_GUEST_CR4, (value & CR4_GUEST_ALLOWED) | CR4_VMXE);
}

/* Also tells entry which mode the guest is in. */
static void set_efer(u64 value)
{
	vmcs_write(VMCS_GUEST_EFER, value);
	vmcs_write(VMCS_ENTRY_CONTROLS,
		   vmx_features.entry | (value & EFER_LMA ? ENTRY_LONG_MODE : 0));
}

/* ---- state ---- */

static void write_controls(struct arch_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	vmcs_write(VMCS_PIN_CONTROLS, vmx_features.pin);
	vmcs_write(VMCS_PRIMARY_CONTROLS, vmx_features.primary);
	vmcs_write(VMCS_SECONDARY_CONTROLS, vmx_features.secondary);
	vmcs_write(VMCS_EXIT_CONTROLS, vmx_features.exit);
	/* Otherwise a guest could keep the processor delivering them (CVE-2015-5307, -8104). */
	vmcs_write(VMCS_EXCEPTION_BITMAP, BIT(X86_DB) | BIT(X86_AC));
	vmcs_write(VMCS_CR3_TARGET_COUNT, 0);
	vmcs_write(VMCS_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write(VMCS_EXIT_MSR_LOAD_COUNT, 0);
	vmcs_write(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	vmcs_write(VMCS_ENTRY_EVENT, 0);
	vmcs_write(VMCS_TPR_THRESHOLD, 0);
	vmcs_write(VMCS_IO_BITMAP_A, vmx_io_bitmaps.raw);
	vmcs_write(VMCS_IO_BITMAP_B, vmx_io_bitmaps.raw + PAGE_SIZE);
	vmcs_write(VMCS_MSR_BITMAP, vmx_msr_bitmap.raw);
	vmcs_write(VMCS_VIRTUAL_APIC, vmx->apic_frame.raw);
	vmx->eptp = vcpu->nested_root.raw | vmx_features.eptp_bits;
	vmcs_write(VMCS_EPT_POINTER, vmx->eptp);
	vmcs_write(VMCS_LINK_POINTER, NO_LINK);
	vmcs_write(VMCS_CR0_MASK, ~CR0_GUEST_OWNED);
	vmcs_write(VMCS_CR4_MASK, ~CR4_GUEST_ALLOWED);
	vmcs_write(VMCS_TSC_OFFSET, vcpu->tsc_offset);
	vmx->tsc_offset = vcpu->tsc_offset;
	vmcs_write(VMCS_PREEMPTION_TIMER, 0);
	vmx->stay = 0;
}

/* Of the guest's state what struct x86_state does not have. */
static void write_rest_of_state(void)
{
	vmcs_write(VMCS_GUEST_DR7, DR7_RESET);
	vmcs_write(VMCS_GUEST_DEBUGCTL, 0);
	vmcs_write(VMCS_GUEST_PAT, PAT_RESET);
	vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmcs_write(VMCS_GUEST_ACTIVITY, 0);
	vmcs_write(VMCS_GUEST_PENDING_DEBUG, 0);
	vmcs_write(VMCS_GUEST_SYSENTER_CS, 0);
	vmcs_write(VMCS_GUEST_SYSENTER_ESP, 0);
	vmcs_write(VMCS_GUEST_SYSENTER_EIP, 0);
}

/* What lives in the processor while the vCPU is loaded. */
static void put_msrs(const struct vmx_vcpu *vmx)
{
	for (u32 i = 0; i < VMX_MSRS; i++)
		wrmsr(vmx_msr_indices[i], vmx->msrs[i]);
	write_cr2(vmx->cr2);
	write_dr6(vmx->dr6);
}

void vmx_vcpu_reset(struct arch_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	bool held = hold(vmx);

	write_controls(vcpu);
	write_rest_of_state();
	release(vmx, held);
	memset(vmx->msrs, 0, sizeof(vmx->msrs));
	memset(host_frame_ptr(vmx->apic_frame), 0, PAGE_SIZE);
	vmx->dr6 = DR6_RESET;
	vcpu_reset(vcpu, &vmx_ops);
	if (vmx->loaded)
		put_msrs(vmx);
}

enum err vmx_vcpu_create(struct arch_vcpu *vcpu)
{
	/* Our record, the VMCS, the virtual-APIC page, the XSAVE area. */
	hpa_t frames = host_frames_alloc(4);
	struct vmx_vcpu *vmx;

	if (!frames.raw)
		return ERR_NO_MEMORY;
	vmx = host_frame_ptr(frames);
	vmx->vmcs = HPA(frames.raw + PAGE_SIZE);
	vmx->apic_frame = HPA(frames.raw + 2 * PAGE_SIZE);
	vmx->host_cpu = ~0u;
	vcpu->vendor = vmx;
	vcpu->fpu_frame = HPA(frames.raw + 3 * PAGE_SIZE);
	vcpu->apic_page = host_frame_ptr(vmx->apic_frame);
	vcpu->tpr = &vcpu->apic_page[APIC_TPR];
	*(u32 *)host_frame_ptr(vmx->vmcs) = vmx_features.revision;
	vmx_clear_vmcs(vmx->vmcs); /* SDM vol. 3, 25.11.3: before its first use */
	vmx_vcpu_reset(vcpu);
	return OK;
}

void vmx_startup(struct arch_vcpu *vcpu, u8 vector)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	bool held = hold(vmx);

	put_segment(VMCS_CS,
		    &(struct x86_segment){ (u16)(vector << 8), 0x9b, 0xffff, (u64)vector << 12 });
	vmcs_write(VMCS_GUEST_RIP, 0);
	release(vmx, held);
}

void vmx_get_state(const struct arch_vcpu *vcpu, struct x86_state *state)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	bool held = hold(vmx);

	memcpy(state->gpr, vcpu->gpr, sizeof(state->gpr));
	state->gpr[GPR_RSP] = vmcs_read(VMCS_GUEST_RSP);
	state->rip = vmcs_read(VMCS_GUEST_RIP);
	state->rflags = vmcs_read(VMCS_GUEST_RFLAGS);
	state->cr0 = vmx_get_cr0();
	state->cr2 = vmx->loaded ? read_cr2() : vmx->cr2;
	state->cr3 = vmcs_read(VMCS_GUEST_CR3);
	state->cr4 = vmcs_read(VMCS_GUEST_CR4) & CR4_GUEST_ALLOWED;
	state->efer = vmcs_read(VMCS_GUEST_EFER);
	for (u32 i = 0; i < X86_SEGMENTS; i++)
		get_segment(segments[i], &state->segments[i]);
	release(vmx, held);
}

void vmx_set_state(struct arch_vcpu *vcpu, const struct x86_state *state)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	bool held = hold(vmx);

	memcpy(vcpu->gpr, state->gpr, sizeof(vcpu->gpr));
	vmcs_write(VMCS_GUEST_RSP, state->gpr[GPR_RSP]);
	vmcs_write(VMCS_GUEST_RIP, state->rip);
	vmcs_write(VMCS_GUEST_RFLAGS, state->rflags | RFLAGS_FIXED);
	vmx_set_cr0(state->cr0);
	vmcs_write(VMCS_GUEST_CR3, state->cr3);
	set_cr4(state->cr4);
	set_efer(state->efer);
	for (u32 i = 0; i < X86_SEGMENTS; i++)
		put_segment(segments[i], &state->segments[i]);
	release(vmx, held);
	vmx->cr2 = state->cr2;
	if (vmx->loaded)
		write_cr2(state->cr2);
}

/* ---- a stay on a CPU ---- */

static u64 tr_base(u64 gdt)
{
	const u64 *entry = (const u64 *)(gdt + SELECTOR_TSS);

	return (entry[0] >> 16 & 0xffffff) | (entry[0] >> 56 & 0xff) << 24 | entry[1] << 32;
}

/* What an exit loads: all of it is the same for as long as the vCPU stays on this CPU. */
static void write_host_state(void)
{
	u64 gdt = descriptor_table_base(true);

	vmcs_write(VMCS_HOST_CR0, read_cr0());
	vmcs_write(VMCS_HOST_CR3, read_cr3());
	vmcs_write(VMCS_HOST_CR4, read_cr4());
	vmcs_write(VMCS_HOST_EFER, rdmsr(MSR_EFER));
	vmcs_write(VMCS_HOST_PAT, rdmsr(MSR_PAT));
	vmcs_write(VMCS_HOST_CS, SELECTOR_CODE);
	vmcs_write(VMCS_HOST_SS, SELECTOR_DATA);
	vmcs_write(VMCS_HOST_DS, SELECTOR_DATA);
	vmcs_write(VMCS_HOST_ES, SELECTOR_DATA);
	vmcs_write(VMCS_HOST_FS, 0);
	vmcs_write(VMCS_HOST_GS, 0);
	vmcs_write(VMCS_HOST_TR, SELECTOR_TSS);
	vmcs_write(VMCS_HOST_FS_BASE, 0);
	vmcs_write(VMCS_HOST_GS_BASE, rdmsr(MSR_GS_BASE));
	vmcs_write(VMCS_HOST_TR_BASE, tr_base(gdt));
	vmcs_write(VMCS_HOST_GDTR_BASE, gdt);
	vmcs_write(VMCS_HOST_IDTR_BASE, descriptor_table_base(false));
	vmcs_write(VMCS_HOST_SYSENTER_CS, 0);
	vmcs_write(VMCS_HOST_SYSENTER_ESP, 0);
	vmcs_write(VMCS_HOST_SYSENTER_EIP, 0);
	vmcs_write(VMCS_HOST_RIP, (u64)vmx_exited);
}

void vmx_load(struct arch_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	u32 cpu = this_cpu_number();

	vmx_load_vmcs(vmx->vmcs);
	vmx->loaded = true;
	vmx->launched = false;
	if (vmx->host_cpu != cpu)
		write_host_state();
	vmx->host_cpu = cpu;
	put_msrs(vmx);
	fpu_load(vcpu);
}

/* The VMCS goes back to memory: the next stay may be on another CPU (SDM vol. 3, 25.11.1). */
void vmx_unload(struct arch_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	for (u32 i = 0; i < VMX_MSRS; i++)
		vmx->msrs[i] = rdmsr(vmx_msr_indices[i]);
	vmx->cr2 = read_cr2();
	vmx->dr6 = read_dr6();
	fpu_save(vcpu);
	vmx_clear_vmcs(vmx->vmcs);
	vmx->loaded = false;
}
