// SPDX-License-Identifier: Apache-2.0
/* The ACPI tables that a guest finds: read by our own parser and compared with the layout. */
// SOURCES: guest/acpi.c guest/aml.c core/lib/parse.c core/lib/string.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* cmocka.h wants the above first. */
#include <cmocka.h>

#include "core/frame.h"
#include "core/lib/string.h"
#include "guest/acpi.h"
#include "guest/aml.h"
#include "guest/layout.h"

#define SIZE (LAYOUT_RSDP - LAYOUT_ACPI + PAGE_SIZE)

static u8 image[SIZE];

/* guest_acpi_write() needs these; no test calls it. */
hpa_t frame_alloc_contiguous(u32 pages)
{
	(void)pages;
	return HPA(0);
}

void frame_free_contiguous(hpa_t frame, u32 pages)
{
	(void)frame;
	(void)pages;
}

void *frame_ptr(hpa_t frame)
{
	(void)frame;
	return NULL;
}

enum err gmem_write(const struct gmem *mem, gpa_t gpa, const void *src, size_t size)
{
	(void)mem;
	(void)gpa;
	(void)src;
	(void)size;
	return OK;
}

static u64 get(const u8 *at, u32 size)
{
	u64 value = 0;

	memcpy(&value, at, size);
	return value;
}

static const u8 *at(u64 address)
{
	assert_in_range(address, LAYOUT_ACPI, LAYOUT_ACPI + SIZE - 1);
	return image + (address - LAYOUT_ACPI);
}

static u8 sum(const u8 *bytes, u64 size)
{
	u8 total = 0;

	while (size--)
		total = (u8)(total + *bytes++);
	return total;
}

static const u8 *rsdp(void)
{
	return at(LAYOUT_RSDP);
}

/* The table called `signature` in the XSDT. */
static const u8 *find(const char *signature)
{
	const u8 *xsdt = at(get(rsdp() + 24, 8));
	u64 count = (get(xsdt + 4, 4) - 36) / 8;

	for (u64 i = 0; i < count; i++) {
		const u8 *table = at(get(xsdt + 36 + i * 8, 8));

		if (!memcmp(table, signature, 4))
			return table;
	}
	fail_msg("no table %s", signature);
	return NULL;
}

static int build(void **state)
{
	(void)state;
	memset(image, 0xaa, sizeof(image));
	return guest_acpi_build(image, SIZE, 4) ? -1 : 0;
}

static void every_checksum_is_right(void **state)
{
	static const char *const names[] = { "FACP", "APIC", "MCFG" };
	const u8 *xsdt = at(get(rsdp() + 24, 8));
	const u8 *dsdt = at(get(find("FACP") + 140, 8));

	(void)state;
	assert_memory_equal(rsdp(), "RSD PTR ", 8);
	assert_int_equal(sum(rsdp(), 20), 0);
	assert_int_equal(sum(rsdp(), 36), 0);
	assert_memory_equal(xsdt, "XSDT", 4);
	assert_int_equal(sum(xsdt, get(xsdt + 4, 4)), 0);
	assert_memory_equal(dsdt, "DSDT", 4);
	assert_int_equal(sum(dsdt, get(dsdt + 4, 4)), 0);
	for (u32 i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(sum(find(names[i]), get(find(names[i]) + 4, 4)), 0);
}

static void fadt_describes_the_power_registers(void **state)
{
	const u8 *fadt = find("FACP");

	(void)state;
	assert_int_equal(get(fadt + 4, 4), 276);
	assert_int_equal(get(fadt + 46, 2), LAYOUT_SCI);
	assert_int_equal(get(fadt + 56, 4), LAYOUT_PM1_EVENT);
	assert_int_equal(get(fadt + 64, 4), LAYOUT_PM1_CONTROL);
	assert_int_equal(get(fadt + 76, 4), LAYOUT_PM_TIMER);
	assert_int_equal(get(fadt + 152, 8), LAYOUT_PM1_EVENT);
	assert_int_equal(get(fadt + 176, 8), LAYOUT_PM1_CONTROL);
	assert_int_equal(get(fadt + 212, 8), LAYOUT_PM_TIMER);
	assert_int_equal(get(fadt + 120, 8), LAYOUT_RESET_PORT);
	assert_int_equal(fadt[128], LAYOUT_RESET_VALUE);
	assert_true(get(fadt + 112, 4) & BIT(10));  /* the reset register counts */
	assert_false(get(fadt + 112, 4) & BIT(20)); /* fixed hardware is there */
	assert_int_equal(get(fadt + 48, 4), 0);	    /* no SMI port: always in ACPI mode */
	assert_memory_equal(at(get(fadt + 36, 4)), "FACS", 4);
	assert_int_equal(get(fadt + 36, 4) % 64, 0);
	assert_int_equal(get(fadt + 40, 4), get(fadt + 140, 8)); /* DSDT, twice */
}

static void madt_lists_every_vcpu_and_the_io_apic(void **state)
{
	const u8 *madt = find("APIC");
	u64 length = get(madt + 4, 4);
	u32 processors = 0, io_apics = 0, overrides = 0;

	(void)state;
	assert_int_equal(get(madt + 36, 4), 0xfee00000);
	assert_int_equal(get(madt + 40, 4), 0); /* no 8259s */
	for (u64 i = 44; i < length; i += madt[i + 1]) {
		assert_true(madt[i + 1] >= 8);
		if (madt[i] == 0) {
			assert_int_equal(madt[i + 3], processors);
			assert_int_equal(get(madt + i + 4, 4), 1);
			processors++;
		} else if (madt[i] == 1) {
			assert_int_equal(get(madt + i + 4, 4), 0xfec00000);
			assert_int_equal(get(madt + i + 8, 4), 0);
			io_apics++;
		} else if (madt[i] == 2) {
			assert_int_equal(madt[i + 3], LAYOUT_SCI);
			assert_int_equal(get(madt + i + 8, 2), 0x0d); /* high, level */
			overrides++;
		}
	}
	assert_int_equal(processors, 4);
	assert_int_equal(io_apics, 1);
	assert_int_equal(overrides, 1);
}

static void mcfg_covers_every_bus(void **state)
{
	const u8 *mcfg = find("MCFG");

	(void)state;
	assert_int_equal(get(mcfg + 44, 8), LAYOUT_ECAM);
	assert_int_equal(get(mcfg + 52, 2), 0);
	assert_int_equal(mcfg[54], 0);
	assert_int_equal((mcfg[55] + 1) * MIB(1), LAYOUT_ECAM_SIZE);
}

static void a_small_buffer_is_refused(void **state)
{
	(void)state;
	assert_int_equal(guest_acpi_build(image, SIZE - PAGE_SIZE, 4), ERR_NO_MEMORY);
}

static void most_processors_fit(void **state)
{
	(void)state;
	assert_int_equal(guest_acpi_build(image, SIZE, VM_MAX_VCPUS), OK);
}

/* ---- AML ---- */

static u8 code[64];

static struct aml fresh(u32 size)
{
	memset(code, 0xcc, sizeof(code));
	return (struct aml){ .bytes = code, .size = size };
}

static void integers_are_written_shortest(void **state)
{
	static const u8 expected[] = { 0x00, 0x01, 0x0a, 0x02, 0x0b, 0x00, 0x01,
				       0x0c, 0x00, 0x00, 0x01, 0x00, 0x0e, 0x00,
				       0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00 };
	struct aml aml = fresh(sizeof(code));

	(void)state;
	aml_integer(&aml, 0);
	aml_integer(&aml, 1);
	aml_integer(&aml, 2);
	aml_integer(&aml, 0x100);
	aml_integer(&aml, 0x10000);
	aml_integer(&aml, 0x100000000ULL);
	assert_int_equal(aml.length, sizeof(expected));
	assert_memory_equal(code, expected, sizeof(expected));
}

static void eisa_ids_are_compressed(void **state)
{
	static const u8 expected[] = { 0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x0a, 0x08 };
	struct aml aml = fresh(sizeof(code));

	(void)state;
	aml_name_eisaid(&aml, "_HID", "PNP0A08");
	assert_memory_equal(code, expected, sizeof(expected));
}

static void a_package_counts_its_own_length(void **state)
{
	struct aml aml = fresh(sizeof(code));
	aml_mark mark = aml_device(&aml, "DEV0");

	(void)state;
	aml_name_integer(&aml, "_UID", 7);
	aml_name_eisaid(&aml, "_HID", "PNP0A08");
	aml_end(&aml, mark);
	/* ExtOp, DeviceOp, three bytes of length, name, Name(_UID, 7), Name(_HID, ...) */
	assert_int_equal(aml.length, 2 + 3 + 4 + 7 + 10);
	assert_int_equal(code[2] >> 6, 2); /* two more bytes follow */
	assert_int_equal((code[2] & 15) | code[3] << 4 | code[4] << 12, aml.length - 2);
}

static void nothing_is_written_beyond_the_end(void **state)
{
	struct aml aml = fresh(8);
	aml_mark mark = aml_device(&aml, "DEV0");

	(void)state;
	aml_end(&aml, mark);
	assert_true(aml.overflow);
	assert_int_equal(code[8], 0xcc);
}

#define TEST(f) cmocka_unit_test_setup(f, build)

/* With an argument: leave the DSDT in that file, for a disassembler. */
static int write_dsdt(const char *name)
{
	FILE *file = fopen(name, "wb");
	const u8 *dsdt;
	bool ok;

	if (!file || guest_acpi_build(image, SIZE, 4))
		return 1;
	dsdt = at(get(find("FACP") + 140, 8));
	ok = fwrite(dsdt, get(dsdt + 4, 4), 1, file) == 1;
	return fclose(file) || !ok;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(every_checksum_is_right),
		TEST(fadt_describes_the_power_registers),
		TEST(madt_lists_every_vcpu_and_the_io_apic),
		TEST(mcfg_covers_every_bus),
		TEST(a_small_buffer_is_refused),
		TEST(most_processors_fit),
		TEST(integers_are_written_shortest),
		TEST(eisa_ids_are_compressed),
		TEST(a_package_counts_its_own_length),
		TEST(nothing_is_written_beyond_the_end),
	};

	if (argc > 1)
		return write_dsdt(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
