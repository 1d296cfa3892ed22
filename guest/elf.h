/* SPDX-License-Identifier: Apache-2.0 */
/* Linux as an uncompressed ELF64 executable: vmlinux (System V ABI, chapters 4 and 5). */
#ifndef GUEST_ELF_H
#define GUEST_ELF_H

#include "guest/linux.h"

/* The file begins like an ELF file, of whichever kind. */
must_check bool elf_is(const struct boot_file *file);

/*
 * Check plan->kernel_file and fill in what linux_plan() does for a kernel: its
 * segments at their physical addresses, its end and its entry.
 * ERR_INVALID: no such executable; ERR_NO_MEMORY: RAM too small. One line has been logged then.
 */
must_check enum err elf_plan(const struct vm *vm, struct linux_plan *plan);

#endif
