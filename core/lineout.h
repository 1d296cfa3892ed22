/* SPDX-License-Identifier: Apache-2.0 */
/* Makes lines `NAME| text` of the bytes that a guest sends to its serial port. */
#ifndef CORE_LINEOUT_H
#define CORE_LINEOUT_H

#include "core/lib/types.h"

#define LINEOUT_MAX 256 /* characters of a guest's line; a longer one is broken */

/* One guest's unfinished line. Zero-initialise. */
struct lineout {
	u32 length;
	u8 escape;	      /* inside an ANSI sequence, which is dropped */
	bool carriage_return; /* the byte before this one was one */
	char text[LINEOUT_MAX];
};

/*
 * One byte of guest `name` (at most CONFIG_NAME_MAX characters). A complete line
 * goes to the console as `name| text`, with nothing in it but printable ASCII: a guest
 * can neither fake a prefix nor steer the operator's terminal.
 *
 * A line ends at a line feed, at a carriage return with text before it that no
 * line feed follows (a progress display), or when it is full. Escape sequences
 * are dropped, a tab becomes blanks, a backspace takes a character back, bell and
 * NUL vanish, any other byte is shown as `?`. At most two lines come of it.
 */
void lineout_put(struct lineout *out, const char *name, u8 byte);

/* Print what has no newline yet. */
void lineout_flush(struct lineout *out, const char *name);

#endif
