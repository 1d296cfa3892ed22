/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The physical virtio-gpu (virtio 1.2, 5.7), fed with a few commands for each
 * job. Only the owner CPU comes here after the start.
 */
#include "gpu/virtio/phys.h"

#include "core/frame.h"
#include "core/lib/string.h"
#include "core/log.h"

/*
 * A renderer looks whether fences are due when its timer fires, 10 ms apart on
 * QEMU, and whenever the control queue's bell is rung, also for nothing.
 */
#define NUDGE_NS 500000ULL

bool virtio_gpu_matches(const struct pci_function *function)
{
	return function->vendor_id == VIRTIO_PCI_VENDOR &&
	       function->device_id == VIRTIO_PCI_DEVICE_BASE + VIRTIO_GPU_DEVICE_TYPE;
}

static struct slot *free_slot(struct virtio_gpu *device)
{
	for (u32 i = 0; i < SLOTS; i++)
		if (!device->slots[i].busy)
			return &device->slots[i];
	return NULL;
}

/* The command, then `data`, then room for `response_bytes` at `response`. */
static u32 build_segments(struct virtio_gpu *device, iova_t command, u32 length,
			  const struct data *data, iova_t response, u32 response_bytes)
{
	struct virtqueue_segment *segments = device->segments;
	u32 count = 0;
	u32 bytes;

	segments[count++] = (struct virtqueue_segment){ command, length, false };
	if (data->zero_entries)
		segments[count++] = (struct virtqueue_segment){
			IOVA(device->zeros.raw),
			data->zero_entries * (u32)sizeof(struct virtio_gpu_mem_entry), false
		};
	if (data->stream_bytes)
		segments[count++] =
			(struct virtqueue_segment){ data->stream, data->stream_bytes, false };
	if (data->backing) {
		u16 unit = data->backing->first;
		const void *entries;

		for (u32 i = 0;
		     count < TABLE_ENTRIES - 1 &&
		     (entries = backing_unit(data->table, data->backing, unit, i, &bytes));
		     i++) {
			/* Pool frames: the device sees them at their physical address. */
			hpa_t hpa = frame_of(entries);

			segments[count++] =
				(struct virtqueue_segment){ IOVA(hpa.raw), bytes, false };
			unit = backing_next(data->table, unit);
		}
	}
	if (response_bytes)
		segments[count++] = (struct virtqueue_segment){ response, response_bytes, true };
	return count;
}

enum err phys_send(struct virtio_gpu *device, struct slot *slot, u8 queue, u32 length,
		   const struct data *data, u32 response_bytes)
{
	struct virtqueue *vq = &device->queues[queue];
	u32 index = slot->sent;
	u64 command = slot->iova.raw + index * sizeof(union virtio_gpu_command);
	u64 response = slot->iova.raw + RESPONSES_AT + index * sizeof(struct virtio_gpu_hdr);
	u64 table = TABLE_AT + slot->table_used * sizeof(struct virtq_desc);
	u32 count =
		build_segments(device, IOVA(command), length, data, IOVA(response), response_bytes);
	u16 head;
	enum err e;

	if (device->pci.features & VIRTIO_F_INDIRECT_DESC)
		e = virtqueue_add_indirect(vq, device->segments, count,
					   (void *)(slot->memory + table),
					   IOVA(slot->iova.raw + table), &head);
	else
		e = virtqueue_add(vq, device->segments, count, &head);
	if (e)
		return e;
	device->owners[queue][head] =
		(struct owner){ .slot = (u8)(slot - device->slots + 1), .request = (u8)index };
	slot->table_used += count;
	slot->sent++;
	slot->requests++;
	slot->busy = true;
	return OK;
}

void phys_empty(struct slot *slot)
{
	slot->busy = slot->abandoned = slot->fenced = false;
	slot->job = NULL;
	slot->requests = slot->sent = slot->table_used = slot->failure = 0;
}

/* Which physical scan-out the job is for; false: its guest is shown nowhere. */
static bool fill_scanout(struct virtio_gpu_job *job)
{
	s32 scanout = __atomic_load_n(&job->base.vgpu->scanout, __ATOMIC_ACQUIRE);

	if (!job->names_scanout)
		return true;
	if (scanout == GPU_SCANOUT_NONE)
		return false;
	if (job->command.hdr.type == VIRTIO_GPU_CMD_SET_SCANOUT)
		job->command.set_scanout.scanout_id = (u32)scanout;
	else
		job->command.cursor.scanout_id = (u32)scanout;
	return true;
}

/* A fence at the end of a job: the answer means that all of it is done. */
static void add_fence(struct virtio_gpu *device, union virtio_gpu_command *command)
{
	command->hdr.flags = VIRTIO_GPU_FLAG_FENCE;
	command->hdr.fence_id = ++device->fence & 0xffffffff;
}

/* Where what stands behind a command lies for the device. */
static struct data locate(const struct virtio_gpu *device, const struct virtio_gpu_job *job,
			  const struct job_data *data)
{
	struct data out = {
		.table = &virtio_of(job->base.vgpu)->audit.resources,
		.zero_entries = data->zero_entries,
		.stream = job->stream,
		.stream_bytes = data->stream_bytes,
	};

	if (data->constants) {
		out.stream = IOVA(device->constants.raw);
		out.stream_bytes = VIRGL_CONSTANTS_DWORDS * sizeof(u32);
	}
	if (job->command.hdr.type == VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING)
		out.backing = &job->backing;
	return out;
}

/* Requests one by one, each looked at when the one behind it is known; ERR: it is not whole. */
static enum err send_all(struct virtio_gpu *device, struct slot *slot, struct virtio_gpu_job *job)
{
	bool control = job->queue == VIRTIO_GPU_QUEUE_CONTROL;
	struct job_data behind, next_behind;
	u32 length, next_length;
	bool more = job_command(job, 0, command_at(slot, 0), &length, &behind);
	enum err e = OK;

	for (u32 i = 0; more && !e && i < AUDIT_SERIES_MAX; i++) {
		struct data data = locate(device, job, &behind);

		more = i + 1 < AUDIT_SERIES_MAX &&
		       job_command(job, i + 1, command_at(slot, i + 1), &next_length, &next_behind);
		if (!more && control && !job->unfenced) {
			add_fence(device, command_at(slot, i));
			slot->fenced = true;
		}
		memset(answer_at(slot, i), 0, sizeof(struct virtio_gpu_hdr));
		e = phys_send(device, slot, job->queue, length, &data,
			      control ? sizeof(struct virtio_gpu_hdr) : 0);
		length = next_length;
		behind = next_behind;
	}
	return e;
}

enum gpu_submit virtio_gpu_submit(struct gpu *gpu, struct gpu_job *base)
{
	struct virtio_gpu *device = gpu->family;
	struct virtio_gpu_job *job = container_of(base, struct virtio_gpu_job, base);
	struct slot *slot = free_slot(device);

	job->answer = VIRTIO_GPU_RESP_OK_NODATA;
	if (!fill_scanout(job))
		return GPU_DONE;
	job->answer = VIRTIO_GPU_RESP_ERR_UNSPEC;
	if (!slot || device->dead)
		return GPU_DONE;
	phys_empty(slot);
	if (send_all(device, slot, job)) {
		if (!slot->sent)
			return GPU_DONE;
		slot->failure = VIRTIO_GPU_RESP_ERR_UNSPEC; /* what was sent comes back first */
	}
	slot->job = job;
	device->kick[job->queue] = true;
	return GPU_SUBMITTED;
}

/* Whether it may be late with a fence; the rest is told when it is done. */
static bool owes_fence(const struct virtio_gpu *device)
{
	bool owes = false;

	for (u32 i = 0; i < SLOTS; i++)
		owes |= device->slots[i].fenced && !device->slots[i].abandoned;
	return owes;
}

void phys_nudge(struct timer *timer)
{
	struct virtio_gpu *device = container_of(timer, struct virtio_gpu, nudge);

	if (!owes_fence(device))
		return;
	virtio_pci_notify(&device->pci, VIRTIO_GPU_QUEUE_CONTROL);
	timer_set(timer, now_ns() + NUDGE_NS);
}

void virtio_gpu_kick(struct gpu *gpu)
{
	struct virtio_gpu *device = gpu->family;

	for (u16 i = 0; i < VIRTIO_GPU_QUEUE_COUNT; i++) {
		if (device->kick[i])
			virtio_pci_notify(&device->pci, i);
		device->kick[i] = false;
	}
	if (device->capsets.count && owes_fence(device) && !list_is_linked(&device->nudge.node))
		timer_set(&device->nudge, now_ns() + NUDGE_NS);
}

/* Take one used request; OK: `out` is the slot that it belongs to. */
static enum err take_used(struct virtio_gpu *device, u8 queue, struct slot **out)
{
	struct owner owner;
	struct slot *slot;
	u16 head;
	u32 written, answer;
	enum err e = virtqueue_pop(&device->queues[queue], &head, &written);

	if (e)
		return e;
	owner = device->owners[queue][head];
	device->owners[queue][head].slot = 0;
	if (!owner.slot)
		return ERR_DEVICE;
	slot = &device->slots[owner.slot - 1];
	if (queue == VIRTIO_GPU_QUEUE_CONTROL) {
		answer = answer_at(slot, owner.request)->type;
		if (is_error(answer) && !slot->failure)
			slot->failure = answer ? answer : VIRTIO_GPU_RESP_ERR_UNSPEC;
	}
	slot->requests--;
	*out = slot;
	return OK;
}

struct slot *phys_next_used(struct virtio_gpu *device)
{
	for (u8 queue = 0; queue < VIRTIO_GPU_QUEUE_COUNT; queue++) {
		for (u32 i = 0; i < VIRTQUEUE_SIZE_MAX; i++) {
			struct slot *slot;
			enum err e = take_used(device, queue, &slot);

			if (e == ERR_NOT_FOUND)
				break;
			if (!e && !slot->requests)
				return slot;
			if (e && log_allowed(&device->limit, 1))
				log_error(
					"gpu %u: the device answered a request that it was not sent",
					device->gpu->index);
		}
	}
	return NULL;
}

struct gpu_job *virtio_gpu_poll(struct gpu *gpu)
{
	struct virtio_gpu *device = gpu->family;
	struct slot *slot;

	while ((slot = phys_next_used(device))) {
		struct virtio_gpu_job *job = slot->job;

		if (job)
			job->answer =
				slot->failure ? slot->failure : (u32)VIRTIO_GPU_RESP_OK_NODATA;
		phys_empty(slot);
		if (job)
			return &job->base;
	}
	return NULL;
}

/* ---- jobs that nobody waits for any more ---- */

void virtio_gpu_abandon(struct gpu *gpu, struct gpu_job *base)
{
	struct virtio_gpu *device = gpu->family;

	for (u32 i = 0; i < SLOTS; i++)
		if (device->slots[i].busy && device->slots[i].job &&
		    &device->slots[i].job->base == base)
			device->slots[i].abandoned = true;
}

u32 virtio_gpu_abandoned(const struct gpu *gpu)
{
	const struct virtio_gpu *device = gpu->family;
	u32 count = 0;

	for (u32 i = 0; i < SLOTS; i++)
		count += device->slots[i].abandoned;
	return count;
}

void virtio_gpu_forget(struct gpu *gpu, const struct vgpu *vgpu)
{
	struct virtio_gpu *device = gpu->family;

	for (u32 i = 0; i < SLOTS; i++)
		if (device->slots[i].abandoned && device->slots[i].job &&
		    device->slots[i].job->base.vgpu == vgpu)
			device->slots[i].job = NULL;
}

const struct audit_capsets *virtio_gpu_capsets(const struct gpu *gpu)
{
	const struct virtio_gpu *device = gpu->family;

	return device->capsets.count ? &device->capsets : NULL;
}

void virtio_gpu_display(const struct gpu *gpu, s32 scanout, struct audit_display *out)
{
	const struct virtio_gpu *device = gpu->family;
	const struct display *display =
		&device->displays[scanout == GPU_SCANOUT_NONE ? 0 : scanout];

	*out = (struct audit_display){
		.width = display->width,
		.height = display->height,
		.edid_size = display->edid_size,
		.edid = display->edid,
	};
}
