/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of the UEFI application, in the order in which main.c takes them. */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include <efi.h>

#include "core/handover.h"

struct boot_entry {
	u64 entry;	/* linked address of the hypervisor's first instruction */
	u64 page_table; /* physical address of the top-level table */
};

static inline u64 boot_rdtsc(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

/* Zeroed, page-aligned loader memory; NULL when there is none. */
void *boot_allocate(UINTN pages);

/*
 * Read \facet\facet.conf and the files that it names from the volume that
 * `image` came from. Only a volume that cannot be opened is an error here: a
 * missing file is recorded, and the hypervisor reports it with its line.
 */
EFI_STATUS boot_load_files(EFI_HANDLE image, struct handover *record);

/* Copy the embedded hypervisor's segments to one physical range. */
EFI_STATUS boot_load_image(struct handover *record, struct boot_entry *entry);

/* RAM one to one, the image where it is linked. */
EFI_STATUS boot_build_tables(const struct handover *record, struct boot_entry *entry);

/* What UEFI's MP services say; nothing where firmware has none. Boot services run. */
void boot_list_processors(struct handover *record);

/* Disconnect every driver from PCI devices and switch bus mastering off. */
void boot_quiet_devices(void);

/* Fill in the memory map and end boot services. */
EFI_STATUS boot_leave_services(EFI_HANDLE image, struct handover *record);

_Noreturn void boot_enter(const struct handover *record, const struct boot_entry *entry);

#endif
