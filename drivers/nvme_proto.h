/* SPDX-License-Identifier: Apache-2.0 */
/* NVM Express Base 1.4: what nvme_admin.c uses of registers, commands and their data. */
#ifndef DRIVERS_NVME_PROTO_H
#define DRIVERS_NVME_PROTO_H

/* Registers, 3.1. */
#define NVME_CAP	      0x00
#define NVME_CAP_TIMEOUT(cap) ((cap) >> 24 & 0xff) /* in units of 500 ms */
#define NVME_CAP_STRIDE(cap)  ((cap) >> 32 & 15)   /* 4 << this: bytes between doorbells */
#define NVME_CONFIGURATION    0x14
#define NVME_CONFIGURATION_ON (1 | 6 << 16 | 4 << 20) /* entries of 64 and 16 bytes */
#define NVME_STATUS	      0x1c
#define NVME_STATUS_READY     1U
#define NVME_QUEUE_SIZES      0x24 /* of the admin queues, less 1 */
#define NVME_SUBMISSION	      0x28
#define NVME_COMPLETION	      0x30
#define NVME_DOORBELLS	      0x1000
#define NVME_REGISTER_BYTES   0x2000 /* and the admin queue's doorbells */

/* Queues, 4.2 and 4.6. */
#define NVME_COMMAND_DWORDS	16
#define NVME_ANSWER_DWORDS	4
#define NVME_ANSWER_STATUS	3	   /* the dword with what follows */
#define NVME_ANSWER_PHASE	(1U << 16) /* of the other value in each round of the queue */
#define NVME_ANSWER_CODE(dword) ((dword) >> 17 & 0x7ff) /* 0: success */

/* Admin commands: Identify, 5.15; Virtualization Management, 5.22. */
#define NVME_IDENTIFY		    0x06
#define NVME_IDENTIFY_PRIMARY	    0x14 /* primary controller capabilities, 5.15.2.16 */
#define NVME_IDENTIFY_SECONDARIES   0x15 /* list of secondary controllers, 5.15.2.17 */
#define NVME_VIRTUALIZATION	    0x1c
#define NVME_VIRTUALIZATION_PRIMARY 1 /* so many flexible resources for the primary one */
#define NVME_VIRTUALIZATION_ASSIGN  8 /* ... for a secondary one */
#define NVME_VIRTUALIZATION_ONLINE  9
#define NVME_RESOURCE_KINDS	    2 /* 0: queues, 1: interrupts */

/* Offsets in what Identify brings; a resource's kind is the part. */
#define NVME_PRIMARY_ID		    0
#define NVME_PRIMARY_FLEXIBLE(kind) (32 + 32 * (kind))
#define NVME_PRIMARY_MOST(kind)	    (44 + 32 * (kind)) /* for one secondary controller */
#define NVME_SECONDARY_BYTES	    32		       /* of an entry; the list's head is as long */
#define NVME_SECONDARY_ID	    0
#define NVME_SECONDARY_VF	    8 /* the virtual function's number, from 1 */

#endif
