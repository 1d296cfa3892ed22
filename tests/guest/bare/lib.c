/* SPDX-License-Identifier: Apache-2.0 */
/* The bare guest's text, memory and command line, its exceptions, and main(). */
#include "tests/guest/bare/bare.h"

#include <stdarg.h>

char guest_name[16] = "bare";
static char command_line[1024];

extern const u8 exception_stubs[];
void exception(u64 vector, u64 error, u64 rip, u64 cr2);
void main(const u8 *boot_params);

void *memset(void *to, int byte, size_t size)
{
	u8 *p = to;

	while (size--)
		*p++ = (u8)byte;
	return to;
}

void *memcpy(void *to, const void *from, size_t size)
{
	u8 *p = to;
	const u8 *q = from;

	while (size--)
		*p++ = *q++;
	return to;
}

bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static void put(char c)
{
	for (u32 i = 0; i < 1000000 && !(inb(COM1 + 5) & 0x20); i++)
		;
	outb(COM1, (u8)c);
}

static void put_number(u64 value, u32 base, u32 width, char pad)
{
	char digits[24];
	u32 count = 0;

	do {
		digits[count++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	for (u32 i = count; i < width; i++)
		put(pad);
	while (count)
		put(digits[--count]);
}

/* %s %u %x %lu %lx %c, with a width and leading zeros. */
static void vprint(const char *f, va_list args)
{
	for (; *f; f++) {
		char pad = ' ';
		u32 width = 0;
		bool wide = false;

		if (*f != '%') {
			if (*f == '\n')
				put('\r');
			put(*f);
			continue;
		}
		if (*++f == '0')
			pad = '0';
		for (; *f >= '0' && *f <= '9'; f++)
			width = width * 10 + (u32)(*f - '0');
		for (; *f == 'l'; f++)
			wide = true;
		if (*f == 's') {
			for (const char *s = va_arg(args, const char *); *s; s++)
				put(*s);
		} else if (*f == 'c') {
			put((char)va_arg(args, int));
		} else {
			u64 value = wide ? va_arg(args, u64) : va_arg(args, u32);

			put_number(value, *f == 'x' ? 16 : 10, width, pad);
		}
	}
}

void print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprint(format, args);
	va_end(args);
}

void say(const char *format, ...)
{
	va_list args;

	print("guest %s: ", guest_name);
	va_start(args, format);
	vprint(format, args);
	va_end(args);
	print("\n");
}

const char *option(const char *key, const char *otherwise)
{
	static char value[64];
	const char prefix[] = "facet.";

	for (const char *p = command_line; *p; p++) {
		const char *q = p, *k = prefix;
		u32 i = 0;

		if (p != command_line && p[-1] != ' ')
			continue;
		while (*k && *q == *k) {
			q++;
			k++;
		}
		if (*k)
			continue;
		for (k = key; *k && *q == *k; k++)
			q++;
		if (*k || *q != '=')
			continue;
		for (q++; *q && *q != ' ' && i < sizeof(value) - 1; q++)
			value[i++] = *q;
		value[i] = 0;
		return value;
	}
	return otherwise;
}

u64 option_number(const char *key, u64 otherwise)
{
	const char *text = option(key, "");
	u64 value = 0;

	if (!*text)
		return otherwise;
	for (; *text >= '0' && *text <= '9'; text++)
		value = value * 10 + (u64)(*text - '0');
	return value;
}

void read_line(char *line, size_t size)
{
	size_t length = 0;

	for (;;) {
		char c;

		while (!(inb(COM1 + 5) & 1))
			__asm__ volatile("pause");
		c = (char)inb(COM1);
		if (c == '\r' || c == '\n')
			break;
		if (length + 1 < size)
			line[length++] = c;
	}
	line[length] = 0;
}

static u32 seed = 12345;

void random_seed(u32 value)
{
	seed = value;
}

u32 random(void)
{
	seed = seed * 1664525u + 1013904223u;
	return seed ^ seed >> 15;
}

void halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

void exception(u64 vector, u64 error, u64 rip, u64 cr2)
{
	say("exception %lu error %lx rip %lx cr2 %lx", vector, error, rip, cr2);
	halt();
}

static struct {
	u16 offset_low, selector, flags, offset_middle;
	u32 offset_high, zero;
} idt[INTERRUPT_LAST + 1];

void exceptions_load(void)
{
	struct __attribute__((packed)) {
		u16 limit;
		u64 base;
	} pointer = { sizeof(idt) - 1, (u64)idt };

	__asm__ volatile("lidt %0" : : "m"(pointer));
}

static void set_gate(u32 vector, u64 entry)
{
	idt[vector].offset_low = (u16)entry;
	idt[vector].selector = 0x10;
	idt[vector].flags = 0x8e00;
	idt[vector].offset_middle = (u16)(entry >> 16);
	idt[vector].offset_high = (u32)(entry >> 32);
}

void interrupt_gate(u32 vector, void (*entry)(struct interrupt_frame *))
{
	set_gate(vector, (u64)entry);
}

static void exceptions_init(void)
{
	for (u32 i = 0; i < 32; i++)
		set_gate(i, (u64)exception_stubs + 16 * (u64)i);
	exceptions_load();
}

void lib_init(const u8 *boot_params)
{
	const char *line = (const char *)(u64) * (const u32 *)(boot_params + 0x228);
	const char *name;

	for (u32 i = 0; line && line[i] && i < sizeof(command_line) - 1; i++)
		command_line[i] = line[i];
	name = option("name", "bare");
	for (u32 i = 0; i < sizeof(guest_name) - 1; i++) {
		guest_name[i] = name[i];
		if (!name[i])
			break;
	}
}

void main(const u8 *boot_params)
{
	const char *asked;
	char test[64] = "";

	exceptions_init();
	lib_init(boot_params);
	paging_init();
	asked = option("test", "hello");
	for (u32 i = 0; asked[i]; i++)
		test[i] = asked[i];
	say("bare guest, test %s", test);
	if (same(test, "bench"))
		bench_run();
	else if (same(test, "load"))
		load_run();
	else if (same(test, "memory"))
		memory_run();
	else if (same(test, "storm"))
		storm_run();
	else if (same(test, "nvme"))
		nvme_run();
	else if (!same(test, "hello") && !bars_run(test) && !hostile_run(test) && !dma_run(test))
		say("no test %s", test);
	say("done");
	halt();
}
