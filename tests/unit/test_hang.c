/* SPDX-License-Identifier: Apache-2.0 */
/* A guest whose job has no answer is ended alone; what it had out, and what comes late. */
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

/* ---- what it had out ---- */

static void a_job_without_an_answer_freezes_its_guest_alone(void **state)
{
	u32 lines = fake_lines;

	(void)state;
	create(A, 4, 64, 64);
	show(A, 0, 4, 64, 64);
	create(B, 4, 64, 64);
	show(B, 0, 4, 64, 64);
	hang_a();
	assert_int_equal(fake_lines, lines + 1);
	assert_int_equal(alive(A), 0);
	assert_int_equal(fake_device.scanouts[0], 0);
	assert_int_equal(alive(B), 1);
	assert_int_equal(fake_device.scanouts[1], host_id(B, 4));
	assert_int_equal(fake_device.resets, 0);
	assert_int_equal(fake_vgpu(A)->hangs, 1);
	expect_fine(B);
	assert_int_equal(fake_vgpu(B)->hangs, 0);
}

static void what_was_out_is_answered_with_errors_in_order(void **state)
{
	(void)state;
	start_posting(A);
	post_create(A, 5);
	send_posted(A);
	hang_next(VIRTIO_GPU_CMD_RESOURCE_FLUSH);
	for (u32 i = 0; i < 10; i++)
		post_flush(A, 5);
	fake_device.frozen = true; /* so that two are at the device when it hangs */
	send_posted(A);
	assert_int_equal(used_count(A), 1);
	fake_device.frozen = false;
	fake_device.fifo[1].hangs = true;
	wait_for_hang();
	expect_hung(A);
	assert_int_equal(used_count(A), 11);
	expect_answer(A, 0, 0, OK_NODATA);
	for (u32 i = 1; i <= 10; i++)
		expect_answer(A, i, i, UNSPEC);
	assert_int_equal(fake_vgpu(A)->detached, 2);
}

/* The intake has no room for more: those in the ring and the one in hand come last. */
static void a_command_that_is_half_taken_in_fails_too(void **state)
{
	(void)state;
	start_posting(A);
	hang_next(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D);
	post_create(A, 5);
	post_attach(A, 5, 0x200000, 4096);
	ring_bell(A, 0);
	(void)intake_step(&fake_vcpus[A], &fake_vgpu(A)->work);
	assert_int_equal(fake_vgpu(A)->stage, INTAKE_ENTRIES);
	fake_vgpu(A)->work.node.next = NULL;
	fake_softirq_handler(0);
	fake_now += 2 * TIMEOUT;
	fake_softirq_handler(0);
	fake_run();
	expect_hung(A);
	expect_answer(A, 0, 0, UNSPEC);
	expect_answer(A, 1, 1, UNSPEC);
}

/* Its fence says that all before it is done, so it stays in the ring until then. */
static void a_command_that_waits_its_turn_fails_too(void **state)
{
	(void)state;
	start_posting(A);
	hang_next(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D);
	post_create(A, 5);
	post_flush(A, 99);
	send_posted(A);
	assert_int_equal(used_count(A), 0);
	wait_for_hang();
	expect_answer(A, 0, 0, UNSPEC);
	expect_answer(A, 1, 1, UNSPEC);
}

static void what_the_dropped_commands_were_to_do_is_put_right(void **state)
{
	struct virtio_vgpu *v = fake_vgpu(A);

	(void)state;
	start_posting(A);
	post_create(A, 5);
	post_attach(A, 5, 0x200000, 4096);
	post_create(A, 6);
	post_attach(A, 6, 0x201000, 4096);
	send_posted(A);
	hang_next(VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING);
	post_ref(A, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 5);
	fake_device.frozen = true; /* nothing of these is done before the time is over */
	post_attach(A, 5, 0x210000, 8192);
	post_ref(A, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 5);
	post_ref(A, VIRTIO_GPU_CMD_RESOURCE_UNREF, 6);
	post_create(A, 6);
	post_attach(A, 6, 0x220000, 4096);
	send_posted(A);
	fake_device.frozen = false;
	fake_device.fifo[1].hangs = true;
	wait_for_hang();
	expect_hung(A);
	for (u32 i = 4; i < 10; i++)
		expect_answer(A, i, i, UNSPEC);
	assert_int_equal(alive(A), 0);
	/* One ATTACH is at the device and may still be read. */
	assert_int_equal(v->audit.resources.unit_free + fake_units_held(v),
			 v->audit.resources.unit_count);
	assert_true(fake_units_held(v) > 0);
	fake_let_go();
	fake_run();
	assert_int_equal(v->audit.resources.unit_free, v->audit.resources.unit_count);
}

static void a_dropped_unref_is_sent_again(void **state)
{
	(void)state;
	start_posting(A);
	post_create(A, 5);
	send_posted(A);
	hang_next(VIRTIO_GPU_CMD_RESOURCE_FLUSH);
	fake_device.hang_count = 2;
	post_flush(A, 5);
	post_flush(A, 5);
	post_ref(A, VIRTIO_GPU_CMD_RESOURCE_UNREF, 5);
	send_posted(A);
	wait_for_hang();
	expect_hung(A);
	assert_int_equal(alive(A), 0);
	assert_int_equal(fake_vgpu(A)->audit.resources.used, 0);
}

static void what_we_were_to_do_ourselves_is_done_after_all(void **state)
{
	(void)state;
	create(B, 5, 8, 8);
	show(B, 0, 5, 8, 8);
	hang_next(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D);
	fake_device.hang_count = 2;
	create(A, 5, 8, 8);
	create(A, 6, 8, 8);
	virtio_vgpu_show(fake_vms[A].vgpu, 1); /* that output is nobody's now */
	fake_run();
	assert_int_equal(fake_device.scanouts[1], host_id(B, 5));
	wait_for_hang();
	expect_hung(A);
	assert_int_equal(fake_device.scanouts[1], 0);
}

static void an_abandoned_unref_is_sent_again(void **state)
{
	(void)state;
	create(A, 5, 8, 8);
	hang_next(VIRTIO_GPU_CMD_RESOURCE_UNREF);
	fake_device.hang_early = true;
	refer(A, VIRTIO_GPU_CMD_RESOURCE_UNREF, 5);
	wait_for_hang();
	expect_hung(A);
	assert_int_equal(alive(A), 0);
}

static void a_job_of_our_own_can_hang_as_well(void **state)
{
	(void)state;
	create(A, 5, 64, 64);
	show(A, 0, 5, 64, 64);
	hang_next(VIRTIO_GPU_CMD_SET_SCANOUT);
	assert_int_equal(gpu_focus_by_name("guest1"), OK);
	fake_run();
	wait_for_hang();
	/* One of the two has been asked first; the other is as it was. */
	assert_int_equal(fake_vgpu(A)->hangs + fake_vgpu(B)->hangs, 1);
	assert_int_equal(fake_device.resets, 0);
}

static void the_clean_up_can_hang_as_well(void **state)
{
	struct virtio_vgpu *v = fake_vgpu(A);

	(void)state;
	create(A, 4, 8, 8);
	hang_next(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D);
	create(A, 5, 8, 8);
	expect_fine(B);
	hang_next(VIRTIO_GPU_CMD_RESOURCE_UNREF);
	fake_pass(TIMEOUT + TIMEOUT / 3);
	assert_int_equal(v->outstanding, 1);
	expect_fine(B); /* so the device is not silent */
	wait_for_hang();
	expect_hung(A);
	assert_int_equal(v->detached, 2);
	assert_int_equal(v->hangs, 1);
	assert_int_equal(fake_device.resets, 0);
	expect_fine(B);
}

/* The first one's clean-up has shown that the engine goes on. */
static void another_that_hangs_later_ends_itself_alone(void **state)
{
	(void)state;
	create(B, 4, 8, 8);
	hang_a();
	hang_next(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D);
	create(B, 5, 8, 8);
	wait_for_hang();
	expect_hung(B);
	assert_int_equal(fake_device.resets, 0);
}

/* ---- afterwards ---- */

static void a_late_answer_is_nobodys(void **state)
{
	struct virtio_vgpu *v = fake_vgpu(A);
	u16 answered;

	(void)state;
	hang_a();
	assert_int_equal(v->detached, 1);
	answered = used_count(A);
	fake_let_go();
	fake_run();
	assert_int_equal(used_count(A), answered);
	assert_int_equal(v->detached, 0);
	assert_null(next_job(v, 0));
	expect_hung(A);
	expect_fine(B);
	for (u32 i = 0; i < GPU_JOBS_MAX; i++)
		assert_false(v->jobs[i].taken);
}

static void later_commands_fail_at_once_until_a_reset(void **state)
{
	(void)state;
	start_posting(A);
	posted[A] = 0;
	hang_next(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D);
	post_create(A, 5);
	send_posted(A);
	wait_for_hang();
	for (u32 i = 1; i < 12; i++)
		post_create(A, i);
	send_posted(A);
	for (u32 i = 0; i < 12; i++)
		expect_answer(A, i, i, UNSPEC);
	expect_hung(A);
	assert_int_equal(alive(A), 0);
	probe(A);
	expect_fine(A);
	assert_int_equal(fake_vgpu(A)->hangs, 1);
}

static void a_reset_does_not_wait_for_the_late_answer(void **state)
{
	(void)state;
	hang_a();
	probe(A); /* checks that status is 0 at once */
	expect_fine(A);
	assert_int_equal(fake_vgpu(A)->detached, 1);
	fake_let_go();
	fake_run();
	expect_fine(A);
}

static void a_guest_that_is_hung_can_be_stopped_and_started(void **state)
{
	(void)state;
	hang_a();
	vgpu_stop(&fake_vms[A]);
	fake_run();
	assert_true(vgpu_stopped(&fake_vms[A]));
	probe(A);
	expect_fine(A);
}

/* ---- 3D ---- */

static u32 submit_nothing(u32 vm, u32 context)
{
	struct virtio_gpu_submit_3d c = { { .type = VIRTIO_GPU_CMD_SUBMIT_3D, .ctx_id = context },
					  0,
					  0 };

	return command(vm, &c, sizeof(c));
}

static void a_stream_keeps_its_memory_until_the_device_lets_go(void **state)
{
	struct virtio_vgpu *v = fake_vgpu(A);

	(void)state;
	assert_int_equal(make_context(A, 3), OK_NODATA);
	assert_int_equal(make_context(B, 3), OK_NODATA);
	hang_next(VIRTIO_GPU_CMD_SUBMIT_3D);
	submit_nothing(A, 3);
	wait_for_hang();
	expect_hung(A);
	assert_int_equal(contexts_alive(), 1);
	assert_int_equal(v->three->contexts.count, 0);
	assert_int_equal(v->three->arena.count, 1);
	set_reg(A, REG(device_status), 1, 0);
	fake_run();
	assert_int_equal(v->three->arena.count, 1);
	fake_let_go();
	fake_run();
	assert_int_equal(v->three->arena.count, 0);
	assert_int_equal(submit_nothing(B, 3), OK_NODATA);
}

static void a_context_whose_end_was_lost_is_ended_again(void **state)
{
	struct virtio_gpu_hdr c = { .type = VIRTIO_GPU_CMD_CTX_DESTROY, .ctx_id = 3 };

	(void)state;
	make_context(A, 3);
	hang_next(VIRTIO_GPU_CMD_CTX_DESTROY);
	fake_device.hang_early = true;
	command(A, &c, sizeof(c));
	wait_for_hang();
	expect_hung(A);
	assert_int_equal(contexts_alive(), 0);
	assert_int_equal(fake_vgpu(A)->three->contexts.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(a_job_without_an_answer_freezes_its_guest_alone),
		RULE(what_was_out_is_answered_with_errors_in_order),
		RULE(a_command_that_is_half_taken_in_fails_too),
		RULE(a_command_that_waits_its_turn_fails_too),
		RULE(what_the_dropped_commands_were_to_do_is_put_right),
		RULE(a_dropped_unref_is_sent_again),
		RULE(what_we_were_to_do_ourselves_is_done_after_all),
		RULE(an_abandoned_unref_is_sent_again),
		RULE(a_job_of_our_own_can_hang_as_well),
		RULE(the_clean_up_can_hang_as_well),
		RULE(another_that_hangs_later_ends_itself_alone),
		RULE(a_late_answer_is_nobodys),
		RULE(later_commands_fail_at_once_until_a_reset),
		RULE(a_reset_does_not_wait_for_the_late_answer),
		RULE(a_guest_that_is_hung_can_be_stopped_and_started),
		RULE_3D(a_stream_keeps_its_memory_until_the_device_lets_go),
		RULE_3D(a_context_whose_end_was_lost_is_ended_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
