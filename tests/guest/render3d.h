/* SPDX-License-Identifier: Apache-2.0 */
/* The modes of render3d that have files of their own, and what all modes share. */
#ifndef TESTS_GUEST_RENDER3D_H
#define TESTS_GUEST_RENDER3D_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/guest/gl3d.h"
#include "tests/guest/say3d.h"
#include "tests/guest/scene3d.h"

struct options {
	char name[SCENE_NAME_BYTES + 1];
	uint32_t seconds, frames, rate, side, depth, tell, work;
	bool dirty;
};

extern struct options options;

/* Paces a loop to options.rate, ends it after options.seconds, counts for a line a second. */
struct pace {
	uint64_t start_ns, next_ns, told_ns;
	uint32_t frames, frames_told;
};

/* Waits for the next frame's time; false: it is over. */
bool goes_on(struct pace *p);
/* One frame more, of mode `what`. */
void count_frame(struct pace *p, const char *what);
void tell_end(const struct pace *p, const char *what);

void mode_zero(void);  /* zero3d.c */
void mode_flips(void); /* flips3d.c */

#endif
