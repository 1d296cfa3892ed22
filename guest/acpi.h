/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ACPI tables that a guest finds (ACPI 6.4, 5.2): all but the list of processors is the
 * same for every VM and compiled from guest/acpi/.
 */
#ifndef GUEST_ACPI_H
#define GUEST_ACPI_H

#include "core/vm.h"

/* Write the tables from LAYOUT_RSDP on; gmem_write()'s outcomes. */
must_check enum err guest_acpi_write(struct vm *vm);

#endif
