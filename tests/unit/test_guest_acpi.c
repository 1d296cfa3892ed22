// SPDX-License-Identifier: Apache-2.0
/* The ACPI tables that a guest finds: read by our own parser and compared with the layout. */
// SOURCES: guest/acpi.c guest/acpi/tables.S core/lib/string.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h wants the above first. */
#include <cmocka.h>

#include "core/lib/string.h"
#include "guest/acpi.h"
#include "guest/ioapic.h"
#include "guest/lapic.h"
#include "guest/layout.h"
#include "guest/pci.h"

#define SIZE PAGE_SIZE

static u8 image[SIZE];

/* The guest's memory. */
enum err gmem_write(const struct gmem *mem, gpa_t gpa, const void *src, size_t size)
{
	(void)mem;
	assert_in_range(gpa.raw, LAYOUT_RSDP, LAYOUT_RSDP + SIZE - size);
	memcpy(image + (gpa.raw - LAYOUT_RSDP), src, size);
	return OK;
}

static enum err write_tables(u32 vcpus)
{
	static struct vm vm;

	vm.vcpu_count = vcpus;
	memset(image, 0xaa, sizeof(image));
	return guest_acpi_write(&vm);
}

static u64 get(const u8 *at, u32 size)
{
	u64 value = 0;

	memcpy(&value, at, size);
	return value;
}

static const u8 *at(u64 address)
{
	assert_in_range(address, LAYOUT_RSDP, LAYOUT_RSDP + SIZE - 1);
	return image + (address - LAYOUT_RSDP);
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
	return write_tables(4) ? -1 : 0;
}

static void every_checksum_is_right(void **state)
{
	static const char *const names[] = { "FACP", "APIC", "MCFG" };
	const u8 *xsdt = at(get(rsdp() + 24, 8));
	const u8 *dsdt = at(LAYOUT_DSDT);

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
	assert_memory_equal(at(get(fadt + 40, 4)), "DSDT", 4);
}

static void expect_madt(u32 vcpus)
{
	const u8 *madt = find("APIC");
	u64 length = get(madt + 4, 4);
	u32 processors = 0, io_apics = 0, overrides = 0;

	assert_int_equal(sum(madt, length), 0);
	assert_int_equal(get(madt + 36, 4), LAPIC_BASE);
	assert_int_equal(get(madt + 40, 4), 0); /* no 8259s */
	for (u64 i = 44; i < length; i += madt[i + 1]) {
		assert_true(madt[i + 1] >= 8);
		if (madt[i] == 0) {
			assert_int_equal(madt[i + 2], processors);
			assert_int_equal(madt[i + 3], processors);
			assert_int_equal(get(madt + i + 4, 4), 1);
			processors++;
		} else if (madt[i] == 1) {
			assert_int_equal(get(madt + i + 4, 4), IOAPIC_BASE);
			assert_int_equal(get(madt + i + 8, 4), 0);
			io_apics++;
		} else if (madt[i] == 2) {
			assert_int_equal(madt[i + 3], LAYOUT_SCI);
			assert_int_equal(get(madt + i + 4, 4), LAYOUT_SCI);
			assert_int_equal(get(madt + i + 8, 2), 0x0d); /* high, level */
			overrides++;
		}
	}
	assert_int_equal(processors, vcpus);
	assert_int_equal(io_apics, 1);
	assert_int_equal(overrides, 1);
}

static void madt_lists_every_vcpu_and_the_io_apic(void **state)
{
	(void)state;
	for (u32 vcpus = 1; vcpus <= VM_MAX_VCPUS; vcpus++) {
		assert_int_equal(write_tables(vcpus), OK);
		expect_madt(vcpus);
	}
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

/* A package of four: device and all its functions, pin A, the line itself and no link device. */
static bool routes(u8 device, u8 gsi)
{
	const u8 entry[] = { 0x12, 0x0b, 4, 0x0c, 0xff, 0xff, device, 0, 0, 0, 0x0a, gsi };
	const u8 *dsdt = at(LAYOUT_DSDT);
	u64 size = get(dsdt + 4, 4);

	for (u64 i = 36; i + sizeof(entry) <= size; i++)
		if (!memcmp(dsdt + i, entry, sizeof(entry)))
			return true;
	return false;
}

static void every_device_of_bus_0_has_a_line_of_the_io_apic(void **state)
{
	(void)state;
	for (u8 device = 1; device < GUEST_PCI_SLOTS; device++) {
		assert_true(LAYOUT_INTX(device) < IOAPIC_PINS);
		assert_true(routes(device, LAYOUT_INTX(device)));
	}
	assert_true(routes(5, 21));
}

#define TEST(f) cmocka_unit_test_setup(f, build)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_checksum_is_right),
		TEST(fadt_describes_the_power_registers),
		TEST(madt_lists_every_vcpu_and_the_io_apic),
		TEST(mcfg_covers_every_bus),
		TEST(every_device_of_bus_0_has_a_line_of_the_io_apic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
