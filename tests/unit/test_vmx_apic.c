// SPDX-License-Identifier: Apache-2.0
// SOURCES: arch/x86/tlb.c arch/x86/vmx/enable.c arch/x86/vmx/vcpu.c arch/x86/vmx/vmx.c
// SOURCES: arch/x86/vmx/exit.c arch/x86/vmx/emulate.c arch/x86/mmio.c arch/x86/pio.c
// SOURCES: arch/x86/registers.c arch/x86/walk.c arch/x86/insn.c arch/x86/emulate.c
// SOURCES: core/lib/string.c
/* Rules of the VMX back end alone: the virtual APIC, and which MSRs exit. */
#include "tests/unit/fake_vmx.h"

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
	assert_false(vmx_ops.complete(&vcpu, &out));
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
	assert_false(vmx_ops.complete(&vcpu, &out));
	has_retired(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_processor_delivers_in_x2apic_mode_alone),
		TEST(a_processor_without_delivery_keeps_its_controls),
		TEST(init_in_x2apic_mode_starts_anew),
		TEST(which_msrs_exit),
		TEST(the_end_of_a_level_interrupt_is_told),
		TEST(an_illegal_self_ipi_goes_to_the_local_apic),
	};

	return cmocka_run_group_tests_name("vmx_apic", tests, NULL, NULL);
}
