/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's virtio-gpu from its registers to the physical device and back. */
// SOURCES: gpu/gpu.c gpu/hang.c gpu/virtio/freeze.c gpu/virtio/rebuild.c
// SOURCES: gpu/vgpu.c gpu/dma.c drivers/iommu_ram.c gpu/virtio/family.c
// SOURCES: gpu/sched.c gpu/sched_admit.c gpu/sched_complete.c gpu/sched_fixed.c
// SOURCES: gpu/sched_note.c gpu/sched_order.c
// SOURCES: gpu/control.c gpu/settings.c gpu/guard.c gpu/waits.c gpu/books.c gpu/ledger.c
// SOURCES: gpu/sha256.c gpu/trace.c gpu/encode.c
// SOURCES: core/config.c core/config_keys.c gpu/config.c
// SOURCES: core/lib/parse.c core/lib/fmt.c
// SOURCES: gpu/virtio/vfunc.c gpu/virtio/intake.c gpu/virtio/teardown.c
// SOURCES: gpu/virtio/scanout.c gpu/virtio/audit.c gpu/virtio/resources.c
// SOURCES: gpu/virtio/audit_3d.c gpu/virtio/stream.c gpu/virtio/streams.c gpu/virtio/series.c
// SOURCES: gpu/virtio/virgl.c gpu/virtio/virgl_rules.c gpu/virtio/virgl_checks.c
// SOURCES: gpu/virtio/virgl_objects.c gpu/virtio/virgl_resource.c gpu/virtio/virgl_formats.c
// SOURCES: gpu/virtio/vring.c core/lib/string.c core/lib/error.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/fake_driver.h"

static int set_up(void **state)
{
	(void)state;
	fake_machine_start(true, MIB(16));
	probe(0);
	probe(1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_machine_stop();
	return 0;
}

#define OK_NODATA	VIRTIO_GPU_RESP_OK_NODATA
#define CREATE_COMMANDS 4 /* create, attach zeros, transfer, detach */

/* ---- drawing ---- */

static void a_picture_goes_the_whole_way(void **state)
{
	(void)state;
	assert_int_equal(create(0, 5, 640, 480), OK_NODATA);
	assert_int_equal(attach_one(0, 5, 0x200000, 640 * 480 * 4), OK_NODATA);
	assert_int_equal(show(0, 0, 5, 640, 480), OK_NODATA);
	assert_int_equal(transfer(0, 5, 640, 480, 0), OK_NODATA);
	assert_int_equal(fake_device.scanouts[0], host_id(0, 5));
	assert_int_equal(refer(0, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 5), OK_NODATA);
	assert_int_equal(refer(0, VIRTIO_GPU_CMD_RESOURCE_UNREF, 5), OK_NODATA);
	assert_int_equal(fake_vgpu(0)->audit.resources.used, 0);
}

static void each_answer_raises_the_queues_interrupt_unless_unwanted(void **state)
{
	u32 before = fake_interrupts[0][1];

	(void)state;
	create(0, 5, 64, 64);
	assert_int_equal(fake_interrupts[0][1], before + 1);
	poke16(0, RING_AT(0) + 0x1000, VIRTQ_AVAIL_F_NO_INTERRUPT);
	create(0, 6, 64, 64);
	assert_int_equal(fake_interrupts[0][1], before + 1);
	assert_int_equal(peek16(0, RING_AT(0) + 0x2002), 2);
}

/* How often the guest is interrupted for two jobs that are done one after the other. */
static u32 interrupts_of_two(u32 flags_of_first)
{
	struct virtio_gpu_create_2d c = {
		{ .type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, .flags = flags_of_first }, 5, 1, 8, 8
	};
	u32 before = fake_interrupts[0][1];

	fake_device.frozen = true;
	command(0, &c, sizeof(c));
	create(0, 6, 8, 8);
	assert_int_equal(fake_interrupts[0][1], before);
	fake_device.frozen = false;
	gpu_wake(gpu_get(0));
	fake_run();
	assert_int_equal(used_count(0), 2);
	return fake_interrupts[0][1] - before;
}

static void an_answer_without_a_fence_is_told_with_the_next(void **state)
{
	(void)state;
	assert_int_equal(interrupts_of_two(0), 1);
}

static void a_fence_is_told_at_once(void **state)
{
	(void)state;
	assert_int_equal(interrupts_of_two(VIRTIO_GPU_FLAG_FENCE), 2);
}

static void the_pointer_does_not_wait_for_long_work(void **state)
{
	struct virtio_gpu_cursor c = { .hdr.type = VIRTIO_GPU_CMD_MOVE_CURSOR };
	u32 before = fake_interrupts[0][2];

	(void)state;
	fake_device.hang = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D;
	fake_device.hang_count = 1;
	create(0, 5, 8, 8);
	poke(0, COMMAND_AT, &c, sizeof(c));
	put_desc(0, 1, 0, COMMAND_AT, sizeof(c), 0, 0);
	make_available(0, 1, 0);
	ring_bell(0, 1);
	fake_run();
	assert_int_equal(used_count(0), 0);
	assert_int_equal(fake_interrupts[0][2], before + 1);
}

static void a_fence_comes_back_as_the_guest_named_it(void **state)
{
	struct virtio_gpu_create_2d c = { { .type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
					    .flags = VIRTIO_GPU_FLAG_FENCE,
					    .fence_id = 0xfedcba9876543210 },
					  5,
					  1,
					  8,
					  8 };
	struct virtio_gpu_hdr hdr;

	(void)state;
	assert_int_equal(command(0, &c, sizeof(c)), OK_NODATA);
	memcpy(&hdr, fake_ram[0] + RESPONSE_AT, sizeof(hdr));
	assert_int_equal(hdr.flags, VIRTIO_GPU_FLAG_FENCE);
	assert_true(hdr.fence_id == 0xfedcba9876543210);
}

static void a_fenced_refusal_waits_for_the_jobs_before_it(void **state)
{
	struct virtio_gpu_resource_ref bad = {
		{ .type = VIRTIO_GPU_CMD_RESOURCE_UNREF, .flags = VIRTIO_GPU_FLAG_FENCE }, 99, 0
	};

	(void)state;
	fake_device.frozen = true;
	create(0, 5, 8, 8);
	command(0, &bad, sizeof(bad));
	assert_int_equal(peek16(0, RING_AT(0) + 0x2002), 0);
	fake_device.frozen = false;
	gpu_wake(gpu_get(0));
	fake_run();
	assert_int_equal(peek16(0, RING_AT(0) + 0x2002), 2);
}

static void display_and_edid_are_answered_without_the_device(void **state)
{
	struct virtio_gpu_hdr get = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };
	struct virtio_gpu_get_edid edid = { { .type = VIRTIO_GPU_CMD_GET_EDID }, 0, 0 };
	struct virtio_gpu_resp_display_info info;
	u32 before = fake_device.commands;

	(void)state;
	assert_int_equal(command(0, &get, sizeof(get)), VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
	memcpy(&info, fake_ram[0] + RESPONSE_AT, sizeof(info));
	assert_int_equal(info.modes[0].rect.width, 1280);
	assert_int_equal(info.modes[0].enabled, 1);
	assert_int_equal(info.modes[1].enabled, 0);
	assert_int_equal(command(0, &edid, sizeof(edid)), VIRTIO_GPU_RESP_OK_EDID);
	assert_int_equal(fake_device.commands, before);
}

/* ---- isolation ---- */

static void the_same_id_in_two_guests_is_two_resources(void **state)
{
	(void)state;
	assert_int_equal(create(0, 5, 64, 64), OK_NODATA);
	assert_int_equal(create(1, 5, 64, 64), OK_NODATA);
	assert_int_not_equal(host_id(0, 5), host_id(1, 5));
}

static void another_guests_resource_does_not_exist(void **state)
{
	(void)state;
	create(0, 5, 64, 64);
	assert_int_equal(refer(1, VIRTIO_GPU_CMD_RESOURCE_UNREF, 5),
			 VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	assert_int_equal(refer(1, VIRTIO_GPU_CMD_RESOURCE_UNREF, host_id(0, 5)),
			 VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	assert_int_equal(show(1, 0, 5, 64, 64), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
}

static void each_guest_is_on_its_own_scanout(void **state)
{
	(void)state;
	create(0, 5, 64, 64);
	create(1, 5, 64, 64);
	show(0, 0, 5, 64, 64);
	show(1, 0, 5, 64, 64);
	assert_int_equal(fake_device.scanouts[0], host_id(0, 5));
	assert_int_equal(fake_device.scanouts[1], host_id(1, 5));
	assert_int_equal(show(1, 1, 5, 64, 64), VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID);
}

static void focus_swaps_two_guests(void **state)
{
	(void)state;
	create(0, 5, 64, 64);
	create(1, 5, 64, 64);
	show(0, 0, 5, 64, 64);
	show(1, 0, 5, 64, 64);
	assert_int_equal(gpu_focus_by_name("guest1"), OK);
	fake_run();
	assert_int_equal(fake_device.scanouts[0], host_id(1, 5));
	assert_int_equal(fake_device.scanouts[1], host_id(0, 5));
	assert_int_equal(gpu_focus_by_name("nobody"), ERR_NOT_FOUND);
}

static void backing_outside_memory_is_refused(void **state)
{
	(void)state;
	create(0, 5, 64, 64);
	assert_int_equal(attach_one(0, 5, FAKE_RAM - 4096, 8192),
			 VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	assert_int_equal(attach_one(0, 5, ~0ULL - 4095, 8192),
			 VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	assert_int_equal(attach_one(0, 5, 0x200000, 0), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	assert_int_equal(transfer(0, 5, 64, 64, 0), VIRTIO_GPU_RESP_ERR_UNSPEC);
	assert_int_equal(fake_vgpu(0)->audit.resources.unit_free,
			 fake_vgpu(0)->audit.resources.unit_count);
	assert_int_equal(attach_one(0, 5, 0x200000, 64 * 64 * 4), OK_NODATA);
}

static void many_entries_arrive_in_order(void **state)
{
	struct virtio_gpu_mem_entry entries[600];

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(entries); i++)
		entries[i] = (struct virtio_gpu_mem_entry){ 0x200000 + i * 8192U, 4096, 0 };
	create(0, 5, 640, 480);
	assert_int_equal(attach(0, 5, entries, ARRAY_SIZE(entries)), OK_NODATA);
	assert_int_equal(resource_find(&fake_vgpu(0)->audit.resources, 5)->backing.entries, 600);
	assert_int_equal(transfer(0, 5, 640, 480, 0), OK_NODATA);
	assert_int_equal(transfer(0, 5, 640, 480, 600 * 4096 - 640 * 480 * 4), OK_NODATA);
	assert_int_equal(transfer(0, 5, 640, 480, 600 * 4096 - 640 * 480 * 4 + 1),
			 VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
}

static void more_than_the_quota_is_out_of_memory(void **state)
{
	(void)state;
	for (u32 id = 1; id <= 4; id++)
		assert_int_equal(create(0, id, 1024, 1024), OK_NODATA);
	assert_int_equal(create(0, 5, 1, 1), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
	assert_int_equal(create(1, 5, 1024, 1024), OK_NODATA);
	refer(0, VIRTIO_GPU_CMD_RESOURCE_UNREF, 2);
	assert_int_equal(create(0, 5, 1024, 1024), OK_NODATA);
}

static void a_new_resource_is_cleared_before_the_guest_hears_of_it(void **state)
{
	(void)state;
	assert_int_equal(create(0, 5, 640, 480), OK_NODATA);
	assert_true(fake_device.resources[host_id(0, 5)].cleared);
	assert_false(fake_device.resources[host_id(0, 5)].backed);
	assert_int_equal(fake_device.commands, CREATE_COMMANDS);
}

static void what_cannot_be_cleared_is_not_handed_out(void **state)
{
	(void)state;
	for (u32 step = 0; step < CREATE_COMMANDS; step++) {
		fake_device.refuse_after = step;
		fake_device.refuse = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
		assert_int_equal(create(0, 5, 64, 64), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
		assert_int_equal(host_id(0, 5), 0);
		assert_int_equal(fake_vgpu(0)->audit.resources.used, 0);
	}
	assert_int_equal(create(0, 5, 64, 64), OK_NODATA);
}

static void what_the_device_refuses_is_taken_back(void **state)
{
	(void)state;
	fake_device.refuse = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	assert_int_equal(create(0, 5, 64, 64), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
	assert_int_equal(fake_vgpu(0)->audit.resources.used, 0);
	create(0, 5, 64, 64);
	fake_device.refuse = VIRTIO_GPU_RESP_ERR_UNSPEC;
	assert_int_equal(attach_one(0, 5, 0x200000, 64 * 64 * 4), VIRTIO_GPU_RESP_ERR_UNSPEC);
	assert_int_equal(attach_one(0, 5, 0x200000, 64 * 64 * 4), OK_NODATA);
}

/* ---- rings ---- */

static void expect_broken(u32 vm, u32 lines)
{
	assert_true(get_reg(vm, REG(device_status), 1) & VIRTIO_STATUS_NEEDS_RESET);
	assert_true(fake_interrupts[vm][0] > 0);
	assert_int_equal(fake_lines, lines + 1);
}

static void an_index_that_jumps_breaks_the_queue(void **state)
{
	u32 lines = fake_lines;

	(void)state;
	poke16(0, RING_AT(0) + 0x1002, QUEUE_SIZE(0) + 1);
	ring_bell(0, 0);
	fake_run();
	expect_broken(0, lines);
}

static void a_loop_of_descriptors_breaks_the_queue(void **state)
{
	u32 lines = fake_lines;

	(void)state;
	put_desc(0, 0, 0, COMMAND_AT, 24, VIRTQ_DESC_F_NEXT, 1);
	put_desc(0, 0, 1, COMMAND_AT, 24, VIRTQ_DESC_F_NEXT, 0);
	make_available(0, 0, 0);
	ring_bell(0, 0);
	fake_run();
	expect_broken(0, lines);
}

static void a_broken_device_works_again_after_a_reset(void **state)
{
	(void)state;
	create(0, 5, 64, 64);
	make_available(0, 0, 999);
	ring_bell(0, 0);
	fake_run();
	assert_true(get_reg(0, REG(device_status), 1) & VIRTIO_STATUS_NEEDS_RESET);
	assert_int_equal(create(1, 5, 64, 64), OK_NODATA);
	set_reg(0, REG(device_status), 1, 0);
	fake_run();
	probe(0);
	assert_int_equal(create(0, 5, 64, 64), OK_NODATA);
}

static void a_command_through_an_indirect_table(void **state)
{
	struct virtq_desc table[2] = { { COMMAND_AT, 24, VIRTQ_DESC_F_NEXT, 1 },
				       { RESPONSE_AT, 2048, VIRTQ_DESC_F_WRITE, 0 } };
	struct virtio_gpu_hdr get = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };

	(void)state;
	poke(0, 0x50000, table, sizeof(table));
	poke(0, COMMAND_AT, &get, sizeof(get));
	put_desc(0, 0, 3, 0x50000, sizeof(table), VIRTQ_DESC_F_INDIRECT, 0);
	make_available(0, 0, 3);
	ring_bell(0, 0);
	fake_run();
	assert_int_equal(peek16(0, RESPONSE_AT), VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
	assert_int_equal(peek16(0, RING_AT(0) + 0x2004), 3);
}

static void an_answer_may_be_scattered_to_single_bytes(void **state)
{
	struct virtio_gpu_create_2d c = {
		{ .type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D }, 5, 1, 8, 8
	};

	(void)state;
	poke(0, COMMAND_AT, &c, sizeof(c));
	put_desc(0, 0, 0, COMMAND_AT, sizeof(c), VIRTQ_DESC_F_NEXT, 1);
	for (u16 i = 1; i <= 24; i++)
		put_desc(0, 0, i, RESPONSE_AT + 2U * i, 1,
			 VIRTQ_DESC_F_WRITE | (i < 24 ? VIRTQ_DESC_F_NEXT : 0), (u16)(i + 1));
	make_available(0, 0, 0);
	ring_bell(0, 0);
	fake_run();
	assert_int_equal(fake_ram[0][RESPONSE_AT + 2], OK_NODATA & 0xff);
	assert_int_equal(fake_ram[0][RESPONSE_AT + 4], OK_NODATA >> 8);
}

static void a_full_queue_pauses_and_goes_on(void **state)
{
	struct virtio_gpu_create_2d c = {
		{ .type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D }, 5, 1, 8, 8
	};

	(void)state;
	poke(0, COMMAND_AT, &c, sizeof(c));
	put_desc(0, 0, 0, COMMAND_AT, sizeof(c), 0, 0);
	for (u32 i = 0; i < QUEUE_SIZE(0); i++)
		make_available(0, 0, 0);
	fake_device.frozen = true;
	ring_bell(0, 0);
	fake_run();
	fake_device.frozen = false;
	gpu_wake(gpu_get(0));
	fake_run();
	assert_int_equal(peek16(0, RING_AT(0) + 0x2002), QUEUE_SIZE(0));
	for (u32 round = 0; round < 3; round++) {
		struct virtio_gpu_flush f = {
			{ .type = VIRTIO_GPU_CMD_RESOURCE_FLUSH }, { 0, 0, 8, 8 }, 5, 0
		};

		poke(0, COMMAND_AT, &f, sizeof(f));
		put_desc(0, 0, 0, COMMAND_AT, sizeof(f), 0, 0);
		for (u32 i = 0; i < QUEUE_SIZE(0); i++)
			make_available(0, 0, 0);
		ring_bell(0, 0);
		fake_run();
		assert_int_equal(peek16(0, RING_AT(0) + 0x2002), QUEUE_SIZE(0) * (round + 2));
	}
}

/* ---- reset ---- */

static void a_reset_destroys_everything_on_the_device(void **state)
{
	u32 id;

	(void)state;
	create(0, 5, 64, 64);
	attach_one(0, 5, 0x200000, 64 * 64 * 4);
	show(0, 0, 5, 64, 64);
	create(1, 5, 64, 64);
	id = host_id(0, 5);
	set_reg(0, REG(device_status), 1, 0);
	assert_int_not_equal(get_reg(0, REG(device_status), 1), 0);
	fake_run();
	assert_int_equal(get_reg(0, REG(device_status), 1), 0);
	assert_false(fake_device.resources[id].exists);
	assert_int_equal(fake_device.scanouts[0], 0);
	assert_true(fake_device.resources[host_id(1, 5)].exists);
}

static void a_reset_with_jobs_out_waits_for_them(void **state)
{
	(void)state;
	fake_device.frozen = true;
	create(0, 5, 64, 64);
	set_reg(0, REG(device_status), 1, 0);
	fake_run();
	assert_int_not_equal(get_reg(0, REG(device_status), 1), 0);
	fake_device.frozen = false;
	gpu_wake(gpu_get(0));
	fake_run();
	assert_int_equal(get_reg(0, REG(device_status), 1), 0);
	assert_int_equal(peek16(0, RING_AT(0) + 0x2002), 0);
}

static void a_stopped_guest_may_start_again(void **state)
{
	(void)state;
	create(0, 5, 64, 64);
	vgpu_stop(&fake_vms[0]);
	assert_false(vgpu_stopped(&fake_vms[0]));
	fake_run();
	assert_true(vgpu_stopped(&fake_vms[0]));
	probe(0);
	assert_int_equal(create(0, 5, 64, 64), OK_NODATA);
}

static void features_that_were_not_offered_are_not_accepted(void **state)
{
	(void)state;
	set_reg(0, REG(device_status), 1, 0);
	set_reg(0, REG(device_status), 1, 3);
	set_reg(0, REG(driver_feature_select), 4, 0);
	set_reg(0, REG(driver_feature), 4, VIRTIO_GPU_F_VIRGL);
	set_reg(0, REG(driver_feature_select), 4, 1);
	set_reg(0, REG(driver_feature), 4, 1);
	set_reg(0, REG(device_status), 1, 11);
	assert_int_equal(get_reg(0, REG(device_status), 1), 3);
}

/* ---- without an IOMMU ---- */

static int set_up_bare(void **state)
{
	(void)state;
	fake_machine_start(false, MIB(16));
	probe(0);
	probe(1);
	return 0;
}

static void entries_are_split_where_host_memory_is_not_in_one_piece(void **state)
{
	(void)state;
	/* Odd chunks elsewhere: the pieces must not be merged again. */
	fake_chunks[0][2] = HPA(FAKE_HPA(0, 3 * GMEM_CHUNK_SIZE));
	fake_chunks[0][3] = HPA(FAKE_HPA(0, 2 * GMEM_CHUNK_SIZE));
	create(0, 5, 1024, 1024);
	assert_int_equal(attach_one(0, 5, 0x300000, 0x400000), OK_NODATA);
	assert_int_equal(resource_find(&fake_vgpu(0)->audit.resources, 5)->backing.entries, 3);
	assert_int_equal(transfer(0, 5, 1024, 1024, 0), OK_NODATA);
}

#define RULE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(a_picture_goes_the_whole_way),
		RULE(each_answer_raises_the_queues_interrupt_unless_unwanted),
		RULE(an_answer_without_a_fence_is_told_with_the_next),
		RULE(a_fence_is_told_at_once),
		RULE(the_pointer_does_not_wait_for_long_work),
		RULE(a_fence_comes_back_as_the_guest_named_it),
		RULE(a_fenced_refusal_waits_for_the_jobs_before_it),
		RULE(display_and_edid_are_answered_without_the_device),
		RULE(the_same_id_in_two_guests_is_two_resources),
		RULE(another_guests_resource_does_not_exist),
		RULE(each_guest_is_on_its_own_scanout),
		RULE(focus_swaps_two_guests),
		RULE(backing_outside_memory_is_refused),
		RULE(many_entries_arrive_in_order),
		RULE(more_than_the_quota_is_out_of_memory),
		RULE(a_new_resource_is_cleared_before_the_guest_hears_of_it),
		RULE(what_cannot_be_cleared_is_not_handed_out),
		RULE(what_the_device_refuses_is_taken_back),
		RULE(an_index_that_jumps_breaks_the_queue),
		RULE(a_loop_of_descriptors_breaks_the_queue),
		RULE(a_broken_device_works_again_after_a_reset),
		RULE(a_command_through_an_indirect_table),
		RULE(an_answer_may_be_scattered_to_single_bytes),
		RULE(a_full_queue_pauses_and_goes_on),
		RULE(a_reset_destroys_everything_on_the_device),
		RULE(a_reset_with_jobs_out_waits_for_them),
		RULE(a_stopped_guest_may_start_again),
		RULE(features_that_were_not_offered_are_not_accepted),
		cmocka_unit_test_setup_teardown(
			entries_are_split_where_host_memory_is_not_in_one_piece, set_up_bare,
			tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
