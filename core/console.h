/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's console: log lines, guests' lines, commands. */
#ifndef CORE_CONSOLE_H
#define CORE_CONSOLE_H

#include "core/lib/types.h"

struct vm;

/* The serial port, supplied by main.c. `read` gives -1 when nothing was typed. */
struct console_port {
	void (*write)(const char *text, size_t size);
	int (*read)(void);
};

/* A command of the operator. `args` is the rest of the line, blanks trimmed. */
struct console_command {
	const char *name;
	const char *usage; /* arguments, "" for none */
	const char *help;  /* one line */
	void (*run)(char *args);
	/* Candidate `index` for an argument, NULL: no more. NULL pointer: none. */
	const char *(*candidate)(u32 index);
};

#define CONSOLE_COMMANDS_MAX 32

/* At start, in the order in which `help` lists them. Static storage. */
void console_register(const struct console_command *command);

/* Before anything else, and before the first line of the log. */
void console_start(const struct console_port *port);

/* A line of a command's answer; from a command only. */
void console_print(const char *fmt, ...) printf_like(1, 2);

/* A text of any length as one line. Any CPU, any context but NMI. */
void console_print_text(const char *line);

/* Any text as it is, without an end of line; from a command or its program. */
void console_write(const char *text);

/* The same in a panic: what has failed may hold the lock. */
void console_write_unlocked(const char *text);

enum console_step {
	CONSOLE_OVER,  /* the prompt may come */
	CONSOLE_WAITS, /* for a key or for time to pass: some ten milliseconds */
	CONSOLE_MORE,  /* it has more to do at once */
};

/*
 * From a command: it goes on as a program after it has returned. `step` gets each
 * typed byte, and -1 again and again; what others print comes in between.
 */
void console_run(enum console_step (*step)(int byte));

/* Raw console of `vm` until Ctrl-]; NULL detaches. At the end of the start NULL: the prompt. */
void console_attach(struct vm *vm);

/* `vm` goes away: flush what it still has and forget it. */
void console_forget(struct vm *vm);

/*
 * Move input and guests' output; bounded. On the housekeeping CPU only. True:
 * more is waiting.
 */
bool console_poll(void);

#endif
