/* SPDX-License-Identifier: Apache-2.0 */
/* The scene that a guest draws: cubes, a ribbon, panes of glass; the same for the same number. */
#ifndef TESTS_GUEST_SCENE3D_H
#define TESTS_GUEST_SCENE3D_H

#include "tests/guest/gl3d.h"

#define SCENE_FRAMES	   1024 /* then it begins anew */
#define SCENE_NAME_BYTES   8
#define SCENE_PICTURE_SIDE 128

struct scene {
	GLuint lit, flat;
	GLint model, camera, tint;
	GLuint cube_array, ribbon_array, quad_array;
	GLuint ribbon_buffer, quad_buffer;
	GLuint picture, noise, code;
	GLint width, height;
};

/* For a picture of this size, in the context that is current. */
struct scene make_scene(GLint width, GLint height);

/* Frame number `frame`, on what is bound as the framebuffer. */
void draw_scene(struct scene *s, uint32_t frame);

/*
 * A code in black and white cells, as tests/guest/drawer.c draws it: `name`, padded with zeros,
 * and the number of the frame.
 */
void draw_code(struct scene *s, const char name[SCENE_NAME_BYTES], uint32_t frame);

/* A textured rectangle; in parts of the whole picture, y upwards. */
void draw_flat(struct scene *s, GLuint texture, float left, float bottom, float right, float top);

/* Vertices of rectangles, for programs of one's own: vec2 `at` goes from 0 to 1. */
extern const char flat_vertex[];

#endif
