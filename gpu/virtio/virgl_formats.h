/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory a picture of each virgl format takes: its blocks. */
#ifndef GPU_VIRTIO_VIRGL_FORMATS_H
#define GPU_VIRTIO_VIRGL_FORMATS_H

#include "core/lib/types.h"

/* Formats are numbered from 1; 0 is "none". */
#define VIRGL_FORMATS 322

#define VIRGL_FORMAT_B8G8R8A8_UNORM 1
#define VIRGL_FORMAT_R8_UNORM	    64 /* what buffers are made of */

/* A picture is made of blocks; most formats have blocks of one pixel. */
struct virgl_block {
	u8 width, height; /* pixels */
	u8 bytes;
};

/*
 * The block of a format. False: no such format, or one that we do not mediate
 * (several planes in one resource: YV12, NV12, P010 and their like).
 */
must_check bool virgl_format_block(u32 format, struct virgl_block *block);

/* Depth, stencil or both; false also for an unknown format. */
bool virgl_format_is_depth_stencil(u32 format);

#endif
