/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual PCI function as its device model describes it. guest/pci.c puts
 * it on a bus and runs configuration space, the BAR state machine and MSI-X.
 */
#ifndef CORE_VPCI_H
#define CORE_VPCI_H

#include "core/lib/error.h"
#include "core/lib/string.h"
#include "core/lib/types.h"
#include "core/ptab.h"
#include "core/region.h"

struct vm;
struct vpci_function;

enum vpci_span_kind {
	VPCI_SPAN_TRAPPED, /* each access calls `handler` with an offset in the span */
	VPCI_SPAN_DIRECT,  /* mapped to host memory: no exits */
};

#define VPCI_ROM	  6 /* the option ROM, among the BARs: 32 bits wide */
#define VPCI_BAR_COUNT	  7
#define VPCI_BAR_SPAN_MAX 8
#define VPCI_CONFIG_SIZE  4096

/* A part of a BAR; spans are sorted, page-aligned and disjoint. A gap reads as ones. */
struct vpci_span {
	enum vpci_span_kind kind;
	u64 offset, size;
	region_handler handler; /* trapped */
	void *ctx;
	hpa_t hpa; /* direct */
	struct ptab_attr attr;
};

struct vpci_bar {
	u64 size;      /* a power of two from 4 KiB; 0: no such BAR */
	bool is_64bit; /* uses the next BAR too */
	bool prefetchable;
	u32 span_count;
	struct vpci_span spans[VPCI_BAR_SPAN_MAX];
};

struct vpci_function {
	/* Filled by the device model before it is put on a bus. */
	u8 config[VPCI_CONFIG_SIZE];   /* reset values; BARs and command are guest/pci.c's */
	u8 writable[VPCI_CONFIG_SIZE]; /* bits that the guest may change in `config` */
	struct vpci_bar bars[VPCI_BAR_COUNT];
	u32 msix_count;	 /* vectors, 0: no MSI-X; guest/pci.c traps the table and PBA */
	u8 msix_bar;	 /* BAR of table and PBA: whole pages of it are theirs alone */
	u32 msix_offset; /* table at this offset, PBA at + 0x800; one 4 KiB page */
	u8 msix_cap;	 /* offset at which guest/pci.c writes the MSI-X capability */
	bool msix_own;	 /* the model traps table and PBA itself and fills in where they are */
	void *ctx;
	/* After the guest changed bits in `config` (not BARs, MSI-X with msix_own only); may be
	 * NULL. */
	void (*config_written)(struct vpci_function *function, u32 offset, u32 size);

	/* Filled by guest/pci.c when it is put on a bus. */
	struct vm *vm;
	void *slot;
	u8 gsi; /* line of INTx, if config has a pin: vm_irq_line() */
	/* Raise MSI-X vector number `vector` (out of range: nothing happens). Any CPU. */
	void (*raise_msix)(struct vpci_function *function, u32 vector);
	/* True while memory decoding resp. bus mastering is switched on. */
	bool memory_enabled;
	bool bus_master;
};

/* A register of configuration space, 1 to 4 bytes wide. */
static inline void vpci_put(u8 *at, u32 value, u32 size)
{
	memcpy(at, &value, size);
}

static inline u32 vpci_get(const u8 *at, u32 size)
{
	u32 value = 0;

	memcpy(&value, at, size);
	return value;
}

#endif
