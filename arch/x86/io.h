/* SPDX-License-Identifier: Apache-2.0 */
/* Port and memory-mapped I/O: single accesses of a stated width, never merged nor reordered. */
#ifndef ARCH_X86_IO_H
#define ARCH_X86_IO_H

#include "core/lib/types.h"

/*
 * inb/inw/inl and outb/outw/outl access a port; the argument order of the
 * out functions is (port, value).
 *
 * mmio_read* and mmio_write* access a device register through an uncached
 * mapping. The compiler neither splits nor drops them; x86 keeps uncached
 * accesses in program order.
 *
 * On the build host (FACET_HOST) a test may define the host_* functions
 * below and so stand in for the hardware. Where it does not, ports read as
 * all ones and swallow writes, as an empty bus does, and registers are plain
 * memory.
 */
#ifdef FACET_HOST

/* `size` is the width of the access in bytes: 1, 2, 4, and 8 for registers. */
extern u32 host_port_in(u16 port, unsigned size) __attribute__((weak));
extern void host_port_out(u16 port, u32 value, unsigned size) __attribute__((weak));
extern u64 host_mmio_read(const volatile void *reg, unsigned size) __attribute__((weak));
extern void host_mmio_write(volatile void *reg, u64 value, unsigned size) __attribute__((weak));
extern void host_cache_flushed(void *ptr, size_t size) __attribute__((weak));

#define CACHE_FLUSHED(ptr, size) \
	do { \
		if (host_cache_flushed) \
			host_cache_flushed((ptr), (size)); \
	} while (0)

static inline u32 x86_port_in(u16 port, unsigned size)
{
	return host_port_in ? host_port_in(port, size) : ~0U;
}

static inline void x86_port_out(u16 port, u32 value, unsigned size)
{
	if (host_port_out)
		host_port_out(port, value, size);
}

static inline u8 inb(u16 port)
{
	return (u8)x86_port_in(port, 1);
}

static inline u16 inw(u16 port)
{
	return (u16)x86_port_in(port, 2);
}

static inline u32 inl(u16 port)
{
	return x86_port_in(port, 4);
}

static inline void outb(u16 port, u8 value)
{
	x86_port_out(port, value, 1);
}

static inline void outw(u16 port, u16 value)
{
	x86_port_out(port, value, 2);
}

static inline void outl(u16 port, u32 value)
{
	x86_port_out(port, value, 4);
}

#define MMIO_ACCESSORS(bits) \
	static inline u##bits mmio_read##bits(const volatile void *reg) \
	{ \
		if (host_mmio_read) \
			return (u##bits)host_mmio_read(reg, sizeof(u##bits)); \
		return *(const volatile u##bits *)reg; \
	} \
	static inline void mmio_write##bits(volatile void *reg, u##bits value) \
	{ \
		if (host_mmio_write) \
			host_mmio_write(reg, value, sizeof(u##bits)); \
		else \
			*(volatile u##bits *)reg = value; \
	}

#else

#define CACHE_FLUSHED(ptr, size) ((void)0)

static inline u8 inb(u16 port)
{
	u8 value;

	__asm__ volatile("inb %w1, %b0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline u16 inw(u16 port)
{
	u16 value;

	__asm__ volatile("inw %w1, %w0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline u32 inl(u16 port)
{
	u32 value;

	__asm__ volatile("inl %w1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline void outb(u16 port, u8 value)
{
	__asm__ volatile("outb %b0, %w1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void outw(u16 port, u16 value)
{
	__asm__ volatile("outw %w0, %w1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void outl(u16 port, u32 value)
{
	__asm__ volatile("outl %0, %w1" : : "a"(value), "Nd"(port) : "memory");
}

/*
 * Plain mov with a register operand: some devices, and every emulator under
 * us, decode nothing fancier, and the compiler must not pick another form.
 */
#define MMIO_ACCESSORS(bits) \
	static inline u##bits mmio_read##bits(const volatile void *reg) \
	{ \
		u##bits value; \
\
		__asm__ volatile("mov %1, %0" \
				 : "=r"(value) \
				 : "m"(*(const volatile u##bits *)reg) \
				 : "memory"); \
		return value; \
	} \
	static inline void mmio_write##bits(volatile void *reg, u##bits value) \
	{ \
		__asm__ volatile("mov %1, %0" \
				 : "=m"(*(volatile u##bits *)reg) \
				 : "r"(value) \
				 : "memory"); \
	}

#endif

MMIO_ACCESSORS(8)
MMIO_ACCESSORS(16)
MMIO_ACCESSORS(32)
MMIO_ACCESSORS(64)

#undef MMIO_ACCESSORS

/* The same with a width of `size` bytes: 1, 2, 4 or 8. */
static inline u64 mmio_read(const volatile void *reg, unsigned size)
{
	if (size == 8)
		return mmio_read64(reg);
	return size == 4 ? mmio_read32(reg) : size == 2 ? mmio_read16(reg) : mmio_read8(reg);
}

static inline void mmio_write(volatile void *reg, unsigned size, u64 value)
{
	if (size == 8)
		mmio_write64(reg, value);
	else if (size == 4)
		mmio_write32(reg, (u32)value);
	else if (size == 2)
		mmio_write16(reg, (u16)value);
	else
		mmio_write8(reg, (u8)value);
}

/*
 * Writes back the cache lines of `size` bytes at `ptr`, for a device that reads
 * memory without snooping, and waits until they are there.
 */
static inline void cache_flush(void *ptr, size_t size)
{
	uintptr_t line = (uintptr_t)ptr & ~(uintptr_t)63;

	for (; line < (uintptr_t)ptr + size; line += 64)
		__asm__ volatile("clflush %0" : "+m"(*(volatile char *)line));
	__asm__ volatile("mfence" ::: "memory");
	CACHE_FLUSHED(ptr, size);
}

#undef CACHE_FLUSHED

#endif
