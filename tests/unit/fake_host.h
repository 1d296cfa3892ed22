/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies below gpu/ in tests: guest RAM, frames, time, the rest of core, and an
 * IOMMU that keeps count. Included by fake_gpu.h.
 */
#ifndef TESTS_UNIT_FAKE_HOST_H
#define TESTS_UNIT_FAKE_HOST_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/frame.h"
#include "core/log.h"
#include "core/percpu.h"
#include "core/timer.h"
#include "drivers/pci_groups.h"
#include "gpu/virtio/virtio_gpu.h"
#include "tests/unit/fake_domain.h"
#include "tests/unit/fake_log.h"

#define MUST(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* ---- guest RAM: 8 MiB from address 0; chunk n is at a host address of its own ---- */

#define FAKE_RAM	     MIB(8)
#define FAKE_VMS	     2
#define FAKE_HPA(vm, offset) (GIB(16) * ((vm) + 1) + (offset))

static u8 fake_ram[FAKE_VMS][FAKE_RAM];
static hpa_t fake_chunks[FAKE_VMS][FAKE_RAM / GMEM_CHUNK_SIZE];
static int fake_dma_users[FAKE_VMS][FAKE_RAM / GMEM_CHUNK_SIZE];

static u8 *fake_ram_of(const struct gmem *mem)
{
	return fake_ram[mem->owner - 1];
}

bool gmem_is_ram(const struct gmem *mem, gpa_t gpa, u64 size)
{
	return gpa.raw <= mem->size && size <= mem->size - gpa.raw;
}

enum err gmem_read(const struct gmem *mem, gpa_t gpa, void *dst, size_t size)
{
	if (!gmem_is_ram(mem, gpa, size))
		return ERR_FAULT;
	memcpy(dst, fake_ram_of(mem) + gpa.raw, size);
	return OK;
}

enum err gmem_write(const struct gmem *mem, gpa_t gpa, const void *src, size_t size)
{
	if (!gmem_is_ram(mem, gpa, size))
		return ERR_FAULT;
	memcpy(fake_ram_of(mem) + gpa.raw, src, size);
	return OK;
}

enum err gmem_translate(const struct gmem *mem, gpa_t gpa, u64 size, hpa_t *out)
{
	if (!gmem_is_ram(mem, gpa, size) ||
	    (gpa.raw & (GMEM_CHUNK_SIZE - 1)) + size > GMEM_CHUNK_SIZE)
		return ERR_FAULT;
	*out = HPA(mem->chunks[gpa.raw >> GMEM_CHUNK_SHIFT].raw +
		   (gpa.raw & (GMEM_CHUNK_SIZE - 1)));
	return OK;
}

/* ---- frames of the pool ---- */

#define FAKE_POOL     MIB(8)
#define FAKE_POOL_HPA MIB(1)

static u8 fake_pool[FAKE_POOL] __attribute__((aligned(4096)));
static size_t fake_pool_used;
static u32 fake_pages_out;

hpa_t frame_alloc_contiguous(u32 pages)
{
	size_t at = fake_pool_used;

	MUST((size_t)pages * PAGE_SIZE <= FAKE_POOL - at);
	fake_pool_used += (size_t)pages * PAGE_SIZE;
	memset(fake_pool + at, 0, (size_t)pages * PAGE_SIZE);
	fake_pages_out += pages;
	return HPA(FAKE_POOL_HPA + at);
}

void *frame_ptr(hpa_t frame)
{
	MUST(frame.raw >= FAKE_POOL_HPA && frame.raw < FAKE_POOL_HPA + FAKE_POOL);
	return fake_pool + (frame.raw - FAKE_POOL_HPA);
}

hpa_t frame_of(const void *ptr)
{
	MUST((const u8 *)ptr >= fake_pool && (const u8 *)ptr < fake_pool + FAKE_POOL);
	return HPA(FAKE_POOL_HPA + (u64)((const u8 *)ptr - fake_pool));
}

/* What changes hands was cleared. */
void frame_free_contiguous(hpa_t frame, u32 pages)
{
	const u8 *bytes = frame_ptr(frame);

	MUST(!bytes[0] && !memcmp(bytes, bytes + 1, (size_t)pages * PAGE_SIZE - 1));
	fake_pages_out -= pages;
}

static int *fake_users(hpa_t hpa)
{
	u64 vm = hpa.raw / GIB(16) - 1;

	MUST(vm < FAKE_VMS && hpa.raw % GIB(16) < FAKE_RAM);
	return &fake_dma_users[vm][(hpa.raw % GIB(16)) >> GMEM_CHUNK_SHIFT];
}

void frame_dma_get(hpa_t hpa, u64 size)
{
	MUST(size == GMEM_CHUNK_SIZE);
	++*fake_users(hpa);
}

void frame_dma_put(hpa_t hpa, u64 size)
{
	MUST(size == GMEM_CHUNK_SIZE);
	MUST(--*fake_users(hpa) >= 0);
}

/* ---- the rest of core ---- */

static u64 fake_now;
static bool fake_softirq;
static bool fake_verbose;
static u32 fake_lines;
static char fake_last_line[256];
static void (*fake_softirq_handler)(u32 cpu);

u64 now_ns(void)
{
	return fake_now += 1000;
}

#define FAKE_TIMERS 4

static struct timer *fake_timers[FAKE_TIMERS]; /* armed, in no order */

void timer_set(struct timer *timer, u64 deadline_ns)
{
	u32 at = 0;

	while (at < FAKE_TIMERS && fake_timers[at] && fake_timers[at] != timer)
		at++;
	MUST(at < FAKE_TIMERS);
	for (u32 i = at + 1; i < FAKE_TIMERS; i++)
		if (fake_timers[i] == timer)
			fake_timers[i] = NULL;
	fake_timers[at] = timer;
	timer->deadline_ns = deadline_ns;
}

/* The one that fires first, not armed any more, if that is until `end_ns`. */
static inline struct timer *fake_due_timer(u64 end_ns)
{
	struct timer *due = NULL;

	for (u32 i = 0; i < FAKE_TIMERS; i++)
		if (fake_timers[i] && fake_timers[i]->deadline_ns <= end_ns &&
		    (!due || fake_timers[i]->deadline_ns < due->deadline_ns))
			due = fake_timers[i];
	for (u32 i = 0; due && i < FAKE_TIMERS; i++)
		if (fake_timers[i] == due)
			fake_timers[i] = NULL;
	return due;
}

void softirq_raise(u32 cpu, u32 bit)
{
	MUST(cpu == 0 && bit == SOFTIRQ_GPU);
	fake_softirq = true;
}

static u32 fake_kick_holds;

void irq_hold_kicks(void)
{
	fake_kick_holds++;
}

/* Whoever is sent one then may want the lock at once. */
void irq_release_kicks(void)
{
	const struct gpu *gpu = gpu_get(0);

	MUST(fake_kick_holds);
	fake_kick_holds--;
	for (u32 i = 0; gpu && i < GPU_VGPUS_MAX; i++)
		MUST(!gpu->vgpus[i] || gpu->vgpus[i]->lock.next == gpu->vgpus[i]->lock.owner);
}

void softirq_register(u32 bit, void (*handler)(u32 cpu))
{
	(void)bit;
	fake_softirq_handler = handler;
}

enum err irq_register(irq_handler handler, void *ctx, u8 *vector)
{
	(void)handler;
	(void)ctx;
	*vector = 64;
	return OK;
}

void irq_message(u32 cpu, u8 vector, u64 *address, u32 *data)
{
	*address = 0xfee00000ULL | cpu << 12;
	*data = vector;
}

u32 cpu_count(void)
{
	return 1;
}

struct percpu *percpu_of(u32 cpu)
{
	static struct percpu fake;

	(void)cpu;
	return &fake;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list args;

	(void)level;
	fake_lines++;
	va_start(args, fmt);
	vsnprintf(fake_last_line, sizeof(fake_last_line), fmt, args);
	va_end(args);
	if (fake_verbose)
		fprintf(stderr, "%s\n", fake_last_line);
}

void vcpu_queue_work(struct vcpu *vcpu, struct vcpu_work *work)
{
	(void)vcpu;
	list_init(&work->node); /* linked: it is queued */
}

bool vcpu_cancel_work(struct vcpu *vcpu, struct vcpu_work *work)
{
	bool was = list_is_linked(&work->node);

	(void)vcpu;
	work->node.next = NULL;
	return was;
}

void pci_disable(struct pci *pci, const struct pci_function *function, u16 command)
{
	(void)pci;
	(void)function;
	(void)command;
}

enum err pci_claim(struct pci *pci, struct pci_function *function, const char *owner)
{
	(void)pci;
	if (function->owner)
		return ERR_EXISTS;
	function->owner = owner;
	return OK;
}

/* ---- an IOMMU that remembers how much of each terabyte is mapped ---- */

static u64 fake_mapped[FAKE_VMS + 1];

enum err iommu_map(struct iommu_domain *domain, iova_t iova, hpa_t hpa, u64 size, u32 rights)
{
	(void)domain;
	(void)hpa;
	MUST((rights & IOMMU_READ) && iova.raw >> 40 <= FAKE_VMS);
	fake_mapped[iova.raw >> 40] += size;
	return OK;
}

enum err iommu_unmap(struct iommu_domain *domain, iova_t iova, u64 size)
{
	(void)domain;
	MUST(iova.raw >> 40 <= FAKE_VMS && fake_mapped[iova.raw >> 40] >= size);
	fake_mapped[iova.raw >> 40] -= size;
	return OK;
}

enum err iommu_irq_set(struct iommu *iommu, const struct iommu_irq *irq, u64 *address, u32 *data)
{
	(void)iommu;
	irq_message(0, irq->vector, address, data);
	return OK;
}

#endif
