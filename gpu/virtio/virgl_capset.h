/* SPDX-License-Identifier: Apache-2.0 */
/* Capability sets of a virgl renderer: what guests are told, less what is not mediated. */
#ifndef GPU_VIRTIO_VIRGL_CAPSET_H
#define GPU_VIRTIO_VIRGL_CAPSET_H

#include "core/lib/types.h"

/* virtio 1.2, 5.7.6.8: VIRTIO_GPU_CAPSET_VIRGL and _VIRGL2. */
#define VIRGL_CAPSET_1 1
#define VIRGL_CAPSET_2 2

bool virgl_capset_is_known(u32 id);

/* Take out of the `size` bytes of a known set what is not mediated. */
void virgl_capset_mask(u8 *set, u32 size);

#endif
