/* SPDX-License-Identifier: Apache-2.0 */
/* Where things are in a guest's physical address space. */
#ifndef GUEST_LAYOUT_H
#define GUEST_LAYOUT_H

#include "core/gmem.h"
#include "core/lib/types.h"

/*
 *   0                  RAM; below 640 KiB our start-up structures, then the guest's
 *   000a0000           reserved; ACPI tables from 000e0000
 *   00100000           RAM up to 3 GiB (GMEM_HOLE_START)
 *   c0000000           32-bit window for BARs
 *   e0000000           ECAM, 256 buses
 *   fec00000 fee00000  I/O APIC, local APIC
 *   1_00000000         RAM beyond 3 GiB
 *   80_00000000        64-bit window for BARs
 */
#define LAYOUT_GDT	   0x8000ULL
#define LAYOUT_PAGE_TABLES 0x9000ULL /* six pages */
#define LAYOUT_ZERO_PAGE   0x10000ULL
#define LAYOUT_CMDLINE	   0x11000ULL
#define LAYOUT_LOW_END	   0x9f000ULL
#define LAYOUT_ACPI	   0xe0000ULL
#define LAYOUT_ACPI_SIZE   0x10000ULL
#define LAYOUT_RSDP	   0xf0000ULL
#define LAYOUT_HIGH	   0x100000ULL
#define LAYOUT_BAR32	   0xc0000000ULL
#define LAYOUT_BAR32_SIZE  0x20000000ULL
#define LAYOUT_ECAM	   0xe0000000ULL
#define LAYOUT_ECAM_SIZE   0x10000000ULL
#define LAYOUT_BAR64	   0x8000000000ULL
#define LAYOUT_BAR64_SIZE  0x2000000000ULL

#define LAYOUT_PM1_EVENT   0x600
#define LAYOUT_PM1_CONTROL 0x604
#define LAYOUT_PM_TIMER	   0x608
#define LAYOUT_RESET_PORT  0xcf9
#define LAYOUT_RESET_VALUE 6
#define LAYOUT_SCI	   9
#define LAYOUT_S5_TYPE	   5

#endif
