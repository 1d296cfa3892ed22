/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine for tests of gpu/: what fake_host.h has, two guests, and a physical
 * virtio-gpu that trusts nobody. It stands in for phys.c and start.c and
 * stops the test when a command reaches it that no guest may cause.
 *
 * The sources that it is linked with:
 *   gpu/gpu.c gpu/hang.c gpu/vgpu.c gpu/dma.c gpu/sched*.c gpu/virtio/family.c
 *   gpu/virtio/vfunc.c gpu/virtio/intake.c gpu/virtio/teardown.c
 *   gpu/virtio/freeze.c gpu/virtio/rebuild.c
 *   gpu/virtio/scanout.c gpu/virtio/audit.c gpu/virtio/resources.c
 *   gpu/virtio/vring.c core/lib/string.c core/lib/error.c
 * and for 3D (fake_gpu_3d.h)
 *   gpu/virtio/audit_3d.c gpu/virtio/stream.c gpu/virtio/streams.c gpu/virtio/series.c
 *   gpu/virtio/virgl.c gpu/virtio/virgl_rules.c gpu/virtio/virgl_checks.c
 *   gpu/virtio/virgl_objects.c gpu/virtio/virgl_resource.c gpu/virtio/virgl_formats.c
 */
#ifndef TESTS_UNIT_FAKE_GPU_H
#define TESTS_UNIT_FAKE_GPU_H

#include "tests/unit/fake_host.h"

/* ---- the physical device ---- */

#define FAKE_IDS      (1 + FAKE_VMS * VGPU_RESOURCES_MAX)
#define FAKE_CONTEXTS (1 + FAKE_VMS * VIRGL_CONTEXTS_MAX)
#define FAKE_SCANOUTS 2

static struct {
	struct {
		bool exists, backed;
		bool zeros;   /* backed by nothing but zeros */
		bool cleared; /* what was in its memory before is gone */
		struct virgl_resource shape;
		u64 uncleared; /* bytes of all levels and layers that zeros have to reach yet */
		u64 backing_bytes;
	} resources[FAKE_IDS];
	bool contexts[FAKE_CONTEXTS];
	bool filled[FAKE_CONTEXTS]; /* constants came before anything of the guest's */
	u32 scanouts[FAKE_SCANOUTS];
	struct fake_entry {
		struct gpu_job *job; /* NULL: its vGPU is gone */
		bool hangs;	     /* it is not finished */
		bool waits;	     /* it has not done anything either */
		bool abandoned;
	} fifo[GPU_SCHED_DEPTH + GPU_ABANDONED_MOST];
	u32 fifo_count;
	u32 hang;	  /* jobs of this type hang, 0: none */
	u32 hang_count;	  /* so many of them */
	bool hang_early;  /* before they do anything */
	bool stays_stuck; /* a reset does not help */
	bool breaks;	  /* nor can it be reset */
	bool picky;	  /* it stops at a guest's job, not at ours */
	bool no_engine;	  /* it reads commands, and signals no fences */
	bool dead;
	u32 resets;
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

static struct audit_capsets fake_capsets; /* count 0: no 3D */

const struct audit_capsets *virtio_gpu_capsets(const struct gpu *gpu)
{
	(void)gpu;
	return fake_capsets.count ? &fake_capsets : NULL;
}

/* Ids of the device without how often their slots were used. */
static inline u32 fake_id(u32 id)
{
	return id ? 1 + (id - 1) % RESOURCE_ID_STRIDE : 0;
}

/* Only what belongs to the guest of this job may be named. */
static u32 own_id(const struct vgpu *vgpu, u32 id)
{
	u32 base = 1 + vgpu->number * VGPU_RESOURCES_MAX;

	id = fake_id(id);

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
	id = own_id(vgpu, id);
	MUST(fake_device.resources[id].cleared || fake_device.refused);
	return id;
}

#include "tests/unit/fake_gpu_3d.h"

static u32 fake_attach(const struct virtio_gpu_job *job, u32 id, u32 count, u32 zero_entries)
{
	if (!fake_device.resources[id].exists) /* its CREATE failed */
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	fake_device.resources[id].zeros = zero_entries;
	if (zero_entries) {
		MUST(count == zero_entries && count <= CLEAR_ENTRIES_MAX);
		fake_device.resources[id].backing_bytes = count * CLEAR_ENTRY_BYTES;
	} else {
		fake_device.resources[id].backing_bytes = check_backing(job, count);
	}
	fake_device.resources[id].backed = true;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

static u32 fake_execute(const struct virtio_gpu_job *job, const union virtio_gpu_command *command,
			const struct job_data *data)
{
	const struct vgpu *vgpu = job->base.vgpu;
	u32 id;

	fake_device.last_type = command->hdr.type;
	switch (command->hdr.type) {
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
		fake_create(own_id(vgpu, command->create_2d.resource_id),
			    &(struct virgl_resource){ .target = VIRGL_TARGET_2D,
						      .format = command->create_2d.format,
						      .width = command->create_2d.width,
						      .height = command->create_2d.height,
						      .depth = 1,
						      .array_size = 1 });
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
			fake_id(command->set_scanout.resource_id);
		return VIRTIO_GPU_RESP_OK_NODATA;
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		(void)cleared_id(vgpu, command->flush.resource_id);
		return VIRTIO_GPU_RESP_OK_NODATA;
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
		id = own_id(vgpu, command->transfer_2d.resource_id);
		if (!fake_device.resources[id].backed) /* its ATTACH failed */
			return VIRTIO_GPU_RESP_ERR_UNSPEC;
		fake_transfer_2d(id, &command->transfer_2d);
		return VIRTIO_GPU_RESP_OK_NODATA;
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		return fake_attach(job, own_id(vgpu, command->attach.resource_id),
				   command->attach.entry_count, data->zero_entries);
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
	case VIRTIO_GPU_CMD_CTX_CREATE ... VIRTIO_GPU_CMD_SUBMIT_3D:
		return fake_execute_3d(job, command, data);
	default:
		MUST(!"a command that guests are not offered");
		return 0;
	}
}

/* The failing device: what it refuses has no effect, save that an UNREF always ends. */
static u32 fake_answer(const struct virtio_gpu_job *job, const union virtio_gpu_command *command,
		       const struct job_data *data)
{
	u32 refuse = fake_device.refuse;

	fake_device.commands++;
	if (!refuse || command->hdr.type == VIRTIO_GPU_CMD_RESOURCE_UNREF ||
	    command->hdr.type == VIRTIO_GPU_CMD_CTX_DESTROY)
		return fake_execute(job, command, data);
	if (fake_device.refuse_after) {
		fake_device.refuse_after--;
		return fake_execute(job, command, data);
	}
	fake_device.refuse = 0;
	fake_device.refused = true;
	return refuse;
}

/* The first error of a job's commands is its answer. */
static u32 fake_answers(const struct virtio_gpu_job *job)
{
	union virtio_gpu_command command;
	struct job_data data;
	u32 length, answer = VIRTIO_GPU_RESP_OK_NODATA;

	for (u32 i = 0; job_command(job, i, &command, &length, &data); i++) {
		u32 one = fake_answer(job, &command, &data);

		MUST(i < AUDIT_SERIES_MAX && length <= sizeof(command));
		if (answer == VIRTIO_GPU_RESP_OK_NODATA)
			answer = one;
	}
	return answer;
}

enum gpu_submit virtio_gpu_submit(struct gpu *gpu, struct gpu_job *base)
{
	struct virtio_gpu_job *job = container_of(base, struct virtio_gpu_job, base);
	struct fake_entry entry = { .job = base };
	s32 scanout = base->vgpu->scanout;

	(void)gpu;
	if (job->names_scanout) {
		job->answer = VIRTIO_GPU_RESP_OK_NODATA;
		if (scanout == GPU_SCANOUT_NONE)
			return GPU_DONE;
		if (job->command.hdr.type == VIRTIO_GPU_CMD_SET_SCANOUT)
			job->command.set_scanout.scanout_id = (u32)scanout;
		else
			job->command.cursor.scanout_id = (u32)scanout;
	}
	job->answer = VIRTIO_GPU_RESP_ERR_UNSPEC;
	if (fake_device.dead)
		return GPU_DONE;
	MUST(!base->abandoned);
	fake_device.frozen |= fake_device.picky && !base->ours;
	entry.hangs = fake_device.hang_count && fake_device.hang == job->command.hdr.type;
	fake_device.hang_count -= entry.hangs;
	entry.hangs |= fake_device.no_engine && !job->unfenced;
	entry.waits = entry.hangs && fake_device.hang_early;
	if (!entry.waits)
		job->answer = fake_answers(job);
	MUST(fake_device.fifo_count < ARRAY_SIZE(fake_device.fifo));
	fake_device.fifo[fake_device.fifo_count++] = entry;
	return GPU_SUBMITTED;
}

void virtio_gpu_kick(struct gpu *gpu)
{
	fake_device.kicks++;
	gpu_wake(gpu); /* its interrupt */
}

struct gpu_job *virtio_gpu_poll(struct gpu *gpu)
{
	(void)gpu;
	for (u32 i = 0; i < fake_device.fifo_count && !fake_device.frozen; i++) {
		struct gpu_job *job = fake_device.fifo[i].job;

		if (fake_device.fifo[i].hangs)
			continue;
		fake_device.fifo_count--;
		memmove(&fake_device.fifo[i], &fake_device.fifo[i + 1],
			(fake_device.fifo_count - i) * sizeof(struct fake_entry));
		if (job)
			return job;
		i--; /* of a vGPU that is gone */
	}
	return NULL;
}

/* What hung is finished after all; what was abandoned has no effect any more. */
static inline void fake_let_go(void)
{
	fake_device.hang_count = 0;
	for (u32 i = 0; i < fake_device.fifo_count; i++) {
		struct fake_entry *entry = &fake_device.fifo[i];
		struct virtio_gpu_job *job;

		if (entry->waits && !entry->abandoned) {
			job = container_of(entry->job, struct virtio_gpu_job, base);
			job->answer = fake_answers(job);
		}
		entry->hangs = entry->waits = false;
	}
	gpu_wake(gpu_get(0));
}

void virtio_gpu_abandon(struct gpu *gpu, struct gpu_job *base)
{
	bool found = false;

	(void)gpu;
	for (u32 i = 0; i < fake_device.fifo_count; i++)
		if (fake_device.fifo[i].job == base)
			found = fake_device.fifo[i].abandoned = true;
	MUST(found);
}

u32 virtio_gpu_abandoned(const struct gpu *gpu)
{
	u32 count = 0;

	(void)gpu;
	for (u32 i = 0; i < fake_device.fifo_count; i++)
		count += fake_device.fifo[i].abandoned;
	MUST(count <= GPU_ABANDONED_MOST);
	return count;
}

void virtio_gpu_forget(struct gpu *gpu, const struct vgpu *vgpu)
{
	(void)gpu;
	for (u32 i = 0; i < fake_device.fifo_count; i++) {
		struct fake_entry *entry = &fake_device.fifo[i];

		if (!entry->job || entry->job->vgpu != vgpu)
			continue;
		MUST(entry->abandoned);
		entry->job = NULL;
	}
}

static void fake_drop_all(void)
{
	for (u32 i = 0; i < fake_device.fifo_count; i++)
		if (fake_device.fifo[i].abandoned && fake_device.fifo[i].job)
			virtio_vgpu_job_late(fake_device.fifo[i].job->vgpu,
					     fake_device.fifo[i].job);
	fake_device.fifo_count = 0;
}

enum err virtio_gpu_reset(struct gpu *gpu)
{
	(void)gpu;
	fake_device.resets++;
	if (fake_device.breaks)
		return ERR_TIMEOUT;
	memset(fake_device.resources, 0, sizeof(fake_device.resources));
	memset(fake_device.contexts, 0, sizeof(fake_device.contexts));
	memset(fake_device.scanouts, 0, sizeof(fake_device.scanouts));
	fake_drop_all();
	fake_device.frozen = fake_device.stays_stuck;
	fake_device.no_engine = false;
	return OK;
}

void virtio_gpu_give_up(struct gpu *gpu)
{
	(void)gpu;
	fake_device.dead = true;
	memset(fake_device.resources, 0, sizeof(fake_device.resources));
	memset(fake_device.contexts, 0, sizeof(fake_device.contexts));
	memset(fake_device.scanouts, 0, sizeof(fake_device.scanouts));
	fake_drop_all();
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

#define FAKE_TIMEOUT_NS 1000000000ULL

static void fake_machine_start(bool with_iommu, u64 quota)
{
	memset(fake_timers, 0, sizeof(fake_timers));
	memset(&fake_device, 0, sizeof(fake_device));
	memset(fake_mapped, 0, sizeof(fake_mapped));
	memset(fake_interrupts, 0, sizeof(fake_interrupts));
	fake_pool_used = 0;
	fake_pages_out = 0;
	fake_lines = 0;
	fake_pci.function_count = 1;
	fake_pci.functions[0] = (struct pci_function){ .vendor_id = VIRTIO_PCI_VENDOR };
	fake_config.gpu_count = 1;
	fake_config.host.iommu = with_iommu ? CONFIG_IOMMU_AUTO : CONFIG_IOMMU_NONE;
	fake_config.guest_count = FAKE_VMS;
	fake_config.gpus[0].slice_ns = 2000000;
	MUST(!gpu_start(&fake_config, &fake_pci, with_iommu ? &fake_iommu : NULL));
	MUST(fake_pci.functions[0].owner);
	for (u32 i = 0; i < FAKE_VMS; i++) {
		struct config_guest *guest = &fake_config.guests[i];
		struct vm *vm = &fake_vms[i];

		*guest = (struct config_guest){ .gpu_weight = 100,
						.gpu_cap = 1000,
						.gpu_queue = 64,
						.gpu_memory = quota,
						.gpu_timeout_ns = FAKE_TIMEOUT_NS };
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

			if (!list_is_linked(&work->node))
				continue;
			work->node.next = NULL;
			if (work->step(&fake_vcpus[vm], work))
				list_init(&work->node);
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

/* So much time goes by. */
static inline void fake_pass(u64 ns)
{
	u64 end = fake_now + ns;

	for (struct timer *due; (due = fake_due_timer(end));) {
		fake_now = MAX(fake_now, due->deadline_ns);
		due->fire(due);
		fake_run();
	}
	fake_now = MAX(fake_now, end);
}

/* Long enough for every job that hangs; the longest way is that to a device given up. */
static void fake_wait_until_stopped(u32 vm)
{
	for (u32 i = 0; i < 16 && !vgpu_stopped(&fake_vms[vm]); i++)
		fake_pass(FAKE_TIMEOUT_NS);
	MUST(vgpu_stopped(&fake_vms[vm]));
}

/* Units that wait for the device to let go of an ATTACH. */
static u32 fake_units_held(struct virtio_vgpu *v)
{
	u32 count = 0;

	for (u32 i = 0; i < GPU_JOBS_MAX + ARRAY_SIZE(v->internals); i++) {
		const struct virtio_gpu_job *job =
			i < GPU_JOBS_MAX ? &v->jobs[i] : &v->internals[i - GPU_JOBS_MAX];
		u16 unit = job->detached ? job->held.first : BACKING_NONE;

		for (; unit != BACKING_NONE; unit = backing_next(&v->audit.resources, unit))
			count++;
	}
	return count;
}

/* Stop both guests; whatever they did, nothing of them is left. What hangs goes on hanging. */
static void fake_machine_stop(void)
{
	fake_device.frozen = fake_device.stays_stuck;
	fake_device.picky = false;
	fake_device.refuse = 0;
	for (u32 i = 0; i < FAKE_VMS; i++) {
		vgpu_stop(&fake_vms[i]);
		gpu_wake(gpu_get(0));
		fake_run();
		fake_wait_until_stopped(i);
	}
	for (u32 i = 0; i < FAKE_IDS; i++)
		MUST(!fake_device.resources[i].exists);
	for (u32 i = 0; i < FAKE_CONTEXTS; i++)
		MUST(!fake_device.contexts[i]);
	for (u32 i = 0; i < FAKE_VMS; i++) {
		MUST(!fake_vgpu(i)->audit.resources.used);
		MUST(fake_vgpu(i)->audit.resources.unit_free + fake_units_held(fake_vgpu(i)) ==
		     fake_vgpu(i)->audit.resources.unit_count);
		vgpu_destroy(&fake_vms[i]);
		MUST(!fake_mapped[i + 1]);
		for (u32 c = 0; c < FAKE_RAM / GMEM_CHUNK_SIZE; c++)
			MUST(!fake_dma_users[i][c]);
	}
	/* What comes now is nobody's. */
	fake_device.frozen = false;
	fake_let_go();
	fake_softirq_handler(0);
	MUST(!fake_device.fifo_count);
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
