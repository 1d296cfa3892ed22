/* SPDX-License-Identifier: Apache-2.0 */
/* The first state of a vCPU that starts in 64-bit mode. */
#ifndef GUEST_LONGMODE_H
#define GUEST_LONGMODE_H

#include "core/vm.h"

/*
 * GDT at LAYOUT_GDT with the selectors that Linux asks for (10h code, 18h
 * data), flat segments, paging on with the tables at `cr3`, IF = 0.
 */
must_check enum err longmode_enter(struct vm *vm, u64 cr3, u64 rip, u64 rsi, u64 rsp);

/* Tables at LAYOUT_PAGE_TABLES that map the first 4 GiB one to one with 2 MiB pages. */
must_check enum err longmode_map_large(struct vm *vm);

#endif
