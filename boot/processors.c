// SPDX-License-Identifier: Apache-2.0
/* Lists the processors as UEFI's MP services know them (PI specification 1.8, vol. 2, 13.4). */
#include <efi.h>
#include <efilib.h>

#include "boot/boot.h"

#define STATUS_ENABLED 2u
#define STATUS_HEALTHY 4u

/* GNU-EFI has no declaration of the protocol: as much of it as is called. */
struct processor_information {
	UINT64 apic_id;
	UINT32 status;
	UINT32 location[3];
	UINT32 extended_location[6]; /* of later revisions */
};

struct mp_services {
	EFI_STATUS(EFIAPI *get_number)(struct mp_services *self, UINTN *all, UINTN *enabled);
	EFI_STATUS(EFIAPI *get_info)
	(struct mp_services *self, UINTN number, struct processor_information *info);
};

void boot_list_processors(struct handover *record)
{
	static EFI_GUID guid = {
		0x3fdda605, 0xa76e, 0x4f46, { 0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08 }
	};
	struct mp_services *mp = NULL;
	UINTN all = 0, enabled = 0;

	if (EFI_ERROR(uefi_call_wrapper(BS->LocateProtocol, 3, &guid, NULL, (void **)&mp)) ||
	    EFI_ERROR(uefi_call_wrapper(mp->get_number, 3, mp, &all, &enabled)))
		return;
	for (UINTN i = 0; i < all && record->cpu_count < HANDOVER_CPUS_MAX; i++) {
		struct processor_information info = { 0 };

		if (EFI_ERROR(uefi_call_wrapper(mp->get_info, 3, mp, i, &info)))
			continue;
		record->cpus[record->cpu_count++] = (struct handover_cpu){
			.apic_id = (u32)info.apic_id,
			.usable = (info.status & STATUS_ENABLED) && (info.status & STATUS_HEALTHY),
		};
	}
}
