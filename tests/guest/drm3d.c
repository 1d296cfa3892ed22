/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's interface to a virtio-gpu with 3D; see drm3d.h. */
#include "tests/guest/drm3d.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <virtgpu_drm.h>

#include "tests/guest/say3d.h"

#define NODE	 "/dev/dri/renderD128"
#define FENCE_MS 20000

static uint32_t bytes_of_pixel(uint32_t format)
{
	switch (format) {
	case R8:
		return 1;
	case BGRA8:
	case RGBA8:
		return 4;
	case RGBA16F:
		return 8;
	default:
		return 16; /* or less */
	}
}

static uint32_t smaller(uint32_t side, uint32_t level)
{
	return side >> level ? side >> level : 1;
}

uint32_t level_bytes(const struct shape *s, uint32_t level)
{
	uint32_t depth = s->target == TEXTURE_3D ? smaller(s->depth, level) : s->layers;

	return smaller(s->width, level) * smaller(s->height, level) * depth *
	       bytes_of_pixel(s->format);
}

static uint32_t all_bytes(const struct shape *s)
{
	uint32_t bytes = 0;

	for (uint32_t level = 0; level <= s->last_level && level < 16; level++)
		bytes += level_bytes(s, level);
	return bytes;
}

int open_context(void)
{
	int fd = open(NODE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail(NODE);
	return fd;
}

bool create(int fd, const struct shape *s, struct resource *out)
{
	struct drm_virtgpu_resource_create args = {
		.target = s->target,
		.format = s->format,
		.bind = s->bind,
		.width = s->width,
		.height = s->height,
		.depth = s->depth,
		.array_size = s->layers,
		.last_level = s->last_level,
		.nr_samples = s->samples,
		.flags = s->flags,
		.size = all_bytes(s),
	};

	if (ioctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE, &args))
		return false;
	*out = (struct resource){
		.id = args.res_handle, .bo = args.bo_handle, .bytes = args.size, .shape = *s
	};
	return true;
}

void destroy(int fd, const struct resource *r)
{
	struct drm_gem_close args = { .handle = r->bo };

	ioctl(fd, DRM_IOCTL_GEM_CLOSE, &args);
}

uint8_t *map(int fd, const struct resource *r)
{
	struct drm_virtgpu_map args = { .handle = r->bo };
	void *memory = MAP_FAILED;

	if (!ioctl(fd, DRM_IOCTL_VIRTGPU_MAP, &args))
		memory = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			      (off_t)args.offset);
	if (memory == MAP_FAILED)
		fail("map");
	return memory;
}

void wait_for(int fd, const struct resource *r)
{
	struct drm_virtgpu_3d_wait args = { .handle = r->bo };

	if (ioctl(fd, DRM_IOCTL_VIRTGPU_WAIT, &args))
		fail("WAIT");
}

static struct drm_virtgpu_3d_box box_of(const struct resource *r, uint32_t level)
{
	const struct shape *s = &r->shape;

	return (struct drm_virtgpu_3d_box){
		.w = smaller(s->width, level),
		.h = smaller(s->height, level),
		.d = s->target == TEXTURE_3D ? smaller(s->depth, level) : s->layers,
	};
}

void to_host(int fd, const struct resource *r, uint32_t level, uint32_t offset)
{
	struct drm_virtgpu_3d_transfer_to_host args = {
		.bo_handle = r->bo, .box = box_of(r, level), .level = level, .offset = offset
	};

	if (ioctl(fd, DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST, &args))
		fail("TRANSFER_TO_HOST");
}

void from_host(int fd, const struct resource *r, uint32_t level, uint32_t offset)
{
	struct drm_virtgpu_3d_transfer_from_host args = {
		.bo_handle = r->bo, .box = box_of(r, level), .level = level, .offset = offset
	};

	if (ioctl(fd, DRM_IOCTL_VIRTGPU_TRANSFER_FROM_HOST, &args))
		fail("TRANSFER_FROM_HOST");
}

int submit(int fd, const void *stream, uint32_t bytes)
{
	struct drm_virtgpu_execbuffer args = {
		.flags = VIRTGPU_EXECBUF_FENCE_FD_OUT,
		.size = bytes,
		.command = (uintptr_t)stream,
		.fence_fd = -1,
	};

	if (ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &args))
		fail("EXECBUFFER");
	return args.fence_fd;
}

void wait_for_fence(int fence)
{
	struct pollfd wait = { .fd = fence, .events = POLLIN };

	if (poll(&wait, 1, FENCE_MS) != 1) {
		say("%s: no fence in %d ms", program_name, FENCE_MS);
		exit(1);
	}
	close(fence);
}
