/* SPDX-License-Identifier: Apache-2.0 */
/* Resumable executor of decoded instructions: the caller performs the memory accesses. */
#ifndef ARCH_X86_EMULATE_H
#define ARCH_X86_EMULATE_H

#include "arch/x86/insn.h"
#include "core/lib/types.h"

/*
 * One instruction, or one iteration of a repeated one, runs as
 *
 *   emu_begin --> emu_next --> EMU_READ   caller fills access.value,  --> emu_next
 *                          --> EMU_WRITE  caller stores access.value, --> emu_next
 *                          --> EMU_DONE   the registers have changed
 *
 * with at most one read and one write, in that order. Nothing architectural
 * changes before EMU_DONE: when an access faults, the caller drops the struct
 * emu and injects the fault; when it must wait, it keeps the struct and goes on
 * later, provided the vCPU has not run meanwhile.
 *
 * No locks, no globals; the only memory touched is what the arguments point to.
 * emu_next() does bounded work and cannot fail.
 */

/* The part of a vCPU that instructions see. */
struct emu_cpu {
	u64 *gpr; /* 16 registers in encoding order, see enum x86_reg */
	u64 rip;
	u64 rflags;
	u64 seg_base[X86_SEG_COUNT]; /* 64-bit mode reads FS and GS only */
	enum cpu_mode mode;
};

enum emu_step {
	EMU_READ,  /* fill access.value, then call emu_next() */
	EMU_WRITE, /* store access.value, then call emu_next() */
	EMU_DONE,  /* retired; do not call emu_next() without emu_begin() */
};

/* One memory access; valid after EMU_READ and EMU_WRITE. */
struct emu_access {
	gva_t gva;   /* linear address of the first byte; may cross a page boundary, and wraps at
			4 GiB outside 64-bit mode */
	u64 value;   /* little endian; on EMU_READ the caller stores it zero-extended */
	u8 size;     /* bytes: 1, 2, 4, 8 */
	bool locked; /* this read and the following write are one atomic operation */
};

struct emu {
	struct insn insn;
	struct emu_access access;
	u64 reg_value; /* what retiring writes to a register, if it writes one */
	u64 rflags;    /* what retiring writes to RFLAGS */
	u8 stage;
};

/*
 * Prepares to execute `insn`, which insn_decode() returned OK for with
 * cpu->mode; `insn` is copied (a caller that decodes straight into emu->insn
 * passes its address and saves the copy). Reads the address registers of
 * `cpu`, changes nothing in it.
 *
 * Segment limits, canonical form and permissions are not checked: the processor
 * has done so for the access that brought the exit about, and the caller's walk
 * of the guest's page tables does it for any other.
 */
void emu_begin(struct emu *emu, const struct insn *insn, const struct emu_cpu *cpu);

/*
 * Runs up to the next memory access or to the end.
 *
 * EMU_READ   access.size bytes at access.gva go to access.value, zero-extended.
 * EMU_WRITE  access.value goes to access.size bytes at access.gva. CMPXCHG
 *            writes the old value back when the comparison fails, as hardware.
 * EMU_DONE   the instruction retired: cpu->gpr, rip and rflags are updated. Of a
 *            repeated string instruction one iteration retired; rip is left on
 *            the instruction while rCX is not 0. The caller either returns to
 *            the guest, which takes its interrupts, or begins anew.
 *
 * The caller passes the same, unchanged `cpu` to emu_begin() and to all the
 * emu_next() calls of an instruction.
 *
 * Flags are those of the manual. Where the manual leaves them undefined: AND,
 * OR, XOR and TEST clear AF; BT, BTS, BTR and BTC change CF only. RF and single
 * stepping (TF) are left to the caller.
 */
enum emu_step must_check emu_next(struct emu *emu, struct emu_cpu *cpu);

#endif
