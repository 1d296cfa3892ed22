/* SPDX-License-Identifier: Apache-2.0 */
/* The list of tables (ACPI 6.4, 5.2.8). */
#include "guest/layout.h"

            Signature : "XSDT"
         Table Length : 00000000
             Revision : 01
             Checksum : 00
               Oem ID : "FACET "
         Oem Table ID : "FACETVM "
         Oem Revision : 00000001
      Asl Compiler ID : "FACT"
Asl Compiler Revision : 00000001

 ACPI Table Address 0 : LAYOUT_FADT
 ACPI Table Address 1 : LAYOUT_MADT
 ACPI Table Address 2 : LAYOUT_MCFG
