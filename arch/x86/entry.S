/* SPDX-License-Identifier: Apache-2.0 */
/* First instructions of the boot CPU, of the other CPUs, and of every exception. */

	.section .note.GNU-stack, "", @progbits
	.code64

	/* From the UEFI application: RDI = hand-over record. */
	.section .text.entry, "ax", @progbits
	.globl	_start
_start:
	cli
	cld
	lea	boot_stack_top(%rip), %rsp	/* firmware's stack is gone */
	xor	%ebp, %ebp			/* end of the frame chain */
	call	core_main
1:	hlt
	jmp	1b

	/*
	 * Onto a new stack and new tables in one go:
	 * switch_stack(rdi = CR3, rsi = top of stack, rdx = function, rcx = its argument)
	 */
	.text
	.globl	switch_stack
switch_stack:
	mov	%rdi, %cr3
	mov	%rsi, %rsp
	xor	%ebp, %ebp
	mov	%rcx, %rdi
	call	*%rdx
1:	hlt
	jmp	1b

	/*
	 * Exceptions and interrupts. Each stub pushes what the processor did
	 * not and its vector; struct trap_frame in trap.h has this order.
	 */
	.balign	16
	.globl	trap_stubs
trap_stubs:
	number = 0
	.rept	256
	.balign	16
	/* The processor pushes a code for these alone (SDM vol. 3, table 6-1). */
	.if	!((number == 8) || ((number >= 10) && (number <= 14)) || (number == 17) || (number == 21) || (number == 29) || (number == 30))
	push	$0
	.endif
	push	$number
	jmp	trap_common
	number = number + 1
	.endr

	.balign	16
trap_common:
	cld
	push	%rax
	push	%rcx
	push	%rdx
	push	%rbx
	push	%rbp
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, %rdi			/* struct trap_frame * */
	mov	%rsp, %rbx			/* callee-saved: survives the call */
	and	$-16, %rsp			/* the ABI's alignment */
	call	trap_handle
	mov	%rbx, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rbp
	pop	%rbx
	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$16, %rsp			/* vector and error code */
	iretq

	/*
	 * Start of another CPU: copied below 1 MiB, entered in real mode at
	 * CS:0 with CS = page << 8. The words at its end are filled by smp.c.
	 */
	.section .rodata
	.balign	16
	.globl	smp_trampoline, smp_trampoline_data, smp_trampoline_end
	.code16
smp_trampoline:
	cli
	cld
	mov	%cs, %ax
	mov	%ax, %ds
	movzwl	%ax, %ebx
	shl	$4, %ebx			/* linear address of this page */
	lea	(smp_gdt - smp_trampoline)(%ebx), %eax
	mov	%eax, smp_gdt_pointer + 2 - smp_trampoline
	lgdtl	smp_gdt_pointer - smp_trampoline
	lea	(smp_long - smp_trampoline)(%ebx), %eax
	mov	%eax, smp_far - smp_trampoline
	mov	$0x20, %eax			/* CR4.PAE */
	mov	%eax, %cr4
	mov	smp_trampoline_data - smp_trampoline, %eax
	mov	%eax, %cr3			/* below 4 GiB */
	mov	$0xc0000080, %ecx		/* EFER */
	rdmsr
	or	$0x900, %eax			/* LME | NXE */
	wrmsr
	mov	$0x80000011, %eax		/* PG | ET | PE */
	mov	%eax, %cr0
	ljmpl	*(smp_far - smp_trampoline)
	.code64
smp_long:
	mov	%ebx, %ebx			/* clear the upper half */
	mov	(smp_trampoline_data - smp_trampoline) + 8(%rbx), %rax
	mov	%rax, %cr3			/* may lie above 4 GiB */
	mov	(smp_trampoline_data - smp_trampoline) + 16(%rbx), %rsp
	mov	(smp_trampoline_data - smp_trampoline) + 24(%rbx), %rax
	mov	(smp_trampoline_data - smp_trampoline) + 32(%rbx), %rdi
	xor	%ebp, %ebp
	call	*%rax
1:	hlt
	jmp	1b
	.balign	8
smp_gdt:
	.quad	0
	.quad	0x00af9b000000ffff		/* 64-bit code */
	.quad	0x00cf93000000ffff		/* data */
smp_gdt_pointer:
	.word	. - smp_gdt - 1
	.long	0
	.balign	8
smp_far:
	.long	0
	.word	8
	.balign	8
smp_trampoline_data:
	.quad	0, 0, 0, 0, 0
smp_trampoline_end:

	.bss
	.balign	4096
boot_stack:
	.skip	16384
	.globl	boot_stack_top
boot_stack_top:
