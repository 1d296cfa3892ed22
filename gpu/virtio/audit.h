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
#include "gpu/virtio/virgl_objects.h"

/* A guest has one scan-out, number 0; which physical one that is changes under it. */
#define VGPU_SCANOUTS 1

enum audit_verdict {
	AUDIT_ANSWER,  /* answer now; nothing goes to the device */
	AUDIT_SUBMIT,  /* `command` goes to the device */
	AUDIT_BACKING, /* first copy `entry_count` entries behind the command, then submit */
	AUDIT_STREAM,  /* first copy and audit the `stream_bytes` behind it (virgl.h) */
	AUDIT_FAIL,    /* answer with `answer`, and the context has failed */
	AUDIT_BURY,    /* answer now; `resource` goes when no context has it bound any more */
};

/* What has to be done once the device has answered. */
enum audit_effect {
	EFFECT_NONE,
	EFFECT_CREATE,	/* made and cleared; after a refusal the resource goes again */
	EFFECT_UNREF,	/* the resource is free */
	EFFECT_ATTACH,	/* refused: the backing goes again */
	EFFECT_DETACH,	/* the backing is free */
	EFFECT_CTX_NEW, /* refused: the context has failed */
	EFFECT_CTX_END, /* the context's number is free */
};

/* One command of a guest may be several for the device. */
enum audit_series {
	SERIES_NONE,
	SERIES_CLEAR,  /* audit_make_clear() follows the command */
	SERIES_LAYERS, /* audit_make_layer() makes all of them */
	SERIES_FILL,   /* virgl_fill_constants() follows: it makes a sub-context */
};
#define AUDIT_SERIES_MAX 96 /* a cube of 15 levels has 90 faces to clear */

struct audit_result {
	enum audit_verdict verdict;
	enum audit_effect effect;
	u32 answer;		   /* AUDIT_ANSWER: the response type */
	const char *why;	   /* why it was refused, for the log; NULL where it was not */
	struct resource *resource; /* what it is about; NULL: nothing */
	u32 context;		   /* slot: of a stream, EFFECT_CTX_ */
	u32 stream_bytes;	   /* AUDIT_STREAM */
	enum audit_series series;
	struct backing backing; /* EFFECT_DETACH: no longer the resource's */
	bool names_scanout;	/* the physical scan-out is filled in at submission */
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

/* What the device's renderer can do, as guests are told; `data` stays the device's. */
struct audit_capset {
	u32 id, max_version, size;
	const u8 *data;
};

struct audit_capsets {
	u32 count;
	struct audit_capset sets[VIRTIO_GPU_CAPSETS_MAX];
};

enum context_state {
	CONTEXT_FREE,
	CONTEXT_LIVE,	/* the guest can name it */
	CONTEXT_BURIED, /* its id is free again; the device still has to end it */
};

/* The contexts of one vGPU; what is in them is in virgl_objects, by the same slot. */
struct audit_contexts {
	u32 host_base; /* physical id of slot 0; 0 is the renderer's own and nobody's */
	u32 count;
	struct {
		u32 guest_id;
		u8 state;
		bool end_queued; /* buried: its CTX_DESTROY is on the way */
	} slots[VIRGL_CONTEXTS_MAX];
	struct virgl_objects objects;
};

struct audit_counters {
	u64 commands[11];   /* by type, from GET_DISPLAY_INFO */
	u64 commands_3d[8]; /* by type, from CTX_CREATE */
	u64 cursor;
	u64 unknown;
	u64 refused;
};

struct audit {
	struct resource_table resources;
	struct audit_picture picture;
	struct audit_contexts *contexts;     /* NULL: the device has no 3D */
	const struct audit_capsets *capsets; /* NULL: likewise */
	bool accepts_3d;		     /* the driver took VIRGL */
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
 * Fill in the answer to a query that the audit answered OK (display, EDID, capset);
 * returns its length, sizeof(struct virtio_gpu_hdr) for one without content.
 * The header's fence fields are the caller's.
 */
u32 audit_fill_answer(const struct audit *audit, const struct audit_result *result,
		      union virtio_gpu_response *response);

/* Host commands of our own making. */

/*
 * What has to follow a CREATE before anybody sees the resource: backing of
 * zeros, transfers of all of it, no backing. `step` counts from 0; the result
 * is the length, 0: there are no more. `entries` is how many entries of zeros
 * the command is followed by. At most AUDIT_SERIES_MAX - 1 steps.
 */
u32 audit_make_clear(const struct resource *resource, u32 step, union virtio_gpu_command *command,
		     u32 *entries);

/* Layer `step` of `all`, a TRANSFER_..._3D that the audit let through; 0: there are no more. */
u32 audit_make_layer(const struct resource *resource, const union virtio_gpu_command *all, u32 step,
		     union virtio_gpu_command *command);

u32 audit_make_unref(const struct resource *resource, union virtio_gpu_command *command);
/* A 2D resource as its guest made it, to be followed by SERIES_CLEAR. */
u32 audit_make_create(const struct resource *resource, union virtio_gpu_command *command);
/* The entries of `backing` follow the command. */
u32 audit_make_attach(const struct resource *resource, const struct backing *backing,
		      union virtio_gpu_command *command);
/* All whole lines that a backing of `bytes` covers; 0: none. */
u32 audit_make_fill(const struct resource *resource, u64 bytes, union virtio_gpu_command *command);
u32 audit_make_ctx_destroy(const struct audit_contexts *contexts, u32 slot,
			   union virtio_gpu_command *command);
/* One piece of a stream that was audited; the device reads `bytes` behind the command. */
u32 audit_make_submit(const struct audit_contexts *contexts, u32 slot, u32 bytes,
		      union virtio_gpu_command *command);
u32 audit_make_show(const struct audit *audit, union virtio_gpu_command *command);
/* 0: nothing is shown. */
u32 audit_make_flush(const struct audit *audit, union virtio_gpu_command *command);

/* ---- contexts ---- */

void audit_contexts_init(struct audit_contexts *contexts, u32 host_base);
/* The guest cannot name it any more, and all that its streams made is forgotten. */
void audit_context_bury(struct audit_contexts *contexts, u32 slot);
/* The device has ended it. Buried ones only. */
void audit_context_free(struct audit_contexts *contexts, u32 slot);

/* ---- shared by audit.c and audit_3d.c ---- */

void audit_refuse(struct audit_result *result, u32 answer, const char *why);
void audit_submit(struct audit_result *result, u32 length);
/* Zeroes `command` and sets its type. */
void *audit_start(union virtio_gpu_command *command, u32 type);
/* The live resource of that id, or NULL with the answer given. */
struct resource *audit_look_up(struct audit *audit, u32 guest_id, struct audit_result *result);
/* After resource_create...(): true where it is in the table, else the answer is given. */
bool audit_created(enum err e, struct audit_result *result);

/* audit_3d.c: the commands that a driver may send once it has taken VIRGL. */
bool audit_is_3d(u32 type);
u32 audit_3d_length_of(u32 type);
void audit_3d(struct audit *audit, const union virtio_gpu_command *in, u64 total,
	      struct audit_result *result);
/* Transfers that clear all of a 3D resource; 0: it has no memory of the device's. */
u32 audit_3d_clears(const struct resource *resource);
u32 audit_3d_make_clear(const struct resource *resource, u32 index,
			union virtio_gpu_command *command);
/* A 2D transfer whose resource was made by CREATE_3D. */
bool audit_3d_flat_fits(const struct resource *resource,
			const struct virtio_gpu_transfer_2d *transfer);

#endif
