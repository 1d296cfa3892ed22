/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uses, once each, what OpenGL ES 3.2 has and ordinary programs seldom use: queries, transform
 * feedback, compute, geometry and tessellation, multisampling, images, copies. It makes Mesa send
 * nearly every command of the virgl protocol, for the audit to pass and for its fuzzer's corpus.
 *
 *	medley3d [-s SECONDS]
 *
 * Prints the CRC-32 of what each step left; the same in each round and on each run.
 */
// SOURCES: tests/guest/gl3d.c tests/guest/say3d.c
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES3/gl32.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/guest/gl3d.h"
#include "tests/guest/say3d.h"

/* <GLES2/gl2ext.h> declares them, but a program that includes it must not use those of 3.2. */
#define GL_QUERY_WAIT_NV 0x8e13
typedef void (*begin_condition_fn)(GLuint query, GLenum mode);
typedef void (*end_condition_fn)(void);
typedef void (*clear_texture_fn)(GLuint texture, GLint level, GLenum format, GLenum type,
				 const void *data);

const char program_name[] = "medley3d";

#define SIZE	 64
#define POINTS	 16
#define NUMBERS	 256 /* of a compute shader's buffer */
#define VERSION	 "#version 320 es\nprecision highp float;\nprecision highp int;\n"
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void open_surfaceless(void)
{
	const EGLint version[] = { EGL_CONTEXT_MAJOR_VERSION, 3, EGL_CONTEXT_MINOR_VERSION, 2,
				   EGL_NONE };
	EGLDisplay display = eglGetPlatformDisplay(EGL_PLATFORM_SURFACELESS_MESA, NULL, NULL);
	EGLContext context;

	if (!eglInitialize(display, NULL, NULL))
		fail_gl("eglInitialize");
	eglBindAPI(EGL_OPENGL_ES_API);
	context = eglCreateContext(display, EGL_NO_CONFIG_KHR, EGL_NO_CONTEXT, version);
	if (!eglMakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, context))
		fail_gl("eglMakeCurrent");
}

struct shader {
	GLenum kind;
	const char *text;
};

/* `captured`: what transform feedback takes, or NULL. */
static GLuint link_program(const struct shader *shaders, size_t count, const char *captured)
{
	GLuint program = glCreateProgram();
	char log[512];
	GLint done;

	for (size_t i = 0; i < count; i++) {
		const char *texts[] = { VERSION, shaders[i].text };
		GLuint shader = glCreateShader(shaders[i].kind);

		glShaderSource(shader, 2, texts, NULL);
		glCompileShader(shader);
		glGetShaderiv(shader, GL_COMPILE_STATUS, &done);
		if (!done) {
			glGetShaderInfoLog(shader, sizeof(log), NULL, log);
			printf("%s: %s\n", program_name, log);
			fail_gl("glCompileShader");
		}
		glAttachShader(program, shader);
		glDeleteShader(shader);
	}
	if (captured)
		glTransformFeedbackVaryings(program, 1, &captured, GL_INTERLEAVED_ATTRIBS);
	glLinkProgram(program);
	glGetProgramiv(program, GL_LINK_STATUS, &done);
	if (!done) {
		glGetProgramInfoLog(program, sizeof(log), NULL, log);
		printf("%s: %s\n", program_name, log);
		fail_gl("glLinkProgram");
	}
	glUseProgram(program);
	return program;
}

static GLuint fill_buffer(GLenum target, size_t size, const void *data)
{
	GLuint buffer;

	glGenBuffers(1, &buffer);
	glBindBuffer(target, buffer);
	glBufferData(target, (GLsizeiptr)size, data, GL_DYNAMIC_DRAW);
	return buffer;
}

static uint32_t crc_of_buffer(GLenum target, size_t size)
{
	const void *bytes = glMapBufferRange(target, 0, (GLsizeiptr)size, GL_MAP_READ_BIT);
	uint32_t crc;

	if (!bytes)
		fail_gl("glMapBufferRange");
	crc = crc32(bytes, size);
	glUnmapBuffer(target);
	return crc;
}

/* A texture with something in it, bound. */
static GLuint make_texture(GLenum target, GLsizei size, GLsizei depth)
{
	size_t texels = (size_t)size * (size_t)size * (size_t)depth;
	uint8_t *bytes = malloc(4 * texels);
	GLuint texture;

	if (!bytes)
		fail_gl("malloc");
	for (size_t i = 0; i < 4 * texels; i++)
		bytes[i] = (uint8_t)(i * 37 + i / 251);
	glGenTextures(1, &texture);
	glBindTexture(target, texture);
	if (target == GL_TEXTURE_3D || target == GL_TEXTURE_2D_ARRAY) {
		glTexStorage3D(target, 2, GL_RGBA8, size, size, depth);
		glTexSubImage3D(target, 0, 0, 0, 0, size, size, depth, GL_RGBA, GL_UNSIGNED_BYTE,
				bytes);
	} else {
		glTexStorage2D(target, 2, GL_RGBA8, size, size);
		for (GLenum face = 0; face < (target == GL_TEXTURE_CUBE_MAP ? 6 : 1); face++)
			glTexSubImage2D(target == GL_TEXTURE_CUBE_MAP
						? GL_TEXTURE_CUBE_MAP_POSITIVE_X + face
						: target,
					0, 0, 0, size, size, GL_RGBA, GL_UNSIGNED_BYTE,
					bytes + face);
	}
	glGenerateMipmap(target);
	glTexParameteri(target, GL_TEXTURE_MIN_FILTER, GL_LINEAR_MIPMAP_NEAREST);
	free(bytes);
	return texture;
}

/* ---- the target that most steps draw into ----------------------------------------------- */

static GLuint target_frame, target_texture, target_depth;

static void draw_on_texture(void)
{
	glGenFramebuffers(1, &target_frame);
	glBindFramebuffer(GL_FRAMEBUFFER, target_frame);
	glGenTextures(1, &target_texture);
	glBindTexture(GL_TEXTURE_2D, target_texture);
	glTexStorage2D(GL_TEXTURE_2D, 1, GL_RGBA8, SIZE, SIZE);
	glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, target_texture,
			       0);
	glGenRenderbuffers(1, &target_depth);
	glBindRenderbuffer(GL_RENDERBUFFER, target_depth);
	glRenderbufferStorage(GL_RENDERBUFFER, GL_DEPTH24_STENCIL8, SIZE, SIZE);
	glFramebufferRenderbuffer(GL_FRAMEBUFFER, GL_DEPTH_STENCIL_ATTACHMENT, GL_RENDERBUFFER,
				  target_depth);
}

static void clear_target(void)
{
	glBindFramebuffer(GL_FRAMEBUFFER, target_frame);
	glViewport(0, 0, SIZE, SIZE);
	glClearColor(0.1f, 0.2f, 0.3f, 1);
	glClear(GL_COLOR_BUFFER_BIT | GL_DEPTH_BUFFER_BIT | GL_STENCIL_BUFFER_BIT);
}

static uint32_t crc_of_target(void)
{
	static uint8_t pixels[SIZE * SIZE * 4];

	glReadPixels(0, 0, SIZE, SIZE, GL_RGBA, GL_UNSIGNED_BYTE, pixels);
	return crc32(pixels, sizeof(pixels));
}

/* ---- the steps: each leaves a number ---------------------------------------------------- */

/* One triangle over the whole target, without any vertex buffer. */
static const struct shader whole = {
	GL_VERTEX_SHADER,
	"void main() {\n"
	"	gl_Position = vec4(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0,\n"
	"			   0.0, 1.0);\n"
	"}\n"
};
static const struct shader blue = { GL_FRAGMENT_SHADER,
				    "out vec4 colour;\n"
				    "void main() { colour = vec4(0.2, 0.4, 1.0, 0.5); }\n" };

static uint32_t queries(void)
{
	const struct shader shaders[] = { whole, blue };
	begin_condition_fn begin =
		(begin_condition_fn)eglGetProcAddress("glBeginConditionalRenderNV");
	end_condition_fn end = (end_condition_fn)eglGetProcAddress("glEndConditionalRenderNV");
	GLuint program = link_program(shaders, COUNT(shaders), NULL), query, seen = 0;

	glGenQueries(1, &query);
	glEnable(GL_SCISSOR_TEST);
	glScissor(5, 7, 20, 30);
	glBeginQuery(GL_ANY_SAMPLES_PASSED, query);
	glDrawArrays(GL_TRIANGLES, 0, 3);
	glEndQuery(GL_ANY_SAMPLES_PASSED);
	glDisable(GL_SCISSOR_TEST);
	if (begin && end)
		begin(query, GL_QUERY_WAIT_NV);
	glEnable(GL_BLEND);
	glBlendFunc(GL_CONSTANT_ALPHA, GL_ONE_MINUS_SRC_ALPHA);
	glBlendColor(0.3f, 0.5f, 0.7f, 0.9f);
	glDrawArrays(GL_TRIANGLES, 0, 3);
	glDisable(GL_BLEND);
	if (begin && end)
		end();
	glGetQueryObjectuiv(query, GL_QUERY_RESULT, &seen);
	glDeleteQueries(1, &query);
	glDeleteProgram(program);
	return crc_of_target() + seen;
}

static uint32_t stencil_and_depth(void)
{
	const struct shader shaders[] = { whole, blue };
	GLuint program = link_program(shaders, COUNT(shaders), NULL);
	const GLfloat red[] = { 1, 0, 0, 1 };

	glEnable(GL_STENCIL_TEST);
	glStencilFuncSeparate(GL_FRONT, GL_ALWAYS, 3, 0xff);
	glStencilOpSeparate(GL_FRONT, GL_KEEP, GL_INVERT, GL_REPLACE);
	glEnable(GL_SCISSOR_TEST);
	glScissor(8, 8, 16, 16);
	glDrawArrays(GL_TRIANGLES, 0, 3);
	glClearBufferfv(GL_COLOR, 0, red);
	glDisable(GL_SCISSOR_TEST);
	glStencilFunc(GL_EQUAL, 3, 0xff);
	glEnable(GL_DEPTH_TEST);
	glDepthRangef(0.2f, 0.8f);
	glEnable(GL_POLYGON_OFFSET_FILL);
	glPolygonOffset(1, 2);
	glDrawArrays(GL_TRIANGLES, 0, 3);
	glDisable(GL_POLYGON_OFFSET_FILL);
	glDepthRangef(0, 1);
	glDisable(GL_DEPTH_TEST);
	glDisable(GL_STENCIL_TEST);
	glDeleteProgram(program);
	return crc_of_target();
}

static uint32_t transform_feedback(void)
{
	const struct shader shaders[] = {
		{ GL_VERTEX_SHADER,
		  "layout(location = 0) in vec4 position;\n"
		  "out vec4 taken;\n"
		  "void main() { taken = position * 2.0 + float(gl_VertexID); gl_Position = taken; }\n" },
		blue,
	};
	GLuint program = link_program(shaders, COUNT(shaders), "taken"), query, written = 0;
	float points[POINTS][4];
	GLuint buffers[2];
	uint32_t crc;

	for (int i = 0; i < POINTS; i++)
		for (int j = 0; j < 4; j++)
			points[i][j] = (float)(i * j) / 8;
	buffers[0] = fill_buffer(GL_ARRAY_BUFFER, sizeof(points), points);
	buffers[1] = fill_buffer(GL_TRANSFORM_FEEDBACK_BUFFER, sizeof(points), NULL);
	glBindBufferBase(GL_TRANSFORM_FEEDBACK_BUFFER, 0, buffers[1]);
	glEnableVertexAttribArray(0);
	glVertexAttribPointer(0, 4, GL_FLOAT, GL_FALSE, 0, NULL);
	glGenQueries(1, &query);
	glEnable(GL_RASTERIZER_DISCARD);
	glBeginQuery(GL_TRANSFORM_FEEDBACK_PRIMITIVES_WRITTEN, query);
	glBeginTransformFeedback(GL_POINTS);
	glDrawArrays(GL_POINTS, 0, POINTS);
	glEndTransformFeedback();
	glEndQuery(GL_TRANSFORM_FEEDBACK_PRIMITIVES_WRITTEN);
	glDisable(GL_RASTERIZER_DISCARD);
	glGetQueryObjectuiv(query, GL_QUERY_RESULT, &written);
	crc = crc_of_buffer(GL_TRANSFORM_FEEDBACK_BUFFER, sizeof(points));
	glBindBufferBase(GL_TRANSFORM_FEEDBACK_BUFFER, 0, 0);
	glDisableVertexAttribArray(0);
	glDeleteQueries(1, &query);
	glDeleteBuffers(2, buffers);
	glDeleteProgram(program);
	return crc + written;
}

static uint32_t instances(void)
{
	const struct shader shaders[] = {
		{ GL_VERTEX_SHADER,
		  "layout(location = 0) in vec2 corner;\n"
		  "layout(location = 1) in float size;\n"
		  "layout(std140) uniform places { vec4 place[8]; };\n"
		  "flat out int which;\n"
		  "void main() {\n"
		  "	which = gl_InstanceID;\n"
		  "	gl_Position = vec4(corner * size + place[gl_InstanceID].xy, 0.0, 1.0);\n"
		  "}\n" },
		{ GL_FRAGMENT_SHADER,
		  "flat in int which;\n"
		  "out vec4 colour;\n"
		  "void main() { colour = vec4(float(which) / 8.0, 1.0, 0.5, 1.0); }\n" },
	};
	static const float corners[] = { 0, 0, 1, 0, 0, 1, 1, 1 };
	static const float sizes[] = { .1f, .2f, .3f, .4f, .1f, .2f, .3f, .4f };
	static const uint16_t indices[] = { 0, 1, 2, 3, 0xffff, 0, 2, 1 };
	static const GLuint indirect[] = { 8, 8, 0, 0, 0 };
	GLuint program = link_program(shaders, COUNT(shaders), NULL), array, buffers[5];
	float places[8][4] = { 0 };

	for (int i = 0; i < 8; i++) {
		places[i][0] = (float)(i % 4) / 2 - 1;
		places[i][1] = (float)i / 4 - 1;
	}
	glGenVertexArrays(1, &array);
	glBindVertexArray(array);
	buffers[0] = fill_buffer(GL_ARRAY_BUFFER, sizeof(corners), corners);
	glVertexAttribPointer(0, 2, GL_FLOAT, GL_FALSE, 0, NULL);
	buffers[1] = fill_buffer(GL_ARRAY_BUFFER, sizeof(sizes), sizes);
	glVertexAttribPointer(1, 1, GL_FLOAT, GL_FALSE, 0, NULL);
	glVertexAttribDivisor(1, 1);
	glEnableVertexAttribArray(0);
	glEnableVertexAttribArray(1);
	buffers[2] = fill_buffer(GL_ELEMENT_ARRAY_BUFFER, sizeof(indices), indices);
	buffers[3] = fill_buffer(GL_UNIFORM_BUFFER, sizeof(places), places);
	glBindBufferBase(GL_UNIFORM_BUFFER, 0, buffers[3]);
	glUniformBlockBinding(program, glGetUniformBlockIndex(program, "places"), 0);
	glEnable(GL_PRIMITIVE_RESTART_FIXED_INDEX);
	glDrawElementsInstanced(GL_TRIANGLE_STRIP, 8, GL_UNSIGNED_SHORT, NULL, 4);
	buffers[4] = fill_buffer(GL_DRAW_INDIRECT_BUFFER, sizeof(indirect), indirect);
	glDrawElementsIndirect(GL_TRIANGLE_STRIP, GL_UNSIGNED_SHORT, NULL);
	glDisable(GL_PRIMITIVE_RESTART_FIXED_INDEX);
	glBindVertexArray(0);
	glDeleteVertexArrays(1, &array);
	glDeleteBuffers(5, buffers);
	glDeleteProgram(program);
	return crc_of_target();
}

static uint32_t textures(void)
{
	const struct shader shaders[] = {
		whole,
		{ GL_FRAGMENT_SHADER,
		  "uniform highp sampler3D volume;\n"
		  "uniform highp sampler2DArray layers;\n"
		  "uniform highp samplerCube cube;\n"
		  "uniform highp sampler2D plain;\n"
		  "out vec4 colour;\n"
		  "void main() {\n"
		  "	vec3 at = vec3(gl_FragCoord.xy / 64.0, 0.4);\n"
		  "	colour = texture(volume, at) * 0.3 + texture(layers, at * vec3(1, 1, 4)) * 0.3 +\n"
		  "		 texture(cube, at - 0.5) * 0.2 + textureLod(plain, at.xy, 1.0) * 0.2;\n"
		  "}\n" },
	};
	static const GLenum targets[] = { GL_TEXTURE_3D, GL_TEXTURE_2D_ARRAY, GL_TEXTURE_CUBE_MAP,
					  GL_TEXTURE_2D };
	static const char *const names[] = { "volume", "layers", "cube", "plain" };
	GLuint program = link_program(shaders, COUNT(shaders), NULL), made[4], sampler;
	uint32_t crc;

	for (GLuint i = 0; i < 4; i++) {
		glActiveTexture(GL_TEXTURE0 + i);
		made[i] = make_texture(targets[i], 16, i < 2 ? 4 : 6);
		glUniform1i(glGetUniformLocation(program, names[i]), (GLint)i);
	}
	glGenSamplers(1, &sampler);
	glSamplerParameteri(sampler, GL_TEXTURE_WRAP_S, GL_CLAMP_TO_BORDER);
	glSamplerParameteri(sampler, GL_TEXTURE_WRAP_T, GL_MIRRORED_REPEAT);
	glBindSampler(3, sampler);
	glDrawArrays(GL_TRIANGLES, 0, 3);
	glCopyImageSubData(made[3], GL_TEXTURE_2D, 0, 1, 2, 0, target_texture, GL_TEXTURE_2D, 0, 3,
			   4, 0, 8, 8, 1);
	crc = crc_of_target();
	glBindSampler(3, 0);
	glDeleteSamplers(1, &sampler);
	glActiveTexture(GL_TEXTURE0);
	glDeleteTextures(4, made);
	glDeleteProgram(program);
	return crc;
}

static uint32_t samples(void)
{
	const struct shader shaders[] = { whole, blue };
	GLuint program = link_program(shaders, COUNT(shaders), NULL), frame, buffer;

	glGenFramebuffers(1, &frame);
	glBindFramebuffer(GL_FRAMEBUFFER, frame);
	glGenRenderbuffers(1, &buffer);
	glBindRenderbuffer(GL_RENDERBUFFER, buffer);
	glRenderbufferStorageMultisample(GL_RENDERBUFFER, 4, GL_RGBA8, SIZE, SIZE);
	glFramebufferRenderbuffer(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_RENDERBUFFER, buffer);
	glClear(GL_COLOR_BUFFER_BIT);
	glEnable(GL_SAMPLE_MASK);
	glSampleMaski(0, 5);
	glEnable(GL_SAMPLE_ALPHA_TO_COVERAGE);
	glMinSampleShading(1);
	glDrawArrays(GL_TRIANGLES, 0, 3);
	glDisable(GL_SAMPLE_ALPHA_TO_COVERAGE);
	glDisable(GL_SAMPLE_MASK);
	glBindFramebuffer(GL_DRAW_FRAMEBUFFER, target_frame);
	glBlitFramebuffer(0, 0, SIZE, SIZE, 0, 0, SIZE, SIZE, GL_COLOR_BUFFER_BIT, GL_NEAREST);
	glBindFramebuffer(GL_FRAMEBUFFER, target_frame);
	glDeleteFramebuffers(1, &frame);
	glDeleteRenderbuffers(1, &buffer);
	glDeleteProgram(program);
	return crc_of_target();
}

static uint32_t geometry(void)
{
	const struct shader shaders[] = {
		{ GL_VERTEX_SHADER,
		  "void main() { gl_Position = vec4(float(gl_VertexID) / 8.0 - 0.9, 0.0, 0.0, 1.0); }\n" },
		{ GL_GEOMETRY_SHADER,
		  "layout(points) in;\n"
		  "layout(triangle_strip, max_vertices = 3) out;\n"
		  "void main() {\n"
		  "	for (int i = 0; i < 3; i++) {\n"
		  "		gl_Position = gl_in[0].gl_Position + vec4(float(i % 2), float(i), 0, 0) * 0.1;\n"
		  "		EmitVertex();\n"
		  "	}\n"
		  "	EndPrimitive();\n"
		  "}\n" },
		blue,
	};
	GLuint program = link_program(shaders, COUNT(shaders), NULL);

	glDrawArrays(GL_POINTS, 0, POINTS);
	glDeleteProgram(program);
	return crc_of_target();
}

static uint32_t tessellation(void)
{
	const struct shader shaders[] = {
		whole,
		{ GL_TESS_CONTROL_SHADER,
		  "layout(vertices = 3) out;\n"
		  "void main() {\n"
		  "	gl_out[gl_InvocationID].gl_Position = gl_in[gl_InvocationID].gl_Position * 0.3;\n"
		  "	gl_TessLevelInner[0] = 3.0;\n"
		  "	gl_TessLevelOuter[0] = gl_TessLevelOuter[1] = gl_TessLevelOuter[2] = 2.0;\n"
		  "}\n" },
		{ GL_TESS_EVALUATION_SHADER,
		  "layout(triangles) in;\n"
		  "void main() {\n"
		  "	gl_Position = gl_TessCoord.x * gl_in[0].gl_Position +\n"
		  "		      gl_TessCoord.y * gl_in[1].gl_Position +\n"
		  "		      gl_TessCoord.z * gl_in[2].gl_Position;\n"
		  "}\n" },
		blue,
	};
	GLuint program = link_program(shaders, COUNT(shaders), NULL);

	glPatchParameteri(GL_PATCH_VERTICES, 3);
	glDrawArrays(GL_PATCHES, 0, 3);
	glDeleteProgram(program);
	return crc_of_target();
}

static uint32_t compute(void)
{
	const struct shader shaders[] = {
		{ GL_COMPUTE_SHADER,
		  "layout(local_size_x = 16) in;\n"
		  "layout(std430, binding = 0) buffer numbers { uint number[]; };\n"
		  "layout(binding = 0, offset = 0) uniform atomic_uint calls;\n"
		  "layout(rgba8, binding = 0) writeonly uniform highp image2D picture;\n"
		  "shared uint passed[16];\n"
		  "void main() {\n"
		  "	uint i = gl_GlobalInvocationID.x;\n"
		  "	passed[gl_LocalInvocationIndex] = i * i;\n"
		  "	barrier();\n"
		  "	number[i] += passed[15u - gl_LocalInvocationIndex];\n"
		  "	atomicCounterIncrement(calls);\n"
		  "	imageStore(picture, ivec2(i % 64u, i / 64u), vec4(float(i) / 256.0));\n"
		  "}\n" },
	};
	static const GLuint groups[] = { NUMBERS / 16, 1, 1 };
	GLuint program = link_program(shaders, COUNT(shaders), NULL), buffers[3];
	uint32_t numbers[NUMBERS], zero = 0, crc;

	for (uint32_t i = 0; i < NUMBERS; i++)
		numbers[i] = i;
	buffers[0] = fill_buffer(GL_SHADER_STORAGE_BUFFER, sizeof(numbers), numbers);
	glBindBufferBase(GL_SHADER_STORAGE_BUFFER, 0, buffers[0]);
	buffers[1] = fill_buffer(GL_ATOMIC_COUNTER_BUFFER, sizeof(zero), &zero);
	glBindBufferBase(GL_ATOMIC_COUNTER_BUFFER, 0, buffers[1]);
	glBindImageTexture(0, target_texture, 0, GL_FALSE, 0, GL_WRITE_ONLY, GL_RGBA8);
	glDispatchCompute(NUMBERS / 16, 1, 1);
	glMemoryBarrier(GL_ALL_BARRIER_BITS);
	buffers[2] = fill_buffer(GL_DISPATCH_INDIRECT_BUFFER, sizeof(groups), groups);
	glDispatchComputeIndirect(0);
	glMemoryBarrier(GL_BUFFER_UPDATE_BARRIER_BIT);
	crc = crc_of_buffer(GL_SHADER_STORAGE_BUFFER, sizeof(numbers)) +
	      crc_of_buffer(GL_ATOMIC_COUNTER_BUFFER, sizeof(zero));
	glBindImageTexture(0, 0, 0, GL_FALSE, 0, GL_WRITE_ONLY, GL_RGBA8);
	glDeleteBuffers(3, buffers);
	glDeleteProgram(program);
	return crc + crc_of_target();
}

static uint32_t copies(void)
{
	clear_texture_fn clear = (clear_texture_fn)eglGetProcAddress("glClearTexImageEXT");
	static const uint8_t grey[] = { 90, 90, 90, 255 };
	GLuint texture = make_texture(GL_TEXTURE_2D, SIZE, 1), buffer;
	uint32_t crc;

	glCopyTexSubImage2D(GL_TEXTURE_2D, 0, 4, 4, 0, 0, 32, 32);
	buffer = fill_buffer(GL_PIXEL_PACK_BUFFER, SIZE * SIZE * 4, NULL);
	glReadPixels(0, 0, SIZE, SIZE, GL_RGBA, GL_UNSIGNED_BYTE, NULL);
	crc = crc_of_buffer(GL_PIXEL_PACK_BUFFER, SIZE * SIZE * 4);
	glDeleteBuffers(1, &buffer);
	if (clear && strstr((const char *)glGetString(GL_EXTENSIONS), "GL_EXT_clear_texture"))
		clear(target_texture, 0, GL_RGBA, GL_UNSIGNED_BYTE, grey);
	glDeleteTextures(1, &texture);
	return crc + crc_of_target();
}

static const struct {
	const char *name;
	uint32_t (*run)(void);
} steps[] = {
	{ "queries", queries },
	{ "stencil and depth", stencil_and_depth },
	{ "transform feedback", transform_feedback },
	{ "instances", instances },
	{ "textures", textures },
	{ "samples", samples },
	{ "geometry", geometry },
	{ "tessellation", tessellation },
	{ "compute", compute },
	{ "copies", copies },
};

int main(int argc, char **argv)
{
	unsigned int seconds = 0, round = 0, differ = 0;
	uint32_t first[COUNT(steps)];
	time_t start = time(NULL);
	int option;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((option = getopt(argc, argv, "s:")) != -1) {
		if (option != 's') {
			printf("usage: medley3d [-s SECONDS]\n");
			return 2;
		}
		seconds = (unsigned int)strtoul(optarg, NULL, 10);
	}
	open_surfaceless();
	draw_on_texture();
	do {
		for (size_t i = 0; i < COUNT(steps); i++) {
			uint32_t crc;
			GLenum error;

			clear_target();
			crc = steps[i].run();
			error = glGetError();
			if (!round)
				first[i] = crc;
			if (!round || error || crc != first[i])
				printf("medley %s: crc32 %08x%s, GL error %x\n", steps[i].name, crc,
				       crc == first[i] ? "" : " differs from before", error);
			differ += error || crc != first[i];
		}
		round++;
	} while (time(NULL) - start < (time_t)seconds);
	printf("medley: %u rounds, %u steps differ\n", round, differ);
	return 0;
}
