/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator sees of the GPUs: a table. */
#include "gpu/report.h"
#include "core/lib/fmt.h"
#include "core/lib/string.h"
#include "core/timer.h"
#include "gpu/control.h"

#define SECOND_NS 1000000000ULL
#define LINE_MAX  160

/* Written by the housekeeping CPU alone, too large for its stack. */
static struct gpu_view view;

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

/* gpu.lock is held. */
static void collect_vgpu(struct vgpu *vgpu, const struct gpu_sample *sample, u64 now,
			 struct gpu_figures *out)
{
	u64 then = sample ? sample->engine_ns[vgpu->number] : 0;

	out->present = true;
	(void)str_copy(out->name, sizeof(out->name), vgpu->vm->name);
	out->params = vgpu->sched.params;
	out->frozen = vgpu->frozen;
	out->scanout = vgpu->scanout;
	out->queue_limit = vgpu->queue_limit;
	out->quota = vgpu->memory_quota;
	out->timeout_ns = vgpu->timeout_ns;
	out->stats = vgpu->sched.stats;
	out->recent_ns = out->stats.engine_ns > then ? out->stats.engine_ns - then : 0;
	out->debt_ns = gpu_sched_debt_ns(&vgpu->gpu->sched, &vgpu->sched, now);
	view.total_ns += out->stats.engine_ns;
	view.recent_total_ns += out->recent_ns;
	view.weights += out->params.weight;
	view.running++;
}

/* vgpu.lock comes before gpu.lock, so the family is asked without it. */
static void ask_family(struct gpu *gpu, struct vgpu *vgpu, u64 now, struct gpu_figures *out)
{
	out->wait_p50_ns = waits_percentile(&vgpu->waits, 50, now);
	out->wait_p99_ns = waits_percentile(&vgpu->waits, 99, now);
	out->turn_p50_ns = waits_percentile(&vgpu->turns, 50, now);
	out->turn_p99_ns = waits_percentile(&vgpu->turns, 99, now);
	gpu->ops->vgpu_report(vgpu, &out->report);
	spin_lock(&vgpu->lock);
	vgpu_look(vgpu);
	out->guard = vgpu->guard;
	out->interrupts = vgpu->interrupts;
	spin_unlock(&vgpu->lock);
	out->state = out->report.state;
	if (out->frozen)
		out->state = "frozen";
	else if (out->guard.state == GUARD_SLOWED && str_equal(out->state, "run"))
		out->state = "slowed";
}

const struct gpu_view *gpu_collect(struct gpu *gpu)
{
	const struct gpu_sample *sample;
	u64 now = now_ns();

	memset(&view, 0, sizeof(view));
	spin_lock(&gpu->lock);
	sample = second_ago(gpu, now);
	for (u32 i = 0; i < GPU_VGPUS_MAX; i++)
		if (gpu->vgpus[i])
			collect_vgpu(gpu->vgpus[i], sample, now, &view.vgpus[i]);
	view.second_ns = sample ? now - sample->time_ns : now;
	view.config = gpu->sched.config;
	view.busy_ns = gpu_sched_busy_ns(&gpu->sched, now);
	view.decisions = gpu->sched.decisions;
	view.trace_records = gpu_trace_count(gpu);
	view.trace_lost = gpu->trace.lost;
	spin_unlock(&gpu->lock);
	for (u32 i = 0; i < GPU_VGPUS_MAX; i++)
		if (view.vgpus[i].present && gpu->vgpus[i])
			ask_family(gpu, gpu->vgpus[i], now, &view.vgpus[i]);
	return &view;
}

u32 gpu_per_mille(u64 part, u64 whole)
{
	while (whole > UINT64_MAX / 1000) {
		part >>= 1;
		whole >>= 1;
	}
	return whole ? (u32)((part * 1000 + whole / 2) / whole) : 0;
}

u32 gpu_asked(const struct gpu_view *v, const struct gpu_figures *f)
{
	u32 reserves = 0, share;

	if (v->config.policy == GPU_SCHED_FIXED)
		return gpu_per_mille(1, v->config.slots);
	for (u32 i = 0; i < GPU_VGPUS_MAX; i++)
		reserves += v->vgpus[i].params.reserve;
	share = v->config.policy == GPU_SCHED_EQUAL ? gpu_per_mille(1, v->running)
						    : gpu_per_mille(f->params.weight, v->weights);
	share = f->params.reserve + (GPU_SCHED_WHOLE - reserves) * share / GPU_SCHED_WHOLE;
	return MIN(share, f->params.cap);
}

const char *gpu_policy_name(enum gpu_sched_policy policy)
{
	static const char *const names[] = {
		[GPU_SCHED_FAIR] = "fair",
		[GPU_SCHED_EQUAL] = "equal",
		[GPU_SCHED_FIXED] = "fixed",
	};

	return names[policy];
}

/* Where it is shown, and how: "0 copy". */
static void print_scanout(const struct gpu_figures *f, char *text, size_t size)
{
	const char *path = f->report.scanout_path;

	if (f->scanout == GPU_SCANOUT_NONE)
		fmt_snprintf(text, size, "-");
	else
		fmt_snprintf(text, size, "%d%s%s", f->scanout, path ? " " : "", path ? path : "");
}

/* A family without an engine has no time and no jobs to count. */
static void print_memory_only(const struct gpu_figures *f, gpu_line_fn line, void *ctx)
{
	char scanout[16], text[LINE_MAX];

	print_scanout(f, scanout, sizeof(scanout));
	fmt_snprintf(text, sizeof(text), "%-16s %6u %6s %6s %6s %9s %5s %5lu/%-5lu %-8s %s",
		     f->name, f->params.weight, "-", "-", "-", "-", "-",
		     f->report.memory_used >> 10, f->quota >> 10, scanout, f->state);
	line(ctx, text);
}

static void print_vgpu(const struct gpu_figures *f, gpu_line_fn line, void *ctx)
{
	u32 asked = gpu_asked(&view, f);
	u32 recent = gpu_per_mille(f->recent_ns, view.recent_total_ns);
	u32 ever = gpu_per_mille(f->stats.engine_ns, view.total_ns);
	char scanout[16], hangs[32] = "", text[LINE_MAX];

	print_scanout(f, scanout, sizeof(scanout));
	if (f->report.hangs)
		fmt_snprintf(hangs, sizeof(hangs), ", hangs: %lu", f->report.hangs);
	fmt_snprintf(text, sizeof(text),
		     "%-16s %6u %3u.%u%% %3u.%u%% %3u.%u%% %9lu %5u %5lu/%-5lu %-8s %s%s", f->name,
		     f->params.weight, asked / 10, asked % 10, recent / 10, recent % 10, ever / 10,
		     ever % 10, f->stats.jobs, f->stats.queued + f->stats.in_flight,
		     f->report.memory_used >> 10, f->quota >> 10, scanout, f->state, hangs);
	line(ctx, text);
}

static void print_3d(const struct gpu_figures *f, gpu_line_fn line, void *ctx)
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

static void print_share(char *text, size_t size, u32 per_mille, u32 none)
{
	fmt_snprintf(text, size, per_mille == none ? "none" : "%u.%u%%", per_mille / 10,
		     per_mille % 10);
}

/* What `gpu set` changes, and what it owes. */
static void print_settings(const struct gpu_figures *f, gpu_line_fn line, void *ctx)
{
	char text[LINE_MAX], reserve[16], cap[16];

	print_share(reserve, sizeof(reserve), f->params.reserve, 0);
	print_share(cap, sizeof(cap), f->params.cap, GPU_SCHED_WHOLE);
	fmt_snprintf(
		text, sizeof(text),
		"  reserve %s, cap %s, latency %lu us, queue %u, doorbells %u, time-out %lu ms, "
		"debt %lu us",
		reserve, cap, f->params.latency_ns / 1000, f->queue_limit,
		f->guard.limits[GUARD_DOORBELLS], f->timeout_ns / 1000000, f->debt_ns / 1000);
	line(ctx, text);
}

void gpu_print(gpu_line_fn line, void *ctx)
{
	char text[LINE_MAX], busy[80];

	if (!gpu_count())
		line(ctx, "no GPU");
	for (u32 g = 0; g < gpu_count(); g++) {
		struct gpu *gpu = gpu_get(g);

		(void)gpu_collect(gpu);
		fmt_snprintf(busy, sizeof(busy), "%s, slice %lu us, busy %lu ms%s",
			     gpu_policy_name(view.config.policy), view.config.slice_ns / 1000,
			     view.busy_ns / 1000000, gpu->hang.given_up ? ", given up" : "");
		fmt_snprintf(text, sizeof(text), "gpu %u: %02x:%02x.%x %s, %u scan-outs, %s", g,
			     PCI_BDF_ARGS(gpu->function->bdf), gpu->ops->name, gpu->scanout_count,
			     gpu->ops->service ? "no engine" : busy);
		line(ctx, text);
		fmt_snprintf(text, sizeof(text), "%-16s %6s %6s %6s %6s %9s %5s %-11s %-8s %s",
			     "vGPU", "weight", "asked", "1 s", "ever", "jobs", "queue",
			     "memory KiB", "output", "state");
		line(ctx, text);
		for (u32 i = 0; i < GPU_VGPUS_MAX; i++) {
			const struct gpu_figures *f = &view.vgpus[i];

			if (!f->present)
				continue;
			(gpu->ops->service ? print_memory_only : print_vgpu)(f, line, ctx);
			print_3d(f, line, ctx);
			if (!gpu->ops->service)
				print_settings(f, line, ctx);
		}
	}
}
