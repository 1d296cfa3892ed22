// SPDX-License-Identifier: Apache-2.0
/* A guest that writes anything into configuration space, ports, BARs and the MSI-X table. */
// SOURCES: guest/pci.c guest/pci_port.c guest/bar.c guest/msi.c guest/msix.c guest/power.c
// SOURCES: core/region.c
// SOURCES: core/lib/string.c core/lib/error.c
#include "tests/unit/fake_pci.h"

#define MUST(condition) \
	do { \
		if (!(condition)) \
			panic("line %d: %s\n", __LINE__, #condition); \
	} while (0)

/* One step: what to do, where, with which value. */
struct step {
	u8 action;
	u8 size;
	u16 where;
	u32 value;
} packed_struct;

static u64 in_window(u64 address, u64 size)
{
	return (address >= LAYOUT_BAR32 && address + size <= LAYOUT_BAR32 + LAYOUT_BAR32_SIZE) ||
	       (address >= LAYOUT_BAR64 && address + size <= LAYOUT_BAR64 + LAYOUT_BAR64_SIZE);
}

/* Whatever the guest did: what is mapped lies in a window, as a whole or not at all. */
static void check(u32 fixed_regions)
{
	const struct bar_state *bars = &fake_pci.slots[FAKE_DEVICE].bars;
	u32 mapped = fake_vm.mmio.count - fixed_regions;

	MUST(!bars->base[0] || fake_function.memory_enabled);
	MUST(mapped == (bars->base[0] ? FAKE_REGIONS : 0u));
	MUST(fake_direct_count == (bars->base[0] ? 1u : 0u));
	for (u32 i = 0; i < fake_vm.mmio.count; i++) {
		const struct region *region = &fake_vm.mmio.entries[i];

		MUST(region->base == LAYOUT_ECAM || in_window(region->base, region->size));
	}
	for (u32 i = 0; i < fake_direct_count; i++)
		MUST(in_window(fake_direct[i].gpa, fake_direct[i].size));
	MUST(fake_read_config(FAKE_DEVICE, 0, 4) == 0x00001af4);
	MUST((fake_read_config(FAKE_DEVICE, REG_BAR(0), 4) & 0x3fff) == 4);
	MUST((fake_read_config(FAKE_DEVICE, REG_BAR(2), 4) & 0x1fff) == 0);
}

static void act(const struct step *step)
{
	static const u8 sizes[] = { 1, 2, 4, 8 };
	u8 size = sizes[step->size & 3];
	bool write = !(step->size & 4);
	u64 bar0 = bar_read_base(&fake_function, 0);

	switch (step->action % 7) {
	case 0: /* configuration space of some function */
		fake_access(&fake_vm.mmio,
			    fake_ecam(FAKE_DEVICE - (step->where >> 12) % 8 % (FAKE_DEVICE + 1),
				      step->where & 0xfff),
			    size, write, step->value);
		break;
	case 1: /* a BAR, at a place that may be good */
		fake_write_config(FAKE_DEVICE, REG_BAR(step->where % 6), 4,
				  step->where & 0x100 ? (u32)LAYOUT_BAR32 + (step->value & 0xfffff)
						      : step->value);
		break;
	case 2:
		fake_write_config(FAKE_DEVICE, REG_COMMAND, 2, step->value);
		break;
	case 3:
		fake_access(&fake_vm.ports, 0xcf8 + (step->where & 7), size & 7 ? size : 4, write,
			    step->value);
		break;
	case 4:
		fake_access(&fake_vm.mmio, bar0 + (step->where & 0x3fff), size, write, step->value);
		break;
	case 5:
		fake_function.raise_msix(&fake_function, step->value);
		break;
	case 6:
		fake_direct_fails = step->where & 1;
		break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static u8 first_config[VPCI_CONFIG_SIZE];
	u32 fixed_regions;
	struct step step;

	MUST(fake_start());
	memcpy(first_config, fake_function.config, sizeof(first_config));
	fixed_regions = fake_vm.mmio.count - FAKE_REGIONS;
	for (; size >= sizeof(step); data += sizeof(step), size -= sizeof(step)) {
		memcpy(&step, data, sizeof(step));
		act(&step);
		check(fixed_regions);
	}
	fake_direct_fails = false;
	guest_pci_reset(&fake_pci);
	check(fixed_regions);
	MUST(fake_pci.slots[FAKE_DEVICE].bars.base[0]);
	MUST(!memcmp(first_config, fake_function.config, sizeof(first_config)));
	return 0;
}
