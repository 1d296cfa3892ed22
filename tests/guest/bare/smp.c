/* SPDX-License-Identifier: Apache-2.0 */
/* The bare guest's second processor, woken as SDM 3A 9.4.4 says, by the x2APIC. */
#include "tests/guest/bare/bare.h"

#define APIC_BASE   0x1b
#define X2APIC_ON   0xc00
#define X2APIC_ICR  0x830
#define TO_SECOND   (1ull << 32)
#define INIT	    0x4500
#define STARTUP	    0x4600
#define TRIES	    100
#define WAIT_ROUNDS 100000

extern const u8 second_code[], second_code_end[], second_root[];
static void (*second_run)(void);
static volatile bool second_is_up;

void second_main(void);

void second_main(void)
{
	exceptions_load();
	/*
	 * Nothing is to come. Quirk of Bochs 2.7: the host's interrupts do not end a stay that
	 * VMRUN began with IF = 0, so kicks would not reach this processor there.
	 */
	__asm__ volatile("sti");
	second_is_up = true;
	second_run();
	halt();
}

bool second_start(void (*run)(void))
{
	u8 *to = (u8 *)BARE_SECOND;
	u32 root = paging_root();

	memcpy(to, second_code, (size_t)(second_code_end - second_code));
	memcpy(to + (second_root - second_code), &root, sizeof(root));
	second_run = run;
	wrmsr(APIC_BASE, rdmsr(APIC_BASE) | X2APIC_ON);
	wrmsr(X2APIC_ICR, TO_SECOND | INIT);
	/* Before INIT is through, and once it runs, a start-up message is for nobody. */
	for (u32 try = 0; try < TRIES && !second_is_up; try++) {
		wrmsr(X2APIC_ICR, TO_SECOND | STARTUP | BARE_SECOND >> 12);
		for (u32 i = 0; i < WAIT_ROUNDS && !second_is_up; i++)
			__asm__ volatile("pause");
	}
	if (!second_is_up)
		say("the second processor does not come");
	return second_is_up;
}
