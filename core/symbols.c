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
	u64 low = 0;
	u64 high = symbol_count;

	*offset = at;
	if (address < (u64)image_start || address >= (u64)image_text_end)
		return "?";
	while (low < high) {
		u64 middle = (low + high) / 2;

		if (symbol_table[middle].offset <= at)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return "?";
	*offset = at - symbol_table[low - 1].offset;
	return symbol_names + symbol_table[low - 1].name;
}
