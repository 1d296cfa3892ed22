// SPDX-License-Identifier: Apache-2.0
/* ACPI fixed hardware (ACPI 6.4, 4.8): PM1, PM timer, power off, reset. */
#include "guest/power.h"

#include "core/timer.h"
#include "guest/layout.h"

#define PM1_STATUS	 0 /* indices */
#define PM1_ENABLE	 1
#define PM1_CONTROL	 2
#define CONTROL_SCI_EN	 BIT(0)
#define CONTROL_SLP_EN	 BIT(13)
#define CONTROL_TYPE(v)	 ((v) >> 10 & 7)
#define PM_TIMER_HZ	 3579545ULL
#define NS_PER_SECOND	 1000000000ULL
#define RESET_CPU	 BIT(2)
#define KBC_PORT	 0x64
#define KBC_PULSE_RESET	 0xfe
#define SYSTEM_CONTROL_A 0x92
#define CONTROL_A_RESET	 BIT(0)

static void write_control(struct vcpu *vcpu, struct power_state *state, u16 value)
{
	state->pm1[PM1_CONTROL] = (u16)((value & ~CONTROL_SLP_EN) | CONTROL_SCI_EN);
	if (value & CONTROL_SLP_EN && CONTROL_TYPE(value) == LAYOUT_S5_TYPE)
		vm_end(vcpu->vm, VM_END_POWEROFF, "powered off");
}

static enum access_result pm1(struct vcpu *vcpu, void *ctx, struct access *access)
{
	struct power_state *state = ctx;
	u32 index = (u32)access->offset / 2;

	if (access->size == 4 && access->offset == 0 && !access->write) {
		access->value = state->pm1[PM1_STATUS] | (u32)state->pm1[PM1_ENABLE] << 16;
		return ACCESS_HANDLED;
	}
	if (access->size != 2 || access->offset % 2)
		return ACCESS_NOT_MINE;
	if (!access->write)
		access->value = state->pm1[index];
	else if (index == PM1_STATUS)
		state->pm1[index] &= (u16)~access->value; /* write one to clear */
	else if (index == PM1_CONTROL)
		write_control(vcpu, state, (u16)access->value);
	else
		state->pm1[index] = (u16)access->value;
	return ACCESS_HANDLED;
}

static enum access_result pm_timer(struct vcpu *vcpu, void *ctx, struct access *access)
{
	u64 now = now_ns();

	(void)vcpu;
	(void)ctx;
	if (!access->write)
		access->value = (u32)(now / NS_PER_SECOND * PM_TIMER_HZ +
				      now % NS_PER_SECOND * PM_TIMER_HZ / NS_PER_SECOND) &
				(BIT(access->size * 8) - 1);
	return ACCESS_HANDLED;
}

/* The PIIX reset control register: bit 2 resets. */
enum access_result power_reset_control(struct vcpu *vcpu, void *ctx, struct access *access)
{
	struct power_state *state = ctx;

	if (!access->write) {
		access->value = state->reset_control;
		return ACCESS_HANDLED;
	}
	state->reset_control = (u8)access->value & 2;
	if (access->value & RESET_CPU)
		vm_end(vcpu->vm, VM_END_RESET, "restarts");
	return ACCESS_HANDLED;
}

static enum access_result keyboard_controller(struct vcpu *vcpu, void *ctx, struct access *access)
{
	(void)ctx;
	if (access->write && access->value == KBC_PULSE_RESET)
		vm_end(vcpu->vm, VM_END_RESET, "restarts");
	return access->write ? ACCESS_HANDLED : ACCESS_NOT_MINE; /* there is no controller */
}

static enum access_result system_control(struct vcpu *vcpu, void *ctx, struct access *access)
{
	(void)ctx;
	if (access->write && access->value & CONTROL_A_RESET)
		vm_end(vcpu->vm, VM_END_RESET, "restarts");
	if (!access->write)
		access->value = 2; /* A20 is open */
	return ACCESS_HANDLED;
}

void power_reset(struct power_state *state)
{
	*state = (struct power_state){ .version = POWER_STATE_VERSION,
				       .pm1[PM1_CONTROL] = CONTROL_SCI_EN };
}

enum err power_create(struct vm *vm, struct power_state *state)
{
	const struct region regions[] = {
		{ LAYOUT_PM1_EVENT, sizeof(state->pm1), pm1, state, "ACPI PM1" },
		{ LAYOUT_PM_TIMER, 4, pm_timer, state, "ACPI PM timer" },
		{ KBC_PORT, 1, keyboard_controller, state, "keyboard controller" },
		{ SYSTEM_CONTROL_A, 1, system_control, state, "system control port A" },
	};
	enum err e = OK;

	power_reset(state);
	spin_guard(&vm->device_lock);
	for (u32 i = 0; i < ARRAY_SIZE(regions) && !e; i++)
		e = region_add(&vm->ports, &regions[i]);
	return e;
}
