/* SPDX-License-Identifier: Apache-2.0 */
/* A consistent copy of one GPU's figures, for tables, JSON and the live view. */
#ifndef GPU_REPORT_H
#define GPU_REPORT_H

#include "gpu/gpu.h"
#include "gpu/vgpu.h"

struct gpu_figures {
	bool present;
	char name[CONFIG_NAME_MAX + 1];
	struct gpu_sched_params params;
	bool frozen;
	s32 scanout;
	u32 queue_limit;
	u64 quota, timeout_ns;
	u64 recent_ns; /* engine time of about the last second */
	u64 debt_ns;
	u64 wait_p50_ns, wait_p99_ns, turn_p50_ns, turn_p99_ns; /* of the last ten seconds */
	u64 interrupts;
	struct guard guard;
	struct gpu_sched_stats stats;
	struct vgpu_report report;
	const char *state; /* the family's, or "frozen", "slowed" */
};

/* All of one GPU. */
struct gpu_view {
	struct gpu_figures vgpus[GPU_VGPUS_MAX];
	u32 running; /* vGPUs */
	struct gpu_sched_config config;
	u64 second_ns; /* what `recent_ns` is of: about a second */
	u64 total_ns, recent_total_ns, weights, busy_ns, decisions;
	s64 trace_records;
	u64 trace_lost;
};

/* Takes the locks in turn. The view lasts until the next call: on the housekeeping CPU only. */
const struct gpu_view *gpu_collect(struct gpu *gpu);

/* What `part` is of `whole`, rounded; 0 where `whole` is. */
u32 gpu_per_mille(u64 part, u64 whole);

/* What it may expect when all want more, in thousandths: its weight's part, in its reserve and cap.
 */
u32 gpu_asked(const struct gpu_view *view, const struct gpu_figures *f);

/* "fair", ... */
const char *gpu_policy_name(enum gpu_sched_policy policy);

#endif
