// SPDX-License-Identifier: Apache-2.0
// SOURCES: arch/x86/tlb.c core/vm.c core/frame_tables.c core/gmem.c core/ptab.c core/ptab_formats.c
// SOURCES: core/lib/fmt.c core/lib/string.c
/* Rules of VMs: their table, their RAM in the nested tables, work, and how they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/frame.h"
#include "core/log.h"
#include "core/vm.h"
#include "core/window.h"
#include "gpu/vbe/vbe.h"
#include "tests/unit/ptab_lookup.h"

/* ---- what is below: frames from the heap, chunks by number ---- */

static s64 pages_out, pages_left, chunks_out, chunks_left;
static u64 next_chunk;
static u32 lines_logged;
static u32 requested[VM_MAX_VCPUS]; /* bits, by vCPU */
static u32 kicked[VM_MAX_VCPUS];

hpa_t frame_alloc_contiguous(u32 pages)
{
	void *memory;

	if (pages_left < pages)
		return HPA(0);
	memory = aligned_alloc(PAGE_SIZE, pages * PAGE_SIZE);
	memset(memory, 0, pages * PAGE_SIZE);
	pages_left -= pages;
	pages_out += pages;
	return HPA((u64)memory);
}

void frame_free_contiguous(hpa_t frame, u32 pages)
{
	pages_left += pages;
	pages_out -= pages;
	free((void *)frame.raw);
}

hpa_t frame_alloc(void)
{
	return frame_alloc_contiguous(1);
}

void frame_free(hpa_t frame)
{
	frame_free_contiguous(frame, 1);
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
	assert_in_range(owner, 1, VM_MAX);
	if (!chunks_left)
		return HPA(0);
	chunks_left--;
	chunks_out++;
	next_chunk += 3 * GMEM_CHUNK_SIZE; /* never in a row */
	return HPA(next_chunk);
}

void frame_free_chunk(hpa_t chunk)
{
	(void)chunk;
	chunks_left++;
	chunks_out--;
}

void frame_get_stats(struct frame_stats *stats)
{
	*stats = (struct frame_stats){ .guest_free_bytes = (u64)chunks_left << GMEM_CHUNK_SHIFT };
}

void *vmap_window(unsigned int slot, hpa_t hpa)
{
	(void)slot;
	(void)hpa;
	abort(); /* nothing here looks into guest memory */
}

void log_at(enum log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
	lines_logged++;
}

void panic(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

void vcpu_request(struct vcpu *vcpu, u32 request)
{
	requested[vcpu->index] |= request;
}

void vcpu_kick(struct vcpu *vcpu)
{
	kicked[vcpu->index]++;
	vcpu->in_guest = false; /* the interrupt has driven it out */
}

static u8 level_of_largest;

static u8 fake_largest(void)
{
	return level_of_largest;
}

static const struct virt_ops fake_virt = { .nested = VIRT_NESTED_NPT, .largest = fake_largest };
static const struct virt_ops fake_ept = { .nested = VIRT_NESTED_EPT, .largest = fake_largest };

static struct config_guest configs[VM_MAX + 1];

static int start(void **state)
{
	(void)state;
	virt = &fake_virt;
	level_of_largest = PTAB_2M;
	pages_left = chunks_left = 10000;
	next_chunk = 0;
	lines_logged = 0;
	memset(requested, 0, sizeof(requested));
	memset(kicked, 0, sizeof(kicked));
	for (u32 i = 0; i < ARRAY_SIZE(configs); i++) {
		configs[i] = (struct config_guest){ .memory = MIB(16), .cpus = 1 };
		configs[i].name[0] = (char)('a' + i);
	}
	return 0;
}

/* All VMs go, and nothing of them is left. */
static int stop(void **state)
{
	(void)state;
	for (u32 i = 0; i < VM_MAX; i++)
		if (vm_get(i))
			vm_destroy(vm_get(i));
	return pages_out || chunks_out;
}

/* ---- the table ---- */

static void a_vm_has_a_name_and_a_number(void **state)
{
	struct vm *a = vm_create(&configs[0]);
	struct vm *b = vm_create(&configs[1]);

	(void)state;
	assert_int_equal(a->id, 1);
	assert_int_equal(b->id, 2);
	assert_ptr_equal(vm_get(0), a);
	assert_ptr_equal(vm_find("b"), b);
	assert_null(vm_find("c"));
	assert_null(vm_find(""));
	assert_null(vm_get(2));
	assert_null(vm_get(VM_MAX));
	assert_null(vm_get(~0U));
	vm_destroy(a);
	assert_null(vm_find("a"));
	assert_int_equal(vm_create(&configs[2])->id, 1);
}

static void every_vm_has_a_number_below_the_slots(void **state)
{
	u32 before = vm_slots;
	struct vm *last = NULL;

	(void)state;
	for (u32 i = 0; i <= before && i < VM_MAX; i++) {
		last = vm_create(&configs[i]);
		assert_in_range(vm_slots, last->id, VM_MAX);
	}
	assert_int_equal(vm_slots, MIN(before + 1, VM_MAX));
	vm_destroy(last);
	assert_int_equal(vm_slots, MIN(before + 1, VM_MAX));
}

static void a_full_table_is_said_in_one_line(void **state)
{
	(void)state;
	for (u32 i = 0; i < VM_MAX; i++)
		assert_non_null(vm_create(&configs[i]));
	assert_null(vm_create(&configs[VM_MAX]));
	assert_int_equal(lines_logged, 1);
}

static void too_little_memory_takes_nothing(void **state)
{
	(void)state;
	chunks_left = 7;
	assert_null(vm_create(&configs[0]));
	assert_int_equal(lines_logged, 1);
	assert_int_equal(pages_out, 0);
	assert_int_equal(chunks_out, 0);
	chunks_left = 8;
	for (s64 pages = 0; pages < 16; pages++) { /* however many frames there are */
		struct vm *vm;

		pages_left = pages;
		vm = vm_create(&configs[0]);
		if (vm)
			vm_destroy(vm);
		assert_int_equal(pages_out, 0);
		assert_int_equal(chunks_out, 0);
	}
	assert_true(lines_logged > 2);
}

/* ---- nested tables ---- */

static void ram_is_mapped_around_the_hole(void **state)
{
	struct ptab_walk walk;
	struct vm *vm;

	(void)state;
	configs[0].memory = GMEM_HOLE_START + MIB(64);
	vm = vm_create(&configs[0]);
	for (u64 offset = 0; offset < configs[0].memory; offset += MIB(2)) {
		u64 gpa = offset < GMEM_HOLE_START ? offset
						   : offset + GMEM_HOLE_END - GMEM_HOLE_START;
		hpa_t expected;

		assert_true(ptab_lookup(&vm->nested, gpa + 0x1234, &walk));
		assert_int_equal(gmem_translate(&vm->memory, GPA(gpa + 0x1234), 1, &expected), OK);
		assert_int_equal(walk.hpa.raw, expected.raw);
		assert_int_equal(walk.page_size, MIB(2));
		assert_true(walk.attr.read && walk.attr.write && walk.attr.exec);
	}
	assert_false(ptab_lookup(&vm->nested, GMEM_HOLE_START, &walk));
	assert_false(ptab_lookup(&vm->nested, 0xfee00000, &walk));
	assert_false(ptab_lookup(&vm->nested, GMEM_HOLE_END - 1, &walk));
	assert_false(ptab_lookup(&vm->nested, GMEM_HOLE_END + MIB(64), &walk));
}

static void add_vcpus(struct vm *vm, struct vcpu *vcpus, u32 count)
{
	vm->vcpu_count = count;
	for (u32 i = 0; i < count; i++) {
		memset(&vcpus[i], 0, sizeof(vcpus[i]));
		vcpus[i].vm = vm;
		vcpus[i].index = i;
		list_init(&vcpus[i].work);
		vm->vcpus[i] = &vcpus[i];
	}
}

static const struct ptab_attr device = { .read = true, .write = true, .type = PTAB_UC };

static void a_direct_span_goes_after_every_vcpu_has_left_it(void **state)
{
	static struct vcpu vcpus[3];
	struct vm *vm = vm_create(&configs[0]);
	struct ptab_walk walk;
	u64 epoch = vm->space.epoch;

	(void)state;
	add_vcpus(vm, vcpus, 3);
	assert_int_equal(vm_map_direct(vm, GPA(0xc0000000), HPA(0xd0000000), MIB(4), device), OK);
	assert_true(ptab_lookup(&vm->nested, 0xc0001000, &walk));
	assert_int_equal(walk.hpa.raw, 0xd0001000);
	assert_int_equal(vm_map_direct(vm, GPA(0xc0200000), HPA(0), MIB(2), device), ERR_EXISTS);
	assert_int_equal(vm->space.epoch, epoch); /* nothing lost rights */
	vcpus[1].in_guest = true;
	vcpus[1].arch.tag.epoch = epoch;
	vcpus[2].in_guest = true;
	vcpus[2].arch.tag.epoch = epoch + 1; /* it has entered again meanwhile */
	assert_int_equal(vm_unmap_direct(vm, GPA(0xc0000000), MIB(4)), OK);
	assert_false(ptab_lookup(&vm->nested, 0xc0001000, &walk));
	assert_int_equal(vm->space.epoch, epoch + 1);
	assert_int_equal(kicked[0], 0);
	assert_int_equal(kicked[1], 1);
	assert_int_equal(kicked[2], 0);
	assert_int_equal(requested[1], 0); /* no more than out and in again */
	assert_int_equal(vm->nested.buried.raw, 0);
}

/* A part of the span was there for a while: the guest may have found it. */
static void a_span_that_does_not_fit_is_shot_down(void **state)
{
	static struct vcpu vcpus[1];
	struct vm *vm = vm_create(&configs[0]);
	struct ptab_walk walk;

	(void)state;
	add_vcpus(vm, vcpus, 1);
	vcpus[0].in_guest = true;
	vcpus[0].arch.tag.epoch = vm->space.epoch;
	pages_left = 2; /* one directory and one table; the second table is missing */
	assert_int_equal(vm_map_direct(vm, GPA(0xc01ff000), HPA(0xd01ff000), 2 * PAGE_SIZE, device),
			 ERR_NO_MEMORY);
	assert_int_equal(kicked[0], 1);
	assert_false(ptab_lookup(&vm->nested, 0xc01ff000, &walk));
	assert_int_equal(vm->nested.buried.raw, 0);
	assert_int_equal(pages_left, 2);
}

/* ---- entries as the processor sees them ---- */

#define ADDRESS 0x000ffffffffff000ULL
#define SPAN	0x8000000000ULL /* in the guest */
#define VIDEO	0x4000000000ULL /* of the host */

/* The entry that translates `gpa`; `level` that of its table. */
static u64 leaf_of(const struct vm *vm, u64 gpa, u32 *level)
{
	u64 table = vm->nested.root.raw;

	for (*level = 4;; --*level) {
		u64 entry = ((u64 *)table)[gpa >> (12 + 9 * (*level - 1)) & 511];

		if (*level == 1 || entry & BIT(7)) /* PS in both formats */
			return entry;
		table = entry & ADDRESS;
	}
}

/* SDM vol. 3, table 29-6: RWX, type 6, ignore PAT off, large, accessed and dirty. */
static void ept_types(void **state)
{
	struct vm *vm;
	u32 level;

	(void)state;
	virt = &fake_ept;
	vm = vm_create(&configs[0]);
	assert_int_equal(leaf_of(vm, 0, &level) & ~ADDRESS, 7 | 6 << 3 | BIT(7) | BIT(8) | BIT(9));
	assert_int_equal(level, 2);
	assert_int_equal(
		vm_map_direct(vm, GPA(SPAN), HPA(VIDEO), MIB(2) + PAGE_SIZE, VBE_SPAN_ATTR), OK);
	assert_int_equal(leaf_of(vm, SPAN, &level), VIDEO | 3 | BIT(7) | BIT(8) | BIT(9));
	assert_int_equal(leaf_of(vm, SPAN + MIB(2), &level),
			 (VIDEO + MIB(2)) | 3 | BIT(8) | BIT(9));
	assert_int_equal(level, 1);
}

/* APM vol. 2, 5.4: present, writable, user, accessed, dirty; PAT entry 0 is WB, 3 is UC. */
static void npt_types(void **state)
{
	struct vm *vm = vm_create(&configs[0]);
	u32 level;

	(void)state;
	assert_int_equal(leaf_of(vm, 0, &level) & ~ADDRESS, 0x67 | BIT(7));
	assert_int_equal(level, 2);
	assert_int_equal(
		vm_map_direct(vm, GPA(SPAN), HPA(VIDEO), MIB(2) + PAGE_SIZE, VBE_SPAN_ATTR), OK);
	assert_int_equal(leaf_of(vm, SPAN, &level), VIDEO | 0x67 | 0x18 | BIT(7) | BIT(63));
	assert_int_equal(leaf_of(vm, SPAN + MIB(2), &level),
			 (VIDEO + MIB(2)) | 0x67 | 0x18 | BIT(63));
	assert_int_equal((u8)(PTAB_PAT_VALUE >> 24), 0); /* entry 3: UC */
	assert_int_equal((u8)PTAB_PAT_VALUE, 6);
}

static void spans_use_the_largest_pages_there_are(void **state)
{
	const struct virt_ops *const formats[] = { &fake_virt, &fake_ept };
	struct vm *vm;
	u32 level;

	(void)state;
	for (u32 i = 0; i < 4; i++) {
		virt = formats[i % 2];
		level_of_largest = i < 2 ? PTAB_1G : PTAB_2M;
		vm = vm_create(&configs[i]);
		assert_int_equal(
			vm_map_direct(vm, GPA(SPAN), HPA(VIDEO), GIB(1) + MIB(2), VBE_SPAN_ATTR),
			OK);
		assert_int_equal(leaf_of(vm, SPAN, &level) & ADDRESS, VIDEO);
		assert_int_equal(level, level_of_largest);
		assert_int_equal(leaf_of(vm, SPAN + GIB(1), &level) & ADDRESS, VIDEO + GIB(1));
		assert_int_equal(level, PTAB_2M);
		assert_int_equal(vm_unmap_direct(vm, GPA(SPAN), GIB(1) + MIB(2)), OK);
	}
}

/* ---- the end ---- */

static void the_first_reason_wins(void **state)
{
	static struct vcpu vcpus[2];
	struct vm *vm = vm_create(&configs[0]);

	(void)state;
	add_vcpus(vm, vcpus, 2);
	vm_end(vm, VM_END_CRASH, "the %s reason, %u", "first", 1u);
	vm_end(vm, VM_END_POWEROFF, "the second");
	assert_int_equal(vm->end, VM_END_CRASH);
	assert_string_equal(vm->end_reason, "the first reason, 1");
	for (u32 i = 0; i < 2; i++) {
		assert_true(vcpus[i].parked);
		assert_int_equal(requested[i], VCPU_REQ_EVENT);
	}
}

static void a_long_reason_is_cut(void **state)
{
	struct vm *vm = vm_create(&configs[0]);

	(void)state;
	vm_end(vm, VM_END_CRASH, "%0400u", 7u);
	assert_int_equal(strlen(vm->end_reason), sizeof(vm->end_reason) - 1);
}

/* ---- work ---- */

static void work_is_queued_once_and_in_order(void **state)
{
	static struct vcpu vcpus[1];
	struct vm *vm = vm_create(&configs[0]);
	struct vcpu_work first = { 0 }, second = { 0 };

	(void)state;
	add_vcpus(vm, vcpus, 1);
	vcpu_queue_work(&vcpus[0], &first);
	vcpu_queue_work(&vcpus[0], &second);
	vcpu_queue_work(&vcpus[0], &first);
	assert_int_equal(requested[0], VCPU_REQ_WORK);
	assert_ptr_equal(vcpus[0].work.next, &first.node);
	assert_ptr_equal(first.node.next, &second.node);
	assert_ptr_equal(second.node.next, &vcpus[0].work);
}

static void cancelled_work_is_taken_back(void **state)
{
	static struct vcpu vcpus[1];
	struct vm *vm = vm_create(&configs[0]);
	struct vcpu_work work = { 0 };

	(void)state;
	add_vcpus(vm, vcpus, 1);
	assert_false(vcpu_cancel_work(&vcpus[0], &work));
	vcpu_queue_work(&vcpus[0], &work);
	assert_true(vcpu_cancel_work(&vcpus[0], &work));
	assert_true(list_is_empty(&vcpus[0].work));
	assert_false(vcpu_cancel_work(&vcpus[0], &work));
	vcpu_queue_work(&vcpus[0], &work);
	assert_false(list_is_empty(&vcpus[0].work));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_vm_has_a_name_and_a_number, start, stop),
		cmocka_unit_test_setup_teardown(every_vm_has_a_number_below_the_slots, start, stop),
		cmocka_unit_test_setup_teardown(a_full_table_is_said_in_one_line, start, stop),
		cmocka_unit_test_setup_teardown(too_little_memory_takes_nothing, start, stop),
		cmocka_unit_test_setup_teardown(ram_is_mapped_around_the_hole, start, stop),
		cmocka_unit_test_setup_teardown(a_direct_span_goes_after_every_vcpu_has_left_it,
						start, stop),
		cmocka_unit_test_setup_teardown(a_span_that_does_not_fit_is_shot_down, start, stop),
		cmocka_unit_test_setup_teardown(ept_types, start, stop),
		cmocka_unit_test_setup_teardown(npt_types, start, stop),
		cmocka_unit_test_setup_teardown(spans_use_the_largest_pages_there_are, start, stop),
		cmocka_unit_test_setup_teardown(the_first_reason_wins, start, stop),
		cmocka_unit_test_setup_teardown(a_long_reason_is_cut, start, stop),
		cmocka_unit_test_setup_teardown(work_is_queued_once_and_in_order, start, stop),
		cmocka_unit_test_setup_teardown(cancelled_work_is_taken_back, start, stop),
	};

	return cmocka_run_group_tests_name("vm", tests, NULL, NULL);
}
