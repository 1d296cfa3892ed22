// SPDX-License-Identifier: Apache-2.0
/* A writer of ACPI machine language. */
#include "guest/aml.h"

#include "core/lib/parse.h"
#include "core/lib/string.h"

#define OP_NAME	      0x08
#define OP_BYTE	      0x0a
#define OP_WORD	      0x0b
#define OP_DWORD      0x0c
#define OP_QWORD      0x0e
#define OP_SCOPE      0x10
#define OP_BUFFER     0x11
#define OP_PACKAGE    0x12
#define OP_METHOD     0x14
#define OP_EXT	      0x5b
#define OP_IF	      0xa0
#define OP_ELSE	      0xa1
#define OP_EXT_DEVICE 0x82

#define LENGTH_BYTES 3 /* every length is written with three bytes: up to 1 MiB */

#define SPACE_MEMORY	 0
#define SPACE_IO	 1
#define SPACE_BUS	 2
#define RANGE_FIXED	 0x0c /* both ends are fixed */
#define IO_ENTIRE	 0x03
#define MEMORY_RW	 0x01
#define MEMORY_PREFETCH	 0x07
#define DESCRIPTOR_DWORD 0x87
#define DESCRIPTOR_WORD	 0x88
#define DESCRIPTOR_QWORD 0x8a
#define DESCRIPTOR_IO	 0x47
#define DESCRIPTOR_IRQ	 0x22
#define DESCRIPTOR_MEM32 0x86
#define DESCRIPTOR_END	 0x79

void aml_byte(struct aml *aml, u8 byte)
{
	aml_bytes(aml, &byte, 1);
}

void aml_bytes(struct aml *aml, const void *data, u32 size)
{
	if (size > aml->size - aml->length) {
		aml->overflow = true;
		return;
	}
	memcpy(aml->bytes + aml->length, data, size);
	aml->length += size;
}

void aml_name(struct aml *aml, const char *name)
{
	aml_bytes(aml, name, (u32)strlen(name));
}

void aml_integer(struct aml *aml, u64 value)
{
	static const struct {
		u8 op, bytes;
	} forms[] = { { OP_BYTE, 1 }, { OP_WORD, 2 }, { OP_DWORD, 4 }, { OP_QWORD, 8 } };
	u32 i = 0;

	if (value <= 1) {
		aml_byte(aml, (u8)value); /* ZeroOp, OneOp */
		return;
	}
	while (forms[i].bytes < 8 && value >> (8 * forms[i].bytes))
		i++;
	aml_byte(aml, forms[i].op);
	aml_bytes(aml, &value, forms[i].bytes);
}

void aml_name_integer(struct aml *aml, const char *name, u64 value)
{
	aml_byte(aml, OP_NAME);
	aml_name(aml, name);
	aml_integer(aml, value);
}

/* Three letters of five bits, then four hexadecimal digits, big endian (ACPI 6.4, 19.6.36). */
void aml_name_eisaid(struct aml *aml, const char *name, const char *id)
{
	u32 letters = (u32)(id[0] & 31) << 10 | (u32)(id[1] & 31) << 5 | (u32)(id[2] & 31);
	const u8 bytes[] = {
		OP_DWORD,
		(u8)(letters >> 8),
		(u8)letters,
		(u8)(digit_of(id[3]) << 4 | digit_of(id[4])),
		(u8)(digit_of(id[5]) << 4 | digit_of(id[6])),
	};

	aml_byte(aml, OP_NAME);
	aml_name(aml, name);
	aml_bytes(aml, bytes, sizeof(bytes));
}

/* An operator, and room for the length, which counts itself and all that follows. */
static aml_mark begin(struct aml *aml, u8 op, const char *name)
{
	static const u8 room[LENGTH_BYTES];
	aml_mark mark;

	aml_byte(aml, op);
	mark = aml->length;
	aml_bytes(aml, room, sizeof(room));
	aml_name(aml, name);
	return mark;
}

void aml_end(struct aml *aml, aml_mark mark)
{
	u32 length = aml->length - mark;

	if (aml->overflow)
		return;
	aml->bytes[mark] = (u8)(0x80 | (length & 15));
	aml->bytes[mark + 1] = (u8)(length >> 4);
	aml->bytes[mark + 2] = (u8)(length >> 12);
}

aml_mark aml_scope(struct aml *aml, const char *name)
{
	return begin(aml, OP_SCOPE, name);
}

aml_mark aml_device(struct aml *aml, const char *name)
{
	aml_byte(aml, OP_EXT);
	return begin(aml, OP_EXT_DEVICE, name);
}

aml_mark aml_method(struct aml *aml, const char *name, u8 arguments, bool serialized)
{
	aml_mark mark = begin(aml, OP_METHOD, name);

	aml_byte(aml, (u8)(arguments | (serialized ? 8 : 0)));
	return mark;
}

aml_mark aml_package(struct aml *aml, u8 elements)
{
	aml_mark mark = begin(aml, OP_PACKAGE, "");

	aml_byte(aml, elements);
	return mark;
}

aml_mark aml_if(struct aml *aml)
{
	return begin(aml, OP_IF, "");
}

aml_mark aml_else(struct aml *aml)
{
	return begin(aml, OP_ELSE, "");
}

void aml_buffer(struct aml *aml, const void *data, u8 size)
{
	aml_mark mark = begin(aml, OP_BUFFER, "");

	aml_integer(aml, size);
	aml_bytes(aml, data, size);
	aml_end(aml, mark);
}

/* Buffer(size) { ... }: the size is a word integer, filled in at the end. */
aml_mark aml_resources(struct aml *aml)
{
	static const u8 size[] = { OP_WORD, 0, 0 };
	aml_mark mark;

	aml_byte(aml, OP_NAME);
	aml_name(aml, "_CRS");
	mark = begin(aml, OP_BUFFER, "");
	aml_bytes(aml, size, sizeof(size));
	return mark;
}

void aml_resources_end(struct aml *aml, aml_mark mark)
{
	static const u8 end[] = { DESCRIPTOR_END, 0 }; /* checksum 0: not used */
	u32 content;

	aml_bytes(aml, end, sizeof(end));
	content = aml->length - mark - LENGTH_BYTES - 3;
	if (!aml->overflow) {
		aml->bytes[mark + LENGTH_BYTES + 1] = (u8)content;
		aml->bytes[mark + LENGTH_BYTES + 2] = (u8)(content >> 8);
	}
	aml_end(aml, mark);
}

/* An address-space descriptor whose numbers have `width` bytes (ACPI 6.4, 6.4.3.5). */
static void window(struct aml *aml, u8 descriptor, u8 width, u8 space, u8 flags, u64 first,
		   u64 last)
{
	const u64 numbers[] = { 0, first, last, 0, last - first + 1 };
	u16 length = (u16)(3 + 5 * width);

	aml_byte(aml, descriptor);
	aml_bytes(aml, &length, 2);
	aml_byte(aml, space);
	aml_byte(aml, RANGE_FIXED);
	aml_byte(aml, flags);
	for (u32 i = 0; i < ARRAY_SIZE(numbers); i++)
		aml_bytes(aml, &numbers[i], width);
}

void aml_bus_range(struct aml *aml, u16 first, u16 last)
{
	window(aml, DESCRIPTOR_WORD, 2, SPACE_BUS, 0, first, last);
}

void aml_port_window(struct aml *aml, u16 first, u16 last)
{
	window(aml, DESCRIPTOR_WORD, 2, SPACE_IO, IO_ENTIRE, first, last);
}

void aml_memory_window(struct aml *aml, u64 base, u64 size, bool prefetchable)
{
	bool wide = base + size > 0x100000000ULL;

	window(aml, wide ? DESCRIPTOR_QWORD : DESCRIPTOR_DWORD, wide ? 8 : 4, SPACE_MEMORY,
	       prefetchable ? MEMORY_PREFETCH : MEMORY_RW, base, base + size - 1);
}

void aml_ports(struct aml *aml, u16 base, u8 count)
{
	const u8 bytes[] = { DESCRIPTOR_IO,   1, (u8)base, (u8)(base >> 8), (u8)base,
			     (u8)(base >> 8), 1, count };

	aml_bytes(aml, bytes, sizeof(bytes));
}

void aml_irq(struct aml *aml, u8 irq)
{
	const u8 bytes[] = { DESCRIPTOR_IRQ, (u8)(1u << irq), (u8)(1u << irq >> 8) };

	aml_bytes(aml, bytes, sizeof(bytes));
}

void aml_fixed_memory(struct aml *aml, u32 base, u32 size)
{
	const u8 head[] = { DESCRIPTOR_MEM32, 9, 0, 0 }; /* read-only */

	aml_bytes(aml, head, sizeof(head));
	aml_bytes(aml, &base, 4);
	aml_bytes(aml, &size, 4);
}
