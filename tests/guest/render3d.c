/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renders with OpenGL ES by the guest's own Mesa, and says in lines what came out of it.
 *
 *	render3d [-n NAME] [-s SECONDS] [-f FRAMES] [-r RATE] [-w SIDE] [-q DEPTH] [-t TELL] [-x
 *WORK]
 *		 [-d] MODE
 *
 *	info	 which renderer this is
 *	render	 frames 0 to FRAMES - 1 off screen, over and over; the CRC-32 of each as read back.
 *		 Frame N is the same whenever it is drawn, which is checked here too
 *	load	 the same frames without reading back, DEPTH (2) in flight, each one submission;
 *		 SIDE (512) says how large they are. With WORK each is one rectangle instead, of
 *		 whose pixels each takes WORK rounds: little for the processor, much for the GPU
 *	flips	 the same on the display by page flips, with the code of tests/guest/drawer.c, which
 *		 tells name and frame in the picture
 *	latency	 FRAMES tiny jobs, RATE a second; time from submission to its fence
 *	zero	 what can be read in textures and buffers that nobody wrote; with -d it leaves them
 *		 full of 0xaa
 *
 * SECONDS and RATE 0, the default: no limit. The count of frames is said after each TELL of them;
 * 0, the default: once a second.
 */

#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES3/gl3.h>
#include <errno.h>
#include <fcntl.h>
#include <gbm.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xf86drmMode.h>

#define NAME_BYTES	8
#define PICTURE		512 /* width and height off screen */
#define FRAMES_RENDER	16
#define FRAMES_MAX	1024
#define FRAMES_LATENCY	200
#define FLIP_TIMEOUT_MS 20000
#define DEPTH_MAX	16

struct options {
	char name[NAME_BYTES + 1];
	uint32_t seconds, frames, rate, side, depth, tell, work;
	bool dirty;
};

struct gl {
	int fd;
	struct gbm_device *gbm;
	EGLDisplay display;
	EGLConfig config;
	EGLContext context;
};

static struct options options = { .name = "guest", .side = PICTURE, .depth = 2 };

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
}

__attribute__((noreturn)) static void fail(const char *what)
{
	say("render3d: %s failed (errno %d, EGL %x)", what, errno, eglGetError());
	exit(1);
}

static void check_gl(const char *what)
{
	GLenum error = glGetError();

	if (error) {
		say("render3d: %s: GL error %x", what, error);
		exit(1);
	}
}

/* ---- time ----------------------------------------------------------------------------- */

#define SECOND_NS 1000000000u

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

/* Paces a loop to options.rate, ends it after options.seconds, counts for a line a second. */
struct pace {
	uint64_t start_ns, next_ns, told_ns;
	uint32_t frames, frames_told;
};

static bool goes_on(struct pace *p)
{
	uint64_t now = now_ns();

	if (!p->start_ns)
		p->start_ns = p->next_ns = p->told_ns = now;
	if (options.seconds && now - p->start_ns >= (uint64_t)options.seconds * SECOND_NS)
		return false;
	if (options.rate && now < p->next_ns) {
		struct timespec t = { .tv_sec = (time_t)(p->next_ns / SECOND_NS),
				      .tv_nsec = (long)(p->next_ns % SECOND_NS) };

		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
			;
	} else {
		p->next_ns = now;
	}
	if (options.rate)
		p->next_ns += SECOND_NS / options.rate;
	return true;
}

static void count_frame(struct pace *p, const char *what)
{
	uint64_t now = now_ns();

	p->frames++;
	if (options.tell ? p->frames % options.tell : now - p->told_ns < SECOND_NS && p->frames > 1)
		return;
	say("%s frame %u rate %llu", what, p->frames,
	    (unsigned long long)(p->frames - p->frames_told) * SECOND_NS / (now - p->told_ns + 1));
	p->told_ns = now;
	p->frames_told = p->frames;
}

static void tell_end(const struct pace *p, const char *what)
{
	say("%s ended: %u frames in %llu ms", what, p->frames,
	    (unsigned long long)(now_ns() - p->start_ns) / 1000000u);
}

/* ---- EGL ------------------------------------------------------------------------------ */

static struct gl open_gl(const char *node, EGLint surface_type)
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
		fail("eglInitialize");
	eglBindAPI(EGL_OPENGL_ES_API);
	if (!eglChooseConfig(gl.display, wanted, configs, 64, &count) || !count)
		fail("eglChooseConfig");
	/* A surface of GBM has the format that it was made with: the config must have it too. */
	gl.config = configs[0];
	for (EGLint i = count - 1; i >= 0; i--)
		if (eglGetConfigAttrib(gl.display, configs[i], EGL_NATIVE_VISUAL_ID, &format) &&
		    format == GBM_FORMAT_XRGB8888)
			gl.config = configs[i];
	gl.context = eglCreateContext(gl.display, gl.config, EGL_NO_CONTEXT, version);
	if (gl.context == EGL_NO_CONTEXT)
		fail("eglCreateContext");
	return gl;
}

static void open_off_screen(void)
{
	struct gl gl = open_gl("/dev/dri/renderD128", 0);

	if (!eglMakeCurrent(gl.display, EGL_NO_SURFACE, EGL_NO_SURFACE, gl.context))
		fail("eglMakeCurrent");
}

static GLuint compile(GLenum kind, const char *text)
{
	GLuint shader = glCreateShader(kind);
	GLint done;

	glShaderSource(shader, 1, &text, NULL);
	glCompileShader(shader);
	glGetShaderiv(shader, GL_COMPILE_STATUS, &done);
	if (!done)
		fail("glCompileShader");
	return shader;
}

static GLuint make_program(const char *vertex, const char *fragment)
{
	GLuint program = glCreateProgram();
	GLint done;

	glAttachShader(program, compile(GL_VERTEX_SHADER, vertex));
	glAttachShader(program, compile(GL_FRAGMENT_SHADER, fragment));
	glLinkProgram(program);
	glGetProgramiv(program, GL_LINK_STATUS, &done);
	if (!done)
		fail("glLinkProgram");
	return program;
}

/* ---- matrices: columns, as GL takes them ---------------------------------------------- */

struct matrix {
	float at[16];
};

static struct matrix multiply(struct matrix a, struct matrix b)
{
	struct matrix product = { 0 };

	for (int column = 0; column < 4; column++)
		for (int row = 0; row < 4; row++)
			for (int k = 0; k < 4; k++)
				product.at[4 * column + row] +=
					a.at[4 * k + row] * b.at[4 * column + k];
	return product;
}

static struct matrix move(float x, float y, float z)
{
	return (struct matrix){ { 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, x, y, z, 1 } };
}

static struct matrix scale(float x, float y, float z)
{
	return (struct matrix){ { x, 0, 0, 0, 0, y, 0, 0, 0, 0, z, 0, 0, 0, 0, 1 } };
}

static struct matrix turn_y(float angle)
{
	float s = sinf(angle), c = cosf(angle);

	return (struct matrix){ { c, 0, -s, 0, 0, 1, 0, 0, s, 0, c, 0, 0, 0, 0, 1 } };
}

static struct matrix turn_x(float angle)
{
	float s = sinf(angle), c = cosf(angle);

	return (struct matrix){ { 1, 0, 0, 0, 0, c, s, 0, 0, -s, c, 0, 0, 0, 0, 1 } };
}

static struct matrix perspective(float aspect)
{
	const float near = 1, far = 40, focus = 1.6f;

	return (struct matrix){ { focus / aspect, 0, 0, 0, 0, focus, 0, 0, 0, 0,
				  (far + near) / (near - far), -1, 0, 0,
				  2 * far * near / (near - far), 0 } };
}

/* ---- the scene ------------------------------------------------------------------------ */

static const char lit_vertex[] = "#version 300 es\n"
				 "layout(location = 0) in vec3 position;\n"
				 "layout(location = 1) in vec3 normal;\n"
				 "layout(location = 2) in vec2 place;\n"
				 "uniform mat4 model, camera;\n"
				 "out vec3 to_light, facing;\n"
				 "out vec2 at;\n"
				 "void main() {\n"
				 "	vec4 world = model * vec4(position, 1.0);\n"
				 "	facing = mat3(model) * normal;\n"
				 "	to_light = vec3(3.0, 6.0, 4.0) - world.xyz;\n"
				 "	at = place;\n"
				 "	gl_Position = camera * world;\n"
				 "}\n";

static const char lit_fragment[] =
	"#version 300 es\n"
	"precision highp float;\n"
	"in vec3 to_light, facing;\n"
	"in vec2 at;\n"
	"uniform sampler2D picture, noise;\n"
	"uniform vec4 tint;\n"
	"out vec4 colour;\n"
	"void main() {\n"
	"	float light = max(dot(normalize(facing), normalize(to_light)), 0.0);\n"
	"	float shine = pow(light, 24.0);\n"
	"	vec4 surface = mix(texture(picture, at), texture(noise, at * 3.0), 0.3);\n"
	"	colour = vec4(surface.rgb * tint.rgb * (0.25 + 0.75 * light) + 0.4 * shine, tint.a);\n"
	"}\n";

static const char flat_vertex[] = "#version 300 es\n"
				  "layout(location = 0) in vec2 position;\n"
				  "layout(location = 2) in vec2 place;\n"
				  "out vec2 at;\n"
				  "void main() {\n"
				  "	at = place;\n"
				  "	gl_Position = vec4(position, 0.0, 1.0);\n"
				  "}\n";

static const char flat_fragment[] = "#version 300 es\n"
				    "precision highp float;\n"
				    "in vec2 at;\n"
				    "uniform sampler2D picture;\n"
				    "out vec4 colour;\n"
				    "void main() {\n"
				    "	colour = texture(picture, at);\n"
				    "}\n";

struct vertex {
	float position[3], normal[3], place[2];
};

#define CUBE_FACES     6
#define CUBE_INDICES   36
#define CUBES	       12
#define PANES	       4
#define RIBBON	       64 /* vertices of a strip that is made anew each frame */
#define TEXTURE	       128
#define TEXTURE_LEVELS 8
#define NOISE	       64
#define CELL	       16 /* the code in the picture, as in drawer.c */
#define CODE_PLACE     32
#define CODE_COLUMNS   18
#define CODE_ROWS      9
#define CODE_BYTES     (NAME_BYTES + 4 + 2)

struct scene {
	GLuint lit, flat;
	GLint model, camera, tint;
	GLuint cube_array, ribbon_array, quad_array;
	GLuint ribbon_buffer, quad_buffer;
	GLuint picture, noise, code;
	GLint width, height;
};

static GLuint make_buffer(GLenum target, const void *data, size_t size, GLenum usage)
{
	GLuint buffer;

	glGenBuffers(1, &buffer);
	glBindBuffer(target, buffer);
	glBufferData(target, (GLsizeiptr)size, data, usage);
	return buffer;
}

static GLuint make_array(void)
{
	GLuint array;

	glGenVertexArrays(1, &array);
	glBindVertexArray(array);
	return array;
}

static void describe_vertices(void)
{
	const size_t offsets[] = { offsetof(struct vertex, position),
				   offsetof(struct vertex, normal),
				   offsetof(struct vertex, place) };
	const GLint sizes[] = { 3, 3, 2 };

	for (GLuint i = 0; i < 3; i++) {
		glEnableVertexAttribArray(i);
		glVertexAttribPointer(i, sizes[i], GL_FLOAT, GL_FALSE, sizeof(struct vertex),
				      (const void *)offsets[i]);
	}
}

static void make_cube(struct scene *s)
{
	struct vertex vertices[4 * CUBE_FACES];
	uint16_t indices[CUBE_INDICES];

	for (int face = 0; face < CUBE_FACES; face++) {
		int axis = face / 2;
		float side = face % 2 ? 1 : -1;

		for (int corner = 0; corner < 4; corner++) {
			struct vertex *v = &vertices[4 * face + corner];
			float u = corner & 1 ? 1 : -1, w = corner & 2 ? 1 : -1;

			*v = (struct vertex){ .place = { (u + 1) / 2, (w + 1) / 2 } };
			v->position[axis] = v->normal[axis] = side;
			v->position[(axis + 1) % 3] = u;
			v->position[(axis + 2) % 3] = w;
		}
		for (int i = 0; i < 6; i++)
			indices[6 * face + i] =
				(uint16_t)(4 * face + (const int[]){ 0, 1, 2, 2, 1, 3 }[i]);
	}
	s->cube_array = make_array();
	make_buffer(GL_ARRAY_BUFFER, vertices, sizeof(vertices), GL_STATIC_DRAW);
	make_buffer(GL_ELEMENT_ARRAY_BUFFER, indices, sizeof(indices), GL_STATIC_DRAW);
	describe_vertices();
}

/* Each level has its own colours, so that it shows which one was taken. */
static void make_picture(struct scene *s)
{
	static uint8_t texels[TEXTURE * TEXTURE][4];

	glGenTextures(1, &s->picture);
	glBindTexture(GL_TEXTURE_2D, s->picture);
	glTexStorage2D(GL_TEXTURE_2D, TEXTURE_LEVELS, GL_RGBA8, TEXTURE, TEXTURE);
	for (int level = 0; level < TEXTURE_LEVELS; level++) {
		int size = TEXTURE >> level;

		for (int i = 0; i < size * size; i++) {
			bool light = (i % size * 8 / size + i / size * 8 / size) % 2;

			texels[i][0] = light ? 230 : (uint8_t)(20 + 25 * level);
			texels[i][1] = light ? (uint8_t)(220 - 20 * level) : 60;
			texels[i][2] = (uint8_t)(i % size * 255 / size);
			texels[i][3] = 255;
		}
		glTexSubImage2D(GL_TEXTURE_2D, level, 0, 0, size, size, GL_RGBA, GL_UNSIGNED_BYTE,
				texels);
	}
	glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_LINEAR_MIPMAP_LINEAR);
	glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_LINEAR);
}

static struct scene make_scene(GLint width, GLint height)
{
	struct scene s = { .width = width, .height = height };

	s.lit = make_program(lit_vertex, lit_fragment);
	s.flat = make_program(flat_vertex, flat_fragment);
	s.model = glGetUniformLocation(s.lit, "model");
	s.camera = glGetUniformLocation(s.lit, "camera");
	s.tint = glGetUniformLocation(s.lit, "tint");
	glUseProgram(s.lit);
	glUniform1i(glGetUniformLocation(s.lit, "noise"), 1);

	make_cube(&s);
	s.ribbon_array = make_array();
	s.ribbon_buffer =
		make_buffer(GL_ARRAY_BUFFER, NULL, RIBBON * sizeof(struct vertex), GL_DYNAMIC_DRAW);
	describe_vertices();
	s.quad_array = make_array();
	s.quad_buffer =
		make_buffer(GL_ARRAY_BUFFER, NULL, 4 * sizeof(struct vertex), GL_DYNAMIC_DRAW);
	describe_vertices();

	make_picture(&s);
	glGenTextures(1, &s.noise);
	glBindTexture(GL_TEXTURE_2D, s.noise);
	glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA, NOISE, NOISE, 0, GL_RGBA, GL_UNSIGNED_BYTE, NULL);
	glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_LINEAR);
	glGenTextures(1, &s.code);
	glBindTexture(GL_TEXTURE_2D, s.code);
	glTexStorage2D(GL_TEXTURE_2D, 1, GL_RGBA8, CODE_COLUMNS, CODE_ROWS);
	glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
	glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
	check_gl("scene");
	return s;
}

/* What a frame brings anew: a texture and the vertices of a ribbon. */
static void update(struct scene *s, uint32_t frame)
{
	static uint8_t texels[NOISE * NOISE][4];
	struct vertex ribbon[RIBBON];
	uint32_t random = frame * 2654435761u + 1;

	for (int i = 0; i < NOISE * NOISE; i++) {
		random = random * 1664525u + 1013904223u;
		for (int channel = 0; channel < 4; channel++)
			texels[i][channel] = (uint8_t)(random >> (8 + 6 * channel));
	}
	glActiveTexture(GL_TEXTURE1);
	glBindTexture(GL_TEXTURE_2D, s->noise);
	glTexSubImage2D(GL_TEXTURE_2D, 0, 0, 0, NOISE, NOISE, GL_RGBA, GL_UNSIGNED_BYTE, texels);
	glActiveTexture(GL_TEXTURE0);
	glBindTexture(GL_TEXTURE_2D, s->picture);

	for (int i = 0; i < RIBBON; i++) {
		float along = (float)(i / 2) / (RIBBON / 2 - 1);
		float phase = 9 * along + 0.3f * (float)(frame % 64);

		ribbon[i] = (struct vertex){
			.position = { 8 * along - 4, 2.2f + 0.4f * sinf(phase), i % 2 ? 0.5f : 0 },
			.normal = { -0.5f * cosf(phase), 1, 0 },
			.place = { 4 * along, (float)(i % 2) },
		};
	}
	glBindBuffer(GL_ARRAY_BUFFER, s->ribbon_buffer);
	glBufferSubData(GL_ARRAY_BUFFER, 0, sizeof(ribbon), ribbon);
}

static void draw_at(const struct scene *s, struct matrix model, float r, float g, float b, float a)
{
	glUniformMatrix4fv(s->model, 1, GL_FALSE, model.at);
	glUniform4f(s->tint, r, g, b, a);
	glDrawElements(GL_TRIANGLES, CUBE_INDICES, GL_UNSIGNED_SHORT, NULL);
}

static void draw_scene(struct scene *s, uint32_t frame)
{
	float angle = 0.11f * (float)(frame % FRAMES_MAX);
	struct matrix camera = multiply(perspective((float)s->width / (float)s->height),
					multiply(move(0, -0.5f, -9), turn_x(0.45f)));

	update(s, frame);
	glViewport(0, 0, s->width, s->height);
	glClearColor(0.05f, 0.1f, 0.2f, 1);
	glClear(GL_COLOR_BUFFER_BIT | GL_DEPTH_BUFFER_BIT);
	glEnable(GL_DEPTH_TEST);
	glUseProgram(s->lit);
	glUniformMatrix4fv(s->camera, 1, GL_FALSE, camera.at);

	glBindVertexArray(s->cube_array);
	draw_at(s, multiply(move(0, -2, 0), scale(5, 0.2f, 5)), 0.7f, 0.8f, 0.7f, 1);
	for (int i = 0; i < CUBES; i++) {
		float around = angle + 6.2831853f * (float)i / CUBES;
		struct matrix model = multiply(turn_y(around), move(3.4f, -0.8f, 0));

		model = multiply(model,
				 multiply(turn_x(3 * angle + (float)i), scale(.5f, .5f, .5f)));
		draw_at(s, model, 1 - 0.05f * (float)i, 0.4f + 0.05f * (float)i, 0.8f, 1);
	}
	draw_at(s, multiply(turn_y(-2 * angle), turn_x(angle)), 1, 1, 1, 1);

	glBindVertexArray(s->ribbon_array);
	glUniformMatrix4fv(s->model, 1, GL_FALSE, move(0, 0, 0).at);
	glDrawArrays(GL_TRIANGLE_STRIP, 0, RIBBON);

	glBindVertexArray(s->cube_array);
	glEnable(GL_BLEND);
	glBlendFunc(GL_SRC_ALPHA, GL_ONE_MINUS_SRC_ALPHA);
	glDepthMask(GL_FALSE);
	for (int i = 0; i < PANES; i++)
		draw_at(s, multiply(move((float)i - 1.5f, 0, 2.5f), scale(0.4f, 1, 0.02f)), 0.3f,
			0.9f, 1, 0.4f);
	glDepthMask(GL_TRUE);
	glDisable(GL_BLEND);
}

/* A textured rectangle; in parts of the whole picture, y upwards. */
static void draw_flat(struct scene *s, GLuint texture, float left, float bottom, float right,
		      float top)
{
	const struct vertex corners[4] = {
		{ .position = { 2 * left - 1, 2 * bottom - 1 }, .place = { 0, 1 } },
		{ .position = { 2 * right - 1, 2 * bottom - 1 }, .place = { 1, 1 } },
		{ .position = { 2 * left - 1, 2 * top - 1 }, .place = { 0, 0 } },
		{ .position = { 2 * right - 1, 2 * top - 1 }, .place = { 1, 0 } },
	};

	glDisable(GL_DEPTH_TEST);
	glUseProgram(s->flat);
	glBindTexture(GL_TEXTURE_2D, texture);
	glBindVertexArray(s->quad_array);
	glBindBuffer(GL_ARRAY_BUFFER, s->quad_buffer);
	glBufferSubData(GL_ARRAY_BUFFER, 0, sizeof(corners), corners);
	glDrawArrays(GL_TRIANGLE_STRIP, 0, 4);
}

static uint16_t crc16(const uint8_t *bytes, size_t count)
{
	uint16_t crc = 0xffff;

	for (size_t i = 0; i < count; i++) {
		crc ^= (uint16_t)(bytes[i] << 8);
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
	}
	return crc;
}

static void draw_code(struct scene *s, uint32_t frame)
{
	uint8_t code[CODE_BYTES], cells[CODE_ROWS][CODE_COLUMNS][4];
	float unit_x = 1.0f / (float)s->width, unit_y = 1.0f / (float)s->height;
	uint16_t crc;

	memcpy(code, options.name, NAME_BYTES);
	for (int i = 0; i < 4; i++)
		code[NAME_BYTES + i] = (uint8_t)(frame >> (24 - 8 * i));
	crc = crc16(code, NAME_BYTES + 4);
	code[NAME_BYTES + 4] = (uint8_t)(crc >> 8);
	code[NAME_BYTES + 5] = (uint8_t)crc;
	for (int row = 0; row < CODE_ROWS; row++) {
		for (int column = 0; column < CODE_COLUMNS; column++) {
			bool ring = row == 0 || row == CODE_ROWS - 1 || column == 0 ||
				    column == CODE_COLUMNS - 1;
			int bit = (row - 1) * (CODE_COLUMNS - 2) + column - 1;
			bool white = ring ? (row + column) % 2 == 0
					  : (code[bit / 8] >> (7 - bit % 8)) & 1;

			memset(cells[row][column], white ? 255 : 0, 4);
		}
	}
	glBindTexture(GL_TEXTURE_2D, s->code);
	glTexSubImage2D(GL_TEXTURE_2D, 0, 0, 0, CODE_COLUMNS, CODE_ROWS, GL_RGBA, GL_UNSIGNED_BYTE,
			cells);
	draw_flat(s, s->code, CODE_PLACE * unit_x,
		  (float)(s->height - CODE_PLACE - CODE_ROWS * CELL) * unit_y,
		  (CODE_PLACE + CODE_COLUMNS * CELL) * unit_x,
		  (float)(s->height - CODE_PLACE) * unit_y);
}

/* ---- off screen ----------------------------------------------------------------------- */

struct target {
	GLuint frame, colour, depth;
};

static struct target make_target(GLint width, GLint height)
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
		fail("framebuffer");
	return t;
}

static void free_target(const struct target *t)
{
	glDeleteFramebuffers(1, &t->frame);
	glDeleteRenderbuffers(1, &t->colour);
	glDeleteRenderbuffers(1, &t->depth);
}

static uint32_t crc32(const uint8_t *bytes, size_t count)
{
	static uint32_t table[256];
	uint32_t crc = 0xffffffffu;

	for (uint32_t i = 0; !table[255] && i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] & 1 ? (table[i] >> 1) ^ 0xedb88320u : table[i] >> 1;
	}
	for (size_t i = 0; i < count; i++)
		crc = table[(crc ^ bytes[i]) & 255] ^ (crc >> 8);
	return ~crc;
}

static void mode_render(void)
{
	static uint8_t pixels[PICTURE * PICTURE * 4];
	static uint32_t first[FRAMES_MAX];
	uint32_t frames = options.frames ? options.frames : FRAMES_RENDER, differ = 0;
	struct pace pace = { 0 };
	struct scene scene;

	if (frames > FRAMES_MAX)
		frames = FRAMES_MAX;
	open_off_screen();
	make_target(PICTURE, PICTURE);
	scene = make_scene(PICTURE, PICTURE);
	while (goes_on(&pace)) {
		uint32_t frame = pace.frames % frames, crc;

		draw_scene(&scene, frame);
		glReadPixels(0, 0, PICTURE, PICTURE, GL_RGBA, GL_UNSIGNED_BYTE, pixels);
		check_gl("render");
		crc = crc32(pixels, sizeof(pixels));
		if (pace.frames < frames)
			first[frame] = crc;
		say("render frame %u crc32 %08x%s", frame, crc,
		    crc == first[frame] ? "" : " differs from before");
		differ += crc != first[frame];
		pace.frames++;
	}
	tell_end(&pace, "render");
	say("render: %u frames differ", differ);
}

static void wait_for(GLsync sync)
{
	if (sync && glClientWaitSync(sync, GL_SYNC_FLUSH_COMMANDS_BIT, 20ull * SECOND_NS) ==
			    GL_TIMEOUT_EXPIRED)
		say("load: no fence in 20 s");
	if (sync)
		glDeleteSync(sync);
}

static const char work_fragment[] = "#version 300 es\n"
				    "precision highp float;\n"
				    "in vec2 at;\n"
				    "uniform int rounds;\n"
				    "uniform float frame;\n"
				    "out vec4 colour;\n"
				    "void main() {\n"
				    "	vec4 sum = vec4(at, frame, 1.0);\n"
				    "	for (int i = 0; i < rounds; i++)\n"
				    "		sum = fract(sum * 1.7 + sum.yzwx);\n"
				    "	colour = sum;\n"
				    "}\n";

/* The rectangle that draw_flat() has left in its buffer. */
static void draw_work(const struct scene *s, GLuint program, uint32_t frame)
{
	glUseProgram(program);
	glUniform1i(glGetUniformLocation(program, "rounds"), (GLint)options.work);
	glUniform1f(glGetUniformLocation(program, "frame"), (float)(frame % FRAMES_MAX));
	glBindVertexArray(s->quad_array);
	glDrawArrays(GL_TRIANGLE_STRIP, 0, 4);
}

static void mode_load(void)
{
	GLint side = (GLint)options.side;
	GLsync syncs[DEPTH_MAX] = { NULL };
	struct pace pace = { 0 };
	struct scene scene;
	GLuint program;

	open_off_screen();
	make_target(side, side);
	scene = make_scene(side, side);
	program = make_program(flat_vertex, work_fragment);
	glViewport(0, 0, side, side);
	draw_flat(&scene, scene.picture, 0, 0, 1, 1);
	while (goes_on(&pace) && (!options.frames || pace.frames < options.frames)) {
		GLsync *oldest = &syncs[pace.frames % options.depth];

		wait_for(*oldest);
		if (options.work)
			draw_work(&scene, program, pace.frames);
		else
			draw_scene(&scene, pace.frames);
		*oldest = glFenceSync(GL_SYNC_GPU_COMMANDS_COMPLETE, 0);
		glFlush();
		check_gl("load");
		count_frame(&pace, "load");
	}
	glFinish();
	tell_end(&pace, "load");
}

/* ---- latency -------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void mode_latency(void)
{
	uint32_t count = options.frames ? options.frames : FRAMES_LATENCY;
	uint64_t *times = calloc(count, sizeof(*times));
	struct pace pace = { 0 };
	struct scene scene;

	if (!times)
		fail("calloc");
	open_off_screen();
	make_target(16, 16);
	scene = make_scene(16, 16);
	for (int i = 0; i < 3; i++) { /* shaders are compiled at their first use */
		draw_flat(&scene, scene.picture, 0, 0, 1, 1);
		glFinish();
	}
	do {
		for (uint32_t i = 0; i < count && goes_on(&pace); i++) {
			uint64_t start;

			draw_flat(&scene, scene.picture, 0, 0, 1, 1);
			start = now_ns();
			glFinish();
			times[i] = now_ns() - start;
			pace.frames++;
		}
		if (pace.frames % count)
			break;
		qsort(times, count, sizeof(*times), by_value);
		say("latency of %u jobs: p50 %llu us, p99 %llu us, most %llu us", count,
		    (unsigned long long)times[count / 2] / 1000,
		    (unsigned long long)times[count * 99 / 100] / 1000,
		    (unsigned long long)times[count - 1] / 1000);
	} while (goes_on(&pace));
	free(times);
}

/* ---- fresh memory --------------------------------------------------------------------- */

/* 255 in each of a texel's channels that is not zero: small values count as well. */
static const char probe_fragment[] =
	"#version 300 es\n"
	"precision highp float;\n"
	"uniform highp sampler2D picture;\n"
	"uniform int level;\n"
	"uniform vec4 channels;\n"
	"out vec4 colour;\n"
	"void main() {\n"
	"	vec4 texel = texelFetch(picture, ivec2(gl_FragCoord.xy), level);\n"
	"	colour = vec4(notEqual(texel, vec4(0.0))) * channels;\n"
	"}\n";

struct count {
	uint64_t read, not_zero;
};

static void count_bytes(struct count *count, const uint8_t *bytes, size_t size)
{
	count->read += size;
	for (size_t i = 0; i < size; i++)
		count->not_zero += bytes[i] != 0;
}

/* Counts what a target holds that a draw has touched in its first pixel only. */
static void count_target(struct count *count, GLint width, GLint height)
{
	size_t size = (size_t)width * (size_t)height * 4;
	uint8_t *pixels = malloc(size);

	if (!pixels)
		fail("malloc");
	memset(pixels, 0x55, size);
	glReadPixels(0, 0, width, height, GL_RGBA, GL_UNSIGNED_BYTE, pixels);
	check_gl("glReadPixels");
	count_bytes(count, pixels + 4, size - 4);
	free(pixels);
}

/* Draws one pixel into what is attached. */
static void touch_target(GLint width, GLint height)
{
	if (glCheckFramebufferStatus(GL_FRAMEBUFFER) != GL_FRAMEBUFFER_COMPLETE)
		fail("framebuffer of a fresh texture");
	/* Mesa reads a resource back from the device only when something was drawn in it. */
	glViewport(0, 0, width, height);
	glEnable(GL_SCISSOR_TEST);
	glScissor(0, 0, 1, 1);
	glClearColor(1, 1, 1, 1);
	glClear(GL_COLOR_BUFFER_BIT);
	glDisable(GL_SCISSOR_TEST);
}

static void fill_target(void)
{
	if (!options.dirty)
		return;
	glClearColor(0xaa / 255.0f, 0xaa / 255.0f, 0xaa / 255.0f, 0xaa / 255.0f);
	glClear(GL_COLOR_BUFFER_BIT);
	glFinish();
}

struct fresh_texture {
	const char *name;
	GLenum format;
	GLint width, height, levels, channels;
	bool can_be_target;
};

static const struct fresh_texture fresh_textures[] = {
	{ "RGBA8 256x256", GL_RGBA8, 256, 256, 1, 4, true },
	{ "RGBA8 100x60 level 2", GL_RGBA8, 100, 60, 3, 4, true },
	{ "R8 512x512", GL_R8, 512, 512, 1, 1, false },
	{ "RG8 33x17", GL_RG8, 33, 17, 1, 2, false },
	{ "RGBA16F 64x64", GL_RGBA16F, 64, 64, 1, 4, false },
	{ "RGBA32F 200x10", GL_RGBA32F, 200, 10, 1, 4, false },
	{ "DEPTH24 128x128", GL_DEPTH_COMPONENT24, 128, 128, 1, 1, false },
	{ "RGBA8 1024x1024", GL_RGBA8, 1024, 1024, 1, 4, true },
};

/* Draws with the texture: the device reads it. */
static struct count sample_texture(struct scene *s, GLuint program, const struct fresh_texture *t)
{
	GLint level = t->levels - 1, width = t->width >> level, height = t->height >> level;
	struct count count = { 0 };
	struct target target = make_target(t->width, t->height);

	glUseProgram(program);
	glUniform1i(glGetUniformLocation(program, "level"), level);
	glUniform4f(glGetUniformLocation(program, "channels"), 1, t->channels > 1, t->channels > 2,
		    t->channels > 3);
	glViewport(0, 0, width, height);
	glDisable(GL_DEPTH_TEST);
	glBindVertexArray(s->quad_array);
	glDrawArrays(GL_TRIANGLE_STRIP, 0, 4);
	count_target(&count, width, height);
	free_target(&target);
	return count;
}

static void zero_textures(struct scene *s, GLuint program, struct count *all)
{
	for (size_t i = 0; i < sizeof(fresh_textures) / sizeof(fresh_textures[0]); i++) {
		const struct fresh_texture *t = &fresh_textures[i];
		struct count sampled, read = { 0 };
		GLuint texture, target;

		glGenTextures(1, &texture);
		glBindTexture(GL_TEXTURE_2D, texture);
		if (t->format == GL_RGBA8 && t->levels == 1)
			glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA, t->width, t->height, 0, GL_RGBA,
				     GL_UNSIGNED_BYTE, NULL);
		else
			glTexStorage2D(GL_TEXTURE_2D, t->levels, t->format, t->width, t->height);
		glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER,
				t->levels > 1 ? GL_NEAREST_MIPMAP_NEAREST : GL_NEAREST);
		glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
		sampled = sample_texture(s, program, t);
		if (t->can_be_target) {
			glGenFramebuffers(1, &target);
			glBindFramebuffer(GL_FRAMEBUFFER, target);
			glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D,
					       texture, 0);
			touch_target(t->width, t->height);
			count_target(&read, t->width, t->height);
			fill_target();
			glDeleteFramebuffers(1, &target);
		}
		glDeleteTextures(1, &texture);
		say("zero: texture %s: %llu sampled, %llu not zero; %llu read, %llu not zero",
		    t->name, (unsigned long long)sampled.read, (unsigned long long)sampled.not_zero,
		    (unsigned long long)read.read, (unsigned long long)read.not_zero);
		all->read += sampled.read + read.read;
		all->not_zero += sampled.not_zero + read.not_zero;
	}
}

static void zero_renderbuffer(struct count *all)
{
	const GLint width = 300, height = 200;
	struct target target = make_target(width, height);
	struct count read = { 0 };

	touch_target(width, height);
	count_target(&read, width, height);
	fill_target();
	free_target(&target);
	say("zero: renderbuffer: %llu read, %llu not zero", (unsigned long long)read.read,
	    (unsigned long long)read.not_zero);
	all->read += read.read;
	all->not_zero += read.not_zero;
}

/* What is mapped of a buffer that the device wrote comes from the device; hence the copy. */
static void zero_buffers(struct count *all)
{
	static const GLsizeiptr sizes[] = { 4096, 65536, 1000000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		GLsizeiptr size = sizes[i];
		struct count mapped = { 0 };
		GLuint buffers[2];

		glGenBuffers(2, buffers);
		glBindBuffer(GL_COPY_READ_BUFFER, buffers[0]);
		glBufferData(GL_COPY_READ_BUFFER, size, NULL, GL_STATIC_DRAW);
		glBindBuffer(GL_COPY_WRITE_BUFFER, buffers[1]);
		glBufferData(GL_COPY_WRITE_BUFFER, size, NULL, GL_STATIC_READ);
		glCopyBufferSubData(GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER, 0, 0, size);
		for (int j = 0; j < 2; j++) {
			GLenum point = j ? GL_COPY_READ_BUFFER : GL_COPY_WRITE_BUFFER;
			const uint8_t *bytes = glMapBufferRange(point, 0, size, GL_MAP_READ_BIT);

			if (!bytes)
				fail("glMapBufferRange");
			count_bytes(&mapped, bytes, (size_t)size);
			glUnmapBuffer(point);
		}
		if (options.dirty) {
			uint8_t *full = malloc((size_t)size);

			if (!full)
				fail("malloc");
			memset(full, 0xaa, (size_t)size);
			glBufferSubData(GL_COPY_READ_BUFFER, 0, size, full);
			glBufferSubData(GL_COPY_WRITE_BUFFER, 0, size, full);
			glFinish();
			free(full);
		}
		glDeleteBuffers(2, buffers);
		check_gl("buffers");
		say("zero: buffers of %lld: %llu read, %llu not zero", (long long)size,
		    (unsigned long long)mapped.read, (unsigned long long)mapped.not_zero);
		all->read += mapped.read;
		all->not_zero += mapped.not_zero;
	}
}

/* A picture that is known: whoever finds nothing there would find nothing anywhere. */
static void check_probe(struct scene *s, GLuint program)
{
	static const struct fresh_texture known = { "", GL_RGBA8, TEXTURE, TEXTURE, 1, 4, false };
	struct count sampled;

	glBindTexture(GL_TEXTURE_2D, s->picture);
	sampled = sample_texture(s, program, &known);
	if (sampled.not_zero < sampled.read / 2)
		fail("the probe of textures");
}

static void mode_zero(void)
{
	uint32_t passes = options.frames ? options.frames : 1;
	struct pace pace = { 0 };
	struct scene scene;
	struct target target;
	GLuint program;

	open_off_screen();
	program = make_program(flat_vertex, probe_fragment);
	target = make_target(16, 16);
	scene = make_scene(16, 16);
	draw_flat(&scene, scene.picture, 0, 0, 1, 1); /* and so the quad covers everything */
	free_target(&target);
	check_probe(&scene, program);
	while (goes_on(&pace) && pace.frames < passes) {
		struct count all = { 0 };

		zero_textures(&scene, program, &all);
		zero_renderbuffer(&all);
		zero_buffers(&all);
		pace.frames++;
		say("zero pass %u: %llu bytes read, %llu not zero%s", pace.frames,
		    (unsigned long long)all.read, (unsigned long long)all.not_zero,
		    options.dirty ? ", filled with 0xaa" : "");
	}
}

/* ---- the display ---------------------------------------------------------------------- */

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

static void mode_flips(void)
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
		fail("a surface on the display");
	scene = make_scene(output.mode.hdisplay, output.mode.vdisplay);
	say("flips: mode %ux%u", output.mode.hdisplay, output.mode.vdisplay);
	while (goes_on(&pace) && (!options.frames || pace.frames < options.frames)) {
		struct gbm_bo *bo;
		uint32_t id;

		draw_scene(&scene, pace.frames + 1);
		draw_code(&scene, pace.frames + 1);
		check_gl("flips");
		if (!eglSwapBuffers(gl.display, surface))
			fail("eglSwapBuffers");
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

static void mode_info(void)
{
	open_off_screen();
	say("vendor %s", glGetString(GL_VENDOR));
	say("renderer %s", glGetString(GL_RENDERER));
	say("version %s", glGetString(GL_VERSION));
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{ "info", mode_info },	 { "render", mode_render },   { "load", mode_load },
	{ "flips", mode_flips }, { "latency", mode_latency }, { "zero", mode_zero },
};

static void usage(void)
{
	say("usage: render3d [-n NAME] [-s SECONDS] [-f FRAMES] [-r RATE] [-w SIDE] [-q DEPTH] "
	    "[-t TELL] [-x WORK] [-d] MODE");
	exit(2);
}

int main(int argc, char **argv)
{
	int option;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((option = getopt(argc, argv, "n:s:f:r:w:q:t:x:d")) != -1) {
		switch (option) {
		case 'n':
			/* The rest stays zero: the code wants padding with NUL. */
			memset(options.name, 0, sizeof(options.name));
			for (int i = 0; i < NAME_BYTES && optarg[i]; i++)
				options.name[i] = optarg[i];
			break;
		case 's':
			options.seconds = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'f':
			options.frames = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			options.rate = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'w':
			options.side = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'q':
			options.depth = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 't':
			options.tell = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'x':
			options.work = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'd':
			options.dirty = true;
			break;
		default:
			usage();
		}
	}
	if (optind + 1 != argc || !options.side || !options.depth || options.depth > DEPTH_MAX)
		usage();
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].name, argv[optind]) == 0) {
			modes[i].run();
			return 0;
		}
	}
	usage();
	return 2;
}
