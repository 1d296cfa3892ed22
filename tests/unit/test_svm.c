// SPDX-License-Identifier: Apache-2.0
// SOURCES: arch/x86/tlb.c arch/x86/svm/svm.c arch/x86/svm/exit.c arch/x86/svm/emulate.c
// SOURCES: arch/x86/mmio.c arch/x86/pio.c
// SOURCES: arch/x86/registers.c
// SOURCES: arch/x86/walk.c arch/x86/insn.c arch/x86/emulate.c core/lib/string.c
/* Rules of the SVM back end: from a VMCB that has exited to the neutral exit and back. */
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
#include "arch/x86/svm/svm.h"

/* ---- what is around it ---- */

#define RAM_SIZE MIB(4)
#define CODE	 0x10000ULL
#define DATA	 0x20000ULL
#define DEVICE	 0xfee00020ULL
#define MISSING	 0x4000000000ULL /* in no table */

static u8 *ram;

hpa_t host_frames_alloc(u32 pages)
{
	void *memory = aligned_alloc(PAGE_SIZE, pages * PAGE_SIZE);

	memset(memory, 0, pages * PAGE_SIZE);
	return HPA((u64)memory);
}

hpa_t host_frame_alloc(void)
{
	return host_frames_alloc(1);
}

void *host_frame_ptr(hpa_t frame)
{
	return (void *)frame.raw;
}

void host_log(u32 level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
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
	assert_in_range(count, 0, 4);
	for (u32 i = 0; i < count; i++)
		if (memcmp(ram + words[i].hpa.raw, &words[i].value, 8) != 0)
			return false;
	return true;
}

void host_read_code(hpa_t hpa, u64 *code)
{
	assert_in_range(hpa.raw & PAGE_MASK, 0, PAGE_SIZE - 16);
	memcpy(code, ram + hpa.raw, 16);
}

void svm_enter(u64 vmcb_pa, u64 *gpr, u64 host_vmcb_pa)
{
	(void)vmcb_pa;
	(void)gpr;
	(void)host_vmcb_pa;
	abort();
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
	(void)v;
}

void fpu_save(struct arch_vcpu *v)
{
	(void)v;
}

u64 fpu_read_xcr0(void)
{
	return 3;
}

/* ---- a guest in 64-bit mode, its memory one to one ---- */

static struct arch_vcpu vcpu;
static struct vmcb *vmcb;
static struct vm_exit out;

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

static int start(void **state)
{
	static const struct x86_segment code = { 0x10, 0xa9b, 0xffffffff, 0 };
	static const struct x86_segment data = { 0x18, 0xc93, 0xffffffff, 0 };
	struct x86_state set = {
		.rip = CODE,
		.rflags = RFLAGS_IF,
		.cr0 = CR0_PE | CR0_PG | CR0_WP,
		.cr3 = 0x1000,
		.cr4 = CR4_PAE,
		.efer = EFER_LME | EFER_LMA,
		.cs = code,
		.ss = data,
		.ds = data,
		.es = data,
	};

	(void)state;
	ram = calloc(1, RAM_SIZE);
	memset(&vcpu, 0, sizeof(vcpu));
	assert_int_equal(svm_ops.vcpu_create(&vcpu), OK);
	vmcb = vmcb_of(&vcpu);
	svm_ops.set_state(&vcpu, &set);
	put64(0x1000, 0x2000 | 7);
	for (u64 i = 0; i < 4; i++)
		put64(0x2000 + i * 8, i << 30 | 0x87);
	svm_features.next_rip = false;
	return 0;
}

static int stop(void **state)
{
	(void)state;
	free(vcpu.vendor); /* the first of its frames */
	free(ram);
	return 0;
}

/* The instruction at RIP has brought this exit about. */
static void exits(u64 code, u64 info1, u64 info2)
{
	vmcb->exit_code = code;
	vmcb->exit_info1 = info1;
	vmcb->exit_info2 = info2;
	memset(&out, 0xcc, sizeof(out));
	svm_exit(&vcpu, &out);
}

#define CODE_IS(...) \
	do { \
		const u8 bytes_[] = { __VA_ARGS__ }; \
		memset(ram + CODE, 0x90, 32); \
		memcpy(ram + CODE, bytes_, sizeof(bytes_)); \
		vmcb->rip = CODE; \
	} while (0)

static void has_fault(u32 vector, bool has_code, u32 code)
{
	assert_int_equal(out.kind, VM_EXIT_INTERRUPT);
	assert_int_equal(vmcb->event_inj, SVM_EVENT_VALID | SVM_EVENT_EXCEPTION | vector |
						  (has_code ? SVM_EVENT_CODE_VALID : 0) |
						  (u64)code << 32);
	assert_int_equal(vmcb->rip, CODE);
}

/* ---- instructions that say what they want ---- */

static void cpuid_takes_and_gives_registers(void **state)
{
	(void)state;
	CODE_IS(0x0f, 0xa2);
	vcpu.gpr[GPR_RAX] = 0xffffffff00000004;
	vcpu.gpr[GPR_RCX] = 2;
	vmcb->interrupt_shadow = 1;
	exits(SVM_EXIT_CPUID, 0, 0);
	assert_int_equal(out.kind, VM_EXIT_CPUID);
	assert_int_equal(out.cpuid.leaf, 4);
	assert_int_equal(out.cpuid.subleaf, 2);
	out.cpuid.eax = 1;
	out.cpuid.ebx = 2;
	out.cpuid.ecx = 3;
	out.cpuid.edx = 0xffffffff;
	assert_false(svm_complete(&vcpu, &out));
	assert_int_equal(vcpu.gpr[GPR_RAX], 1); /* upper halves are cleared */
	assert_int_equal(vcpu.gpr[GPR_RBX], 2);
	assert_int_equal(vcpu.gpr[GPR_RCX], 3);
	assert_int_equal(vcpu.gpr[GPR_RDX], 0xffffffff);
	assert_int_equal(vmcb->rip, CODE + 2);
	assert_int_equal(vmcb->interrupt_shadow, 0);
}

static void the_processor_may_tell_the_length(void **state)
{
	(void)state;
	CODE_IS(0x66, 0x0f, 0xa2); /* not looked at */
	svm_features.next_rip = true;
	vmcb->next_rip = CODE + 3;
	exits(SVM_EXIT_CPUID, 0, 0);
	assert_false(svm_complete(&vcpu, &out));
	assert_int_equal(vmcb->rip, CODE + 3);
}

static void an_instruction_that_was_changed_meanwhile_runs_again(void **state)
{
	(void)state;
	CODE_IS(0x90);
	exits(SVM_EXIT_CPUID, 0, 0);
	assert_int_equal(out.kind, VM_EXIT_INTERRUPT);
	assert_int_equal(vmcb->rip, CODE);
	assert_int_equal(vmcb->event_inj, 0);
	vmcb->rip = MISSING; /* or is not readable any more */
	exits(SVM_EXIT_CPUID, 0, 0);
	assert_int_equal(out.kind, VM_EXIT_INTERRUPT);
	assert_int_equal(vmcb->rip, MISSING);
}

static void an_instruction_across_a_page_is_found(void **state)
{
	(void)state;
	ram[CODE + 0xfff] = 0x0f;
	ram[CODE + 0x1000] = 0xa2;
	vmcb->rip = CODE + 0xfff;
	exits(SVM_EXIT_CPUID, 0, 0);
	assert_int_equal(out.kind, VM_EXIT_CPUID);
	assert_int_equal(vcpu.length, 2);
	for (u64 at = CODE + 0xfe0; at < CODE + 0xfff; at++) { /* wherever it lies */
		memset(ram + CODE + 0xfe0, 0x90, 0x40);
		ram[at] = 0x0f;
		ram[at + 1] = 0xa2;
		vmcb->rip = at;
		exits(SVM_EXIT_CPUID, 0, 0);
		assert_int_equal(out.kind, VM_EXIT_CPUID);
	}
}

/* Is the instruction at RIP seen as CPUID? */
static bool sees_cpuid(void)
{
	vmcb->rip = CODE;
	exits(SVM_EXIT_CPUID, 0, 0);
	return out.kind == VM_EXIT_CPUID;
}

/* The way to an instruction is remembered; these are the ways in which that may be wrong. */
static void code_is_looked_up_as_tables_say_now(void **state)
{
	const u64 other = MIB(2) + CODE;

	(void)state;
	put64(0x2000, 0x3000 | 7); /* 2 MiB pages in the first GiB */
	put64(0x3000, 0x87);
	CODE_IS(0x0f, 0xa2);
	memset(ram + other, 0x90, 16);
	assert_true(sees_cpuid());
	assert_true(sees_cpuid());
	ram[CODE] = 0x90; /* other bytes */
	assert_false(sees_cpuid());
	ram[CODE] = 0x0f;
	assert_true(sees_cpuid());
	put64(0x3000, MIB(2) | 0x87); /* another page */
	assert_false(sees_cpuid());
	put64(0x3000, 0x87);
	assert_true(sees_cpuid());
	put64(0x2000, 0); /* none at all */
	assert_false(sees_cpuid());
	put64(0x2000, 0x3000 | 7);
	assert_true(sees_cpuid());
	vmcb->cr3 = 0x5000; /* other tables */
	assert_false(sees_cpuid());
	put64(0x5000, 0x2000 | 7);
	assert_true(sees_cpuid());
	put64(0x3000, 0x83); /* the kernel's alone */
	assert_true(sees_cpuid());
	vmcb->cpl = 3;
	assert_false(sees_cpuid());
	vmcb->cpl = 0;
	put64(0x3000, BIT(63) | 0x83); /* not executable, which counts with EFER.NXE */
	assert_true(sees_cpuid());
	assert_int_equal(svm_write_msr(&vcpu, MSR_EFER, EFER_LME | EFER_NXE), OK);
	assert_false(sees_cpuid());
}

static void msrs_are_two_halves(void **state)
{
	(void)state;
	CODE_IS(0x0f, 0x30); /* WRMSR */
	vcpu.gpr[GPR_RCX] = 0xc0000080;
	vcpu.gpr[GPR_RAX] = 0xffffffff11111111;
	vcpu.gpr[GPR_RDX] = 0x22222222;
	exits(SVM_EXIT_MSR, 1, 0);
	assert_int_equal(out.kind, VM_EXIT_MSR);
	assert_true(out.msr.write);
	assert_int_equal(out.msr.index, 0xc0000080);
	assert_int_equal(out.msr.value, 0x2222222211111111);
	CODE_IS(0x0f, 0x32); /* RDMSR */
	exits(SVM_EXIT_MSR, 0, 0);
	assert_false(out.msr.write);
	out.msr.value = 0x123456789abcdef0;
	svm_complete(&vcpu, &out);
	assert_int_equal(vcpu.gpr[GPR_RAX], 0x9abcdef0);
	assert_int_equal(vcpu.gpr[GPR_RDX], 0x12345678);
	assert_int_equal(vmcb->rip, CODE + 2);
}

static void a_hypercall_is_the_kernels(void **state)
{
	(void)state;
	CODE_IS(0x0f, 0x01, 0xd9); /* VMMCALL */
	vcpu.gpr[GPR_RAX] = 5;
	vcpu.gpr[GPR_RBX] = 6;
	vcpu.gpr[GPR_RSI] = 7;
	exits(SVM_EXIT_VMMCALL, 0, 0);
	assert_int_equal(out.kind, VM_EXIT_HYPERCALL);
	assert_int_equal(out.hypercall.number, 5);
	assert_int_equal(out.hypercall.arg[0], 6);
	assert_int_equal(out.hypercall.arg[3], 7);
	out.hypercall.result = ~0ULL;
	svm_complete(&vcpu, &out);
	assert_int_equal(vcpu.gpr[GPR_RAX], ~0ULL);
	assert_int_equal(vmcb->rip, CODE + 3);
	CODE_IS(0x0f, 0x01, 0xd9);
	vmcb->cpl = 3;
	exits(SVM_EXIT_VMMCALL, 0, 0);
	has_fault(X86_GP, true, 0);
}

static void what_guests_do_not_have_is_undefined(void **state)
{
	(void)state;
	for (u32 code = SVM_EXIT_VMRUN; code <= SVM_EXIT_MWAIT + 1; code++) {
		if (code == SVM_EXIT_VMMCALL)
			continue;
		vmcb->rip = CODE;
		exits(code, 0, 0);
		if (code != 0x089) /* WBINVD is let through: no such exit */
			has_fault(X86_UD, false, 0);
	}
	exits(SVM_EXIT_INVLPGA, 0, 0);
	has_fault(X86_UD, false, 0);
	exits(SVM_EXIT_RDPMC, 0, 0);
	has_fault(X86_GP, true, 0);
}

static void state_that_cannot_run_ends_the_vm(void **state)
{
	(void)state;
	exits(0xffffffff, 0, 0);
	assert_int_equal(out.kind, VM_EXIT_STOP);
	assert_non_null(out.stop.reason);
	exits(0xffffffffffffffff, 0, 0);
	assert_int_equal(out.kind, VM_EXIT_STOP);
	exits(SVM_EXIT_SHUTDOWN, 0, 0);
	assert_int_equal(out.kind, VM_EXIT_SHUTDOWN);
}

static void xsetbv_is_checked(void **state)
{
	static const u64 bad[] = { 0, 2, 4 | 1, 1ULL << 63 | 1, 8 | 1 };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		CODE_IS(0x0f, 0x01, 0xd1);
		vcpu.gpr[GPR_RAX] = (u32)bad[i];
		vcpu.gpr[GPR_RDX] = bad[i] >> 32;
		exits(SVM_EXIT_XSETBV, 0, 0);
		has_fault(X86_GP, true, 0);
	}
	vcpu.gpr[GPR_RAX] = 1;
	vcpu.gpr[GPR_RDX] = 0;
	vcpu.gpr[GPR_RCX] = 1; /* there is no XCR1 */
	exits(SVM_EXIT_XSETBV, 0, 0);
	has_fault(X86_GP, true, 0);
}

static void cr4_takes_what_guests_may_set(void **state)
{
	(void)state;
	CODE_IS(0x0f, 0x22, 0xe0); /* MOV CR4, RAX */
	vcpu.gpr[GPR_RAX] = CR4_PAE | CR4_PGE;
	exits(SVM_EXIT_CR4_WRITE, 0, 0);
	assert_int_equal(vmcb->cr4, CR4_PAE | CR4_PGE);
	assert_int_equal(vmcb->rip, CODE + 3);
	assert_true(vcpu.flush_linear);
	vcpu.flush_linear = false;
	CODE_IS(0x0f, 0x22, 0xe0);
	vcpu.gpr[GPR_RAX] = CR4_PAE | CR4_PGE | CR4_OSFXSR;
	exits(SVM_EXIT_CR4_WRITE, 0, 0);
	assert_false(vcpu.flush_linear);
	CODE_IS(0x0f, 0x22, 0xe0);
	vcpu.gpr[GPR_RAX] = CR4_PAE | BIT(13); /* VMXE */
	exits(SVM_EXIT_CR4_WRITE, 0, 0);
	has_fault(X86_GP, true, 0);
	vcpu.gpr[GPR_RAX] = CR4_PGE; /* long mode needs PAE */
	exits(SVM_EXIT_CR4_WRITE, 0, 0);
	has_fault(X86_GP, true, 0);
	assert_int_equal(vmcb->cr4, CR4_PAE | CR4_PGE | CR4_OSFXSR);
}

/* ---- device memory ---- */

static void reads(u64 gpa)
{
	exits(SVM_EXIT_NPF, 0, gpa);
}

static void a_device_is_read_into_a_register(void **state)
{
	(void)state;
	CODE_IS(0x8b, 0x03); /* MOV EAX, [RBX] */
	vcpu.gpr[GPR_RAX] = ~0ULL;
	vcpu.gpr[GPR_RBX] = DEVICE;
	reads(DEVICE);
	assert_int_equal(out.kind, VM_EXIT_MMIO);
	assert_int_equal(out.mmio.address, DEVICE);
	assert_int_equal(out.mmio.size, 4);
	assert_false(out.mmio.write);
	assert_int_equal(vmcb->rip, CODE);
	out.mmio.value = 0x12345678;
	assert_false(svm_complete(&vcpu, &out));
	assert_int_equal(vcpu.gpr[GPR_RAX], 0x12345678);
	assert_int_equal(vmcb->rip, CODE + 2);
}

static void a_register_is_written_to_a_device(void **state)
{
	(void)state;
	CODE_IS(0x66, 0x89, 0x43, 0x02); /* MOV [RBX + 2], AX */
	vcpu.gpr[GPR_RAX] = 0xaaaabbbb;
	vcpu.gpr[GPR_RBX] = DEVICE;
	exits(SVM_EXIT_NPF, SVM_NPF_WRITE, DEVICE + 2);
	assert_int_equal(out.kind, VM_EXIT_MMIO);
	assert_true(out.mmio.write);
	assert_int_equal(out.mmio.size, 2);
	assert_int_equal(out.mmio.value, 0xbbbb);
	assert_int_equal(out.mmio.address, DEVICE + 2);
	assert_false(svm_complete(&vcpu, &out));
	assert_int_equal(vmcb->rip, CODE + 4);
}

static void moves_of_every_size(void **state)
{
	static const struct {
		u8 code[8];
		u8 length, size;
		bool write;
		u64 value; /* what the device gets or gives */
		u32 reg;
		u64 result; /* the register afterwards; it was 1122334455667788 */
	} moves[] = {
		{ { 0x88, 0x23 }, 2, 1, true, 0x77, GPR_RAX, 0x1122334455667788 },	 /* AH */
		{ { 0x88, 0x03 }, 2, 1, true, 0x88, GPR_RAX, 0x1122334455667788 },	 /* AL */
		{ { 0x40, 0x88, 0x33 }, 3, 1, true, 0x88, GPR_RSI, 0x1122334455667788 }, /* SIL */
		{ { 0x48, 0x89, 0x03 },
		  3,
		  8,
		  true,
		  0x1122334455667788,
		  GPR_RAX,
		  0x1122334455667788 },
		{ { 0x44, 0x89, 0x03 }, 3, 4, true, 0x55667788, GPR_R8, 0x1122334455667788 },
		{ { 0xc6, 0x03, 0x5a }, 3, 1, true, 0x5a, GPR_RAX, 0x1122334455667788 },
		{ { 0x48, 0xc7, 0x03, 0xfe, 0xff, 0xff, 0xff },
		  7,
		  8,
		  true,
		  ~1ULL,
		  GPR_RAX,
		  0x1122334455667788 },
		{ { 0x8a, 0x23 }, 2, 1, false, 0xee, GPR_RAX, 0x112233445566ee88 },
		{ { 0x8a, 0x03 }, 2, 1, false, 0xee, GPR_RAX, 0x11223344556677ee },
		{ { 0x66, 0x8b, 0x03 }, 3, 2, false, 0xeeff, GPR_RAX, 0x112233445566eeff },
		{ { 0x44, 0x8b, 0x1b }, 3, 4, false, 0xeeffeeff, GPR_R11, 0xeeffeeff },
		{ { 0x4c, 0x8b, 0x1b },
		  3,
		  8,
		  false,
		  0xeeff000000000001,
		  GPR_R11,
		  0xeeff000000000001 },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(moves); i++) {
		memset(ram + CODE, 0x90, 16);
		memcpy(ram + CODE, moves[i].code, moves[i].length);
		for (u32 reg = 0; reg < GPR_COUNT; reg++)
			vcpu.gpr[reg] = 0x1122334455667788;
		vcpu.gpr[GPR_RBX] = DEVICE;
		vmcb->rip = CODE;
		exits(SVM_EXIT_NPF, moves[i].write ? SVM_NPF_WRITE : 0, DEVICE);
		assert_int_equal(out.kind, VM_EXIT_MMIO);
		assert_int_equal(out.mmio.address, DEVICE);
		assert_int_equal(out.mmio.size, moves[i].size);
		assert_int_equal(out.mmio.write, moves[i].write);
		if (moves[i].write)
			assert_int_equal(out.mmio.value, moves[i].value);
		else
			out.mmio.value = moves[i].value;
		assert_false(svm_complete(&vcpu, &out));
		assert_int_equal(vcpu.gpr[moves[i].reg], moves[i].result);
		assert_int_equal(vmcb->rip, CODE + moves[i].length);
	}
}

/* What bytes mean depends on the mode; what stood at an address does not matter. */
static void an_instruction_is_decoded_as_it_is_now(void **state)
{
	(void)state;
	vcpu.gpr[GPR_RBX] = DEVICE;
	CODE_IS(0x8b, 0x03); /* MOV EAX, [RBX] */
	reads(DEVICE);
	assert_int_equal(out.mmio.size, 4);
	CODE_IS(0x66, 0x8b, 0x03);
	reads(DEVICE);
	assert_int_equal(out.mmio.size, 2);
	svm_ops.vcpu_reset(&vcpu); /* 16-bit mode, and everything is zero */
	memset(ram, 0, PAGE_SIZE);
	vmcb->cs.base = 0;
	vmcb->rip = 0x100;
	vmcb->ds.base = DEVICE;
	vcpu.gpr[GPR_RAX] = 5;
	exits(SVM_EXIT_NPF, SVM_NPF_WRITE, DEVICE); /* ADD [BX+SI], AL */
	assert_int_equal(out.kind, VM_EXIT_MMIO);
	assert_int_equal(out.mmio.size, 1);
	out.mmio.value = 2;
	assert_true(svm_complete(&vcpu, &out));
	assert_int_equal(out.mmio.value, 7);
	assert_false(svm_complete(&vcpu, &out));
	assert_int_equal(vmcb->rip, 0x102);
}

static void reading_and_writing_are_two_accesses(void **state)
{
	(void)state;
	CODE_IS(0x09, 0x03); /* OR [RBX], EAX */
	vcpu.gpr[GPR_RAX] = 0x0f;
	vcpu.gpr[GPR_RBX] = DEVICE;
	exits(SVM_EXIT_NPF, SVM_NPF_WRITE, DEVICE);
	assert_false(out.mmio.write);
	out.mmio.value = 0x30;
	assert_true(svm_complete(&vcpu, &out));
	assert_true(out.mmio.write);
	assert_int_equal(out.mmio.value, 0x3f);
	assert_false(svm_complete(&vcpu, &out));
	assert_int_equal(vmcb->rip, CODE + 2);
}

/* In its page the source lies where the device does in its own. */
#define SAME_OFFSET (DATA + (DEVICE & PAGE_MASK))

static void a_string_reads_memory_here_and_writes_the_device(void **state)
{
	(void)state;
	CODE_IS(0x48, 0xa5); /* MOVSQ */
	put64(SAME_OFFSET, 0x1122334455667788);
	vcpu.gpr[GPR_RSI] = SAME_OFFSET;
	vcpu.gpr[GPR_RDI] = DEVICE;
	exits(SVM_EXIT_NPF, SVM_NPF_WRITE, DEVICE);
	assert_int_equal(out.kind, VM_EXIT_MMIO);
	assert_true(out.mmio.write);
	assert_int_equal(out.mmio.value, 0x1122334455667788);
	assert_int_equal(vcpu.gpr[GPR_RSI], SAME_OFFSET); /* nothing has retired */
	assert_false(svm_complete(&vcpu, &out));
	assert_int_equal(vcpu.gpr[GPR_RSI], SAME_OFFSET + 8);
	assert_int_equal(vcpu.gpr[GPR_RDI], DEVICE + 8);
}

static void a_repeated_string_gives_way_after_each_element(void **state)
{
	(void)state;
	CODE_IS(0xf3, 0xab); /* REP STOSD */
	vcpu.gpr[GPR_RCX] = 2;
	vcpu.gpr[GPR_RDI] = DEVICE;
	exits(SVM_EXIT_NPF, SVM_NPF_WRITE, DEVICE);
	assert_false(svm_complete(&vcpu, &out));
	assert_int_equal(vmcb->rip, CODE);
	assert_int_equal(vcpu.gpr[GPR_RCX], 1);
	exits(SVM_EXIT_NPF, SVM_NPF_WRITE, DEVICE + 4);
	assert_int_equal(out.mmio.address, DEVICE + 4);
	assert_false(svm_complete(&vcpu, &out));
	assert_int_equal(vmcb->rip, CODE + 2);
	assert_int_equal(vcpu.gpr[GPR_RCX], 0);
}

static void a_fault_on_the_other_operand_goes_to_the_guest(void **state)
{
	(void)state;
	CODE_IS(0x48, 0xa5); /* MOVSQ, its source in no table */
	vcpu.gpr[GPR_RSI] = MISSING;
	vcpu.gpr[GPR_RDI] = DEVICE;
	vmcb->cpl = 3;
	exits(SVM_EXIT_NPF, SVM_NPF_WRITE, DEVICE);
	has_fault(X86_PF, true, 4);
	assert_int_equal(vmcb->cr2, MISSING);
	assert_int_equal(vcpu.gpr[GPR_RDI], DEVICE);
}

static void ends_the_vm(u64 info1, u64 gpa)
{
	exits(SVM_EXIT_NPF, info1, gpa);
	assert_int_equal(out.kind, VM_EXIT_STOP);
	assert_non_null(out.stop.reason);
}

static void what_cannot_be_carried_out_ends_the_vm(void **state)
{
	(void)state;
	CODE_IS(0x8b, 0x03);
	vcpu.gpr[GPR_RBX] = DEVICE;
	ends_the_vm(SVM_NPF_FETCH, MIB(8));
	ends_the_vm(SVM_NPF_TABLE_WALK, MIB(8));
	CODE_IS(0x0f, 0x0b); /* UD2 does not touch memory */
	ends_the_vm(0, DEVICE);
	CODE_IS(0x8b, 0x03);
	vcpu.gpr[GPR_RBX] = 0xfee00ffe; /* half of it on the next page */
	ends_the_vm(0, 0xfee00ffe);
	CODE_IS(0x48, 0xa5); /* the walk for the source leaves memory */
	put64(0x1008, 0xfffff000 | 7);
	vcpu.gpr[GPR_RSI] = 1ULL << 39;
	vcpu.gpr[GPR_RDI] = DEVICE;
	ends_the_vm(SVM_NPF_WRITE, DEVICE);
	vmcb->exit_int_info = SVM_EVENT_VALID | SVM_EVENT_INTR | 0x40;
	ends_the_vm(SVM_NPF_WRITE, DEVICE); /* a stack in device memory */
}

/* ---- ports ---- */

#define IO(port, size, more) ((u64)(port) << 16 | (u64)(size) << 4 | (more))
#define ADDRESS_64_BITS	     BIT(9)
#define SEGMENT_DS	     (3ULL << 10)

static void a_byte_leaves_the_rest_of_the_register(void **state)
{
	(void)state;
	vcpu.gpr[GPR_RAX] = 0x1111222233334444;
	exits(SVM_EXIT_IOIO, IO(0x3f8, 1, SVM_IO_IN), CODE + 1);
	assert_int_equal(out.kind, VM_EXIT_PIO);
	assert_int_equal(out.pio.address, 0x3f8);
	assert_int_equal(out.pio.size, 1);
	assert_false(out.pio.write);
	out.pio.value = 0x55;
	assert_false(svm_complete(&vcpu, &out));
	assert_int_equal(vcpu.gpr[GPR_RAX], 0x1111222233334455);
	assert_int_equal(vmcb->rip, CODE + 1);
	exits(SVM_EXIT_IOIO, IO(0xcfc, 4, SVM_IO_IN), CODE + 1);
	out.pio.value = 0x80001111;
	svm_complete(&vcpu, &out);
	assert_int_equal(vcpu.gpr[GPR_RAX], 0x80001111); /* 32 bits clear the upper half */
}

static void out_gives_the_low_bytes(void **state)
{
	(void)state;
	vcpu.gpr[GPR_RAX] = 0x1122334455667788;
	exits(SVM_EXIT_IOIO, IO(0x80, 2, 0), CODE + 2);
	assert_true(out.pio.write);
	assert_int_equal(out.pio.value, 0x7788);
	svm_complete(&vcpu, &out);
	assert_int_equal(vcpu.gpr[GPR_RAX], 0x1122334455667788);
	assert_int_equal(vmcb->rip, CODE + 2);
}

static void a_string_from_a_port_goes_to_memory(void **state)
{
	const u64 info = IO(0x60, 2, SVM_IO_IN | SVM_IO_STRING | SVM_IO_REP | ADDRESS_64_BITS);

	(void)state;
	vcpu.gpr[GPR_RDI] = DATA;
	vcpu.gpr[GPR_RCX] = 2;
	put64(DATA, ~0ULL);
	exits(SVM_EXIT_IOIO, info, CODE + 2);
	assert_int_equal(out.kind, VM_EXIT_PIO);
	out.pio.value = 0x1234;
	svm_complete(&vcpu, &out);
	assert_int_equal(get64(DATA), 0xffffffffffff1234);
	assert_int_equal(vcpu.gpr[GPR_RDI], DATA + 2);
	assert_int_equal(vcpu.gpr[GPR_RCX], 1);
	assert_int_equal(vmcb->rip, CODE);
	vmcb->rflags |= BIT(10); /* downwards */
	exits(SVM_EXIT_IOIO, info, CODE + 2);
	svm_complete(&vcpu, &out);
	assert_int_equal(vcpu.gpr[GPR_RDI], DATA);
	assert_int_equal(vmcb->rip, CODE + 2);
	vmcb->rip = CODE;
	vcpu.gpr[GPR_RCX] = 0;
	exits(SVM_EXIT_IOIO, info, CODE + 2);
	assert_int_equal(out.kind, VM_EXIT_INTERRUPT);
	assert_int_equal(vmcb->rip, CODE + 2);
}

static void a_string_with_32_bit_addresses_clears_the_upper_halves(void **state)
{
	const u64 info = IO(0x60, 2, SVM_IO_IN | SVM_IO_STRING | SVM_IO_REP | BIT(8));

	(void)state;
	vcpu.gpr[GPR_RDI] = 0x700000000 | DATA;
	vcpu.gpr[GPR_RCX] = 0x700000002;
	exits(SVM_EXIT_IOIO, info, CODE + 3);
	out.pio.value = 0x1234;
	svm_complete(&vcpu, &out);
	assert_int_equal(get64(DATA), 0x1234);
	assert_int_equal(vcpu.gpr[GPR_RDI], DATA + 2);
	assert_int_equal(vcpu.gpr[GPR_RCX], 1);
}

static void a_string_to_a_port_comes_from_memory(void **state)
{
	(void)state;
	vcpu.gpr[GPR_RSI] = DATA;
	put64(DATA, 0xdeadbeef);
	exits(SVM_EXIT_IOIO, IO(0x60, 4, SVM_IO_STRING | ADDRESS_64_BITS | SEGMENT_DS), CODE + 1);
	assert_int_equal(out.kind, VM_EXIT_PIO);
	assert_int_equal(out.pio.value, 0xdeadbeef);
	svm_complete(&vcpu, &out);
	assert_int_equal(vcpu.gpr[GPR_RSI], DATA + 4);
	assert_int_equal(vmcb->rip, CODE + 1);
}

static void a_string_faults_before_the_port_is_touched(void **state)
{
	const u64 info = IO(0x60, 4, SVM_IO_IN | SVM_IO_STRING | ADDRESS_64_BITS);

	(void)state;
	vcpu.gpr[GPR_RDI] = MISSING;
	exits(SVM_EXIT_IOIO, info, CODE + 1);
	has_fault(X86_PF, true, 2);
	assert_int_equal(vmcb->cr2, MISSING);
	vcpu.gpr[GPR_RDI] = DATA + 0xffe;
	exits(SVM_EXIT_IOIO, info, CODE + 1);
	assert_int_equal(out.kind, VM_EXIT_STOP);
	vcpu.gpr[GPR_RSI] = MIB(8); /* mapped, but no memory */
	exits(SVM_EXIT_IOIO, IO(0x60, 4, SVM_IO_STRING | ADDRESS_64_BITS | SEGMENT_DS), CODE + 1);
	assert_int_equal(out.kind, VM_EXIT_STOP);
}

/* ---- events ---- */

static void an_event_that_was_cut_short_is_delivered_again(void **state)
{
	(void)state;
	vmcb->exit_int_info = SVM_EVENT_VALID | SVM_EVENT_INTR | 0x41;
	exits(SVM_EXIT_INTR, 0, 0);
	assert_int_equal(vmcb->event_inj, SVM_EVENT_VALID | SVM_EVENT_INTR | 0x41);
	assert_false(svm_ops.can_inject(&vcpu));
	vmcb->exit_int_info =
		SVM_EVENT_VALID | SVM_EVENT_EXCEPTION | SVM_EVENT_CODE_VALID | 14 | 6ULL << 32;
	exits(SVM_EXIT_INTR, 0, 0);
	assert_int_equal(vmcb->event_inj, vmcb->exit_int_info);
	vmcb->exit_int_info = SVM_EVENT_VALID | 4ULL << 8 | 0x80; /* INT 80h comes again */
	exits(SVM_EXIT_INTR, 0, 0);
	assert_int_equal(vmcb->event_inj, 0);
	vmcb->exit_int_info = SVM_EVENT_INTR | 0x41; /* not valid */
	exits(SVM_EXIT_INTR, 0, 0);
	assert_int_equal(vmcb->event_inj, 0);
}

static void an_interrupt_needs_if_and_no_shadow(void **state)
{
	(void)state;
	assert_true(svm_ops.can_inject(&vcpu));
	vmcb->interrupt_shadow = 1;
	assert_false(svm_ops.can_inject(&vcpu));
	vmcb->interrupt_shadow = 0;
	vmcb->rflags &= ~RFLAGS_IF;
	assert_false(svm_ops.can_inject(&vcpu));
	vmcb->rflags |= RFLAGS_IF;
	svm_ops.inject_interrupt(&vcpu, 0x55);
	assert_int_equal(vmcb->event_inj, SVM_EVENT_VALID | 0x55);
	assert_false(svm_ops.can_inject(&vcpu));
}

#define OFFERED_55 (SVM_V_INTR_MASKING | SVM_V_IRQ | SVM_V_IGNORE_TPR | SVM_V_INTR_VECTOR(0x55))

static void an_offer_ends_with_the_exit(void **state)
{
	(void)state;
	assert_true(svm_ops.offer_interrupt(&vcpu, 0x55));
	assert_true(vmcb->v_intr == OFFERED_55);
	exits(SVM_EXIT_INTR, 0, 0);
	assert_false(vmcb->v_intr & SVM_V_IRQ);
	assert_true(vmcb->v_intr & SVM_V_INTR_MASKING);
	assert_int_equal(vcpu.offered, 0x55); /* still: it was not taken */
	assert_int_equal(vmcb->event_inj, 0);
}

static void an_offered_interrupt_that_was_taken_is_offered_no_more(void **state)
{
	(void)state;
	assert_true(svm_ops.offer_interrupt(&vcpu, 0x55));
	vmcb->v_intr &= ~SVM_V_IRQ; /* the processor does that */
	exits(SVM_EXIT_CPUID, 0, 0);
	assert_int_equal(vcpu.offered, 0);
	/* An offer before an entry that did not come ends with what is injected instead. */
	assert_true(svm_ops.offer_interrupt(&vcpu, 0x55));
	svm_ops.inject_interrupt(&vcpu, 0x66);
	assert_true(vmcb->v_intr == SVM_V_INTR_MASKING);
	vmcb->event_inj = 0;
}

static void an_offered_interrupt_cut_short_is_repeated_and_not_offered_again(void **state)
{
	(void)state;
	assert_true(svm_ops.offer_interrupt(&vcpu, 0x55));
	vmcb->exit_int_info = SVM_EVENT_VALID | SVM_EVENT_INTR | 0x55;
	exits(SVM_EXIT_NPF, 0, 0x100000000);
	assert_int_equal(vcpu.offered, 0);
	assert_false(vmcb->v_intr & SVM_V_IRQ);
	assert_int_equal(vmcb->event_inj, SVM_EVENT_VALID | SVM_EVENT_INTR | 0x55);
	/* Another event that was cut short says nothing of the offer. */
	assert_true(svm_ops.offer_interrupt(&vcpu, 0x55));
	vmcb->exit_int_info = SVM_EVENT_VALID | SVM_EVENT_EXCEPTION | X86_PF;
	exits(SVM_EXIT_INTR, 0, 0);
	assert_int_equal(vcpu.offered, 0x55);
	vmcb->exit_int_info = 0;
}

static void an_nmi_blocks_others_until_iret(void **state)
{
	(void)state;
	assert_true(svm_ops.inject_nmi(&vcpu));
	assert_int_equal(vmcb->event_inj, SVM_EVENT_VALID | SVM_EVENT_NMI | 2);
	vmcb->event_inj = 0;
	assert_false(svm_ops.inject_nmi(&vcpu));
	exits(SVM_EXIT_IRET, 0, 0);
	assert_false(vmcb->intercept1 & SVM_I1_IRET);
	assert_true(svm_ops.inject_nmi(&vcpu));
}

static void intercepted_exceptions_go_back(void **state)
{
	(void)state;
	exits(SVM_EXIT_EXCEPTION + X86_DB, 0, 0);
	has_fault(X86_DB, false, 0);
	exits(SVM_EXIT_EXCEPTION + 17, 0, 0);
	has_fault(17, true, 0);
}

/* ---- state ---- */

static void a_reset_vcpu_is_as_after_init(void **state)
{
	struct x86_state now;

	(void)state;
	svm_ops.vcpu_reset(&vcpu);
	svm_ops.get_state(&vcpu, &now);
	assert_int_equal(now.rip, 0xfff0);
	assert_int_equal(now.cs.selector, 0xf000);
	assert_int_equal(now.cs.base, 0xffff0000);
	assert_int_equal(now.rflags, 2);
	assert_int_equal(now.cr0, 0x60000010);
	assert_int_equal(now.efer, 0); /* SVME is not the guest's business */
	assert_true(vmcb->efer & EFER_SVME);
	assert_int_equal(vmcb->nested_control, 1);
	svm_ops.startup(&vcpu, 0x9a);
	svm_ops.get_state(&vcpu, &now);
	assert_int_equal(now.cs.selector, 0x9a00);
	assert_int_equal(now.cs.base, 0x9a000);
	assert_int_equal(now.rip, 0);
}

static void every_port_msr_and_svm_instruction_exits(void **state)
{
	(void)state;
	assert_true(vmcb->intercept1 & SVM_I1_IOIO);
	assert_true(vmcb->intercept1 & SVM_I1_MSR);
	assert_true(vmcb->intercept1 & SVM_I1_INTR);
	assert_true(vmcb->intercept1 & SVM_I1_SHUTDOWN);
	assert_true(vmcb->intercept2 & SVM_I2_VMRUN); /* VMRUN refuses to run without */
	assert_int_equal(vmcb->intercept2 & 0x7f, 0x7f);
	assert_true(vmcb->v_intr & SVM_V_INTR_MASKING);
}

static void an_asid_is_flushed_where_the_processor_can(void **state)
{
	struct nested_space space;

	(void)state;
	nested_space_init(&space);
	vcpu.space = &space;
	svm_features.tlb.flush_tag = true;
	svm_choose_asid(&vcpu, 0); /* what was there before us */
	assert_int_equal(vmcb->tlb_control, SVM_TLB_FLUSH_ALL);
	assert_int_equal(vmcb->asid, 1);
	assert_false(vcpu.flush_linear);
	vmcb->tlb_control = SVM_TLB_KEEP;
	svm_choose_asid(&vcpu, 0);
	assert_int_equal(vmcb->tlb_control, SVM_TLB_KEEP);
	(void)nested_space_changed(&space);
	svm_choose_asid(&vcpu, 0);
	assert_int_equal(vmcb->tlb_control, SVM_TLB_FLUSH_TAG);
	assert_int_equal(vmcb->asid, 1);
	exits((u32)-1, 0, 0); /* VMRUN failed: that may not have been done */
	svm_choose_asid(&vcpu, 0);
	assert_int_equal(vmcb->tlb_control, SVM_TLB_FLUSH_ALL);
	svm_features.tlb.flush_tag = false;
}

static void efer_keeps_the_rules_of_long_mode(void **state)
{
	u64 value;

	(void)state;
	assert_int_equal(svm_read_msr(&vcpu, MSR_EFER, &value), OK);
	assert_int_equal(value, EFER_LME | EFER_LMA);
	assert_int_equal(svm_write_msr(&vcpu, MSR_EFER, EFER_LME | EFER_SVME), ERR_DENIED);
	assert_int_equal(svm_write_msr(&vcpu, MSR_EFER, EFER_NXE), ERR_DENIED); /* paging is on */
	assert_int_equal(svm_write_msr(&vcpu, MSR_EFER, EFER_LME | EFER_NXE | EFER_SCE), OK);
	assert_true(vcpu.flush_linear);
	assert_int_equal(svm_read_msr(&vcpu, MSR_EFER, &value), OK);
	assert_int_equal(value, EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE);
	vmcb->cr0 &= ~CR0_PG;
	vmcb->efer &= ~EFER_LMA;
	assert_int_equal(svm_write_msr(&vcpu, MSR_EFER, EFER_LMA), OK);
	assert_int_equal(svm_read_msr(&vcpu, MSR_EFER, &value), OK);
	assert_int_equal(value, 0); /* LMA is the processor's */
}

static void the_pat_takes_six_types(void **state)
{
	u64 value;

	(void)state;
	assert_int_equal(svm_write_msr(&vcpu, MSR_PAT, 0x0706050401000706), OK);
	assert_int_equal(svm_write_msr(&vcpu, MSR_PAT, 0x0200000000000000), ERR_DENIED);
	assert_int_equal(svm_write_msr(&vcpu, MSR_PAT, 0x03), ERR_DENIED);
	assert_int_equal(svm_write_msr(&vcpu, MSR_PAT, 0x08), ERR_DENIED);
	assert_int_equal(svm_read_msr(&vcpu, MSR_PAT, &value), OK);
	assert_int_equal(value, 0x0706050401000706);
	assert_int_equal(svm_write_msr(&vcpu, 0x12345, 0), ERR_NOT_FOUND);
	assert_int_equal(svm_read_msr(&vcpu, 0x12345, &value), ERR_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(cpuid_takes_and_gives_registers),
		TEST(the_processor_may_tell_the_length),
		TEST(an_instruction_that_was_changed_meanwhile_runs_again),
		TEST(an_instruction_across_a_page_is_found),
		TEST(code_is_looked_up_as_tables_say_now),
		TEST(msrs_are_two_halves),
		TEST(a_hypercall_is_the_kernels),
		TEST(what_guests_do_not_have_is_undefined),
		TEST(state_that_cannot_run_ends_the_vm),
		TEST(xsetbv_is_checked),
		TEST(cr4_takes_what_guests_may_set),
		TEST(a_device_is_read_into_a_register),
		TEST(a_register_is_written_to_a_device),
		TEST(moves_of_every_size),
		TEST(an_instruction_is_decoded_as_it_is_now),
		TEST(reading_and_writing_are_two_accesses),
		TEST(a_string_reads_memory_here_and_writes_the_device),
		TEST(a_repeated_string_gives_way_after_each_element),
		TEST(a_fault_on_the_other_operand_goes_to_the_guest),
		TEST(what_cannot_be_carried_out_ends_the_vm),
		TEST(a_byte_leaves_the_rest_of_the_register),
		TEST(out_gives_the_low_bytes),
		TEST(a_string_from_a_port_goes_to_memory),
		TEST(a_string_with_32_bit_addresses_clears_the_upper_halves),
		TEST(a_string_to_a_port_comes_from_memory),
		TEST(a_string_faults_before_the_port_is_touched),
		TEST(an_event_that_was_cut_short_is_delivered_again),
		TEST(an_interrupt_needs_if_and_no_shadow),
		TEST(an_offer_ends_with_the_exit),
		TEST(an_offered_interrupt_that_was_taken_is_offered_no_more),
		TEST(an_offered_interrupt_cut_short_is_repeated_and_not_offered_again),
		TEST(an_nmi_blocks_others_until_iret),
		TEST(intercepted_exceptions_go_back),
		TEST(a_reset_vcpu_is_as_after_init),
		TEST(every_port_msr_and_svm_instruction_exits),
		TEST(an_asid_is_flushed_where_the_processor_can),
		TEST(efer_keeps_the_rules_of_long_mode),
		TEST(the_pat_takes_six_types),
	};

	return cmocka_run_group_tests_name("svm", tests, NULL, NULL);
}
