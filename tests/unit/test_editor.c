// SPDX-License-Identifier: Apache-2.0
// SOURCES: core/editor.c core/lib/fmt.c core/lib/string.c
/* Rules of the console's line editor, seen on a small model of a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/editor.h"
#include "core/lib/string.h"

#define COLUMNS	 80
#define PROMPT	 EDITOR_PROMPT
#define ROW_ROOM (COLUMNS - sizeof(PROMPT)) /* for the line, beside the prompt */

#define UP    "\x1b[A"
#define DOWN  "\x1b[B"
#define RIGHT "\x1b[C"
#define LEFT  "\x1b[D"

/* One row of a terminal that knows what the editor may use; anything else fails the test. */
static char row[COLUMNS + 1];
static u32 column;
static u32 bells, clears;
static size_t written;	 /* bytes */
static char above[4096]; /* rows that were left by a new line */

static char entered[EDITOR_LINE_MAX + 1];
static u32 entered_count;
static bool prompts; /* the owner shows the prompt for the next line at once */
static struct editor editor;
static const char *const *candidates;

static void terminal_reset(void)
{
	memset(row, ' ', COLUMNS);
	column = 0;
}

static void terminal_row_end(void)
{
	u32 end = COLUMNS;
	size_t used = strlen(above);

	while (end && row[end - 1] == ' ')
		end--;
	if (used + end + 2 > sizeof(above))
		used = 0;
	memcpy(above + used, row, end);
	above[used + end] = '\n';
	above[used + end + 1] = 0;
	memset(row, ' ', COLUMNS);
}

/* ESC [ ... ; gives the number of bytes that it has. */
static size_t terminal_sequence(const char *text, size_t size)
{
	u32 number = 0;
	size_t i = 2;

	assert_true(size > 2 && text[1] == '[');
	for (; i < size && text[i] >= '0' && text[i] <= '9'; i++)
		number = number * 10 + (u32)(text[i] - '0');
	assert_true(i < size);
	if (text[i] == 'K' && i == 2) {
		memset(row + column, ' ', COLUMNS - column);
	} else if (text[i] == 'D') {
		assert_true(number > 0 && number <= column);
		column -= number;
	} else if (text[i] == 'H' && i == 2) {
		column = 0;
	} else if (text[i] == 'J' && number == 2) {
		memset(row, ' ', COLUMNS);
		clears++;
	} else {
		fail_msg("sequence ending in %c", text[i]);
	}
	return i + 1;
}

static void terminal_write(const char *text, size_t size)
{
	written += size;
	for (size_t i = 0; i < size;) {
		if (text[i] == 0x1b) {
			i += terminal_sequence(text + i, size - i);
			continue;
		}
		if (text[i] == '\r') {
			column = 0;
		} else if (text[i] == '\n') {
			terminal_row_end();
		} else if (text[i] == '\a') {
			bells++;
		} else {
			assert_true(text[i] >= ' ' && text[i] <= '~');
			assert_true(column < COLUMNS - 1); /* the last column wraps on some */
			row[column++] = text[i];
		}
		i++;
	}
}

static void line_entered(char *line)
{
	strcpy(entered, line);
	memset(line, '?', strlen(line));
	entered_count++;
	assert_false(editor.shown);
	if (prompts)
		editor_show(&editor);
}

static const char *candidate(const char *line, u32 start, u32 index)
{
	static const char *const names[] = { "alpha", "alpine", "beta", NULL };

	assert_true(start <= strlen(line) && strlen(line) <= EDITOR_LINE_MAX);
	return start >= 7 && strncmp(line, "attach ", 7) == 0 ? names[index] : candidates[index];
}

static int start(void **state)
{
	static const char *const commands[] = { "guests", "gpu", "attach", "stop", NULL };

	(void)state;
	terminal_reset();
	above[0] = 0;
	entered[0] = 0;
	entered_count = bells = clears = 0;
	candidates = commands;
	prompts = true;
	editor_init(&editor, terminal_write, candidate);
	editor_show(&editor);
	return 0;
}

static void input(u8 byte)
{
	char *line = editor_input(&editor, byte);

	if (line)
		line_entered(line);
}

static void press(const char *keys)
{
	while (*keys)
		input((u8)*keys++);
}

/* The terminal shows the prompt and `line` with the cursor behind `cursor` of its characters. */
static void assert_screen(const char *line, u32 cursor)
{
	char want[COLUMNS + 1];

	memset(want, ' ', COLUMNS);
	want[COLUMNS] = 0;
	memcpy(want, PROMPT, sizeof(PROMPT) - 1);
	memcpy(want + sizeof(PROMPT) - 1, line, strlen(line));
	assert_string_equal(row, want);
	assert_int_equal(column, sizeof(PROMPT) - 1 + cursor);
}

static void a_typed_line_is_echoed_and_entered(void **state)
{
	(void)state;
	assert_screen("", 0);
	press("guests");
	assert_screen("guests", 6);
	press("\r");
	assert_string_equal(entered, "guests");
	assert_string_equal(above, PROMPT "guests\n");
	assert_screen("", 0);
}

static void every_kind_of_line_end_enters_once(void **state)
{
	(void)state;
	press("a\r");
	assert_int_equal(entered_count, 1);
	press("b\n");
	assert_int_equal(entered_count, 2);
	press("c\r\n");
	assert_int_equal(entered_count, 3);
	press("\r\r\n\n");
	assert_int_equal(entered_count, 6);
}

static void characters_go_in_where_the_cursor_is(void **state)
{
	(void)state;
	press("gts" LEFT LEFT "ues");
	assert_screen("guests", 4);
	press("\r");
	assert_string_equal(entered, "guests");
}

static void the_cursor_moves_by_keys_and_stops_at_the_ends(void **state)
{
	(void)state;
	press("abc" LEFT);
	assert_screen("abc", 2);
	press(LEFT LEFT LEFT LEFT);
	assert_screen("abc", 0);
	press(RIGHT);
	assert_screen("abc", 1);
	press(RIGHT RIGHT RIGHT);
	assert_screen("abc", 3);
	press("\x01");
	assert_screen("abc", 0);
	press("\x05");
	assert_screen("abc", 3);
	press("\x02\x02\x06");
	assert_screen("abc", 2);
}

static void home_end_and_delete_of_all_terminals_work(void **state)
{
	static const char *const homes[] = { "\x1b[H", "\x1b[1~", "\x1b[7~", "\x1bOH",
					     "\x1b[1;5H" };
	static const char *const ends[] = { "\x1b[F", "\x1b[4~", "\x1b[8~", "\x1bOF", "\x1b[1;2F" };

	(void)state;
	press("abc");
	for (u32 i = 0; i < ARRAY_SIZE(homes); i++) {
		press(homes[i]);
		assert_screen("abc", 0);
		press(ends[i]);
		assert_screen("abc", 3);
	}
	press("\x01\x1b[3~");
	assert_screen("bc", 0);
	press("\x1b[3~\x1b[3~\x1b[3~");
	assert_screen("", 0);
}

static void unknown_sequences_leave_nothing_behind(void **state)
{
	(void)state;
	press("a\x1b[5~\x1b[200~\x1b[?25h\x1b[99999999999~\x1bx\x1bOPb");
	assert_screen("ab", 2);
	press("\x1b[1\rc");
	assert_string_equal(entered, "ab");
	assert_screen("c", 1);
}

static void deleting_keys_delete(void **state)
{
	(void)state;
	press("abcd\x7f");
	assert_screen("abc", 3);
	press(LEFT "\b");
	assert_screen("ac", 1);
	press("\x04");
	assert_screen("a", 1);
	press("\x04\x04");
	assert_screen("a", 1);
	press("\x01\x7f\b");
	assert_screen("a", 0);
}

static void whole_parts_of_the_line_are_cut(void **state)
{
	(void)state;
	press("stop alpha" LEFT LEFT "\x0b");
	assert_screen("stop alp", 8);
	press("\x17");
	assert_screen("stop ", 5);
	press("\x17");
	assert_screen("", 0);
	press("gpu focus" LEFT LEFT "\x15");
	assert_screen("us", 0);
}

static void ctrl_c_drops_the_line(void **state)
{
	(void)state;
	press("poweroff\x03");
	assert_int_equal(entered_count, 0);
	assert_string_equal(above, PROMPT "poweroff^C\n");
	assert_screen("", 0);
	press(UP);
	assert_screen("", 0);
}

static void ctrl_l_clears_the_screen_and_keeps_the_line(void **state)
{
	(void)state;
	press("abc" LEFT "\x0c");
	assert_int_equal(clears, 1);
	assert_screen("abc", 2);
}

static void history_goes_back_and_forth(void **state)
{
	(void)state;
	press("one\rtwo\rthr" UP);
	assert_screen("two", 3);
	press(UP);
	assert_screen("one", 3);
	press(UP);
	assert_screen("one", 3);
	assert_int_equal(bells, 1);
	press(DOWN DOWN);
	assert_screen("thr", 3);
	press(DOWN);
	assert_screen("thr", 3);
	assert_int_equal(bells, 2);
	press("\x10\x10\r");
	assert_string_equal(entered, "one");
}

static void history_skips_empty_and_repeated_lines(void **state)
{
	(void)state;
	press("one\rtwo\rtwo\r\r\r" UP);
	assert_screen("two", 3);
	press(UP);
	assert_screen("one", 3);
}

static void history_remembers_the_last_lines_only(void **state)
{
	char line[4] = "x?\r";

	(void)state;
	for (int i = 0; i < EDITOR_HISTORY + 3; i++) {
		line[1] = (char)('A' + i);
		press(line);
	}
	for (int i = 0; i < EDITOR_HISTORY; i++)
		press(UP);
	assert_screen("xD", 2);
	assert_int_equal(bells, 0);
	press(UP);
	assert_screen("xD", 2);
	assert_int_equal(bells, 1);
}

static void an_edited_old_line_is_entered_without_changing_history(void **state)
{
	(void)state;
	press("start alpha\r" UP "\x17"
	      "beta\r");
	assert_string_equal(entered, "start beta");
	press(UP UP);
	assert_screen("start alpha", 11);
}

static void tab_completes_the_only_candidate_and_adds_a_blank(void **state)
{
	(void)state;
	press("at\t");
	assert_screen("attach ", 7);
	press("b\t");
	assert_screen("attach beta ", 12);
	press("\r");
	assert_string_equal(entered, "attach beta ");
}

static void tab_goes_as_far_as_all_candidates_agree_then_lists_them(void **state)
{
	(void)state;
	press("attach a\t");
	assert_screen("attach alp", 10);
	assert_string_equal(above, "");
	press("\t");
	assert_screen("attach alp", 10);
	assert_string_equal(above, PROMPT "attach alp\n  alpha\n  alpine\n");
}

static void tab_in_the_middle_keeps_what_follows(void **state)
{
	(void)state;
	press("at beta\x01" RIGHT RIGHT "\t");
	assert_screen("attach beta", 6);
}

static void tab_without_a_candidate_rings(void **state)
{
	(void)state;
	press("zz\t");
	assert_screen("zz", 2);
	assert_int_equal(bells, 1);
}

static void tab_does_not_overfill_the_line(void **state)
{
	char line[EDITOR_LINE_MAX];

	(void)state;
	memset(line, ' ', sizeof(line));
	line[sizeof(line) - 1] = 0;
	press(line); /* one character is free */
	press("s\t");
	assert_int_equal(editor.length, EDITOR_LINE_MAX);
	assert_true(bells > 0);
}

static void an_endless_list_of_candidates_is_cut(void **state)
{
	static const char *endless[257];

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(endless); i++)
		endless[i] = "same";
	candidates = endless;
	press("s\t");
	assert_screen("same", 4);
}

static void the_line_is_bounded(void **state)
{
	(void)state;
	for (int i = 0; i < EDITOR_LINE_MAX + 50; i++)
		press("y");
	assert_int_equal(editor.length, EDITOR_LINE_MAX);
	assert_int_equal(bells, 50);
	press("\r");
	assert_int_equal(strlen(entered), EDITOR_LINE_MAX);
}

static void a_hidden_editor_is_silent_and_comes_back_as_it_was(void **state)
{
	(void)state;
	press("stop al" LEFT);
	editor_hide(&editor);
	assert_int_equal(column, 0);
	for (u32 i = 0; i < COLUMNS; i++)
		assert_int_equal(row[i], ' ');
	editor_hide(&editor);
	press("x\t\x0c");
	for (u32 i = 0; i < COLUMNS; i++)
		assert_int_equal(row[i], ' ');
	editor_show(&editor);
	assert_screen("stop axl", 7);
	written = 0;
	editor_show(&editor);
	assert_int_equal(written, 0);
}

static void a_line_can_be_entered_while_hidden(void **state)
{
	(void)state;
	prompts = false;
	editor_hide(&editor);
	press("gpu\r");
	assert_string_equal(entered, "gpu");
	assert_string_equal(above, "");
	assert_false(editor.shown);
}

static void the_prompt_comes_back_when_the_owner_has_answered(void **state)
{
	(void)state;
	prompts = false;
	press("gpu\r");
	assert_int_equal(column, 0);
	editor_hide(&editor); /* as before any other text: has nothing to do */
	terminal_write("answer\r\n", 8);
	assert_string_equal(above, PROMPT "gpu\nanswer\n");
	editor_show(&editor);
	assert_screen("", 0);
}

static void bytes_outside_ascii_are_ignored(void **state)
{
	(void)state;
	press("a\xc3\xa4\x80\xff"
	      "b");
	assert_screen("ab", 2);
}

/* Whatever is pressed, the row is the prompt and the part of the line around the cursor. */
static void the_screen_always_shows_the_part_with_the_cursor(void **state)
{
	static const char *const keys[] = {
		LEFT,	RIGHT,	UP,	DOWN,	"\x01", "\x05", "\x0b",
		"\x15", "\x17", "\x7f", "\x04", "\t",	"\r",	"\x0c"
	};
	u32 scrolled = 0;

	(void)state;
	srand(11);
	for (u32 i = 0; i < 200000; i++) {
		u32 shown, first;
		char c[2] = { (char)(rand() % 5 ? 'a' + rand() % 26 : ' '), 0 };

		/* Mostly typing, or the line never gets wider than the row. */
		press(rand() % 16 ? c : keys[(u32)rand() % ARRAY_SIZE(keys)]);
		assert_true(editor.cursor <= editor.length && editor.length <= EDITOR_LINE_MAX);
		assert_int_equal(strlen(editor.line), editor.length);
		assert_memory_equal(row, PROMPT, sizeof(PROMPT) - 1);
		assert_true(column >= sizeof(PROMPT) - 1);
		first = editor.cursor - (column - (u32)(sizeof(PROMPT) - 1));
		assert_true(first <= editor.cursor);
		scrolled += first > 0;
		shown = MIN(editor.length - first, ROW_ROOM);
		assert_memory_equal(row + sizeof(PROMPT) - 1, editor.line + first, shown);
		for (u32 j = (u32)sizeof(PROMPT) - 1 + shown; j < COLUMNS; j++)
			assert_int_equal(row[j], ' ');
	}
	assert_true(scrolled > 1000);
}

static void random_bytes_do_no_harm(void **state)
{
	(void)state;
	srand(5);
	for (u32 i = 0; i < 300000; i++) {
		input((u8)(rand() % 2 ? rand() : rand() % 96));
		assert_true(editor.cursor <= editor.length && editor.length <= EDITOR_LINE_MAX);
		assert_int_equal(strlen(editor.line), editor.length);
	}
}

#define RULE(function) cmocka_unit_test_setup(function, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(a_typed_line_is_echoed_and_entered),
		RULE(every_kind_of_line_end_enters_once),
		RULE(characters_go_in_where_the_cursor_is),
		RULE(the_cursor_moves_by_keys_and_stops_at_the_ends),
		RULE(home_end_and_delete_of_all_terminals_work),
		RULE(unknown_sequences_leave_nothing_behind),
		RULE(deleting_keys_delete),
		RULE(whole_parts_of_the_line_are_cut),
		RULE(ctrl_c_drops_the_line),
		RULE(ctrl_l_clears_the_screen_and_keeps_the_line),
		RULE(history_goes_back_and_forth),
		RULE(history_skips_empty_and_repeated_lines),
		RULE(history_remembers_the_last_lines_only),
		RULE(an_edited_old_line_is_entered_without_changing_history),
		RULE(tab_completes_the_only_candidate_and_adds_a_blank),
		RULE(tab_goes_as_far_as_all_candidates_agree_then_lists_them),
		RULE(tab_in_the_middle_keeps_what_follows),
		RULE(tab_without_a_candidate_rings),
		RULE(tab_does_not_overfill_the_line),
		RULE(an_endless_list_of_candidates_is_cut),
		RULE(the_line_is_bounded),
		RULE(a_hidden_editor_is_silent_and_comes_back_as_it_was),
		RULE(a_line_can_be_entered_while_hidden),
		RULE(the_prompt_comes_back_when_the_owner_has_answered),
		RULE(bytes_outside_ascii_are_ignored),
		RULE(the_screen_always_shows_the_part_with_the_cursor),
		RULE(random_bytes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
