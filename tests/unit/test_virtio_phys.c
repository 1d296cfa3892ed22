/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing a physical virtio-gpu up, and what a device that does not behave can do to us. */
// SOURCES: gpu/virtio/phys.c gpu/virtio/start.c gpu/virtio/resources.c
// SOURCES: gpu/virtio/virtio_pci.c gpu/virtio/virtqueue.c
// SOURCES: gpu/virtio/series.c gpu/virtio/audit.c gpu/virtio/audit_3d.c gpu/virtio/virgl_capset.c
// SOURCES: gpu/virtio/virgl.c gpu/virtio/virgl_rules.c gpu/virtio/virgl_checks.c
// SOURCES: gpu/virtio/virgl_objects.c gpu/virtio/virgl_resource.c gpu/virtio/virgl_formats.c
// SOURCES: core/lib/string.c core/lib/error.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/frame.h"
#include "core/log.h"
#include "core/timer.h"
#include "core/vmap.h"
#include "gpu/virtio/phys.h"
#include "gpu/virtio/virtio_gpu.h"
#include "gpu/virtio/virtio_pci.h"

/* ---- frames: host-physical addresses are offsets into one array ---- */

#define POOL MIB(2)

static u8 pool[POOL] __attribute__((aligned(4096)));
static size_t pool_used;

hpa_t frame_alloc_contiguous(u32 pages)
{
	hpa_t at = HPA(PAGE_SIZE + pool_used);

	pool_used += (size_t)pages * PAGE_SIZE;
	assert_true(pool_used <= POOL);
	memset(pool + at.raw - PAGE_SIZE, 0, (size_t)pages * PAGE_SIZE);
	return at;
}

void *frame_ptr(hpa_t frame)
{
	return pool + frame.raw - PAGE_SIZE;
}

hpa_t frame_of(const void *ptr)
{
	return HPA((u64)((const u8 *)ptr - pool) + PAGE_SIZE);
}

static u64 mapped_bytes;

enum err gpu_dma_map(struct gpu *gpu, hpa_t hpa, u64 size, u32 rights)
{
	(void)gpu;
	(void)hpa;
	(void)rights;
	mapped_bytes += size;
	return OK;
}

enum err gpu_interrupt(struct gpu *gpu, u64 *address, u32 *data)
{
	(void)gpu;
	*address = 0xfee00000;
	*data = 77;
	return OK;
}

static u64 now;

u64 now_ns(void)
{
	return now += 1000;
}

hpa_t frame_alloc(void)
{
	return frame_alloc_contiguous(1);
}

static struct list_node timers;
static u32 timers_set;

void timer_set(struct timer *timer, u64 deadline_ns)
{
	(void)deadline_ns;
	list_add_after(&timers, &timer->node);
	timers_set++;
}

static u32 errors_logged;

void log_at(enum log_level level, const char *fmt, ...)
{
	(void)fmt;
	errors_logged += level == LOG_ERROR;
}

bool log_allowed(struct log_limit *limit, u32 burst)
{
	(void)limit;
	(void)burst;
	return true;
}

/* ---- the device ---- */

#define CAPS	 4
#define BAR_BASE 0xc0000000ULL
#define BAR_SIZE 0x4000U

static struct {
	u8 config[256];
	struct virtio_pci_common common;
	u64 offered, accepted;
	u16 queue_size;
	u32 scanouts;
	struct {
		u64 desc, driver, device;
		u16 seen, used;
		bool enabled;
	} queues[2];
	bool never_resets, refuses_features, silent;
	bool bus_master, msix_on;
	u32 wrong_type; /* answers with this instead */
	u32 commands;
	u32 bells;
	u32 last_type;
	u32 last_entries;
	u64 last_fence;
} dev;

static u8 bar[BAR_SIZE];
static struct pci_function function;
static struct gpu gpu;

void *vmap_mmio(hpa_t base, u64 size)
{
	assert_true(base.raw >= BAR_BASE && base.raw - BAR_BASE + size <= BAR_SIZE);
	return bar + (base.raw - BAR_BASE);
}

u32 pci_read(struct pci *pci, u16 bdf, u32 offset, unsigned width)
{
	u32 value = 0;

	(void)pci;
	(void)bdf;
	memcpy(&value, dev.config + offset, width);
	return value;
}

u8 pci_find_capability(struct pci *pci, u16 bdf, u8 id, u8 after)
{
	u32 at = after ? after + 0x20 : 0x40;

	(void)pci;
	(void)bdf;
	assert_int_equal(id, PCI_CAP_VENDOR);
	return (u8)(at < 0x40 + 0x20 * CAPS ? at : 0);
}

void pci_enable(struct pci *pci, const struct pci_function *f, u16 command)
{
	(void)pci;
	(void)f;
	dev.bus_master |= (command & PCI_COMMAND_BUS_MASTER) != 0;
}

void pci_disable(struct pci *pci, const struct pci_function *f, u16 command)
{
	(void)pci;
	(void)f;
	dev.bus_master &= !(command & PCI_COMMAND_BUS_MASTER);
}

static struct gpu_job *late; /* the last one that was let go */

void virtio_vgpu_job_late(struct vgpu *vgpu, struct gpu_job *base)
{
	assert_ptr_equal(base->vgpu, vgpu);
	late = base;
}

enum err pci_msix_enable(struct pci *pci, const struct pci_function *f, struct pci_msix *msix)
{
	(void)pci;
	(void)f;
	msix->vectors = 3;
	dev.msix_on = true;
	return OK;
}

enum err pci_msix_set(struct pci_msix *msix, u16 vector, u64 address, u32 data)
{
	assert_true(vector < msix->vectors && address == 0xfee00000 && data == 77);
	return OK;
}

/* The device's view of memory; what it was not told of is not there. */
static void *dma(u64 iova)
{
	assert_true(iova >= PAGE_SIZE && iova < PAGE_SIZE + POOL);
	assert_true(dev.bus_master);
	return pool + iova - PAGE_SIZE;
}

static void answer(const struct virtq_desc *table, u32 count)
{
	const union virtio_gpu_command *command = dma(table[0].addr);
	union virtio_gpu_response *response = NULL;

	dev.commands++;
	dev.last_type = command->hdr.type;
	dev.last_fence = command->hdr.fence_id;
	dev.last_entries = 0;
	for (u32 i = 1; i < count; i++) {
		if (table[i].flags & VIRTQ_DESC_F_WRITE)
			response = dma(table[i].addr);
		else
			dev.last_entries += table[i].len / 16;
	}
	if (!response)
		return;
	response->hdr.type = VIRTIO_GPU_RESP_OK_NODATA;
	if (command->hdr.type == VIRTIO_GPU_CMD_GET_DISPLAY_INFO) {
		response->hdr.type = VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
		response->display_info.modes[0].rect.width = 1024;
		response->display_info.modes[0].rect.height = 768;
	} else if (command->hdr.type == VIRTIO_GPU_CMD_GET_EDID) {
		response->hdr.type = VIRTIO_GPU_RESP_OK_EDID;
		response->edid.size = 0xffffffff; /* more than there is */
		response->edid.edid[0] = (u8)command->get_edid.scanout;
	}
	if (dev.wrong_type)
		response->hdr.type = dev.wrong_type;
}

static void use(u32 queue, u32 id)
{
	u8 *used = dma(dev.queues[queue].device);
	struct virtq_used_elem elem = { id, 24 };

	memcpy(used + 4 + (dev.queues[queue].used % dev.queue_size) * 8, &elem, sizeof(elem));
	dev.queues[queue].used++;
	memcpy(used + 2, &dev.queues[queue].used, 2);
}

static void serve(u32 queue)
{
	const u16 *avail = dma(dev.queues[queue].driver);

	while (!dev.silent && dev.queues[queue].seen != avail[1]) {
		u16 head = avail[2 + dev.queues[queue].seen++ % dev.queue_size];
		const struct virtq_desc *desc =
			(struct virtq_desc *)dma(dev.queues[queue].desc) + head;

		assert_true(desc->flags & VIRTQ_DESC_F_INDIRECT);
		answer(dma(desc->addr), desc->len / 16);
		use(queue, head);
	}
}

u64 host_mmio_read(const volatile void *reg, unsigned size)
{
	u64 offset = (u64)((const volatile u8 *)reg - bar);
	u64 value = 0;

	dev.common.num_queues = 2;
	dev.common.queue_size = dev.queue_size;
	dev.common.queue_notify_off = dev.common.queue_select;
	if (dev.common.device_feature_select < 2)
		dev.common.device_feature =
			(u32)(dev.offered >> (32 * dev.common.device_feature_select));
	if (offset >= 0x2000 && offset < 0x3000) {
		struct virtio_gpu_config config = { .num_scanouts = dev.scanouts };

		memcpy(&value, (u8 *)&config + (offset - 0x2000), size);
		return value;
	}
	assert_true(offset + size <= sizeof(dev.common));
	memcpy(&value, (u8 *)&dev.common + offset, size);
	return value;
}

static void written(u64 offset)
{
	struct virtio_pci_common *c = &dev.common;
	u32 q = c->queue_select & 1;

	if (offset == offsetof(struct virtio_pci_common, driver_feature))
		dev.accepted |= (u64)c->driver_feature << (32 * c->driver_feature_select);
	if (offset == offsetof(struct virtio_pci_common, device_status)) {
		if (dev.never_resets && !c->device_status)
			c->device_status = 4;
		if (!c->device_status) {
			memset(dev.queues, 0, sizeof(dev.queues));
			dev.accepted = 0;
		}
		if (dev.refuses_features)
			c->device_status &= (u8)~VIRTIO_STATUS_FEATURES_OK;
	}
	if (offset == offsetof(struct virtio_pci_common, queue_enable)) {
		dev.queues[q].desc = (u64)c->queue_desc_hi << 32 | c->queue_desc_lo;
		dev.queues[q].driver = (u64)c->queue_driver_hi << 32 | c->queue_driver_lo;
		dev.queues[q].device = (u64)c->queue_device_hi << 32 | c->queue_device_lo;
		dev.queues[q].enabled = true;
	}
}

void host_mmio_write(volatile void *reg, u64 value, unsigned size)
{
	u64 offset = (u64)((volatile u8 *)reg - bar);

	if (offset >= 0x3000) {
		assert_int_equal(offset, 0x3000 + 4 * value);
		assert_true(dev.queues[value].enabled);
		dev.bells++;
		serve((u32)value);
		return;
	}
	assert_true(offset + size <= sizeof(dev.common));
	memcpy((u8 *)&dev.common + offset, &value, size);
	written(offset);
}

static void put_cap(u32 index, u8 type, u32 offset, u32 length)
{
	u8 at = (u8)(0x40 + 0x20 * index);
	struct virtio_pci_cap cap = { PCI_CAP_VENDOR, 0, 20, type, 4, 0, { 0 }, offset, length };
	u32 stride = 4;

	memcpy(dev.config + at, &cap, sizeof(cap));
	memcpy(dev.config + at + 16, &stride, 4);
}

static int set_up(void **state)
{
	(void)state;
	memset(&dev, 0, sizeof(dev));
	memset(&gpu, 0, sizeof(gpu));
	pool_used = 0;
	mapped_bytes = 0;
	errors_logged = 0;
	function = (struct pci_function){ .vendor_id = 0x1af4, .device_id = 0x1050 };
	function.bars[4] = (struct pci_bar){ PCI_BAR_MEM64, true, BAR_BASE, BAR_SIZE };
	put_cap(0, VIRTIO_PCI_CAP_COMMON, 0, 0x1000);
	put_cap(1, VIRTIO_PCI_CAP_ISR, 0x1000, 0x1000);
	put_cap(2, VIRTIO_PCI_CAP_DEVICE, 0x2000, 0x1000);
	put_cap(3, VIRTIO_PCI_CAP_NOTIFY, 0x3000, 0x1000);
	dev.offered = VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_INDIRECT_DESC |
		      VIRTIO_GPU_F_EDID | VIRTIO_GPU_F_VIRGL | BIT(29);
	dev.queue_size = 64;
	dev.scanouts = 4;
	gpu.function = &function;
	gpu.iommu = (void *)1;
	return 0;
}

/* ---- starting ---- */

static void the_device_comes_up_with_what_we_use_and_no_more(void **state)
{
	struct audit_display display;

	(void)state;
	assert_true(virtio_gpu_matches(&function));
	assert_int_equal(virtio_gpu_attach(&gpu), OK);
	assert_true(dev.accepted ==
		    (VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_INDIRECT_DESC |
		     VIRTIO_GPU_F_EDID | VIRTIO_GPU_F_VIRGL));
	assert_int_equal(dev.common.device_status, 15);
	assert_true(dev.bus_master && dev.msix_on);
	assert_int_equal(gpu.scanout_count, 4);
	virtio_gpu_display(&gpu, 0, &display);
	assert_int_equal(display.width, 1024);
	virtio_gpu_display(&gpu, 3, &display);
	assert_int_equal(display.width, 1024); /* as the first: it has no viewer */
	assert_int_equal(display.edid_size, VIRTIO_GPU_EDID_BYTES);
	assert_int_equal(display.edid[0], 3);
}

static void refused(enum err expected)
{
	assert_int_equal(virtio_gpu_attach(&gpu), expected);
	assert_false(dev.bus_master);
}

static void a_device_that_bypasses_the_iommu_is_denied(void **state)
{
	(void)state;
	dev.offered &= ~VIRTIO_F_ACCESS_PLATFORM;
	refused(ERR_DENIED);
	assert_int_equal(errors_logged, 1);
}

static void without_an_iommu_it_may_bypass(void **state)
{
	(void)state;
	dev.offered &= ~VIRTIO_F_ACCESS_PLATFORM;
	gpu.iommu = NULL;
	assert_int_equal(virtio_gpu_attach(&gpu), OK);
}

static void a_legacy_device_is_refused(void **state)
{
	(void)state;
	dev.offered &= ~VIRTIO_F_VERSION_1;
	refused(ERR_UNSUPPORTED);
}

static void refused_features_end_the_start(void **state)
{
	(void)state;
	dev.refuses_features = true;
	refused(ERR_UNSUPPORTED);
}

static void a_reset_that_does_not_end_times_out(void **state)
{
	(void)state;
	dev.never_resets = true;
	refused(ERR_TIMEOUT);
}

static void registers_outside_their_bar_are_refused(void **state)
{
	(void)state;
	put_cap(3, VIRTIO_PCI_CAP_NOTIFY, BAR_SIZE, 0x1000);
	refused(ERR_DEVICE);
	put_cap(3, VIRTIO_PCI_CAP_NOTIFY, 0xfffff000, 0x2000);
	refused(ERR_DEVICE);
	put_cap(0, VIRTIO_PCI_CAP_COMMON, 0, 8);
	refused(ERR_DEVICE);
}

static void a_bell_outside_its_area_is_refused(void **state)
{
	u32 stride = 0x1000;

	(void)state;
	memcpy(dev.config + 0x40 + 0x20 * 3 + 16, &stride, 4);
	refused(ERR_DEVICE);
}

static void impossible_numbers_are_refused(void **state)
{
	(void)state;
	dev.queue_size = 48;
	refused(ERR_DEVICE);
	dev.queue_size = 64;
	dev.scanouts = 17;
	refused(ERR_DEVICE);
	dev.scanouts = 0;
	refused(ERR_DEVICE);
}

static void a_device_that_answers_wrong_or_never_is_left_out(void **state)
{
	(void)state;
	dev.wrong_type = VIRTIO_GPU_RESP_ERR_UNSPEC;
	assert_int_equal(virtio_gpu_attach(&gpu), ERR_DEVICE);
	set_up(state);
	dev.silent = true;
	assert_int_equal(virtio_gpu_attach(&gpu), ERR_TIMEOUT);
}

/* ---- jobs ---- */

static struct virtio_vgpu *v;
static struct vgpu vgpu;
static struct virtio_gpu_job job;

static int set_up_running(void **state)
{
	set_up(state);
	list_init(&timers);
	timers_set = 0;
	assert_int_equal(virtio_gpu_attach(&gpu), OK);
	v = calloc(1, sizeof(*v));
	vgpu = (struct vgpu){ .gpu = &gpu, .family = v, .scanout = 2 };
	memset(&job, 0, sizeof(job));
	job.base.vgpu = &vgpu;
	backing_init(&job.backing);
	return 0;
}

static int tear_down_running(void **state)
{
	(void)state;
	free(v);
	return 0;
}

static void a_job_goes_to_the_device_with_a_growing_fence(void **state)
{
	u64 before = dev.last_fence;

	(void)state;
	job.command.hdr.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH;
	job.length = sizeof(struct virtio_gpu_flush);
	for (u32 i = 0; i < 1000; i++) {
		assert_int_equal(virtio_gpu_submit(&gpu, &job.base), GPU_SUBMITTED);
		assert_null(virtio_gpu_poll(&gpu));
		virtio_gpu_kick(&gpu);
		assert_ptr_equal(virtio_gpu_poll(&gpu), &job.base);
		assert_int_equal(job.answer, VIRTIO_GPU_RESP_OK_NODATA);
		assert_true(dev.last_fence > before);
		before = dev.last_fence;
	}
}

/* Its time has come. */
static void nudge(struct virtio_gpu *device)
{
	list_remove(&device->nudge.node);
	phys_nudge(&device->nudge);
}

static void a_renderer_is_reminded_while_it_owes_a_fence(void **state)
{
	struct virtio_gpu *device = gpu.family;
	u32 bells = dev.bells;

	(void)state;
	dev.silent = true;
	device->capsets.count = 1;
	job.command.hdr.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH;
	job.length = sizeof(struct virtio_gpu_flush);
	assert_int_equal(virtio_gpu_submit(&gpu, &job.base), GPU_SUBMITTED);
	virtio_gpu_kick(&gpu);
	virtio_gpu_kick(&gpu);
	assert_int_equal(timers_set, 1);
	nudge(device);
	assert_int_equal(timers_set, 2);
	assert_int_equal(dev.bells, bells + 2);
	dev.silent = false;
	nudge(device);
	assert_ptr_equal(virtio_gpu_poll(&gpu), &job.base);
	nudge(device);
	assert_int_equal(timers_set, 3);
	assert_int_equal(dev.bells, bells + 3);
}

static void what_has_no_fence_needs_no_reminder(void **state)
{
	struct virtio_gpu *device = gpu.family;

	(void)state;
	dev.silent = true;
	device->capsets.count = 1;
	job.command.hdr.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH;
	job.length = sizeof(struct virtio_gpu_flush);
	job.unfenced = true;
	assert_int_equal(virtio_gpu_submit(&gpu, &job.base), GPU_SUBMITTED);
	virtio_gpu_kick(&gpu);
	assert_int_equal(timers_set, 0);
}

static void the_scanout_is_the_one_at_submission(void **state)
{
	(void)state;
	job.command.hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT;
	job.length = sizeof(struct virtio_gpu_set_scanout);
	job.names_scanout = true;
	assert_int_equal(virtio_gpu_submit(&gpu, &job.base), GPU_SUBMITTED);
	assert_int_equal(job.command.set_scanout.scanout_id, 2);
	vgpu.scanout = GPU_SCANOUT_NONE;
	assert_int_equal(virtio_gpu_submit(&gpu, &job.base), GPU_DONE);
	assert_int_equal(job.answer, VIRTIO_GPU_RESP_OK_NODATA);
}

static void all_16384_entries_fit_one_request(void **state)
{
	u32 units = VIRTIO_GPU_ENTRIES_MAX / BACKING_UNIT_ENTRIES;
	hpa_t memory = frame_alloc_contiguous((u32)(units * BACKING_UNIT_BYTES / PAGE_SIZE));

	(void)state;
	resource_table_init(&v->audit.resources, 1, MIB(64), frame_ptr(memory), (u16)units);
	for (u32 i = 0; i < VIRTIO_GPU_ENTRIES_MAX; i++)
		assert_int_equal(
			backing_append(&v->audit.resources, &job.backing, IOVA(i * 8192ULL), 4096),
			OK);
	assert_int_equal(backing_append(&v->audit.resources, &job.backing, IOVA(BIT(40)), 4096),
			 ERR_FULL);
	job.effect = EFFECT_ATTACH;
	job.command.hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING;
	job.length = sizeof(struct virtio_gpu_attach_backing);
	assert_int_equal(virtio_gpu_submit(&gpu, &job.base), GPU_SUBMITTED);
	virtio_gpu_kick(&gpu);
	assert_int_equal(dev.last_entries, VIRTIO_GPU_ENTRIES_MAX);
	assert_ptr_equal(virtio_gpu_poll(&gpu), &job.base);
}

static void an_answer_to_nothing_is_reported_and_dropped(void **state)
{
	(void)state;
	use(0, 5);
	use(0, 0xffff);
	assert_null(virtio_gpu_poll(&gpu));
	assert_null(virtio_gpu_poll(&gpu));
	assert_int_equal(errors_logged, 2);
}

/* ---- jobs that do not come back ---- */

static struct virtio_gpu_job more[GPU_ABANDONED_MOST + GPU_SCHED_DEPTH];

static int set_up_hang(void **state)
{
	set_up_running(state);
	memset(more, 0, sizeof(more));
	for (u32 i = 0; i < ARRAY_SIZE(more); i++) {
		more[i].base.vgpu = &vgpu;
		more[i].command.hdr.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH;
		more[i].length = sizeof(struct virtio_gpu_flush);
		backing_init(&more[i].backing);
	}
	late = NULL;
	return 0;
}

static void abandon(struct virtio_gpu_job *one)
{
	assert_int_equal(virtio_gpu_submit(&gpu, &one->base), GPU_SUBMITTED);
	virtio_gpu_kick(&gpu);
	virtio_gpu_abandon(&gpu, &one->base);
}

static void a_late_answer_is_not_taken_for_another_jobs(void **state)
{
	(void)state;
	dev.silent = true;
	abandon(&more[0]);
	assert_int_equal(virtio_gpu_abandoned(&gpu), 1);
	assert_int_equal(virtio_gpu_submit(&gpu, &more[1].base), GPU_SUBMITTED);
	dev.silent = false;
	virtio_gpu_kick(&gpu);
	assert_ptr_equal(virtio_gpu_poll(&gpu), &more[0].base);
	assert_int_equal(virtio_gpu_abandoned(&gpu), 0);
	assert_ptr_equal(virtio_gpu_poll(&gpu), &more[1].base);
	assert_null(virtio_gpu_poll(&gpu));
}

static void there_is_room_beside_all_that_can_be_abandoned(void **state)
{
	(void)state;
	dev.silent = true;
	for (u32 i = 0; i < GPU_ABANDONED_MOST; i++)
		abandon(&more[i]);
	for (u32 i = GPU_ABANDONED_MOST; i < ARRAY_SIZE(more); i++)
		assert_int_equal(virtio_gpu_submit(&gpu, &more[i].base), GPU_SUBMITTED);
	assert_int_equal(virtio_gpu_submit(&gpu, &job.base), GPU_DONE);
	assert_int_equal(job.answer, VIRTIO_GPU_RESP_ERR_UNSPEC);
}

static void the_late_answer_to_a_vgpu_that_is_gone_is_nobodys(void **state)
{
	struct vgpu other = vgpu;

	(void)state;
	dev.silent = true;
	more[1].base.vgpu = &other;
	abandon(&more[0]);
	abandon(&more[1]);
	virtio_gpu_forget(&gpu, &other);
	assert_int_equal(virtio_gpu_abandoned(&gpu), 2);
	dev.silent = false;
	serve(0);
	assert_ptr_equal(virtio_gpu_poll(&gpu), &more[0].base);
	assert_null(virtio_gpu_poll(&gpu));
	assert_int_equal(virtio_gpu_abandoned(&gpu), 0);
}

static void a_reset_brings_the_device_up_as_before(void **state)
{
	u64 accepted = dev.accepted, fence, mapped = mapped_bytes;
	size_t used = pool_used;

	(void)state;
	job.command.hdr.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH;
	job.length = sizeof(struct virtio_gpu_flush);
	for (u32 i = 0; i < 100; i++) {
		assert_int_equal(virtio_gpu_submit(&gpu, &job.base), GPU_SUBMITTED);
		virtio_gpu_kick(&gpu);
		assert_ptr_equal(virtio_gpu_poll(&gpu), &job.base);
	}
	dev.silent = true;
	abandon(&more[0]);
	assert_int_equal(virtio_gpu_submit(&gpu, &more[1].base), GPU_SUBMITTED);
	fence = dev.last_fence;
	dev.msix_on = false;
	assert_int_equal(virtio_gpu_reset(&gpu), OK);
	dev.silent = false;
	assert_ptr_equal(late, &more[0].base);
	assert_int_equal(virtio_gpu_abandoned(&gpu), 0);
	assert_true(dev.accepted == accepted);
	assert_int_equal(dev.common.device_status, 15);
	assert_true(dev.queues[0].enabled && dev.queues[1].enabled && dev.bus_master);
	assert_null(virtio_gpu_poll(&gpu));
	for (u32 i = 0; i < ARRAY_SIZE(more); i++)
		assert_int_equal(virtio_gpu_submit(&gpu, &more[i].base), GPU_SUBMITTED);
	virtio_gpu_kick(&gpu);
	for (u32 i = 0; i < ARRAY_SIZE(more); i++)
		assert_ptr_equal(virtio_gpu_poll(&gpu), &more[i].base);
	assert_true(dev.last_fence > fence + 2); /* of those sent before it, too */
	assert_int_equal(errors_logged, 0);
	assert_true(pool_used == used && mapped_bytes == mapped);
}

static void a_device_that_comes_back_otherwise_is_not_used(void **state)
{
	(void)state;
	dev.offered &= ~VIRTIO_GPU_F_EDID;
	assert_int_equal(virtio_gpu_reset(&gpu), ERR_DEVICE);
	free(v);
	set_up_hang(state);
	dev.queue_size = 32;
	assert_int_equal(virtio_gpu_reset(&gpu), ERR_DEVICE);
	free(v);
	set_up_hang(state);
	dev.never_resets = true;
	assert_int_equal(virtio_gpu_reset(&gpu), ERR_TIMEOUT);
}

static void a_device_that_is_given_up_masters_the_bus_no_more(void **state)
{
	u32 commands;

	(void)state;
	dev.silent = true;
	abandon(&more[0]);
	virtio_gpu_give_up(&gpu);
	assert_false(dev.bus_master);
	assert_ptr_equal(late, &more[0].base);
	dev.silent = false;
	commands = dev.commands;
	assert_int_equal(virtio_gpu_submit(&gpu, &more[1].base), GPU_DONE);
	assert_int_equal(more[1].answer, VIRTIO_GPU_RESP_ERR_UNSPEC);
	virtio_gpu_kick(&gpu);
	assert_int_equal(dev.commands, commands);
}

#define RULE(name)    cmocka_unit_test_setup(name, set_up)
#define RUNNING(name) cmocka_unit_test_setup_teardown(name, set_up_running, tear_down_running)

#define HANG(name) cmocka_unit_test_setup_teardown(name, set_up_hang, tear_down_running)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(the_device_comes_up_with_what_we_use_and_no_more),
		RULE(a_device_that_bypasses_the_iommu_is_denied),
		RULE(without_an_iommu_it_may_bypass),
		RULE(a_legacy_device_is_refused),
		RULE(refused_features_end_the_start),
		RULE(a_reset_that_does_not_end_times_out),
		RULE(registers_outside_their_bar_are_refused),
		RULE(a_bell_outside_its_area_is_refused),
		RULE(impossible_numbers_are_refused),
		RULE(a_device_that_answers_wrong_or_never_is_left_out),
		RUNNING(a_job_goes_to_the_device_with_a_growing_fence),
		RUNNING(a_renderer_is_reminded_while_it_owes_a_fence),
		RUNNING(what_has_no_fence_needs_no_reminder),
		RUNNING(the_scanout_is_the_one_at_submission),
		RUNNING(all_16384_entries_fit_one_request),
		RUNNING(an_answer_to_nothing_is_reported_and_dropped),
		HANG(a_late_answer_is_not_taken_for_another_jobs),
		HANG(there_is_room_beside_all_that_can_be_abandoned),
		HANG(the_late_answer_to_a_vgpu_that_is_gone_is_nobodys),
		HANG(a_reset_brings_the_device_up_as_before),
		HANG(a_device_that_comes_back_otherwise_is_not_used),
		HANG(a_device_that_is_given_up_masters_the_bus_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
