/* SPDX-License-Identifier: Apache-2.0 */
/* A VM with a PCI bus and one function on the build host, for unit tests and the fuzzer. */
#ifndef TESTS_UNIT_FAKE_PCI_H
#define TESTS_UNIT_FAKE_PCI_H

#include <stdarg.h>
#include <stdio.h>

#include "core/lib/string.h"
#include "core/timer.h"
#include "guest/layout.h"
#include "guest/pci.h"
#include "tests/unit/fake_log.h"

/* The function: BAR0 trapped with MSI-X, BAR2 32 bits wide, BAR4 direct and prefetchable. */
#define FAKE_REGIONS	 6 /* that its BARs make */
#define FAKE_BAR0_SIZE	 KIB(16)
#define FAKE_BAR2_SIZE	 KIB(8)
#define FAKE_BAR4_SIZE	 MIB(4)
#define FAKE_MSIX_OFFSET KIB(8)
#define FAKE_MSIX_COUNT	 3
#define FAKE_MSIX_CAP	 0x60
#define FAKE_DEVICE	 5
#define FAKE_HPA	 GIB(2)
#define FAKE_DIRECT_MAX	 16

#define REG_COMMAND 0x04
#define REG_BAR(i)  (0x10u + 4u * (i))

struct fake_direct {
	u64 gpa, size;
	hpa_t hpa;
};

static struct vm fake_vm;
static struct vcpu fake_vcpu;
static struct guest_pci fake_pci;
static struct power_state fake_power;
static struct vpci_function fake_function;
static struct fake_direct fake_direct[FAKE_DIRECT_MAX];
static u32 fake_direct_count, fake_unmap_count;
static struct ptab_attr fake_direct_attr; /* of the last */
static bool fake_direct_fails;
static struct fake_direct fake_direct_failed; /* the last that could not be mapped */
static u32 fake_log_lines;
static char fake_last_line[300], fake_end_reason[128];
static u64 fake_msi_address;
static u32 fake_msi_data, fake_msi_count;
static u64 fake_last_offset, fake_last_value;
static u32 fake_config_writes;
static enum vm_end fake_end;
static u32 fake_lines; /* bit per GSI: high */

/* ---- what core/ offers ---- */

static u64 fake_later_ns;

u64 now_ns(void)
{
	return 2000000000 + fake_later_ns;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list args;

	(void)level;
	va_start(args, fmt);
	vsnprintf(fake_last_line, sizeof(fake_last_line), fmt, args);
	va_end(args);
	fake_log_lines++;
}

void vm_end(struct vm *vm, enum vm_end end, const char *fmt, ...)
{
	va_list args;

	(void)vm;
	va_start(args, fmt);
	vsnprintf(fake_end_reason, sizeof(fake_end_reason), fmt, args);
	va_end(args);
	fake_end = end;
}

enum err vm_map_direct(struct vm *vm, gpa_t gpa, hpa_t hpa, u64 size, struct ptab_attr attr)
{
	(void)vm;
	fake_direct_attr = attr;
	if (fake_direct_fails || fake_direct_count == FAKE_DIRECT_MAX) {
		fake_direct_failed = (struct fake_direct){ gpa.raw, size, hpa };
		return ERR_NO_MEMORY;
	}
	for (u32 i = 0; i < fake_direct_count; i++)
		if (gpa.raw < fake_direct[i].gpa + fake_direct[i].size &&
		    fake_direct[i].gpa < gpa.raw + size)
			return ERR_EXISTS;
	fake_direct[fake_direct_count++] = (struct fake_direct){ gpa.raw, size, hpa };
	return OK;
}

enum err vm_unmap_direct(struct vm *vm, gpa_t gpa, u64 size)
{
	(void)vm;
	fake_unmap_count++;
	for (u32 i = 0; i < fake_direct_count; i++)
		if (fake_direct[i].gpa == gpa.raw && fake_direct[i].size == size) {
			fake_direct[i] = fake_direct[--fake_direct_count];
			return OK;
		}
	if (fake_direct_failed.gpa != gpa.raw || fake_direct_failed.size != size)
		panic("unmaps a span that is not mapped");
	fake_direct_failed.size = 0; /* flushed what was there for a moment */
	return OK;
}

static void fake_msi(struct vm *vm, u64 address, u32 data)
{
	(void)vm;
	fake_msi_address = address;
	fake_msi_data = data;
	fake_msi_count++;
}

static void fake_irq_line(struct vm *vm, u32 gsi, bool level)
{
	(void)vm;
	fake_lines = (fake_lines & ~(u32)BIT(gsi)) | (u32)level << gsi;
}

static const struct vm_ops fake_ops = { .msi = fake_msi, .irq_line = fake_irq_line };

/* ---- the function ---- */

static enum access_result fake_handler(struct vcpu *vcpu, void *ctx, struct access *access)
{
	(void)vcpu;
	fake_last_offset = access->offset;
	if (access->write)
		fake_last_value = access->value;
	else
		access->value = (u64)(uintptr_t)ctx;
	return ACCESS_HANDLED;
}

static void fake_config_written(struct vpci_function *function, u32 offset, u32 size)
{
	(void)function;
	(void)offset;
	(void)size;
	fake_config_writes++;
}

static inline void fake_function_init(struct vpci_function *f)
{
	memset(f, 0, sizeof(*f));
	f->config[0] = 0xf4;
	f->config[1] = 0x1a;
	f->config[6] = 0x10;
	f->config[0x34] = FAKE_MSIX_CAP;
	f->writable[0x80] = 0x0f;
	f->bars[0] = (struct vpci_bar){
		.size = FAKE_BAR0_SIZE,
		.is_64bit = true,
		.span_count = 2,
		.spans = { { .offset = KIB(4),
			     .size = PAGE_SIZE,
			     .handler = fake_handler,
			     .ctx = (void *)0xa0 },
			   { .offset = KIB(12),
			     .size = PAGE_SIZE,
			     .handler = fake_handler,
			     .ctx = (void *)0xa3 } },
	};
	f->bars[2] = (struct vpci_bar){
		.size = FAKE_BAR2_SIZE,
		.span_count = 2,
		.spans = { { .size = PAGE_SIZE, .handler = fake_handler, .ctx = (void *)0xc0 },
			   { .offset = KIB(4),
			     .size = PAGE_SIZE,
			     .handler = fake_handler,
			     .ctx = (void *)0xc4 } },
	};
	f->bars[4] = (struct vpci_bar){
		.size = FAKE_BAR4_SIZE,
		.is_64bit = true,
		.prefetchable = true,
		.span_count = 2,
		.spans = { { .kind = VPCI_SPAN_DIRECT, .size = MIB(2), .hpa = HPA(FAKE_HPA) },
			   { .offset = MIB(2),
			     .size = PAGE_SIZE,
			     .handler = fake_handler,
			     .ctx = (void *)0xe0 } },
	};
	f->msix_count = FAKE_MSIX_COUNT;
	f->msix_offset = FAKE_MSIX_OFFSET;
	f->msix_cap = FAKE_MSIX_CAP;
	f->config_written = fake_config_written;
}

/* A machine after power-on, with the function on its bus. False: something refused. */
static inline bool fake_start(void)
{
	memset(&fake_vm, 0, sizeof(fake_vm));
	memset(&fake_pci, 0, sizeof(fake_pci));
	fake_direct_count = fake_log_lines = fake_msi_count = fake_config_writes = 0;
	fake_direct_fails = false;
	fake_direct_failed.size = 0;
	fake_end = VM_END_NONE;
	fake_vm.ops = &fake_ops;
	fake_vcpu.vm = &fake_vm;
	fake_function_init(&fake_function);
	if (power_create(&fake_vm, &fake_power) ||
	    guest_pci_create(&fake_vm, &fake_pci, &fake_power) ||
	    guest_pci_add(&fake_pci, &fake_function))
		return false;
	guest_pci_reset(&fake_pci);
	return true;
}

/* ---- what a vCPU does ---- */

/* One access as core/vcpu_run.c carries it out. */
static u64 fake_access(struct region_table *table, u64 address, u8 size, bool write, u64 value)
{
	struct access access = { .value = value, .size = size, .write = write };
	const struct region *region = region_find(table, address, size);
	enum access_result result = ACCESS_NOT_MINE;

	if (region) {
		access.offset = address - region->base;
		result = region->handler(&fake_vcpu, region->ctx, &access);
	}
	if (result == ACCESS_NOT_MINE)
		return size == 8 ? ~0ULL : BIT(size * 8) - 1;
	return access.value;
}

static inline u64 fake_ecam(u32 device, u32 offset)
{
	return LAYOUT_ECAM + ((u64)device << 15) + offset;
}

static inline u32 fake_read_config(u32 device, u32 offset, u8 size)
{
	return (u32)fake_access(&fake_vm.mmio, fake_ecam(device, offset), size, false, 0);
}

static inline void fake_write_config(u32 device, u32 offset, u8 size, u32 value)
{
	fake_access(&fake_vm.mmio, fake_ecam(device, offset), size, true, value);
}

#endif
