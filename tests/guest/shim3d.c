/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into stock GL programs of a test guest: their lines come at once, and an output has
 * its preferred mode only (glmark2 takes the largest one, which is 5120x2160 by QEMU's EDID).
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <xf86drmMode.h>

__attribute__((constructor)) static void print_by_line(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
}

drmModeConnectorPtr drmModeGetConnector(int fd, uint32_t id)
{
	drmModeConnectorPtr (*get)(int, uint32_t) = dlsym(RTLD_NEXT, "drmModeGetConnector");
	drmModeConnectorPtr connector = get(fd, id);

	for (int i = 0; connector && i < connector->count_modes; i++) {
		if (!(connector->modes[i].type & DRM_MODE_TYPE_PREFERRED))
			continue;
		connector->modes[0] = connector->modes[i];
		connector->count_modes = 1;
	}
	return connector;
}
