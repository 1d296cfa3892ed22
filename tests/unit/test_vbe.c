/* SPDX-License-Identifier: Apache-2.0 */
/* The VBE family, from a guest's registers to three devices that differ as the real ones do. */
// SOURCES: gpu/gpu.c gpu/hang.c gpu/vgpu.c gpu/dma.c drivers/iommu_ram.c
// SOURCES: gpu/sched.c gpu/sched_admit.c gpu/sched_complete.c gpu/sched_fixed.c
// SOURCES: gpu/sched_note.c gpu/sched_order.c
// SOURCES: gpu/control.c gpu/settings.c gpu/guard.c gpu/waits.c gpu/books.c gpu/ledger.c
// SOURCES: gpu/sha256.c gpu/trace.c gpu/encode.c
// SOURCES: core/config.c core/config_keys.c gpu/config.c
// SOURCES: core/lib/parse.c core/lib/fmt.c
// SOURCES: gpu/vbe/family.c gpu/vbe/vfunc.c
// SOURCES: gpu/vbe/dispi.c gpu/vbe/slices.c gpu/vbe/scanout.c gpu/vbe/phys.c
// SOURCES: core/lib/string.c core/lib/error.c
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/io.h"
#include "core/cpu.h"
#include "core/frame.h"
#include "core/log.h"
#include "core/percpu.h"
#include "core/vmap.h"
#include "drivers/pci_groups.h"
#include "gpu/vbe/vbe.h"

#define GUESTS	2
#define MEMORY	MIB(32)
#define BASE	0xe0000000ULL
#define BAR2	0xfeb00000ULL
#define NO_MODE (~0ULL)

/* ---- the device ---- */

enum kind {
	DISPLAY, /* QEMU's bochs-display: registers hold anything */
	VGA,	 /* QEMU's VGA: values are pulled into range */
	PORTS,	 /* Bochs: no size while enabled, no memory while not; stops at bad offsets */
};

static struct {
	enum kind kind;
	u64 size;
	u16 r[VBE_DISPI_COUNT];
	u16 index;
	u32 writes;
	bool shown; /* VGA's attribute controller */
} device;
static u8 memory[MEMORY] __attribute__((aligned(4096)));
static u8 page[PAGE_SIZE];

static u32 pixel_bytes(void)
{
	return device.r[VBE_DISPI_BPP] / 8;
}

static u64 line_bytes(void)
{
	return (u64)MAX(device.r[VBE_DISPI_VIRT_WIDTH], device.r[VBE_DISPI_XRES]) * pixel_bytes();
}

static u64 start_of_scanout(void)
{
	return device.r[VBE_DISPI_Y_OFFSET] * line_bytes() +
	       (u64)device.r[VBE_DISPI_X_OFFSET] * pixel_bytes();
}

/* Where the picture that is on the screen begins in video memory. */
static u64 picture(void)
{
	u64 end = start_of_scanout() + line_bytes() * device.r[VBE_DISPI_YRES];

	if (!(device.r[VBE_DISPI_ENABLE] & VBE_DISPI_ENABLED) || end > device.size)
		return NO_MODE;
	return start_of_scanout();
}

static void vga_fix_up(void)
{
	u16 *r = device.r;

	if (!(r[VBE_DISPI_ENABLE] & VBE_DISPI_ENABLED))
		return;
	r[VBE_DISPI_XRES] &= 0xfff8;
	r[VBE_DISPI_XRES] = (u16)MIN(MAX(r[VBE_DISPI_XRES], 8), 16000);
	r[VBE_DISPI_VIRT_WIDTH] &= 0xfff8;
	r[VBE_DISPI_VIRT_WIDTH] = (u16)MIN(MAX(r[VBE_DISPI_VIRT_WIDTH], r[VBE_DISPI_XRES]), 16000);
	r[VBE_DISPI_YRES] = (u16)MIN(MAX(r[VBE_DISPI_YRES], 1), device.size / line_bytes());
	r[VBE_DISPI_X_OFFSET] = MIN(r[VBE_DISPI_X_OFFSET], 16000);
	r[VBE_DISPI_Y_OFFSET] = MIN(r[VBE_DISPI_Y_OFFSET], 12000);
	if (picture() == NO_MODE)
		r[VBE_DISPI_Y_OFFSET] = 0;
	if (picture() == NO_MODE)
		r[VBE_DISPI_X_OFFSET] = 0;
}

static bool cpu1_is_held(void);

static void switch_on_or_off(u16 value)
{
	bool was = device.r[VBE_DISPI_ENABLE] & VBE_DISPI_ENABLED;
	bool on = value & VBE_DISPI_ENABLED;

	assert_true(!on || value & VBE_DISPI_KEEP); /* would clear slice 0 */
	if (device.kind == PORTS && (was || on))
		assert_true(cpu1_is_held());
	device.r[VBE_DISPI_ENABLE] = value;
	if (!on || was || device.kind == DISPLAY)
		return;
	device.r[VBE_DISPI_X_OFFSET] = device.r[VBE_DISPI_Y_OFFSET] = 0;
	device.r[VBE_DISPI_VIRT_WIDTH] = device.r[VBE_DISPI_XRES];
}

static void bochs_write(u32 index, u16 value)
{
	bool on = device.r[VBE_DISPI_ENABLE] & VBE_DISPI_ENABLED;

	if (on && (index == VBE_DISPI_XRES || index == VBE_DISPI_YRES || index == VBE_DISPI_BPP))
		return;
	if (index == VBE_DISPI_XRES && value > 2560)
		return;
	if (index == VBE_DISPI_VIRT_WIDTH)
		assert_int_not_equal(value, 0);
	if (index == VBE_DISPI_Y_OFFSET)
		assert_true((value + (u64)device.r[VBE_DISPI_YRES]) * line_bytes() <= device.size);
	device.r[index] = value;
}

static void register_write(u32 index, u16 value)
{
	assert_true(index > VBE_DISPI_ID && index < VBE_DISPI_MEMORY_64K);
	device.writes++;
	if (index == VBE_DISPI_ENABLE)
		switch_on_or_off(value);
	else if (device.kind == PORTS)
		bochs_write(index, value);
	else
		device.r[index] = value;
	if (device.kind == VGA)
		vga_fix_up();
}

static u16 register_read(u32 index)
{
	if (index == VBE_DISPI_ID)
		return VBE_DISPI_ID5;
	return index == VBE_DISPI_MEMORY_64K ? (u16)(device.size / KIB(64)) : device.r[index];
}

u32 host_port_in(u16 port, unsigned size)
{
	if (port == VBE_DISPI_DATA_PORT) {
		assert_int_equal(size, 2);
		return register_read(device.index);
	}
	return 0;
}

void host_port_out(u16 port, u32 value, unsigned size)
{
	assert_int_equal(device.kind, PORTS);
	if (port == VBE_DISPI_INDEX_PORT)
		device.index = (u16)value;
	else if (port == VBE_DISPI_DATA_PORT)
		register_write(device.index, (u16)value);
	else
		device.shown = port == 0x3c0 && size == 1 && value == 0x20;
}

static bool in_page(const volatile void *at)
{
	return (const u8 *)at >= page && (const u8 *)at < page + PAGE_SIZE;
}

u64 host_mmio_read(const volatile void *at, unsigned size)
{
	u64 value = 0;

	if (in_page(at) && (const u8 *)at >= page + VBE_MMIO_DISPI)
		return register_read((u32)((const u8 *)at - page - VBE_MMIO_DISPI) / 2);
	memcpy(&value, (const void *)at, size);
	return value;
}

void host_mmio_write(volatile void *at, u64 value, unsigned size)
{
	u32 offset = in_page(at) ? (u32)((u8 *)at - page) : 0;

	if (!in_page(at))
		memcpy((void *)at, &value, size);
	else if (offset == VBE_MMIO_VGA)
		device.shown = value == 0x20;
	else if (offset < VBE_MMIO_EXT)
		register_write((offset - VBE_MMIO_DISPI) / 2, (u16)value);
}

void *vmap_mmio(hpa_t base, u64 size)
{
	assert_int_equal(base.raw, BAR2);
	assert_int_equal(size, PAGE_SIZE);
	return page;
}

void *vmap_write_combining(hpa_t base, u64 size)
{
	assert_int_equal(base.raw, BASE);
	assert_true(size <= MEMORY);
	return memory;
}

/* ---- the rest of the machine: CPU 1 runs a guest until it is told to look up ---- */

static u8 pool[64][PAGE_SIZE] __attribute__((aligned(4096)));
static u32 pool_used, pages_out, lines;
static u64 clock_ns;
static bool raised;
static void (*softirq_handler)(u32 cpu);
static pthread_t cpu1;
static bool cpu1_started, cpu1_done, bus_master;
static struct timer *armed;

static void *cpu1_softirq(void *unused)
{
	(void)unused;
	softirq_handler(1);
	__atomic_store_n(&cpu1_done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static bool cpu1_is_held(void)
{
	return cpu1_started && !__atomic_load_n(&cpu1_done, __ATOMIC_SEQ_CST);
}

void softirq_raise(u32 cpu, u32 bit)
{
	assert_int_equal(bit, SOFTIRQ_GPU);
	if (!cpu) {
		raised = true;
		return;
	}
	if (cpu1_started)
		pthread_join(cpu1, NULL);
	cpu1_done = false;
	assert_int_equal(pthread_create(&cpu1, NULL, cpu1_softirq, NULL), 0);
	cpu1_started = true;
}

void softirq_register(u32 bit, void (*handler)(u32 cpu))
{
	(void)bit;
	softirq_handler = handler;
}

u32 cpu_count(void)
{
	return 2;
}

hpa_t frame_alloc_contiguous(u32 pages)
{
	void *at = pool[pool_used];

	assert_true(pages <= ARRAY_SIZE(pool) - pool_used);
	pool_used += pages;
	pages_out += pages;
	memset(at, 0, pages * PAGE_SIZE);
	return HPA((u64)(uintptr_t)at);
}

hpa_t frame_alloc(void)
{
	return frame_alloc_contiguous(1);
}

void frame_free_contiguous(hpa_t frame, u32 pages)
{
	(void)frame;
	pages_out -= pages;
}

void frame_free(hpa_t frame)
{
	frame_free_contiguous(frame, 1);
}

void *frame_ptr(hpa_t frame)
{
	return (void *)(uintptr_t)frame.raw;
}

hpa_t frame_of(const void *ptr)
{
	return HPA((u64)(uintptr_t)ptr);
}

u64 now_ns(void)
{
	return clock_ns += 1000;
}

void timer_set(struct timer *timer, u64 deadline_ns)
{
	timer->deadline_ns = deadline_ns;
	armed = timer;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
	lines++;
}

bool log_allowed(struct log_limit *limit, u32 burst)
{
	return limit->count++ < burst;
}

_Noreturn void panic(const char *fmt, ...)
{
	fputs(fmt, stderr);
	abort();
}

enum err pci_claim(struct pci *p, struct pci_function *function, const char *owner)
{
	(void)p;
	function->owner = owner;
	return OK;
}

void pci_enable(struct pci *pci, const struct pci_function *function, u16 command)
{
	(void)pci;
	(void)function;
	bus_master |= command & PCI_COMMAND_BUS_MASTER;
}

void pci_disable(struct pci *pci, const struct pci_function *function, u16 command)
{
	(void)pci;
	(void)function;
	bus_master &= !(command & PCI_COMMAND_BUS_MASTER);
}

/* What a family without DMA and without interrupts never asks for. */
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define NEVER(type, name, nothing, ...) \
	type name(__VA_ARGS__) \
	{ \
		fail(); \
		return nothing; \
	}
#define NEVER_ERR(name, ...) NEVER(enum err, name, ERR_DENIED, __VA_ARGS__)
NEVER_ERR(iommu_domain_init, struct iommu *a, struct iommu_domain *b)
NEVER_ERR(iommu_attach, struct iommu_domain *a, u16 b)
NEVER_ERR(iommu_map, struct iommu_domain *a, iova_t b, hpa_t c, u64 d, u32 e)
NEVER_ERR(iommu_unmap, struct iommu_domain *a, iova_t b, u64 c)
NEVER_ERR(iommu_irq_set, struct iommu *a, const struct iommu_irq *b, u64 *c, u32 *d)
NEVER_ERR(irq_register, irq_handler a, void *b, u8 *c)
NEVER_ERR(gmem_translate, const struct gmem *a, gpa_t b, u64 c, hpa_t *d)
NEVER(bool, gmem_is_ram, false, const struct gmem *a, gpa_t b, u64 c)
NEVER(struct percpu *, percpu_of, NULL, u32 a)
NEVER(void, irq_message, , u32 a, u8 b, u64 *c, u32 *d)
NEVER(void, frame_dma_get, , hpa_t a, u64 b)
NEVER(void, frame_dma_put, , hpa_t a, u64 b)

static bool never(const struct pci_function *function)
{
	(void)function;
	return false;
}

const struct gpu_family_ops virtio_gpu_family = { .matches = never };

/* ---- a machine with two guests ---- */

static struct pci pci;
static struct config config;
static struct vm vms[GUESTS];

static struct vbe_vgpu *vgpu_of(u32 guest)
{
	return vbe_of(vms[guest].vgpu);
}

/* The owner CPU, until it has nothing to do; returns in how many steps. */
static u32 settle(void)
{
	u32 steps = 0;

	for (; raised; steps++) {
		assert_true(steps < 10000);
		raised = false;
		softirq_handler(0);
	}
	return steps;
}

static void boot(enum kind kind, u64 size, u64 quota)
{
	struct pci_function *f = &pci.functions[0];

	memset(&device, 0, sizeof(device));
	memset(memory, 0xaa, sizeof(memory));
	device.kind = kind;
	device.size = size;
	pool_used = pages_out = lines = 0;
	bus_master = true;
	raised = false;
	armed = NULL;
	pci.function_count = 1;
	*f = (struct pci_function){ .vendor_id = 0x1234, .device_id = 0x1111 };
	f->bars[0] = (struct pci_bar){ PCI_BAR_MEM32, true, BASE, size };
	if (kind != PORTS)
		f->bars[2] = (struct pci_bar){ PCI_BAR_MEM32, false, BAR2, PAGE_SIZE };
	memset(&config, 0, sizeof(config));
	config.gpu_count = 1;
	config.guest_count = GUESTS;
	config.gpus[0].slice_ns = 2000000;
	for (u32 i = 0; i < GUESTS; i++) {
		config.guests[i].gpu_memory = quota;
		config.guests[i].gpu_weight = 100;
		config.guests[i].gpu_cap = 1000;
	}
	assert_int_equal(gpu_start(&config, &pci, NULL), OK);
	assert_string_equal(f->owner, "gpu");
	for (u32 i = 0; i < GUESTS; i++) {
		memset(&vms[i], 0, sizeof(vms[i]));
		snprintf(vms[i].name, sizeof(vms[i].name), "guest%u", i);
		vms[i].id = (u16)(i + 1);
		vms[i].config = &config.guests[i];
		vms[i].memory.size = MIB(64);
		assert_int_equal(vgpu_create(&vms[i], &config.guests[i]), OK);
	}
	settle();
}

static void power_off(void)
{
	for (u32 i = 0; i < GUESTS; i++)
		vgpu_destroy(&vms[i]);
	if (cpu1_started)
		pthread_join(cpu1, NULL);
	cpu1_started = false;
	assert_int_equal(pages_out, 1); /* the device's own */
}

static enum access_result access_page(u32 guest, u32 offset, u8 size, bool write, u64 *value)
{
	struct vpci_span *span = &vgpu_function(&vms[guest])->bars[2].spans[0];
	struct access access = { offset, *value, size, write };
	enum access_result result = span->handler(NULL, span->ctx, &access);

	*value = access.value;
	return result;
}

static u64 get(u32 guest, u32 offset, u8 size)
{
	u64 value = ~0ULL;

	assert_int_equal(access_page(guest, offset, size, false, &value), ACCESS_HANDLED);
	return value;
}

static void set(u32 guest, u32 index, u32 register_value)
{
	u64 value = register_value;

	assert_int_equal(access_page(guest, VBE_MMIO_DISPI + 2 * index, 2, true, &value),
			 ACCESS_HANDLED);
}

/* As bochs-drm does it. */
static void set_mode(u32 guest, u32 width, u32 height, u32 bpp)
{
	set(guest, VBE_DISPI_ENABLE, 0);
	set(guest, VBE_DISPI_BPP, bpp);
	set(guest, VBE_DISPI_XRES, width);
	set(guest, VBE_DISPI_YRES, height);
	set(guest, VBE_DISPI_VIRT_WIDTH, width);
	set(guest, VBE_DISPI_X_OFFSET, 0);
	set(guest, VBE_DISPI_Y_OFFSET, 0);
	set(guest, VBE_DISPI_ENABLE, VBE_DISPI_ENABLED | VBE_DISPI_LFB);
	settle();
}

static const char *path(u32 guest)
{
	struct vgpu_report report;
	struct vgpu *vgpu = vms[guest].vgpu;

	vgpu->gpu->ops->vgpu_report(vgpu, &report);
	return report.scanout_path;
}

static bool is_zero(const u8 *at, u64 size)
{
	return !at[0] && !memcmp(at, at + 1, size - 1);
}

/* ---- registers ---- */

static void registers_hold_what_is_written(void **state)
{
	(void)state;
	boot(DISPLAY, MIB(16), MIB(64));
	assert_int_equal(get(0, VBE_MMIO_DISPI, 2), VBE_DISPI_ID5);
	assert_int_equal(get(0, VBE_MMIO_DISPI + 2 * VBE_DISPI_MEMORY_64K, 2), 128);
	set(0, VBE_DISPI_ID, 0xb0c0);
	set(0, VBE_DISPI_MEMORY_64K, 1);
	assert_int_equal(get(0, VBE_MMIO_DISPI, 2), VBE_DISPI_ID5);
	assert_int_equal(get(0, VBE_MMIO_DISPI + 2 * VBE_DISPI_MEMORY_64K, 2), 128);
	for (u32 i = VBE_DISPI_XRES; i < VBE_DISPI_MEMORY_64K; i++) {
		set(0, i, 0xff00 | i);
		assert_int_equal(get(0, VBE_MMIO_DISPI + 2 * i, 2), 0xff00 | i);
	}
	assert_int_equal(get(0, VBE_MMIO_DISPI + 4, 4), 0xff03ff02);
	assert_int_equal(get(0, VBE_MMIO_DISPI + 3, 1), 0xff);
	power_off();
}

static void modes_are_checked_against_the_slice(void **state)
{
	static const struct {
		u16 width, height, bpp, virt, x, y;
		bool good;
	} cases[] = {
		{ 1024, 768, 32, 1024, 0, 0, true },
		{ 1024, 768, 16, 0, 0, 0, true },
		{ 1024, 1024, 32, 1024, 0, 0, true },
		{ 1024, 1025, 32, 1024, 0, 0, false },
		{ 1024, 1024, 32, 1024, 1, 0, false },
		{ 1024, 1023, 32, 1024, 1024, 0, true },
		{ 1024, 1023, 32, 1024, 1025, 0, false },
		{ 1024, 1024, 32, 1025, 0, 0, false },
		{ 1024, 512, 32, 2048, 0, 0, true },
		{ 1024, 512, 32, 2048, 0, 1, false },
		{ 64, 64, 32, 64, 0, 0, true },
		{ 63, 64, 32, 64, 0, 0, false },
		{ 64, 63, 32, 64, 0, 0, false },
		{ 640, 480, 24, 640, 0, 0, false },
		{ 640, 480, 8, 640, 0, 0, false },
		{ 640, 480, 0, 640, 0, 0, false },
		{ 65535, 65535, 32, 65535, 65535, 65535, false },
		{ 64, 64, 32, 65535, 0, 65535, false },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vbe_registers r;
		struct vbe_mode mode;

		vbe_registers_init(&r, MIB(4));
		r.value[VBE_DISPI_XRES] = cases[i].width;
		r.value[VBE_DISPI_YRES] = cases[i].height;
		r.value[VBE_DISPI_BPP] = cases[i].bpp;
		r.value[VBE_DISPI_VIRT_WIDTH] = cases[i].virt;
		r.value[VBE_DISPI_X_OFFSET] = cases[i].x;
		r.value[VBE_DISPI_Y_OFFSET] = cases[i].y;
		assert_false(vbe_registers_mode(&r, &mode)); /* not enabled */
		r.value[VBE_DISPI_ENABLE] = VBE_DISPI_ENABLED;
		assert_int_equal(vbe_registers_mode(&r, &mode), cases[i].good);
	}
}

static void page_has_edid_byte_order_and_no_vga(void **state)
{
	u64 value = 0xbebebebe;
	u8 sum = 0;

	(void)state;
	boot(PORTS, MIB(16), MIB(8));
	for (u32 i = 0; i < VBE_EDID_SIZE; i++)
		sum = (u8)(sum + get(0, i, 1));
	assert_int_equal(sum, 0);
	assert_int_equal(get(0, 0, 8), 0x00ffffffffffff00);
	assert_int_equal(get(0, VBE_EDID_SIZE, 4), 0); /* one block */
	assert_int_equal(get(0, VBE_MMIO_EXT, 4), 8);
	assert_int_equal(access_page(0, VBE_MMIO_EXT + 4, 4, true, &value), ACCESS_HANDLED);
	assert_int_equal(get(0, VBE_MMIO_EXT + 4, 4), VBE_LITTLE_ENDIAN);
	assert_int_equal(access_page(0, VBE_MMIO_VGA, 1, true, &value), ACCESS_NOT_MINE);
	assert_int_equal(access_page(0, VBE_MMIO_DISPI + 22, 2, false, &value), ACCESS_NOT_MINE);
	assert_int_equal(access_page(0, VBE_MMIO_DISPI, 8, false, &value), ACCESS_NOT_MINE);
	assert_int_equal(access_page(0, 0xff8, 8, false, &value), ACCESS_NOT_MINE);
	power_off();
}

static void preferred_mode_fits_twice(void **state)
{
	(void)state;
	for (u64 size = MIB(1); size <= MIB(64); size *= 2) {
		u8 edid[VBE_EDID_SIZE];
		u64 width, height;

		vbe_edid(edid, size);
		width = edid[56] | (u64)(edid[58] >> 4) << 8;
		height = edid[59] | (u64)(edid[61] >> 4) << 8;
		assert_true(size < MIB(4) || width * height * 8 <= size);
		assert_int_equal(width, size < MIB(4) ? 640 : size < MIB(8) ? 800 : 1024);
	}
}

/* ---- slices ---- */

static void slices_are_aligned_and_apart(void **state)
{
	(void)state;
	srand(1);
	for (u32 round = 0; round < 2000; round++) {
		struct vbe_slice s[CONFIG_MAX_GUESTS];
		u64 size = MIB(16) << rand() % 5;
		u64 begin, sum = 0;

		memset(&config, 0, sizeof(config));
		config.guest_count = 1 + (u32)rand() % CONFIG_MAX_GUESTS;
		for (u32 i = 0; i < config.guest_count; i++) {
			config.guests[i].gpu = rand() % 4 ? 0 : 1;
			config.guests[i].gpu_memory = MIB(1) + (u64)rand() % MIB(40);
		}
		begin = vbe_slices_begin(&config, 0, size);
		for (u32 i = 0; i < config.guest_count; i++) {
			if (config.guests[i].gpu)
				continue;
			assert_int_equal(vbe_slice_of(&config, 0, i, size, &s[i]), OK);
			assert_int_equal(s[i].size & (s[i].size - 1), 0);
			assert_int_equal(s[i].base % s[i].size, 0);
			assert_true(s[i].size <= config.guests[i].gpu_memory);
			assert_true(s[i].base >= begin && s[i].base + s[i].size <= size);
			sum += s[i].size;
			for (u32 j = 0; j < i; j++)
				assert_true(config.guests[j].gpu ||
					    s[j].base >= s[i].base + s[i].size ||
					    s[i].base >= s[j].base + s[j].size);
		}
		assert_int_equal(begin, size - sum);
	}
}

static void slices_follow_the_file_or_are_equal(void **state)
{
	struct vbe_slice s;

	(void)state;
	memset(&config, 0, sizeof(config));
	config.guest_count = 3;
	config.guests[0].gpu_memory = MIB(5);
	config.guests[1].gpu_memory = MIB(8);
	config.guests[2].gpu_memory = MIB(2);
	assert_int_equal(vbe_slice_of(&config, 0, 0, MIB(16), &s), OK);
	assert_int_equal(s.size, MIB(4));
	assert_int_equal(vbe_slice_of(&config, 0, 1, MIB(16), &s), OK);
	assert_int_equal(s.size, MIB(8));
	config.guests[0].gpu_memory = config.guests[1].gpu_memory = MIB(64);
	assert_int_equal(vbe_slice_of(&config, 0, 1, MIB(16), &s), OK);
	assert_int_equal(s.size, MIB(4));
	config.guest_count = 16;
	for (u32 i = 0; i < 16; i++)
		config.guests[i].gpu_memory = MIB(64);
	assert_int_equal(vbe_slice_of(&config, 0, 15, MIB(8), &s), ERR_NO_MEMORY);
}

/* ---- scan-out ---- */

static void start_clears_and_shows_black(void **state)
{
	(void)state;
	for (enum kind kind = DISPLAY; kind <= PORTS; kind++) {
		boot(kind, MIB(16), MIB(64));
		assert_true(is_zero(memory, MIB(16)));
		assert_int_equal(memory[MIB(16)], 0xaa);
		assert_true(device.shown);
		assert_false(bus_master);
		assert_int_equal(picture(), vgpu_of(0)->slice.base);
		power_off();
	}
}

static void bar0_is_the_slice_and_uncached(void **state)
{
	const struct vpci_bar *bar;

	(void)state;
	boot(VGA, MIB(16), MIB(4));
	for (u32 i = 0; i < GUESTS; i++) {
		bar = &vgpu_function(&vms[i])->bars[0];
		assert_int_equal(bar->size, MIB(4));
		assert_int_equal(bar->span_count, 1);
		assert_int_equal(bar->spans[0].kind, VPCI_SPAN_DIRECT);
		assert_int_equal(bar->spans[0].hpa.raw, BASE + vgpu_of(i)->slice.base);
		assert_int_equal(bar->spans[0].size, MIB(4));
		assert_int_equal(bar->spans[0].attr.type, PTAB_UC);
		assert_false(bar->spans[0].attr.exec);
	}
	power_off();
}

static void focused_guests_mode_is_set_without_copying(void **state)
{
	static const u16 modes[][3] = { { 1024, 768, 32 }, { 800, 600, 32 }, { 640, 480, 32 },
					{ 1360, 768, 32 }, { 800, 600, 16 }, { 1280, 800, 16 } };

	(void)state;
	for (enum kind kind = DISPLAY; kind <= PORTS; kind++) {
		boot(kind, MIB(16), MIB(64));
		for (u32 guest = 0; guest < GUESTS; guest++) {
			assert_int_equal(gpu_focus_by_name(vms[guest].name), OK);
			for (u32 i = 0; i < ARRAY_SIZE(modes); i++) {
				u32 line = modes[i][0] * modes[i][2] / 8U;

				set_mode(guest, modes[i][0], modes[i][1], modes[i][2]);
				assert_string_equal(path(guest), "offset");
				assert_int_equal(picture(), vgpu_of(guest)->slice.base);
				assert_int_equal(device.r[VBE_DISPI_XRES], modes[i][0]);
				assert_int_equal(line_bytes(), line);
				set(guest, VBE_DISPI_Y_OFFSET, modes[i][1]); /* a page flip */
				settle();
				assert_int_equal(picture(), vgpu_of(guest)->slice.base +
								    (u64)line * modes[i][1]);
				set(guest, VBE_DISPI_X_OFFSET, 40);
				settle();
				assert_int_equal(picture() % line, (vgpu_of(guest)->slice.base +
								    40U * modes[i][2] / 8U) %
									   line);
			}
		}
		power_off();
	}
}

static void last_picture_stays_while_no_mode_is_good(void **state)
{
	(void)state;
	boot(DISPLAY, MIB(16), MIB(64));
	set_mode(0, 800, 600, 32);
	set(0, VBE_DISPI_VIRT_WIDTH, 65535);
	set(0, VBE_DISPI_ENABLE, 0);
	settle();
	assert_int_equal(picture(), vgpu_of(0)->slice.base);
	assert_int_equal(device.r[VBE_DISPI_VIRT_WIDTH], 800);
	power_off();
}

static void unfocused_guest_writes_no_register_of_the_device(void **state)
{
	u32 before;

	(void)state;
	boot(PORTS, MIB(16), MIB(64));
	set_mode(0, 1024, 768, 32);
	before = device.writes;
	for (u32 i = 0; i < 1000; i++) {
		set_mode(1, 640 + 8 * (i % 10), 480, 32);
		set(1, VBE_DISPI_Y_OFFSET, i % 480);
	}
	settle();
	assert_int_equal(device.writes, before);
	assert_int_equal(picture(), vgpu_of(0)->slice.base);
	assert_null(path(1));
	power_off();
}

/* Page flips, 30 a second, that nobody sees; then the last one is what focus shows. */
static void an_hour_out_of_focus_ends_where_the_guest_is(void **state)
{
	const u32 flips = 3600 * 30;
	u32 before, line = 0;

	(void)state;
	boot(PORTS, MIB(16), MIB(64));
	set_mode(0, 640, 480, 32);
	set_mode(1, 640, 480, 32);
	settle();
	before = device.writes;
	for (u32 i = 0; i < flips; i++) {
		clock_ns += 1000000000ULL / 30;
		line = i % 2 ? 0 : 480;
		set(1, VBE_DISPI_Y_OFFSET, line);
		if (i % 30 == 0)
			settle();
	}
	assert_int_equal(device.writes, before);
	set(1, VBE_DISPI_Y_OFFSET, line = 480);
	assert_int_equal(gpu_focus_by_name("guest1"), OK);
	settle();
	assert_int_equal(picture(), vgpu_of(1)->slice.base + line * 640ULL * 4);
	assert_string_equal(path(1), "offset");
	power_off();
}

static void focus_between_equal_modes_writes_offsets_alone(void **state)
{
	u32 before;

	(void)state;
	for (enum kind kind = DISPLAY; kind <= PORTS; kind++) {
		boot(kind, MIB(16), MIB(64));
		set_mode(0, 800, 600, 32);
		set_mode(1, 800, 600, 32);
		before = device.writes;
		assert_int_equal(gpu_focus_by_name("guest1"), OK);
		assert_int_equal(settle(), 1);
		assert_int_equal(picture(), vgpu_of(1)->slice.base);
		assert_int_equal(device.writes, before + 3);
		assert_int_not_equal(gpu_get(0)->focus_ticks, 0);
		assert_int_equal(gpu_get(0)->focus_ticks_max, gpu_get(0)->focus_ticks);
		assert_int_equal(gpu_focus_by_name("guest0"), OK);
		settle();
		assert_int_equal(picture(), vgpu_of(0)->slice.base);
		assert_in_range(gpu_get(0)->focus_ticks, 1, gpu_get(0)->focus_ticks_max);
		power_off();
	}
}

/* 128 x 64 in 16 bits: 24 MiB are 98304 lines away, more than a register holds. */
static void picture_is_copied_where_offsets_do_not_reach(void **state)
{
	const u32 width = 128, height = 64;
	u8 *slice;

	(void)state;
	for (enum kind kind = DISPLAY; kind <= PORTS; kind++) {
		boot(kind, MIB(32), MIB(8));
		slice = memory + vgpu_of(0)->slice.base;
		for (u32 i = 0; i < width * height * 2; i++)
			slice[i] = (u8)(i * 7 + 1);
		set_mode(0, width, height, 16);
		assert_string_equal(path(0), "copy");
		assert_int_equal(picture(), 0);
		assert_memory_equal(memory, slice, width * height * 2);
		slice[5] ^= 1;
		assert_non_null(armed);
		armed->fire(armed);
		settle();
		assert_memory_equal(memory, slice, width * height * 2);
		assert_true(is_zero(memory + width * height * 2, MIB(16) - width * height * 2));
		set_mode(0, 1024, 768, 32);
		assert_string_equal(path(0), "offset");
		armed->fire(armed);
		assert_int_equal(settle(), 1); /* nothing is copied any more */
		power_off();
	}
}

/* 16-bit pictures with lines of 1024 bytes; the copy has those of the picture alone. */
static void copy_is_made_in_bounded_steps(void **state)
{
	const u32 width = 502, height = 1000; /* no multiple of 8: VGA cannot */
	u8 *slice;

	(void)state;
	boot(VGA, MIB(32), MIB(8));
	slice = memory + vgpu_of(0)->slice.base;
	for (u32 i = 0; i < width * height * 4; i++)
		slice[i] = (u8)(i * 13 + i / 1000);
	set(0, VBE_DISPI_XRES, width);
	set(0, VBE_DISPI_YRES, height);
	set(0, VBE_DISPI_BPP, 32);
	set(0, VBE_DISPI_ENABLE, VBE_DISPI_ENABLED);
	assert_true(settle() >= width * height * 4 / VBE_COPY_STEP);
	assert_string_equal(path(0), "copy");
	for (u32 y = 0; y < height; y++)
		assert_memory_equal(memory + (u64)y * 496 * 4, slice + (u64)y * width * 4, 496 * 4);
	power_off();
}

static void what_cannot_be_shown_shows_nobody_else(void **state)
{
	(void)state;
	boot(VGA, MIB(32), MIB(16)); /* no room to copy to */
	assert_int_equal(gpu_focus_by_name("guest1"), OK);
	set_mode(1, 1024, 768, 32);
	assert_int_equal(gpu_focus_by_name("guest0"), OK);
	set_mode(0, 128, 64, 16);
	assert_string_equal(path(0), "none");
	assert_true(picture() >= vgpu_of(0)->slice.base &&
		    picture() + line_bytes() * device.r[VBE_DISPI_YRES] <=
			    vgpu_of(0)->slice.base + vgpu_of(0)->slice.size);
	power_off();
}

/* ---- stopping ---- */

static void stopped_guests_slice_is_zero_and_the_others_is_not(void **state)
{
	u32 polls = 1;

	(void)state;
	boot(PORTS, MIB(16), MIB(64));
	set_mode(0, 1024, 768, 32);
	memset(memory, 0x55, MIB(16));
	vgpu_stop(&vms[0]);
	for (; !vgpu_stopped(&vms[0]); polls++)
		assert_false(is_zero(memory + vgpu_of(0)->slice.base, vgpu_of(0)->slice.size));
	assert_int_equal(polls, MIB(8) / VBE_COPY_STEP);
	assert_true(is_zero(memory + vgpu_of(0)->slice.base, MIB(8)));
	assert_int_equal(memory[vgpu_of(1)->slice.base], 0x55);
	assert_memory_equal(memory + vgpu_of(1)->slice.base, memory + vgpu_of(1)->slice.base + 1,
			    MIB(8) - 1);
	assert_int_equal(get(0, VBE_MMIO_DISPI + 2 * VBE_DISPI_ENABLE, 2), 0);
	assert_int_equal(picture(), vgpu_of(0)->slice.base); /* black */
	power_off();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_hold_what_is_written),
		cmocka_unit_test(modes_are_checked_against_the_slice),
		cmocka_unit_test(page_has_edid_byte_order_and_no_vga),
		cmocka_unit_test(preferred_mode_fits_twice),
		cmocka_unit_test(slices_are_aligned_and_apart),
		cmocka_unit_test(slices_follow_the_file_or_are_equal),
		cmocka_unit_test(start_clears_and_shows_black),
		cmocka_unit_test(bar0_is_the_slice_and_uncached),
		cmocka_unit_test(focused_guests_mode_is_set_without_copying),
		cmocka_unit_test(last_picture_stays_while_no_mode_is_good),
		cmocka_unit_test(unfocused_guest_writes_no_register_of_the_device),
		cmocka_unit_test(an_hour_out_of_focus_ends_where_the_guest_is),
		cmocka_unit_test(focus_between_equal_modes_writes_offsets_alone),
		cmocka_unit_test(picture_is_copied_where_offsets_do_not_reach),
		cmocka_unit_test(copy_is_made_in_bounded_steps),
		cmocka_unit_test(what_cannot_be_shown_shows_nobody_else),
		cmocka_unit_test(stopped_guests_slice_is_zero_and_the_others_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
