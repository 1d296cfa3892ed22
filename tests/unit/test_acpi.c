/* SPDX-License-Identifier: Apache-2.0 */
/* ACPI tables built by hand, sound and unsound, and what the parser makes of them. */
// SOURCES: drivers/acpi.c drivers/acpi_dmar.c drivers/acpi_ivrs.c drivers/acpi_power.c
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/io.h"
#include "drivers/acpi.h"

#define RSDP_AT	       0x1000U
#define XSDT_AT	       0x1100U
#define FIRST_TABLE_AT 0x2000U

/* Physical memory of the test, and how much of it has been built on. */
static u8 memory_bytes[0x8000];
static u32 next_table, table_count;
static u8 table[4096];
static u32 table_size;

static struct acpi_info info;

static const void *map(hpa_t pa, u64 size)
{
	void *copy;

	if (pa.raw >= sizeof(memory_bytes) || size > sizeof(memory_bytes) - pa.raw)
		return NULL;
	/* A block of exactly this size: the sanitiser sees each read beyond it. */
	copy = malloc(size);
	memcpy(copy, &memory_bytes[pa.raw], size);
	return copy;
}

/* Frees what map() gave: the parser promises not to keep it. */
struct mapping {
	void *at;
	struct mapping *next;
};

static struct mapping *mappings;

static const void *map_and_note(hpa_t pa, u64 size)
{
	struct mapping *mapping;
	void *at = (void *)map(pa, size);

	if (!at)
		return NULL;
	mapping = malloc(sizeof(*mapping));
	*mapping = (struct mapping){ at, mappings };
	mappings = mapping;
	return at;
}

static void put(u32 offset, u64 value, unsigned width)
{
	for (unsigned i = 0; i < width; i++)
		table[offset + i] = (u8)(value >> (8 * i));
	table_size = offset + width > table_size ? offset + width : table_size;
}

static void begin_table(const char *signature, u32 size)
{
	memset(table, 0, sizeof(table));
	memcpy(table, signature, 4);
	table_size = size;
}

static u8 checksum(const u8 *bytes, u32 size)
{
	u8 sum = 0;

	while (size--)
		sum = (u8)(sum + *bytes++);
	return (u8)-sum;
}

static void store_table(u32 at)
{
	put(4, table_size, 4);
	table[9] = 0;
	table[9] = checksum(table, table_size);
	memcpy(&memory_bytes[at], table, table_size);
}

/* Stores the table, lists it in the XSDT and says where it is. */
static u32 end_table(void)
{
	u32 at = next_table;

	store_table(at);
	next_table += (table_size + 63) & ~63U;
	memcpy(&memory_bytes[XSDT_AT + 36 + 8 * table_count++], &at, 4);
	return at;
}

static void build_roots(void)
{
	u8 *rsdp = &memory_bytes[RSDP_AT];
	u8 xsdt[4] = { 0x00, 0x11, 0, 0 };

	memcpy(table, &memory_bytes[XSDT_AT], sizeof(table));
	memcpy(table, "XSDT", 4);
	table_size = 36 + 8 * table_count;
	store_table(XSDT_AT);

	memcpy(rsdp, "RSD PTR ", 8);
	rsdp[8] = 0;
	rsdp[15] = 2;
	rsdp[20] = 36;
	memcpy(&rsdp[24], xsdt, 4);
	rsdp[32] = 0;
	rsdp[8] = checksum(rsdp, 20);
	rsdp[32] = checksum(rsdp, 36);
}

static enum err parse(void)
{
	enum err err = acpi_parse(map_and_note, HPA(RSDP_AT), &info);

	while (mappings) {
		struct mapping *gone = mappings;

		mappings = gone->next;
		free(gone->at);
		free(gone);
	}
	return err;
}

static enum err build_and_parse(void)
{
	build_roots();
	return parse();
}

static int start(void **state)
{
	(void)state;
	memset(memory_bytes, 0, sizeof(memory_bytes));
	next_table = FIRST_TABLE_AT;
	table_count = 0;
	return 0;
}

static void add_local_apic(u32 *offset, u8 uid, u8 id, u32 flags)
{
	put(*offset, 0, 1);
	put(*offset + 1, 8, 1);
	put(*offset + 2, uid, 1);
	put(*offset + 3, id, 1);
	put(*offset + 4, flags, 4);
	*offset += 8;
}

static void madt_lists_enabled_processors_once(void **state)
{
	u32 offset = 44;

	(void)state;
	begin_table("APIC", 44);
	put(36, 0xfee00000, 4);
	put(40, 1, 4);
	add_local_apic(&offset, 0, 0, 1);
	add_local_apic(&offset, 1, 2, 1);
	add_local_apic(&offset, 2, 4, 0); /* disabled */
	add_local_apic(&offset, 3, 2, 1); /* the same processor again */
	add_local_apic(&offset, 4, 0xff, 1);
	put(offset, 9, 1); /* x2APIC */
	put(offset + 1, 16, 1);
	put(offset + 4, 0x1234, 4);
	put(offset + 8, 1, 4);
	put(offset + 12, 77, 4);
	end_table();
	assert_int_equal(build_and_parse(), OK);
	assert_int_equal(info.cpu_count, 3);
	assert_int_equal(info.cpus[1].apic_id, 2);
	assert_int_equal(info.cpus[2].apic_id, 0x1234);
	assert_int_equal(info.complaint_count, 0);
}

static void an_entry_of_length_zero_ends_the_madt(void **state)
{
	u32 offset = 44;

	(void)state;
	begin_table("APIC", 44);
	add_local_apic(&offset, 0, 7, 1);
	put(offset, 0, 4);
	end_table();
	assert_int_equal(build_and_parse(), OK);
	assert_int_equal(info.cpu_count, 1);
	assert_int_equal(info.complaint_count, 1);
	assert_string_equal(info.complaints[0].table, "APIC");
}

static void a_table_with_a_wrong_checksum_is_left_out(void **state)
{
	u32 offset = 44, at;

	(void)state;
	begin_table("APIC", 44);
	add_local_apic(&offset, 0, 7, 1);
	at = end_table();
	memory_bytes[at + 40] ^= 1;
	assert_int_equal(build_and_parse(), OK);
	assert_int_equal(info.cpu_count, 0);
	assert_string_equal(info.complaints[0].what, "wrong checksum");
}

static void a_table_that_ends_outside_memory_is_left_out(void **state)
{
	u32 at;

	(void)state;
	begin_table("APIC", 44);
	at = end_table();
	memory_bytes[at + 5] = 0xff;
	assert_int_equal(build_and_parse(), OK);
	assert_int_equal(info.complaint_count, 1);
	memory_bytes[at + 7] = 0xff;
	assert_int_equal(parse(), OK);
	assert_string_equal(info.complaints[0].what, "impossible length");
}

static void without_a_sound_rsdp_there_are_only_defaults(void **state)
{
	(void)state;
	build_roots();
	memory_bytes[RSDP_AT + 3] ^= 1;
	assert_int_equal(parse(), ERR_NOT_FOUND);
	assert_int_equal(info.power.reset_space, 0xff);
	assert_int_equal(acpi_parse(map_and_note, HPA(0), &info), ERR_NOT_FOUND);
	assert_int_equal(acpi_parse(map_and_note, HPA(~0ULL), &info), ERR_NOT_FOUND);
}

static void a_broken_xsdt_leaves_the_rsdt(void **state)
{
	u8 *rsdp = &memory_bytes[RSDP_AT];
	u32 offset = 44, at;

	(void)state;
	begin_table("APIC", 44);
	add_local_apic(&offset, 0, 7, 1);
	at = end_table();
	build_roots();
	begin_table("RSDT", 36);
	put(36, at, 4);
	store_table(0x1800);
	memory_bytes[XSDT_AT + 9] ^= 1;
	rsdp[17] = 0x18;
	rsdp[8] = rsdp[32] = 0;
	rsdp[8] = checksum(rsdp, 20);
	rsdp[32] = checksum(rsdp, 36);
	assert_int_equal(parse(), OK);
	assert_int_equal(info.cpu_count, 1);
}

static void mcfg_ranges_must_make_sense(void **state)
{
	(void)state;
	begin_table("MCFG", 44);
	put(44, 0xb0000000, 8);
	put(54, 0, 1);
	put(55, 255, 1);
	put(60, 0xb0000000, 8); /* last bus before first bus */
	put(70, 4, 1);
	put(71, 3, 1);
	put(75, 0, 1);
	end_table();
	assert_int_equal(build_and_parse(), OK);
	assert_int_equal(info.mcfg_count, 1);
	assert_int_equal(info.mcfg[0].base.raw, 0xb0000000);
	assert_int_equal(info.mcfg[0].last_bus, 255);
	assert_int_equal(info.complaint_count, 1);
}

static u32 build_fadt(const u8 *aml, u32 aml_size)
{
	u32 dsdt;

	begin_table("DSDT", 36);
	memcpy(&table[36], aml, aml_size);
	table_size = 36 + aml_size;
	dsdt = next_table;
	store_table(dsdt);
	next_table += 256;

	begin_table("FACP", 244);
	put(40, dsdt, 4);
	put(46, 9, 2);
	put(48, 0xb2, 4);
	put(52, 2, 1);
	put(64, 0x604, 4);
	put(76, 0x608, 4);
	put(112, BIT(10) | BIT(8), 4);
	put(116, 1, 1);
	put(120, 0xcf9, 8);
	put(128, 0x0f, 1);
	return end_table();
}

static void fadt_gives_ports_and_the_reset_register(void **state)
{
	static const u8 aml[] = { 0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 5, 0x0a, 6 };

	(void)state;
	build_fadt(aml, sizeof(aml));
	assert_int_equal(build_and_parse(), OK);
	assert_int_equal(info.power.pm1a_control, 0x604);
	assert_int_equal(info.power.pm1b_control, 0);
	assert_int_equal(info.power.pm_timer, 0x608);
	assert_int_equal(info.power.reset_space, 1);
	assert_int_equal(info.power.reset_address, 0xcf9);
	assert_int_equal(info.power.reset_value, 0x0f);
	assert_true(info.power.s5_known);
	assert_int_equal(info.power.s5_type_a, 5);
	assert_int_equal(info.power.s5_type_b, 6);
}

static void s5_is_found_in_each_way_to_write_it(void **state)
{
	static const struct {
		u8 aml[20];
		u32 size;
		u8 a, b;
	} ways[] = {
		{ { 0x08, '\\', '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0, 1, 0, 0 }, 13, 0, 1 },
		{ { 0x08, '_', 'S', '5', '_', 0x12, 0x41, 0x00, 0x02, 0x0a, 7, 0x01 }, 12, 7, 1 },
		{ { 0x08, '_', 'S', '5', '_', 0x12, 0x05, 0x01, 0x0b, 5, 3 }, 11, 5, 3 },
		{ { 0x08, '_', 'S', '5', '_', 0x12, 0x09, 0x02, 0x0c, 4, 0, 0, 0, 0 }, 14, 4, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
		start(state);
		build_fadt(ways[i].aml, ways[i].size);
		assert_int_equal(build_and_parse(), OK);
		assert_true(info.power.s5_known);
		assert_int_equal(info.power.s5_type_a, ways[i].a);
		assert_int_equal(info.power.s5_type_b, ways[i].b);
	}
}

static void what_only_looks_like_s5_is_not_taken(void **state)
{
	static const struct {
		u8 aml[16];
		u32 size;
	} looks[] = {
		{ { 'x', '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 5, 0x0a, 5 }, 12 },
		{ { 0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 5 }, 10 }, /* cut off */
		{ { 0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 9, 0x0a, 5 }, 12 },
		{ { 0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x00, 0x0a, 5, 0x0a, 5 }, 12 },
		{ { 0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x70, 5, 0x0a, 5 }, 12 },
		{ { 0x08, '_', 'S', '5', '_' }, 5 },
		{ { 0x08, '_', 'S', '5', '_', 0x12, 0xc6 }, 7 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(looks); i++) {
		start(state);
		build_fadt(looks[i].aml, looks[i].size);
		assert_int_equal(build_and_parse(), OK);
		assert_false(info.power.s5_known);
	}
}

static void put_scope(u32 at, u8 type, u8 id, u8 bus, u8 device, u8 function)
{
	put(at, type, 1);
	put(at + 1, 8, 1);
	put(at + 2, 0, 2);
	put(at + 4, id, 1);
	put(at + 5, bus, 1);
	put(at + 6, device, 1);
	put(at + 7, function, 1);
}

static void build_dmar(void)
{
	begin_table("DMAR", 48);
	put(36, 47, 1);
	put(37, 1, 1);
	put(48, 0, 2); /* DRHD */
	put(50, 24, 2);
	put(52, 1, 1);
	put(56, 0xfed90000, 8);
	put_scope(64, ACPI_SCOPE_IOAPIC, 2, 0xff, 0, 0);
	put(72, 1, 2); /* RMRR */
	put(74, 32, 2);
	put(80, 0x7c000000, 8);
	put(88, 0x7c0fffff, 8);
	put_scope(96, ACPI_SCOPE_ENDPOINT, 0, 0, 2, 1);
}

static void dmar_gives_units_reserved_memory_and_scopes(void **state)
{
	(void)state;
	build_dmar();
	end_table();
	assert_int_equal(build_and_parse(), OK);
	assert_true(info.dmar.present);
	assert_int_equal(info.dmar.unit_count, 1);
	assert_int_equal(info.dmar.units[0].base.raw, 0xfed90000);
	assert_true(info.dmar.units[0].include_all);
	assert_int_equal(info.dmar.units[0].scope_count, 1);
	assert_int_equal(info.dmar.scopes[0].type, ACPI_SCOPE_IOAPIC);
	assert_int_equal(info.dmar.scopes[0].start_bus, 0xff);
	assert_int_equal(info.dmar.reserved_count, 1);
	assert_int_equal(info.dmar.reserved[0].first_scope, 1);
	assert_int_equal(info.dmar.reserved[0].last.raw, 0x7c0fffff);
	assert_int_equal(info.dmar.scopes[1].path[0].device, 2);
	assert_int_equal(info.dmar.scopes[1].path[0].function, 1);
}

static void a_dmar_with_one_bad_part_is_not_used_at_all(void **state)
{
	static const struct {
		u32 offset;
		u8 value;
	} faults[] = {
		{ 50, 3 },    /* length of the unit: shorter than its own head */
		{ 50, 255 },  /* ... longer than the table */
		{ 56, 1 },    /* registers not on a page */
		{ 65, 0 },    /* scope of length 0 */
		{ 65, 6 },    /* scope without a path */
		{ 65, 200 },  /* scope beyond its unit */
		{ 70, 32 },   /* no such device */
		{ 91, 0x01 }, /* reserved memory ends before it begins */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
		start(state);
		build_dmar();
		table[faults[i].offset] = faults[i].value;
		end_table();
		assert_int_equal(build_and_parse(), OK);
		assert_false(info.dmar.present);
		assert_int_equal(info.dmar.unit_count, 0);
		assert_string_equal(info.complaints[0].table, "DMAR");
	}
}

/* ---- IVRS ---- */

/* The head of an IVHD block; entries begin behind it. */
static u32 put_ivhd(u32 at, u8 type, u16 length, u64 base)
{
	put(at, type, 1);
	put(at + 1, 0x25, 1);
	put(at + 2, length, 2);
	put(at + 4, 0x0002, 2);
	put(at + 6, 0x40, 2);
	put(at + 8, base, 8);
	put(at + length - 1, 0, 1);
	return at + (type == 0x10 ? 24 : 40);
}

static void put_entry(u32 at, u8 type, u16 bdf)
{
	put(at, type, 1);
	put(at + 1, bdf, 2);
}

static void put_ivmd(u32 at, u8 type, u8 flags, u16 bdf, u16 last)
{
	put(at, type, 1);
	put(at + 1, flags, 1);
	put(at + 2, 32, 2);
	put(at + 4, bdf, 2);
	put(at + 6, last, 2);
	put(at + 16, 0x7c000000, 8);
	put(at + 24, 0x100000, 8);
}

/* A unit as of old, with every kind of entry. */
#define IVRS_ENTRIES (48 + 24)
static void build_ivrs(void)
{
	u32 at;

	begin_table("IVRS", 48);
	at = put_ivhd(48, 0x10, 24 + 80 + 25, 0xfeb80000);
	put_entry(at, 2, 0x0010);
	put_entry(at + 4, 3, 0x0100);
	put_entry(at + 8, 4, 0x01ff);
	put_entry(at + 12, 0x42, 0x0280); /* 02:10.0 speaks as 02:00.0 */
	put(at + 17, 0x0200, 2);
	put_entry(at + 20, 0x43, 0x0300); /* bus 3 speaks as 02:01.0 */
	put(at + 25, 0x0208, 2);
	put_entry(at + 28, 4, 0x03ff);
	put_entry(at + 32, 0x48, 0); /* the I/O APIC, which is 00:14.0 */
	put(at + 37, 0x00a0, 2);
	put(at + 39, 1, 1);
	put_entry(at + 40, 0x48, 0); /* the HPET */
	put(at + 45, 0x00a1, 2);
	put(at + 47, 2, 1);
	put_entry(at + 48, 0x46, 0x0420);
	put_entry(at + 56, 0x47, 0x0500);
	put_entry(at + 64, 0xf0, 0x00a5); /* an ACPI device, with 3 bytes of name */
	put(at + 64 + 21, 3, 1);
	put_entry(at + 64 + 25, 4, 0x05ff);
	put_entry(at + 64 + 29, 0x7f, 0xffff); /* of a later specification: 8 bytes */
	put(at + 64 + 36, 0, 1);
	put_entry(at + 64 + 37, 0, 0);
	put_ivmd(48 + 129, 0x21, 0x07, 0x0010, 0);
	put_ivmd(48 + 161, 0x22, 0x08, 0x0100, 0x0107); /* an excluded range */
	put_ivmd(48 + 193, 0x21, 0x00, 0x0420, 0);	/* demands nothing */
}

static void ivrs_gives_units_reserved_memory_and_devices(void **state)
{
	static const struct acpi_scope scopes[] = {
		{ .type = 1, .first_bdf = 0x0010, .last_bdf = 0x0010 },
		{ .type = 1, .first_bdf = 0x0100, .last_bdf = 0x01ff },
		{ .type = 1, .first_bdf = 0x0280, .last_bdf = 0x0280, .aliased = true },
		{ .type = 1, .first_bdf = 0x0300, .last_bdf = 0x03ff, .aliased = true },
		{ .type = 3, .first_bdf = 0x00a0, .last_bdf = 0x00a0 },
		{ .type = 4, .first_bdf = 0x00a1, .last_bdf = 0x00a1 },
		{ .type = 1, .first_bdf = 0x0420, .last_bdf = 0x0420 },
		{ .type = 1, .first_bdf = 0x0500, .last_bdf = 0x05ff },
		{ .type = 1, .first_bdf = 0x0010, .last_bdf = 0x0010 },
		{ .type = 1, .first_bdf = 0x0100, .last_bdf = 0x0107 },
	};

	(void)state;
	build_ivrs();
	end_table();
	assert_int_equal(build_and_parse(), OK);
	assert_int_equal(info.complaint_count, 0);
	assert_true(info.ivrs.present && info.ivrs.amd);
	assert_false(info.dmar.present);
	assert_int_equal(info.ivrs.unit_count, 1);
	assert_int_equal(info.ivrs.units[0].base.raw, 0xfeb80000);
	assert_int_equal(info.ivrs.units[0].flags, 0x25);
	assert_int_equal(info.ivrs.units[0].scope_count, 8);
	assert_int_equal(info.ivrs.scope_count, ARRAY_SIZE(scopes));
	for (unsigned i = 0; i < ARRAY_SIZE(scopes); i++) {
		assert_int_equal(info.ivrs.scopes[i].type, scopes[i].type);
		assert_int_equal(info.ivrs.scopes[i].first_bdf, scopes[i].first_bdf);
		assert_int_equal(info.ivrs.scopes[i].last_bdf, scopes[i].last_bdf);
		assert_int_equal(info.ivrs.scopes[i].aliased, scopes[i].aliased);
		assert_int_equal(info.ivrs.scopes[i].path_length, 0);
	}
	assert_int_equal(info.ivrs.scopes[2].alias, 0x0200);
	assert_int_equal(info.ivrs.scopes[3].alias, 0x0208);
	assert_int_equal(info.ivrs.reserved_count, 2);
	assert_int_equal(info.ivrs.reserved[0].base.raw, 0x7c000000);
	assert_int_equal(info.ivrs.reserved[0].last.raw, 0x7c0fffff);
	assert_int_equal(info.ivrs.reserved[1].first_scope, 9);
	assert_int_equal(info.ivrs.reserved[1].scope_count, 1);
}

static void reserved_memory_may_be_every_functions(void **state)
{
	(void)state;
	build_ivrs();
	put_ivmd(48 + 129, 0x20, 0x07, 0x0010, 0x0011);
	end_table();
	assert_int_equal(build_and_parse(), OK);
	assert_int_equal(info.ivrs.scopes[8].first_bdf, 0);
	assert_int_equal(info.ivrs.scopes[8].last_bdf, 0xffff);
}

static void the_newest_description_of_a_unit_counts(void **state)
{
	(void)state;
	begin_table("IVRS", 48);
	put_entry(put_ivhd(48, 0x10, 28, 0xfeb80000), 2, 0x0010);
	put_entry(put_ivhd(76, 0x40, 44, 0xfeb80000), 2, 0x0040);
	put_entry(put_ivhd(120, 0x11, 44, 0xfeb80000), 2, 0x0011);
	put_entry(put_ivhd(164, 0x11, 44, 0xfec80000), 1, 0);
	put_entry(put_ivhd(208, 0x10, 28, 0xfec80000), 2, 0x0010);
	put(236, 0x99, 1); /* a block of a later specification */
	put(238, 8, 2);
	put(243, 0, 1);
	end_table();
	assert_int_equal(build_and_parse(), OK);
	assert_int_equal(info.ivrs.unit_count, 2);
	assert_int_equal(info.ivrs.scopes[info.ivrs.units[0].first_scope].first_bdf, 0x0040);
	assert_int_equal(info.ivrs.units[0].bdf, 0x0002);
	assert_int_equal(info.ivrs.units[1].base.raw, 0xfec80000);
	assert_int_equal(info.ivrs.scopes[info.ivrs.units[1].first_scope].first_bdf, 0);
	assert_int_equal(info.ivrs.scopes[info.ivrs.units[1].first_scope].last_bdf, 0xffff);
}

static void an_ivrs_with_one_bad_part_is_not_used_at_all(void **state)
{
	static const struct {
		u32 offset;
		u8 value;
	} faults[] = {
		{ 50, 0 },		     /* a block of length 0 */
		{ 50, 3 },		     /* shorter than its own head */
		{ 50, 23 },		     /* ... than the unit's */
		{ 51, 1 },		     /* longer than the table */
		{ 56, 1 },		     /* registers not on a page */
		{ IVRS_ENTRIES + 4, 2 },     /* an end without its range */
		{ IVRS_ENTRIES + 8, 3 },     /* a range in a range */
		{ IVRS_ENTRIES + 8, 2 },     /* a function in a range */
		{ IVRS_ENTRIES + 10, 0 },    /* ends before it begins */
		{ IVRS_ENTRIES + 85, 200 },  /* a name beyond its block */
		{ 48 + 129 + 24 + 7, 0x80 }, /* reserved memory of an impossible size */
		{ 48 + 129 + 24 + 2, 0 },    /* ... of none */
		{ 48 + 129 + 16 + 7, 1 },    /* ... beyond all addresses */
		{ 48 + 129 + 2, 33 },	     /* the next block begins where none does */
		{ 48 + 161 + 6, 0 },	     /* reserved for functions that end before they begin */
		{ 48, 0x12 },		     /* no unit is left */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
		start(state);
		build_ivrs();
		table[faults[i].offset] = faults[i].value;
		if (faults[i].offset == 48 + 161 + 6)
			table[48 + 161 + 7] = 0;
		end_table();
		assert_int_equal(build_and_parse(), OK);
		assert_false(info.ivrs.present);
		assert_int_equal(info.ivrs.unit_count, 0);
		assert_string_equal(info.complaints[0].table, "IVRS");
	}
}

static void entries_and_ranges_end_in_their_block(void **state)
{
	/* A function is sound; an entry of 8 bytes, and a range without its end, are not. */
	static const u8 types[] = { 2, 0x46, 3 };

	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		start(state);
		begin_table("IVRS", 48);
		put_entry(put_ivhd(48, 0x10, 28, 0xfeb80000), types[i], 0x0010);
		end_table();
		assert_int_equal(build_and_parse(), OK);
		assert_int_equal(info.ivrs.present, i == 0);
	}
}

static void more_devices_than_there_is_room_for_are_no_units(void **state)
{
	u32 at;

	(void)state;
	begin_table("IVRS", 48);
	at = put_ivhd(48, 0x10, 24 + 4 * (ACPI_MAX_SCOPES + 1), 0xfeb80000);
	for (u32 i = 0; i <= ACPI_MAX_SCOPES; i++)
		put_entry(at + 4 * i, 2, (u16)i);
	end_table();
	assert_int_equal(build_and_parse(), OK);
	assert_false(info.ivrs.present);
}

/* What the power functions wrote: port and value, in order. */
static struct {
	u16 port;
	u32 value;
} writes[8];
static unsigned write_count;
static u16 pm1_control;

static u64 clock_ns;

u64 now_ns(void)
{
	return clock_ns += 1000;
}

u32 host_port_in(u16 port, unsigned size)
{
	(void)size;
	clock_ns += 50; /* an emulator's: hardly any */
	return port == 0x604 ? pm1_control : 0;
}

void host_port_out(u16 port, u32 value, unsigned size)
{
	(void)size;
	if (port == 0xb2)
		pm1_control |= 1;
	if (write_count < ARRAY_SIZE(writes)) {
		writes[write_count].port = port;
		writes[write_count++].value = value;
	}
}

static void power_off_enters_acpi_mode_and_writes_s5(void **state)
{
	struct acpi_power power = { .smi_command = 0xb2,
				    .acpi_enable = 2,
				    .pm1a_control = 0x604,
				    .s5_known = true,
				    .s5_type_a = 5 };

	(void)state;
	write_count = 0;
	pm1_control = 0x0400;
	acpi_power_off(&power);
	assert_int_equal(write_count, 3);
	assert_int_equal(writes[0].port, 0xb2);
	assert_int_equal(writes[0].value, 2);
	assert_int_equal(writes[1].value, 0x1401);
	assert_int_equal(writes[2].port, 0x604);
	assert_int_equal(writes[2].value, 0x3401);
}

static void switching_off_is_given_time_by_the_clock(void **state)
{
	struct acpi_power power = { .pm1a_control = 0x604, .s5_known = true, .s5_type_a = 5 };

	(void)state;
	clock_ns = 0;
	acpi_power_off(&power);
	assert_in_range(clock_ns, 2000000000, 2100000000);
}

static void reset_tries_the_named_register_first(void **state)
{
	struct acpi_power power = { .reset_space = 1, .reset_address = 0xcf9, .reset_value = 0x0f };

	(void)state;
	write_count = 0;
	acpi_reset(&power);
	assert_int_equal(writes[0].port, 0xcf9);
	assert_int_equal(writes[0].value, 0x0f);
	assert_int_equal(writes[write_count - 1].port, 0x64);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, start)
	const struct CMUnitTest tests[] = {
		TEST(madt_lists_enabled_processors_once),
		TEST(an_entry_of_length_zero_ends_the_madt),
		TEST(a_table_with_a_wrong_checksum_is_left_out),
		TEST(a_table_that_ends_outside_memory_is_left_out),
		TEST(without_a_sound_rsdp_there_are_only_defaults),
		TEST(a_broken_xsdt_leaves_the_rsdt),
		TEST(mcfg_ranges_must_make_sense),
		TEST(fadt_gives_ports_and_the_reset_register),
		TEST(s5_is_found_in_each_way_to_write_it),
		TEST(what_only_looks_like_s5_is_not_taken),
		TEST(dmar_gives_units_reserved_memory_and_scopes),
		TEST(a_dmar_with_one_bad_part_is_not_used_at_all),
		TEST(ivrs_gives_units_reserved_memory_and_devices),
		TEST(reserved_memory_may_be_every_functions),
		TEST(the_newest_description_of_a_unit_counts),
		TEST(an_ivrs_with_one_bad_part_is_not_used_at_all),
		TEST(entries_and_ranges_end_in_their_block),
		TEST(more_devices_than_there_is_room_for_are_no_units),
		TEST(power_off_enters_acpi_mode_and_writes_s5),
		TEST(switching_off_is_given_time_by_the_clock),
		TEST(reset_tries_the_named_register_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
