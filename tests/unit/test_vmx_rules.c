// SPDX-License-Identifier: Apache-2.0
// SOURCES: arch/x86/tlb.c arch/x86/vmx/enable.c arch/x86/vmx/vcpu.c arch/x86/vmx/vmx.c
// SOURCES: arch/x86/vmx/exit.c arch/x86/vmx/emulate.c arch/x86/mmio.c arch/x86/pio.c
// SOURCES: arch/x86/registers.c arch/x86/walk.c arch/x86/insn.c arch/x86/emulate.c
// SOURCES: core/lib/string.c
/* What a vCPU does on either vendor's processor, here on VMX. */
#include "tests/unit/fake_vmx.h"
#include "tests/unit/vcpu_rules.h"

int main(void)
{
	return cmocka_run_group_tests_name("vmx_rules", vcpu_rules, NULL, NULL);
}
