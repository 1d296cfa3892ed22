/* SPDX-License-Identifier: Apache-2.0 */
/* MSI-X of a virtual function (PCI Express 5.0, 6.1.4 and 7.7.2): table, pending bits, delivery. */
#ifndef GUEST_MSIX_H
#define GUEST_MSIX_H

#include "arch/x86/spinlock.h"
#include "core/region.h"
#include "core/vm.h"

#define MSIX_VECTORS_MAX 64
#define MSIX_PENDING	 0x800 /* where the pending bits are, from the table */

struct msix_entry {
	u64 address;
	u32 data;
	u32 control;
};

struct msix {
	struct spinlock lock; /* guards what follows; after device_lock, before the APICs' */
	struct vm *vm;
	u32 count; /* 0: the function has no MSI-X */
	bool enabled, masked;
	bool bus_master; /* a message is a write to memory: no master, no message */
	u64 pending;
	struct msix_entry entries[MSIX_VECTORS_MAX];
};

/* Off, every vector masked, nothing pending. */
void msix_reset(struct msix *msix);

/* The guest wrote the capability's message control register, or switched bus mastering. */
void msix_control(struct msix *msix, u16 control, bool bus_master);

/* Send vector number `vector`, or keep it pending while it is masked. Any CPU. */
void msix_raise(struct msix *msix, u32 vector);

/* Region handler of the page with table and PBA; ctx is the struct msix. */
enum access_result msix_page(struct vcpu *vcpu, void *ctx, struct access *access);

#endif
