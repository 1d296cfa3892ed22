/* SPDX-License-Identifier: Apache-2.0 */
/* The world switch of VMX (SDM vol. 3, 27 and 28). */

	.section .note.GNU-stack, "", @progbits
	.text

	/*
	 * u64 vmx_enter(rdi = u64 gpr[16], rsi = not 0: the VMCS has been
	 * launched). RSP of the guest lies in the VMCS. Returns 0 after an exit,
	 * else the flags of the instruction that refused: CF or ZF.
	 */
	.globl	vmx_enter, vmx_exited
vmx_enter:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdi				/* gpr[], for after */
	mov	$0x6c14, %eax			/* VMCS_HOST_RSP */
	vmwrite	%rsp, %rax
	test	%rsi, %rsi
	mov	0(%rdi), %rax			/* MOV keeps the flags */
	mov	8(%rdi), %rcx
	mov	16(%rdi), %rdx
	mov	24(%rdi), %rbx
	mov	40(%rdi), %rbp
	mov	48(%rdi), %rsi
	mov	64(%rdi), %r8
	mov	72(%rdi), %r9
	mov	80(%rdi), %r10
	mov	88(%rdi), %r11
	mov	96(%rdi), %r12
	mov	104(%rdi), %r13
	mov	112(%rdi), %r14
	mov	120(%rdi), %r15
	mov	56(%rdi), %rdi
	jz	1f
	vmresume
	jmp	2f
1:	vmlaunch
2:	pushf					/* it refused: we go on here */
	pop	%rax
	and	$0x41, %eax			/* CF, ZF */
	pop	%rdi
	jmp	3f

	.balign	16
vmx_exited:					/* VMCS_HOST_RIP */
	push	%rdi
	mov	8(%rsp), %rdi
	mov	%rax, 0(%rdi)
	pop	%rax				/* the guest's RDI */
	mov	%rax, 56(%rdi)
	pop	%rax				/* gpr[] */
	mov	%rcx, 8(%rdi)
	mov	%rdx, 16(%rdi)
	mov	%rbx, 24(%rdi)
	mov	%rbp, 40(%rdi)
	mov	%rsi, 48(%rdi)
	mov	%r8, 64(%rdi)
	mov	%r9, 72(%rdi)
	mov	%r10, 80(%rdi)
	mov	%r11, 88(%rdi)
	mov	%r12, 96(%rdi)
	mov	%r13, 104(%rdi)
	mov	%r14, 112(%rdi)
	mov	%r15, 120(%rdi)
	xor	%eax, %eax
3:	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
