/* SPDX-License-Identifier: Apache-2.0 */
/* The page-table formats that the walker in ptab.c knows, each described as data. */
#ifndef CORE_PTAB_FORMATS_H
#define CORE_PTAB_FORMATS_H

#include "core/lib/types.h"

/*
 * Every format here is a radix tree of 4 KiB tables with 512 entries of 64
 * bits, of which those of the levels 1 to 3 may map a page. Levels are counted from the leaves, as
 * the manuals draw them:
 *
 *   bit  47    39 38    30 29    21 20    12 11      0
 *       +--------+--------+--------+--------+---------+
 *       | level 4| level 3| level 2| level 1|  offset |
 *       +--------+--------+--------+--------+---------+
 *                  1 GiB    2 MiB    4 KiB    leaf size
 */
enum ptab_level {
	PTAB_4K = 1,
	PTAB_2M = 2,
	PTAB_1G = 3,
	PTAB_MAX_LEVEL = 4,
};

#define PTAB_ENTRIES 512U

/* Memory types, with the processor's own encoding of PAT and EPT (SDM vol. 3, 12.12.2). */
enum ptab_memtype {
	PTAB_WB,
	PTAB_UC,
	PTAB_WC,
	PTAB_WT,
	PTAB_WP,
	PTAB_MEMTYPES,
};

/*
 * What IA32_PAT must hold on every CPU before a table of the host or NPT
 * format is used (NPT takes its types from the host's PAT, APM vol. 2,
 * 15.25.8). Entries 0 to 3 are as after reset, so that tables made by firmware
 * keep their meaning:
 *
 *   0 WB   1 WT   2 UC-   3 UC   4 WC   5 WP   6 UC-   7 UC
 */
#define PTAB_PAT_VALUE 0x0007050100070406ULL

/*
 * A right or property whose mask is 0 has no bit in the format; ptab_map()
 * refuses an attribute that the format cannot express.
 */
struct ptab_format {
	u8 levels;	    /* of tables, so also the root's level */
	bool sign_extended; /* addresses are canonical: the top half is at the top of 64 bits */
	bool read_always;   /* a present page can be read: `read` must be asked for */
	u64 present;	    /* an entry with none of these bits set is empty */
	u64 address;	    /* the bits of an entry that may hold an address */
	u64 large;	    /* marks a leaf above level 1 ... */
	u64 next_level; /* ... or the field with the next table's level, which is 0 in every leaf */
	u64 table_bits; /* set in every entry that leads to a table */
	u64 leaf_bits;	/* set in every leaf */
	u64 read;
	u64 write;
	u64 exec;    /* set where execution is allowed ... */
	u64 no_exec; /* ... or set where it is not; at most one of both is used */

	/* Of a 4 KiB leaf; and of a large one, but for this bit. One as PTAB_WB: there is none. */
	u64 memtype[PTAB_MEMTYPES];
	u64 pat, large_pat;
};

/* Intel SDM vol. 3, 4.5: 4-level paging with NX; types need PTAB_PAT_VALUE. */
extern const struct ptab_format ptab_format_host;

/* AMD APM vol. 2, 15.25: as the host's, but every access of a guest is a user access. */
extern const struct ptab_format ptab_format_npt;

/* Intel SDM vol. 3, 29.3: EPT with 4 levels. */
extern const struct ptab_format ptab_format_ept;

/*
 * VT-d specification 3.6 and later, 9.8: second-level tables, 48-bit (4 levels,
 * context entry AW = 2) and 39-bit (3 levels, AW = 1). The snoop variants set
 * SNP, a reserved bit unless ECAP.SC is 1.
 */
extern const struct ptab_format ptab_format_vtd;
extern const struct ptab_format ptab_format_vtd_snoop;
extern const struct ptab_format ptab_format_vtd39;
extern const struct ptab_format ptab_format_vtd39_snoop;

/* AMD-Vi specification (AMD's document 48882) 2.2.3: I/O page tables of 4 levels. */
extern const struct ptab_format ptab_format_amdvi;

#endif
