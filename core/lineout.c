// SPDX-License-Identifier: Apache-2.0
/* Makes lines `NAME| text` of the bytes that a guest sends to its serial port. */
#include "core/lineout.h"

#include "core/config.h"
#include "core/console.h"
#include "core/lib/fmt.h"
#include "core/lib/string.h"

#define TAB_WIDTH 8
#define BELL	  0x07
#define ESCAPE	  0x1b
#define RUBOUT	  0x7f

/* Values of lineout.escape (ECMA-48): what the bytes before this one began. */
enum escape_state {
	PLAIN,
	AFTER_ESCAPE, /* ESC: intermediate bytes, then one that ends it */
	IN_CSI,	      /* ESC [: parameters, then a letter */
	IN_STRING,    /* ESC ] and its like: ends with BEL or ESC \ */
};

static void emit(struct lineout *out, const char *name)
{
	char line[CONFIG_NAME_MAX + sizeof("| ") + LINEOUT_MAX];

	fmt_snprintf(line, sizeof(line), "%.*s| %.*s", CONFIG_NAME_MAX, name, (int)out->length,
		     out->text);
	out->length = 0;
	console_print_text(line);
}

/* A full line is emitted by the character that has no room, so that its end makes no empty one. */
static void add(struct lineout *out, const char *name, char c)
{
	if (out->length == LINEOUT_MAX)
		emit(out, name);
	out->text[out->length++] = c;
}

static void add_tab(struct lineout *out, const char *name)
{
	do
		add(out, name, ' ');
	while (out->length % TAB_WIDTH);
}

/* A byte after ESC: which kind of sequence is it? */
static u8 escape_kind(u8 byte)
{
	if (byte == '[')
		return IN_CSI;
	if (byte == ']' || byte == 'P' || byte == 'X' || byte == '^' || byte == '_')
		return IN_STRING;
	return byte >= ' ' && byte < '0' ? AFTER_ESCAPE : PLAIN;
}

/* True: the byte belongs to a sequence. Control characters break all but strings off. */
static bool drop_escape(struct lineout *out, u8 byte)
{
	if (byte == ESCAPE) {
		out->escape = AFTER_ESCAPE;
		return true;
	}
	switch (out->escape) {
	case AFTER_ESCAPE:
		out->escape = byte < ' ' ? PLAIN : escape_kind(byte);
		return byte >= ' ';
	case IN_CSI:
		if (byte < ' ' || byte >= '@')
			out->escape = PLAIN;
		return byte >= ' ';
	case IN_STRING:
		if (byte == BELL)
			out->escape = PLAIN;
		return true;
	default:
		return false;
	}
}

static void put_character(struct lineout *out, const char *name, u8 byte)
{
	if (byte == '\t')
		add_tab(out, name);
	else if (byte == '\b')
		out->length -= out->length > 0;
	else if (byte >= ' ' && byte < RUBOUT)
		add(out, name, (char)byte);
	else if (byte != BELL && byte != 0)
		add(out, name, '?');
}

void lineout_put(struct lineout *out, const char *name, u8 byte)
{
	if (byte == '\n') { /* ends whatever was begun: a guest hides one line at most */
		out->escape = PLAIN;
		out->carriage_return = false;
		emit(out, name);
		return;
	}
	if (drop_escape(out, byte))
		return;
	if (byte == '\r') {
		out->carriage_return = true;
		return;
	}
	if (out->carriage_return && out->length)
		emit(out, name);
	out->carriage_return = false;
	put_character(out, name, byte);
}

void lineout_flush(struct lineout *out, const char *name)
{
	if (out->length)
		emit(out, name);
	out->carriage_return = false;
}
