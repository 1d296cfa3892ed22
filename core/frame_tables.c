// SPDX-License-Identifier: Apache-2.0
/* Page tables in frames of the hypervisor's own pool. */
#include "core/frame.h"
#include "core/ptab.h"

const struct ptab_memory frame_tables = {
	.alloc_table = frame_alloc,
	.free_table = frame_free,
	.window = frame_ptr,
};
