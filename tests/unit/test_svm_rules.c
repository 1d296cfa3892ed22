// SPDX-License-Identifier: Apache-2.0
// SOURCES: arch/x86/tlb.c arch/x86/svm/svm.c arch/x86/svm/exit.c arch/x86/svm/emulate.c
// SOURCES: arch/x86/mmio.c arch/x86/pio.c arch/x86/registers.c arch/x86/walk.c
// SOURCES: arch/x86/insn.c arch/x86/emulate.c core/lib/string.c
/* What a vCPU does on either vendor's processor, here on SVM. */
#include "tests/unit/fake_svm.h"
#include "tests/unit/vcpu_rules.h"

int main(void)
{
	return cmocka_run_group_tests_name("svm_rules", vcpu_rules, NULL, NULL);
}
