/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's interface to a virtio-gpu with 3D, without Mesa: contexts, resources, streams. */
#ifndef TESTS_GUEST_DRM3D_H
#define TESTS_GUEST_DRM3D_H

#include <stdbool.h>
#include <stdint.h>

/* As in RESOURCE_CREATE_3D, and as record3d writes them. */
struct shape {
	uint32_t target, format, bind, width, height, depth, layers, last_level, samples, flags;
};

struct resource {
	uint32_t recorded; /* the id in the recording; 0: none */
	uint32_t id;	   /* the kernel's, which is in streams */
	uint32_t bo;
	uint32_t bytes; /* of the backing */
	struct shape shape;
};

enum {
	BUFFER,
	TEXTURE_1D,
	TEXTURE_2D,
	TEXTURE_3D,
	CUBE,
	ARRAY_2D = 7
};
enum {
	BGRA8 = 1,
	RGBA32F = 31,
	R8 = 64,
	RGBA8 = 67,
	RGBA16F = 94
};

/* Bytes of a level with all its layers, as transfers lay them out. */
uint32_t level_bytes(const struct shape *s, uint32_t level);

/* A file is a context of its own: the kernel makes one at the first command. */
int open_context(void);

/* False: the kernel did not make it. */
bool create(int fd, const struct shape *s, struct resource *out);
void destroy(int fd, const struct resource *r);

/* Its backing, r->bytes; to be unmapped by munmap(). */
uint8_t *map(int fd, const struct resource *r);

/* Until the device has done all that concerns the resource. */
void wait_for(int fd, const struct resource *r);

/* All of a level between the device and the backing, from `offset` on. */
void to_host(int fd, const struct resource *r, uint32_t level, uint32_t offset);
void from_host(int fd, const struct resource *r, uint32_t level, uint32_t offset);

/* The stream's fence, to be waited for once. */
int submit(int fd, const void *stream, uint32_t bytes);

/* It comes whatever became of the stream; if it does not, the program ends. */
void wait_for_fence(int fence);

#endif
