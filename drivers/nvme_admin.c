// SPDX-License-Identifier: Apache-2.0
/* The admin queue of a physical NVMe function, for as long as its resources are divided. */
#include "drivers/nvme_admin.h"

#include "arch/x86/io.h"
#include "core/frame.h"
#include "core/lib/string.h"
#include "core/log.h"
#include "core/timer.h"
#include "drivers/pci_reset.h"

/* Registers, 3.1. */
#define REG_CAP		  0x00
#define REG_CONFIGURATION 0x14
#define REG_STATUS	  0x1c
#define REG_QUEUE_SIZES	  0x24
#define REG_SUBMISSION	  0x28
#define REG_COMPLETION	  0x30
#define REG_DOORBELLS	  0x1000
#define REGISTER_BYTES	  0x2000
#define CAP_TIMEOUT(cap)  ((cap) >> 24 & 0xff)	       /* in units of 500 ms */
#define CAP_STRIDE(cap)	  ((cap) >> 32 & 15)	       /* 4 << this many bytes between doorbells */
#define CONFIGURATION_ON  (BIT(0) | 6 << 16 | 4 << 20) /* entries of 64 and 16 bytes */
#define STATUS_READY	  BIT(0)
#define STATUS_FATAL	  BIT(1)

#define IDENTIFY	     0x06
#define IDENTIFY_PRIMARY     0x14 /* primary controller capabilities */
#define IDENTIFY_SECONDARIES 0x15
#define VIRTUALIZATION	     0x1c
#define PRIMARY_TAKES	     1 /* actions of the latter, 5.22 */
#define SECONDARY_ONLINE     9
#define SECONDARY_TAKES	     8

/* Our memory: a page each for commands, completions and what Identify brings. */
#define COMMANDS   0
#define ANSWERS	   PAGE_SIZE
#define DATA	   (2 * PAGE_SIZE)
#define PAGES	   3
#define ENTRIES	   64U
#define COMMAND_NS 5000000000ULL

/* Of a secondary controller's entry in its list, 5.15.2.17. */
#define ENTRY_BYTES 32
#define ENTRY_VF    8 /* the virtual function's number, from 1 */

static u8 *memory(const struct nvme_admin *a, u64 offset)
{
	return (u8 *)frame_ptr(a->memory) + offset;
}

static u16 data16(const struct nvme_admin *a, u32 offset)
{
	return *(const u16 *)(const void *)memory(a, DATA + offset);
}

static enum err wait_ready(const struct nvme_admin *a, u32 ready)
{
	u64 units = CAP_TIMEOUT(mmio_read64(a->registers + REG_CAP)) + 1;
	u64 end_ns = now_ns() + units * 500000000;

	for (;;) {
		u32 status = mmio_read32(a->registers + REG_STATUS);

		if (status & STATUS_FATAL)
			return ERR_DEVICE;
		if ((status & STATUS_READY) == ready)
			return OK;
		if (now_ns() >= end_ns)
			return ERR_TIMEOUT;
		pci_relax(a->pci);
	}
}

/* Off and on again, with empty queues. */
static enum err restart(struct nvme_admin *a)
{
	enum err e;

	pci_enable(a->pci, a->function, PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER);
	mmio_write32(a->registers + REG_CONFIGURATION, 0);
	e = wait_ready(a, 0);
	if (e)
		return e;
	memset(memory(a, 0), 0, PAGES * PAGE_SIZE);
	a->issued = 0;
	mmio_write32(a->registers + REG_QUEUE_SIZES, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	mmio_write64(a->registers + REG_SUBMISSION, a->memory.raw + COMMANDS);
	mmio_write64(a->registers + REG_COMPLETION, a->memory.raw + ANSWERS);
	mmio_write32(a->registers + REG_CONFIGURATION, CONFIGURATION_ON);
	return wait_ready(a, STATUS_READY);
}

/* One command, and its answer. The phase bit of answers changes with each round (4.6). */
static enum err command(struct nvme_admin *a, u32 opcode, u32 dword10, u32 dword11)
{
	u32 slot = a->issued % ENTRIES, phase = !(a->issued / ENTRIES % 2);
	u32 *entry = (u32 *)(void *)memory(a, COMMANDS) + slot * 16;
	const u32 *answer = (const u32 *)(const void *)memory(a, ANSWERS) + slot * 4 + 3;
	u32 stride = 4U << CAP_STRIDE(mmio_read64(a->registers + REG_CAP));
	u64 data = opcode == IDENTIFY ? a->memory.raw + DATA : 0;
	u64 end_ns = now_ns() + COMMAND_NS;
	u32 status;

	memset(entry, 0, 64);
	entry[0] = opcode | a->issued << 16;
	entry[6] = (u32)data;
	entry[7] = (u32)(data >> 32);
	entry[10] = dword10;
	entry[11] = dword11;
	a->issued++;
	mmio_write32(a->registers + REG_DOORBELLS, a->issued % ENTRIES);
	do {
		if (now_ns() >= end_ns)
			return ERR_TIMEOUT;
		pci_relax(a->pci);
		status = __atomic_load_n(answer, __ATOMIC_ACQUIRE);
	} while ((status >> 16 & 1) != phase);
	mmio_write32(a->registers + REG_DOORBELLS + stride, a->issued % ENTRIES);
	if (!(status >> 17))
		return OK;
	log_error("%02x:%02x.%x: NVMe command 0x%x (0x%x, 0x%x) ended with status 0x%x",
		  PCI_BDF_ARGS(a->function->bdf), opcode, dword10, dword11, status >> 17 & 0x7ff);
	return ERR_DEVICE;
}

/* `kind`: 0 queues, 1 interrupts. */
static enum err manage(struct nvme_admin *a, u16 controller, u32 action, u32 kind, u32 count)
{
	return command(a, VIRTUALIZATION, action | kind << 8 | (u32)controller << 16, count);
}

static enum err open(struct nvme_admin *a, struct iommu *iommu)
{
	const struct pci_bar *bar = &a->function->bars[0];
	u64 size = PAGES * PAGE_SIZE;
	enum err e;

	if (!bar->base || bar->size < REGISTER_BYTES)
		return ERR_INVALID;
	a->registers = a->pci->map(HPA(bar->base), REGISTER_BYTES);
	if (!a->registers)
		return ERR_NO_MEMORY;
	e = iommu_domain_init(iommu, &a->domain);
	if (e)
		return e;
	a->memory = frame_alloc_contiguous(PAGES);
	e = a->memory.raw ? iommu_map(&a->domain, IOVA(a->memory.raw), a->memory, size,
				      IOMMU_READ | IOMMU_WRITE)
			  : ERR_NO_MEMORY;
	if (!e)
		e = iommu_attach(&a->domain, a->function->bdf);
	a->attached = !e;
	return e;
}

static enum err free_all(struct nvme_admin *a)
{
	enum err e = restart(a);

	if (!e)
		e = command(a, IDENTIFY, IDENTIFY_PRIMARY, 0);
	if (e)
		return e;
	a->id = data16(a, 0);
	for (u32 kind = 0; kind < 2; kind++) {
		a->parts[kind] = data16(a, 32 + 32 * kind);
		a->most[kind] = data16(a, 44 + 32 * kind);
		if (!e)
			e = manage(a, a->id, PRIMARY_TAKES, kind, 0);
	}
	return e ? e : pci_reset(a->pci, a->function);
}

enum err nvme_admin_free(struct nvme_admin *a, struct pci *pci, struct iommu *iommu,
			 const struct pci_function *function)
{
	enum err e;

	a->pci = pci;
	a->function = function;
	e = open(a, iommu);
	if (!e)
		e = free_all(a);
	if (e)
		log_error("%02x:%02x.%x: its NVMe controller: %s", PCI_BDF_ARGS(function->bdf),
			  err_name(e));
	return e;
}

static enum err give_one(struct nvme_admin *a, u16 controller, u32 count)
{
	enum err e = OK;

	for (u32 kind = 0; kind < 2 && !e; kind++)
		e = manage(a, controller, SECONDARY_TAKES, kind,
			   MIN(a->parts[kind] / count, a->most[kind]));
	return e ? e : manage(a, controller, SECONDARY_ONLINE, 0, 0);
}

enum err nvme_admin_give(struct nvme_admin *a, u32 count)
{
	u32 given = 0;
	enum err e = restart(a);

	if (!e)
		e = command(a, IDENTIFY, IDENTIFY_SECONDARIES, 0);
	for (u32 at = ENTRY_BYTES; at < PAGE_SIZE && !e && given < count; at += ENTRY_BYTES) {
		u32 vf = data16(a, at + ENTRY_VF);

		if (!vf || vf > count)
			continue;
		e = give_one(a, data16(a, at), count);
		given++;
	}
	if (!e && given < count)
		e = ERR_NOT_FOUND;
	if (e)
		log_error("%02x:%02x.%x: its NVMe controller: %s", PCI_BDF_ARGS(a->function->bdf),
			  err_name(e));
	return e;
}

void nvme_admin_close(struct nvme_admin *a)
{
	enum err e = OK;

	if (!a->domain.id)
		return;
	if (a->attached) {
		pci_disable(a->pci, a->function, PCI_COMMAND_BUS_MASTER);
		e = iommu_detach(&a->domain, a->function->bdf);
	}
	if (!e)
		e = iommu_domain_fini(&a->domain);
	if (!e && a->memory.raw)
		frame_free_contiguous(a->memory, PAGES);
	if (e)
		log_error("%02x:%02x.%x: the IOMMU does not obey: %s",
			  PCI_BDF_ARGS(a->function->bdf), err_name(e));
}
