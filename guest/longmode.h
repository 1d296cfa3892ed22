/* SPDX-License-Identifier: Apache-2.0 */
/* The first state of a vCPU that starts in 64-bit mode. */
#ifndef GUEST_LONGMODE_H
#define GUEST_LONGMODE_H

#include "core/vm.h"

/*
 * GDT at LAYOUT_GDT with the selectors that Linux asks for (10h code, 18h
 * data), flat segments, IF = 0; the first 4 GiB mapped one to one with 2 MiB
 * pages, tables at LAYOUT_PAGE_TABLES. RSI is LAYOUT_ZERO_PAGE.
 */
must_check enum err longmode_enter(struct vm *vm, u64 rip);

#endif
