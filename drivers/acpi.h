/* SPDX-License-Identifier: Apache-2.0 */
/* What the firmware's ACPI tables say about the machine, checked and in plain structs. */
#ifndef DRIVERS_ACPI_H
#define DRIVERS_ACPI_H

#include "core/lib/error.h"
#include "core/lib/types.h"
#include "drivers/acpi_bytes.h"
#include "drivers/pci.h"

/*
 * Section numbers are those of the ACPI specification 6.5, VT-d's of its revision 4.1,
 * AMD-Vi's of AMD's document 48882, revision 3.
 */

#define ACPI_MAX_CPUS	    256
#define ACPI_MAX_MCFG	    8
#define ACPI_MAX_IOMMUS	    16
#define ACPI_MAX_RESERVED   16
#define ACPI_MAX_SCOPES	    96
#define ACPI_MAX_PATH	    8
#define ACPI_MAX_COMPLAINTS 8

/* Tables longer than this are refused (a DSDT of a large server has some 500 KiB). */
#define ACPI_MAX_TABLE_BYTES MIB(2)

/*
 * How tables are reached: gives `size` bytes at `pa`, readable until
 * acpi_parse() returns, or NULL where that is no memory to read. `pa` need not
 * be aligned.
 */
typedef const void *(*acpi_map_fn)(hpa_t pa, u64 size);

/* A processor that may be started; MADT, 5.2.12.2 and 5.2.12.12. */
struct acpi_cpu {
	u32 apic_id;
};

/* ECAM of some buses: function 0 of device 0 of `first_bus` is at `base`. */
struct acpi_mcfg {
	u16 segment;
	u8 first_bus;
	u8 last_bus;
	hpa_t base; /* as in the table: of bus 0, even if first_bus is another */
};

enum acpi_scope_type { /* VT-d, 8.3.1 */
	ACPI_SCOPE_ENDPOINT = 1,
	ACPI_SCOPE_BRIDGE = 2,
	ACPI_SCOPE_IOAPIC = 3,
	ACPI_SCOPE_HPET = 4,
	ACPI_SCOPE_NAMESPACE = 5,
};

/*
 * Devices. The DMAR names one by its path from a root bus, so that it holds whatever bus
 * numbers are; the IVRS gives numbers, `path_length` is then 0.
 */
struct acpi_scope {
	u8 type; /* enum acpi_scope_type */
	u8 start_bus;
	u8 path_length;
	bool aliased; /* IVRS: their requests bear the number `alias` */
	u16 alias;
	u16 first_bdf; /* IVRS */
	u16 last_bdf;
	struct {
		u8 device;
		u8 function;
	} path[ACPI_MAX_PATH];
};

/* A remapping unit; its scopes are scopes[first_scope] and the next ones. */
struct acpi_iommu_unit {
	hpa_t base;
	u16 segment;
	u16 bdf;	  /* IVRS: of the function that the unit is */
	bool include_all; /* serves what no other unit of the segment names */
	u8 flags;	  /* IVRS: what its control register is to hold, AMD-Vi 5.2.2.1 */
	u8 first_scope;
	u8 scope_count;
};

/* Memory that firmware says a device must go on reaching, VT-d 8.4, AMD-Vi 5.2.2.2. */
struct acpi_reserved {
	hpa_t base;
	hpa_t last; /* inclusive */
	u16 segment;
	u8 first_scope;
	u8 scope_count;
};

/* What the DMAR or the IVRS says. */
struct acpi_iommus {
	bool present;
	bool amd;
	u8 unit_count;
	u8 reserved_count;
	u8 scope_count;
	struct acpi_iommu_unit units[ACPI_MAX_IOMMUS];
	struct acpi_reserved reserved[ACPI_MAX_RESERVED];
	struct acpi_scope scopes[ACPI_MAX_SCOPES];
};

/* From the FADT, 5.2.9. A port of 0 is absent. */
struct acpi_power {
	u16 smi_command;
	u8 acpi_enable; /* goes to smi_command; 0: already in ACPI mode */
	u16 pm1a_control;
	u16 pm1b_control;
	u16 pm_timer;
	u8 reset_space; /* 0 memory, 1 port, 2 configuration space; 0xff: no register */
	u8 reset_value;
	u64 reset_address;
	bool s5_known; /* \_S5_ was found: s5_type_a and b are what SLP_TYP takes */
	u8 s5_type_a;
	u8 s5_type_b;
};

struct acpi_complaint {
	char table[5];
	const char *what;
};

struct acpi_info {
	u16 cpu_count;
	u8 mcfg_count;
	u8 complaint_count;
	struct acpi_cpu cpus[ACPI_MAX_CPUS];
	struct acpi_mcfg mcfg[ACPI_MAX_MCFG];
	struct acpi_iommus dmar;
	struct acpi_iommus ivrs;
	struct acpi_power power;
	struct acpi_complaint complaints[ACPI_MAX_COMPLAINTS];
};

/*
 * Reads the tables that the RSDP at `rsdp` leads to. Any bytes may stand
 * there: a table that is not sound is left out and named in `complaints`, an
 * entry that is not sound is left out, what exceeds the arrays too. The work
 * is bounded by the number of tables (64) and ACPI_MAX_TABLE_BYTES.
 *
 * OK; ERR_NOT_FOUND: no sound RSDP, or neither XSDT nor RSDT; `info` then
 * holds the architectural defaults only.
 */
enum err acpi_parse(acpi_map_fn memory, hpa_t rsdp, struct acpi_info *info) must_check;

/*
 * For a machine whose acpi_parse() found nothing: what a PC has without being
 * told. PM timer and soft off are the PIIX4's, if `pci` (enumerated) has one
 * and firmware has given it ports (82371AB data sheet, 7.1 and 7.2). True:
 * they are there. Processors are not known here.
 */
bool acpi_defaults(struct pci *pci, struct acpi_info *info) must_check;

/*
 * Closes the PIIX4's ports, as its own reset does; an emulator's clears their
 * base only, and firmware then waits for a timer at port 8 for ever.
 */
void acpi_defaults_before_reset(struct pci *pci);

/*
 * Adds what one structure of the DMAR or IVRS says, for acpi_parse(): all of them pass
 * ACPI_IOMMU_PASSES times. NULL, or what is wrong: then nothing of the table is used.
 */
typedef const char *acpi_iommu_parser(struct acpi_bytes structure, u32 pass,
				      struct acpi_iommus *iommus);
acpi_iommu_parser acpi_parse_dmar;
acpi_iommu_parser acpi_parse_ivrs;
#define ACPI_IOMMU_PASSES 3

/*
 * Switches the machine off (S5, 4.8.3.2), or resets it by the FADT's register,
 * then by port CF9h, then by the keyboard controller. They come back only if
 * nothing of that worked. All other CPUs have been stopped.
 */
void acpi_power_off(const struct acpi_power *power);
void acpi_reset(const struct acpi_power *power);

#endif
