/* SPDX-License-Identifier: Apache-2.0 */
/* Finds and checks the ACPI tables; reads FADT, MADT and MCFG, and \_S5_ from the AML. */
#include "drivers/acpi.h"

#include "core/lib/string.h"
#include "drivers/acpi_bytes.h"

#define HEADER_BYTES  36U /* 5.2.6, in front of every table but the RSDP */
#define MAX_ROOT_REFS 64U

struct parser {
	acpi_map_fn memory;
	struct acpi_info *info;
};

static void complain(struct acpi_info *info, const char *table, const char *what)
{
	struct acpi_complaint *complaint;

	if (info->complaint_count == ACPI_MAX_COMPLAINTS)
		return;
	complaint = &info->complaints[info->complaint_count++];
	complaint->what = what;
	/* Four bytes from outside: only what can be printed goes on to the console. */
	for (unsigned i = 0; i < 4; i++)
		complaint->table[i] = table[i] >= ' ' && table[i] <= '~' ? table[i] : '?';
	complaint->table[4] = '\0';
}

static bool sums_to_zero(struct acpi_bytes bytes)
{
	u8 sum = 0;

	for (u32 i = 0; i < bytes.size; i++)
		sum = (u8)(sum + bytes.at[i]);
	return sum == 0;
}

static struct acpi_bytes map(struct parser *parser, u64 pa, u32 size)
{
	const void *at = NULL;

	if (pa && pa + size > pa)
		at = parser->memory(HPA(pa), size);
	return (struct acpi_bytes){ at, at ? size : 0 };
}

static bool has_signature(struct acpi_bytes table, const char *signature)
{
	return table.size >= 4 && memcmp(table.at, signature, 4) == 0;
}

/* A whole table with a sound header, or no bytes; says what is wrong with it. */
static struct acpi_bytes map_table(struct parser *parser, u64 pa)
{
	struct acpi_bytes table = map(parser, pa, HEADER_BYTES);
	const char *wrong = NULL;
	char signature[4] = "????";
	u32 size = acpi_get32(table, 4);

	if (table.size)
		memcpy(signature, table.at, 4);
	if (!table.size) {
		wrong = "table is outside memory";
	} else if (size < HEADER_BYTES || size > ACPI_MAX_TABLE_BYTES) {
		wrong = "impossible length";
	} else {
		table = map(parser, pa, size);
		if (!table.size)
			wrong = "table ends outside memory";
		else if (!sums_to_zero(table))
			wrong = "wrong checksum";
	}
	if (wrong)
		complain(parser->info, signature, wrong);
	return wrong ? (struct acpi_bytes){ NULL, 0 } : table;
}

static void add_cpu(struct acpi_info *info, u32 apic_id, u32 flags)
{
	/* Bit 0: enabled. A processor that is only "online capable" is not there yet. */
	if (!(flags & BIT(0)))
		return;
	/* One processor may be listed as local APIC and as x2APIC: it is started once. */
	for (u16 i = 0; i < info->cpu_count; i++) {
		if (info->cpus[i].apic_id == apic_id)
			return;
	}
	if (info->cpu_count == ACPI_MAX_CPUS) {
		complain(info, "APIC", "more processors than can be used");
		return;
	}
	info->cpus[info->cpu_count++] = (struct acpi_cpu){ apic_id };
}

/* Local APICs and local x2APICs (5.2.12.2, 5.2.12.12); the broadcast id marks empty sockets. */
static void parse_madt_entry(struct acpi_info *info, struct acpi_bytes entry)
{
	bool x2apic = acpi_get8(entry, 0) == 9;
	u32 id = x2apic ? acpi_get32(entry, 4) : acpi_get8(entry, 3);

	if (!x2apic && acpi_get8(entry, 0) != 0)
		return;
	if (entry.size < (x2apic ? 16 : 8))
		complain(info, "APIC", "entry is too short");
	else if (id != (x2apic ? 0xffffffff : 0xff))
		add_cpu(info, id, acpi_get32(entry, x2apic ? 8 : 4));
}

static void parse_madt(struct acpi_info *info, struct acpi_bytes table)
{
	u32 offset = 44;

	while (offset < table.size && table.size - offset >= 2) {
		u8 size = acpi_get8(table, offset + 1);

		if (size < 2 || size > table.size - offset) {
			complain(info, "APIC", "entry has an impossible length");
			return;
		}
		parse_madt_entry(info, acpi_part(table, offset, size));
		offset += size;
	}
}

static void parse_mcfg(struct acpi_info *info, struct acpi_bytes table)
{
	for (u32 offset = 44; offset < table.size && table.size - offset >= 16; offset += 16) {
		struct acpi_mcfg range = {
			.base = HPA(acpi_get64(table, offset)),
			.segment = acpi_get16(table, offset + 8),
			.first_bus = acpi_get8(table, offset + 10),
			.last_bus = acpi_get8(table, offset + 11),
		};

		if (!range.base.raw || !IS_ALIGNED(range.base.raw, MIB(1)) ||
		    range.base.raw >= BIT(52) || range.first_bus > range.last_bus ||
		    info->mcfg_count == ACPI_MAX_MCFG) {
			complain(info, "MCFG", "range left out");
			continue;
		}
		info->mcfg[info->mcfg_count++] = range;
	}
}

/* Takes a small integer constant of AML (20.2.3); false where another term stands. */
static bool take_integer(struct acpi_bytes aml, u32 *offset, u64 *value)
{
	/* Behind BytePrefix, WordPrefix, DWordPrefix; ZeroOp and OneOp stand for themselves. */
	static const u8 widths[] = { [0x0a] = 1, [0x0b] = 2, [0x0c] = 4 };
	u8 op = acpi_get8(aml, *offset);
	u8 width = op < ARRAY_SIZE(widths) ? widths[op] : 0;

	if ((op > 1 && !width) || *offset >= aml.size || aml.size - *offset <= width)
		return false;
	*value = width ? acpi_get(aml, *offset + 1, width) : op;
	*offset += 1U + width;
	return true;
}

/*
 * What follows the name: PackageOp PkgLength NumElements TYPa TYPb ... (7.4.2.1).
 * Some firmware gives one element only, with both types in a word.
 */
static bool take_s5_package(struct acpi_bytes aml, struct acpi_power *power)
{
	u8 lead = acpi_get8(aml, 1);
	/* PkgLength: bits 7:6 of the first byte count the bytes that follow, 20.2.4. */
	u32 offset = 2 + (lead >> 6);
	u8 elements = acpi_get8(aml, offset++);
	u64 type_a, type_b;

	if (acpi_get8(aml, 0) != 0x12 || elements == 0)
		return false;
	if (!take_integer(aml, &offset, &type_a))
		return false;
	if (elements == 1)
		type_b = type_a >> 8;
	else if (!take_integer(aml, &offset, &type_b))
		return false;
	type_a &= 0xff;
	/* SLP_TYP has three bits. */
	if (type_a > 7 || type_b > 7)
		return false;
	power->s5_type_a = (u8)type_a;
	power->s5_type_b = (u8)type_b;
	power->s5_known = true;
	return true;
}

/*
 * Looks for `Name (\_S5_, Package () {...})` in AML, without interpreting it:
 * the object is a constant at the root in every firmware that offers S5.
 */
static void find_s5(struct acpi_bytes table, struct acpi_power *power)
{
	for (u32 i = HEADER_BYTES; !power->s5_known && i + 4 <= table.size; i++) {
		if (table.at[i] != '_' || memcmp(&table.at[i], "_S5_", 4) != 0)
			continue;
		/* 08h is NameOp, with or without the root prefix between. */
		if (table.at[i - 1] != 0x08 &&
		    !(table.at[i - 1] == '\\' && table.at[i - 2] == 0x08))
			continue;
		take_s5_package(acpi_part(table, i + 4, table.size - i - 4), power);
	}
}

/* The port of a register that may stand in a generic address (5.2.3.2) or in an old field. */
static u16 fadt_port(struct acpi_bytes table, u32 extended, u32 legacy)
{
	u64 port = acpi_get32(table, legacy);

	if (acpi_get8(table, extended) == 1 && acpi_get64(table, extended + 4))
		port = acpi_get64(table, extended + 4);
	return port <= 0xffff ? (u16)port : 0;
}

static void parse_fadt(struct parser *parser, struct acpi_bytes table)
{
	struct acpi_power *power = &parser->info->power;
	u32 flags = acpi_get32(table, 112);
	u64 dsdt = acpi_get64(table, 140);
	u64 reset = acpi_get64(table, 120);
	u8 reset_space = acpi_get8(table, 116);
	struct acpi_bytes aml;

	power->smi_command = acpi_get32(table, 48) <= 0xffff ? acpi_get16(table, 48) : 0;
	power->acpi_enable = acpi_get8(table, 52);
	power->pm1a_control = fadt_port(table, 172, 64);
	power->pm1b_control = fadt_port(table, 184, 68);
	power->pm_timer = fadt_port(table, 208, 76);
	if ((flags & BIT(10)) && reset && reset_space <= 2 &&
	    (reset_space != 1 || reset <= 0xffff)) {
		power->reset_space = reset_space;
		power->reset_address = reset;
		power->reset_value = acpi_get8(table, 128);
	}
	aml = map_table(parser, dsdt ? dsdt : acpi_get32(table, 40));
	if (has_signature(aml, "DSDT"))
		find_s5(aml, power);
}

/*
 * DMAR and IVRS begin alike, and so do their structures. A unit that cannot be trusted must
 * not be passed over: its devices would look as if another unit served them. So the table
 * counts as present only if all of it is sound.
 */
static void parse_iommus(struct acpi_info *info, struct acpi_bytes table, acpi_iommu_parser *parse,
			 struct acpi_iommus *iommus)
{
	const char *wrong = NULL;

	if (iommus->present)
		return;
	for (u32 pass = 0; pass < ACPI_IOMMU_PASSES; pass++) {
		for (u32 offset = 48; !wrong && offset < table.size;) {
			u16 length = acpi_get16(table, offset + 2);

			if (length < 4 || length > table.size - offset)
				wrong = "structure has an impossible length";
			else
				wrong = parse(acpi_part(table, offset, length), pass, iommus);
			offset += length;
		}
	}
	if (!wrong && !iommus->unit_count)
		wrong = "no unit";
	if (wrong) {
		complain(info, (const char *)table.at, wrong);
		*iommus = (struct acpi_iommus){ 0 };
	}
	iommus->present = !wrong;
}

static void parse_table(struct parser *parser, u64 pa)
{
	struct acpi_info *info = parser->info;
	struct acpi_bytes table = map_table(parser, pa);

	if (has_signature(table, "APIC")) {
		/* A second MADT (some firmware has one) adds nothing that can be trusted. */
		if (!info->cpu_count)
			parse_madt(info, table);
	} else if (has_signature(table, "MCFG")) {
		parse_mcfg(info, table);
	} else if (has_signature(table, "FACP")) {
		parse_fadt(parser, table);
	} else if (has_signature(table, "SSDT")) {
		find_s5(table, &info->power);
	} else if (has_signature(table, "DMAR")) {
		parse_iommus(info, table, acpi_parse_dmar, &info->dmar);
	} else if (has_signature(table, "IVRS")) {
		parse_iommus(info, table, acpi_parse_ivrs, &info->ivrs);
	}
}

/* Goes through the XSDT (8-byte references) or RSDT (4-byte ones), 5.2.7 and 5.2.8. */
static bool parse_root(struct parser *parser, u64 pa, const char *signature, unsigned width)
{
	struct acpi_bytes root;
	u32 count;

	if (!pa)
		return false;
	root = map_table(parser, pa);
	if (!has_signature(root, signature))
		return false;
	count = (root.size - HEADER_BYTES) / width;
	if (count > MAX_ROOT_REFS) {
		complain(parser->info, signature, "more tables than are read");
		count = MAX_ROOT_REFS;
	}
	for (u32 i = 0; i < count; i++) {
		u64 reference = acpi_get(root, HEADER_BYTES + i * width, width);

		if (reference)
			parse_table(parser, reference);
	}
	return true;
}

enum err acpi_parse(acpi_map_fn memory, hpa_t rsdp, struct acpi_info *info)
{
	struct parser parser = { memory, info };
	struct acpi_bytes root;
	u64 xsdt = 0;
	u32 rsdt;

	memset(info, 0, sizeof(*info));
	info->power.reset_space = 0xff;

	/* 5.2.5.3: the first 20 bytes are from ACPI 1.0 and have a checksum of their own. */
	root = map(&parser, rsdp.raw, 20);
	if (!root.size || memcmp(root.at, "RSD PTR ", 8) != 0 || !sums_to_zero(root))
		return ERR_NOT_FOUND;
	rsdt = acpi_get32(root, 16);
	if (acpi_get8(root, 15) >= 2) {
		root = map(&parser, rsdp.raw, 36);
		if (root.size && acpi_get32(root, 20) >= 36 && sums_to_zero(root))
			xsdt = acpi_get64(root, 24);
		else
			complain(info, "RSDP", "wrong checksum of the extended part");
	}
	if (parse_root(&parser, xsdt, "XSDT", 8) || parse_root(&parser, rsdt, "RSDT", 4))
		return OK;
	return ERR_NOT_FOUND;
}
