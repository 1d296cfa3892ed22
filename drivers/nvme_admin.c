// SPDX-License-Identifier: Apache-2.0
/* The admin queue of a physical NVMe function, for as long as its resources are divided. */
#include "drivers/nvme_admin.h"

#include "arch/x86/io.h"
#include "core/frame.h"
#include "core/lib/string.h"
#include "core/log.h"
#include "core/timer.h"
#include "drivers/pci_reset.h"

/* Our memory: a page each for commands, answers, and what Identify brings. */
#define ANSWERS PAGE_SIZE
#define DATA	(2 * PAGE_SIZE)
#define BYTES	(3 * PAGE_SIZE)
#define ENTRIES 64U /* of either queue */

static u16 data(const struct nvme_admin *a, u32 offset)
{
	return *(const u16 *)(const void *)(a->pages + DATA + offset);
}

static enum err wait_for(const struct nvme_admin *a, const void *at, u32 mask, u32 value)
{
	u64 end_ns = now_ns() + a->limit_ns;

	while ((mmio_read32(at) & mask) != value) {
		if (now_ns() >= end_ns)
			return ERR_TIMEOUT;
		pci_relax(a->pci);
	}
	return OK;
}

/* Off and on again, with empty queues. */
static enum err restart(struct nvme_admin *a)
{
	enum err e;

	pci_enable(a->pci, a->function, PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER);
	a->cap = mmio_read64(a->registers + NVME_CAP);
	a->limit_ns = (NVME_CAP_TIMEOUT(a->cap) + 1) * 500000000;
	mmio_write32(a->registers + NVME_CONFIGURATION, 0);
	e = wait_for(a, a->registers + NVME_STATUS, NVME_STATUS_READY, 0);
	if (e)
		return e;
	memset(a->pages, 0, BYTES);
	a->issued = 0;
	mmio_write32(a->registers + NVME_QUEUE_SIZES, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	mmio_write64(a->registers + NVME_SUBMISSION, a->memory.raw);
	mmio_write64(a->registers + NVME_COMPLETION, a->memory.raw + ANSWERS);
	mmio_write32(a->registers + NVME_CONFIGURATION, NVME_CONFIGURATION_ON);
	return wait_for(a, a->registers + NVME_STATUS, NVME_STATUS_READY, NVME_STATUS_READY);
}

static enum err command(struct nvme_admin *a, u32 opcode, u32 dword10, u32 dword11)
{
	u32 slot = a->issued % ENTRIES, phase = a->issued / ENTRIES % 2 ? 0 : NVME_ANSWER_PHASE;
	u64 to = opcode == NVME_IDENTIFY ? a->memory.raw + DATA : 0;
	const u32 words[NVME_COMMAND_DWORDS] = {
		[0] = opcode | slot << 16,
		[6] = (u32)to,
		[7] = (u32)(to >> 32),
		[10] = dword10,
		[11] = dword11,
	};
	const u32 *answer = (const u32 *)(const void *)(a->pages + ANSWERS) +
			    slot * NVME_ANSWER_DWORDS + NVME_ANSWER_STATUS;
	u8 *doorbells = a->registers + NVME_DOORBELLS;
	enum err e;

	memcpy(a->pages + slot * sizeof(words), words, sizeof(words));
	a->issued++;
	mmio_write32(doorbells, a->issued % ENTRIES);
	e = wait_for(a, answer, NVME_ANSWER_PHASE, phase);
	mmio_write32(doorbells + (4U << NVME_CAP_STRIDE(a->cap)), a->issued % ENTRIES);
	if (e || !NVME_ANSWER_CODE(*answer))
		return e;
	log_error("%02x:%02x.%x: NVMe command 0x%x (0x%x, 0x%x) ended with status 0x%x",
		  PCI_BDF_ARGS(a->function->bdf), opcode, dword10, dword11,
		  NVME_ANSWER_CODE(*answer));
	return ERR_DEVICE;
}

/* Virtualization Management, of a controller by its number. */
static enum err manage(struct nvme_admin *a, u16 id, u32 action, u32 kind, u32 count)
{
	return command(a, NVME_VIRTUALIZATION, action | kind << 8 | (u32)id << 16, count);
}

/* Everything that a session needs. */
static enum err open(struct nvme_admin *a, struct iommu *iommu)
{
	const struct pci_bar *bar = &a->function->bars[0];
	enum err e;

	if (!bar->base || bar->size < NVME_REGISTER_BYTES)
		return ERR_INVALID;
	a->registers = a->pci->map(HPA(bar->base), NVME_REGISTER_BYTES);
	a->memory = frame_alloc_contiguous(BYTES / PAGE_SIZE);
	if (!a->registers || !a->memory.raw)
		return ERR_NO_MEMORY;
	a->pages = frame_ptr(a->memory);
	e = iommu_domain_init(iommu, &a->domain);
	if (!e)
		e = iommu_map(&a->domain, IOVA(a->memory.raw), a->memory, BYTES,
			      IOMMU_READ | IOMMU_WRITE);
	return e ? e : iommu_attach(&a->domain, a->function->bdf);
}

enum err nvme_admin_free(struct nvme_admin *a, struct pci *pci, struct iommu *iommu,
			 const struct pci_function *function)
{
	enum err e;

	a->pci = pci;
	a->function = function;
	e = open(a, iommu);
	if (!e)
		e = restart(a);
	if (!e)
		e = command(a, NVME_IDENTIFY, NVME_IDENTIFY_PRIMARY, 0);
	for (u32 kind = 0; kind < NVME_RESOURCE_KINDS && !e; kind++) {
		a->flexible[kind] = data(a, NVME_PRIMARY_FLEXIBLE(kind));
		a->most[kind] = data(a, NVME_PRIMARY_MOST(kind));
		e = manage(a, data(a, NVME_PRIMARY_ID), NVME_VIRTUALIZATION_PRIMARY, kind, 0);
	}
	return e ? e : pci_reset(pci, function);
}

enum err nvme_admin_give(struct nvme_admin *a, u32 count)
{
	u32 given = 0;
	enum err e = restart(a);

	if (!e)
		e = command(a, NVME_IDENTIFY, NVME_IDENTIFY_SECONDARIES, 0);
	for (u32 at = NVME_SECONDARY_BYTES; at < PAGE_SIZE && !e; at += NVME_SECONDARY_BYTES) {
		u16 id = data(a, at + NVME_SECONDARY_ID), vf = data(a, at + NVME_SECONDARY_VF);

		if (!vf || vf > count)
			continue;
		for (u32 kind = 0; kind < NVME_RESOURCE_KINDS && !e; kind++)
			e = manage(a, id, NVME_VIRTUALIZATION_ASSIGN, kind,
				   MIN(a->flexible[kind] / count, a->most[kind]));
		if (!e)
			e = manage(a, id, NVME_VIRTUALIZATION_ONLINE, 0, 0);
		given++;
	}
	return !e && given < count ? ERR_NOT_FOUND : e;
}

void nvme_admin_close(struct nvme_admin *a)
{
	if (!a->domain.iommu)
		return;
	pci_disable(a->pci, a->function, PCI_COMMAND_BUS_MASTER);
	(void)!iommu_detach(&a->domain, a->function->bdf);
	if (!iommu_domain_fini(&a->domain)) /* of one that is still attached: ERR_BUSY */
		frame_free_contiguous(a->memory, BYTES / PAGE_SIZE);
	else
		log_error("%02x:%02x.%x: the IOMMU does not obey: some memory stays taken",
			  PCI_BDF_ARGS(a->function->bdf));
}
