/* SPDX-License-Identifier: Apache-2.0 */
/* All figures of the GPUs as JSON. */
#include <stdarg.h>

#include "core/lib/fmt.h"
#include "gpu/report.h"

/* A text that grows in a buffer of fixed size; `length` goes on counting when it is full. */
struct text {
	char *buf;
	size_t size, length;
};

static void append(struct text *text, const char *fmt, ...) printf_like(2, 3);

static void append(struct text *text, const char *fmt, ...)
{
	size_t at = MIN(text->length, text->size);
	va_list args;

	va_start(args, fmt);
	text->length += (size_t)fmt_vsnprintf(text->buf + at, text->size - at, fmt, args);
	va_end(args);
}

static void json_engine(struct text *text, const struct gpu_figures *f)
{
	append(text, "\"engine_ns\":%lu,\"engine_ns_1s\":%lu,\"jobs\":%lu,", f->stats.engine_ns,
	       f->recent_ns, f->stats.jobs);
	append(text, "\"queued\":%u,\"in_flight\":%u,\"wait_ns\":%lu,\"wait_max_ns\":%lu,",
	       f->stats.queued, f->stats.in_flight, f->stats.wait_ns, f->stats.wait_max_ns);
	append(text, "\"overruns\":%lu,\"overrun_ns\":%lu,", f->stats.overruns,
	       f->stats.overrun_ns);
}

static void json_settings(struct text *text, const struct gpu_figures *f)
{
	const u32 *limits = f->guard.limits;

	append(text, "\"reserve\":%u,\"cap\":%u,\"latency_ns\":%lu,\"queue_limit\":%u,",
	       f->params.reserve, f->params.cap, f->params.latency_ns, f->queue_limit);
	append(text, "\"timeout_ns\":%lu,\"debt_ns\":%lu,", f->timeout_ns, f->debt_ns);
	append(text, "\"doorbell_limit\":%u,\"reset_limit\":%u,", limits[GUARD_DOORBELLS],
	       limits[GUARD_RESETS]);
	append(text, "\"refused_limit\":%u,\"interrupt_limit\":%u,", limits[GUARD_REFUSED],
	       limits[GUARD_INTERRUPTS]);
	append(text, "\"held\":%s,\"guard\":\"%s\",\"slowed\":%lu,\"storms\":%lu,",
	       f->frozen ? "true" : "false", guard_state_name(f->guard.state), f->guard.slowed,
	       f->guard.frozen);
	append(text, "\"interrupts\":%lu,\"wait_p50_ns\":%lu,\"wait_p99_ns\":%lu,", f->interrupts,
	       f->wait_p50_ns, f->wait_p99_ns);
	append(text, "\"turn_p50_ns\":%lu,\"turn_p99_ns\":%lu,", f->turn_p50_ns, f->turn_p99_ns);
}

static void json_3d(struct text *text, const struct vgpu_report_3d *three)
{
	append(text, "\"contexts\":%u,\"streams\":%lu,\"stream_bytes\":%lu,", three->contexts,
	       three->streams, three->bytes);
	append(text, "\"streams_refused\":%lu,\"streams_split\":%lu,\"largest_percent\":%u,",
	       three->refused, three->split, three->largest_percent);
}

static void json_vgpu(struct text *text, const struct gpu_figures *f, bool engine)
{
	const char *path = f->report.scanout_path;

	append(text, "{\"name\":\"%s\",\"weight\":%u,\"scanout\":%d,\"state\":\"%s\",", f->name,
	       f->params.weight, f->scanout, f->state);
	if (engine) {
		json_engine(text, f);
		json_settings(text, f);
	}
	if (f->report.three.present)
		json_3d(text, &f->report.three);
	if (path)
		append(text, "\"scanout_path\":\"%s\",", path);
	append(text, "\"memory_used\":%lu,\"memory_allowed\":%lu,\"resources\":%lu,",
	       f->report.memory_used, f->quota, f->report.resources);
	append(text, "\"commands\":%lu,\"refused\":%lu,\"resets\":%lu,\"hangs\":%lu,",
	       f->report.commands, f->report.refused, f->report.resets, f->report.hangs);
	append(text, "\"doorbells\":%lu}", f->report.doorbells);
}

static void json_gpu(struct text *text, const struct gpu *gpu, const struct gpu_view *v)
{
	const struct ledger *ledger = gpu->ledger;
	const struct ledger_record *last = NULL;

	if (gpu->ops->service) {
		append(text, "\"focus_ticks\":%lu,\"focus_ticks_max\":%lu,", gpu->focus_ticks,
		       gpu->focus_ticks_max);
		return;
	}
	if (ledger->count)
		last = ledger_kept(ledger, (u32)MIN(ledger->count, (u64)LEDGER_RECORDS) - 1);
	append(text, "\"busy_ns\":%lu,\"jobs_submitted\":%lu,\"jobs_completed\":%lu,", v->busy_ns,
	       gpu->jobs_submitted, gpu->jobs_completed);
	append(text, "\"device_resets\":%lu,\"given_up\":%s,", gpu->hang.resets_ever,
	       gpu->hang.given_up ? "true" : "false");
	append(text, "\"policy\":\"%s\",\"slice_ns\":%lu,\"depth\":%u,\"decisions\":%lu,",
	       gpu_policy_name(v->config.policy), v->config.slice_ns, v->config.depth,
	       v->decisions);
	append(text, "\"trace_records\":%ld,\"trace_lost\":%lu,\"ledger_minute\":%lu,",
	       v->trace_records, v->trace_lost, last ? last->minute : 0);
}

size_t gpu_stats_json(char *buf, size_t size)
{
	struct text text = { .buf = buf, .size = size };

	append(&text, "\"gpus\":[");
	for (u32 g = 0; g < gpu_count(); g++) {
		struct gpu *gpu = gpu_get(g);
		const struct gpu_view *v;
		bool first = true;

		v = gpu_collect(gpu);
		append(&text, "%s{\"gpu\":%u,\"family\":\"%s\",\"scanouts\":%u,", g ? "," : "", g,
		       gpu->ops->name, gpu->scanout_count);
		json_gpu(&text, gpu, v);
		append(&text, "\"vgpus\":[");
		for (u32 i = 0; i < GPU_VGPUS_MAX; i++) {
			if (!v->vgpus[i].present)
				continue;
			append(&text, "%s", first ? "" : ",");
			json_vgpu(&text, &v->vgpus[i], !gpu->ops->service);
			first = false;
		}
		append(&text, "]}");
	}
	append(&text, "]");
	return text.length;
}
