/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that tests/guest/record3d.c recorded, said again in contexts of this guest's own. */
#ifndef TESTS_GUEST_REPLAY3D_H
#define TESTS_GUEST_REPLAY3D_H

#include "tests/guest/drm3d.h"

#define STREAMS	  64
#define RESOURCES 64

/* The protocol, as far as lengths go: the first dword of a command. */
#define OPCODE(dword)	   ((dword)&0xff)
#define OBJECT_TYPE(dword) ((dword) >> 8 & 0xff)
#define LENGTH(dword)	   ((dword) >> 16)
#define HEADER(op, length) ((uint32_t)(op) | (uint32_t)(length) << 16)

/* Dword `n` of those of a command that name a resource; 0: there are no more. */
uint32_t handle_at(uint32_t header, uint32_t n);

struct stream {
	char program[40];
	uint32_t *words, count;
	struct resource resources[RESOURCES];
	uint32_t resource_count;
};

/* Sorted by name, so that each program's are together and in order. */
extern struct stream streams[STREAMS];
extern uint32_t stream_count;

void load_streams(const char *folder);
/* Of numbers that need not exist. */
bool same_program(uint32_t a, uint32_t b);

/* A context that replays. */
struct replay {
	int fd;
	struct resource live[RESOURCES]; /* recorded 0: free */
	struct resource probe;
	uint32_t *probe_memory, probe_value;
};

void replay_start(struct replay *r);
void replay_end(struct replay *r);

/* The resources that the recorded context had with this stream. */
void replay_resources(struct replay *r, const struct stream *s);

/* Copies a stream with the ids that its resources have here; returns dwords. */
uint32_t replay_copy(struct replay *r, const struct stream *s, uint32_t *to);

/* Submits a stream; true: the context has survived it, and so what it writes then arrives. */
bool replay_submit(struct replay *r, const void *stream, uint32_t bytes);

#endif
