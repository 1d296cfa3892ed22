/* SPDX-License-Identifier: Apache-2.0 */
/* What the console offers to a guest's serial port; core/console.c implements it. */
#ifndef CORE_GUESTCON_H
#define CORE_GUESTCON_H

#include "core/lib/types.h"

struct vm;

/*
 * One byte that the guest sent. Called with the VM's device lock held, or from
 * vm_ops.console_drained(). Never called after guest_console_ready() said false,
 * until that has said true again.
 */
void guest_console_output(struct vm *vm, u8 byte);

/*
 * Is there room for one more byte of this guest? After false, the console
 * calls vm_ops.console_drained() once there is, without holding a lock of its own:
 * that is how a guest which floods its console is slowed down, and it alone.
 */
bool guest_console_ready(struct vm *vm);

#endif
