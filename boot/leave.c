// SPDX-License-Identifier: Apache-2.0
/* Quiets devices and ends boot services, with the memory map as the last word. */
#include <efi.h>
#include <efilib.h>

#include "boot/boot.h"

#define PCI_ADDRESS_PORT 0xcf8
#define PCI_DATA_PORT	 0xcfc
#define PCI_COMMAND	 0x04
#define PCI_HEADER_TYPE	 0x0c /* byte 2 of this dword */
#define COMMAND_MASTER	 0x0004u

static UINT32 pci_read(UINT32 function, UINT32 offset)
{
	UINT32 value;

	__asm__ volatile("outl %0, %1" ::"a"(0x80000000u | function | offset),
			 "Nd"((UINT16)PCI_ADDRESS_PORT));
	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"((UINT16)PCI_DATA_PORT));
	return value;
}

static void pci_write(UINT32 function, UINT32 offset, UINT32 value)
{
	__asm__ volatile("outl %0, %1" ::"a"(0x80000000u | function | offset),
			 "Nd"((UINT16)PCI_ADDRESS_PORT));
	__asm__ volatile("outl %0, %1" ::"a"(value), "Nd"((UINT16)PCI_DATA_PORT));
}

/* Leaves the status half zero: its bits are write-one-to-clear. */
static void stop_mastering(UINT32 function)
{
	UINT32 command = pci_read(function, PCI_COMMAND) & 0xffffu;

	if (command & COMMAND_MASTER)
		pci_write(function, PCI_COMMAND, command & ~COMMAND_MASTER);
}

static void stop_all_mastering(void)
{
	for (UINT32 device = 0; device < 256 * 32; device++) {
		UINT32 first = device << 11;
		UINT32 functions = 1;

		if ((pci_read(first, 0) & 0xffffu) == 0xffffu)
			continue;
		if (pci_read(first, PCI_HEADER_TYPE) & 0x00800000u)
			functions = 8;
		for (UINT32 i = 0; i < functions; i++)
			if ((pci_read(first | i << 8, 0) & 0xffffu) != 0xffffu)
				stop_mastering(first | i << 8);
	}
}

void boot_quiet_devices(void)
{
	static EFI_GUID pci_io = {
		0x4cf5b200, 0x68b8, 0x4ca5, { 0x9e, 0xec, 0xb2, 0x3e, 0x3f, 0x50, 0x02, 0x9a }
	};
	EFI_HANDLE *handles = NULL;
	UINTN count = 0;

	Print(L"Facet: stopping firmware drivers\r\n");
	if (!EFI_ERROR(uefi_call_wrapper(BS->LocateHandleBuffer, 5, ByProtocol, &pci_io, NULL,
					 &count, &handles)))
		for (UINTN i = 0; i < count; i++)
			uefi_call_wrapper(BS->DisconnectController, 3, handles[i], NULL, NULL);
	stop_all_mastering();
}

static u64 kind_of(UINT32 type)
{
	switch (type) {
	case EfiConventionalMemory:
	case EfiBootServicesCode:
	case EfiBootServicesData:
		return HANDOVER_FREE;
	case EfiLoaderCode:
	case EfiLoaderData:
		return HANDOVER_LOADER;
	case EfiACPIReclaimMemory:
	case EfiACPIMemoryNVS:
		return HANDOVER_ACPI;
	default:
		return HANDOVER_RESERVED;
	}
}

/* Put the range in its place by address; joins a neighbour of the same kind. */
static void add_memory(struct handover *record, u64 base, u64 size, u64 kind)
{
	struct handover_memory *list = record->memory;
	u64 at = record->memory_count;

	while (at && list[at - 1].base > base)
		at--;
	if (at && list[at - 1].base + list[at - 1].size == base && list[at - 1].kind == kind) {
		list[at - 1].size += size;
		return;
	}
	if (record->memory_count == HANDOVER_MEMORY_MAX)
		return;
	for (u64 i = record->memory_count; i > at; i--)
		list[i] = list[i - 1];
	list[at] = (struct handover_memory){ base, size, kind };
	record->memory_count++;
}

#define MAP_BUFFER_PAGES 16

EFI_STATUS boot_leave_services(EFI_HANDLE image, struct handover *record)
{
	EFI_MEMORY_DESCRIPTOR *map = boot_allocate(MAP_BUFFER_PAGES);
	UINTN size, key, descriptor_size;
	UINT32 version;
	EFI_STATUS status = EFI_OUT_OF_RESOURCES;

	/* The map may change under GetMemoryMap once: the specification asks for one retry. */
	for (int attempt = 0; map && attempt < 3; attempt++) {
		size = MAP_BUFFER_PAGES * 4096;
		status = uefi_call_wrapper(BS->GetMemoryMap, 5, &size, map, &key, &descriptor_size,
					   &version);
		if (EFI_ERROR(status))
			return status;
		status = uefi_call_wrapper(BS->ExitBootServices, 2, image, key);
		if (!EFI_ERROR(status))
			break;
	}
	if (EFI_ERROR(status))
		return status;
	for (UINTN offset = 0; offset < size; offset += descriptor_size) {
		EFI_MEMORY_DESCRIPTOR *d = (void *)((UINT8 *)map + offset);

		add_memory(record, d->PhysicalStart, d->NumberOfPages * 4096, kind_of(d->Type));
	}
	return EFI_SUCCESS;
}
