/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Physical GPUs. Each has one owner CPU, which takes its interrupt and alone
 * touches its rings; other CPUs hand jobs to the scheduler's queues, which
 * gpu.lock guards, and raise a softirq on the owner.
 *
 *   guest's CPU: audit -> gpu_enqueue() --softirq--> owner CPU: pick, submit
 *   guest's memory <- family's job_done() <- charge <- poll <--interrupt-- device
 */
#ifndef GPU_GPU_H
#define GPU_GPU_H

#include "arch/x86/spinlock.h"
#include "core/config.h"
#include "core/irq.h"
#include "core/lib/error.h"
#include "core/lib/types.h"
#include "drivers/iommu.h"
#include "drivers/pci.h"
#include "gpu/family.h"
#include "gpu/hang.h"
#include "gpu/ledger.h"
#include "gpu/sched.h"
#include "gpu/trace.h"

#define GPU_VGPUS_MAX	 CONFIG_MAX_GUESTS
#define GPU_JOBS_MAX	 64 /* jobs of one vGPU that are queued or in flight */
#define GPU_SAMPLES	 16
#define GPU_SAMPLE_NS	 125000000ULL
#define GPU_SCANOUT_NONE (-1)

struct vm;
struct vgpu;

/*
 * Lies first in a family's own job record. The family sets `sched.work` before
 * gpu_enqueue(): about how much the job moves, in one unit for all vGPUs.
 */
struct gpu_job {
	struct gpu_sched_job sched;
	struct vgpu *vgpu;
	bool ours;	/* the family's: no guest asked for it */
	bool early;	/* given back when it is read: that says nothing of the engine */
	bool abandoned; /* hang.c: complete for the scheduler, and the device still has it */
};

/* Engine time of every vGPU at one moment. */
struct gpu_sample {
	u64 time_ns;
	u64 engine_ns[GPU_VGPUS_MAX];
};

struct gpu {
	u32 index;
	u32 owner_cpu;
	const struct gpu_family_ops *ops;
	void *family;
	struct pci *pci;
	struct pci_function *function;
	struct iommu *iommu; /* NULL: iommu = none, or a family without DMA */
	struct iommu_domain domain;
	u32 scanout_count;

	/*
	 * What `gpu focus` costs, in ticks of the TSC from the command to the device's new
	 * start of scan-out. Counted where that needs no copy; 0: not yet, or by a job.
	 */
	u64 focus_from; /* when it was asked for; atomic, 0: nothing is under way */
	u64 focus_ticks, focus_ticks_max; /* the last one and the largest; the owner CPU's */

	struct gpu_hang hang; /* the owner CPU's */
	/* The owner CPU's: when it has to look although nothing happens. */
	struct timer look;
	u64 look_ns;	       /* what `look` is set to; ~0: it is not */
	struct ledger *ledger; /* NULL: no engine */

	struct spinlock lock; /* guards what follows; see docs/locking.md */
	struct gpu_sched sched;
	void *sched_memory[GPU_SCHED_MEMORY(GPU_VGPUS_MAX)];
	struct gpu_trace trace;
	struct vgpu *vgpus[GPU_VGPUS_MAX]; /* by vGPU number */
	struct gpu_sample samples[GPU_SAMPLES];
	u32 sample_next;
	u64 jobs_submitted, jobs_completed;
};

/*
 * Find the GPUs among `pci`'s functions, in PCI order, and bring them up.
 * `config` stays valid; `iommu` is NULL where none is usable. ERR_NOT_FOUND: a GPU that the file
 * names is missing; ERR_DENIED: it masters the bus and there is no IOMMU, nor `iommu = none`;
 * ERR_DEVICE and others: it does not work. The reason is logged. At start,
 * once; a GPU that failed is left out and without DMA.
 */
must_check enum err gpu_start(const struct config *config, struct pci *pci, struct iommu *iommu);

u32 gpu_count(void);
struct gpu *gpu_get(u32 index);
const struct config *gpu_config(void);

/* ---- for families ---- */

/*
 * Let the device read (and write, `rights` is of enum iommu_right) [hpa, hpa +
 * size) at iova = hpa: its rings and our buffers, page-aligned frames of the
 * pool. A no-op without an IOMMU.
 */
must_check enum err gpu_dma_map(struct gpu *gpu, hpa_t hpa, u64 size, u32 rights);
/* Returns after the IOMMU has forgotten the range. */
void gpu_dma_unmap(struct gpu *gpu, hpa_t hpa, u64 size);

/*
 * Keep every other CPU out of its guest until gpu_release_cpus(): for the few
 * device registers that disturb what guests do elsewhere while they are
 * written. Only from attach() and service(), briefly, and with no lock held.
 */
void gpu_hold_cpus(void);
void gpu_release_cpus(void);

/* The message by which the device interrupts the owner CPU: it makes Facet poll. */
must_check enum err gpu_interrupt(struct gpu *gpu, u64 *address, u32 *data);

/* Queue a job of `vgpu`; it is idle. Families with an engine. Any CPU; takes gpu.lock. */
void gpu_enqueue(struct vgpu *vgpu, struct gpu_job *job);

/*
 * Take out of the scheduler what `vgpu` has queued there: the jobs are idle, and with
 * vgpu.lock held none is added behind them. Takes gpu.lock.
 */
void gpu_drop_queued(struct vgpu *vgpu);

/*
 * books.c: a record of who had the engine is closed when its minute is over, and when a
 * vGPU leaves. On the owner CPU, no lock held; nothing without an engine.
 */
void gpu_ledger_init(struct gpu *gpu);
void gpu_ledger_service(struct gpu *gpu, u64 now);
void gpu_ledger_close(struct gpu *gpu);
void gpu_ledger_forget(struct gpu *gpu, u32 number);

/* Have the owner CPU look at this GPU soon. Any CPU, any lock. */
void gpu_wake(struct gpu *gpu);

/* ---- for the console ---- */

typedef void (*gpu_line_fn)(void *ctx, const char *text);

/* The table of `gpu`: one call of `line` for each line. */
void gpu_print(gpu_line_fn line, void *ctx);

/* The ledger of each GPU with an engine, as docs/console.md has it. */
void gpu_print_ledger(gpu_line_fn line, void *ctx);

/*
 * `"gpus":[...]`, one JSON member without braces around it; returns the length
 * that the whole text has (more than size - 1: it was cut).
 */
size_t gpu_stats_json(char *buf, size_t size);

/*
 * Show the vGPU of guest `name` on scan-out 0; who was there gets the scan-out
 * that it leaves, or none. ERR_NOT_FOUND: no running guest of that name has a vGPU.
 */
must_check enum err gpu_focus_by_name(const char *name);

#endif
