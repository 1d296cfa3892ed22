/* SPDX-License-Identifier: Apache-2.0 */
/* Formatted text into a buffer. */
#ifndef CORE_LIB_FMT_H
#define CORE_LIB_FMT_H

#include <stdarg.h>

#include "core/lib/types.h"

/*
 * %s %c %d %u %x %%, with l, ll, z, width, 0 and -, and a precision
 * for %s (also .*). Always terminates when size > 0; returns the length that
 * the whole text has, without the terminator.
 */
int fmt_snprintf(char *buf, size_t size, const char *fmt, ...) printf_like(3, 4);
int fmt_vsnprintf(char *buf, size_t size, const char *fmt, va_list list);

#endif
