/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions that touch device memory: fetched, decoded, carried out step by step. */
#ifndef ARCH_X86_MMIO_H
#define ARCH_X86_MMIO_H

#include "arch/x86/move.h"
#include "arch/x86/view.h"

/*
 * Copy up to 15 instruction bytes at view->rip; returns their number, 0: not readable.
 * `bytes` has room for CODE_FETCH_BYTES, aligned to 8.
 */
#define CODE_FETCH_BYTES 16
u32 code_fetch(struct arch_vcpu *vcpu, struct cpu_view *view, u8 *bytes);

/* Rights of translations have changed other than in the tables: walk anew. */
void code_forget(struct arch_vcpu *vcpu);

/* The instruction at view->rip touched view->fault_gpa, where no memory is. */
enum emu_result mmio_begin(struct arch_vcpu *vcpu, struct cpu_view *view, struct vm_exit *exit);

/* The access that `exit` named is done; no plain move waits (see mmio_finish_move). */
enum emu_result mmio_next(struct arch_vcpu *vcpu, struct cpu_view *view, struct vm_exit *exit);

/*
 * The same for a plain move, which needs no view: length of the instruction, whose
 * result is in place; 0: none waits.
 */
static inline u32 mmio_finish_move(struct arch_vcpu *vcpu, const struct vm_exit *exit)
{
	const struct insn *move = vcpu->move;

	if (!move)
		return 0;
	vcpu->move = NULL;
	if (!exit->mmio.write)
		move_write(move, vcpu->gpr, exit->mmio.value, move->mem_size);
	return move->length;
}

#endif
