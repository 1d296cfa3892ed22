/* SPDX-License-Identifier: Apache-2.0 */
/* What the guests' 3D programs share that has nothing to do with 3D: lines, time, sums. */
#ifndef TESTS_GUEST_SAY3D_H
#define TESTS_GUEST_SAY3D_H

#include <stddef.h>
#include <stdint.h>

#define SECOND_NS 1000000000u

/* Each program has its own; it stands before what went wrong. */
extern const char program_name[];

/* A line on standard output. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/* Says that `what` failed, with errno, and ends the program. */
__attribute__((noreturn)) void fail(const char *what);

/* Since some time in the past. */
uint64_t now_ns(void);

uint32_t crc32(const void *data, size_t size);

#endif
