/* SPDX-License-Identifier: Apache-2.0 */
/* Root pointer (ACPI 6.4, 5.2.5.3). Numbers are hexadecimal in these tables. */
#include "guest/layout.h"

        Signature : "RSD PTR "
         Checksum : 00
           Oem ID : "FACET "
         Revision : 02
     RSDT Address : 00000000
           Length : 00000024
     XSDT Address : LAYOUT_XSDT
Extended Checksum : 00
         Reserved : 000000
