/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of the physical virtio-gpu: what phys.c and start.c share. */
#ifndef GPU_VIRTIO_PHYS_H
#define GPU_VIRTIO_PHYS_H

#include "core/timer.h"
#include "gpu/virtio/virtio_gpu.h"
#include "gpu/virtio/virtio_pci.h"

/* Jobs that the device can have: those in flight, and those that were abandoned. */
#define SLOTS	      (GPU_SCHED_DEPTH + GPU_ABANDONED_MOST)
#define SLOT_PAGES    8
#define RESPONSES_AT  (3 * PAGE_SIZE) /* commands below */
#define TABLE_AT      (4 * PAGE_SIZE)
#define TABLE_ENTRIES (VIRTIO_GPU_ENTRIES_MAX / BACKING_UNIT_ENTRIES + 2)

_Static_assert(AUDIT_SERIES_MAX * sizeof(union virtio_gpu_command) <= RESPONSES_AT, "slot layout");
_Static_assert(AUDIT_SERIES_MAX * sizeof(struct virtio_gpu_hdr) <= TABLE_AT - RESPONSES_AT,
	       "slot layout");
_Static_assert(sizeof(union virtio_gpu_response) <= TABLE_AT - RESPONSES_AT, "slot layout");
_Static_assert((TABLE_ENTRIES + 3 * AUDIT_SERIES_MAX) * sizeof(struct virtq_desc) <=
		       SLOT_PAGES * PAGE_SIZE - TABLE_AT,
	       "slot layout");

/*
 * A job on the device: one request or a series of them, each a command, data and an answer.
 *
 *   0        RESPONSES_AT   TABLE_AT
 *   | commands | answers    | indirect descriptors |
 */
struct slot {
	bool busy;
	bool abandoned; /* nobody waits for it */
	bool fenced;	/* its end is told by a fence */
	u32 requests;	/* that the device still has */
	u32 sent;	/* requests in all */
	u32 table_used;
	u32 failure;		    /* the first error among the answers; 0: none */
	struct virtio_gpu_job *job; /* NULL: its vGPU is gone */
	u8 *memory;
	iova_t iova;
};

/* Whose request a head of a queue is. */
struct owner {
	u8 slot; /* number + 1; 0: nobody's */
	u8 request;
};

struct display {
	u32 width, height;
	u32 edid_size;
	u8 edid[VIRTIO_GPU_EDID_BYTES];
};

struct virtio_gpu {
	struct gpu *gpu;
	struct virtio_pci pci;
	struct virtqueue queues[VIRTIO_GPU_QUEUE_COUNT];
	struct owner owners[VIRTIO_GPU_QUEUE_COUNT][VIRTQUEUE_SIZE_MAX];
	bool kick[VIRTIO_GPU_QUEUE_COUNT];
	bool dead; /* given up: nothing is sent */
	struct slot slots[SLOTS];
	u64 fence; /* last one used; the renderer compares them, so they only grow */
	struct virtqueue_segment segments[TABLE_ENTRIES];
	hpa_t zeros;	 /* entries that all name the same zeros, which follow them */
	hpa_t constants; /* the stream of virgl_fill_constants(); with 3D */
	struct display displays[VIRTIO_GPU_SCANOUTS_MAX];
	struct audit_capsets capsets; /* count 0: no 3D */
	u64 msix_address;
	u32 msix_data;
	struct timer nudge;
	struct log_limit limit;
};

/* What stands between a command and its answer. */
struct data {
	const struct resource_table *table;
	const struct backing *backing; /* NULL: no backing entries */
	u32 zero_entries;	       /* so many entries of zeros */
	iova_t stream;
	u32 stream_bytes;
};

/* Where request number `i` of a slot has its command and its answer. */
static inline union virtio_gpu_command *command_at(const struct slot *slot, u32 i)
{
	return (union virtio_gpu_command *)(void *)slot->memory + i;
}

static inline struct virtio_gpu_hdr *answer_at(const struct slot *slot, u32 i)
{
	return (struct virtio_gpu_hdr *)(void *)(slot->memory + RESPONSES_AT) + i;
}

/*
 * Make the next request of `slot`, whose command stands in its place, available
 * to the device. The errors of virtqueue_add().
 */
must_check enum err phys_send(struct virtio_gpu *device, struct slot *slot, u8 queue, u32 length,
			      const struct data *data, u32 response_bytes);

/* A slot whose requests the device has all used, whoever sent them; bounded by the queues. */
struct slot *phys_next_used(struct virtio_gpu *device);

void phys_empty(struct slot *slot);

/* Renderers look at fences late: this timer has them look. */
void phys_nudge(struct timer *timer);

#endif
