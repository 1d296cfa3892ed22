/* SPDX-License-Identifier: Apache-2.0 */
/* Mode `zero` of render3d: what textures and buffers hold that nobody wrote. */
#include <stdlib.h>
#include <string.h>

#include "tests/guest/render3d.h"

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
		fail_gl("framebuffer of a fresh texture");
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
				fail_gl("glMapBufferRange");
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
	static const struct fresh_texture known = {
		"", GL_RGBA8, SCENE_PICTURE_SIDE, SCENE_PICTURE_SIDE, 1, 4, false
	};
	struct count sampled;

	glBindTexture(GL_TEXTURE_2D, s->picture);
	sampled = sample_texture(s, program, &known);
	if (sampled.not_zero < sampled.read / 2)
		fail("the probe of textures");
}

void mode_zero(void)
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
