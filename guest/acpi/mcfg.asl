/* SPDX-License-Identifier: Apache-2.0 */
/* Where configuration space is (PCI firmware specification 3.3, 4.1.2). */
#include "guest/layout.h"

            Signature : "MCFG"
         Table Length : 00000000
             Revision : 01
             Checksum : 00
               Oem ID : "FACET "
         Oem Table ID : "FACETVM "
         Oem Revision : 00000001
      Asl Compiler ID : "FACT"
Asl Compiler Revision : 00000001

             Reserved : 0000000000000000
         Base Address : LAYOUT_ECAM
 Segment Group Number : 0000
     Start Bus Number : 00
       End Bus Number : FF
             Reserved : 00000000
