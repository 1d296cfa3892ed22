/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the DMAR table: remapping units and reserved memory with their device scopes. */
#include "drivers/acpi.h"
#include "drivers/acpi_bytes.h"

/* VT-d specification 8.1 to 8.4. */
enum {
	DMAR_DRHD = 0,
	DMAR_RMRR = 1,
};

/* Reads one scope into the next free element; false where it is not sound. */
static bool parse_scope(struct acpi_bytes bytes, struct acpi_iommus *dmar)
{
	struct acpi_scope *scope = &dmar->scopes[dmar->scope_count];
	u32 path_length = (bytes.size - 6) / 2;

	if (dmar->scope_count == ACPI_MAX_SCOPES || path_length == 0 || path_length > ACPI_MAX_PATH)
		return false;
	*scope = (struct acpi_scope){
		.type = acpi_get8(bytes, 0),
		.start_bus = acpi_get8(bytes, 5),
		.path_length = (u8)path_length,
	};
	for (u32 i = 0; i < path_length; i++) {
		u8 device = acpi_get8(bytes, 6 + 2 * i);
		u8 function = acpi_get8(bytes, 7 + 2 * i);

		if (device > 31 || function > 7)
			return false;
		scope->path[i].device = device;
		scope->path[i].function = function;
	}
	dmar->scope_count++;
	return true;
}

/* All scopes of one structure. A bad one makes the whole structure untrustworthy. */
static bool parse_scopes(struct acpi_bytes bytes, struct acpi_iommus *dmar)
{
	u32 offset = 0;

	while (offset < bytes.size) {
		u8 size = acpi_get8(bytes, offset + 1);

		if (size < 8 || size > bytes.size - offset)
			return false;
		if (!parse_scope(acpi_part(bytes, offset, size), dmar))
			return false;
		offset += size;
	}
	return true;
}

static const char *parse_drhd(struct acpi_bytes bytes, struct acpi_iommus *dmar)
{
	struct acpi_iommu_unit unit = {
		.base = HPA(acpi_get64(bytes, 8)),
		.segment = acpi_get16(bytes, 6),
		.include_all = acpi_get8(bytes, 4) & BIT(0),
		.first_scope = dmar->scope_count,
	};

	if (bytes.size < 16 || !unit.base.raw || !IS_ALIGNED(unit.base.raw, PAGE_SIZE) ||
	    unit.base.raw >= BIT(52))
		return "remapping unit has impossible registers";
	if (dmar->unit_count == ACPI_MAX_IOMMUS)
		return "more remapping units than can be used";
	if (!parse_scopes(acpi_part(bytes, 16, bytes.size), dmar))
		return "remapping unit has an impossible device scope";
	unit.scope_count = (u8)(dmar->scope_count - unit.first_scope);
	dmar->units[dmar->unit_count++] = unit;
	return NULL;
}

static const char *parse_rmrr(struct acpi_bytes bytes, struct acpi_iommus *dmar)
{
	struct acpi_reserved region = {
		.base = HPA(acpi_get64(bytes, 8)),
		.last = HPA(acpi_get64(bytes, 16)),
		.segment = acpi_get16(bytes, 6),
		.first_scope = dmar->scope_count,
	};

	if (bytes.size < 24 || region.base.raw >= region.last.raw ||
	    !IS_ALIGNED(region.base.raw, PAGE_SIZE) ||
	    !IS_ALIGNED(region.last.raw + 1, PAGE_SIZE) || region.last.raw >= BIT(52))
		return "reserved memory has an impossible range";
	if (dmar->reserved_count == ACPI_MAX_RESERVED)
		return "more reserved memory regions than can be used";
	if (!parse_scopes(acpi_part(bytes, 24, bytes.size), dmar))
		return "reserved memory has an impossible device scope";
	region.scope_count = (u8)(dmar->scope_count - region.first_scope);
	dmar->reserved[dmar->reserved_count++] = region;
	return NULL;
}

const char *acpi_parse_dmar(struct acpi_bytes structure, u32 pass, struct acpi_iommus *dmar)
{
	u16 type = acpi_get16(structure, 0);

	if (pass == 0 && type == DMAR_DRHD)
		return parse_drhd(structure, dmar);
	if (pass == 0 && type == DMAR_RMRR)
		return parse_rmrr(structure, dmar);
	return NULL;
}
