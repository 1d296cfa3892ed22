/* SPDX-License-Identifier: Apache-2.0 */
/* When a guest's driver is asked to ring no doorbells, and how its requests are found then. */
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
#define A	  0
#define B	  1
#define FLAGS_AT  (RING_AT(0) + 0x2000)
#define MS	  1000000ULL

static u32 bells[FAKE_VMS]; /* of the start */

static int set_up(void **state)
{
	(void)state;
	fake_capsets.count = 0;
	fake_machine_start(true, MIB(16));
	for (u32 vm = 0; vm < FAKE_VMS; vm++) {
		probe(vm);
		posted[vm] = 0;
		fake_run();
		bells[vm] = (u32)fake_vgpu(vm)->doorbells;
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_machine_stop();
	return 0;
}

static u32 rung(u32 vm)
{
	return (u32)fake_vgpu(vm)->doorbells - bells[vm];
}

static u32 out(u32 vm)
{
	return guest_jobs(fake_vgpu(vm));
}

/* It rings none, and we look at each exit; or neither. */
static void expect_silence(u32 vm, bool silence)
{
	assert_int_equal(peek16(vm, FLAGS_AT), silence ? VIRTQ_USED_F_NO_NOTIFY : 0);
	assert_int_equal(fake_vcpus[vm].at_exit != NULL, silence);
}

/* The device takes a job and keeps it; its guest is asked to ring no more. */
static void send_one_that_stays(u32 vm)
{
	fake_device.frozen = true;
	post_create(vm, 5);
	send_posted(vm);
	assert_int_equal(out(vm), 1);
}

static void device_goes_on(void)
{
	fake_device.frozen = false;
	gpu_wake(gpu_get(0));
	fake_run();
}

/* ---- what the driver is asked for ---- */

static void no_doorbells_are_wanted_while_a_job_is_out(void **state)
{
	(void)state;
	expect_silence(A, false);
	send_one_that_stays(A);
	expect_silence(A, true);
	device_goes_on();
	expect_answer(A, 0, 0, OK_NODATA);
	expect_silence(A, false);
}

static void they_are_until_the_first_job(void **state)
{
	struct virtio_gpu_hdr get = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };

	(void)state;
	fake_device.frozen = true;
	command(A, &get, sizeof(get)); /* answered without the device */
	expect_silence(A, false);
}

static void they_are_while_another_guest_has_jobs(void **state)
{
	(void)state;
	send_one_that_stays(B);
	expect_silence(B, true);
	send_one_that_stays(A);
	expect_silence(A, false);
	fake_exit(B); /* it has company now */
	fake_run();
	expect_silence(B, false);
	device_goes_on();
	expect_silence(A, false);
	expect_silence(B, false);
}

/* The last guest that had some goes, and the other is alone from its next exit on. */
static void they_are_not_when_the_other_is_done(void **state)
{
	(void)state;
	fake_device.hang = VIRTIO_GPU_CMD_RESOURCE_FLUSH;
	fake_device.hang_count = 1;
	create(A, 7, 8, 8);
	send_one_that_stays(B);
	post_flush(A, 7);
	send_posted(A);
	expect_silence(A, false);
	device_goes_on(); /* that of B ends */
	assert_int_equal(out(B), 0);
	assert_int_equal(out(A), 1);
	ring_bell(A, 0);
	fake_run();
	expect_silence(A, true);
	fake_let_go();
	fake_run();
	expect_silence(A, false);
}

/* What could not be made is destroyed by a job of ours, which the device does not end. */
static void destroy_slowly(void)
{
	fake_device.refuse = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	fake_device.hang = VIRTIO_GPU_CMD_RESOURCE_UNREF;
	fake_device.hang_count = 1;
	create(A, 7, 8, 8);
	assert_true(fake_vgpu(A)->internal->taken);
	assert_int_equal(out(A), 0);
}

static void a_job_of_our_own_does_not_count(void **state)
{
	(void)state;
	destroy_slowly();
	ring_bell(A, 0);
	fake_run();
	expect_silence(A, false);
	fake_let_go();
	fake_run();
}

static void the_guests_last_job_ends_it_though_one_of_ours_is_out(void **state)
{
	(void)state;
	destroy_slowly();
	fake_device.frozen = true;
	post_create(A, 5);
	send_posted(A);
	expect_silence(A, true);
	post_create(A, 6);
	device_goes_on();
	assert_true(fake_vgpu(A)->internal->taken);
	assert_int_equal(used_count(A), 3);
	assert_int_equal(out(A), 0);
	expect_silence(A, false);
	fake_let_go();
	fake_run();
}

/* ---- how its requests are found ---- */

static void a_request_without_a_doorbell_is_taken_at_the_next_exit(void **state)
{
	(void)state;
	send_one_that_stays(A);
	post_create(A, 6);
	fake_run();
	assert_int_equal(out(A), 1);
	fake_exit(A);
	fake_run();
	assert_int_equal(out(A), 2);
	assert_int_equal(rung(A), 1);
	expect_silence(A, true);
}

static struct vcpu second;

/* Whichever processor of the guest sends: its own exits find what it has sent. */
static void it_is_taken_at_the_exit_of_any_vcpu(void **state)
{
	(void)state;
	second = (struct vcpu){ .vm = &fake_vms[A], .index = 1 };
	fake_vms[A].vcpus[1] = &second;
	fake_vms[A].vcpu_count = 2;
	send_one_that_stays(A);
	post_create(A, 6);
	assert_non_null(second.at_exit);
	while (second.at_exit->step(&second, second.at_exit))
		;
	assert_int_equal(out(A), 2);
	assert_int_equal(rung(A), 1);
	device_goes_on();
	assert_null(second.at_exit);
	expect_silence(A, false);
}

static void it_is_taken_without_an_exit_when_the_last_job_is_done(void **state)
{
	(void)state;
	send_one_that_stays(A);
	for (u32 i = 0; i < 20; i++)
		post_create(A, 6 + i);
	device_goes_on();
	for (u32 i = 0; i < 21; i++)
		expect_answer(A, i, i, OK_NODATA);
	assert_int_equal(rung(A), 1);
	expect_silence(A, false);
}

/* Each look is an interruption of the guest: not at every job. */
static void it_waits_while_another_job_is_out(void **state)
{
	(void)state;
	fake_device.hang = VIRTIO_GPU_CMD_RESOURCE_FLUSH;
	fake_device.hang_count = 1;
	create(A, 7, 8, 8);
	fake_device.frozen = true;
	post_create(A, 5);
	post_flush(A, 7);
	send_posted(A);
	post_create(A, 6);
	device_goes_on();
	assert_int_equal(out(A), 1);
	assert_int_equal(used_count(A), 2);
	fake_let_go();
	fake_run();
	assert_int_equal(used_count(A), 4);
}

static u32 late_requests;

/* The driver has seen the flag as it was, and puts one more request in; it does not ring. */
static void post_as_the_flag_changes(gpa_t gpa)
{
	if (gpa.raw != FLAGS_AT || !late_requests)
		return;
	late_requests--;
	post_create(A, 20 + late_requests);
}

static void a_request_that_comes_as_the_flag_goes_up_is_taken(void **state)
{
	(void)state;
	late_requests = 1;
	fake_meanwhile = post_as_the_flag_changes;
	fake_device.frozen = true;
	post_create(A, 5);
	send_posted(A);
	assert_int_equal(late_requests, 0);
	assert_int_equal(out(A), 2);
}

static void a_request_that_comes_as_the_flag_goes_down_is_taken(void **state)
{
	(void)state;
	send_one_that_stays(A);
	late_requests = 1;
	fake_meanwhile = post_as_the_flag_changes;
	device_goes_on();
	assert_int_equal(late_requests, 0);
	assert_int_equal(used_count(A), 2);
	expect_silence(A, false);
}

static void a_guest_that_rings_nevertheless_is_served(void **state)
{
	(void)state;
	send_one_that_stays(A);
	post_create(A, 6);
	ring_bell(A, 0);
	fake_run();
	assert_int_equal(out(A), 2);
	assert_int_equal(rung(A), 2);
}

/* ---- where it ends ---- */

static void a_reset_ends_it(void **state)
{
	(void)state;
	send_one_that_stays(A);
	set_reg(A, REG(device_status), 1, 0);
	assert_null(fake_vcpus[A].at_exit);
	ring_bell(A, 0); /* its job is out yet */
	fake_run();
	assert_null(fake_vcpus[A].at_exit);
	device_goes_on();
	probe(A);
	assert_int_equal(create(A, 5, 8, 8), OK_NODATA);
}

static void a_broken_ring_ends_it(void **state)
{
	(void)state;
	send_one_that_stays(A);
	make_available(A, 0, 999);
	fake_exit(A);
	fake_run();
	assert_true(get_reg(A, REG(device_status), 1) & VIRTIO_STATUS_NEEDS_RESET);
	assert_null(fake_vcpus[A].at_exit);
	ring_bell(A, 0);
	fake_run();
	assert_null(fake_vcpus[A].at_exit);
}

static void the_end_of_the_vm_ends_it(void **state)
{
	(void)state;
	send_one_that_stays(A);
	vgpu_stop(&fake_vms[A]);
	assert_null(fake_vcpus[A].at_exit);
}

/* All its jobs are answered with errors, by another way than jobs that are done. */
static void a_job_that_never_ends_ends_it(void **state)
{
	(void)state;
	fake_device.hang = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D;
	fake_device.hang_count = 1;
	post_create(A, 5);
	send_posted(A);
	expect_silence(A, true);
	post_create(A, 6);
	fake_pass(2 * FAKE_TIMEOUT_NS);
	expect_answer(A, 0, 0, VIRTIO_GPU_RESP_ERR_UNSPEC);
	expect_answer(A, 1, 1, VIRTIO_GPU_RESP_ERR_UNSPEC);
	expect_silence(A, false);
}

/* ---- guests that get less ---- */

static void a_slowed_guest_is_not_served_at_each_exit(void **state)
{
	struct virtio_vgpu *v = fake_vgpu(A);
	char why[CONTROL_WHY_MAX];

	(void)state;
	send_one_that_stays(A);
	assert_true(vgpu_set(v->vgpu, "doorbells=1000", why));
	for (u32 i = 0; i < 2000; i++)
		ring_bell(A, 0);
	fake_run(); /* the step that is granted in some time */
	assert_int_equal(v->vgpu->guard.state, GUARD_SLOWED);
	post_create(A, 6);
	for (u32 i = 0; i < 10; i++) {
		fake_exit(A);
		fake_run();
	}
	assert_int_equal(out(A), 1);
	assert_false(v->work[0].step(&fake_vcpus[A], &v->work[0]));
	expect_silence(A, true);
	fake_pass(20 * MS);
	assert_int_equal(out(A), 2);
}

static void one_that_is_frozen_goes_on_where_it_was(void **state)
{
	struct vgpu *vgpu = fake_vms[A].vgpu;

	(void)state;
	fake_vms[A].state = VM_RUNNING;
	send_one_that_stays(A);
	assert_int_equal(vgpu_freeze(vgpu), OK);
	post_create(A, 6);
	device_goes_on();
	fake_exit(A);
	fake_run();
	assert_int_equal(used_count(A), 1);
	expect_silence(A, true); /* nobody listens, so that it need not ring */
	assert_int_equal(vgpu_thaw(vgpu), OK);
	fake_run();
	expect_answer(A, 1, 1, OK_NODATA);
	expect_silence(A, false);
}

static void without_bus_mastering_it_stays_until_that_is_back(void **state)
{
	(void)state;
	send_one_that_stays(A);
	vgpu_function(&fake_vms[A])->bus_master = false;
	device_goes_on();
	post_create(A, 6);
	fake_exit(A);
	fake_run();
	assert_int_equal(used_count(A), 1);
	expect_silence(A, true);
	vgpu_function(&fake_vms[A])->bus_master = true; /* by an access, which is an exit */
	fake_exit(A);
	fake_run();
	expect_answer(A, 1, 1, OK_NODATA);
	expect_silence(A, false);
}

/* ---- rings that are not where they should be ---- */

static void enable_with_used_ring_at(u64 gpa)
{
	set_reg(A, REG(device_status), 1, 0);
	fake_run();
	set_reg(A, REG(driver_feature_select), 4, 1);
	set_reg(A, REG(driver_feature), 4, 1);
	set_reg(A, REG(device_status), 1, 11);
	set_up_queue(A, 1);
	if (gpa) {
		set_reg(A, REG(queue_select), 2, 0);
		set_reg(A, REG(queue_desc_lo), 4, RING_AT(0));
		set_reg(A, REG(queue_driver_lo), 4, RING_AT(0) + 0x1000);
		set_reg(A, REG(queue_device_lo), 4, (u32)gpa);
		set_reg(A, REG(queue_enable), 2, 1);
	}
	set_reg(A, REG(device_status), 1, 15);
}

/* As ever: it is found when the first answer is to be given. */
static void a_used_ring_outside_ram_is_asked_for_nothing(void **state)
{
	(void)state;
	enable_with_used_ring_at(FAKE_RAM);
	send_one_that_stays(A);
	assert_null(fake_vcpus[A].at_exit);
	post_create(A, 6);
	fake_run();
	assert_int_equal(out(A), 1);
	device_goes_on();
	assert_true(get_reg(A, REG(device_status), 1) & VIRTIO_STATUS_NEEDS_RESET);
}

static void one_of_which_only_the_flags_are_ram_breaks(void **state)
{
	(void)state;
	enable_with_used_ring_at(FAKE_RAM - 2);
	send_one_that_stays(A);
	assert_int_equal(peek16(A, FAKE_RAM - 2), VIRTQ_USED_F_NO_NOTIFY);
	device_goes_on();
	assert_true(get_reg(A, REG(device_status), 1) & VIRTIO_STATUS_NEEDS_RESET);
	assert_null(fake_vcpus[A].at_exit);
}

/* A ring that is not enabled is at address 0, where the guest has something else. */
static void one_that_is_not_enabled_is_not_written(void **state)
{
	struct virtio_gpu_cursor c = { .hdr.type = VIRTIO_GPU_CMD_MOVE_CURSOR };

	(void)state;
	enable_with_used_ring_at(0);
	poke16(A, 0, 0xbeef);
	fake_device.frozen = true;
	poke(A, COMMAND_AT, &c, sizeof(c));
	put_desc(A, 1, 0, COMMAND_AT, sizeof(c), 0, 0);
	make_available(A, 1, 0);
	ring_bell(A, 1);
	fake_run();
	assert_int_equal(out(A), 1);
	assert_int_equal(peek16(A, 0), 0xbeef);
	assert_null(fake_vcpus[A].at_exit);
}

#define RULE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(no_doorbells_are_wanted_while_a_job_is_out),
		RULE(they_are_until_the_first_job),
		RULE(they_are_while_another_guest_has_jobs),
		RULE(they_are_not_when_the_other_is_done),
		RULE(a_job_of_our_own_does_not_count),
		RULE(the_guests_last_job_ends_it_though_one_of_ours_is_out),
		RULE(a_request_without_a_doorbell_is_taken_at_the_next_exit),
		RULE(it_is_taken_at_the_exit_of_any_vcpu),
		RULE(it_is_taken_without_an_exit_when_the_last_job_is_done),
		RULE(it_waits_while_another_job_is_out),
		RULE(a_request_that_comes_as_the_flag_goes_up_is_taken),
		RULE(a_request_that_comes_as_the_flag_goes_down_is_taken),
		RULE(a_guest_that_rings_nevertheless_is_served),
		RULE(a_reset_ends_it),
		RULE(a_broken_ring_ends_it),
		RULE(the_end_of_the_vm_ends_it),
		RULE(a_job_that_never_ends_ends_it),
		RULE(a_slowed_guest_is_not_served_at_each_exit),
		RULE(one_that_is_frozen_goes_on_where_it_was),
		RULE(without_bus_mastering_it_stays_until_that_is_back),
		RULE(a_used_ring_outside_ram_is_asked_for_nothing),
		RULE(one_of_which_only_the_flags_are_ram_breaks),
		RULE(one_that_is_not_enabled_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
