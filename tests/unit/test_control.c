/* SPDX-License-Identifier: Apache-2.0 */
/* Freeze, thaw, reset and settings of one vGPU while guests run; guards; trace and ledger. */
// SOURCES: gpu/gpu.c gpu/hang.c gpu/virtio/freeze.c gpu/virtio/rebuild.c
// SOURCES: gpu/vgpu.c gpu/dma.c drivers/iommu_ram.c gpu/virtio/family.c
// SOURCES: gpu/sched.c gpu/sched_admit.c gpu/sched_complete.c gpu/sched_fixed.c
// SOURCES: gpu/sched_note.c gpu/sched_order.c
// SOURCES: gpu/control.c gpu/settings.c gpu/guard.c gpu/waits.c gpu/books.c gpu/ledger.c
// SOURCES: gpu/sha256.c gpu/trace.c gpu/encode.c gpu/report.c gpu/report_json.c
// SOURCES: core/config.c core/config_keys.c gpu/config.c
// SOURCES: core/lib/parse.c core/lib/fmt.c
// SOURCES: gpu/virtio/vfunc.c gpu/virtio/intake.c gpu/virtio/teardown.c
// SOURCES: gpu/virtio/scanout.c gpu/virtio/audit.c gpu/virtio/resources.c
// SOURCES: gpu/virtio/audit_3d.c gpu/virtio/stream.c gpu/virtio/streams.c gpu/virtio/series.c
// SOURCES: gpu/virtio/virgl.c gpu/virtio/virgl_rules.c gpu/virtio/virgl_checks.c
// SOURCES: gpu/virtio/virgl_objects.c gpu/virtio/virgl_resource.c gpu/virtio/virgl_formats.c
// SOURCES: gpu/virtio/vring.c core/lib/string.c core/lib/error.c
#include "tests/unit/fake_driver.h"

#include "gpu/encode.h"
#include "gpu/report.h"

#define OK_NODATA VIRTIO_GPU_RESP_OK_NODATA
#define UNSPEC	  VIRTIO_GPU_RESP_ERR_UNSPEC
#define MS	  1000000ULL
#define SECOND	  1000000000ULL
#define A	  0
#define B	  1

static char why[CONTROL_WHY_MAX];

static int set_up(void **state)
{
	(void)state;
	fake_capsets.count = 0;
	fake_machine_start(true, MIB(16));
	for (u32 i = 0; i < FAKE_VMS; i++) {
		fake_vms[i].state = VM_RUNNING;
		snprintf(fake_config.guests[i].name, sizeof(fake_config.guests[i].name), "guest%u",
			 i);
		probe(i);
		posted[i] = 0;
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_machine_stop();
	return 0;
}

static struct vgpu *vgpu_of(u32 vm)
{
	return fake_vms[vm].vgpu;
}

static const char *state_of(u32 vm)
{
	return gpu_collect(gpu_get(0))->vgpus[vm].state;
}

static u32 answered(u32 vm)
{
	return used_count(vm);
}

static void expect_works(u32 vm)
{
	assert_int_equal(create(vm, 99, 8, 8), OK_NODATA);
	assert_int_equal(refer(vm, VIRTIO_GPU_CMD_RESOURCE_UNREF, 99), OK_NODATA);
}

/* The guest's driver begins anew, as after a restart. */
static void start_anew(u32 vm)
{
	set_reg(vm, REG(device_status), 1, 0);
	fake_run();
	probe(vm);
	posted[vm] = 0;
}

/* ---- freeze and thaw ---- */

static void a_frozen_vgpu_takes_nothing_and_the_other_goes_on(void **state)
{
	(void)state;
	create(A, 5, 8, 8);
	start_anew(A);
	assert_int_equal(vgpu_freeze(vgpu_of(A)), OK);
	for (u32 i = 0; i < 4; i++)
		post_create(A, 10 + i);
	send_posted(A);
	assert_int_equal(answered(A), 0);
	assert_string_equal(state_of(A), "frozen");
	assert_string_equal(state_of(B), "run");
	expect_works(B);
}

static void nothing_is_lost_by_a_freeze(void **state)
{
	(void)state;
	fake_device.frozen = true; /* so that jobs are in flight and queued */
	for (u32 i = 0; i < 8; i++)
		post_create(A, 10 + i);
	send_posted(A);
	assert_int_equal(answered(A), 0);
	assert_int_equal(vgpu_freeze(vgpu_of(A)), OK);
	fake_device.frozen = false;
	gpu_wake(gpu_get(0));
	fake_run();
	/* What the device had has come back; the rest waits. */
	assert_int_equal(answered(A), GPU_SCHED_DEPTH);
	fake_pass(10 * FAKE_TIMEOUT_NS);
	assert_int_equal(answered(A), GPU_SCHED_DEPTH);
	assert_int_equal(fake_vgpu(A)->hangs, 0);
	assert_int_equal(vgpu_thaw(vgpu_of(A)), OK);
	fake_run();
	for (u32 i = 0; i < 8; i++)
		expect_answer(A, i, i, OK_NODATA);
}

static void freezing_twice_and_thawing_what_is_not_frozen_is_said(void **state)
{
	(void)state;
	assert_int_equal(vgpu_thaw(vgpu_of(A)), ERR_NOT_FOUND);
	assert_int_equal(vgpu_freeze(vgpu_of(A)), OK);
	assert_int_equal(vgpu_freeze(vgpu_of(A)), ERR_EXISTS);
	assert_int_equal(vgpu_thaw(vgpu_of(A)), OK);
	fake_run();
	expect_works(A);
}

static void a_vm_stops_and_starts_whose_vgpu_is_frozen(void **state)
{
	(void)state;
	fake_device.frozen = true;
	for (u32 i = 0; i < 8; i++)
		post_create(A, 10 + i);
	send_posted(A);
	assert_int_equal(vgpu_freeze(vgpu_of(A)), OK);
	fake_device.frozen = false;
	vgpu_stop(&fake_vms[A]);
	gpu_wake(gpu_get(0));
	fake_run();
	fake_wait_until_stopped(A);
	assert_false(vgpu_of(A)->frozen);
	start_anew(A);
	expect_works(A);
}

static void a_guest_resets_its_device_while_frozen_and_gets_it_when_thawed(void **state)
{
	(void)state;
	create(A, 5, 8, 8);
	assert_int_equal(vgpu_freeze(vgpu_of(A)), OK);
	set_reg(A, REG(device_status), 1, 0);
	fake_run();
	assert_int_not_equal(get_reg(A, REG(device_status), 1), 0);
	assert_int_equal(vgpu_thaw(vgpu_of(A)), OK);
	fake_run();
	assert_int_equal(get_reg(A, REG(device_status), 1), 0);
	start_anew(A);
	expect_works(A);
}

static void a_picture_is_taken_to_its_output_after_the_thaw(void **state)
{
	(void)state;
	create(B, 5, 64, 64);
	show(B, 0, 5, 64, 64);
	assert_int_equal(vgpu_freeze(vgpu_of(B)), OK);
	assert_int_equal(gpu_focus_by_name("guest1"), OK);
	fake_run();
	assert_int_not_equal(fake_device.scanouts[0], host_id(B, 5));
	assert_int_equal(vgpu_thaw(vgpu_of(B)), OK);
	fake_run();
	assert_int_equal(fake_device.scanouts[0], host_id(B, 5));
}

/* ---- reset ---- */

static void a_reset_answers_all_with_errors_and_destroys(void **state)
{
	(void)state;
	create(A, 5, 8, 8);
	start_anew(A);
	create(A, 5, 8, 8);
	start_anew(A);
	fake_device.frozen = true;
	for (u32 i = 0; i < 8; i++)
		post_create(A, 10 + i);
	send_posted(A);
	assert_int_equal(vgpu_reset(vgpu_of(A)), OK);
	fake_run();
	/* Not before the device has let go. */
	assert_int_equal(answered(A), 0);
	fake_device.frozen = false;
	gpu_wake(gpu_get(0));
	fake_run();
	for (u32 i = 0; i < 8; i++)
		expect_answer(A, i, i, i < GPU_SCHED_DEPTH ? OK_NODATA : UNSPEC);
	assert_string_equal(state_of(A), "hung");
	assert_true(get_reg(A, REG(device_status), 1) & VIRTIO_STATUS_NEEDS_RESET);
	assert_int_equal(fake_vgpu(A)->audit.resources.count, 0);
	assert_int_equal(fake_vgpu(A)->hangs, 0);
	assert_int_equal(create(A, 50, 8, 8), UNSPEC);
	expect_works(B);
	start_anew(A);
	expect_works(A);
}

static void a_reset_whose_job_hangs_comes_with_the_time_out(void **state)
{
	(void)state;
	fake_device.hang = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D;
	fake_device.hang_count = 1;
	create(A, 5, 64, 64);
	assert_int_equal(vgpu_reset(vgpu_of(A)), OK);
	fake_run();
	assert_int_equal(fake_vgpu(A)->hangs, 0);
	fake_pass(FAKE_TIMEOUT_NS + FAKE_TIMEOUT_NS / 3);
	assert_string_equal(state_of(A), "hung");
	assert_int_equal(fake_vgpu(A)->hangs, 1);
	assert_false(vgpu_of(A)->frozen || vgpu_of(A)->reset_asked);
	expect_works(B);
}

static void a_reset_ends_a_freeze(void **state)
{
	(void)state;
	create(A, 5, 8, 8);
	assert_int_equal(vgpu_freeze(vgpu_of(A)), OK);
	assert_int_equal(vgpu_reset(vgpu_of(A)), OK);
	fake_run();
	assert_string_equal(state_of(A), "hung");
	assert_int_equal(fake_vgpu(A)->audit.resources.count, 0);
}

static void only_a_running_guests_vgpu_is_reset(void **state)
{
	(void)state;
	fake_vms[A].state = VM_STOPPED;
	assert_int_equal(vgpu_reset(vgpu_of(A)), ERR_BUSY);
	assert_false(vgpu_of(A)->frozen);
}

/* ---- settings ---- */

static void expect_refused(u32 vm, const char *words, const char *reason)
{
	struct gpu_sched_params before = vgpu_of(vm)->sched.params;

	assert_false(vgpu_set(vgpu_of(vm), words, why));
	assert_non_null(strstr(why, reason));
	assert_memory_equal(&before, &vgpu_of(vm)->sched.params, sizeof(before));
}

static void every_setting_changes(void **state)
{
	struct vgpu *vgpu = vgpu_of(A);

	(void)state;
	assert_true(vgpu_set(vgpu, "weight=300 reserve=12.5% cap=50% latency=50ms", why));
	assert_true(vgpu_set(vgpu, "queue=3  timeout=5s doorbells=5000 memory=32M", why));
	assert_true(vgpu_set(vgpu, "resets=200 refused=300 interrupts=0", why));
	assert_int_equal(vgpu->sched.params.weight, 300);
	assert_int_equal(vgpu->sched.params.reserve, 125);
	assert_int_equal(vgpu->sched.params.cap, 500);
	assert_int_equal(vgpu->sched.params.latency_ns, 50 * MS);
	assert_int_equal(vgpu->queue_limit, 3);
	assert_int_equal(vgpu->timeout_ns, 5 * SECOND);
	assert_int_equal(vgpu->guard.limits[GUARD_DOORBELLS], 5000);
	assert_int_equal(vgpu->guard.limits[GUARD_RESETS], 200);
	assert_int_equal(vgpu->guard.limits[GUARD_REFUSED], 300);
	assert_int_equal(vgpu->guard.limits[GUARD_INTERRUPTS], 0);
	assert_int_equal(vgpu->memory_quota, MIB(32));
	assert_int_equal(fake_vgpu(A)->audit.resources.quota, MIB(32));
}

static void values_are_those_of_the_file(void **state)
{
	(void)state;
	expect_refused(A, "weight=0", "weight: found \"0\", allowed: a weight from 1 to 10000");
	expect_refused(A, "queue=65", "queue: found \"65\", allowed: a number from 1 to 64");
	expect_refused(A, "latency=11s", "latency: found \"11s\", allowed: a time up to 10s");
	expect_refused(A, "weight=200 colour=red",
		       "found \"colour=red\", allowed: KEY=VALUE with "
		       "weight, reserve, cap, latency, queue, "
		       "doorbells, resets, refused, interrupts, memory, timeout");
	expect_refused(A, "weight", "found \"weight\", allowed: KEY=VALUE");
	expect_refused(A, "gpu.weight=1", "allowed: KEY=VALUE");
}

static void reserves_that_are_gone_are_refused_with_what_is_left(void **state)
{
	(void)state;
	assert_true(vgpu_set(vgpu_of(B), "reserve=70.5%", why));
	expect_refused(A, "weight=7 reserve=29.6%", "reserve: 29.5% of gpu 0 is left");
	assert_true(vgpu_set(vgpu_of(A), "reserve=29.5%", why));
}

static void a_bound_that_does_not_hold_is_refused_with_whose(void **state)
{
	unsigned long least_us = 0;
	char words[64];

	(void)state;
	/* Two slices of what is in flight, and two of its own: 8 ms. */
	assert_true(vgpu_set(vgpu_of(B), "reserve=20% latency=10ms", why));
	expect_refused(A, "reserve=20% latency=3ms",
		       "latency: guest guest0's bound of 3000 us would not "
		       "hold: 8000 us of work");
	expect_refused(A, "reserve=20% latency=9ms", "latency: guest guest1's bound of 10000 us");
	(void)sscanf(strstr(why, "into it; ") + 9, "%lu us", &least_us);
	snprintf(words, sizeof(words), "reserve=20%% latency=%luus", least_us - 1);
	assert_false(vgpu_set(vgpu_of(A), words, why));
	snprintf(words, sizeof(words), "reserve=20%% latency=%luus", least_us);
	assert_true(vgpu_set(vgpu_of(A), words, why));
	assert_true(vgpu_set(vgpu_of(A), "reserve=0% latency=0s", why));
	expect_refused(A, "latency=20ms", "latency needs a reserve");
	expect_refused(A, "reserve=20% cap=19.9%", "cap is below reserve");
}

static void memory_below_what_it_holds_is_refused_with_how_much(void **state)
{
	(void)state;
	assert_int_equal(create(A, 5, 1024, 768), OK_NODATA); /* 3 MiB */
	expect_refused(A, "memory=2M weight=5", "memory: guest guest0 holds 3072 KiB now");
	assert_int_equal(vgpu_of(A)->memory_quota, MIB(16));
	assert_true(vgpu_set(vgpu_of(A), "memory=3M", why));
	assert_int_equal(create(A, 6, 8, 8), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
	assert_true(vgpu_set(vgpu_of(A), "memory=4M", why));
	assert_int_equal(create(A, 6, 8, 8), OK_NODATA);
}

static void a_queue_limit_keeps_jobs_in_the_guests_ring(void **state)
{
	(void)state;
	assert_true(vgpu_set(vgpu_of(A), "queue=3", why));
	fake_device.frozen = true;
	for (u32 i = 0; i < 8; i++)
		post_create(A, 10 + i);
	send_posted(A);
	assert_int_equal(fake_vgpu(A)->outstanding, 3);
	fake_device.frozen = false;
	gpu_wake(gpu_get(0));
	fake_run();
	for (u32 i = 0; i < 8; i++)
		expect_answer(A, i, i, OK_NODATA);
}

static void a_lower_limit_loses_no_command_that_was_taken(void **state)
{
	(void)state;
	assert_int_equal(create(A, 5, 64, 64), OK_NODATA);
	start_anew(A);
	fake_device.frozen = true;
	for (u32 i = 0; i < 6; i++)
		post_create(A, 10 + i);
	post_attach(A, 10, 0x200000, 64 * 64 * 4);
	send_posted(A);
	assert_true(vgpu_set(vgpu_of(A), "queue=1", why));
	fake_device.frozen = false;
	gpu_wake(gpu_get(0));
	fake_run();
	for (u32 i = 0; i < 7; i++)
		expect_answer(A, i, i, OK_NODATA);
}

static void a_start_has_the_files_settings_again(void **state)
{
	struct vgpu *vgpu = vgpu_of(A);

	(void)state;
	assert_true(vgpu_set(vgpu, "weight=300 queue=3 timeout=5s memory=32M", why));
	vgpu_stop(&fake_vms[A]);
	fake_run();
	fake_wait_until_stopped(A);
	assert_int_equal(vgpu->sched.params.weight, 100);
	assert_int_equal(vgpu->queue_limit, 64);
	assert_int_equal(vgpu->timeout_ns, FAKE_TIMEOUT_NS);
	assert_int_equal(vgpu->memory_quota, MIB(16));
	/* And what is set while it is stopped is for its next run. */
	assert_true(vgpu_set(vgpu, "weight=200", why));
	assert_true(vgpu_stopped(&fake_vms[A]));
	assert_int_equal(vgpu->sched.params.weight, 200);
	start_anew(A);
}

static void what_the_file_gives_and_another_has_is_not_taken_back(void **state)
{
	u32 lines;

	(void)state;
	fake_config.guests[A].gpu_reserve = 600;
	assert_true(vgpu_set(vgpu_of(B), "reserve=50%", why));
	vgpu_stop(&fake_vms[A]);
	fake_run();
	lines = fake_lines;
	fake_wait_until_stopped(A);
	assert_int_equal(fake_lines, lines + 1);
	assert_int_equal(vgpu_of(A)->sched.params.reserve, 0);
	start_anew(A);
	expect_works(A);
}

static void a_gpus_policy_and_slice_change(void **state)
{
	struct gpu *gpu = gpu_get(0);

	(void)state;
	assert_true(gpu_set(gpu, "policy=fixed slice=4ms", why));
	assert_int_equal(gpu->sched.config.policy, GPU_SCHED_FIXED);
	assert_int_equal(gpu->sched.config.slice_ns, 4 * MS);
	assert_int_equal(gpu->sched.config.slots, FAKE_VMS);
	assert_false(gpu_set(gpu, "slice=200ms", why));
	assert_non_null(strstr(why, "slice: found \"200ms\", allowed: a time from 0.5ms to 100ms"));
	assert_false(gpu_set(gpu, "pci=00:02.0", why));
	assert_non_null(strstr(why, "allowed: KEY=VALUE with policy, slice"));
	assert_true(gpu_set(gpu, "policy=equal", why));
	assert_true(vgpu_set(vgpu_of(B), "reserve=20% latency=20ms", why));
	assert_false(gpu_set(gpu, "slice=20ms", why));
	assert_non_null(strstr(why, "slice: guest guest1's bound of 20000 us"));
	assert_int_equal(gpu->sched.config.slice_ns, 4 * MS);
}

/* ---- the owner CPU's timer ---- */

static void a_slot_that_begins_is_not_slept_through(void **state)
{
	struct gpu *gpu = gpu_get(0);

	(void)state;
	assert_true(gpu_set(gpu, "policy=fixed slice=100ms", why));
	for (u32 i = 0; i < 4; i++) {
		post_create(A, 10 + i);
		post_create(B, 10 + i);
	}
	ring_bell(A, 0);
	ring_bell(B, 0);
	fake_run();
	/* One of the two has its slot: the other's jobs wait, and nothing else happens. */
	assert_true(answered(A) < 4 || answered(B) < 4);
	fake_pass(300 * MS);
	assert_int_equal(answered(A), 4);
	assert_int_equal(answered(B), 4);
}

static void a_cap_lets_on_in_time(void **state)
{
	(void)state;
	assert_true(vgpu_set(vgpu_of(A), "cap=0.1%", why));
	for (u32 i = 0; i < 4; i++)
		post_create(A, 10 + i);
	send_posted(A);
	assert_true(answered(A) < 4);
	for (u32 i = 0; i < 100 && answered(A) < 4; i++)
		fake_pass(SECOND);
	assert_int_equal(answered(A), 4);
}

/* ---- guards ---- */

#define MANY 2000

static void storm(u32 vm, u32 windows)
{
	for (u32 w = 0; w < windows; w++) {
		for (u32 i = 0; i < MANY; i++)
			ring_bell(vm, 0);
		fake_run();
		fake_pass(GUARD_WINDOW_NS);
	}
}

static void a_storm_slows_then_freezes_with_one_line_each(void **state)
{
	u32 lines;

	(void)state;
	assert_true(vgpu_set(vgpu_of(A), "doorbells=1000", why));
	lines = fake_lines;
	storm(A, 1);
	assert_string_equal(state_of(A), "slowed");
	assert_int_equal(fake_lines, lines + 1);
	storm(A, GUARD_STRIKES);
	assert_string_equal(state_of(A), "frozen");
	assert_int_equal(fake_lines, lines + 2);
	post_create(A, 5);
	send_posted(A);
	assert_int_equal(answered(A), 0);
	expect_works(B);
	assert_int_equal(vgpu_thaw(vgpu_of(A)), OK);
	fake_run();
	expect_answer(A, 0, 0, OK_NODATA);
	assert_string_equal(state_of(A), "run");
}

static void a_slowed_guest_is_served_late_and_loses_nothing(void **state)
{
	u32 before;

	(void)state;
	assert_true(vgpu_set(vgpu_of(A), "doorbells=1000", why));
	for (u32 i = 0; i < MANY; i++)
		ring_bell(A, 0);
	fake_run();
	for (u32 i = 0; i < 30; i++)
		post_create(A, 10 + i);
	send_posted(A);
	before = answered(A);
	assert_true(before < 30);
	fake_pass(200 * MS);
	for (u32 i = 0; i < 30; i++)
		expect_answer(A, i, i, OK_NODATA);
}

static void it_recovers_by_itself(void **state)
{
	(void)state;
	assert_true(vgpu_set(vgpu_of(A), "doorbells=1000", why));
	storm(A, 1);
	assert_string_equal(state_of(A), "slowed");
	fake_pass((GUARD_CALM + 1) * GUARD_WINDOW_NS);
	assert_string_equal(state_of(A), "run");
	expect_works(A);
}

/* Its rings are full, so it rings no more: each step that it is granted looks at the time. */
static void it_recovers_without_another_event(void **state)
{
	struct vgpu *vgpu = vgpu_of(A);

	(void)state;
	assert_true(vgpu_set(vgpu, "doorbells=1000", why));
	storm(A, 1);
	fake_now += (GUARD_CALM + 1) * GUARD_WINDOW_NS;
	assert_int_equal(vgpu->guard.state, GUARD_SLOWED);
	spin_lock(&vgpu->lock);
	assert_true(vgpu_may_take(vgpu) && vgpu_may_take(vgpu) && vgpu_may_take(vgpu));
	spin_unlock(&vgpu->lock);
	assert_int_equal(vgpu->guard.state, GUARD_FREE);
}

static void resets_refusals_and_interrupts_are_guarded(void **state)
{
	struct guard *guard = &vgpu_of(A)->guard;

	(void)state;
	guard->limits[GUARD_RESETS] = 3;
	guard->limits[GUARD_REFUSED] = 3;
	guard->limits[GUARD_INTERRUPTS] = 6;
	for (u32 i = 0; i < 4; i++)
		set_reg(A, REG(device_status), 1, 0);
	assert_int_equal(guard->state, GUARD_SLOWED);
	assert_int_equal(guard->blame, GUARD_RESETS);
	guard_release(guard, fake_now);
	start_anew(A);
	for (u32 i = 0; i < 4; i++)
		refer(A, VIRTIO_GPU_CMD_RESOURCE_UNREF, 1234);
	assert_int_equal(guard->state, GUARD_SLOWED);
	assert_int_equal(guard->blame, GUARD_REFUSED);
	guard_release(guard, fake_now);
	guard->limits[GUARD_REFUSED] = 0;
	for (u32 i = 0; i < 7; i++)
		refer(A, VIRTIO_GPU_CMD_RESOURCE_UNREF, 1234);
	assert_int_equal(guard->blame, GUARD_INTERRUPTS);
	assert_true(vgpu_of(A)->interrupts >= 11);
}

static void a_stop_ends_what_a_guard_did(void **state)
{
	(void)state;
	assert_true(vgpu_set(vgpu_of(A), "doorbells=1000", why));
	storm(A, GUARD_STRIKES + 1);
	assert_string_equal(state_of(A), "frozen");
	vgpu_stop(&fake_vms[A]);
	fake_run();
	fake_wait_until_stopped(A);
	start_anew(A);
	expect_works(A);
	assert_string_equal(state_of(A), "run");
}

/* ---- trace ---- */

static struct gpu_sched_event events[4096];

static u32 read_all(u64 *lost)
{
	struct gpu *gpu = gpu_get(0);
	u32 records, count = 0, part, crc, sum = 0;

	assert_int_equal(gpu_trace_read(gpu, &records, lost), OK);
	while ((part = gpu_trace_next(gpu, &events[count], &crc))) {
		assert_true(part <= TRACE_LINE_RECORDS);
		count += part;
	}
	sum = crc32(0, events, count * sizeof(events[0]));
	assert_int_equal(crc, sum);
	assert_int_equal(count, records);
	return count;
}

static u32 count_kind(u32 count, u32 kind)
{
	u32 found = 0;

	for (u32 i = 0; i < count; i++)
		found += events[i].kind == kind;
	return found;
}

static void a_job_leaves_its_events_in_order(void **state)
{
	static const u8 kinds[] = { GPU_SCHED_EVENT_ENQUEUE, GPU_SCHED_EVENT_PICK,
				    GPU_SCHED_EVENT_SUBMIT, GPU_SCHED_EVENT_COMPLETE,
				    GPU_SCHED_EVENT_CHARGE };
	u32 count, first;
	u64 lost;

	(void)state;
	assert_int_equal(gpu_trace_on(gpu_get(0), 256), OK);
	create(A, 5, 8, 8);
	count = read_all(&lost);
	assert_int_equal(lost, 0);
	assert_int_equal(events[0].kind, GPU_SCHED_EVENT_POLICY);
	assert_int_equal(count_kind(count, GPU_SCHED_EVENT_PARAMS), FAKE_VMS);
	assert_int_equal(count_kind(count, GPU_SCHED_EVENT_STATE), FAKE_VMS);
	first = count - ARRAY_SIZE(kinds);
	for (u32 i = 0; i < ARRAY_SIZE(kinds); i++) {
		assert_int_equal(events[first + i].kind, kinds[i]);
		assert_int_equal(events[first + i].vgpu, A);
		assert_int_equal(events[first + i].job, events[first].job);
	}
	for (u32 i = 1; i < count; i++)
		assert_true(events[i].time_ns >= events[i - 1].time_ns);
	gpu_trace_off(gpu_get(0));
}

static void the_oldest_go_and_are_counted(void **state)
{
	u32 count;
	u64 lost;

	(void)state;
	assert_int_equal(gpu_trace_on(gpu_get(0), TRACE_RECORDS_MIN), OK);
	for (u32 i = 0; i < 40; i++)
		create(A, 100 + i, 8, 8);
	count = read_all(&lost);
	assert_int_equal(count, TRACE_RECORDS_MIN);
	assert_int_equal(lost, 40 * 5 + 1 + 2 * FAKE_VMS - TRACE_RECORDS_MIN);
	assert_int_equal(events[count - 1].kind, GPU_SCHED_EVENT_CHARGE);
	gpu_trace_off(gpu_get(0));
}

static void the_next_reading_goes_on_where_the_last_ended(void **state)
{
	u32 count;
	u64 lost;

	(void)state;
	assert_int_equal(gpu_trace_on(gpu_get(0), 256), OK);
	create(A, 5, 8, 8);
	(void)read_all(&lost);
	create(A, 6, 8, 8);
	count = read_all(&lost);
	assert_int_equal(events[0].kind, GPU_SCHED_EVENT_POLICY);
	assert_int_equal(count_kind(count, GPU_SCHED_EVENT_ENQUEUE), 1);
	assert_int_equal(count, 1 + 2 * FAKE_VMS + 5);
	gpu_trace_off(gpu_get(0));
	create(A, 7, 8, 8);
	count = read_all(&lost);
	assert_int_equal(count_kind(count, GPU_SCHED_EVENT_ENQUEUE), 0);
}

/* No hole: what finds no room while the ring is read is left out, and a new start follows. */
static void what_comes_while_it_is_read_makes_no_hole(void **state)
{
	struct gpu *gpu = gpu_get(0);
	u32 records, crc, count;
	u64 lost;

	(void)state;
	assert_int_equal(gpu_trace_on(gpu, TRACE_RECORDS_MIN), OK);
	for (u32 i = 0; i < 40; i++)
		create(A, 100 + i, 8, 8);
	assert_int_equal(gpu_trace_read(gpu, &records, &lost), OK);
	assert_int_equal(gpu_trace_read(gpu, &records, &lost), ERR_BUSY);
	assert_int_equal(gpu_trace_on(gpu, 256), ERR_BUSY);
	create(A, 200, 8, 8); /* the ring is full */
	for (records = 0; (count = gpu_trace_next(gpu, &events[records], &crc));) {
		records += count;
		create(A, 300 + records, 8, 8); /* there is room now, and a hole before it */
	}
	assert_int_equal(records, TRACE_RECORDS_MIN);
	count = read_all(&lost);
	assert_int_equal(events[0].kind, GPU_SCHED_EVENT_POLICY);
	assert_int_equal(count, 1 + 2 * FAKE_VMS);
	assert_true(lost > 40 * 5);
	gpu_trace_off(gpu);
}

static void the_owner_gives_the_ring_back(void)
{
	struct gpu_trace *trace = &gpu_get(0)->trace;
	u32 pages = (trace->capacity * 32 + 4095) / 4096;

	if (!trace->ring)
		return;
	memset(trace->ring, 0, (size_t)pages * 4096);
	frame_free_contiguous(trace->frames, pages);
}

static int tear_down_trace(void **state)
{
	the_owner_gives_the_ring_back();
	return tear_down(state);
}

/* ---- ledger ---- */

static void each_minute_is_closed_and_adds_up(void **state)
{
	struct ledger *ledger = gpu_get(0)->ledger;
	u32 lines = fake_lines;

	(void)state;
	for (u32 minute = 1; minute <= 3; minute++) {
		for (u32 i = 0; i < minute; i++) {
			create(A, 1000 * minute + i, 8, 8);
			create(B, 1000 * minute + i, 8, 8);
		}
		fake_device.frozen = true; /* one is in flight when the minute ends */
		post_create(B, 5000 + minute);
		send_posted(B);
		fake_pass(FAKE_TIMEOUT_NS / 2);
		fake_now = MAX(fake_now, minute * LEDGER_MINUTE_NS);
		gpu_wake(gpu_get(0));
		vgpu_of(B)->timeout_ns = 1000 * SECOND;
		fake_run();
		assert_int_equal(ledger->count, minute);
		assert_int_equal(fake_lines, lines + minute);
		fake_device.frozen = false;
		gpu_wake(gpu_get(0));
		fake_run();
	}
	for (u32 i = 0; i < 3; i++) {
		const struct ledger_record *record = ledger_kept(ledger, i);

		assert_string_equal(record->names[A], "guest0");
		assert_true(record->engine_ns[A] > 0);
		assert_int_equal(record->engine_ns[A] + record->engine_ns[B], record->busy_ns);
	}
}

/* ---- figures ---- */

static void waits_and_settings_are_told(void **state)
{
	static char text[8192];
	const struct gpu_figures *f;

	(void)state;
	fake_device.frozen = true;
	for (u32 i = 0; i < GPU_SCHED_DEPTH + 1; i++)
		post_create(A, 10 + i);
	send_posted(A);
	fake_pass(100 * MS);
	fake_device.frozen = false;
	gpu_wake(gpu_get(0));
	fake_run();
	f = &gpu_collect(gpu_get(0))->vgpus[A];
	assert_true(f->turn_p50_ns >= 100 * MS && f->turn_p50_ns < 130 * MS);
	assert_true(f->wait_p50_ns < MS);
	assert_true(f->wait_p99_ns >= 100 * MS && f->wait_p99_ns < 130 * MS);
	assert_true(waits_percentile(&vgpu_of(A)->turns, 1, fake_now) >= 100 * MS);
	assert_true(vgpu_set(vgpu_of(A), "reserve=25% cap=75% latency=100ms", why));
	assert_int_equal(vgpu_freeze(vgpu_of(A)), OK);
	assert_true(gpu_stats_json(text, sizeof(text)) < sizeof(text));
	assert_non_null(strstr(text, "\"policy\":\"fair\",\"slice_ns\":2000000"));
	assert_non_null(strstr(text, "\"reserve\":250,\"cap\":750,\"latency_ns\":100000000"));
	assert_non_null(strstr(text, "\"state\":\"frozen\""));
	assert_non_null(strstr(text, "\"held\":true,\"guard\":\"free\""));
	assert_non_null(strstr(text, "\"trace_records\":-1"));
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TRACE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down_trace)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_frozen_vgpu_takes_nothing_and_the_other_goes_on),
		TEST(nothing_is_lost_by_a_freeze),
		TEST(freezing_twice_and_thawing_what_is_not_frozen_is_said),
		TEST(a_vm_stops_and_starts_whose_vgpu_is_frozen),
		TEST(a_guest_resets_its_device_while_frozen_and_gets_it_when_thawed),
		TEST(a_picture_is_taken_to_its_output_after_the_thaw),
		TEST(a_reset_answers_all_with_errors_and_destroys),
		TEST(a_reset_whose_job_hangs_comes_with_the_time_out),
		TEST(a_reset_ends_a_freeze),
		TEST(only_a_running_guests_vgpu_is_reset),
		TEST(every_setting_changes),
		TEST(values_are_those_of_the_file),
		TEST(reserves_that_are_gone_are_refused_with_what_is_left),
		TEST(a_bound_that_does_not_hold_is_refused_with_whose),
		TEST(memory_below_what_it_holds_is_refused_with_how_much),
		TEST(a_queue_limit_keeps_jobs_in_the_guests_ring),
		TEST(a_lower_limit_loses_no_command_that_was_taken),
		TEST(a_start_has_the_files_settings_again),
		TEST(what_the_file_gives_and_another_has_is_not_taken_back),
		TEST(a_gpus_policy_and_slice_change),
		TEST(a_slot_that_begins_is_not_slept_through),
		TEST(a_cap_lets_on_in_time),
		TEST(a_storm_slows_then_freezes_with_one_line_each),
		TEST(a_slowed_guest_is_served_late_and_loses_nothing),
		TEST(it_recovers_by_itself),
		TEST(it_recovers_without_another_event),
		TEST(resets_refusals_and_interrupts_are_guarded),
		TEST(a_stop_ends_what_a_guard_did),
		TRACE(a_job_leaves_its_events_in_order),
		TRACE(the_oldest_go_and_are_counted),
		TRACE(the_next_reading_goes_on_where_the_last_ended),
		TRACE(what_comes_while_it_is_read_makes_no_hole),
		TEST(each_minute_is_closed_and_adds_up),
		TEST(waits_and_settings_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
