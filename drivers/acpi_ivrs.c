/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the IVRS table: AMD's IOMMUs with the devices of each, and reserved memory. */
#include "drivers/acpi.h"
#include "drivers/acpi_bytes.h"

/* Blocks, AMD-Vi 5.2.2. Newer types describe the same unit again, with more. */
enum {
	IVHD_10 = 0x10,
	IVHD_11 = 0x11,
	IVHD_40 = 0x40,
	IVMD_ALL = 0x20,
	IVMD_ONE = 0x21,
	IVMD_RANGE = 0x22,
};

/* Device entries. Bits 7:6 of the type give the length: 4, 8, 16 or 32 bytes. */
enum {
	ENTRY_ALL = 1,
	ENTRY_SELECT = 2,
	ENTRY_RANGE = 3,
	ENTRY_RANGE_END = 4,
	ENTRY_ALIAS_SELECT = 0x42,
	ENTRY_ALIAS_RANGE = 0x43,
	ENTRY_EXTENDED_SELECT = 0x46,
	ENTRY_EXTENDED_RANGE = 0x47,
	ENTRY_SPECIAL = 0x48,
	ENTRY_HID = 0xf0, /* an ACPI device: what it does is not of PCI */
};

#define SPECIAL_IOAPIC	 1
#define HID_UID_LENGTH	 21
#define HID_UID		 22
#define IVMD_BYTES	 32
#define IVMD_EXCLUSION	 BIT(3)
#define IVMD_UNITY	 BIT(0)
#define PHYSICAL_ADDRESS BIT(52)

static bool add_scope(struct acpi_iommus *ivrs, const struct acpi_scope *scope)
{
	if (ivrs->scope_count == ACPI_MAX_SCOPES)
		return false;
	ivrs->scopes[ivrs->scope_count++] = *scope;
	return true;
}

static u32 entry_bytes(struct acpi_bytes bytes, u32 offset)
{
	u8 type = acpi_get8(bytes, offset);

	if (type == ENTRY_HID)
		return HID_UID + acpi_get8(bytes, offset + HID_UID_LENGTH);
	return 4U << (type >> 6);
}

/*
 * One device entry. `*open` is the scope of a range whose end has not come yet. What is
 * not understood is passed over: a function that no entry names stays denied.
 */
static bool parse_entry(struct acpi_bytes entry, struct acpi_iommus *ivrs, struct acpi_scope **open)
{
	u8 type = acpi_get8(entry, 0);
	u16 bdf = acpi_get16(entry, 1);
	u16 source = acpi_get16(entry, 5);
	struct acpi_scope scope = { .type = ACPI_SCOPE_ENDPOINT,
				    .first_bdf = bdf,
				    .last_bdf = bdf };
	bool range = false;

	switch (type) {
	case ENTRY_ALL:
		scope.first_bdf = 0;
		scope.last_bdf = 0xffff;
		break;
	case ENTRY_RANGE:
	case ENTRY_EXTENDED_RANGE:
	case ENTRY_ALIAS_RANGE:
		range = true;
		break;
	case ENTRY_SELECT:
	case ENTRY_EXTENDED_SELECT:
	case ENTRY_ALIAS_SELECT:
		break;
	case ENTRY_SPECIAL:
		scope.type =
			acpi_get8(entry, 7) == SPECIAL_IOAPIC ? ACPI_SCOPE_IOAPIC : ACPI_SCOPE_HPET;
		scope.first_bdf = source;
		scope.last_bdf = source;
		break;
	case ENTRY_RANGE_END:
		if (!*open || bdf < (*open)->first_bdf)
			return false;
		(*open)->last_bdf = bdf;
		*open = NULL;
		return true;
	default:
		return true;
	}
	scope.aliased = type == ENTRY_ALIAS_SELECT || type == ENTRY_ALIAS_RANGE;
	scope.alias = source;
	if (*open || !add_scope(ivrs, &scope))
		return false;
	if (range)
		*open = &ivrs->scopes[ivrs->scope_count - 1];
	return true;
}

static bool parse_entries(struct acpi_bytes bytes, struct acpi_iommus *ivrs)
{
	struct acpi_scope *open = NULL;
	u32 offset = 0;

	while (offset < bytes.size) {
		u32 size = entry_bytes(bytes, offset);

		if (size > bytes.size - offset ||
		    !parse_entry(acpi_part(bytes, offset, size), ivrs, &open))
			return false;
		offset += size;
	}
	return !open;
}

static const char *parse_ivhd(struct acpi_bytes block, struct acpi_iommus *ivrs)
{
	u32 entries = acpi_get8(block, 0) == IVHD_10 ? 24 : 40;
	struct acpi_iommu_unit unit = {
		.base = HPA(acpi_get64(block, 8)),
		.segment = acpi_get16(block, 16),
		.bdf = acpi_get16(block, 4),
		.flags = acpi_get8(block, 1),
		.first_scope = ivrs->scope_count,
	};

	if (block.size < entries || !unit.base.raw || !IS_ALIGNED(unit.base.raw, PAGE_SIZE) ||
	    unit.base.raw >= PHYSICAL_ADDRESS)
		return "IOMMU has impossible registers";
	for (u32 i = 0; i < ivrs->unit_count; i++)
		if (ivrs->units[i].base.raw == unit.base.raw)
			return NULL; /* described by a newer block */
	if (ivrs->unit_count == ACPI_MAX_IOMMUS)
		return "more IOMMUs than can be used";
	if (!parse_entries(acpi_part(block, entries, block.size), ivrs))
		return "IOMMU has an impossible device entry";
	unit.scope_count = (u8)(ivrs->scope_count - unit.first_scope);
	ivrs->units[ivrs->unit_count++] = unit;
	return NULL;
}

/* A unity-mapped or an excluded range. Blocks of neither kind demand nothing. */
static const char *parse_ivmd(struct acpi_bytes block, struct acpi_iommus *ivrs)
{
	u8 type = acpi_get8(block, 0);
	u64 base = acpi_get64(block, 16);
	u64 size = acpi_get64(block, 24);
	struct acpi_scope scope = { .type = ACPI_SCOPE_ENDPOINT, .last_bdf = 0xffff };

	if (!(acpi_get8(block, 1) & (IVMD_UNITY | IVMD_EXCLUSION)))
		return NULL;
	if (type != IVMD_ALL) {
		scope.first_bdf = acpi_get16(block, 4);
		scope.last_bdf = type == IVMD_RANGE ? acpi_get16(block, 6) : scope.first_bdf;
	}
	if (block.size < IVMD_BYTES || !size || base >= PHYSICAL_ADDRESS ||
	    size > PHYSICAL_ADDRESS - base || scope.last_bdf < scope.first_bdf)
		return "reserved memory has an impossible range";
	if (ivrs->reserved_count == ACPI_MAX_RESERVED || !add_scope(ivrs, &scope))
		return "more reserved memory regions than can be used";
	ivrs->reserved[ivrs->reserved_count++] = (struct acpi_reserved){
		.base = HPA(base),
		.last = HPA(base + size - 1),
		.first_scope = (u8)(ivrs->scope_count - 1),
		.scope_count = 1,
	};
	return NULL;
}

/* The newest description of a unit counts; IVMD blocks stand once. */
const char *acpi_parse_ivrs(struct acpi_bytes block, u32 pass, struct acpi_iommus *ivrs)
{
	static const u8 newest_first[ACPI_IOMMU_PASSES] = { IVHD_40, IVHD_11, IVHD_10 };
	u8 type = acpi_get8(block, 0);

	ivrs->amd = true;
	if (type == newest_first[pass])
		return parse_ivhd(block, ivrs);
	if (type >= IVMD_ALL && type <= IVMD_RANGE && pass == ACPI_IOMMU_PASSES - 1)
		return parse_ivmd(block, ivrs);
	return NULL;
}
