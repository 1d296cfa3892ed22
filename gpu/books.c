/* SPDX-License-Identifier: Apache-2.0 */
/* Each GPU's ledger: closed by the minute, shown on the console. */
#include "core/lib/fmt.h"
#include "core/lib/string.h"
#include "core/log.h"
#include "core/timer.h"
#include "gpu/gpu.h"
#include "gpu/vgpu.h"

/* Written by each GPU's owner CPU. */
static struct ledger ledgers[CONFIG_MAX_GPUS];

void gpu_ledger_init(struct gpu *gpu)
{
	gpu->ledger = &ledgers[gpu->index];
	ledger_init(gpu->ledger, gpu->index);
}

static void add_up(struct gpu *gpu, struct ledger_sums *sums)
{
	memset(sums, 0, sizeof(*sums));
	spin_lock(&gpu->lock);
	sums->busy_ns = gpu_sched_paid_ns(&gpu->sched);
	for (u32 i = 0; i < GPU_VGPUS_MAX; i++) {
		if (!gpu->vgpus[i])
			continue;
		sums->names[i] = gpu->vgpus[i]->vm->config->name;
		sums->engine_ns[i] = gpu->vgpus[i]->sched.stats.engine_ns;
	}
	spin_unlock(&gpu->lock);
}

void gpu_ledger_close(struct gpu *gpu)
{
	const struct ledger_record *record;
	char hex[LEDGER_HEX_MAX];
	struct ledger_sums sums;

	if (!gpu->ledger)
		return;
	add_up(gpu, &sums);
	record = ledger_close(gpu->ledger, &sums, now_ns());
	if (!record)
		return;
	ledger_hex(record->hash, hex);
	log_info("ledger gpu %u minute %lu head %s", gpu->index, record->minute, hex);
}

void gpu_ledger_service(struct gpu *gpu, u64 now)
{
	if (now >= gpu->ledger->due_ns)
		gpu_ledger_close(gpu);
}

void gpu_ledger_forget(struct gpu *gpu, u32 number)
{
	if (gpu->ledger)
		ledger_forget(gpu->ledger, number);
}

void gpu_print_ledger(gpu_line_fn line, void *ctx)
{
	static char text[LEDGER_TEXT_MAX]; /* commands run on one CPU only */
	const struct ledger_record *record;
	char hex[LEDGER_HEX_MAX], head[LEDGER_HEX_MAX + 16];

	for (u32 g = 0; g < gpu_count(); g++) {
		const struct ledger *ledger = gpu_get(g)->ledger;
		u32 kept;

		if (!ledger)
			continue;
		for (kept = 0; (record = ledger_kept(ledger, kept)); kept++) {
			(void)ledger_text(ledger, record, text);
			line(ctx, text);
			ledger_hex(record->hash, hex);
			fmt_snprintf(head, sizeof(head), "ledger head %s", hex);
			line(ctx, head);
		}
		fmt_snprintf(head, sizeof(head), "ledger end gpu %u records %u", g, kept);
		line(ctx, head);
	}
}
