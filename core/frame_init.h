/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the frame allocator that only the start of the hypervisor uses. */
#ifndef CORE_FRAME_INIT_H
#define CORE_FRAME_INIT_H

#include "core/handover.h"
#include "core/lib/error.h"
#include "core/lib/types.h"

/* Place the pool and note guest RAM. ERR_NO_MEMORY: too little below 4 GiB. */
must_check enum err frame_init(const struct handover *record);

/* The pool is mapped at `mapping` from now on; its old mapping still works. */
void frame_pool_moved(void *mapping);

hpa_t frame_pool_base(void);
u64 frame_pool_size(void);

/* A free page below 640 KiB for starting other CPUs; HPA(0) if there is none. */
hpa_t frame_low_page(void);

#endif
