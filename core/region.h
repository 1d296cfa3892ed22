/* SPDX-License-Identifier: Apache-2.0 */
/* The sorted table of a VM's trapped memory or port ranges. */
#ifndef CORE_REGION_H
#define CORE_REGION_H

#include "core/lib/error.h"
#include "core/lib/types.h"

struct vcpu;

enum access_result {
	ACCESS_HANDLED,
	ACCESS_NOT_MINE,    /* as if nothing were there: reads give ones */
	ACCESS_GUEST_ERROR, /* the guest gets #GP or is stopped, see region_dispatch */
};

/* One access to a region: an offset inside it, never a guest address. */
struct access {
	u64 offset;
	u64 value; /* zero-extended; the handler fills it on a read */
	u8 size;   /* 1, 2, 4 or 8 bytes; lies inside the region as a whole */
	bool write;
};

/* Called on the vCPU's CPU with the VM's device lock held. */
typedef enum access_result (*region_handler)(struct vcpu *vcpu, void *ctx, struct access *access);

struct region {
	u64 base, size;
	region_handler handler;
	void *ctx;
	const char *name; /* static, for messages */
};

#define REGION_TABLE_MAX 96

struct region_table {
	u32 count;
	u32 last; /* index that was found last: the next access is likely there too */
	struct region entries[REGION_TABLE_MAX]; /* sorted by base, disjoint */
};

/*
 * ERR_EXISTS: overlaps another; ERR_FULL; ERR_INVALID: empty or wraps.
 * The caller holds the VM's device lock, here and in region_remove().
 */
must_check enum err region_add(struct region_table *table, const struct region *region);

/* Remove the region that starts at `base`. ERR_NOT_FOUND. */
must_check enum err region_remove(struct region_table *table, u64 base);

/* The region that holds [addr, addr + size) whole, or NULL. The caller holds the lock. */
const struct region *region_find(struct region_table *table, u64 addr, u8 size);

#endif
