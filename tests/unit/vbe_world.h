/* SPDX-License-Identifier: Apache-2.0 */
/* Two guests of one GPU that is fake_vbe.h's device, and the machine below gpu/. */
#ifndef TESTS_UNIT_VBE_WORLD_H
#define TESTS_UNIT_VBE_WORLD_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/cpu.h"
#include "core/frame.h"
#include "core/percpu.h"
#include "drivers/pci_groups.h"
#include "tests/unit/fake_log.h"
#include "tests/unit/fake_vbe.h"

#define GUESTS 2

/* ---- the rest of the machine: CPU 1 runs a guest until it is told to look up ---- */

static u8 pool[64][PAGE_SIZE] __attribute__((aligned(4096)));
static u32 pool_used, pages_out, lines;
static u64 clock_ns;
static bool raised;
static void (*softirq_handler)(u32 cpu);
static pthread_t cpu1;
static bool cpu1_started, cpu1_done, bus_master;
static struct timer *armed;

static void *cpu1_softirq(void *unused)
{
	(void)unused;
	softirq_handler(1);
	__atomic_store_n(&cpu1_done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static bool cpu1_is_held(void)
{
	return cpu1_started && !__atomic_load_n(&cpu1_done, __ATOMIC_SEQ_CST);
}

void softirq_raise(u32 cpu, u32 bit)
{
	assert_int_equal(bit, SOFTIRQ_GPU);
	if (!cpu) {
		raised = true;
		return;
	}
	if (cpu1_started)
		pthread_join(cpu1, NULL);
	cpu1_done = false;
	assert_int_equal(pthread_create(&cpu1, NULL, cpu1_softirq, NULL), 0);
	cpu1_started = true;
}

void irq_hold_kicks(void)
{
}

void irq_release_kicks(void)
{
}

void softirq_register(u32 bit, void (*handler)(u32 cpu))
{
	(void)bit;
	softirq_handler = handler;
}

u32 cpu_count(void)
{
	return 2;
}

hpa_t frame_alloc_contiguous(u32 pages)
{
	void *at = pool[pool_used];

	assert_true(pages <= ARRAY_SIZE(pool) - pool_used);
	pool_used += pages;
	pages_out += pages;
	memset(at, 0, pages * PAGE_SIZE);
	return HPA((u64)(uintptr_t)at);
}

hpa_t frame_alloc(void)
{
	return frame_alloc_contiguous(1);
}

void frame_free_contiguous(hpa_t frame, u32 pages)
{
	(void)frame;
	pages_out -= pages;
}

void frame_free(hpa_t frame)
{
	frame_free_contiguous(frame, 1);
}

void *frame_ptr(hpa_t frame)
{
	return (void *)(uintptr_t)frame.raw;
}

hpa_t frame_of(const void *ptr)
{
	return HPA((u64)(uintptr_t)ptr);
}

u64 now_ns(void)
{
	return clock_ns += 1000;
}

void timer_set(struct timer *timer, u64 deadline_ns)
{
	timer->deadline_ns = deadline_ns;
	armed = timer;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
	lines++;
}

enum err pci_claim(struct pci *p, struct pci_function *function, const char *owner)
{
	(void)p;
	function->owner = owner;
	return OK;
}

void pci_enable(struct pci *pci, const struct pci_function *function, u16 command)
{
	(void)pci;
	(void)function;
	bus_master |= command & PCI_COMMAND_BUS_MASTER;
}

void pci_disable(struct pci *pci, const struct pci_function *function, u16 command)
{
	(void)pci;
	(void)function;
	bus_master &= !(command & PCI_COMMAND_BUS_MASTER);
}

/* What a family without DMA and without interrupts never asks for. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define NEVER(type, name, nothing, ...) \
	type name(__VA_ARGS__) \
	{ \
		fail(); \
		return nothing; \
	}
#define NEVER_ERR(name, ...) NEVER(enum err, name, ERR_DENIED, __VA_ARGS__)
NEVER_ERR(iommu_domain_init, struct iommu *a, struct iommu_domain *b)
NEVER_ERR(iommu_attach, struct iommu_domain *a, u16 b)
NEVER_ERR(iommu_map, struct iommu_domain *a, iova_t b, hpa_t c, u64 d, u32 e)
NEVER_ERR(iommu_unmap, struct iommu_domain *a, iova_t b, u64 c)
NEVER_ERR(iommu_irq_set, struct iommu *a, const struct iommu_irq *b, u64 *c, u32 *d)
NEVER_ERR(irq_register, irq_handler a, void *b, u8 *c)
NEVER_ERR(gmem_translate, const struct gmem *a, gpa_t b, u64 c, hpa_t *d)
NEVER(bool, gmem_is_ram, false, const struct gmem *a, gpa_t b, u64 c)
NEVER(struct percpu *, percpu_of, NULL, u32 a)
NEVER(void, irq_message, , u32 a, u8 b, u64 *c, u32 *d)
NEVER(void, frame_dma_get, , hpa_t a, u64 b)
NEVER(void, frame_dma_put, , hpa_t a, u64 b)
#pragma GCC diagnostic pop

static bool never(const struct pci_function *function)
{
	(void)function;
	return false;
}

const struct gpu_family_ops virtio_gpu_family = { .matches = never };

/* ---- a machine with two guests ---- */

static struct pci pci;
static struct config config;
static struct vm vms[GUESTS];

static struct vbe_vgpu *vgpu_of(u32 guest)
{
	return vbe_of(vms[guest].vgpu);
}

/* The owner CPU, until it has nothing to do; returns in how many steps. */
static u32 settle(void)
{
	u32 steps = 0;

	for (; raised; steps++) {
		assert_true(steps < 10000);
		raised = false;
		softirq_handler(0);
	}
	return steps;
}

static void boot(enum kind kind, u64 size, u64 quota)
{
	struct pci_function *f = &pci.functions[0];

	memset(&device, 0, sizeof(device));
	memset(memory, 0xaa, sizeof(memory));
	device.kind = kind;
	device.size = size;
	pool_used = pages_out = lines = 0;
	bus_master = true;
	raised = false;
	armed = NULL;
	pci.function_count = 1;
	*f = (struct pci_function){ .vendor_id = 0x1234, .device_id = 0x1111 };
	f->bars[0] = (struct pci_bar){ PCI_BAR_MEM32, true, BASE, size };
	if (kind != PORTS)
		f->bars[2] = (struct pci_bar){ PCI_BAR_MEM32, false, BAR2, PAGE_SIZE };
	memset(&config, 0, sizeof(config));
	config.gpu_count = 1;
	config.guest_count = GUESTS;
	config.gpus[0].slice_ns = 2000000;
	for (u32 i = 0; i < GUESTS; i++) {
		config.guests[i].gpu_memory = quota;
		config.guests[i].gpu_weight = 100;
		config.guests[i].gpu_cap = 1000;
	}
	assert_int_equal(gpu_start(&config, &pci, NULL), OK);
	assert_string_equal(f->owner, "gpu");
	for (u32 i = 0; i < GUESTS; i++) {
		memset(&vms[i], 0, sizeof(vms[i]));
		snprintf(vms[i].name, sizeof(vms[i].name), "guest%u", i);
		vms[i].id = (u16)(i + 1);
		vms[i].config = &config.guests[i];
		vms[i].memory.size = MIB(64);
		assert_int_equal(vgpu_create(&vms[i], &config.guests[i]), OK);
	}
	settle();
}

static inline void power_off(void)
{
	for (u32 i = 0; i < GUESTS; i++)
		vgpu_destroy(&vms[i]);
	if (cpu1_started)
		pthread_join(cpu1, NULL);
	cpu1_started = false;
	assert_int_equal(pages_out, 1); /* the device's own */
}

static enum access_result access_page(u32 guest, u32 offset, u8 size, bool write, u64 *value)
{
	struct vpci_span *span = &vgpu_function(&vms[guest])->bars[2].spans[0];
	struct access access = { offset, *value, size, write };
	enum access_result result = span->handler(NULL, span->ctx, &access);

	*value = access.value;
	return result;
}

static inline u64 get(u32 guest, u32 offset, u8 size)
{
	u64 value = ~0ULL;

	assert_int_equal(access_page(guest, offset, size, false, &value), ACCESS_HANDLED);
	return value;
}

static void set(u32 guest, u32 index, u32 register_value)
{
	u64 value = register_value;

	assert_int_equal(access_page(guest, VBE_MMIO_DISPI + 2 * index, 2, true, &value),
			 ACCESS_HANDLED);
}

/* As bochs-drm does it. */
static inline void set_mode(u32 guest, u32 width, u32 height, u32 bpp)
{
	set(guest, VBE_DISPI_ENABLE, 0);
	set(guest, VBE_DISPI_BPP, bpp);
	set(guest, VBE_DISPI_XRES, width);
	set(guest, VBE_DISPI_YRES, height);
	set(guest, VBE_DISPI_VIRT_WIDTH, width);
	set(guest, VBE_DISPI_X_OFFSET, 0);
	set(guest, VBE_DISPI_Y_OFFSET, 0);
	set(guest, VBE_DISPI_ENABLE, VBE_DISPI_ENABLED | VBE_DISPI_LFB);
	settle();
}

static inline bool is_zero(const u8 *at, u64 size)
{
	return !at[0] && !memcmp(at, at + 1, size - 1);
}

#endif
