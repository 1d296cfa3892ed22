/* SPDX-License-Identifier: Apache-2.0 */
/* The scene that a guest draws; see scene3d.h. */
#include "tests/guest/scene3d.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define CUBE_FACES     6
#define CUBE_INDICES   36
#define CUBES	       12
#define PANES	       4
#define RIBBON	       64 /* vertices of a strip that is made anew each frame */
#define TEXTURE_LEVELS 8
#define NOISE	       64
#define CELL	       16 /* the code in the picture, as in drawer.c */
#define CODE_PLACE     32
#define CODE_COLUMNS   18
#define CODE_ROWS      9
#define CODE_BYTES     (SCENE_NAME_BYTES + 4 + 2)

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

/* ---- shaders and shapes --------------------------------------------------------------- */

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

const char flat_vertex[] = "#version 300 es\n"
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
	static uint8_t texels[SCENE_PICTURE_SIDE * SCENE_PICTURE_SIDE][4];

	glGenTextures(1, &s->picture);
	glBindTexture(GL_TEXTURE_2D, s->picture);
	glTexStorage2D(GL_TEXTURE_2D, TEXTURE_LEVELS, GL_RGBA8, SCENE_PICTURE_SIDE,
		       SCENE_PICTURE_SIDE);
	for (int level = 0; level < TEXTURE_LEVELS; level++) {
		int size = SCENE_PICTURE_SIDE >> level;

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

struct scene make_scene(GLint width, GLint height)
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

void draw_scene(struct scene *s, uint32_t frame)
{
	float angle = 0.11f * (float)(frame % SCENE_FRAMES);
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

void draw_flat(struct scene *s, GLuint texture, float left, float bottom, float right, float top)
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

void draw_code(struct scene *s, const char name[SCENE_NAME_BYTES], uint32_t frame)
{
	uint8_t code[CODE_BYTES], cells[CODE_ROWS][CODE_COLUMNS][4];
	float unit_x = 1.0f / (float)s->width, unit_y = 1.0f / (float)s->height;
	uint16_t crc;

	memcpy(code, name, SCENE_NAME_BYTES);
	for (int i = 0; i < 4; i++)
		code[SCENE_NAME_BYTES + i] = (uint8_t)(frame >> (24 - 8 * i));
	crc = crc16(code, SCENE_NAME_BYTES + 4);
	code[SCENE_NAME_BYTES + 4] = (uint8_t)(crc >> 8);
	code[SCENE_NAME_BYTES + 5] = (uint8_t)crc;
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
