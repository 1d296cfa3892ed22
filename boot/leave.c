// SPDX-License-Identifier: Apache-2.0
/* Quiets devices and ends boot services, with the memory map as the last word. */
#include <efi.h>
#include <efilib.h>
#include <efipciio.h>

#include "boot/boot.h"

/* All drivers first: one may use another's function once more to end its work. */
void boot_quiet_devices(void)
{
	static EFI_GUID pci_io = EFI_PCI_IO_PROTOCOL_GUID;
	EFI_HANDLE *handles = NULL;
	UINTN count = 0;
	EFI_PCI_IO *function;

	Print(L"Facet: stopping firmware drivers\r\n");
	if (EFI_ERROR(uefi_call_wrapper(BS->LocateHandleBuffer, 5, ByProtocol, &pci_io, NULL,
					&count, &handles)))
		return;
	for (UINTN i = 0; i < count; i++)
		uefi_call_wrapper(BS->DisconnectController, 3, handles[i], NULL, NULL);
	for (UINTN i = 0; i < count; i++)
		if (!EFI_ERROR(uefi_call_wrapper(BS->HandleProtocol, 3, handles[i], &pci_io,
						 (void **)&function)))
			uefi_call_wrapper(function->Attributes, 4, function,
					  EfiPciIoAttributeOperationDisable,
					  EFI_PCI_IO_ATTRIBUTE_BUS_MASTER, NULL);
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
