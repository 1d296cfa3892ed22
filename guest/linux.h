/* SPDX-License-Identifier: Apache-2.0 */
/* Loads a Linux bzImage or vmlinux by the 64-bit boot protocol (Linux: arch/x86/boot.rst). */
#ifndef GUEST_LINUX_H
#define GUEST_LINUX_H

#include "core/files.h"
#include "core/vm.h"

#define LINUX_KERNEL_PARTS 16

/* A piece of a file and where it goes. */
struct linux_part {
	u64 gpa;
	const u8 *data;
	u64 size;
};

/* What goes where; found by linux_plan(), carried out in steps by machine.c. */
struct linux_plan {
	struct linux_part parts[LINUX_KERNEL_PARTS + 1]; /* one for the initrd */
	u32 part_count;					 /* 1 at least */
	u64 entry;
	u64 kernel_end; /* memory below it is the kernel's or not free */
	u64 initrd_gpa; /* 0: none */
	u64 initrd_size;
	const struct boot_file *kernel_file;
};

/*
 * Check the kernel image and find places for it and the initrd. On an error
 * one line has been logged that names guest, file and what is wrong.
 * ERR_INVALID: no kernel with a 64-bit entry; ERR_NO_MEMORY: RAM too small.
 */
must_check enum err linux_plan(const struct vm *vm, const struct boot_file *kernel,
			       const struct boot_file *initrd, struct linux_plan *plan);

/* For linux_plan() and elf_plan(): log why the file cannot be loaded; ERR_INVALID. */
must_check enum err linux_refuse(const struct vm *vm, const struct boot_file *file,
				 const char *what);

/*
 * For the same: take `size` bytes of guest memory from `gpa` for the kernel; they must
 * lie in RAM above all that was taken before. ERR_INVALID, ERR_NO_MEMORY: logged.
 */
must_check enum err linux_claim(const struct vm *vm, struct linux_plan *plan, u64 gpa, u64 size);

/*
 * Kernel and initrd are in place: write zero page, command line, page tables
 * and GDT, and give the boot vCPU its first state.
 */
must_check enum err linux_finish(struct vm *vm, const struct linux_plan *plan);

#endif
