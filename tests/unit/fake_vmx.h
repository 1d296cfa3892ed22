/* SPDX-License-Identifier: Apache-2.0 */
/* The vCPU of fake_vcpu.h under VMX, with a processor for it: VMCSs, MSRs, control registers. */
#ifndef TESTS_UNIT_FAKE_VMX_H
#define TESTS_UNIT_FAKE_VMX_H

#include "arch/x86/rules.h"
#include "arch/x86/trap.h"
#include "arch/x86/vmx/vmx.h"
#include "tests/unit/fake_vcpu.h"

/* ---- a processor: VMCSs, MSRs, registers ---- */

#define FIELDS	  0x7000
#define NOWHERE	  (~0u)
#define REVISION  0x1234567u
#define VMCS_MAX  4
#define MSR_COUNT 16

static struct fake_vmcs {
	hpa_t at;
	u32 cpu; /* where it is active; VMCLEAR: nowhere */
	bool launched;
	u64 fields[FIELDS];
} vmcss[VMCS_MAX];

static struct fake_vmcs *current[2]; /* on each CPU */
static u32 this_cpu;
static bool length_is_poison; /* the instruction length says nothing now */
static struct {
	u32 index;
	u64 value;
} msrs[MSR_COUNT];
static u64 cr0, cr2, cr4, dr6, gdt[16];
static u64 ept_vpid, allowed_secondary, invalidated[4];
static u32 invalidations, nmis_taken;
const u8 vmx_exited[1];

u32 this_cpu_number(void)
{
	return this_cpu;
}

bool vmx_on(hpa_t region)
{
	return *(u32 *)region.raw == REVISION && cr4 & CR4_VMXE;
}

static struct fake_vmcs *vmcs_at(hpa_t at)
{
	for (u32 i = 0; i < VMCS_MAX; i++)
		if (vmcss[i].at.raw == at.raw)
			return &vmcss[i];
	for (u32 i = 0; i < VMCS_MAX; i++) {
		if (vmcss[i].at.raw)
			continue;
		vmcss[i].at = at;
		vmcss[i].cpu = NOWHERE;
		return &vmcss[i];
	}
	abort();
}

/* SDM vol. 3, 25.11.1: never active on two processors. */
void vmx_load_vmcs(hpa_t vmcs)
{
	struct fake_vmcs *v = vmcs_at(vmcs);

	assert_int_equal(*(u32 *)vmcs.raw, REVISION);
	assert_true(v->cpu == NOWHERE || v->cpu == this_cpu);
	v->cpu = this_cpu;
	current[this_cpu] = v;
}

void vmx_clear_vmcs(hpa_t vmcs)
{
	struct fake_vmcs *v = vmcs_at(vmcs);

	assert_true(v->cpu == NOWHERE || v->cpu == this_cpu);
	v->cpu = NOWHERE;
	v->launched = false;
	if (current[this_cpu] == v)
		current[this_cpu] = NULL;
}

u64 vmcs_read(u32 field)
{
	assert_non_null(current[this_cpu]);
	assert_in_range(field, 0, FIELDS - 1);
	if (field == VMCS_INSTRUCTION_LENGTH)
		assert_false(length_is_poison);
	return current[this_cpu]->fields[field];
}

void vmcs_write(u32 field, u64 value)
{
	assert_non_null(current[this_cpu]);
	assert_in_range(field, 0, FIELDS - 1);
	assert_int_not_equal(field >> 10 & 3, 1); /* read-only */
	current[this_cpu]->fields[field] = value;
}

void vmx_invept(u64 type, u64 eptp)
{
	invalidated[0] = type;
	invalidated[1] = eptp;
	invalidations++;
}

void vmx_invvpid(u64 type, u64 vpid)
{
	invalidated[2] = type;
	invalidated[3] = vpid;
	invalidations++;
}

u64 host_tsc_hz(void)
{
	return 3200000000;
}

u64 rdmsr(u32 index)
{
	for (u32 i = 0; i < MSR_COUNT; i++)
		if (msrs[i].index == index)
			return msrs[i].value;
	switch (index) {
	case 0x3a: /* FEATURE_CONTROL: firmware has left it open */
		return 0;
	case 0x480: /* VMX_BASIC: true controls, instruction information */
		return REVISION | BIT(54) | BIT(55);
	case 0x485: /* VMX_MISC: the preemption timer counts every 32nd tick */
		return 5;
	case 0x486:
		return CR0_PE | CR0_NE | CR0_PG;
	case 0x488:
		return CR4_VMXE;
	case 0x48b:
		return allowed_secondary << 32;
	case 0x48c:
		return ept_vpid;
	case 0x48d ... 0x490: /* may all be; bit 1 must */
		return 0xffffffff00000002;
	default:
		return 0;
	}
}

void wrmsr(u32 index, u64 value)
{
	for (u32 i = 0; i < MSR_COUNT; i++) {
		if (msrs[i].index && msrs[i].index != index)
			continue;
		msrs[i].index = index;
		msrs[i].value = value;
		return;
	}
	abort();
}

#define REGISTER(name) \
	u64 read_##name(void) \
	{ \
		return name; \
	} \
	void write_##name(u64 value) \
	{ \
		name = value; \
	}

REGISTER(cr0)
REGISTER(cr2)
REGISTER(cr4)
REGISTER(dr6)

u64 read_cr3(void)
{
	return 0x7000;
}

u64 descriptor_table_base(bool is_gdt)
{
	return is_gdt ? (u64)gdt : 0x1d7000;
}

void take_nmi(void)
{
	nmis_taken++;
}

/* A stay in the guest that ends at once, by an interrupt. */
u64 vmx_enter(u64 *gpr, bool launched)
{
	struct fake_vmcs *v = current[this_cpu];

	(void)gpr;
	assert_non_null(v);
	assert_int_equal(launched, v->launched); /* VMLAUNCH and VMRESUME each refuse the other */
	v->launched = true;
	v->fields[VMCS_ENTRY_EVENT] &= ~EVENT_VALID;
	v->fields[VMCS_EXIT_REASON] = REASON_INTERRUPT;
	v->fields[VMCS_IDT_VECTORING] = 0;
	return 0;
}

/* ---- exits ---- */

#define CS_RIGHTS (VMCS_GUEST_RIGHTS + 2 * VMCS_CS)
#define SS_RIGHTS (VMCS_GUEST_RIGHTS + 2 * VMCS_SS)
#define ON_DATA	  (EPT_VIOLATION_LINEAR | EPT_VIOLATION_FINAL)

/* A field of the VMCS that is loaded, as the processor reads and writes it. */
static inline u64 *field(u32 encoding)
{
	return &current[this_cpu]->fields[encoding];
}

/* The instruction at RIP has brought this exit about. */
static inline void exits_in(u32 reason, u64 qualification, u64 vectoring)
{
	*field(VMCS_ENTRY_EVENT) &= ~EVENT_VALID; /* as each exit does */
	*field(VMCS_EXIT_REASON) = reason;
	*field(VMCS_QUALIFICATION) = qualification;
	*field(VMCS_IDT_VECTORING) = vectoring;
	*field(VMCS_INSTRUCTION_LENGTH) = code_length;
	memset(&out, 0xcc, sizeof(out));
	vmx_exit(&vcpu, &out);
}

static inline void exits(u32 reason, u64 qualification)
{
	exits_in(reason, qualification, 0);
}

static inline void violates(u64 gpa, u64 qualification, u64 vectoring)
{
	*field(VMCS_GUEST_PHYSICAL) = gpa;
	length_is_poison = true; /* SDM vol. 3, 28.2.5: undefined for most of these exits */
	exits_in(REASON_EPT_VIOLATION, qualification, vectoring);
}

/* ---- struct vendor ---- */

static u64 *vmx_reg(enum guest_register reg)
{
	switch (reg) {
	case GUEST_RIP:
		return field(VMCS_GUEST_RIP);
	case GUEST_RFLAGS:
		return field(VMCS_GUEST_RFLAGS);
	case GUEST_CR2:
		return &cr2;
	default:
		return field(VMCS_GUEST_PAT);
	}
}

static void vmx_set_cpl(u8 cpl)
{
	*field(SS_RIGHTS) = (*field(SS_RIGHTS) & ~(3ULL << 5)) | (u64)cpl << 5;
}

static void vmx_set_shadow(bool on)
{
	*field(VMCS_GUEST_INTERRUPTIBILITY) = on ? BLOCKED_BY_STI : 0;
}

static bool vmx_in_shadow(void)
{
	return *field(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS);
}

static u64 vmx_event(void)
{
	u64 event = *field(VMCS_ENTRY_EVENT);

	if (!(event & EVENT_VALID))
		return 0;
	return event & EVENT_CODE_VALID ? event | *field(VMCS_ENTRY_EVENT_CODE) << 32 : event;
}

static void vmx_exits_by(enum cause cause)
{
	static const u32 reasons[CAUSES] = {
		[BY_CPUID] = REASON_CPUID,	[BY_HLT] = REASON_HLT,
		[BY_RDMSR] = REASON_RDMSR,	[BY_WRMSR] = REASON_WRMSR,
		[BY_HYPERCALL] = REASON_VMCALL, [BY_XSETBV] = REASON_XSETBV,
	};

	exits(reasons[cause], 0);
}

/* What says which access it was, VMX does not look at: the instruction does. */
static void vmx_touches(u64 gpa, bool write)
{
	violates(gpa, ON_DATA | (write ? BIT(1) : BIT(0)), 0);
}

#define PORT(port, size, more) ((u64)(port) << 16 | ((size)-1) | (more))
#define INFO(address, segment) ((u64)(address) << 7 | (u64)(segment) << 15)

static void vmx_uses_port(const struct port_use *use)
{
	*field(VMCS_INSTRUCTION_INFO) = INFO(use->address_size / 4, use->segment);
	exits(REASON_IO, PORT(use->port, use->size,
			      (use->in ? IO_IN : 0) | (use->string ? IO_STRING : 0) |
				      (use->rep ? IO_REP : 0)));
}

static const struct vendor vendor = {
	.ops = &vmx_ops,
	.reg = vmx_reg,
	.set_cpl = vmx_set_cpl,
	.set_shadow = vmx_set_shadow,
	.in_shadow = vmx_in_shadow,
	.event = vmx_event,
	.exits_by = vmx_exits_by,
	.touches = vmx_touches,
	.uses_port = vmx_uses_port,
	.hypercall = { 0x0f, 0x01, 0xc1 }, /* VMCALL */
};

/* ---- before and after each test ---- */

static void forget_processor(void)
{
	memset(vmcss, 0, sizeof(vmcss));
	memset(current, 0, sizeof(current));
	memset(msrs, 0, sizeof(msrs));
	this_cpu = invalidations = nmis_taken = 0;
	cr0 = CR0_PE | CR0_PG;
	cr2 = cr4 = dr6 = 0;
	ept_vpid = ~0ULL;
	allowed_secondary = 0xffffffff;
	length_is_poison = false;
}

/* Switched on at both CPUs. */
static void enable(void)
{
	memset(&vmx_features, 0, sizeof(vmx_features));
	assert_null(vmx_missing());
	this_cpu = 1;
	assert_int_equal(vmx_ops.cpu_enable(), OK);
	this_cpu = 0;
	assert_int_equal(vmx_ops.cpu_enable(), OK);
}

static int start(void **state)
{
	(void)state;
	prepare_ram();
	forget_processor();
	enable();
	create_vcpu();
	vmx_ops.load(&vcpu);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	free_all();
	vmx_io_bitmaps = vmx_msr_bitmap = vmx_msr_bitmap_x2apic = HPA(0);
	return 0;
}

#endif
