// SPDX-License-Identifier: Apache-2.0
/* Writes the ACPI tables, and the processors among them. */
#include "guest/acpi.h"

#include "core/lib/string.h"
#include "guest/layout.h"

#define TABLE_LENGTH   4 /* 32 bits, of which the MADT needs 8 */
#define TABLE_CHECKSUM 9
#define PROCESSOR_SIZE 8
#define MADT_SIZE_MAX  (LAYOUT_FADT - LAYOUT_MADT)

/* guest/acpi/tables.S */
extern const u8 acpi_tables[];
extern const u32 acpi_tables_size;

/* The MADT that was compiled, and a local APIC for each vCPU behind it (ACPI 6.4, 5.2.12.2). */
static enum err write_madt(struct vm *vm)
{
	const u8 *compiled = acpi_tables + (LAYOUT_MADT - LAYOUT_RSDP);
	u8 madt[MADT_SIZE_MAX];
	u32 length = compiled[TABLE_LENGTH];
	u8 sum = 0;

	_Static_assert(MADT_SIZE_MAX / 2 >= VM_MAX_VCPUS * PROCESSOR_SIZE, "room for processors");
	memcpy(madt, compiled, length);
	for (u8 id = 0; id < vm->vcpu_count; id++, length += PROCESSOR_SIZE) {
		const u8 enabled[PROCESSOR_SIZE] = { 0, PROCESSOR_SIZE, id, id, 1 };

		memcpy(madt + length, enabled, PROCESSOR_SIZE);
	}
	madt[TABLE_LENGTH] = (u8)length;
	for (u32 i = 0; i < length; i++)
		sum = (u8)(sum + madt[i]);
	madt[TABLE_CHECKSUM] = (u8)(madt[TABLE_CHECKSUM] - sum);
	return gmem_write(&vm->memory, GPA(LAYOUT_MADT), madt, length);
}

enum err guest_acpi_write(struct vm *vm)
{
	enum err e = gmem_write(&vm->memory, GPA(LAYOUT_RSDP), acpi_tables, acpi_tables_size);

	return e ? e : write_madt(vm);
}
