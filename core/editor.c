// SPDX-License-Identifier: Apache-2.0
/* The console's line editor: keys, history, completion, drawing. */
#include "core/editor.h"

#include "core/lib/fmt.h"
#include "core/lib/string.h"

/*
 * Only one row of the terminal is ever used, so that hiding is clearing it: of
 * a line that is wider than that, the part around the cursor is shown.
 */
#define ROOM	       (80 - (u32)sizeof(EDITOR_PROMPT)) /* characters of the line in the row */
#define SCROLL	       (ROOM / 2)
#define CANDIDATES_MAX 256

#define CTRL(letter) ((letter) - '@')
#define KEY_ESCAPE   0x1b
#define KEY_RUBOUT   0x7f

#define CLEAR_TO_END "\x1b[K"
#define CLEAR_SCREEN "\x1b[H\x1b[2J"
#define NEW_LINE     "\r\n"
#define BELL	     "\a"

/* Values of editor.escape: what the bytes before this one were. */
enum escape_state {
	PLAIN,
	AFTER_CR,     /* a line feed right behind it is the same key */
	AFTER_ESCAPE, /* ESC */
	IN_CSI,	      /* ESC [ and the first number */
	IN_CSI_REST,  /* what follows the first number */
	AFTER_SS3,    /* ESC O: one more byte */
};

/* ---- drawing; nothing reaches the terminal while the editor is hidden ---- */

static void out_bytes(struct editor *editor, const char *text, size_t size)
{
	if (editor->shown && size)
		editor->write(text, size);
}

static void out(struct editor *editor, const char *text)
{
	out_bytes(editor, text, strlen(text));
}

/* First character of the line that is on the screen when the cursor is at `cursor`. */
static u32 first_visible(u32 cursor)
{
	/* Moves by half a row at a time: a step for each key would draw too much. */
	return cursor < ROOM ? 0 : ((cursor - ROOM) / SCROLL + 1) * SCROLL;
}

static void draw(struct editor *editor)
{
	u32 first = first_visible(editor->cursor);
	u32 end = MIN(editor->length, first + ROOM);
	char back[16];

	out(editor, "\r" EDITOR_PROMPT);
	out_bytes(editor, editor->line + first, end - first);
	out(editor, CLEAR_TO_END);
	if (end > editor->cursor) {
		fmt_snprintf(back, sizeof(back), "\x1b[%uD", end - editor->cursor);
		out(editor, back);
	}
}

void editor_hide(struct editor *editor)
{
	out(editor, "\r" CLEAR_TO_END);
	editor->shown = false;
}

void editor_show(struct editor *editor)
{
	if (editor->shown)
		return;
	editor->shown = true;
	draw(editor);
}

/* ---- the line ---- */

static void set_line(struct editor *editor, const char *text)
{
	(void)str_copy(editor->line, sizeof(editor->line), text);
	editor->length = (u32)strlen(editor->line);
	editor->cursor = editor->length;
}

static void move_to(struct editor *editor, u32 cursor)
{
	if (cursor > editor->length || cursor == editor->cursor)
		return;
	editor->cursor = cursor;
	draw(editor);
}

/* Takes what is between the cursor and `other`, a place in the line, out of it. */
static void cut_to(struct editor *editor, u32 other)
{
	u32 from = MIN(editor->cursor, other), to = MAX(editor->cursor, other);

	if (from == to || to > editor->length)
		return;
	memmove(editor->line + from, editor->line + to, editor->length - to + 1);
	editor->length -= to - from;
	editor->cursor = from;
	draw(editor);
}

static bool insert(struct editor *editor, const char *text, u32 size)
{
	if (size > EDITOR_LINE_MAX - editor->length)
		return false;
	memmove(editor->line + editor->cursor + size, editor->line + editor->cursor,
		editor->length - editor->cursor + 1);
	memcpy(editor->line + editor->cursor, text, size);
	editor->length += size;
	editor->cursor += size;
	return true;
}

static void type(struct editor *editor, char c)
{
	bool at_end = editor->cursor == editor->length;
	u32 first = first_visible(editor->cursor);

	if (!insert(editor, &c, 1))
		out(editor, BELL);
	else if (at_end && first_visible(editor->cursor) == first)
		out_bytes(editor, &c, 1);
	else
		draw(editor);
}

/* Where the word begins that ends at `end`; blanks do. */
static u32 word_start(const struct editor *editor, u32 end)
{
	while (end && editor->line[end - 1] != ' ')
		end--;
	return end;
}

/* The last word up to the cursor, with the blanks behind it. */
static u32 last_word_start(const struct editor *editor)
{
	u32 at = editor->cursor;

	while (at && editor->line[at - 1] == ' ')
		at--;
	return word_start(editor, at);
}

/* ---- history ---- */

static char *history_line(struct editor *editor, u32 distance)
{
	return editor->history[(editor->history_count - distance) % EDITOR_HISTORY];
}

static void remember(struct editor *editor, const char *line)
{
	if (!*line || (editor->history_count && str_equal(history_line(editor, 1), line)))
		return;
	/* The slot of distance 0 is the oldest line's. */
	(void)str_copy(history_line(editor, 0), sizeof(editor->history[0]), line);
	editor->history_count++;
}

/* Beyond either end: `distance` is above what there is, or has wrapped around 0. */
static void recall(struct editor *editor, u32 distance)
{
	if (distance > MIN(editor->history_count, EDITOR_HISTORY)) {
		out(editor, BELL);
		return;
	}
	if (!editor->history_at)
		(void)str_copy(editor->draft, sizeof(editor->draft), editor->line);
	editor->history_at = distance;
	set_line(editor, distance ? history_line(editor, distance) : editor->draft);
	draw(editor);
}

/* ---- completion ---- */

/* The next candidate from *index on that begins as the word at `start`; NULL: no more. */
static const char *next_fitting(struct editor *editor, u32 start, u32 *index)
{
	while (*index < CANDIDATES_MAX) {
		const char *candidate = editor->candidate(editor->line, start, (*index)++);

		if (!candidate || !strncmp(candidate, editor->line + start, editor->cursor - start))
			return candidate;
	}
	return NULL;
}

/* How many candidates there are, and what they have in common. */
static u32 find_common(struct editor *editor, u32 start, char common[EDITOR_LINE_MAX + 1])
{
	const char *candidate;
	u32 count, index = 0;

	for (count = 0; (candidate = next_fitting(editor, start, &index)); count++) {
		u32 same = 0;

		if (!count)
			(void)str_copy(common, EDITOR_LINE_MAX + 1, candidate);
		while (common[same] && common[same] == candidate[same])
			same++;
		common[same] = 0;
	}
	return count;
}

static void list_candidates(struct editor *editor, u32 start)
{
	const char *candidate;
	u32 index = 0;

	while ((candidate = next_fitting(editor, start, &index))) {
		out(editor, NEW_LINE "  ");
		out(editor, candidate);
	}
	out(editor, NEW_LINE);
}

/* The word that begins at `start`. */
static void complete(struct editor *editor, u32 start)
{
	char common[EDITOR_LINE_MAX + 1];
	u32 typed = editor->cursor - start;
	u32 count = find_common(editor, start, common);
	u32 more;

	if (!count) {
		out(editor, BELL);
		return;
	}
	more = (u32)strlen(common) - typed;
	if (!more && count > 1)
		list_candidates(editor, start);
	if (!insert(editor, common + typed, more))
		out(editor, BELL);
	else if (count == 1 && editor->line[editor->cursor] != ' ')
		(void)insert(editor, " ", 1);
	draw(editor);
}

/* ---- keys ---- */

/* Leaves the line; the next one is empty. */
static void finish(struct editor *editor, const char *mark)
{
	out(editor, mark);
	out(editor, NEW_LINE);
	/* The draft is not needed any more and outlives the line. */
	(void)str_copy(editor->draft, sizeof(editor->draft), editor->line);
	editor->history_at = 0;
	set_line(editor, "");
}

static void give_up(struct editor *editor, u32 unused)
{
	(void)unused;
	finish(editor, "^C");
	draw(editor);
}

static void clear(struct editor *editor, u32 unused)
{
	(void)unused;
	out(editor, CLEAR_SCREEN);
	draw(editor);
}

static char *enter(struct editor *editor)
{
	finish(editor, "");
	remember(editor, editor->draft);
	editor->shown = false;
	return editor->draft;
}

static void control_key(struct editor *editor, u8 byte)
{
	u32 cursor = editor->cursor;
	const struct {
		void (*act)(struct editor *editor, u32 argument);
		u32 argument;
	} keys[] = {
		[CTRL('A')] = { move_to, 0 },
		[CTRL('B')] = { move_to, cursor - 1 },
		[CTRL('C')] = { give_up, 0 },
		[CTRL('D')] = { cut_to, cursor + 1 },
		[CTRL('E')] = { move_to, editor->length },
		[CTRL('F')] = { move_to, cursor + 1 },
		[CTRL('H')] = { cut_to, cursor - 1 },
		[CTRL('I')] = { complete, word_start(editor, cursor) },
		[CTRL('K')] = { cut_to, editor->length },
		[CTRL('L')] = { clear, 0 },
		[CTRL('N')] = { recall, editor->history_at - 1 },
		[CTRL('P')] = { recall, editor->history_at + 1 },
		[CTRL('U')] = { cut_to, 0 },
		[CTRL('W')] = { cut_to, last_word_start(editor) },
		[KEY_RUBOUT] = { cut_to, cursor - 1 },
	};

	if (byte < ARRAY_SIZE(keys) && keys[byte].act)
		keys[byte].act(editor, keys[byte].argument);
}

/* ESC [ number final, or ESC O final: each does what a control key does. */
static void function_key(struct editor *editor, u8 final)
{
	static const u8 by_letter[] = {
		['A'] = CTRL('P'), ['B'] = CTRL('N'), ['C'] = CTRL('F'),
		['D'] = CTRL('B'), ['F'] = CTRL('E'), ['H'] = CTRL('A'),
	};
	/* The VT220's keys have numbers, with a ~ behind; 7 and 8 are rxvt's. */
	static const u8 by_number[] = {
		[1] = CTRL('A'), [3] = CTRL('D'), [4] = CTRL('E'), [7] = CTRL('A'), [8] = CTRL('E'),
	};

	if (final == '~' && editor->escape_arg < ARRAY_SIZE(by_number))
		control_key(editor, by_number[editor->escape_arg]);
	else if (final < ARRAY_SIZE(by_letter))
		control_key(editor, by_letter[final]);
}

static void csi_byte(struct editor *editor, u8 byte)
{
	if (byte >= '@') {
		editor->escape = PLAIN;
		function_key(editor, byte);
	} else if (editor->escape == IN_CSI && byte >= '0' && byte <= '9') {
		editor->escape_arg = (u8)MIN(editor->escape_arg * 10 + (byte - '0'), 255);
	} else {
		editor->escape = IN_CSI_REST;
	}
}

/* True: the byte was part of a sequence. */
static bool sequence_byte(struct editor *editor, u8 byte)
{
	u8 state = editor->escape;

	if (byte < ' ' || byte >= KEY_RUBOUT) { /* breaks a sequence off */
		editor->escape = PLAIN;
		return state == AFTER_CR && byte == '\n';
	}
	switch (state) {
	case AFTER_ESCAPE:
		editor->escape_arg = 0;
		editor->escape = byte == '[' ? IN_CSI : byte == 'O' ? AFTER_SS3 : PLAIN;
		return true;
	case IN_CSI:
	case IN_CSI_REST:
		csi_byte(editor, byte);
		return true;
	case AFTER_SS3:
		editor->escape = PLAIN;
		function_key(editor, byte);
		return true;
	default:
		editor->escape = PLAIN;
		return false;
	}
}

char *editor_input(struct editor *editor, u8 byte)
{
	if (sequence_byte(editor, byte))
		return NULL;
	if (byte == '\r' || byte == '\n') {
		if (byte == '\r')
			editor->escape = AFTER_CR;
		return enter(editor);
	}
	if (byte == KEY_ESCAPE)
		editor->escape = AFTER_ESCAPE;
	else if (byte >= ' ' && byte < KEY_RUBOUT)
		type(editor, (char)byte);
	else
		control_key(editor, byte);
	return NULL;
}

void editor_init(struct editor *editor, editor_write write, editor_candidate candidate)
{
	*editor = (struct editor){ .write = write, .candidate = candidate };
}
