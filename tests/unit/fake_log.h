/* SPDX-License-Identifier: Apache-2.0 */
/* Of core/log.h, what does the same in every test's machine; log_at() is the test's own. */
#ifndef TESTS_UNIT_FAKE_LOG_H
#define TESTS_UNIT_FAKE_LOG_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"

bool log_allowed(struct log_limit *limit, u32 burst)
{
	return limit->count++ < burst;
}

void panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	abort();
}

#endif
