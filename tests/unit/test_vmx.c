// SPDX-License-Identifier: Apache-2.0
// SOURCES: arch/x86/tlb.c arch/x86/vmx/enable.c arch/x86/vmx/vcpu.c arch/x86/vmx/vmx.c
// SOURCES: arch/x86/vmx/exit.c arch/x86/vmx/emulate.c arch/x86/mmio.c arch/x86/pio.c
// SOURCES: arch/x86/registers.c
// SOURCES: arch/x86/walk.c arch/x86/insn.c arch/x86/emulate.c core/lib/string.c
/* Rules of the VMX back end: from a VMCS that has exited to the neutral exit and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/cpu.h"
#include "arch/x86/fpu.h"
#include "arch/x86/host.h"
#include "arch/x86/rules.h"
#include "arch/x86/trap.h"
#include "arch/x86/vmx/vmx.h"

/* ---- what is around it ---- */

#define RAM_SIZE   MIB(4)
#define CODE	   0x10000ULL
#define DATA	   0x20000ULL
#define DEVICE	   0xfee00020ULL
#define MISSING	   0x4000000000ULL /* in no table */
#define MAX_FRAMES 64

static u8 *ram;
static void *frames[MAX_FRAMES];
static u32 frames_left;

hpa_t host_frames_alloc(u32 pages)
{
	void *memory;

	if (frames_left < pages)
		return HPA(0);
	frames_left -= pages;
	memory = aligned_alloc(PAGE_SIZE, pages * PAGE_SIZE);
	memset(memory, 0, pages * PAGE_SIZE);
	for (u32 i = 0; i < MAX_FRAMES; i++) {
		if (frames[i])
			continue;
		frames[i] = memory;
		return HPA((u64)memory);
	}
	abort();
}

hpa_t host_frame_alloc(void)
{
	return host_frames_alloc(1);
}

void *host_frame_ptr(hpa_t frame)
{
	return (void *)frame.raw;
}

u64 host_tsc_hz(void)
{
	return 3200000000;
}

void host_log(u32 level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

void host_panic(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

enum err host_guest_read(struct arch_vcpu *vcpu, gpa_t gpa, void *dst, size_t size)
{
	(void)vcpu;
	if (gpa.raw > RAM_SIZE - size)
		return ERR_FAULT;
	memcpy(dst, ram + gpa.raw, size);
	return OK;
}

enum err host_guest_write(struct arch_vcpu *vcpu, gpa_t gpa, const void *src, size_t size)
{
	(void)vcpu;
	if (gpa.raw > RAM_SIZE - size)
		return ERR_FAULT;
	memcpy(ram + gpa.raw, src, size);
	return OK;
}

/* Memory is one to one here, so that host addresses are the guest's. */
enum err host_guest_locate(struct arch_vcpu *vcpu, gpa_t gpa, hpa_t *hpa)
{
	(void)vcpu;
	*hpa = HPA(gpa.raw);
	return gpa.raw < RAM_SIZE ? OK : ERR_FAULT;
}

bool host_words_unchanged(const struct host_word *words, u32 count)
{
	for (u32 i = 0; i < count; i++)
		if (memcmp(ram + words[i].hpa.raw, &words[i].value, 8) != 0)
			return false;
	return true;
}

void host_read_code(hpa_t hpa, u64 *code)
{
	memcpy(code, ram + hpa.raw, 16);
}

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
static u64 cr0, cr2, cr4, dr6, xcr0, drs[4], gdt[16];
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

u64 read_cr0(void)
{
	return cr0;
}

void write_cr0(u64 value)
{
	cr0 = value;
}

u64 read_cr2(void)
{
	return cr2;
}

void write_cr2(u64 value)
{
	cr2 = value;
}

u64 read_cr3(void)
{
	return 0x7000;
}

u64 read_cr4(void)
{
	return cr4;
}

void write_cr4(u64 value)
{
	cr4 = value;
}

u64 read_dr6(void)
{
	return dr6;
}

void write_dr6(u64 value)
{
	dr6 = value;
}

u64 descriptor_table_base(bool is_gdt)
{
	return is_gdt ? (u64)gdt : 0x1d7000;
}

void take_nmi(void)
{
	nmis_taken++;
}

void xsetbv(u32 index, u64 value)
{
	assert_int_equal(index, 0);
	xcr0 = value;
}

void fpu_init_cpu(void)
{
}

void fpu_reset(struct arch_vcpu *v)
{
	v->xcr0 = 1;
	memset(v->dr, 0, sizeof(v->dr));
}

void fpu_load(struct arch_vcpu *v)
{
	xcr0 = v->xcr0;
	memcpy(drs, v->dr, sizeof(drs));
}

void fpu_save(struct arch_vcpu *v)
{
	memcpy(v->dr, drs, sizeof(v->dr));
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

/* ---- a guest in 64-bit mode, its memory one to one ---- */

static struct arch_vcpu vcpu;
static struct nested_space space;
static struct vm_exit out;

#define CS_RIGHTS (VMCS_GUEST_RIGHTS + 2 * VMCS_CS)
#define SS_RIGHTS (VMCS_GUEST_RIGHTS + 2 * VMCS_SS)

/* A field of the VMCS that is loaded, as the processor reads and writes it. */
static u64 *field(u32 encoding)
{
	return &current[this_cpu]->fields[encoding];
}

static void put64(u64 at, u64 value)
{
	memcpy(ram + at, &value, 8);
}

static u64 get64(u64 at)
{
	u64 value;

	memcpy(&value, ram + at, 8);
	return value;
}

static const struct x86_state long_mode = {
	.rip = CODE,
	.rflags = RFLAGS_IF,
	.cr0 = CR0_PE | CR0_PG | CR0_WP,
	.cr3 = 0x1000,
	.cr4 = CR4_PAE,
	.efer = EFER_LME | EFER_LMA,
	.cs = { 0x10, 0xa9b, 0xffffffff, 0 },
	.ss = { 0x18, 0xc93, 0xffffffff, 0 },
	.ds = { 0x18, 0xc93, 0xffffffff, 0 },
	.es = { 0x18, 0xc93, 0xffffffff, 0 },
	.tr = { 0, 0x8b, 0xffff, 0 },
};

static void forget_processor(void)
{
	memset(vmcss, 0, sizeof(vmcss));
	memset(current, 0, sizeof(current));
	memset(msrs, 0, sizeof(msrs));
	memset(drs, 0, sizeof(drs));
	this_cpu = invalidations = nmis_taken = 0;
	cr0 = CR0_PE | CR0_PG;
	cr2 = cr4 = dr6 = xcr0 = 0;
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
	ram = calloc(1, RAM_SIZE);
	frames_left = MAX_FRAMES;
	forget_processor();
	enable();
	memset(&vcpu, 0, sizeof(vcpu));
	nested_space_init(&space);
	vcpu.space = &space;
	vcpu.nested_root = HPA(0x5000);
	assert_int_equal(vmx_ops.vcpu_create(&vcpu), OK);
	vmx_ops.set_state(&vcpu, &long_mode);
	vmx_ops.load(&vcpu);
	put64(0x1000, 0x2000 | 7);
	for (u64 i = 0; i < 4; i++)
		put64(0x2000 + i * 8, i << 30 | 0x87);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	for (u32 i = 0; i < MAX_FRAMES; i++)
		free(frames[i]);
	memset(frames, 0, sizeof(frames));
	vmx_io_bitmaps = vmx_msr_bitmap = vmx_msr_bitmap_x2apic = HPA(0);
	free(ram);
	return 0;
}

/* The instruction at RIP, of `length` bytes, has brought this exit about. */
static void exits_in(u32 reason, u64 qualification, u64 vectoring)
{
	*field(VMCS_ENTRY_EVENT) &= ~EVENT_VALID; /* as each exit does */
	*field(VMCS_EXIT_REASON) = reason;
	*field(VMCS_QUALIFICATION) = qualification;
	*field(VMCS_IDT_VECTORING) = vectoring;
	memset(&out, 0xcc, sizeof(out));
	vmx_exit(&vcpu, &out);
}

static void exits(u32 reason, u64 qualification)
{
	exits_in(reason, qualification, 0);
}

static void code_is(const u8 *bytes, u32 length)
{
	memset(ram + CODE, 0x90, 32);
	memcpy(ram + CODE, bytes, length);
	*field(VMCS_GUEST_RIP) = CODE;
	*field(VMCS_INSTRUCTION_LENGTH) = length;
}

#define CODE_IS(...) \
	do { \
		const u8 bytes_[] = { __VA_ARGS__ }; \
		code_is(bytes_, sizeof(bytes_)); \
	} while (0)

static void has_event(u64 event)
{
	assert_int_equal(*field(VMCS_ENTRY_EVENT), EVENT_VALID | event);
}

static void has_no_event(void)
{
	assert_false(*field(VMCS_ENTRY_EVENT) & EVENT_VALID);
}

static void has_fault(u32 vector, bool has_code, u32 code)
{
	assert_int_equal(out.kind, VM_EXIT_INTERRUPT);
	has_event(EVENT_EXCEPTION << 8 | vector | (has_code ? EVENT_CODE_VALID : 0));
	if (has_code)
		assert_int_equal(*field(VMCS_ENTRY_EVENT_CODE), code);
	assert_int_equal(*field(VMCS_GUEST_RIP), CODE);
}

static void has_retired(u32 length)
{
	has_no_event();
	assert_int_equal(*field(VMCS_GUEST_RIP), CODE + length);
}

/* ---- every reason (SDM vol. 3, appendix C) ---- */

enum sorted {
	STOPS, /* and what is not named */
	GOES_UP,
	NOTHING,
	RETIRES,
	IS_UD,
	IS_GP,
};

static const struct {
	u8 is;
	u8 kind;
} sorts[70] = {
	[REASON_INTERRUPT] = { NOTHING, 0 },
	[REASON_TRIPLE_FAULT] = { GOES_UP, VM_EXIT_SHUTDOWN },
	[REASON_INIT] = { NOTHING, 0 },
	[REASON_SIPI] = { NOTHING, 0 },
	[REASON_IRQ_WINDOW] = { GOES_UP, VM_EXIT_IRQ_WINDOW },
	[REASON_NMI_WINDOW] = { NOTHING, 0 },
	[REASON_CPUID] = { GOES_UP, VM_EXIT_CPUID },
	[REASON_GETSEC] = { IS_UD, 0 },
	[REASON_HLT] = { GOES_UP, VM_EXIT_HLT },
	[REASON_INVD] = { RETIRES, 0 },
	[REASON_RDPMC] = { IS_GP, 0 },
	[REASON_VMCALL] = { GOES_UP, VM_EXIT_HYPERCALL },
	[19 ... 27] = { IS_UD, 0 },
	[REASON_CR_ACCESS] = { RETIRES, 0 },
	[REASON_IO] = { GOES_UP, VM_EXIT_PIO },
	[REASON_RDMSR] = { GOES_UP, VM_EXIT_MSR },
	[REASON_WRMSR] = { GOES_UP, VM_EXIT_MSR },
	[REASON_MWAIT] = { IS_UD, 0 },
	[REASON_MONITOR] = { IS_UD, 0 },
	[REASON_VIRTUAL_EOI] = { GOES_UP, VM_EXIT_EOI },
	[REASON_INVEPT] = { IS_UD, 0 },
	[REASON_PREEMPTION_TIMER] = { NOTHING, 0 },
	[REASON_INVVPID] = { IS_UD, 0 },
	[REASON_XSETBV] = { RETIRES, 0 },
	[REASON_APIC_WRITE] = { GOES_UP, VM_EXIT_MSR },
};

static void every_reason_is_sorted(void **state)
{
	(void)state;
	for (u32 reason = 1; reason < ARRAY_SIZE(sorts); reason++) {
		CODE_IS(0x90, 0x90, 0x90);
		vcpu.gpr[GPR_RAX] = 1; /* XCR0, and harmless elsewhere */
		vcpu.gpr[GPR_RCX] = vcpu.gpr[GPR_RDX] = 0;
		exits(reason, reason == REASON_CR_ACCESS ? 8 : 0); /* MOV CR8, RAX */
		switch (sorts[reason].is) {
		case STOPS:
			assert_int_equal(out.kind, VM_EXIT_STOP);
			assert_non_null(out.stop.reason);
			break;
		case GOES_UP:
			assert_int_equal(out.kind, sorts[reason].kind);
			has_retired(0);
			break;
		case NOTHING:
		case RETIRES:
			assert_int_equal(out.kind, VM_EXIT_INTERRUPT);
			has_retired(sorts[reason].is == RETIRES ? 3 : 0);
			break;
		case IS_UD:
			has_fault(X86_UD, false, 0);
			break;
		default:
			has_fault(X86_GP, true, 0);
		}
	}
}

static void state_that_cannot_run_ends_the_vm(void **state)
{
	(void)state;
	exits(REASON_ENTRY_FAILED | 33, 0);
	assert_int_equal(out.kind, VM_EXIT_STOP);
	exits(REASON_ENTRY_FAILED | REASON_CPUID, 0);
	assert_int_equal(out.kind, VM_EXIT_STOP);
	exits(REASON_TASK_SWITCH, 0x40);
	assert_string_equal(out.stop.reason, "hardware task switch");
	assert_int_equal(out.stop.detail, 0x40);
}

/* ---- instructions that say what they want ---- */

static void cpuid_takes_and_gives_registers(void **state)
{
	(void)state;
	CODE_IS(0x66, 0x0f, 0xa2);
	vcpu.gpr[GPR_RAX] = 0xffffffff00000004;
	vcpu.gpr[GPR_RCX] = 2;
	*field(VMCS_GUEST_INTERRUPTIBILITY) = BLOCKED_BY_STI | BLOCKED_BY_NMI;
	exits(REASON_CPUID, 0);
	assert_int_equal(out.cpuid.leaf, 4);
	assert_int_equal(out.cpuid.subleaf, 2);
	out.cpuid.eax = 1;
	out.cpuid.ebx = 2;
	out.cpuid.ecx = 3;
	out.cpuid.edx = 0xffffffff;
	assert_false(vmx_complete(&vcpu, &out));
	assert_int_equal(vcpu.gpr[GPR_RAX], 1); /* upper halves are cleared */
	assert_int_equal(vcpu.gpr[GPR_RBX], 2);
	assert_int_equal(vcpu.gpr[GPR_RCX], 3);
	assert_int_equal(vcpu.gpr[GPR_RDX], 0xffffffff);
	has_retired(3);
	assert_int_equal(*field(VMCS_GUEST_INTERRUPTIBILITY), BLOCKED_BY_NMI);
}

static void msrs_are_two_halves(void **state)
{
	(void)state;
	CODE_IS(0x0f, 0x30);
	vcpu.gpr[GPR_RCX] = 0xffffffffc0000080;
	vcpu.gpr[GPR_RAX] = 0xffffffff11111111;
	vcpu.gpr[GPR_RDX] = 0x22222222;
	exits(REASON_WRMSR, 0);
	assert_true(out.msr.write);
	assert_int_equal(out.msr.index, 0xc0000080);
	assert_int_equal(out.msr.value, 0x2222222211111111);
	exits(REASON_RDMSR, 0);
	assert_false(out.msr.write);
	out.msr.value = 0x123456789abcdef0;
	vmx_complete(&vcpu, &out);
	assert_int_equal(vcpu.gpr[GPR_RAX], 0x9abcdef0);
	assert_int_equal(vcpu.gpr[GPR_RDX], 0x12345678);
	has_retired(2);
}

static void a_hypercall_is_the_kernels(void **state)
{
	(void)state;
	CODE_IS(0x0f, 0x01, 0xc1);
	vcpu.gpr[GPR_RAX] = 5;
	vcpu.gpr[GPR_RBX] = 6;
	vcpu.gpr[GPR_RSI] = 7;
	exits(REASON_VMCALL, 0);
	assert_int_equal(out.hypercall.number, 5);
	assert_int_equal(out.hypercall.arg[0], 6);
	assert_int_equal(out.hypercall.arg[3], 7);
	out.hypercall.result = ~0ULL;
	vmx_complete(&vcpu, &out);
	assert_int_equal(vcpu.gpr[GPR_RAX], ~0ULL);
	has_retired(3);
	CODE_IS(0x0f, 0x01, 0xc1);
	*field(SS_RIGHTS) |= 3 << 5;
	exits(REASON_VMCALL, 0);
	has_fault(X86_GP, true, 0);
}

static void hlt_is_over_when_it_is_complete(void **state)
{
	(void)state;
	CODE_IS(0xf4);
	*field(VMCS_GUEST_INTERRUPTIBILITY) = BLOCKED_BY_STI;
	exits(REASON_HLT, 0);
	assert_false(vmx_complete(&vcpu, &out));
	has_retired(1);
	assert_true(vmx_ops.can_inject(&vcpu)); /* STI; HLT */
}

static void xsetbv_is_checked(void **state)
{
	static const u64 bad[] = { 0, 2, 4 | 1, 1ULL << 63 | 1, 8 | 1 };

	(void)state;
	CODE_IS(0x0f, 0x01, 0xd1);
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		vcpu.gpr[GPR_RAX] = (u32)bad[i];
		vcpu.gpr[GPR_RDX] = bad[i] >> 32;
		exits(REASON_XSETBV, 0);
		has_fault(X86_GP, true, 0);
	}
	vcpu.gpr[GPR_RAX] = 3;
	vcpu.gpr[GPR_RDX] = 0;
	vcpu.gpr[GPR_RCX] = 1; /* there is no XCR1 */
	exits(REASON_XSETBV, 0);
	has_fault(X86_GP, true, 0);
	vcpu.gpr[GPR_RCX] = 0;
	exits(REASON_XSETBV, 0);
	has_retired(3);
	assert_int_equal(xcr0, 3);
	assert_int_equal(vcpu.xcr0, 3);
}

static void outside_64_bit_mode_ip_has_32_bits(void **state)
{
	(void)state;
	*field(CS_RIGHTS) = 0xc09b;
	*field(VMCS_GUEST_RIP) = 0xffffffff;
	*field(VMCS_INSTRUCTION_LENGTH) = 2;
	exits(REASON_HLT, 0);
	vmx_complete(&vcpu, &out);
	assert_int_equal(*field(VMCS_GUEST_RIP), 1);
}

/* ---- control registers ---- */

#define TO_CR(number, gpr) ((u64)(number) | (u64)(gpr) << 8)

static void writes_cr0(u64 value)
{
	CODE_IS(0x0f, 0x22, 0xc0);
	vcpu.gpr[GPR_RBX] = value;
	exits(REASON_CR_ACCESS, TO_CR(0, GPR_RBX));
}

static void cr0_refuses(u64 value)
{
	u64 old = vmx_get_cr0();

	writes_cr0(value);
	has_fault(X86_GP, true, 0);
	assert_int_equal(vmx_get_cr0(), old);
}

static void cd_and_nw_are_seen_but_do_not_reach_the_processor(void **state)
{
	const u64 value = CR0_PE | CR0_PG | CR0_WP | CR0_ET;

	(void)state;
	writes_cr0(value | CR0_CD | CR0_NW);
	has_retired(3);
	assert_int_equal(vmx_get_cr0(), value | CR0_CD | CR0_NW);
	assert_int_equal(*field(VMCS_CR0_SHADOW), value | CR0_CD | CR0_NW);
	assert_int_equal(*field(VMCS_GUEST_CR0), value | CR0_NE);
	*field(VMCS_GUEST_CR0) |= CR0_TS; /* its own bits change without us */
	assert_int_equal(vmx_get_cr0(), value | CR0_CD | CR0_NW | CR0_TS);
	assert_int_equal(*field(VMCS_CR0_MASK), ~CR0_GUEST_OWNED);
}

static void cr0_values_that_fault(void **state)
{
	(void)state;
	cr0_refuses(BIT(32) | CR0_PE | CR0_PG);
	cr0_refuses(CR0_PG | CR0_CD);
	cr0_refuses(CR0_PE | CR0_PG | CR0_NW);
	cr0_refuses(CR0_PE | CR0_CD); /* paging off in 64-bit mode */
	assert_int_equal(*field(VMCS_GUEST_EFER), EFER_LME | EFER_LMA);
}

static void paging_leads_into_long_mode_and_out(void **state)
{
	(void)state;
	*field(CS_RIGHTS) = 0xc09b;
	writes_cr0(CR0_PE | CR0_CD);
	has_retired(3);
	assert_int_equal(*field(VMCS_GUEST_EFER), EFER_LME);
	assert_false(*field(VMCS_ENTRY_CONTROLS) & ENTRY_LONG_MODE);
	*field(VMCS_GUEST_CR4) &= ~CR4_PAE;
	cr0_refuses(CR0_PE | CR0_PG | CR0_CD); /* long mode wants PAE */
	*field(VMCS_GUEST_CR4) |= CR4_PAE;
	*field(CS_RIGHTS) = 0xa09b; /* nor begins it in a 64-bit segment */
	cr0_refuses(CR0_PE | CR0_PG | CR0_CD);
	*field(CS_RIGHTS) = 0xc09b;
	vcpu.flush_linear = false;
	writes_cr0(CR0_PE | CR0_PG | CR0_CD);
	has_retired(3);
	assert_int_equal(*field(VMCS_GUEST_EFER), EFER_LME | EFER_LMA);
	assert_true(*field(VMCS_ENTRY_CONTROLS) & ENTRY_LONG_MODE);
	assert_true(vcpu.flush_linear);
}

static void pae_paging_loads_four_entries(void **state)
{
	(void)state;
	*field(CS_RIGHTS) = 0xc09b;
	*field(VMCS_GUEST_EFER) = 0;
	*field(VMCS_GUEST_CR3) = 0xffffffff00003020 | 0x18;
	writes_cr0(CR0_PE | CR0_CD);
	for (u64 i = 0; i < 4; i++)
		put64(0x3020 + i * 8, (i << 12) + 0x5000 + 1);
	put64(0x3028, 0x1e6); /* not present: anything goes */
	writes_cr0(CR0_PE | CR0_PG | CR0_CD);
	has_retired(3);
	assert_int_equal(*field(VMCS_GUEST_PDPTE), 0x5001);
	assert_int_equal(*field(VMCS_GUEST_PDPTE + 2), 0x1e6);
	assert_int_equal(*field(VMCS_GUEST_PDPTE + 6), 0x8001);
	assert_false(*field(VMCS_ENTRY_CONTROLS) & ENTRY_LONG_MODE);
	writes_cr0(CR0_PE | CR0_CD);
	for (u32 bit = 1; bit < 64; bit++) {
		put64(0x3038, BIT(bit) | 1);
		if (BIT(bit) & 0x1e6 || bit >= 52)
			cr0_refuses(CR0_PE | CR0_PG | CR0_CD);
	}
	*field(VMCS_GUEST_CR3) = RAM_SIZE;
	cr0_refuses(CR0_PE | CR0_PG | CR0_CD);
	*field(VMCS_GUEST_CR4) = 0; /* 32-bit paging has no such entries */
	writes_cr0(CR0_PE | CR0_PG | CR0_CD);
	has_retired(3);
}

static void what_exits_of_cr4_is_forbidden(void **state)
{
	(void)state;
	CODE_IS(0x0f, 0x22, 0xe0);
	vcpu.gpr[GPR_RAX] = CR4_PAE | CR4_VMXE;
	exits(REASON_CR_ACCESS, TO_CR(4, GPR_RAX));
	has_fault(X86_GP, true, 0);
	assert_int_equal(*field(VMCS_CR4_MASK), ~CR4_GUEST_ALLOWED);
	assert_true(*field(VMCS_CR4_MASK) & CR4_VMXE);
	assert_int_equal(*field(VMCS_GUEST_CR4),
			 CR4_PAE | CR4_VMXE); /* ours, it reads the shadow */
	assert_int_equal(*field(VMCS_CR4_SHADOW), CR4_PAE);
}

static void cr8_has_four_bits(void **state)
{
	(void)state;
	CODE_IS(0x44, 0x0f, 0x22, 0xc0);
	vcpu.gpr[GPR_RSP] = 0; /* from the VMCS: */
	*field(VMCS_GUEST_RSP) = 0xe;
	exits(REASON_CR_ACCESS, TO_CR(8, GPR_RSP));
	has_retired(4);
	assert_int_equal(*vcpu.tpr, 0xe0);
	CODE_IS(0x44, 0x0f, 0x22, 0xc0);
	*field(VMCS_GUEST_RSP) = 0x10;
	exits(REASON_CR_ACCESS, TO_CR(8, GPR_RSP));
	has_fault(X86_GP, true, 0);
	assert_int_equal(*vcpu.tpr, 0xe0);
}

static void efer_keeps_the_rules_of_long_mode(void **state)
{
	u64 value;

	(void)state;
	assert_int_equal(vmx_ops.read_msr(&vcpu, MSR_EFER, &value), OK);
	assert_int_equal(value, EFER_LME | EFER_LMA);
	assert_int_equal(vmx_ops.write_msr(&vcpu, MSR_EFER, EFER_LME | EFER_SVME), ERR_DENIED);
	assert_int_equal(vmx_ops.write_msr(&vcpu, MSR_EFER, EFER_NXE), ERR_DENIED);
	vcpu.flush_linear = false;
	assert_int_equal(vmx_ops.write_msr(&vcpu, MSR_EFER, EFER_LME | EFER_SCE), OK);
	assert_false(vcpu.flush_linear);
	assert_int_equal(vmx_ops.write_msr(&vcpu, MSR_EFER, EFER_LME | EFER_NXE), OK);
	assert_true(vcpu.flush_linear);
	assert_int_equal(*field(VMCS_GUEST_EFER), EFER_LME | EFER_LMA | EFER_NXE);
	*field(VMCS_GUEST_CR0) &= ~CR0_PG;
	*field(VMCS_GUEST_EFER) = 0;
	assert_int_equal(vmx_ops.write_msr(&vcpu, MSR_EFER, EFER_LMA), OK);
	assert_int_equal(*field(VMCS_GUEST_EFER), 0); /* LMA is the processor's */
}

static void the_pat_takes_six_types(void **state)
{
	u64 value;

	(void)state;
	assert_int_equal(vmx_ops.write_msr(&vcpu, MSR_PAT, 0x0706050401000706), OK);
	assert_int_equal(vmx_ops.write_msr(&vcpu, MSR_PAT, 0x0200000000000000), ERR_DENIED);
	assert_int_equal(vmx_ops.write_msr(&vcpu, MSR_PAT, 0x03), ERR_DENIED);
	assert_int_equal(vmx_ops.write_msr(&vcpu, MSR_PAT, 0x08), ERR_DENIED);
	assert_int_equal(*field(VMCS_GUEST_PAT), 0x0706050401000706);
	assert_int_equal(vmx_ops.write_msr(&vcpu, 0x12345, 0), ERR_NOT_FOUND);
	assert_int_equal(vmx_ops.read_msr(&vcpu, 0x12345, &value), ERR_NOT_FOUND);
	*field(VMCS_GUEST_BASE + 2 * VMCS_GS) = 0x1234;
	assert_int_equal(vmx_ops.read_msr(&vcpu, MSR_GS_BASE, &value), OK);
	assert_int_equal(value, 0x1234);
}

/* ---- device memory ---- */

#define ON_DATA (EPT_VIOLATION_LINEAR | EPT_VIOLATION_FINAL)

static void violates_in(u64 gpa, u64 qualification, u64 vectoring)
{
	*field(VMCS_GUEST_PHYSICAL) = gpa;
	length_is_poison = true; /* SDM vol. 3, 28.2.5: undefined for most of these exits */
	exits_in(REASON_EPT_VIOLATION, qualification, vectoring);
}

static void violates(u64 gpa)
{
	violates_in(gpa, ON_DATA, 0);
}

static void a_device_is_read_into_a_register(void **state)
{
	(void)state;
	CODE_IS(0x8b, 0x03); /* MOV EAX, [RBX] */
	vcpu.gpr[GPR_RAX] = ~0ULL;
	vcpu.gpr[GPR_RBX] = DEVICE;
	*field(VMCS_GUEST_INTERRUPTIBILITY) = BLOCKED_BY_MOV_SS;
	violates(DEVICE);
	assert_int_equal(out.kind, VM_EXIT_MMIO);
	assert_int_equal(out.mmio.address, DEVICE);
	assert_int_equal(out.mmio.size, 4);
	assert_false(out.mmio.write);
	has_retired(0);
	out.mmio.value = 0x12345678;
	assert_false(vmx_complete(&vcpu, &out));
	assert_int_equal(vcpu.gpr[GPR_RAX], 0x12345678);
	has_retired(2);
	assert_int_equal(*field(VMCS_GUEST_INTERRUPTIBILITY), 0);
}

static void a_move_into_the_stack_pointer_reaches_it(void **state)
{
	(void)state;
	CODE_IS(0x48, 0x8b, 0x23); /* MOV RSP, [RBX] */
	vcpu.gpr[GPR_RBX] = DEVICE;
	violates(DEVICE);
	out.mmio.value = 0x7654;
	vmx_complete(&vcpu, &out);
	assert_int_equal(*field(VMCS_GUEST_RSP), 0x7654);
	has_retired(3);
}

static void reading_and_writing_are_two_accesses(void **state)
{
	(void)state;
	CODE_IS(0x09, 0x03); /* OR [RBX], EAX */
	vcpu.gpr[GPR_RAX] = 0x0f;
	vcpu.gpr[GPR_RBX] = DEVICE;
	violates(DEVICE);
	assert_false(out.mmio.write);
	out.mmio.value = 0x80000030;
	assert_true(vmx_complete(&vcpu, &out));
	assert_true(out.mmio.write);
	assert_int_equal(out.mmio.value, 0x8000003f);
	assert_false(vmx_complete(&vcpu, &out));
	has_retired(2);
	assert_true(*field(VMCS_GUEST_RFLAGS) & BIT(7)); /* SF */
}

static void a_fault_on_the_other_operand_goes_to_the_guest(void **state)
{
	(void)state;
	CODE_IS(0x48, 0xa5); /* MOVSQ, its source in no table */
	vcpu.gpr[GPR_RSI] = MISSING;
	vcpu.gpr[GPR_RDI] = DEVICE;
	*field(SS_RIGHTS) |= 3 << 5;
	violates(DEVICE);
	has_fault(X86_PF, true, 4);
	assert_int_equal(cr2, MISSING);
}

static void ends_the_vm(u64 qualification, u64 vectoring, const char *why)
{
	violates_in(MIB(8), qualification, vectoring);
	assert_int_equal(out.kind, VM_EXIT_STOP);
	if (why)
		assert_string_equal(out.stop.reason, why);
}

static void what_cannot_be_carried_out_ends_the_vm(void **state)
{
	const char *tables = "page tables outside its memory";
	const char *delivery = "stack or tables of an interrupt outside its memory";

	(void)state;
	CODE_IS(0x8b, 0x03);
	vcpu.gpr[GPR_RBX] = MIB(8);
	ends_the_vm(ON_DATA | EPT_VIOLATION_FETCH, 0, "executes outside its memory");
	assert_int_equal(out.stop.detail, MIB(8));
	ends_the_vm(EPT_VIOLATION_LINEAR, 0, tables);
	ends_the_vm(0, 0, tables);
	ends_the_vm(ON_DATA, EVENT_VALID | EVENT_INTERRUPT << 8 | 0x40, delivery);
	ends_the_vm(ON_DATA, EVENT_VALID | EVENT_EXCEPTION << 8 | X86_UD, delivery);
	CODE_IS(0xcd, 0x80); /* INT 80h: there is nothing to carry out */
	ends_the_vm(ON_DATA, EVENT_VALID | EVENT_SOFTWARE << 8 | 0x80, NULL);
}

/* ---- ports ---- */

#define PORT(port, size, more) ((u64)(port) << 16 | ((size)-1) | (more))
#define INFO(address, segment) ((u64)(address) << 7 | (u64)(segment) << 15)

static void a_byte_leaves_the_rest_of_the_register(void **state)
{
	(void)state;
	CODE_IS(0xec);
	vcpu.gpr[GPR_RAX] = 0x1111222233334444;
	exits(REASON_IO, PORT(0x3f8, 1, IO_IN));
	assert_int_equal(out.pio.address, 0x3f8);
	assert_int_equal(out.pio.size, 1);
	assert_false(out.pio.write);
	out.pio.value = 0x55;
	assert_false(vmx_complete(&vcpu, &out));
	assert_int_equal(vcpu.gpr[GPR_RAX], 0x1111222233334455);
	has_retired(1);
	CODE_IS(0x66, 0xef);
	exits(REASON_IO, PORT(0x80, 2, 0));
	assert_true(out.pio.write);
	assert_int_equal(out.pio.value, 0x4455);
	assert_false(vmx_complete(&vcpu, &out));
	has_retired(2);
}

static void a_string_from_a_port_goes_to_memory(void **state)
{
	const u64 ins = PORT(0x60, 2, IO_IN | IO_STRING | IO_REP);

	(void)state;
	CODE_IS(0xf3, 0x66, 0x6d);
	*field(VMCS_INSTRUCTION_INFO) = INFO(2, 0);
	vcpu.gpr[GPR_RDI] = DATA;
	vcpu.gpr[GPR_RCX] = 2;
	put64(DATA, ~0ULL);
	exits(REASON_IO, ins);
	assert_int_equal(out.kind, VM_EXIT_PIO);
	out.pio.value = 0x1234;
	vmx_complete(&vcpu, &out);
	assert_int_equal(get64(DATA), 0xffffffffffff1234);
	assert_int_equal(vcpu.gpr[GPR_RDI], DATA + 2);
	assert_int_equal(vcpu.gpr[GPR_RCX], 1);
	has_retired(0);
	*field(VMCS_GUEST_RFLAGS) |= BIT(10); /* downwards */
	exits(REASON_IO, ins);
	vmx_complete(&vcpu, &out);
	assert_int_equal(vcpu.gpr[GPR_RDI], DATA);
	has_retired(3);
	CODE_IS(0xf3, 0x66, 0x6d);
	vcpu.gpr[GPR_RCX] = 0;
	exits(REASON_IO, ins);
	assert_int_equal(out.kind, VM_EXIT_INTERRUPT);
	has_retired(3);
}

static void the_information_says_address_size_and_segment(void **state)
{
	(void)state;
	CODE_IS(0x64, 0x67, 0x6f); /* OUTSD from FS:[ESI] */
	*field(VMCS_INSTRUCTION_INFO) = INFO(1, X86_FS);
	*field(VMCS_GUEST_BASE + 2 * VMCS_FS) = DATA;
	vcpu.gpr[GPR_RSI] = 0x700000010;
	put64(DATA + 0x10, 0xdeadbeef);
	exits(REASON_IO, PORT(0x60, 4, IO_STRING));
	assert_int_equal(out.pio.value, 0xdeadbeef);
	vmx_complete(&vcpu, &out);
	assert_int_equal(vcpu.gpr[GPR_RSI], 0x14);
	has_retired(3);
	CODE_IS(0x6f); /* without it: what the mode has */
	vmx_features.io_info = false;
	vcpu.gpr[GPR_RSI] = DATA + 0x10;
	*field(VMCS_INSTRUCTION_INFO) = INFO(0, X86_FS);
	exits(REASON_IO, PORT(0x60, 4, IO_STRING));
	assert_int_equal(out.pio.value, 0xdeadbeef);
	vmx_complete(&vcpu, &out);
	assert_int_equal(vcpu.gpr[GPR_RSI], DATA + 0x14);
}

static void a_string_faults_before_the_port_is_touched(void **state)
{
	(void)state;
	CODE_IS(0x6d);
	*field(VMCS_INSTRUCTION_INFO) = INFO(2, 0);
	vcpu.gpr[GPR_RDI] = MISSING;
	exits(REASON_IO, PORT(0x60, 4, IO_IN | IO_STRING));
	has_fault(X86_PF, true, 2);
	assert_int_equal(cr2, MISSING);
}

/* ---- events ---- */

static void an_event_that_was_cut_short_is_delivered_again(void **state)
{
	const u64 irq = EVENT_INTERRUPT << 8 | 0x41;
	const u64 pf = EVENT_EXCEPTION << 8 | EVENT_CODE_VALID | X86_PF;

	(void)state;
	exits_in(REASON_INTERRUPT, 0, EVENT_VALID | irq);
	has_event(irq);
	assert_false(vmx_ops.can_inject(&vcpu));
	*field(VMCS_IDT_VECTORING_CODE) = 6;
	exits_in(REASON_INTERRUPT, 0, EVENT_VALID | EVENT_NMI_UNBLOCK | pf); /* bit 12: undefined */
	has_event(pf);
	assert_int_equal(*field(VMCS_ENTRY_EVENT_CODE), 6);
	for (u64 type = EVENT_SOFTWARE; type < 7; type++) { /* INT n, INT1, INT3 come again */
		exits_in(REASON_INTERRUPT, 0, EVENT_VALID | type << 8 | 0x80);
		has_no_event();
	}
	exits_in(REASON_INTERRUPT, 0, irq); /* not valid */
	has_no_event();
}

static void an_nmi_that_was_cut_short_is_not_blocked_by_itself(void **state)
{
	const u64 nmi = EVENT_NMI << 8 | 2;

	(void)state;
	*field(VMCS_GUEST_INTERRUPTIBILITY) = BLOCKED_BY_NMI;
	exits_in(REASON_INTERRUPT, 0, EVENT_VALID | nmi);
	has_event(nmi);
	assert_int_equal(*field(VMCS_GUEST_INTERRUPTIBILITY), 0); /* SDM vol. 3, 27.3.1.5 */
}

static void a_fault_in_iret_blocks_nmis_again(void **state)
{
	(void)state;
	CODE_IS(0x8b, 0x03);
	vcpu.gpr[GPR_RBX] = DEVICE;
	violates_in(DEVICE, ON_DATA | EPT_VIOLATION_NMI_UNBLOCK, 0);
	assert_true(*field(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKED_BY_NMI);
	*field(VMCS_GUEST_INTERRUPTIBILITY) = 0;
	*field(VMCS_EXIT_EVENT) = EVENT_VALID | EVENT_NMI_UNBLOCK | EVENT_EXCEPTION << 8 | 17;
	exits(REASON_EXCEPTION, 0);
	assert_true(*field(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKED_BY_NMI);
	*field(VMCS_GUEST_INTERRUPTIBILITY) =
		0; /* the bit says nothing while an event is on its way */
	violates_in(DEVICE, ON_DATA | EPT_VIOLATION_NMI_UNBLOCK, EVENT_VALID | 0x40);
	assert_false(*field(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKED_BY_NMI);
}

static void an_interrupt_needs_if_and_no_shadow(void **state)
{
	(void)state;
	assert_true(vmx_ops.can_inject(&vcpu));
	*field(VMCS_GUEST_INTERRUPTIBILITY) = BLOCKED_BY_STI;
	assert_false(vmx_ops.can_inject(&vcpu));
	*field(VMCS_GUEST_INTERRUPTIBILITY) = BLOCKED_BY_MOV_SS;
	assert_false(vmx_ops.can_inject(&vcpu));
	*field(VMCS_GUEST_INTERRUPTIBILITY) = BLOCKED_BY_NMI;
	assert_true(vmx_ops.can_inject(&vcpu));
	*field(VMCS_GUEST_RFLAGS) &= ~RFLAGS_IF;
	assert_false(vmx_ops.can_inject(&vcpu));
	*field(VMCS_GUEST_RFLAGS) |= RFLAGS_IF;
	vmx_ops.inject_interrupt(&vcpu, 0x55);
	has_event(EVENT_INTERRUPT << 8 | 0x55);
	assert_false(vmx_ops.can_inject(&vcpu));
}

static void the_window_is_told_once(void **state)
{
	(void)state;
	assert_false(vmx_ops.offer_interrupt(&vcpu, 0x55));
	assert_true(*field(VMCS_PRIMARY_CONTROLS) & PRIMARY_IRQ_WINDOW);
	exits(REASON_IRQ_WINDOW, 0);
	assert_int_equal(out.kind, VM_EXIT_IRQ_WINDOW);
	assert_int_equal(*field(VMCS_PRIMARY_CONTROLS), vmx_features.primary);
}

static void an_nmi_waits_for_its_window(void **state)
{
	(void)state;
	assert_true(vmx_ops.inject_nmi(&vcpu));
	has_event(EVENT_NMI << 8 | 2);
	assert_int_equal(*field(VMCS_PRIMARY_CONTROLS), vmx_features.primary);
	assert_false(vmx_ops.inject_nmi(&vcpu)); /* one is on its way */
	assert_true(*field(VMCS_PRIMARY_CONTROLS) & PRIMARY_NMI_WINDOW);
	exits(REASON_NMI_WINDOW, 0);
	assert_int_equal(*field(VMCS_PRIMARY_CONTROLS), vmx_features.primary);
	*field(VMCS_GUEST_INTERRUPTIBILITY) = BLOCKED_BY_NMI;
	assert_false(vmx_ops.inject_nmi(&vcpu));
	assert_true(*field(VMCS_PRIMARY_CONTROLS) & PRIMARY_NMI_WINDOW);
	*field(VMCS_GUEST_INTERRUPTIBILITY) = 0;
	assert_true(vmx_ops.inject_nmi(&vcpu));
}

/* Its own window opens at once in the shadow of STI, where no NMI may be injected. */
static void an_nmi_in_the_shadow_of_sti_waits_for_the_interrupt_window(void **state)
{
	(void)state;
	*field(VMCS_GUEST_INTERRUPTIBILITY) = BLOCKED_BY_STI;
	assert_false(vmx_ops.inject_nmi(&vcpu));
	assert_true(*field(VMCS_PRIMARY_CONTROLS) & PRIMARY_IRQ_WINDOW);
	assert_false(*field(VMCS_PRIMARY_CONTROLS) & PRIMARY_NMI_WINDOW);
}

static void the_hosts_nmi_is_taken_here(void **state)
{
	(void)state;
	*field(VMCS_EXIT_EVENT) = EVENT_VALID | EVENT_NMI << 8 | 2;
	exits(REASON_EXCEPTION, 0);
	assert_int_equal(nmis_taken, 1);
	assert_int_equal(out.kind, VM_EXIT_INTERRUPT);
	has_no_event();
}

static void intercepted_exceptions_go_back(void **state)
{
	(void)state;
	CODE_IS(0x90);
	*field(VMCS_GUEST_DR7) = 0x2402; /* GD */
	*field(VMCS_EXIT_EVENT) = EVENT_VALID | EVENT_EXCEPTION << 8 | X86_DB;
	dr6 = 0xffff0ff0;
	exits(REASON_EXCEPTION, BIT(13) | BIT(1) | BIT(20));
	has_fault(X86_DB, false, 0);
	assert_int_equal(dr6, 0xffff2ff2);
	assert_int_equal(*field(VMCS_GUEST_DR7), 0x402);
	*field(VMCS_EXIT_EVENT) = EVENT_VALID | EVENT_EXCEPTION << 8 | EVENT_CODE_VALID | 17;
	exits(REASON_EXCEPTION, 0);
	has_fault(17, true, 0);
}

static void an_exception_ends_the_shadow_of_sti_and_mov_ss(void **state)
{
	(void)state;
	/* Else TF = 1 would want a pending single step, and entry fails (SDM vol. 3, 27.3.1.5). */
	*field(VMCS_GUEST_INTERRUPTIBILITY) = BLOCKED_BY_STI | BLOCKED_BY_NMI;
	*field(VMCS_EXIT_EVENT) = EVENT_VALID | EVENT_EXCEPTION << 8 | X86_DB;
	exits(REASON_EXCEPTION, BIT(14));
	assert_int_equal(*field(VMCS_GUEST_INTERRUPTIBILITY), BLOCKED_BY_NMI);
}

static void real_mode_has_no_error_codes(void **state)
{
	(void)state;
	*field(VMCS_GUEST_CR0) = CR0_NE | CR0_ET;
	vmx_ops.inject_exception(&vcpu, X86_GP, true, 0);
	has_event(EVENT_EXCEPTION << 8 | X86_GP);
	*field(VMCS_GUEST_CR0) |= CR0_PE;
	vmx_ops.inject_exception(&vcpu, X86_GP, true, 0x18);
	has_event(EVENT_EXCEPTION << 8 | EVENT_CODE_VALID | X86_GP);
	assert_int_equal(*field(VMCS_ENTRY_EVENT_CODE), 0x18);
}

/* ---- the virtual APIC ---- */

#define X2APIC_CONTROLS (SECONDARY_X2APIC | SECONDARY_DELIVERY | SECONDARY_APIC_REGISTER)

static bool exits_on(hpa_t map, u32 index, bool write)
{
	const u8 *bytes = host_frame_ptr(map);
	u32 byte = (index & 0x1fff) / 8 + (index >> 31 ? 1024 : 0) + (write ? 2048 : 0);

	return bytes[byte] >> index % 8 & 1;
}

static void the_processor_delivers_in_x2apic_mode_alone(void **state)
{
	static const u64 levels[4] = { 0, 1, 2, 3 };

	(void)state;
	*field(VMCS_EOI_EXITS + 4) = ~0ULL;
	assert_false(vmx_ops.offer_interrupt(&vcpu, 0x55));
	vmx_ops.apic_mode(&vcpu, true, 0x51);
	assert_true(vcpu.apic_delivers);
	assert_int_equal(*field(VMCS_SECONDARY_CONTROLS), vmx_features.secondary | X2APIC_CONTROLS);
	assert_int_equal(*field(VMCS_PRIMARY_CONTROLS), vmx_features.primary & ~PRIMARY_CR8_LOAD);
	assert_int_equal(*field(VMCS_MSR_BITMAP), vmx_msr_bitmap_x2apic.raw);
	assert_int_equal(*field(VMCS_EOI_EXITS + 4), 0);
	assert_int_equal(*field(VMCS_GUEST_INTERRUPT_STATUS), 0x5100);
	vmx_ops.apic_request(&vcpu, 0x62);
	assert_int_equal(*field(VMCS_GUEST_INTERRUPT_STATUS), 0x5162);
	vmx_ops.apic_request(&vcpu, 0);
	assert_int_equal(*field(VMCS_GUEST_INTERRUPT_STATUS), 0x5100);
	vmx_ops.apic_eoi_exits(&vcpu, levels);
	assert_int_equal(*field(VMCS_EOI_EXITS + 6), 3);
	vmx_ops.apic_mode(&vcpu, false, 0);
	assert_false(vcpu.apic_delivers);
	assert_int_equal(*field(VMCS_SECONDARY_CONTROLS), vmx_features.secondary);
	assert_int_equal(*field(VMCS_PRIMARY_CONTROLS), vmx_features.primary);
	assert_int_equal(*field(VMCS_MSR_BITMAP), vmx_msr_bitmap.raw);
}

static void a_processor_without_delivery_keeps_its_controls(void **state)
{
	(void)state;
	allowed_secondary &= ~SECONDARY_DELIVERY;
	assert_null(vmx_missing());
	vmx_ops.apic_mode(&vcpu, true, 0);
	assert_false(vcpu.apic_delivers);
	assert_int_equal(*field(VMCS_MSR_BITMAP), vmx_msr_bitmap.raw);
}

static void init_in_x2apic_mode_starts_anew(void **state)
{
	(void)state;
	vmx_ops.apic_mode(&vcpu, true, 0x51);
	vcpu.apic_page[0x200] = 1;
	vmx_ops.vcpu_reset(&vcpu);
	assert_false(vcpu.apic_delivers);
	assert_int_equal(*field(VMCS_SECONDARY_CONTROLS), vmx_features.secondary);
	assert_int_equal(*field(VMCS_MSR_BITMAP), vmx_msr_bitmap.raw);
	assert_int_equal(vcpu.apic_page[0x200], 0);
	vmx_ops.apic_mode(&vcpu, true, 0);
	assert_int_equal(*field(VMCS_GUEST_INTERRUPT_STATUS), 0);
}

static void which_msrs_exit(void **state)
{
	u32 let_through = 0;

	(void)state;
	for (u32 write = 0; write < 2; write++)
		for (u32 i = 0; i < 0x2000; i++)
			let_through += !exits_on(vmx_msr_bitmap, i, write) +
				       !exits_on(vmx_msr_bitmap, 0xc0000000 + i, write);
	assert_int_equal(let_through, 2 * (5 + VMX_MSRS));
	assert_false(exits_on(vmx_msr_bitmap, MSR_GS_BASE, true));
	assert_false(exits_on(vmx_msr_bitmap, MSR_SYSENTER_CS, false));
	assert_true(exits_on(vmx_msr_bitmap, MSR_EFER, true));
	assert_true(exits_on(vmx_msr_bitmap, 0x80b, true));
	assert_false(exits_on(vmx_msr_bitmap_x2apic, 0x80b, true));
	assert_true(exits_on(vmx_msr_bitmap_x2apic, 0x80b, false)); /* EOI cannot be read */
	assert_false(exits_on(vmx_msr_bitmap_x2apic, 0x827, false));
	assert_true(exits_on(vmx_msr_bitmap_x2apic, 0x818, false)); /* TMR: not in the page */
	assert_true(exits_on(vmx_msr_bitmap_x2apic, 0x830, true));  /* ICR */
	for (u32 i = 0; i < 2 * PAGE_SIZE; i++)
		assert_int_equal(((u8 *)vmx_io_bitmaps.raw)[i], 0xff);
}

static void the_end_of_a_level_interrupt_is_told(void **state)
{
	(void)state;
	CODE_IS(0x0f, 0x30);
	exits(REASON_VIRTUAL_EOI, 0x31);
	assert_int_equal(out.kind, VM_EXIT_EOI);
	assert_int_equal(out.eoi.vector, 0x31);
	assert_false(vmx_complete(&vcpu, &out));
	has_retired(0); /* the processor has carried it out */
}

/* To itself, a vector below 16: RIP is past the WRMSR (SDM vol. 3, 30.5). */
static void an_illegal_self_ipi_goes_to_the_local_apic(void **state)
{
	(void)state;
	CODE_IS(0x0f, 0x30);
	length_is_poison = true;
	vcpu.apic_page[0x3f0 / 4] = 0xf;
	exits(REASON_APIC_WRITE, 0x3f0);
	assert_int_equal(out.kind, VM_EXIT_MSR);
	assert_true(out.msr.write);
	assert_int_equal(out.msr.index, 0x83f);
	assert_int_equal(out.msr.value, 0xf);
	assert_false(vmx_complete(&vcpu, &out));
	has_retired(0);
}

/* ---- state ---- */

static void state_comes_back_as_it_was_set(void **state)
{
	struct x86_state set = long_mode, got;

	(void)state;
	set.gpr[GPR_RSP] = 0x1234;
	set.gpr[GPR_R15] = 0x5678;
	set.rflags |= RFLAGS_FIXED;
	set.cr0 |= CR0_ET | CR0_CD;
	set.cr2 = 0x9abc;
	set.gdtr = (struct x86_segment){ .limit = 0x7f, .base = 0xdef0 };
	set.idtr = (struct x86_segment){ .limit = 0xfff, .base = 0xabcd0 };
	set.fs.base = 0; /* FS, GS and LDTR are unusable */
	set.tr = (struct x86_segment){ 0x40, 0x8b, 0x67, 0xffff800000001000 };
	memset(&got, 0xcc, sizeof(got));
	vmx_ops.set_state(&vcpu, &set);
	vmx_ops.get_state(&vcpu, &got);
	assert_memory_equal(&got, &set, sizeof(set));
	assert_int_equal(*field(CS_RIGHTS), 0xa09b);
	assert_true(*field(VMCS_GUEST_RIGHTS + 2 * VMCS_LDTR) & RIGHTS_UNUSABLE);
	assert_true(*field(VMCS_ENTRY_CONTROLS) & ENTRY_LONG_MODE);
	assert_int_equal(cr2, 0x9abc);
	vmx_ops.unload(&vcpu);
	cr2 = 0;
	vmx_ops.get_state(&vcpu, &got);
	assert_memory_equal(&got, &set, sizeof(set));
}

static void a_reset_vcpu_is_as_after_init(void **state)
{
	struct x86_state now;

	(void)state;
	vmx_ops.vcpu_reset(&vcpu);
	vmx_ops.get_state(&vcpu, &now);
	assert_int_equal(now.rip, 0xfff0);
	assert_int_equal(now.cs.selector, 0xf000);
	assert_int_equal(now.cs.base, 0xffff0000);
	assert_int_equal(now.rflags, 2);
	assert_int_equal(now.cr0, 0x60000010);
	assert_int_equal(now.cr4, 0);
	assert_int_equal(now.efer, 0);
	assert_int_equal(now.tr.attributes, 0x8b);
	assert_int_equal(*field(VMCS_ENTRY_CONTROLS), vmx_features.entry);
	assert_int_equal(*field(VMCS_GUEST_PAT), 0x0007040600070406);
	assert_int_equal(*field(VMCS_GUEST_DR7), 0x400);
	assert_int_equal(dr6, 0xffff0ff0);
	assert_int_equal(*field(VMCS_EPT_POINTER), 0x5000 | 6 | 3 << 3 | BIT(6));
	assert_int_equal(*field(VMCS_LINK_POINTER), ~0ULL);
	assert_int_equal(*field(VMCS_EXCEPTION_BITMAP), BIT(1) | BIT(17));
	vmx_ops.startup(&vcpu, 0x9a);
	vmx_ops.get_state(&vcpu, &now);
	assert_int_equal(now.cs.selector, 0x9a00);
	assert_int_equal(now.cs.base, 0x9a000);
	assert_int_equal(now.rip, 0);
}

static void a_vmcs_is_current_only_while_it_is_needed(void **state)
{
	struct x86_state now;
	struct vmx_vcpu *vmx = vmx_of(&vcpu);

	(void)state;
	vmx_ops.run(&vcpu, &out); /* VMLAUNCH */
	vmx_ops.run(&vcpu, &out); /* VMRESUME: vmx_enter() looks */
	vmx_ops.unload(&vcpu);
	assert_null(current[0]);
	assert_int_equal(vmcs_at(vmx->vmcs)->cpu, NOWHERE);
	vmx_ops.get_state(&vcpu, &now);
	assert_int_equal(now.rip, CODE);
	vmx_ops.set_state(&vcpu, &long_mode);
	vmx_ops.startup(&vcpu, 1);
	vmx_ops.vcpu_reset(&vcpu);
	assert_null(current[0]);
	assert_int_equal(vmcs_at(vmx->vmcs)->cpu, NOWHERE);
	this_cpu = 1; /* the next stay may be elsewhere */
	vmx_ops.load(&vcpu);
	vmx_ops.run(&vcpu, &out);
	vmx_ops.get_state(&vcpu, &now); /* while it is loaded, it stays so */
	assert_ptr_equal(current[1], vmcs_at(vmx->vmcs));
	vmx_ops.run(&vcpu, &out);
	vmx_ops.unload(&vcpu);
}

static void what_no_vmcs_holds_moves_with_the_vcpu(void **state)
{
	(void)state;
	vcpu.xcr0 = 3;
	wrmsr(MSR_LSTAR, 0x1111);
	cr2 = 0x2222;
	dr6 = 0x3333;
	drs[3] = 0x4444;
	vmx_ops.unload(&vcpu);
	wrmsr(MSR_LSTAR, 0);
	cr2 = dr6 = drs[3] = xcr0 = 0;
	vmx_ops.load(&vcpu);
	assert_int_equal(rdmsr(MSR_LSTAR), 0x1111);
	assert_int_equal(cr2, 0x2222);
	assert_int_equal(dr6, 0x3333);
	assert_int_equal(drs[3], 0x4444);
	assert_int_equal(xcr0, 3);
}

static void the_hosts_state_is_of_the_cpu_it_is_on(void **state)
{
	(void)state;
	gdt[SELECTOR_TSS / 8] = 0x12008b3456780067;
	gdt[SELECTOR_TSS / 8 + 1] = 0xffff8000;
	vmx_ops.unload(&vcpu);
	wrmsr(MSR_GS_BASE, 0x6666);
	this_cpu = 1;
	vmx_ops.load(&vcpu);
	assert_int_equal(*field(VMCS_HOST_TR_BASE), 0xffff800012345678);
	assert_int_equal(*field(VMCS_HOST_GS_BASE), 0x6666);
	assert_int_equal(*field(VMCS_HOST_RIP), (u64)vmx_exited);
	assert_int_equal(*field(VMCS_HOST_CR4), cr4);
}

static void too_few_frames_take_none(void **state)
{
	struct arch_vcpu other = { .space = &space };

	(void)state;
	for (u32 left = 0; left < 4; left++) {
		frames_left = left;
		assert_int_equal(vmx_ops.vcpu_create(&other), ERR_NO_MEMORY);
		assert_int_equal(frames_left, left);
	}
	frames_left = 4;
	vmx_ops.unload(&vcpu); /* a new VMCS is filled in: none else is loaded then */
	assert_int_equal(vmx_ops.vcpu_create(&other), OK);
	assert_int_equal(frames_left, 0);
}

/* ---- entry ---- */

static void enters_with(u32 count)
{
	invalidations = 0;
	memset(invalidated, 0, sizeof(invalidated));
	vmx_ops.run(&vcpu, &out);
	assert_int_equal(invalidations, count);
}

static void what_is_stale_is_invalidated(void **state)
{
	const u64 eptp = 0x5000 | 6 | 3 << 3 | BIT(6);

	(void)state;
	enters_with(2); /* what was there before us */
	assert_int_equal(*field(VMCS_VPID), 1);
	assert_int_equal(invalidated[0], INVALIDATE_SINGLE);
	assert_int_equal(invalidated[1], eptp);
	assert_int_equal(invalidated[2], INVALIDATE_ALL);
	enters_with(0);
	vcpu.flush_linear = true;
	enters_with(1);
	assert_int_equal(invalidated[2], INVALIDATE_SINGLE);
	assert_int_equal(invalidated[3], 1);
	assert_false(vcpu.flush_linear);
	(void)nested_space_changed(&space);
	enters_with(1);
	assert_int_equal(invalidated[0], INVALIDATE_SINGLE);
	assert_int_equal(invalidated[1], eptp);
	vmx_features.invept_type = INVALIDATE_ALL; /* the finest there is */
	(void)nested_space_changed(&space);
	enters_with(1);
	assert_int_equal(invalidated[0], INVALIDATE_ALL);
}

static void the_tsc_offset_and_the_stay_follow(void **state)
{
	(void)state;
	vcpu.tsc_offset = 0x123456;
	vmx_ops.run(&vcpu, &out);
	assert_int_equal(*field(VMCS_TSC_OFFSET), 0x123456);
	assert_int_equal(*field(VMCS_PREEMPTION_TIMER), 1000000); /* 10 ms */
	assert_true(*field(VMCS_PIN_CONTROLS) & PIN_PREEMPTION_TIMER);
	*field(VMCS_GUEST_RFLAGS) &= ~RFLAGS_IF;
	vmx_ops.run(&vcpu, &out);
	assert_int_equal(*field(VMCS_PREEMPTION_TIMER), 50000);
}

/* ---- what the processor must have ---- */

static void what_is_missing_is_named(void **state)
{
	(void)state;
	allowed_secondary &= ~SECONDARY_UNRESTRICTED;
	assert_string_equal(vmx_missing(), "unrestricted guest");
	allowed_secondary = ~SECONDARY_EPT;
	assert_string_equal(vmx_missing(), "EPT");
	allowed_secondary = 0xffffffff;
	ept_vpid &= ~BIT(14);
	assert_non_null(vmx_missing());
	ept_vpid = ~BIT(26); /* INVEPT of all contexts */
	assert_non_null(vmx_missing());
	ept_vpid = ~(BIT(21) | BIT(25));
	assert_null(vmx_missing());
	assert_int_equal(vmx_features.eptp_bits, 6 | 3 << 3);
	assert_int_equal(vmx_features.invept_type, INVALIDATE_ALL);
	assert_true(vmx_features.pin & BIT(1)); /* what must be, is */
}

static void pages_of_1_gib_are_used_where_ept_has_them(void **state)
{
	(void)state;
	assert_int_equal(vmx_ops.largest(), 3);
	ept_vpid &= ~BIT(17);
	assert_null(vmx_missing());
	assert_int_equal(vmx_ops.largest(), 2);
}

static void firmware_may_have_locked_vmx_out(void **state)
{
	(void)state;
	assert_int_equal(rdmsr(0x3a), 5); /* we have chosen, and locked */
	wrmsr(0x3a, 1);
	assert_int_equal(vmx_ops.cpu_enable(), ERR_UNSUPPORTED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_reason_is_sorted),
		TEST(state_that_cannot_run_ends_the_vm),
		TEST(cpuid_takes_and_gives_registers),
		TEST(msrs_are_two_halves),
		TEST(a_hypercall_is_the_kernels),
		TEST(hlt_is_over_when_it_is_complete),
		TEST(xsetbv_is_checked),
		TEST(outside_64_bit_mode_ip_has_32_bits),
		TEST(cd_and_nw_are_seen_but_do_not_reach_the_processor),
		TEST(cr0_values_that_fault),
		TEST(paging_leads_into_long_mode_and_out),
		TEST(pae_paging_loads_four_entries),
		TEST(what_exits_of_cr4_is_forbidden),
		TEST(cr8_has_four_bits),
		TEST(efer_keeps_the_rules_of_long_mode),
		TEST(the_pat_takes_six_types),
		TEST(a_device_is_read_into_a_register),
		TEST(a_move_into_the_stack_pointer_reaches_it),
		TEST(reading_and_writing_are_two_accesses),
		TEST(a_fault_on_the_other_operand_goes_to_the_guest),
		TEST(what_cannot_be_carried_out_ends_the_vm),
		TEST(a_byte_leaves_the_rest_of_the_register),
		TEST(a_string_from_a_port_goes_to_memory),
		TEST(the_information_says_address_size_and_segment),
		TEST(a_string_faults_before_the_port_is_touched),
		TEST(an_event_that_was_cut_short_is_delivered_again),
		TEST(an_nmi_that_was_cut_short_is_not_blocked_by_itself),
		TEST(a_fault_in_iret_blocks_nmis_again),
		TEST(an_interrupt_needs_if_and_no_shadow),
		TEST(the_window_is_told_once),
		TEST(an_nmi_waits_for_its_window),
		TEST(an_nmi_in_the_shadow_of_sti_waits_for_the_interrupt_window),
		TEST(the_hosts_nmi_is_taken_here),
		TEST(intercepted_exceptions_go_back),
		TEST(an_exception_ends_the_shadow_of_sti_and_mov_ss),
		TEST(real_mode_has_no_error_codes),
		TEST(the_processor_delivers_in_x2apic_mode_alone),
		TEST(a_processor_without_delivery_keeps_its_controls),
		TEST(init_in_x2apic_mode_starts_anew),
		TEST(which_msrs_exit),
		TEST(the_end_of_a_level_interrupt_is_told),
		TEST(an_illegal_self_ipi_goes_to_the_local_apic),
		TEST(state_comes_back_as_it_was_set),
		TEST(a_reset_vcpu_is_as_after_init),
		TEST(a_vmcs_is_current_only_while_it_is_needed),
		TEST(what_no_vmcs_holds_moves_with_the_vcpu),
		TEST(the_hosts_state_is_of_the_cpu_it_is_on),
		TEST(too_few_frames_take_none),
		TEST(what_is_stale_is_invalidated),
		TEST(the_tsc_offset_and_the_stay_follow),
		TEST(what_is_missing_is_named),
		TEST(pages_of_1_gib_are_used_where_ept_has_them),
		TEST(firmware_may_have_locked_vmx_out),
	};

	return cmocka_run_group_tests_name("vmx", tests, NULL, NULL);
}
