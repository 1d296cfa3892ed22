// SPDX-License-Identifier: Apache-2.0
/* Base address registers: sizing, mapping, moving, rolling back. */
#include "guest/bar.h"

#include "drivers/pci_regs.h"
#include "guest/layout.h"

#define BAR_OFFSET(i) ((i) == VPCI_ROM ? PCI_ROM : PCI_BAR0 + 4 * (i))
#define ROM_ENABLE    BIT(0)
#define NOWHERE	      0

static enum err check_spans(const struct vpci_bar *bar)
{
	u64 end = 0;

	if (bar->span_count > VPCI_BAR_SPAN_MAX)
		return ERR_INVALID;
	for (u32 i = 0; i < bar->span_count; i++) {
		const struct vpci_span *span = &bar->spans[i];

		if (!span->size || !IS_ALIGNED(span->offset | span->size, PAGE_SIZE) ||
		    span->offset < end || span->size > bar->size ||
		    span->offset > bar->size - span->size)
			return ERR_INVALID;
		end = span->offset + span->size;
	}
	return OK;
}

enum err bar_check(const struct vpci_function *function)
{
	for (u32 i = 0; i < VPCI_BAR_COUNT; i++) {
		const struct vpci_bar *bar = &function->bars[i];

		if (!bar->size)
			continue;
		if (bar->size < PAGE_SIZE || bar->size & (bar->size - 1) || check_spans(bar))
			return ERR_INVALID;
		if (bar->is_64bit && (i + 1 >= VPCI_ROM || function->bars[i + 1].size))
			return ERR_INVALID;
		if (!bar->is_64bit && bar->size > GIB(1))
			return ERR_INVALID;
	}
	return OK;
}

void bar_init(struct vpci_function *function)
{
	for (u32 i = 0; i < VPCI_BAR_COUNT; i++) {
		const struct vpci_bar *bar = &function->bars[i];
		u64 mask = ~(bar->size - 1);

		if (!bar->size)
			continue;
		vpci_put(&function->config[BAR_OFFSET(i)],
			 (bar->is_64bit ? PCI_BAR_64BIT : 0) |
				 (bar->prefetchable ? PCI_BAR_PREFETCHABLE : 0),
			 4);
		vpci_put(&function->writable[BAR_OFFSET(i)], (u32)mask | (i == VPCI_ROM), 4);
		if (bar->is_64bit)
			vpci_put(&function->writable[BAR_OFFSET(i + 1)], (u32)(mask >> 32), 4);
	}
}

u64 bar_read_base(const struct vpci_function *function, u32 index)
{
	u64 base = vpci_get(&function->config[BAR_OFFSET(index)], 4) & ~PCI_BAR_FLAGS;

	if (function->bars[index].is_64bit)
		base |= (u64)vpci_get(&function->config[BAR_OFFSET(index + 1)], 4) << 32;
	return base;
}

void bar_write_base(struct vpci_function *function, u32 index, u64 base)
{
	u8 *low = &function->config[BAR_OFFSET(index)];

	vpci_put(low, (u32)((base & ~PCI_BAR_FLAGS) | (vpci_get(low, 4) & PCI_BAR_FLAGS)), 4);
	if (function->bars[index].is_64bit)
		vpci_put(&function->config[BAR_OFFSET(index + 1)], (u32)(base >> 32), 4);
}

/* Where it decodes as soon as memory decoding is on; or NOWHERE. */
static u64 place_of(const struct vpci_function *function, u32 index)
{
	if (index == VPCI_ROM &&
	    !(vpci_get(&function->config[BAR_OFFSET(VPCI_ROM)], 4) & ROM_ENABLE))
		return NOWHERE;
	return bar_read_base(function, index);
}

static bool inside(u64 base, u64 size, u64 window, u64 window_size)
{
	return base >= window && size <= window_size && base - window <= window_size - size;
}

/* A BAR may lie only where the guest's tables say that BARs lie. */
static bool place_is_good(u64 base, u64 size)
{
	return inside(base, size, LAYOUT_BAR32, LAYOUT_BAR32_SIZE) ||
	       inside(base, size, LAYOUT_BAR64, LAYOUT_BAR64_SIZE);
}

static enum err map_span(struct vm *vm, const struct vpci_span *span, u64 base)
{
	const struct region region = {
		.base = base + span->offset,
		.size = span->size,
		.handler = span->handler,
		.ctx = span->ctx,
		.name = "BAR",
	};

	if (span->kind == VPCI_SPAN_DIRECT)
		return vm_map_direct(vm, GPA(base + span->offset), span->hpa, span->size,
				     span->attr);
	return region_add(&vm->mmio, &region);
}

static void unmap_span(struct vm *vm, const struct vpci_span *span, u64 base)
{
	if (span->kind == VPCI_SPAN_TRAPPED)
		(void)!region_remove(&vm->mmio, base + span->offset);
	else if (vm_unmap_direct(vm, GPA(base + span->offset), span->size))
		panic("a direct span cannot be unmapped: it was mapped as a whole");
}

/* Take away the first `spans` spans of a BAR. */
static void unmap_bar(struct vm *vm, const struct vpci_bar *bar, u64 base, u32 spans)
{
	for (u32 i = 0; i < spans; i++)
		unmap_span(vm, &bar->spans[i], base);
}

static enum err map_bar(struct vm *vm, const struct vpci_bar *bar, u64 base)
{
	for (u32 i = 0; i < bar->span_count; i++) {
		enum err e = map_span(vm, &bar->spans[i], base);

		if (e) {
			/* A part of it was there for a moment, and may be in a TLB. */
			if (e == ERR_NO_MEMORY && bar->spans[i].kind == VPCI_SPAN_DIRECT)
				unmap_span(vm, &bar->spans[i], base);
			unmap_bar(vm, bar, base, i);
			return e;
		}
	}
	return OK;
}

/* Those that are not where they should be; or all. */
static void unmap_bars(struct vm *vm, const struct vpci_function *function, struct bar_state *state,
		       bool all)
{
	for (u32 i = 0; i < VPCI_BAR_COUNT; i++) {
		const struct vpci_bar *bar = &function->bars[i];

		if (!state->base[i] || (!all && state->base[i] == place_of(function, i)))
			continue;
		unmap_bar(vm, bar, state->base[i], bar->span_count);
		state->base[i] = NOWHERE;
	}
}

static void map_bars(struct vm *vm, const struct vpci_function *function, struct bar_state *state)
{
	for (u32 i = 0; i < VPCI_BAR_COUNT; i++) {
		const struct vpci_bar *bar = &function->bars[i];
		u64 base = place_of(function, i);
		enum err e;

		if (!bar->size || (state->base[i] == base && (base || i == VPCI_ROM)))
			continue;
		e = place_is_good(base, bar->size) ? map_bar(vm, bar, base) : ERR_RANGE;
		if (e) {
			if (log_allowed(&state->limit, 4))
				log_warn("guest %s: BAR%u cannot be at 0x%lx: %s", vm->name, i,
					 base, err_name(e));
			unmap_bars(vm, function, state, true);
			return;
		}
		state->base[i] = base;
	}
}

void bar_update(struct vm *vm, struct vpci_function *function, struct bar_state *state)
{
	unmap_bars(vm, function, state, !function->memory_enabled);
	if (function->memory_enabled)
		map_bars(vm, function, state);
}
