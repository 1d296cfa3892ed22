/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schedule of one GPU as data: a ring of 32-byte records (struct gpu_sched_event, with
 * the meaning of each kind), read out over the console; docs/facetctl.md has the format.
 *
 * What lies in the ring has no hole: the oldest are overwritten, and while it is
 * read out nothing is. What comes then and finds no room is lost, and tracing begins anew behind
 * it.
 */
#ifndef GPU_TRACE_H
#define GPU_TRACE_H

#include "core/lib/error.h"
#include "core/lib/types.h"
#include "gpu/sched.h"

#define TRACE_RECORDS_DEFAULT 16384
#define TRACE_RECORDS_MIN     64
#define TRACE_RECORDS_MAX     65536
#define TRACE_LINE_RECORDS    3 /* in one line of text, 128 characters */
#define TRACE_LINE_BYTES      (TRACE_LINE_RECORDS * sizeof(struct gpu_sched_event))

/*
 * How a job ended: `ended` of struct gpu_sched_job, for TIMED_OUT + (time-out of its vGPU, ns <<
 * 8). The numbers are part of the format.
 */
enum gpu_trace_end {
	GPU_TRACE_UNSAID = 0, /* a defect */
	GPU_TRACE_GIVEN_BACK, /* the device has given it back */
	GPU_TRACE_NOT_SENT,   /* there was nothing for the device to do */
	GPU_TRACE_TIMED_OUT,  /* hang.h: abandoned; its vGPU is frozen */
	GPU_TRACE_TAKEN_BACK, /* the device is reset: it is repeated, or its vGPU frozen */
};

struct gpu_trace {
	struct gpu_sched_event *ring; /* NULL: there never was one, or no memory */
	hpa_t frames;
	u32 capacity, first, count;
	u64 lost;     /* since tracing began, of what was noted */
	bool on;      /* the scheduler notes what it does */
	bool reading; /* what is there stays until it has been read */
	bool full;    /* something was lost meanwhile */
	u32 left;     /* records that are still to be read */
	u32 crc;      /* of those that were */
};

struct gpu;

/* For these gpu.lock is not held; they take it. On the housekeeping CPU. */

/*
 * Begin anew with room for `records`, TRACE_RECORDS_MIN to _MAX. ERR_NO_MEMORY;
 * ERR_BUSY: it is being read out.
 */
must_check enum err gpu_trace_on(struct gpu *gpu, u32 records);
/* What was recorded stays to be read. */
void gpu_trace_off(struct gpu *gpu);

/* The device was told of `job`, which was picked. Nothing where tracing is off. */
void gpu_trace_submitted(struct gpu *gpu, const struct gpu_sched_job *job);

/* Begin to read out: how many records, and how many were lost. ERR_BUSY: one does already. */
must_check enum err gpu_trace_read(struct gpu *gpu, u32 *records, u64 *lost);
/* Up to TRACE_LINE_RECORDS of them, and their number; 0: all are read, `*crc` is their sum. */
u32 gpu_trace_next(struct gpu *gpu, struct gpu_sched_event *events, u32 *crc);

/* No further: what has not been read is left out. */
void gpu_trace_stop_reading(struct gpu *gpu);

/* How many records there are; -1: off and empty. `gpu->lock` is held. */
s64 gpu_trace_count(const struct gpu *gpu);

#endif
