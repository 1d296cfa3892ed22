/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's hang ends one guest only; a device that answers nobody is reset, then given up. */
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
#include "tests/unit/fake_driver.h"

#define OK_NODATA VIRTIO_GPU_RESP_OK_NODATA
#define UNSPEC	  VIRTIO_GPU_RESP_ERR_UNSPEC
#define MS	  1000000ULL
#define TIMEOUT	  FAKE_TIMEOUT_NS
#define A	  0 /* who hangs */
#define B	  1 /* who does not */

static int set_up(void **state)
{
	(void)state;
	fake_capsets.count = 0;
	fake_machine_start(true, MIB(16));
	probe(A);
	probe(B);
	return 0;
}

static int set_up_3d(void **state)
{
	static u8 data[64];

	(void)state;
	fake_capsets =
		(struct audit_capsets){ .count = 1, .sets = { { 1, 1, sizeof(data), data } } };
	fake_machine_start(true, MIB(16));
	probe(A);
	probe(B);
	fake_vgpu(A)->accepted |= VIRTIO_GPU_F_VIRGL;
	fake_vgpu(B)->accepted |= VIRTIO_GPU_F_VIRGL;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_machine_stop();
	return 0;
}

/* ---- shortcuts ---- */

/* From here on the rings are as new and commands are posted from number 0. */
static void start_posting(u32 vm)
{
	set_reg(vm, REG(device_status), 1, 0);
	fake_run();
	probe(vm);
	posted[vm] = 0;
}

static void hang_next(u32 type)
{
	fake_device.hang = type;
	fake_device.hang_count = 1;
}

static void wait_for_hang(void)
{
	fake_pass(TIMEOUT + TIMEOUT / 3);
}

static const char *state_of(u32 vm)
{
	struct vgpu_report report;
	struct vgpu *vgpu = fake_vms[vm].vgpu;

	vgpu->gpu->ops->vgpu_report(vgpu, &report);
	return report.state;
}

static void expect_hung(u32 vm)
{
	assert_string_equal(state_of(vm), "hung");
	assert_true(get_reg(vm, REG(device_status), 1) & VIRTIO_STATUS_NEEDS_RESET);
	assert_true(fake_interrupts[vm][0] > 0);
	assert_int_equal(fake_vgpu(vm)->audit.resources.count, 0);
	assert_int_equal(fake_vgpu(vm)->outstanding, 0);
}

static void expect_fine(u32 vm)
{
	assert_string_equal(state_of(vm), "run");
	assert_int_equal(create(vm, 77, 8, 8), OK_NODATA);
	assert_int_equal(refer(vm, VIRTIO_GPU_CMD_RESOURCE_UNREF, 77), OK_NODATA);
}

static u32 alive(u32 vm)
{
	u32 base = 1 + vm * VGPU_RESOURCES_MAX;
	u32 count = 0;

	for (u32 i = base; i < base + VGPU_RESOURCES_MAX; i++)
		count += fake_device.resources[i].exists;
	return count;
}

static void hang_a(void)
{
	hang_next(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D);
	create(A, 5, 64, 64);
	wait_for_hang();
	expect_hung(A);
}

/* ---- one guest ---- */

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

static void the_others_go_on_before_it_is_noticed(void **state)
{
	(void)state;
	hang_next(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D);
	create(A, 5, 64, 64);
	expect_fine(B);
	assert_string_equal(state_of(A), "run");
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

static void a_stop_waits_no_longer_than_the_time_out(void **state)
{
	(void)state;
	hang_next(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D);
	create(A, 5, 64, 64);
	vgpu_stop(&fake_vms[A]);
	fake_run();
	assert_false(vgpu_stopped(&fake_vms[A]));
	wait_for_hang();
	assert_true(vgpu_stopped(&fake_vms[A]));
	assert_int_equal(fake_vgpu(A)->hangs, 0);
	assert_int_equal(alive(A), 0);
	probe(A);
	expect_fine(A);
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

/* ---- when it counts as a hang ---- */

static void a_slow_job_is_no_hang(void **state)
{
	(void)state;
	fake_device.frozen = true;
	create(A, 5, 8, 8);
	fake_pass(TIMEOUT - 50 * MS);
	assert_string_equal(state_of(A), "run");
	fake_device.frozen = false;
	gpu_wake(gpu_get(0));
	fake_run();
	expect_fine(A);
}

/* The time in which another had the engine is not counted. */
static void its_time_begins_when_it_is_the_oldest(void **state)
{
	(void)state;
	fake_device.frozen = true;
	create(A, 5, 8, 8);
	create(B, 5, 8, 8);
	fake_pass(TIMEOUT * 3 / 4);
	fake_device.frozen = false;
	hang_next(0);
	fake_device.fifo[1].hangs = true;
	gpu_wake(gpu_get(0));
	fake_run();
	fake_pass(TIMEOUT * 3 / 4);
	assert_string_equal(state_of(B), "run");
	fake_pass(TIMEOUT * 3 / 4);
	expect_hung(B);
	expect_fine(A);
}

static void those_that_overtake_it_do_not_save_it(void **state)
{
	(void)state;
	hang_next(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D);
	create(A, 5, 8, 8);
	for (u32 i = 0; i < 14; i++) {
		fake_pass(100 * MS);
		expect_fine(B);
	}
	expect_hung(A);
}

static void each_guest_has_its_own_time(void **state)
{
	struct vgpu *vgpu = fake_vms[A].vgpu;

	(void)state;
	vgpu->timeout_ns = 10 * TIMEOUT;
	hang_next(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D);
	create(A, 5, 8, 8);
	fake_pass(9 * TIMEOUT);
	assert_string_equal(state_of(A), "run");
	fake_pass(2 * TIMEOUT);
	expect_hung(A);
}

static void the_time_is_paid_for(void **state)
{
	struct vgpu *vgpu = fake_vms[A].vgpu;
	u64 before = vgpu->sched.stats.engine_ns;

	(void)state;
	hang_a();
	assert_true(vgpu->sched.stats.engine_ns - before >= TIMEOUT);
}

/* ---- 3D ---- */

static u32 make_context(u32 vm, u32 id)
{
	struct virtio_gpu_ctx_create c = {
		{ .type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = id }, 0, 0, { 0 }
	};

	return command(vm, &c, sizeof(c));
}

static u32 submit_nothing(u32 vm, u32 context)
{
	struct virtio_gpu_submit_3d c = { { .type = VIRTIO_GPU_CMD_SUBMIT_3D, .ctx_id = context },
					  0,
					  0 };

	return command(vm, &c, sizeof(c));
}

static u32 contexts_alive(void)
{
	u32 count = 0;

	for (u32 i = 0; i < FAKE_CONTEXTS; i++)
		count += fake_device.contexts[i];
	return count;
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

/* ---- the device ---- */

/* It stops with a job of A at its head; then it is reset after two times at the most. */
static void stop_device(void)
{
	fake_device.frozen = true;
	create(A, 50, 8, 8);
}

static void wait_for_reset(void)
{
	fake_pass(2 * (TIMEOUT + TIMEOUT / 3));
}

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

/* ---- how jobs ended, for who looks ---- */

static u32 ended[FAKE_VMS][8];
static u32 odd; /* without a known end, or with a time-out that is none */

/* A lock is held: what is wrong is only counted. */
static void note(void *ctx, const struct gpu_sched_event *event)
{
	u64 how = event->aux & 0xff;

	(void)ctx;
	if (event->kind != GPU_SCHED_EVENT_COMPLETE)
		return;
	odd += how < GPU_TRACE_GIVEN_BACK || how > GPU_TRACE_TAKEN_BACK;
	odd += event->aux >> 8 != (how == GPU_TRACE_TIMED_OUT ? TIMEOUT : 0);
	ended[event->vgpu][how % 8]++;
}

static void look_at_ends(void)
{
	memset(ended, 0, sizeof(ended));
	odd = 0;
	gpu_get(0)->sched.note = note;
}

static void a_hang_is_told_from_what_the_device_gave_back(void **state)
{
	(void)state;
	look_at_ends();
	hang_a();
	assert_int_equal(ended[A][GPU_TRACE_TIMED_OUT], 1);
	expect_fine(B);
	fake_let_go();
	fake_run();
	assert_int_equal(ended[A][GPU_TRACE_TIMED_OUT], 1);
	assert_true(ended[B][GPU_TRACE_GIVEN_BACK] > 0);
	for (u32 how = GPU_TRACE_NOT_SENT; how <= GPU_TRACE_TAKEN_BACK; how++)
		assert_int_equal(ended[B][how], 0);
	assert_int_equal(odd, 0);
}

static void what_a_reset_takes_back_is_told_from_a_hang(void **state)
{
	(void)state;
	create(A, 5, 8, 8);
	create(B, 5, 8, 8);
	look_at_ends();
	stop_device();
	wait_for_reset();
	/* Who had the device is to blame; what the other one had there is repeated. */
	assert_int_equal(ended[A][GPU_TRACE_TIMED_OUT] + ended[B][GPU_TRACE_TIMED_OUT], 1);
	assert_true(ended[A][GPU_TRACE_TAKEN_BACK] + ended[B][GPU_TRACE_TAKEN_BACK] > 0);
	assert_int_equal(odd, 0);
}

static void what_need_not_go_to_the_device_is_told(void **state)
{
	struct vgpu *vgpu = fake_vms[A].vgpu;

	(void)state;
	create(A, 5, 8, 8);
	vgpu->scanout = GPU_SCANOUT_NONE;
	look_at_ends();
	show(A, 0, 5, 8, 8);
	assert_true(ended[A][GPU_TRACE_NOT_SENT] > 0);
	assert_int_equal(ended[A][GPU_TRACE_TIMED_OUT], 0);
	assert_int_equal(odd, 0);
}

#define RULE(name)    cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define RULE_3D(name) cmocka_unit_test_setup_teardown(name, set_up_3d, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(a_job_without_an_answer_freezes_its_guest_alone),
		RULE(the_others_go_on_before_it_is_noticed),
		RULE(a_hang_is_told_from_what_the_device_gave_back),
		RULE(what_a_reset_takes_back_is_told_from_a_hang),
		RULE(what_need_not_go_to_the_device_is_told),
		RULE(what_was_out_is_answered_with_errors_in_order),
		RULE(a_command_that_is_half_taken_in_fails_too),
		RULE(a_command_that_waits_its_turn_fails_too),
		RULE(what_the_dropped_commands_were_to_do_is_put_right),
		RULE(what_we_were_to_do_ourselves_is_done_after_all),
		RULE(a_dropped_unref_is_sent_again),
		RULE(an_abandoned_unref_is_sent_again),
		RULE(a_late_answer_is_nobodys),
		RULE(later_commands_fail_at_once_until_a_reset),
		RULE(a_reset_does_not_wait_for_the_late_answer),
		RULE(a_guest_that_is_hung_can_be_stopped_and_started),
		RULE(a_stop_waits_no_longer_than_the_time_out),
		RULE(a_job_of_our_own_can_hang_as_well),
		RULE(the_clean_up_can_hang_as_well),
		RULE(another_that_hangs_later_ends_itself_alone),
		RULE(a_slow_job_is_no_hang),
		RULE(its_time_begins_when_it_is_the_oldest),
		RULE(those_that_overtake_it_do_not_save_it),
		RULE(each_guest_has_its_own_time),
		RULE(the_time_is_paid_for),
		RULE_3D(a_stream_keeps_its_memory_until_the_device_lets_go),
		RULE_3D(a_context_whose_end_was_lost_is_ended_again),
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
