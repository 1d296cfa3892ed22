/* SPDX-License-Identifier: Apache-2.0 */
/* The console commands that are about guests and their GPUs. */
#ifndef GUEST_COMMANDS_H
#define GUEST_COMMANDS_H

/* Register them with the console; at start, after console_start(). */
void commands_register(void);

#endif
