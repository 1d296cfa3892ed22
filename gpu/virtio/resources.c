/* SPDX-License-Identifier: Apache-2.0 */
/* Resources of one vGPU: ids, quota and backing entries, all in bounded tables. */
#include "gpu/virtio/resources.h"

#include "core/lib/string.h"
#include "gpu/virtio/virgl_proto.h"

#define SIDE_MAX	16384 /* pixels; the largest that the physical device takes */
#define BYTES_PER_PIXEL 4
#define NO_SLOT		0xffff

void backing_init(struct backing *backing)
{
	*backing = (struct backing){ .first = BACKING_NONE, .last = BACKING_NONE };
}

void resource_table_init(struct resource_table *table, u32 host_base, u64 quota, void *units,
			 u16 unit_count)
{
	memset(table, 0, sizeof(*table));
	table->host_base = host_base;
	table->quota = quota;
	for (u32 i = 0; i < VGPU_RESOURCE_BUCKETS; i++)
		table->buckets[i] = NO_SLOT;
	for (u32 i = 0; i < VGPU_RESOURCES_MAX; i++) {
		table->slots[i].slot = (u16)i;
		table->slots[i].host_id = host_base + i;
		table->slots[i].next = i + 1 < VGPU_RESOURCES_MAX ? (u16)(i + 1) : NO_SLOT;
		backing_init(&table->slots[i].backing);
	}
	table->units = units;
	table->unit_count = table->unit_free = unit_count;
	table->unit_first = unit_count ? 0 : BACKING_NONE;
	for (u32 i = 0; i < unit_count; i++)
		table->unit_next[i] = i + 1 < unit_count ? (u16)(i + 1) : BACKING_NONE;
}

static bool format_is_known(u32 format)
{
	switch (format) {
	case VIRTIO_GPU_FORMAT_B8G8R8A8:
	case VIRTIO_GPU_FORMAT_B8G8R8X8:
	case VIRTIO_GPU_FORMAT_A8R8G8B8:
	case VIRTIO_GPU_FORMAT_X8R8G8B8:
	case VIRTIO_GPU_FORMAT_R8G8B8A8:
	case VIRTIO_GPU_FORMAT_X8B8G8R8:
	case VIRTIO_GPU_FORMAT_A8B8G8R8:
	case VIRTIO_GPU_FORMAT_R8G8B8X8:
		return true;
	default:
		return false;
	}
}

enum err resource_bytes(u32 format, u32 width, u32 height, u64 *bytes)
{
	if (!format_is_known(format))
		return ERR_INVALID;
	if (!width || !height || width > SIDE_MAX || height > SIDE_MAX)
		return ERR_RANGE;
	*bytes = (u64)width * height * BYTES_PER_PIXEL; /* at most 2^30 */
	return *bytes <= RESOURCE_BYTES_MAX ? OK : ERR_RANGE;
}

static u16 *bucket_of(struct resource_table *table, u32 guest_id)
{
	return &table->buckets[guest_id % VGPU_RESOURCE_BUCKETS];
}

struct resource *resource_find(struct resource_table *table, u32 guest_id)
{
	/* A guest may pile its ids into one chain: it is at most the whole table. */
	for (u16 slot = *bucket_of(table, guest_id); slot != NO_SLOT;
	     slot = table->slots[slot].next)
		if (table->slots[slot].guest_id == guest_id)
			return &table->slots[slot];
	return NULL;
}

/* Enter a resource of this shape and size; the checks of both are done. */
static enum err enter(struct resource_table *table, u32 guest_id,
		      const struct virgl_resource *shape, u64 bytes, struct resource **out)
{
	u16 *bucket = bucket_of(table, guest_id);
	struct resource *resource;

	if (resource_find(table, guest_id))
		return ERR_EXISTS;
	if (bytes > table->quota - table->used)
		return ERR_QUOTA;
	if (table->free_slot == NO_SLOT)
		return ERR_FULL;
	resource = &table->slots[table->free_slot];
	table->free_slot = resource->next;
	resource->guest_id = guest_id;
	resource->shape = *shape;
	resource->shape.host_id = resource->host_id;
	resource->shape.backing_bytes = 0;
	resource->bytes = bytes;
	resource->state = RESOURCE_LIVE;
	resource->next = *bucket;
	*bucket = resource->slot;
	table->used += bytes;
	table->count++;
	*out = resource;
	return OK;
}

enum err resource_create(struct resource_table *table, u32 guest_id, u32 format, u32 width,
			 u32 height, struct resource **out)
{
	struct virgl_resource shape = {
		.target = VIRGL_TARGET_2D,
		.format = format,
		.bind = VIRGL_BIND_RENDER_TARGET,
		.width = width,
		.height = height,
		.depth = 1,
		.array_size = 1,
		.flags = VIRGL_FLAG_Y_0_TOP,
	};
	u64 bytes;
	enum err e = resource_bytes(format, width, height, &bytes);

	return e ? e : enter(table, guest_id, &shape, bytes, out);
}

enum err resource_create_3d(struct resource_table *table, u32 guest_id,
			    const struct virgl_resource *shape, u32 nr_samples,
			    struct resource **out)
{
	u64 bytes = 0;
	enum err e = virgl_resource_check(shape, nr_samples);

	if (!e)
		e = virgl_resource_bytes(shape, &bytes);
	if (!e)
		e = enter(table, guest_id, shape, bytes, out);
	if (!e)
		(*out)->is_3d = true;
	return e;
}

void resource_set_backing(struct resource *resource, const struct backing *backing)
{
	resource->backing = *backing;
	resource->backed = backing->entries != 0;
	resource->shape.backing_bytes = backing->bytes;
}

bool resource_is_picture(const struct resource *resource)
{
	const struct virgl_resource *shape = &resource->shape;

	return (shape->target == VIRGL_TARGET_2D || shape->target == VIRGL_TARGET_RECT) &&
	       format_is_known(shape->format);
}

void resource_bury(struct resource_table *table, struct resource *resource)
{
	u16 *link = bucket_of(table, resource->guest_id);

	if (resource->state != RESOURCE_LIVE)
		return;
	while (*link != resource->slot)
		link = &table->slots[*link].next;
	*link = resource->next;
	resource->next = NO_SLOT;
	resource->state = RESOURCE_BURIED;
}

void resource_free(struct resource_table *table, struct resource *resource)
{
	if (resource->state != RESOURCE_BURIED)
		return;
	backing_release(table, &resource->backing);
	table->used -= resource->bytes;
	table->count--;
	*resource = (struct resource){
		.slot = resource->slot,
		.host_id = resource->host_id + RESOURCE_ID_STRIDE,
		.next = table->free_slot,
		.backing = resource->backing,
	};
	table->free_slot = resource->slot;
}

static struct virtio_gpu_mem_entry *entry_at(const struct resource_table *table, u16 unit,
					     u32 index)
{
	u8 *start = table->units + (size_t)unit * BACKING_UNIT_BYTES;

	return (struct virtio_gpu_mem_entry *)(void *)start + index;
}

/* Take a free unit and hang it behind the last one. */
static bool grow(struct resource_table *table, struct backing *backing)
{
	u16 unit = table->unit_first;

	if (unit == BACKING_NONE)
		return false;
	table->unit_first = table->unit_next[unit];
	table->unit_free--;
	table->unit_next[unit] = BACKING_NONE;
	if (backing->first == BACKING_NONE)
		backing->first = unit;
	else
		table->unit_next[backing->last] = unit;
	backing->last = unit;
	return true;
}

enum err backing_append(struct resource_table *table, struct backing *backing, iova_t addr, u32 len)
{
	struct virtio_gpu_mem_entry *entry;
	u32 index = backing->entries % BACKING_UNIT_ENTRIES;

	if (backing->entries) {
		entry = entry_at(table, backing->last,
				 (backing->entries - 1) % BACKING_UNIT_ENTRIES);
		if (entry->addr + entry->length == addr.raw && len <= ~entry->length) {
			entry->length += len;
			backing->bytes += len;
			return OK;
		}
	}
	if (backing->entries == VIRTIO_GPU_ENTRIES_MAX)
		return ERR_FULL;
	if (!index && !grow(table, backing))
		return ERR_FULL;
	entry = entry_at(table, backing->last, index);
	*entry = (struct virtio_gpu_mem_entry){ .addr = addr.raw, .length = len };
	backing->entries++;
	backing->bytes += len;
	return OK;
}

void backing_join(struct resource_table *table, struct backing *to, struct backing *from)
{
	if (to->first == BACKING_NONE)
		to->first = from->first;
	else
		table->unit_next[to->last] = from->first;
	if (from->last != BACKING_NONE)
		to->last = from->last;
	backing_init(from);
}

void backing_release(struct resource_table *table, struct backing *backing)
{
	while (backing->first != BACKING_NONE) {
		u16 unit = backing->first;

		backing->first = table->unit_next[unit];
		memset(table->units + (size_t)unit * BACKING_UNIT_BYTES, 0, BACKING_UNIT_BYTES);
		table->unit_next[unit] = table->unit_first;
		table->unit_first = unit;
		table->unit_free++;
	}
	backing_init(backing);
}

const void *backing_unit(const struct resource_table *table, const struct backing *backing,
			 u16 unit, u32 index, u32 *bytes)
{
	u32 before = index * BACKING_UNIT_ENTRIES;

	if (unit == BACKING_NONE || before >= backing->entries)
		return NULL;
	*bytes = MIN(backing->entries - before, (u32)BACKING_UNIT_ENTRIES) *
		 (u32)sizeof(struct virtio_gpu_mem_entry);
	return entry_at(table, unit, 0);
}

bool resource_holds(const struct resource *resource, const struct virtio_gpu_rect *rect)
{
	return rect->width && rect->height && rect->x < resource->shape.width &&
	       rect->y < resource->shape.height && rect->width <= resource->shape.width - rect->x &&
	       rect->height <= resource->shape.height - rect->y;
}
