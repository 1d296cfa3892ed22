/* SPDX-License-Identifier: Apache-2.0 */
/* Does a guest find what was in its memory before it started? It leaves something to find. */
#include "tests/guest/bare/bare.h"

#define FIRST 0x2000000ull /* behind image and heap, see layout.h */
#define LAST  0x3c00000ull
#define LEFT  0xaaaaaaaaaaaaaaaaull

#define RESET_PORT 0xcf9
#define RESET_NOW  6

/* Counts what is not zero, fills all of it, and restarts the machine. */
void memory_run(void)
{
	u64 found = 0;

	for (volatile u64 *at = (u64 *)FIRST; at < (u64 *)LAST; at++) {
		found += *at != 0;
		*at = LEFT;
	}
	say("memory: %lu words are not zero", found);
	outb(RESET_PORT, RESET_NOW);
	halt();
}
