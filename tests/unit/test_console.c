// SPDX-License-Identifier: Apache-2.0
// SOURCES: core/console.c core/editor.c core/lineout.c core/lib/fmt.c core/lib/string.c
/* Rules of the operator's console: whole lines, the prompt around them, commands, attaching. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/console.h"
#include "core/guestcon.h"
#include "core/irq.h"
#include "core/log.h"
#include "core/vm.h"

/* ---- a terminal, and the rooms around ---- */

static char screen[64 * 1024];
static size_t screen_size;
static const char *typed = "";

static void port_write(const char *text, size_t size)
{
	assert_true(screen_size + size < sizeof(screen));
	memcpy(screen + screen_size, text, size);
	screen_size += size;
	screen[screen_size] = 0;
}

static int port_read(void)
{
	return *typed ? (unsigned char)*typed++ : -1;
}

static const struct console_port port = { port_write, port_read };

static struct vm alpha = { .name = "alpha", .id = 1 };
static struct vm beta = { .name = "beta", .id = 2 };
static u32 softirqs;
enum log_level log_up_to = LOG_INFO;
static char guest_typed[64];
static u32 drained;

u32 vm_slots = VM_MAX;

struct vm *vm_get(u32 index)
{
	return index == 0 ? &alpha : index == 1 ? &beta : NULL;
}

void softirq_raise(u32 cpu, u32 bit)
{
	assert_int_equal(cpu, 0);
	softirqs |= bit;
}

static size_t guest_input(struct vm *vm, const u8 *data, size_t size)
{
	assert_ptr_equal(vm, &alpha);
	strncat(guest_typed, (const char *)data, size);
	return size;
}

static void guest_drained(struct vm *vm)
{
	(void)vm;
	drained++;
}

static const struct vm_ops ops = { .console_input = guest_input, .console_drained = guest_drained };

static char said[64];

static void run_say(char *args)
{
	strcpy(said, args);
	console_print("said %s", args);
}

static void run_attach(char *args)
{
	(void)args;
	console_attach(&alpha);
}

static char program_got[64];
static u32 program_steps;
static enum console_step program_says;

static enum console_step program_step(int byte)
{
	size_t n = strlen(program_got);

	if (byte < 0)
		program_steps++;
	else
		program_got[n] = (char)byte;
	if (byte == 'w')
		console_write("written");
	return byte == 'q' ? CONSOLE_OVER : program_says;
}

static void run_program(char *args)
{
	(void)args;
	memset(program_got, 0, sizeof(program_got));
	program_steps = 0;
	program_says = CONSOLE_WAITS;
	console_run(program_step);
}

static const char *say_candidate(u32 index)
{
	return index ? NULL : "something";
}

static const struct console_command say = { "say", "WHAT", "says it", run_say, say_candidate };
static const struct console_command go = { "go", "", "goes on", run_program, NULL };
static const struct console_command attach = { "attach", "", "to alpha", run_attach, NULL };

static int start_once(void **state)
{
	(void)state;
	console_start(&port);
	alpha.ops = beta.ops = &ops;
	console_register(&say);
	console_register(&attach);
	console_register(&go);
	return 0;
}

static int start(void **state)
{
	(void)state;
	while (console_poll())
		;
	console_forget(&alpha);
	console_forget(&beta);
	console_attach(NULL);
	screen_size = 0;
	screen[0] = 0;
	said[0] = guest_typed[0] = 0;
	softirqs = drained = 0;
	return 0;
}

static void type(const char *text)
{
	typed = text;
	while (console_poll() || *typed)
		;
}

static void sends(struct vm *vm, const char *text)
{
	for (; *text; text++)
		guest_console_output(vm, (u8)*text);
}

static void shows(const char *text)
{
	if (!strstr(screen, text))
		fail_msg("\"%s\" is not in \"%s\"", text, screen);
}

static void shows_not(const char *text)
{
	if (strstr(screen, text))
		fail_msg("\"%s\" is in \"%s\"", text, screen);
}

/* What stands on the last line of the terminal, with its erasures carried out. */
static const char *last_line(void)
{
	static char line[512];
	size_t used = 0;

	for (size_t i = 0; i < screen_size; i++) {
		if (screen[i] == '\n') {
			used = 0;
		} else if (screen[i] == '\r') {
			used = 0;
		} else if (screen[i] == 0x1b) {
			while (i + 1 < screen_size && (screen[i] < '@' || screen[i] == '['))
				i++;
		} else if (used < sizeof(line) - 1) {
			line[used++] = screen[i];
		}
	}
	line[used] = 0;
	return line;
}

/* ---- lines ---- */

static void a_guests_line_carries_its_name(void **state)
{
	(void)state;
	sends(&alpha, "hello\nwor");
	assert_int_equal(softirqs, SOFTIRQ_CONSOLE);
	console_poll();
	shows("alpha| hello\r\n");
	shows_not("wor");
	sends(&beta, "other\n");
	sends(&alpha, "ld\n");
	console_poll();
	shows("beta| other\r\n");
	shows("alpha| world\r\n");
}

static void a_guest_cannot_fake_or_steer(void **state)
{
	(void)state;
	sends(&alpha, "\rfacet: all is lost\n\x1b[2J\x1b]0;title\x07"
		      "x\n");
	console_poll();
	shows("alpha| facet: all is lost\r\n");
	shows("alpha| x\r\n");
	shows_not("\nfacet: all");
	shows_not("\x1b[2J");
	shows_not("title");
}

static void what_was_typed_survives_a_line(void **state)
{
	(void)state;
	type("say hal");
	console_print_text("facet: something");
	shows("facet: something\r\n");
	assert_string_equal(last_line(), "facet> say hal");
	type("lo\r");
	assert_string_equal(said, "hallo");
}

static void a_guest_that_goes_leaves_its_last_words(void **state)
{
	(void)state;
	sends(&alpha, "no newline");
	console_forget(&alpha);
	shows("alpha| no newline\r\n");
}

static void a_guest_that_floods_is_held_back_alone(void **state)
{
	u32 sent = 0;

	(void)state;
	while (guest_console_ready(&alpha)) {
		guest_console_output(&alpha, 'a');
		sent++;
		assert_in_range(sent, 1, 100000);
	}
	assert_true(guest_console_ready(&beta));
	assert_int_equal(drained, 0);
	while (console_poll())
		;
	assert_int_equal(drained, 1); /* it is told once that there is room again */
	assert_true(guest_console_ready(&alpha));
}

static void one_poll_is_bounded(void **state)
{
	(void)state;
	while (guest_console_ready(&alpha))
		guest_console_output(&alpha, 'a');
	sends(&beta, "quick\n");
	assert_true(console_poll()); /* more is waiting, but beta has had its turn */
	shows("beta| quick\r\n");
}

/* ---- commands ---- */

static void a_command_gets_the_rest_of_the_line(void **state)
{
	(void)state;
	type("  say   two words  \r");
	assert_string_equal(said, "two words");
	shows("said two words\r\n");
	assert_string_equal(last_line(), "facet> ");
}

static void an_empty_line_does_nothing(void **state)
{
	(void)state;
	type("\r   \r");
	shows_not("unknown");
	assert_string_equal(last_line(), "facet> ");
}

static void an_unknown_command_is_named(void **state)
{
	(void)state;
	type("sa y\r");
	shows("unknown command \"sa\"");
	assert_string_equal(said, "");
}

static void help_lists_every_command(void **state)
{
	(void)state;
	type("help\r");
	shows("say WHAT");
	shows("says it");
	shows("log LEVEL");
	shows("help");
}

static void no_prompt_stands_between_the_lines_of_an_answer(void **state)
{
	const char *prompt;

	(void)state;
	type("help\r");
	prompt = strstr(strstr(screen, "this list"), "facet> ");
	assert_non_null(prompt);
	assert_null(strstr(prompt + 1, "facet> "));
	assert_string_equal(last_line(), "facet> ");
}

static void log_changes_the_level(void **state)
{
	(void)state;
	type("log debug\r");
	assert_int_equal(log_up_to, LOG_DEBUG);
	type("log loud\r");
	assert_int_equal(log_up_to, LOG_DEBUG);
	shows("log is at debug");
	type("log info\r");
	assert_int_equal(log_up_to, LOG_INFO);
}

static void tab_completes_commands_and_arguments(void **state)
{
	(void)state;
	type("sa\tsome\t\r");
	assert_string_equal(said, "something");
}

/* ---- attaching ---- */

static void an_attached_guest_has_the_terminal(void **state)
{
	(void)state;
	type("attach\r");
	shows("attached to alpha");
	screen_size = 0;
	sends(&alpha, "raw \x1b[1mbold");
	console_poll();
	assert_string_equal(screen, "raw \x1b[1mbold");
	type("ls\r");
	assert_string_equal(guest_typed, "ls\r");
	type("\x1d");
	assert_string_equal(guest_typed, "ls\r");
	assert_string_equal(last_line(), "facet> ");
	type("say back\r");
	assert_string_equal(said, "back");
}

static void others_are_still_heard_while_attached(void **state)
{
	(void)state;
	type("attach\r");
	screen_size = 0;
	sends(&beta, "news\n");
	console_poll();
	console_print_text("facet: news too");
	assert_string_equal(screen, "beta| news\r\nfacet: news too\r\n");
}

static void a_command_that_goes_on_has_the_keys_and_no_prompt(void **state)
{
	(void)state;
	type("go\r");
	screen_size = 0;
	screen[0] = 0;
	type("abw");
	assert_string_equal(program_got, "abw");
	assert_string_equal(screen, "written");
	console_print_text("facet: news");
	sends(&beta, "too\n");
	console_poll();
	assert_string_equal(screen, "writtenfacet: news\r\nbeta| too\r\n");
	type("q");
	assert_string_equal(last_line(), "facet> ");
	type("say back\r");
	assert_string_equal(said, "back");
}

static void it_is_called_again_and_again_and_says_when_it_has_more(void **state)
{
	u32 before;

	(void)state;
	type("go\r");
	before = program_steps;
	assert_false(console_poll());
	assert_int_equal(program_steps, before + 1);
	program_says = CONSOLE_MORE;
	assert_true(console_poll());
	program_says = CONSOLE_OVER;
	assert_false(console_poll());
	assert_int_equal(program_steps, before + 3);
	console_poll();
	assert_int_equal(program_steps, before + 3);
	assert_string_equal(last_line(), "facet> ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_guests_line_carries_its_name, start),
		cmocka_unit_test_setup(a_guest_cannot_fake_or_steer, start),
		cmocka_unit_test_setup(what_was_typed_survives_a_line, start),
		cmocka_unit_test_setup(a_guest_that_goes_leaves_its_last_words, start),
		cmocka_unit_test_setup(a_guest_that_floods_is_held_back_alone, start),
		cmocka_unit_test_setup(one_poll_is_bounded, start),
		cmocka_unit_test_setup(a_command_gets_the_rest_of_the_line, start),
		cmocka_unit_test_setup(an_empty_line_does_nothing, start),
		cmocka_unit_test_setup(an_unknown_command_is_named, start),
		cmocka_unit_test_setup(help_lists_every_command, start),
		cmocka_unit_test_setup(no_prompt_stands_between_the_lines_of_an_answer, start),
		cmocka_unit_test_setup(log_changes_the_level, start),
		cmocka_unit_test_setup(tab_completes_commands_and_arguments, start),
		cmocka_unit_test_setup(an_attached_guest_has_the_terminal, start),
		cmocka_unit_test_setup(others_are_still_heard_while_attached, start),
		cmocka_unit_test_setup(a_command_that_goes_on_has_the_keys_and_no_prompt, start),
		cmocka_unit_test_setup(it_is_called_again_and_again_and_says_when_it_has_more,
				       start),
	};

	return cmocka_run_group_tests_name("console", tests, start_once, NULL);
}
