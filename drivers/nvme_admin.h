/* SPDX-License-Identifier: Apache-2.0 */
/* What a physical NVMe function's controller must be told before its virtual ones work. */
#ifndef DRIVERS_NVME_ADMIN_H
#define DRIVERS_NVME_ADMIN_H

#include "drivers/iommu.h"
#include "drivers/nvme_proto.h"
#include "drivers/pci.h"

/*
 * NVM Express Base 1.4, 8.5. A secondary controller (a virtual function's) is offline until the
 * primary one's admin queue has given it queues and interrupts, of those that neither has
 * for its own.
 *
 * Commands go one by one, each waited for; memory of their own is all that the function reaches
 * by DMA meanwhile.
 */
struct nvme_admin {
	struct pci *pci;
	const struct pci_function *function;
	struct iommu_domain domain;
	hpa_t memory; /* 0: there is none */
	u8 *pages;    /* the same, mapped */
	u8 *registers;
	u64 cap, limit_ns; /* CAP; for one wait, as CAP says */
	u32 issued;	   /* commands, since the controller was switched on */
	/* Flexible resources by kind, and how many of them one secondary controller may have. */
	u32 flexible[NVME_RESOURCE_KINDS], most[NVME_RESOURCE_KINDS];
};

/*
 * Begins a session: the primary controller gives up what it need not have, and is reset for
 * that to hold, so that the function's registers are as pci_reset() leaves them, and those of
 * its SR-IOV capability lost. `admin` is zeroed. At start only.
 * OK; ERR_NO_MEMORY; ERR_INVALID: no registers; ERR_TIMEOUT: the controller does not answer in
 * time; ERR_DEVICE: it refused a command, and a line has said which; what iommu_attach() and
 * pci_reset() say.
 */
enum err nvme_admin_free(struct nvme_admin *admin, struct pci *pci, struct iommu *iommu,
			 const struct pci_function *function) must_check;

/*
 * Virtual functions are on: gives each of the first `count` an equal part, and sets them online.
 * They stay so until the physical function is reset. Errors as above; ERR_NOT_FOUND: the
 * controller does not list so many.
 */
enum err nvme_admin_give(struct nvme_admin *admin, u32 count) must_check;

/*
 * Ends the session, if there is one: the controller stays on, without bus mastering and with
 * nothing in reach. If the IOMMU does not obey, its memory stays taken, and a line says so.
 */
void nvme_admin_close(struct nvme_admin *admin);

#endif
