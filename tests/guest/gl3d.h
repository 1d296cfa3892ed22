/* SPDX-License-Identifier: Apache-2.0 */
/* OpenGL ES for programs of test guests: a context, shaders, something to draw on. */
#ifndef TESTS_GUEST_GL3D_H
#define TESTS_GUEST_GL3D_H

#include <EGL/egl.h>
#include <GLES3/gl3.h>
#include <gbm.h>

struct gl {
	int fd;
	struct gbm_device *gbm;
	EGLDisplay display;
	EGLConfig config;
	EGLContext context;
};

/* Says what failed, with errors of GL and EGL, and ends the program. */
__attribute__((noreturn)) void fail_gl(const char *what);

/* Ends the program when GL has noticed an error; `what` is about to have caused it. */
void check_gl(const char *what);

/* A display of GBM on a node of DRM, and a context of OpenGL ES 3 that is not current yet. */
struct gl open_gl(const char *node, EGLint surface_type);

/* The same on the render node, current, without a surface. */
void open_off_screen(void);

/* Submits what was drawn, and waits for the fence of that submission and for nothing else. */
void finish_submission(void);

/* Compiled and linked; what does not compile ends the program. */
GLuint make_program(const char *vertex, const char *fragment);

/* A buffer that is bound to `target`. */
GLuint make_buffer(GLenum target, const void *data, size_t size, GLenum usage);

/* What is drawn on off screen, with a depth; bound as the framebuffer. */
struct target {
	GLuint frame, colour, depth;
};

struct target make_target(GLint width, GLint height);
void free_target(const struct target *t);

#endif
