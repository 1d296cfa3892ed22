/* SPDX-License-Identifier: Apache-2.0 */
/* The ACPI tables as they lie in a guest's memory; a table that is too long is an error here. */
#include "guest/layout.h"

	.macro	table file, address
	.org	acpi_tables + \address - LAYOUT_RSDP
	.incbin	"acpi/\file\().aml"	/* found through -I: it lies in the build folder */
	.endm

	.section .note.GNU-stack, "", @progbits

	.section .rodata
	.balign	16
	.globl	acpi_tables
acpi_tables:
	table	rsdp, LAYOUT_RSDP
	table	xsdt, LAYOUT_XSDT
	table	mcfg, LAYOUT_MCFG
	table	facs, LAYOUT_FACS
	table	madt, LAYOUT_MADT
	table	fadt, LAYOUT_FADT
	table	dsdt, LAYOUT_DSDT
	.set	size, . - acpi_tables

	.balign	4
	.globl	acpi_tables_size
acpi_tables_size:
	.long	size
