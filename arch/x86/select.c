// SPDX-License-Identifier: Apache-2.0
/* Chooses the vendor's virtualization from CPUID, or says what is missing. */
#include "arch/x86/cpu.h"
#include "arch/x86/host.h"
#include "arch/x86/svm/svm.h"
#include "arch/x86/virt.h"

#define LEAF_EXTENDED	 0x80000001u
#define EXTENDED_ECX_SVM BIT(2)
#define LEAF_SVM	 0x8000000au
#define SVM_EDX_NPT	 BIT(0)
#define LEAF1_ECX_VMX	 BIT(5)

const struct virt_ops *virt_select(void)
{
	if (cpuid(0x80000000u, 0).eax >= LEAF_SVM &&
	    cpuid(LEAF_EXTENDED, 0).ecx & EXTENDED_ECX_SVM) {
		if (cpuid(LEAF_SVM, 0).edx & SVM_EDX_NPT)
			return &svm_ops;
		host_log(0, "this processor has SVM but no nested paging (NPT): no guest can run");
		return NULL;
	}
	if (cpuid(1, 0).ecx & LEAF1_ECX_VMX) {
		host_log(0, "this processor has Intel VMX, which this version does not drive yet: "
			    "no guest can run");
		return NULL;
	}
	host_log(0,
		 "this processor has neither SVM nor VMX, or firmware hides it: no guest can run");
	return NULL;
}
