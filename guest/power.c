// SPDX-License-Identifier: Apache-2.0
/* ACPI fixed hardware (ACPI 6.4, 4.8): PM1, PM timer, power off, reset. */
#include "guest/power.h"

#include "core/timer.h"
#include "guest/layout.h"

#define PM1_STATUS	 0
#define PM1_ENABLE	 2
#define PM1_CONTROL	 4
#define PM1_SIZE	 6
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

static u16 *pm1_register(struct power_state *state, u64 offset)
{
	switch (offset) {
	case PM1_STATUS:
		return &state->pm1_status;
	case PM1_ENABLE:
		return &state->pm1_enable;
	case PM1_CONTROL:
		return &state->pm1_control;
	default:
		return NULL;
	}
}

static void write_control(struct vcpu *vcpu, struct power_state *state, u16 value)
{
	state->pm1_control = (u16)((value & ~CONTROL_SLP_EN) | CONTROL_SCI_EN);
	if (value & CONTROL_SLP_EN && CONTROL_TYPE(value) == LAYOUT_S5_TYPE)
		vm_end(vcpu->vm, VM_END_POWEROFF, "powered off");
}

static enum access_result pm1(struct vcpu *vcpu, void *ctx, struct access *access)
{
	struct power_state *state = ctx;
	u16 *reg = pm1_register(state, access->offset);

	if (access->size == 4 && access->offset == PM1_STATUS && !access->write) {
		access->value = state->pm1_status | (u32)state->pm1_enable << 16;
		return ACCESS_HANDLED;
	}
	if (access->size != 2 || !reg)
		return ACCESS_NOT_MINE;
	if (!access->write)
		access->value = *reg;
	else if (reg == &state->pm1_status)
		*reg &= (u16)~access->value; /* write one to clear */
	else if (reg == &state->pm1_control)
		write_control(vcpu, state, (u16)access->value);
	else
		*reg = (u16)access->value;
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
				       .pm1_control = CONTROL_SCI_EN };
}

enum err power_create(struct vm *vm, struct power_state *state)
{
	const struct region regions[] = {
		{ LAYOUT_PM1_EVENT, PM1_SIZE, pm1, state, "ACPI PM1" },
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
