/* SPDX-License-Identifier: Apache-2.0 */
/* The console's line editor: a state machine from bytes typed to lines entered. */
#ifndef CORE_EDITOR_H
#define CORE_EDITOR_H

#include "core/lib/types.h"

#define EDITOR_LINE_MAX 255 /* characters of a line */
#define EDITOR_HISTORY	16  /* lines remembered */
#define EDITOR_PROMPT	"facet> "

/* Bytes for the terminal. */
typedef void (*editor_write)(const char *text, size_t size);

/*
 * Candidate number `index` for completing the word that begins at `start` of the
 * line, behind a blank before the cursor. NULL: no more. Those that do not begin as
 * the word does are skipped.
 */
typedef const char *(*editor_candidate)(const char *line, u32 start, u32 index);

/* One terminal. No allocation; the owner serialises all calls. */
struct editor {
	editor_write write; /* both are called from within the functions below */
	editor_candidate candidate;
	char line[EDITOR_LINE_MAX + 1];
	u32 length, cursor;
	bool shown;
	u8 escape;     /* state of an ANSI sequence */
	u8 escape_arg; /* its number */
	char history[EDITOR_HISTORY][EDITOR_LINE_MAX + 1];
	u32 history_count; /* lines ever entered */
	u32 history_at;	   /* distance back from the newest; 0: the line being typed */
	char draft[EDITOR_LINE_MAX + 1]; /* what was typed before going back in history */
};

void editor_init(struct editor *editor, editor_write write, editor_candidate candidate);

/*
 * One byte from the terminal. Gives the line (without its end; may be empty) that it has
 * entered, for the caller to change until the next byte; else NULL. The editor is hidden
 * with a line: the owner answers and calls editor_show().
 */
char *editor_input(struct editor *editor, u8 byte);

/* Take prompt and line off the screen, so that other text can be printed; and back. */
void editor_hide(struct editor *editor);
void editor_show(struct editor *editor);

#endif
