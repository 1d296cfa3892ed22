/* SPDX-License-Identifier: Apache-2.0 */
/* A device that answers nobody is reset and made as it was; one that does not recover, given up. */
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
#include "tests/unit/hang_world.h"

static void a_silent_device_is_reset_and_pictures_come_back(void **state)
{
	(void)state;
	start_posting(B);
	post_create(B, 5);
	post_attach(B, 5, 0x200000, 64 * 64 * 4);
	send_posted(B);
	show(B, 0, 5, 8, 8);
	stop_device();
	wait_for_reset();
	assert_int_equal(fake_device.resets, 1);
	expect_hung(A);
	assert_int_equal(alive(B), 1);
	assert_int_equal(fake_device.scanouts[1], host_id(B, 5));
	assert_true(fake_device.resources[host_id(B, 5)].cleared);
	assert_true(fake_device.resources[host_id(B, 5)].backed);
	assert_false(fake_device.resources[host_id(B, 5)].zeros);
	assert_int_equal(fake_vgpu(A)->detached, 0);
	expect_fine(B);
	probe(A);
	expect_fine(A);
}

/* That the clean-up's commands are read does not put the blame on the next guest. */
static void an_engine_that_stands_is_not_the_others_fault(void **state)
{
	struct vgpu *vgpu = fake_vms[A].vgpu;

	(void)state;
	vgpu->scanout = GPU_SCANOUT_NONE; /* its clean-up has no fence */
	start_posting(A);
	start_posting(B);
	post_create(A, 4);
	send_posted(A);
	post_create(B, 4);
	send_posted(B);
	fake_device.no_engine = true;
	post_create(A, 5);
	send_posted(A);
	post_create(B, 5);
	send_posted(B);
	wait_for_reset();
	assert_int_equal(fake_device.resets, 1);
	expect_hung(A);
	assert_int_equal(alive(B), 2);
	expect_fine(B);
}

static void what_waited_is_sent_again_in_order(void **state)
{
	(void)state;
	start_posting(B);
	post_create(B, 5);
	post_attach(B, 5, 0x200000, 4096);
	send_posted(B);
	stop_device();
	post_flush(B, 5);
	post_ref(B, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 5);
	post_attach(B, 5, 0x300000, 8192);
	post_create(B, 6);
	post_ref(B, VIRTIO_GPU_CMD_RESOURCE_UNREF, 5);
	post_flush(B, 6);
	send_posted(B);
	assert_int_equal(used_count(B), 2);
	wait_for_reset();
	assert_int_equal(fake_device.resets, 1);
	for (u32 i = 0; i < 8; i++)
		expect_answer(B, i, i, OK_NODATA);
	assert_int_equal(alive(B), 1);
	assert_true(fake_device.resources[host_id(B, 6)].cleared);
	assert_int_equal(fake_vgpu(B)->outstanding, 0);
	expect_fine(B);
}

/* Its DETACH waits: until then the device has the backing of before. */
static void a_backing_is_the_one_that_the_device_had(void **state)
{
	u32 id;

	(void)state;
	start_posting(B);
	post_create(B, 5);
	post_attach(B, 5, 0x200000, 4096);
	send_posted(B);
	id = host_id(B, 5);
	stop_device();
	post_flush(B, 5);
	post_flush(B, 5);
	post_ref(B, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 5);
	post_attach(B, 5, 0x300000, 8192);
	send_posted(B);
	hang_next(VIRTIO_GPU_CMD_RESOURCE_FLUSH); /* stop there */
	fake_device.hang_count = 100;
	wait_for_reset();
	assert_int_equal(fake_device.resets, 1);
	assert_int_equal(used_count(B), 2);
	assert_int_equal(fake_device.resources[id].backing_bytes, 4096);
	fake_let_go();
	fake_run();
	assert_int_equal(fake_device.resources[id].backing_bytes, 8192);
}

static void a_guest_may_reset_its_device_meanwhile(void **state)
{
	(void)state;
	start_posting(B);
	post_create(B, 5);
	post_attach(B, 5, 0x200000, 4096);
	post_create(B, 6);
	send_posted(B);
	stop_device();
	post_ref(B, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 5);
	post_ref(B, VIRTIO_GPU_CMD_RESOURCE_UNREF, 6);
	send_posted(B);
	fake_device.stays_stuck = true;
	for (u32 i = 0; i < 40 && !fake_device.resets; i++)
		fake_pass(TIMEOUT / 10);
	assert_string_equal(state_of(B), "rebuild");
	set_reg(B, REG(device_status), 1, 0);
	assert_string_equal(state_of(B), "reset");
	fake_device.stays_stuck = fake_device.frozen = false;
	gpu_wake(gpu_get(0));
	fake_run();
	assert_int_equal(get_reg(B, REG(device_status), 1), 0);
	assert_int_equal(alive(B), 0);
	probe(B);
	expect_fine(B);
}

static void a_guest_that_is_being_reset_ends_that(void **state)
{
	(void)state;
	create(B, 5, 8, 8);
	create(B, 6, 8, 8);
	stop_device();
	set_reg(B, REG(device_status), 1, 0);
	fake_run();
	assert_int_not_equal(get_reg(B, REG(device_status), 1), 0);
	wait_for_reset();
	assert_int_equal(get_reg(B, REG(device_status), 1), 0);
	probe(B);
	expect_fine(B);
}

static void pictures_that_cannot_be_made_anew_freeze(void **state)
{
	(void)state;
	create(B, 5, 8, 8);
	stop_device();
	fake_device.refuse_after = 2; /* what hides the picture of A, before and after */
	fake_device.refuse = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	wait_for_reset();
	expect_hung(B);
	assert_int_equal(alive(B), 0);
	probe(B);
	expect_fine(B);
}

static void a_guest_with_3d_is_frozen_by_the_reset(void **state)
{
	u32 lines;

	(void)state;
	make_context(B, 3);
	create(B, 5, 8, 8);
	stop_device();
	lines = fake_lines;
	wait_for_reset();
	assert_int_equal(fake_device.resets, 1);
	assert_int_equal(fake_lines, lines + 3); /* A hangs, a reset, B is frozen */
	expect_hung(B);
	assert_int_equal(fake_vgpu(B)->three->contexts.count, 0);
	assert_int_equal(contexts_alive() + alive(B), 0);
	probe(B);
	expect_fine(B);
}

static void too_many_abandoned_jobs_reset_the_device(void **state)
{
	(void)state;
	create(B, 5, 8, 8);
	for (u32 i = 0; i < GPU_ABANDONED_MAX; i++) {
		hang_a();
		probe(A);
		expect_fine(A);
		expect_fine(B);
	}
	assert_int_equal(fake_device.resets, 0);
	hang_next(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D);
	create(A, 5, 64, 64);
	expect_fine(B);
	wait_for_hang();
	assert_int_equal(fake_device.resets, 1);
	assert_int_equal(fake_vgpu(A)->detached, 0);
	assert_int_equal(alive(B), 1);
	/* Its job is not to blame for the others' end: it was sent again. */
	expect_fine(A);
}

static void resets_that_help_do_not_add_up(void **state)
{
	(void)state;
	create(B, 5, 8, 8);
	for (u32 i = 1; i <= 6; i++) {
		stop_device();
		wait_for_reset();
		assert_int_equal(fake_device.resets, i);
		probe(A);
		expect_fine(A);
		expect_fine(B);
	}
}

static void expect_given_up(void)
{
	assert_true(fake_device.dead);
	expect_hung(A);
	expect_hung(B);
	probe(A);
	assert_string_equal(state_of(A), "hung");
	assert_int_equal(create(A, 5, 8, 8), UNSPEC);
	vgpu_stop(&fake_vms[B]);
	fake_run();
	assert_true(vgpu_stopped(&fake_vms[B]));
}

static void a_device_that_stays_silent_is_given_up(void **state)
{
	(void)state;
	create(B, 5, 8, 8);
	stop_device();
	fake_device.stays_stuck = true;
	fake_pass(20 * TIMEOUT);
	assert_int_equal(fake_device.resets, 3);
	expect_given_up();
}

/* It always does what we send after a reset, and never what a guest sends. */
static void a_device_that_answers_us_alone_is_given_up(void **state)
{
	(void)state;
	create(B, 5, 8, 8);
	fake_device.picky = true;
	for (u32 i = 0; i < 4; i++) {
		create(A, 5, 8, 8);
		wait_for_reset();
		probe(A);
	}
	assert_true(fake_device.dead);
	assert_int_equal(fake_device.resets, 3);
}

static void a_device_that_cannot_be_reset_is_given_up(void **state)
{
	(void)state;
	create(B, 5, 8, 8);
	stop_device();
	fake_device.breaks = true;
	wait_for_reset();
	assert_int_equal(fake_device.resets, 1);
	expect_given_up();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(a_silent_device_is_reset_and_pictures_come_back),
		RULE(an_engine_that_stands_is_not_the_others_fault),
		RULE(what_waited_is_sent_again_in_order),
		RULE(a_backing_is_the_one_that_the_device_had),
		RULE(a_guest_may_reset_its_device_meanwhile),
		RULE(a_guest_that_is_being_reset_ends_that),
		RULE(pictures_that_cannot_be_made_anew_freeze),
		RULE_3D(a_guest_with_3d_is_frozen_by_the_reset),
		RULE(too_many_abandoned_jobs_reset_the_device),
		RULE(resets_that_help_do_not_add_up),
		RULE(a_device_that_stays_silent_is_given_up),
		RULE(a_device_that_answers_us_alone_is_given_up),
		RULE(a_device_that_cannot_be_reset_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
