/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's PCI buses on the build host: functions with configuration space, read and written.
 */
#ifndef TESTS_UNIT_FAKE_BUS_H
#define TESTS_UNIT_FAKE_BUS_H

#include <stdlib.h>
#include <string.h>

#include "arch/x86/io.h"
#include "drivers/pci.h"

#define ECAM_BASE 0xb0000000ULL
#define BUSES	  8

/* A function of the model; `bar_masks` are the bits of each BAR that take a write. */
struct fake {
	u16 bdf;
	bool silent; /* answers nothing: it is being reset */
	u8 config[4096];
	u32 bar_masks[6];
	u16 acs;	/* where Access Control Services are; those offered take a write */
	bool acs_stuck; /* ... or do not */
	u16 sriov;	/* where SR-IOV is; the bits of each of its BARs that take a write */
	u32 vf_bar_masks[6];
};

static struct fake fakes[40];
static unsigned fake_count;
static u32 config_address;
static bool decoded_while_sizing;
static unsigned fake_unheard; /* accesses to silent functions */

/* Told of each write before it is carried out; may be NULL. */
static void (*fake_on_write)(struct fake *fake, u32 offset, u32 value, unsigned size);

/* Stand-ins for mapped registers: only their addresses count, or plain memory. */
static u8 ecam_window[BUSES << 20];
static u8 bar_memory[0x2000];
static u64 mapped_base, mapped_size;
static bool no_room;

static struct pci pci;

static inline struct fake *fake_at(u16 bdf)
{
	for (unsigned i = 0; i < fake_count; i++) {
		if (fakes[i].bdf == bdf)
			return &fakes[i];
	}
	return NULL;
}

static inline u32 config_read(u16 bdf, u32 offset, unsigned size)
{
	struct fake *fake = fake_at(bdf);
	u32 value = fake && !fake->silent ? 0 : ~0U;

	fake_unheard += fake && fake->silent;
	if (fake && !fake->silent)
		memcpy(&value, &fake->config[offset], size);
	return value;
}

static inline void config_write(u16 bdf, u32 offset, u32 value, unsigned size)
{
	struct fake *fake = fake_at(bdf);
	u32 old, mask = 0;

	if (!fake)
		return;
	fake_unheard += fake->silent;
	if (fake_on_write)
		fake_on_write(fake, offset, value, size);
	if (fake->silent)
		return;
	if (fake->acs && offset == fake->acs + 6U) {
		memcpy(&mask, &fake->config[fake->acs + 4], 2);
		value &= fake->acs_stuck ? 0 : mask;
	}
	if (offset >= 0x10 && offset < 0x28 && size == 4 && !(fake->config[0x0e] & 0x7f)) {
		if (value == ~0U && (fake->config[4] & 3))
			decoded_while_sizing = true;
		mask = fake->bar_masks[(offset - 0x10) / 4];
		memcpy(&old, &fake->config[offset], 4);
		value = (value & mask) | (old & ~mask);
	}
	if (fake->sriov && offset >= fake->sriov + 0x24U && offset < fake->sriov + 0x3cU) {
		if (value == ~0U && (fake->config[fake->sriov + 8] & 9))
			decoded_while_sizing = true;
		mask = fake->vf_bar_masks[(offset - fake->sriov - 0x24U) / 4];
		memcpy(&old, &fake->config[offset], 4);
		value = (value & mask) | (old & ~mask);
	}
	memcpy(&fake->config[offset], &value, size);
}

u32 host_port_in(u16 port, unsigned size)
{
	if (!(config_address >> 31))
		return ~0U;
	return config_read((u16)(config_address >> 8), (config_address & 0xfc) + (port & 3), size);
}

void host_port_out(u16 port, u32 value, unsigned size)
{
	if (port == 0xcf8)
		config_address = value;
	else
		config_write((u16)(config_address >> 8), (config_address & 0xfc) + (port & 3),
			     value, size);
}

u64 host_mmio_read(const volatile void *reg, unsigned size)
{
	size_t offset = (size_t)((const u8 *)reg - ecam_window);
	u64 value = 0;

	if (offset < sizeof(ecam_window))
		return config_read((u16)(offset >> 12), offset & 0xfff, size);
	memcpy(&value, (const void *)reg, size);
	return value;
}

void host_mmio_write(volatile void *reg, u64 value, unsigned size)
{
	size_t offset = (size_t)((u8 *)reg - ecam_window);

	if (offset < sizeof(ecam_window))
		config_write((u16)(offset >> 12), offset & 0xfff, (u32)value, size);
	else
		memcpy((void *)reg, &value, size);
}

static inline void *fake_map(hpa_t base, u64 size)
{
	if (no_room)
		return NULL;
	if (base.raw >= ECAM_BASE && base.raw + size <= ECAM_BASE + sizeof(ecam_window))
		return &ecam_window[base.raw - ECAM_BASE];
	mapped_base = base.raw;
	mapped_size = size;
	return bar_memory;
}

static inline void put(struct fake *fake, u32 offset, u32 value, unsigned size)
{
	memcpy(&fake->config[offset], &value, size);
}

static inline struct fake *add(u16 bdf, u32 ids, u32 class_code)
{
	struct fake *fake = &fakes[fake_count++];

	memset(fake, 0, sizeof(*fake));
	fake->bdf = bdf;
	put(fake, 0x00, ids, 4);
	put(fake, 0x08, class_code << 8 | 1, 4);
	return fake;
}

static inline struct fake *add_bridge(u16 bdf, u8 secondary, u8 subordinate)
{
	struct fake *fake = add(bdf, 0x12348086, 0x060400);

	put(fake, 0x0e, 1, 1);
	put(fake, 0x19, secondary, 1);
	put(fake, 0x1a, subordinate, 1);
	return fake;
}

/* At the front of the list. */
static inline void add_capability(struct fake *fake, u8 at, u8 id)
{
	put(fake, 0x06, 0x0010, 2);
	put(fake, at, (u32)fake->config[0x34] << 8 | id, 2);
	put(fake, 0x34, at, 1);
}

/* PCI Express at 80h, with a port type. */
static inline struct fake *add_express(struct fake *fake, u32 port)
{
	add_capability(fake, 0x80, 0x10);
	put(fake, 0x82, port << 4 | 2, 2);
	return fake;
}

/* An extended capability: one follows the other from 100h on, 80h apart. */
static inline u16 add_extended(struct fake *fake, u16 id)
{
	u16 at = 0x100;
	u32 header;

	for (;; at = (u16)(at + 0x80)) {
		memcpy(&header, &fake->config[at], 4);
		if (!header)
			break;
		put(fake, at + 2, (u32)(at + 0x80) << 4 | 1, 2);
	}
	put(fake, at, 1U << 16 | id, 4);
	return at;
}

static inline struct fake *add_acs(struct fake *fake, u16 offered)
{
	fake->acs = add_extended(fake, 0x000d);
	put(fake, fake->acs + 4U, offered, 2);
	return fake;
}

/* SR-IOV: `total` virtual functions, `first` behind it the first one and `stride` to the next. */
static inline struct fake *add_sriov(struct fake *fake, u16 total, u16 first, u16 stride)
{
	fake->sriov = add_extended(fake, 0x0010);
	put(fake, fake->sriov + 0x0cU, (u32)total << 16 | total, 4);
	put(fake, fake->sriov + 0x14U, (u32)stride << 16 | first, 4);
	return fake;
}

static inline void fake_bus_start(void)
{
	fake_count = fake_unheard = 0;
	fake_on_write = NULL;
	decoded_while_sizing = no_room = false;
	memset(bar_memory, 0, sizeof(bar_memory));
	add(PCI_BDF(0, 0, 0), 0x29c08086, 0x060000);
}

static inline void fake_enumerate(bool by_ecam)
{
	pci_init(&pci, fake_map, HPA(by_ecam ? ECAM_BASE : 0), 0, BUSES - 1);
	pci_enumerate(&pci);
}

#endif
