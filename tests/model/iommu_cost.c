/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What mapping and unmapping cost in an IOMMU of either vendor: instructions, counted one by one
 * in the hypervisor's own objects, and commands that the unit is given. Fails where a bound is
 * missed.
 *
 * The unit answers at once, so no wait is in it; nor is clearing a frame that becomes a table.
 */
// HYPERVISOR_OBJECTS: drivers/iommu.c drivers/vtd.c drivers/amdvi.c core/ptab.c
// HYPERVISOR_OBJECTS: core/ptab_formats.c

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/frame.h"
#include "drivers/amdvi.h"
#include "drivers/iommu.h"
#include "drivers/vtd.h"
#include "tests/model/steps.h"

#define FRAMES	1024U
#define VTD_VER 0x00
#define VTD_CAP 0x08
#define VTD_EC	0x10
#define RUNNING 0x2020 /* AMD's status register: the queue runs */

/* As QEMU's unit says, and with pages of 1 GiB. */
#define CAP_VALUE  0x00d2008c222f0606ULL
#define ECAP_VALUE 0x0000000000f00f4aULL

struct figure {
	const char *name;
	u64 size;
	u64 at;	   /* where, */
	u64 other; /* and what is mapped meanwhile; 0: nothing, so all tables come and go */
	u32 map_bound, unmap_bound;
};

static const struct figure figures[] = {
	{ "4k", KIB(4), GIB(4) + KIB(4), GIB(4), 1300, 1200 },
	{ "2m", MIB(2), GIB(4) + MIB(2), GIB(4), 1300, 1200 },
	{ "1g", GIB(1), GIB(5), GIB(6), 1300, 1200 },
	{ "64m", MIB(64), GIB(4) + MIB(64), GIB(4), 4000, 2000 },
	{ "4k_alone", KIB(4), GIB(4), 0, 1300, 10000 },
};

static u8 frames[FRAMES][4096] __attribute__((aligned(4096)));
static void *free_frames[FRAMES];
static u32 free_count;
static u8 registers[0x4000] __attribute__((aligned(4096)));
static u8 device_table[65536 * 32] __attribute__((aligned(4096)));
static struct vtd vtd;
static struct amdvi amdvi;
static struct iommu iommu;
static struct iommu_domain domain;
static u32 missed;

/* ---- what the objects ask for: an address of this program is one of the machine's ---- */

hpa_t frame_alloc_contiguous(u32 pages)
{
	return HPA(pages * 4096ULL <= sizeof(device_table) ? (u64)device_table : 0);
}

void frame_free_contiguous(hpa_t frame, u32 pages)
{
	(void)frame;
	(void)pages;
}

struct pci_function *pci_find(struct pci *pci, u16 bdf)
{
	(void)pci;
	(void)bdf;
	return NULL;
}

static hpa_t take_frame(void)
{
	return HPA(free_count ? (u64)free_frames[--free_count] : 0);
}

static void put_frame(hpa_t frame)
{
	free_frames[free_count++] = (void *)frame.raw;
}

static void *see_frame(hpa_t frame)
{
	return (void *)frame.raw;
}

static void *map_registers(hpa_t address, size_t size)
{
	(void)address;
	(void)size;
	return registers;
}

static const struct ptab_memory memory = {
	.alloc_table = take_frame,
	.free_table = put_frame,
	.window = see_frame,
};

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	printf("iommu_cost: %s\n", what);
	exit(1);
}

/* ---- one unit, as iommu_start() leaves it ---- */

static void set_register(u32 at, u64 value)
{
	memcpy(registers + at, &value, sizeof(value));
}

static void start(bool amd)
{
	const struct acpi_iommu_unit unit = { .include_all = true };

	memset(registers, 0, sizeof(registers));
	memset(frames, 0, sizeof(frames));
	for (free_count = 0; free_count < FRAMES; free_count++)
		free_frames[free_count] = frames[free_count];
	iommu = (struct iommu){ .memory = memory, .acpi.amd = amd, .unit_count = 1 };
	if (amd) {
		set_register(RUNNING, BIT(3) | BIT(4));
		must(amdvi_init(&amdvi, &unit, &memory, map_registers, NULL) == OK, "no AMD-Vi");
		iommu.units[0] = &amdvi.unit;
		iommu.format = &ptab_format_amdvi;
	} else {
		set_register(VTD_CAP, CAP_VALUE);
		set_register(VTD_EC, ECAP_VALUE);
		set_register(VTD_VER, 0x10);
		must(vtd_init(&vtd, &unit, &memory, map_registers, false) == OK, "no VT-d");
		iommu.units[0] = &vtd.unit;
		iommu.format = vtd_format(vtd.unit.features);
	}
	iommu.features = iommu.units[0]->features;
	iommu.domain_limit = IOMMU_MAX_DOMAINS + 1;
	iommu.max_leaf_level = PTAB_1G;
	must(iommu_domain_init(&iommu, &domain) == OK, "no domain");
}

/* What the next wait will have written; a unit that has nothing to forget is told nothing. */
static void answer_ahead(void)
{
	*(u32 *)iommu.units[0]->status.raw = iommu.units[0]->ticket + 1;
}

static u32 tail(void)
{
	return iommu.units[0]->queue_tail;
}

/* ---- counting ---- */

static enum err __attribute__((noipa))
nothing(struct iommu_domain *d, iova_t iova, hpa_t hpa, u64 size, u32 rights)
{
	(void)d;
	(void)iova;
	(void)hpa;
	(void)size;
	(void)rights;
	return OK;
}

static u64 count_map(enum err (*map)(struct iommu_domain *d, iova_t iova, hpa_t hpa, u64 size,
				     u32 rights),
		     u64 at, u64 size)
{
	enum err e;

	steps = 0;
	step_on();
	e = map(&domain, IOVA(at), HPA(at), size, IOMMU_READ | IOMMU_WRITE);
	step_off();
	must(e == OK, "refused to map");
	return steps;
}

static u64 count_unmap(u64 at, u64 size)
{
	enum err e;

	steps = 0;
	step_on();
	e = iommu_unmap(&domain, IOVA(at), size);
	step_off();
	must(e == OK, "refused to unmap");
	return steps;
}

static u64 count_flush(u64 at)
{
	enum err e;

	steps = 0;
	step_on();
	e = iommu.units[0]->ops->flush(iommu.units[0], domain.id, at, 0);
	step_off();
	must(e == OK, "refused to forget");
	return steps;
}

static void tell(const char *what, const char *name, bool amd, u64 value, const char *unit,
		 u64 bound)
{
	printf("host iommu.%s%s.%s %llu %s %llu\n", what, name, amd ? "amdvi" : "vtd",
	       (unsigned long long)value, unit, (unsigned long long)bound);
	missed += value > bound;
}

static void measure(const struct figure *figure, bool amd)
{
	u64 none = count_map(nothing, 0, 0), mapped, unmapped;
	u32 before, commands;

	start(amd);
	answer_ahead();
	if (figure->other)
		must(iommu_map(&domain, IOVA(figure->other), HPA(figure->other), figure->size,
			       IOMMU_READ) == OK,
		     "no neighbour");
	answer_ahead();
	mapped = count_map(iommu_map, figure->at, figure->size) - none;
	answer_ahead();
	before = tail();
	unmapped = count_unmap(figure->at, figure->size) - none;
	commands = tail() - before;
	must(commands > 0, "unmapped without a word to the unit");
	tell("map_", figure->name, amd, mapped, "instructions", figure->map_bound);
	tell("unmap_", figure->name, amd, unmapped, "instructions", figure->unmap_bound);
	tell("unmap_commands_", figure->name, amd, commands, "commands", 2);
}

int main(void)
{
	must(steps_begin(), "this processor does not stop after each instruction");
	for (u32 amd = 0; amd < 2; amd++) {
		for (u32 i = 0; i < ARRAY_SIZE(figures); i++)
			measure(&figures[i], amd);
		start(amd);
		answer_ahead();
		tell("", "flush", amd, count_flush(GIB(4)), "instructions", 250);
	}
	printf("iommu_cost: %u bounds missed\n", missed);
	return missed > 0;
}
