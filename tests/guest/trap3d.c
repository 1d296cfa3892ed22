/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into a GL program of a test guest: an exit to the hypervisor (CPUID) with each request
 * that has the kernel's driver ring the GPU's doorbell. A guest that has the whole GPU, whose
 * doorbell costs no exit, has as many then as one with a vGPU: what is left between the two is
 * what mediation costs beside them.
 */

#include <cpuid.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <virtgpu_drm.h>

static const uint8_t rings[] = {
	DRM_COMMAND_BASE + DRM_VIRTGPU_EXECBUFFER,
	DRM_COMMAND_BASE + DRM_VIRTGPU_RESOURCE_CREATE,
	DRM_COMMAND_BASE + DRM_VIRTGPU_TRANSFER_FROM_HOST,
	DRM_COMMAND_BASE + DRM_VIRTGPU_TRANSFER_TO_HOST,
	_IOC_NR(DRM_IOCTL_MODE_PAGE_FLIP),
	_IOC_NR(DRM_IOCTL_MODE_SETCRTC),
	_IOC_NR(DRM_IOCTL_MODE_ATOMIC),
};

int ioctl(int fd, unsigned long request, ...)
{
	uint32_t a, b, c, d;
	void *argument;
	va_list list;

	va_start(list, request);
	argument = va_arg(list, void *);
	va_end(list);

	for (unsigned i = 0; i < sizeof(rings); i++)
		if (_IOC_TYPE(request) == DRM_IOCTL_BASE && _IOC_NR(request) == rings[i])
			__cpuid(0, a, b, c, d);
	return (int)syscall(SYS_ioctl, fd, request, argument);
}
