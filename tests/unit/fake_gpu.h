/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine for tests of gpu/: guest RAM, frames, an IOMMU that keeps count,
 * and a physical virtio-gpu that trusts nobody. It stands in for phys.c and
 * stops the test when a command reaches it that no guest may cause.
 *
 * The sources that it is linked with:
 *   gpu/gpu.c gpu/vgpu.c gpu/dma.c gpu/sched.c gpu/virtio/family.c
 *   gpu/virtio/vfunc.c gpu/virtio/intake.c gpu/virtio/teardown.c
 *   gpu/virtio/scanout.c gpu/virtio/audit.c gpu/virtio/resources.c
 *   gpu/virtio/vring.c core/lib/string.c core/lib/error.c
 */
#ifndef TESTS_UNIT_FAKE_GPU_H
#define TESTS_UNIT_FAKE_GPU_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/frame.h"
#include "core/log.h"
#include "core/percpu.h"
#include "core/timer.h"
#include "gpu/virtio/virtio_gpu.h"

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
static void (*fake_softirq_handler)(u32 cpu);

u64 now_ns(void)
{
	return fake_now += 1000;
}

void softirq_raise(u32 cpu, u32 bit)
{
	MUST(cpu == 0 && bit == SOFTIRQ_GPU);
	fake_softirq = true;
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
	if (!fake_verbose)
		return;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
}

bool log_allowed(struct log_limit *limit, u32 burst)
{
	return limit->count++ < burst;
}

_Noreturn void panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	abort();
}

void vcpu_queue_work(struct vcpu *vcpu, struct vcpu_work *work)
{
	(void)vcpu;
	work->queued = true;
}

bool vcpu_cancel_work(struct vcpu *vcpu, struct vcpu_work *work)
{
	bool was = work->queued;

	(void)vcpu;
	work->queued = false;
	return was;
}

void pci_disable(struct pci *pci, const struct pci_function *function, u16 command)
{
	(void)pci;
	(void)function;
	(void)command;
}

/* ---- an IOMMU that remembers how much of each terabyte is mapped ---- */

static u64 fake_mapped[FAKE_VMS + 1];

enum err iommu_domain_init(struct iommu *iommu, struct iommu_domain *domain)
{
	domain->iommu = iommu;
	return OK;
}

enum err iommu_attach(struct iommu_domain *domain, u16 bdf)
{
	(void)domain;
	(void)bdf;
	return OK;
}

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

/* ---- the physical device ---- */

#define FAKE_IDS      (1 + FAKE_VMS * VGPU_RESOURCES_MAX)
#define FAKE_SCANOUTS 2

static struct {
	struct {
		bool exists, backed;
		bool zeros;   /* backed by nothing but zeros */
		bool cleared; /* what was in its memory before is gone */
		u32 width, height;
		u64 backing_bytes;
	} resources[FAKE_IDS];
	u32 scanouts[FAKE_SCANOUTS];
	struct gpu_job *fifo[GPU_SCHED_DEPTH];
	u32 fifo_count;
	u32 kicks, commands;
	bool frozen;	  /* it finishes nothing */
	u32 refuse;	  /* the answer to the next command, 0: its own */
	u32 refuse_after; /* so many commands later */
	bool refused;	  /* it has once: not all is as it should be */
	u32 last_type;
} fake_device;

static u8 fake_edid[128] = { 0, 0xff, 0xff };

static bool fake_never(const struct pci_function *function)
{
	(void)function;
	return false;
}

/* The other family has tests of its own. */
const struct gpu_family_ops vbe_family = { .matches = fake_never };

bool virtio_gpu_matches(const struct pci_function *function)
{
	return function->vendor_id == VIRTIO_PCI_VENDOR;
}

enum err virtio_gpu_attach(struct gpu *gpu)
{
	gpu->scanout_count = FAKE_SCANOUTS;
	return OK;
}

void virtio_gpu_display(const struct gpu *gpu, s32 scanout, struct audit_display *out)
{
	(void)gpu;
	(void)scanout;
	*out = (struct audit_display){ 1280, 800, sizeof(fake_edid), fake_edid };
}

/* Only what belongs to the guest of this job may be named. */
static u32 own_id(const struct vgpu *vgpu, u32 id)
{
	u32 base = 1 + vgpu->number * VGPU_RESOURCES_MAX;

	MUST(id >= base && id < base + VGPU_RESOURCES_MAX);
	return id;
}

static void check_entry(const struct vgpu *vgpu, const struct virtio_gpu_mem_entry *entry)
{
	u64 base = vgpu->gpu->iommu ? (u64)(vgpu->number + 1) << 40 : FAKE_HPA(vgpu->number, 0);

	MUST(entry->length && entry->addr >= base);
	MUST(entry->addr - base <= FAKE_RAM && entry->length <= FAKE_RAM - (entry->addr - base));
}

static u64 check_backing(const struct virtio_gpu_job *job, u32 announced)
{
	const struct resource_table *table = &virtio_of(job->base.vgpu)->audit.resources;
	u16 unit = job->backing.first;
	u32 seen = 0, bytes;
	u64 total = 0;
	const void *data;

	for (u32 i = 0; (data = backing_unit(table, &job->backing, unit, i, &bytes)); i++) {
		const struct virtio_gpu_mem_entry *entries = data;

		for (u32 j = 0; j < bytes / sizeof(*entries); j++, seen++) {
			check_entry(job->base.vgpu, &entries[j]);
			total += entries[j].length;
		}
		unit = backing_next(table, unit);
	}
	MUST(seen == announced && seen && seen <= VIRTIO_GPU_ENTRIES_MAX);
	return total;
}

/* Nobody sees what another left in this memory. */
static u32 cleared_id(const struct vgpu *vgpu, u32 id)
{
	MUST(fake_device.resources[own_id(vgpu, id)].cleared || fake_device.refused);
	return id;
}

static void fake_transfer(u32 id, const struct virtio_gpu_transfer_2d *transfer)
{
	const struct virtio_gpu_rect *rect = &transfer->rect;

	MUST((u64)rect->x + rect->width <= fake_device.resources[id].width);
	MUST((u64)rect->y + rect->height <= fake_device.resources[id].height);
	MUST(transfer->offset + (u64)(rect->height - 1) * fake_device.resources[id].width * 4 +
		     (u64)rect->width * 4 <=
	     fake_device.resources[id].backing_bytes);
	if (!fake_device.resources[id].zeros)
		return;
	MUST(rect->width == fake_device.resources[id].width && !transfer->offset);
	MUST(rect->height == fake_device.resources[id].height);
	fake_device.resources[id].cleared = true;
}

static u32 fake_attach(const struct virtio_gpu_job *job, u32 id)
{
	u32 count = job->command.attach.entry_count;

	if (!fake_device.resources[id].exists) /* its CREATE failed */
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	fake_device.resources[id].zeros = job->zero_entries;
	if (job->zero_entries) {
		MUST(count == job->zero_entries && count <= CLEAR_ENTRIES_MAX);
		fake_device.resources[id].backing_bytes = count * CLEAR_ENTRY_BYTES;
	} else {
		fake_device.resources[id].backing_bytes = check_backing(job, count);
	}
	fake_device.resources[id].backed = true;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

static u32 fake_execute(struct virtio_gpu_job *job)
{
	union virtio_gpu_command *command = &job->command;
	const struct vgpu *vgpu = job->base.vgpu;
	u32 id;

	fake_device.last_type = command->hdr.type;
	switch (command->hdr.type) {
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
		id = own_id(vgpu, command->create_2d.resource_id);
		MUST(!fake_device.resources[id].exists);
		fake_device.resources[id].exists = true;
		fake_device.resources[id].width = command->create_2d.width;
		fake_device.resources[id].height = command->create_2d.height;
		return VIRTIO_GPU_RESP_OK_NODATA;
	case VIRTIO_GPU_CMD_RESOURCE_UNREF:
		id = own_id(vgpu, command->ref.resource_id);
		memset(&fake_device.resources[id], 0, sizeof(fake_device.resources[id]));
		for (u32 i = 0; i < FAKE_SCANOUTS; i++)
			if (fake_device.scanouts[i] == id)
				fake_device.scanouts[i] = 0;
		return VIRTIO_GPU_RESP_OK_NODATA;
	case VIRTIO_GPU_CMD_SET_SCANOUT:
		MUST(command->set_scanout.scanout_id < FAKE_SCANOUTS);
		if (command->set_scanout.resource_id)
			(void)cleared_id(vgpu, command->set_scanout.resource_id);
		fake_device.scanouts[command->set_scanout.scanout_id] =
			command->set_scanout.resource_id;
		return VIRTIO_GPU_RESP_OK_NODATA;
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		(void)cleared_id(vgpu, command->flush.resource_id);
		return VIRTIO_GPU_RESP_OK_NODATA;
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
		id = own_id(vgpu, command->transfer_2d.resource_id);
		if (!fake_device.resources[id].backed) /* its ATTACH failed */
			return VIRTIO_GPU_RESP_ERR_UNSPEC;
		fake_transfer(id, &command->transfer_2d);
		return VIRTIO_GPU_RESP_OK_NODATA;
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		return fake_attach(job, own_id(vgpu, command->attach.resource_id));
	case VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING:
		id = own_id(vgpu, command->ref.resource_id);
		fake_device.resources[id].backed = false;
		return VIRTIO_GPU_RESP_OK_NODATA;
	case VIRTIO_GPU_CMD_UPDATE_CURSOR:
	case VIRTIO_GPU_CMD_MOVE_CURSOR:
		MUST(job->queue == VIRTIO_GPU_QUEUE_CURSOR);
		MUST(command->cursor.scanout_id < FAKE_SCANOUTS);
		if (command->cursor.resource_id)
			(void)own_id(vgpu, command->cursor.resource_id);
		return VIRTIO_GPU_RESP_OK_NODATA;
	default:
		MUST(!"a command that guests are not offered");
		return 0;
	}
}

/* The failing device: what it refuses has no effect, save that an UNREF always ends. */
static u32 fake_answer(struct virtio_gpu_job *job)
{
	u32 refuse = fake_device.refuse;

	if (!refuse || job->command.hdr.type == VIRTIO_GPU_CMD_RESOURCE_UNREF)
		return fake_execute(job);
	if (fake_device.refuse_after) {
		fake_device.refuse_after--;
		return fake_execute(job);
	}
	fake_device.refuse = 0;
	fake_device.refused = true;
	return refuse;
}

enum gpu_submit virtio_gpu_submit(struct gpu *gpu, struct gpu_job *base)
{
	struct virtio_gpu_job *job = container_of(base, struct virtio_gpu_job, base);
	s32 scanout = base->vgpu->scanout;

	(void)gpu;
	fake_device.commands++;
	if (job->names_scanout) {
		job->answer = VIRTIO_GPU_RESP_OK_NODATA;
		if (scanout == GPU_SCANOUT_NONE)
			return GPU_DONE;
		if (job->command.hdr.type == VIRTIO_GPU_CMD_SET_SCANOUT)
			job->command.set_scanout.scanout_id = (u32)scanout;
		else
			job->command.cursor.scanout_id = (u32)scanout;
	}
	job->answer = fake_answer(job);
	MUST(fake_device.fifo_count < GPU_SCHED_DEPTH);
	fake_device.fifo[fake_device.fifo_count++] = base;
	return GPU_SUBMITTED;
}

void virtio_gpu_kick(struct gpu *gpu)
{
	fake_device.kicks++;
	gpu_wake(gpu); /* its interrupt */
}

struct gpu_job *virtio_gpu_poll(struct gpu *gpu)
{
	struct gpu_job *job = fake_device.fifo[0];

	(void)gpu;
	if (!fake_device.fifo_count || fake_device.frozen)
		return NULL;
	fake_device.fifo[0] = fake_device.fifo[1];
	fake_device.fifo_count--;
	return job;
}

/* ---- a machine with two guests ---- */

static struct pci fake_pci;
static struct iommu fake_iommu;
static struct config fake_config;
static struct vm fake_vms[FAKE_VMS];
static struct vcpu fake_vcpus[FAKE_VMS];
static u32 fake_interrupts[FAKE_VMS][3];

static void fake_raise(struct vpci_function *function, u32 vector)
{
	u32 number = function->vm->id - 1U;

	MUST(vector < 3);
	fake_interrupts[number][vector]++;
}

static inline struct virtio_vgpu *fake_vgpu(u32 number)
{
	return ((struct vgpu *)fake_vms[number].vgpu)->family;
}

static void fake_machine_start(bool with_iommu, u64 quota)
{
	memset(&fake_device, 0, sizeof(fake_device));
	memset(fake_mapped, 0, sizeof(fake_mapped));
	memset(fake_interrupts, 0, sizeof(fake_interrupts));
	fake_pool_used = 0;
	fake_pages_out = 0;
	fake_lines = 0;
	fake_pci.function_count = 1;
	fake_pci.functions[0].vendor_id = VIRTIO_PCI_VENDOR;
	fake_config.gpu_count = 1;
	fake_config.host.iommu = with_iommu ? CONFIG_IOMMU_AUTO : CONFIG_IOMMU_NONE;
	fake_config.guest_count = FAKE_VMS;
	MUST(!gpu_start(&fake_config, &fake_pci, with_iommu ? &fake_iommu : NULL));
	for (u32 i = 0; i < FAKE_VMS; i++) {
		struct config_guest *guest = &fake_config.guests[i];
		struct vm *vm = &fake_vms[i];

		*guest = (struct config_guest){ .gpu_weight = 100, .gpu_memory = quota };
		memset(vm, 0, sizeof(*vm));
		snprintf(vm->name, sizeof(vm->name), "guest%u", i);
		vm->id = (u16)(i + 1);
		vm->config = guest;
		vm->vcpus[0] = &fake_vcpus[i];
		fake_vcpus[i].vm = vm;
		vm->memory = (struct gmem){ .size = FAKE_RAM, .owner = vm->id };
		vm->memory.chunks = fake_chunks[i];
		for (u32 c = 0; c < FAKE_RAM / GMEM_CHUNK_SIZE; c++)
			fake_chunks[i][c] = HPA(FAKE_HPA(i, c * GMEM_CHUNK_SIZE));
		MUST(!vgpu_create(vm, guest));
		vgpu_function(vm)->vm = vm;
		vgpu_function(vm)->raise_msix = fake_raise;
		vgpu_function(vm)->bus_master = true;
	}
}

/* Until nothing moves any more; the bound is far above what a test queues. */
static void fake_run(void)
{
	for (u32 i = 0; i < 100000; i++) {
		bool moved = false;

		for (u32 vm = 0; vm < FAKE_VMS; vm++) {
			struct vcpu_work *work = &fake_vgpu(vm)->work;

			if (!work->queued)
				continue;
			work->queued = false;
			if (work->step(&fake_vcpus[vm], work))
				work->queued = true;
			moved = true;
		}
		if (fake_softirq) {
			fake_softirq = false;
			fake_softirq_handler(0);
			moved = true;
		}
		if (!moved)
			return;
	}
	MUST(!"the machine does not come to rest");
}

/* Stop both guests; whatever they did, nothing of them is left. */
static void fake_machine_stop(void)
{
	fake_device.frozen = false;
	fake_device.refuse = 0;
	for (u32 i = 0; i < FAKE_VMS; i++) {
		vgpu_stop(&fake_vms[i]);
		gpu_wake(gpu_get(0));
		fake_run();
		MUST(vgpu_stopped(&fake_vms[i]));
	}
	for (u32 i = 0; i < FAKE_IDS; i++)
		MUST(!fake_device.resources[i].exists);
	for (u32 i = 0; i < FAKE_VMS; i++) {
		MUST(!fake_vgpu(i)->audit.resources.used);
		MUST(fake_vgpu(i)->audit.resources.unit_free ==
		     fake_vgpu(i)->audit.resources.unit_count);
		vgpu_destroy(&fake_vms[i]);
		MUST(!fake_mapped[i + 1]);
		for (u32 c = 0; c < FAKE_RAM / GMEM_CHUNK_SIZE; c++)
			MUST(!fake_dma_users[i][c]);
	}
	MUST(!fake_mapped[0] && !fake_pages_out);
}

/* ---- the registers, as a driver reaches them ---- */

static u64 fake_access(u32 vm, u32 page, u32 offset, u8 size, bool write, u64 value)
{
	struct vpci_span *span = &vgpu_function(&fake_vms[vm])->bars[0].spans[page];
	struct access access = { .offset = offset, .size = size, .write = write, .value = value };

	(void)span->handler(&fake_vcpus[vm], span->ctx, &access);
	return access.value;
}

#define REG(name) (u32) offsetof(struct virtio_pci_common, name)

static inline u32 get_reg(u32 vm, u32 offset, u8 size)
{
	return (u32)fake_access(vm, 0, offset, size, false, 0);
}

static void set_reg(u32 vm, u32 offset, u8 size, u32 value)
{
	(void)fake_access(vm, 0, offset, size, true, value);
}

static void ring_bell(u32 vm, u16 queue)
{
	(void)fake_access(vm, 3, queue * 4U, 2, true, queue);
}

#endif
