/* SPDX-License-Identifier: Apache-2.0 */
/* Switching off and resetting the machine by the registers that the FADT names. */
#include "arch/x86/io.h"
#include "arch/x86/spinlock.h"
#include "core/timer.h"
#include "drivers/acpi.h"

/* PM1 control register, ACPI 4.8.3.2.1. */
#define PM1_SCI_EN	  BIT(0)
#define PM1_SLP_TYP(type) ((u16)((type) << 10))
#define PM1_SLP_TYP_MASK  PM1_SLP_TYP(7)
#define PM1_SLP_EN	  BIT(13)

/* Chipsets since the PIIX: bits 1 and 2 of CF9h ask for a hard reset. */
#define RESET_CONTROL_PORT 0xcf9
#define KEYBOARD_COMMAND   0x64
#define KEYBOARD_RESET	   0xfe

/* An emulator ends between two of the commands that it executes for a GPU. */
#define OFF_MS	     2000
#define RESET_MS     100
#define ACPI_MODE_MS 100

/* By the clock, and without ports: an emulator's take no time, and the lock that it ends with. */
static void wait_ms(u32 ms)
{
	u64 end = now_ns() + ms * 1000000ULL;

	while (now_ns() < end)
		cpu_relax();
}

/* Firmware without SMI_CMD is in ACPI mode from the start. */
static void enter_acpi_mode(const struct acpi_power *power)
{
	if (!power->smi_command || !power->acpi_enable || (inw(power->pm1a_control) & PM1_SCI_EN))
		return;
	outb(power->smi_command, power->acpi_enable);
	for (u32 tries = 0; tries < ACPI_MODE_MS; tries++) {
		if (inw(power->pm1a_control) & PM1_SCI_EN)
			return;
		wait_ms(1);
	}
}

static void sleep_by(u16 port, u8 type)
{
	u16 value;

	if (!port)
		return;
	value = (u16)((inw(port) & ~(PM1_SLP_TYP_MASK | PM1_SLP_EN)) | PM1_SLP_TYP(type));
	outw(port, value);
	outw(port, (u16)(value | PM1_SLP_EN));
}

void acpi_power_off(const struct acpi_power *power)
{
	if (!power->pm1a_control || !power->s5_known)
		return;
	enter_acpi_mode(power);
	sleep_by(power->pm1a_control, power->s5_type_a);
	sleep_by(power->pm1b_control, power->s5_type_b);
	wait_ms(OFF_MS);
}

void acpi_reset(const struct acpi_power *power)
{
	/* Registers in memory or configuration space are rare: the next ways serve there. */
	if (power->reset_space == 1) {
		outb((u16)power->reset_address, power->reset_value);
		wait_ms(RESET_MS);
	}
	outb(RESET_CONTROL_PORT, 0x02);
	outb(RESET_CONTROL_PORT, 0x06);
	wait_ms(RESET_MS);
	outb(KEYBOARD_COMMAND, KEYBOARD_RESET);
	wait_ms(RESET_MS);
}
