/* SPDX-License-Identifier: Apache-2.0 */
/* Mode `flips` of render3d: the scene on the display, by page flips. */
#include <EGL/egl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>
#include <xf86drmMode.h>

#include "tests/guest/render3d.h"

#define FLIP_TIMEOUT_MS 20000

struct output {
	uint32_t connector, crtc;
	drmModeModeInfo mode;
};

/* The first output that something is plugged into, in its preferred mode. */
static struct output find_output(int fd)
{
	drmModeRes *resources = drmModeGetResources(fd);
	struct output output = { 0 };

	for (int i = 0; resources && i < resources->count_connectors && !output.connector; i++) {
		drmModeConnector *c = drmModeGetConnector(fd, resources->connectors[i]);
		drmModeEncoder *e;

		if (!c || c->connection != DRM_MODE_CONNECTED || !c->count_modes)
			continue;
		e = drmModeGetEncoder(fd, c->encoders[0]);
		if (!e || !e->possible_crtcs)
			continue;
		output.connector = c->connector_id;
		output.crtc = resources->crtcs[__builtin_ctz(e->possible_crtcs)];
		output.mode = c->modes[0];
		for (int m = 0; m < c->count_modes; m++)
			if (c->modes[m].type & DRM_MODE_TYPE_PREFERRED)
				output.mode = c->modes[m];
	}
	if (!output.connector)
		fail("an output");
	return output;
}

static uint32_t frame_buffer_of(int fd, struct gbm_bo *bo)
{
	const uint32_t handles[4] = { gbm_bo_get_handle(bo).u32 };
	const uint32_t pitches[4] = { gbm_bo_get_stride(bo) };
	const uint32_t offsets[4] = { 0 };
	uint32_t id = (uint32_t)(uintptr_t)gbm_bo_get_user_data(bo);

	if (!id && drmModeAddFB2(fd, gbm_bo_get_width(bo), gbm_bo_get_height(bo),
				 GBM_FORMAT_XRGB8888, handles, pitches, offsets, &id, 0))
		fail("drmModeAddFB2");
	gbm_bo_set_user_data(bo, (void *)(uintptr_t)id, NULL);
	return id;
}

/* Comes back when the kernel says that the buffer is being shown. */
static void flip(int fd, const struct output *output, uint32_t id)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char event[1024];

	if (drmModePageFlip(fd, output->crtc, id, DRM_MODE_PAGE_FLIP_EVENT, NULL))
		fail("drmModePageFlip");
	if (poll(&wait, 1, FLIP_TIMEOUT_MS) != 1) {
		say("flips: no flip event in %d ms", FLIP_TIMEOUT_MS);
		exit(1);
	}
	if (read(fd, event, sizeof(event)) <= 0)
		fail("read of the flip event");
}

void mode_flips(void)
{
	struct gl gl = open_gl("/dev/dri/card0", EGL_WINDOW_BIT);
	struct output output = find_output(gl.fd);
	struct gbm_bo *shown = NULL;
	struct pace pace = { 0 };
	struct gbm_surface *window;
	EGLSurface surface;
	struct scene scene;

	window = gbm_surface_create(gl.gbm, output.mode.hdisplay, output.mode.vdisplay,
				    GBM_FORMAT_XRGB8888, GBM_BO_USE_SCANOUT | GBM_BO_USE_RENDERING);
	surface = eglCreateWindowSurface(gl.display, gl.config, (EGLNativeWindowType)window, NULL);
	if (surface == EGL_NO_SURFACE || !eglMakeCurrent(gl.display, surface, surface, gl.context))
		fail_gl("a surface on the display");
	scene = make_scene(output.mode.hdisplay, output.mode.vdisplay);
	say("flips: mode %ux%u", output.mode.hdisplay, output.mode.vdisplay);
	while (goes_on(&pace) && (!options.frames || pace.frames < options.frames)) {
		struct gbm_bo *bo;
		uint32_t id;

		draw_scene(&scene, pace.frames + 1);
		draw_code(&scene, options.name, pace.frames + 1);
		check_gl("flips");
		if (!eglSwapBuffers(gl.display, surface))
			fail_gl("eglSwapBuffers");
		bo = gbm_surface_lock_front_buffer(window);
		if (!bo)
			fail("gbm_surface_lock_front_buffer");
		id = frame_buffer_of(gl.fd, bo);
		if (!shown && drmModeSetCrtc(gl.fd, output.crtc, id, 0, 0, &output.connector, 1,
					     &output.mode))
			fail("drmModeSetCrtc");
		if (shown) {
			flip(gl.fd, &output, id);
			gbm_surface_release_buffer(window, shown);
		}
		shown = bo;
		count_frame(&pace, "flips");
	}
	tell_end(&pace, "flips");
}
