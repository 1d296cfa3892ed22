/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the ACPI parser: raw memory, or tables whose headers the harness makes sound. */
// SOURCES: drivers/acpi.c drivers/acpi_dmar.c drivers/acpi_ivrs.c
#include <stdlib.h>
#include <string.h>

#include "drivers/acpi.h"

#define BASE	   0x1000U
#define MEMORY_MAX 0x10000U
#define MAX_MAPS   256

static u8 memory_bytes[MEMORY_MAX];
static size_t memory_size;
static void *maps[MAX_MAPS];
static unsigned map_count;

/* Each mapping is a block of its own, so that the sanitiser sees the byte behind it. */
static const void *map(hpa_t pa, u64 size)
{
	u64 offset = pa.raw - BASE;
	void *at;

	if (pa.raw < BASE || offset > memory_size || size > memory_size - offset)
		return NULL;
	if (map_count == MAX_MAPS)
		abort();
	at = malloc(size);
	memcpy(at, &memory_bytes[offset], size);
	maps[map_count++] = at;
	return at;
}

static void fix_checksum(u8 *bytes, size_t size, size_t at)
{
	u8 sum = 0;

	bytes[at] = 0;
	for (size_t i = 0; i < size; i++)
		sum = (u8)(sum + bytes[i]);
	bytes[at] = (u8)-sum;
}

static void put32(u8 *at, u32 value)
{
	memcpy(at, &value, sizeof(value));
}

/*
 * Memory: RSDP at 0, XSDT at 64, tables from 1024. Input: one byte that picks
 * the signature, two bytes of length, that many bytes of table behind the
 * header; and again.
 */
static void build_tables(const u8 *data, size_t size)
{
	static const char signatures[][5] = { "APIC", "MCFG", "FACP", "DMAR", "SSDT", "DSDT" };
	size_t next = 1024, count = 0;
	u8 *rsdp = memory_bytes, *xsdt = memory_bytes + 64;

	memset(memory_bytes, 0, 1024);
	while (size >= 3 && count < 60) {
		size_t length = MIN((size_t)(data[1] | data[2] << 8), size - 3);
		const char *signature = signatures[data[0] % ARRAY_SIZE(signatures)];
		u8 *table = &memory_bytes[next];

		if (next + 36 + length > MEMORY_MAX)
			break;
		memset(table, 0, 36);
		memcpy(table, signature, 4);
		put32(table + 4, (u32)(36 + length));
		memcpy(table + 36, data + 3, length);
		/* A FADT leads to the table before it, whatever that is. */
		if (!strcmp(signature, "FACP") && length >= 8 && count)
			memcpy(table + 40, xsdt + 36 + 8 * (count - 1), 4);
		fix_checksum(table, 36 + length, 9);
		put32(xsdt + 36 + 8 * count++, (u32)(BASE + next));
		next += 36 + length;
		data += 3 + length;
		size -= 3 + length;
	}
	memory_size = next;
	memcpy(xsdt, "XSDT", 4);
	put32(xsdt + 4, (u32)(36 + 8 * count));
	fix_checksum(xsdt, 36 + 8 * count, 9);
	memcpy(rsdp, "RSD PTR ", 8);
	rsdp[15] = 2;
	rsdp[20] = 36;
	put32(rsdp + 24, BASE + 64);
	fix_checksum(rsdp, 20, 8);
	fix_checksum(rsdp, 36, 32);
}

static void check_iommus(const struct acpi_iommus *iommus)
{
	for (unsigned i = 0; i < iommus->unit_count; i++) {
		const struct acpi_iommu_unit *unit = &iommus->units[i];

		if (unit->first_scope + unit->scope_count > iommus->scope_count ||
		    unit->base.raw & PAGE_MASK)
			abort();
	}
	for (unsigned i = 0; i < iommus->reserved_count; i++) {
		if (iommus->reserved[i].last.raw < iommus->reserved[i].base.raw ||
		    iommus->reserved[i].first_scope + iommus->reserved[i].scope_count >
			    iommus->scope_count)
			abort();
	}
	for (unsigned i = 0; i < iommus->scope_count; i++) {
		const struct acpi_scope *scope = &iommus->scopes[i];

		if (iommus->amd ? scope->first_bdf > scope->last_bdf
				: scope->path_length - 1U >= ACPI_MAX_PATH)
			abort();
	}
}

static void check_result(const struct acpi_info *info)
{
	if (info->cpu_count > ACPI_MAX_CPUS || info->mcfg_count > ACPI_MAX_MCFG ||
	    info->complaint_count > ACPI_MAX_COMPLAINTS)
		abort();
	for (unsigned i = 0; i < info->mcfg_count; i++) {
		if (info->mcfg[i].first_bus > info->mcfg[i].last_bus)
			abort();
	}
	check_iommus(&info->dmar);
	check_iommus(&info->ivrs);
	if (info->power.s5_type_a > 7 || info->power.s5_type_b > 7)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct acpi_info info;

	if (size < 1 || size > MEMORY_MAX / 2)
		return 0;
	if (data[0] & 1) {
		build_tables(data + 1, size - 1);
	} else {
		memcpy(memory_bytes, data + 1, size - 1);
		memory_size = size - 1;
	}
	(void)!acpi_parse(map, HPA(BASE), &info);
	check_result(&info);
	while (map_count)
		free(maps[--map_count]);
	return 0;
}
