// SPDX-License-Identifier: Apache-2.0
/* Looks up function names in the table that tools/symbols.py links in. */
#include "core/symbols.h"

struct symbol {
	u32 offset; /* of the function, from the image's first byte */
	u32 name;   /* of its text, from symbol_names */
};

extern const u8 image_start[], image_text_end[];
extern const struct symbol symbol_table[];
extern const u64 symbol_count;
extern const char symbol_names[];

const char *symbol_find(u64 address, u64 *offset)
{
	u64 at = address - (u64)image_start;
	u64 i = 0;

	*offset = at;
	if (address < (u64)image_start || address >= (u64)image_text_end)
		return "?";
	while (i < symbol_count && symbol_table[i].offset <= at)
		i++;
	if (!i)
		return "?";
	*offset = at - symbol_table[i - 1].offset;
	return symbol_names + symbol_table[i - 1].name;
}
