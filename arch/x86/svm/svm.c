// SPDX-License-Identifier: Apache-2.0
/* SVM: switching it on, a vCPU's VMCB, entry, events, ASIDs (APM vol. 2, 15). */
#include "arch/x86/svm/svm.h"

#include "arch/x86/cpu.h"
#include "arch/x86/fpu.h"
#include "arch/x86/host.h"
#include "arch/x86/mmio.h"
#include "arch/x86/registers.h"
#include "arch/x86/rules.h"
#include "arch/x86/trap.h"
#include "core/lib/string.h"

#define CPUID_EXTENDED		0x80000001u
#define CPUID_EXTENDED_1G	BIT(26)
#define CPUID_SVM		0x8000000au
#define CPUID_SVM_NEXT_RIP	BIT(3)
#define CPUID_SVM_FLUSH_BY_ASID BIT(6)
#define IOPM_PAGES		3
#define MSRPM_PAGES		2
#define VM_CR_SVMDIS		BIT(4)

struct svm_features svm_features;

/* Filled by the boot CPU; the same for every vCPU. */
static hpa_t iopm, msrpm;

/* Each CPU's own. */
static struct {
	hpa_t host_vmcb;
	struct tlb_pool tags;
} cpus[TRAP_CPUS_MAX];

/* Where the VMCB holds MSRs. What VMLOAD and VMSAVE switch is the guest's own: no exits. */
static const struct {
	u32 index;
	u32 offset;
	bool exits;
} vmcb_msrs[] = {
	{ MSR_EFER, offsetof(struct vmcb, efer), true },
	{ MSR_PAT, offsetof(struct vmcb, pat), true },
	{ MSR_FS_BASE, offsetof(struct vmcb, fs.base), false },
	{ MSR_GS_BASE, offsetof(struct vmcb, gs.base), false },
	{ MSR_KERNEL_GS_BASE, offsetof(struct vmcb, kernel_gs_base), false },
	{ MSR_STAR, offsetof(struct vmcb, star), false },
	{ MSR_LSTAR, offsetof(struct vmcb, lstar), false },
	{ MSR_CSTAR, offsetof(struct vmcb, cstar), false },
	{ MSR_SFMASK, offsetof(struct vmcb, sfmask), false },
	{ MSR_SYSENTER_CS, offsetof(struct vmcb, sysenter_cs), false },
	{ MSR_SYSENTER_ESP, offsetof(struct vmcb, sysenter_esp), false },
	{ MSR_SYSENTER_EIP, offsetof(struct vmcb, sysenter_eip), false },
};

/* APM vol. 2, 15.11: two bits an MSR, three ranges of 2 KiB. */
static void allow_msr(u8 *map, u32 index)
{
	u32 base = index < 0x2000 ? 0 : index < 0xc0002000u ? 0x800 : 0x1000;
	u32 bit = (index & 0x1fff) * 2;

	map[base + bit / 8] &= (u8) ~(3u << (bit % 8));
}

static enum err make_maps(void)
{
	iopm = host_frames_alloc(IOPM_PAGES);
	msrpm = host_frames_alloc(MSRPM_PAGES);
	if (!iopm.raw || !msrpm.raw)
		return ERR_NO_MEMORY;
	memset(host_frame_ptr(iopm), 0xff, IOPM_PAGES * PAGE_SIZE);
	memset(host_frame_ptr(msrpm), 0xff, MSRPM_PAGES * PAGE_SIZE);
	for (u32 i = 0; i < ARRAY_SIZE(vmcb_msrs); i++)
		if (!vmcb_msrs[i].exits)
			allow_msr(host_frame_ptr(msrpm), vmcb_msrs[i].index);
	return OK;
}

static enum err svm_cpu_enable(void)
{
	u32 id = this_cpu_number();
	hpa_t save = host_frame_alloc();
	u64 host_vmcb;

	if (!iopm.raw && make_maps())
		return ERR_NO_MEMORY;
	cpus[id].host_vmcb = host_frame_alloc();
	if (!save.raw || !cpus[id].host_vmcb.raw)
		return ERR_NO_MEMORY;
	if (rdmsr(MSR_VM_CR) & VM_CR_SVMDIS) {
		host_log(0, "SVM is switched off by firmware (VM_CR.SVMDIS)");
		return ERR_UNSUPPORTED;
	}
	svm_features.next_rip = cpuid(CPUID_SVM, 0).edx & CPUID_SVM_NEXT_RIP;
	svm_features.tlb.flush_tag = cpuid(CPUID_SVM, 0).edx & CPUID_SVM_FLUSH_BY_ASID;
	cpus[id].tags.count = cpuid(CPUID_SVM, 0).ebx;
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	wrmsr(MSR_VM_HSAVE_PA, save.raw);
	host_vmcb = cpus[id].host_vmcb.raw;
	__asm__ volatile("vmsave %%rax" ::"a"(host_vmcb) : "memory");
	fpu_init_cpu();
	return OK;
}

static void set_intercepts(struct vmcb *vmcb)
{
	vmcb->intercept_cr_write = BIT(4) | BIT(8);
	vmcb->intercept_cr_read = BIT(8);
	vmcb->intercept_exceptions = BIT(X86_DB) | BIT(X86_AC);
	vmcb->intercept1 = SVM_I1_INTR | SVM_I1_NMI | SVM_I1_SMI | SVM_I1_INIT | SVM_I1_RDPMC |
			   SVM_I1_CPUID | SVM_I1_INVD | SVM_I1_HLT | SVM_I1_INVLPGA | SVM_I1_IOIO |
			   SVM_I1_MSR | (u32)SVM_I1_SHUTDOWN;
	vmcb->intercept2 = SVM_I2_VMRUN | SVM_I2_VMMCALL | SVM_I2_VMLOAD | SVM_I2_VMSAVE |
			   SVM_I2_STGI | SVM_I2_CLGI | SVM_I2_SKINIT | SVM_I2_RDTSCP |
			   SVM_I2_MONITOR | SVM_I2_MWAIT | SVM_I2_XSETBV;
	vmcb->v_intr = SVM_V_INTR_MASKING;
	vmcb->iopm_base = iopm.raw;
	vmcb->msrpm_base = msrpm.raw;
}

static void svm_vcpu_reset(struct arch_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	struct vmcb *vmcb = svm->vmcb;

	memset(vmcb, 0, sizeof(*vmcb));
	set_intercepts(vmcb);
	vmcb->nested_control = 1;
	vmcb->nested_cr3 = vcpu->nested_root.raw;
	vmcb->tsc_offset = vcpu->tsc_offset;
	vmcb->dr6 = 0xffff0ff0;
	vmcb->dr7 = 0x400;
	vmcb->pat = PAT_RESET;
	svm->nmi_blocked = false;
	vcpu_reset(vcpu, &svm_ops); /* its flush stores the ASID anew, too */
}

static enum err svm_vcpu_create(struct arch_vcpu *vcpu)
{
	hpa_t frames = host_frames_alloc(3); /* our record, the VMCB, the XSAVE area */
	struct svm_vcpu *svm;

	if (!frames.raw)
		return ERR_NO_MEMORY;
	svm = host_frame_ptr(frames);
	svm->vmcb_pa = HPA(frames.raw + PAGE_SIZE);
	svm->vmcb = host_frame_ptr(svm->vmcb_pa);
	vcpu->vendor = svm;
	vcpu->fpu_frame = HPA(frames.raw + 2 * PAGE_SIZE);
	svm_vcpu_reset(vcpu);
	return OK;
}

static void svm_startup(struct arch_vcpu *vcpu, u8 vector)
{
	struct vmcb *vmcb = vmcb_of(vcpu);

	vmcb->cs = (struct x86_segment){ (u16)(vector << 8), 0x9b, 0xffff, (u64)vector << 12 };
	vmcb->rip = 0;
}

static void svm_get_state(const struct arch_vcpu *vcpu, struct x86_state *state)
{
	const struct vmcb *vmcb = vmcb_of(vcpu);

	memcpy(state->gpr, vcpu->gpr, sizeof(state->gpr));
	state->rip = vmcb->rip;
	state->rflags = vmcb->rflags;
	state->cr0 = vmcb->cr0;
	state->cr2 = vmcb->cr2;
	state->cr3 = vmcb->cr3;
	state->cr4 = vmcb->cr4;
	state->efer = vmcb->efer & ~EFER_SVME;
	memcpy(state->segments, vmcb->segments, sizeof(state->segments));
}

static void svm_set_state(struct arch_vcpu *vcpu, const struct x86_state *state)
{
	struct vmcb *vmcb = vmcb_of(vcpu);

	memcpy(vcpu->gpr, state->gpr, sizeof(vcpu->gpr));
	vmcb->rip = state->rip;
	vmcb->rflags = state->rflags | RFLAGS_FIXED;
	vmcb->cr0 = state->cr0;
	vmcb->cr2 = state->cr2;
	vmcb->cr3 = state->cr3;
	vmcb->cr4 = state->cr4;
	vmcb->efer = state->efer | EFER_SVME;
	memcpy(vmcb->segments, state->segments, sizeof(vmcb->segments));
	vmcb->cpl = (u8)(state->ss.attributes >> 5 & 3);
}

static void svm_unload(struct arch_vcpu *vcpu)
{
	vcpu->xcr0 = fpu_read_xcr0(); /* quirk of QEMU: XSETBV is not intercepted */
	fpu_save(vcpu);
}

void svm_choose_asid(struct arch_vcpu *vcpu, u32 cpu)
{
	struct vmcb *vmcb = vmcb_of(vcpu);
	u32 action = tlb_enter(&cpus[cpu].tags, cpu, &vcpu->tag, vcpu->space, vcpu->flush_linear,
			       &svm_features.tlb);

	vmcb->asid = vcpu->tag.value;
	vcpu->flush_linear = false;
	if (action & TLB_FLUSH_ALL_TAGS)
		vmcb->tlb_control = SVM_TLB_FLUSH_ALL;
	else if (action & TLB_FLUSH_TAG)
		vmcb->tlb_control = SVM_TLB_FLUSH_TAG;
}

void svm_entry_failed(struct arch_vcpu *vcpu)
{
	tlb_enter_failed(&cpus[vcpu->tag.cpu].tags);
}

static void svm_run(struct arch_vcpu *vcpu, struct vm_exit *exit)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	struct vmcb *vmcb = svm->vmcb;
	u32 cpu = this_cpu_number();

	vmcb->tlb_control = SVM_TLB_KEEP;
	if (!tlb_is_current(&cpus[cpu].tags, &vcpu->tag, vcpu->space, vcpu->flush_linear))
		svm_choose_asid(vcpu, cpu);
	vmcb->tsc_offset = vcpu->tsc_offset;
	vmcb->rax = vcpu->gpr[GPR_RAX];
	vmcb->rsp = vcpu->gpr[GPR_RSP];
	svm_enter(svm->vmcb_pa.raw, vcpu->gpr, cpus[cpu].host_vmcb.raw);
	vcpu->gpr[GPR_RAX] = vmcb->rax;
	vcpu->gpr[GPR_RSP] = vmcb->rsp;
	svm_exit(vcpu, exit);
}

static bool svm_can_inject(const struct arch_vcpu *vcpu)
{
	const struct vmcb *vmcb = vmcb_of(vcpu);

	return vmcb->rflags & RFLAGS_IF && !(vmcb->interrupt_shadow & 1) &&
	       !(vmcb->event_inj & SVM_EVENT_VALID);
}

static bool svm_inject_nmi(struct arch_vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);

	if (svm->nmi_blocked || svm->vmcb->event_inj & SVM_EVENT_VALID)
		return false;
	svm->vmcb->event_inj = SVM_EVENT_VALID | SVM_EVENT_NMI | 2;
	svm->vmcb->intercept1 |= SVM_I1_IRET;
	svm->nmi_blocked = true;
	return true;
}

void svm_inject_exception(struct arch_vcpu *vcpu, u8 vector, bool has_code, u32 code)
{
	u64 event = SVM_EVENT_VALID | SVM_EVENT_EXCEPTION | vector;

	if (has_code)
		event |= SVM_EVENT_CODE_VALID | (u64)code << 32;
	vmcb_of(vcpu)->event_inj = event;
}

/* The processor delivers it as soon as the guest can take it (APM 2, 15.21.4). */
static bool svm_offer_interrupt(struct arch_vcpu *vcpu, u8 vector)
{
	vcpu->offered = vector;
	vmcb_of(vcpu)->v_intr =
		SVM_V_INTR_MASKING | SVM_V_IRQ | SVM_V_IGNORE_TPR | SVM_V_INTR_VECTOR(vector);
	return true;
}

/*
 * Never by EVENTINJ: a processor of QEMU 7.2 that leaves its loop for anything but an interrupt
 * before the guest's next exit delivers a vector from there twice, even with IF = 0.
 */
static void svm_inject_interrupt(struct arch_vcpu *vcpu, u8 vector)
{
	(void)svm_offer_interrupt(vcpu, vector);
}

/* The VMCB field that holds an MSR, or NULL. */
static u64 *msr_field(struct vmcb *vmcb, u32 index)
{
	for (u32 i = 0; i < ARRAY_SIZE(vmcb_msrs); i++)
		if (vmcb_msrs[i].index == index)
			return (u64 *)(void *)((u8 *)vmcb + vmcb_msrs[i].offset);
	return NULL;
}

enum err svm_read_msr(struct arch_vcpu *vcpu, u32 index, u64 *value)
{
	const u64 *field = msr_field(vmcb_of(vcpu), index);

	if (!field)
		return ERR_NOT_FOUND;
	*value = index == MSR_EFER ? *field & ~EFER_SVME : *field;
	return OK;
}

enum err svm_write_msr(struct arch_vcpu *vcpu, u32 index, u64 value)
{
	u64 *field = msr_field(vmcb_of(vcpu), index);

	if (!field)
		return ERR_NOT_FOUND;
	if (!vcpu_may_write_msr(vcpu, index, vmcb_of(vcpu)->cr0, *field, &value))
		return ERR_DENIED;
	*field = index == MSR_EFER ? value | EFER_SVME : value;
	return OK;
}

/* APM vol. 2, 15.25.5: nested tables are as long mode's. */
static u8 svm_largest(void)
{
	return cpuid(CPUID_EXTENDED, 0).edx & CPUID_EXTENDED_1G ? 3 : 2;
}

const struct virt_ops svm_ops = {
	.name = "SVM",
	.nested = VIRT_NESTED_NPT,
	.largest = svm_largest,
	.cpu_enable = svm_cpu_enable,
	.vcpu_create = svm_vcpu_create,
	.vcpu_reset = svm_vcpu_reset,
	.get_state = svm_get_state,
	.set_state = svm_set_state,
	.load = fpu_load,
	.unload = svm_unload,
	.run = svm_run,
	.complete = svm_complete,
	.can_inject = svm_can_inject,
	.inject_interrupt = svm_inject_interrupt,
	.inject_nmi = svm_inject_nmi,
	.inject_exception = svm_inject_exception,
	.offer_interrupt = svm_offer_interrupt,
	.startup = svm_startup,
	.read_msr = svm_read_msr,
	.write_msr = svm_write_msr,
};
