/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Physical functions given whole to guests.
 *
 *   create: claimed, on the guest's bus, and denied everything
 *   start:  reset -> the guest's RAM is mapped -> in its domain -> the guest's writes reach it
 *   stop:   bus master off -> reset -> out of the domain -> RAM unmapped -> its frames let go
 */
#ifndef GUEST_ASSIGNED_H
#define GUEST_ASSIGNED_H

#include "core/config.h"
#include "core/vm.h"
#include "drivers/iommu.h"
#include "drivers/pci.h"
#include "guest/pci.h"

/* At start, before the first guest is made. `units` is NULL where no IOMMU is usable. */
void assigned_init(const struct config_host *config, struct pci *functions, struct iommu *units);

/*
 * Take the functions that the file gives to `vm` and put them on its bus. At start only.
 * Each error has been logged with its reason; the guest then has none of them.
 */
must_check enum err assigned_create(struct vm *vm, struct guest_pci *pci);

/*
 * Plug a function into a slot of `vm`'s, or pull out what was plugged in; housekeeping, and
 * only while the guest is stopped, running or paused. Each waits as long as a reset takes.
 * Any error: a line has said why, and nothing has changed; of assigned_detach() only
 * ERR_NOT_FOUND, without a line: that function is not in a slot of this guest.
 */
must_check enum err assigned_attach(struct vm *vm, struct guest_pci *bus, u16 bdf);
must_check enum err assigned_detach(struct vm *vm, struct guest_pci *bus, u16 bdf);

/*
 * The guest is about to run: reset its functions and let them reach its RAM. No vCPU
 * runs. What pci_reset(), iommu_map_ram() and iommu_attach() say; it has been logged, and they
 * reach nothing.
 */
must_check enum err assigned_start(struct vm *vm);

/*
 * It runs no more, whichever way it ended. On return no function of its reaches its RAM,
 * or the RAM stays held and a line says so. Nothing where assigned_start() has not been.
 */
void assigned_stop(struct vm *vm);

/*
 * A blocked access, of any function: logged, up to four a second of each guest and of all the
 * others; and a guest that has the function ends, if the file says so.
 */
void assigned_fault(const struct iommu_fault *fault);

/*
 * Look whether the functions of `vm` on the I/O APIC's lines `pins` (bit per pin) assert INTx, and
 * drive those lines. Reads one register of each of them. Any CPU, with device_lock or without.
 */
void assigned_look_intx(struct vm *vm, u32 pins);

/*
 * Let interrupts go on that came too fast, and look at INTx each millisecond from now on if a
 * guest uses it. Housekeeping, every 10 ms or so.
 */
void assigned_housekeeping(void);

#endif
