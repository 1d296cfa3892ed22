/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One vCPU on the build host, for the tests of both back ends: what core/ offers it, RAM with
 * page tables and a program in it, and the ways in which a test makes it exit, whatever the vendor.
 */
#ifndef TESTS_UNIT_FAKE_VCPU_H
#define TESTS_UNIT_FAKE_VCPU_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* cmocka.h wants the above first. */
#include <cmocka.h>

#include "arch/x86/cpu.h"
#include "arch/x86/fpu.h"
#include "arch/x86/host.h"
#include "arch/x86/tlb.h"
#include "arch/x86/virt.h"

#define RAM_SIZE   MIB(4)
#define CODE	   0x10000ULL
#define DATA	   0x20000ULL
#define DEVICE	   0xfee00020ULL
#define MISSING	   0x4000000000ULL /* in no table */
#define MAX_FRAMES 64

static u8 *ram;
static void *frames[MAX_FRAMES];
static u32 frames_left;
static u64 xcr0, drs[4]; /* of the processor */

/* ---- what is around a vCPU ---- */

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

enum err host_guest_read(struct arch_vcpu *v, gpa_t gpa, void *dst, size_t size)
{
	(void)v;
	if (gpa.raw > RAM_SIZE - size)
		return ERR_FAULT;
	memcpy(dst, ram + gpa.raw, size);
	return OK;
}

enum err host_guest_write(struct arch_vcpu *v, gpa_t gpa, const void *src, size_t size)
{
	(void)v;
	if (gpa.raw > RAM_SIZE - size)
		return ERR_FAULT;
	memcpy(ram + gpa.raw, src, size);
	return OK;
}

/* Memory is one to one here, so that host addresses are the guest's. */
enum err host_guest_locate(struct arch_vcpu *v, gpa_t gpa, hpa_t *hpa)
{
	(void)v;
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

u64 fpu_read_xcr0(void)
{
	return xcr0;
}

/* ---- what the vendors do differently ---- */

/* An instruction that says what it wants. */
enum cause {
	BY_CPUID,
	BY_HLT,
	BY_RDMSR,
	BY_WRMSR,
	BY_HYPERCALL,
	BY_XSETBV,
	CAUSES,
};

enum guest_register {
	GUEST_RIP,
	GUEST_RFLAGS,
	GUEST_CR2,
	GUEST_PAT,
};

/* IN, OUT, INS or OUTS; the last two say where their memory is. */
struct port_use {
	u16 port;
	u8 size;
	bool in, string, rep;
	u8 address_size; /* bytes */
	u8 segment;	 /* enum x86_seg */
};

/* An event as both vendors write it: bits 0 to 31; an error code is above. */
#define EVENT_IS_VALID	  BIT(31)
#define EXCEPTION_EVENT	  (3ULL << 8)
#define EVENT_ERROR(code) (BIT(11) | (u64)(code) << 32)

/* How a test drives its vendor's back end; of exits it gives what the processor would. */
struct vendor {
	const struct virt_ops *ops;
	u64 *(*reg)(enum guest_register reg); /* where the processor keeps it */
	void (*set_cpl)(u8 cpl);
	void (*set_shadow)(bool on); /* of STI */
	bool (*in_shadow)(void);
	u64 (*event)(void); /* that the next entry delivers; 0: none */
	/* The instruction at RIP exits; what the back end makes of that is in `out`. */
	void (*exits_by)(enum cause cause);
	void (*touches)(u64 gpa, bool write); /* where there is no memory */
	void (*uses_port)(const struct port_use *use);
	u8 hypercall[3]; /* the instruction */
};

static const struct vendor vendor; /* fake_svm.h or fake_vmx.h has it */

/* ---- a guest in 64-bit mode, its memory one to one ---- */

static struct arch_vcpu vcpu;
static struct nested_space space;
static struct vm_exit out;
static u32 code_length; /* of the instruction at RIP */

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

static inline void put64(u64 at, u64 value)
{
	memcpy(ram + at, &value, 8);
}

static inline u64 get64(u64 at)
{
	u64 value;

	memcpy(&value, ram + at, 8);
	return value;
}

/* RAM with four GiB of pages in its tables; the processor is the vendor's to begin. */
static inline void prepare_ram(void)
{
	ram = calloc(1, RAM_SIZE);
	frames_left = MAX_FRAMES;
	put64(0x1000, 0x2000 | 7);
	for (u64 i = 0; i < 4; i++)
		put64(0x2000 + i * 8, i << 30 | 0x87);
}

static inline void create_vcpu(void)
{
	memset(&vcpu, 0, sizeof(vcpu));
	memset(drs, 0, sizeof(drs));
	xcr0 = code_length = 0;
	nested_space_init(&space);
	vcpu.space = &space;
	vcpu.nested_root = HPA(0x5000);
	assert_int_equal(vendor.ops->vcpu_create(&vcpu), OK);
	vendor.ops->set_state(&vcpu, &long_mode);
}

static inline void free_all(void)
{
	for (u32 i = 0; i < MAX_FRAMES; i++)
		free(frames[i]);
	memset(frames, 0, sizeof(frames));
	free(ram);
}

/* This instruction is the next one. */
static inline void code_is(const u8 *bytes, u32 length)
{
	memset(ram + CODE, 0x90, 32);
	memcpy(ram + CODE, bytes, length);
	*vendor.reg(GUEST_RIP) = CODE;
	code_length = length;
}

#define CODE_IS(...) \
	do { \
		const u8 bytes_[] = { __VA_ARGS__ }; \
		code_is(bytes_, sizeof(bytes_)); \
	} while (0)

/* ---- what has become of it ---- */

static inline void has_event(u64 event)
{
	assert_int_equal(vendor.event(), EVENT_IS_VALID | event);
}

static inline void has_no_event(void)
{
	assert_int_equal(vendor.event(), 0);
}

static inline void has_fault(u32 vector, bool has_code, u32 code)
{
	assert_int_equal(out.kind, VM_EXIT_INTERRUPT);
	has_event(EXCEPTION_EVENT | vector | (has_code ? EVENT_ERROR(code) : 0));
	assert_int_equal(*vendor.reg(GUEST_RIP), CODE);
}

/* It is over; with length 0: not yet, or not at all. */
static inline void has_retired(u32 length)
{
	has_no_event();
	assert_int_equal(*vendor.reg(GUEST_RIP), CODE + length);
}

static inline void has_stopped(const char *why)
{
	assert_int_equal(out.kind, VM_EXIT_STOP);
	assert_non_null(out.stop.reason);
	if (why)
		assert_string_equal(out.stop.reason, why);
}

/* start() and stop() are those of the vendor's fake. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

#endif
