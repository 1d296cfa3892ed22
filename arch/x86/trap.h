/* SPDX-License-Identifier: Apache-2.0 */
/* GDT, IDT, TSS of each CPU and what an exception leaves on the stack. */
#ifndef ARCH_X86_TRAP_H
#define ARCH_X86_TRAP_H

#include "core/lib/types.h"

/* As entry.S pushes it. */
struct trap_frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	u64 vector, error_code;
	u64 rip, cs, rflags, rsp, ss; /* by the processor */
};

#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_TSS  0x18

/* Vectors from here on are interrupts. */
#define VECTOR_FIRST	0x20
#define VECTOR_TIMER	0xf0
#define VECTOR_KICK	0xf1 /* look at your softirqs and requests */
#define VECTOR_STOP	0xf2 /* panic elsewhere */
#define VECTOR_SPURIOUS 0xff

#define TRAP_CPUS_MAX 64

/* Stacks that the IDT switches to, so that these work on a broken stack. */
enum trap_ist {
	TRAP_IST_NMI = 1,
	TRAP_IST_DOUBLE_FAULT,
	TRAP_IST_MACHINE_CHECK,
	TRAP_IST_COUNT = 3,
};

/*
 * Load this CPU's GDT, TSS and the common IDT. `cpu` is its number, `ist_tops`
 * the tops of its three separate stacks in enum order (virtual addresses).
 * Before the stacks exist: NULL, and all exceptions use the current stack.
 */
void trap_init_cpu(u32 cpu, const u64 *ist_tops);

/* Give the running CPU's TSS its separate stacks. */
void trap_set_stacks(u32 cpu, const u64 *ist_tops);

#endif
