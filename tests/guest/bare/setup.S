/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first two sectors of the bare guest: a Linux setup header, so that any loader of the
 * Linux boot protocol takes it for a bzImage, and the 16-bit way in that QEMU's own -kernel
 * uses. A loader that enters in 32 or 64 bits needs only the header.
 * Linux, Documentation/arch/x86/boot.rst, protocol 2.15.
 */

	.code16
	.section .text, "ax"
	.globl	_start
_start:
	.org	0x1f1
	.byte	1			/* setup_sects: one after the boot sector */
	.word	0			/* root_flags */
	.long	BARE_PARAGRAPHS		/* syssize: the rest of the file in 16 bytes */
	.word	0			/* ram_size */
	.word	0xffff			/* vid_mode: normal */
	.word	0			/* root_dev */
	.word	0xaa55
	.byte	0xeb, entry16 - header	/* jmp entry16 */
header:
	.ascii	"HdrS"
	.word	0x020f			/* version */
	.long	0			/* realmode_swtch */
	.word	0			/* start_sys_seg */
	.word	version - 0x200		/* kernel_version */
	.byte	0			/* type_of_loader */
	.byte	0x01			/* loadflags: LOADED_HIGH */
	.word	0			/* setup_move_size */
	.long	0x100000		/* code32_start */
	.long	0, 0			/* ramdisk_image, ramdisk_size */
	.long	0			/* bootsect_kludge */
	.word	0			/* heap_end_ptr */
	.byte	0, 0			/* ext_loader_ver, ext_loader_type */
	.long	0			/* cmd_line_ptr */
	.long	0x7fffffff		/* initrd_addr_max */
	.long	0x200000		/* kernel_alignment */
	.byte	1			/* relocatable_kernel: it moves itself */
	.byte	21			/* min_alignment */
	.word	1			/* xloadflags: XLF_KERNEL_64 */
	.long	2047			/* cmdline_size */
	.long	0			/* hardware_subarch */
	.quad	0			/* hardware_subarch_data */
	.long	0, 0			/* payload_offset, payload_length */
	.quad	0			/* setup_data */
	.quad	BARE_LINK		/* pref_address */
	.long	BARE_MEMORY		/* init_size */
	.long	0			/* handover_offset */
	.long	0			/* kernel_info_offset */

entry16:
	cli
	xorl	%esi, %esi
	movw	%ds, %si		/* the loader points DS at these sectors */
	shll	$4, %esi		/* which serve as boot_params: same layout */
	leal	gdt(%esi), %eax
	movl	%eax, gdt_pointer + 2
	lgdtl	gdt_pointer
	movl	%cr0, %eax
	orl	$1, %eax
	movl	%eax, %cr0
	movw	$0x18, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	ljmpl	$0x10, $0x100000	/* the 32-bit way in; ESI: boot_params */

	.balign	8
gdt:
	.quad	0
	.quad	0
	.quad	0x00cf9b000000ffff	/* 0x10: flat 32-bit code */
	.quad	0x00cf93000000ffff	/* 0x18: flat data */
gdt_pointer:
	.word	31
	.long	0
version:
	.asciz	"facet bare test guest"
	.org	0x400
