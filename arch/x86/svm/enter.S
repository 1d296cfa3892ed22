/* SPDX-License-Identifier: Apache-2.0 */
/* The world switch of SVM (APM vol. 2, 15.5). */

	.section .note.GNU-stack, "", @progbits
	.text

	/*
	 * svm_enter(rdi = address of the VMCB, rsi = u64 gpr[16], rdx = address
	 * of the VMCB that holds this CPU's FS, GS, TR, LDTR and call MSRs).
	 * RAX and RSP of the guest travel in the VMCB. IF = 0 at call and return.
	 */
	.globl	svm_enter
svm_enter:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdx				/* host's VMCB, for after */
	push	%rsi				/* gpr[], for after */
	clgi					/* nothing comes between here and VMRUN */
	sti					/* with V_INTR_MASKING the host's IF lets INTR exit */
	mov	%rdi, %rax
	vmload	%rax
	mov	8(%rsi), %rcx
	mov	16(%rsi), %rdx
	mov	24(%rsi), %rbx
	mov	40(%rsi), %rbp
	mov	56(%rsi), %rdi
	mov	64(%rsi), %r8
	mov	72(%rsi), %r9
	mov	80(%rsi), %r10
	mov	88(%rsi), %r11
	mov	96(%rsi), %r12
	mov	104(%rsi), %r13
	mov	112(%rsi), %r14
	mov	120(%rsi), %r15
	mov	48(%rsi), %rsi
	vmrun	%rax
	vmsave	%rax				/* RAX is ours again: the VMCB's address */
	mov	(%rsp), %rax
	mov	%rcx, 8(%rax)
	mov	%rdx, 16(%rax)
	mov	%rbx, 24(%rax)
	mov	%rbp, 40(%rax)
	mov	%rsi, 48(%rax)
	mov	%rdi, 56(%rax)
	mov	%r8, 64(%rax)
	mov	%r9, 72(%rax)
	mov	%r10, 80(%rax)
	mov	%r11, 88(%rax)
	mov	%r12, 96(%rax)
	mov	%r13, 104(%rax)
	mov	%r14, 112(%rax)
	mov	%r15, 120(%rax)
	pop	%rsi
	pop	%rax
	vmload	%rax				/* our GS, TR and the rest */
	cli
	stgi					/* an NMI that waited comes now */
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
