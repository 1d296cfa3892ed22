/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit: a guest's virtio-gpu command, already copied, is checked and
 * rewritten into a command for the physical device, or answered at once. Pure
 * C over its own tables: no hardware, no guest memory, no clock.
 */
#ifndef GPU_VIRTIO_AUDIT_H
#define GPU_VIRTIO_AUDIT_H

#include "core/lib/types.h"
#include "gpu/virtio/proto.h"
#include "gpu/virtio/resources.h"

/* A guest has one scan-out, number 0; which physical one that is changes under it. */
#define VGPU_SCANOUTS 1

enum audit_verdict {
	AUDIT_ANSWER,  /* answer now; nothing goes to the device */
	AUDIT_SUBMIT,  /* `command` goes to the device */
	AUDIT_BACKING, /* first copy `entry_count` entries behind the command, then submit */
};

/* What has to be done once the device has answered. */
enum audit_effect {
	EFFECT_NONE,
	EFFECT_CREATE,	/* made or cleared in part; a refusal is kept */
	EFFECT_CLEARED, /* the last of those; after a refusal the resource goes again */
	EFFECT_UNREF,	/* the resource is free */
	EFFECT_ATTACH,	/* refused: the backing goes again */
	EFFECT_DETACH,	/* the backing is free */
};

struct audit_result {
	enum audit_verdict verdict;
	enum audit_effect effect;
	u32 answer;		   /* AUDIT_ANSWER: the response type */
	const char *why;	   /* why it was refused, for the log; NULL where it was not */
	struct resource *resource; /* what it is about; NULL: nothing */
	struct backing backing;	   /* EFFECT_DETACH: no longer the resource's */
	bool names_scanout;	   /* the physical scan-out is filled in at submission */
	u32 entry_count;
	u32 length; /* of `command` in bytes */
	union virtio_gpu_command command;
};

/* What is on the guest's scan-out, so that it can be shown elsewhere. */
struct audit_picture {
	u16 slot; /* of the resource; BACKING_NONE: nothing */
	struct virtio_gpu_rect rect;
};

struct audit_display {
	u32 width, height;
	u32 edid_size; /* 0: none */
	const u8 *edid;
};

struct audit_counters {
	u64 commands[11]; /* by type, from GET_DISPLAY_INFO */
	u64 cursor;
	u64 unknown;
	u64 refused;
};

struct audit {
	struct resource_table resources;
	struct audit_picture picture;
	struct audit_display display;
	struct audit_counters counters;
};

/* Tables empty, nothing shown. The display is the caller's to set. */
void audit_init(struct audit *audit, u32 host_base, u64 quota, void *units, u16 unit_count);

/*
 * Check one command. `bytes` are its first `length` bytes (at most
 * sizeof(union virtio_gpu_command) are looked at), `total` is how many the
 * guest sent. Side effects on the tables happen only where the verdict is
 * AUDIT_SUBMIT; AUDIT_BACKING has none until audit_backing_done().
 */
void audit_control(struct audit *audit, const void *bytes, u32 length, u64 total,
		   struct audit_result *result);

/* The same for the cursor queue, whose commands have no answer: AUDIT_ANSWER drops them. */
void audit_cursor(struct audit *audit, const void *bytes, u32 length, u64 total,
		  struct audit_result *result);

/* All entries were accepted into `backing`: it becomes the resource's. */
void audit_backing_done(struct audit *audit, struct audit_result *result,
			const struct backing *backing);

/*
 * Fill in the answer to a query that the audit answered OK (display, EDID);
 * returns its length, sizeof(struct virtio_gpu_hdr) for one without content.
 * The header's fence fields are the caller's.
 */
u32 audit_fill_answer(const struct audit *audit, u32 type, union virtio_gpu_response *response);

/* Host commands of our own making. */

/*
 * What has to follow a CREATE before anybody sees the resource: backing of
 * zeros, a transfer of all of it, no backing. Step 0 to AUDIT_CLEAR_STEPS - 1.
 * `entries` is how many entries of zeros the command is followed by.
 */
#define AUDIT_CLEAR_STEPS 3
u32 audit_make_clear(const struct resource *resource, u32 step, union virtio_gpu_command *command,
		     u32 *entries);

u32 audit_make_unref(const struct resource *resource, union virtio_gpu_command *command);
u32 audit_make_show(const struct audit *audit, union virtio_gpu_command *command);
/* 0: nothing is shown. */
u32 audit_make_flush(const struct audit *audit, union virtio_gpu_command *command);

#endif
