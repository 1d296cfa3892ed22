/* SPDX-License-Identifier: Apache-2.0 */
/* The hypervisor's ELF file, carried inside the UEFI application. */

	.section .note.GNU-stack, "", @progbits

	.section .data.payload, "aw", @progbits
	.balign	16
	.globl	facet_elf_start
facet_elf_start:
	.incbin	"facet.stripped.elf"	/* found through -I: it lies in the build folder */
	.globl	facet_elf_end
facet_elf_end:
	.byte	0
