/* SPDX-License-Identifier: Apache-2.0 */
/* The devices that no bus tells of: host bridge, ECAM, serial port, RTC; and how to power off. */
#include "guest/layout.h"

#define INTA(device) Package () { (device << 16) | 0xffff, 0, 0, LAYOUT_INTX (device) }

DefinitionBlock ("", "DSDT", 2, "FACET ", "FACETVM ", 1)
{
	Scope (\_SB)
	{
		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A08"))
			Name (_CID, EisaId ("PNP0A03"))
			Name (_UID, 0)
			Name (_SEG, 0)
			Name (_BBN, 0)
			Name (_CRS, ResourceTemplate ()
			{
				WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					0, 0, 255, 0, 256)
				IO (Decode16, 0xcf8, 0xcf8, 1, 8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					EntireRange, 0, 0, 0xcf7, 0, 0xcf8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					EntireRange, 0, 0xd00, 0xffff, 0, 0xf300)
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite, 0, LAYOUT_BAR32,
					LAYOUT_BAR32_LAST, 0,
					LAYOUT_BAR32_SIZE)
				QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					Prefetchable, ReadWrite, 0, LAYOUT_BAR64,
					LAYOUT_BAR64_LAST, 0,
					LAYOUT_BAR64_SIZE)
			})

			/* Device, pin A, GSI (ACPI 6.4, 6.2.13); bridges pass theirs on. */
			Name (_PRT, Package ()
			{
				INTA (1), INTA (2), INTA (3), INTA (4), INTA (5),
				INTA (6), INTA (7), INTA (8), INTA (9), INTA (10),
				INTA (11), INTA (12), INTA (13), INTA (14), INTA (15)
			})

			/* What the OS may control (PCI firmware specification 3.3, 4.5.1). */
			Method (_OSC, 4, Serialized)
			{
				CreateDWordField (Arg3, 0, CDW1)
				CreateDWordField (Arg3, 8, CDW3)
				If (Arg0 == ToUUID ("33db4d5b-1ff7-401c-9657-7441c03dd766"))
				{
					Local0 = CDW3 & 0x11 /* native hot-plug, PCIe capability */
					If (Local0 != CDW3)
					{
						CDW1 |= 0x10 /* some are refused */
					}
					CDW3 = Local0
				}
				Else
				{
					CDW1 |= 0x04 /* unknown UUID */
				}
				Return (Arg3)
			}
		}

		Device (MBRD)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_UID, 0)
			Name (_CRS, ResourceTemplate ()
			{
				Memory32Fixed (ReadOnly, LAYOUT_ECAM, LAYOUT_ECAM_SIZE)
			})
		}

		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 1)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x3f8, 0x3f8, 1, 8)
				IRQNoFlags () { 4 }
			})
		}

		Device (RTC)
		{
			Name (_HID, EisaId ("PNP0B00"))
			Name (_UID, 1)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x70, 0x70, 1, 2)
			})
		}
	}

	Name (\_S5, Package () { LAYOUT_S5_TYPE, LAYOUT_S5_TYPE, 0, 0 })
}
