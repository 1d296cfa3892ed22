// SPDX-License-Identifier: Apache-2.0
/* Log lines, the panic that stops everything, and the back trace it prints. */
#include "core/log.h"

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/host.h"
#include "arch/x86/spinlock.h"
#include "arch/x86/trap.h"
#include "core/console.h"
#include "core/cpu.h"
#include "core/lib/fmt.h"
#include "core/lib/string.h"
#include "core/symbols.h"
#include "core/timer.h"

#define LINE_MAX      288
#define NS_PER_SECOND 1000000000ULL
#define TRACE_DEPTH   24
/* The first instruction of a function of C, which leaves its caller one word further up. */
#define PUSH_RBP_BYTES 1

enum log_level log_up_to = LOG_INFO;
static u32 panicking; /* atomic: number of CPUs that have panicked */

void log_at(enum log_level level, const char *fmt, ...)
{
	static const char *const marks[] = { "error: ", "warning: ", "", "debug: " };
	char line[LINE_MAX];
	va_list args;
	int used;

	if (level > log_up_to)
		return;
	used = fmt_snprintf(line, sizeof(line), "facet: %s", marks[level]);
	va_start(args, fmt);
	fmt_vsnprintf(line + used, sizeof(line) - (size_t)used, fmt, args);
	va_end(args);
	console_print_text(line);
}

/* arch/x86/host.h's name for it. */
void host_log(u32 level, const char *fmt, ...) __attribute__((alias("log_at")));

bool log_allowed(struct log_limit *limit, u32 burst)
{
	u64 now = now_ns();

	if (now - limit->window_start_ns >= NS_PER_SECOND) {
		if (limit->count > burst)
			log_warn("%u similar lines left out", limit->count - burst);
		limit->window_start_ns = now;
		limit->count = 0;
	}
	return limit->count++ < burst;
}

/* Straight to the UART: a lock may be held by what has failed. */
static void raw(const char *fmt, ...) printf_like(1, 2);
static void raw(const char *fmt, ...)
{
	char text[LINE_MAX];
	va_list args;

	va_start(args, fmt);
	fmt_vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	console_write_unlocked(text);
}

static bool is_stack(u64 address)
{
	return address >= 0xffffa00000000000ULL && address < 0xffffb00000000000ULL &&
	       !(address & 7);
}

static void back_trace(u64 rip, u64 rbp)
{
	for (int depth = 0; depth < TRACE_DEPTH; depth++) {
		u64 offset;
		const char *name = symbol_find(rip, &offset);

		raw("facet:   %016lx %s+0x%lx\r\n", rip, name, offset);
		if (!is_stack(rbp))
			return;
		rip = ((const u64 *)rbp)[1];
		rbp = ((const u64 *)rbp)[0];
		if (!rip)
			return;
	}
}

/* The first to come here prints; all stop. */
static void stop_others(void)
{
	if (__atomic_fetch_add(&panicking, 1, __ATOMIC_SEQ_CST))
		cpu_stop();
	if (cpu_count() > 1)
		apic_send(0, APIC_OTHERS | VECTOR_STOP);
}

_Noreturn void panic(const char *fmt, ...)
{
	char text[LINE_MAX];
	va_list args;

	interrupts_off();
	stop_others();
	va_start(args, fmt);
	fmt_vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	raw("\r\nfacet: panic on CPU %u: %s\r\n", cpu_id(), text);
	back_trace((u64)__builtin_return_address(0), *(const u64 *)__builtin_frame_address(0));
	raw("facet: stopped\r\n");
	cpu_stop();
}

/* arch/x86/host.h's name for it, without a frame of its own in the trace. */
_Noreturn void host_panic(const char *fmt, ...) __attribute__((alias("panic")));

static const char *exception_name(u64 vector)
{
	static const char *const names[] = {
		"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "?",   "#TS",
		"#NP", "#SS", "#GP", "#PF", "?",   "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
	};

	return vector < ARRAY_SIZE(names) ? names[vector] : "?";
}

/* Up to a function's second instruction its frame is its caller's, who is named on the stack. */
static void back_trace_fault(const struct trap_frame *f)
{
	u64 offset, rip = f->rip;
	const char *name = symbol_find(rip, &offset);

	if (offset <= PUSH_RBP_BYTES && is_stack(f->rsp)) {
		raw("facet:   %016lx %s+0x%lx\r\n", rip, name, offset);
		rip = ((const u64 *)f->rsp)[offset];
	}
	back_trace(rip, f->rbp);
}

_Noreturn void host_fault(const struct trap_frame *f)
{
	interrupts_off();
	stop_others();
	raw("\r\nfacet: fault in the hypervisor: %s (vector %lu) code 0x%lx on CPU %u\r\n",
	    exception_name(f->vector), f->vector, f->error_code, cpu_id());
	raw("facet:   rip %016lx rsp %016lx rflags %016lx\r\n", f->rip, f->rsp, f->rflags);
	raw("facet:   rax %016lx rbx %016lx rcx %016lx rdx %016lx\r\n", f->rax, f->rbx, f->rcx,
	    f->rdx);
	raw("facet:   rsi %016lx rdi %016lx rbp %016lx\r\n", f->rsi, f->rdi, f->rbp);
	raw("facet:   r8  %016lx r9  %016lx r10 %016lx r11 %016lx\r\n", f->r8, f->r9, f->r10,
	    f->r11);
	raw("facet:   r12 %016lx r13 %016lx r14 %016lx r15 %016lx\r\n", f->r12, f->r13, f->r14,
	    f->r15);
	raw("facet:   cr0 %016lx cr2 %016lx cr3 %016lx cr4 %016lx\r\n", read_cr0(), read_cr2(),
	    read_cr3(), read_cr4());
	back_trace_fault(f);
	raw("facet: stopped\r\n");
	cpu_stop();
}
