/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults of all IOMMUs: told by interrupt, and looked at so that they cost a fixed part.
 *
 *   listening --message--> masked, a look is due --> look --none left--> listening
 *                            ^   no sooner than       |
 *                            |   10 ms after the last | more, or one came before it listened
 *                            `------------------------'
 */
#include "arch/x86/cpu.h"
#include "arch/x86/io.h"
#include "core/irq.h"
#include "core/timer.h"
#include "drivers/iommu.h"

#define HOUSEKEEPER 0 /* the CPU that looks */

bool iommu_poll_fault(struct iommu *iommu, struct iommu_fault *fault)
{
	for (u32 i = 0; i < iommu->unit_count; i++) {
		spin_guard(&iommu->units[i]->lock);
		if (iommu->units[i]->ops->poll_fault(iommu->units[i], fault))
			return true;
	}
	return false;
}

static bool listen(struct iommu *iommu, bool on)
{
	bool some = false;

	for (u32 i = 0; i < iommu->unit_count; i++) {
		spin_guard(&iommu->units[i]->lock);
		some |= iommu->units[i]->ops->listen(iommu->units[i], on);
	}
	return some;
}

static void interrupt(void *ctx)
{
	struct iommu *iommu = ctx;

	iommu->fault_ticks -= rdtsc();
	(void)listen(iommu, false);
	iommu->look_due = true;
	softirq_raise(HOUSEKEEPER, SOFTIRQ_CONSOLE);
	iommu->fault_ticks += rdtsc();
}

/* Units' own messages are not remapped: VT-d 5.1, and of AMD's no entry is asked for. */
static enum err send_faults(struct iommu *iommu, u32 number, u8 vector)
{
	const struct iommu_unit *unit = iommu->units[number];
	volatile u8 *message = unit->regs + unit->ops->fault_message;
	const struct pci_function *function = pci_find(iommu->pci, iommu->acpi.units[number].bdf);
	u64 address;
	u32 data;

	irq_message(HOUSEKEEPER, vector, &address, &data);
	if (address >> 32 && !unit->extended)
		return ERR_RANGE;
	if (!unit->ops->fault_message) {
		if (!function || function->class_code >> 8 != PCI_CLASS_IOMMU)
			return ERR_NOT_FOUND;
		pci_enable(iommu->pci, function, PCI_COMMAND_BUS_MASTER);
		return pci_msi_set(iommu->pci, function, address, data);
	}
	mmio_write32(message, data);
	mmio_write32(message + 4, (u32)address);
	mmio_write32(message + 8, (u32)(address >> 32));
	return OK;
}

void iommu_tell_faults(struct iommu *iommu)
{
	u8 vector;
	enum err err = irq_register(interrupt, iommu, &vector);

	for (u32 i = 0; i < iommu->unit_count && !err; i++)
		err = send_faults(iommu, i, vector);
	iommu->polled = err;
	iommu->look_due = true;
}

void iommu_look(struct iommu *iommu, void (*tell)(const struct iommu_fault *fault))
{
	u32 left = IOMMU_FAULTS_A_LOOK;
	struct iommu_fault fault;

	if (!iommu->look_due || now_ns() < iommu->next_look_ns)
		return;
	iommu->fault_ticks -= rdtsc();
	iommu->next_look_ns = now_ns() + IOMMU_LOOK_NS;
	for (; left && iommu_poll_fault(iommu, &fault); left--)
		tell(&fault);
	iommu->faults += IOMMU_FAULTS_A_LOOK - left;
	/* What came before they listen is seen by listen(); what comes later sends a message. */
	iommu->look_due = !left || iommu->polled || listen(iommu, true);
	iommu->fault_ticks += rdtsc();
}
