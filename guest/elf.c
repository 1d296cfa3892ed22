// SPDX-License-Identifier: Apache-2.0
/* Finds the segments of an ELF64 kernel. Nothing in the file is believed. */
#include "guest/elf.h"

#include "core/lib/string.h"

#define TYPE_EXECUTABLE 2
#define MACHINE_X86_64	62
#define SEGMENT_LOAD	1

struct elf_header {
	u8 ident[16];
	u16 type, machine;
	u32 version;
	u64 entry, segments, sections;
	u32 flags;
	u16 header_size, segment_size, segment_count;
	u16 section_size, section_count, section_names;
};

struct elf_segment {
	u32 type, flags;
	u64 offset, vaddr, paddr, file_size, size, align;
};

_Static_assert(sizeof(struct elf_header) == 64, "ELF64 file header");
_Static_assert(sizeof(struct elf_segment) == 56, "ELF64 program header");

static const u8 elf64_ident[] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 }; /* 64 bits, little-endian */

bool elf_is(const struct boot_file *file)
{
	return file->size >= sizeof(struct elf_header) && memcmp(file->data, elf64_ident, 4) == 0;
}

static enum err take_segment(const struct vm *vm, const struct elf_segment *s,
			     struct linux_plan *plan)
{
	const struct boot_file *file = plan->kernel_file;
	enum err e;

	if (s->offset > file->size || s->file_size > file->size - s->offset)
		return linux_refuse(vm, file, "cut short: a segment lies outside of the file");
	if (s->file_size > s->size)
		return linux_refuse(vm, file, "has a segment that is smaller than its contents");
	e = linux_claim(vm, plan, s->paddr, s->size);
	if (e || !s->file_size)
		return e; /* RAM is clear already */
	if (plan->part_count == LINUX_KERNEL_PARTS)
		return linux_refuse(vm, file, "has too many segments");
	plan->parts[plan->part_count++] =
		(struct linux_part){ s->paddr, file->data + s->offset, s->file_size };
	return OK;
}

static bool has_entry(const struct linux_plan *plan)
{
	for (u32 i = 0; i < plan->part_count; i++)
		if (plan->entry - plan->parts[i].gpa < plan->parts[i].size)
			return true;
	return false;
}

enum err elf_plan(const struct vm *vm, struct linux_plan *plan)
{
	const struct boot_file *file = plan->kernel_file;
	struct elf_header header;
	struct elf_segment segment;
	enum err e = OK;

	memcpy(&header, file->data, sizeof(header));
	if (memcmp(header.ident, elf64_ident, sizeof(elf64_ident)) != 0 ||
	    header.type != TYPE_EXECUTABLE || header.machine != MACHINE_X86_64)
		return linux_refuse(vm, file, "not an ELF executable for x86-64");
	if (header.segment_size != sizeof(segment) || header.segments > file->size ||
	    header.segment_count > (file->size - header.segments) / sizeof(segment))
		return linux_refuse(vm, file, "cut short: program headers outside of the file");
	for (u32 i = 0; i < header.segment_count && !e; i++) {
		memcpy(&segment, file->data + header.segments + i * sizeof(segment),
		       sizeof(segment));
		if (segment.type == SEGMENT_LOAD && segment.size)
			e = take_segment(vm, &segment, plan);
	}
	plan->entry = header.entry;
	if (!e && !has_entry(plan))
		return linux_refuse(vm, file, "its entry point is in none of its segments");
	return e;
}
