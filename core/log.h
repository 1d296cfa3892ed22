/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines of the hypervisor: `facet: ` on the console. */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include "core/lib/types.h"

enum log_level {
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG,
};

/*
 * One line without the newline, at most 287 characters (the rest is cut).
 * From any CPU and any context but NMI. Takes the console lock.
 */
void log_at(enum log_level level, const char *fmt, ...) printf_like(2, 3);

#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

/* Lines beyond this level are left out. Written at start and by the console's `log` command. */
extern enum log_level log_up_to;

/*
 * Rate limit for lines that a guest can cause: at most `burst` lines a
 * second, then one line that counts what was left out. Zero-initialise.
 */
struct log_limit {
	u64 window_start_ns;
	u32 count; /* lines that were asked for, `burst` of which were printed */
};

/* True: print. `burst` is the same for each call. Not locked: one limit belongs to one owner. */
bool log_allowed(struct log_limit *limit, u32 burst);

/* Stop every CPU with a message: broken invariants of the hypervisor only. */
_Noreturn void panic(const char *fmt, ...) printf_like(1, 2);

/* Never on a value that a guest chose. */
#define invariant(condition) \
	do { \
		if (!(condition)) \
			panic("invariant broken at %s:%d: %s", __FILE__, __LINE__, #condition); \
	} while (0)

#endif
