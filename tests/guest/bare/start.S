/* SPDX-License-Identifier: Apache-2.0 */
/* The bare guest's ways in, in 32 and 64 bits: moves itself to its place, then main(). */

#include "tests/guest/bare/layout.h"

	.section .note.GNU-stack, "", @progbits

	.section .text.start, "ax"
	.code32
	.globl	start32
start32:				/* ESI: boot_params */
	cli
	cld
	leal	0x1e8(%esi), %esp	/* boot_params.scratch: a stack for one call */
	call	1f
1:	popl	%ebp
	subl	$(1b - start32), %ebp	/* where the loader put this */
	movl	%esi, %ebx
	cmpl	$BARE_LINK, %ebp
	je	2f
	movl	%ebp, %esi
	movl	$BARE_LINK, %edi
	movl	$bare_file_size, %ecx
	rep movsb
2:	movl	$3f, %eax
	jmp	*%eax
3:	movl	$bare_bss, %edi
	movl	$bare_bss_size, %ecx
	xorl	%eax, %eax
	rep stosb
	movl	$stack_top, %esp

	/* Identity map of 4 GiB by 2 MiB pages, until main() has made its own. */
	movl	$first_pml4, %edi
	movl	$(first_pdpt + 3), (%edi)
	movl	$first_pdpt, %edi
	movl	$(first_pd + 3), %eax
	movl	$4, %ecx
4:	movl	%eax, (%edi)
	addl	$8, %edi
	addl	$4096, %eax
	loop	4b
	movl	$first_pd, %edi
	movl	$0x83, %eax		/* present, writable, large */
	movl	$2048, %ecx
5:	movl	%eax, (%edi)
	addl	$8, %edi
	addl	$0x200000, %eax
	loop	5b

	lgdt	gdt_pointer
	movl	%cr4, %eax
	orl	$0x20, %eax		/* PAE */
	movl	%eax, %cr4
	movl	$first_pml4, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx	/* EFER */
	rdmsr
	orl	$0x100, %eax		/* LME */
	wrmsr
	movl	%cr0, %eax
	orl	$0x80000000, %eax
	movl	%eax, %cr0
	ljmp	$0x10, $common

	.org	0x200			/* boot protocol: the 64-bit entry */
	.code64
	.globl	start64
start64:				/* RSI: boot_params; identity mapped */
	cli
	cld
	movq	%rsi, %rbx
	leaq	start32(%rip), %rsi
	cmpq	$BARE_LINK, %rsi
	je	1f
	movl	$BARE_LINK, %edi
	movl	$bare_file_size, %ecx
	rep movsb
1:	movl	$2f, %eax
	jmp	*%rax
2:	movl	$bare_bss, %edi
	movl	$bare_bss_size, %ecx
	xorl	%eax, %eax
	rep stosb
	movl	$stack_top, %esp
	lgdt	gdt_pointer
	pushq	$0x10
	pushq	$common
	lretq

common:
	movl	$0x18, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	movl	$stack_top, %esp
	movl	%ebx, %edi
	xorl	%ebp, %ebp
	call	main
6:	hlt
	jmp	6b

	/* The second processor's way in. Copied to BARE_SECOND, which is CS:0 in real mode. */
	.globl	second_code, second_code_end, second_root
	.code16
second_code:
	cli
	xorl	%eax, %eax
	movl	%eax, %ds
	lgdtl	BARE_SECOND + (second_gdt - second_code)
	movl	%cr4, %eax
	orl	$0x20, %eax		/* PAE */
	movl	%eax, %cr4
	movl	BARE_SECOND + (second_root - second_code), %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx	/* EFER */
	rdmsr
	orl	$0x100, %eax		/* LME */
	wrmsr
	movl	%cr0, %eax
	andl	$0x9fffffff, %eax	/* caches on */
	orl	$0x80000001, %eax	/* PG and PE at once: real mode to long mode */
	movl	%eax, %cr0
	ljmpl	$0x10, $second64
	.balign	4
second_root:
	.long	0			/* CR3 */
second_gdt:
	.word	31
	.long	gdt
second_code_end:

	.code64
second64:
	movl	$0x18, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	$second_stack_top, %esp
	xorl	%ebp, %ebp
	call	second_main
8:	hlt
	jmp	8b

	/* Exceptions: one line, then silence. Vectors 0 to 31 are 16 bytes apart. */
	.balign	16
	.globl	exception_stubs
exception_stubs:
	.set	vector, 0
	.rept	32
	.balign	16
	.if	!((1 << vector) & 0x60227d00)
	pushq	$0			/* those without an error code */
	.endif
	pushq	$vector
	jmp	exception_entry
	.set	vector, vector + 1
	.endr
exception_entry:
	movq	(%rsp), %rdi		/* vector */
	movq	8(%rsp), %rsi		/* error code */
	movq	16(%rsp), %rdx		/* RIP */
	movq	%cr2, %rcx
	andq	$-16, %rsp
	call	exception
7:	hlt
	jmp	7b

	.balign	8
gdt:
	.quad	0
	.quad	0
	.quad	0x00af9b000000ffff	/* 0x10: 64-bit code */
	.quad	0x00cf93000000ffff	/* 0x18: data */
gdt_pointer:
	.word	31
	.long	gdt, 0

	.section .bss, "aw", @nobits
	.balign	4096
first_pml4:	.skip 4096
first_pdpt:	.skip 4096
first_pd:	.skip 4 * 4096
	.skip	16384
stack_top:
	.skip	8192
second_stack_top:
