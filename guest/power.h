/* SPDX-License-Identifier: Apache-2.0 */
/* ACPI power registers and the ways in which a PC is reset. */
#ifndef GUEST_POWER_H
#define GUEST_POWER_H

#include "core/vm.h"

#define POWER_STATE_VERSION 1

/* Plain data; guarded by device_lock. */
struct power_state {
	u32 version;
	u16 pm1[3]; /* status, enable, control, as they lie in the ports */
	u8 reset_control;
};

/*
 * The reset control register at port CF9h. It lies among the PCI configuration
 * ports, so guest/pci.c owns the region and passes such accesses on.
 */
enum access_result power_reset_control(struct vcpu *vcpu, void *ctx, struct access *access);

/* Add the regions of PM1, PM timer, system control port A and keyboard controller's reset. */
must_check enum err power_create(struct vm *vm, struct power_state *state);

/* Power-on values; no vCPU runs. */
void power_reset(struct power_state *state);

#endif
