/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual machines as the operator sees them: made, started, stopped, restarted. */
#ifndef GUEST_MACHINE_H
#define GUEST_MACHINE_H

#include "core/vm.h"

struct guest_pci;

/*
 * All of this runs on the housekeeping CPU only. Starting takes time: memory is
 * cleared and files are copied in steps by machine_housekeeping().
 */

/* Make every guest of the configuration; start those with autostart. */
void machine_create_all(const struct config *config);

/*
 * ERR_BUSY: not in a state from which this goes; nothing happens. Starting also
 * fails with ERR_DEVICE where the guest's devices could not be made, and with
 * what linux_plan() says, ERR_NOT_FOUND for a missing file; a line has been logged.
 */
must_check enum err machine_start(struct vm *vm);
must_check enum err machine_stop(struct vm *vm);
must_check enum err machine_restart(struct vm *vm);
must_check enum err machine_pause(struct vm *vm);
must_check enum err machine_resume(struct vm *vm);

/* One bounded step for every guest that needs one. True: call again soon. */
bool machine_housekeeping(void);

/* At least one guest was started, and none runs any more. */
bool machines_idle(void);

/* TSC ticks from the UEFI application's entry to the start of the first guest; 0: none yet. */
u64 machine_first_guest_ticks(void);

/* The guest's PCI buses; NULL where its devices could not be made. */
struct guest_pci *machine_pci(const struct vm *vm);

/* "running", "stopped", ...: static text. */
const char *machine_state_name(const struct vm *vm);

#endif
