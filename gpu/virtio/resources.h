/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resources of one vGPU: guest's id to physical id, what they cost, and
 * the rewritten backing entries. Everything is allocated when the vGPU is
 * made; a guest can fill its own tables and nothing else.
 *
 *   guest id --hash--> slot --base + slot + uses * stride--> physical id
 *                       |
 *                       +-> run of backing units, 64 entries each
 */
#ifndef GPU_VIRTIO_RESOURCES_H
#define GPU_VIRTIO_RESOURCES_H

#include "core/lib/error.h"
#include "core/lib/types.h"
#include "gpu/virtio/proto.h"
#include "gpu/virtio/virgl_resource.h"

#define VGPU_RESOURCES_MAX    1024
#define VGPU_RESOURCE_BUCKETS 256
/*
 * Slots of all guests together. A slot's next resource has an id that is larger by this: a
 * renderer may know things by an old id a while longer.
 */
#define RESOURCE_ID_STRIDE   (16 * VGPU_RESOURCES_MAX)
#define BACKING_UNIT_ENTRIES 64
#define BACKING_UNIT_BYTES   (BACKING_UNIT_ENTRIES * sizeof(struct virtio_gpu_mem_entry))
#define BACKING_UNITS_MAX    2048 /* 16384 entries 8 times over */
#define BACKING_NONE	     0xffff

/* A new resource is cleared from one piece of zeros, named as often as needed. */
#define CLEAR_ENTRY_BYTES  KIB(64)
#define CLEAR_ENTRIES_MAX  4096
#define RESOURCE_BYTES_MAX (CLEAR_ENTRY_BYTES * CLEAR_ENTRIES_MAX)

/* Entries as the physical device reads them: a chain of units. */
struct backing {
	u16 first, last; /* BACKING_NONE: empty */
	u32 entries;
	u64 bytes;
};

enum resource_state {
	RESOURCE_FREE,
	RESOURCE_LIVE,	 /* the guest can name it */
	RESOURCE_BURIED, /* its id is free again; the device still has to let go */
};

struct resource {
	u32 guest_id;
	u32 host_id;		     /* also of a free slot: the next one's */
	struct virgl_resource shape; /* of a 2D one too: streams may name it */
	bool is_3d;
	u16 slot;
	u16 next; /* in the hash chain or the free list */
	u8 state;
	bool unref_queued; /* buried: its UNREF is on the way */
	bool backed;
	bool made;     /* the device has it */
	bool attached; /* and a backing of it, perhaps an earlier one than `backing` */
	struct backing backing;
	u64 bytes; /* counted against the quota until the slot is free */
};

struct resource_table {
	u32 host_base; /* physical id of slot 0; slots of two vGPUs never share one */
	u64 quota, used;
	u32 count;
	u16 free_slot;
	u16 buckets[VGPU_RESOURCE_BUCKETS];
	struct resource slots[VGPU_RESOURCES_MAX];

	u8 *units; /* unit_count * BACKING_UNIT_BYTES, readable by the device */
	u16 unit_count, unit_free, unit_first;
	u16 unit_next[BACKING_UNITS_MAX];
};

/* `units` holds `unit_count` (up to BACKING_UNITS_MAX) units of memory and stays the caller's. */
void resource_table_init(struct resource_table *table, u32 host_base, u64 quota, void *units,
			 u16 unit_count);

/* Bytes of a picture; ERR_RANGE: a side is 0 or above 16384,
 * or there are more than RESOURCE_BYTES_MAX; ERR_INVALID: unknown format. */
must_check enum err resource_bytes(u32 format, u32 width, u32 height, u64 *bytes);

/* The live resource that the guest calls `guest_id`, or NULL. */
struct resource *resource_find(struct resource_table *table, u32 guest_id);

/*
 * Enter a new resource and charge its bytes. ERR_EXISTS: the id is taken;
 * ERR_QUOTA: the bytes do not fit; ERR_FULL: no slot; ERR_RANGE, ERR_INVALID
 * as resource_bytes().
 */
must_check enum err resource_create(struct resource_table *table, u32 guest_id, u32 format,
				    u32 width, u32 height, struct resource **out);

/* The same for a 3D one; ERR_RANGE and ERR_INVALID as virgl_resource_check(). */
must_check enum err resource_create_3d(struct resource_table *table, u32 guest_id,
				       const struct virgl_resource *shape, u32 nr_samples,
				       struct resource **out);

/* The guest cannot name it any more; slot, bytes and backing stay taken. */
void resource_bury(struct resource_table *table, struct resource *resource);

/* The device has let go: the slot, its bytes and its backing are free. Buried ones only. */
void resource_free(struct resource_table *table, struct resource *resource);

void backing_init(struct backing *backing);

/*
 * Append [addr, addr + len) of the device's addresses; merges with the entry
 * before where they touch. ERR_FULL: no unit is left, or the device's limit
 * of entries is reached. `len` is not 0.
 */
must_check enum err backing_append(struct resource_table *table, struct backing *backing,
				   iova_t addr, u32 len);

/* Hang the units of `from` behind those of `to`, to be released together; `from` is empty then. */
void backing_join(struct resource_table *table, struct backing *to, struct backing *from);

/* Give the units back, cleared. */
void backing_release(struct resource_table *table, struct backing *backing);

/* Walk the units: NULL at the end; `bytes` is how much of the unit is in use. */
const void *backing_unit(const struct resource_table *table, const struct backing *backing,
			 u16 unit, u32 index, u32 *bytes);
static inline u16 backing_next(const struct resource_table *table, u16 unit)
{
	return table->unit_next[unit];
}

/* The backing, whole or none, is the resource's from now on. */
void resource_set_backing(struct resource *resource, const struct backing *backing);

/* One picture of a format that scan-outs and cursors take. */
bool resource_is_picture(const struct resource *resource);

/* True where [x, x + width) x [y, y + height) is not empty and lies in the resource. */
bool resource_holds(const struct resource *resource, const struct virtio_gpu_rect *rect);

#endif
