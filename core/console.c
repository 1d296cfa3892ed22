// SPDX-License-Identifier: Apache-2.0
/* The operator's console: one serial port for log, commands and guests' lines. */
#include "core/console.h"

#include "arch/x86/spinlock.h"
#include "core/editor.h"
#include "core/guestcon.h"
#include "core/irq.h"
#include "core/lib/fmt.h"
#include "core/lib/string.h"
#include "core/lineout.h"
#include "core/log.h"
#include "core/vm.h"

#define OUTPUT_SIZE	 1024 /* bytes of a guest that wait; a power of two */
#define OUTPUT_STEP	 128  /* bytes of one guest before the next has its turn */
#define INPUT_STEP	 64
#define DETACH_KEY	 0x1d /* Ctrl-] */
#define PRINT_MAX	 256
#define HOUSEKEEPING_CPU 0

/* Bytes of one guest on their way to the operator. */
struct guest_output {
	struct spinlock lock; /* producer: the guest's CPU; consumer: housekeeping */
	u32 head, count;
	bool refused; /* the guest was told that there is no room */
	u8 bytes[OUTPUT_SIZE];
	struct lineout lines;
};

/* `lock` guards the port and the editor. Lines of all CPUs pass under it. */
static struct spinlock lock;
static const struct console_port *port;
static struct editor editor;
static struct guest_output outputs[VM_MAX];
static const struct console_command *commands[CONSOLE_COMMANDS_MAX];
static u32 command_count;
static struct vm *attached;
static enum console_step (*program)(int byte); /* of a command that goes on; or NULL */

/* ---- output; `lock` is held ---- */

void console_print_text(const char *line)
{
	bool prompting;

	spin_guard(&lock);
	prompting = editor.shown;
	editor_hide(&editor);
	port->write(line, strlen(line));
	port->write("\r\n", 2);
	if (prompting)
		editor_show(&editor);
}

void console_write(const char *text)
{
	spin_guard(&lock);
	port->write(text, strlen(text));
}

void console_write_unlocked(const char *text)
{
	port->write(text, strlen(text));
}

void console_print(const char *fmt, ...)
{
	char line[PRINT_MAX];
	va_list args;

	va_start(args, fmt);
	fmt_vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	console_print_text(line);
}

/* ---- guests' output ---- */

bool guest_console_ready(struct vm *vm)
{
	struct guest_output *out = &outputs[vm->id - 1];

	spin_guard(&out->lock);
	out->refused = out->count == OUTPUT_SIZE;
	return !out->refused;
}

void guest_console_output(struct vm *vm, u8 byte)
{
	struct guest_output *out = &outputs[vm->id - 1];
	bool first;

	spin_lock(&out->lock);
	first = !out->count;
	if (out->count < OUTPUT_SIZE)
		out->bytes[(out->head + out->count++) % OUTPUT_SIZE] = byte;
	spin_unlock(&out->lock);
	if (first)
		softirq_raise(HOUSEKEEPING_CPU, SOFTIRQ_CONSOLE);
}

static void show_guest_bytes(struct vm *vm, struct guest_output *out, const u8 *bytes, u32 n)
{
	if (vm != attached) {
		for (u32 i = 0; i < n; i++)
			lineout_put(&out->lines, vm->name, bytes[i]);
		return;
	}
	spin_guard(&lock);
	port->write((const char *)bytes, n);
}

/* One step; true: this guest has more. What waits stays in place meanwhile. */
static bool drain(struct vm *vm)
{
	struct guest_output *out = &outputs[vm->id - 1];
	bool tell, more;
	u32 n;

	spin_lock(&out->lock);
	n = MIN(out->count, OUTPUT_SIZE - out->head);
	spin_unlock(&out->lock);
	n = MIN(n, OUTPUT_STEP);
	show_guest_bytes(vm, out, out->bytes + out->head, n);
	spin_lock(&out->lock);
	out->head = (out->head + n) % OUTPUT_SIZE;
	out->count -= n;
	more = out->count;
	tell = out->refused;
	out->refused = false;
	spin_unlock(&out->lock);
	if (tell)
		vm->ops->console_drained(vm);
	return more;
}

void console_forget(struct vm *vm)
{
	struct guest_output *out = &outputs[vm->id - 1];

	while (drain(vm))
		;
	lineout_flush(&out->lines, vm->name);
}

void console_attach(struct vm *vm)
{
	if (vm)
		console_print("attached to %s: Ctrl-] detaches", vm->name);
	spin_guard(&lock);
	editor_hide(&editor);
	if (!vm && attached)
		port->write("\r\n", 2);
	attached = vm;
	if (!vm)
		editor_show(&editor);
}

/* ---- commands ---- */

void console_register(const struct console_command *command)
{
	if (command_count < CONSOLE_COMMANDS_MAX)
		commands[command_count++] = command;
}

static char *trim(char *text)
{
	size_t n;

	while (*text == ' ' || *text == '\t')
		text++;
	for (n = strlen(text); n && (text[n - 1] == ' ' || text[n - 1] == '\t'); n--)
		text[n - 1] = 0;
	return text;
}

/* The command that the line's first word, of *length characters, names; NULL: none. */
static const struct console_command *find_command(const char *line, size_t *length)
{
	for (*length = 0; line[*length] && line[*length] != ' ';)
		++*length;
	for (u32 i = 0; i < command_count; i++)
		if (strlen(commands[i]->name) == *length &&
		    !strncmp(commands[i]->name, line, *length))
			return commands[i];
	return NULL;
}

static void run_line(char *line)
{
	const struct console_command *command;
	size_t length;

	line = trim(line);
	command = find_command(line, &length);
	if (command)
		command->run(trim(line + length));
	else if (length)
		console_print("unknown command \"%.*s\": `help` lists them", (int)length, line);
}

static void run_help(char *args)
{
	(void)args;
	for (u32 i = 0; i < command_count; i++) {
		char left[40];

		fmt_snprintf(left, sizeof(left), "%s %s", commands[i]->name, commands[i]->usage);
		console_print("  %-26s %s", left, commands[i]->help);
	}
}

static const struct console_command help_command = { "help", "", "this list", run_help, NULL };

static const char *const level_names[] = { "error", "warn", "info", "debug" };

static const char *level_candidate(u32 index)
{
	return index < ARRAY_SIZE(level_names) ? level_names[index] : NULL;
}

static void run_log(char *args)
{
	for (u32 i = 0; i < ARRAY_SIZE(level_names); i++)
		if (str_equal(args, level_names[i])) {
			log_up_to = (enum log_level)i;
			return;
		}
	console_print("log is at %s; levels are error, warn, info, debug", level_names[log_up_to]);
}

static const struct console_command log_command = { "log", "LEVEL", "how much Facet says", run_log,
						    level_candidate };

/* ---- input ---- */

/* For the first word names of commands, for others what the command says. */
static const char *candidate(const char *line, u32 start, u32 index)
{
	size_t length;
	const struct console_command *command = find_command(line, &length);

	if (!start || !length)
		return index < command_count ? commands[index]->name : NULL;
	return command && command->candidate ? command->candidate(index) : NULL;
}

/* Unless the command has attached a guest or goes on. */
static void show_prompt(void)
{
	spin_guard(&lock);
	if (!attached && !program)
		editor_show(&editor);
}

void console_run(enum console_step (*step)(int byte))
{
	program = step;
}

/* A step of the program, if there is one; true: it has more to do. */
static bool run_program(int byte)
{
	enum console_step step = program ? program(byte) : CONSOLE_WAITS;

	if (step == CONSOLE_OVER) {
		program = NULL;
		show_prompt();
	}
	return step == CONSOLE_MORE;
}

static void input_byte(u8 byte)
{
	char *line;

	if (attached) {
		if (byte == DETACH_KEY)
			console_attach(NULL);
		else
			(void)attached->ops->console_input(attached, &byte, 1);
		return;
	}
	if (program) {
		(void)run_program(byte);
		return;
	}
	spin_lock(&lock);
	line = editor_input(&editor, byte);
	spin_unlock(&lock);
	if (line) {
		run_line(line);
		show_prompt();
	}
}

bool console_poll(void)
{
	bool more;

	for (u32 i = 0; i < INPUT_STEP; i++) {
		int byte = port->read();

		if (byte < 0)
			break;
		input_byte((u8)byte);
	}
	more = run_program(-1);
	for (u32 i = 0; i < vm_slots; i++)
		if (vm_get(i))
			more |= drain(vm_get(i));
	return more;
}

void console_start(const struct console_port *console_port)
{
	port = console_port;
	editor_init(&editor, port->write, candidate);
	console_register(&help_command);
	console_register(&log_command);
}
