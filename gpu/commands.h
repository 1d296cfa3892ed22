/* SPDX-License-Identifier: Apache-2.0 */
/* The console commands that are about GPUs. */
#ifndef GPU_COMMANDS_H
#define GPU_COMMANDS_H

/* At start, once. */
void gpu_commands_register(void);

/* top.c: the live view, until q or Ctrl-C. From a command. */
void gpu_top(void);

#endif
