/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator sees of the GPUs: a table, and all figures as JSON. */
#include <stdarg.h>

#include "core/lib/fmt.h"
#include "core/lib/string.h"
#include "core/timer.h"
#include "gpu/gpu.h"
#include "gpu/vgpu.h"

#define SECOND_NS 1000000000ULL
#define LINE_MAX  160

/* A consistent copy of one vGPU's figures. */
struct figures {
	bool present;
	char name[CONFIG_NAME_MAX + 1];
	u32 weight;
	s32 scanout;
	u64 quota;
	u64 recent_ns; /* engine time of about the last second */
	struct gpu_sched_stats stats;
	struct vgpu_report report;
};

/* All of one GPU; written by the console's CPU alone, too large for its stack. */
static struct {
	struct figures vgpus[GPU_VGPUS_MAX];
	u64 total_ns, recent_total_ns, weights, busy_ns;
} view;

/* The sample that is nearest to one second old; NULL: there is none yet. */
static const struct gpu_sample *second_ago(const struct gpu *gpu, u64 now)
{
	const struct gpu_sample *best = NULL;

	for (u32 i = 0; i < GPU_SAMPLES; i++) {
		const struct gpu_sample *sample = &gpu->samples[i];

		if (!sample->time_ns)
			continue;
		/* The oldest of those within the second, else the youngest beyond it. */
		if (!best ||
		    (now - best->time_ns > SECOND_NS ? sample->time_ns > best->time_ns
						     : now - sample->time_ns <= SECOND_NS &&
							       sample->time_ns < best->time_ns))
			best = sample;
	}
	return best;
}

static void collect_vgpu(const struct vgpu *vgpu, const struct gpu_sample *sample,
			 struct figures *out)
{
	u64 then = sample ? sample->engine_ns[vgpu->number] : 0;

	out->present = true;
	(void)str_copy(out->name, sizeof(out->name), vgpu->vm->name);
	out->weight = vgpu->weight;
	out->scanout = vgpu->scanout;
	out->quota = vgpu->memory_quota;
	out->stats = vgpu->sched.stats;
	out->recent_ns = out->stats.engine_ns > then ? out->stats.engine_ns - then : 0;
	view.total_ns += out->stats.engine_ns;
	view.recent_total_ns += out->recent_ns;
	view.weights += out->weight;
}

static void collect(struct gpu *gpu)
{
	const struct gpu_sample *sample;
	u64 now = now_ns();

	memset(&view, 0, sizeof(view));
	spin_lock(&gpu->lock);
	sample = second_ago(gpu, now);
	for (u32 i = 0; i < GPU_VGPUS_MAX; i++)
		if (gpu->vgpus[i])
			collect_vgpu(gpu->vgpus[i], sample, &view.vgpus[i]);
	view.busy_ns = gpu_sched_busy_ns(&gpu->sched, now);
	spin_unlock(&gpu->lock);
	/* vgpu.lock comes before gpu.lock, so the family is asked afterwards. */
	for (u32 i = 0; i < GPU_VGPUS_MAX; i++)
		if (view.vgpus[i].present && gpu->vgpus[i])
			gpu->ops->vgpu_report(gpu->vgpus[i], &view.vgpus[i].report);
}

/* Tenths of a percent. */
static u32 per_mille(u64 part, u64 whole)
{
	while (whole > UINT64_MAX / 1000) {
		part >>= 1;
		whole >>= 1;
	}
	return whole ? (u32)((part * 1000 + whole / 2) / whole) : 0;
}

/* Where it is shown, and how: "0 copy". */
static void print_scanout(const struct figures *f, char *text, size_t size)
{
	const char *path = f->report.scanout_path;

	if (f->scanout == GPU_SCANOUT_NONE)
		fmt_snprintf(text, size, "-");
	else
		fmt_snprintf(text, size, "%d%s%s", f->scanout, path ? " " : "", path ? path : "");
}

/* A family without an engine has no time and no jobs to count. */
static void print_memory_only(const struct figures *f, gpu_line_fn line, void *ctx)
{
	char scanout[16], text[LINE_MAX];

	print_scanout(f, scanout, sizeof(scanout));
	fmt_snprintf(text, sizeof(text), "%-16s %6u %6s %6s %6s %9s %5s %5lu/%-5lu %-8s %s",
		     f->name, f->weight, "-", "-", "-", "-", "-", f->report.memory_used >> 10,
		     f->quota >> 10, scanout, f->report.state);
	line(ctx, text);
}

static void print_vgpu(const struct figures *f, gpu_line_fn line, void *ctx)
{
	u32 asked = per_mille(f->weight, view.weights);
	u32 recent = per_mille(f->recent_ns, view.recent_total_ns);
	u32 ever = per_mille(f->stats.engine_ns, view.total_ns);
	char scanout[16], hangs[32] = "", text[LINE_MAX];

	print_scanout(f, scanout, sizeof(scanout));
	if (f->report.hangs)
		fmt_snprintf(hangs, sizeof(hangs), ", hangs: %lu", f->report.hangs);
	fmt_snprintf(text, sizeof(text),
		     "%-16s %6u %3u.%u%% %3u.%u%% %3u.%u%% %9lu %5u %5lu/%-5lu %-8s %s%s", f->name,
		     f->weight, asked / 10, asked % 10, recent / 10, recent % 10, ever / 10,
		     ever % 10, f->stats.jobs, f->stats.queued + f->stats.in_flight,
		     f->report.memory_used >> 10, f->quota >> 10, scanout, f->report.state, hangs);
	line(ctx, text);
}

static void print_3d(const struct figures *f, gpu_line_fn line, void *ctx)
{
	const struct vgpu_report_3d *three = &f->report.three;
	char text[LINE_MAX];

	if (!three->streams && !three->contexts && !three->refused)
		return;
	fmt_snprintf(text, sizeof(text),
		     "  3D: %u contexts, %lu streams of %lu KiB, %lu split, %lu refused, "
		     "largest job %u%% of its budget",
		     three->contexts, three->streams, three->bytes >> 10, three->split,
		     three->refused, three->largest_percent);
	line(ctx, text);
}

void gpu_print(gpu_line_fn line, void *ctx)
{
	char text[LINE_MAX], busy[32];

	if (!gpu_count())
		line(ctx, "no GPU");
	for (u32 g = 0; g < gpu_count(); g++) {
		struct gpu *gpu = gpu_get(g);

		collect(gpu);
		fmt_snprintf(busy, sizeof(busy), "busy %lu ms%s", view.busy_ns / 1000000,
			     gpu->hang.given_up ? ", given up" : "");
		fmt_snprintf(text, sizeof(text), "gpu %u: %02x:%02x.%x %s, %u scan-outs, %s", g,
			     PCI_BDF_ARGS(gpu->function->bdf), gpu->ops->name, gpu->scanout_count,
			     gpu->ops->service ? "no engine" : busy);
		line(ctx, text);
		fmt_snprintf(text, sizeof(text), "%-16s %6s %6s %6s %6s %9s %5s %-11s %-8s %s",
			     "vGPU", "weight", "asked", "1 s", "ever", "jobs", "queue",
			     "memory KiB", "output", "state");
		line(ctx, text);
		for (u32 i = 0; i < GPU_VGPUS_MAX; i++) {
			const struct figures *f = &view.vgpus[i];

			if (!f->present)
				continue;
			(gpu->ops->service ? print_memory_only : print_vgpu)(f, line, ctx);
			print_3d(f, line, ctx);
		}
	}
}

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

static void json_engine(struct text *text, const struct figures *f)
{
	append(text, "\"engine_ns\":%lu,\"engine_ns_1s\":%lu,\"jobs\":%lu,", f->stats.engine_ns,
	       f->recent_ns, f->stats.jobs);
	append(text, "\"queued\":%u,\"in_flight\":%u,\"wait_ns\":%lu,\"wait_max_ns\":%lu,",
	       f->stats.queued, f->stats.in_flight, f->stats.wait_ns, f->stats.wait_max_ns);
	append(text, "\"overruns\":%lu,\"overrun_ns\":%lu,", f->stats.overruns,
	       f->stats.overrun_ns);
}

static void json_3d(struct text *text, const struct vgpu_report_3d *three)
{
	append(text, "\"contexts\":%u,\"streams\":%lu,\"stream_bytes\":%lu,", three->contexts,
	       three->streams, three->bytes);
	append(text, "\"streams_refused\":%lu,\"streams_split\":%lu,\"largest_percent\":%u,",
	       three->refused, three->split, three->largest_percent);
}

static void json_vgpu(struct text *text, const struct figures *f, bool engine)
{
	const char *path = f->report.scanout_path;

	append(text, "{\"name\":\"%s\",\"weight\":%u,\"scanout\":%d,\"state\":\"%s\",", f->name,
	       f->weight, f->scanout, f->report.state);
	if (engine)
		json_engine(text, f);
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

size_t gpu_stats_json(char *buf, size_t size)
{
	struct text text = { .buf = buf, .size = size };

	append(&text, "\"gpus\":[");
	for (u32 g = 0; g < gpu_count(); g++) {
		struct gpu *gpu = gpu_get(g);
		bool first = true;

		collect(gpu);
		append(&text, "%s{\"gpu\":%u,\"family\":\"%s\",\"scanouts\":%u,", g ? "," : "", g,
		       gpu->ops->name, gpu->scanout_count);
		if (gpu->ops->service)
			append(&text, "\"focus_ticks\":%lu,\"focus_ticks_max\":%lu,",
			       gpu->focus_ticks, gpu->focus_ticks_max);
		else
			append(&text,
			       "\"busy_ns\":%lu,\"jobs_submitted\":%lu,\"jobs_completed\":%lu,"
			       "\"device_resets\":%lu,\"given_up\":%s,",
			       view.busy_ns, gpu->jobs_submitted, gpu->jobs_completed,
			       gpu->hang.resets_ever, gpu->hang.given_up ? "true" : "false");
		append(&text, "\"vgpus\":[");
		for (u32 i = 0; i < GPU_VGPUS_MAX; i++) {
			if (!view.vgpus[i].present)
				continue;
			append(&text, "%s", first ? "" : ",");
			json_vgpu(&text, &view.vgpus[i], !gpu->ops->service);
			first = false;
		}
		append(&text, "]}");
	}
	append(&text, "]");
	return text.length;
}
