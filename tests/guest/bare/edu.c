/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bare guest's driver for QEMU's edu device; its registers are in QEMU's docs/specs/edu.
 * All of its interrupts come by MSI.
 */
#include "tests/guest/bare/bare.h"

#define EDU_ID	   0x11e81234	  /* device 11e8, vendor 1234 */
#define BUFFER	   0x40000	  /* as the device's DMA addresses its buffer */
#define WAIT_TICKS 10000000000ull /* of the TSC: some seconds */
#define VECTOR	   0x41

#define COMMAND	       0x04
#define COMMAND_MASTER 0x406 /* memory, bus master, no INTx */
#define CAP_MSI	       0x05
#define MSI_ENABLE     (1u << 16)
#define MSI_64BIT      (1u << 23)

enum {
	IDENTIFICATION = 0x00,
	LIVENESS = 0x04,
	FACTORIAL = 0x08,
	STATUS = 0x20,
	INTERRUPT_STATUS = 0x24,
	INTERRUPT_ACKNOWLEDGE = 0x64,
	DMA_SOURCE = 0x80,
	DMA_DESTINATION = 0x88,
	DMA_COUNT = 0x90,
	DMA_COMMAND = 0x98
};
enum {
	STATUS_COMPUTING = 0x01,
	STATUS_INTERRUPT = 0x80, /* when the factorial is there */
};
enum {
	DMA_START = 1,
	DMA_TO_MEMORY = 2,
	DMA_INTERRUPT = 4
};

static struct {
	u32 function;
	volatile u8 *registers;
	volatile u32 interrupts, last; /* the last one's reason */
} edu;

static u32 get(u32 at)
{
	return *(volatile u32 *)(edu.registers + at);
}

static void set(u32 at, u32 value)
{
	*(volatile u32 *)(edu.registers + at) = value;
}

static void set64(u32 at, u64 value)
{
	*(volatile u64 *)(edu.registers + at) = value;
}

__attribute__((interrupt)) static void interrupt(struct interrupt_frame *frame)
{
	u32 reason = get(INTERRUPT_STATUS);

	(void)frame;
	set(INTERRUPT_ACKNOWLEDGE, reason);
	edu.last = reason;
	edu.interrupts++;
	apic_end_of_interrupt();
}

static bool use_msi(void)
{
	u32 at = pci_read(edu.function, 0x34) & 0xfc;

	for (u32 i = 0; at && i < 48; i++) {
		u32 head = pci_read(edu.function, at);

		if ((head & 0xff) == CAP_MSI) {
			u64 address = apic_message_address();

			pci_write(edu.function, at + 4, (u32)address);
			if (head & MSI_64BIT)
				pci_write(edu.function, at + 8, 0);
			pci_write(edu.function, at + (head & MSI_64BIT ? 12 : 8), VECTOR);
			pci_write(edu.function, at, head | MSI_ENABLE);
			return true;
		}
		at = (head >> 8) & 0xfc;
	}
	say("edu: no MSI");
	return false;
}

/* Nothing resets an edu: what a guest before has begun ends, and what it left is taken. */
static void leave_nothing(void)
{
	for (u64 start = rdtsc(); get(DMA_COMMAND) & DMA_START && rdtsc() - start < WAIT_TICKS;)
		__asm__ volatile("pause");
	set(STATUS, 0);
	set(INTERRUPT_ACKNOWLEDGE, get(INTERRUPT_STATUS));
}

bool edu_init(void)
{
	u64 bar;

	edu.function = pci_find(EDU_ID);
	if (!edu.function) {
		say("no edu");
		return false;
	}
	bar = pci_bar(edu.function, 0);
	map_device(bar, 4096);
	edu.registers = (volatile u8 *)bar;
	pci_write(edu.function, COMMAND, COMMAND_MASTER);
	leave_nothing();
	apic_init();
	interrupt_gate(VECTOR, interrupt);
	return use_msi();
}

bool edu_is_there(void)
{
	if (!edu.function)
		edu.function = pci_find(EDU_ID);
	if (edu.function && pci_read(edu.function, 0) != EDU_ID)
		edu.function = 0;
	return edu.function;
}

/* For one more interrupt than there were. */
static bool wait_interrupt(u32 before, u32 reason)
{
	__asm__ volatile("sti");
	for (u64 start = rdtsc(); edu.interrupts == before && rdtsc() - start < WAIT_TICKS;)
		__asm__ volatile("pause");
	__asm__ volatile("cli");
	if (edu.interrupts == before + 1 && edu.last == reason)
		return true;
	say("edu: %u interrupts, the last for %x, instead of one for %x", edu.interrupts - before,
	    edu.last, reason);
	return false;
}

bool edu_check(void)
{
	u32 before = edu.interrupts, value = get(IDENTIFICATION);

	if ((value & 0xffff) != 0x00ed) {
		say("edu: identification %x", value);
		return false;
	}
	set(LIVENESS, 0x12345678);
	value = get(LIVENESS);
	if (value != ~0x12345678u) {
		say("edu: not alive, %x", value);
		return false;
	}
	set(STATUS, STATUS_INTERRUPT);
	set(FACTORIAL, 10);
	if (!wait_interrupt(before, 1))
		return false;
	value = get(FACTORIAL);
	if (value != 3628800 || get(STATUS) & STATUS_COMPUTING) {
		say("edu: 10! is %u", value);
		return false;
	}
	return true;
}

static void begin(u64 from, u64 to, u32 size, u32 command)
{
	set64(DMA_SOURCE, from);
	set64(DMA_DESTINATION, to);
	set64(DMA_COUNT, size);
	set64(DMA_COMMAND, command | DMA_START);
}

bool edu_fetch(u64 address, u32 size)
{
	u32 before = edu.interrupts;

	begin(address, BUFFER, size, DMA_INTERRUPT);
	return wait_interrupt(before, 0x100);
}

bool edu_store(u64 address, u32 size)
{
	u32 before = edu.interrupts;

	begin(BUFFER, address, size, DMA_TO_MEMORY | DMA_INTERRUPT);
	return wait_interrupt(before, 0x100);
}

void edu_store_begin(u64 address, u32 size)
{
	begin(BUFFER, address, size, DMA_TO_MEMORY);
}

u32 edu_interrupts(void)
{
	return edu.interrupts;
}
