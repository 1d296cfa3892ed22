/* SPDX-License-Identifier: Apache-2.0 */
/* Where log lines go; set by main.c, used by the console. */
#ifndef CORE_LOG_SINK_H
#define CORE_LOG_SINK_H

#include "core/log.h"

/* `line`: a whole line, serialised by the sink. `raw`: text in a panic, without locks. */
void log_set_sinks(void (*line)(const char *line), void (*raw)(const char *text));

enum log_level log_get_level(void);

#endif
