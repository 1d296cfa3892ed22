/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renders with OpenGL ES by the guest's own Mesa, and says in lines what came out of it.
 *
 *	render3d [-n NAME] [-s SECONDS] [-f FRAMES] [-r RATE] [-w SIDE] [-q DEPTH] [-t TELL]
 *		 [-x WORK] [-d] MODE
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
// SOURCES: tests/guest/zero3d.c tests/guest/flips3d.c tests/guest/scene3d.c
// SOURCES: tests/guest/gl3d.c tests/guest/say3d.c
#include "tests/guest/render3d.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PICTURE	       512 /* width and height off screen */
#define FRAMES_RENDER  16
#define FRAMES_LATENCY 200
#define DEPTH_MAX      16

const char program_name[] = "render3d";
struct options options = { .name = "guest", .side = PICTURE, .depth = 2 };

/* ---- time ----------------------------------------------------------------------------- */

bool goes_on(struct pace *p)
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

void count_frame(struct pace *p, const char *what)
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

void tell_end(const struct pace *p, const char *what)
{
	say("%s ended: %u frames in %llu ms", what, p->frames,
	    (unsigned long long)(now_ns() - p->start_ns) / 1000000u);
}

/* ---- off screen ----------------------------------------------------------------------- */

static void mode_render(void)
{
	static uint8_t pixels[PICTURE * PICTURE * 4];
	static uint32_t first[SCENE_FRAMES];
	uint32_t frames = options.frames ? options.frames : FRAMES_RENDER, differ = 0;
	struct pace pace = { 0 };
	struct scene scene;

	if (frames > SCENE_FRAMES)
		frames = SCENE_FRAMES;
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
	glUniform1f(glGetUniformLocation(program, "frame"), (float)(frame % SCENE_FRAMES));
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
			finish_submission();
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

/* ---- the modes ------------------------------------------------------------------------ */

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
			for (int i = 0; i < SCENE_NAME_BYTES && optarg[i]; i++)
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
