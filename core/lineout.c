// SPDX-License-Identifier: Apache-2.0
/* Makes lines `NAME| text` of the bytes that a guest sends to its serial port. */
#include "core/lineout.h"

#include "core/config.h"
#include "core/lib/fmt.h"

#define ESCAPE 0x1b

/* Where a byte stands in an ANSI sequence (ECMA-48, 5.4). */
enum escape_state {
	ESCAPE_NONE,
	ESCAPE_BEGUN, /* after ESC */
	ESCAPE_CONTROL, /* after ESC [ : until a byte from 40h to 7eh */
};

void lineout_flush(struct lineout *out, const char *name,
		   void (*emit)(void *ctx, const char *line), void *ctx)
{
	char line[CONFIG_NAME_MAX + LINEOUT_MAX + 3];

	if (!out->length)
		return;
	fmt_snprintf(line, sizeof(line), "%s| %.*s", name, (int)out->length, out->text);
	out->length = 0;
	emit(ctx, line);
}

/* Is the byte part of a sequence, to be dropped? */
static bool in_sequence(struct lineout *out, u8 byte)
{
	switch (out->escape) {
	case ESCAPE_BEGUN:
		out->escape = byte == '[' ? ESCAPE_CONTROL : ESCAPE_NONE;
		return true;
	case ESCAPE_CONTROL:
		if (byte >= 0x40 && byte <= 0x7e)
			out->escape = ESCAPE_NONE;
		return true;
	default:
		if (byte != ESCAPE)
			return false;
		out->escape = ESCAPE_BEGUN;
		return true;
	}
}

void lineout_put(struct lineout *out, const char *name, u8 byte,
		 void (*emit)(void *ctx, const char *line), void *ctx)
{
	bool empty = !out->length;

	if (byte == '\n') {
		out->escape = ESCAPE_NONE;
		lineout_flush(out, name, emit, ctx);
		return;
	}
	if (byte == '\r' || (in_sequence(out, byte)))
		return;
	if (byte == '\t')
		byte = ' ';
	if (byte < ' ' || byte > '~') {
		if (empty)
			return;
		byte = '?';
	}
	out->text[out->length++] = (char)byte;
	if (out->length == LINEOUT_MAX)
		lineout_flush(out, name, emit, ctx);
}
