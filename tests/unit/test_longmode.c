// SPDX-License-Identifier: Apache-2.0
// SOURCES: guest/longmode.c arch/x86/walk.c
/* Rules of the first state: what its page tables map, and that it is 64-bit mode. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/cpu.h"
#include "arch/x86/host.h"
#include "arch/x86/walk.h"
#include "guest/layout.h"
#include "guest/longmode.h"

static u8 ram[MIB(2)];
static struct x86_state first;

enum err gmem_read(const struct gmem *mem, gpa_t gpa, void *dst, size_t size)
{
	(void)mem;
	if (gpa.raw > sizeof(ram) - size)
		return ERR_FAULT;
	memcpy(dst, ram + gpa.raw, size);
	return OK;
}

enum err gmem_write(const struct gmem *mem, gpa_t gpa, const void *src, size_t size)
{
	(void)mem;
	/* The kernel lies from 1 MiB on, the tables for the guest's ACPI below it. */
	if (gpa.raw > LAYOUT_LOW_END - size)
		return ERR_FAULT;
	memcpy(ram + gpa.raw, src, size);
	return OK;
}

enum err host_guest_read(struct arch_vcpu *vcpu, gpa_t gpa, void *dst, size_t size)
{
	(void)vcpu;
	return gmem_read(NULL, gpa, dst, size);
}

enum err host_guest_locate(struct arch_vcpu *vcpu, gpa_t gpa, hpa_t *hpa);
enum err host_guest_locate(struct arch_vcpu *vcpu, gpa_t gpa, hpa_t *hpa)
{
	(void)vcpu;
	*hpa = HPA(gpa.raw);
	return OK;
}

static void set_state(struct arch_vcpu *vcpu, const struct x86_state *state)
{
	(void)vcpu;
	first = *state;
}

static const struct virt_ops fake_virt = { .set_state = set_state };
const struct virt_ops *virt = &fake_virt;

static struct vcpu vcpu;
static struct vm vm;

static int start(void **state)
{
	(void)state;
	memset(ram, 0, sizeof(ram));
	memset(&first, 0, sizeof(first));
	vm = (struct vm){ .name = "a", .vcpu_count = 3 };
	vm.vcpus[0] = &vcpu;
	vm.memory.size = MIB(64);
	return 0;
}

static enum err lookup(u64 gva, u64 access, u64 *to)
{
	const struct walk_mode mode = { first.cr0, first.cr3, first.cr4, first.efer };
	gpa_t gpa = GPA(~0ULL);
	enum err e;
	u32 code;

	e = walk_translate(NULL, &mode, GVA(gva), access, &gpa, &code, NULL);
	*to = gpa.raw;
	return e;
}

static void the_first_4_gib_are_mapped_one_to_one(void **state)
{
	u64 to;

	(void)state;
	assert_int_equal(longmode_enter(&vm, MIB(1)), OK);
	for (u64 at = 0; at < GIB(4); at += MIB(2)) {
		assert_int_equal(lookup(at + 0x12345, WALK_WRITE | WALK_FETCH, &to), OK);
		assert_int_equal(to, at + 0x12345);
	}
	assert_int_equal(lookup(GIB(4), 0, &to), ERR_DENIED);
	assert_int_equal(lookup(1ULL << 39, 0, &to), ERR_DENIED);
	assert_int_equal(lookup(0, WALK_USER, &to), ERR_DENIED);
}

static void the_first_instruction_runs_in_64_bit_mode(void **state)
{
	u64 gdt[6];

	(void)state;
	assert_int_equal(longmode_enter(&vm, MIB(1)), OK);
	assert_int_equal(first.rip, MIB(1));
	assert_int_equal(first.gpr[GPR_RSI], LAYOUT_ZERO_PAGE);
	assert_int_equal(first.gpr[GPR_RSP], 0x8000);
	assert_int_equal(first.rflags & RFLAGS_IF, 0);
	assert_int_equal(first.efer, EFER_LME | EFER_LMA);
	assert_true(first.cr0 & CR0_PG && first.cr0 & CR0_PE && first.cr4 & CR4_PAE);
	/* The hidden parts of the segment registers agree with the table behind them. */
	assert_int_equal(gmem_read(NULL, GPA(first.gdtr.base), gdt, sizeof(gdt)), OK);
	assert_int_equal(first.gdtr.limit, sizeof(gdt) - 1);
	assert_int_equal(gdt[first.cs.selector / 8] >> 40 & 0xff, first.cs.attributes & 0xff);
	assert_int_equal(gdt[first.cs.selector / 8] >> 52 & 0xf, first.cs.attributes >> 8);
	assert_int_equal(gdt[first.ss.selector / 8] >> 40 & 0xff, first.ss.attributes & 0xff);
	assert_int_equal(gdt[first.ss.selector / 8] >> 52 & 0xf, first.ss.attributes >> 8);
	assert_int_equal(gdt[first.tr.selector / 8] >> 40 & 0xff, first.tr.attributes & 0xff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_first_4_gib_are_mapped_one_to_one, start),
		cmocka_unit_test_setup(the_first_instruction_runs_in_64_bit_mode, start),
	};

	return cmocka_run_group_tests_name("longmode", tests, NULL, NULL);
}
