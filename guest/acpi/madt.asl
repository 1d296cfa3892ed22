/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupt controllers (ACPI 6.4, 5.2.12): no 8259s, one I/O APIC, the SCI level-triggered
 * and active high. guest/acpi.c adds the VM's processors.
 */
#include "guest/layout.h"

            Signature : "APIC"
         Table Length : 00000000
             Revision : 05
             Checksum : 00
               Oem ID : "FACET "
         Oem Table ID : "FACETVM "
         Oem Revision : 00000001
      Asl Compiler ID : "FACT"
Asl Compiler Revision : 00000001

   Local Apic Address : FEE00000
Flags (decoded below) : 00000000
  PC-AT Compatibility : 0

        Subtable Type : 01
               Length : 0C
          I/O Apic ID : 00
             Reserved : 00
              Address : FEC00000
            Interrupt : 00000000

        Subtable Type : 02
               Length : 0A
                  Bus : 00
               Source : LAYOUT_SCI
            Interrupt : LAYOUT_SCI
Flags (decoded below) : 000D
             Polarity : 1
         Trigger Mode : 3
