/* SPDX-License-Identifier: Apache-2.0 */
/* Where things are in a guest's physical address space; for C, assembly and ACPI source. */
#ifndef GUEST_LAYOUT_H
#define GUEST_LAYOUT_H

/* Assemblers know no suffix. */
#ifdef __ASSEMBLY__
#define LAYOUT_AT(address) address
#else
#define LAYOUT_AT(address) address##ULL
#endif

/*
 *   0                  RAM; below 640 KiB our start-up structures, then the guest's
 *   000a0000           reserved; a display's ROM from 000c0000, ACPI tables from 000e0000
 *   00100000           RAM up to 3 GiB (GMEM_HOLE_START)
 *   c0000000           32-bit window for BARs
 *   e0000000           ECAM, 256 buses
 *   fec00000 fee00000  I/O APIC, local APIC
 *   1_00000000         RAM beyond 3 GiB
 *   80_00000000        64-bit window for BARs
 */
#define LAYOUT_STACK_TOP   LAYOUT_AT(0x8000)
#define LAYOUT_GDT	   LAYOUT_AT(0x8000)
#define LAYOUT_PAGE_TABLES LAYOUT_AT(0x9000) /* six pages */
#define LAYOUT_ZERO_PAGE   LAYOUT_AT(0x10000)
#define LAYOUT_CMDLINE	   LAYOUT_AT(0x11000)
#define LAYOUT_LOW_END	   LAYOUT_AT(0x9f000)
#define LAYOUT_VIDEO_ROM   LAYOUT_AT(0xc0000)
#define LAYOUT_RSDP	   LAYOUT_AT(0xe0000)
#define LAYOUT_XSDT	   LAYOUT_AT(0xe0040)
#define LAYOUT_MCFG	   LAYOUT_AT(0xe0080)
#define LAYOUT_FACS	   LAYOUT_AT(0xe00c0)
#define LAYOUT_MADT	   LAYOUT_AT(0xe0100)
#define LAYOUT_FADT	   LAYOUT_AT(0xe0200)
#define LAYOUT_DSDT	   LAYOUT_AT(0xe0400)
#define LAYOUT_HIGH	   LAYOUT_AT(0x100000)
#define LAYOUT_BAR32	   LAYOUT_AT(0xc0000000)
#define LAYOUT_BAR32_LAST  LAYOUT_AT(0xdfffffff)
#define LAYOUT_BAR32_SIZE  LAYOUT_AT(0x20000000)
#define LAYOUT_ECAM	   LAYOUT_AT(0xe0000000)
#define LAYOUT_ECAM_SIZE   LAYOUT_AT(0x10000000)
#define LAYOUT_BAR64	   LAYOUT_AT(0x8000000000)
#define LAYOUT_BAR64_LAST  LAYOUT_AT(0x9fffffffff)
#define LAYOUT_BAR64_SIZE  LAYOUT_AT(0x2000000000)

#define LAYOUT_PM1_EVENT   0x600
#define LAYOUT_PM1_CONTROL 0x604
#define LAYOUT_PM_TIMER	   0x608
#define LAYOUT_RESET_PORT  0xcf9
#define LAYOUT_RESET_VALUE 6
#define LAYOUT_SCI	   9
#define LAYOUT_S5_TYPE	   5

/* GSI of INTA of a device on bus 0, or of what is behind the root port there. */
#define LAYOUT_INTX(device) (16 + (device) % 8)

#endif
