/* SPDX-License-Identifier: Apache-2.0 */
/* The console's line editor: a state machine from bytes typed to lines entered. */
#ifndef CORE_EDITOR_H
#define CORE_EDITOR_H

#include "core/lib/types.h"

#define EDITOR_LINE_MAX	  255 /* characters of a line */
#define EDITOR_HISTORY	  16  /* lines remembered */
#define EDITOR_PROMPT_MAX 16

/* What the editor needs from its owner; called from within the functions below. */
struct editor_ops {
	/* Bytes for the terminal. */
	void (*write)(void *ctx, const char *text, size_t size);
	/*
	 * A line was entered (without its end); may be empty. The editor is hidden
	 * then: the owner answers and calls editor_show().
	 */
	void (*line)(void *ctx, const char *line);
	/*
	 * Candidate number `index` for completing `word`, the text from the
	 * line's last blank up to the cursor; `before` is what stands before it.
	 * NULL: no more. Candidates that do not begin with `word` are skipped.
	 */
	const char *(*candidate)(void *ctx, const char *before, const char *word, u32 index);
};

/* One terminal. No allocation; the owner serialises all calls. */
struct editor {
	const struct editor_ops *ops;
	void *ctx;
	char prompt[EDITOR_PROMPT_MAX + 1];
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

void editor_init(struct editor *editor, const char *prompt, const struct editor_ops *ops,
		 void *ctx);

/* One byte from the terminal. */
void editor_input(struct editor *editor, u8 byte);

/* Take prompt and line off the screen, so that other text can be printed; and back. */
void editor_hide(struct editor *editor);
void editor_show(struct editor *editor);

#endif
