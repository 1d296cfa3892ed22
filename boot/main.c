// SPDX-License-Identifier: Apache-2.0
/* The UEFI application: reads the boot volume, quiets devices, enters the hypervisor. */
#include <efi.h>
#include <efilib.h>

#include "boot/boot.h"

static void find_rsdp(struct handover *record)
{
	EFI_GUID acpi2 = ACPI_20_TABLE_GUID;
	EFI_GUID acpi1 = ACPI_TABLE_GUID;
	void *table = NULL;

	if (EFI_ERROR(LibGetSystemConfigurationTable(&acpi2, &table)))
		LibGetSystemConfigurationTable(&acpi1, &table);
	record->rsdp = (UINTN)table;
}

/* Days since 1970-01-01 of a proleptic Gregorian date. */
static u64 days_from_civil(u64 year, u64 month, u64 day)
{
	u64 shifted = month <= 2 ? year - 1 : year;
	u64 month_index = (month + 9) % 12; /* March is 0 */
	u64 day_of_year = (153 * month_index + 2) / 5 + day - 1;

	return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + day_of_year - 719468;
}

static void read_clock(struct handover *record)
{
	EFI_TIME t;

	if (EFI_ERROR(uefi_call_wrapper(RT->GetTime, 2, &t, NULL)) || t.Year < 1970)
		return;
	record->unix_seconds = days_from_civil(t.Year, t.Month, t.Day) * 86400 + t.Hour * 3600ULL +
			       t.Minute * 60ULL + t.Second;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table)
{
	u64 boot_tsc = boot_rdtsc();
	struct handover *record;
	struct boot_entry entry;
	EFI_STATUS status;

	InitializeLib(image, system_table);
	uefi_call_wrapper(BS->SetWatchdogTimer, 4, 0, 0, 0, NULL);
	Print(L"Facet: loading\r\n");

	record = boot_allocate((sizeof(*record) + 4095) / 4096);
	if (!record) {
		Print(L"Facet: not enough memory for the hand-over record\r\n");
		return EFI_OUT_OF_RESOURCES;
	}
	record->magic = HANDOVER_MAGIC;
	record->record_size = sizeof(*record);
	record->boot_tsc = boot_tsc;
	status = boot_load_files(image, record);
	if (EFI_ERROR(status))
		return status;
	status = boot_load_image(record, &entry);
	if (EFI_ERROR(status)) {
		Print(L"Facet: cannot place the hypervisor in memory: %r\r\n", status);
		return status;
	}
	find_rsdp(record);
	read_clock(record);
	boot_list_processors(record);
	status = boot_build_tables(record, &entry);
	if (EFI_ERROR(status)) {
		Print(L"Facet: not enough memory for page tables\r\n");
		return status;
	}
	boot_quiet_devices();
	status = boot_leave_services(image, record);
	if (EFI_ERROR(status))
		return status;
	boot_enter(record, &entry);
}
