// SPDX-License-Identifier: Apache-2.0
/* The sorted table of a VM's trapped memory or port ranges. */
#include "core/region.h"

#include "core/lib/string.h"

/* Index of the first region whose base is above `addr`. */
static u32 upper_bound(const struct region_table *table, u64 addr)
{
	u32 low = 0;
	u32 high = table->count;

	while (low < high) {
		u32 middle = (low + high) / 2;

		if (table->entries[middle].base <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

enum err region_add(struct region_table *table, const struct region *region)
{
	u64 end = region->base + region->size;
	u32 at = upper_bound(table, region->base);

	if (!region->size || !region->handler || end < region->base)
		return ERR_INVALID;
	if (at && table->entries[at - 1].base + table->entries[at - 1].size > region->base)
		return ERR_EXISTS;
	if (at < table->count && table->entries[at].base < end)
		return ERR_EXISTS;
	if (table->count == REGION_TABLE_MAX)
		return ERR_FULL;
	memmove(&table->entries[at + 1], &table->entries[at],
		(table->count - at) * sizeof(table->entries[0]));
	table->entries[at] = *region;
	table->count++;
	return OK;
}

enum err region_remove(struct region_table *table, u64 base)
{
	u32 at = upper_bound(table, base);

	if (!at || table->entries[at - 1].base != base)
		return ERR_NOT_FOUND;
	memmove(&table->entries[at - 1], &table->entries[at],
		(table->count - at) * sizeof(table->entries[0]));
	table->count--;
	return OK;
}

static bool holds(const struct region *region, u64 addr, u8 size)
{
	u64 offset = addr - region->base;

	return offset < region->size && size <= region->size - offset;
}

const struct region *region_find(struct region_table *table, u64 addr, u8 size)
{
	u32 at;

	if (table->last < table->count && holds(&table->entries[table->last], addr, size))
		return &table->entries[table->last];
	at = upper_bound(table, addr);
	if (!at || !holds(&table->entries[at - 1], addr, size))
		return NULL;
	table->last = at - 1;
	return &table->entries[at - 1];
}
