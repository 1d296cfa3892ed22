/* SPDX-License-Identifier: Apache-2.0 */
/* Physical GPUs: found at start, then served by their owner CPU. */
#include "gpu/gpu.h"

#include "core/cpu.h"
#include "core/irq.h"
#include "core/log.h"
#include "core/timer.h"
#include "drivers/pci_groups.h"
#include "gpu/control.h"
#include "gpu/dma.h"
#include "gpu/vgpu.h"

/* Completions and submissions in one softirq; what is left raises it again. */
#define SERVICE_BUDGET 32
#define OWNER_CPU      0

static const struct gpu_family_ops *const families[] = { &virtio_gpu_family, &vbe_family, NULL };

/* Written by gpu_start() alone, before guests run. */
static struct gpu gpus[CONFIG_MAX_GPUS];
static u32 gpus_found;
static const struct config *start_config;

u32 gpu_count(void)
{
	return gpus_found;
}

struct gpu *gpu_get(u32 index)
{
	return index < gpus_found ? &gpus[index] : NULL;
}

const struct config *gpu_config(void)
{
	return start_config;
}

void gpu_wake(struct gpu *gpu)
{
	softirq_raise(gpu->owner_cpu, SOFTIRQ_GPU);
}

void gpu_enqueue(struct vgpu *vgpu, struct gpu_job *job)
{
	struct gpu *gpu = vgpu->gpu;
	enum err e;

	job->vgpu = vgpu;
	spin_lock(&gpu->lock);
	e = gpu_sched_enqueue(&gpu->sched, &vgpu->sched, &job->sched, now_ns());
	spin_unlock(&gpu->lock);
	invariant(e == OK);
	gpu_wake(gpu);
}

void gpu_drop_queued(struct vgpu *vgpu)
{
	struct gpu *gpu = vgpu->gpu;

	spin_lock(&gpu->lock);
	(void)gpu_sched_drop_queued(&gpu->sched, &vgpu->sched);
	spin_unlock(&gpu->lock);
}

/* Remember everybody's engine time now and then, for the share of the last second. */
static void take_sample(struct gpu *gpu, u64 now)
{
	u32 last = (gpu->sample_next + GPU_SAMPLES - 1) % GPU_SAMPLES;
	struct gpu_sample *sample = &gpu->samples[gpu->sample_next];

	if (gpu->samples[last].time_ns && now - gpu->samples[last].time_ns < GPU_SAMPLE_NS)
		return;
	sample->time_ns = now;
	for (u32 i = 0; i < GPU_VGPUS_MAX; i++)
		sample->engine_ns[i] = gpu->vgpus[i] ? gpu->vgpus[i]->sched.stats.engine_ns : 0;
	gpu->sample_next = (gpu->sample_next + 1) % GPU_SAMPLES;
}

/* Jobs of our own are nobody's waiting. */
static void note_waits(const struct gpu_job *job, u64 now)
{
	const struct gpu_sched_job *sched = &job->sched;

	if (job->ours)
		return;
	waits_add(&job->vgpu->waits, sched->submitted_ns - sched->enqueued_ns, now);
	waits_add(&job->vgpu->turns, now - MIN(now, sched->enqueued_ns), now);
}

/* Charge jobs that were found finished together, and hand them to their family. */
static void finish(struct gpu *gpu, struct gpu_job **jobs, u32 count)
{
	struct gpu_sched_job *charged[GPU_SCHED_DEPTH];
	u64 now = now_ns();
	enum err e;

	for (u32 i = 0; i < count; i++)
		charged[i] = &jobs[i]->sched;
	spin_lock(&gpu->lock);
	take_sample(gpu, now);
	e = gpu_sched_complete_all(&gpu->sched, charged, count, now);
	gpu->jobs_completed += count;
	spin_unlock(&gpu->lock);
	invariant(e == OK);
	irq_hold_kicks(); /* one for all answers, and none with a vGPU's lock held */
	for (u32 i = 0; i < count; i++) {
		note_waits(jobs[i], now);
		gpu->ops->job_done(jobs[i]->vgpu, jobs[i]);
	}
	irq_release_kicks();
}

/*
 * What the hardware has finished: at most as many as are in flight, and the late
 * ones, which were paid for when they were abandoned.
 */
static u32 collect(struct gpu *gpu, struct gpu_job **jobs)
{
	struct gpu_job *job;
	u32 count = 0;

	while (count < GPU_SCHED_DEPTH && (job = gpu->ops->poll(gpu))) {
		gpu_hang_finished(gpu, job);
		if (job->abandoned) {
			gpu->ops->job_late(job->vgpu, job);
			continue;
		}
		job->sched.ended = GPU_TRACE_GIVEN_BACK;
		jobs[count++] = job;
	}
	return count;
}

static struct gpu_job *pick(struct gpu *gpu)
{
	struct gpu_sched_job *job;

	spin_lock(&gpu->lock);
	job = gpu_sched_pick(&gpu->sched, now_ns());
	if (job)
		gpu->jobs_submitted++;
	spin_unlock(&gpu->lock);
	return job ? container_of(job, struct gpu_job, sched) : NULL;
}

static void look(struct timer *timer)
{
	struct gpu *gpu = container_of(timer, struct gpu, look);

	gpu->look_ns = ~0ULL;
	gpu_wake(gpu);
}

/*
 * Caps, slots, slowed guests and the ledger's minute: have the owner CPU look when something
 * is due although nothing happens. A timer that is early does no harm.
 */
static void look_again(struct gpu *gpu, u64 due_ns)
{
	u64 next_ns;

	spin_lock(&gpu->lock);
	next_ns = gpu_sched_next_ns(&gpu->sched, now_ns());
	spin_unlock(&gpu->lock);
	due_ns = MIN(due_ns, MIN(next_ns, gpu->ledger->due_ns));
	if (due_ns >= gpu->look_ns)
		return;
	gpu->look_ns = due_ns;
	timer_set(&gpu->look, due_ns);
}

/* True: the budget ran out before the work did. */
static bool service(struct gpu *gpu)
{
	struct gpu_job *jobs[GPU_SCHED_DEPTH];
	bool submitted = false;
	u32 budget = SERVICE_BUDGET;
	u32 count = collect(gpu, jobs);
	u64 due_ns;

	if (count)
		finish(gpu, jobs, count);
	gpu_hang_check(gpu);
	gpu_ledger_service(gpu, now_ns());
	due_ns = control_service(gpu, now_ns());
	for (; budget && (jobs[0] = pick(gpu)); budget--) {
		bool out = gpu->ops->submit(gpu, jobs[0]) == GPU_SUBMITTED;

		submitted |= out;
		if (out) {
			gpu_trace_submitted(gpu, &jobs[0]->sched);
			continue;
		}
		jobs[0]->sched.ended = GPU_TRACE_NOT_SENT;
		finish(gpu, jobs, 1);
	}
	if (submitted)
		gpu->ops->kick(gpu);
	gpu_hang_watch(gpu);
	look_again(gpu, due_ns);
	return !budget;
}

/* Atomic: CPUs are to wait outside their guests, and how many do. */
static bool hold;
static u32 held;

void gpu_hold_cpus(void)
{
	__atomic_store_n(&hold, true, __ATOMIC_SEQ_CST);
	for (u32 i = 0; i < cpu_count(); i++)
		if (i != OWNER_CPU)
			softirq_raise(i, SOFTIRQ_GPU);
	while (__atomic_load_n(&held, __ATOMIC_ACQUIRE) != cpu_count() - 1)
		cpu_relax();
}

void gpu_release_cpus(void)
{
	__atomic_store_n(&hold, false, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&held, __ATOMIC_ACQUIRE))
		cpu_relax();
}

static void wait_if_held(void)
{
	if (!__atomic_load_n(&hold, __ATOMIC_SEQ_CST))
		return;
	__atomic_fetch_add(&held, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&hold, __ATOMIC_ACQUIRE))
		cpu_relax();
	__atomic_fetch_sub(&held, 1, __ATOMIC_RELEASE);
}

static void softirq(u32 cpu)
{
	if (cpu != OWNER_CPU)
		wait_if_held();
	for (u32 i = 0; i < gpus_found; i++)
		if (gpus[i].owner_cpu == cpu &&
		    (gpus[i].ops->service ? gpus[i].ops->service(&gpus[i]) : service(&gpus[i])))
			gpu_wake(&gpus[i]);
}

static void interrupt(void *ctx)
{
	gpu_wake(ctx);
}

enum err gpu_interrupt(struct gpu *gpu, u64 *address, u32 *data)
{
	u8 vector;
	enum err e = irq_register(interrupt, gpu, &vector);

	if (e)
		return e;
	return gpu_dma_message(gpu, vector, address, data);
}

static const struct gpu_family_ops *family_of(const struct pci_function *function)
{
	const struct gpu_family_ops *const *family = families;

	while (*family && !(*family)->matches(function))
		family++;
	return *family;
}

static enum err bring_up(struct gpu *gpu, const struct config *config, struct iommu *iommu)
{
	struct gpu_sched_config sched;
	enum err e = pci_claim(gpu->pci, gpu->function, "gpu");

	if (e)
		return e;
	control_gpu_config(config, gpu->index, &sched);
	e = gpu_sched_init(&gpu->sched, &sched, gpu->sched_memory, GPU_VGPUS_MAX);
	if (e)
		return e;
	if (!gpu->ops->service)
		gpu_ledger_init(gpu);
	/* Without DMA it stays in no domain: denied, as at start. */
	e = gpu->ops->no_dma ? OK
			     : gpu_dma_init(gpu, iommu, config->host.iommu == CONFIG_IOMMU_NONE);
	if (e)
		return e;
	e = gpu->ops->attach(gpu);
	if (e)
		pci_disable(gpu->pci, gpu->function, PCI_COMMAND_BUS_MASTER);
	return e;
}

/*
 * A section `[gpu N]` with `pci =` takes that function, one without the N-th that is found,
 * but none that a guest is to have for itself.
 */
static bool reserved_for_other(const struct config *config, u32 index, u16 bdf)
{
	for (u32 i = 0; i < config->guest_count; i++)
		for (u32 j = 0; j < config->guests[i].devices.count; j++)
			if (config->guests[i].devices.bdf[j] == bdf)
				return true;
	for (u32 i = 0; i < config->gpu_count; i++)
		if (config->gpus[i].pci.count && config->gpus[i].pci.bdf[0] == bdf && i != index)
			return true;
	return index < config->gpu_count && config->gpus[index].pci.count &&
	       config->gpus[index].pci.bdf[0] != bdf;
}

static struct pci_function *find_function(struct pci *pci, const struct config *config, u32 index)
{
	for (u32 i = 0; i < pci->function_count; i++) {
		struct pci_function *function = &pci->functions[i];
		bool taken = false;

		for (u32 j = 0; j < index; j++)
			taken |= gpus[j].function == function;
		if (!taken && !reserved_for_other(config, index, function->bdf) &&
		    family_of(function))
			return function;
	}
	return NULL;
}

enum err gpu_start(const struct config *config, struct pci *pci, struct iommu *iommu)
{
	enum err result = OK;

	start_config = config;
	softirq_register(SOFTIRQ_GPU, softirq);
	for (u32 i = 0; i < CONFIG_MAX_GPUS; i++) {
		struct pci_function *function = find_function(pci, config, i);
		struct gpu *gpu = &gpus[i];
		enum err e;

		if (!function) {
			if (i >= config->gpu_count)
				break;
			log_error("gpu %u: no GPU of a known family is there", i);
			result = ERR_NOT_FOUND;
			break;
		}
		*gpu = (struct gpu){ .index = i, .owner_cpu = OWNER_CPU, .pci = pci };
		gpu->function = function;
		gpu->ops = family_of(function);
		gpu_hang_init(gpu);
		gpu->look = (struct timer){ .fire = look };
		gpu->look_ns = ~0ULL;
		e = bring_up(gpu, config, iommu);
		if (e) {
			log_error("gpu %u: %02x:%02x.%x (%s): %s", i, PCI_BDF_ARGS(function->bdf),
				  gpu->ops->name, err_name(e));
			result = e;
			break;
		}
		log_info("gpu %u: %02x:%02x.%x, %s, %u scan-outs%s", i, PCI_BDF_ARGS(function->bdf),
			 gpu->ops->name, gpu->scanout_count,
			 gpu->ops->no_dma ? ", no DMA"
			 : gpu->iommu	  ? ", behind the IOMMU"
					  : "");
		gpus_found = i + 1;
	}
	return result;
}
