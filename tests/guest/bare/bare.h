/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest without an operating system, for what no kernel would do: measuring one exit,
 * keeping a queue full, and every kind of mischief. The command line's facet.test= says
 * which; each line that it prints begins with "guest NAME: ".
 */
#ifndef TESTS_GUEST_BARE_H
#define TESTS_GUEST_BARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/guest/bare/layout.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define COM1 0x3f8

static inline void outb(u16 port, u8 value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 inb(u16 port)
{
	u8 value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void outl(u16 port, u32 value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline u32 inl(u16 port)
{
	u32 value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline u64 rdmsr(u32 msr)
{
	u32 low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (u64)high << 32 | low;
}

static inline void wrmsr(u32 msr, u64 value)
{
	__asm__ volatile("wrmsr" : : "a"((u32)value), "d"((u32)(value >> 32)), "c"(msr) : "memory");
}

static inline u64 rdtsc(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (u64)high << 32 | low;
}

static inline void cpuid(u32 leaf, u32 out[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
			 : "a"(leaf), "c"(0));
}

/* lib.c: text, memory, the command line */
extern char guest_name[16];
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void lib_init(const u8 *boot_params);
/* The value of facet.KEY= on the command line, or `otherwise`. */
const char *option(const char *key, const char *otherwise);
u64 option_number(const char *key, u64 otherwise);
/* Waits for a line on the console; what does not fit is dropped. */
void read_line(char *line, size_t size);
bool same(const char *a, const char *b);
void *memset(void *to, int byte, size_t size);
void *memcpy(void *to, const void *from, size_t size);
void halt(void) __attribute__((noreturn));
/* The exceptions' table, on the processor that calls. */
void exceptions_load(void);
/* An interrupt's way in: a function with __attribute__((interrupt)). 32 to INTERRUPT_LAST. */
#define INTERRUPT_LAST 0x4f
struct interrupt_frame;
void interrupt_gate(u32 vector, void (*entry)(struct interrupt_frame *));
u32 random(void);
void random_seed(u32 seed);

/* paging.c: four levels of 4 KiB pages, identity mapped; device memory is uncached */
void paging_init(void);
u32 paging_root(void);
void map_device(u64 address, u64 size);
/* Zeroed pages that stay allocated. */
void *pages(size_t count);

/* pci.c: a function is its address as CF8 takes it, 0: not there */
u32 pci_read(u32 function, u32 offset);
void pci_write(u32 function, u32 offset, u32 value);
u32 pci_find(u32 id);
/* The BAR's address; one that has none gets one. */
u64 pci_bar(u32 function, u32 bar);
/* While nobody uses it: the BAR is somewhere else for a moment. */
u32 pci_bar_size(u32 function, u32 bar);

/* smp.c: the second processor runs `run`, then halts; false if it does not come */
bool second_start(void (*run)(void));

/* apic.c: this processor's local APIC, as an x2APIC where it can be one */
void apic_init(void);
void apic_end_of_interrupt(void);
/* What a device writes to raise this vector here. */
u64 apic_message_address(void);

/* edu.c: QEMU's device for teaching, which does DMA as told; one transfer takes it 100 ms */
/* The largest transfer: one that takes its buffer's last byte ends QEMU. */
#define EDU_BYTES 4088
bool edu_init(void);
bool edu_is_there(void);
/* Identification, a factorial with its interrupt; false: it has said what is wrong. */
bool edu_check(void);
/* From memory into its buffer, or back. False: it does not end, or without its interrupt. */
bool edu_fetch(u64 address, u32 size);
bool edu_store(u64 address, u32 size);
/* Begins edu_store() and does not wait. */
void edu_store_begin(u64 address, u32 size);
u32 edu_interrupts(void);

/* vbe.c: the virtual display with a frame buffer and registers, 1234:1111 */
#define VBE_ID	   0x11111234 /* device 1111, vendor 1234 */
#define VBE_PLACES 6
struct vbe {
	u32 function;
	u64 memory, size, registers; /* BAR0 and its size, BAR2 */
	u32 place_count;
	u64 place[VBE_PLACES]; /* where BAR0 may be, all different */
	u64 changes;	       /* of where BAR0 is and whether it is there */
};
extern struct vbe vbe;
bool vbe_init(void);
/* Through configuration space; each comes back when the change is made. */
void vbe_decode(bool on);
void vbe_move(u64 memory);
/* What facet.test= may say of it. */
bool bars_run(const char *what);
void dispi_run(void);

/* gpu.c: the virtual virtio-gpu, polled */
struct gpu_command {
	const void *request;
	u32 request_size;
	void *response;
	u32 response_size;
};
/* Reset the device and negotiate anew, without queues. */
bool gpu_restart(void);
/* The same with an empty control queue. gpu_init() first: it finds the device. */
bool gpu_renew(void);
bool gpu_init(void);
/* One command, waited for; returns the response's type, 0 if none came in time. */
u32 gpu_command(const void *request, u32 size);
/* The same with a response of the caller's; returns the bytes that the device says it wrote. */
u32 gpu_command_full(struct gpu_command *command);
/* Queue without waiting; false while the queue is full. gpu_kick() makes it known. */
bool gpu_post(const struct gpu_command *command);
/* Completed commands since the last call. */
u32 gpu_collect(void);
void gpu_kick(void);
u32 gpu_queue_size(void);
/* The doorbell and the register BAR, for tests that touch them. */
volatile u8 *gpu_common(void);
volatile u16 *gpu_doorbell(void);
/* The rings themselves, for tests that spoil them. */
struct virtq_desc {
	u64 address;
	u32 length;
	u16 flags, next;
};
struct virtq_desc *gpu_descriptors(void);
volatile u16 *gpu_available(void);

/* virtio-gpu, virtio 1.2 section 5.7 */
#define GPU_GET_DISPLAY_INFO 0x0100
#define GPU_CREATE_2D	     0x0101
#define GPU_UNREF	     0x0102
#define GPU_SET_SCANOUT	     0x0103
#define GPU_FLUSH	     0x0104
#define GPU_TRANSFER_2D	     0x0105
#define GPU_ATTACH_BACKING   0x0106
#define GPU_DETACH_BACKING   0x0107
#define GPU_OK_NODATA	     0x1100
#define GPU_FORMAT_B8G8R8X8  2
#define GPU_FLAG_FENCE	     1

struct gpu_header {
	u32 type, flags;
	u64 fence;
	u32 context, padding;
};

struct gpu_rectangle {
	u32 x, y, width, height;
};

struct gpu_create {
	struct gpu_header header;
	u32 resource, format, width, height;
};

struct gpu_resource {
	struct gpu_header header;
	u32 resource, padding;
};

struct gpu_scanout {
	struct gpu_header header;
	struct gpu_rectangle r;
	u32 scanout, resource;
};

struct gpu_flush {
	struct gpu_header header;
	struct gpu_rectangle r;
	u32 resource, padding;
};

struct gpu_transfer {
	struct gpu_header header;
	struct gpu_rectangle r;
	u64 offset;
	u32 resource, padding;
};

struct gpu_entry {
	u64 address;
	u32 length, padding;
};

struct gpu_attach {
	struct gpu_header header;
	u32 resource, count;
	struct gpu_entry entry[1];
};

u32 gpu_create(u32 resource, u32 width, u32 height);
u32 gpu_attach(u32 resource, u64 address, u32 length);

/* What facet.test= may say. */
void bench_run(void);
void load_run(void);
void storm_run(void);
void memory_run(void);
void nvme_run(void);
bool hostile_run(const char *what);
bool dma_run(const char *what);

#endif
