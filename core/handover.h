/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hand-over record: all that the UEFI application tells the hypervisor,
 * and the only header that boot/ shares with the other rooms.
 *
 * At entry: long mode, paging on, IF = 0, boot services ended, no function
 * masters the bus. RDI holds the record's address. RAM and the record are
 * mapped one to one, writable; the image is mapped where it is linked.
 */
#ifndef CORE_HANDOVER_H
#define CORE_HANDOVER_H

#include "core/lib/types.h"

#define HANDOVER_MAGIC	      0x3156544543414646ULL /* "FFACETV1" */
#define HANDOVER_MEMORY_MAX   256
#define HANDOVER_FILES_MAX    40
#define HANDOVER_CPUS_MAX     256
#define HANDOVER_FILE_NAME    128
#define HANDOVER_LOAD_ADDRESS 0xffffffff80000000ULL

enum handover_memory_kind {
	HANDOVER_FREE = 1, /* usable at once */
	HANDOVER_LOADER,   /* usable except where the image and the files lie */
	HANDOVER_ACPI,	   /* tables: keep, may be read */
	HANDOVER_RESERVED,
};

struct handover_memory {
	u64 base, size; /* bytes, multiples of 4 KiB, sorted by base */
	u64 kind;
};

enum handover_file_status {
	HANDOVER_FILE_READ,
	HANDOVER_FILE_MISSING,
	HANDOVER_FILE_NO_MEMORY,
	HANDOVER_FILE_IO_ERROR,
};

struct handover_file {
	char name[HANDOVER_FILE_NAME]; /* as written in the configuration */
	u64 base, size;		       /* physical; size in bytes */
	u64 status;
};

struct handover_cpu {
	u32 apic_id;
	u32 usable; /* enabled and healthy; the boot processor is listed too */
};

struct handover {
	u64 magic;
	u64 record_size;
	u64 image_base, image_size; /* where the hypervisor's ELF segments lie */
	u64 rsdp;		    /* 0: none */
	u64 boot_tsc;		    /* TSC at entry of the UEFI application */
	u64 unix_seconds;	    /* time of day at hand-over, 0: unknown */
	u64 cpu_count;		    /* as UEFI lists them; 0: it does not */
	struct handover_cpu cpus[HANDOVER_CPUS_MAX];
	u64 memory_count;
	struct handover_memory memory[HANDOVER_MEMORY_MAX];
	u64 file_count; /* files[0] is facet.conf */
	struct handover_file files[HANDOVER_FILES_MAX];
};

#endif
