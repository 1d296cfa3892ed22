/* SPDX-License-Identifier: Apache-2.0 */
/* What arch/x86 needs from above: core/ implements every function here. */
#ifndef ARCH_X86_HOST_H
#define ARCH_X86_HOST_H

#include "core/lib/error.h"
#include "core/lib/types.h"

struct arch_vcpu;
struct trap_frame;

/* One log line at debug level or above; see core/log.h for the levels. */
void host_log(u32 level, const char *fmt, ...) printf_like(2, 3);

/* The hypervisor's own invariant is broken: print, stop every CPU. */
_Noreturn void host_panic(const char *fmt, ...) printf_like(1, 2);

/* An exception in the hypervisor itself: registers, back trace, stop. */
_Noreturn void host_fault(const struct trap_frame *frame);

/*
 * A zeroed 4 KiB frame of the hypervisor's own, reachable through
 * host_frame_ptr() for ever. HPA(0) when the pool is empty.
 */
hpa_t host_frame_alloc(void);
/* `pages` of them in a row. */
hpa_t host_frames_alloc(u32 pages);
void *host_frame_ptr(hpa_t frame);

/* Frequency of the TSC; known before virt_ops.cpu_enable() is called. */
u64 host_tsc_hz(void);

/* A device interrupt or an IPI arrived at this CPU; called with IF = 0. */
void host_interrupt(u8 vector);

/*
 * Copy guest RAM of the VM that `vcpu` belongs to. ERR_FAULT when any byte
 * is not RAM of that VM (nothing is then guaranteed about `dst`).
 */
must_check enum err host_guest_read(struct arch_vcpu *vcpu, gpa_t gpa, void *dst, size_t size);
/* A quadword of guest RAM at a fixed place, aligned to 8, and what it held. */
struct host_word {
	hpa_t hpa;
	u64 value;
};

/* Where a guest's RAM lies: fixed for the life of the VM. ERR_FAULT as above. */
must_check enum err host_guest_locate(struct arch_vcpu *vcpu, gpa_t gpa, hpa_t *hpa);

/* Do `count` (at most 4) words still hold what they held? */
bool host_words_unchanged(const struct host_word *words, u32 count);

/* 16 bytes at `hpa`, which host_guest_locate() gave; they lie in one page. */
void host_read_code(hpa_t hpa, u64 *out);

must_check enum err host_guest_write(struct arch_vcpu *vcpu, gpa_t gpa, const void *src,
				     size_t size);

#endif
