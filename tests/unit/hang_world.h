/* SPDX-License-Identifier: Apache-2.0 */
/* Two guests of one GPU whose device does not do what A says, and how both are afterwards. */
#ifndef TESTS_UNIT_HANG_WORLD_H
#define TESTS_UNIT_HANG_WORLD_H

#include "tests/unit/fake_driver.h"

#define OK_NODATA VIRTIO_GPU_RESP_OK_NODATA
#define UNSPEC	  VIRTIO_GPU_RESP_ERR_UNSPEC
#define MS	  1000000ULL
#define TIMEOUT	  FAKE_TIMEOUT_NS
#define A	  0 /* who hangs */
#define B	  1 /* who does not */

static inline int set_up(void **state)
{
	(void)state;
	fake_capsets.count = 0;
	fake_machine_start(true, MIB(16));
	probe(A);
	probe(B);
	return 0;
}

static inline int set_up_3d(void **state)
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

static inline int tear_down(void **state)
{
	(void)state;
	fake_machine_stop();
	return 0;
}

/* ---- what a guest does ---- */

/* From here on the rings are as new and commands are posted from number 0. */
static inline void start_posting(u32 vm)
{
	set_reg(vm, REG(device_status), 1, 0);
	fake_run();
	probe(vm);
	posted[vm] = 0;
}

static inline u32 make_context(u32 vm, u32 id)
{
	struct virtio_gpu_ctx_create c = {
		{ .type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = id }, 0, 0, { 0 }
	};

	return command(vm, &c, sizeof(c));
}

/* ---- the device ---- */

static inline void hang_next(u32 type)
{
	fake_device.hang = type;
	fake_device.hang_count = 1;
}

static inline void wait_for_hang(void)
{
	fake_pass(TIMEOUT + TIMEOUT / 3);
}

/* It stops with a job of A at its head; then it is reset after two times at the most. */
static inline void stop_device(void)
{
	fake_device.frozen = true;
	create(A, 50, 8, 8);
}

static inline void wait_for_reset(void)
{
	fake_pass(2 * (TIMEOUT + TIMEOUT / 3));
}

static inline u32 alive(u32 vm)
{
	u32 base = 1 + vm * VGPU_RESOURCES_MAX;
	u32 count = 0;

	for (u32 i = base; i < base + VGPU_RESOURCES_MAX; i++)
		count += fake_device.resources[i].exists;
	return count;
}

static inline u32 contexts_alive(void)
{
	u32 count = 0;

	for (u32 i = 0; i < FAKE_CONTEXTS; i++)
		count += fake_device.contexts[i];
	return count;
}

/* ---- how a guest is ---- */

static inline const char *state_of(u32 vm)
{
	struct vgpu_report report;
	struct vgpu *vgpu = fake_vms[vm].vgpu;

	vgpu->gpu->ops->vgpu_report(vgpu, &report);
	return report.state;
}

static inline void expect_hung(u32 vm)
{
	assert_string_equal(state_of(vm), "hung");
	assert_true(get_reg(vm, REG(device_status), 1) & VIRTIO_STATUS_NEEDS_RESET);
	assert_true(fake_interrupts[vm][0] > 0);
	assert_int_equal(fake_vgpu(vm)->audit.resources.count, 0);
	assert_int_equal(fake_vgpu(vm)->outstanding, 0);
}

static inline void expect_fine(u32 vm)
{
	assert_string_equal(state_of(vm), "run");
	assert_int_equal(create(vm, 77, 8, 8), OK_NODATA);
	assert_int_equal(refer(vm, VIRTIO_GPU_CMD_RESOURCE_UNREF, 77), OK_NODATA);
}

static inline void hang_a(void)
{
	hang_next(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D);
	create(A, 5, 64, 64);
	wait_for_hang();
	expect_hung(A);
}

#define RULE(name)    cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define RULE_3D(name) cmocka_unit_test_setup_teardown(name, set_up_3d, tear_down)

#endif
