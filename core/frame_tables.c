// SPDX-License-Identifier: Apache-2.0
/* Page tables in frames of the hypervisor's own pool. */
#include "core/frame.h"
#include "core/ptab.h"

static hpa_t alloc_table(void *ctx)
{
	(void)ctx;
	return frame_alloc();
}

static void free_table(void *ctx, hpa_t table)
{
	(void)ctx;
	frame_free(table);
}

static u64 *table_window(void *ctx, hpa_t table)
{
	(void)ctx;
	return frame_ptr(table);
}

const struct ptab_memory frame_tables = {
	.alloc_table = alloc_table,
	.free_table = free_table,
	.window = table_window,
};
