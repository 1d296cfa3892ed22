/* SPDX-License-Identifier: Apache-2.0 */
/* vCPUs on processors whose TLBs forget nothing by themselves: what is flushed, and what not. */
// SOURCES: arch/x86/tlb.c core/vm.c core/frame_tables.c core/gmem.c core/ptab.c core/ptab_formats.c
// SOURCES: core/lib/fmt.c core/lib/string.c
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/tlb.h"
#include "core/frame.h"
#include "core/log.h"
#include "core/vm.h"
#include "core/window.h"

/*
 * The tables, the shoot-down and the choice of tags are the hypervisor's own
 * code. Around it: processors that remember every translation that a guest could
 * have used, under the tags of the manuals, and nested tables' upper entries too.
 * Random schedules move vCPUs among processors, map and unmap direct spans, change
 * CR4 (the hypervisor does it, nothing is flushed) and CR3 (the guest does it, this
 * processor flushes its tag), destroy VMs and reuse their root frames.
 *
 * After every entry, nothing that the vCPU could hit may differ from the tables.
 * Every flush must have been due: something could have been remembered under what
 * it flushes, before the last change that it is for.
 *
 * A mutant is the same code with one thing left out (or one flush too many), and
 * must be found wrong.
 */

#define CPUS	5U
#define VMS	3U
#define VCPUS	3U /* of a VM */
#define TAGS	64U
#define ROOTS	64U
#define SLOTS	17U /* pages that guests touch: 16 in the direct area, and one of RAM */
#define REGIONS 3U  /* of 2 MiB: RAM and the direct area */
#define AREA	0xc0000000ULL
#define STEP	(64 * PAGE_SIZE) /* slots of the area are so far apart */
#define NEVER	(~0ULL)

enum mutant {
	MUTANT_NONE,
	NO_NESTED,	/* TLB_FLUSH_NESTED is not carried out */
	NO_TAG,		/* nor is TLB_FLUSH_TAG */
	NO_ALL,		/* nor is TLB_FLUSH_ALL_TAGS */
	NO_EPOCH,	/* tables change and the epoch does not */
	NO_FRESH_SPACE, /* a new VM goes on with the epochs of the old one */
	NO_FRESH_TAG,	/* a vCPU that moves keeps its number */
	NO_LINEAR,	/* changes of CR4 are not told */
	NO_DISTRUST,	/* a failed entry is taken for a flush */
	MORE_NESTED,	/* flushes that nobody needs */
	MORE_TAG,
	MUTANTS,
};

static const char *const mutant_names[MUTANTS] = {
	"none",
	"no-nested-flush",
	"no-tag-flush",
	"no-flush-of-all",
	"no-epoch",
	"no-fresh-space",
	"no-fresh-tag",
	"cr4-not-told",
	"failed-entry-trusted",
	"nested-flush-always",
	"tag-flush-always",
};

struct world {
	const char *name;
	enum virt_nested nested;
	struct tlb_caps caps;
	u32 pool;
};

/* One remembered translation; the page it leads to, 0: none. */
struct cpu {
	u64 combined[TAGS][ROOTS][SLOTS]; /* by linear page */
	u64 physical[ROOTS][SLOTS];	  /* by guest-physical page; ROOTS or TAGS */
	u64 upper[ROOTS][REGIONS];	  /* the table that maps the region */
	struct tlb_pool pool;
	struct guest *running;
	/* For the oracle: since when something may be remembered under it; NEVER: nothing is. */
	u64 tag_since[TAGS];
	u64 root_since[ROOTS];
	bool given[TAGS]; /* since all were flushed */
};

struct guest {		  /* a vCPU and its guest */
	struct vcpu vcpu; /* first */
	u32 cpu;
	u32 mode;	    /* its own page tables: which linear page is which slot */
	u64 linear_changed; /* when the hypervisor changed CR4 */
	bool entered;
};

static const struct world *world;
static enum mutant mutant;
static struct cpu cpus[CPUS];
static struct guest guests[VMS][VCPUS];
static struct vm *machines[VMS];
static u64 rights_lost[VMS];
static u64 roots[ROOTS];
static u32 root_count;
static u64 now, seed;
static u64 entries, stale, superfluous, flushes;

static u32 below(u32 limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)(seed >> 20) % limit;
}

/* ---- what is below core/vm.c ---- */

static void *free_frames[4096];
static u32 free_count;
static u64 next_chunk;

hpa_t frame_alloc(void)
{
	void *frame = free_count ? free_frames[--free_count] : aligned_alloc(PAGE_SIZE, PAGE_SIZE);

	memset(frame, 0, PAGE_SIZE);
	return HPA((u64)frame);
}

void frame_free(hpa_t frame)
{
	memset((void *)frame.raw, 0xee, PAGE_SIZE); /* it leads nowhere good */
	free_frames[free_count++] = (void *)frame.raw;
}

hpa_t frame_alloc_contiguous(u32 pages)
{
	void *memory;

	if (pages == 1)
		return frame_alloc();
	memory = aligned_alloc(PAGE_SIZE, pages * PAGE_SIZE);
	memset(memory, 0, pages * PAGE_SIZE);
	return HPA((u64)memory);
}

void frame_free_contiguous(hpa_t frame, u32 pages)
{
	if (pages == 1)
		frame_free(frame);
	else
		free((void *)frame.raw);
}

void *frame_ptr(hpa_t frame)
{
	return (void *)frame.raw;
}

hpa_t frame_of(const void *ptr)
{
	return HPA((u64)ptr);
}

hpa_t frame_alloc_chunk(u16 owner)
{
	(void)owner;
	next_chunk += GMEM_CHUNK_SIZE;
	return HPA(next_chunk);
}

void frame_free_chunk(hpa_t chunk)
{
	(void)chunk;
}

void frame_get_stats(struct frame_stats *stats)
{
	*stats = (struct frame_stats){ 0 };
}

void *vmap_window(unsigned int slot, hpa_t hpa)
{
	(void)slot;
	(void)hpa;
	abort();
}

void log_at(enum log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

void panic(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

void vcpu_request(struct vcpu *vcpu, u32 request)
{
	(void)vcpu;
	(void)request;
	abort();
}

/* ---- the processor ---- */

static u64 slot_gpa(u32 slot)
{
	return slot ? AREA + (slot - 1) * STEP : 0;
}

static u32 region_of(u32 slot)
{
	return slot ? 1 + (slot - 1) / 8 : 0;
}

static u32 root_number(u64 root)
{
	u32 i = 0;

	while (i < root_count && roots[i] != root)
		i++;
	if (i == root_count) {
		if (root_count++ == ROOTS)
			abort();
		roots[i] = root;
	}
	return i;
}

/* The tables as they are, read as hardware reads them. `upper`: the table of 4 KiB pages. */
static u64 walk(u64 root, u64 gpa, u64 *upper)
{
	u64 present = world->nested == VIRT_NESTED_EPT ? 7 : 1;
	u64 table = root;

	*upper = 0;
	for (u32 shift = 39;; shift -= 9) {
		u64 entry = ((const u64 *)table)[gpa >> shift & 511];

		if (shift == 12)
			*upper = table;
		if (!(entry & present))
			return 0;
		table = entry & 0x000ffffffffff000ULL;
		if (shift == 12)
			return table;
		if (entry & BIT(7))
			return table + (gpa & (BIT(shift) - 1) & ~PAGE_MASK);
	}
}

/* Where what is guest-physical is remembered: by root, or by tag. */
static u32 physical_key(const struct guest *guest, u32 tag)
{
	return world->caps.nested_by_space ? root_number(guest->vcpu.arch.nested_root.raw) : tag;
}

static u32 combined_key(const struct guest *guest)
{
	return world->caps.nested_by_space ? root_number(guest->vcpu.arch.nested_root.raw) : 0;
}

/* The guest's own tables: linear page to slot. */
static u32 slot_of_linear(const struct guest *guest, u32 linear)
{
	return (linear + guest->mode * 5 + guest->vcpu.index) % SLOTS;
}

/* The guest uses every page that it can, and the processor remembers. */
static void use_everything(struct guest *guest)
{
	struct cpu *cpu = &cpus[guest->cpu];
	u32 tag = guest->vcpu.arch.tag.value;
	u32 key = physical_key(guest, tag);
	u64 upper;

	cpu->tag_since[tag] = MIN(cpu->tag_since[tag], now);
	cpu->root_since[combined_key(guest)] = MIN(cpu->root_since[combined_key(guest)], now);
	for (u32 linear = 0; linear < SLOTS; linear++) {
		u32 slot = slot_of_linear(guest, linear);
		u64 *hit = &cpu->combined[tag][combined_key(guest)][linear];

		if (!cpu->physical[key][slot])
			cpu->physical[key][slot] =
				walk(guest->vcpu.arch.nested_root.raw, slot_gpa(slot), &upper);
		else
			(void)walk(guest->vcpu.arch.nested_root.raw, slot_gpa(slot), &upper);
		if (!cpu->upper[key][region_of(slot)])
			cpu->upper[key][region_of(slot)] = upper;
		if (!*hit)
			*hit = cpu->physical[key][slot];
	}
}

/* Nothing that it could hit differs from the tables. */
static bool is_clean(const struct guest *guest)
{
	const struct cpu *cpu = &cpus[guest->cpu];
	u32 tag = guest->vcpu.arch.tag.value;
	u32 key = physical_key(guest, tag);
	bool clean = true;
	u64 upper;

	for (u32 linear = 0; linear < SLOTS; linear++) {
		u32 slot = slot_of_linear(guest, linear);
		u64 truth = walk(guest->vcpu.arch.nested_root.raw, slot_gpa(slot), &upper);
		u64 combined = cpu->combined[tag][combined_key(guest)][linear];
		u64 table = cpu->upper[key][region_of(slot)];

		clean &= !combined || combined == truth;
		clean &= !cpu->physical[key][slot] || cpu->physical[key][slot] == truth;
		clean &= !table || table == upper;
	}
	return clean;
}

static void forget_combined(struct cpu *cpu, u32 tag)
{
	memset(cpu->combined[tag], 0, sizeof(cpu->combined[tag]));
	cpu->tag_since[tag] = NEVER;
}

static void forget_physical(struct cpu *cpu, u32 key)
{
	memset(cpu->physical[key], 0, sizeof(cpu->physical[key]));
	memset(cpu->upper[key], 0, sizeof(cpu->upper[key]));
}

static void flush_tag(struct cpu *cpu, u32 tag)
{
	forget_combined(cpu, tag);
	if (!world->caps.nested_by_space)
		forget_physical(cpu, tag);
}

static void flush_nested(struct cpu *cpu, u32 root)
{
	forget_physical(cpu, root);
	cpu->root_since[root] = NEVER;
	for (u32 tag = 0; tag < world->pool; tag++)
		memset(cpu->combined[tag][root], 0, sizeof(cpu->combined[tag][root]));
	for (u32 v = 0; v < VMS; v++)
		for (u32 i = 0; i < VCPUS; i++) {
			const struct tlb_tag *tag = &guests[v][i].vcpu.arch.tag;

			if (guests[v][i].entered && combined_key(&guests[v][i]) == root &&
			    &cpus[tag->cpu] == cpu && tag->generation == cpu->pool.generation)
				cpu->tag_since[tag->value] = NEVER;
		}
}

/* Whatever was there before us, or under a root's frame when it was something else. */
static void fill_with_garbage(struct cpu *cpu, u32 root)
{
	bool all = root == ROOTS;

	for (u32 tag = 0; tag < TAGS; tag++)
		for (u32 r = 0; r < ROOTS; r++)
			for (u32 s = 0; s < SLOTS && (all || r == root); s++)
				cpu->combined[tag][r][s] = 0xbad000;
	for (u32 r = 0; r < ROOTS; r++) {
		for (u32 s = 0; s < SLOTS; s++)
			cpu->physical[r][s] = 0xbad000;
		cpu->root_since[r] = 0;
		cpu->tag_since[r] = 0;
		cpu->given[r] = true;
	}
}

/* ---- flushes, and whether they were due ---- */

static void judge(bool due)
{
	flushes++;
	superfluous += !due;
}

static void carry_out(struct guest *guest, u32 action, const struct tlb_tag *before)
{
	struct cpu *cpu = &cpus[guest->cpu];
	const struct tlb_tag *tag = &guest->vcpu.arch.tag;
	u64 lost = rights_lost[guest->vcpu.vm->id - 1];
	bool kept = before->value && before->cpu == guest->cpu &&
		    before->generation == cpu->pool.generation;
	bool all_given = true;
	bool stale_tag;

	if (action & TLB_FLUSH_NESTED) {
		judge(cpu->root_since[combined_key(guest)] < lost);
		if (mutant != NO_NESTED)
			flush_nested(cpu, combined_key(guest));
	}
	stale_tag = before->value < TAGS && cpu->tag_since[before->value] < guest->linear_changed;
	if (!world->caps.nested_by_space)
		stale_tag |= cpu->tag_since[before->value] < lost;
	if (action & TLB_FLUSH_TAG) {
		judge(stale_tag);
		if (mutant != NO_TAG)
			flush_tag(cpu, tag->value);
	}
	if (action & TLB_FLUSH_ALL_TAGS) {
		for (u32 i = 1; i < world->pool; i++)
			all_given &= cpu->given[i];
		judge(all_given);
		memset(cpu->given, 0, sizeof(cpu->given));
		for (u32 i = 0; i < world->pool && mutant != NO_ALL; i++)
			flush_tag(cpu, i);
	}
	if (!kept || before->value != tag->value) { /* a tag was used up */
		superfluous += kept && !(stale_tag && !world->caps.flush_tag);
		cpu->given[tag->value] = true;
	}
}

/* As enter() in core/vcpu_run.c and the vendors' run(). */
static void enter(struct guest *guest, u32 number)
{
	struct vcpu *vcpu = &guest->vcpu;
	struct cpu *cpu = &cpus[number];
	struct tlb_tag before = vcpu->arch.tag;
	bool fails = world->nested == VIRT_NESTED_NPT && below(200) == 0;
	u32 action;

	now++;
	__atomic_store_n(&vcpu->in_guest, true, __ATOMIC_SEQ_CST);
	action = tlb_enter(&cpu->pool, number, &vcpu->arch.tag, vcpu->arch.space,
			   vcpu->arch.flush_linear && mutant != NO_LINEAR, &world->caps);
	vcpu->arch.flush_linear = false;
	if (mutant == NO_FRESH_TAG && guest->entered)
		vcpu->arch.tag.value = before.value;
	if (mutant == MORE_NESTED && world->caps.nested_by_space)
		action |= TLB_FLUSH_NESTED;
	if (mutant == MORE_TAG)
		action |= TLB_FLUSH_TAG;
	guest->cpu = number;
	if (fails && guest->entered) { /* nothing was done, and nobody knows */
		if (mutant != NO_DISTRUST)
			tlb_enter_failed(&cpu->pool);
		for (u32 i = 0; i < TAGS; i++) {
			cpu->tag_since[i] = 0;
			cpu->given[i] = true;
		}
		vcpu->in_guest = false;
		return;
	}
	carry_out(guest, action, &before);
	guest->entered = true;
	entries++;
	stale += !is_clean(guest);
	cpu->running = guest;
	use_everything(guest);
}

static void leave(struct guest *guest)
{
	use_everything(guest); /* what has been mapped meanwhile */
	cpus[guest->cpu].running = NULL;
	__atomic_store_n(&guest->vcpu.in_guest, false, __ATOMIC_RELEASE);
}

/* The interrupt comes at once: what may happen in between is shootdown.pml's. */
void vcpu_kick(struct vcpu *vcpu)
{
	leave((struct guest *)vcpu);
}

/* ---- what happens to VMs ---- */

static const struct config_guest config = { .name = "model", .memory = GMEM_CHUNK_SIZE };

static void make_vm(u32 index)
{
	static struct nested_space old[ROOTS];
	struct vm *vm;
	u32 root;

	if (machines[index]) {
		root = root_number(machines[index]->nested.root.raw);
		old[root] = machines[index]->space;
		vm_destroy(machines[index]);
		machines[index] = NULL;
	}
	vm = vm_create(&config);
	if (!vm || vm->id != index + 1)
		abort();
	machines[index] = vm;
	rights_lost[index] = ++now;
	root = root_number(vm->nested.root.raw);
	if (mutant == NO_FRESH_SPACE && old[root].epoch)
		vm->space = old[root];
	vm->vcpu_count = VCPUS;
	for (u32 i = 0; i < VCPUS; i++) {
		struct guest *guest = &guests[index][i];

		*guest = (struct guest){ 0 };
		guest->vcpu.vm = vm;
		guest->vcpu.index = i;
		guest->vcpu.arch.nested_root = vm->nested.root;
		guest->vcpu.arch.space = &vm->space;
		guest->vcpu.arch.flush_linear = true; /* as after INIT */
		vm->vcpus[i] = &guest->vcpu;
	}
}

static void replace_vm(void)
{
	u32 index = below(VMS);

	for (u32 i = 0; i < VCPUS; i++)
		if (guests[index][i].vcpu.in_guest)
			leave(&guests[index][i]);
	make_vm(index);
}

static void map(struct vm *vm)
{
	static const struct ptab_attr attr = { .read = true, .write = true, .type = PTAB_UC };
	u64 first = below(16), count = 1 + below(16 - (u32)first);
	u64 target = MIB(512) * (1 + below(8));

	if (below(3) == 0) { /* whole 2 MiB pages */
		first &= 8;
		count = 8;
	}
	(void)!vm_map_direct(vm, GPA(AREA + first * STEP), HPA(target + first * STEP), count * STEP,
			     attr);
}

static void unmap(struct vm *vm)
{
	u64 epoch = vm->space.epoch;
	u64 first = below(16), count = 1 + below(16 - (u32)first);

	now++;
	if (vm_unmap_direct(vm, GPA(AREA + first * STEP), count * STEP))
		abort();
	rights_lost[vm->id - 1] = now;
	if (mutant == NO_EPOCH)
		vm->space.epoch = epoch;
}

/* The guest loads CR3 or invalidates: this processor forgets what is linear, no other does. */
static void change_own_tables(struct guest *guest)
{
	if (!guest->vcpu.in_guest)
		return;
	use_everything(guest);
	guest->mode++;
	memset(cpus[guest->cpu].combined[guest->vcpu.arch.tag.value][combined_key(guest)], 0,
	       sizeof(cpus[0].combined[0][0]));
	use_everything(guest);
}

static void change_cr4(struct guest *guest)
{
	if (guest->vcpu.in_guest)
		return;
	guest->mode++;
	guest->linear_changed = ++now;
	guest->vcpu.arch.flush_linear = true;
}

static void schedule(void)
{
	struct guest *guest = &guests[below(VMS)][below(VCPUS)];
	u32 cpu = below(4) ? guest->cpu : below(CPUS);

	if (guest->vcpu.in_guest)
		leave(guest);
	else if (!cpus[cpu].running)
		enter(guest, cpu);
}

static u8 largest(void)
{
	return PTAB_2M;
}

static void run(const struct world *in, enum mutant as, u32 steps)
{
	static const struct virt_ops ops[] = {
		[VIRT_NESTED_NPT] = { .nested = VIRT_NESTED_NPT, .largest = largest },
		[VIRT_NESTED_EPT] = { .nested = VIRT_NESTED_EPT, .largest = largest },
	};

	world = in;
	mutant = as;
	virt = &ops[in->nested];
	seed = 0x9e3779b97f4a7c15ULL;
	now = 1;
	root_count = 0;
	entries = stale = superfluous = flushes = 0;
	for (u32 i = 0; i < CPUS; i++) {
		cpus[i].pool = (struct tlb_pool){ .count = in->pool };
		cpus[i].running = NULL;
		fill_with_garbage(&cpus[i], ROOTS);
	}
	for (u32 i = 0; i < VMS; i++)
		make_vm(i);
	for (u32 i = 0; i < steps; i++) {
		u32 what = below(100);

		if (what < 70)
			schedule();
		else if (what < 78)
			map(machines[below(VMS)]);
		else if (what < 84)
			unmap(machines[below(VMS)]);
		else if (what < 91)
			change_own_tables(&guests[below(VMS)][below(VCPUS)]);
		else if (what < 98)
			change_cr4(&guests[below(VMS)][below(VCPUS)]);
		else
			replace_vm();
	}
	for (u32 i = 0; i < VMS; i++) {
		for (u32 v = 0; v < VCPUS; v++)
			if (guests[i][v].vcpu.in_guest)
				leave(&guests[i][v]);
		vm_destroy(machines[i]);
		machines[i] = NULL;
	}
}

/* Does the mutant differ from the code at all, in this world? */
static bool applies(const struct world *in, enum mutant as)
{
	switch (as) {
	case NO_NESTED:
	case MORE_NESTED:
	case NO_FRESH_SPACE: /* with NPT a fresh tag does it */
		return in->caps.nested_by_space;
	case NO_TAG:
		return in->caps.flush_tag;
	case NO_ALL:
		return in->pool <= 8;
	case NO_FRESH_TAG: /* of one tag, the number is always the same */
		return in->pool > 2;
	case NO_DISTRUST: /* with VMX a flush is an instruction of its own */
		return in->nested == VIRT_NESTED_NPT && (in->caps.flush_tag || in->pool <= 8);
	default:
		return true;
	}
}

int main(void)
{
	static const struct world worlds[] = {
		{ "NPT, flush by ASID, 64 ASIDs", VIRT_NESTED_NPT, { true, false }, 64 },
		{ "NPT, flush by ASID, 4 ASIDs", VIRT_NESTED_NPT, { true, false }, 4 },
		{ "NPT, 64 ASIDs", VIRT_NESTED_NPT, { false, false }, 64 },
		{ "NPT, 4 ASIDs", VIRT_NESTED_NPT, { false, false }, 4 },
		{ "NPT, 2 ASIDs", VIRT_NESTED_NPT, { false, false }, 2 },
		{ "EPT, 64 VPIDs", VIRT_NESTED_EPT, { true, true }, 64 },
		{ "EPT, 4 VPIDs", VIRT_NESTED_EPT, { true, true }, 4 },
		{ "EPT, no single INVVPID, 8 VPIDs", VIRT_NESTED_EPT, { false, true }, 8 },
	};
	u64 all_entries = 0, all_flushes = 0;
	u32 mutants = 0, wrong = 0;

	for (u32 w = 0; w < ARRAY_SIZE(worlds); w++) {
		run(&worlds[w], MUTANT_NONE, 400000);
		printf("%s: %lu entries, %lu flushes, %lu stale, %lu superfluous\n", worlds[w].name,
		       entries, flushes, stale, superfluous);
		wrong += stale || superfluous;
		all_entries += entries;
		all_flushes += flushes;
		for (u32 m = 1; m < MUTANTS; m++) {
			if (!applies(&worlds[w], m))
				continue;
			run(&worlds[w], m, 40000);
			mutants++;
			if (m < MORE_NESTED ? stale : superfluous)
				continue;
			printf("%s: mutant %s is not found\n", worlds[w].name, mutant_names[m]);
			wrong++;
		}
	}
	if (!wrong)
		printf("tlb_model: %lu entries, %lu flushes: none missing, none superfluous; "
		       "%u mutants found\n",
		       all_entries, all_flushes, mutants);
	return wrong != 0;
}
