/* SPDX-License-Identifier: Apache-2.0 */
/* Where the bare guest lives in its memory. */
#ifndef TESTS_GUEST_BARE_LAYOUT_H
#define TESTS_GUEST_BARE_LAYOUT_H

#define BARE_LINK   0x1000000 /* 16 MiB: where a Linux kernel prefers to be, too */
#define BARE_MEMORY 0x800000  /* image, stack and heap */
#define BARE_SECOND 0x6000    /* where the second processor starts, in real mode */
#define BARE_MAPPED 0x4000000 /* 64 MiB are mapped; every guest has as much */

#endif
