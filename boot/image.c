// SPDX-License-Identifier: Apache-2.0
/* Places the embedded hypervisor and builds the tables that it is entered with. */
#include <efi.h>
#include <efilib.h>
#include <elf.h>

#include "boot/boot.h"

extern const UINT8 facet_elf_start[] __attribute__((visibility("hidden")));

#define ENTRY_PRESENT_WRITE 3ULL
#define ENTRY_LARGE	    0x80ULL
#define ADDRESS_MASK	    0x000ffffffffff000ULL

EFI_STATUS boot_load_image(struct handover *record, struct boot_entry *entry)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)facet_elf_start;
	const Elf64_Phdr *segments = (const Elf64_Phdr *)(facet_elf_start + header->e_phoff);
	u64 end = HANDOVER_LOAD_ADDRESS;
	UINT8 *image;

	for (unsigned int i = 0; i < header->e_phnum; i++)
		if (segments[i].p_type == PT_LOAD &&
		    segments[i].p_vaddr + segments[i].p_memsz > end)
			end = segments[i].p_vaddr + segments[i].p_memsz;
	record->image_size = (end - HANDOVER_LOAD_ADDRESS + 4095) & ~4095ULL;
	image = boot_allocate(record->image_size / 4096);
	if (!image)
		return EFI_OUT_OF_RESOURCES;
	for (unsigned int i = 0; i < header->e_phnum; i++)
		if (segments[i].p_type == PT_LOAD)
			CopyMem(image + (segments[i].p_vaddr - HANDOVER_LOAD_ADDRESS),
				facet_elf_start + segments[i].p_offset, segments[i].p_filesz);
	record->image_base = (UINTN)image;
	entry->entry = header->e_entry;
	return EFI_SUCCESS;
}

/* The table that entry `index` of `table` points to, made when absent. */
static u64 *next_table(u64 *table, u64 index)
{
	if (!table[index]) {
		u64 *next = boot_allocate(1);

		if (!next)
			return NULL;
		table[index] = (UINTN)next | ENTRY_PRESENT_WRITE;
	}
	return (u64 *)(UINTN)(table[index] & ADDRESS_MASK);
}

/* Map one page: 2 MiB when `large`, else 4 KiB. */
static BOOLEAN map_page(u64 *root, u64 va, u64 pa, BOOLEAN large)
{
	u64 *table = root;

	for (int shift = 39; shift > (large ? 21 : 12); shift -= 9) {
		table = next_table(table, (va >> shift) & 511);
		if (!table)
			return FALSE;
	}
	table[(va >> (large ? 21 : 12)) & 511] =
		pa | ENTRY_PRESENT_WRITE | (large ? ENTRY_LARGE : 0);
	return TRUE;
}

/* Highest RAM address, at least 4 GiB. */
static u64 top_of_memory(void)
{
	UINTN count, key, descriptor_size;
	UINT32 version;
	EFI_MEMORY_DESCRIPTOR *map = LibMemoryMap(&count, &key, &descriptor_size, &version);
	u64 top = 1ULL << 32;

	for (UINTN i = 0; map && i < count; i++) {
		EFI_MEMORY_DESCRIPTOR *d = (void *)((UINT8 *)map + i * descriptor_size);
		u64 end = d->PhysicalStart + d->NumberOfPages * 4096;

		if (d->Type == EfiConventionalMemory && end > top)
			top = end;
	}
	if (map)
		FreePool(map);
	return top;
}

EFI_STATUS boot_build_tables(const struct handover *record, struct boot_entry *entry)
{
	u64 *root = boot_allocate(1);
	u64 top = top_of_memory();

	if (!root)
		return EFI_OUT_OF_RESOURCES;
	for (u64 pa = 0; pa < top; pa += 2ULL << 20)
		if (!map_page(root, pa, pa, TRUE))
			return EFI_OUT_OF_RESOURCES;
	for (u64 offset = 0; offset < record->image_size; offset += 4096)
		if (!map_page(root, HANDOVER_LOAD_ADDRESS + offset, record->image_base + offset,
			      FALSE))
			return EFI_OUT_OF_RESOURCES;
	entry->page_table = (UINTN)root;
	return EFI_SUCCESS;
}

_Noreturn void boot_enter(const struct handover *record, const struct boot_entry *entry)
{
	__asm__ volatile("cli\n\t"
			 "mov %0, %%cr3\n\t" /* RAM is one to one in both tables: we stay mapped */
			 "jmp *%1" ::"r"(entry->page_table),
			 "r"(entry->entry), "D"(record)
			 : "memory");
	__builtin_unreachable();
}
