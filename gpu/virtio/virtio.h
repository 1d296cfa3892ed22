/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the virtio specification (1.2) fixes for every device on PCI: status,
 * features, capabilities, registers, split rings. Drivers of physical devices
 * and devices that guests see share it.
 */
#ifndef GPU_VIRTIO_VIRTIO_H
#define GPU_VIRTIO_VIRTIO_H

#include "core/lib/types.h"

#define VIRTIO_PCI_VENDOR      0x1af4
#define VIRTIO_PCI_DEVICE_BASE 0x1040 /* plus the device type, 4.1.2 */

/* Device status, 2.1. */
#define VIRTIO_STATUS_ACKNOWLEDGE 1
#define VIRTIO_STATUS_DRIVER	  2
#define VIRTIO_STATUS_DRIVER_OK	  4
#define VIRTIO_STATUS_FEATURES_OK 8
#define VIRTIO_STATUS_NEEDS_RESET 64
#define VIRTIO_STATUS_FAILED	  128

/* Feature bits of every device, 6. */
#define VIRTIO_F_INDIRECT_DESC	 BIT(28)
#define VIRTIO_F_VERSION_1	 BIT(32)
#define VIRTIO_F_ACCESS_PLATFORM BIT(33)

/* Vendor capability, 4.1.4. */
enum virtio_pci_cfg_type {
	VIRTIO_PCI_CAP_COMMON = 1,
	VIRTIO_PCI_CAP_NOTIFY = 2,
	VIRTIO_PCI_CAP_ISR = 3,
	VIRTIO_PCI_CAP_DEVICE = 4,
	VIRTIO_PCI_CAP_PCI_CFG = 5,
};

struct virtio_pci_cap {
	u8 cap_vndr, cap_next, cap_len, cfg_type;
	u8 bar, id, padding[2];
	u32 offset, length;
} packed_struct;

/* Common configuration, 4.1.4.3. */
struct virtio_pci_common {
	u32 device_feature_select, device_feature;
	u32 driver_feature_select, driver_feature;
	u16 config_msix_vector, num_queues;
	u8 device_status, config_generation;
	u16 queue_select;
	u16 queue_size, queue_msix_vector, queue_enable, queue_notify_off;
	u32 queue_desc_lo, queue_desc_hi;
	u32 queue_driver_lo, queue_driver_hi;
	u32 queue_device_lo, queue_device_hi;
} packed_struct;

#define VIRTIO_MSI_NO_VECTOR 0xffff

#define VIRTIO_ISR_QUEUE  1
#define VIRTIO_ISR_CONFIG 2

/* Split rings, 2.7. */
#define VIRTQ_DESC_F_NEXT     BIT(0)
#define VIRTQ_DESC_F_WRITE    BIT(1)
#define VIRTQ_DESC_F_INDIRECT BIT(2)

#define VIRTQ_AVAIL_F_NO_INTERRUPT BIT(0)
#define VIRTQ_USED_F_NO_NOTIFY	   BIT(0)

struct virtq_desc {
	u64 addr;
	u32 len;
	u16 flags;
	u16 next;
} packed_struct;

struct virtq_used_elem {
	u32 id;
	u32 len;
} packed_struct;

_Static_assert(sizeof(struct virtio_pci_cap) == 16, "virtio 1.2, 4.1.4");
_Static_assert(sizeof(struct virtio_pci_common) == 56, "virtio 1.2, 4.1.4.3");
_Static_assert(sizeof(struct virtq_desc) == 16, "virtio 1.2, 2.7.5");
_Static_assert(sizeof(struct virtq_used_elem) == 8, "virtio 1.2, 2.7.8");

#endif
