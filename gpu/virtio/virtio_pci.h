/* SPDX-License-Identifier: Apache-2.0 */
/* The transport of a physical virtio device: modern PCI, virtio 1.2 section 4.1. */
#ifndef GPU_VIRTIO_PCI_H
#define GPU_VIRTIO_PCI_H

#include "core/lib/error.h"
#include "core/lib/types.h"
#include "drivers/pci.h"
#include "gpu/virtio/virtio.h"
#include "gpu/virtio/virtqueue.h"

#define VIRTIO_PCI_QUEUES_MAX 4

/* One device; used by one CPU at a time. */
struct virtio_pci {
	struct pci *pci;
	const struct pci_function *function;
	volatile struct virtio_pci_common *common;
	volatile u8 *isr;
	volatile u8 *device;
	u32 device_bytes;
	volatile u8 *notify;
	u32 notify_bytes, notify_multiplier;
	u32 notify_offset[VIRTIO_PCI_QUEUES_MAX]; /* in `notify`, of each enabled queue */
	u64 features;				  /* negotiated */
	struct pci_msix msix;
};

/*
 * Find and map the registers, switch memory decoding on, reset the device and
 * say that a driver is here. Bus mastering stays off until virtio_pci_run().
 * OK; ERR_UNSUPPORTED: not a modern device; ERR_DEVICE: a capability points
 * outside its BAR; ERR_NO_MEMORY; ERR_TIMEOUT: the reset does not end.
 */
must_check enum err virtio_pci_attach(struct virtio_pci *device, struct pci *pci,
				      const struct pci_function *function);

/*
 * Reset the device and say that a driver is here; its queues are gone. Waits for the
 * reset to end, at most 100 ms: ERR_TIMEOUT.
 */
must_check enum err virtio_pci_reset(struct virtio_pci *device);

/* What the device offers (2.2). */
u64 virtio_pci_offered(struct virtio_pci *device);

/*
 * Accept `features`, a subset of what is offered. ERR_UNSUPPORTED: the
 * device does not take them.
 */
must_check enum err virtio_pci_accept(struct virtio_pci *device, u64 features);

/* Largest size of queue `index`, at most VIRTQUEUE_SIZE_MAX; 0: there is none. */
u16 virtio_pci_queue_size(struct virtio_pci *device, u16 index);

/*
 * Hand an empty queue to the device; it interrupts with MSI-X entry `vector`.
 * ERR_DEVICE: the device refuses the vector, or its bell lies outside the
 * notification area; ERR_RANGE: `index` is not below VIRTIO_PCI_QUEUES_MAX.
 */
must_check enum err virtio_pci_queue_enable(struct virtio_pci *device, u16 index,
					    const struct virtqueue *vq, u16 vector);

/* Bus mastering on, DRIVER_OK. */
void virtio_pci_run(struct virtio_pci *device);

/* Ring the bell of queue `index`. */
void virtio_pci_notify(struct virtio_pci *device, u16 index);

/* A dword of device configuration; all ones outside of it. */
u32 virtio_pci_config_read(struct virtio_pci *device, u32 offset);

#endif
