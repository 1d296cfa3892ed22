// SPDX-License-Identifier: Apache-2.0
/*
 * Firmware that leaves remapping on: a UEFI application that switches the IOMMU on, with tables of
 * its own in which every device reaches all memory and no interrupt passes, and
 * then starts \facet\facet.efi.
 *
 * VT-d: Intel's specification 4.1; AMD-Vi: AMD's document 48882, revision 3.
 */
#include <efi.h>
#include <efilib.h>

#define PAGE  4096u
#define POLLS 1000000u

/* Of ACPI's tables; in both the blocks that describe units follow 48 bytes. */
#define XSDT_ENTRIES 36
#define BLOCKS	     48
#define DMAR_DRHD    0
#define IVRS_IVHD    0x10

/* VT-d, chapter 11. */
#define VTD_GCMD    0x18
#define VTD_GSTS    0x1c
#define VTD_RTADDR  0x20
#define VTD_IQT	    0x88
#define VTD_IQA	    0x90
#define VTD_IRTA    0xb8
#define VTD_TE	    (1u << 31)
#define VTD_SRTP    (1u << 30)
#define VTD_QIE	    (1u << 26)
#define VTD_IRE	    (1u << 25)
#define VTD_SIRTP   (1u << 24)
#define VTD_ON	    (VTD_TE | VTD_QIE | VTD_IRE)
#define IRTA_256    7u /* entries */
#define WIDTH_48    2u
#define DOMAIN_ONE  (1u << 8)
#define LEAF_1G	    (1u << 7)
#define VTD_RIGHTS  3u
#define FORGET_ALL  (1u << 4)
#define WAIT_STATUS (5u | 1u << 5)

/* AMD-Vi, 2.2, 2.4 and 3.4. */
#define AMD_DEVICES    0x00
#define AMD_COMMANDS   0x08
#define AMD_EVENTS     0x10
#define AMD_CONTROL    0x18
#define AMD_COMMAND_AT 0x2008
#define AMD_ON	       (1u | 1u << 2 | 1u << 12)
#define AMD_QUEUE_256  (8ull << 56)
#define AMD_RIGHTS     (3ull << 61)
#define DEVICE_PAGES   512u
#define LEVELS_4       (4u << 9)
#define LEVELS_3       (3u << 9)
#define NO_INTERRUPTS  (1u | 8u << 1 | 2ull << 60) /* remapped by a table that has none */
#define AMD_FORGET_ALL (8ull << 60)
#define AMD_WAIT       (1ull << 60 | 1u)

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);

/* Zeroed; whoever takes the machine over finds it free once boot services have ended. */
static UINT64 *take_pages(UINTN count)
{
	EFI_PHYSICAL_ADDRESS address = 0;

	if (EFI_ERROR(uefi_call_wrapper(BS->AllocatePages, 4, AllocateAnyPages, EfiBootServicesData,
					count, &address)))
		return NULL;
	ZeroMem((void *)(UINTN)address, count * PAGE);
	return (UINT64 *)(UINTN)address;
}

static UINT8 *find_table(const char *signature)
{
	EFI_GUID acpi2 = ACPI_20_TABLE_GUID;
	UINT8 *rsdp = NULL, *xsdt;

	if (EFI_ERROR(LibGetSystemConfigurationTable(&acpi2, (void **)&rsdp)))
		return NULL;
	xsdt = (UINT8 *)(UINTN) * (UINT64 *)(rsdp + 24);
	for (UINT32 at = XSDT_ENTRIES; at < *(UINT32 *)(xsdt + 4); at += 8) {
		UINT8 *table = (UINT8 *)(UINTN) * (UINT64 *)(xsdt + at);

		if (!CompareMem(table, signature, 4))
			return table;
	}
	return NULL;
}

/* The registers of the first unit; in both vendors' blocks their address stands at 8. */
static volatile UINT8 *first_unit(const UINT8 *table, BOOLEAN amd)
{
	for (UINT32 at = BLOCKS; at < *(const UINT32 *)(table + 4);) {
		const UINT8 *block = table + at;

		if (amd ? block[0] == IVRS_IVHD : *(const UINT16 *)block == DMAR_DRHD)
			return (volatile UINT8 *)(UINTN) * (const UINT64 *)(block + 8);
		at += *(const UINT16 *)(block + 2);
	}
	return NULL;
}

static void set32(volatile UINT8 *at, UINT32 value)
{
	*(volatile UINT32 *)at = value;
}

static void set64(volatile UINT8 *at, UINT64 value)
{
	*(volatile UINT64 *)at = value;
}

static BOOLEAN comes(volatile UINT32 *where, UINT32 mask)
{
	for (UINT32 i = 0; i < POLLS; i++)
		if ((*where & mask) == mask)
			return TRUE;
	return FALSE;
}

/* 512 GiB at their own addresses, in pages of 1 GiB; `next`, `leaf`: bits of an entry. */
static UINT64 *identity(UINT64 next, UINT64 leaf)
{
	UINT64 *top = take_pages(2);

	for (UINT64 i = 0; i < 512; i++)
		top[512 + i] = i << 30 | leaf;
	top[0] = (UINT64)(UINTN)(top + 512) | next;
	return top;
}

static BOOLEAN vtd_command(volatile UINT8 *registers, UINT32 bit)
{
	UINT32 state = *(volatile UINT32 *)(registers + VTD_GSTS) & VTD_ON;

	set32(registers + VTD_GCMD, state | bit);
	return comes((volatile UINT32 *)(registers + VTD_GSTS), bit);
}

static BOOLEAN vtd_on(volatile UINT8 *registers)
{
	UINT64 *root = take_pages(2), *context = root + 512, *queue = take_pages(2);
	UINT64 *pages = identity(VTD_RIGHTS, VTD_RIGHTS | LEAF_1G);
	volatile UINT32 *done = (volatile UINT32 *)(queue + 512);

	for (UINT32 i = 0; i < 256; i++) {
		root[2 * i] = (UINT64)(UINTN)context | 1;
		context[2 * i] = (UINT64)(UINTN)pages | 1;
		context[2 * i + 1] = WIDTH_48 | DOMAIN_ONE;
	}
	set64(registers + VTD_RTADDR, (UINT64)(UINTN)root);
	set64(registers + VTD_IQT, 0);
	set64(registers + VTD_IQA, (UINT64)(UINTN)queue);
	set64(registers + VTD_IRTA, (UINT64)(UINTN)take_pages(1) | IRTA_256);
	if (!vtd_command(registers, VTD_SRTP) || !vtd_command(registers, VTD_QIE) ||
	    !vtd_command(registers, VTD_SIRTP))
		return FALSE;
	queue[0] = 1 | FORGET_ALL; /* contexts */
	queue[2] = 2 | FORGET_ALL; /* pages */
	queue[4] = 4;		   /* interrupt entries */
	queue[6] = WAIT_STATUS | 1ull << 32;
	queue[7] = (UINT64)(UINTN)done;
	set64(registers + VTD_IQT, 4 * 16);
	if (!comes(done, 1) || !vtd_command(registers, VTD_IRE) || !vtd_command(registers, VTD_TE))
		return FALSE;
	Print(L"remap: VT-d on, root %lx, state %x\r\n", (UINT64)(UINTN)root,
	      *(volatile UINT32 *)(registers + VTD_GSTS));
	return TRUE;
}

static BOOLEAN amd_on(volatile UINT8 *registers)
{
	UINT64 *devices = take_pages(DEVICE_PAGES), *commands = take_pages(2),
	       *none = take_pages(1);
	UINT64 *pages = identity(1 | LEVELS_3 | AMD_RIGHTS, 1 | AMD_RIGHTS);
	volatile UINT32 *done = (volatile UINT32 *)(commands + 512);

	for (UINT32 i = 0; i < 65536; i++) {
		devices[4 * i] = 3 | LEVELS_4 | (UINT64)(UINTN)pages | AMD_RIGHTS;
		devices[4 * i + 1] = 1; /* the domain */
		devices[4 * i + 2] = NO_INTERRUPTS | (UINT64)(UINTN)none;
	}
	set64(registers + AMD_DEVICES, (UINT64)(UINTN)devices | (DEVICE_PAGES - 1));
	set64(registers + AMD_COMMANDS, (UINT64)(UINTN)commands | AMD_QUEUE_256);
	set64(registers + AMD_EVENTS, (UINT64)(UINTN)take_pages(1) | AMD_QUEUE_256);
	set64(registers + AMD_CONTROL, AMD_ON);
	commands[0] = AMD_FORGET_ALL;
	commands[2] = AMD_WAIT | (UINT64)(UINTN)done;
	commands[3] = 1;
	set64(registers + AMD_COMMAND_AT, 2 * 16);
	if (!comes(done, 1))
		return FALSE;
	Print(L"remap: AMD-Vi on, devices %lx, control %lx\r\n", (UINT64)(UINTN)devices,
	      *(volatile UINT64 *)(registers + AMD_CONTROL));
	return TRUE;
}

static BOOLEAN remapping_on(void)
{
	UINT8 *dmar = find_table("DMAR"), *ivrs = find_table("IVRS");

	if (dmar)
		return vtd_on(first_unit(dmar, FALSE));
	return ivrs && amd_on(first_unit(ivrs, TRUE));
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table)
{
	EFI_LOADED_IMAGE *loaded;
	EFI_DEVICE_PATH *path;
	EFI_HANDLE facet;
	EFI_STATUS status;

	InitializeLib(image, system_table);
	if (!remapping_on()) {
		Print(L"remap: it does not come on\r\n");
		return EFI_DEVICE_ERROR;
	}
	status = uefi_call_wrapper(BS->HandleProtocol, 3, image, &LoadedImageProtocol,
				   (void **)&loaded);
	if (EFI_ERROR(status))
		return status;
	path = FileDevicePath(loaded->DeviceHandle, L"\\facet\\facet.efi");
	status = uefi_call_wrapper(BS->LoadImage, 6, FALSE, image, path, NULL, 0, &facet);
	if (!EFI_ERROR(status))
		status = uefi_call_wrapper(BS->StartImage, 3, facet, NULL, NULL);
	Print(L"remap: facet.efi: %r\r\n", status);
	return status;
}
