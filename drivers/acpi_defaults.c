// SPDX-License-Identifier: Apache-2.0
/* A PC that no ACPI table describes: what the PIIX4's own registers say instead. */
#include "drivers/acpi.h"

#define PIIX4_VENDOR	   0x8086
#define PIIX4_PM	   0x7113 /* its function 3 */
#define PIIX4_PMBASE	   0x40
#define PIIX4_PMREGMISC	   0x80
#define PMBASE_PORTS	   0xffc0u
#define PMREGMISC_DECODE   BIT(0)
#define PIIX4_CONTROL	   4 /* from PMBASE */
#define PIIX4_TIMER	   8
#define PIIX4_TYPE_SOFTOFF 0

static const struct pci_function *find_piix4(const struct pci *pci)
{
	for (u32 i = 0; i < pci->function_count; i++)
		if (pci->functions[i].vendor_id == PIIX4_VENDOR &&
		    pci->functions[i].device_id == PIIX4_PM)
			return &pci->functions[i];
	return NULL;
}

bool acpi_defaults(struct pci *pci, struct acpi_info *info)
{
	const struct pci_function *piix4 = find_piix4(pci);
	u16 ports = 0;

	if (piix4 && (pci_read(pci, piix4->bdf, PIIX4_PMREGMISC, 1) & PMREGMISC_DECODE))
		ports = (u16)(pci_read(pci, piix4->bdf, PIIX4_PMBASE, 4) & PMBASE_PORTS);
	if (!ports)
		return false;
	info->power.pm1a_control = (u16)(ports + PIIX4_CONTROL);
	info->power.pm_timer = (u16)(ports + PIIX4_TIMER);
	info->power.s5_known = true;
	info->power.s5_type_a = PIIX4_TYPE_SOFTOFF;
	return true;
}

void acpi_defaults_before_reset(struct pci *pci)
{
	const struct pci_function *piix4 = find_piix4(pci);

	if (piix4)
		pci_write(pci, piix4->bdf, PIIX4_PMREGMISC, 1, 0);
}
