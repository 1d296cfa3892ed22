/* SPDX-License-Identifier: Apache-2.0 */
/* Loads a Linux bzImage by the 64-bit boot protocol (Documentation/arch/x86/boot.rst). */
#ifndef GUEST_LINUX_H
#define GUEST_LINUX_H

#include "core/files.h"
#include "core/vm.h"

/* What goes where; found by linux_plan(), carried out in steps by machine.c. */
struct linux_plan {
	const u8 *kernel; /* protected-mode part of the file */
	u64 kernel_size;
	u64 kernel_gpa;
	u64 initrd_gpa; /* 0: none */
	u64 initrd_size;
	const struct boot_file *kernel_file;
};

/*
 * Check the kernel image and find places for it and the initrd. On an error
 * one line has been logged that names guest, file and what is wrong.
 * ERR_INVALID: no bzImage with a 64-bit entry; ERR_NO_MEMORY: RAM too small.
 */
must_check enum err linux_plan(const struct vm *vm, const struct boot_file *kernel,
			       const struct boot_file *initrd, struct linux_plan *plan);

/*
 * Kernel and initrd are in place: write zero page, command line, page tables
 * and GDT, and give the boot vCPU its first state.
 */
must_check enum err linux_finish(struct vm *vm, const struct linux_plan *plan);

#endif
