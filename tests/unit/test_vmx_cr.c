// SPDX-License-Identifier: Apache-2.0
// SOURCES: arch/x86/tlb.c arch/x86/vmx/enable.c arch/x86/vmx/vcpu.c arch/x86/vmx/vmx.c
// SOURCES: arch/x86/vmx/exit.c arch/x86/vmx/emulate.c arch/x86/mmio.c arch/x86/pio.c
// SOURCES: arch/x86/registers.c arch/x86/walk.c arch/x86/insn.c arch/x86/emulate.c
// SOURCES: core/lib/string.c
/* Rules of the VMX back end alone: control registers, of which a guest sees a shadow. */
#include "tests/unit/fake_vmx.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(cd_and_nw_are_seen_but_do_not_reach_the_processor),
		TEST(cr0_values_that_fault),
		TEST(paging_leads_into_long_mode_and_out),
		TEST(pae_paging_loads_four_entries),
		TEST(what_exits_of_cr4_is_forbidden),
		TEST(cr8_has_four_bits),
	};

	return cmocka_run_group_tests_name("vmx_cr", tests, NULL, NULL);
}
