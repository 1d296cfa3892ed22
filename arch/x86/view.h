/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that has exited, as instruction emulation sees it: the vendor fills it in. */
#ifndef ARCH_X86_VIEW_H
#define ARCH_X86_VIEW_H

#include "arch/x86/cpu.h"
#include "arch/x86/virt.h"
#include "arch/x86/walk.h"

/*
 * The first part is what a known instruction needs, and always there; the rest
 * is filled in by view_rest().
 */
struct cpu_view {
	u64 rip; /* in; out where an instruction retired */
	u64 cr3;
	gpa_t fault_gpa; /* what the exit was about */
	enum cpu_mode mode;
	u8 cpl;
	void (*fill_rest)(const struct arch_vcpu *vcpu, struct cpu_view *view);

	u64 rflags; /* in; out where an instruction retired */
	struct walk_mode walk;
	u64 segment_base[X86_SEG_COUNT];

	u64 fault_address; /* out with EMU_FAULT: linear address and code of the #PF */
	u32 fault_code;
};

static inline void view_rest(const struct arch_vcpu *vcpu, struct cpu_view *view)
{
	view->fill_rest(vcpu, view);
}

/* What a step of an instruction led to; the vendor's code acts on it. */
enum emu_result {
	EMU_EXIT,    /* `exit` says what is to be done next */
	EMU_RETIRED, /* take over view->rip and view->rflags */
	EMU_FAULT,   /* inject #PF as the view says */
	EMU_RETRY,   /* nothing: the processor shall look again */
};

static inline enum cpu_mode view_mode(u64 cr0, u64 efer, u64 rflags, bool cs_long, bool cs_big)
{
	if (efer & EFER_LMA && cs_long)
		return CPU_MODE_64;
	if (cr0 & CR0_PE && !(rflags & RFLAGS_VM) && cs_big)
		return CPU_MODE_32;
	return CPU_MODE_16;
}

static inline u64 view_user(const struct cpu_view *view)
{
	return view->cpl == 3 ? WALK_USER : 0;
}

static inline void view_stop(struct vm_exit *exit, const char *reason, u64 detail)
{
	exit->kind = VM_EXIT_STOP;
	exit->stop.reason = reason;
	exit->stop.detail = detail;
}

#endif
