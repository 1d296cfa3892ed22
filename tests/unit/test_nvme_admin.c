// SPDX-License-Identifier: Apache-2.0
/* The NVMe admin queue against a model of a controller with secondary ones. */
// SOURCES: drivers/nvme_admin.c core/lib/string.c core/lib/error.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* cmocka.h wants the above first. */
#include <cmocka.h>

#include "arch/x86/io.h"
#include "core/frame.h"
#include "core/lib/string.h"
#include "core/log.h"
#include "core/timer.h"
#include "drivers/nvme_admin.h"
#include "drivers/pci_reset.h"
#include "tests/unit/fake_domain.h"

#define DISK	    PCI_BDF(0, 4, 0)
#define MEMORY	    0x1234000ULL
#define SECONDARIES 80
#define FLEXIBLE    160 /* of either kind */
#define PRIMARY_ID  7
#define STRIDE	    2 /* doorbells 16 bytes apart */

static struct pci machine;
static struct iommu units;
static struct pci_function disk;
static struct nvme_admin admin;
static _Alignas(8) u8 pages[3 * PAGE_SIZE];
static _Alignas(8) u8 registers[NVME_REGISTER_BYTES];
static u64 now;
static bool taken, master, attached, mapped, stuck, silent;
static enum err detach_result;
static char said[300];

/* The controller. */
static u32 head, answered, refused_action;
static u32 primary_next[2], primary_now[2];
static struct {
	u16 id, vf, has[2];
	bool online;
} secondary[SECONDARIES];

/* ---- the machine ---- */

u64 now_ns(void)
{
	return now += 1000000;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list args;

	(void)level;
	va_start(args, fmt);
	vsnprintf(said, sizeof(said), fmt, args);
	va_end(args);
}

void pci_relax(const struct pci *pci)
{
	assert_ptr_equal(pci, &machine);
}

void pci_enable(struct pci *pci, const struct pci_function *function, u16 command)
{
	(void)pci;
	(void)function;
	master = command & PCI_COMMAND_BUS_MASTER;
	assert_true(attached && mapped);
}

void pci_disable(struct pci *pci, const struct pci_function *function, u16 command)
{
	(void)pci;
	(void)function;
	assert_int_equal(command, PCI_COMMAND_BUS_MASTER);
	master = false;
}

enum err pci_reset(struct pci *pci, const struct pci_function *function)
{
	(void)pci;
	(void)function;
	master = false;
	memcpy(primary_now, primary_next, sizeof(primary_now));
	return OK;
}

hpa_t frame_alloc_contiguous(u32 count)
{
	assert_int_equal(count, 3);
	assert_false(taken);
	taken = true;
	return HPA(MEMORY);
}

void frame_free_contiguous(hpa_t frame, u32 count)
{
	assert_int_equal(frame.raw, MEMORY);
	assert_int_equal(count, 3);
	assert_false(attached || master);
	taken = false;
}

void *frame_ptr(hpa_t frame)
{
	assert_int_equal(frame.raw, MEMORY);
	return pages;
}

enum err iommu_map(struct iommu_domain *domain, iova_t iova, hpa_t hpa, u64 size, u32 rights)
{
	(void)domain;
	assert_int_equal(iova.raw, hpa.raw);
	assert_int_equal(hpa.raw, MEMORY);
	assert_int_equal(size, sizeof(pages));
	assert_int_equal(rights, IOMMU_READ | IOMMU_WRITE);
	mapped = true;
	return OK;
}

static void attach(u16 bdf)
{
	assert_int_equal(bdf, DISK);
	attached = true;
}

enum err iommu_detach(struct iommu_domain *domain, u16 bdf)
{
	(void)domain;
	(void)bdf;
	assert_false(master);
	attached = detach_result;
	return detach_result;
}

enum err iommu_domain_fini(struct iommu_domain *domain)
{
	(void)domain;
	return attached ? ERR_BUSY : OK;
}

/* ---- the controller ---- */

static void answer_identify(u32 what)
{
	u8 *data = pages + 2 * PAGE_SIZE;
	u16 words[] = { FLEXIBLE, 50 };

	memset(data, 0, PAGE_SIZE);
	if (what == NVME_IDENTIFY_PRIMARY) {
		data[0] = PRIMARY_ID;
		for (u32 kind = 0; kind < 2; kind++) {
			memcpy(data + 32 + 32 * kind, &words[0], 2);
			memcpy(data + 44 + 32 * kind, &words[1], 2);
		}
		return;
	}
	assert_int_equal(what, NVME_IDENTIFY_SECONDARIES);
	for (u32 i = 0; i < SECONDARIES; i++) {
		memcpy(data + 32 * (i + 1), &secondary[i].id, 2);
		memcpy(data + 32 * (i + 1) + 8, &secondary[i].vf, 2);
	}
}

static u32 flexible_left(u32 kind)
{
	u32 used = primary_now[kind];

	for (u32 i = 0; i < SECONDARIES; i++)
		used += secondary[i].has[kind];
	return FLEXIBLE - used;
}

/* The status of Virtualization Management. */
static u32 manage(u32 dword10, u32 count)
{
	u32 action = dword10 & 15, kind = dword10 >> 8 & 7, id = dword10 >> 16;

	if (action == refused_action)
		return 0x120;
	if (action == NVME_VIRTUALIZATION_PRIMARY) {
		assert_int_equal(id, PRIMARY_ID);
		primary_next[kind] = count;
		return 0;
	}
	for (u32 i = 0; i < SECONDARIES; i++) {
		if (secondary[i].id != id)
			continue;
		if (action == NVME_VIRTUALIZATION_ONLINE) {
			secondary[i].online = true;
			return secondary[i].has[0] < 2 || !secondary[i].has[1] ? 0x120 : 0;
		}
		assert_int_equal(action, NVME_VIRTUALIZATION_ASSIGN);
		if (count > 50 || count > flexible_left(kind))
			return 0x122;
		secondary[i].has[kind] = (u16)count;
		return 0;
	}
	return 0x11f;
}

static void run_next(void)
{
	u32 words[16], status = 0, answer[4] = { 0 };

	assert_true(master && attached);
	memcpy(words, pages + 64 * (head % 64), sizeof(words));
	head++;
	if ((words[0] & 0xff) == NVME_IDENTIFY) {
		assert_int_equal(words[6], MEMORY + 2 * PAGE_SIZE);
		answer_identify(words[10]);
	} else {
		assert_int_equal(words[0] & 0xff, NVME_VIRTUALIZATION);
		status = manage(words[10], words[11]);
	}
	answer[3] = words[0] >> 16 | status << 17 | (answered / 64 % 2 ? 0 : 1U << 16);
	memcpy(pages + PAGE_SIZE + 16 * (answered++ % 64), answer, sizeof(answer));
}

u64 host_mmio_read(const volatile void *reg, unsigned size)
{
	u64 value = 0;

	memcpy(&value, (const void *)reg, size);
	return value;
}

void host_mmio_write(volatile void *reg, u64 value, unsigned size)
{
	u32 at = (u32)((volatile u8 *)reg - registers);

	memcpy((void *)reg, &value, size);
	if (at == NVME_CONFIGURATION) {
		registers[NVME_STATUS] = value & 1 && !stuck;
		head = answered = 0;
		if (!(value & 1))
			for (u32 i = 0; i < SECONDARIES; i++)
				secondary[i].online = false;
	}
	if (at == NVME_DOORBELLS)
		while (head % 64 != value && !silent)
			run_next();
	if (at > NVME_DOORBELLS)
		assert_int_equal(at, NVME_DOORBELLS + (4 << STRIDE));
}

static void *map(hpa_t base, u64 size)
{
	assert_int_equal(base.raw, 0xfe000000);
	assert_int_equal(size, sizeof(registers));
	return registers;
}

static int start(void **state)
{
	u64 cap = 3ULL << 24 | (u64)STRIDE << 32;

	(void)state;
	memset(&admin, 0, sizeof(admin));
	memset(registers, 0, sizeof(registers));
	memset(secondary, 0, sizeof(secondary));
	memset(pages, 0xaa, sizeof(pages));
	memcpy(registers, &cap, 8);
	machine.map = map;
	disk = (struct pci_function){ .bdf = DISK,
				      .bars = { { PCI_BAR_MEM64, false, 0xfe000000, KIB(16) } } };
	for (u32 i = 0; i < SECONDARIES; i++) {
		secondary[i].id = (u16)(100 + i);
		secondary[i].vf = (u16)(i ^ 1) + 1; /* in an order of its own */
	}
	primary_now[0] = primary_now[1] = primary_next[0] = primary_next[1] = FLEXIBLE;
	taken = master = attached = mapped = stuck = silent = false;
	fake_on_attach = attach;
	detach_result = OK;
	refused_action = 0;
	said[0] = 0;
	now = 0;
	return 0;
}

static enum err run(u32 count)
{
	enum err e = nvme_admin_free(&admin, &machine, &units, &disk);

	if (!e)
		e = nvme_admin_give(&admin, count);
	nvme_admin_close(&admin);
	return e;
}

static void each_gets_an_equal_part_and_is_online(void **state)
{
	(void)state;
	assert_int_equal(run(5), OK);
	for (u32 i = 0; i < SECONDARIES; i++) {
		bool one = secondary[i].vf <= 5;

		assert_int_equal(secondary[i].online, one);
		assert_int_equal(secondary[i].has[0], one ? FLEXIBLE / 5 : 0);
		assert_int_equal(secondary[i].has[1], one ? FLEXIBLE / 5 : 0);
	}
}

static void none_gets_more_than_it_may_have(void **state)
{
	(void)state;
	assert_int_equal(run(1), OK);
	assert_int_equal(secondary[1].vf, 1);
	assert_int_equal(secondary[1].has[0], 50);
}

static void queues_go_round(void **state)
{
	(void)state;
	assert_int_equal(run(64), OK);
	assert_int_equal(answered, 1 + 3 * 64);
}

static void afterwards_nothing_is_in_reach_and_the_controller_is_on(void **state)
{
	(void)state;
	assert_int_equal(run(2), OK);
	assert_false(taken || master || attached);
	assert_int_equal(registers[NVME_STATUS], 1);
}

static void a_refused_command_is_told(void **state)
{
	(void)state;
	refused_action = NVME_VIRTUALIZATION_ONLINE;
	assert_int_equal(run(2), ERR_DEVICE);
	assert_string_equal(said,
			    "00:04.0: NVMe command 0x1c (0x640009, 0x0) ended with status 0x120");
	assert_false(taken || master || attached);
}

static void more_than_it_lists_are_not_found(void **state)
{
	(void)state;
	secondary[0].vf = secondary[1].vf = 0;
	assert_int_equal(run(4), ERR_NOT_FOUND);
}

static void waits_end(void **state)
{
	(void)state;
	stuck = true;
	assert_int_equal(run(2), ERR_TIMEOUT);
	assert_in_range(now, 2000000000, 2100000000);
	(void)start(NULL);
	silent = true;
	assert_int_equal(run(2), ERR_TIMEOUT);
	assert_in_range(now, 2000000000, 2100000000);
	assert_false(taken || master || attached);
}

static void memory_stays_taken_if_the_iommu_does_not_obey(void **state)
{
	(void)state;
	detach_result = ERR_TIMEOUT;
	assert_int_equal(run(2), OK);
	assert_true(taken);
	assert_non_null(strstr(said, "the IOMMU does not obey"));
}

static void without_registers_there_is_no_session(void **state)
{
	(void)state;
	disk.bars[0].base = 0;
	assert_int_equal(run(2), ERR_INVALID);
	assert_false(taken || attached);
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_gets_an_equal_part_and_is_online),
		TEST(none_gets_more_than_it_may_have),
		TEST(queues_go_round),
		TEST(afterwards_nothing_is_in_reach_and_the_controller_is_on),
		TEST(a_refused_command_is_told),
		TEST(more_than_it_lists_are_not_found),
		TEST(waits_end),
		TEST(memory_stays_taken_if_the_iommu_does_not_obey),
		TEST(without_registers_there_is_no_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
