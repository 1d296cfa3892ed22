/* SPDX-License-Identifier: Apache-2.0 */
/* What a physical NVMe function's controller must be told before its virtual ones work. */
#ifndef DRIVERS_NVME_ADMIN_H
#define DRIVERS_NVME_ADMIN_H

#include "drivers/iommu.h"
#include "drivers/pci.h"

/*
 * NVM Express Base 1.4: registers 3.1, admin commands 5, Virtualization Management 5.22 and
 * 8.5. A secondary controller (a virtual function's) is offline until the primary one's admin
 * queue has given it queues and interrupts out of those that neither keeps for itself.
 *
 * Commands go one by one, each waited for; memory of their own is all that the function reaches
 * by DMA meanwhile.
 */
struct nvme_admin {
	struct pci *pci;
	const struct pci_function *function;
	struct iommu_domain domain;
	hpa_t memory; /* 0: there is no session */
	bool attached;
	u8 *registers;
	u32 issued;	       /* commands, since the controller was switched on */
	u16 id;		       /* of the primary controller */
	u16 parts[2], most[2]; /* flexible queues and interrupts, and of them for one */
};

/*
 * Begins a session: the primary controller gives up what it need not have, and is reset for
 * that to hold, so that the function's registers are as pci_reset() leaves them, and those of
 * its SR-IOV capability lost. `admin` is zeroed. At start only.
 * OK; or an error, and a line has said which: ERR_NO_MEMORY; ERR_INVALID: no registers;
 * ERR_TIMEOUT: the controller does not answer in time; ERR_DEVICE: it refused a
 * command; what iommu_attach() and pci_reset() say.
 */
enum err nvme_admin_free(struct nvme_admin *admin, struct pci *pci, struct iommu *iommu,
			 const struct pci_function *function) must_check;

/*
 * Virtual functions are on: gives each of the first `count` an equal part, and sets them online.
 * They stay so until the physical function is reset. Errors as above.
 */
enum err nvme_admin_give(struct nvme_admin *admin, u32 count) must_check;

/*
 * Ends the session, if there is one: the controller stays on, without bus mastering and with
 * nothing in reach. If the IOMMU does not obey, its memory stays taken.
 */
void nvme_admin_close(struct nvme_admin *admin);

#endif
