/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `gpu top`: a table at the top of the screen, drawn anew each second. What is logged
 * meanwhile scrolls below it, in a region of its own (ECMA-48 and DECSTBM).
 */
#include <stdarg.h>

#include "core/console.h"
#include "core/lib/fmt.h"
#include "core/lib/string.h"
#include "core/timer.h"
#include "gpu/commands.h"
#include "gpu/report.h"

#define PERIOD_NS 1000000000ULL
#define ROWS_MAX  20 /* of 24, so that some are left for the log */
#define BAR	  7
#define CTRL_C	  0x03
#define CSI	  "\x1b["

/* The housekeeping CPU's. */
static struct {
	char text[6 * 1024]; /* one picture: 20 rows of some 160 characters at the most */
	size_t used;
	u32 row;
	u64 due_ns;
} top;

static void add(const char *fmt, ...) printf_like(1, 2);
static void add(const char *fmt, ...)
{
	size_t room = sizeof(top.text) - top.used;
	va_list args;

	va_start(args, fmt);
	top.used += MIN((size_t)fmt_vsnprintf(top.text + top.used, room, fmt, args), room - 1);
	va_end(args);
}

/* Go to the next row; false: there is none left. */
static bool next_row(void)
{
	if (top.row == ROWS_MAX)
		return false;
	add(CSI "%u;1H" CSI "K", ++top.row);
	return true;
}

static void add_bar(char mark, u32 per_mille)
{
	u32 filled = (per_mille * BAR + GPU_SCHED_WHOLE / 2) / GPU_SCHED_WHOLE;

	for (u32 i = 0; i < BAR; i++)
		add("%c", i < filled ? mark : '.');
}

/* Five characters: 0.9u to 9999s. */
static void put_time(char *text, size_t size, u64 ns)
{
	if (ns < 10000000)
		fmt_snprintf(text, size, "%luu", ns / 1000);
	else if (ns < 10000000000ULL)
		fmt_snprintf(text, size, "%lum", ns / 1000000);
	else
		fmt_snprintf(text, size, "%lus", MIN(ns / 1000000000, (u64)9999));
}

/* Four characters. */
static void put_bytes(char *text, size_t size, u64 bytes)
{
	if (bytes < MIB(1))
		fmt_snprintf(text, size, "%luK",
			     (bytes + 1023) >> 10 > 999 ? 999UL : (bytes + 1023) >> 10);
	else if (bytes < GIB(1))
		fmt_snprintf(text, size, "%luM", MIN(bytes >> 20, 999UL));
	else
		fmt_snprintf(text, size, "%luG", bytes >> 30);
}

static void add_vgpu(const struct gpu_view *view, const struct gpu_figures *f, u64 second_ns)
{
	u32 asked = gpu_asked(view, f), had = MIN(gpu_per_mille(f->recent_ns, second_ns), 1000U);
	char p50[8], p99[8], used[8], quota[8];

	put_time(p50, sizeof(p50), f->wait_p50_ns);
	put_time(p99, sizeof(p99), f->wait_p99_ns);
	put_bytes(used, sizeof(used), f->report.memory_used);
	put_bytes(quota, sizeof(quota), f->quota);
	add("%-16s %3u.%u%% ", f->name, asked / 10, asked % 10);
	add_bar('=', asked);
	add(" %3u.%u%% ", had / 10, had % 10);
	add_bar('#', had);
	add(" %3u %5s/%-5s %4s/%-4s %s", f->stats.queued + f->stats.in_flight, p50, p99, used,
	    quota, f->state);
}

static void add_gpu(struct gpu *gpu)
{
	const struct gpu_view *view = gpu_collect(gpu);
	u32 left = 0;

	if (!next_row())
		return;
	if (gpu->ops->service)
		add("gpu %u  %s  no engine", gpu->index, gpu->ops->name);
	else
		add("gpu %u  %s  %s  slice %lu us%s", gpu->index, gpu->ops->name,
		    gpu_policy_name(view->config.policy), view->config.slice_ns / 1000,
		    gpu->hang.given_up ? "  given up" : "");
	if (!gpu->index)
		add(CSI "%u;73Hq leaves", top.row);
	if (next_row())
		add("%-16s %-14s %-14s %3s %-11s %-9s %s", "guest", " asked of it", " had in 1 s",
		    "out", "wait 50/99%", "   memory", "state");
	for (u32 i = 0; i < GPU_VGPUS_MAX; i++) {
		if (!view->vgpus[i].present)
			continue;
		if (next_row())
			add_vgpu(view, &view->vgpus[i], view->second_ns);
		else
			left++;
	}
	if (left)
		add(CSI "1;60Hand %u more", left);
}

/* The cursor goes back to where the log is written. */
static void picture(void)
{
	top.used = 0;
	top.row = 0;
	add(CSI "s");
	for (u32 g = 0; g < gpu_count(); g++)
		add_gpu(gpu_get(g));
	add(CSI "u");
}

static enum console_step step(int byte)
{
	u64 now = now_ns();

	if (byte == 'q' || byte == CTRL_C) {
		/* The whole screen scrolls again, and the prompt comes at its end. */
		console_write(CSI "r" CSI "999;1H\r\n");
		return CONSOLE_OVER;
	}
	if (now >= top.due_ns) {
		top.due_ns = now + PERIOD_NS;
		picture();
		console_write(top.text);
	}
	return CONSOLE_WAITS;
}

void gpu_top(void)
{
	top.due_ns = 0;
	picture(); /* it tells how many rows there are */
	top.used = 0;
	add(CSI "2J" CSI "%u;r" CSI "%u;1H", top.row + 2, top.row + 2);
	console_write(top.text);
	console_run(step);
}
