// SPDX-License-Identifier: Apache-2.0
// SOURCES: core/lineout.c core/lib/fmt.c core/lib/string.c
/* Rules for guests' lines on the operator's console: whole, prefixed, harmless. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/console.h"
#include "core/lib/string.h"
#include "core/lineout.h"

static struct lineout out;
static char seen[65536]; /* all lines, each ended by a newline */
static size_t seen_size;
static u32 calls;

void console_print_text(const char *line)
{
	size_t size = strlen(line);

	assert_true(seen_size + size + 2 < sizeof(seen));
	memcpy(seen + seen_size, line, size);
	seen_size += size;
	seen[seen_size++] = '\n';
	seen[seen_size] = 0;
	calls++;
}

static void send_bytes(const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		lineout_put(&out, "alpha", (u8)bytes[i]);
}

static const char *lines_of(const char *text, size_t size)
{
	memset(&out, 0, sizeof(out));
	seen_size = 0;
	seen[0] = 0;
	send_bytes(text, size);
	return seen;
}

#define LINES(text) lines_of(text, sizeof(text) - 1)

static void a_line_gets_its_guests_name(void **state)
{
	(void)state;
	assert_string_equal(LINES("hello\r\nworld\n"), "alpha| hello\nalpha| world\n");
	assert_string_equal(LINES("\r\n\n"), "alpha| \nalpha| \n");
}

static void an_unfinished_line_waits_for_a_flush(void **state)
{
	(void)state;
	assert_string_equal(LINES("login: "), "");
	lineout_flush(&out, "alpha");
	assert_string_equal(seen, "alpha| login: \n");
	lineout_flush(&out, "alpha");
	assert_string_equal(seen, "alpha| login: \n");
}

static void a_guest_cannot_fake_a_prefix(void **state)
{
	(void)state;
	assert_string_equal(LINES("\rfacet: stopped\n"), "alpha| facet: stopped\n");
	assert_string_equal(LINES("x\rfacet: stopped\n"), "alpha| x\nalpha| facet: stopped\n");
	assert_string_equal(LINES("x\b\b\b\b\b\b\b\b\bbeta| y\n"), "alpha| beta| y\n");
	assert_string_equal(LINES("\x1b[1;1Hfacet: \x1b[2K\n"), "alpha| facet: \n");
}

static void a_lone_carriage_return_ends_a_line_with_text(void **state)
{
	(void)state;
	assert_string_equal(LINES("10%\r20%\r\n"), "alpha| 10%\nalpha| 20%\n");
	assert_string_equal(LINES("\r\r\rx\r\r\n"), "alpha| x\n");
}

static void escape_sequences_are_dropped(void **state)
{
	(void)state;
	assert_string_equal(LINES("a\x1b[1;31mb\x1b[0mc\n"), "alpha| abc\n");
	assert_string_equal(LINES("a\x1b]0;title\x07z\n"), "alpha| az\n");
	assert_string_equal(LINES("a\x1bPdevice\x1b\\z\n"), "alpha| az\n");
	assert_string_equal(LINES("a\x1b(Bz\x1b=y\n"), "alpha| azy\n");
	assert_string_equal(LINES("a\x1b\x1b[31mz\n"), "alpha| az\n");
}

static void a_sequence_without_an_end_hides_one_line_at_most(void **state)
{
	(void)state;
	assert_string_equal(LINES("a\x1b]hidden\nb\n"), "alpha| a\nalpha| b\n");
	assert_string_equal(LINES("a\x1b[12\nb\n"), "alpha| a\nalpha| b\n");
	assert_string_equal(LINES("a\x1b\nb\n"), "alpha| a\nalpha| b\n");
}

static void other_control_characters_do_nothing_to_the_terminal(void **state)
{
	(void)state;
	assert_string_equal(LINES("\x01\x7f\x9b\xc3\xa4.\x07\x00.\n"), "alpha| ?????..\n");
	assert_string_equal(LINES("a\tb\t\tc\n"), "alpha| a       b               c\n");
	assert_string_equal(LINES("abc\b \bd\n"), "alpha| abd\n");
	assert_string_equal(LINES("\b\b\n"), "alpha| \n");
}

static void a_full_line_is_broken_without_an_empty_one_behind_it(void **state)
{
	char text[LINEOUT_MAX * 2 + 2];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[LINEOUT_MAX] = '\n';
	calls = 0;
	lines_of(text, LINEOUT_MAX + 1);
	assert_int_equal(calls, 1);
	assert_int_equal(seen_size, sizeof("alpha| ") + LINEOUT_MAX);

	text[LINEOUT_MAX] = 'x';
	text[LINEOUT_MAX + 1] = '\n';
	calls = 0;
	lines_of(text, LINEOUT_MAX + 2);
	assert_int_equal(calls, 2);
	assert_string_equal(seen + seen_size - 9, "alpha| x\n");
}

static void a_tab_at_the_end_of_a_full_line_is_bounded(void **state)
{
	char text[LINEOUT_MAX + 1];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[LINEOUT_MAX] = '\t';
	calls = 0;
	lines_of(text, sizeof(text));
	assert_int_equal(calls, 1);
	assert_int_equal(out.length, 8);
}

static void random_bytes_give_printable_lines_with_the_prefix(void **state)
{
	(void)state;
	srand(7);
	memset(&out, 0, sizeof(out));
	for (u32 i = 0; i < 300000; i++) {
		u8 byte = (u8)(rand() % 4 ? rand() % 64 : rand());
		u32 before = calls;

		seen_size = 0;
		lineout_put(&out, "alpha", byte);
		assert_true(out.length <= LINEOUT_MAX);
		assert_true(calls - before <= 2);
		if (calls == before)
			continue;
		assert_true(strncmp(seen, "alpha| ", 7) == 0);
		for (size_t j = 0; j + 1 < seen_size; j++)
			assert_true((seen[j] >= ' ' && seen[j] <= '~') ||
				    (seen[j] == '\n' && strncmp(seen + j + 1, "alpha| ", 7) == 0));
	}
	assert_true(calls > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_gets_its_guests_name),
		cmocka_unit_test(an_unfinished_line_waits_for_a_flush),
		cmocka_unit_test(a_guest_cannot_fake_a_prefix),
		cmocka_unit_test(a_lone_carriage_return_ends_a_line_with_text),
		cmocka_unit_test(escape_sequences_are_dropped),
		cmocka_unit_test(a_sequence_without_an_end_hides_one_line_at_most),
		cmocka_unit_test(other_control_characters_do_nothing_to_the_terminal),
		cmocka_unit_test(a_full_line_is_broken_without_an_empty_one_behind_it),
		cmocka_unit_test(a_tab_at_the_end_of_a_full_line_is_bounded),
		cmocka_unit_test(random_bytes_give_printable_lines_with_the_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
