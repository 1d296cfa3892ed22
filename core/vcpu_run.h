/* SPDX-License-Identifier: Apache-2.0 */
/* Running one vCPU until it gives its processor up. */
#ifndef CORE_VCPU_RUN_H
#define CORE_VCPU_RUN_H

#include "core/vm.h"

enum vcpu_leave {
	VCPU_LEAVE_PREEMPTED, /* slice over, or this CPU has something else to do */
	VCPU_LEAVE_HALTED,
	VCPU_LEAVE_WAIT_INIT,
};

/* On the CPU that picked it. Enters the guest and handles its exits. */
enum vcpu_leave vcpu_run(struct vcpu *vcpu);

#endif
