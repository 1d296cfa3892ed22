/* SPDX-License-Identifier: Apache-2.0 */
/* OpenGL ES for programs of test guests; see gl3d.h. */
#include "tests/guest/gl3d.h"

#include <EGL/eglext.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/guest/say3d.h"

void fail_gl(const char *what)
{
	say("%s: %s failed (GL %x, EGL %x)", program_name, what, glGetError(), eglGetError());
	exit(1);
}

void check_gl(const char *what)
{
	GLenum error = glGetError();

	if (error) {
		say("%s: %s: GL error %x", program_name, what, error);
		exit(1);
	}
}

struct gl open_gl(const char *node, EGLint surface_type)
{
	const EGLint wanted[] = { EGL_SURFACE_TYPE,
				  surface_type,
				  EGL_RENDERABLE_TYPE,
				  EGL_OPENGL_ES3_BIT,
				  EGL_RED_SIZE,
				  8,
				  EGL_GREEN_SIZE,
				  8,
				  EGL_BLUE_SIZE,
				  8,
				  EGL_DEPTH_SIZE,
				  16,
				  EGL_NONE };
	const EGLint version[] = { EGL_CONTEXT_MAJOR_VERSION, 3, EGL_NONE };
	EGLConfig configs[64];
	EGLint count = 0, format;
	struct gl gl = { .fd = open(node, O_RDWR | O_CLOEXEC) };

	if (gl.fd < 0)
		fail(node);
	gl.gbm = gbm_create_device(gl.fd);
	gl.display = eglGetPlatformDisplay(EGL_PLATFORM_GBM_KHR, gl.gbm, NULL);
	if (!gl.gbm || !eglInitialize(gl.display, NULL, NULL))
		fail_gl("eglInitialize");
	eglBindAPI(EGL_OPENGL_ES_API);
	if (!eglChooseConfig(gl.display, wanted, configs, 64, &count) || !count)
		fail_gl("eglChooseConfig");
	/* A surface of GBM has the format that it was made with: the config must have it too. */
	gl.config = configs[0];
	for (EGLint i = count - 1; i >= 0; i--)
		if (eglGetConfigAttrib(gl.display, configs[i], EGL_NATIVE_VISUAL_ID, &format) &&
		    format == GBM_FORMAT_XRGB8888)
			gl.config = configs[i];
	gl.context = eglCreateContext(gl.display, gl.config, EGL_NO_CONTEXT, version);
	if (gl.context == EGL_NO_CONTEXT)
		fail_gl("eglCreateContext");
	return gl;
}

void open_off_screen(void)
{
	struct gl gl = open_gl("/dev/dri/renderD128", 0);

	if (!eglMakeCurrent(gl.display, EGL_NO_SURFACE, EGL_NO_SURFACE, gl.context))
		fail_gl("eglMakeCurrent");
}

/*
 * glFinish() waits by a buffer that Mesa may make for it, which is work for the GPU too: the
 * kernel's own fence comes with the submission (EGL_ANDROID_native_fence_sync).
 */
void finish_submission(void)
{
	static PFNEGLCREATESYNCKHRPROC create;
	static PFNEGLDUPNATIVEFENCEFDANDROIDPROC descriptor;
	static PFNEGLDESTROYSYNCKHRPROC destroy;
	EGLDisplay display = eglGetCurrentDisplay();
	struct pollfd fence = { .events = POLLIN };
	EGLSyncKHR sync;

	if (!create) {
		create = (PFNEGLCREATESYNCKHRPROC)eglGetProcAddress("eglCreateSyncKHR");
		descriptor = (PFNEGLDUPNATIVEFENCEFDANDROIDPROC)eglGetProcAddress(
			"eglDupNativeFenceFDANDROID");
		destroy = (PFNEGLDESTROYSYNCKHRPROC)eglGetProcAddress("eglDestroySyncKHR");
	}
	sync = create(display, EGL_SYNC_NATIVE_FENCE_ANDROID, NULL);
	if (sync == EGL_NO_SYNC_KHR)
		fail_gl("eglCreateSyncKHR");
	glFlush();
	fence.fd = descriptor(display, sync);
	if (fence.fd < 0)
		fail_gl("eglDupNativeFenceFDANDROID");
	while (poll(&fence, 1, -1) < 0 && errno == EINTR)
		continue;
	close(fence.fd);
	destroy(display, sync);
}

static GLuint compile(GLenum kind, const char *text)
{
	GLuint shader = glCreateShader(kind);
	GLint done;

	glShaderSource(shader, 1, &text, NULL);
	glCompileShader(shader);
	glGetShaderiv(shader, GL_COMPILE_STATUS, &done);
	if (!done)
		fail_gl("glCompileShader");
	return shader;
}

GLuint make_program(const char *vertex, const char *fragment)
{
	GLuint program = glCreateProgram();
	GLint done;

	glAttachShader(program, compile(GL_VERTEX_SHADER, vertex));
	glAttachShader(program, compile(GL_FRAGMENT_SHADER, fragment));
	glLinkProgram(program);
	glGetProgramiv(program, GL_LINK_STATUS, &done);
	if (!done)
		fail_gl("glLinkProgram");
	return program;
}

GLuint make_buffer(GLenum target, const void *data, size_t size, GLenum usage)
{
	GLuint buffer;

	glGenBuffers(1, &buffer);
	glBindBuffer(target, buffer);
	glBufferData(target, (GLsizeiptr)size, data, usage);
	return buffer;
}

struct target make_target(GLint width, GLint height)
{
	struct target t;

	glGenFramebuffers(1, &t.frame);
	glBindFramebuffer(GL_FRAMEBUFFER, t.frame);
	glGenRenderbuffers(1, &t.colour);
	glBindRenderbuffer(GL_RENDERBUFFER, t.colour);
	glRenderbufferStorage(GL_RENDERBUFFER, GL_RGBA8, width, height);
	glFramebufferRenderbuffer(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_RENDERBUFFER, t.colour);
	glGenRenderbuffers(1, &t.depth);
	glBindRenderbuffer(GL_RENDERBUFFER, t.depth);
	glRenderbufferStorage(GL_RENDERBUFFER, GL_DEPTH_COMPONENT24, width, height);
	glFramebufferRenderbuffer(GL_FRAMEBUFFER, GL_DEPTH_ATTACHMENT, GL_RENDERBUFFER, t.depth);
	if (glCheckFramebufferStatus(GL_FRAMEBUFFER) != GL_FRAMEBUFFER_COMPLETE)
		fail_gl("framebuffer");
	return t;
}

void free_target(const struct target *t)
{
	glDeleteFramebuffers(1, &t->frame);
	glDeleteRenderbuffers(1, &t->colour);
	glDeleteRenderbuffers(1, &t->depth);
}
