/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit of a virgl command stream (VIRTIO_GPU_CMD_SUBMIT_3D): every command
 * is checked against a table of rules (virgl_rules.c), resource handles become
 * the device's ids in place, costs are counted, and the stream is cut into jobs
 * of a bounded size. What is harmless to leave out and would trip the renderer
 * becomes a NOP of the same length: a draw without shaders or vertex buffers,
 * the end of an object that is still bound. Pure C over its own tables; resumable in bounded
 * steps.
 *
 *   stream, a copy that nobody else writes
 *     --virgl_audit_step()--> VIRGL_DONE:    rewritten; submit cut by cut
 *                             VIRGL_REFUSED: submit none of it, fail the context
 */
#ifndef GPU_VIRTIO_VIRGL_H
#define GPU_VIRTIO_VIRGL_H

#include "core/lib/types.h"
#include "gpu/virtio/virgl_objects.h"
#include "gpu/virtio/virgl_resource.h"

/*
 * What one job may cost. Mesa's buffers have 65,536 dwords and 1,024 for
 * transfers before them: one of those is two pieces at the most by length.
 * A draw counts as the whole framebuffer, which is far more than it usually
 * covers: at 1024x768 a piece holds 341 of them, a full buffer of Mesa's about
 * 1600, so five pieces.
 */
#define VIRGL_JOB_DWORDS   65536 /* any one command fits: it has at most that many */
#define VIRGL_JOB_COMMANDS 32768
#define VIRGL_JOB_VERTICES (4ULL << 20)
#define VIRGL_JOB_PIXELS   (256ULL << 20)
#define VIRGL_CUTS_MAX	   64 /* pieces of one stream */

/* The most that one shader's text may have, zero byte included, and its tokens. */
#define VIRGL_SHADER_BYTES_MAX	KIB(256)
#define VIRGL_SHADER_TOKENS_MAX 262144

/*
 * The guest's own resources: a live one that it calls `guest_id` and that its
 * context may use, or NULL. What it points at stays as it is during
 * virgl_audit_step(); two pointers are held at a time.
 */
struct virgl_names {
	const struct virgl_resource *(*find)(void *ctx, u32 guest_id);
	void *ctx;
};

/*
 * Cost, or a limit of it. `vertices` is count times instances of each draw.
 * `pixels` is an estimate: a clear or a draw is one framebuffer, a blit or a
 * copy its box. The time of a shader cannot be told from its text: time-out and
 * debt hold that.
 */
struct virgl_budget {
	u32 dwords, commands;
	u64 vertices, pixels;
};

/* The limits above as a budget. */
extern const struct virgl_budget virgl_job_limit;

struct virgl_cut {
	u32 end; /* dwords from the start of the stream; a piece begins where the one before ends */
	bool new_sub; /* it ends with a new sub-context: virgl_fill_constants() before all else */
	struct virgl_budget cost;
};

enum virgl_verdict {
	VIRGL_MORE,    /* call again */
	VIRGL_DONE,    /* all of it checked and rewritten */
	VIRGL_REFUSED, /* `why`, `at`, `opcode`, `object_type` say what and where */
};

struct virgl_audit {
	u32 *stream;
	u32 count; /* dwords */
	u32 at;	   /* dwords audited; after a refusal: where the command begins */

	struct virgl_cut cuts[VIRGL_CUTS_MAX];
	u32 cut_count;
	struct virgl_budget total; /* of all that was audited */

	const char *why; /* refused: the reason, a constant; else NULL */
	u32 opcode;	 /* of the command at `at` */
	u32 object_type; /* CREATE_OBJECT and BIND_OBJECT: of what; else 0 */

	/* The rest is the audit's own. */
	struct virgl_objects *objects;
	u32 context;
	struct virgl_names names;
	struct virgl_budget limit;
};

/*
 * Begin with a stream of `dwords` (0 is good: done at once, no cut). It is
 * rewritten in place and stays the caller's, as do `objects`. `context` is a
 * slot of virgl_objects. `limit` is for each piece; NULL: virgl_job_limit.
 *
 * Commands act on `objects` while they are audited. So a stream is audited only
 * when all earlier ones of the vGPU have been, and after VIRGL_REFUSED the
 * caller calls virgl_context_fail(): the tables may be ahead of the renderer.
 */
void virgl_audit_start(struct virgl_audit *audit, struct virgl_objects *objects, u32 context,
		       u32 *stream, u32 dwords, const struct virgl_names *names,
		       const struct virgl_budget *limit);

/*
 * Go on for at least one command and then until `dwords` more were audited or
 * the end is reached. A command has at most 65,536 dwords. Work in a step: for
 * each dword one names->find() or four look-ups of VIRGL_CHAIN_MAX entries at
 * most; DESTROY_SUB_CTX one such look-up for each object that goes with it.
 */
enum virgl_verdict virgl_audit_step(struct virgl_audit *audit, u32 dwords);

/*
 * A stream that fills the constants of every stage of the current sub-context
 * with zeros. The renderer uploads as many constants as a SHADER declares from
 * a block that is as large as the guest ever SENT, and so hands out what lies
 * behind it. The block never shrinks: a large one first closes that.
 *
 * To be submitted to each new context (for sub-context 0) and after each piece
 * with `new_sub`. Writes VIRGL_CONSTANTS_DWORDS; the same for every guest.
 */
#define VIRGL_CONSTANTS	       16384 /* dwords a stage: 4096 vectors, as many as drivers link */
#define VIRGL_CONSTANTS_DWORDS ((3 + VIRGL_CONSTANTS) * 5)
void virgl_fill_constants(u32 *stream);

/* "DRAW_VBO", "CREATE_OBJECT SURFACE": for the log; never NULL. */
const char *virgl_command_name(u32 opcode);
/* "SURFACE"; "" for 0 and unknown ones. */
const char *virgl_object_name(u32 type);

#endif
