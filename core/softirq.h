/* SPDX-License-Identifier: Apache-2.0 */
/* Running what softirq_raise() asked for; the CPU loop calls this. */
#ifndef CORE_SOFTIRQ_H
#define CORE_SOFTIRQ_H

#include "core/lib/types.h"

bool softirq_pending(void);

/* Outside interrupt context, no lock held. */
void softirq_run(void);

#endif
