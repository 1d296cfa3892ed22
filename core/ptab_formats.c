/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptions of the host, NPT, EPT, VT-d and AMD-Vi page-table formats. */
#include "core/ptab_formats.h"

#define ADDRESS_51_12 0x000ffffffffff000ULL

/* Long-mode entries, SDM vol. 3, table 4-15 to 4-20; APM vol. 2, 5.3. */
#define X86_P	     BIT(0)
#define X86_RW	     BIT(1)
#define X86_US	     BIT(2)
#define X86_PWT	     BIT(3)
#define X86_PCD	     BIT(4)
#define X86_A	     BIT(5)
#define X86_D	     BIT(6)
#define X86_PS	     BIT(7)
#define X86_PAT	     BIT(7) /* in a 4 KiB leaf */
#define X86_PAT_HUGE BIT(12)
#define X86_NX	     BIT(63)

/* The PAT entry that holds the type, see PTAB_PAT_VALUE. */
#define X86_MEMTYPES \
	{ \
		[PTAB_WB] = 0, [PTAB_WT] = X86_PWT, [PTAB_UC] = X86_PCD | X86_PWT, \
		[PTAB_WC] = X86_PAT, [PTAB_WP] = X86_PAT | X86_PWT, \
	}

/*
 * A and D are set from the start: nobody reads them, and the processor then
 * has no reason to write to a table by itself.
 */
#define X86_FORMAT \
	.levels = 4, .read_always = true, .present = X86_P, .address = ADDRESS_51_12, \
	.large = X86_PS, .table_bits = X86_P | X86_RW | X86_US | X86_A, .write = X86_RW, \
	.no_exec = X86_NX, .memtype = X86_MEMTYPES, .pat = X86_PAT, .large_pat = X86_PAT_HUGE

const struct ptab_format ptab_format_host = {
	.sign_extended = true,
	.leaf_bits = X86_P | X86_A | X86_D,
	X86_FORMAT,
};

const struct ptab_format ptab_format_npt = {
	.leaf_bits = X86_P | X86_US | X86_A | X86_D,
	X86_FORMAT,
};

/* EPT entries, SDM vol. 3, tables 29-1 to 29-7. */
#define EPT_R  BIT(0)
#define EPT_W  BIT(1)
#define EPT_X  BIT(2)
#define EPT_PS BIT(7)
#define EPT_A  BIT(8)
#define EPT_D  BIT(9)

#define EPT_MT(type) ((u64)(type) << 3)
#define EPT_MEMTYPES \
	{ \
		[PTAB_UC] = EPT_MT(0), [PTAB_WC] = EPT_MT(1), [PTAB_WT] = EPT_MT(4), \
		[PTAB_WP] = EPT_MT(5), [PTAB_WB] = EPT_MT(6), \
	}

const struct ptab_format ptab_format_ept = {
	.levels = 4,
	/* Execute-only is optional and write without read is a misconfiguration. */
	.read_always = true,
	.present = EPT_R | EPT_W | EPT_X,
	.address = ADDRESS_51_12,
	.large = EPT_PS,
	.table_bits = EPT_R | EPT_W | EPT_X | EPT_A,
	.leaf_bits = EPT_A | EPT_D,
	.read = EPT_R,
	.write = EPT_W,
	.exec = EPT_X,
	.memtype = EPT_MEMTYPES,
};

/* Second-level entries of VT-d, 9.8. */
#define VTD_R	BIT(0)
#define VTD_W	BIT(1)
#define VTD_PS	BIT(7)
#define VTD_SNP BIT(11)

/* The type of a DMA access is the device's affair: only "memory" can be said. */
#define VTD_FORMAT(depth, snoop) \
	{ \
		.levels = (depth), .leaf_bits = (snoop), .present = VTD_R | VTD_W, \
		.address = ADDRESS_51_12, .large = VTD_PS, .table_bits = VTD_R | VTD_W, \
		.read = VTD_R, .write = VTD_W, \
	}

const struct ptab_format ptab_format_vtd = VTD_FORMAT(4, 0);
const struct ptab_format ptab_format_vtd_snoop = VTD_FORMAT(4, VTD_SNP);
const struct ptab_format ptab_format_vtd39 = VTD_FORMAT(3, 0);
const struct ptab_format ptab_format_vtd39_snoop = VTD_FORMAT(3, VTD_SNP);

/* I/O page-table entries of AMD-Vi, 2.2.3. */
#define AMDVI_PR	 BIT(0)
#define AMDVI_NEXT_LEVEL (7ULL << 9)
#define AMDVI_FC	 BIT(60) /* accesses snoop, whatever the device asks for */
#define AMDVI_IR	 BIT(61)
#define AMDVI_IW	 BIT(62)

const struct ptab_format ptab_format_amdvi = {
	.levels = 4,
	.present = AMDVI_PR,
	.address = ADDRESS_51_12,
	.next_level = AMDVI_NEXT_LEVEL,
	.table_bits = AMDVI_PR | AMDVI_IR | AMDVI_IW,
	.leaf_bits = AMDVI_PR | AMDVI_FC,
	.read = AMDVI_IR,
	.write = AMDVI_IW,
};
