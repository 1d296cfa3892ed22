/* SPDX-License-Identifier: Apache-2.0 */
/* When a job counts as a hang, and what is told of how jobs ended. */
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

/* ---- when it counts as a hang ---- */

static void the_others_go_on_before_it_is_noticed(void **state)
{
	(void)state;
	hang_next(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D);
	create(A, 5, 64, 64);
	expect_fine(B);
	assert_string_equal(state_of(A), "run");
}

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(the_others_go_on_before_it_is_noticed),
		RULE(a_slow_job_is_no_hang),
		RULE(its_time_begins_when_it_is_the_oldest),
		RULE(those_that_overtake_it_do_not_save_it),
		RULE(each_guest_has_its_own_time),
		RULE(the_time_is_paid_for),
		RULE(a_stop_waits_no_longer_than_the_time_out),
		RULE(a_hang_is_told_from_what_the_device_gave_back),
		RULE(what_a_reset_takes_back_is_told_from_a_hang),
		RULE(what_need_not_go_to_the_device_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
