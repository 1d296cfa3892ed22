/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A storm of DMA that is blocked: an NVMe controller of the guest's own, told to read lists of
 * pages where the guest has no memory. NVM Express base specification 1.4, sections 3.1, 4 and 5.
 */
#include "tests/guest/bare/bare.h"

#define NVME_ID	       0x00101b36 /* device 0010, vendor 1b36: QEMU's */
#define REGISTER_BYTES 0x4000
#define ENTRIES	       64	      /* of each queue */
#define BATCH	       4	      /* commands at a time */
#define BLOCKS	       32	      /* of 512 bytes: four pages, so that they are listed */
#define NOWHERE	       0x80000000ull  /* between the guest's memory and its devices */
#define WAIT_TICKS     10000000000ull /* of the TSC: some seconds */

/* The x2APIC's timer, SDM 3A, 11.5.4 and 11.12.1. */
#define MSR_LVT_TIMER 0x832
#define MSR_COUNT     0x838
#define MSR_DIVIDE    0x83e
#define DIVIDE_BY_1   0xb
#define TIMER_VECTOR  0x42

#define COMMAND	       0x04
#define COMMAND_MASTER 0x406 /* memory, bus master, no INTx */

enum {
	CONFIGURATION = 0x14,
	STATUS = 0x1c,
	ADMIN_SIZES = 0x24,
	ADMIN_SUBMISSION = 0x28,
	ADMIN_COMPLETION = 0x30,
	DOORBELLS = 0x1000
};
enum {
	ENABLE = 1,
	ENTRY_SIZES = 6 << 16 | 4 << 20, /* 64 and 16 bytes */
	READY = 1
};
enum {
	CREATE_SUBMISSION = 1,
	CREATE_COMPLETION = 5,
	READ = 2,
	CONTIGUOUS = 1
};

struct command {
	u32 opcode, namespace;
	u64 reserved, metadata, prp1, prp2;
	u32 word10, word11, word12, word13, word14, word15;
};
struct completion {
	u32 result, reserved;
	u16 head, queue, id, status; /* bit 0 of the status: which round */
};

struct queue {
	struct command *commands;
	volatile struct completion *completions;
	u32 number, tail, head, round;
};

static volatile u8 *registers;
static struct queue admin, io;
static u64 wrong; /* commands that ended with an error */

static void set(u32 at, u32 value)
{
	*(volatile u32 *)(registers + at) = value;
}

static void set_doorbell(const struct queue *queue, bool completion, u32 value)
{
	set(DOORBELLS + 4 * (2 * queue->number + completion), value);
}

static void make_queue(struct queue *queue, u32 number)
{
	*queue = (struct queue){ pages(1), pages(1), number, 0, 0, 1 };
}

static void post(struct queue *queue, const struct command *command)
{
	queue->commands[queue->tail] = *command;
	queue->tail = (queue->tail + 1) % ENTRIES;
}

/* Those that were posted, done; false: not in time. */
static bool finish(struct queue *queue, u32 count)
{
	u64 start = rdtsc();

	set_doorbell(queue, false, queue->tail);
	while (count && rdtsc() - start < WAIT_TICKS) {
		u16 status = queue->completions[queue->head].status;

		if ((status & 1) != queue->round) {
			__asm__ volatile("pause");
			continue;
		}
		wrong += status > 1;
		queue->head = (queue->head + 1) % ENTRIES;
		queue->round ^= !queue->head;
		count--;
	}
	set_doorbell(queue, true, queue->head);
	return !count;
}

static bool become(bool ready)
{
	u64 start = rdtsc();

	while ((*(volatile u32 *)(registers + STATUS) & READY) != ready)
		if (rdtsc() - start > WAIT_TICKS)
			return false;
	return true;
}

static bool make_io_queue(void)
{
	struct command command = {
		.word10 = (ENTRIES - 1) << 16 | 1,
		.word11 = CONTIGUOUS,
	};

	make_queue(&io, 1);
	command.opcode = CREATE_COMPLETION;
	command.prp1 = (u64)io.completions;
	post(&admin, &command);
	if (!finish(&admin, 1))
		return false;
	command.opcode = CREATE_SUBMISSION;
	command.prp1 = (u64)io.commands;
	command.word11 |= 1 << 16; /* its completion queue */
	post(&admin, &command);
	return finish(&admin, 1) && !wrong;
}

static bool start(void)
{
	u32 function = pci_find(NVME_ID);
	u64 bar;

	if (!function)
		return false;
	bar = pci_bar(function, 0);
	map_device(bar, REGISTER_BYTES);
	registers = (volatile u8 *)bar;
	pci_write(function, COMMAND, COMMAND_MASTER);
	set(CONFIGURATION, 0);
	if (!become(false))
		return false;
	make_queue(&admin, 0);
	set(ADMIN_SIZES, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	set(ADMIN_SUBMISSION, (u32)(u64)admin.commands);
	set(ADMIN_SUBMISSION + 4, 0);
	set(ADMIN_COMPLETION, (u32)(u64)admin.completions);
	set(ADMIN_COMPLETION + 4, 0);
	set(CONFIGURATION, ENTRY_SIZES | ENABLE);
	return become(true) && make_io_queue();
}

__attribute__((interrupt)) static void timer_interrupt(struct interrupt_frame *frame)
{
	(void)frame;
	apic_end_of_interrupt();
}

/* Halts for so many ticks of the APIC's timer. */
static void nap(u32 ticks)
{
	wrmsr(MSR_LVT_TIMER, TIMER_VECTOR);
	wrmsr(MSR_DIVIDE, DIVIDE_BY_1);
	wrmsr(MSR_COUNT, ticks);
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

/*
 * So many reads, the pages of each listed in another place where nothing is. QEMU's
 * controller asks for such a list four bytes at a time, 1024 times.
 */
static u64 storm(u64 count, u32 rest, u64 *done)
{
	struct command command = {
		.opcode = READ,
		.namespace = 1,
		.prp1 = (u64)pages(1),
		.word12 = BLOCKS - 1,
	};
	u64 before = wrong;

	for (*done = 0; *done < count;) {
		u32 some = count - *done < BATCH ? (u32)(count - *done) : BATCH;

		for (u32 i = 0; i < some; i++) {
			command.prp2 = NOWHERE + (*done + i) % 4096 * 4096;
			post(&io, &command);
		}
		if (!finish(&io, some))
			break;
		*done += some;
		if (rest)
			nap(rest);
	}
	return wrong - before;
}

/*
 * facet.commands=N: so many at a time (100), each time that a line comes on the console;
 * facet.wait=0: without waiting for one; facet.nap=N: ticks of the APIC's timer for which
 * it halts after each batch.
 */
void nvme_run(void)
{
	u64 count = option_number("commands", 100), wait = option_number("wait", 1);
	u32 rest = (u32)option_number("nap", 0);
	u64 done, refused;
	char line[8];

	if (!start()) {
		say("nvme: does not start");
		return;
	}
	apic_init();
	interrupt_gate(TIMER_VECTOR, timer_interrupt);
	say("nvme: ready");
	do {
		if (wait)
			read_line(line, sizeof(line));
		refused = storm(count, rest, &done);
		say("nvme: %lu reads, %lu refused", done, refused);
	} while (done == count);
}
