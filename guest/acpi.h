/* SPDX-License-Identifier: Apache-2.0 */
/* The ACPI tables that a guest finds (ACPI 6.4, 5.2). */
#ifndef GUEST_ACPI_H
#define GUEST_ACPI_H

#include "core/vm.h"

/*
 * Write RSDP (at LAYOUT_RSDP), XSDT, FADT, FACS, DSDT, MADT and MCFG into the
 * guest's memory. ERR_NO_MEMORY: they do not fit their place (a defect).
 */
must_check enum err guest_acpi_write(struct vm *vm);

/*
 * The same into a buffer that stands for [LAYOUT_ACPI, LAYOUT_RSDP + 64):
 * for tests on the build host.
 */
must_check enum err guest_acpi_build(u8 *buffer, u32 size, u32 vcpus);

#endif
