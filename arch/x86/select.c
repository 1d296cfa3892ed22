// SPDX-License-Identifier: Apache-2.0
/* Chooses the vendor's virtualization from CPUID, or says what is missing. */
#include "arch/x86/cpu.h"
#include "arch/x86/host.h"
#include "arch/x86/svm/svm.h"
#include "arch/x86/virt.h"
#include "arch/x86/vmx/vmx.h"

#define LEAF_EXTENDED	 0x80000001u
#define EXTENDED_ECX_SVM BIT(2)
#define LEAF_SVM	 0x8000000au
#define SVM_EDX_NPT	 BIT(0)
#define LEAF1_ECX_VMX	 BIT(5)

static const struct virt_ops *found(const char *name, const struct virt_ops *ops,
				    const char *missing)
{
	if (!missing)
		return ops;
	host_log(0, "this processor has %s but no %s: no guest can run", name, missing);
	return NULL;
}

const struct virt_ops *virt_select(void)
{
	if (cpuid(0x80000000u, 0).eax >= LEAF_SVM && cpuid(LEAF_EXTENDED, 0).ecx & EXTENDED_ECX_SVM)
		return found("SVM", &svm_ops,
			     cpuid(LEAF_SVM, 0).edx & SVM_EDX_NPT ? NULL : "nested paging (NPT)");
	if (cpuid(1, 0).ecx & LEAF1_ECX_VMX)
		return found("VMX", &vmx_ops, vmx_missing());
	host_log(0,
		 "this processor has neither SVM nor VMX, or firmware hides it: no guest can run");
	return NULL;
}
