// SPDX-License-Identifier: Apache-2.0
/* Puts a vCPU into 64-bit mode before its first instruction. */
#include "guest/longmode.h"

#include "arch/x86/cpu.h"
#include "guest/layout.h"

#define GUEST_CODE  0x10
#define GUEST_DATA  0x18
#define GUEST_TSS   0x20
#define ENTRY_TABLE 3ULL /* present, writable */
#define ENTRY_LARGE 0x83ULL

/* The first 4 GiB one to one: four directories of 2 MiB pages. */
static enum err map(struct vm *vm)
{
	u64 table[512] = { LAYOUT_PAGE_TABLES + PAGE_SIZE + ENTRY_TABLE };
	enum err e = gmem_write(&vm->memory, GPA(LAYOUT_PAGE_TABLES), table, sizeof(table));

	for (u32 i = 0; i < 512; i++)
		table[i] = i < 4 ? LAYOUT_PAGE_TABLES + (2 + i) * PAGE_SIZE + ENTRY_TABLE : 0;
	if (!e)
		e = gmem_write(&vm->memory, GPA(LAYOUT_PAGE_TABLES + PAGE_SIZE), table,
			       sizeof(table));
	for (u64 directory = 0; directory < 4 && !e; directory++) {
		for (u64 i = 0; i < 512; i++)
			table[i] = (directory << 30 | i << 21) + ENTRY_LARGE;
		e = gmem_write(&vm->memory, GPA(LAYOUT_PAGE_TABLES + (2 + directory) * PAGE_SIZE),
			       table, sizeof(table));
	}
	return e;
}

enum err longmode_enter(struct vm *vm, u64 rip)
{
	static const u64 gdt[] = {
		0,
		0,
		0x00af9b000000ffffULL, /* 10h: 64-bit code */
		0x00cf93000000ffffULL, /* 18h: data */
		0x00008b0000000067ULL, /* 20h: a TSS that is never used */
		0,
	};
	const struct x86_segment code = { GUEST_CODE, 0xa9b, 0xffffffff, 0 };
	const struct x86_segment data = { GUEST_DATA, 0xc93, 0xffffffff, 0 };
	struct x86_state state = {
		.rip = rip,
		.rflags = RFLAGS_FIXED,
		.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG,
		.cr3 = LAYOUT_PAGE_TABLES,
		.cr4 = CR4_PAE,
		.efer = EFER_LME | EFER_LMA,
		.cs = code,
		.ss = data,
		.ds = data,
		.es = data,
		.fs = data,
		.gs = data,
		.ldtr = { 0, 0x82, 0xffff, 0 },
		.tr = { GUEST_TSS, 0x8b, 0x67, 0 },
		.gdtr = { 0, 0, sizeof(gdt) - 1, LAYOUT_GDT },
		.idtr = { 0, 0, 0, 0 },
	};

	enum err e = map(vm);

	state.gpr[GPR_RSI] = LAYOUT_ZERO_PAGE;
	state.gpr[GPR_RSP] = LAYOUT_STACK_TOP;
	virt->set_state(&vm->vcpus[0]->arch, &state);
	return e ? e : gmem_write(&vm->memory, GPA(LAYOUT_GDT), gdt, sizeof(gdt));
}
